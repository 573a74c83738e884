//! One fake disk's part of sysfs and debugfs.

use super::FakeDisk;
use super::queue::Queue;
use crate::{DiskStats, Errno, InFlight};
use std::collections::BTreeMap;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    /// A file; whether its mode lets it be written.
    File {
        writable: bool,
    },
}

/// A disk that is there.
#[derive(Clone, Debug)]
pub(super) struct Present {
    pub(super) spec: FakeDisk,
    pub(super) queue: Queue,
    pub(super) stats: DiskStats,
    pub(super) in_flight: InFlight,
    /// Files that never change, below the disk's directory.
    fixed: BTreeMap<String, String>,
    /// Directories that may be empty.
    dirs: Vec<String>,
}

/// What a queue of bios has of `queue/`.
const BIO_QUEUE: [&str; 6] =
    ["iostats", "logical_block_size", "max_hw_sectors_kb", "max_sectors_kb", "read_ahead_kb", "rotational"];

impl Present {
    pub(super) fn new(spec: FakeDisk) -> Self {
        let mut fixed = spec.files.clone();
        let mut put = |rest: &str, text: String| {
            fixed.insert(rest.to_owned(), format!("{text}\n"));
        };
        let flag = |flag: bool| u8::from(flag).to_string();
        // A hidden disk has no node, and so no number.
        if !spec.hidden {
            put("dev", spec.devno.to_string());
        }
        put("size", spec.size.0.to_string());
        put("ro", flag(spec.read_only));
        put("removable", flag(spec.removable));
        put("hidden", flag(spec.hidden));
        if let Some(diskseq) = spec.diskseq {
            put("diskseq", diskseq.to_string());
        }
        if let Some(model) = &spec.model {
            // SCSI pads the model to 16 bytes, as some drivers' models show.
            put("device/model", format!("{model:<16}"));
        }
        if let Some(file) = &spec.backing_file {
            put("loop/backing_file", file.clone());
        }
        let mut dirs = vec!["holders".to_owned(), "slaves".to_owned(), "queue".to_owned()];
        dirs.extend(spec.holders.iter().map(|name| format!("holders/{name}")));
        dirs.extend(spec.slaves.iter().map(|name| format!("slaves/{name}")));
        if spec.request_queue {
            dirs.push("mq/0".to_owned());
        }
        for (number, (name, dev, size)) in (1..).zip(&spec.partitions) {
            put(&format!("{name}/partition"), format!("{number}"));
            put(&format!("{name}/dev"), dev.to_string());
            put(&format!("{name}/size"), size.0.to_string());
            dirs.push(format!("{name}/holders"));
        }
        let stats = DiskStats { dev: spec.devno, name: spec.name.clone(), ..spec.stats.clone() };
        Self { queue: Queue::new(&spec), stats, in_flight: InFlight::default(), fixed, dirs, spec }
    }

    /// Every file below the disk's directory.
    fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = self.fixed.keys().cloned().collect();
        files.extend(["stat".to_owned(), "inflight".to_owned()]);
        let queue = self.queue.names().into_iter().filter(|name| self.queue_has(name));
        files.extend(queue.filter(|name| *name != "iosched").map(|name| format!("queue/{name}")));
        if self.spec.request_queue {
            let iosched = self.queue.iosched_names().unwrap_or_default();
            files.extend(iosched.iter().map(|name| format!("queue/iosched/{name}")));
        }
        files
    }

    fn queue_has(&self, rest: &str) -> bool {
        self.spec.request_queue || BIO_QUEUE.contains(&rest) || rest == "zoned"
    }

    /// What stands at `rest`; the empty string is the disk's directory itself.
    pub(super) fn node(&self, rest: &str) -> Option<Node> {
        if let Some(rest) = rest.strip_prefix("queue/") {
            if rest == "iosched" {
                return (self.spec.request_queue && self.queue.iosched_names().is_some())
                    .then_some(Node::Dir);
            }
            let writable = self.queue.mode(rest).filter(|_| self.queue_has(rest))?;
            return Some(Node::File { writable });
        }
        if self.fixed.contains_key(rest) || rest == "stat" || rest == "inflight" {
            return Some(Node::File { writable: false });
        }
        let below = |path: &String| rest.is_empty() || path == rest || is_below(path, rest);
        (self.dirs.iter().any(below) || self.fixed.keys().any(below)).then_some(Node::Dir)
    }

    /// The names in the directory `rest`, sorted.
    pub(super) fn list(&self, rest: &str) -> Result<Vec<String>, Errno> {
        match self.node(rest) {
            None => return Err(Errno::NoEntry),
            Some(Node::File { .. }) => return Err(Errno::NotDirectory),
            Some(Node::Dir) => {}
        }
        let mut all = self.files();
        all.extend(self.dirs.iter().cloned());
        if self.node("queue/iosched") == Some(Node::Dir) {
            all.push("queue/iosched".to_owned());
        }
        let mut names: Vec<String> = all
            .iter()
            .filter_map(|path| if rest.is_empty() { Some(path.as_str()) } else { below(path, rest) })
            .filter_map(|path| path.split('/').next().map(str::to_owned))
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    pub(super) fn read(&self, rest: &str) -> Result<String, Errno> {
        match rest {
            "stat" => Ok(format!("{}\n", self.stats.to_stat())),
            "inflight" => Ok(format!("{:8} {:8}\n", self.in_flight.reads, self.in_flight.writes)),
            _ => match rest.strip_prefix("queue/") {
                Some(name) if self.queue_has(name) => self.queue.read(name),
                Some(_) => Err(Errno::NoEntry),
                None => self.fixed.get(rest).cloned().ok_or(Errno::NoEntry),
            },
        }
    }

    pub(super) fn write(&mut self, rest: &str, text: &str) -> Result<(), Errno> {
        match self.node(rest) {
            None => Err(Errno::NoEntry),
            Some(Node::Dir) => Err(Errno::Invalid),
            Some(Node::File { writable: false }) => Err(Errno::Access),
            Some(Node::File { writable: true }) => {
                let name = rest.strip_prefix("queue/").ok_or(Errno::Access)?;
                self.queue.write(name, text)
            }
        }
    }

    /// A file of debugfs `block/<name>/`.
    pub(super) fn debug(&self, rest: &str) -> Result<String, Errno> {
        match rest {
            "hctx0/tags" if self.spec.request_queue => Ok(format!(
                "nr_tags={}\nnr_reserved_tags=0\nactive_queues=0\n\nbitmap_tags:\ndepth={}\nbusy=0\n",
                self.queue.driver_tags(),
                self.queue.tag_depth()
            )),
            "rqos/wbt/enabled" if self.spec.request_queue => match self.queue.wbt_state() {
                Some(state) => Ok(format!("{}\n", state.raw())),
                None => Err(Errno::NoEntry),
            },
            _ => Err(Errno::NoEntry),
        }
    }
}

/// The part of `path` below the directory `dir`.
fn below<'a>(path: &'a str, dir: &str) -> Option<&'a str> {
    path.strip_prefix(dir)?.strip_prefix('/')
}

fn is_below(path: &str, dir: &str) -> bool {
    below(path, dir).is_some()
}
