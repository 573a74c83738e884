//! Latencies, phases, and what happens while nobody looks.

use crate::rig::{Direct, Loop, Mount, Outcome, Watch, holds, open, request, same};
use block_types::Nanos;
use sampler::{Duty, Probing, Request, SamplerError, SourceChoice};
use std::io::Write as _;
use std::time::{Duration, Instant};

fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

pub(crate) fn every_bio_of_a_slow_disk_has_its_latency(choice: SourceChoice) -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, choice)?;
    let mut direct = Direct::open(&disk.path)?;
    let mut spent = Duration::ZERO;
    for n in 0..300 {
        let start = Instant::now();
        direct.read(n * 4096, 4096)?;
        direct.write(n * 4096, 4096)?;
        spent += start.elapsed();
    }
    disk.settle()?;
    let latency = watch.read()?.latency.ok_or("no latencies")?;
    // All but those whose completion landed where the kernel runs no BPF.
    let (reads, writes) = (latency.read.count(), latency.sync_write.count());
    holds(
        format!("{reads} reads and {writes} sync writes"),
        [reads, writes].iter().all(|n| (297..=300).contains(n)),
    )?;
    same("async writes", &latency.async_write.count(), &0)?;
    let ours = latency.read.sum_ns() + latency.sync_write.sum_ns();
    holds(format!("{ours} ns is more than the caller waited: {spent:?}"), ours <= spent.as_nanos())?;
    // The way through the system call is not the disk's, and on a busy machine the caller waits for a processor too.
    holds(format!("{ours} ns is little of what the caller waited: {spent:?}"), ours * 30 > spent.as_nanos())
}

pub(crate) fn writeback_is_told_from_what_is_waited_for() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, SourceChoice::Bpf)?;
    let device = std::fs::OpenOptions::new().write(true).open(&disk.path)?;
    (&device).write_all(&vec![0x5a; 32 << 20])?;
    // Starts writeback as the flusher would, waited for by nobody; closing the device would wait.
    rustix::fs::fadvise(&device, 0, None, rustix::fs::Advice::DontNeed)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while watch.bios()?.write_sectors < 32 << 11 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    disk.settle()?;
    let sample = watch.read()?;
    let (bios, latency) = (sample.bios.ok_or("no bios")?, sample.latency.ok_or("no latencies")?);
    same("sectors written", &bios.write_sectors, &(32 << 11))?;
    // Thousands are in flight at once here; those that find the table full are not followed.
    let asynchronous = bios.data_bios() - bios.sync;
    holds(format!("nothing was written back: {bios:?}"), asynchronous > 0)?;
    let followed = latency.async_write.count();
    holds(format!("{followed} of {asynchronous} were followed"), (1..=asynchronous).contains(&followed))?;
    same("reads", &latency.read.count(), &bios.reads)
}

pub(crate) fn bios_in_flight_have_an_age() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::continuous(&disk)?;
    let name = format!("--filename={}", disk.path);
    let mut fio = std::process::Command::new("fio")
        .args(["--name=r", &name, "--direct=1", "--rw=randread", "--bs=256k", "--ioengine=libaio"])
        .args(["--iodepth=64", "--runtime=2", "--time_based"])
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let mut aged = 0;
    for _ in 0..60 {
        std::thread::sleep(Duration::from_millis(20));
        let now = watch.read()?.in_flight;
        if let Some(age) = now.all.oldest {
            aged += 1;
            holds(format!("an age of {age}"), age < Nanos::from_millis(1_500))?;
            holds(format!("{now:?}"), now.sync.count > 0 && now.sync.sum >= age && now.read == now.sync)?;
        }
    }
    fio.wait()?;
    disk.settle()?;
    let idle = watch.read()?.in_flight;
    holds(format!("only {aged} of 60 readings saw an age"), aged > 20)?;
    same("in flight when idle", &(idle.requests(), idle.all), &(0, sampler::Ages::default()))
}

