//! What a measurement found: a table for people, one JSON object for programs.

use crate::bench::host::Host;
use anyhow::Result;
use comfy_table::{ContentArrangement, TableComponent, presets};
use results::chart::Figure;
use results::record::{Meta, Run, Table, date_of};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Columns of a table, at most: what fits a terminal that is a little wider than the traditional one.
const WIDTH: u16 = 120;

/// One question with a bound, and what was found.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// What is asked.
    pub what: String,
    /// The bound.
    pub wanted: String,
    /// What was found.
    pub found: String,
    /// Whether it is met.
    pub met: bool,
}

/// The report of one measurement.
#[derive(Clone, Debug, Default)]
pub struct Report {
    title: String,
    tables: Vec<(String, Table)>,
    notes: Vec<String>,
    verdicts: Vec<Verdict>,
    facts: Map<String, Value>,
    figures: Vec<(String, Figure)>,
    recorded: Option<PathBuf>,
}

/// A table for a terminal.
fn table_text(caption: &str, table: &Table) -> String {
    let mut text = comfy_table::Table::new();
    text.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    text.set_width(WIDTH);
    for line in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
        text.set_style(line, '─');
    }
    text.set_header(table.columns());
    for row in table.rows() {
        text.add_row(row);
    }
    if caption.is_empty() { text.to_string() } else { format!("{caption}\n{text}") }
}

impl Report {
    /// An empty one.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    /// Adds a table; each row has as many cells as there are columns.
    pub fn table<R>(&mut self, caption: &str, columns: &[&str], rows: impl IntoIterator<Item = R>)
    where
        R: IntoIterator<Item = String>,
    {
        let mut table = Table::new(columns);
        for row in rows {
            table.row(row);
        }
        self.tables.push((caption.to_owned(), table));
    }

    /// Adds a sentence for people: a condition, or a caveat.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds a value for programs; units are in the name.
    pub fn fact(&mut self, name: &str, value: impl Serialize) {
        // What cannot be written as JSON (a NaN is null already) is not lost in silence.
        let value = serde_json::to_value(value).unwrap_or_else(|error| json!(error.to_string()));
        self.facts.insert(name.to_owned(), value);
    }

    /// Adds a bound and whether it is met.
    pub fn verdict(&mut self, what: &str, wanted: impl Display, found: impl Display, met: bool) {
        self.verdicts.push(Verdict {
            what: what.to_owned(),
            wanted: wanted.to_string(),
            found: found.to_string(),
            met,
        });
    }

    /// Adds a chart, whose files in a record will have this stem.
    pub fn figure(&mut self, stem: &str, figure: Figure) {
        self.figures.push((stem.to_owned(), figure));
    }

    /// Records the run as `<root>/<date>-<name>/`: README, tables, charts, and all facts as JSON lines; answers the
    /// directory.
    ///
    /// # Errors
    ///
    /// Where that directory is there already or cannot be written.
    pub fn record(&self, root: &Path, name: &str, command: Vec<String>, host: &Host) -> Result<PathBuf> {
        let seed = self.facts.get("seed").and_then(Value::as_u64);
        let meta = Meta {
            title: self.title.clone(),
            shows: self.shows(),
            command,
            seed,
            kernel: format!("Linux {}", host.kernel),
            device: "a loop device of its own; what is emulated says so".to_owned(),
            versions: [("tunerd-lab".to_owned(), host.version.to_owned())].into(),
            conditions: [
                ("processors".to_owned(), host.cpus.to_string()),
                ("load average before".to_owned(), format!("{:.2}", host.load)),
            ]
            .into(),
        };
        let mut run = Run::create(root, date_of(SystemTime::now()), name, meta)?;
        for (fact, value) in &self.facts {
            run.append(&json!({ "fact": fact, "value": value }))?;
        }
        self.exhibit(run)
    }

