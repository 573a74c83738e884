//! A disk model at the pace of a clock: what is in flight, and when each of it is answered.
//!
//! Pure: the clock is an argument of every call. The one idea beyond the model's own is the *lead*: an answer needs
//! some time from here to the program that waits for it (and its question needed some time to get here), so it leaves
//! that much before the model's disk would be done. What the program sees is then the model's time.

use block_types::Nanos;
use disk_model::{Command, CommandId, Completion, DiskModel};

/// One command in flight, with what the caller wants back.
#[derive(Debug)]
struct Waiting<T> {
    arrived: Nanos,
    what: T,
}

/// A command that is to be answered now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due<T> {
    /// When the command came.
    pub(crate) arrived: Nanos,
    /// When its answer should leave, by the model and the lead; never before it came.
    pub(crate) leaves: Nanos,
    /// What the caller gave with it.
    pub(crate) what: T,
}

/// A [`DiskModel`], the commands in it, and the lead.
pub(crate) struct Clockwork<T> {
    model: Box<dyn DiskModel>,
    lead: Nanos,
    /// The model's time, which is ahead of the clock by at most the lead, and never goes back.
    reached: Nanos,
    slots: Vec<Option<Waiting<T>>>,
    free: Vec<usize>,
    done: Vec<Completion>,
}

impl<T> Clockwork<T> {
    /// Runs `model`; answers leave `lead` early.
    pub(crate) fn new(model: Box<dyn DiskModel>, lead: Nanos) -> Self {
        Self { model, lead, reached: Nanos::ZERO, slots: Vec::new(), free: Vec::new(), done: Vec::new() }
    }

    /// Takes a command that arrives at `now`. What was due by then must have been taken by [`Self::take_due`].
    pub(crate) fn submit(&mut self, now: Nanos, command: Command, what: T) {
        let waiting = Some(Waiting { arrived: now, what });
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot] = waiting;
            slot
        } else {
            self.slots.push(waiting);
            self.slots.len() - 1
        };
        // The model may already have been asked about the moment that the lead looks ahead to.
        self.reached = self.reached.max(now);
        self.model.submit(self.reached, CommandId(slot as u64), command);
    }

    /// When [`Self::take_due`] next has something to do; `None` while nothing is in flight.
    pub(crate) fn next(&self) -> Option<Nanos> {
        self.model.next_event().map(|at| at - self.lead)
    }

    /// Lets the disk work and hands over what is to be answered by `now`, in the model's order.
    pub(crate) fn take_due(&mut self, now: Nanos, mut answer: impl FnMut(Due<T>)) {
        let horizon = now + self.lead;
        while let Some(next) = self.model.next_event()
            && next <= horizon
        {
            self.reached = self.reached.max(next);
            self.model.advance(self.reached, &mut self.done);
            for completion in self.done.drain(..) {
                let slot = completion.id.0 as usize;
                // A model that completes what was never submitted completes nothing.
                if let Some(waiting) = self.slots.get_mut(slot).and_then(Option::take) {
                    self.free.push(slot);
                    let leaves = (completion.at - self.lead).max(waiting.arrived);
                    answer(Due { arrived: waiting.arrived, leaves, what: waiting.what });
                }
            }
        }
    }

    /// How many commands are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::FixedDisk;
    use block_types::{Sector, Sectors};

    const READ: Command = Command::Read { sector: Sector(0), sectors: Sectors(8) };

    fn fixed(lead: u64) -> Clockwork<char> {
        Clockwork::new(Box::new(FixedDisk::new(Nanos(1000))), Nanos(lead))
    }

    fn due(clockwork: &mut Clockwork<char>, now: u64) -> Vec<(char, u64)> {
        let mut all = Vec::new();
        clockwork.take_due(Nanos(now), |due| all.push((due.what, due.leaves.0)));
        all
    }

    #[test]
    fn answers_leave_at_the_models_time_and_in_its_order() {
        let mut clockwork = fixed(0);
        clockwork.submit(Nanos(10), READ, 'a');
        clockwork.submit(Nanos(20), READ, 'b');
        assert_eq!(clockwork.next(), Some(Nanos(1010)));
        assert_eq!(due(&mut clockwork, 1009), []);
        assert_eq!(due(&mut clockwork, 5000), [('a', 1010), ('b', 1020)]);
        assert_eq!((clockwork.in_flight(), clockwork.next()), (0, None));
    }

    #[test]
    fn the_lead_brings_answers_forward_but_never_before_their_question() {
        let mut clockwork = fixed(300);
        clockwork.submit(Nanos(1000), READ, 'a');
        assert_eq!(clockwork.next(), Some(Nanos(1700)));
        assert_eq!(due(&mut clockwork, 1700), [('a', 1700)]);
        let mut clockwork = fixed(4000);
        clockwork.submit(Nanos(5000), READ, 'b');
        assert_eq!(due(&mut clockwork, 5000), [('b', 5000)]);
    }

    #[test]
    fn a_command_that_comes_inside_the_lead_does_not_turn_the_models_clock_back() {
        let mut clockwork = fixed(300);
        clockwork.submit(Nanos(1000), READ, 'a');
        assert_eq!(due(&mut clockwork, 1700), [('a', 1700)]);
        // The model stands at 2000: a command that comes at 1800 starts then, and is answered 300 early too.
        clockwork.submit(Nanos(1800), READ, 'b');
        assert_eq!(due(&mut clockwork, 2699), []);
        assert_eq!(due(&mut clockwork, 2700), [('b', 2700)]);
    }

    #[test]
    fn slots_are_used_again() {
        let mut clockwork = fixed(0);
        for round in 0..100 {
            let now = round * 10_000;
            clockwork.submit(Nanos(now), READ, 'x');
            assert_eq!(due(&mut clockwork, now + 1000).len(), 1);
        }
        assert_eq!(clockwork.slots.len(), 1);
    }
}
