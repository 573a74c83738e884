//! What must hold for any bios in any order.

use block_types::{Op, Sector, Sectors};
use fingerprint::{ChangeDetector, Class, Profile, Rule, Snapshot, Thresholds, Tracker, Verdict};
use proptest::prelude::*;

type Bio = (Op, u64, u64, bool);

fn bio() -> impl Strategy<Value = Bio> {
    let op = prop_oneof![
        4 => Just(Op::Read),
        4 => Just(Op::Write),
        1 => Just(Op::Flush),
        1 => Just(Op::Discard),
        1 => Just(Op::WriteZeroes),
        1 => Just(Op::Zone),
        1 => Just(Op::Other),
    ];
    // Few places close together, so that streams, near misses and repeats all come up; sometimes anywhere.
    let sector = prop_oneof![6 => 0_u64..2_000, 2 => 0_u64..(1 << 40), 1 => any::<u64>()];
    let sectors = prop_oneof![1 => Just(0_u64), 6 => 1_u64..64, 2 => 1_u64..100_000];
    (op, sector, sectors, any::<bool>())
}

fn bios() -> impl Strategy<Value = Vec<Bio>> {
    prop::collection::vec(bio(), 0..60)
}

fn watch(tracker: &mut Tracker, bios: &[Bio]) {
    for &(op, sector, sectors, sync) in bios {
        tracker.observe(op, Sector(sector), Sectors(sectors), sync);
    }
}

fn snapshot(bios: &[Bio]) -> Snapshot {
    let mut tracker = Tracker::new(Thresholds::default());
    watch(&mut tracker, bios);
    tracker.take()
}

fn sum(one: &Snapshot, other: &Snapshot) -> Snapshot {
    let mut both = one.clone();
    both.consolidate(other);
    both
}

/// The paper's own arithmetic: running means, updated bio by bio and combined weighted by their counts.
#[derive(Clone, Copy, Default)]
struct RunningMeans {
    reads: f64,
    writes: f64,
    distance: (f64, f64),
    size: (f64, f64),
}

impl RunningMeans {
    fn update(&mut self, write: bool, distance: Option<u64>, sectors: u64) {
        if write {
            self.writes += 1.0;
        } else {
            self.reads += 1.0;
        }
        for (mean, value) in
            [(&mut self.distance, distance.map(|it| it as f64)), (&mut self.size, Some(sectors as f64))]
        {
            if let Some(value) = value {
                mean.1 += 1.0;
                mean.0 += (value - mean.0) / mean.1;
            }
        }
    }

    fn consolidate(&mut self, child: &Self) {
        self.reads += child.reads;
        self.writes += child.writes;
        for (mine, theirs) in [(&mut self.distance, child.distance), (&mut self.size, child.size)] {
            let count = mine.1 + theirs.1;
            if count > 0.0 {
                *mine = ((mine.0 * mine.1 + theirs.0 * theirs.1) / count, count);
            }
        }
    }

    /// `None` where rounding decides: a mean within a millionth of its threshold.
    fn class(&self) -> Option<Option<Class>> {
        let close = |mean: f64, threshold: f64| (mean / threshold - 1.0).abs() < 1e-6;
        if close(self.distance.0, 25.0) || close(self.size.0, 8.0) {
            return None;
        }
        if self.distance.1 < 1.0 {
            return Some(None);
        }
        let name = format!(
            "{}-{}-{}",
            if self.reads > 2.0 * self.writes { "read" } else { "write" },
            if self.distance.0 > 25.0 { "random" } else { "sequential" },
            if self.size.0 > 8.0 { "large" } else { "small" },
        );
        Some(name.parse().ok())
    }
}

