//! What settings are worth on a trace: simulated on the same pieces of it, so that settings compare pair by pair.

use super::at_work::AtWork;
use super::disk::SimulatedDisk;
use crate::config::Objective;
use block_types::Nanos;
use disk_model::ModelError;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use replay::{ClosedLoop, Config, NoCompletions, NoStall, OpenLoop, Report, Run, Trace, simulate};
use serde::Serialize;
use std::ops::Range;

/// When the bios of a trace are submitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "pace", rename_all = "kebab-case")]
pub enum Pace {
    /// At the trace's times.
    Open {
        /// What they are multiplied by.
        time_scale: f64,
    },
    /// As long after the completion that was waited for as in the trace.
    Closed {
        /// What the times of thought are multiplied by.
        time_scale: f64,
    },
    /// As soon as fewer than so many are outstanding.
    NoStall {
        /// How many.
        outstanding: usize,
    },
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The trace cannot be replayed so.
    #[error(transparent)]
    NoCompletions(#[from] NoCompletions),
    /// The disk cannot be made.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Simulates a trace, from an empty disk to its end.
///
/// # Errors
/// [`EvaluateError`].
pub fn run(
    disk: &SimulatedDisk,
    config: &Config,
    trace: &Trace,
    pace: Pace,
) -> Result<Report, EvaluateError> {
    simulated(disk, config, trace, pace, &Run::to_the_end())
}

/// Simulates a piece of a trace for as long as all of its programs are at work, and counts from a quarter of that time
/// on: before, the write cache of a disk that was empty fills.
///
/// At the trace's own times ([`Pace::Open`]) that is three quarters of the time that the piece took when it was
/// recorded: what comes late to a slow setting counts against it. With [`Pace::NoStall`] there are neither times nor
/// programs, and the piece is simulated and counted whole.
///
/// # Errors
/// [`EvaluateError`].
pub fn run_piece(
    disk: &SimulatedDisk,
    config: &Config,
    piece: &Trace,
    pace: Pace,
) -> Result<Piece, EvaluateError> {
    let after_a_quarter = |time: u64| Run::for_time(Nanos(time / 4), Nanos((time - time / 4).max(1)));
    let run = match pace {
        Pace::Open { time_scale } => {
            let time = piece.duration().as_secs_f64() * time_scale.max(f64::EPSILON) * 0.75;
            let third = Nanos((time * 1e9 / 3.0) as u64);
            Run::for_time(third, Nanos((third.0 * 2).max(1)))
        }
        Pace::Closed { time_scale } => {
            let mut source = AtWork::new(ClosedLoop::new(piece, time_scale)?, piece);
            simulate(config, disk.build()?.as_mut(), &mut source, &Run::to_the_end());
            source.ended().map_or_else(Run::to_the_end, |ended| after_a_quarter(ended.0))
        }
        Pace::NoStall { .. } => Run::to_the_end(),
    };
    Ok(Piece::of(&simulated(disk, config, piece, pace, &run)?))
}

fn simulated(
    disk: &SimulatedDisk,
    config: &Config,
    trace: &Trace,
    pace: Pace,
    run: &Run,
) -> Result<Report, EvaluateError> {
    let mut model = disk.build()?;
    Ok(match pace {
        Pace::Open { time_scale } => {
            simulate(config, model.as_mut(), &mut OpenLoop::new(trace, time_scale), run)
        }
        Pace::Closed { time_scale } => {
            simulate(config, model.as_mut(), &mut ClosedLoop::new(trace, time_scale)?, run)
        }
        Pace::NoStall { outstanding } => {
            simulate(config, model.as_mut(), &mut NoStall::new(trace, outstanding), run)
        }
    })
}

/// What one piece of a trace came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Piece {
    /// Bytes read and written.
    pub bytes: f64,
    /// In so much virtual time.
    pub elapsed: Nanos,
    /// Bios that somebody waits for, those that were not done included.
    pub synchronous: f64,
    /// The sum of their latencies, of those that were not done their ages, ns: else what starves looks good.
    pub latency_sum_ns: f64,
    /// Reads.
    pub reads: f64,
    /// Their number times the latency that 99 % of them do not exceed, ns.
    pub reads_at_p99_ns: f64,
}

impl Piece {
    /// Of a simulation.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let synchronous = report.synchronous();
        // What is not done is not told apart; where there are asynchronous writes it may be theirs, for which nobody
        // waits.
        let all_waited_for = report.async_writes.bios == 0;
        let (unfinished, ages) = if all_waited_for {
            (report.unfinished as f64, report.unfinished_age_sum_ns as f64)
        } else {
            (0.0, 0.0)
        };
        let reads = report.reads.latency.count() as f64;
        let p99 = report.reads.latency.quantile(0.99).unwrap_or(Nanos::ZERO);
        Self {
            reads,
            reads_at_p99_ns: reads * p99.0 as f64,
            bytes: report.data().bytes.0 as f64,
            elapsed: report.elapsed,
            synchronous: synchronous.latency.count() as f64 + unfinished,
            latency_sum_ns: synchronous.latency.sum_ns() as f64 + ages,
        }
    }
}

