//! What a run says of itself, for programs.

use super::error::RecordError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the layout of a run's directory and of `meta.json`. Another one is refused, by name.
pub const SCHEMA: u64 = 1;

/// What it takes to make a run again, and what it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// One line.
    pub title: String,
    /// What the run shows, and what it does not: paragraphs in Markdown.
    pub shows: String,
    /// The program and its arguments, exactly as started.
    pub command: Vec<String>,
    /// What all randomness came from; `None` where there was none.
    pub seed: Option<u64>,
    /// The kernel's name, version and architecture.
    pub kernel: String,
    /// The device that was measured, and what stands behind it.
    pub device: String,
    /// Of every program that took part.
    pub versions: BTreeMap<String, String>,
    /// Whatever else a reader has to know, units in the names: "memory (GiB)".
    #[serde(default)]
    pub conditions: BTreeMap<String, String>,
}

/// Whether a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on, or it died.
    Recording,
    /// It is complete.
    Finished,
}

/// Of which kind an exhibit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExhibitKind {
    /// `<stem>.csv`.
    Table,
    /// `<stem>.svg` and `<stem>.png`.
    Chart,
}

/// A table or chart of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exhibit {
    /// Of which kind.
    pub kind: ExhibitKind,
    /// The names of its files, without what follows the last dot.
    pub stem: String,
    /// What it shows, in one line.
    pub caption: String,
}

/// All of `meta.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u64,
    /// The day of the run, as in the name of its directory.
    pub date: String,
    /// The name of the run, as in the name of its directory.
    pub name: String,
    /// Whether it came to its end.
    pub state: State,
    /// What it takes to make it again.
    pub meta: Meta,
    /// In the order in which they were added.
    pub exhibits: Vec<Exhibit>,
}

impl Manifest {
    /// Reads `path`, and says so where another version wrote it.
    pub(crate) fn read(path: &Path) -> Result<Self, RecordError> {
        /// What every schema has.
        #[derive(Deserialize)]
        struct Versioned {
            schema: u64,
        }
        let text = std::fs::read_to_string(path).map_err(RecordError::io(path))?;
        let bad = |source| RecordError::Manifest { path: path.to_owned(), source };
        // The version first: the fields of another one mean nothing here.
        let found = serde_json::from_str::<Versioned>(&text).map_err(bad)?.schema;
        if found != SCHEMA {
            return Err(RecordError::Schema { path: path.to_owned(), found, expected: SCHEMA });
        }
        serde_json::from_str(&text).map_err(bad)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), RecordError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|source| RecordError::Manifest { path: path.to_owned(), source })?;
        text.push('\n');
        crate::atomic::write(path, text.as_bytes()).map_err(RecordError::io(path))
    }

    /// Adds an exhibit, or replaces the one of the same kind and stem.
    pub(crate) fn exhibit(&mut self, exhibit: Exhibit) {
        let same = |one: &&mut Exhibit| one.kind == exhibit.kind && one.stem == exhibit.stem;
        match self.exhibits.iter_mut().find(same) {
            Some(known) => *known = exhibit,
            None => self.exhibits.push(exhibit),
        }
    }
}
