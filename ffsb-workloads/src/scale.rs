//! Making a file set smaller without changing what kind of set it is.
//!
//! The rule, for a set that should have `f` times its bytes (`f` below 1):
//!
//! 1. Sizes above [`FLOOR`] shrink by √f, and the number of files by the rest. No size goes below the floor, nor below
//!    what one read or write of the profile takes: so a random read stays one, and many small files stay many small
//!    files, only fewer. The number of directories shrinks with the number of files.
//! 2. Where not even one file would be left, there is one, of the size that fits.
//! 3. A set that begins without files and grows has no number to shrink: its sizes shrink by f, as if it had
//!    [`NOMINAL_FILES`] of the largest size, or two for each thread that creates where that is more.
//! 4. A share of the file system (`init_util`, `desired_util`) is relative already and stays.
//!
//! For `f` above 1 there are more files of the same sizes.

use crate::profile::{ALIGNMENT, Filesystem, Growth, Op, Profile, SizeRule, SizeWeight};

/// Sizes up to this many bytes are what makes small files small, and stay.
pub const FLOOR: u64 = 1 << 20;
/// As many files a set is thought to have that begins with none, at least.
pub const NOMINAL_FILES: u64 = 16;

/// How large file sets shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// As the profile says.
    AsWritten,
    /// So many times what the profile says; above zero.
    Factor(f64),
    /// Within so many bytes together, also while they grow; `None` for half of what is free.
    Fit(Option<u64>),
}

/// What the threads that use a file system want of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// The most bytes that one read or write takes of a file.
    pub span: u64,
    /// How many threads create files.
    pub creators: u64,
    /// Whether anybody adds, removes or resizes files.
    pub changes: bool,
}

impl Use {
    /// Of one of a profile's file systems.
    #[must_use]
    pub fn of(profile: &Profile, filesystem: usize) -> Self {
        let mut found = Self::default();
        for group in profile.threadgroups.iter().filter(|group| group.uses(filesystem)) {
            for (op, _) in group.weights.used() {
                let span = match op {
                    Op::Read => group.read_size,
                    Op::Write | Op::WriteFsync => group.write_size,
                    _ => None,
                };
                found.span = found.span.max(span.map_or(0, u64::from));
            }
            if group.weights.of(Op::Create) > 0 || group.weights.of(Op::CreateFsync) > 0 {
                found.creators += u64::from(group.threads.get());
            }
            found.changes |= group.changes_files();
        }
        found
    }

    /// Of two that share it.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            span: self.span.max(other.span),
            creators: self.creators.max(other.creators),
            changes: self.changes || other.changes,
        }
    }
}

/// The bytes that a set is thought to have as written; `None` where that is a share of the file system.
#[must_use]
pub fn nominal_bytes(filesystem: &Filesystem, by: Use) -> Option<f64> {
    let sizes = filesystem.sizes.as_ref();
    match (filesystem.files, filesystem.growth) {
        (0, Some(Growth::Utilization(_))) => None,
        (0, Some(Growth::Size(bytes))) => Some(bytes as f64),
        (0, None) if by.creators == 0 => Some(0.0),
        (0, None) => {
            let files = NOMINAL_FILES.max(2 * by.creators);
            Some(sizes.map_or(0.0, |sizes| sizes.largest() as f64) * files as f64)
        }
        (files, _) => Some(sizes.map_or(0.0, SizeRule::mean) * f64::from(files)),
    }
}

/// The same file system with a set that fits into so many bytes; unchanged where it does.
#[must_use]
pub fn fitted(filesystem: &Filesystem, by: Use, target_bytes: u64) -> Filesystem {
    // What changes has to have room to grow into.
    let grows = by.changes && (filesystem.files > 0 || filesystem.growth.is_some());
    let begin = if grows { target_bytes / 2 } else { target_bytes } as f64;
    match nominal_bytes(filesystem, by) {
        Some(nominal) if nominal > begin => scaled(filesystem, by, begin / nominal),
        _ => filesystem.clone(),
    }
}

/// The same file system with a set of `factor` times its bytes.
#[must_use]
pub fn scaled(filesystem: &Filesystem, by: Use, factor: f64) -> Filesystem {
    let Some(sizes) = &filesystem.sizes else {
        return filesystem.clone();
    };
    let grows_from_nothing = filesystem.files == 0 && filesystem.growth.is_none();
    let mean = sizes.mean().max(1.0);
    let mut by_size = if grows_from_nothing {
        factor
    } else if factor >= 1.0 {
        1.0
    } else {
        let floor = FLOOR.max(by.span) as f64;
        factor.sqrt().max(floor / mean).min(1.0)
    };
    let count = f64::from(filesystem.files) * factor / by_size;
    if filesystem.files > 0 && count < 1.0 {
        by_size *= count;
    }
    let by_count = factor / by_size;
    let times = |number: u32, least: u32| {
        if number == 0 { 0 } else { ((f64::from(number) * by_count) as u32).max(least) }
    };
    Filesystem {
        files: times(filesystem.files, 1),
        dirs: if grows_from_nothing { filesystem.dirs } else { times(filesystem.dirs, 1) },
        sizes: Some(scaled_sizes(sizes, by_size)),
        growth: match filesystem.growth {
            Some(Growth::Size(bytes)) => Some(Growth::Size((bytes as f64 * factor) as u64)),
            other => other,
        },
        ..filesystem.clone()
    }
}

