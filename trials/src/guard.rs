//! The guard: takes a setting back inside its slice when it does harm.
//!
//! Two tests run beside each child's slice, both against what control slices did:
//!
//! - **Mean latency**, by a sequential likelihood ratio. The log of the mean so far, less that of the last control
//!   slices, has the variance τ² + φ/n under the null: τ² is what slices differ by anyway (drift), φ/n what n
//!   completions leave uncertain. The setting is taken back when the ratio of the likelihoods of "`harm` times
//!   slower" and "no different" reaches 1/(share of false aborts), which an identical setting does with at most
//!   that probability at any time (Ville), and when it lies beyond anything a control slice has shown.
//! - **The oldest request in flight**, against the longest wait seen in the control slices that are remembered.
//!   Where waits have a tail of index 2 (infinite variance, heavier than most disks'), the longest of a slice exceeds
//!   f times the longest of n with probability 1/(1 + n·f²), whence f.
//!
//! Where 5 % of all slices stall, on either arm, an identical setting is aborted in about 1.5 % of its slices instead of
//! 1 % (simulated): a stall longer than any remembered one looks like harm, and one that is remembered hides harm.
//!
//! A fixed bound on the p99 would abort an identical setting in 16–33 % of its slices at 150 I/Os.
//! "Guarded" is the word, never "safe": harm below the bounds passes, and harm above them is over only after it began.

use crate::scale::median;
use crate::score::mean_with_ages;
use crate::{InFlight, TrialError};
use block_types::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How the guard judges.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardConfig {
    /// The share of an identical setting's slices that may be aborted, above 0 and below 1; half of it for each test.
    pub false_aborts: f64,
    /// How many times slower is the harm that is to be found soonest; above 1.
    pub harm: f64,
    /// An oldest request younger than this never aborts a slice.
    pub least_age: Nanos,
    /// How many control slices are remembered; at least 1.
    pub memory: u32,
    /// How many of the last control slices the mean latency is compared with; at least 1.
    pub reference: u32,
    /// What control slices are expected to differ by, as a log ratio, before any were seen; above 0.
    pub expected_noise: f64,
}

impl Default for GuardConfig {
    /// 1 % false aborts, twice as slow, 50 ms, the last 64 control slices, compared with the last 3, 25 % noise.
    fn default() -> Self {
        Self {
            false_aborts: 0.01,
            harm: 2.0,
            least_age: Nanos::from_millis(50),
            memory: 64,
            reference: 3,
            expected_noise: 0.25,
        }
    }
}

/// How many seen slices the expected noise and the expected spread of latencies count for.
const PRIOR_SLICES: f64 = 4.0;
/// The relative variance of one latency that is expected before any were seen: that of a memoryless wait, doubled.
const EXPECTED_DISPERSION: f64 = 2.0;
/// By so much the deviation of a slice may exceed the largest of a control slice, in logs.
const BEYOND_SEEN: f64 = 1.25;
/// The oldest age may always exceed the longest seen by this factor.
const LEAST_AGE_FACTOR: f64 = 1.5;

/// What completed between two looks at a slice, and what is in flight now. In time order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Completions since the last look.
    pub completed: u64,
    /// The sum of their latencies.
    pub latency_sum: Nanos,
    /// What is in flight at this look.
    pub in_flight: InFlight,
}

/// Why a setting was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Abort {
    /// The mean latency was too high.
    Latency {
        /// How many times that of the control.
        ratio: f64,
        /// The bound it reached.
        bound: f64,
    },
    /// A request waited for too long.
    Age {
        /// The age of the oldest.
        oldest: Nanos,
        /// The bound it reached.
        bound: Nanos,
    },
}

/// What the guard says after a look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// Go on.
    Continue,
    /// Take the setting back now.
    Abort(Abort),
}

