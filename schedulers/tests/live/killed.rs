//! SIGKILL at random moments, under load.

use crate::loop_device::{LoopDevice, kernel};
use crate::originals::{ALL, State};
use block_types::{Elevator, Knob, KnobValue, Settings};
use kernfs::Disk;
use libtest_mimic::Failed;
use schedulers::{Guard, GuardConfig, plan, restore_all};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How often; another number can be asked for by [`KILLS`].
const DEFAULT_KILLS: u64 = 15;
const KILLS: &str = "TUNERD_TEST_KILLS";
/// What makes this program the one that is killed: device, directory, seed, whether throttling is written.
const VICTIM: &str = "TUNERD_TEST_VICTIM";

/// Numbers that look random (xorshift64*), so that a round can be repeated but for its timing.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From `min` to `max`.
    fn between(&mut self, min: u64, max: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        min + (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % (max - min + 1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.between(1, n) == 1
    }
}

fn wanted(random: &mut Random, throttling: bool) -> Settings {
    const RANGES: &[(Knob, u64, u64)] = &[
        (Knob::NrRequests, 4, 128),
        (Knob::MaxSectorsKb, 64, 1280),
        (Knob::ReadAheadKb, 16, 8192),
        (Knob::RqAffinity, 0, 2),
        (Knob::Nomerges, 0, 2),
        (Knob::ReadExpire, 10, 2000),
        (Knob::FifoBatch, 1, 128),
        (Knob::AsyncDepth, 2, 128),
        (Knob::ReadLatNsec, 50_000, 50_000_000),
        (Knob::SliceIdleUs, 0, 32_000),
        (Knob::TimeoutSync, 16, 500),
        (Knob::LowLatency, 0, 1),
        (Knob::WbtLatUsec, 0, 100_000),
    ];
    let mut wanted = Settings::new();
    if random.one_in(2) {
        let elevator = Elevator::ALL[random.between(0, 3) as usize];
        wanted.set(Knob::Scheduler, KnobValue::Elevator(elevator));
    }
    for &(knob, min, max) in RANGES {
        if random.one_in(3) && (throttling || knob != Knob::WbtLatUsec) {
            wanted.set(knob, KnobValue::Number(random.between(min, max)));
        }
    }
    wanted
}

/// Tunes until it is killed, if this process is the one to do that.
pub(crate) fn victim() -> Option<ExitCode> {
    let words = std::env::var(VICTIM).ok()?;
    let Err(why) = tune_until_killed(&words);
    eprintln!("the victim ended by itself: {why:?}");
    Some(ExitCode::FAILURE)
}

fn tune_until_killed(words: &str) -> Result<std::convert::Infallible, Failed> {
    // It must not outlive a test that is killed itself.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let [device, dir, seed, throttling] = words.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("{VICTIM}={words}").into());
    };
    let mut random = Random::new(seed.parse()?);
    let mut guard = Guard::take(Disk::open(kernel(), device)?, &config(Path::new(dir)))?;
    loop {
        let plan = plan(guard.current(), &wanted(&mut random, throttling == "true"));
        guard.apply(&plan)?;
        let foreign = guard.foreign()?;
        if !foreign.is_empty() {
            return Err(format!("took its own writes for another's: {foreign:?}").into());
        }
    }
}