/// A mark in the middle of deep I/O: what was in flight is carried, once, and ages begin at the mark.
pub(crate) fn a_mark_charges_a_bio_to_who_submitted_it() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, SourceChoice::Bpf)?;
    let name = format!("--filename={}", disk.path);
    let mut fio = std::process::Command::new("fio")
        .args(["--name=r", &name, "--direct=1", "--rw=randread", "--bs=1m", "--ioengine=libaio"])
        .args(["--iodepth=32", "--runtime=2", "--time_based"])
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while watch.read()?.in_flight.all.count < 8 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    let carried =
        |sample: &sampler::Sample| sample.latency.as_ref().map_or(0, |latency| latency.carried.count());
    same("carried without a mark", &carried(&watch.read()?), &0)?;
    let mark = Nanos(monotonic());
    watch.opened.source.mark(watch.dev, Some(mark))?;
    let soon = watch.read()?;
    let oldest = soon.in_flight.all.oldest.unwrap_or_default();
    holds(format!("an age of {oldest} since a mark {} ago", soon.at - mark), oldest <= soon.at - mark)?;
    fio.wait()?;
    disk.settle()?;
    let after = watch.read()?;
    holds(format!("{} carried of 32 in flight", carried(&after)), (1..=32).contains(&carried(&after)))?;
    same("time in queue grew", &(after.time_in_queue > soon.time_in_queue), &true)?;
    watch.opened.source.mark(watch.dev, None)?;
    Direct::open(&disk.path)?.read(0, 4096)?;
    same("carried after the mark is gone", &carried(&watch.read()?), &carried(&after))
}

pub(crate) fn the_first_bio_after_a_pause_is_timed(choice: SourceChoice) -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, choice)?;
    let mut direct = Direct::open(&disk.path)?;
    direct.read(0, 4096)?;
    same("first bio of all", &watch.read()?.first_bio_at, &None)?;
    std::thread::sleep(Duration::from_millis(400));
    let before = monotonic();
    direct.read(4096, 4096)?;
    let after = monotonic();
    for n in 0..50 {
        direct.read(n * 4096, 4096)?;
        std::thread::sleep(Duration::from_millis(5));
    }
    disk.settle()?;
    let first = watch.read()?.first_bio_at.ok_or("no first bio")?;
    holds(format!("{first:?} is not in {before}..{after}"), (before..=after).contains(&first.0))
}

pub(crate) fn a_cycle_looks_for_its_share_of_the_time(choice: SourceChoice) -> Outcome {
    let disk = Loop::new()?;
    let on_share = 0.1;
    let duty = Duty::Cycle { on_share, period: Nanos::from_millis(200), above_iops: 20_000 };
    let opened = open(&Request { duty, ..request(&disk, choice)? })?;
    let watch = Watch { opened, dev: disk.dev()? };
    watch.opened.source.set_probing(Probing::Cycle)?;
    let before = watch.read()?;
    std::thread::sleep(Duration::from_millis(1_000));
    let after = watch.read()?;
    let share = after.observed.saturating_sub(before.observed).as_secs_f64()
        / after.at.saturating_sub(before.at).as_secs_f64();
    holds(
        format!("observed {share} of the time, expected about {on_share}"),
        (on_share / 2.0..on_share * 2.0).contains(&share),
    )?;
    watch.opened.source.set_probing(Probing::Off)?;
    let mut direct = Direct::open(&disk.path)?;
    let (before, totals) = (watch.bios()?, watch.read()?.completed);
    (0..100).try_for_each(|n| direct.read(n * 4096, 4096))?;
    disk.settle()?;
    same("bios counted while off", &watch.bios()?, &before)?;
    same("reads completed while off", &(watch.read()?.completed.reads - totals.reads), &100)
}

