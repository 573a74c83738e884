//! The process around the loops: arguments, log, signals, and the synthetic run.

use super::supervisor::{self, RunError, Signal, Surroundings};
use super::synthetic_run;
use crate::cli::RunArgs;
use crate::commands::Failure;
use crate::config::{self, Config, ConfigError, RawConfig};
use kernfs::{Kernel, RealKernel, Roots};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// `tunerd run`.
///
/// # Errors
/// Wrong configuration, nothing to tune, or what made the daemon give up.
pub fn main(args: RunArgs) -> Result<(), Failure> {
    start_log();
    run(args)
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NothingToDo(_) => Self::nothing(error),
            RunError::Failed(_) => Self::failed(error),
        }
    }
}

fn run(args: RunArgs) -> Result<(), Failure> {
    let files = if args.config.is_empty() { config::standard_files() } else { args.config.clone() };
    let (json, fake, stop_after) = (args.json.json, args.fake_kernel, args.duration.map(Into::into));
    let roots = Roots::new(&args.roots.sysfs_root, &args.roots.proc_root);
    let flags = RawConfig::from(args);
    let config = config::load(&files, flags.clone())?;
    if fake {
        return Ok(synthetic_run::run(config, json, stop_after)?);
    }
    may_write(&config, &roots)?;
    let kernel: Arc<dyn Kernel> = Arc::new(RealKernel::new(roots));
    let surroundings = Surroundings {
        kernel,
        signals: listen()?,
        stop_after,
        json,
        reload: Box::new(move || config::load(&files, flags.clone())),
    };
    Ok(supervisor::run(config, &surroundings)?)
}

/// Tuning is root's; a tree that stands for /sys needs only its own permissions.
fn may_write(config: &Config, roots: &Roots) -> Result<(), RunError> {
    if config.mode != config::Mode::Observe && !may_write_live(*roots == Roots::live()) {
        let why = "changing the settings of disks takes root; --mode observe does without, --fake-kernel without a disk";
        return Err(RunError::NothingToDo(why.to_owned()));
    }
    Ok(())
}

/// Whether this process may try to write to the trees.
pub(crate) fn may_write_live(live: bool) -> bool {
    !live || rustix::process::geteuid().is_root()
}

/// One line an event, to standard error; `TUNERD_LOG` says how much (`debug`, `tunerd=trace`, …).
fn start_log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("TUNERD_LOG").unwrap_or_else(|_unset| EnvFilter::new("info"));
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // journald stamps lines itself.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .with_target(false)
        .compact();
    if journal { log.without_time().init() } else { log.init() }
}

/// Signals as messages. The second one that asks to end ends the process at once: the journal then says what is
/// to be put back.
pub(crate) fn listen() -> Result<Receiver<Signal>, RunError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])
        .map_err(|error| RunError::Failed(format!("cannot listen to signals: {error}")))?;
    let (sender, receiver): (Sender<Signal>, _) = channel();
    let listener = move || {
        let mut stopping = false;
        for signal in &mut signals {
            let message = match signal {
                SIGHUP => Signal::Reload,
                _ if stopping => {
                    eprintln!("tunerd: ended at the second signal; `tunerd restore` puts the settings back");
                    std::process::exit(1);
                }
                SIGINT => Signal::Stop("SIGINT"),
                _ => Signal::Stop("SIGTERM"),
            };
            stopping |= matches!(message, Signal::Stop(_));
            if sender.send(message).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listener)
        .map_err(|error| RunError::Failed(format!("cannot listen to signals: {error}")))?;
    Ok(receiver)
}
