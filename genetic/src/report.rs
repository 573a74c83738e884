//! What a generation came to.

use crate::{Fitness, Genome};
use serde::{Deserialize, Serialize};

/// Whether a generation has descendants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bred {
    /// The next generation descends from this one.
    Yes,
    /// Fewer than half of the children were scored, which is too little to choose by: the next generation has
    /// the same genomes and is scored afresh.
    TooFewScored {
        /// How many were scored.
        scored: usize,
        /// How many it takes.
        needed: usize,
    },
}

/// The best child of a generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its place, from 0.
    pub child: usize,
    /// Its genes.
    pub genome: Genome,
    /// Its fitness: the weighted mean over the phenotypes.
    pub fitness: Fitness,
}

/// What a generation came to. Means are over the children that were scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerationReport {
    /// Its number, from 0.
    pub generation: u64,
    /// The scored children, best first.
    pub ranking: Vec<usize>,
    /// How many were scored.
    pub scored: usize,
    /// How many were void.
    pub voids: usize,
    /// The mean fitness: of several phenotypes the weighted mean of their means, which compares generations
    /// where the phenotypes have one unit. `None` where nobody was scored.
    pub mean_fitness: Option<Fitness>,
    /// The mean fitness of each phenotype; empty where nobody was scored.
    pub phenotype_means: Vec<Fitness>,
    /// The best child.
    pub best: Option<Best>,
    /// The mean of the scored children's genes: what the library remembers.
    pub mean_genes: Option<Genome>,
    /// The mutation rate with which the next generation was bred.
    pub mutation_rate: f64,
    /// Whether it was.
    pub bred: Bred,
    /// Whether the generation was ended before its time.
    pub aborted: bool,
}
