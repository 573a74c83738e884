//! One gene: a knob in its own scale.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// The values a gene may take, in the knob's own unit, and the scale on which they are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Every integer; equal differences count the same.
    Linear {
        /// Smallest.
        min: u64,
        /// Largest, at least `min`.
        max: u64,
    },
    /// Every integer; equal ratios count the same.
    Log {
        /// Smallest, at least 1.
        min: u64,
        /// Largest, at least `min`.
        max: u64,
    },
    /// 0 or 1.
    Boolean,
    /// Some values, ascending, of which neighbours are alike.
    Ordinal(Vec<u64>),
    /// `0‥count`, of which none is like another.
    Categorical(u64),
}

impl Scale {
    /// What is wrong with the scale, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        match self {
            Self::Linear { min, max } | Self::Log { min, max } if min > max => {
                Some(format!("found the range {min}‥{max}, expected min ≤ max"))
            }
            Self::Log { min: 0, .. } => Some("found a log scale from 0, expected min ≥ 1".to_owned()),
            Self::Ordinal(values) if values.is_empty() => {
                Some("found no values, expected at least one".to_owned())
            }
            Self::Ordinal(values) if !values.is_sorted_by(|a, b| a < b) => {
                Some(format!("found the values {values:?}, expected them ascending"))
            }
            Self::Categorical(0) => Some("found no categories, expected at least one".to_owned()),
            _ => None,
        }
    }

    /// Whether values can be averaged and compared: linear or log.
    #[must_use]
    pub const fn is_numeric(&self) -> bool {
        matches!(self, Self::Linear { .. } | Self::Log { .. })
    }

    /// Whether `value` is on the scale.
    #[must_use]
    pub fn contains(&self, value: u64) -> bool {
        match self {
            Self::Linear { min, max } | Self::Log { min, max } => (*min..=*max).contains(&value),
            Self::Boolean => value <= 1,
            Self::Ordinal(values) => values.contains(&value),
            Self::Categorical(count) => value < *count,
        }
    }

    /// The first and the last value.
    #[must_use]
    pub fn bounds(&self) -> (u64, u64) {
        match self {
            Self::Linear { min, max } | Self::Log { min, max } => (*min, *max),
            Self::Boolean => (0, 1),
            Self::Ordinal(values) => {
                (values.first().copied().unwrap_or(0), values.last().copied().unwrap_or(0))
            }
            Self::Categorical(count) => (0, count.saturating_sub(1)),
        }
    }

    /// The value on the scale that is nearest to `value`.
    #[must_use]
    pub fn snap(&self, value: u64) -> u64 {
        match self {
            Self::Ordinal(values) => {
                values.iter().copied().min_by_key(|&there| there.abs_diff(value)).unwrap_or(value)
            }
            _ => {
                let (min, max) = self.bounds();
                value.clamp(min, max.max(min))
            }
        }
    }

    /// The value at `position`, 0 (first) to 1 (last), in the scale's own measure.
    #[must_use]
    pub fn at(&self, position: f64) -> u64 {
        let position = if position.is_finite() { position.clamp(0.0, 1.0) } else { 0.0 };
        let nth = |count: usize| ((position * count as f64) as usize).min(count.saturating_sub(1));
        match self {
            Self::Linear { min, max } => {
                let (low, high) = (*min as f64, *max as f64);
                self.snap((low + position * (high - low)).round() as u64)
            }
            Self::Log { min, max } => {
                let (low, high) = ((*min as f64).ln(), (*max as f64).ln());
                self.snap((low + position * (high - low)).exp().round() as u64)
            }
            Self::Boolean => nth(2) as u64,
            Self::Ordinal(values) => values.get(nth(values.len())).copied().unwrap_or(0),
            Self::Categorical(count) => nth(usize::try_from(*count).unwrap_or(usize::MAX)) as u64,
        }
    }

    /// Where `value` lies, 0 (first) to 1 (last); of values off the scale, where the nearest one does.
    #[must_use]
    pub fn position(&self, value: u64) -> f64 {
        let value = self.snap(value);
        let between = |value: f64, low: f64, high: f64| {
            if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 }
        };
        match self {
            Self::Log { min, max } => between((value as f64).ln(), (*min as f64).ln(), (*max as f64).ln()),
            Self::Ordinal(values) => {
                let index = values.iter().position(|&there| there == value).unwrap_or(0);
                between(index as f64, 0.0, values.len().saturating_sub(1) as f64)
            }
            _ => {
                let (min, max) = self.bounds();
                between(value as f64, min as f64, max as f64)
            }
        }
    }

    /// A value drawn evenly in the scale's own measure.
    pub(crate) fn draw<R: Rng>(&self, rng: &mut R) -> u64 {
        match self {
            Self::Linear { min, max } => rng.random_range(*min..=*max),
            Self::Log { .. } => self.at(rng.random_range(0.0..=1.0)),
            Self::Boolean => u64::from(rng.random_bool(0.5)),
            Self::Ordinal(values) => values[rng.random_range(0..values.len())],
            Self::Categorical(count) => rng.random_range(0..*count),
        }
    }

    /// A value at most `max_share` of the range away; where there is no distance, any value.
    pub(crate) fn step<R: Rng>(&self, from: u64, max_share: f64, rng: &mut R) -> u64 {
        match self {
            Self::Linear { .. } | Self::Log { .. } => {
                self.at(self.position(from) + rng.random_range(-max_share..=max_share))
            }
            Self::Ordinal(values) => {
                let index = values.iter().position(|&there| there == self.snap(from)).unwrap_or(0);
                let last = values.len() - 1;
                // At least to a neighbour: 29 % of three values is none.
                let reach = ((max_share * last as f64).round() as usize).max(1);
                values[rng.random_range(index.saturating_sub(reach)..=(index + reach).min(last))]
            }
            Self::Boolean | Self::Categorical(_) => self.draw(rng),
        }
    }
}

