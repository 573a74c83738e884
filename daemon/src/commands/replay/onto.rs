//! `replay --onto`: onto a real block device.

use crate::cli::ReplayArgs;
use crate::commands::Failure;
use std::io::Write;
use std::path::Path;

#[cfg(not(target_os = "linux"))]
pub(super) fn onto(_: &ReplayArgs, _: &Path, _: &mut dyn Write) -> Result<(), Failure> {
    Err(Failure::nothing(
        "replay --onto uses Linux' io_uring; elsewhere a trace can be simulated with --disk",
    ))
}

#[cfg(target_os = "linux")]
pub(super) use linux::onto;

#[cfg(target_os = "linux")]
mod linux {
    use super::{Failure, Path, ReplayArgs, Write};
    use crate::commands::replay::{
        fit, latency_cells, latency_json, latency_table, notes, read, trace_failure,
    };
    use crate::commands::table::bytes;
    use crate::commands::{kernel, print_json};
    use crate::replay::onto::Ring;
    use crate::replay::onto::device::{Found, find};
    use crate::replay::onto::pace::{Moved, Outcome, Pace, Stopped, replay};
    use crate::replay::onto::plan::{LeftOut, plan};
    use block_types::Nanos;
    use serde_json::{Value, json};
    use std::io::IsTerminal;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    /// I/Os in flight where nothing is said: of a replay as fast as it goes, and at most of a timed one.
    const AS_FAST: u32 = 32;
    const TIMED: u32 = 1024;

    pub(in crate::commands::replay) fn onto(
        args: &ReplayArgs,
        path: &Path,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        check(args)?;
        // The device first: it is what can be refused without reading a long trace.
        let found = find(kernel(&args.roots), path, args.allow_writes).map_err(Failure::failed)?;
        let loaded = read(args)?;
        let size = found.identity.size.bytes();
        let loaded = loaded.onto(size, fit(args.redirect)).map_err(trace_failure)?;
        let (ios, left_out) = plan(
            loaded.trace.bios(),
            u32::try_from(found.block.0).unwrap_or(4096),
            size.0,
            args.time_scale,
            args.allow_writes,
        );
        if ios.is_empty() {
            return Err(Failure::failed(format_args!(
                "{}: nothing is left to replay: {} writes are left out (--allow-writes replays them), {} flushes and discards",
                loaded.path.display(),
                left_out.writes,
                left_out.others
            )));
        }
        let writes = ios.iter().filter(|io| io.write).count();
        if writes > 0 {
            confirm(args, &found, writes)?;
        }
        let pace = if args.no_stall { Pace::AsFast } else { Pace::Timed };
        let outstanding = args.outstanding.unwrap_or(if pace == Pace::Timed { TIMED } else { AS_FAST });
        let device = found.open(args.allow_writes).map_err(Failure::failed)?;
        let mut ring = Ring::new(device, outstanding).map_err(Failure::nothing)?;
        let asked = stop_flag()?;
        let began = Instant::now();
        let outcome = replay(
            &ios,
            pace,
            &mut ring,
            &mut || Nanos::from(began.elapsed()),
            &mut || asked.load(Ordering::Relaxed),
            &mut || found.gone(),
        );
        drop(ring);
        let mut said = loaded.notes.clone();
        said.extend(left_out_notes(left_out));
        if args.json.json {
            print_json(out, &as_json(&found, pace, args, &outcome, left_out, &said))?;
        } else {
            print(&found, &outcome, out)?;
            notes(out, &said)?;
        }
        verdict(&found, &outcome)
    }

    fn check(args: &ReplayArgs) -> Result<(), Failure> {
        let wrong = [
            (
                args.closed,
                "--closed needs to know when the disk is done, which only a simulation does in the trace's own terms; use --timed or --asap",
            ),
            (args.tune, "--tune searches on a simulated disk; give --disk"),
            (!args.compare.is_empty(), "--compare is for a simulated disk; give --disk"),
            (
                args.scheduler.is_some() || !args.set.is_empty(),
                "--scheduler and --set are for a simulated disk; a replay onto a device changes no setting of it",
            ),
            (
                args.disk_size.is_some() || args.queue_depth.is_some(),
                "--disk-size and --queue-depth are for a simulated disk",
            ),
        ];
        match wrong.into_iter().find(|(is, _)| *is) {
            Some((_, why)) => Err(Failure::usage(format_args!("replay --onto: {why}"))),
            None => Ok(()),
        }
    }

