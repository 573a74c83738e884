//! What settings are truly worth on a device: the landscape that slices of the sweep and held-out pairs make.

use super::judge::{Landscape, Oracle};
use super::measure::{Purpose, Slice};
use super::plan::Ranges;
use crate::bench::stats::mean;
use block_types::{Knob, Settings};
use genetic::{Comparison, GeneSpec, Noise, Surrogate};
use std::collections::BTreeMap;

/// A knob dominates whose main effect explains so much of the variance over the sweep.
pub const DOMINANT_SHARE: f64 = 0.15;

/// The landscape of one device.
#[derive(Debug, Default)]
pub struct Measured {
    genes: BTreeMap<Ranges, Vec<GeneSpec>>,
    works: BTreeMap<String, Work>,
}

#[derive(Debug)]
struct Work {
    surrogate: Option<Surrogate>,
    /// Of each setting that has held-out pairs: ln(worth) of each pair, in the order of time.
    held_out: BTreeMap<Settings, Vec<f64>>,
    dominant: Vec<Knob>,
}

impl Measured {
    /// From slices; `genes` say where a value lies on its scale.
    #[must_use]
    pub fn new<'a>(
        genes: &BTreeMap<Ranges, Vec<GeneSpec>>,
        slices: impl IntoIterator<Item = &'a Slice>,
    ) -> Self {
        let mut by_work: BTreeMap<String, Vec<&Slice>> = BTreeMap::new();
        for slice in slices {
            if slice.log_ratio().is_finite() && slice.purpose != Purpose::Alone {
                by_work.entry(slice.workload.clone()).or_default().push(slice);
            }
        }
        let specs = genes.get(&Ranges::Catalogue).cloned().unwrap_or_default();
        let works = by_work.into_iter().map(|(name, slices)| (name, Work::new(&specs, &slices))).collect();
        Self { genes: genes.clone(), works }
    }

    /// Leave-one-out error of the surrogate of a workload, as a share: 0.05 is 5 %.
    #[must_use]
    pub fn loo_error(&self, workload: &str) -> Option<f64> {
        Some(self.works.get(workload)?.surrogate.as_ref()?.left_out_error().exp_m1())
    }

    /// The surrogate of a workload; `None` where there are too few slices for one.
    #[must_use]
    pub fn surrogate(&self, workload: &str) -> Option<&Surrogate> {
        self.works.get(workload)?.surrogate.as_ref()
    }

    /// The held-out pairs of each setting of a workload, as multiples of the default.
    #[must_use]
    pub fn held_out(&self, workload: &str) -> Vec<(&Settings, Vec<f64>)> {
        let Some(work) = self.works.get(workload) else { return Vec::new() };
        work.held_out
            .iter()
            .map(|(settings, logs)| (settings, logs.iter().map(|log| log.exp()).collect()))
            .collect()
    }
}

/// Whether settings are within the genes' ranges.
pub(super) fn within(specs: &[GeneSpec], settings: &Settings) -> bool {
    specs.iter().all(|spec| {
        let value = spec.name.parse().ok().and_then(|knob| settings.number(knob));
        value.is_none_or(|value| spec.contains(value))
    })
}

/// Where settings lie on the scales of the genes.
#[must_use]
pub fn place(specs: &[GeneSpec], settings: &Settings) -> Vec<f64> {
    specs
        .iter()
        .map(|spec| {
            spec.place(spec.name.parse().ok().and_then(|knob| settings.number(knob)).unwrap_or(spec.default))
        })
        .collect()
}

