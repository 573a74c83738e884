//! The few sysfs files that the laboratory reads and sets beside what the rooms do.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Reads a file under /sys, without its newline.
///
/// # Errors
///
/// When it is not there or cannot be read.
pub fn read(relative: &str) -> Result<String> {
    read_under(&format!("/sys/{relative}"))
}

/// Reads a file of a kernel file system, without its newline.
///
/// # Errors
///
/// When it is not there or cannot be read.
pub fn read_under(path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.trim_end().to_owned())
}

/// The queue directory of one disk.
#[derive(Clone, Debug)]
pub struct Queue(PathBuf);

impl Queue {
    /// Of the disk of this name.
    #[must_use]
    pub fn of(disk: &str) -> Self {
        Self(Path::new("/sys/block").join(disk).join("queue"))
    }

    /// Writes a knob.
    ///
    /// # Errors
    ///
    /// When the kernel refuses; the error names file and value.
    pub fn set(&self, knob: &str, value: &str) -> Result<()> {
        let path = self.0.join(knob);
        std::fs::write(&path, value).with_context(|| format!("cannot write {value:?} to {}", path.display()))
    }

    /// Writes a knob wherever the kernel keeps it: of the queue or of its scheduler.
    ///
    /// # Errors
    ///
    /// When it is in neither place, or the kernel refuses.
    pub fn write(&self, knob: &str, value: &str) -> Result<()> {
        if self.0.join(knob).exists() {
            self.set(knob, value)
        } else {
            self.set(&format!("iosched/{knob}"), value)
        }
    }

    /// Reads a knob wherever the kernel keeps it: of the queue or of its scheduler.
    ///
    /// # Errors
    ///
    /// When it is in neither place.
    pub fn read(&self, knob: &str) -> Result<String> {
        self.get(knob).or_else(|_| self.get(&format!("iosched/{knob}")))
    }

    /// Reads a knob; of the scheduler, the one in force.
    ///
    /// # Errors
    ///
    /// When it is not there or cannot be read.
    pub fn get(&self, knob: &str) -> Result<String> {
        let path = self.0.join(knob);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(in_force(text.trim_end()).to_owned())
    }
}

/// The bracketed word of a menu, or the whole text where there is none.
fn in_force(text: &str) -> &str {
    text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(text, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bracketed_choice_is_in_force() {
        assert_eq!(in_force("none [mq-deadline] kyber"), "mq-deadline");
        assert_eq!(in_force("128"), "128");
        assert_eq!(in_force("none"), "none");
    }
}