fn scaled_sizes(sizes: &SizeRule, factor: f64) -> SizeRule {
    let scale = |bytes: u64| {
        let scaled = (bytes as f64 * factor) as u64;
        // Whole pages where there is at least one, so that fitted sets do not end in odd bytes.
        let whole = if scaled >= ALIGNMENT { scaled - scaled % ALIGNMENT } else { scaled.max(1) };
        whole.min(if factor <= 1.0 { bytes } else { u64::MAX })
    };
    match sizes {
        same if (factor - 1.0).abs() < f64::EPSILON => same.clone(),
        SizeRule::Uniform { min, max } => SizeRule::Uniform { min: scale(*min), max: scale(*max) },
        SizeRule::Weighted(sizes) => SizeRule::Weighted(
            sizes.iter().map(|size| SizeWeight { size: scale(size.size), weight: size.weight }).collect(),
        ),
    }
}

/// A budget that does not change with every block that somebody writes: four significant bits of it.
#[must_use]
pub const fn steady(bytes: u64) -> u64 {
    match bytes.checked_ilog2() {
        Some(bits) if bits > 3 => bytes >> (bits - 3) << (bits - 3),
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &str) -> Profile {
        Profile::parse(text.as_bytes()).unwrap()
    }

    fn fit(text: &str, target: u64) -> Filesystem {
        let profile = profile(text);
        fitted(&profile.filesystems[0], Use::of(&profile, 0), target)
    }

    const READS: &str = "time=1\n[filesystem]\nlocation=/x\nnum_files=1024\nnum_dirs=100\nmin_filesize=35m\nmax_filesize=35m\n[end]\n\
        [threadgroup]\nnum_threads=1\nread_weight=1\nread_size=5m\nread_blocksize=4k\n[end]\n";

    #[test]
    fn large_files_shrink_in_size_and_number_but_not_below_one_read() {
        let fitted = fit(READS, 512 << 20);
        let sizes = fitted.sizes.clone().unwrap();
        assert_eq!(sizes, SizeRule::Uniform { min: 5 << 20, max: 5 << 20 });
        assert_eq!((fitted.files, fitted.dirs), (102, 10));
        let half = fit(READS, 16 << 30);
        assert!(half.expected_bytes().unwrap() <= 16 << 30 && half.expected_bytes().unwrap() > 15 << 30);
        assert_eq!(fit(READS, 1 << 40), profile(READS).filesystems[0], "what fits stays as it is");
        let tiny = fit(READS, 1 << 20);
        assert_eq!((tiny.files, tiny.sizes.unwrap().largest()), (1, 1 << 20));
    }

    #[test]
    fn small_files_keep_their_sizes() {
        let text = "time=1\n[filesystem]\nlocation=/x\nnum_files=100000\nnum_dirs=1000\nsize_weight 1k 1\nsize_weight 64k 1\n[end]\n\
            [threadgroup]\nnum_threads=4\ncreate_weight=1\ndelete_weight=1\n[end]\n";
        let fitted = fit(text, 64 << 20);
        assert_eq!(fitted.sizes, profile(text).filesystems[0].sizes);
        assert_eq!((fitted.files, fitted.dirs), (1008, 10), "half of the room is left to grow into");
    }

    #[test]
    fn what_begins_empty_has_smaller_files() {
        let text = "time=1\n[filesystem]\nlocation=/x\nmin_filesize=100m\nmax_filesize=1g\n[end]\n\
            [threadgroup]\nnum_threads=2\ncreate_weight=1\n[end]\n";
        let fitted = fit(text, 512 << 20);
        let SizeRule::Uniform { min, max } = fitted.sizes.unwrap() else { panic!("uniform stays uniform") };
        assert_eq!(max, 32 << 20);
        assert!((min as f64 / (100 << 20) as f64 - 1.0 / 32.0).abs() < 0.01);
    }

    #[test]
    fn a_factor_above_one_makes_more_files() {
        let profile = profile(READS);
        let more = scaled(&profile.filesystems[0], Use::of(&profile, 0), 2.0);
        assert_eq!((more.files, more.dirs, more.sizes.unwrap().largest()), (2048, 200, 35 << 20));
    }

    #[test]
    fn a_steady_budget_is_a_little_less() {
        for bytes in [0, 7, 15, 17, 1000, 1 << 30, u64::MAX] {
            let steady = steady(bytes);
            assert!(steady <= bytes && bytes - steady <= bytes / 8, "{bytes} {steady}");
        }
        assert_eq!(steady(0x1FFF_0000), 0x1E00_0000);
    }
}
