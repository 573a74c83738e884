//! Requests of other queues while the disk is kept for the one in service.
//!
//! A queue that is waited for leaves the disk idle. Where idling is for fairness and not for throughput, bfq fills the
//! hole with requests of others, as many as the queue tolerates: its *inject limit*. It starts at 0 (at 1 for a process
//! that thinks long), and goes up as long as the first request after a hole takes less than one and a half times as long,
//! from its arrival to its end, as it does without injection.
//!
//! A process that thinks long and comes back three times soon after a request of the same other queue was done is taken
//! to be woken by that queue: its *waker*. Then the two may always fill each other's holes, also where idling is for
//! throughput. Sequential readers which were late a few times can be taken so for good, and lose much by it.

use super::Bfq;

/// Who comes back within this of a completion may have been woken by it.
const WOKEN_NS: u64 = 4_000_000;
/// So often in a row.
const WAKINGS: u32 = 3;
/// And within so many times `slice_idle_us`.
const WAKING_IDLES: u64 = 128;
/// The limit starts anew after this long without being lowered.
const RESET_NS: u64 = 1_000_000_000;
/// And, when thinking turned short, not sooner than this after it was lowered.
const RESET_SHORT_NS: u64 = 100_000_000;
/// Nothing is measured so soon after it was lowered.
const SAMPLE_NS: u64 = 10_000_000;

/// What a queue tolerates, and who wakes it.
#[derive(Clone, Debug)]
pub(super) struct Injection {
    limit: u64,
    /// How long a first request takes from its arrival to its end, without injection.
    baseline_ns: Option<u64>,
    lowered: u64,
    waker: Option<u32>,
    /// Who may turn out to be the waker, how often it was seen, and since when.
    candidate: Option<(u32, u32, u64)>,
    /// The queues that this one wakes; the one that was found last is last.
    woken: Vec<u32>,
}

impl Injection {
    pub(super) const fn new(now: u64) -> Self {
        Self { limit: 0, baseline_ns: None, lowered: now, waker: None, candidate: None, woken: Vec::new() }
    }
}

/// The measurement of one first request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// When it arrived.
    arrived: u64,
    /// It is the next that is dispatched.
    awaits_dispatch: bool,
    /// It was dispatched: this one.
    request: Option<u32>,
    /// Whether anything was injected since.
    injected: bool,
}

impl Sample {
    pub(super) const fn forget(&mut self) {
        self.awaits_dispatch = false;
        self.request = None;
        self.injected = false;
    }

    pub(super) const fn dispatched(&mut self, request: u32) {
        if self.awaits_dispatch {
            self.awaits_dispatch = false;
            self.request = Some(request);
        }
    }
}

impl Bfq {
    /// Whether a queue's process thinks long or not has changed.
    pub(super) fn thinking_changed(&mut self, id: usize, now: u64) {
        let queue = &self.queues[id];
        let injection = &queue.injection;
        if injection.baseline_ns.is_none()
            && (!queue.thinks_short || now >= injection.lowered + RESET_SHORT_NS)
        {
            self.reset_limit(id, now);
        }
    }

    fn reset_limit(&mut self, id: usize, now: u64) {
        let queue = &mut self.queues[id];
        queue.injection.baseline_ns = None;
        queue.injection.limit = u64::from(!queue.thinks_short);
        queue.injection.lowered = now;
        self.sample.request = None;
    }

    /// The only request of a process arrives.
    pub(super) fn first_arrives(&mut self, id: usize, now: u64) {
        self.look_for_waker(id, now);
        if now >= self.queues[id].injection.lowered + RESET_NS {
            self.reset_limit(id, now);
        }
        let injection = &self.queues[id].injection;
        let may_compare = injection.baseline_ns.is_some() && self.sample.injected;
        if self.in_service == Some(id as u32)
            && (self.in_driver == 0 || may_compare)
            && now >= injection.lowered + SAMPLE_NS
        {
            self.sample.arrived = now;
            self.sample.awaits_dispatch = true;
            if self.in_driver == 0 {
                self.sample.injected = false;
            }
        }
    }

