//! From a trace file to the bios of one disk.

use blktrace_parser::{Event, Format, IoEvents, Options, open_binary, to_io_event};
use block_types::{Bytes, DevNo, IoEvent, Nanos, Op, Phase, Sector, Sectors};
use replay::{Fit, Trace, TraceBuilder};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why a trace cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] blktrace_parser::Error),
    /// It has several disks, and none was chosen.
    #[error("{path}: found {} disks ({}), expected one to be chosen with --trace-device", .found.len(), listed(.found), path = path.display())]
    ManyDisks {
        /// The trace.
        path: PathBuf,
        /// The disks in it, with how many bios each has.
        found: Vec<(DevNo, u64)>,
    },
    /// The chosen disk is not in it.
    #[error("{path}: found {}, expected {wanted}", listed(.found), path = path.display())]
    NoSuchDisk {
        /// The trace.
        path: PathBuf,
        /// The disk that was chosen.
        wanted: DevNo,
        /// The disks in it, with how many bios each has.
        found: Vec<(DevNo, u64)>,
    },
    /// Nothing is left to replay.
    #[error("{path}: found no bios{what}, expected at least one", path = path.display())]
    Nothing {
        /// The trace.
        path: PathBuf,
        /// What else was found, or what was left out.
        what: String,
    },
    /// It reaches beyond the disk's end.
    #[error("{path}: reaches to sector {end} ({bytes} bytes), but the disk ends at sector {size} ({size_bytes} bytes); --redirect wrap or scale brings it onto the disk",
        path = path.display(), end = end.0, bytes = Sectors(end.0).bytes().0, size = size.sectors().0, size_bytes = size.0)]
    Beyond {
        /// The trace.
        path: PathBuf,
        /// The first sector after its last.
        end: Sector,
        /// The disk's size.
        size: Bytes,
    },
}

fn listed(found: &[(DevNo, u64)]) -> String {
    const MOST: usize = 8;
    if found.is_empty() {
        return "no disk".to_owned();
    }
    let mut words: Vec<String> =
        found.iter().take(MOST).map(|(dev, bios)| format!("{dev} with {bios} bios")).collect();
    if found.len() > MOST {
        words.push("others".to_owned());
    }
    words.join(", ")
}

/// Which part of a trace is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Format and bad lines.
    pub options: Options,
    /// The disk; the only one unless told.
    pub device: Option<DevNo>,
    /// Leave out the bios of this first stretch.
    pub skip: Option<Nanos>,
    /// Take the bios of so long a stretch from there on.
    pub length: Option<Nanos>,
}

/// A trace that was read.
#[derive(Debug)]
pub struct Loaded {
    /// Its file.
    pub path: PathBuf,
    /// The bios of the wanted disk and stretch.
    pub trace: Trace,
    /// What a user should know: holes, lost completions, what was taken for a bio.
    pub notes: Vec<String>,
}

