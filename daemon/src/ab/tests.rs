//! Whole comparisons on the fake kernel in virtual time: good days and bad ones.

use super::*;
use crate::engine::BenchConfig;
use crate::engine::samples::{Load, Tape};
use crate::run::{Clock, Signal, VirtualClock};
use block_types::{DevNo, Elevator, Knob, KnobValue, Nanos, Settings};
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Disk, Errno, KPath};
use sampler::{Sample, SamplerError, Source, SourceKind};
use schedulers::{Guard, GuardConfig, Offer};
use std::collections::VecDeque;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use trials::{Objective, TrialConfig, Verdict};

const DEVICE: &str = "sda";
const MS: u64 = 1_000_000;

/// What the disk does for 50 ms.
enum Now {
    Works(Load),
    Hangs(u64),
}

/// What the disk does, by the time since the beginning (ms) and what is in force.
type Nature = Box<dyn Fn(u64, &Settings) -> Now + Send + Sync>;
type Deed = Box<dyn FnOnce(&FakeKernel, &Sender<Signal>) + Send>;

struct Machine {
    clock: Arc<VirtualClock>,
    kernel: FakeKernel,
    disk: Disk,
    nature: Nature,
    signals: Sender<Signal>,
    state: Mutex<(Tape, VecDeque<(u64, Deed)>)>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Machine")
    }
}

impl Source for Machine {
    fn kind(&self) -> SourceKind {
        SourceKind::Bpf
    }

    fn read(&self, disk: DevNo) -> Result<Sample, SamplerError> {
        let mut state = self.state.lock().unwrap();
        let (tape, deeds) = &mut *state;
        let Ok(readout) = self.disk.read_settings() else {
            return Err(SamplerError::Gone { disk, name: DEVICE.to_owned() });
        };
        while tape.now() < self.clock.now() {
            let since = (tape.now() - Nanos::SECOND).0 / MS;
            let step = (self.clock.now() - tape.now()).0.div_ceil(MS).min(50);
            match (self.nature)(since, &readout.settings) {
                Now::Works(load) => {
                    // Within 4 %, the same each time.
                    let ripple = 96 + since / 50 * 37 % 9;
                    tape.run(Load { read_ns: load.read_ns * ripple / 100, ..load }, step);
                }
                Now::Hangs(reads) => tape.hang(reads, step),
            }
            while deeds.front().is_some_and(|(at, _)| *at <= since) {
                let (_, deed) = deeds.pop_front().unwrap();
                deed(&self.kernel, &self.signals);
            }
        }
        Ok(tape.sample())
    }

    fn set_active(&self, _disk: DevNo, _active: bool) -> Result<(), SamplerError> {
        Ok(())
    }
}

struct Day {
    set: &'static str,
    against: &'static str,
    nature: Nature,
    deeds: Vec<(u64, Deed)>,
    minutes: u64,
    wait: bool,
    /// Before the comparison begins.
    prepare: fn(&FakeKernel, &Disk),
}

impl Day {
    fn new(set: &'static str, nature: impl Fn(u64, &Settings) -> Now + Send + Sync + 'static) -> Self {
        Self {
            set,
            against: "",
            nature: Box::new(nature),
            deeds: Vec::new(),
            minutes: 10,
            wait: false,
            prepare: |_, _| {},
        }
    }

    fn deed(mut self, at_ms: u64, deed: impl FnOnce(&FakeKernel, &Sender<Signal>) + Send + 'static) -> Self {
        self.deeds.push((at_ms, Box::new(deed)));
        self
    }
}

struct Evening {
    report: Report,
    before: Settings,
    after: Option<Settings>,
    writes: usize,
    journals: usize,
    told: Vec<News>,
}

fn knob_path(knob: Knob) -> KPath {
    match knob.elevator() {
        Some(_) => KPath::sys(format!("block/{DEVICE}/queue/iosched/{knob}")),
        None => KPath::sys(format!("block/{DEVICE}/queue/{knob}")),
    }
}

fn settings(text: &str) -> Vec<block_types::Setting> {
    text.split_whitespace().map(|word| parse_setting(word).unwrap()).collect()
}

