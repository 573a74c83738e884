//! The store on real files: kept, damaged, newer, foreign, read-only, gone.

use super::recorder::Recorder;
use super::*;
use crate::config::Objective;
use crate::engine::{Evaluation, VoidReason};
use block_types::{Elevator, Knob, KnobValue, Settings};
use fingerprint::Class;
use genetic::{Fitness, Key, Library, LibraryConfig, TopGenes};
use std::collections::BTreeMap;
use std::time::Instant;
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(directory: &Path) -> Store {
    let (store, moved) = Store::open(directory).unwrap();
    assert_eq!(moved, None);
    store
}

fn evaluation(child: usize, fitness: Option<f64>) -> EvaluationRow {
    let mut settings = Settings::new();
    settings.set(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline));
    settings.set(Knob::FifoBatch, KnobValue::Number(24));
    EvaluationRow {
        at_unix_ms: 1_700_000_000_000 + child as u64,
        device: "loop7".to_owned(),
        scheduler: "mq-deadline".to_owned(),
        evaluation: Evaluation {
            from_ns: 1,
            to_ns: 2_000_000_001,
            generation: 3,
            child,
            class: Some(Class::ALL[2]),
            settings,
            objective: Objective::Throughput,
            fitness,
            void: fitness.is_none().then_some(VoidReason::NoArrivals),
            bytes_per_s: fitness,
            mean_latency_ns: Some(1_250_000),
            utilisation: Some(0.5),
        },
    }
}

fn run() -> RunRow {
    RunRow {
        started_unix_ms: 1_700_000_000_000,
        boot_id: "5c4c8b7e-0000-4000-8000-000000000000".to_owned(),
        version: "0.1.0".to_owned(),
        seed: u64::MAX.to_string(),
        configuration: "{}".to_owned(),
    }
}

fn key(device: &str, class: Class) -> Key {
    Key { device: device.to_owned(), class: class.name().to_owned(), scheduler: "mq-deadline".to_owned() }
}

fn library(objective: &str, fitness: f64) -> Library {
    let config = LibraryConfig { objective: objective.to_owned(), ..LibraryConfig::default() };
    let mut library = Library::new(config).unwrap();
    for (device, class) in [("loop7", Class::ALL[0]), ("loop7", Class::ALL[2]), ("sda", Class::ALL[0])] {
        let top = TopGenes {
            genes: BTreeMap::from([("fifo_batch".to_owned(), 24), ("read_ahead_kb".to_owned(), 0)]),
            fitness: Some(Fitness::new(fitness).unwrap()),
            generations: 5,
            updated_unix_ms: 1_700_000_000_000,
            provenance: None,
        };
        library.put(key(device, class), top).unwrap();
    }
    library
}

#[test]
fn what_was_appended_is_there_after_the_process_is_gone() {
    let directory = directory();
    let rows = [evaluation(1, Some(1.25e8)), evaluation(2, None)];
    {
        let mut store = open(directory.path());
        store.begin_run(&run()).unwrap();
        for row in &rows {
            store.append_evaluation(row).unwrap();
        }
        // As after SIGKILL: no connection is closed, no log is merged.
        std::mem::forget(store);
    }
    let found = open(directory.path()).evaluations("loop7", 10).unwrap();
    assert_eq!(found, [rows[1].clone(), rows[0].clone()]);
}

#[test]
fn generations_and_visits_are_counted_by_device() {
    let directory = directory();
    let store = open(directory.path());
    let change = ChangeRow {
        at_unix_ms: 1,
        device: "loop7".to_owned(),
        from: None,
        to: Class::ALL[2],
        first_window_ns: 5,
        confirmed_ns: 9,
    };
    store.append(&Row::Change(change.clone())).unwrap();
    store.append_change(&ChangeRow { from: Some(Class::ALL[1]), ..change.clone() }).unwrap();
    store.append_change(&ChangeRow { device: "sda".to_owned(), ..change }).unwrap();
    assert_eq!(store.visits("loop7", Class::ALL[2]).unwrap(), 2);
    assert_eq!(store.visits("loop7", Class::ALL[1]).unwrap(), 0);
    store
        .append_generation(&GenerationRow {
            at_unix_ms: 1,
            device: "loop7".to_owned(),
            scheduler: "bfq".to_owned(),
            class: None,
            generation: 0,
            objective: Objective::Latency,
            mean_fitness: Some(1.0),
            best_fitness: None,
            best: Some(Settings::new()),
            mutation_rate: 0.15,
            scored: 7,
            void: 1,
        })
        .unwrap();
    assert_eq!((store.generations("loop7").unwrap(), store.generations("sda").unwrap()), (1, 0));
}

