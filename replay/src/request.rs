//! Bios and requests in slabs: a handle is an index, and nothing is allocated for single I/Os once the slabs have
//! grown to what is outstanding.

use crate::io::{Io, Priority};
use block_types::Op;

/// No bio, no request.
pub(crate) const NIL: u32 = u32::MAX;

/// What the simulated block layer tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    Discard,
    Flush,
}

impl Kind {
    /// `None` for what the block layer hands straight to the driver and no model knows (zones, driver commands).
    pub(crate) const fn of(op: Op) -> Option<Self> {
        match op {
            Op::Read => Some(Self::Read),
            // Nothing is transferred, but a disk without such a command writes.
            Op::Write | Op::WriteZeroes => Some(Self::Write),
            Op::Discard => Some(Self::Discard),
            Op::Flush => Some(Self::Flush),
            Op::Zone | Op::Other => None,
        }
    }

    /// The data direction: 0 for reads, 1 for everything else.
    pub(crate) const fn direction(self) -> usize {
        !matches!(self, Self::Read) as usize
    }

    pub(crate) const fn merges(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }
}

/// A bio, or a part of one that was split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bio {
    pub(crate) submitted: u64,
    pub(crate) token: u64,
    pub(crate) sector: u64,
    pub(crate) sectors: u32,
    /// The next bio of the same request.
    pub(crate) next: u32,
    /// The bio that this is a part of.
    pub(crate) parent: u32,
    /// Of a bio that was split: parts that are not done.
    pub(crate) parts: u32,
    pub(crate) stream: u32,
    pub(crate) kind: Kind,
    pub(crate) sync: bool,
    pub(crate) priority: Priority,
}

impl Bio {
    pub(crate) const fn end(&self) -> u64 {
        self.sector + self.sectors as u64
    }
}

/// A request. Which list it is on, the elevator knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) sector: u64,
    pub(crate) end: u64,
    /// When it is overdue, for elevators with deadlines.
    pub(crate) deadline: u64,
    pub(crate) issued: u64,
    pub(crate) first_bio: u32,
    pub(crate) last_bio: u32,
    pub(crate) next: u32,
    pub(crate) previous: u32,
    /// Its tag of the scheduler's (of the driver's, where there is no scheduler).
    pub(crate) tag: u32,
    pub(crate) stream: u32,
    /// What the elevator keeps of it.
    pub(crate) note: u32,
    pub(crate) kind: Kind,
    pub(crate) sync: bool,
    pub(crate) priority: Priority,
}

impl Request {
    pub(crate) const fn sectors(&self) -> u64 {
        self.end - self.sector
    }

    /// Whether a bio may join, its place and size apart.
    pub(crate) fn is_like(&self, bio: &Bio) -> bool {
        self.kind == bio.kind && bio.kind.merges() && self.priority == bio.priority
    }
}

/// Both slabs.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    bios: Vec<Bio>,
    free_bios: Vec<u32>,
    requests: Vec<Request>,
    free_requests: Vec<u32>,
}

impl Pool {
    pub(crate) fn bio(&self, id: u32) -> &Bio {
        &self.bios[id as usize]
    }

    pub(crate) fn bio_mut(&mut self, id: u32) -> &mut Bio {
        &mut self.bios[id as usize]
    }

    pub(crate) fn request(&self, id: u32) -> &Request {
        &self.requests[id as usize]
    }

    pub(crate) fn request_mut(&mut self, id: u32) -> &mut Request {
        &mut self.requests[id as usize]
    }

    /// A bio of `io`, whose sectors the caller has checked.
    pub(crate) fn new_bio(&mut self, now: u64, io: &Io, kind: Kind) -> u32 {
        self.add_bio(Bio {
            submitted: now,
            token: io.token.0,
            sector: io.sector.0,
            sectors: io.sectors.0 as u32,
            next: NIL,
            parent: NIL,
            parts: 0,
            stream: io.stream.0,
            kind,
            sync: io.sync || kind == Kind::Read,
            priority: io.priority,
        })
    }

    /// The first part of a bio that is to be split: `sectors` from `offset` on.
    pub(crate) fn part_of(&mut self, parent: u32, offset: u32, sectors: u32) -> u32 {
        let whole = self.bio_mut(parent);
        whole.parts += 1;
        let sector = whole.sector + u64::from(offset);
        let part = Bio { sector, sectors, parent, parts: 0, next: NIL, ..*whole };
        self.add_bio(part)
    }

    fn add_bio(&mut self, bio: Bio) -> u32 {
        if let Some(id) = self.free_bios.pop() {
            self.bios[id as usize] = bio;
            id
        } else {
            self.bios.push(bio);
            (self.bios.len() - 1) as u32
        }
    }

    pub(crate) fn free_bio(&mut self, id: u32) {
        self.free_bios.push(id);
    }

    /// The bios that are not freed.
    pub(crate) fn live_bios(&self) -> impl Iterator<Item = &Bio> {
        let mut live = vec![true; self.bios.len()];
        for &id in &self.free_bios {
            live[id as usize] = false;
        }
        self.bios.iter().zip(live).filter_map(|(bio, live)| live.then_some(bio))
    }

    /// A request of one bio.
    pub(crate) fn new_request(&mut self, bio: u32, tag: u32) -> u32 {
        let of = self.bio(bio);
        let request = Request {
            sector: of.sector,
            end: of.end(),
            deadline: 0,
            issued: 0,
            first_bio: bio,
            last_bio: bio,
            next: NIL,
            previous: NIL,
            tag,
            stream: of.stream,
            note: 0,
            kind: of.kind,
            sync: of.sync,
            priority: of.priority,
        };
        if let Some(id) = self.free_requests.pop() {
            self.requests[id as usize] = request;
            id
        } else {
            self.requests.push(request);
            (self.requests.len() - 1) as u32
        }
    }

    pub(crate) fn free_request(&mut self, id: u32) {
        self.free_requests.push(id);
    }

    /// Puts a bio behind the last of a request.
    pub(crate) fn join_back(&mut self, request: u32, bio: u32) {
        let end = self.bio(bio).end();
        let last = std::mem::replace(&mut self.request_mut(request).last_bio, bio);
        self.bio_mut(last).next = bio;
        self.request_mut(request).end = end;
    }

    /// Puts a bio before the first of a request.
    pub(crate) fn join_front(&mut self, request: u32, bio: u32) {
        let sector = self.bio(bio).sector;
        let first = std::mem::replace(&mut self.request_mut(request).first_bio, bio);
        self.bio_mut(bio).next = first;
        self.request_mut(request).sector = sector;
    }

    /// Puts all bios of `second` behind those of `first`. The caller frees `second`.
    pub(crate) fn join_requests(&mut self, first: u32, second: u32) {
        let Request { first_bio, last_bio, end, .. } = *self.request(second);
        let last = std::mem::replace(&mut self.request_mut(first).last_bio, last_bio);
        self.bio_mut(last).next = first_bio;
        self.request_mut(first).end = end;
    }
}
