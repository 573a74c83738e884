//! The memory: top genes and top fitness of every fingerprint.

use crate::{Fitness, FitnessScale, Genome, Provenance, Space};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a top fitness keeps in one pass of its workload.
///
/// The paper gives no value. A smaller one forgets a spike sooner, and a good generation too: a lead of `g` on
/// record falls after `ln(1 + g) / −ln(decay)` worse passes. At 0.98 a lead of 20 % outlives the 9 worse passes of
/// a visit of two and a half minutes (16 s a pass), while a spike of twice the true fitness is overtaken within
/// 35 passes and one of 1.3 times within 13.
///
/// `tests/decay.rs` simulates what the genes on record are worth over 300 passes under noise, drift, and a spike
/// in every hundred passes: most at 0.98 in all four worlds that it looks at, within 0.4 % of that from 0.97 to
/// 0.99, 0.5 to 2 % less at 0.9, and 0.6 to 1.7 % less without decay.
pub const DEFAULT_DECAY: f64 = 0.98;

/// Whose top genes they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The device, by whatever names it for good.
    pub device: String,
    /// The fingerprint's name.
    pub class: String,
    /// The scheduler's name: genes of one mean nothing to another.
    pub scheduler: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {} / {}", self.device, self.class, self.scheduler)
    }
}

/// The best that is known for a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopGenes {
    /// The genes by name: the mean of the generation that earned them.
    pub genes: BTreeMap<String, u64>,
    /// Its mean fitness, decayed since. `None` for imported genes whose worth on this device is not known: the
    /// first generation that is measured here takes their place.
    pub fitness: Option<Fitness>,
    /// How many generations of this workload have been seen.
    pub generations: u64,
    /// When the genes were last replaced, ms since 1970.
    pub updated_unix_ms: u64,
    /// Where they came from, if they were imported.
    #[serde(default)]
    pub provenance: Option<Provenance>,
}

impl TopGenes {
    /// The genes as a genome of `space`, which may lack some and have others; see [`Space::genome_of`].
    #[must_use]
    pub fn genome(&self, space: &Space) -> Genome {
        space.genome_of(&self.genes)
    }
}

/// What a library is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LibraryConfig {
    /// What a top fitness keeps in one pass of its workload, above 0 and at most 1; see [`DEFAULT_DECAY`].
    pub decay: f64,
    /// What equal steps of the fitness mean.
    pub scale: FitnessScale,
    /// What the fitness measures; one library holds one objective, because fitness compares within it only.
    pub objective: String,
}

impl Default for LibraryConfig {
    fn default() -> Self {
        Self { decay: DEFAULT_DECAY, scale: FitnessScale::Ratio, objective: "throughput".to_owned() }
    }
}

/// What a library refuses.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LibraryError {
    /// A decay that remembers nothing or everything better than it was.
    #[error("decay: found {found}, expected above 0 and at most 1")]
    Decay {
        /// The decay.
        found: f64,
    },
    /// A negative fitness in a library of ratios.
    #[error("{key}: found fitness {found}, expected none below 0 on a ratio scale")]
    Negative {
        /// Whose.
        key: Key,
        /// The fitness.
        found: f64,
    },
}

/// What a pass of a workload did to its entry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "observed")]
pub enum Observed {
    /// The first generation of this workload: it is the best so far.
    First {
        /// Its mean fitness.
        fitness: Fitness,
    },
    /// The generation beat what was on record, after that had decayed.
    Improved {
        /// The decayed top fitness; `None` if it was not known.
        from: Option<Fitness>,
        /// The generation's.
        to: Fitness,
    },
    /// What was on record stays, and has decayed.
    Decayed {
        /// The top fitness before.
        from: Fitness,
        /// The top fitness now.
        to: Fitness,
    },
}

/// What is known to serve a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recall {
    /// Its stored genes.
    Stored(Genome),
    /// Nothing yet: the defaults.
    Unseen(Genome),
}

impl Recall {
    /// The genes, wherever from.
    #[must_use]
    pub const fn genome(&self) -> &Genome {
        match self {
            Self::Stored(genome) | Self::Unseen(genome) => genome,
        }
    }
}