/// What a control slice left behind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    log_mean: f64,
    /// The deviation from the reference as it was then; `None` for the first slice.
    deviation: Option<f64>,
    /// Relative variance of one latency, inflated by what makes neighbours alike.
    dispersion: Option<f64>,
    /// The longest age seen in flight.
    oldest: Nanos,
}

/// Slices that were aborted, and for how long they had been in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violations {
    /// Aborted slices.
    pub count: u64,
    /// How long their settings were in force, from the start of the slice until they were taken back.
    pub time: Nanos,
}

/// The guard of one device: what it knows of control slices, and the violations so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    config: GuardConfig,
    memory: VecDeque<Remembered>,
    violations: Violations,
}

impl Guard {
    /// A guard that has seen nothing.
    ///
    /// # Errors
    /// Where a setting is out of its range.
    pub fn new(config: GuardConfig) -> Result<Self, TrialError> {
        let GuardConfig { false_aborts, harm, memory, reference, expected_noise, .. } = config;
        for (setting, found, fine, expected) in [
            (
                "false_aborts",
                false_aborts,
                false_aborts > 0.0 && false_aborts < 1.0,
                "a share above 0 and below 1",
            ),
            ("harm", harm, harm.is_finite() && harm > 1.0, "a factor above 1"),
            ("memory", f64::from(memory), memory > 0, "at least 1"),
            ("reference", f64::from(reference), reference > 0, "at least 1"),
            ("expected_noise", expected_noise, expected_noise.is_finite() && expected_noise > 0.0, "above 0"),
        ] {
            if !fine {
                return Err(TrialError::Config { setting, found, expected });
            }
        }
        Ok(Self { config, memory: VecDeque::new(), violations: Violations::default() })
    }

    /// Begins a slice of either arm. Before the first control slice was [learned](Self::learn) there is nothing to
    /// compare with, and no slice is aborted: measure the control first.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch { bounds: self.bounds(), seen: Seen::default() }
    }

    /// Learns from a control slice that is over. Slices of a child teach nothing.
    pub fn learn(&mut self, slice: &Watch) {
        let Some(log_mean) = slice.seen.worst_log_mean_at_end() else { return };
        let deviation = self.reference().map(|reference| log_mean - reference);
        let dispersion = slice.seen.dispersion();
        if self.memory.len() >= self.config.memory as usize {
            self.memory.pop_front();
        }
        self.memory.push_back(Remembered { log_mean, deviation, dispersion, oldest: slice.seen.oldest });
    }

    /// Counts an aborted slice that was in force for `time`.
    pub fn violated(&mut self, time: Nanos) {
        self.violations.count += 1;
        self.violations.time += time;
    }

    /// Forgets the control slices, as after a change of workload; the violations stay counted.
    pub fn forget(&mut self) {
        self.memory.clear();
    }

    /// Violations so far.
    #[must_use]
    pub const fn violations(&self) -> Violations {
        self.violations
    }

    /// How many control slices it compares with.
    #[must_use]
    pub fn control_slices(&self) -> usize {
        self.memory.len()
    }

    /// The log mean latency of the last control slices.
    fn reference(&self) -> Option<f64> {
        let last = self.memory.iter().rev().take(self.config.reference as usize);
        median(&mut last.map(|slice| slice.log_mean).collect::<Vec<_>>())
    }

    fn bounds(&self) -> Option<Bounds> {
        let reference = self.reference()?;
        let deviations = || self.memory.iter().filter_map(|slice| slice.deviation);
        let squares: f64 = deviations().map(|deviation| deviation.powi(2)).sum();
        let count = deviations().count() as f64;
        let prior = PRIOR_SLICES * self.config.expected_noise.powi(2);
        let dispersions = || self.memory.iter().filter_map(|slice| slice.dispersion);
        let dispersion = (dispersions().sum::<f64>() + PRIOR_SLICES * EXPECTED_DISPERSION)
            / (dispersions().count() as f64 + PRIOR_SLICES);
        let longest = self.memory.iter().map(|slice| slice.oldest).max().unwrap_or(Nanos::ZERO);
        let each = self.config.false_aborts / 2.0;
        // 1/(1 + n·f²) = each.
        let factor = ((1.0 / each - 1.0) / self.memory.len() as f64).sqrt().max(LEAST_AGE_FACTOR);
        let age = Nanos((longest.0 as f64 * factor) as u64).max(self.config.least_age);
        Some(Bounds {
            reference,
            between_slices: (squares + prior) / (count + PRIOR_SLICES),
            dispersion,
            seen: deviations().fold(0.0, f64::max) * BEYOND_SEEN,
            harm: self.config.harm.ln(),
            evidence: -each.ln(),
            age,
        })
    }
}

