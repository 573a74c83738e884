//! What a run did, for people in the shape of FFSB's own report, and for programs as JSON.

mod text;

use crate::plan::Plan;
use crate::profile::Op;
use crate::run::{AgingOutcome, Bound, Ending, GroupOutcome, Outcome, PhaseRun, Settings};
use crate::tally::{OpCount, Tally};
use serde::Serialize;

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The program's version.
    pub version: &'static str,
    /// What governed every draw.
    pub seed: u64,
    /// Whether everything was done that the plan says.
    pub complete: bool,
    /// What went wrong.
    pub problem: Option<String>,
    /// The file sets when the first phase began.
    pub file_sets: Vec<FileSetReport>,
    /// The phases that were run, in order.
    pub phases: Vec<PhaseReport>,
    /// Whether the file sets are still there.
    pub kept: bool,
    /// Things in the locations that are not ours and stayed.
    pub left_in_place: u64,
    /// The configuration of each phase of the plan, for the text.
    #[serde(skip)]
    echo: Vec<String>,
}

/// A file set.
#[derive(Clone, Debug, Serialize)]
pub struct FileSetReport {
    /// Where; what is not UTF-8 in it is replaced.
    pub path: String,
    /// How many files.
    pub files: u64,
    /// Bytes in them together.
    pub bytes: u64,
    /// Whether an earlier run's was taken.
    pub reused: bool,
    /// How long it took to make or to find it, in nanoseconds.
    pub setup_ns: u64,
    /// What aging did.
    pub aging: Option<AgingOutcome>,
}

/// A phase that was run. Points in time are on `CLOCK_MONOTONIC`.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseReport {
    /// Which turn of the cycle, from 0.
    pub turn: u32,
    /// Which phase of the cycle, from 0.
    pub phase: usize,
    /// Its name.
    pub name: String,
    /// Whether operations bypassed the page cache.
    pub direct: bool,
    /// When its threads were released.
    pub begin_ns: u64,
    /// When one of them called the system for the first time.
    pub first_call_ns: Option<u64>,
    /// When one of them called read or write for the first time; in a phase without either, whatever it called first.
    pub first_io_ns: Option<u64>,
    /// When the last one had ended.
    pub end_ns: u64,
    /// How long it took to write out what was left in memory, where that was done.
    pub sync_ns: Option<u64>,
    /// From the begin to the end, with the sync: what rates are taken by.
    pub elapsed_ns: u64,
    /// How it ended.
    pub ending: EndingName,
    /// Processor time in its own code.
    pub user_ns: Option<u64>,
    /// Processor time in the kernel.
    pub system_ns: Option<u64>,
    /// All threads.
    pub total: Work,
    /// Group by group.
    pub threadgroups: Vec<GroupReport>,
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndingName {
    /// Its time was over, or its operations done.
    Complete,
    /// Somebody asked to end.
    Interrupted,
    /// A call failed.
    Failed,
}

/// What the threads of a group did.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// How many threads.
    pub threads: u32,
    /// Their operations.
    #[serde(flatten)]
    pub work: Work,
    /// How long their calls took, where `[stats]` asks for it.
    pub calls: Option<Vec<CallReport>>,
    /// For each thread, a number that is equal for equal orders of operations, in hexadecimal.
    pub thread_digests: Vec<String>,
}

/// Operations, added up.
#[derive(Clone, Debug, Serialize)]
pub struct Work {
    /// Kind by kind; those that were never begun are left out.
    pub operations: Vec<OperationReport>,
    /// Blocks of data operations; one for each other operation.
    pub transactions: u64,
    /// The same in a second.
    pub transactions_per_s: f64,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// The same in a second.
    pub read_bytes_per_s: f64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// The same in a second.
    pub written_bytes_per_s: f64,
    /// Files that were removed to keep a growing set in its bounds.
    pub files_removed_for_room: u64,
}

/// The operations of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct OperationReport {
    /// Which.
    pub operation: Op,
    /// How many were begun.
    pub operations: u64,
    /// How many of those found no file to work on.
    pub operations_without_file: u64,
    /// Blocks, or one for each.
    pub transactions: u64,
    /// The same in a second.
    pub transactions_per_s: f64,
    /// Their share of all transactions, from 0 to 1.
    pub transaction_share: f64,
    /// Their share of all operations, from 0 to 1.
    pub operation_share: f64,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// Both together in a second; `None` where no data moves.
    pub bytes_per_s: Option<f64>,
}

/// The calls of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct CallReport {
    /// Which.
    pub call: crate::profile::Syscall,
    /// How many.
    pub calls: u64,
    /// The shortest; `None` without calls.
    pub min_ns: Option<u64>,
    /// The mean.
    pub mean_ns: Option<u64>,
    /// The longest.
    pub max_ns: Option<u64>,
    /// How many fell into each range of the profile.
    pub ranges: Vec<RangeReport>,
}

/// Calls in a range of latency.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RangeReport {
    /// The lower end, which belongs to it, in milliseconds.
    pub from_ms: f64,
    /// The upper end, which does not.
    pub to_ms: f64,
    /// How many.
    pub calls: u64,
}

