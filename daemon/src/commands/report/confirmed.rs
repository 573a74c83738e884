//! What guarded trials have confirmed on a disk: the settings, and what they gained over the default as time went on.
//!
//! Slices of trials are not stored, only what came of them: so performance is shown as a multiple of the default's, which
//! is what trials and gain checks find out, and not in units of its own.

use super::super::Failure;
use super::super::explain::changes;
use super::super::table::gain;
use super::charts::{self, Time};
use super::device::History;
use crate::config::Objective;
use crate::engine::{Against, GainTold, Standing, TrialTold};
use crate::store::{ChangeRow, ConfirmedRow, Dated};
use block_types::{Knob, Settings};
use clap::ValueEnum;
use fingerprint::Class;
use results::chart::{Axis, ChartError, Figure, FitnessChart, GenePanel, GenesChart, Scale, Series, Trace};
use results::html::Page;
use results::record::Table;
use std::collections::BTreeMap;
use trials::Verdict;

/// Adds table and charts; nothing where no trial ever ended.
pub(super) fn add(page: &mut Page, history: &History) -> Result<(), Failure> {
    if history.confirmed.is_empty() && history.trials.is_empty() {
        return Ok(());
    }
    page.heading("What is confirmed");
    page.table("", &table(&history.confirmed));
    if history.trials.is_empty() && history.gain_checks.is_empty() {
        page.paragraph("No trial has ended yet.");
        return Ok(());
    }
    for figure in &figures(history).map_err(Failure::failed)? {
        // Each has its title inside.
        page.chart("", figure).map_err(Failure::failed)?;
    }
    Ok(())
}

fn table(rows: &[ConfirmedRow]) -> Table {
    let mut table = Table::new(&[
        "fingerprint",
        "scheduler",
        "objective",
        "standing",
        "gain over the default",
        "campaigns",
        "trials",
        "changes of the default",
    ]);
    for ConfirmedRow { key, objective, entry, .. } in rows {
        let (standing, held) = match entry.standing {
            Standing::Confirmed => ("confirmed", true),
            Standing::Lapsed => ("lapsed", true),
            Standing::Nothing => ("nothing confirmed", false),
        };
        let changed = entry.confirmation.as_ref().filter(|_| held).map(changes);
        table.row([
            key.class.clone(),
            key.scheduler.clone(),
            objective.clone(),
            standing.to_owned(),
            if held { gain(entry.over_default.as_ref()) } else { String::new() },
            entry.campaigns.to_string(),
            entry.trials.to_string(),
            changed.map_or_else(String::new, |changed| changed.to_string()),
        ]);
    }
    table
}

fn figures(history: &History) -> Result<Vec<Figure>, ChartError> {
    let firsts = [
        history.trials.first().map(|row| row.at_unix_ms),
        history.gain_checks.first().map(|row| row.at_unix_ms),
        history.changes.first().map(|row| row.at_unix_ms),
    ];
    let from = firsts.into_iter().flatten().min().unwrap_or_default();
    let time = Time::between(from, history.end(), "time since the first change");
    let lapses = lapses(&history.trials, &history.gain_checks, &history.confirmed);
    let mut figures = Vec::new();
    for &objective in Objective::value_variants() {
        let course = Course::of(&history.changes, &history.trials, &history.gain_checks, &lapses, objective);
        if !course.trials.is_empty() || !course.incumbent.is_empty() {
            figures.push(course.gains(history, objective, &time).figure()?);
        }
    }
    figures.push(settings(history, &lapses, &time).figure()?);
    Ok(figures)
}

/// What settings were worth by one objective, as multiples of the default, each with its time, ms since 1970.
#[derive(Default)]
struct Course {
    trials: Vec<(u64, f64)>,
    incumbent: Vec<(u64, f64)>,
    /// When something that was confirmed earlier came back in force.
    returns: Vec<u64>,
}

