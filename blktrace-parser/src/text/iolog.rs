//! fio's I/O logs (`write_iolog`, `read_iolog`), versions 2 and 3.
//!
//! The first line is `fio version 2 iolog` or `fio version 3 iolog`. Each other line is `file action` or
//! `file action offset length`, in bytes; version 3 puts the microseconds since the start before them. Version 2
//! has no times but its `wait` lines, which pause for so many microseconds.

use super::{Lines, bad, number};
use crate::error::{ErrorKind, Result};
use std::fmt;
use std::io::BufRead;

/// Which of the two formats a log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// No times; `wait` lines.
    V2,
    /// A time on every line.
    V3,
}

impl Version {
    /// The first line of a log, without its newline.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::V2 => "fio version 2 iolog",
            Self::V3 => "fio version 3 iolog",
        }
    }

    fn from_header(text: &str) -> Result<Self, ErrorKind> {
        match text.trim_end() {
            "fio version 2 iolog" => Ok(Self::V2),
            "fio version 3 iolog" => Ok(Self::V3),
            other => Err(bad(other, "\"fio version 2 iolog\" or \"fio version 3 iolog\"")),
        }
    }
}

/// What a line of a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The file takes part.
    Add,
    /// The file is opened.
    Open,
    /// The file is closed.
    Close,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// `fsync`.
    Sync,
    /// `fdatasync`.
    Datasync,
    /// `sync_file_range`.
    SyncFileRange,
    /// Bytes are discarded.
    Trim,
    /// Nothing is done for `offset` microseconds (version 2).
    Wait,
}

impl Action {
    /// The word in the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Open => "open",
            Self::Close => "close",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Datasync => "datasync",
            Self::SyncFileRange => "sync_file_range",
            Self::Trim => "trim",
            Self::Wait => "wait",
        }
    }

    /// The action of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        const ALL: [Action; 10] = [
            Action::Add,
            Action::Open,
            Action::Close,
            Action::Read,
            Action::Write,
            Action::Sync,
            Action::Datasync,
            Action::SyncFileRange,
            Action::Trim,
            Action::Wait,
        ];
        ALL.into_iter().find(|action| action.word() == word)
    }

    /// Whether the line is about the file as a whole and has no offset.
    #[must_use]
    pub const fn is_about_file(self) -> bool {
        matches!(self, Self::Add | Self::Open | Self::Close)
    }
}

/// One line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry<'a> {
    /// Microseconds since the start of the log, in version 3.
    pub time_us: Option<u64>,
    /// The file, as fio was given it. It has no blanks.
    pub file: &'a str,
    /// What is done.
    pub action: Action,
    /// First byte in the file; of a wait, its microseconds. Zero for lines without one.
    pub offset: u64,
    /// Length in bytes; zero for lines without one.
    pub length: u64,
}

/// The line as fio writes it.
impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(time_us) = self.time_us {
            write!(f, "{time_us} ")?;
        }
        write!(f, "{} {}", self.file, self.action.word())?;
        if !self.action.is_about_file() {
            write!(f, " {} {}", self.offset, self.length)?;
        }
        Ok(())
    }
}

/// Reads one line after the first; `None` for an empty one.
///
/// # Errors
/// [`ErrorKind::BadLine`], and [`ErrorKind::SectorOverflow`] where the end does not fit into 64 bits.
pub fn parse_line(version: Version, text: &str) -> Result<Option<Entry<'_>>, ErrorKind> {
    let mut fields = text.split_ascii_whitespace();
    if text.trim().is_empty() {
        return Ok(None);
    }
    let time_us = match version {
        Version::V2 => None,
        Version::V3 => Some(number(fields.next(), "a time in microseconds")?),
    };
    let file = fields.next().ok_or_else(|| bad(text, "the name of a file"))?;
    let word = fields.next().unwrap_or("");
    let action = Action::from_word(word).ok_or_else(|| bad(word, "an action of fio"))?;
    let (mut offset, mut length) = (0_u64, 0_u64);
    if !action.is_about_file() {
        let first = fields.next();
        let second = fields.next();
        let optional = matches!(action, Action::Sync | Action::Datasync | Action::SyncFileRange);
        if first.is_some() || !optional {
            offset =
                number(first, if action == Action::Wait { "microseconds" } else { "an offset in bytes" })?;
        }
        if second.is_some() || !(optional || action == Action::Wait) {
            length = number(second, "a length in bytes")?;
        }
    }
    if let Some(more) = fields.next() {
        return Err(bad(more, "the end of the line"));
    }
    if offset.checked_add(length).is_none() {
        return Err(ErrorKind::SectorOverflow { sector: offset / 512, sectors: length / 512 });
    }
    Ok(Some(Entry { time_us, file, action, offset, length }))
}

