//! The text of `trace_pipe`.

use block_types::{DevNo, IoEvent, Nanos, Op, Phase, Sector, Sectors};

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// One of the two block events. Its device may be a partition; its sector counts from the disk's start.
    Event {
        /// The event.
        event: IoEvent,
        /// Whether it is a completion with an error.
        error: bool,
    },
    /// The kernel overwrote events before they were read.
    Lost,
    /// Anything else.
    Other,
}

/// Longer than a task's name can be (15), so that no name can pass for an event's.
const QUEUED: &str = ": block_bio_queue: ";
const COMPLETED: &str = ": block_rq_complete: ";

/// Reads a line such as
///
/// ```text
///    fio-1690 [000] ..... 12345.678901: block_bio_queue: 7,0 RS 1234 + 8 [fio]
///    fio-1690 [000] ..... 12345.678955: block_rq_complete: 7,0 RS () 1234 + 8 none,0,0 [0]
/// CPU:1 [LOST 1234 EVENTS]
/// ```
pub(super) fn line(text: &str) -> Line {
    let found = text
        .find(QUEUED)
        .map(|at| (at, QUEUED.len(), Phase::Queued))
        .or_else(|| text.find(COMPLETED).map(|at| (at, COMPLETED.len(), Phase::Completed)));
    let Some((at, len, phase)) = found else {
        let lost = text.starts_with("CPU:") && text.contains("[LOST ");
        return if lost { Line::Lost } else { Line::Other };
    };
    event(&text[..at], &text[at + len..], phase).unwrap_or(Line::Other)
}

fn event(before: &str, after: &str, phase: Phase) -> Option<Line> {
    let at = seconds(before.rsplit(' ').next()?)?;
    let mut words = after.split_ascii_whitespace();
    let (major, minor) = words.next()?.split_once(',')?;
    let dev = DevNo::new(major.parse().ok()?, minor.parse().ok()?);
    let (op, sync) = operation(words.next()?);
    if phase == Phase::Completed {
        // The command of a passed-through request, in parentheses; it has no spaces within for others.
        while !words.next()?.ends_with(')') {}
    }
    let sector = Sector(words.next()?.parse().ok()?);
    if words.next()? != "+" {
        return None;
    }
    let sectors = Sectors(words.next()?.parse().ok()?);
    let error = phase == Phase::Completed && words.last().is_some_and(|code| code != "[0]");
    Some(Line::Event { event: IoEvent { at, dev, phase, op, sync, sector, sectors }, error })
}

/// `12345.678901`, of a clock that counts from boot.
fn seconds(text: &str) -> Option<Nanos> {
    let (seconds, fraction) = text.split_once('.')?;
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let nanos = fraction.parse::<u64>().ok()?.checked_mul(10_u64.pow(9 - digits))?;
    Some(Nanos(seconds.parse::<u64>().ok()?.checked_mul(Nanos::SECOND.0)?.checked_add(nanos)?))
}

