//! The simulator's half: the same work, under the settings that the kernel read back, over the same disk model.

use super::cells::Found;
use super::fio_source::{FioProcesses, Process, Tally, Turnaround};
use super::load::{Direction, Order, Threads, Work};
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, Elevator, Knob, Nanos, Sector, Settings};
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
    let mut all = Tally::default();
    let mut seconds = 0.0;
    for run in 0..bench.runs {
        let seed = seed.wrapping_mul(1_000).wrapping_add(run * 100);
        let processes = work
            .threads
            .iter()
            .enumerate()
            .flat_map(|(index, threads)| processes(threads, bench, seed + index as u64 * 10));
        let mut source = FioProcesses::new(processes, bench.turnaround.clone(), bench.ramp);
        let mut disk = bench.params.build(bench.size, seed)?;
        let limits = Run::for_time(bench.ramp, bench.window);
        let report = simulate(&config, disk.as_mut(), &mut source, &limits);
        let tally = source.tally();
        all.read_latency.add(&tally.read_latency);
        all.bytes += tally.bytes;
        all.reads += tally.reads;
        all.writes += tally.writes;
        seconds += report.elapsed.as_secs_f64();
    }
    ensure!(all.reads > 0 && seconds > 0.0, "nothing was read in the simulation");
    Ok(Found {
        bytes_per_s: all.bytes as f64 / seconds,
        read_iops: all.reads as f64 / seconds,
        write_iops: all.writes as f64 / seconds,
        read_mean_ns: all.read_latency.mean().context("no read has a latency")?,
        read_p99_ns: all.read_latency.quantile(0.99).context("no read has a latency")?,
        reads: all.reads,
    })
}

fn processes(threads: &Threads, bench: &Bench, seed: u64) -> Vec<Process> {
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
            }
        })
        .collect()
}
