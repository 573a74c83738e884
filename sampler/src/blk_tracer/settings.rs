//! What a recording changes in tracefs and sysfs, journalled so that it can be put back by another process.

use super::RecordError;
use kernfs::{KPath, Kernel};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The version of the journal's format.
const VERSION: u32 = 1;

/// One file of the kernel's, before and during a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// Below `/sys`.
    pub(super) path: String,
    pub(super) before: String,
    pub(super) ours: String,
}

/// All that a recording changes, in the order in which it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    version: u32,
    /// Of which boot; what was changed before another one is gone with it.
    boot_id: String,
    pub(super) pid: u32,
    pub(super) device: String,
    pub(super) changes: Vec<Change>,
}

/// Where the journal is.
pub(super) fn path_of(state_dir: &Path) -> PathBuf {
    state_dir.join("journal").join("blk-tracer.json")
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> RecordError + 'a {
    move |source| RecordError::Io { operation, path: path.to_owned(), source }
}

/// A file's value: of `local [mono] tai` the selected word, of `7 (expanded: 1408)` the size that is meant once
/// anything is traced.
fn value(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let selected = text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(word, _)| word);
    let expanded = text.split_once("(expanded: ").and_then(|(_, rest)| rest.split_once(')'));
    let first = || text.split_whitespace().next().unwrap_or_default();
    selected.or(expanded.map(|(size, _)| size)).unwrap_or_else(first).to_owned()
}

/// Reads one file's value.
pub(super) fn read(kernel: &dyn Kernel, path: &str) -> Result<String, RecordError> {
    let at = KPath::sys(path);
    kernel.read(&at).map(|text| value(&text)).map_err(failed("read", &kernel.locate(&at)))
}

/// Whether a file that we wrote `ours` to still says so; the kernel rounds sizes to whole pages.
fn is_ours(found: &str, ours: &str) -> bool {
    found == ours
        || match (found.parse::<u64>(), ours.parse::<u64>()) {
            (Ok(found), Ok(ours)) => ours > 64 && found.abs_diff(ours) <= ours / 50,
            _ => false,
        }
}

impl Journal {
    /// Reads what is there before the changes, and writes the journal, synced, before any of them.
    pub(super) fn begin(
        kernel: &dyn Kernel,
        state_dir: &Path,
        device: &str,
        wanted: &[(String, String)],
    ) -> Result<Self, RecordError> {
        let boot_id = kernfs::boot_id(kernel)?;
        let mut changes = Vec::with_capacity(wanted.len());
        for (path, ours) in wanted {
            let before = read(kernel, path)?;
            if before != *ours {
                changes.push(Change { path: path.clone(), before, ours: ours.clone() });
            }
        }
        let journal =
            Self { version: VERSION, boot_id, pid: std::process::id(), device: device.to_owned(), changes };
        let path = path_of(state_dir);
        let text = serde_json::to_vec(&journal).map_err(io::Error::from);
        text.and_then(|text| write_synced(&path, &text)).map_err(failed("write the journal", &path))?;
        Ok(journal)
    }

    /// The journal of a recording that did not put back what it changed; `None` where there is none.
    pub(super) fn left_behind(state_dir: &Path) -> Result<Option<Self>, RecordError> {
        let path = path_of(state_dir);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(failed("read the journal", &path))?,
        };
        let journal: Self = serde_json::from_slice(&text)
            .map_err(|error| failed("read the journal", &path)(io::Error::from(error)))?;
        if journal.version != VERSION {
            let found = format!("found version {}, expected {VERSION}", journal.version);
            return Err(failed("read the journal", &path)(io::Error::other(found)));
        }
        Ok(Some(journal))
    }

    /// Puts back what is still ours, last change first, and ends the journal if all of it could be.
    pub(super) fn put_back(&self, kernel: &dyn Kernel, state_dir: &Path) -> TracerReport {
        let mut report = TracerReport { device: self.device.clone(), ..TracerReport::default() };
        if kernfs::boot_id(kernel).is_ok_and(|boot_id| boot_id != self.boot_id) {
            report.notes.push("the machine was restarted since: nothing is left of it".to_owned());
        } else {
            for change in self.changes.iter().rev() {
                match put_back(kernel, change) {
                    Ok(true) => report.restored.push(change.path.clone()),
                    Ok(false) => {}
                    Err(why) => report.failed.push(why),
                }
            }
        }
        if report.failed.is_empty()
            && let Err(error) = std::fs::remove_file(path_of(state_dir))
            && error.kind() != io::ErrorKind::NotFound
        {
            report.failed.push(format!("{}: {error}", path_of(state_dir).display()));
        }
        report
    }
}

/// Makes changes, in their order.
pub(super) fn apply(kernel: &dyn Kernel, changes: &[Change]) -> Result<(), RecordError> {
    for Change { path, ours, .. } in changes {
        let at = KPath::sys(path);
        kernel.write(&at, ours).map_err(|source| match source.kind() {
            io::ErrorKind::ResourceBusy if path.ends_with("current_tracer") => {
                RecordError::Busy { what: "somebody has one of tracefs' pipes open (trace_pipe)".to_owned() }
            }
            io::ErrorKind::ResourceBusy => {
                let file = kernel.locate(&at);
                RecordError::Busy { what: format!("{} is in use, by blktrace for example", file.display()) }
            }
            _ => failed("write", &kernel.locate(&at))(source),
        })?;
    }
    Ok(())
}

