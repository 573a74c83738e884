//! What a trial refuses.

use crate::Arm;

/// A figure that is no score.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// NaN or infinite.
    #[error("{what}: found {found}, expected a finite number")]
    NotFinite {
        /// What was measured.
        what: &'static str,
        /// The figure.
        found: f64,
    },
    /// Zero or negative where a logarithm is taken.
    #[error("{what}: found {found}, expected a number above zero")]
    NotPositive {
        /// What was measured.
        what: &'static str,
        /// The figure.
        found: f64,
    },
}

/// A trial that was configured or driven wrongly.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrialError {
    /// A setting of the trial is out of its range.
    #[error("{setting}: found {found}, expected {expected}")]
    Config {
        /// Which one.
        setting: &'static str,
        /// Its value.
        found: f64,
        /// The range.
        expected: &'static str,
    },
    /// Something was recorded after the verdict.
    #[error("found a slice recorded after the trial had ended, expected none")]
    Ended,
    /// Only the child's settings are under guard.
    #[error("found a slice of the {found} arm aborted by the guard, expected one of the child arm only")]
    AbortedControl {
        /// The arm that was due.
        found: Arm,
    },
}