/// Top genes and top fitness for each device, fingerprint and scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Library {
    config: LibraryConfig,
    entries: BTreeMap<Key, TopGenes>,
}

/// JSON objects have text for keys, so entries are a list.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    config: LibraryConfig,
    entries: Vec<(Key, TopGenes)>,
}

impl From<Library> for Stored {
    fn from(library: Library) -> Self {
        Self { config: library.config, entries: library.entries.into_iter().collect() }
    }
}

impl TryFrom<Stored> for Library {
    type Error = LibraryError;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let mut library = Self::new(stored.config)?;
        for (key, top) in stored.entries {
            library.put(key, top)?;
        }
        Ok(library)
    }
}

impl Library {
    /// An empty library.
    ///
    /// # Errors
    /// [`LibraryError::Decay`].
    pub fn new(config: LibraryConfig) -> Result<Self, LibraryError> {
        if !(config.decay > 0.0 && config.decay <= 1.0) {
            return Err(LibraryError::Decay { found: config.decay });
        }
        Ok(Self { config, entries: BTreeMap::new() })
    }

    /// What it is for.
    #[must_use]
    pub const fn config(&self) -> &LibraryConfig {
        &self.config
    }

    /// A pass of a workload: a generation with this mean fitness and these mean genes has ended. The stored top
    /// fitness decays; if the generation beats it then, fitness and genes are replaced.
    ///
    /// # Errors
    /// [`LibraryError::Negative`]; nothing has changed then.
    pub fn observe(
        &mut self,
        key: &Key,
        fitness: Fitness,
        genes: &BTreeMap<String, u64>,
        now_unix_ms: u64,
    ) -> Result<Observed, LibraryError> {
        self.check(key, Some(fitness))?;
        let measured = |generations| TopGenes {
            genes: genes.clone(),
            fitness: Some(fitness),
            generations,
            updated_unix_ms: now_unix_ms,
            provenance: None,
        };
        let Some(top) = self.entries.get_mut(key) else {
            self.entries.insert(key.clone(), measured(1));
            return Ok(Observed::First { fitness });
        };
        top.generations += 1;
        let before = top.fitness;
        let decayed = before.map(|before| self.config.scale.decayed(before, self.config.decay));
        if let (Some(from), Some(to)) = (before, decayed)
            && fitness <= to
        {
            top.fitness = Some(to);
            return Ok(Observed::Decayed { from, to });
        }
        *top = measured(top.generations);
        Ok(Observed::Improved { from: decayed, to: fitness })
    }

    /// What is on record for a key.
    #[must_use]
    pub fn top(&self, key: &Key) -> Option<&TopGenes> {
        self.entries.get(key)
    }

    /// What to put in force for a key: its stored genes, or the defaults if it was never seen.
    #[must_use]
    pub fn recall(&self, key: &Key, space: &Space) -> Recall {
        match self.top(key) {
            Some(top) => Recall::Stored(top.genome(space)),
            None => Recall::Unseen(space.defaults()),
        }
    }

    /// Everything on record, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &TopGenes)> {
        self.entries.iter()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is on record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets a key; answers what was on record.
    pub fn forget(&mut self, key: &Key) -> Option<TopGenes> {
        self.entries.remove(key)
    }

    /// Forgets every entry for which `which` holds; answers how many.
    pub fn forget_where(&mut self, mut which: impl FnMut(&Key, &TopGenes) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|key, top| !which(key, top));
        before - self.entries.len()
    }

    /// Puts an entry on record as it is; answers what was there. For stores and imports: it is no pass.
    ///
    /// # Errors
    /// [`LibraryError::Negative`].
    pub fn put(&mut self, key: Key, top: TopGenes) -> Result<Option<TopGenes>, LibraryError> {
        self.check(&key, top.fitness)?;
        Ok(self.entries.insert(key, top))
    }

    fn check(&self, key: &Key, fitness: Option<Fitness>) -> Result<(), LibraryError> {
        match fitness.map(Fitness::get) {
            Some(found) if found < 0.0 && self.config.scale == FitnessScale::Ratio => {
                Err(LibraryError::Negative { key: key.clone(), found })
            }
            _ => Ok(()),
        }
    }
}
