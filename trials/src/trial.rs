//! One setting against another, pair by pair, until there is a verdict.

use crate::estimate::{ConfidenceSequence, Estimate, centre};
use crate::evidence::{Scaled, Side, log_evidence, prospect};
use crate::pair::OpenPair;
use crate::quantile::{PooledTail, TailPool};
use crate::{
    Abort, Arm, Coin, Contrast, Objective, Scale, SliceScore, TailLevel, TrialError, Void, VoidCounts,
};
use serde::{Deserialize, Serialize};

/// When a trial without a prospect is given up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Futility {
    /// From how many pairs on.
    pub after_pairs: u32,
    /// Below which centre of the log ratios.
    pub below: f64,
}

/// Evidence may come faster than it did, but a trial is given up where it would have to come this much faster to be enough
/// within the cap. Giving up is never evidence, so that α holds however it is decided.
const PACE_GRANTED: f64 = 5.0;

/// How a trial goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialConfig {
    /// What is to be improved.
    pub objective: Objective,
    /// The probability of calling a setting better that is not, above 0 and below 1.
    pub alpha: f64,
    /// The probability that the limits of the estimate miss the truth, above 0 and below 1.
    pub interval_error: f64,
    /// The pairs after which it ends in any case.
    pub max_pairs: u32,
    /// When it is given up earlier; `None` where the size of the effect is wanted in any case.
    pub futility: Option<Futility>,
    /// The log ratio below which a difference does not matter: with both limits inside, the trial ends.
    pub margin: f64,
    /// The standard deviation of a log ratio that is expected before any was measured.
    pub expected_noise: f64,
}

/// ln 1.01: differences below 1 % do not matter.
const ONE_PER_CENT: f64 = 0.009_950_330_853_168_083;

impl Default for TrialConfig {
    /// α 5 %, 95 % limits, at most 60 pairs, given up after 12 below 1 %, noise of 10 %.
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            alpha: 0.05,
            interval_error: 0.05,
            max_pairs: 60,
            futility: Some(Futility { after_pairs: 12, below: ONE_PER_CENT }),
            margin: ONE_PER_CENT,
            expected_noise: 0.1,
        }
    }
}

impl TrialConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn check(&self) -> Result<(), TrialError> {
        let share = |found: f64| found > 0.0 && found < 1.0;
        let positive = |found: f64| found.is_finite() && found > 0.0;
        let expected = "a probability above 0 and below 1";
        for (setting, found, fine, expected) in [
            ("alpha", self.alpha, share(self.alpha), expected),
            ("interval_error", self.interval_error, share(self.interval_error), expected),
            ("max_pairs", f64::from(self.max_pairs), self.max_pairs > 0, "at least 1"),
            ("margin", self.margin, positive(self.margin), "a log ratio above 0"),
            ("expected_noise", self.expected_noise, positive(self.expected_noise), "a log ratio above 0"),
        ] {
            if !fine {
                return Err(TrialError::Config { setting, found, expected });
            }
        }
        Ok(())
    }
}

/// What came of a slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was measured.
    Measured(SliceScore),
    /// It must not be scored.
    Void(Void),
    /// The guard took the child's settings back.
    Aborted(Abort),
}

/// Why a trial ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undecided {
    /// A gain above the margin, or a verdict within the cap on pairs, is not in prospect.
    Futile,
    /// The cap on pairs was reached.
    Capped,
    /// Most pairs were void or said nothing about the objective.
    TooLittleTold,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The child is better, at the trial's α.
    Better,
    /// The child is worse, at the trial's α.
    Worse,
    /// Both limits lie within the margin.
    NoDifference,
    /// Neither was shown.
    Undecided(Undecided),
    /// The guard took the child's settings back: there is no trial to go on with.
    Violated(Abort),
}

/// What a slice brought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The other slice of the pair is due.
    HalfPair,
    /// A slice was void: its pair starts again.
    PairVoid(Void),
    /// The pair says nothing about the objective, and why; it is not counted.
    PairSilent(crate::Silence),
    /// A pair was counted.
    Paired(Contrast),
    /// It is over.
    Ended(Verdict),
}

/// A pair must be void or silent so many times the cap before a trial gives up.
const PATIENCE: u64 = 2;

