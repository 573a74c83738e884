//! A visit, judged by what settings are truly worth.

use super::definitions::{self, Brood, T95, Worth};
use super::plan::{Arm, Cell, Ranges, Strategy};
use super::visit::Visit;
use anyhow::{Context as _, Result};
use block_types::{Knob, Settings};
use genetic::GeneSpec;
use serde::{Deserialize, Serialize};

/// The best that is there to be found within the ranges that a strategy may search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Oracle {
    /// The settings that were chosen.
    pub settings: Settings,
    /// Their performance as a multiple of the default's, on data that did not choose them.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What settings are truly worth: exactly known where the landscape is made up, measured afterwards where it is not.
pub trait Landscape {
    /// Performance as a multiple of the default's.
    fn worth(&self, workload: &str, settings: &Settings) -> f64;
    /// The oracle of a workload; `None` where it was not measured.
    fn oracle(&self, workload: &str, ranges: Ranges) -> Option<Oracle>;
    /// What leaders are held to: the oracle, valued as they are. A surrogate draws everything towards the middle, the
    /// oracle's own pairs do not: beside each other no leader would ever be good enough.
    fn yardstick(&self, workload: &str, ranges: Ranges) -> Option<f64> {
        let oracle = self.oracle(workload, ranges)?;
        Some(self.worth(workload, &oracle.settings).max(1.0))
    }
    /// The knobs that carry the effect.
    fn dominant(&self, workload: &str) -> Vec<Knob>;
    /// How settings without pairs of their own are valued, and how far that can be trusted, in words.
    fn trust(&self, workload: &str) -> String;
    /// The genes of a strategy with these ranges.
    fn genes(&self, ranges: Ranges) -> &[GeneSpec];
}

/// A visit and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The run that it is of.
    #[serde(flatten)]
    pub cell: Cell,
    /// Its place in the run, from 0: what pairs it with the visit of another treatment.
    pub visit: usize,
    /// What ran.
    pub workload: String,
    /// Its arm; `None` for first visits of treatments without memory.
    pub arm: Option<Arm>,
    /// How long it was, s.
    pub length_s: f64,
    /// When the leader had, for good, 95 % of the oracle's performance.
    pub t95: T95,
    /// Seconds of the oracle's work that were not done.
    pub lost_s: f64,
    /// Whether it began with more than 90 % of the oracle's performance.
    pub already_good: bool,
    /// When the genes had converged, s, on a median that has 95 % of the oracle's performance.
    pub genes_s: Option<f64>,
    /// When the fingerprint was confirmed, s.
    pub recognised_s: Option<f64>,
    /// When stored genes were back, s.
    pub recalled_s: Option<f64>,
    /// What led at the end, as a share of the oracle's performance.
    pub final_share: f64,
}

/// Judges all visits of a run; those of a workload without an oracle are left out.
///
/// # Errors
/// Where the strategy is not known.
pub fn judge(cell: &Cell, visits: &[Visit], passes: usize, land: &dyn Landscape) -> Result<Vec<Judged>> {
    let strategy = Strategy::named(&cell.strategy)
        .with_context(|| format!("there is no strategy called {:?}", cell.strategy))?;
    Ok(visits
        .iter()
        .enumerate()
        .filter_map(|(index, visit)| {
            let oracle = land.yardstick(&visit.workload, strategy.ranges)?;
            Some(one(cell, index, visit, (land, passes), strategy.ranges, oracle))
        })
        .collect())
}

fn one(
    cell: &Cell,
    index: usize,
    visit: &Visit,
    (land, passes): (&dyn Landscape, usize),
    ranges: Ranges,
    oracle: f64,
) -> Judged {
    let worth = |at_s: f64, settings: &Settings| Worth { at_s, value: land.worth(&visit.workload, settings) };
    let leaders: Vec<Worth> = visit.leaders.iter().map(|step| worth(step.at_s, &step.settings)).collect();
    let in_force: Vec<Worth> = visit.tried.iter().map(|tried| worth(tried.at_s, &tried.settings)).collect();
    let length = visit.length_s;
    Judged {
        cell: cell.clone(),
        visit: index,
        workload: visit.workload.clone(),
        arm: Arm::of(cell.treatment, visit.pass, passes),
        length_s: length,
        t95: definitions::t95(&leaders, oracle, length),
        lost_s: definitions::lost_seconds(&in_force, oracle, length),
        already_good: definitions::already_good(&in_force, oracle),
        genes_s: genes(visit, land, ranges, oracle),
        recognised_s: visit.recognised_s,
        recalled_s: visit.recalled_s,
        final_share: leaders.last().map_or(f64::NAN, |last| last.value / oracle),
    }
}

/// When the genes had converged, on a median that is any good.
fn genes(visit: &Visit, land: &dyn Landscape, ranges: Ranges, oracle: f64) -> Option<f64> {
    let dominant = land.dominant(&visit.workload);
    let specs: Vec<(&GeneSpec, Knob)> = land
        .genes(ranges)
        .iter()
        .filter_map(|spec| Some((spec, spec.name.parse::<Knob>().ok()?)))
        .filter(|(_, knob)| dominant.contains(knob))
        .collect();
    let mut broods: Vec<Brood> = Vec::new();
    let mut generation = None;
    for tried in visit.tried.iter().filter(|tried| tried.at_s >= 0.0 && tried.child.is_some()) {
        let child = specs
            .iter()
            .map(|(spec, knob)| spec.scale.position(tried.settings.number(*knob).unwrap_or(spec.default)))
            .collect();
        if generation == Some(tried.generation) {
            if let Some(brood) = broods.last_mut() {
                brood.children.push(child);
            }
        } else {
            generation = Some(tried.generation);
            broods.push(Brood { at_s: tried.at_s, children: vec![child] });
        }
    }
    // The visit's end cuts the last generation short; it counts only if most of it was there.
    if broods.last().is_some_and(|last| last.children.len() < definitions::CLOSE_CHILDREN.0) {
        broods.pop();
    }
    let since = definitions::genes_converged(&broods)?;
    let last = broods.last()?;
    let mut median = visit.tried.last()?.settings.clone();
    for (place, (spec, knob)) in specs.iter().enumerate() {
        let positions: Vec<f64> =
            last.children.iter().filter_map(|child| child.get(place).copied()).collect();
        let middle = crate::bench::stats::median(&positions)?;
        median.set(*knob, block_types::KnobValue::Number(spec.scale.at(middle)));
    }
    (land.worth(&visit.workload, &median) >= definitions::CONVERGED * oracle).then_some(since)
}
