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
        Genome(
            (0..genes)
                .map(|gene| {
                    if from_one(gene, rng) {
                        one.0[gene]
                    } else {
                        other.0[gene]
                    }
                })
                .collect(),
        )
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
