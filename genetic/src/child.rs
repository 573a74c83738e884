//! One child and its scores.

use crate::{Fitness, Genome};
use serde::{Deserialize, Serialize};

/// One child of the running generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Child {
    pub(crate) genome: Genome,
    /// One place to a phenotype.
    pub(crate) scores: Vec<Option<Fitness>>,
    pub(crate) void: bool,
}

impl Child {
    pub(crate) fn new(genome: Genome, phenotypes: usize) -> Self {
        Self { genome, scores: vec![None; phenotypes], void: false }
    }

    /// Its genes.
    #[must_use]
    pub const fn genome(&self) -> &Genome {
        &self.genome
    }

    /// The scores that it has so far, one place to a phenotype.
    #[must_use]
    pub fn scores(&self) -> &[Option<Fitness>] {
        &self.scores
    }

    /// Whether its slice must not be scored.
    #[must_use]
    pub const fn is_void(&self) -> bool {
        self.void
    }

    /// All scores, once every phenotype has given one.
    pub(crate) fn scored(&self) -> Option<Vec<Fitness>> {
        self.scores.iter().copied().collect()
    }
}
