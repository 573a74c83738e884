//! One thread: draws operations and does them.

use crate::buffer::Buffer;
use crate::fileset::{Layout, LiveFile};
use crate::latency::Latencies;
use crate::op;
use crate::platform;
use crate::profile::{ALIGNMENT, Op, Syscall, Threadgroup, round_up};
use crate::run::limit::Limit;
use crate::tally::{Tally, Trail};
use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand_chacha::ChaCha8Rng;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a thread does no more.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Its time is over, or somebody said so.
    Over,
    /// A call failed.
    Failed(OpError),
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{op}: cannot {what} {}: {source}", path.display())]
pub struct OpError {
    /// In which operation.
    pub op: Op,
    /// What was tried.
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// One file system as a thread sees it.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its number in the profile.
    pub(crate) filesystem: usize,
    pub(crate) layout: Arc<Layout>,
    /// The files that it may work on; see [`crate::run::allot`].
    pub(crate) files: Arc<Vec<LiveFile>>,
    /// The most bytes that its own files may have.
    pub(crate) quota: Option<u64>,
    /// What its own files have.
    pub(crate) bytes: u64,
    /// The number of the next file or directory that it makes.
    pub(crate) next: u64,
}

/// What measures the calls of a thread.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    latencies: Option<Latencies>,
    limit: &'a Limit,
    called: bool,
    moved: bool,
}

impl Meter<'_> {
    /// Does a call; one that a signal interrupts is done again.
    pub(crate) fn call<T>(
        &mut self,
        call: Syscall,
        mut work: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        self.note(matches!(call, Syscall::Read | Syscall::Write));
        loop {
            let result = match &mut self.latencies {
                None => work(),
                Some(latencies) => latencies.measure(call, &mut work),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Does something that no statistic knows.
    pub(crate) fn unmeasured<T>(&mut self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.note(false);
        work()
    }

    fn note(&mut self, moves: bool) {
        if !self.called {
            self.called = true;
            self.limit.note_first_call();
        }
        if moves && !self.moved {
            self.moved = true;
            self.limit.note_first_io();
        }
    }
}

/// How blocks are aligned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) direct: bool,
    pub(crate) aligned: bool,
}

/// What a thread is made of.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) group: &'a Threadgroup,
    pub(crate) group_number: usize,
    /// Its number among all threads, from 1; [`crate::fileset::FIRST_MAKER`] is nobody's.
    pub(crate) maker: u32,
    pub(crate) places: Vec<Place>,
    pub(crate) random: ChaCha8Rng,
    pub(crate) access: Access,
    pub(crate) ops: Option<u64>,
    pub(crate) record_steps: bool,
}

/// What a thread leaves behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) group_number: usize,
    pub(crate) places: Vec<Place>,
    pub(crate) tally: Tally,
    pub(crate) latencies: Option<Latencies>,
    pub(crate) trail: Trail,
    pub(crate) failure: Option<OpError>,
}

