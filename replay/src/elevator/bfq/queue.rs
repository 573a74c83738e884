//! The requests of one process (or the asynchronous ones of all), and what bfq knows of it.

use super::inject::Injection;
use super::rate::Rate;
use crate::config::BfqKnobs;
use crate::elevator::{List, Sorted};
use crate::request::Pool;

/// More seeks than this among the last 32 requests make a queue a seeky one.
const SEEKY: u32 = 19;
/// Samples of thinking that make its mean valid, in the kernel's fixed point.
const VALID_SAMPLES: u64 = 80;
/// The weight of everybody without a priority of his own.
const WEIGHT: u64 = 40;
/// How much more weight a favoured queue has.
pub(super) const FAVOUR: u64 = 30;
/// Service in virtual time: fixed point.
const SHIFT: u32 = 22;

/// How long its process thinks between the end of one request and the next.
#[derive(Clone, Copy, Debug, Default)]
struct Thinking {
    samples: u64,
    total: u64,
    mean: u64,
}

/// How much of the time its process has I/O under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intensity {
    since: u64,
    idle_ns: u64,
    /// At least four fifths of it.
    pub(super) io_bound: bool,
}

impl Intensity {
    /// What is longer ago than this counts less.
    const WINDOW_NS: u64 = 200_000_000;

    fn learn(&mut self, now: u64, idle_ns: u64) {
        self.idle_ns += idle_ns;
        let whole = now - self.since;
        self.io_bound = self.idle_ns * 5 <= whole;
        if whole > Self::WINDOW_NS {
            self.since = now - whole / 2;
            self.idle_ns /= 2;
        }
    }
}

/// A queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) begun: u64,
    /// The queue that it is to be merged with.
    pub(super) merges_with: Option<u32>,
    /// The processes that have it.
    pub(super) processes: u32,
    pub(super) class: usize,
    pub(super) sync: bool,
    pub(super) sorted: Sorted,
    pub(super) fifo: List,
    /// The request that would be served next.
    pub(super) next: Option<u32>,
    /// Requests that were dispatched and are not done.
    pub(super) dispatched: u64,
    /// Requests that have a tag.
    pub(super) allocated: u64,
    /// Whether it is among those to be served.
    pub(super) busy: bool,

    /// Virtual times of the service that it is due.
    pub(super) start: u64,
    pub(super) finish: u64,
    pub(super) weight: u64,
    /// What it may be served in one go, in sectors, and was.
    pub(super) budget: u64,
    pub(super) service: u64,
    pub(super) max_budget: u64,
    /// Whether it went idle with some of its budget left, which it gets if it comes back soon.
    pub(super) waits_unblocked: bool,
    /// Whether the oldest request was looked at since it came into service.
    pub(super) fifo_checked: bool,

    seeks: u32,
    last_position: u64,
    last_end: u64,
    thinking: Thinking,
    pub(super) thinks_short: bool,
    pub(super) intensity: Intensity,
    pub(super) injection: Injection,

    /// How much it is favoured: 1 or [`FAVOUR`].
    pub(super) favour: u64,
    pub(super) favoured_from: u64,
    pub(super) favoured_ns: u64,
    pub(super) favoured_service: u64,
    /// Since when it has nothing to do; `None` if it never had.
    pub(super) idle_since: Option<u64>,
    pub(super) in_large_burst: bool,
}

impl Queue {
    pub(super) fn new(class: usize, sync: bool, now: u64, rate: &Rate) -> Self {
        Self {
            begun: now,
            merges_with: None,
            processes: 1,
            class,
            sync,
            sorted: Sorted::default(),
            fifo: List::default(),
            next: None,
            dispatched: 0,
            allocated: 0,
            busy: false,
            start: 0,
            finish: 0,
            weight: WEIGHT,
            budget: 0,
            service: 0,
            max_budget: rate.first_budget() * 2 / 3,
            waits_unblocked: false,
            fifo_checked: false,
            // The first request almost certainly is one.
            seeks: 1,
            last_position: 0,
            last_end: now,
            thinking: Thinking::default(),
            thinks_short: sync && class != 2,
            intensity: Intensity { since: now, idle_ns: 0, io_bound: true },
            injection: Injection::new(now),
            favour: 1,
            favoured_from: 0,
            favoured_ns: 0,
            favoured_service: 0,
            idle_since: None,
            in_large_burst: false,
        }
    }

