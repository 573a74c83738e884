//! The kernel side repeats arithmetic that Rust types define. Here the same C, compiled for the host, is held
//! against them.
#![cfg(all(feature = "bpf", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers with it")]

use block_types::{LatencyHistogram, Nanos, Sector, Sectors};
use fingerprint::{Gap, Snapshot, StreamTable};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The harness, compiled once.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = PROGRAM.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("agreement");
        let clang = std::env::var("CLANG").unwrap_or_else(|_unset| "clang".to_owned());
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let compiled = Command::new(clang)
            .args(["-O2", "-Wall", "-Werror", "-o"])
            .arg(&program)
            .arg("-I")
            .arg(source.join("src/bpf"))
            .arg(source.join("tests/agreement.c"))
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        (dir, program)
    });
    program
}

fn answers(input: &str) -> Vec<String> {
    let mut child = Command::new(program()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Every value up to 2^16, and around every power of two and every sixteenth of an octave above.
fn values() -> Vec<u64> {
    let mut values: Vec<u64> = (0..1 << 16).collect();
    for shift in 4..60_u32 {
        for sixteenth in 0..16 {
            let value = (1_u64 << shift) + ((1_u64 << (shift - 4)) * sixteenth);
            values.extend([value - 1, value, value + 1]);
        }
    }
    values.extend([u64::MAX, u64::MAX - 1, 1 << 63]);
    values
}

#[test]
fn buckets_are_the_same() {
    let values = values();
    let mut input = String::new();
    for value in &values {
        writeln!(input, "b {value} 0").unwrap();
    }
    let answers = answers(&input);
    assert_eq!(answers.len(), values.len());
    for (value, answer) in values.into_iter().zip(answers) {
        let expected = format!(
            "{} {} {}",
            Snapshot::size_bucket(Sectors(value)),
            Snapshot::gap_bucket(Sectors(value)),
            LatencyHistogram::index(Nanos(value))
        );
        assert_eq!(answer, expected, "{value}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Restart,
    Bio { sector: u64, sectors: u64 },
}

/// Bios that often continue or nearly continue one of a few streams, with ties and random ones between.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let random = (0_u64..1 << 50, 1_u64..4096).prop_map(|(sector, sectors)| Step::Bio { sector, sectors });
    let crowded = (0_u64..40, 0_u64..60, 1_u64..16)
        .prop_map(|(stream, offset, sectors)| Step::Bio { sector: stream * 70 + offset, sectors });
    let step = prop_oneof![
        1 => Just(Step::Restart),
        20 => random,
        60 => crowded,
    ];
    proptest::collection::vec(step, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn stream_tables_are_the_same(steps in steps()) {
        let mut table = StreamTable::new(Sectors(25));
        let mut input = "r 0 0\n".to_owned();
        let mut expected = Vec::new();
        for step in &steps {
            match step {
                Step::Restart => {
                    table.restart();
                    writeln!(input, "r 0 0").unwrap();
                }
                Step::Bio { sector, sectors } => {
                    writeln!(input, "s {sector} {sectors}").unwrap();
                    expected.push(match table.observe(Sector(*sector), Sectors(*sectors)) {
                        Gap { nearest: Some(nearest), distance: Some(distance) } => {
                            format!("{} {}", nearest.0, distance.0)
                        }
                        _ => "unknown".to_owned(),
                    });
                }
            }
        }
        prop_assert_eq!(answers(&input), expected);
    }
}

#[test]
fn long_interleaved_streams_are_followed_the_same() {
    let mut table = StreamTable::new(Sectors(25));
    let mut input = "r 0 0\n".to_owned();
    let mut expected = Vec::new();
    let mut seed = 1_u64;
    for round in 0..2_000_u64 {
        for stream in 0..14 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let random = seed >> 60 == 0;
            let sector = if random { seed >> 30 } else { stream << 32 | (round * 8) };
            writeln!(input, "s {sector} 8").unwrap();
            let gap = table.observe(Sector(sector), Sectors(8));
            expected.push(gap.nearest.map_or("unknown".to_owned(), |nearest| {
                format!("{} {}", nearest.0, gap.distance.unwrap().0)
            }));
        }
    }
    assert_eq!(answers(&input), expected);
}
