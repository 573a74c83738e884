//! What holds for every text and every profile.

use ffsb_workloads::profile::raw;
use ffsb_workloads::profile::vocabulary::{KEYWORDS, Kind, Scope};
use ffsb_workloads::profile::{
    Aging, DEFAULT_BLOCK, Filesystem, Growth, LatencyRange, Op, Profile, ReadOrder, SizeRule, SizeWeight,
    Stats, Syscall, Threadgroup, Weights, WithoutEffect, WriteOrder,
};
use ffsb_workloads::scale::{Use, fitted, scaled};
use ffsb_workloads::shipped;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

const CORPUS: [&str; 3] = [
    include_str!("corpus/everything.ffsb"),
    include_str!("corpus/terse.ffsb"),
    include_str!("corpus/windows.ffsb"),
];

fn seeds() -> Vec<&'static str> {
    let shipped = shipped::ALL.iter().filter(|one| one.name.ends_with(".ffsb"));
    CORPUS.into_iter().chain(shipped.map(|one| one.text)).collect()
}

fn some32() -> impl Strategy<Value = NonZeroU32> {
    (1_u32..).prop_map(|value| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN))
}

fn some64() -> impl Strategy<Value = NonZeroU64> {
    (1_u64..).prop_map(|value| NonZeroU64::new(value).unwrap_or(NonZeroU64::MIN))
}

fn share() -> impl Strategy<Value = f64> {
    (0.000_001_f64..=1.0).boxed()
}

fn sizes() -> impl Strategy<Value = SizeRule> {
    let uniform = (any::<u64>(), 1_u64..)
        .prop_map(|(one, other)| SizeRule::Uniform { min: one.min(other), max: one.max(other) });
    let weighted = vec((1_u64.., 1_u32..), 1..5)
        .prop_map(|sizes| sizes.into_iter().map(|(size, weight)| SizeWeight { size, weight }).collect())
        .prop_map(SizeRule::Weighted);
    prop_oneof![uniform, weighted]
}

fn stats() -> impl Strategy<Value = Stats> {
    let range = (0.0_f64..1e6, 0.001_f64..1e6)
        .prop_map(|(from_ms, width)| LatencyRange { from_ms, to_ms: from_ms + width });
    let ignored =
        btree_set(select(Syscall::ALL.to_vec()), 0..4).prop_map(|calls| calls.into_iter().collect());
    (any::<bool>(), any::<bool>(), vec(range, 0..4), ignored).prop_map(
        |(enabled, ranges_enabled, ranges, ignored)| Stats { enabled, ranges_enabled, ranges, ignored },
    )
}

fn weights(needed: Op) -> impl Strategy<Value = Weights> {
    vec(0_u32..5, Op::ALL.len()).prop_map(move |values| {
        let mut weights = Weights::default();
        for (op, weight) in Op::ALL.iter().zip(values) {
            weights.set(*op, weight);
        }
        weights.set(needed, weights.of(needed) + 1);
        weights
    })
}

fn threadgroup(filesystems: usize) -> impl Strategy<Value = Threadgroup> {
    let order =
        prop_oneof![Just(ReadOrder::Sequential), Just(ReadOrder::Random), some64().prop_map(ReadOrder::Skip)];
    let bound = option::of(0..filesystems);
    let write_order = prop_oneof![Just(WriteOrder::Sequential), Just(WriteOrder::Random)];
    let blocks = (some64(), some32(), some64(), some32());
    ((some32(), bound, any::<u32>()), blocks, order, write_order, weights(Op::Create), option::of(stats()))
        .prop_map(|((threads, bound_to, delay), blocks, read_order, write_order, weights, stats)| {
            Threadgroup {
                threads,
                bound_to,
                delay: Duration::from_millis(delay.into()),
                read_size: Some(blocks.0),
                read_block: Some(blocks.1),
                write_size: Some(blocks.2),
                write_block: Some(blocks.3),
                read_order,
                write_order,
                weights,
                stats,
            }
        })
}

fn filesystem() -> impl Strategy<Value = Filesystem> {
    let growth =
        option::of(prop_oneof![any::<u64>().prop_map(Growth::Size), share().prop_map(Growth::Utilization)]);
    let aging = option::of((threadgroup(1), share()))
        .prop_map(|aging| aging.map(|(threads, until_used)| Aging { threads, until_used }));
    ((any::<u32>(), any::<u32>()), sizes(), growth, (some32(), some32()), any::<bool>(), aging).prop_map(
        |((files, dirs), sizes, growth, blocks, reuse, aging)| Filesystem {
            location: PathBuf::new(),
            files,
            dirs,
            sizes: Some(sizes),
            growth,
            create_block: blocks.0,
            age_block: blocks.1,
            reuse,
            aging,
        },
    )
}

