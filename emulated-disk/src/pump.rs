//! The process that serves one emulated disk: takes requests, asks the model when, moves the data, answers.
//!
//! One thread does all of it, so the model needs no lock and an answer no hand-over. While nothing is due for long it
//! sleeps in ppoll(2); what is due soon it waits for by asking for further requests again and again, because waking up
//! takes longer than a fast disk.

use crate::clockwork::{Clockwork, Due};
use crate::control::{Order, Orders};
use crate::fuse::abi::{self, Operation, Request};
use crate::store::Store;
use crate::{Error, FixedDisk, Spec, Stats};
use block_types::{Bytes, Nanos, SECTOR_BYTES, Sector, Sectors};
use disk_model::Command;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

/// What is due within this is waited for awake: a wake-up from ppoll(2) takes up to that long on a virtual machine.
const AWAKE: Nanos = Nanos(80_000);
/// After so many requests without a pause somebody who asks for the statistics is heard all the same.
const PATIENCE: u32 = 1024;
/// Buffers for small reads are kept; larger ones only so many of.
const LARGE_BUFFERS: usize = 64;

/// How long everything takes before the model begins, for the keeper to measure the way with. It is long enough for the
/// processors to fall asleep, as they do before a disk. A reader that waits for less finds the server awake on
/// its own processor, and the way less than half as long as it is for programs with more than one request.
pub(crate) const TRIAL_SERVICE: Nanos = Nanos(1_000_000);

/// The serving process's place among those that want a processor, of −20 (before all) to 19.
const NICE: i32 = -10;

/// What is sent back once the model's disk is done.
#[derive(Debug)]
enum Answer {
    Data { buffer: Vec<u8>, size: usize },
    Written(usize),
    Done,
    Failed(Errno),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Flush,
    Discard,
}

/// A request in the model's hands.
#[derive(Debug)]
struct Pending {
    unique: u64,
    kind: Kind,
    bytes: u64,
    answer: Answer,
}

/// Buffers that reads are answered from: header and data in one piece.
#[derive(Debug, Default)]
struct Buffers {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

impl Buffers {
    const SMALL: usize = abi::OUT_HEADER + (16 << 10);
    const LARGE: usize = abi::OUT_HEADER + abi::MAX_IO;

    fn take(&mut self, size: usize) -> Vec<u8> {
        if abi::OUT_HEADER + size <= Self::SMALL {
            self.small.pop().unwrap_or_else(|| vec![0; Self::SMALL])
        } else {
            self.large.pop().unwrap_or_else(|| vec![0; Self::LARGE])
        }
    }

    fn give_back(&mut self, buffer: Vec<u8>) {
        if buffer.len() == Self::SMALL {
            if self.small.len() < usize::from(abi::MAX_BACKGROUND) {
                self.small.push(buffer);
            }
        } else if self.large.len() < LARGE_BUFFERS {
            self.large.push(buffer);
        }
    }
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Took,
    NothingThere,
    Ended,
}

/// The serving process.
pub(crate) struct Pump {
    connection: OwnedFd,
    file_name: String,
    store: Store,
    orders: Orders,
    spec: Spec,
    clockwork: Clockwork<Pending>,
    buffers: Buffers,
    due: Vec<Due<Pending>>,
    stats: Stats,
    cpu_before: u64,
}

/// The clock that everything here goes by.
fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    Nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

impl Pump {
    /// A process that answers everything after [`TRIAL_SERVICE`], until it is told to begin with the model.
    pub(crate) fn new(
        connection: OwnedFd,
        data: OwnedFd,
        orders: Orders,
        file_name: String,
        spec: Spec,
    ) -> Result<Self, Error> {
        let store = Store::from_fd(data, spec.size);
        let clockwork = Clockwork::new(Box::new(FixedDisk::new(TRIAL_SERVICE)), Nanos::ZERO);
        let (buffers, stats) = (Buffers::default(), Stats::default());
        Ok(Self {
            connection,
            file_name,
            store,
            orders,
            spec,
            clockwork,
            buffers,
            due: Vec::new(),
            stats,
            cpu_before: 0,
        })
    }

    /// Serves until the disk is detached.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        prepare_thread();
        let mut request = vec![0; abi::REQUEST_BYTES];
        let mut without_pause = 0;
        loop {
            self.answer_due();
            match self.take_one(&mut request)? {
                Turn::Ended => return Ok(()),
                Turn::Took if without_pause < PATIENCE => without_pause += 1,
                Turn::Took => {
                    without_pause = 0;
                    self.pause(Some(Nanos::ZERO))?;
                }
                Turn::NothingThere => {
                    let remaining = self.clockwork.next().map(|at| at - now());
                    match remaining {
                        Some(remaining) if remaining <= AWAKE => {
                            // Whoever shares this processor may be the one to bring the next request.
                            rustix::thread::sched_yield();
                            without_pause += 1;
                            if without_pause >= PATIENCE {
                                without_pause = 0;
                                self.pause(Some(Nanos::ZERO))?;
                            }
                        }
                        Some(remaining) => self.pause(Some(remaining - AWAKE))?,
                        None => self.pause(None)?,
                    }
                }
            }
        }
    }

