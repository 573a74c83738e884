//! What sampling costs a running load, measured inside it.
//!
//! Start a load on a disk, then `overhead loop0 --mode continuous` or `--mode cycle`. Blocks of 100 ms with
//! sampling on (A) and off (B) alternate as A B B A, so that a drift of the load cancels; completions come from
//! diskstats, which sampling does not touch. The result is one line of JSON: the mean loss of throughput over
//! the quadruples with its 95 % interval (Student's, and a bootstrap's beside it), the same without the highest
//! and the lowest tenth (for machines that others use as well), and the time of a call by the kernel's accounting.
//!
//! Options: `--blocks 400`, `--block-ms 100`, `--guard-ms 2` (left out at the start of each block), `--off
//! detached|flag` (detached by default: then off is a machine without tunerd), `--latency-one-in 64`, `--seed 1`.

use block_types::{DevNo, Nanos};
use sampler::{Duty, Probing, Request, Source, SourceChoice, Watched};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Failure = Box<dyn Error>;

struct Options {
    disk: String,
    cycle: bool,
    blocks: usize,
    block: Duration,
    guard: Duration,
    off: Off,
    latency_one_in: u32,
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Off {
    Detached,
    Flag,
}

fn options() -> Result<Options, Failure> {
    let mut options = Options {
        disk: String::new(),
        cycle: false,
        blocks: 400,
        block: Duration::from_millis(100),
        guard: Duration::from_millis(2),
        off: Off::Detached,
        latency_one_in: 64,
        seed: 1,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--mode" => {
                options.cycle = match value()?.as_str() {
                    "continuous" => false,
                    "cycle" => true,
                    other => return Err(format!("found mode {other:?}, expected continuous or cycle").into()),
                }
            }
            "--off" => {
                options.off = match value()?.as_str() {
                    "detached" => Off::Detached,
                    "flag" => Off::Flag,
                    other => return Err(format!("found {other:?}, expected detached or flag").into()),
                }
            }
            "--blocks" => options.blocks = value()?.parse()?,
            "--block-ms" => options.block = Duration::from_millis(value()?.parse()?),
            "--guard-ms" => options.guard = Duration::from_millis(value()?.parse()?),
            "--latency-one-in" => options.latency_one_in = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            disk if !disk.starts_with('-') => options.disk = disk.trim_start_matches("/dev/").to_owned(),
            other => return Err(format!("found {other:?}, expected a disk or an option").into()),
        }
    }
    if options.disk.is_empty() {
        return Err(
            "usage: overhead DISK [--mode continuous|cycle] [--blocks N] [--off detached|flag]".into()
        );
    }
    Ok(options)
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let dev: DevNo = std::fs::read_to_string(format!("/sys/block/{}/dev", options.disk))?.parse()?;
    let mut request = Request::new([Watched::new(&options.disk, dev)]);
    request.choice = SourceChoice::Bpf;
    request.latency_one_in = options.latency_one_in;
    if !options.cycle {
        request.duty = Duty::Continuous;
    }
    let kernel: Arc<dyn kernfs::Kernel> = Arc::new(kernfs::RealKernel::live());
    let source = sampler::open(&kernel, &request)?.source;

    // Lets the source see the rate, so that one in N bios is followed as in use.
    for _ in 0..4 {
        source.read(dev)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut losses = Vec::new();
    let mut rates = Vec::new();
    let mut order = options.seed;
    for _ in 0..options.blocks.div_ceil(4) {
        // A B B A or B A A B, by a coin: a rhythm of the load has no side to favour.
        order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let first = order >> 63 == 0;
        let mut sums = [0.0; 2];
        for on in [first, !first, !first, first] {
            let rate = block(&*source, dev, &options, on)?;
            sums[usize::from(on)] += rate;
        }
        losses.push(1.0 - sums[1] / sums[0]);
        rates.push(sums[0] / 2.0);
    }
    switch(&*source, dev, &options, true)?;
    let per_call = calls(&*source, dev)?;
    let off_iops = mean(&rates);
    let (low, high) = student(&losses);
    let (boot_low, boot_high) = bootstrap(&losses, options.seed, mean);
    let (trim_low, trim_high) = bootstrap(&losses, options.seed, trimmed);
    println!(
        "{}",
        serde_json::json!({
            "disk": options.disk,
            "mode": if options.cycle { "cycle" } else { "continuous" },
            "off": if options.off == Off::Detached { "detached" } else { "flag" },
            "blocks": losses.len() * 4,
            "block_ms": options.block.as_millis(),
            "off_iops": off_iops.round(),
            "loss": mean(&losses),
            "loss_low_95": low,
            "loss_high_95": high,
            "bootstrap_low_95": boot_low,
            "bootstrap_high_95": boot_high,
            "trimmed_loss": trimmed(&losses),
            "trimmed_low_95": trim_low,
            "trimmed_high_95": trim_high,
            "ns_per_call": per_call,
        })
    );
    Ok(())
}

