//! The files of a binary trace, read by threads and merged by the caller.

use super::{is_notify, is_queue};
use crate::cursor::RecordReader;
use crate::error::{Error, Result};
use crate::event::{Device, Event};
use crate::io_event::to_io_event;
use crate::lost::Lost;
use crate::open::Source;
use crate::sequence::SequenceCheck;
use block_types::IoEvent;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Events of a file that are held back to be sorted among those of its next batch.
const HELD: usize = 64;

/// Batches of one file that wait for the caller.
const MOST_READY: usize = 2;

/// More threads than this wait for each other more than they read.
const MOST_THREADS: usize = 2;

/// One file on its way to batches.
pub(super) struct Lane {
    reader: RecordReader<Source>,
    file: Option<PathBuf>,
    held: Vec<IoEvent>,
    sequence: SequenceCheck,
    records: u64,
}

impl Lane {
    pub(super) fn new(reader: RecordReader<Source>, file: Option<PathBuf>) -> Self {
        Self { reader, file, held: Vec::new(), sequence: SequenceCheck::default(), records: 0 }
    }

    /// Fills `batch`, which is empty, with what one reading of the file brings; `false` when that was the last.
    fn scan(&mut self, batch: &mut Vec<IoEvent>) -> Result<bool> {
        batch.append(&mut self.held);
        let Self { reader, sequence, records, .. } = self;
        let read = reader.next_records(|record| {
            *records += 1;
            let header = &record.header;
            if header.sequence != 0 && !is_notify(header.action) {
                sequence.observe_number(Device::from_kernel(header.device), header.cpu, header.sequence);
            }
            if is_queue(header.action) {
                batch.extend(to_io_event(&Event::from_record(record)?));
            }
            Ok(())
        });
        if !batch.is_sorted_by_key(|event| event.at) {
            batch.sort_by_key(|event| event.at);
        }
        if matches!(read, Ok(true)) {
            self.held.extend(batch.drain(batch.len().saturating_sub(HELD)..));
        }
        match &self.file {
            Some(file) => read.map_err(|error| error.in_file(file)),
            None => read,
        }
    }
}

/// What the threads and the caller share of one file.
struct Slot {
    /// `None` while a thread reads it.
    lane: Option<Lane>,
    ready: VecDeque<Vec<IoEvent>>,
    ended: bool,
    failed: Option<Error>,
}

struct State {
    slots: Vec<Slot>,
    spare: Vec<Vec<IoEvent>>,
    stop: bool,
}

