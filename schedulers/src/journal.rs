//! What was, what we mean to write, and what came of it: on disk before it happens, for the day the process dies.
//!
//! `<state_dir>/journal/<device>.jsonl`, one record a line. The first holds the originals and is synced, file and
//! directory, before anything is written to the device. Those after it are appended without a sync: a process that
//! dies loses nothing of what it appended, and a machine that dies forgets the settings themselves. (A sync at each
//! write would also be felt by the very disk that is being measured.)

use crate::GuardError;
use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The format of the records.
const VERSION: u32 = 1;
/// From this length on the journal is written anew with what it says; a day of tuning would be 50 MB.
const COMPACT_BYTES: u64 = 256 << 10;

/// The first record: whose journal it is, and how the device was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opened {
    pub(crate) version: u32,
    pub(crate) device: String,
    pub(crate) boot_id: String,
    pub(crate) diskseq: Option<u64>,
    pub(crate) pid: u32,
    pub(crate) originals: Settings,
    /// The driver's tag depth, where debugfs told it: `nr_requests` under `none` may say something else.
    pub(crate) tag_depth: Option<u64>,
}

impl Opened {
    pub(crate) const fn new(
        device: String,
        boot_id: String,
        diskseq: Option<u64>,
        pid: u32,
        originals: Settings,
        tag_depth: Option<u64>,
    ) -> Self {
        Self { version: VERSION, device, boot_id, diskseq, pid, originals, tag_depth }
    }
}

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
enum Record {
    Opened(Opened),
    /// About to be written; under which scheduler.
    Intends { setting: Setting, under: Option<Elevator> },
    /// Read back after the last intention: what changed, and which knobs are no longer there.
    Known { changed: Settings, gone: BTreeSet<Knob> },
    /// Somebody else wrote it.
    Yields { knob: Knob, found: Option<KnobValue> },
    /// Everything so far, at a compaction.
    Story(Box<Story>),
}

/// What a journal says: enough to tell our values from others', and to put the originals back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Story {
    pub(crate) opened: Opened,
    /// Every knob as last read back.
    pub(crate) known: Settings,
    /// Written, or about to be, and not yet read back.
    pub(crate) pending: Option<Setting>,
    /// Knobs that we wrote.
    pub(crate) touched: BTreeSet<Knob>,
    /// Whether `nr_requests` was written under `none`, which resizes the driver's tags.
    pub(crate) resized_tags: bool,
    /// Knobs that somebody else wrote, and what they made of them.
    pub(crate) yielded: BTreeMap<Knob, Option<KnobValue>>,
}

impl Story {
    pub(crate) fn begin(opened: Opened) -> Self {
        Self {
            known: opened.originals.clone(),
            opened,
            pending: None,
            touched: BTreeSet::new(),
            resized_tags: false,
            yielded: BTreeMap::new(),
        }
    }

    pub(crate) fn intend(&mut self, setting: Setting, under: Option<Elevator>) {
        self.pending = Some(setting);
        self.touched.insert(setting.knob);
        self.resized_tags |= setting.knob == Knob::NrRequests && under == Some(Elevator::None);
    }

    pub(crate) fn know(&mut self, changed: &Settings, gone: &BTreeSet<Knob>) {
        for setting in changed.iter() {
            self.known.set(setting.knob, setting.value);
        }
        for knob in gone {
            self.known.0.remove(knob);
        }
        self.pending = None;
    }

    pub(crate) fn yield_to(&mut self, knob: Knob, found: Option<KnobValue>) {
        self.yielded.insert(knob, found);
        match found {
            Some(value) => self.known.set(knob, value),
            None => self.known.0.remove(&knob),
        };
    }

    fn tell(&mut self, record: Record) {
        match record {
            Record::Opened(_) => {}
            Record::Intends { setting, under } => self.intend(setting, under),
            Record::Known { changed, gone } => self.know(&changed, &gone),
            Record::Yields { knob, found } => self.yield_to(knob, found),
            Record::Story(story) => *self = *story,
        }
    }
}

/// The journal of one device, open for appending, and what it says so far.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    story: Story,
}

/// Where a device's journal is.
pub(crate) fn path_of(state_dir: &Path, device: &str) -> PathBuf {
    directory(state_dir).join(format!("{device}.jsonl"))
}

pub(crate) fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("journal")
}

impl Journal {
    /// Begins a journal; what is there already is an error.
    pub(crate) fn create(state_dir: &Path, opened: Opened) -> Result<Self, GuardError> {
        let directory = directory(state_dir);
        std::fs::create_dir_all(&directory).map_err(GuardError::io("make the directory", &directory))?;
        let path = path_of(state_dir, &opened.device);
        if path.exists() {
            return Err(GuardError::LeftBehind { path });
        }
        let line = line(&Record::Opened(opened.clone())).map_err(GuardError::io("write", &path))?;
        let file = replace(&path, &line).map_err(GuardError::io("write the journal", &path))?;
        Ok(Self { path, file, bytes: line.len() as u64, story: Story::begin(opened) })
    }

    pub(crate) const fn story(&self) -> &Story {
        &self.story
    }

    pub(crate) fn intend(&mut self, setting: Setting, under: Option<Elevator>) -> Result<(), GuardError> {
        self.append(Record::Intends { setting, under })
    }

    pub(crate) fn know(&mut self, changed: Settings, gone: BTreeSet<Knob>) -> Result<(), GuardError> {
        self.append(Record::Known { changed, gone })?;
        if self.bytes > COMPACT_BYTES {
            let mut lines = line(&Record::Opened(self.story.opened.clone())).map_err(self.error())?;
            let story = Record::Story(Box::new(self.story.clone()));
            lines.extend(line(&story).map_err(self.error())?);
            self.file = replace(&self.path, &lines).map_err(self.error())?;
            self.bytes = lines.len() as u64;
        }
        Ok(())
    }

