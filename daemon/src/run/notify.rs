//! What systemd wants to hear (`sd_notify(3)`): a datagram to the socket that `$NOTIFY_SOCKET` names. Without
//! that variable, as in a shell, nothing is sent.

#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The daemon runs, with so many devices.
pub(super) fn ready(devices: usize) {
    send(&format!("READY=1\nSTATUS={devices} devices"));
}

/// The supervisor is alive; within `WatchdogSec=`.
pub(super) fn alive() {
    send("WATCHDOG=1");
}

/// The daemon puts everything back and ends.
pub(super) fn stopping() {
    send("STOPPING=1");
}

fn send(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let Some(address) = address(name.as_bytes()) else { return };
    // Nobody is worse off if the message is lost, and there is nobody else to tell.
    let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(state.as_bytes(), &address));
}

/// A name that begins with `@` is in the abstract namespace.
fn address(name: &[u8]) -> Option<SocketAddr> {
    match name {
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest).ok(),
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)).ok(),
    }
}
