//! Axes: what they measure, how far they reach, and where their ticks lie.

use super::style::SMALL;
use super::text::{Ruler, Weight};

/// How values become lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equally long.
    Linear,
    /// Equal ratios are equally long; holds only values above zero.
    Log10,
}

/// What an axis measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// What is measured: "read latency".
    pub label: String,
    /// In which unit: "ms"; empty for a bare number.
    pub unit: String,
    /// How values become lengths.
    pub scale: Scale,
}

impl Axis {
    /// An axis of `label` in `unit`.
    pub fn new(label: &str, unit: &str, scale: Scale) -> Self {
        Self { label: label.to_owned(), unit: unit.to_owned(), scale }
    }

    pub(crate) fn caption(&self) -> String {
        let mut caption = self.label.clone();
        if !self.unit.is_empty() {
            caption.push_str(&format!(" ({})", self.unit));
        }
        if self.scale == Scale::Log10 {
            caption.push_str(", log scale");
        }
        caption
    }
}

/// Beyond this a value is taken for a mistake: sums and spans of drawable values stay finite.
const LARGEST: f64 = 1e300;
/// So near to zero, and not zero, a value has lost digits, and steps of it are no longer even.
const SMALLEST: f64 = 1e-300;

/// What was left out of a chart, and why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    not_measured: usize,
    not_finite: usize,
    not_above_zero: usize,
    out_of_range: usize,
    backwards: usize,
    words: usize,
}

impl Tally {
    /// `value` where an axis of that scale can hold it; counted here otherwise.
    pub(crate) fn admit(&mut self, scale: Scale, value: Option<f64>) -> Option<f64> {
        let Some(value) = value else {
            self.not_measured += 1;
            return None;
        };
        if !value.is_finite() {
            self.not_finite += 1;
        } else if scale == Scale::Log10 && value <= 0.0 {
            self.not_above_zero += 1;
        } else if value.abs() > LARGEST || (value != 0.0 && value.abs() < SMALLEST) {
            self.out_of_range += 1;
        } else {
            return Some(value);
        }
        None
    }

    /// Both ends of a span on a linear axis, where it can hold them and they are in order.
    pub(crate) fn admit_span(&mut self, from: f64, to: f64) -> Option<(f64, f64)> {
        let ends = (self.admit(Scale::Linear, Some(from))?, self.admit(Scale::Linear, Some(to))?);
        if ends.0 > ends.1 {
            self.backwards += 1;
            return None;
        }
        Some(ends)
    }

    /// Counts a choice that has no row of its own any more.
    pub(crate) fn leave_out_word(&mut self) {
        self.words += 1;
    }

    /// What a reader has to know; `None` where nothing was left out.
    pub(crate) fn note(&self) -> Option<String> {
        let parts: Vec<String> = [
            (self.not_measured, "not measured"),
            (self.not_finite, "not finite"),
            (self.not_above_zero, "not above zero, which a log scale needs"),
            (self.out_of_range, "beyond 1e300 or below 1e-300"),
            (self.backwards, "that end before they begin"),
            (self.words, "of more choices than a panel has rows for"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, why)| format!("{count} {why}"))
        .collect();
        (!parts.is_empty()).then(|| format!("Left out of the chart: {}.", parts.join("; ")))
    }
}

/// Whether an axis begins where the data do or at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Data,
    /// For lengths, which lie where zero is not shown.
    Zero,
}

/// Which way an axis runs, on so many pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Along {
    /// Labels keep apart by their widths.
    Across(f64),
    /// Labels keep apart by their heights.
    Up(f64),
}

impl Along {
    pub(crate) fn length(self) -> f64 {
        match self {
            Self::Across(length) | Self::Up(length) => length,
        }
    }

    /// How far a label reaches from its tick.
    pub(crate) fn half(self, label: &str, ruler: &Ruler) -> f64 {
        match self {
            Self::Across(_) => ruler.width(label, SMALL, Weight::Regular) / 2.0,
            Self::Up(_) => SMALL / 2.0,
        }
    }

    /// The same way on another length.
    pub(crate) fn of(self, length: f64) -> Self {
        match self {
            Self::Across(_) => Self::Across(length),
            Self::Up(_) => Self::Up(length),
        }
    }
}

