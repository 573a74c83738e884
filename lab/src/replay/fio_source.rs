//! Processes as fio's are, as a source of simulated I/O.
//!
//! A process of fio with a depth submits until so many I/Os are in flight as far as it knows, and only then looks for
//! completions. Where a submission sleeps for a tag, completions wait to be noticed, and fio counts that: its latencies
//! are not the block layer's. So this source counts them in the same way.
//!
//! When its time is up, fio submits nothing more and waits for what is in flight: that counts no more, but the time does.
//!
//! A process that sleeps, for an I/O to be done or for a tag, takes a while to run again: the host's [`Turnaround`]. Which of
//! the processes is first to submit is random, as it is with fio's.

use block_types::{Bytes, LatencyHistogram, Nanos, Op, Sector, Sectors};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use replay::{Io, Source, StreamId, Token};
use std::collections::VecDeque;

/// How long a process that slept takes until it runs again: some quantiles, between which its logarithm is linear.
#[derive(Clone, Debug, PartialEq)]
pub struct Turnaround(Vec<(f64, Nanos)>);

impl Turnaround {
    /// The quantiles that it is given by.
    pub const QUANTILES: [f64; 6] = [0.0, 0.5, 0.9, 0.99, 0.999, 1.0];

    /// By these quantiles, one to each of [`Self::QUANTILES`] and none below the one before; `None` if they are not.
    #[must_use]
    pub fn new(quantiles: &[Nanos]) -> Option<Self> {
        let are = quantiles.len() == Self::QUANTILES.len() && quantiles.is_sorted();
        are.then(|| Self(Self::QUANTILES.into_iter().zip(quantiles.iter().copied()).collect()))
    }

    fn sample(&self, random: &mut ChaCha8Rng) -> Nanos {
        let place: f64 = random.random();
        let above = self.0.iter().position(|&(quantile, _)| place < quantile).unwrap_or(self.0.len() - 1);
        let ((low, from), (high, to)) = (self.0[above.saturating_sub(1)], self.0[above]);
        let share = if high > low { ((place - low) / (high - low)).clamp(0.0, 1.0) } else { 1.0 };
        let (from, to) = ((from.0.max(1) as f64).ln(), (to.0.max(1) as f64).ln());
        Nanos((from + share * (to - from)).exp() as u64)
    }
}

/// The processes of a job start within this.
const START: Nanos = Nanos(500_000);

/// One process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) sequential: bool,
    /// The share of reads, 0 to 1.
    pub(super) read_share: f64,
    pub(super) block: Bytes,
    pub(super) depth: u32,
    /// The first sector that it may touch.
    pub(super) first: Sector,
    /// How much it may touch.
    pub(super) span: Bytes,
    pub(super) seed: u64,
    /// fio's group of it, counted from 0: a group's rate is over the time until its last process is through.
    pub(super) group: usize,
}

/// What a group of processes did.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) bytes: u64,
    pub(super) reads: u64,
    pub(super) writes: u64,
    /// From the call that submitted to the moment at which the process knew.
    pub(super) read_latency: LatencyHistogram,
    /// From the ramp's end until the last of them was through.
    pub(super) time: Nanos,
}

#[derive(Clone, Debug)]
struct Running {
    process: Process,
    blocks: u64,
    next: u64,
    random: ChaCha8Rng,
    /// I/Os to submit before it looks for completions.
    to_submit: u32,
    /// When its next step is due.
    due: Nanos,
    asleep: bool,
    /// By slot: when it was submitted, and whether it is a read.
    in_flight: Vec<(Nanos, bool)>,
    free: Vec<u32>,
    /// Done, and not noticed.
    done: VecDeque<u32>,
}

/// Processes side by side.
#[derive(Debug)]
pub(super) struct FioProcesses {
    running: Vec<Running>,
    turnaround: Turnaround,
    ramp: Nanos,
    end: Nanos,
    groups: Vec<Tally>,
}

impl FioProcesses {
    /// Counts what is noticed in a `window` after `ramp`, and submits nothing after that.
    pub(super) fn new(
        processes: impl IntoIterator<Item = Process>,
        turnaround: Turnaround,
        ramp: Nanos,
        window: Nanos,
    ) -> Self {
        let running = processes.into_iter().map(|process| {
            let depth = process.depth.max(1);
            let mut random = ChaCha8Rng::seed_from_u64(process.seed);
            let due = Nanos(random.random_range(0..START.0));
            Running {
                blocks: (process.span.0 / process.block.0.max(512)).max(1),
                next: 0,
                random,
                to_submit: depth,
                due,
                asleep: false,
                in_flight: vec![(Nanos::ZERO, false); depth as usize],
                free: (0..depth).rev().collect(),
                done: VecDeque::new(),
                process,
            }
        });
        let running: Vec<Running> = running.collect();
        let groups = running.iter().map(|one| one.process.group + 1).max().unwrap_or(0);
        let groups = vec![Tally { time: window, ..Tally::default() }; groups];
        Self { running, turnaround, ramp, end: ramp + window, groups }
    }

    pub(super) fn groups(&self) -> &[Tally] {
        &self.groups
    }
}

impl Running {
    /// When it does something next by itself.
    fn next(&self) -> Option<Nanos> {
        (!self.asleep && (self.to_submit > 0 || !self.done.is_empty())).then_some(self.due)
    }

