//! Which format a trace has, told from its first bytes.

use crate::abi::Header;
use crate::error::{Error, ErrorKind, Result};
use crate::text::{blkparse, msr};
use std::fmt;
use std::str::FromStr;

/// The formats that this crate reads. Compression is told apart by itself and is not a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The kernel's records: a per-CPU file, a merged dump, or a stream.
    Blktrace,
    /// The default output of blkparse.
    Blkparse,
    /// A log of fio, version 2 or 3.
    FioIolog,
    /// The CSV of the MSR-Cambridge traces.
    Msr,
}

impl Format {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 4] = [Self::Blktrace, Self::FioIolog, Self::Blkparse, Self::Msr];

    /// The name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blktrace => "blktrace",
            Self::Blkparse => "blkparse",
            Self::FioIolog => "fio-iolog",
            Self::Msr => "msr",
        }
    }

    /// How many bytes of the start [`Format::detect`] looks at.
    pub const DETECT_BYTES: usize = 4096;

    /// The format of a trace that begins with `head`, which is uncompressed.
    ///
    /// A text is recognised by a first line that can be read; a trace whose first line is broken needs its format
    /// named.
    ///
    /// # Errors
    /// [`ErrorKind::Empty`], [`ErrorKind::UnknownFormat`], and [`ErrorKind::UnsupportedVersion`] for a blktrace of
    /// another version.
    pub fn detect(head: &[u8]) -> Result<Self> {
        if head.is_empty() {
            return Err(Error::opening(ErrorKind::Empty));
        }
        if let Some(magic) = head.first_chunk::<4>() {
            match Header::byte_order(*magic) {
                Ok(_) => return Ok(Self::Blktrace),
                Err(version @ ErrorKind::UnsupportedVersion { .. }) => {
                    return Err(Error::at_byte(0, version));
                }
                Err(_) => {}
            }
        }
        let cut = &head[..head.len().min(Self::DETECT_BYTES)];
        let lossy = String::from_utf8_lossy(cut);
        for line in lossy.lines().filter(|line| !line.trim().is_empty()).take(8) {
            if line.starts_with("fio version ") {
                return Ok(Self::FioIolog);
            }
            if matches!(blkparse::parse_line(line), Ok(Some(_))) {
                return Ok(Self::Blkparse);
            }
            if line.starts_with("Timestamp,Hostname") || matches!(msr::parse_line(line), Ok(Some(_))) {
                return Ok(Self::Msr);
            }
            // blkparse names its files before the first event.
            if !line.starts_with("Input file ") {
                break;
            }
        }
        let shown: String =
            cut.iter().take(16).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
        Err(Error::at_byte(0, ErrorKind::UnknownFormat { found: shown }))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not one of [`Format::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, expected one of blktrace, blkparse, fio-iolog, msr")]
pub struct UnknownFormat {
    /// The name that was found.
    pub found: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat { found: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_known_by_its_start() {
        let cases: [(&[u8], Format); 7] = [
            (&[0x07, 0x74, 0x61, 0x65], Format::Blktrace),
            (&[0x65, 0x61, 0x74, 0x07, 0, 0], Format::Blktrace),
            (b"fio version 3 iolog\n", Format::FioIolog),
            (b"  8,0    3        1     0.000000000   697  G   W 223490 + 8 [kjournald]\n", Format::Blkparse),
            (b"Input file x.blktrace.0 added\n  8,0 0 1 0.000000000 1 P N [a]\n", Format::Blkparse),
            (b"128166372003061629,hm,1,Read,3221266432,4096,110736\r\n", Format::Msr),
            (b"Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n", Format::Msr),
        ];
        for (head, format) in cases {
            assert_eq!(Format::detect(head).unwrap(), format);
        }
    }

    #[test]
    fn what_is_none_of_them_is_shown() {
        let error = Format::detect(b"\x7fELF and more of it than is shown").unwrap_err().to_string();
        assert!(error.starts_with("byte 0: found \"\\\\x7fELF and more of"), "{error}");
        assert!(matches!(*Format::detect(b"").unwrap_err().kind, ErrorKind::Empty));
        let version = Format::detect(&[0x08, 0x74, 0x61, 0x65]).unwrap_err().to_string();
        assert_eq!(version, "byte 0: found version 8 of the blktrace format, expected 7");
    }

    #[test]
    fn names_come_back() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("csv".parse::<Format>().is_err());
    }
}
