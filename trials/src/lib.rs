//! Paired, sequential, guarded trials of one setting against another.
//!
//! A [`Trial`] says whose slice is due, takes what was measured, and ends with a [`Verdict`] and an [`Estimate`]
//! whose limits hold whenever one stops. A [`Campaign`] races many candidates and confirms the best in trials on
//! fresh pairs, so that a lucky slice promotes nothing. A [`Guard`] watches each slice and takes a harmful setting
//! back inside it. [`SliceScore`] makes scores of what was measured in a [`Slice`].
//!
//! The room has no kernel and no clock; it is deterministic under a seed, and all its state can be stored and taken
//! up again. `ab`, `advise` and the control loop run the same code. The theory is at the head of each file:
//! `evidence.rs` for the test, `estimate.rs` for the limits, `guard.rs` for the guard.
//!
//! ```
//! use trials::{Arm, Objective, Outcome, SliceScore, Trial, TrialConfig, Verdict};
//!
//! let config = TrialConfig { objective: Objective::Throughput, ..TrialConfig::default() };
//! let mut trial = Trial::new(config, 42)?;
//! while let Some(arm) = trial.next() {
//!     // Put the arm's settings in force, let them settle, measure for a slice. Here: a child 30 % faster.
//!     let bytes_per_second = if arm == Arm::Child { 130e6 } else { 100e6 };
//!     trial.record(Outcome::Measured(SliceScore::of_rate(bytes_per_second)?))?;
//! }
//! assert_eq!(trial.verdict(), Some(Verdict::Better));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]

mod campaign;
mod error;
mod estimate;
mod evidence;
mod guard;
mod pair;
mod quantile;
mod race;
mod scale;
mod score;
pub mod simulation;
mod slice;
mod trial;
mod trust;

pub use campaign::{Campaign, CampaignConfig, CampaignEnd, Due, Tried, nominee_alpha};
pub use error::{ScoreError, TrialError};
pub use estimate::{ConfidenceSequence, Estimate, centre};
pub use evidence::{BETS, CLIP, Scaled, Side, log_evidence, log_gain};
pub use guard::{Abort, Batch, Guard, GuardConfig, Judgement, Violations, Watch};
pub use pair::{Arm, Coin};
pub use quantile::{PooledTail, READS_FOR_P90, READS_FOR_P99, TailLevel, TailPool};
pub use race::{RaceConfig, Raced};
pub use scale::Scale;
pub use score::{Contrast, LogScore, Objective, Part, Saturation, Silence, SliceScore};
pub use slice::{InFlight, Slice, Void, VoidCounts};
pub use trial::{Futility, Outcome, Step, Trial, TrialConfig, Undecided, Verdict};
pub use trust::{BackOff, TrustRegion};
