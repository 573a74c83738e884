//! A trace's bios, with the times of their completions where the trace has them.

use crate::io::StreamId;
use block_types::{Bytes, IoEvent, Nanos, Op, Phase, Sector, Sectors};
use std::collections::BTreeMap;
use std::ops::Range;

/// A bio of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceBio {
    /// When it was submitted; the trace's first bio is at zero.
    pub at: Nanos,
    /// When it was done, on the same clock; `None` where the trace does not say.
    pub completed: Option<Nanos>,
    /// Its first sector.
    pub sector: Sector,
    /// Its length, at most 2³² − 1 sectors.
    pub sectors: u32,
    /// Who submitted it.
    pub stream: StreamId,
    /// What it asks.
    pub op: Op,
    /// Whether somebody waits for it.
    pub sync: bool,
}

/// How a trace of another disk is brought onto the simulated one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// A trace that reaches beyond the disk's end is an error.
    Refuse,
    /// What lies beyond the end begins again at the start: distances within the disk stay as they were.
    Wrap,
    /// Places are scaled so that the MiB that the trace ends in is the disk's last; lengths stay, and so do runs of bios
    /// that follow one another within 1 MiB.
    Scale,
}

/// A trace reaches beyond the disk's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the trace reaches to sector {last}, the disk ends at {sectors}; fit it by wrapping or scaling", last = last.0, sectors = capacity.sectors().0)]
pub struct OutsideDisk {
    /// The first sector after the trace's last.
    pub last: Sector,
    /// The disk's size.
    pub capacity: Bytes,
}

/// A trace of one disk in memory: about 56 bytes to a bio.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    bios: Vec<TraceBio>,
    unsubmitted: u64,
}

/// Places keep their distance within so many sectors when a trace is scaled.
const KEPT_TOGETHER: u64 = 2_048;

/// Where the run begins that a sector lies in.
const fn run_of(sector: u64) -> u64 {
    sector / KEPT_TOGETHER * KEPT_TOGETHER
}

impl Trace {
    /// From bios in any order; the earliest is put at time zero.
    #[must_use]
    pub fn new(mut bios: Vec<TraceBio>) -> Self {
        bios.sort_by_key(|bio| bio.at);
        if let Some(first) = bios.first().map(|bio| bio.at) {
            for bio in &mut bios {
                bio.at = bio.at - first;
                bio.completed = bio.completed.map(|at| at - first);
            }
        }
        Self { bios, unsubmitted: 0 }
    }

    /// The bios, by time.
    #[must_use]
    pub fn bios(&self) -> &[TraceBio] {
        &self.bios
    }

    /// How many bios there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bios.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bios.is_empty()
    }

    /// Completions whose submission the trace does not have: it began in the middle, or has holes.
    #[must_use]
    pub const fn unsubmitted(&self) -> u64 {
        self.unsubmitted
    }

    /// Bios of which no completion is known.
    #[must_use]
    pub fn uncompleted(&self) -> u64 {
        self.bios.iter().filter(|bio| bio.completed.is_none()).count() as u64
    }

    /// From the first submission to the last.
    #[must_use]
    pub fn duration(&self) -> Nanos {
        self.bios.last().map_or(Nanos::ZERO, |bio| bio.at)
    }

    /// The first sector after the last that is touched.
    #[must_use]
    pub fn end(&self) -> Sector {
        let ends = self.bios.iter().map(|bio| bio.sector.offset(Sectors(bio.sectors.into())));
        ends.max().unwrap_or(Sector(0))
    }

    /// The bios submitted from `from` on and before `to`, as a trace of their own.
    #[must_use]
    pub fn slice(&self, from: Nanos, to: Nanos) -> Self {
        let (first, last) =
            (self.bios.partition_point(|bio| bio.at < from), self.bios.partition_point(|bio| bio.at < to));
        Self::new(self.bios[first..last.max(first)].to_vec())
    }

    /// The bios at these places as a trace of their own, which begins with those that were outstanding when the first of
    /// them was submitted: else its programs would begin with nothing in flight, and a queue that is some hundred deep
    /// takes seconds to form.
    #[must_use]
    pub fn part(&self, places: Range<usize>) -> Self {
        let (before, rest) = self.bios.split_at(places.start.min(self.bios.len()));
        let part = &rest[..places.len().min(rest.len())];
        let Some(from) = part.first().map(|bio| bio.at) else { return Self::default() };
        let outstanding = before.iter().filter(|bio| bio.completed.is_some_and(|at| at > from));
        let outstanding = outstanding.map(|bio| TraceBio { at: from, ..*bio });
        Self::new(outstanding.chain(part.iter().copied()).collect())
    }

    /// Brings the trace onto a disk of `capacity`.
    ///
    /// # Errors
    /// [`OutsideDisk`] with [`Fit::Refuse`] where it does not lie within.
    pub fn fit(mut self, capacity: Bytes, fit: Fit) -> Result<Self, OutsideDisk> {
        let (last, size) = (self.end(), capacity.sectors().0);
        if last.0 <= size {
            return Ok(self);
        }
        // The run that the trace ends in becomes the disk's last.
        let (last_run, room) = (run_of(last.0.saturating_sub(1)), size.saturating_sub(KEPT_TOGETHER));
        for bio in &mut self.bios {
            bio.sectors = bio.sectors.min(u32::try_from(size).unwrap_or(u32::MAX));
            let sector = bio.sector.0;
            let place = match fit {
                Fit::Refuse => return Err(OutsideDisk { last, capacity }),
                Fit::Wrap => sector % size.max(1),
                Fit::Scale => {
                    let run = run_of(sector);
                    let scaled = u128::from(run) * u128::from(room) / u128::from(last_run.max(1));
                    (scaled as u64 / 8 * 8).saturating_add(sector - run)
                }
            };
            bio.sector = Sector(place.min(size.saturating_sub(bio.sectors.into())));
        }
        Ok(self)
    }
}

