//! The directory that a run may touch, and the marker that says so.
//!
//! A run works in a directory that it made, in one that was empty, or in one that carries the marker of an earlier
//! run. It creates files under names of its own there, and removes nothing else: what somebody put beside them stays.
//! No symbolic link is followed, neither as the location nor inside.

use crate::platform;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The marker's file name.
pub const MARKER: &str = ".tunerd-ffsb";
const OWNER: &str = "ffsb-run";
const VERSION: u32 = 1;
/// What mkfs leaves in a new ext file system.
const LOST_AND_FOUND: &str = "lost+found";
/// A marker of ours is far shorter; a longer file is somebody else's.
const MARKER_BYTES: u64 = 4096;

/// What the marker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    made_by: String,
    version: u32,
    /// Whether the directory is ours to remove as well.
    made_directory: bool,
}

/// Why a location cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// It leads elsewhere.
    #[error("{} is a symbolic link: give the directory that it points to", .0.display())]
    Symlink(PathBuf),
    /// It is something else.
    #[error("{} is not a directory", .0.display())]
    NotDirectory(PathBuf),
    /// Somebody's files are there.
    #[error(
        "{} is not empty (it holds `{found}`) and has no marker {MARKER} of an earlier run: give a new or an empty directory",
        path.display()
    )]
    Foreign {
        /// The location.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The marker is not one of ours.
    #[error("{} is no marker of this program: found {found}, expected one of {OWNER}, version {VERSION}", path.display())]
    ForeignMarker {
        /// The marker's path.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// Another run works there.
    #[error("{} is in use by another run", .0.display())]
    Busy(PathBuf),
    /// The system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl HomeError {
    fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}

/// A location that is ours as long as this lives.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    made_directory: bool,
    // Locked; closing it lets the next run in.
    _marker: File,
}

impl Home {
    /// Takes a location: makes it, or checks that it is empty or carries the marker.
    ///
    /// # Errors
    ///
    /// When it is somebody else's, in use, a symbolic link, or cannot be made.
    pub fn claim(path: &Path) -> Result<Self, HomeError> {
        let made_directory = match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_symlink() => return Err(HomeError::Symlink(path.to_owned())),
            Ok(found) if !found.is_dir() => return Err(HomeError::NotDirectory(path.to_owned())),
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_directory(path).map_err(|error| HomeError::io("make", path, error))?;
                true
            }
            Err(error) => return Err(HomeError::io("look at", path, error)),
        };
        let marker = path.join(MARKER);
        match fs::symlink_metadata(&marker) {
            Ok(_) => Self::return_to(path, &marker),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::settle(path, &marker, made_directory).inspect_err(|_| {
                    if made_directory {
                        // Only just made, and empty unless somebody else came first: then it stays.
                        let _ = fs::remove_dir(path);
                    }
                })
            }
            Err(error) => Err(HomeError::io("look at", &marker, error)),
        }
    }

    fn settle(path: &Path, marker: &Path, made_directory: bool) -> Result<Self, HomeError> {
        let read = |error| HomeError::io("read", path, error);
        for entry in fs::read_dir(path).map_err(read)? {
            let entry = entry.map_err(read)?;
            let is_directory = entry.file_type().map_err(read)?.is_dir();
            if !(is_directory && entry.file_name() == LOST_AND_FOUND) {
                let found = entry.file_name().to_string_lossy().into_owned();
                return Err(HomeError::Foreign { path: path.to_owned(), found });
            }
        }
        let written = Marker { made_by: OWNER.to_owned(), version: VERSION, made_directory };
        let write = |error| HomeError::io("write", marker, error);
        let text = serde_json::to_string(&written).map_err(|error| write(error.into()))?;
        let mut file =
            platform::options().read(true).write(true).create_new(true).open(marker).map_err(write)?;
        lock(&file, path)?;
        file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(write)?;
        Ok(Self { path: path.to_owned(), made_directory, _marker: file })
    }

    fn return_to(path: &Path, marker: &Path) -> Result<Self, HomeError> {
        let read = |error| HomeError::io("read", marker, error);
        let foreign = |found: String| HomeError::ForeignMarker { path: marker.to_owned(), found };
        if !fs::symlink_metadata(marker).map_err(read)?.is_file() {
            return Err(foreign("something that is no file".to_owned()));
        }
        let file = platform::options().read(true).open(marker).map_err(read)?;
        lock(&file, path)?;
        let mut text = String::new();
        (&file).take(MARKER_BYTES).read_to_string(&mut text).map_err(read)?;
        let found: Marker =
            serde_json::from_str(&text).map_err(|error| foreign(format!("a text that is none ({error})")))?;
        if found.made_by != OWNER || found.version != VERSION {
            return Err(foreign(format!("one of {}, version {}", found.made_by, found.version)));
        }
        Ok(Self { path: path.to_owned(), made_directory: found.made_directory, _marker: file })
    }

    /// The location.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes every file set in it, the marker, and the directory where it was made by a run. What is not ours stays,
    /// and so does the marker then.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub fn vacate(self) -> Result<Left, HomeError> {
        let read = |error| HomeError::io("read", &self.path, error);
        let mut left = Left::default();
        for entry in fs::read_dir(&self.path).map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = entry.file_name();
            if name == MARKER || name == LOST_AND_FOUND {
                continue;
            }
            let is_directory = entry.file_type().map_err(read)?.is_dir();
            if is_directory && names::is(&name, names::SET) {
                left.add(remove_set(&entry.path())?);
            } else {
                left.note(entry.path());
            }
        }
        if left.things == 0 {
            let marker = self.path.join(MARKER);
            fs::remove_file(&marker).map_err(|error| HomeError::io("remove", &marker, error))?;
            if self.made_directory {
                fs::remove_dir(&self.path).map_err(|error| HomeError::io("remove", &self.path, error))?;
            }
        }
        Ok(left)
    }
}

