//! How other processes speak with the one that serves a disk: one line of JSON each way, on a Unix socket.

use crate::{Error, Stats};
use block_types::Nanos;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// Nobody may hold up the serving process for longer, nor be held up by it.
const SERVER_PATIENCE: Duration = Duration::from_millis(100);
const CLIENT_PATIENCE: Duration = Duration::from_secs(5);

/// What can be asked of the serving process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Say what was done so far.
    Stats,
    /// Begin with the model, and count from zero.
    Begin {
        /// How much earlier than the model's disk answers leave.
        lead: Nanos,
    },
}

/// The socket on which orders come.
#[derive(Debug)]
pub(crate) struct Orders(UnixListener);

impl AsFd for Orders {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Orders {
    /// Listens at `path`.
    pub(crate) fn listen(path: &Path) -> Result<Self, Error> {
        let listener = UnixListener::bind(path).map_err(|error| Error::path("listen on", path, error))?;
        listener.set_nonblocking(true).map_err(|error| Error::path("listen on", path, error))?;
        Ok(Self(listener))
    }

    /// Somebody who wants something, if there is one.
    pub(crate) fn next(&self) -> Option<Asked> {
        let (stream, _) = self.0.accept().ok()?;
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(SERVER_PATIENCE)).ok()?;
        stream.set_write_timeout(Some(SERVER_PATIENCE)).ok()?;
        Some(Asked(BufReader::new(stream)))
    }
}

/// One who wants something.
pub(crate) struct Asked(BufReader<UnixStream>);

impl Asked {
    /// What is wanted; `None` where it cannot be understood.
    pub(crate) fn order(&mut self) -> Option<Order> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// Answers. That it does not arrive is the other's loss.
    pub(crate) fn reply(mut self, stats: &Stats) {
        if let Ok(mut line) = serde_json::to_vec(stats) {
            line.push(b'\n');
            let _ = self.0.get_mut().write_all(&line);
        }
    }
}

/// Gives an order to the serving process that listens at `path`.
pub(crate) fn ask(path: &Path, order: Order) -> Result<Stats, Error> {
    let asked = || -> std::io::Result<Stats> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(CLIENT_PATIENCE))?;
        stream.set_write_timeout(Some(CLIENT_PATIENCE))?;
        let mut order = serde_json::to_vec(&order)?;
        order.push(b'\n');
        (&stream).write_all(&order)?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    asked().map_err(|error| Error::path("speak with the serving process at", path, error))
}
