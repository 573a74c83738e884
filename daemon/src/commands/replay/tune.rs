//! `replay --tune`: settings that a simulated disk serves each fingerprint of a trace best with.

use super::notes;
use super::simulate::{Bench, bench, change, heading};
use crate::cli::ReplayArgs;
use crate::commands::genes::{now_unix_ms, provenance};
use crate::commands::table::fitness;
use crate::commands::{Failure, print_json};
use crate::config::Objective;
use crate::replay::search::{Chosen, Search, Tuned};
use crate::replay::windows::{Pieces, by_fingerprint};
use block_types::Settings;
use fingerprint::Class;
use genetic::{ExchangeEntry, ExchangeFile, Provenance, SCHEMA, SCHEMA_VERSION};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::Path;

/// What a fingerprint came to.
struct Row {
    class: Class,
    pieces: Pieces,
    tuned: Option<Tuned>,
}

impl Row {
    /// Whether the held-out pieces confirm a gain: only then are genes worth taking away.
    fn is_confirmed(&self) -> bool {
        let held_out = self.tuned.as_ref().and_then(|tuned| tuned.held_out);
        held_out.is_some_and(|gain| gain.lower > 1.0)
    }
}

pub(super) fn tune(args: &ReplayArgs, model: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let mut bench = bench(args, model)?;
    if args.objective == Objective::Throughput
        && matches!(bench.pace, crate::replay::evaluate::Pace::Open { .. })
    {
        bench.notes.push(
            "at the trace's own times throughput is what the trace asks for; --objective latency, --closed or \
             --no-stall tell settings apart"
                .to_owned(),
        );
    }
    let search = Search::new(
        bench.disk.clone(),
        bench.pace,
        args.objective,
        bench.scheduler,
        Chosen { wanted: args.knobs.clone(), fixed: args.set.iter().copied().collect() },
        args.budget,
        args.seed,
    )
    .map_err(Failure::usage)?;
    for (knob, why) in search.kept() {
        bench.notes.push(format!("{knob} is kept as it is: {why}"));
    }
    let fingerprints = by_fingerprint(&bench.trace);
    let mut rows = Vec::new();
    for (class, pieces) in fingerprints {
        let mut done = 0;
        let tuned = search
            .tune(&pieces, &mut |more| {
                done += more;
                if std::io::stderr().is_terminal() && done % 16 == 0 {
                    eprint!("\r{class}: {done} of {} settings ", args.budget);
                }
            })
            .map_err(Failure::failed)?;
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        rows.push(Row { class, pieces, tuned });
    }
    if let Some(path) = &args.out {
        write(args, &bench, &search, &rows, path)?;
    }
    if args.json.json {
        return print_json(out, &as_json(args, &bench, &search, &rows));
    }
    print(args, &bench, &search, &rows, out)?;
    notes(out, &bench.notes)
}

fn entries(args: &ReplayArgs, bench: &Bench, search: &Search, rows: &[Row]) -> Vec<ExchangeEntry> {
    let device = args.for_device.clone().unwrap_or_else(|| bench.disk.name().to_owned());
    rows.iter()
        .filter(|row| row.is_confirmed())
        .filter_map(|row| {
            Some(ExchangeEntry {
                device: device.clone(),
                class: row.class.name().to_owned(),
                scheduler: search.scheduler().name().to_owned(),
                genes: row.tuned.as_ref()?.genes.clone(),
                // What they are worth on a real disk is not known.
                fitness: None,
                generations: 1,
                updated_unix_ms: now_unix_ms(),
                provenance: None,
            })
        })
        .collect()
}

