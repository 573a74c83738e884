//! The fake's misbehaviour, as the rooms above see it through [`kernfs::Disk`].

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

use block_types::{Elevator, Knob, KnobValue};
use kernfs::fake::{AsyncDepth, FakeDisk, FakeKernel};
use kernfs::{Attr, Disk, ElevatorName, Errno, InFlight, KPath, Kernel, KnobErrorKind, Unsupported};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn queue(rest: &str) -> KPath {
    KPath::sys(format!("block/loop0/queue/{rest}"))
}

fn with(disk: FakeDisk) -> (FakeKernel, Disk) {
    let kernel = FakeKernel::new().with_disk(disk);
    let disk = Disk::open(Arc::new(kernel.clone()), "loop0").unwrap();
    (kernel, disk)
}

fn plain() -> (FakeKernel, Disk) {
    with(FakeDisk::loopback("loop0"))
}

fn number(value: u64) -> KnobValue {
    KnobValue::Number(value)
}

fn write(disk: &Disk, knob: Knob, value: u64) -> Result<(), KnobErrorKind> {
    disk.write_knob(knob, number(value)).map_err(|error| error.kind)
}

#[test]
fn each_error_number_has_its_meaning() {
    let rows = [
        (Errno::Invalid, KnobErrorKind::Refused),
        (Errno::Range, KnobErrorKind::Refused),
        (Errno::Access, KnobErrorKind::ReadOnly),
        (Errno::NotPermitted, KnobErrorKind::ReadOnly),
        (Errno::ReadOnlyFs, KnobErrorKind::ReadOnly),
        (Errno::Busy, KnobErrorKind::Busy),
        (Errno::NoEntry, KnobErrorKind::Absent),
        (Errno::NoDevice, KnobErrorKind::Absent),
        (Errno::Io, KnobErrorKind::Other),
    ];
    for (errno, kind) in rows {
        let (kernel, disk) = plain();
        kernel.fail(queue("nr_requests"), errno);
        assert_eq!(write(&disk, Knob::NrRequests, 64), Err(kind), "{errno}");
        kernel.heal(&queue("nr_requests"));
        assert_eq!(write(&disk, Knob::NrRequests, 64), Ok(()));
    }
}

#[test]
fn an_error_says_file_text_and_reason() {
    let (_kernel, disk) = plain();
    let error = disk.write_knob(Knob::NrRequests, number(100_000)).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.tried, "100000");
    for part in ["\"100000\"", "fake:/sys/block/loop0/queue/nr_requests", "refuses the value", "os error 22"]
    {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn an_attribute_that_vanishes_is_absent() {
    let (kernel, disk) = plain();
    kernel.vanish_attribute(queue("wbt_lat_usec"));
    assert_eq!(disk.read_knob(Knob::WbtLatUsec).unwrap(), Attr::Absent);
    assert!(!disk.knob_writable(Knob::WbtLatUsec));
    assert_eq!(write(&disk, Knob::WbtLatUsec, 1), Err(KnobErrorKind::Absent));
    assert!(disk.read_settings().unwrap().settings.get(Knob::WbtLatUsec).is_none());
    let names = kernel.list(&KPath::sys("block/loop0/queue")).unwrap();
    assert!(names.contains(&"nr_requests".to_owned()) && !names.contains(&"wbt_lat_usec".to_owned()));
}

#[test]
fn a_read_only_knob_and_a_read_only_sysfs() {
    let (kernel, disk) = plain();
    kernel.read_only(queue("nr_requests"));
    assert!(!disk.knob_writable(Knob::NrRequests) && disk.knob_writable(Knob::ReadAheadKb));
    assert_eq!(write(&disk, Knob::NrRequests, 64), Err(KnobErrorKind::ReadOnly));
    kernel.mount_read_only(true);
    assert!(!disk.knob_writable(Knob::ReadAheadKb));
    assert_eq!(write(&disk, Knob::ReadAheadKb, 64), Err(KnobErrorKind::ReadOnly));
    kernel.mount_read_only(false);
    assert_eq!(write(&disk, Knob::ReadAheadKb, 64), Ok(()));
}

#[test]
fn a_clamp_reads_back_otherwise() {
    let (kernel, disk) = plain();
    kernel.clamp(queue("read_ahead_kb"), 64..=512);
    write(&disk, Knob::ReadAheadKb, 4096).unwrap();
    assert_eq!(disk.read_knob(Knob::ReadAheadKb).unwrap(), Attr::Value(number(512)));
}

#[test]
fn the_log_holds_every_write_of_ours_and_none_of_others() {
    let (kernel, disk) = plain();
    write(&disk, Knob::NrRequests, 64).unwrap();
    write(&disk, Knob::NrRequests, 100_000).unwrap_err();
    kernel.foreign_write(&queue("nr_requests"), "32").unwrap();
    let log: Vec<_> =
        kernel.writes().into_iter().map(|write| (write.path, write.text, write.refused)).collect();
    let path = queue("nr_requests");
    assert_eq!(
        log,
        [(path.clone(), "64".to_owned(), None), (path, "100000".to_owned(), Some(Errno::Invalid))]
    );
    assert_eq!(disk.read_knob(Knob::NrRequests).unwrap(), Attr::Value(number(32)));
    kernel.clear_log();
    assert_eq!((kernel.write_count(), kernel.read_count()), (0, 0));
}

#[test]
fn a_disk_vanishes_between_or_inside_writes() {
    let (kernel, disk) = plain();
    kernel.vanish_at_write("loop0", 2);
    assert_eq!(write(&disk, Knob::NrRequests, 64), Ok(()));
    assert_eq!(write(&disk, Knob::NrRequests, 32), Err(KnobErrorKind::Gone));
    assert!(disk.read_settings().unwrap_err().is_gone());
    assert!(!kernel.vanish("loop0"));
}

#[test]
fn a_slow_write_lets_others_read_meanwhile() {
    let (kernel, disk) = plain();
    kernel.delay_writes(queue("nr_requests"), Duration::from_millis(300));
    let slow = disk.clone();
    let started = Instant::now();
    let writer = std::thread::spawn(move || write(&slow, Knob::NrRequests, 64));
    disk.read_settings().unwrap();
    assert!(started.elapsed() < Duration::from_millis(250));
    writer.join().unwrap().unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[test]
fn async_depth_is_found_where_a_later_kernel_keeps_it() {
    let (kernel, disk) = with(FakeDisk { async_depth: AsyncDepth::Queue, ..FakeDisk::loopback("loop0") });
    disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline)).unwrap();
    assert!(!kernel.exists(&queue("iosched/async_depth")) && kernel.exists(&queue("async_depth")));
    assert!(disk.knob_writable(Knob::AsyncDepth));
    assert_eq!(disk.read_settings().unwrap().settings.number(Knob::AsyncDepth), Some(256));
    write(&disk, Knob::AsyncDepth, 64).unwrap();
    assert_eq!(disk.read_knob(Knob::AsyncDepth).unwrap(), Attr::Value(number(64)));
    // There it keeps its share of nr_requests, and goes no higher.
    write(&disk, Knob::NrRequests, 128).unwrap();
    assert_eq!(disk.read_knob(Knob::AsyncDepth).unwrap(), Attr::Value(number(32)));
    write(&disk, Knob::AsyncDepth, 4096).unwrap();
    assert_eq!(disk.read_knob(Knob::AsyncDepth).unwrap(), Attr::Value(number(128)));
    disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::None)).unwrap();
    assert_eq!(write(&disk, Knob::AsyncDepth, 64), Err(KnobErrorKind::Refused));
}