#[test]
fn a_library_comes_back_as_it_was_and_objectives_do_not_mix() {
    let directory = directory();
    let (throughput, latency) = (library("throughput", 1.0e8), library("latency", 250.0));
    let store = open(directory.path());
    for device in ["loop7", "sda"] {
        store.save_top(device, &throughput, 1).unwrap();
    }
    store.save_top("loop7", &latency, 1).unwrap();
    drop(store);

    let store = Store::open_read_only(directory.path()).unwrap();
    let load = |device, library: &Library| store.load_library(device, library.config().clone()).unwrap();
    assert_eq!(load(None, &throughput), throughput);
    assert_eq!(load(Some("loop7"), &throughput).len(), 2);
    assert_eq!(
        load(Some("loop7"), &latency).top(&key("loop7", Class::ALL[2])),
        latency.top(&key("loop7", Class::ALL[2]))
    );
    assert!(load(Some("sda"), &latency).is_empty(), "only loop7's were saved under latency");
}

#[test]
fn saving_a_device_leaves_the_others_alone_and_forgetting_takes_only_what_matches() {
    let directory = directory();
    let store = open(directory.path());
    let whole = library("throughput", 1.0e8);
    for device in ["loop7", "sda"] {
        store.save_top(device, &whole, 1).unwrap();
    }
    store.save_top("loop7", &library("throughput", 2.0e8), 2).unwrap();
    let fitness = |device: &str| {
        let filter = TopFilter { device: Some(device.to_owned()), ..TopFilter::default() };
        store.tops(&filter).unwrap().iter().map(|row| row.top.fitness.unwrap().get()).collect::<Vec<_>>()
    };
    assert_eq!((fitness("loop7"), fitness("sda")), (vec![2.0e8, 2.0e8], vec![1.0e8]));

    let of = |class: Class| TopFilter { class: Some(class.name().to_owned()), ..TopFilter::default() };
    assert_eq!(store.forget(&of(Class::ALL[7])).unwrap(), 0);
    assert_eq!(store.forget(&of(Class::ALL[0])).unwrap(), 2, "of both devices");
    assert_eq!((fitness("loop7"), fitness("sda")), (vec![2.0e8], vec![]));
}

#[test]
fn a_pool_is_kept_by_device_and_scheduler() {
    let directory = directory();
    let store = open(directory.path());
    store.save_pool("loop7", "bfq", "{\"a\":1}", 1).unwrap();
    store.save_pool("loop7", "bfq", "{\"a\":2}", 2).unwrap();
    assert_eq!(store.load_pool("loop7", "bfq").unwrap().as_deref(), Some("{\"a\":2}"));
    assert_eq!(store.load_pool("loop7", "kyber").unwrap(), None);
}

#[test]
fn several_writes_are_kept_together_or_not_at_all() {
    let directory = directory();
    let store = open(directory.path());
    let failed = store.together(|store| {
        store.append_evaluation(&evaluation(1, Some(1.0)))?;
        let mut impossible = evaluation(2, Some(1.0));
        impossible.evaluation.void = Some(VoidReason::NoArrivals);
        store.append_evaluation(&impossible)
    });
    assert!(matches!(failed, Err(StoreError::Refused { .. })), "{failed:?}");
    assert_eq!(store.evaluations("loop7", 10).unwrap(), []);
}

