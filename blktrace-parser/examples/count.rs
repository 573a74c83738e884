//! Counts the events of a binary trace by their action, and sums up latencies.
//!
//! `cargo run --release -p blktrace-parser --example count -- NAME [--only-count]`, where `NAME` is a file or the
//! base name of per-CPU files.

use blktrace_parser::{Event, Latency, Requests, open_binary};
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(name) = args.next() else {
        eprintln!("usage: count NAME [--only-count]");
        return ExitCode::FAILURE;
    };
    match count(&name, args.next().as_deref() == Some("--only-count")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("count: {error}");
            ExitCode::FAILURE
        }
    }
}

fn count(name: &str, only_count: bool) -> blktrace_parser::Result<()> {
    let mut trace = open_binary(name.as_ref())?;
    let mut requests = Requests::new();
    let mut actions = BTreeMap::new();
    while let Some(record) = trace.merge.next_record()? {
        let event = Event::from_record(&record)?;
        *actions.entry(event.action).or_insert(0_u64) += 1;
        if !only_count {
            requests.observe(&event);
        }
    }
    for (action, events) in actions {
        println!("{events:10} {} {action:?}", action.code().unwrap_or("-"));
    }
    let merge = &trace.merge;
    println!("{:10} events, {} late, {} lost", merge.records(), merge.late(), merge.sequence().missing());
    if !trace.missing_cpus.is_empty() {
        println!("no file of CPUs {:?}", trace.missing_cpus);
    }
    if only_count {
        return Ok(());
    }
    let stats = requests.stats();
    let show = |what: &str, latency: &Latency| {
        if let Some(mean) = latency.mean_ns() {
            println!("{what} mean {:.9} s of {}", mean / 1e9, latency.count());
        }
    };
    show("Q2D", &stats.q2d);
    show("D2C", &stats.d2c);
    show("Q2C", &stats.q2c);
    show("D2C of requests", &stats.request_d2c);
    println!(
        "unpaired: {} issues, {} completions, {} open",
        stats.issues_without_queue,
        stats.completions_without_issue,
        requests.open()
    );
    Ok(())
}
