//! Default against tuned once more, in pairs that had no part in choosing.
//!
//! The best score of a search is the luckiest of many: with no effect at all it would still lead. So what was found is
//! put beside the default in pairs, the order by turns, and only that says what was gained.

use crate::Context;
use crate::bench::stats::mean;
use crate::convergence::live::{Victim, apply, begin, slice_of};
use crate::convergence::measured::interval;
use anyhow::Result;
use block_types::Settings;
use serde::Serialize;
use std::time::Duration;

const SETTLE: Duration = Duration::from_millis(700);
const SLICE: Duration = Duration::from_millis(1_500);
const PAIRS: usize = 7;

/// Bytes a second under the two, and what was gained.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Checked {
    pub(super) default_mb_per_s: f64,
    pub(super) tuned_mb_per_s: f64,
    /// Tuned as a multiple of the default: mean of the pairs, lower and upper end of its 95 % interval.
    pub(super) ratio: Option<(f64, f64, f64)>,
}

impl Checked {
    /// In words: a gain only where the interval shows one.
    pub(super) fn words(&self) -> String {
        let Some((middle, low, high)) = self.ratio else { return "-".to_owned() };
        let verdict = if low > 1.0 {
            "gained"
        } else if high < 1.0 {
            "LOST"
        } else {
            "nothing shown"
        };
        let per_cent = |ratio: f64| 100.0 * (ratio - 1.0);
        format!("{verdict}: {:+.0} % [{:+.0}, {:+.0}]", per_cent(middle), per_cent(low), per_cent(high))
    }
}

/// Runs the workload once more, with the two by turns, and leaves the default in force.
pub(super) fn check(
    context: &Context,
    victim: &Victim,
    workload: &str,
    default: &Settings,
    tuned: &Settings,
) -> Result<Checked> {
    let (mut running, _) = begin(context, workload, victim)?;
    context.interrupt.sleep(Duration::from_secs(2))?;
    let (mut rates, mut logs) = ([Vec::new(), Vec::new()], Vec::new());
    for pair in 0..PAIRS {
        let mut both = [0.0; 2];
        for turn in 0..2 {
            let which = (pair + turn) % 2;
            apply(victim, [default, tuned][which])?;
            context.interrupt.sleep(SETTLE)?;
            both[which] = slice_of(context, victim, SLICE)?;
            rates[which].push(both[which] / 1e6);
        }
        let log = (both[1] / both[0]).ln();
        if log.is_finite() {
            logs.push(log);
        }
    }
    apply(victim, default)?;
    running.check()?;
    running.stop()?;
    let [defaults, tuned] = rates.map(|rates| mean(&rates).unwrap_or(f64::NAN));
    Ok(Checked { default_mb_per_s: defaults, tuned_mb_per_s: tuned, ratio: interval(&logs) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_must_be_outside_the_interval() {
        let checked = |ratio| Checked { default_mb_per_s: 1.0, tuned_mb_per_s: 1.0, ratio };
        assert!(checked(Some((1.5, 1.2, 1.9))).words().starts_with("gained: +50 % [+20, +90]"));
        assert!(checked(Some((1.5, 0.9, 1.9))).words().starts_with("nothing shown"));
        assert!(checked(Some((0.5, 0.4, 0.9))).words().starts_with("LOST"));
        assert_eq!(checked(None).words(), "-");
    }
}
