//! Tables for people: columns as wide as what is in them, no lines, no colour.

use std::io::{self, Write};

/// Which side of its column a text stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A table that is being filled.
#[derive(Debug)]
pub(super) struct Table {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            align: columns.iter().map(|(_, align)| *align).collect(),
            rows: vec![columns.iter().map(|(heading, _)| (*heading).to_owned()).collect()],
        }
    }

    /// Adds a row; it has as many cells as there are headings.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints it. The last column is not padded, so that no line ends in blanks.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        self.print_rows(&self.rows, out)
    }

    /// Prints it without its headings.
    pub(super) fn print_body(&self, out: &mut dyn Write) -> io::Result<()> {
        self.print_rows(self.rows.get(1..).unwrap_or_default(), out)
    }

    fn print_rows(&self, rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
        let widths: Vec<usize> = (0..self.align.len())
            .map(|column| {
                self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
            })
            .collect();
        for row in rows {
            let mut line = String::new();
            for ((cell, align), wide) in row.iter().zip(&self.align).zip(&widths) {
                let blanks = " ".repeat(wide.saturating_sub(width(cell)));
                match align {
                    Align::Left => line.extend([cell.as_str(), &blanks]),
                    Align::Right => line.extend([blanks.as_str(), cell]),
                }
                line.push_str("  ");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Columns that a text takes; what is printed here has no wide or combining characters but a model's name, which
/// the kernel keeps to ASCII.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// A size as people read it: `20.0 GiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A time ago or a length in its two largest units: `2 h 3 min`.
pub(super) fn span(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A fitness in the unit of its objective: `125 MB/s`, or the mean latency that it is the inverse of.
pub(super) fn fitness(objective: &str, fitness: Option<f64>) -> String {
    match (objective, fitness) {
        (_, None) => "not measured".to_owned(),
        ("throughput", Some(rate)) => format!("{:.1} MB/s", rate / 1e6),
        ("latency", Some(inverse)) if inverse > 0.0 => {
            block_types::Nanos((1e9 / inverse).round() as u64).to_string()
        }
        (_, Some(value)) => format!("{value:.3}"),
    }
}

/// A gain in per cent with its limits and how many pairs it rests on, such as `+12.3 % [+4.0, +20.1] in 14 pairs`.
#[must_use]
pub(crate) fn gain(estimate: Option<&trials::Estimate>) -> String {
    let Some(estimate) = estimate else { return "nothing measured".to_owned() };
    let percent = |log_ratio: f64| 100.0 * log_ratio.exp_m1();
    let limit = |limit: Option<f64>| limit.map_or("?".to_owned(), |limit| format!("{:+.1}", percent(limit)));
    let pairs = if estimate.pairs == 1 { "pair" } else { "pairs" };
    format!(
        "{:+.1} % [{}, {}] in {} {pairs}",
        percent(estimate.log_ratio),
        limit(estimate.lower),
        limit(estimate.upper),
        estimate.pairs
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_line_ends_in_blanks() {
        let mut table = Table::new(&[("name", Align::Left), ("size", Align::Right), ("why", Align::Left)]);
        table.row(["loop0", "4.0 GiB", ""].map(str::to_owned));
        table.row(["nvme0n1", "931.5 GiB", "µ-model"].map(str::to_owned));
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        let expected = "name          size  why\nloop0      4.0 GiB\nnvme0n1  931.5 GiB  µ-model\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn quantities_read_as_people_write_them() {
        assert_eq!([0, 1_023, 1_024, 20 << 30].map(bytes), ["0 B", "1023 B", "1.0 KiB", "20.0 GiB"]);
        let seconds = |s: u64| span(s * 1_000_000_000);
        assert_eq!([59, 61, 7_380, 180_000].map(seconds), ["59 s", "1 min 1 s", "2 h 3 min", "2 d 2 h"]);
        assert_eq!(fitness("throughput", Some(1.25e8)), "125.0 MB/s");
        assert_eq!(fitness("latency", Some(800.0)), "1.25 ms");
        assert_eq!(fitness("latency", None), "not measured");
        assert_eq!(fitness("latency", Some(0.0)), "0.000");
    }
}
