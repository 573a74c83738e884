//! A synthetic workload on the fake kernel: what `tunerd run --fake-kernel` shows where there is no root, and
//! what the loop's own tests run on.
//!
//! The landscape is made up: each phase of the script has an optimum in a few knobs, and the rate falls off
//! with the distance from it on the knob's log scale. It says nothing about any disk; it exercises the loop.

use super::clock::{Clock, VirtualClock};
use block_types::{DevNo, Knob, Nanos, Sectors};
use fingerprint::Snapshot;
use kernfs::Disk;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sampler::{Latencies, Sample, SamplerError, Source, SourceKind};
use std::sync::{Arc, Mutex, PoisonError};

/// A kind of work, and what suits it.
#[derive(Clone, Debug)]
pub struct Work {
    /// Its name, for people.
    pub name: &'static str,
    /// Share of reads, 0‥1.
    pub read_share: f64,
    /// Share of bios near a stream end, 0‥1.
    pub near_share: f64,
    /// Size of a bio.
    pub bio: Sectors,
    /// Bios a second under the best settings; 0 = idle.
    pub best_iops: f64,
    /// The optimum of each knob that matters, and how much of the rate a factor of two away from it costs.
    pub optimum: Vec<(Knob, u64, f64)>,
}

impl Work {
    /// The share of the best rate that settings reach, 0‥1, without noise; a knob without a value costs nothing.
    pub fn performance(&self, value: impl Fn(Knob) -> Option<u64>) -> f64 {
        let loss: f64 = self
            .optimum
            .iter()
            .map(|&(knob, best, cost)| {
                let octaves = (value(knob).unwrap_or(best).max(1) as f64 / best.max(1) as f64).log2();
                cost * octaves.abs().min(4.0)
            })
            .sum();
        (-loss).exp()
    }
}

/// A part of the script.
#[derive(Clone, Debug)]
pub struct Visit {
    /// What runs.
    pub work: Work,
    /// For how long.
    pub length: Nanos,
}

/// A source that makes up its samples from a script and the fake kernel's present settings.
#[derive(Debug)]
pub struct SyntheticSource {
    clock: Arc<VirtualClock>,
    disk: Disk,
    script: Vec<Visit>,
    began: Nanos,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at: Nanos,
    rng: StdRng,
    sample: Sample,
    bios: Snapshot,
    latencies: Latencies,
}

impl SyntheticSource {
    /// A source over `disk` (of the fake kernel) that plays `script` round and round.
    #[must_use]
    pub fn new(clock: Arc<VirtualClock>, disk: Disk, script: Vec<Visit>, seed: u64) -> Self {
        let now = clock.now();
        let state = State {
            at: now,
            rng: StdRng::seed_from_u64(seed),
            sample: Sample::before_anything(now),
            bios: Snapshot::default(),
            latencies: Latencies::default(),
        };
        Self { clock, disk, script, began: now, state: Mutex::new(state) }
    }

    /// The work that the script has at a moment.
    #[must_use]
    pub fn work_at(&self, now: Nanos) -> Option<&Work> {
        let cycle: u64 = self.script.iter().map(|visit| visit.length.0).sum();
        let mut into = (now - self.began).0.checked_rem(cycle)?;
        for visit in &self.script {
            if into < visit.length.0 {
                return Some(&visit.work);
            }
            into -= visit.length.0;
        }
        None
    }

    /// The share of the best rate that the present settings reach, 0‥1, without noise.
    #[must_use]
    pub fn performance(&self, work: &Work) -> f64 {
        work.performance(|knob| self.disk.read_knob(knob).ok()?.value()?.number())
    }

    fn play(&self, state: &mut State, until: Nanos) {
        // Steps of 50 ms, so that a change of work inside a window is a mixed window.
        while state.at < until {
            let step = (until - state.at).0.min(50_000_000);
            if let Some(work) = self.work_at(state.at).filter(|work| work.best_iops > 0.0) {
                let noise = 1.0 + 0.03 * (state.rng.random::<f64>() + state.rng.random::<f64>() - 1.0);
                let bios = work.best_iops * self.performance(work) * noise * step as f64 / 1e9;
                state.count(work, bios.round() as u64);
                if bios >= 0.5 {
                    state.sample.io_ticks += Nanos(step);
                    // Sixteen are always in flight, as `count` has it.
                    state.sample.time_in_queue += Nanos(16 * step);
                    state.sample.first_bio_at.get_or_insert(state.at);
                }
            }
            state.at += Nanos(step);
            state.sample.observed += Nanos(step);
        }
    }
}

impl State {
    fn count(&mut self, work: &Work, bios: u64) {
        let reads = (bios as f64 * work.read_share).round() as u64;
        let (writes, near) = (bios - reads.min(bios), (bios as f64 * work.near_share).round() as u64);
        let far = bios - near.min(bios);
        let size = work.bio.0;
        self.bios.consolidate(&Snapshot {
            reads,
            writes,
            read_sectors: reads * size,
            write_sectors: writes * size,
            near,
            gaps: bios,
            gap_sum_sectors: u128::from(far) * 1_000_000,
            distance_sum_sectors: u128::from(near) * u128::from(size) + u128::from(far) * 2_000_000,
            sync: reads,
            ..Snapshot::default()
        });
        let completed = &mut self.sample.completed;
        completed.reads += reads;
        completed.writes += writes;
        completed.read_sectors += reads * size;
        completed.write_sectors += writes * size;
        if bios > 0 {
            // Sixteen requests are always in flight, so latency is their number over the rate (Little's law).
            let latency = Nanos(16 * 50_000_000 / bios.max(1));
            self.latencies.read.record(latency);
            self.latencies.sync_write.record(latency);
        }
    }
}

impl Source for SyntheticSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Diskstats
    }

    fn read(&self, _disk: DevNo) -> Result<Sample, SamplerError> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.play(&mut state, now);
        state.sample.at = now;
        state.sample.bios = Some(state.bios.clone());
        state.sample.latency = Some(state.latencies.clone());
        Ok(state.sample.clone())
    }

    fn set_active(&self, _disk: DevNo, _active: bool) -> Result<(), SamplerError> {
        Ok(())
    }
}

/// The script of the demo: four kinds of work in the paper's hostile order, 90 s a visit.
#[must_use]
pub fn demo_script() -> Vec<Visit> {
    let visit = |name, read_share, near_share, sectors, best_iops, optimum| Visit {
        work: Work { name, read_share, near_share, bio: Sectors(sectors), best_iops, optimum },
        length: Nanos::from_millis(90_000),
    };
    vec![
        visit(
            "sequential write",
            0.0,
            1.0,
            256,
            1_200.0,
            vec![(Knob::FifoBatch, 64, 0.12), (Knob::WritesStarved, 1, 0.1)],
        ),
        visit(
            "random read",
            1.0,
            0.0,
            8,
            2_000.0,
            vec![(Knob::FifoBatch, 1, 0.08), (Knob::ReadExpire, 100, 0.06)],
        ),
        visit(
            "sequential read",
            1.0,
            1.0,
            256,
            1_500.0,
            vec![(Knob::ReadAheadKb, 1_024, 0.15), (Knob::FifoBatch, 16, 0.03)],
        ),
        visit(
            "random write",
            0.0,
            0.0,
            8,
            1_800.0,
            vec![(Knob::WriteExpire, 2_000, 0.08), (Knob::FifoBatch, 32, 0.08)],
        ),
    ]
}
