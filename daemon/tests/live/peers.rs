//! The control socket, asked by other users.

use crate::check;
use crate::common::{Ran, text};
use libtest_mimic::Failed;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use tunerd::control::{Peer, Request, Response, Server, Service};

/// Does nothing, and says who asked.
struct Echo;

impl Service for Echo {
    fn handle(&self, request: Request, peer: Peer) -> Response {
        match request {
            Request::Status {} => Response::failed(format!("status for user {}", peer.uid)),
            Request::Pause { .. } | Request::Resume { .. } => {
                Response::Done { devices: vec![format!("user-{}", peer.uid)] }
            }
        }
    }
}

/// A user and a group that own nothing.
const NOBODY: u32 = 65_534;
const OTHERS: u32 = 64_321;

/// Runs the program as somebody.
fn run_as(uid: u32, gid: u32, arguments: &[&str]) -> Result<Ran, Failed> {
    // The directory of the program may be closed to others; a copy of it is not.
    let directory = tempfile::Builder::new().permissions(open_to_all()).tempdir()?;
    let program = directory.path().join("tunerd");
    std::fs::copy(env!("CARGO_BIN_EXE_tunerd"), &program)?;
    let output = Command::new(program).args(arguments).uid(uid).gid(gid).output()?;
    Ok(Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn open_to_all() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}

pub(crate) fn peers() -> Result<(), Failed> {
    let directory = tempfile::Builder::new().permissions(open_to_all()).tempdir()?;
    let server =
        Server::start(&directory.path().join("tunerd.sock"), Some(&NOBODY.to_string()), Arc::new(Echo))?;
    let run_dir = text(directory.path());
    let ask = |uid, gid, command| run_as(uid, gid, &[command, "--run-dir", &run_dir]);

    let member = ask(NOBODY, NOBODY, "status")?;
    check(member.err.contains(&format!("status for user {NOBODY}")), &member)?;
    for command in ["pause", "resume"] {
        let member = ask(NOBODY, NOBODY, command)?;
        check(member.status == 1 && member.err.contains("changes are for root"), &member)?;
        let root = ask(0, 0, command)?;
        check(root.status == 0 && root.out.contains("user-0"), &root)?;
    }
    let stranger = ask(NOBODY, OTHERS, "status")?;
    check(stranger.status == 1 && stranger.err.contains("may not talk to tunerd"), &stranger)?;
    drop(server);
    let gone = ask(0, 0, "status")?;
    check(gone.err.contains("no tunerd is running"), gone)
}
