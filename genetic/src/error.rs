//! What the genetic library refuses.

use crate::{ConfigError, Constraint};

/// Genes that make no space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// Nothing to breed.
    #[error("found no genes, expected at least one")]
    Empty,
    /// A name stands for two genes.
    #[error("gene {name}: found twice, expected once")]
    Twice {
        /// The name.
        name: String,
    },
    /// A scale holds no values.
    #[error("gene {name}: {fault}")]
    Scale {
        /// The gene.
        name: String,
        /// What was found and what was expected.
        fault: String,
    },
    /// A default or known-good value is no allele.
    #[error("gene {name}: found {what} {found}, expected a value of {expected}")]
    OutOfRange {
        /// The gene.
        name: String,
        /// "default" or "known-good value".
        what: &'static str,
        /// That value.
        found: u64,
        /// Its alleles.
        expected: String,
    },
    /// A constraint names a gene that is not there, the same gene twice, or one without an order.
    #[error("constraint {constraint:?}: expected two different genes of {genes} on linear or log scales")]
    BadConstraint {
        /// The constraint.
        constraint: Constraint,
        /// How many genes there are.
        genes: usize,
    },
    /// Nothing satisfies the constraints.
    #[error("gene {name}: its largest value is {max}, but the constraints want at least {least}")]
    Unsatisfiable {
        /// The gene.
        name: String,
        /// Its largest value.
        max: u64,
        /// What the constraints want.
        least: u64,
    },
}

/// A genome that does not belong to a space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenomeError {
    /// It has too few or too many genes.
    #[error("found {found} genes, expected {expected}")]
    Length {
        /// How many it has.
        found: usize,
        /// How many the space has.
        expected: usize,
    },
    /// A gene has no such allele.
    #[error("gene {name}: found {found}, expected a value of {expected}")]
    OutOfRange {
        /// The gene.
        name: String,
        /// Its value.
        found: u64,
        /// Its alleles.
        expected: String,
    },
    /// Two genes contradict a constraint.
    #[error("found {low} = {low_value} above {high} = {high_value}, expected {low} ≤ {high}")]
    Constraint {
        /// The gene that is too large.
        low: String,
        /// Its value.
        low_value: u64,
        /// The gene that is too small.
        high: String,
        /// Its value.
        high_value: u64,
    },
}

/// A request that the population cannot follow, or a stored one that is not whole.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PoolError {
    /// A number of the strategy.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No such child.
    #[error("found child {found}, expected one below {children}")]
    NoSuchChild {
        /// The child that was asked for.
        found: usize,
        /// How many there are.
        children: usize,
    },
    /// No such phenotype.
    #[error("found phenotype {found}, expected one below {phenotypes}")]
    NoSuchPhenotype {
        /// The phenotype that was asked for.
        found: usize,
        /// How many there are.
        phenotypes: usize,
    },
    /// The genome does not belong to the space.
    #[error("genome: {0}")]
    Genome(#[from] GenomeError),
    /// The stored state contradicts itself.
    #[error("stored population: {key}: found {found}, expected {expected}")]
    Stored {
        /// Which part.
        key: &'static str,
        /// What it says.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// The only gene cannot be retired.
    #[error("gene {name}: found no other gene, expected at least one to remain")]
    LastGene {
        /// The gene.
        name: String,
    },
}
