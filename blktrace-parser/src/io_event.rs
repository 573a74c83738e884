//! Every format as [`block_types::IoEvent`]s.

use crate::action::{Action, Categories};
use crate::cursor::RecordReader;
use crate::detect::Format;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::merge::Merge;
use crate::open::{CpuFiles, Source, is_stream, open_binary, open_file};
use crate::text::{blkparse, iolog, msr};
use block_types::{DevNo, IoEvent, Nanos, Op, Phase, Sector, Sectors};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// The operation that a set of categories says. Zone operations and write-zeroes are writes to blktrace.
#[must_use]
pub fn op_of(categories: Categories, bytes: u32) -> Op {
    if categories.contains(Categories::PASSTHROUGH) {
        Op::Other
    } else if categories.contains(Categories::DISCARD) {
        Op::Discard
    } else if categories.contains(Categories::FLUSH) && bytes == 0 {
        Op::Flush
    } else if categories.contains(Categories::WRITE) {
        Op::Write
    } else if categories.contains(Categories::READ) {
        Op::Read
    } else {
        Op::Other
    }
}

/// An event as the rest of the workspace knows it; `None` for what is neither a queueing, an issue nor a completion.
///
/// The device is the one that the trace names. For a trace of a disk that is the whole disk also where the bio came
/// through a partition, since blktrace records the sector after the remap.
#[must_use]
pub fn to_io_event(event: &Event<'_>) -> Option<IoEvent> {
    let phase = match event.action {
        Action::Queue => Phase::Queued,
        Action::Issue => Phase::Issued,
        Action::Complete => Phase::Completed,
        _ => return None,
    };
    let op = op_of(event.categories, event.bytes);
    Some(IoEvent {
        at: Nanos(event.time_ns),
        dev: DevNo::new(event.device.major, event.device.minor),
        phase,
        op,
        sync: op == Op::Read || event.categories.contains(Categories::SYNC),
        sector: Sector(event.sector),
        sectors: Sectors(event.sectors()),
    })
}

/// The major number of devices that a text names in its own way: the block layer's range for experiments.
const NAMED_MAJOR: u32 = 240;

/// Device numbers for names, given out in the order in which the names appear.
#[derive(Debug, Default)]
struct Names(BTreeMap<String, u32>);

/// The names that are told apart; what comes beyond them shares one number, so that memory stays bounded.
const MAX_NAMES: u32 = 1 << 16;

impl Names {
    fn dev(&mut self, name: &str) -> DevNo {
        let next = (self.0.len() as u32).min(MAX_NAMES);
        let minor = match self.0.get(name) {
            Some(minor) => *minor,
            None if next == MAX_NAMES => MAX_NAMES,
            None => {
                self.0.insert(name.to_owned(), next);
                next
            }
        };
        DevNo::new(NAMED_MAJOR, minor)
    }
}

/// Completions of an MSR trace that wait for their time. Beyond so many the earliest is let go.
const MAX_WAITING: usize = 1 << 16;

type Text = BufReader<Box<dyn Read + Send>>;

/// The whole of a source, and its format: the one that is named, else the one that its first bytes tell.
pub(crate) fn detected(
    mut source: Source,
    file: Option<&Path>,
    named: Option<Format>,
) -> Result<(Source, Format)> {
    let in_file = |error: Error| match file {
        Some(file) => error.in_file(file),
        None => error,
    };
    // `read` may give less than is there; a format is told from as much as there is, up to a page.
    let mut head = Vec::with_capacity(Format::DETECT_BYTES);
    let read = source.by_ref().take(Format::DETECT_BYTES as u64).read_to_end(&mut head);
    read.map_err(|error| in_file(Error::at_byte(head.len() as u64, error.into())))?;
    let format = match named {
        Some(format) => format,
        None => Format::detect(&head).map_err(in_file)?,
    };
    Ok((Box::new(std::io::Cursor::new(head).chain(source)), format))
}

/// Whether a name stands for per-CPU files rather than for a file.
pub(crate) fn is_base(name: &Path) -> bool {
    !name.is_file() && !is_stream(name) && CpuFiles::of_base(name).is_ok()
}

