//! A list whose links are in the requests themselves.

use crate::request::{NIL, Pool};

/// Requests in the order in which they were put here. A request is on one list at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NIL, last: NIL }
    }
}

impl List {
    pub(crate) const fn first(&self) -> Option<u32> {
        if self.first == NIL { None } else { Some(self.first) }
    }

    pub(crate) const fn last(&self) -> Option<u32> {
        if self.last == NIL { None } else { Some(self.last) }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.first == NIL
    }

    pub(crate) fn push_back(&mut self, pool: &mut Pool, id: u32) {
        let request = pool.request_mut(id);
        request.next = NIL;
        request.previous = self.last;
        match std::mem::replace(&mut self.last, id) {
            NIL => self.first = id,
            last => pool.request_mut(last).next = id,
        }
    }

    pub(crate) fn remove(&mut self, pool: &mut Pool, id: u32) {
        let (previous, next) = (pool.request(id).previous, pool.request(id).next);
        match previous {
            NIL => self.first = next,
            previous => pool.request_mut(previous).next = next,
        }
        match next {
            NIL => self.last = previous,
            next => pool.request_mut(next).previous = previous,
        }
    }

    pub(crate) fn pop_front(&mut self, pool: &mut Pool) -> Option<u32> {
        let first = self.first()?;
        self.remove(pool, first);
        Some(first)
    }

    /// Puts `new` in the place of `old`, which leaves the list.
    pub(crate) fn replace(&mut self, pool: &mut Pool, old: u32, new: u32) {
        let (previous, next) = (pool.request(old).previous, pool.request(old).next);
        let request = pool.request_mut(new);
        request.previous = previous;
        request.next = next;
        match previous {
            NIL => self.first = new,
            previous => pool.request_mut(previous).next = new,
        }
        match next {
            NIL => self.last = new,
            next => pool.request_mut(next).previous = new,
        }
    }
}
