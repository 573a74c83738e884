//! Attaching and detaching: what the queue is like, and that nothing is left.

use crate::bench::{Bench, SIZE, Test, assert_gone, eventually, run, spec, text};
use block_types::{Bytes, Nanos};
use emulated_disk::loop_device::{LoopDevice, Queue};
use emulated_disk::registry::State;
use emulated_disk::{Model, Spec};
use libtest_mimic::Failed;
use std::os::fd::AsFd;

pub(crate) const TRIALS: &[Test] = &[
    ("a_disk_has_its_size_and_goes_without_a_trace", a_disk_has_its_size_and_goes_without_a_trace),
    ("the_queue_is_clean_after_a_dirty_predecessor", the_queue_is_clean_after_a_dirty_predecessor),
    ("a_hard_disk_has_a_hard_disks_defaults", a_hard_disk_has_a_hard_disks_defaults),
    ("an_nvme_disk_has_no_scheduler_by_default", an_nvme_disk_has_no_scheduler_by_default),
    ("buffered_writes_are_bounded_on_request", buffered_writes_are_bounded_on_request),
    ("two_disks_live_side_by_side", two_disks_live_side_by_side),
    ("other_loop_devices_are_left_alone", other_loop_devices_are_left_alone),
    ("a_disk_that_stays_is_listed_and_detached", a_disk_that_stays_is_listed_and_detached),
    ("a_disk_in_the_foreground_goes_with_sigterm", a_disk_in_the_foreground_goes_with_sigterm),
];

fn a_disk_has_its_size_and_goes_without_a_trace() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach(&spec(Nanos(1000)))?;
    let entry = disk.entry().clone();
    assert_eq!(run("blockdev", &["--getsize64", text(disk.path())?])?.trim(), SIZE.0.to_string());
    assert_eq!(entry.state(), State::Attached);
    disk.detach()?;
    assert_gone(&entry)?;
    assert_eq!(bench.registry().all()?, []);
    Ok(())
}

const KNOBS: [&str; 11] = [
    "scheduler",
    "nr_requests",
    "max_sectors_kb",
    "read_ahead_kb",
    "nomerges",
    "rq_affinity",
    "iostats",
    "rotational",
    "wbt_lat_usec",
    "write_cache",
    "discard_max_bytes",
];

fn knobs(queue: &Queue) -> Vec<String> {
    let shown = |knob: &&str| format!("{knob}={}", queue.get(knob).unwrap_or_default());
    KNOBS.iter().map(shown).chain([format!("{:?}", queue.tag_depth())]).collect()
}

fn the_queue_is_clean_after_a_dirty_predecessor() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach(&spec(Nanos(1000)))?;
    let clean = knobs(&Queue::of(disk.name()));
    drop(disk);

    // Somebody else may take the number in between, and then nothing is learned.
    for _ in 0..50 {
        let name = leave_a_dirty_queue(&clean)?;
        let disk = bench.attach(&spec(Nanos(1000)))?;
        if disk.name() == name {
            assert_eq!(knobs(&Queue::of(disk.name())), clean);
            assert_eq!(Queue::of(disk.name()).get("../bdi/strict_limit")?, "0");
            return Ok(());
        }
    }
    Err("somebody else took the number fifty times".into())
}

/// Attaches a loop device, sets its knobs to anything, and leaves them so. Its name.
fn leave_a_dirty_queue(clean: &[String]) -> Result<String, Failed> {
    let file = tempfile::tempfile_in("/dev/shm")?;
    file.set_len(SIZE.0)?;
    let mut device = LoopDevice::attach(file.as_fd(), "dirty")?;
    let queue = device.queue();
    queue.set_tag_depth(8)?;
    for (knob, value) in [
        ("rotational", "1"),
        ("wbt_lat_usec", "12345"),
        ("scheduler", "bfq"),
        ("max_sectors_kb", "64"),
        ("read_ahead_kb", "17"),
        ("nomerges", "2"),
        ("rq_affinity", "2"),
        ("iostats", "0"),
        ("write_cache", "write through"),
        ("discard_max_bytes", "0"),
        ("../bdi/strict_limit", "1"),
    ] {
        // A kernel without bfq is dirty enough.
        assert!(queue.set(knob, value).is_ok() || value == "bfq", "{knob} cannot be set to {value}");
    }
    assert_ne!(knobs(queue), clean);
    assert!(device.release(std::time::Duration::from_secs(5)), "the device stays");
    // It is released, so that dropping it sets nothing back.
    Ok(device.name().to_owned())
}

