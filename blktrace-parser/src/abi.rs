//! The kernel's binary record: constants and layout, copied out of unaligned bytes.
//!
//! A stream is a sequence of records. Each is a header of 48 bytes, written in the byte order of the machine that
//! was traced, followed by `pdu_len` bytes of payload. Nothing aligns the next record, so fields are assembled from
//! bytes and never read in place. The facts are those of `include/uapi/linux/blktrace_api.h`.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;

/// The upper three bytes of the first field; the lowest byte is the version.
pub const MAGIC: u32 = 0x6561_7400;

/// The version of the format that this crate reads.
pub const VERSION: u8 = 7;

/// Length of a record's header in bytes.
pub const HEADER_BYTES: usize = 48;

/// The longest record there can be: a header and the longest payload that `pdu_len` can say.
pub const MAX_RECORD_BYTES: usize = HEADER_BYTES + u16::MAX as usize;

/// Bytes of the cgroup's id that stand before the payload proper where [`ACTION_CGROUP`] is set.
pub const CGROUP_ID_BYTES: usize = 8;

/// Bits of `action` that hold the categories, shifted down by this much.
pub const CATEGORY_SHIFT: u32 = 16;

/// The bit of the action's lower half that says that a cgroup's id stands before the payload (`__BLK_TA_CGROUP`).
pub const ACTION_CGROUP: u16 = 1 << 8;

/// The order of the bytes in a record's fields: that of the machine that was traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first (x86, most ARM).
    Little,
    /// Most significant byte first (s390x).
    Big,
}

impl fmt::Display for ByteOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Little => "little-endian",
            Self::Big => "big-endian",
        })
    }
}

/// The header of a record, with its fields as numbers of this machine (`struct blk_io_trace` without the magic).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Number of the event on its CPU and device, counted from 1; 0 where the kernel does not number (the `blk`
    /// tracer of ftrace does not). Notify records carry no number.
    pub sequence: u32,
    /// Nanoseconds on the clock of the trace; the start of that clock is not recorded.
    pub time_ns: u64,
    /// First 512-byte sector.
    pub sector: u64,
    /// Length in bytes.
    pub bytes: u32,
    /// Action in the lower half ([`ACTION_CGROUP`] included), categories in the upper.
    pub action: u32,
    /// Process (in fact thread) that was running, which need not be the one that asked for the I/O.
    pub pid: u32,
    /// Device number as the kernel packs it: major << 20 | minor.
    pub device: u32,
    /// CPU on which the event happened.
    pub cpu: u32,
    /// Error of a completion, as a positive errno in 16 bits; 0 for success.
    pub error: u16,
    /// Bytes of payload after the header, the cgroup's id included.
    pub pdu_len: u16,
}

fn array<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl Header {
    /// Tells the byte order of a record from its first four bytes, and checks magic and version.
    ///
    /// # Errors
    /// [`ErrorKind::BadMagic`] and [`ErrorKind::UnsupportedVersion`].
    pub fn byte_order(magic: [u8; 4]) -> Result<ByteOrder, ErrorKind> {
        let little = u32::from_le_bytes(magic);
        let (word, order) = if little & !0xff == MAGIC {
            (little, ByteOrder::Little)
        } else if u32::from_be_bytes(magic) & !0xff == MAGIC {
            (u32::from_be_bytes(magic), ByteOrder::Big)
        } else {
            return Err(ErrorKind::BadMagic { found: little });
        };
        match (word & 0xff) as u8 {
            VERSION => Ok(order),
            found => Err(ErrorKind::UnsupportedVersion { found }),
        }
    }

    /// Reads the fields of a header whose byte order is known. Does not look at the magic.
    #[must_use]
    #[inline]
    pub fn decode(bytes: &[u8; HEADER_BYTES], order: ByteOrder) -> Self {
        match order {
            ByteOrder::Little => {
                Self::assemble(bytes, u64::from_le_bytes, u32::from_le_bytes, u16::from_le_bytes)
            }
            ByteOrder::Big => {
                Self::assemble(bytes, u64::from_be_bytes, u32::from_be_bytes, u16::from_be_bytes)
            }
        }
    }

    #[inline]
    fn assemble(
        bytes: &[u8; HEADER_BYTES],
        u64_of: fn([u8; 8]) -> u64,
        u32_of: fn([u8; 4]) -> u32,
        u16_of: fn([u8; 2]) -> u16,
    ) -> Self {
        Self {
            sequence: u32_of(array(bytes, 4)),
            time_ns: u64_of(array(bytes, 8)),
            sector: u64_of(array(bytes, 16)),
            bytes: u32_of(array(bytes, 24)),
            action: u32_of(array(bytes, 28)),
            pid: u32_of(array(bytes, 32)),
            device: u32_of(array(bytes, 36)),
            cpu: u32_of(array(bytes, 40)),
            error: u16_of(array(bytes, 44)),
            pdu_len: u16_of(array(bytes, 46)),
        }
    }

    /// Writes the header, magic and version included, in the given byte order.
    #[must_use]
    pub fn encode(&self, order: ByteOrder) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let u16_to =
            |value: u16| if order == ByteOrder::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        let u32_to =
            |value: u32| if order == ByteOrder::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        let u64_to =
            |value: u64| if order == ByteOrder::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        out[0..4].copy_from_slice(&u32_to(MAGIC | u32::from(VERSION)));
        out[4..8].copy_from_slice(&u32_to(self.sequence));
        out[8..16].copy_from_slice(&u64_to(self.time_ns));
        out[16..24].copy_from_slice(&u64_to(self.sector));
        out[24..28].copy_from_slice(&u32_to(self.bytes));
        out[28..32].copy_from_slice(&u32_to(self.action));
        out[32..36].copy_from_slice(&u32_to(self.pid));
        out[36..40].copy_from_slice(&u32_to(self.device));
        out[40..44].copy_from_slice(&u32_to(self.cpu));
        out[44..46].copy_from_slice(&u16_to(self.error));
        out[46..48].copy_from_slice(&u16_to(self.pdu_len));
        out
    }
}

