//! `tunerd replay` as people and programs see it, on simulated disks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up fails")]

mod common;

use common::{Ran, run, text};
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;

/// A directory with a trace in the form of MSR-Cambridge: reads and writes of 4 KiB all over the first 16 GiB, one every
/// 5 ms, each of which took 8 ms.
struct Traces(tempfile::TempDir);

impl Traces {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        text(&path)
    }

    fn mixed(&self, rows: u64, writes_only: bool) -> String {
        let (mut csv, mut state) = (String::new(), 1_u64);
        for row in 0..rows {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (state >> 33) % 4_000_000 * 4_096;
            let what = if writes_only || state >> 60 < 7 { "Write" } else { "Read" };
            writeln!(csv, "{},host,0,{what},{place},4096,80000", 128_166_372_003_061_629 + row * 50_000)
                .unwrap();
        }
        self.write("mixed.csv", &csv)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn replay(arguments: &[&str]) -> Ran {
    run(["replay"].iter().chain(arguments))
}

const DISK: [&str; 6] = ["--disk", "hdd-7200", "--disk-size", "16GiB", "--queue-depth", "4"];

fn on_disk(trace: &str, rest: &[&str]) -> Ran {
    let all: Vec<&str> = [trace].into_iter().chain(DISK).chain(rest.iter().copied()).collect();
    replay(&all)
}

#[test]
fn a_trace_is_simulated_and_every_bio_is_accounted_for() {
    let traces = Traces::new();
    let trace = traces.mixed(3_000, false);
    let first: Value = serde_json::from_str(&on_disk(&trace, &["--json"]).done()).unwrap();
    let result = &first["results"][0];
    let bios = |name: &str| result[name]["bios"].as_u64().unwrap();
    assert_eq!(bios("reads") + bios("sync_writes") + bios("async_writes"), 3_000);
    assert!(result["reads"]["latency"]["mean_ns"].as_u64().unwrap() > 1_000_000, "{result}");
    assert_eq!(first["replay"]["pace"], "closed", "the trace has completions");
    let again: Value = serde_json::from_str(&on_disk(&trace, &["--json"]).done()).unwrap();
    assert_eq!(first, again);
    let table = on_disk(&trace, &["--open", "--time-scale", "0.5"]).done();
    assert!(table.contains("scheduler=mq-deadline") && table.contains("open loop, times × 0.5"), "{table}");
}

#[test]
fn settings_are_compared_with_intervals() {
    let traces = Traces::new();
    let trace = traces.mixed(12_000, false);
    let candidates = [
        "--set",
        "nr_requests=256",
        "--no-stall",
        "--outstanding",
        "64",
        "--compare",
        "mq-deadline:fifo_batch=1",
        "--compare",
        "none",
        "--json",
    ];
    let found: Value = serde_json::from_str(&on_disk(&trace, &candidates).done()).unwrap();
    let against =
        |index: usize, name: &str| found["results"][index]["against_first"]["throughput"][name].as_f64();
    assert_eq!(found["results"].as_array().unwrap().len(), 3);
    // Without a scheduler nothing is sorted before a short device queue.
    assert!(against(2, "upper").unwrap() < 1.0, "{}", found["results"][2]["against_first"]);
    assert!(against(1, "pieces").unwrap() >= 5.0);
}

#[test]
fn genes_that_a_search_found_are_imported_and_fit() {
    let traces = Traces::new();
    let trace = traces.mixed(12_000, false);
    let genes = text(&traces.path("genes.json"));
    let search = [
        "--no-stall",
        "--outstanding",
        "64",
        "--set",
        "nr_requests=256",
        "--tune",
        "--objective",
        "latency",
        "--budget",
        "64",
    ];
    let all: Vec<&str> =
        search.iter().copied().chain(["--out", &genes, "--for-device", "sdb", "--json"]).collect();
    let found: Value = serde_json::from_str(&on_disk(&trace, &all).done()).unwrap();
    assert!(found["not_scored"].as_array().unwrap().contains(&"read_ahead_kb".into()), "{found}");
    let confirmed: Vec<&Value> =
        found["fingerprints"].as_array().unwrap().iter().filter(|one| one["confirmed"] == true).collect();
    assert!(!confirmed.is_empty(), "{found}");
    let state = text(&traces.path("state"));
    std::fs::create_dir(&state).unwrap();
    let imported = run(["genes", "import", &genes, "--state-dir", &state]).done();
    assert_eq!(imported.matches(": added").count(), confirmed.len(), "{imported}");
    let shown = run(["genes", "show", "--state-dir", &state, "--device", "sdb"]).done();
    for part in ["mq-deadline", "fifo_batch", "hdd-7200", confirmed[0]["class"].as_str().unwrap()] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

#[test]
fn what_cannot_be_replayed_is_refused_in_one_line() {
    let traces = Traces::new();
    let trace = traces.mixed(300, false);
    replay(&[&trace]).refused(2, &["--disk", "--onto"]);
    replay(&["/no/such/trace", "--disk", "hdd-7200"]).refused(1, &["/no/such/trace"]);
    replay(&[&trace, "--disk", "floppy"]).refused(1, &["floppy", "hdd-7200"]);
    on_disk(&trace, &["--set", "slice_idle_us=0"]).refused(2, &["slice_idle_us", "bfq"]);
    on_disk(&trace, &["--set", "fifo_batch=-1"]).refused(2, &["fifo_batch", "-1"]);
    on_disk(&trace, &["--compare", "deadline"]).refused(2, &["deadline"]);
    on_disk(&trace, &["--time-scale", "0"]).refused(2, &["--time-scale"]);
    on_disk(&trace, &["--tune", "--scheduler", "none"]).refused(2, &["none", "no knob"]);
    on_disk(&trace, &["--trace-device", "8:0"]).refused(2, &["8:0", "240:0"]);
    on_disk(&trace, &["--skip", "1h"]).refused(1, &["no bios", "300"]);
    let small = ["--disk", "hdd-7200", "--disk-size", "128MiB"];
    replay(&[&[trace.as_str()], &small[..]].concat()).refused(1, &["reaches to sector", "--redirect"]);
    replay(&[&[trace.as_str()], &small[..], &["--redirect", "wrap"]].concat()).done();
    let bad = traces.write("bad.toml", "base = \"hdd-7200\"\nrotation_rpm = 0\n");
    replay(&[&trace, "--disk", &bad]).refused(1, &["bad.toml", "rotation_rpm"]);
    let holes = traces.write("holes.csv", "128166372003061629,h,0,Read,0,4096,1\nnot a row\n");
    replay(&[&holes, "--disk", "hdd-7200"]).refused(1, &["holes.csv", "line 2"]);
    replay(&[&holes, "--disk", "hdd-7200", "--skip-bad-lines", "1"]).done();
}

#[test]
fn writes_only_have_no_read_latency_and_are_simulated() {
    let traces = Traces::new();
    let trace = traces.mixed(1_000, true);
    let found: Value = serde_json::from_str(&on_disk(&trace, &["--json"]).done()).unwrap();
    assert_eq!(found["results"][0]["reads"]["latency"]["mean_ns"], Value::Null);
    assert_eq!(found["results"][0]["reads"]["bios"], 0);
}
