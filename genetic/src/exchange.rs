//! Libraries as files: what was learned can be taken away, and brought to another machine.

use crate::{Fitness, Key, Library, LibraryError, TopGenes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the `schema` field of a gene file says.
pub const SCHEMA: &str = "tunerd-genes";
/// The version that this program writes; it reads this one and all before.
pub const SCHEMA_VERSION: u32 = 1;

/// Where genes come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The program and its version, or a person.
    pub by: String,
    /// The machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The device's model, or whatever else tells whether the genes suit another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_model: Option<String>,
    /// When the file was written, ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_unix_ms: Option<u64>,
    /// How it was found: the command, the run, the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A gene file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeFile {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// What the fitness measures.
    pub objective: String,
    /// Where the file comes from.
    pub provenance: Provenance,
    /// The genes.
    pub entries: Vec<ExchangeEntry>,
}

/// One entry of a gene file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeEntry {
    /// The device.
    pub device: String,
    /// The fingerprint.
    pub class: String,
    /// The scheduler.
    pub scheduler: String,
    /// The genes by name, in each knob's own unit.
    pub genes: BTreeMap<String, u64>,
    /// Their fitness, where it was measured.
    #[serde(default)]
    pub fitness: Option<Fitness>,
    /// How many generations that took.
    #[serde(default)]
    pub generations: u64,
    /// When, ms since 1970.
    #[serde(default)]
    pub updated_unix_ms: u64,
    /// Where this entry was imported from, if that is not where the file comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// What an import does where something is on record already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conflict {
    /// Keeps it: what was measured here counts for more.
    #[default]
    Keep,
    /// Replaces it.
    Replace,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Keys that were not on record before.
    pub added: Vec<Key>,
    /// Keys whose record was replaced.
    pub replaced: Vec<Key>,
    /// Keys that were on record and stayed as they were.
    pub kept: Vec<Key>,
}

/// Why a gene file was not imported. Nothing of it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// It is no JSON, or not of this form.
    #[error("{origin}:{line}:{column}: {message}")]
    Syntax {
        /// The file.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// It is another kind of file.
    #[error("{origin}: found schema {found:?}, expected {SCHEMA:?}")]
    Schema {
        /// The file.
        origin: String,
        /// Its schema.
        found: String,
    },
    /// It was written by a later program.
    #[error("{origin}: found version {found}, expected 1 to {SCHEMA_VERSION}")]
    Version {
        /// The file.
        origin: String,
        /// Its version.
        found: u64,
    },
    /// Its fitness measures something else.
    #[error("{origin}: found genes for the objective {found:?}, expected {expected:?}")]
    Objective {
        /// The file.
        origin: String,
        /// Its objective.
        found: String,
        /// The library's.
        expected: String,
    },
    /// An entry cannot be used.
    #[error("{origin}: entry {number} ({key}): {problem}")]
    Entry {
        /// The file.
        origin: String,
        /// Which, from 1.
        number: usize,
        /// Its key.
        key: Box<Key>,
        /// What was found and what was expected.
        problem: String,
    },
}

impl Library {
    /// Everything on record as a gene file.
    #[must_use]
    pub fn export(&self, provenance: Provenance) -> ExchangeFile {
        let entry = |(key, top): (&Key, &TopGenes)| ExchangeEntry {
            device: key.device.clone(),
            class: key.class.clone(),
            scheduler: key.scheduler.clone(),
            genes: top.genes.clone(),
            fitness: top.fitness,
            generations: top.generations,
            updated_unix_ms: top.updated_unix_ms,
            provenance: top.provenance.clone(),
        };
        ExchangeFile {
            schema: SCHEMA.to_owned(),
            version: SCHEMA_VERSION,
            objective: self.config().objective.clone(),
            provenance,
            entries: self.iter().map(entry).collect(),
        }
    }

    /// Takes a gene file in, whole or not at all. Each entry remembers where it came from.
    ///
    /// `origin` is what messages call the file. `accept` may refuse an entry (an unknown fingerprint, say) and
    /// then says what was found and what was expected.
    ///
    /// # Errors
    /// [`ImportError`]; the library is unchanged then.
    pub fn import(
        &mut self,
        text: &str,
        origin: &str,
        conflict: Conflict,
        accept: impl Fn(&ExchangeEntry) -> Result<(), String>,
    ) -> Result<Imported, ImportError> {
        let file = ExchangeFile::parse(text, origin)?;
        let expected = &self.config().objective;
        if file.objective != *expected {
            let (origin, expected) = (origin.to_owned(), expected.clone());
            return Err(ImportError::Objective { origin, found: file.objective, expected });
        }
        let mut whole = self.clone();
        let mut imported = Imported::default();
        let mut seen = Vec::new();
        for (index, entry) in file.entries.into_iter().enumerate() {
            let key = entry.key();
            let problem = |problem: String| {
                let (origin, key) = (origin.to_owned(), Box::new(key.clone()));
                ImportError::Entry { origin, number: index + 1, key, problem }
            };
            accept(&entry).map_err(problem)?;
            if entry.genes.is_empty() {
                return Err(problem("found no genes, expected at least one".to_owned()));
            }
            if seen.contains(&key) {
                return Err(problem("found twice, expected one entry to a key".to_owned()));
            }
            seen.push(key.clone());
            let there = self.top(&key).is_some();
            if there && conflict == Conflict::Keep {
                imported.kept.push(key);
                continue;
            }
            let top = TopGenes {
                genes: entry.genes,
                fitness: entry.fitness,
                generations: entry.generations,
                updated_unix_ms: entry.updated_unix_ms,
                provenance: Some(entry.provenance.unwrap_or_else(|| file.provenance.clone())),
            };
            whole.put(key.clone(), top).map_err(|error: LibraryError| problem(error.to_string()))?;
            if there { &mut imported.replaced } else { &mut imported.added }.push(key);
        }
        *self = whole;
        Ok(imported)
    }
}

impl ExchangeEntry {
    /// Whose genes they are.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { device: self.device.clone(), class: self.class.clone(), scheduler: self.scheduler.clone() }
    }
}

/// Enough of a gene file to know whether it is one.
#[derive(Deserialize)]
struct Header {
    schema: String,
    version: u64,
}

impl ExchangeFile {
    /// Reads a gene file. What kind of file it is, and of which version, is looked at first, so that a file of
    /// a later version is called that and not malformed.
    ///
    /// # Errors
    /// [`ImportError::Syntax`], [`ImportError::Schema`], [`ImportError::Version`].
    pub fn parse(text: &str, origin: &str) -> Result<Self, ImportError> {
        let syntax = |error: serde_json::Error| {
            // The place is said in front, as compilers do; serde_json appends it.
            let text = error.to_string();
            let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
            let (line, column) = (error.line(), error.column());
            ImportError::Syntax { origin: origin.to_owned(), line, column, message }
        };
        let header: Header = serde_json::from_str(text).map_err(syntax)?;
        if header.schema != SCHEMA {
            return Err(ImportError::Schema { origin: origin.to_owned(), found: header.schema });
        }
        if !(1..=u64::from(SCHEMA_VERSION)).contains(&header.version) {
            return Err(ImportError::Version { origin: origin.to_owned(), found: header.version });
        }
        serde_json::from_str(text).map_err(syntax)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None in practice: every part has a JSON form.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}
