//! The loads that are recorded and tuned, and what a run of one is worth.

use super::super::load::{Direction, Order, Work, buffered, threads};
use crate::bench::fio::Outcome;
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

/// What a setting is scored by: `tunerd`'s own objectives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Objective {
    Throughput,
    Latency,
    Tail,
}

impl Objective {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Tail => "tail",
        }
    }

    /// A score in words.
    pub(super) fn shown(self, score: f64) -> String {
        match self {
            Self::Throughput => format!("{:.2} MB/s", score / 1e6),
            Self::Latency | Self::Tail => format!("{:.0} ms", 1e3 / score),
        }
    }

    /// Higher is better: bytes a second; 1/s of the mean latency of everything that is waited for (all direct I/O); 1/s
    /// of the latency that 99 % of the direct reads do not exceed.
    pub(super) fn score(self, work: &Work, outcome: &Outcome) -> Result<f64> {
        let (mut bytes, mut ios, mut latency, mut reads, mut reads_at_p99) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for threads in work.threads {
            let job = outcome.job(threads.name)?;
            for direction in [&job.read, &job.write] {
                bytes += direction.iops * threads.block.0 as f64;
                if threads.buffered {
                    // Its latencies are the page cache's, and nobody waits for its bios.
                    continue;
                }
                let count = direction.lat_ns.count() as f64;
                ios += count;
                latency += direction.lat_ns.mean().map_or(0.0, |mean| mean.0 as f64 * count);
            }
            if !threads.buffered && job.read.lat_ns.count() > 0 {
                let count = job.read.lat_ns.count() as f64;
                let p99 = job.read.lat_ns.percentile(99.0).context("fio said no percentiles of reads")?;
                reads += count;
                reads_at_p99 += p99.0 as f64 * count;
            }
        }
        let score = match self {
            Self::Throughput => bytes,
            Self::Latency => 1e9 * ios / latency,
            Self::Tail => 1e9 * reads / reads_at_p99,
        };
        ensure!(score.is_finite() && score > 0.0, "fio did nothing in {}", work.name);
        Ok(score)
    }
}

/// Whether the disk says that a write is done when its buffer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WriteCache {
    /// As the model has it.
    On,
    /// The scheduler alone has writes to order.
    Off,
}

/// A load, the disk it is on and what it is tuned for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) work: Work,
    pub(super) objective: Objective,
    pub(super) write_cache: WriteCache,
}

pub(super) const CASES: [Case; 5] = {
    use Direction::{Reads, Writes};
    use Order::{Random, Sequential};
    [
        Case {
            work: Work {
                name: "4 random readers, 1 buffered random writer",
                threads: &[
                    threads("readers", 4, Random, Reads, 4, 1),
                    buffered(threads("writer", 1, Random, Writes, 4, 1)),
                ],
            },
            objective: Objective::Latency,
            write_cache: WriteCache::On,
        },
        Case {
            work: Work {
                name: "8 random readers of 64 KiB, 1 buffered sequential writer",
                threads: &[
                    threads("readers", 8, Random, Reads, 64, 1),
                    buffered(threads("writer", 1, Sequential, Writes, 256, 1)),
                ],
            },
            objective: Objective::Latency,
            write_cache: WriteCache::On,
        },
        Case {
            work: Work {
                name: "4 random readers, 1 direct random writer at depth 32",
                threads: &[
                    threads("readers", 4, Random, Reads, 4, 1),
                    threads("writer", 1, Random, Writes, 4, 32),
                ],
            },
            objective: Objective::Tail,
            write_cache: WriteCache::Off,
        },
        Case {
            work: Work {
                name: "4 sequential readers of 64 KiB, 1 direct random writer at depth 32",
                threads: &[
                    threads("readers", 4, Sequential, Reads, 64, 1),
                    threads("writer", 1, Random, Writes, 16, 32),
                ],
            },
            objective: Objective::Tail,
            write_cache: WriteCache::Off,
        },
        Case {
            work: Work {
                name: "random reads at depth 128",
                threads: &[threads("readers", 1, Random, Reads, 4, 128)],
            },
            objective: Objective::Throughput,
            write_cache: WriteCache::On,
        },
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_what_is_buffered() {
        let side = |mean: f64, count: u64| {
            format!(
                r#"{{"total_ios": {count}, "io_bytes": 1, "iops": {count}, "clat_ns": {{"mean": 0, "N": 0}},
                    "lat_ns": {{"mean": {mean}, "N": {count}, "percentile": {{"99.000000": 20000000}}}}}}"#
            )
        };
        let job = |name: &str, read: &str, write: &str| {
            format!(r#"{{"jobname": "{name}", "error": 0, "read": {read}, "write": {write}}}"#)
        };
        let text = format!(
            r#"{{"fio version": "fio-3", "jobs": [{}, {}]}}"#,
            job("readers", &side(1e6, 30), &side(0.0, 0)),
            job("writer", &side(0.0, 0), &side(9e6, 10))
        );
        let outcome = Outcome::parse(&text).unwrap();
        let score = |case: usize, objective: Objective| objective.score(&CASES[case].work, &outcome).unwrap();
        let is = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-6 * wanted, "{found}");
        is(score(0, Objective::Latency), 1e9 / 1e6);
        is(score(2, Objective::Latency), 1e9 / 3e6);
        is(score(0, Objective::Throughput), 40.0 * 4096.0);
        is(score(2, Objective::Tail), 50.0);
        assert_eq!(Objective::Tail.shown(50.0), "20 ms");
    }
}
