//! `status`, `pause` and `resume`: a word with the daemon.

use super::table::{bytes, fitness, span};
use super::{Failure, print_json};
use crate::cli::{AskArgs, SteerArgs};
use crate::config::Config;
use crate::control::{AskError, DeviceStatus, OwnCost, Request, Response, StatusReport, ask, socket_path};
use crate::engine::Standing;
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take. A status waits for each loop to come round, and a loop can be in a write that
/// drains its disk.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn status(args: &AskArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let paths = &args.paths;
    let socket = socket_path(&paths.run_dir.clone().unwrap_or(Config::default().run_dir));
    match ask(&socket, &Request::Status {}, PATIENCE) {
        Ok(Response::Status(report)) if args.json.json => print_json(out, &report),
        Ok(Response::Status(report)) => print(&report, out),
        Ok(other) => Err(unexpected(&other)),
        Err(error @ AskError::NotRunning { .. }) => {
            let state_dir = paths.state_dir.clone().unwrap_or(Config::default().state_dir);
            not_running(&error, &state_dir, args.json.json, out)
        }
        Err(error) => Err(Failure::failed(error)),
    }
}

pub(super) fn pause(args: &SteerArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let request = Request::Pause { device: args.device.as_deref().map(device_name) };
    steer(args, &request, "paused: its original settings are put back", out)
}

pub(super) fn resume(args: &SteerArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let request = Request::Resume { device: args.device.as_deref().map(device_name) };
    steer(args, &request, "goes on", out)
}

fn device_name(device: &str) -> String {
    device.strip_prefix("/dev/").unwrap_or(device).to_owned()
}

fn steer(args: &SteerArgs, request: &Request, done: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let socket = socket_path(&args.run_dir.clone().unwrap_or(Config::default().run_dir));
    match ask(&socket, request, PATIENCE).map_err(Failure::failed)? {
        Response::Done { devices } if args.json.json => print_json(out, &json!({ "devices": devices })),
        Response::Done { devices } => {
            for device in devices {
                writeln!(out, "{device}: {done}")?;
            }
            Ok(())
        }
        other => Err(unexpected(&other)),
    }
}

fn unexpected(response: &Response) -> Failure {
    match response {
        Response::Failed { message } => Failure::failed(message),
        Response::Status(_) | Response::Done { .. } => {
            Failure::failed("the daemon's answer is to another question")
        }
    }
}

/// Says that there is no daemon, and whether one that died has left something to put back.
fn not_running(error: &AskError, state_dir: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let left = journals(state_dir);
    if json {
        print_json(out, &json!({ "running": false, "left_to_restore": left }))?;
    }
    if left.is_empty() {
        return Err(Failure::failed(error));
    }
    Err(Failure::failed(format_args!(
        "{error}; settings of {} are left to put back: run `tunerd restore`",
        left.join(", ")
    )))
}

/// The disks that have a journal, by name. A directory that cannot be read has none to show.
pub(super) fn journals(state_dir: &Path) -> Vec<String> {
    schedulers::devices_with_journals(state_dir).unwrap_or_default()
}

fn print(report: &StatusReport, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(
        out,
        "tunerd {}, process {}, up {}, seed {}",
        report.version,
        report.pid,
        span(report.uptime_ns),
        report.seed
    )?;
    writeln!(out, "cost: {}", cost(&report.cost))?;
    match &report.store {
        None => writeln!(out, "store: none; what is learned is lost at the end")?,
        Some(health) => {
            write!(out, "store: {} rows written", health.written)?;
            if health.lost > 0 {
                write!(out, ", {} lost", health.lost)?;
            }
            match &health.error {
                Some(error) => writeln!(out, ", {} waiting: {error}", health.waiting)?,
                None => writeln!(out)?,
            }
        }
    }
    for device in &report.devices {
        writeln!(out)?;
        print_device(device, out)?;
    }
    Ok(())
}

