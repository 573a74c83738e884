//! Where a campaign's candidates come from: a bred population, held to a region around the incumbent.

use super::around::Around;
use super::lessons::Lessons;
use genetic::{FirstSpread, Fitness, Genome, Moilanen, MoilanenConfig, Mutation, PoolError, Space};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use trials::{Raced, TrustRegion};

/// How often a candidate that equals another is drawn anew before its place stays empty.
const TRIES: u32 = 40;
/// One in so many candidates is what was bred, whatever the lessons say: they may be wrong.
const UNGUIDED_ONE_IN: usize = 4;
/// A purpose of random choices: which settings a campaign begins with. Any odd number.
const CANDIDATES: u64 = 0x9e37_79b9_7f4a_7c15;
/// Mutants of each bred child, beside itself, that the lessons choose from.
const MUTANTS: usize = 2;

/// The population of one fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brood {
    pool: Moilanen,
    seed: u64,
}

/// A setting that a campaign tries, and whose place in the population it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its genes.
    pub genome: Genome,
    /// The child of the population; `None`: the lessons' guess, which has no place there.
    child: Option<usize>,
}

impl Candidate {
    /// One that was not bred.
    pub(super) const fn guessed(genome: Genome) -> Self {
        Self { genome, child: None }
    }
}

impl Brood {
    /// The first generation; [`Self::candidates`] spreads it over the region.
    ///
    /// # Errors
    /// Where there are too few or too many candidates for a population.
    pub fn new(space: Space, candidates: usize, seed: u64) -> Result<Self, PoolError> {
        let config = MoilanenConfig {
            children: candidates,
            first_spread: FirstSpread::KnownGood,
            mutation: Mutation::ITERATIVE,
            ..MoilanenConfig::default()
        };
        Ok(Self { pool: Moilanen::new(space, config, seed)?, seed })
    }

    /// The region around an incumbent.
    pub(super) fn around(&self, incumbent: &Genome, region: &TrustRegion) -> Around {
        Around { space: self.pool.space().clone(), incumbent: incumbent.clone(), region: *region }
    }

