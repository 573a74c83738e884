//! From two samples of a device to what a trial takes: a slice and its score, and the guard's batch between two looks.
//!
//! All differences are between samples of one source, while the device's mark ([`sampler::Source::mark`]) stands at
//! the moment when the arm's settings were in force: what others submitted is in none of the figures.

use block_types::{Bytes, LatencyHistogram, Nanos, Sectors};
use sampler::{Ages, Latencies, Sample};
use trials::{Batch, InFlight, Part, Saturation, Silence, Slice, SliceScore, Void};

/// Who waits for the requests that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    /// Somebody: reads and synchronous writes.
    Sync,
    /// Nobody: writeback.
    Async,
}

/// What was measured between two samples; `None` where a counter went backwards, as of a device that was replaced.
#[must_use]
pub fn slice(begin: &Sample, end: &Sample) -> Option<Slice> {
    let (now, then) = (&end.completed, &begin.completed);
    let requests = now.requests().checked_sub(then.requests())?;
    let sectors = Sectors(now.read_sectors.checked_sub(then.read_sectors)?)
        + Sectors(now.write_sectors.checked_sub(then.write_sectors)?);
    let bios = match (&begin.bios, &end.bios) {
        (Some(begin), Some(end)) => end.since(begin)?.data_bios(),
        _ => 0,
    };
    let latency = latencies(begin, end)?.unwrap_or_default();
    let flight = &end.in_flight;
    let mut in_flight = waiting(flight.all);
    in_flight.count = in_flight.count.max(flight.requests());
    Some(Slice {
        elapsed: end.at.since(begin.at)?,
        busy: Some(end.io_ticks.since(begin.io_ticks)?),
        queued: Some(end.time_in_queue.since(begin.time_in_queue)?),
        // Under a duty cycle bios are seen for a share of the time only; a completion arrived as well.
        arrivals: bios.max(requests),
        completed: Bytes(sectors.bytes().0),
        all_waited_for: all_waited_for(&latency),
        sync: sync(&latency),
        reads: latency.read,
        sync_in_flight: waiting(flight.sync),
        reads_in_flight: waiting(flight.read),
        in_flight,
    })
}

/// The score of what was measured between two samples.
///
/// A source without latencies leaves those parts silent: a mean of what diskstats calls the time of a request would
/// reward a setting that starves the queue.
///
/// # Errors
/// Why it must not be scored: the device reported an error or was replaced, or there was nothing.
pub fn slice_score(begin: &Sample, end: &Sample, saturation: Saturation) -> Result<SliceScore, Void> {
    if errors(begin, end) {
        return Err(Void::DeviceError);
    }
    let slice = slice(begin, end).ok_or(Void::DeviceError)?;
    let mut score = SliceScore::of(&slice, saturation)?;
    if end.latency.is_none() {
        score.latency = Part::Silent(Silence::NotMeasured);
        score.delivered = None;
        score.reads = None;
    }
    Ok(score)
}

/// What completed between two looks, and what is in flight at the second; empty where a counter went backwards.
#[must_use]
pub fn batch(before: &Sample, now: &Sample, waiter: Waiter) -> Batch {
    let latency = latencies(before, now).flatten().unwrap_or_default();
    let (done, ages) = match waiter {
        Waiter::Sync => (sync(&latency), waiting(now.in_flight.sync)),
        Waiter::Async => (latency.async_write, all_but_sync(now)),
    };
    let latency_sum = Nanos(u64::try_from(done.sum_ns()).unwrap_or(u64::MAX));
    Batch { completed: done.count(), latency_sum, in_flight: ages }
}

/// Requests completed between two samples: what settling counts.
#[must_use]
pub(super) fn completions(begin: &Sample, end: &Sample) -> u64 {
    end.completed.requests().saturating_sub(begin.completed.requests())
}

/// Whether the device reported an error between two samples.
#[must_use]
pub(super) fn errors(begin: &Sample, end: &Sample) -> bool {
    matches!((begin.errors, end.errors), (Some(before), Some(after)) if after > before)
}

/// From when on bytes a second measure the device and not the workload.
///
/// A disk with heads serves one request at a time. Any other serves many, so that a queue must stand there too: of 16,
/// or of nine tenths of the requests that the queue holds under the settings in force, where that is fewer. Otherwise
/// a setting that makes the queue short would hide what it costs.
#[must_use]
pub fn saturation(rotational: bool, nr_requests: Option<u64>) -> Saturation {
    let held = |share: f64| nr_requests.map(|requests| requests as f64 * share);
    let full = held(0.8);
    if rotational {
        return Saturation { full, ..Saturation::SERIAL };
    }
    let parallel = Saturation::PARALLEL;
    Saturation { queue: parallel.queue.min(held(0.9).unwrap_or(f64::INFINITY)), full, ..parallel }
}

/// `Some(None)` from a source without latencies, `None` where a counter went backwards.
#[expect(clippy::option_option, reason = "unknown and impossible are two things here")]
fn latencies(begin: &Sample, end: &Sample) -> Option<Option<Latencies>> {
    match (&begin.latency, &end.latency) {
        (Some(begin), Some(end)) => end.since(begin).map(Some),
        _ => Some(None),
    }
}

/// At most one in ten of the followed bios was writeback.
fn all_waited_for(latency: &Latencies) -> bool {
    let (sync, writeback) = (sync(latency).count(), latency.async_write.count());
    sync > 0 && writeback <= sync / 9
}

