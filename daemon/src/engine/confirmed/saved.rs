//! What is kept over a restart, and what others may read of it.

use super::gain::GainWatch;
use super::{Chapter, Confirmation, Confirmed, Incumbent};
use crate::config::Config;
use genetic::Space;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trials::{Estimate, TrialConfig, Violations, VoidCounts};

/// Whether a confirmed setting still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is put in force whenever its fingerprint returns.
    Confirmed,
    /// Its gain is gone: the default is in force.
    Lapsed,
    /// Nothing is confirmed yet.
    Nothing,
}

/// What is known for one fingerprint, as the store has it for whoever asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfirmedEntry {
    /// Whether a setting is confirmed.
    pub standing: Standing,
    /// How it was confirmed; `None` where nothing ever was.
    pub confirmation: Option<Confirmation>,
    /// The gain over the default as it is known now (for what lapsed, in the end), in logs.
    pub over_default: Option<Estimate>,
    /// The logarithm of the gain over the default that the confirmation came to.
    pub confirmed_gain: f64,
    /// Campaigns that were begun.
    pub campaigns: u64,
    /// Trials that ended.
    pub trials: u64,
    /// Settings that were promoted.
    pub promotions: u64,
    /// All slices under this fingerprint.
    pub slices: VoidCounts,
    /// What the guard took back.
    pub violations: Violations,
    /// The share of the time that the default had beside an incumbent.
    pub default_share: Option<f64>,
}

impl ConfirmedEntry {
    fn of(chapter: &Chapter) -> Self {
        let (standing, confirmation, over_default, confirmed_gain) =
            match (&chapter.incumbent, chapter.lapsed.last()) {
                (Some(incumbent), _) => (
                    Standing::Confirmed,
                    Some(incumbent.confirmation.clone()),
                    incumbent.over_default(),
                    incumbent.watch.confirmed(),
                ),
                (None, Some(lapsed)) => {
                    (Standing::Lapsed, Some(lapsed.confirmation.clone()), lapsed.estimate, 0.0)
                }
                (None, None) => (Standing::Nothing, None, None, 0.0),
            };
        Self {
            standing,
            confirmation,
            over_default,
            confirmed_gain,
            campaigns: chapter.campaigns,
            trials: chapter.trials,
            promotions: chapter.promotions,
            slices: chapter.slices,
            violations: chapter.violations,
            default_share: chapter.default_time.share(),
        }
    }
}

/// What a search goes on from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// By fingerprint.
    pub chapters: BTreeMap<String, Chapter>,
}

impl Saved {
    /// The same with what is confirmed and stands in no chapter: the state of the search was lost, or never there.
    #[must_use]
    pub fn with_confirmed(
        mut self,
        entries: impl IntoIterator<Item = (String, ConfirmedEntry)>,
        space: &Space,
        config: &Config,
        seed: u64,
    ) -> Self {
        for (class, entry) in entries {
            let (Standing::Confirmed, Some(confirmation)) = (entry.standing, entry.confirmation) else {
                continue;
            };
            if self.chapters.contains_key(&class) {
                continue;
            }
            let Ok(mut chapter) = Chapter::new(space.clone(), config, seed) else { continue };
            let noise = TrialConfig::default().expected_noise;
            let objective = config.objective.of_trials();
            let watch = GainWatch::new(objective, noise, entry.confirmed_gain, seed);
            chapter.incumbent = Some(Incumbent { confirmation, watch });
            (chapter.slices, chapter.violations) = (entry.slices, entry.violations);
            (chapter.campaigns, chapter.trials, chapter.promotions) =
                (entry.campaigns, entry.trials, entry.promotions);
            self.chapters.insert(class, chapter);
        }
        self
    }

    /// The chapters, as far as they are about the same genes: what is bred and tried means nothing to others, but a
    /// confirmed setting stays.
    pub(super) fn chapters_for(self, space: &Space) -> BTreeMap<String, Chapter> {
        self.chapters
            .into_iter()
            .map(|(class, mut chapter)| {
                if chapter.brood.space() != space {
                    chapter.running = None;
                    chapter.brood = chapter.brood.over(space.clone());
                }
                (class, chapter)
            })
            .collect()
    }
}

impl Confirmed {
    /// What to keep.
    #[must_use]
    pub fn saved(&self) -> Saved {
        Saved { chapters: self.chapters.clone() }
    }

    /// What is known, by fingerprint.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<String, ConfirmedEntry> {
        self.chapters.iter().map(|(class, chapter)| (class.clone(), ConfirmedEntry::of(chapter))).collect()
    }
}
