//! The charts of a disk's search.

use super::device::{History, with_ends};
use crate::config::Objective;
use crate::store::{ChangeRow, EvaluationRow, GenerationRow};
use block_types::{Knob, KnobValue};
use results::chart::{
    Axis, Cell, ChartError, Figure, FitnessChart, GenePanel, GeneValue, GenesChart, HeatMap, Scale, Series,
    Span, Trace,
};
use schedulers::{RangeRule, info};
use std::collections::BTreeMap;

/// A map of fewer slices than this would be mostly empty.
const FEWEST_FOR_A_MAP: usize = 24;

/// All charts, from the one that is looked at first.
pub(super) fn figures(history: &History) -> Result<Vec<Figure>, ChartError> {
    let time = Time::of(history);
    let mut figures = Vec::new();
    for objective in [Objective::Throughput, Objective::Latency] {
        if history.evaluations.iter().any(|row| scored(row, objective).is_some()) {
            figures.push(fitness(history, objective, &time).figure()?);
        }
    }
    figures.push(genes(history, &time).figure()?);
    if let Some(map) = map(history) {
        figures.push(map.figure()?);
    }
    Ok(figures)
}

/// Time since a beginning, in a unit that suits the whole.
pub(super) struct Time {
    pub(super) from_unix_ms: u64,
    pub(super) until_unix_ms: u64,
    label: &'static str,
    pub(super) unit: &'static str,
    unit_ms: f64,
}

impl Time {
    fn of(history: &History) -> Self {
        let from_unix_ms = history.evaluations.first().map_or(0, |row| {
            let slice_ms = row.evaluation.to_ns.saturating_sub(row.evaluation.from_ns) / 1_000_000;
            row.at_unix_ms.saturating_sub(slice_ms)
        });
        let until_unix_ms = history.evaluations.last().map_or(0, |row| row.at_unix_ms);
        Self::between(from_unix_ms, until_unix_ms, "time since the first slice")
    }

    pub(super) fn between(from_unix_ms: u64, until_unix_ms: u64, label: &'static str) -> Self {
        let (unit, unit_ms) = match until_unix_ms.saturating_sub(from_unix_ms) / 1000 {
            0..1_800 => ("s", 1e3),
            1_800..36_000 => ("min", 60e3),
            36_000..864_000 => ("h", 3_600e3),
            _ => ("d", 86_400e3),
        };
        Self { from_unix_ms, until_unix_ms, label, unit, unit_ms }
    }

    pub(super) fn at(&self, unix_ms: u64) -> f64 {
        (unix_ms as f64 - self.from_unix_ms as f64) / self.unit_ms
    }

    pub(super) fn label(&self) -> String {
        self.label.to_owned()
    }
}

/// The visits as far as the time reaches.
pub(super) fn workload(history: &History, time: &Time) -> Vec<Span> {
    with_ends(history)
        .filter(|(change, until)| *until >= time.from_unix_ms && change.at_unix_ms <= time.until_unix_ms)
        .map(|(change, until)| Span {
            lane: change.to.name().to_owned(),
            from: time.at(change.at_unix_ms.max(time.from_unix_ms)),
            to: time.at(until.min(time.until_unix_ms)),
        })
        .collect()
}

/// When genes came back that an earlier visit had left: changes to a fingerprint with a generation before.
fn reintroductions(history: &History, time: &Time) -> Vec<f64> {
    let known = |change: &ChangeRow| {
        let mut before = history.generations.iter().take_while(|row| row.at_unix_ms <= change.at_unix_ms);
        before.any(|row| row.class == Some(change.to) && row.best.is_some())
    };
    let within = |change: &&ChangeRow| (time.from_unix_ms..=time.until_unix_ms).contains(&change.at_unix_ms);
    let changes = history.changes.iter().filter(within).filter(|change| known(change));
    changes.map(|change| time.at(change.at_unix_ms)).collect()
}

fn axis(objective: Objective) -> Axis {
    match objective {
        Objective::Throughput => Axis::new("throughput of a slice", "MB/s", Scale::Log10),
        Objective::Latency | Objective::Balanced | Objective::Tail => {
            Axis::new("mean latency of a slice (less is better)", "ms", Scale::Log10)
        }
    }
}

