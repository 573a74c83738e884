//! From what was measured in a slice to a score, and from two scores to the log ratio of a pair.
//!
//! Every part of a score is in natural logarithms and higher is better. A part that cannot be told says why.

use crate::{InFlight, ScoreError, Slice, TailLevel, Void};
use block_types::{LatencyHistogram, Nanos, SECTOR_BYTES};
use serde::{Deserialize, Serialize};

/// What is to be improved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The geometric mean of the throughput ratio and the inverse latency ratio, and of the tail's where both
    /// slices have 100 reads; of those that both slices can tell.
    #[default]
    Balanced,
    /// Bytes completed a second, where the device is saturated.
    Throughput,
    /// The mean bio-to-completion latency of synchronous data bios.
    Latency,
    /// The p99 of reads, or what stands for it ([`TailLevel`]).
    Tail,
}

/// From when on a device counts as saturated: then bytes a second measure the device, before that the workload.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// The least share of the time with a request in flight, 0‥1.
    pub busy_share: f64,
    /// The least mean number of requests in flight ([`Slice::mean_queue`]).
    pub queue: f64,
    /// The mean number of requests in flight from which the queue counts as full, whatever the device does: who
    /// submits more has to wait. `None` where it is not known how many it holds.
    pub full: Option<f64>,
}

impl Saturation {
    /// A device that serves one request at a time: busy means saturated.
    pub const SERIAL: Self = Self { busy_share: 0.95, queue: 0.9, full: None };
    /// A device that serves many at once: `io_ticks` says nothing of how many, so a queue must stand there too.
    pub const PARALLEL: Self = Self { busy_share: 0.95, queue: 16.0, full: None };
}

/// Why a part of a score says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// It was not measured.
    NotMeasured,
    /// The device was not saturated: the bytes are those the workload asked for.
    NotSaturated,
    /// No synchronous data bio was completed or in flight.
    NoSyncIo,
    /// Too few reads in a slice.
    TooFewReads,
    /// One of the settings holds programs back before their reads are counted.
    HeldBack,
}

/// The natural logarithm of a measured figure; always finite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct LogScore(f64);

impl LogScore {
    /// From a figure above zero.
    ///
    /// # Errors
    /// Where it is NaN, infinite, zero or negative.
    pub fn ln(what: &'static str, found: f64) -> Result<Self, ScoreError> {
        if !found.is_finite() {
            return Err(ScoreError::NotFinite { what, found });
        }
        if found <= 0.0 {
            return Err(ScoreError::NotPositive { what, found });
        }
        Ok(Self(found.ln()))
    }

    /// The logarithm.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for LogScore {
    type Error = ScoreError;

    /// Takes a logarithm as it is.
    fn try_from(found: f64) -> Result<Self, ScoreError> {
        if found.is_finite() {
            Ok(Self(found))
        } else {
            Err(ScoreError::NotFinite { what: "log score", found })
        }
    }
}

impl From<LogScore> for f64 {
    fn from(score: LogScore) -> Self {
        score.0
    }
}

/// A part of a score, or why it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A figure.
    Told(LogScore),
    /// None, and why.
    Silent(Silence),
}

impl Part {
    /// The log ratio of two figures; the reason where either says nothing.
    fn log_ratio(self, control: Self) -> Result<f64, Silence> {
        match (self, control) {
            (Self::Told(child), Self::Told(control)) => Ok(child.0 - control.0),
            (Self::Silent(why), _) | (_, Self::Silent(why)) => Err(why),
        }
    }
}

/// The score of one slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceScore {
    /// ln(bytes a second).
    pub throughput: Part,
    /// −ln(mean latency in ns).
    pub latency: Part,
    /// ln(bytes a second), saturated or not, where somebody waits for nearly all of them; it stands for the latency
    /// of a saturated disk or a full queue ([`Objective::contrast`]).
    #[serde(default)]
    pub delivered: Option<LogScore>,
    /// Whether the disk was saturated or its queue full.
    #[serde(default)]
    pub pressed: bool,
    /// The reads, those in flight counted at their age; `None` where they were not measured.
    pub reads: Option<LatencyHistogram>,
}

impl SliceScore {
    /// The score of what was measured.
    ///
    /// # Errors
    /// [`Void::Idle`] for a slice without arrivals and with nothing in flight; no other ground can be read off a
    /// slice.
    pub fn of(slice: &Slice, saturation: Saturation) -> Result<Self, Void> {
        if slice.is_idle() || slice.elapsed == Nanos::ZERO {
            return Err(Void::Idle);
        }
        let throughput = throughput(slice, saturation);
        let full = saturation.full.zip(slice.mean_queue()).is_some_and(|(full, queue)| queue >= full);
        Ok(Self {
            throughput,
            pressed: full || matches!(throughput, Part::Told(_)),
            latency: latency(slice),
            delivered: slice.all_waited_for.then(|| bytes_per_second(slice)),
            reads: Some(reads_with_ages(slice)),
        })
    }

