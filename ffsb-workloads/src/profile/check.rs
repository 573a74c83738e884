//! The second stage: sections of words to values that can be run.

use crate::profile::fault::{Fault, Line};
use crate::profile::raw::{Entry, Section, shape};
use crate::profile::vocabulary::{Kind, Op, Scope, Syscall};
use crate::profile::{
    Aging, DEFAULT_BLOCK, Filesystem, Growth, LatencyRange, Profile, ReadOrder, SizeRule, SizeWeight, Stats,
    Threadgroup, Weights, WithoutEffect, WriteOrder,
};
use crate::size;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The unit of direct I/O that no device goes below, in bytes.
const SECTOR: u32 = 512;

/// Values that replace those of a profile. `None` leaves the profile's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Direct or buffered.
    pub direct: Option<bool>,
    /// How long the threads work.
    pub time: Option<Duration>,
    /// How many threads each threadgroup has.
    pub threads: Option<NonZeroU32>,
}

/// Checks the section that stands for a file.
///
/// # Errors
///
/// At the first value that is wrong, or what is missing.
pub fn check(file: &Section, overrides: &Overrides) -> Result<Profile, Fault> {
    let direct_entry = file.one("directio");
    let direct = match overrides.direct {
        Some(direct) => direct,
        None => flag(file, "directio")?.unwrap_or(false),
    };
    let time = match overrides.time {
        Some(time) => time,
        None => {
            let entry = required(file, "time")?;
            Duration::from_secs(integer::<u32>(entry, "seconds, a whole number below 2^32")?.into())
        }
    };
    let mut filesystems: Vec<(Filesystem, Line)> = Vec::new();
    for section in file.children(Scope::Filesystem) {
        let next = filesystem(section, &filesystems, overrides)?;
        filesystems.push((next, section.line));
    }
    let last = file.sections.last().map_or(file.line, |section| section.line);
    if filesystems.is_empty() {
        return Err(Fault::new(last, "no [filesystem]", "at least one"));
    }
    let known: Vec<PathBuf> = filesystems.iter().map(|(one, _)| one.location.clone()).collect();
    let mut threadgroups = Vec::new();
    for section in file.children(Scope::Threadgroup) {
        let group = threadgroup(section, &known, overrides)?;
        if direct {
            whole_sectors(section, direct_entry)?;
        }
        sizes_for(section, &group, &filesystems)?;
        threadgroups.push(group);
    }
    if threadgroups.is_empty() && !time.is_zero() {
        return Err(Fault::new(
            last,
            "no [threadgroup]",
            "at least one, or `time = 0` to make the files only",
        ));
    }
    Ok(Profile {
        time,
        direct,
        aligned: flag(file, "alignio")?.unwrap_or(false) || direct,
        without_effect: WithoutEffect {
            bufferio: flag(file, "bufferio")?.unwrap_or(false),
            verbose: flag(file, "verbose")?.unwrap_or(false),
        },
        callout: file.one("callout").map(|entry| entry.text.clone()),
        filesystems: filesystems.into_iter().map(|(one, _)| one).collect(),
        threadgroups,
    })
}

