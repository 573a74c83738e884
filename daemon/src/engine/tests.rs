//! The engine under a virtual clock: every decision, no kernel.

use super::*;
use crate::config::{Config, Reintroduce, StrategyName};
use block_types::{KnobValue, Sectors};
use fingerprint::Snapshot;
use genetic::{FitnessScale, GeneSpec, Library, LibraryConfig, Moilanen, MoilanenConfig, Scale, Space};
use sampler::{Completed, InFlight};

const STEP: Nanos = Nanos::from_millis(10);

/// What the device is doing.
#[derive(Clone, Copy)]
struct Work {
    read: bool,
    sequential: bool,
    sectors: u64,
    iops: u64,
}

const RANDOM_READ: Work = Work { read: true, sequential: false, sectors: 8, iops: 1_000 };
const SEQUENTIAL_WRITE: Work = Work { read: false, sequential: true, sectors: 256, iops: 500 };
const IDLE: Work = Work { iops: 0, ..RANDOM_READ };

/// A device, an engine, and a clock that goes from deadline to deadline.
struct Bench {
    engine: Engine,
    now: Nanos,
    work: Work,
    sample: Sample,
    bios: Snapshot,
    applied: Vec<(Nanos, Reason, Settings)>,
    events: Vec<Event>,
    /// What the next look for foreign writes finds.
    foreign: Vec<Knob>,
}

fn settings(fifo_batch: u64, writes_starved: u64) -> Settings {
    [(Knob::FifoBatch, fifo_batch), (Knob::WritesStarved, writes_starved)]
        .map(|(knob, value)| block_types::Setting { knob, value: KnobValue::Number(value) })
        .into_iter()
        .collect()
}

fn space() -> Space {
    let specs = vec![
        GeneSpec::new("fifo_batch", Scale::Log { min: 1, max: 128 }, 16),
        GeneSpec::new("writes_starved", Scale::Linear { min: 1, max: 16 }, 2),
    ];
    Space::new(specs, Vec::new()).unwrap()
}

fn library() -> Library {
    Library::new(LibraryConfig { scale: FitnessScale::Ratio, ..LibraryConfig::default() }).unwrap()
}

impl Bench {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_library(change, library())
    }

    fn with_library(change: impl FnOnce(&mut Config), library: Library) -> Self {
        let mut config = Config { mode: Mode::Tune, ..Config::of(StrategyName::Moilanen) };
        change(&mut config);
        let pool = Moilanen::new(space(), MoilanenConfig::default(), 1).unwrap();
        let genes = GeneMap::of(space(), "mq-deadline");
        let search = Search::new("disk0".to_owned(), config.clone(), genes, pool, library);
        let now = Nanos::SECOND;
        let sample = Sample {
            at: now,
            observed: Nanos::ZERO,
            first_bio_at: None,
            bios: Some(Snapshot::default()),
            completed: Completed::default(),
            latency: Some(sampler::Latencies::default()),
            in_flight: InFlight::default(),
            io_ticks: Nanos::ZERO,
            time_in_queue: Nanos::ZERO,
            errors: None,
        };
        Self {
            engine: Engine::new(config, search, settings(16, 2), now),
            now,
            work: IDLE,
            sample,
            bios: Snapshot::default(),
            applied: Vec::new(),
            events: Vec::new(),
            foreign: Vec::new(),
        }
    }

    fn play(&mut self, until: Nanos) {
        while self.now < until {
            let step = STEP.0.min((until - self.now).0);
            let bios = self.work.iops * step / 1_000_000_000;
            let (reads, writes) = if self.work.read { (bios, 0) } else { (0, bios) };
            let size = self.work.sectors;
            self.bios.consolidate(&Snapshot {
                reads,
                writes,
                read_sectors: reads * size,
                write_sectors: writes * size,
                near: if self.work.sequential { bios } else { 0 },
                gaps: bios,
                ..Snapshot::default()
            });
            let completed = &mut self.sample.completed;
            completed.reads += reads;
            completed.writes += writes;
            completed.read_sectors += Sectors(reads * size).0;
            completed.write_sectors += Sectors(writes * size).0;
            if bios > 0 {
                self.sample.io_ticks += Nanos(step);
            }
            self.now += Nanos(step);
        }
    }

    fn moment(&self) -> Moment {
        Moment { monotonic: self.now, unix_ms: self.now.0 / 1_000_000 }
    }

    /// Runs the loop for a while under some work.
    fn run(&mut self, work: Work, length: Nanos) {
        self.work = work;
        let end = self.now + length;
        while self.now < end {
            let due = self.engine.next_deadline(self.now).max(self.now + Nanos(1)).min(end);
            self.play(due);
            self.sample.at = self.now;
            self.sample.observed = self.now;
            self.sample.bios = Some(self.bios.clone());
            let sample = self.sample.clone();
            self.feed(&Input::Sample(&sample));
        }
    }

    fn feed(&mut self, input: &Input<'_>) {
        let mut todo: std::collections::VecDeque<Action> = self.engine.step(self.moment(), input).into();
        while let Some(action) = todo.pop_front() {
            let more = match action {
                Action::Report(event) => {
                    self.events.push(*event);
                    Vec::new()
                }
                Action::Apply { settings, reason } => {
                    self.applied.push((self.now, reason, settings.clone()));
                    let applied = AppliedSettings {
                        at: self.now,
                        quick_at: self.now,
                        freezing: Nanos::ZERO,
                        in_force: settings,
                        clamped: Vec::new(),
                        failed: Vec::new(),
                    };
                    self.engine.step(self.moment(), &Input::Applied(&applied))
                }
                Action::LookForForeign => {
                    let found = std::mem::take(&mut self.foreign);
                    self.engine.step(self.moment(), &Input::Foreign(&found))
                }
                Action::Probe(_) | Action::Mark(_) | Action::Keep => Vec::new(),
            };
            for action in more.into_iter().rev() {
                todo.push_front(action);
            }
        }
    }

    fn evaluations(&self) -> Vec<&Evaluation> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Evaluation(evaluation) => Some(evaluation),
                _ => None,
            })
            .collect()
    }

    fn voids(&self, reason: VoidReason) -> usize {
        self.evaluations().iter().filter(|evaluation| evaluation.void == Some(reason)).count()
    }

    fn reasons(&self) -> Vec<Reason> {
        self.applied.iter().map(|(_, reason, _)| *reason).collect()
    }
}

