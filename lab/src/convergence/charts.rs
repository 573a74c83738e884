//! The charts of the experiment.

use super::journal::{Journal, Plan};
use super::judge::Landscape;
use super::plan::{Arm, Cell, HOSTILE_ORDER, Ranges, Strategy, Treatment};
use super::report::PAPER_PER_CENT;
use super::summary::{ArmSummary, Summary};
use super::visit::Visit;
use crate::bench::report::Report;
use anyhow::Result;
use block_types::{Knob, KnobValue, Settings};
use genetic::GeneSpec;
use results::chart::{
    Axis, Cell as Place, ConvergenceBar, ConvergenceChart, ConvergenceGroup, FitnessChart, GenePanel,
    GeneValue, GenesChart, HeatMap, HeatMark, Reduction, Scale, Series, Span, Trace,
};

/// Adds all charts that the rows have data for.
pub(super) fn add(
    report: &mut Report,
    plan: &Plan,
    summaries: &[Summary],
    journal: &Journal,
    land: &dyn Landscape,
) -> Result<()> {
    for name in &plan.strategies {
        let mine: Vec<&Summary> = summaries.iter().filter(|summary| summary.strategy == *name).collect();
        if !mine.is_empty() {
            report.figure(&format!("convergence-{name}"), convergence(plan, name, &mine).figure()?);
        }
    }
    // Of many strategies the last ones, which are those under test: a chart of every child is large.
    for name in plan.strategies.iter().rev().take(2).rev() {
        let wanted = Cell { strategy: name.clone(), treatment: Treatment::Recall, seed: 1 };
        let runs = journal.runs();
        if let Some((cell, visits)) = runs.iter().find(|(cell, _)| ***cell == wanted) {
            report.figure(&format!("genes-{name}"), genes(plan, cell, visits, land).figure()?);
            report.figure(&format!("fitness-{name}"), fitness(plan, cell, visits, land).figure()?);
        }
    }
    for workload in HOSTILE_ORDER {
        if let Some(map) = heat(plan, workload, land) {
            report.figure(&format!("map-{}", workload.replace(' ', "-")), map.figure()?);
        }
    }
    Ok(())
}

fn bar(arm: &str, found: Option<&ArmSummary>) -> ConvergenceBar {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    ConvergenceBar {
        arm: arm.to_owned(),
        time: found.map(|found| found.mean_s),
        interval: found.and_then(|found| found.estimate).map(|estimate| (estimate.low, estimate.high)),
        runs: found.map_or(0, |found| count(found.visits)),
        censored: found.map_or(0, |found| count(found.censored)),
    }
}

fn convergence(plan: &Plan, strategy: &str, summaries: &[&Summary]) -> ConvergenceChart {
    let groups = summaries
        .iter()
        .map(|summary| {
            let arm = |arm| summary.arms.get(&arm);
            let paper = PAPER_PER_CENT.iter().find(|(name, _)| *name == summary.workload);
            ConvergenceGroup {
                workload: summary.workload.clone(),
                bars: vec![
                    bar("no fingerprinting", arm(Arm::None)),
                    bar("first pass", arm(Arm::First)),
                    bar("warm pass", arm(Arm::Warm)),
                    bar("reset to defaults", arm(Arm::Reset)),
                ],
                reduction: match (summary.null, &summary.against_none) {
                    (true, _) => Reduction::Null,
                    (false, None) => Reduction::Unknown,
                    (false, Some(found)) => {
                        Reduction::Share { value: found.value, interval: Some((found.low, found.high)) }
                    }
                },
                published: paper.map(|(_, per_cent)| per_cent / 100.0),
            }
        })
        .collect();
    ConvergenceChart {
        title: format!("Time to converge: {strategy}"),
        subtitle: plan.device.clone(),
        axis: Axis::new("T95, restricted mean", "s", Scale::Linear),
        groups,
        published_name: "paper".to_owned(),
        notes: vec![format!(
            "Visits of {} s, {} seeds; 95 % bootstrap intervals. Visits that began with more than 90 % of the oracle's \
             performance are left out.",
            plan.visit_s, plan.seeds
        )],
    }
}

