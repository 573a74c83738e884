//! A rotating disk: one arm, and the decision what it does next.

use super::cache::{Dirty, Extent, Segments};
use super::geometry::Geometry;
use super::queue::{Head, Queued, Range};
use super::seek::SeekCurve;
use super::stream::Stream;
use super::{HddParams, WriteCache};
use crate::{Command, CommandId, Completion, DiskModel, LATEST, ModelError};
use block_types::{Bytes, Nanos, SECTOR_BYTES, Sector, Sectors};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Times are rounded to ns in several places; a sector that was missed by less than this was not missed.
const ROUNDING_NS: u64 = 2_000;

/// What the head is at.
#[derive(Clone, Copy, Debug)]
struct Active {
    end: u64,
    /// The dirty data it writes, if it does.
    extent: Option<Extent>,
}

/// A flush that waits.
#[derive(Clone, Copy, Debug)]
struct Flush {
    id: CommandId,
    /// The number of the last write before it.
    mark: u64,
    arrived: u64,
}

/// What the head may do next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Queued(usize),
    Dirty(usize),
}

/// A rotating disk.
#[derive(Clone, Debug)]
pub struct HardDisk {
    sectors: u64,
    geometry: Geometry,
    curve: SeekCurve,
    write_settle: u64,
    overhead: u64,
    margin: u64,
    age_bound: u64,
    destage_idle: u64,
    read_ahead: u64,
    link_bytes_per_s: u64,
    write_cache: WriteCache,

    now: u64,
    queue: Vec<Queued>,
    dirty: Dirty,
    segments: Segments,
    /// Writes that the cache has no room for.
    stalled: VecDeque<(CommandId, Sector, Sectors)>,
    flushes: VecDeque<Flush>,
    head: Head,
    stream: Option<Stream>,
    active: Option<Active>,
    /// When to decide again while the head is idle.
    wake: Option<u64>,
    /// Whether the last command was served for its age.
    aged: bool,
    last_activity: u64,
    submitted: u64,
    completions: BinaryHeap<Reverse<(u64, u64, CommandId)>>,
    completed: u64,
}

impl HardDisk {
    /// A disk with the head on the outermost track and nothing in the buffer.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for a parameter that is.
    pub fn new(params: &HddParams, capacity: Bytes) -> Result<Self, ModelError> {
        params.check()?;
        let order = [
            ("average_seek_us", params.average_seek_us, "single_track_seek_us", params.single_track_seek_us),
            ("full_stroke_seek_us", params.full_stroke_seek_us, "average_seek_us", params.average_seek_us),
            ("outer_bytes_per_s", params.outer_bytes_per_s, "inner_bytes_per_s", params.inner_bytes_per_s),
        ];
        for (key, found, least, value) in order {
            if found < value {
                return Err(ModelError::OutOfRange {
                    key: key.to_owned(),
                    found: found.to_string(),
                    expected: format!("at least {least}, {value}"),
                });
            }
        }
        let sectors = capacity.sectors().0.max(1);
        let read_ahead = params.read_ahead_bytes / SECTOR_BYTES;
        Ok(Self {
            sectors,
            geometry: Geometry::new(params, sectors),
            curve: SeekCurve::new(params),
            write_settle: params.write_settle_us * 1_000,
            overhead: params.command_overhead_us * 1_000,
            margin: params.positioning_margin_us * 1_000,
            age_bound: params.queue_age_bound_ms * 1_000_000,
            destage_idle: params.destage_idle_ms * 1_000_000,
            read_ahead,
            link_bytes_per_s: params.link_bytes_per_s,
            write_cache: params.write_cache,
            now: 0,
            queue: Vec::new(),
            dirty: Dirty::new(
                params.write_cache_bytes / SECTOR_BYTES,
                params.write_cache_extents as usize,
                params.destage_pressure_percent,
            ),
            segments: Segments::new(params.read_segments as usize, read_ahead),
            stalled: VecDeque::new(),
            flushes: VecDeque::new(),
            head: Head { track: 0, radius: 0 },
            stream: None,
            active: None,
            wake: None,
            aged: false,
            last_activity: 0,
            submitted: 0,
            completions: BinaryHeap::new(),
            completed: 0,
        })
    }

    fn complete(&mut self, at: u64, id: CommandId) {
        self.completed += 1;
        self.completions.push(Reverse((at, self.completed, id)));
    }

    /// How long data take between host and buffer.
    fn link_time(&self, sectors: u64) -> u64 {
        (sectors * SECTOR_BYTES).saturating_mul(1_000_000_000) / self.link_bytes_per_s
    }

