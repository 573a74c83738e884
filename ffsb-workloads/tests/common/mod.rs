//! What several tests do: run a text in a directory of their own.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(dead_code, reason = "each test uses its own part")]

use ffsb_workloads::error::RunError;
use ffsb_workloads::plan::{Phase, Plan, plan};
use ffsb_workloads::profile::{Op, Profile};
use ffsb_workloads::run::{Bound, Outcome, Settings, run};
use ffsb_workloads::scale::Scale;
use ffsb_workloads::tally::{OpCount, Tally};
use ffsb_workloads::watch::Unwatched;
use std::path::Path;
use std::time::Duration;

/// A profile with one file system and one threadgroup of these lines.
pub(crate) fn text(filesystem: &str, threadgroup: &str) -> String {
    format!(
        "time = 1\n[filesystem]\nlocation = /nowhere\n{filesystem}\n[end]\n[threadgroup]\n{threadgroup}\n[end]\n"
    )
}

pub(crate) fn planned(text: &str, location: &Path, scale: Scale) -> Plan {
    let profile = Profile::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{fault} in\n{text}"));
    plan(vec![Phase { name: "test".to_owned(), profile }], Some(location), scale).expect("a plan")
}

/// So many operations of each thread, every step recorded.
pub(crate) fn ops(count: u64) -> Settings {
    let bound = Some(Bound { time: None, ops: Some(count) });
    Settings { bound, record_steps: true, ..Settings::default() }
}

pub(crate) fn timed(time: Duration) -> Settings {
    Settings { bound: Some(Bound { time: Some(time), ops: None }), ..Settings::default() }
}

pub(crate) fn try_run(text: &str, location: &Path, settings: &Settings) -> Result<Outcome, RunError> {
    run(&planned(text, location, Scale::AsWritten), settings, &Unwatched)
}

pub(crate) fn run_ops(text: &str, location: &Path, count: u64) -> Outcome {
    try_run(text, location, &ops(count)).unwrap_or_else(|error| panic!("{error} of\n{text}"))
}

/// All groups of the first phase.
pub(crate) fn tally(outcome: &Outcome) -> Tally {
    let mut all = Tally::default();
    for group in &outcome.phases[0].outcome.groups {
        all.merge(&group.tally);
    }
    all
}

pub(crate) fn count(outcome: &Outcome, op: Op) -> OpCount {
    tally(outcome).of(op)
}

/// Every path below a directory, without the marker.
pub(crate) fn listing(directory: &Path) -> Vec<String> {
    fn walk(directory: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            found.push(entry.path().strip_prefix(root).expect("below").display().to_string());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&entry.path(), root, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, directory, &mut found);
    found.retain(|path| path != ".tunerd-ffsb");
    found.sort();
    found
}
