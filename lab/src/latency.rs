//! Whether the latency that tunerd goes by is the latency that a program feels.

use crate::Context;
use crate::bench::fio::{Job, Load, Rw};
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec};
use crate::bench::probe::Probe;
use crate::bench::report::Report;
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, Nanos};
use clap::Args;
use sampler::Duty;
use serde::Serialize;
use std::time::Duration;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Seconds of each run
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(2..=3_600))]
    pub seconds: u64,
    /// Runs at each nr_requests
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rounds: u64,
    /// Size of each read, KiB
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(4..=1_024))]
    pub block_kib: u64,
}

const READERS: u32 = 32;
/// Fewer requests than readers, so that most of them wait for one; and more than there are readers.
const NR_REQUESTS: [u32; 2] = [4, 256];
/// How far apart the two may be.
const BOUND: f64 = 0.05;

/// One run, seen by fio and by the sampler.
#[derive(Clone, Copy, Debug, Serialize)]
struct Run {
    nr_requests: u32,
    iops: f64,
    fio_mean_ns: Nanos,
    our_mean_ns: Nanos,
    fio_p99_ns: Nanos,
    our_p99_ns: Nanos,
    /// The kernel's own mean for the request, which starts once it has its tag.
    request_mean_ns: Nanos,
    sampled: u64,
}

fn apart(ours: Nanos, theirs: Nanos) -> f64 {
    ours.0 as f64 / theirs.0.max(1) as f64 - 1.0
}

/// Runs the measurement.
///
/// # Errors
///
/// Where a loop device, fio or BPF cannot be had, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    // On a disk and in large reads, so that the device and not the processor is what is short: where threads
    // wait for a processor, fio's clock counts that too, and no block layer knows of it.
    let spec = LoopSpec { size: Bytes(1 << 30), backing: Backing::Disk, tag_depth: None, allocated: true };
    context.say("making a loop device on a disk");
    let device = LoopDevice::make(&spec)?;
    device.queue().set("scheduler", "mq-deadline")?;
    let probe = Probe::open(&device, Duty::default())?;
    let mut runs = Vec::new();
    for round in 1..=options.rounds {
        for nr_requests in NR_REQUESTS {
            context.say(&format!("round {round} of {}, nr_requests {nr_requests}", options.rounds));
            runs.push(measure(context, options, &device, &probe, nr_requests)?);
        }
    }
    Ok(report(options, &runs))
}

fn measure(
    context: &Context,
    options: &Options,
    device: &LoopDevice,
    probe: &Probe,
    nr_requests: u32,
) -> Result<Run> {
    device.queue().set("nr_requests", &nr_requests.to_string())?;
    let before = probe.read()?;
    let job = Job::new("readers", Rw::RandRead, Bytes(options.block_kib << 10))
        .jobs(READERS)
        .runtime(Duration::from_secs(options.seconds));
    let running = Load::new(device.path(), [job]).start()?;
    // The share of bios that is followed goes by the rate between reads.
    let until = Duration::from_secs(options.seconds);
    context.interrupt.wait_until(until, Duration::from_millis(100), || probe.read().map(|_| false))?;
    let outcome = running.wait(&context.interrupt)?;
    let after = probe.read()?;
    let fio = &outcome.job("readers")?.read;
    let (Some(then), Some(now)) = (&before.latency, &after.latency) else {
        anyhow::bail!("the source tells no latencies");
    };
    let latencies = now.since(then).context("a counter went backwards")?;
    let reads = after.completed.reads - before.completed.reads;
    ensure!(reads > 0, "nothing was read");
    let nothing = "no latency was sampled";
    Ok(Run {
        nr_requests,
        iops: fio.iops,
        fio_mean_ns: fio.clat_ns.mean().context("fio tells no mean")?,
        our_mean_ns: latencies.read.mean().context(nothing)?,
        fio_p99_ns: fio.clat_ns.percentile(99.0).context("fio tells no p99")?,
        our_p99_ns: latencies.read.quantile(0.99).context(nothing)?,
        request_mean_ns: Nanos((after.completed.read_time - before.completed.read_time).0 / reads),
        sampled: latencies.read.count(),
    })
}

fn report(options: &Options, runs: &[Run]) -> Report {
    let mut report = Report::new("Latency as tunerd samples it, against fio's own completion latency");
    report.table(
        &format!("{READERS} random readers of {} KiB, loop device on a disk, mq-deadline", options.block_kib),
        &[
            "nr_requests",
            "IOPS",
            "mean: fio",
            "tunerd",
            "apart",
            "p99: fio",
            "tunerd",
            "apart",
            "without the wait for a tag",
        ],
        runs.iter().map(|run| {
            [
                run.nr_requests.to_string(),
                format!("{:.0}", run.iops),
                run.fio_mean_ns.to_string(),
                run.our_mean_ns.to_string(),
                format!("{:+.1} %", apart(run.our_mean_ns, run.fio_mean_ns) * 100.0),
                run.fio_p99_ns.to_string(),
                run.our_p99_ns.to_string(),
                format!("{:+.1} %", apart(run.our_p99_ns, run.fio_p99_ns) * 100.0),
                run.request_mean_ns.to_string(),
            ]
        }),
    );
    report.fact("runs", runs);
    for nr_requests in NR_REQUESTS {
        let worst = |pick: fn(&Run) -> (Nanos, Nanos)| {
            runs.iter()
                .filter(|run| run.nr_requests == nr_requests)
                .map(pick)
                .map(|(ours, theirs)| apart(ours, theirs))
                .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        };
        for (what, worst) in [
            ("mean", worst(|run| (run.our_mean_ns, run.fio_mean_ns))),
            ("p99", worst(|run| (run.our_p99_ns, run.fio_p99_ns))),
        ] {
            report.verdict(
                &format!("{what} at nr_requests {nr_requests}, worst of the runs"),
                "within 5 % of fio's",
                worst.map_or_else(|| "-".to_owned(), |worst| format!("{:+.1} %", worst * 100.0)),
                worst.is_some_and(|worst| worst.abs() <= BOUND),
            );
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_run_decides() {
        let options = Options { seconds: 1, rounds: 1, block_kib: 4 };
        let run = |nr_requests, ours| Run {
            nr_requests,
            iops: 1.0,
            fio_mean_ns: Nanos(100),
            our_mean_ns: Nanos(ours),
            fio_p99_ns: Nanos(300),
            our_p99_ns: Nanos(300),
            request_mean_ns: Nanos(50),
            sampled: 10,
        };
        assert!(report(&options, &[run(4, 104), run(256, 96)]).is_met());
        assert!(!report(&options, &[run(4, 104), run(256, 96), run(4, 94)]).is_met());
        assert!(!report(&options, &[run(4, 100)]).is_met(), "256 was never measured");
    }
}