impl Work {
    fn new(specs: &[GeneSpec], slices: &[&Slice]) -> Self {
        let mut all: BTreeMap<&Settings, Vec<f64>> = BTreeMap::new();
        let mut held_out: BTreeMap<Settings, Vec<f64>> = BTreeMap::new();
        for slice in slices {
            all.entry(&slice.settings).or_default().push(slice.log_ratio());
            if slice.purpose == Purpose::HeldOut {
                held_out.entry(slice.settings.clone()).or_default().push(slice.log_ratio());
            }
        }
        // The default is in every pair: its worth is 1 by definition.
        let default: Vec<f64> = place(specs, &Settings::new());
        let comparisons: Vec<Comparison> = all
            .iter()
            .map(|(settings, logs)| Comparison {
                at: place(specs, settings),
                against: default.clone(),
                log_ratio: mean(logs).unwrap_or(0.0),
                pairs: logs.len() as f64,
            })
            .collect();
        let places: Vec<Vec<f64>> =
            comparisons.iter().map(|known| known.at.clone()).chain([default]).collect();
        let surrogate = Surrogate::fit(comparisons, Noise::Known(noise(&all)));
        let dominant = surrogate.as_ref().map_or_else(Vec::new, |surrogate| {
            let effects = surrogate.main_effects(&places);
            specs
                .iter()
                .zip(effects)
                .filter(|(_, effect)| *effect >= DOMINANT_SHARE)
                .filter_map(|(spec, _)| spec.name.parse().ok())
                .collect()
        });
        Self { surrogate, held_out, dominant }
    }
}

/// The variance of a single pair, pooled over settings with several; where there is none, that of 10 %.
fn noise(all: &BTreeMap<&Settings, Vec<f64>>) -> f64 {
    let (mut sum, mut freedom) = (0.0, 0_usize);
    for logs in all.values().filter(|logs| logs.len() > 1) {
        let middle = mean(logs).unwrap_or(0.0);
        sum += logs.iter().map(|log| (log - middle).powi(2)).sum::<f64>();
        freedom += logs.len() - 1;
    }
    if freedom == 0 { 0.01 } else { (sum / freedom as f64).max(1e-5) }
}

/// Two-sided 95 % points of Student's t, for 1 to 15 degrees of freedom; beyond, the normal's is near enough.
const STUDENT: [f64; 15] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
];

/// Mean of logs with its 95 % interval, as multiples; `None` of fewer than two.
pub(crate) fn interval(logs: &[f64]) -> Option<(f64, f64, f64)> {
    let count = logs.len();
    let middle = mean(logs)?;
    let spread = logs.iter().map(|log| (log - middle).powi(2)).sum::<f64>() / (count.checked_sub(1)? as f64);
    let t = STUDENT.get(count.checked_sub(2)?).copied().unwrap_or(2.0);
    let half = t * (spread / count as f64).sqrt();
    Some((middle.exp(), (middle - half).exp(), (middle + half).exp()))
}

/// The first and the second half of pairs: by turns, so that a drift is in both.
fn halves(logs: &[f64]) -> [Vec<f64>; 2] {
    [0, 1].map(|half| logs.iter().skip(half).step_by(2).copied().collect())
}

impl Landscape for Measured {
    fn worth(&self, workload: &str, settings: &Settings) -> f64 {
        let Some(work) = self.works.get(workload) else { return f64::NAN };
        let specs = self.genes.get(&Ranges::Catalogue).map(Vec::as_slice).unwrap_or_default();
        let default = place(specs, &Settings::new());
        work.surrogate
            .as_ref()
            .map_or(f64::NAN, |surrogate| surrogate.gain(&place(specs, settings), &default).exp())
    }

    fn oracle(&self, workload: &str, ranges: Ranges) -> Option<Oracle> {
        let work = self.works.get(workload)?;
        let specs = self.genes.get(&ranges)?;
        // Half of a few pairs chooses by luck, and the other half says little: what led has only those.
        let most = work.held_out.values().map(Vec::len).max()?;
        let candidates: Vec<(&Settings, [Vec<f64>; 2])> = work
            .held_out
            .iter()
            .filter(|(settings, logs)| within(specs, settings) && logs.len() >= 4 && 2 * logs.len() >= most)
            .map(|(settings, logs)| (settings, halves(logs)))
            .collect();
        let chosen = candidates
            .iter()
            .max_by(|a, b| mean(&a.1[0]).unwrap_or(f64::MIN).total_cmp(&mean(&b.1[0]).unwrap_or(f64::MIN)))?;
        let (value, low, high) = interval(&chosen.1[1])?;
        // The default is always there to be had.
        if value < 1.0 {
            return Some(Oracle { settings: Settings::new(), value: 1.0, low: 1.0, high: 1.0 });
        }
        Some(Oracle { settings: chosen.0.clone(), value, low, high })
    }

