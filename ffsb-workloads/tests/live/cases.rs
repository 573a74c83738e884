//! What is asked of real file systems.
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]

use crate::disk::{Mounted, Sectors};
use ffsb_workloads::cycle;
use ffsb_workloads::error::RunError;
use ffsb_workloads::fileset::DirectProblem;
use ffsb_workloads::plan::{Plan, plan};
use ffsb_workloads::profile::{Overrides, Profile};
use ffsb_workloads::report::Report;
use ffsb_workloads::run::{Bound, Ending, Outcome, Settings, run};
use ffsb_workloads::scale::Scale;
use ffsb_workloads::shipped;
use ffsb_workloads::watch::{Event, Unwatched, Watch};
use libtest_mimic::{Failed, Trial};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// Reads a device's counters just before the first call of a phase and just after its last.
struct Counting<'a> {
    disk: &'a Mounted,
    seen: Mutex<Vec<Sectors>>,
}

impl Watch for Counting<'_> {
    fn event(&self, event: &Event) {
        if matches!(event, Event::PhaseBegin { .. } | Event::PhaseEnd { .. }) {
            self.seen.lock().expect("no panic").push(self.disk.sectors());
        }
    }
}

/// Bytes that the device moved in the first phase.
fn counted(disk: &Mounted, plan: &Plan, settings: &Settings) -> Result<(Outcome, u64, u64), Failed> {
    let watch = Counting { disk, seen: Mutex::new(Vec::new()) };
    let outcome = run(plan, settings, &watch)?;
    let seen = watch.seen.into_inner()?;
    let [before, after] = seen[..] else { return Err("not one phase".into()) };
    Ok((outcome, (after.read - before.read) * 512, (after.written - before.written) * 512))
}

fn text_plan(text: &str, place: &Path) -> Result<Plan, Failed> {
    let profile = Profile::parse(text.as_bytes())?;
    let phase = ffsb_workloads::plan::Phase { name: "live".to_owned(), profile };
    Ok(plan(vec![phase], Some(place), Scale::AsWritten)?)
}

fn ops(count: u64) -> Settings {
    Settings { bound: Some(Bound { time: None, ops: Some(count) }), ..Settings::default() }
}

fn direct(group: &str) -> String {
    format!(
        "time = 1\ndirectio = 1\n[filesystem]\nlocation = /x\nnum_files = 8\nnum_dirs = 2\nmin_filesize = 4m\n\
        max_filesize = 4m\ncreate_blocksize = 1m\n[end]\n[threadgroup]\nnum_threads = 4\n{group}\n[end]\n"
    )
}

fn direct_reads_are_the_kernels_own() -> Result<(), Failed> {
    for group in [
        "read_weight = 1\nread_size = 1m\nread_blocksize = 4k\nread_random = 1",
        "readall_weight = 1\nread_blocksize = 256k",
        "read_weight = 1\nread_size = 192k\nread_blocksize = 64k\nread_skip = 1\nread_skipsize = 32k",
        "read_weight = 1\nreadall_weight = 1\nread_size = 5000\nread_blocksize = 1536",
    ] {
        let disk = Mounted::ext4(128 << 20);
        let plan = text_plan(&direct(group), disk.path())?;
        let (outcome, read, _) = counted(&disk, &plan, &ops(10))?;
        let total = outcome.phases[0].outcome.groups[0].tally.total();
        assert_eq!(read, total.read_bytes, "of {group}");
        assert!(read > 0 && total.written_bytes == 0);
    }
    Ok(())
}

fn direct_writes_are_the_kernels_own_and_the_journal() -> Result<(), Failed> {
    for group in [
        "write_weight = 1\nwrite_size = 1m\nwrite_blocksize = 8k\nwrite_random = 1",
        "writeall_weight = 1\nwrite_blocksize = 256k",
    ] {
        let disk = Mounted::ext4(128 << 20);
        let plan = text_plan(&direct(group), disk.path())?;
        let (outcome, read, written) = counted(&disk, &plan, &ops(10))?;
        let total = outcome.phases[0].outcome.groups[0].tally.total();
        let excess = written.checked_sub(total.written_bytes).ok_or("fewer than were reported")?;
        println!("{group:?}: {} bytes, the device wrote {excess} more", total.written_bytes);
        assert!(excess * 100 <= total.written_bytes, "{excess} of {} of {group}", total.written_bytes);
        assert_eq!((read, total.read_bytes), (0, 0));
    }
    Ok(())
}