struct Shared {
    state: Mutex<State>,
    /// A batch came, or a file ended.
    ready: Condvar,
    /// A batch was taken, or the caller went.
    room: Condvar,
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// A thread's life: reads whichever file has the fewest batches ready, until all have ended.
    fn work(&self) {
        let mut state = lock(self);
        while !state.stop && state.slots.iter().any(|slot| !slot.ended) {
            let slots = state.slots.iter().enumerate();
            let hungry = slots
                .filter(|(_, slot)| slot.lane.is_some() && !slot.ended && slot.ready.len() < MOST_READY)
                .min_by_key(|(_, slot)| slot.ready.len())
                .map(|(index, _)| index);
            let Some((index, mut lane)) =
                hungry.and_then(|index| Some((index, state.slots[index].lane.take()?)))
            else {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let mut batch = state.spare.pop().unwrap_or_default();
            drop(state);
            let read = lane.scan(&mut batch);
            state = lock(self);
            if batch.is_empty() {
                state.spare.push(batch);
            } else {
                state.slots[index].ready.push_back(batch);
            }
            let slot = &mut state.slots[index];
            slot.lane = Some(lane);
            slot.ended = !matches!(read, Ok(true));
            slot.failed = read.err();
            self.ready.notify_one();
            if slot.ended {
                // The other thread may wait for a file to read.
                self.room.notify_all();
            }
        }
    }
}

/// A batch that is being handed out.
#[derive(Default)]
struct Current {
    batch: Vec<IoEvent>,
    next: usize,
}

/// All files, merged.
pub(super) struct Lanes {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    current: Vec<Current>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    errors: VecDeque<Error>,
    started: bool,
    last: u64,
    late: u64,
}

impl Lanes {
    /// Starts reading.
    pub(super) fn start(lanes: Vec<Lane>) -> Result<Self> {
        let count = lanes.len();
        let slot = |lane| Slot { lane: Some(lane), ready: VecDeque::new(), ended: false, failed: None };
        let state = State { slots: lanes.into_iter().map(slot).collect(), spare: Vec::new(), stop: false };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), ready: Condvar::new(), room: Condvar::new() });
        let mut all = Self {
            shared,
            threads: Vec::new(),
            current: (0..count).map(|_| Current::default()).collect(),
            heads: BinaryHeap::with_capacity(count),
            errors: VecDeque::new(),
            started: false,
            last: 0,
            late: 0,
        };
        for _ in 0..count.min(MOST_THREADS) {
            let shared = Arc::clone(&all.shared);
            let thread = std::thread::Builder::new().name("trace-reader".to_owned());
            let thread = thread.spawn(move || shared.work());
            all.threads.push(thread.map_err(|error| Error::opening(error.into()))?);
        }
        Ok(all)
    }

    /// The earliest of all.
    #[inline]
    pub(super) fn next_event(&mut self) -> Result<Option<IoEvent>> {
        if !self.started {
            self.started = true;
            for index in 0..self.current.len() {
                self.refill(index);
            }
        }
        if let Some(error) = self.errors.pop_front() {
            return Err(error);
        }
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let index = head.0.1;
        let current = &mut self.current[index];
        let event = current.batch[current.next];
        current.next += 1;
        if let Some(next) = current.batch.get(current.next) {
            head.0.0 = next.at.0;
            drop(head);
        } else {
            std::collections::binary_heap::PeekMut::pop(head);
            self.refill(index);
        }
        if event.at.0 < self.last {
            self.late += 1;
        } else {
            self.last = event.at.0;
        }
        Ok(Some(event))
    }

    /// Takes the next batch of a file, waiting for it, and enters its first event among the heads.
    #[cold]
    fn refill(&mut self, index: usize) {
        let current = &mut self.current[index];
        current.batch.clear();
        let mut state = lock(&self.shared);
        state.spare.push(std::mem::take(&mut current.batch));
        loop {
            let slot = &mut state.slots[index];
            if let Some(batch) = slot.ready.pop_front() {
                *current = Current { batch, next: 0 };
                self.shared.room.notify_one();
                break;
            }
            if slot.ended {
                self.errors.extend(slot.failed.take());
                return;
            }
            state = self.shared.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        if let Some(first) = current.batch.first() {
            self.heads.push(Reverse((first.at.0, index)));
        }
    }

    pub(super) const fn late(&self) -> u64 {
        self.late
    }

    /// Sums something over the files that are not being read just now; at the end that is all of them.
    fn sum<T>(&self, mut add: impl FnMut(&Lane) -> T, into: impl FnMut(T)) {
        lock(&self.shared).slots.iter().filter_map(|slot| slot.lane.as_ref()).map(&mut add).for_each(into);
    }

    pub(super) fn records(&self) -> u64 {
        let mut all = 0;
        self.sum(|lane| lane.records, |records| all += records);
        all
    }

    pub(super) fn lost(&self) -> Lost {
        let mut all = Lost::default();
        self.sum(|lane| lane.reader.lost(), |lost| all.add(lost));
        all
    }

    pub(super) fn missing(&self) -> u64 {
        let mut all = 0;
        self.sum(|lane| lane.sequence.missing(), |missing| all += missing);
        all
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        lock(&self.shared).stop = true;
        self.shared.room.notify_all();
        // A thread that reads a pipe in which nothing comes is left to end with it.
        self.threads.retain(|thread| !thread.is_finished());
    }
}
