//! The `confirmed` strategy in the whole loop, on the fake kernel and in virtual time: good days and bad ones.

use super::tests::{Deed, EventfulClock, deed};
use super::*;
use crate::config::{Config, Mode};
use crate::engine::{
    Confirmed, DeviceEvent, Engine, Event, GeneMap, MeasuredOn, Purpose, Reason, Saved, SliceTold, Strategy,
    Subject, TrialTold,
};
use block_types::{DevNo, Elevator, Knob, KnobValue, Nanos, Settings};
use fingerprint::Snapshot;
use genetic::{Library, LibraryConfig};
use kernfs::Disk;
use kernfs::fake::{FakeDisk, FakeKernel};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sampler::{Ages, InFlight, Latencies, Sample, SamplerError, Source, SourceKind};
use schedulers::{Guard, GuardConfig, Offer};
use std::collections::VecDeque;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use trials::Void;

const DEVICE: &str = "sda";
const BEGIN: Nanos = Nanos::SECOND;
/// How many requests the workload keeps in flight.
const DEPTH: u64 = 4;

/// What the disk does at a moment under the settings in force.
#[derive(Clone, Copy)]
struct Doing {
    /// Requests completed a second; 0 is an idle disk.
    iops: f64,
    /// Whether they are reads, else synchronous writes.
    read: bool,
    /// Whether nothing completes.
    hangs: bool,
}

impl Doing {
    const IDLE: Self = Self { iops: 0.0, read: true, hangs: false };

    const fn reads(iops: f64) -> Self {
        Self { iops, read: true, hangs: false }
    }

    const fn writes(iops: f64) -> Self {
        Self { iops, read: false, hangs: false }
    }
}

type World = Box<dyn Fn(f64, &Settings) -> Doing + Send + Sync>;

/// A disk whose behaviour is a function of time and settings, with 4 % of noise on each 50 ms.
struct WorldSource {
    clock: Arc<VirtualClock>,
    disk: Disk,
    world: World,
    state: Mutex<(Sample, Snapshot, Latencies, StdRng, Option<Nanos>)>,
}

impl std::fmt::Debug for WorldSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorldSource")
    }
}

impl WorldSource {
    fn new(clock: Arc<VirtualClock>, disk: Disk, world: World, seed: u64) -> Self {
        let sample = Sample { errors: Some(0), ..Sample::before_anything(clock.now()) };
        let rng = StdRng::seed_from_u64(seed);
        let state = Mutex::new((sample, Snapshot::default(), Latencies::default(), rng, None));
        Self { clock, disk, world, state }
    }
}

impl Source for WorldSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Bpf
    }

    fn read(&self, _disk: DevNo) -> Result<Sample, SamplerError> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let (sample, bios, latencies, rng, hanging) = &mut *state;
        let settings = self.disk.read_settings().map(|readout| readout.settings).unwrap_or_default();
        while sample.at < now {
            let step = (now - sample.at).0.min(50_000_000);
            let doing = (self.world)((sample.at - BEGIN).as_secs_f64(), &settings);
            sample.at += Nanos(step);
            sample.observed += Nanos(step);
            if doing.iops <= 0.0 {
                continue;
            }
            sample.io_ticks += Nanos(step);
            sample.time_in_queue += Nanos(DEPTH * step);
            if doing.hangs {
                hanging.get_or_insert(sample.at - Nanos(step));
                continue;
            }
            let noise = (0.04 * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)).exp();
            let count = (doing.iops * noise * step as f64 / 1e9).round().max(1.0) as u64;
            let waited = hanging.take().map_or(Nanos::ZERO, |since| sample.at - since);
            let latency = Nanos(DEPTH * step / count) + waited;
            let (reads, writes) = if doing.read { (count, 0) } else { (0, count) };
            bios.consolidate(&Snapshot {
                reads,
                writes,
                read_sectors: reads * 8,
                write_sectors: writes * 8,
                gaps: count,
                gap_sum_sectors: u128::from(count) * 1_000_000,
                distance_sum_sectors: u128::from(count) * 2_000_000,
                sync: count,
                ..Snapshot::default()
            });
            sample.completed.reads += reads;
            sample.completed.writes += writes;
            sample.completed.read_sectors += reads * 8;
            sample.completed.write_sectors += writes * 8;
            let histogram = if doing.read { &mut latencies.read } else { &mut latencies.sync_write };
            (0..count).for_each(|_| histogram.record(latency));
        }
        let ages = hanging.map_or(Ages::default(), |since| {
            let age = now - since;
            Ages { count: DEPTH, sum: Nanos(DEPTH * age.0), oldest: Some(age) }
        });
        sample.in_flight =
            InFlight { reads: ages.count, writes: 0, held: ages.count, all: ages, sync: ages, read: ages };
        Ok(Sample { bios: Some(bios.clone()), latency: Some(latencies.clone()), ..sample.clone() })
    }

    fn set_active(&self, _disk: DevNo, _active: bool) -> Result<(), SamplerError> {
        Ok(())
    }
}