fn filesystem(
    section: &Section,
    earlier: &[(Filesystem, Line)],
    overrides: &Overrides,
) -> Result<Filesystem, Fault> {
    let entry = required(section, "location")?;
    let location = PathBuf::from(&entry.text);
    if let Some((_, line)) = earlier.iter().find(|(other, _)| other.location == location) {
        return Err(wrong(entry, format!("a location that the [filesystem] of line {line} does not have")));
    }
    let base = match section.one("clone") {
        None => None,
        Some(entry) => {
            let found = earlier.iter().find(|(other, _)| other.location == *entry.text);
            let (found, _) = found.ok_or_else(|| wrong(entry, "the location of an earlier [filesystem]"))?;
            Some(found.clone())
        }
    };
    let nested: Vec<&Section> = section.children(Scope::Threadgroup).collect();
    if let Some(second) = nested.get(1) {
        return Err(Fault::new(second.line, "a second [threadgroup]", "one, for aging"));
    }
    let base = base.as_ref();
    let sizes = size_rule(section)?.or_else(|| base.and_then(|base| base.sizes.clone()));
    let files = count(section, "num_files")?.or(base.map(|base| base.files)).unwrap_or(0);
    let growth = growth(section)?.or_else(|| base.and_then(|base| base.growth));
    let aging = match nested.first() {
        None => None,
        Some(nested) => Some((threadgroup(nested, std::slice::from_ref(&location), overrides)?, *nested)),
    };
    let aging = aging_of(section, aging)?.unwrap_or_else(|| base.and_then(|base| base.aging.clone()));
    let needs_sizes = [
        (files > 0).then_some("num_files above 0"),
        growth.map(|_| "init_size or init_util"),
        aging.as_ref().map(|_| "agefs"),
    ];
    if sizes.is_none()
        && let Some(reason) = needs_sizes.into_iter().flatten().next()
    {
        return Err(Fault::new(
            section.line,
            format!("{reason} without sizes"),
            "min_filesize and max_filesize, or size_weight",
        ));
    }
    if let (0, Some(_), Some(sizes)) = (files, growth, &sizes)
        && sizes.largest() == 0
    {
        return Err(Fault::new(
            section.line,
            "growth by files without bytes",
            "a size above 0, or num_files",
        ));
    }
    Ok(Filesystem {
        location,
        files,
        dirs: count(section, "num_dirs")?.or(base.map(|base| base.dirs)).unwrap_or(0),
        sizes,
        growth,
        create_block: size32(section, "create_blocksize")?
            .or(base.map(|base| base.create_block))
            .unwrap_or(DEFAULT_BLOCK),
        age_block: size32(section, "age_blocksize")?
            .or(base.map(|base| base.age_block))
            .unwrap_or(DEFAULT_BLOCK),
        reuse: flag(section, "reuse")?.or(base.map(|base| base.reuse)).unwrap_or(false),
        aging,
    })
}

/// The outer option is whether the section says anything of aging.
#[allow(clippy::option_option, reason = "said nothing, said no and said yes are three answers")]
fn aging_of(
    section: &Section,
    nested: Option<(Threadgroup, &Section)>,
) -> Result<Option<Option<Aging>>, Fault> {
    let until_used = section.one("desired_util").map(share).transpose()?;
    let Some(entry) = section.one("agefs") else {
        return Ok(None);
    };
    if !boolean(entry)? {
        return Ok(Some(None));
    }
    let missing = |what: &str| {
        Fault::new(entry.line, format!("`agefs = 1` without {what}"), "both [threadgroup] and desired_util")
    };
    let (threads, nested) = nested.ok_or_else(|| missing("a nested [threadgroup]"))?;
    let until_used = until_used.ok_or_else(|| missing("desired_util"))?;
    if threads.weights.of(Op::Create) == 0 && threads.weights.of(Op::CreateFsync) == 0 {
        return Err(Fault::new(
            nested.line,
            "a [threadgroup] for aging that creates no files",
            "create_weight or create_fsync_weight above 0",
        ));
    }
    Ok(Some(Some(Aging { threads, until_used })))
}

fn size_rule(section: &Section) -> Result<Option<SizeRule>, Fault> {
    let (min, max) = (size64(section, "min_filesize")?, size64(section, "max_filesize")?);
    let mut weighted = Vec::new();
    for entry in section.all("size_weight") {
        let (size, weight) = pair(entry)?;
        weighted.push(SizeWeight {
            size: sized(entry, size, u64::MAX)?,
            weight: weight.parse().ok().ok_or_else(|| wrong(entry, shape(entry.keyword)))?,
        });
    }
    if let Some(first) = section.one("size_weight") {
        if weighted.iter().all(|size| size.weight == 0) {
            return Err(wrong(first, "at least one size_weight above 0"));
        }
        return Ok(Some(SizeRule::Weighted(weighted)));
    }
    match (min, max) {
        (None, None) => Ok(None),
        (Some((min, _)), Some((max, _))) if min <= max => Ok(Some(SizeRule::Uniform { min, max })),
        (Some((min, _)), Some((_, entry))) => {
            Err(wrong(entry, format!("at least the min_filesize of {min} bytes")))
        }
        (Some((_, entry)), None) => Err(wrong(entry, "max_filesize beside it")),
        (None, Some((_, entry))) => Err(wrong(entry, "min_filesize beside it")),
    }
}

fn growth(section: &Section) -> Result<Option<Growth>, Fault> {
    let size = size64(section, "init_size")?.map(|(bytes, _)| Growth::Size(bytes));
    let Some(entry) = section.one("init_util") else {
        return Ok(size);
    };
    if size.is_some() {
        return Err(wrong(entry, "either init_size or init_util"));
    }
    Ok(Some(Growth::Utilization(share(entry)?)))
}

