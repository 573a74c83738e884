//! The CSV of the MSR-Cambridge traces (SNIA IOTTA 388).
//!
//! `Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime`: the time is a Windows filetime (100 ns since
//! 1601), offset and size are bytes, the response time is in units of 100 ns too.

use super::{Lines, bad, number};
use crate::error::{ErrorKind, Result};
use std::fmt;
use std::io::BufRead;

/// Nanoseconds in a unit of a filetime.
pub const TICK_NS: u64 = 100;

/// What was asked of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A read.
    Read,
    /// A write.
    Write,
}

/// One I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row<'a> {
    /// When it was issued, in units of 100 ns since the start of 1601.
    pub filetime: u64,
    /// The machine.
    pub host: &'a str,
    /// Number of the disk on that machine.
    pub disk: u32,
    /// Read or write.
    pub kind: Kind,
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
    /// How long it took, in units of 100 ns.
    pub response: u64,
}

impl Row<'_> {
    /// How long it took in nanoseconds; saturates.
    #[must_use]
    pub const fn response_ns(&self) -> u64 {
        self.response.saturating_mul(TICK_NS)
    }
}

/// The row as the traces have it.
impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Read => "Read",
            Kind::Write => "Write",
        };
        let Self { filetime, host, disk, offset, size, response, .. } = self;
        write!(f, "{filetime},{host},{disk},{kind},{offset},{size},{response}")
    }
}

/// Reads one row; `None` for an empty line and for the row of names that some copies begin with.
///
/// # Errors
/// [`ErrorKind::BadLine`], and [`ErrorKind::SectorOverflow`] where the end does not fit into 64 bits.
pub fn parse_line(text: &str) -> Result<Option<Row<'_>>, ErrorKind> {
    let text = text.trim();
    if text.is_empty() || text.starts_with("Timestamp,") {
        return Ok(None);
    }
    let mut fields = text.split(',').map(str::trim);
    let filetime = number(fields.next(), "a Windows filetime")?;
    let host = fields.next().ok_or_else(|| bad(text, "seven fields with commas between them"))?;
    let disk = number(fields.next(), "the number of a disk")?;
    let kind = match fields.next().unwrap_or("") {
        word if word.eq_ignore_ascii_case("read") => Kind::Read,
        word if word.eq_ignore_ascii_case("write") => Kind::Write,
        word => return Err(bad(word, "Read or Write")),
    };
    let offset: u64 = number(fields.next(), "an offset in bytes")?;
    let size = number(fields.next(), "a size in bytes")?;
    let response = number(fields.next(), "a response time")?;
    if let Some(more) = fields.next() {
        return Err(bad(more, "the end of the line after seven fields"));
    }
    if offset.checked_add(size).is_none() {
        return Err(ErrorKind::SectorOverflow { sector: offset / 512, sectors: size / 512 });
    }
    Ok(Some(Row { filetime, host, disk, kind, offset, size, response }))
}

/// The rows of a trace.
#[derive(Debug)]
pub struct Reader<R> {
    lines: Lines<R>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `source`.
    pub const fn new(source: R) -> Self {
        Self { lines: Lines::new(source) }
    }

    /// Passes over up to `lines` bad lines.
    #[must_use]
    pub const fn skip_bad_lines(mut self, lines: u64) -> Self {
        self.lines.allow_bad(lines);
        self
    }

    /// Bad lines passed over so far.
    pub const fn skipped(&self) -> u64 {
        self.lines.skipped()
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// A bad line beyond those that may be skipped, with its number; an error of the source. One may go on after a
    /// bad line.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        const EXPECTED: &str = "a line of an MSR-Cambridge trace in UTF-8";
        if !self.lines.find(EXPECTED, |_| false, |text| Ok(parse_line(text)?.is_some()))? {
            return Ok(None);
        }
        self.lines.parsed(EXPECTED, |text| parse_line(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "128166372003061629,hm,1,Read,3221266432,4096,110736";

    #[test]
    fn a_row_is_read_and_written() {
        let row = parse_line(LINE).unwrap().unwrap();
        assert_eq!((row.host, row.disk, row.kind, row.size), ("hm", 1, Kind::Read, 4096));
        assert_eq!(row.response_ns(), 11_073_600);
        assert_eq!(row.to_string(), LINE);
    }

    #[test]
    fn a_broken_line_10_000_is_named_by_its_number() {
        let mut text = format!("{LINE}\n").repeat(9_999);
        text.push_str("128166372003061629,hm,1,Reed,3221266432,4096,110736\n");
        text.push_str(LINE);
        let mut reader = Reader::new(text.as_bytes());
        let error = loop {
            match reader.next_row() {
                Ok(row) => assert!(row.is_some()),
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(error, "line 10000: found \"Reed\", expected Read or Write");
        assert!(reader.next_row().unwrap().is_some());

        let mut reader = Reader::new(text.as_bytes()).skip_bad_lines(1);
        let mut rows = 0;
        while reader.next_row().unwrap().is_some() {
            rows += 1;
        }
        assert_eq!((rows, reader.skipped()), (10_000, 1));
    }

    #[test]
    fn one_bad_line_more_than_may_be_skipped_is_an_error() {
        let mut reader = Reader::new(&b"a\nb\nc\n"[..]).skip_bad_lines(2);
        let error = reader.next_row().unwrap_err().to_string();
        assert_eq!(error, "line 3: after 2 skipped lines: found \"c\", expected a Windows filetime");
    }
}
