//! What the store keeps, row by row.

use super::{Finding, FindingRow};
use crate::config::Objective;
use crate::engine::{DeviceEvent, Evaluation, Event};
use block_types::Settings;
use fingerprint::Class;
use serde::{Deserialize, Serialize};

/// One start of the daemon: what the `*_ns` of its rows are relative to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// When, ms since 1970.
    pub started_unix_ms: u64,
    /// `/proc/sys/kernel/random/boot_id`: `CLOCK_MONOTONIC` is comparable within one boot only.
    pub boot_id: String,
    /// The program's version.
    pub version: String,
    /// The seed of its random choices. Kept as text: SQLite's integers are signed.
    pub seed: String,
    /// The configuration in effect, as JSON.
    pub configuration: String,
}

/// One child's slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRow {
    /// When it ended, ms since 1970.
    pub at_unix_ms: u64,
    /// The device's name.
    pub device: String,
    /// The scheduler under which it was tuned; `*` where the scheduler is itself a gene.
    pub scheduler: String,
    /// What was in force and what came of it.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// One generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerationRow {
    /// When it ended, ms since 1970.
    pub at_unix_ms: u64,
    /// The device's name.
    pub device: String,
    /// The scheduler under which it was tuned.
    pub scheduler: String,
    /// Its fingerprint.
    pub class: Option<Class>,
    /// Its number, from 0.
    pub generation: u64,
    /// What its children were scored by.
    pub objective: Objective,
    /// Mean fitness of the children that were scored.
    pub mean_fitness: Option<f64>,
    /// The best child's fitness.
    pub best_fitness: Option<f64>,
    /// The best child's settings.
    pub best: Option<Settings>,
    /// Share of genes that mutated on the way to the next one, 0‥1.
    pub mutation_rate: f64,
    /// Children scored.
    pub scored: u64,
    /// Children void.
    pub void: u64,
}

/// A confirmed change of fingerprint: the beginning of a visit of `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// When it was confirmed, ms since 1970.
    pub at_unix_ms: u64,
    /// The device's name.
    pub device: String,
    /// The fingerprint before; `None` at the start.
    pub from: Option<Class>,
    /// The fingerprint now.
    pub to: Class,
    /// The start of the first window that had it, `CLOCK_MONOTONIC`, ns.
    pub first_window_ns: u64,
    /// When it was confirmed, on the same clock.
    pub confirmed_ns: u64,
}

/// A row of any kind that is only ever appended.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A child's slice.
    Evaluation(EvaluationRow),
    /// A generation.
    Generation(GenerationRow),
    /// A change of fingerprint.
    Change(ChangeRow),
    /// Something that guarded trials found out.
    Finding(FindingRow),
}

impl Row {
    /// The row of an event; `None` for events that the store does not keep.
    #[must_use]
    pub fn of(
        happened: &DeviceEvent,
        at_unix_ms: u64,
        scheduler: &str,
        objective: Objective,
    ) -> Option<Self> {
        let device = happened.device.clone();
        let scheduler = scheduler.to_owned();
        let found = |finding: Finding| {
            let (device, scheduler) = (device.clone(), scheduler.clone());
            Some(Self::Finding(FindingRow { at_unix_ms, device, scheduler, objective, finding }))
        };
        match &happened.event {
            Event::Promoted(told) | Event::Rejected(told) => found(Finding::Trial((**told).clone())),
            Event::GainChecked(told) | Event::GainLapsed(told) => found(Finding::GainCheck((**told).clone())),
            Event::Violation(told) => found(Finding::Violation((**told).clone())),
            Event::CampaignEnded(told) => found(Finding::Campaign((**told).clone())),
            Event::Evaluation(evaluation) => Some(Self::Evaluation(EvaluationRow {
                at_unix_ms,
                device,
                scheduler,
                evaluation: evaluation.clone(),
            })),
            &Event::Generation {
                generation,
                class,
                mean_fitness,
                best_fitness,
                ref best,
                mutation_rate,
                scored,
                void,
                ..
            } => Some(Self::Generation(GenerationRow {
                at_unix_ms,
                device,
                scheduler,
                class,
                generation,
                objective,
                mean_fitness,
                best_fitness,
                best: best.clone(),
                mutation_rate,
                scored: scored as u64,
                void: void as u64,
            })),
            &Event::Fingerprint { at_ns, from, to, first_window_ns } => Some(Self::Change(ChangeRow {
                at_unix_ms,
                device,
                from,
                to,
                first_window_ns,
                confirmed_ns: at_ns,
            })),
            _ => None,
        }
    }
}

/// The name that a unit variant has in JSON, for a column.
pub(super) fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        // Only unit variants are asked for; anything else is kept as it would be in JSON.
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
