//! One generation after another, as published.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use genetic::{
    Bred, Crossover, FirstSpread, Fitness, GeneSpec, GenerationReport, Genome, Moilanen, MoilanenConfig,
    Mutation, PoolError, Scale, Space,
};

fn fit(score: f64) -> Fitness {
    Fitness::new(score).unwrap()
}

fn space() -> Space {
    let specs = vec![
        GeneSpec { known_good: Some(64), ..GeneSpec::new("fifo_batch", Scale::Log { min: 1, max: 256 }, 16) },
        GeneSpec::new("writes_starved", Scale::Linear { min: 0, max: 16 }, 2),
    ];
    Space::new(specs, Vec::new()).unwrap()
}

fn pool() -> Moilanen {
    Moilanen::new(space(), MoilanenConfig::default(), 7).unwrap()
}

fn genomes(pool: &Moilanen) -> Vec<Genome> {
    pool.children().iter().map(|child| child.genome().clone()).collect()
}

fn run(pool: &mut Moilanen, score: impl Fn(usize) -> f64) -> GenerationReport {
    while let Some(child) = pool.next_child() {
        pool.record(child, fit(score(child))).unwrap();
    }
    pool.finish_generation()
}

#[test]
fn the_first_generation_is_spread_evenly_or_known_to_be_good() {
    let even: Vec<Vec<u64>> = genomes(&pool()).into_iter().map(|genome| genome.0).collect();
    assert_eq!(even[..3], [[1, 0], [2, 2], [4, 4]]);
    assert_eq!(even[7], [128, 14]);

    let config = MoilanenConfig { first_spread: FirstSpread::KnownGood, ..MoilanenConfig::default() };
    let good = Moilanen::new(space(), config, 7).unwrap();
    let known = Genome(vec![64, 2]);
    assert_eq!(good.child(0), Some(&known), "the default where nothing is known");
    let others = genomes(&good)[1..].iter().filter(|genome| **genome != known).count();
    assert!((1..=2).contains(&others), "15 % of 7 × 2 genes are 2, but {others} differ");
}

#[test]
fn children_run_in_turn_and_the_best_half_survives() {
    let mut pool = pool();
    let before = genomes(&pool);
    assert_eq!(pool.next_child(), Some(0));
    // Child 5 is best, then 4, 6, 3, 7, 2, 1, 0.
    let report = run(&mut pool, |child| 10.0 - (child as f64 - 4.9).abs());
    assert_eq!(report.ranking, [5, 4, 6, 3, 7, 2, 1, 0]);
    let best = report.best.unwrap();
    assert_eq!((best.child, &best.genome, best.fitness), (5, &before[5], fit(9.9)));
    assert_eq!((report.generation, report.scored, report.voids, report.bred), (0, 8, 0, Bred::Yes));
    assert!((report.mean_fitness.unwrap().get() - 7.775).abs() < 1e-9);
    // The geometric mean of 1, 2, 4 … 128 and the arithmetic of 0, 2 … 14.
    assert_eq!(report.mean_genes, Some(Genome(vec![11, 7])));
    assert_eq!((pool.generation(), pool.next_child()), (1, Some(0)));
    // Survivors are last, best at the end; of 16 genes 2 have mutated.
    let expected = [3, 6, 4, 5].map(|survivor| before[survivor].clone());
    let kept = genomes(&pool)[4..].iter().zip(&expected).filter(|(now, then)| now == then).count();
    assert!(kept >= 2, "{:?}", genomes(&pool));
}

#[test]
fn the_mutation_rate_falls_with_success_and_rises_with_failure_within_its_bounds() {
    let mut pool = pool();
    let mut rates = Vec::new();
    let means = [5.0, 6.0, 7.0, 8.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.5, 1.4, 1.3, 1.2, 1.1, 9.0];
    for mean in means {
        rates.push((run(&mut pool, |_| mean).mutation_rate * 100.0).round() as u32);
    }
    assert_eq!(rates, [15, 11, 10, 10, 10, 14, 18, 22, 26, 30, 34, 38, 42, 45, 45, 45, 41]);
}

