//! One declaration for each kind of disk: its parameters, their ranges, and how they are read from a file.

use crate::ModelError;
use serde::Deserialize;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

/// A file of parameters, to name the place of a mistake in it.
pub(crate) struct Source<'a> {
    /// What the caller calls it.
    pub(crate) path: &'a Path,
    /// What it holds.
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// The line of a byte, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
    }

    /// A key's value that is not what it should be.
    pub(crate) fn value(
        &self,
        span: &Range<usize>,
        key: &str,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> ModelError {
        ModelError::Value {
            path: self.path.to_owned(),
            line: self.line(span.start),
            key: key.to_owned(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    /// Reads the whole text as `T`.
    pub(crate) fn parse<T: for<'de> Deserialize<'de>>(&self) -> Result<T, ModelError> {
        toml::from_str(self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let line = self.line(offset);
            // The parser names what it found and expected, and for an unknown key its name; for a value it leaves
            // the key out.
            let written = self.text.lines().nth(line - 1).unwrap_or_default();
            let key = written.split_once('=').map_or("", |(key, _)| key.trim());
            let message = error.message();
            let named = key.is_empty() || message.contains(&format!("`{key}`"));
            let message = if named { message.to_owned() } else { format!("{key}: {message}") };
            ModelError::Syntax { path: self.path.to_owned(), line, message }
        })
    }
}

/// What a parameter may be.
pub(crate) trait Allowed<T> {
    /// Whether this is.
    fn allows(&self, value: &T) -> bool;
    /// In words.
    fn expected(&self) -> String;
}

impl<T: PartialOrd + fmt::Display> Allowed<T> for RangeInclusive<T> {
    // NaN is in no range.
    fn allows(&self, value: &T) -> bool {
        self.contains(value)
    }

    fn expected(&self) -> String {
        format!("{} to {}", self.start(), self.end())
    }
}

/// One of the names of a [`Named`] type.
pub(crate) struct OneOf;

impl<T: Named> Allowed<T> for OneOf {
    fn allows(&self, _: &T) -> bool {
        true
    }

    fn expected(&self) -> String {
        T::NAMES.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(" or ")
    }
}

/// A type whose values have names in a file.
pub(crate) trait Named: Copy + 'static {
    /// All of them.
    const NAMES: &'static [(&'static str, Self)];

    /// The value of a name; the error says what was found and what was expected.
    fn of_name(found: &str) -> Result<Self, String> {
        let value = Self::NAMES.iter().find(|(name, _)| *name == found);
        value
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("found {found:?}, expected {}", OneOf.names::<Self>()))
    }
}

impl OneOf {
    fn names<T: Named>(&self) -> String {
        Allowed::<T>::expected(self)
    }
}

/// Declares the parameters of a kind: the struct that models are built from, and its twin in which every key is
/// optional and has a place, which files are read into.
macro_rules! parameters {
    (
        $(#[$doc:meta])*
        pub struct $name:ident, read as $raw:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $allowed:expr,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $raw {
            #[expect(dead_code, reason = "read beforehand, to choose this struct; named so that it is no unknown key")]
            kind: Option<String>,
            #[expect(dead_code, reason = "likewise")]
            base: Option<String>,
            $($field: Option<toml::Spanned<$type>>,)*
        }

        impl $name {
            /// Checks every value.
            ///
            /// # Errors
            /// [`crate::ModelError::OutOfRange`] for the first that is not in its range.
            pub fn check(&self) -> Result<(), crate::ModelError> {
                $({
                    let allowed = $allowed;
                    if !$crate::params::declare::Allowed::<$type>::allows(&allowed, &self.$field) {
                        return Err(crate::ModelError::OutOfRange {
                            key: stringify!($field).to_owned(),
                            found: format!("{:?}", self.$field),
                            expected: $crate::params::declare::Allowed::<$type>::expected(&allowed),
                        });
                    }
                })*
                Ok(())
            }

            /// What a file says, over what its base says.
            pub(crate) fn read(
                source: &$crate::params::declare::Source<'_>,
                base: Option<&Self>,
            ) -> Result<Self, crate::ModelError> {
                let raw: $raw = source.parse()?;
                Ok(Self {
                    $($field: {
                        let allowed = $allowed;
                        let expected = || $crate::params::declare::Allowed::<$type>::expected(&allowed);
                        match (raw.$field, base) {
                            (Some(written), _) => {
                                let span = written.span();
                                let value = written.into_inner();
                                if !$crate::params::declare::Allowed::<$type>::allows(&allowed, &value) {
                                    let found = format!("{value:?}");
                                    return Err(source.value(&span, stringify!($field), found, expected()));
                                }
                                value
                            }
                            (None, Some(base)) => base.$field.clone(),
                            (None, None) => return Err(crate::ModelError::Missing {
                                path: source.path.to_owned(),
                                key: stringify!($field).to_owned(),
                                expected: expected(),
                            }),
                        }
                    },)*
                })
            }
        }
    };
}

pub(crate) use parameters;