    pub(crate) fn yield_to(&mut self, knob: Knob, found: Option<KnobValue>) -> Result<(), GuardError> {
        self.append(Record::Yields { knob, found })
    }

    fn append(&mut self, record: Record) -> Result<(), GuardError> {
        let line = line(&record).map_err(self.error())?;
        self.file.write_all(&line).map_err(self.error())?;
        self.bytes += line.len() as u64;
        self.story.tell(record);
        Ok(())
    }

    fn error(&self) -> impl FnOnce(io::Error) -> GuardError + use<> {
        GuardError::io("write the journal", self.path.clone())
    }

    /// Ends the journal: everything is put back.
    pub(crate) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

fn line(record: &Record) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

/// Puts a file in place of another at once, synced; answers it open for appending.
fn replace(path: &Path, content: &[u8]) -> io::Result<File> {
    let new = path.with_extension("jsonl.new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(file)
}

/// What a journal on disk comes to.
#[derive(Debug)]
pub(crate) enum Read {
    /// A story, and what was wrong with some of its lines.
    Story(Box<Story>, Vec<String>),
    /// Its first record is not whole, so nothing had been written to the device yet.
    Nothing,
    /// Its first record is whole and makes no sense.
    Damaged(String),
}

/// Reads a journal. Every whole line counts; one that makes no sense is skipped and named.
pub(crate) fn read(path: &Path) -> io::Result<Read> {
    let text = std::fs::read(path)?;
    Ok(parse(&text))
}

fn parse(text: &[u8]) -> Read {
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let mut lines = text[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).enumerate();
    let mut story = match lines.next().map(|(_, line)| serde_json::from_slice::<Record>(line)) {
        None => return Read::Nothing,
        Some(Ok(Record::Opened(opened))) if opened.version == VERSION => Story::begin(opened),
        Some(Ok(Record::Opened(opened))) => {
            return Read::Damaged(format!("line 1: found version {}, expected {VERSION}", opened.version));
        }
        Some(Ok(_)) => return Read::Damaged("line 1: found another record, expected \"opened\"".to_owned()),
        Some(Err(error)) => return Read::Damaged(format!("line 1: {error}")),
    };
    let mut problems = Vec::new();
    for (index, line) in lines {
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => story.tell(record),
            Err(error) => problems.push(format!("line {}: {error}; skipped", index + 1)),
        }
    }
    if whole < text.len() {
        problems.push("the last line is cut off; skipped".to_owned());
    }
    Read::Story(Box::new(story), problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(knob: Knob, value: u64) -> Setting {
        Setting { knob, value: KnobValue::Number(value) }
    }

    fn settings(values: &[(Knob, u64)]) -> Settings {
        values.iter().map(|&(knob, value)| setting(knob, value)).collect()
    }

    fn opened() -> Opened {
        let originals = settings(&[(Knob::FifoBatch, 16), (Knob::ReadAheadKb, 128)]);
        Opened::new("sda".to_owned(), "boot".to_owned(), Some(3), 42, originals, Some(32))
    }

    fn written(dir: &Path, writes: u64) -> Story {
        let mut journal = Journal::create(dir, opened()).unwrap();
        for value in 0..writes {
            journal.intend(setting(Knob::FifoBatch, value), Some(Elevator::MqDeadline)).unwrap();
            journal.know(settings(&[(Knob::FifoBatch, value)]), BTreeSet::new()).unwrap();
        }
        journal.yield_to(Knob::ReadAheadKb, Some(KnobValue::Number(4))).unwrap();
        journal.intend(setting(Knob::FifoBatch, 77), Some(Elevator::MqDeadline)).unwrap();
        journal.story().clone()
    }

    fn read_story(path: &Path) -> (Story, Vec<String>) {
        match read(path).unwrap() {
            Read::Story(story, problems) => (*story, problems),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_read_is_what_was_written_also_after_compactions() {
        for writes in [0, 3, 5_000] {
            let dir = tempfile::tempdir().unwrap();
            let story = written(dir.path(), writes);
            let path = path_of(dir.path(), "sda");
            assert_eq!(read_story(&path), (story, Vec::new()));
            assert!(std::fs::metadata(&path).unwrap().len() < COMPACT_BYTES + 4_096);
        }
    }

    #[test]
    fn a_second_journal_does_not_overwrite_the_first() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), 1);
        let error = Journal::create(dir.path(), opened()).unwrap_err();
        assert!(matches!(error, GuardError::LeftBehind { .. }), "{error}");
    }

    #[test]
    fn every_prefix_is_read_and_never_claims_what_is_not_in_it() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), 3);
        let text = std::fs::read(path_of(dir.path(), "sda")).unwrap();
        let first = text.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for end in 0..text.len() {
            match parse(&text[..end]) {
                Read::Nothing => assert!(end < first, "{end}"),
                Read::Story(story, problems) => {
                    assert!(end >= first);
                    assert_eq!(story.opened, opened());
                    assert_eq!(problems.is_empty(), text[end - 1] == b'\n', "{end}: {problems:?}");
                }
                Read::Damaged(why) => panic!("{end}: {why}"),
            }
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named_and_the_rest_counts() {
        let dir = tempfile::tempdir().unwrap();
        let story = written(dir.path(), 2);
        let path = path_of(dir.path(), "sda");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.insert(2, "{\"record\":\"nonsense\"}");
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let (read, problems) = read_story(&path);
        assert_eq!(read, story);
        assert!(problems.len() == 1 && problems[0].starts_with("line 3"), "{problems:?}");
        std::fs::write(&path, "{}\n").unwrap();
        assert!(matches!(super::read(&path).unwrap(), Read::Damaged(_)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