fn every_shipped_profile_runs_and_agrees_with_the_kernel() -> Result<(), Failed> {
    for one in shipped::ALL.iter().filter(|one| one.name.ends_with(".ffsb")) {
        let disk = Mounted::ext4(512 << 20);
        let source = cycle::read(Path::new(one.name), &Overrides::default())?;
        let is_direct = source.phases[0].profile.direct;
        let plan = plan(source.phases, Some(disk.path()), Scale::Fit(None))?;
        let bound = Some(Bound { time: Some(Duration::from_secs(1)), ops: None });
        let (outcome, read, written) = counted(&disk, &plan, &Settings { bound, ..Settings::default() })?;
        assert!(matches!(outcome.ending(), Some(Ending::Complete)), "{}: {:?}", one.name, outcome.ending());
        let report = Report::new(&plan, &Settings::default(), &outcome);
        let total = &report.phases[0].total;
        println!(
            "{}: {} and {} bytes, device {read} and {written}",
            one.name, total.read_bytes, total.written_bytes
        );
        assert!(total.transactions > 0);
        if is_direct {
            // What is under way at the end is whole: a thread ends between two calls.
            let apart =
                |bytes: u64, device: u64| device >= bytes && (device - bytes) * 100 <= bytes.max(1 << 20);
            assert!(apart(total.read_bytes, read), "{}: {} read, device {read}", one.name, total.read_bytes);
            assert!(
                apart(total.written_bytes, written),
                "{}: {} written, device {written}",
                one.name,
                total.written_bytes
            );
        }
    }
    Ok(())
}

const CREATES: &str = "time = 60\n[filesystem]\nlocation = /x\nmin_filesize = 1m\nmax_filesize = 1m\n[end]\n\
    [threadgroup]\nnum_threads = 2\ncreate_weight = 1\nwrite_blocksize = 64k\n[end]\n";

fn a_full_disk_ends_the_run_and_the_report_stays() -> Result<(), Failed> {
    for disk in [Mounted::memory("tmpfs", "size=16m"), Mounted::ext4(32 << 20)] {
        let profile = disk.path().with_extension("ffsb");
        std::fs::write(&profile, CREATES)?;
        let place = disk.path().join("x");
        let output = Command::new(env!("CARGO_BIN_EXE_ffsb-run"))
            .args([&profile, Path::new("--location"), &place, Path::new("--json")])
            .output()?;
        std::fs::remove_file(&profile)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("create: cannot ") && said.contains("No space left on device"), "{said}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(report["phases"][0]["ending"], "failed");
        let written = report["phases"][0]["total"]["written_bytes"].as_u64().unwrap_or(0);
        assert!(written > 8 << 20, "{written}");
        assert!(!place.exists(), "the room is given back");
    }
    Ok(())
}

fn a_set_without_room_is_refused_before_it_is_made() -> Result<(), Failed> {
    let disk = Mounted::memory("tmpfs", "size=16m");
    let text = direct("stat_weight = 1").replace("directio = 1", "directio = 0");
    let error = run(&text_plan(&text, disk.path())?, &ops(1), &Unwatched).expect_err("32 MB in 16");
    assert!(matches!(error, RunError::NoRoom { wanted_bytes, .. } if wanted_bytes == 32 << 20), "{error}");
    assert_eq!(std::fs::read_dir(disk.path())?.count(), 0);
    Ok(())
}

