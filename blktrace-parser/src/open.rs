//! Opening traces by name, as `blkparse -i` does: a file, or the base name of per-CPU files.

use crate::compress::decompress;
use crate::cursor::RecordReader;
use crate::error::{Error, ErrorKind, Result};
use crate::merge::Merge;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes that are read from a file at a time.
const READ_BYTES: usize = 64 * 1024;

/// What a file's bytes come through: decompression where it is compressed, nothing otherwise.
pub type Source = Box<dyn Read + Send>;

/// One file of a set, with the CPU that its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuFile {
    /// The number after `.blktrace.`.
    pub cpu: u32,
    /// Its path.
    pub path: PathBuf,
}

/// The per-CPU files of a base name: `NAME` stands for `NAME.blktrace.0`, `NAME.blktrace.1` and so on, each perhaps
/// with `.gz` or `.zst` behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuFiles {
    /// Those that are there, by CPU.
    pub files: Vec<CpuFile>,
    /// CPUs below the highest that have no file. They may have been offline; or their file was lost.
    pub missing: Vec<u32>,
}

impl CpuFiles {
    /// Looks for the files of a base name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is none; an error of the directory.
    pub fn of_base(base: &Path) -> Result<Self> {
        let directory = match base.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let not_found = || {
            let base = base.display().to_string();
            Error::opening(ErrorKind::NotFound { base })
        };
        let mut prefix = base.file_name().ok_or_else(not_found)?.to_owned();
        prefix.push(".blktrace.");
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => not_found(),
            _ => Error::opening(error.into()).in_file(directory),
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if let Some(cpu) = cpu_of(&name, &prefix) {
                files.push(CpuFile { cpu, path: base.with_file_name(&name) });
            }
        }
        files.sort_by(|a, b| (a.cpu, &a.path).cmp(&(b.cpu, &b.path)));
        // The same file before and after compression would count everything twice.
        files.dedup_by_key(|file| file.cpu);
        let Some(last) = files.last().map(|file| file.cpu) else { return Err(not_found()) };
        // Bounded by what the kernel can have (NR_CPUS); beyond it the number is no CPU's and says nothing.
        let missing =
            (0..last.min(8192)).filter(|cpu| files.binary_search_by_key(cpu, |file| file.cpu).is_err());
        let missing = missing.collect();
        Ok(Self { files, missing })
    }
}

fn cpu_of(name: &OsString, prefix: &OsString) -> Option<u32> {
    let rest = name.to_str()?.strip_prefix(prefix.to_str()?)?;
    let digits = rest.strip_suffix(".gz").or_else(|| rest.strip_suffix(".zst")).unwrap_or(rest);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Opens one file and undoes its compression.
///
/// # Errors
/// [`ErrorKind::Directory`], [`ErrorKind::NotFound`] and other errors of opening and of the first read, all with
/// the path.
pub fn open_file(path: &Path) -> Result<Source> {
    let open = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok((file, metadata.is_dir()))
    };
    let (file, is_directory) = open().map_err(|error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound { base: path.display().to_string() },
            io::ErrorKind::IsADirectory => ErrorKind::Directory,
            // Where opening a directory is refused (Windows), the refusal hides what it is.
            io::ErrorKind::PermissionDenied if path.is_dir() => ErrorKind::Directory,
            _ => error.into(),
        };
        Error::opening(kind).in_file(path)
    })?;
    if is_directory {
        return Err(Error::opening(ErrorKind::Directory).in_file(path));
    }
    decompress(BufReader::with_capacity(READ_BYTES, file)).map_err(|error| error.in_file(path))
}

/// A binary trace that was opened by name.
#[derive(Debug)]
pub struct BinaryTrace<R = Source> {
    /// Its records in the order of time.
    pub merge: Merge<R>,
    /// CPUs without a file, as in [`CpuFiles::missing`].
    pub missing_cpus: Vec<u32>,
}

/// Opens a binary trace: a file of that name (a per-CPU file, or a dump of `blkparse -d`), else the per-CPU files of
/// that base name.
///
/// ```no_run
/// use blktrace_parser::{Event, open_binary};
///
/// let mut trace = open_binary("sda".as_ref())?; // sda.blktrace.0, sda.blktrace.1, …
/// while let Some(record) = trace.merge.next_record()? {
///     let event = Event::from_record(&record)?;
///     println!("{} {:?} {}", event.time_ns, event.action, event.sector);
/// }
/// # Ok::<(), blktrace_parser::Error>(())
/// ```
///
/// # Errors
/// Those of [`CpuFiles::of_base`] and [`open_file`].
pub fn open_binary(name: &Path) -> Result<BinaryTrace> {
    if name.is_file() || name.is_dir() && CpuFiles::of_base(name).is_err() || is_stream(name) {
        let reader = RecordReader::new(open_file(name)?);
        return Ok(BinaryTrace {
            merge: Merge::with_files([(Some(name.to_owned()), reader)]),
            missing_cpus: Vec::new(),
        });
    }
    let CpuFiles { files, missing } = CpuFiles::of_base(name)?;
    let mut readers = Vec::with_capacity(files.len());
    for CpuFile { path, .. } in files {
        let reader = RecordReader::new(open_file(&path)?);
        readers.push((Some(path), reader));
    }
    Ok(BinaryTrace { merge: Merge::with_files(readers), missing_cpus: missing })
}

/// Whether a name is there but neither a file nor a directory: a pipe or a device.
pub(crate) fn is_stream(name: &Path) -> bool {
    name.exists() && !name.is_file() && !name.is_dir()
}
