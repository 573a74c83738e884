//! Slices under guard, with simulated latencies.

use super::{Noise, NoiseKind, noise::normal};
use crate::{Batch, Guard, GuardConfig, InFlight, Judgement, TrialError};
use block_types::Nanos;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};
use serde::{Deserialize, Serialize};

/// What passes through a guarded slice of 4 s, looked at every 100 ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardedLoad {
    /// I/Os a second.
    pub iops: u32,
    /// The median latency in seconds.
    pub median_s: f64,
    /// The spread of a latency: SD of its logarithm.
    pub spread: f64,
    /// How many times slower the child's slices are; 1 for an identical setting.
    pub slower: f64,
}

/// What came of many guarded slices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuardTally {
    /// Child slices.
    pub slices: u64,
    /// Those that were aborted.
    pub aborts: u64,
    /// Those aborted for their mean latency.
    pub latency_aborts: u64,
    /// Those aborted within their first second.
    pub within_1_s: u64,
    /// Seconds in force until aborted, summed over the aborted slices.
    pub seconds: f64,
}

const LOOKS: u32 = 40;
const LOOK: Nanos = Nanos::from_millis(100);
/// Control slices before the first child, as the race of a campaign or a minute of observation brings.
const LEARNED: u32 = 8;
/// Guarded slices before everything is forgotten, as after a change of workload.
const SLICES_A_RUN: u64 = 100;

/// Runs `count` child slices, each after a control slice, forgetting all after every hundred.
///
/// # Errors
/// Where a setting of the guard is out of its range.
pub fn guarded(
    kind: NoiseKind,
    load: GuardedLoad,
    count: u64,
    config: GuardConfig,
    seed: u64,
) -> Result<GuardTally, TrialError> {
    let mut tally = GuardTally::default();
    for run in 0..count.div_ceil(SLICES_A_RUN) {
        let mut guard = Guard::new(config)?;
        let mut noise = Noise::new(kind, seed, run);
        for _ in 0..LEARNED {
            control(&mut guard, load, &mut noise);
        }
        for _ in 0..SLICES_A_RUN.min(count - run * SLICES_A_RUN) {
            control(&mut guard, load, &mut noise);
            child(&mut guard, load, &mut noise, &mut tally);
        }
        tally.seconds += guard.violations().time.0 as f64 / 1e9;
    }
    Ok(tally)
}

fn control(guard: &mut Guard, load: GuardedLoad, noise: &mut Noise) {
    let level = -noise.next_slice();
    let mut watch = guard.watch();
    for _ in 0..LOOKS {
        watch.look(&batch(load, level, &mut noise.rng));
    }
    guard.learn(&watch);
}

fn child(guard: &mut Guard, load: GuardedLoad, noise: &mut Noise, tally: &mut GuardTally) {
    let level = -noise.next_slice() + load.slower.ln();
    let mut watch = guard.watch();
    tally.slices += 1;
    for look in 1..=LOOKS {
        if let Judgement::Abort(why) = watch.look(&batch(load, level, &mut noise.rng)) {
            guard.violated(Nanos(LOOK.0 * u64::from(look)));
            tally.aborts += 1;
            tally.latency_aborts += u64::from(matches!(why, crate::Abort::Latency { .. }));
            tally.within_1_s += u64::from(look <= 10);
            return;
        }
    }
}

/// At most so many latencies of a batch are drawn one by one; the sum of more is drawn from the gamma distribution
/// with its mean and variance, and the longest of them by its distribution function.
const DRAWN: u64 = 200;

fn batch(load: GuardedLoad, level: f64, rng: &mut ChaCha8Rng) -> Batch {
    let expected = f64::from(load.iops) * 0.1;
    // Arrivals are bursty: the rate of a batch varies by a tenth beside the Poisson count.
    let rate = expected * (0.1 * normal(rng)).exp();
    let completed = (rate + rate.sqrt() * normal(rng)).round().max(0.0) as u64;
    let median_ns = load.median_s * 1e9 * level.exp();
    let draw = |rng: &mut ChaCha8Rng| median_ns * (load.spread * normal(rng)).exp();
    let (sum, longest) = if completed <= DRAWN {
        (0..completed).fold((0.0, 0.0_f64), |(sum, longest), _| {
            let latency = draw(rng);
            (sum + latency, longest.max(latency))
        })
    } else {
        let variance = load.spread.powi(2);
        let mean = median_ns * (variance / 2.0).exp();
        let shape = completed as f64 / variance.exp_m1();
        let sum = Gamma::new(shape, mean / variance.exp_m1().recip())
            .map_or(mean * completed as f64, |gamma: Gamma<f64>| gamma.sample(rng));
        // The longest of n is the quantile u^(1/n); the normal tail beyond it by its leading terms.
        let beyond = -(rng.random_range(1e-12..1.0_f64).ln()) / completed as f64;
        let z = (-2.0 * (beyond * (-4.0 * std::f64::consts::PI * beyond.ln()).max(1.0).sqrt()).ln())
            .max(0.0)
            .sqrt();
        (sum, median_ns * (load.spread * z).exp())
    };
    // What is in flight at a look: by Little's law the rate times the mean latency, at ages up to their latencies;
    // once in a while the look falls into the longest wait.
    let mean = sum / completed.max(1) as f64;
    let count = (expected * 10.0 * mean / 1e9).round() as u64;
    let caught = longest / 1e8 > rng.random_range(0.0..1.0);
    let oldest = if caught { longest * rng.random_range(0.0..1.0) } else { draw(rng) * 0.5 };
    let count = count.max(u64::from(oldest > 0.0 && completed > 0));
    let rest = mean * 0.5 * count.saturating_sub(1) as f64;
    Batch {
        completed,
        latency_sum: Nanos(sum as u64),
        in_flight: if count == 0 {
            InFlight::default()
        } else {
            InFlight { count, age_sum: Nanos((rest + oldest) as u64), oldest: Nanos(oldest as u64) }
        },
    }
}
