//! Closed-loop replay: who waited for what is inferred from the trace's completions.
//!
//! A program submits, waits, thinks and submits again. In a trace of it each submission comes some time after one of its
//! completions: that is taken for what it waited for, and the time between for what it thought. In the replay a bio is
//! submitted that long after the *replayed* completion. So a faster disk or a better setting finishes sooner, and as
//! many bios are outstanding as in the trace.
//!
//! Of its program's completions a submission is taken to have waited for the latest that no other waited for, so that
//! each completion has one successor: a disk that finishes in another order than the trace's still has as many bios
//! outstanding. Where all are taken (a program that submits several at once, or more than before), it is the latest.
//!
//! What a stream submitted before its first completion keeps its time in the trace. A bio whose completion the trace
//! does not have is nothing that others wait for.

use super::open::io_of;
use super::{Source, Trace, TraceBio};
use crate::io::{Io, Token};
use block_types::Nanos;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The trace has no completions, so that nothing says who waited for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the trace has no completions, and without them nothing says who waited for what; replay it with its times"
)]
pub struct NoCompletions;

/// Nothing is waited for.
const NOTHING: u32 = u32::MAX;

/// Closed-loop replay.
#[derive(Clone, Debug)]
pub struct ClosedLoop<'a> {
    bios: &'a [TraceBio],
    think_scale: f64,
    /// Where the list of those that wait for each bio begins; one more than there are bios.
    first_waiting: Vec<u32>,
    /// Those that wait, by what they wait for, each with its time of thought.
    waiting: Vec<(u32, Nanos)>,
    ready: BinaryHeap<Reverse<(Nanos, u32)>>,
}

impl<'a> ClosedLoop<'a> {
    /// Each time of thought is multiplied by `think_scale`: 0 is a program that never thinks. What is negative or no
    /// number is taken for 1.
    ///
    /// # Errors
    /// [`NoCompletions`] where the trace has bios and none of them has a completion.
    pub fn new(trace: &'a Trace, think_scale: f64) -> Result<Self, NoCompletions> {
        let bios = trace.bios();
        let think_scale = if think_scale.is_finite() && think_scale >= 0.0 { think_scale } else { 1.0 };
        let awaited = infer(bios);
        if !bios.is_empty() && bios.iter().all(|bio| bio.completed.is_none()) {
            return Err(NoCompletions);
        }
        let mut first_waiting = vec![0_u32; bios.len() + 1];
        for &(awaited, _) in awaited.iter().filter(|&&(awaited, _)| awaited != NOTHING) {
            first_waiting[awaited as usize + 1] += 1;
        }
        for index in 1..first_waiting.len() {
            first_waiting[index] += first_waiting[index - 1];
        }
        let mut next = first_waiting.clone();
        let mut waiting = vec![(0, Nanos::ZERO); first_waiting.last().map_or(0, |&last| last as usize)];
        let mut ready = BinaryHeap::new();
        for (index, &(awaited, thought)) in awaited.iter().enumerate() {
            if awaited == NOTHING {
                ready.push(Reverse((thought, index as u32)));
            } else {
                let place = &mut next[awaited as usize];
                waiting[*place as usize] = (index as u32, thought);
                *place += 1;
            }
        }
        Ok(Self { bios, think_scale, first_waiting, waiting, ready })
    }
}

/// For each bio, which one was waited for and how long the thought took; or nothing and its time.
fn infer(bios: &[TraceBio]) -> Vec<(u32, Nanos)> {
    let mut completions: Vec<(Nanos, u32)> = bios
        .iter()
        .enumerate()
        .filter_map(|(index, bio)| Some((bio.completed?.max(bio.at), index as u32)))
        .collect();
    completions.sort_unstable();
    let streams = bios.iter().map(|bio| bio.stream.0 as usize + 1).max().unwrap_or(0);
    let mut done = vec![Done::default(); streams];
    let mut completions = completions.into_iter().peekable();
    bios.iter()
        .map(|bio| {
            while let Some((at, index)) = completions.next_if(|&(at, index)| {
                // Of two at the same time the earlier one was first.
                at < bio.at || (at == bio.at && bios[index as usize].at < bio.at)
            }) {
                let done = &mut done[bios[index as usize].stream.0 as usize];
                done.free.push((at, index));
                done.last = Some((at, index));
            }
            let done = &mut done[bio.stream.0 as usize];
            let awaited = done.free.pop().or(done.last);
            awaited.map_or((NOTHING, bio.at), |(at, index)| (index, bio.at - at))
        })
        .collect()
}

/// What a program has completed so far.
#[derive(Clone, Debug, Default)]
struct Done {
    last: Option<(Nanos, u32)>,
    /// Those that no submission is taken to have waited for, by time.
    free: Vec<(Nanos, u32)>,
}

impl Source for ClosedLoop<'_> {
    fn next_arrival(&self) -> Option<Nanos> {
        self.ready.peek().map(|&Reverse((at, _))| at)
    }

    fn arrive(&mut self, _: Nanos, batch: &mut Vec<Io>) {
        if let Some(Reverse((_, index))) = self.ready.pop() {
            batch.push(io_of(&self.bios[index as usize], index as usize));
        }
    }

    fn completed(&mut self, now: Nanos, token: Token) {
        let index = token.0 as usize;
        let range = self.first_waiting[index] as usize..self.first_waiting[index + 1] as usize;
        for &(index, thought) in &self.waiting[range] {
            let thought = Nanos((thought.0 as f64 * self.think_scale) as u64);
            self.ready.push(Reverse((now + thought, index)));
        }
    }
}