/// A record in the bytes of its stream: the header decoded, the payload borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The decoded header.
    pub header: Header,
    /// The byte order of the header, and of payloads that are in native order.
    pub order: ByteOrder,
    /// The payload, the cgroup's id included.
    pub pdu: &'a [u8],
    /// Bytes from the start of the stream to the start of the record.
    pub offset: u64,
}

impl Record<'_> {
    /// The whole record as bytes, in its byte order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.pdu.len());
        out.extend_from_slice(&self.header.encode(self.order));
        out.extend_from_slice(self.pdu);
        out
    }
}

/// Tries to take one record from the start of `bytes`. `Ok(Err(need))` says that `need` bytes are needed to go on.
#[inline]
pub(crate) fn split_record(
    bytes: &[u8],
    offset: u64,
    expected: Option<ByteOrder>,
) -> Result<Result<Record<'_>, usize>> {
    let Some(magic) = bytes.first_chunk::<4>() else { return Ok(Err(HEADER_BYTES)) };
    let order = Header::byte_order(*magic).map_err(|kind| Error::at_byte(offset, kind))?;
    if let Some(expected) = expected.filter(|expected| *expected != order) {
        return Err(Error::at_byte(offset, ErrorKind::MixedByteOrder { found: order, expected }));
    }
    let Some(raw) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(Err(HEADER_BYTES)) };
    let header = Header::decode(raw, order);
    let end = HEADER_BYTES + usize::from(header.pdu_len);
    match bytes.get(HEADER_BYTES..end) {
        Some(pdu) => Ok(Ok(Record { header, order, pdu, offset })),
        None => Ok(Err(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        sequence: 0x0102_0304,
        time_ns: 0x0506_0708_090a_0b0c,
        sector: 0x1112_1314_1516_1718,
        bytes: 0x2122_2324,
        action: 0x3132_3334,
        pid: 0x4142_4344,
        device: 0x5152_5354,
        cpu: 0x6162_6364,
        error: 0x7172,
        pdu_len: 0x8182,
    };

    #[test]
    fn every_field_has_its_place_in_both_byte_orders() {
        let big = HEADER.encode(ByteOrder::Big);
        assert_eq!(big[..8], [0x65, 0x61, 0x74, 0x07, 0x01, 0x02, 0x03, 0x04]);
        assert_eq!(big[44..], [0x71, 0x72, 0x81, 0x82]);
        let little = HEADER.encode(ByteOrder::Little);
        assert_eq!(little[..8], [0x07, 0x74, 0x61, 0x65, 0x04, 0x03, 0x02, 0x01]);
        assert_eq!(little[36..40], [0x54, 0x53, 0x52, 0x51]);
        assert_eq!(Header::decode(&big, ByteOrder::Big), HEADER);
        assert_eq!(Header::decode(&little, ByteOrder::Little), HEADER);
    }

    #[test]
    fn another_version_is_named() {
        let found = Header::byte_order([0x08, 0x74, 0x61, 0x65]);
        assert!(matches!(found, Err(ErrorKind::UnsupportedVersion { found: 8 })));
        let found = Header::byte_order([0x65, 0x61, 0x74, 0x06]);
        assert!(matches!(found, Err(ErrorKind::UnsupportedVersion { found: 6 })));
    }

    #[test]
    fn other_bytes_are_no_magic() {
        assert!(matches!(Header::byte_order([0; 4]), Err(ErrorKind::BadMagic { found: 0 })));
    }
}
