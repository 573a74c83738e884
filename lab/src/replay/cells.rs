//! The cells of the comparison as lines of a file: appended as they come, so that a run can be taken up again.

use anyhow::{Context as _, Result, ensure};
use block_types::{Elevator, Nanos, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

/// Which cell: what was measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The disk model.
    pub disk: String,
    /// The name of the work.
    pub work: String,
    /// The scheduler.
    pub scheduler: Elevator,
    /// The place of the setting in the scheduler's design, from 0, the defaults.
    pub setting: usize,
    /// The repeat, from 0.
    pub repeat: u64,
}

/// What a cell found, or a simulation foretells.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Found {
    /// Both directions, bytes completed a second.
    pub bytes_per_s: f64,
    /// Reads a second.
    pub read_iops: f64,
    /// Writes a second.
    pub write_iops: f64,
    /// Of reads, from the call to the completion.
    pub read_mean_ns: Nanos,
    /// The same.
    pub read_p99_ns: Nanos,
    /// How many reads stand behind the two.
    pub reads: u64,
}

/// One measured cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Which.
    #[serde(flatten)]
    pub key: Key,
    /// What the seed of this repeat was.
    pub seed: u64,
    /// What every knob read back that the simulator may want to know.
    pub settings: Settings,
    /// Not counted at the start.
    pub ramp_ns: Nanos,
    /// Counted after that.
    pub window_ns: Nanos,
    /// How many commands the disk takes at once.
    pub queue_depth: u32,
    /// What was found.
    #[serde(flatten)]
    pub found: Found,
}

/// Reads the cells of a file; of one that is not there, none.
///
/// # Errors
///
/// Where a line is no cell: the error names it.
pub(super) fn read(path: &Path) -> Result<Vec<Cell>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut seen = BTreeSet::new();
    let mut cells: Vec<Cell> = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{}, line {}", path.display(), number + 1);
        let cell: Cell = serde_json::from_str(&line.with_context(place)?).with_context(place)?;
        ensure!(seen.insert(cell.key.clone()), "{}: found {:?} a second time", place(), cell.key);
        cells.push(cell);
    }
    Ok(cells)
}

/// A file that cells are appended to.
#[derive(Debug)]
pub(super) struct Appender(File);

impl Appender {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        Ok(Self(file.with_context(|| format!("cannot write {}", path.display()))?))
    }

    /// A cell is a line in one write: a run that dies leaves whole lines.
    pub(super) fn append(&mut self, cell: &Cell) -> Result<()> {
        let line = serde_json::to_string(cell)? + "\n";
        self.0.write_all(line.as_bytes()).context("cannot append a cell")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(repeat: u64) -> Cell {
        let key = Key {
            disk: "hdd-7200".into(),
            work: "reads".into(),
            scheduler: Elevator::Bfq,
            setting: 3,
            repeat,
        };
        let found = Found {
            bytes_per_s: 1e6,
            read_iops: 200.0,
            write_iops: 0.0,
            read_mean_ns: Nanos(5),
            read_p99_ns: Nanos(9),
            reads: 800,
        };
        Cell {
            key,
            seed: 1,
            settings: Settings::new(),
            ramp_ns: Nanos(1),
            window_ns: Nanos(2),
            queue_depth: 4,
            found,
        }
    }

    #[test]
    fn what_was_appended_is_read_and_the_same_twice_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cells.jsonl");
        assert!(read(&path).unwrap().is_empty());
        let mut appender = Appender::open(&path).unwrap();
        appender.append(&cell(0)).unwrap();
        appender.append(&cell(1)).unwrap();
        let cells = read(&path).unwrap();
        assert_eq!(cells.iter().map(|cell| cell.key.repeat).collect::<Vec<_>>(), [0, 1]);
        appender.append(&cell(1)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("second time"), "{error}");
    }
}
