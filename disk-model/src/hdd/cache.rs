//! The buffer: what was read ahead, and what was written and is not on the platter.

use super::geometry::Geometry;
use super::queue::Range;

/// Sectors that the buffer holds from earlier reads.
#[derive(Clone, Debug)]
pub(super) struct Segments {
    ranges: Vec<(u64, u64)>,
    next: usize,
    largest: u64,
}

impl Segments {
    /// So many segments, of at most so many sectors each.
    pub(super) fn new(count: usize, largest: u64) -> Self {
        Self { ranges: vec![(0, 0); count.max(1)], next: 0, largest }
    }

    pub(super) fn holds(&self, sector: u64, end: u64) -> bool {
        self.ranges.iter().any(|&(from, to)| from <= sector && end <= to)
    }

    /// Keeps the last sectors of a stream in place of the oldest segment.
    pub(super) fn keep(&mut self, from: u64, to: u64) {
        if from < to {
            self.ranges[self.next] = (from.max(to.saturating_sub(self.largest)), to);
            self.next = (self.next + 1) % self.ranges.len();
        }
    }

    /// Drops what is about to be overwritten.
    pub(super) fn drop_overlapping(&mut self, sector: u64, end: u64) {
        for range in &mut self.ranges {
            if range.0 < end && sector < range.1 {
                *range = (0, 0);
            }
        }
    }
}

/// Data that a write left in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) range: Range,
    /// The number of the first write in it.
    pub(super) number: u64,
}

/// What is dirty.
#[derive(Clone, Debug)]
pub(super) struct Dirty {
    extents: Vec<Extent>,
    /// Where each of them begins and ends: what every command is compared with, close together.
    spans: Vec<(u64, u64)>,
    /// Extents that are on their way to the platter: one or none.
    leaving: usize,
    /// Sectors of them, and of the one that is on its way to the platter.
    sectors: u64,
    largest: u64,
    most_sectors: u64,
    most_extents: usize,
    pressure_percent: u64,
}

/// Extents grow to a track or so; larger ones would hold the head for long.
const LARGEST_EXTENT: u64 = 2_048;

impl Dirty {
    pub(super) fn new(most_sectors: u64, most_extents: usize, pressure_percent: u64) -> Self {
        Self {
            extents: Vec::new(),
            spans: Vec::new(),
            leaving: 0,
            sectors: 0,
            largest: LARGEST_EXTENT,
            most_sectors,
            most_extents,
            pressure_percent,
        }
    }

    /// Takes a write, or says that there is no room. One that is larger than the cache fits when that is empty.
    pub(super) fn take(&mut self, geometry: &Geometry, sector: u64, sectors: u64, number: u64) -> bool {
        let end = sector + sectors;
        if self.holds(sector, end) {
            return true;
        }
        let room = self.sectors == 0 || self.sectors + sectors <= self.most_sectors;
        let before = self.spans.iter().position(|&(from, to)| to == sector && end - from <= self.largest);
        match before {
            Some(index) if room => {
                let range = &mut self.extents[index].range;
                *range = Range::new(geometry, range.sector, end - range.sector);
                self.spans[index].1 = range.end;
            }
            None if room && self.extents.len() + self.leaving < self.most_extents => {
                let range = Range::new(geometry, sector, sectors);
                self.spans.push((range.sector, range.end));
                self.extents.push(Extent { range, number });
            }
            _ => return false,
        }
        self.sectors += sectors;
        true
    }

    /// Whether all of it is dirty, and so in the buffer.
    pub(super) fn holds(&self, sector: u64, end: u64) -> bool {
        self.spans.iter().any(|&(from, to)| from <= sector && end <= to)
    }

    pub(super) fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Takes an extent out, to be written.
    pub(super) fn leave(&mut self, index: usize) -> Extent {
        self.leaving += 1;
        self.spans.swap_remove(index);
        self.extents.swap_remove(index)
    }

    /// An extent that left is on the platter.
    pub(super) fn written(&mut self, extent: &Extent) {
        self.leaving -= 1;
        self.sectors -= extent.range.end - extent.range.sector;
    }

    /// Whether it has to be emptied beside other commands.
    pub(super) fn presses(&self) -> bool {
        self.sectors * 100 >= self.most_sectors * self.pressure_percent
            || self.extents.len() as u64 * 100 >= self.most_extents as u64 * self.pressure_percent
    }
}