    /// The score of a slice of which only a rate is known (bytes, transactions, frames a second); for
    /// [`Objective::Throughput`].
    ///
    /// # Errors
    /// Where the rate is NaN, infinite, zero or negative.
    pub fn of_rate(per_second: f64) -> Result<Self, ScoreError> {
        let throughput = Part::Told(LogScore::ln("rate", per_second)?);
        Ok(Self {
            throughput,
            latency: Part::Silent(Silence::NotMeasured),
            delivered: None,
            pressed: false,
            reads: None,
        })
    }

    /// The score of a slice of which only a mean latency is known; for [`Objective::Latency`].
    ///
    /// # Errors
    /// Where the latency is NaN, infinite, zero or negative.
    pub fn of_latency(mean_ns: f64) -> Result<Self, ScoreError> {
        let LogScore(ln) = LogScore::ln("latency", mean_ns)?;
        let latency = Part::Told(LogScore(-ln));
        Ok(Self {
            throughput: Part::Silent(Silence::NotMeasured),
            latency,
            delivered: None,
            pressed: false,
            reads: None,
        })
    }
}

impl SliceScore {
    /// ln(latency of the other / latency of this one) as programs feel it that saturate the disk and wait for it.
    fn by_little(&self, other: &Self) -> Option<f64> {
        let LogScore(mine) = self.delivered?;
        let LogScore(others) = other.delivered?;
        (self.pressed || other.pressed).then_some(mine - others)
    }

    /// Whether so many fewer reads were under way under one of the settings, on a saturated disk, that it must have
    /// held programs back.
    fn holds_back(&self, other: &Self) -> bool {
        let (Some(mine), Some(others)) = (&self.reads, &other.reads) else { return false };
        let under_way = mine.sum_ns().max(1) as f64 / others.sum_ns().max(1) as f64;
        self.by_little(other).is_some() && under_way.ln().abs() > HELD_BACK
    }
}

/// A log ratio of reads under way that no noise explains: a factor of one and a half.
const HELD_BACK: f64 = 0.405;

/// Bytes a second of a saturated device. A slice that completed nothing counts one sector: a bad score, no void.
fn throughput(slice: &Slice, saturation: Saturation) -> Part {
    let (Some(busy), Some(queue)) = (slice.busy_share(), slice.mean_queue()) else {
        return Part::Silent(Silence::NotMeasured);
    };
    if busy < saturation.busy_share || queue < saturation.queue {
        return Part::Silent(Silence::NotSaturated);
    }
    Part::Told(bytes_per_second(slice))
}

/// Of a slice that is not of no length.
fn bytes_per_second(slice: &Slice) -> LogScore {
    let seconds = slice.elapsed.0.max(1) as f64 / 1e9;
    LogScore((slice.completed.0.max(SECTOR_BYTES) as f64 / seconds).ln())
}

/// The mean latency, requests in flight counted at their age.
///
/// An age is a lower bound of a latency, so young requests in flight may only ever worsen the mean: a setting
/// earns nothing by keeping many of them.
fn latency(slice: &Slice) -> Part {
    match mean_with_ages(slice.sync.count(), slice.sync.sum_ns() as f64, slice.sync_in_flight) {
        Some(mean) => Part::Told(LogScore(-mean.max(1.0).ln())),
        None => Part::Silent(Silence::NoSyncIo),
    }
}

/// The mean of completed latencies, raised by the ages of those in flight where these are older; ns.
pub(crate) fn mean_with_ages(completed: u64, sum_ns: f64, in_flight: InFlight) -> Option<f64> {
    let alone = (completed > 0).then(|| sum_ns / completed as f64);
    let all = completed + in_flight.count;
    let with_ages = (in_flight.count > 0).then(|| (sum_ns + in_flight.age_sum.0 as f64) / all as f64);
    match (alone, with_ages) {
        (Some(alone), Some(with_ages)) => Some(alone.max(with_ages)),
        (alone, with_ages) => alone.or(with_ages),
    }
}

