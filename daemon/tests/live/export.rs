//! What `tunerd export` writes, put to use: the script on a loop device, the rule in udev, the profile in TuneD.

use crate::common::{Ran, run, text};
use crate::disk::Loop;
use crate::{check, sh};
use block_types::Knob;
use libtest_mimic::Failed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tunerd::engine::{Against, Confirmation, ConfirmedEntry, MeasuredOn, Standing};
use tunerd::store::Store;

/// A store in which settings are confirmed for a disk, as a search would have left it.
fn store(directory: &Path, disk: &str) -> Result<(), Failed> {
    let genes = |pairs: &[(Knob, u64)]| -> BTreeMap<String, u64> {
        pairs.iter().map(|(knob, value)| (knob.name().to_owned(), *value)).collect()
    };
    let estimate = trials::Estimate { log_ratio: 0.2, lower: Some(0.1), upper: Some(0.3), pairs: 14 };
    let confirmation = Confirmation {
        genes: genes(&[(Knob::FifoBatch, 64), (Knob::ReadAheadKb, 512), (Knob::ReadExpire, 252)]),
        control: BTreeMap::new(),
        against: Against::Default,
        estimate: Some(estimate),
        log_evidence: 5.0,
        alpha: 0.03,
        slices: trials::VoidCounts::default(),
        unix_ms: 1_795_000_000_000,
        default: genes(&[(Knob::FifoBatch, 16), (Knob::ReadAheadKb, 128), (Knob::ReadExpire, 500)]),
        measured_on: MeasuredOn { model: None, kernel: "6.18.5".to_owned() },
    };
    let entry = ConfirmedEntry {
        standing: Standing::Confirmed,
        confirmation: Some(confirmation),
        over_default: Some(estimate),
        confirmed_gain: 0.2,
        campaigns: 1,
        trials: 1,
        promotions: 1,
        slices: trials::VoidCounts::default(),
        violations: trials::Violations::default(),
        default_share: Some(0.04),
    };
    let (store, _moved) = Store::open(directory)?;
    let entries = [("read-random-small".to_owned(), entry)].into_iter().collect();
    store.save_confirmed(disk, "mq-deadline", "balanced", &entries, 1)?;
    Ok(())
}

fn export(disk: &Loop, directory: &Path, format: &str, name: &str) -> Result<(PathBuf, Ran), Failed> {
    let path = directory.join(name);
    let (state, out) = (text(directory), text(&path));
    let ran =
        run(["export", "--device", &disk.device(), "--format", format, "--out", &out, "--state-dir", &state]);
    check(ran.status == 0, &ran)?;
    Ok((path, ran))
}

/// Runs the exported script; its exit status and what it said.
fn script(path: &Path, saved: &Path, what: &str) -> Result<(Option<i32>, String), Failed> {
    let output = Command::new("sh").arg(path).arg(what).env("TUNERD_SAVED", saved).output()?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok((output.status.code(), said))
}

pub(crate) fn shell() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let directory = tempfile::tempdir()?;
    store(directory.path(), &disk.name)?;
    let (path, ran) = export(&disk, directory.path(), "shell", "tune.sh")?;
    check(ran.err.contains("neither a serial number nor a model"), &ran)?;
    let saved = directory.path().join("saved");
    for scheduler in ["mq-deadline", "none"] {
        std::fs::write(disk.queue().join("scheduler"), scheduler)?;
        let originals = disk.knobs();
        let (status, said) = script(&path, &saved, "status")?;
        check(status == Some(1) && said.contains("not applied"), said)?;
        for _ in 0..2 {
            let (status, said) = script(&path, &saved, "apply")?;
            check(status == Some(0) && said.is_empty(), said)?;
            let knobs = disk.knobs();
            let found = ["fifo_batch", "read_ahead_kb", "read_expire"].map(|knob| knobs.get(knob).cloned());
            check(found == ["64", "512", "252"].map(|value| Some(value.to_owned())), found)?;
        }
        let (status, said) = script(&path, &saved, "status")?;
        check(status == Some(0) && said.ends_with("applied\n"), said)?;
        let (status, said) = script(&path, &saved, "restore")?;
        check(status == Some(0), said)?;
        check(disk.knobs() == originals, (scheduler, disk.knobs(), &originals))?;
        let (status, said) = script(&path, &saved, "restore")?;
        check(status == Some(0) && said.contains("nothing to restore"), said)?;
    }
    check(script(&path, &saved, "")?.0 == Some(2), "a wrong word")
}

/// Whether a program is here.
fn has(program: &str) -> bool {
    sh("sh", &["-c", &format!("command -v {program}")]).is_ok()
}

/// Why the rule cannot be tried.
pub(crate) fn lacks_udev() -> Option<&'static str> {
    (!has("udevadm")).then_some("no udevadm")
}

