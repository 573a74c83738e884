//! The words of a profile: operations, system calls, and every keyword with its scope and type.

use serde::Serialize;
use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$item])* $variant,)+ }

        impl $name {
            /// All of them, in the order of the report.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// As profiles and reports write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Its place in [`Self::ALL`].
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

words! {
    /// What a thread does, one at a time, chosen by weight.
    Op {
        /// Reads `read_size` bytes of a file in blocks, from one random offset or from one for each block.
        Read = "read",
        /// Reads a whole file in blocks.
        Readall = "readall",
        /// Overwrites `write_size` bytes of a file in blocks.
        Write = "write",
        /// Makes a file and writes it.
        Create = "create",
        /// Adds `write_size` bytes to a file.
        Append = "append",
        /// Removes a file.
        Delete = "delete",
        /// Makes two directories, removes one and renames the other.
        Metaop = "metaop",
        /// Makes a directory.
        Createdir = "createdir",
        /// Asks for a file's attributes.
        Stat = "stat",
        /// Overwrites a whole file in blocks.
        Writeall = "writeall",
        /// [`Self::Writeall`], then fsync.
        WriteallFsync = "writeall_fsync",
        /// Opens a file and closes it.
        OpenClose = "open_close",
        /// [`Self::Write`], then fsync.
        WriteFsync = "write_fsync",
        /// [`Self::Create`], then fsync.
        CreateFsync = "create_fsync",
        /// [`Self::Append`], then fsync.
        AppendFsync = "append_fsync",
    }
}

impl Op {
    /// Whether it adds, removes or resizes files, so that what exists depends on who went before.
    #[must_use]
    pub const fn changes_files(self) -> bool {
        matches!(self, Self::Create | Self::CreateFsync | Self::Append | Self::AppendFsync | Self::Delete)
    }

    /// Whether it reads or writes files.
    #[must_use]
    pub const fn moves_data(self) -> bool {
        !matches!(self, Self::Delete | Self::Metaop | Self::Createdir | Self::Stat | Self::OpenClose)
    }

    /// Whether an fsync ends it.
    #[must_use]
    pub const fn syncs(self) -> bool {
        matches!(self, Self::WriteFsync | Self::WriteallFsync | Self::CreateFsync | Self::AppendFsync)
    }

    /// Which keywords it needs beside its weight.
    #[must_use]
    pub const fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["read_size", "read_blocksize"],
            Self::Readall => &["read_blocksize"],
            Self::Write | Self::WriteFsync | Self::Append | Self::AppendFsync => {
                &["write_size", "write_blocksize"]
            }
            Self::Writeall | Self::WriteallFsync => &["write_blocksize"],
            // Falls back on the file system's create_blocksize.
            Self::Create | Self::CreateFsync => &[],
            Self::Delete | Self::Metaop | Self::Createdir | Self::Stat | Self::OpenClose => &[],
        }
    }
}

words! {
    /// The system calls whose latency `[stats]` measures.
    Syscall {
        /// Opening what exists.
        Open = "open",
        /// Reading.
        Read = "read",
        /// Writing.
        Write = "write",
        /// Opening with `O_CREAT`.
        Create = "create",
        /// Moving the offset.
        Lseek = "lseek",
        /// Removing a file.
        Unlink = "unlink",
        /// Closing.
        Close = "close",
        /// Asking for attributes.
        Stat = "stat",
    }
}

/// Which section a keyword belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Before and between the sections.
    Global,
    /// `[filesystem]`.
    Filesystem,
    /// `[threadgroup]`, also the one that is nested for aging.
    Threadgroup,
    /// `[stats]`.
    Stats,
}

impl Scope {
    /// The sections that may stand in this one.
    #[must_use]
    pub const fn children(self) -> &'static [Self] {
        match self {
            Self::Global => &[Self::Filesystem, Self::Threadgroup],
            Self::Filesystem => &[Self::Threadgroup],
            Self::Threadgroup => &[Self::Stats],
            Self::Stats => &[],
        }
    }

    /// The word in brackets; empty for [`Self::Global`], which has none.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Global => "",
            Self::Filesystem => "filesystem",
            Self::Threadgroup => "threadgroup",
            Self::Stats => "stats",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("the global part"),
            section => write!(f, "[{}]", section.word()),
        }
    }
}

/// What a keyword's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole seconds.
    Seconds,
    /// Whole milliseconds.
    Milliseconds,
    /// 0 or 1.
    Bool,
    /// The rest of the line.
    Command,
    /// A path.
    Path,
    /// A whole number below 2³².
    Count,
    /// A size below 2⁶⁴ bytes.
    Size64,
    /// A size below 2³² bytes.
    Size32,
    /// A number above 0 and at most 1.
    Share,
    /// The name of a system call; may be repeated.
    Syscall,
    /// `size_weight SIZE WEIGHT`, without `=`; may be repeated.
    SizeWeight,
    /// `msec_range FROM TO`, without `=`; may be repeated.
    MsecRange,
    /// The weight of an operation.
    Weight(Op),
    /// Known from older profiles and refused; says what stands in its place.
    Deprecated(&'static str),
}

impl Kind {
    /// Whether it is written `keyword A B` rather than `keyword = value`.
    #[must_use]
    pub const fn is_bare(self) -> bool {
        matches!(self, Self::SizeWeight | Self::MsecRange)
    }

    /// Whether a section may have it more than once.
    #[must_use]
    pub const fn repeats(self) -> bool {
        matches!(self, Self::SizeWeight | Self::MsecRange | Self::Syscall)
    }
}

/// One keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// As written.
    pub name: &'static str,
    /// Where it belongs.
    pub scope: Scope,
    /// What its value is.
    pub kind: Kind,
}

