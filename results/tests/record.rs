//! Records of runs, on good days and bad.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use results::chart::{Axis, RangeChart, Scale};
use results::record::{ExhibitKind, Meta, RecordError, Run, SCHEMA, State, Table, manifest, rows};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use time::macros::date;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    setting: String,
    mean_ms: Option<f64>,
}

fn row(setting: &str, mean_ms: f64) -> Row {
    Row { setting: setting.into(), mean_ms: Some(mean_ms) }
}

fn meta() -> Meta {
    Meta {
        title: "Sensitivity of\nfour schedulers".into(),
        shows: "How much **one knob** matters.".into(),
        command: ["tunerd-lab", "emulated", "--name", "it's a disk"].map(String::from).to_vec(),
        seed: Some(7),
        kernel: "Linux 6.18.0 x86_64".into(),
        device: "loop0 | emulated hdd".into(),
        versions: [("tunerd-lab".to_owned(), "0.1.0".to_owned())].into(),
        conditions: [("memory (GiB)".to_owned(), "24".to_owned())].into(),
    }
}

fn create(root: &Path) -> Run {
    Run::create(root, date!(2026 - 11 - 24), "sensitivity", meta()).unwrap()
}

fn chart() -> RangeChart {
    RangeChart {
        title: "Sensitivity".into(),
        subtitle: String::new(),
        low_name: "mean".into(),
        high_name: "p99".into(),
        marked_name: "default".into(),
        left: Axis::new("read latency", "ms", Scale::Log10),
        right: Axis::new("write rate", "MB/s", Scale::Linear),
        rows: vec![],
        notes: vec![],
    }
}

fn table() -> Table {
    let mut table = Table::new(&["setting", "mean (ms)"]);
    table.row(["none".into(), "210".into()]);
    table
}

/// A finished run, and the directory that it is in.
fn finished() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let mut run = create(&root.path().join("runs"));
    run.append(&row("none", 210.0)).unwrap();
    run.append(&row("bfq", f64::NAN)).unwrap();
    run.table("latency", "Mean latency", &table()).unwrap();
    run.chart("sensitivity", "Sensitivity", &chart().figure().unwrap()).unwrap();
    let dir = run.finish().unwrap();
    (root, dir)
}

#[test]
fn a_run_describes_itself() {
    let (_root, dir) = finished();
    assert!(dir.ends_with("runs/2026-11-24-sensitivity"), "{}", dir.display());
    let mut files: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(
        files,
        ["README.md", "data.jsonl", "latency.csv", "meta.json", "sensitivity.png", "sensitivity.svg"]
    );
    let readme = fs::read_to_string(dir.join("README.md")).unwrap();
    assert!(
        readme.starts_with("# Sensitivity of four schedulers\n\nHow much **one knob** matters.\n"),
        "{readme}"
    );
    for part in [
        "\n$ tunerd-lab emulated --name \"it's a disk\"\n",
        "| date | 2026-11-24 |",
        "| kernel | Linux 6.18.0 x86_64 |",
        "| device | loop0 \\| emulated hdd |",
        "| seed | 7 |",
        "| tunerd-lab | 0.1.0 |",
        "| memory (GiB) | 24 |",
        "| none | 210 |",
        "](latency.csv)",
        "![Sensitivity](sensitivity.svg)",
        "](sensitivity.png)",
        "the 2 raw rows",
    ] {
        assert!(readme.contains(part), "{part:?} in {readme}");
    }
    assert!(!readme.contains("not finished"), "{readme}");
    let manifest = manifest(&dir).unwrap();
    assert_eq!((manifest.meta, manifest.state), (meta(), State::Finished));
    let found: Vec<Row> = rows(&dir).unwrap();
    assert_eq!(found, [row("none", 210.0), Row { setting: "bfq".into(), mean_ms: None }]);
}

#[test]
fn a_run_that_died_says_so_and_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let mut run = create(root.path());
    run.append(&row("none", 1.0)).unwrap();
    run.table("latency", "Mean latency", &table()).unwrap();
    let dir = run.dir().to_owned();
    drop(run);
    assert!(fs::read_to_string(dir.join("README.md")).unwrap().contains("not finished"));
    // Half a row, as of a process that was killed while the disk was full.
    let path = dir.join("data.jsonl");
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"setting\":\"mq");
    fs::write(&path, text).unwrap();
    assert_eq!(rows::<Row>(&dir).unwrap(), [row("none", 1.0)]);

    let mut run = Run::open(&dir).unwrap();
    assert_eq!((run.rows(), run.manifest().state), (1, State::Recording));
    run.append(&row("kyber", 2.0)).unwrap();
    run.chart("latency", "The same as a chart", &chart().figure().unwrap()).unwrap();
    run.table("latency", "Mean latency, again", &table()).unwrap();
    let kinds: Vec<_> = run.manifest().exhibits.iter().map(|one| (one.kind, one.caption.as_str())).collect();
    assert_eq!(
        kinds,
        [(ExhibitKind::Table, "Mean latency, again"), (ExhibitKind::Chart, "The same as a chart")]
    );
    run.finish().unwrap();
    assert_eq!(rows::<Row>(&dir).unwrap(), [row("none", 1.0), row("kyber", 2.0)]);
    assert!(!fs::read_to_string(dir.join("README.md")).unwrap().contains("not finished"));
}

