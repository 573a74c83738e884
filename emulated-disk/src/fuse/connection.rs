//! Opening /dev/fuse, and opening the file behind it.

use crate::Error;
use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};
use std::os::fd::{AsRawFd, OwnedFd};

const DEVICE: &str = "/dev/fuse";

/// Opens a connection that nothing is mounted on yet. It does not block.
pub(crate) fn open_connection() -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(DEVICE, flags, Mode::empty()).map_err(|error| {
        Error::unavailable(format!("cannot open {DEVICE}: {error}; is FUSE in this kernel?"))
    })
}

/// Mounts a file system on the connection, of which somebody else will be the server.
///
/// The mount is detached: it has no mount point, so nobody meets it in a directory or in /proc/mounts, and it goes
/// when neither it nor a file in it is open any more.
pub(crate) fn mount(connection: &OwnedFd) -> Result<OwnedFd, Error> {
    mount_detached(connection).map_err(|error| match error {
        rustix::io::Errno::PERM | rustix::io::Errno::NODEV | rustix::io::Errno::NOSYS => {
            Error::unavailable(format!("cannot mount a FUSE file system: {error}"))
        }
        error => Error::system("mount a FUSE file system", error),
    })
}

/// Opens the file called `name` for direct I/O. The server must be the only one to have the connection: if we had it
/// too, its death would leave us waiting for an answer.
pub(crate) fn open_file(mount: &OwnedFd, name: &str) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC;
    openat(mount, name, flags, Mode::empty())
        .map_err(|error| Error::system("open the emulated disk's file", error))
}

fn mount_detached(connection: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let context = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let fd = connection.as_raw_fd().to_string();
    for (key, value) in [
        ("source", "emudisk"),
        ("subtype", "emudisk"),
        ("fd", &fd),
        ("rootmode", "40000"),
        ("user_id", "0"),
        ("group_id", "0"),
    ] {
        fsconfig_set_string(&context, key, value)?;
    }
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