    /// When the head or the decision about it is due next.
    fn next_turn(&self) -> Option<u64> {
        self.active.map_or(self.wake, |active| Some(active.end))
    }

    fn run(&mut self, now: u64) {
        while let Some(turn) = self.next_turn()
            && turn <= now
        {
            self.now = turn;
            self.wake = None;
            if let Some(active) = self.active.take() {
                self.finish(&active);
            }
            self.decide();
        }
        self.now = self.now.max(now.min(LATEST.0));
    }

    /// The head has done what it was at.
    fn finish(&mut self, active: &Active) {
        let Some(extent) = &active.extent else {
            self.last_activity = self.now;
            return;
        };
        self.dirty.written(extent);
        while let Some(&(id, sector, sectors)) = self.stalled.front() {
            self.submitted += 1;
            if !self.dirty.take(&self.geometry, sector.0, sectors.0, self.submitted) {
                break;
            }
            self.stalled.pop_front();
            self.overwrite(sector.0, sector.0 + sectors.0);
            self.complete(self.now + self.link_time(sectors.0), id);
        }
        if self.flushes.is_empty() {
            return;
        }
        let oldest = self.dirty.extents().iter().map(|extent| extent.number).min().unwrap_or(u64::MAX);
        while let Some(&flush) = self.flushes.front()
            && flush.mark < oldest
        {
            self.flushes.pop_front();
            self.complete(self.now, flush.id);
        }
    }

    /// Gives the idle head something to do, or sets when to look again.
    fn decide(&mut self) {
        while self.active.is_none() {
            self.wake = self.queue.iter().map(|queued| queued.ready).filter(|&ready| ready > self.now).min();
            let Some(next) = self.choose() else {
                if self.queue.is_empty() && !self.dirty.extents().is_empty() {
                    self.wake = Some(self.last_activity + self.destage_idle);
                }
                return;
            };
            match next {
                Next::Queued(index) => {
                    let queued = self.queue.swap_remove(index);
                    if queued.write { self.write(&queued) } else { self.read(&queued) }
                }
                Next::Dirty(index) => {
                    let extent = self.dirty.leave(index);
                    let end = self.move_and_write(&extent.range);
                    self.active = Some(Active { end, extent: Some(extent) });
                }
            }
        }
    }

    /// The command, or the dirty data, that the head can start on first; but what is overdue goes before, though never
    /// twice in a row.
    fn choose(&mut self) -> Option<Next> {
        self.stop_stream_at_limit();
        let head = self.head_now();
        if !self.aged
            && let Some(overdue) = self.overdue(head)
        {
            self.aged = true;
            return Some(overdue);
        }
        self.aged = false;
        let queued = self.nearest_queued(head);
        let idle = self.queue.is_empty() && self.now >= self.last_activity + self.destage_idle;
        let pressed = !self.stalled.is_empty() || !self.flushes.is_empty() || self.dirty.presses();
        let dirty = if idle || pressed { self.nearest_dirty(head, u64::MAX) } else { None };
        match (queued, dirty) {
            (Some((start, _)), Some((sooner, index))) if sooner < start => Some(Next::Dirty(index)),
            (Some((_, index)), _) => Some(Next::Queued(self.first_of_run(index))),
            (None, Some((_, index))) => Some(Next::Dirty(index)),
            (None, None) => None,
        }
    }

    /// What has waited for longer than the age bound: the oldest command, or something that an old flush waits for.
    fn overdue(&self, head: Head) -> Option<Next> {
        let is_old = |arrived: u64| self.now - arrived >= self.age_bound;
        let ready = self.queue.iter().enumerate().filter(|(_, queued)| queued.ready <= self.now);
        let oldest = ready.map(|(index, queued)| (queued.arrived, index)).min();
        if let Some((arrived, index)) = oldest
            && is_old(arrived)
        {
            return Some(Next::Queued(index));
        }
        let flush = self.flushes.front().filter(|flush| is_old(flush.arrived))?;
        self.nearest_dirty(head, flush.mark).map(|(_, index)| Next::Dirty(index))
    }

    /// The queued command that the head can start on first, and when.
    fn nearest_queued(&self, head: Head) -> Option<(u64, usize)> {
        // There is nothing to choose where only one command waits.
        if let [only] = self.queue.as_slice() {
            let start = if self.dirty.extents().is_empty() {
                self.now
            } else {
                self.start_of(&only.range, only.write, head, self.margin)
            };
            return (only.ready <= self.now).then_some((start, 0));
        }
        let ready = self.queue.iter().enumerate().filter(|(_, queued)| queued.ready <= self.now);
        self.nearest(ready.map(|(index, queued)| (index, &queued.range, queued.write)), head)
    }

