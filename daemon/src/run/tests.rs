//! The whole loop on the fake kernel in virtual time: good days and bad ones.

use super::*;
use crate::config::{Config, Mode, StrategyName};
use crate::engine::{DeviceEvent, Engine, Event, GeneMap, Reason, Search, Strategy, VoidReason};
use block_types::{Elevator, Knob, KnobValue, Nanos, Settings};
use genetic::{Library, LibraryConfig, Moilanen, MoilanenConfig};
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Disk, Errno, KPath};
use schedulers::{Guard, GuardConfig, Offer};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

const DEVICE: &str = "sda";

pub(super) type Deed = Box<dyn FnOnce(&FakeKernel, &VirtualClock) + Send>;

/// A virtual clock at whose moments things happen to the machine.
pub(super) struct EventfulClock {
    clock: Arc<VirtualClock>,
    kernel: FakeKernel,
    deeds: Mutex<VecDeque<(Nanos, Deed)>>,
}

impl EventfulClock {
    pub(super) fn new(clock: Arc<VirtualClock>, kernel: FakeKernel, deeds: VecDeque<(Nanos, Deed)>) -> Self {
        Self { clock, kernel, deeds: Mutex::new(deeds) }
    }
}

impl Clock for EventfulClock {
    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn suspended(&self) -> Nanos {
        self.clock.suspended()
    }

    fn unix_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    fn wait<T>(&self, until: Nanos, inbox: &Receiver<T>) -> Wake<T> {
        let woken = self.clock.wait(until, inbox);
        let mut deeds = self.deeds.lock().unwrap();
        while deeds.front().is_some_and(|(at, _)| *at <= self.now()) {
            let (_, deed) = deeds.pop_front().unwrap();
            deed(&self.kernel, &self.clock);
        }
        woken
    }
}

/// Keeps every event.
#[derive(Default)]
struct Witness(Mutex<Vec<Event>>);

impl Sink for Witness {
    fn event(&self, event: &DeviceEvent) {
        self.0.lock().unwrap().push(event.event.clone());
    }

    fn keep(&self, _device: &str, _strategy: &Strategy) {}
}

struct Outcome {
    ended: Ended,
    events: Vec<Event>,
    kernel: FakeKernel,
    before: Settings,
    after: Option<Settings>,
}

fn attribute(knob: Knob) -> KPath {
    match knob.elevator() {
        Some(_) => KPath::sys(format!("block/{DEVICE}/queue/iosched/{knob}")),
        None => KPath::sys(format!("block/{DEVICE}/queue/{knob}")),
    }
}

fn knobs(disk: &Disk) -> Settings {
    disk.read_settings().unwrap().settings
}

/// Runs the loop for so many seconds of virtual time; `deeds` happen at the seconds given.
fn run(seconds: u64, mode: Mode, script: Vec<Visit>, deeds: Vec<(u64, Deed)>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new().with_disk(FakeDisk::hdd(DEVICE));
    let disk = Disk::open(Arc::new(kernel.clone()), DEVICE).unwrap();
    disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline)).unwrap();
    let before = knobs(&disk);
    kernel.clear_log();
    let begin = Nanos::SECOND;
    let at = |seconds: u64| begin + Nanos(seconds * 1_000_000_000);
    let clock = Arc::new(VirtualClock::until(begin, at(seconds)));
    let config = Config { mode, ..Config::of(StrategyName::Moilanen) };
    let source = Arc::new(SyntheticSource::new(clock.clone(), disk.clone(), script, 7));
    let offer = Offer::read(&disk).unwrap();
    let genes = GeneMap::new(&offer, &config).unwrap();
    let pool = Moilanen::new(genes.space().clone(), MoilanenConfig::default(), 7).unwrap();
    let library = Library::new(LibraryConfig::default()).unwrap();
    let guard = GuardConfig { state_dir: dir.path().to_owned(), run_dir: dir.path().to_owned() };
    let guard = (mode != Mode::Observe).then(|| Guard::take(disk.clone(), &guard).unwrap());
    let witness = Arc::new(Witness::default());
    let tuned = before.iter().filter(|setting| genes.knobs().contains(&setting.knob)).collect();
    let search = Search::new(DEVICE.to_owned(), config.clone(), genes, pool, library);
    let deeds = Mutex::new(deeds.into_iter().map(|(seconds, deed)| (at(seconds), deed)).collect());
    let parts = Parts {
        name: DEVICE.to_owned(),
        devno: disk.devno().unwrap(),
        engine: Engine::new(config.clone(), search, tuned, begin),
        guard,
        source,
        clock: Arc::new(EventfulClock { clock, kernel: kernel.clone(), deeds }),
        sink: witness.clone(),
        config,
        originals: before.clone(),
        notes: Vec::new(),
    };
    let (_commands, inbox) = channel();
    let ended = DeviceLoop::new(parts).run(&inbox);
    let after = disk.read_settings().ok().map(|readout| readout.settings);
    let events = std::mem::take(&mut *witness.0.lock().unwrap());
    Outcome { ended, events, kernel, before, after }
}

