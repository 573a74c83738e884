//! blkparse's default output, read and written.
//!
//! A line is `major,minor cpu sequence seconds.nanoseconds pid action rwbs` and what the action adds: a sector and
//! a length, a payload in hexadecimal, the name of the process in brackets or the error of a completion. Times are
//! relative to the first event. After the events there is a summary, which ends the trace.

use super::{Lines, bad, number};
use crate::action::{Action, Categories};
use crate::error::{ErrorKind, Result};
use crate::event::{Device, Event, Payload, RemapOrigin};
use std::fmt;
use std::io::BufRead;

/// One event as blkparse prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The event. Raw payloads are not among its payloads; they stay text, in [`Line::payload_hex`].
    pub event: Event<'a>,
    /// The name of the process, where the line has one that is known.
    pub process: Option<&'a str>,
    /// A payload as pairs of hexadecimal digits with blanks between.
    pub payload_hex: Option<&'a str>,
}

/// What blkparse prints for a process whose name it does not know.
const NO_NAME: &str = "(null)";

/// Takes a field off the front of `rest`.
fn field<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = rest.trim_start();
    if text.is_empty() {
        return None;
    }
    let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
    *rest = &text[end..];
    Some(&text[..end])
}

fn device(text: Option<&str>) -> Result<Device, ErrorKind> {
    const EXPECTED: &str = "a device such as 8,0";
    let text = text.unwrap_or("");
    let (major, minor) = text.split_once(',').ok_or_else(|| bad(text, EXPECTED))?;
    let device = Device { major: number(Some(major), EXPECTED)?, minor: number(Some(minor), EXPECTED)? };
    if device.major >= 1 << 12 || device.minor >= 1 << 20 {
        return Err(bad(text, "a major number below 4096 and a minor number below 1048576"));
    }
    Ok(device)
}

fn time(text: Option<&str>) -> Result<u64, ErrorKind> {
    const EXPECTED: &str = "seconds and nine digits of nanoseconds";
    let text = text.unwrap_or("");
    let (seconds, nanoseconds) = text.split_once('.').ok_or_else(|| bad(text, EXPECTED))?;
    if nanoseconds.len() != 9 {
        return Err(bad(text, EXPECTED));
    }
    let seconds: u64 = number(Some(seconds), EXPECTED)?;
    let nanoseconds: u64 = number(Some(nanoseconds), EXPECTED)?;
    let total = seconds.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(nanoseconds));
    total.ok_or_else(|| bad(text, "a time below 584 years"))
}

/// What a body says: sector, sectors, and where a remap came from.
fn extent(body: &mut &str, event: &mut Event<'_>) -> Result<(), ErrorKind> {
    event.sector = number(field(body), "a sector")?;
    let mut ahead = *body;
    if field(&mut ahead) == Some("+") {
        *body = ahead;
        let sectors: u64 = number(field(body), "a number of sectors")?;
        let bytes = sectors.checked_mul(512).and_then(|bytes| u32::try_from(bytes).ok());
        event.bytes = bytes.ok_or_else(|| bad(&sectors.to_string(), "fewer than 8388608 sectors"))?;
    }
    match event.sector.checked_add(event.sectors()) {
        Some(_) => Ok(()),
        None => Err(ErrorKind::SectorOverflow { sector: event.sector, sectors: event.sectors() }),
    }
}

fn hexadecimal(text: &str) -> Result<&str, ErrorKind> {
    let text = text.trim();
    let pair = |pair: &str| pair == ".." || u8::from_str_radix(pair, 16).is_ok();
    match text.split_ascii_whitespace().find(|text| !pair(text)) {
        None => Ok(text),
        Some(found) => Err(bad(found, "a payload of hexadecimal bytes")),
    }
}

