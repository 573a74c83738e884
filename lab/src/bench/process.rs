//! Child processes that never outlive the laboratory.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running program. Dropping it asks the program to end, then makes it.
///
/// The kernel also ends it when this process dies in a way that drops nothing (`PR_SET_PDEATHSIG`, through
/// util-linux' `setpriv`), so it must be started from a thread that lives as long as the measurement does.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    ended: Option<ExitStatus>,
}

/// How long a program may take to end once asked, before it is killed. A frozen queue can hold a `tunerd` in a
/// write for seconds, and it restores before it ends.
const PATIENCE: Duration = Duration::from_secs(20);

impl Process {
    /// Starts a program with its standard streams as pipes, standard error excepted, which is a pipe only if
    /// `keep_stderr`; else it goes where ours goes.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start<I, S>(program: &OsStr, arguments: I, keep_stderr: bool) -> Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(if keep_stderr { Stdio::piped() } else { Stdio::inherit() })
            .spawn()
            .with_context(|| format!("cannot start {} (through setpriv)", program.display()))?;
        Ok(Self { name: program.display().to_string(), child, ended: None })
    }

    /// Its standard input, once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Its standard error, once, if it was kept.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When the kernel will not say.
    pub fn poll(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().with_context(|| format!("cannot wait for {}", self.name))?;
        }
        Ok(self.ended)
    }

    /// Sends a signal; a program that has ended already is left alone.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended.is_none()
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            // Not waited for yet, so the number cannot have gone to another process.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits until it ends; answers `None` when `limit` is over first.
    ///
    /// # Errors
    ///
    /// When the kernel will not say.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.poll()? {
                return Ok(Some(status));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.poll(), Ok(Some(_))) {
            return;
        }
        self.signal(Signal::TERM);
        if !matches!(self.wait(PATIENCE), Ok(Some(_))) {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Runs a program to its end and answers what it printed.
///
/// # Errors
///
/// When it cannot be started, or ends otherwise than with status 0: the error then carries what it said.
pub fn output<I, S>(program: impl AsRef<OsStr>, arguments: I, input: Option<&str>) -> Result<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let program = program.as_ref();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input.as_bytes())?;
    }
    let done = child.wait_with_output()?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{} ended with {}: {}", program.display(), done.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Reads a stream to its end on a thread of its own, so that a program never blocks on a full pipe.
pub fn drain(stream: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut stream = stream;
        // What was read before a failure is still worth showing.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_program_is_gone() {
        let process = Process::start(OsStr::new("sleep"), ["60"], false).unwrap();
        let path = format!("/proc/{}", process.id());
        assert!(std::path::Path::new(&path).exists());
        drop(process);
        assert!(!std::path::Path::new(&path).exists());
    }

    #[test]
    fn a_failing_program_is_quoted() {
        let error = output("sh", ["-c", "echo no luck >&2; exit 3"], None).unwrap_err().to_string();
        assert!(error.contains("no luck") && error.contains('3'), "{error}");
        assert_eq!(output("cat", [""; 0], Some("hello")).unwrap(), "hello");
    }
}
