//! The built `tunerd`, through the interface that its users have: arguments in, JSON out.

use crate::bench::clock::monotonic;
use crate::bench::interrupt::Interrupt;
use crate::bench::process::{self, Process};
use anyhow::{Context, Result, bail, ensure};
use block_types::Nanos;
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The program and the directories that are its own for one measurement.
#[derive(Clone, Debug)]
pub struct Tunerd {
    program: PathBuf,
    directory: PathBuf,
}

impl Tunerd {
    /// The program at `path`, or else the one beside this program; its state goes below `directory`, so that
    /// no measurement sees what another learned, nor the machine's own daemon.
    ///
    /// # Errors
    ///
    /// When there is no program.
    pub fn find(path: Option<&Path>, directory: &Path) -> Result<Self> {
        let program = match path {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()
                .context("cannot tell where this program is")?
                .with_file_name(format!("tunerd{}", std::env::consts::EXE_SUFFIX)),
        };
        ensure!(
            program.is_file(),
            "there is no {}; build it (make build) or name it with --tunerd",
            program.display()
        );
        Ok(Self { program, directory: directory.to_owned() })
    }

    /// The same program with another state directory, which is made.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made.
    pub fn with_state(&self, name: &str) -> Result<Self> {
        let directory = self.directory.join(name);
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Self { program: self.program.clone(), directory })
    }

    /// Where the program is.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The directory of its store and journals.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// The directory of its locks and socket.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.directory.join("run")
    }

    pub(crate) fn arguments(&self, command: &str, places: &[Place], rest: &[&str]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = command.split_whitespace().map(OsString::from).collect();
        for place in places {
            match place {
                Place::State => arguments.extend(["--state-dir".into(), self.state_dir().into()]),
                Place::Run => arguments.extend(["--run-dir".into(), self.run_dir().into()]),
            }
        }
        arguments.extend(rest.iter().map(OsString::from));
        arguments
    }

    /// Runs a command that prints one JSON object and ends.
    ///
    /// # Errors
    ///
    /// When it fails, or prints something else.
    pub fn ask<T: DeserializeOwned>(&self, command: &str, places: &[Place], rest: &[&str]) -> Result<T> {
        let text = process::output(&self.program, self.arguments(command, places, rest), None)?;
        serde_json::from_str(text.trim()).with_context(|| {
            let start: String = text.chars().take(300).collect();
            format!("tunerd {command} printed {start:?}, expected JSON")
        })
    }

    /// Runs a command that prints JSON lines and ends by itself.
    ///
    /// # Errors
    ///
    /// When it fails, or prints something else.
    pub fn lines(&self, command: &str, rest: &[&str]) -> Result<Vec<Value>> {
        let text = process::output(&self.program, self.arguments(command, &[], rest), None)?;
        text.lines()
            .map(|line| {
                serde_json::from_str(line).with_context(|| format!("tunerd printed {line:?}, expected JSON"))
            })
            .collect()
    }

    /// Starts a command that prints JSON lines until it is stopped.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn stream(&self, command: &str, places: &[Place], rest: &[&str]) -> Result<Stream> {
        let mut process =
            Process::start(self.program.as_os_str(), self.arguments(command, places, rest), true)?;
        let log = process.stderr().map(process::drain);
        let stdout = process.stdout().context("no standard output")?;
        let (sender, events) = channel();
        // A thread of its own, so that lines get their time of arrival and the program never waits for us.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                let line = serde_json::from_str(&line)
                    .with_context(|| format!("tunerd printed {line:?}, expected JSON"));
                if sender.send((monotonic(), line)).is_err() {
                    break;
                }
            }
        });
        Ok(Stream { process, events, log })
    }

    /// `tunerd run --json` on one device, with more arguments.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn run(&self, device: &str, rest: &[&str]) -> Result<Stream> {
        let mut arguments = vec!["--json", "--device", device];
        arguments.extend(rest);
        // An empty file, so that the machine's own configuration plays no part.
        let config = self.directory.join("empty.toml");
        std::fs::write(&config, "")?;
        let config = config.to_string_lossy();
        arguments.extend(["--config", &config]);
        self.stream("run", &[Place::State, Place::Run], &arguments)
    }
}

