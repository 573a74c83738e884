//! One device's loop: waits, samples, asks the engine, and lets the guard write.

use super::apply::apply;
use super::clock::{Clock, Wake};
use crate::config::{Config, Mode};
use crate::engine::{
    Action, AppliedSettings, Confirmed, ConfirmedEntry, DeviceEvent, Engine, Event, Input, Moment, Probing,
    Reason, Strategy,
};
use block_types::{DevNo, Knob, Nanos, Settings};
use sampler::{Sample, SamplerError, Source};
use schedulers::{Guard, GuardError, PutBack};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

/// Where events go, and where the search is kept.
pub trait Sink: Send + Sync {
    /// Takes an event. Must not block for long: the loop waits.
    fn event(&self, event: &DeviceEvent);

    /// Keeps what a search has learned.
    fn keep(&self, device: &str, strategy: &Strategy);
}

/// What a loop can be told.
#[derive(Debug)]
pub enum Command {
    /// Put everything back and end.
    Stop(String),
    /// Put the originals back and stop writing.
    Pause,
    /// Go on.
    Resume,
    /// Tell how things stand.
    Status(Sender<DeviceView>),
}

/// How a loop stands.
#[derive(Clone, Debug)]
pub struct DeviceView {
    /// The device's name.
    pub name: String,
    /// What it may do.
    pub mode: Mode,
    /// Whether it is paused.
    pub paused: bool,
    /// The originals.
    pub originals: Settings,
    /// What is in force.
    pub in_force: Settings,
    /// The confirmed fingerprint.
    pub class: Option<fingerprint::Class>,
    /// The last window.
    pub last_window: Option<fingerprint::WindowLine>,
    /// The generation.
    pub generation: u64,
    /// The child in force, from 1.
    pub child: Option<usize>,
    /// Void slices by reason.
    pub voids: BTreeMap<crate::engine::VoidReason, u64>,
    /// Slices that were scored.
    pub scored: u64,
    /// What is odd on this device, in words.
    pub notes: Vec<String>,
    /// Knobs that somebody else wrote.
    pub yielded: Vec<Knob>,
    /// Stored genes by fingerprint.
    pub top: Vec<(String, Option<f64>, Settings)>,
    /// What is known by fingerprint, under the `confirmed` strategy.
    pub confirmed: Option<BTreeMap<String, ConfirmedEntry>>,
    /// Whether the fingerprint changes too often to be followed.
    pub settled: bool,
    /// The last warning.
    pub last_error: Option<String>,
}

/// How a loop ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// The device is gone.
    Vanished,
    /// It could not go on; the originals were put back as far as that was possible.
    Failed(String),
}

/// One device under the loop.
pub struct DeviceLoop<C: Clock> {
    name: String,
    devno: DevNo,
    engine: Engine,
    /// `None` in `observe`, which never writes.
    guard: Option<Guard>,
    source: Arc<dyn Source>,
    clock: C,
    sink: Arc<dyn Sink>,
    mode: Mode,
    originals: Settings,
    refused: BTreeSet<Knob>,
    suspended: Nanos,
    notes: Vec<String>,
    last_error: Option<String>,
}

/// What a loop is made of.
pub struct Parts<C: Clock> {
    /// The device's name.
    pub name: String,
    /// Its number.
    pub devno: DevNo,
    /// Its decisions.
    pub engine: Engine,
    /// Its guard; `None` in `observe`.
    pub guard: Option<Guard>,
    /// Where samples come from.
    pub source: Arc<dyn Source>,
    /// Time.
    pub clock: C,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// The configuration.
    pub config: Config,
    /// The settings before anything was touched.
    pub originals: Settings,
    /// What is odd on this device, in words.
    pub notes: Vec<String>,
}

impl<C: Clock> DeviceLoop<C> {
    /// A loop that has not begun.
    #[must_use]
    pub fn new(parts: Parts<C>) -> Self {
        Self {
            suspended: parts.clock.suspended(),
            name: parts.name,
            devno: parts.devno,
            engine: parts.engine,
            guard: parts.guard,
            source: parts.source,
            clock: parts.clock,
            sink: parts.sink,
            mode: parts.config.mode,
            originals: parts.originals,
            refused: BTreeSet::new(),
            notes: parts.notes,
            last_error: None,
        }
    }

    /// Runs until told to stop, the device vanishes, or going on would not be safe; then puts everything back.
    pub fn run(mut self, inbox: &Receiver<Command>) -> Ended {
        let (ended, why) = match self.work(inbox) {
            Ok(why) => (Ended::Stopped, why),
            Err(Failure::Vanished) => (Ended::Vanished, "the device is gone".to_owned()),
            Err(Failure::Broken(why)) => (Ended::Failed(why.clone()), why),
        };
        self.sink.keep(&self.name, self.engine.strategy());
        self.finish(why);
        ended
    }

    fn work(&mut self, inbox: &Receiver<Command>) -> Result<String, Failure> {
        loop {
            let now = self.clock.now();
            match self.clock.wait(self.engine.next_deadline(now), inbox) {
                Wake::Deadline => self.tick()?,
                Wake::Over => return Ok("its time is up".to_owned()),
                Wake::Message(Command::Stop(why)) => return Ok(why),
                Wake::Message(Command::Pause) => self.feed(&Input::Pause)?,
                Wake::Message(Command::Resume) => self.feed(&Input::Resume)?,
                Wake::Message(Command::Status(reply)) => {
                    // Whoever asked may have given up waiting; that is their affair.
                    let _ = reply.send(self.view());
                }
            }
        }
    }

