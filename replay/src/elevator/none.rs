//! No scheduler: requests go to the driver in the order in which they got their tags.
//!
//! A request has a tag of the driver's from the start, so that whatever waits, waits for its tag, and the driver can
//! always take what has one. There is nothing in the queue to merge with; merges happen in the plug.

use super::List;
use crate::request::Pool;

/// The requests on their way to the driver.
#[derive(Debug, Default)]
pub(crate) struct NoElevator {
    queue: List,
}

impl NoElevator {
    pub(crate) fn insert(&mut self, pool: &mut Pool, id: u32) {
        self.queue.push_back(pool, id);
    }

    pub(crate) fn dispatch(&mut self, pool: &mut Pool) -> Option<u32> {
        self.queue.pop_front(pool)
    }
}
