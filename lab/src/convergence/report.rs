//! The report: tables and charts, made from the rows alone.

use super::definitions::NULL_BELOW;
use super::journal::{Journal, Plan, Row};
use super::judge::{Judged, Landscape, judge};
use super::plan::{Arm, HOSTILE_ORDER, Ranges, Strategy};
use super::summary::{ArmSummary, Summary, summarise};
use crate::bench::report::Report;
use crate::bench::stats::Estimate;
use anyhow::Result;

/// What the paper's Figure 4 says: convergence time of the second pass, shorter by so many per cent.
pub(super) const PAPER_PER_CENT: [(&str, f64); 4] =
    [("sequential write", 97.0), ("random read", 61.0), ("sequential read", 89.0), ("random write", 19.0)];

/// From such a mean on, s, a workload takes long enough to be judged by the aim of 97 %.
const COLD_ENOUGH_S: f64 = 50.0;

/// The title of a report under this plan.
pub(super) fn title(plan: &Plan) -> String {
    format!("How long the search takes to converge: {}", plan.device)
}

/// Makes the report, and finishes the record.
pub(super) fn finish(journal: Journal, land: &dyn Landscape) -> Result<Report> {
    let mut report = make(&journal, land)?;
    if let Some(run) = journal.into_run() {
        report.finish(run)?;
    }
    Ok(report)
}

/// All visits, judged: those that were when they were recorded, and those whose worth was measured afterwards.
pub(super) fn judged(journal: &Journal, passes: usize, land: &dyn Landscape) -> Result<Vec<Judged>> {
    let mut judged: Vec<Judged> = journal
        .rows()
        .iter()
        .filter_map(|row| match row {
            Row::Judged { visits, .. } => Some(visits.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    for (cell, visits) in journal.runs() {
        if !judged.iter().any(|there| there.cell == *cell) {
            judged.extend(judge(cell, visits, passes, land)?);
        }
    }
    Ok(judged)
}

pub(super) fn make(journal: &Journal, land: &dyn Landscape) -> Result<Report> {
    let plan = journal.plan()?;
    let judged = judged(journal, plan.passes, land)?;
    let summaries = summarise(&plan.strategies, &judged, land);
    let mut report = Report::new(&title(plan));
    tables(&mut report, plan, &summaries, land);
    device_tables(&mut report, plan, journal);
    notes(&mut report, plan, journal, &summaries);
    verdicts(&mut report, plan, &summaries);
    super::charts::add(&mut report, plan, &summaries, journal, land)?;
    report.fact("summaries", &summaries);
    report.fact("plan", plan);
    Ok(report)
}

fn seconds(value: f64) -> String {
    if value.is_finite() { format!("{value:.1}") } else { "-".to_owned() }
}

fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), seconds)
}

/// A restricted mean: with `>` where all visits ended first, and the number of those that did.
fn arm_text(arm: Option<&ArmSummary>) -> String {
    let Some(arm) = arm else { return "-".to_owned() };
    let mark = if arm.censored == arm.visits { "> " } else { "" };
    let interval = arm
        .estimate
        .as_ref()
        .map_or_else(String::new, |estimate| format!(" [{:.1}, {:.1}]", estimate.low, estimate.high));
    let censored =
        if arm.censored > 0 { format!(", {} of {} not", arm.censored, arm.visits) } else { String::new() };
    format!("{mark}{:.1}{interval}{censored}", arm.mean_s)
}

fn per_cent(summary: &Summary, estimate: Option<&Estimate>) -> String {
    match estimate {
        _ if summary.null => "null".to_owned(),
        Some(found) => {
            format!("{:.1} [{:.1}, {:.1}]", 100.0 * found.value, 100.0 * found.low, 100.0 * found.high)
        }
        None => "-".to_owned(),
    }
}

