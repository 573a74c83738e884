//! A run while it is recorded.

use super::error::RecordError;
use super::lines::Lines;
use super::meta::{Exhibit, ExhibitKind, Manifest, Meta, SCHEMA, State};
use super::readme::readme;
use super::table::Table;
use crate::atomic;
use crate::chart::Figure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use time::{Date, Duration, OffsetDateTime};

const MANIFEST: &str = "meta.json";
const DATA: &str = "data.jsonl";
const README: &str = "README.md";

/// A run that is being recorded, by one process at a time: a second one is refused. Dropped without [`Self::finish`] it stays as it is, and says that it was not finished.
#[derive(Debug)]
pub struct Run {
    dir: PathBuf,
    manifest: Manifest,
    data: Lines<File>,
    rows: u64,
    torn: u64,
}

impl Run {
    /// Begins a run in the new directory `<root>/<date>-<name>`; `root` is made where it is missing.
    ///
    /// # Errors
    /// [`RecordError::Name`] for a name that cannot be one, [`RecordError::Exists`] where there is such a run already,
    /// and [`RecordError::Io`].
    pub fn create(root: &Path, date: Date, name: &str, meta: Meta) -> Result<Self, RecordError> {
        check_name(name)?;
        let dir = root.join(format!("{date}-{name}"));
        fs::create_dir_all(root).map_err(RecordError::io(root))?;
        fs::create_dir(&dir).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RecordError::Exists { path: dir.clone() },
            _ => RecordError::Io { path: dir.clone(), source },
        })?;
        let path = dir.join(DATA);
        let data =
            File::options().append(true).create_new(true).open(&path).map_err(RecordError::io(&path))?;
        claim(&data, &path)?;
        let data = Lines::after(data, 0, 0).map_err(RecordError::io(path))?;
        let manifest = Manifest {
            schema: SCHEMA,
            date: date.to_string(),
            name: name.to_owned(),
            state: State::Recording,
            meta,
            exhibits: Vec::new(),
        };
        let run = Self { dir, manifest, data, rows: 0, torn: 0 };
        run.describe()?;
        Ok(run)
    }

    /// Goes on with the run in `dir`: rows are appended, tables and charts added. Half a row at the end of the data,
    /// which a dying process can leave on a full disk, is cut; [`Self::torn`] says how much that was. A finished run
    /// counts as unfinished from the first addition until it is finished again.
    ///
    /// # Errors
    /// [`RecordError::Schema`] where another version recorded it, [`RecordError::Manifest`] where it is no run,
    /// [`RecordError::Busy`] where another process records it, and [`RecordError::Io`].
    pub fn open(dir: &Path) -> Result<Self, RecordError> {
        Self::open_up_to(dir, |_, whole| Ok(whole.len()))
    }

    /// As [`Self::open`], with as many bytes of the whole lines as `keep` says.
    pub(crate) fn open_up_to(
        dir: &Path,
        keep: impl FnOnce(&Path, &[u8]) -> Result<usize, RecordError>,
    ) -> Result<Self, RecordError> {
        let manifest = manifest(dir)?;
        let path = dir.join(DATA);
        let data = OpenOptions::new().append(true).open(&path).map_err(RecordError::io(&path))?;
        claim(&data, &path)?;
        // Read after it is claimed: what another process was writing is there now.
        let bytes = fs::read(&path).map_err(RecordError::io(&path))?;
        let whole = whole_lines(&bytes);
        let kept = keep(&path, whole)?;
        let rows = whole.iter().take(kept).filter(|byte| **byte == b'\n').count() as u64;
        let torn = (bytes.len() - whole.len()) as u64;
        let data = Lines::after(data, kept as u64, bytes.len() as u64).map_err(RecordError::io(&path))?;
        Ok(Self { dir: dir.to_owned(), manifest, data, rows, torn })
    }

    /// Where the run is recorded.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the run says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many rows were recorded.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes of half a row were cut when the run was opened: worth a word to whoever goes on with it.
    pub fn torn(&self) -> u64 {
        self.torn
    }

    /// Appends a row to the raw data. When this returns, the kernel has it: the death of this process loses nothing.
    /// JSON has no NaN and no infinity; they are recorded as `null`.
    ///
    /// # Errors
    /// [`RecordError::Unwritable`] for what JSON cannot hold, and [`RecordError::Io`] (a full disk), after which all
    /// earlier rows are there, none of this one is, and the next may be tried.
    pub fn append<T: Serialize>(&mut self, row: &T) -> Result<(), RecordError> {
        let line = serde_json::to_string(row)
            .map_err(|source| RecordError::Unwritable { row: self.rows + 1, source })?;
        self.go_on()?;
        self.data.append(&line).map_err(RecordError::io(self.dir.join(DATA)))?;
        self.rows += 1;
        Ok(())
    }

    /// Says what the run shows and what it does not, in Markdown: what is known only when the rows are there.
    ///
    /// # Errors
    /// [`RecordError::Io`].
    pub fn shows(&mut self, text: &str) -> Result<(), RecordError> {
        self.go_on()?;
        text.clone_into(&mut self.manifest.meta.shows);
        self.describe()
    }

    /// Writes `<stem>.csv` and shows the table in the README, in the place of one of the same stem if there is one.
    ///
    /// # Errors
    /// [`RecordError::Name`], [`RecordError::Cells`] for a row of another length than the columns, and
    /// [`RecordError::Io`].
    pub fn table(&mut self, stem: &str, caption: &str, table: &Table) -> Result<(), RecordError> {
        check_name(stem)?;
        self.go_on()?;
        let path = self.dir.join(format!("{stem}.csv"));
        let csv = table.csv(stem, &path)?;
        atomic::write(&path, &csv).map_err(RecordError::io(path))?;
        self.exhibit(ExhibitKind::Table, stem, caption)
    }

    /// Writes `<stem>.svg` and `<stem>.png` and shows the chart in the README, in the place of one of the same stem.
    ///
    /// # Errors
    /// [`RecordError::Name`], [`RecordError::Chart`] and [`RecordError::Io`].
    pub fn chart(&mut self, stem: &str, caption: &str, figure: &Figure) -> Result<(), RecordError> {
        check_name(stem)?;
        self.go_on()?;
        figure.write(&self.dir, stem)?;
        self.exhibit(ExhibitKind::Chart, stem, caption)
    }

    /// Brings the rows to the disk, says in the README that the run is complete, and returns its directory.
    ///
    /// # Errors
    /// [`RecordError::Io`]; then `meta.json` still says that the run was not finished.
    pub fn finish(mut self) -> Result<PathBuf, RecordError> {
        self.data.tail().sync_all().map_err(RecordError::io(self.dir.join(DATA)))?;
        self.manifest.state = State::Finished;
        self.describe()?;
        Ok(self.dir)
    }

    /// A finished run that is added to is not finished any more, and says so before anything is added.
    fn go_on(&mut self) -> Result<(), RecordError> {
        if self.manifest.state == State::Recording {
            return Ok(());
        }
        self.manifest.state = State::Recording;
        self.describe().inspect_err(|_| self.manifest.state = State::Finished)
    }

    fn exhibit(&mut self, kind: ExhibitKind, stem: &str, caption: &str) -> Result<(), RecordError> {
        self.manifest.exhibit(Exhibit { kind, stem: stem.to_owned(), caption: caption.to_owned() });
        self.describe()
    }

    /// The README first: where there is no room for it, the manifest does not promise it.
    fn describe(&self) -> Result<(), RecordError> {
        let path = self.dir.join(README);
        let text = readme(&self.dir, &self.manifest, self.rows)?;
        atomic::write(&path, text.as_bytes()).map_err(RecordError::io(path))?;
        self.manifest.write(&self.dir.join(MANIFEST))
    }
}

