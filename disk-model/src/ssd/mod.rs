//! Flash disks, behind SATA or PCI Express.
//!
//! # How one works
//!
//! - **Controller.** Every command takes a turn of `read_command_ns` or `write_command_ns` in the controller, one after
//!   the other; this is what limits small commands at great depth. What overlaps (protocol, interrupt, look-up of the
//!   mapping) is in `read_latency_ns` and `write_latency_ns`.
//! - **Dies.** A read goes to the die that its page lies on and waits there for what the die is doing. Neighbouring
//!   pages lie on neighbouring dies, so that one long read uses many of them; the place of a stripe of pages is drawn
//!   by a hash, as log-structured mapping leaves it after a while.
//! - **Link.** Data cross a link of `link_bytes_per_s`: one for both directions (SATA), or one each (PCI Express).
//! - **Write buffer.** A write is done when the buffer has it. The buffer is written to the dies in turn, in units of
//!   `program_bytes`, at `program_bytes_per_s`; where it is full, writes wait for programs to end: the stall. A die
//!   serves reads before programs, but a read waits for the program that has begun; while writes are stalled the two
//!   take turns, as else reads could starve them.
//! - **SLC cache.** While `slc_cache_bytes` last, units are programmed in `slc_program_ns`; then in `program_ns`. What
//!   the cache holds is folded into the rest at `slc_fold_bytes_per_s` while no writes come.
//! - **Garbage collection** is not simulated block by block. A small write that continues no recent one costs
//!   `random_write_amplification` times its length in programs (where it does not go to the SLC cache), which is what
//!   the steady state of a drive shows; see Desnoyers, "Analytic Models of SSD Write Performance", ACM TOS 10(2), 2014.
//! - **Flush and FUA** wait until the programs of the writes before them ended; where the buffer is protected against
//!   the loss of power, they end at once.
//!
//! Left out: channels (together they are faster than the link of any drive calibrated here; a page's way over its own
//! is in `page_read_ns`), hits in the buffer, read-ahead, wear and temperature.

mod buffer;
mod die;
mod disk;

pub use disk::{Link, Ssd};

use crate::params::declare::{Named, OneOf, parameters};
use serde::{Deserialize, Serialize};

/// What a loss of power does to the write buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "String")]
pub enum WriteBuffer {
    /// It is lost: the disk has a volatile write cache, and flushes and FUA cost.
    Volatile,
    /// Capacitors save it: nothing completed is ever lost, and flushes and FUA are free.
    Protected,
}

impl Named for WriteBuffer {
    const NAMES: &'static [(&'static str, Self)] =
        &[("volatile", Self::Volatile), ("protected", Self::Protected)];
}

impl TryFrom<String> for WriteBuffer {
    type Error = String;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::of_name(&name)
    }
}

parameters! {
    /// The parameters of a flash disk.
    pub struct SsdParams, read as RawSsd {
        /// How many commands its driver has in flight at most: 32 with SATA's native command queuing; 1023 with Linux'
        /// NVMe driver by default (a queue of 1024, one of them kept empty).
        queue_depth: u32 = 1..=65_535,
        /// Dies that work independently of each other.
        dies: u32 = 1..=4_096,
        /// What a die reads at once.
        page_bytes: u64 = 4_096..=1_048_576,
        /// How long that takes, with the page's way to the controller.
        page_read_ns: u64 = 1_000..=10_000_000,
        /// How far single reads of a page differ from that, in either direction, evenly spread.
        page_read_spread_percent: u64 = 0..=100,
        /// What a die programs at once: a page of all bits of its cells on all its planes.
        program_bytes: u64 = 4_096..=16_777_216,
        /// How long that takes.
        program_ns: u64 = 1_000..=100_000_000,
        /// The rate at which the controller hands data to the dies; where it is slower than the dies, it is what the
        /// disk sustains.
        program_bytes_per_s: u64 = 1_000_000..=1_000_000_000_000,
        /// How much is programmed faster, with one bit to a cell, before it has to be folded; none where 0.
        slc_cache_bytes: u64 = 0..=1_099_511_627_776,
        /// How long `program_bytes` take there.
        slc_program_ns: u64 = 1_000..=100_000_000,
        /// The rate at which the controller hands data to the SLC cache.
        slc_program_bytes_per_s: u64 = 1_000_000..=1_000_000_000_000,
        /// How fast the SLC cache empties while no writes come.
        slc_fold_bytes_per_s: u64 = 1_000_000..=100_000_000_000,
        /// Bytes programmed for every byte of a small write at a new place, in the steady state.
        random_write_amplification: f64 = 1.0..=100.0,
        /// How much data the controller holds that is not programmed yet.
        write_buffer_bytes: u64 = 65_536..=17_179_869_184,
        /// Whether a loss of power loses them.
        write_buffer: WriteBuffer = OneOf,
        /// What the link carries in one direction, without its own overhead.
        link_bytes_per_s: u64 = 1_000_000..=1_000_000_000_000,
        /// A read's turn in the controller.
        read_command_ns: u64 = 1..=1_000_000,
        /// A write's turn in the controller; that of any other command as well.
        write_command_ns: u64 = 1..=1_000_000,
        /// What a read takes besides its turn, the die and the link.
        read_latency_ns: u64 = 0..=10_000_000,
        /// What any other command takes besides its turn and the link.
        write_latency_ns: u64 = 0..=10_000_000,
    }
}