/// Reads one line; `None` for a line that is not about an event (an empty one, or a note of blkparse).
///
/// # Errors
/// [`ErrorKind::BadLine`] and [`ErrorKind::SectorOverflow`].
pub fn parse_line(text: &str) -> Result<Option<Line<'_>>, ErrorKind> {
    if text.trim().is_empty() || text.starts_with("Input file ") {
        return Ok(None);
    }
    let mut rest = text;
    let device = device(field(&mut rest))?;
    let cpu = number(field(&mut rest), "a CPU")?;
    let sequence: u32 = number(field(&mut rest), "a sequence number")?;
    let time_ns = time(field(&mut rest))?;
    let pid = number(field(&mut rest), "a process id")?;
    let code = field(&mut rest).unwrap_or("");
    let action = Action::from_code(code).ok_or_else(|| bad(code, "an action of blkparse"))?;
    let rwbs = field(&mut rest).unwrap_or("");
    let categories = Categories::from_rwbs(rwbs).ok_or_else(|| bad(rwbs, "a set of RWBS letters"))?;
    let mut event = Event {
        time_ns,
        sequence: (sequence != 0).then_some(sequence),
        device,
        cpu,
        pid,
        action,
        categories: categories.with(action.own_category()),
        sector: 0,
        bytes: 0,
        error: 0,
        cgroup: None,
        payload: Payload::None,
    };
    if action == Action::NotifyMessage {
        let message = rest.strip_prefix(' ').unwrap_or(rest);
        event.payload = Payload::Message(message.as_bytes());
        event.sequence = None;
        return Ok(Some(Line { event, process: None, payload_hex: None }));
    }
    let (mut body, bracket, tail) = match (rest.find('['), rest.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            (&rest[..open], Some(&rest[open + 1..close]), &rest[close + 1..])
        }
        (None, None) => (rest, None, ""),
        _ => return Err(bad(rest, "a name or an error in brackets")),
    };
    let mut payload_hex = None;
    match action {
        Action::Plug => {}
        Action::UnplugIo | Action::UnplugTimer => {
            if !tail.trim().is_empty() {
                let requests = number(Some(tail.trim()), "the number of requests of an unplug")?;
                event.payload = Payload::Unplug { requests };
            }
        }
        Action::Split => {
            event.sector = number(field(&mut body), "a sector")?;
            if field(&mut body) != Some("/") {
                return Err(bad(rest, "two sectors with a slash between them"));
            }
            event.payload = Payload::Split { second: number(field(&mut body), "the sector of a split")? };
        }
        Action::Remap => {
            extent(&mut body, &mut event)?;
            if field(&mut body) != Some("<-") {
                return Err(bad(rest, "<- and the origin of a remap"));
            }
            let from = field(&mut body).unwrap_or("");
            let inner = from.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
            let from = self::device(Some(inner.ok_or_else(|| bad(from, "a device in parentheses"))?))?;
            let sector = number(field(&mut body), "the sector of a remap's origin")?;
            event.payload = Payload::Remap(RemapOrigin { device: from, to: device, sector });
        }
        // A command that was passed through has its bytes in place of sectors, after their number or not.
        _ if event_has_payload(body) => {
            let (count, rest) = body.split_once('(').unwrap_or((body, ""));
            if !count.trim().is_empty() {
                event.bytes = number(Some(count.trim()), "a number of bytes")?;
            }
            let (hex, after) = rest.split_once(')').ok_or_else(|| bad(body, "a payload in parentheses"))?;
            payload_hex = Some(hexadecimal(hex)?);
            body = after;
        }
        _ if body.trim().is_empty() => {}
        _ => {
            extent(&mut body, &mut event)?;
            // `-t` adds how long it took, in nanoseconds.
            if let Some(elapsed) = body.trim().strip_prefix('(') {
                let elapsed = elapsed.strip_suffix(')').unwrap_or(elapsed);
                let _: u64 = number(Some(elapsed.trim()), "an elapsed time in parentheses")?;
                body = "";
            }
        }
    }
    if !body.trim().is_empty() {
        return Err(bad(body, "nothing more before the brackets"));
    }
    let mut process = None;
    if action == Action::Complete {
        event.error = number(bracket, "the error of a completion in brackets")?;
    } else {
        process = bracket.filter(|name| *name != NO_NAME);
    }
    Ok(Some(Line { event, process, payload_hex }))
}

