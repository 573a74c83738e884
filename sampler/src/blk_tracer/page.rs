//! The pages of ftrace's ring buffer, as `per_cpu/cpuN/trace_pipe_raw` hands them out.
//!
//! A page is a time stamp, the length of what is committed, and entries: a word of 5 bits of type and 27 bits of time
//! since the entry before, then the data. Facts: `events/header_page`, `events/header_event`, and the kernel's
//! documentation of the ring buffer (Documentation/trace/ring-buffer-map.rst, ring-buffer-design.rst).

/// Where things are in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes of a page.
    pub(super) page: usize,
    /// Where its entries begin.
    data: usize,
}

/// Entry types that are no data.
const PADDING: u32 = 29;
const TIME_EXTEND: u32 = 30;
const TIME_STAMP: u32 = 31;
/// Bits of the time in an entry's word, and in a time stamp of two words.
const DELTA_BITS: u32 = 27;
const STAMP_BITS: u32 = 59;

/// The bits of the committed length that are the length; above it are two flags.
const LENGTH: u64 = (1 << 20) - 1;
/// Entries are missing before this page.
const MISSED: u64 = 1 << 31;
/// How many stands behind the entries.
const MISSED_STORED: u64 = 1 << 30;

impl Layout {
    /// From the text of `events/header_page`; `None` for a kernel of 32 bits or a format that is not known.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = text.lines().find(|line| {
                line.split(';').next().is_some_and(|declared| declared.trim_end().ends_with(name))
            })?;
            let number = |key: &str| {
                let part = line.split(';').find_map(|part| part.trim().strip_prefix(key))?;
                part.trim().parse::<usize>().ok()
            };
            Some((number("offset:")?, number("size:")?))
        };
        let (timestamp, commit, (data, size)) = (field(" timestamp")?, field(" commit")?, field(" data")?);
        let known = timestamp == (0, 8) && commit == (8, 8) && data >= 16 && size >= 256;
        (known && size <= 1 << 20).then_some(Self { page: data + size, data })
    }
}

/// What a page says of entries that were overwritten before it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// None.
    None,
    /// So many.
    Events(u64),
    /// Some.
    Unknown,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What is missing before a page's entries, and where those are.
pub(super) fn head(page: &[u8], layout: Layout) -> Option<(Missed, Entries<'_>)> {
    let time = long(page, 0)?;
    let commit = long(page, 8)?;
    let end = layout.data.checked_add(usize::try_from(commit & LENGTH).ok()?)?;
    let data = page.get(layout.data..end)?;
    let missed = match (commit & MISSED != 0, commit & MISSED_STORED != 0) {
        (false, _) => Missed::None,
        (true, false) => Missed::Unknown,
        (true, true) => long(page, end).map_or(Missed::Unknown, Missed::Events),
    };
    Some((missed, Entries { data, at: 0, time }))
}