/// Keeps every event, and the last state of the search as the store would have it.
#[derive(Default)]
struct Keeper {
    events: Mutex<Vec<Event>>,
    saved: Mutex<String>,
}

impl Sink for Keeper {
    fn event(&self, event: &DeviceEvent) {
        self.events.lock().unwrap().push(event.event.clone());
    }

    fn keep(&self, _device: &str, strategy: &Strategy) {
        let saved = strategy.confirmed().unwrap().saved();
        *self.saved.lock().unwrap() = serde_json::to_string(&saved).unwrap();
    }
}

struct Run {
    seconds: u64,
    seed: u64,
    config: Config,
    saved: Saved,
    deeds: Vec<(u64, Deed)>,
}

struct Outcome {
    ended: Ended,
    events: Vec<Event>,
    saved: String,
    kernel: FakeKernel,
    /// The settings as they were before and are after.
    before: Settings,
    after: Settings,
}

impl Run {
    fn of(seconds: u64) -> Self {
        let mut config = Config { mode: Mode::Tune, ..Config::default() };
        config.timing.slice = Nanos::from_millis(1_000);
        config.timing.settle = Nanos::from_millis(500);
        config.confirmed.pause = Nanos::from_millis(5_000);
        config.confirmed.pause_max = Nanos::from_millis(60_000);
        Self { seconds, seed: 7, config, saved: Saved::default(), deeds: Vec::new() }
    }

    fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    fn go(self, world: impl Fn(f64, &Settings) -> Doing + Send + Sync + 'static) -> Outcome {
        let Self { seconds, seed, config, saved, deeds } = self;
        let dir = tempfile::tempdir().unwrap();
        let kernel = FakeKernel::new().with_disk(FakeDisk::hdd(DEVICE));
        let disk = Disk::open(Arc::new(kernel.clone()), DEVICE).unwrap();
        disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline)).unwrap();
        let before = disk.read_settings().unwrap().settings;
        kernel.clear_log();
        let at = |seconds: u64| BEGIN + Nanos(seconds * 1_000_000_000);
        let clock = Arc::new(VirtualClock::until(BEGIN, at(seconds)));
        let source = Arc::new(WorldSource::new(clock.clone(), disk.clone(), Box::new(world), seed));
        let genes = GeneMap::new(&Offer::read(&disk).unwrap(), &config).unwrap();
        let guard = GuardConfig { state_dir: dir.path().to_owned(), run_dir: dir.path().to_owned() };
        let guard = Some(Guard::take(disk.clone(), &guard).unwrap());
        let keeper = Arc::new(Keeper::default());
        let tuned: Settings = before.iter().filter(|setting| genes.knobs().contains(&setting.knob)).collect();
        let subject = Subject {
            device: DEVICE.to_owned(),
            rotational: true,
            originals: before.clone(),
            seed,
            measured_on: MeasuredOn::default(),
        };
        let library = Library::new(LibraryConfig::default()).unwrap();
        let strategy = Confirmed::new(subject, config.clone(), genes, library, saved).unwrap();
        let deeds: VecDeque<(Nanos, Deed)> = deeds.into_iter().map(|(s, deed)| (at(s), deed)).collect();
        let parts = Parts {
            name: DEVICE.to_owned(),
            devno: disk.devno().unwrap(),
            engine: Engine::new(config.clone(), strategy, tuned, BEGIN),
            guard,
            source,
            clock: Arc::new(EventfulClock::new(clock, kernel.clone(), deeds)),
            sink: keeper.clone(),
            config,
            originals: before.clone(),
            notes: Vec::new(),
        };
        let (_commands, inbox) = channel();
        let ended = DeviceLoop::new(parts).run(&inbox);
        let after = disk.read_settings().unwrap().settings;
        let events = std::mem::take(&mut *keeper.events.lock().unwrap());
        let saved = keeper.saved.lock().unwrap().clone();
        Outcome { ended, events, saved, kernel, before, after }
    }
}

