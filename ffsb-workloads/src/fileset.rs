//! The files of one file system: making them, finding them again, and knowing which are there.

use crate::buffer::Buffer;
use crate::error::RunError;
use crate::home::{self, names};
use crate::platform::{self, Usage};
use crate::profile::{Filesystem, Growth, SizeRule, round_up};
use crate::watch::{Stage, Watch};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Who made the files that are there before the threads begin.
pub const FIRST_MAKER: u32 = 0;
/// After how many files it is looked again how full the file system is.
const LOOK_AFTER: u64 = 32;

/// A file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LiveFile {
    /// Who made it: [`FIRST_MAKER`], or a thread's number, counted from 1.
    pub maker: u32,
    /// Its number among those of its maker.
    pub number: u64,
    /// The number of its directory; heeded only where there are directories.
    pub dir: u32,
    /// In bytes.
    pub size: u64,
}

/// Where the files of a set are, and by what rules new ones are made.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The set's own directory.
    pub root: PathBuf,
    /// The name of the directory in it that holds the files.
    pub area: &'static str,
    /// How many directories the files are spread over.
    pub dirs: u32,
    /// How large new files are.
    pub sizes: Option<SizeRule>,
    /// To how many bytes sizes are rounded up.
    pub grain: u64,
    /// Bytes per write where the threadgroup has no block size of its own.
    pub create_block: u32,
}

impl Layout {
    /// Of a file system's files, in this directory.
    #[must_use]
    pub fn new(root: PathBuf, filesystem: &Filesystem, grain: u64) -> Self {
        Self {
            root,
            area: names::BENCH,
            dirs: filesystem.dirs,
            sizes: filesystem.sizes.clone(),
            grain,
            create_block: filesystem.create_block.get(),
        }
    }

    /// Of the files that age a file system.
    #[must_use]
    pub fn aging(root: PathBuf, filesystem: &Filesystem) -> Self {
        Self {
            area: names::AGE,
            dirs: 0,
            create_block: filesystem.age_block.get(),
            ..Self::new(root, filesystem, 1)
        }
    }

    /// The directory that holds the files and their directories.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.root.join(self.area)
    }

    /// The directory for metadata operations.
    #[must_use]
    pub fn meta(&self) -> PathBuf {
        self.root.join(names::META)
    }

    /// Where a file is.
    #[must_use]
    pub fn path(&self, file: &LiveFile) -> PathBuf {
        let name = format!("f{}-{}", file.maker, file.number);
        if self.dirs == 0 {
            self.files().join(name)
        } else {
            self.files().join(format!("d{}/{name}", file.dir))
        }
    }

    /// Draws the directory and the size of a new file.
    pub fn draw(&self, maker: u32, number: u64, random: &mut ChaCha8Rng) -> LiveFile {
        let size = match &self.sizes {
            None => 0,
            Some(SizeRule::Uniform { min, max }) => random.random_range(*min..=*max),
            Some(SizeRule::Weighted(sizes)) => {
                sizes.choose_weighted(random, |size| size.weight).map_or(0, |chosen| chosen.size)
            }
        };
        let dir = if self.dirs == 0 { 0 } else { random.random_range(0..self.dirs) };
        LiveFile { maker, number, dir, size: round_up(size, self.grain) }
    }
}

/// The files of a set.
#[derive(Clone, Debug)]
pub struct FileSet {
    /// Where they are.
    pub layout: Layout,
    /// Those that are there.
    pub files: Vec<LiveFile>,
    /// The most bytes that its files may have together; beyond, room is made by removing some. `None` for all that the
    /// file system gives.
    pub ceiling: Option<u64>,
    /// Whether it was found rather than made.
    pub reused: bool,
    /// A number that no name in it has reached.
    pub next: u64,
}

impl FileSet {
    /// Bytes in all files together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Finds the set of an earlier run, or removes what is there and makes a new one.
    ///
    /// # Errors
    ///
    /// When there is no room, the system refuses, or somebody interrupts.
    pub fn prepare(
        layout: Layout,
        filesystem: &Filesystem,
        ceiling: Option<u64>,
        direct_block: Option<usize>,
        random: &mut ChaCha8Rng,
        watch: &dyn Watch,
    ) -> Result<Self, RunError> {
        // A generator of its own: whether it is probed must not show in the files.
        let mut content = random.clone();
        let probe = |layout: &Layout, content: &mut ChaCha8Rng| match direct_block {
            None => Ok(()),
            Some(block) => probe_direct(&layout.files(), block, content)
                .map_err(|why| RunError::NoDirect { path: layout.root.clone(), why }),
        };
        let mut set = Self { layout, files: Vec::new(), ceiling, reused: false, next: 0 };
        if filesystem.reuse
            && let Some(files) = set.find(filesystem)
        {
            let next = set.beyond_all_names();
            probe(&set.layout, &mut content)?;
            return Ok(Self { files, reused: true, next, ..set });
        }
        if fs::symlink_metadata(&set.layout.root).is_ok() {
            let left = home::remove_set(&set.layout.root)?;
            if let Some(example) = left.example {
                return Err(RunError::Foreign { path: example });
            }
        }
        let wanted = set.check_room(filesystem)?;
        set.make_directories(watch)?;
        probe(&set.layout, &mut content)?;
        watch.begin(Stage::MakingFiles { bytes: wanted });
        let filled = set.fill(filesystem, wanted, random, watch);
        watch.end();
        filled?;
        Ok(set)
    }