fn threadgroup(
    section: &Section,
    locations: &[PathBuf],
    overrides: &Overrides,
) -> Result<Threadgroup, Fault> {
    let entry = required(section, "num_threads")?;
    let threads = integer::<u32>(entry, "a whole number above 0")?;
    let threads = NonZeroU32::new(threads).ok_or_else(|| wrong(entry, "a whole number above 0"))?;
    let bound_to = match section.one("bindfs") {
        None => None,
        Some(entry) => {
            let found = locations.iter().position(|location| *location == *entry.text);
            Some(found.ok_or_else(|| wrong(entry, "the location of a [filesystem] of this profile"))?)
        }
    };
    let mut weights = Weights::default();
    for entry in &section.entries {
        if let Kind::Weight(op) = entry.keyword.kind {
            weights.set(op, integer(entry, "a whole number below 2^32")?);
        }
    }
    if weights.total() == 0 {
        return Err(Fault::new(section.line, "a [threadgroup] without work", "at least one weight above 0"));
    }
    for (op, _) in weights.used() {
        if let Some(missing) = op.needs().iter().find(|name| section.one(name).is_none()) {
            let line = section.one(&format!("{op}_weight")).map_or(section.line, |entry| entry.line);
            return Err(Fault::new(
                line,
                format!("`{op}_weight` without `{missing}`"),
                format!("`{missing}` in this [threadgroup]"),
            ));
        }
    }
    let read_random = flag(section, "read_random")?.unwrap_or(false);
    let skip_size = section.one("read_skipsize").map(above_zero).transpose()?;
    let read_order = match section.one("read_skip") {
        Some(entry) if boolean(entry)? => {
            if read_random {
                return Err(wrong(entry, "either read_random or read_skip"));
            }
            ReadOrder::Skip(skip_size.ok_or_else(|| wrong(entry, "read_skipsize beside it"))?)
        }
        _ if read_random => ReadOrder::Random,
        _ => ReadOrder::Sequential,
    };
    let mut stats = section.children(Scope::Stats);
    let first = stats.next().map(stats_of).transpose()?;
    if let Some(second) = stats.next() {
        return Err(Fault::new(second.line, "a second [stats]", "one in a [threadgroup]"));
    }
    Ok(Threadgroup {
        threads: overrides.threads.unwrap_or(threads),
        bound_to,
        delay: Duration::from_millis(
            section
                .one("op_delay")
                .map(|entry| integer::<u32>(entry, "milliseconds, a whole number below 2^32"))
                .transpose()?
                .unwrap_or(0)
                .into(),
        ),
        read_size: section.one("read_size").map(above_zero).transpose()?,
        read_block: size32(section, "read_blocksize")?,
        write_size: section.one("write_size").map(above_zero).transpose()?,
        write_block: size32(section, "write_blocksize")?,
        read_order,
        write_order: if flag(section, "write_random")?.unwrap_or(false) {
            WriteOrder::Random
        } else {
            WriteOrder::Sequential
        },
        weights,
        stats: first,
    })
}

fn stats_of(section: &Section) -> Result<Stats, Fault> {
    let mut ignored = Vec::new();
    for entry in section.all("ignore") {
        let call = Syscall::ALL.iter().find(|call| call.name() == entry.text);
        let names: Vec<&str> = Syscall::ALL.iter().map(|call| call.name()).collect();
        let call = call.ok_or_else(|| wrong(entry, format!("one of {}", names.join(", "))))?;
        if !ignored.contains(call) {
            ignored.push(*call);
        }
    }
    let mut ranges = Vec::new();
    for entry in section.all("msec_range") {
        let (from, to) = pair(entry)?;
        let bound = |text: &str| f64::from_str(text).ok().filter(|value| value.is_finite() && *value >= 0.0);
        let (Some(from_ms), Some(to_ms)) = (bound(from), bound(to)) else {
            return Err(wrong(entry, shape(entry.keyword)));
        };
        if from_ms >= to_ms {
            return Err(wrong(entry, "a range that ends after it begins"));
        }
        ranges.push(LatencyRange { from_ms, to_ms });
    }
    Ok(Stats {
        enabled: flag(section, "enable_stats")?.unwrap_or(false),
        ranges_enabled: flag(section, "enable_range")?.unwrap_or(false),
        ranges,
        ignored,
    })
}

