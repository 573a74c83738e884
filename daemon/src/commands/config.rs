//! `config`: what is in effect, and whether files are well-formed.

use super::{Failure, print_json};
use crate::cli::ConfigCommand;
use crate::config::{Config, Limits, RawConfig, load, standard_files};
use block_types::{Knob, Nanos};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use toml::{Table, Value};

pub(super) fn config(command: ConfigCommand, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show { files, json } => show(files, json.json, out),
        ConfigCommand::Check { files, json } => check(files, json.json, out),
    }
}

fn or_standard(files: Vec<PathBuf>) -> Vec<PathBuf> {
    if files.is_empty() { standard_files() } else { files }
}

fn show(files: Vec<PathBuf>, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let files = or_standard(files);
    let config = load(&files, RawConfig::default())?;
    let written = Written::of(&config);
    if json {
        return print_json(out, &written);
    }
    if files.is_empty() {
        writeln!(out, "# The defaults: there is no configuration file.")?;
    }
    for file in files {
        writeln!(out, "# With {}", file.display())?;
    }
    write!(out, "{}", toml::to_string(&written).map_err(Failure::failed)?)?;
    Ok(())
}

fn check(files: Vec<PathBuf>, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let files = or_standard(files);
    load(&files, RawConfig::default())?;
    if json {
        return print_json(out, &json!({ "checked": files }));
    }
    if files.is_empty() {
        writeln!(out, "there is no configuration file; the defaults are in effect")?;
    }
    for file in files {
        writeln!(out, "{}: well-formed", file.display())?;
    }
    Ok(())
}

/// A configuration in the form in which a file has it, so that what is shown can be used as one.
#[derive(Serialize)]
struct Written {
    #[serde(flatten)]
    top: Table,
    #[serde(rename = "loop")]
    timing: Table,
    fingerprint: Table,
    genetic: Table,
    confirmed: Table,
    sampler: Table,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<Knob, Table>,
}

fn text(value: impl Into<String>) -> Value {
    Value::String(value.into())
}

/// The name that a value has in a file.
fn name(value: &impl Serialize) -> Value {
    Value::try_from(value).unwrap_or_else(|_none| text(""))
}

fn number(value: u64) -> Value {
    // TOML's integers are signed; a seed beyond them is the one value that can be.
    i64::try_from(value).map_or_else(|_large| text(value.to_string()), Value::Integer)
}

fn names<T: ToString>(values: &[T]) -> Value {
    Value::Array(values.iter().map(|value| text(value.to_string())).collect())
}

/// A duration in the largest unit that says it exactly.
fn duration(nanos: Nanos) -> Value {
    const UNITS: [(u64, &str); 5] = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    let exact = UNITS.iter().find(|(length, _)| nanos.0 > 0 && nanos.0.is_multiple_of(*length));
    text(match exact {
        Some((length, unit)) => format!("{}{unit}", nanos.0 / length),
        None if nanos.0 == 0 => "0s".to_owned(),
        None => format!("{}ns", nanos.0),
    })
}

/// A size in the largest unit that says it exactly.
fn size(bytes: u64) -> Value {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    text(match UNITS.iter().find(|(length, _)| bytes > 0 && bytes.is_multiple_of(*length)) {
        Some((length, unit)) => format!("{}{unit}", bytes / length),
        None => bytes.to_string(),
    })
}

