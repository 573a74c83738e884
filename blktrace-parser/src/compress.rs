//! Traces that were compressed with gzip or Zstandard.

#[cfg(not(all(feature = "gzip", feature = "zstd")))]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
#[cfg(feature = "zstd")]
use std::io;
use std::io::{BufRead, Read};

/// How a trace is compressed, told from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all, as far as the first bytes tell.
    None,
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
}

impl Compression {
    /// Of data that begins with `head`.
    #[must_use]
    pub fn detect(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Undoes the compression of `source`, of whatever kind it is. Memory: a 32 KiB window for gzip; for Zstandard the
/// window that the frame asks for, which may be 100 MiB at most.
///
/// # Errors
/// [`NoDecompressor`](crate::ErrorKind::NoDecompressor) where the feature was left out of this build; an error of the source.
pub fn decompress<'a>(mut source: impl BufRead + Send + 'a) -> Result<Box<dyn Read + Send + 'a>> {
    let head = source.fill_buf().map_err(|error| Error::at_byte(0, error.into()))?;
    match Compression::detect(head) {
        Compression::None => Ok(Box::new(source)),
        Compression::Gzip => gzip(source),
        Compression::Zstd => zstd(source),
    }
}

#[cfg(feature = "gzip")]
fn gzip<'a>(source: impl BufRead + Send + 'a) -> Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(flate2::bufread::MultiGzDecoder::new(source)))
}

#[cfg(not(feature = "gzip"))]
fn gzip<'a>(_: impl BufRead + Send + 'a) -> Result<Box<dyn Read + Send + 'a>> {
    Err(Error::opening(ErrorKind::NoDecompressor { found: "gzip", feature: "gzip" }))
}

#[cfg(feature = "zstd")]
fn zstd<'a>(source: impl BufRead + Send + 'a) -> Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(frames::Frames::new(source)))
}

#[cfg(not(feature = "zstd"))]
fn zstd<'a>(_: impl BufRead + Send + 'a) -> Result<Box<dyn Read + Send + 'a>> {
    Err(Error::opening(ErrorKind::NoDecompressor { found: "Zstandard", feature: "zstd" }))
}

#[cfg(feature = "zstd")]
mod frames {
    //! All frames of a Zstandard file; the decoder underneath knows only one.

    use super::{BufRead, Read, io};
    use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
    use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

    pub(super) struct Frames<R> {
        source: R,
        decoder: FrameDecoder,
        in_frame: bool,
    }

    fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    impl<R: BufRead> Frames<R> {
        pub(super) fn new(source: R) -> Self {
            Self { source, decoder: FrameDecoder::new(), in_frame: false }
        }

        /// Reads the header of the next frame with content; `false` at the end of the source.
        fn next_frame(&mut self) -> io::Result<bool> {
            loop {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(false);
                }
                match self.decoder.reset(&mut self.source) {
                    Ok(()) => {
                        self.in_frame = true;
                        return Ok(true);
                    }
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length,
                        ..
                    })) => {
                        let wanted = u64::from(length);
                        let skipped = io::copy(&mut self.source.by_ref().take(wanted), &mut io::sink())?;
                        if skipped < wanted {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                    Err(error) => return Err(invalid(error.to_string())),
                }
            }
        }

        fn end_frame(&mut self) -> io::Result<()> {
            self.in_frame = false;
            let (stored, computed) =
                (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
            match (stored, computed) {
                (Some(stored), Some(computed)) if stored != computed => Err(invalid(format!(
                    "found checksum {computed:#010x} of a Zstandard frame, expected {stored:#010x}"
                ))),
                _ => Ok(()),
            }
        }
    }

    impl<R: BufRead> Read for Frames<R> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if out.is_empty() {
                return Ok(0);
            }
            loop {
                if !self.in_frame && !self.next_frame()? {
                    return Ok(0);
                }
                if self.decoder.can_collect() > 0 {
                    return self.decoder.read(out);
                }
                if self.decoder.is_finished() {
                    self.end_frame()?;
                    continue;
                }
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| invalid(error.to_string()))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    use std::io;

    #[cfg(any(feature = "gzip", feature = "zstd"))]
    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(bytes).unwrap().read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn plain_data_passes_through() {
        let mut out = Vec::new();
        decompress(&b"plain"[..]).unwrap().read_to_end(&mut out).unwrap();
        assert_eq!(out, b"plain");
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn gzip_members_follow_each_other() {
        use std::io::Write;
        let member = |text: &[u8]| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        };
        let bytes = [member(b"one "), member(b"two")].concat();
        assert_eq!(read(&bytes).unwrap(), b"one two");
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn zstd_frames_follow_each_other_and_others_are_skipped() {
        use ruzstd::encoding::{CompressionLevel, compress_to_vec};
        let text = b"one two three four five six seven eight".repeat(100);
        let frame = compress_to_vec(&text[..], CompressionLevel::Fastest);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let bytes = [&skippable[..], &frame, &skippable, &frame].concat();
        assert_eq!(read(&bytes).unwrap(), text.repeat(2));
        assert!(read(&bytes[..bytes.len() - 5]).is_err());
    }
}
