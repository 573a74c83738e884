//! What was, what we mean to write, and what came of it: on disk before it happens, for the day the process dies.
//!
//! `<state_dir>/journal/<device>.jsonl`, one record a line. The first holds the originals and is synced, file and
//! directory, before anything is written to the device. Those after it are appended without a sync: a process that
//! dies loses nothing of what it appended, and a machine that dies forgets the settings themselves. (A sync at each
//! write would also be felt by the very disk that is being measured.)

use crate::GuardError;
use crate::catalogue::may_reset;
use crate::story::{Opened, Record, Story, VERSION};
use block_types::{Elevator, Knob, Setting, Settings};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// From this length on the journal is written anew with what it says; a day of tuning would be 50 MB.
const COMPACT_BYTES: u64 = 256 << 10;

/// The journal of one device, and what it says so far.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    /// Open for appending; `None` while the file does not say (all of) what `story` does.
    file: Option<File>,
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
        let mut journal = Self::resume(path, Story::begin(opened));
        journal.rewrite().map_err(journal.error())?;
        Ok(journal)
    }

    /// Goes on with a journal that was read; its file is written anew at the first record.
    pub(crate) const fn resume(path: PathBuf, story: Story) -> Self {
        Self { path, file: None, bytes: 0, story }
    }

    pub(crate) const fn story(&self) -> &Story {
        &self.story
    }

    pub(crate) fn intend(&mut self, setting: Setting, under: Option<Elevator>) -> Result<(), GuardError> {
        self.append(Record::Intends { setting, under })
    }

    /// Takes over, of how the device is now, what our unresolved writes can have changed. Anything else that has
    /// changed was somebody else's doing. Answers what changed.
    pub(crate) fn know(&mut self, now: &Settings) -> Result<Settings, GuardError> {
        let reaches = |knob: Knob| {
            self.story.pending.iter().any(|setting| setting.knob == knob || may_reset(setting.knob, knob))
        };
        let known = &self.story.known;
        let changed: Settings = now
            .iter()
            .filter(|setting| reaches(setting.knob) && known.get(setting.knob) != Some(setting.value))
            .collect();
        let gone = known.iter().map(|setting| setting.knob);
        let gone = gone.filter(|&knob| reaches(knob) && now.get(knob).is_none()).collect();
        self.append(Record::Known { changed: changed.clone(), gone })?;
        Ok(changed)
    }

    pub(crate) fn yield_to(&mut self, knob: Knob, now: &Settings) -> Result<(), GuardError> {
        self.append(Record::Yields { knob, found: now.get(knob), under: now.elevator() })
    }

    pub(crate) fn adopt(&mut self, now: &Settings) -> Result<(), GuardError> {
        let along = now.iter().filter(|setting| may_reset(Knob::Scheduler, setting.knob)).collect();
        self.append(Record::Adopts { along })
    }

    /// Adds a record. What is in memory holds it even if the file could not be written; the next one that can be
    /// makes up for it.
    fn append(&mut self, record: Record) -> Result<(), GuardError> {
        let line = line(&record);
        self.story.tell(record);
        let result = match self.file.take() {
            Some(mut file) if self.bytes <= COMPACT_BYTES => line.and_then(|line| {
                file.write_all(&line)?;
                self.bytes += line.len() as u64;
                self.file = Some(file);
                Ok(())
            }),
            _ => self.rewrite(),
        };
        result.map_err(self.error())
    }

    /// Writes the file anew, with everything so far.
    fn rewrite(&mut self) -> io::Result<()> {
        let mut lines = line(&Record::Opened(self.story.opened.clone()))?;
        if self.story != Story::begin(self.story.opened.clone()) {
            lines.extend(line(&Record::Story(Box::new(self.story.clone())))?);
        }
        self.file = Some(replace(&self.path, &lines)?);
        self.bytes = lines.len() as u64;
        Ok(())
    }

    fn error(&self) -> impl FnOnce(io::Error) -> GuardError + use<> {
        GuardError::io("write the journal", self.path.clone())
    }

    /// Ends the journal: everything is put back.
    pub(crate) fn remove(self) -> Result<(), GuardError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(GuardError::io("remove the journal", self.path)),
        }
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
    use block_types::KnobValue;

    fn setting(knob: Knob, value: u64) -> Setting {
        Setting { knob, value: KnobValue::Number(value) }
    }

    fn settings(values: &[(Knob, u64)]) -> Settings {
        values.iter().map(|&(knob, value)| setting(knob, value)).collect()
    }

    fn opened() -> Opened {
        let originals = settings(&[(Knob::FifoBatch, 16), (Knob::ReadAheadKb, 128)]);
        let (device, boot_id) = ("sda".to_owned(), "boot".to_owned());
        let (diskseq, tag_depth, wbt_by_hand) = (Some(3), Some(32), Some(false));
        Opened { version: VERSION, device, boot_id, diskseq, pid: 42, originals, tag_depth, wbt_by_hand }
    }

    fn written(dir: &Path, writes: u64) -> Story {
        let mut journal = Journal::create(dir, opened()).unwrap();
        for value in 0..writes {
            journal.intend(setting(Knob::FifoBatch, value), Some(Elevator::MqDeadline)).unwrap();
            journal.know(&settings(&[(Knob::FifoBatch, value), (Knob::ReadAheadKb, 128)])).unwrap();
        }
        journal.yield_to(Knob::ReadAheadKb, &settings(&[(Knob::ReadAheadKb, 4)])).unwrap();
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

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_full_disk_kept_out_is_made_up_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(dir.path(), opened()).unwrap();
        journal.file = Some(File::options().write(true).open("/dev/full").unwrap());
        let error = journal.intend(setting(Knob::FifoBatch, 1), None).unwrap_err();
        assert!(matches!(error, GuardError::Io { .. }), "{error}");
        journal.know(&settings(&[(Knob::FifoBatch, 1), (Knob::ReadAheadKb, 128)])).unwrap();
        assert_eq!(journal.story().known.number(Knob::FifoBatch), Some(1));
        assert_eq!(read_story(&path_of(dir.path(), "sda")), (journal.story().clone(), Vec::new()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
