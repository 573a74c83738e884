//! The running of a comparison: waits for work, learns, runs slices in pairs, and puts everything back.
//!
//! Time, samples and the kernel are arguments, so that good days and bad ones run in tests under a virtual clock. The
//! only hand that writes is the guard's; what this decides is whose slice is due, and when to write nothing for a
//! while because the work is not of one piece.

use super::arms::Arms;
use super::ending::{Ending, harm};
use super::report::{Facts, Report};
use super::tally::{Both, PairRow, TakenBack};
use crate::config::Config;
use crate::engine::{
    AppliedSettings, Bench, BenchConfig, Look, OpenSlice, Settling, SliceEnd, Windows, idle, saturation,
};
use crate::run::{Clock, Signal, Wake, apply};
use block_types::{DevNo, Knob, Nanos};
use fingerprint::Class;
use sampler::{Sample, SamplerError, Source};
use schedulers::{Guard, GuardError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use trials::{Arm, Outcome, Side, Step, Trial, TrialConfig, TrialError, Void};

/// How a comparison goes.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The test.
    pub trial: TrialConfig,
    /// The slices and the guard.
    pub bench: BenchConfig,
    /// Slices of the control that the guard learns from before the first child, and after the work has changed.
    pub baseline: u32,
    /// When to end in any case; `None` to go on until it is decided.
    pub limit: Option<Nanos>,
    /// Whether to wait for work, and for work that is of one piece, as long as it takes.
    pub wait: bool,
    /// Governs the order of the pairs.
    pub seed: u64,
}

/// What a comparison is made of.
pub struct Parts<C: Clock> {
    /// The two settings.
    pub arms: Arms,
    /// How it goes.
    pub rules: Rules,
    /// The hand that writes.
    pub guard: Guard,
    /// Where samples come from.
    pub source: Arc<dyn Source>,
    /// The disk's number.
    pub devno: DevNo,
    /// Whether it has heads to move.
    pub rotational: bool,
    /// Time.
    pub clock: C,
    /// What is known of the disk and the machine, for the report.
    pub facts: Facts,
}

/// What there is to tell while it goes on.
#[derive(Clone, Debug)]
pub enum News {
    /// Waiting for work.
    Waiting,
    /// A slice of the control that the guard learned from.
    Learned {
        /// How many so far.
        slices: usize,
        /// How many are wanted.
        of: u32,
    },
    /// A pair was counted.
    Pair(PairRow),
    /// A slice was void, or a pair said nothing; why.
    Lost(String),
    /// Something that people should know.
    Note(String),
}

/// Without work for so long there is none, unless waiting was asked for.
const IDLE_PATIENCE: Nanos = Nanos::from_millis(12_000);
/// The work may change for so long before a comparison is given up, unless waiting was asked for.
const UNSTABLE_PATIENCE: Nanos = Nanos::from_millis(120_000);
/// The longest that the work has to be of one piece after it has changed inside slices again and again.
const LONGEST_HOLD: Nanos = Nanos::from_millis(60_000);
/// Slices without work in a row after which nothing is written until there is some.
const IDLE_SLICES: u32 = 3;
/// Slices with device errors in a row after which it ends.
const ERROR_SLICES: u32 = 5;
/// Slices of the control between two children that the guard took back: whether the disk itself has become slow shows in
/// these.
const AFTER_ABORT: u32 = 2;
/// How often work is looked for.
const IDLE_LOOK: Nanos = Nanos::from_millis(250);
const MINUTE: Nanos = Nanos::from_millis(60_000);

/// A comparison that has not begun.
pub struct Session<C: Clock> {
    arms: Arms,
    rules: Rules,
    guard: Guard,
    source: Arc<dyn Source>,
    devno: DevNo,
    rotational: bool,
    clock: C,
    facts: Facts,
    trial: Trial,
    bench: Bench,
    windows: Windows,
    began: Nanos,
    suspended: Nanos,
    last: Option<Sample>,
    totals: Both,
    rows: Vec<PairRow>,
    taken_back: Vec<TakenBack>,
    classes: BTreeMap<Class, u32>,
    notes: Vec<String>,
    in_row: InRow,
    /// Slices of the control that are still due before the next child.
    relearn: u32,
    writes: Writes,
    shown: BTreeSet<Knob>,
}

/// What happened again and again, last.
#[derive(Clone, Copy, Debug, Default)]
struct InRow {
    idle: u32,
    changed: u32,
    errors: u32,
    aborts: u32,
}

