//! Rotating disks.
//!
//! # How one works
//!
//! - **Rotation.** Where the platter stands is a matter of time: a sector passes under the head once every revolution,
//!   at an angle that follows from its place on its track. Each track starts a little later than the one
//!   before (track skew), by the time that the head needs from one to the next, so that a stream goes on without
//!   losing a revolution.
//! - **Zones.** Outer tracks are longer and hold more sectors. The rate falls with the radius, and the radius with the
//!   square root of the area that lies outside, so that half of a disk's data is still read at well above the mean of
//!   both ends' rates.
//! - **Seeks.** Short ones are spent on accelerating and take the square root of the distance; long ones coast, and
//!   take time in proportion (Ruemmler and Wilkes, "An introduction to disk drive modeling", IEEE Computer 27(3),
//!   1994). The three figures that data sheets give (one track, mean, full stroke) fix the curve.
//! - **Queue.** Of the queued commands the one that can start first is served next (shortest access time first); one
//!   that has waited for `queue_age_bound_ms` goes before it, though never two such in a row, so that a queue in which
//!   all are old is not served in the order of arrival. Adjacent commands are served from the first of them on
//!   (Seltzer, Chen and Ousterhout, "Disk
//!   Scheduling Revisited", USENIX 1990; Worthington, Ganger and Patt, "Scheduling Algorithms for Modern Disk Drives",
//!   SIGMETRICS 1994).
//! - **Read-ahead.** After a read the head stays and reads on into a segment of the buffer until another command needs
//!   it; a read that goes on there waits only for the head to pass. Segments of streams that were left are kept.
//! - **Write cache.** With `write_cache = "write-back"` a write is done when the buffer has it. What is dirty goes to
//!   the platter when nothing else has come for `destage_idle_ms`, and beside other commands in the same queue when
//!   the cache is filled to `destage_pressure_percent`, when writes wait for room, or when a flush waits. FUA writes
//!   go through the queue. With `"write-through"` all writes do.
//!
//! # A small disk
//!
//! A model of 8 GiB has the tracks of the product it is calibrated to, but few of them. Seeks and zones therefore go
//! by the share of the disk: a tenth of its sectors is as far as a tenth of the product's.
//!
//! Left out: spare sectors and their remapping, thermal recalibration, media caches, shingled zones, and the heads:
//! a change of head is taken to cost what a change of track does.

mod cache;
mod disk;
mod geometry;
mod queue;
mod seek;
mod stream;

pub use disk::HardDisk;

use crate::params::declare::{Named, OneOf, parameters};
use serde::{Deserialize, Serialize};

/// Whether writes are done when the buffer has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "String")]
pub enum WriteCache {
    /// They are; a loss of power loses what is not flushed.
    WriteBack,
    /// They are done when the platter has them.
    WriteThrough,
}

impl Named for WriteCache {
    const NAMES: &'static [(&'static str, Self)] =
        &[("write-back", Self::WriteBack), ("write-through", Self::WriteThrough)];
}

impl TryFrom<String> for WriteCache {
    type Error = String;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::of_name(&name)
    }
}

parameters! {
    /// The parameters of a rotating disk.
    pub struct HddParams, read as RawHdd {
        /// How many commands its driver has in flight at most: 32 with SATA's native command queuing.
        queue_depth: u32 = 1..=65_535,
        /// Revolutions per minute.
        rotation_rpm: u32 = 1_000..=30_000,
        /// The rate that a stream has on the outermost tracks, changes of track included.
        outer_bytes_per_s: u64 = 1_000_000..=2_000_000_000,
        /// The same on the innermost.
        inner_bytes_per_s: u64 = 1_000_000..=2_000_000_000,
        /// Groups of tracks with equally many sectors each.
        zones: u32 = 1..=256,
        /// From a track to the next, settled.
        single_track_seek_us: u64 = 10..=20_000,
        /// The mean over all pairs of tracks, settled for reading.
        average_seek_us: u64 = 100..=100_000,
        /// From the outermost track to the innermost.
        full_stroke_seek_us: u64 = 100..=200_000,
        /// What a write has to settle longer than a read after a seek over more than a track.
        write_settle_us: u64 = 0..=20_000,
        /// What a command takes before it can move the arm.
        command_overhead_us: u64 = 0..=20_000,
        /// What the link carries.
        link_bytes_per_s: u64 = 1_000_000..=100_000_000_000,
        /// A queued command that has waited for so long is served out of turn.
        queue_age_bound_ms: u64 = 1..=60_000,
        /// By how much the drive overestimates seeks when it chooses the next command, so as not to miss a sector by a
        /// hair and lose a revolution; the larger, the less a queue helps.
        positioning_margin_us: u64 = 0..=20_000,
        /// How far the head reads on after a read; not at all where 0.
        read_ahead_bytes: u64 = 0..=1_073_741_824,
        /// Streams whose data the buffer keeps.
        read_segments: u32 = 1..=256,
        /// Whether writes are done when the buffer has them.
        write_cache: WriteCache = OneOf,
        /// How much of the buffer writes may fill.
        write_cache_bytes: u64 = 1_048_576..=17_179_869_184,
        /// How many separate writes it keeps account of.
        write_cache_extents: u32 = 1..=65_536,
        /// How long nothing must have come before the cache is emptied unasked.
        destage_idle_ms: u64 = 0..=60_000,
        /// How full the cache is when it is emptied beside other commands.
        destage_pressure_percent: u64 = 1..=100,
    }
}
