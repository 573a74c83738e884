//! Two runs side by side.
//!
//! Every number in the raw rows of a run is a measure; the words around it say of what. Numbers of the same measure and
//! the same words are repeats of each other (`seed`, `visit` and the like only number them). Where both runs have
//! repeats, the difference of the means has a 95 % interval (Welch's); where one has none, nothing says whether a
//! difference is more than chance, and no interval is given.

mod measures;

use crate::record::{RecordError, Table, rows};
use measures::Measures;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::path::Path;

/// The values of one measure in one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    values: Vec<f64>,
}

impl Sample {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// Their mean; NaN where there is none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// The variance of their mean; `None` without repeats.
    fn variance_of_mean(&self) -> Option<f64> {
        let count = self.values.len() as f64;
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|value| (value - mean).powi(2)).sum();
        (self.values.len() >= 2).then(|| squares / (count - 1.0) / count)
    }
}

/// One measure of both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Of what, in words: "mq-deadline, random read".
    pub of: String,
    /// The name of the measure, with its unit as the rows have it: "t95_s".
    pub measure: String,
    /// In the first run.
    pub before: Sample,
    /// In the second run.
    pub after: Sample,
}

/// What can be said of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Zero is outside of its interval.
    Differs,
    /// Zero is inside of its interval.
    WithinNoise,
    /// One of the runs has no repeats.
    Unknown,
}

impl Difference {
    /// Second less first, in the unit of the measure.
    #[must_use]
    pub fn change(&self) -> f64 {
        self.after.mean() - self.before.mean()
    }

    /// Both ends of the 95 % interval of [`Self::change`]; `None` where one of the runs has no repeats.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        let (before, after) = (self.before.variance_of_mean()?, self.after.variance_of_mean()?);
        let error = (before + after).sqrt();
        if error == 0.0 {
            return Some((self.change(), self.change()));
        }
        let share = |variance: f64, count: usize| variance.powi(2) / (count as f64 - 1.0);
        let freedom = (before + after).powi(2)
            / (share(before, self.before.count()) + share(after, self.after.count()));
        let width = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975) * error;
        Some((self.change() - width, self.change() + width))
    }

    /// The change in per cent of the first, with its interval.
    fn change_in_words(&self) -> String {
        let before = self.before.mean();
        if before == 0.0 {
            let from_zero = if self.change() == 0.0 { "none" } else { "from zero" };
            return from_zero.to_owned();
        }
        let per_cent = |change: f64| format!("{:+.1}", change / before.abs() * 100.0);
        match self.interval() {
            Some((low, high)) => {
                format!("{} [{}, {}]", per_cent(self.change()), per_cent(low), per_cent(high))
            }
            None => per_cent(self.change()),
        }
    }

    /// Whether the runs differ by more than their repeats do.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.interval() {
            Some((low, high)) if low > 0.0 || high < 0.0 => Verdict::Differs,
            Some(_) => Verdict::WithinNoise,
            None => Verdict::Unknown,
        }
    }
}

/// Two runs side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    differences: Vec<Difference>,
    only_before: Vec<String>,
    only_after: Vec<String>,
}

impl Comparison {
    /// The run in `after` beside the one in `before`.
    ///
    /// # Errors
    /// As [`rows`].
    pub fn of(before: &Path, after: &Path) -> Result<Self, RecordError> {
        Ok(Self::between(&rows(before)?, &rows(after)?))
    }

    /// Raw rows beside raw rows.
    #[must_use]
    pub fn between(before: &[serde_json::Value], after: &[serde_json::Value]) -> Self {
        let before = Measures::of(before);
        let mut after = Measures::of(after);
        let mut comparison = Self::default();
        for ((of, measure), values) in before.values {
            match after.values.remove(&(of.clone(), measure.clone())) {
                Some(others) => comparison.differences.push(Difference {
                    of,
                    measure,
                    before: Sample { values },
                    after: Sample { values: others },
                }),
                None => comparison.only_before.push(named(&of, &measure)),
            }
        }
        comparison.only_after = after.values.keys().map(|(of, measure)| named(of, measure)).collect();
        comparison
    }

    /// What both runs have, in the order of words and measures.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// What only the first has.
    #[must_use]
    pub fn only_before(&self) -> &[String] {
        &self.only_before
    }

    /// What only the second has.
    #[must_use]
    pub fn only_after(&self) -> &[String] {
        &self.only_after
    }

