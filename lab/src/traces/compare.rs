//! The same recording counted by blkparse and timed by btt.

use super::Capture;
use crate::bench::process::output;
use crate::bench::report::Report;
use anyhow::{Context as _, Result};
use blktrace_parser::{Event, Requests, open_binary};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where `blkparse -d` puts its dump.
pub(super) const DUMP: &str = "dump";

/// What btt may differ by, per cent.
const BOUND: f64 = 0.1;

pub(super) fn compare(capture: &Capture, scratch: &Path, report: &mut Report) -> Result<()> {
    let mut trace = open_binary(&capture.base)?;
    let mut requests = Requests::new();
    let mut ours: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(record) = trace.merge.next_record()? {
        let event = Event::from_record(&record)?;
        requests.observe(&event);
        if let Some(code) = event.action.code().filter(|_| !event.action.is_notify()) {
            *ours.entry(code.to_owned()).or_default() += 1;
        }
    }
    let theirs = blkparse_counts(&capture.base)?;
    let actions: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let count = |counts: &BTreeMap<String, u64>, action: &str| counts.get(action).copied().unwrap_or(0);
    report.table(
        "Events by action",
        &["action", "tunerd", "blkparse", "difference"],
        actions.iter().map(|action| {
            let (ours, theirs) = (count(&ours, action), count(&theirs, action));
            let difference = i128::from(ours) - i128::from(theirs);
            [(*action).clone(), ours.to_string(), theirs.to_string(), difference.to_string()]
        }),
    );
    let all = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    report.verdict(
        "events, of each action and in all, equal to blkparse's",
        all(&theirs),
        all(&ours),
        ours == theirs && all(&ours) > 0,
    );
    report.fact("events_by_action", &ours);

    let dump = scratch.join(DUMP);
    let arguments = [
        "-q".as_ref(),
        "-O".as_ref(),
        "-i".as_ref(),
        capture.base.as_os_str(),
        "-d".as_ref(),
        dump.as_os_str(),
    ];
    output("blkparse", arguments, None)?;
    let text = output("btt", [OsStr::new("-i"), dump.as_os_str()], None)?;
    let stats = requests.stats();
    for (name, mine) in [("Q2C", &stats.q2c), ("D2C", &stats.d2c)] {
        let (mean_s, theirs) = btt(&text, name)?;
        let mean = mine.mean_ns().context("no request was paired")?;
        let off = (mean / (mean_s * 1e9) - 1.0) * 100.0;
        report.verdict(
            &format!("mean {name} equal to btt's"),
            format!("{:.3} µs within {BOUND} %, of {theirs} requests", mean_s * 1e6),
            format!("{:.3} µs ({off:+.4} %), of {}", mean / 1e3, mine.count()),
            off.abs() <= BOUND,
        );
    }
    Ok(())
}

/// How many events of each action blkparse prints.
fn blkparse_counts(base: &Path) -> Result<BTreeMap<String, u64>> {
    let mut child = Command::new("blkparse")
        .args(["-q", "-f", "%a\n", "-i"])
        .arg(base)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start blkparse")?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut lines = BufReader::with_capacity(1 << 20, child.stdout.take().context("no standard output")?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let action = String::from_utf8_lossy(&line).trim().to_owned();
        // A line of another kind (a file's name, a message) is no action.
        if !action.is_empty() && action.len() <= 2 && action != "m" {
            match counts.get_mut(&action) {
                Some(count) => *count += 1,
                None => _ = counts.insert(action, 1),
            }
        }
        line.clear();
    }
    child.wait()?;
    Ok(counts)
}

/// Mean (s) and count of one of btt's latencies, of all devices.
fn btt(text: &str, name: &str) -> Result<(f64, u64)> {
    let line = text.lines().find(|line| line.starts_with(name)).context("btt does not say")?;
    // Name, least, mean, greatest, count.
    let columns: Vec<&str> = line.split_whitespace().collect();
    let column = |index: usize| columns.get(index).with_context(|| format!("btt said {line:?}"));
    Ok((column(2)?.parse()?, column(4)?.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_table_of_btt_is_read() {
        let text = "==================== All Devices ====================\n\n\
            \x20           ALL           MIN           AVG           MAX           N\n\
            --------------- ------------- ------------- ------------- -----------\n\n\
            Q2Q               0.000000100   0.000017035   0.004000000     5999\n\
            D2C               0.000002000   0.000021234   0.000300000     6000\n\
            Q2C               0.000003000   0.000025678   0.000400000     6001\n";
        assert_eq!(btt(text, "D2C").unwrap(), (0.000_021_234, 6000));
        assert_eq!(btt(text, "Q2C").unwrap().1, 6001);
        assert!(btt(text, "X2C").is_err());
    }
}