pub(crate) fn udev() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let directory = tempfile::tempdir()?;
    store(directory.path(), &disk.name)?;
    let rules = Path::new("/run/udev/rules.d");
    std::fs::create_dir_all(rules)?;
    // Its number in the name, so that no rule of the machine's own is met.
    let rule = rules.join(format!("90-tunerd-test-{}.rules", disk.name));
    let result = (|| {
        let (path, _) = export(&disk, directory.path(), "udev", "90-tunerd.rules")?;
        // `verify` came with systemd 254.
        if sh("udevadm", &["verify", "--help"]).is_ok() {
            sh("udevadm", &["verify", &text(&path)])?;
        }
        std::fs::copy(&path, &rule)?;
        let output = Command::new("udevadm")
            .args(["test", "--action=add", &format!("/block/{}", disk.name)])
            .output()?;
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let of_ours: Vec<&str> = said.lines().filter(|line| line.contains("90-tunerd-test")).collect();
        check(!of_ours.is_empty(), &said)?;
        let faults = ["nvalid", "nknown", "rror", "ailed"];
        check(!of_ours.iter().any(|line| faults.iter().any(|fault| line.contains(fault))), &of_ours)?;
        // `udevadm test` says what it would write, or writes it, by its version.
        let written = disk.knobs().get("fifo_batch").is_some_and(|value| value == "64");
        let told = of_ours.iter().any(|line| line.contains("fifo_batch") && line.contains("64"));
        check(written || told, (&of_ours, disk.knobs()))
    })();
    let _ = std::fs::remove_file(&rule);
    for (knob, value) in
        [("iosched/fifo_batch", "16"), ("iosched/read_expire", "500"), ("read_ahead_kb", "128")]
    {
        std::fs::write(disk.queue().join(knob), value)?;
    }
    result
}

/// Loads the profile as TuneD does and answers what its sysfs plug-in would write.
const LOAD: &str = "
import sys
from tuned.profiles.loader import Loader
from tuned.profiles.locator import Locator
from tuned.profiles.factory import Factory
from tuned.profiles.merger import Merger
from tuned.profiles.variables import Variables
from tuned.utils.global_config import GlobalConfig
loader = Loader(Locator([sys.argv[1]]), Factory(), Merger(), GlobalConfig(), Variables())
profile = loader.load(['tunerd'])
for option, value in profile.units['sysfs'].options.items():
    print(option, value)
";

/// The system's own, for which TuneD is installed; another may come first in the path.
const PYTHON: &str = "/usr/bin/python3";

/// Why the profile cannot be tried.
pub(crate) fn lacks_tuned() -> Option<&'static str> {
    sh(PYTHON, &["-c", "import tuned.profiles.loader"]).is_err().then_some("TuneD is not installed")
}

pub(crate) fn tuned() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let directory = tempfile::tempdir()?;
    store(directory.path(), &disk.name)?;
    let profiles = directory.path().join("profiles");
    std::fs::create_dir_all(profiles.join("tunerd"))?;
    export(&disk, directory.path(), "tuned", "profiles/tunerd/tuned.conf")?;
    let loaded = sh(PYTHON, &["-c", LOAD, &text(&profiles)])?;
    let queue = format!("/sys/block/{}/queue", disk.name);
    let expected = [
        format!("{queue}/scheduler mq-deadline"),
        format!("{queue}/iosched/read_expire 252"),
        format!("{queue}/iosched/fifo_batch 64"),
        format!("{queue}/read_ahead_kb 512"),
    ];
    check(loaded.lines().eq(expected.iter().map(String::as_str)), loaded)
}

pub(crate) fn explain() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let directory = tempfile::tempdir()?;
    let state = text(directory.path());
    let nothing = run(["explain", &disk.name, "--state-dir", &state, "--run-dir", &state]);
    check(nothing.status == 3 && nothing.err.contains(&disk.name), &nothing)?;
    let nothing = run(["export", "--device", &disk.name, "--format", "udev", "--state-dir", &state]);
    check(nothing.status == 3 && nothing.err.contains("nothing is confirmed"), &nothing)?;
    store(directory.path(), &disk.name)?;
    let said = run(["explain", &disk.device(), "--state-dir", &state, "--run-dir", &state]);
    check(said.status == 0, &said)?;
    for part in [
        "no tunerd runs on it",
        "read-random-small under mq-deadline, by balanced: confirmed",
        "fifo_batch=64 (default 16)",
        "+22.1 % [+10.5, +35.0] in 14 pairs over the default",
        "evidence 148, wanted 33",
    ] {
        check(said.out.contains(part), (part, &said))?;
    }
    let json = run(["explain", &disk.name, "--json", "--state-dir", &state, "--run-dir", &state]).json();
    check(json["fingerprints"][0]["changes"]["fifo_batch"] == 64, &json)?;
    check(json["in_force"]["fifo_batch"] == 16, &json)
}