/// When knobs were written: bounded, whatever the work does.
#[derive(Clone, Debug, Default)]
struct Writes {
    recent: VecDeque<Nanos>,
    most_in_a_minute: usize,
}

impl Writes {
    fn count(&mut self, now: Nanos, writes: usize) {
        self.recent.extend(std::iter::repeat_n(now, writes));
        while self.recent.front().is_some_and(|first| now - *first > MINUTE) {
            self.recent.pop_front();
        }
        self.most_in_a_minute = self.most_in_a_minute.max(self.recent.len());
    }
}

type Tell<'a> = &'a mut dyn FnMut(&News);

impl<C: Clock> Session<C> {
    /// A comparison of these parts.
    ///
    /// # Errors
    /// Where a rule is out of its range.
    pub fn new(parts: Parts<C>) -> Result<Self, TrialError> {
        let trial = Trial::new(parts.rules.trial, parts.rules.seed)?;
        let bench = Bench::new(parts.rules.bench)?;
        let began = parts.clock.now();
        Ok(Self {
            trial,
            bench,
            windows: Windows::new(&Config::default(), began),
            began,
            suspended: parts.clock.suspended(),
            arms: parts.arms,
            rules: parts.rules,
            guard: parts.guard,
            source: parts.source,
            devno: parts.devno,
            rotational: parts.rotational,
            clock: parts.clock,
            facts: parts.facts,
            last: None,
            totals: Both::default(),
            rows: Vec::new(),
            taken_back: Vec::new(),
            classes: BTreeMap::new(),
            notes: Vec::new(),
            in_row: InRow::default(),
            relearn: 0,
            writes: Writes::default(),
            shown: BTreeSet::new(),
        })
    }

    /// Runs it to its end, whatever that is, and puts the originals back.
    pub fn run(mut self, inbox: &Receiver<Signal>, tell: Tell<'_>) -> Report {
        let ending = match self.work(inbox, tell) {
            Ok(never) => match never {},
            Err(ending) => ending,
        };
        let _ = self.source.mark(self.devno, None);
        let length = self.clock.now() - self.began;
        let originals = self.guard.originals().clone();
        let restored = self.guard.restore();
        let tail = self.trial.tail();
        Report {
            ending,
            child: self.arms.child_label(),
            control: self.arms.control_label(),
            child_settings: self.arms.child,
            control_settings: self.arms.control,
            originals,
            estimate: self.trial.estimate(),
            evidence: [Side::Above, Side::Below].map(|side| self.trial.log_evidence(side).exp()),
            alpha: self.rules.trial.alpha,
            objective: self.rules.trial.objective,
            rows: self.rows,
            taken_back: self.taken_back,
            voids: self.trial.voids(),
            violations: self.bench.violations(),
            child_figures: self.totals.child.figures(),
            control_figures: self.totals.control.figures(),
            tail,
            classes: self.classes,
            length,
            bench: self.rules.bench,
            seed: self.rules.seed,
            most_writes_a_minute: self.writes.most_in_a_minute,
            notes: self.notes,
            facts: self.facts,
            restored,
        }
    }

    fn work(&mut self, inbox: &Receiver<Signal>, tell: Tell<'_>) -> Result<std::convert::Infallible, Ending> {
        self.await_work(inbox, tell)?;
        loop {
            let Some(due) = self.trial.next() else {
                return Err(self.trial.verdict().map_or(Ending::TimeUp, Ending::Verdict));
            };
            let wanted = self.rules.baseline.max(1) as usize;
            if self.relearn > 0 || self.bench.learned() < wanted {
                self.learn(inbox, tell)?;
            } else {
                self.slice_of_a_pair(due, inbox, tell)?;
            }
        }
    }

    /// A slice of the control that the guard learns from and nothing else.
    fn learn(&mut self, inbox: &Receiver<Signal>, tell: Tell<'_>) -> Result<(), Ending> {
        let end = self.slice(Arm::Control, Purpose::Baseline, inbox, tell)?;
        match end.outcome {
            Outcome::Void(void) => self.after_void(void, inbox, tell),
            _ => {
                self.in_row = InRow { aborts: self.in_row.aborts, ..InRow::default() };
                self.relearn = self.relearn.saturating_sub(1);
                let slices = self.bench.learned();
                tell(&News::Learned { slices, of: self.rules.baseline });
                Ok(())
            }
        }
    }

