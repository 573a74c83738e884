//! Queue, issue and completion paired into requests.
//!
//! The kernel's events carry no identity, only a place on the disk. A bio is queued (`Q`); it becomes a request of
//! its own (`G`), or joins one (`M`, `F`), or is split first (`X`); requests may be joined too. All of these end in
//! an issue (`D`) of a stretch of the disk, and that stretch says which bios are in the request: those that were
//! queued, for the same operation, from its first sector on without a hole. So [`Requests`] follows stretches and
//! needs none of the events in between: a bio that reaches beyond the end of a request was split there, and its
//! rest stays queued with the time of its `Q`. A completion (`C`) takes the request of its first sector, or the
//! first part of it. A requeue (`R`) gives a request's bios back to wait for their next issue.
//!
//! Two bios for the same sector that wait at the same time are told apart by age: the older one is issued first,
//! and completed first. Where that is wrong their latencies change places, and the mean stays.

use crate::action::{Action, Categories};
use crate::event::{Device, Event, Payload, RemapOrigin};
use crate::latency::Latency;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// What an I/O does, as far as the categories of a trace tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// A read.
    Read,
    /// A write (or another operation that changes the disk and that the categories cannot tell from one).
    Write,
    /// A discard.
    Discard,
}

impl Direction {
    /// Of a set of categories; `None` for what moves nothing, such as an empty flush.
    #[must_use]
    pub const fn of(categories: Categories) -> Option<Self> {
        if categories.contains(Categories::DISCARD) {
            Some(Self::Discard)
        } else if categories.contains(Categories::WRITE) {
            Some(Self::Write)
        } else if categories.contains(Categories::READ) {
            Some(Self::Read)
        } else {
            None
        }
    }
}

/// A bio, or the part of it that is in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bio {
    /// When it was queued.
    pub queued_ns: u64,
    /// First sector of this part.
    pub sector: u64,
    /// Length of this part in sectors.
    pub sectors: u64,
    /// Whether other parts of the bio are in other requests.
    pub is_part: bool,
    /// Where it came from, where it was remapped.
    pub origin: Option<RemapOrigin>,
}

/// A request from its issue to its completion. A request that is completed in parts yields one of these for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The device.
    pub device: Device,
    /// What it does.
    pub direction: Direction,
    /// Categories of its issue.
    pub categories: Categories,
    /// First sector.
    pub sector: u64,
    /// Length in sectors.
    pub sectors: u64,
    /// Its bios in the order of their sectors. Empty where they were queued before the trace began.
    pub bios: Vec<Bio>,
    /// When it was handed to the driver, for the last time.
    pub issued_ns: u64,
    /// How often the driver gave it back before that.
    pub requeues: u32,
    /// When it was completed.
    pub completed_ns: u64,
    /// Errno of the completion; 0 for success.
    pub error: u16,
}

impl Request {
    /// Issue to completion.
    #[must_use]
    pub const fn d2c_ns(&self) -> u64 {
        self.completed_ns.saturating_sub(self.issued_ns)
    }

    /// Queueing to issue, of each bio.
    pub fn q2d_ns(&self) -> impl Iterator<Item = u64> {
        self.bios.iter().map(|bio| self.issued_ns.saturating_sub(bio.queued_ns))
    }

    /// Queueing to completion, of each bio.
    pub fn q2c_ns(&self) -> impl Iterator<Item = u64> {
        self.bios.iter().map(|bio| self.completed_ns.saturating_sub(bio.queued_ns))
    }

    /// The end of the stretch; the events checked that it does not overflow.
    const fn end(&self) -> u64 {
        self.sector.saturating_add(self.sectors)
    }
}

/// Latencies over all requests that were completed, and what did not pair.
///
/// `q2d`, `d2c` and `q2c` count each bio (each part of a bio that was split), as btt does: for `d2c` a request of
/// eight merged bios counts eight times. `request_d2c` counts each request once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Queueing to issue.
    pub q2d: Latency,
    /// Issue to completion, each bio.
    pub d2c: Latency,
    /// Queueing to completion.
    pub q2c: Latency,
    /// Issue to completion, each request.
    pub request_d2c: Latency,
    /// Issues of which no bio was seen: it was queued before the trace began, or its event was lost.
    pub issues_without_queue: u64,
    /// Completions without an issue.
    pub completions_without_issue: u64,
    /// Requests given back by the driver.
    pub requeues: u64,
    /// Events of operations that carry no sectors (flushes), which say no place and are not paired.
    pub without_sectors: u64,
    /// Bios and requests that were dropped because more were open than [`Requests::with_limit`] allows.
    pub forgotten: u64,
}

