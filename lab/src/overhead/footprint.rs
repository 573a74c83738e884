//! The daemon's own processor time and memory.

use super::Options;
use crate::Context;
use crate::bench::clock::monotonic;
use crate::bench::fio::{Job, Load, Rw};
use crate::bench::loopdev::LoopDevice;
use crate::bench::report::Report;
use crate::bench::sysfs::read_under;
use crate::bench::tunerd::Tunerd;
use anyhow::{Context as _, Result, bail};
use block_types::{Bytes, Nanos};
use std::time::Duration;

pub(super) fn measure(
    context: &Context,
    options: &Options,
    device: &LoopDevice,
    tunerd: &Tunerd,
    report: &mut Report,
) -> Result<()> {
    device.queue().set("scheduler", "mq-deadline")?;
    if options.idle_seconds > 0 {
        idle(context, options, device, &tunerd.with_state("idle")?, report)?;
    }
    if options.windows > 0 {
        memory(context, options, device, &tunerd.with_state("memory")?, report)?;
    }
    Ok(())
}

/// Processor time while nothing arrives.
fn idle(
    context: &Context,
    options: &Options,
    device: &LoopDevice,
    tunerd: &Tunerd,
    report: &mut Report,
) -> Result<()> {
    context.say(&format!("watching an idle device for {} s", options.idle_seconds));
    let mut daemon = tunerd.run(device.name(), &["--mode", "tune", "--strategy", "moilanen"])?;
    daemon.wait_for("started", Duration::from_secs(20), &context.interrupt)?;
    // It takes a few seconds to be sure that the device is idle.
    context.interrupt.sleep(Duration::from_secs(10))?;
    let (began, before) = (monotonic(), cpu_time(daemon.id())?);
    context.interrupt.sleep(Duration::from_secs(options.idle_seconds))?;
    let (ended, after) = (monotonic(), cpu_time(daemon.id())?);
    daemon.stop()?;
    let share = (after - before).as_secs_f64() / (ended - began).as_secs_f64() * 100.0;
    report.fact("idle_cpu_per_cent_of_one_core", share);
    report.verdict(
        "processor time at an idle device",
        "≤ 1 % of one core",
        format!("{share:.2} %"),
        share <= 1.0,
    );
    Ok(())
}

/// Memory after as many windows as an hour has, which short windows make in less.
fn memory(
    context: &Context,
    options: &Options,
    device: &LoopDevice,
    tunerd: &Tunerd,
    report: &mut Report,
) -> Result<()> {
    context.say(&format!("{} windows, tuning all the while", options.windows));
    let arguments = [
        "--mode",
        "tune",
        "--strategy",
        "moilanen",
        "--window",
        "20ms",
        "--window-bios",
        "1",
        "--slice",
        "160ms",
    ];
    let mut daemon = tunerd.run(device.name(), &arguments)?;
    daemon.wait_for("started", Duration::from_secs(20), &context.interrupt)?;
    // Visits of four workloads, so that the store and the library grow as they do in use.
    let visit = Duration::from_secs(10);
    let kinds =
        [(Rw::RandRead, 4 << 10), (Rw::Write, 256 << 10), (Rw::Read, 256 << 10), (Rw::RandWrite, 4 << 10)];
    let jobs = (0..120_u32).map(|index| {
        let (rw, block) = kinds[index as usize % kinds.len()];
        Job::new(&format!("v{index}"), rw, Bytes(block)).iops(2_000).start_after(visit * index).runtime(visit)
    });
    let mut load = Load::new(device.path(), jobs).start()?;
    let (mut windows, mut generations) = (0_u64, 0_u64);
    let early = loop {
        count(context, &mut daemon, &mut windows, &mut generations)?;
        if windows >= options.windows / 10 {
            break rss(daemon.id())?;
        }
    };
    while windows < options.windows {
        count(context, &mut daemon, &mut windows, &mut generations)?;
        if !load.is_alive()? {
            bail!("fio ended under the measurement");
        }
    }
    let late = rss(daemon.id())?;
    daemon.stop()?;
    load.stop()?;
    let mib = |bytes: Bytes| bytes.0 as f64 / f64::from(1 << 20);
    report.note(format!(
        "memory: {:.1} MiB after {} windows, {:.1} MiB after {windows} windows and {generations} generations",
        mib(early),
        options.windows / 10,
        mib(late)
    ));
    report.fact("rss_bytes", late.0);
    report.fact("rss_windows", windows);
    report.verdict(
        "memory (RSS) after an hour's worth of windows",
        "≤ 32 MB after ≥ 14400",
        format!("{:.1} MB after {windows}", late.0 as f64 / 1e6),
        late.0 <= 32_000_000 && windows >= 14_400,
    );
    Ok(())
}

fn count(
    context: &Context,
    daemon: &mut crate::bench::tunerd::Stream,
    windows: &mut u64,
    generations: &mut u64,
) -> Result<()> {
    context.interrupt.sleep(Duration::from_millis(500))?;
    for event in daemon.arrived()? {
        *windows += u64::from(event["event"] == "window");
        *generations += u64::from(event["event"] == "generation");
    }
    Ok(())
}

/// User and system time of a process with all its threads.
fn cpu_time(process: u32) -> Result<Nanos> {
    let path = format!("/proc/{process}/stat");
    let ticks =
        parse_ticks(&read_under(&path)?).with_context(|| format!("{path} is not what it should be"))?;
    Ok(Nanos(ticks * Nanos::SECOND.0 / rustix::param::clock_ticks_per_second().max(1)))
}

fn parse_ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything; what follows the last one is numbers, from field 3 on.
    let rest = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn rss(process: u32) -> Result<Bytes> {
    let path = format!("/proc/{process}/status");
    parse_rss(&read_under(&path)?).with_context(|| format!("{path} has no VmRSS"))
}

fn parse_rss(status: &str) -> Option<Bytes> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(Bytes(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 500 0 0 0 70 30 0 0 20 0 4 0 100 1 2 3";
        assert_eq!(parse_ticks(stat), Some(100));
        assert_eq!(parse_ticks("42 (x) S 1"), None);
    }

    #[test]
    fn memory_is_in_the_kernels_kilobytes() {
        assert_eq!(parse_rss("Name:\tx\nVmRSS:\t   1024 kB\n"), Some(Bytes(1 << 20)));
        assert_eq!(parse_rss("Name:\tx\n"), None);
    }
}