/// A bio that is not done yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    bio: usize,
    end: u64,
    left: u64,
}

/// Puts a trace together from its events, bio by bio.
///
/// A completion is of a request, which may be several bios, or a part of one: it completes the bios of its operation
/// that lie within its stretch of the disk. Issues are not looked at.
#[derive(Clone, Debug, Default)]
pub struct TraceBuilder {
    bios: Vec<TraceBio>,
    /// By operation and first sector; those of equal places in the order of submission.
    open: BTreeMap<(Op, u64, usize), Open>,
    streams: BTreeMap<u64, u32>,
    unsubmitted: u64,
}

/// So many bios may be open: a trace that lost its completions would otherwise make every look slow.
const MOST_OPEN: usize = 1 << 20;
/// How far before a completion's first sector a bio that reaches into it may begin: 16 MiB.
const LONGEST: u64 = 1 << 15;

impl TraceBuilder {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an event; `process` is any number that says who submitted (a process's id), and counts for queueings
    /// only. Events come in the order of time and are of one disk.
    pub fn observe(&mut self, event: &IoEvent, process: u64) {
        match event.phase {
            Phase::Queued => {
                let streams = self.streams.len() as u32;
                let stream = *self.streams.entry(process).or_insert(streams.min(StreamId::MOST - 1));
                let bio = TraceBio {
                    at: event.at,
                    completed: None,
                    sector: event.sector,
                    sectors: u32::try_from(event.sectors.0).unwrap_or(u32::MAX),
                    stream: StreamId(stream),
                    op: event.op,
                    sync: event.sync,
                };
                let index = self.bios.len();
                let open =
                    Open { bio: index, end: event.sector.offset(event.sectors).0, left: event.sectors.0 };
                self.open.insert((event.op, event.sector.0, index), open);
                if self.open.len() > MOST_OPEN {
                    self.open.pop_first();
                }
                self.bios.push(bio);
            }
            Phase::Issued => {}
            Phase::Completed => self.complete(event),
        }
    }

    fn complete(&mut self, event: &IoEvent) {
        let (from, to) = (event.sector.0, event.sector.offset(event.sectors).0);
        let mut covered = 0;
        let mut done = Vec::new();
        let first = (event.op, from.saturating_sub(LONGEST), 0);
        // An operation without data completes the oldest of its kind at its place.
        let last = (event.op, to.max(from + 1), 0);
        for (key, open) in self.open.range_mut(first..last) {
            if event.sectors.0 == 0 {
                if key.1 == from {
                    done.push(*key);
                    break;
                }
                continue;
            }
            let overlap = open.end.min(to).saturating_sub(key.1.max(from)).min(open.left);
            if overlap == 0 || covered >= event.sectors.0 {
                continue;
            }
            covered += overlap;
            open.left -= overlap;
            if open.left == 0 {
                done.push(*key);
            }
        }
        if done.is_empty() && covered == 0 {
            self.unsubmitted += 1;
        }
        for key in done {
            if let Some(open) = self.open.remove(&key) {
                self.bios[open.bio].completed = Some(event.at);
            }
        }
    }

    /// The trace.
    #[must_use]
    pub fn finish(self) -> Trace {
        Trace { unsubmitted: self.unsubmitted, ..Trace::new(self.bios) }
    }
}
