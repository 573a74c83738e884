//! From one generation to the next: selection, crossover, mutation.

use crate::{Crossover, Genome, Mutation, Space};
use rand::Rng;

/// Breeds `children` genomes from parents that are sorted best first, at least one of them.
///
/// The lower half of the children is dropped; of parents there may be fewer than `children` (void slices), but
/// survivors are never more than the upper half. Best and next-worse survivors are paired, and each pair has two
/// offspring, which fill the places of the dropped.
///
/// Survivors are last, the best at the very end, and the offspring of the worst pair first: child 1 is where
/// genes are reintroduced, so it should be the least loss.
pub(crate) fn offspring<R: Rng>(
    parents: &[Genome],
    children: usize,
    crossover: Crossover,
    rng: &mut R,
) -> Vec<Genome> {
    let survivors = &parents[..parents.len().min(children - children / 2)];
    let wanted = children - survivors.len();
    let mut next = Vec::with_capacity(children);
    let mut best = 0;
    while next.len() < wanted {
        // An odd survivor, and the pairs that voids left out, start again from the best.
        let (one, other) = (&survivors[best], &survivors[(best + 1) % survivors.len()]);
        next.extend(cross(one, other, crossover, rng));
        best = if best + 2 < survivors.len() { best + 2 } else { 0 };
    }
    next.truncate(wanted);
    next.extend(survivors.iter().cloned());
    next[..wanted].reverse();
    next[wanted..].reverse();
    next
}

fn cross<R: Rng>(one: &Genome, other: &Genome, crossover: Crossover, rng: &mut R) -> [Genome; 2] {
    let genes = one.0.len();
    let mut build = |from_one: &mut dyn FnMut(usize, &mut R) -> bool| {
        Genome((0..genes).map(|gene| if from_one(gene, rng) { one.0[gene] } else { other.0[gene] }).collect())
    };
    match crossover {
        Crossover::Uniform => {
            let mut either = |_: usize, rng: &mut R| rng.random_bool(0.5);
            [build(&mut either), build(&mut either)]
        }
        Crossover::SinglePointTwins => {
            // Inside the genome, or the twins would be copies; one gene has no inside.
            let mut cut = None;
            let mut point = |rng: &mut R| {
                *cut.get_or_insert_with(|| if genes > 1 { rng.random_range(1..genes) } else { 1 })
            };
            let first = build(&mut |gene, rng| gene < point(rng));
            let second = build(&mut |gene, rng| gene >= point(rng));
            [first, second]
        }
    }
}

