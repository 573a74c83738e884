//! Traces as text: blkparse's output, fio's I/O logs, the MSR-Cambridge CSV.

pub mod blkparse;
pub mod iolog;
pub mod msr;

use crate::error::{Error, ErrorKind, Result};
use std::io::{self, BufRead};

/// The longest line that is read. A longer one is a bad line: it is skipped without being held.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// Lines with their numbers, and the caller's patience with bad ones.
///
/// `--skip-bad-lines N` is [`blkparse::Reader::skip_bad_lines`] and its like: up to that many are passed over, the next one is an error.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    source: R,
    line: Vec<u8>,
    number: u64,
    allowed: u64,
    skipped: u64,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(source: R) -> Self {
        Self { source, line: Vec::new(), number: 0, allowed: 0, skipped: 0, ended: false }
    }

    pub(crate) const fn allow_bad(&mut self, allowed: u64) {
        self.allowed = allowed;
    }

    pub(crate) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Moves on to the next line; `false` at the end, and after an error of the source.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        loop {
            if self.ended {
                return Ok(false);
            }
            self.line.clear();
            self.number += 1;
            match self.read_line() {
                Ok(found) if self.line.len() <= MAX_LINE_BYTES => {
                    while self.line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                        self.line.pop();
                    }
                    return Ok(found);
                }
                Ok(_) => self.bad(ErrorKind::LongLine { limit: MAX_LINE_BYTES })?,
                Err(error) => {
                    self.ended = true;
                    return Err(Error::at_line(self.number, error.into()));
                }
            }
        }
    }

    /// Nothing more is read.
    pub(crate) const fn end(&mut self) {
        self.ended = true;
    }

    /// Moves on to the next line that holds something, past bad ones as long as they may be skipped; `false` at the end,
    /// which is also a line that `ends` the trace. `holds` says of a line in UTF-8 whether it does.
    pub(crate) fn find(
        &mut self,
        expected: &'static str,
        ends: impl Fn(&[u8]) -> bool,
        holds: impl Fn(&str) -> Result<bool, ErrorKind>,
    ) -> Result<bool> {
        loop {
            if !self.advance()? || ends(&self.line) {
                self.ended = true;
                return Ok(false);
            }
            match utf8(&self.line, expected).and_then(&holds) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(kind) => self.bad(kind)?,
            }
        }
    }

    /// What the current line holds. After [`Self::find`] it is parsed once more, because what the search returned would
    /// hold the buffer that the search fills.
    pub(crate) fn parsed<'a, T>(
        &'a self,
        expected: &'static str,
        parse: impl FnOnce(&'a str) -> Result<T, ErrorKind>,
    ) -> Result<T> {
        utf8(&self.line, expected).and_then(parse).map_err(|kind| Error::at_line(self.number, kind))
    }

    /// Takes notice of a bad line: an error unless it may be skipped.
    pub(crate) fn bad(&mut self, kind: ErrorKind) -> Result<()> {
        if self.skipped < self.allowed {
            self.skipped += 1;
            return Ok(());
        }
        let kind = match self.skipped {
            0 => kind,
            skipped => ErrorKind::TooManyBadLines { skipped, last: Box::new(kind) },
        };
        Err(Error::at_line(self.number, kind))
    }

    /// Reads one line, newline included, but keeps no more than one byte over the limit of it.
    fn read_line(&mut self) -> io::Result<bool> {
        let mut any = false;
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = available.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let take = end.unwrap_or(available.len());
            let room = (MAX_LINE_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&available[..take.min(room)]);
            self.source.consume(take);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

/// A bad field, cut so that a message stays readable.
pub(crate) fn bad(found: &str, expected: &'static str) -> ErrorKind {
    const SHOWN: usize = 80;
    let cut = match found.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &found[..at]),
        None => found.to_owned(),
    };
    ErrorKind::BadLine { found: cut, expected }
}

/// A number in decimal, or what is wrong with it.
pub(crate) fn number<T: std::str::FromStr>(
    field: Option<&str>,
    expected: &'static str,
) -> Result<T, ErrorKind> {
    let field = field.unwrap_or("");
    // `parse` takes a sign, which no field here has.
    if !field.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad(field, expected));
    }
    match field.parse() {
        Ok(value) => Ok(value),
        Err(_) => Err(bad(field, expected)),
    }
}

/// The line as UTF-8, or a message that shows it.
fn utf8<'a>(line: &'a [u8], expected: &'static str) -> Result<&'a str, ErrorKind> {
    match std::str::from_utf8(line) {
        Ok(text) => Ok(text),
        Err(_) => Err(bad(&String::from_utf8_lossy(line), expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_line_is_not_held() {
        let mut text = vec![b'x'; 3 * MAX_LINE_BYTES];
        text.extend(b"\nshort\n");
        let mut lines = Lines::new(&text[..]);
        let error = lines.advance().unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 1: found a line of more than 65536 bytes, expected a line of a text trace"
        );

        let mut lines = Lines::new(&text[..]);
        lines.allow_bad(1);
        assert!(lines.advance().unwrap());
        assert_eq!((lines.line.as_slice(), lines.number, lines.skipped()), (&b"short"[..], 2, 1));
        assert!(lines.line.capacity() <= 4 * MAX_LINE_BYTES);
    }

    #[test]
    fn numbers_have_no_signs() {
        for text in ["+5", "-5", "", "5 ", "99999999999999999999"] {
            assert!(number::<u64>(Some(text), "a number").is_err(), "{text}");
        }
        assert!(matches!(number::<u64>(Some("5"), "a number"), Ok(5)));
    }
}
