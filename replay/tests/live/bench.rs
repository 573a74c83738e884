//! What the tests share: a disk, submissions to a script, and the same through the simulation.

use crate::common::{FixedDisk, Script, host, settings};
use crate::trace::{Seen, Tracing, What, instances};
use block_types::{Bytes, DevNo, Elevator, Knob, Nanos, Op, Sector, Sectors};
use disk_model::Command as DiskCommand;
use emulated_disk::loop_device::Queue;
use emulated_disk::{EmulatedDisk, Model, Spec};
use libtest_mimic::Failed;
use replay::{
    Config, Io, Issue, Job, Jobs, Priority, Report, Run, StreamId, Token, simulate, simulate_observed,
};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A test.
pub(crate) type Test = (&'static str, fn() -> Result<(), Failed>);

pub(crate) const SIZE: Bytes = Bytes(256 << 20);
/// A machine that is busy with other things may delay an answer past what comes next: so often a script is tried.
const ATTEMPTS: u32 = 4;
/// About what the emulator takes to answer one more.
const ANSWER_GAP: Nanos = Nanos(30_000);
const O_DIRECT: i32 = 0o40_000;

/// Runs a test up to three times: one that fails because the machine was busy with other things does not fail again and
/// again, one that fails because the simulation is wrong does.
pub(crate) fn again_if_disturbed(test: fn() -> Result<(), Failed>) -> Result<(), Failed> {
    for _ in 0..2 {
        match test() {
            Ok(()) => return Ok(()),
            Err(failed) => eprintln!("once more: {}", failed.message().unwrap_or("no reason")),
        }
    }
    test()
}

/// Why nothing can be compared on this machine.
pub(crate) fn missing() -> Option<String> {
    if instances().is_none() {
        return Some("there is no tracefs, or it is not ours to use".to_owned());
    }
    if Command::new("fio").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Some("there is no fio".to_owned());
    }
    Disk::attach(Nanos::from_millis(1), 4)
        .err()
        .map(|failed| failed.message().unwrap_or("no reason").to_owned())
}

/// An emulated disk with a real queue in front of it.
pub(crate) struct Disk {
    pub(crate) disk: EmulatedDisk,
    pub(crate) service: Nanos,
    pub(crate) depth: u32,
    pub(crate) size: Bytes,
}

impl Disk {
    /// Every command takes `service`, `depth` of them at once.
    pub(crate) fn attach(service: Nanos, depth: u32) -> Result<Self, Failed> {
        Self::attach_sized(service, depth, SIZE)
    }

    /// The same of another size; only what is written takes memory.
    pub(crate) fn attach_sized(service: Nanos, depth: u32, size: Bytes) -> Result<Self, Failed> {
        let mut spec = Spec::new(Model::Fixed(service), size);
        spec.queue_depth = Some(depth);
        Ok(Self { disk: EmulatedDisk::attach(&spec)?, service, depth, size })
    }

    pub(crate) fn rotational(self) -> Result<Self, Failed> {
        self.queue().set_rotational(true)?;
        Ok(self)
    }

    pub(crate) fn queue(&self) -> Queue {
        Queue::of(self.disk.name())
    }

    pub(crate) fn dev(&self) -> Result<DevNo, Failed> {
        Ok(std::fs::read_to_string(format!("/sys/block/{}/dev", self.disk.name()))?.trim().parse()?)
    }

    /// Sets the scheduler and its knobs in the kernel, and answers with the same for the simulation.
    pub(crate) fn set(&self, elevator: Elevator, knobs: &[(Knob, u64)]) -> Result<Config, Failed> {
        let queue = self.queue();
        // Naming the same scheduler again does nothing: it would go on from where the last test left it.
        queue.set("scheduler", "none")?;
        queue.set("scheduler", elevator.name())?;
        for &(knob, value) in knobs {
            let own = knob.elevator().is_some();
            let name = if own { format!("iosched/{knob}") } else { knob.to_string() };
            queue.set(&name, &value.to_string())?;
        }
        let number = |name: &str| -> Result<u64, Failed> { Ok(queue.get(name)?.parse()?) };
        let rotational = number("rotational")? == 1;
        let mut all = vec![(Knob::MaxSectorsKb, number("max_sectors_kb")?)];
        if elevator != Elevator::None {
            all.push((Knob::NrRequests, number("nr_requests")?));
        }
        all.extend(knobs);
        let host = replay::Host { max_hw_sectors_kb: 1 << 20, ..host(self.size, self.depth, rotational) };
        Ok(Config::new(host, &settings(elevator, &all))?)
    }