/// Mutates `rate` × children × genes genes in place, at least one: which child and which gene is drawn evenly
/// each time, so that one may be hit twice and survivors are not spared. What results satisfies the constraints.
pub(crate) fn mutate<R: Rng>(
    children: &mut [Genome],
    space: &Space,
    rate: f64,
    mutation: Mutation,
    rng: &mut R,
) {
    let genes = space.specs().len();
    let count = ((children.len() * genes) as f64 * rate).round().max(1.0) as usize;
    for _ in 0..count {
        let child = rng.random_range(0..children.len());
        let gene = rng.random_range(0..genes);
        let spec = &space.specs()[gene];
        let mut values = std::mem::take(&mut children[child].0);
        values[gene] = match mutation {
            Mutation::Uniform => spec.draw(rng),
            Mutation::Iterative { max_share } => spec.step(values[gene], max_share, rng),
        };
        children[child] = space.repaired(values, Some(gene));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GeneSpec, Scale};
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    /// Parent `n` has the genes 100·n, 100·n + 1, … so that a gene tells whose it is.
    fn parents(count: u64, genes: u64) -> Vec<Genome> {
        (0..count).map(|parent| Genome((0..genes).map(|gene| 100 * parent + gene).collect())).collect()
    }

    fn families(genome: &Genome) -> Vec<u64> {
        let mut families: Vec<u64> = genome.0.iter().map(|gene| gene / 100).collect();
        families.sort_unstable();
        families.dedup();
        families
    }

    #[test]
    fn the_lower_half_is_dropped_and_pairs_fill_its_place() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let parents = parents(8, 40);
        for crossover in [Crossover::Uniform, Crossover::SinglePointTwins] {
            let next = offspring(&parents, 8, crossover, &mut rng);
            // With 40 genes a pair's child has some of each parent.
            let whose: Vec<_> = next.iter().map(families).collect();
            assert_eq!(whose[..4], [vec![2, 3], vec![2, 3], vec![0, 1], vec![0, 1]]);
            assert_eq!(next[4..], [3, 2, 1, 0].map(|survivor| parents[survivor].clone()));
            for child in &next {
                assert!(child.0.iter().enumerate().all(|(place, gene)| gene % 100 == place as u64));
            }
        }
    }

    #[test]
    fn twins_complement_each_other_around_one_cut_and_uniform_offspring_do_not() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let parents = parents(2, 40);
        for _ in 0..50 {
            let [one, other] = cross(&parents[0], &parents[1], Crossover::SinglePointTwins, &mut rng);
            let cuts = one.0.windows(2).filter(|pair| pair[0] / 100 != pair[1] / 100).count();
            assert_eq!(cuts, 1);
            assert!(one.0.iter().zip(&other.0).all(|(a, b)| a / 100 != b / 100));
        }
        let [one, other] = cross(&parents[0], &parents[1], Crossover::Uniform, &mut rng);
        assert!(one.0.iter().zip(&other.0).any(|(a, b)| a == b), "each is drawn anew");
        let from_first = one.0.iter().filter(|gene| **gene < 100).count();
        assert!((10..=30).contains(&from_first), "{from_first} of 40 from the first parent");
    }

    #[test]
    fn fewer_or_odd_survivors_still_fill_the_generation() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (count, children) in [(1, 8), (2, 8), (3, 8), (4, 8), (5, 5), (3, 5), (7, 7), (1, 2), (2, 2)] {
            for crossover in [Crossover::Uniform, Crossover::SinglePointTwins] {
                let parents = parents(count, 1);
                let next = offspring(&parents, children, crossover, &mut rng);
                assert_eq!(next.len(), children, "{count} parents");
                assert_eq!(next.last(), parents.first(), "the best is last");
            }
        }
    }

    #[test]
    fn as_many_genes_mutate_as_the_rate_says() {
        let wide =
            |place: u64| GeneSpec::new(format!("g{place}"), Scale::Linear { min: 0, max: u64::MAX }, 0);
        let space = Space::new((0..6).map(wide).collect(), Vec::new()).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for (rate, expected) in [(0.10, 5.0), (0.15, 7.0), (0.45, 22.0), (0.0, 1.0)] {
            let rounds = 400;
            let mut changed = 0;
            let mut hits = [0; 48];
            for _ in 0..rounds {
                let mut children = vec![Genome(vec![7; 6]); 8];
                mutate(&mut children, &space, rate, Mutation::Uniform, &mut rng);
                let genes = children.iter().flat_map(|child| &child.0);
                for (place, _) in genes.enumerate().filter(|(_, gene)| **gene != 7) {
                    hits[place] += 1;
                    changed += 1;
                }
            }
            // Draws with replacement: of 48 places n draws hit 48·(1 − (47/48)^n).
            let distinct = 48.0 * (1.0 - (47.0_f64 / 48.0).powf(expected));
            let mean = f64::from(changed) / f64::from(rounds);
            assert!((mean / distinct - 1.0).abs() < 0.05, "rate {rate}: {mean}, expected {distinct}");
            assert!(hits.iter().all(|&hit| hit > 0), "every child and every gene can be hit: {hits:?}");
        }
    }

    #[test]
    fn an_iterative_mutation_moves_by_at_most_29_per_cent_of_the_range() {
        let spec = GeneSpec::new("g", Scale::Log { min: 1, max: 1 << 20 }, 1 << 10);
        let space = Space::new(vec![spec], Vec::new()).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut low, mut high) = (u64::MAX, 0);
        for _ in 0..5_000 {
            let mut child = [Genome(vec![1 << 10])];
            mutate(&mut child, &space, 1.0, Mutation::ITERATIVE, &mut rng);
            (low, high) = (low.min(child[0].0[0]), high.max(child[0].0[0]));
        }
        // 29 % of 20 octaves are 5.8: from 2^4.2 to 2^15.8.
        assert!((18..=20).contains(&low), "{low}");
        assert!((55_000..=57_100).contains(&high), "{high}");
    }

    #[test]
    fn a_mutation_that_contradicts_a_constraint_moves_the_other_gene() {
        let log = |name| GeneSpec::new(name, Scale::Log { min: 1, max: 1_000 }, 10);
        let constraint = crate::Constraint::AtLeast { low: 0, high: 1 };
        let space = Space::new(vec![log("async_depth"), log("nr_requests")], vec![constraint]).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let (mut raised, mut lowered) = (0, 0);
        for _ in 0..1_000 {
            let mut child = [Genome(vec![10, 10])];
            mutate(&mut child, &space, 0.5, Mutation::Uniform, &mut rng);
            assert_eq!(space.check(&child[0]), Ok(()));
            raised += u32::from(child[0].0[0] > 10 && child[0].0[1] == child[0].0[0]);
            lowered += u32::from(child[0].0[1] < 10 && child[0].0[0] == child[0].0[1]);
        }
        assert!(raised > 200 && lowered > 100, "raised {raised}, lowered {lowered}");
    }
}
