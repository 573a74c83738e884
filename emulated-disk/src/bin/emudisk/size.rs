//! Sizes and times as people write them.

use block_types::{Bytes, Nanos};

/// A size: a number of bytes, or of KiB, MiB, GiB or TiB by a letter behind it.
pub(crate) fn parse_size(text: &str) -> Result<Bytes, String> {
    let wanted =
        || format!("found {text:?}; wanted is a number of bytes, or one with K, M, G or T, such as 4G");
    let (number, unit) = split(text);
    let shift = match unit.trim_end_matches("iB").to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(wanted()),
    };
    let number: u64 = number.parse().map_err(|_error| wanted())?;
    number.checked_mul(1 << shift).map(Bytes).ok_or_else(|| format!("{text} is more than a disk can have"))
}

/// A time: a number with `us`, `ms` or `s` behind it.
pub(crate) fn parse_time(text: &str) -> Result<Nanos, String> {
    let wanted = || format!("found {text:?}; wanted is a time such as 200us, 1ms or 1s");
    let (number, unit) = split(text);
    let factor: u64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return Err(wanted()),
    };
    let number: u64 = number.parse().map_err(|_error| wanted())?;
    number.checked_mul(factor).map(Nanos).ok_or_else(wanted)
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_written() {
        assert_eq!(parse_size("4096"), Ok(Bytes(4096)));
        assert_eq!(parse_size("4G"), Ok(Bytes(4 << 30)));
        assert_eq!(parse_size("512MiB"), Ok(Bytes(512 << 20)));
        assert_eq!(parse_time("200us"), Ok(Nanos(200_000)));
        for bad in ["", "G", "4X", "-1", "4 G", "99999999999999T"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "5", "ms", "1h", "1.5ms"] {
            assert!(parse_time(bad).is_err(), "{bad:?}");
        }
    }
}
