//! Slices of the sweep and of held-out pairs.

use block_types::Settings;
use serde::{Deserialize, Serialize};

/// What a slice was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To see what the knobs do, and to nominate.
    Sweep,
    /// To value what was nominated: data that had no part in choosing.
    HeldOut,
    /// The default on one disk while nothing else runs: does running several at once change what they do?
    Alone,
}

/// One slice of a setting, beside one of the default just before or after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// What ran.
    pub workload: String,
    /// What it was taken for.
    pub purpose: Purpose,
    /// The settings, of the knobs that are genes.
    pub settings: Settings,
    /// Their score: bytes a second.
    pub bytes_per_s: f64,
    /// The default's, in the same pair.
    pub default_bytes_per_s: f64,
    /// Whether the default came first: a coin decided.
    pub default_first: bool,
}

impl Slice {
    /// ln of the settings' performance as a multiple of the default's.
    #[must_use]
    pub fn log_ratio(&self) -> f64 {
        (self.bytes_per_s / self.default_bytes_per_s).ln()
    }
}