const fn seconds(seconds: u64) -> Nanos {
    Nanos(seconds * 1_000_000_000)
}

#[test]
fn an_unseen_fingerprint_begins_with_the_defaults_in_child_one() {
    let mut bench = Bench::new(|_| {});
    bench.run(RANDOM_READ, seconds(3));
    assert_eq!(bench.applied[0].1, Reason::Unseen);
    assert_eq!(bench.applied[0].2, settings(16, 2));
    assert_eq!(bench.reasons()[1], Reason::Child);
}

#[test]
fn a_generation_is_eight_slices_of_two_seconds() {
    let mut bench = Bench::new(|_| {});
    bench.run(RANDOM_READ, seconds(18));
    let generations: Vec<&Event> =
        bench.events.iter().filter(|event| matches!(event, Event::Generation { .. })).collect();
    let [Event::Generation { scored, void, mean_fitness, .. }] = generations[..] else {
        panic!("{generations:?}");
    };
    assert_eq!((*scored, *void), (8, 0));
    let expected = 1_000.0 * 4_096.0;
    assert!((mean_fitness.unwrap() / expected - 1.0).abs() < 0.01, "{mean_fitness:?}");
    for evaluation in bench.evaluations() {
        let length = evaluation.to_ns - evaluation.from_ns;
        assert!((2_000_000_000..2_260_000_000).contains(&length), "{length}");
    }
}

#[test]
fn at_once_a_returning_fingerprint_has_its_genes_within_a_second() {
    let mut bench = Bench::new(|_| {});
    bench.run(RANDOM_READ, seconds(20));
    bench.run(SEQUENTIAL_WRITE, seconds(20));
    let back_at = bench.now;
    bench.run(RANDOM_READ, seconds(3));
    let (at, _, reintroduced) =
        bench.applied.iter().rfind(|(_, reason, _)| *reason == Reason::Reintroduction).unwrap();
    assert!(*at - back_at <= Nanos::from_millis(760), "{}", *at - back_at);
    let class = "read-random-small".parse().unwrap();
    assert_eq!(bench.engine.strategy().stored(class).as_ref(), Some(reintroduced));
    assert_eq!(bench.voids(VoidReason::FingerprintChanged), 2, "the slices that the changes fell into");
}

#[test]
fn as_published_genes_come_back_at_the_end_of_the_generation_only() {
    let mut bench = Bench::new(|config| config.genetic.reintroduce = Reintroduce::GenerationEnd);
    bench.run(RANDOM_READ, seconds(34));
    bench.run(SEQUENTIAL_WRITE, seconds(40));
    bench.events.clear();
    let (before, back_at) = (bench.applied.len(), bench.now);
    bench.run(RANDOM_READ, seconds(40));
    let back: Vec<_> =
        bench.applied[before..].iter().filter(|(_, reason, _)| *reason == Reason::Reintroduction).collect();
    assert_eq!(back.len(), 1, "{:?}", bench.reasons());
    assert!(back[0].0 - back_at >= seconds(4), "not before a generation was over");
}

#[test]
fn an_idle_hour_writes_nothing_and_sleeps() {
    let mut bench = Bench::new(|_| {});
    bench.run(RANDOM_READ, seconds(5));
    bench.run(IDLE, seconds(3));
    let applied = bench.applied.len();
    let events = bench.events.len();
    let begun = bench.now;
    let mut looks = 0;
    while bench.now - begun < seconds(3_600) {
        bench.run(IDLE, Nanos::from_millis(250));
        looks += 1;
    }
    assert_eq!(bench.applied.len(), applied, "something was written to an idle device");
    assert!(looks <= 4 * 3_600, "{looks} looks in an hour");
    assert!(bench.events.len() - events <= 2, "{:?}", &bench.events[events..]);
    bench.run(RANDOM_READ, seconds(3));
    assert!(bench.evaluations().last().unwrap().fitness.is_some(), "it goes on when work returns");
}

