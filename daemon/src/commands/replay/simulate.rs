//! `replay --disk`: what a simulated disk makes of a trace, under one setting or several.

use super::{fit, latency_cells, latency_json, latency_table, notes, read, trace_failure};
use crate::cli::{Candidate, ReplayArgs};
use crate::commands::table::{Align, Table, bytes};
use crate::commands::{Failure, print_json};
use crate::config::Objective;
use crate::replay::disk::SimulatedDisk;
use crate::replay::evaluate::{Gain, Pace, Piece, gain, pieces, run, run_piece};
use ::replay::{Config, Flow, Report, Scored, Trace, scores};
use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use serde_json::{Value, json};
use std::io::Write;

/// Bios outstanding with `--no-stall` where nothing is said.
const OUTSTANDING: u32 = 32;
/// Pieces that intervals rest on, and bios that each has at least.
const PIECES: usize = 16;
const LEAST_BIOS: usize = 1_000;

/// What a simulation needs.
pub(super) struct Bench {
    pub(super) disk: SimulatedDisk,
    pub(super) trace: Trace,
    pub(super) pace: Pace,
    pub(super) scheduler: Elevator,
    pub(super) notes: Vec<String>,
}

pub(super) fn bench(args: &ReplayArgs, model: &str) -> Result<Bench, Failure> {
    // What is wrong with the disk is said before a long trace is read.
    let at_origin = |end| SimulatedDisk::new(model, args.disk_size, args.queue_depth, end, args.seed);
    at_origin(block_types::Sector(0)).map_err(Failure::failed)?;
    let loaded = read(args)?;
    let disk = at_origin(loaded.trace.end()).map_err(Failure::failed)?;
    let loaded = loaded.onto(disk.size(), fit(args.redirect)).map_err(trace_failure)?;
    let mut notes = loaded.notes;
    let completions = loaded.trace.uncompleted() < loaded.trace.len() as u64;
    let pace = if args.no_stall {
        Pace::NoStall { outstanding: args.outstanding.unwrap_or(OUTSTANDING) as usize }
    } else if args.closed || (!args.open && completions) {
        Pace::Closed { time_scale: args.time_scale }
    } else {
        if !args.open {
            notes.push("the trace has no completions, so it is replayed at its times (--open)".to_owned());
        }
        Pace::Open { time_scale: args.time_scale }
    };
    let scheduler = args.scheduler.unwrap_or_else(|| disk.usual_scheduler());
    Ok(Bench { disk, trace: loaded.trace, pace, scheduler, notes })
}

pub(super) fn settings_with(scheduler: Elevator, set: &[Setting]) -> Settings {
    let mut settings: Settings = set.iter().copied().collect();
    settings.set(Knob::Scheduler, KnobValue::Elevator(scheduler));
    settings
}

pub(super) fn simulate(args: &ReplayArgs, model: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let mut bench = bench(args, model)?;
    let first = Candidate { scheduler: bench.scheduler, settings: args.set.clone() };
    let mut tried = Vec::new();
    for candidate in std::iter::once(&first).chain(&args.compare) {
        let settings = settings_with(candidate.scheduler, &candidate.settings);
        let config = Config::new(bench.disk.host(), &settings).map_err(Failure::usage)?;
        for setting in &candidate.settings {
            if let Scored::Fixed { why } = scores(setting.knob) {
                bench.notes.push(format!("{} makes no difference here: {why}", setting.knob));
            }
        }
        tried.push((settings, config));
    }
    let mut found = Vec::new();
    for (settings, config) in tried {
        let report = run(&bench.disk, &config, &bench.trace, bench.pace).map_err(Failure::failed)?;
        found.push((settings, config, report));
    }
    if let Some((_, _, report)) = found.first()
        && report.refused > 0
    {
        bench
            .notes
            .push(format!("{} bios were not simulated: they are no work of this disk", report.refused));
    }
    let gains = compare(&bench, &found, args.seed)?;
    if args.json.json {
        return print_json(out, &as_json(&bench, &found, &gains));
    }
    print(&bench, &found, &gains, out)?;
    notes(out, &bench.notes)
}

/// Of each setting but the first: throughput and latency against the first's.
type Gains = Vec<(Option<Gain>, Option<Gain>)>;

/// On the same pieces of the trace, so that only the settings differ.
fn compare(bench: &Bench, found: &[(Settings, Config, Report)], seed: u64) -> Result<Gains, Failure> {
    if found.len() < 2 {
        return Ok(Vec::new());
    }
    let parts = pieces(&bench.trace, PIECES, LEAST_BIOS);
    let all: Vec<Vec<Piece>> = found
        .iter()
        .map(|(_, config, _)| {
            parts.iter().map(|part| run_piece(&bench.disk, config, part, bench.pace)).collect()
        })
        .collect::<Result<_, crate::replay::evaluate::EvaluateError>>()
        .map_err(Failure::failed)?;
    let Some((control, children)) = all.split_first() else { return Ok(Vec::new()) };
    let of = |child: &Vec<Piece>| {
        (gain(control, child, Objective::Throughput, seed), gain(control, child, Objective::Latency, seed))
    };
    Ok(children.iter().map(of).collect())
}