fn table<const N: usize>(entries: [(&str, Option<Value>); N]) -> Table {
    entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

impl Written {
    fn of(config: &Config) -> Self {
        let path = |path: &PathBuf| text(path.to_string_lossy());
        let limits =
            |limits: &Limits| table([("min", limits.min.map(number)), ("max", limits.max.map(number))]);
        Self {
            top: table([
                ("mode", Some(name(&config.mode))),
                ("strategy", Some(name(&config.strategy))),
                ("objective", Some(name(&config.objective))),
                ("devices", Some(names(&config.devices))),
                ("exclude", Some(names(&config.exclude))),
                ("state_dir", Some(path(&config.state_dir))),
                ("run_dir", Some(path(&config.run_dir))),
                ("on_exit", Some(name(&config.on_exit))),
                ("seed", config.seed.map(number)),
                ("hints", config.hints.as_ref().map(path)),
                ("socket_group", config.socket_group.clone().map(text)),
            ]),
            timing: table([
                ("window", Some(duration(config.timing.window.min))),
                ("window_bios", Some(number(config.timing.window.data_bios))),
                ("window_bytes", Some(size(config.timing.window.bytes.0))),
                ("window_max", Some(duration(config.timing.window.max))),
                ("debounce", Some(number(config.timing.debounce.into()))),
                ("slice", Some(duration(config.timing.slice))),
                ("settle", Some(duration(config.timing.settle))),
                ("children", Some(number(config.timing.children as u64))),
            ]),
            fingerprint: table([
                ("rule", Some(name(&config.rule))),
                ("read_write_ratio", Some(Value::Float(config.thresholds.read_write_ratio))),
                ("near_sectors", Some(number(config.thresholds.near_sectors.0))),
                ("near_share", Some(Value::Float(config.thresholds.near_share))),
                ("random_distance_sectors", Some(number(config.thresholds.random_distance_sectors.0))),
                ("small", Some(size(config.thresholds.small_sectors.bytes().0))),
            ]),
            genetic: table([
                ("reintroduce", Some(name(&config.genetic.reintroduce))),
                ("on_change", Some(name(&config.genetic.on_change))),
                ("ranges", Some(name(&config.genetic.ranges))),
                ("knobs", Some(names(&config.genetic.knobs))),
                ("tune_scheduler", Some(Value::Boolean(config.genetic.tune_scheduler))),
                ("decay", Some(Value::Float(config.genetic.decay))),
            ]),
            confirmed: table([
                ("candidates", Some(number(config.confirmed.candidates as u64))),
                ("race_rounds", Some(number(config.confirmed.race_rounds.into()))),
                ("nominees", Some(number(config.confirmed.nominees.into()))),
                ("max_pairs", Some(number(config.confirmed.max_pairs.into()))),
                ("alpha", Some(Value::Float(config.confirmed.alpha))),
                ("pause", Some(duration(config.confirmed.pause))),
                ("pause_max", Some(duration(config.confirmed.pause_max))),
                ("changes_per_minute", Some(number(config.confirmed.changes_per_minute.into()))),
                ("calm", Some(duration(config.confirmed.calm))),
            ]),
            sampler: table([
                ("source", Some(name(&config.sampler.source))),
                ("continuous", Some(Value::Boolean(config.sampler.continuous))),
                ("latency_one_in", Some(number(config.sampler.latency_one_in.into()))),
            ]),
            limits: config.genetic.limits.iter().map(|(knob, bounds)| (*knob, limits(bounds))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> (Config, String, PathBuf, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        let mut out = Vec::new();
        show(vec![file.clone()], false, &mut out).unwrap();
        let config = load(std::slice::from_ref(&file), RawConfig::default()).unwrap();
        (config, String::from_utf8(out).unwrap(), file, directory)
    }

    #[test]
    fn what_is_shown_is_a_file_that_means_the_same() {
        for text in [
            "",
            "strategy = \"moilanen\"\n",
            "objective = \"tail\"\n[confirmed]\ncandidates = 8\nalpha = 0.01\npause = \"2h\"\ncalm = \"5s\"\n",
            "mode = \"tune\"\ndevices = [\"loop7\", \"sda\"]\nexclude = [\"sdb\"]\nseed = 7\nsocket_group = \"disk\"\n\
             state_dir = \"/srv/a b\"\nhints = \"/etc/tunerd/hints.json\"\nobjective = \"latency\"\n\
             [loop]\nwindow = \"300ms\"\nwindow_max = \"90s\"\nsettle = \"1.5s\"\nslice = \"1234567us\"\n\
             window_bytes = \"4097\"\nchildren = 12\n\
             [fingerprint]\nrule = \"paper-2006\"\nsmall = \"16KiB\"\nnear_share = 0.25\n\
             [genetic]\nknobs = [\"fifo_batch\", \"read_ahead_kb\"]\ntune_scheduler = true\nranges = \"paper\"\n\
             [sampler]\nsource = \"tracefs\"\ncontinuous = true\n\
             [limits.nr_requests]\nmin = 32\n[limits.fifo_batch]\nmin = 2\nmax = 64\n",
        ] {
            let (config, shown, file, _directory) = shown(text);
            std::fs::write(&file, &shown).unwrap();
            let again =
                load(&[file], RawConfig::default()).unwrap_or_else(|error| panic!("{error}\n{shown}"));
            assert_eq!(again, config, "{shown}");
        }
    }

    #[test]
    fn quantities_are_written_in_the_largest_unit_that_is_exact() {
        let durations = [0, 999, 250_000_000, 1_500_000_000, 90_000_000_000, 7_200_000_000_000]
            .map(|n| duration(Nanos(n)));
        assert_eq!(durations, ["0s", "999ns", "250ms", "1500ms", "90s", "2h"].map(text));
        assert_eq!([0, 1000, 4096, 4 << 20].map(size), ["0", "1000", "4KiB", "4MiB"].map(text));
    }

    #[test]
    fn a_mistake_is_an_error_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bad.toml");
        std::fs::write(&file, "mode = \"tune\"\n[loop]\nslise = \"2s\"\n").unwrap();
        let mut out = Vec::new();
        let Err(Failure::Said { message, .. }) = check(vec![file], false, &mut out) else {
            panic!("accepted")
        };
        assert!(message.contains("bad.toml:3") && message.contains("slise"), "{message}");
        assert!(out.is_empty());
    }
}
