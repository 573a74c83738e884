//! Files of real directories: the running kernel's, or a fixture tree's.

use crate::{KPath, Kernel, Roots, Tree};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// [`Kernel`] over the directories of [`Roots`].
#[derive(Clone, Debug)]
pub struct RealKernel {
    roots: Roots,
}

/// sysfs attributes are at most a page; one `read(2)` of this size takes any of them whole.
const PAGE: usize = 4096;

impl RealKernel {
    /// Over the given directories.
    #[must_use]
    pub const fn new(roots: Roots) -> Self {
        Self { roots }
    }

    /// Over the running kernel's own.
    #[must_use]
    pub fn live() -> Self {
        Self::new(Roots::live())
    }

    /// The directories.
    #[must_use]
    pub const fn roots(&self) -> &Roots {
        &self.roots
    }

    fn path(&self, path: &KPath) -> io::Result<PathBuf> {
        self.roots.locate(path).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{path} leads out of its root directory"))
        })
    }
}

impl Kernel for RealKernel {
    fn read(&self, path: &KPath) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(path)?)?;
        let mut text = vec![0; PAGE];
        let mut filled = 0;
        loop {
            let taken = match file.read(&mut text[filled..]) {
                Ok(taken) => taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            filled += taken;
            // An attribute is handed over whole, so that open, one read and close are all it costs; what is longer,
            // such as /proc/diskstats, comes in parts, and only an empty one is the end.
            if taken == 0 || (path.tree() == Tree::Sys && filled < text.len()) {
                break;
            }
            if filled == text.len() {
                text.resize(2 * filled, 0);
            }
        }
        text.truncate(filled);
        Ok(text)
    }

    fn write(&self, path: &KPath, text: &str) -> io::Result<()> {
        // Truncation means nothing to sysfs, but lets a fixture tree of plain files hold the new text alone.
        let mut file = OpenOptions::new().write(true).truncate(true).open(self.path(path)?)?;
        let taken = file.write(text.as_bytes())?;
        if taken == text.len() {
            Ok(())
        } else {
            let what = format!("the kernel took {taken} of {} bytes", text.len());
            Err(io::Error::new(io::ErrorKind::WriteZero, what))
        }
    }

    fn list(&self, dir: &KPath) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(dir)?)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read_link(&self, path: &KPath) -> io::Result<PathBuf> {
        fs::read_link(self.path(path)?)
    }

    fn exists(&self, path: &KPath) -> bool {
        self.path(path).is_ok_and(|path| path.exists())
    }

    fn writable(&self, path: &KPath) -> io::Result<bool> {
        // Opening stores nothing; it is the one test that also knows capabilities, ACLs and read-only mounts.
        match OpenOptions::new().write(true).open(self.path(path)?) {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Ok(false),
                _ => Err(error),
            },
        }
    }

    fn locate(&self, path: &KPath) -> PathBuf {
        self.roots.locate(path).unwrap_or_else(|| PathBuf::from(path.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn fixture() -> (TempDir, RealKernel) {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("sys/block/sda/queue")).unwrap();
        fs::write(dir.path().join("sys/block/sda/queue/nr_requests"), "128\n").unwrap();
        let kernel = RealKernel::new(Roots::new(dir.path().join("sys"), dir.path().join("proc")));
        (dir, kernel)
    }

    #[test]
    fn a_fixture_tree_is_read_and_written_like_sysfs() {
        let (_dir, kernel) = fixture();
        let knob = KPath::sys("block/sda/queue/nr_requests");
        assert_eq!(kernel.read(&knob).unwrap(), b"128\n");
        kernel.write(&knob, "4").unwrap();
        assert_eq!(kernel.read(&knob).unwrap(), b"4");
        assert!(kernel.writable(&knob).unwrap());
        assert_eq!(kernel.list(&KPath::sys("block/sda/queue")).unwrap(), ["nr_requests"]);
    }

    #[test]
    fn a_text_longer_than_a_page_is_read_whole() {
        let (dir, kernel) = fixture();
        fs::create_dir_all(dir.path().join("proc")).unwrap();
        for length in [0, 1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE] {
            let text = vec![b'x'; length];
            for (path, file) in [
                (KPath::proc("diskstats"), "proc/diskstats"),
                (KPath::sys("block/sda/queue/long"), "sys/block/sda/queue/long"),
            ] {
                fs::write(dir.path().join(file), &text).unwrap();
                assert_eq!(kernel.read(&path).unwrap(), text, "{length}");
            }
        }
    }

    #[test]
    fn nothing_is_created_and_nothing_outside_is_touched() {
        let (dir, kernel) = fixture();
        let absent = KPath::sys("block/sda/queue/absent");
        assert_eq!(kernel.write(&absent, "1").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!kernel.exists(&absent));
        fs::write(dir.path().join("outside"), "x").unwrap();
        let outside = KPath::sys("../outside");
        assert_eq!(kernel.write(&outside, "1").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(kernel.read(&outside).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(!kernel.exists(&outside));
    }
}