impl Outcome {
    fn promoted(&self) -> Vec<&TrialTold> {
        let mut all = Vec::new();
        for event in &self.events {
            if let Event::Promoted(told) = event {
                all.push(&**told);
            }
        }
        all
    }

    fn slices(&self) -> impl Iterator<Item = &SliceTold> {
        self.events
            .iter()
            .filter_map(|event| if let Event::Slice(slice) = event { Some(&**slice) } else { None })
    }

    fn violations(&self) -> Vec<&crate::engine::Violation> {
        let mut all = Vec::new();
        for event in &self.events {
            if let Event::Violation(told) = event {
                all.push(&**told);
            }
        }
        all
    }

    /// What the store would say is in force for reads.
    fn incumbent(&self) -> Option<Settings> {
        let saved: Saved = serde_json::from_str(&self.saved).unwrap();
        let incumbent = saved.chapters.get("read-random-small")?.incumbent.as_ref()?;
        Some(incumbent.confirmation.settings())
    }

    /// Whatever happened, the disk is left as it was.
    fn restored(&self) -> &Self {
        assert_eq!(self.ended, Ended::Stopped);
        assert_eq!(self.after, self.before);
        self
    }
}

/// How many octaves of `fifo_batch` lie between what is set and 128.
fn octaves(settings: &Settings) -> f64 {
    (128.0 / settings.number(Knob::FifoBatch).unwrap_or(16).max(1) as f64).log2().abs()
}

/// The default of 16 is 3 octaves from the best: a gain of up to 35 %.
fn hill(settings: &Settings) -> f64 {
    1_000.0 * (-0.1 * octaves(settings)).exp()
}

#[test]
fn a_real_gain_is_found_confirmed_and_kept() {
    let outcome = Run::of(1_800).go(|_, settings| Doing::reads(hill(settings)));
    outcome.restored();
    let promoted = outcome.promoted();
    assert!(!promoted.is_empty(), "nothing was promoted");
    assert!(promoted.iter().all(|told| told.estimate.is_some_and(|estimate| estimate.pairs >= 5)));
    let gain = hill(&outcome.incumbent().expect("nothing is in force")) / hill(&outcome.before);
    assert!(gain > 1.08, "{gain}: {promoted:?}");
    assert!(!outcome.events.iter().any(|event| matches!(event, Event::GainLapsed(_))));
    let checks = outcome.slices().filter(|slice| slice.purpose == Purpose::GainCheck).count();
    assert!(checks >= 4, "the default was looked at {checks} times");
    for event in &outcome.events {
        if let Event::GainChecked(told) = event
            && let (Some(share), Some(estimate)) = (told.default_share, told.estimate)
        {
            let gain = estimate.gain().max(told.confirmed_gain);
            assert!(share * gain / (1.0 + gain) < 0.025, "a share of {share} at a gain of {gain}");
        }
    }
}

