//! Where a campaign's candidates come from: a bred population, held to a region around the incumbent.

use genetic::{FirstSpread, Fitness, Genome, Moilanen, MoilanenConfig, Mutation, PoolError, Space};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use trials::{Raced, TrustRegion};

/// How often a candidate that equals another is drawn anew before its place stays empty.
const TRIES: u32 = 40;

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
    /// The child of the population.
    child: usize,
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

    /// The candidates of campaign `number`: first what is `remembered`, then the population, each within the region
    /// around the incumbent, none the incumbent itself and no two alike.
    ///
    /// What is remembered was in force before and is tried as it is, wherever it lies; behind each stands a mutant.
    pub fn candidates(
        &mut self,
        incumbent: &Genome,
        region: &TrustRegion,
        remembered: &[Genome],
        number: u64,
    ) -> Vec<Candidate> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let around =
            Around { space: self.pool.space().clone(), incumbent: incumbent.clone(), region: *region };
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
        let spread = match self.pool.generation() {
            0 => around.spread(children, &mut rng),
            _ => Vec::new(),
        };
        let mut chosen: Vec<Candidate> = Vec::new();
        for child in 0..children {
            let bred = match memory.get(child).or_else(|| spread.get(child)) {
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
                chosen.push(Candidate { genome, child });
            }
        }
        chosen
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
            // `child` always comes from the pool itself.
            let _ = match fitness.and_then(|fitness| Fitness::new(fitness).ok()) {
                Some(fitness) => self.pool.record(candidate.child, fitness),
                None => self.pool.mark_void(candidate.child),
            };
        }
        self.pool.finish_generation();
    }
}

/// A region around an incumbent.
struct Around {
    space: Space,
    incumbent: Genome,
    region: TrustRegion,
}

impl Around {
    /// Whether a gene's step is one on a scale: both values are on it, and it has distances.
    fn slides(&self, gene: usize, value: u64) -> bool {
        let spec = &self.space.specs()[gene];
        let on_scale = |value: u64| !spec.is_special(value) && spec.scale.contains(value);
        spec.scale.is_numeric() && on_scale(self.incumbent.0[gene]) && on_scale(value)
    }

    /// Steps without a distance (a switch, a special value such as 0 for off) that one candidate may take.
    fn jumps(&self) -> usize {
        ((self.region.radius() * self.incumbent.0.len() as f64).round() as usize).max(1)
    }

    /// The genome drawn into the region.
    fn bounded<R: Rng>(&self, genome: &Genome, rng: &mut R) -> Genome {
        let mut genes = genome.0.clone();
        let mut jumping = Vec::new();
        for (gene, value) in genes.iter_mut().enumerate() {
            let spec = &self.space.specs()[gene];
            let home = self.incumbent.0[gene];
            if self.slides(gene, *value) {
                let (from, to) = (spec.scale.position(home), spec.scale.position(*value));
                let near = to.clamp(from - self.region.radius(), from + self.region.radius());
                if (near - to).abs() > 1e-9 {
                    *value = spec.scale.at(near);
                }
            } else if *value != home {
                jumping.push(gene);
            }
        }
        jumping.shuffle(rng);
        for gene in jumping.into_iter().skip(self.jumps()) {
            genes[gene] = self.incumbent.0[gene];
        }
        self.space.admit(&Genome(genes)).unwrap_or_else(|_length| self.incumbent.clone())
    }

    /// So many genomes all over the region: a Latin hypercube, in which every gene takes every part of its reach once.
    fn spread<R: Rng>(&self, count: usize, rng: &mut R) -> Vec<Genome> {
        let mut genomes = vec![self.incumbent.0.clone(); count];
        for (gene, spec) in self.space.specs().iter().enumerate() {
            let mut strata: Vec<usize> = (0..count).collect();
            strata.shuffle(rng);
            for (genes, stratum) in genomes.iter_mut().zip(strata) {
                let share = (stratum as f64 + rng.random::<f64>()) / count as f64;
                genes[gene] = if self.slides(gene, genes[gene]) {
                    let reach = self.region.radius();
                    spec.scale.at(spec.scale.position(genes[gene]) + reach * (2.0 * share - 1.0))
                } else {
                    spec.scale.at(share)
                };
            }
        }
        genomes.into_iter().map(|genes| self.bounded(&Genome(genes), rng)).collect()
    }

    /// `from` with one to three genes changed, within the region.
    fn mutant<R: Rng>(&self, from: &Genome, rng: &mut R) -> Genome {
        let mut genes = from.0.clone();
        for _ in 0..rng.random_range(1..=3.min(genes.len())) {
            let gene = rng.random_range(0..genes.len());
            let spec = &self.space.specs()[gene];
            let jumps = !spec.specials.is_empty() && rng.random_ratio(1, 8);
            genes[gene] = if jumps {
                spec.specials[rng.random_range(0..spec.specials.len())]
            } else if spec.scale.is_numeric() {
                let reach = self.region.radius();
                spec.scale.at(spec.scale.position(genes[gene]) + rng.random_range(-reach..=reach))
            } else {
                spec.scale.at(rng.random::<f64>())
            };
        }
        self.bounded(&Genome(genes), rng)
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
    fn candidates_are_near_the_incumbent_all_different_and_never_the_incumbent() {
        let space = space();
        let home = space.defaults();
        let mut region = TrustRegion::default();
        for round in 0..20 {
            let mut brood = Brood::new(space.clone(), 12, round).unwrap();
            let candidates = brood.candidates(&home, &region, &[], round);
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
        let candidates = brood.candidates(&home, &TrustRegion::default(), std::slice::from_ref(&far), 1);
        assert_eq!(candidates[0].genome, far);
        assert_eq!(candidates.len(), 12);
    }

    #[test]
    fn the_first_campaign_tries_every_number_far_up_and_far_down() {
        let space = space();
        let home = space.defaults();
        let candidates =
            Brood::new(space.clone(), 12, 3).unwrap().candidates(&home, &TrustRegion::default(), &[], 1);
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
        let candidates = brood.candidates(&home, &TrustRegion::default(), &[], 1);
        assert_eq!(
            candidates.iter().map(|candidate| &candidate.genome).collect::<Vec<_>>(),
            [&Genome(vec![1])]
        );
        brood.breed(&candidates, &[Raced::Struck]);
    }

    #[test]
    fn what_raced_well_is_bred_on() {
        let space = space();
        let home = space.defaults();
        let mut brood = Brood::new(space.clone(), 12, 5).unwrap();
        for round in 0..6 {
            let candidates = brood.candidates(&home, &TrustRegion::default(), &[], round);
            let raced: Vec<Raced> = candidates
                .iter()
                .map(|candidate| Raced::Measured {
                    log_ratio: candidate.genome.0[1] as f64 / 100.0,
                    slices: 2,
                })
                .collect();
            brood.breed(&candidates, &raced);
        }
        let late = brood.candidates(&home, &TrustRegion::default(), &[], 6);
        let high = late.iter().filter(|candidate| candidate.genome.0[1] > 60).count();
        assert!(high >= 5, "{high} of {}: {late:?}", late.len());
    }
}
