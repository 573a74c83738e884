//! A loop device of our own, and work for it.

use crate::common::text;
use crate::sh;
use libtest_mimic::Failed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A loop device on a sparse file, detached at the end.
pub(crate) struct Loop {
    pub(crate) name: String,
    directory: tempfile::TempDir,
}

impl Loop {
    pub(crate) fn new() -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("disk");
        std::fs::File::create(&file)?.set_len(256 << 20)?;
        // Others look for a free one at the same time, so a few tries.
        let mut last = Failed::from("no try");
        for _ in 0..10 {
            match sh("losetup", &["-f", "--show", &text(&file)]) {
                Ok(device) => {
                    let name = device.trim_start_matches("/dev/").to_owned();
                    let disk = Self { name, directory };
                    disk.reset()?;
                    return Ok(disk);
                }
                Err(error) => last = error,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(last)
    }

    pub(crate) fn device(&self) -> String {
        format!("/dev/{}", self.name)
    }

    pub(crate) fn queue(&self) -> PathBuf {
        Path::new("/sys/block").join(&self.name).join("queue")
    }

    /// A number remembers its settings from one file to the next: all that the tests move is set anew.
    fn reset(&self) -> Result<(), Failed> {
        // 127 and then 128, because writing what is shown already would not resize the driver's tags.
        for (knob, value) in [
            ("scheduler", "none"),
            ("nr_requests", "127"),
            ("nr_requests", "128"),
            ("read_ahead_kb", "128"),
            ("scheduler", "mq-deadline"),
        ] {
            std::fs::write(self.queue().join(knob), value).map_err(|error| format!("{knob}: {error}"))?;
        }
        Ok(())
    }

    /// Every knob that can be read, of the queue and of the scheduler.
    pub(crate) fn knobs(&self) -> BTreeMap<String, String> {
        let mut knobs = BTreeMap::new();
        for directory in [self.queue(), self.queue().join("iosched")] {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let text = std::fs::read_to_string(entry.path());
                if let (Ok(name), Ok(text)) = (entry.file_name().into_string(), text) {
                    knobs.insert(name, text.trim().to_owned());
                }
            }
        }
        knobs
    }

    /// Direct 4 KiB reads all over it, until told to stop.
    pub(crate) fn read_at_random(&self) -> Result<Reader, Failed> {
        use std::os::unix::fs::{FileExt, OpenOptionsExt};
        let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits())?;
        let file = std::fs::File::options().read(true).custom_flags(direct).open(self.device())?;
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            // Direct I/O wants an aligned buffer.
            let mut memory = vec![0_u8; 8_192];
            let start = memory.as_ptr().align_offset(4_096);
            let mut place = 1_u64;
            while !told.load(std::sync::atomic::Ordering::Relaxed) {
                // A multiplicative generator: far jumps, the same each time.
                place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let offset = (place >> 33) % (256 << 8) * 4_096;
                if file.read_at(&mut memory[start..start + 4_096], offset).is_err() {
                    return;
                }
            }
        });
        Ok(Reader { stop, thread: Some(thread) })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.reset();
        let _ = std::fs::write(self.queue().join("scheduler"), "none");
        let _ = sh("losetup", &["-d", &self.device()]);
        let _ = &self.directory;
    }
}

pub(crate) struct Reader {
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