#[test]
fn where_nothing_matters_hardly_anything_is_promoted() {
    let mut promoted = 0;
    for seed in 0..3 {
        let outcome = Run::of(900).seed(seed).go(|_, _| Doing::reads(500.0));
        promoted += outcome.restored().promoted().len();
        assert!(outcome.violations().len() <= 4, "{:?}", outcome.violations());
    }
    assert!(promoted <= 1, "{promoted} promotions in three runs of several campaigns each");
}

#[test]
fn a_gain_that_disappears_lapses_and_the_default_is_back() {
    let outcome = Run::of(3_600)
        .go(|seconds, settings| Doing::reads(if seconds < 1_500.0 { hill(settings) } else { 700.0 }));
    outcome.restored();
    let promoted = outcome.promoted().iter().map(|told| told.at_ns).min().expect("nothing was promoted");
    let lapsed = outcome.events.iter().find_map(|event| match event {
        Event::GainLapsed(told) => Some(told.at_ns),
        _ => None,
    });
    let lapsed = lapsed.expect("it never lapsed");
    assert!(lapsed > promoted && lapsed > 1_500_000_000_000);
    let defaults = outcome.events.iter().any(|event| match event {
        Event::Applied { at_ns, reason: Reason::Incumbent, settings, .. } => {
            *at_ns >= lapsed
                && settings.iter().all(|setting| outcome.before.get(setting.knob) == Some(setting.value))
        }
        _ => false,
    });
    assert!(defaults, "the default is not back");
}

#[test]
fn a_hang_is_over_within_a_second() {
    let outcome = Run::of(900).go(|_, settings| Doing {
        hangs: settings.number(Knob::FifoBatch).is_some_and(|batch| batch < 10),
        ..Doing::reads(800.0)
    });
    outcome.restored();
    let violations = outcome.violations();
    assert!(!violations.is_empty(), "no candidate hung the disk");
    for violation in &violations {
        assert!(violation.in_force_ns < 1_000_000_000, "{violation:?}");
    }
    assert!(outcome.promoted().iter().all(|told| told.settings.number(Knob::FifoBatch) >= Some(10)));
    assert!(outcome.events.iter().any(|event| matches!(event, Event::BackOff(_))));
}

/// What was confirmed for two fingerprints, so that a change between them writes.
fn two_incumbents() -> Saved {
    let outcome = Run::of(1_500).go(|seconds, settings| {
        // Ten minutes and more of each; the second likes small batches.
        if seconds < 750.0 {
            Doing::reads(hill(settings))
        } else {
            Doing::writes(1_000.0 * (0.1 * octaves(settings)).exp())
        }
    });
    let saved: Saved = serde_json::from_str(&outcome.saved).unwrap();
    let confirmed = saved.chapters.values().filter(|chapter| chapter.incumbent.is_some()).count();
    assert_eq!(confirmed, 2, "{:?}", saved.chapters.keys());
    saved
}

#[test]
fn a_workload_that_flips_for_ever_is_not_followed_for_ever() {
    let mut run = Run { saved: two_incumbents(), ..Run::of(900) };
    let standard = Config::default().timing;
    (run.config.timing.slice, run.config.timing.settle) = (standard.slice, standard.settle);
    let outcome = run.go(|seconds, _| {
        let flips = seconds < 600.0 && (seconds / 2.0) as u64 % 2 == 1;
        if flips { Doing::writes(500.0) } else { Doing::reads(500.0) }
    });
    outcome.restored();
    let minute = |at_ns: u64| at_ns / 60_000_000_000;
    for of in 1..9 {
        let applied = outcome
            .events
            .iter()
            .filter(|event| matches!(event, Event::Applied { at_ns, .. } if minute(*at_ns) == of))
            .count();
        // Eight changes at the most, and a slice of a trial each six seconds.
        assert!(applied <= 18, "{applied} applications in minute {of}");
    }
    let settled = outcome.events.iter().filter(|event| matches!(event, Event::CalmDown { .. })).count();
    let calm = outcome.events.iter().filter(|event| matches!(event, Event::Calm { .. })).count();
    assert_eq!((settled, calm), (1, 1));
    let unsteady = outcome.slices().filter(|slice| slice.class.is_none() && slice.void.is_none()).count();
    assert!(unsteady > 50, "what flips is one kind of work, and {unsteady} slices were measured in it");
    let steady = outcome.slices().any(|slice| slice.at_ns > 700_000_000_000 && slice.class.is_some());
    assert!(steady, "it did not recover");
}