/// One setting against another: ask [`next`](Self::next) whose slice is due, measure it, [`record`](Self::record)
/// it. The state is plain data: stored and taken up again it goes on as if nothing had happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    config: TrialConfig,
    coin: Coin,
    open: OpenPair,
    scale: Scale,
    pairs: Vec<Scaled>,
    limits: ConfidenceSequence,
    level: Option<TailLevel>,
    pool: TailPool,
    voids: VoidCounts,
    /// Pairs that were void or said nothing.
    lost_pairs: u64,
    verdict: Option<Verdict>,
}

impl Trial {
    /// A trial on its own, as `ab` runs it.
    ///
    /// # Errors
    /// Where a setting is out of its range.
    pub fn new(config: TrialConfig, seed: u64) -> Result<Self, TrialError> {
        Self::after(config, Coin::new(seed, 0), Scale::new(config.expected_noise))
    }

    /// A trial that knows the noise of earlier pairs.
    ///
    /// # Errors
    /// Where a setting is out of its range.
    pub fn after(config: TrialConfig, coin: Coin, scale: Scale) -> Result<Self, TrialError> {
        config.check()?;
        Ok(Self {
            open: OpenPair::new(coin.first_of(0)),
            limits: ConfidenceSequence::new(config.interval_error),
            config,
            coin,
            scale,
            pairs: Vec::new(),
            level: None,
            pool: TailPool::default(),
            voids: VoidCounts::default(),
            lost_pairs: 0,
            verdict: None,
        })
    }

    /// Whose slice is due; `None` after the verdict.
    #[must_use]
    pub const fn next(&self) -> Option<Arm> {
        if self.verdict.is_some() { None } else { Some(self.open.due()) }
    }

    /// Takes what came of the slice that was due.
    ///
    /// # Errors
    /// After the verdict, and for an abort of the control arm, which is not under guard.
    pub fn record(&mut self, outcome: Outcome) -> Result<Step, TrialError> {
        let due = self.next().ok_or(TrialError::Ended)?;
        match outcome {
            Outcome::Void(void) => {
                self.voids.count(void);
                self.open.start_again();
                Ok(self.lose(Step::PairVoid(void)))
            }
            Outcome::Aborted(_) if due == Arm::Control => Err(TrialError::AbortedControl { found: due }),
            Outcome::Aborted(abort) => Ok(self.end(Verdict::Violated(abort))),
            Outcome::Measured(score) => {
                self.voids.measured += 1;
                let Some(both) = self.open.record(score) else { return Ok(Step::HalfPair) };
                let contrast = self.config.objective.contrast(&both.child, &both.control, self.level);
                let contrast = match contrast {
                    Ok(contrast) => contrast,
                    Err(silence) => return Ok(self.lose(Step::PairSilent(silence))),
                };
                if let (Some(child), Some(control)) = (&both.child.reads, &both.control.reads) {
                    self.pool.add(child, control);
                }
                Ok(self.count(contrast))
            }
        }
    }

    /// Counts a pair and looks whether that decides.
    fn count(&mut self, contrast: Contrast) -> Step {
        if self.config.objective == Objective::Tail {
            self.level = self.level.or(contrast.tail);
        }
        self.pairs.push(Scaled { log_ratio: contrast.log_ratio, scale: self.scale.get() });
        self.scale.add(contrast.log_ratio);
        self.limits.update(&self.pairs);
        self.open = OpenPair::new(self.coin.first_of(self.pair_count()));
        match self.judge() {
            Some(verdict) => self.end(verdict),
            None => Step::Paired(contrast),
        }
    }

    fn judge(&self) -> Option<Verdict> {
        let needed = -self.config.alpha.ln();
        if self.log_evidence(Side::Above) >= needed {
            return Some(Verdict::Better);
        }
        if self.log_evidence(Side::Below) >= needed {
            return Some(Verdict::Worse);
        }
        if let (Some(lower), Some(upper)) = (self.limits.lower(), self.limits.upper())
            && lower >= -self.config.margin
            && upper <= self.config.margin
        {
            return Some(Verdict::NoDifference);
        }
        if let Some(futility) = self.config.futility
            && self.pair_count() >= futility.after_pairs
            && (self.centre().is_some_and(|centre| centre < futility.below) || self.is_out_of_reach(needed))
        {
            return Some(Verdict::Undecided(Undecided::Futile));
        }
        (self.pair_count() >= self.config.max_pairs).then_some(Verdict::Undecided(Undecided::Capped))
    }