pub(super) fn deed(act: impl FnOnce(&FakeKernel, &VirtualClock) + Send + 'static) -> Deed {
    Box::new(act)
}

fn one_kind_of_work() -> Vec<Visit> {
    demo_script().into_iter().skip(1).take(1).collect()
}

impl Outcome {
    fn warnings(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Warning { message, .. } => Some(message.as_str()),
                _ => None,
            })
            .collect()
    }

    fn writes_of(&self, knob: Knob) -> usize {
        let path = attribute(knob);
        self.kernel.writes().iter().filter(|write| write.path == path).count()
    }

    fn generations(&self) -> Vec<f64> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Generation { mean_fitness, aborted: false, .. } => *mean_fitness,
                _ => None,
            })
            .collect()
    }
}

#[test]
fn a_run_leaves_the_machine_as_it_found_it() {
    let outcome = run(200, Mode::Tune, demo_script(), Vec::new());
    assert_eq!(outcome.ended, Ended::Stopped);
    assert!(outcome.writes_of(Knob::FifoBatch) > 20, "nothing was tuned");
    assert_eq!(outcome.after.as_ref(), Some(&outcome.before));
}

#[test]
fn observe_writes_nothing_at_all() {
    let outcome = run(200, Mode::Observe, demo_script(), Vec::new());
    assert_eq!(outcome.kernel.write_count(), 0);
    assert!(outcome.events.iter().any(|event| matches!(event, Event::Would { .. })));
}

#[test]
fn generations_climb_on_a_landscape_that_has_a_slope() {
    let outcome = run(600, Mode::Tune, one_kind_of_work(), Vec::new());
    let generations = outcome.generations();
    let (first, late) = (generations[0], &generations[generations.len() / 2..]);
    let late = late.iter().sum::<f64>() / late.len() as f64;
    assert!(late > first * 1.05, "{first} → {late}: {generations:?}");
}

#[test]
fn a_returning_workload_finds_its_genes_in_force_within_a_second() {
    let outcome = run(4 * 90 + 30, Mode::Tune, demo_script(), Vec::new());
    let change = outcome.events.iter().rev().find_map(|event| match event {
        Event::Applied { reason: Reason::Reintroduction, at_ns, .. } => Some(*at_ns),
        _ => None,
    });
    let came_back = Nanos::SECOND.0 + 360_000_000_000;
    let took = change.expect("nothing was reintroduced") - came_back;
    assert!(took < 1_000_000_000, "{took} ns after the switch");
}

#[test]
fn a_device_that_vanishes_ends_its_loop() {
    let outcome = run(
        100,
        Mode::Tune,
        one_kind_of_work(),
        vec![(
            10,
            deed(|kernel, _| {
                kernel.vanish(DEVICE);
            }),
        )],
    );
    assert_eq!(outcome.ended, Ended::Vanished);
}

#[test]
fn a_device_that_vanishes_inside_a_write_ends_its_loop() {
    let outcome = run(
        100,
        Mode::Tune,
        one_kind_of_work(),
        vec![(
            10,
            deed(|kernel, _| {
                kernel.vanish_at_write(DEVICE, 2);
            }),
        )],
    );
    assert_eq!(outcome.ended, Ended::Vanished);
}