    /// Sleeps until there is a request, somebody on the control socket, or `at_most` is over.
    fn pause(&mut self, at_most: Option<Nanos>) -> Result<(), Error> {
        let timeout = at_most.map(|time| Timespec {
            tv_sec: i64::try_from(time.0 / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: (time.0 % 1_000_000_000) as _,
        });
        let mut polled =
            [PollFd::new(&self.connection, PollFlags::IN), PollFd::new(&self.orders, PollFlags::IN)];
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::system("wait for a request", errno)),
        }
        if polled[1].revents().contains(PollFlags::IN) {
            self.obey()?;
        }
        Ok(())
    }

    fn obey(&mut self) -> Result<(), Error> {
        let Some(mut asked) = self.orders.next() else { return Ok(()) };
        match asked.order() {
            Some(Order::Stats) => {
                self.stats.in_flight = self.clockwork.in_flight() as u64;
                self.stats.cpu_ns = cpu_ns() - self.cpu_before;
                self.stats.allocated_bytes = self.store.allocated().0;
                asked.reply(&self.stats);
            }
            // Nothing is in flight: only the process that gives this order has the disk as yet.
            Some(Order::Begin { lead }) => {
                let model = self.spec.model.build(self.spec.size, self.spec.seed)?;
                self.clockwork = Clockwork::new(model, lead);
                self.stats = Stats { lead_ns: lead.0, ..Stats::default() };
                self.cpu_before = cpu_ns();
                asked.reply(&self.stats);
            }
            None => {}
        }
        Ok(())
    }

    /// Takes one request, if there is one.
    fn take_one(&mut self, buffer: &mut [u8]) -> Result<Turn, Error> {
        let length = match rustix::io::read(&self.connection, &mut *buffer) {
            Ok(length) => length,
            Err(Errno::AGAIN) => return Ok(Turn::NothingThere),
            // The request was taken back, or a signal came.
            Err(Errno::NOENT | Errno::INTR) => return Ok(Turn::Took),
            Err(Errno::NODEV) => return Ok(Turn::Ended),
            Err(errno) => return Err(Error::system("read a FUSE request", errno)),
        };
        let Some(request) = Request::parse(&buffer[..length], &self.file_name) else {
            return Err(Error::failed(format!("the kernel sent {length} bytes that are no FUSE request")));
        };
        self.handle(&request, buffer)
    }

    fn handle(&mut self, request: &Request, buffer: &[u8]) -> Result<Turn, Error> {
        let unique = request.unique;
        let size = self.store.size();
        match &request.operation {
            Operation::Init { minor, max_readahead, flags } => {
                match abi::init(*minor, *max_readahead, *flags) {
                    Some(reply) => self.send(unique, &reply),
                    None => {
                        self.fail(unique, Errno::PROTO);
                        return Err(Error::unavailable("this kernel's FUSE has no asynchronous direct I/O"));
                    }
                }
            }
            Operation::Lookup { is_the_file: true } => self.send(unique, &abi::entry(size)),
            Operation::Lookup { is_the_file: false } => self.fail(unique, Errno::NOENT),
            Operation::Attributes { is_the_file } => self.send(unique, &abi::attributes(*is_the_file, size)),
            Operation::Open => self.send(unique, &abi::opened()),
            Operation::Statistics => self.send(unique, &abi::statistics(size)),
            Operation::Acknowledge => self.send(unique, &[]),
            Operation::Silent => {}
            Operation::Destroy => {
                self.send(unique, &[]);
                return Ok(Turn::Ended);
            }
            Operation::Unknown => self.fail(unique, Errno::NOSYS),
            Operation::Read { offset, size } => self.read(unique, *offset, *size),
            Operation::Write { offset, data } => {
                let data = &buffer[data.clone()];
                let (sector, sectors) = range(*offset, data.len() as u64);
                let command = Command::Write { sector, sectors, fua: false };
                self.accept(command, unique, Kind::Write, data.len() as u64, |pump| {
                    pump.store.write(*offset, data).map(|()| Answer::Written(data.len()))
                });
            }
            Operation::Sync => self.accept(Command::Flush, unique, Kind::Flush, 0, |_| Ok(Answer::Done)),
            Operation::Allocate { mode, offset, length } => self.allocate(unique, *mode, *offset, *length),
        }
        Ok(Turn::Took)
    }

    fn read(&mut self, unique: u64, offset: u64, size: usize) {
        if size > abi::MAX_IO {
            return self.fail(unique, Errno::INVAL);
        }
        let (sector, sectors) = range(offset, size as u64);
        self.accept(Command::Read { sector, sectors }, unique, Kind::Read, size as u64, |pump| {
            let mut buffer = pump.buffers.take(size);
            match pump.store.read(offset, &mut buffer[abi::OUT_HEADER..abi::OUT_HEADER + size]) {
                Ok(()) => Ok(Answer::Data { buffer, size }),
                Err(errno) => {
                    pump.buffers.give_back(buffer);
                    Err(errno)
                }
            }
        });
    }

    fn allocate(&mut self, unique: u64, mode: u32, offset: u64, length: u64) {
        let (sector, sectors) = range(offset, length);
        let mode = FallocateFlags::from_bits_retain(mode);
        // A discard arrives as a hole; zeroes that must stay allocated arrive as a zeroed range, which a disk
        // writes. A hole reads as zeroes too, and tmpfs knows nothing else.
        let command = if mode.contains(FallocateFlags::PUNCH_HOLE) {
            Command::Discard { sector, sectors }
        } else if mode.contains(FallocateFlags::ZERO_RANGE) {
            Command::Write { sector, sectors, fua: false }
        } else {
            return self.fail(unique, Errno::OPNOTSUPP);
        };
        self.accept(command, unique, Kind::Discard, length, |pump| {
            pump.store.punch(offset, length).map(|()| Answer::Done)
        });
    }

    /// Hands a command to the model as of now, and moves its data meanwhile: that is part of its service time.
    fn accept(
        &mut self,
        command: Command,
        unique: u64,
        kind: Kind,
        bytes: u64,
        work: impl FnOnce(&mut Self) -> Result<Answer, Errno>,
    ) {
        let arrived = now();
        self.answer_due_by(arrived);
        let answer = work(self).unwrap_or_else(Answer::Failed);
        self.clockwork.submit(arrived, command, Pending { unique, kind, bytes, answer });
    }

    fn answer_due(&mut self) {
        if self.clockwork.next().is_some() {
            self.answer_due_by(now());
        }
    }

    fn answer_due_by(&mut self, now: Nanos) {
        let mut due = std::mem::take(&mut self.due);
        self.clockwork.take_due(now, |one| due.push(one));
        for one in due.drain(..) {
            self.answer(one);
        }
        self.due = due;
    }

    fn answer(&mut self, due: Due<Pending>) {
        let Pending { unique, kind, bytes, answer } = due.what;
        let left = now();
        self.stats.lateness.record(left - due.leaves);
        self.stats.service.record(left - due.arrived);
        let (count, sum) = match kind {
            Kind::Read => (&mut self.stats.reads, Some(&mut self.stats.read_bytes)),
            Kind::Write => (&mut self.stats.writes, Some(&mut self.stats.write_bytes)),
            Kind::Flush => (&mut self.stats.flushes, None),
            Kind::Discard => (&mut self.stats.discards, Some(&mut self.stats.discard_bytes)),
        };
        *count += 1;
        if let Some(sum) = sum {
            *sum += bytes;
        }
        match answer {
            Answer::Data { mut buffer, size } => {
                buffer[..abi::OUT_HEADER].copy_from_slice(&abi::header(unique, size));
                self.write(&buffer[..abi::OUT_HEADER + size]);
                self.buffers.give_back(buffer);
            }
            Answer::Written(size) => self.send(unique, &abi::written(size)),
            Answer::Done => self.send(unique, &[]),
            Answer::Failed(errno) => {
                self.stats.errors += 1;
                self.fail(unique, errno);
            }
        }
    }

    fn send(&self, unique: u64, payload: &[u8]) {
        let mut reply = Vec::with_capacity(abi::OUT_HEADER + payload.len());
        reply.extend(abi::header(unique, payload.len()));
        reply.extend(payload);
        self.write(&reply);
    }

    fn fail(&self, unique: u64, errno: Errno) {
        self.write(&abi::failure(unique, errno));
    }

    /// A reply is taken whole or not at all. It is refused only where nobody waits for it any more: the request was
    /// aborted, or the connection is gone, which the next read tells.
    fn write(&self, reply: &[u8]) {
        let _ = rustix::io::write(&self.connection, reply);
    }
}

/// The sectors of a range of bytes; the loop driver sends whole ones.
fn range(offset: u64, length: u64) -> (Sector, Sectors) {
    (Sector(offset / SECTOR_BYTES), Bytes(length).sectors())
}

/// Makes the thread fit for pacing. Each of these only makes it better, so that none is insisted on.
fn prepare_thread() {
    // The kernel otherwise lets every sleep take 50 µs longer, to wake fewer times.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    // It stands for hardware, which does not wait for a processor. Not more than this: what brings the requests here
    // runs with the ordinary priority.
    let _ = rustix::process::setpriority_process(None, NICE);
    // Memory that this process asks for must not be got by writing to the disk that it serves.
    let _ = rustix::process::configure_io_flusher_behavior(true);
}
