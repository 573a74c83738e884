//! New queues: bursts of them, and processes that share one.
//!
//! Where the disk gains nothing from idling for a process that began within 180 ms of another (as fio's jobs do), the two
//! share a queue for good from 600 ms on: a *stable merge*. It is decided once, by what the process does at that time; and
//! who began first has the queue that the others come to.

use super::Bfq;
use super::queue::Queue;
use crate::request::NIL;

/// Queues that begin within this of one another are a burst; so many are a large one.
const BURST_NS: u64 = 180_000_000;
const LARGE_BURST: usize = 8;
/// A queue that begins within [`BURST_NS`] of another may be merged with it for good, after this.
const STABLE_NS: u64 = 600_000_000;

/// What is known of a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// Its queue of synchronous requests.
    pub(super) queue: u32,
    /// Requests that it has, queued or dispatched.
    pub(super) requests: u64,
}

impl Stream {
    const NEW: Self = Self { queue: NIL, requests: 0 };
}

impl Bfq {
    pub(super) fn stream(&mut self, stream: u32) -> &mut Stream {
        let stream = stream as usize;
        if stream >= self.streams.len() {
            self.streams.resize(stream + 1, Stream::NEW);
        }
        &mut self.streams[stream]
    }

    /// The queue that a request goes to.
    pub(super) fn queue_for(&mut self, stream: u32, sync: bool, class: usize, now: u64) -> usize {
        let known = if sync { self.stream(stream).queue } else { self.asynchronous[class] };
        let id = match known {
            NIL => self.begin(sync, class, now),
            known if sync => self.merged(known as usize, now) as u32,
            known => known,
        };
        if sync {
            self.stream(stream).queue = id;
        } else {
            self.asynchronous[class] = id;
        }
        self.queues[id as usize].class = class;
        id as usize
    }

    /// A new queue; or, on a disk that neither rotates nor needs to be fed one at a time, that of a process which
    /// began just before.
    fn begin(&mut self, sync: bool, class: usize, now: u64) -> u32 {
        let id = self.queues.len() as u32;
        let mut queue = Queue::new(class, sync, now, &self.rate);
        if sync {
            let first = self.first_begun.filter(|&first| {
                let first = &self.queues[first as usize];
                first.class == class && now <= first.begun + STABLE_NS
            });
            match first {
                None => self.first_begun = Some(id),
                Some(first) if now > self.queues[first as usize].begun + BURST_NS => {}
                Some(first) if self.is_deep_flash() => {
                    let shared = &mut self.queues[first as usize];
                    shared.processes += 1;
                    return first;
                }
                Some(first) => queue.merges_with = Some(first),
            }
        }
        self.queues.push(queue);
        id
    }

    const fn is_deep_flash(&self) -> bool {
        !self.knobs.rotational && matches!(self.has_depth, Some(true))
    }

    /// The queue that this one is merged with now, or itself.
    fn merged(&mut self, id: usize, now: u64) -> usize {
        let queue = &self.queues[id];
        let Some(other) = queue.merges_with.filter(|_| now > queue.begun + STABLE_NS) else { return id };
        if self.is_deep_flash() {
            return id;
        }
        let other = other as usize;
        let stays = self.idling_pays(id) || self.queues[other].processes == 0;
        self.queues[id].merges_with = None;
        if stays {
            return id;
        }
        let queue = &mut self.queues[id];
        queue.processes -= 1;
        let io_bound = std::mem::take(&mut queue.intensity.io_bound);
        let shared = &mut self.queues[other];
        shared.processes += 1;
        shared.intensity.io_bound |= io_bound;
        self.forget_wakings(id, other);
        if self.first_begun == Some(id as u32) {
            self.first_begun = None;
        }
        other
    }

    /// Counts queues that begin at once.
    pub(super) fn note_burst(&mut self, id: usize, now: u64) {
        if !self.queues[id].sync {
            return;
        }
        if now - self.burst_at > BURST_NS || self.burst.is_empty() {
            self.burst.clear();
            self.is_large_burst = false;
        }
        self.burst_at = now;
        if self.is_large_burst {
            self.queues[id].in_large_burst = true;
            return;
        }
        self.queues[id].in_large_burst = false;
        self.burst.push(id as u32);
        if self.burst.len() >= LARGE_BURST {
            self.is_large_burst = true;
            for &id in &self.burst {
                self.queues[id as usize].in_large_burst = true;
            }
        }
    }
}