/// A directory that a subcommand wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `--state-dir`.
    State,
    /// `--run-dir`.
    Run,
}

/// A `tunerd` at work.
#[derive(Debug)]
pub struct Stream {
    process: Process,
    events: Receiver<(Nanos, Result<Value>)>,
    log: Option<JoinHandle<String>>,
}

impl Stream {
    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line and when it arrived, or `None` when there is none within `limit`.
    ///
    /// # Errors
    ///
    /// When the program has ended, or printed what is not JSON.
    pub fn next(&mut self, limit: Duration) -> Result<Option<(Nanos, Value)>> {
        match self.events.recv_timeout(limit) {
            Ok((at, line)) => Ok(Some((at, line?))),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                let ended = self.process.wait(Duration::from_secs(2))?;
                let log = self.log.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
                let status = ended.map_or_else(|| "no status".to_owned(), |status| status.to_string());
                bail!("tunerd ended ({status}): {}", log.trim())
            }
        }
    }

    /// Waits for the first line whose `event` is `name`; lines before it are dropped.
    ///
    /// # Errors
    ///
    /// As [`Self::next`], or when it does not come within `limit`.
    pub fn wait_for(&mut self, name: &str, limit: Duration, interrupt: &Interrupt) -> Result<Value> {
        let until = Instant::now() + limit;
        loop {
            interrupt.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("tunerd reported no {name:?} within {limit:?}");
            }
            if let Some((_, event)) = self.next(left.min(Duration::from_millis(100)))?
                && event["event"] == name
            {
                return Ok(event);
            }
        }
    }

    /// All lines that have arrived by now.
    ///
    /// # Errors
    ///
    /// When one of them is not JSON.
    pub fn arrived(&mut self) -> Result<Vec<Value>> {
        self.events.try_iter().map(|(_, line)| line).collect()
    }

    /// All whole lines that have arrived by now, of a program that was killed: its last line may be cut.
    pub fn arrived_whole(&mut self) -> Vec<Value> {
        self.events.try_iter().filter_map(|(_, line)| line.ok()).collect()
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until the program has ended; answers whether it did within `limit`.
    ///
    /// # Errors
    ///
    /// When the kernel will not say.
    pub fn wait_end(&mut self, limit: Duration) -> Result<bool> {
        Ok(self.process.wait(limit)?.is_some())
    }

    /// Asks the program to end, waits until it has, and answers all lines that were not taken yet.
    ///
    /// # Errors
    ///
    /// When it does not end, ends badly, or printed what is not JSON.
    pub fn stop(mut self) -> Result<Vec<Value>> {
        self.process.signal(Signal::TERM);
        let ended = self.process.wait(Duration::from_secs(60))?;
        let Some(status) = ended else { bail!("tunerd was asked to end and did not within 60 s") };
        let lines = self.events.iter().map(|(_, line)| line).collect::<Result<Vec<_>>>()?;
        let log = self.log.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        ensure!(status.success(), "tunerd ended with {status}: {}", log.trim());
        Ok(lines)
    }
}

/// A field of an event, by its JSON type.
///
/// # Errors
///
/// When it is missing or of another type.
pub fn field<T: DeserializeOwned>(event: &Value, name: &str) -> Result<T> {
    serde_json::from_value(event[name].clone())
        .with_context(|| format!("tunerd's event {event} has no good {name:?}"))
}

/// The path of an argument as text, which every path that this laboratory makes is.
#[must_use]
pub fn text(path: &Path) -> String {
    OsStr::new(path).to_string_lossy().into_owned()
}