    /// How many bytes the set will have; refused where there is no room for them.
    fn check_room(&self, filesystem: &Filesystem) -> Result<u64, RunError> {
        let begin = self.usage()?;
        let wanted = match (filesystem.files, filesystem.growth) {
            (0, Some(Growth::Utilization(share))) => {
                let used = begin.total_bytes.saturating_sub(begin.free_bytes);
                ((begin.total_bytes as f64 * share) as u64).saturating_sub(used)
            }
            _ => filesystem.expected_bytes().unwrap_or(0),
        };
        // A ramfs has no end that it knows of, and says 0.
        if begin.total_bytes > 0 && wanted > begin.available_bytes {
            return Err(RunError::NoRoom {
                path: self.layout.root.clone(),
                wanted_bytes: wanted,
                available_bytes: begin.available_bytes,
            });
        }
        Ok(wanted)
    }

    fn make_directories(&self, watch: &dyn Watch) -> Result<(), RunError> {
        let root = &self.layout.root;
        let areas = [names::BENCH, names::META, names::AGE].map(|name| root.join(name));
        let spread = (0..self.layout.dirs).map(|dir| self.layout.files().join(format!("d{dir}")));
        for path in std::iter::once(root.clone()).chain(areas).chain(spread) {
            if watch.interrupted() {
                return Err(RunError::Interrupted);
            }
            home::make_directory(&path).map_err(|error| RunError::io("make", &path, error))?;
        }
        Ok(())
    }

    fn fill(
        &mut self,
        filesystem: &Filesystem,
        wanted: u64,
        random: &mut ChaCha8Rng,
        watch: &dyn Watch,
    ) -> Result<(), RunError> {
        let usage = || self.usage();
        let block = usize::try_from(self.layout.create_block).unwrap_or(usize::MAX);
        let mut buffer = Buffer::random(block, random);
        let (mut number, mut made) = (0_u64, 0_u64);
        let enough = |number: u64, made: u64| -> Result<bool, RunError> {
            Ok(match (filesystem.files, filesystem.growth) {
                (0, None) => true,
                (0, Some(Growth::Size(bytes))) => made >= bytes,
                // Delayed allocation shows only after a while: what was written counts as well.
                (0, Some(Growth::Utilization(share))) => {
                    made >= wanted || (number.is_multiple_of(LOOK_AFTER) && usage()?.used_share() >= share)
                }
                (files, _) => number >= u64::from(files),
            })
        };
        let mut files = Vec::new();
        while !enough(number, made)? {
            let file = self.layout.draw(FIRST_MAKER, number, random);
            // A set of empty files would grow for ever.
            made += file.size.max(1);
            self.make(&file, &mut buffer, watch)?;
            files.push(file);
            number += 1;
        }
        self.files = files;
        self.next = number;
        platform::sync(&self.layout.root).map_err(|error| RunError::io("sync", &self.layout.root, error))?;
        for file in &self.files {
            // Only what was written and is clean goes, so this follows the sync.
            if let Ok(opened) = platform::options().read(true).open(self.layout.path(file)) {
                platform::forget_pages(&opened);
            }
        }
        Ok(())
    }

