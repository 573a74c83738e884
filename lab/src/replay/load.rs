//! The work of the comparison, in terms that both fio and the simulator understand.

use crate::bench::fio::{Engine, Job, Rw};
use block_types::Bytes;
use std::time::Duration;

/// Where a thread's next I/O goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Behind the last one; each thread has a part of the disk to itself.
    Sequential,
    /// Anywhere.
    Random,
}

/// What a thread asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Reads only.
    Reads,
    /// Writes only.
    Writes,
    /// Both, in this share of reads.
    Mixed {
        /// Reads in a hundred I/Os.
        reads_per_cent: u32,
    },
}

/// Threads that all do the same, in a closed loop: each always has `depth` I/Os in flight or on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// What fio calls the job.
    pub name: &'static str,
    /// How many there are.
    pub count: u32,
    /// Where they go.
    pub order: Order,
    /// What they ask for.
    pub direction: Direction,
    /// The size of each I/O.
    pub block: Bytes,
    /// I/Os that each has in flight: with one it blocks in each call, with more it submits asynchronously.
    pub depth: u32,
    /// Whether it goes through the page cache; then what the block layer sees is the kernel's writeback.
    pub buffered: bool,
}

/// One piece of work. Of direct I/O the block layer sees what is written here.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Its name in tables and records.
    pub name: &'static str,
    /// Who works.
    pub threads: &'static [Threads],
}

const KIB: u64 = 1 << 10;

/// The same through the page cache.
pub(super) const fn buffered(threads: Threads) -> Threads {
    Threads { buffered: true, ..threads }
}

pub(super) const fn threads(
    name: &'static str,
    count: u32,
    order: Order,
    direction: Direction,
    kib: u64,
    depth: u32,
) -> Threads {
    Threads { name, count, order, direction, block: Bytes(kib * KIB), depth, buffered: false }
}

/// The work of the comparison.
pub const WORK: [Work; 5] = {
    use Direction::{Mixed, Reads, Writes};
    use Order::{Random, Sequential};
    [
        Work {
            name: "4 random readers, 1 random writer",
            threads: &[
                threads("readers", 4, Random, Reads, 4, 1),
                threads("writer", 1, Random, Writes, 4, 32),
            ],
        },
        Work { name: "4 sequential readers", threads: &[threads("readers", 4, Sequential, Reads, 256, 1)] },
        Work {
            name: "random 64 KiB, 70 % reads, depth 32",
            threads: &[threads("mixed", 1, Random, Mixed { reads_per_cent: 70 }, 64, 32)],
        },
        Work { name: "random reads, depth 32", threads: &[threads("readers", 1, Random, Reads, 4, 32)] },
        Work {
            name: "2 sequential readers, write flood",
            threads: &[
                threads("readers", 2, Sequential, Reads, 64, 1),
                threads("writer", 1, Random, Writes, 16, 128),
            ],
        },
    ]
};

/// The piece of work of that name.
#[must_use]
pub fn named(name: &str) -> Option<Work> {
    WORK.into_iter().find(|work| work.name == name)
}

impl Threads {
    /// As a job of fio, on a disk of `size`.
    #[must_use]
    pub fn job(&self, size: Bytes, ramp: Duration, window: Duration, seed: u64) -> Job {
        let rw = match (self.order, self.direction) {
            (Order::Sequential, Direction::Writes) => Rw::Write,
            (Order::Sequential, _) => Rw::Read,
            (Order::Random, Direction::Reads) => Rw::RandRead,
            (Order::Random, Direction::Writes) => Rw::RandWrite,
            (Order::Random, Direction::Mixed { .. }) => Rw::RandRw,
        };
        let engine = if self.depth > 1 { Engine::Libaio { depth: self.depth } } else { Engine::Psync };
        let mut job = Job::new(self.name, rw, self.block)
            .engine(engine)
            .jobs(self.count)
            .runtime(window)
            .option("ramp_time", &format!("{}ms", ramp.as_millis()))
            .option("randseed", &seed.to_string())
            .option("norandommap", "1")
            // From the call to the completion: a submission that waits for a request waits inside the call.
            .option("lat_percentiles", "1");
        if let Direction::Mixed { reads_per_cent } = self.direction {
            job = job.option("rwmixread", &reads_per_cent.to_string());
        }
        if self.buffered {
            job = job.buffered();
        }
        if self.order == Order::Sequential {
            job = job.option("offset_increment", &self.part(size).0.to_string());
        }
        job
    }

    /// How much of a disk of `size` each of them has to itself, in whole MiB.
    #[must_use]
    pub const fn part(&self, size: Bytes) -> Bytes {
        Bytes((size.0 / self.count as u64) & !((1 << 20) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_found() {
        let names: BTreeSet<&str> = WORK.iter().map(|work| work.name).collect();
        assert_eq!(names.len(), WORK.len());
        assert!(WORK.iter().all(|work| named(work.name).is_some()));
        assert!(named("nothing").is_none());
    }

    #[test]
    fn sequential_threads_share_the_disk_without_overlap() {
        for threads in WORK.iter().flat_map(|work| work.threads) {
            let size = Bytes(16 << 30);
            assert!(threads.part(size).0 * u64::from(threads.count) <= size.0);
            assert!(threads.part(size).0.is_multiple_of(threads.block.0));
        }
    }
}