/// A draw gives each special value the weight that one child of eight has in the first generation.
const DRAWS_ON_SCALE: usize = 7;

/// One knob as the genetic library knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneSpec {
    /// The knob's name; unique in a [`Space`](crate::Space).
    pub name: String,
    /// Its ordinary values.
    pub scale: Scale,
    /// Values with a meaning of their own, such as 0 = off: alleles beside the scale, never interpolated.
    #[serde(default)]
    pub specials: Vec<u64>,
    /// What the device had before.
    pub default: u64,
    /// What is known to serve, where something is.
    #[serde(default)]
    pub known_good: Option<u64>,
}

/// How far beside the scale a special value lies.
const BESIDE: f64 = 0.25;

impl GeneSpec {
    /// A gene without special values.
    #[must_use]
    pub fn new(name: impl Into<String>, scale: Scale, default: u64) -> Self {
        Self { name: name.into(), scale, specials: Vec::new(), default, known_good: None }
    }

    /// With special values beside the scale.
    #[must_use]
    pub fn with_specials(mut self, specials: impl Into<Vec<u64>>) -> Self {
        self.specials = specials.into();
        self
    }

    /// With the default as a special value if it would otherwise be out of range, so that what the device had
    /// can always be tried and gone back to.
    #[must_use]
    pub fn admitting_default(mut self) -> Self {
        if !self.contains(self.default) {
            self.specials.push(self.default);
        }
        self
    }

    /// With the paper's range around its default: linear, [½, 1½] × default, never beyond the range it had.
    ///
    /// Values without a scale to take half of (booleans, ordinals, categories) are left as they are; where the
    /// default is a special value, the gene is fixed at it.
    #[must_use]
    pub fn in_paper_range(mut self) -> Self {
        if !self.scale.is_numeric() {
            return self;
        }
        let (min, max) = if self.scale.contains(self.default) {
            let (low, high) = paper_range(self.default);
            (self.scale.snap(low), self.scale.snap(high))
        } else {
            (self.default, self.default)
        };
        self.scale = Scale::Linear { min, max };
        self.specials.clear();
        self.known_good = self.known_good.map(|good| self.scale.snap(good));
        self
    }

