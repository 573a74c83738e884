//! The loaded programs and their maps.

use super::decode::Shared;
use super::layout::{MAX_DISKS, SLOTS, counter, latency, slot};
use super::lock;
use super::table::DiskTable;
use crate::SamplerError;
use crate::clock::monotonic;
use crate::duty::Orders;
use block_types::{DevNo, Sectors};
use libbpf_rs::{Link, MapCore as _, MapFlags, MapHandle, Object, ObjectBuilder, OpenObject};
use std::fmt::Display;
use std::sync::Mutex;

const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sampler.bpf.o"));

/// Programs, and the kernel type that shows that the running kernel has their tracepoint. Those needed only for
/// exact accounting come with `true`.
const PROGRAMS: [(&str, &str, bool); 9] = [
    ("bio_queue", "block_bio_queue", false),
    ("rq_complete", "block_rq_complete", false),
    ("bio_complete", "block_bio_complete", false),
    ("io_done", "block_io_done", true),
    ("getrq", "block_getrq", true),
    ("split", "block_split", true),
    ("bio_backmerge", "block_bio_backmerge", true),
    ("bio_frontmerge", "block_bio_frontmerge", true),
    ("rq_merge", "block_rq_merge", true),
];

pub(super) fn failed(operation: impl Into<String>) -> impl FnOnce(libbpf_rs::Error) -> SamplerError {
    let operation = operation.into();
    // The alternate form has the whole chain of causes.
    |why| SamplerError::Bpf { operation, why: format!("{why:#}") }
}

fn unexpected(operation: &str, why: impl Display) -> SamplerError {
    SamplerError::Bpf { operation: operation.to_owned(), why: why.to_string() }
}

/// What libbpf printed since the last loading began.
static PRINTED: Mutex<String> = Mutex::new(String::new());

/// What libbpf prints goes to the log and not to stderr; and is kept, because its errors say little without.
#[expect(clippy::needless_pass_by_value, reason = "the library gives the text away")]
fn note_print(_level: libbpf_rs::PrintLevel, text: String) {
    tracing::debug!(target: "libbpf", "{}", text.trim_end());
    lock(&PRINTED).push_str(&text);
}

/// The telling end of what libbpf printed: the verifier's last words, without its instruction listing.
fn explanation(printed: &str) -> String {
    let lines: Vec<_> = printed
        .lines()
        .map(str::trim)
        .filter(|line| {
            !line.is_empty() && !line.starts_with(|first: char| first.is_ascii_digit() || first == ';')
        })
        .filter(|line| !line.starts_with("--") && !line.starts_with("processed "))
        .collect();
    let tail = &lines[lines.len().saturating_sub(6)..];
    if tail.is_empty() { String::new() } else { format!(" ({})", tail.join("; ")) }
}

/// Programs loaded into the kernel, attached or not.
///
/// A program that is attached costs each I/O some 30 ns, also one that is switched off. So the off-phases of a duty
/// cycle detach: what watches arrivals at once, the rest once no followed bio is in flight.
#[derive(Debug)]
pub(super) struct Programs {
    object: Object,
    /// What watches bios arrive.
    arrivals: Vec<Link>,
    /// What watches them complete, and what exact accounting needs.
    rest: Vec<Link>,
    ids: Vec<u32>,
}

/// The program that watches bios arrive.
const ARRIVALS: &str = PROGRAMS[0].0;

/// The maps: handles of their own, so that reading needs no lock on the programs.
#[derive(Debug)]
pub(super) struct Maps {
    counters: MapHandle,
    latencies: MapHandle,
    control: MapHandle,
    in_flight: MapHandle,
    slots: MapHandle,
    disks: usize,
}

/// What loading found.
pub(super) struct Loaded {
    pub(super) programs: Programs,
    pub(super) maps: Maps,
    /// Whether completions and requests are accounted for exactly.
    pub(super) exact: bool,
    pub(super) notes: Vec<String>,
}

