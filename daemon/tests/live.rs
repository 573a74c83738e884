//! What needs root: file systems that are full or read-only, peers that are somebody else, a loop device that works.
//!
//! Where this machine cannot do it, a test is counted as ignored and its name says why.

mod common;

use common::{Ran, run, text, tunerd};
use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tunerd::config::Objective;
use tunerd::control::{Peer, Request, Response, Server, Service};
use tunerd::engine::Evaluation;
use tunerd::store::{EvaluationRow, Recorder, Row, RunRow, Store, StoreError};

type Test = fn() -> Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    let root = (!rustix::process::geteuid().is_root()).then_some("not root");
    let mount = root.or_else(|| Tmpfs::new("64k").is_err().then_some("no tmpfs can be mounted"));
    let looped = root.or_else(|| Loop::new().is_err().then_some("no loop device can be made"));
    let tests: [(&str, Option<&str>, Test); 8] = [
        ("a_full_disk_stops_no_recorder_and_nothing_is_lost", mount, full_while_running),
        ("a_store_cannot_be_begun_on_a_full_disk_and_says_so", mount, full_at_start),
        ("a_read_only_state_directory_is_an_error_for_writers_and_none_for_readers", mount, read_only),
        ("the_socket_lets_its_group_look_and_only_root_change", root, peers),
        ("a_loop_device_under_random_reads_is_told_so", looped, fingerprint_of_random_reads),
        ("a_watch_that_is_interrupted_ends_well_and_leaves_nothing", looped, interrupted_watch),
        ("a_daemon_answers_pauses_and_is_cleared_up_after_when_killed", looped, daemon_answers),
        ("a_run_for_a_while_ends_with_every_original_back", looped, run_for_a_while),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, lacks, test)| match lacks {
            None => Trial::test(name, test),
            Some(why) => Trial::test(format!("{name} [{why}]"), test).with_ignored_flag(true),
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(holds: bool, what: impl std::fmt::Debug) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what:?}").into()) }
}

fn sh(program: &str, arguments: &[&str]) -> Result<String, Failed> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// A file system of a few hundred KiB, unmounted at the end.
struct Tmpfs {
    directory: tempfile::TempDir,
}

