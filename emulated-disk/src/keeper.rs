//! The process that keeps one emulated disk: it makes the parts, holds the loop device, and takes all apart at the end.
//!
//! There are two processes to a disk, so that each can die without harm. The server ([`crate::pump`]) is the only one
//! that has the FUSE connection: when it dies, the kernel aborts the connection, and who uses the disk gets errors
//! instead of waiting. The keeper is the one that has the loop device open: when it dies, the device goes with its
//! last other user, then the file, then the connection, then the server. A single process that had both could end up
//! waiting, in the close of the device, for an answer that it would have to give itself.

use crate::control::{self, Order};
use crate::loop_device::LoopDevice;
use crate::pump::TRIAL_SERVICE;
use crate::registry::{Entry, Process, Registry};
use crate::store::Store;
use crate::{Error, Spec, fuse};
use block_types::{Bytes, Nanos};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long users of the disk have to close it once it is to go; then the server ends, and they get errors.
const USERS_PATIENCE: Duration = Duration::from_secs(2);
/// How long the device has to be free after that.
const KERNEL_PATIENCE: Duration = Duration::from_secs(5);
/// The way to the emulator and back is measured with so many rounds of so many reads.
const ROUNDS: usize = 5;
const READS: usize = 40;
/// A longer way than this is the machine's bad moment, and nothing to make up for.
const LONGEST_LEAD: Nanos = Nanos(150_000);

/// Why a disk came to its end.
#[derive(Debug)]
enum End {
    /// It was asked to.
    Asked,
    /// The process that serves it died, as told.
    ServerDied(String),
}

/// What tells the keeper to end.
#[derive(Debug)]
pub struct Ending {
    asked: Arc<AtomicBool>,
    wake: UnixStream,
    tied: Option<OwnedFd>,
}

impl Ending {
    /// Listens for SIGTERM and SIGINT from now on, and for the end of `tied` if there is one.
    ///
    /// # Errors
    ///
    /// When signals cannot be listened for.
    pub fn listen(tied: Option<OwnedFd>) -> Result<Self, Error> {
        let asked = Arc::new(AtomicBool::new(false));
        let registered = || -> std::io::Result<UnixStream> {
            let (wake, waker) = UnixStream::pair()?;
            wake.set_nonblocking(true)?;
            for signal in [SIGTERM, SIGINT] {
                signal_hook::flag::register(signal, Arc::clone(&asked))?;
            }
            for signal in [SIGTERM, SIGINT, SIGCHLD] {
                signal_hook::low_level::pipe::register(signal, waker.try_clone()?)?;
            }
            Ok(wake)
        };
        let wake = registered().map_err(|error| Error::system("listen for signals", error))?;
        Ok(Self { asked, wake, tied })
    }

    /// Waits for the end: somebody asks for it, or the serving process dies.
    fn wait(&self, server: &mut Child) -> Result<End, Error> {
        loop {
            if let Some(status) =
                server.try_wait().map_err(|error| Error::system("wait for the server", error))?
            {
                return Ok(End::ServerDied(status.to_string()));
            }
            if self.asked.load(Ordering::Relaxed) {
                return Ok(End::Asked);
            }
            let mut polled = vec![PollFd::new(&self.wake, PollFlags::IN)];
            polled.extend(self.tied.as_ref().map(|tied| PollFd::new(tied, PollFlags::IN)));
            match poll(&mut polled, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Error::system("wait for signals", errno)),
            }
            // Nothing is ever written to it: it becomes readable when its other end is closed.
            if polled.get(1).is_some_and(|tied| !tied.revents().is_empty()) {
                return Ok(End::Asked);
            }
            let mut signals = [0; 64];
            let _ = (&self.wake).read(&mut signals);
        }
    }
}

/// An emulated disk in the hands of the process that keeps it.
#[derive(Debug)]
pub struct Kept {
    registry: Registry,
    entry: Entry,
    device: LoopDevice,
    server: Server,
}

