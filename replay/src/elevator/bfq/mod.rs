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
//! # Simplified
//!
//! No cgroups: all queues are in the root group. Queues are merged for good where their processes began within 180 ms of
//! one another (as fio's jobs do), 600 ms later and unless idling pays for them; but not for working side by side on the
//! disk, which the kernel would undo again. No injection of other queues' requests while the disk is kept idle, no wakers, no soft real-time detection, no levels within a
//! priority class, one actuator. Whether a queue is bound by I/O is taken from its thinking alone.

mod queue;
mod rate;

use super::merge::{self, Place};
use super::{Freed, Merge};
use crate::config::BfqKnobs;
use crate::request::{Bio, NIL, Pool};
use queue::{FAVOUR, Queue};
use rate::Rate;

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
/// Queues that begin within this of one another are a burst; so many are a large one.
const BURST_NS: u64 = 180_000_000;
const LARGE_BURST: usize = 8;
/// A queue that begins within [`BURST_NS`] of another may be merged with it for good, after this.
const STABLE_NS: u64 = 600_000_000;
/// The idle class is served at least so often.
const IDLE_CLASS_NS: u64 = 200_000_000;
/// In-flight requests that show that the disk has a queue, and how many looks decide.
const DEEP: u64 = 3;
const LOOKS: u32 = 32;

/// Why a queue's service ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    TooIdle,
    BudgetTimeout,
    BudgetExhausted,
    NoMoreRequests,
    Preempted,
}

