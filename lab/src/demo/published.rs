//! The published run's figures, to stand beside what the demo has time for.

use crate::bench::report::Report;
use results::record::{Manifest, manifest};
use std::path::{Path, PathBuf};

/// The stem of the table that has the time to converge by strategy and workload.
const STEM: &str = "table";

/// The newest published run of the experiment, where this program can find it: under the directory that it is started
/// in, or where it was built.
fn newest() -> Option<(PathBuf, Manifest)> {
    let roots =
        [PathBuf::from("results/runs"), Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/runs")];
    let mut runs: Vec<(PathBuf, Manifest)> = roots
        .iter()
        .filter_map(|root| std::fs::read_dir(root).ok())
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let found = manifest(&path).ok()?;
            (found.name == "convergence").then_some((path, found))
        })
        .collect();
    runs.sort_by(|a, b| a.1.date.cmp(&b.1.date));
    runs.pop()
}

/// Adds the published table, labelled as what it is, or says that there is none.
pub(super) fn add(report: &mut Report) {
    let table = newest().and_then(|(path, manifest)| {
        let read = std::fs::read_to_string(path.join(format!("{STEM}.csv"))).ok()?;
        Some((manifest, path, read))
    });
    let Some((manifest, path, text)) = table else {
        report.note(
            "No published run of `tunerd-lab convergence` was found beside this program (results/runs).",
        );
        return;
    };
    let mut lines = csv::Reader::from_reader(text.as_bytes());
    let Ok(columns) = lines.headers().cloned() else { return };
    let columns: Vec<&str> = columns.iter().collect();
    let rows: Vec<Vec<String>> =
        lines.records().flatten().map(|row| row.iter().map(str::to_owned).collect()).collect();
    report.table(
        &format!(
            "NOT this demo: the PUBLISHED run of {} on {}, seconds to converge",
            manifest.date, manifest.meta.device
        ),
        &columns,
        rows,
    );
    report.note(format!("The published run is described in {}.", path.join("README.md").display()));
}