fn lock(marker: &File, path: &Path) -> Result<(), HomeError> {
    match marker.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(HomeError::Busy(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(HomeError::io("lock", path, error)),
    }
}

/// Makes a directory that only this user may look into.
///
/// # Errors
///
/// What the system says.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// What was found that is not ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// How many things.
    pub things: u64,
    /// One of them.
    pub example: Option<PathBuf>,
}

impl Left {
    fn note(&mut self, path: PathBuf) {
        self.things += 1;
        self.example.get_or_insert(path);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.things += other.things;
        if self.example.is_none() {
            self.example = other.example;
        }
    }
}

/// Removes a file set: what has a name of ours, and the directories that are empty afterwards.
///
/// # Errors
///
/// When something of ours cannot be removed.
pub fn remove_set(path: &Path) -> Result<Left, HomeError> {
    // The rest is known from listings, which follow no link; this one path is not.
    let found = fs::symlink_metadata(path).map_err(|error| HomeError::io("look at", path, error))?;
    if !found.is_dir() {
        return Ok(Left { things: 1, example: Some(path.to_owned()) });
    }
    remove_level(path, &names::LEVELS)
}

fn remove_level(path: &Path, levels: &[&[&str]]) -> Result<Left, HomeError> {
    let mut left = Left::default();
    let read = |error| HomeError::io("read", path, error);
    for entry in fs::read_dir(path).map_err(read)? {
        let entry = entry.map_err(read)?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(read)?);
        let ours = |patterns: &[&str]| patterns.iter().any(|pattern| names::is(&name, pattern));
        let inner = entry.path();
        if kind.is_dir() && levels.first().is_some_and(|patterns| ours(patterns)) {
            left.add(remove_level(&inner, &levels[1..])?);
        } else if kind.is_file() && levels.len() < names::LEVELS.len() && ours(&[names::FILE]) {
            fs::remove_file(&inner).map_err(|error| HomeError::io("remove", &inner, error))?;
        } else {
            left.note(inner);
        }
    }
    if left.things == 0 {
        fs::remove_dir(path).map_err(|error| HomeError::io("remove", path, error))?;
    }
    Ok(left)
}

/// The names that a run gives, so that it knows its own.
pub mod names {
    use std::ffi::OsStr;

    /// A file set under a location; `#` stands for a number.
    pub const SET: &str = "set#";
    /// Where a set's files are.
    pub const BENCH: &str = "bench";
    /// Where a set's metadata operations work.
    pub const META: &str = "meta";
    /// Where files are that age the file system.
    pub const AGE: &str = "age";
    /// A file: who made it, and its number.
    pub const FILE: &str = "f#-#";
    /// What the directories of a set may be called, level by level.
    pub(super) const LEVELS: [&[&str]; 2] = [&[BENCH, META, AGE], &["d#", "c#-#", "m#-#", "m#-#a"]];

    /// Whether a name has the form of a pattern.
    pub(super) fn is(name: &OsStr, pattern: &str) -> bool {
        let Some(mut rest) = name.to_str() else {
            return false;
        };
        for part in pattern.split_inclusive('#') {
            let (literal, number) = part.strip_suffix('#').map_or((part, false), |literal| (literal, true));
            let Some(after) = rest.strip_prefix(literal) else {
                return false;
            };
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            if number && digits == 0 {
                return false;
            }
            rest = if number { &after[digits..] } else { after };
        }
        rest.is_empty()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_names_that_we_give_are_ours() {
            for (name, pattern) in [
                ("set0", SET),
                ("set12", SET),
                ("f0-1", FILE),
                ("f12-345", FILE),
                ("bench", BENCH),
                ("m1-2a", "m#-#a"),
            ] {
                assert!(is(OsStr::new(name), pattern), "{name} {pattern}");
            }
            for (name, pattern) in [
                ("set", SET),
                ("sets0", SET),
                ("set0x", SET),
                ("f0", FILE),
                ("f0-", FILE),
                ("f-1", FILE),
                ("f0-1.txt", FILE),
                ("m1-2", "m#-#a"),
                ("", FILE),
            ] {
                assert!(!is(OsStr::new(name), pattern), "{name} {pattern}");
            }
        }
    }
}