/// Damages that a crash, a bad disk or a stray program leaves.
fn damage(kind: &str, path: &Path) {
    match kind {
        "text" => std::fs::write(path, "this is no database, however long it may be. ".repeat(200)).unwrap(),
        "truncated" => {
            let length = std::fs::metadata(path).unwrap().len();
            File::options().write(true).open(path).unwrap().set_len(length / 2 + 100).unwrap();
        }
        "overwritten" => {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            // From the end of the first page on, which the header and the schema are in.
            bytes[4096..middle].fill(0xa5);
            std::fs::write(path, bytes).unwrap();
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_damaged_store_is_moved_aside_with_all_that_is_in_it_and_an_empty_one_begun() {
    for kind in ["text", "truncated", "overwritten"] {
        let directory = directory();
        let path = directory.path().join(FILE_NAME);
        for number in 1..=2 {
            {
                let store = open(directory.path());
                for child in 0..200 {
                    store.append_evaluation(&evaluation(child, Some(1.0))).unwrap();
                }
            }
            damage(kind, &path);
            let damaged = std::fs::read(&path).unwrap();

            let (store, moved) = Store::open(directory.path()).unwrap();
            let moved = moved.unwrap_or_else(|| panic!("{kind} was not noticed"));
            assert_eq!(moved.to, directory.path().join(format!("tunerd.db.corrupt-{number}")));
            assert_eq!(std::fs::read(&moved.to).unwrap(), damaged, "{kind}: nothing of it is lost");
            assert!(moved.to_string().contains("corrupt-"), "{moved}");
            assert_eq!(store.evaluations("loop7", 10).unwrap(), []);
            store.append_evaluation(&evaluation(1, Some(1.0))).unwrap();
        }
    }
}

#[test]
fn a_reader_says_that_a_store_is_damaged_and_leaves_it() {
    let directory = directory();
    drop(open(directory.path()));
    damage("text", &directory.path().join(FILE_NAME));
    assert!(matches!(Store::open_read_only(directory.path()), Err(StoreError::Corrupt { .. })));
    assert!(directory.path().join(FILE_NAME).exists());
}

#[test]
fn a_later_version_is_refused_and_not_touched() {
    let directory = directory();
    let path = directory.path().join(FILE_NAME);
    drop(open(directory.path()));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
    let before = std::fs::read(&path).unwrap();
    for error in
        [Store::open(directory.path()).unwrap_err(), Store::open_read_only(directory.path()).unwrap_err()]
    {
        let expected = (VERSION + 1, VERSION);
        assert!(
            matches!(error, StoreError::Newer { found, expected: ours, .. } if (found, ours) == expected)
        );
        assert!(error.to_string().contains("later tunerd"), "{error}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn another_programs_database_is_refused_and_not_touched() {
    let directory = directory();
    let path = directory.path().join(FILE_NAME);
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE photographs (id INTEGER)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Store::open(directory.path()), Err(StoreError::NotOurs { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_state_directory_is_made_but_not_the_way_to_it() {
    let directory = directory();
    let new = directory.path().join("state");
    drop(open(&new));
    assert!(new.join(FILE_NAME).exists());

    let astray = directory.path().join("no/such/place");
    let error = Store::open(&astray).unwrap_err();
    assert!(matches!(&error, StoreError::Missing { directory } if *directory == astray), "{error:?}");
    assert!(!directory.path().join("no").exists());

    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::NotADirectory { .. })));
    assert!(matches!(Store::open(&file.join("below")), Err(StoreError::NotADirectory { .. })));
}

#[test]
fn reading_makes_nothing_and_says_that_there_is_nothing() {
    let directory = directory();
    let error = Store::open_read_only(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::NoStore { .. }), "{error:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn two_processes_may_write_at_once() {
    let directory = directory();
    let (one, two) = (open(directory.path()), open(directory.path()));
    std::thread::scope(|scope| {
        for store in [one, two] {
            scope.spawn(move || {
                for child in 0..100 {
                    store.append_evaluation(&evaluation(child, Some(1.0))).unwrap();
                }
            });
        }
    });
    assert_eq!(open(directory.path()).evaluations("loop7", 1_000).unwrap().len(), 200);
}

#[test]
fn a_recorder_writes_what_it_is_given_and_finishes() {
    let directory = directory();
    let recorder = Recorder::start(open(directory.path()), run()).unwrap();
    for child in 1..=500 {
        recorder.append(Row::Evaluation(evaluation(child, Some(1.0))));
    }
    recorder.save_top("loop7", library("throughput", 1.0), 1);
    recorder.save_top("loop7", library("throughput", 3.0), 2);
    recorder.save_pool("loop7", "bfq", "{}".to_owned(), 1);
    assert!(recorder.finish(Duration::from_secs(10)));
    let health = recorder.health();
    assert_eq!((health.error, health.waiting, health.lost, health.written), (None, 0, 0, 500));

    let store = open(directory.path());
    assert_eq!(store.evaluations("loop7", 1_000).unwrap().len(), 500);
    let tops = store.tops(&TopFilter::default()).unwrap();
    let three = Some(Fitness::new(3.0).unwrap());
    assert!(tops.iter().all(|row| row.top.fitness == three), "the latest state counts: {tops:?}");
    assert_eq!(store.load_pool("loop7", "bfq").unwrap().as_deref(), Some("{}"));
}

#[test]
fn a_recorder_whose_store_was_deleted_says_so_once_and_begins_another() {
    let directory = directory();
    let fast = (Duration::from_millis(10), Duration::from_millis(20));
    let recorder = Recorder::start_with(open(directory.path()), run(), fast).unwrap();
    recorder.append(Row::Evaluation(evaluation(1, Some(1.0))));
    assert!(recorder.finish(Duration::from_secs(10)));
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    recorder.append(Row::Evaluation(evaluation(2, Some(1.0))));
    let begun = Instant::now();
    while recorder.health().written < 2 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(recorder.finish(Duration::from_secs(10)));
    assert_eq!(recorder.health().error, None, "it has recovered");
    let children: Vec<usize> = open(directory.path())
        .evaluations("loop7", 9)
        .unwrap()
        .iter()
        .map(|row| row.evaluation.child)
        .collect();
    assert_eq!(children, [2]);
}

#[test]
fn a_row_that_can_never_be_kept_does_not_hold_up_the_rest() {
    let directory = directory();
    let recorder = Recorder::start(open(directory.path()), run()).unwrap();
    let mut impossible = evaluation(1, Some(1.0));
    impossible.evaluation.void = Some(VoidReason::NoArrivals);
    recorder.append(Row::Evaluation(impossible));
    recorder.append(Row::Evaluation(evaluation(2, Some(1.0))));
    assert!(recorder.finish(Duration::from_secs(10)));
    let health = recorder.health();
    assert_eq!((health.lost, health.written), (1, 1));
    assert_eq!(open(directory.path()).evaluations("loop7", 9).unwrap().len(), 1);
}
