//! `tunerd ab` on a loop device: signals in the middle of a pair, and two at once.

use crate::common::{Ran, run, text, tunerd};
use crate::disk::Loop;
use crate::{check, until};
use libtest_mimic::Failed;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};

struct Comparison {
    directory: tempfile::TempDir,
    child: Child,
}

fn arguments(disk: &Loop, directory: &std::path::Path, more: &[&str]) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["ab", "--device", &disk.name, "--slice", "300ms", "--settle", "100ms", "--baseline", "2"]
            .map(str::to_owned)
            .to_vec();
    arguments.extend(["--state-dir".to_owned(), text(&directory.join("state"))]);
    arguments.extend(["--run-dir".to_owned(), text(&directory.join("run"))]);
    arguments.extend(more.iter().map(|&argument| argument.to_owned()));
    arguments
}

impl Comparison {
    fn start(disk: &Loop) -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        let child = tunerd()
            .args(arguments(
                disk,
                directory.path(),
                &["--set", "front_merges=0", "--until-decided", "--json"],
            ))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { directory, child })
    }

    fn signal(&self, signal: Signal) -> Result<(), Failed> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).ok_or("no pid")?;
        Ok(kill_process(pid, signal)?)
    }

    fn restore(&self) -> Ran {
        let place = |name: &str| text(&self.directory.path().join(name));
        run(["restore", "--state-dir", &place("state"), "--run-dir", &place("run")])
    }
}

impl Drop for Comparison {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.restore();
    }
}

pub(crate) fn signals_put_everything_back() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let originals = disk.knobs();
    let _reader = disk.read_at_random()?;
    for signal in [Signal::INT, Signal::TERM] {
        let mut comparison = Comparison::start(&disk)?;
        until("the child is in force", || disk.knobs() != originals)?;
        comparison.signal(signal)?;
        let status = comparison.child.wait()?;
        check(status.code() == Some(0), status)?;
        check(disk.knobs() == originals, disk.knobs())?;
        let mut said = String::new();
        std::io::Read::read_to_string(&mut comparison.child.stdout.take().ok_or("no output")?, &mut said)?;
        let last: serde_json::Value = serde_json::from_str(said.lines().last().ok_or("it said nothing")?)?;
        check(
            last["verdict"] == "undecided" && last["why"].as_str().is_some_and(|why| why.contains("SIG")),
            &last,
        )?;
        check(comparison.restore().out.contains("nothing is left"), "a journal is left")?;
    }
    let mut comparison = Comparison::start(&disk)?;
    until("the child is in force", || disk.knobs() != originals)?;
    comparison.child.kill()?;
    comparison.child.wait()?;
    check(disk.knobs() != originals, "killed with the child in force")?;
    let restored = comparison.restore();
    check(restored.status == 0 && restored.out.contains("put back"), &restored)?;
    check(disk.knobs() == originals, disk.knobs())
}

pub(crate) fn the_second_is_refused() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let originals = disk.knobs();
    let _reader = disk.read_at_random()?;
    let comparison = Comparison::start(&disk)?;
    until("the child is in force", || disk.knobs() != originals)?;
    let second = run(arguments(&disk, comparison.directory.path(), &["--set", "fifo_batch=1"]));
    let pid = comparison.child.id().to_string();
    check(second.status == 1 && second.err.contains(&pid), &second)
}

pub(crate) fn without_work_it_ends_and_says_so() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let originals = disk.knobs();
    let directory = tempfile::tempdir()?;
    let ran = run(arguments(&disk, directory.path(), &["--set", "fifo_batch=1", "--for", "3s"]));
    check(ran.status == 3 && ran.err.contains("--wait") && ran.out.contains("undecided"), &ran)?;
    check(disk.knobs() == originals, disk.knobs())
}

pub(crate) fn a_page_is_written_and_advice_is_given() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let originals = disk.knobs();
    let _reader = disk.read_at_random()?;
    let directory = tempfile::tempdir()?;
    let page = text(&directory.path().join("page.html"));
    let more = ["--set", "front_merges=0", "--for", "8s", "--html", &page, "--objective", "latency"];
    let ran = run(arguments(&disk, directory.path(), &more));
    check(ran.status == 0 && ran.out.starts_with(&format!("{} front_merges=0 against", disk.name)), &ran)?;
    let html = std::fs::read_to_string(&page)?;
    check(
        html.contains("<svg") && html.contains(ran.out.trim_end().split(';').next().unwrap_or("?")),
        &html,
    )?;
    let advice = run(["advise", "--device", &disk.name, "--for", "2s", "--json"]);
    check(advice.status == 0, &advice)?;
    let json = advice.json();
    check(
        json["read_share"] == 1.0 && json["fingerprints"].as_array().is_some_and(|all| !all.is_empty()),
        &json,
    )?;
    check(json["advice"].as_array().is_some(), &json)?;
    check(disk.knobs() == originals, disk.knobs())
}
