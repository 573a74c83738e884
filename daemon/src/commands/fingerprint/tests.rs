//! Watching under a virtual clock, with a source that plays a script.

use super::*;
use crate::run::VirtualClock;
use block_types::DevNo;
use sampler::{Completed, InFlight, SourceKind};
use std::sync::Arc;
use std::sync::mpsc::channel;

const DEV: DevNo = DevNo::new(7, 7);

/// `rate` random reads of 4 KiB a second, or as many requests without bios.
#[derive(Debug)]
struct Script {
    clock: Arc<VirtualClock>,
    rate: u64,
    sees_bios: bool,
}

impl Source for Script {
    fn kind(&self) -> SourceKind {
        SourceKind::Bpf
    }

    fn read(&self, _disk: DevNo) -> Result<Sample, SamplerError> {
        let at = self.clock.now();
        let reads = at.0 / 1_000_000 * self.rate / 1_000;
        let bios = Snapshot {
            reads,
            read_sectors: reads * 8,
            gaps: reads,
            gap_sum_sectors: u128::from(reads) * 5_000,
            distance_sum_sectors: u128::from(reads) * 100_000,
            sync: reads,
            ..Snapshot::default()
        };
        Ok(Sample {
            at,
            observed: at,
            first_bio_at: None,
            bios: self.sees_bios.then_some(bios),
            completed: Completed { reads, read_sectors: reads * 8, ..Completed::default() },
            latency: None,
            in_flight: InFlight::default(),
            io_ticks: at,
            time_in_queue: at,
            errors: None,
        })
    }

    fn set_active(&self, _disk: DevNo, _active: bool) -> Result<(), SamplerError> {
        Ok(())
    }
}

fn watch(rate: u64, sees_bios: bool, length: Nanos) -> (Vec<WindowLine>, Nanos) {
    let clock = Arc::new(VirtualClock::starting_at(Nanos::SECOND));
    let source = Script { clock: clock.clone(), rate, sees_bios };
    let config = Config::default();
    let mut lines = Vec::new();
    let (_sender, stop) = channel();
    let count = Watch { source: &source, dev: DEV, config: &config }
        .run(&clock, Some(length), &stop, &mut |line| {
            lines.push(line.clone());
            Ok(())
        })
        .unwrap();
    assert_eq!(count as usize, lines.len());
    (lines, clock.now() - Nanos::SECOND)
}

#[test]
fn a_busy_disk_has_four_windows_a_second_until_the_time_is_up() {
    let (lines, took) = watch(10_000, true, Nanos::from_millis(10_000));
    assert_eq!(took, Nanos::from_millis(10_000));
    assert!((39..=40).contains(&lines.len()), "{}", lines.len());
    for line in &lines {
        assert_eq!(line.class.map(fingerprint::Class::name), Some("read-random-small"));
        assert_eq!(line.reads, 2_500);
    }
    assert!(
        lines.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns),
        "no time is lost between windows"
    );
}

#[test]
fn a_slow_disk_has_longer_windows_and_an_idle_one_has_none() {
    let (slow, _) = watch(20, true, Nanos::from_millis(10_000));
    assert!(slow.iter().all(|line| line.end_ns - line.start_ns >= Nanos::from_millis(750)), "{slow:?}");
    assert!(!slow.is_empty());
    let (idle, took) = watch(0, true, Nanos::from_millis(3_600_000));
    assert!(idle.is_empty());
    assert_eq!(took, Nanos::from_millis(3_600_000));
}

#[test]
fn a_source_without_bios_says_what_it_knows_and_nulls_the_rest() {
    let (lines, _) = watch(10_000, false, Nanos::from_millis(1_000));
    let json = serde_json::to_value(&lines[0]).unwrap();
    assert_eq!(
        (&json["reads"], &json["read_sectors"], &json["type"]),
        (&2_500.into(), &20_000.into(), &"read".into())
    );
    for unknown in ["near_share", "mean_gap_sectors", "mean_size_sectors", "pattern", "size", "class"] {
        assert!(json[unknown].is_null(), "{unknown}: {}", json[unknown]);
    }
}

#[test]
fn a_signal_ends_the_watching_at_once() {
    let clock = Arc::new(VirtualClock::starting_at(Nanos::SECOND));
    let source = Script { clock: clock.clone(), rate: 1_000, sees_bios: true };
    let (sender, stop) = channel();
    sender.send(()).unwrap();
    let config = Config::default();
    let watch = Watch { source: &source, dev: DEV, config: &config };
    assert_eq!(watch.run(&clock, None, &stop, &mut |_| Ok(())).unwrap(), 0);
}

#[test]
fn lines_for_people_line_up_and_lines_for_programs_have_the_agreed_keys() {
    let (lines, _) = watch(10_000, true, Nanos::from_millis(1_000));
    let print = |json| {
        let mut out = Vec::new();
        let mut printer = Printer { json, begun: None, out: &mut out };
        lines.iter().for_each(|line| printer.print(line).unwrap());
        String::from_utf8(out).unwrap()
    };
    let people = print(false);
    let widths: Vec<usize> = people.lines().map(str::len).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{people}");
    for line in print(true).lines() {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        for key in [
            "start_ns",
            "end_ns",
            "reads",
            "writes",
            "read_sectors",
            "write_sectors",
            "near_share",
            "mean_gap_sectors",
            "mean_size_sectors",
            "type",
            "pattern",
            "size",
            "class",
        ] {
            assert!(object.contains_key(key), "{key} is not in {line}");
        }
    }
}
