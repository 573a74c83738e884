//! Tells what happens: one JSON object a line for programs, one log line for people, rows for the store.

use super::clock::{Clock, RealClock};
use super::device::Sink;
use super::memory::{pool_name, state_name};
use crate::config::Objective;
use crate::engine::{DeviceEvent, Event, Reason, Strategy, in_words};
use crate::store::{Recorder, Row};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Where events of all loops come together.
pub(super) struct Journalist {
    /// Standard output, under `--json`.
    lines: Option<Mutex<Box<dyn Write + Send>>>,
    recorder: Option<Recorder>,
    objective: Objective,
    /// Each device's scheduler, as the store names it.
    schedulers: Mutex<BTreeMap<String, String>>,
}

impl std::fmt::Debug for Journalist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journalist").field("recorder", &self.recorder).finish_non_exhaustive()
    }
}

impl Journalist {
    /// Tells `lines` and `recorder`, where they are given, and the log.
    #[must_use]
    pub(super) fn new(
        lines: Option<Box<dyn Write + Send>>,
        recorder: Option<Recorder>,
        objective: Objective,
    ) -> Self {
        Self { lines: lines.map(Mutex::new), recorder, objective, schedulers: Mutex::default() }
    }

    /// How the store fares; `None` without one.
    #[must_use]
    pub(super) fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// Says under which scheduler a device's rows belong.
    pub(super) fn introduce(&self, device: &str, scheduler: &str) {
        let mut schedulers = self.schedulers.lock().unwrap_or_else(PoisonError::into_inner);
        schedulers.insert(device.to_owned(), scheduler.to_owned());
    }