/// Loads the programs for these disks; attaches nothing.
pub(super) fn load(disks: &[DevNo], near: Sectors, exact: bool) -> Result<Loaded, SamplerError> {
    let table = DiskTable::new(disks).ok_or_else(|| SamplerError::BadRequest {
        found: format!("{} disks", disks.len()),
        expected: "at most 64 disks, each once",
    })?;
    let mut builder = ObjectBuilder::default();
    libbpf_rs::set_print(Some((libbpf_rs::PrintLevel::Warn, note_print)));
    std::mem::take(&mut *lock(&PRINTED));
    let mut open = builder.open_memory(OBJECT).map_err(failed("open the compiled programs"))?;
    let missing = missing_tracepoints();
    let exact_missing: Vec<_> =
        PROGRAMS.iter().filter(|(_, tracepoint, only)| *only && missing.contains(tracepoint)).collect();
    let exact_works = exact && exact_missing.is_empty();
    let mut notes = Vec::new();
    if exact && !exact_works {
        let names: Vec<_> = exact_missing.iter().map(|(_, tracepoint, _)| *tracepoint).collect();
        notes.push(format!(
            "no exact accounting: this kernel has no tracepoint {} (Linux 6.5 and later have all)",
            names.join(", ")
        ));
    }
    for mut program in open.progs_mut() {
        let name = program.name().to_string_lossy().into_owned();
        let wanted = PROGRAMS.iter().any(|(program, tracepoint, only)| {
            *program == name && !missing.contains(tracepoint) && (exact_works || !only)
        });
        if !wanted && !name.is_empty() {
            program.set_autoload(false);
        }
    }
    configure(&mut open, &table, near, exact_works, disks.len())?;
    let object = open.load().map_err(|why| SamplerError::Bpf {
        operation: "load the programs".to_owned(),
        why: format!("{why:#}{}", explanation(&lock(&PRINTED))),
    })?;
    let maps = Maps::of(&object, disks.len())?;
    let ids = ids(&object)?;
    Ok(Loaded {
        programs: Programs { object, arrivals: Vec::new(), rest: Vec::new(), ids },
        maps,
        exact: exact_works,
        notes,
    })
}

/// Which of the tracepoints the running kernel lacks, by its type information.
fn missing_tracepoints() -> Vec<&'static str> {
    use libbpf_rs::btf::{Btf, types};
    // A kernel without type information fails to load the programs, with a better message than this could give.
    let Ok(btf) = Btf::from_vmlinux() else {
        return Vec::new();
    };
    PROGRAMS
        .iter()
        .map(|(_, tracepoint, _)| *tracepoint)
        .filter(|name| btf.type_by_name::<types::Typedef<'_>>(&format!("btf_trace_{name}")).is_none())
        .collect()
}

/// Writes the constants, and sizes the maps.
fn configure(
    open: &mut OpenObject,
    table: &DiskTable,
    near: Sectors,
    exact: bool,
    disks: usize,
) -> Result<(), SamplerError> {
    let mut config = Vec::new();
    config.extend(near.0.to_ne_bytes());
    config.extend(table.multiplier.to_ne_bytes());
    config.extend(u32::from(exact).to_ne_bytes());
    for (dev, disk) in &table.buckets {
        config.extend(dev.to_ne_bytes());
        config.extend(disk.to_ne_bytes());
    }
    let entries = u32::try_from(disks.max(1)).unwrap_or(u32::MAX);
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if name == ".rodata.config" {
            let initial = map.initial_value_mut().ok_or_else(|| unexpected("configure", "no constants"))?;
            if initial.len() != config.len() {
                return Err(unexpected(
                    "configure",
                    format!("constants: found {} bytes, expected {}", initial.len(), config.len()),
                ));
            }
            initial.copy_from_slice(&config);
        } else if name == "counters" || name == "latencies" {
            map.set_max_entries(entries).map_err(failed(format!("size the map {name}")))?;
        }
    }
    Ok(())
}

/// The kernel's numbers of the loaded programs.
fn ids(object: &Object) -> Result<Vec<u32>, SamplerError> {
    use std::os::fd::AsFd as _;
    let mut ids = Vec::new();
    for program in object.progs() {
        if program.autoload() {
            let id = libbpf_rs::Program::id_from_fd(program.as_fd()).map_err(failed("identify a program"))?;
            ids.push(id);
        }
    }
    Ok(ids)
}

impl Programs {
    /// Attaches all programs. Does nothing if they are.
    pub(super) fn attach(&mut self) -> Result<(), SamplerError> {
        // What ends the following of a bio comes before what begins it.
        if self.rest.is_empty() {
            self.rest = self.attached(|name| name != ARRIVALS)?;
        }
        if self.arrivals.is_empty() {
            self.arrivals = self.attached(|name| name == ARRIVALS)?;
        }
        Ok(())
    }

