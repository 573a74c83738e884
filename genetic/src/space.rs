//! All genes together.

use crate::{GeneSpec, GenomeError, SpaceError};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// One value for each gene of a [`Space`], in its order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Genome(pub Vec<u64>);

/// What must hold between two genes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Constraint {
    /// The gene `high` is at least the gene `low` (places in the space; both on a linear or log scale). Special
    /// values are exempt.
    AtLeast {
        /// The gene that must not be larger.
        low: usize,
        /// The gene that must not be smaller.
        high: usize,
    },
}

/// Genes and the constraints between them, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSpace")]
pub struct Space {
    specs: Vec<GeneSpec>,
    constraints: Vec<Constraint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpace {
    specs: Vec<GeneSpec>,
    constraints: Vec<Constraint>,
}

impl TryFrom<RawSpace> for Space {
    type Error = SpaceError;
    fn try_from(raw: RawSpace) -> Result<Self, Self::Error> {
        Self::new(raw.specs, raw.constraints)
    }
}

fn alleles(spec: &GeneSpec) -> String {
    if spec.specials.is_empty() {
        format!("{:?}", spec.scale)
    } else {
        format!("{:?} or {:?}", spec.scale, spec.specials)
    }
}

impl Space {
    /// Checks genes and constraints.
    ///
    /// # Errors
    /// [`SpaceError`], naming the gene: see its variants.
    pub fn new(specs: Vec<GeneSpec>, constraints: Vec<Constraint>) -> Result<Self, SpaceError> {
        if specs.is_empty() {
            return Err(SpaceError::Empty);
        }
        for (index, spec) in specs.iter().enumerate() {
            let name = spec.name.clone();
            if specs[..index].iter().any(|other| other.name == name) {
                return Err(SpaceError::Twice { name });
            }
            if let Some(fault) = spec.scale.fault() {
                return Err(SpaceError::Scale { name, fault });
            }
            let values = [("default", Some(spec.default)), ("known-good value", spec.known_good)];
            for (what, value) in values {
                if let Some(found) = value.filter(|&value| !spec.contains(value)) {
                    return Err(SpaceError::OutOfRange { name, what, found, expected: alleles(spec) });
                }
            }
        }
        for &constraint in &constraints {
            let Constraint::AtLeast { low, high } = constraint;
            let numeric = |index: usize| specs.get(index).is_some_and(|spec| spec.scale.is_numeric());
            if low == high || !numeric(low) || !numeric(high) {
                return Err(SpaceError::BadConstraint { constraint, genes: specs.len() });
            }
        }
        let space = Self { specs, constraints };
        for (spec, least) in space.specs.iter().zip(space.least()) {
            let (_, max) = spec.scale.bounds();
            if least > max {
                return Err(SpaceError::Unsatisfiable { name: spec.name.clone(), max, least });
            }
        }
        Ok(space)
    }

    /// The genes, in order.
    #[must_use]
    pub fn specs(&self) -> &[GeneSpec] {
        &self.specs
    }

    /// The constraints.
    #[must_use]
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }

