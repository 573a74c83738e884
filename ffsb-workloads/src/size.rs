//! Sizes as a profile writes them: bytes, or K, M and G in powers of 1024.

use std::fmt;

const UNITS: [(char, u32); 3] = [('k', 10), ('m', 20), ('g', 30)];

/// Why a text is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// It is not digits and a unit.
    #[error("bytes, or a number with K, KB, M, MB, G or GB")]
    Shape,
    /// It does not fit the type of its keyword.
    #[error("at most {0} bytes")]
    TooLarge(u64),
}

/// Reads a size: digits, then nothing or one of K, KB, M, MB, G, GB in any case (powers of 1024).
///
/// # Errors
///
/// When it has another shape or is above `max` bytes.
pub fn parse(text: &str, max: u64) -> Result<u64, SizeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(SizeError::Shape);
    }
    let unit = unit.to_ascii_lowercase();
    let shift = if unit.is_empty() {
        0
    } else {
        let letter = unit.strip_suffix('b').unwrap_or(&unit);
        UNITS
            .iter()
            .find(|(name, _)| letter.len() == 1 && letter.starts_with(*name))
            .map(|(_, shift)| *shift)
            .ok_or(SizeError::Shape)?
    };
    // All digits, so what does not parse is too large.
    let number: u64 = number.parse().ok().ok_or(SizeError::TooLarge(max))?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes <= max).ok_or(SizeError::TooLarge(max))
}

/// A size as a profile would write it: the largest unit that leaves no remainder.
#[derive(Clone, Copy, Debug)]
pub struct Exact(pub u64);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in UNITS.iter().rev() {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// A size as a person reads it: three digits and a unit, in powers of 1024.
#[derive(Clone, Copy, Debug)]
pub struct Human(pub f64);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0;
        let mut unit = "B";
        for next in ["KB", "MB", "GB", "TB", "PB"] {
            // What would be rounded to four digits belongs to the next unit.
            if value < 999.5 {
                break;
            }
            value /= 1024.0;
            unit = next;
        }
        // Whole bytes have no fraction worth a digit.
        let digits = if unit == "B" && value.fract() == 0.0 {
            0
        } else if value < 9.995 {
            2
        } else {
            usize::from(value < 99.95)
        };
        write!(f, "{value:.digits$}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_in_any_case() {
        let table = [
            ("0", 0),
            ("4096", 4096),
            ("4k", 4096),
            ("4K", 4096),
            ("4kb", 4096),
            ("4Kb", 4096),
            ("35MB", 35 << 20),
            ("35m", 35 << 20),
            ("1g", 1 << 30),
            ("1gB", 1 << 30),
            ("0000000000000000000000001k", 1024),
        ];
        for (text, bytes) in table {
            assert_eq!(parse(text, u64::MAX), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in ["", "k", "4kk", "4 k", "-1", "+1", "4t", "4b", "1.5g", "0x10", "4é", "४"] {
            assert_eq!(parse(text, u64::MAX), Err(SizeError::Shape), "{text}");
        }
        let limit = u64::from(u32::MAX);
        for text in ["4g", "4294967296", "99999999999999999999", "18446744073709551615g"] {
            assert_eq!(parse(text, limit), Err(SizeError::TooLarge(limit)), "{text}");
        }
        assert_eq!(parse("4294967295", limit), Ok(limit));
    }

    #[test]
    fn exact_reads_back() {
        for bytes in [0, 1, 1023, 1024, 1536, 5 << 20, 3 << 30, u64::MAX] {
            assert_eq!(parse(&Exact(bytes).to_string(), u64::MAX), Ok(bytes));
        }
    }

    #[test]
    fn human_has_three_digits() {
        let shown: Vec<String> = [0.0, 512.0, 1000.0, 3166700.0, 114294784.0, 16106127360.0]
            .iter()
            .map(|value| Human(*value).to_string())
            .collect();
        assert_eq!(shown, ["0B", "512B", "0.98KB", "3.02MB", "109MB", "15.0GB"]);
    }
}