/// The reads, and those in flight that have already waited longer than the mean of the completed ones: the oldest
/// at its age, the others at the mean age of the rest.
fn reads_with_ages(slice: &Slice) -> LatencyHistogram {
    let mut reads = slice.reads.clone();
    let InFlight { count, age_sum, oldest } = slice.reads_in_flight;
    let mean = reads.mean().unwrap_or(Nanos::ZERO);
    if count > 0 && oldest >= mean {
        reads.record(oldest);
    }
    if let Some(rest) = age_sum.saturating_sub(oldest).0.checked_div(count.saturating_sub(1)) {
        // More than fit in any queue would be a mistake of the caller's; do not count for ever.
        let rest_count = if Nanos(rest) >= mean { (count - 1).min(1 << 16) } else { 0 };
        (0..rest_count).for_each(|_| reads.record(Nanos(rest)));
    }
    reads
}

/// The log ratio of one pair, and what it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// ln(child / control); above zero the child is better.
    pub log_ratio: f64,
    /// Whether throughput is in it.
    pub throughput: bool,
    /// Whether latency is in it.
    pub latency: bool,
    /// What stands for the tail in it; `None` where the tail is not in it.
    pub tail: Option<TailLevel>,
}

impl Objective {
    /// The name in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Tail => "tail",
        }
    }

    /// The log ratio of a pair. Exchanging child and control changes its sign and nothing else, which the test of a
    /// trial rests on.
    ///
    /// Where the disk is saturated, or its queue full, of work that somebody waits for, the ratio of bytes a second stands for that of
    /// latencies. Such work comes from programs that wait for it, so that the time they feel is their number over the
    /// rate (Little's law); a bio's latency shows only what is left of it once the bio exists. A setting that lets
    /// fewer requests into the queue (`none` over few tags, a small `nr_requests` or `async_depth`) makes programs
    /// wait before their bios exist, and would look many times better with no byte more delivered: on an emulated SATA
    /// SSD of four tags, `none` had a fifth of mq-deadline's bio latencies at four fifths of its rate.
    ///
    /// `level` fixes what stands for the tail, so that one trial speaks of one thing; without it the smaller of the
    /// two slices decides.
    ///
    /// # Errors
    /// Why the pair says nothing about this objective.
    pub fn contrast(
        self,
        child: &SliceScore,
        control: &SliceScore,
        level: Option<TailLevel>,
    ) -> Result<Contrast, Silence> {
        let throughput = || child.throughput.log_ratio(control.throughput);
        let latency = || {
            let of_bios = child.latency.log_ratio(control.latency)?;
            Ok(child.by_little(control).unwrap_or(of_bios))
        };
        let none = Contrast { log_ratio: 0.0, throughput: false, latency: false, tail: None };
        match self {
            Self::Throughput => Ok(Contrast { log_ratio: throughput()?, throughput: true, ..none }),
            Self::Latency => Ok(Contrast { log_ratio: latency()?, latency: true, ..none }),
            Self::Tail => {
                let (log_ratio, level) = tail(child, control, level)?;
                Ok(Contrast { log_ratio, tail: Some(level), ..none })
            }
            Self::Balanced => {
                let (throughput, latency) = (throughput(), latency());
                let tail = tail(child, control, Some(TailLevel::P99));
                let parts = [throughput, latency, tail.map(|(ratio, _)| ratio)];
                let told = || parts.iter().filter_map(|part| part.ok());
                let count = told().count();
                if count == 0 {
                    return Err(latency.err().unwrap_or(Silence::NotMeasured));
                }
                Ok(Contrast {
                    log_ratio: told().sum::<f64>() / count as f64,
                    throughput: throughput.is_ok(),
                    latency: latency.is_ok(),
                    tail: tail.ok().map(|(_, level)| level),
                })
            }
        }
    }
}

/// The log ratio of the tails and the level it is of.
fn tail(
    child: &SliceScore,
    control: &SliceScore,
    level: Option<TailLevel>,
) -> Result<(f64, TailLevel), Silence> {
    let (Some(child_reads), Some(control_reads)) = (&child.reads, &control.reads) else {
        return Err(Silence::NotMeasured);
    };
    if child.holds_back(control) {
        return Err(Silence::HeldBack);
    }
    let possible = TailLevel::of_slices(child_reads, control_reads).ok_or(Silence::TooFewReads)?;
    let level = level.unwrap_or(possible);
    if level > possible {
        return Err(Silence::TooFewReads);
    }
    let (child, control) = (level.of_slice(child_reads), level.of_slice(control_reads));
    let (child, control) = (child.ok_or(Silence::TooFewReads)?, control.ok_or(Silence::TooFewReads)?);
    Ok(((control.0.max(1) as f64).ln() - (child.0.max(1) as f64).ln(), level))
}
