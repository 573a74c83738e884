//! bfq's services: who has the disk, for how long, and when it is kept idle.

use crate::bench::{Disk, SIZE, Test, assert_near};
use crate::trace::{Tracing, What};
use block_types::{Bytes, Elevator, Knob, Nanos, Sector};
use libtest_mimic::Failed;
use replay::{Config, Job, Jobs, Order, Run, simulate_observed};

pub(crate) const TRIALS: &[Test] = &[
    ("bfq_waits_for_a_sequential_process", waits_for_a_sequential_process),
    ("bfq_ends_a_service_with_its_budget", ends_a_service_with_its_budget),
    ("bfq_is_fair_to_two_equal_processes", is_fair_to_two_equal_processes),
    ("bfq_does_not_wait_for_random_processes", does_not_wait_for_random_processes),
    (
        "bfq_does_not_wait_for_a_process_that_thinks_too_much",
        does_not_wait_for_a_process_that_thinks_too_much,
    ),
];

const SECONDS: u32 = 4;
/// Half of the disk: each of two processes has one.
const HALF: u64 = SIZE.0 / 2;

/// How many sectors are issued in one half of the disk before the other has its turn, on average, in the kernel and in
/// the simulation; and reads per second.
struct Turns {
    sectors: [f64; 2],
    per_second: [f64; 2],
    /// The share of the first half's reads.
    share: [f64; 2],
}

fn run_length(halves: impl Iterator<Item = (bool, u64)>) -> f64 {
    let (mut runs, mut sectors, mut last) = (0_u64, 0_u64, None);
    for (half, length) in halves {
        sectors += length;
        if last.replace(half) != Some(half) {
            runs += 1;
        }
    }
    sectors as f64 / runs.max(1) as f64
}

/// Two processes, one to each half.
fn turns(disk: &mut Disk, config: &Config, job: &Job, options: &[&str]) -> Result<Turns, Failed> {
    let tracing = Tracing::of(disk.dev()?)?;
    let second = format!("--offset={HALF}");
    let size = format!("--size={HALF}");
    let options = [options, &[&size]].concat();
    let real = disk.fio(SECONDS, &options, &[&["--offset=0"], &[&second]])?;
    let seen = tracing.take()?;
    let middle = HALF / 512;
    let issued = seen.iter().filter(|seen| seen.what == What::Issued);
    let real_run = run_length(issued.map(|seen| (seen.sector.0 >= middle, seen.sectors.0)));
    let real_iops = |index: usize| real[index]["read"]["iops"].as_f64().ok_or("no iops");
    let (a, b) = (real_iops(0)?, real_iops(1)?);

    let first = Job { span: Bytes(HALF), ..job.clone() };
    let other = Job { first: Sector(middle), seed: 2, ..first.clone() };
    let mut model = crate::common::FixedDisk::new(disk.service, disk.depth);
    let run = Run::for_time(Nanos::ZERO, Nanos(u64::from(SECONDS) * 1_000_000_000));
    let mut issues = Vec::new();
    let report = simulate_observed(config, &mut model, &mut Jobs::new([first, other]), &run, &mut |issue| {
        issues.push((issue.stream.0 == 1, issue.command.sectors().0));
    });
    let bios = |index: usize| report.streams.get(index).map_or(0.0, |share| share.bios as f64);
    let seconds = f64::from(SECONDS);
    Ok(Turns {
        sectors: [run_length(issues.into_iter()), real_run],
        per_second: [(bios(0) + bios(1)) / seconds, a + b],
        share: [bios(0) / (bios(0) + bios(1)), a / (a + b)],
    })
}

fn waits_for_a_sequential_process() -> Result<(), Failed> {
    let mut disk = Disk::attach(Nanos::from_millis(10), 4)?.rotational()?;
    let job = Job::reads(Order::Sequential, Bytes(65_536), 1, SIZE);
    let options = ["--rw=read", "--bs=64k", "--iodepth=1"];
    let mut lengths = Vec::new();
    // So long that a process which is late on a busy machine is still waited for.
    for idle_us in [32_000, 0] {
        let knobs = [(Knob::SliceIdleUs, idle_us), (Knob::LowLatency, 0)];
        let config = disk.set(Elevator::Bfq, &knobs)?;
        let found = turns(&mut disk, &config, &job, &options)?;
        assert_near(
            &format!("reads/s, slice_idle {idle_us} µs"),
            found.per_second[0],
            found.per_second[1],
            0.2,
        )?;
        assert_near(
            &format!("sectors to a turn, slice_idle {idle_us} µs"),
            found.sectors[0],
            found.sectors[1],
            0.35,
        )?;
        lengths.push(found.sectors[0]);
    }
    assert!(lengths[0] > 4.0 * lengths[1], "idling makes no difference: {lengths:?}");
    Ok(())
}