    /// What the kernel and the simulation issue to the disk, in their orders, for the same submissions.
    pub(crate) fn issues_of(&self, config: &Config, steps: &[Step]) -> Result<[Vec<Issued>; 2], Failed> {
        let tracing = Tracing::of(self.dev()?)?;
        self.submit(steps)?;
        let seen = tracing.take()?;
        let real = seen.iter().filter(|seen| seen.what == What::Issued).map(Issued::from).collect();
        let mut simulated = Vec::new();
        let mut disk = FixedDisk::new(self.service, self.depth);
        let mut source = Script::new(submissions(&seen, steps));
        simulate_observed(config, &mut disk, &mut source, &Run::to_the_end(), &mut |issue| {
            simulated.push(Issued::from(&issue));
        });
        Ok([real, simulated])
    }

    /// Fails unless both issue the same in the same order; answers with it.
    pub(crate) fn must_agree(
        &self,
        elevator: Elevator,
        knobs: &[(Knob, u64)],
        steps: &[Step],
    ) -> Result<Vec<Issued>, Failed> {
        let mut differing = String::new();
        for _ in 0..ATTEMPTS {
            // Anew each time: a scheduler remembers where it was on the disk.
            let config = self.set(elevator, knobs)?;
            let [real, simulated] = self.issues_of(&config, steps)?;
            if real == simulated && real.iter().map(|issued| issued.sectors).sum::<u64>() == total(steps) {
                return Ok(real);
            }
            let at = real.iter().zip(&simulated).position(|(real, simulated)| real != simulated);
            differing = format!(
                "{config}: differs from the kernel at request {at:?} of {}\n   kernel {}\nsimulated {}",
                real.len(),
                shown(&real),
                shown(&simulated)
            );
        }
        Err(differing.into())
    }

    fn submit(&self, steps: &[Step]) -> Result<(), Failed> {
        let path = self.disk.path();
        let start = Instant::now() + Duration::from_millis(20);
        std::thread::scope(|scope| {
            let running: Vec<_> =
                steps.iter().map(|step| scope.spawn(move || step.run(path, start))).collect();
            for thread in running {
                thread.join().map_err(|_panic| "a submission panicked")??;
            }
            Ok(())
        })
    }