enum Reader {
    Blktrace(Box<Merge<Source>>),
    Blkparse(blkparse::Reader<Text>),
    Iolog { reader: iolog::Reader<Text>, waited_us: u64, names: Names },
    Msr(Box<MsrState>),
}

/// An [`IoEvent`] in the order of its time, then of its arrival.
struct Waiting(u64, u64, IoEvent);

impl Waiting {
    const fn key(&self) -> (u64, u64) {
        (self.0, self.1)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// How to open a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The format; told from the first bytes where it is `None`.
    pub format: Option<Format>,
    /// How many bad lines of a text are passed over before one is an error.
    pub skip_bad_lines: u64,
}

/// The [`IoEvent`]s of a trace of any format.
///
/// - blktrace and blkparse: queueings, issues and completions, with the times and devices of the trace.
/// - fio: a queueing for each read, write, sync and trim. Files are devices 240:0, 240:1 and so on in the order in
///   which they appear. Version 2 has no times, only its waits.
/// - MSR: a queueing and a completion for each row, in the order of time; the first row is time 0. Disks are numbered
///   as the files of fio are.
///
/// ```
/// use blktrace_parser::{IoEvents, Options};
///
/// let csv = "128166372003061629,hm,1,Read,3221266432,4096,110736\n";
/// let events = IoEvents::from_reader(csv.as_bytes(), Options::default())?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(events.len(), 2);
/// assert_eq!(events[1].at.0, 11_073_600);
/// # Ok::<(), blktrace_parser::Error>(())
/// ```
pub struct IoEvents {
    reader: Reader,
    file: Option<PathBuf>,
    format: Format,
    ended: bool,
}

impl std::fmt::Debug for IoEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IoEvents")
            .field("file", &self.file)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl IoEvents {
    /// Opens a trace by name: a file of any format, compressed or not; or the base name of per-CPU files.
    ///
    /// # Errors
    /// Those of [`open_file`], [`CpuFiles::of_base`] and [`Format::detect`], with the path.
    pub fn open(name: &Path, options: Options) -> Result<Self> {
        if is_base(name) && matches!(options.format, None | Some(Format::Blktrace)) {
            let merge = open_binary(name)?.merge;
            return Ok(Self::new(Reader::Blktrace(Box::new(merge)), Format::Blktrace, None));
        }
        Self::of_source(open_file(name)?, Some(name.to_owned()), options)
    }

    /// Reads a trace from a pipe or a slice, compressed or not.
    ///
    /// # Errors
    /// Those of [`Format::detect`] and of the source.
    pub fn from_reader(source: impl Read + Send + 'static, options: Options) -> Result<Self> {
        Self::of_source(crate::compress::decompress(BufReader::new(source))?, None, options)
    }

    fn of_source(source: Source, file: Option<PathBuf>, options: Options) -> Result<Self> {
        let (source, format) = detected(source, file.as_deref(), options.format)?;
        Ok(Self::of_format(source, format, file, options))
    }

    /// Reads a source from its start, as a trace of that format.
    pub(crate) fn of_format(source: Source, format: Format, file: Option<PathBuf>, options: Options) -> Self {
        let skip = options.skip_bad_lines;
        let text = |source: Source| BufReader::with_capacity(64 * 1024, source);
        let reader = match format {
            Format::Blktrace => Reader::Blktrace(Box::new(Merge::new([RecordReader::new(source)]))),
            Format::Blkparse => Reader::Blkparse(blkparse::Reader::new(text(source)).skip_bad_lines(skip)),
            Format::FioIolog => Reader::Iolog {
                reader: iolog::Reader::new(text(source)).skip_bad_lines(skip),
                waited_us: 0,
                names: Names::default(),
            },
            Format::Msr => Reader::Msr(Box::new(MsrState {
                rows: msr::Reader::new(text(source)).skip_bad_lines(skip),
                first: None,
                reached_ns: 0,
                waiting: BinaryHeap::new(),
                arrivals: 0,
                names: Names::default(),
            })),
        };
        Self::new(reader, format, file)
    }

    const fn new(reader: Reader, format: Format, file: Option<PathBuf>) -> Self {
        Self { reader, file, format, ended: false }
    }

    /// The format that was named or told.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Bad lines passed over so far; always zero for a binary trace.
    #[must_use]
    pub const fn skipped_lines(&self) -> u64 {
        match &self.reader {
            Reader::Blktrace(_) => 0,
            Reader::Blkparse(reader) => reader.skipped(),
            Reader::Iolog { reader, .. } => reader.skipped(),
            Reader::Msr(state) => state.rows.skipped(),
        }
    }

    fn advance(&mut self) -> Result<Option<IoEvent>> {
        match &mut self.reader {
            Reader::Blktrace(merge) => {
                while let Some(record) = merge.next_record()? {
                    if let Some(event) = to_io_event(&Event::from_record(&record)?) {
                        return Ok(Some(event));
                    }
                }
                Ok(None)
            }
            Reader::Blkparse(reader) => {
                while let Some(line) = reader.next_line()? {
                    if let Some(event) = to_io_event(&line.event) {
                        return Ok(Some(event));
                    }
                }
                Ok(None)
            }
            Reader::Iolog { reader, waited_us, names } => {
                while let Some(entry) = reader.next_entry()? {
                    if let Some(event) = io_event_of_entry(&entry, waited_us, names) {
                        return Ok(Some(event));
                    }
                }
                Ok(None)
            }
            Reader::Msr(state) => state.advance(),
        }
    }
}

impl Iterator for IoEvents {
    type Item = Result<IoEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.advance() {
            Ok(Some(event)) => Some(Ok(event)),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(match &self.file {
                    Some(file) => error.in_file(file),
                    None => error,
                }))
            }
        }
    }
}

