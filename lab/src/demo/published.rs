//! The published run's figures, to stand beside what the demo has time for.

use crate::bench::report::Report;
use results::record::{Manifest, manifest};
use std::path::{Path, PathBuf};

/// The stem of the table that has the time to converge by strategy and workload.
const STEM: &str = "table";

/// What is shown of it, by its heading there and here: all of it would be wider than a terminal.
const COLUMNS: [(&str, &str); 5] = [
    ("strategy", "strategy"),
    ("workload", "workload"),
    ("none", "without memory"),
    ("warm", "with it"),
    ("warm shorter than none (%)", "shorter (%)"),
];

/// The rows, with what is shown of them.
fn brief(csv: &str) -> Option<Vec<Vec<String>>> {
    let mut lines = csv::Reader::from_reader(csv.as_bytes());
    let headings = lines.headers().ok()?.clone();
    let places: Vec<usize> = COLUMNS
        .iter()
        .map(|(name, _)| headings.iter().position(|heading| heading == *name))
        .collect::<Option<_>>()?;
    let cell = |row: &csv::StringRecord, place: usize| folded(row.get(place).unwrap_or_default());
    Some(
        lines
            .records()
            .flatten()
            .map(|row| places.iter().map(|&place| cell(&row, place)).collect())
            .collect(),
    )
}

/// An interval on a line of its own: `89.8 [29.3, 120.1], 2 of 3 not` would make the table too wide.
fn folded(cell: &str) -> String {
    let parts = cell.split_once(" [").and_then(|(value, rest)| Some((value, rest.split_once(']')?)));
    match parts {
        Some((value, (interval, rest))) => {
            let share = rest.trim_start_matches(", ").trim_end_matches(" not").replace(" of ", "/");
            let censored = if share.is_empty() { String::new() } else { format!(" ({share} not)") };
            format!("{value}{censored}\n[{interval}]")
        }
        None => cell.to_owned(),
    }
}

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
    let Some(rows) = brief(&text) else {
        report.note(format!("The published run in {} has another table than expected.", path.display()));
        return;
    };
    report.table(
        &format!(
            "NOT this demo: the PUBLISHED run of {} on {}.\n\
             Mean seconds to converge, and their interval; n/m not: of m visits n did not converge",
            manifest.date, manifest.meta.device
        ),
        &COLUMNS.map(|(_, heading)| heading),
        rows,
    );
    report.note(format!("The published run is described in {}.", path.join("README.md").display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_table_fits_a_terminal() {
        let csv = "strategy,workload,none,first,warm,reset,warm shorter than none (%),than reset (%),pairs,apart\n\
            moilanen-2006-at-once,sequential write,\"> 120.0 [120.0, 120.1], 13 of 13 not\",-,\
            \"119.5 [118.5, 120.1], 12 of 13 not\",-,\"-33.1 [-309.9, 1.3]\",\"0.4 [-0.0, 1.3]\",3,0\n";
        let rows = brief(csv).unwrap();
        assert_eq!(rows[0][3], "119.5 (12/13 not)\n[118.5, 120.1]");
        assert_eq!(rows[0][4], "-33.1\n[-309.9, 1.3]");
        let mut report = Report::new("Demo");
        report.table("Published", &COLUMNS.map(|(_, heading)| heading), rows);
        let text = report.text();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        // Nothing of a cell was wrapped.
        assert!(text.contains("119.5 (12/13 not)") && text.contains("[-309.9, 1.3]"), "{text}");
    }

    #[test]
    fn another_table_is_not_shown() {
        assert_eq!(brief("arm,seconds\nwarm,1\n"), None);
        assert_eq!(folded("-"), "-");
        assert_eq!(folded("null"), "null");
    }
}