fn a_hard_disk_has_a_hard_disks_defaults() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let wanted = Spec { queue_depth: Some(4), ..Spec::new(Model::named("hdd-7200")?, SIZE) };
    let disk = bench.attach(&wanted)?;
    let queue = Queue::of(disk.name());
    assert_eq!(queue.get("rotational")?, "1");
    if queue.get("scheduler")?.contains("mq-deadline") {
        assert_eq!(queue.scheduler()?, "mq-deadline");
        assert_eq!(queue.get("nr_requests")?, "8");
        if let Ok(wbt) = queue.get("wbt_lat_usec") {
            assert!(["75000", "0"].contains(&wbt.as_str()), "{wbt} is not what the kernel gives a hard disk");
        }
    }
    if let Some(depth) = queue.tag_depth() {
        assert_eq!(depth, 4);
        // It stays through every switch.
        queue.set("scheduler", "none")?;
        assert_eq!(queue.tag_depth(), Some(4));
    }
    // What it was made must not stay with the number.
    drop(disk);
    assert_eq!(queue.get("rotational")?, "0");
    Ok(())
}

fn an_nvme_disk_has_no_scheduler_by_default() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach(&Spec::new(Model::named("nvme")?, SIZE))?;
    assert_eq!(Queue::of(disk.name()).scheduler()?, "none");
    assert_eq!(Queue::of(disk.name()).get("rotational")?, "0");
    Ok(())
}

fn buffered_writes_are_bounded_on_request() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let limit = Bytes(16 << 20);
    let disk = bench.attach(&Spec { bound_buffered_writes: Some(limit), ..spec(Nanos(1000)) })?;
    let queue = Queue::of(disk.name());
    assert_eq!(queue.get("../bdi/strict_limit")?, "1");
    let bound: u64 = queue.get("../bdi/max_bytes")?.parse()?;
    // The kernel keeps it as a share of all memory.
    assert!(bound.abs_diff(limit.0) <= limit.0 / 10, "{bound} instead of {}", limit.0);
    Ok(())
}

fn two_disks_live_side_by_side() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let (one, other) = (bench.attach(&spec(Nanos(1000)))?, bench.attach(&spec(Nanos(2000)))?);
    assert_ne!(one.name(), other.name());
    assert_eq!(bench.registry().all()?.len(), 2);
    for (disk, pattern) in [(&one, "0x11"), (&other, "0x22")] {
        let pattern = format!("--verify_pattern={pattern}");
        let options = ["--rw=write", "--bs=64k", "--size=8m", "--verify=pattern", "--do_verify=0", &pattern];
        crate::bench::fio_results(crate::bench::fio(disk.path(), &options))?;
    }
    let first = |path: &std::path::Path| -> Result<u8, Failed> { Ok(std::fs::read(path)?[0]) };
    assert_eq!((first(one.path())?, first(other.path())?), (0x11, 0x22));
    let entry = one.entry().clone();
    one.detach()?;
    assert_eq!(first(other.path())?, 0x22, "the other goes on");
    assert!(!entry.server.is_alive());
    Ok(())
}

fn other_loop_devices_are_left_alone() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let file = tempfile::tempfile_in("/dev/shm")?;
    file.set_len(SIZE.0)?;
    let other = LoopDevice::attach(file.as_fd(), "other")?;
    other.queue().set("read_ahead_kb", "192")?;
    std::fs::write(other.path(), b"not yours")?;
    for _ in 0..3 {
        let disk = bench.attach(&spec(Nanos(1000)))?;
        assert_ne!(disk.name(), other.name());
        disk.detach()?;
    }
    let detached = bench.emudisk(&["detach", text(other.path())?])?;
    assert_eq!(detached.status.code(), Some(1), "it is no emulated disk");
    assert_eq!(other.queue().get("read_ahead_kb")?, "192");
    assert_eq!(std::fs::read(other.path())?[..9], *b"not yours");
    Ok(())
}

fn a_disk_that_stays_is_listed_and_detached() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach_detached(&["--fixed", "1ms", "--size", "64M"])?;
    let listed = bench.emudisk(&["list", "--json"])?;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout)?;
    assert_eq!(listed[0]["device"], disk.path());
    assert_eq!(listed[0]["state"], "attached");
    let shown = bench.emudisk(&["stats", disk.path(), "--json"])?;
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout)?;
    assert_eq!(shown["errors"], 0);
    let detached = bench.emudisk(&["detach", disk.path()])?;
    assert!(detached.status.success(), "{detached:?}");
    assert_gone(&disk.entry)?;
    let again = bench.emudisk(&["detach", disk.path()])?;
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert_eq!(String::from_utf8_lossy(&again.stderr).lines().count(), 1);
    Ok(())
}

fn a_disk_in_the_foreground_goes_with_sigterm() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let mut command = bench.emudisk_command(&["attach", "--fixed", "1ms", "--size", "64M", "--foreground"]);
    let child = command.spawn()?;
    eventually("the disk", || Ok(bench.registry().all()?.len() == 1))?;
    let entry = bench.registry().all()?.remove(0);
    assert_eq!(entry.keeper.pid, child.id());
    run("kill", &["-TERM", &child.id().to_string()])?;
    let output = crate::bench::must_end(child, std::time::Duration::from_secs(20))?;
    assert!(output.status.success(), "{output:?}");
    assert_gone(&entry)
}