fn profile() -> impl Strategy<Value = Profile> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let callout = option::of("[a-z#= ]{0,10}[a-z]");
    (any::<u32>(), flags, callout, vec(filesystem(), 1..4))
        .prop_flat_map(|(time, flags, callout, mut filesystems)| {
            for (number, filesystem) in filesystems.iter_mut().enumerate() {
                filesystem.location = PathBuf::from(format!("/mnt/file system {number}"));
            }
            let groups = vec(threadgroup(filesystems.len()), 1..4);
            (Just((time, flags, callout, filesystems)), groups)
        })
        .prop_map(|((time, flags, callout, filesystems), threadgroups)| Profile {
            time: Duration::from_secs(time.into()),
            direct: false,
            aligned: flags.0,
            without_effect: WithoutEffect { bufferio: flags.1, verbose: flags.2 },
            callout: callout.map(|text| text.trim().to_owned()),
            filesystems,
            threadgroups,
        })
}

proptest! {
    #[test]
    fn a_profile_reads_back_as_itself(profile in profile()) {
        let text = profile.to_string();
        let again = Profile::parse(text.as_bytes());
        prop_assert_eq!(again, Ok(profile), "{}", text);
    }

    #[test]
    fn any_bytes_are_a_profile_or_have_a_line(bytes in vec(any::<u8>(), 0..400)) {
        if let Err(fault) = Profile::parse(&bytes) {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!((1..=lines).contains(&(fault.line as usize)));
        }
    }

    #[test]
    fn any_words_are_a_profile_or_have_a_line(words in vec(select(words()), 0..40)) {
        let text = words.concat();
        if let Err(fault) = Profile::parse(text.as_bytes()) {
            prop_assert!(fault.line as usize <= text.split('\n').count());
            prop_assert!(!fault.found.is_empty() && !fault.expected.is_empty());
        }
    }

    #[test]
    fn a_changed_profile_never_panics(
        seed in select(seeds()),
        at in any::<prop::sample::Index>(),
        cut in 0_usize..30,
        put in "[ -~\n]{0,8}",
    ) {
        let mut bytes = seed.as_bytes().to_vec();
        let at = at.index(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put.bytes());
        if let Ok(profile) = Profile::parse(&bytes) {
            let text = profile.to_string();
            prop_assert_eq!(Profile::parse(text.as_bytes()), Ok(profile), "{}", text);
        }
    }

    #[test]
    fn a_fitted_set_fits_and_keeps_its_shape(profile in profile(), target in 1_u64 << 12..1 << 44) {
        let by = Use::of(&profile, 0);
        let before = &profile.filesystems[0];
        let after = fitted(before, by, target);
        if let Some(bytes) = after.expected_bytes() {
            // Sizes of no byte become one, and a page is the least that is rounded to.
            prop_assert!(bytes <= target + u64::from(after.files), "{bytes} of {target}: {after:?}");
        }
        prop_assert_eq!(after.files == 0, before.files == 0);
        prop_assert_eq!(after.dirs == 0, before.dirs == 0);
        prop_assert!(after.files <= before.files && after.dirs <= before.dirs);
        prop_assert!(after.sizes.unwrap().largest() <= before.sizes.as_ref().unwrap().largest());
    }

    #[test]
    fn any_factor_leaves_a_set_that_can_be_printed(profile in profile(), factor in 1e-9_f64..1e9) {
        let mut profile = profile;
        let by = Use::of(&profile, 0);
        profile.filesystems[0] = scaled(&profile.filesystems[0], by, factor);
        prop_assert_eq!(Profile::parse(profile.to_string().as_bytes()), Ok(profile));
    }
}

/// Lines and pieces of lines that mean something.
fn words() -> Vec<String> {
    let mut words: Vec<String> =
        ["[filesystem]\n", "[threadgroup]\n", "[stats]\n", "[end]\n", "\n", "#", " = ", " 1k 2\n", "\r\n"]
            .map(str::to_owned)
            .to_vec();
    for keyword in KEYWORDS {
        words.push(keyword.name.to_owned());
        words.extend(["0", "1", "4k", "0.5", "/x"].map(|value| match keyword.kind {
            Kind::SizeWeight | Kind::MsecRange => format!("{} {value} 7\n", keyword.name),
            _ => format!("{} = {value}\n", keyword.name),
        }));
    }
    words
}

