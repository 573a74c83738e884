//! The little of the FUSE protocol that a file system of one file needs, as bytes.
//!
//! The numbers are those of `include/uapi/linux/fuse.h`, protocol 7.31 and later. Integers are in the byte order of
//! the machine, and every message starts with a header: 40 bytes towards us, 16 bytes back.

use block_types::Bytes;
use std::ops::Range;

/// The major version of the protocol; there has been no other since 2006.
const MAJOR: u32 = 7;
/// The newest minor version whose messages this module knows.
const MINOR: u32 = 31;

/// Bytes of a request's header.
const IN_HEADER: usize = 40;
/// Bytes of a reply's header.
pub(crate) const OUT_HEADER: usize = 16;
/// Where the data of a write begin.
const WRITE_DATA: usize = IN_HEADER + 40;
/// The largest piece that the kernel sends or asks for: 256 pages, its own limit.
pub(crate) const MAX_IO: usize = 1 << 20;
/// A request never takes more than this.
pub(crate) const REQUEST_BYTES: usize = MAX_IO + 4096;
/// How many requests may be on their way at once. The loop driver sends at most 128, each in at most two pieces.
pub(crate) const MAX_BACKGROUND: u16 = 512;

const FUSE_ASYNC_READ: u32 = 1 << 0;
const FUSE_BIG_WRITES: u32 = 1 << 5;
const FUSE_ASYNC_DIO: u32 = 1 << 15;
const FUSE_MAX_PAGES: u32 = 1 << 22;
/// Without these the kernel would wait for each request before it sends the next, or send small pieces.
const NEEDED: u32 = FUSE_ASYNC_DIO | FUSE_MAX_PAGES;

const FOPEN_DIRECT_IO: u32 = 1 << 0;
/// Since Linux 6.0; kernels before ignore it and let one direct write in at a time.
const FOPEN_PARALLEL_DIRECT_WRITES: u32 = 1 << 6;

const ROOT_NODE: u64 = 1;
const FILE_NODE: u64 = 2;
/// How long the kernel may believe an answer about a name or an attribute: nothing ever changes.
const VALID_SECONDS: u64 = 365 * 24 * 3600;

/// What the kernel asks of the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Agree on the protocol.
    Init {
        /// The kernel's minor version.
        minor: u32,
        /// How far the kernel would read ahead.
        max_readahead: u32,
        /// What the kernel can do.
        flags: u32,
    },
    /// What is behind a name in the only directory?
    Lookup {
        /// Whether it is the file's.
        is_the_file: bool,
    },
    /// What are a node's attributes?
    Attributes {
        /// Whether it is the file (the directory otherwise).
        is_the_file: bool,
    },
    /// Open the file.
    Open,
    /// Read from the file.
    Read {
        /// Where, in bytes.
        offset: u64,
        /// How much, in bytes.
        size: usize,
    },
    /// Write to the file.
    Write {
        /// Where, in bytes.
        offset: u64,
        /// Where in the request the data are.
        data: Range<usize>,
    },
    /// Bring the file's data to stable media.
    Sync,
    /// Change how a range is allocated.
    Allocate {
        /// `FALLOC_FL_*` of fallocate(2).
        mode: u32,
        /// Where, in bytes.
        offset: u64,
        /// How much, in bytes.
        length: u64,
    },
    /// How large is the file system?
    Statistics,
    /// Something that is done by saying so, such as closing the file.
    Acknowledge,
    /// Something that expects no answer.
    Silent,
    /// The file system is being unmounted.
    Destroy,
    /// Anything else.
    Unknown,
}

/// One request of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The kernel's name of the request, which its reply repeats.
    pub(crate) unique: u64,
    /// What is asked.
    pub(crate) operation: Operation,
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    word(bytes, at).map(u32::from_ne_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    word(bytes, at).map(u64::from_ne_bytes)
}

