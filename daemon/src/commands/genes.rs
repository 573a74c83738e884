//! `genes`: what was learned, to look at, to drop, and to carry between machines.

use super::table::{Align, Table, fitness};
use super::{Failure, print_json};
use crate::cli::{GenesCommand, GenesFilter};
use crate::config::Objective;
use crate::engine::settings_by_name;
use crate::store::{Claim, Store, StoreError, TopFilter, TopRow};
use block_types::Knob;
use fingerprint::Class;
use genetic::{Conflict, ExchangeEntry, ExchangeFile, Fitness, Library, LibraryConfig, Provenance};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The largest gene file that is read: a hundred thousand entries.
const FILE_BYTES: u64 = 64 << 20;

pub(super) fn genes(command: GenesCommand, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        GenesCommand::List { filter, state, json } => list(&state.state_dir, &filter.into(), json.json, out),
        GenesCommand::Show { filter, state, json } => show(&state.state_dir, &filter.into(), json.json, out),
        GenesCommand::Forget { filter, all, state, json } => {
            forget(&state.state_dir, &filter.into(), all, json.json, out)
        }
        GenesCommand::Import { file, device, replace, state, json } => {
            let conflict = if replace { Conflict::Replace } else { Conflict::Keep };
            import(&state.state_dir, &file, device.as_deref(), conflict, json.json, out)
        }
        GenesCommand::Export { file, filter, state } => export(&state.state_dir, file, &filter.into(), out),
    }
}

impl From<GenesFilter> for TopFilter {
    fn from(filter: GenesFilter) -> Self {
        Self {
            device: filter.device.map(|device| device.strip_prefix("/dev/").unwrap_or(&device).to_owned()),
            class: filter.class.map(|class| class.name().to_owned()),
            scheduler: filter.scheduler,
            objective: filter.objective.map(|objective| objective.name().to_owned()),
        }
    }
}

/// What is stored; a state directory in which nothing was learned yet has nothing.
fn stored(state_dir: &Path, filter: &TopFilter) -> Result<Vec<TopRow>, Failure> {
    match Store::open_read_only(state_dir).and_then(|store| store.tops(filter)) {
        Err(StoreError::NoStore { .. }) if state_dir.is_dir() => Ok(Vec::new()),
        other => other.map_err(Failure::failed),
    }
}

fn list(state_dir: &Path, filter: &TopFilter, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let rows = stored(state_dir, filter)?;
    if json {
        return print_json(out, &json!({ "genes": rows }));
    }
    if rows.is_empty() {
        writeln!(out, "no genes are stored that match")?;
        return Ok(());
    }
    let mut table = Table::new(&[
        ("device", Align::Left),
        ("fingerprint", Align::Left),
        ("scheduler", Align::Left),
        ("objective", Align::Left),
        ("fitness", Align::Right),
        ("generations", Align::Right),
        ("settings", Align::Left),
    ]);
    for TopRow { key, objective, top } in rows {
        table.row([
            key.device,
            key.class,
            key.scheduler,
            objective.clone(),
            fitness(&objective, top.fitness.map(Fitness::get)),
            top.generations.to_string(),
            settings_by_name(&top.genes).to_string(),
        ]);
    }
    table.print(out)?;
    Ok(())
}

fn show(state_dir: &Path, filter: &TopFilter, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let rows = stored(state_dir, filter)?;
    if json {
        return print_json(out, &json!({ "genes": rows }));
    }
    if rows.is_empty() {
        writeln!(out, "no genes are stored that match")?;
    }
    for (index, TopRow { key, objective, top }) in rows.into_iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{key} / {objective}")?;
        for setting in settings_by_name(&top.genes).iter() {
            writeln!(out, "  {:<20}{}", setting.knob.name(), setting.value)?;
        }
        let worth = fitness(&objective, top.fitness.map(Fitness::get));
        writeln!(out, "  {worth}, after {} generations of this workload", top.generations)?;
        if let Some(from) = top.provenance {
            let parts = [
                Some(from.by),
                from.host.map(|host| format!("on {host}")),
                from.kernel.map(|kernel| format!("Linux {kernel}")),
                from.device_model.map(|model| format!("disk {model}")),
                from.note,
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            writeln!(out, "  imported: {}", parts.join(", "))?;
        }
    }
    Ok(())
}

fn forget(
    state_dir: &Path,
    filter: &TopFilter,
    all: bool,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if !all && *filter == TopFilter::default() {
        return Err(Failure::usage(
            "genes forget: name what is to be dropped (--device, --class, --scheduler, --objective), or give --all",
        ));
    }
    // Only to drop something is no reason to make a store.
    let forgotten = match Store::open_read_only(state_dir) {
        Err(StoreError::NoStore { .. }) if state_dir.is_dir() => 0,
        Err(error) => return Err(Failure::failed(error)),
        Ok(_readable) => {
            let _claim = Claim::to_edit(state_dir).map_err(Failure::failed)?;
            open(state_dir, out)?.forget(filter).map_err(Failure::failed)?
        }
    };
    if json {
        return print_json(out, &json!({ "forgotten": forgotten }));
    }
    writeln!(out, "{forgotten} forgotten")?;
    Ok(())
}

fn open(state_dir: &Path, out: &mut dyn Write) -> Result<Store, Failure> {
    let (store, moved) = Store::open(state_dir).map_err(Failure::failed)?;
    if let Some(moved) = moved {
        // What was being read is flushed first, so that the two streams are in order on a terminal.
        out.flush()?;
        super::complain(&moved.to_string());
    }
    Ok(store)
}