    /// Finishes a record whose raw rows were kept as they came: adds tables and charts; answers the directory.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn finish(&mut self, mut run: Run) -> Result<()> {
        run.shows(&self.shows())?;
        self.recorded = Some(self.exhibit(run)?);
        Ok(())
    }

    /// Writes the charts as SVG and PNG into a directory; answers the files.
    ///
    /// # Errors
    ///
    /// Where one cannot be written.
    pub fn write_figures(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for (stem, figure) in &self.figures {
            figure.write(directory, stem)?;
            files.extend(["svg", "png"].map(|kind| directory.join(format!("{stem}.{kind}"))));
        }
        Ok(files)
    }

    /// Drops all bounds: for a look at something, which none of them is about.
    pub fn drop_verdicts(&mut self) {
        self.verdicts.clear();
    }

    /// Where the run is recorded already.
    #[must_use]
    pub fn recorded(&self) -> Option<&Path> {
        self.recorded.as_deref()
    }

    fn shows(&self) -> String {
        self.notes.iter().map(|note| format!("- {note}")).collect::<Vec<_>>().join("\n")
    }

    fn exhibit(&self, mut run: Run) -> Result<PathBuf> {
        for (number, (caption, table)) in self.tables.iter().enumerate() {
            let stem = if number == 0 { "table".to_owned() } else { format!("table-{}", number + 1) };
            run.table(&stem, caption, table)?;
        }
        if !self.verdicts.is_empty() {
            let mut table = Table::new(&["bound", "wanted", "found", "met"]);
            for verdict in &self.verdicts {
                let met = if verdict.met { "yes" } else { "no" };
                table.row([&verdict.what, &verdict.wanted, &verdict.found, met].map(ToString::to_string));
            }
            run.table("bounds", "Bounds, and what was found", &table)?;
        }
        for (stem, figure) in &self.figures {
            run.chart(stem, &self.title, figure)?;
        }
        Ok(run.finish()?)
    }

    /// Whether every bound is met.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.met)
    }

    /// As one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "measurement": self.title,
            "met": self.is_met(),
            "verdicts": self.verdicts,
            "notes": self.notes,
            "facts": self.facts,
        })
    }

    /// As text for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut parts = vec![self.title.clone()];
        parts.extend(self.tables.iter().map(|(caption, table)| table_text(caption, table)));
        if !self.notes.is_empty() {
            parts.push(self.notes.iter().map(|note| format!("- {note}")).collect::<Vec<_>>().join("\n"));
        }
        if !self.verdicts.is_empty() {
            let lines = self.verdicts.iter().map(|verdict| {
                let word = if verdict.met { "yes" } else { "NO " };
                format!("{word} {}: {} (wanted {})", verdict.what, verdict.found, verdict.wanted)
            });
            parts.push(lines.collect::<Vec<_>>().join("\n"));
        }
        parts.join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bound_that_is_missed_is_seen_everywhere() {
        let mut report = Report::new("A thing");
        report.table("Rows", &["a", "b"], [["1".to_owned(), "2".to_owned()]]);
        report.fact("rate_per_s", 12.5);
        report.verdict("first", "≤ 3", 2, true);
        assert!(report.is_met());
        report.verdict("second", "≤ 3", 4, false);
        assert!(!report.is_met());
        let json = report.json();
        assert_eq!(json["met"], false);
        assert_eq!(json["facts"]["rate_per_s"], 12.5);
        assert_eq!(json["verdicts"][1]["found"], "4");
        let text = report.text();
        assert!(text.contains("yes first: 2") && text.contains("NO  second: 4 (wanted ≤ 3)"), "{text}");
        let root = tempfile::tempdir().unwrap();
        let command = ["tunerd-lab", "thing"].map(str::to_owned).to_vec();
        let directory = report.record(root.path(), "thing", command, &Host::now()).unwrap();
        let readme = std::fs::read_to_string(directory.join("README.md")).unwrap();
        for part in ["A thing", "tunerd-lab thing", "| 1 | 2 |", "| second | ≤ 3 | 4 | no |"] {
            assert!(readme.contains(part), "{part} is not in {readme}");
        }
        let facts: Vec<Value> = results::record::rows(&directory).unwrap();
        assert_eq!(facts, [json!({ "fact": "rate_per_s", "value": 12.5 })]);
    }
}