impl Course {
    /// The events of all kinds in the order of time: a trial against an incumbent is valued by what that is worth then.
    fn of(
        changes: &[ChangeRow],
        trials: &[Dated<TrialTold>],
        gain_checks: &[Dated<GainTold>],
        lapses: &[(u64, Class)],
        objective: Objective,
    ) -> Self {
        enum What<'a> {
            Change(Class),
            Lapse(Class),
            Trial(&'a TrialTold),
            Gain(Option<Class>, f64),
        }
        let changes = changes.iter().map(|row| (row.at_unix_ms, What::Change(row.to)));
        let trials = trials.iter().filter(|row| row.told.objective == objective);
        let gains = gain_checks.iter().filter(|row| row.told.objective == objective);
        let gains = gains.filter_map(|row| {
            let worth = row.told.estimate.as_ref()?.log_ratio.exp();
            Some((row.at_unix_ms, What::Gain(row.told.class, worth)))
        });
        let lapses = lapses.iter().map(|(at, class)| (*at, What::Lapse(*class)));
        let trials = trials.map(|row| (row.at_unix_ms, What::Trial(&row.told)));
        // A gain lapses by a check: the check comes first.
        let mut events: Vec<(u64, What<'_>)> = changes.chain(gains).chain(lapses).chain(trials).collect();
        events.sort_by_key(|(at, _)| *at);

        let mut course = Self::default();
        let mut worths: BTreeMap<Option<Class>, f64> = BTreeMap::new();
        for (at, what) in events {
            match what {
                What::Change(to) => {
                    if let Some(worth) = worths.get(&Some(to)) {
                        course.returns.push(at);
                        course.incumbent.push((at, *worth));
                    }
                }
                // What was gained by another objective is none of this one's.
                What::Lapse(class) => {
                    if worths.remove(&Some(class)).is_some() {
                        course.incumbent.push((at, 1.0));
                    }
                }
                What::Trial(told) => {
                    let control = match told.against {
                        Against::Default => Some(1.0),
                        Against::Incumbent => worths.get(&told.class).copied(),
                    };
                    let ratio = told.estimate.as_ref().map(|estimate| estimate.log_ratio.exp());
                    let Some(worth) = control.zip(ratio).map(|(control, ratio)| control * ratio) else {
                        continue;
                    };
                    course.trials.push((at, worth));
                    if told.verdict == Verdict::Better {
                        worths.insert(told.class, worth);
                        course.incumbent.push((at, worth));
                    }
                }
                What::Gain(class, worth) => {
                    worths.insert(class, worth);
                    course.incumbent.push((at, worth));
                }
            }
        }
        course
    }

    fn gains(&self, history: &History, objective: Objective, time: &Time) -> FitnessChart {
        let workload = charts::workload(history, time);
        let at = |points: &[(u64, f64)]| points.iter().map(|(at, worth)| (time.at(*at), *worth)).collect();
        let begins = workload.iter().map(|span| span.from);
        let ends = [time.at(time.from_unix_ms), time.at(time.until_unix_ms)];
        let mut default: Vec<(f64, f64)> = begins.chain(ends).map(|at| (at, 1.0)).collect();
        default.sort_by(|a, b| a.0.total_cmp(&b.0));
        let series = |name: &str, points| Series { name: name.to_owned(), trace: Trace::Steps, points };
        FitnessChart {
            title: format!("What was gained by {}", objective.name()),
            subtitle: history.device.clone(),
            time_label: time.label(),
            time_unit: time.unit.to_owned(),
            fitness: Axis::new("performance", "multiple of the default's", Scale::Linear),
            workload,
            reintroductions: self.returns.iter().map(|at| time.at(*at)).collect(),
            children_name: "a trial".to_owned(),
            children: at(&self.trials),
            lines: vec![series("confirmed", at(&self.incumbent)), series("default", default)],
            notes: vec![
                "Of a trial there is its estimate, whether or not it showed anything; of what is confirmed its trial's, and \
                 then what the latest pairs with the default say."
                    .to_owned(),
            ],
        }
    }
}

/// When what was confirmed for a fingerprint lapsed, in the order of time. The store keeps no such event, but what follows
/// shows it: a trial against the default, or that the fingerprint's standing is lapsed by now. It is the last check of the
/// gain before that which let it lapse.
fn lapses(
    trials: &[Dated<TrialTold>],
    checks: &[Dated<GainTold>],
    confirmed: &[ConfirmedRow],
) -> Vec<(u64, Class)> {
    let last_check = |class: Class, from: u64, until: u64| {
        let of_class = checks.iter().filter(|row| row.told.class == Some(class)).map(|row| row.at_unix_ms);
        of_class.filter(|at| (from..=until).contains(at)).max().unwrap_or(until)
    };
    let mut standing: BTreeMap<Class, u64> = BTreeMap::new();
    let mut lapses = Vec::new();
    for row in trials {
        let Some(class) = row.told.class else { continue };
        if row.told.against == Against::Default
            && let Some(from) = standing.remove(&class)
        {
            lapses.push((last_check(class, from, row.at_unix_ms), class));
        }
        if row.told.verdict == Verdict::Better {
            standing.insert(class, row.at_unix_ms);
        }
    }
    for (class, from) in standing {
        let lapsed =
            |row: &&ConfirmedRow| row.key.class == class.name() && row.entry.standing == Standing::Lapsed;
        if let Some(row) = confirmed.iter().find(lapsed) {
            lapses.push((last_check(class, from, row.updated_unix_ms), class));
        }
    }
    lapses.sort_unstable_by_key(|(at, _)| *at);
    lapses
}

/// What is in force where nothing is on trial, from when on: what is confirmed for the fingerprint, else the default.
fn in_force<'a>(
    history: &'a History,
    lapses: &[(u64, Class)],
    default: &'a Settings,
) -> Vec<(u64, &'a Settings)> {
    enum What<'a> {
        Change,
        Lapse,
        Promoted(&'a Settings),
    }
    let changes = history.changes.iter().map(|row| (row.at_unix_ms, row.to, What::Change));
    let lapses = lapses.iter().map(|(at, class)| (*at, *class, What::Lapse));
    let better = history.trials.iter().filter(|row| row.told.verdict == Verdict::Better);
    let promoted =
        better.filter_map(|row| Some((row.at_unix_ms, row.told.class?, What::Promoted(&row.told.settings))));
    let mut events: Vec<(u64, Class, What<'_>)> = changes.chain(lapses).chain(promoted).collect();
    events.sort_by_key(|(at, ..)| *at);
    let mut known: BTreeMap<Class, &Settings> = BTreeMap::new();
    let mut course = Vec::new();
    for (at, class, what) in events {
        match what {
            What::Change => {}
            What::Lapse => {
                known.remove(&class);
            }
            What::Promoted(settings) => {
                known.insert(class, settings);
            }
        }
        course.push((at, known.get(&class).copied().unwrap_or(default)));
    }
    course
}

/// What was tried, and what of it was confirmed.
fn settings(history: &History, lapses: &[(u64, Class)], time: &Time) -> GenesChart {
    let against_default = |row: &&Dated<TrialTold>| row.told.against == Against::Default;
    let default = history.trials.iter().find(against_default).map(|row| row.told.control.clone());
    let default = default.unwrap_or_default();
    let course = in_force(history, lapses, &default);
    let panel = |knob: Knob| {
        let value =
            |at: u64, settings: &Settings| Some((time.at(at), charts::gene(knob, settings.get(knob)?)));
        GenePanel {
            axis: charts::knob_axis(knob),
            children: history
                .trials
                .iter()
                .filter_map(|row| value(row.at_unix_ms, &row.told.settings))
                .collect(),
            leader: course.iter().filter_map(|(at, settings)| value(*at, settings)).collect(),
            default: default.get(knob).map(|value| charts::gene(knob, value)),
        }
    };
    let differs = |knob: &Knob| {
        history.trials.iter().any(|row| row.told.settings.get(*knob) != row.told.control.get(*knob))
    };
    GenesChart {
        title: "What was put to trial".to_owned(),
        subtitle: history.device.clone(),
        time_label: time.label(),
        time_unit: time.unit.to_owned(),
        workload: charts::workload(history, time),
        reintroductions: vec![],
        panels: Knob::ALL.iter().copied().filter(differs).map(panel).collect(),
        leader_name: "confirmed, else the default".to_owned(),
        notes: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trials::{Estimate, Undecided, VoidCounts};

    const READ: Class = Class::ALL[0];
    const WRITE: Class = Class::ALL[4];

    fn change(at_unix_ms: u64, to: Class) -> ChangeRow {
        let device = "sda".to_owned();
        ChangeRow { at_unix_ms, device, from: None, to, first_window_ns: 0, confirmed_ns: 0 }
    }

    fn estimate(ratio: f64) -> Option<Estimate> {
        Some(Estimate { log_ratio: ratio.ln(), lower: None, upper: None, pairs: 9 })
    }

    fn trial(
        at_unix_ms: u64,
        class: Class,
        against: Against,
        verdict: Verdict,
        ratio: f64,
    ) -> Dated<TrialTold> {
        let told = TrialTold {
            at_ns: 0,
            class: Some(class),
            campaign: 0,
            candidate: 0,
            settings: Settings::new(),
            control: Settings::new(),
            against,
            objective: Objective::Throughput,
            verdict,
            estimate: estimate(ratio),
            log_evidence: 0.0,
            alpha: 0.05,
            slices: VoidCounts::default(),
        };
        Dated { at_unix_ms, told }
    }

    fn check(at_unix_ms: u64, class: Class, ratio: f64) -> Dated<GainTold> {
        let told = GainTold {
            at_ns: 0,
            class: Some(class),
            settings: Settings::new(),
            objective: Objective::Throughput,
            confirmed_gain: 0.5,
            estimate: estimate(ratio),
            default_share: None,
        };
        Dated { at_unix_ms, told }
    }

    #[test]
    fn what_lapsed_is_no_longer_in_force_and_does_not_come_back() {
        let trials = [
            trial(10, READ, Against::Default, Verdict::Better, 1.5),
            trial(20, READ, Against::Incumbent, Verdict::Better, 1.1),
            trial(30, WRITE, Against::Default, Verdict::Better, 1.2),
            trial(90, READ, Against::Default, Verdict::Undecided(Undecided::Futile), 1.0),
        ];
        let checks = [check(15, READ, 1.4), check(60, READ, 0.9), check(95, READ, 1.0)];
        let lapsed = lapses(&trials, &checks, &[]);
        assert_eq!(lapsed, [(60, READ)], "by the last check before the default was on trial again");
        let changes = [change(0, READ), change(100, READ)];
        let course = Course::of(&changes, &trials, &checks[..2], &lapsed, Objective::Throughput);
        assert!(course.returns.is_empty());
        assert!(course.incumbent.contains(&(60, 1.0)), "{:?}", course.incumbent);
        let other = Course::of(&changes, &trials, &checks, &lapsed, Objective::Tail);
        assert!(other.incumbent.is_empty(), "{:?}", other.incumbent);
    }

    #[test]
    fn a_trial_against_what_was_confirmed_is_worth_the_product_and_what_comes_back_is_marked() {
        let changes = [change(0, READ), change(100, WRITE), change(200, READ), change(300, WRITE)];
        let undecided = Verdict::Undecided(Undecided::Futile);
        let trials = [
            trial(10, READ, Against::Default, Verdict::Better, 1.5),
            trial(20, READ, Against::Incumbent, undecided, 1.1),
            trial(110, WRITE, Against::Default, Verdict::Worse, 0.5),
            trial(220, READ, Against::Incumbent, Verdict::Better, 2.0),
        ];
        let checks = [check(30, READ, 1.4)];
        let course = Course::of(&changes, &trials, &checks, &[], Objective::Throughput);
        let near = |found: &[(u64, f64)], wanted: &[(u64, f64)]| {
            assert_eq!(found.len(), wanted.len(), "{found:?}");
            for (one, other) in found.iter().zip(wanted) {
                assert!(one.0 == other.0 && (one.1 - other.1).abs() < 1e-9, "{found:?}, expected {wanted:?}");
            }
        };
        near(&course.trials, &[(10, 1.5), (20, 1.65), (110, 0.5), (220, 2.8)]);
        near(&course.incumbent, &[(10, 1.5), (30, 1.4), (200, 1.4), (220, 2.8)]);
        assert_eq!(course.returns, [200], "nothing was confirmed for writes");
        let other = Course::of(&changes, &trials, &checks, &[], Objective::Tail);
        assert!(other.trials.is_empty() && other.incumbent.is_empty() && other.returns.is_empty());
    }
}
