use super::*;
use std::num::NonZeroU8;

fn window(from_s: f64, length: f64, class: usize) -> TimelineWindow {
    TimelineWindow {
        from_s,
        to_s: from_s + length,
        kind: Some(Kind::of_index(class)),
        reads: 100,
        writes: 50,
        bytes: 150 * 4096,
        near_share: Some(0.25),
    }
}

fn chart(windows: impl Iterator<Item = TimelineWindow>) -> TimelineChart {
    let mut chart = TimelineChart::new("A timeline", "made up");
    windows.for_each(|window| chart.push(&window));
    chart
}

#[test]
fn the_unit_of_time_is_one_that_people_read() {
    for (seconds, unit) in [(0.1, "ms"), (10.0, "s"), (600.0, "min"), (43_200.0, "h"), (604_800.0, "d")] {
        let length = seconds / 100.0;
        let chart = chart((0..100).map(|index| window(f64::from(index) * length, length, 3)));
        let svg = chart.figure().unwrap().svg().unwrap();
        assert!(svg.contains(&format!("time since the start ({unit})")), "{seconds}");
    }
}

#[test]
fn a_week_of_seconds_is_bounded_and_loses_nothing() {
    let windows = 7 * 86_400_u32;
    let chart = chart((0..windows).map(|second| window(1e6 + f64::from(second), 1.0, 0)));
    assert!((700..=1_440).contains(&chart.bins.len()), "{}", chart.bins.len());
    let rate = chart.bins.iter().map(|(from, to, bin)| bin.rate.range(1.0).unwrap().mean * (to - from));
    let bytes = f64::from(windows) * 150.0 * 4096.0;
    assert!((rate.sum::<f64>() / bytes - 1.0).abs() < 1e-6);
    let svg = chart.figure().unwrap().svg().unwrap();
    assert!(svg.contains("bins is") && svg.len() < 2_000_000, "{}", svg.len());
}

#[test]
fn classes_differ_in_colour_or_height_and_are_named_in_the_legend() {
    let chart = chart((0..8).map(|class| window(class as f64, 1.0, class)));
    let svg = chart.figure().unwrap().svg().unwrap();
    for class in 0..8 {
        assert!(svg.contains(&Kind::of_index(class).name()), "{class}");
    }
    for one in 0..8 {
        for other in 0..one {
            let look = |index| (Kind::of_index(index).colour(), Kind::of_index(index).height());
            assert_ne!(look(one), look(other));
        }
    }
}

#[test]
fn the_class_of_a_bin_is_that_of_most_of_its_time() {
    let windows = (0..14_400).map(|second| window(f64::from(second), 1.0, usize::from(second % 4 == 0)));
    let chart = chart(windows);
    assert!(chart.bins.iter().all(|(_, _, bin)| bin.kind() == Some(Kind::of_index(0))));
}

#[test]
fn pauses_stay_empty_and_absurd_times_are_borne() {
    let paused = chart([0.0, 1.0, 100.0].into_iter().map(|at| window(at, 1.0, 5)));
    assert_eq!(
        paused.bins.iter().map(|(from, to, _)| (from, to)).collect::<Vec<_>>(),
        [(0.0, 1.0), (1.0, 2.0), (100.0, 101.0)]
    );
    let jumping = chart([0.0, 1.8e10, 5.0, f64::NAN].into_iter().map(|at| window(at, 1.0, 5)));
    assert_eq!((jumping.bins.len(), jumping.bins.left_out()), (2, 2));
    assert!(jumping.figure().unwrap().svg().unwrap().contains("2 windows out of order"));
}

#[test]
fn without_a_window_it_says_so_and_a_raster_can_be_made_of_any() {
    let empty = TimelineChart::new("Nothing", "").figure().unwrap();
    assert!(empty.svg().unwrap().contains("no data"));
    let unknown = TimelineWindow { kind: None, near_share: None, reads: 1, writes: 0, ..window(0.0, 1.0, 0) };
    for figure in [empty, chart([unknown].into_iter()).figure().unwrap()] {
        assert!(figure.png(NonZeroU8::MIN).unwrap().starts_with(b"\x89PNG"));
    }
}
