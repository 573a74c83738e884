//! From profiles to phases: which file sets there are, where, how large, and who shares one.

use crate::error::RunError;
use crate::platform;
use crate::profile::{Filesystem, Profile};
use crate::scale::{self, Scale, Use};
use std::path::{Path, PathBuf};

/// A profile with the name that reports give it.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Such as `random-read`.
    pub name: String,
    /// What is done.
    pub profile: Profile,
}

/// What is to be done: phases in order, over file sets that are all made first.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The directories that are taken, each once.
    pub homes: Vec<PathBuf>,
    /// The file sets.
    pub sets: Vec<SetPlan>,
    /// The phases, their profiles as they are run (scaled).
    pub phases: Vec<PhasePlan>,
}

/// One file set.
#[derive(Clone, Debug, PartialEq)]
pub struct SetPlan {
    /// The place of its directory in [`Plan::homes`].
    pub home: usize,
    /// Its directory's name there.
    pub name: String,
    /// What it is like (scaled).
    pub filesystem: Filesystem,
    /// To how many bytes its sizes are rounded up.
    pub grain: u64,
    /// The most bytes it may ever have; `None` for all that the file system gives.
    pub ceiling: Option<u64>,
    /// What its threads want of it.
    pub used: Use,
    /// The granularity of direct I/O on it, in bytes; `None` where there is none.
    pub direct_block: Option<usize>,
}

/// One phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhasePlan {
    /// Its name.
    pub name: String,
    /// What is done (scaled).
    pub profile: Profile,
    /// For each of the profile's file systems, the place of its set in [`Plan::sets`].
    pub sets: Vec<usize>,
}

/// Lays out phases over file sets.
///
/// With a `location`, everything is in that directory, whatever the profiles say; each file set has a directory of
/// its own in it, so that several file systems of a profile do not get in each other's way. Without one, each set is in
/// the location that its profile names.
///
/// Two phases share a set where they describe the same one in the same place and neither adds, removes or resizes
/// files: so sequential and random reads of a cycle read the same files.
///
/// # Errors
///
/// When it cannot be told how much room there is.
pub fn plan(phases: Vec<Phase>, location: Option<&Path>, scale: Scale) -> Result<Plan, RunError> {
    let mut plan = Plan { homes: Vec::new(), sets: Vec::new(), phases: Vec::new() };
    for Phase { name, profile } in phases {
        let mut sets = Vec::new();
        for (number, filesystem) in profile.filesystems.iter().enumerate() {
            let path = location.unwrap_or(&filesystem.location);
            let home = plan.homes.iter().position(|known| known == path).unwrap_or_else(|| {
                plan.homes.push(path.to_owned());
                plan.homes.len() - 1
            });
            let wanted = SetPlan {
                home,
                name: String::new(),
                filesystem: filesystem.clone(),
                grain: profile.grain(),
                ceiling: None,
                used: Use::of(&profile, number),
                direct_block: profile.direct.then(|| direct_block(&profile)),
            };
            sets.push(match plan.sets.iter_mut().position(|known| may_share(known, &wanted)) {
                Some(known) => {
                    let shared = &mut plan.sets[known];
                    shared.used = shared.used.and(wanted.used);
                    shared.filesystem.reuse |= wanted.filesystem.reuse;
                    // The finer granularity; `None` is the coarsest.
                    shared.direct_block = match (shared.direct_block, wanted.direct_block) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                    known
                }
                None => {
                    plan.sets.push(wanted);
                    plan.sets.len() - 1
                }
            });
        }
        plan.phases.push(PhasePlan { name, profile, sets });
    }
    for index in 0..plan.sets.len() {
        let home = plan.sets[index].home;
        let before = plan.sets[..index].iter().filter(|set| set.home == home).count();
        plan.sets[index].name = format!("set{before}");
    }
    scale_sets(&mut plan, scale)?;
    for phase in &mut plan.phases {
        for (filesystem, set) in phase.profile.filesystems.iter_mut().zip(&phase.sets) {
            let set = &plan.sets[*set];
            *filesystem =
                Filesystem { location: plan.homes[set.home].join(&set.name), ..set.filesystem.clone() };
        }
    }
    Ok(plan)
}

fn may_share(one: &SetPlan, other: &SetPlan) -> bool {
    let alike = |set: &SetPlan| Filesystem {
        location: PathBuf::new(),
        reuse: false,
        aging: None,
        ..set.filesystem.clone()
    };
    let still = |set: &SetPlan| !set.used.changes && set.filesystem.aging.is_none();
    one.home == other.home
        && one.grain == other.grain
        && still(one)
        && still(other)
        && alike(one) == alike(other)
        // Two file systems of one profile are two, also where they are alike.
        && one.filesystem.location == other.filesystem.location
}

fn scale_sets(plan: &mut Plan, scale: Scale) -> Result<(), RunError> {
    for home in 0..plan.homes.len() {
        let sets: Vec<usize> = (0..plan.sets.len()).filter(|set| plan.sets[*set].home == home).collect();
        let target = match scale {
            Scale::AsWritten => continue,
            Scale::Factor(factor) => {
                for set in sets {
                    let set = &mut plan.sets[set];
                    set.filesystem = scale::scaled(&set.filesystem, set.used, factor);
                }
                continue;
            }
            Scale::Fit(Some(bytes)) => bytes,
            Scale::Fit(None) => scale::steady(room(&plan.homes[home])? / 2),
        };
        let share = target / sets.len().max(1) as u64;
        for set in sets {
            let set = &mut plan.sets[set];
            set.filesystem = scale::fitted(&set.filesystem, set.used, share);
            set.ceiling = Some(share);
        }
    }
    Ok(())
}

/// Bytes that a run may write to a place, counting what it would remove first.
fn room(home: &Path) -> Result<u64, RunError> {
    // Where it will be made, or the nearest place to it that is there: whether it can be is not decided here.
    let existing = home.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let usage = platform::usage(existing).map_err(|error| RunError::io("look at", existing, error))?;
    Ok(usage.available_bytes.saturating_add(bytes_under(home, 3)))
}

/// What the files in a directory hold; what cannot be read counts nothing.
fn bytes_under(directory: &Path, depth: usize) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() && depth > 0 => bytes_under(&entry.path(), depth - 1),
            Ok(found) if found.is_file() => found.len(),
            _ => 0,
        })
        .sum()
}

/// Pages, unless a block or a gap is not whole pages: then sectors.
fn direct_block(profile: &Profile) -> usize {
    const PAGE: u64 = crate::profile::ALIGNMENT;
    let paged = profile.threadgroups.iter().all(|group| {
        let blocks =
            [group.read_block, group.write_block].into_iter().flatten().map(|block| u64::from(block.get()));
        let gap = match group.read_order {
            crate::profile::ReadOrder::Skip(gap) => Some(gap.get()),
            _ => None,
        };
        blocks.chain(gap).all(|bytes| bytes.is_multiple_of(PAGE))
    });
    if paged { PAGE as usize } else { 512 }
}
