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

/// Mounts the connection and opens its only file, whose name is `name`, for direct I/O.
///
/// The mount is detached: it has no mount point, so nobody meets it in a directory or in /proc/mounts, and it goes
/// when the last open file does. Another process must be answering on the connection. The connection is consumed:
/// from here on it lives as long as that other process, whose death aborts it.
pub(crate) fn open_file(connection: OwnedFd, name: &str) -> Result<OwnedFd, Error> {
    let mount = mount(&connection).map_err(|error| match error {
        rustix::io::Errno::PERM | rustix::io::Errno::NODEV | rustix::io::Errno::NOSYS => {
            Error::unavailable(format!("cannot mount a FUSE file system: {error}"))
        }
        error => Error::system("mount a FUSE file system", error),
    })?;
    // While we held it, the death of the other process would leave us waiting for an answer.
    drop(connection);
    let flags = OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC;
    openat(&mount, name, flags, Mode::empty())
        .map_err(|error| Error::system("open the emulated disk's file", error))
}

fn mount(connection: &OwnedFd) -> rustix::io::Result<OwnedFd> {
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
