//! One axis of a map, cut into cells.

use super::axis::{Along, Origin, Reach, Scale, Tally, Tick, labels_fit, three_digits};
use super::text::Ruler;

/// So many cells keep a width of their own; more values than that share cells of equal width.
const MOST_CELLS: usize = 24;
/// In pixels: a narrower cell is not seen.
const NARROWEST: f64 = 4.0;
/// The cell of zero on a logarithmic axis, and the gap beside it.
const ZERO: f64 = 28.0;
const GAP: f64 = 6.0;

/// An axis of so many pixels, cut into cells around the values that were tried.
///
/// On a logarithmic axis a zero, which many knobs have for "off", gets a cell of its own before the others.
#[derive(Clone, Debug)]
pub(crate) struct Grades {
    scale: Scale,
    length: f64,
    zero: bool,
    /// As the scale counts, rising; empty where there is only a zero.
    edges: Vec<f64>,
    ticks: Vec<Tick>,
}

/// `value` where [`Grades`] have a cell for it.
pub(crate) fn admit(scale: Scale, value: f64, tally: &mut Tally) -> Option<f64> {
    if scale == Scale::Log10 && value == 0.0 { Some(0.0) } else { tally.admit(scale, Some(value)) }
}

impl Grades {
    /// Cells around admitted `values`; `None` where there are none.
    pub(crate) fn around(scale: Scale, values: &[f64], along: Along, ruler: &Ruler) -> Option<Self> {
        let length = along.length();
        let is_zero = |value: &f64| scale == Scale::Log10 && *value == 0.0;
        let zero = values.iter().any(is_zero);
        let mut values: Vec<f64> = values.iter().copied().filter(|value| !is_zero(value)).collect();
        values.sort_by(f64::total_cmp);
        let (first, last) = match (values.first(), values.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => return zero.then(|| Self { scale, length, zero, edges: vec![], ticks: vec![] }),
        };
        let mut grades = Self { scale, length, zero, edges: vec![], ticks: vec![] };
        let near = (grades.counted(last) - grades.counted(first)) * 1e-6;
        values.dedup_by(|next, kept| grades.counted(*next) - grades.counted(*kept) <= near);
        grades.edges = grades.between(&values);
        let narrow = |grades: &Self| {
            (0..grades.cells()).any(|cell| {
                let (from, to) = grades.extent(cell);
                to - from < NARROWEST
            })
        };
        if values.len() > MOST_CELLS || narrow(&grades) {
            let (low, high) = (grades.counted(first), grades.counted(last));
            let cells = MOST_CELLS as f64;
            grades.edges = (0..=MOST_CELLS).map(|edge| low + (high - low) * (edge as f64 / cells)).collect();
            let reach = Reach::around(scale, Origin::Data, [first, last].into_iter(), along, ruler)?;
            grades.ticks = reach.ticks_between(low, high);
        } else {
            let ticks: Vec<Tick> = values
                .iter()
                .map(|value| Tick { share: grades.share(grades.counted(*value)), label: label(*value) })
                .collect();
            let axis = along.of(grades.length - grades.offset());
            for every in 1..=values.len() {
                grades.ticks = ticks.iter().step_by(every).cloned().collect();
                if labels_fit(&grades.ticks, axis, ruler) {
                    break;
                }
            }
        }
        if zero {
            let zero_end = ZERO / 2.0 + along.half("0", ruler) + 5.0;
            let clear = |tick: &Tick| grades.at(tick.share) - along.half(&tick.label, ruler) >= zero_end;
            grades.ticks = grades.ticks.iter().filter(|tick| clear(tick)).cloned().collect();
        }
        Some(grades)
    }

    /// Where one value ends and the next begins: half way, as the scale counts.
    fn between(&self, values: &[f64]) -> Vec<f64> {
        let at: Vec<f64> = values.iter().map(|value| self.counted(*value)).collect();
        let middles: Vec<f64> = at.windows(2).map(|pair| pair.iter().sum::<f64>() / 2.0).collect();
        let (Some(first), Some(last)) = (at.first(), at.last()) else { return vec![] };
        // A value alone gets room as if the next ones were half and double, or half of it away.
        let alone = match self.scale {
            Scale::Log10 => 0.5 * 2_f64.log10(),
            Scale::Linear => (first.abs() / 4.0).max(0.5),
        };
        let before = middles.first().map_or(alone, |middle| middle - first);
        let after = middles.last().map_or(alone, |middle| last - middle);
        let mut edges = vec![first - before];
        edges.extend(middles);
        edges.push(last + after);
        edges
    }

