//! `tunerd run` whole, and the commands that go with it.

use crate::common::{Ran, run, text, tunerd};
use crate::disk::Loop;
use crate::{check, until};
use libtest_mimic::Failed;
use std::path::Path;
use std::time::{Duration, Instant};
use tunerd::store::Store;

/// A `tunerd run` on a loop device, killed at the end if it still runs.
struct Daemon<'a> {
    disk: &'a Loop,
    directory: tempfile::TempDir,
    child: std::process::Child,
}

impl<'a> Daemon<'a> {
    fn start(disk: &'a Loop, more: &[&str]) -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        let strategy: &[&str] = if more.contains(&"--strategy") { &[] } else { &["--strategy", "moilanen"] };
        let child = tunerd()
            .args(Self::arguments(disk, directory.path()))
            .args(strategy)
            .args(more)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()?;
        Ok(Self { disk, directory, child })
    }

    fn arguments(disk: &Loop, directory: &Path) -> Vec<String> {
        let place = |name: &str| text(&directory.join(name));
        let fast = "--window 100ms --slice 250ms --children 4 --seed 5 --mode tune";
        let mut arguments = vec!["run".to_owned(), "--device".to_owned(), disk.name.clone()];
        arguments.extend(["--state-dir".to_owned(), place("state"), "--run-dir".to_owned(), place("run")]);
        arguments.extend(fast.split(' ').map(str::to_owned));
        arguments
    }

    /// Asks with the directories of this daemon.
    fn ask(&self, command: &str, more: &[&str]) -> Ran {
        let (state, run_dir) =
            (text(&self.directory.path().join("state")), text(&self.directory.path().join("run")));
        let state = if matches!(command, "pause" | "resume") { vec![] } else { vec!["--state-dir", &state] };
        run([command, "--run-dir", &run_dir].into_iter().chain(state).chain(more.iter().copied()))
    }

    fn status(&self) -> Option<serde_json::Value> {
        let ran = self.ask("status", &["--json"]);
        (ran.status == 0).then(|| ran.json()["devices"][0].clone())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.ask("restore", &[]);
    }
}

pub(crate) fn daemon_answers() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let originals = disk.knobs();
    let _reader = disk.read_at_random()?;
    let mut daemon = Daemon::start(&disk, &[])?;
    let changed = || disk.knobs() != originals;
    until("a child is in force", changed)?;
    until("a generation has passed", || {
        daemon.status().is_some_and(|status| status["generation"].as_u64() >= Some(1))
    })?;
    let status = daemon.status().ok_or("no status")?;
    check(status["name"] == disk.name && status["mode"] == "tune", &status)?;
    check(status["fingerprint"] == "read-random-small", &status)?;
    check(status["last_window"]["class_paper_2006"] == "read-random-small", &status)?;
    check(status["defaults"]["fifo_batch"] == 16 && status["scored"].as_u64() > Some(0), &status)?;
    check(status["source"]["reason"].as_str().is_some_and(|why| !why.is_empty()), &status)?;
    let words = daemon.ask("status", &[]);
    check(words.out.contains("of a CPU") && words.out.contains("of memory"), &words)?;

    let paused = daemon.ask("pause", &["--device", &disk.device()]);
    check(paused.status == 0 && paused.out.starts_with(&disk.name), &paused)?;
    until("the originals are back", || !changed())?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        check(!changed(), disk.knobs())?;
        std::thread::sleep(Duration::from_millis(20));
    }
    check(daemon.status().is_some_and(|status| status["paused"] == true), daemon.status())?;
    let unknown = daemon.ask("pause", &["--device", "sdq"]);
    check(unknown.status == 1 && unknown.err.contains("sdq") && unknown.err.contains(&disk.name), &unknown)?;
    check(daemon.ask("resume", &[]).status == 0, "resume")?;
    until("it goes on", changed)?;

    let pid = daemon.child.id().to_string();
    let doctor = daemon.ask("doctor", &["--device", &disk.name]);
    check(doctor.out.contains(&format!("{} is held by process {pid}", disk.name)), &doctor)?;
    let second = run(Daemon::arguments(daemon.disk, daemon.directory.path()));
    check(second.status == 1, &second)?;
    check(second.err.lines().last().is_some_and(|line| line.contains(&pid)), &second)?;

    until("something is changed", changed)?;
    daemon.child.kill()?;
    daemon.child.wait()?;
    check(changed(), "killed with a child in force")?;
    let status = daemon.ask("status", &[]);
    check(status.status == 1 && status.err.contains(&disk.name) && status.err.contains("restore"), &status)?;
    let restored = daemon.ask("restore", &[]);
    check(restored.status == 0 && restored.out.contains("put back"), &restored)?;
    check(disk.knobs() == originals, (disk.knobs(), &originals))?;
    let again = daemon.ask("restore", &[]);
    check(again.status == 0 && again.out.contains("nothing is left"), &again)?;
    let genes =
        run(["genes", "list", "--json", "--state-dir", &text(&daemon.directory.path().join("state"))]);
    check(genes.json()["genes"][0]["class"] == "read-random-small", genes)
}

pub(crate) fn run_for_a_while() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let originals = disk.knobs();
    let _reader = disk.read_at_random()?;
    let begun = Instant::now();
    let mut daemon = Daemon::start(&disk, &["--for", "4s"])?;
    until("a child is in force", || disk.knobs() != originals)?;
    let status = daemon.child.wait()?;
    check(status.code() == Some(0), status)?;
    check((4..10).contains(&begun.elapsed().as_secs()), begun.elapsed())?;
    check(disk.knobs() == originals, (disk.knobs(), &originals))?;
    let restored = daemon.ask("restore", &[]);
    check(restored.out.contains("nothing is left"), &restored)?;
    check(!daemon.directory.path().join("run/tunerd.sock").exists(), "the socket is removed")?;
    let store = Store::open_read_only(&daemon.directory.path().join("state"))?;
    let rows = store.evaluations(&disk.name, 1_000)?;
    check(rows.len() >= 4 && rows.iter().all(|row| row.scheduler == "mq-deadline"), rows.len())?;
    check(store.visits(&disk.name, "read-random-small".parse()?)? == 1, "visits")
}

pub(crate) fn confirmed_run() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let originals = disk.knobs();
    let _reader = disk.read_at_random()?;
    let mut daemon = Daemon::start(&disk, &["--strategy", "confirmed", "--settle", "100ms", "--for", "12s"])?;
    until("a candidate is in force", || disk.knobs() != originals)?;
    until("slices are measured", || {
        daemon.status().is_some_and(|status| {
            status["confirmed"]["read-random-small"]["slices"]["measured"].as_u64() >= Some(4)
        })
    })?;
    let words = daemon.ask("status", &[]);
    check(words.out.contains("campaign 1"), &words)?;
    let status = daemon.child.wait()?;
    check(status.code() == Some(0), status)?;
    check(disk.knobs() == originals, (disk.knobs(), &originals))?;
    let state = text(&daemon.directory.path().join("state"));
    let explained = run(["explain", &disk.name, "--json", "--state-dir", &state]).json();
    let chapter = &explained["fingerprints"][0];
    check(chapter["class"] == "read-random-small" && chapter["objective"] == "balanced", &explained)?;
    check(chapter["slices"]["measured"].as_u64() >= Some(4) && chapter["campaigns"] == 1, &explained)?;
    let state_of_search = Store::open_read_only(Path::new(&state))?
        .load_pool(&disk.name, "mq-deadline/balanced/confirmed")?
        .ok_or("the state of the search was not kept")?;
    check(state_of_search.contains("read-random-small"), state_of_search)
}