#[test]
fn an_unknown_scheduler_in_force_hides_only_itself() {
    let schedulers = ["none", "adios"].map(str::to_owned).to_vec();
    let disk = FakeDisk { schedulers, scheduler: "adios".to_owned(), ..FakeDisk::loopback("loop0") };
    let (_kernel, disk) = with(disk);
    let unknown = Unsupported::UnknownScheduler("adios".to_owned());
    assert_eq!(disk.read_knob(Knob::Scheduler).unwrap(), Attr::Unsupported(unknown.clone()));
    let readout = disk.read_settings().unwrap();
    assert_eq!(readout.scheduler.active, ElevatorName::Other("adios".to_owned()));
    assert_eq!(readout.scheduler.known(), [Elevator::None]);
    assert_eq!(readout.unsupported.get(&Knob::Scheduler), Some(&unknown));
    assert_eq!(readout.settings.number(Knob::NrRequests), Some(256));
    let refused = disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::Bfq));
    assert_eq!(refused.unwrap_err().kind, KnobErrorKind::Refused);
}

#[test]
fn counters_and_what_is_in_flight_can_be_set() {
    let (kernel, disk) = plain();
    assert!(kernel.update_stats("loop0", |stats| stats.reads += 5));
    assert!(kernel.set_in_flight("loop0", InFlight { reads: 2, writes: 1 }));
    assert!(!kernel.update_stats("loop1", |_| ()));
    let stats = disk.stats().unwrap();
    assert_eq!((stats.reads, stats.in_flight), (5, 3));
    assert_eq!(disk.in_flight().unwrap(), InFlight { reads: 2, writes: 1 });
    assert_eq!(kernfs::diskstats(&kernel).unwrap(), [stats]);
}

#[test]
fn a_restart_and_a_missing_debugfs() {
    let (kernel, disk) = plain();
    let before = kernfs::boot_id(&kernel).unwrap();
    kernel.set_boot_id("11111111-2222-3333-4444-555555555555");
    assert_ne!(kernfs::boot_id(&kernel).unwrap(), before);
    assert_eq!(disk.tag_depth().unwrap(), Some(128));
    kernel.set_debugfs(false);
    assert_eq!((disk.tag_depth().unwrap(), disk.wbt_state().unwrap()), (None, None));
}

#[test]
fn an_sata_disk_has_twice_its_tags_under_a_scheduler() {
    let kernel = FakeKernel::new().with_disk(FakeDisk::hdd("sda"));
    let disk = Disk::open(Arc::new(kernel), "sda").unwrap();
    let settings = disk.read_settings().unwrap().settings;
    assert_eq!(settings.elevator(), Some(Elevator::MqDeadline));
    assert_eq!(settings.number(Knob::NrRequests), Some(64));
    assert_eq!(settings.number(Knob::WbtLatUsec), Some(75_000));
    assert_eq!(settings.number(Knob::ReadAheadKb), Some(2560));
}

#[test]
fn all_knobs_of_a_disk_cost_one_read_each() {
    let (kernel, disk) = plain();
    disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::Bfq)).unwrap();
    kernel.clear_log();
    let readout = disk.read_settings().unwrap();
    assert_eq!(kernel.read_count(), readout.settings.iter().count() as u64);
}
