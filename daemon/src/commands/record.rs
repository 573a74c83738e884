//! `record`: a disk's events in files that blkparse, btt and fio read.

use super::Failure;
use crate::cli::RecordArgs;
use std::io::Write;

#[cfg(not(target_os = "linux"))]
pub(super) fn record(_args: &RecordArgs, _out: &mut dyn Write) -> Result<(), Failure> {
    Err(Failure::nothing("only Linux has the blk tracer"))
}

#[cfg(target_os = "linux")]
pub(super) fn record(args: &RecordArgs, out: &mut dyn Write) -> Result<(), Failure> {
    linux::record(args, out)
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Failure, RecordArgs, Write};
    use crate::commands::{complain, kernel, print_json, resolve, stop_signals};
    use crate::config::Config;
    use kernfs::{Disk, Identity};
    use sampler::blk_tracer::{RecordError, RecordRequest, Recorded, Recording};
    use serde::Serialize;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc::RecvTimeoutError;
    use std::time::{Duration, Instant};

    /// Between two looks at whether there is room left.
    const LOOK: Duration = Duration::from_millis(50);

    /// Why a recording ended.
    #[derive(Clone, Copy, Debug, Serialize)]
    #[serde(rename_all = "kebab-case")]
    enum Ended {
        /// The time was up.
        Time,
        /// The files have the size that was allowed.
        Size,
        /// A signal came.
        Signal,
    }

    /// What stands beside the files, and is printed with `--json`.
    #[derive(Debug, Serialize)]
    struct Facts<'a> {
        device: &'a str,
        dev: block_types::DevNo,
        size_sectors: block_types::Sectors,
        kernel: String,
        tunerd: &'static str,
        command: Vec<String>,
        /// The base name that `blkparse -i` takes, inside the directory.
        base: &'a str,
        clock: &'static str,
        ended: Ended,
        #[serde(flatten)]
        recorded: &'a Recorded,
    }

    fn failure(error: RecordError) -> Failure {
        match error {
            RecordError::Unavailable { .. } => Failure::nothing(error),
            _ => Failure::failed(error),
        }
    }

    pub(super) fn record(args: &RecordArgs, out: &mut dyn Write) -> Result<(), Failure> {
        let kernel = kernel(&args.roots);
        let found = Disk::find(kernel.clone(), &resolve(&args.device.device)).map_err(Failure::failed)?;
        if let Some(partition) = &found.partition {
            complain(&format!("{partition} is a partition; this is all of {}", found.disk.name()));
        }
        let identity = found.disk.identity().map_err(Failure::failed)?;
        std::fs::create_dir_all(&args.out)
            .map_err(|error| Failure::failed(format_args!("{}: {error}", args.out.display())))?;
        let default = Config::default();
        let request = RecordRequest {
            name: identity.name.clone(),
            dev: identity.devno,
            out: args.out.clone(),
            max_bytes: args.max_size,
            state_dir: args.paths.state_dir.clone().unwrap_or(default.state_dir),
            run_dir: args.paths.run_dir.clone().unwrap_or(default.run_dir),
        };
        // Before anything is changed: an interrupted start must still put it back.
        let stop = stop_signals()?;
        let recording = Recording::start(kernel, request).map_err(failure)?;
        complain(&format!(
            "recording {} into {} for {}, at most {:.0} MB; Ctrl-C ends it",
            identity.name,
            args.out.display(),
            args.duration,
            args.max_size.0 as f64 / 1e6
        ));
        let deadline = Instant::now() + Duration::from(args.duration);
        let ended = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Ended::Time;
            }
            if recording.is_over() {
                break if recording.is_full() { Ended::Size } else { Ended::Signal };
            }
            match stop.recv_timeout(left.min(LOOK)) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break Ended::Signal,
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let recorded = recording.end().map_err(failure)?;
        told(args, &identity, ended, &recorded, out)
    }

    fn told(
        args: &RecordArgs,
        identity: &Identity,
        ended: Ended,
        recorded: &Recorded,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let facts = Facts {
            device: &identity.name,
            dev: identity.devno,
            size_sectors: identity.size,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            tunerd: env!("CARGO_PKG_VERSION"),
            command: std::env::args().collect(),
            base: &identity.name,
            clock: "CLOCK_MONOTONIC",
            ended,
            recorded,
        };
        let beside = args.out.join(format!("{}.json", identity.name));
        write_beside(&beside, &facts)?;
        if args.json.json {
            print_json(out, &facts)?;
        } else {
            let base: PathBuf = args.out.join(&identity.name);
            writeln!(
                out,
                "{} events in {:.1} MB ({}), {} lost{}; read them with `blkparse -i {}` or `tunerd fingerprint --trace {}`",
                recorded.events,
                recorded.bytes as f64 / 1e6,
                recorded.duration_ns,
                recorded.lost,
                match recorded.after_limit {
                    0 => String::new(),
                    more => format!(", {more} more came after the size limit"),
                },
                base.display(),
                base.display(),
            )?;
        }
        if recorded.settings.failed.is_empty() {
            return Ok(());
        }
        Err(Failure::failed(format_args!("not everything could be put back: {}", recorded.settings)))
    }

    fn write_beside(path: &Path, facts: &Facts<'_>) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(facts).map_err(Failure::failed)?;
        text.push(b'\n');
        std::fs::write(path, text)
            .map_err(|error| Failure::failed(format_args!("{}: {error}", path.display())))
    }
}
