//! Real traces beside what blkparse and fio say of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use blktrace_parser::text::{blkparse, iolog};
use blktrace_parser::{Action, CpuFiles, Event, IoEvents, Options, Records, open_binary};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The events of a base name as blkparse would print them; it leaves out the messages.
fn printed(base: &Path) -> Vec<String> {
    let mut trace = open_binary(base).unwrap();
    let mut start_ns = None;
    let mut lines = Vec::new();
    while let Some(record) = trace.merge.next_record().unwrap() {
        let event = Event::from_record(&record).unwrap();
        if !event.action.is_notify() {
            let start_ns = *start_ns.get_or_insert(event.time_ns);
            lines.push(blkparse::Format { event: &event, process: None, start_ns }.to_string());
        }
    }
    lines
}

fn blkparse_lines() -> Vec<String> {
    let text = fs::read_to_string(data("loop.blkparse.txt")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("Input file"))
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn the_events_are_printed_to_the_letter_as_blkparse_prints_them() {
    let (ours, theirs) = (printed(&data("loop")), blkparse_lines());
    assert!(theirs.len() > 150);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.trim_end(), theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn the_text_of_blkparse_says_the_same_events_as_the_binary() {
    let of_text: Vec<_> =
        IoEvents::open(&data("loop.blkparse.txt"), Options::default()).unwrap().map(Result::unwrap).collect();
    let of_binary: Vec<_> =
        IoEvents::open(&data("loop"), Options::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(of_text.len(), of_binary.len());
    let start = of_binary[0].at - of_text[0].at;
    for (text, mut binary) in of_text.into_iter().zip(of_binary) {
        binary.at = binary.at - start;
        assert_eq!(text, binary);
    }
}

#[test]
fn compressed_files_say_the_same_and_a_missing_cpu_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("loop");
    for (cpu, as_cpu) in [(0, 0), (1, 3)] {
        let bytes = fs::read(data(&format!("loop.blktrace.{cpu}"))).unwrap();
        let (name, packed) = if cpu == 0 {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&bytes).unwrap();
            ("gz", gzip.finish().unwrap())
        } else {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ("zst", ruzstd::encoding::compress_to_vec(&bytes[..], level))
        };
        fs::write(directory.path().join(format!("loop.blktrace.{as_cpu}.{name}")), packed).unwrap();
    }
    assert_eq!(printed(&base), printed(&data("loop")));
    assert_eq!(CpuFiles::of_base(&base).unwrap().missing, [1, 2]);
    assert_eq!(open_binary(&base).unwrap().missing_cpus, [1, 2]);
}

#[test]
fn a_merged_dump_is_the_per_cpu_files_in_one() {
    let directory = tempfile::tempdir().unwrap();
    let dump = directory.path().join("dump");
    let mut out = fs::File::create(&dump).unwrap();
    let written =
        blktrace_parser::write_dump(&mut open_binary(&data("loop")).unwrap().merge, &mut out).unwrap();
    assert_eq!(Records::new(&fs::read(&dump).unwrap()).count() as u64, written);
    assert_eq!(printed(&dump), printed(&data("loop")));
}

#[test]
fn cgroups_are_read_where_blkparse_cannot() {
    let mut trace = open_binary(&data("cgroup")).unwrap();
    let mut counts = BTreeMap::new();
    let mut cgroups = BTreeMap::new();
    while let Some(record) = trace.merge.next_record().unwrap() {
        let event = Event::from_record(&record).unwrap();
        assert_eq!(event.device.to_string(), "7:0");
        *counts.entry(event.action).or_insert(0) += 1;
        *cgroups.entry(event.cgroup).or_insert(0) += 1;
    }
    // fio did twelve I/Os of 4 KiB.
    for action in [Action::Queue, Action::Issue, Action::Complete] {
        assert_eq!(counts.get(&action), Some(&12), "{action:?}: {counts:?}");
    }
    assert!(cgroups.keys().any(Option::is_some), "{cgroups:?}");
}

#[test]
fn a_log_of_fio_is_read_and_written_to_the_letter() {
    let text = fs::read_to_string(data("fio-v3.iolog")).unwrap();
    let mut reader = iolog::Reader::new(text.as_bytes());
    let mut out = format!("{}\n", reader.version().unwrap().unwrap().header());
    while let Some(entry) = reader.next_entry().unwrap() {
        out.push_str(&format!("{entry}\n"));
    }
    assert_eq!(out, text);
}
