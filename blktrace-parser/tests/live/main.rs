//! A capture of a loop device of its own, read by this crate and by blkparse and btt.
//!
//! Needs root, tracefs, `losetup`, `fio`, `blkparse` and `btt`; where one is missing the trial is counted as ignored,
//! with the reason in its name.
#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unused_imports, reason = "only Linux has the devices")
)]

#[cfg(target_os = "linux")]
mod capture;

use libtest_mimic::{Arguments, Trial};

#[cfg(not(target_os = "linux"))]
fn trials() -> Vec<Trial> {
    vec![Trial::test("a live capture (ignored: only Linux has it)", || Ok(())).with_ignored_flag(true)]
}

#[cfg(target_os = "linux")]
fn trials() -> Vec<Trial> {
    let name = "a live capture is what blkparse and btt say it is";
    match capture::missing() {
        None => vec![Trial::test(name, compare)],
        Some(why) => {
            vec![Trial::test(format!("{name} (ignored: {why})"), compare).with_ignored_flag(true)]
        }
    }
}

/// Counts must be equal, means within one in a thousand.
#[cfg(target_os = "linux")]
fn compare() -> Result<(), libtest_mimic::Failed> {
    use blktrace_parser::{Event, Requests, open_binary};
    use std::collections::BTreeMap;

    let directory = tempfile::tempdir()?;
    let base = directory.path().join("live");
    capture::capture(directory.path(), &base)?;

    let mut trace = open_binary(&base)?;
    let mut requests = Requests::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(record) = trace.merge.next_record()? {
        let event = Event::from_record(&record)?;
        requests.observe(&event);
        if let Some(code) = event.action.code().filter(|_| !event.action.is_notify()) {
            *counts.entry(code.to_owned()).or_default() += 1;
        }
    }
    let expected = capture::blkparse_counts(&base)?;
    if counts != expected || counts.get("C").is_none_or(|completions| *completions < 1_000) {
        return Err(format!("counted {counts:?}, blkparse {expected:?}").into());
    }
    let stats = requests.stats();
    for (name, ours) in [("D2C", stats.d2c), ("Q2C", stats.q2c)] {
        let theirs = capture::btt_mean_seconds(&base, name)?;
        let mean = ours.mean_ns().ok_or("no request was paired")? / 1e9;
        // btt prints nine digits of seconds and leaves one request out.
        if (mean - theirs).abs() > theirs * 0.001 {
            return Err(format!("{name}: {mean:.9} s of {}, btt {theirs:.9} s", ours.count()).into());
        }
    }
    Ok(())
}

fn main() {
    libtest_mimic::run(&Arguments::from_args(), trials()).exit();
}