impl Request {
    /// Reads one request; `file_name` is that of the only file. `None` where the bytes are no request.
    pub(crate) fn parse(bytes: &[u8], file_name: &str) -> Option<Self> {
        let length = u32_at(bytes, 0)? as usize;
        let bytes = bytes.get(..length)?;
        let (opcode, unique, node) = (u32_at(bytes, 4)?, u64_at(bytes, 8)?, u64_at(bytes, 16)?);
        let body = IN_HEADER;
        let operation = match opcode {
            1 => {
                let name = bytes.get(body..)?.split(|byte| *byte == 0).next()?;
                Operation::Lookup { is_the_file: node == ROOT_NODE && name == file_name.as_bytes() }
            }
            // FORGET, INTERRUPT and BATCH_FORGET
            2 | 36 | 42 => Operation::Silent,
            // GETATTR; SETATTR changes nothing here and says what stands
            3 | 4 => Operation::Attributes { is_the_file: node == FILE_NODE },
            14 => Operation::Open,
            15 => {
                Operation::Read { offset: u64_at(bytes, body + 8)?, size: u32_at(bytes, body + 16)? as usize }
            }
            16 => {
                let size = u32_at(bytes, body + 16)? as usize;
                let data = WRITE_DATA..WRITE_DATA.checked_add(size)?;
                bytes.get(data.clone())?;
                Operation::Write { offset: u64_at(bytes, body + 8)?, data }
            }
            17 => Operation::Statistics,
            // RELEASE
            18 => Operation::Acknowledge,
            20 => Operation::Sync,
            26 => Operation::Init {
                minor: u32_at(bytes, body + 4)?,
                max_readahead: u32_at(bytes, body + 8)?,
                flags: u32_at(bytes, body + 12)?,
            },
            38 => Operation::Destroy,
            43 => Operation::Allocate {
                offset: u64_at(bytes, body + 8)?,
                length: u64_at(bytes, body + 16)?,
                mode: u32_at(bytes, body + 24)?,
            },
            _ => Operation::Unknown,
        };
        Some(Self { unique, operation })
    }
}

/// A reply's header, for `payload` bytes that follow.
pub(crate) fn header(unique: u64, payload: usize) -> [u8; OUT_HEADER] {
    head(unique, payload, 0)
}

/// A whole reply that says what went wrong.
pub(crate) fn failure(unique: u64, errno: rustix::io::Errno) -> [u8; OUT_HEADER] {
    head(unique, 0, -errno.raw_os_error())
}

fn head(unique: u64, payload: usize, error: i32) -> [u8; OUT_HEADER] {
    let mut bytes = [0; OUT_HEADER];
    let length = u32::try_from(OUT_HEADER + payload).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..8].copy_from_slice(&error.to_ne_bytes());
    bytes[8..].copy_from_slice(&unique.to_ne_bytes());
    bytes
}

/// Bytes in the making.
#[derive(Default)]
struct Wire(Vec<u8>);

impl Wire {
    fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn zeroes(mut self, count: usize) -> Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    fn attributes(self, is_the_file: bool, size: Bytes) -> Self {
        const DIRECTORY: u32 = 0o040_700;
        const FILE: u32 = 0o100_600;
        let (node, size, mode) =
            if is_the_file { (FILE_NODE, size.0, FILE) } else { (ROOT_NODE, 0, DIRECTORY) };
        // The three times are the epoch; then mode, links, owner, group, device, block size, flags.
        self.u64(node)
            .u64(size)
            .u64(size.div_ceil(512))
            .zeroes(36)
            .u32(mode)
            .u32(1)
            .zeroes(12)
            .u32(4096)
            .u32(0)
    }
}

/// What answers [`Operation::Init`]; `None` where the kernel lacks what an emulated disk needs.
pub(crate) fn init(minor: u32, max_readahead: u32, flags: u32) -> Option<Vec<u8>> {
    if flags & NEEDED != NEEDED {
        return None;
    }
    let wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | NEEDED;
    let pages = u16::try_from(MAX_IO / 4096).unwrap_or(u16::MAX);
    let wire = Wire::default()
        .u32(MAJOR)
        .u32(MINOR.min(minor))
        .u32(max_readahead)
        .u32(flags & wanted)
        .u16(MAX_BACKGROUND)
        .u16(MAX_BACKGROUND - 1)
        .u32(MAX_IO as u32)
        .u32(1)
        .u16(pages);
    Some(wire.zeroes(34).0)
}