    fn attached(&mut self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Link>, SamplerError> {
        let mut links = Vec::new();
        for program in self.object.progs_mut() {
            let name = program.name().to_string_lossy().into_owned();
            if program.autoload() && wanted(&name) {
                links.push(program.attach_trace().map_err(failed(format!("attach {name}")))?);
            }
        }
        Ok(links)
    }

    /// Detaches what watches bios arrive. What was counted stays.
    pub(super) fn detach_arrivals(&mut self) {
        self.arrivals.clear();
    }

    /// Detaches all programs. What was counted stays.
    pub(super) fn detach(&mut self) {
        self.arrivals.clear();
        self.rest.clear();
    }

    /// Whether any program is attached.
    pub(super) fn any_attached(&self) -> bool {
        !self.arrivals.is_empty() || !self.rest.is_empty()
    }

    /// The kernel's numbers of the programs.
    pub(super) fn ids(&self) -> &[u32] {
        &self.ids
    }
}

impl Maps {
    fn of(object: &Object, disks: usize) -> Result<Self, SamplerError> {
        let find = |name: &str, size: usize| {
            let map = object
                .maps()
                .find(|map| map.name() == name)
                .ok_or_else(|| unexpected("find a map", format!("there is no {name}")))?;
            let found = map.value_size() as usize;
            if found != size {
                return Err(unexpected(
                    "check a map",
                    format!("{name}: found {found} bytes, expected {size}"),
                ));
            }
            MapHandle::try_from(&map).map_err(failed(format!("open the map {name}")))
        };
        Ok(Self {
            counters: find("counters", counter::COUNTERS * 8)?,
            latencies: find("latencies", latency::LATENCIES * 8)?,
            control: find(".data.control", 8 + MAX_DISKS * 24)?,
            in_flight: find(".data.in_flight", 8)?,
            slots: find(".bss.slots", SLOTS * slot::WORDS * 8)?,
            disks,
        })
    }

    /// What each CPU counted for a disk.
    pub(super) fn counters(&self, disk: usize) -> Result<Vec<Vec<u8>>, SamplerError> {
        let key = key(disk);
        let value = self.counters.lookup_percpu(&key, MapFlags::ANY).map_err(failed("read the counters"))?;
        value.ok_or_else(|| unexpected("read the counters", format!("there is no disk {disk}")))
    }

    /// What CPUs share for a disk.
    pub(super) fn shared(&self, disk: usize) -> Result<Shared, SamplerError> {
        let value = self.latencies.lookup(&key(disk), MapFlags::ANY).map_err(failed("read the latencies"))?;
        value
            .and_then(|value| Shared::new(&value))
            .ok_or_else(|| unexpected("read the latencies", format!("there is no disk {disk}")))
    }

    /// The table of followed bios.
    pub(super) fn slots(&self) -> Result<Vec<u8>, SamplerError> {
        let value = self.slots.lookup(&key(0), MapFlags::ANY).map_err(failed("read the bios in flight"))?;
        Ok(value.unwrap_or_default())
    }

    /// Tells the programs what to do.
    pub(super) fn order(&self, orders: impl Iterator<Item = Orders>) -> Result<(), SamplerError> {
        let mut value = vec![0; 8];
        let mut any = false;
        for order in orders.take(MAX_DISKS) {
            any |= order.on;
            for word in [u32::from(order.on), order.epoch, order.every, 0] {
                value.extend(word.to_ne_bytes());
            }
            value.extend(order.mark.0.to_ne_bytes());
        }
        value.resize(8 + MAX_DISKS * 24, 0);
        value[..4].copy_from_slice(&u32::from(any).to_ne_bytes());
        self.control.update(&key(0), &value, MapFlags::ANY).map_err(failed("switch the programs"))
    }

    /// How many followed bios are in flight.
    pub(super) fn in_flight(&self) -> Result<u64, SamplerError> {
        let value =
            self.in_flight.lookup(&key(0), MapFlags::ANY).map_err(failed("read the bios in flight"))?;
        value
            .and_then(|value| Some(u64::from_ne_bytes(value.get(..8)?.try_into().ok()?)))
            .ok_or_else(|| unexpected("read the bios in flight", "there is no number"))
    }

    /// Empties the table of followed bios, while no program is attached.
    pub(super) fn forget_in_flight(&self) -> Result<(), SamplerError> {
        let now = monotonic();
        let slots = vec![0; SLOTS * slot::WORDS * 8];
        self.slots.update(&key(0), &slots, MapFlags::ANY).map_err(failed("empty the table of bios"))?;
        self.in_flight.update(&key(0), &[0; 8], MapFlags::ANY).map_err(failed("empty the table of bios"))?;
        for disk in 0..self.disks {
            let value = self.shared(disk)?.resumed(now);
            self.latencies
                .update(&key(disk), &value, MapFlags::ANY)
                .map_err(failed("empty the table of bios"))?;
        }
        Ok(())
    }
}

fn key(index: usize) -> [u8; 4] {
    u32::try_from(index).unwrap_or(u32::MAX).to_ne_bytes()
}
