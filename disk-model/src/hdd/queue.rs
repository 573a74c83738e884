//! What waits for the head: queued commands and dirty data.

use super::geometry::{Geometry, Place};
use crate::CommandId;

/// A range of sectors that the head is to read or write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) sector: u64,
    pub(super) end: u64,
    pub(super) place: Place,
    /// Its start's angle, as a share of the revolution in ns.
    pub(super) angle_ns: u64,
    /// When a stream has passed all of it.
    pub(super) passed_ns: u64,
}

impl Range {
    pub(super) fn new(geometry: &Geometry, sector: u64, sectors: u64) -> Self {
        let end = sector + sectors.max(1);
        let place = geometry.place(sector);
        let angle_ns = place.passed_ns % geometry.revolution_ns;
        Self { sector, end, place, angle_ns, passed_ns: geometry.passed_before(end) }
    }

    /// How long a head that is at its start takes.
    pub(super) fn transfer_ns(&self) -> u64 {
        self.passed_ns - self.place.passed_ns
    }
}

/// A queued command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub(super) id: CommandId,
    pub(super) write: bool,
    pub(super) range: Range,
    /// When it came.
    pub(super) arrived: u64,
    /// When it can move the arm.
    pub(super) ready: u64,
}

/// Where the head is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) track: u64,
    pub(super) radius: u16,
}