    /// The dirty data, of writes up to a number, that the head can start on first, and when.
    fn nearest_dirty(&self, head: Head, last: u64) -> Option<(u64, usize)> {
        let extents = self.dirty.extents().iter().enumerate().filter(|(_, extent)| extent.number <= last);
        self.nearest(extents.map(|(index, extent)| (index, &extent.range, true)), head)
    }

    /// Of ranges with their numbers the one that the head can start on first; the lower number where two are equal.
    fn nearest<'a>(
        &self,
        ranges: impl Iterator<Item = (usize, &'a Range, bool)>,
        head: Head,
    ) -> Option<(u64, usize)> {
        let mut nearest = None;
        for (index, range, write) in ranges {
            let is_streamed = !write && self.stream.as_ref().is_some_and(|stream| stream.covers(range));
            // The arm alone may take longer than the best so far takes with the platter.
            if let Some((start, _)) = nearest
                && !is_streamed
                && self.now + self.positioning(range, write, head, self.margin) > start
            {
                continue;
            }
            let candidate = (self.start_of(range, write, head, self.margin), index);
            if nearest.is_none_or(|nearest| candidate < nearest) {
                nearest = Some(candidate);
            }
        }
        nearest
    }

    /// How long the arm takes to a range, with a margin for what is not known of the seek.
    fn positioning(&self, range: &Range, write: bool, head: Head, margin: u64) -> u64 {
        match range.place.track.abs_diff(head.track) {
            0 => 0,
            1 => self.curve.time(0),
            _ => {
                let settle = if write { self.write_settle } else { 0 };
                self.curve.time(range.place.radius.abs_diff(head.radius)) + settle + margin
            }
        }
    }

    /// The first of the queued commands that lie directly one behind the other, up to this one. To start in the middle
    /// would let the head run away from those before it, and leave them behind until they are too old.
    fn first_of_run(&self, index: usize) -> usize {
        let mut first = index;
        for _ in 0..self.queue.len() {
            let Queued { write, range, .. } = self.queue[first];
            let before = self.queue.iter().position(|other| {
                other.write == write && other.range.end == range.sector && other.ready <= self.now
            });
            match before {
                Some(before) => first = before,
                None => break,
            }
        }
        first
    }

    /// When a range could be started on, with a margin for what is not known of the seek.
    fn start_of(&self, range: &Range, write: bool, head: Head, margin: u64) -> u64 {
        if !write
            && let Some(stream) = &self.stream
            && stream.covers(range)
        {
            return stream.time_of(range.place.passed_ns).max(self.now);
        }
        let positioning = self.positioning(range, write, head, margin);
        let revolution = self.geometry.revolution_ns;
        let there = self.now + positioning;
        // Both angles are below a revolution, so that this needs no second division.
        let ahead = range.angle_ns + revolution - there % revolution;
        let turn = if ahead >= revolution { ahead - revolution } else { ahead };
        if revolution - turn <= ROUNDING_NS { there } else { there + turn }
    }

    fn read(&mut self, queued: &Queued) {
        let range = &queued.range;
        if let Some(stream) = &mut self.stream
            && stream.covers(range)
        {
            let end = stream.time_of_end(range);
            self.read_on_after(range.end);
            if end > self.now {
                self.complete(end, queued.id);
                self.active = Some(Active { end, extent: None });
            } else {
                self.complete(self.now + self.link_time(range.end - range.sector), queued.id);
            }
            return;
        }
        let start = self.start_of(range, false, self.head_now(), 0);
        self.leave_stream();
        let end = start + range.transfer_ns();
        self.stream = Some(Stream::new(range, end));
        self.read_on_after(range.end);
        self.complete(end, queued.id);
        self.active = Some(Active { end, extent: None });
    }

    fn write(&mut self, queued: &Queued) {
        let end = self.move_and_write(&queued.range);
        self.complete(end, queued.id);
        self.active = Some(Active { end, extent: None });
    }

    /// Writes a range and says when that is over.
    fn move_and_write(&mut self, range: &Range) -> u64 {
        let start = self.start_of(range, true, self.head_now(), 0);
        self.leave_stream();
        self.segments.drop_overlapping(range.sector, range.end);
        let last = self.geometry.place(range.end - 1);
        self.head = Head { track: last.track, radius: last.radius };
        start + range.transfer_ns()
    }