    fn tick(&mut self) -> Result<(), Failure> {
        let suspended = self.clock.suspended();
        // Reading two clocks one after the other yields microseconds of difference; a suspend, seconds.
        if suspended.saturating_sub(self.suspended) > Nanos::from_millis(100) {
            self.suspended = suspended;
            self.feed(&Input::Suspended)?;
        }
        let sample = self.read()?;
        self.feed(&Input::Sample(&sample))
    }

    fn moment(&self) -> Moment {
        Moment { monotonic: self.clock.now(), unix_ms: self.clock.unix_ms() }
    }

    fn read(&self) -> Result<Sample, Failure> {
        self.source.read(self.devno).map_err(|error| match error {
            SamplerError::Gone { .. } => Failure::Vanished,
            other => Failure::Broken(other.to_string()),
        })
    }

    /// Feeds an input, carries out what the engine wants, and feeds what came of it, until nothing is left.
    fn feed(&mut self, input: &Input<'_>) -> Result<(), Failure> {
        let mut todo: VecDeque<Action> = self.engine.step(self.moment(), input).into();
        while let Some(action) = todo.pop_front() {
            let more = match action {
                Action::Report(event) => {
                    self.emit(*event);
                    Vec::new()
                }
                Action::Keep => {
                    self.sink.keep(&self.name, self.engine.strategy());
                    Vec::new()
                }
                Action::Probe(probing) => {
                    self.source
                        .set_active(self.devno, probing == Probing::Attached)
                        .map_err(|error| Failure::Broken(error.to_string()))?;
                    Vec::new()
                }
                Action::Mark(at) => {
                    self.source.mark(self.devno, at).map_err(|error| Failure::Broken(error.to_string()))?;
                    Vec::new()
                }
                Action::LookForForeign => {
                    let knobs = self.look_for_foreign()?;
                    self.engine.step(self.moment(), &Input::Foreign(&knobs))
                }
                Action::Apply { settings, reason } => {
                    let applied = self.apply(&settings)?;
                    let more = self.engine.step(self.moment(), &Input::Applied(&applied));
                    self.emit_applied(applied, reason);
                    more
                }
            };
            // What follows from an action comes before what was planned after it: a slice is judged before
            // the next child is applied.
            for action in more.into_iter().rev() {
                todo.push_front(action);
            }
        }
        Ok(())
    }

    fn look_for_foreign(&mut self) -> Result<Vec<Knob>, Failure> {
        let Some(guard) = &mut self.guard else { return Ok(Vec::new()) };
        let foreign = guard.foreign().map_err(Failure::from)?;
        let at_ns = self.clock.now().0;
        let knobs = foreign.iter().map(|foreign| foreign.knob).collect();
        for foreign in foreign {
            self.emit(Event::Foreign { at_ns, knob: foreign.knob, ours: foreign.ours, found: foreign.found });
        }
        Ok(knobs)
    }

    /// Puts settings in force: first what does not freeze the queue, so that it helps at once.
    fn apply(&mut self, wanted: &Settings) -> Result<AppliedSettings, Failure> {
        let Some(guard) = &mut self.guard else {
            return Err(Failure::Broken("a write was asked for in a mode that never writes".to_owned()));
        };
        Ok(apply(guard, &self.clock, wanted, &mut self.refused)?)
    }

    fn emit_applied(&mut self, applied: AppliedSettings, reason: Reason) {
        for failed in &applied.failed {
            self.warn(format!("{failed}; it is left alone from now on"));
        }
        let strategy = self.engine.strategy();
        self.emit(Event::Applied {
            at_ns: applied.at.0,
            reason,
            class: self.engine.class(),
            generation: strategy.generation(),
            child: strategy.child(),
            settings: applied.in_force,
            quick_at_ns: applied.quick_at.0,
            freezing_ms: applied.freezing.as_millis_f64(),
            clamped: applied.clamped,
            failed: applied.failed,
        });
    }

    fn warn(&mut self, message: String) {
        self.last_error = Some(message.clone());
        let at_ns = self.clock.now().0;
        self.emit(Event::Warning { at_ns, message });
    }

    fn emit(&self, event: Event) {
        self.sink.event(&DeviceEvent { device: self.name.clone(), event });
    }

    fn finish(&mut self, why: String) {
        let (mut restored, mut already, mut left) = (Settings::new(), 0, Vec::new());
        if let Some(guard) = self.guard.take() {
            let report = guard.restore();
            restored = report.restored.iter().map(PutBack::setting).collect();
            already = report.already.len();
            left = report.left_in_words();
        }
        self.emit(Event::Stopped { at_ns: self.clock.now().0, why, restored, already, left });
    }

    fn view(&self) -> DeviceView {
        let strategy = self.engine.strategy();
        DeviceView {
            name: self.name.clone(),
            mode: self.mode,
            paused: self.engine.paused(),
            originals: self.originals.clone(),
            in_force: self.engine.in_force().clone(),
            class: self.engine.class(),
            last_window: self.engine.last_window().cloned(),
            generation: strategy.generation(),
            child: strategy.child(),
            voids: self.engine.voids().clone(),
            scored: self.engine.scored(),
            notes: self.notes.clone(),
            yielded: self.engine.yielded().iter().copied().collect(),
            top: strategy.top(),
            confirmed: strategy.confirmed().map(Confirmed::entries),
            settled: strategy.confirmed().is_some_and(Confirmed::is_settled),
            last_error: self.last_error.clone(),
        }
    }
}

/// Why a loop cannot go on.
enum Failure {
    Vanished,
    Broken(String),
}

impl From<GuardError> for Failure {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Vanished { .. } => Self::Vanished,
            other => Self::Broken(other.to_string()),
        }
    }
}