/// Direct I/O moves whole sectors.
fn whole_sectors(section: &Section, direct: Option<&Entry>) -> Result<(), Fault> {
    for name in ["read_blocksize", "write_blocksize", "read_skipsize"] {
        if let Some(entry) = section.one(name)
            && !sized(entry, &entry.text, u64::MAX)?.is_multiple_of(SECTOR.into())
        {
            let why = direct.map_or_else(String::new, |entry| format!(" (line {})", entry.line));
            return Err(wrong(entry, format!("a multiple of {SECTOR}, because of direct I/O{why}")));
        }
    }
    Ok(())
}

/// Whoever creates files must know how large.
fn sizes_for(
    section: &Section,
    group: &Threadgroup,
    filesystems: &[(Filesystem, Line)],
) -> Result<(), Fault> {
    let creates = [Op::Create, Op::CreateFsync].into_iter().find(|op| group.weights.of(*op) > 0);
    let Some(op) = creates else {
        return Ok(());
    };
    let without = filesystems
        .iter()
        .enumerate()
        .find(|(index, (filesystem, _))| group.uses(*index) && filesystem.sizes.is_none());
    let Some((_, (_, line))) = without else {
        return Ok(());
    };
    let at = section.one(&format!("{op}_weight")).map_or(section.line, |entry| entry.line);
    Err(Fault::new(
        at,
        format!("`{op}_weight` on the [filesystem] of line {line}, which has no sizes"),
        "min_filesize and max_filesize, or size_weight there",
    ))
}

fn required<'a>(section: &'a Section, name: &str) -> Result<&'a Entry, Fault> {
    section.one(name).ok_or_else(|| {
        Fault::new(section.line, format!("no `{name}` in {}", section.scope), format!("`{name} = value`"))
    })
}

fn wrong(entry: &Entry, expected: impl Into<String>) -> Fault {
    let sign = if entry.keyword.kind.is_bare() { "" } else { "= " };
    Fault::new(entry.line, format!("`{} {sign}{}`", entry.keyword.name, entry.text), expected)
}

fn integer<T: FromStr>(entry: &Entry, expected: &str) -> Result<T, Fault> {
    // The standard parser takes a sign, a profile does not.
    let digits = entry.text.bytes().all(|byte| byte.is_ascii_digit());
    entry.text.parse().ok().filter(|_| digits).ok_or_else(|| wrong(entry, expected))
}

fn count(section: &Section, name: &str) -> Result<Option<u32>, Fault> {
    section.one(name).map(|entry| integer(entry, "a whole number below 2^32")).transpose()
}

fn boolean(entry: &Entry) -> Result<bool, Fault> {
    match entry.text.as_str() {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(wrong(entry, "0 or 1")),
    }
}

fn flag(section: &Section, name: &str) -> Result<Option<bool>, Fault> {
    section.one(name).map(boolean).transpose()
}

fn share(entry: &Entry) -> Result<f64, Fault> {
    let value = f64::from_str(&entry.text).ok().filter(|value| *value > 0.0 && *value <= 1.0);
    value.ok_or_else(|| wrong(entry, "a number above 0 and at most 1"))
}

fn sized(entry: &Entry, text: &str, max: u64) -> Result<u64, Fault> {
    size::parse(text, max).map_err(|error| wrong(entry, error.to_string()))
}

fn size64<'a>(section: &'a Section, name: &str) -> Result<Option<(u64, &'a Entry)>, Fault> {
    section.one(name).map(|entry| Ok((sized(entry, &entry.text, u64::MAX)?, entry))).transpose()
}

fn above_zero(entry: &Entry) -> Result<NonZeroU64, Fault> {
    NonZeroU64::new(sized(entry, &entry.text, u64::MAX)?).ok_or_else(|| wrong(entry, "a size above 0"))
}

fn size32(section: &Section, name: &str) -> Result<Option<NonZeroU32>, Fault> {
    let Some(entry) = section.one(name) else {
        return Ok(None);
    };
    let bytes = u32::try_from(sized(entry, &entry.text, u32::MAX.into())?).ok().and_then(NonZeroU32::new);
    bytes.map(Some).ok_or_else(|| wrong(entry, "a size above 0"))
}

fn pair(entry: &Entry) -> Result<(&str, &str), Fault> {
    let mut words = entry.text.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(first), Some(second), None) => Ok((first, second)),
        _ => Err(wrong(entry, shape(entry.keyword))),
    }
}
