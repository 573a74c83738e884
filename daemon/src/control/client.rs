//! The client's side of the socket.

use super::{Request, Response};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest answer that is read. A status takes about 4 KiB a device.
const ANSWER_BYTES: u64 = 16 << 20;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no tunerd is running: nobody listens at {}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// This user may not open the socket.
    #[error("{}: this user may not talk to tunerd: be root, or a member of the socket's group", path.display())]
    Permission {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon did not answer in time.
    #[error("{}: tunerd did not answer within {patience:?}", path.display())]
    Timeout {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        patience: Duration,
    },
    /// The answer is none that this program understands.
    #[error("{}: found {found:?}, expected an answer of tunerd {}: {why}", path.display(), env!("CARGO_PKG_VERSION"))]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// The beginning of what came.
        found: String,
        /// What is wrong with it.
        why: String,
    },
    /// Talking failed for another reason.
    #[error("{}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Asks the daemon that listens at `path`, and waits at most `patience` for each step.
///
/// # Errors
/// Where nobody listens, the socket may not be opened, or no proper answer comes in time. That the daemon
/// refuses is an answer.
pub fn ask(path: &Path, request: &Request, patience: Duration) -> Result<Response, AskError> {
    let error = |source: std::io::Error| {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => AskError::NotRunning { path },
            ErrorKind::PermissionDenied => AskError::Permission { path },
            ErrorKind::WouldBlock | ErrorKind::TimedOut => AskError::Timeout { path, patience },
            _ => AskError::Io { path, source },
        }
    };
    let garbled = |found: &str, why: String| AskError::Garbled {
        path: path.to_owned(),
        found: found.chars().take(80).collect(),
        why,
    };
    let mut stream = UnixStream::connect(path).map_err(error)?;
    stream.set_read_timeout(Some(patience)).map_err(error)?;
    stream.set_write_timeout(Some(patience)).map_err(error)?;
    let mut line = serde_json::to_string(request).map_err(|why| garbled("", why.to_string()))?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(error)?;
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut answer).map_err(|source| {
        match source.kind() {
            ErrorKind::InvalidData => garbled("", "it is no UTF-8".to_owned()),
            _ => error(source),
        }
    })?;
    serde_json::from_str(&answer).map_err(|why| garbled(answer.trim_end(), why.to_string()))
}
