//! What the tests of the program share: running it, and trees that stand for the kernel's.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up fails")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a finished `tunerd` has said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status.
    pub(crate) status: i32,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit status and that exactly one line says why, with each of `parts` in it.
    #[track_caller]
    pub(crate) fn refused(&self, status: i32, parts: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with("tunerd: "), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{:?} does not show {part:?}", self.err);
        }
    }

    /// Asserts that it did what was asked without a word on standard error; answers its output.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.status, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }
}

/// The program.
pub(crate) fn tunerd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tunerd"));
    command.stdin(Stdio::null()).env_remove("TUNERD_LOG").env("LC_ALL", "C");
    command
}

/// Runs it with arguments.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    Ran::of(tunerd().args(arguments).output().unwrap())
}

/// Runs it with arguments and something on its standard input.
pub(crate) fn run_with_input<S: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    input: &str,
) -> Ran {
    let mut child = tunerd()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

/// A tree of files in place of /sys and /proc.
pub(crate) struct Machine {
    directory: tempfile::TempDir,
}

impl Machine {
    /// Without any disk.
    pub(crate) fn new() -> Self {
        let machine = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(machine.sys().join("block")).unwrap();
        machine.write("proc/sys/kernel/osrelease", "6.18.0-test\n");
        machine.write("proc/sys/kernel/random/boot_id", "5c4c8b7e-0000-4000-8000-000000000000\n");
        machine.write("proc/diskstats", "");
        machine
    }

    /// With one more disk, of `size` sectors.
    pub(crate) fn disk(self, name: &str, dev: &str, size: u64) -> Self {
        let file = |rest: &str, text: &str| self.write(&format!("sys/block/{name}/{rest}"), text);
        file("dev", &format!("{dev}\n"));
        file("size", &format!("{size}\n"));
        file("ro", "0\n");
        file("removable", "0\n");
        file("hidden", "0\n");
        file("diskseq", "9\n");
        file("stat", &format!("{}\n", ["0"; 17].join(" ")));
        file("inflight", "0 0\n");
        file("queue/scheduler", "none [mq-deadline] kyber bfq\n");
        file("queue/rotational", "1\n");
        file("queue/zoned", "none\n");
        file("queue/nr_requests", "64\n");
        file("queue/read_ahead_kb", "128\n");
        file("queue/max_sectors_kb", "1280\n");
        file("queue/max_hw_sectors_kb", "4096\n");
        file("queue/rq_affinity", "1\n");
        file("queue/nomerges", "0\n");
        file("queue/iosched/fifo_batch", "16\n");
        file("queue/iosched/read_expire", "500\n");
        file("mq/0/nr_tags", "64\n");
        let (major, minor) = dev.split_once(':').unwrap();
        let stats = std::fs::read_to_string(self.path("proc/diskstats")).unwrap();
        let zeros = ["0"; 17].join(" ");
        self.write("proc/diskstats", &format!("{stats}{major:>4} {minor:>7} {name} {zeros}\n"));
        self
    }

    /// Writes a file of the tree.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Removes a file or a directory of the tree.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }

    /// A place in the tree.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// In place of /sys.
    pub(crate) fn sys(&self) -> PathBuf {
        self.path("sys")
    }

    /// A state directory beside the trees.
    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The arguments that lead the program here, after those given.
    pub(crate) fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        let roots = [("--sysfs-root", self.sys()), ("--proc-root", self.path("proc"))];
        let roots = roots.into_iter().flat_map(|(flag, path)| [flag.to_owned(), text(&path)]);
        arguments.iter().map(|argument| (*argument).to_owned()).chain(roots).collect()
    }

    /// Runs the program on these trees.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.arguments(arguments))
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