/// The entries of a page, each with its time and its data (which may be padded at its end).
#[derive(Clone, Debug)]
pub(super) struct Entries<'a> {
    data: &'a [u8],
    at: usize,
    time: u64,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = word(self.data, self.at)?;
            // The order of the bits follows the order of the bytes.
            let (kind, delta) = if cfg!(target_endian = "little") {
                (first & 31, u64::from(first >> 5))
            } else {
                (first >> DELTA_BITS, u64::from(first & ((1 << DELTA_BITS) - 1)))
            };
            let second = |entries: &Self| word(entries.data, entries.at + 4);
            match kind {
                PADDING if delta == 0 => return None,
                PADDING => self.at += 4 + second(self)? as usize,
                TIME_EXTEND => {
                    self.time = self.time.wrapping_add((u64::from(second(self)?) << DELTA_BITS) + delta);
                    self.at += 8;
                }
                TIME_STAMP => {
                    let stamp = (u64::from(second(self)?) << DELTA_BITS) + delta;
                    // The upper bits are those of the time before, or those and one more.
                    let upper = self.time >> STAMP_BITS << STAMP_BITS;
                    let whole = upper | (stamp & ((1 << STAMP_BITS) - 1));
                    self.time = if whole < self.time { whole.wrapping_add(1 << STAMP_BITS) } else { whole };
                    self.at += 8;
                }
                _ => {
                    let (start, len) = match kind {
                        // The length, which counts itself.
                        0 => (self.at + 8, (second(self)? as usize).checked_sub(4)?),
                        words => (self.at + 4, words as usize * 4),
                    };
                    let data = self.data.get(start..start.checked_add(len)?)?;
                    self.time = self.time.wrapping_add(delta);
                    self.at = start + len;
                    return Some((self.time, data));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\
        \tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\
        \tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\
        \tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";

    const LAYOUT: Layout = Layout { page: 4096, data: 16 };

    fn entry(kind: u32, delta: u32, rest: &[u32]) -> Vec<u8> {
        let first = if cfg!(target_endian = "little") { delta << 5 | kind } else { kind << 27 | delta };
        std::iter::once(&first).chain(rest).flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn page(flags: u64, entries: &[u8], after: &[u8]) -> Vec<u8> {
        let commit = entries.len() as u64 | flags;
        let mut page = [&1_000_u64.to_ne_bytes()[..], &commit.to_ne_bytes(), entries, after].concat();
        page.resize(4096, 0);
        page
    }

    #[test]
    fn the_layout_is_that_of_the_kernel() {
        assert_eq!(Layout::parse(HEADER), Some(LAYOUT));
        assert_eq!(Layout::parse(&HEADER.replace("offset:8;\tsize:8", "offset:8;\tsize:4")), None);
        assert_eq!(Layout::parse(""), None);
    }

    #[test]
    fn entries_of_every_kind_are_walked() {
        let entries = [
            entry(2, 5, &[11, 12]),
            entry(PADDING, 7, &[8, 0]),
            entry(TIME_EXTEND, 1, &[1]),
            entry(0, 0, &[12, 21, 22]),
            entry(1, 3, &[31]),
            entry(PADDING, 0, &[]),
            entry(1, 3, &[99]),
        ]
        .concat();
        let page = page(0, &entries, &[]);
        let (missed, entries) = head(&page, LAYOUT).unwrap();
        assert_eq!(missed, Missed::None);
        let words = |data: &[u8]| u32::from_ne_bytes(*data.first_chunk().unwrap());
        let found: Vec<_> = entries.map(|(time, data)| (time, words(data), data.len())).collect();
        let extended = 1_005 + (1 << 27) + 1;
        assert_eq!(found, [(1_005, 11, 8), (extended, 21, 8), (extended + 3, 31, 4)]);
    }

    #[test]
    fn an_absolute_time_keeps_the_upper_bits() {
        let stamp = 77_u64 << 27 | 5;
        let entries = [entry(TIME_STAMP, 5, &[77]), entry(1, 2, &[1])].concat();
        let mut page = page(0, &entries, &[]);
        page[..8].copy_from_slice(&(3_u64 << 59).to_ne_bytes());
        let found: Vec<_> = head(&page, LAYOUT).unwrap().1.map(|(time, _)| time).collect();
        assert_eq!(found, [(3_u64 << 59) | (stamp + 2)]);
    }

    #[test]
    fn what_is_missing_is_told() {
        let one = entry(1, 0, &[1]);
        let missed = |flags, after: &[u8]| head(&page(flags, &one, after), LAYOUT).unwrap().0;
        assert_eq!(missed(MISSED, &[]), Missed::Unknown);
        assert_eq!(missed(MISSED | MISSED_STORED, &42_u64.to_ne_bytes()), Missed::Events(42));
    }

    #[test]
    fn no_page_makes_it_panic_or_spin() {
        let mut seed = 1_u64;
        for _ in 0..2_000 {
            let bytes: Vec<u8> = (0..512)
                .map(|_| {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (seed >> 56) as u8
                })
                .collect();
            let page = page(0, &bytes, &[]);
            let count = head(&page, LAYOUT).map_or(0, |(_, entries)| entries.take(5_000).count());
            assert!(count <= 128, "{count}");
        }
        assert!(head(&[0; 15], LAYOUT).is_none());
    }
}
