//! The `moilanen` strategy: one population of children and its generations.

use crate::report::{Best, Bred, GenerationReport};
use crate::{
    Child, FirstSpread, Fitness, Genome, MoilanenConfig, PoolError, Space, breed, general_fitness, mean_genes,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The population, its random source, and everything it needs to go on after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct Moilanen {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    space: Space,
    config: MoilanenConfig,
    rng: ChaCha8Rng,
    generation: u64,
    mutation_rate: f64,
    children: Vec<Child>,
    /// The phenotype means of the last generation that bred; what the next one's are compared with.
    previous: Option<Vec<Fitness>>,
}

impl TryFrom<State> for Moilanen {
    type Error = PoolError;

    fn try_from(state: State) -> Result<Self, Self::Error> {
        state.config.check()?;
        let stored = |key, found: String, expected: String| Err(PoolError::Stored { key, found, expected });
        let (children, phenotypes) = (state.children.len(), state.config.weights.len());
        if children != state.config.children {
            return stored("children", children.to_string(), state.config.children.to_string());
        }
        for child in &state.children {
            state.space.check(&child.genome)?;
            if child.scores.len() != phenotypes {
                return stored("scores", child.scores.len().to_string(), phenotypes.to_string());
            }
        }
        if let Some(previous) = state.previous.as_ref().filter(|previous| previous.len() != phenotypes) {
            return stored("previous", previous.len().to_string(), phenotypes.to_string());
        }
        let (min, max) = (state.config.mutation_min, state.config.mutation_max);
        if !(min..=max).contains(&state.mutation_rate) {
            return stored("mutation_rate", state.mutation_rate.to_string(), format!("{min}‥{max}"));
        }
        Ok(Self { state })
    }
}

impl From<Moilanen> for State {
    fn from(pool: Moilanen) -> Self {
        pool.state
    }
}

impl Moilanen {
    /// The first generation.
    ///
    /// # Errors
    /// [`PoolError::Config`] where a number is out of range.
    pub fn new(space: Space, config: MoilanenConfig, seed: u64) -> Result<Self, PoolError> {
        config.check()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = config.children;
        let genomes = match config.first_spread {
            FirstSpread::Even => (0..count)
                .map(|index| {
                    let genes = space.specs().iter().map(|spec| spec.even(index, count)).collect();
                    space.repaired(genes, None)
                })
                .collect(),
            FirstSpread::KnownGood => {
                let mut genomes = vec![space.known_good(); count];
                let rate = config.mutation_initial;
                breed::mutate(&mut genomes[1..], &space, rate, config.mutation, &mut rng);
                genomes
            }
        };
        let phenotypes = config.weights.len();
        let children = genomes.into_iter().map(|genome| Child::new(genome, phenotypes)).collect();
        let mutation_rate = config.mutation_initial;
        let state = State { space, config, rng, generation: 0, mutation_rate, children, previous: None };
        Ok(Self { state })
    }

    /// The genes.
    #[must_use]
    pub const fn space(&self) -> &Space {
        &self.state.space
    }

    /// The numbers of the strategy.
    #[must_use]
    pub const fn config(&self) -> &MoilanenConfig {
        &self.state.config
    }

    /// The number of the running generation, from 0.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.state.generation
    }

    /// The share of children × genes that mutated last.
    #[must_use]
    pub const fn mutation_rate(&self) -> f64 {
        self.state.mutation_rate
    }

    /// The running generation.
    #[must_use]
    pub fn children(&self) -> &[Child] {
        &self.state.children
    }

    /// A child's genes.
    #[must_use]
    pub fn child(&self, index: usize) -> Option<&Genome> {
        self.state.children.get(index).map(Child::genome)
    }

    /// The first child that is neither scored nor void: whose slice is next. `None` when the generation is
    /// complete.
    #[must_use]
    pub fn next_child(&self) -> Option<usize> {
        self.state.children.iter().position(|child| !child.void && child.scored().is_none())
    }

    fn child_mut(&mut self, found: usize) -> Result<&mut Child, PoolError> {
        let children = self.state.children.len();
        self.state.children.get_mut(found).ok_or(PoolError::NoSuchChild { found, children })
    }

    /// Scores a child, where there is one phenotype; a void that was repeated is void no more.
    ///
    /// # Errors
    /// [`PoolError::NoSuchChild`].
    pub fn record(&mut self, index: usize, fitness: Fitness) -> Result<(), PoolError> {
        self.record_phenotype(index, 0, fitness)
    }

    /// Scores a child in one phenotype.
    ///
    /// # Errors
    /// [`PoolError::NoSuchChild`], [`PoolError::NoSuchPhenotype`].
    pub fn record_phenotype(
        &mut self,
        index: usize,
        phenotype: usize,
        fitness: Fitness,
    ) -> Result<(), PoolError> {
        let phenotypes = self.state.config.weights.len();
        let child = self.child_mut(index)?;
        let place = child.scores.get_mut(phenotype);
        *place.ok_or(PoolError::NoSuchPhenotype { found: phenotype, phenotypes })? = Some(fitness);
        child.void = false;
        Ok(())
    }

    /// Tells that a child's slice must not be scored. It is passed over in selection and in means; it is not
    /// ranked low.
    ///
    /// # Errors
    /// [`PoolError::NoSuchChild`].
    pub fn mark_void(&mut self, index: usize) -> Result<(), PoolError> {
        let child = self.child_mut(index)?;
        child.scores.fill(None);
        child.void = true;
        Ok(())
    }

    /// Puts genes into a child (index 0 is child 1) in place of its own; values out of range become the nearest
    /// that are in it. The child is to be scored afresh.
    ///
    /// # Errors
    /// [`PoolError::NoSuchChild`], [`PoolError::Genome`] where the number of genes differs.
    pub fn inject(&mut self, index: usize, genome: &Genome) -> Result<(), PoolError> {
        let admitted = self.state.space.admit(genome)?;
        let phenotypes = self.state.config.weights.len();
        *self.child_mut(index)? = Child::new(admitted, phenotypes);
        Ok(())
    }

    /// Ends the generation and breeds the next. Children without a score count as void.
    ///
    /// A generation of which fewer than half were scored does not breed; see [`Bred`].
    pub fn finish_generation(&mut self) -> GenerationReport {
        self.end(false)
    }

    /// Ends the running generation before its time, because the work has changed: what was scored is not lost,
    /// if it is half of the children they breed. The next generation has other work to do, so it is not compared
    /// with this one.
    pub fn abort_generation(&mut self) -> GenerationReport {
        let report = self.end(true);
        self.state.previous = None;
        report
    }

    fn end(&mut self, aborted: bool) -> GenerationReport {
        let state = &mut self.state;
        let (scored, scores): (Vec<usize>, Vec<Vec<Fitness>>) = state
            .children
            .iter()
            .enumerate()
            .filter(|(_, child)| !child.void)
            .filter_map(|(index, child)| Some((index, child.scored()?)))
            .unzip();
        let general = general_fitness(&scores, &state.config.weights);
        let mut places: Vec<usize> = (0..scored.len()).collect();
        // A stable sort: equals stay in the order in which they ran.
        places.sort_by(|&a, &b| general[b].total_cmp(&general[a]));
        let ranking: Vec<usize> = places.iter().map(|&place| scored[place]).collect();
        let phenotype_means = column_means(&scores, state.config.weights.len());
        let best = places.first().and_then(|&place| {
            let child = scored[place];
            let fitness = weighted(&scores[place], &state.config.weights)?;
            Some(Best { child, genome: state.children[child].genome.clone(), fitness })
        });
        let needed = state.config.children.div_ceil(2);
        let mut report = GenerationReport {
            generation: state.generation,
            scored: scored.len(),
            voids: state.children.len() - scored.len(),
            mean_fitness: weighted(&phenotype_means, &state.config.weights),
            best,
            mean_genes: mean_genes(&state.space, ranking.iter().map(|&index| &state.children[index].genome)),
            ranking,
            phenotype_means,
            mutation_rate: state.mutation_rate,
            bred: Bred::TooFewScored { scored: scored.len(), needed },
            aborted,
        };
        if scored.len() >= needed {
            state.breed(&report.ranking, &report.phenotype_means);
            report.bred = Bred::Yes;
            report.mutation_rate = state.mutation_rate;
        }
        for child in &mut state.children {
            child.scores.fill(None);
            child.void = false;
        }
        state.generation += 1;
        report
    }

    /// Takes a gene out of the population: its knob is no longer ours to set. What the others know is kept.
    ///
    /// Answers whether there was such a gene.
    ///
    /// # Errors
    /// [`PoolError::LastGene`] where no other gene would remain.
    pub fn retire_gene(&mut self, name: &str) -> Result<bool, PoolError> {
        let Some(place) = self.state.space.index(name) else {
            return Ok(false);
        };
        let Some(space) = self.state.space.without(place) else {
            return Err(PoolError::LastGene { name: name.to_owned() });
        };
        for child in &mut self.state.children {
            child.genome.0.remove(place);
        }
        self.state.space = space;
        Ok(true)
    }
}