fn live(day: Day) -> Evening {
    let dir = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new().with_disk(FakeDisk::hdd(DEVICE));
    let disk = Disk::open(Arc::new(kernel.clone()), DEVICE).unwrap();
    disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline)).unwrap();
    (day.prepare)(&kernel, &disk);
    let before = disk.read_settings().unwrap().settings;
    kernel.clear_log();
    let clock = Arc::new(VirtualClock::starting_at(Nanos::SECOND));
    let (signals, inbox) = channel();
    let devno = disk.devno().unwrap();
    let machine = Machine {
        clock: clock.clone(),
        kernel: kernel.clone(),
        disk: disk.clone(),
        nature: day.nature,
        signals,
        state: Mutex::new((Tape::new(), day.deeds.into())),
    };
    let offer = Offer::read(&disk).unwrap();
    let places = GuardConfig { state_dir: dir.path().to_owned(), run_dir: dir.path().to_owned() };
    let parts = Parts {
        arms: arms(&offer, Some(1_280), &settings(day.set), &settings(day.against)).unwrap(),
        rules: Rules {
            trial: TrialConfig {
                objective: Objective::Latency,
                max_pairs: 2_000,
                alpha: 0.025,
                futility: None,
                ..TrialConfig::default()
            },
            bench: BenchConfig::default(),
            baseline: 3,
            limit: Some(Nanos(day.minutes * 60_000 * MS)),
            wait: day.wait,
            seed: 1,
        },
        guard: Guard::take(disk.clone(), &places).unwrap(),
        source: Arc::new(machine),
        devno,
        rotational: true,
        clock,
        facts: Facts { device: DEVICE.to_owned(), kernel: "Linux 6.18.0".to_owned(), ..Facts::default() },
    };
    let mut told = Vec::new();
    let report = Session::new(parts).unwrap().run(&inbox, &mut |news| told.push(news.clone()));
    let after = disk.read_settings().ok().map(|readout| readout.settings);
    let journals = schedulers::devices_with_journals(dir.path()).map_or(0, |devices| devices.len());
    Evening { report, before, after, writes: kernel.write_count(), journals, told }
}

impl Evening {
    /// Whatever came of it, everything is as it was.
    fn restored(self) -> Self {
        assert_eq!(self.after.as_ref(), Some(&self.before));
        assert_eq!(self.journals, 0);
        self
    }
}

/// Reads that come at a rate of their own, so that the disk now and then has none.
fn reads(read_ms: u64) -> Load {
    Load { reads_per_s: 140, read_ns: read_ms * MS, read_bytes: 4_096, rest_percent: 20, ..Load::default() }
}

/// `child_ms` with fifo_batch=1 and 20 ms otherwise.
fn by_batch(child_ms: u64) -> impl Fn(u64, &Settings) -> Now + Send + Sync {
    move |_, now| Now::Works(reads(if now.number(Knob::FifoBatch) == Some(1) { child_ms } else { 20 }))
}

