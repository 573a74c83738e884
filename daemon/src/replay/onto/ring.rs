//! The one place that talks to io_uring: slots with aligned buffers, each free or in flight.
//!
//! A buffer belongs to its slot from submission to completion. Where that never comes, the buffer is given up and
//! stays where it is: the kernel may still write to it.

use super::pace::{Done, Target};
use super::plan::DeviceIo;
use io_uring::{IoUring, opcode, types};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// What direct I/O asks of a buffer's address, on any device that Linux knows.
const ALIGNMENT: usize = 4096;

#[derive(Clone)]
#[repr(C, align(4096))]
struct Page([u8; ALIGNMENT]);

/// Why there is no ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The kernel refuses one.
    #[error(
        "io_uring cannot be had: {0}; the kernel may have none, or kernel.io_uring_disabled may forbid it"
    )]
    Refused(#[source] io::Error),
    /// The kernel is too old to wait with a limit.
    #[error("io_uring of this kernel cannot wait with a time limit; Linux 5.11 is needed")]
    TooOld,
}

/// How long the end waits for I/Os that are still in flight.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open device and its I/Os in flight.
pub struct Ring {
    ring: IoUring,
    device: File,
    buffers: Vec<Vec<Page>>,
    free: Vec<usize>,
    /// Pushed and not told to the kernel yet.
    pushed: bool,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("device", &self.device).field("in_flight", &self.in_flight()).finish()
    }
}

impl Ring {
    /// A ring for `outstanding` I/Os on `device`.
    ///
    /// # Errors
    /// [`RingError`] where the kernel has none.
    pub fn new(device: File, outstanding: u32) -> Result<Self, RingError> {
        let entries = outstanding.next_power_of_two().clamp(2, 4096);
        let ring = IoUring::new(entries).map_err(RingError::Refused)?;
        if !ring.params().is_feature_ext_arg() {
            return Err(RingError::TooOld);
        }
        let outstanding = outstanding.clamp(1, 4096) as usize;
        Ok(Self {
            ring,
            device,
            buffers: vec![Vec::new(); outstanding],
            free: (0..outstanding).rev().collect(),
            pushed: false,
        })
    }

    fn in_flight(&self) -> usize {
        self.buffers.len() - self.free.len()
    }
}

impl Target for Ring {
    fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    fn submit(&mut self, io: &DeviceIo) -> io::Result<usize> {
        let slot = self.free.pop().ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock))?;
        let buffer = &mut self.buffers[slot];
        let pages = (io.bytes as usize).div_ceil(ALIGNMENT);
        if buffer.len() < pages {
            buffer.resize(pages, Page([0; ALIGNMENT]));
        }
        let (fd, start) = (types::Fd(self.device.as_raw_fd()), buffer.as_mut_ptr().cast::<u8>());
        let entry = if io.write {
            opcode::Write::new(fd, start.cast_const(), io.bytes).offset(io.offset).build()
        } else {
            opcode::Read::new(fd, start, io.bytes).offset(io.offset).build()
        };
        let entry = entry.user_data(slot as u64);
        // SAFETY: the entry points to a buffer of at least `io.bytes` that its slot owns and nobody touches until the
        // completion has come; `drop` gives up the buffers of I/Os that were never answered. The descriptor stays open
        // as long as the ring does.
        #[expect(
            unsafe_code,
            reason = "io_uring takes a pointer that outlives the call; no safe wrapper is maintained"
        )]
        let pushed = unsafe { self.ring.submission().push(&entry) };
        if pushed.is_err() {
            self.free.push(slot);
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        self.pushed = true;
        Ok(slot)
    }

    fn wait(&mut self, limit: Duration, done: &mut Vec<Done>) -> io::Result<()> {
        if self.ring.completion().is_empty() || self.pushed {
            let time = types::Timespec::from(limit);
            let args = types::SubmitArgs::new().timespec(&time);
            let wanted = usize::from(!limit.is_zero());
            let entered = if limit.is_zero() {
                self.ring.submit()
            } else {
                self.ring.submitter().submit_with_args(wanted, &args)
            };
            match entered {
                Ok(_) => self.pushed = false,
                // The time is over, or a signal came; what was pushed was taken before that.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::TIME.raw_os_error()) => {
                    self.pushed = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The completion queue is full: it is emptied below.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {}
                Err(error) => return Err(error),
            }
        }
        for entry in self.ring.completion() {
            let slot = entry.user_data() as usize;
            let result = match entry.result() {
                bytes @ 0.. => Ok(bytes as u32),
                errno => Err(io::Error::from_raw_os_error(-errno)),
            };
            self.free.push(slot);
            done.push(Done { slot, result });
        }
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let until = Instant::now() + PATIENCE;
        let mut done = Vec::new();
        while self.in_flight() > 0 && Instant::now() < until {
            if self.wait(Duration::from_millis(100), &mut done).is_err() {
                break;
            }
        }
        if self.in_flight() > 0 {
            std::mem::forget(std::mem::take(&mut self.buffers));
        }
    }
}
