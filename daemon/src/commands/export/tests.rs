//! What is exported, from a store that tests fill.

use super::*;
use crate::engine::{Against, ConfirmedEntry, MeasuredOn};
use genetic::Key;
use kernfs::fake::{FakeDisk, FakeKernel};
use std::collections::BTreeMap;
use std::sync::Arc;
use trials::{Estimate, Violations, VoidCounts};

fn genes(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn row() -> ConfirmedRow {
    let estimate = Estimate { log_ratio: 0.2, lower: Some(0.1), upper: Some(0.3), pairs: 14 };
    let confirmation = Confirmation {
        genes: genes(&[
            ("fifo_batch", 64),
            ("max_sectors_kb", 512),
            ("nr_requests", 64),
            ("read_ahead_kb", 128),
            ("read_expire", 500),
        ]),
        control: BTreeMap::new(),
        against: Against::Default,
        estimate: Some(estimate),
        log_evidence: 5.0,
        alpha: 0.03,
        slices: VoidCounts::default(),
        unix_ms: 1_795_000_000_000,
        default: genes(&[
            ("fifo_batch", 16),
            ("max_sectors_kb", 1_280),
            ("nr_requests", 256),
            ("read_ahead_kb", 128),
            ("read_expire", 500),
        ]),
        measured_on: MeasuredOn { model: Some("ST4000$(reboot)\"".to_owned()), kernel: "6.18.5".to_owned() },
    };
    let entry = ConfirmedEntry {
        standing: Standing::Confirmed,
        confirmation: Some(confirmation),
        over_default: Some(estimate),
        confirmed_gain: 0.2,
        campaigns: 1,
        trials: 1,
        promotions: 1,
        slices: VoidCounts::default(),
        violations: Violations::default(),
        default_share: None,
    };
    let key = Key {
        device: "sda".to_owned(),
        class: "read-random-small".to_owned(),
        scheduler: "mq-deadline".to_owned(),
    };
    ConfirmedRow { key, objective: "balanced".to_owned(), entry, updated_unix_ms: 0 }
}

fn words(steps: &[Setting]) -> String {
    steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_written_is_in_the_kernels_order_and_nothing_that_is_the_default_but_what_a_write_resets() {
    let row = row();
    let freeze = Freeze::of(&row).unwrap();
    assert_eq!(
        words(&freeze.steps),
        "scheduler=mq-deadline nr_requests=64 fifo_batch=64 max_sectors_kb=512 read_ahead_kb=128"
    );
}

#[test]
fn a_rule_goes_by_what_lasts_and_says_what_it_was_measured_on() {
    let row = row();
    let freeze = Freeze::of(&row).unwrap();
    let unique = Subject {
        name: "sda".to_owned(),
        mark: subject::Mark::Unique { attribute: "device/wwid", value: "t10.ATA  X[1]*".to_owned() },
    };
    let rule = udev::rule(&freeze, &unique);
    let lines: Vec<&str> = rule.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line.contains("ATTR{device/wwid}==\"t10.ATA  X?1??\"")), "{rule}");
    assert!(lines[1].ends_with("ATTR{queue/nr_requests}=\"64\""), "{rule}");
    assert!(lines[2].ends_with("ATTR{queue/iosched/fifo_batch}=\"64\""), "{rule}");
    for part in ["6.18.5", "read-random-small", "balanced", "+22.1 % [+10.5, +35.0] in 14 pairs", "2026-11-1"]
    {
        assert!(rule.contains(part), "{part}: {rule}");
    }
    assert!(!rule.contains("$("), "what a firmware says ends no comment and starts no command");
    let name = Subject { name: "loop3".to_owned(), mark: subject::Mark::Name };
    let rule = udev::rule(&freeze, &name);
    assert!(rule.contains("KERNEL==\"loop3\"") && rule.contains("# Note: "), "{rule}");
}

#[test]
fn a_disk_is_known_by_its_serial_number_else_its_model_else_its_name() {
    let kernel: Arc<dyn kernfs::Kernel> = Arc::new(FakeKernel::new().with_disk(FakeDisk::loopback("loop0")));
    let subject = Subject::read(&kernel, "loop0");
    assert_eq!(subject.mark, subject::Mark::Name);
    assert!(subject.warning().unwrap().contains("loop0"));
    assert_eq!(Subject::read(&kernel, "nothing").mark, subject::Mark::Name);
}

#[test]
fn several_are_for_a_person_to_choose_from() {
    let rows = [row(), row()];
    let Err(Failure::Said { message, .. }) = the_one(&rows) else { panic!("chosen") };
    assert!(message.contains("--fingerprint read-random-small"), "{message}");
    assert!(the_one(&rows[..1]).is_ok());
    let text = as_json(&rows).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["settings"].as_array().map(Vec::len), Some(2));
}
