//! The dies: reads in their order, programs between them.

use super::buffer::Unit;
use std::collections::VecDeque;

/// A read of pages that a die holds, as an entry of a pool: lists through it need no memory of their own.
#[derive(Clone, Copy, Debug)]
struct PageRead {
    slot: u32,
    ready: u64,
    time: u64,
    next: Option<u32>,
}

/// What a die is doing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// Reading for the command in this slot.
    Read(u32),
    /// Programming.
    Program(Unit),
}

#[derive(Clone, Debug, Default)]
struct Die {
    work: Option<Work>,
    first: Option<u32>,
    last: Option<u32>,
    programs: VecDeque<Unit>,
    read_last: bool,
}

/// All dies of a disk.
#[derive(Clone, Debug)]
pub(super) struct Dies {
    dies: Vec<Die>,
    pool: Vec<PageRead>,
    free: Option<u32>,
    next_to_program: usize,
}

impl Dies {
    pub(super) fn new(count: usize) -> Self {
        Self { dies: vec![Die::default(); count], pool: Vec::new(), free: None, next_to_program: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.dies.len()
    }

    /// Queues a read of pages that takes `time` and may start at `ready`.
    pub(super) fn read(&mut self, die: usize, slot: u32, ready: u64, time: u64) {
        let entry = PageRead { slot, ready, time, next: None };
        let index = match self.free {
            Some(index) => {
                self.free = self.pool[index as usize].next;
                self.pool[index as usize] = entry;
                index
            }
            None => {
                self.pool.push(entry);
                (self.pool.len() - 1) as u32
            }
        };
        let die = &mut self.dies[die];
        match die.last.replace(index) {
            Some(last) => self.pool[last as usize].next = Some(index),
            None => die.first = Some(index),
        }
    }

    /// Queues a program on the die whose turn it is, and says which.
    pub(super) fn program(&mut self, unit: Unit) -> usize {
        let die = self.next_to_program;
        self.next_to_program = (die + 1) % self.dies.len();
        self.dies[die].programs.push_back(unit);
        die
    }

    /// What a die was doing, which ends now.
    pub(super) fn finish(&mut self, die: usize) -> Option<Work> {
        self.dies[die].work.take()
    }

    /// Gives an idle die its next work, and says when that ends; `None` if it is busy or has nothing to do.
    pub(super) fn start(&mut self, die: usize, now: u64, writes_stalled: bool) -> Option<u64> {
        let die = &mut self.dies[die];
        if die.work.is_some() {
            return None;
        }
        let read = die.first.map(|index| (index, self.pool[index as usize]));
        let program = die.programs.front().copied();
        let read_first = match (&read, &program) {
            (Some(_), None) => true,
            (Some((_, read)), Some(_)) => read.ready <= now && !(writes_stalled && die.read_last),
            (None, _) => false,
        };
        match (read, program) {
            (Some((index, read)), _) if read_first => {
                die.first = read.next;
                if read.next.is_none() {
                    die.last = None;
                }
                self.pool[index as usize].next = self.free;
                self.free = Some(index);
                die.work = Some(Work::Read(read.slot));
                die.read_last = true;
                Some(now.max(read.ready) + read.time)
            }
            (_, Some(unit)) => {
                die.programs.pop_front();
                die.work = Some(Work::Program(unit));
                die.read_last = false;
                Some(now + unit.time)
            }
            _ => None,
        }
    }
}
