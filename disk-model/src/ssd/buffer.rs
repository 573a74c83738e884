//! The write buffer: what it holds, in which units it is programmed, and up to which of them all are.

use super::SsdParams;
use std::collections::VecDeque;

/// What one program writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    /// Counts up from 0.
    number: u64,
    /// Bytes of the buffer that are free once it is done.
    host_bytes: u64,
    /// How long it takes.
    pub(super) time: u64,
}

/// Writes that go on from where a recent one ended cost no garbage collection; so many of them are remembered.
const STREAMS: usize = 8;
/// Nor do writes of this length, wherever they lie.
const LARGE_BYTES: u64 = 128 << 10;

/// The write buffer.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    capacity: u64,
    unit: u64,
    program_ns: u64,
    slc_program_ns: u64,
    slc_capacity: u64,
    fold_bytes_per_s: u64,
    /// In 1/1024.
    amplification: u64,
    /// Bytes that the buffer holds.
    used: u64,
    /// Those among them that are in no unit yet, and what they cost on flash.
    open_host: u64,
    open_flash: u64,
    open_time: u64,
    slc_used: u64,
    /// When the last program ended with nothing left to do.
    idle_since: u64,
    next_number: u64,
    /// Whether the units from `oldest` on are done.
    oldest: u64,
    done: VecDeque<bool>,
    streams: [u64; STREAMS],
    next_stream: usize,
}

impl Buffer {
    pub(super) fn new(params: &SsdParams) -> Self {
        Self {
            capacity: params.write_buffer_bytes.max(2 * params.program_bytes),
            unit: params.program_bytes,
            program_ns: params.program_ns,
            slc_program_ns: params.slc_program_ns,
            slc_capacity: params.slc_cache_bytes,
            fold_bytes_per_s: params.slc_fold_bytes_per_s,
            amplification: (params.random_write_amplification * 1024.0).round() as u64,
            used: 0,
            open_host: 0,
            open_flash: 0,
            open_time: params.program_ns,
            slc_used: 0,
            idle_since: 0,
            next_number: 0,
            oldest: 0,
            done: VecDeque::new(),
            streams: [u64::MAX; STREAMS],
            next_stream: 0,
        }
    }

    /// Whether `bytes` more fit. A write that is larger than the buffer fits when it is empty.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        self.used == 0 || self.used + bytes <= self.capacity
    }

    /// Takes a write at `now`.
    pub(super) fn take(&mut self, now: u64, sector: u64, sectors: u64, bytes: u64) {
        if self.is_programmed() && self.open_host == 0 {
            let idle = now.saturating_sub(self.idle_since);
            let folded = u128::from(idle) * u128::from(self.fold_bytes_per_s) / 1_000_000_000;
            self.slc_used = self.slc_used.saturating_sub(u64::try_from(folded).unwrap_or(u64::MAX));
        }
        let stream = self.streams.iter().position(|&end| end == sector);
        let entry = stream.unwrap_or_else(|| {
            self.next_stream = (self.next_stream + 1) % STREAMS;
            self.next_stream
        });
        self.streams[entry] = sector + sectors;

        self.used += bytes;
        self.open_host += bytes;
        if self.slc_used + bytes <= self.slc_capacity {
            self.slc_used += bytes;
            self.open_flash += bytes;
            self.open_time = self.slc_program_ns;
        } else {
            let new_place = stream.is_none() && bytes < LARGE_BYTES;
            self.open_flash += if new_place { bytes * self.amplification / 1024 } else { bytes };
            self.open_time = self.program_ns;
        }
    }

    /// The next full unit, if there is one.
    pub(super) fn unit(&mut self) -> Option<Unit> {
        if self.open_flash < self.unit {
            return None;
        }
        let share = u128::from(self.open_host) * u128::from(self.unit) / u128::from(self.open_flash);
        let host_bytes = u64::try_from(share).unwrap_or(self.open_host);
        self.open_host -= host_bytes;
        self.open_flash -= self.unit;
        Some(self.number(host_bytes))
    }

    /// What is left over as a unit that is padded, if anything is.
    pub(super) fn last_unit(&mut self) -> Option<Unit> {
        if self.open_host == 0 {
            return None;
        }
        let host_bytes = std::mem::take(&mut self.open_host);
        self.open_flash = 0;
        Some(self.number(host_bytes))
    }

    fn number(&mut self, host_bytes: u64) -> Unit {
        let number = self.next_number;
        self.next_number += 1;
        self.done.push_back(false);
        Unit { number, host_bytes, time: self.open_time }
    }

    /// A unit is on flash.
    pub(super) fn programmed(&mut self, now: u64, unit: Unit) {
        self.used -= unit.host_bytes;
        self.done[(unit.number - self.oldest) as usize] = true;
        while self.done.front() == Some(&true) {
            self.done.pop_front();
            self.oldest += 1;
        }
        if self.is_programmed() {
            self.idle_since = now;
        }
    }

    /// Whether every unit so far is on flash.
    pub(super) fn is_programmed(&self) -> bool {
        self.oldest == self.next_number
    }

    /// The number that the next unit will have: all before it are what a flush waits for.
    pub(super) fn mark(&self) -> u64 {
        self.next_number
    }

    /// Whether all units before a mark are on flash.
    pub(super) fn reached(&self, mark: u64) -> bool {
        self.oldest >= mark
    }
}