#[test]
fn what_was_confirmed_is_in_force_when_its_fingerprint_returns() {
    let run = Run { saved: two_incumbents(), ..Run::of(300) };
    let outcome =
        run.go(
            |seconds, _| {
                if (seconds / 60.0) as u64 % 2 == 1 { Doing::writes(500.0) } else { Doing::reads(500.0) }
            },
        );
    outcome.restored();
    for switch in [60_u64, 120, 180, 240] {
        let at = BEGIN.0 + switch * 1_000_000_000;
        let took = outcome.events.iter().find_map(|event| match event {
            Event::Applied { at_ns, reason: Reason::Incumbent, .. } if *at_ns > at => Some(at_ns - at),
            _ => None,
        });
        assert!(took.is_some_and(|took| took < 1_500_000_000), "{took:?} after {switch} s");
    }
}

#[test]
fn bursts_with_idle_gaps_are_survived() {
    let outcome = Run::of(900)
        .go(|seconds, _| if (seconds / 3.5) as u64 % 2 == 1 { Doing::IDLE } else { Doing::reads(500.0) });
    outcome.restored();
    assert!(outcome.promoted().len() <= 1);
    assert!(outcome.slices().any(|slice| slice.void.is_none()));
}

#[test]
fn an_idle_disk_is_left_alone() {
    let outcome =
        Run::of(1_800).go(|seconds, _| if seconds < 60.0 { Doing::reads(500.0) } else { Doing::IDLE });
    outcome.restored();
    let late = outcome
        .events
        .iter()
        .filter(|event| matches!(event, Event::Applied { at_ns, .. } if *at_ns > 90_000_000_000));
    assert_eq!(late.count(), 0);
}

#[test]
fn drift_and_a_neighbour_promote_nothing() {
    let mut promoted = 0;
    for seed in 0..2 {
        let drift = Run::of(1_200)
            .seed(seed)
            .go(|seconds, _| Doing::reads(500.0 * (1.0 + 0.3 * (seconds / 90.0).sin())));
        let neighbour = Run::of(700).seed(seed).go(move |seconds, _| {
            let dice = StdRng::seed_from_u64((seconds / 3.0) as u64 ^ (seed << 32)).random::<f64>();
            Doing::reads(if dice < 0.1 { 250.0 } else { 500.0 })
        });
        promoted += drift.restored().promoted().len() + neighbour.restored().promoted().len();
    }
    assert!(promoted <= 1, "{promoted} promotions in four runs");
}

#[test]
fn a_disk_that_becomes_ten_times_slower_is_learned_anew() {
    // What suits the slower disk is elsewhere: by then the quick one's best may have been found.
    let other_side = |settings: &Settings| 1_000.0 * (-0.1 * (7.0 - octaves(settings))).exp();
    let outcome = Run::of(1_500).go(move |seconds, settings| {
        Doing::reads(if seconds < 200.0 { hill(settings) } else { other_side(settings) / 10.0 })
    });
    outcome.restored();
    let struck = outcome.violations().iter().filter(|violation| violation.at_ns > 200_000_000_000).count();
    assert!(struck <= 4, "{struck} candidates pay for what the disk did");
    assert!(
        outcome.promoted().iter().any(|told| told.at_ns > 250_000_000_000),
        "nothing was found afterwards"
    );
}

