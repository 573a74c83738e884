//! A table, as CSV and as Markdown.

use super::error::RecordError;
use std::path::Path;

/// Columns with names, and rows of as many cells. Units belong in the names: "mean (ms)".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; that it has as many cells as there are columns is looked at when the table is written.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The headings.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows, as they were added.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    pub(crate) fn csv(&self, stem: &str, path: &Path) -> Result<Vec<u8>, RecordError> {
        for (index, row) in self.rows.iter().enumerate() {
            if row.len() != self.columns.len() {
                return Err(RecordError::Cells {
                    stem: stem.to_owned(),
                    row: index + 1,
                    found: row.len(),
                    expected: self.columns.len(),
                });
            }
        }
        let bad = |source| RecordError::Csv { path: path.to_owned(), source };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns).map_err(bad)?;
        for row in &self.rows {
            writer.write_record(row).map_err(bad)?;
        }
        writer
            .into_inner()
            .map_err(|error| RecordError::Io { path: path.to_owned(), source: error.into_error() })
    }

    /// Reads what [`Self::csv`] made.
    pub(crate) fn read(path: &Path) -> Result<Self, RecordError> {
        let bad = |source| RecordError::Csv { path: path.to_owned(), source };
        let mut reader = csv::Reader::from_path(path).map_err(bad)?;
        let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
        let columns = cells(reader.headers().map_err(bad)?);
        let mut rows = Vec::new();
        for record in reader.records() {
            rows.push(cells(&record.map_err(bad)?));
        }
        Ok(Self { columns, rows })
    }

    /// Whether all that stands in a column is numbers.
    pub(crate) fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
        cells.clone().next().is_some() && cells.all(|cell| cell.parse::<f64>().is_ok())
    }

    /// As Markdown; columns of numbers are set to the right.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&self.columns);
        text.push('|');
        for column in 0..self.columns.len() {
            text.push_str(if self.is_numeric(column) { "---:|" } else { "---|" });
        }
        text.push('\n');
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }
}

/// `cell` so that it stays one cell.
pub(crate) fn escaped(cell: &str) -> String {
    cell.replace('\\', "\\\\").replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["setting", "mean (ms)"]);
        table.row(["a|b, \"c\"\nd".into(), "38.0".into()]);
        table.row(["none".into(), String::new()]);
        table
    }

    #[test]
    fn csv_is_read_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, table().csv("t", &path).unwrap()).unwrap();
        assert_eq!(Table::read(&path).unwrap(), table());
    }

    #[test]
    fn markdown_keeps_cells_apart_and_sets_numbers_to_the_right() {
        assert_eq!(
            table().markdown(),
            "| setting | mean (ms) |\n|---|---:|\n| a\\|b, \"c\" d | 38.0 |\n| none |  |\n"
        );
    }

    #[test]
    fn a_row_of_another_length_is_named() {
        let mut table = table();
        table.row(["alone".into()]);
        let error = table.csv("latency", Path::new("latency.csv")).unwrap_err();
        assert_eq!(error.to_string(), "table latency, row 3: 1 cells, expected 2");
    }
}