/// A tick at a share of the axis' length.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) share: f64,
    pub(crate) label: String,
}

/// How far an axis reaches, with its ticks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reach {
    scale: Scale,
    /// Both ends as the scale counts: the value itself or its logarithm.
    low: f64,
    high: f64,
    pub(crate) ticks: Vec<Tick>,
    /// Shares where a faint line helps to read a logarithmic scale.
    pub(crate) faint: Vec<f64>,
}

impl Reach {
    /// An axis around admitted `values`; `None` where there are none.
    pub(crate) fn around(
        scale: Scale,
        origin: Origin,
        values: impl Iterator<Item = f64> + Clone,
        along: Along,
        ruler: &Ruler,
    ) -> Option<Self> {
        let low = values.clone().reduce(f64::min)?;
        let high = values.reduce(f64::max)?;
        let fits = |ticks: &[Tick]| labels_fit(ticks, along, ruler);
        Some(match scale {
            Scale::Log10 => Self::logarithmic(low, high, fits),
            Scale::Linear => match origin {
                Origin::Data => Self::linear(low, high, fits),
                Origin::Zero => Self::linear(low.min(0.0), high.max(0.0), fits),
            },
        })
    }

    pub(crate) fn scale(&self) -> Scale {
        self.scale
    }

    /// Where an admitted `value` lies, from 0 at the low end to 1 at the high end.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let counted = match self.scale {
            Scale::Linear => value,
            Scale::Log10 => value.log10(),
        };
        ((counted - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The ticks between two values as the scale counts, at their shares of that distance.
    pub(crate) fn ticks_between(&self, low: f64, high: f64) -> Vec<Tick> {
        self.ticks
            .iter()
            .map(|tick| {
                let counted = self.low + tick.share * (self.high - self.low);
                Tick { share: (counted - low) / (high - low), label: tick.label.clone() }
            })
            .filter(|tick| (0.0..=1.0).contains(&tick.share))
            .collect()
    }

    fn logarithmic(low: f64, high: f64, fits: impl Fn(&[Tick]) -> bool) -> Self {
        let mut first = Rung::at_or_below(low);
        let mut last = Rung::at_or_above(high);
        if first == last {
            (first, last) = (Rung(first.0 - 1), Rung(last.0 + 1));
        }
        let (from, to) = (first.log10(), last.log10());
        let share = |log10: f64| (log10 - from) / (to - from);
        let ticks = |wanted: &dyn Fn(Rung) -> bool| -> Vec<Tick> {
            (first.0..=last.0)
                .map(Rung)
                .filter(|rung| wanted(*rung))
                .map(|rung| Tick { share: share(rung.log10()), label: rung.label(last) })
                .collect()
        };
        let mut chosen = ticks(&|_| true);
        // Every 1, 2 and 5; else every decade; else every so many decades.
        for decades in [1, 2, 3, 5, 10, 20, 50, 100, 200] {
            if fits(&chosen) {
                break;
            }
            chosen = ticks(&|rung| rung.is_decade() && rung.exponent() % decades == 0);
        }
        let decades = (first.exponent()..=last.exponent()).map(f64::from);
        let faint = if to - from > 6.0 {
            Vec::new()
        } else {
            decades
                .flat_map(|decade| (1..10).map(move |digit| decade + f64::from(digit).log10()))
                .map(share)
                .filter(|share| (0.0..=1.0).contains(share))
                .collect()
        };
        Self { scale: Scale::Log10, low: from, high: to, ticks: chosen, faint }
    }

    fn linear(low: f64, high: f64, fits: impl Fn(&[Tick]) -> bool) -> Self {
        let size = low.abs().max(high.abs());
        // One value, or values that no label could tell apart, get room around them.
        let (low, high) = if size == 0.0 {
            (0.0, 1.0)
        } else if high - low < size * 1e-6 {
            (low - size / 2.0, high + size / 2.0)
        } else {
            (low, high)
        };
        let mut reach = Self::linear_in(low, high, 7.0);
        for steps in [6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
            if fits(&reach.ticks) {
                break;
            }
            reach = Self::linear_in(low, high, steps);
        }
        reach
    }

    /// Ends and ticks at multiples of a step of 1, 2 or 5, about `steps` of them.
    fn linear_in(low: f64, high: f64, steps: f64) -> Self {
        let step = Rung::at_or_above((high - low) / steps).value();
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let largest = (first * step).abs().max((last * step).abs());
        let count = (last - first).max(1.0);
        let ticks = (0..=count as u32)
            .map(f64::from)
            .map(|index| Tick { share: index / count, label: label((first + index) * step, step, largest) })
            .collect();
        let (low, high) = (first * step, (first + count) * step);
        Self { scale: Scale::Linear, low, high, ticks, faint: Vec::new() }
    }
}

/// Whether the labels of `ticks` keep apart.
pub(crate) fn labels_fit(ticks: &[Tick], along: Along, ruler: &Ruler) -> bool {
    let ends = |tick: &Tick| {
        let (centre, half) = (tick.share * along.length(), along.half(&tick.label, ruler));
        (centre - half, centre + half)
    };
    ticks.windows(2).all(|pair| match pair {
        [one, next] => ends(next).0 - ends(one).1 >= 7.0,
        _ => true,
    })
}

/// A step of the ladder … 0.1, 0.2, 0.5, 1, 2, 5, 10 …; 0 is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rung(i32);

impl Rung {
    fn at_or_below(value: f64) -> Self {
        let above = Self::at_or_above(value);
        if above.value() > value { Self(above.0 - 1) } else { above }
    }

    fn at_or_above(value: f64) -> Self {
        // The logarithm may be off by its last digit; the decade below it cannot be too high.
        let mut rung = Self((value.log10().floor() as i32 - 1) * 3);
        while rung.value() < value {
            rung.0 += 1;
        }
        rung
    }

    fn exponent(self) -> i32 {
        self.0.div_euclid(3)
    }

    fn digit(self) -> f64 {
        match self.0.rem_euclid(3) {
            0 => 1.0,
            1 => 2.0,
            _ => 5.0,
        }
    }

    fn is_decade(self) -> bool {
        self.0.rem_euclid(3) == 0
    }

    fn value(self) -> f64 {
        // Of text, because a product of powers of ten is not the number that its digits name.
        format!("{}e{}", self.digit(), self.exponent()).parse().unwrap_or(f64::INFINITY)
    }

    fn log10(self) -> f64 {
        f64::from(self.exponent()) + self.digit().log10()
    }

    fn label(self, largest: Self) -> String {
        label(self.value(), self.value(), largest.value())
    }
}

const PREFIXES: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];

