//! What is in force for a fingerprint, and why.

use super::gain::GainWatch;
use crate::engine::event::Against;
use crate::engine::settings_by_name;
use block_types::Settings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trials::{Estimate, VoidCounts};

/// How a setting was confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Its genes, by name.
    pub genes: BTreeMap<String, u64>,
    /// What it was compared with.
    pub control: BTreeMap<String, u64>,
    /// Whether that was the default.
    pub against: Against,
    /// The effect against the control, in logs.
    pub estimate: Option<Estimate>,
    /// ln of the evidence that it is better.
    pub log_evidence: f64,
    /// The α that it was tried at.
    pub alpha: f64,
    /// Slices of its trial.
    pub slices: VoidCounts,
    /// When, ms since 1970.
    pub unix_ms: u64,
}

impl Confirmation {
    /// As settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        settings_by_name(&self.genes)
    }
}

/// A confirmed setting that is in force whenever its fingerprint is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incumbent {
    /// How it was confirmed.
    pub confirmation: Confirmation,
    /// What it gains over the default.
    pub watch: GainWatch,
}

impl Incumbent {
    /// The gain over the default: what recent pairs say, else, where it was tried against the default, what its trial
    /// said; `None` where it was tried against an earlier incumbent and no pair with the default was measured yet.
    #[must_use]
    pub fn over_default(&self) -> Option<Estimate> {
        self.watch.estimate().filter(|estimate| estimate.lower.is_some()).or_else(|| {
            match self.confirmation.against {
                Against::Default => self.confirmation.estimate,
                Against::Incumbent => self.watch.estimate(),
            }
        })
    }
}

/// A setting that was confirmed once and whose gain is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lapsed {
    /// How it had been confirmed.
    pub confirmation: Confirmation,
    /// What the recent pairs with the default said in the end, in logs.
    pub estimate: Option<Estimate>,
    /// When it lapsed, ms since 1970.
    pub unix_ms: u64,
}
