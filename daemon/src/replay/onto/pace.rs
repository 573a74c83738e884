//! When each I/O is submitted, and what came of it. Clock and target are arguments.

use super::plan::DeviceIo;
use block_types::{LatencyHistogram, Nanos};
use serde::Serialize;
use std::io;
use std::time::Duration;

/// What is replayed onto.
pub trait Target {
    /// Whether one more I/O can be submitted now.
    fn has_room(&self) -> bool;

    /// Takes an I/O; answers the slot that its completion will name. The target may hear of it only in
    /// [`Self::wait`].
    ///
    /// # Errors
    /// Where the target cannot take any.
    fn submit(&mut self, io: &DeviceIo) -> io::Result<usize>;

    /// Hands on what was submitted, waits until something is done or `limit` is over, and appends what is done. With
    /// a limit of zero it does not wait.
    ///
    /// # Errors
    /// Where the target cannot be waited for. That an I/O failed is told in its [`Done`].
    fn wait(&mut self, limit: Duration, done: &mut Vec<Done>) -> io::Result<()>;
}

/// A completion.
#[derive(Debug)]
pub struct Done {
    /// The slot of its I/O.
    pub slot: usize,
    /// The bytes that were moved, or why none were.
    pub result: io::Result<u32>,
}

/// When I/Os are submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At their times, as long as there is room.
    Timed,
    /// As soon as there is room.
    AsFast,
}

/// What was done in one direction.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    /// I/Os that were done.
    pub ios: u64,
    /// Their bytes.
    pub bytes: u64,
    /// From submission to completion.
    pub latency: LatencyHistogram,
}

/// What came of a replay.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// From the first submission to the last completion.
    pub elapsed: Nanos,
    /// Reads.
    pub reads: Moved,
    /// Writes.
    pub writes: Moved,
    /// How much later than its time each I/O was submitted; of a timed replay.
    pub lateness: LatencyHistogram,
    /// I/Os that failed or moved less than they should.
    pub errors: u64,
    /// I/Os that were not submitted, because the replay ended before.
    pub unsubmitted: u64,
    /// Most I/Os in flight at once.
    pub most_in_flight: u64,
    /// Why it ended before its time.
    pub stopped: Option<Stopped>,
}

/// Why a replay ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// Somebody asked it to.
    Asked,
    /// The device has gone.
    Gone(String),
    /// Too many I/Os failed; the last one so.
    Errors(String),
    /// I/Os in flight got no answer.
    NoAnswer {
        /// How many.
        in_flight: u64,
        /// For how long.
        waited: Nanos,
    },
}

/// So many failed I/Os end a replay.
const MOST_ERRORS: u64 = 100;
/// So long nothing may come back while I/Os are in flight.
const NO_ANSWER: Nanos = Nanos(60 * Nanos::SECOND.0);
/// How often a wait looks whether somebody wants the end.
const LOOK: Nanos = Nanos::from_millis(100);

/// Replays `ios`, which are in the order of their times.
///
/// `now` is the time since the start; `over` says whether somebody wants the end, `gone` whether the device has gone
/// (asked only after an I/O failed).
pub fn replay(
    ios: &[DeviceIo],
    pace: Pace,
    target: &mut impl Target,
    now: &mut impl FnMut() -> Nanos,
    over: &mut impl FnMut() -> bool,
    gone: &mut impl FnMut() -> Option<String>,
) -> Outcome {
    let mut run = Run { outcome: Outcome::default(), in_flight: Vec::new(), count: 0 };
    let (mut next, mut heard) = (0, now());
    let mut done = Vec::new();
    while next < ios.len() || run.count > 0 {
        if over() {
            run.outcome.stopped = Some(Stopped::Asked);
            break;
        }
        let mut at = now();
        while let Some(io) = ios.get(next)
            && target.has_room()
            && (pace == Pace::AsFast || io.at <= at)
        {
            match target.submit(io) {
                Ok(slot) => run.submitted(slot, io, at, pace),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    run.outcome.stopped = Some(Stopped::Errors(error.to_string()));
                    break;
                }
            }
            next += 1;
            at = now();
        }
        if run.outcome.stopped.is_some() {
            break;
        }
        if run.count == 0 {
            heard = at;
        }
        let due = ios.get(next).filter(|_| pace == Pace::Timed && target.has_room());
        let limit = due.map_or(LOOK, |io| (io.at - at).min(LOOK));
        if let Err(error) = target.wait(limit.into(), &mut done) {
            run.outcome.stopped = Some(Stopped::Errors(error.to_string()));
            break;
        }
        let at = now();
        if !done.is_empty() {
            heard = at;
        }
        let mut failed = None;
        for one in done.drain(..) {
            failed = run.completed(&one, at).or(failed);
        }
        if let Some(failed) = failed {
            if let Some(why) = gone() {
                run.outcome.stopped = Some(Stopped::Gone(why));
                break;
            }
            if run.outcome.errors >= MOST_ERRORS {
                run.outcome.stopped = Some(Stopped::Errors(failed));
                break;
            }
        }
        if run.count > 0 && at - heard > NO_ANSWER {
            run.outcome.stopped = Some(Stopped::NoAnswer { in_flight: run.count, waited: at - heard });
            break;
        }
    }
    run.outcome.unsubmitted = (ios.len() - next) as u64;
    run.outcome
}

struct Run {
    outcome: Outcome,
    in_flight: Vec<Option<(DeviceIo, Nanos)>>,
    count: u64,
}

