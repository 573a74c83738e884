//! Bytes to records: without copying from a slice, and over [`Read`] with a bounded buffer.

use crate::abi::{ByteOrder, HEADER_BYTES, Header, MAX_RECORD_BYTES, Record, split_record};
use crate::error::{Error, ErrorKind, Result};
use crate::lost::{self, Lost};
use std::io::{self, Read};

/// What stands at the start of some bytes.
enum Step<'a> {
    Record(Record<'a>),
    /// A note of ftrace's, so many bytes long.
    Note(usize, Lost),
    /// Not enough to tell; so many bytes are needed to go on.
    Need(usize),
}

#[inline]
fn step(bytes: &[u8], offset: u64, order: Option<ByteOrder>) -> Result<Step<'_>> {
    match split_record(bytes, offset, order) {
        Ok(Ok(record)) => Ok(Step::Record(record)),
        Ok(Err(need)) => Ok(Step::Need(need)),
        Err(error) => note(bytes, error),
    }
}

#[cold]
fn note(bytes: &[u8], error: Error) -> Result<Step<'_>> {
    if !matches!(*error.kind, ErrorKind::BadMagic { .. }) {
        return Err(error);
    }
    match lost::line(bytes) {
        lost::Line::Whole(len, lost) => Ok(Step::Note(len, lost)),
        lost::Line::Cut => Ok(Step::Need(lost::MAX_LINE_BYTES)),
        lost::Line::Other => Err(error),
    }
}

/// The records of a trace that is in memory (or mapped). Payloads borrow from it; nothing is copied or allocated.
///
/// After an error there is nothing more: the length of what follows is unknown, so where the next record starts
/// cannot be told.
///
/// ```
/// use blktrace_parser::{ByteOrder, Header, Records};
///
/// let header = Header {
///     sequence: 1, time_ns: 5, sector: 2048, bytes: 4096, action: 0x0011_0001, pid: 42, device: 8 << 20, cpu: 0,
///     error: 0, pdu_len: 0,
/// };
/// let bytes = header.encode(ByteOrder::Little);
/// let record = Records::new(&bytes).next().unwrap()?;
/// assert_eq!(record.header.sector, 2048);
/// # Ok::<(), blktrace_parser::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    offset: u64,
    order: Option<ByteOrder>,
    lost: Lost,
}

impl<'a> Records<'a> {
    /// Iterates over the records in `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0, order: None, lost: Lost { gaps: 0, events: 0 } }
    }

    /// What notes of `trace_pipe` between the records so far say was lost.
    #[must_use]
    pub const fn lost(&self) -> Lost {
        self.lost
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let found = match step(self.rest, self.offset, self.order) {
                Ok(Step::Record(record)) => {
                    let len = HEADER_BYTES + record.pdu.len();
                    self.rest = &self.rest[len..];
                    self.offset += len as u64;
                    self.order = Some(record.order);
                    return Some(Ok(record));
                }
                Ok(Step::Note(len, lost)) => {
                    self.rest = &self.rest[len..];
                    self.offset += len as u64;
                    self.lost.add(lost);
                    continue;
                }
                Ok(Step::Need(expected)) => {
                    Error::at_byte(self.offset, ErrorKind::Truncated { found: self.rest.len(), expected })
                }
                Err(error) => error,
            };
            self.rest = &[];
            return Some(Err(found));
        }
    }
}

impl std::iter::FusedIterator for Records<'_> {}

/// Size of a reader's first buffer. It grows once, to hold a longer record, and never beyond the longest.
const BUFFER_BYTES: usize = 32 * 1024;

/// The records of a stream: a file, a pipe, a decompressor. Holds at most 96 KiB whatever the stream says.
///
/// Each record borrows from the buffer until the next call, so this lends rather than iterates.
///
/// ```no_run
/// use blktrace_parser::RecordReader;
///
/// let mut reader = RecordReader::new(std::io::stdin().lock());
/// while let Some(record) = reader.next_record()? {
///     println!("{} {}", record.header.time_ns, record.header.sector);
/// }
/// # Ok::<(), blktrace_parser::Error>(())
/// ```
#[derive(Debug)]
pub struct RecordReader<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    order: Option<ByteOrder>,
    lost: Lost,
    ended: bool,
}

impl<R: Read> RecordReader<R> {
    /// Reads records from `source`, which needs no buffering of its own.
    pub fn new(source: R) -> Self {
        Self::with_capacity(BUFFER_BYTES, source)
    }