/// The scheduler's state.
#[derive(Debug)]
pub(crate) struct Bfq {
    knobs: BfqKnobs,
    tags: u32,
    max_sectors: u64,
    jiffy_ns: u64,
    rate: Rate,
    queues: Vec<Queue>,
    /// The queue of each stream.
    of_stream: Vec<u32>,
    /// The asynchronous queue of each class.
    asynchronous: [u32; 3],
    /// The queues that have requests, or are in service.
    busy: Vec<u32>,
    in_service: Option<u32>,
    /// When the queue in service came into it, and when its time is over.
    served_from: u64,
    served_until: u64,
    /// While the disk is kept idle for the queue in service: since when, and until when.
    idling: Option<(u64, u64)>,
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
            queues: Vec::new(),
            of_stream: Vec::new(),
            asynchronous: [NIL; 3],
            busy: Vec::new(),
            in_service: None,
            served_from: 0,
            served_until: 0,
            idling: None,
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
            *self.of_stream.get(bio.stream as usize)?
        } else {
            self.asynchronous[bio.priority.index()]
        };
        (id != NIL).then_some(id as usize)
    }

    /// The queue that a request goes to.
    fn queue_for(&mut self, stream: u32, sync: bool, class: usize, now: u64) -> usize {
        let stream = stream as usize;
        if stream >= self.of_stream.len() {
            self.of_stream.resize(stream + 1, NIL);
        }
        let known = if sync { self.of_stream[stream] } else { self.asynchronous[class] };
        let id = match known {
            NIL => self.begin(sync, class, now),
            known if sync => self.merged(known as usize, now) as u32,
            known => known,
        };
        if sync {
            self.of_stream[stream] = id;
        } else {
            self.asynchronous[class] = id;
        }
        self.queues[id as usize].class = class;
        id as usize
    }

    /// A new queue; or, on a disk that neither rotates nor needs to be fed one at a time, that of a process which
    /// began just before.
    fn begin(&mut self, sync: bool, class: usize, now: u64) -> u32 {
        let id = self.queues.len() as u32;
        let mut queue = Queue::new(class, sync, now, &self.rate);
        if sync {
            let first = self.first_begun.filter(|&first| {
                let first = &self.queues[first as usize];
                first.class == class && now <= first.begun + STABLE_NS
            });
            match first {
                None => self.first_begun = Some(id),
                Some(first) if now > self.queues[first as usize].begun + BURST_NS => {}
                Some(first) if self.is_deep_flash() => return first,
                Some(first) => queue.merges_with = Some(first),
            }
        }
        self.queues.push(queue);
        id
    }

    const fn is_deep_flash(&self) -> bool {
        !self.knobs.rotational && matches!(self.has_depth, Some(true))
    }

    /// The queue that this one was merged with, or is now, or itself.
    fn merged(&mut self, id: usize, now: u64) -> usize {
        let queue = &self.queues[id];
        let Some(other) = queue.merges_with.filter(|_| now > queue.begun + STABLE_NS) else { return id };
        if self.is_deep_flash() {
            return id;
        }
        let stays = self.idling_pays(id);
        self.queues[id].merges_with = None;
        if stays { id } else { other as usize }
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
        let queue = &mut self.queues[id];
        queue.allocated += 1;
        queue.learn(now, of.sector, of.sectors(), &self.knobs, &self.rate);
        queue.sorted.insert(of.sector, request);
        queue.fifo.push_back(pool, request);
        queue.next = Queue::choose(pool, queue.next, Some(request), self.rate.last_position(), &self.knobs);
        self.waiting += 1;
        let is_idled_for = self.in_service == Some(id as u32) && self.idling.is_some();
        if !self.queues[id].busy {
            self.comes_back(pool, id, now);
        } else if is_idled_for {
            self.idling = None;
            if self.is_out_of_time(now) {
                self.expire(pool, now, Reason::BudgetTimeout);
            }
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
            queue.budget = queue.budget_left().min(queue.max_budget).max(charge.min(queue.max_budget));
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
        self.rate.budget_given();

        if let Some(served) = self.in_service {
            let (mine, theirs) = (&self.queues[id], &self.queues[served as usize]);
            let outranks =
                mine.class < theirs.class || (mine.class == theirs.class && mine.weight > theirs.weight);
            let takes_over =
                (keeps && mine.favour >= theirs.favour) || outranks || !self.better_to_idle(served as usize);
            if takes_over && self.would_be_next(now) != Some(served) {
                self.expire(pool, now, Reason::Preempted);
            }
        }
    }

    /// Counts queues that begin at once.
    fn note_burst(&mut self, id: usize, now: u64) {
        if !self.queues[id].sync {
            return;
        }
        if now - self.burst_at > BURST_NS || self.burst.is_empty() {
            self.burst.clear();
            self.is_large_burst = false;
        }
        self.burst_at = now;
        if self.is_large_burst {
            self.queues[id].in_large_burst = true;
            return;
        }
        self.queues[id].in_large_burst = false;
        self.burst.push(id as u32);
        if self.burst.len() >= LARGE_BURST {
            self.is_large_burst = true;
            for &id in &self.burst {
                self.queues[id as usize].in_large_burst = true;
            }
        }
    }

    /// What the next request of a queue counts.
    fn next_charge(&self, pool: &Pool, id: usize) -> u64 {
        self.queues[id].next.map_or(0, |next| self.charge(id, pool.request(next).sectors()))
    }

    fn charge(&self, id: usize, sectors: u64) -> u64 {
        let queue = &self.queues[id];
        if queue.sync || queue.favour > 1 || !self.weights_differ() {
            sectors
        } else {
            sectors * ASYNC_CHARGE
        }
    }

    /// Whether queues that are to be served have different weights or classes.
    fn weights_differ(&self) -> bool {
        let mut busy = self.busy.iter().map(|&id| &self.queues[id as usize]);
        let Some(first) = busy.next() else { return false };
        busy.any(|queue| queue.weight != first.weight || queue.class != first.class)
    }

    /// Whether one queue is worse off than another by its weight; never the one of least weight.
    fn is_asymmetric(&self, id: usize) -> bool {
        let own = &self.queues[id];
        let mut busy = self.busy.iter().map(|&id| &self.queues[id as usize]);
        busy.any(|queue| queue.weight < own.weight || queue.class != own.class)
    }

    fn idling_pays(&self, id: usize) -> bool {
        let queue = &self.queues[id];
        let has_depth = self.has_depth != Some(false);
        let rotational = self.knobs.rotational;
        let is_sequential = !queue.is_seeky() && queue.thinks_short;
        let pays = (rotational && !has_depth) || ((rotational || !has_depth) && is_sequential);
        pays && !self.any_favoured()
    }

    fn any_favoured(&self) -> bool {
        self.busy.iter().any(|&id| self.queues[id as usize].favour > 1)
    }

    /// Whether to keep the disk idle when this queue, which is in service, has nothing.
    fn better_to_idle(&self, id: usize) -> bool {
        let queue = &self.queues[id];
        if self.knobs.strict_guarantees {
            return true;
        }
        if self.knobs.slice_idle_ns == 0 || !queue.sync || queue.class == 2 {
            return false;
        }
        let favoured = || self.busy.iter().filter(|&&id| self.queues[id as usize].favour > 1).count();
        self.busy.len() == 1
            || self.idling_pays(id)
            || (queue.favour > 1 && (favoured() < self.busy.len() || self.in_driver >= queue.dispatched + 4))
            || self.is_asymmetric(id)
    }

    fn is_out_of_time(&self, now: u64) -> bool {
        now >= self.served_until
    }

    fn may_expire_for_time(&self, id: usize, now: u64) -> bool {
        let queue = &self.queues[id];
        (self.idling.is_none() || queue.budget_left() >= queue.budget / 3) && self.is_out_of_time(now)
    }

    fn must_idle(&self, id: usize) -> bool {
        self.queues[id].is_empty() && self.better_to_idle(id)
    }

    pub(crate) const fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    pub(crate) fn dispatch(&mut self, pool: &mut Pool, now: u64) -> Option<u32> {
        if self.busy.is_empty() || (self.knobs.strict_guarantees && self.in_driver > 0) {
            return None;
        }
        let id = self.select(pool, now)?;
        let request = self.queues[id].next?;
        let of = *pool.request(request);
        self.serve(id, self.charge(id, of.sectors()));
        self.rate.dispatched(now, &of, self.in_driver);
        let queue = &mut self.queues[id];
        queue.next = queue.next_after(pool, request, now, &self.knobs);
        queue.sorted.remove(of.sector, request);
        queue.fifo.remove(pool, request);
        queue.dispatched += 1;
        if queue.favour > 1 {
            queue.favoured_service += of.sectors();
            let over = now > queue.favoured_from + queue.favoured_ns;
            if over || queue.favoured_service > FAVOURED_SECTORS || queue.in_large_burst {
                queue.favour = 1;
            }
        }
        let is_idle_class = queue.class == 2;
        self.waiting -= 1;
        self.in_driver += 1;
        if is_idle_class {
            self.idle_class_served = now;
            if self.busy.len() > 1 {
                self.expire(pool, now, Reason::BudgetExhausted);
            }
        }
        Some(request)
    }

    fn serve(&mut self, id: usize, sectors: u64) {
        let class = self.queues[id].class;
        let weights = self.busy.iter().map(|&id| &self.queues[id as usize]);
        let weights = weights.filter(|queue| queue.class == class).map(|queue| queue.weight).sum();
        self.queues[id].service += sectors;
        self.virtual_time[class] += Queue::advance_of(sectors, weights);
    }

    /// The queue that may dispatch now, if one may.
    fn select(&mut self, pool: &Pool, now: u64) -> Option<usize> {
        if let Some(id) = self.in_service.map(|id| id as usize)
            && self.may_expire_for_time(id, now)
            && !self.must_idle(id)
        {
            self.expire(pool, now, Reason::BudgetTimeout);
        }
        // Each turn expires a queue that was given its whole budget, so that the second one dispatches.
        for _ in 0..=self.busy.len() + 1 {
            let id = match self.in_service {
                Some(id) => id as usize,
                None => self.put_in_service(now)?,
            };
            if self.queues[id].next.is_some() {
                if self.next_charge(pool, id) <= self.queues[id].budget_left() {
                    self.idling = None;
                    return Some(id);
                }
                self.expire(pool, now, Reason::BudgetExhausted);
            } else if self.idling.is_some() || (self.queues[id].dispatched > 0 && self.better_to_idle(id)) {
                return None;
            } else {
                self.expire(pool, now, Reason::NoMoreRequests);
            }
        }
        None
    }

    /// Of the queues that are due service, the one that would have it first.
    fn would_be_next(&self, now: u64) -> Option<u32> {
        let class_of = |id: u32| self.queues[id as usize].class;
        let mut class = self.busy.iter().map(|&id| class_of(id)).min()?;
        if now - self.idle_class_served > IDLE_CLASS_NS && self.busy.iter().any(|&id| class_of(id) == 2) {
            class = 2;
        }
        let queues = || self.busy.iter().copied().filter(|&id| class_of(id) == class);
        let earliest = queues().map(|id| self.queues[id as usize].start).min()?;
        let due = self.virtual_time[class].max(earliest);
        queues()
            .filter(|&id| self.queues[id as usize].start <= due)
            .min_by_key(|&id| self.queues[id as usize].finish)
    }

    fn put_in_service(&mut self, now: u64) -> Option<usize> {
        let id = self.would_be_next(now)?;
        let queue = &mut self.queues[id as usize];
        self.virtual_time[queue.class] = self.virtual_time[queue.class].max(queue.start);
        queue.fifo_checked = false;
        queue.service = 0;
        self.in_service = Some(id);
        self.served_from = now;
        self.served_until = (now / self.jiffy_ns * self.jiffy_ns) + self.knobs.timeout_ns * queue.favour;
        if self.queues[id as usize].class == 2 {
            self.idle_class_served = now;
        }
        Some(id as usize)
    }

    /// Ends the service of the queue that is in it.
    fn expire(&mut self, pool: &Pool, now: u64, reason: Reason) {
        let Some(id) = self.in_service.take().map(|id| id as usize) else { return };
        let until = match (reason, self.idling) {
            (Reason::TooIdle | Reason::BudgetTimeout, Some((since, _))) => since,
            _ => now,
        };
        self.idling = None;
        let served_ns = until.saturating_sub(self.served_from);
        let (most, least) = (self.rate.max_budget(), self.rate.min_budget());
        let queue = &self.queues[id];
        let is_slow = queue.sync
            && served_ns >= 1_000_000
            && if served_ns > 20_000_000 { queue.service < most / 2 } else { queue.is_seeky() };
        let timed_out = reason == Reason::BudgetTimeout && queue.budget_left() >= queue.budget / 3;
        if queue.favour == 1 && (is_slow || timed_out) {
            let share = u128::from(most) * u128::from(served_ns.min(self.knobs.timeout_ns));
            let due = (share / u128::from(self.knobs.timeout_ns.max(1))) as u64;
            let more = due.saturating_sub(queue.service);
            self.serve(id, more);
        }
        self.new_budget(id, reason, most, least);
        let charge = self.next_charge(pool, id);
        let queue = &mut self.queues[id];
        queue.finish = queue.start + queue.virtual_time_of(queue.service);
        if queue.is_empty() {
            queue.busy = false;
            queue.idle_since = Some(now);
            queue.waits_unblocked = !matches!(reason, Reason::BudgetTimeout | Reason::BudgetExhausted);
            self.busy.retain(|&busy| busy as usize != id);
        } else {
            queue.start = queue.finish;
            queue.budget = queue.max_budget.max(charge);
            queue.service = 0;
            queue.settle_weight();
            queue.finish = queue.start + queue.virtual_time_of(queue.budget);
            self.rate.budget_given();
        }
    }

    /// The budget that a queue gets next time, by how it did with the last one.
    fn new_budget(&mut self, id: usize, reason: Reason, most: u64, least: u64) {
        let (is_trusted, is_fixed) = (self.rate.is_trusted(), self.rate.has_fixed_budget());
        let queue = &mut self.queues[id];
        let last = queue.max_budget;
        let budget = if !queue.sync {
            most
        } else {
            match reason {
                Reason::TooIdle if queue.dispatched > 0 => (last * 2).min(most),
                Reason::TooIdle if last > 5 * least => last - 4 * least,
                Reason::TooIdle => least,
                Reason::BudgetTimeout => (last * 2).min(most),
                Reason::BudgetExhausted => (last * 4).min(most),
                Reason::NoMoreRequests => queue.service.max(least),
                Reason::Preempted => return,
            }
        };
        queue.max_budget = if is_trusted && !is_fixed { budget.min(most) } else { budget };
    }

    pub(crate) fn completed(&mut self, pool: &Pool, request: u32, now: u64) {
        self.look_at_depth();
        let id = pool.request(request).note as usize;
        self.in_driver -= 1;
        self.rate.completed(now);
        let queue = &mut self.queues[id];
        queue.dispatched -= 1;
        queue.allocated -= 1;
        queue.ended(now);
        if queue.dispatched == 0 && !queue.busy {
            queue.idle_since = Some(now);
        }
        if self.in_service != Some(id as u32) {
            return;
        }
        if self.must_idle(id) {
            if self.queues[id].dispatched == 0 {
                self.idling = Some((now, now + self.idle_ns(id)));
            }
        } else if self.may_expire_for_time(id, now) {
            self.expire(pool, now, Reason::BudgetTimeout);
        } else if self.queues[id].is_empty() && (self.queues[id].dispatched == 0 || !self.better_to_idle(id))
        {
            self.expire(pool, now, Reason::NoMoreRequests);
        }
    }

    fn idle_ns(&self, id: usize) -> u64 {
        let (queue, usual) = (&self.queues[id], self.knobs.slice_idle_ns);
        if queue.favour > 1 {
            usual.max(FAVOURED_IDLE_NS)
        } else if queue.is_seeky() && !self.is_asymmetric(id) {
            usual.min(SEEKY_IDLE_NS)
        } else {
            usual
        }
    }

    /// Learns whether the disk has a queue of its own.
    fn look_at_depth(&mut self) {
        self.most_in_driver = self.most_in_driver.max(self.in_driver);
        if self.has_depth == Some(true) || self.in_driver + self.waiting <= DEEP {
            return;
        }
        if let Some(id) = self.in_service {
            let queue = &self.queues[id as usize];
            let own = queue.dispatched + queue.sorted.len() as u64;
            if queue.thinks_short && own < DEEP && self.in_driver < DEEP {
                return;
            }
        }
        self.looks += 1;
        if self.looks > LOOKS {
            self.has_depth = Some(self.most_in_driver > DEEP);
            self.most_in_driver = 0;
            self.looks = 0;
        }
    }

    pub(crate) fn timer(&self) -> Option<u64> {
        self.idling.map(|(_, until)| until)
    }

    /// Nothing came while the disk was kept idle.
    pub(crate) fn fire(&mut self, pool: &Pool, now: u64) {
        if let Some(id) = self.in_service {
            let reason = if self.is_out_of_time(now) {
                Reason::BudgetTimeout
            } else if self.queues[id as usize].is_empty() {
                Reason::TooIdle
            } else {
                self.idling = None;
                return;
            };
            self.expire(pool, now, reason);
        }
        self.idling = None;
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
