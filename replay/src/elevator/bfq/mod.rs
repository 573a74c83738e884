//! bfq, in its essentials, as Linux 6.18 has them.
//!
//! Every process has a queue of synchronous requests; asynchronous ones share a queue for each priority class. One queue
//! is in service at a time: alone it dispatches, until its budget (in sectors) is used up, its time (`timeout_sync`) is
//! over, or it has nothing more. Which one is next, virtual time decides (B-WF2Q+): of the queues that are due some
//! service, the one that would have it first. A queue that is slow, because it seeks or for another reason, is
//! charged the time it took instead of its sectors, so that seekers share time and not bytes.
//!
//! When the queue in service runs empty, bfq may keep the disk idle for `slice_idle_us` in case its process goes on
//! (2 ms at most if it seeks): if that pays because the process is sequential and the disk rotates or has no queue of
//! its own; if weights differ; or if there is no other queue anyway. A process that comes back in time finds what is
//! left of its budget and may take the service from a queue that nothing is waited for.
//!
//! With `low_latency`, a process that begins, or was idle for two seconds, is favoured thirtyfold for some seconds,
//! unless eight or more begin at once.
//!
//! # Where to find what
//!
//! | file | about |
//! |---|---|
//! | `queue` | what is known of a process: seeking, thinking, how much of the time it has I/O under way |
//! | `begin` | bursts, and processes that come to share a queue |
//! | `service` | which queue has the disk, and for how long |
//! | `budget` | what a service is charged when it ends, and the budget of the next |
//! | `inject` | requests of others while the disk is kept idle, and wakers |
//! | `rate` | the disk's peak rate and the largest budget |
//!
//! # Simplified
//!
//! No cgroups: all queues are in the root group. Queues are merged for good where their processes began soon after one
//! another, but not for working side by side on the disk, which the kernel would undo again. The asynchronous requests of
//! the process that is waited for are not preferred for injection. No soft real-time detection, no levels within a priority
//! class, one actuator. The next queue is looked for when it is needed: the kernel has it ready from the last change, and now
//! and then that is another one.

mod begin;
mod budget;
mod inject;
mod queue;
mod rate;
mod service;

use super::merge::{self, Place};
use super::{Freed, Merge};
use crate::config::BfqKnobs;
use crate::request::{Bio, NIL, Pool};
use begin::Stream;
use inject::Sample;
use queue::{FAVOUR, Queue};
use rate::Rate;
use service::Reason;

/// A seeky queue is not waited for longer than this.
const SEEKY_IDLE_NS: u64 = 2_000_000;
/// What a favoured queue is waited for at least.
const FAVOURED_IDLE_NS: u64 = 20_000_000;
/// Asynchronous sectors count so often where weights differ.
const ASYNC_CHARGE: u64 = 3;
/// A process that was idle for so long begins anew.
const LONG_IDLE_NS: u64 = 2_000_000_000;
/// Favoured queues are served so many sectors at most.
const FAVOURED_SECTORS: u64 = 120_000;
/// The idle class is served at least so often.
const IDLE_CLASS_NS: u64 = 200_000_000;
/// In-flight requests that show that the disk has a queue, and how many looks decide.
const DEEP: u64 = 3;
const LOOKS: u32 = 32;

/// The scheduler's state.
#[derive(Debug)]
pub(crate) struct Bfq {
    knobs: BfqKnobs,
    tags: u32,
    max_sectors: u64,
    jiffy_ns: u64,
    usual_timeout_ns: u64,
    rate: Rate,
    queues: Vec<Queue>,
    /// By stream.
    streams: Vec<Stream>,
    /// The asynchronous queue of each class.
    asynchronous: [u32; 3],
    /// The queues that have requests, or are in service.
    busy: Vec<u32>,
    /// The queues that have none, but whose last service is not over in virtual time.
    idle: Vec<u32>,
    in_service: Option<u32>,
    /// When the queue in service came into it, and when its time is over.
    served_from: u64,
    served_until: u64,
    /// While the disk is kept idle for the queue in service: since when, and until when.
    idling: Option<(u64, u64)>,
    /// What injection does to the queue in service.
    sample: Sample,
    /// Whose request was done last.
    completed_last: Option<u32>,
    virtual_time: [u64; 3],
    idle_class_served: u64,
    waiting: u64,
    in_driver: u64,
    /// Whether the disk has a queue of its own, once that is known.
    has_depth: Option<bool>,
    most_in_driver: u64,
    looks: u32,
    /// The queue that those which begin soon after it are merged with.
    first_begun: Option<u32>,
    burst: Vec<u32>,
    burst_at: u64,
    is_large_burst: bool,
}

