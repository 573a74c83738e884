//! `tunerd record` on a disk that works, and the same trace in every format that there is a tool for.

use crate::common::{Ran, run, text, tunerd};
use crate::disk::Loop;
use crate::{check, sh, until};
use blktrace_parser::text::{iolog, msr};
use blktrace_parser::{Arrivals, Options};
use block_types::Op;
use libtest_mimic::Failed;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

const TRACING: &str = "/sys/kernel/tracing";

/// What stands in the way of a recording.
pub(crate) fn missing() -> Option<&'static str> {
    let tracers = std::fs::read_to_string(format!("{TRACING}/available_tracers")).unwrap_or_default();
    if !tracers.split_whitespace().any(|tracer| tracer == "blk") {
        return Some("no tracefs with the blk tracer");
    }
    None
}

/// What stands in the way of the other tools.
pub(crate) fn no_tools() -> Option<&'static str> {
    let there = |program| sh(program, &["--version"]).is_ok() || sh(program, &["-V"]).is_ok();
    (!["blkparse", "fio"].into_iter().all(there)).then_some("no blkparse or no fio")
}

/// The tracer exists once in a machine, and other tests use it too.
pub(crate) fn alone() -> Result<File, Failed> {
    let lock = File::create("/run/blk-tracer.lock")?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(lock)
}

/// What a recording changes, as it is now.
fn settings(disk: &Loop) -> Vec<String> {
    let tracing = ["current_tracer", "trace_clock", "options/blk_cgroup", "tracing_on", "buffer_size_kb"];
    let mut paths: Vec<PathBuf> = tracing.map(|file| Path::new(TRACING).join(file)).to_vec();
    paths.push(format!("/sys/block/{}/trace/enable", disk.name).into());
    let value = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // Of a buffer that was never used the size that it gets at its first use.
        let text = text.split_once("(expanded: ").map_or(text.clone(), |(_, rest)| rest.replace(')', ""));
        format!("{}: {}", path.display(), text.trim())
    };
    paths.into_iter().map(value).collect()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Result<Self, Failed> {
        Ok(Self(tempfile::tempdir()?))
    }

    fn path(&self, name: &str) -> String {
        text(&self.0.path().join(name))
    }

    fn state(&self) -> [String; 4] {
        ["--state-dir".into(), self.path("state"), "--run-dir".into(), self.path("run")]
    }

    fn record(&self, disk: &Loop, length: &str) -> Vec<String> {
        let mut arguments = vec!["record".to_owned(), "--json".into(), "--device".into(), disk.device()];
        arguments.extend(["--out".into(), self.path("out"), "--for".into(), length.into()]);
        arguments.extend(self.state());
        arguments
    }

    fn start(&self, disk: &Loop) -> Result<Child, Failed> {
        let child =
            tunerd().args(self.record(disk, "60s")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let switch = format!("/sys/block/{}/trace/enable", disk.name);
        until("the tracer is on", || std::fs::read_to_string(&switch).is_ok_and(|text| text.trim() != "0"))?;
        Ok(child)
    }

    fn base(&self, disk: &Loop) -> String {
        self.path(&format!("out/{}", disk.name))
    }
}

