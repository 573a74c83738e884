//! mq-deadline, as Linux 6.18 has it.
//!
//! Each priority class has its requests twice: sorted by sector and in the order of arrival, reads apart from writes.
//! A batch goes on in the order of sectors from where the last request of its direction began, at most `fifo_batch`
//! requests long. The next one is of reads, unless writes wait and were passed over `writes_starved` times; it goes on
//! in the order of sectors too, unless the oldest request of its direction is overdue or the end of the disk is
//! reached, and then begins with the oldest.
//!
//! A class is served only while none above it has anything queued *or in flight*; but what has waited for longer than
//! `prio_aging_expire` goes first. As in the kernel, the look for such requests ends a batch and counts as a time
//! that reads went first, also where it finds none.

use super::merge::{self, Place};
use super::{Freed, List, Merge, Sorted};
use crate::config::MqDeadlineKnobs;
use crate::request::{Bio, Pool};

const READ: usize = 0;
const WRITE: usize = 1;

#[derive(Debug, Default)]
struct Class {
    sorted: [Sorted; 2],
    fifo: [List; 2],
    /// Where the last request that was dispatched of each direction begins.
    latest: [u64; 2],
    /// Requests that were inserted and are not completed.
    open: u64,
}

/// The scheduler's state.
#[derive(Debug)]
pub(crate) struct MqDeadline {
    knobs: MqDeadlineKnobs,
    max_sectors: u64,
    jiffy_ns: u64,
    classes: [Class; 3],
    direction: usize,
    batching: u64,
    starved: u64,
    waiting: u64,
}

impl MqDeadline {
    pub(crate) fn new(knobs: MqDeadlineKnobs, max_sectors: u64, jiffy_ns: u64) -> Self {
        let classes = <[Class; 3]>::default();
        Self { knobs, max_sectors, jiffy_ns, classes, direction: READ, batching: 0, starved: 0, waiting: 0 }
    }

    pub(crate) const fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    pub(crate) fn try_merge(&mut self, pool: &mut Pool, bio: u32, freed: &mut Freed) -> Option<Merge> {
        let of = *pool.bio(bio);
        let sorted = &mut self.classes[of.priority.index()].sorted[of.kind.direction()];
        match merge::place_for(sorted, pool, &of, self.max_sectors, self.knobs.front_merges)? {
            Place::Back(id) => {
                pool.join_back(id, bio);
                let (_, after) = sorted.neighbours(pool.request(id).sector, id);
                if let Some(after) = after
                    && merge::can_join(pool, id, after, self.max_sectors)
                {
                    self.join(pool, id, after, freed);
                }
                Some(Merge::Back)
            }
            Place::Front(id) => {
                sorted.remove(pool.request(id).sector, id);
                pool.join_front(id, bio);
                sorted.insert(of.sector, id);
                let (before, _) = sorted.neighbours(of.sector, id);
                if let Some(before) = before
                    && merge::can_join(pool, before, id, self.max_sectors)
                {
                    self.join(pool, before, id, freed);
                }
                Some(Merge::Front)
            }
        }
    }

    /// Puts `second` behind `first`; both are queued. The earlier deadline holds, and its place among the oldest.
    fn join(&mut self, pool: &mut Pool, first: u32, second: u32, freed: &mut Freed) {
        let (kept, gone) = (*pool.request(first), *pool.request(second));
        let class = &mut self.classes[kept.priority.index()];
        let direction = kept.kind.direction();
        class.sorted[direction].remove(gone.sector, second);
        if gone.deadline < kept.deadline {
            class.fifo[direction].remove(pool, first);
            class.fifo[direction].replace(pool, second, first);
            pool.request_mut(first).deadline = gone.deadline;
        } else {
            class.fifo[direction].remove(pool, second);
        }
        class.open -= 1;
        self.waiting -= 1;
        pool.join_requests(first, second);
        freed.push(second);
    }

    fn before(&self, pool: &Pool, id: u32) -> Option<u32> {
        let request = pool.request(id);
        self.classes[request.priority.index()].sorted[request.kind.direction()].before(request.sector)
    }