    fn slice_of_a_pair(&mut self, due: Arm, inbox: &Receiver<Signal>, tell: Tell<'_>) -> Result<(), Ending> {
        let end = self.slice(due, Purpose::Pair, inbox, tell)?;
        let outcome = self.judge(&end, tell);
        if let (Outcome::Measured(_), Some(measured)) = (&outcome, &end.measured) {
            self.totals.of(due).add(measured, end.carried);
        }
        let void = if let Outcome::Void(void) = &outcome { Some(*void) } else { None };
        match self.trial.record(outcome).map_err(|error| Ending::Broken(error.to_string()))? {
            Step::Paired(contrast) => self.counted(contrast, tell),
            Step::PairSilent(why) => {
                tell(&News::Lost(format!("a pair says nothing of this objective: {}", silence(why))));
            }
            // The pair that decides is in the trial, and has not been told.
            Step::Ended(_) if self.trial.pairs().len() > self.rows.len() => self.counted_last(tell),
            Step::HalfPair | Step::PairVoid(_) | Step::Ended(_) => {}
        }
        match void {
            Some(void) => self.after_void(void, inbox, tell),
            None => Ok(()),
        }
    }

    /// The outcome for the trial. The guard may be wrong once in a hundred slices, or the disk itself have become slow:
    /// so a slice that it took back is scored by what was seen of it, and only the second in a row ends the trial.
    fn judge(&mut self, end: &SliceEnd, tell: Tell<'_>) -> Outcome {
        let Outcome::Aborted(abort) = &end.outcome else {
            if matches!(end.outcome, Outcome::Measured(_)) {
                let aborts = if end.arm == Arm::Child { 0 } else { self.in_row.aborts };
                self.in_row = InRow { aborts, ..InRow::default() };
            }
            return end.outcome.clone();
        };
        self.in_row.aborts += 1;
        self.relearn = AFTER_ABORT;
        let after = end.times.harmful_for().unwrap_or_default();
        let seen_after_ns = end.times.abort_seen.map_or(after, |seen| seen - end.times.in_force);
        self.taken_back.push(TakenBack { seen_after_ns, back_after_ns: after, why: harm(abort) });
        self.note(format!("the guard took the setting back after {after}: {}", harm(abort)), tell);
        match &end.so_far {
            Some(score) if self.in_row.aborts < 2 => Outcome::Measured(score.clone()),
            _ => end.outcome.clone(),
        }
    }

    fn counted(&mut self, contrast: trials::Contrast, tell: Tell<'_>) {
        let Some(estimate) = self.trial.estimate() else { return };
        let evidence = [Side::Above, Side::Below].map(|side| self.trial.log_evidence(side));
        let row = PairRow::new(self.clock.now() - self.began, contrast, estimate, evidence);
        if let Some(class) = self.windows.class() {
            *self.classes.entry(class).or_default() += 1;
        }
        tell(&News::Pair(row.clone()));
        self.rows.push(row);
    }

    /// As [`Self::counted`], where the trial told its verdict instead of the pair's contrast.
    fn counted_last(&mut self, tell: Tell<'_>) {
        let Some(last) = self.trial.pairs().last() else { return };
        let made_of = self.rows.last().map(|row| row.made_of);
        let contrast = trials::Contrast {
            log_ratio: last.log_ratio,
            throughput: made_of.is_some_and(|made_of| made_of.throughput),
            latency: made_of.is_some_and(|made_of| made_of.latency),
            tail: made_of.and_then(|made_of| made_of.tail),
        };
        self.counted(contrast, tell);
    }

    /// One slice: settings in force, looked at until it is over, and whatever somebody else wrote meanwhile.
    fn slice(
        &mut self,
        arm: Arm,
        purpose: Purpose,
        inbox: &Receiver<Signal>,
        tell: Tell<'_>,
    ) -> Result<SliceEnd, Ending> {
        let (applied, written) = self.put_in_force(arm, tell)?;
        self.totals.of(arm).drained(applied.freezing);
        let settling = match purpose {
            Purpose::Baseline if written == 0 => Settling::Done,
            _ => Settling::Needed,
        };
        let nr_requests = self.guard.current().number(Knob::NrRequests);
        let mut open = self.bench.open(arm, &applied, settling, saturation(self.rotational, nr_requests));
        self.source.mark(self.devno, Some(open.mark())).map_err(gone)?;
        let end = self.watch(&mut open, inbox, tell)?;
        if matches!(end.outcome, Outcome::Measured(_)) && self.somebody_wrote(tell)? {
            return Ok(self.bench.void(&open, end.times.ended, Void::ForeignWrite));
        }
        Ok(end)
    }

