//! How fast the disk is at most, as bfq estimates it, and how large budgets are therefore.

use crate::config::BfqKnobs;
use crate::request::Request;

/// A budget while nothing is known yet, in sectors.
const DEFAULT_BUDGET: u64 = 16 * 1024;
/// Estimates are trusted from the twelfth service on: a mean over services that started reaches this.
const TRUSTED_AFTER: u64 = 194;
/// Distances above this many sectors are seeks.
const SEEK_SECTORS: u64 = 800;
/// On a disk that does not rotate, requests of this many sectors are no seeks however far away.
const LARGE_SECTORS: u64 = 64;
/// What a reference disk does, sectors per µs, and for how long its users' programs start, in ms.
const REFERENCE: [(f64, f64); 2] = [(14_000.0 / 65_536.0, 7_000.0), (33_000.0 / 65_536.0, 2_500.0)];
const OBSERVE_NS: u64 = 1_000_000_000;
const LEAST_NS: u64 = 300_000_000;
const LEAST_SAMPLES: u64 = 32;
/// After so long without a request the disk was idle, not slow.
const IDLE_NS: u64 = 100_000_000;
const SHORT_NS: u64 = 2_000_000;
const FASTEST: f64 = 20.0;
/// `timeout_sync` as it is by default.
const DEFAULT_TIMEOUT_NS: u64 = 124_000_000;

/// Sectors of so much time at a rate.
fn budget_of(peak: f64, timeout_ns: u64) -> u64 {
    ((peak * timeout_ns as f64 / 1e3) as u64).max(1)
}

/// The estimate.
#[derive(Debug)]
pub(super) struct Rate {
    rotational: bool,
    /// Sectors per µs.
    peak: f64,
    fixed_budget: Option<u64>,
    timeout_ns: u64,
    largest: u64,
    max_budget: u64,
    services: u64,

    samples: u64,
    sequential: u64,
    sectors: u64,
    first_dispatch: u64,
    last_dispatch: u64,
    last_completion: u64,
    last_position: u64,
}

impl Rate {
    pub(super) fn new(knobs: &BfqKnobs) -> Self {
        let fixed_budget = (knobs.max_budget > 0).then_some(knobs.max_budget);
        let peak = REFERENCE[usize::from(!knobs.rotational)].0 * 2.0 / 3.0;
        // Whoever sets the timeout has the budget calculated from what is known by then, which is nothing.
        let usual = if knobs.timeout_ns == DEFAULT_TIMEOUT_NS {
            DEFAULT_BUDGET
        } else {
            budget_of(peak, knobs.timeout_ns)
        };
        Self {
            rotational: knobs.rotational,
            peak,
            fixed_budget,
            timeout_ns: knobs.timeout_ns,
            largest: 0,
            max_budget: fixed_budget.unwrap_or(usual),
            services: 0,
            samples: 0,
            sequential: 0,
            sectors: 0,
            first_dispatch: 0,
            last_dispatch: 0,
            last_completion: 0,
            last_position: 0,
        }
    }

    pub(super) const fn max_budget(&self) -> u64 {
        self.max_budget
    }

    /// What new queues get a part of.
    pub(super) const fn first_budget(&self) -> u64 {
        if self.is_trusted() { self.max_budget } else { DEFAULT_BUDGET }
    }

    pub(super) const fn min_budget(&self) -> u64 {
        let least = self.first_budget() / 32;
        if least == 0 { 1 } else { least }
    }

    pub(super) const fn service_starts(&mut self) {
        self.services = (self.services * 7 + 256) / 8;
    }

    /// Whether a queue's budget is to be held to the estimate.
    pub(super) const fn is_trusted(&self) -> bool {
        self.services >= TRUSTED_AFTER
    }

    pub(super) const fn has_fixed_budget(&self) -> bool {
        self.fixed_budget.is_some()
    }

    /// Where the request that was dispatched last ends.
    pub(super) const fn last_position(&self) -> u64 {
        self.last_position
    }

    /// Whether a request at some distance from `position` is a seek.
    pub(super) const fn is_seek(&self, position: u64, sector: u64, sectors: u64) -> bool {
        let distance = if position == 0 { 0 } else { position.abs_diff(sector) };
        distance > SEEK_SECTORS && (self.rotational || sectors < LARGE_SECTORS)
    }

    /// For how long a program that starts is favoured.
    pub(super) fn favour_ns(&self) -> u64 {
        let (rate, ms) = REFERENCE[usize::from(!self.rotational)];
        ((ms * rate / self.peak).clamp(3_000.0, 25_000.0) * 1e6) as u64
    }

    pub(super) const fn last_dispatch(&self) -> u64 {
        self.last_dispatch
    }

    pub(super) const fn last_completion(&self) -> u64 {
        self.last_completion
    }

    /// Whether so many sectors are no seek on a disk that does not rotate, and many for one request.
    pub(super) const fn is_large(&self, sectors: u64) -> bool {
        sectors >= LARGE_SECTORS
    }

    pub(super) fn completed(&mut self, now: u64) {
        // So few sectors in so long a time were not served at the disk's peak.
        let us = (now - self.last_completion) / 1_000;
        if us > SHORT_NS / 1_000 && self.largest * 1_024 < us {
            self.update();
            self.samples = 0;
        }
        self.last_completion = now;
    }

    pub(super) fn dispatched(&mut self, now: u64, request: &Request, in_driver: u64) {
        if self.samples == 0 {
            self.restart(now, request);
        } else if now - self.last_dispatch > IDLE_NS && in_driver == 0 {
            self.update();
            self.restart(now, request);
        } else {
            self.samples += 1;
            let follows = in_driver > 0 || now - self.last_completion < SHORT_NS;
            if follows && !self.is_seek(self.last_position, request.sector, request.sectors()) {
                self.sequential += 1;
            }
            self.sectors += request.sectors();
            let least = if self.samples.is_multiple_of(LEAST_SAMPLES) { 0 } else { self.largest };
            self.largest = request.sectors().max(least);
            self.last_dispatch = now;
            if now - self.first_dispatch >= OBSERVE_NS {
                self.update();
                self.restart(now, request);
            }
        }
        self.last_position = request.end;
        self.last_dispatch = now;
    }

    const fn restart(&mut self, now: u64, request: &Request) {
        self.first_dispatch = now;
        self.samples = 1;
        self.sequential = 0;
        self.sectors = request.sectors();
        self.largest = request.sectors();
    }

    fn update(&mut self) {
        let observed = (self.last_dispatch - self.first_dispatch)
            .max(self.last_completion.saturating_sub(self.first_dispatch));
        if self.samples >= LEAST_SAMPLES && observed >= LEAST_NS {
            let rate = self.sectors as f64 / (observed as f64 / 1e3);
            let is_sequential = self.sequential >= self.samples * 3 / 4;
            if (is_sequential || rate > self.peak) && rate <= FASTEST {
                let weight = 9 * self.sequential / self.samples;
                let weight = (weight as f64 * observed as f64 / OBSERVE_NS as f64).min(8.0).floor();
                let divisor = 10.0 - weight;
                self.peak = (self.peak * (divisor - 1.0) + rate) / divisor;
                self.max_budget = self.fixed_budget.unwrap_or_else(|| budget_of(self.peak, self.timeout_ns));
            }
        }
    }
}