const fn keyword(scope: Scope, name: &'static str, kind: Kind) -> Keyword {
    Keyword { name, scope, kind }
}

const COUNTED: &str = "no such keyword: it is deprecated, the sections themselves are counted";

/// Every keyword there is.
pub const KEYWORDS: &[Keyword] = {
    use Kind::{
        Bool, Command, Count, Deprecated, Milliseconds, MsecRange, Path, Seconds, Share, Size32, Size64,
        SizeWeight, Weight,
    };
    use Scope::{Filesystem, Global, Stats, Threadgroup};
    &[
        keyword(Global, "time", Seconds),
        keyword(Global, "directio", Bool),
        keyword(Global, "alignio", Bool),
        keyword(Global, "bufferio", Bool),
        keyword(Global, "verbose", Bool),
        keyword(Global, "callout", Command),
        keyword(Global, "num_filesystems", Deprecated(COUNTED)),
        keyword(Global, "num_threadgroups", Deprecated(COUNTED)),
        keyword(Filesystem, "location", Path),
        keyword(Filesystem, "num_files", Count),
        keyword(Filesystem, "num_dirs", Count),
        keyword(Filesystem, "min_filesize", Size64),
        keyword(Filesystem, "max_filesize", Size64),
        keyword(Filesystem, "size_weight", SizeWeight),
        keyword(Filesystem, "init_size", Size64),
        keyword(Filesystem, "init_util", Share),
        keyword(Filesystem, "create_blocksize", Size32),
        keyword(Filesystem, "age_blocksize", Size32),
        keyword(Filesystem, "reuse", Bool),
        keyword(Filesystem, "agefs", Bool),
        keyword(Filesystem, "desired_util", Share),
        keyword(Filesystem, "clone", Path),
        keyword(Threadgroup, "num_threads", Count),
        keyword(Threadgroup, "bindfs", Path),
        keyword(Threadgroup, "op_delay", Milliseconds),
        keyword(Threadgroup, "read_size", Size64),
        keyword(Threadgroup, "write_size", Size64),
        keyword(Threadgroup, "read_blocksize", Size32),
        keyword(Threadgroup, "write_blocksize", Size32),
        keyword(Threadgroup, "read_random", Bool),
        keyword(Threadgroup, "write_random", Bool),
        keyword(Threadgroup, "read_skip", Bool),
        keyword(Threadgroup, "read_skipsize", Size64),
        keyword(Threadgroup, "read_weight", Weight(Op::Read)),
        keyword(Threadgroup, "readall_weight", Weight(Op::Readall)),
        keyword(Threadgroup, "write_weight", Weight(Op::Write)),
        keyword(Threadgroup, "writeall_weight", Weight(Op::Writeall)),
        keyword(Threadgroup, "append_weight", Weight(Op::Append)),
        keyword(Threadgroup, "create_weight", Weight(Op::Create)),
        keyword(Threadgroup, "delete_weight", Weight(Op::Delete)),
        keyword(Threadgroup, "stat_weight", Weight(Op::Stat)),
        keyword(Threadgroup, "open_close_weight", Weight(Op::OpenClose)),
        keyword(Threadgroup, "createdir_weight", Weight(Op::Createdir)),
        keyword(Threadgroup, "metaop_weight", Weight(Op::Metaop)),
        keyword(Threadgroup, "write_fsync_weight", Weight(Op::WriteFsync)),
        keyword(Threadgroup, "writeall_fsync_weight", Weight(Op::WriteallFsync)),
        keyword(Threadgroup, "create_fsync_weight", Weight(Op::CreateFsync)),
        keyword(Threadgroup, "append_fsync_weight", Weight(Op::AppendFsync)),
        keyword(Stats, "enable_stats", Bool),
        keyword(Stats, "enable_range", Bool),
        keyword(Stats, "ignore", Kind::Syscall),
        keyword(Stats, "msec_range", MsecRange),
    ]
};

/// The keyword of this name in this scope.
///
/// # Errors
///
/// What is expected instead: the scope it belongs to, or the nearest word.
pub fn look_up(scope: Scope, name: &str) -> Result<&'static Keyword, String> {
    if let Some(found) = KEYWORDS.iter().find(|keyword| keyword.scope == scope && keyword.name == name) {
        return Ok(found);
    }
    if let Some(elsewhere) = KEYWORDS.iter().find(|keyword| keyword.name == name) {
        return Err(format!("it in {}, not in {scope}", elsewhere.scope));
    }
    let near = KEYWORDS
        .iter()
        .filter(|keyword| keyword.scope == scope)
        .map(|keyword| (strsim::jaro_winkler(keyword.name, name), keyword.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.85);
    Err(match near {
        Some((_, near)) => format!("a keyword of {scope} (`{near}`?)"),
        None => format!("a keyword of {scope}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_weight_and_every_name_is_its_own() {
        for op in Op::ALL {
            let name = format!("{op}_weight");
            assert_eq!(look_up(Scope::Threadgroup, &name).unwrap().kind, Kind::Weight(*op));
            assert_eq!(Op::ALL[op.index()], *op);
            assert_eq!(serde_json::to_value(op).unwrap(), op.name());
        }
        for (at, keyword) in KEYWORDS.iter().enumerate() {
            assert!(KEYWORDS[..at].iter().all(|other| other.name != keyword.name), "{}", keyword.name);
        }
    }

    #[test]
    fn a_stranger_is_told_its_nearest_word() {
        assert_eq!(look_up(Scope::Global, "tiem").unwrap_err(), "a keyword of the global part (`time`?)");
        assert_eq!(look_up(Scope::Stats, "time").unwrap_err(), "it in the global part, not in [stats]");
        assert_eq!(look_up(Scope::Stats, "zzz").unwrap_err(), "a keyword of [stats]");
    }
}
