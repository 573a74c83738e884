//! The report in FFSB's shape: the same parts, columns and names in the same order.

use crate::plan::PhasePlan;
use crate::profile::{Filesystem, Growth, Op, ReadOrder, SizeRule, Threadgroup, WriteOrder};
use crate::report::{EndingName, GroupReport, PhaseReport, Report, Work, bound_text};
use crate::run::Bound;
use crate::size::Human;
use std::fmt::Write;

/// Writes a line to a string, which cannot fail.
macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($part:tt)*) => {{ let _ = writeln!($out, $($part)*); }};
}

/// The configuration of a phase, as it was run.
pub(super) fn echo(phase: &PhasePlan, bound: Option<Bound>) -> String {
    let profile = &phase.profile;
    let mut out = String::new();
    line!(out, "{}", bound_text(bound, profile.time));
    for (number, group) in profile.threadgroups.iter().enumerate() {
        echo_group(&mut out, number, group, &profile.filesystems);
    }
    for filesystem in &profile.filesystems {
        echo_filesystem(
            &mut out,
            filesystem,
            profile.direct,
            profile.aligned,
            profile.without_effect.bufferio,
        );
    }
    out
}

fn on(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn size(bytes: u64) -> String {
    format!("{bytes}\t({})", Human(bytes as f64))
}

fn echo_group(out: &mut String, number: usize, group: &Threadgroup, filesystems: &[Filesystem]) {
    line!(out, "ThreadGroup {number}\n================");
    let mut setting = |name: &str, value: String| line!(out, "\t {name:<16} = {value}");
    let block = |block: Option<std::num::NonZeroU32>| size(block.map_or(0, |block| block.get().into()));
    let skip = match group.read_order {
        ReadOrder::Skip(bytes) => Some(bytes.get()),
        ReadOrder::Sequential | ReadOrder::Random => None,
    };
    setting("num_threads", group.threads.to_string());
    if let Some(bound) = group.bound_to.and_then(|bound| filesystems.get(bound)) {
        setting("bindfs", bound.location.display().to_string());
    }
    setting("read_random", on(group.read_order == ReadOrder::Random).to_owned());
    setting("read_size", size(group.read_size.map_or(0, u64::from)));
    setting("read_blocksize", block(group.read_block));
    setting("read_skip", on(skip.is_some()).to_owned());
    setting("read_skipsize", size(skip.unwrap_or(0)));
    setting("write_random", on(group.write_order == WriteOrder::Random).to_owned());
    setting("write_size", size(group.write_size.map_or(0, u64::from)));
    setting("write_blocksize", block(group.write_block));
    setting("wait time", group.delay.as_millis().to_string());
    line!(out, "\t op weights");
    let total = group.weights.total() as f64;
    for op in Op::ALL {
        let weight = group.weights.of(*op);
        line!(out, "\t {:>20} = {weight} ({:.2}%)", op.name(), f64::from(weight) * 100.0 / total);
    }
}

fn echo_filesystem(out: &mut String, filesystem: &Filesystem, direct: bool, aligned: bool, bufferio: bool) {
    line!(out, "FileSystem {}\n==========", filesystem.location.display());
    line!(out, "\t num_dirs         = {}", filesystem.dirs);
    line!(out, "\t starting files   = {}", filesystem.files);
    match &filesystem.sizes {
        None => {}
        Some(SizeRule::Uniform { min, max }) => {
            line!(out, "\t min file size    = {}", size(*min));
            line!(out, "\t max file size    = {}", size(*max));
        }
        Some(SizeRule::Weighted(sizes)) => {
            let total: f64 = sizes.iter().map(|size| f64::from(size.weight)).sum();
            line!(out, "\t file size weights");
            for one in sizes {
                let share = f64::from(one.weight) * 100.0 / total;
                line!(out, "\t {:>20} = {} ({share:.2}%)", Human(one.size as f64).to_string(), one.weight);
            }
        }
    }
    match filesystem.growth {
        None => {}
        Some(Growth::Size(bytes)) => line!(out, "\t init size        = {}", size(bytes)),
        Some(Growth::Utilization(share)) => line!(out, "\t init util        = {:.2}%", share * 100.0),
    }
    line!(out, "\t directio         = {}", on(direct));
    line!(out, "\t alignedio        = {}", on(aligned));
    line!(out, "\t bufferedio       = {}", on(bufferio));
    match &filesystem.aging {
        None => line!(out, "\t aging is off"),
        Some(aging) => {
            line!(out, "\t aging is on, by {} threads", aging.threads.threads);
            line!(out, "\t desired utilization = {:.2}%", aging.until_used * 100.0);
        }
    }
}

/// The whole report.
pub(super) fn report(report: &Report) -> String {
    let mut out = String::new();
    line!(out, "ffsb-run {}, seed {}\n", report.version, report.seed);
    for set in &report.file_sets {
        line!(
            out,
            "{} {}: {} files, {}, in {:.1} secs",
            if set.reused { "reusing fileset" } else { "new fileset" },
            set.path,
            set.files,
            Human(set.bytes as f64),
            set.setup_ns as f64 / 1e9
        );
        if let Some(aging) = &set.aging {
            line!(
                out,
                "aged from {:.2}% to {:.2}%: {} files",
                aging.used_before * 100.0,
                aging.used_after * 100.0,
                aging.files
            );
        }
    }
    line!(out);
    for phase in &report.phases {
        // A cycle's configuration is the same at every turn.
        if phase.turn == 0
            && let Some(echo) = report.echo.get(phase.phase)
        {
            line!(out, "Profile {}\n\n{echo}", phase.name);
        }
        phase_text(&mut out, phase);
    }
    if let Some(problem) = &report.problem {
        line!(out, "Stopped early: {problem}");
    }
    out
}

fn phase_text(out: &mut String, phase: &PhaseReport) {
    line!(out, "Results: {} (turn {})", phase.name, phase.turn + 1);
    let seconds = phase.elapsed_ns as f64 / 1e9;
    line!(out, "Benchmark took {seconds:.2} sec");
    if let Some(sync) = phase.sync_ns {
        line!(out, "Syncing took {:.2} sec of these", sync as f64 / 1e9);
    }
    if phase.ending != EndingName::Complete {
        line!(out, "It did not run to its end.");
    }
    line!(out);
    for (number, group) in phase.threadgroups.iter().enumerate() {
        work_text(out, &format!("ThreadGroup {number} Results"), &group.work);
        calls_text(out, group);
    }
    work_text(out, "Total Results", &phase.total);
    if let (Some(user), Some(system)) = (phase.user_ns, phase.system_ns) {
        let percent = |nanos: u64| nanos as f64 / phase.elapsed_ns.max(1) as f64 * 100.0;
        line!(out, "{:.1}% User   Time", percent(user));
        line!(out, "{:.1}% System Time", percent(system));
        line!(out, "{:.1}% CPU Utilization\n", percent(user + system));
    }
}

fn work_text(out: &mut String, title: &str, work: &Work) {
    line!(out, "{title}\n===============");
    line!(
        out,
        "{:>20}   {:>12}\t{:>10}\t{:>7}\t{:>15}\t{:>13}",
        "Op Name",
        "Transactions",
        "Trans/sec",
        "% Trans",
        "% Op Weight",
        "Throughput"
    );
    line!(
        out,
        "{:>20}   {:>12}\t{:>10}\t{:>7}\t{:>15}\t{:>13}",
        "=======",
        "============",
        "=========",
        "=======",
        "===========",
        "=========="
    );
    for row in &work.operations {
        let throughput =
            row.bytes_per_s.map_or_else(|| "NA".to_owned(), |rate| format!("{}/sec", Human(rate)));
        line!(
            out,
            "{:>20} : {:>12}\t{:>10.2}\t{:>6.3}%\t{:>14.3}%\t{throughput:>13}",
            row.operation.name(),
            row.transactions,
            row.transactions_per_s,
            row.transaction_share * 100.0,
            row.operation_share * 100.0
        );
    }
    line!(out, "-\n{:.2} Transactions per Second\n", work.transactions_per_s);
    for row in work.operations.iter().filter(|row| row.operations_without_file > 0) {
        line!(
            out,
            "{} of {} operations {} found no file to work on",
            row.operations_without_file,
            row.operations,
            row.operation
        );
    }
    if work.files_removed_for_room > 0 {
        line!(
            out,
            "{} files were removed to stay within the size that was fitted",
            work.files_removed_for_room
        );
    }
    line!(out, "Throughput Results\n===================");
    if work.read_bytes > 0 {
        line!(out, "Read Throughput: {}/sec ({} bytes)", Human(work.read_bytes_per_s), work.read_bytes);
    }
    if work.written_bytes > 0 {
        line!(
            out,
            "Write Throughput: {}/sec ({} bytes)",
            Human(work.written_bytes_per_s),
            work.written_bytes
        );
    }
    line!(out);
}

fn calls_text(out: &mut String, group: &GroupReport) {
    let Some(calls) = &group.calls else {
        return;
    };
    line!(out, "System Call Latency statistics in millisecs\n=====");
    line!(out, "\t\tMin\t\tAvg\t\tMax\t\tTotal Calls");
    line!(out, "\t\t========\t========\t========\t============");
    for call in calls.iter().filter(|call| call.calls > 0) {
        let ms = |nanos: Option<u64>| nanos.unwrap_or(0) as f64 / 1e6;
        line!(
            out,
            "[{:>7}]\t{:.6}\t{:.6}\t{:.6}\t{:>12}",
            call.call.name(),
            ms(call.min_ns),
            ms(call.mean_ns),
            ms(call.max_ns),
            call.calls
        );
        for (number, range) in call.ranges.iter().enumerate() {
            line!(
                out,
                "\t\t msec_range[{number}]\t{:.6} - {:.6} : {:>8}",
                range.from_ms,
                range.to_ms,
                range.calls
            );
        }
    }
    line!(out);
}
