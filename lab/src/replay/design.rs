//! Which settings are compared: for each scheduler its defaults, and a Latin hypercube over the catalogue's ranges.

use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use schedulers::{RangeRule, Tuning, catalogue, info};

/// The facts of the disk that ranges depend on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `max_hw_sectors_kb`.
    pub max_hw_sectors_kb: u64,
    /// `nr_requests` as it is by default under a scheduler.
    pub nr_requests: u64,
}

/// Most requests of a queue that the search reaches under a scheduler.
const MOST_REQUESTS: u64 = 2_048;
/// Largest request that is searched, KiB.
const LARGEST_REQUEST_KB: u64 = 16_384;

/// Knobs that the simulator does not score, with what they are set to instead.
///
/// bfq's `low_latency` raises the weights of queues that it takes for interactive; the simulated bfq serves equal
/// weights.
const FIXED: [(Knob, u64); 1] = [(Knob::LowLatency, 0)];

/// The knobs of one scheduler that the comparison moves: its own that a search moves by default, and of the queue's
/// those that change what a bio becomes.
#[must_use]
pub fn knobs(elevator: Elevator) -> Vec<Knob> {
    if elevator == Elevator::None {
        return Vec::new();
    }
    let own = catalogue().filter(|info| info.tuning == Tuning::Default).map(|info| info.knob);
    [Knob::NrRequests, Knob::MaxSectorsKb]
        .into_iter()
        .chain(own.filter(|knob| knob.elevator() == Some(elevator)))
        .filter(|knob| FIXED.iter().all(|(fixed, _)| fixed != knob))
        .collect()
}

/// `count` settings of a scheduler: what it has by default first, then a Latin hypercube; of `none`, only the first.
///
/// Every setting names its scheduler. A knob that is not named is as the switch to the scheduler leaves it.
#[must_use]
pub fn settings(elevator: Elevator, count: usize, limits: Limits, seed: u64) -> Vec<Settings> {
    let knobs = knobs(elevator);
    let mut base = Settings::new();
    base.set(Knob::Scheduler, KnobValue::Elevator(elevator));
    for (knob, value) in FIXED {
        if knob.elevator() == Some(elevator) {
            base.set(knob, KnobValue::Number(value));
        }
    }
    if knobs.is_empty() || count <= 1 {
        return vec![base];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ ((elevator as u64) << 32));
    let rows = count - 1;
    let columns: Vec<Vec<f64>> = knobs.iter().map(|_| strata(rows, &mut rng)).collect();
    let drawn = (0..rows).map(|row| {
        let mut settings = base.clone();
        for (knob, column) in knobs.iter().zip(&columns) {
            let requests = settings.number(Knob::NrRequests).unwrap_or(limits.nr_requests);
            if let Some(value) = at(*knob, column[row], requests, limits) {
                settings.set(*knob, KnobValue::Number(value));
            }
        }
        // As a search has it: a write's target is never below a read's.
        if let (Some(read), Some(write)) =
            (settings.number(Knob::ReadLatNsec), settings.number(Knob::WriteLatNsec))
        {
            settings.set(Knob::WriteLatNsec, KnobValue::Number(write.max(read)));
        }
        settings
    });
    std::iter::once(base.clone()).chain(drawn).collect()
}

/// One place in each of `count` equal parts of 0‥1, in random order.
fn strata(count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut places: Vec<f64> =
        (0..count).map(|part| (part as f64 + rng.random::<f64>()) / count as f64).collect();
    places.shuffle(rng);
    places
}

/// The value of a knob at a place (0‥1) of its range, in its own scale; `None` for a knob that has no range.
fn at(knob: Knob, place: f64, nr_requests: u64, limits: Limits) -> Option<u64> {
    /// Values with a meaning of their own have the weight that one child of eight has in a first generation.
    const SPECIAL: f64 = 1.0 / 8.0;
    let info = info(knob)?;
    let place = match info.specials.first() {
        Some(special) if place < SPECIAL => return Some(*special),
        Some(_) => (place - SPECIAL) / (1.0 - SPECIAL),
        None => place,
    };
    let log = |min: u64, max: u64| {
        let (low, high) = ((min.max(1) as f64).ln(), (max.max(min) as f64).ln());
        (low + place * (high - low)).exp().round() as u64
    };
    let nth = |count: usize| ((place * count as f64) as usize).min(count.saturating_sub(1));
    match info.range {
        RangeRule::Linear { min, max } => Some(min + (place * (max - min) as f64).round() as u64),
        RangeRule::Log { min, max } => Some(log(min, max)),
        RangeRule::Boolean => Some(nth(2) as u64),
        RangeRule::Ordinal(values) => values.get(nth(values.len())).copied(),
        RangeRule::Requests => Some(log(16, MOST_REQUESTS)),
        RangeRule::ShareOfRequests => Some(log(nr_requests.div_ceil(8), nr_requests)),
        RangeRule::HardwareRequestSize => Some(log(64, limits.max_hw_sectors_kb.min(LARGEST_REQUEST_KB))),
        RangeRule::Elevator => None,
    }
}

/// What is written before everything else: the scheduler, and then in the order of the catalogue.
#[must_use]
pub fn in_order(settings: &Settings) -> Vec<Setting> {
    catalogue()
        .filter_map(|info| Some(Setting { knob: info.knob, value: settings.get(info.knob)? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const LIMITS: Limits = Limits { max_hw_sectors_kb: 1_280, nr_requests: 8 };

    #[test]
    fn the_defaults_are_first_and_all_settings_differ() {
        for elevator in [Elevator::MqDeadline, Elevator::Kyber, Elevator::Bfq] {
            let settings = settings(elevator, 20, LIMITS, 1);
            assert_eq!(settings.len(), 20);
            assert_eq!(settings.iter().collect::<BTreeSet<_>>().len(), 20);
            assert!(settings[0].number(Knob::NrRequests).is_none(), "{}", settings[0]);
            assert!(settings.iter().all(|settings| settings.elevator() == Some(elevator)));
        }
        assert_eq!(settings(Elevator::None, 20, LIMITS, 1).len(), 1);
    }

    #[test]
    fn every_part_of_a_range_is_visited_once() {
        let settings = settings(Elevator::MqDeadline, 33, LIMITS, 7);
        let log = |value: u64| (value as f64).log2();
        let mut places: Vec<f64> = settings[1..]
            .iter()
            .map(|settings| log(settings.number(Knob::FifoBatch).unwrap()) / 7.0)
            .collect();
        places.sort_by(f64::total_cmp);
        for (part, place) in places.iter().enumerate() {
            // Small numbers of a log scale are far apart, so a place can round into the next part or two.
            assert!((place - (part as f64 + 0.5) / 32.0).abs() < 0.08, "{part}: {place}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_settings_again() {
        let draw = |seed| settings(Elevator::Bfq, 20, LIMITS, seed);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn the_scheduler_is_written_first_and_the_queue_before_it_resets_what_is_its() {
        let settings = &settings(Elevator::MqDeadline, 2, LIMITS, 1)[1];
        let order: Vec<Knob> = in_order(settings).iter().map(|setting| setting.knob).collect();
        let place = |knob| order.iter().position(|&there| there == knob).unwrap();
        assert_eq!(place(Knob::Scheduler), 0);
        assert!(place(Knob::NrRequests) < place(Knob::AsyncDepth));
    }
}
