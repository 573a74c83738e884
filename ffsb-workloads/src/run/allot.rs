//! Which thread works on which files.
//!
//! Where nobody adds, removes or resizes files, all threads share all of them. Elsewhere the files are dealt out: each
//! thread that changes files gets its own, and those that leave them as they are share the rest. So no thread waits for
//! another, none reads a file that was just removed, and what a thread does depends on nothing but its seed.

use crate::fileset::LiveFile;
use std::sync::Arc;

/// What one thread gets of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allotment {
    /// Its files; shared with others only where nobody changes them.
    pub(crate) files: Arc<Vec<LiveFile>>,
    /// The most bytes that its files may have together, for threads that change them under a ceiling.
    pub(crate) quota: Option<u64>,
}

/// Deals a set out to threads, of which it is known whether they change files.
pub(crate) fn allot(files: &[LiveFile], ceiling: Option<u64>, changers: &[bool]) -> Vec<Allotment> {
    let changing = changers.iter().filter(|changes| **changes).count();
    if changing == 0 {
        let files = Arc::new(files.to_vec());
        return vec![Allotment { files, quota: None }; changers.len()];
    }
    let mut own = vec![Vec::new(); changers.len()];
    let mut common = Vec::new();
    for (file, turn) in files.iter().zip((0..changers.len()).cycle()) {
        if changers[turn] {
            own[turn].push(*file);
        } else {
            common.push(*file);
        }
    }
    let kept: u64 = common.iter().map(|file| file.size).sum();
    let quota = ceiling.map(|ceiling| ceiling.saturating_sub(kept) / changing as u64);
    let common = Arc::new(common);
    own.into_iter()
        .zip(changers)
        .map(|(own, changes)| {
            if *changes {
                Allotment { files: Arc::new(own), quota }
            } else {
                Allotment { files: Arc::clone(&common), quota: None }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(count: u64) -> Vec<LiveFile> {
        (0..count).map(|number| LiveFile { maker: 0, number, dir: 0, size: 10 }).collect()
    }

    fn numbers(allotment: &Allotment) -> Vec<u64> {
        allotment.files.iter().map(|file| file.number).collect()
    }

    #[test]
    fn readers_share_everything() {
        let all = allot(&files(5), Some(100), &[false, false]);
        assert!(Arc::ptr_eq(&all[0].files, &all[1].files));
        assert_eq!((numbers(&all[0]), all[0].quota), (vec![0, 1, 2, 3, 4], None));
    }

    #[test]
    fn changers_have_their_own_and_readers_share_the_rest() {
        let all = allot(&files(9), Some(140), &[true, false, false, true]);
        assert_eq!(numbers(&all[0]), [0, 4, 8]);
        assert_eq!(numbers(&all[3]), [3, 7]);
        assert_eq!(numbers(&all[1]), [1, 2, 5, 6]);
        assert!(Arc::ptr_eq(&all[1].files, &all[2].files));
        // What the readers keep is not the changers' to fill.
        let quotas: Vec<_> = all.iter().map(|one| one.quota).collect();
        assert_eq!(quotas, [Some(50), None, None, Some(50)]);
    }

    #[test]
    fn too_few_files_leave_some_without() {
        let all = allot(&files(1), None, &[false, true, true]);
        assert_eq!(all.iter().map(|one| one.files.len()).collect::<Vec<_>>(), [1, 0, 0]);
        assert!(allot(&files(3), None, &[]).is_empty());
    }
}