    /// Whether `value` is one of its alleles.
    #[must_use]
    pub fn contains(&self, value: u64) -> bool {
        self.is_special(value) || self.scale.contains(value)
    }

    /// Whether `value` is one of its special values.
    #[must_use]
    pub fn is_special(&self, value: u64) -> bool {
        self.specials.contains(&value)
    }

    /// `value` if it is an allele, else the nearest on the scale.
    #[must_use]
    pub fn snap(&self, value: u64) -> u64 {
        if self.is_special(value) { value } else { self.scale.snap(value) }
    }

    /// Where `value` lies: its position on the scale, 0 to 1. A special value that is not on it lies a quarter of it
    /// beside it: off is another thing than the least.
    #[must_use]
    pub fn place(&self, value: u64) -> f64 {
        if self.scale.contains(value) || !self.is_special(value) {
            return self.scale.position(value);
        }
        if value < self.scale.bounds().0 { -BESIDE } else { 1.0 + BESIDE }
    }

    /// Child `index` of `children` in an even first generation: min + range ⁄ children × index in the knob's
    /// own scale. The last children have the special values, at most half of them.
    #[must_use]
    pub fn even(&self, index: usize, children: usize) -> u64 {
        let specials = self.specials.len().min(children / 2);
        match (index + specials).checked_sub(children) {
            Some(special) => self.specials.get(special).copied().unwrap_or(self.default),
            None => self.scale.at(index as f64 / children as f64),
        }
    }

    /// An allele drawn evenly.
    pub(crate) fn draw<R: Rng>(&self, rng: &mut R) -> u64 {
        self.draw_special(rng).unwrap_or_else(|| self.scale.draw(rng))
    }

    /// An allele near `from`. Special values are near nothing: they are reached and left as in a draw.
    pub(crate) fn step<R: Rng>(&self, from: u64, max_share: f64, rng: &mut R) -> u64 {
        match self.draw_special(rng) {
            Some(special) => special,
            None if self.is_special(from) => self.scale.draw(rng),
            None => self.scale.step(from, max_share, rng),
        }
    }

    fn draw_special<R: Rng>(&self, rng: &mut R) -> Option<u64> {
        if self.specials.is_empty() {
            return None;
        }
        self.specials.get(rng.random_range(0..DRAWS_ON_SCALE + self.specials.len())).copied()
    }
}

