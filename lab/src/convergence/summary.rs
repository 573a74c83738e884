//! What all visits together say, by strategy and workload.

use super::definitions::is_null;
use super::judge::{Judged, Landscape, Oracle};
use super::plan::{Arm, HOSTILE_ORDER, Strategy, Treatment};
use super::reduction::{Pair, pairs, reduction, restricted_mean};
use crate::bench::stats::{Estimate, mean, median, quantile};
use serde::Serialize;
use std::collections::BTreeMap;

/// The visits of one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmSummary {
    /// How many.
    pub visits: usize,
    /// How many of them did not converge before they ended.
    pub censored: usize,
    /// Mean T95, restricted to the visit, s.
    pub mean_s: f64,
    /// With its interval, of two visits and more.
    pub estimate: Option<Estimate>,
    /// Median T95, s.
    pub median_s: f64,
    /// The longest, s.
    pub worst_s: f64,
    /// Mean of the seconds of the oracle's work that were not done.
    pub lost_s: f64,
    /// Median time to the confirmed fingerprint, s.
    pub recognised_s: Option<f64>,
    /// Median time until stored genes were back, s.
    pub recalled_s: Option<f64>,
    /// Visits whose genes converged, and the median of when, s.
    pub genes: (usize, Option<f64>),
    /// Median share of the oracle's performance that led at the end.
    pub final_share: f64,
}

/// One strategy on one workload.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The strategy.
    pub strategy: String,
    /// The workload.
    pub workload: String,
    /// The oracle within the strategy's ranges.
    pub oracle: Oracle,
    /// Whether there is nothing to be found.
    pub null: bool,
    /// The arms that were run; visits that began already good are left out.
    pub arms: BTreeMap<Arm, ArmSummary>,
    /// How much shorter warm is than no detection; `None` for a null, or where fewer than two pairs are left.
    pub against_none: Option<Estimate>,
    /// How much shorter warm is than the defaults on each change.
    pub against_reset: Option<Estimate>,
    /// How much less is lost warm than without detection.
    pub less_lost_than_none: Option<Estimate>,
    /// How much less is lost warm than with the defaults on each change.
    pub less_lost_than_reset: Option<Estimate>,
    /// Pairs behind the first.
    pub pairs: usize,
    /// Pairs that are listed apart because one of the two began already good.
    pub apart: usize,
}

/// Sums up all strategies on all workloads, in the order in which they were asked for.
#[must_use]
pub fn summarise(strategies: &[String], judged: &[Judged], land: &dyn Landscape) -> Vec<Summary> {
    let mut summaries = Vec::new();
    for name in strategies {
        let Some(strategy) = Strategy::named(name) else { continue };
        for workload in HOSTILE_ORDER {
            let Some(oracle) = land.oracle(workload, strategy.ranges) else { continue };
            let mine: Vec<&Judged> = judged
                .iter()
                .filter(|visit| visit.cell.strategy == *name && visit.workload == workload)
                .collect();
            if !mine.is_empty() {
                summaries.push(one(name, workload, oracle, &mine));
            }
        }
    }
    summaries
}

fn one(strategy: &str, workload: &str, oracle: Oracle, judged: &[&Judged]) -> Summary {
    let null = is_null(oracle.low);
    let mut arms: BTreeMap<Arm, Vec<&Judged>> = BTreeMap::new();
    for visit in judged.iter().filter(|visit| !visit.already_good) {
        if let Some(arm) = visit.arm {
            arms.entry(arm).or_default().push(visit);
        }
    }
    let t95 = |visit: &Judged| visit.t95.restricted();
    let lost = |visit: &Judged| visit.lost_s;
    let (none, apart) = pairs(judged, Treatment::None, t95);
    let (reset, _) = pairs(judged, Treatment::Reset, t95);
    let (lost_none, _) = pairs(judged, Treatment::None, lost);
    let (lost_reset, _) = pairs(judged, Treatment::Reset, lost);
    let shorter = |pairs: &[Pair]| if null { None } else { reduction(pairs, 1) };
    // Where neither arm ever got there, nothing is known of how much longer either would have taken.
    let beyond =
        |arm: Arm| arms.get(&arm).is_some_and(|visits| visits.iter().all(|visit| visit.t95.is_censored()));
    let of_t95 = |pairs: &[Pair], other: Arm| {
        if beyond(Arm::Warm) && beyond(other) { None } else { shorter(pairs) }
    };
    let (against_none, against_reset) = (of_t95(&none, Arm::None), of_t95(&reset, Arm::Reset));
    Summary {
        strategy: strategy.to_owned(),
        workload: workload.to_owned(),
        oracle,
        null,
        arms: arms.into_iter().map(|(arm, visits)| (arm, arm_summary(&visits))).collect(),
        against_none,
        against_reset,
        less_lost_than_none: shorter(&lost_none),
        less_lost_than_reset: shorter(&lost_reset),
        pairs: none.len(),
        apart,
    }
}

fn arm_summary(visits: &[&Judged]) -> ArmSummary {
    let t95: Vec<f64> = visits.iter().map(|visit| visit.t95.restricted()).collect();
    let of = |value: fn(&Judged) -> Option<f64>| -> Vec<f64> {
        visits.iter().filter_map(|visit| value(visit)).collect()
    };
    let genes = of(|visit| visit.genes_s);
    ArmSummary {
        visits: visits.len(),
        censored: visits.iter().filter(|visit| visit.t95.is_censored()).count(),
        mean_s: mean(&t95).unwrap_or(f64::NAN),
        estimate: restricted_mean(&t95, 1),
        median_s: median(&t95).unwrap_or(f64::NAN),
        worst_s: quantile(&t95, 1.0).unwrap_or(f64::NAN),
        lost_s: mean(&of(|visit| Some(visit.lost_s))).unwrap_or(f64::NAN),
        recognised_s: median(&of(|visit| visit.recognised_s)),
        recalled_s: median(&of(|visit| visit.recalled_s)),
        genes: (genes.len(), median(&genes)),
        final_share: median(&of(|visit| Some(visit.final_share))).unwrap_or(f64::NAN),
    }
}
