//! A token bucket with a burst: a rate that lasts, a higher one while credits last.
//!
//! Both rates are kept as virtual schedules (the generic cell rate algorithm, ITU-T I.371): instead of counting tokens
//! by a clock, each remembers when it will have caught up with what was taken. A bucket of rate *r* and size *s* lets
//! a taker pass as soon as its schedule is at most *s/r* ahead.

/// The rates of a bucket, in tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// Per second, for ever.
    pub(super) baseline: f64,
    /// Per second, while credits last.
    pub(super) burst: f64,
    /// Tokens that can be saved.
    pub(super) credits: f64,
}

/// One rate.
#[derive(Clone, Debug)]
struct Schedule {
    ns_per_token: f64,
    /// How far it may be ahead.
    ahead: f64,
    /// When it will have caught up.
    caught_up: f64,
}

impl Schedule {
    /// Takes tokens and says from when on they may be used.
    fn turn(&mut self, now: f64, tokens: f64) -> f64 {
        let start = self.caught_up.max(now);
        self.caught_up = start + tokens * self.ns_per_token;
        (start - self.ahead).max(now)
    }
}

/// A token bucket with a burst.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    baseline: Schedule,
    burst: Schedule,
}

impl Bucket {
    /// A bucket with all its credits. `crowding_ns` is how far arrivals may crowd at either rate.
    pub(super) fn new(rates: &Rates, crowding_ns: u64) -> Self {
        let crowding = crowding_ns as f64;
        let burst = rates.burst.max(rates.baseline);
        Self {
            baseline: Schedule {
                ns_per_token: 1e9 / rates.baseline,
                ahead: crowding + rates.credits / rates.baseline * 1e9,
                caught_up: 0.0,
            },
            burst: Schedule { ns_per_token: 1e9 / burst, ahead: crowding, caught_up: 0.0 },
        }
    }

    /// Takes tokens at `now` and says when its taker's turn comes; turns come in the order of taking.
    pub(super) fn turn(&mut self, now: u64, tokens: u64) -> u64 {
        let (now, tokens) = (now as f64, tokens as f64);
        self.baseline.turn(now, tokens).max(self.burst.turn(now, tokens)).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many single tokens pass in a second that starts at `from`, asked for without end.
    fn passed(bucket: &mut Bucket, from: u64) -> u64 {
        let mut count = 0;
        let mut now = from;
        loop {
            now = bucket.turn(now, 1).max(now);
            if now >= from + 1_000_000_000 {
                return count;
            }
            count += 1;
        }
    }

    #[test]
    fn a_burst_lasts_as_long_as_its_credits_and_idling_earns_them_back() {
        let mut bucket = Bucket::new(&Rates { baseline: 100.0, burst: 1000.0, credits: 1800.0 }, 0);
        let seconds: Vec<u64> = (0..4).map(|second| passed(&mut bucket, second * 1_000_000_000)).collect();
        assert!(seconds[0].abs_diff(1000) <= 2 && seconds[1].abs_diff(1000) <= 2, "{seconds:?}");
        assert!(seconds[2].abs_diff(100) <= 2 && seconds[3].abs_diff(100) <= 2, "{seconds:?}");
        // Nine idle seconds earn 900 tokens: with the running rate, a second of burst.
        assert!(passed(&mut bucket, 13_000_000_000).abs_diff(1000) <= 3);
        assert!(passed(&mut bucket, 14_000_000_000).abs_diff(100) <= 3);
    }

    #[test]
    fn without_credits_the_burst_rate_is_the_baseline() {
        let mut bucket = Bucket::new(&Rates { baseline: 3000.0, burst: 3000.0, credits: 0.0 }, 10_000);
        assert!(passed(&mut bucket, 0).abs_diff(3000) <= 2);
    }
}