fn write(
    args: &ReplayArgs,
    bench: &Bench,
    search: &Search,
    rows: &[Row],
    path: &Path,
) -> Result<(), Failure> {
    let entries = entries(args, bench, search, rows);
    if let Some(bad) = entries.iter().find_map(|entry| crate::commands::acceptable(entry).err()) {
        return Err(Failure::usage(format_args!("--for-device: {bad}")));
    }
    let note = format!(
        "replay of {} on a simulated {}, {} settings to a fingerprint",
        args.trace.display(),
        bench.disk.name(),
        args.budget
    );
    let file = ExchangeFile {
        schema: SCHEMA.to_owned(),
        version: SCHEMA_VERSION,
        objective: args.objective.name().to_owned(),
        provenance: Provenance {
            device_model: Some(bench.disk.name().to_owned()),
            note: Some(note),
            ..provenance()
        },
        entries,
    };
    let text = file.to_json().map_err(Failure::failed)?;
    std::fs::write(path, text)
        .map_err(|error| Failure::failed(format_args!("{}: cannot be written: {error}", path.display())))
}

/// What the best has otherwise than the default.
fn differences(tuned: &Tuned) -> Settings {
    tuned.best.iter().filter(|setting| tuned.default.get(setting.knob) != Some(setting.value)).collect()
}

fn as_json(args: &ReplayArgs, bench: &Bench, search: &Search, rows: &[Row]) -> Value {
    let fingerprints: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut object = json!({
                "class": row.class.name(),
                "bios": row.pieces.bios,
                "training_pieces": row.pieces.training.len(),
                "held_out_pieces": row.pieces.held_out.len(),
                "confirmed": row.is_confirmed(),
            });
            if let Some(tuned) = &row.tuned {
                object["default"] = json!(tuned.default);
                object["best"] = json!(tuned.best);
                object["training"] = json!(tuned.training);
                object["held_out"] = json!(tuned.held_out);
                object["held_out_scores"] = json!(tuned.scores);
                object["simulated_settings"] = json!(tuned.evaluations);
            }
            object
        })
        .collect();
    let kept: Vec<&str> = search.kept().iter().map(|(knob, _)| knob.name()).collect();
    json!({
        "disk": bench.disk.name(),
        "disk_bytes": bench.disk.size(),
        "queue_depth": bench.disk.depth(),
        "bios": bench.trace.len(),
        "replay": bench.pace,
        "objective": args.objective.name(),
        "scheduler": search.scheduler(),
        "searched": search.knobs(),
        "not_scored": kept,
        "fingerprints": fingerprints,
        "notes": bench.notes,
    })
}

fn print(
    args: &ReplayArgs,
    bench: &Bench,
    search: &Search,
    rows: &[Row],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    heading(bench, out)?;
    let objective = args.objective.name();
    writeln!(out, "searched for {objective} under {}: {}", search.scheduler(), search.knobs().join(", "))?;
    for row in rows {
        writeln!(
            out,
            "\n{}: {} bios, {} pieces to search on, {} held out",
            row.class,
            row.pieces.bios,
            row.pieces.training.len(),
            row.pieces.held_out.len()
        )?;
        let Some(tuned) = &row.tuned else {
            writeln!(
                out,
                "  too little of it to search on one part and check on another, or nothing to score"
            )?;
            continue;
        };
        let differs = differences(tuned);
        if differs.is_empty() {
            writeln!(out, "  the default is the best of {} settings", tuned.evaluations)?;
            continue;
        }
        if let Some((before, after)) = tuned.scores {
            let shown = |score: f64| fitness(objective, Some(score));
            writeln!(out, "  default {}, best {}", shown(before), shown(after))?;
        }
        writeln!(out, "  {differs}")?;
        let shown = |gain| change(gain, args.objective == Objective::Latency);
        if let Some(gain) = tuned.held_out {
            let verdict = if row.is_confirmed() { "" } else { "; not confirmed, so not written" };
            writeln!(out, "  on held-out pieces {}{verdict}", shown(gain))?;
        }
        if let Some(gain) = tuned.training {
            writeln!(out, "  on the pieces searched on {}", shown(gain))?;
        }
    }
    if let Some(path) = &args.out {
        let count = entries(args, bench, search, rows).len();
        writeln!(out, "\n{}: {count} entries; `tunerd genes import` takes them", path.display())?;
    }
    Ok(())
}
