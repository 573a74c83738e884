//! Per-CPU streams merged into one in the order of time, in bounded memory.
//!
//! Each CPU writes a file of its own. Within one, events are nearly in order: an interrupt may come between reading
//! the clock and storing the event, so a few stand behind a later one. [`Merge`] therefore looks ahead in every
//! stream by a window of records, sorts within it, and always hands out the earliest of all. Records of the same
//! time keep the order of their streams, and within a stream the order of the file.

use crate::abi::{ByteOrder, HEADER_BYTES, Header, Record};
use crate::cursor::RecordReader;
use crate::error::{Error, Result};
use crate::event::Device;
use crate::lost::Lost;
use crate::sequence::SequenceCheck;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::Read;
use std::path::PathBuf;

/// How many records of each stream are held to sort them, unless the caller says otherwise.
pub const DEFAULT_WINDOW: usize = 64;

/// The window also ends at this many bytes of payload, so that a stream of the longest payloads stays small.
const WINDOW_BYTES: usize = 256 * 1024;

/// Emptied payload buffers that are kept for reuse.
const SPARE_BUFFERS: usize = 64;

#[derive(Debug)]
struct Held {
    header: Header,
    order: ByteOrder,
    offset: u64,
    pdu: Vec<u8>,
}

#[derive(Debug)]
struct Stream<R> {
    reader: RecordReader<R>,
    file: Option<PathBuf>,
    pending: VecDeque<Held>,
    pending_bytes: usize,
    ended: bool,
    failed: Option<Error>,
}

/// Records of several streams in the order of time.
///
/// Memory is bounded by the number of streams: for each a reader's buffer and a window of records. An error of one
/// stream is returned when all that stood before it in that stream has been; the others can be read on.
///
/// ```
/// use blktrace_parser::{ByteOrder, Header, Merge, RecordReader};
///
/// let record = |time_ns, cpu| Header {
///     sequence: 0, time_ns, sector: 0, bytes: 512, action: 0x0011_0001, pid: 1, device: 8 << 20, cpu, error: 0,
///     pdu_len: 0,
/// }.encode(ByteOrder::Little);
/// let cpu0 = [record(10, 0), record(30, 0)].concat();
/// let cpu1 = [record(20, 1)].concat();
/// let mut merge = Merge::new([RecordReader::new(&cpu0[..]), RecordReader::new(&cpu1[..])]);
/// let mut times = Vec::new();
/// while let Some(record) = merge.next_record()? {
///     times.push(record.header.time_ns);
/// }
/// assert_eq!(times, [10, 20, 30]);
/// # Ok::<(), blktrace_parser::Error>(())
/// ```
#[derive(Debug)]
pub struct Merge<R> {
    streams: Vec<Stream<R>>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    errors: VecDeque<Error>,
    current: Option<Held>,
    spare: Vec<Vec<u8>>,
    window: usize,
    started: bool,
    last_ns: u64,
    late: u64,
    records: u64,
    sequence: SequenceCheck,
}

impl<R: Read> Merge<R> {
    /// Merges streams that have no names.
    pub fn new(streams: impl IntoIterator<Item = RecordReader<R>>) -> Self {
        Self::with_files(streams.into_iter().map(|reader| (None, reader)))
    }

    /// Merges streams, with the names of their files for errors.
    pub fn with_files(streams: impl IntoIterator<Item = (Option<PathBuf>, RecordReader<R>)>) -> Self {
        let stream = |(file, reader)| Stream {
            reader,
            file,
            pending: VecDeque::new(),
            pending_bytes: 0,
            ended: false,
            failed: None,
        };
        Self {
            streams: streams.into_iter().map(stream).collect(),
            heads: BinaryHeap::new(),
            errors: VecDeque::new(),
            current: None,
            spare: Vec::new(),
            window: DEFAULT_WINDOW,
            started: false,
            last_ns: 0,
            late: 0,
            records: 0,
            sequence: SequenceCheck::default(),
        }
    }

    /// Looks ahead by `records` (at least one) in each stream. One is right for streams that are sorted, and for
    /// pipes, where looking ahead means waiting.
    #[must_use]
    pub fn window(mut self, records: usize) -> Self {
        self.window = records.max(1);
        self
    }