#[test]
fn a_void_child_is_no_parent_and_in_no_mean_and_may_be_repeated() {
    let mut pool = pool();
    for child in 0..8 {
        pool.record(child, fit(child as f64)).unwrap();
    }
    pool.mark_void(7).unwrap();
    pool.mark_void(3).unwrap();
    pool.record(3, fit(100.0)).unwrap();
    assert!(pool.children()[7].is_void() && !pool.children()[3].is_void());
    assert_eq!(pool.children()[7].scores(), [None]);
    assert_eq!(pool.next_child(), None, "a void is not run again by itself");
    let report = pool.finish_generation();
    assert_eq!((report.ranking, report.scored, report.voids), (vec![3, 6, 5, 4, 2, 1, 0], 7, 1));
    assert_eq!(report.phenotype_means, [fit((100 + 6 + 5 + 4 + 2 + 1) as f64 / 7.0)]);
}

#[test]
fn a_generation_of_which_fewer_than_half_were_scored_does_not_breed() {
    let mut pool = pool();
    let (before, rate) = (genomes(&pool), pool.mutation_rate());
    for child in 0..3 {
        pool.record(child, fit(1.0)).unwrap();
    }
    let report = pool.finish_generation();
    assert_eq!(report.bred, Bred::TooFewScored { scored: 3, needed: 4 });
    assert_eq!((report.scored, report.voids, report.mean_fitness), (3, 5, Some(fit(1.0))));
    assert_eq!((genomes(&pool), pool.mutation_rate()), (before, rate));
    assert_eq!((pool.generation(), pool.next_child()), (1, Some(0)), "scored afresh");

    for child in 0..4 {
        pool.record(child, fit(1.0)).unwrap();
    }
    assert_eq!(pool.finish_generation().bred, Bred::Yes, "half is enough");

    let nothing = pool.finish_generation();
    assert_eq!((nothing.best, nothing.mean_fitness, nothing.mean_genes), (None, None, None));
}

#[test]
fn an_aborted_generation_keeps_what_it_learned_and_is_not_compared_with_the_next() {
    let mut pool = pool();
    run(&mut pool, |_| 100.0);
    for child in 0..5 {
        pool.record(child, fit(100.0)).unwrap();
    }
    let report = pool.abort_generation();
    assert_eq!((report.aborted, report.scored, report.bred), (true, 5, Bred::Yes));
    // Other work, a tenth of the score: no reason to mutate more.
    let next = run(&mut pool, |_| 10.0);
    assert!((next.mutation_rate - 0.15).abs() < 1e-12);
    assert!((run(&mut pool, |_| 9.0).mutation_rate - 0.19).abs() < 1e-12);
}

#[test]
fn phenotypes_share_a_population_by_the_weighted_sum_of_their_ranks() {
    let config = MoilanenConfig { children: 3, weights: vec![2.0, 1.0], ..MoilanenConfig::default() };
    let mut pool = Moilanen::new(space(), config, 1).unwrap();
    // Ranks 2 1 0 by the first; 0 1 2 by the second, whose scores are far larger.
    for (child, (one, other)) in [(3.0, 1e9), (2.0, 2e9), (1.0, 3e9)].into_iter().enumerate() {
        pool.record_phenotype(child, 0, fit(one)).unwrap();
        assert_eq!(pool.next_child(), Some(child), "not complete without the second");
        pool.record_phenotype(child, 1, fit(other)).unwrap();
    }
    let unknown = pool.record_phenotype(0, 2, fit(1.0));
    assert_eq!(unknown, Err(PoolError::NoSuchPhenotype { found: 2, phenotypes: 2 }));
    let report = pool.finish_generation();
    assert_eq!(report.ranking, [0, 1, 2]);
    assert_eq!(report.phenotype_means, [fit(2.0), fit(2e9)]);
}

#[test]
fn injected_genes_are_run_next_and_fitted_to_the_range() {
    let mut pool = pool();
    pool.record(0, fit(1.0)).unwrap();
    assert_eq!(pool.next_child(), Some(1));
    pool.inject(0, &Genome(vec![32, 99])).unwrap();
    assert_eq!(pool.child(0), Some(&Genome(vec![32, 16])));
    assert_eq!(pool.next_child(), Some(0), "what its old genes scored is not theirs");
    assert!(matches!(pool.inject(0, &Genome(vec![1])), Err(PoolError::Genome(_))));
    assert_eq!(pool.inject(8, &Genome(vec![1, 1])), Err(PoolError::NoSuchChild { found: 8, children: 8 }));
}

#[test]
fn a_retired_gene_is_gone_and_what_the_others_scored_is_kept() {
    let mut pool = pool();
    pool.record(0, fit(1.0)).unwrap();
    assert_eq!(pool.retire_gene("nothing"), Ok(false));
    assert_eq!(pool.retire_gene("fifo_batch"), Ok(true));
    assert_eq!(pool.child(7), Some(&Genome(vec![14])));
    assert_eq!(pool.next_child(), Some(1));
    assert!(matches!(pool.retire_gene("writes_starved"), Err(PoolError::LastGene { .. })));
}

