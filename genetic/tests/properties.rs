//! What must hold for any genes and any course of events.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use genetic::{
    Constraint, Crossover, FirstSpread, Fitness, GeneSpec, Genome, Moilanen, MoilanenConfig, Mutation, Scale,
    Space, mean_genes, paper_range,
};
use proptest::prelude::*;

fn scale() -> impl Strategy<Value = Scale> {
    let range = |least: u64| {
        (least..5_000_u64, 0_u64..100_000, prop::bool::weighted(0.1))
            .prop_map(|(min, more, huge)| (min, if huge { u64::MAX } else { min + more }))
    };
    prop_oneof![
        3 => range(0).prop_map(|(min, max)| Scale::Linear { min, max }),
        3 => range(1).prop_map(|(min, max)| Scale::Log { min, max }),
        1 => Just(Scale::Boolean),
        1 => prop::collection::btree_set(0_u64..100, 1..6).prop_map(|set| Scale::Ordinal(set.into_iter().collect())),
        1 => (1_u64..6).prop_map(Scale::Categorical),
    ]
}

fn spec(index: usize) -> impl Strategy<Value = GeneSpec> {
    let specials = prop::collection::vec(prop_oneof![Just(0_u64), any::<u64>()], 0..3);
    (scale(), specials, any::<u64>(), prop::option::of(any::<u64>())).prop_map(
        move |(scale, specials, default, good)| {
            let mut spec = GeneSpec::new(format!("gene{index}"), scale, 0).with_specials(specials);
            spec.default = spec.snap(default);
            spec.known_good = good.map(|good| spec.snap(good));
            spec
        },
    )
}

prop_compose! {
    /// Any genes, with those of the drawn constraints that can be satisfied.
    fn space()(count in 1_usize..7)(
        specs in (0..count).map(spec).collect::<Vec<_>>(),
        pairs in prop::collection::vec((0_usize..7, 0_usize..7), 0..6),
    ) -> Space {
        let mut space = Space::new(specs, Vec::new()).unwrap();
        for (low, high) in pairs {
            let mut constraints = space.constraints().to_vec();
            constraints.push(Constraint::AtLeast { low, high });
            if let Ok(stricter) = Space::new(space.specs().to_vec(), constraints) {
                space = stricter;
            }
        }
        space
    }
}

fn config() -> impl Strategy<Value = MoilanenConfig> {
    let mutation = prop_oneof![
        Just(Mutation::Uniform),
        (0.01..=1.0).prop_map(|max_share| Mutation::Iterative { max_share })
    ];
    let spread = prop_oneof![Just(FirstSpread::Even), Just(FirstSpread::KnownGood)];
    let crossover = prop_oneof![Just(Crossover::Uniform), Just(Crossover::SinglePointTwins)];
    (2_usize..12, mutation, spread, crossover, 1_usize..3).prop_map(
        |(children, mutation, first_spread, crossover, phenotypes)| MoilanenConfig {
            children,
            mutation,
            first_spread,
            crossover,
            weights: vec![1.0; phenotypes],
            ..MoilanenConfig::default()
        },
    )
}

#[derive(Clone, Debug)]
enum Event {
    Record(usize, f64),
    Void(usize),
    Finish,
    Abort,
    Inject(usize, Vec<u64>),
    Restart,
    Retire(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0_usize..14, -1e9..1e9).prop_map(|(child, score)| Event::Record(child, score)),
        2 => (0_usize..14).prop_map(Event::Void),
        3 => Just(Event::Finish),
        1 => Just(Event::Abort),
        1 => (0_usize..14, prop::collection::vec(any::<u64>(), 1..8)).prop_map(|(i, it)| Event::Inject(i, it)),
        1 => Just(Event::Restart),
        1 => (0_usize..20).prop_map(Event::Retire),
    ]
}

fn happen(pool: &mut Moilanen, event: &Event) {
    match event {
        Event::Record(child, score) => {
            for phenotype in 0..pool.config().weights.len() {
                let recorded = pool.record_phenotype(*child, phenotype, Fitness::new(*score).unwrap());
                assert_eq!(recorded.is_ok(), *child < pool.children().len());
            }
        }
        Event::Void(child) => assert_eq!(pool.mark_void(*child).is_ok(), *child < pool.children().len()),
        Event::Finish => drop(pool.finish_generation()),
        Event::Abort => drop(pool.abort_generation()),
        Event::Inject(child, genes) => {
            let fits = *child < pool.children().len() && genes.len() == pool.space().specs().len();
            assert_eq!(pool.inject(*child, &Genome(genes.clone())).is_ok(), fits);
        }
        Event::Restart => {
            *pool = serde_json::from_str(&serde_json::to_string(pool).unwrap()).unwrap();
        }
        Event::Retire(gene) => {
            let genes = pool.space().specs().len();
            let retired = pool.retire_gene(&format!("gene{gene}"));
            let left = pool.space().specs().len();
            assert_eq!(left, genes - usize::from(retired == Ok(true)));
        }
    }
}

