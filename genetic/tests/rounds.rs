//! Pool, library and policy together: when stored genes come back.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use genetic::{
    Bred, Fitness, GeneSpec, Genome, Key, Library, LibraryConfig, Moilanen, MoilanenConfig, Observed, Recall,
    Reintroduction, Round, Scale, Space, When, change_now, end_generation,
};
use proptest::prelude::*;

fn key(class: &str) -> Key {
    Key { device: "disk".into(), class: class.into(), scheduler: "mq-deadline".into() }
}

fn fit(score: f64) -> Fitness {
    Fitness::new(score).unwrap()
}

struct House {
    pool: Moilanen,
    library: Library,
    policy: Reintroduction<Key>,
}

impl House {
    fn new(when: When) -> Self {
        let specs = vec![
            GeneSpec::new("fifo_batch", Scale::Log { min: 1, max: 256 }, 16),
            GeneSpec::new("writes_starved", Scale::Linear { min: 1, max: 16 }, 2),
        ];
        let space = Space::new(specs, Vec::new()).unwrap();
        Self {
            pool: Moilanen::new(space, MoilanenConfig::default(), 3).unwrap(),
            library: Library::new(LibraryConfig::default()).unwrap(),
            policy: Reintroduction::new(when),
        }
    }

    fn score(&mut self, children: usize, score: f64) {
        for child in 0..children {
            self.pool.record(child, fit(score)).unwrap();
        }
    }

    fn end(&mut self, class: Option<&str>) -> Round {
        let key = class.map(key);
        end_generation(&mut self.pool, &mut self.library, &mut self.policy, key.as_ref(), 0).unwrap()
    }

    fn change(&mut self, from: Option<&str>, to: &str) -> Option<Round> {
        let from = from.map(key);
        let (pool, library, policy) = (&mut self.pool, &mut self.library, &mut self.policy);
        change_now(pool, library, policy, from.as_ref(), &key(to), 0).unwrap()
    }

    fn generation(&mut self, class: &str, score: f64) -> Round {
        self.score(8, score);
        self.end(Some(class))
    }
}

const DEFAULTS: [u64; 2] = [16, 2];

#[test]
fn as_published_an_unseen_workload_gets_the_defaults_and_a_known_one_its_top_genes() {
    let mut house = House::new(When::GenerationEnd);
    let first = house.generation("A", 10.0);
    assert_eq!(first.observed, Some(Observed::First { fitness: fit(10.0) }));
    // Not its own first generation, which is on record by now.
    assert_eq!(first.injected.unwrap().recall, Recall::Unseen(Genome(DEFAULTS.to_vec())));
    assert_eq!(house.pool.child(0), Some(&Genome(DEFAULTS.to_vec())));
    assert_eq!(house.library.top(&key("A")).unwrap().genes["fifo_batch"], 11, "the mean of 1 … 128");

    assert_eq!(house.generation("A", 11.0).injected, None, "no change, no reintroduction");
    let stored = Genome(house.library.top(&key("A")).unwrap().genes.values().copied().collect());

    let unseen = house.generation("B", 500.0).injected.unwrap();
    assert_eq!((unseen.key, unseen.recall.genome().0.as_slice()), (key("B"), DEFAULTS.as_slice()));

    let back = house.generation("A", 1.0);
    assert!(matches!(back.observed, Some(Observed::Decayed { .. })));
    assert_eq!(back.injected.unwrap().recall, Recall::Stored(stored.clone()));
    assert_eq!(house.pool.child(0), Some(&stored));
    assert_eq!(house.change(Some("A"), "B"), None, "as published nothing happens within a generation");
}

#[test]
fn at_once_a_confirmed_change_ends_the_generation_and_the_stored_genes_are_next() {
    let mut house = House::new(When::AtOnce);
    let first = house.change(None, "A").unwrap();
    assert_eq!((first.report.bred, first.observed), (Bred::TooFewScored { scored: 0, needed: 4 }, None));
    assert_eq!(first.injected.unwrap().recall, Recall::Unseen(Genome(DEFAULTS.to_vec())));
    assert_eq!(house.generation("A", 10.0).injected, None);
    let stored = Genome(house.library.top(&key("A")).unwrap().genes.values().copied().collect());

    house.score(6, 12.0);
    let change = house.change(Some("A"), "B").unwrap();
    assert!(change.report.aborted);
    assert!(
        matches!(change.observed, Some(Observed::Improved { to, .. }) if to == fit(12.0)),
        "six children of A are a generation of A"
    );
    assert_eq!(house.library.top(&key("B")), None);
    assert_eq!((house.pool.next_child(), house.pool.child(0)), (Some(0), Some(&Genome(DEFAULTS.to_vec()))));

    house.score(2, 7.0);
    let generation = house.pool.generation();
    let back = house.change(Some("B"), "A").unwrap();
    assert_eq!((back.observed, house.library.top(&key("B"))), (None, None), "two children are too few");
    assert!(matches!(back.injected.unwrap().recall, Recall::Stored(_)));
    assert_ne!(house.pool.child(0), Some(&stored), "the six children's genes are on record by now");
    assert_eq!(house.pool.generation(), generation + 1);
    assert_eq!(house.change(Some("A"), "A"), None);
}

#[test]
fn idle_generations_teach_nothing_and_change_nothing() {
    let mut house = House::new(When::GenerationEnd);
    house.generation("A", 10.0);
    let idle = house.end(None);
    assert_eq!((idle.observed, idle.injected), (None, None));
    assert_eq!(house.generation("A", 10.0).injected, None);
    assert_eq!(house.library.top(&key("A")).unwrap().generations, 2);
}

#[test]
fn a_fitness_that_the_scale_does_not_know_is_an_error_and_nothing_is_stored() {
    let mut house = House::new(When::GenerationEnd);
    house.score(8, -1.0);
    let refused = end_generation(&mut house.pool, &mut house.library, &mut house.policy, Some(&key("A")), 0);
    assert!(refused.is_err() && house.library.is_empty());
    assert_eq!(house.pool.generation(), 1);
}

proptest! {
    #[test]
    fn genes_come_back_exactly_on_a_change(
        classes in prop::collection::vec(prop::option::weighted(0.85, 0_usize..3), 1..40),
        at_once in any::<bool>(),
    ) {
        let names = ["A", "B", "C"];
        let mut house = House::new(if at_once { When::AtOnce } else { When::GenerationEnd });
        let (mut last, mut seen) = (None, [false; 3]);
        for (round, class) in classes.into_iter().enumerate() {
            house.score(8, 1.0 + round as f64 % 5.0);
            let changed = class.is_some() && class != last;
            let injected = if at_once {
                let from = last.map(|it: usize| names[it]);
                let change = class.and_then(|to| house.change(from, names[to]));
                let injected = change.and_then(|change| change.injected);
                if injected.is_some() && let Some(from) = last {
                    seen[from] = true;
                }
                house.score(8, 1.0);
                let end = house.end(class.map(|it| names[it]));
                prop_assert_eq!(end.injected, None);
                injected
            } else {
                house.end(class.map(|it| names[it])).injected
            };
            prop_assert_eq!(injected.is_some(), changed);
            if let (Some(injected), Some(class)) = (injected, class) {
                prop_assert_eq!(injected.key, key(names[class]));
                prop_assert_eq!(matches!(injected.recall, Recall::Stored(_)), seen[class]);
                if !at_once {
                    prop_assert_eq!(house.pool.child(0), Some(injected.recall.genome()));
                }
            }
            if let Some(class) = class {
                (last, seen[class]) = (Some(class), true);
            }
        }
    }
}