fn cost(cost: &OwnCost) -> String {
    let percent = |share: Option<f64>| share.map(|share| format!("{:.2} %", share * 100.0));
    let mut parts = Vec::new();
    if let Some(share) = percent(cost.cpu_share) {
        let lately = percent(cost.cpu_share_lately).map(|lately| format!(" ({lately} lately)"));
        parts.push(format!("{share} of a CPU{}", lately.unwrap_or_default()));
    }
    parts.extend(cost.rss_bytes.map(|rss| format!("{} of memory", bytes(rss))));
    parts.push(match &cost.probes {
        None => "probes not accounted for".to_owned(),
        Some(probes) => {
            let ns = |ns: Option<f64>| ns.map_or("an unknown time".to_owned(), |ns| format!("{ns:.0} ns"));
            format!("probes {} a call and {} an I/O", ns(probes.ns_per_call), ns(probes.ns_per_io))
        }
    });
    parts.join(", ")
}

fn print_device(device: &DeviceStatus, out: &mut dyn Write) -> Result<(), Failure> {
    let mode = match serde_json::to_value(device.mode) {
        Ok(serde_json::Value::String(name)) => name,
        _ => format!("{:?}", device.mode),
    };
    let state = match (&device.ended, device.paused) {
        (Some(why), _) => format!("ended: {why}"),
        (None, true) => "paused".to_owned(),
        (None, false) if device.confirmed.is_some() => match (device.generation, device.child) {
            (Some(campaign), Some(candidate)) => format!("campaign {campaign}, candidate {candidate}"),
            (Some(campaign), None) => format!("campaign {campaign}"),
            (None, _) => "watching".to_owned(),
        },
        (None, false) => match (device.generation, device.child) {
            (Some(generation), Some(child)) => format!("generation {generation}, child {child}"),
            (Some(generation), None) => format!("generation {generation}"),
            (None, _) => "watching".to_owned(),
        },
    };
    writeln!(out, "{}: {mode}, {state}", device.name)?;
    let mut line = |name: &str, text: String| writeln!(out, "  {name:<12}{text}");
    let class = |class: Option<fingerprint::Class>| class.map_or("unknown", fingerprint::Class::name);
    line("fingerprint", class(device.fingerprint).to_owned())?;
    if let Some(window) = &device.last_window {
        line(
            "last window",
            format!("{}; by the paper's rule {}", class(window.class_ours), class(window.class_paper_2006)),
        )?;
    }
    line("source", format!("{}: {}", device.source.kind, device.source.reason))?;
    line("in force", device.in_force.to_string())?;
    line("defaults", device.defaults.to_string())?;
    let voids: u64 = device.voids.values().sum();
    let reasons: Vec<String> =
        device.voids.iter().map(|(reason, count)| format!("{count} because {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    line("slices", format!("{} scored, {voids} void{reasons}", device.scored))?;
    for (class, entry) in device.confirmed.iter().flatten() {
        let what = match (&entry.standing, &entry.confirmation) {
            (Standing::Confirmed, Some(confirmation)) => {
                format!("{}, {}", super::gain(entry.over_default.as_ref()), confirmation.settings())
            }
            (Standing::Lapsed, _) => "the default; what was confirmed has lapsed".to_owned(),
            _ => "the default; nothing is confirmed yet".to_owned(),
        };
        line("confirmed", format!("{class}: {what}"))?;
        let voids =
            entry.slices.rate().map_or("none".to_owned(), |rate| format!("{:.1} % void", rate * 100.0));
        line(
            "tried",
            format!(
                "{class}: {} campaigns, {} trials, {} promoted; slices: {voids}; taken back: {} in {:.2} s",
                entry.campaigns,
                entry.trials,
                entry.promotions,
                entry.violations.count,
                entry.violations.time.as_secs_f64()
            ),
        )?;
    }
    if device.settled {
        line("unsteady", "the fingerprint changes too often to follow".to_owned())?;
    }
    let objective = device.objective.name();
    for top in &device.top {
        line("top", format!("{}: {} with {}", top.class, fitness(objective, top.fitness), top.settings))?;
    }
    if !device.yielded.is_empty() {
        let knobs: Vec<&str> = device.yielded.iter().map(|knob| knob.name()).collect();
        line(
            "yielded",
            format!(
                "{}: somebody else wrote {}",
                knobs.join(", "),
                if knobs.len() == 1 { "it" } else { "them" }
            ),
        )?;
    }
    for note in &device.notes {
        line("note", note.clone())?;
    }
    if let Some(error) = &device.last_error {
        line("last error", error.clone())?;
    }
    Ok(())
}