/// `value`, a multiple of `step`, on an axis that reaches to `largest`: plain up to 9999, with a prefix beyond.
fn label(value: f64, step: f64, largest: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e15).contains(&largest) || step < 1e-4 {
        let digits = (size.log10().floor() - step.log10().floor()).clamp(0.0, 6.0) as usize;
        return exponential(value, digits);
    }
    let (unit, prefix) =
        PREFIXES.into_iter().find(|(unit, _)| size >= *unit && largest >= 1e4).unwrap_or((1.0, ""));
    let decimals = (-(step / unit).log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize;
    format!("{}{prefix}", trimmed(format!("{:.decimals$}", value / unit)))
}

/// `value` to three digits, as a label of its own.
pub(crate) fn three_digits(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e15).contains(&size) {
        return exponential(value, 2);
    }
    // 9999.6 to three digits is 10.0k: the prefix is chosen for what will be shown.
    let place = size.log10().floor() - 2.0;
    let shown = if place > 0.0 { (value / 10_f64.powf(place)).round() * 10_f64.powf(place) } else { value };
    let (unit, prefix) = PREFIXES
        .into_iter()
        .find(|(unit, _)| shown.abs() >= *unit && shown.abs() >= 1e4)
        .unwrap_or((1.0, ""));
    let decimals = (2.0 - (shown.abs() / unit).log10().floor()).clamp(0.0, 5.0) as usize;
    format!("{:.decimals$}{prefix}", shown / unit)
}

fn exponential(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa.to_owned())),
        None => text,
    }
}

