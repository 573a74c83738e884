//! The event loop: submissions, completions and the scheduler's own timers, in the order of virtual time.

use crate::config::Config;
use crate::elevator::{Elevator, Freed, Merge};
use crate::io::{Io, StreamId, Token};
use crate::plug::Plug;
use crate::record::{Recorder, submission_times};
use crate::report::Report;
use crate::request::{Kind, NIL, Pool};
use crate::source::Source;
use crate::tags::Tags;
use crate::waiting::{Waiter, Waiting};
use block_types::{Nanos, Sector, Sectors};
use disk_model::{Command, CommandId, Completion, DiskModel, LATEST};
use std::collections::BTreeMap;

/// When a simulation ends. It also ends when nothing is left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// When everything is done.
    #[default]
    Done,
    /// After so many bios are done that were counted, or were refused.
    Bios(u64),
    /// After so much counted virtual time.
    Elapsed(Nanos),
}

/// How long a simulation runs and what it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// When it ends.
    pub until: Until,
    /// So much virtual time passes before anything is counted: caches fill, queues form.
    pub ramp: Nanos,
    /// Counts in stretches of so much time as well: [`Report::windows`].
    pub window: Option<Nanos>,
}

impl Run {
    /// Until everything is done, counted from the start.
    #[must_use]
    pub const fn to_the_end() -> Self {
        Self { until: Until::Done, ramp: Nanos::ZERO, window: None }
    }

    /// For so much counted time after a ramp.
    #[must_use]
    pub const fn for_time(ramp: Nanos, time: Nanos) -> Self {
        Self { until: Until::Elapsed(time), ramp, window: None }
    }
}

/// Simulates a queue over a disk.
///
/// The model must be new: its clock at zero, nothing in flight. Equal arguments have equal results.
pub fn simulate<S: Source + ?Sized>(
    config: &Config,
    disk: &mut dyn DiskModel,
    source: &mut S,
    run: &Run,
) -> Report {
    Engine::new(config, disk, source, run).run(run, &mut |_| {})
}

/// The same, and calls `issued` for every request as it is handed to the disk.
pub fn simulate_observed<S: Source + ?Sized>(
    config: &Config,
    disk: &mut dyn DiskModel,
    source: &mut S,
    run: &Run,
    issued: &mut dyn FnMut(Issue),
) -> Report {
    Engine::new(config, disk, source, run).run(run, issued)
}

/// A request as it is handed to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issue {
    /// When.
    pub at: Nanos,
    /// What the disk is asked.
    pub command: Command,
    /// Who submitted its first bio.
    pub stream: StreamId,
}

/// A source that is due, again and again, and has nothing, is one that never ends: so often it is asked at one moment.
const EMPTY_ANSWERS: u32 = 1 << 20;

struct Engine<'a, S: ?Sized> {
    now: u64,
    disk: &'a mut dyn DiskModel,
    source: &'a mut S,
    elevator: Elevator,
    pool: Pool,
    tags: Tags,
    waiting: Waiting,
    plug: Plug,
    /// The request that the scheduler gave and the driver has no tag for (`hctx->dispatch`).
    in_hand: Option<u32>,
    in_disk: u32,
    depth: u32,
    max_sectors: u64,
    disk_sectors: u64,
    has_volatile_cache: bool,
    /// Flushes that wait for the one in the disk; they are served together by the next.
    flushes: Vec<u32>,
    /// How many of those who wait for a tag are to be woken.
    to_wake: u32,
    /// Those that were woken and do not run yet, by the time at which they will.
    waking: BTreeMap<(u64, u64), Waiter>,
    woken: u64,
    is_flushing: bool,
    ask_again: Option<u64>,
    freed: Freed,
    pieces: Vec<u32>,
    records: Recorder,
}

impl<'a, S: Source + ?Sized> Engine<'a, S> {
    fn new(config: &Config, disk: &'a mut dyn DiskModel, source: &'a mut S, run: &Run) -> Self {
        Self {
            now: 0,
            disk,
            source,
            elevator: Elevator::new(config),
            pool: Pool::default(),
            tags: Tags::new(config.tags),
            waiting: Waiting::new(config.wake_batch()),
            plug: Plug::default(),
            in_hand: None,
            in_disk: 0,
            depth: config.depth,
            max_sectors: config.max_sectors,
            disk_sectors: config.host.capacity.sectors().0,
            has_volatile_cache: config.host.traits.volatile_write_cache,
            flushes: Vec::new(),
            to_wake: 0,
            waking: BTreeMap::new(),
            woken: 0,
            is_flushing: false,
            ask_again: None,
            freed: Freed::new(),
            pieces: Vec::new(),
            records: Recorder::new(run.ramp.0, run.window),
        }
    }