#[test]
fn a_knob_that_refuses_is_named_once_and_left_alone() {
    for errno in [Errno::Invalid, Errno::Access, Errno::ReadOnlyFs] {
        let outcome = run(
            60,
            Mode::Tune,
            one_kind_of_work(),
            vec![(
                5,
                deed(move |kernel, _| {
                    kernel.fail_writes(attribute(Knob::FifoBatch), errno);
                }),
            )],
        );
        assert_eq!(outcome.ended, Ended::Stopped, "{errno:?}");
        let warnings = outcome.warnings();
        assert_eq!(warnings.iter().filter(|line| line.contains("fifo_batch")).count(), 1, "{warnings:?}");
        assert!(outcome.writes_of(Knob::ReadExpire) > 5, "the other knobs are tuned on");
    }
}

#[test]
fn a_read_only_sysfs_is_survived_and_said() {
    let outcome = run(
        60,
        Mode::Tune,
        one_kind_of_work(),
        vec![(
            0,
            deed(|kernel, _| {
                kernel.mount_read_only(true);
            }),
        )],
    );
    assert_eq!(outcome.ended, Ended::Stopped);
    assert!(!outcome.warnings().is_empty());
    assert_eq!(outcome.after.as_ref(), Some(&outcome.before));
}

#[test]
fn what_an_administrator_writes_is_theirs() {
    let outcome = run(
        60,
        Mode::Tune,
        one_kind_of_work(),
        vec![(
            20,
            deed(|kernel, _| {
                kernel.foreign_write(&attribute(Knob::FifoBatch), "99").unwrap();
                kernel.clear_log();
            }),
        )],
    );
    assert!(outcome.events.iter().any(|event| matches!(event, Event::Foreign { knob: Knob::FifoBatch, .. })));
    assert_eq!(outcome.writes_of(Knob::FifoBatch), 0, "it was written after the administrator");
    assert!(outcome.writes_of(Knob::ReadExpire) > 0, "the others are tuned on");
    let after = outcome.after.unwrap();
    assert_eq!(after.number(Knob::FifoBatch), Some(99));
    let others = |settings: &Settings| -> Settings {
        settings.iter().filter(|setting| setting.knob != Knob::FifoBatch).collect()
    };
    assert_eq!(others(&after), others(&outcome.before));
    let void = outcome.events.iter().any(|event| {
        matches!(event, Event::Evaluation(evaluation) if evaluation.void == Some(VoidReason::ForeignWrite))
    });
    assert!(void, "the slice that it fell into was scored");
}

#[test]
fn what_the_kernel_clamps_is_recorded_and_not_fought() {
    let outcome = run(
        40,
        Mode::Tune,
        one_kind_of_work(),
        vec![(
            0,
            deed(|kernel, _| {
                kernel.clamp(attribute(Knob::FifoBatch), 4..=8);
            }),
        )],
    );
    let clamped = outcome.events.iter().any(|event| {
        matches!(event, Event::Applied { clamped, .. } if clamped.iter().any(|clamp| clamp.knob == Knob::FifoBatch))
    });
    assert!(clamped);
    assert_eq!(outcome.ended, Ended::Stopped);
    assert!(outcome.warnings().is_empty(), "{:?}", outcome.warnings());
}

#[test]
fn a_suspend_voids_one_slice() {
    let outcome = run(
        30,
        Mode::Tune,
        one_kind_of_work(),
        vec![(
            11,
            deed(|_, clock| {
                clock.suspend(Nanos(3_600_000_000_000));
            }),
        )],
    );
    let suspended = outcome.events.iter().filter(|event| {
        matches!(event, Event::Evaluation(evaluation) if evaluation.void == Some(VoidReason::Suspended))
    });
    assert_eq!(suspended.count(), 1);
}

#[test]
fn an_idle_hour_writes_nothing() {
    let mut idle = one_kind_of_work();
    idle[0].work.best_iops = 0.0;
    idle[0].length = Nanos(4_000_000_000_000);
    let outcome = run(3_600, Mode::Tune, idle, Vec::new());
    assert_eq!(outcome.kernel.write_count(), 0);
    assert!(outcome.kernel.read_count() < 5 * 4 * 3_600, "{} reads in an hour", outcome.kernel.read_count());
}
