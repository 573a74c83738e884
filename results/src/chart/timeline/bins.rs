//! Windows of any number in bins of a bounded one.

use super::{Kind, TimelineWindow};

/// About two to a pixel of the chart.
const MOST_BINS: u64 = 1_440;

/// Least, mean and greatest of something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) mean: f64,
    pub(super) high: f64,
}

/// A mean that is a ratio of two sums, and the range of the ratios it is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    sum: f64,
    weight: f64,
    low: f64,
    high: f64,
}

impl Ratio {
    const NONE: Self = Self { sum: 0.0, weight: 0.0, low: f64::INFINITY, high: f64::NEG_INFINITY };

    fn of(sum: f64, weight: f64) -> Self {
        if weight > 0.0 { Self { sum, weight, low: sum / weight, high: sum / weight } } else { Self::NONE }
    }

    fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.weight += other.weight;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    /// In a unit of which one of its own is `times`.
    pub(super) fn range(&self, times: f64) -> Option<Range> {
        (self.weight > 0.0).then(|| Range {
            low: self.low * times,
            mean: self.sum / self.weight * times,
            high: self.high * times,
        })
    }
}

/// What some windows come to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bin {
    index: u64,
    /// Seconds of each class.
    kinds: [f64; Kind::COUNT],
    pub(super) read_share: Ratio,
    pub(super) near_share: Ratio,
    /// Bytes of one I/O.
    pub(super) size: Ratio,
    /// Bytes a second while there was any I/O.
    pub(super) rate: Ratio,
}

impl Bin {
    fn of(index: u64, window: &TimelineWindow) -> Self {
        let ios = window.reads as f64 + window.writes as f64;
        let seconds = window.to_s - window.from_s;
        let mut kinds = [0.0; Kind::COUNT];
        if let Some(kind) = window.kind {
            kinds[kind.index()] = seconds;
        }
        let near = window.near_share.map_or(Ratio::NONE, |share| Ratio::of(share * ios, ios));
        Self {
            index,
            kinds,
            read_share: Ratio::of(window.reads as f64, ios),
            near_share: near,
            size: Ratio::of(window.bytes as f64, ios),
            rate: Ratio::of(window.bytes as f64, seconds),
        }
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.kinds.iter_mut().zip(other.kinds) {
            *mine += theirs;
        }
        for (mine, theirs) in [
            (&mut self.read_share, &other.read_share),
            (&mut self.near_share, &other.near_share),
            (&mut self.size, &other.size),
            (&mut self.rate, &other.rate),
        ] {
            mine.add(theirs);
        }
    }

    /// The class of most of its time.
    pub(super) fn kind(&self) -> Option<Kind> {
        let most = self.kinds.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1))?;
        (*most.1 > 0.0).then(|| Kind::of_index(most.0))
    }
}

/// Bins of one width on a grid that begins with the first window; the width doubles as the timeline grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Bins {
    bins: Vec<Bin>,
    /// Start of the first window, and the length of a bin at first.
    origin: Option<(f64, f64)>,
    doublings: i32,
    end_s: f64,
    last_from: f64,
    kinds: [bool; Kind::COUNT],
    left_out: u64,
}

impl Bins {
    pub(super) fn push(&mut self, window: &TimelineWindow) {
        let finite = window.from_s.is_finite() && window.to_s.is_finite() && window.to_s > window.from_s;
        let (origin, length) = self.origin.unwrap_or((window.from_s, window.to_s - window.from_s));
        let in_order = self.origin.is_none() || window.from_s > self.last_from;
        if !finite || !in_order {
            self.left_out += 1;
            return;
        }
        self.origin = Some((origin, length));
        self.last_from = window.from_s;
        let from = window.from_s - origin;
        self.end_s = self.end_s.max(window.to_s - origin);
        // A window begins on the grid, but for what rounding did to it.
        let index = |doublings: i32| (from / (length * 2_f64.powi(doublings)) + 1e-6).floor();
        while index(self.doublings) >= MOST_BINS as f64 {
            self.double();
        }
        let bin = Bin::of(index(self.doublings) as u64, window);
        if let Some(kind) = window.kind {
            self.kinds[kind.index()] = true;
        }
        match self.bins.last_mut() {
            Some(last) if last.index == bin.index => last.add(&bin),
            _ => self.bins.push(bin),
        }
    }

    fn double(&mut self) {
        self.doublings += 1;
        for bin in &mut self.bins {
            bin.index /= 2;
        }
        self.bins.dedup_by(|next, kept| {
            let same = next.index == kept.index;
            if same {
                kept.add(next);
            }
            same
        });
    }

    fn width(&self) -> f64 {
        self.origin.map_or(0.0, |(_, length)| length * 2_f64.powi(self.doublings))
    }

    /// Start, end (both seconds from the first window's start) and content of each that has any.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, f64, &Bin)> {
        let width = self.width();
        self.bins.iter().map(move |bin| {
            let from = bin.index as f64 * width;
            (from, ((bin.index + 1) as f64 * width).min(self.end_s), bin)
        })
    }

    /// Seconds from the start of the first window to the end of the last.
    pub(super) const fn end_s(&self) -> f64 {
        self.end_s
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.bins.len()
    }

    /// The length of a bin, where it holds several windows.
    pub(super) fn shared_s(&self) -> Option<f64> {
        (self.doublings > 0).then(|| self.width())
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.kinds.iter().enumerate().filter(|(_, seen)| **seen).map(|(index, _)| Kind::of_index(index))
    }

    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }
}
