//! A profile as text that reads back as the same profile.

use crate::profile::{Filesystem, Growth, Profile, ReadOrder, SizeRule, Stats, Threadgroup, WriteOrder};
use crate::size::Exact;
use std::fmt::{self, Display, Formatter};

/// One line, indented by the depth of its section.
fn line(f: &mut Formatter<'_>, depth: usize, name: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "{:tabs$}{name} = {value}", "", tabs = depth * 4)
}

fn bool_line(f: &mut Formatter<'_>, depth: usize, name: &str, value: bool) -> fmt::Result {
    line(f, depth, name, u8::from(value))
}

impl Display for Profile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        line(f, 0, "time", self.time.as_secs())?;
        bool_line(f, 0, "directio", self.direct)?;
        bool_line(f, 0, "alignio", self.aligned)?;
        bool_line(f, 0, "bufferio", self.without_effect.bufferio)?;
        bool_line(f, 0, "verbose", self.without_effect.verbose)?;
        if let Some(command) = &self.callout {
            line(f, 0, "callout", command)?;
        }
        for filesystem in &self.filesystems {
            print_filesystem(f, filesystem)?;
        }
        for group in &self.threadgroups {
            let bound = group.bound_to.and_then(|index| self.filesystems.get(index));
            print_threadgroup(f, group, bound, 0)?;
        }
        Ok(())
    }
}

fn print_filesystem(f: &mut Formatter<'_>, filesystem: &Filesystem) -> fmt::Result {
    writeln!(f, "\n[filesystem]")?;
    line(f, 1, "location", filesystem.location.display())?;
    line(f, 1, "num_files", filesystem.files)?;
    line(f, 1, "num_dirs", filesystem.dirs)?;
    match &filesystem.sizes {
        None => {}
        Some(SizeRule::Uniform { min, max }) => {
            line(f, 1, "min_filesize", Exact(*min))?;
            line(f, 1, "max_filesize", Exact(*max))?;
        }
        Some(SizeRule::Weighted(sizes)) => {
            for size in sizes {
                writeln!(f, "    size_weight {} {}", Exact(size.size), size.weight)?;
            }
        }
    }
    match filesystem.growth {
        None => {}
        Some(Growth::Size(bytes)) => line(f, 1, "init_size", Exact(bytes))?,
        Some(Growth::Utilization(share)) => line(f, 1, "init_util", share)?,
    }
    line(f, 1, "create_blocksize", Exact(filesystem.create_block.get().into()))?;
    line(f, 1, "age_blocksize", Exact(filesystem.age_block.get().into()))?;
    bool_line(f, 1, "reuse", filesystem.reuse)?;
    if let Some(aging) = &filesystem.aging {
        bool_line(f, 1, "agefs", true)?;
        line(f, 1, "desired_util", aging.until_used)?;
        // The nested group knows one file system: the one around it.
        let bound = aging.threads.bound_to.map(|_| filesystem);
        print_threadgroup(f, &aging.threads, bound, 1)?;
    }
    writeln!(f, "[end]")
}

fn print_threadgroup(
    f: &mut Formatter<'_>,
    group: &Threadgroup,
    bound: Option<&Filesystem>,
    depth: usize,
) -> fmt::Result {
    let indent = depth * 4;
    let inner = depth + 1;
    if depth == 0 {
        writeln!(f)?;
    }
    writeln!(f, "{:indent$}[threadgroup]", "")?;
    line(f, inner, "num_threads", group.threads)?;
    if let Some(bound) = bound {
        line(f, inner, "bindfs", bound.location.display())?;
    }
    line(f, inner, "op_delay", group.delay.as_millis())?;
    let sizes = [
        ("read_size", group.read_size.map(u64::from)),
        ("read_blocksize", group.read_block.map(|block| block.get().into())),
        ("write_size", group.write_size.map(u64::from)),
        ("write_blocksize", group.write_block.map(|block| block.get().into())),
    ];
    for (name, bytes) in sizes {
        if let Some(bytes) = bytes {
            line(f, inner, name, Exact(bytes))?;
        }
    }
    bool_line(f, inner, "read_random", group.read_order == ReadOrder::Random)?;
    if let ReadOrder::Skip(bytes) = group.read_order {
        bool_line(f, inner, "read_skip", true)?;
        line(f, inner, "read_skipsize", Exact(bytes.get()))?;
    }
    bool_line(f, inner, "write_random", group.write_order == WriteOrder::Random)?;
    for (op, weight) in group.weights.used() {
        line(f, inner, &format!("{op}_weight"), weight)?;
    }
    if let Some(stats) = &group.stats {
        print_stats(f, stats, inner)?;
    }
    writeln!(f, "{:indent$}[end]", "")
}

fn print_stats(f: &mut Formatter<'_>, stats: &Stats, depth: usize) -> fmt::Result {
    let indent = depth * 4;
    writeln!(f, "{:indent$}[stats]", "")?;
    bool_line(f, depth + 1, "enable_stats", stats.enabled)?;
    bool_line(f, depth + 1, "enable_range", stats.ranges_enabled)?;
    for call in &stats.ignored {
        line(f, depth + 1, "ignore", call)?;
    }
    for range in &stats.ranges {
        writeln!(f, "{:indent$}    msec_range {} {}", "", range.from_ms, range.to_ms)?;
    }
    writeln!(f, "{:indent$}[end]", "")
}
