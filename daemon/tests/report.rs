//! `tunerd report`: one file, closed in itself, with all that there is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up fails")]

mod common;

use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use common::{run, text};
use fingerprint::Class;
use genetic::{Fitness, Key, TopGenes};
use roxmltree::{Document, ParsingOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trials::{Estimate, Verdict, Violations, VoidCounts};
use tunerd::config::Objective;
use tunerd::engine::{
    Against, Confirmation, ConfirmedEntry, Evaluation, GainTold, MeasuredOn, Standing, TrialTold, VoidReason,
};
use tunerd::store::{ChangeRow, EvaluationRow, Finding, FindingRow, GenerationRow, Store};

const START_MS: u64 = 1_795_564_800_000;

fn settings(child: u64) -> Settings {
    let mut settings = Settings::new();
    settings.set(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline));
    settings.set(Knob::ReadAheadKb, KnobValue::Number([0, 128, 512, 2048][child as usize % 4]));
    settings.set(Knob::FifoBatch, KnobValue::Number(1 + child * 5 % 32));
    settings.set(Knob::ReadExpire, KnobValue::Number(100 + child * 37 % 900));
    settings
}

/// A store of 64 slices in two visits of each of two fingerprints.
fn store(directory: &Path) {
    let (store, _) = Store::open(directory).unwrap();
    let classes = [Class::ALL[0], Class::ALL[5]];
    for slice in 0..64_u64 {
        let at_unix_ms = START_MS + slice * 2_000;
        let class = classes[(slice / 16) as usize % 2];
        let device = "loop7".to_owned();
        if slice % 16 == 0 {
            let change = ChangeRow {
                at_unix_ms: at_unix_ms - 2_000,
                device: device.clone(),
                from: None,
                to: class,
                first_window_ns: 1,
                confirmed_ns: 2,
            };
            store.append_change(&change).unwrap();
        }
        let void = slice % 9 == 4;
        let fitness = (!void).then_some(1e8 + slice as f64 * 1e6);
        let evaluation = Evaluation {
            from_ns: slice * 2_000_000_000,
            to_ns: (slice + 1) * 2_000_000_000,
            generation: slice / 8,
            child: (slice % 8) as usize + 1,
            class: Some(class),
            settings: settings(slice),
            objective: Objective::Throughput,
            fitness,
            void: void.then_some(VoidReason::NoArrivals),
            bytes_per_s: fitness,
            mean_latency_ns: Some(1_250_000),
            utilisation: Some(0.5),
        };
        let scheduler = "mq-deadline".to_owned();
        store
            .append_evaluation(&EvaluationRow {
                at_unix_ms,
                device: device.clone(),
                scheduler: scheduler.clone(),
                evaluation,
            })
            .unwrap();
        if slice % 8 == 7 {
            let generation = GenerationRow {
                at_unix_ms,
                device,
                scheduler,
                class: Some(class),
                generation: slice / 8,
                objective: Objective::Throughput,
                mean_fitness: Some(1e8),
                best_fitness: Some(1.5e8),
                best: Some(settings(slice)),
                mutation_rate: 0.15,
                scored: 7,
                void: 1,
            };
            store.append_generation(&generation).unwrap();
        }
    }
    let key = Key {
        device: "loop7".to_owned(),
        class: classes[0].name().to_owned(),
        scheduler: "mq-deadline".to_owned(),
    };
    let top = TopGenes {
        genes: BTreeMap::from([("fifo_batch".to_owned(), 24)]),
        fitness: Some(Fitness::new(1.5e8).unwrap()),
        generations: 5,
        updated_unix_ms: START_MS,
        provenance: None,
    };
    store.put_top(&key, "throughput", &top, START_MS).unwrap();
}

struct Page(String);

impl Page {
    /// Reads a page, and holds it to what every page must be.
    fn read(path: &Path) -> Self {
        let html = std::fs::read_to_string(path).unwrap();
        let rest = html.replace("http://www.w3.org/2000/svg", "");
        for lead in ["http://", "https://", "url(", "<script", "<img", "<link", "src="] {
            assert!(!rest.contains(lead), "{lead:?} in {}", path.display());
        }
        Self(html)
    }