#[test]
fn a_finished_run_that_is_added_to_is_unfinished_until_it_is_finished_again() {
    let (_root, dir) = finished();
    let state = || manifest(&dir).unwrap().state;
    let mut run = Run::open(&dir).unwrap();
    assert_eq!(state(), State::Finished, "to look at a run changes nothing");
    run.append(&row("kyber", 3.0)).unwrap();
    assert_eq!(state(), State::Recording);
    let readme = || fs::read_to_string(dir.join("README.md")).unwrap();
    assert!(readme().contains("not finished") && readme().contains("the raw rows so far"), "{}", readme());
    run.finish().unwrap();
    assert_eq!(state(), State::Finished);
    assert!(readme().contains("the 3 raw rows"), "{}", readme());
}

#[test]
fn a_run_is_never_overwritten() {
    let root = tempfile::tempdir().unwrap();
    create(root.path()).append(&row("none", 1.0)).unwrap();
    let error = Run::create(root.path(), date!(2026 - 11 - 24), "sensitivity", meta()).unwrap_err();
    assert!(matches!(error, RecordError::Exists { .. }), "{error}");
    assert_eq!(rows::<Row>(&root.path().join("2026-11-24-sensitivity")).unwrap().len(), 1);
}

/// A visit of a search: its slices, and a last row that closes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Step {
    Slice { arm: String, seed: u64, visit: u32, score: f64 },
    Visit { arm: String, seed: u64, visit: u32, t95_s: f64 },
}

type Key = (String, u64, u32);

fn ends(step: &Step) -> Option<Key> {
    match step {
        Step::Slice { .. } => None,
        Step::Visit { arm, seed, visit, .. } => Some((arm.clone(), *seed, *visit)),
    }
}

/// All visits in their order.
fn visits() -> Vec<(Key, Vec<Step>)> {
    let mut visits = Vec::new();
    for seed in 0..2 {
        for arm in ["none", "warm"].map(str::to_owned) {
            for visit in 0..2 {
                let arm = arm.clone();
                let mut steps: Vec<Step> = (0..3)
                    .map(|slice| Step::Slice { arm: arm.clone(), seed, visit, score: f64::from(slice) / 3.0 })
                    .collect();
                steps.push(Step::Visit {
                    arm: arm.clone(),
                    seed,
                    visit,
                    t95_s: 1.0 / (1.0 + f64::from(visit)),
                });
                visits.push(((arm, seed, visit), steps));
            }
        }
    }
    visits
}

/// All files of a run but the picture of a chart, by name.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_run_that_is_interrupted_anywhere_and_resumed_is_the_same_as_one_that_is_not() {
    let record = |run: &mut Run, done: &std::collections::BTreeSet<Key>| {
        for (key, steps) in visits() {
            if !done.contains(&key) {
                steps.iter().for_each(|step| run.append(step).unwrap());
            }
        }
        run.table("latency", "Mean latency", &table()).unwrap();
    };
    let whole = tempfile::tempdir().unwrap();
    let mut run = create(whole.path());
    record(&mut run, &std::collections::BTreeSet::new());
    let whole = files(&run.finish().unwrap());
    let data = whole.iter().find(|(name, _)| name == "data.jsonl").unwrap().1.clone();

    for cut in (0..=data.len()).step_by(29).chain([data.len()]) {
        let root = tempfile::tempdir().unwrap();
        let dir = create(root.path()).dir().to_owned();
        fs::write(dir.join("data.jsonl"), &data[..cut]).unwrap();
        let mut resumed = Run::resume(&dir, ends).unwrap();
        let end = data[..cut].rfind('\n').map_or(0, |at| at + 1);
        let (before, torn) = (&data[..end], cut - end);
        let complete = before.lines().filter(|line| line.contains("t95_s")).count();
        assert_eq!(resumed.done.len(), complete, "cut at {cut}");
        assert_eq!(resumed.run.torn(), torn as u64);
        let lost = torn > 0 || resumed.dropped_rows > 0;
        assert_eq!(resumed.note().is_some(), lost, "{:?}", resumed.note());
        record(&mut resumed.run, &resumed.done);
        assert_eq!(files(&resumed.run.finish().unwrap()), whole, "cut at {cut}");
    }
}