/// How many bios and requests may be open before the oldest place is forgotten. A trace that lost its completions
/// would otherwise grow without end.
pub const DEFAULT_LIMIT: usize = 1 << 20;

/// Those that wait at one sector, oldest first.
type Waiting<T> = BTreeMap<u64, VecDeque<T>>;

/// Pairs the events of a trace, in the order of time.
///
/// ```
/// use blktrace_parser::{Action, Categories, Device, Event, Payload, Requests};
///
/// let event = |action, time_ns| Event {
///     time_ns, sequence: None, device: Device { major: 8, minor: 0 }, cpu: 0, pid: 1, action,
///     categories: Categories::READ, sector: 64, bytes: 4096, error: 0, cgroup: None, payload: Payload::None,
/// };
/// let mut requests = Requests::new();
/// assert!(requests.observe(&event(Action::Queue, 100)).is_none());
/// assert!(requests.observe(&event(Action::Issue, 150)).is_none());
/// let request = requests.observe(&event(Action::Complete, 400)).unwrap();
/// assert_eq!(request.d2c_ns(), 250);
/// assert_eq!(requests.stats().q2c.mean_ns(), Some(300.0));
/// ```
#[derive(Clone, Debug)]
pub struct Requests {
    queued: HashMap<(Device, Direction), Waiting<Bio>>,
    issued: HashMap<(Device, Direction), Waiting<Request>>,
    remaps: HashMap<(Device, u64), RemapOrigin>,
    open: usize,
    limit: usize,
    stats: Stats,
}

impl Default for Requests {
    fn default() -> Self {
        Self::new()
    }
}

impl Requests {
    /// Nothing open; at most [`DEFAULT_LIMIT`] at a time.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }

    /// Nothing open; at most `limit` bios and requests at a time.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            queued: HashMap::new(),
            issued: HashMap::new(),
            remaps: HashMap::new(),
            open: 0,
            limit: limit.max(1),
            stats: Stats::default(),
        }
    }

    /// What was paired so far.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Bios and requests that are still open.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Takes the next event in; returns the request that it completes.
    pub fn observe(&mut self, event: &Event<'_>) -> Option<Request> {
        if !matches!(
            event.action,
            Action::Remap | Action::Queue | Action::Issue | Action::Requeue | Action::Complete
        ) {
            return None;
        }
        let sectors = event.sectors();
        let direction = match Direction::of(event.categories) {
            Some(direction) if sectors > 0 => direction,
            _ => {
                self.stats.without_sectors += 1;
                return None;
            }
        };
        match event.action {
            Action::Remap => self.remap(event),
            Action::Queue => self.queue(event, direction),
            Action::Issue => self.issue(event, direction),
            Action::Requeue => self.requeue(event, direction),
            Action::Complete => return self.complete(event, direction),
            _ => {}
        }
        None
    }

    fn remap(&mut self, event: &Event<'_>) {
        if let Payload::Remap(origin) = event.payload {
            // A remap whose bio is never queued here is rare; forgetting all of them bounds their number.
            if self.remaps.len() >= self.limit {
                self.remaps.clear();
            }
            self.remaps.insert((event.device, event.sector), origin);
        }
    }

    fn queue(&mut self, event: &Event<'_>, direction: Direction) {
        self.make_room();
        let bio = Bio {
            queued_ns: event.time_ns,
            sector: event.sector,
            sectors: event.sectors(),
            is_part: false,
            origin: self.remaps.remove(&(event.device, event.sector)),
        };
        let waiting = self.queued.entry((event.device, direction)).or_default();
        waiting.entry(bio.sector).or_default().push_back(bio);
        self.open += 1;
    }

    fn issue(&mut self, event: &Event<'_>, direction: Direction) {
        self.make_room();
        let key = (event.device, direction);
        let mut request = Request {
            device: event.device,
            direction,
            categories: event.categories,
            sector: event.sector,
            sectors: event.sectors(),
            bios: Vec::new(),
            issued_ns: event.time_ns,
            requeues: 0,
            completed_ns: 0,
            error: 0,
        };
        // A request that the driver gave back is issued again as it was.
        if let Some(back) = self.issued.get_mut(&key).and_then(|waiting| take_requeued(waiting, &request)) {
            request.bios = back.bios;
            request.requeues = back.requeues;
            self.open -= 1;
        } else if let Some(waiting) = self.queued.get_mut(&key) {
            let (bios, left) = take_stretch(waiting, request.sector, request.end());
            self.open = self.open + left - bios.len();
            request.bios = bios;
        }
        if request.bios.is_empty() {
            self.stats.issues_without_queue += 1;
        }
        let waiting = self.issued.entry(key).or_default();
        waiting.entry(request.sector).or_default().push_back(request);
        self.open += 1;
    }

    fn requeue(&mut self, event: &Event<'_>, direction: Direction) {
        self.stats.requeues += 1;
        let waiting = self.issued.get_mut(&(event.device, direction));
        let at_sector = waiting.and_then(|waiting| waiting.get_mut(&event.sector));
        // The youngest: what was issued last comes back first.
        let given_back =
            at_sector.and_then(|requests| requests.iter_mut().rev().find(|request| !request.waits_again()));
        if let Some(request) = given_back {
            request.requeues += 1;
            request.issued_ns = u64::MAX;
        }
    }

    fn complete(&mut self, event: &Event<'_>, direction: Direction) -> Option<Request> {
        let waiting = self.issued.entry((event.device, direction)).or_default();
        let Some(mut request) = take_first(waiting, event.sector) else {
            self.stats.completions_without_issue += 1;
            return None;
        };
        self.open -= 1;
        if event.sectors() < request.sectors {
            let rest = split_request(&mut request, event.sectors());
            waiting.entry(rest.sector).or_default().push_front(rest);
            self.open += 1;
        }
        if request.waits_again() {
            // Its second issue was lost.
            request.issued_ns = event.time_ns;
        }
        request.completed_ns = event.time_ns;
        request.error = event.error;
        self.stats.request_d2c.add(request.d2c_ns());
        for bio in &request.bios {
            self.stats.q2d.add(request.issued_ns.saturating_sub(bio.queued_ns));
            self.stats.d2c.add(request.d2c_ns());
            self.stats.q2c.add(request.completed_ns.saturating_sub(bio.queued_ns));
        }
        Some(request)
    }

    /// Forgets one open bio or request where the limit is reached.
    fn make_room(&mut self) {
        if self.open < self.limit {
            return;
        }
        let forget =
            self.queued.values_mut().any(forget_lowest) || self.issued.values_mut().any(forget_lowest);
        if forget {
            self.open -= 1;
            self.stats.forgotten += 1;
        }
    }
}