    fn texts(&self) -> Vec<String> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(&self.0, options).unwrap();
        document.descendants().filter_map(|node| node.text()).map(|text| text.trim().to_owned()).collect()
    }

    fn count(&self, element: &str) -> usize {
        self.0.matches(&format!("<{element}")).count()
    }

    #[track_caller]
    fn shows(&self, wanted: &[&str]) {
        let texts = self.texts();
        for text in wanted {
            assert!(texts.iter().any(|one| one == text), "{text:?} in {texts:?}");
        }
    }
}

#[test]
fn of_a_disk_there_is_its_work_its_search_and_what_it_learned() {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path());
    let (state, out) = (text(directory.path()), directory.path().join("page.html"));
    let said = run(["report", "--device", "/dev/loop7", "--state-dir", &state, "--out", &text(&out)]).done();
    assert_eq!(said, format!("wrote {}\n", out.display()));
    let page = Page::read(&out);
    page.shows(&[
        "What tunerd knows of loop7",
        "150.0 MB/s",
        "fifo_batch=24",
        "What each slice scored by throughput",
        "Every child's genes",
        "read_ahead_kb (KiB), log scale",
        "fifo_batch (requests), log scale",
        "best child of the last generation",
        "reintroduced",
        "time since the first slice (s)",
        "nothing arrived",
        Class::ALL[0].name(),
        Class::ALL[5].name(),
    ]);
    // Fitness, genes, and a map over the two knobs that were moved most.
    assert_eq!(page.count("svg"), 3);
    // Best settings, the work, why slices were void.
    assert_eq!(page.count("table>"), 3);

    let to_standard_output = run(["report", "--device", "loop7", "--state-dir", &state, "--out", "-"]).done();
    assert_eq!(to_standard_output, page.0);
}

/// A store in which guarded trials have confirmed something for the first of two fingerprints, which then comes back.
fn confirmed_store(directory: &Path) {
    let (store, _) = Store::open(directory).unwrap();
    let (device, scheduler) = ("loop7".to_owned(), "mq-deadline".to_owned());
    let [class, other] = [Class::ALL[0], Class::ALL[5]];
    for (index, to) in [class, other, class].into_iter().enumerate() {
        let at_unix_ms = START_MS + index as u64 * 600_000;
        let (device, from) = (device.clone(), None);
        let change = ChangeRow { at_unix_ms, device, from, to, first_window_ns: 1, confirmed_ns: 2 };
        store.append_change(&change).unwrap();
    }
    let estimate = Estimate { log_ratio: 0.2, lower: Some(0.1), upper: Some(0.3), pairs: 14 };
    let found = |at_s: u64, finding: Finding| {
        let (device, scheduler) = (device.clone(), scheduler.clone());
        let (at_unix_ms, objective) = (START_MS + at_s * 1_000, Objective::Throughput);
        store.append_finding(&FindingRow { at_unix_ms, device, scheduler, objective, finding }).unwrap();
    };
    let only = |fifo_batch: u64| -> Settings {
        [Setting { knob: Knob::FifoBatch, value: KnobValue::Number(fifo_batch) }].into_iter().collect()
    };
    let told = TrialTold {
        at_ns: 1,
        class: Some(class),
        campaign: 0,
        candidate: 0,
        settings: only(64),
        control: only(16),
        against: Against::Default,
        objective: Objective::Throughput,
        verdict: Verdict::Better,
        estimate: Some(estimate),
        log_evidence: 5.0,
        alpha: 0.03,
        slices: VoidCounts::default(),
    };
    found(300, Finding::Trial(told));
    for at_s in [400, 1_500] {
        found(
            at_s,
            Finding::GainCheck(GainTold {
                at_ns: 1,
                class: Some(class),
                settings: only(64),
                objective: Objective::Throughput,
                confirmed_gain: 0.22,
                estimate: Some(estimate),
                default_share: Some(0.05),
            }),
        );
    }
    let genes = |fifo_batch| BTreeMap::from([("fifo_batch".to_owned(), fifo_batch)]);
    let confirmation = Confirmation {
        genes: genes(64),
        control: genes(16),
        against: Against::Default,
        estimate: Some(estimate),
        log_evidence: 5.0,
        alpha: 0.03,
        slices: VoidCounts::default(),
        unix_ms: START_MS + 300_000,
        default: genes(16),
        measured_on: MeasuredOn { model: None, kernel: "6.18.5".to_owned() },
    };
    let entry = ConfirmedEntry {
        standing: Standing::Confirmed,
        confirmation: Some(confirmation),
        over_default: Some(estimate),
        confirmed_gain: 0.2,
        campaigns: 3,
        trials: 1,
        promotions: 1,
        slices: VoidCounts::default(),
        violations: Violations::default(),
        default_share: Some(0.05),
    };
    let entries = BTreeMap::from([(class.name().to_owned(), entry)]);
    store.save_confirmed("loop7", "mq-deadline", "throughput", &entries, START_MS).unwrap();
}

