//! kyber, as Linux 6.18 has it.
//!
//! Requests are in four domains: reads, writes, discards and the rest. A request is dispatched with a token of its
//! domain, which it has until it is done; how many tokens there are is what kyber tunes. Domains take turns, with a
//! batch each.
//!
//! Latencies are counted in steps of a quarter of their domain's target: both from the request's making (once it has its
//! tag: waiting for that does not count) and from its issue. At most every 100 ms kyber looks at them. Where nine of
//! ten issued requests of a domain took longer than the target, the disk is congested; then a domain whose 99th
//! percentile is good gets fewer tokens, in proportion. One whose 99th percentile is bad gets more, congested or not.
//!
//! A percentile is looked at with 500 samples, or a second after the first. Both latencies of a domain share the clock of that
//! second, and the issued ones are looked at first and start it again: so the others wait for 500 samples. The kernel
//! behaves so, and the simulation follows.
//!
//! Simplified: the software queues of the processors are one, so that bios of different processors merge, and requests
//! of different processors that came together stay in the order in which they came.

use super::{List, Merge};
use crate::config::KyberKnobs;
use crate::request::{Bio, Kind, NIL, Pool};

const DOMAINS: usize = 4;
/// Those that have targets.
const WATCHED: usize = 3;
const MOST_TOKENS: [u32; DOMAINS] = [256, 128, 64, 16];
const BATCH: [u32; DOMAINS] = [16, 8, 1, 1];
const DISCARD_TARGET_NS: u64 = 5_000_000_000;
/// Buckets up to the target; as many lie beyond it.
const GOOD_BUCKETS: usize = 4;
const BUCKETS: usize = 2 * GOOD_BUCKETS;
const ENOUGH_SAMPLES: u64 = 500;
const LONG_ENOUGH_NS: u64 = 1_000_000_000;
const LOOK_EVERY_NS: u64 = 100_000_000;
/// So many of the requests that came last are tried for a merge.
const TRIED: usize = 8;

const fn domain(kind: Kind) -> usize {
    match kind {
        Kind::Read => 0,
        Kind::Write => 1,
        Kind::Discard => 2,
        Kind::Flush => 3,
    }
}

/// The two latencies.
#[derive(Clone, Copy)]
enum Since {
    Made = 0,
    Issued = 1,
}

#[derive(Debug, Default)]
struct Domain {
    /// Requests that can still be merged with.
    arrived: List,
    /// Those that were taken from there when a token was had.
    taken: List,
    tokens: u32,
    used: u32,
    samples: [[u64; BUCKETS]; 2],
    /// When the percentiles are looked at whatever the number of samples.
    until: Option<u64>,
    /// The 99th percentile that was found while there was no congestion.
    remembered: Option<usize>,
}

/// The scheduler's state.
#[derive(Debug)]
pub(crate) struct Kyber {
    targets_ns: [u64; WATCHED],
    max_sectors: u64,
    jiffy_ns: u64,
    async_depth: u32,
    domains: [Domain; DOMAINS],
    current: usize,
    batching: u32,
    waiting: u64,
    look_at: Option<u64>,
}

impl Kyber {
    pub(crate) fn new(knobs: KyberKnobs, tags: u32, max_sectors: u64, jiffy_ns: u64) -> Self {
        let mut domains = <[Domain; DOMAINS]>::default();
        for (domain, tokens) in domains.iter_mut().zip(MOST_TOKENS) {
            domain.tokens = tokens;
        }
        Self {
            targets_ns: [knobs.read_lat_ns, knobs.write_lat_ns, DISCARD_TARGET_NS],
            max_sectors,
            jiffy_ns,
            async_depth: (tags * 3 / 4).max(1),
            domains,
            current: 0,
            batching: 0,
            waiting: 0,
            look_at: None,
        }
    }

    pub(crate) const fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    pub(crate) fn try_merge(&mut self, pool: &mut Pool, bio: u32) -> Option<Merge> {
        let of = *pool.bio(bio);
        let mut at = self.domains[domain(of.kind)].arrived.last();
        for _ in 0..TRIED {
            let id = at?;
            let request = pool.request(id);
            if request.is_like(&of) && request.sectors() + u64::from(of.sectors) <= self.max_sectors {
                if request.end == of.sector {
                    pool.join_back(id, bio);
                    return Some(Merge::Back);
                }
                if request.sector == of.end() {
                    pool.join_front(id, bio);
                    return Some(Merge::Front);
                }
            }
            at = Some(request.previous).filter(|&previous| previous != NIL);
        }
        None
    }

