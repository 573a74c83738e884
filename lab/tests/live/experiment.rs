//! The convergence experiment and the demo against the real kernel, in small: interrupted, gone on with, and on a disk that
//! is full.

use block_types::{Bytes, Settings};
use emulated_disk::{EmulatedDisk, Model, Spec};
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tunerd_lab::bench::host::Host;
use tunerd_lab::bench::process;
use tunerd_lab::bench::report::Report;
use tunerd_lab::bench::sysfs::Queue;
use tunerd_lab::convergence::journal::Row;
use tunerd_lab::convergence::measure::Purpose;
use tunerd_lab::convergence::pace::Pace;
use tunerd_lab::convergence::plan::{HOSTILE_ORDER, Treatment};
use tunerd_lab::convergence::{self, Backend, Options};
use tunerd_lab::{Context, Recording, demo};

/// The program that is measured: built beside this one, unless only this package was.
fn tunerd() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.parent()?.with_file_name("tunerd");
    beside.is_file().then_some(beside)
}

fn context(root: &Path) -> Context {
    let command = vec!["tunerd-lab".to_owned(), "convergence".to_owned()];
    let record = Some(Recording { root: root.to_owned(), command, host: Host::now() });
    Context { quiet: true, tunerd: tunerd(), record, ..Context::default() }
}

const PACE: Pace = Pace {
    sweep: 2,
    sweep_of_paper: 1,
    // So few settings make no surrogate that could expect anything.
    promising: 0,
    held_out: 4,
    leaders: 1,
    leader_pairs: 1,
    alone: 1,
    warm_up_ms: 200,
    settle_ms: 50,
    slice_ms: 200,
};

/// A run that nobody would draw a figure of.
fn options(backend: Backend) -> Options {
    let strategies = vec!["confirmed-short".to_owned()];
    Options { backend, at_once: 3, pace: PACE, ..Options::in_virtual_time(strategies, 1, 2, 1) }
}

/// The one run that is recorded under `root`, once it is.
fn recorded(root: &Path) -> Option<PathBuf> {
    Some(std::fs::read_dir(root).ok()?.next()?.ok()?.path())
}

fn rows(directory: &Path) -> Vec<Row> {
    results::record::rows(directory).unwrap_or_default()
}

