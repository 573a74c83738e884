//! The numbers of the `moilanen` strategy.

use serde::{Deserialize, Serialize};

/// Where the first generation comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstSpread {
    /// Evenly over the range: min + range ⁄ children × index (library).
    #[default]
    Even,
    /// From the known-good genes, the defaults where nothing is known (paper): child 1 has them as they are,
    /// the others after one round of mutation, because eight equal children would teach nothing.
    KnownGood,
}

/// How two parents become two offspring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crossover {
    /// Each gene from either parent, p = ½, for each of the two anew (library v0.2).
    #[default]
    Uniform,
    /// Cut at one point; the second is the complement of the first (library v0.1).
    SinglePointTwins,
}

/// What a mutated gene becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutation {
    /// Any value of the range.
    #[default]
    Uniform,
    /// A value near the old one.
    Iterative {
        /// How far at most, as a share of the range in the knob's own scale; published: 0.29.
        max_share: f64,
    },
}

impl Mutation {
    /// The library's iterative form: up to 29 % of the range.
    pub const ITERATIVE: Self = Self::Iterative { max_share: 0.29 };
}

/// The numbers of the `moilanen` strategy; the defaults are the published ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MoilanenConfig {
    /// Children to a generation, 2‥256.
    pub children: usize,
    /// Share of children × genes that mutate in the first generation.
    pub mutation_initial: f64,
    /// How much it falls when the generation's mean fitness rose, and rises when it fell.
    pub mutation_step: f64,
    /// It never falls below.
    pub mutation_min: f64,
    /// It never rises above.
    pub mutation_max: f64,
    /// Where the first generation comes from.
    pub first_spread: FirstSpread,
    /// How two parents become two offspring.
    pub crossover: Crossover,
    /// What a mutated gene becomes.
    pub mutation: Mutation,
    /// The weight of each phenotype that scores the children; one weight, one phenotype.
    pub weights: Vec<f64>,
}

impl Default for MoilanenConfig {
    fn default() -> Self {
        Self {
            children: 8,
            mutation_initial: 0.15,
            mutation_step: 0.04,
            mutation_min: 0.10,
            mutation_max: 0.45,
            first_spread: FirstSpread::Even,
            crossover: Crossover::Uniform,
            mutation: Mutation::Uniform,
            weights: vec![1.0],
        }
    }
}

/// A number that makes no strategy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{key}: found {found}, expected {expected}")]
pub struct ConfigError {
    /// The field of [`MoilanenConfig`].
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// What is allowed.
    pub expected: &'static str,
}

impl MoilanenConfig {
    /// Checks every number.
    ///
    /// # Errors
    /// [`ConfigError`] for the first that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let bad = |key, found: String, expected| Err(ConfigError { key, found, expected });
        if !(2..=256).contains(&self.children) {
            return bad("children", self.children.to_string(), "2 to 256");
        }
        for (key, share) in [
            ("mutation_initial", self.mutation_initial),
            ("mutation_step", self.mutation_step),
            ("mutation_min", self.mutation_min),
            ("mutation_max", self.mutation_max),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return bad(key, share.to_string(), "a share, 0 to 1");
            }
        }
        if !(self.mutation_min..=self.mutation_max).contains(&self.mutation_initial) {
            return bad(
                "mutation_initial",
                self.mutation_initial.to_string(),
                "between mutation_min and mutation_max",
            );
        }
        if let Mutation::Iterative { max_share } = self.mutation
            && !(max_share > 0.0 && max_share <= 1.0)
        {
            return bad("mutation.iterative.max_share", max_share.to_string(), "a share above 0, at most 1");
        }
        let usable = |weight: &f64| weight.is_finite() && *weight >= 0.0;
        if !(self.weights.iter().all(usable) && self.weights.iter().any(|weight| *weight > 0.0)) {
            return bad("weights", format!("{:?}", self.weights), "weights from 0, at least one above");
        }
        Ok(())
    }
}