    fn submit(&mut self, now: Nanos, stream: usize) -> Option<Io> {
        let slot = self.free.pop()?;
        self.to_submit -= 1;
        let block = if self.process.sequential {
            let block = self.next;
            self.next = (self.next + 1) % self.blocks;
            block
        } else {
            self.random.random_range(0..self.blocks)
        };
        let share = self.process.read_share;
        let read = share >= 1.0 || (share > 0.0 && self.random.random_bool(share));
        *self.in_flight.get_mut(slot as usize)? = (now, read);
        let sectors = self.process.block.sectors();
        let sector = self.process.first.offset(Sectors(block * sectors.0));
        let op = if read { Op::Read } else { Op::Write };
        let token = Token((stream as u64) << 32 | u64::from(slot));
        Some(Io { stream: StreamId(stream as u32), token, ..Io::new(op, sector, sectors) })
    }

    /// Notices one completion: `iodepth_batch_complete_max` is 1 unless a job says otherwise.
    fn reap(&mut self, now: Nanos, (ramp, end): (Nanos, Nanos), tally: &mut Tally) {
        let Some(slot) = self.done.pop_front() else { return };
        let (submitted, read) = self.in_flight[slot as usize];
        self.free.push(slot);
        self.to_submit += 1;
        if now >= end {
            // It submits no more.
            self.to_submit = 0;
            tally.time = tally.time.max(now - ramp);
            return;
        }
        if now < ramp {
            return;
        }
        tally.bytes += self.process.block.0;
        if read {
            tally.reads += 1;
            tally.read_latency.record(now - submitted);
        } else {
            tally.writes += 1;
        }
    }
}

impl Source for FioProcesses {
    fn next_arrival(&self) -> Option<Nanos> {
        self.running.iter().filter_map(Running::next).min()
    }

    fn arrive(&mut self, now: Nanos, batch: &mut Vec<Io>) {
        let due = self.running.iter().enumerate().filter_map(|(index, one)| Some((one.next()?, index))).min();
        let Some((_, index)) = due else { return };
        let one = &mut self.running[index];
        if now >= self.end {
            one.to_submit = 0;
        }
        if one.to_submit > 0 {
            batch.extend(one.submit(now, index));
            one.due = now;
        } else {
            one.reap(now, (self.ramp, self.end), &mut self.groups[one.process.group]);
            one.due = now;
        }
    }

    fn completed(&mut self, now: Nanos, token: Token) {
        let (index, slot) = ((token.0 >> 32) as usize, token.0 as u32);
        if let Some(one) = self.running.get_mut(index) {
            if one.to_submit == 0 && one.done.is_empty() {
                one.due = now + self.turnaround.sample(&mut one.random);
            }
            one.done.push_back(slot);
        }
    }

    fn blocked(&mut self, stream: StreamId) {
        if let Some(one) = self.running.get_mut(stream.0 as usize) {
            one.asleep = true;
        }
    }

    fn wakes_in(&mut self, stream: StreamId) -> Nanos {
        let turnaround = &self.turnaround;
        self.running.get_mut(stream.0 as usize).map_or(Nanos::ZERO, |one| turnaround.sample(&mut one.random))
    }

    fn resumed(&mut self, now: Nanos, stream: StreamId) {
        if let Some(one) = self.running.get_mut(stream.0 as usize) {
            one.asleep = false;
            one.due = one.due.max(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::Settings;
    use disk_model::Params;
    use replay::{Config, Host, Run, simulate};

    #[test]
    fn a_process_that_sleeps_for_tags_notices_late_what_is_done() {
        let params = Params::named("hdd-7200").unwrap();
        let size = Bytes(16 << 30);
        let mut settings = Settings::new();
        settings
            .set(block_types::Knob::Scheduler, block_types::KnobValue::Elevator(block_types::Elevator::None));
        let host = Host::new(params.traits(), size).with_queue_depth(4);
        let config = Config::new(host, &settings).unwrap();
        let process = Process {
            sequential: false,
            read_share: 1.0,
            block: Bytes(4096),
            depth: 32,
            first: Sector(0),
            span: size,
            seed: 1,
            group: 0,
        };
        let turnaround = Turnaround::new(&[Nanos(5_000); 6]).unwrap();
        let mut source = FioProcesses::new([process], turnaround, Nanos::SECOND, Nanos(20_000_000_000));
        let mut disk = params.build(size, 1).unwrap();
        let run = Run { ramp: Nanos::SECOND, ..Run::to_the_end() };
        let report = simulate(&config, disk.as_mut(), &mut source, &run);
        let (theirs, ours) =
            (source.groups()[0].read_latency.mean().unwrap(), report.reads.latency.mean().unwrap());
        // 32 in flight as far as it knows, five as far as the block layer does.
        let rate = source.groups()[0].reads as f64 / 20.0;
        let expected = 32.0 / rate * 1e9;
        assert!((theirs.0 as f64 / expected - 1.0).abs() < 0.15, "{theirs} against {expected} ns");
        assert!(ours.0 * 4 < theirs.0, "{ours} {theirs}");
        assert!((source.groups()[0].reads as f64 / report.reads.bios as f64 - 1.0).abs() < 0.05);
    }
}