/// The serving process. It is killed when this goes, which an ended one does not mind.
#[derive(Debug)]
struct Server {
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Kept {
    /// Makes the disk. `program` is `emudisk`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where this machine or this user cannot have one; nothing is left then.
    pub fn make(program: &Path, registry: Registry, spec: Spec) -> Result<Self, Error> {
        spec.check()?;
        if !rustix::process::geteuid().is_root() {
            return Err(Error::unavailable("an emulated disk needs root, for FUSE and the loop driver"));
        }
        registry.create()?;
        registry.clear_dead()?;
        let store = Store::create(&spec.backing, spec.size)?;
        let connection = fuse::open_connection()?;
        let pid = std::process::id();
        let name =
            format!("emudisk-{}-{pid}", spec.model.name().replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let control = registry.directory().join(format!("{pid}.socket"));
        let _ = std::fs::remove_file(&control);
        // Before there is a server: a connection without a mount cannot be read from.
        let mount = fuse::mount(&connection)?;
        let server = Server { child: start_server(program, &spec, &name, &control, connection, store)? };
        let made = Self::assemble(registry, spec, &name, control.clone(), &mount, server);
        if made.is_err() {
            let _ = std::fs::remove_file(&control);
        }
        made
    }

    fn assemble(
        registry: Registry,
        spec: Spec,
        name: &str,
        control: PathBuf,
        mount: &OwnedFd,
        server: Server,
    ) -> Result<Self, Error> {
        let file = fuse::open_file(mount, name)?;
        let device = LoopDevice::attach(file.as_fd(), name)?;
        // From here on only the loop device has the file open.
        drop(file);
        let lead = match spec.lead {
            Some(lead) => lead,
            None => measure_way(device.path(), spec.size)?,
        };
        control::ask(&control, Order::Begin { lead })?;
        make_usual(&device, &spec)?;
        let process = |pid| Process::find(pid).ok_or_else(|| Error::failed(format!("process {pid} is gone")));
        let entry = Entry {
            name: device.name().to_owned(),
            path: device.path().to_owned(),
            backing_file: device.backing_file().to_owned(),
            spec: Spec { lead: Some(lead), ..spec },
            keeper: process(std::process::id())?,
            server: process(server.child.id())?,
            control,
        };
        registry.write(&entry)?;
        Ok(Self { registry, entry, device, server })
    }

    /// What is registered of it.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Keeps the disk until its end, then takes it apart.
    ///
    /// # Errors
    ///
    /// Where the server died, or something is left.
    pub fn keep(mut self, ending: &Ending) -> Result<(), Error> {
        match ending.wait(&mut self.server.child)? {
            End::Asked => self.detach(),
            End::ServerDied(how) => {
                let _ = self.device.queue().reset();
                let free = self.device.release(KERNEL_PATIENCE);
                // The entry stays, to tell who asks what became of the disk.
                let _ = std::fs::remove_file(&self.entry.control);
                let left = if free { "" } else { "; the device is still open in another program" };
                Err(Error::failed(format!("the process that served {} ended: {how}{left}", self.entry.name)))
            }
        }
    }

    /// Takes the disk apart. Who still uses it has a moment to close it, and then gets errors.
    ///
    /// # Errors
    ///
    /// Where the device stays, because another program has it open.
    pub fn detach(mut self) -> Result<(), Error> {
        let server = self.entry.server;
        let (over, is_over) = mpsc::channel::<()>();
        // The close below writes what the page cache holds, and a slow disk may take minutes for data that are about to
        // be thrown away.
        let watch = std::thread::spawn(move || {
            if is_over.recv_timeout(USERS_PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = server.signal(Signal::KILL);
            }
        });
        // While the server works, so that what is on its way is answered first.
        let knobs = self.device.queue().reset();
        let free = self.device.release(USERS_PATIENCE) || {
            let _ = self.server.child.kill();
            self.device.release(KERNEL_PATIENCE)
        };
        drop(over);
        let _ = watch.join();
        self.wait_for_server();
        self.registry.remove(&self.entry);
        knobs?;
        if free { Ok(()) } else { Err(self.still_open()) }
    }

    fn still_open(&self) -> Error {
        Error::failed(format!(
            "{} is still open in another program, and detaches when that closes it",
            self.entry.path.display()
        ))
    }

    /// The server ends by itself once its connection is closed.
    fn wait_for_server(&mut self) {
        let until = Instant::now() + KERNEL_PATIENCE;
        while matches!(self.server.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn start_server(
    program: &Path,
    spec: &Spec,
    name: &str,
    control: &Path,
    connection: OwnedFd,
    store: Store,
) -> Result<Child, Error> {
    let described = serde_json::to_string(spec).map_err(|error| Error::system("describe the disk", error))?;
    let mut command = Command::new(program);
    command.arg("serve").args(["--spec", &described, "--file-name", name, "--control"]).arg(control);
    // The two descriptors that it needs are its standard input and output. Its own process group, so that Ctrl-C
    // at a terminal reaches only the keeper.
    command.stdin(Stdio::from(connection)).stdout(Stdio::from(store.into_fd())).process_group(0);
    command.spawn().map_err(|error| Error::path("start", program, error))
}

/// Gives the queue what a real disk of the kind would have by default.
fn make_usual(device: &LoopDevice, spec: &Spec) -> Result<(), Error> {
    let (queue, traits) = (device.queue(), spec.model.traits());
    queue.set_tag_depth(spec.depth())?;
    if !spec.model.has_many_queues() {
        queue.choose_usual_scheduler(spec.depth())?;
    }
    queue.set_write_cache(traits.volatile_write_cache)?;
    queue.set_rotational(traits.rotational)?;
    queue.settle_read_ahead()?;
    if let Some(limit) = spec.bound_buffered_writes {
        queue.bound_buffered_writes(limit)?;
    }
    Ok(())
}

/// How much longer a read takes than its service: the median of the medians of some rounds of single 4 KiB reads, so
/// that a short disturbance does not count.
fn measure_way(device: &Path, size: Bytes) -> Result<Nanos, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    let file =
        rustix::fs::open(device, flags, Mode::empty()).map_err(|error| Error::path("open", device, error))?;
    // Direct I/O wants memory at a multiple of the block size.
    let mut memory = vec![0_u8; 8192];
    let start = memory.as_ptr().align_offset(4096).min(4096);
    let buffer = &mut memory[start..start + 4096];
    let mut rounds = [Nanos::ZERO; ROUNDS];
    for round in &mut rounds {
        let mut took = [Nanos::ZERO; READS];
        for (index, took) in took.iter_mut().enumerate() {
            let offset = (index as u64 * 4096 * 7) % size.0;
            let begin = Instant::now();
            rustix::io::pread(&file, &mut *buffer, offset)
                .map_err(|error| Error::path("read", device, error))?;
            *took = Nanos::from(begin.elapsed()) - TRIAL_SERVICE;
        }
        took.sort_unstable();
        *round = took[READS / 2];
    }
    rounds.sort_unstable();
    Ok(rounds[ROUNDS / 2].min(LONGEST_LEAD))
}