    fn run(mut self, run: &Run, issued: &mut dyn FnMut(Issue)) -> Report {
        let (mut done, mut batch) = (Vec::new(), Vec::new());
        let mut begins = (run.ramp > Nanos::ZERO).then_some(run.ramp.0);
        let end = match run.until {
            Until::Elapsed(time) => (run.ramp + time).0.min(LATEST.0),
            Until::Done | Until::Bios(_) => LATEST.0,
        };
        let most = if let Until::Bios(bios) = run.until { bios } else { u64::MAX };
        let mut empty = 0;
        loop {
            let next = [
                self.disk.next_event().map(|at| at.0),
                self.source.next_arrival().map(|at| at.0),
                self.elevator.timer(),
                self.ask_again,
                self.waking.first_key_value().map(|(&(at, _), _)| at),
            ];
            let Some(next) = next.into_iter().flatten().min() else {
                // Nothing is in flight any more: whoever still waits for a batch to be full goes on.
                self.to_wake = self.waiting.len();
                if self.to_wake == 0 {
                    break;
                }
                self.wake(issued);
                continue;
            };
            let next = next.max(self.now);
            if let Some(at) = begins.filter(|&at| at <= next) {
                self.records.begin();
                self.now = at.max(self.now);
                begins = None;
            }
            if next >= end {
                self.now = end.max(self.now);
                break;
            }
            self.now = next;
            self.take_completions(&mut done, issued);
            if begins.is_none() && most < u64::MAX && self.records.bios() >= most {
                break;
            }
            if self.elevator.timer().is_some_and(|at| at <= self.now) {
                self.elevator.fire(&mut self.pool, self.now);
                self.dispatch(issued);
            }
            if self.ask_again.is_some_and(|at| at <= self.now) {
                self.dispatch(issued);
            }
            while let Some(woken) = self.waking.first_entry()
                && woken.key().0 <= self.now
            {
                let waiter = woken.remove();
                self.runs_again(waiter, issued);
            }
            while self.source.next_arrival().is_some_and(|at| at.0 <= self.now) {
                batch.clear();
                self.source.arrive(Nanos(self.now), &mut batch);
                if batch.is_empty() {
                    empty += 1;
                    if empty > EMPTY_ANSWERS {
                        break;
                    }
                    continue;
                }
                empty = 0;
                self.submit(&batch, issued);
            }
            if empty > EMPTY_ANSWERS {
                break;
            }
        }
        self.records.finish(self.now, submission_times(&self.pool))
    }

    /// Submits a batch of bios, under a plug if there are several.
    fn submit(&mut self, batch: &[Io], issued: &mut dyn FnMut(Issue)) {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        for io in batch {
            self.admit(io, &mut pieces);
        }
        self.place_all(&pieces, batch.len() > 1, issued);
        self.pieces = pieces;
        self.wake(issued);
    }

    /// Makes bios of an I/O, each no larger than a request may be.
    fn admit(&mut self, io: &Io, pieces: &mut Vec<u32>) {
        let Some(kind) = Kind::of(io.op) else { return self.refuse(io) };
        let stream = StreamId(io.stream.0.min(StreamId::MOST - 1));
        let mut io = Io { stream, ..*io };
        if kind == Kind::Flush {
            io.sectors = Sectors::ZERO;
        } else {
            let fits = io.sectors.0 > 0
                && io.sectors.0 <= u64::from(u32::MAX)
                && io.sector.0.checked_add(io.sectors.0).is_some_and(|end| end <= self.disk_sectors);
            if !fits {
                return self.refuse(&io);
            }
        }
        self.records.submitted(self.now);
        let bio = self.pool.new_bio(self.now, &io, kind);
        if kind == Kind::Flush && !self.has_volatile_cache {
            return self.bio_done(bio);
        }
        if !kind.merges() || io.sectors.0 <= self.max_sectors {
            pieces.push(bio);
            return;
        }
        let (mut offset, whole) = (0, io.sectors.0);
        while offset < whole {
            let sectors = self.max_sectors.min(whole - offset);
            pieces.push(self.pool.part_of(bio, offset as u32, sectors as u32));
            offset += sectors;
        }
        self.records.merges().splits += u64::from(self.pool.bio(bio).parts - 1);
    }