impl State {
    fn breed(&mut self, ranking: &[usize], means: &[Fitness]) {
        if let Some(previous) = &self.previous {
            // Of several phenotypes each votes with its weight.
            let vote = |now: &Fitness, then: &Fitness| f64::from(now.cmp(then) as i8);
            let rose: f64 = means
                .iter()
                .zip(previous)
                .zip(&self.config.weights)
                .map(|((now, then), weight)| weight * vote(now, then))
                .sum();
            let step = if rose > 0.0 {
                -self.config.mutation_step
            } else if rose < 0.0 {
                self.config.mutation_step
            } else {
                0.0
            };
            self.mutation_rate =
                (self.mutation_rate + step).clamp(self.config.mutation_min, self.config.mutation_max);
        }
        self.previous = Some(means.to_vec());
        let parents: Vec<Genome> = ranking.iter().map(|&index| self.children[index].genome.clone()).collect();
        let count = self.config.children;
        let mut next = breed::offspring(&parents, count, self.config.crossover, &mut self.rng);
        for genome in &mut next {
            *genome = self.space.repaired(std::mem::take(&mut genome.0), None);
        }
        breed::mutate(&mut next, &self.space, self.mutation_rate, self.config.mutation, &mut self.rng);
        for (child, genome) in self.children.iter_mut().zip(next) {
            child.genome = genome;
        }
    }
}

fn column_means(rows: &[Vec<Fitness>], columns: usize) -> Vec<Fitness> {
    let mean = |column: usize| {
        let scores = || rows.iter().filter_map(|row| row.get(column)).map(|score| score.get());
        let (first, count) = (scores().next()?, rows.len() as f64);
        // From the first, so that the mean of equals is exactly what they are however many there are: rounding
        // must not look like a rise or a fall. In parts where that overflows.
        let mean = first + scores().map(|score| score - first).sum::<f64>() / count;
        Fitness::new(if mean.is_finite() { mean } else { scores().map(|score| score / count).sum() }).ok()
    };
    (0..columns).filter_map(mean).collect()
}

/// The weighted mean of one child's scores, or of the phenotypes' means.
fn weighted(scores: &[Fitness], weights: &[f64]) -> Option<Fitness> {
    let total: f64 = weights.iter().sum();
    let sum = scores.iter().zip(weights).map(|(score, weight)| score.get() * (weight / total)).sum();
    if scores.is_empty() { None } else { Fitness::new(sum).ok() }
}