#[test]
fn scores_of_any_size_have_a_mean() {
    for score in [f64::MAX, f64::MIN, 0.1, f64::MIN_POSITIVE] {
        let report = run(&mut pool(), |_| score);
        assert_eq!(report.phenotype_means, [fit(score)]);
        assert_eq!(report.mean_fitness, Some(fit(score)));
    }
    let report = run(&mut pool(), |child| if child % 2 == 0 { f64::MAX } else { f64::MIN });
    assert_eq!(report.phenotype_means, [fit(0.0)]);
}

#[test]
fn seeds_differ() {
    let after = |seed| {
        let mut pool = Moilanen::new(space(), MoilanenConfig::default(), seed).unwrap();
        for _ in 0..3 {
            run(&mut pool, |child| child as f64);
        }
        genomes(&pool)
    };
    assert_eq!(after(1), after(1));
    assert_ne!(after(1), after(2));
}

#[test]
fn numbers_that_make_no_strategy_are_refused_by_name() {
    let default = MoilanenConfig::default;
    for (config, key) in [
        (MoilanenConfig { children: 1, ..default() }, "children"),
        (MoilanenConfig { children: 257, ..default() }, "children"),
        (MoilanenConfig { mutation_max: 1.5, ..default() }, "mutation_max"),
        (MoilanenConfig { mutation_step: f64::NAN, ..default() }, "mutation_step"),
        (MoilanenConfig { mutation_initial: 0.05, ..default() }, "mutation_initial"),
        (MoilanenConfig { mutation_min: 0.5, mutation_max: 0.4, ..default() }, "mutation_initial"),
        (
            MoilanenConfig { mutation: Mutation::Iterative { max_share: 0.0 }, ..default() },
            "mutation.iterative.max_share",
        ),
        (MoilanenConfig { weights: vec![], ..default() }, "weights"),
        (MoilanenConfig { weights: vec![0.0], ..default() }, "weights"),
        (MoilanenConfig { weights: vec![1.0, -1.0], ..default() }, "weights"),
        (MoilanenConfig { weights: vec![f64::INFINITY], ..default() }, "weights"),
    ] {
        let Err(PoolError::Config(error)) = Moilanen::new(space(), config.clone(), 0) else {
            unreachable!("{config:?} was accepted")
        };
        assert_eq!(error.key, key);
    }
    let text = r#"{"children": 4, "crossover": "single-point-twins", "mutation": {"iterative": {"max_share": 0.2}}}"#;
    let read: MoilanenConfig = serde_json::from_str(text).unwrap();
    assert_eq!((read.children, read.crossover), (4, Crossover::SinglePointTwins));
    assert!(serde_json::from_str::<MoilanenConfig>(r#"{"kids": 4}"#).is_err());
}

#[test]
fn a_stored_population_that_contradicts_itself_is_refused() {
    let whole = serde_json::to_value(pool()).unwrap();
    assert_eq!(serde_json::from_value::<Moilanen>(whole.clone()).unwrap(), pool());
    let broken = |change: fn(&mut serde_json::Value)| {
        let mut state = whole.clone();
        change(&mut state);
        serde_json::from_value::<Moilanen>(state).unwrap_err().to_string()
    };
    for (error, expected) in [
        (broken(|it| drop(it["children"].as_array_mut().unwrap().pop())), "children: found 7, expected 8"),
        (broken(|it| it["children"][2]["genome"][0] = 9_999.into()), "gene fifo_batch: found 9999"),
        (broken(|it| it["children"][2]["genome"] = vec![1].into()), "found 1 genes, expected 2"),
        (broken(|it| it["children"][2]["scores"] = vec![1.0, 2.0].into()), "scores: found 2, expected 1"),
        (broken(|it| it["children"][2]["scores"][0] = "NaN".into()), "expected f64"),
        (broken(|it| it["mutation_rate"] = 0.9.into()), "mutation_rate: found 0.9"),
        (broken(|it| it["previous"] = vec![1.0, 2.0].into()), "previous: found 2, expected 1"),
        (broken(|it| it["config"]["children"] = 1.into()), "children: found 1, expected 2 to 256"),
        (broken(|it| it["surprise"] = 1.into()), "unknown field `surprise`"),
    ] {
        assert!(error.contains(expected), "found {error:?}, expected {expected:?}");
    }
}