    /// Writes destroy what is there, so the device's name is typed, or `--yes` was.
    fn confirm(args: &ReplayArgs, found: &Found, writes: usize) -> Result<(), Failure> {
        if args.yes {
            return Ok(());
        }
        let name = &found.identity.name;
        let size = bytes(found.identity.size.bytes().0);
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(format_args!(
                "replay --onto: {writes} writes would overwrite {name} ({size}); give --yes where nobody can be asked"
            )));
        }
        eprint!("{writes} writes will overwrite {name} ({size}). Type its name to go on: ");
        let mut typed = String::new();
        std::io::stdin().read_line(&mut typed).map_err(Failure::failed)?;
        if typed.trim() == name {
            return Ok(());
        }
        Err(Failure::failed(format_args!("found {:?}, expected {name:?}; nothing was written", typed.trim())))
    }

    fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(Failure::failed)?;
        }
        Ok(flag)
    }

    fn left_out_notes(left_out: LeftOut) -> Vec<String> {
        [
            (left_out.writes, "writes were left out; --allow-writes replays them"),
            (left_out.others, "flushes and discards were left out"),
            (left_out.empty, "bios without data were left out"),
            (left_out.cut, "bios were cut to 16 MiB"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
    }

    fn rate(moved: &Moved, elapsed: Nanos) -> (f64, f64) {
        let seconds = elapsed.as_secs_f64().max(1e-9);
        (moved.ios as f64 / seconds, moved.bytes as f64 / seconds)
    }

    fn as_json(
        found: &Found,
        pace: Pace,
        args: &ReplayArgs,
        outcome: &Outcome,
        left_out: LeftOut,
        notes: &[String],
    ) -> Value {
        let moved = |moved: &Moved| {
            let (ios, bytes) = rate(moved, outcome.elapsed);
            json!({
                "ios": moved.ios, "bytes": moved.bytes, "ios_per_s": ios, "bytes_per_s": bytes,
                "latency": latency_json(&moved.latency),
            })
        };
        json!({
            "device": found.identity.name,
            "pace": if pace == Pace::Timed { "timed" } else { "as-fast" },
            "time_scale": args.time_scale,
            "elapsed_ns": outcome.elapsed,
            "reads": moved(&outcome.reads),
            "writes": moved(&outcome.writes),
            "lateness": latency_json(&outcome.lateness),
            "most_in_flight": outcome.most_in_flight,
            "errors": outcome.errors,
            "unsubmitted": outcome.unsubmitted,
            "left_out": left_out,
            "stopped": outcome.stopped,
            "notes": notes,
        })
    }

    fn print(found: &Found, outcome: &Outcome, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(
            out,
            "{} in {}, at most {} in flight",
            found.identity.name, outcome.elapsed, outcome.most_in_flight
        )?;
        let mut table = latency_table("", &["I/Os", "I/Os/s", "MB/s"]);
        for (name, moved) in [("reads", &outcome.reads), ("writes", &outcome.writes)] {
            if moved.ios > 0 {
                let (ios, bytes) = rate(moved, outcome.elapsed);
                let mut cells = vec![
                    name.to_owned(),
                    moved.ios.to_string(),
                    format!("{ios:.0}"),
                    format!("{:.1}", bytes / 1e6),
                ];
                cells.extend(latency_cells(&moved.latency));
                table.row(cells);
            }
        }
        if outcome.lateness.count() > 0 {
            let mut cells = vec![
                "late by".to_owned(),
                outcome.lateness.count().to_string(),
                String::new(),
                String::new(),
            ];
            cells.extend(latency_cells(&outcome.lateness));
            table.row(cells);
        }
        table.print(out)?;
        Ok(())
    }

    fn verdict(found: &Found, outcome: &Outcome) -> Result<(), Failure> {
        let name = &found.identity.name;
        let left = outcome.unsubmitted;
        match &outcome.stopped {
            None if outcome.errors == 0 => Ok(()),
            None => Err(Failure::failed(format_args!("{name}: {} I/Os failed", outcome.errors))),
            Some(Stopped::Asked) => {
                Err(Failure::failed(format_args!("{name}: interrupted; {left} I/Os were not submitted")))
            }
            Some(Stopped::Gone(why)) => {
                Err(Failure::failed(format_args!("{why}; {left} I/Os were not submitted")))
            }
            Some(Stopped::Errors(why)) => Err(Failure::failed(format_args!(
                "{name}: given up after {} failed I/Os, the last a {why}; {left} were not submitted",
                outcome.errors
            ))),
            Some(Stopped::NoAnswer { in_flight, waited }) => Err(Failure::failed(format_args!(
                "{name}: {in_flight} I/Os in flight had no answer for {waited}; {left} were not submitted"
            ))),
        }
    }
}