    fn look_for_waker(&mut self, id: usize, now: u64) {
        let Some(last) = self.completed_last.filter(|&last| last as usize != id) else { return };
        if self.queues[id].thinks_short || now - self.rate.last_completion() >= WOKEN_NS {
            return;
        }
        let injection = &mut self.queues[id].injection;
        let within = WAKING_IDLES * self.knobs.slice_idle_ns;
        let (count, since) = match injection.candidate {
            Some((candidate, count, since)) if candidate == last && now <= since + within => {
                (count + 1, since)
            }
            _ => (1, now),
        };
        injection.candidate = Some((last, count, since));
        if count == WAKINGS {
            self.wakes(last, id);
        }
    }

    /// `waker` wakes `id` from now on.
    fn wakes(&mut self, waker: u32, id: usize) {
        let injection = &mut self.queues[id].injection;
        injection.candidate = None;
        if let Some(before) = injection.waker.replace(waker) {
            self.queues[before as usize].injection.woken.retain(|&woken| woken as usize != id);
        }
        self.queues[waker as usize].injection.woken.push(id as u32);
    }

    /// Nobody has this queue any more: it wakes nobody and is woken by nobody.
    pub(super) fn forget_wakings(&mut self, id: usize, heir: usize) {
        let own = std::mem::replace(&mut self.queues[id].injection, Injection::new(0));
        for woken in own.woken {
            self.queues[woken as usize].injection.waker = None;
        }
        let Some(waker) = own.waker else { return };
        self.queues[waker as usize].injection.woken.retain(|&woken| woken as usize != id);
        if waker as usize != heir && self.queues[heir].injection.waker.is_none() {
            self.wakes(waker, heir);
        }
    }

    /// The queue to dispatch from while `id`, which is in service, has nothing.
    pub(super) fn inject_from(&mut self, pool: &crate::request::Pool, id: usize) -> Option<usize> {
        let queue = &self.queues[id];
        let has_work = |other: u32| {
            let other = other as usize;
            self.queues[other].next.is_some() && self.fits_budget(pool, other)
        };
        if let Some(waker) = queue.injection.waker.filter(|&waker| has_work(waker)) {
            return Some(waker as usize);
        }
        if let Some(&woken) = queue.injection.woken.last()
            && has_work(woken)
        {
            return Some(woken as usize);
        }
        let favoured = || self.busy.iter().filter(|&&id| self.queues[id as usize].favour > 1).count();
        let tolerates = queue.favour == 1 || !queue.thinks_short;
        if self.idling_pays(id) || !(tolerates || favoured() > 1) {
            return None;
        }
        let flash = !self.knobs.rotational;
        let chosen = self.busy.iter().rev().copied().find(|&other| {
            let next = self.queues[other as usize].next;
            let is_large = flash && next.is_some_and(|next| self.rate.is_large(pool.request(next).sectors()));
            let limit = if is_large { queue.injection.limit.min(1) } else { queue.injection.limit };
            other as usize != id
                && has_work(other)
                && (tolerates || self.queues[other as usize].favour > 1)
                && self.in_driver < limit
        })?;
        self.sample.injected = true;
        Some(chosen as usize)
    }

    /// A request is done, and still counted as in the driver.
    pub(super) fn measured(&mut self, id: usize, request: u32, now: u64) {
        if self.sample.request != Some(request) {
            return;
        }
        let took = now - self.sample.arrived;
        let (alone, injected) = (self.in_driver == 1, self.sample.injected);
        let injection = &mut self.queues[id].injection;
        let limit = injection.limit;
        if let Some(baseline) = injection.baseline_ns
            && injected
        {
            if took >= baseline * 3 / 2 {
                if limit > 0 {
                    injection.limit -= 1;
                    injection.lowered = now;
                }
            } else if limit <= self.most_in_driver {
                injection.limit += 1;
            }
        }
        match injection.baseline_ns {
            None if alone => {
                injection.limit = limit.max(1);
                injection.baseline_ns = Some(took);
            }
            Some(baseline) if took < baseline || (alone && !injected) => injection.baseline_ns = Some(took),
            _ => {}
        }
        self.sample.request = None;
        self.sample.injected = false;
    }
}
