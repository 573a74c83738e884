//! What the commands do.

use crate::cli::{Attach, Cli, Command, Detach};
use anyhow::{Context, Result, bail};
use block_types::Nanos;
use clap::Parser;
use emulated_disk::registry::{Entry, Registry, State};
use emulated_disk::{Ending, Error, Kept, Model, Report, Spec, Stats};
use rustix::fs::{Mode, OFlags};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOTHING_TO_DO: u8 = 3;

/// The keeper gives users of the disk 2 s, and the kernel 5 s twice.
const DETACH_PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn main() -> ExitCode {
    // clap prints its own errors and ends with 2.
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("emudisk: {error:#}");
            ExitCode::from(match error.downcast_ref::<Error>() {
                Some(Error::Unavailable(_)) => NOTHING_TO_DO,
                Some(Error::Invalid(_)) => USAGE,
                Some(Error::System { .. } | Error::Failed(_)) | None => FAILED,
            })
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let registry = Registry::at(&cli.registry);
    match cli.command {
        Command::Attach(arguments) => attach(&arguments, registry),
        Command::Detach(arguments) => detach(&arguments, &registry),
        Command::List { json } => list(&registry, json),
        Command::Stats { device, json } => stats(&find(&registry, &device)?, json),
        Command::Keep { spec } => keep(registry, spec),
        Command::Serve { spec, file_name, control } => Ok(emulated_disk::serve(spec, file_name, &control)?),
    }
}

fn model(arguments: &Attach) -> Result<Model, Error> {
    match (&arguments.model, &arguments.params, arguments.fixed) {
        (_, _, Some(time)) => Ok(Model::Fixed(time)),
        (_, Some(path), None) => Model::from_file(path),
        (Some(name), None, None) => Model::named(name),
        (None, None, None) => Err(Error::Invalid("a disk needs --model, --params or --fixed".to_owned())),
    }
}

fn attach(arguments: &Attach, registry: Registry) -> Result<()> {
    let spec = Spec {
        queue_depth: arguments.queue_depth,
        backing: std::path::absolute(&arguments.backing)?,
        seed: arguments.seed,
        bound_buffered_writes: arguments.bound_buffered_writes,
        lead: arguments.lead,
        ..Spec::new(model(arguments)?, arguments.size)
    };
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    if arguments.foreground {
        let ending = Ending::listen(None)?;
        let kept = Kept::make(&program, registry, spec)?;
        if let Err(error) = print_attached(kept.entry(), arguments.json) {
            kept.detach()?;
            return Err(error);
        }
        return Ok(kept.keep(&ending)?);
    }
    let entry = emulated_disk::attach_detached(&program, &registry, &spec)?;
    print_attached(&entry, arguments.json)
}

fn print_attached(entry: &Entry, json: bool) -> Result<()> {
    let line = if json { serde_json::to_string(entry)? } else { entry.path.display().to_string() };
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// The process that keeps a disk: says once how it went, then stays.
fn keep(registry: Registry, spec: Spec) -> Result<()> {
    // Fails only where this is a session of its own already.
    let _ = rustix::process::setsid();
    let tied = std::io::stdin().as_fd().try_clone_to_owned()?;
    // Who is not tied to a pipe has /dev/null, which is always readable.
    let is_pipe =
        rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&tied)?.st_mode) == rustix::fs::FileType::Fifo;
    let ending = Ending::listen(is_pipe.then_some(tied))?;
    let made = Kept::make(&std::env::current_exe()?, registry, spec);
    let report = match &made {
        Ok(kept) => Report::Ready(Box::new(kept.entry().clone())),
        Err(error) => error.into(),
    };
    let told = writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?);
    let kept = made?;
    if let Err(error) = told {
        // Nobody waits for the disk any more.
        kept.detach()?;
        return Err(error).context("cannot report that the disk is there");
    }
    // Who started us reads to the end of the line only, but others may read to the end of everything.
    let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(kept.keep(&ending)?)
}

fn detach(arguments: &Detach, registry: &Registry) -> Result<()> {
    let entries = if arguments.all {
        registry.all()?
    } else {
        arguments.devices.iter().map(|device| find(registry, device)).collect::<Result<_>>()?
    };
    for entry in entries {
        if !arguments.force && entry.state() != State::Dead && is_claimed(&entry) {
            bail!(
                "{} is in use: a file system is mounted on it, or another program claims it (--force detaches it all the same)",
                entry.path.display()
            );
        }
        if !registry.detach(&entry, DETACH_PATIENCE)? {
            bail!(
                "{} is still open in another program, and detaches when that closes it",
                entry.path.display()
            );
        }
    }
    Ok(())
}

