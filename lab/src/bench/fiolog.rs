//! fio's log of every I/O, for when the first of them was submitted.

use crate::bench::clock::monotonic;
use crate::bench::fio::Job;
use crate::bench::tunerd::text;
use anyhow::{Context, Result, ensure};
use block_types::Nanos;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The job with a log of its I/Os in `directory`. For limited rates: it costs a line an I/O.
#[must_use]
pub fn logged(job: Job, directory: &Path) -> Job {
    let prefix = text(&directory.join(job.name()));
    // The wall clock is what every fio can stamp with; monotonic came later.
    job.option("write_lat_log", &prefix).option("log_unix_epoch", "1").option("per_job_logs", "0")
}

/// When the first I/O of a job was submitted, to a millisecond or two.
///
/// # Errors
///
/// When the log is missing, empty, or not what fio writes.
pub fn first_bio(directory: &Path, job: &str) -> Result<Nanos> {
    let path = directory.join(format!("{job}_lat.log"));
    let file = std::fs::File::open(&path).with_context(|| format!("fio left no {}", path.display()))?;
    let first = earliest(file).with_context(|| format!("in {}", path.display()))?;
    // Of the same moment on both clocks. The wall clock may be slewed meanwhile, by at most 0.5 ms a second.
    let wall = Nanos::from(SystemTime::now().duration_since(UNIX_EPOCH)?);
    let offset = wall - monotonic();
    ensure!(first > offset, "the log's times are not those of the wall clock");
    Ok(first - offset)
}

/// The earliest submission on the log's own clock: each line is the time of completion (ms), the latency (ns),
/// and more.
fn earliest(log: impl Read) -> Result<Nanos> {
    let mut first: Option<Nanos> = None;
    for (number, line) in BufReader::new(log).lines().enumerate() {
        let line = line?;
        let mut columns = line.split(',').map(str::trim);
        let mut number_in = || columns.next().and_then(|column| column.parse::<u64>().ok());
        let (Some(ms), Some(latency)) = (number_in(), number_in()) else {
            anyhow::bail!("line {}: found {line:?}, expected milliseconds, nanoseconds, ...", number + 1);
        };
        let at = Nanos::from_millis(ms) - Nanos(latency);
        first = Some(first.map_or(at, |first| first.min(at)));
    }
    first.context("no I/O was logged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_submission_need_not_be_the_first_completion() {
        let log = "1000, 2000000, 0, 4096, 0, 0\n1001, 9000000, 0, 4096, 0, 0\n1005, 1000, 1, 4096, 0, 0\n";
        assert_eq!(earliest(log.as_bytes()).unwrap(), Nanos::from_millis(992));
    }

    #[test]
    fn a_log_that_is_none_is_an_error_with_its_line() {
        assert!(earliest("".as_bytes()).is_err());
        let error = earliest("1, 2, 0\nhello\n".as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("hello"), "{error}");
    }
}
