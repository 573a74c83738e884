//! A trace by its fingerprints: which stretches of it are what kind of work.

use super::evaluate::places;
use block_types::{Nanos, Sectors};
use fingerprint::{Class, Rule, Thresholds, Tracker, WindowPolicy, WindowVerdict};
use replay::{Trace, TraceBio};
use std::collections::BTreeMap;
use std::ops::Range;

/// The pieces of one fingerprint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pieces {
    /// To search on.
    pub training: Vec<Trace>,
    /// To measure the gain on.
    pub held_out: Vec<Trace>,
    /// Bios of this fingerprint, in pieces or not.
    pub bios: u64,
}

/// How many pieces a fingerprint is cut into, if it has bios enough.
const PIECES: usize = 16;
/// Bios that a piece has at least: a hard disk's write cache is full after some hundreds.
const LEAST_BIOS: usize = 1_000;

/// Cuts a trace by its fingerprints. Windows are those of the daemon; neighbours of one fingerprint are put together
/// into pieces, of which every other one is for training.
#[must_use]
pub fn by_fingerprint(trace: &Trace) -> BTreeMap<Class, Pieces> {
    let stretches = stretches(trace.bios());
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for (class, stretch) in &stretches {
        *counts.entry(*class).or_default() += stretch.len();
    }
    let mut found: BTreeMap<Class, Pieces> = BTreeMap::new();
    let mut open: BTreeMap<Class, usize> = BTreeMap::new();
    for (class, stretch) in stretches {
        let pieces = found.entry(class).or_default();
        pieces.bios += stretch.len() as u64;
        let all = counts.get(&class).copied().unwrap_or(0);
        let each = (all / PIECES).max(LEAST_BIOS);
        for places in places(stretch, each) {
            let number = open.entry(class).or_default();
            let side = if number.is_multiple_of(2) { &mut pieces.training } else { &mut pieces.held_out };
            side.push(trace.part(places));
            *number += 1;
        }
    }
    found
}

/// Neighbouring windows of one fingerprint; a window without one goes to its neighbour.
fn stretches(bios: &[TraceBio]) -> Vec<(Class, Range<usize>)> {
    let (policy, thresholds) = (WindowPolicy::default(), Thresholds::default());
    let mut tracker = Tracker::new(thresholds);
    let mut found: Vec<(Class, usize, usize)> = Vec::new();
    let (mut first, mut opened) = (0, Nanos::ZERO);
    for (index, bio) in bios.iter().enumerate() {
        // A window that is full ends before this bio.
        let verdict = policy.verdict(opened, bio.at, tracker.snapshot());
        if index > first && matches!(verdict, WindowVerdict::Close(_)) {
            close(&mut found, tracker.take().classify(Rule::Ours, &thresholds), first, index);
            (first, opened) = (index, bio.at);
        }
        tracker.observe(bio.op, bio.sector, Sectors(bio.sectors.into()), bio.sync);
    }
    if first < bios.len() {
        close(&mut found, tracker.take().classify(Rule::Ours, &thresholds), first, bios.len());
    }
    found.into_iter().map(|(class, from, to)| (class, from..to)).collect()
}

fn close(found: &mut Vec<(Class, usize, usize)>, class: Option<Class>, first: usize, end: usize) {
    match (found.last_mut(), class) {
        (Some((last, _, to)), class) if class.is_none_or(|class| class == *last) => *to = end,
        (_, Some(class)) => found.push((class, first, end)),
        (_, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::{Op, Sector};
    use replay::StreamId;

    fn bio(at_ms: u64, op: Op, sector: u64) -> TraceBio {
        TraceBio {
            at: Nanos::from_millis(at_ms),
            completed: None,
            sector: Sector(sector),
            sectors: 8,
            stream: StreamId(0),
            op,
            sync: true,
        }
    }

    #[test]
    fn work_that_changes_is_cut_where_it_changes_and_nothing_is_in_both_parts() {
        let place = |i: u64| (i * 7_919_777) % 1_000_000_000;
        let mut bios: Vec<TraceBio> = (0..8_000).map(|i| bio(i * 2, Op::Read, place(i))).collect();
        bios.extend((0..8_000).map(|i| bio(16_000 + i * 2, Op::Write, 1_000_000 + i * 8)));
        let found = by_fingerprint(&Trace::new(bios));
        let names: Vec<&str> = found.keys().map(|class| class.name()).collect();
        assert_eq!(names, ["read-random-small", "write-sequential-small"]);
        for pieces in found.values() {
            assert!(pieces.training.len() >= 4 && pieces.held_out.len() >= 4, "{pieces:?}");
            let bios: usize = pieces.training.iter().chain(&pieces.held_out).map(Trace::len).sum();
            assert!(bios as u64 <= pieces.bios && bios as u64 + 2_000 > pieces.bios);
        }
    }

    #[test]
    fn too_little_for_two_pieces_leaves_nothing_held_out() {
        let bios = (0..300).map(|i| bio(i * 2, Op::Read, (i * 7_919_777) % 1_000_000_000)).collect();
        let found = by_fingerprint(&Trace::new(bios));
        assert!(found.values().all(|pieces| pieces.held_out.is_empty()));
    }
}
