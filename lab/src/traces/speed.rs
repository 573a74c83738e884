//! How long the timeline takes, and what the usual tools take to read the same files, in turns.

use super::Capture;
use super::compare::DUMP;
use crate::Context;
use crate::bench::report::Report;
use crate::bench::stats::median;
use crate::bench::tunerd::Tunerd;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How many times as fast the timeline must be.
const THAN_BLKPARSE: f64 = 8.0;
const THAN_BOTH: f64 = 20.0;

struct Runner {
    name: &'static str,
    command: Command,
    wall_s: Vec<f64>,
    cpu_s: Vec<f64>,
}

impl Runner {
    fn new(name: &'static str, command: Command) -> Self {
        Self { name, command, wall_s: Vec::new(), cpu_s: Vec::new() }
    }

    fn run(&mut self) -> Result<()> {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let cpu = children_cpu_s()?;
        let begun = Instant::now();
        let status = self.command.status().with_context(|| format!("cannot start {}", self.name))?;
        self.wall_s.push(begun.elapsed().as_secs_f64());
        self.cpu_s.push(children_cpu_s()? - cpu);
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    fn median_s(&self) -> f64 {
        median(&self.wall_s).unwrap_or(f64::NAN)
    }

    fn mean_cpu_s(&self) -> f64 {
        self.cpu_s.iter().sum::<f64>() / self.cpu_s.len().max(1) as f64
    }
}

/// Processor time of all children that have ended, to 10 ms: fields 16 and 17 of /proc/self/stat.
fn children_cpu_s() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    let fields: Vec<&str> =
        text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2).collect();
    let ticks: u64 = fields.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

pub(super) fn speed(
    tunerd: &Tunerd,
    capture: &Capture,
    scratch: &Path,
    rounds: u32,
    context: &Context,
    report: &mut Report,
) -> Result<()> {
    let dump = scratch.join(DUMP);
    let mut timeline = Command::new(tunerd.program());
    timeline.args(["fingerprint", "--json", "--trace"]).arg(&capture.base);
    let mut parse = Command::new("blkparse");
    parse.args(["-q", "-O", "-i"]).arg(&capture.base);
    let mut merge = Command::new("blkparse");
    merge.args(["-q", "-O", "-i"]).arg(&capture.base).arg("-d").arg(&dump);
    let mut btt = Command::new("btt");
    btt.arg("-i").arg(&dump);
    let mut runners = [
        Runner::new("tunerd fingerprint --trace", timeline),
        Runner::new("blkparse -q -O", parse),
        Runner::new("blkparse -q -O -d", merge),
        Runner::new("btt", btt),
    ];
    // One round unmeasured, so that all find the files in memory.
    for round in 0..=rounds {
        context.interrupt.check()?;
        for runner in &mut runners {
            runner.run()?;
            if round == 0 {
                runner.wall_s.clear();
                runner.cpu_s.clear();
            }
        }
    }
    let of =
        |values: &[f64], pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick).unwrap_or(f64::NAN);
    report.table(
        &format!(
            "Reading the recording, {rounds} rounds in turns; wall clock, and processor time of all threads"
        ),
        &["program", "median ms", "least", "greatest", "processor ms (mean)"],
        runners.iter().map(|runner| {
            [
                runner.name.to_owned(),
                format!("{:.1}", runner.median_s() * 1e3),
                format!("{:.1}", of(&runner.wall_s, f64::min) * 1e3),
                format!("{:.1}", of(&runner.wall_s, f64::max) * 1e3),
                format!("{:.0}", runner.mean_cpu_s() * 1e3),
            ]
        }),
    );
    let [ours, parse, merge, btt] = &runners;
    let than_parse = parse.median_s() / ours.median_s();
    let than_both = (merge.median_s() + btt.median_s()) / ours.median_s();
    report.verdict(
        "timeline, times as fast as blkparse -q -O",
        format!("at least {THAN_BLKPARSE}"),
        format!("{than_parse:.1}"),
        than_parse >= THAN_BLKPARSE,
    );
    report.verdict(
        "timeline, times as fast as blkparse -q -O -d and then btt",
        format!("at least {THAN_BOTH}"),
        format!("{than_both:.1}"),
        than_both >= THAN_BOTH,
    );
    report.note(format!(
        "in processor time it is {:.1} times as cheap as blkparse, and {:.1} times as blkparse -d and btt",
        parse.mean_cpu_s() / ours.mean_cpu_s(),
        (merge.mean_cpu_s() + btt.mean_cpu_s()) / ours.mean_cpu_s()
    ));
    for runner in &runners {
        report.fact(&format!("{} wall_s", runner.name), &runner.wall_s);
        report.fact(&format!("{} cpu_s", runner.name), &runner.cpu_s);
    }
    Ok(())
}
