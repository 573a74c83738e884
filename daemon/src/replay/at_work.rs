//! How long the programs of a piece of a trace are at work when it is replayed in a closed loop.
//!
//! Settings that favour some programs have these at the end of their recorded work early. What is simulated from there
//! on is work that nobody recorded: the others alone on the disk. So a piece counts only until then.

use block_types::Nanos;
use replay::{Io, Source, StreamId, Token, Trace};

/// Who submits less than this share of a piece's bios, in hundredths, is a stray and no program.
const PROGRAM: u64 = 1;
/// A program that still submits in this last part of a piece, in hundredths of its time, goes on after it.
const LAST_PART: u64 = 10;
/// A program is out once it has no more than this share of its bios, in hundredths, left to submit: the very last wait
/// for whatever took longest, with ever fewer beside them.
const LEFT: u64 = 25;
/// Of many programs so many hundredths are out before the piece ends, and not only the first.
const OUT: usize = 10;

/// A source that stops once a program has little left of its recorded work.
#[derive(Debug)]
pub struct AtWork<S> {
    source: S,
    /// So many bios are there when the piece begins: what was outstanding, which says nothing of how far a program is.
    at_once: u64,
    /// By stream: bios to submit until it is out; `None` of strays and of those that end within the piece.
    left: Vec<Option<u64>>,
    programs: usize,
    out: usize,
    ended: Option<Nanos>,
}

impl<S: Source> AtWork<S> {
    /// Of a source that replays `piece`.
    pub fn new(source: S, piece: &Trace) -> Self {
        let from = Nanos((u128::from(piece.duration().0) * u128::from(100 - LAST_PART) / 100) as u64);
        let streams = piece.bios().iter().map(|bio| bio.stream.0 as usize + 1).max().unwrap_or(0);
        let (mut count, mut goes_on) = (vec![0_u64; streams], vec![false; streams]);
        let at_once = piece.bios().partition_point(|bio| bio.at == Nanos::ZERO);
        for bio in &piece.bios()[at_once..] {
            let stream = bio.stream.0 as usize;
            count[stream] += 1;
            goes_on[stream] |= bio.at >= from;
        }
        let all = (piece.len() - at_once) as u64;
        let left: Vec<Option<u64>> = std::iter::zip(count, goes_on)
            .map(|(count, goes_on)| {
                (goes_on && count * 100 >= all * PROGRAM).then_some(count - count * LEFT / 100)
            })
            .collect();
        let programs = left.iter().flatten().count();
        Self { source, at_once: at_once as u64, left, programs, out: 0, ended: None }
    }

    /// When the first of them were out; `None` where all of the piece is there when it begins.
    pub const fn ended(&self) -> Option<Nanos> {
        self.ended
    }
}

impl<S: Source> Source for AtWork<S> {
    fn next_arrival(&self) -> Option<Nanos> {
        if self.ended.is_some() { None } else { self.source.next_arrival() }
    }

    fn arrive(&mut self, now: Nanos, batch: &mut Vec<Io>) {
        let before = batch.len();
        self.source.arrive(now, batch);
        for io in &batch[before..] {
            if io.token.0 < self.at_once {
                continue;
            }
            let Some(Some(left)) = self.left.get_mut(io.stream.0 as usize) else { continue };
            self.out += usize::from(*left == 1);
            *left = left.saturating_sub(1);
        }
        if self.ended.is_none() && self.out > 0 && self.out * 100 >= self.programs * OUT {
            self.ended = Some(now);
        }
    }

    fn completed(&mut self, now: Nanos, token: Token) {
        self.source.completed(now, token);
    }

    fn blocked(&mut self, stream: StreamId) {
        self.source.blocked(stream);
    }

    fn resumed(&mut self, now: Nanos, stream: StreamId) {
        self.source.resumed(now, stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::{Op, Sector};
    use replay::{OpenLoop, TraceBio};

    fn bio(at_ms: u64, stream: u32) -> TraceBio {
        TraceBio {
            at: Nanos::from_millis(at_ms),
            completed: None,
            sector: Sector(0),
            sectors: 8,
            stream: StreamId(stream),
            op: Op::Read,
            sync: true,
        }
    }

    /// When it ends, and how many bios were submitted by then.
    fn play(trace: &Trace, pace: f64) -> (Option<Nanos>, usize) {
        let mut source = AtWork::new(OpenLoop::new(trace, pace), trace);
        let mut batch = Vec::new();
        while let Some(at) = source.next_arrival() {
            source.arrive(at, &mut batch);
        }
        (source.ended(), batch.len())
    }

    #[test]
    fn it_ends_with_the_first_program_that_went_on_and_not_with_one_that_ended_in_the_piece() {
        // 0 is at work for the first half, 1 and 2 to the end, 3 is a stray.
        let mut bios: Vec<TraceBio> = (0..50).map(|i| bio(i * 10, 0)).collect();
        bios.extend((0..100).flat_map(|i| [bio(i * 10, 1), bio(i * 9 + 20, 2)]));
        bios.push(bio(905, 3));
        let trace = Trace::new(bios);
        let (ended, submitted) = play(&trace, 1.0);
        assert_eq!(ended, Some(Nanos::from_millis(686)), "2 has submitted 75 of its 100");
        assert!(submitted < trace.len());
        assert_eq!(play(&trace, 0.5).0, Some(Nanos::from_millis(343)));
    }

    #[test]
    fn one_program_alone_ends_when_a_quarter_is_left() {
        let trace = Trace::new((0..100).map(|i| bio(i, 7)).collect());
        assert_eq!(play(&trace, 1.0), (Some(Nanos::from_millis(75)), 76));
        assert_eq!(play(&Trace::default(), 1.0), (None, 0));
    }

    #[test]
    fn what_was_outstanding_when_the_piece_began_does_not_end_it() {
        let mut bios: Vec<TraceBio> = (0..5_000).map(|_| bio(0, 7)).collect();
        assert_eq!(play(&Trace::new(bios.clone()), 1.0), (None, 5_000));
        bios.extend((1..=100).map(|i| bio(i, 7)));
        assert_eq!(play(&Trace::new(bios), 1.0), (Some(Nanos::from_millis(75)), 5_075));
    }
}