    /// An I/O that is not simulated is done at once, so that who waits for it goes on.
    fn refuse(&mut self, io: &Io) {
        self.records.refused();
        self.source.completed(Nanos(self.now), io.token);
    }

    /// Brings bios into the queue one after the other. Where one finds no tag, it waits, and the others behind it.
    fn place_all(&mut self, pieces: &[u32], plugged: bool, issued: &mut dyn FnMut(Issue)) {
        for (index, &bio) in pieces.iter().enumerate() {
            if !self.place(bio, plugged, issued) {
                self.records.waited_for_tag();
                let stream = self.pool.bio(bio).stream;
                let is_limited = self.elevator.limit(self.pool.bio(bio)) < self.tags.depth();
                let rest = pieces[index + 1..].to_vec();
                self.waiting.add(Waiter { bio, rest, plugged }, is_limited);
                self.source.blocked(StreamId(stream));
                break;
            }
        }
        self.unplug(issued);
    }

    /// Brings a bio into the queue; `false` if there is no tag for it.
    fn place(&mut self, bio: u32, plugged: bool, issued: &mut dyn FnMut(Issue)) -> bool {
        if self.pool.bio(bio).kind == Kind::Flush {
            self.flushes.push(bio);
            self.dispatch(issued);
            return true;
        }
        if self.plug.try_merge(&mut self.pool, bio, self.max_sectors) {
            self.records.merges().in_plug += 1;
            return true;
        }
        if let Some(merge) = self.elevator.try_merge(&mut self.pool, bio, &mut self.freed) {
            match merge {
                Merge::Back => self.records.merges().back += 1,
                Merge::Front => self.records.merges().front += 1,
            }
            self.free_joined();
            return true;
        }
        let limit = self.elevator.limit(self.pool.bio(bio));
        let Some(tag) = self.tags.take(limit) else { return false };
        let id = self.pool.new_request(bio, tag);
        if plugged {
            if self.plug.is_full(&self.pool) {
                self.unplug(issued);
            }
            self.plug.push(id);
        } else {
            self.elevator.insert(&mut self.pool, id, self.now, &mut self.freed);
            self.dispatch(issued);
            self.free_joined();
        }
        true
    }

    fn unplug(&mut self, issued: &mut dyn FnMut(Issue)) {
        if self.plug.is_empty() {
            return;
        }
        for id in self.plug.drain() {
            self.elevator.insert(&mut self.pool, id, self.now, &mut self.freed);
        }
        self.dispatch(issued);
        self.free_joined();
    }

    /// Gives back the tags of requests that were joined to others.
    fn free_joined(&mut self) {
        while let Some(id) = self.freed.pop() {
            self.records.merges().requests += 1;
            let tag = self.pool.request(id).tag;
            self.pool.free_request(id);
            self.give_back(tag);
        }
    }

    fn give_back(&mut self, tag: u32) {
        self.tags.give_back(tag);
        self.to_wake += self.waiting.freed();
    }

    /// Wakes those who wait for a tag, as many as are to be woken. Those that take time for it run later, and find who
    /// was there before them.
    fn wake(&mut self, issued: &mut dyn FnMut(Issue)) {
        while self.to_wake > 0 {
            self.to_wake -= 1;
            let Some(waiter) = self.first_with_tag() else {
                self.to_wake = 0;
                return;
            };
            let stream = StreamId(self.pool.bio(waiter.bio).stream);
            let takes = self.source.wakes_in(stream);
            if takes == Nanos::ZERO {
                self.runs_again(waiter, issued);
            } else {
                self.waking.insert((self.now + takes.0, self.woken), waiter);
                self.woken += 1;
            }
        }
    }

    /// The first of those who wait that a tag is there for.
    fn first_with_tag(&mut self) -> Option<Waiter> {
        self.waiting.by_age().into_iter().find_map(|is_limited| {
            let bio = self.waiting.first(is_limited)?;
            let limit = self.elevator.limit(self.pool.bio(bio));
            self.tags.has_free(limit).then(|| self.waiting.take(is_limited))?
        })
    }

    /// A process that waited for a tag runs again. If there is none any more, it waits behind the others.
    fn runs_again(&mut self, waiter: Waiter, issued: &mut dyn FnMut(Issue)) {
        let limit = self.elevator.limit(self.pool.bio(waiter.bio));
        if let Some(tag) = self.tags.take(limit) {
            let id = self.pool.new_request(waiter.bio, tag);
            self.go_on((waiter, id), issued);
        } else {
            let is_limited = limit < self.tags.depth();
            self.waiting.add(waiter, is_limited);
        }
    }

