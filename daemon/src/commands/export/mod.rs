//! `export`: confirmed settings, to freeze on a machine without tunerd.

mod shell;
mod subject;
mod tuned;
mod udev;

use super::explain::{changes, date, device_name};
use super::table::gain;
use super::{Failure, complain, kernel};
use crate::cli::{ExportArgs, ExportFormat};
use crate::engine::{Confirmation, Standing, settings_by_name};
use crate::store::{ConfirmedRow, Store, StoreError};
use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use serde_json::json;
use std::io::Write;
use subject::Subject;

pub(super) fn export(args: &ExportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let device = device_name(&args.device.device);
    let rows = confirmed(args, &device)?;
    let (text, warning) = if args.format == ExportFormat::Json {
        (as_json(&rows)?, None)
    } else {
        let row = the_one(&rows)?;
        let freeze = Freeze::of(row)?;
        let subject = Subject::read(&kernel(&args.roots), &device);
        match args.format {
            ExportFormat::Udev => (udev::rule(&freeze, &subject), subject.warning()),
            ExportFormat::Tuned => (tuned::profile(&freeze, &subject), Some(tuned::WARNING.to_owned())),
            ExportFormat::Shell | ExportFormat::Json => (shell::script(&freeze, &subject), subject.warning()),
        }
    };
    match &args.out {
        None => out.write_all(text.as_bytes())?,
        Some(path) => {
            std::fs::write(path, text).map_err(|error| {
                Failure::failed(format_args!("{}: cannot be written: {error}", path.display()))
            })?;
            if args.format == ExportFormat::Shell {
                executable(path)?;
            }
        }
    }
    if let Some(warning) = warning {
        out.flush()?;
        complain(&warning);
    }
    Ok(())
}

#[cfg(unix)]
fn executable(path: &std::path::Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).map_err(|error| {
        Failure::failed(format_args!("{}: cannot be made executable: {error}", path.display()))
    })
}

#[cfg(not(unix))]
fn executable(_path: &std::path::Path) -> Result<(), Failure> {
    Ok(())
}

/// What is confirmed and meant.
fn confirmed(args: &ExportArgs, device: &str) -> Result<Vec<ConfirmedRow>, Failure> {
    let nothing = || {
        Failure::nothing(format_args!(
            "{}: nothing is confirmed for {device} that matches; `tunerd explain {device}` says what is known",
            args.state_dir.display()
        ))
    };
    let store = match Store::open_read_only(&args.state_dir) {
        Err(StoreError::NoStore { .. }) if args.state_dir.is_dir() => return Err(nothing()),
        other => other.map_err(Failure::failed)?,
    };
    let mut rows = store.confirmed(Some(device)).map_err(Failure::failed)?;
    rows.retain(|row| {
        row.entry.standing == Standing::Confirmed
            && args.fingerprint.as_ref().is_none_or(|class| *class == row.key.class)
            && args.scheduler.as_ref().is_none_or(|scheduler| *scheduler == row.key.scheduler)
            && args.objective.is_none_or(|objective| objective.name() == row.objective)
    });
    if rows.is_empty() { Err(nothing()) } else { Ok(rows) }
}

/// One setting can be frozen; which one of several is for a person to say.
fn the_one(rows: &[ConfirmedRow]) -> Result<&ConfirmedRow, Failure> {
    match rows {
        [row] => Ok(row),
        _ => {
            let each = rows.iter().map(|row| {
                let (key, objective) = (&row.key, &row.objective);
                format!("--fingerprint {} --scheduler {} --objective {objective}", key.class, key.scheduler)
            });
            let each: Vec<String> = each.collect();
            Err(Failure::usage(format_args!(
                "export: several settings are confirmed: choose {}",
                each.join(" or ")
            )))
        }
    }
}

fn as_json(rows: &[ConfirmedRow]) -> Result<String, Failure> {
    let each: Vec<_> = rows
        .iter()
        .map(|row| {
            let steps = Freeze::of(row).map(|freeze| freeze.steps).unwrap_or_default();
            let changes = row.entry.confirmation.as_ref().map(changes);
            json!({ "confirmed": row, "changes": changes, "write_in_this_order": steps })
        })
        .collect();
    let text =
        serde_json::to_string_pretty(&json!({ "schema": "tunerd-export", "version": 1, "settings": each }));
    text.map(|text| text + "\n").map_err(Failure::failed)
}

/// What to write, in order, and what to say of it.
struct Freeze<'a> {
    steps: Vec<Setting>,
    row: &'a ConfirmedRow,
    confirmation: &'a Confirmation,
}

impl<'a> Freeze<'a> {
    fn of(row: &'a ConfirmedRow) -> Result<Self, Failure> {
        let Some(confirmation) = &row.entry.confirmation else {
            return Err(Failure::nothing(format_args!("{}: nothing is confirmed", row.key)));
        };
        let scheduler: Option<Elevator> = row.key.scheduler.parse().ok();
        let mut now: Settings = settings_by_name(&confirmation.default);
        let mut wanted = confirmation.settings();
        let mut steps = Vec::new();
        if let Some(scheduler) = scheduler {
            let value = KnobValue::Elevator(scheduler);
            now.set(Knob::Scheduler, value);
            wanted.set(Knob::Scheduler, value);
            // Another machine may have another one in force, under which the other knobs mean nothing.
            steps.push(Setting { knob: Knob::Scheduler, value });
        }
        steps.extend(schedulers::plan(&now, &wanted).steps());
        Ok(Self { steps, row, confirmation })
    }

    /// What it was measured on, line by line.
    fn measured_on(&self) -> Vec<String> {
        let (row, confirmation) = (self.row, self.confirmation);
        let model = confirmation.measured_on.model.as_deref().unwrap_or("of an unknown model");
        vec![
            format!("Confirmed by tunerd {} on {}.", env!("CARGO_PKG_VERSION"), date(confirmation.unix_ms)),
            format!("Disk: {} ({model}), Linux {}.", row.key.device, confirmation.measured_on.kernel),
            format!(
                "Workload: {}; scheduler: {}; objective: {}.",
                row.key.class, row.key.scheduler, row.objective
            ),
            format!("Gain over the default: {}.", gain(row.entry.over_default.as_ref())),
            format!("In its own trial: {}.", gain(confirmation.estimate.as_ref())),
            "Under another workload or on another disk it may help less, or harm.".to_owned(),
        ]
    }

    /// As comments.
    fn comments(&self) -> String {
        self.measured_on().iter().map(|line| format!("# {}\n", printable(line))).collect()
    }
}

/// A text in one line and without what a comment or a quoted string could end at.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '"' | '\'' | '\\' | '`' | '$') { '?' } else { c })
        .collect()
}

/// A knob's file below the disk's directory in sysfs.
fn file(knob: Knob) -> String {
    // Kernels after 6.18 move `async_depth` out of `iosched`; scripts look in both places.
    if knob == Knob::AsyncDepth || knob.elevator().is_some() {
        format!("queue/iosched/{}", knob.name())
    } else {
        format!("queue/{}", knob.name())
    }
}

#[cfg(test)]
mod tests;