    fn make(&self, file: &LiveFile, buffer: &mut Buffer, watch: &dyn Watch) -> Result<(), RunError> {
        let path = self.layout.path(file);
        let mut opened = platform::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| RunError::io("make", &path, error))?;
        let mut left = file.size;
        while left > 0 {
            if watch.interrupted() {
                return Err(RunError::Interrupted);
            }
            let here = left.min(self.layout.create_block.into());
            let bytes = buffer.data_to_write(usize::try_from(here).unwrap_or(usize::MAX));
            opened.write_all(bytes).map_err(|error| RunError::io("write", &path, error))?;
            watch.advance(here);
            left -= here;
        }
        Ok(())
    }

    /// How full its file system is.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn usage(&self) -> Result<Usage, RunError> {
        // The set's directory may not be there yet, the location is.
        let place = self.layout.root.parent().unwrap_or(&self.layout.root);
        platform::usage(place).map_err(|error| RunError::io("look at", place, error))
    }

    /// The number after the largest one in any name; files, directories and what aged the file system share them.
    fn beyond_all_names(&self) -> u64 {
        let areas = [names::BENCH, names::META, names::AGE].map(|name| self.layout.root.join(name));
        let listed = areas.iter().filter_map(|area| fs::read_dir(area).ok()).flatten().flatten();
        let named = listed.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (_, number) = name.split_once('-')?;
            number.trim_end_matches('a').parse::<u64>().ok()
        });
        let deep = self.files_found().into_iter().flatten().map(|file| file.number);
        named.chain(deep).max().map_or(0, |largest| largest.saturating_add(1))
    }

    /// The files of an earlier run, if they are what this file system asks for.
    fn find(&self, filesystem: &Filesystem) -> Option<Vec<LiveFile>> {
        let layout = &self.layout;
        for needed in [&layout.root, &layout.files(), &layout.meta(), &layout.root.join(names::AGE)] {
            fs::symlink_metadata(needed).ok().filter(fs::Metadata::is_dir)?;
        }
        let files = self.files_found()?;
        let enough = match (filesystem.files, filesystem.growth) {
            (0, None) => files.is_empty(),
            (0, Some(Growth::Size(bytes))) => {
                let found: u64 = files.iter().map(|file| file.size).sum();
                let largest = layout.sizes.as_ref().map_or(0, SizeRule::largest);
                (bytes..=bytes.saturating_add(round_up(largest, layout.grain))).contains(&found)
            }
            // How full the file system is depends on others too; what counts is that it is.
            (0, Some(Growth::Utilization(share))) => self.usage().ok()?.used_share() >= share,
            (count, _) => files.len() as u64 == u64::from(count),
        };
        let admitted = |file: &LiveFile| {
            layout.sizes.as_ref().is_some_and(|sizes| sizes.admits(file.size, layout.grain))
        };
        (enough && files.iter().all(admitted)).then_some(files)
    }

    /// Every file that is there; `None` where the directories are not this set's or something else lies in them.
    fn files_found(&self) -> Option<Vec<LiveFile>> {
        let (mut files, mut dirs) = (Vec::new(), 0);
        for entry in fs::read_dir(self.layout.files()).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            if !entry.file_type().ok()?.is_dir() {
                files.push(live(&entry, 0)?);
            } else if let Some(number) = name.strip_prefix('d') {
                let dir = number.parse().ok().filter(|dir| *dir < self.layout.dirs)?;
                dirs += 1;
                for entry in fs::read_dir(entry.path()).ok()? {
                    files.push(live(&entry.ok()?, dir)?);
                }
            }
        }
        // Directories are listed in the file system's own order, which no seed governs.
        files.sort_unstable();
        (dirs == self.layout.dirs).then_some(files)
    }
}

fn live(entry: &fs::DirEntry, dir: u32) -> Option<LiveFile> {
    let name = entry.file_name().into_string().ok()?;
    let (maker, number) = name.strip_prefix('f')?.split_once('-')?;
    let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    Some(LiveFile { maker: maker.parse().ok()?, number: number.parse().ok()?, dir, size: metadata.len() })
}

/// Whether direct I/O of this granularity works in a directory.
///
/// # Errors
///
/// What is in the way.
pub fn probe_direct(directory: &Path, block: usize, random: &mut ChaCha8Rng) -> Result<(), DirectProblem> {
    if !platform::HAS_DIRECT {
        return Err(DirectProblem::NoSystem);
    }
    if platform::is_memory(directory) {
        return Err(DirectProblem::Memory);
    }
    // A name of ours that no thread gives.
    let path = directory.join(format!("f{}-0", u32::MAX));
    let mut buffer = Buffer::random(block, random);
    let mut options = platform::options();
    options.write(true).create_new(true);
    platform::set_direct(&mut options, true);
    let result = options.open(&path).and_then(|mut file| file.write_all(buffer.data_to_write(block)));
    let removed = fs::remove_file(&path);
    match result {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(DirectProblem::Refused { block }),
        Err(error) => Err(DirectProblem::Io(error)),
        Ok(()) => removed.map_err(DirectProblem::Io),
    }
}

/// Why direct I/O does not work somewhere.
#[derive(Debug, thiserror::Error)]
pub enum DirectProblem {
    /// The operating system has none.
    #[error("this operating system has no O_DIRECT")]
    NoSystem,
    /// It would reach no device.
    #[error("its file system (tmpfs) is memory, direct I/O reaches no device there")]
    Memory,
    /// The file system or the device refuses.
    #[error("its file system refuses O_DIRECT writes of {block} bytes (EINVAL)")]
    Refused {
        /// Bytes per write.
        block: usize,
    },
    /// Something else went wrong.
    #[error("{0}")]
    Io(io::Error),
}