    /// Random choices of a campaign, for each purpose others.
    pub(super) fn rng(&self, number: u64, purpose: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ number.wrapping_mul(purpose))
    }

    /// The genes.
    #[must_use]
    pub const fn space(&self) -> &Space {
        self.pool.space()
    }

    /// A first generation over other genes.
    #[must_use]
    pub fn over(&self, space: Space) -> Self {
        let candidates = self.pool.children().len();
        // The number of candidates was accepted once.
        Self::new(space, candidates, self.seed).unwrap_or_else(|_| self.clone())
    }

    /// Takes a gene out; whether there was such a one.
    ///
    /// # Errors
    /// Where no other would remain.
    pub fn retire(&mut self, name: &str) -> Result<bool, PoolError> {
        self.pool.retire_gene(name)
    }

    /// The candidates of campaign `number`: first what is `remembered`, then those of five times as many offspring that
    /// the lessons promise most of, then the population as it was bred; each within the region around the incumbent,
    /// none the incumbent itself and no two alike.
    ///
    /// What is remembered was in force before and is tried as it is, wherever it lies; behind each stands a mutant.
    pub fn candidates(
        &mut self,
        incumbent: &Genome,
        region: &TrustRegion,
        remembered: &[Genome],
        lessons: &Lessons,
        number: u64,
    ) -> Vec<Candidate> {
        let mut rng = self.rng(number, CANDIDATES);
        let around = self.around(incumbent, region);
        let mut memory: Vec<Genome> = Vec::new();
        for genome in remembered {
            if let Ok(genome) = around.space.admit(genome) {
                let mutant = around.mutant(&genome, &mut rng);
                memory.extend([genome, mutant]);
            }
        }
        let children = self.pool.children().len();
        // At least half of the campaign explores.
        memory.truncate(children / 2);
        // What was never measured has nothing to breed from: the first campaign looks at all of the region.
        let explored = match self.pool.generation() {
            0 => around.spread(children, &mut rng).split_off(memory.len()),
            _ => lessons.surrogate(&around.space).map_or_else(Vec::new, |surrogate| {
                let offspring = self.offspring(&around, &mut rng);
                let count = children - memory.len() - children / UNGUIDED_ONE_IN;
                around.picked(&offspring, lessons.genomes(&around.space), surrogate, count)
            }),
        };
        memory.extend(explored);
        let first = memory;
        let mut chosen: Vec<Candidate> = Vec::new();
        for child in 0..children {
            let bred = match first.get(child) {
                Some(genome) => Some(genome.clone()),
                None => self.pool.child(child).map(|genome| around.bounded(genome, &mut rng)),
            };
            let taken = |genome: &Genome| {
                genome == incumbent || chosen.iter().any(|candidate| candidate.genome == *genome)
            };
            let fresh = bred.filter(|genome| !taken(genome)).or_else(|| {
                (0..TRIES).map(|_| around.mutant(incumbent, &mut rng)).find(|genome| !taken(genome))
            });
            if let Some(genome) = fresh
                && self.pool.inject(child, &genome).is_ok()
            {
                chosen.push(Candidate { genome, child: Some(child) });
            }
        }
        chosen
    }

    /// What the lessons choose from: the population and mutants of it, mutants of the incumbent, and all of the region.
    fn offspring(&self, around: &Around, rng: &mut StdRng) -> Vec<Genome> {
        let count = self.pool.children().len();
        let mut offspring = Vec::with_capacity(count * (MUTANTS + 3));
        for child in 0..count {
            if let Some(genome) = self.pool.child(child) {
                let bred = around.bounded(genome, rng);
                offspring.extend((0..MUTANTS).map(|_| around.mutant(&bred, rng)));
                offspring.push(bred);
            }
            offspring.push(around.mutant(&around.incumbent, rng));
        }
        offspring.extend(around.spread(count, rng));
        offspring
    }

    /// Breeds the next generation from what the race made of the candidates. The guard's verdict counts as the worst.
    pub fn breed(&mut self, candidates: &[Candidate], raced: &[Raced]) {
        let worst = raced
            .iter()
            .filter_map(
                |raced| if let Raced::Measured { log_ratio, .. } = raced { Some(*log_ratio) } else { None },
            )
            .fold(0.0, f64::min);
        for (candidate, raced) in candidates.iter().zip(raced) {
            let fitness = match *raced {
                Raced::Measured { log_ratio, .. } => Some(log_ratio),
                Raced::Struck => Some(worst - 1.0),
                Raced::Silent => None,
            };
            let Some(child) = candidate.child else { continue };
            // It comes from the pool itself.
            let _ = match fitness.and_then(|fitness| Fitness::new(fitness).ok()) {
                Some(fitness) => self.pool.record(child, fitness),
                None => self.pool.mark_void(child),
            };
        }
        self.pool.finish_generation();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genetic::{GeneSpec, Scale};

    fn space() -> Space {
        let specs = vec![
            GeneSpec::new("fifo_batch", Scale::Log { min: 1, max: 1 << 20 }, 1 << 10),
            GeneSpec::new("writes_starved", Scale::Linear { min: 0, max: 100 }, 50),
            GeneSpec::new("rq_affinity", Scale::Ordinal(vec![0, 1, 2]), 1),
            GeneSpec::new("wbt_lat_usec", Scale::Log { min: 100, max: 100_000 }, 2_000).with_specials([0]),
        ];
        Space::new(specs, Vec::new()).unwrap()
    }

    fn positions(space: &Space, genome: &Genome, home: &Genome) -> Vec<f64> {
        let place = |(spec, (value, home)): (&GeneSpec, (&u64, &u64))| {
            let slides = spec.scale.is_numeric() && !spec.is_special(*value);
            spec.scale.position(if slides { *value } else { *home })
        };
        space.specs().iter().zip(genome.0.iter().zip(&home.0)).map(place).collect()
    }

    #[test]
    fn candidates_that_earlier_versions_stored_keep_their_place() {
        let stored = r#"{"genome": [4, 7], "child": 3}"#;
        let candidate: Candidate = serde_json::from_str(stored).unwrap();
        assert_eq!((candidate.genome, candidate.child), (Genome(vec![4, 7]), Some(3)));
        let guess = Candidate::guessed(Genome(vec![4, 7]));
        assert_eq!(
            serde_json::from_str::<Candidate>(&serde_json::to_string(&guess).unwrap()).unwrap(),
            guess
        );
    }

    #[test]
    fn candidates_are_near_the_incumbent_all_different_and_never_the_incumbent() {
        let space = space();
        let home = space.defaults();
        let mut region = TrustRegion::default();
        for round in 0..20 {
            let mut brood = Brood::new(space.clone(), 12, round).unwrap();
            let candidates = brood.candidates(&home, &region, &[], &Lessons::default(), round);
            assert_eq!(candidates.len(), 12, "round {round}");
            for (at, candidate) in candidates.iter().enumerate() {
                assert_ne!(candidate.genome, home);
                assert!(candidates[..at].iter().all(|other| other.genome != candidate.genome));
                // Rounding to whole values moves a place by less than a hundredth here.
                let near = positions(&space, &candidate.genome, &home)
                    .iter()
                    .zip(positions(&space, &home, &home))
                    .all(|(there, here)| (there - here).abs() <= region.radius() + 0.01);
                assert!(near, "{candidate:?}");
            }
            region.violated();
        }
    }

    #[test]
    fn what_is_remembered_is_tried_as_it_is_with_a_mutant_behind() {
        let space = space();
        let home = space.defaults();
        let far = Genome(vec![1, 100, 1, 2_000]);
        let mut brood = Brood::new(space, 12, 1).unwrap();
        let candidates = brood.candidates(
            &home,
            &TrustRegion::default(),
            std::slice::from_ref(&far),
            &Lessons::default(),
            1,
        );
        assert_eq!(candidates[0].genome, far);
        assert_eq!(candidates.len(), 12);
    }

    #[test]
    fn the_first_campaign_tries_every_number_far_up_and_far_down() {
        let space = space();
        let home = space.defaults();
        let candidates = Brood::new(space.clone(), 12, 3).unwrap().candidates(
            &home,
            &TrustRegion::default(),
            &[],
            &Lessons::default(),
            1,
        );
        for gene in [0, 1] {
            let scale = &space.specs()[gene].scale;
            let steps: Vec<f64> = candidates
                .iter()
                .map(|candidate| scale.position(candidate.genome.0[gene]) - scale.position(home.0[gene]))
                .collect();
            assert!(steps.iter().any(|&step| step > 0.18), "{gene}: {steps:?}");
            assert!(steps.iter().any(|&step| step < -0.18), "{gene}: {steps:?}");
        }
    }

    #[test]
    fn a_space_of_two_settings_has_one_candidate() {
        let space = Space::new(vec![GeneSpec::new("rotational", Scale::Boolean, 0)], Vec::new()).unwrap();
        let home = space.defaults();
        let mut brood = Brood::new(space, 12, 1).unwrap();
        let candidates = brood.candidates(&home, &TrustRegion::default(), &[], &Lessons::default(), 1);
        assert_eq!(
            candidates.iter().map(|candidate| &candidate.genome).collect::<Vec<_>>(),
            [&Genome(vec![1])]
        );
        brood.breed(&candidates, &[Raced::Struck]);
    }

    #[test]
    fn a_guess_that_has_no_place_in_the_population_changes_nothing_there() {
        let space = space();
        let mut with = Brood::new(space.clone(), 12, 5).unwrap();
        let mut candidates =
            with.candidates(&space.defaults(), &TrustRegion::default(), &[], &Lessons::default(), 1);
        let mut without = with.clone();
        let measured = |log_ratio| Raced::Measured { log_ratio, slices: 2 };
        let raced: Vec<Raced> = (0..12).map(|child| measured(f64::from(child) / 100.0)).collect();
        without.breed(&candidates, &raced);
        candidates.push(Candidate::guessed(Genome(vec![1, 2, 0, 100])));
        with.breed(&candidates, &[raced, vec![measured(9.0)]].concat());
        assert_eq!(with, without);
    }

    #[test]
    fn what_raced_well_is_bred_on() {
        let space = space();
        let home = space.defaults();
        let mut brood = Brood::new(space.clone(), 12, 5).unwrap();
        for round in 0..6 {
            let candidates =
                brood.candidates(&home, &TrustRegion::default(), &[], &Lessons::default(), round);
            let raced: Vec<Raced> = candidates
                .iter()
                .map(|candidate| Raced::Measured {
                    log_ratio: candidate.genome.0[1] as f64 / 100.0,
                    slices: 2,
                })
                .collect();
            brood.breed(&candidates, &raced);
        }
        let late = brood.candidates(&home, &TrustRegion::default(), &[], &Lessons::default(), 6);
        let high = late.iter().filter(|candidate| candidate.genome.0[1] > 60).count();
        assert!(high >= 5, "{high} of {}: {late:?}", late.len());
    }

    /// Rounds until a candidate lies within a twentieth of the optimum of two knobs, at most 12.
    fn rounds_to_the_optimum(seed: u64, learns: bool) -> u32 {
        let space = space();
        let worth = |genome: &Genome| {
            let place = space.place(genome);
            -3.0 * (place[0] - 0.9).powi(2) - 3.0 * (place[1] - 0.15).powi(2)
        };
        let mut home = space.defaults();
        let mut brood = Brood::new(space.clone(), 12, seed).unwrap();
        let mut lessons = Lessons::default();
        for round in 1..=12 {
            let candidates =
                brood.candidates(&home, &TrustRegion::default(), &[], &lessons, u64::from(round));
            let raced: Vec<Raced> = candidates
                .iter()
                .map(|candidate| Raced::Measured {
                    log_ratio: worth(&candidate.genome) - worth(&home),
                    slices: 3,
                })
                .collect();
            brood.breed(&candidates, &raced);
            if learns {
                lessons.learn(&space, &home, &candidates, &raced, &[]);
            }
            let best =
                candidates.iter().max_by(|a, b| worth(&a.genome).total_cmp(&worth(&b.genome))).unwrap();
            if worth(&best.genome) > worth(&home) {
                home = best.genome.clone();
            }
            if worth(&home) > -3.0 * 0.05_f64.powi(2) {
                return round;
            }
        }
        12
    }

    #[test]
    fn lessons_lead_to_the_optimum_sooner() {
        let rounds = |learns| (0..8).map(|seed| rounds_to_the_optimum(seed, learns)).sum::<u32>();
        let (with, without) = (rounds(true), rounds(false));
        assert!(with * 4 < without * 3, "{with} rounds with lessons, {without} without");
    }

    #[test]
    fn a_candidate_that_the_guard_took_back_is_not_looked_for_again() {
        let space = space();
        let home = space.defaults();
        let mut lessons = Lessons::default();
        let mut brood = Brood::new(space.clone(), 12, 4).unwrap();
        // All below the default of the first gene were taken back, those above did nothing.
        for round in 0..3 {
            let candidates = brood.candidates(&home, &TrustRegion::default(), &[], &lessons, round);
            let raced: Vec<Raced> = candidates
                .iter()
                .map(|candidate| {
                    let below = candidate.genome.0[0] < home.0[0];
                    if below { Raced::Struck } else { Raced::Measured { log_ratio: 0.0, slices: 3 } }
                })
                .collect();
            brood.breed(&candidates, &raced);
            lessons.learn(&space, &home, &candidates, &raced, &[]);
        }
        let candidates = brood.candidates(&home, &TrustRegion::default(), &[], &lessons, 3);
        let below = candidates.iter().filter(|candidate| candidate.genome.0[0] < home.0[0]).count();
        assert!(below <= 4, "{below} of {}: {candidates:?}", candidates.len());
    }
}
