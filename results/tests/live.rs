//! A run on a file system that fills up. Needs root to mount one, and is counted as ignored without.

#[cfg(target_os = "linux")]
mod live {
    use libtest_mimic::{Failed, Trial};
    use results::record::{Meta, RecordError, Run, State, rows};
    use std::fs;
    use std::io;
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// A file system of 256 KiB in memory, which is gone when this is.
    struct Small {
        dir: tempfile::TempDir,
    }

    impl Small {
        fn mount() -> Result<Self, String> {
            let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
            let mounted = Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=256k", "tunerd-results-test"])
                .arg(dir.path())
                .stdout(Stdio::null())
                .output()
                .map_err(|error| format!("mount: {error}"))?;
            if mounted.status.success() {
                Ok(Self { dir })
            } else {
                Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned())
            }
        }

        fn path(&self) -> &Path {
            self.dir.path()
        }
    }

    impl Drop for Small {
        fn drop(&mut self) {
            // Lazily: a file that is still open when a test fails must not keep the mount.
            if let Err(error) = Command::new("umount").arg("-l").arg(self.dir.path()).status() {
                eprintln!("{} stays mounted: {error}", self.dir.path().display());
            }
        }
    }

    fn a_full_disk_keeps_what_was_written() -> Result<(), Failed> {
        let disk = Small::mount()?;
        let date = time::macros::date!(2026 - 11 - 24);
        let mut run = Run::create(disk.path(), date, "full", Meta::default())?;
        let ballast = disk.path().join("ballast");
        fs::write(&ballast, vec![1; 64 << 10])?;
        let row = "x".repeat(999);
        let error = loop {
            assert!(run.rows() < 1000, "256 KiB hold no 1000 rows of 1 kB");
            if let Err(error) = run.append(&row) {
                break error;
            }
        };
        assert!(
            matches!(&error, RecordError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull),
            "{error}"
        );
        assert!(error.to_string().contains("data.jsonl"), "{error}");
        let written = run.rows();
        assert!(written > 50, "{written}");
        let dir = run.dir().to_owned();
        let found: Vec<String> = rows(&dir)?;
        assert_eq!((found.len() as u64, found.iter().all(|one| *one == row)), (written, true));

        // Whole files appear whole or not at all, and what is described is what was before.
        fs::write(disk.path().join("rest"), vec![1; 256 << 10]).ok();
        let readme = fs::read_to_string(dir.join("README.md"))?;
        let refused = run.chart("chart", "A chart", &chart().figure()?);
        assert!(refused.is_err(), "there is no room for a chart");
        assert_eq!(fs::read_to_string(dir.join("README.md"))?, readme);
        let mut left: Vec<_> =
            fs::read_dir(&dir)?.map(|file| Ok(file?.file_name())).collect::<io::Result<_>>()?;
        left.sort();
        assert_eq!(left, ["README.md", "data.jsonl", "meta.json"]);

        // With room again, the same run goes on.
        fs::remove_file(&ballast)?;
        fs::remove_file(disk.path().join("rest"))?;
        run.append(&row)?;
        assert_eq!(run.rows(), written + 1);
        let dir = run.finish()?;
        assert_eq!(rows::<String>(&dir)?.len() as u64, written + 1);
        assert_eq!(Run::open(&dir)?.manifest().state, State::Finished);
        Ok(())
    }

    fn chart() -> results::chart::RangeChart {
        use results::chart::{Axis, RangeChart, Scale};
        RangeChart {
            title: "Chart".into(),
            subtitle: String::new(),
            low_name: "mean".into(),
            high_name: "p99".into(),
            marked_name: "default".into(),
            left: Axis::new("latency", "ms", Scale::Log10),
            right: Axis::new("rate", "MB/s", Scale::Linear),
            rows: vec![],
            notes: vec![],
        }
    }

    pub(crate) fn trials() -> Vec<Trial> {
        let name = "a_full_disk_keeps_what_was_written";
        match Small::mount() {
            Ok(_) => vec![Trial::test(name, a_full_disk_keeps_what_was_written)],
            Err(why) => {
                let name = format!("{name} (ignored: {why})");
                vec![Trial::test(name, a_full_disk_keeps_what_was_written).with_ignored_flag(true)]
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, live::trials()).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {}
