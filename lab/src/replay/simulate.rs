//! The simulator's half: the same work, under the settings that the kernel read back, over the same disk model.

use super::cells::Found;
use super::load::{Direction, Order, Threads, Work};
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, LatencyHistogram, Nanos, Sector, Settings};
use disk_model::Params;
use replay::{Config, Host, Job, Jobs, Run, simulate};

/// The disk and the stretch of time.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The disk.
    pub params: Params,
    /// Its size.
    pub size: Bytes,
    /// How many commands it takes at once.
    pub queue_depth: u32,
    /// Not counted at the start.
    pub ramp: Nanos,
    /// Counted after that.
    pub window: Nanos,
    /// How many runs with seeds of their own are put together: the simulator's own noise is not what is compared.
    pub runs: u64,
}

/// What the simulator foretells of a piece of work under settings.
///
/// # Errors
/// Where it refuses a setting, or nothing was read.
pub fn foretell(bench: &Bench, work: &Work, settings: &Settings, seed: u64) -> Result<Found> {
    let host = Host::new(bench.params.traits(), bench.size).with_queue_depth(bench.queue_depth);
    let config = Config::new(host, settings).with_context(|| format!("{settings}"))?;
    let mut latency = LatencyHistogram::default();
    let (mut bytes, mut reads, mut writes, mut seconds) = (0_u64, 0_u64, 0_u64, 0.0);
    for run in 0..bench.runs {
        let seed = seed.wrapping_mul(1_000).wrapping_add(run * 100);
        let jobs = work.threads.iter().enumerate().flat_map(|(index, threads)| {
            jobs(threads, bench.size, seed + index as u64 * 10)
        });
        let mut disk = bench.params.build(bench.size, seed)?;
        let limits = Run::for_time(bench.ramp, bench.window);
        let report = simulate(&config, disk.as_mut(), &mut Jobs::new(jobs), &limits);
        latency.add(&report.reads.latency);
        bytes += report.data().bytes.0;
        reads += report.reads.bios;
        writes += report.writes().bios;
        seconds += report.elapsed.as_secs_f64();
    }
    ensure!(reads > 0 && seconds > 0.0, "nothing was read in the simulation");
    Ok(Found {
        bytes_per_s: bytes as f64 / seconds,
        read_iops: reads as f64 / seconds,
        write_iops: writes as f64 / seconds,
        read_mean_ns: latency.mean().context("no read has a latency")?,
        read_p99_ns: latency.quantile(0.99).context("no read has a latency")?,
        reads,
    })
}

fn jobs(threads: &Threads, size: Bytes, seed: u64) -> Vec<Job> {
    let order = match threads.order {
        Order::Sequential => replay::Order::Sequential,
        Order::Random => replay::Order::Random,
    };
    let read_share = match threads.direction {
        Direction::Reads => 1.0,
        Direction::Writes => 0.0,
        Direction::Mixed { reads_per_cent } => f64::from(reads_per_cent) / 100.0,
    };
    (0..threads.count)
        .map(|index| {
            let first = match threads.order {
                Order::Sequential => threads.part(size).sectors().0 * u64::from(index),
                Order::Random => 0,
            };
            // As fio has it: a thread reads on from its part to the end of the disk.
            let span = Bytes(size.0 - first * 512);
            let base = Job::reads(order, threads.block, threads.depth, span);
            Job { read_share, first: Sector(first), seed: seed + u64::from(index), ..base }
        })
        .collect()
}