/// The day of `now`, in UTC: where a program reads its clock, it gets the date of [`Run::create`] by this.
pub fn date_of(now: SystemTime) -> Date {
    let span = |elapsed: std::time::Duration| Duration::try_from(elapsed).unwrap_or(Duration::MAX);
    // A clock far off shall not stop a run: it gives the first or last day there is.
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => OffsetDateTime::UNIX_EPOCH.saturating_add(span(after)),
        Err(before) => OffsetDateTime::UNIX_EPOCH.saturating_sub(span(before.duration())),
    }
    .date()
}

/// What the run in `dir` says of itself, without touching it.
///
/// # Errors
/// [`RecordError::Schema`] where another version recorded it, [`RecordError::Manifest`] where it is no run, and
/// [`RecordError::Io`].
pub fn manifest(dir: &Path) -> Result<Manifest, RecordError> {
    Manifest::read(&dir.join(MANIFEST))
}

/// The rows of the run in `dir`, to compare with. Half a row at the end is left out.
///
/// # Errors
/// [`RecordError::Schema`] where another version recorded it, [`RecordError::Manifest`] where it is no run,
/// [`RecordError::Row`] for a line that is no `T`, and [`RecordError::Io`].
pub fn rows<T: DeserializeOwned>(dir: &Path) -> Result<Vec<T>, RecordError> {
    manifest(dir)?;
    let path = dir.join(DATA);
    let bytes = fs::read(&path).map_err(RecordError::io(&path))?;
    parsed(&path, whole_lines(&bytes)).collect()
}

/// Each of the whole lines `whole` of `path` as a row.
pub(crate) fn parsed<'a, T: DeserializeOwned>(
    path: &'a Path,
    whole: &'a [u8],
) -> impl Iterator<Item = Result<T, RecordError>> + 'a {
    whole.split_inclusive(|byte| *byte == b'\n').enumerate().map(move |(index, line)| {
        serde_json::from_slice(line).map_err(|source| RecordError::Row {
            path: path.to_owned(),
            line: index + 1,
            source,
        })
    })
}

/// Takes the run for this process, until `data` is closed; a process that dies lets go of it.
fn claim(data: &File, path: &Path) -> Result<(), RecordError> {
    match data.try_lock() {
        Err(TryLockError::WouldBlock) => Err(RecordError::Busy { path: path.to_owned() }),
        // A file system without locks keeps records all the same.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(source)) => Err(RecordError::Io { path: path.to_owned(), source }),
        Ok(()) => Ok(()),
    }
}

/// `bytes` up to the end of their last whole line.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.get(..end).unwrap_or_default()
}

fn check_name(name: &str) -> Result<(), RecordError> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let good = name.starts_with(plain)
        && name.chars().all(|letter| plain(letter) || matches!(letter, '-' | '_' | '.'))
        && !["data", "meta", "readme"].contains(&name);
    if good { Ok(()) } else { Err(RecordError::Name { name: name.to_owned() }) }
}
