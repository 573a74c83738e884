//! The region around an incumbent: what lies in it, and what is worth trying there.

use genetic::{Genome, Space, Surrogate};
use rand::Rng;
use rand::seq::SliceRandom;
use trials::TrustRegion;

/// How many pairs a candidate that was picked is taken to have: about a race's share.
const BELIEVED_PAIRS: f64 = 4.0;

/// Settings that the surrogate is asked about for its best guess, and steps from there.
const GUESSES: usize = 256;

/// A region around an incumbent.
pub(super) struct Around {
    pub(super) space: Space,
    pub(super) incumbent: Genome,
    pub(super) region: TrustRegion,
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

    /// Whether a genome lies in the region.
    fn holds(&self, genome: &Genome) -> bool {
        let mut jumps = 0;
        let near = genome.0.iter().zip(&self.incumbent.0).enumerate().all(|(gene, (&value, &home))| {
            let scale = &self.space.specs()[gene].scale;
            if self.slides(gene, value) {
                // Values are whole: one that was drawn to the edge may lie a little beyond it.
                (scale.position(value) - scale.position(home)).abs() <= self.region.radius() + 0.02
            } else {
                jumps += usize::from(value != home);
                true
            }
        });
        near && jumps <= self.jumps()
    }

    /// The genome drawn into the region.
    pub(super) fn bounded<R: Rng>(&self, genome: &Genome, rng: &mut R) -> Genome {
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
    pub(super) fn spread<R: Rng>(&self, count: usize, rng: &mut R) -> Vec<Genome> {
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
    pub(super) fn mutant<R: Rng>(&self, from: &Genome, rng: &mut R) -> Genome {
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

    /// What the surrogate expects of a genome over the incumbent, in logs.
    pub(super) fn gain(&self, surrogate: &Surrogate, genome: &Genome) -> f64 {
        surrogate.gain(&self.space.place(genome), &self.space.place(&self.incumbent))
    }

    /// Where the surrogate expects most: the best of settings all over the region and of those that are known, and from
    /// there on uphill by random steps.
    pub(super) fn best_guess<R: Rng>(
        &self,
        surrogate: &Surrogate,
        known: impl Iterator<Item = Genome>,
        rng: &mut R,
    ) -> Option<Genome> {
        let known = known.filter(|genome| self.holds(genome));
        let all = self.spread(GUESSES, rng).into_iter().chain(known);
        let valued = all.map(|genome| (self.gain(surrogate, &genome), genome));
        let (mut most, mut best) = valued.max_by(|a, b| a.0.total_cmp(&b.0))?;
        for _ in 0..GUESSES {
            let step = self.mutant(&best, rng);
            let gain = self.gain(surrogate, &step);
            if gain > most {
                (most, best) = (gain, step);
            }
        }
        Some(best)
    }

    /// Of `offspring` the `count` from which most is to be expected over the best that is known, each chosen as if those
    /// before it had done as well as is believed.
    pub(super) fn picked(
        &self,
        offspring: &[Genome],
        known: impl Iterator<Item = Genome>,
        surrogate: Surrogate,
        count: usize,
    ) -> Vec<Genome> {
        let place = |genome: &Genome| self.space.place(genome);
        let home = place(&self.incumbent);
        let known = known.filter(|genome| self.holds(genome)).map(|genome| place(&genome));
        let best = surrogate.best(known.chain([home.clone()])).unwrap_or_else(|| home.clone());
        let mut picked: Vec<Genome> = Vec::new();
        let mut surrogate = surrogate;
        for _ in 0..count {
            let untried =
                offspring.iter().filter(|genome| **genome != self.incumbent && !picked.contains(genome));
            let Some(next) = surrogate.most_promising(untried, |genome| place(genome), &best) else { break };
            let next = next.clone();
            surrogate = surrogate.believing(place(&next), home.clone(), BELIEVED_PAIRS);
            picked.push(next);
        }
        picked
    }
}
