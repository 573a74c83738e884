//! A flash disk: commands through controller, dies, buffer and link, one event after the other.

use super::buffer::Buffer;
use super::die::{Dies, Work};
use super::{SsdParams, WriteBuffer};
use crate::{Command, CommandId, Completion, DiskModel, LATEST, ModelError};
use block_types::{Bytes, Nanos, SECTOR_BYTES, Sector, Sectors};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// How the link carries the two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// One at a time, as SATA.
    HalfDuplex,
    /// Both at once, as PCI Express.
    FullDuplex,
}

/// What happens at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A die is done with what it does.
    Die(u32),
    /// A command other than a read leaves the controller.
    Arrival(u32),
    /// The controller has handed a unit to its die.
    HandedOver,
    /// A command is done.
    Completion(u32),
}

/// A command in flight.
#[derive(Clone, Copy, Debug)]
struct Slot {
    id: CommandId,
    command: Command,
    bytes: u64,
    /// Dies that a read still waits for.
    dies: u32,
}

/// A flash disk.
#[derive(Clone, Debug)]
pub struct Ssd {
    params: SsdParams,
    link: Link,
    sectors: u64,
    random: ChaCha8Rng,
    now: u64,
    /// By time, and by the order of planning at one time, which makes the order total.
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    planned: u64,
    slots: Vec<Slot>,
    free_slots: Vec<u32>,
    in_flight: usize,
    controller_free: u64,
    /// To the host, and from it; one for both where the link is half duplex.
    link_free: [u64; 2],
    dies: Dies,
    buffer: Buffer,
    /// Whether the controller is handing a unit to a die.
    handing_over: bool,
    /// Writes that the buffer has no room for.
    stalled: VecDeque<u32>,
    /// What waits for programs: the mark in the buffer (these never fall), the end of its way over the link, which.
    waiting: VecDeque<(u64, u64, u32)>,
    done: Vec<Completion>,
}

impl Ssd {
    /// A disk that has been idle for long.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for a parameter that is.
    pub fn new(params: &SsdParams, link: Link, capacity: Bytes, seed: u64) -> Result<Self, ModelError> {
        params.check()?;
        Ok(Self {
            params: params.clone(),
            link,
            sectors: capacity.sectors().0.max(1),
            random: ChaCha8Rng::seed_from_u64(seed),
            now: 0,
            events: BinaryHeap::new(),
            planned: 0,
            slots: Vec::new(),
            free_slots: Vec::new(),
            in_flight: 0,
            controller_free: 0,
            link_free: [0; 2],
            dies: Dies::new(params.dies as usize),
            buffer: Buffer::new(params),
            handing_over: false,
            stalled: VecDeque::new(),
            waiting: VecDeque::new(),
            done: Vec::new(),
        })
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.events.push(Reverse((at, self.planned, event)));
    }

    /// Works off everything up to `now`.
    fn run(&mut self, now: u64) {
        while let Some(&Reverse((at, _, event))) = self.events.peek()
            && at <= now
        {
            self.events.pop();
            self.now = at;
            match event {
                Event::Die(die) => self.die_is_done(die as usize),
                Event::Arrival(slot) => self.arrive(slot),
                Event::HandedOver => {
                    self.handing_over = false;
                    self.hand_over();
                }
                Event::Completion(slot) => {
                    self.free_slots.push(slot);
                    self.in_flight -= 1;
                    self.done.push(Completion { id: self.slots[slot as usize].id, at: Nanos(at) });
                }
            }
        }
        self.now = self.now.max(now.min(LATEST.0));
    }

    /// Carries `bytes` over the link, from now on at the earliest, and says when they are over.
    fn carry(&mut self, bytes: u64, to_host: bool) -> u64 {
        let lane = usize::from(to_host || self.link == Link::HalfDuplex);
        let time = bytes.saturating_mul(1_000_000_000) / self.params.link_bytes_per_s;
        self.link_free[lane] = self.link_free[lane].max(self.now) + time;
        self.link_free[lane]
    }

    fn start_die(&mut self, die: usize) {
        if let Some(end) = self.dies.start(die, self.now, !self.stalled.is_empty()) {
            self.plan(end, Event::Die(die as u32));
        }
    }

    fn die_is_done(&mut self, die: usize) {
        match self.dies.finish(die) {
            Some(Work::Read(slot)) => {
                let command = &mut self.slots[slot as usize];
                command.dies -= 1;
                if command.dies == 0 {
                    let bytes = command.bytes;
                    let end = self.carry(bytes, true) + self.params.read_latency_ns;
                    self.plan(end, Event::Completion(slot));
                }
            }
            Some(Work::Program(unit)) => {
                self.buffer.programmed(self.now, unit);
                self.end_waits();
                self.admit();
            }
            None => {}
        }
        self.start_die(die);
    }

