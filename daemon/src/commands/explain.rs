//! `explain`: what is in force on a disk and why, from what the store remembers; no daemon is needed.

use super::table::gain;
use super::{Failure, kernel, print_json, resolve};
use crate::cli::ExplainArgs;
use crate::config::Config;
use crate::engine::{Against, Confirmation, Standing, TrialTold, Violation, in_words, settings_by_name};
use crate::store::{ConfirmedRow, Dated, Store, StoreError};
use block_types::Settings;
use kernfs::Disk;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use trials::{Undecided, Verdict};

/// How many rejected trials are shown for each fingerprint.
const REJECTED: u32 = 200;
/// And how many of them in words.
const SHOWN: usize = 5;

pub(super) fn explain(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let standard = Config::default();
    let state_dir = args.paths.state_dir.clone().unwrap_or(standard.state_dir);
    let run_dir = args.paths.run_dir.clone().unwrap_or(standard.run_dir);
    let device = device_name(&args.device);
    let chapters = chapters(&state_dir, &device)?;
    let disk = Disk::find(kernel(&args.roots), &device).ok().map(|found| found.disk);
    let in_force = disk.as_ref().and_then(|disk| disk.read_settings().ok()).map(|readout| readout.settings);
    let explained = Explained {
        device: device.clone(),
        held_by: schedulers::holder_of(&run_dir, &device),
        in_force,
        fingerprints: chapters,
    };
    if args.json.json {
        print_json(out, &explained)?;
    } else if !explained.fingerprints.is_empty() {
        print(&explained, out)?;
    }
    if explained.fingerprints.is_empty() {
        return Err(Failure::nothing(format_args!(
            "{}: nothing is known of {device}: `tunerd run --mode tune` has never tried anything on it",
            state_dir.display()
        )));
    }
    Ok(())
}

/// A device as the store names it.
pub(super) fn device_name(device: &str) -> String {
    let resolved = resolve(device);
    resolved.strip_prefix("/dev/").unwrap_or(&resolved).to_owned()
}

/// What there is to say about a disk.
#[derive(Debug, Serialize)]
struct Explained {
    device: String,
    /// The process that holds it; `null` where none does.
    held_by: Option<u32>,
    /// What its queue says now; `null` where it is not there.
    in_force: Option<Settings>,
    fingerprints: Vec<Chapter>,
}

/// What there is to say about one fingerprint.
#[derive(Debug, Serialize)]
struct Chapter {
    #[serde(flatten)]
    row: ConfirmedRow,
    /// What is confirmed, or was: its settings, as far as they differ from the default.
    changes: Option<Settings>,
    /// The share of slices that were void, 0‥1.
    void_rate: Option<f64>,
    rejected: Vec<Dated<TrialTold>>,
    violations_seen: Vec<Dated<Violation>>,
}

fn chapters(state_dir: &Path, device: &str) -> Result<Vec<Chapter>, Failure> {
    let store = match Store::open_read_only(state_dir) {
        Err(StoreError::NoStore { .. }) if state_dir.is_dir() => return Ok(Vec::new()),
        other => other.map_err(Failure::failed)?,
    };
    store
        .confirmed(Some(device))
        .and_then(|rows| {
            rows.into_iter()
                .map(|row| {
                    let trials = store.trials(&row.key, &row.objective, REJECTED)?;
                    let better = |trial: &Dated<TrialTold>| trial.told.verdict == Verdict::Better;
                    Ok(Chapter {
                        changes: row.entry.confirmation.as_ref().map(changes),
                        void_rate: row.entry.slices.rate(),
                        rejected: trials.into_iter().filter(|trial| !better(trial)).collect(),
                        violations_seen: store.violations(&row.key, &row.objective, REJECTED)?,
                        row,
                    })
                })
                .collect()
        })
        .map_err(Failure::failed)
}

/// What a confirmed setting changes of the default.
pub(super) fn changes(confirmation: &Confirmation) -> Settings {
    let differing = confirmation
        .genes
        .iter()
        .filter(|(name, value)| confirmation.default.get(*name) != Some(*value))
        .map(|(name, value)| (name.clone(), *value))
        .collect();
    settings_by_name(&differing)
}

