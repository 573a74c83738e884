//! Who may change what was learned: those who search, together; or one who edits, alone.

use super::{FILE_NAME, StoreError, make_directory};
use std::fs::{File, TryLockError};
use std::path::Path;

/// The right to change the genes of a state directory, until it is dropped or the process ends.
///
/// A search keeps the library in memory and writes it back: what another process changed meanwhile would be
/// overwritten in silence. It is `flock(2)` on a file of its own, so that reading needs no right.
#[derive(Debug)]
pub struct Claim {
    _file: File,
}

impl Claim {
    /// The right of one that searches: shared with others that do, on other devices.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while somebody edits; where the directory cannot be made or written.
    pub fn to_search(state_dir: &Path) -> Result<Self, StoreError> {
        Self::take(state_dir, File::try_lock_shared, |path| StoreError::Busy { path })
    }

    /// The right of one that edits: alone.
    ///
    /// # Errors
    /// [`StoreError::Searching`] while a tunerd searches; where the directory cannot be made or written.
    pub fn to_edit(state_dir: &Path) -> Result<Self, StoreError> {
        Self::take(state_dir, File::try_lock, |path| StoreError::Searching { path })
    }

    fn take(
        state_dir: &Path,
        lock: impl FnOnce(&File) -> Result<(), TryLockError>,
        taken: impl FnOnce(std::path::PathBuf) -> StoreError,
    ) -> Result<Self, StoreError> {
        make_directory(state_dir)?;
        let path = state_dir.join(format!("{FILE_NAME}.claim"));
        let error = |error| StoreError::file(&path, "lock", &error);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(error)?;
        match lock(&file) {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(taken(state_dir.join(FILE_NAME))),
            Err(TryLockError::Error(source)) => Err(error(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_search_or_one_edits() {
        let dir = tempfile::tempdir().unwrap();
        let searching = [Claim::to_search(dir.path()).unwrap(), Claim::to_search(dir.path()).unwrap()];
        let error = Claim::to_edit(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Searching { .. }), "{error}");
        drop(searching);
        let editing = Claim::to_edit(dir.path()).unwrap();
        let error = Claim::to_search(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
        drop(editing);
        Claim::to_search(dir.path()).unwrap();
    }
}