/// The letters of `blk_fill_rwbs()`: a flush before (F), the operation, then FUA (F), read-ahead (A), sync (S),
/// meta (M), atomic (U). A write without data is shown as `FN` or `FWS`.
fn operation(letters: &str) -> (Op, bool) {
    let (rest, preflush) = match letters.strip_prefix('F') {
        // `F` alone, or with flags only, is the flush operation itself.
        Some(rest) if rest.starts_with(['R', 'W', 'D', 'E', 'Z', 'N']) => (rest, true),
        _ => (letters, false),
    };
    let mut flags = rest.chars();
    let op = match flags.next() {
        Some('R') => Op::Read,
        Some('W') if flags.as_str().starts_with('Z') => Op::WriteZeroes,
        Some('W') => Op::Write,
        Some('D') => Op::Discard,
        Some('F') => Op::Flush,
        Some('Z') => Op::Zone,
        Some('N') if preflush => Op::Flush,
        _ => Op::Other,
    };
    // What follows a zone operation's Z is not a flag.
    let sync = op == Op::Read || (op != Op::Zone && flags.as_str().contains('S'));
    (op, sync)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> IoEvent {
        match line(text) {
            Line::Event { event, error: false } => event,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn events_as_linux_6_18_and_6_1_print_them() {
        let queued = parsed(
            "             fio-1690    [000] .....  2451.678901: block_bio_queue: 7,0 R 1234 + 8 [fio]",
        );
        assert_eq!(
            queued,
            IoEvent {
                at: Nanos(2_451_678_901_000),
                dev: DevNo::new(7, 0),
                phase: Phase::Queued,
                op: Op::Read,
                sync: true,
                sector: Sector(1234),
                sectors: Sectors(8),
            }
        );
        let new = " kworker/0:1-9 [000] d.h1. 1.5: block_rq_complete: 259,3 WS () 8 + 2048 none,0,0 [0]";
        let old = " kworker/0:1-9 [000] d.h1. 1.5: block_rq_complete: 259,3 WS () 8 + 2048 [0]";
        assert_eq!(parsed(new), parsed(old));
        assert_eq!(parsed(new).at, Nanos(1_500_000_000));
        assert_eq!(parsed(new).phase, Phase::Completed);
    }

    #[test]
    fn an_error_is_seen() {
        let text = " a-9 [000] d 1.5: block_rq_complete: 8,0 R () 8 + 8 none,0,0 [-5]";
        assert!(matches!(line(text), Line::Event { error: true, .. }));
    }

    #[test]
    fn task_names_do_not_confuse() {
        let text = " x: [y] 1.0: z-9 [000] . 1.5: block_bio_queue: 8,16 W 8 + 8 [x: [y] 1.0: z]";
        assert_eq!(parsed(text).at, Nanos(1_500_000_000));
        assert_eq!(parsed(text).dev, DevNo::new(8, 16));
    }

    #[test]
    fn operations_and_who_waits_for_them() {
        for (letters, expected) in [
            ("R", (Op::Read, true)),
            ("RA", (Op::Read, true)),
            ("RSM", (Op::Read, true)),
            ("W", (Op::Write, false)),
            ("WS", (Op::Write, true)),
            ("WFS", (Op::Write, true)),
            ("FWFSM", (Op::Write, true)),
            ("FWS", (Op::Write, true)),
            ("F", (Op::Flush, false)),
            ("FF", (Op::Flush, false)),
            ("FN", (Op::Flush, false)),
            ("D", (Op::Discard, false)),
            ("DS", (Op::Discard, true)),
            ("DE", (Op::Discard, false)),
            ("WZS", (Op::WriteZeroes, true)),
            ("ZRA", (Op::Zone, false)),
            ("N", (Op::Other, false)),
            ("", (Op::Other, false)),
        ] {
            assert_eq!(operation(letters), expected, "{letters}");
        }
    }

    #[test]
    fn lost_events_and_other_lines_are_told_apart() {
        assert_eq!(line("CPU:1 [LOST 1234 EVENTS]"), Line::Lost);
        for other in ["", "# tracer: nop", "a-1 [000] . 1.5: sched_switch: x", "1.5: block_bio_queue: 8,0"] {
            assert_eq!(line(other), Line::Other, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            line(&text);
        }

        #[test]
        fn no_mangled_event_panics(
            cut in 0_usize..120,
            insert in "[ -~éλ]{0,6}",
            which in 0_usize..2,
        ) {
            let text: &str = [
                " fio-1690 [000] ..... 2451.678901: block_bio_queue: 7,0 RS 1234 + 8 [fio]",
                " fio-1690 [000] ..... 2451.678901: block_rq_complete: 7,0 RS () 1234 + 8 none,0,0 [0]",
            ][which];
            let cut = cut.min(text.len());
            line(&format!("{}{insert}{}", &text[..cut], &text[cut..]));
            line(&text[..cut]);
        }

        #[test]
        fn what_the_kernel_prints_is_read_back(
            seconds in 0_u64..1_000_000_000,
            micros in 0_u64..1_000_000,
            major in 0_u32..4096,
            minor in 0_u32..(1 << 20),
            sector: u32,
            sectors in 0_u64..100_000,
        ) {
            let text =
                format!(" a b-1 [000] . {seconds}.{micros:06}: block_bio_queue: {major},{minor} W {sector} + {sectors} [a b]");
            let event = parsed(&text);
            prop_assert_eq!(event.at, Nanos((seconds * 1_000_000 + micros) * 1_000));
            prop_assert_eq!(event.dev, DevNo::new(major, minor));
            prop_assert_eq!((event.sector, event.sectors), (Sector(u64::from(sector)), Sectors(sectors)));
        }
    }
}