    /// Completes what waited for programs that have ended.
    fn end_waits(&mut self) {
        while let Some(&(mark, carried, slot)) = self.waiting.front()
            && self.buffer.reached(mark)
        {
            self.waiting.pop_front();
            let end = self.now.max(carried) + self.params.write_latency_ns;
            self.plan(end, Event::Completion(slot));
        }
    }

    /// Lets a command other than a read do what it asks.
    fn arrive(&mut self, slot: u32) {
        let latency = self.params.write_latency_ns;
        match self.slots[slot as usize].command {
            Command::Write { .. } => {
                self.stalled.push_back(slot);
                self.admit();
            }
            Command::Flush if self.params.write_buffer == WriteBuffer::Volatile => {
                self.wait_for_programs(slot, self.now);
            }
            Command::Flush | Command::Discard { .. } | Command::Read { .. } => {
                let end = self.now + latency;
                self.plan(end, Event::Completion(slot));
            }
        }
    }

    /// Hands the next unit of the buffer to its die, if there is one and the controller is free.
    fn hand_over(&mut self) {
        if self.handing_over {
            return;
        }
        if let Some(unit) = self.buffer.unit() {
            self.handing_over = true;
            self.plan(self.now + unit.pace, Event::HandedOver);
            let die = self.dies.program(unit);
            self.start_die(die);
        }
    }

    /// Completes a command when all that the buffer holds now is on flash.
    fn wait_for_programs(&mut self, slot: u32, carried: u64) {
        self.waiting.push_back((self.buffer.seal(), carried, slot));
        self.hand_over();
        self.end_waits();
    }

    /// Takes stalled writes into the buffer as far as they fit.
    fn admit(&mut self) {
        while let Some(&slot) = self.stalled.front() {
            let Slot { command, bytes, .. } = self.slots[slot as usize];
            if !self.buffer.fits(bytes) {
                // What is in the way may be less than a unit.
                self.buffer.seal();
                self.hand_over();
                return;
            }
            self.stalled.pop_front();
            let Command::Write { sector, sectors, fua } = command else { continue };
            self.buffer.take(self.now, sector.0, sectors.0, bytes);
            self.hand_over();
            let end = self.carry(bytes, false);
            if fua && self.params.write_buffer == WriteBuffer::Volatile {
                self.wait_for_programs(slot, end);
            } else {
                self.plan(end + self.params.write_latency_ns, Event::Completion(slot));
            }
        }
    }

    /// Queues a read on its dies, to start when the controller is done with it.
    fn read(&mut self, slot: u32, sector: Sector, sectors: Sectors, ready: u64) {
        let page_sectors = (self.params.page_bytes / SECTOR_BYTES).max(1);
        let first = sector.0 / page_sectors;
        let last = (sector.0 + sectors.0.max(1) - 1) / page_sectors;
        let (dies, pages) = (self.dies.len() as u64, last - first + 1);
        let used = pages.min(dies);
        self.slots[slot as usize].dies = used as u32;
        for step in 0..used {
            let page = first + step;
            // A stripe of one page on each die starts at a die of its own.
            let die = ((page % dies + scatter(page / dies)) % dies) as usize;
            let on_this_die = 1 + (pages - 1 - step) / dies;
            let time = self.page_time() * on_this_die;
            self.dies.read(die, slot, ready, time);
            self.start_die(die);
        }
    }

    fn page_time(&mut self) -> u64 {
        let mean = self.params.page_read_ns;
        let spread = mean * self.params.page_read_spread_percent / 100;
        if spread == 0 { mean } else { self.random.random_range(mean - spread..=mean + spread) }
    }
}

/// A number that looks drawn: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), cut to 32 bits so that sums
/// do not overflow.
const fn scatter(number: u64) -> u64 {
    let a = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (c ^ (c >> 31)) >> 32
}

impl DiskModel for Ssd {
    fn submit(&mut self, now: Nanos, id: CommandId, command: Command) {
        self.run(now.0);
        let command = command.within(Sectors(self.sectors));
        let slot = Slot { id, command, bytes: command.sectors().bytes().0, dies: 0 };
        let index = match self.free_slots.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.in_flight += 1;
        let turn = match command {
            Command::Read { .. } => self.params.read_command_ns,
            _ => self.params.write_command_ns,
        };
        self.controller_free = self.controller_free.max(self.now) + turn;
        match command {
            Command::Read { sector, sectors } => self.read(index, sector, sectors, self.controller_free),
            _ => self.plan(self.controller_free, Event::Arrival(index)),
        }
    }

    fn next_event(&self) -> Option<Nanos> {
        if let Some(completion) = self.done.first() {
            return Some(completion.at);
        }
        self.events.peek().map(|&Reverse((at, _, _))| Nanos(at))
    }

    fn advance(&mut self, now: Nanos, done: &mut Vec<Completion>) {
        self.run(now.0);
        done.append(&mut self.done);
    }

    fn in_flight(&self) -> usize {
        self.in_flight + self.done.len()
    }
}
