//! Runs that are interrupted and gone on with, and runs under another plan.

use super::*;
use crate::Recording;
use crate::bench::host::Host;
use std::collections::BTreeMap;
use std::path::Path;

fn options(resume: Option<&Path>) -> Options {
    let strategies = vec!["moilanen-at-once".to_owned()];
    Options { resume: resume.map(Path::to_owned), ..Options::in_virtual_time(strategies, 2, 2, 40) }
}

fn context(root: &Path) -> Context {
    let command = vec!["tunerd-lab".to_owned(), "convergence".to_owned()];
    let record = Some(Recording { root: root.to_owned(), command, host: Host::now() });
    Context { quiet: true, record, ..Context::default() }
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn a_run_that_was_interrupted_and_gone_on_with_gives_the_same_record() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let report = run(&context(whole.path()), &options(None)).unwrap();
    let expected = files(report.recorded().unwrap());
    assert!(expected.contains_key("data.jsonl") && expected.contains_key("convergence-moilanen-at-once.svg"));

    // As a process leaves it that is killed inside a row.
    let begun = run(&context(cut.path()), &options(None)).unwrap();
    let directory = begun.recorded().unwrap();
    let data = directory.join("data.jsonl");
    let text = std::fs::read_to_string(&data).unwrap();
    let kept: usize = text.split_inclusive('\n').take(11).map(str::len).sum();
    std::fs::write(&data, &text.as_bytes()[..kept + 25]).unwrap();
    let again = run(&context(cut.path()), &options(Some(directory))).unwrap();
    assert_eq!(again.recorded(), Some(directory));
    let found = files(directory);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} differs");
    }
}

#[test]
fn a_record_of_another_plan_is_not_gone_on_with() {
    let root = tempfile::tempdir().unwrap();
    let mut first = options(None);
    first.seeds = 1;
    let report = run(&context(root.path()), &first).unwrap();
    let error = run(&context(root.path()), &options(report.recorded())).unwrap_err();
    assert!(error.to_string().contains("another plan"), "{error:#}");
    let error = run(&context(root.path()), &options(Some(Path::new("/nonexistent")))).unwrap_err();
    assert!(format!("{error:#}").contains("/nonexistent"), "{error:#}");
}

#[test]
fn an_interrupt_keeps_what_was_done() {
    let root = tempfile::tempdir().unwrap();
    let context = context(root.path());
    context.interrupt.ask();
    run(&context, &options(None)).unwrap_err();
    let directory = std::fs::read_dir(root.path()).unwrap().next().unwrap().unwrap().path();
    let rows: Vec<Row> = results::record::rows(&directory).unwrap();
    assert!(matches!(rows.first(), Some(Row::Plan(_))));
    let context = self::context(root.path());
    assert!(run(&context, &options(Some(&directory))).unwrap().recorded().is_some());
}

#[test]
fn only_loop_devices_are_overwritten_unasked() {
    let mut options = options(None);
    options.backend = Backend::Device;
    options.device = Some("/dev/null".into());
    let error = may_be_overwritten(&options).unwrap_err();
    assert!(error.to_string().contains("--overwrite-all-data"), "{error}");
    options.device = None;
    assert!(may_be_overwritten(&options).is_err());
}

#[test]
fn published_records_are_still_read() {
    let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/runs");
    // A package on its own has none.
    let Ok(entries) = std::fs::read_dir(&runs) else { return };
    let mut read = 0;
    for directory in entries.map(|entry| entry.unwrap().path()) {
        if !results::record::manifest(&directory).is_ok_and(|found| found.name.starts_with("convergence")) {
            continue;
        }
        let rows: Vec<Row> = results::record::rows(&directory).unwrap();
        assert!(matches!(rows.first(), Some(Row::Plan(_))), "{}", directory.display());
        read += 1;
    }
    assert!(read > 0, "no published run of the experiment in {}", runs.display());
}