/// A fitness in the unit of its axis.
fn shown(objective: Objective, fitness: f64) -> f64 {
    match objective {
        Objective::Throughput => fitness / 1e6,
        Objective::Latency | Objective::Balanced | Objective::Tail => 1e3 / fitness,
    }
}

fn scored(row: &EvaluationRow, objective: Objective) -> Option<f64> {
    let fitness = row.evaluation.fitness.filter(|_| row.evaluation.objective == objective)?;
    Some(shown(objective, fitness))
}

/// When the last slice that a generation was scored by had ended: a generation that a change of the fingerprint broke off
/// is stored after the change, and belongs before it.
fn ended(generation: &GenerationRow, evaluations: &[EvaluationRow]) -> u64 {
    evaluations
        .iter()
        .rev()
        .skip_while(|row| row.at_unix_ms > generation.at_unix_ms)
        .find(|row| row.evaluation.class == generation.class && row.evaluation.fitness.is_some())
        .map_or(generation.at_unix_ms, |row| row.at_unix_ms)
}

fn fitness(history: &History, objective: Objective, time: &Time) -> FitnessChart {
    let line = |name: &str, of: &dyn Fn(&GenerationRow) -> Option<f64>| Series {
        name: name.to_owned(),
        trace: Trace::Line,
        points: history
            .generations
            .iter()
            .filter(|row| row.objective == objective && row.at_unix_ms >= time.from_unix_ms)
            .filter_map(|row| Some((time.at(ended(row, &history.evaluations)), shown(objective, of(row)?))))
            .collect(),
    };
    FitnessChart {
        title: format!("What each slice scored by {}", objective.name()),
        subtitle: history.device.clone(),
        time_label: time.label(),
        time_unit: time.unit.to_owned(),
        fitness: axis(objective),
        workload: workload(history, time),
        reintroductions: reintroductions(history, time),
        children_name: "a child's slice".to_owned(),
        children: history
            .evaluations
            .iter()
            .filter_map(|row| Some((time.at(row.at_unix_ms), scored(row, objective)?)))
            .collect(),
        lines: vec![
            line("best of a generation", &|row| row.best_fitness),
            line("mean of a generation", &|row| row.mean_fitness),
        ],
        notes: vec![],
    }
}

/// How a knob's values lie: on an axis, or each in a row of its own.
fn scale(knob: Knob) -> Option<Scale> {
    match info(knob)?.range {
        RangeRule::Linear { .. } => Some(Scale::Linear),
        RangeRule::Log { .. }
        | RangeRule::Requests
        | RangeRule::ShareOfRequests
        | RangeRule::HardwareRequestSize => Some(Scale::Log10),
        RangeRule::Boolean | RangeRule::Ordinal(_) | RangeRule::Elevator => None,
    }
}

pub(super) fn knob_axis(knob: Knob) -> Axis {
    let unit = info(knob).map_or_else(String::new, |info| info.unit.to_string());
    Axis::new(knob.name(), &unit, scale(knob).unwrap_or(Scale::Linear))
}

pub(super) fn gene(knob: Knob, value: KnobValue) -> GeneValue {
    // A value with a meaning of its own, such as 0 = off, is not one on the axis.
    let special = |number: u64| info(knob).is_some_and(|info| info.specials.contains(&number));
    match (scale(knob), value.number()) {
        (Some(_), Some(number)) if !special(number) => GeneValue::Number(number as f64),
        _ => GeneValue::Word(value.to_string()),
    }
}

fn genes(history: &History, time: &Time) -> GenesChart {
    let panel = |knob: Knob| GenePanel {
        axis: knob_axis(knob),
        children: history
            .evaluations
            .iter()
            .filter_map(|row| Some((time.at(row.at_unix_ms), gene(knob, row.evaluation.settings.get(knob)?))))
            .collect(),
        leader: history
            .generations
            .iter()
            .filter(|row| row.at_unix_ms >= time.from_unix_ms)
            .filter_map(|row| {
                let at = time.at(ended(row, &history.evaluations));
                Some((at, gene(knob, row.best.as_ref()?.get(knob)?)))
            })
            .collect(),
        default: None,
    };
    GenesChart {
        title: "Every child's genes".to_owned(),
        subtitle: history.device.clone(),
        time_label: time.label(),
        time_unit: time.unit.to_owned(),
        workload: workload(history, time),
        reintroductions: reintroductions(history, time),
        panels: knobs(history).into_iter().map(panel).collect(),
        leader_name: "best child of the last generation".to_owned(),
        notes: vec![],
    }
}

