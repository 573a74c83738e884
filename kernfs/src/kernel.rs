//! The one door to the kernel's files.

use crate::KPath;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A block layer's files: the running kernel's, a fixture tree's, or a fake's.
///
/// The methods answer as the system calls do; an attribute's refusal (`EINVAL`, `ENODEV`…) comes back as the
/// [`io::Error`] of that number. Implementations are safe to call from several threads at once, as sysfs is.
pub trait Kernel: Send + Sync + fmt::Debug {
    /// The whole text of an attribute, freshly computed.
    ///
    /// # Errors
    /// As `open(2)` and `read(2)`.
    fn read(&self, path: &KPath) -> io::Result<Vec<u8>>;

    /// Stores `text` in one `write(2)`; an attribute is never written in parts, and never created.
    ///
    /// # Errors
    /// As `open(2)` and `write(2)`; an attribute that took only a part of the text is `WriteZero`.
    fn write(&self, path: &KPath, text: &str) -> io::Result<()>;

    /// The names in a directory, sorted. Names that are not UTF-8 are left out: the kernel makes none.
    ///
    /// # Errors
    /// As `opendir(3)` and `readdir(3)`.
    fn list(&self, dir: &KPath) -> io::Result<Vec<String>>;

    /// What a symbolic link says, unresolved.
    ///
    /// # Errors
    /// As `readlink(2)`.
    fn read_link(&self, path: &KPath) -> io::Result<PathBuf>;

    /// Whether there is such a file or directory. One that cannot be looked at is taken to be absent.
    fn exists(&self, path: &KPath) -> bool;

    /// Whether this process could write the attribute now, without writing it: mode, permission, and whether the
    /// file system is mounted read-only.
    ///
    /// # Errors
    /// As `open(2)`, except that a refusal to write is `Ok(false)`.
    fn writable(&self, path: &KPath) -> io::Result<bool>;

    /// The path as a person should see it in a message.
    fn locate(&self, path: &KPath) -> PathBuf;
}
