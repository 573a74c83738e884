//! A synthetic workload on the fake kernel: what `tunerd run --fake-kernel` shows where there is no root, and
//! what the loop's own tests run on.
//!
//! The landscape is made up: each phase of the script has an optimum in a few knobs, and the rate falls off
//! with the distance from it on the knob's log scale. It says nothing about any disk; it exercises the loop. So that it
//! is no easier than a disk, the size of what is to be gained and the noise are about those of an emulated hard disk under
//! the workloads of `convergence`: +99, +198, +68 and +105 % over the default, and rates of half a second that are 6 to
//! 15 % apart under the same settings.

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
    /// The optimum of each knob that matters, and how much of the rate a factor of two away from it costs: what is
    /// lost is this share in nepers.
    pub optimum: Vec<(Knob, u64, f64)>,
    /// Standard deviation of the natural logarithm of the rate from moment to moment; what it is now is forgotten in
    /// about half a second.
    pub noise: f64,
}

/// Beyond so many factors of two from its optimum a knob makes nothing worse.
const FARTHEST_OCTAVES: f64 = 6.0;

/// The time constant of the noise: slices of one second are noisier than those of four, and not as if their parts had
/// nothing to do with each other.
const NOISE_MEMORY: Nanos = Nanos::from_millis(500);

/// The logarithm to the base of two; off (0) is as far below 1 as 1 is below 2.
fn octave(value: u64) -> f64 {
    (value as f64).max(0.5).log2()
}

impl Work {
    /// The share of the best rate that settings reach, 0‥1, without noise; a knob without a value costs nothing.
    pub fn performance(&self, value: impl Fn(Knob) -> Option<u64>) -> f64 {
        let loss: f64 = self.losses(value).iter().map(|(_, loss)| loss).sum();
        (-loss).exp()
    }

    /// What each knob that matters takes from the best rate, in nepers; a knob without a value takes nothing.
    pub fn losses(&self, value: impl Fn(Knob) -> Option<u64>) -> Vec<(Knob, f64)> {
        self.optimum
            .iter()
            .map(|&(knob, best, cost)| {
                let octaves = octave(value(knob).unwrap_or(best)) - octave(best);
                (knob, cost * octaves.abs().min(FARTHEST_OCTAVES))
            })
            .collect()
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
    /// The noise now, in standard deviations.
    weather: f64,
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
            weather: 0.0,
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
                let noise = state.noise(work, Nanos(step));
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
    /// What the rate is multiplied by over the next `step`: 1 on average. A first-order autoregression.
    fn noise(&mut self, work: &Work, step: Nanos) -> f64 {
        let kept = (-(step.0 as f64) / NOISE_MEMORY.0 as f64).exp();
        // Triangular, of standard deviation 1.
        let draw = 6_f64.sqrt() * (self.rng.random::<f64>() + self.rng.random::<f64>() - 1.0);
        self.weather = kept * self.weather + (1.0 - kept * kept).sqrt() * draw;
        (work.noise * self.weather - work.noise * work.noise / 2.0).exp()
    }

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
///
/// Where the optimum lies, what it brings over a SATA disk's defaults (`fifo_batch` 16, `writes_starved` 2,
/// `front_merges` 1, `read_ahead_kb` 2560) and how noisy rates are is made up after an emulated hard disk, and only over
/// the knobs that can be written at any time.
#[must_use]
pub fn demo_script() -> Vec<Visit> {
    let visit = |name, (read_share, near_share, sectors): (f64, f64, u64), best_iops, optimum, noise| Visit {
        work: Work { name, read_share, near_share, bio: Sectors(sectors), best_iops, optimum, noise },
        length: Nanos::from_millis(90_000),
    };
    use Knob::{FifoBatch, FrontMerges, WritesStarved};
    vec![
        visit(
            "sequential write",
            (0.0, 1.0, 256),
            1_200.0,
            vec![(FifoBatch, 128, 0.195), (WritesStarved, 1, 0.085), (FrontMerges, 0, 0.02)],
            0.09,
        ),
        visit(
            "random read",
            (1.0, 0.0, 8),
            2_000.0,
            vec![(FifoBatch, 1, 0.24), (WritesStarved, 1, 0.11), (FrontMerges, 0, 0.03)],
            0.19,
        ),
        visit(
            "sequential read",
            (1.0, 1.0, 256),
            1_500.0,
            vec![(FifoBatch, 128, 0.125), (WritesStarved, 10, 0.06)],
            0.10,
        ),
        visit(
            "random write",
            (0.0, 0.0, 8),
            1_800.0,
            vec![(FifoBatch, 1, 0.16), (WritesStarved, 10, 0.033)],
            0.08,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernfs::fake::{FakeDisk, FakeKernel};

    /// Rates over slices of so many milliseconds under settings that stay, as multiples of their mean.
    fn rates(work: usize, length_ms: u64) -> Vec<f64> {
        let kernel = Arc::new(FakeKernel::new().with_disk(FakeDisk::loopback("loop0")));
        let disk = Disk::open(kernel, "loop0").unwrap();
        let work = demo_script()[work].work.clone();
        let long = Visit { work, length: Nanos::from_millis(10_000_000) };
        let clock = Arc::new(VirtualClock::until(Nanos::SECOND, Nanos::from_millis(10_000_000)));
        let source = SyntheticSource::new(clock, disk, vec![long], 7);
        let mut state = source.state.lock().unwrap();
        let mut rates = Vec::new();
        for slice in 1..=400 {
            let done = |state: &State| state.sample.completed.reads + state.sample.completed.writes;
            let before = done(&state);
            source.play(&mut state, Nanos::SECOND + Nanos::from_millis(slice * length_ms));
            rates.push((done(&state) - before) as f64);
        }
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        rates.iter().map(|rate| rate / mean).collect()
    }

    fn spread(rates: &[f64]) -> f64 {
        (rates.iter().map(|rate| (rate - 1.0).powi(2)).sum::<f64>() / rates.len() as f64).sqrt()
    }

    #[test]
    fn the_noise_is_an_emulated_disks() {
        // Standard deviations of slices of half a second, as measured there: 7, 15, 8 and 6 %.
        for (work, found) in [0.07, 0.15, 0.08, 0.06].into_iter().enumerate() {
            let (short, long) = (spread(&rates(work, 500)), spread(&rates(work, 2_000)));
            assert!((0.75..1.25).contains(&(short / found)), "{work}: {short}, expected about {found}");
            assert!((0.4..0.8).contains(&(long / short)), "{work}: {short} in 0.5 s, {long} in 2 s");
        }
    }

    #[test]
    fn off_is_below_one() {
        let work = demo_script()[1].work.clone();
        let with = |merges| work.performance(|knob| (knob == Knob::FrontMerges).then_some(merges));
        assert!((with(0) - 1.0).abs() < 1e-12);
        assert!((with(1) - (-0.03_f64).exp()).abs() < 1e-12);
    }
}