    /// The next record in the order of time; `None` when all streams have ended.
    ///
    /// # Errors
    /// Those of [`RecordReader::next_record`], with the name of the file.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>> {
        if !self.started {
            self.started = true;
            for index in 0..self.streams.len() {
                self.refill(index);
            }
        }
        if let Some(error) = self.errors.pop_front() {
            return Err(error);
        }
        let Some(Reverse((time_ns, index))) = self.heads.pop() else { return Ok(None) };
        let Some(held) = self.streams[index].pending.pop_front() else { return Ok(None) };
        self.streams[index].pending_bytes -= held.pdu.len();
        if time_ns < self.last_ns {
            self.late += 1;
        } else {
            self.last_ns = time_ns;
        }
        self.records += 1;
        if let Some(Held { pdu, .. }) = self.current.take()
            && pdu.capacity() > 0
            && self.spare.len() < SPARE_BUFFERS
        {
            self.spare.push(pdu);
        }
        self.refill(index);
        let Held { header, order, offset, pdu } = self.current.insert(held);
        Ok(Some(Record { header: *header, order: *order, pdu, offset: *offset }))
    }

    /// Fills a stream's window and enters its earliest record among the heads.
    fn refill(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        while !stream.ended && stream.pending.len() < self.window && stream.pending_bytes < WINDOW_BYTES {
            match stream.reader.next_record() {
                Ok(Some(record)) => {
                    let Record { header, order, offset, pdu: from } = record;
                    let mut pdu =
                        if from.is_empty() { Vec::new() } else { self.spare.pop().unwrap_or_default() };
                    pdu.clear();
                    pdu.extend_from_slice(from);
                    if header.sequence != 0 && !crate::Action::from_raw(header.action).is_notify() {
                        let device = Device::from_kernel(header.device);
                        self.sequence.observe_number(device, header.cpu, header.sequence);
                    }
                    stream.pending_bytes += pdu.len();
                    // From the back, behind its equals: cheap where the stream is nearly sorted, and stable.
                    let later =
                        stream.pending.iter().rev().take_while(|held| held.header.time_ns > header.time_ns);
                    let at = stream.pending.len() - later.count();
                    let held = Held { header, order, offset, pdu };
                    if at == stream.pending.len() {
                        stream.pending.push_back(held);
                    } else {
                        stream.pending.insert(at, held);
                    }
                }
                Ok(None) => stream.ended = true,
                Err(error) => {
                    stream.ended = true;
                    stream.failed = Some(match &stream.file {
                        Some(file) => error.in_file(file),
                        None => error,
                    });
                }
            }
        }
        match stream.pending.front() {
            Some(head) => self.heads.push(Reverse((head.header.time_ns, index))),
            None => self.errors.extend(stream.failed.take()),
        }
    }

    /// Records handed out so far.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Records that were handed out after a later one, because they stood further behind it than the window reaches.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// What notes of `trace_pipe` in the streams say was lost.
    #[must_use]
    pub fn lost(&self) -> Lost {
        let mut all = Lost::default();
        self.streams.iter().for_each(|stream| all.add(stream.reader.lost()));
        all
    }

    /// What the numbers of the events tell of losses, in the order of each file.
    #[must_use]
    pub const fn sequence(&self) -> &SequenceCheck {
        &self.sequence
    }
}

/// Writes what [`Merge`] yields as one binary dump, as `blkparse -d` does; returns the number of records.
///
/// # Errors
/// Those of the streams, and of `out` as an error at the byte of the dump.
pub fn write_dump<R: Read>(merge: &mut Merge<R>, mut out: impl std::io::Write) -> Result<u64> {
    let mut written = 0;
    let mut offset = 0;
    while let Some(record) = merge.next_record()? {
        out.write_all(&record.header.encode(record.order))
            .and_then(|()| out.write_all(record.pdu))
            .map_err(|error| Error::at_byte(offset, error.into()))?;
        offset += (HEADER_BYTES + record.pdu.len()) as u64;
        written += 1;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(times: &[u64], cpu: u32) -> Vec<u8> {
        let record = |time_ns: &u64| Header {
            sequence: 0,
            time_ns: *time_ns,
            sector: 0,
            bytes: 0,
            action: 1,
            pid: 0,
            device: 0,
            cpu,
            error: 0,
            pdu_len: 0,
        };
        times.iter().flat_map(|time| record(time).encode(ByteOrder::Little)).collect()
    }

    fn merged(streams: &[Vec<u8>], window: usize) -> (Vec<(u64, u32)>, u64) {
        let readers = streams.iter().map(|bytes| RecordReader::new(&bytes[..]));
        let mut merge = Merge::new(readers).window(window);
        let mut out = Vec::new();
        while let Some(record) = merge.next_record().unwrap() {
            out.push((record.header.time_ns, record.header.cpu));
        }
        (out, merge.late())
    }

    #[test]
    fn a_stream_that_is_not_quite_in_order_is_sorted_within_the_window() {
        let streams = [stream(&[1, 5, 4, 9], 0), stream(&[3, 4], 1)];
        assert_eq!(merged(&streams, 2), (vec![(1, 0), (3, 1), (4, 0), (4, 1), (5, 0), (9, 0)], 0));
    }

    #[test]
    fn what_stands_beyond_the_window_comes_late_and_is_counted() {
        let (out, late) = merged(&[stream(&[5, 6, 7, 1], 0)], 2);
        assert_eq!((out.len(), late), (4, 1));
    }

    #[test]
    fn an_error_of_one_stream_leaves_the_others() {
        let mut broken = stream(&[1, 2], 0);
        broken.truncate(HEADER_BYTES + 10);
        let whole = stream(&[1, 7], 1);
        let mut merge = Merge::with_files([
            (Some(PathBuf::from("x.blktrace.0")), RecordReader::new(&broken[..])),
            (Some(PathBuf::from("x.blktrace.1")), RecordReader::new(&whole[..])),
        ]);
        let mut seen = 0;
        let mut errors = Vec::new();
        loop {
            match merge.next_record() {
                Ok(Some(_)) => seen += 1,
                Ok(None) => break,
                Err(error) => errors.push(error.to_string()),
            }
        }
        assert_eq!(seen, 3);
        assert_eq!(
            errors,
            [
                "x.blktrace.0: byte 48: found the end of the trace after 10 bytes of a record, expected 48 bytes"
            ]
        );
    }
}