/// The lines of a log.
///
/// ```
/// use blktrace_parser::text::iolog::{Action, Reader};
///
/// let log = "fio version 3 iolog\n18 /dev/sdx add\n144 /dev/sdx open\n147 /dev/sdx read 0 4096\n";
/// let mut reader = Reader::new(log.as_bytes());
/// let mut reads = 0;
/// while let Some(entry) = reader.next_entry()? {
///     reads += u32::from(entry.action == Action::Read);
/// }
/// assert_eq!(reads, 1);
/// # Ok::<(), blktrace_parser::Error>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    lines: Lines<R>,
    version: Option<Version>,
}

impl<R: BufRead> Reader<R> {
    /// Reads a log from `source`.
    pub const fn new(source: R) -> Self {
        Self { lines: Lines::new(source), version: None }
    }

    /// Passes over up to `lines` bad lines. The first line of the log is not one of them.
    #[must_use]
    pub const fn skip_bad_lines(mut self, lines: u64) -> Self {
        self.lines.allow_bad(lines);
        self
    }

    /// Bad lines passed over so far.
    pub const fn skipped(&self) -> u64 {
        self.lines.skipped()
    }

    /// The version, once the first line was read; `None` for an empty log.
    ///
    /// # Errors
    /// Another first line than those of the two versions.
    pub fn version(&mut self) -> Result<Option<Version>> {
        if self.version.is_none() {
            if !self.lines.advance()? {
                self.lines.end();
                return Ok(None);
            }
            match self.lines.parsed("a fio iolog", Version::from_header) {
                Ok(version) => self.version = Some(version),
                Err(error) => {
                    self.lines.end();
                    return Err(error);
                }
            }
        }
        Ok(self.version)
    }

    /// The next line of the log; `None` at its end.
    ///
    /// # Errors
    /// A bad line beyond those that may be skipped, with its number; an error of the source. One may go on after a
    /// bad line.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>> {
        const EXPECTED: &str = "a line of a fio iolog in UTF-8";
        let Some(version) = self.version()? else { return Ok(None) };
        if !self.lines.find(EXPECTED, |_| false, |text| Ok(parse_line(version, text)?.is_some()))? {
            return Ok(None);
        }
        self.lines.parsed(EXPECTED, |text| parse_line(version, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let v2 = "fio version 2 iolog\n/dev/sdx add\n/dev/sdx open\n/dev/sdx wait 1000 0\n\n/dev/sdx write 4096 512\n\
                  /dev/sdx sync\n/dev/sdx trim 0 65536\n/dev/sdx close\n";
        let mut reader = Reader::new(v2.as_bytes());
        let mut lines = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            lines.push((entry.action, entry.offset, entry.length));
        }
        assert_eq!(reader.version().unwrap(), Some(Version::V2));
        assert_eq!(lines[2..5], [(Action::Wait, 1000, 0), (Action::Write, 4096, 512), (Action::Sync, 0, 0)]);
        let entry = parse_line(Version::V3, "200158 /tmp/f sync 61440 0").unwrap().unwrap();
        assert_eq!((entry.time_us, entry.action), (Some(200_158), Action::Sync));
    }

    #[test]
    fn a_wrong_first_line_is_an_error_also_where_lines_may_be_skipped() {
        let mut reader = Reader::new(&b"fio version 1 iolog\n"[..]).skip_bad_lines(10);
        let error = reader.next_entry().unwrap_err().to_string();
        assert!(error.starts_with("line 1: found \"fio version 1 iolog\", expected"), "{error}");
        assert!(reader.next_entry().unwrap().is_none());
    }
}
