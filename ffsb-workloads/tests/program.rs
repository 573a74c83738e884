//! `ffsb-run` as its users meet it: exit statuses, reports, interruption.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::tempdir;

const PROFILE: &str = "time = 600\n[filesystem]\nlocation = /nowhere/at/all\nnum_files = 8\nmin_filesize = 16k\nmax_filesize = 16k\n[end]\n\
    [threadgroup]\nnum_threads = 2\nreadall_weight = 1\nread_blocksize = 4k\n[stats]\nenable_stats = 1\n[end]\n[end]\n";

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ffsb-run"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_reports_in_the_shape_of_ffsb() {
    let home = tempdir().unwrap();
    let profile = home.path().join("p.ffsb");
    fs::write(&profile, PROFILE).unwrap();
    let place = home.path().join("x");
    let output = run(&[path(&profile), "--location", path(&place), "--ops", "25"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "ThreadGroup 0\n================\n\t num_threads      = 2",
        "\t              readall = 1 (100.00%)",
        "\t starting files   = 8",
        "Total Results\n===============",
        "             readall :          200\t",
        "Transactions per Second",
        "Read Throughput: ",
        "(819200 bytes)",
        "System Call Latency statistics in millisecs",
        "[   open]\t",
        "          50\n",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(!place.exists());
}

#[test]
fn json_has_the_same_numbers_every_time() {
    let home = tempdir().unwrap();
    let profile = home.path().join("p.ffsb");
    fs::write(&profile, PROFILE).unwrap();
    let report = || -> Value {
        let place = home.path().join("x");
        let output =
            run(&[path(&profile), "--location", path(&place), "--ops", "25", "--seed", "3", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (one, two) = (report(), report());
    assert_eq!(one["complete"], true);
    assert_eq!(one["file_sets"][0]["bytes"], 8 * 16384);
    let total = &one["phases"][0]["total"];
    assert_eq!((&total["read_bytes"], &total["transactions"]), (&(50 * 16384).into(), &200.into()));
    assert_eq!(total["operations"][0]["operation"], "readall");
    let digests = |report: &Value| report["phases"][0]["threadgroups"][0]["thread_digests"].clone();
    assert_eq!(digests(&one), digests(&two));
    assert_eq!(digests(&one).as_array().unwrap().len(), 2);
    for key in ["begin_ns", "first_io_ns", "end_ns", "elapsed_ns"] {
        assert!(one["phases"][0][key].is_u64(), "{key}");
    }
}

#[test]
fn exit_statuses_say_what_kind_of_trouble_it_is() {
    let home = tempdir().unwrap();
    let (good, bad, full) =
        (home.path().join("good"), home.path().join("bad.ffsb"), home.path().join("full"));
    fs::write(&good, PROFILE).unwrap();
    fs::write(&bad, "time = 1\nfiles = 3\n").unwrap();
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine"), "").unwrap();
    let place = home.path().join("x");
    let location = ["--location", path(&place)];
    let bad_line =
        format!("ffsb-run: {}:2: found `files`, expected a keyword of the global part\n", bad.display());
    let table: [(&[&str], i32, &str); 10] = [
        (&[path(&bad), location[0], location[1]], 2, &bad_line),
        (&["/no/such.ffsb", location[0], location[1]], 2, "cannot read /no/such.ffsb"),
        (&[], 2, "required"),
        (&[path(&good), "--fit", "1", "--scale", "2"], 2, "cannot be used with"),
        (&[path(&good), "--fit", "lots"], 2, "bytes, or a number with K"),
        (&[path(&good), "--direct", "--buffered"], 2, "cannot be used with"),
        (&[path(&good), "--location", path(&full)], 3, "is not empty (it holds `mine`)"),
        (&[path(&good)], 3, "cannot make /nowhere/at/all"),
        (&[path(&good), "--fit"], 3, "cannot make /nowhere/at/all"),
        (&["sequential-read", location[0], location[1], "--scale", "1e9"], 3, "no room in"),
    ];
    for (arguments, status, says) in table {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{arguments:?}: {}", said(&output));
        assert!(said(&output).matches("os error").count() <= 1, "a cause is named once: {}", said(&output));
        assert!(output.stdout.is_empty());
    }
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
    assert!(!place.exists(), "a run that cannot begin leaves nothing");
}

#[test]
fn an_interrupted_run_reports_what_it_did_and_cleans_up() {
    let home = tempdir().unwrap();
    let profile = home.path().join("p.ffsb");
    fs::write(&profile, PROFILE).unwrap();
    for signal in ["INT", "TERM"] {
        let place = home.path().join("x");
        let mut child = program()
            .args([path(&profile), "--location", path(&place), "--events", "/dev/stderr", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut events = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("first_io") {
            line.clear();
            assert!(events.read_line(&mut line).unwrap() > 0, "it ended by itself");
        }
        assert!(
            Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success()
        );
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{signal}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["complete"], &report["problem"]), (&false.into(), &"interrupted".into()));
        assert_eq!(report["phases"][0]["ending"], "interrupted");
        assert!(report["phases"][0]["total"]["read_bytes"].as_u64().unwrap() > 0);
        assert!(!place.exists());
    }
}

#[test]
fn a_cycle_tells_when_each_phase_did_its_first_io() {
    let home = tempdir().unwrap();
    let (place, events) = (home.path().join("x"), home.path().join("events"));
    let arguments =
        ["hostile-cycle", "--location", path(&place), "--fit", "32m", "--buffered", "--cycles", "2"];
    let output =
        run(&[&arguments[..], &["--phase-time", "0.2", "--events", path(&events), "--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let events: Vec<Value> = fs::read_to_string(&events)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "prepared");
    assert_eq!(kinds[1..], ["phase_begin", "first_io", "phase_end"].repeat(8));
    let times: Vec<u64> = events.iter().map(|event| event["monotonic_ns"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let names: Vec<&str> = events[1..].chunks(3).map(|three| three[1]["name"].as_str().unwrap()).collect();
    assert_eq!(names[..4], ["sequential-write", "random-read", "sequential-read", "random-write"]);
    assert_eq!(names[4..], names[..4]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["file_sets"].as_array().unwrap().len(), 2, "reads and overwrites share their files");
    for (phase, key) in [(0, "written_bytes"), (1, "read_bytes"), (2, "read_bytes"), (3, "written_bytes")] {
        let total = &report["phases"][phase]["total"];
        assert_eq!(
            total["read_bytes"].as_u64().unwrap() + total["written_bytes"].as_u64().unwrap(),
            total[key].as_u64().unwrap()
        );
        assert!(total[key].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_cycle_file_is_checked_like_a_profile() {
    let home = tempdir().unwrap();
    fs::write(home.path().join("p.ffsb"), PROFILE).unwrap();
    let file = home.path().join("c.toml");
    let phase = "[[phase]]\nprofile = \"p.ffsb\"\n";
    for (text, says) in [
        (format!("turnss = 2\n{phase}"), "c.toml:1: found unknown field `turnss`"),
        (format!("turns = 0\n{phase}"), "c.toml:1: found "),
        ("[[phase]]\nname = \"x\"\n".to_owned(), "c.toml:1: found missing field `profile`"),
        ("turns = 1\nphase = []\n".to_owned(), "c.toml:1: found no [[phase]], expected at least one"),
        ("[[phase]]\nprofile = \"q.ffsb\"\n".to_owned(), "q.ffsb: No such file"),
        (format!("{phase}\n[[phase]\n"), "c.toml:4: found "),
    ] {
        fs::write(&file, &text).unwrap();
        let output = run(&[path(&file), "--dry-run"]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(said(&output).contains(says), "{text}: {}", said(&output));
    }
    fs::write(&file, format!("turns = 3\nphase_time_s = 7\n{phase}name = \"other\"\n")).unwrap();
    let output = run(&[path(&file), "--dry-run", "--location", "/x"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("# phase other, 3 times, 7 s each"), "{text}");
}

#[test]
fn every_shipped_profile_fits_small_and_large_disks() {
    let output = run(&["--list"]);
    let list = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names.len(), 7);
    for name in names {
        for (fit, most) in [("512m", 512 << 20), ("500g", 500_u64 << 30)] {
            let output = run(&[name, "--location", "/nowhere", "--fit", fit, "--dry-run"]);
            assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
            // What is printed is a comment and profiles, each of which reads back.
            let text = String::from_utf8(output.stdout).unwrap();
            for profile in text.split("# phase").skip(1) {
                let profile =
                    ffsb_workloads::profile::Profile::parse(format!("# {profile}").as_bytes()).unwrap();
                assert!(profile.filesystems[0].expected_bytes().unwrap() <= most, "{name}");
            }
        }
    }
}
