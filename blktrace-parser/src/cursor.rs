//! Bytes to records: without copying from a slice, and over [`Read`] with a bounded buffer.

use crate::abi::{ByteOrder, HEADER_BYTES, Header, MAX_RECORD_BYTES, Record, split_record};
use crate::error::{Error, ErrorKind, Result};
use std::io::{self, Read};

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
}

impl<'a> Records<'a> {
    /// Iterates over the records in `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0, order: None }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = match split_record(self.rest, self.offset, self.order) {
            Ok(Ok(record)) => {
                let len = HEADER_BYTES + record.pdu.len();
                self.rest = &self.rest[len..];
                self.offset += len as u64;
                self.order = Some(record.order);
                return Some(Ok(record));
            }
            Ok(Err(expected)) => {
                Error::at_byte(self.offset, ErrorKind::Truncated { found: self.rest.len(), expected })
            }
            Err(error) => error,
        };
        self.rest = &[];
        Some(Err(found))
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
    ended: bool,
}

impl<R: Read> RecordReader<R> {
    /// Reads records from `source`, which needs no buffering of its own.
    pub fn new(source: R) -> Self {
        Self { source, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, offset: 0, order: None, ended: false }
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
            let need = match split_record(held, self.offset, self.order)? {
                Ok(record) => return Ok(Some((record.header, record.order))),
                Err(need) => need,
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