#[test]
fn a_restart_in_the_middle_of_a_campaign_goes_on_with_it() {
    let first = Run::of(70).go(|_, _| Doing::reads(500.0));
    first.restored();
    let saved: Saved = serde_json::from_str(&first.saved).unwrap();
    let running = saved.chapters["read-random-small"].running.clone().expect("no campaign was running");
    let slices: u32 = running
        .campaign
        .raced()
        .iter()
        .map(|raced| match raced {
            trials::Raced::Measured { slices, .. } => *slices,
            _ => 0,
        })
        .sum();
    assert!(slices >= 5, "{running:?}");
    let second = Run { saved, ..Run::of(400) }.seed(8).go(|_, _| Doing::reads(500.0));
    second.restored();
    let begun: Vec<(u64, bool)> = second
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Campaign(begun) => Some((begun.campaign, begun.resumed)),
            _ => None,
        })
        .collect();
    assert_eq!(begun.first(), Some(&(1, true)), "{begun:?}");
    let raced = second.events.iter().find_map(|event| match event {
        Event::CampaignEnded(ended) => Some(ended.raced.len()),
        _ => None,
    });
    assert_eq!(raced, Some(running.candidates.len()));
}

#[test]
fn a_suspend_makes_the_slice_void_and_nothing_else() {
    let run =
        Run { deeds: vec![(33, deed(|_, clock| clock.suspend(Nanos(7_200_000_000_000))))], ..Run::of(120) };
    let outcome = run.go(|_, _| Doing::reads(500.0));
    outcome.restored();
    let suspended = outcome.slices().filter(|slice| slice.void == Some(Void::Suspended)).count();
    assert!(suspended <= 1);
    assert!(outcome.slices().filter(|slice| slice.void.is_none()).count() > 30);
}

#[test]
fn a_trickle_and_a_standstill_are_scored_or_void_and_never_a_fault() {
    let outcome = Run::of(600).go(|seconds, _| match (seconds / 20.0) as u64 % 3 {
        0 => Doing::reads(1.0),
        1 => Doing { hangs: true, ..Doing::reads(10.0) },
        _ => Doing::reads(50_000.0),
    });
    outcome.restored();
}

#[test]
fn what_an_administrator_writes_is_theirs_and_no_longer_tried() {
    let foreign = deed(|kernel, _| {
        let path = kernfs::KPath::sys(format!("block/{DEVICE}/queue/iosched/fifo_batch"));
        kernel.foreign_write(&path, "99").unwrap();
        kernel.clear_log();
    });
    let outcome =
        Run { deeds: vec![(40, foreign)], ..Run::of(300) }.go(|_, settings| Doing::reads(hill(settings)));
    assert_eq!(outcome.after.number(Knob::FifoBatch), Some(99));
    let writes = outcome.kernel.writes();
    assert!(
        writes.iter().all(|write| !write.path.to_string().contains("fifo_batch")),
        "it was written after"
    );
    assert!(!writes.is_empty(), "the others are tried on");
}

#[test]
fn hints_put_in_force_what_is_confirmed_and_search_nothing() {
    let saved = two_incumbents();
    let incumbent = saved.chapters["read-random-small"].incumbent.clone().unwrap();
    let wanted = incumbent.confirmation.settings().get(Knob::FifoBatch);
    let mut run = Run { saved, ..Run::of(60) };
    run.config.mode = Mode::Hints;
    let outcome = run.go(|_, _| Doing::reads(500.0));
    outcome.restored();
    assert_eq!(outcome.slices().count(), 0);
    let hinted = outcome.events.iter().any(|event| match event {
        Event::Applied { reason: Reason::Hints, settings, .. } => settings.get(Knob::FifoBatch) == wanted,
        _ => false,
    });
    let applied: Vec<&Event> =
        outcome.events.iter().filter(|event| matches!(event, Event::Applied { .. })).collect();
    assert!(hinted, "{wanted:?}: {applied:?}");
}

#[test]
fn work_between_two_fingerprints_is_tuned_as_what_it_is() {
    let outcome = Run::of(1_500).go(|seconds, settings| {
        let doing = if (seconds / 1.3) as u64 % 2 == 1 { Doing::writes } else { Doing::reads };
        doing(hill(settings))
    });
    outcome.restored();
    let promoted = outcome.promoted();
    assert!(promoted.iter().any(|told| told.class.is_none()), "{promoted:?}");
}
