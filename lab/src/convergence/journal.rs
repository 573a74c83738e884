//! The raw rows of a run: kept as they come, read back to go on.

use super::judge::{Judged, Oracle};
use super::measure::Slice;
use super::pace::Pace;
use super::plan::{Cell, Ranges};
use super::visit::Visit;
use anyhow::{Context as _, Result, ensure};
use block_types::Knob;
use genetic::GeneSpec;
use results::record::{Run, rows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What was asked for: a run is only gone on with under the same plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `fake-clock`, `emulated` or `device`.
    pub backend: String,
    /// The strategies.
    pub strategies: Vec<String>,
    /// Seeds of each.
    pub seeds: u64,
    /// Visits of each workload in a run.
    pub passes: usize,
    /// Length of a visit, s.
    pub visit_s: u64,
    /// What runs, by workload, in words.
    pub workloads: BTreeMap<String, String>,
    /// The device, in words.
    pub device: String,
    /// The scheduler that was allowed.
    pub scheduler: String,
    /// The genes under each set of ranges.
    pub genes: BTreeMap<Ranges, Vec<GeneSpec>>,
    /// How much is measured beside the runs. Records that do not say have the default.
    #[serde(default)]
    pub pace: Pace,
}

/// One row of the raw data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "kebab-case")]
pub enum Row {
    /// The first row.
    Plan(Plan),
    /// A slice of the sweep, or of a held-out pair.
    Slice(Slice),
    /// All visits of a run.
    Run {
        /// Which.
        cell: Cell,
        /// Whether it came to its end; one that did not is done again.
        complete: bool,
        /// Its visits.
        visits: Vec<Visit>,
    },
    /// A run whose visits are judged already. One row, so that a run is there or is not.
    Judged {
        /// Which.
        cell: Cell,
        /// Its visits.
        visits: Vec<Judged>,
        /// What was seen in them, where that is kept.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seen: Vec<Visit>,
    },
    /// The oracle of a workload, where it is known beforehand.
    Oracle {
        /// The workload.
        workload: String,
        /// Within which ranges.
        ranges: Ranges,
        /// The oracle.
        oracle: Oracle,
        /// The knobs that carry the effect.
        dominant: Vec<Knob>,
    },
}

/// The rows so far, and the record that they are kept in, if they are kept.
#[derive(Debug)]
pub struct Journal {
    rows: Vec<Row>,
    run: Option<Run>,
}

impl Journal {
    /// A journal of a new run. Without a record nothing outlives the process.
    ///
    /// # Errors
    /// Where the plan cannot be recorded.
    pub fn begin(run: Option<Run>, plan: Plan) -> Result<Self> {
        let mut journal = Self { rows: Vec::new(), run };
        journal.append(Row::Plan(plan))?;
        Ok(journal)
    }

    /// Goes on with the record in `directory`.
    ///
    /// # Errors
    /// Where it is no record of this experiment, or was made under another plan.
    pub fn resume(directory: &Path, plan: &Plan) -> Result<Self> {
        let rows: Vec<Row> = rows(directory)?;
        match rows.first() {
            Some(Row::Plan(found)) => ensure!(
                found == plan,
                "{}: was begun under another plan; found {}, expected {}",
                directory.display(),
                serde_json::to_string(found)?,
                serde_json::to_string(plan)?
            ),
            // Killed before the first row was whole.
            None => return Self::begin(Some(Run::open(directory)?), plan.clone()),
            Some(_) => anyhow::bail!("{}: its first row is no plan", directory.display()),
        }
        Ok(Self { rows, run: Some(Run::open(directory)?) })
    }

    /// Opens the record in `directory` under whatever plan it has, to make its report anew.
    ///
    /// # Errors
    /// Where it is no record of this experiment.
    pub fn open(directory: &Path) -> Result<Self> {
        let journal = Self { rows: rows(directory)?, run: Some(Run::open(directory)?) };
        journal.plan().with_context(|| directory.display().to_string())?;
        Ok(journal)
    }

    /// The plan that the run is made under.
    ///
    /// # Errors
    /// Where the first row is none.
    pub fn plan(&self) -> Result<&Plan> {
        match self.rows.first() {
            Some(Row::Plan(plan)) => Ok(plan),
            _ => anyhow::bail!("the first row is no plan"),
        }
    }

    /// Takes a row, and keeps it before it returns.
    ///
    /// # Errors
    /// Where it cannot be written; all earlier ones are kept.
    pub fn append(&mut self, row: Row) -> Result<()> {
        if let Some(run) = &mut self.run {
            run.append(&row).with_context(|| {
                let directory = run.dir().display();
                format!("everything until now is kept: go on with --resume {directory}")
            })?;
        }
        self.rows.push(row);
        Ok(())
    }

    /// All rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Where they are kept.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.run.as_ref().map(Run::dir)
    }

    /// Whether a run is there already, to its end.
    #[must_use]
    pub fn has(&self, wanted: &Cell) -> bool {
        self.rows.iter().any(|row| match row {
            Row::Run { cell, complete, .. } => *complete && cell == wanted,
            Row::Judged { cell, .. } => cell == wanted,
            _ => false,
        })
    }

    /// The visits of each run: of one that was done again, those of the complete one.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<&Cell, &[Visit]> {
        let mut runs: BTreeMap<&Cell, &[Visit]> = BTreeMap::new();
        for row in &self.rows {
            match row {
                Row::Run { cell, complete, visits } if *complete || !self.has(cell) => {
                    runs.insert(cell, visits);
                }
                Row::Judged { cell, seen, .. } if !seen.is_empty() => {
                    runs.insert(cell, seen);
                }
                _ => {}
            }
        }
        runs
    }

    /// All slices.
    pub fn slices(&self) -> impl Iterator<Item = &Slice> {
        self.rows.iter().filter_map(|row| match row {
            Row::Slice(slice) => Some(slice),
            _ => None,
        })
    }

    /// The record, to be finished.
    #[must_use]
    pub fn into_run(self) -> Option<Run> {
        self.run
    }
}