    /// A row for each difference.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&[
            "of",
            "measure",
            "differs",
            "first",
            "second",
            "change (%) [95 % interval]",
            "repeats",
        ]);
        for difference in &self.differences {
            let verdict = match difference.verdict() {
                Verdict::Differs => "yes",
                Verdict::WithinNoise => "no",
                Verdict::Unknown => "unknown",
            };
            table.row([
                difference.of.clone(),
                difference.measure.clone(),
                verdict.to_owned(),
                shown(difference.before.mean()),
                shown(difference.after.mean()),
                difference.change_in_words(),
                format!("{}, {}", difference.before.count(), difference.after.count()),
            ]);
        }
        table
    }
}

fn named(of: &str, measure: &str) -> String {
    if of.is_empty() { measure.to_owned() } else { format!("{of}: {measure}") }
}

/// To four digits, without an exponent as long as that stays short.
fn shown(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e12).contains(&size) {
        format!("{value:.3e}")
    } else {
        let decimals = (3.0 - size.log10().floor()).clamp(0.0, 7.0) as usize;
        format!("{value:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows_of(times: &[f64]) -> Vec<serde_json::Value> {
        let row = |(seed, time): (usize, &f64)| json!({ "arm": "warm", "seed": seed, "t95_s": time });
        times.iter().enumerate().map(row).collect()
    }

    #[test]
    fn repeats_give_an_interval() {
        let comparison = Comparison::between(&rows_of(&[10.0, 12.0, 14.0]), &rows_of(&[20.0, 22.0, 24.0]));
        let [difference] = comparison.differences() else { panic!("{comparison:?}") };
        assert_eq!((difference.of.as_str(), difference.measure.as_str()), ("warm", "t95_s"));
        assert!((difference.change() - 10.0).abs() < 1e-9);
        // Welch: both variances 4, n = 3: error sqrt(8/3), 4 degrees of freedom, t = 2.776.
        let (low, high) = difference.interval().unwrap();
        let width = 2.776_445 * (8.0_f64 / 3.0).sqrt();
        assert!((low - (10.0 - width)).abs() < 1e-3 && (high - (10.0 + width)).abs() < 1e-3, "{low} {high}");
        assert_eq!(difference.verdict(), Verdict::Differs);
    }

    #[test]
    fn without_repeats_there_is_a_change_and_no_verdict() {
        let comparison = Comparison::between(&rows_of(&[10.0]), &rows_of(&[20.0, 22.0]));
        let [difference] = comparison.differences() else { panic!("{comparison:?}") };
        assert_eq!((difference.interval(), difference.verdict()), (None, Verdict::Unknown));
        let table = comparison.table();
        assert_eq!(
            table.rows(),
            [["warm", "t95_s", "unknown", "10.00", "21.00", "+110.0", "1, 2"].map(str::to_owned).to_vec()]
        );
    }

    #[test]
    fn a_change_is_told_as_a_share_of_the_first_where_there_is_one() {
        let told = |before: &[f64], after: &[f64]| {
            let comparison = Comparison::between(&rows_of(before), &rows_of(after));
            comparison.table().rows()[0][5].clone()
        };
        assert_eq!(told(&[-10.0], &[-5.0]), "+50.0");
        assert_eq!(told(&[0.0], &[5.0]), "from zero");
        assert_eq!(told(&[0.0], &[0.0]), "none");
        assert_eq!(told(&[10.0, 10.0], &[20.0, 20.0]), "+100.0 [+100.0, +100.0]");
    }

    #[test]
    fn the_same_run_twice_differs_in_nothing() {
        let rows = rows_of(&[1.0, 2.0, 3.0]);
        let comparison = Comparison::between(&rows, &rows);
        assert!(comparison.differences().iter().all(|one| one.verdict() == Verdict::WithinNoise));
        let constant = Comparison::between(&rows_of(&[2.0, 2.0]), &rows_of(&[2.0, 2.0]));
        assert!(constant.differences().iter().all(|one| one.verdict() == Verdict::WithinNoise));
        assert!(Comparison::between(&[], &[]).differences().is_empty());
    }

    #[test]
    fn what_one_run_lacks_is_named() {
        let comparison = Comparison::between(
            &[json!({ "scheduler": "bfq", "iops": 1.0 }), json!({ "scheduler": "kyber", "iops": 1.0 })],
            &[json!({ "scheduler": "kyber", "iops": 2.0, "late": null })],
        );
        assert_eq!(comparison.only_before(), ["bfq: iops"]);
        assert!(comparison.only_after().is_empty());
        assert_eq!(comparison.differences().len(), 1);
    }
}