    /// A process that waited has its tag.
    fn go_on(&mut self, (waiter, id): (Waiter, u32), issued: &mut dyn FnMut(Issue)) {
        let stream = self.pool.request(id).stream;
        self.source.resumed(Nanos(self.now), StreamId(stream));
        if waiter.plugged {
            self.plug.push(id);
        } else {
            self.elevator.insert(&mut self.pool, id, self.now, &mut self.freed);
            self.dispatch(issued);
            self.free_joined();
        }
        for &bio in &waiter.rest {
            // It was not submitted while its process slept.
            let bio = self.pool.bio_mut(bio);
            if bio.parent == NIL {
                bio.submitted = self.now;
            }
        }
        self.place_all(&waiter.rest, waiter.plugged, issued);
    }

    /// Hands requests to the driver as long as it has tags. One more is taken from the scheduler than it has: as the
    /// kernel does, which learns only then that there is no tag.
    fn dispatch(&mut self, issued: &mut dyn FnMut(Issue)) {
        self.ask_again = None;
        loop {
            if !self.flushes.is_empty() && !self.is_flushing && self.in_disk < self.depth {
                self.issue_flush(issued);
                continue;
            }
            let Some(id) = self.in_hand.take().or_else(|| self.elevator.dispatch(&mut self.pool, self.now))
            else {
                self.ask_again = self.elevator.ask_again(self.now);
                return;
            };
            if self.in_disk >= self.depth {
                self.in_hand = Some(id);
                return;
            }
            self.issue(id, issued);
        }
    }

    fn issue_flush(&mut self, issued: &mut dyn FnMut(Issue)) {
        let mut bios = self.flushes.drain(..);
        let Some(first) = bios.next() else { return };
        let id = self.pool.new_request(first, NIL);
        let mut last = first;
        for bio in bios {
            self.pool.bio_mut(last).next = bio;
            last = bio;
        }
        self.is_flushing = true;
        self.issue(id, issued);
    }

    fn issue(&mut self, id: u32, issued: &mut dyn FnMut(Issue)) {
        let now = self.now;
        let request = self.pool.request_mut(id);
        request.issued = now;
        let (sector, sectors) = (Sector(request.sector), Sectors(request.sectors()));
        let command = match request.kind {
            Kind::Read => Command::Read { sector, sectors },
            Kind::Write => Command::Write { sector, sectors, fua: false },
            Kind::Discard => Command::Discard { sector, sectors },
            Kind::Flush => Command::Flush,
        };
        let stream = StreamId(request.stream);
        self.in_disk += 1;
        self.records.device_depth(now, self.in_disk.into());
        issued(Issue { at: Nanos(now), command, stream });
        self.disk.submit(Nanos(now), CommandId(id.into()), command);
    }

    fn take_completions(&mut self, done: &mut Vec<Completion>, issued: &mut dyn FnMut(Issue)) {
        if self.disk.next_event().is_none_or(|at| at.0 > self.now) {
            return;
        }
        done.clear();
        self.disk.advance(Nanos(self.now), done);
        for completion in done {
            self.complete(completion.id.0 as u32, issued);
        }
    }

    fn complete(&mut self, id: u32, issued: &mut dyn FnMut(Issue)) {
        self.in_disk -= 1;
        self.records.device_depth(self.now, self.in_disk.into());
        let request = *self.pool.request(id);
        self.records.request_done(self.now, &request);
        let mut bio = request.first_bio;
        while bio != NIL {
            let next = self.pool.bio(bio).next;
            self.part_done(bio);
            bio = next;
        }
        if request.kind == Kind::Flush {
            self.is_flushing = false;
            self.pool.free_request(id);
            self.dispatch(issued);
        } else {
            self.elevator.completed(&mut self.pool, id, self.now);
            self.pool.free_request(id);
            // The queue is run before a process wakes up.
            self.dispatch(issued);
            self.give_back(request.tag);
            self.wake(issued);
        }
    }

    fn part_done(&mut self, bio: u32) {
        let parent = self.pool.bio(bio).parent;
        if parent == NIL {
            return self.bio_done(bio);
        }
        self.pool.free_bio(bio);
        let whole = self.pool.bio_mut(parent);
        whole.parts -= 1;
        if whole.parts == 0 {
            self.bio_done(parent);
        }
    }

    fn bio_done(&mut self, id: u32) {
        let bio = *self.pool.bio(id);
        self.pool.free_bio(id);
        self.records.bio_done(self.now, &bio);
        self.source.completed(Nanos(self.now), Token(bio.token));
    }
}