fn tables(report: &mut Report, plan: &Plan, summaries: &[Summary], land: &dyn Landscape) {
    report.table(
        "T95: seconds from the first I/O until the leader had 95 % of the oracle's performance for good; restricted mean \
         [95 % interval], and how many visits did not get there",
        &["strategy", "workload", "none", "first", "warm", "reset", "warm shorter than none (%)", "than reset (%)", "pairs", "apart"],
        summaries.iter().map(|summary| {
            let arm = |arm| arm_text(summary.arms.get(&arm));
            [
                summary.strategy.clone(),
                summary.workload.clone(),
                arm(Arm::None),
                arm(Arm::First),
                arm(Arm::Warm),
                arm(Arm::Reset),
                per_cent(summary, summary.against_none.as_ref()),
                per_cent(summary, summary.against_reset.as_ref()),
                summary.pairs.to_string(),
                summary.apart.to_string(),
            ]
        }),
    );
    report.table(
        &format!(
            "Lost seconds: the oracle's work that was not done in a visit of {} s, trials included; means",
            plan.visit_s
        ),
        &[
            "strategy",
            "workload",
            "none",
            "first",
            "warm",
            "reset",
            "warm less than none (%)",
            "than reset (%)",
        ],
        summaries.iter().map(|summary| {
            let arm = |arm| summary.arms.get(&arm).map_or_else(|| "-".to_owned(), |arm| seconds(arm.lost_s));
            [
                summary.strategy.clone(),
                summary.workload.clone(),
                arm(Arm::None),
                arm(Arm::First),
                arm(Arm::Warm),
                arm(Arm::Reset),
                per_cent(summary, summary.less_lost_than_none.as_ref()),
                per_cent(summary, summary.less_lost_than_reset.as_ref()),
            ]
        }),
    );
    report.table(
        "Warm visits, seconds after the first I/O",
        &[
            "strategy",
            "workload",
            "fingerprint",
            "genes back",
            "T95, median",
            "T95, worst",
            "leader at the end (% of oracle)",
        ],
        summaries.iter().filter_map(|summary| {
            let warm = summary.arms.get(&Arm::Warm)?;
            Some([
                summary.strategy.clone(),
                summary.workload.clone(),
                maybe_fine(warm.recognised_s),
                maybe_fine(warm.recalled_s),
                format!("{:.2}", warm.median_s),
                seconds(warm.worst_s),
                format!("{:.1}", 100.0 * warm.final_share),
            ])
        }),
    );
    report.table(
        "The genes' own convergence: from when on 6 of 8 children stayed within 10 % of the dominant knobs' scales, about a \
         median that has 95 % of the oracle's performance; median s, and of how many visits",
        &["strategy", "workload", "dominant knobs", "none", "first", "warm", "reset"],
        summaries.iter().map(|summary| {
            let arm = |arm| {
                summary.arms.get(&arm).map_or_else(
                    || "-".to_owned(),
                    |arm| format!("{} ({} of {})", maybe(arm.genes.1), arm.genes.0, arm.visits),
                )
            };
            let [none, first, warm, reset] = [Arm::None, Arm::First, Arm::Warm, Arm::Reset].map(arm);
            let knobs: Vec<&str> =
                land.dominant(&summary.workload).iter().map(|knob| knob.name()).collect();
            [summary.strategy.clone(), summary.workload.clone(), knobs.join(" "), none, first, warm, reset]
        }),
    );
    report.table(
        "The oracle: the best settings within the ranges, chosen on one half of the data and valued on the other, against the default",
        &["ranges", "workload", "gain (%)", "null", "settings", "others are valued by"],
        Ranges::ALL
            .iter()
            .filter(|ranges| {
                plan.strategies
                    .iter()
                    .any(|name| Strategy::named(name).is_some_and(|strategy| strategy.ranges == **ranges))
            })
            .flat_map(|&ranges| {
                HOSTILE_ORDER.iter().filter_map(move |workload| {
                    let oracle = land.oracle(workload, ranges)?;
                    let gain = |value: f64| format!("{:+.1}", 100.0 * (value - 1.0));
                    let null = super::definitions::is_null(oracle.low);
                    Some([
                        ranges.name().to_owned(),
                        (*workload).to_owned(),
                        format!("{} [{}, {}]", gain(oracle.value), gain(oracle.low), gain(oracle.high)),
                        if null { "yes" } else { "no" }.to_owned(),
                        oracle.settings.to_string(),
                        land.trust(workload),
                    ])
                })
            }),
    );
}

/// What was measured on a device beside the visits: the default's rates, and what is known of the surrogate.
fn device_tables(report: &mut Report, plan: &Plan, journal: &Journal) {
    use super::measure::Purpose;
    let rates = |workload: &str, alone: bool| -> Vec<f64> {
        journal
            .slices()
            .filter(|slice| slice.workload == workload && (slice.purpose == Purpose::Alone) == alone)
            .map(|slice| slice.default_bytes_per_s / 1e6)
            .collect()
    };
    if journal.slices().next().is_none() {
        return;
    }
    report.table(
        &format!(
            "The default's rate: one disk alone, and in the pairs{}; medians of slices of {} s",
            if plan.backend == "device" { "" } else { ", beside all other disks" },
            plan.pace.slice().as_secs_f64()
        ),
        &["workload", "alone (MB/s)", "slices", "in the pairs (MB/s)", "slices of pairs"],
        HOSTILE_ORDER.iter().map(|workload| {
            let (alone, beside) = (rates(workload, true), rates(workload, false));
            let shown = |rates: &[f64]| {
                crate::bench::stats::median(rates).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.2}"))
            };
            [
                (*workload).to_owned(),
                shown(&alone),
                alone.len().to_string(),
                shown(&beside),
                beside.len().to_string(),
            ]
        }),
    );
}

