//! Numbers as the kernel takes them (`lib/kstrtox.c`): no blanks, one line end at most, an optional plus; a sign,
//! and a base of its own choice, only where the attribute's store asks for them.

use crate::Errno;

/// The digits' value, and `EINVAL` for what is no number, `ERANGE` for one too large for 64 bits.
fn digits(text: &str, base: u32) -> Result<u64, Errno> {
    if text.is_empty() {
        return Err(Errno::Invalid);
    }
    let mut value = Some(0_u64);
    for c in text.chars() {
        let digit = c.to_digit(base).ok_or(Errno::Invalid)?;
        value = value.and_then(|value| value.checked_mul(base.into())?.checked_add(digit.into()));
    }
    value.ok_or(Errno::Range)
}

fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

/// `kstrtoull(…, 10, …)`.
pub(super) fn unsigned(text: &str) -> Result<u64, Errno> {
    let text = without_line_end(text);
    digits(text.strip_prefix('+').unwrap_or(text), 10)
}

/// `queue_var_store` of block/blk-sysfs.c: 32 bits, and `EINVAL` for all that is wrong.
pub(super) fn queue_var(text: &str) -> Result<u64, Errno> {
    match unsigned(text) {
        Ok(value) if value <= u64::from(u32::MAX) => Ok(value),
        _ => Err(Errno::Invalid),
    }
}

/// `kstrtos64(…, 10, …)`.
pub(super) fn signed(text: &str) -> Result<i64, Errno> {
    signed_of(text, |text| digits(text, 10))
}

/// `kstrtoint(…, 0, …)`: `0x10` is sixteen and `010` eight.
pub(super) fn int_any_base(text: &str) -> Result<i32, Errno> {
    let value = signed_of(text, |text| match text.strip_prefix('0') {
        Some(hex) if hex.starts_with(['x', 'X']) && hex[1..].starts_with(|c: char| c.is_ascii_hexdigit()) => {
            digits(&hex[1..], 16)
        }
        Some(_) => digits(text, 8),
        None => digits(text, 10),
    })?;
    i32::try_from(value).or(Err(Errno::Range))
}

fn signed_of(text: &str, magnitude: impl Fn(&str) -> Result<u64, Errno>) -> Result<i64, Errno> {
    let text = without_line_end(text);
    if let Some(text) = text.strip_prefix('-') {
        let value = magnitude(text)?;
        return 0_i64.checked_sub_unsigned(value).ok_or(Errno::Range);
    }
    let value = magnitude(text.strip_prefix('+').unwrap_or(text))?;
    i64::try_from(value).or(Err(Errno::Range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_linux_6_18_took() {
        assert_eq!(unsigned("5\n"), Ok(5));
        assert_eq!(unsigned("+7"), Ok(7));
        for text in ["", "5 ", " 5", "-1", "x", "0x10", "1 2", "5\n\n"] {
            assert_eq!(unsigned(text), Err(Errno::Invalid), "{text:?}");
        }
        assert_eq!(unsigned("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(unsigned("18446744073709551616"), Err(Errno::Range));
        assert_eq!(queue_var("4294967296"), Err(Errno::Invalid));
        assert_eq!(signed("-1"), Ok(-1));
        assert_eq!(signed("9223372036854775808"), Err(Errno::Range));
        for (text, value) in [("0x10", 16), ("010", 8), ("-5", -5), ("0", 0), ("-2147483648", i32::MIN)] {
            assert_eq!(int_any_base(text), Ok(value), "{text:?}");
        }
        assert_eq!(int_any_base("2147483648"), Err(Errno::Range));
        assert_eq!(int_any_base("08"), Err(Errno::Invalid));
        assert_eq!(int_any_base("0x"), Err(Errno::Invalid));
    }
}
