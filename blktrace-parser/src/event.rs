//! Typed events: a record with its payload understood.

use crate::abi::{ACTION_CGROUP, ByteOrder, CGROUP_ID_BYTES, Header, Record};
use crate::action::{Action, Categories};
use crate::error::{Error, ErrorKind, Result};
use std::fmt;

/// A block device's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Major number, 12 bits.
    pub major: u32,
    /// Minor number, 20 bits.
    pub minor: u32,
}

impl Device {
    /// From the kernel's packing, major << 20 | minor.
    #[must_use]
    #[inline]
    pub const fn from_kernel(raw: u32) -> Self {
        Self { major: raw >> 20, minor: raw & 0xf_ffff }
    }

    /// To the kernel's packing.
    #[must_use]
    pub const fn to_kernel(self) -> u32 {
        self.major << 20 | (self.minor & 0xf_ffff)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// Where a remapped bio came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemapOrigin {
    /// The partition or stacked device.
    pub device: Device,
    /// Where the bio went, which is the event's own device.
    pub to: Device,
    /// First sector on the device it came from.
    pub sector: u64,
}

/// What comes with an event beside its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Nothing.
    None,
    /// Of an unplug: how many requests were let go.
    Unplug {
        /// Number of requests.
        requests: u64,
    },
    /// Of a split: where the second part starts.
    Split {
        /// First sector of the second part.
        second: u64,
    },
    /// Of a remap.
    Remap(RemapOrigin),
    /// The name of the process [`Event::pid`], as its bytes.
    ProcessName(&'a [u8]),
    /// The wall clock at the start of the trace.
    WallClock {
        /// Seconds since 1970.
        seconds: u32,
        /// Nanoseconds within the second.
        nanoseconds: u32,
    },
    /// A message, as its bytes.
    Message(&'a [u8]),
    /// Bytes that only the driver or the device understands (a SCSI command, for example).
    Raw(&'a [u8]),
}

/// One event of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Nanoseconds on the clock of the trace.
    pub time_ns: u64,
    /// Number of the event on its CPU, where the kernel numbers.
    pub sequence: Option<u32>,
    /// The device.
    pub device: Device,
    /// The CPU on which it happened.
    pub cpu: u32,
    /// The thread that was running.
    pub pid: u32,
    /// What happened.
    pub action: Action,
    /// To what kind of I/O.
    pub categories: Categories,
    /// First 512-byte sector; means nothing for plugs and notify records.
    pub sector: u64,
    /// Length in bytes.
    pub bytes: u32,
    /// Errno of a completion; 0 for success.
    pub error: u16,
    /// The id of the cgroup, where it was recorded.
    pub cgroup: Option<u64>,
    /// What else it says.
    pub payload: Payload<'a>,
}

fn short(what: &'static str, found: usize, expected: usize) -> ErrorKind {
    ErrorKind::ShortPayload { found, expected, what }
}

fn be_u64(pdu: &[u8], what: &'static str) -> Result<u64, ErrorKind> {
    let bytes = pdu.first_chunk::<8>().ok_or_else(|| short(what, pdu.len(), 8))?;
    Ok(u64::from_be_bytes(*bytes))
}

/// A payload of text, without the zero byte and what follows it.
fn text(pdu: &[u8]) -> &[u8] {
    pdu.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl<'a> Event<'a> {
    /// Understands a record.
    ///
    /// # Errors
    /// [`ErrorKind::ShortPayload`] and [`ErrorKind::SectorOverflow`], at the record's offset.
    #[inline]
    pub fn from_record(record: &Record<'a>) -> Result<Self> {
        Self::decode(&record.header, record.order, record.pdu)
            .map_err(|kind| Error::at_byte(record.offset, kind))
    }

    fn decode(header: &Header, order: ByteOrder, pdu: &'a [u8]) -> Result<Self, ErrorKind> {
        let action = Action::from_raw(header.action);
        let (cgroup, pdu) = if header.action & u32::from(ACTION_CGROUP) == 0 {
            (None, pdu)
        } else {
            let (id, rest) = pdu
                .split_first_chunk::<CGROUP_ID_BYTES>()
                .ok_or_else(|| short("a cgroup's id", pdu.len(), CGROUP_ID_BYTES))?;
            let id = match order {
                ByteOrder::Little => u64::from_le_bytes(*id),
                ByteOrder::Big => u64::from_be_bytes(*id),
            };
            (Some(id), rest)
        };
        let event = Self {
            time_ns: header.time_ns,
            sequence: (header.sequence != 0 && !action.is_notify()).then_some(header.sequence),
            device: Device::from_kernel(header.device),
            cpu: header.cpu,
            pid: header.pid,
            action,
            categories: Categories::from_raw(header.action),
            sector: header.sector,
            bytes: header.bytes,
            error: header.error,
            cgroup,
            payload: payload(action, order, pdu)?,
        };
        if !action.is_notify() && event.sector.checked_add(event.sectors()).is_none() {
            let (sector, sectors) = (event.sector, event.sectors());
            return Err(ErrorKind::SectorOverflow { sector, sectors });
        }
        Ok(event)
    }

    /// Length in 512-byte sectors, rounded down.
    #[must_use]
    #[inline]
    pub const fn sectors(&self) -> u64 {
        self.bytes as u64 / 512
    }

    /// The header and the payload that say this event, in the given byte order.
    #[must_use]
    pub fn encode(&self, order: ByteOrder) -> Vec<u8> {
        let mut pdu = Vec::new();
        let native_u32 = |value: u32| match order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        if let Some(id) = self.cgroup {
            pdu.extend(match order {
                ByteOrder::Little => id.to_le_bytes(),
                ByteOrder::Big => id.to_be_bytes(),
            });
        }
        match self.payload {
            Payload::None => {}
            Payload::Unplug { requests } => pdu.extend(requests.to_be_bytes()),
            Payload::Split { second } => pdu.extend(second.to_be_bytes()),
            Payload::Remap(origin) => {
                pdu.extend(origin.device.to_kernel().to_be_bytes());
                pdu.extend(origin.to.to_kernel().to_be_bytes());
                pdu.extend(origin.sector.to_be_bytes());
            }
            Payload::WallClock { seconds, nanoseconds } => {
                pdu.extend(native_u32(seconds));
                pdu.extend(native_u32(nanoseconds));
            }
            Payload::ProcessName(bytes) | Payload::Message(bytes) | Payload::Raw(bytes) => pdu.extend(bytes),
        }
        pdu.truncate(usize::from(u16::MAX));
        let cgroup = if self.cgroup.is_some() { ACTION_CGROUP } else { 0 };
        let header = Header {
            sequence: self.sequence.unwrap_or(0),
            time_ns: self.time_ns,
            sector: self.sector,
            bytes: self.bytes,
            action: u32::from(self.categories.0) << 16 | u32::from(self.action.number() | cgroup),
            pid: self.pid,
            device: self.device.to_kernel(),
            cpu: self.cpu,
            error: self.error,
            pdu_len: pdu.len() as u16,
        };
        let mut out = header.encode(order).to_vec();
        out.append(&mut pdu);
        out
    }
}

fn payload(action: Action, order: ByteOrder, pdu: &[u8]) -> Result<Payload<'_>, ErrorKind> {
    // Traces cut by a filter or written by other tools have unplugs and splits without a payload.
    Ok(match action {
        Action::NotifyProcess => Payload::ProcessName(text(pdu)),
        Action::NotifyMessage => Payload::Message(text(pdu)),
        Action::NotifyTimestamp => {
            let bytes = pdu.first_chunk::<8>().ok_or_else(|| short("the time of the trace", pdu.len(), 8))?;
            let [a, b, c, d, e, f, g, h] = *bytes;
            let number = |bytes| match order {
                ByteOrder::Little => u32::from_le_bytes(bytes),
                ByteOrder::Big => u32::from_be_bytes(bytes),
            };
            Payload::WallClock { seconds: number([a, b, c, d]), nanoseconds: number([e, f, g, h]) }
        }
        _ if pdu.is_empty() => Payload::None,
        Action::UnplugIo | Action::UnplugTimer => {
            Payload::Unplug { requests: be_u64(pdu, "the number of requests of an unplug")? }
        }
        Action::Split => Payload::Split { second: be_u64(pdu, "the sector of a split")? },
        Action::Remap => {
            let what = "the origin of a remap";
            let bytes = pdu.first_chunk::<16>().ok_or_else(|| short(what, pdu.len(), 16))?;
            let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
            Payload::Remap(RemapOrigin {
                device: Device::from_kernel(u32::from_be_bytes([a, b, c, d])),
                to: Device::from_kernel(u32::from_be_bytes([e, f, g, h])),
                sector: u64::from_be_bytes(rest),
            })
        }
        _ => Payload::Raw(pdu),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Records;

    fn event(action: Action, payload: Payload<'_>) -> Event<'_> {
        Event {
            time_ns: 10,
            sequence: (!action.is_notify()).then_some(3),
            device: Device { major: 259, minor: 5 },
            cpu: 1,
            pid: 42,
            action,
            categories: action.own_category().with(Categories::WRITE),
            sector: 2048,
            bytes: 4096,
            error: 0,
            cgroup: None,
            payload,
        }
    }

    #[test]
    fn payloads_are_understood_in_both_byte_orders_with_and_without_a_cgroup() {
        let origin = RemapOrigin {
            device: Device { major: 253, minor: 1 },
            to: Device { major: 259, minor: 5 },
            sector: 8,
        };
        let cases = [
            event(Action::Queue, Payload::None),
            event(Action::UnplugIo, Payload::Unplug { requests: 7 }),
            event(Action::UnplugTimer, Payload::Unplug { requests: 1 }),
            event(Action::Split, Payload::Split { second: 2304 }),
            event(Action::Remap, Payload::Remap(origin)),
            event(Action::Issue, Payload::Raw(&[0x28, 0, 0])),
            event(Action::NotifyProcess, Payload::ProcessName(b"kworker/0:1")),
            event(Action::NotifyTimestamp, Payload::WallClock { seconds: 5, nanoseconds: 6 }),
            event(Action::NotifyMessage, Payload::Message(b"bfq [insert] q 7")),
        ];
        for case in cases {
            for cgroup in [None, Some(0x0102_0304_0506_0708)] {
                for order in [ByteOrder::Little, ByteOrder::Big] {
                    let case = Event { cgroup, ..case };
                    let bytes = case.encode(order);
                    let record = Records::new(&bytes).next().unwrap().unwrap();
                    assert_eq!(Event::from_record(&record).unwrap(), case, "{order}");
                }
            }
        }
    }

    #[test]
    fn a_name_ends_at_its_zero_byte() {
        let bytes =
            event(Action::NotifyProcess, Payload::ProcessName(b"fio\0\0\0old")).encode(ByteOrder::Little);
        let record = Records::new(&bytes).next().unwrap().unwrap();
        assert_eq!(Event::from_record(&record).unwrap().payload, Payload::ProcessName(b"fio"));
    }

    #[test]
    fn short_payloads_and_overflows_are_errors() {
        let mut bytes = event(Action::Remap, Payload::Raw(&[0; 15])).encode(ByteOrder::Little);
        let record = Records::new(&bytes).next().unwrap().unwrap();
        let error = Event::from_record(&record).unwrap_err().to_string();
        assert_eq!(
            error,
            "byte 0: found a payload of 15 bytes, expected at least 16 for the origin of a remap"
        );

        bytes = Event { sector: u64::MAX, ..event(Action::Queue, Payload::None) }.encode(ByteOrder::Big);
        let record = Records::new(&bytes).next().unwrap().unwrap();
        let error = Event::from_record(&record).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::SectorOverflow { sector: u64::MAX, sectors: 8 }));
    }
}