/// Each off-phase finds a read of 1 MiB in flight; its completion comes while nothing watches arrivals any more.
pub(crate) fn a_bio_that_is_in_flight_when_a_phase_ends_has_its_latency() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, SourceChoice::Bpf)?;
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| -> Result<(), String> {
            let mut direct = Direct::open(&disk.path).map_err(|why| format!("{why:?}"))?;
            for n in 0.. {
                if over.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                direct.read((n % 64) << 20, 1 << 20).map_err(|why| format!("{why:?}"))?;
            }
            Ok(())
        });
        for _ in 0..20 {
            watch.opened.source.set_probing(Probing::Continuous)?;
            std::thread::sleep(Duration::from_millis(10));
            watch.opened.source.set_probing(Probing::Off)?;
            std::thread::sleep(Duration::from_millis(30));
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().map_err(|_panic| "the reader panicked".to_owned())??;
        Outcome::Ok(())
    })?;
    disk.settle()?;
    let sample = watch.read()?;
    let (bios, latency) = (sample.bios.ok_or("no bios")?, sample.latency.ok_or("no latencies")?);
    holds(format!("nothing was read in the on-phases: {bios:?}"), bios.reads >= 20)?;
    // All but those whose completion landed where the kernel runs no BPF; a lost one to each phase would be 20.
    let (reads, followed) = (bios.reads, latency.read.count());
    holds(format!("{followed} latencies of {reads} reads"), followed <= reads && reads - followed <= 5)
}

pub(crate) fn an_idle_disk_is_not_probed_and_wakes(choice: SourceChoice) -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, choice)?;
    let mut direct = Direct::open(&disk.path)?;
    let mut reads = |count| (0..count).try_for_each(|n| direct.read(n * 4096, 4096));
    reads(10)?;
    watch.opened.source.set_active(watch.dev, false)?;
    let asleep = watch.read()?;
    reads(20)?;
    disk.settle()?;
    let later = watch.read()?;
    same("bios counted asleep", &later.bios, &asleep.bios)?;
    same("time observed asleep", &later.observed, &asleep.observed)?;
    same("reads completed asleep", &(later.completed.reads - asleep.completed.reads), &20)?;
    watch.opened.source.set_active(watch.dev, true)?;
    reads(30)?;
    disk.settle()?;
    let awake = watch.bios()?.since(&later.bios.ok_or("no bios")?).ok_or("a counter went backwards")?;
    same("bios counted awake", &awake.reads, &30)?;
    // The first after waking follows nothing that was seen, and nobody saw how long the disk had paused.
    same("gaps", &awake.gaps, &29)?;
    same("first bio", &watch.read()?.first_bio_at, &None)
}

pub(crate) fn errors_are_counted() -> Outcome {
    let memory = std::path::Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }?;
    let mount = Mount::new(dir.path().to_str().ok_or("a path that is not UTF-8")?)?;
    let inside = tempfile::tempdir_in(dir.path())?;
    let failed = (|| {
        let disk = Loop::over(inside, 16 << 20)?;
        let watch = Watch::new(&disk, SourceChoice::Bpf)?;
        let direct = Direct::open(&disk.path)?;
        // The file system behind has room for 2 MiB.
        let refused = (0..16).filter(|n| direct.write(n << 20, 1 << 20).is_err()).count() as u64;
        disk.settle()?;
        holds("no write failed", refused > 0)?;
        let errors = watch.read()?.errors.ok_or("no count of errors")?;
        holds(format!("{refused} writes failed, {errors} errors were counted"), errors >= refused)
    })();
    drop(mount);
    failed
}

pub(crate) fn the_cost_of_a_call_is_known() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, SourceChoice::Bpf)?;
    let source = &watch.opened.source;
    same("cost before accounting", &source.cost(), &None)?;
    source.set_cost_accounting(true)?;
    let mut direct = Direct::open(&disk.path)?;
    (0..200).try_for_each(|n| direct.read(n * 4096, 4096))?;
    disk.settle()?;
    source.set_cost_accounting(false)?;
    let cost = source.cost().ok_or("no cost")?;
    // A call at submission and one at completion; other disks' may add to them.
    holds(format!("{cost:?}"), cost.calls >= 400 && cost.ns_total > 0 && cost.ns_per_call < 20_000.0)
}

pub(crate) fn an_unknown_disk_is_named() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, SourceChoice::Bpf)?;
    let other = block_types::DevNo::new(1_000, 1);
    match watch.opened.source.read(other) {
        Err(SamplerError::UnknownDisk { disk }) => same("disk", &disk, &other),
        other => Err(format!("found {other:?}").into()),
    }
}