impl Request {
    /// Whether the driver gave it back and has not been handed it again.
    const fn waits_again(&self) -> bool {
        self.issued_ns == u64::MAX
    }
}

fn forget_lowest<T>(waiting: &mut Waiting<T>) -> bool {
    match waiting.first_key_value().map(|(sector, _)| *sector) {
        Some(sector) => take_first(waiting, sector).is_some(),
        None => false,
    }
}

/// Takes the oldest that waits at a sector.
fn take_first<T>(waiting: &mut Waiting<T>, sector: u64) -> Option<T> {
    let Entry::Occupied(mut entry) = waiting.entry(sector) else { return None };
    let first = entry.get_mut().pop_front();
    if entry.get().is_empty() {
        entry.remove();
    }
    first
}

fn take_requeued(waiting: &mut Waiting<Request>, issued: &Request) -> Option<Request> {
    let Entry::Occupied(mut entry) = waiting.entry(issued.sector) else { return None };
    let same = |request: &Request| request.waits_again() && request.sectors == issued.sectors;
    let at = entry.get().iter().position(same)?;
    let request = entry.get_mut().remove(at);
    if entry.get().is_empty() {
        entry.remove();
    }
    request
}

/// Takes the bios of the stretch from `start` to `end`, and says how many rests of bios that reach beyond it were
/// put back.
fn take_stretch(waiting: &mut Waiting<Bio>, start: u64, end: u64) -> (Vec<Bio>, usize) {
    let mut bios = Vec::new();
    let mut rests = 0;
    let mut at = start;
    while at < end {
        let Some(mut bio) = take_first(waiting, at) else {
            // A bio whose queueing was not seen leaves a hole.
            match waiting.range(at..end).next() {
                Some((next, _)) => {
                    at = *next;
                    continue;
                }
                None => break,
            }
        };
        let stop = bio.sector.saturating_add(bio.sectors);
        if stop > end {
            let rest = Bio { sector: end, sectors: stop - end, is_part: true, ..bio };
            bio.sectors = end - bio.sector;
            bio.is_part = true;
            waiting.entry(end).or_default().push_front(rest);
            rests += 1;
        }
        at = stop;
        bios.push(bio);
    }
    (bios, rests)
}

/// Cuts a request down to its first `sectors` and returns the rest, with the bios that end in it.
fn split_request(request: &mut Request, sectors: u64) -> Request {
    let cut = request.sector.saturating_add(sectors);
    let (done, left) =
        request.bios.iter().partition(|bio: &&Bio| bio.sector.saturating_add(bio.sectors) <= cut);
    let rest = Request { sector: cut, sectors: request.end() - cut, bios: left, ..request.clone() };
    request.bios = done;
    request.sectors = sectors;
    rest
}

#[cfg(test)]
mod tests;
