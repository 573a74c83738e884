//! The profiles that come with this program, so that they can be named wherever it is installed.

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../profiles/", $name)) }),+]
    };
}

/// A file of `profiles/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Its file name.
    pub name: &'static str,
    /// Its content.
    pub text: &'static str,
}

impl Shipped {
    /// Its name without the suffix.
    #[must_use]
    pub fn stem(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(stem, _)| stem)
    }

    /// What its first comment says.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches('#').trim()
    }
}

/// All of them: profiles, and the cycle over some of them.
pub const ALL: &[Shipped] = shipped![
    "sequential-read.ffsb",
    "random-read.ffsb",
    "large-file-create.ffsb",
    "random-write.ffsb",
    "mail-server.ffsb",
    "reads-under-writer.ffsb",
    "hostile-cycle.toml",
];

/// The one of this name, with or without its suffix.
#[must_use]
pub fn find(name: &str) -> Option<&'static Shipped> {
    ALL.iter().find(|shipped| shipped.name == name || shipped.stem() == name)
}