    /// Reads so many bytes at a time, at least those of a header. More are held where a record is longer.
    pub fn with_capacity(bytes: usize, source: R) -> Self {
        let buffer = vec![0; bytes.max(HEADER_BYTES)];
        Self { source, buffer, start: 0, end: 0, offset: 0, order: None, lost: Lost::default(), ended: false }
    }

    /// What notes of `trace_pipe` between the records so far say was lost.
    #[must_use]
    pub const fn lost(&self) -> Lost {
        self.lost
    }

    /// Hands on all whole records that one reading of the source brought; `false` at the end of the stream. Faster
    /// than [`next_record`](Self::next_record), after which it may be called as well.
    ///
    /// # Errors
    /// As [`next_record`](Self::next_record), and the first that `each` answers; what stood before it was handed on.
    #[inline]
    pub fn next_records(&mut self, mut each: impl FnMut(&Record<'_>) -> Result<()>) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        loop {
            let begun = self.start;
            let (mut at, mut offset, mut order) = (self.start, self.offset, self.order);
            let mut failed = None;
            let need = loop {
                match step(&self.buffer[at..self.end], offset, order) {
                    Ok(Step::Record(record)) => {
                        order = Some(record.order);
                        let told = each(&record);
                        let len = HEADER_BYTES + record.pdu.len();
                        at += len;
                        offset += len as u64;
                        if let Err(error) = told {
                            failed = Some(error);
                            break 0;
                        }
                    }
                    Ok(Step::Note(len, lost)) => {
                        at += len;
                        offset += len as u64;
                        self.lost.add(lost);
                    }
                    Ok(Step::Need(need)) => break need,
                    Err(error) => {
                        failed = Some(error);
                        break 0;
                    }
                }
            };
            (self.start, self.offset, self.order) = (at, offset, order);
            if let Some(error) = failed {
                self.ended = true;
                return Err(error);
            }
            if at > begun {
                return Ok(true);
            }
            let filled = self.fill(need);
            self.ended = !matches!(filled, Ok(true));
            if !filled? {
                return match self.end - self.start {
                    0 => Ok(false),
                    found => Err(Error::at_byte(self.offset, ErrorKind::Truncated { found, expected: need })),
                };
            }
        }
    }

    /// The next record; `None` at the end of the stream. After an error there is nothing more.
    ///
    /// # Errors
    /// Wrong magic, another version, mixed byte order, an end inside a record, or an error of the source.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>> {
        if self.ended {
            return Ok(None);
        }
        let located = self.locate();
        self.ended = !matches!(located, Ok(Some(_)));
        let Some((header, order)) = located? else { return Ok(None) };
        let pdu = self.start + HEADER_BYTES;
        let next = pdu + usize::from(header.pdu_len);
        let offset = self.offset;
        self.offset += (next - self.start) as u64;
        self.start = next;
        self.order = Some(order);
        Ok(Some(Record { header, order, pdu: &self.buffer[pdu..next], offset }))
    }

    /// Makes the next record stand whole at `start` of the buffer, and decodes it.
    #[inline]
    fn locate(&mut self) -> Result<Option<(Header, ByteOrder)>> {
        loop {
            let held = &self.buffer[self.start..self.end];
            let need = match step(held, self.offset, self.order)? {
                Step::Record(record) => return Ok(Some((record.header, record.order))),
                Step::Note(len, lost) => {
                    self.start += len;
                    self.offset += len as u64;
                    self.lost.add(lost);
                    continue;
                }
                Step::Need(need) => need,
            };
            if !self.fill(need)? {
                let found = self.end - self.start;
                return match found {
                    0 => Ok(None),
                    _ => Err(Error::at_byte(self.offset, ErrorKind::Truncated { found, expected: need })),
                };
            }
        }
    }

    /// Reads some more; `false` at the end of the source. `need` bytes will fit from `start` on.
    #[cold]
    fn fill(&mut self, need: usize) -> Result<bool> {
        debug_assert!(need <= MAX_RECORD_BYTES);
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if need > self.buffer.len() {
            self.buffer.resize(MAX_RECORD_BYTES, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.end += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let at = self.offset + (self.end - self.start) as u64;
                    return Err(Error::at_byte(at, ErrorKind::Io(error)));
                }
            }
        }
    }
}
