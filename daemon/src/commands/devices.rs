//! `devices`: the disks, and which of them can be tuned.

use super::table::{Align, Table, bytes};
use super::{Failure, kernel, print_json};
use crate::cli::DevicesArgs;
use kernfs::{Disk, Identity, Ineligible, Kernel, SchedulerMenu, eligibility};
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use std::sync::Arc;

pub(super) fn devices(args: &DevicesArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let rows = rows(&kernel(&args.roots))?;
    if args.json.json {
        print_json(out, &json!({ "devices": rows }))?;
    } else {
        print(&rows, out)?;
    }
    if rows.iter().any(|row| row.eligible) {
        return Ok(());
    }
    Err(Failure::nothing("no disk of this machine can be tuned"))
}

/// One disk as it is shown.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// Whether it can be tuned.
    eligible: bool,
    /// Why not.
    why: Option<String>,
    #[serde(flatten)]
    facts: Option<Facts>,
    #[serde(skip)]
    empty: bool,
}

#[derive(Debug, Serialize)]
struct Facts {
    devno: String,
    diskseq: Option<u64>,
    size_bytes: u64,
    kind: String,
    model: Option<String>,
    rotational: bool,
    removable: bool,
    read_only: bool,
    backing_file: Option<String>,
    partitions: Vec<String>,
    /// The scheduler in force; `null` for a queue without one.
    scheduler: Option<String>,
    schedulers: Vec<String>,
}

fn rows(kernel: &Arc<dyn Kernel>) -> Result<Vec<Row>, Failure> {
    let disks = Disk::list(kernel).map_err(Failure::failed)?;
    Ok(disks.iter().map(row).collect())
}

/// A disk that cannot be looked at (it may have gone in between) is listed with the reason.
fn row(disk: &Disk) -> Row {
    let name = disk.name().to_owned();
    let identity = match disk.identity() {
        Ok(identity) => identity,
        Err(error) => {
            return Row { name, eligible: false, why: Some(error.to_string()), facts: None, empty: false };
        }
    };
    let menu = disk.scheduler();
    let verdict = eligibility(&identity);
    let empty = matches!(verdict, Err(Ineligible::Empty { .. }));
    let why = match (verdict, &menu) {
        (Err(why), _) => Some(why.to_string()),
        (Ok(()), Err(error)) => Some(error.to_string()),
        (Ok(()), Ok(_menu)) => None,
    };
    Row { name, eligible: why.is_none(), why, facts: Some(facts(&identity, menu.ok())), empty }
}

fn facts(identity: &Identity, menu: Option<SchedulerMenu>) -> Facts {
    let (scheduler, schedulers) = match menu {
        Some(menu) => (Some(menu.active.to_string()), menu.offered.iter().map(ToString::to_string).collect()),
        None => (None, Vec::new()),
    };
    Facts {
        devno: identity.devno.to_string(),
        diskseq: identity.diskseq,
        size_bytes: identity.size.bytes().0,
        kind: identity.kind.to_string(),
        model: identity.model.clone(),
        rotational: identity.rotational,
        removable: identity.removable,
        read_only: identity.read_only,
        backing_file: identity.backing_file.clone(),
        partitions: identity.partitions.iter().map(|(name, _)| name.clone()).collect(),
        scheduler,
        schedulers,
    }
}

fn print(rows: &[Row], out: &mut dyn Write) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("device", Align::Left),
        ("size", Align::Right),
        ("kind", Align::Left),
        ("model", Align::Left),
        ("scheduler", Align::Left),
        ("can be tuned", Align::Left),
    ]);
    for row in rows.iter().filter(|row| !row.empty) {
        let verdict = row.why.as_ref().map_or("yes".to_owned(), |why| format!("no: {why}"));
        table.row(match &row.facts {
            None => [row.name.clone(), "?".into(), "?".into(), "?".into(), "?".into(), verdict],
            Some(facts) => [
                row.name.clone(),
                bytes(facts.size_bytes),
                format!("{}{}", facts.kind, if facts.rotational { ", rotational" } else { "" }),
                facts.model.clone().or(facts.backing_file.clone()).unwrap_or_else(|| "-".to_owned()),
                facts.scheduler.clone().unwrap_or_else(|| "-".to_owned()),
                verdict,
            ],
        });
    }
    table.print(out)?;
    // A dozen unused loop devices would drown the disks.
    let empty: Vec<&str> = rows.iter().filter(|row| row.empty).map(|row| row.name.as_str()).collect();
    if !empty.is_empty() {
        writeln!(out, "without a medium or a file: {}", empty.join(", "))?;
    }
    Ok(())
}