    pub(crate) fn insert(&mut self, pool: &mut Pool, id: u32, now: u64) {
        pool.request_mut(id).deadline = now;
        let domain = domain(pool.request(id).kind);
        self.domains[domain].arrived.push_back(pool, id);
        self.waiting += 1;
    }

    pub(crate) fn dispatch(&mut self, pool: &mut Pool) -> Option<u32> {
        if self.waiting == 0 {
            return None;
        }
        if self.batching < BATCH[self.current]
            && let Some(id) = self.dispatch_current(pool)
        {
            return Some(id);
        }
        self.batching = 0;
        for _ in 0..DOMAINS {
            self.current = (self.current + 1) % DOMAINS;
            if let Some(id) = self.dispatch_current(pool) {
                return Some(id);
            }
        }
        None
    }

    fn dispatch_current(&mut self, pool: &mut Pool) -> Option<u32> {
        let domain = &mut self.domains[self.current];
        if domain.used >= domain.tokens {
            return None;
        }
        if domain.taken.is_empty() {
            domain.taken = std::mem::take(&mut domain.arrived);
        }
        let id = domain.taken.pop_front(pool)?;
        domain.used += 1;
        self.batching += 1;
        self.waiting -= 1;
        Some(id)
    }

    pub(crate) fn completed(&mut self, pool: &Pool, id: u32, now: u64) {
        let request = pool.request(id);
        let domain = domain(request.kind);
        self.domains[domain].used -= 1;
        if domain >= WATCHED {
            return;
        }
        let step = (self.targets_ns[domain] / GOOD_BUCKETS as u64).max(1);
        for (since, from) in [(Since::Made, request.deadline), (Since::Issued, request.issued)] {
            let bucket = ((now - from).saturating_sub(1) / step).min(BUCKETS as u64 - 1) as usize;
            self.domains[domain].samples[since as usize][bucket] += 1;
        }
        let at = (now + LOOK_EVERY_NS) / self.jiffy_ns * self.jiffy_ns;
        self.look_at = Some(self.look_at.map_or(at, |earlier| earlier.min(at)));
    }

    pub(crate) const fn timer(&self) -> Option<u64> {
        self.look_at
    }

    pub(crate) fn fire(&mut self, now: u64) {
        self.look_at = None;
        let mut congested = false;
        for domain in &mut self.domains[..WATCHED] {
            congested |=
                domain.percentile(Since::Issued, 90, now).is_some_and(|bucket| bucket >= GOOD_BUCKETS);
        }
        for (domain, most) in self.domains[..WATCHED].iter_mut().zip(MOST_TOKENS) {
            let mut p99 = domain.percentile(Since::Made, 99, now);
            if congested {
                p99 = p99.or(domain.remembered.take());
                domain.remembered = None;
            } else if p99.is_some() {
                domain.remembered = p99;
            }
            if let Some(p99) = p99
                && (congested || p99 >= GOOD_BUCKETS)
            {
                domain.tokens = (domain.tokens * (p99 as u32 + 1) / GOOD_BUCKETS as u32).clamp(1, most);
            }
        }
    }

    /// How many of the tags a bio may choose from.
    pub(crate) const fn limit(&self, bio: &Bio) -> u32 {
        if bio.sync { u32::MAX } else { self.async_depth }
    }
}

impl Domain {
    /// The bucket of a percentile, if there are enough samples; they are forgotten then.
    fn percentile(&mut self, since: Since, percent: u64, now: u64) -> Option<usize> {
        let samples = &mut self.samples[since as usize];
        let count: u64 = samples.iter().sum();
        if count == 0 {
            return None;
        }
        let until = *self.until.get_or_insert(now + LONG_ENOUGH_NS);
        if count < ENOUGH_SAMPLES && now < until {
            return None;
        }
        self.until = None;
        let mut wanted = (count * percent).div_ceil(100);
        let mut bucket = 0;
        while bucket < BUCKETS - 1 && samples[bucket] < wanted {
            wanted -= samples[bucket];
            bucket += 1;
        }
        *samples = [0; BUCKETS];
        Some(bucket)
    }
}