fn config(dir: &Path) -> GuardConfig {
    GuardConfig { state_dir: dir.join("state"), run_dir: dir.join("run") }
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fio(device: &LoopDevice) -> Result<Process, Failed> {
    let filename = format!("--filename={}", device.path());
    let mut command = Command::new("fio");
    command.args(["--name=load", &filename, "--rw=randwrite", "--bs=4k", "--direct=1", "--ioengine=libaio"]);
    // A bound on its life, should this process be killed.
    command.args(["--iodepth=32", "--thread", "--time_based", "--runtime=60", "--size=64m"]);
    let load = Process(command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?);
    let disk = device.disk()?;
    let idle = disk.stats()?.writes;
    wait_for("fio to write", || Ok(disk.stats()?.writes > idle))?;
    Ok(load)
}

fn wait_for(what: &str, done: impl Fn() -> Result<bool, Failed>) -> Result<(), Failed> {
    let begun = Instant::now();
    while !done()? {
        if begun.elapsed() > Duration::from_secs(20) {
            return Err(format!("waited 20 s for {what}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Why this cannot be tried.
pub(crate) fn missing() -> Option<String> {
    let found = Command::new("fio").arg("--version").stdout(Stdio::null()).status();
    (!found.is_ok_and(|status| status.success())).then(|| "fio is not installed".to_owned())
}

pub(crate) fn run() -> Result<(), Failed> {
    let kills = std::env::var(KILLS).ok().and_then(|kills| kills.parse().ok()).unwrap_or(DEFAULT_KILLS);
    let (mut in_force, mut inside_a_write) = (0, 0);
    for round in 0..kills {
        let death = kill_once(round).map_err(|failed| {
            format!("round {round} of {kills}: {}", failed.message().unwrap_or("failed"))
        })?;
        in_force += u64::from(death.in_force);
        inside_a_write += u64::from(death.inside_a_write);
    }
    let found =
        format!("{kills} killed, {inside_a_write} inside a write, {in_force} with something to put back");
    println!("{found}");
    if in_force * 3 < kills * 2 {
        return Err(format!("too few: {found}").into());
    }
    Ok(())
}

/// What a kill met.
struct Death {
    /// Whether there was anything to put back.
    in_force: bool,
    /// Whether the journal ends with an intention.
    inside_a_write: bool,
}

fn kill_once(round: u64) -> Result<Death, Failed> {
    let throttling = round % 2 == 1;
    let original = &ALL[(round / 2) as usize % ALL.len()];
    let device = LoopDevice::make()?;
    let disk = device.disk()?;
    original.set_up(&disk)?;
    let before = State::read(&disk)?;
    let dir = tempfile::tempdir()?;
    let config = config(dir.path());
    let load = fio(&device)?;

    let words = format!("{} {} {round} {throttling}", device.name(), dir.path().display());
    let mut victim = Process(Command::new(std::env::current_exe()?).env(VICTIM, words).spawn()?);
    let journal = dir.path().join(format!("state/journal/{}.jsonl", device.name()));
    wait_for("the journal", || Ok(journal.exists()))?;
    // The clock's own digits: the moment is to be another one in each run.
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.subsec_nanos();
    let life = Duration::from_micros(Random::new(clock.into()).between(0, 700_000));
    std::thread::sleep(life);
    if let Some(status) = victim.0.try_wait()? {
        return Err(format!("the victim ended by itself: {status}").into());
    }
    victim.0.kill()?;
    let text = std::fs::read_to_string(&journal)?;
    let inside_a_write = text.lines().next_back().is_some_and(|line| line.contains("\"intends\""));

    // Not waited for: its last write may still be on its way, which is what the lock is for.
    let restore = || {
        let wait = Duration::from_secs(60);
        restore_all(&kernel(), &config.state_dir, &config.run_dir, Some(disk.name()), wait)
    };
    let reports = restore()?;
    let what = format!("{} killed after {life:?}", original.name);
    let after = State::read(&disk)?;
    drop(victim);
    // Nothing of the victim's lands any more.
    after.expect(&State::read(&disk)?, false, &format!("{what}, a moment later"))?;
    drop(load);
    let [report] = &reports[..] else { return Err(format!("{what}: {reports:?}").into()) };
    if !report.failed.is_empty() || !report.left.is_empty() {
        return Err(format!("{what}: {report}").into());
    }
    before.expect(&after, throttling, &format!("{what}: {report}"))?;
    if !restore()?.is_empty() {
        return Err(format!("{what}: something was left for a second restore").into());
    }
    Ok(Death { in_force: !report.restored.is_empty(), inside_a_write })
}