fn import(
    state_dir: &Path,
    file: &Path,
    device: Option<&str>,
    conflict: Conflict,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let origin =
        if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let mut text = read_file(file, &origin)?;
    let parsed = ExchangeFile::parse(&text, &origin).map_err(Failure::failed)?;
    let objective: Objective = serde_json::from_value(json!(parsed.objective)).map_err(|_unknown| {
        let found = &parsed.objective;
        Failure::failed(format_args!("{origin}: found objective {found:?}, expected throughput or latency"))
    })?;
    if let Some(device) = device {
        text = renamed(parsed, device).to_json().map_err(Failure::failed)?;
    }
    let _claim = Claim::to_edit(state_dir).map_err(Failure::failed)?;
    let store = open(state_dir, out)?;
    let config = LibraryConfig { objective: objective.name().to_owned(), ..LibraryConfig::default() };
    let mut library = store.load_library(None, config).map_err(Failure::failed)?;
    let imported = library.import(&text, &origin, conflict, acceptable).map_err(Failure::failed)?;
    let now = now_unix_ms();
    store
        .together(|store| {
            let keys = imported.added.iter().chain(&imported.replaced);
            keys.filter_map(|key| Some((key, library.top(key)?)))
                .try_for_each(|(key, top)| store.put_top(key, objective.name(), top, now))
        })
        .map_err(Failure::failed)?;
    if json {
        return print_json(out, &imported);
    }
    for (what, keys) in [
        ("added", &imported.added),
        ("replaced", &imported.replaced),
        ("kept as it was (--replace takes the file's)", &imported.kept),
    ] {
        for key in keys {
            writeln!(out, "{key}: {what}")?;
        }
    }
    Ok(())
}

fn read_file(file: &Path, origin: &str) -> Result<String, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::failed(format_args!("{origin}: cannot be read: {error}"));
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(FILE_BYTES + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).map_err(unreadable)?.take(FILE_BYTES + 1).read_to_string(&mut text)
    };
    if read.map_err(unreadable)? as u64 > FILE_BYTES {
        return Err(Failure::failed(format_args!("{origin}: found more than {FILE_BYTES} bytes")));
    }
    Ok(text)
}

/// The genes of a file under another disk's name. What they are worth there is not known.
fn renamed(file: ExchangeFile, device: &str) -> ExchangeFile {
    let device = device.strip_prefix("/dev/").unwrap_or(device);
    let entries = file
        .entries
        .into_iter()
        .map(|entry| ExchangeEntry { device: device.to_owned(), fitness: None, ..entry })
        .collect();
    ExchangeFile { entries, ..file }
}

/// Whether this program can ever apply an entry of a gene file; if not, what was found and what was expected.
///
/// # Errors
/// Where the fingerprint, the scheduler, the device or a knob is none.
pub(crate) fn acceptable(entry: &ExchangeEntry) -> Result<(), String> {
    if entry.class != "unknown" {
        entry.class.parse::<Class>().map_err(|error| error.to_string())?;
    }
    // A scheduler that this program does not know can still have genes of the queue itself.
    let scheduler = &entry.scheduler;
    if scheduler != "*" && (scheduler.is_empty() || !scheduler.bytes().all(is_scheduler_byte)) {
        return Err(format!("found scheduler {scheduler:?}, expected a name such as \"mq-deadline\""));
    }
    if entry.device.is_empty() || entry.device.contains('/') {
        return Err(format!("found device {:?}, expected a name such as \"sda\"", entry.device));
    }
    for name in entry.genes.keys() {
        name.parse::<Knob>().map_err(|error| error.to_string())?;
    }
    Ok(())
}

const fn is_scheduler_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

fn export(
    state_dir: &Path,
    file: Option<PathBuf>,
    filter: &TopFilter,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let rows = stored(state_dir, filter)?;
    let mut objectives: BTreeSet<String> = rows.iter().map(|row| row.objective.clone()).collect();
    let objective = match (objectives.pop_first(), objectives.pop_first()) {
        (Some(objective), None) => objective,
        (None, _) => {
            return Err(Failure::failed("no genes are stored that match; nothing was written"));
        }
        (Some(one), Some(another)) => {
            return Err(Failure::usage(format_args!(
                "genes export: a file holds one objective: choose --objective {one} or --objective {another}"
            )));
        }
    };
    let config = LibraryConfig { objective, ..LibraryConfig::default() };
    let mut library = Library::new(config).map_err(Failure::failed)?;
    for TopRow { key, top, .. } in rows {
        library.put(key, top).map_err(Failure::failed)?;
    }
    let text = library.export(provenance()).to_json().map_err(Failure::failed)?;
    match file {
        None => out.write_all(text.as_bytes())?,
        Some(path) => std::fs::write(&path, text).map_err(|error| {
            Failure::failed(format_args!("{}: cannot be written: {error}", path.display()))
        })?,
    }
    Ok(())
}

pub(super) fn provenance() -> Provenance {
    let machine = rustix::system::uname();
    let known =
        |text: &std::ffi::CStr| Some(text.to_string_lossy().into_owned()).filter(|text| !text.is_empty());
    Provenance {
        by: concat!("tunerd ", env!("CARGO_PKG_VERSION")).to_owned(),
        host: known(machine.nodename()),
        kernel: known(machine.release()),
        device_model: None,
        at_unix_ms: Some(now_unix_ms()),
        note: None,
    }
}

pub(super) fn now_unix_ms() -> u64 {
    // A clock before 1970 reads as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
