//! What a slice is worth.

use super::event::VoidReason;
use crate::config::Objective;
use block_types::{LatencyHistogram, Nanos, Sectors};
use sampler::Sample;

/// What was measured between two samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Bytes completed a second.
    pub bytes_per_s: f64,
    /// Mean bio-to-completion latency of synchronous data bios, those in flight counted at their age.
    pub mean_latency: Option<Nanos>,
    /// Share of the time in which the device had something in flight, 0‥1.
    pub utilisation: f64,
}

/// The slice between two samples: its score, higher is better, or why it has none.
///
/// `throughput` is bytes a second. `latency` is 1/s of the mean latency, so that for both a ratio of scores is a
/// ratio of speeds. Few completions with I/O in flight are a low score and no void: a setting can cause that.
pub fn score(
    objective: Objective,
    begin: &Sample,
    end: &Sample,
) -> (Result<f64, VoidReason>, Option<Measured>) {
    let Some(measured) = measure(begin, end) else {
        return (Err(VoidReason::CountersReset), None);
    };
    if errors(begin, end) {
        return (Err(VoidReason::DeviceError), Some(measured));
    }
    if idle(begin, end) {
        return (Err(VoidReason::NoArrivals), Some(measured));
    }
    let verdict = match objective {
        // The configuration lets no other through to this strategy.
        Objective::Throughput | Objective::Balanced | Objective::Tail => Ok(measured.bytes_per_s),
        Objective::Latency => match measured.mean_latency {
            Some(mean) => Ok(1e9 / mean.0.max(1) as f64),
            None => Err(VoidReason::NoSyncIo),
        },
    };
    (verdict, Some(measured))
}

/// Whether nothing arrived between two samples and nothing was in flight at either.
#[must_use]
pub fn idle(begin: &Sample, end: &Sample) -> bool {
    let done = |sample: &Sample| sample.completed.requests();
    done(end) == done(begin) && begin.in_flight.requests() == 0 && end.in_flight.requests() == 0
}

fn errors(begin: &Sample, end: &Sample) -> bool {
    matches!((begin.errors, end.errors), (Some(before), Some(after)) if after > before)
}

fn measure(begin: &Sample, end: &Sample) -> Option<Measured> {
    let elapsed = (end.at - begin.at).as_secs_f64();
    if elapsed <= 0.0 {
        return None;
    }
    let (now, then) = (&end.completed, &begin.completed);
    let sectors = Sectors(now.read_sectors.checked_sub(then.read_sectors)?)
        + Sectors(now.write_sectors.checked_sub(then.write_sectors)?);
    Some(Measured {
        bytes_per_s: sectors.bytes().0 as f64 / elapsed,
        mean_latency: mean_latency(begin, end),
        utilisation: (end.io_ticks.since(begin.io_ticks)?.as_secs_f64() / elapsed).clamp(0.0, 1.0),
    })
}

fn mean_latency(begin: &Sample, end: &Sample) -> Option<Nanos> {
    let (before, after) = (begin.latency.as_ref()?, end.latency.as_ref()?);
    let mut sync: LatencyHistogram = after.read.since(&before.read)?;
    sync.add(&after.sync_write.since(&before.sync_write)?);
    let waiting = end.in_flight.sync.count;
    let samples = u128::from(sync.count()) + u128::from(waiting);
    if samples == 0 {
        return None;
    }
    let sum = sync.sum_ns() + u128::from(end.in_flight.sync.sum.0);
    Some(Nanos(u64::try_from(sum / samples).unwrap_or(u64::MAX)))
}
