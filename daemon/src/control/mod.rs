//! The control socket: how `status`, `pause` and `resume` reach a running daemon.
//!
//! A Unix stream socket in the run directory carries one JSON object a line, a question from the client and an answer
//! from the daemon: `{"request":"status"}`, `{"request":"pause","device":"sda"}`. Whoever may open the socket (mode
//! 0660, group configurable) may ask for the status; only root and the daemon's own user may change anything, by the
//! kernel's word on who is at the other end (`SO_PEERCRED`), not by the client's.

mod client;
mod cost;
mod server;
mod status;

pub use client::{AskError, ask};
pub use cost::CostMeter;
pub use server::{BindError, Server};
pub use status::{DeviceStatus, OwnCost, ProbeCostStatus, SourceStatus, StatusReport, TopStatus};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The socket's name in the run directory.
pub const SOCKET_NAME: &str = "tunerd.sock";

/// The socket of a run directory.
#[must_use]
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join(SOCKET_NAME)
}

/// What a client can ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How things stand. (With braces: serde lets unknown fields pass beside a unit variant.)
    Status {},
    /// Put the originals back and stop writing.
    Pause {
        /// One device; all without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
    },
    /// Go on.
    Resume {
        /// One device; all without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
    },
}

impl Request {
    /// Whether it changes what the daemon does.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::Status {} => false,
            Self::Pause { .. } | Self::Resume { .. } => true,
        }
    }
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "kebab-case")]
pub enum Response {
    /// How things stand.
    Status(Box<StatusReport>),
    /// It is done, or under way.
    Done {
        /// The devices that it concerns.
        devices: Vec<String>,
    },
    /// It was not done.
    Failed {
        /// Why.
        message: String,
    },
}

impl Response {
    /// It was not done, and why.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into() }
    }
}

/// Who asks, by the kernel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Process; 0 where it is in another pid namespace.
    pub pid: i32,
}

impl Peer {
    /// Whether this peer may change what a daemon of user `own_uid` does.
    #[must_use]
    pub const fn may_change(self, own_uid: u32) -> bool {
        self.uid == 0 || self.uid == own_uid
    }
}

/// What answers requests. The server has already refused those that the peer may not make.
///
/// Requests are answered one after the other, so an answer must not take long.
pub trait Service: Send + Sync {
    /// Answers one request.
    fn handle(&self, request: Request, peer: Peer) -> Response;
}

#[cfg(test)]
mod tests;