/// Without zeros at the end of a fraction.
fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(scale: Scale, values: &[f64], length: f64) -> Vec<String> {
        let ruler = Ruler::new().unwrap();
        let reach = Reach::around(scale, Origin::Zero, values.iter().copied(), Along::Across(length), &ruler)
            .unwrap();
        reach.ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn logarithmic_ticks_are_ones_twos_and_fives_until_they_no_longer_fit() {
        assert_eq!(
            labels(Scale::Log10, &[0.3, 45.0], 360.0),
            ["0.2", "0.5", "1", "2", "5", "10", "20", "50"]
        );
        assert_eq!(labels(Scale::Log10, &[30.0, 4e5], 360.0), ["100", "1k", "10k", "100k"]);
        assert_eq!(labels(Scale::Log10, &[3.0], 360.0), ["2", "5"]);
        assert_eq!(labels(Scale::Log10, &[5.0], 360.0), ["2", "5", "10"]);
        let wide = labels(Scale::Log10, &[1e-300, 1e300], 360.0);
        assert!((4..12).contains(&wide.len()), "{wide:?}");
        assert!(wide.contains(&"1e0".to_owned()), "{wide:?}");
    }

    #[test]
    fn linear_ticks_are_round_numbers() {
        assert_eq!(labels(Scale::Linear, &[118.0], 260.0), ["0", "20", "40", "60", "80", "100", "120"]);
        assert_eq!(labels(Scale::Linear, &[0.29], 260.0), ["0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3"]);
        assert_eq!(labels(Scale::Linear, &[41_000.0], 160.0), ["0", "10k", "20k", "30k", "40k", "50k"]);
        assert_eq!(labels(Scale::Linear, &[-3.0, 2.0], 260.0), ["-3", "-2", "-1", "0", "1", "2"]);
        assert_eq!(labels(Scale::Linear, &[0.0], 260.0).first().map(String::as_str), Some("0"));
    }

    #[test]
    fn three_digits_are_three() {
        for (value, text) in [
            (118.24, "118"),
            (9.876_5, "9.88"),
            (0.012_34, "0.0123"),
            (1234.0, "1230"),
            (9999.6, "10.0k"),
            (12_345.0, "12.3k"),
            (0.0, "0"),
            (-1.0, "-1.00"),
            (1e-9, "1e-9"),
        ] {
            assert_eq!(three_digits(value), text);
        }
    }

    #[test]
    fn what_an_axis_cannot_hold_is_counted() {
        let mut tally = Tally::default();
        for value in
            [None, Some(f64::NAN), Some(f64::INFINITY), Some(0.0), Some(-1.0), Some(1e301), Some(1e-310)]
        {
            assert_eq!(tally.admit(Scale::Log10, value), None);
        }
        assert_eq!(tally.admit(Scale::Linear, Some(0.0)), Some(0.0));
        assert_eq!(tally.admit(Scale::Linear, Some(-4e-309)), None);
        let note = tally.note().unwrap();
        for part in ["1 not measured", "2 not finite", "2 not above zero", "3 beyond"] {
            assert!(note.contains(part), "{note}");
        }
        assert_eq!(Tally::default().note(), None);
    }

    proptest! {
        #[test]
        fn every_value_lies_on_its_axis(
            log in any::<bool>(),
            zero in any::<bool>(),
            values in prop::collection::vec(any::<f64>(), 1..8),
        ) {
            let scale = if log { Scale::Log10 } else { Scale::Linear };
            let origin = if zero { Origin::Zero } else { Origin::Data };
            let mut tally = Tally::default();
            let held: Vec<f64> =
                values.iter().filter_map(|value| tally.admit(scale, Some(*value))).collect();
            let ruler = Ruler::new().unwrap();
            let reach = Reach::around(scale, origin, held.iter().copied(), Along::Across(300.0), &ruler);
            prop_assert_eq!(reach.is_some(), !held.is_empty());
            if let Some(reach) = reach {
                prop_assert!(reach.low.is_finite() && reach.high.is_finite() && reach.low < reach.high);
                prop_assert!(!reach.ticks.is_empty() && reach.ticks.len() < 40, "{:?}", reach.ticks);
                for value in held {
                    let counted = if log { value.log10() } else { value };
                    let slack = (reach.high - reach.low) * 1e-9;
                    prop_assert!(counted >= reach.low - slack && counted <= reach.high + slack);
                }
                for tick in &reach.ticks {
                    prop_assert!((0.0..=1.0).contains(&tick.share));
                }
            }
        }
    }
}