/// A payload stands where a sector would: in parentheses at once, or after the number of its bytes.
fn event_has_payload(body: &str) -> bool {
    let mut rest = body;
    match field(&mut rest) {
        Some(first) if first.starts_with('(') => true,
        Some(_) => rest.trim_start().starts_with('('),
        None => false,
    }
}

/// Whether a line begins the summary after the last event.
fn is_summary(line: &[u8]) -> bool {
    let per_cpu = line.strip_prefix(b"CPU").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit));
    per_cpu && line.contains(&b'(') || line.starts_with(b"Total (")
}

/// The events of an output of blkparse.
#[derive(Debug)]
pub struct Reader<R> {
    lines: Lines<R>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `source`.
    pub const fn new(source: R) -> Self {
        Self { lines: Lines::new(source) }
    }

    /// Passes over up to `lines` bad lines.
    #[must_use]
    pub const fn skip_bad_lines(mut self, lines: u64) -> Self {
        self.lines.allow_bad(lines);
        self
    }

    /// Bad lines passed over so far.
    pub const fn skipped(&self) -> u64 {
        self.lines.skipped()
    }

    /// The next event; `None` at the summary or the end.
    ///
    /// # Errors
    /// A bad line beyond those that may be skipped, with its number; an error of the source. One may go on after a
    /// bad line.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>> {
        const EXPECTED: &str = "a line of blkparse in UTF-8";
        if !self.lines.find(EXPECTED, is_summary, |text| Ok(parse_line(text)?.is_some()))? {
            return Ok(None);
        }
        self.lines.parsed(EXPECTED, |text| parse_line(text))
    }
}

/// Writes a line as blkparse does by default. `start_ns` is the time of the first event of the trace.
///
/// Events that blkparse does not print (names, times, driver data) come out as an empty text.
#[derive(Clone, Copy, Debug)]
pub struct Format<'a> {
    /// The event.
    pub event: &'a Event<'a>,
    /// The name of its process, where known.
    pub process: Option<&'a str>,
    /// Subtracted from every time.
    pub start_ns: u64,
}

impl fmt::Display for Format<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.event;
        let Some(code) = event.action.code() else { return Ok(()) };
        let at = event.time_ns.saturating_sub(self.start_ns);
        write!(
            f,
            "{:3},{:<3} {:2} {:8} {:5}.{:09} {:5} {code:>2} {:>3} ",
            event.device.major,
            event.device.minor,
            event.cpu,
            event.sequence.unwrap_or(0),
            at / 1_000_000_000,
            at % 1_000_000_000,
            event.pid,
            shown_categories(event),
        )?;
        let name = self.process.unwrap_or(NO_NAME);
        match (event.action, event.payload) {
            (Action::NotifyMessage, Payload::Message(text)) => write!(f, "{}", String::from_utf8_lossy(text)),
            (Action::Plug, _) => write!(f, "[{name}]"),
            (Action::UnplugIo | Action::UnplugTimer, Payload::Unplug { requests }) => {
                write!(f, "[{name}] {requests}")
            }
            (Action::UnplugIo | Action::UnplugTimer, _) => write!(f, "[{name}]"),
            (Action::Split, Payload::Split { second }) => write!(f, "{} / {second} [{name}]", event.sector),
            (Action::Remap, Payload::Remap(from)) => {
                let Device { major, minor } = from.device;
                write!(f, "{} + {} <- ({major},{minor}) {}", event.sector, event.sectors(), from.sector)
            }
            (Action::Complete, Payload::Raw(bytes)) => write!(f, "({}) [{}]", Hex(bytes), event.error),
            (_, Payload::Raw(bytes)) => write!(f, "{} ({}) [{name}]", event.bytes, Hex(bytes)),
            (Action::Complete, _) if event.bytes == 0 => write!(f, "{} [{}]", event.sector, event.error),
            (Action::Complete, _) => {
                write!(f, "{} + {} [{}]", event.sector, event.sectors(), event.error)
            }
            _ if event.bytes == 0 => write!(f, "[{name}]"),
            _ => write!(f, "{} + {} [{name}]", event.sector, event.sectors()),
        }
    }
}

