//! Quantities as people write them: `250ms`, `2s`, `4MiB`.

use block_types::{Bytes, Nanos};

/// A text that is not a quantity of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, expected {expected}")]
pub struct ParseQuantityError {
    /// The text that was found.
    pub found: String,
    /// What it should look like.
    pub expected: &'static str,
}

/// A duration: a decimal number and one of `ns`, `us`, `ms`, `s`, `m`, `h`.
///
/// # Errors
/// Where the number or the unit is missing, unknown, negative or too large.
pub fn parse_duration(text: &str) -> Result<Nanos, ParseQuantityError> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];
    parse(text, &UNITS, "a duration such as \"250ms\", \"2s\" or \"1m\"").map(Nanos)
}

/// A size: a decimal number and nothing or one of `B`, `KiB`, `MiB`, `GiB`.
///
/// # Errors
/// Where the number is missing or the unit unknown, or the size is negative or too large.
pub fn parse_bytes(text: &str) -> Result<Bytes, ParseQuantityError> {
    const UNITS: [(&str, f64); 5] =
        [("", 1.0), ("B", 1.0), ("KiB", 1_024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)];
    parse(text, &UNITS, "a size such as \"4096\", \"4KiB\" or \"4MiB\"").map(Bytes)
}

fn parse(text: &str, units: &[(&str, f64)], expected: &'static str) -> Result<u64, ParseQuantityError> {
    let error = || ParseQuantityError { found: text.to_owned(), expected };
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_parse| error())?;
    let unit = unit.trim();
    let &(_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
    let value = number * factor;
    // 2^53: beyond it a double no longer holds every whole number, and no knob of the loop reaches it.
    if !value.is_finite() || value > 9_007_199_254_740_992.0 {
        return Err(error());
    }
    Ok(value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_as_written() {
        assert_eq!(parse_duration("250ms"), Ok(Nanos(250_000_000)));
        assert_eq!(parse_duration("1.5 s"), Ok(Nanos(1_500_000_000)));
        assert_eq!(parse_duration("2h"), Ok(Nanos(7_200_000_000_000)));
        assert_eq!(parse_bytes("4MiB"), Ok(Bytes(4 << 20)));
        assert_eq!(parse_bytes("4096"), Ok(Bytes(4096)));
    }

    #[test]
    fn a_missing_or_unknown_unit_is_an_error_that_shows_the_text() {
        for text in ["250", "ms", "", "-1s", "1e3s", "1x", "1.2.3s", "99999999999999999999h"] {
            let error = parse_duration(text).unwrap_err();
            assert_eq!(error.found, text);
        }
        assert!(parse_bytes("4MB").is_err());
    }
}
