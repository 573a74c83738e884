//! The daemon's side of the socket: one thread, any number of idle clients, no busy waiting.
//!
//! Connections are polled together, so that a client that says nothing, or half a line, holds up nobody. Each has
//! a limit on its line, on its idle time and on how long it may take to fetch an answer; the number of connections
//! is limited too.

use super::{Peer, Request, Response, Service};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Gid, Mode};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest request, with its newline.
const LINE_BYTES: usize = 4_096;
/// How many clients are served at once; more wait in the kernel's queue.
const CLIENTS: usize = 32;
/// How long a client may stay without a complete request, or without fetching its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the socket could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon listens there.
    #[error("{}: another tunerd listens here already", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket is in its place.
    #[error("{}: found a file that is no socket; it was left as it is", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// There is no such group.
    #[error("socket_group: found {group:?}, expected the name or the number of a group on this machine")]
    UnknownGroup {
        /// The group.
        group: String,
    },
    /// The system refused.
    #[error("{}: {operation}: {source}", path.display())]
    Io {
        /// The socket or its directory.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// A listening socket and the thread that serves it. Dropping it stops the thread and removes the socket.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    /// Closing it wakes the thread.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
    /// Held for as long as the socket is ours, so that a starting daemon can tell a dead one's from a live one's.
    _lock: File,
}

impl Server {
    /// Listens at `path` for whoever is in `group` (a name or a number; without it, the process's own), and
    /// answers with `service`. The directory is made if it is not there.
    ///
    /// # Errors
    /// Where another daemon listens there, the group is unknown, or the system refuses.
    pub fn start(path: &Path, group: Option<&str>, service: Arc<dyn Service>) -> Result<Self, BindError> {
        let error = |operation| move |source| BindError::Io { path: path.to_owned(), operation, source };
        let gid = group.map(find_group).transpose()?;
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(error("make the run directory"))?;
        }
        let lock_path = path.with_extension("sock.lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(error("open the lock of the socket"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(BindError::InUse { path: path.to_owned() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(error("lock the socket")(source)),
        }
        remove_stale(path)?;
        let listener = bind(path, gid).map_err(|errno| error("listen")(errno.into()))?;
        listener.set_nonblocking(true).map_err(error("listen"))?;
        let (stop, stopped) = UnixStream::pair().map_err(error("make a pair of sockets"))?;
        let own_uid = rustix::process::geteuid().as_raw();
        let desk = Desk { listener, stopped, service, own_uid, clients: Vec::new() };
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || desk.serve())
            .map_err(error("start the thread"))?;
        Ok(Self { path: path.to_owned(), stop: Some(stop), thread: Some(thread), _lock: lock })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A service that panicked has been reported by the panic hook.
            let _ = thread.join();
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }
}

/// Removes what a daemon that died has left; whoever holds the lock of the socket is the only one who may.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(BindError::NotASocket { path: path.to_owned() }),
        Ok(_socket) => std::fs::remove_file(path).map_err(|source| BindError::Io {
            path: path.to_owned(),
            operation: "remove what a daemon that died has left",
            source,
        }),
        Err(_none) => Ok(()),
    }
}

fn bind(path: &Path, gid: Option<Gid>) -> rustix::io::Result<UnixListener> {
    const MODE: Mode = Mode::from_raw_mode(0o660);
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // The mode of the open socket becomes that of its file, less the umask: at no time can more people open it.
    rustix::fs::fchmod(&socket, MODE)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    if gid.is_some() {
        rustix::fs::chown(path, None, gid)?;
    }
    rustix::fs::chmod(path, MODE)?;
    rustix::net::listen(&socket, 16)?;
    Ok(UnixListener::from(socket))
}

/// The number of a group: one itself, or looked up in `/etc/group`.
fn find_group(group: &str) -> Result<Gid, BindError> {
    let unknown = || BindError::UnknownGroup { group: group.to_owned() };
    if let Ok(number) = group.parse() {
        return Ok(Gid::from_raw(number));
    }
    let table = std::fs::read_to_string("/etc/group").map_err(|_unreadable| unknown())?;
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (name == group).then(|| fields.nth(1)?.parse().ok())?
        })
        .map(Gid::from_raw)
        .next()
        .ok_or_else(unknown)
}

struct Desk {
    listener: UnixListener,
    stopped: UnixStream,
    service: Arc<dyn Service>,
    own_uid: u32,
    clients: Vec<Client>,
}

struct Client {
    stream: UnixStream,
    peer: Peer,
    heard: Vec<u8>,
    to_say: Vec<u8>,
    deadline: Instant,
    /// Nothing more is read; what is to be said is said, then the connection is closed.
    closing: bool,
}