#[test]
fn every_keyword_is_read_in_its_section_and_nowhere_else() {
    let sample = |kind: Kind| match kind {
        Kind::Seconds | Kind::Milliseconds | Kind::Count | Kind::Weight(_) => "7",
        Kind::Bool => "1",
        Kind::Command => "echo a # b",
        Kind::Path => "/mnt/x",
        Kind::Size64 | Kind::Size32 => "4kB",
        Kind::Share => "0.25",
        Kind::Syscall => "lseek",
        Kind::SizeWeight | Kind::MsecRange => "1 2",
        Kind::Deprecated(_) => "1",
    };
    let sections = |scope: Scope, line: &str| match scope {
        Scope::Global => line.to_owned(),
        Scope::Filesystem => format!("[filesystem]\n{line}[end]\n"),
        Scope::Threadgroup => format!("[threadgroup]\n{line}[end]\n"),
        Scope::Stats => format!("[threadgroup]\n[stats]\n{line}[end]\n[end]\n"),
    };
    for keyword in KEYWORDS {
        let sign = if keyword.kind.is_bare() { "" } else { "= " };
        let line = format!("\t{} {sign}{} \n", keyword.name, sample(keyword.kind));
        for scope in [Scope::Global, Scope::Filesystem, Scope::Threadgroup, Scope::Stats] {
            let read = raw::read(sections(scope, &line).as_bytes());
            let accepted = scope == keyword.scope && !matches!(keyword.kind, Kind::Deprecated(_));
            assert_eq!(read.is_ok(), accepted, "{} in {scope}", keyword.name);
        }
    }
}

#[test]
fn the_corpus_means_what_it_says() {
    let profile = Profile::parse(CORPUS[0].as_bytes()).unwrap();
    assert_eq!(profile.callout.as_deref(), Some("sync.sh --host a # this is part of the command"));
    assert!(profile.aligned && !profile.direct && profile.without_effect.verbose);
    let [one, two, three, four] = profile.filesystems.as_slice() else { panic!("four file systems") };
    let weights = [(4 << 10, 33), (8 << 20, 2)].map(|(size, weight)| SizeWeight { size, weight });
    assert_eq!(one.sizes, Some(SizeRule::Weighted(weights.to_vec())));
    assert_eq!((one.growth, one.dirs, one.reuse), (Some(Growth::Size(100 << 20)), 100, true));
    let aging = one.aging.as_ref().unwrap();
    assert_eq!((aging.until_used, aging.threads.threads.get()), (0.005, 10));
    assert_eq!(one.age_block.get(), 1024);
    let cloned = Filesystem { location: two.location.clone(), aging: None, ..one.clone() };
    assert_eq!(*two, cloned, "everything but the location and what is said anew");
    assert_eq!((three.files, three.growth, three.create_block), (10, None, DEFAULT_BLOCK));
    assert_eq!(four.growth, Some(Growth::Utilization(0.002)));
    let group = &profile.threadgroups[0];
    assert_eq!((group.bound_to, group.delay), (Some(2), Duration::from_millis(12)));
    assert_eq!(group.read_order, ReadOrder::Skip(NonZeroU64::new(512).unwrap()));
    assert_eq!(group.write_order, WriteOrder::Random);
    let in_order =
        ["read", "readall", "write", "writeall", "append", "create", "delete", "stat", "open_close"];
    let in_order = in_order.into_iter().chain(["createdir", "metaop"]);
    let in_order = in_order.chain(["write_fsync", "writeall_fsync", "create_fsync", "append_fsync"]);
    for (weight, name) in (1..).zip(in_order) {
        let op = Op::ALL.iter().find(|op| op.name() == name).unwrap();
        assert_eq!(group.weights.of(*op), weight, "{name}");
    }
    let stats = group.stats.as_ref().unwrap();
    assert_eq!(stats.ignored, [Syscall::Close, Syscall::Lseek]);
    assert_eq!(stats.ranges[1], LatencyRange { from_ms: 0.01, to_ms: 10_000.0 });
    assert_eq!(profile.threadgroups[1].read_order, ReadOrder::Random);
    for text in seeds() {
        Profile::parse(text.as_bytes()).unwrap();
    }
}
