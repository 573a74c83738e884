//! The plug: what one submission holds back until it is complete, so that it can be merged.
//!
//! A bio is tried on the last request in the plug only, behind it or before it. The plug empties when it holds
//! [`MOST_REQUESTS`] or its last request has [`LARGE_SECTORS`], and when the process that holds it goes to sleep.

use crate::request::Pool;

/// `BLK_MAX_REQUEST_COUNT`.
const MOST_REQUESTS: usize = 32;
/// `BLK_PLUG_FLUSH_SIZE`: 128 KiB.
const LARGE_SECTORS: u64 = 256;

/// The requests of a submission, in its order.
#[derive(Debug, Default)]
pub(crate) struct Plug {
    requests: Vec<u32>,
}

impl Plug {
    /// Joins a bio to the last request, if it fits.
    pub(crate) fn try_merge(&mut self, pool: &mut Pool, bio: u32, max_sectors: u64) -> bool {
        let Some(&last) = self.requests.last() else { return false };
        let (request, of) = (pool.request(last), pool.bio(bio));
        if !request.is_like(of) || request.sectors() + u64::from(of.sectors) > max_sectors {
            return false;
        }
        if request.end == of.sector {
            pool.join_back(last, bio);
        } else if request.sector == of.end() {
            pool.join_front(last, bio);
        } else {
            return false;
        }
        true
    }

    /// Whether it has to be emptied before it takes a further request.
    pub(crate) fn is_full(&self, pool: &Pool) -> bool {
        self.requests.len() >= MOST_REQUESTS
            || self.requests.last().is_some_and(|&last| pool.request(last).sectors() >= LARGE_SECTORS)
    }

    pub(crate) fn push(&mut self, id: u32) {
        self.requests.push(id);
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = u32> + '_ {
        self.requests.drain(..)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}