impl Report {
    /// Of a run.
    #[must_use]
    pub fn new(plan: &Plan, settings: &Settings, outcome: &Outcome) -> Self {
        let problem = match outcome.ending() {
            Some(Ending::Failed(error)) => Some(error.to_string()),
            Some(Ending::Interrupted) => Some("interrupted".to_owned()),
            Some(Ending::Complete) | None => None,
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            seed: settings.seed,
            complete: problem.is_none(),
            problem,
            file_sets: outcome
                .sets
                .iter()
                .map(|set| FileSetReport {
                    path: set.path.display().to_string(),
                    files: set.files,
                    bytes: set.bytes,
                    reused: set.reused,
                    setup_ns: nanos(set.took),
                    aging: set.aging,
                })
                .collect(),
            phases: outcome.phases.iter().map(|run| phase(plan, run)).collect(),
            kept: outcome.kept,
            left_in_place: outcome.left.things,
            echo: plan.phases.iter().map(|phase| text::echo(phase, settings.bound)).collect(),
        }
    }

    /// One JSON object.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON, which none of its values gives cause for.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The report in FFSB's shape.
    #[must_use]
    pub fn text(&self) -> String {
        text::report(self)
    }
}

fn phase(plan: &Plan, run: &PhaseRun) -> PhaseReport {
    let planned = &plan.phases[run.phase];
    let outcome = &run.outcome;
    let sync_ns = run.sync.map(nanos);
    let elapsed_ns = outcome.end_ns.saturating_sub(outcome.begin_ns) + sync_ns.unwrap_or(0);
    let seconds = (elapsed_ns as f64 / 1e9).max(f64::MIN_POSITIVE);
    let mut total = Tally::default();
    for group in &outcome.groups {
        total.merge(&group.tally);
    }
    let threadgroups = outcome.groups.iter().enumerate().map(|(number, group)| GroupReport {
        threads: planned.profile.threadgroups[number].threads.get(),
        work: work(&group.tally, seconds),
        calls: calls(group),
        thread_digests: outcome
            .threads
            .iter()
            .filter(|thread| thread.group == number)
            .map(|thread| format!("{:016x}", thread.digest))
            .collect(),
    });
    PhaseReport {
        turn: run.turn,
        phase: run.phase,
        name: planned.name.clone(),
        direct: planned.profile.direct,
        begin_ns: outcome.begin_ns,
        first_call_ns: outcome.first_call_ns,
        first_io_ns: outcome.first_io_ns,
        end_ns: outcome.end_ns,
        sync_ns,
        elapsed_ns,
        ending: match outcome.ending {
            Ending::Complete => EndingName::Complete,
            Ending::Interrupted => EndingName::Interrupted,
            Ending::Failed(_) => EndingName::Failed,
        },
        user_ns: run.cpu.map(|cpu| nanos(cpu.user)),
        system_ns: run.cpu.map(|cpu| nanos(cpu.system)),
        total: work(&total, seconds),
        threadgroups: threadgroups.collect(),
    }
}

fn work(tally: &Tally, seconds: f64) -> Work {
    let all = tally.total();
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let row = |(op, count): (Op, OpCount)| {
        let bytes = count.read_bytes + count.written_bytes;
        OperationReport {
            operation: op,
            operations: count.operations,
            operations_without_file: count.without_file,
            transactions: count.transactions,
            transactions_per_s: count.transactions as f64 / seconds,
            transaction_share: share(count.transactions, all.transactions),
            operation_share: share(count.operations, all.operations),
            read_bytes: count.read_bytes,
            written_bytes: count.written_bytes,
            bytes_per_s: op.moves_data().then(|| bytes as f64 / seconds),
        }
    };
    Work {
        operations: Op::ALL
            .iter()
            .map(|op| (*op, tally.of(*op)))
            .filter(|(_, count)| count.operations > 0)
            .map(row)
            .collect(),
        transactions: all.transactions,
        transactions_per_s: all.transactions as f64 / seconds,
        read_bytes: all.read_bytes,
        read_bytes_per_s: all.read_bytes as f64 / seconds,
        written_bytes: all.written_bytes,
        written_bytes_per_s: all.written_bytes as f64 / seconds,
        files_removed_for_room: tally.removed_for_room,
    }
}

fn calls(group: &GroupOutcome) -> Option<Vec<CallReport>> {
    let latencies = group.latencies.as_ref()?;
    let report = latencies.kinds().map(|(call, latency)| {
        let some = |time| (latency.calls > 0).then(|| nanos(time));
        CallReport {
            call,
            calls: latency.calls,
            min_ns: some(latency.min),
            mean_ns: latency.mean().map(nanos),
            max_ns: some(latency.max),
            ranges: latencies
                .ranges()
                .iter()
                .zip(&latency.in_range)
                .map(|(range, calls)| RangeReport {
                    from_ms: range.from_ms,
                    to_ms: range.to_ms,
                    calls: *calls,
                })
                .collect(),
        }
    });
    Some(report.collect())
}

fn nanos(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// When a phase ends, for a reader.
fn bound_text(bound: Option<Bound>, time: std::time::Duration) -> String {
    match bound {
        None => format!("benchmark time = {}", time.as_secs()),
        Some(Bound { time: Some(time), ops: None }) => format!("benchmark time = {}", time.as_secs_f64()),
        Some(Bound { time: None, ops: Some(ops) }) => format!("operations of each thread = {ops}"),
        Some(Bound { time: Some(time), ops: Some(ops) }) => {
            format!("benchmark time = {}, or operations of each thread = {ops}", time.as_secs_f64())
        }
        Some(Bound { time: None, ops: None }) => "until interrupted".to_owned(),
    }
}
