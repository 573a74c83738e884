//! The demo without root: the whole loop in virtual time.

use super::{NEXT, Options, published};
use crate::Context;
use crate::bench::report::Report;
use crate::convergence;
use anyhow::Result;

/// Seeds, and visits of each workload: some seconds of real time.
const SEEDS: u64 = 3;
const PASSES: u64 = 4;
/// A visit's length, virtual seconds.
const VISIT: u64 = 180;

/// Runs it. All times are virtual: an hour takes seconds.
pub(super) fn run(context: &Context, options: &Options) -> Result<Report> {
    context.say(&format!(
        "SIMULATED: {SEEDS} seeds, {PASSES} visits of {VISIT} virtual seconds of each of four made-up workloads"
    ));
    let strategies = ["moilanen-at-once", "confirmed-short"].map(str::to_owned).into();
    let quiet = Context { record: None, ..context.clone() };
    let mut report =
        convergence::run(&quiet, &convergence::Options::in_virtual_time(strategies, SEEDS, PASSES, VISIT))?;
    report.drop_verdicts();
    published::add(&mut report);
    let directory = options.directory()?;
    let files: Vec<String> =
        report.write_figures(&directory)?.iter().map(|path| path.display().to_string()).collect();
    report.note(format!("Charts, as SVG and PNG: {}", directory.display()));
    report.fact("charts", &files);
    report.note("SIMULATED: nothing here was measured on a disk. On an emulated one: sudo make demo");
    report.note(NEXT);
    report.fact("simulated", true);
    Ok(report)
}