    /// The place of a gene.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.specs.iter().position(|spec| spec.name == name)
    }

    /// The constraint that gene `high` is at least gene `low`, by their names; `None` where one is not here, so
    /// that a device which lacks a knob lacks its constraints.
    #[must_use]
    pub fn at_least(specs: &[GeneSpec], low: &str, high: &str) -> Option<Constraint> {
        let place = |name| specs.iter().position(|spec: &GeneSpec| spec.name == name);
        Some(Constraint::AtLeast { low: place(low)?, high: place(high)? })
    }

    /// What the device had before; where that contradicts a constraint, the nearest that does not.
    #[must_use]
    pub fn defaults(&self) -> Genome {
        self.repaired(self.specs.iter().map(|spec| spec.default).collect(), None)
    }

    /// The known-good values, and the defaults of genes without one.
    #[must_use]
    pub fn known_good(&self) -> Genome {
        let genes = self.specs.iter().map(|spec| spec.known_good.unwrap_or(spec.default)).collect();
        self.repaired(genes, None)
    }

    /// Whether a genome belongs to the space.
    ///
    /// # Errors
    /// [`GenomeError`], naming the gene.
    pub fn check(&self, genome: &Genome) -> Result<(), GenomeError> {
        self.check_length(genome)?;
        for (spec, &found) in self.specs.iter().zip(&genome.0) {
            if !spec.contains(found) {
                let (name, expected) = (spec.name.clone(), alleles(spec));
                return Err(GenomeError::OutOfRange { name, found, expected });
            }
        }
        match self.constraints.iter().find(|constraint| self.violated(**constraint, &genome.0)) {
            None => Ok(()),
            Some(&Constraint::AtLeast { low, high }) => Err(GenomeError::Constraint {
                low: self.specs[low].name.clone(),
                low_value: genome.0[low],
                high: self.specs[high].name.clone(),
                high_value: genome.0[high],
            }),
        }
    }

    /// The nearest genome that belongs to the space: stored genes may come from another range.
    ///
    /// # Errors
    /// [`GenomeError::Length`] where it is no genome of this space at all.
    pub fn admit(&self, genome: &Genome) -> Result<Genome, GenomeError> {
        self.check_length(genome)?;
        let snapped = self.specs.iter().zip(&genome.0).map(|(spec, &value)| spec.snap(value)).collect();
        Ok(self.repaired(snapped, None))
    }

    /// The genome with these values by name; genes that are not named have their defaults, names that are no
    /// genes here are passed over, values out of range become the nearest.
    #[must_use]
    pub fn genome_of(&self, genes: &BTreeMap<String, u64>) -> Genome {
        let values =
            self.specs.iter().map(|spec| genes.get(&spec.name).map_or(spec.default, |&v| spec.snap(v)));
        self.repaired(values.collect(), None)
    }

    /// The values of a genome by name.
    #[must_use]
    pub fn by_name(&self, genome: &Genome) -> BTreeMap<String, u64> {
        self.specs.iter().map(|spec| spec.name.clone()).zip(genome.0.iter().copied()).collect()
    }

    /// Where a genome lies: the position of each gene on its scale, 0 to 1; special values that are not on it lie
    /// beside it, on the side that they are nearer to.
    #[must_use]
    pub fn place(&self, genome: &Genome) -> Vec<f64> {
        self.specs.iter().zip(&genome.0).map(|(spec, &value)| spec.place(value)).collect()
    }

    /// The space without one gene and its constraints; `None` where nothing would be left.
    pub(crate) fn without(&self, gone: usize) -> Option<Self> {
        let place = |index: usize| match index.cmp(&gone) {
            Ordering::Less => Some(index),
            Ordering::Equal => None,
            Ordering::Greater => Some(index - 1),
        };
        let kept = |&Constraint::AtLeast { low, high }: &Constraint| {
            Some(Constraint::AtLeast { low: place(low)?, high: place(high)? })
        };
        let mut specs = self.specs.clone();
        specs.remove(gone);
        let constraints = self.constraints.iter().filter_map(kept).collect();
        (!specs.is_empty()).then_some(Self { specs, constraints })
    }

    fn check_length(&self, genome: &Genome) -> Result<(), GenomeError> {
        let (found, expected) = (genome.0.len(), self.specs.len());
        if found == expected { Ok(()) } else { Err(GenomeError::Length { found, expected }) }
    }

    /// The smallest value that the constraints leave to each gene.
    fn least(&self) -> Vec<u64> {
        let mut least: Vec<u64> = self.specs.iter().map(|spec| spec.scale.bounds().0).collect();
        // A chain of n genes settles within n rounds.
        for _ in 0..self.specs.len() {
            for &Constraint::AtLeast { low, high } in &self.constraints {
                least[high] = least[high].max(least[low]);
            }
        }
        least
    }

    fn violated(&self, Constraint::AtLeast { low, high }: Constraint, genes: &[u64]) -> bool {
        let exempt = |index: usize| self.specs[index].is_special(genes[index]);
        genes[low] > genes[high] && !exempt(low) && !exempt(high)
    }

    /// Makes values that are all alleles satisfy the constraints.
    ///
    /// A gene that was just mutated is `held`: genes that must be above it are raised to it, or else a small
    /// `high` would undo every mutation of its `low`. Otherwise, and where that does not suffice, lower genes
    /// are lowered.
    pub(crate) fn repaired(&self, mut genes: Vec<u64>, held: Option<usize>) -> Genome {
        let mut raised = vec![false; genes.len()];
        if let Some(held) = held {
            raised[held] = true;
            for _ in 0..self.specs.len() {
                for &constraint in &self.constraints {
                    let Constraint::AtLeast { low, high } = constraint;
                    if raised[low] && self.violated(constraint, &genes) {
                        genes[high] = genes[low].min(self.specs[high].scale.bounds().1);
                        raised[high] = true;
                    }
                }
            }
        }
        let least = self.least();
        for _ in 0..=2 * self.specs.len() {
            for &constraint in &self.constraints {
                let Constraint::AtLeast { low, high } = constraint;
                if self.violated(constraint, &genes) {
                    genes[high] = genes[high].max(least[low]);
                    genes[low] = genes[high];
                }
            }
        }
        Genome(genes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scale;

    fn log(name: &str, min: u64, max: u64, default: u64) -> GeneSpec {
        GeneSpec::new(name, Scale::Log { min, max }, default)
    }

    fn message(specs: Vec<GeneSpec>, constraints: Vec<Constraint>) -> String {
        Space::new(specs, constraints).unwrap_err().to_string()
    }

    #[test]
    fn what_makes_no_space_is_named() {
        let at_least = |low, high| vec![Constraint::AtLeast { low, high }];
        assert_eq!(message(vec![], vec![]), "found no genes, expected at least one");
        assert!(message(vec![log("a", 1, 2, 1), log("a", 1, 2, 1)], vec![]).contains("gene a: found twice"));
        assert!(message(vec![log("a", 5, 2, 3)], vec![]).contains("gene a: found the range 5‥2"));
        assert!(message(vec![log("a", 1, 9, 10)], vec![]).starts_with("gene a: found default 10, expected"));
        let good = GeneSpec { known_good: Some(99), ..log("a", 1, 9, 3) };
        assert!(message(vec![good], vec![]).contains("found known-good value 99"));
        let boolean = GeneSpec::new("b", Scale::Boolean, 0);
        for constraint in [at_least(0, 1), at_least(0, 0), at_least(0, 7)] {
            let text = message(vec![log("a", 1, 9, 3), boolean.clone()], constraint);
            assert!(text.contains("expected two different genes"), "{text}");
        }
    }

    #[test]
    fn constraints_that_nothing_satisfies_are_refused_through_a_chain_too() {
        let specs = vec![log("a", 100, 200, 150), log("b", 1, 1_000, 10), log("c", 1, 50, 10)];
        let chain = vec![Constraint::AtLeast { low: 0, high: 1 }, Constraint::AtLeast { low: 1, high: 2 }];
        assert!(Space::new(specs.clone(), chain[..1].to_vec()).is_ok());
        assert_eq!(
            message(specs, chain),
            "gene c: its largest value is 50, but the constraints want at least 100"
        );
    }

    #[test]
    fn a_repair_keeps_the_held_gene_and_otherwise_lowers_the_lower() {
        let specs = vec![log("a", 1, 100, 1), log("b", 1, 100, 1), log("c", 1, 50, 1)];
        let chain = vec![Constraint::AtLeast { low: 0, high: 1 }, Constraint::AtLeast { low: 1, high: 2 }];
        let space = Space::new(specs, chain).unwrap();
        for (genes, held, expected) in [
            ([1, 2, 3], None, [1, 2, 3]),
            ([30, 20, 10], None, [10, 10, 10]),
            ([30, 20, 10], Some(0), [30, 30, 30]),
            ([30, 20, 10], Some(1), [20, 20, 20]),
            ([30, 20, 10], Some(2), [10, 10, 10]),
            // The third goes no higher than 50, so the held one cannot stay.
            ([90, 20, 10], Some(0), [50, 50, 50]),
        ] {
            assert_eq!(space.repaired(genes.to_vec(), held).0, expected, "{genes:?}, held {held:?}");
        }
    }

    #[test]
    fn special_values_are_exempt_from_constraints() {
        let specs = vec![log("a", 10, 100, 10), log("b", 10, 100, 10).with_specials([0])];
        let space = Space::new(specs, vec![Constraint::AtLeast { low: 0, high: 1 }]).unwrap();
        assert_eq!(space.check(&Genome(vec![50, 0])), Ok(()));
        assert_eq!(space.repaired(vec![50, 0], None).0, [50, 0]);
        let error = space.check(&Genome(vec![50, 40])).unwrap_err();
        assert_eq!(error.to_string(), "found a = 50 above b = 40, expected a ≤ b");
    }

    #[test]
    fn defaults_that_contradict_a_constraint_are_reconciled() {
        let specs = vec![log("async_depth", 1, 512, 256), log("nr_requests", 16, 512, 64)];
        let constraint = Space::at_least(&specs, "async_depth", "nr_requests").unwrap();
        assert_eq!(Space::at_least(&specs, "async_depth", "gone"), None);
        let space = Space::new(specs, vec![constraint]).unwrap();
        assert_eq!(space.defaults(), Genome(vec![64, 64]));
    }

    #[test]
    fn a_gene_that_is_taken_out_takes_its_constraints_along() {
        let specs = vec![log("a", 1, 9, 1), log("b", 1, 9, 1), log("c", 1, 9, 1)];
        let constraints =
            vec![Constraint::AtLeast { low: 0, high: 1 }, Constraint::AtLeast { low: 1, high: 2 }];
        let space = Space::new(specs, constraints).unwrap();
        let left = space.without(0).unwrap();
        assert_eq!(left.specs().len(), 2);
        assert_eq!(left.constraints(), [Constraint::AtLeast { low: 0, high: 1 }]);
        assert!(space.without(1).unwrap().constraints().is_empty());
        assert_eq!(left.without(0).unwrap().without(0), None);
    }

    #[test]
    fn a_stored_space_is_checked_again() {
        let space = Space::new(vec![log("a", 1, 9, 3)], vec![]).unwrap();
        let text = serde_json::to_string(&space).unwrap();
        assert_eq!(serde_json::from_str::<Space>(&text).unwrap(), space);
        let broken = text.replace("\"default\":3", "\"default\":30");
        let error = serde_json::from_str::<Space>(&broken).unwrap_err().to_string();
        assert!(error.contains("gene a: found default 30"), "{error}");
    }
}