fn ends_a_service_with_its_budget() -> Result<(), Failed> {
    let mut disk = Disk::attach(Nanos::from_millis(10), 4)?.rotational()?;
    // More than the disk takes at once: a queue that is found empty may be ended before its budget is.
    let job = Job::reads(Order::Sequential, Bytes(65_536), 8, SIZE);
    let options = ["--rw=read", "--bs=64k", "--iodepth=8"];
    let mut lengths = Vec::new();
    for budget in [1_024, 3_072] {
        let knobs = [(Knob::MaxBudget, budget), (Knob::SliceIdleUs, 32_000), (Knob::LowLatency, 0)];
        let config = disk.set(Elevator::Bfq, &knobs)?;
        let found = turns(&mut disk, &config, &job, &options)?;
        assert_near(
            &format!("sectors to a turn, budget {budget}"),
            found.sectors[0],
            found.sectors[1],
            0.25,
        )?;
        lengths.push(found.sectors[0]);
    }
    assert!(lengths[1] > 2.0 * lengths[0], "the budget makes no difference: {lengths:?}");
    Ok(())
}

fn is_fair_to_two_equal_processes() -> Result<(), Failed> {
    let mut disk = Disk::attach(Nanos::from_millis(10), 4)?.rotational()?;
    let job = Job::reads(Order::Sequential, Bytes(65_536), 8, SIZE);
    let options = ["--rw=read", "--bs=64k", "--iodepth=8"];
    let config = disk.set(Elevator::Bfq, &[(Knob::LowLatency, 0)])?;
    let found = turns(&mut disk, &config, &job, &options)?;
    eprintln!("share of the first: simulated {:.3}, kernel {:.3}", found.share[0], found.share[1]);
    // Not by panic: a busy machine may hold up one of the two, and then it is tried again.
    if !found.share.iter().all(|share| (0.42..0.58).contains(share)) {
        return Err(format!("shares {:?}, expected 0.42 to 0.58", found.share).into());
    }
    assert_near("reads/s", found.per_second[0], found.per_second[1], 0.15)
}

fn does_not_wait_for_random_processes() -> Result<(), Failed> {
    const RAMP: u32 = 5;
    // So large that requests of two processes are hardly ever close to each other: the kernel would merge their queues.
    let size = Bytes(32 << 30);
    let mut disk = Disk::attach_sized(Nanos::from_millis(20), 4, size)?.rotational()?;
    let config = disk.set(Elevator::Bfq, &[(Knob::LowLatency, 0)])?;
    let ramp = format!("--ramp_time={RAMP}");
    let options = ["--rw=randread", "--bs=4k", "--iodepth=1", "--numjobs=8", "--group_reporting", &ramp];
    let real = disk.fio(SECONDS, &options, &[&[]])?;
    let real = real[0]["read"]["iops"].as_f64().ok_or("no iops")?;
    let jobs = Job::reads(Order::Random, Bytes(4096), 1, size).times(8);
    let simulated = disk.simulate_after(&config, RAMP, SECONDS, jobs);
    assert_near("reads/s of 8 random processes", simulated.iops(), real, 0.2)?;
    // One at a time would be 50.
    assert!(simulated.iops() > 120.0, "{}", simulated.iops());
    Ok(())
}

fn does_not_wait_for_a_process_that_thinks_too_much() -> Result<(), Failed> {
    // As long as a command takes, and far less than it would be waited for; a busy machine only makes it longer.
    const THINK: Nanos = Nanos(10_000_000);
    let mut disk = Disk::attach(Nanos::from_millis(10), 4)?.rotational()?;
    let job = Job { think: THINK, ..Job::reads(Order::Sequential, Bytes(65_536), 1, SIZE) };
    let thinktime = format!("--thinktime={}", THINK.0 / 1_000);
    let options = ["--rw=read", "--bs=64k", "--iodepth=1", &thinktime];
    let config = disk.set(Elevator::Bfq, &[(Knob::SliceIdleUs, 64_000), (Knob::LowLatency, 0)])?;
    let found = turns(&mut disk, &config, &job, &options)?;
    eprintln!("sectors to a turn: simulated {:.1}, kernel {:.1}", found.sectors[0], found.sectors[1]);
    // One read is 128 sectors, and some thirty would be a service.
    for sectors in found.sectors {
        assert!(sectors < 512.0, "sectors to a turn {:?}", found.sectors);
    }
    Ok(())
}