/// Reads a trace.
///
/// Bios are the trace's queueings. A trace that has none has its issues taken for them: it was recorded below the
/// scheduler, whose work is in it already, and [`Loaded::notes`] says so.
///
/// # Errors
/// [`TraceError`], with the file.
pub fn load(path: &Path, wanted: &Wanted) -> Result<Loaded, TraceError> {
    let mut disks: BTreeMap<DevNo, Disk> = BTreeMap::new();
    let mut observe = |event: &IoEvent, process: u64| {
        let disk = disks.entry(event.dev).or_default();
        // Only the wanted disk's bios are kept; the others are counted.
        disk.observe(event, process, wanted.device.is_none_or(|device| device == event.dev));
    };
    let events = IoEvents::open(path, wanted.options)?;
    if events.format() == Format::Blktrace {
        // The records say who submitted, which events do not.
        drop(events);
        let mut merge = open_binary(path)?.merge;
        while let Some(record) = merge.next_record()? {
            let event = Event::from_record(&record).map_err(|error| error.in_file(path))?;
            if let Some(io) = to_io_event(&event) {
                observe(&io, event.pid.into());
            }
        }
    } else {
        for event in events {
            observe(&event?, 0);
        }
    }
    let found: Vec<(DevNo, u64)> =
        disks.iter().map(|(dev, disk)| (*dev, disk.bios())).filter(|(_, bios)| *bios > 0).collect();
    let path = path.to_owned();
    let chosen = match (wanted.device, found.as_slice()) {
        (Some(device), found) if !found.iter().any(|(dev, _)| *dev == device) => {
            return Err(TraceError::NoSuchDisk { path, wanted: device, found: found.to_vec() });
        }
        (Some(device), _) => device,
        (None, [(device, _)]) => *device,
        (None, []) => {
            let events: u64 = disks.values().map(|disk| disk.completed).sum();
            let what = if events > 0 { format!(" but {events} completions") } else { String::new() };
            return Err(TraceError::Nothing { path, what });
        }
        (None, _) => return Err(TraceError::ManyDisks { path, found }),
    };
    let disk = disks.remove(&chosen).unwrap_or_default();
    let (trace, notes) = disk.finish();
    let whole = trace.len();
    let (skip, length) = (wanted.skip.unwrap_or(Nanos::ZERO), wanted.length);
    let trace = if skip > Nanos::ZERO || length.is_some() {
        trace.slice(skip, length.map_or(Nanos(u64::MAX), |length| skip + length))
    } else {
        trace
    };
    if trace.is_empty() {
        return Err(TraceError::Nothing { path, what: format!(" in that stretch of {whole}") });
    }
    Ok(Loaded { path, trace, notes })
}

/// The events of one disk.
#[derive(Debug, Default)]
struct Disk {
    builder: TraceBuilder,
    /// The same from issues, until the first queueing.
    issues: Option<TraceBuilder>,
    queued: u64,
    issued: u64,
    completed: u64,
}

impl Disk {
    const fn bios(&self) -> u64 {
        if self.queued > 0 { self.queued } else { self.issued }
    }

    fn observe(&mut self, event: &IoEvent, process: u64, keep: bool) {
        match event.phase {
            Phase::Queued => {
                self.queued += 1;
                self.issues = None;
            }
            Phase::Issued => self.issued += 1,
            Phase::Completed => self.completed += 1,
        }
        // Zone operations and driver commands are no work that can be repeated.
        if !keep || matches!(event.op, Op::Zone | Op::Other) {
            return;
        }
        if self.queued == 0 {
            let issues = self.issues.get_or_insert_default();
            let phase = if event.phase == Phase::Issued { Phase::Queued } else { event.phase };
            issues.observe(&IoEvent { phase, ..*event }, process);
        }
        if event.phase != Phase::Issued {
            self.builder.observe(event, process);
        }
    }

    fn finish(self) -> (Trace, Vec<String>) {
        let mut notes = Vec::new();
        let trace = match self.issues {
            Some(issues) if self.queued == 0 => {
                notes.push(
                    "the trace has no queueings: its issues are replayed, which a scheduler has merged and ordered \
                     already"
                        .to_owned(),
                );
                issues.finish()
            }
            _ => self.builder.finish(),
        };
        if trace.unsubmitted() > 0 {
            notes.push(format!(
                "{} completions have no submission: the trace has holes, or began in the middle",
                trace.unsubmitted()
            ));
        }
        let open = trace.uncompleted();
        if open > 0 && open < trace.len() as u64 {
            notes.push(format!("{open} of {} bios have no completion in the trace", trace.len()));
        }
        (trace, notes)
    }
}

impl Loaded {
    /// The same trace on a disk of `size`.
    ///
    /// # Errors
    /// [`TraceError::Beyond`] where it does not lie within and may not be moved.
    pub fn onto(self, size: Bytes, fit: Fit) -> Result<Self, TraceError> {
        let end = self.trace.end();
        let beyond = end.0 > size.sectors().0;
        let path = self.path.clone();
        let trace = self.trace.fit(size, fit).map_err(|_outside| TraceError::Beyond { path, end, size })?;
        let mut notes = self.notes;
        if beyond {
            notes.push(format!("the trace reaches to sector {} and was brought onto the disk", end.0));
        }
        Ok(Self { trace, notes, path: self.path })
    }
}
