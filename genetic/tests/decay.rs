//! What the decay of a top fitness does, and why it is 0.98.
//!
//! `cargo test -p genetic --test decay -- --nocapture` prints the figures.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails the test")]

use genetic::{DEFAULT_DECAY, Fitness, FitnessScale, Key, Library, LibraryConfig, Observed};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

fn key() -> Key {
    Key { device: "disk".into(), class: "read-random-small".into(), scheduler: "mq-deadline".into() }
}

fn fit(score: f64) -> Fitness {
    Fitness::new(score).unwrap()
}

fn genes(value: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("fifo_batch".to_owned(), value)])
}

fn library(decay: f64, scale: FitnessScale) -> Library {
    Library::new(LibraryConfig { decay, scale, ..LibraryConfig::default() }).unwrap()
}

/// Passes of steady fitness 1 until they replace what a spike of `height` left on record.
fn passes_until_overtaken(decay: f64, scale: FitnessScale, height: f64) -> u32 {
    let score = |ratio: f64| fit(if scale == FitnessScale::Log { ratio.ln() } else { ratio });
    let mut library = library(decay, scale);
    library.observe(&key(), score(1.0), &genes(1), 0).unwrap();
    library.observe(&key(), score(height), &genes(99), 1).unwrap();
    for pass in 1..10_000 {
        match library.observe(&key(), score(1.0), &genes(1), 2).unwrap() {
            Observed::Improved { .. } => return pass,
            _ => {
                assert_eq!(
                    library.top(&key()).unwrap().genes,
                    genes(99),
                    "until then the spike's genes stay"
                );
            }
        }
    }
    panic!("never overtaken");
}

#[test]
fn a_spike_is_overtaken_within_the_passes_that_the_documentation_says() {
    for scale in [FitnessScale::Ratio, FitnessScale::Log] {
        for (height, passes) in [(1.1, 5), (1.3, 13), (2.0, 35)] {
            assert_eq!(passes_until_overtaken(DEFAULT_DECAY, scale, height), passes, "{height} on {scale:?}");
        }
    }
    assert_eq!(passes_until_overtaken(0.9, FitnessScale::Ratio, 2.0), 7);
    // A lead of 20 % outlives 9 worse passes and falls to the 10th.
    assert_eq!(passes_until_overtaken(DEFAULT_DECAY, FitnessScale::Ratio, 1.2), 10);
}

#[test]
fn without_decay_a_spike_stays_for_ever() {
    let mut library = library(1.0, FitnessScale::Ratio);
    library.observe(&key(), fit(2.0), &genes(99), 0).unwrap();
    for _ in 0..10_000 {
        // As good is not better.
        let observed = library.observe(&key(), fit(2.0), &genes(1), 1).unwrap();
        assert_eq!(observed, Observed::Decayed { from: fit(2.0), to: fit(2.0) });
    }
    assert_eq!(library.top(&key()).unwrap().genes, genes(99));
}

fn gauss(rng: &mut ChaCha8Rng) -> f64 {
    // Twelve uniforms: variance 1, and no logarithm of zero.
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

struct World {
    /// SD of what a generation's genes lose against the best.
    genes: f64,
    /// SD of the machine's drift, correlated 0.43 from pass to pass (0.9 from slice to slice).
    drift: f64,
    /// How many passes in a thousand are spikes: they measure too much, by twice in the mean (of the logarithms).
    spikes_per_mille: u32,
}

/// What the genes on record are worth in the mean, as a share of the best possible, from the 20th to the 300th
/// pass of a workload.
fn worth(decay: f64, world: &World) -> f64 {
    let (seeds, passes, warm) = (30, 300, 20);
    let mut sum = 0.0;
    for seed in 0..seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut library = library(decay, FitnessScale::Log);
        let mut truth = Vec::new();
        let mut drift = 0.0;
        for pass in 0..passes {
            drift = 0.43 * drift + (1.0_f64 - 0.43 * 0.43).sqrt() * world.drift * gauss(&mut rng);
            let true_score = -0.25 * (-f64::from(pass) / 6.0).exp() - (world.genes * gauss(&mut rng)).abs();
            let height = -(1.0 - rng.random::<f64>()).ln() * 2.0_f64.ln();
            let spike = if rng.random_ratio(world.spikes_per_mille, 1000) { height } else { 0.0 };
            // Eight slices of 6 % noise each.
            let measured = true_score + 0.021 * gauss(&mut rng) + drift + spike;
            truth.push(true_score);
            library.observe(&key(), fit(measured), &genes(pass as u64), 0).unwrap();
            if pass >= warm {
                let stored = library.top(&key()).unwrap().genes["fifo_batch"];
                sum += truth[stored as usize];
            }
        }
    }
    (sum / f64::from(seeds as u32 * (passes - warm) as u32)).exp()
}

#[test]
fn the_genes_on_record_are_worth_most_around_the_chosen_decay() {
    let decays = [0.8, 0.9, 0.95, 0.97, DEFAULT_DECAY, 0.99, 0.995, 1.0];
    println!("decay {decays:?}");
    for (name, world) in [
        ("spikes", World { genes: 0.10, drift: 0.0, spikes_per_mille: 10 }),
        ("spikes and drift", World { genes: 0.10, drift: 0.05, spikes_per_mille: 10 }),
        ("strong drift", World { genes: 0.10, drift: 0.11, spikes_per_mille: 10 }),
        ("like genes", World { genes: 0.04, drift: 0.05, spikes_per_mille: 10 }),
    ] {
        let worths = decays.map(|decay| worth(decay, &world));
        println!("{name}: {}", worths.map(|it| format!("{it:.4}")).join(" "));
        let best = worths.iter().copied().fold(0.0, f64::max);
        let (quick, chosen, never) = (worths[1], worths[4], worths[7]);
        assert!(chosen > best - 0.002, "{name}: {chosen} at {DEFAULT_DECAY}, {best} is possible");
        assert!(chosen > quick + 0.002, "{name}: {chosen} is not better than {quick} at 0.9");
        assert!(chosen > never + 0.002, "{name}: {chosen} is not better than {never} without decay");
    }
}
