//! The subcommands that do one thing and end: what they print, and what their exit status says.
//!
//! Every one writes to the stream it is given and answers with a [`Failure`] where it cannot do what was asked; only
//! [`finish`] turns that into a line on standard error and an exit status.

mod ab;
mod advise;
mod config;
mod devices;
mod doctor;
mod explain;
mod export;
mod fingerprint;
mod genes;
mod restore;
mod status;
mod table;

pub(crate) use genes::acceptable;
pub(crate) use table::gain;

use crate::cli::{Cli, CompletionsArgs, Once, Roots};
use clap::CommandFactory;
use kernfs::{Kernel, RealKernel};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// What the exit status says of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 1: it failed.
    Failed,
    /// 2: it was asked wrongly.
    Usage,
    /// 3: there is nothing to do on this machine, such as no disk that can be tuned, or no permission.
    Nothing,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// With a line for standard error.
    Said {
        /// What the exit status says.
        exit: Exit,
        /// One line.
        message: String,
    },
    /// Whoever read the output has read enough. That is no failure, and nothing is said.
    BrokenPipe,
}

impl Failure {
    /// It failed.
    pub fn failed(why: impl Display) -> Self {
        Self::Said { exit: Exit::Failed, message: why.to_string() }
    }

    /// It was asked wrongly.
    pub fn usage(why: impl Display) -> Self {
        Self::Said { exit: Exit::Usage, message: why.to_string() }
    }

    /// There is nothing to do on this machine.
    pub fn nothing(why: impl Display) -> Self {
        Self::Said { exit: Exit::Nothing, message: why.to_string() }
    }
}

impl From<io::Error> for Failure {
    /// An error of the output; those of other files are said with their paths by whoever has them.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::failed(format_args!("standard output: {error}")),
        }
    }
}

/// Does what was asked, and writes what there is to say to `out`.
///
/// # Errors
/// Where it could not be done.
pub fn execute(command: Once, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Once::Devices(args) => devices::devices(&args, out),
        Once::Doctor(args) => doctor::doctor(&args, out),
        Once::Fingerprint(args) => fingerprint::fingerprint(&args, out),
        Once::Status(args) => status::status(&args, out),
        Once::Pause(args) => status::pause(&args, out),
        Once::Resume(args) => status::resume(&args, out),
        Once::Ab(args) => ab::ab(&args, out),
        Once::Advise(args) => advise::advise(&args, out),
        Once::Explain(args) => explain::explain(&args, out),
        Once::Export(args) => export::export(&args, out),
        Once::Genes(command) => genes::genes(command, out),
        Once::Restore(args) => restore::restore(&args, out),
        Once::Config(command) => config::config(command, out),
        Once::Completions(args) => completions(&args, out),
    }?;
    out.flush()?;
    Ok(())
}

/// The kernel that stands in these trees.
fn kernel(roots: &Roots) -> Arc<dyn Kernel> {
    Arc::new(RealKernel::new(kernfs::Roots::new(&roots.sysfs_root, &roots.proc_root)))
}

/// A device as it was named, with a link such as `/dev/disk/by-id/…` followed.
fn resolve(device: &str) -> String {
    match std::fs::canonicalize(device) {
        Ok(target) if device.starts_with("/dev/") => target.to_string_lossy().into_owned(),
        _ => device.to_owned(),
    }
}

/// The exit status of a process that ends so; a failure is said on standard error first, in one line.
#[must_use]
pub fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) | Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Err(Failure::Said { exit, message }) => {
            complain(&message);
            ExitCode::from(match exit {
                Exit::Failed => 1,
                Exit::Usage => 2,
                Exit::Nothing => 3,
            })
        }
    }
}

/// Says one line on standard error. Where nobody listens there is nobody to tell that either.
fn complain(message: &str) {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "tunerd: {line}");
}

fn completions(args: &CompletionsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    // Into memory first: the generators panic where they cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tunerd", &mut script);
    out.write_all(&script)?;
    Ok(())
}

/// Prints one value as a JSON object, for programs that read one.
fn print_json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::failed)?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// Prints one value as a line of JSON, for streams.
fn print_json_line(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(Failure::failed)?;
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}