    fn watch(
        &mut self,
        open: &mut OpenSlice,
        inbox: &Receiver<Signal>,
        tell: Tell<'_>,
    ) -> Result<SliceEnd, Ending> {
        loop {
            let sample = self.sample()?;
            if self.has_slept() {
                return Ok(self.bench.void(open, sample.at, Void::Suspended));
            }
            match self.bench.look(open, &sample) {
                Look::At(next) => self.wait(next, inbox)?,
                Look::Over(end) => return Ok(*end),
                Look::TakeBack(_) => {
                    let (applied, _) = self.put_in_force(Arm::Control, tell)?;
                    return Ok(self.bench.taken_back(open, applied.at));
                }
            }
        }
    }

    /// Puts an arm in force; answers how many knobs were written.
    fn put_in_force(&mut self, arm: Arm, tell: Tell<'_>) -> Result<(AppliedSettings, usize), Ending> {
        let wanted = match arm {
            Arm::Child => &self.arms.child,
            Arm::Control => &self.arms.control,
        };
        let before = self.guard.current().clone();
        let mut refused = BTreeSet::new();
        let applied = apply(&mut self.guard, &self.clock, wanted, &mut refused).map_err(lost)?;
        let now = self.guard.current();
        let written = now.iter().filter(|setting| before.get(setting.knob) != Some(setting.value)).count();
        self.writes.count(applied.at, written);
        if !applied.failed.is_empty() {
            return Err(Ending::Refused(applied.failed.join("; ")));
        }
        for clamp in &applied.clamped {
            let differ = self.arms.correct(arm, clamp.knob, clamp.read_back);
            if !differ {
                return Err(Ending::Same(format!("{}={}", clamp.knob, clamp.read_back)));
            }
            if self.shown.insert(clamp.knob) {
                let (knob, wanted, made) = (clamp.knob, clamp.wanted, clamp.read_back);
                self.note(format!("{knob}={wanted} reads back {made}: that is what is compared"), tell);
            }
        }
        Ok((applied, written))
    }

    /// Whether somebody else wrote a knob meanwhile. One of those that are compared ends it: it is theirs now.
    fn somebody_wrote(&mut self, tell: Tell<'_>) -> Result<bool, Ending> {
        let foreign = self.guard.foreign().map_err(lost)?;
        let compared = self.arms.differing();
        for one in &foreign {
            if compared.contains(&one.knob) {
                return Err(Ending::Foreign(one.knob));
            }
            self.note(format!("somebody else wrote {}; it is left alone", one.knob), tell);
        }
        Ok(!foreign.is_empty())
    }

    fn after_void(&mut self, void: Void, inbox: &Receiver<Signal>, tell: Tell<'_>) -> Result<(), Ending> {
        tell(&News::Lost(format!("a slice is void: {}", void_words(void))));
        let InRow { idle, changed, errors, aborts } = self.in_row;
        self.in_row = InRow { aborts, ..InRow::default() };
        match void {
            Void::Idle => {
                self.in_row.idle = idle + 1;
                if idle + 1 >= IDLE_SLICES {
                    self.put_in_force(Arm::Control, tell)?;
                    self.await_work(inbox, tell)?;
                }
            }
            Void::FingerprintChanged => {
                self.in_row.changed = changed + 1;
                self.put_in_force(Arm::Control, tell)?;
                self.await_one_piece(inbox)?;
            }
            Void::DeviceError => {
                self.in_row.errors = errors + 1;
                if errors + 1 >= ERROR_SLICES {
                    return Err(Ending::DeviceErrors);
                }
            }
            Void::Suspended | Void::ForeignWrite => {}
        }
        Ok(())
    }

    /// Waits, writing nothing, until something is asked of the disk.
    fn await_work(&mut self, inbox: &Receiver<Signal>, tell: Tell<'_>) -> Result<(), Ending> {
        let since = self.clock.now();
        let mut told = false;
        let mut before = self.sample()?;
        loop {
            let now = self.clock.now();
            self.wait(now + IDLE_LOOK, inbox).map_err(|ending| match ending {
                Ending::TimeUp if self.rows.is_empty() => Ending::NoLoad,
                other => other,
            })?;
            let sample = self.sample()?;
            if !idle(&before, &sample) {
                return Ok(());
            }
            before = sample;
            if !self.rules.wait && self.clock.now() - since >= IDLE_PATIENCE {
                return Err(Ending::NoLoad);
            }
            if !told && self.clock.now() - since >= Nanos::from_millis(2_000) {
                told = true;
                tell(&News::Waiting);
            }
        }
    }