/// Whether there was anything to put back; or why it could not be.
fn put_back(kernel: &dyn Kernel, change: &Change) -> Result<bool, String> {
    let at = KPath::sys(&change.path);
    let why = |error: io::Error| format!("{}: {error}", kernel.locate(&at).display());
    let found = match kernel.read(&at) {
        // The disk is gone, and its switch with it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        text => value(&text.map_err(why)?),
    };
    if !is_ours(&found, &change.ours) {
        // It was never written, or somebody else has written it since.
        return Ok(false);
    }
    // A pipe that a killed reader had open closes a moment later.
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match kernel.write(&at, &change.before) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            result => return result.map(|()| true).map_err(why),
        }
    }
}

/// What came of putting the tracer's settings back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TracerReport {
    /// The disk that was recorded.
    pub device: String,
    /// Files below `/sys` that have their value from before again.
    pub restored: Vec<String>,
    /// What could not be put back, with the reason.
    pub failed: Vec<String>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

impl std::fmt::Display for TracerReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "recording of {}: {} settings put back", self.device, self.restored.len())?;
        if !self.restored.is_empty() {
            write!(f, " ({})", self.restored.join(", "))?;
        }
        for failed in &self.failed {
            write!(f, "; could not put back {failed}")?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

/// Puts a file in place of another at once, synced.
fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernfs::{RealKernel, Roots};

    struct Bench {
        dir: tempfile::TempDir,
        kernel: RealKernel,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let bench = Self {
                kernel: RealKernel::new(Roots::new(dir.path().join("sys"), dir.path().join("proc"))),
                dir,
            };
            bench.write("proc/sys/kernel/random/boot_id", "0d6b1c5e-9f0a-4c5d-8f3a-0123456789ab\n");
            bench.write("sys/a", "local [mono] tai\n");
            bench.write("sys/b", "7 (expanded: 1408)\n");
            bench.write("sys/c", "1\n");
            bench
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn read(&self, path: &str) -> String {
            std::fs::read_to_string(self.dir.path().join(path)).unwrap()
        }

        fn begin(&self) -> Journal {
            let wanted = [("a", "tai"), ("b", "4096"), ("c", "1")]
                .map(|(path, ours)| (path.to_owned(), ours.to_owned()));
            Journal::begin(&self.kernel, self.dir.path(), "sda", &wanted).unwrap()
        }
    }

    #[test]
    fn what_another_process_left_is_put_back_as_it_was() {
        let bench = Bench::new();
        apply(&bench.kernel, &bench.begin().changes).unwrap();
        assert_eq!((bench.read("sys/a").as_str(), bench.read("sys/b").as_str()), ("tai", "4096"));
        bench.write("sys/b", "4092\n");
        let journal = Journal::left_behind(bench.dir.path()).unwrap().unwrap();
        let report = journal.put_back(&bench.kernel, bench.dir.path());
        assert_eq!((report.restored, report.failed), (vec!["b".to_owned(), "a".to_owned()], vec![]));
        assert_eq!((bench.read("sys/a").as_str(), bench.read("sys/b").as_str()), ("mono", "1408"));
        assert_eq!(Journal::left_behind(bench.dir.path()).unwrap(), None);
    }

    #[test]
    fn what_was_never_written_or_is_somebody_elses_now_is_left() {
        let bench = Bench::new();
        let journal = bench.begin();
        bench.write("sys/a", "boot\n");
        let report = journal.put_back(&bench.kernel, bench.dir.path());
        assert_eq!((report.restored, report.failed), (vec![], vec![]));
        assert_eq!(bench.read("sys/a"), "boot\n");
    }

    #[test]
    fn another_boot_has_nothing_left_and_a_file_that_is_gone_is_no_failure() {
        let bench = Bench::new();
        let journal = bench.begin();
        apply(&bench.kernel, &journal.changes).unwrap();
        std::fs::remove_file(bench.dir.path().join("sys/a")).unwrap();
        bench.write("proc/sys/kernel/random/boot_id", "1d6b1c5e-9f0a-4c5d-8f3a-0123456789ab\n");
        let report = journal.put_back(&bench.kernel, bench.dir.path());
        assert_eq!((report.restored.len(), report.notes.len()), (0, 1));
        let journal = bench.begin_again();
        assert!(journal.put_back(&bench.kernel, bench.dir.path()).failed.is_empty());
    }

    impl Bench {
        fn begin_again(&self) -> Journal {
            self.write("sys/a", "local [mono] tai\n");
            self.write("sys/b", "1408\n");
            let journal = self.begin();
            apply(&self.kernel, &journal.changes).unwrap();
            std::fs::remove_file(self.dir.path().join("sys/a")).unwrap();
            journal
        }
    }

    #[test]
    fn a_damaged_journal_is_named() {
        let bench = Bench::new();
        bench.begin();
        std::fs::write(path_of(bench.dir.path()), "{").unwrap();
        assert!(Journal::left_behind(bench.dir.path()).unwrap_err().to_string().contains("blk-tracer.json"));
    }
}
