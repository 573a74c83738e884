//! The table of recent stream ends.

use block_types::{Sector, Sectors};
use serde::{Deserialize, Serialize};

/// How many stream ends are remembered.
pub const STREAM_ENDS: usize = 16;

/// How far a data bio starts from what came before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// From the nearest remembered stream end, in either direction (ours); `None` for the first bio.
    pub nearest: Option<Sectors>,
    /// From the start of the previous data bio, in either direction (paper); `None` for the first bio.
    pub distance: Option<Sectors>,
}

/// The ends of the 16 streams that a disk served most recently.
///
/// A bio that starts near a remembered end continues that stream and moves its end; any other bio replaces the
/// end that was moved longest ago. So interleaved streams survive each other, and random bios wash out only
/// streams that have stopped. One table a disk, not one a CPU: a buffered writer migrates.
///
/// Flushes, discards and the like never come here: they carry no position that a head would move to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamTable {
    near: Sectors,
    /// End position, and when it was last moved (in bios).
    ends: Vec<(Sector, u64)>,
    previous: Option<Sector>,
    bios: u64,
}

impl StreamTable {
    /// An empty table in which a bio continues a stream if it starts at most `near` from its end.
    #[must_use]
    pub fn new(near: Sectors) -> Self {
        Self { near, ends: Vec::with_capacity(STREAM_ENDS), previous: None, bios: 0 }
    }

    /// Takes in one data bio and answers how far it was from what came before.
    pub fn observe(&mut self, sector: Sector, sectors: Sectors) -> Gap {
        let moved = (sector.offset(sectors), self.bios);
        self.bios += 1;
        let distance = self.previous.replace(sector).map(|previous| sector.distance(previous));
        let nearest =
            self.ends.iter_mut().map(|end| (sector.distance(end.0), end)).min_by_key(|(gap, _)| *gap);
        let gap = match nearest {
            Some((gap, end)) if gap <= self.near => {
                *end = moved;
                return Gap { nearest: Some(gap), distance };
            }
            far => far.map(|(gap, _)| gap),
        };
        if self.ends.len() < STREAM_ENDS {
            self.ends.push(moved);
        } else if let Some(oldest) = self.ends.iter_mut().min_by_key(|end| end.1) {
            *oldest = moved;
        }
        Gap { nearest: gap, distance }
    }

    /// Forgets everything: what follows was not seen to follow what came before (sampling was off meanwhile).
    pub fn restart(&mut self) {
        self.ends.clear();
        self.previous = None;
    }

    /// The threshold that the table was made with.
    #[must_use]
    pub const fn near(&self) -> Sectors {
        self.near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near_of(table: &mut StreamTable, sector: u64, sectors: u64) -> Option<bool> {
        let near = table.near();
        table.observe(Sector(sector), Sectors(sectors)).nearest.map(|gap| gap <= near)
    }

    #[test]
    fn the_first_bio_has_no_gap_and_the_next_two() {
        let mut table = StreamTable::new(Sectors(25));
        assert_eq!(table.observe(Sector(1000), Sectors(8)), Gap { nearest: None, distance: None });
        let next = table.observe(Sector(1008), Sectors(8));
        assert_eq!(next, Gap { nearest: Some(Sectors(0)), distance: Some(Sectors(8)) });
        let back = table.observe(Sector(0), Sectors(8));
        assert_eq!(back, Gap { nearest: Some(Sectors(1016)), distance: Some(Sectors(1008)) });
        table.restart();
        assert_eq!(table.observe(Sector(8), Sectors(8)), Gap::default());
    }

    #[test]
    fn near_is_up_to_and_with_25_sectors_in_either_direction() {
        for (start, near) in [(1008 + 25, true), (1008 - 25, true), (1008 + 26, false), (1008 - 26, false)] {
            let mut table = StreamTable::new(Sectors(25));
            table.observe(Sector(1000), Sectors(8));
            assert_eq!(near_of(&mut table, start, 8), Some(near), "{start}");
        }
    }

    #[test]
    fn sixteen_interleaved_streams_are_all_followed_and_seventeen_in_turn_are_not() {
        for (streams, expected) in [(16, true), (17, false)] {
            let mut table = StreamTable::new(Sectors(25));
            let mut all_near = true;
            for round in 0..20 {
                for stream in 0..streams {
                    let near = near_of(&mut table, stream * 1_000_000 + round * 256, 256);
                    all_near &= round == 0 || near == Some(true);
                }
            }
            assert_eq!(all_near, expected, "{streams} streams");
        }
    }

    #[test]
    fn a_live_stream_outlives_random_bios() {
        let mut table = StreamTable::new(Sectors(25));
        let mut seed = 1_u64;
        for round in 0..1_000 {
            let near = near_of(&mut table, 10_000_000_000 + round * 8, 8);
            assert!(round == 0 || near == Some(true), "lost in round {round}");
            for _ in 0..15 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                table.observe(Sector(seed >> 33), Sectors(8));
            }
        }
    }

    #[test]
    fn the_end_of_the_address_space_does_not_wrap() {
        let mut table = StreamTable::new(Sectors(25));
        table.observe(Sector(u64::MAX - 3), Sectors(8));
        assert_eq!(table.observe(Sector(0), Sectors(8)).nearest, Some(Sectors(u64::MAX)));
    }
}
