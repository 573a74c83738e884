//! A disk that takes no time: what is left when it is measured is the measuring path itself.

use crate::{Command, CommandId, Completion, DiskModel};
use block_types::Nanos;

/// Done as soon as asked.
#[derive(Clone, Debug, Default)]
pub struct InstantDisk {
    waiting: Vec<Completion>,
}

impl DiskModel for InstantDisk {
    fn submit(&mut self, now: Nanos, id: CommandId, _: Command) {
        self.waiting.push(Completion { id, at: now });
    }

    fn next_event(&self) -> Option<Nanos> {
        self.waiting.first().map(|completion| completion.at)
    }

    fn advance(&mut self, _: Nanos, done: &mut Vec<Completion>) {
        done.append(&mut self.waiting);
    }

    fn in_flight(&self) -> usize {
        self.waiting.len()
    }
}