fn sync(latency: &Latencies) -> LatencyHistogram {
    let mut sync = latency.read.clone();
    sync.add(&latency.sync_write);
    sync
}

fn waiting(ages: Ages) -> InFlight {
    InFlight { count: ages.count, age_sum: ages.sum, oldest: ages.oldest.unwrap_or_default() }
}

/// Writeback in flight. Where the oldest of all is one that somebody waits for, that of writeback is not known; it
/// is younger.
fn all_but_sync(sample: &Sample) -> InFlight {
    let (all, sync) = (sample.in_flight.all, sample.in_flight.sync);
    let oldest = if all.oldest == sync.oldest { None } else { all.oldest };
    InFlight {
        count: all.count.saturating_sub(sync.count),
        age_sum: all.sum - sync.sum,
        oldest: oldest.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::samples::{Load, Tape};
    use trials::Objective;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_slice_holds_what_was_done_in_it_and_its_score_follows() {
        let mut tape = Tape::new();
        let begin = tape.sample();
        tape.run(Load { reads_per_s: 100, read_ns: 20 * MS, read_bytes: 4096, ..Load::default() }, 4_000);
        let end = tape.sample();
        let slice = slice(&begin, &end).unwrap();
        assert_eq!((slice.arrivals, slice.completed, slice.sync.count()), (400, Bytes(400 * 4096), 400));
        assert_eq!(slice.mean_queue().map(|queue| (queue * 10.0).round()), Some(20.0));
        let score = slice_score(&begin, &end, saturation(true, None)).unwrap();
        let Part::Told(latency) = score.latency else { panic!("{score:?}") };
        assert!((latency.get() + (20e6_f64).ln()).abs() < 1e-6);
        assert!(matches!(score.throughput, Part::Told(_)));
        let score = slice_score(&begin, &end, saturation(false, Some(256))).unwrap();
        assert_eq!(score.throughput, Part::Silent(Silence::NotSaturated));
    }

    #[test]
    fn a_setting_that_starves_is_scored_and_never_void() {
        let mut tape = Tape::new();
        let begin = tape.sample();
        tape.hang(32, 4_000);
        let end = tape.sample();
        let score = slice_score(&begin, &end, saturation(true, None)).unwrap();
        let Part::Told(latency) = score.latency else { panic!("{score:?}") };
        assert!((latency.get() + (4e9_f64).ln()).abs() < 0.01, "counted at their age");
    }

    #[test]
    fn voids_are_told_from_silence() {
        let mut tape = Tape::new();
        let begin = tape.sample();
        tape.run(Load::default(), 4_000);
        assert_eq!(slice_score(&begin, &tape.sample(), Saturation::SERIAL), Err(Void::Idle));
        tape.run(Load { writes_per_s: 50, ..Load::default() }, 1_000);
        let score = slice_score(&begin, &tape.sample(), Saturation::SERIAL).unwrap();
        assert_eq!(score.latency, Part::Silent(Silence::NoSyncIo));
        let mut failed = tape.sample();
        failed.errors = failed.errors.map(|errors| errors + 1);
        assert_eq!(slice_score(&begin, &failed, Saturation::SERIAL), Err(Void::DeviceError));
        assert_eq!(slice_score(&tape.sample(), &begin, Saturation::SERIAL), Err(Void::DeviceError));
    }

    #[test]
    fn a_source_without_latencies_is_silent_on_them() {
        let mut tape = Tape::new();
        let mut begin = tape.sample();
        tape.run(Load { reads_per_s: 100, read_ns: 20 * MS, ..Load::default() }, 4_000);
        let mut end = tape.sample();
        for sample in [&mut begin, &mut end] {
            (sample.latency, sample.bios) = (None, None);
        }
        let score = slice_score(&begin, &end, Saturation::SERIAL).unwrap();
        assert_eq!((score.latency, score.reads.clone()), (Part::Silent(Silence::NotMeasured), None));
        assert_eq!(Objective::Latency.contrast(&score, &score, None), Err(Silence::NotMeasured));
        assert!(Objective::Throughput.contrast(&score, &score, None).is_ok());
    }

    #[test]
    fn a_full_short_queue_is_saturated_too() {
        assert_eq!(saturation(false, Some(4)).queue.total_cmp(&3.6), std::cmp::Ordering::Equal);
        assert_eq!(saturation(false, Some(256)), Saturation { full: Some(204.8), ..Saturation::PARALLEL });
        assert_eq!(saturation(false, None), Saturation::PARALLEL);
        assert_eq!(saturation(true, Some(4)), Saturation { full: Some(3.2), ..Saturation::SERIAL });
    }

    #[test]
    fn batches_tell_who_waits_from_writeback() {
        let mut tape = Tape::new();
        let before = tape.sample();
        tape.run(
            Load {
                reads_per_s: 100,
                read_ns: 5 * MS,
                writes_per_s: 10,
                write_ns: 900 * MS,
                ..Load::default()
            },
            1_000,
        );
        let now = tape.sample();
        let sync = batch(&before, &now, Waiter::Sync);
        assert_eq!((sync.completed, sync.latency_sum), (100, Nanos(500 * MS)));
        let other = batch(&before, &now, Waiter::Async);
        assert_eq!((other.completed, other.latency_sum), (10, Nanos(9_000 * MS)));
    }
}