/// The knobs that some slice set, in the order of the catalogue.
fn knobs(history: &History) -> Vec<Knob> {
    let set =
        |knob: &Knob| history.evaluations.iter().any(|row| row.evaluation.settings.get(*knob).is_some());
    Knob::ALL.iter().copied().filter(set).collect()
}

/// The fitness of the fingerprint with most slices over the two knobs that were moved most.
fn map(history: &History) -> Option<HeatMap> {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for row in history.evaluations.iter().filter(|row| row.evaluation.fitness.is_some()) {
        *counts.entry((row.evaluation.class?, row.evaluation.objective.name())).or_default() += 1;
    }
    let ((class, objective), count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    if count < FEWEST_FOR_A_MAP {
        return None;
    }
    let rows = || {
        history.evaluations.iter().filter(move |row| {
            row.evaluation.class == Some(class) && row.evaluation.objective.name() == objective
        })
    };
    let number = |row: &EvaluationRow, knob| row.evaluation.settings.get(knob).and_then(KnobValue::number);
    let mut moved: Vec<(usize, Knob)> = knobs(history)
        .into_iter()
        .filter(|knob| scale(*knob).is_some())
        .map(|knob| {
            let values: std::collections::BTreeSet<u64> =
                rows().filter_map(|row| number(row, knob)).collect();
            (values.len(), knob)
        })
        .filter(|(values, _)| *values > 1)
        .collect();
    moved.sort_by_key(|(values, _)| std::cmp::Reverse(*values));
    let [(_, across), (_, up), ..] = moved.as_slice() else { return None };
    let of = rows().next()?.evaluation.objective;
    Some(HeatMap {
        title: format!("Fitness over {} and {}", across.name(), up.name()),
        subtitle: format!("{}, {}", history.device, class.name()),
        across: knob_axis(*across),
        up: knob_axis(*up),
        value: axis(of),
        cells: rows()
            .filter_map(|row| {
                Some(Cell {
                    across: number(row, *across)? as f64,
                    up: number(row, *up)? as f64,
                    value: scored(row, of)?,
                })
            })
            .collect(),
        marks: vec![],
        notes: vec!["All other knobs differ from slice to slice.".to_owned()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Evaluation;
    use block_types::Settings;
    use fingerprint::Class;

    fn slice(at_unix_ms: u64, class: Class, fitness: Option<f64>) -> EvaluationRow {
        let evaluation = Evaluation {
            from_ns: 0,
            to_ns: 0,
            generation: 0,
            child: 1,
            class: Some(class),
            settings: Settings::new(),
            objective: Objective::Throughput,
            fitness,
            void: None,
            bytes_per_s: None,
            mean_latency_ns: None,
            utilisation: None,
        };
        let (device, scheduler) = ("sda".to_owned(), "none".to_owned());
        EvaluationRow { at_unix_ms, device, scheduler, evaluation }
    }

    #[test]
    fn a_generation_that_was_broken_off_belongs_before_the_change() {
        let [read, write] = [Class::ALL[0], Class::ALL[4]];
        let slices = [
            slice(10, read, Some(1.0)),
            slice(20, read, None),
            slice(30, write, Some(2.0)),
            slice(40, read, Some(3.0)),
        ];
        let mut generation = GenerationRow {
            at_unix_ms: 35,
            device: "sda".to_owned(),
            scheduler: "none".to_owned(),
            class: Some(read),
            generation: 0,
            objective: Objective::Throughput,
            mean_fitness: None,
            best_fitness: None,
            best: None,
            mutation_rate: 0.15,
            scored: 1,
            void: 1,
        };
        assert_eq!(ended(&generation, &slices), 10);
        generation.class = Some(write);
        assert_eq!(ended(&generation, &slices), 30);
        generation.class = None;
        assert_eq!(ended(&generation, &slices), 35, "as it is stored, where no slice of it is");
    }
}