    pub(super) const fn is_seeky(&self) -> bool {
        self.seeks.count_ones() > SEEKY
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    pub(super) const fn budget_left(&self) -> u64 {
        self.budget.saturating_sub(self.service)
    }

    /// Takes over what it is favoured by; between services only.
    pub(super) const fn settle_weight(&mut self) {
        self.weight = WEIGHT * self.favour;
    }

    pub(super) const fn virtual_time_of(&self, service: u64) -> u64 {
        (service << SHIFT) / self.weight
    }

    /// How far virtual time goes for `service` to all of `weights`.
    pub(super) fn advance_of(service: u64, weights: u64) -> u64 {
        (service << SHIFT).checked_div(weights).unwrap_or(0)
    }

    pub(super) const fn last_end(&self) -> u64 {
        self.last_end
    }

    pub(super) const fn ended(&mut self, now: u64) {
        self.last_end = now;
    }

    /// Learns from a request that came; `true` if the process turns out to think long, or short, and did not before.
    pub(super) fn learn(
        &mut self,
        now: u64,
        sector: u64,
        sectors: u64,
        knobs: &BfqKnobs,
        rate: &Rate,
    ) -> bool {
        let elapsed = now - self.last_end;
        // Only what came after everything was done was thought about.
        if self.dispatched == 0 && !self.busy {
            let most = 2 * knobs.slice_idle_ns;
            // A queue begins one ns after its first request by the submission's clock, and the difference wraps.
            let elapsed = if self.thinking.samples == 0 { most } else { elapsed.min(most) };
            let thinking = &mut self.thinking;
            thinking.samples = (7 * thinking.samples + 256) / 8;
            thinking.total = (7 * thinking.total + 256 * elapsed) / 8;
            thinking.mean = (thinking.total + 128) / thinking.samples;
        }
        let before = self.thinks_short;
        if self.sync && self.class != 2 && knobs.slice_idle_ns > 0 {
            let is_slow =
                self.thinking.samples > VALID_SAMPLES && self.thinking.mean > knobs.slice_idle_ns / 2;
            self.thinks_short = !is_slow;
        }
        self.seeks = self.seeks << 1 | u32::from(rate.is_seek(self.last_position, sector, sectors));
        self.last_position = sector + sectors;
        self.thinks_short != before
    }

    /// Learns from a request that came how much of the time it has I/O under way.
    pub(super) fn learn_intensity(&mut self, now: u64) {
        let idle_ns = if self.dispatched == 0 && self.is_empty() { now - self.last_end } else { 0 };
        if self.idle_since.is_some() || self.busy {
            self.intensity.learn(now, idle_ns);
        }
    }

    /// Of two requests the one to serve first with the head at `position`.
    pub(super) fn choose(
        pool: &Pool,
        one: Option<u32>,
        other: Option<u32>,
        position: u64,
        knobs: &BfqKnobs,
    ) -> Option<u32> {
        let (one, other) = match (one, other) {
            (Some(one), Some(other)) if one != other => (one, other),
            (one, other) => return one.or(other),
        };
        let (first, second) = (pool.request(one), pool.request(other));
        if first.sync != second.sync {
            return Some(if first.sync { one } else { other });
        }
        let distance = |sector: u64| {
            if sector >= position {
                Some(sector - position)
            } else if sector.saturating_add(knobs.back_seek_sectors) >= position {
                Some((position - sector).saturating_mul(knobs.back_seek_penalty))
            } else {
                None
            }
        };
        let (s1, s2) = (first.sector, second.sector);
        Some(match (distance(s1), distance(s2)) {
            (Some(d1), Some(d2)) if d1 != d2 => {
                if d1 < d2 {
                    one
                } else {
                    other
                }
            }
            (Some(_), Some(_)) => {
                if s1 >= s2 {
                    one
                } else {
                    other
                }
            }
            (Some(_), None) => one,
            (None, Some(_)) => other,
            (None, None) => {
                if s1 <= s2 {
                    one
                } else {
                    other
                }
            }
        })
    }

    /// What is next after `dispatched`, which is still queued.
    pub(super) fn next_after(
        &mut self,
        pool: &Pool,
        dispatched: u32,
        now: u64,
        knobs: &BfqKnobs,
    ) -> Option<u32> {
        if !self.fifo_checked {
            self.fifo_checked = true;
            if let Some(oldest) = self.fifo.first()
                && oldest != dispatched
                && pool.request(oldest).deadline <= now
            {
                return Some(oldest);
            }
        }
        let sector = pool.request(dispatched).sector;
        let (before, after) = self.sorted.neighbours(sector, dispatched);
        let after = after.or_else(|| self.sorted.at(0).filter(|&first| first != dispatched));
        Self::choose(pool, after, before, sector, knobs)
    }
}