impl Tmpfs {
    fn new(size: &str) -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        let at = text(directory.path());
        sh("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tunerd-test", &at])?;
        Ok(Self { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn remount(&self, options: &str) -> Result<(), Failed> {
        sh("mount", &["-o", &format!("remount,{options}"), &text(self.path())]).map(drop)
    }

    /// Takes all the space that is left; dropping the file gives it back.
    fn fill(&self) -> Result<PathBuf, Failed> {
        let path = self.path().join("filler");
        let mut file = std::fs::File::create(&path)?;
        for size in [4_096, 1] {
            while std::io::Write::write_all(&mut file, &vec![b'x'; size]).is_ok() {}
        }
        Ok(path)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = sh("umount", &["-l", &text(self.path())]);
    }
}

fn row(child: usize) -> Row {
    Row::Evaluation(EvaluationRow {
        at_unix_ms: 1,
        device: "loop7".to_owned(),
        scheduler: "mq-deadline".to_owned(),
        evaluation: Evaluation {
            from_ns: 0,
            to_ns: 1,
            generation: 0,
            child,
            class: None,
            settings: block_types::Settings::new(),
            objective: Objective::Throughput,
            fitness: Some(1.0),
            void: None,
            bytes_per_s: None,
            mean_latency_ns: None,
            utilisation: None,
        },
    })
}

fn begin(directory: &Path) -> Result<Recorder, Failed> {
    let (store, moved) = Store::open(directory)?;
    check(moved.is_none(), moved)?;
    let run = RunRow {
        started_unix_ms: 1,
        boot_id: String::new(),
        version: String::new(),
        seed: String::new(),
        configuration: String::new(),
    };
    Ok(Recorder::start(store, run)?)
}

/// Waits until something holds, but not for ever.
fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Failed> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > Duration::from_secs(20) {
            return Err(format!("it never came to pass that {what}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn full_while_running() -> Result<(), Failed> {
    let tmpfs = Tmpfs::new("2m")?;
    let recorder = begin(tmpfs.path())?;
    recorder.append(row(1));
    until("the first row is written", || recorder.health().written == 1)?;
    let filler = tmpfs.fill()?;
    for child in 2..=2_000 {
        recorder.append(row(child));
    }
    until("the full disk is noticed", || recorder.health().error.is_some())?;
    let health = recorder.health();
    check(health.error.as_ref().is_some_and(|error| error.contains("no space")), &health)?;
    check(health.waiting > 0 && health.lost == 0, &health)?;

    std::fs::remove_file(filler)?;
    until("the rows are written once there is space", || recorder.health().written == 2_000)?;
    check(recorder.finish(Duration::from_secs(10)), "finish")?;
    check(recorder.health().error.is_none(), recorder.health())?;
    let (store, _) = Store::open(tmpfs.path())?;
    let children: Vec<usize> =
        store.evaluations("loop7", 10_000)?.iter().rev().map(|row| row.evaluation.child).collect();
    check(children == (1..=2_000).collect::<Vec<_>>(), "each row once and in order")
}

fn full_at_start() -> Result<(), Failed> {
    let tmpfs = Tmpfs::new("256k")?;
    let filler = tmpfs.fill()?;
    let error = Store::open(tmpfs.path()).err();
    check(matches!(error, Some(StoreError::Full { .. })), &error)?;
    std::fs::remove_file(filler)?;
    check(Store::open(tmpfs.path()).is_ok(), "with space it works")
}

fn read_only() -> Result<(), Failed> {
    let tmpfs = Tmpfs::new("4m")?;
    let state = text(tmpfs.path());
    let recorder = begin(tmpfs.path())?;
    recorder.append(row(1));
    check(recorder.finish(Duration::from_secs(10)), "finish")?;
    drop(recorder);
    // The connection is closed by the recorder's own thread, and with it the last file that is open for writing.
    until("the file system can be made read-only", || tmpfs.remount("ro").is_ok())?;
    let error = Store::open(tmpfs.path()).err();
    check(matches!(error, Some(StoreError::ReadOnly { .. })), &error)?;
    let below = Store::open(&tmpfs.path().join("new")).err();
    check(matches!(below, Some(StoreError::ReadOnly { .. })), &below)?;
    check(Store::open_read_only(tmpfs.path())?.evaluations("loop7", 9)?.len() == 1, "reading goes on")?;
    let listed = run(["genes", "list", "--state-dir", &state]);
    check(listed.status == 0, &listed)?;
    let forgotten = run(["genes", "forget", "--all", "--state-dir", &state]);
    check(forgotten.status == 1 && forgotten.err.contains("cannot be written"), forgotten)
}

/// Does nothing, and says who asked.
struct Echo;

impl Service for Echo {
    fn handle(&self, request: Request, peer: Peer) -> Response {
        match request {
            Request::Status {} => Response::failed(format!("status for user {}", peer.uid)),
            Request::Pause { .. } | Request::Resume { .. } => {
                Response::Done { devices: vec![format!("user-{}", peer.uid)] }
            }
        }
    }
}

/// A user and a group that own nothing.
const NOBODY: u32 = 65_534;
const OTHERS: u32 = 64_321;

/// Runs the program as somebody.
fn run_as(uid: u32, gid: u32, arguments: &[&str]) -> Result<Ran, Failed> {
    // The directory of the program may be closed to others; a copy of it is not.
    let directory = tempfile::Builder::new().permissions(open_to_all()).tempdir()?;
    let program = directory.path().join("tunerd");
    std::fs::copy(env!("CARGO_BIN_EXE_tunerd"), &program)?;
    let output = Command::new(program).args(arguments).uid(uid).gid(gid).output()?;
    Ok(Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn open_to_all() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}

fn peers() -> Result<(), Failed> {
    let directory = tempfile::Builder::new().permissions(open_to_all()).tempdir()?;
    let server =
        Server::start(&directory.path().join("tunerd.sock"), Some(&NOBODY.to_string()), Arc::new(Echo))?;
    let run_dir = text(directory.path());
    let ask = |uid, gid, command| run_as(uid, gid, &[command, "--run-dir", &run_dir]);

    let member = ask(NOBODY, NOBODY, "status")?;
    check(member.err.contains(&format!("status for user {NOBODY}")), &member)?;
    for command in ["pause", "resume"] {
        let member = ask(NOBODY, NOBODY, command)?;
        check(member.status == 1 && member.err.contains("changes are for root"), &member)?;
        let root = ask(0, 0, command)?;
        check(root.status == 0 && root.out.contains("user-0"), &root)?;
    }
    let stranger = ask(NOBODY, OTHERS, "status")?;
    check(stranger.status == 1 && stranger.err.contains("may not talk to tunerd"), &stranger)?;
    drop(server);
    let gone = ask(0, 0, "status")?;
    check(gone.err.contains("no tunerd is running"), gone)
}

/// A loop device on a sparse file, detached at the end.
struct Loop {
    name: String,
    directory: tempfile::TempDir,
}

impl Loop {
    fn new() -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("disk");
        std::fs::File::create(&file)?.set_len(256 << 20)?;
        // Others look for a free one at the same time, so a few tries.
        let mut last = Failed::from("no try");
        for _ in 0..10 {
            match sh("losetup", &["-f", "--show", &text(&file)]) {
                Ok(device) => {
                    let name = device.trim_start_matches("/dev/").to_owned();
                    let disk = Self { name, directory };
                    disk.reset()?;
                    return Ok(disk);
                }
                Err(error) => last = error,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(last)
    }

    fn device(&self) -> String {
        format!("/dev/{}", self.name)
    }

    fn queue(&self) -> PathBuf {
        Path::new("/sys/block").join(&self.name).join("queue")
    }

    /// A number remembers its settings from one file to the next: all that the tests move is set anew.
    fn reset(&self) -> Result<(), Failed> {
        // 127 and then 128, because writing what is shown already would not resize the driver's tags.
        for (knob, value) in [
            ("scheduler", "none"),
            ("nr_requests", "127"),
            ("nr_requests", "128"),
            ("read_ahead_kb", "128"),
            ("scheduler", "mq-deadline"),
        ] {
            std::fs::write(self.queue().join(knob), value).map_err(|error| format!("{knob}: {error}"))?;
        }
        Ok(())
    }

    /// Every knob that can be read, of the queue and of the scheduler.
    fn knobs(&self) -> BTreeMap<String, String> {
        let mut knobs = BTreeMap::new();
        for directory in [self.queue(), self.queue().join("iosched")] {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let text = std::fs::read_to_string(entry.path());
                if let (Ok(name), Ok(text)) = (entry.file_name().into_string(), text) {
                    knobs.insert(name, text.trim().to_owned());
                }
            }
        }
        knobs
    }

    /// Direct 4 KiB reads all over it, until told to stop.
    fn read_at_random(&self) -> Result<Reader, Failed> {
        use std::os::unix::fs::{FileExt, OpenOptionsExt};
        let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits())?;
        let file = std::fs::File::options().read(true).custom_flags(direct).open(self.device())?;
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            // Direct I/O wants an aligned buffer.
            let mut memory = vec![0_u8; 8_192];
            let start = memory.as_ptr().align_offset(4_096);
            let mut place = 1_u64;
            while !told.load(std::sync::atomic::Ordering::Relaxed) {
                // A multiplicative generator: far jumps, the same each time.
                place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let offset = (place >> 33) % (256 << 8) * 4_096;
                if file.read_at(&mut memory[start..start + 4_096], offset).is_err() {
                    return;
                }
            }
        });
        Ok(Reader { stop, thread: Some(thread) })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.reset();
        let _ = std::fs::write(self.queue().join("scheduler"), "none");
        let _ = sh("losetup", &["-d", &self.device()]);
        let _ = &self.directory;
    }
}

struct Reader {
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn fingerprint_of_random_reads() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let _reader = disk.read_at_random()?;
    for source in ["auto", "tracefs"] {
        let ran =
            run(["fingerprint", "--device", &disk.device(), "--for", "2s", "--source", source, "--json"]);
        check(ran.status == 0, &ran)?;
        let lines: Vec<serde_json::Value> =
            ran.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let right = lines.iter().filter(|line| line["class"] == "read-random-small").count();
        // The first window may be cut short.
        check(lines.len() >= 4 && right + 1 >= lines.len(), (source, &ran.out))?;
    }
    Ok(())
}

fn interrupted_watch() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let child = tunerd()
        .args(["fingerprint", "--device", &disk.device(), "--source", "tracefs"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    let pid = child.id();
    // The source's tracing instances carry the number of the process that made them.
    let instances = || -> Vec<String> {
        let entries = std::fs::read_dir("/sys/kernel/tracing/instances").into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.contains(&format!("-{pid}-"))).collect()
    };
    until("a tracing instance is made", || !instances().is_empty())?;
    sh("kill", &["-INT", &pid.to_string()])?;
    let ended = child.wait_with_output()?;
    check(ended.status.code() == Some(0), &ended)?;
    check(instances().is_empty(), instances())
}

/// A `tunerd run` on a loop device, killed at the end if it still runs.
struct Daemon<'a> {
    disk: &'a Loop,
    directory: tempfile::TempDir,
    child: std::process::Child,
}

impl<'a> Daemon<'a> {
    fn start(disk: &'a Loop, more: &[&str]) -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        let child = tunerd()
            .args(Self::arguments(disk, directory.path()))
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

fn daemon_answers() -> Result<(), Failed> {
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

fn run_for_a_while() -> Result<(), Failed> {
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
