//! The store on file systems that are full or read-only.

use crate::common::{run, text};
use crate::{check, sh, until};
use libtest_mimic::Failed;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tunerd::config::Objective;
use tunerd::engine::Evaluation;
use tunerd::store::{EvaluationRow, Recorder, Row, RunRow, Store, StoreError};

/// A file system of a few hundred KiB, unmounted at the end.
pub(crate) struct Tmpfs {
    directory: tempfile::TempDir,
}

impl Tmpfs {
    pub(crate) fn new(size: &str) -> Result<Self, Failed> {
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

pub(crate) fn full_while_running() -> Result<(), Failed> {
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

pub(crate) fn full_at_start() -> Result<(), Failed> {
    let tmpfs = Tmpfs::new("256k")?;
    let filler = tmpfs.fill()?;
    let error = Store::open(tmpfs.path()).err();
    check(matches!(error, Some(StoreError::Full { .. })), &error)?;
    std::fs::remove_file(filler)?;
    check(Store::open(tmpfs.path()).is_ok(), "with space it works")
}

pub(crate) fn read_only() -> Result<(), Failed> {
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
