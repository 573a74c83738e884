//! Services: which queue has the disk, for how long.

use super::queue::Queue;
use super::{
    ASYNC_CHARGE, Bfq, DEEP, FAVOURED_IDLE_NS, FAVOURED_SECTORS, IDLE_CLASS_NS, LOOKS, SEEKY_IDLE_NS,
};
use crate::request::Pool;

/// Why a queue's service ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    TooIdle,
    BudgetTimeout,
    BudgetExhausted,
    NoMoreRequests,
    Preempted,
}

impl Bfq {
    /// What the next request of a queue counts.
    pub(super) fn next_charge(&self, pool: &Pool, id: usize) -> u64 {
        self.queues[id].next.map_or(0, |next| self.charge(id, pool.request(next).sectors()))
    }

    /// Whether what is left of a queue's budget is enough for its next request.
    pub(super) fn fits_budget(&self, pool: &Pool, id: usize) -> bool {
        self.next_charge(pool, id) <= self.queues[id].budget_left()
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

    pub(super) fn idling_pays(&self, id: usize) -> bool {
        let queue = &self.queues[id];
        let has_depth = self.has_depth != Some(false);
        let rotational = self.knobs.rotational;
        let is_sequential = !queue.is_seeky() && queue.thinks_short && queue.intensity.io_bound;
        let pays = (rotational && !has_depth) || ((rotational || !has_depth) && is_sequential);
        pays && !self.any_favoured()
    }

    pub(super) fn any_favoured(&self) -> bool {
        self.busy.iter().any(|&id| self.queues[id as usize].favour > 1)
    }

    /// Whether to keep the disk idle when this queue, which is in service, has nothing.
    pub(super) fn better_to_idle(&self, id: usize) -> bool {
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

    pub(super) fn is_out_of_time(&self, now: u64) -> bool {
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
        let is_injected = self.in_service != Some(id as u32);
        self.serve(id, self.charge(id, of.sectors()));
        self.rate.dispatched(now, &of, self.in_driver);
        if !is_injected {
            self.sample.dispatched(request);
        }
        let queue = &mut self.queues[id];
        queue.next = queue.next_after(pool, request, now, &self.knobs);
        queue.sorted.remove(of.sector, request);
        queue.fifo.remove(pool, request);
        queue.dispatched += 1;
        self.waiting -= 1;
        self.in_driver += 1;
        if is_injected {
            self.next_changed(pool, id);
            return Some(request);
        }
        let queue = &mut self.queues[id];
        if queue.favour > 1 {
            queue.favoured_service += of.sectors();
            let over = now > queue.favoured_from + queue.favoured_ns;
            if over || queue.favoured_service > FAVOURED_SECTORS || queue.in_large_burst {
                queue.favour = 1;
            }
        }
        if queue.class == 2 {
            self.idle_class_served = now;
            if self.busy.len() > 1 {
                self.expire(pool, now, Reason::BudgetExhausted, now);
            }
        }
        Some(request)
    }

    /// The next request of a queue that is not in service is another one, or there is none any more.
    pub(super) fn next_changed(&mut self, pool: &Pool, id: usize) {
        if self.in_service == Some(id as u32) {
            return;
        }
        let charge = self.next_charge(pool, id);
        let queue = &mut self.queues[id];
        if queue.is_empty() {
            queue.busy = false;
            queue.budget = 0;
            queue.service = 0;
            queue.idle_since = Some(self.rate.last_dispatch());
            self.leaves(id);
            return;
        }
        let budget = queue.max_budget.max(charge).max(queue.service);
        if budget != queue.budget {
            queue.budget = budget;
            queue.finish = queue.start + queue.virtual_time_of(budget);
        }
    }

    /// A queue is no longer among those to be served. Its weight counts until virtual time is where its service ended.
    fn leaves(&mut self, id: usize) {
        self.busy.retain(|&busy| busy as usize != id);
        let queue = &self.queues[id];
        if queue.finish > self.virtual_time[queue.class] {
            self.idle.push(id as u32);
        }
    }

    pub(super) fn serve(&mut self, id: usize, sectors: u64) {
        let class = self.queues[id].class;
        let now = self.virtual_time[class];
        self.idle.retain(|&id| {
            let queue = &self.queues[id as usize];
            !queue.busy && (queue.class != class || queue.finish > now)
        });
        let weights = self.busy.iter().chain(&self.idle).map(|&id| &self.queues[id as usize]);
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
            self.expire(pool, now, Reason::BudgetTimeout, now);
        }
        // Each turn expires a queue that was given its whole budget, so that the second one dispatches.
        for _ in 0..=self.busy.len() + 1 {
            let id = match self.in_service {
                Some(id) => id as usize,
                None => self.put_in_service(now)?,
            };
            if self.queues[id].next.is_some() {
                if self.fits_budget(pool, id) {
                    self.idling = None;
                    return Some(id);
                }
                self.expire(pool, now, Reason::BudgetExhausted, now);
            } else if self.idling.is_some() || (self.queues[id].dispatched > 0 && self.better_to_idle(id)) {
                return self.inject_from(pool, id);
            } else {
                self.expire(pool, now, Reason::NoMoreRequests, now);
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
        self.rate.service_starts();
        self.served_from = now;
        self.served_until = (now / self.jiffy_ns * self.jiffy_ns) + self.knobs.timeout_ns * queue.favour;
        if self.queues[id as usize].class == 2 {
            self.idle_class_served = now;
        }
        Some(id as usize)
    }

    /// Ends the service of the queue that is in it, which is charged until `until`.
    pub(super) fn expire(&mut self, pool: &Pool, now: u64, reason: Reason, until: u64) {
        let Some(id) = self.in_service.take().map(|id| id as usize) else { return };
        self.idling = None;
        self.sample.forget();
        self.charge_time(id, reason, until.saturating_sub(self.served_from));
        self.new_budget(id, reason);
        let charge = self.next_charge(pool, id);
        let queue = &mut self.queues[id];
        queue.finish = queue.start + queue.virtual_time_of(queue.service);
        if queue.is_empty() {
            queue.busy = false;
            queue.idle_since = Some(now);
            queue.waits_unblocked = !matches!(reason, Reason::BudgetTimeout | Reason::BudgetExhausted);
            self.leaves(id);
        } else {
            queue.start = queue.finish;
            queue.budget = queue.max_budget.max(charge);
            queue.service = 0;
            queue.settle_weight();
            queue.finish = queue.start + queue.virtual_time_of(queue.budget);
            // The one that was queued last is the first to be injected from.
            self.busy.retain(|&busy| busy as usize != id);
            self.busy.push(id as u32);
        }
    }

    pub(crate) fn completed(&mut self, pool: &Pool, request: u32, now: u64) {
        self.look_at_depth();
        let of = pool.request(request);
        let id = of.note as usize;
        self.stream(of.stream).requests -= 1;
        self.measured(id, request, now);
        self.in_driver -= 1;
        self.rate.completed(now);
        let queue = &mut self.queues[id];
        queue.dispatched -= 1;
        queue.allocated -= 1;
        queue.ended(now);
        if queue.dispatched == 0 && !queue.busy {
            queue.idle_since = Some(now);
        }
        self.completed_last = Some(id as u32);
        if self.in_service != Some(id as u32) {
            return;
        }
        if self.must_idle(id) {
            if self.queues[id].dispatched == 0 {
                self.idling = Some((now, now + self.idle_ns(id)));
            }
        } else if self.may_expire_for_time(id, now) {
            self.expire(pool, now, Reason::BudgetTimeout, now);
        } else if self.queues[id].is_empty() && (self.queues[id].dispatched == 0 || !self.better_to_idle(id))
        {
            self.expire(pool, now, Reason::NoMoreRequests, now);
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
            let idled_from = self.idling.map_or(now, |(since, _)| since);
            self.expire(pool, now, reason, idled_from);
        }
        self.idling = None;
    }
}