impl std::iter::FusedIterator for IoEvents {}

fn io_event_of_entry(entry: &iolog::Entry<'_>, waited_us: &mut u64, names: &mut Names) -> Option<IoEvent> {
    let (op, sync) = match entry.action {
        iolog::Action::Wait => {
            *waited_us = waited_us.saturating_add(entry.offset);
            return None;
        }
        iolog::Action::Read => (Op::Read, true),
        iolog::Action::Write => (Op::Write, false),
        iolog::Action::Sync | iolog::Action::Datasync | iolog::Action::SyncFileRange => (Op::Flush, true),
        iolog::Action::Trim => (Op::Discard, true),
        iolog::Action::Add | iolog::Action::Open | iolog::Action::Close => return None,
    };
    let (sector, sectors) = if op == Op::Flush { (0, 0) } else { whole_sectors(entry.offset, entry.length) };
    Some(IoEvent {
        at: Nanos(entry.time_us.unwrap_or(*waited_us).saturating_mul(1_000)),
        dev: names.dev(entry.file),
        phase: Phase::Queued,
        op,
        sync,
        sector: Sector(sector),
        sectors: Sectors(sectors),
    })
}

/// The sectors that a stretch of bytes touches. The parsers checked that its end fits into 64 bits.
fn whole_sectors(offset: u64, length: u64) -> (u64, u64) {
    let first = offset / 512;
    match length {
        0 => (first, 0),
        _ => (first, offset.saturating_add(length - 1) / 512 - first + 1),
    }
}

/// An MSR trace on its way to events: its rows, and the events that wait for their time.
struct MsrState {
    rows: msr::Reader<Text>,
    /// The filetime of the first row, which is time 0.
    first: Option<u64>,
    /// The latest time of a row; rows are sorted, so nothing to come is earlier.
    reached_ns: u64,
    waiting: BinaryHeap<Reverse<Waiting>>,
    arrivals: u64,
    names: Names,
}

impl MsrState {
    fn advance(&mut self) -> Result<Option<IoEvent>> {
        loop {
            let due = self.waiting.peek().is_some_and(|Reverse(earliest)| earliest.0 <= self.reached_ns);
            if due || self.waiting.len() >= MAX_WAITING || !self.read_row()? {
                return Ok(self.waiting.pop().map(|Reverse(earliest)| earliest.2));
            }
        }
    }