    /// Runs jobs by fio for `seconds`; the results as it prints them, one to a job. From then on the simulation's disk
    /// takes as long as this one took on average: a machine that is busy with other things makes it slower than it says.
    pub(crate) fn fio(
        &mut self,
        seconds: u32,
        common: &[&str],
        jobs: &[&[&str]],
    ) -> Result<serde_json::Value, Failed> {
        let tracing = Tracing::of(self.dev()?)?;
        let mut command = at_once("fio");
        command.args([
            "--output-format=json",
            "--direct=1",
            "--ioengine=libaio",
            "--time_based",
            "--allow_mounted_write=1",
        ]);
        command.arg(format!("--filename={}", self.disk.path().display()));
        command.arg(format!("--runtime={seconds}")).args(common);
        for (index, job) in jobs.iter().enumerate() {
            command.arg(format!("--name=job{index}")).args(*job);
        }
        let output = command.current_dir("/tmp").stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(format!("fio: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let (mut open, mut sum, mut count) = (BTreeMap::new(), 0, 0);
        for seen in tracing.take()? {
            match seen.what {
                What::Queued => {}
                What::Issued => drop(open.insert(seen.sector, seen.at)),
                What::Completed => {
                    if let Some(issued) = open.remove(&seen.sector) {
                        sum += (seen.at - issued).0;
                        count += 1;
                    }
                }
            }
        }
        self.service = Nanos(sum.checked_div(count).ok_or("nothing was done")?);
        eprintln!("the disk took {} a command", self.service);
        let results: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        Ok(results["jobs"].clone())
    }

    /// The same jobs through the simulation.
    pub(crate) fn simulate(&self, config: &Config, seconds: u32, jobs: Vec<Job>) -> Report {
        self.simulate_after(config, 0, seconds, jobs)
    }

    /// The same, but the first `ramp` seconds do not count.
    pub(crate) fn simulate_after(&self, config: &Config, ramp: u32, seconds: u32, jobs: Vec<Job>) -> Report {
        let mut disk = FixedDisk::new(self.service, self.depth).one_at_a_time(ANSWER_GAP);
        let ns = |seconds| Nanos(u64::from(seconds) * 1_000_000_000);
        let run = Run::for_time(ns(ramp), ns(seconds));
        simulate(config, &mut disk, &mut Jobs::new(jobs), &run)
    }
}

/// A program that is woken before all others, where that is allowed: a process that answers late is another workload to
/// bfq, which stops waiting for one that is idle for a fifth of its time.
fn at_once(program: &str) -> Command {
    const REAL_TIME: [&str; 2] = ["--fifo", "10"];
    let allowed = Command::new("chrt").args(REAL_TIME).arg("true").output();
    if allowed.is_ok_and(|output| output.status.success()) {
        let mut command = Command::new("chrt");
        command.args(REAL_TIME).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn total(steps: &[Step]) -> u64 {
    steps.iter().map(|step| step.sectors.0).sum()
}

fn shown(issues: &[Issued]) -> String {
    issues.iter().map(|issued| format!(" {}{}+{}", issued.letter(), issued.sector, issued.sectors)).collect()
}

/// One I/O of a script, by a thread of its own; by a process of its own where it has a priority.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) at_ms: u64,
    pub(crate) op: Op,
    pub(crate) sector: Sector,
    pub(crate) sectors: Sectors,
    pub(crate) priority: Priority,
}

impl Step {
    pub(crate) const fn read(at_ms: u64, sector: u64, sectors: u64) -> Self {
        let (sector, sectors) = (Sector(sector), Sectors(sectors));
        Self { at_ms, op: Op::Read, sector, sectors, priority: Priority::BestEffort }
    }

    pub(crate) const fn write(at_ms: u64, sector: u64, sectors: u64) -> Self {
        Self { op: Op::Write, ..Self::read(at_ms, sector, sectors) }
    }

    fn run(&self, path: &Path, start: Instant) -> Result<(), Failed> {
        let at = start + Duration::from_millis(self.at_ms);
        let bytes = self.sectors.bytes().0 as usize;
        let offset = self.sector.0 * 512;
        let class = match self.priority {
            Priority::RealTime => "1",
            Priority::Idle => "3",
            Priority::BestEffort => {
                let file = OpenOptions::new().read(true).write(true).custom_flags(O_DIRECT).open(path)?;
                let mut memory = vec![0_u8; bytes + 4096];
                let aligned = memory.as_ptr().align_offset(4096);
                let buffer = &mut memory[aligned..aligned + bytes];
                stay_on_one_processor()?;
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                match self.op {
                    Op::Read => file.read_exact_at(buffer, offset)?,
                    _ => file.write_all_at(buffer, offset)?,
                }
                return Ok(());
            }
        };
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        let output = Command::new("ionice")
            .args(["-c", class, "dd", "of=/dev/null", "count=1", "iflag=direct"])
            .arg(format!("if={}", path.display()))
            .args([format!("bs={bytes}"), format!("skip={}", offset as usize / bytes)])
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(())
    }
}

/// kyber has a queue for each processor; the simulation has one.
fn stay_on_one_processor() -> Result<(), Failed> {
    let mut first = CpuSet::new();
    first.set(0);
    sched_setaffinity(None, &first)?;
    Ok(())
}

/// I/Os that keep a disk of depth 4 (the kernel's least) and the one place before it busy, and then the script.
pub(crate) fn behind_a_busy_disk(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let busy = (0..5).map(|index| Step::read(index * 2, 400_000 + index * 1_000, 8));
    busy.chain(steps.into_iter().map(|step| Step { at_ms: step.at_ms + 14, ..step })).collect()
}

/// The submissions as the kernel saw them, at the times at which it did.
fn submissions(seen: &[Seen], steps: &[Step]) -> Vec<(u64, Vec<Io>)> {
    let mut streams: BTreeMap<u64, u32> = BTreeMap::new();
    let start = seen.first().map_or(Nanos::ZERO, |seen| seen.at);
    let queued = seen.iter().filter(|seen| seen.what == What::Queued);
    queued
        .enumerate()
        .map(|(index, seen)| {
            let next = streams.len() as u32;
            let stream = *streams.entry(seen.task).or_insert(next);
            let priority = steps.iter().find(|step| step.sector == seen.sector && step.op == seen.op);
            let io = Io {
                sync: seen.sync,
                stream: StreamId(stream),
                priority: priority.map_or(Priority::BestEffort, |step| step.priority),
                token: Token(index as u64),
                ..Io::new(seen.op, seen.sector, seen.sectors)
            };
            ((seen.at - start).0, vec![io])
        })
        .collect()
}

/// A request as it was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) op: Op,
    pub(crate) sector: u64,
    pub(crate) sectors: u64,
}

impl Issued {
    const fn letter(self) -> char {
        if matches!(self.op, Op::Read) { 'R' } else { 'W' }
    }
}

impl From<&Seen> for Issued {
    fn from(seen: &Seen) -> Self {
        Self { op: seen.op, sector: seen.sector.0, sectors: seen.sectors.0 }
    }
}

impl From<&Issue> for Issued {
    fn from(issue: &Issue) -> Self {
        let (op, sector) = match issue.command {
            DiskCommand::Read { sector, .. } => (Op::Read, sector),
            DiskCommand::Write { sector, .. } => (Op::Write, sector),
            DiskCommand::Discard { sector, .. } => (Op::Discard, sector),
            DiskCommand::Flush => (Op::Flush, Sector(0)),
        };
        Self { op, sector: sector.0, sectors: issue.command.sectors().0 }
    }
}

/// Fails unless the two are within a share of each other.
pub(crate) fn assert_near(what: &str, simulated: f64, real: f64, share: f64) -> Result<(), Failed> {
    eprintln!("{what}: simulated {simulated:.1}, kernel {real:.1}");
    if (simulated / real - 1.0).abs() <= share {
        return Ok(());
    }
    Err(format!("{what}: simulated {simulated:.1}, the kernel had {real:.1}; expected within {share}").into())
}
