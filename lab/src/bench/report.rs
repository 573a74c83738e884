//! What a measurement found: a table for people, one JSON object for programs.

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, TableComponent, presets};
use results::chart::Figure;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::path::{Path, PathBuf};

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
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(WIDTH);
        for line in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
            table.set_style(line, '─');
        }
        table.set_header(columns.iter().copied());
        for row in rows {
            table.add_row(row);
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

    /// Adds a chart, whose files will have this stem.
    pub fn figure(&mut self, stem: &str, figure: Figure) {
        self.figures.push((stem.to_owned(), figure));
    }

    /// Writes the charts into a directory, as SVG and as PNG; answers the files.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be made or written.
    pub fn write_figures(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut written = Vec::new();
        for (stem, figure) in &self.figures {
            written.extend(figure.write(directory, stem)?);
        }
        Ok(written)
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
        for (caption, table) in &self.tables {
            parts.push(if caption.is_empty() { table.to_string() } else { format!("{caption}\n{table}") });
        }
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
    }
}
