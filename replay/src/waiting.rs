//! Those who wait for a tag.
//!
//! They sleep in the order in which they came. Where many tags are there, the kernel wakes as many at once as a batch,
//! after as many tags were freed. Bios that may choose from some tags only are kept apart: a tag that is none of
//! those goes to the first of the others.

use std::collections::VecDeque;

/// A bio that waits for a tag.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) bio: u32,
    /// What its process submits after it.
    pub(crate) rest: Vec<u32>,
    pub(crate) plugged: bool,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Those that may have any tag, and those that may have some only; each with its number.
    queues: [VecDeque<(u64, Waiter)>; 2],
    came: u64,
    batch: u32,
    freed: u32,
}

impl Waiting {
    /// `batch` are woken at once; at least one.
    pub(crate) fn new(batch: u32) -> Self {
        Self { queues: Default::default(), came: 0, batch: batch.max(1), freed: 0 }
    }

    pub(crate) fn add(&mut self, waiter: Waiter, is_limited: bool) {
        self.queues[usize::from(is_limited)].push_back((self.came, waiter));
        self.came += 1;
    }

    pub(crate) fn len(&self) -> u32 {
        self.queues
            .iter()
            .map(|queue| u32::try_from(queue.len()).unwrap_or(u32::MAX))
            .fold(0, u32::saturating_add)
    }

    /// A tag was freed: how many are to be woken.
    pub(crate) fn freed(&mut self) -> u32 {
        if self.queues.iter().all(VecDeque::is_empty) {
            return 0;
        }
        self.freed += 1;
        if self.freed < self.batch {
            return 0;
        }
        self.freed = 0;
        self.batch
    }

    /// Both kinds, that of the one who came first before the other.
    pub(crate) fn by_age(&self) -> [bool; 2] {
        let first = |queue: usize| self.queues[queue].front().map_or(u64::MAX, |&(came, _)| came);
        if first(1) < first(0) { [true, false] } else { [false, true] }
    }

    /// The bio of the first of a kind.
    pub(crate) fn first(&self, is_limited: bool) -> Option<u32> {
        self.queues[usize::from(is_limited)].front().map(|(_, waiter)| waiter.bio)
    }

    pub(crate) fn take(&mut self, is_limited: bool) -> Option<Waiter> {
        self.queues[usize::from(is_limited)].pop_front().map(|(_, waiter)| waiter)
    }
}
