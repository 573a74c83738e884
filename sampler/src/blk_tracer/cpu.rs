//! One CPU's share of a recording: from the pages of its ring buffer to its file.

use super::page::{Layout, Missed, head};
use block_types::DevNo;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The magic number of the format and its version.
const MAGIC: u32 = 0x6561_7400 | 7;
/// Bytes of `struct blk_io_trace`, and where its fields are.
const RECORD: usize = 48;
const SECTOR_AT: usize = 16;
const ACTION_AT: usize = 28;
const DEVICE_AT: usize = 36;
const CPU_AT: usize = 40;
const PDU_LEN_AT: usize = 46;
/// The category of records that are about the trace itself; they are not numbered.
const NOTIFY: u32 = 1 << 26;

/// Written to the file at a time.
const WRITE_BYTES: usize = 256 << 10;

/// Between two looks into a buffer: the busier it was the sooner.
const SHORTEST_REST: Duration = Duration::from_millis(1);
const LONGEST_REST: Duration = Duration::from_millis(32);

/// What the threads and their master share.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Nothing more is being written: end once the buffers are empty.
    pub(super) ending: AtomicBool,
    /// The size limit was reached.
    pub(super) full: AtomicBool,
    /// Bytes in all files.
    pub(super) bytes: AtomicU64,
}

/// What came of one CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CpuRecord {
    /// Its number.
    pub cpu: u32,
    /// Records in its file.
    pub events: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// Events that the kernel could not store, or overwrote before they were read.
    pub lost: u64,
    /// Events that came after the size limit was reached, and were thrown away.
    pub after_limit: u64,
    /// Entries of the buffer that are no record of this disk.
    pub foreign: u64,
}

/// A CPU's buffer on its way to a file.
pub(super) struct Follower<'a> {
    pub(super) cpu: u32,
    pub(super) dev: DevNo,
    pub(super) pipe: File,
    pub(super) out: File,
    pub(super) layout: Layout,
    pub(super) limit: u64,
    /// Pages that its buffer holds.
    pub(super) pages: u64,
    pub(super) control: &'a Control,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The record in an entry: with a header as blktrace writes it, where the entry is one of this disk.
///
/// The kernel stores `struct blk_io_trace` with its first 16 bytes (magic, number, time) given over to what every entry
/// begins with, and gives the time by the entry itself.
fn record_len(entry: &[u8], cpu: u32, device: u32) -> Option<usize> {
    let pdu = u16::from_ne_bytes(*entry.get(PDU_LEN_AT..)?.first_chunk()?);
    let len = RECORD + usize::from(pdu);
    let padded = len..len + 8;
    let ours = word(entry, CPU_AT)? == cpu && word(entry, DEVICE_AT)? == device;
    (ours && padded.contains(&entry.len())).then_some(len)
}

impl Follower<'_> {
    /// Copies until the recording ends; then what is left.
    pub(super) fn run(mut self) -> io::Result<CpuRecord> {
        let mut told = CpuRecord { cpu: self.cpu, ..CpuRecord::default() };
        let device = self.dev.to_kernel();
        let mut page = vec![0; self.layout.page];
        let mut out: Vec<u8> = Vec::with_capacity(WRITE_BYTES + (128 << 10));
        let (mut held, mut sequence) = (0, 0_u32);
        let mut rest = SHORTEST_REST;
        let mut since_rest = 0;
        loop {
            // Looked at before the buffer: what is written after that is not waited for.
            let ending = self.control.ending.load(Ordering::SeqCst);
            let read = match self.pipe.read(&mut page) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                if ending {
                    break;
                }
                rest = if since_rest * 8 > self.pages { rest / 2 } else { rest * 2 };
                rest = rest.clamp(SHORTEST_REST, LONGEST_REST);
                since_rest = 0;
                std::thread::sleep(rest);
                continue;
            }
            since_rest += 1;
            let Some((missed, entries)) = head(&page[..read], self.layout) else {
                return Err(io::Error::other("found a page of the ring buffer in an unknown format"));
            };
            // A gap in the numbers lets blkparse, too, say that something is missing.
            sequence = sequence.wrapping_add(match missed {
                Missed::None => 0,
                Missed::Unknown => 1,
                Missed::Events(events) => events as u32,
            });
            for (time, entry) in entries {
                let Some(len) = record_len(entry, self.cpu, device) else {
                    told.foreign += 1;
                    continue;
                };
                let notify = word(entry, ACTION_AT).is_none_or(|action| action & NOTIFY != 0);
                sequence = sequence.wrapping_add(u32::from(!notify));
                let number = if notify { 0 } else { sequence };
                out.extend_from_slice(&MAGIC.to_ne_bytes());
                out.extend_from_slice(&number.to_ne_bytes());
                out.extend_from_slice(&time.to_ne_bytes());
                out.extend_from_slice(&entry[SECTOR_AT..len]);
                held += 1;
            }
            if out.len() >= WRITE_BYTES {
                self.flush(&mut out, &mut held, &mut told)?;
            }
        }
        self.flush(&mut out, &mut held, &mut told)?;
        Ok(told)
    }

    /// Writes whole records, or, once the limit is reached, throws them away.
    fn flush(&mut self, out: &mut Vec<u8>, held: &mut u64, told: &mut CpuRecord) -> io::Result<()> {
        let bytes = out.len() as u64;
        let full = self.control.full.load(Ordering::SeqCst)
            || self.control.bytes.fetch_add(bytes, Ordering::SeqCst) + bytes > self.limit;
        if full {
            self.control.full.store(true, Ordering::SeqCst);
            told.after_limit += *held;
        } else {
            self.out.write_all(out)?;
            told.events += *held;
            told.bytes += bytes;
        }
        out.clear();
        *held = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_records_of_the_disk_and_the_cpu_are_taken() {
        let mut entry = vec![0_u8; RECORD + 12];
        entry[DEVICE_AT..DEVICE_AT + 4].copy_from_slice(&DevNo::new(7, 1).to_kernel().to_ne_bytes());
        entry[CPU_AT..CPU_AT + 4].copy_from_slice(&3_u32.to_ne_bytes());
        entry[PDU_LEN_AT..PDU_LEN_AT + 2].copy_from_slice(&9_u16.to_ne_bytes());
        let device = DevNo::new(7, 1).to_kernel();
        assert_eq!(record_len(&entry, 3, device), Some(RECORD + 9));
        assert_eq!(record_len(&entry, 2, device), None);
        assert_eq!(record_len(&entry, 3, DevNo::new(7, 0).to_kernel()), None);
        entry.truncate(RECORD + 8);
        assert_eq!(record_len(&entry, 3, device), None, "shorter than it says");
        assert_eq!(record_len(&[], 3, device), None);
    }
}