fn switch(source: &dyn Source, dev: DevNo, options: &Options, on: bool) -> Result<(), Failure> {
    match (options.off, on) {
        (Off::Detached, false) => source.set_active(dev, false)?,
        (Off::Flag, false) => source.set_probing(Probing::Off)?,
        (off, true) => {
            if off == Off::Detached {
                source.set_active(dev, true)?;
            }
            source.set_probing(if options.cycle { Probing::Cycle } else { Probing::Continuous })?;
        }
    }
    Ok(())
}

/// Completions per second in one block.
fn block(source: &dyn Source, dev: DevNo, options: &Options, on: bool) -> Result<f64, Failure> {
    switch(source, dev, options, on)?;
    std::thread::sleep(options.guard);
    let (start, before) = (Instant::now(), completions(&options.disk)?);
    std::thread::sleep(options.block);
    let after = completions(&options.disk)?;
    Ok((after - before) as f64 / start.elapsed().as_secs_f64())
}

fn completions(disk: &str) -> Result<u64, Failure> {
    let stat = std::fs::read_to_string(format!("/sys/block/{disk}/stat"))?;
    let fields = stat.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    match fields.as_slice() {
        [reads, _, _, _, writes, ..] => Ok(reads + writes),
        _ => Err(format!("/sys/block/{disk}/stat: found {stat:?}, expected 11 numbers").into()),
    }
}

/// Nanoseconds of each probe, probing all the time for a second.
fn calls(source: &dyn Source, dev: DevNo) -> Result<serde_json::Value, Failure> {
    source.set_active(dev, true)?;
    source.set_probing(Probing::Continuous)?;
    let before = source.cost_by_probe();
    source.set_cost_accounting(true)?;
    std::thread::sleep(Duration::from(Nanos::SECOND));
    source.set_cost_accounting(false)?;
    let mut probes = serde_json::Map::new();
    for ((name, after), (_, before)) in source.cost_by_probe().into_iter().zip(before) {
        let calls = after.calls - before.calls;
        if calls > 0 {
            let ns = (after.ns_total - before.ns_total) as f64 / calls as f64;
            probes.insert(name, serde_json::json!({ "calls": calls, "ns": (ns * 10.0).round() / 10.0 }));
        }
    }
    Ok(probes.into())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The 95 % interval of the mean by Student's t; 1.98 is its quantile for 100 values, 1.99 for 75.
fn student(values: &[f64]) -> (f64, f64) {
    let mean = mean(values);
    let count = values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let t = if values.len() >= 100 { 1.984 } else { 2.1 };
    let half = t * (variance / count).sqrt();
    (mean - half, mean + half)
}

/// The mean without the highest and the lowest tenth.
fn trimmed(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let tenth = sorted.len() / 10;
    mean(&sorted[tenth..sorted.len() - tenth])
}

/// The same by resampling, for any estimate.
fn bootstrap(values: &[f64], seed: u64, estimate: fn(&[f64]) -> f64) -> (f64, f64) {
    let mut state = seed;
    let mut sample = vec![0.0; values.len()];
    let mut estimates: Vec<f64> = (0..10_000)
        .map(|_| {
            for value in &mut sample {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *value = values[(state >> 33) as usize % values.len()];
            }
            estimate(&sample)
        })
        .collect();
    estimates.sort_by(f64::total_cmp);
    (estimates[250], estimates[9_749])
}