/// What answers [`Operation::Lookup`] of the file.
pub(crate) fn entry(size: Bytes) -> Vec<u8> {
    let wire = Wire::default().u64(FILE_NODE).u64(0).u64(VALID_SECONDS).u64(VALID_SECONDS).zeroes(8);
    wire.attributes(true, size).0
}

/// What answers [`Operation::Attributes`].
pub(crate) fn attributes(is_the_file: bool, size: Bytes) -> Vec<u8> {
    Wire::default().u64(VALID_SECONDS).zeroes(8).attributes(is_the_file, size).0
}

/// What answers [`Operation::Open`].
pub(crate) fn opened() -> Vec<u8> {
    Wire::default().u64(0).u32(FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES).u32(0).0
}

/// What answers [`Operation::Write`].
pub(crate) fn written(size: usize) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_ne_bytes());
    bytes
}

/// What answers [`Operation::Statistics`]: the block size becomes the loop device's discard granularity.
pub(crate) fn statistics(size: Bytes) -> Vec<u8> {
    let blocks = size.0 / 4096;
    Wire::default().u64(blocks).zeroes(16).u64(2).u64(0).u32(4096).u32(255).u32(4096).zeroes(28).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(opcode: u32, node: u64, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(IN_HEADER + body.len()).unwrap();
        let wire = Wire::default().u32(length).u32(opcode).u64(77).u64(node).zeroes(16);
        [wire.0, body.to_vec()].concat()
    }

    #[test]
    fn a_write_knows_where_its_data_are() {
        let body = Wire::default().u64(0).u64(8192).u32(3).zeroes(20).0;
        let bytes = request(16, FILE_NODE, &[body, b"abc".to_vec()].concat());
        let parsed = Request::parse(&bytes, "disk").unwrap();
        assert_eq!(parsed.unique, 77);
        let Operation::Write { offset, data } = parsed.operation else { panic!("{parsed:?}") };
        assert_eq!((offset, &bytes[data]), (8192, &b"abc"[..]));
    }

    #[test]
    fn a_write_that_promises_more_than_it_brings_is_no_request() {
        let body = Wire::default().u64(0).u64(0).u32(4).zeroes(20).0;
        assert_eq!(Request::parse(&request(16, FILE_NODE, &[body, b"abc".to_vec()].concat()), "disk"), None);
    }

    #[test]
    fn cut_requests_are_refused_at_every_length() {
        let bytes = request(15, FILE_NODE, &Wire::default().u64(0).u64(4096).u32(512).zeroes(20).0);
        assert!(Request::parse(&bytes, "disk").is_some());
        for length in 0..bytes.len() {
            assert_eq!(Request::parse(&bytes[..length], "disk"), None, "{length} bytes");
        }
    }

    #[test]
    fn only_the_files_own_name_is_found() {
        for (name, node, found) in
            [("disk\0", ROOT_NODE, true), ("disc\0", ROOT_NODE, false), ("disk\0", 2, false)]
        {
            let parsed = Request::parse(&request(1, node, name.as_bytes()), "disk").unwrap();
            assert_eq!(parsed.operation, Operation::Lookup { is_the_file: found }, "{name:?} in {node}");
        }
    }

    #[test]
    fn replies_have_the_lengths_of_the_protocol() {
        let size = Bytes(1 << 30);
        let all = NEEDED | FUSE_ASYNC_READ;
        assert_eq!(init(45, 131_072, all).unwrap().len(), 64);
        assert_eq!(init(45, 131_072, all & !FUSE_ASYNC_DIO), None);
        let lengths =
            [entry(size), attributes(true, size), opened(), statistics(size)].map(|bytes| bytes.len());
        assert_eq!(lengths, [128, 104, 16, 80]);
        assert_eq!(failure(5, rustix::io::Errno::IO)[4..8], (-5_i32).to_ne_bytes());
    }
}
