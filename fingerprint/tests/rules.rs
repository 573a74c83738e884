//! The two rules on workloads that tell them apart, and each at the edge of its thresholds.

use block_types::{Op, Sector, Sectors};
use fingerprint::{Class, IoType, Pattern, Rule, Size, Snapshot, Thresholds, Tracker};

fn snapshot_of(bios: impl IntoIterator<Item = (Op, u64, u64)>) -> Snapshot {
    let mut tracker = Tracker::new(Thresholds::default());
    for (op, sector, sectors) in bios {
        tracker.observe(op, Sector(sector), Sectors(sectors), true);
    }
    tracker.take()
}

fn names(snapshot: &Snapshot) -> (&'static str, &'static str) {
    let class = |rule| snapshot.classify(rule, &Thresholds::default()).map_or("none", Class::name);
    (class(Rule::Ours), class(Rule::Paper2006))
}

#[test]
fn a_sequential_stream_of_128_kib_is_sequential_to_ours_and_random_to_the_paper() {
    let stream = snapshot_of((0..1_000).map(|number| (Op::Read, number * 256, 256)));
    assert_eq!(names(&stream), ("read-sequential-large", "read-random-large"));
    assert_eq!(stream.mean_gap_sectors(), Some(256.0), "start to start it is the size of a bio");
    assert_eq!(stream.mean_stream_gap_sectors(), Some(0.0));
    assert_eq!(stream.near_share(), Some(1.0));
}

#[test]
fn one_page_streams_and_random_pages_are_alike_to_both() {
    let stream = snapshot_of((0..1_000).map(|number| (Op::Write, number * 8, 8)));
    assert_eq!(names(&stream), ("write-sequential-small", "write-sequential-small"));
    let random = snapshot_of((0..1_000).map(|number| (Op::Read, number * 7_919_993 % (1 << 30), 8)));
    assert_eq!(names(&random), ("read-random-small", "read-random-small"));
}

#[test]
fn one_far_jump_outweighs_hundreds_of_near_ones_in_the_papers_mean_only() {
    let mut bios: Vec<_> = (0..500).map(|number| (Op::Read, number * 8, 8)).collect();
    bios.insert(250, (Op::Read, 1 << 30, 8));
    assert_eq!(names(&snapshot_of(bios)), ("read-sequential-small", "read-random-small"));
}

#[test]
fn interleaved_streams_are_sequential_to_ours_only() {
    for streams in [4, 16] {
        let bios =
            (0..400).flat_map(|round| (0..streams).map(move |it| (Op::Read, (it << 24) + round * 8, 8)));
        assert_eq!(names(&snapshot_of(bios)), ("read-sequential-small", "read-random-small"), "{streams}");
    }
}

#[test]
fn a_reader_that_takes_every_other_block_is_random_to_both() {
    let bios = (0..400).map(|number| (Op::Read, number * 512, 256));
    assert_eq!(names(&snapshot_of(bios)), ("read-random-large", "read-random-large"));
}

#[test]
fn each_dimension_flips_just_above_its_threshold() {
    let thresholds = Thresholds::default();
    let io_type = |reads, writes| Snapshot { reads, writes, ..Snapshot::default() }.io_type(&thresholds);
    assert_eq!(io_type(200, 100), Some(IoType::Write), "twice as many is not more than twice as many");
    assert_eq!(io_type(201, 100), Some(IoType::Read));
    assert_eq!(io_type(1, 0), Some(IoType::Read));
    assert_eq!(io_type(0, 1), Some(IoType::Write));
    assert_eq!(io_type(0, 0), None);

    let size = |sectors| {
        Snapshot { reads: 10, writes: 10, read_sectors: 80, write_sectors: sectors, ..Snapshot::default() }
            .size(&thresholds)
    };
    assert_eq!((size(80), size(81)), (Some(Size::Small), Some(Size::Large)), "a mean of one page is small");

    let paper = |distance| {
        Snapshot { gaps: 1_000, distance_sum_sectors: distance, ..Snapshot::default() }
            .pattern(Rule::Paper2006, &thresholds)
    };
    assert_eq!((paper(25_000), paper(25_001)), (Some(Pattern::Sequential), Some(Pattern::Random)));

    let ours = |near| Snapshot { gaps: 1_000, near, ..Snapshot::default() }.pattern(Rule::Ours, &thresholds);
    assert_eq!((ours(500), ours(499)), (Some(Pattern::Sequential), Some(Pattern::Random)));
}

#[test]
fn a_bio_25_sectors_from_a_stream_end_is_near_and_one_farther_is_not() {
    for (gap, near) in [(25, 99), (26, 0)] {
        let seen = snapshot_of((0..100).map(|number| (Op::Read, number * (8 + gap), 8)));
        assert_eq!((seen.near, seen.gaps), (near, 99), "{gap}");
    }
}

#[test]
fn thresholds_are_what_decides() {
    let snapshot = Snapshot {
        reads: 60,
        writes: 40,
        read_sectors: 1_600,
        gaps: 100,
        near: 60,
        distance_sum_sectors: 25_600,
        ..Snapshot::default()
    };
    assert_eq!(names(&snapshot), ("write-sequential-large", "write-random-large"));
    let other = Thresholds {
        read_write_ratio: 1.0,
        near_share: 0.7,
        random_distance_sectors: Sectors(256),
        small_sectors: Sectors(16),
        ..Thresholds::default()
    };
    let class = |rule| snapshot.classify(rule, &other).map(Class::name);
    assert_eq!(class(Rule::Ours), Some("read-random-small"));
    assert_eq!(class(Rule::Paper2006), Some("read-sequential-small"));
}

#[test]
fn every_class_is_reached_by_both_rules() {
    for wanted in Class::ALL {
        let op = if wanted.io_type == IoType::Read { Op::Read } else { Op::Write };
        let sectors = if wanted.size == Size::Small { 8 } else { 16 };
        let stride = if wanted.pattern == Pattern::Sequential { sectors } else { 1_000_003 };
        let seen = snapshot_of((0..100).map(|number| (op, number * stride, sectors)));
        assert_eq!(names(&seen), (wanted.name(), wanted.name()));
    }
}