fn where_there_is_no_direct_io_it_is_said() -> Result<(), Failed> {
    let plan = |disk: &Mounted| text_plan(&direct("readall_weight = 1\nread_blocksize = 64k"), disk.path());
    let ramfs = Mounted::memory("ramfs", "mode=700");
    let error = run(&plan(&ramfs)?, &ops(1), &Unwatched).expect_err("ramfs has none");
    assert!(
        matches!(error, RunError::NoDirect { why: DirectProblem::Refused { block: 4096 }, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("refuses O_DIRECT"), "{error}");
    let tmpfs = Mounted::memory("tmpfs", "size=64m");
    let error = run(&plan(&tmpfs)?, &ops(1), &Unwatched).expect_err("there is no device under it");
    assert!(matches!(error, RunError::NoDirect { why: DirectProblem::Memory, .. }), "{error}");
    for disk in [ramfs, tmpfs] {
        assert_eq!(std::fs::read_dir(disk.path())?.count(), 0, "nothing is left");
    }
    Ok(())
}

fn a_set_fills_its_share_of_a_file_system() -> Result<(), Failed> {
    for disk in [Mounted::ext4(128 << 20), Mounted::memory("tmpfs", "size=128m")] {
        let text = "time = 0\n[filesystem]\nlocation = /x\ninit_util = 0.4\nmin_filesize = 64k\nmax_filesize = 512k\n[end]\n";
        let outcome = run(&text_plan(text, disk.path())?, &Settings::default(), &Unwatched)?;
        let used = ffsb_workloads::platform::usage(disk.path())?.used_share();
        assert!((used - 0.4).abs() < 0.02, "{used}");
        assert!(outcome.sets[0].files > 100);
    }
    Ok(())
}

fn aging_ends_at_its_share_of_a_file_system() -> Result<(), Failed> {
    for disk in [Mounted::ext4(128 << 20), Mounted::memory("tmpfs", "size=128m")] {
        let text = "time = 1\n[filesystem]\nlocation = /x\nnum_files = 4\nmin_filesize = 16k\nmax_filesize = 256k\n\
            agefs = 1\ndesired_util = 0.5\n[threadgroup]\nnum_threads = 4\ncreate_weight = 10\nappend_weight = 10\n\
            delete_weight = 2\nwrite_size = 40k\nwrite_blocksize = 4k\n[end]\n[end]\n\
            [threadgroup]\nnum_threads = 1\nstat_weight = 1\n[end]\n";
        let outcome = run(&text_plan(text, disk.path())?, &ops(5), &Unwatched)?;
        let aging = outcome.sets[0].aging.ok_or("no aging")?;
        assert!(aging.used_before < 0.1 && aging.files > 50, "{aging:?}");
        // Threads write on between two looks, and on a slow machine for longer.
        assert!(aging.used_after >= 0.5 && aging.used_after < 0.9, "{aging:?}");
        assert_eq!(outcome.sets[0].files, 4);
        assert_eq!(
            std::fs::read_dir(disk.path())?
                .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name() != "lost+found"))
                .count(),
            0
        );
    }
    Ok(())
}

pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    type Test = fn() -> Result<(), Failed>;
    let tests: [(&str, Test); 8] = [
        ("direct_reads_are_the_kernels_own", direct_reads_are_the_kernels_own),
        (
            "direct_writes_are_the_kernels_own_and_the_journal",
            direct_writes_are_the_kernels_own_and_the_journal,
        ),
        (
            "every_shipped_profile_runs_and_agrees_with_the_kernel",
            every_shipped_profile_runs_and_agrees_with_the_kernel,
        ),
        ("a_full_disk_ends_the_run_and_the_report_stays", a_full_disk_ends_the_run_and_the_report_stays),
        ("a_set_without_room_is_refused_before_it_is_made", a_set_without_room_is_refused_before_it_is_made),
        ("where_there_is_no_direct_io_it_is_said", where_there_is_no_direct_io_it_is_said),
        ("a_set_fills_its_share_of_a_file_system", a_set_fills_its_share_of_a_file_system),
        ("aging_ends_at_its_share_of_a_file_system", aging_ends_at_its_share_of_a_file_system),
    ];
    tests
        .into_iter()
        .map(|(name, test)| Trial::test(name, test).with_ignored_flag(missing.is_some()))
        .collect()
}