impl Desk {
    fn serve(mut self) {
        loop {
            let now = Instant::now();
            self.clients.retain(|client| now < client.deadline);
            let Some(ready) = self.wait(now) else { return };
            for (client, ready) in self.clients.iter_mut().zip(&ready.clients) {
                if !ready.is_empty() && client.turn(self.service.as_ref(), self.own_uid).is_err() {
                    client.deadline = now;
                }
            }
            if ready.new_one {
                self.accept();
            }
        }
    }

    /// Waits until somebody wants something or has waited too long; `None` when the server is to stop.
    fn wait(&self, now: Instant) -> Option<Ready> {
        let listening = if self.clients.len() < CLIENTS { PollFlags::IN } else { PollFlags::empty() };
        let mut polled =
            vec![PollFd::new(&self.stopped, PollFlags::IN), PollFd::new(&self.listener, listening)];
        polled.extend(self.clients.iter().map(|client| {
            let wanted = if client.to_say.is_empty() { PollFlags::IN } else { PollFlags::OUT };
            PollFd::from_borrowed_fd(client.stream.as_fd(), wanted)
        }));
        let patience = self.clients.iter().map(|client| client.deadline.saturating_duration_since(now)).min();
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                tracing::warn!("control socket: {errno}; it is closed");
                return None;
            }
        }
        let mut ready = polled.iter().map(PollFd::revents);
        let stopped = ready.next().is_some_and(|flags| !flags.is_empty());
        let new_one = ready.next().is_some_and(|flags| !flags.is_empty());
        (!stopped).then(|| Ready { new_one, clients: ready.collect() })
    }

    fn accept(&mut self) {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
                    tracing::debug!("control socket: accept: {error}");
                    // Out of descriptors, say: let those that are here finish before the next try.
                    std::thread::sleep(Duration::from_millis(50));
                }
                return;
            }
        };
        match rustix::net::sockopt::socket_peercred(&stream).map_err(std::io::Error::from).and_then(|who| {
            stream.set_nonblocking(true)?;
            Ok(Peer { uid: who.uid.as_raw(), gid: who.gid.as_raw(), pid: who.pid.as_raw_nonzero().get() })
        }) {
            Ok(peer) => self.clients.push(Client {
                stream,
                peer,
                heard: Vec::new(),
                to_say: Vec::new(),
                deadline: Instant::now() + PATIENCE,
                closing: false,
            }),
            // Whose they are is not known, so nothing is said.
            Err(error) => tracing::debug!("control socket: peer credentials: {error}"),
        }
    }
}

struct Ready {
    new_one: bool,
    clients: Vec<PollFlags>,
}

/// The connection is over: the client has gone, or has been told all there is to tell.
struct Over;

impl Client {
    /// Says what is to be said, else listens.
    fn turn(&mut self, service: &dyn Service, own_uid: u32) -> Result<(), Over> {
        if self.to_say.is_empty() {
            self.listen(service, own_uid)?;
        }
        self.say()
    }

    fn listen(&mut self, service: &dyn Service, own_uid: u32) -> Result<(), Over> {
        let mut bytes = [0; LINE_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Err(Over),
            Ok(count) => self.heard.extend_from_slice(&bytes[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(_) => return Err(Over),
        }
        while let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            self.answer(&self.reply(&line, service, own_uid));
        }
        if self.heard.len() >= LINE_BYTES {
            self.answer(&Response::failed(format!("found a line longer than {LINE_BYTES} bytes")));
            self.heard.clear();
            self.closing = true;
        }
        Ok(())
    }

    fn reply(&self, line: &[u8], service: &dyn Service, own_uid: u32) -> Response {
        let request: Request = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => {
                let expected = r#"expected a request such as {"request":"status"}"#;
                return Response::failed(format!("{expected}: {error}"));
            }
        };
        if request.changes() && !self.peer.may_change(own_uid) {
            return Response::failed(format!(
                "user {} may ask for the status only: changes are for root and for user {own_uid}",
                self.peer.uid
            ));
        }
        service.handle(request, self.peer)
    }

    fn answer(&mut self, response: &Response) {
        let text = serde_json::to_vec(response)
            .unwrap_or_else(|error| format!(r#"{{"response":"failed","message":"{error}"}}"#).into_bytes());
        self.to_say.extend_from_slice(&text);
        self.to_say.push(b'\n');
        self.deadline = Instant::now() + PATIENCE;
    }

    fn say(&mut self) -> Result<(), Over> {
        while !self.to_say.is_empty() {
            match self.stream.write(&self.to_say) {
                Ok(0) => return Err(Over),
                Ok(count) => drop(self.to_say.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Over),
            }
        }
        if self.closing { Err(Over) } else { Ok(()) }
    }
}
