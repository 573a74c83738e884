//! A window as users see it.

use crate::{Class, IoType, Pattern, Rule, Size, Snapshot, Thresholds};
use block_types::Nanos;
use serde::{Deserialize, Serialize};

/// One window: what was counted, and what it was called. A line of `tunerd fingerprint --json`.
///
/// What is not known is `null`: shares and means without a bio to take them of, the pattern and so the class
/// where no distance was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowLine {
    /// When the window was opened, `CLOCK_MONOTONIC`, ns.
    pub start_ns: Nanos,
    /// When it was closed.
    pub end_ns: Nanos,
    /// Data bios that read.
    pub reads: u64,
    /// Data bios that write.
    pub writes: u64,
    /// Sectors read.
    pub read_sectors: u64,
    /// Sectors written.
    pub write_sectors: u64,
    /// Share of data bios near a stream end, 0‥1.
    pub near_share: Option<f64>,
    /// Mean start-to-start distance from the previous bio (the paper's), sectors.
    pub mean_gap_sectors: Option<f64>,
    /// Mean size of a data bio, sectors.
    pub mean_size_sectors: Option<f64>,
    /// Read or write.
    #[serde(rename = "type")]
    pub io_type: Option<IoType>,
    /// Sequential or random, by `rule`.
    pub pattern: Option<Pattern>,
    /// Small or large.
    pub size: Option<Size>,
    /// The fingerprint by `rule`.
    pub class: Option<Class>,
    /// The rule that gave `pattern` and `class`.
    pub rule: Rule,
    /// The fingerprint by our rule.
    pub class_ours: Option<Class>,
    /// The fingerprint by the paper's rule.
    pub class_paper_2006: Option<Class>,
    /// Mean distance from the nearest stream end (ours), sectors.
    pub mean_stream_gap_sectors: Option<f64>,
    /// Share of data bios that somebody waits for, 0‥1.
    pub sync_share: Option<f64>,
    /// Flushes.
    pub flushes: u64,
    /// Discards and secure erases.
    pub discards: u64,
    /// Operations of any other kind.
    pub others: u64,
}

impl WindowLine {
    /// The line of a window from `start` to `end` that counted `snapshot`.
    #[must_use]
    pub fn new(start: Nanos, end: Nanos, snapshot: &Snapshot, rule: Rule, thresholds: &Thresholds) -> Self {
        Self {
            start_ns: start,
            end_ns: end,
            reads: snapshot.reads,
            writes: snapshot.writes,
            read_sectors: snapshot.read_sectors,
            write_sectors: snapshot.write_sectors,
            near_share: snapshot.near_share(),
            mean_gap_sectors: snapshot.mean_gap_sectors(),
            mean_size_sectors: snapshot.mean_size_sectors(),
            io_type: snapshot.io_type(thresholds),
            pattern: snapshot.pattern(rule, thresholds),
            size: snapshot.size(thresholds),
            class: snapshot.classify(rule, thresholds),
            rule,
            class_ours: snapshot.classify(Rule::Ours, thresholds),
            class_paper_2006: snapshot.classify(Rule::Paper2006, thresholds),
            mean_stream_gap_sectors: snapshot.mean_stream_gap_sectors(),
            sync_share: snapshot.sync_share(),
            flushes: snapshot.flushes,
            discards: snapshot.discards,
            others: snapshot.others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tracker;
    use block_types::{Op, Sector, Sectors};

    fn line(snapshot: &Snapshot, rule: Rule) -> serde_json::Value {
        let line = WindowLine::new(Nanos(5), Nanos(250_000_005), snapshot, rule, &Thresholds::default());
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<WindowLine>(&text).unwrap(), line);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_has_the_keys_that_are_promised_in_their_order() {
        let mut tracker = Tracker::new(Thresholds::default());
        for number in 0..101 {
            tracker.observe(Op::Write, Sector(number * 256), Sectors(256), number % 4 == 0);
        }
        tracker.observe(Op::Flush, Sector(0), Sectors(0), true);
        let shown = line(tracker.snapshot(), Rule::Ours);
        for (key, expected) in [
            ("start_ns", "5"),
            ("end_ns", "250000005"),
            ("reads", "0"),
            ("writes", "101"),
            ("read_sectors", "0"),
            ("write_sectors", "25856"),
            ("near_share", "1.0"),
            ("mean_gap_sectors", "256.0"),
            ("mean_size_sectors", "256.0"),
            ("type", "\"write\""),
            ("pattern", "\"sequential\""),
            ("size", "\"large\""),
            ("class", "\"write-sequential-large\""),
            ("rule", "\"ours\""),
            ("class_ours", "\"write-sequential-large\""),
            ("class_paper_2006", "\"write-random-large\""),
            ("mean_stream_gap_sectors", "0.0"),
            ("flushes", "1"),
            ("discards", "0"),
            ("others", "0"),
        ] {
            assert_eq!(shown[key].to_string(), expected, "{key}");
        }
        let paper = line(tracker.snapshot(), Rule::Paper2006);
        assert_eq!((&paper["pattern"], &paper["class"]), (&"random".into(), &"write-random-large".into()));
        assert_eq!(paper["class_ours"], "write-sequential-large", "both are always shown");
    }

    #[test]
    fn what_is_not_known_is_null() {
        let idle = line(&Snapshot::default(), Rule::Ours);
        for key in ["near_share", "mean_gap_sectors", "mean_size_sectors", "type", "pattern", "size", "class"]
        {
            assert!(idle[key].is_null(), "{key} is {}", idle[key]);
        }
        let mut tracker = Tracker::new(Thresholds::default());
        tracker.observe(Op::Read, Sector(77), Sectors(8), true);
        let single = line(tracker.snapshot(), Rule::Ours);
        assert_eq!((&single["type"], &single["size"]), (&"read".into(), &"small".into()));
        assert!(single["pattern"].is_null() && single["class"].is_null());
    }
}
