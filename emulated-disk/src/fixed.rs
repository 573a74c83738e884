//! A disk that takes the same time for everything: what fidelity is measured with.

use block_types::Nanos;
use disk_model::{Command, CommandId, Completion, DiskModel};
use std::collections::VecDeque;

/// Every command is done a fixed time after it came, however many there are.
#[derive(Clone, Debug)]
pub struct FixedDisk {
    service: Nanos,
    waiting: VecDeque<Completion>,
}

impl FixedDisk {
    /// A disk whose every command takes `service`.
    #[must_use]
    pub const fn new(service: Nanos) -> Self {
        Self { service, waiting: VecDeque::new() }
    }
}

impl DiskModel for FixedDisk {
    fn submit(&mut self, now: Nanos, id: CommandId, _: Command) {
        // Times never go back, so the queue stays in order.
        self.waiting.push_back(Completion { id, at: now + self.service });
    }

    fn next_event(&self) -> Option<Nanos> {
        self.waiting.front().map(|completion| completion.at)
    }

    fn advance(&mut self, now: Nanos, done: &mut Vec<Completion>) {
        while let Some(first) = self.waiting.front()
            && first.at <= now
        {
            done.push(*first);
            self.waiting.pop_front();
        }
    }

    fn in_flight(&self) -> usize {
        self.waiting.len()
    }
}
