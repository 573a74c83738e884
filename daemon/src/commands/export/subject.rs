//! What a disk is recognised by on another boot, or another machine.

use super::printable;
use kernfs::{KPath, Kernel};
use std::sync::Arc;

/// The attributes that tell one disk from all others, by their place below the disk's directory in sysfs: NVMe, SCSI
/// and SATA, virtio-blk.
const UNIQUE: [&str; 4] = ["wwid", "device/wwid", "serial", "device/serial"];
/// The attribute that tells a kind of disk.
const MODEL: &str = "device/model";

/// What a disk is recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// An attribute that no other disk shares.
    Unique {
        /// The attribute.
        attribute: &'static str,
        /// Its value.
        value: String,
    },
    /// Its model: disks of the same model match too.
    Model(String),
    /// The name that the kernel gave it, which another boot may give to another disk.
    Name,
}

/// A disk and what it is recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) mark: Mark,
}

impl Subject {
    pub(super) fn read(kernel: &Arc<dyn Kernel>, name: &str) -> Self {
        let attribute = |attribute: &str| {
            let bytes = kernel.read(&KPath::sys(format!("block/{name}/{attribute}"))).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let text = text.trim_end().to_owned();
            // A value that a rule cannot quote is no mark.
            (!text.trim().is_empty() && printable(&text) == text).then_some(text)
        };
        let unique =
            UNIQUE.iter().find_map(|&name| Some(Mark::Unique { attribute: name, value: attribute(name)? }));
        let mark = unique.or_else(|| attribute(MODEL).map(Mark::Model)).unwrap_or(Mark::Name);
        Self { name: name.to_owned(), mark }
    }

    /// What a person should know about the mark.
    pub(super) fn warning(&self) -> Option<String> {
        let name = &self.name;
        match &self.mark {
            Mark::Unique { .. } => None,
            Mark::Model(model) => {
                Some(format!("{name} tells no serial number: every disk of the model {model} is meant"))
            }
            Mark::Name => Some(format!(
                "{name} tells neither a serial number nor a model: whatever disk is called {name} is meant"
            )),
        }
    }

    /// Where the mark is read and what is there; `None` for a name.
    pub(super) fn attribute(&self) -> Option<(&'static str, &str)> {
        match &self.mark {
            Mark::Unique { attribute, value } => Some((attribute, value)),
            Mark::Model(model) => Some((MODEL, model)),
            Mark::Name => None,
        }
    }
}