/// What a slice is held to; fixed when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Bounds {
    reference: f64,
    /// τ².
    between_slices: f64,
    /// φ.
    dispersion: f64,
    /// Beyond what control slices have shown.
    seen: f64,
    harm: f64,
    evidence: f64,
    age: Nanos,
}

impl Bounds {
    /// The log ratio that aborts a slice after `count` latencies: where h·y/v − h²/2v = evidence.
    fn log_ratio(&self, count: f64) -> f64 {
        let within = self.dispersion / count.max(1.0);
        let variance = self.between_slices + within;
        (self.harm / 2.0 + self.evidence * variance / self.harm).max(self.seen + 2.0 * within.sqrt())
    }
}

/// What was seen in a slice so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    completed: u64,
    sum_ns: f64,
    /// Σ (sum of a batch)² / its count.
    squares: f64,
    batches: u32,
    in_flight: InFlight,
    oldest: Nanos,
}

impl Seen {
    fn take(&mut self, batch: &Batch) {
        self.in_flight = batch.in_flight;
        self.oldest = self.oldest.max(batch.in_flight.oldest);
        if batch.completed > 0 {
            let sum = batch.latency_sum.0 as f64;
            self.completed = self.completed.saturating_add(batch.completed);
            self.sum_ns += sum;
            self.squares += sum * sum / batch.completed as f64;
            self.batches += 1;
            // A batch cannot hold a completion longer than its mean without one that waited so long.
            self.oldest = self.oldest.max(Nanos(batch.latency_sum.0 / batch.completed));
        }
    }

    fn worst_log_mean_at_end(&self) -> Option<f64> {
        mean_with_ages(self.completed, self.sum_ns, self.in_flight).map(|mean| mean.max(1.0).ln())
    }

    /// φ: Σ cᵢ(mᵢ/M − 1)² / (k − 1) over batches of cᵢ completions with means mᵢ.
    fn dispersion(&self) -> Option<f64> {
        if self.batches < 2 || self.sum_ns <= 0.0 {
            return None;
        }
        let mean = self.sum_ns / self.completed as f64;
        let sum = self.squares / (mean * mean) - self.completed as f64;
        Some(sum.max(0.0) / f64::from(self.batches - 1))
    }
}

/// A slice under watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    bounds: Option<Bounds>,
    seen: Seen,
}

impl Watch {
    /// Looks at a batch. For a control slice the judgement is of no consequence.
    pub fn look(&mut self, batch: &Batch) -> Judgement {
        self.seen.take(batch);
        let Some(bounds) = &self.bounds else { return Judgement::Continue };
        let oldest = batch.in_flight.oldest;
        if oldest > bounds.age {
            return Judgement::Abort(Abort::Age { oldest, bound: bounds.age });
        }
        let Some(log_mean) = self.seen.worst_log_mean_at_end() else { return Judgement::Continue };
        let (log_ratio, bound) = (log_mean - bounds.reference, bounds.log_ratio(self.seen.completed as f64));
        if log_ratio > bound {
            return Judgement::Abort(Abort::Latency { ratio: log_ratio.exp(), bound: bound.exp() });
        }
        Judgement::Continue
    }
}