    fn is_out_of_reach(&self, needed: f64) -> bool {
        let left = self.config.max_pairs.saturating_sub(self.pair_count());
        prospect(&self.pairs, left, PACE_GRANTED, Side::Above) < needed
    }

    /// A pair was lost; too many of them end the trial.
    fn lose(&mut self, step: Step) -> Step {
        self.lost_pairs += 1;
        if self.lost_pairs > PATIENCE * u64::from(self.config.max_pairs) {
            return self.end(Verdict::Undecided(Undecided::TooLittleTold));
        }
        step
    }

    const fn end(&mut self, verdict: Verdict) -> Step {
        self.verdict = Some(verdict);
        Step::Ended(verdict)
    }

    fn centre(&self) -> Option<f64> {
        let log_ratios: Vec<f64> = self.pairs.iter().map(|pair| pair.log_ratio).collect();
        centre(&log_ratios)
    }

    fn pair_count(&self) -> u32 {
        u32::try_from(self.pairs.len()).unwrap_or(u32::MAX)
    }

    /// ln E for the child being better ([`Side::Above`]) or worse; at −ln α there is a verdict.
    #[must_use]
    pub fn log_evidence(&self, side: Side) -> f64 {
        log_evidence(&self.pairs, 0.0, side)
    }

    /// How large the effect is so far; `None` before the first pair.
    #[must_use]
    pub fn estimate(&self) -> Option<Estimate> {
        Some(Estimate {
            log_ratio: self.centre()?,
            lower: self.limits.lower(),
            upper: self.limits.upper(),
            pairs: self.pair_count(),
        })
    }

    /// The verdict; `None` while the trial goes on.
    #[must_use]
    pub const fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Whether a slice was recorded, of whatever kind.
    pub(crate) fn has_begun(&self) -> bool {
        self.voids != VoidCounts::default() || self.verdict.is_some()
    }

    /// The pairs counted so far, each with the scale that was known before it.
    #[must_use]
    pub fn pairs(&self) -> &[Scaled] {
        &self.pairs
    }

    /// The tail of the reads of both arms over all counted pairs; `None` where there were none.
    #[must_use]
    pub fn tail(&self) -> Option<PooledTail> {
        self.pool.tail()
    }

    /// How many slices were measured and how many void.
    #[must_use]
    pub const fn voids(&self) -> VoidCounts {
        self.voids
    }

    /// What was learned of the noise, for the next trial.
    #[must_use]
    pub fn into_scale(mut self) -> Scale {
        self.scale.next_child();
        self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a trial ends whose pair `n` has the log ratio `ratio(n)`, and after how many pairs.
    fn end_of(config: TrialConfig, ratio: impl Fn(u32) -> f64) -> (Verdict, u32) {
        let mut trial = Trial::new(TrialConfig { objective: Objective::Throughput, ..config }, 3).unwrap();
        while let Some(arm) = trial.next() {
            let log = if arm == Arm::Child { ratio(trial.pair_count()) } else { 0.0 };
            trial.record(Outcome::Measured(SliceScore::of_rate(log.exp()).unwrap())).unwrap();
        }
        (trial.verdict().unwrap(), trial.pair_count())
    }

    /// Up and down by a tenth about a centre.
    fn about(centre: f64) -> impl Fn(u32) -> f64 {
        move |pair| centre + if pair.is_multiple_of(2) { 0.1 } else { -0.1 }
    }

    #[test]
    fn a_trial_that_cannot_come_to_a_verdict_within_its_cap_is_given_up() {
        let (verdict, pairs) = end_of(TrialConfig::default(), about(0.015));
        assert_eq!(verdict, Verdict::Undecided(Undecided::Futile));
        assert!(pairs < 20, "{pairs} pairs of at most 60");
        let patient = TrialConfig { futility: None, ..TrialConfig::default() };
        assert_eq!(end_of(patient, about(0.015)).1, 60, "where the size of the effect is wanted in any case");
    }

    #[test]
    fn a_gain_that_only_needs_time_gets_it() {
        let (verdict, pairs) = end_of(TrialConfig::default(), about(0.06));
        assert_eq!(verdict, Verdict::Better);
        assert!(pairs > 12, "{pairs}: it was not given up when that was first asked");
    }
}