    pub(crate) fn insert(&mut self, pool: &mut Pool, id: u32, now: u64, freed: &mut Freed) {
        let request = *pool.request(id);
        let direction = request.kind.direction();
        let class = &mut self.classes[request.priority.index()];
        if request.kind.merges()
            && let Some(before) = class.sorted[direction].before(request.sector)
            && merge::can_join(pool, before, id, self.max_sectors)
        {
            pool.join_requests(before, id);
            freed.push(id);
            // What it joined may in turn fit behind another; what lies behind it is not looked at.
            let mut grown = before;
            while let Some(before) = self.before(pool, grown)
                && merge::can_join(pool, before, grown, self.max_sectors)
            {
                self.join(pool, before, grown, freed);
                grown = before;
            }
            return;
        }
        class.open += 1;
        self.waiting += 1;
        class.sorted[direction].insert(request.sector, id);
        // The kernel counts in jiffies.
        let jiffies = now / self.jiffy_ns * self.jiffy_ns;
        pool.request_mut(id).deadline = jiffies + self.knobs.expire_ns[direction];
        class.fifo[direction].push_back(pool, id);
    }

    pub(crate) fn dispatch(&mut self, pool: &mut Pool, now: u64) -> Option<u32> {
        if self.waiting == 0 {
            return None;
        }
        let now = now / self.jiffy_ns * self.jiffy_ns;
        if self.classes.iter().filter(|class| class.open > 0).count() > 1
            && let Some(limit) = now.checked_sub(self.knobs.prio_aging_expire_ns)
        {
            for class in 1..3 {
                let aged = self.dispatch_class(pool, class, limit, now);
                if aged.is_some() {
                    return aged;
                }
            }
        }
        for class in 0..3 {
            let next = self.dispatch_class(pool, class, now, now);
            if next.is_some() || self.classes[class].open > 0 {
                return next;
            }
        }
        None
    }

    /// The next request of a class, if it arrived no later than `latest_start`.
    fn dispatch_class(&mut self, pool: &mut Pool, class: usize, latest_start: u64, now: u64) -> Option<u32> {
        let of = &self.classes[class];
        let following = |direction: usize| of.sorted[direction].from(of.latest[direction]);
        let mut direction = self.direction;
        let mut next = following(direction).filter(|_| self.batching < self.knobs.fifo_batch);
        if next.is_none() {
            let (reads, writes) = (of.fifo[READ].first(), of.fifo[WRITE].first());
            let (chosen, oldest) = match (reads, writes) {
                (Some(read), Some(write)) => {
                    let starved = self.starved >= self.knobs.writes_starved;
                    self.starved += 1;
                    if starved {
                        self.starved = 0;
                        (WRITE, write)
                    } else {
                        (READ, read)
                    }
                }
                (Some(read), None) => (READ, read),
                (None, Some(write)) => {
                    self.starved = 0;
                    (WRITE, write)
                }
                (None, None) => return None,
            };
            direction = chosen;
            let is_overdue = pool.request(oldest).deadline <= now;
            next = following(direction).filter(|_| !is_overdue).or(Some(oldest));
            self.direction = direction;
            self.batching = 0;
        }
        let id = next?;
        let request = pool.request(id);
        let started = request.deadline - self.knobs.expire_ns[direction];
        if started > latest_start {
            return None;
        }
        let sector = request.sector;
        self.batching += 1;
        self.waiting -= 1;
        let of = &mut self.classes[class];
        of.latest[direction] = sector;
        of.sorted[direction].remove(sector, id);
        of.fifo[direction].remove(pool, id);
        Some(id)
    }

    pub(crate) fn completed(&mut self, pool: &Pool, id: u32) {
        self.classes[pool.request(id).priority.index()].open -= 1;
    }

    /// How many tags a bio may choose from.
    pub(crate) const fn limit(&self, bio: &Bio) -> u32 {
        if bio.sync && bio.kind.direction() == READ { u32::MAX } else { self.knobs.async_depth }
    }
}
