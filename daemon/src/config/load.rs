//! Layers of configuration, from the vendor's defaults to the command line.

use super::raw::{Origin, RawConfig};
use super::{Config, check};
use std::path::{Path, PathBuf};

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not TOML, or has a key or a type that does not belong there.
    #[error("{place}: {message}")]
    Syntax {
        /// File and line.
        place: String,
        /// What the parser says.
        message: String,
    },
    /// A value is out of its range, or of the wrong form.
    #[error("{place}: {key}: found {found}, expected {expected}")]
    Value {
        /// File and line, or the command line.
        place: String,
        /// The key, with its section.
        key: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
}

/// Reads the files in the order given (a later one overrides), then the command line's part, and checks.
///
/// # Errors
/// The first file that cannot be read or parsed, or the first value that is impossible, with its place.
pub fn load(files: &[PathBuf], flags: RawConfig) -> Result<Config, ConfigError> {
    let mut layers = files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    layers.push((flags, Origin::Flags));
    // Some defaults are the strategy's, and a later layer may name another.
    let strategy = layers.iter().rev().find_map(|(raw, _)| Some(*raw.strategy.as_ref()?.get_ref()));
    let mut config = Config::of(strategy.unwrap_or_default());
    for (raw, origin) in layers {
        check::apply(&mut config, raw, &origin)?;
    }
    Ok(config)
}

fn read(path: &Path) -> Result<(RawConfig, Origin), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let origin = Origin::File { path: path.to_owned(), text };
    let Origin::File { text, .. } = &origin else {
        return Ok((RawConfig::default(), Origin::Flags));
    };
    match toml::from_str(text) {
        Ok(raw) => Ok((raw, origin)),
        Err(error) => Err(ConfigError::Syntax {
            place: origin.place(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        }),
    }
}

/// The files that make up the configuration where `--config` names none: the vendor's, the administrator's,
/// and the administrator's drop-ins in the order of their names.
#[must_use]
pub fn standard_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        ["/usr/lib/tunerd/config.toml", "/etc/tunerd/config.toml"].map(PathBuf::from).into();
    let mut drop_ins: Vec<PathBuf> = std::fs::read_dir("/etc/tunerd/config.d")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    drop_ins.sort();
    files.append(&mut drop_ins);
    files.retain(|path| path.exists());
    files
}