proptest! {
    #[test]
    fn consolidation_is_associative_and_commutative_and_nothing_changes_nothing(
        a in bios(), b in bios(), c in bios(),
    ) {
        let (a, b, c) = (snapshot(&a), snapshot(&b), snapshot(&c));
        prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
        prop_assert_eq!(sum(&a, &b), sum(&b, &a));
        prop_assert_eq!(sum(&a, &Snapshot::default()), a);
    }

    #[test]
    fn n_children_consolidated_are_one_snapshot_of_all(
        all in prop::collection::vec(bio(), 0..120), cuts in prop::collection::vec(0_usize..400, 0..10),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(all.len())).collect();
        cuts.extend([0, all.len()]);
        cuts.sort_unstable();
        let mut tracker = Tracker::new(Thresholds::default());
        let mut generation = Snapshot::default();
        let mut child = Snapshot::default();
        for cut in cuts.windows(2) {
            watch(&mut tracker, &all[cut[0]..cut[1]]);
            child.consolidate(&tracker.take());
            generation.consolidate(&child);
            child.reset();
        }
        prop_assert_eq!(generation, snapshot(&all));
    }

    #[test]
    fn a_difference_undoes_an_addition_and_never_wraps(a in bios(), b in bios()) {
        let (a, b) = (snapshot(&a), snapshot(&b));
        let both = sum(&a, &b);
        prop_assert_eq!(both.since(&a), Some(b.clone()));
        prop_assert_eq!(a.since(&both).is_some(), b.is_empty());
    }

    #[test]
    fn the_papers_class_is_that_of_running_means_and_weighted_consolidation(
        children in prop::collection::vec(bios(), 1..5),
    ) {
        let mut tracker = Tracker::new(Thresholds::default());
        let mut generation = Snapshot::default();
        let mut previous = None::<u64>;
        let mut means = RunningMeans::default();
        for child in &children {
            watch(&mut tracker, child);
            generation.consolidate(&tracker.take());
            let mut its_means = RunningMeans::default();
            for &(op, sector, sectors, _) in child {
                if op.is_data() && sectors > 0 {
                    let distance = previous.replace(sector).map(|previous| previous.abs_diff(sector));
                    its_means.update(op == Op::Write, distance, sectors);
                }
            }
            means.consolidate(&its_means);
        }
        if let Some(expected) = means.class() {
            prop_assert_eq!(generation.classify(Rule::Paper2006, &Thresholds::default()), expected);
        }
    }

    #[test]
    fn counts_agree_with_each_other(bios in bios()) {
        let seen = snapshot(&bios);
        prop_assert_eq!(seen.size_log2.iter().sum::<u64>(), seen.data_bios());
        prop_assert_eq!(seen.gap_log2.iter().sum::<u64>(), seen.gaps);
        prop_assert_eq!(seen.gaps, seen.data_bios().saturating_sub(1));
        prop_assert!(seen.near <= seen.gaps && seen.sync <= seen.data_bios());
        let counted = seen.data_bios() + seen.flushes + seen.discards + seen.others;
        prop_assert_eq!(counted, bios.len() as u64);
        prop_assert!(seen.gap_sum_sectors <= u128::from(u64::MAX) * 200);
    }

    #[test]
    fn a_snapshot_survives_json(bios in bios()) {
        let seen = snapshot(&bios);
        let text = serde_json::to_string(&seen).unwrap();
        prop_assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), seen);
    }

    #[test]
    fn features_are_shares_and_their_distance_is_a_metric(a in bios(), b in bios(), c in bios()) {
        let profile = |bios: &[Bio]| Profile::of(&snapshot(bios));
        if let (Some(a), Some(b), Some(c)) = (profile(&a), profile(&b), profile(&c)) {
            prop_assert!(a.features().iter().all(|it| (0.0..=1.0).contains(it)), "{a:?}");
            prop_assert!(a.distance(&a) < 1e-12);
            prop_assert!((a.distance(&b) - b.distance(&a)).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&a.distance(&b)));
            prop_assert!(a.distance(&c) <= a.distance(&b) + b.distance(&c) + 1e-12);
        }
    }

    #[test]
    fn a_change_needs_as_many_equal_windows_in_a_row_as_the_debounce_and_no_more(
        windows in prop::collection::vec(prop::option::of(0_usize..3), 0..60), debounce in 1_u32..4,
    ) {
        let mut detector = ChangeDetector::new(debounce);
        let (mut busy, mut current) = (Vec::new(), None);
        for window in windows {
            let class = window.map(|index| Class::ALL[index]);
            let verdict = detector.observe(class);
            let Some(class) = class else {
                let changed = matches!(verdict, Verdict::Changed { .. });
                prop_assert!(!changed);
                continue;
            };
            busy.push(class);
            let run = busy.iter().rev().take_while(|&&before| before == class).count();
            let expected = if current == Some(class) {
                Verdict::Same
            } else if run >= debounce as usize {
                Verdict::Changed { from: current.replace(class), to: class }
            } else {
                Verdict::Pending { candidate: class }
            };
            prop_assert_eq!(verdict, expected);
            prop_assert_eq!(detector.current(), current);
        }
    }
}

#[test]
fn a_snapshot_with_too_few_buckets_is_refused() {
    let mut json = serde_json::to_value(Snapshot::default()).unwrap();
    json["gap_log2"] = serde_json::json!([1, 2, 3]);
    let error = serde_json::from_value::<Snapshot>(json).unwrap_err().to_string();
    assert!(error.contains("found 3 buckets, expected 48"), "{error}");
}

#[test]
fn buckets_are_where_the_kernel_side_puts_them() {
    for (sectors, size, gap) in [
        (0, 0, 0),
        (1, 0, 1),
        (2, 1, 2),
        (3, 1, 2),
        (8, 3, 4),
        (2_048, 11, 12),
        (65_535, 15, 16),
        (65_536, 15, 17),
        (1 << 46, 15, 47),
        (1 << 47, 15, 47),
        (u64::MAX, 15, 47),
    ] {
        let found = (Snapshot::size_bucket(Sectors(sectors)), Snapshot::gap_bucket(Sectors(sectors)));
        assert_eq!(found, (size, gap), "{sectors} sectors");
    }
}
