//! What the kernel did, from the block layer's trace events in a private instance of tracefs.

use block_types::{DevNo, Nanos, Op, Sector, Sectors};
use libtest_mimic::Failed;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) at: Nanos,
    pub(crate) what: What,
    /// The task in whose context it happened.
    pub(crate) task: u64,
    pub(crate) op: Op,
    pub(crate) sync: bool,
    pub(crate) sector: Sector,
    pub(crate) sectors: Sectors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Queued,
    Issued,
    Completed,
}

const EVENTS: [(&str, What); 3] = [
    ("block_bio_queue", What::Queued),
    ("block_rq_issue", What::Issued),
    ("block_rq_complete", What::Completed),
];

/// A tracing instance that is removed when it is dropped.
pub(crate) struct Tracing {
    directory: PathBuf,
}

pub(crate) fn instances() -> Option<PathBuf> {
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .map(|root| Path::new(root).join("instances"))
        .into_iter()
        .find(|path| path.is_dir())
}

impl Tracing {
    pub(crate) fn of(dev: DevNo) -> Result<Self, Failed> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let instances = instances().ok_or("there is no tracefs")?;
        let directory = instances.join(format!("replay-live-{}-{number}", std::process::id()));
        std::fs::create_dir(&directory)?;
        let tracing = Self { directory };
        tracing.set("trace_clock", "mono")?;
        tracing.set("buffer_size_kb", "4096")?;
        for (event, _) in EVENTS {
            tracing.set(&format!("events/block/{event}/filter"), &format!("dev == {}", dev.to_kernel()))?;
            tracing.set(&format!("events/block/{event}/enable"), "1")?;
        }
        Ok(tracing)
    }

    fn set(&self, file: &str, value: &str) -> Result<(), Failed> {
        let path = self.directory.join(file);
        std::fs::write(&path, value)
            .map_err(|error| format!("write {value:?} to {}: {error}", path.display()))?;
        Ok(())
    }

    /// Everything so far; forgets it.
    pub(crate) fn take(&self) -> Result<Vec<Seen>, Failed> {
        let text = std::fs::read_to_string(self.directory.join("trace"))?;
        self.set("trace", "")?;
        Ok(text.lines().filter_map(parse).collect())
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.directory);
    }
}

/// `   name-123   [001] ..... 12.345678: block_rq_issue: 7,1 RS 4096 () 2048 + 8 be,0,4 [name]`
fn parse(line: &str) -> Option<Seen> {
    let (what, head, tail) = EVENTS.into_iter().find_map(|(event, what)| {
        let (head, tail) = line.split_once(&format!(": {event}: "))?;
        Some((what, head, tail))
    })?;
    let (task, rest) = head.split_once(" [")?;
    let task = task.trim_end().rsplit('-').next()?.parse().ok()?;
    let seconds: f64 = rest.rsplit(' ').next()?.parse().ok()?;
    let mut words = tail.split_whitespace().skip(1);
    let flags = words.next()?;
    let words: Vec<&str> = words.collect();
    let plus = words.iter().position(|&word| word == "+")?;
    let sector = words.get(plus.checked_sub(1)?)?.parse().ok()?;
    let sectors = words.get(plus + 1)?.parse().ok()?;
    let op = match flags.chars().find(|letter| "RWDNF".contains(*letter))? {
        'R' => Op::Read,
        'W' => Op::Write,
        'D' => Op::Discard,
        _ => Op::Other,
    };
    let sync = op == Op::Read || flags.contains('S');
    let at = Nanos((seconds * 1e9).round() as u64);
    Some(Seen { at, what, task, op, sync, sector: Sector(sector), sectors: Sectors(sectors) })
}