fn maybe_fine(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

/// Visits in which stored genes or defaults were put in force more than once.
fn flapping(journal: &Journal) -> usize {
    let again = |visit: &&super::visit::Visit| {
        // A generation that was cut short leaves fewer children than there are in one, many times over.
        let generations: std::collections::BTreeSet<u64> =
            visit.tried.iter().filter(|tried| tried.at_s >= 0.0).map(|tried| tried.generation).collect();
        visit.changes.map_or(generations.len() > visit.tried.len() / 4, |changes| changes > 1)
    };
    journal.runs().values().flat_map(|visits| visits.iter()).filter(again).count()
}

fn notes(report: &mut Report, plan: &Plan, journal: &Journal, summaries: &[Summary]) {
    report.note(format!(
        "{}; scheduler {}, which was no gene; genes: {}.",
        plan.device,
        plan.scheduler,
        plan.genes
            .get(&Ranges::Catalogue)
            .map(|genes| genes.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", "))
            .unwrap_or_default()
    ));
    for (workload, what) in &plan.workloads {
        report.note(format!("{workload}: {what}."));
    }
    for strategy in plan.strategies.iter().filter_map(|name| Strategy::named(name)) {
        report.note(format!("{}: {}.", strategy.name, strategy.what));
    }
    report.note(format!(
        "Visits of {} s in the hostile order ({}), {} of each workload in a run, {} seeds; each seed begins at another \
         place of the order. none: no detection, population and leader carried over. first, warm: first and last visits \
         with fingerprinting. reset: the defaults on each change. none, warm and reset are the last visits.",
        plan.visit_s,
        HOSTILE_ORDER.join(", "),
        plan.passes,
        plan.seeds
    ));
    report.note(format!(
        "A null is a workload where the lower 95 % limit of the oracle's gain over the default is below {:.0} %. Apart: \
         pairs of which one visit began with more than 90 % of the oracle's performance.",
        100.0 * NULL_BELOW
    ));
    if plan.backend != "fake-clock" {
        report.note(
            "Leaders, children and the oracle that they are held to are valued by one surrogate, fitted to all slices of the \
             sweep and all held-out pairs; the oracle's gain, and whether a workload is a null, come from held-out pairs \
             alone, chosen on one half and valued on the other.",
        );
        report.note(format!(
            "In {} of {} visits the fingerprint changed more than once, or generations were cut short again and again: the \
             settings that were tried moved what the fingerprint is read off.",
            flapping(journal),
            journal.runs().values().map(|visits| visits.len()).sum::<usize>()
        ));
    }
    let nulls: Vec<String> = summaries
        .iter()
        .filter(|summary| summary.null)
        .map(|summary| format!("{} within the ranges of {}", summary.workload, summary.strategy))
        .collect();
    if !nulls.is_empty() {
        report.note(format!("Nulls: {}.", nulls.join("; ")));
    }
    report.note(
        "The paper: convergence of the second pass judged by eye, shorter by 97 % (sequential write), 61 % (random read), \
         89 % (sequential read), 19 % (random write).",
    );
}

/// The bounds are those of our own strategies, or else of the last that was asked for: the others are what they are
/// compared with. A bound of which nothing can be said, because neither arm got there, is missed.
fn verdicts(report: &mut Report, plan: &Plan, summaries: &[Summary]) {
    let is_ours = |name: &str| Strategy::named(name).is_some_and(|strategy| strategy.is_ours());
    let any = plan.strategies.iter().any(|name| is_ours(name));
    let bound = |name: &str| {
        if any { is_ours(name) } else { plan.strategies.last().is_some_and(|last| last == name) }
    };
    for summary in summaries.iter().filter(|summary| bound(&summary.strategy) && !summary.null) {
        let (strategy, workload) = (&summary.strategy, &summary.workload);
        if summary.pairs == 0 {
            report.note(format!(
                "{strategy}, {workload}: no bound, for of each pair a visit began with more than 90 % of the oracle."
            ));
            continue;
        }
        let paper = PAPER_PER_CENT.iter().find(|(name, _)| name == workload).map_or(0.0, |(_, found)| *found);
        let cold = summary.arms.get(&Arm::None).map_or(0.0, |none| none.mean_s);
        let wanted = if cold >= COLD_ENOUGH_S { paper.max(97.0) } else { paper };
        shorter(
            report,
            &format!("{strategy}, {workload}: warm shorter than none"),
            wanted,
            &summary.against_none,
        );
        shorter(
            report,
            &format!("{strategy}, {workload}: warm shorter than reset"),
            0.0,
            &summary.against_reset,
        );
        if let Some(warm) = summary.arms.get(&Arm::Warm) {
            report.verdict(
                &format!("{strategy}, {workload}: median warm T95"),
                "≤ 1.5 s",
                format!("{:.2} s", warm.median_s),
                warm.median_s <= 1.5,
            );
        }
    }
}

fn shorter(report: &mut Report, what: &str, wanted_per_cent: f64, found: &Option<Estimate>) {
    let wanted =
        if wanted_per_cent > 0.0 { format!("≥ {wanted_per_cent:.0} %") } else { "> 0 %".to_owned() };
    match found.as_ref().map(|found| 100.0 * found.value) {
        Some(found) => {
            let met = found > 0.0 && found >= wanted_per_cent;
            report.verdict(what, wanted, format!("{found:.1} %"), met);
        }
        None => report.verdict(what, wanted, "too few pairs got there", false),
    }
}