impl Run {
    fn submitted(&mut self, slot: usize, io: &DeviceIo, at: Nanos, pace: Pace) {
        if self.in_flight.len() <= slot {
            self.in_flight.resize(slot + 1, None);
        }
        self.in_flight[slot] = Some((*io, at));
        self.count += 1;
        self.outcome.most_in_flight = self.outcome.most_in_flight.max(self.count);
        if pace == Pace::Timed {
            self.outcome.lateness.record(at - io.at);
        }
    }

    /// What was wrong with it, if anything.
    fn completed(&mut self, done: &Done, at: Nanos) -> Option<String> {
        let (io, submitted) = self.in_flight.get_mut(done.slot)?.take()?;
        self.count -= 1;
        self.outcome.elapsed = at;
        let problem = match &done.result {
            Ok(bytes) if *bytes == io.bytes => {
                let moved = if io.write { &mut self.outcome.writes } else { &mut self.outcome.reads };
                moved.ios += 1;
                moved.bytes += u64::from(*bytes);
                moved.latency.record(at - submitted);
                return None;
            }
            Ok(bytes) => format!("found {bytes} bytes, expected {}", io.bytes),
            Err(error) => error.to_string(),
        };
        self.outcome.errors += 1;
        let what = if io.write { "write" } else { "read" };
        Some(format!("{what} of {} bytes at byte {}: {problem}", io.bytes, io.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::collections::VecDeque;

    /// Answers one I/O after the other, each after `service`.
    struct Fake<'a> {
        clock: &'a Cell<Nanos>,
        service: Nanos,
        room: usize,
        queue: VecDeque<(usize, u32, Nanos)>,
        fails: bool,
    }

    impl Target for Fake<'_> {
        fn has_room(&self) -> bool {
            self.queue.len() < self.room
        }
        fn submit(&mut self, io: &DeviceIo) -> io::Result<usize> {
            let free =
                (0..self.room).find(|slot| self.queue.iter().all(|(taken, ..)| taken != slot)).unwrap();
            let start = self.queue.back().map_or(self.clock.get(), |(_, _, at)| *at).max(self.clock.get());
            self.queue.push_back((free, io.bytes, start + self.service));
            Ok(free)
        }
        fn wait(&mut self, limit: Duration, done: &mut Vec<Done>) -> io::Result<()> {
            let until = self.clock.get() + Nanos::from(limit);
            match self.queue.front() {
                Some(&(slot, bytes, at)) if at <= until => {
                    self.queue.pop_front();
                    self.clock.set(at.max(self.clock.get()));
                    let result = if self.fails { Err(io::Error::other("no luck")) } else { Ok(bytes) };
                    done.push(Done { slot, result });
                }
                _ => self.clock.set(until),
            }
            Ok(())
        }
    }

    fn reads(count: u64, every: u64) -> Vec<DeviceIo> {
        (0..count)
            .map(|i| DeviceIo { at: Nanos(i * every), write: false, offset: i * 4096, bytes: 4096 })
            .collect()
    }

    fn run(ios: &[DeviceIo], pace: Pace, service: u64, fails: bool) -> Outcome {
        let clock = Cell::new(Nanos::ZERO);
        let mut fake =
            Fake { clock: &clock, service: Nanos(service), room: 4, queue: VecDeque::new(), fails };
        replay(ios, pace, &mut fake, &mut || clock.get(), &mut || false, &mut || None)
    }

    #[test]
    fn a_fast_target_is_replayed_onto_in_the_traces_time() {
        let outcome = run(&reads(100, 10_000_000), Pace::Timed, 1_000_000, false);
        assert_eq!(outcome.elapsed, Nanos(991_000_000));
        assert_eq!(outcome.reads.latency.mean(), Some(Nanos(1_000_000)));
        assert_eq!(outcome.lateness.quantile(1.0).map(|late| late.0 <= 256), Some(true));
        assert_eq!((outcome.reads.ios, outcome.unsubmitted, outcome.most_in_flight), (100, 0, 1));
    }

    #[test]
    fn a_slow_target_makes_it_late_and_that_is_told() {
        let outcome = run(&reads(100, 1_000_000), Pace::Timed, 10_000_000, false);
        assert_eq!(outcome.elapsed, Nanos(1_000_000_000));
        assert!(outcome.lateness.quantile(0.99).unwrap() > Nanos(700_000_000));
        assert_eq!(outcome.most_in_flight, 4);
    }

    #[test]
    fn as_fast_as_it_goes_knows_no_times() {
        let outcome = run(&reads(100, 1_000_000_000), Pace::AsFast, 1_000_000, false);
        assert_eq!(outcome.elapsed, Nanos(100_000_000));
        assert_eq!(outcome.lateness.count(), 0);
    }

    #[test]
    fn errors_are_counted_and_end_it() {
        let outcome = run(&reads(50, 0), Pace::AsFast, 1_000_000, true);
        assert_eq!((outcome.errors, outcome.stopped.clone()), (50, None));
        let outcome = run(&reads(500, 0), Pace::AsFast, 1_000_000, true);
        assert_eq!(outcome.errors, MOST_ERRORS);
        assert!(matches!(outcome.stopped, Some(Stopped::Errors(ref why)) if why.contains("no luck")));
        assert!(outcome.unsubmitted > 0);
    }

    #[test]
    fn a_target_that_never_answers_is_left() {
        let outcome = run(&reads(10, 0), Pace::AsFast, u64::MAX / 4, false);
        assert!(matches!(outcome.stopped, Some(Stopped::NoAnswer { in_flight: 4, .. })), "{outcome:?}");
    }
}
