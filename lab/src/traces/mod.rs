//! Recording, and what is read from a recording, beside the tools that everybody has.

mod compare;
mod cost;
mod memory;
mod speed;

use crate::Context;
use crate::bench::fio::{Engine, Job, Load, Rw};
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec};
use crate::bench::process::{Process, drain};
use crate::bench::report::Report;
use crate::bench::tunerd::{Place, Tunerd, field, text};
use anyhow::{Context as _, Result, ensure};
use block_types::Bytes;
use clap::Args;
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Events that the recording must have
    #[arg(long, default_value_t = 3_000_000)]
    pub events: u64,
    /// Rounds of each program on the recording
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(3..))]
    pub rounds: u32,
    /// Size of the long trace, of which the memory is measured, in MB
    #[arg(long, default_value_t = 2_000)]
    pub long_mb: u64,
    /// Fours of blocks, recorded and not, inside one load
    #[arg(long, default_value_t = 4)]
    pub fours: u32,
    /// Where the traces go [default: the system's directory of temporary files]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
}

/// A recording under `tunerd record`.
struct Capture {
    /// What `blkparse -i` takes.
    base: PathBuf,
    /// What `record --json` said.
    facts: Value,
}

/// Runs the measurement.
///
/// # Errors
///
/// Where a loop device, fio, blkparse or btt cannot be had, the tracer is taken, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let scratch = match &options.scratch {
        Some(directory) => tempfile::Builder::new().prefix("tunerd-lab.").tempdir_in(directory),
        None => tempfile::Builder::new().prefix("tunerd-lab.").tempdir(),
    }
    .context("cannot make a directory for the traces")?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), scratch.path())?;
    let spec = LoopSpec { size: Bytes(1 << 30), backing: Backing::Memory, tag_depth: None, allocated: true };
    let device = LoopDevice::make(&spec)?;
    device.queue().set("scheduler", "none")?;
    let mut report = Report::new("Recorded traces, beside blkparse and btt");

    context.say("recording random reads, sequential writes and random writes");
    let capture = capture(&tunerd, &device, &scratch.path().join("capture"), context)?;
    let events: u64 = field(&capture.facts, "events")?;
    report.note(format!(
        "{events} events in {} MB were recorded in {:.1} s, {} lost",
        field::<u64>(&capture.facts, "bytes")? / 1_000_000,
        field::<u64>(&capture.facts, "duration_ns")? as f64 / 1e9,
        field::<u64>(&capture.facts, "lost")?
    ));
    report.fact("recording", &capture.facts);
    report.verdict(
        "events in the recording",
        format!("at least {}", options.events),
        events,
        events >= options.events,
    );
    context.say("counts and latencies");
    compare::compare(&capture, scratch.path(), &mut report)?;
    context.say("speed");
    speed::speed(&tunerd, &capture, scratch.path(), options.rounds, context, &mut report)?;
    context.say("memory");
    memory::memory(&tunerd, &capture, scratch.path(), options.long_mb, context, &mut report)?;
    context.say("loss, and cost to the load");
    cost::loss(&tunerd, &device, scratch.path(), context, &mut report)?;
    cost::cost(&tunerd, &device, scratch.path(), options.fours, context, &mut report)?;
    Ok(report)
}

fn capture(tunerd: &Tunerd, device: &LoopDevice, out: &Path, context: &Context) -> Result<Capture> {
    let phase = |name: &str, rw, block, engine, ios: u32| {
        counted(Job::new(name, rw, Bytes(block)).engine(engine), ios).option("stonewall", "1")
    };
    let fast = Engine::IoUring { depth: 32, batch: 8 };
    let jobs = [
        phase("random-reads", Rw::RandRead, 4 << 10, fast, 360_000),
        phase("sequential-writes", Rw::Write, 64 << 10, Engine::Libaio { depth: 8 }, 50_000),
        phase("random-writes", Rw::RandWrite, 4 << 10, fast, 300_000),
        phase("sequential-reads", Rw::Read, 4 << 10, fast, 200_000),
    ];
    let facts = recorded(tunerd, device, out, context, || {
        Load::new(device.path(), jobs).run(&context.interrupt).map(|_outcome| ())
    })?;
    Ok(Capture { base: out.join(device.name()), facts })
}

/// The job until it has done so many I/Os, however long it takes and however often it goes round the device.
fn counted(job: Job, ios: u32) -> Job {
    let job = job.option("number_ios", &ios.to_string()).option("time_based", "0");
    job.option("io_size", "1t").option("norandommap", "1")
}

/// Records while `load` runs, and answers what `record --json` said.
fn recorded(
    tunerd: &Tunerd,
    device: &LoopDevice,
    out: &Path,
    context: &Context,
    load: impl FnOnce() -> Result<()>,
) -> Result<Value> {
    let directory = text(out);
    let rest =
        ["--json", "--device", device.name(), "--out", &directory, "--for", "10m", "--max-size", "16G"];
    let arguments = tunerd.arguments("record", &[Place::State, Place::Run], &rest);
    let mut process = Process::start(tunerd.program().as_os_str(), arguments, true)?;
    let said = process.stderr().map(drain);
    let printed = process.stdout().map(drain);
    wait_for_switch(device)?;
    load()?;
    // What is in flight at the end of a load that was stopped completes meanwhile.
    context.interrupt.sleep(Duration::from_millis(200))?;
    process.signal(Signal::TERM);
    let ended = process.wait(Duration::from_secs(60))?;
    let text = |thread: Option<std::thread::JoinHandle<String>>| {
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    let (printed, said) = (text(printed), text(said));
    ensure!(ended.is_some_and(|status| status.success()), "tunerd record ended badly: {}", said.trim());
    serde_json::from_str(&printed)
        .with_context(|| format!("tunerd record printed {printed:?}, expected JSON"))
}

/// Waits until the tracer is switched on for the device.
fn wait_for_switch(device: &LoopDevice) -> Result<()> {
    let switch = format!("block/{}/trace/enable", device.name());
    for _ in 0..3_000 {
        if crate::bench::sysfs::read(&switch)? != "0" {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(false, "tunerd record did not switch the tracer on");
    Ok(())
}