    fn counted(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => value,
            Scale::Log10 => value.log10(),
        }
    }

    fn share(&self, counted: f64) -> f64 {
        match (self.edges.first(), self.edges.last()) {
            (Some(low), Some(high)) if high > low => ((counted - low) / (high - low)).clamp(0.0, 1.0),
            _ => 0.5,
        }
    }

    /// Where the cells of numbers begin, in pixels.
    fn offset(&self) -> f64 {
        if self.zero { ZERO + GAP } else { 0.0 }
    }

    fn at(&self, share: f64) -> f64 {
        self.offset() + share * (self.length - self.offset())
    }

    /// How many cells there are.
    pub(crate) fn cells(&self) -> usize {
        usize::from(self.zero) + self.edges.len().saturating_sub(1)
    }

    /// The cell of an admitted value.
    pub(crate) fn cell(&self, value: f64) -> usize {
        if self.is_zero(value) {
            return 0;
        }
        let counted = self.counted(value);
        let above = self.edges.iter().skip(1).take_while(|edge| counted >= **edge).count();
        (above + usize::from(self.zero)).min(self.cells().saturating_sub(1))
    }

    /// Where a cell begins and ends, in pixels from the low end.
    pub(crate) fn extent(&self, cell: usize) -> (f64, f64) {
        if self.zero && cell == 0 {
            return (0.0, ZERO);
        }
        let first = cell - usize::from(self.zero);
        let edge = |index: usize| self.edges.get(index).map_or(0.0, |edge| self.at(self.share(*edge)));
        (edge(first), edge(first + 1))
    }

    /// Between the cell of zero and the others.
    pub(crate) fn gap(&self) -> Option<(f64, f64)> {
        (self.zero && !self.edges.is_empty()).then_some((ZERO, ZERO + GAP))
    }

    /// Where an admitted value lies, in pixels from the low end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        if self.is_zero(value) { ZERO / 2.0 } else { self.at(self.share(self.counted(value))) }
    }

    /// Labels with their pixels from the low end.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (f64, &str)> {
        let numbers = self.ticks.iter().map(|tick| (self.at(tick.share), tick.label.as_str()));
        self.zero.then_some((ZERO / 2.0, "0")).into_iter().chain(numbers)
    }

    fn is_zero(&self, value: f64) -> bool {
        self.zero && value == 0.0
    }
}

/// Whole numbers as they are: a knob at 1024 is not at 1020.
fn label(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 100_000.0 { format!("{value:.0}") } else { three_digits(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grades(scale: Scale, values: &[f64]) -> Grades {
        Grades::around(scale, values, Along::Across(400.0), &Ruler::new().unwrap()).unwrap()
    }

    #[test]
    fn each_value_that_was_tried_has_a_cell_and_zero_one_before_them() {
        let grades = grades(Scale::Log10, &[16.0, 0.0, 1024.0, 128.0, 16.0]);
        assert_eq!(grades.cells(), 4);
        assert_eq!([0.0, 16.0, 128.0, 1024.0].map(|value| grades.cell(value)), [0, 1, 2, 3]);
        let labels: Vec<&str> = grades.labels().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0", "16", "128", "1024"]);
        let widths: Vec<f64> = (1..4).map(|cell| grades.extent(cell)).map(|(from, to)| to - from).collect();
        assert!(widths.iter().all(|width| (width - widths[0]).abs() < 1e-6), "equal ratios: {widths:?}");
    }

    #[test]
    fn many_values_share_cells() {
        let values: Vec<f64> = (1..500).map(f64::from).collect();
        assert_eq!(grades(Scale::Linear, &values).cells(), MOST_CELLS);
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_cell(
            log in any::<bool>(),
            values in prop::collection::vec(prop_oneof![any::<f64>(), 0.0..1e4_f64, Just(0.0)], 0..40),
        ) {
            let scale = if log { Scale::Log10 } else { Scale::Linear };
            let mut tally = Tally::default();
            let held: Vec<f64> =
                values.iter().filter_map(|value| admit(scale, *value, &mut tally)).collect();
            let ruler = Ruler::new().unwrap();
            let grades = Grades::around(scale, &held, Along::Across(400.0), &ruler);
            prop_assert_eq!(grades.is_some(), !held.is_empty());
            if let Some(grades) = grades {
                for value in held {
                    let (from, to) = grades.extent(grades.cell(value));
                    let place = grades.place(value);
                    prop_assert!(from <= to && from >= 0.0 && to <= 400.0 + 1e-9, "{from} {to}");
                    prop_assert!(place >= from - 1e-3 && place <= to + 1e-3, "{value}: {from} {place} {to}");
                }
            }
        }
    }
}