/// A thread at work.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    pub(crate) group: &'a Threadgroup,
    pub(crate) maker: u32,
    pub(crate) places: Vec<Place>,
    pub(crate) random: ChaCha8Rng,
    pub(crate) access: Access,
    pub(crate) buffer: Buffer,
    pub(crate) meter: Meter<'a>,
    pub(crate) tally: Tally,
    pub(crate) trail: Trail,
    pub(crate) limit: &'a Limit,
    ops: Option<u64>,
    group_number: usize,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(task: Task<'a>, limit: &'a Limit) -> Self {
        let Task { group, group_number, maker, places, random, access, ops, record_steps } = task;
        let blocks = [group.read_block, group.write_block].into_iter().flatten().map(u32::from);
        let creating = places.iter().map(|place| place.layout.create_block);
        let largest = blocks.chain(creating).max().unwrap_or(0);
        // The content must not disturb the order of operations, which is drawn from the same seed.
        let mut content = random.clone();
        content.set_stream(!random.get_stream());
        let block = round_up(largest.into(), ALIGNMENT);
        let buffer = Buffer::random(usize::try_from(block).unwrap_or(usize::MAX), &mut content);
        Self {
            group,
            maker,
            places,
            random,
            access,
            buffer,
            meter: Meter {
                latencies: Latencies::new(group.stats.as_ref()),
                limit,
                called: false,
                moved: false,
            },
            tally: Tally::default(),
            trail: Trail::new(record_steps),
            limit,
            ops,
            group_number,
        }
    }

    /// Works until the end.
    pub(crate) fn work(mut self) -> Finished {
        let failure = match self.work_until_halt() {
            Ok(()) | Err(Halt::Over) => None,
            Err(Halt::Failed(error)) => {
                self.limit.stop();
                Some(error)
            }
        };
        Finished {
            group_number: self.group_number,
            places: self.places,
            tally: self.tally,
            latencies: self.meter.latencies,
            trail: self.trail,
            failure,
        }
    }

    fn work_until_halt(&mut self) -> Result<(), Halt> {
        let (ops, weights): (Vec<Op>, Vec<u64>) =
            self.group.weights.used().map(|(op, weight)| (op, u64::from(weight))).unzip();
        // A checked profile has a weight above zero in every group.
        let Ok(choice) = WeightedIndex::new(weights) else {
            return Ok(());
        };
        let mut done = 0;
        while self.ops.is_none_or(|ops| done < ops) {
            self.check()?;
            if done > 0 && !self.group.delay.is_zero() {
                self.limit.sleep(self.group.delay);
                self.check()?;
            }
            let op = ops[choice.sample(&mut self.random)];
            let place = self.random.random_range(0..self.places.len());
            self.tally.of_mut(op).operations += 1;
            op::run(self, op, place)?;
            done += 1;
        }
        Ok(())
    }

    /// Ends an operation between two of its calls.
    pub(crate) fn check(&self) -> Result<(), Halt> {
        if self.limit.is_over() { Err(Halt::Over) } else { Ok(()) }
    }

    /// A random file of a place; `None`, and counted, where there is none.
    pub(crate) fn pick(&mut self, op: Op, place: usize) -> Option<(usize, LiveFile)> {
        let files = &self.places[place].files;
        if files.is_empty() {
            self.tally.of_mut(op).without_file += 1;
            // Somebody else's turn: nothing here will change by asking again at once.
            std::thread::yield_now();
            return None;
        }
        let index = self.random.random_range(0..files.len());
        Some((index, files[index]))
    }

    /// A random offset for `span` bytes in a file.
    pub(crate) fn offset(&mut self, file_bytes: u64, span: u64) -> u64 {
        let room = file_bytes.saturating_sub(span);
        if self.access.aligned {
            self.random.random_range(0..=room / ALIGNMENT) * ALIGNMENT
        } else {
            self.random.random_range(0..=room)
        }
    }

    /// A size that the access can move: as given, or whole pages for direct I/O.
    pub(crate) const fn movable(&self, bytes: u64) -> u64 {
        if self.access.direct { round_up(bytes, ALIGNMENT) } else { bytes }
    }

    pub(crate) fn open(
        &mut self,
        op: Op,
        path: &Path,
        set: impl FnOnce(&mut OpenOptions),
    ) -> Result<File, Halt> {
        self.open_by(Syscall::Open, op, path, set)
    }

    pub(crate) fn open_by(
        &mut self,
        call: Syscall,
        op: Op,
        path: &Path,
        set: impl FnOnce(&mut OpenOptions),
    ) -> Result<File, Halt> {
        let mut options = platform::options();
        set(&mut options);
        platform::set_direct(&mut options, self.access.direct);
        let what = if call == Syscall::Create { "make" } else { "open" };
        self.meter.call(call, || options.open(path)).map_err(|source| failed(op, what, path, source))
    }

    pub(crate) fn close(&mut self, file: File) {
        let mut file = Some(file);
        // Closing reports nothing through the standard library; data that cannot be written shows at fsync.
        let _ = self.meter.call(Syscall::Close, || {
            drop(file.take());
            Ok(())
        });
    }

    /// One transaction, of this many bytes read and written.
    pub(crate) fn count(&mut self, op: Op, read_bytes: u64, written_bytes: u64) {
        let count = self.tally.of_mut(op);
        count.transactions += 1;
        count.read_bytes += read_bytes;
        count.written_bytes += written_bytes;
    }

    /// The thread's own files in a place, which it may add to and take from.
    ///
    /// Only threads of a group that changes files do so, and those share with nobody: nothing is copied.
    pub(crate) fn own(&mut self, place: usize) -> &mut Vec<LiveFile> {
        Arc::make_mut(&mut self.places[place].files)
    }
}

pub(crate) fn failed(op: Op, what: &'static str, path: &Path, source: io::Error) -> Halt {
    Halt::Failed(OpError { op, what, path: path.to_owned(), source })
}
