//! What ftrace's `trace_pipe` says between the records where its buffer ran over.
//!
//! A copy of `trace_pipe` is a stream of records as long as the reader keeps up. Where it did not, the kernel prints
//! `CPU:3 [LOST 1234 EVENTS]` (or without a number, where it does not know it) and a line feed in their place.

/// What such a stream has lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// How often the stream says that events were lost.
    pub gaps: u64,
    /// How many it says there were; a gap without a number adds nothing.
    pub events: u64,
}

impl Lost {
    pub(crate) const fn add(&mut self, other: Self) {
        self.gaps += other.gaps;
        self.events = self.events.saturating_add(other.events);
    }
}

/// Longer than the longest of these lines.
pub(crate) const MAX_LINE_BYTES: usize = 64;

/// What stands where a record should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Such a line, so many bytes long.
    Whole(usize, Lost),
    /// Perhaps the start of one.
    Cut,
    /// Something else.
    Other,
}

const START: &[u8] = b"CPU:";

#[cold]
pub(crate) fn line(bytes: &[u8]) -> Line {
    let head = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
    let start = &START[..START.len().min(head.len())];
    if !head.starts_with(start) {
        return Line::Other;
    }
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        return if head.len() < MAX_LINE_BYTES { Line::Cut } else { Line::Other };
    };
    let events = || {
        let text = std::str::from_utf8(head.get(START.len()..end)?).ok()?;
        let (cpu, rest) = text.split_once(' ')?;
        cpu.parse::<u32>().ok()?;
        let said = rest.strip_prefix("[LOST ")?.strip_suffix("EVENTS]")?;
        if said.is_empty() { Some(0) } else { said.strip_suffix(' ')?.parse().ok() }
    };
    events().map_or(Line::Other, |events| Line::Whole(end + 1, Lost { gaps: 1, events }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_wordings_are_known_and_nothing_else() {
        let numbered = b"CPU:12 [LOST 1234 EVENTS]\n\x07tae";
        assert_eq!(line(numbered), Line::Whole(26, Lost { gaps: 1, events: 1234 }));
        assert_eq!(line(b"CPU:0 [LOST EVENTS]\n"), Line::Whole(20, Lost { gaps: 1, events: 0 }));
        for cut in 0..25 {
            assert_eq!(line(&numbered[..cut]), Line::Cut, "{cut}");
        }
        for other in [&b"CPU:x [LOST 1 EVENTS]\n"[..], b"CPU:1 [FOUND 1 EVENTS]\n", b"\x07tae", b"CPU:1\n"] {
            assert_eq!(line(other), Line::Other);
        }
        assert_eq!(line(&[b"CPU:".as_slice(), &[b'1'; 80]].concat()), Line::Other);
    }
}