/// When each visit began, s from the beginning of the first.
fn starts(visits: &[Visit]) -> Vec<f64> {
    visits
        .iter()
        .scan(0.0, |sum, visit| {
            let start = *sum;
            *sum += visit.length_s;
            Some(start)
        })
        .collect()
}

fn ribbon(visits: &[Visit]) -> Vec<Span> {
    visits
        .iter()
        .zip(starts(visits))
        .map(|(visit, from)| Span { lane: visit.workload.clone(), from, to: from + visit.length_s })
        .collect()
}

fn recalls(visits: &[Visit]) -> Vec<f64> {
    visits
        .iter()
        .zip(starts(visits))
        .filter(|(visit, _)| visit.pass > 0)
        .filter_map(|(visit, start)| Some(start + visit.recalled_s?))
        .collect()
}

fn conditions(plan: &Plan, cell: &Cell) -> String {
    format!("{}; {}, seed {}", plan.device, cell.strategy, cell.seed)
}

fn ranges_of(cell: &Cell) -> Ranges {
    Strategy::named(&cell.strategy).map_or(Ranges::Catalogue, |strategy| strategy.ranges)
}

fn unit(knob: Knob) -> &'static str {
    match knob {
        Knob::ReadExpire | Knob::WriteExpire => "ms",
        Knob::ReadAheadKb => "KiB",
        _ => "",
    }
}

fn scale(spec: &GeneSpec) -> Scale {
    if matches!(spec.scale, genetic::Scale::Log { .. }) { Scale::Log10 } else { Scale::Linear }
}

/// Every gene that dominates some workload, and in doubt all.
fn shown(specs: &[GeneSpec], land: &dyn Landscape) -> Vec<(Knob, GeneSpec)> {
    let knobs: Vec<Knob> = HOSTILE_ORDER.iter().flat_map(|workload| land.dominant(workload)).collect();
    specs
        .iter()
        .filter_map(|spec| Some((spec.name.parse::<Knob>().ok()?, spec.clone())))
        .filter(|(knob, _)| knobs.is_empty() || knobs.contains(knob))
        .collect()
}

fn genes(plan: &Plan, cell: &Cell, visits: &[Visit], land: &dyn Landscape) -> GenesChart {
    let begins = starts(visits);
    let value = |settings: &Settings, knob: Knob, spec: &GeneSpec| {
        GeneValue::Number(settings.number(knob).unwrap_or(spec.default) as f64)
    };
    let panels = shown(land.genes(ranges_of(cell)), land)
        .into_iter()
        .map(|(knob, spec)| {
            let children = visits.iter().zip(&begins).flat_map(|(visit, begin)| {
                let own = visit.tried.iter().filter(|tried| tried.at_s >= 0.0);
                own.map(|tried| (begin + tried.at_s, value(&tried.settings, knob, &spec))).collect::<Vec<_>>()
            });
            let leader = visits.iter().zip(&begins).flat_map(|(visit, begin)| {
                let own = visit.leaders.iter();
                own.map(|step| (begin + step.at_s.max(0.0), value(&step.settings, knob, &spec)))
                    .collect::<Vec<_>>()
            });
            GenePanel {
                axis: Axis::new(knob.name(), unit(knob), scale(&spec)),
                children: children.collect(),
                leader: leader.collect(),
                default: Some(GeneValue::Number(spec.default as f64)),
            }
        })
        .collect();
    GenesChart {
        title: format!("Every child's genes, over {} visits of each workload", plan.passes),
        subtitle: conditions(plan, cell),
        time_label: "time".to_owned(),
        time_unit: "s".to_owned(),
        workload: ribbon(visits),
        reintroductions: recalls(visits),
        panels,
        leader_name: "leader".to_owned(),
        notes: Vec::new(),
    }
}