impl Bfq {
    pub(crate) fn new(knobs: BfqKnobs, tags: u32, max_sectors: u64, jiffy_ns: u64) -> Self {
        Self {
            rate: Rate::new(&knobs),
            knobs,
            tags,
            max_sectors,
            jiffy_ns,
            // HZ / 8 ticks.
            usual_timeout_ns: 1_000_000_000 / jiffy_ns / 8 * jiffy_ns,
            queues: Vec::new(),
            streams: Vec::new(),
            asynchronous: [NIL; 3],
            busy: Vec::new(),
            idle: Vec::new(),
            in_service: None,
            served_from: 0,
            served_until: 0,
            idling: None,
            sample: Sample::default(),
            completed_last: None,
            virtual_time: [0; 3],
            idle_class_served: 0,
            waiting: 0,
            in_driver: 0,
            has_depth: None,
            most_in_driver: 0,
            looks: 0,
            first_begun: None,
            burst: Vec::new(),
            burst_at: 0,
            is_large_burst: false,
        }
    }

    /// The queue that a bio belongs to, if there is one yet.
    fn queue_of(&self, bio: &Bio) -> Option<usize> {
        let id = if bio.sync {
            self.streams.get(bio.stream as usize)?.queue
        } else {
            self.asynchronous[bio.priority.index()]
        };
        (id != NIL).then_some(id as usize)
    }

    pub(crate) fn try_merge(&mut self, pool: &mut Pool, bio: u32, freed: &mut Freed) -> Option<Merge> {
        let of = *pool.bio(bio);
        let id = self.queue_of(&of)?;
        match merge::place_for(&self.queues[id].sorted, pool, &of, self.max_sectors, true)? {
            Place::Back(request) => {
                pool.join_back(request, bio);
                let (_, after) = self.queues[id].sorted.neighbours(pool.request(request).sector, request);
                if let Some(after) = after
                    && merge::can_join(pool, request, after, self.max_sectors)
                {
                    self.join(pool, id, request, after, freed);
                }
                Some(Merge::Back)
            }
            Place::Front(request) => {
                let queue = &mut self.queues[id];
                queue.sorted.remove(pool.request(request).sector, request);
                pool.join_front(request, bio);
                queue.sorted.insert(of.sector, request);
                queue.next =
                    Queue::choose(pool, queue.next, Some(request), self.rate.last_position(), &self.knobs);
                let (before, _) = queue.sorted.neighbours(of.sector, request);
                if let Some(before) = before
                    && merge::can_join(pool, before, request, self.max_sectors)
                {
                    self.join(pool, id, before, request, freed);
                }
                Some(Merge::Front)
            }
        }
    }

    /// Puts `second` behind `first`; both are queued here.
    fn join(&mut self, pool: &mut Pool, id: usize, first: u32, second: u32, freed: &mut Freed) {
        let (kept, gone) = (*pool.request(first), *pool.request(second));
        let queue = &mut self.queues[id];
        queue.sorted.remove(gone.sector, second);
        if gone.deadline < kept.deadline {
            queue.fifo.remove(pool, first);
            queue.fifo.replace(pool, second, first);
            pool.request_mut(first).deadline = gone.deadline;
        } else {
            queue.fifo.remove(pool, second);
        }
        if queue.next == Some(second) {
            queue.next = Some(first);
        }
        queue.allocated -= 1;
        self.waiting -= 1;
        self.stream(gone.stream).requests -= 1;
        pool.join_requests(first, second);
        freed.push(second);
    }