/// The score of pieces together, higher is better: bytes a second; 1/s of the mean latency of what somebody waits
/// for; for `tail` 1/s of the pieces' p99 of reads, weighted by their reads; for `balanced` the geometric mean of the
/// first two. `None` where they have nothing that it could be taken from.
#[must_use]
pub fn score(pieces: &[Piece], objective: Objective) -> Option<f64> {
    let sum = |value: fn(&Piece) -> f64| pieces.iter().map(value).sum::<f64>();
    let share = |above: f64, below: f64| (above > 0.0 && below > 0.0).then_some(above / below);
    let throughput = || share(sum(|piece| piece.bytes), sum(|piece| piece.elapsed.as_secs_f64()));
    let latency = || share(sum(|piece| piece.synchronous) * 1e9, sum(|piece| piece.latency_sum_ns));
    match objective {
        Objective::Throughput => throughput(),
        Objective::Latency => latency(),
        Objective::Tail => share(sum(|piece| piece.reads) * 1e9, sum(|piece| piece.reads_at_p99_ns)),
        Objective::Balanced => match (throughput(), latency()) {
            (Some(throughput), Some(latency)) => Some((throughput * latency).sqrt()),
            (one, other) => one.or(other),
        },
    }
}

/// A ratio of scores with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// Child over control: 1.1 is 10 % better.
    pub ratio: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// How many pieces stand behind it.
    pub pieces: usize,
}

/// How often the bootstrap draws anew.
const DRAWS: usize = 2_000;

/// How much better `child` did than `control` on the same pieces; the interval draws pieces anew, both sides together.
/// `None` where there are fewer than two, or nothing to score.
#[must_use]
pub fn gain(control: &[Piece], child: &[Piece], objective: Objective, seed: u64) -> Option<Gain> {
    let count = control.len();
    if count < 2 || child.len() != count {
        return None;
    }
    let ratio =
        |control: &[Piece], child: &[Piece]| Some(score(child, objective)? / score(control, objective)?);
    let found = ratio(control, child)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut one, mut other) = (vec![Piece::default(); count], vec![Piece::default(); count]);
    let mut draws = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        for slot in 0..count {
            let drawn = rng.random_range(0..count);
            (one[slot], other[slot]) = (control[drawn], child[drawn]);
        }
        draws.extend(ratio(&one, &other));
    }
    draws.sort_by(f64::total_cmp);
    let at =
        |q: f64| draws.get(((draws.len() as f64 * q) as usize).min(draws.len().saturating_sub(1))).copied();
    Some(Gain { ratio: found, lower: at(0.025)?, upper: at(0.975)?, pieces: count })
}

/// Cuts a trace into at most `count` pieces of equally many bios, of at least `least` each, not counting those that were
/// outstanding when a piece began.
#[must_use]
pub fn pieces(trace: &Trace, count: usize, least: usize) -> Vec<Trace> {
    let each = trace.len().div_ceil(count.max(1)).max(least).max(1);
    places(0..trace.len(), each).map(|places| trace.part(places)).collect()
}

/// Cuts a stretch of a trace into pieces of so many bios. A last one that is too short to be one is left out, rather
/// than to weigh like the others.
pub(super) fn places(stretch: Range<usize>, each: usize) -> impl Iterator<Item = Range<usize>> {
    let end = stretch.end;
    let pieces = stretch.step_by(each.max(1)).map(move |from| from..from.saturating_add(each).min(end));
    pieces.filter(move |places| places.len() * 2 >= each)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: f64, seconds: u64) -> Piece {
        Piece {
            bytes,
            elapsed: Nanos(seconds * Nanos::SECOND.0),
            synchronous: 10.0,
            latency_sum_ns: 1e9,
            ..Piece::default()
        }
    }

    #[test]
    fn the_interval_is_of_pairs_and_not_of_what_both_have_in_common() {
        // Pieces that differ by a factor of ten, and a child that is 10 % better on each.
        let control: Vec<Piece> = (1..=10).map(|i| piece(f64::from(i) * 1e6, 1)).collect();
        let child: Vec<Piece> = (1..=10).map(|i| piece(f64::from(i) * 1.1e6, 1)).collect();
        let found = gain(&control, &child, Objective::Throughput, 1).unwrap();
        for value in [found.ratio, found.lower, found.upper] {
            assert!((value - 1.1).abs() < 1e-9, "{found:?}");
        }
        let same = gain(&control, &child, Objective::Latency, 1).unwrap();
        assert!((same.ratio - 1.0).abs() < 1e-12);
        assert_eq!(gain(&control[..1], &child[..1], Objective::Throughput, 1), None);
    }

    #[test]
    fn what_has_no_synchronous_bio_has_no_latency() {
        let none = Piece { synchronous: 0.0, latency_sum_ns: 0.0, ..piece(1.0, 1) };
        assert_eq!(score(&[none], Objective::Latency), None);
        assert!(score(&[none], Objective::Throughput).is_some());
    }
}