    /// Waits, writing nothing, until the work has been the same for as long as a slice takes, and longer each time
    /// that it changed inside a slice in a row.
    fn await_one_piece(&mut self, inbox: &Receiver<Signal>) -> Result<(), Ending> {
        let BenchConfig { settle, slice, look, .. } = self.rules.bench;
        let doubled = 1_u64 << self.in_row.changed.saturating_sub(1).min(10);
        let hold = Nanos((settle.least + slice).0.saturating_mul(doubled)).min(LONGEST_HOLD);
        let begun = self.clock.now();
        let (mut since, mut class) = (begun, self.windows.class());
        loop {
            self.wait(self.clock.now() + look, inbox)?;
            self.sample()?;
            let now = self.clock.now();
            if self.windows.class() != class {
                (since, class) = (now, self.windows.class());
            }
            if now - since >= hold {
                return Ok(());
            }
            if !self.rules.wait && now - begun >= UNSTABLE_PATIENCE.max(Nanos(2 * hold.0)) {
                return Err(Ending::Unstable);
            }
        }
    }

    /// Waits for a moment; fails where it must end before.
    fn wait(&self, until: Nanos, inbox: &Receiver<Signal>) -> Result<(), Ending> {
        let end = self.rules.limit.map(|limit| self.began + limit);
        loop {
            let due = end.map_or(until, |end| until.min(end));
            match self.clock.wait(due, inbox) {
                Wake::Deadline if end.is_some_and(|end| self.clock.now() >= end) => {
                    return Err(Ending::TimeUp);
                }
                Wake::Deadline => return Ok(()),
                Wake::Message(Signal::Stop(signal)) => return Err(Ending::Interrupted(signal)),
                Wake::Message(Signal::Reload) => {}
                Wake::Over => return Err(Ending::TimeUp),
            }
        }
    }

    /// Takes a sample, and has the work's fingerprint follow.
    fn sample(&mut self) -> Result<Sample, Ending> {
        let sample = self.source.read(self.devno).map_err(gone)?;
        let _ = self.windows.observe(&sample);
        self.bench.set_class(self.windows.class());
        self.last = Some(sample.clone());
        Ok(sample)
    }

    fn has_slept(&mut self) -> bool {
        let suspended = self.clock.suspended();
        // Reading two clocks one after the other yields microseconds of difference; a suspend, seconds.
        let slept = suspended - self.suspended > Nanos::from_millis(100);
        if slept {
            self.suspended = suspended;
            self.windows.restart();
        }
        slept
    }

    fn note(&mut self, note: String, tell: Tell<'_>) {
        tell(&News::Note(note.clone()));
        self.notes.push(note);
    }
}

/// What a slice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// For the guard to learn from.
    Baseline,
    /// For the trial.
    Pair,
}

fn gone(error: SamplerError) -> Ending {
    match error {
        SamplerError::Gone { .. } => Ending::Vanished,
        other => Ending::Broken(other.to_string()),
    }
}

fn lost(error: GuardError) -> Ending {
    match error {
        GuardError::Vanished { .. } => Ending::Vanished,
        other => Ending::Broken(other.to_string()),
    }
}

/// A void's ground, in words.
pub(super) const fn void_words(void: Void) -> &'static str {
    match void {
        Void::Idle => "nothing was asked of the disk",
        Void::FingerprintChanged => "the work changed",
        Void::Suspended => "the machine slept, or was too busy to look",
        Void::ForeignWrite => "somebody else wrote a knob",
        Void::DeviceError => "the device reported an error",
    }
}

const fn silence(why: trials::Silence) -> &'static str {
    match why {
        trials::Silence::NotMeasured => "it was not measured",
        trials::Silence::NotSaturated => "the disk was not saturated, so that bytes are what was asked for",
        trials::Silence::NoSyncIo => "nobody waited for any I/O",
        trials::Silence::TooFewReads => "there were too few reads",
        trials::Silence::HeldBack => {
            "one of the settings held programs back before their reads could be counted"
        }
    }
}
