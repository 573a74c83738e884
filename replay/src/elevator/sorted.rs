//! Requests in the order of their sectors.
//!
//! A sorted vector. Beside a B-tree (`cargo bench -p replay --bench sorted`: a request found, taken out, looked for
//! neighbours and put in, on a busy machine with two processors) it took 54 against 69 to 95 ns with 8 requests, 82
//! against 124 with 64, 137 against 156 with 256, 252 against 223 with 1024, and 767 against 259 with 4096. A queue has
//! 64 to 256 requests as a rule and 2048 at most, so the tree would win only where hardly any queue is.

/// Requests by their first sector; those of equal sectors in the order of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sorted {
    entries: Vec<(u64, u32)>,
}

impl Sorted {
    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where the first request at or after `sector` is.
    pub(crate) fn position_from(&self, sector: u64) -> usize {
        self.entries.partition_point(|&(at, _)| at < sector)
    }

    /// The request at a position.
    pub(crate) fn at(&self, position: usize) -> Option<u32> {
        self.entries.get(position).map(|&(_, id)| id)
    }

    /// The first request at or after `sector`.
    pub(crate) fn from(&self, sector: u64) -> Option<u32> {
        self.at(self.position_from(sector))
    }

    /// The last request that starts before `sector`.
    pub(crate) fn before(&self, sector: u64) -> Option<u32> {
        self.position_from(sector).checked_sub(1).and_then(|position| self.at(position))
    }

    pub(crate) fn insert(&mut self, sector: u64, id: u32) {
        let position = self.entries.partition_point(|&(at, _)| at <= sector);
        self.entries.insert(position, (sector, id));
    }

    pub(crate) fn remove(&mut self, sector: u64, id: u32) {
        let mut position = self.position_from(sector);
        while let Some(&(at, found)) = self.entries.get(position)
            && at == sector
        {
            if found == id {
                self.entries.remove(position);
                return;
            }
            position += 1;
        }
        debug_assert!(false, "request {id} is not where it was put");
    }

    /// The request before this one and the one after it.
    pub(crate) fn neighbours(&self, sector: u64, id: u32) -> (Option<u32>, Option<u32>) {
        let mut position = self.position_from(sector);
        while self.at(position).is_some_and(|found| found != id) {
            position += 1;
        }
        (position.checked_sub(1).and_then(|before| self.at(before)), self.at(position + 1))
    }
}
