//! The mean of several genomes.

use crate::{GeneSpec, Genome, Scale, Space};
use std::collections::BTreeMap;

/// The mean of genomes, gene by gene: on a linear scale the arithmetic mean, on a log scale the geometric one,
/// elsewhere the mode. `None` without a genome, or where one is not of this space.
///
/// A gene with special values is a vote first: each special value is one party, everything on the scale another.
/// If the scale wins, the mean is that of the values on it. Ties go to the scale, then to the default, then to
/// the smaller value. The result satisfies the constraints.
#[must_use]
pub fn mean_genes<'a>(space: &Space, genomes: impl IntoIterator<Item = &'a Genome>) -> Option<Genome> {
    let genomes: Vec<&Genome> = genomes.into_iter().collect();
    if genomes.is_empty() || genomes.iter().any(|genome| genome.0.len() != space.specs().len()) {
        return None;
    }
    let column = |gene: usize| genomes.iter().map(|genome| genome.0[gene]).collect::<Vec<u64>>();
    let means = space.specs().iter().enumerate().map(|(gene, spec)| mean(spec, &column(gene)));
    Some(space.repaired(means.collect(), None))
}

fn mean(spec: &GeneSpec, values: &[u64]) -> u64 {
    let (special, ordinary): (Vec<u64>, Vec<u64>) = values.iter().partition(|&&value| spec.is_special(value));
    if let Some((value, votes)) = mode(spec, &special)
        && votes > ordinary.len()
    {
        return value;
    }
    if let Some(&all) = ordinary.first().filter(|&first| ordinary.iter().all(|value| value == first)) {
        // Beyond 2^53 a mean by way of floating point would not be the value itself.
        return all;
    }
    let count = ordinary.len() as f64;
    match spec.scale {
        Scale::Linear { .. } => {
            let sum = ordinary.iter().map(|&value| value as f64).sum::<f64>();
            spec.scale.snap((sum / count).round() as u64)
        }
        Scale::Log { .. } => {
            let sum = ordinary.iter().map(|&value| (value as f64).ln()).sum::<f64>();
            spec.scale.snap((sum / count).exp().round() as u64)
        }
        _ => mode(spec, &ordinary).map_or(spec.default, |(value, _)| value),
    }
}

fn mode(spec: &GeneSpec, values: &[u64]) -> Option<(u64, usize)> {
    let mut votes = BTreeMap::<u64, usize>::new();
    for &value in values {
        *votes.entry(value).or_default() += 1;
    }
    // Of equals `max_by_key` answers the last, so the order is turned round for the smaller value to win.
    votes.into_iter().rev().max_by_key(|&(value, count)| (count, value == spec.default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Constraint;

    fn mean_of(spec: GeneSpec, values: &[u64]) -> u64 {
        let space = Space::new(vec![spec], Vec::new()).unwrap();
        let genomes: Vec<Genome> = values.iter().map(|&value| Genome(vec![value])).collect();
        mean_genes(&space, &genomes).unwrap().0[0]
    }

    #[test]
    fn each_scale_has_its_mean() {
        let linear = GeneSpec::new("writes_starved", Scale::Linear { min: 1, max: 16 }, 2);
        assert_eq!(mean_of(linear, &[1, 1, 16, 16]), 9, "8.5 rounds up");
        let log = GeneSpec::new("fifo_batch", Scale::Log { min: 1, max: 128 }, 16);
        assert_eq!(mean_of(log, &[1, 64]), 8, "the arithmetic mean would be 33");
        let boolean = GeneSpec::new("front_merges", Scale::Boolean, 1);
        assert_eq!(mean_of(boolean, &[0, 0, 1]), 0);
        let ordinal = GeneSpec::new("rq_affinity", Scale::Ordinal(vec![0, 1, 2]), 1);
        assert_eq!(mean_of(ordinal, &[0, 2, 2]), 2, "the mode, not 1");
        let scheduler = GeneSpec::new("scheduler", Scale::Categorical(4), 0);
        assert_eq!(mean_of(scheduler, &[0, 3, 3, 1]), 3);
    }

    #[test]
    fn ties_go_to_the_default_then_to_the_smaller() {
        let ordinal = |default| GeneSpec::new("rq_affinity", Scale::Ordinal(vec![0, 1, 2]), default);
        assert_eq!(mean_of(ordinal(2), &[0, 0, 2, 2]), 2);
        assert_eq!(mean_of(ordinal(1), &[2, 2, 0, 0]), 0);
    }

    #[test]
    fn special_values_are_voted_on_and_never_averaged() {
        let spec = || {
            GeneSpec::new("read_ahead_kb", Scale::Log { min: 16, max: 8192 }, 128)
                .with_specials([0, 4_000_000])
        };
        assert_eq!(mean_of(spec(), &[0, 0, 0, 64, 256]), 0);
        assert_eq!(mean_of(spec(), &[0, 0, 64, 256]), 128, "a tie goes to the scale");
        assert_eq!(mean_of(spec(), &[0, 0, 4_000_000, 64, 256]), 128);
        assert_eq!(mean_of(spec(), &[0, 0, 0]), 0);
    }

    #[test]
    fn the_mean_satisfies_constraints_and_of_nothing_there_is_none() {
        let log = |name, default| GeneSpec::new(name, Scale::Log { min: 1, max: 1000 }, default);
        let specs = vec![log("read_lat_nsec", 2).with_specials([0]), log("write_lat_nsec", 10)];
        let space = Space::new(specs, vec![Constraint::AtLeast { low: 0, high: 1 }]).unwrap();
        // The special 0 is exempt from the constraint, and so not in the mean of the first gene.
        let genomes = [vec![900, 1000], vec![800, 900], vec![0, 1]].map(Genome);
        let mean = mean_genes(&space, &genomes).unwrap();
        assert_eq!(space.check(&mean), Ok(()));
        assert_eq!(mean_genes(&space, &[]), None);
        assert_eq!(mean_genes(&space, &[Genome(vec![1])]), None);
    }
}
