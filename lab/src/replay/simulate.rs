//! The simulator's half: the same work, under the settings that the kernel read back, over the same disk model.

use super::cells::Found;
use super::fio_source::{FioProcesses, Process, Turnaround};
use super::load::{Direction, Order, Threads, Work};
use anyhow::{Context as _, Result};
use block_types::{Bytes, Elevator, Knob, LatencyHistogram, Nanos, Sector, Settings};
use disk_model::Params;
use replay::{Config, Host, Run, simulate};

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
    /// How long a process that slept takes until it runs again.
    pub turnaround: Turnaround,
    /// How many runs with seeds of their own are put together: the simulator's own noise is not what is compared.
    pub runs: u64,
}

/// What the simulator foretells of a piece of work under settings.
///
/// # Errors
/// Where it refuses a setting, or nothing was read.
pub fn foretell(bench: &Bench, work: &Work, settings: &Settings, seed: u64) -> Result<Found> {
    let host = Host::new(bench.params.traits(), bench.size).with_queue_depth(bench.queue_depth);
    let mut settings = settings.clone();
    if settings.elevator() == Some(Elevator::None) {
        // What it reads under `none` is not how many requests the driver takes.
        settings.0.remove(&Knob::NrRequests);
    }
    let config = Config::new(host, &settings).with_context(|| format!("{settings}"))?;
    let mut found = Found {
        bytes_per_s: 0.0,
        read_iops: 0.0,
        write_iops: 0.0,
        read_mean_ns: Nanos::ZERO,
        read_p99_ns: Nanos::ZERO,
        reads: 0,
    };
    let mut read_latency = LatencyHistogram::default();
    for run in 0..bench.runs {
        let seed = seed.wrapping_mul(1_000).wrapping_add(run * 100);
        let processes = work
            .threads
            .iter()
            .enumerate()
            .flat_map(|(group, threads)| processes(threads, bench, group, seed + group as u64 * 10));
        let mut source = FioProcesses::new(processes, bench.turnaround.clone(), bench.ramp, bench.window);
        let mut disk = bench.params.build(bench.size, seed)?;
        simulate(&config, disk.as_mut(), &mut source, &Run { ramp: bench.ramp, ..Run::to_the_end() });
        for group in source.groups() {
            let of_runs = |count: u64| count as f64 / group.time.as_secs_f64() / bench.runs as f64;
            found.bytes_per_s += of_runs(group.bytes);
            found.read_iops += of_runs(group.reads);
            found.write_iops += of_runs(group.writes);
            found.reads += group.reads;
            read_latency.add(&group.read_latency);
        }
    }
    found.read_mean_ns = read_latency.mean().context("nothing was read in the simulation")?;
    found.read_p99_ns = read_latency.quantile(0.99).context("nothing was read in the simulation")?;
    Ok(found)
}

fn processes(threads: &Threads, bench: &Bench, group: usize, seed: u64) -> Vec<Process> {
    let read_share = match threads.direction {
        Direction::Reads => 1.0,
        Direction::Writes => 0.0,
        Direction::Mixed { reads_per_cent } => f64::from(reads_per_cent) / 100.0,
    };
    (0..threads.count)
        .map(|index| {
            let first = match threads.order {
                Order::Sequential => threads.part(bench.size).sectors().0 * u64::from(index),
                Order::Random => 0,
            };
            Process {
                sequential: threads.order == Order::Sequential,
                read_share,
                block: threads.block,
                depth: threads.depth,
                first: Sector(first),
                // As fio has it: a thread reads on from its part to the end of the disk.
                span: Bytes(bench.size.0 - first * 512),
                seed: seed + u64::from(index),
                group,
            }
        })
        .collect()
}
