//! The arrivals of a trace in the order of time: what was asked of the disk, and when.
//!
//! Of a binary trace only the queue events are decoded, by a thread or two beside the caller's, each of which takes
//! whichever per-CPU file has the fewest batches waiting. A batch is what one reading of a file brought, sorted; the
//! last few events of it are held back, because an interrupt may have let an earlier one be stored behind them.

mod lanes;

use crate::abi::{ACTION_CGROUP, CATEGORY_SHIFT};
use crate::action::{Action, Categories};
use crate::compress::decompress;
use crate::cursor::RecordReader;
use crate::detect::Format;
use crate::error::Result;
use crate::io_event::{IoEvents, Options, detected, is_base};
use crate::lost::Lost;
use crate::open::{CpuFile, CpuFiles, Source, open_file};
use block_types::{IoEvent, Phase};
use lanes::{Lane, Lanes};
use std::io::{BufReader, Read};
use std::path::Path;

/// Read at a time of all files together, as far as the bounds for one file allow.
const READ_BYTES: usize = 8 << 20;

/// Of one file: large enough to cost few system calls, small enough for a processor's cache.
const FILE_BYTES: std::ops::RangeInclusive<usize> = 32 << 10..=256 << 10;

enum Kind {
    Binary(Lanes),
    Text(Box<IoEvents>),
}

/// The queue events of a trace of any format, in the order of time.
///
/// The same events as those of [`IoEvents`] whose phase is [`Phase::Queued`], many times faster where the trace is
/// binary. Of other binary records only the frame is checked. Memory is bounded: about 1 MiB for each file.
///
/// ```
/// use blktrace_parser::{Arrivals, Options};
///
/// let csv = "128166372003061629,hm,1,Read,3221266432,4096,110736\n";
/// let mut arrivals = Arrivals::from_reader(csv.as_bytes(), Options::default())?;
/// assert_eq!(arrivals.next_arrival()?.map(|event| event.sectors.0), Some(8));
/// assert_eq!(arrivals.next_arrival()?, None);
/// # Ok::<(), blktrace_parser::Error>(())
/// ```
pub struct Arrivals {
    kind: Kind,
    format: Format,
    missing_cpus: Vec<u32>,
}

impl std::fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrivals").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Arrivals {
    /// Opens a trace by name, as [`IoEvents::open`] does.
    ///
    /// # Errors
    /// Those of [`IoEvents::open`].
    pub fn open(name: &Path, options: Options) -> Result<Self> {
        if is_base(name) && matches!(options.format, None | Some(Format::Blktrace)) {
            let CpuFiles { files, missing } = CpuFiles::of_base(name)?;
            let bytes = (READ_BYTES / files.len().max(1)).clamp(*FILE_BYTES.start(), *FILE_BYTES.end());
            let mut lanes = Vec::with_capacity(files.len());
            for CpuFile { path, .. } in files {
                lanes.push(Lane::new(RecordReader::with_capacity(bytes, open_file(&path)?), Some(path)));
            }
            let kind = Kind::Binary(Lanes::start(lanes)?);
            return Ok(Self { kind, format: Format::Blktrace, missing_cpus: missing });
        }
        Self::of_source(open_file(name)?, Some(name), options)
    }

    /// Reads a trace from a pipe or a slice, compressed or not.
    ///
    /// # Errors
    /// Those of [`Format::detect`] and of the source.
    pub fn from_reader(source: impl Read + Send + 'static, options: Options) -> Result<Self> {
        Self::of_source(decompress(BufReader::new(source))?, None, options)
    }

    fn of_source(source: Source, file: Option<&Path>, options: Options) -> Result<Self> {
        let (source, format) = detected(source, file, options.format)?;
        let file = file.map(Path::to_owned);
        let kind = match format {
            Format::Blktrace => {
                let reader = RecordReader::with_capacity(*FILE_BYTES.end(), source);
                Kind::Binary(Lanes::start(vec![Lane::new(reader, file)])?)
            }
            _ => Kind::Text(Box::new(IoEvents::of_format(source, format, file, options))),
        };
        Ok(Self { kind, format, missing_cpus: Vec::new() })
    }

    /// The next arrival; `None` at the end.
    ///
    /// # Errors
    /// Of a text, those of its reader. Of a binary file, those of [`RecordReader::next_record`] and a sector
    /// overflow, with its name, when all that stood before the error has been handed out; the other files can be
    /// read on.
    #[inline]
    pub fn next_arrival(&mut self) -> Result<Option<IoEvent>> {
        match &mut self.kind {
            Kind::Binary(lanes) => lanes.next_event(),
            Kind::Text(events) => events
                .find(|event| event.as_ref().map_or(true, |event| event.phase == Phase::Queued))
                .transpose(),
        }
    }

    /// The format that was named or told.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// CPUs without a file, as in [`CpuFiles::missing`].
    #[must_use]
    pub fn missing_cpus(&self) -> &[u32] {
        &self.missing_cpus
    }

    /// Bad lines of a text that were passed over so far.
    #[must_use]
    pub const fn skipped_lines(&self) -> u64 {
        match &self.kind {
            Kind::Binary(_) => 0,
            Kind::Text(events) => events.skipped_lines(),
        }
    }

    /// Binary records read so far, of all kinds; lines of a text are not counted.
    #[must_use]
    pub fn records(&self) -> u64 {
        match &self.kind {
            Kind::Binary(lanes) => lanes.records(),
            Kind::Text(_) => 0,
        }
    }

    /// Arrivals that were handed out after a later one, because they stood too far behind it.
    #[must_use]
    pub const fn late(&self) -> u64 {
        match &self.kind {
            Kind::Binary(lanes) => lanes.late(),
            Kind::Text(_) => 0,
        }
    }

    /// What notes of `trace_pipe` in a binary trace say was lost.
    #[must_use]
    pub fn lost(&self) -> Lost {
        match &self.kind {
            Kind::Binary(lanes) => lanes.lost(),
            Kind::Text(_) => Lost { gaps: 0, events: 0 },
        }
    }

    /// Events that the numbers of a binary trace's records say are missing.
    #[must_use]
    pub fn missing_events(&self) -> u64 {
        match &self.kind {
            Kind::Binary(lanes) => lanes.missing(),
            Kind::Text(_) => 0,
        }
    }
}

/// Whether a raw action is a queueing: compared as it is stored, since most records are of other actions.
#[inline]
const fn is_queue(raw: u32) -> bool {
    let number = Action::Queue.number() as u32;
    raw & (NOTIFY | 0xffff & !(ACTION_CGROUP as u32)) == number
}

#[inline]
const fn is_notify(raw: u32) -> bool {
    raw & NOTIFY != 0
}

/// The category of notify records, as a raw action has it.
const NOTIFY: u32 = (Categories::NOTIFY.0 as u32) << CATEGORY_SHIFT;

#[cfg(test)]
mod tests;