    pub(crate) fn insert(&mut self, pool: &mut Pool, request: u32, now: u64, freed: &mut Freed) {
        let of = *pool.request(request);
        let id = self.queue_for(of.stream, of.sync, of.priority.index(), now);
        if of.kind.merges()
            && let Some(before) = self.queues[id].sorted.before(of.sector)
            && merge::can_join(pool, before, request, self.max_sectors)
        {
            pool.join_requests(before, request);
            freed.push(request);
            let mut grown = before;
            while let Some(before) = self.queues[id].sorted.before(pool.request(grown).sector)
                && merge::can_join(pool, before, grown, self.max_sectors)
            {
                self.join(pool, id, before, grown, freed);
                grown = before;
            }
            return;
        }
        pool.request_mut(request).note = id as u32;
        pool.request_mut(request).deadline = now + self.knobs.fifo_expire_ns[usize::from(of.sync)];
        self.stream(of.stream).requests += 1;
        let queue = &mut self.queues[id];
        queue.allocated += 1;
        if queue.learn(now, of.sector, of.sectors(), &self.knobs, &self.rate) {
            self.thinking_changed(id, now);
        }
        if of.sync {
            if self.stream(of.stream).requests <= 1 {
                self.first_arrives(id, now);
            }
            self.queues[id].learn_intensity(now);
        }
        let queue = &mut self.queues[id];
        queue.sorted.insert(of.sector, request);
        queue.fifo.push_back(pool, request);
        let before = queue.next;
        queue.next = Queue::choose(pool, before, Some(request), self.rate.last_position(), &self.knobs);
        let is_next = queue.next != before;
        self.waiting += 1;
        let is_idled_for = self.in_service == Some(id as u32) && self.idling.is_some();
        if !self.queues[id].busy {
            self.comes_back(pool, id, now);
        } else if is_idled_for {
            self.idling = None;
            if self.is_out_of_time(now) {
                self.expire(pool, now, Reason::BudgetTimeout, now);
            }
        } else if is_next {
            self.next_changed(pool, id);
        }
    }

    /// An idle queue has a request again.
    fn comes_back(&mut self, pool: &Pool, id: usize, now: u64) {
        let begins = self.queues[id].idle_since.is_none_or(|since| now - since > LONG_IDLE_NS);
        if begins {
            self.note_burst(id, now);
        }
        let (least, charge) = (self.queues[id].max_budget, self.next_charge(pool, id));
        let class = self.queues[id].class;
        let slice_idle_ns = self.knobs.slice_idle_ns;
        let (low_latency, favour_ns) = (self.knobs.low_latency, self.rate.favour_ns());
        let virtual_time = self.virtual_time[class];
        let queue = &mut self.queues[id];
        let in_time = now <= queue.last_end() + 3 * slice_idle_ns;
        let keeps = queue.waits_unblocked && in_time && queue.budget_left() > 0;
        if keeps {
            queue.budget = queue.budget_left().min(queue.max_budget);
        } else {
            queue.budget = least.max(charge);
        }
        queue.service = 0;
        let unblocked = std::mem::take(&mut queue.waits_unblocked) && keeps;
        if low_latency && queue.sync {
            if queue.favour == 1 && begins && !queue.in_large_burst {
                queue.favour = FAVOUR;
                queue.favoured_from = now;
                queue.favoured_ns = favour_ns;
                queue.favoured_service = 0;
            } else if queue.favour > 1 && queue.in_large_burst {
                queue.favour = 1;
            }
        }
        queue.settle_weight();
        // A queue that was cut short by its own process goes on where it was; any other starts now.
        let past = virtual_time > queue.finish;
        let least_start = if unblocked && past { queue.finish } else { virtual_time };
        queue.start = if past { least_start } else { queue.finish };
        queue.finish = queue.start + queue.virtual_time_of(queue.budget);
        if unblocked && past && queue.finish < virtual_time {
            let delta = (virtual_time - queue.finish) / queue.favour;
            queue.start += delta;
            queue.finish += delta;
        }
        queue.busy = true;
        self.busy.push(id as u32);

        if let Some(served) = self.in_service {
            let (mine, theirs) = (&self.queues[id], &self.queues[served as usize]);
            let outranks =
                mine.class < theirs.class || (mine.class == theirs.class && mine.weight > theirs.weight);
            let takes_over =
                (keeps && mine.favour >= theirs.favour) || outranks || !self.better_to_idle(served as usize);
            if takes_over {
                self.expire(pool, now, Reason::Preempted, now);
            }
        }
    }

    /// How many of the tags a bio may choose from: all for synchronous reads, less for the others; hardly any for a
    /// queue that has its share.
    pub(crate) fn limit(&self, bio: &Bio) -> u32 {
        let tags = self.tags;
        let limit = match (bio.sync, bio.kind.direction() == 1, self.any_favoured()) {
            (true, false, _) => tags,
            (false, _, false) => tags / 2,
            (true, true, false) => tags * 3 / 4,
            (false, _, true) => tags * 3 / 16,
            (true, true, true) => tags * 6 / 16,
        }
        .max(1);
        let Some(id) = self.queue_of(bio) else { return limit };
        let queue = &self.queues[id];
        if !queue.busy {
            return limit;
        }
        let weights: u64 = self.busy.iter().map(|&id| self.queues[id as usize].weight).sum();
        let share = (u64::from(limit) * queue.weight + weights / 2) / weights.max(1);
        if queue.allocated >= share { 1 } else { limit }
    }
}