    /// Takes the next row in; `false` at the end.
    fn read_row(&mut self) -> Result<bool> {
        let Some(row) = self.rows.next_row()? else { return Ok(false) };
        let start = *self.first.get_or_insert(row.filetime);
        let at = row.filetime.saturating_sub(start).saturating_mul(msr::TICK_NS);
        let (sector, sectors) = whole_sectors(row.offset, row.size);
        let queued = IoEvent {
            at: Nanos(at),
            dev: self.names.dev(&format!("{} {}", row.host, row.disk)),
            phase: Phase::Queued,
            op: if row.kind == msr::Kind::Read { Op::Read } else { Op::Write },
            sync: row.kind == msr::Kind::Read,
            sector: Sector(sector),
            sectors: Sectors(sectors),
        };
        let done_at = at.saturating_add(row.response_ns());
        let completed = IoEvent { at: Nanos(done_at), phase: Phase::Completed, ..queued };
        self.waiting.push(Reverse(Waiting(at, self.arrivals, queued)));
        self.waiting.push(Reverse(Waiting(done_at, self.arrivals + 1, completed)));
        self.arrivals += 2;
        self.reached_ns = self.reached_ns.max(at);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn events(text: &'static str) -> Vec<IoEvent> {
        IoEvents::from_reader(text.as_bytes(), Options::default()).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn an_msr_trace_is_in_the_order_of_time() {
        let found = events(
            "100,hm,0,Read,0,512,10\n101,hm,0,Write,1024,1024,3\n101,hm,1,Read,512,4096,100\n120,hm,0,Read,1536,1,1\n",
        );
        let shape: Vec<_> = found.iter().map(|event| (event.at.0, event.phase, event.dev.minor)).collect();
        assert_eq!(
            shape,
            [
                (0, Phase::Queued, 0),
                (100, Phase::Queued, 0),
                (100, Phase::Queued, 1),
                (400, Phase::Completed, 0),
                (1_000, Phase::Completed, 0),
                (2_000, Phase::Queued, 0),
                (2_100, Phase::Completed, 0),
                (10_100, Phase::Completed, 1),
            ]
        );
        assert_eq!((found[5].sector, found[5].sectors), (Sector(3), Sectors(1)));
    }

    #[test]
    fn waits_of_a_fio_log_add_up() {
        let found = events(
            "fio version 2 iolog\nf add\nf open\nf read 0 512\nf wait 100 0\nf wait 50 0\ng write 512 1024\nf sync 0 0\n",
        );
        let shape: Vec<_> = found.iter().map(|event| (event.at.0, event.op, event.dev.minor)).collect();
        assert_eq!(shape, [(0, Op::Read, 0), (150_000, Op::Write, 1), (150_000, Op::Flush, 0)]);
    }

    #[test]
    fn a_format_that_is_named_is_not_told_from_the_bytes() {
        let options = Options { format: Some(Format::Msr), skip_bad_lines: 1 };
        let events = IoEvents::from_reader(&b"broken\n100,hm,0,Read,0,512,10\n"[..], options).unwrap();
        assert_eq!(events.map(Result::unwrap).count(), 2);
        let empty = Options { format: Some(Format::Blkparse), skip_bad_lines: 0 };
        assert_eq!(IoEvents::from_reader(&b""[..], empty).unwrap().count(), 0);
        let told = IoEvents::from_reader(&b""[..], Options::default()).unwrap_err();
        assert!(matches!(*told.kind, ErrorKind::Empty));
    }

    #[test]
    fn operations_are_told_apart() {
        let cases = [
            (Categories::READ, 512, Op::Read),
            (Categories::WRITE.with(Categories::FLUSH), 512, Op::Write),
            (Categories::WRITE.with(Categories::FLUSH), 0, Op::Flush),
            (Categories::FLUSH, 0, Op::Flush),
            (Categories::WRITE.with(Categories::DISCARD), 512, Op::Discard),
            (Categories::READ.with(Categories::PASSTHROUGH), 512, Op::Other),
            (Categories::NONE, 0, Op::Other),
        ];
        for (categories, bytes, op) in cases {
            assert_eq!(op_of(categories, bytes), op, "{categories:?}");
        }
    }
}