    /// Lets the stream go on, now that the host has got everything before a sector.
    fn read_on_after(&mut self, sector: u64) {
        let limit = (sector + self.read_ahead).min(self.sectors).max(sector);
        if let Some(stream) = &mut self.stream {
            stream.read_on(&self.geometry, sector.saturating_sub(self.read_ahead), limit);
        }
    }

    fn stop_stream_at_limit(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.stop_at_limit(self.now, self.geometry.revolution_ns);
        }
    }

    fn head_now(&self) -> Head {
        match &self.stream {
            Some(stream) => {
                let last = self.geometry.place(stream.end(&self.geometry, self.now).saturating_sub(1));
                Head { track: last.track, radius: last.radius }
            }
            None => self.head,
        }
    }

    /// Leaves a stream, with what it brought in a segment.
    fn leave_stream(&mut self) {
        self.head = self.head_now();
        if let Some(stream) = self.stream.take() {
            let end = stream.end(&self.geometry, self.now);
            self.segments.keep(stream.from, end);
        }
    }

    /// The buffer's copies of sectors that were written are no longer right.
    fn overwrite(&mut self, sector: u64, end: u64) {
        if self.stream.is_some_and(|stream| stream.touches(sector, end)) && self.active.is_none() {
            self.leave_stream();
        }
        self.segments.drop_overlapping(sector, end);
    }

    /// Whether the buffer has a range, from an earlier read or write.
    fn buffered(&mut self, range: &Range) -> bool {
        if self.segments.holds(range.sector, range.end) || self.dirty.holds(range.sector, range.end) {
            return true;
        }
        self.stop_stream_at_limit();
        let now = self.now;
        let streamed = self
            .stream
            .as_ref()
            .is_some_and(|stream| stream.covers(range) && stream.time_of_end(range) <= now);
        if streamed {
            self.read_on_after(range.end);
        }
        streamed
    }

    fn enqueue(&mut self, id: CommandId, write: bool, sector: Sector, sectors: Sectors) {
        let range = Range::new(&self.geometry, sector.0, sectors.0);
        let ready = self.now + self.overhead;
        if !write && self.buffered(&range) {
            self.complete(ready + self.link_time(sectors.0), id);
        } else {
            self.queue.push(Queued { id, write, range, arrived: self.now, ready });
        }
    }
}

impl DiskModel for HardDisk {
    fn submit(&mut self, now: Nanos, id: CommandId, command: Command) {
        self.run(now.0);
        self.submitted += 1;
        self.last_activity = self.now;
        let done = self.now + self.overhead;
        match command.within(Sectors(self.sectors)) {
            Command::Read { sector, sectors } => self.enqueue(id, false, sector, sectors),
            Command::Write { sector, sectors, fua }
                if fua || self.write_cache == WriteCache::WriteThrough =>
            {
                self.enqueue(id, true, sector, sectors);
            }
            Command::Write { sector, sectors, .. } => {
                let room = self.stalled.is_empty()
                    && self.dirty.take(&self.geometry, sector.0, sectors.0, self.submitted);
                if room {
                    self.overwrite(sector.0, sector.0 + sectors.0);
                    self.complete(done + self.link_time(sectors.0), id);
                } else {
                    self.stalled.push_back((id, sector, sectors));
                }
            }
            Command::Flush => {
                let writing = self.active.is_some_and(|active| active.extent.is_some());
                if writing || !self.dirty.extents().is_empty() {
                    self.flushes.push_back(Flush { id, mark: self.submitted, arrived: self.now });
                } else {
                    self.complete(done, id);
                }
            }
            Command::Discard { sector, sectors } => {
                self.overwrite(sector.0, sector.0 + sectors.0);
                self.complete(done, id);
            }
        }
        self.decide();
    }

    fn next_event(&self) -> Option<Nanos> {
        let completion = self.completions.peek().map(|&Reverse((at, _, _))| at);
        [completion, self.next_turn()].into_iter().flatten().min().map(Nanos)
    }

    fn advance(&mut self, now: Nanos, done: &mut Vec<Completion>) {
        self.run(now.0);
        while let Some(&Reverse((at, _, id))) = self.completions.peek()
            && at <= now.0
        {
            self.completions.pop();
            done.push(Completion { id, at: Nanos(at) });
        }
    }

    fn in_flight(&self) -> usize {
        self.completions.len() + self.queue.len() + self.stalled.len() + self.flushes.len()
    }
}