    fn print(&self, event: &DeviceEvent) {
        let Some(lines) = &self.lines else { return };
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        let mut out = lines.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever read it may be gone; the loop goes on, and its log with it.
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

impl Sink for Journalist {
    fn event(&self, event: &DeviceEvent) {
        self.print(event);
        log(event);
        let Some(recorder) = &self.recorder else { return };
        let schedulers = self.schedulers.lock().unwrap_or_else(PoisonError::into_inner);
        let scheduler = schedulers.get(&event.device).map_or("", String::as_str);
        if let Some(row) = Row::of(event, RealClock.unix_ms(), scheduler, self.objective) {
            recorder.append(row);
        }
    }

    fn keep(&self, device: &str, strategy: &Strategy) {
        let Some(recorder) = &self.recorder else { return };
        let now = RealClock.unix_ms();
        let scheduler = strategy.genes().scheduler_name();
        match strategy {
            Strategy::Moilanen(search) => {
                recorder.save_top(device, search.library().clone(), now);
                if let Ok(state) = serde_json::to_string(search.pool()) {
                    recorder.save_pool(device, &pool_name(scheduler, self.objective), state, now);
                }
            }
            Strategy::Confirmed(confirmed) => {
                recorder.save_confirmed(device, scheduler, self.objective.name(), confirmed.entries(), now);
                if let Ok(state) = serde_json::to_string(&confirmed.saved()) {
                    recorder.save_pool(device, &state_name(scheduler, self.objective), state, now);
                }
            }
        }
    }
}

/// A gain with its limits, such as `+12.3 % [+4.0, +20.1]`.
fn gain_in_words(estimate: Option<&trials::Estimate>) -> String {
    crate::commands::gain(estimate)
}

/// One line for each thing that a person would want to know, at the level at which they would want it: a child
/// is put in force every two seconds and a window closes four times a second, so these are for debugging.
fn log(happened: &DeviceEvent) {
    let device = happened.device.as_str();
    let name = |class: &Option<fingerprint::Class>| class.map_or("unknown", fingerprint::Class::name);
    match &happened.event {
        Event::Started { mode, source, source_reason, genes, seed, notes, .. } => {
            let genes: Vec<&str> = genes.iter().map(|knob| knob.name()).collect();
            tracing::info!(device, ?mode, source, seed, genes = genes.join(","), "started: {source_reason}");
            for note in notes {
                tracing::warn!(device, "{note}");
            }
        }
        Event::Window { line, .. } => tracing::debug!(device, class = name(&line.class), "window"),
        Event::Fingerprint { from, to, .. } => {
            tracing::info!(device, "fingerprint: {} → {to}", name(from));
        }
        Event::Applied { reason, settings, child, quick_at_ns, at_ns, clamped, .. } => {
            let drained = (at_ns - quick_at_ns.min(at_ns)) / 1_000_000;
            match reason {
                Reason::Child => tracing::debug!(device, child, drained_ms = drained, "in force: {settings}"),
                Reason::Reintroduction => {
                    tracing::info!(device, drained_ms = drained, "stored genes back in force: {settings}");
                }
                Reason::Unseen => tracing::info!(device, "never seen before, so the defaults: {settings}"),
                Reason::Hints => tracing::info!(device, drained_ms = drained, "hint in force: {settings}"),
                Reason::Originals => tracing::info!(device, drained_ms = drained, "originals: {settings}"),
                Reason::Incumbent | Reason::Candidate | Reason::Default => {
                    tracing::debug!(device, ?reason, drained_ms = drained, "in force: {settings}");
                }
                Reason::TakenBack => {
                    tracing::info!(device, drained_ms = drained, "back in force: {settings}");
                }
                Reason::TooManyChanges => tracing::info!(device, "for unsteady work: {settings}"),
            }
            for clamp in clamped {
                let (knob, wanted, read_back) = (clamp.knob, clamp.wanted, clamp.read_back);
                tracing::debug!(device, "{knob}: wrote {wanted}, the kernel made it {read_back}");
            }
        }
        Event::Would { what, .. } => tracing::info!(device, "would {what}"),
        Event::Evaluation(evaluation) => match (evaluation.fitness, evaluation.void) {
            (Some(fitness), _) => tracing::debug!(device, fitness, "scored: {}", evaluation.settings),
            (None, Some(reason)) => tracing::debug!(device, "void: {reason}"),
            (None, None) => {}
        },
        Event::Generation { generation, class, mean_fitness, best_fitness, scored, void, .. } => {
            tracing::info!(
                device,
                generation,
                class = name(class),
                mean_fitness,
                best_fitness,
                scored,
                void,
                "generation"
            );
        }
        Event::Top { class, fitness, settings, .. } => {
            tracing::info!(device, class = name(class), fitness, "top genes: {settings}");
        }
        Event::Slice(slice) => tracing::debug!(
            device,
            purpose = ?slice.purpose,
            arm = %slice.arm,
            void = ?slice.void,
            bytes_per_s = slice.bytes_per_s,
            mean_latency_ns = slice.mean_latency_ns,
            "slice: {}",
            slice.settings
        ),
        Event::Campaign(begun) => tracing::info!(
            device,
            class = name(&begun.class),
            campaign = begun.campaign,
            candidates = begun.candidates,
            radius = begun.radius,
            resumed = begun.resumed,
            "campaign"
        ),
        Event::CampaignEnded(ended) => tracing::info!(
            device,
            class = name(&ended.class),
            campaign = ended.campaign,
            promoted = ended.promoted,
            "campaign ended"
        ),
        Event::Nominee(nominee) => {
            tracing::info!(device, class = name(&nominee.class), "on trial: {}", nominee.settings);
        }
        Event::Promoted(told) => tracing::info!(
            device,
            class = name(&told.class),
            "confirmed, {} better than {}: {}",
            gain_in_words(told.estimate.as_ref()),
            told.control,
            told.settings
        ),
        Event::Rejected(told) => tracing::info!(
            device,
            class = name(&told.class),
            verdict = ?told.verdict,
            "rejected, {}: {}",
            gain_in_words(told.estimate.as_ref()),
            told.settings
        ),
        Event::Violation(violation) => tracing::warn!(
            device,
            class = name(&violation.class),
            "taken back after {:.2} s, because of {}: {}",
            violation.in_force_ns as f64 / 1e9,
            in_words(violation.abort),
            violation.settings
        ),
        Event::GainChecked(told) => tracing::debug!(
            device,
            class = name(&told.class),
            "gain over the default: {}",
            gain_in_words(told.estimate.as_ref())
        ),
        Event::GainLapsed(told) => tracing::warn!(
            device,
            class = name(&told.class),
            "the gain of {:+.1} % is gone ({} now): the defaults are back in place of {}",
            told.confirmed_gain * 100.0,
            gain_in_words(told.estimate.as_ref()),
            told.settings
        ),
        Event::BackOff(told) => tracing::info!(
            device,
            class = name(&told.class),
            violations = told.violations,
            "nothing is tried for {:.0} s",
            told.pause_ns as f64 / 1e9
        ),
        Event::CalmDown { changes_per_minute, .. } => tracing::warn!(
            device,
            "the fingerprint changes more often than the {changes_per_minute} times a minute that are followed: until it \
             is calm this is taken for one unsteady kind of work"
        ),
        Event::Calm { .. } => tracing::info!(device, "calm again"),
        Event::Foreign { knob, ours, found, .. } => {
            let value =
                |value: &Option<block_types::KnobValue>| value.map_or("none".to_owned(), |v| v.to_string());
            tracing::warn!(
                device,
                "{knob} was {} and somebody else made it {}: it is theirs from now on",
                value(ours),
                value(found)
            );
        }
        Event::Idle { .. } => tracing::debug!(device, "idle"),
        Event::Paused { .. } => tracing::info!(device, "paused"),
        Event::Resumed { .. } => tracing::info!(device, "resumed"),
        Event::Warning { message, .. } => tracing::warn!(device, "{message}"),
        Event::Stopped { why, restored, already, left, .. } => {
            tracing::info!(device, already, "stopped: {why}; put back: {restored}");
            for left in left {
                tracing::warn!(device, "left: {left}");
            }
        }
    }
}
