//! Where the data of an emulated disk are: a sparse file that has no name.

use crate::Error;
use block_types::Bytes;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The data.
#[derive(Debug)]
pub(crate) struct Store {
    file: File,
    size: Bytes,
}

impl Store {
    /// Makes an empty file of `size` in `directory`. It has no name, so it is gone with its last user, whatever
    /// happens to that.
    ///
    /// # Errors
    ///
    /// Where the directory is none, is read-only or on a file system that cannot make holes.
    pub(crate) fn create(directory: &Path, size: Bytes) -> Result<Self, Error> {
        let file = Self::nameless(directory)?;
        let store = Self { file, size };
        store.file.set_len(size.0).map_err(|error| {
            Error::system(format!("make a file of {} bytes in {}", size.0, directory.display()), error)
        })?;
        // A file system without holes would fill itself, and could not discard.
        store.punch(0, 4096).map_err(|errno| {
            let source = std::io::Error::from(errno);
            Error::failed(format!(
                "the file system of {} cannot punch holes ({source}): use a directory on tmpfs, ext4, xfs or btrfs",
                directory.display()
            ))
        })?;
        Ok(store)
    }

    fn nameless(directory: &Path) -> Result<File, Error> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok(File::from(file)),
            // The file system cannot make a nameless file; then it makes one and forgets its name.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
            Err(errno) => return Err(Error::path("make a file in", directory, errno)),
        }
        let path = directory.join(format!("emudisk-{}", std::process::id()));
        let made = File::options().read(true).write(true).create_new(true).open(&path);
        let file = made.map_err(|error| Error::path("make", &path, error))?;
        std::fs::remove_file(&path).map_err(|error| Error::path("remove", &path, error))?;
        Ok(file)
    }

    /// The data behind a descriptor that [`Self::into_fd`] gave.
    pub(crate) fn from_fd(fd: OwnedFd, size: Bytes) -> Self {
        Self { file: File::from(fd), size }
    }

    /// The descriptor, for another process.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.file.into()
    }

    /// How large the disk is.
    pub(crate) const fn size(&self) -> Bytes {
        self.size
    }

    /// Bytes that the file takes up now.
    pub(crate) fn allocated(&self) -> Bytes {
        use std::os::unix::fs::MetadataExt;
        Bytes(self.file.metadata().map_or(0, |metadata| metadata.blocks() * 512))
    }

    /// Reads all of `into` from `offset` on; what lies behind the end of the disk reads as zeroes.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        let mut filled = 0;
        while filled < into.len() {
            match self.file.read_at(&mut into[filled..], offset + filled as u64) {
                Ok(0) => {
                    into[filled..].fill(0);
                    break;
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(errno_of(&error)),
            }
        }
        Ok(())
    }

    /// Writes all of `data` at `offset`.
    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let end = offset.checked_add(data.len() as u64).ok_or(Errno::INVAL)?;
        if end > self.size.0 {
            return Err(Errno::NOSPC);
        }
        self.file.write_all_at(data, offset).map_err(|error| errno_of(&error))
    }

    /// Gives a range back to the file system; it reads as zeroes afterwards.
    pub(crate) fn punch(&self, offset: u64, length: u64) -> Result<(), Errno> {
        fallocate(&self.file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length)
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