    fn trust(&self, workload: &str) -> String {
        let pairs: usize = self.held_out(workload).iter().map(|(_, pairs)| pairs.len()).sum();
        self.loo_error(workload).map_or_else(
            || "not at all: too few slices".to_owned(),
            |error| {
                format!(
                    "a Gaussian process over the knobs' scales, on the sweep and {pairs} held-out pairs; leave-one-out error {:.0} %",
                    100.0 * error
                )
            },
        )
    }

    fn dominant(&self, workload: &str) -> Vec<Knob> {
        self.works.get(workload).map(|work| work.dominant.clone()).unwrap_or_default()
    }

    fn genes(&self, ranges: Ranges) -> &[GeneSpec] {
        self.genes.get(&ranges).map(Vec::as_slice).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_clock::settings;
    use super::*;
    use genetic::Scale;

    fn slice(fifo_batch: u64, purpose: Purpose, ratio: f64) -> Slice {
        Slice {
            workload: "random read".to_owned(),
            purpose,
            settings: settings(&[(Knob::FifoBatch, fifo_batch)]),
            bytes_per_s: ratio * 1e6,
            default_bytes_per_s: 1e6,
            default_first: true,
        }
    }

    fn genes() -> BTreeMap<Ranges, Vec<GeneSpec>> {
        let spec = |min, max| vec![GeneSpec::new("fifo_batch", Scale::Log { min, max }, 16)];
        [(Ranges::Catalogue, spec(1, 128)), (Ranges::Paper, spec(8, 24))].into()
    }

    #[test]
    fn the_oracle_is_valued_on_pairs_that_did_not_choose_it() {
        // On the first, third, … pair 4 looks best by luck; on the others it is worth 1.1.
        let mut slices = Vec::new();
        for (four, one) in [(2.0, 1.5), (1.1, 1.5), (2.0, 1.5), (1.1, 1.5), (2.0, 1.5), (1.1, 1.5)] {
            slices.push(slice(4, Purpose::HeldOut, four));
            slices.push(slice(1, Purpose::HeldOut, one));
        }
        slices.push(slice(64, Purpose::Sweep, 9.0));
        let land = Measured::new(&genes(), &slices);
        let oracle = land.oracle("random read", Ranges::Catalogue).unwrap();
        assert_eq!(oracle.settings.number(Knob::FifoBatch), Some(4));
        assert!((oracle.value - 1.1).abs() < 1e-9, "{oracle:?}");
        assert_eq!(land.oracle("random read", Ranges::Paper), None, "neither is within the paper's range");
        assert_eq!(land.oracle("random write", Ranges::Catalogue), None);
    }

    #[test]
    fn an_interval_is_students() {
        let (middle, low, high) = interval(&[0.0, 0.2]).unwrap();
        // Mean 0.1, standard error 0.1, t of one degree of freedom.
        assert!((middle.ln() - 0.1).abs() < 1e-12);
        assert!((low.ln() - (0.1 - 1.2706)).abs() < 1e-9 && (high.ln() - (0.1 + 1.2706)).abs() < 1e-9);
        assert_eq!(interval(&[1.0]), None);
    }

    #[test]
    fn the_default_is_worth_one() {
        let slices: Vec<Slice> = [(1, 1.6), (2, 1.5), (4, 1.3), (8, 1.1), (64, 0.7), (128, 0.6)]
            .map(|(fifo_batch, ratio)| slice(fifo_batch, Purpose::Sweep, ratio))
            .into();
        let land = Measured::new(&genes(), &slices);
        let worth = |fifo_batch| land.worth("random read", &settings(&[(Knob::FifoBatch, fifo_batch)]));
        assert!((worth(16) - 1.0).abs() < 0.05, "{}", worth(16));
        assert!(worth(1) > 1.4 && worth(128) < 0.75);
        assert_eq!(land.dominant("random read"), [Knob::FifoBatch]);
    }
}
