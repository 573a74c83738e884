//! What a guard never writes, what it writes unasked, and what it does not overwrite; on the fake kernel.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Disk, KPath};
use schedulers::{Guard, GuardConfig, plan};
use std::path::Path;
use std::sync::Arc;

const DISK: &str = "loop0";

fn attribute(knob: Knob) -> KPath {
    let place = if knob.elevator().is_some() { "iosched/" } else { "" };
    KPath::sys(format!("block/{DISK}/queue/{place}{knob}"))
}
fn settings(text: &str) -> Settings {
    text.split_whitespace()
        .map(|word| {
            let (knob, value) = word.split_once('=').unwrap();
            let value = match value.parse::<Elevator>() {
                Ok(elevator) => KnobValue::Elevator(elevator),
                Err(_) => KnobValue::Number(value.parse().unwrap()),
            };
            Setting { knob: knob.parse().unwrap(), value }
        })
        .collect()
}
fn by_hand(kernel: &FakeKernel, text: &str) {
    for word in text.split_whitespace() {
        let (knob, value) = word.split_once('=').unwrap();
        kernel.foreign_write(&attribute(knob.parse().unwrap()), value).unwrap();
    }
}
fn config(dir: &Path) -> GuardConfig {
    GuardConfig { state_dir: dir.join("state"), run_dir: dir.join("run") }
}
fn guard(kernel: &FakeKernel, dir: &Path) -> Guard {
    let disk = Disk::open(Arc::new(kernel.clone()), DISK).unwrap();
    Guard::take(disk, &config(dir)).unwrap()
}
fn kernel(set: &str) -> FakeKernel {
    let kernel = FakeKernel::new().with_disk(FakeDisk::loopback(DISK));
    by_hand(&kernel, set);
    kernel
}
fn apply(guard: &mut Guard, wanted: &str) -> schedulers::Applied {
    let plan = plan(guard.current(), &settings(wanted));
    guard.apply(&plan).unwrap()
}
fn number(kernel: &FakeKernel, knob: Knob) -> Option<u64> {
    let disk = Disk::open(Arc::new(kernel.clone()), DISK).unwrap();
    disk.read_knob(knob).unwrap().value().and_then(KnobValue::number)
}
fn depth(kernel: &FakeKernel) -> u64 {
    Disk::open(Arc::new(kernel.clone()), DISK).unwrap().tag_depth().unwrap().unwrap()
}

#[test]
fn a_value_outside_the_range_is_refused_and_never_reaches_the_kernel() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = kernel("scheduler=mq-deadline");
    let mut guard = guard(&kernel, dir.path());
    kernel.clear_log();
    let applied =
        apply(&mut guard, "read_ahead_kb=4194304 fifo_batch=100000 nr_requests=100000 front_merges=7");
    assert_eq!(kernel.writes(), vec![], "written: {:?}", applied.written);
    assert_eq!(applied.failed.len(), 4);
}

#[test]
fn a_depth_that_was_set_under_none_is_not_felt_under_the_next_scheduler() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = kernel("scheduler=mq-deadline");
    let mut guard = guard(&kernel, dir.path());
    apply(&mut guard, "scheduler=none nr_requests=16");
    assert_eq!(depth(&kernel), 16);
    apply(&mut guard, "scheduler=kyber");
    assert_eq!(depth(&kernel), 128);
}

#[test]
fn a_depth_that_was_hidden_before_is_never_exceeded() {
    let dir = tempfile::tempdir().unwrap();
    // As an emulated disk sets it up: 4 requests in the driver, whatever nr_requests says.
    let kernel = kernel("scheduler=none nr_requests=4 scheduler=mq-deadline");
    let mut guard = guard(&kernel, dir.path());
    apply(&mut guard, "scheduler=none nr_requests=100");
    assert_eq!(depth(&kernel), 4);
    let _ = guard.restore();
    assert_eq!((depth(&kernel), number(&kernel, Knob::NrRequests)), (4, Some(256)));
}

#[test]
fn a_write_by_somebody_else_between_two_looks_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = kernel("scheduler=mq-deadline");
    let mut guard = guard(&kernel, dir.path());
    apply(&mut guard, "fifo_batch=8");
    by_hand(&kernel, "fifo_batch=77");
    apply(&mut guard, "fifo_batch=4 read_expire=100");
    assert_eq!(number(&kernel, Knob::FifoBatch), Some(77));
    assert_eq!(number(&kernel, Knob::ReadExpire), Some(100));
    let found: Vec<Knob> = guard.foreign().unwrap().iter().map(|found| found.knob).collect();
    assert_eq!(found, [Knob::FifoBatch]);
    let _ = guard.restore();
    assert_eq!((number(&kernel, Knob::FifoBatch), number(&kernel, Knob::ReadExpire)), (Some(77), Some(500)));
}

#[test]
fn a_scheduler_that_comes_back_has_its_own_knobs_back() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = kernel("scheduler=mq-deadline fifo_batch=8 read_expire=400");
    let mut guard = guard(&kernel, dir.path());
    apply(&mut guard, "scheduler=bfq slice_idle_us=0");
    apply(&mut guard, "scheduler=mq-deadline read_expire=100");
    assert_eq!((number(&kernel, Knob::FifoBatch), number(&kernel, Knob::ReadExpire)), (Some(8), Some(100)));
}

#[test]
fn read_ahead_is_not_left_where_max_sectors_raised_it() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = kernel("scheduler=mq-deadline read_ahead_kb=64");
    let mut guard = guard(&kernel, dir.path());
    apply(&mut guard, "max_sectors_kb=512");
    assert_eq!(number(&kernel, Knob::ReadAheadKb), Some(64));
}

/// What they chose may be tuned as well, but ends as they chose it, and their `none` keeps the driver's tags.
#[test]
fn a_scheduler_that_somebody_chose_ends_as_they_chose_it() {
    for chosen in ["none", "kyber", "bfq"] {
        let dir = tempfile::tempdir().unwrap();
        let kernel = kernel("scheduler=mq-deadline nr_requests=96");
        let read_ahead = number(&kernel, Knob::ReadAheadKb);
        let mut guard = guard(&kernel, dir.path());
        apply(&mut guard, "nr_requests=64 read_ahead_kb=512 fifo_batch=4");
        by_hand(&kernel, &format!("scheduler={chosen}"));
        let there = number(&kernel, Knob::NrRequests);
        assert_eq!(guard.foreign().unwrap().len(), 1);
        apply(&mut guard, "nr_requests=20 scheduler=mq-deadline read_ahead_kb=256");
        assert_eq!(depth(&kernel), 128, "{chosen}");
        let report = guard.restore();
        assert!(report.failed.is_empty(), "{report}");
        assert_eq!((number(&kernel, Knob::NrRequests), depth(&kernel)), (there, 128), "{chosen}");
        assert_eq!(number(&kernel, Knob::ReadAheadKb), read_ahead, "{chosen}");
    }
}

#[test]
fn without_debugfs_a_depth_that_could_not_be_put_back_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = kernel("scheduler=none nr_requests=40 scheduler=mq-deadline");
    kernel.set_debugfs(false);
    let mut guard = guard(&kernel, dir.path());
    apply(&mut guard, "scheduler=none nr_requests=16");
    let _ = guard.restore();
    kernel.set_debugfs(true);
    assert_eq!(depth(&kernel), 40);
}