/// What was in force where nothing but the changes says so.
fn against_default(confirmation: &Confirmation) -> String {
    let changes = changes(confirmation);
    let default = settings_by_name(&confirmation.default);
    let each = changes.iter().map(|setting| match default.get(setting.knob) {
        Some(default) => format!("{setting} (default {default})"),
        None => setting.to_string(),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn print(explained: &Explained, out: &mut dyn Write) -> Result<(), Failure> {
    let device = &explained.device;
    match explained.held_by {
        Some(pid) => writeln!(out, "{device}: a tunerd, process {pid}, holds it")?,
        None => writeln!(out, "{device}: no tunerd runs on it")?,
    }
    match &explained.in_force {
        Some(settings) => writeln!(out, "  in force now    {settings}")?,
        None => writeln!(out, "  in force now    unknown: there is no such disk on this machine")?,
    }
    for chapter in &explained.fingerprints {
        writeln!(out)?;
        print_chapter(chapter, explained.in_force.as_ref(), out)?;
    }
    Ok(())
}

fn print_chapter(chapter: &Chapter, in_force: Option<&Settings>, out: &mut dyn Write) -> Result<(), Failure> {
    let (key, entry) = (&chapter.row.key, &chapter.row.entry);
    let standing = match (entry.standing, &entry.confirmation) {
        (Standing::Confirmed, Some(confirmation)) => format!("confirmed {}", date(confirmation.unix_ms)),
        (Standing::Lapsed, Some(confirmation)) => {
            format!("lapsed; the default counts (was confirmed {})", date(confirmation.unix_ms))
        }
        _ => "nothing confirmed; the default counts".to_owned(),
    };
    writeln!(out, "{} under {}, by {}: {standing}", key.class, key.scheduler, chapter.row.objective)?;
    let mut line = |name: &str, text: String| writeln!(out, "  {name:<16}{text}");
    if let (Some(confirmation), Some(changes)) = (&entry.confirmation, &chapter.changes) {
        line("settings", against_default(confirmation))?;
        let here = |settings: &Settings| changes.iter().all(|one| settings.get(one.knob) == Some(one.value));
        if let Some(in_force) = in_force {
            line("in force now", if here(in_force) { "yes".to_owned() } else { "no".to_owned() })?;
        }
        line("gain", format!("{} over the default", gain(entry.over_default.as_ref())))?;
        let control = match confirmation.against {
            Against::Default => "the default".to_owned(),
            Against::Incumbent => {
                format!("what was confirmed before ({})", settings_by_name(&confirmation.control))
            }
        };
        line(
            "confirmed by",
            format!(
                "{} against {control}; evidence {:.0}, wanted {:.0}",
                gain(confirmation.estimate.as_ref()),
                confirmation.log_evidence.exp(),
                1.0 / confirmation.alpha
            ),
        )?;
        if let Some(share) = entry.default_share {
            line("default", format!("in force for {:.1} % of the time, to know the gain", share * 100.0))?;
        }
    }
    line(
        "tried",
        format!(
            "{} campaigns, {} trials, {} promoted, {} rejected",
            entry.campaigns,
            entry.trials,
            entry.promotions,
            chapter.rejected.len()
        ),
    )?;
    for trial in chapter.rejected.iter().take(SHOWN) {
        let told = &trial.told;
        let changes: Settings =
            told.settings.iter().filter(|one| told.control.get(one.knob) != Some(one.value)).collect();
        line("rejected", format!("{changes}: {}, {}", gain(told.estimate.as_ref()), verdict(told.verdict)))?;
    }
    let seconds = entry.violations.time.as_secs_f64();
    line("violations", format!("{}, {seconds:.2} s in all", entry.violations.count))?;
    if let Some(last) = chapter.violations_seen.first() {
        let told = &last.told;
        let after = told.in_force_ns as f64 / 1e9;
        line("the last", format!("after {after:.2} s, {}: {}", in_words(told.abort), told.settings))?;
    }
    let rate = chapter.void_rate.map_or(String::new(), |rate| format!(" ({:.1} %)", rate * 100.0));
    line("slices", format!("{} measured, {} void{rate}", entry.slices.measured, entry.slices.voids()))?;
    Ok(())
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Better => "better".to_owned(),
        Verdict::Worse => "worse".to_owned(),
        Verdict::NoDifference => "no difference".to_owned(),
        Verdict::Undecided(Undecided::Futile) => "no gain in prospect".to_owned(),
        Verdict::Undecided(Undecided::Capped) => "undecided at the cap".to_owned(),
        Verdict::Undecided(Undecided::TooLittleTold) => "too few pairs said anything".to_owned(),
        Verdict::Violated(abort) => format!("taken back: {}", in_words(abort)),
    }
}

/// A date as `2026-11-25 00:12 UTC`.
pub(super) fn date(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(0);
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(at) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02} UTC",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute()
        ),
        Err(_) => "at an unknown time".to_owned(),
    }
}