#[test]
fn of_a_disk_with_confirmed_settings_there_is_what_they_gained() {
    let directory = tempfile::tempdir().unwrap();
    confirmed_store(directory.path());
    let (state, out) = (text(directory.path()), directory.path().join("page.html"));
    run(["report", "--device", "loop7", "--state-dir", &state, "--out", &text(&out)]).done();
    let page = Page::read(&out);
    page.shows(&[
        "What is confirmed",
        "confirmed",
        "fifo_batch=64",
        "What was gained by throughput",
        "performance (multiple of the default's)",
        "default",
        "a trial",
        "reintroduced",
        "What was put to trial",
        "fifo_batch (requests), log scale",
        "confirmed, else the default",
        "time since the first change (s)",
    ]);
    assert_eq!(page.count("svg"), 2);
}

fn recorded(root: &Path, name: &str) -> PathBuf {
    use results::record::{Meta, Run, Table, date_of};
    let meta = Meta { title: "A <run>".into(), command: vec!["tunerd-lab".into()], ..Meta::default() };
    let mut run = Run::create(root, date_of(std::time::UNIX_EPOCH), name, meta).unwrap();
    for seed in 0..3 {
        run.append(&serde_json::json!({ "arm": "warm", "seed": seed, "t95_s": f64::from(seed) })).unwrap();
    }
    let mut table = Table::new(&["arm", "T95 (s)"]);
    table.row(["warm".into(), "1.5".into()]);
    run.table("times", "Times", &table).unwrap();
    run.finish().unwrap()
}

#[test]
fn of_a_run_there_is_its_record_and_of_two_their_differences() {
    let root = tempfile::tempdir().unwrap();
    let (one, other) = (recorded(root.path(), "one"), recorded(root.path(), "other"));
    let out = root.path().join("page.html");
    run(["report", &text(&one), "--out", &text(&out)]).done();
    Page::read(&out).shows(&["A <run>", "Times", "warm", "$ tunerd-lab"]);
    run(["report", &text(&one), &text(&other), "--out", &text(&out)]).done();
    Page::read(&out).shows(&["Two runs: A <run>", "t95_s", "Differences"]);
}

#[test]
fn what_cannot_be_reported_is_said_in_one_line() {
    let root = tempfile::tempdir().unwrap();
    let one = text(&recorded(root.path(), "one"));
    let empty = text(root.path());
    run(["report"]).refused(2, &["DIR"]);
    run(["report", &one, "--device", "sda"]).refused(2, &["--device"]);
    run(["report", &one, &one, &one]).refused(2, &[]);
    run(["report", &empty]).refused(1, &["meta.json"]);
    run(["report", &one, "--out", &format!("{empty}/missing/page.html")]).refused(1, &["page.html"]);
    run(["report", "--device", "sda", "--state-dir", &empty]).refused(1, &["tunerd.db"]);
    let state = root.path().join("state");
    std::fs::create_dir(&state).unwrap();
    store(&state);
    run(["report", "--device", "sda", "--state-dir", &text(&state)]).refused(3, &["sda", "loop7"]);
}