/// Runs, and interrupts as soon as there are so many rows.
fn interrupted_after(count: usize, root: &Path, options: &Options) -> Result<PathBuf, Failed> {
    let context = context(root);
    let ended = std::thread::scope(|scope| {
        let run = scope.spawn(|| convergence::run(&context, options).map(drop));
        let until = Instant::now() + Duration::from_secs(60);
        while !run.is_finished() && recorded(root).is_none_or(|run| rows(&run).len() < count) {
            assert!(Instant::now() < until, "no {count} rows within a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
        context.interrupt.ask();
        run.join()
    });
    let error =
        ended.map_err(|panic| format!("the run panicked: {panic:?}"))?.err().ok_or("it came to its end")?;
    assert!(format!("{error:#}").contains("interrupted"), "{error:#}");
    Ok(recorded(root).ok_or("nothing was recorded")?)
}

fn an_interrupted_experiment_is_gone_on_with() -> Result<(), Failed> {
    let root = tempfile::tempdir()?;
    let options = options(Backend::Emulated);
    let directory = interrupted_after(14, root.path(), &options)?;
    let before = rows(&directory);
    let again = Options { resume: Some(directory.clone()), ..options };
    let report: Report = convergence::run(&context(root.path()), &again)?;
    assert_eq!(report.recorded(), Some(directory.as_path()));
    let manifest = results::record::manifest(&directory)?;
    assert_eq!(manifest.state, results::record::State::Finished);

    let rows = rows(&directory);
    assert_eq!(rows[..before.len()], before, "what was recorded stays");
    let mut runs: BTreeMap<Treatment, usize> = BTreeMap::new();
    let mut slices: BTreeMap<(Purpose, &str, &Settings), usize> = BTreeMap::new();
    for row in &rows {
        match row {
            Row::Run { cell, complete: true, visits } => {
                assert_eq!((cell.strategy.as_str(), cell.seed, visits.len()), ("confirmed-short", 1, 8));
                *runs.entry(cell.treatment).or_default() += 1;
            }
            Row::Slice(slice) => {
                *slices.entry((slice.purpose, &slice.workload, &slice.settings)).or_default() += 1;
            }
            _ => {}
        }
    }
    // Each that was planned, once.
    assert_eq!(runs, Treatment::ALL.map(|treatment| (treatment, 1)).into());
    for workload in HOSTILE_ORDER {
        let of = |purpose| -> Vec<usize> {
            let mine = |key: &&(Purpose, &str, &Settings)| key.0 == purpose && key.1 == workload;
            slices.keys().filter(mine).map(|key| slices[key]).collect()
        };
        assert_eq!(of(Purpose::Alone), [PACE.alone], "{workload}");
        assert_eq!(of(Purpose::Sweep), vec![1; PACE.sweep], "{workload}");
        // What led in the runs and was no nominee has fewer.
        let held_out = of(Purpose::HeldOut);
        let whole = held_out.iter().filter(|&&pairs| pairs == PACE.held_out).count();
        assert!(whole > 0 && whole + PACE.leaders >= held_out.len(), "{held_out:?}");
    }
    Ok(())
}

fn values(disk: &EmulatedDisk) -> Vec<String> {
    let queue = Queue::of(disk.name());
    ["scheduler", "nr_requests", "read_ahead_kb", "max_sectors_kb", "wbt_lat_usec"]
        .map(|knob| queue.read(knob).unwrap_or_default())
        .into()
}

fn a_given_device_is_left_as_it_was_found() -> Result<(), Failed> {
    let (root, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let disk = EmulatedDisk::attach(&Spec::new(Model::named("hdd-7200")?, Bytes(4 << 30)))?;
    let queue = Queue::of(disk.name());
    queue.set("scheduler", "none")?;
    queue.set("read_ahead_kb", "776")?;
    let before = values(&disk);
    let mut options = options(Backend::Device);
    options.device = Some(disk.path().to_owned());
    options.state_dir = Some(state.path().to_owned());
    options.run_dir = Some(state.path().to_owned());
    // In the sweep, with settings in force that are not the device's.
    let directory = interrupted_after(7, root.path(), &options)?;
    assert_eq!(values(&disk), before);
    assert!(
        rows(&directory)
            .iter()
            .any(|row| matches!(row, Row::Slice(slice) if slice.purpose == Purpose::Sweep))
    );
    let left: Vec<_> = std::fs::read_dir(state.path().join("journal"))?.collect();
    assert!(left.is_empty(), "{left:?}");
    disk.detach()?;

    let again = Options { resume: Some(directory.clone()), ..options };
    let kept = rows(&directory);
    let error = convergence::run(&context(root.path()), &again).err().ok_or("there is no such device")?;
    let path = again.device.unwrap_or_default();
    assert!(format!("{error:#}").contains(&path.display().to_string()), "{error:#}");
    assert_eq!(rows(&directory), kept);
    Ok(())
}

/// A file system of its own, with as much room as it is given.
struct Small(tempfile::TempDir);

impl Small {
    fn new(room: &str) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().display().to_string();
        process::output("mount", ["-t", "tmpfs", "-o", &format!("size={room}"), "tmpfs", &path], None)?;
        Ok(Self(directory))
    }

    fn resize(&self, room: &str) -> anyhow::Result<()> {
        let path = self.0.path().display().to_string();
        process::output("mount", ["-o", &format!("remount,size={room}"), &path], None).map(drop)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if let Err(error) = process::output("umount", [self.0.path()], None) {
            eprintln!("{}: stays mounted: {error:#}", self.0.path().display());
        }
    }
}

fn a_full_disk_keeps_what_was_recorded() -> Result<(), Failed> {
    let whole = tempfile::tempdir()?;
    let options = Options::in_virtual_time(vec!["moilanen-at-once".to_owned()], 2, 2, 60);
    let expected = convergence::run(&context(whole.path()), &options)?;
    let expected = expected.recorded().ok_or("nothing was recorded")?;
    let size = std::fs::metadata(expected.join("data.jsonl"))?.len();

    // Room for what a record begins with and for some of the rows.
    let small = Small::new(&(size / 2 + 16_384).to_string())?;
    let error = convergence::run(&context(small.0.path()), &options).err().ok_or("there was room")?;
    let told = format!("{error:#}");
    assert!(told.contains("data.jsonl") && told.contains("--resume"), "{told}");
    let directory = recorded(small.0.path()).ok_or("nothing was recorded")?;
    let (kept, all) = (rows(&directory), rows(expected));
    assert!(kept.len() > 1 && all.starts_with(&kept) && kept.len() < all.len(), "{} rows", kept.len());

    small.resize("64m")?;
    convergence::run(&context(small.0.path()), &Options { resume: Some(directory.clone()), ..options })?;
    for file in ["data.jsonl", "README.md", "table.csv"] {
        assert!(
            std::fs::read(directory.join(file))? == std::fs::read(expected.join(file))?,
            "{file} differs"
        );
    }
    Ok(())
}

fn the_demo_runs_and_puts_everything_back() -> Result<(), Failed> {
    let charts = tempfile::tempdir()?;
    let options =
        demo::Options { visit: 4, seed: 1, simulated: false, charts: Some(charts.path().to_owned()) };
    let report = demo::run(&Context { record: None, ..context(charts.path()) }, &options)?;
    assert!(report.is_met(), "{}", report.text());
    let wide: Vec<String> = report
        .text()
        .lines()
        .filter(|line| line.contains("  ") && line.chars().count() > 100)
        .map(str::to_owned)
        .collect();
    assert!(wide.is_empty(), "{wide:#?}");
    for file in ["genes.svg", "genes.png", "throughput.svg", "throughput.png"] {
        assert!(std::fs::metadata(charts.path().join(file))?.len() > 1_000, "{file}");
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    let disk = Model::named("hdd-7200")
        .map_err(anyhow::Error::from)
        .and_then(|model| Ok(EmulatedDisk::attach(&Spec::new(model, Bytes(1 << 30)))?.detach()?))
        .err()
        .map(|error| format!("no disk can be emulated: {error:#}"))
        .or_else(|| {
            tunerd().is_none().then(|| "there is no tunerd beside this program: make build".to_owned())
        });
    let mount = Small::new("64k").err().map(|error| format!("nothing can be mounted: {error:#}"));
    for why in disk.iter().chain(&mount) {
        eprintln!("ignored, {why}");
    }
    type Test = fn() -> Result<(), Failed>;
    let tests: [(&str, Test, bool); 4] = [
        (
            "an_interrupted_experiment_is_gone_on_with",
            an_interrupted_experiment_is_gone_on_with,
            disk.is_some(),
        ),
        ("a_given_device_is_left_as_it_was_found", a_given_device_is_left_as_it_was_found, disk.is_some()),
        ("a_full_disk_keeps_what_was_recorded", a_full_disk_keeps_what_was_recorded, mount.is_some()),
        ("the_demo_runs_and_puts_everything_back", the_demo_runs_and_puts_everything_back, disk.is_some()),
    ];
    tests.into_iter().map(|(name, test, skip)| Trial::test(name, test).with_ignored_flag(skip)).collect()
}
