//! Whether the strategy climbs, on landscapes whose best is known, against as many random trials.
//!
//! `cargo test -p genetic --test climb -- --nocapture` prints the figures.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use genetic::{Crossover, Fitness, GeneSpec, Genome, Moilanen, MoilanenConfig, Mutation, Scale, Space};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const SEEDS: u64 = 100;
const GENERATIONS: usize = 30;
/// What one slice's measurement is off by, SD.
const NOISE: f64 = 0.06;

fn space() -> Space {
    let specs = vec![
        GeneSpec::new("fifo_batch", Scale::Log { min: 1, max: 128 }, 16),
        GeneSpec::new("read_expire", Scale::Log { min: 10, max: 2_000 }, 500),
        GeneSpec::new("write_expire", Scale::Log { min: 100, max: 20_000 }, 5_000),
        GeneSpec::new("writes_starved", Scale::Linear { min: 1, max: 16 }, 2),
        GeneSpec::new("front_merges", Scale::Boolean, 1),
        GeneSpec::new("read_ahead_kb", Scale::Log { min: 16, max: 8_192 }, 128).with_specials([0]),
    ];
    Space::new(specs, Vec::new()).unwrap()
}

/// True performance of a genome, the best possible being 1. Genes come as places on their scales; the last is
/// `None` at its special value.
type Landscape = fn([f64; 5], Option<f64>) -> f64;

fn hill(place: f64, top: f64, weight: f64) -> f64 {
    -weight * (place - top) * (place - top)
}

const LANDSCAPES: [(&str, Landscape); 5] = [
    ("one peak, all six matter", |[a, b, c, d, e], f| {
        let last = f.map_or(-0.5, |f| hill(f, 0.6, 1.0));
        (hill(a, 0.2, 1.0) + hill(b, 0.7, 1.0) + hill(c, 0.4, 1.0) + hill(d, 0.8, 1.0) - 0.2 * e + last).exp()
    }),
    ("two of six matter", |[a, b, ..], _| (hill(a, 0.15, 2.0) + hill(b, 0.85, 2.0)).exp()),
    // Across the diagonal, along which the even first generation lies.
    ("ridge across two", |[a, b, ..], _| (hill(a + b, 0.9, 6.0) + hill(a - b, 0.5, 0.5)).exp()),
    ("the special value is best", |[a, ..], f| (f.map_or(0.0, |f| -0.3 - 0.3 * f) + hill(a, 0.5, 0.5)).exp()),
    ("a boolean moves the peak", |[a, _, _, _, e], _| {
        if e > 0.5 { hill(a, 0.2, 3.0).exp() } else { 0.8 * hill(a, 0.9, 3.0).exp() }
    }),
];

fn truth(space: &Space, landscape: Landscape, genome: &Genome) -> f64 {
    let place = |gene: usize| space.specs()[gene].scale.position(genome.0[gene]);
    let last = (!space.specs()[5].is_special(genome.0[5])).then(|| place(5));
    landscape([place(0), place(1), place(2), place(3), place(4)], last)
}

fn measured(truth: f64, rng: &mut ChaCha8Rng) -> f64 {
    let gauss = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    (truth * (1.0 + NOISE * gauss)).max(0.0)
}

struct Outcome {
    /// True performance in force, the mean over the children: first generation, last five.
    first: f64,
    last: f64,
    /// True performance of what would be frozen: the best by measurement of the last generation.
    frozen: f64,
}

fn bred(landscape: Landscape, config: &MoilanenConfig, seed: u64) -> Outcome {
    let space = space();
    let mut rng = ChaCha8Rng::seed_from_u64(1_000_000 + seed);
    let mut pool = Moilanen::new(space.clone(), config.clone(), seed).unwrap();
    let (mut in_force, mut frozen) = (Vec::new(), 0.0);
    for _ in 0..GENERATIONS {
        let mut sum = 0.0;
        while let Some(child) = pool.next_child() {
            let true_value = truth(&space, landscape, pool.child(child).unwrap());
            sum += true_value;
            pool.record(child, Fitness::new(measured(true_value, &mut rng)).unwrap()).unwrap();
        }
        in_force.push(sum / config.children as f64);
        frozen = truth(&space, landscape, &pool.finish_generation().best.unwrap().genome);
    }
    let last = in_force[GENERATIONS - 5..].iter().sum::<f64>() / 5.0;
    Outcome { first: in_force[0], last, frozen }
}

/// As many random trials: the mean in force, and what would be frozen (the best by measurement of all).
fn random(landscape: Landscape, children: usize, seed: u64) -> Outcome {
    let space = space();
    let mut rng = ChaCha8Rng::seed_from_u64(2_000_000 + seed);
    let (mut sum, mut best) = (0.0, (f64::MIN, 0.0));
    let trials = GENERATIONS * children;
    for _ in 0..trials {
        // One more place than the scale has: the eighth part that special values get in a draw.
        let genes = space.specs().iter().map(|spec| match spec.specials.first() {
            Some(&special) if rng.random_ratio(1, 8) => special,
            _ => spec.scale.at(rng.random()),
        });
        let true_value = truth(&space, landscape, &Genome(genes.collect()));
        sum += true_value;
        let seen = measured(true_value, &mut rng);
        if seen > best.0 {
            best = (seen, true_value);
        }
    }
    let mean = sum / trials as f64;
    Outcome { first: mean, last: mean, frozen: best.1 }
}

fn mean(outcomes: &[Outcome], what: fn(&Outcome) -> f64) -> f64 {
    outcomes.iter().map(what).sum::<f64>() / outcomes.len() as f64
}

#[test]
fn generations_climb_and_run_better_than_random_trials() {
    let published = MoilanenConfig::default();
    let variants = [
        ("uniform", published.clone()),
        ("iterative", MoilanenConfig { mutation: Mutation::ITERATIVE, ..published.clone() }),
        ("twins", MoilanenConfig { crossover: Crossover::SinglePointTwins, ..published }),
    ];
    println!("{SEEDS} seeds, {GENERATIONS} generations of 8, noise {NOISE}; 1 is the best possible");
    println!("{:27} {:10} first  last  climbed  frozen", "landscape", "strategy");
    for (name, landscape) in LANDSCAPES {
        let chance: Vec<Outcome> = (0..SEEDS).map(|seed| random(landscape, 8, seed)).collect();
        let show = |strategy: &str, outcomes: &[Outcome]| {
            let climbed = outcomes.iter().filter(|it| it.last > it.first).count();
            println!(
                "{name:27} {strategy:10} {:.3}  {:.3}  {climbed:3}/{SEEDS}  {:.3}",
                mean(outcomes, |it| it.first),
                mean(outcomes, |it| it.last),
                mean(outcomes, |it| it.frozen),
            );
            climbed
        };
        show("random", &chance);
        for (strategy, config) in &variants {
            let outcomes: Vec<Outcome> = (0..SEEDS).map(|seed| bred(landscape, config, seed)).collect();
            let climbed = show(strategy, &outcomes);
            assert!(climbed as u64 * 10 >= SEEDS * 9, "{name}, {strategy}: climbed in {climbed} of {SEEDS}");
            let (last, by_chance) = (mean(&outcomes, |it| it.last), mean(&chance, |it| it.last));
            assert!(last > by_chance + 0.05, "{name}, {strategy}: {last} in force, {by_chance} by chance");
        }
    }
}
