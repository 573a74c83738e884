//! The genetic library: it breeds settings and remembers the ones that worked. It knows no disks.
//!
//! A [`GeneSpec`] describes one knob in the knob's own [`Scale`]; a [`Space`] is all of them with the
//! [`Constraint`]s between them; a [`Genome`] is one value for each. [`Moilanen`] is the strategy of the
//! genetic library and of *I/O Workload Fingerprinting in the Genetic-Library* (OLS 2006): eight children to a
//! generation, the lower half dropped, survivors paired, offspring crossed and mutated at an adaptive rate.
//!
//! The [`Library`] keeps the top genes of every fingerprint on every device under every scheduler;
//! [`Reintroduction`] says when they go back in force: on a change of fingerprint, and only then. [`end_generation`]
//! and [`change_now`] put the three together in the published order.
//!
//! A [`Surrogate`] tells from comparisons that were made what others would come to.
//!
//! Everything is deterministic under a seed, and the whole state can be stored and taken up again.
//!
//! ```
//! use genetic::{Fitness, GeneSpec, Moilanen, MoilanenConfig, Scale, Space};
//!
//! let space = Space::new(
//!     vec![GeneSpec::new("fifo_batch", Scale::Log { min: 1, max: 128 }, 16)],
//!     Vec::new(),
//! )?;
//! let mut pool = Moilanen::new(space, MoilanenConfig::default(), 42)?;
//! for _ in 0..20 {
//!     while let Some(child) = pool.next_child() {
//!         let batch = pool.children()[child].genome().0[0];
//!         pool.record(child, Fitness::new(1.0 / batch as f64)?)?;
//!     }
//!     pool.finish_generation();
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]

mod breed;
mod child;
mod cholesky;
mod config;
mod error;
mod exchange;
mod fitness;
mod gene;
mod library;
mod mean;
mod moilanen;
mod reintroduction;
mod report;
mod round;
mod space;
mod surrogate;

pub use child::Child;
pub use config::{ConfigError, Crossover, FirstSpread, MoilanenConfig, Mutation};
pub use error::{GenomeError, PoolError, SpaceError};
pub use exchange::{
    Conflict, ExchangeEntry, ExchangeFile, ImportError, Imported, Provenance, SCHEMA, SCHEMA_VERSION,
};
pub use fitness::{Fitness, FitnessScale, NotANumber, general_fitness};
pub use gene::{GeneSpec, Scale, paper_range};
pub use library::{DEFAULT_DECAY, Key, Library, LibraryConfig, LibraryError, Observed, Recall, TopGenes};
pub use mean::mean_genes;
pub use moilanen::Moilanen;
pub use reintroduction::{Reintroduce, Reintroduction, When};
pub use report::{Best, Bred, GenerationReport};
pub use round::{Injected, Round, change_now, end_generation};
pub use space::{Constraint, Genome, Space};
pub use surrogate::{Belief, Comparison, Noise, Surrogate};