fn flows(report: &Report) -> [(&'static str, &Flow); 5] {
    [
        ("reads", &report.reads),
        ("sync_writes", &report.sync_writes),
        ("async_writes", &report.async_writes),
        ("flushes", &report.flushes),
        ("discards", &report.discards),
    ]
}

fn report_json(settings: &Settings, report: &Report) -> Value {
    let seconds = report.elapsed.as_secs_f64().max(1e-9);
    let mut object = json!({
        "settings": settings,
        "elapsed_ns": report.elapsed,
        "bytes_per_s": report.bytes_per_s(),
        "ios_per_s": report.iops(),
        "utilisation": report.utilisation,
        "mean_device_depth": report.mean_device_depth,
        "mean_outstanding": report.mean_outstanding,
        "most_outstanding": report.most_outstanding,
        "waited_for_tag": report.waited_for_tag,
        "refused": report.refused,
        "merges": report.merges,
    });
    for (name, flow) in flows(report) {
        object[name] = json!({
            "bios": flow.bios, "requests": flow.requests, "bytes": flow.bytes,
            "bytes_per_s": flow.bytes.0 as f64 / seconds,
            "latency": latency_json(&flow.latency),
            "device_latency": latency_json(&flow.device_latency),
        });
    }
    object
}

fn as_json(bench: &Bench, found: &[(Settings, Config, Report)], gains: &Gains) -> Value {
    let results: Vec<Value> = found
        .iter()
        .enumerate()
        .map(|(index, (settings, _, report))| {
            let mut object = report_json(settings, report);
            if let Some((throughput, latency)) = index.checked_sub(1).and_then(|index| gains.get(index)) {
                object["against_first"] = json!({ "throughput": throughput, "latency": latency });
            }
            object
        })
        .collect();
    json!({
        "disk": bench.disk.name(),
        "disk_bytes": bench.disk.size(),
        "queue_depth": bench.disk.depth(),
        "bios": bench.trace.len(),
        "trace_ns": bench.trace.duration(),
        "replay": bench.pace,
        "results": results,
        "notes": bench.notes,
    })
}

fn pace_words(pace: Pace) -> String {
    let scaled =
        |scale: f64| if (scale - 1.0).abs() < 1e-9 { String::new() } else { format!(", times × {scale}") };
    match pace {
        Pace::Open { time_scale } => format!("at the trace's times (open loop{})", scaled(time_scale)),
        Pace::Closed { time_scale } => {
            format!("as the programs waited for it (closed loop{})", scaled(time_scale))
        }
        Pace::NoStall { outstanding } => format!("with {outstanding} outstanding"),
    }
}

pub(super) fn heading(bench: &Bench, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(
        out,
        "{} bios over {} on a simulated {} of {}, {} commands at once, {}",
        bench.trace.len(),
        bench.trace.duration(),
        bench.disk.name(),
        bytes(bench.disk.size().0),
        bench.disk.depth(),
        pace_words(bench.pace)
    )?;
    Ok(())
}

fn print(
    bench: &Bench,
    found: &[(Settings, Config, Report)],
    gains: &Gains,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    heading(bench, out)?;
    for (settings, config, report) in found {
        writeln!(out, "\n{settings}")?;
        writeln!(
            out,
            "  {} ({}): {:.1} MB/s, {:.0} I/Os/s; disk busy {:.0} %, {:.1} commands in it and {:.1} bios outstanding on average, {} at most",
            report.elapsed,
            config,
            report.bytes_per_s() / 1e6,
            report.iops(),
            report.utilisation * 100.0,
            report.mean_device_depth,
            report.mean_outstanding,
            report.most_outstanding
        )?;
        let merges = report.merges;
        writeln!(
            out,
            "  merges: {} in plugs, {} back, {} front, {} of requests; {} splits; {} bios waited for a tag",
            merges.in_plug, merges.back, merges.front, merges.requests, merges.splits, report.waited_for_tag
        )?;
        by_type(report).print(out)?;
    }
    if gains.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nagainst the first, on the same pieces of the trace, with 95 % intervals")?;
    let mut table = Table::new(&[
        ("settings", Align::Left),
        ("throughput", Align::Right),
        ("mean latency of what is waited for", Align::Right),
        ("pieces", Align::Right),
    ]);
    for ((settings, _, _), (throughput, latency)) in found.iter().skip(1).zip(gains) {
        table.row([
            settings.to_string(),
            throughput.map_or_else(|| "-".to_owned(), |gain| change(gain, false)),
            latency.map_or_else(|| "-".to_owned(), |gain| change(gain, true)),
            throughput.or(*latency).map_or(0, |gain| gain.pieces).to_string(),
        ]);
    }
    table.print(out)?;
    Ok(())
}

/// A change in per cent; of latencies, whose scores are inverse, the other way round.
pub(super) fn change(gain: Gain, inverse: bool) -> String {
    let per_cent = |ratio: f64| (if inverse { 1.0 / ratio } else { ratio } - 1.0) * 100.0;
    let (low, high) = if inverse {
        (per_cent(gain.upper), per_cent(gain.lower))
    } else {
        (per_cent(gain.lower), per_cent(gain.upper))
    };
    format!("{:+.1} % [{low:+.1}, {high:+.1}]", per_cent(gain.ratio))
}

fn by_type(report: &Report) -> Table {
    let mut table = latency_table("  type", &["bios", "requests", "MB/s"]);
    let seconds = report.elapsed.as_secs_f64().max(1e-9);
    for (name, flow) in flows(report).into_iter().filter(|(_, flow)| flow.bios > 0) {
        let mut cells = vec![
            format!("  {}", name.replace('_', " ")),
            flow.bios.to_string(),
            flow.requests.to_string(),
            format!("{:.1}", flow.bytes.0 as f64 / seconds / 1e6),
        ];
        cells.extend(latency_cells(&flow.latency));
        table.row(cells);
    }
    table
}
