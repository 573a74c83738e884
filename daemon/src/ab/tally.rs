//! What is kept of slices and pairs while a comparison goes on.

use block_types::{LatencyHistogram, Nanos};
use serde::Serialize;
use trials::{Arm, Contrast, Estimate, Slice};

/// One counted pair, and how things stand after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairRow {
    /// Counted from 1.
    pub pair: u32,
    /// Since the beginning, s.
    pub at_s: f64,
    /// By how much the child was better in this pair, per cent.
    pub gain_per_cent: f64,
    /// What that was made of.
    pub made_of: Contrast,
    /// How large the gain is so far, per cent.
    pub gain_so_far_per_cent: f64,
    /// Its lower limit; absent while there are too few pairs for one.
    pub lower_per_cent: Option<f64>,
    /// Its upper limit.
    pub upper_per_cent: Option<f64>,
    /// The evidence that the child is better, as odds: at 1/α there is a verdict.
    pub evidence_better: f64,
    /// The same for worse.
    pub evidence_worse: f64,
}

/// One time that the guard took the child back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TakenBack {
    /// From its being in force until the guard saw the harm.
    pub seen_after_ns: Nanos,
    /// From its being in force until the control's settings were read back.
    pub back_after_ns: Nanos,
    /// What the guard saw.
    pub why: String,
}

/// A log ratio in per cent.
pub(super) fn per_cent(log_ratio: f64) -> f64 {
    log_ratio.exp_m1() * 100.0
}

impl PairRow {
    pub(super) fn new(at: Nanos, contrast: Contrast, estimate: Estimate, [better, worse]: [f64; 2]) -> Self {
        Self {
            pair: estimate.pairs,
            at_s: at.as_secs_f64(),
            gain_per_cent: per_cent(contrast.log_ratio),
            made_of: contrast,
            gain_so_far_per_cent: per_cent(estimate.log_ratio),
            lower_per_cent: estimate.lower.map(per_cent),
            upper_per_cent: estimate.upper.map(per_cent),
            evidence_better: better.exp(),
            evidence_worse: worse.exp(),
        }
    }
}

/// All measured slices of one arm.
#[derive(Clone, Debug, Default)]
pub struct ArmTotals {
    slices: u64,
    elapsed: Nanos,
    bytes: u128,
    sync: LatencyHistogram,
    reads: LatencyHistogram,
    busy: Nanos,
    queued: Nanos,
    carried: u64,
    drains: Vec<Nanos>,
}

/// The totals of an arm, for people and programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmFigures {
    /// Measured slices.
    pub slices: u64,
    /// Bytes completed a second.
    pub bytes_per_s: Option<f64>,
    /// Mean latency of what somebody waits for, bio to completion.
    pub mean_latency_ns: Option<u64>,
    /// The same of reads, 99th percentile.
    pub read_p99_ns: Option<u64>,
    /// How many reads that rests on.
    pub reads: u64,
    /// Share of the time with a request in flight, 0‥1.
    pub busy_share: Option<f64>,
    /// Mean number of requests in flight.
    pub mean_queue: Option<f64>,
    /// Bios of the other arm that completed in these slices; not scored.
    pub carried_bios: u64,
    /// The longest that putting it in force drained the queue.
    pub longest_drain_ns: Option<u64>,
}

impl ArmTotals {
    pub(super) fn add(&mut self, slice: &Slice, carried: u64) {
        self.slices += 1;
        self.elapsed += slice.elapsed;
        self.bytes += u128::from(slice.completed.0);
        self.sync.add(&slice.sync);
        self.reads.add(&slice.reads);
        self.busy += slice.busy.unwrap_or_default();
        self.queued += slice.queued.unwrap_or_default();
        self.carried += carried;
    }

    pub(super) fn drained(&mut self, drain: Nanos) {
        if drain > Nanos::ZERO {
            self.drains.push(drain);
        }
    }

    /// The totals.
    #[must_use]
    pub fn figures(&self) -> ArmFigures {
        let seconds = self.elapsed.as_secs_f64();
        let share = |time: Nanos| (seconds > 0.0).then(|| time.as_secs_f64() / seconds);
        ArmFigures {
            slices: self.slices,
            bytes_per_s: (seconds > 0.0).then(|| self.bytes as f64 / seconds),
            mean_latency_ns: self.sync.mean().map(|mean| mean.0),
            read_p99_ns: self.reads.quantile(0.99).map(|p99| p99.0),
            reads: self.reads.count(),
            busy_share: share(self.busy).map(|share| share.min(1.0)),
            mean_queue: share(self.queued),
            carried_bios: self.carried,
            longest_drain_ns: self.drains.iter().max().map(|drain| drain.0),
        }
    }
}

/// Both arms.
#[derive(Clone, Debug, Default)]
pub(super) struct Both {
    pub(super) child: ArmTotals,
    pub(super) control: ArmTotals,
}

impl Both {
    pub(super) const fn of(&mut self, arm: Arm) -> &mut ArmTotals {
        match arm {
            Arm::Child => &mut self.child,
            Arm::Control => &mut self.control,
        }
    }
}