/// An event without a length is no read to blkparse, though the kernel sets that bit on every one that is no write.
fn shown_categories(event: &Event<'_>) -> Categories {
    match event.bytes {
        0 => Categories(event.categories.0 & !Categories::READ.0),
        _ => event.categories,
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x} "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Line<'_> {
        parse_line(text).unwrap().unwrap()
    }

    #[test]
    fn lines_of_every_shape_are_read() {
        let line = parsed("  8,0    3       11     0.009507758   697  C   W 223490 + 8 [5]");
        assert_eq!((line.event.sector, line.event.bytes, line.event.error), (223_490, 4096, 5));
        assert_eq!((line.event.cpu, line.event.sequence, line.event.time_ns), (3, Some(11), 9_507_758));
        let line = parsed("  8,0    3        1     0.000000000   697  G   W 223490 + 8 [Web Content [2]]");
        assert_eq!(line.process, Some("Web Content [2]"));
        let line = parsed("259,17   0        5    12.000000001     7  A  WS 2056 + 8 <- (259,18) 8");
        let Payload::Remap(from) = line.event.payload else { panic!("{line:?}") };
        assert_eq!((from.device, from.sector), (Device { major: 259, minor: 18 }, 8));
        let line =
            parsed("  8,0    3        1     0.000000000   697  D   N 36 (12 01 00 00 ff .. ) [smartctl]");
        assert_eq!((line.payload_hex, line.event.bytes), (Some("12 01 00 00 ff .."), 36));
        let line = parsed("  8,0    3        1     0.000000000   697 UT   N [fio] 4");
        assert_eq!(line.event.payload, Payload::Unplug { requests: 4 });
        let line = parsed("  8,0    3        1     0.000000000   697  X   R 0 / 1024 [(null)]");
        assert_eq!((line.event.payload, line.process), (Payload::Split { second: 1024 }, None));
        let line = parsed("  8,0    0        0     0.000012000     0  m   N bfq [bfq_limit_depth] wr_busy 1");
        assert_eq!(line.event.payload, Payload::Message(b"bfq [bfq_limit_depth] wr_busy 1"));
        let line = parsed("  8,0    0        0     0.000012000     0  C   R 8 + 8 (  160354) [0]");
        assert_eq!(line.event.sector, 8);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("8:0 0 1 0.000000000 1 Q R 8 + 8 [a]", "found \"8:0\", expected a device such as 8,0"),
            ("8,0 0 1 0.0 1 Q R 8 + 8 [a]", "found \"0.0\", expected seconds and nine digits of nanoseconds"),
            ("8,0 0 1 0.000000000 1 Z R 8 + 8 [a]", "found \"Z\", expected an action of blkparse"),
            ("8,0 0 1 0.000000000 1 Q K 8 + 8 [a]", "found \"K\", expected a set of RWBS letters"),
            ("8,0 0 1 0.000000000 1 Q R x + 8 [a]", "found \"x\", expected a sector"),
            (
                "8,0 0 1 0.000000000 1 Q R 1 + 99999999 [a]",
                "found \"99999999\", expected fewer than 8388608 sectors",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(parse_line(text).unwrap_err().to_string(), message);
        }
        let over = "8,0 0 1 0.000000000 1 Q R 18446744073709551615 + 8 [a]";
        assert!(matches!(parse_line(over), Err(ErrorKind::SectorOverflow { .. })));
    }

    #[test]
    fn the_summary_ends_the_trace() {
        let text =
            "  8,0    3        1     0.000000000   697  Q   R 8 + 8 [a]\nCPU0 (sda):\n Reads Queued: 1\n";
        let mut reader = Reader::new(text.as_bytes());
        assert!(reader.next_line().unwrap().is_some());
        assert!(reader.next_line().unwrap().is_none());
        assert!(reader.next_line().unwrap().is_none());
    }
}
