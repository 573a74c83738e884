//! Places below the roots.

use std::fmt;
use std::path::{Component, Path, PathBuf};

/// Which file system a [`KPath`] is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tree {
    /// sysfs, usually `/sys`.
    Sys,
    /// procfs, usually `/proc`.
    Proc,
    /// debugfs, usually `/sys/kernel/debug`; often absent, or closed to all but root.
    Debug,
}

/// A place below one of the roots, such as `block/loop0/queue/scheduler` in [`Tree::Sys`].
///
/// It is relative and has no `..`: [`Roots::locate`] refuses any other, so no name taken from outside can lead
/// out of the trees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KPath {
    tree: Tree,
    rest: String,
}

impl KPath {
    /// A place in sysfs.
    pub fn sys(rest: impl Into<String>) -> Self {
        Self { tree: Tree::Sys, rest: rest.into() }
    }

    /// A place in procfs.
    pub fn proc(rest: impl Into<String>) -> Self {
        Self { tree: Tree::Proc, rest: rest.into() }
    }

    /// A place in debugfs.
    pub fn debug(rest: impl Into<String>) -> Self {
        Self { tree: Tree::Debug, rest: rest.into() }
    }

    /// The place `name` below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self { tree: self.tree, rest: format!("{}/{name}", self.rest) }
    }

    /// Which tree it is in.
    #[must_use]
    pub const fn tree(&self) -> Tree {
        self.tree
    }

    /// The part below the root.
    #[must_use]
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// Whether it stays below its root: relative, of plain names only.
    #[must_use]
    pub fn is_contained(&self) -> bool {
        !self.rest.contains('\0')
            && Path::new(&self.rest).components().all(|part| matches!(part, Component::Normal(_)))
    }
}

impl fmt::Display for KPath {
    /// With the usual mount points, for messages about a tree that has none of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = match self.tree {
            Tree::Sys => "/sys",
            Tree::Proc => "/proc",
            Tree::Debug => "/sys/kernel/debug",
        };
        write!(f, "{root}/{}", self.rest)
    }
}

/// The directories that stand for the three trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// In place of `/sys`.
    pub sysfs: PathBuf,
    /// In place of `/proc`.
    pub proc: PathBuf,
    /// In place of `/sys/kernel/debug`.
    pub debugfs: PathBuf,
}

impl Roots {
    /// The running kernel's own trees.
    #[must_use]
    pub fn live() -> Self {
        Self::new("/sys", "/proc")
    }

    /// Trees at other places; debugfs is looked for inside `sysfs`, where it is mounted on a live system.
    #[must_use]
    pub fn new(sysfs: impl Into<PathBuf>, proc: impl Into<PathBuf>) -> Self {
        let sysfs = sysfs.into();
        Self { debugfs: sysfs.join("kernel/debug"), sysfs, proc: proc.into() }
    }

    /// The file that `path` stands for; `None` if `path` would leave its root.
    #[must_use]
    pub fn locate(&self, path: &KPath) -> Option<PathBuf> {
        let root = match path.tree {
            Tree::Sys => &self.sysfs,
            Tree::Proc => &self.proc,
            Tree::Debug => &self.debugfs,
        };
        path.is_contained().then(|| root.join(&path.rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_its_root() {
        let roots = Roots::new("/fixture/sys", "/fixture/proc");
        for rest in ["../etc/passwd", "/etc/passwd", "block/../../etc", "block/a\0b", "./block"] {
            assert_eq!(roots.locate(&KPath::sys(rest)), None, "{rest:?}");
        }
        assert_eq!(
            roots.locate(&KPath::sys("block/loop0").join("queue")),
            Some(PathBuf::from("/fixture/sys/block/loop0/queue"))
        );
        assert_eq!(roots.locate(&KPath::proc("diskstats")), Some(PathBuf::from("/fixture/proc/diskstats")));
        assert_eq!(
            roots.locate(&KPath::debug("block")),
            Some(PathBuf::from("/fixture/sys/kernel/debug/block"))
        );
    }
}
