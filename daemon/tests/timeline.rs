//! `tunerd fingerprint --trace`, as people and programs see it. Needs no kernel and no privilege.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up fails")]

mod common;

use common::{run, run_with_input, text};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;

fn data(name: &str) -> String {
    text(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../blktrace-parser/tests/data").join(name))
}

fn windows(trace: &str, more: &[&str]) -> Vec<Value> {
    let fixed = ["fingerprint", "--trace", trace, "--json"];
    let out = run(fixed.into_iter().chain(more.iter().copied())).done();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `count` rows of MSR, a read of 4 KiB each millisecond.
fn rows(count: u64) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let (at, offset) = (128_166_372_000_000_000 + number * 10_000, number * 7_919 % 100_000 * 4_096);
        let _ = writeln!(text, "{at},hm,0,Read,{offset},4096,1000");
        text
    })
}

#[test]
fn a_line_has_the_promised_keys_and_no_others() {
    let all = windows(&data("loop"), &["--window", "20ms"]);
    assert!(!all.is_empty());
    for line in &all {
        let mut keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        keys.sort();
        let mut expected = [
            "start_ns",
            "end_ns",
            "reads",
            "writes",
            "read_sectors",
            "write_sectors",
            "near_share",
            "mean_gap_sectors",
            "mean_size_sectors",
            "type",
            "pattern",
            "size",
            "class",
            "profile",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }
}

#[test]
fn an_iolog_of_version_2_has_its_times_from_its_waits() {
    // As older versions of fio write it: random reads for two seconds, a pause of three, writes in a row for one.
    let mut log = "fio version 2 iolog\n/dev/sdx add\n/dev/sdx open\n".to_owned();
    for number in 0..2_000_u64 {
        let offset = number * 7_919 % 100_000 * 65_536;
        let _ = writeln!(log, "/dev/sdx read {offset} 4096\n/dev/sdx wait 1000 0");
    }
    let _ = writeln!(log, "/dev/sdx wait 3000000 0");
    for number in 0..1_000_u64 {
        let _ = writeln!(log, "/dev/sdx write {} 4096\n/dev/sdx wait 1000 0", number * 4_096);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("v2.iolog");
    std::fs::write(&path, log + "/dev/sdx close\n").unwrap();
    let found = windows(&text(&path), &["--window", "500ms"]);
    let sum = |key: &str| found.iter().filter_map(|line| line[key].as_u64()).sum::<u64>();
    assert_eq!((sum("reads"), sum("writes")), (2_000, 1_000));
    let class_at = |ms: u64| {
        let at = |line: &&Value| {
            let bound = |key: &str| line[key].as_u64().unwrap();
            bound("start_ns") <= ms * 1_000_000 && ms * 1_000_000 < bound("end_ns")
        };
        found.iter().find(at).and_then(|line| line["class"].as_str())
    };
    assert_eq!(class_at(1_000), Some("read-random-small"), "{found:?}");
    assert_eq!(class_at(3_500), None, "{found:?}");
    assert_eq!(class_at(5_600), Some("write-sequential-small"), "{found:?}");
}

#[test]
fn the_text_and_the_records_of_one_trace_give_one_timeline() {
    let relative = |mut windows: Vec<Value>| {
        let begun = windows[0]["start_ns"].as_u64().unwrap();
        for window in &mut windows {
            for key in ["start_ns", "end_ns"] {
                window[key] = (window[key].as_u64().unwrap() - begun).into();
            }
        }
        windows
    };
    let more = ["--window", "2ms"];
    let binary = relative(windows(&data("loop"), &more));
    assert!(binary.len() > 2);
    assert_eq!(relative(windows(&data("loop.blkparse.txt"), &more)), binary);
}

#[test]
fn the_rule_is_the_one_that_is_asked_for() {
    // A stream of 128 KiB: the paper calls it random, because it measures from start to start.
    let stream: String = (0..100_u64)
        .map(|number| format!("{},hm,0,Read,{},131072,10\n", 1_000_000 + number * 1_000, number * 131_072))
        .collect();
    let class = |rule: &str| {
        let ran = run_with_input(["fingerprint", "--trace", "-", "--json", "--rule", rule], &stream);
        ran.json()["class"].clone()
    };
    assert_eq!(class("ours"), "read-sequential-large");
    assert_eq!(class("paper-2006"), "read-random-large");
}

#[test]
fn a_table_names_pauses_and_charts_are_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let [svg, png] = ["t.svg", "t.png"].map(|name| text(&directory.path().join(name)));
    let late = "128166372100000000,hm,0,Write,0,65536,10\n";
    let arguments = ["fingerprint", "--trace", "-", "--chart", &svg, "--chart", &png];
    let out = run_with_input(arguments, &(rows(1_500) + late)).done();
    assert!(out.contains("read-random-small") && out.contains("idle for 8"), "{out}");
    assert!(std::fs::read_to_string(svg).unwrap().contains("read-random-small"));
    assert!(std::fs::read(png).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn a_broken_line_is_named_by_its_number_and_can_be_passed_over() {
    let broken = rows(9_999) + "128166372000000000,hm,0,Reed,0,4096,1000\n" + &rows(1);
    let ran = run_with_input(["fingerprint", "--trace", "-", "--json"], &broken);
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("line 10000"), "{}", ran.err);
    let reads = |out: &str| -> u64 {
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["reads"].as_u64().unwrap()).sum()
    };
    assert_eq!(reads(&ran.out), 9_999, "what stands before it is told");
    let ran = run_with_input(["fingerprint", "--trace", "-", "--json", "--skip-bad-lines", "1"], &broken);
    assert_eq!((ran.status, reads(&ran.out)), (0, 10_000));
    assert!(ran.err.contains("1 bad lines"), "{}", ran.err);
}

#[test]
fn what_is_no_trace_is_named_with_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&directory.path().join(name));
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("noise"), "no trace at all\n").unwrap();
    let sparse = std::fs::File::create(path("sparse")).unwrap();
    // Not every file system can be that sparse.
    let _ = sparse.set_len(1 << 40).or_else(|_| sparse.set_len(1 << 30));
    for name in ["empty", "noise", "sparse", "missing", ""] {
        run(["fingerprint", "--trace", &path(name)]).refused(1, &[&path(name)]);
    }
    let cut = std::fs::read(data("loop.blktrace.0")).unwrap();
    std::fs::write(path("cut.blktrace.1"), &cut[..cut.len() - 5]).unwrap();
    let ran = run(["fingerprint", "--trace", &path("cut"), "--json"]);
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("no file of CPU 0") && ran.err.contains("cut.blktrace.1: byte"), "{}", ran.err);
    assert!(!ran.out.is_empty(), "what stands before the cut is told");
}

#[test]
fn wrong_questions_are_refused() {
    run(["fingerprint", "--trace", "x", "--device", "sda"]).refused(2, &["--device"]);
    run(["fingerprint", "--trace", "x", "--format", "pcap"]).refused(2, &["pcap"]);
    run(["fingerprint", "--trace", "x", "--chart", "x.gif"]).refused(2, &[".svg"]);
    run(["fingerprint", "--trace", "x", "--window", "0s"]).refused(2, &["--window"]);
    run(["fingerprint", "--device", "x", "--skip-bad-lines", "1"]).refused(2, &["--skip-bad-lines"]);
}
