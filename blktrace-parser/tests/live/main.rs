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

/// Counts must be equal, and so must sums, but for the few requests that btt leaves out.
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
        let theirs = capture::btt_latency(&base, name)?;
        let told = format!(
            "{name}: {:?} ns of {}, btt {:.9} s of {}",
            ours.mean_ns(),
            ours.count(),
            theirs.mean_s,
            theirs.count
        );
        // btt leaves a few requests out (1 to 5 of 3,000 were seen). How long those took together follows from both
        // sums; it must be possible for so many of those that there are.
        let mean = ours.mean_ns().ok_or("no request was paired")?;
        let missing = ours.count().checked_sub(theirs.count).ok_or_else(|| told.clone())?;
        let left_out = mean * ours.count() as f64 - theirs.mean_s * 1e9 * theirs.count as f64;
        let least = (ours.min_ns().ok_or("no least")? * missing) as f64;
        let greatest = (ours.max_ns().ok_or("no greatest")? * missing) as f64;
        // Half of btt's last digit, for each of its requests.
        let rounding = theirs.count as f64;
        let range = least - rounding..=greatest + rounding;
        let agree = missing * 100 <= ours.count() && range.contains(&left_out);
        if !agree {
            return Err(format!("{told}; left out: {left_out:.0} ns, expected {missing} in {range:?}").into());
        }
    }
    Ok(())
}

fn main() {
    libtest_mimic::run(&Arguments::from_args(), trials()).exit();
}