/// The paper's range of a gene: [½, 1½] × its default, rounded inwards.
#[must_use]
pub const fn paper_range(default: u64) -> (u64, u64) {
    (default.div_ceil(2), default.saturating_add(default / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    fn spread(spec: &GeneSpec) -> Vec<u64> {
        (0..8).map(|child| spec.even(child, 8)).collect()
    }

    #[test]
    fn the_first_generation_is_even_in_each_scale() {
        let spec = |scale| GeneSpec::new("gene", scale, 1);
        let linear = spec(Scale::Linear { min: 0, max: 80 });
        assert_eq!(spread(&linear), [0, 10, 20, 30, 40, 50, 60, 70]);
        let log = spec(Scale::Log { min: 1, max: 256 });
        assert_eq!(spread(&log), [1, 2, 4, 8, 16, 32, 64, 128]);
        assert_eq!(spread(&spec(Scale::Boolean)), [0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(spread(&spec(Scale::Ordinal(vec![0, 1, 2]))), [0, 0, 0, 1, 1, 1, 2, 2]);
        assert_eq!(spread(&spec(Scale::Categorical(4))), [0, 0, 1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn special_values_are_with_the_last_children_and_leave_the_others_as_they_are() {
        let log = |specials: &[u64]| {
            spread(&GeneSpec::new("gene", Scale::Log { min: 1, max: 256 }, 1).with_specials(specials))
        };
        assert_eq!(log(&[0]), [1, 2, 4, 8, 16, 32, 64, 0]);
        assert_eq!(log(&[0, 1_000]), [1, 2, 4, 8, 16, 32, 0, 1_000]);
        assert_eq!(log(&[11, 12, 13, 14, 15, 16])[3..], [8, 11, 12, 13, 14], "half at most");
    }

    fn shares(spec: &GeneSpec, from: Option<u64>) -> impl Fn(u64) -> f64 + use<> {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut one = || match from {
            None => spec.draw(&mut rng),
            Some(from) => spec.step(from, 0.29, &mut rng),
        };
        let drawn: Vec<u64> = (0..8_000).map(|_| one()).collect();
        move |value| drawn.iter().filter(|&&it| it == value).count() as f64 / 8_000.0
    }

    #[test]
    fn draws_are_even_and_give_a_special_value_one_in_eight() {
        let near = |found: f64, expected: f64| (found - expected).abs() < 0.02;
        let booleans = shares(&GeneSpec::new("gene", Scale::Boolean, 0), None);
        assert!(near(booleans(0), 0.5) && near(booleans(1), 0.5));
        let ordinals = shares(&GeneSpec::new("gene", Scale::Ordinal(vec![3, 5, 9]), 3), None);
        assert!([3, 5, 9].into_iter().all(|value| near(ordinals(value), 1.0 / 3.0)));
        let off = GeneSpec::new("gene", Scale::Log { min: 100, max: 10_000 }, 100).with_specials([0]);
        for from in [None, Some(1_000), Some(0)] {
            assert!(near(shares(&off, from)(0), 0.125), "from {from:?}");
        }
    }

    #[test]
    fn a_step_in_an_order_reaches_neighbours_only() {
        let spec = GeneSpec::new("gene", Scale::Ordinal(vec![0, 1, 2, 5]), 0);
        let from_first = shares(&spec, Some(0));
        assert!(from_first(0) > 0.4 && from_first(1) > 0.4);
        assert!(from_first(2) + from_first(5) < 1e-9);
    }

    #[test]
    fn the_papers_range_is_half_to_one_and_a_half_defaults() {
        assert_eq!(paper_range(500), (250, 750));
        assert_eq!(paper_range(5), (3, 7), "inwards: 2.5‥7.5");
        assert_eq!((paper_range(0), paper_range(1), paper_range(u64::MAX).1), ((0, 0), (1, 1), u64::MAX));
        let range = |spec: GeneSpec| spec.in_paper_range().scale;
        let log = GeneSpec::new("gene", Scale::Log { min: 10, max: 600 }, 500);
        assert_eq!(range(log.clone()), Scale::Linear { min: 250, max: 600 }, "never beyond the catalogue's");
        let off = GeneSpec { default: 0, ..log.with_specials([0]) };
        assert_eq!(range(off), Scale::Linear { min: 0, max: 0 }, "off stays off");
        assert_eq!(range(GeneSpec::new("gene", Scale::Boolean, 1)), Scale::Boolean);
    }

    #[test]
    fn a_default_out_of_range_can_be_admitted() {
        let spec = GeneSpec::new("gene", Scale::Log { min: 16, max: 128 }, 4_096);
        assert!(!spec.contains(4_096));
        assert_eq!(spec.admitting_default().specials, [4_096]);
        let inside = GeneSpec::new("gene", Scale::Log { min: 16, max: 128 }, 64).admitting_default();
        assert!(inside.specials.is_empty());
    }

    #[test]
    fn scales_without_values_are_found_out() {
        for scale in [
            Scale::Linear { min: 2, max: 1 },
            Scale::Log { min: 0, max: 1 },
            Scale::Log { min: 3, max: 2 },
            Scale::Ordinal(vec![]),
            Scale::Ordinal(vec![1, 1]),
            Scale::Ordinal(vec![2, 1]),
            Scale::Categorical(0),
        ] {
            assert!(scale.fault().is_some(), "{scale:?}");
        }
        for scale in [Scale::Linear { min: 0, max: 0 }, Scale::Log { min: 1, max: 1 }, Scale::Categorical(1)]
        {
            assert_eq!(scale.fault(), None);
        }
    }
}
