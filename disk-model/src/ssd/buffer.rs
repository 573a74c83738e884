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
    /// How long it takes on its die.
    pub(super) time: u64,
    /// How long the controller takes to hand it over.
    pub(super) pace: u64,
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
    /// What a unit takes on its die, and the controller to hand over; in the SLC cache, and outside.
    slc: (u64, u64),
    full: (u64, u64),
    slc_capacity: u64,
    fold_bytes_per_s: u64,
    /// In 1/1024.
    amplification: u64,
    /// Bytes that the buffer holds.
    used: u64,
    /// Those among them that are in no unit yet, and what they cost on flash.
    open_host: u64,
    open_flash: u64,
    open_times: (u64, u64),
    /// Bytes taken so far, and up to which of them units are made even where they are not full.
    taken: u64,
    sealed: u64,
    slc_used: u64,
    /// When the last program ended with nothing left to do.
    idle_since: u64,
    next_number: u64,
    /// The units from `oldest` on: whether they are done, and the bytes taken up to their end.
    oldest: u64,
    units: VecDeque<(bool, u64)>,
    /// Up to which of the bytes taken everything is on flash.
    safe: u64,
    streams: [u64; STREAMS],
    next_stream: usize,
}

impl Buffer {
    pub(super) fn new(params: &SsdParams) -> Self {
        let pace = |bytes_per_s: u64| params.program_bytes * 1_000_000_000 / bytes_per_s;
        let slc = (params.slc_program_ns, pace(params.slc_program_bytes_per_s));
        let full = (params.program_ns, pace(params.program_bytes_per_s));
        Self {
            capacity: params.write_buffer_bytes.max(2 * params.program_bytes),
            unit: params.program_bytes,
            slc,
            full,
            slc_capacity: params.slc_cache_bytes,
            fold_bytes_per_s: params.slc_fold_bytes_per_s,
            amplification: (params.random_write_amplification * 1024.0).round() as u64,
            used: 0,
            open_host: 0,
            open_flash: 0,
            open_times: full,
            taken: 0,
            sealed: 0,
            slc_used: 0,
            idle_since: 0,
            next_number: 0,
            oldest: 0,
            units: VecDeque::new(),
            safe: 0,
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
        self.taken += bytes;
        self.open_host += bytes;
        if self.slc_used + bytes <= self.slc_capacity {
            self.slc_used += bytes;
            self.open_flash += bytes;
            self.open_times = self.slc;
        } else {
            let new_place = stream.is_none() && bytes < LARGE_BYTES;
            self.open_flash += if new_place { bytes * self.amplification / 1024 } else { bytes };
            self.open_times = self.full;
        }
    }

    /// The next unit, if there is a full one, or one that was sealed.
    pub(super) fn unit(&mut self) -> Option<Unit> {
        let host_bytes = if self.open_flash >= self.unit {
            let share = u128::from(self.open_host) * u128::from(self.unit) / u128::from(self.open_flash);
            self.open_flash -= self.unit;
            u64::try_from(share).unwrap_or(self.open_host)
        } else if self.open_host > 0 && self.taken - self.open_host < self.sealed {
            self.open_flash = 0;
            self.open_host
        } else {
            return None;
        };
        self.open_host -= host_bytes;
        self.units.push_back((false, self.taken - self.open_host));
        self.next_number += 1;
        let (time, pace) = self.open_times;
        Some(Unit { number: self.next_number - 1, host_bytes, time, pace })
    }

    /// Has units made of all that was taken so far, padded where they are not full, and says what [`Self::reached`]
    /// answers for when they are on flash.
    pub(super) fn seal(&mut self) -> u64 {
        self.sealed = self.taken;
        self.taken
    }

    /// A unit is on flash.
    pub(super) fn programmed(&mut self, now: u64, unit: Unit) {
        self.used -= unit.host_bytes;
        self.units[(unit.number - self.oldest) as usize].0 = true;
        while let Some(&(true, end)) = self.units.front() {
            self.units.pop_front();
            self.oldest += 1;
            self.safe = end;
        }
        if self.is_programmed() {
            self.idle_since = now;
        }
    }

    /// Whether every unit so far is on flash.
    pub(super) fn is_programmed(&self) -> bool {
        self.oldest == self.next_number
    }

    /// Whether everything up to a mark is on flash.
    pub(super) fn reached(&self, mark: u64) -> bool {
        self.safe >= mark
    }
}