#[test]
fn a_row_that_cannot_be_read_is_named_and_nothing_is_cut() {
    let root = tempfile::tempdir().unwrap();
    let dir = create(root.path()).dir().to_owned();
    let text = "{\"kind\":\"slice\",\"arm\":\"none\",\"seed\":1,\"visit\":0,\"score\":1.0}\n{\"kind\":\"other\"}\n{\"ki";
    fs::write(dir.join("data.jsonl"), text).unwrap();
    let error = Run::resume(&dir, ends).unwrap_err();
    assert!(error.to_string().contains("data.jsonl, line 2"), "{error}");
    assert_eq!(fs::read_to_string(dir.join("data.jsonl")).unwrap(), text);
}

#[test]
fn two_do_not_record_one_run() {
    let root = tempfile::tempdir().unwrap();
    let mut run = create(root.path());
    let error = Run::open(run.dir()).unwrap_err();
    assert!(matches!(error, RecordError::Busy { .. }), "{error}");
    run.append(&row("none", 1.0)).unwrap();
    assert_eq!(rows::<Row>(run.dir()).unwrap().len(), 1, "who only reads is not in the way");
    let dir = run.finish().unwrap();
    assert_eq!(Run::open(&dir).unwrap().rows(), 1);
}

#[test]
fn names_stay_inside_the_run() {
    let root = tempfile::tempdir().unwrap();
    let mut run = create(root.path());
    for name in ["", "..", "../x", "a/b", ".hidden", "Größe", "a b", "data", "meta", "readme", "a\0"] {
        let error = Run::create(root.path(), date!(2026 - 11 - 24), name, meta()).unwrap_err();
        assert!(matches!(error, RecordError::Name { .. }), "{name:?}: {error}");
        let error = run.table(name, "caption", &table()).unwrap_err();
        assert!(matches!(error, RecordError::Name { .. }), "{name:?}: {error}");
    }
}

#[test]
fn another_schema_is_refused_by_name() {
    let (_root, dir) = finished();
    let path = dir.join("meta.json");
    let now = format!("\"schema\": {SCHEMA}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(&now));
    for (schema, advice) in [(SCHEMA - 1, "older version"), (SCHEMA + 1, "newer version")] {
        // Fields that this version does not know, as another one may have.
        let other = text.replace(&now, &format!("\"schema\": {schema}, \"moved\": true"));
        fs::write(&path, other).unwrap();
        for error in [Run::open(&dir).unwrap_err(), rows::<Row>(&dir).unwrap_err()] {
            let told = error.to_string();
            assert!(matches!(error, RecordError::Schema { .. }), "{told}");
            for part in [advice, "meta.json", &format!("schema {schema}, expected {SCHEMA}")] {
                assert!(told.contains(part), "{part:?} in {told}");
            }
        }
    }
}

#[test]
fn what_is_no_run_is_an_error_that_says_where() {
    let (_root, dir) = finished();
    fs::write(dir.join("data.jsonl"), "{\"setting\":\"a\",\"mean_ms\":1}\nnonsense\n").unwrap();
    let told = rows::<Row>(&dir).unwrap_err().to_string();
    assert!(told.contains("data.jsonl, line 2"), "{told}");
    for text in ["", "[]", "{\"schema\": \"one\"}", "{\"schema\": 1}"] {
        fs::write(dir.join("meta.json"), text).unwrap();
        let error = Run::open(&dir).unwrap_err();
        assert!(matches!(error, RecordError::Manifest { .. }), "{text:?}: {error}");
    }
    let error = Run::open(&dir.join("missing")).unwrap_err();
    assert!(matches!(&error, RecordError::Io { .. }) && error.to_string().contains("meta.json"), "{error}");
}

#[test]
fn a_date_is_that_of_the_clock_it_is_given() {
    use results::record::date_of;
    use std::time::{Duration, SystemTime};
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(date_of(at(0)), date!(1970 - 01 - 01));
    assert_eq!(date_of(at(1_795_564_799)), date!(2026 - 11 - 24));
    assert_eq!(date_of(at(1_795_564_800)), date!(2026 - 11 - 25));
    assert_eq!(date_of(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), date!(1969 - 12 - 31));
    // A clock that is off by ages gives a day all the same.
    assert_eq!(date_of(at(1 << 40)), time::Date::MAX);
}
