//! The three dimensions and the eight classes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What most of the data bios do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoType {
    /// More than twice as many reads as writes.
    Read,
    /// Everything else, an even mixture included.
    Write,
}

/// Where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// They continue one another.
    Sequential,
    /// They jump.
    Random,
}

/// How long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// One page or less in the mean.
    Small,
    /// More than one page in the mean.
    Large,
}

/// The fingerprint of a workload: one characteristic in each dimension.
///
/// In text and JSON it is its [`name`](Self::name), which is stable: stored genes are kept under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Class {
    /// Read or write.
    pub io_type: IoType,
    /// Sequential or random.
    pub pattern: Pattern,
    /// Small or large.
    pub size: Size,
}

macro_rules! classes {
    ($($index:literal $name:literal $io_type:ident $pattern:ident $size:ident;)*) => {
        impl Class {
            /// All eight, in the order of [`index`](Self::index).
            pub const ALL: [Self; 8] = [$(Self {
                io_type: IoType::$io_type,
                pattern: Pattern::$pattern,
                size: Size::$size,
            },)*];

            /// The stable name: `read-sequential-small` … `write-random-large`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match (self.io_type, self.pattern, self.size) {
                    $((IoType::$io_type, Pattern::$pattern, Size::$size) => $name,)*
                }
            }

            /// Its place in [`ALL`](Self::ALL), 0‥8.
            #[must_use]
            pub const fn index(self) -> usize {
                match (self.io_type, self.pattern, self.size) {
                    $((IoType::$io_type, Pattern::$pattern, Size::$size) => $index,)*
                }
            }
        }
    };
}

classes! {
    0 "read-sequential-small" Read Sequential Small;
    1 "read-sequential-large" Read Sequential Large;
    2 "read-random-small" Read Random Small;
    3 "read-random-large" Read Random Large;
    4 "write-sequential-small" Write Sequential Small;
    5 "write-sequential-large" Write Sequential Large;
    6 "write-random-small" Write Random Small;
    7 "write-random-large" Write Random Large;
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "found fingerprint {found:?}, expected {{read,write}}-{{sequential,random}}-{{small,large}}, \
     for example \"read-random-small\""
)]
pub struct UnknownClass {
    /// The text that was found.
    pub found: String,
}

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|class| class.name() == text)
            .ok_or_else(|| UnknownClass { found: text.to_owned() })
    }
}

impl From<Class> for String {
    fn from(class: Class) -> Self {
        class.name().to_owned()
    }
}

impl TryFrom<String> for Class {
    type Error = UnknownClass;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eight_names_are_stable_and_parse_back() {
        let names = Class::ALL.map(Class::name);
        assert_eq!(
            names,
            [
                "read-sequential-small",
                "read-sequential-large",
                "read-random-small",
                "read-random-large",
                "write-sequential-small",
                "write-sequential-large",
                "write-random-small",
                "write-random-large",
            ]
        );
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), index);
            assert_eq!(class.to_string().parse(), Ok(class));
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
            assert_eq!(serde_json::from_str::<Class>(&format!("\"{class}\"")).unwrap(), class);
        }
    }

    #[test]
    fn an_unknown_name_says_what_was_found_and_what_was_expected() {
        let error = "read-random".parse::<Class>().unwrap_err().to_string();
        assert!(error.contains("\"read-random\"") && error.contains("read-random-small"), "{error}");
        assert!(serde_json::from_str::<Class>("\"Read-Random-Small\"").is_err());
    }
}
