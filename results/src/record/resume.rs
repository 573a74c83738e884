//! To go on with a run that is made of parts, as if it had never been interrupted.

use super::error::RecordError;
use super::run::{Run, parsed};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::Path;

/// A run to go on with.
#[derive(Debug)]
pub struct Resumed<K> {
    /// The run, which ends with a part that is complete.
    pub run: Run,
    /// The parts that are done and need not be done again.
    pub done: BTreeSet<K>,
    /// How many whole rows of a part that was interrupted were dropped: it is done again from its beginning.
    pub dropped_rows: u64,
}

impl<K> Resumed<K> {
    /// What to tell whoever resumes, in one sentence; `None` where nothing was lost.
    pub fn note(&self) -> Option<String> {
        let (rows, torn) = (self.dropped_rows, self.run.torn());
        let path = self.run.dir().display();
        match (rows, torn) {
            (0, 0) => None,
            (0, torn) => Some(format!("{path}: half a row ({torn} bytes) at the end was dropped")),
            (rows, 0) => Some(format!("{path}: {rows} rows of a part that was interrupted were dropped")),
            (rows, torn) => Some(format!(
                "{path}: {rows} rows of a part that was interrupted, and half a row ({torn} bytes), were dropped"
            )),
        }
    }
}

impl Run {
    /// Goes on with the run in `dir`, which is made of parts that follow each other, such as visits.
    ///
    /// The last row of each part says so: `ends` answers the key of the part that a row completes, for example its arm,
    /// seed and visit, and `None` for all other rows. What follows the last part that is complete is cut, so that
    /// whoever does the parts that are not [`Resumed::done`], in the same order and from the same seeds, ends with the
    /// same rows as a run that was never interrupted.
    ///
    /// # Errors
    /// As [`Run::open`], and [`RecordError::Row`] for a line that is no `R`; then nothing is cut.
    pub fn resume<R: DeserializeOwned, K: Ord>(
        dir: &Path,
        mut ends: impl FnMut(&R) -> Option<K>,
    ) -> Result<Resumed<K>, RecordError> {
        let mut done = BTreeSet::new();
        let mut dropped_rows = 0;
        let run = Self::open_up_to(dir, |path, whole| {
            let mut kept = 0;
            let mut at = 0;
            let lines = whole.split_inclusive(|byte| *byte == b'\n');
            for (line, row) in lines.zip(parsed::<R>(path, whole)) {
                at += line.len();
                dropped_rows += 1;
                if let Some(key) = ends(&row?) {
                    done.insert(key);
                    (kept, dropped_rows) = (at, 0);
                }
            }
            Ok(kept)
        })?;
        Ok(Resumed { run, done, dropped_rows })
    }
}