fn fitness(plan: &Plan, cell: &Cell, visits: &[Visit], land: &dyn Landscape) -> FitnessChart {
    let begins = starts(visits);
    let mut children = Vec::new();
    let mut leader = Vec::new();
    for (visit, begin) in visits.iter().zip(&begins) {
        let worth = |settings: &Settings| land.worth(&visit.workload, settings);
        for tried in visit.tried.iter().filter(|tried| tried.at_s >= 0.0) {
            children.push((begin + tried.at_s, worth(&tried.settings)));
        }
        for step in &visit.leaders {
            leader.push((begin + step.at_s.max(0.0), worth(&step.settings)));
        }
    }
    let oracle = visits.iter().zip(&begins).flat_map(|(visit, begin)| {
        let value = land.yardstick(&visit.workload, ranges_of(cell)).unwrap_or(f64::NAN);
        [(*begin, value), (begin + visit.length_s - 1e-3, value)]
    });
    let series = |name: &str, points| Series { name: name.to_owned(), trace: Trace::Steps, points };
    let end = visits.iter().map(|visit| visit.length_s).sum();
    FitnessChart {
        title: "What every child's settings are worth, beside the leader's and the oracle's".to_owned(),
        subtitle: conditions(plan, cell),
        time_label: "time".to_owned(),
        time_unit: "s".to_owned(),
        fitness: Axis::new("throughput", "× the default's", Scale::Log10),
        workload: ribbon(visits),
        reintroductions: recalls(visits),
        children_name: "a child".to_owned(),
        children,
        lines: vec![
            series("leader", leader),
            series("oracle", oracle.collect()),
            series("default", vec![(0.0, 1.0), (end, 1.0)]),
        ],
        notes: vec![
            "Each dot is a child, at what its settings are worth; not at what its slice happened to score."
                .to_owned(),
        ],
    }
}

/// Values of a knob's scale, evenly.
fn grid(spec: &GeneSpec, steps: u32, marked: [u64; 2]) -> Vec<u64> {
    let mut values: Vec<u64> =
        (0..steps).map(|step| spec.scale.at((f64::from(step) + 0.5) / f64::from(steps))).collect();
    values.extend(marked);
    values.sort_unstable();
    values.dedup();
    values
}

/// The two knobs that carry a workload, or the carrying one and the next gene.
fn heat(plan: &Plan, workload: &str, land: &dyn Landscape) -> Option<HeatMap> {
    let specs = land.genes(Ranges::Catalogue);
    let oracle = land.oracle(workload, Ranges::Catalogue)?;
    let mut chosen: Vec<(Knob, &GeneSpec)> = Vec::new();
    let dominant = land.dominant(workload);
    let named = |knob: &Knob| specs.iter().find(|spec| spec.name == knob.name()).map(|spec| (*knob, spec));
    for knob in dominant.iter().chain(&[Knob::FifoBatch, Knob::WritesStarved, Knob::ReadAheadKb]) {
        if chosen.iter().all(|(there, _)| there != knob) {
            chosen.extend(named(knob));
        }
    }
    let [(across, across_spec), (up, up_spec)] = chosen.get(..2)? else { return None };
    let mut cells = Vec::new();
    let marked =
        |knob: Knob, spec: &GeneSpec| [spec.default, oracle.settings.number(knob).unwrap_or(spec.default)];
    for a in grid(across_spec, 16, marked(*across, across_spec)) {
        for u in grid(up_spec, 12, marked(*up, up_spec)) {
            let mut settings = oracle.settings.clone();
            settings.set(*across, KnobValue::Number(a));
            settings.set(*up, KnobValue::Number(u));
            cells.push(Place { across: a as f64, up: u as f64, value: land.worth(workload, &settings) });
        }
    }
    let mark = |name: &str, a: Option<u64>, u: Option<u64>| HeatMark {
        name: name.to_owned(),
        across: a.unwrap_or(across_spec.default) as f64,
        up: u.unwrap_or(up_spec.default) as f64,
    };
    Some(HeatMap {
        title: format!("What two knobs are worth: {workload}"),
        subtitle: plan.device.clone(),
        across: Axis::new(across.name(), unit(*across), scale(across_spec)),
        up: Axis::new(up.name(), unit(*up), scale(up_spec)),
        value: Axis::new("throughput", "× the default's", Scale::Linear),
        cells,
        marks: vec![
            mark("default", None, None),
            mark("oracle", oracle.settings.number(*across), oracle.settings.number(*up)),
        ],
        notes: vec![
            "All other knobs as the oracle has them; between what was measured, by the surrogate.".to_owned(),
        ],
    })
}
