//! Configuration files as people get them wrong.

use super::*;
use std::fs;

fn load_text(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, text).unwrap();
    load(std::slice::from_ref(&path), RawConfig::default())
        .map_err(|error| error.to_string().replace(&dir.path().display().to_string(), ""))
}

#[test]
fn the_shipped_file_states_the_defaults() {
    let shipped = load_text(include_str!("../../dist/config.toml")).unwrap();
    assert_eq!(shipped, Config::default());
}

#[test]
fn every_mistake_is_named_with_its_line_what_was_found_and_what_was_expected() {
    for (text, parts) in [
        ("mode = \"tune\"\nmodus = 1\n", &["/config.toml:2", "modus", "mode"][..]),
        ("[loop]\n\nslise = \"2s\"\n", &["/config.toml:3", "slise", "slice"]),
        ("mode = \"tuna\"\n", &["/config.toml:1", "tuna", "observe"]),
        ("[loop]\nslice = \"2 fortnights\"\n", &["/config.toml:2", "loop.slice", "2 fortnights", "250ms"]),
        ("[loop]\nslice = \"1ms\"\n", &["/config.toml:2", "loop.slice", "1.00 ms", "100 ms"]),
        ("[loop]\nslice = 2\n", &["/config.toml:2", "integer", "string"]),
        ("[loop]\nchildren = 1\n", &["/config.toml:2", "loop.children", "found 1", "4‥1000"]),
        (
            "[loop]\nwindow = \"2s\"\nwindow_max = \"1s\"\n",
            &["/config.toml:3", "loop.window_max", "loop.window"],
        ),
        ("[genetic]\nknobs = [\"write_cache\"]\n", &["/config.toml:2", "write_cache"]),
        ("[genetic]\nknobs = [\"scheduler\"]\n", &["/config.toml:2", "scheduler", "tune_scheduler"]),
        ("[genetic]\ndecay = 1.5\n", &["/config.toml:2", "genetic.decay", "1.5", "0.5‥1"]),
        (
            "[limits.nr_requests]\nmin = 512\nmax = 64\n",
            &["/config.toml:3", "limits.nr_requests", "512", "64"],
        ),
        ("[fingerprint]\nsmall = \"1\"\n", &["/config.toml:2", "fingerprint.small", "512"]),
        ("[sampler]\nsource = \"ebpf\"\n", &["/config.toml:2", "ebpf", "diskstats"]),
        ("devices = [\"/etc/passwd\"]\n", &["/config.toml:1", "devices", "/etc/passwd"]),
        ("mode = \n", &["/config.toml:1"]),
    ] {
        let error = load_text(text).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{text:?}: {error:?} does not show {part:?}");
        }
    }
}

#[test]
fn a_later_file_overrides_and_the_command_line_overrides_all() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("1.toml"), dir.path().join("2.toml"));
    fs::write(&first, "mode = \"hints\"\nseed = 1\nstate_dir = \"state\"\n[loop]\nslice = \"3s\"\n").unwrap();
    fs::write(&second, "mode = \"tune\"\n").unwrap();
    let flags = RawConfig { seed: Some(toml::Spanned::new(0..0, 7)), ..RawConfig::default() };
    let config = load(&[first, second], flags).unwrap();
    assert_eq!((config.mode, config.seed), (Mode::Tune, Some(7)));
    assert_eq!(config.timing.slice, Nanos::from_millis(3_000));
    assert_eq!(config.state_dir, dir.path().join("state"), "a relative path starts at its file");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(&["/nonexistent/tunerd.toml".into()], RawConfig::default()).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/tunerd.toml: cannot be read"), "{error}");
}

#[test]
fn the_shipped_hints_are_well_formed_empty_and_say_why() {
    let file = genetic::ExchangeFile::parse(include_str!("../../dist/hints.json"), "hints.json").unwrap();
    assert!(file.entries.is_empty());
    assert!(file.provenance.note.is_some());
}

#[test]
fn the_strategy_brings_its_own_defaults_wherever_it_is_named() {
    let published = load_text("strategy = \"moilanen\"\n").unwrap();
    assert_eq!((published.timing.slice, published.timing.settle), (Nanos::from_millis(2_000), Nanos::ZERO));
    assert_eq!(published.objective, Objective::Throughput);
    let ours = load_text("").unwrap();
    assert_eq!(ours.strategy, StrategyName::Confirmed);
    assert_eq!(
        (ours.timing.slice, ours.timing.settle),
        (Nanos::from_millis(4_000), Nanos::from_millis(2_000))
    );
    assert_eq!(ours.objective, Objective::Balanced);
    let flags = RawConfig {
        strategy: Some(toml::Spanned::new(0..0, StrategyName::Moilanen)),
        ..RawConfig::default()
    };
    let config = load(&[], flags).unwrap();
    assert_eq!(config, Config::of(StrategyName::Moilanen));
    let error = load_text("objective = \"tail\"\nstrategy = \"moilanen\"\n").unwrap_err();
    assert!(
        error.starts_with("/config.toml:1: objective") && error.contains("throughput or latency"),
        "{error}"
    );
}
