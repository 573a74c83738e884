//! `replay`: a trace simulated on a disk model, searched for settings, or replayed onto a device.

mod onto;
mod simulate;
mod tune;

use super::Failure;
use super::table::{Align, Table};
use crate::cli::{Redirect, ReplayArgs};
use crate::replay::input::{Loaded, TraceError, Wanted, load};
use ::replay::Fit;
use block_types::{LatencyHistogram, Nanos};
use serde_json::{Value, json};
use std::io::Write;

pub(super) fn replay(args: &ReplayArgs, out: &mut dyn Write) -> Result<(), Failure> {
    match (&args.onto, &args.disk) {
        (Some(device), _) => onto::onto(args, device, out),
        (None, Some(model)) if args.tune => tune::tune(args, model, out),
        (None, Some(model)) => simulate::simulate(args, model, out),
        (None, None) => Err(Failure::usage("replay: name a --disk to simulate or a device to replay --onto")),
    }
}

fn read(args: &ReplayArgs) -> Result<Loaded, Failure> {
    let wanted = Wanted {
        options: blktrace_parser::Options { format: args.format, skip_bad_lines: args.skip_bad_lines },
        device: args.trace_device,
        skip: args.skip,
        length: args.length,
    };
    load(&args.trace, &wanted).map_err(trace_failure)
}

/// A choice that is missing is wrong usage; everything else is a failure.
fn trace_failure(error: TraceError) -> Failure {
    match error {
        TraceError::ManyDisks { .. } | TraceError::NoSuchDisk { .. } => Failure::usage(error),
        other => Failure::failed(other),
    }
}

const fn fit(redirect: Redirect) -> Fit {
    match redirect {
        Redirect::Refuse => Fit::Refuse,
        Redirect::Wrap => Fit::Wrap,
        Redirect::Scale => Fit::Scale,
    }
}

/// The percentiles that are printed.
const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)];

/// A distribution of latencies for programs.
fn latency_json(latency: &LatencyHistogram) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("count".to_owned(), json!(latency.count()));
    object.insert("mean_ns".to_owned(), json!(latency.mean()));
    for (name, q) in PERCENTILES {
        object.insert(format!("{name}_ns"), json!(latency.quantile(q)));
    }
    Value::Object(object)
}

/// A table of columns of its own and then, set to the right, those of [`latency_cells`].
fn latency_table(named: &str, counts: &[&str]) -> Table {
    let latencies = ["mean", "p50", "p90", "p99", "p99.9"];
    let right = counts.iter().copied().chain(latencies).map(|heading| (heading, Align::Right));
    Table::new(&std::iter::once((named, Align::Left)).chain(right).collect::<Vec<_>>())
}

/// Mean and percentiles for people, as cells of a table.
fn latency_cells(latency: &LatencyHistogram) -> Vec<String> {
    let shown = |value: Option<Nanos>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    std::iter::once(latency.mean())
        .chain(PERCENTILES.iter().map(|(_, q)| latency.quantile(*q)))
        .map(shown)
        .collect()
}

fn notes(out: &mut dyn Write, notes: &[String]) -> Result<(), Failure> {
    for note in notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}
