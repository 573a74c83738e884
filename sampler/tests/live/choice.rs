//! Which source is opened, what it leaves behind, and what it cannot tell.

use crate::rig::{Direct, Loop, Outcome, Watch, holds, open, request, same};
use sampler::{SamplerError, SourceChoice, SourceKind};
use std::fs;
use std::path::{Path, PathBuf};

const INSTANCES: &str = "/sys/kernel/tracing/instances";

fn ours() -> Outcome<Vec<String>> {
    let prefix = format!("tunerd-{}-", std::process::id());
    Ok(fs::read_dir(INSTANCES)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect())
}

pub(crate) fn tracefs_leaves_nothing_behind() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, SourceChoice::Tracefs)?;
    same("instances while open", &ours()?.len(), &1)?;
    drop(watch);
    same("instances afterwards", &ours()?, &Vec::new())
}

pub(crate) fn what_a_dead_process_left_is_removed() -> Outcome {
    // A process that has ended and was waited for has no number any more.
    let mut child = std::process::Command::new("true").spawn()?;
    let dead = child.id();
    child.wait()?;
    let leftover = Path::new(INSTANCES).join(format!("tunerd-{dead}-0"));
    fs::create_dir(&leftover)?;
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, SourceChoice::Tracefs);
    let there = leftover.exists();
    if there {
        fs::remove_dir(&leftover)?;
    }
    watch?;
    holds("the leftover instance stayed", !there)
}

pub(crate) fn a_fallback_gives_its_reasons() -> Outcome {
    let disk = Loop::new()?;
    let mut wanted = request(&disk, SourceChoice::Auto)?;
    same("kind", &open(&wanted)?.kind, &SourceKind::Bpf)?;
    wanted.choice = SourceChoice::Tracefs;
    wanted.tracefs = PathBuf::from("/nowhere");
    match open(&wanted) {
        Err(_) => {}
        Ok(opened) => return Err(format!("opened {opened:?}").into()),
    }
    let kernel: std::sync::Arc<dyn kernfs::Kernel> = std::sync::Arc::new(kernfs::RealKernel::live());
    match sampler::open(&kernel, &wanted) {
        Err(SamplerError::NoSource { tried }) => {
            holds(format!("{tried:?}"), tried.len() == 1 && tried[0].1.contains("/nowhere/instances"))
        }
        other => Err(format!("found {other:?}").into()),
    }
}

pub(crate) fn diskstats_says_what_it_cannot_tell() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, SourceChoice::Diskstats)?;
    holds(watch.opened.why.clone(), watch.opened.why.contains("unknown to it: distances and sizes"))?;
    let before = watch.read()?;
    let mut direct = Direct::open(&disk.path)?;
    (0..40).try_for_each(|n| direct.read(n * 4096, 4096))?;
    disk.settle()?;
    let after = watch.read()?;
    same("reads", &(after.completed.reads - before.completed.reads), &40)?;
    same("sectors", &(after.completed.read_sectors - before.completed.read_sectors), &320)?;
    same("bios", &after.bios, &None)?;
    same("latencies", &after.latency, &None)
}
