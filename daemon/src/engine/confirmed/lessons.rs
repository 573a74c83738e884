//! What the campaigns of one fingerprint have taught: settings that were compared, and by how much they differed.
//!
//! A race is no evidence, and nothing here is: a setting is put in force for good because fresh pairs confirmed it. But
//! where to look next all comparisons tell together, so that a campaign in vain is not one for nothing.

use super::brood::Candidate;
use genetic::{Comparison, Genome, Noise, Space, Surrogate};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use trials::{Raced, Tried};

/// How many comparisons are remembered: about eight campaigns. Disks and workloads drift, and what is solved for the
/// next campaign's candidates grows with the cube.
const REMEMBERED: usize = 96;
/// ln of what a candidate is taken to be worth that the guard took back: nobody knows how bad it is.
const STRUCK: f64 = -0.7;

/// Settings beside their control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Lesson {
    genes: BTreeMap<String, u64>,
    control: BTreeMap<String, u64>,
    log_ratio: f64,
    pairs: u32,
}

/// The latest comparisons.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lessons {
    latest: VecDeque<Lesson>,
}

impl Lessons {
    /// Takes what a campaign came to, whose control was `home`.
    pub fn learn(
        &mut self,
        space: &Space,
        home: &Genome,
        candidates: &[Candidate],
        raced: &[Raced],
        tried: &[Tried],
    ) {
        let control = space.by_name(home);
        let mut learn = |genome: &Genome, log_ratio: f64, pairs: u32| {
            let lesson = Lesson { genes: space.by_name(genome), control: control.clone(), log_ratio, pairs };
            self.latest.push_back(lesson);
        };
        for (candidate, raced) in candidates.iter().zip(raced) {
            match *raced {
                Raced::Measured { log_ratio, slices } => learn(&candidate.genome, log_ratio, slices),
                Raced::Struck => learn(&candidate.genome, STRUCK, 1),
                Raced::Silent => {}
            }
        }
        for tried in tried {
            if let (Some(candidate), Some(estimate)) =
                (candidates.get(tried.candidate as usize), tried.estimate)
            {
                learn(&candidate.genome, estimate.log_ratio, estimate.pairs);
            }
        }
        let surplus = self.latest.len().saturating_sub(REMEMBERED);
        self.latest.drain(..surplus);
    }

    /// Nothing of it holds any more.
    pub fn forget(&mut self) {
        self.latest.clear();
    }

    /// What they say together over these genes; `None` where that is too little.
    #[must_use]
    pub fn surrogate(&self, space: &Space) -> Option<Surrogate> {
        let comparisons = self.latest.iter().map(|lesson| Comparison {
            at: space.place(&space.genome_of(&lesson.genes)),
            against: space.place(&space.genome_of(&lesson.control)),
            log_ratio: lesson.log_ratio,
            pairs: f64::from(lesson.pairs),
        });
        Surrogate::fit(comparisons, Noise::Likeliest)
    }

    /// The settings that were compared, as genomes of this space.
    pub fn genomes<'a>(&'a self, space: &'a Space) -> impl Iterator<Item = Genome> + 'a {
        self.latest.iter().map(|lesson| space.genome_of(&lesson.genes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genetic::{GeneSpec, Scale};

    fn space(name: &str) -> Space {
        Space::new(vec![GeneSpec::new(name, Scale::Log { min: 1, max: 128 }, 16)], Vec::new()).unwrap()
    }

    #[test]
    fn the_latest_are_kept_and_a_knob_that_is_gone_says_nothing() {
        let here = space("fifo_batch");
        let mut lessons = Lessons::default();
        for round in 0..60_u64 {
            let candidates = [1, 4, 64].map(|value| Candidate::guessed(Genome(vec![value])));
            let raced = candidates.clone().map(|candidate| Raced::Measured {
                log_ratio: (16.0 / candidate.genome.0[0] as f64).ln() / 10.0,
                slices: 2 + (round % 2) as u32,
            });
            lessons.learn(&here, &here.defaults(), &candidates, &raced, &[]);
        }
        assert_eq!(lessons.latest.len(), REMEMBERED);
        let surrogate = lessons.surrogate(&here).unwrap();
        let gain = surrogate.difference(&here.place(&Genome(vec![2])), &here.place(&here.defaults()));
        assert!(gain.mean > 0.1, "{gain:?}");
        let stored = serde_json::to_string(&lessons).unwrap();
        assert_eq!(serde_json::from_str::<Lessons>(&stored).unwrap(), lessons);

        let elsewhere = space("read_ahead_kb");
        let surrogate = lessons.surrogate(&elsewhere);
        let gain = surrogate.map(|it| {
            it.difference(&elsewhere.place(&Genome(vec![2])), &elsewhere.place(&elsewhere.defaults()))
        });
        assert!(gain.is_none_or(|gain| gain.mean.abs() < 1e-6), "{gain:?}");
        lessons.forget();
        assert!(lessons.surrogate(&here).is_none());
    }
}