proptest! {
    #[test]
    fn genes_stay_in_range_whatever_happens(
        space in space(), config in config(), seed in any::<u64>(),
        events in prop::collection::vec(event(), 0..80),
    ) {
        let (min, max) = (config.mutation_min, config.mutation_max);
        let mut pool = Moilanen::new(space, config, seed).unwrap();
        for event in std::iter::once(&Event::Restart).chain(&events) {
            happen(&mut pool, event);
            for child in pool.children() {
                prop_assert_eq!(pool.space().check(child.genome()), Ok(()), "after {:?}", event);
            }
            prop_assert!((min..=max).contains(&pool.mutation_rate()));
        }
    }

    #[test]
    fn the_same_seed_and_events_give_the_same_everything_across_restarts_too(
        space in space(), config in config(), seed in any::<u64>(),
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut straight = Moilanen::new(space.clone(), config.clone(), seed).unwrap();
        let mut restarted = Moilanen::new(space, config, seed).unwrap();
        for event in &events {
            happen(&mut straight, event);
            happen(&mut restarted, event);
            happen(&mut restarted, &Event::Restart);
            prop_assert_eq!(&straight, &restarted);
        }
        prop_assert_eq!(straight.finish_generation(), restarted.finish_generation());
    }

    #[test]
    fn defaults_known_good_means_and_admitted_strangers_belong_to_the_space(
        space in space(), strangers in prop::collection::vec(prop::collection::vec(any::<u64>(), 6), 1..5),
    ) {
        prop_assert_eq!(space.check(&space.defaults()), Ok(()));
        prop_assert_eq!(space.check(&space.known_good()), Ok(()));
        let genes = space.specs().len();
        let admitted: Vec<Genome> = strangers
            .iter()
            .map(|stranger| space.admit(&Genome(stranger[..genes].to_vec())).unwrap())
            .collect();
        for genome in &admitted {
            prop_assert_eq!(space.check(genome), Ok(()));
            prop_assert_eq!(&space.admit(genome).unwrap(), genome, "a member is left as it is");
            prop_assert_eq!(&space.genome_of(&space.by_name(genome)), genome);
        }
        let mean = mean_genes(&space, &admitted).unwrap();
        prop_assert_eq!(space.check(&mean), Ok(()));
        prop_assert_eq!(mean_genes(&space, std::iter::repeat_n(&admitted[0], 8)), Some(admitted[0].clone()));
    }

    #[test]
    fn a_scale_and_its_positions_agree(scale in scale(), value in any::<u64>(), position in 0.0..=1.0) {
        let snapped = scale.snap(value);
        prop_assert!(scale.contains(snapped));
        prop_assert_eq!(scale.snap(snapped), snapped);
        prop_assert!((0.0..=1.0).contains(&scale.position(value)));
        prop_assert!(scale.contains(scale.at(position)));
        if scale.is_numeric() {
            // One part in a thousand, or one step of an integer.
            let (there, back) = (scale.at(position), scale.position(scale.at(position)));
            let step = scale.position(there.saturating_add(1)) - scale.position(there.saturating_sub(1));
            prop_assert!((back - position).abs() <= step.max(1e-3), "{position} → {there} → {back}");
        }
    }

    #[test]
    fn the_papers_range_never_leaves_the_catalogues(spec in spec(0)) {
        let literal = spec.clone().in_paper_range();
        prop_assert!(literal.contains(spec.default) || !spec.scale.is_numeric());
        if let Scale::Linear { min, max } = literal.scale
            && spec.scale.is_numeric()
        {
            prop_assert!(spec.contains(min) && spec.contains(max));
            let (low, high) = paper_range(spec.default);
            prop_assert!(low <= min && max <= high);
        }
        prop_assert!(Space::new(vec![literal], Vec::new()).is_ok());
    }
}