/// Whether somebody has the device to itself, as mounted file systems have.
fn is_claimed(entry: &Entry) -> bool {
    let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
    matches!(rustix::fs::open(&entry.path, flags, Mode::empty()), Err(rustix::io::Errno::BUSY))
}

fn find(registry: &Registry, device: &Path) -> Result<Entry> {
    let name = device
        .file_name()
        .and_then(|name| name.to_str())
        .context("a device has a name, such as /dev/loop3")?;
    registry.find(name)?.with_context(|| format!("{} is no emulated disk", device.display()))
}

fn list(registry: &Registry, json: bool) -> Result<()> {
    let entries = registry.all()?;
    if json {
        let all: Vec<_> = entries.iter().map(described).collect();
        println!("{}", serde_json::to_string(&all)?);
        return Ok(());
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["device", "model", "size", "depth", "state", "backing"]);
    for entry in &entries {
        let state = serde_json::to_value(entry.state())?;
        table.add_row([
            entry.path.display().to_string(),
            entry.spec.model.name(),
            human_size(entry.spec.size.0),
            entry.spec.depth().to_string(),
            state.as_str().unwrap_or_default().to_owned(),
            entry.spec.backing.display().to_string(),
        ]);
    }
    if !entries.is_empty() {
        println!("{table}");
    }
    Ok(())
}

fn described(entry: &Entry) -> serde_json::Value {
    let spec = &entry.spec;
    serde_json::json!({
        "device": entry.path,
        "state": entry.state(),
        "model": spec.model.name(),
        "size_bytes": spec.size.0,
        "queue_depth": spec.depth(),
        "seed": spec.seed,
        "backing": spec.backing,
        "bound_buffered_writes_bytes": spec.bound_buffered_writes.map(|limit| limit.0),
        "lead_ns": spec.lead.map(|lead| lead.0),
        "keeper_pid": entry.keeper.pid,
        "server_pid": entry.server.pid,
    })
}

fn human_size(bytes: u64) -> String {
    let units = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];
    let fits = units.into_iter().find(|(_, shift)| bytes >> shift > 0 && bytes.trailing_zeros() >= *shift);
    fits.map_or_else(|| bytes.to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

fn stats(entry: &Entry, json: bool) -> Result<()> {
    let stats = emulated_disk::stats(entry)?;
    if json {
        println!("{}", serde_json::to_string(&summary(entry, &stats))?);
        return Ok(());
    }
    let mut text = String::new();
    let shown = |time: Option<Nanos>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    writeln!(text, "{} ({})", entry.path.display(), entry.spec.model.name())?;
    writeln!(
        text,
        "answered  {} reads, {} writes, {} flushes, {} discards; {} errors; {} in flight",
        stats.reads, stats.writes, stats.flushes, stats.discards, stats.errors, stats.in_flight
    )?;
    writeln!(
        text,
        "bytes     {} read, {} written, {} discarded",
        stats.read_bytes, stats.write_bytes, stats.discard_bytes
    )?;
    for (name, histogram) in [("service", &stats.service), ("lateness", &stats.lateness)] {
        let [median, p99] = [0.5, 0.99].map(|q| shown(histogram.quantile(q)));
        writeln!(text, "{name:<9} median {median}, p99 {p99}, mean {}", shown(histogram.mean()))?;
    }
    writeln!(text, "lead      {}", Nanos(stats.lead_ns))?;
    write!(
        text,
        "processor {} to a command; {} held",
        shown(stats.cpu_per_command()),
        stats.allocated_bytes
    )?;
    println!("{text}");
    Ok(())
}

fn summary(entry: &Entry, stats: &Stats) -> serde_json::Value {
    let quantiles = |histogram: &block_types::LatencyHistogram| {
        let at = |q| histogram.quantile(q).map(|time| time.0);
        serde_json::json!({
            "count": histogram.count(),
            "mean_ns": histogram.mean().map(|time| time.0),
            "p50_ns": at(0.5),
            "p90_ns": at(0.9),
            "p99_ns": at(0.99),
            "p999_ns": at(0.999),
        })
    };
    serde_json::json!({
        "device": entry.path,
        "reads": stats.reads,
        "writes": stats.writes,
        "flushes": stats.flushes,
        "discards": stats.discards,
        "errors": stats.errors,
        "read_bytes": stats.read_bytes,
        "write_bytes": stats.write_bytes,
        "discard_bytes": stats.discard_bytes,
        "in_flight": stats.in_flight,
        "cpu_ns": stats.cpu_ns,
        "cpu_ns_per_command": stats.cpu_per_command().map(|time| time.0),
        "allocated_bytes": stats.allocated_bytes,
        "lead_ns": stats.lead_ns,
        "service": quantiles(&stats.service),
        "lateness": quantiles(&stats.lateness),
    })
}
