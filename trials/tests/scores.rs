//! From what was measured in a slice to a score.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use block_types::{Bytes, LatencyHistogram, Nanos};
use trials::{InFlight, Objective, Part, Saturation, Silence, Slice, SliceScore, TailLevel, Void};

fn slice(reads: u64, ms: u64) -> Slice {
    let mut histogram = LatencyHistogram::default();
    (0..reads).for_each(|_| histogram.record(Nanos::from_millis(ms)));
    Slice {
        elapsed: Nanos(4_000_000_000),
        busy: Some(Nanos(4_000_000_000)),
        queued: Some(Nanos(8_000_000_000)),
        arrivals: reads,
        completed: Bytes(reads * 4096),
        sync: histogram.clone(),
        reads: histogram,
        ..Slice::default()
    }
}

fn score(slice: &Slice) -> SliceScore {
    SliceScore::of(slice, Saturation::SERIAL).unwrap()
}

#[test]
fn only_a_slice_with_nothing_in_it_is_void() {
    let mut empty = Slice { elapsed: Nanos(4_000_000_000), ..Slice::default() };
    assert_eq!(SliceScore::of(&empty, Saturation::SERIAL), Err(Void::Idle));
    let waiting = InFlight { count: 1, age_sum: Nanos::from_millis(900), oldest: Nanos::from_millis(900) };
    empty.in_flight = waiting;
    empty.sync_in_flight = waiting;
    let starved = score(&empty);
    let contrast = Objective::Latency.contrast(&starved, &score(&slice(100, 9)), None).unwrap();
    assert!((contrast.log_ratio - (9.0_f64 / 900.0).ln()).abs() < 1e-6, "{contrast:?}");
}

#[test]
fn a_setting_that_starves_does_not_look_good_and_young_requests_earn_nothing() {
    let plain = slice(100, 10);
    let mut starves = plain.clone();
    starves.sync_in_flight =
        InFlight { count: 20, age_sum: Nanos::from_millis(40_000), oldest: Nanos::from_millis(3_000) };
    let mut young = plain.clone();
    young.sync_in_flight =
        InFlight { count: 500, age_sum: Nanos::from_millis(50), oldest: Nanos::from_millis(1) };
    let against =
        |slice: &Slice| Objective::Latency.contrast(&score(slice), &score(&plain), None).unwrap().log_ratio;
    assert!(against(&starves) < -3.0, "{}", against(&starves));
    assert!(against(&young).abs() < 1e-12, "{}", against(&young));
}

#[test]
fn throughput_says_nothing_of_a_device_that_is_not_saturated() {
    let mut idle = slice(100, 10);
    idle.busy = Some(Nanos(2_000_000_000));
    assert_eq!(score(&idle).throughput, Part::Silent(Silence::NotSaturated));
    assert_eq!(
        Objective::Throughput.contrast(&score(&idle), &score(&slice(200, 10)), None),
        Err(Silence::NotSaturated)
    );
    let balanced = Objective::Balanced.contrast(&score(&idle), &score(&slice(200, 10)), None).unwrap();
    assert!(!balanced.throughput && balanced.latency && balanced.tail == Some(TailLevel::P99));
}

#[test]
fn a_saturated_slice_that_completed_nothing_scores_badly() {
    let mut stuck = slice(0, 1);
    stuck.in_flight = InFlight { count: 4, age_sum: Nanos(16_000_000_000), oldest: Nanos(4_000_000_000) };
    let contrast = Objective::Throughput.contrast(&score(&stuck), &score(&slice(200, 10)), None).unwrap();
    assert!(contrast.log_ratio < -5.0 && contrast.log_ratio.is_finite(), "{contrast:?}");
}

#[test]
fn balanced_is_the_geometric_mean_and_changes_its_sign_with_the_arms() {
    let (child, control) = (score(&slice(400, 5)), score(&slice(100, 10)));
    let there = Objective::Balanced.contrast(&child, &control, None).unwrap();
    let back = Objective::Balanced.contrast(&control, &child, None).unwrap();
    assert!((there.log_ratio + back.log_ratio).abs() < 1e-12);
    // ln 4 for throughput, ln 2 for latency, about ln 2 for the tail.
    let expected = (4.0_f64.ln() + 2.0_f64.ln() * 2.0) / 3.0;
    assert!((there.log_ratio - expected).abs() < 0.05, "{there:?}");
}

#[test]
fn the_tail_says_what_stands_for_it() {
    let of = |reads| {
        let both = score(&slice(reads, 5));
        Objective::Tail.contrast(&both, &both, None).map(|contrast| contrast.tail)
    };
    assert_eq!(of(100), Ok(Some(TailLevel::P99)));
    assert_eq!(of(50), Ok(Some(TailLevel::P90)));
    assert_eq!(of(5), Ok(Some(TailLevel::Mean)));
    let few = score(&slice(50, 5));
    assert_eq!(Objective::Tail.contrast(&few, &few, Some(TailLevel::P99)), Err(Silence::TooFewReads));
}

#[test]
fn a_setting_that_holds_programs_back_does_not_look_good() {
    // 32 reads under way are 4 in the child's queue and 28 in a program that waits to submit them.
    let saturated = |reads: u64, ms: u64| Slice { all_waited_for: true, ..slice(reads, ms) };
    let (plain, held) = (saturated(500, 256), saturated(400, 40));
    let [child, control] = [&held, &plain].map(score);
    for objective in [Objective::Latency, Objective::Balanced, Objective::Throughput] {
        let contrast = objective.contrast(&child, &control, None).unwrap();
        assert!((contrast.log_ratio - 0.8_f64.ln()).abs() < 1e-9, "{objective:?}: {contrast:?}");
        let mirrored = objective.contrast(&control, &child, None).unwrap();
        assert!((contrast.log_ratio + mirrored.log_ratio).abs() < 1e-12);
    }
    assert_eq!(Objective::Tail.contrast(&child, &control, None), Err(Silence::HeldBack));

    // A queue of two that is nearly always full holds back as well, on a disk that now and then has nothing to do.
    let full = Saturation { full: Some(1.6), ..Saturation::SERIAL };
    let rests = |slice: &Slice| Slice { busy: Some(Nanos(3_600_000_000)), ..slice.clone() };
    let [child, control] = [(&held, full), (&plain, Saturation::SERIAL)]
        .map(|(slice, saturation)| SliceScore::of(&rests(slice), saturation).unwrap());
    let contrast = Objective::Balanced.contrast(&child, &control, None).unwrap();
    assert!((contrast.log_ratio - 0.8_f64.ln()).abs() < 1e-9, "{contrast:?}");

    // Where writeback fills the disk, readers gain without a byte more.
    let [beside, before] = [slice(500, 40), slice(400, 50)].map(|slice| score(&slice));
    let contrast = Objective::Latency.contrast(&beside, &before, None).unwrap();
    assert!((contrast.log_ratio - (50.0_f64 / 40.0).ln()).abs() < 0.01, "{contrast:?}");
}

#[test]
fn readers_that_wait_gain_what_the_rate_gains() {
    // Four readers on a saturated disk: their latency falls as their rate rises, and the tail is told.
    let [child, control] =
        [(800, 20), (400, 40)].map(|(reads, ms)| score(&Slice { all_waited_for: true, ..slice(reads, ms) }));
    let contrast = Objective::Latency.contrast(&child, &control, None).unwrap();
    assert!((contrast.log_ratio - 2.0_f64.ln()).abs() < 1e-9, "{contrast:?}");
    assert!(Objective::Tail.contrast(&child, &control, None).is_ok());
}