#[test]
fn a_setting_that_is_better_is_called_so_and_everything_is_put_back() {
    let evening = live(Day::new("fifo_batch=1", by_batch(15))).restored();
    let report = &evening.report;
    assert_eq!(report.word(), Word::Better, "{}", report.ticket());
    let line = report.ticket();
    assert!(line.starts_with("sda fifo_batch=1 against fifo_batch=16: better; gain +3"), "{line}");
    for part in [" % (95 %: +", "in latency; ", " pairs; evidence for better ", "Linux 6.18.0", "no model"] {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
    let json = report.json();
    assert_eq!((&json["verdict"], &json["pairs"]), (&"better".into(), &report.rows.len().into()));
    assert!((33.0..34.0).contains(&json["gain"]["per_cent"].as_f64().unwrap()), "{}", json["gain"]);
    assert_eq!(json["fingerprints"]["read-random-small"], report.rows.len());
    let told = evening.told.iter().filter(|news| matches!(news, News::Pair(_))).count();
    assert_eq!(told, report.rows.len(), "the deciding pair is told too");
    let html = report.page().unwrap().html();
    assert!(html.contains("<svg") && html.contains("fifo_batch") && html.contains("better"), "{html}");
    assert!(!html.contains("http://") || !html.contains("src="), "it needs nothing else");
}

#[test]
fn a_setting_that_is_worse_is_called_so() {
    let evening = live(Day::new("fifo_batch=1", by_batch(25))).restored();
    assert_eq!(evening.report.ending, Ending::Verdict(Verdict::Worse), "{}", evening.report.ticket());
    assert_eq!(evening.report.violations.count, 0);
}

#[test]
fn a_setting_without_effect_is_never_called_better_or_worse() {
    let evening = live(Day::new("fifo_batch=1", by_batch(20))).restored();
    let word = evening.report.word();
    assert!(matches!(word, Word::NoDifference | Word::Undecided), "{}", evening.report.ticket());
}

#[test]
fn a_catastrophe_is_taken_back_within_a_second_twice_and_called_worse() {
    let evening = live(Day::new("fifo_batch=1", by_batch(200))).restored();
    let report = &evening.report;
    assert!(matches!(report.ending, Ending::Verdict(Verdict::Violated(_))), "{}", report.ticket());
    assert_eq!((report.word(), report.violations.count), (Word::Worse, 2));
    assert!(report.violations.time < Nanos(2 * Nanos::SECOND.0), "{}", report.violations.time);
    assert!(report.ticket().contains("taken back 2 times"), "{}", report.ticket());
    assert!(report.taken_back.iter().all(|one| one.back_after_ns < Nanos::SECOND), "{:?}", report.taken_back);
}

#[test]
fn a_setting_that_hangs_all_io_is_taken_back_within_a_second() {
    let hangs = |_, now: &Settings| match now.number(Knob::FifoBatch) {
        Some(1) => Now::Hangs(4),
        _ => Now::Works(reads(20)),
    };
    let report = live(Day::new("fifo_batch=1", hangs)).restored().report;
    assert_eq!((report.word(), report.violations.count), (Word::Worse, 2), "{}", report.ticket());
    assert!(report.violations.time < Nanos(2 * Nanos::SECOND.0), "{}", report.violations.time);
}

#[test]
fn a_disk_that_gets_ten_times_slower_in_mid_test_is_not_blamed_on_the_setting() {
    for at in [60_000, 62_000, 64_000, 66_000, 68_000, 70_000] {
        let slower = move |since, _: &Settings| Now::Works(reads(if since < at { 20 } else { 200 }));
        let report = live(Day::new("fifo_batch=1", slower)).restored().report;
        assert_ne!(report.word(), Word::Worse, "{at}: {}", report.ticket());
        assert_ne!(report.word(), Word::Better, "{at}: {}", report.ticket());
        assert!(report.violations.count <= 1, "{at}: {}", report.ticket());
    }
}

#[test]
fn without_work_it_says_so_and_writes_nothing_and_with_wait_it_waits() {
    let later = |since, now: &Settings| {
        if since < 60_000 { Now::Works(Load::default()) } else { by_batch(15)(since, now) }
    };
    let evening = live(Day::new("fifo_batch=1", later)).restored();
    assert_eq!((&evening.report.ending, evening.writes), (&Ending::NoLoad, 0));
    assert!(evening.report.length < Nanos::from_millis(14_000));
    let evening = live(Day { wait: true, ..Day::new("fifo_batch=1", later) }).restored();
    assert_eq!(evening.report.word(), Word::Better, "{}", evening.report.ticket());
    assert!(evening.told.iter().any(|news| matches!(news, News::Waiting)));
}

#[test]
fn work_that_stops_in_mid_test_ends_it_undecided() {
    let stops = |since, now: &Settings| {
        if since > 70_000 { Now::Works(Load::default()) } else { by_batch(20)(since, now) }
    };
    let report = live(Day::new("fifo_batch=1", stops)).restored().report;
    assert_eq!((&report.ending, report.word()), (&Ending::NoLoad, Word::Undecided), "{}", report.ticket());
    assert!(!report.rows.is_empty() && report.voids.idle >= 3);
}

#[test]
fn work_that_flips_every_two_seconds_does_not_have_it_thrash() {
    let flips = |since: u64, _: &Settings| {
        let writes = Load { writes_per_s: 400, write_ns: 5 * MS, ..Load::default() };
        Now::Works(if (since / 2_000).is_multiple_of(2) { reads(20) } else { writes })
    };
    let evening = live(Day::new("fifo_batch=1", flips)).restored();
    let report = &evening.report;
    assert_eq!(report.ending, Ending::Unstable, "{}", report.ticket());
    assert!(report.most_writes_a_minute <= 10 && evening.writes <= 12, "{}", evening.writes);
    assert!(report.ticket().contains("the work changes too often"), "{}", report.ticket());
    // With patience it goes on to the end of its time, and writes as little.
    let evening = live(Day { wait: true, ..Day::new("fifo_batch=1", flips) }).restored();
    assert!(evening.report.most_writes_a_minute <= 10, "{}", evening.report.most_writes_a_minute);
}

#[test]
fn bursts_with_idle_gaps_are_compared_all_the_same() {
    let bursts = |since: u64, now: &Settings| {
        if (since / 1_000).is_multiple_of(3) { by_batch(12)(since, now) } else { Now::Works(Load::default()) }
    };
    let report = live(Day::new("fifo_batch=1", bursts)).restored().report;
    assert_eq!(report.word(), Word::Better, "{}", report.ticket());
}

#[test]
fn a_knob_that_somebody_else_writes_is_theirs() {
    let foreign = |kernel: &FakeKernel, _: &Sender<Signal>| {
        kernel.foreign_write(&knob_path(Knob::FifoBatch), "7").unwrap();
    };
    let evening = live(Day::new("fifo_batch=1", by_batch(20)).deed(50_000, foreign));
    assert_eq!(evening.report.ending, Ending::Foreign(Knob::FifoBatch), "{}", evening.report.ticket());
    let mut expected = evening.before.clone();
    expected.set(Knob::FifoBatch, KnobValue::Number(7));
    assert_eq!(evening.after, Some(expected));
    // Another knob costs the slice, no more.
    let foreign = |kernel: &FakeKernel, _: &Sender<Signal>| {
        kernel.foreign_write(&knob_path(Knob::ReadExpire), "400").unwrap();
    };
    let evening = live(Day::new("fifo_batch=1", by_batch(15)).deed(50_000, foreign));
    assert_eq!(evening.report.word(), Word::Better, "{}", evening.report.ticket());
    assert_eq!(evening.report.voids.foreign_write, 1);
}

#[test]
fn a_signal_in_the_middle_of_a_pair_puts_everything_back() {
    for at in [30_500, 33_700, 39_000, 41_100] {
        let stop = |_: &FakeKernel, signals: &Sender<Signal>| signals.send(Signal::Stop("SIGTERM")).unwrap();
        let evening = live(Day::new("fifo_batch=1", by_batch(20)).deed(at, stop)).restored();
        assert_eq!(evening.report.ending, Ending::Interrupted("SIGTERM"));
        assert!(evening.report.length < Nanos((at + 200) * MS), "at once");
    }
}

#[test]
fn a_device_that_vanishes_ends_it() {
    let vanish = |kernel: &FakeKernel, _: &Sender<Signal>| assert!(kernel.vanish(DEVICE));
    let evening = live(Day::new("fifo_batch=1", by_batch(20)).deed(45_000, vanish));
    assert_eq!((evening.report.ending, evening.after), (Ending::Vanished, None));
}

#[test]
fn a_setting_that_the_kernel_refuses_or_changes_is_said() {
    let refuses = Day {
        prepare: |kernel, _| kernel.fail_writes(knob_path(Knob::FifoBatch), Errno::Invalid),
        ..Day::new("fifo_batch=1", by_batch(20))
    };
    let report = live(refuses).restored().report;
    assert!(
        matches!(&report.ending, Ending::Refused(why) if why.contains("fifo_batch")),
        "{:?}",
        report.ending
    );

    // Rounded to a page.
    let report = live(Day::new("read_ahead_kb=1022", by_batch(20))).restored().report;
    assert_eq!(report.child, "read_ahead_kb=1020");
    assert!(report.notes.iter().any(|note| note.contains("read_ahead_kb=1022 reads back 1020")));

    let same = Day {
        prepare: |kernel, _| kernel.clamp(knob_path(Knob::FifoBatch), 16..=64),
        ..Day::new("fifo_batch=1", by_batch(20))
    };
    let report = live(same).restored().report;
    assert_eq!(report.ending, Ending::Same("fifo_batch=16".to_owned()));
}

#[test]
fn switching_the_scheduler_and_back_leaves_the_other_ones_knobs_as_they_were() {
    let by_scheduler =
        |_, now: &Settings| Now::Works(reads(if now.elevator() == Some(Elevator::Bfq) { 14 } else { 20 }));
    let day = Day {
        prepare: |_, disk| {
            for (knob, value) in [(Knob::FifoBatch, 7), (Knob::WritesStarved, 5), (Knob::NrRequests, 64)] {
                disk.write_knob(knob, KnobValue::Number(value)).unwrap();
            }
        },
        ..Day::new("scheduler=bfq low_latency=0", by_scheduler)
    };
    let report = live(day).restored().report;
    assert_eq!(report.word(), Word::Better, "{}", report.ticket());
    assert_eq!(report.control, "scheduler=mq-deadline");
    assert_eq!(report.child, "scheduler=bfq low_latency=0");
    assert_eq!(report.control_settings.number(Knob::FifoBatch), Some(7));
}

#[test]
fn a_disk_that_answers_at_once_has_a_score_all_the_same() {
    let report = live(Day::new("fifo_batch=1", |_, _| Now::Works(reads(0)))).restored().report;
    assert!(matches!(report.word(), Word::NoDifference | Word::Undecided), "{}", report.ticket());
    assert!(report.estimate.is_none_or(|estimate| estimate.log_ratio.is_finite()));
}