#[test]
fn a_starved_slice_is_a_bad_score_and_no_void() {
    let mut bench = Bench::new(|_| {});
    bench.run(RANDOM_READ, seconds(4));
    bench.sample.in_flight.reads = 32;
    bench.run(IDLE, seconds(5));
    let last = *bench.evaluations().last().unwrap();
    assert_eq!((last.fitness, last.void), (Some(0.0), None));
}

#[test]
fn a_slice_without_arrivals_is_void_and_its_child_is_scored_when_work_returns() {
    let mut bench = Bench::new(|_| {});
    bench.run(RANDOM_READ, seconds(2));
    bench.run(IDLE, seconds(6));
    assert_eq!(bench.voids(VoidReason::NoArrivals), 1);
    let parked = bench.evaluations().last().unwrap().child;
    bench.run(RANDOM_READ, seconds(4));
    let next = bench.evaluations().into_iter().find(|evaluation| evaluation.from_ns > 8_000_000_000).unwrap();
    assert_eq!((next.child, next.void), (parked, None));
}

#[test]
fn a_foreign_write_voids_the_slice_and_the_knob_is_no_gene_any_more() {
    let mut bench = Bench::new(|_| {});
    bench.run(RANDOM_READ, seconds(2));
    bench.foreign = vec![Knob::WritesStarved];
    bench.run(RANDOM_READ, seconds(3));
    assert_eq!(bench.voids(VoidReason::ForeignWrite), 1);
    let before = bench.applied.len();
    bench.run(RANDOM_READ, seconds(8));
    assert!(bench.applied.len() > before);
    for (_, _, settings) in &bench.applied[before..] {
        assert_eq!(settings.get(Knob::WritesStarved), None);
    }
    assert!(bench.engine.yielded().contains(&Knob::WritesStarved));
}

#[test]
fn a_suspend_voids_the_slice_and_its_child_is_scored_again() {
    let mut bench = Bench::new(|_| {});
    bench.run(RANDOM_READ, seconds(2));
    bench.feed(&Input::Suspended);
    assert_eq!(bench.voids(VoidReason::Suspended), 1);
    let voided = bench.evaluations().last().unwrap().child;
    bench.run(RANDOM_READ, seconds(4));
    let again = bench.evaluations().into_iter().rfind(|evaluation| evaluation.child == voided).unwrap();
    assert!(again.fitness.is_some());
}

#[test]
fn a_pause_puts_the_originals_back_and_nothing_more_until_it_ends() {
    let mut bench = Bench::new(|_| {});
    bench.run(RANDOM_READ, seconds(6));
    bench.feed(&Input::Pause);
    assert_eq!(bench.applied.last().unwrap().2, settings(16, 2));
    let paused = bench.applied.len();
    bench.run(SEQUENTIAL_WRITE, seconds(60));
    assert_eq!(bench.applied.len(), paused);
    bench.feed(&Input::Resume);
    bench.run(SEQUENTIAL_WRITE, seconds(6));
    assert!(bench.applied.len() > paused + 1);
}

#[test]
fn observe_never_writes_and_says_what_it_would_do() {
    let mut bench = Bench::new(|config| config.mode = Mode::Observe);
    bench.run(RANDOM_READ, seconds(10));
    bench.run(SEQUENTIAL_WRITE, seconds(10));
    assert!(bench.applied.is_empty());
    let would = bench.events.iter().filter(|event| matches!(event, Event::Would { .. })).count();
    assert_eq!(would, 2);
}

#[test]
fn hints_apply_what_is_stored_and_the_originals_where_nothing_is() {
    let mut stored = library();
    let key = genetic::Key {
        device: "disk0".to_owned(),
        class: "read-random-small".to_owned(),
        scheduler: "mq-deadline".to_owned(),
    };
    let top = genetic::TopGenes {
        genes: [("fifo_batch".to_owned(), 1), ("writes_starved".to_owned(), 8)].into(),
        fitness: None,
        generations: 0,
        updated_unix_ms: 0,
        provenance: None,
    };
    stored.put(key, top).unwrap();
    let mut bench = Bench::with_library(|config| config.mode = Mode::Hints, stored);
    bench.run(RANDOM_READ, seconds(5));
    bench.run(SEQUENTIAL_WRITE, seconds(5));
    bench.run(RANDOM_READ, seconds(60));
    let (hint, originals) = (settings(1, 8), settings(16, 2));
    let applied: Vec<_> =
        bench.applied.iter().map(|(_, reason, settings)| (*reason, settings.clone())).collect();
    assert_eq!(
        applied,
        [(Reason::Hints, hint.clone()), (Reason::Originals, originals), (Reason::Hints, hint)]
    );
    assert!(bench.evaluations().is_empty(), "hints never search");
}

#[test]
fn the_same_seed_and_work_make_the_same_decisions() {
    let run = || {
        let mut bench = Bench::new(|_| {});
        bench.run(RANDOM_READ, seconds(40));
        bench.run(SEQUENTIAL_WRITE, seconds(40));
        bench.applied
    };
    assert_eq!(run(), run());
}