fn lines(ran: &Ran) -> Result<Vec<Value>, Failed> {
    check(ran.status == 0, ran)?;
    Ok(ran.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

pub(crate) fn interrupted_recording() -> Result<(), Failed> {
    let _alone = alone()?;
    let (disk, place) = (Loop::new()?, Place::new()?);
    let before = settings(&disk);
    let child = place.start(&disk)?;
    check(settings(&disk) != before, "nothing was changed")?;
    // Another one is refused, and so is one while another tracer's name stands there.
    let other = Place::new()?;
    let refused = run(other.record(&disk, "1s"));
    check(refused.status == 1 && refused.err.contains("the tracer blk"), &refused)?;
    {
        let _reader = disk.read_at_random()?;
        std::thread::sleep(std::time::Duration::from_millis(700));
    }
    sh("kill", &["-INT", &child.id().to_string()])?;
    let ended = child.wait_with_output()?;
    check(ended.status.code() == Some(0), &ended)?;
    check(settings(&disk) == before, (settings(&disk), &before))?;
    let facts: Value = serde_json::from_slice(&ended.stdout)?;
    check(facts["ended"] == "signal" && facts["lost"] == 0 && facts["foreign"] == 0, &facts)?;
    check(facts["events"].as_u64() > Some(1_000), &facts)?;
    let windows = lines(&run(["fingerprint", "--trace", &place.base(&disk), "--window", "100ms", "--json"]))?;
    let reads: u64 = windows.iter().filter_map(|line| line["reads"].as_u64()).sum();
    check(reads > 300 && windows.iter().any(|line| line["class"] == "read-random-small"), &windows)?;
    let left = run(["restore".to_owned()].into_iter().chain(place.state()));
    check(left.out.contains("nothing is left"), &left)
}

pub(crate) fn killed_recording() -> Result<(), Failed> {
    let _alone = alone()?;
    let (disk, place) = (Loop::new()?, Place::new()?);
    let before = settings(&disk);
    for round in 0..3 {
        let mut child = place.start(&disk)?;
        child.kill()?;
        child.wait()?;
        check(settings(&disk) != before, "a killed recording put something back")?;
        std::fs::remove_dir_all(place.path("out"))?;
        if round == 1 {
            // The next recording clears up after the last one.
            let ran = run(place.record(&disk, "100ms"));
            check(ran.status == 0, &ran)?;
            std::fs::remove_dir_all(place.path("out"))?;
        } else {
            let ran = run(["restore".to_owned(), "--json".to_owned()].into_iter().chain(place.state()));
            check(ran.status == 0 && ran.json()["recording"]["device"] == disk.name.as_str(), &ran)?;
        }
        check(settings(&disk) == before, (round, settings(&disk), &before))?;
    }
    Ok(())
}

pub(crate) fn bounded_recording() -> Result<(), Failed> {
    let _alone = alone()?;
    let (disk, place) = (Loop::new()?, Place::new()?);
    let before = settings(&disk);
    let _reader = disk.read_at_random()?;
    let mut arguments = place.record(&disk, "60s");
    arguments.extend(["--max-size".into(), "600K".into()]);
    let ran = run(arguments);
    check(ran.status == 0 && ran.json()["ended"] == "size", &ran)?;
    let bytes = ran.json()["bytes"].as_u64().unwrap_or(0);
    check(bytes > 200_000 && bytes <= 600 << 10, &ran)?;
    check(settings(&disk) == before, (settings(&disk), before))
}

/// One fio job, recorded by `tunerd record` and by fio itself, then turned into every format.
pub(crate) fn every_format() -> Result<(), Failed> {
    let _alone = alone()?;
    let (disk, place) = (Loop::new()?, Place::new()?);
    let child = place.start(&disk)?;
    let log = place.path("fio.log");
    let (file, log_option) = (format!("--filename={}", disk.device()), format!("--write_iolog={log}"));
    let job = [
        "--name=mix",
        "--rw=randrw",
        "--bsrange=4k-32k",
        "--direct=1",
        "--number_ios=3000",
        "--randrepeat=1",
    ];
    sh("fio", &[&["--output=/dev/null", "--size=200M", &file, &log_option], &job[..]].concat())?;
    sh("kill", &["-TERM", &child.id().to_string()])?;
    let ended = child.wait_with_output()?;
    let facts: Value = serde_json::from_slice(&ended.stdout)?;
    check(facts["lost"] == 0, &facts)?;

    // blktrace's own tools.
    let base = place.base(&disk);
    let dump = place.path("merged");
    let printed = sh("blkparse", &["-q", "-i", &base, "-d", &dump])?;
    let parsed = place.path("parsed.txt");
    std::fs::write(&parsed, printed + "\n")?;
    let gz = place.path("merged.gz");
    sh("sh", &["-c", &format!("gzip -c {dump} > {gz}")])?;
    // No tool makes these from a trace: written from the same events, in the units of the formats.
    let (v3, rows) = converted(Path::new(&base))?;
    let (fio_v3, csv) = (place.path("v3.log"), place.path("rows.csv"));
    std::fs::write(&fio_v3, v3)?;
    std::fs::write(&csv, rows)?;

    let timeline = |trace: &str, window: &str| -> Result<Vec<Value>, Failed> {
        lines(&run(["fingerprint", "--trace", trace, "--window", window, "--json"]))
    };
    let expected = relative(timeline(&base, "50ms")?);
    check(expected.len() >= 2, &expected)?;
    for trace in [&dump, &parsed, &gz] {
        check(relative(timeline(trace, "50ms")?) == expected, trace)?;
    }
    // Read from a pipe.
    let piped = sh(
        "sh",
        &[
            "-c",
            &format!(
                "cat {gz} | {} fingerprint --trace - --window 50ms --json",
                env!("CARGO_BIN_EXE_tunerd")
            ),
        ],
    )?;
    let piped = piped.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    check(relative(piped) == expected, "a pipe")?;
    // A microsecond's rounding may put an arrival on the other side of a window's edge: one window of all.
    let whole = |trace: &str| -> Result<Value, Failed> {
        let mut all = relative(timeline(trace, "1h")?);
        check(all.len() == 1, &all)?;
        // Only blktrace tells a sync write from another, and its flushes; fio's file is a disk of its own.
        let mut one = all.remove(0);
        for key in ["sync_share", "flush_ratio"] {
            one["profile"][key] = Value::Null;
        }
        Ok(one)
    };
    let expected = whole(&base)?;
    for trace in [&fio_v3, &csv, &log] {
        let found = whole(trace)?;
        check(found == expected, (trace, &found, &expected))?;
    }
    Ok(())
}

/// Windows with times from the start of the first one: a text has no others.
fn relative(mut windows: Vec<Value>) -> Vec<Value> {
    let begun = windows.first().and_then(|line| line["start_ns"].as_u64()).unwrap_or(0);
    for window in &mut windows {
        for key in ["start_ns", "end_ns"] {
            window[key] = (window[key].as_u64().unwrap_or(0) - begun).into();
        }
    }
    windows
}

/// The reads and writes of a trace as a log of fio and as rows of MSR.
fn converted(base: &Path) -> Result<(String, String), Failed> {
    let (mut log, mut rows) = ("fio version 3 iolog\n0 disk add\n0 disk open\n".to_owned(), String::new());
    let mut arrivals = Arrivals::open(base, Options::default())?;
    let mut begun = None;
    while let Some(event) = arrivals.next_arrival()? {
        if !event.op.is_data() || event.sectors.0 == 0 {
            continue;
        }
        let at = event.at.0 - *begun.get_or_insert(event.at.0);
        let (offset, length) = (event.sector.0 * 512, event.sectors.0 * 512);
        let read = event.op == Op::Read;
        let action = if read { iolog::Action::Read } else { iolog::Action::Write };
        writeln!(
            log,
            "{}",
            iolog::Entry { time_us: Some(at / 1_000), file: "disk", action, offset, length }
        )?;
        let kind = if read { msr::Kind::Read } else { msr::Kind::Write };
        let filetime = 128_166_372_003_061_629 + at / 100;
        writeln!(
            rows,
            "{}",
            msr::Row { filetime, host: "hm", disk: 0, kind, offset, size: length, response: 9 }
        )?;
    }
    Ok((log, rows))
}
