//! Parsers of attribute texts: bytes in, value out, nothing opened.
//!
//! Each answers `None` for a text that is not of its form, and beside each stands a constant that says the form,
//! for the message. None of them panics on any bytes (`tests/parsers.rs`).

use crate::{ElevatorName, InFlight, SchedulerMenu, Zoned};

/// The form of [`number`].
pub const NUMBER: &str = "a decimal number";
/// The form of [`boolean`].
pub const BOOLEAN: &str = "0 or 1";
/// The form of [`menu`].
pub const MENU: &str = "scheduler names with the active one in brackets, such as \"none [mq-deadline]\"";
/// The form of [`word`].
pub const WORD: &str = "a line of text";
/// The form of [`zoned`].
pub const ZONED: &str = "none, host-aware or host-managed";
/// The form of [`in_flight`].
pub const IN_FLIGHT: &str = "two numbers: reads and writes in flight";
/// The form of [`tag_depth`].
pub const TAG_DEPTH: &str = "a line \"depth=\" and a number after \"bitmap_tags:\"";
/// The form of [`uuid`].
pub const UUID: &str = "a UUID";

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(|text| text.trim_matches([' ', '\t', '\n']))
}

/// A number as attributes print it: decimal digits and a line end; no sign, no unit.
#[must_use]
pub fn number(bytes: &[u8]) -> Option<u64> {
    let digits = text(bytes)?;
    // `u64::from_str` alone would take "+5".
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// `0` or `1`.
#[must_use]
pub fn boolean(bytes: &[u8]) -> Option<bool> {
    match number(bytes)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// `queue/scheduler`: names, exactly one of them in brackets; or the lone `none` of a queue that can have no
/// scheduler.
#[must_use]
pub fn menu(bytes: &[u8]) -> Option<SchedulerMenu> {
    let text = text(bytes)?;
    let mut active = None;
    let mut offered = Vec::new();
    for word in text.split_ascii_whitespace() {
        let bracketed = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let name = bracketed.unwrap_or(word);
        if name.is_empty() || name.contains(['[', ']']) {
            return None;
        }
        let name = ElevatorName::from(name);
        if bracketed.is_some() && active.replace(name.clone()).is_some() {
            return None;
        }
        offered.push(name);
    }
    if active.is_none() && text == "none" {
        active = Some(ElevatorName::from("none"));
    }
    Some(SchedulerMenu { active: active?, offered })
}

/// A name or other free text on one line; spaces around it are padding (SCSI pads models to 16 bytes). `None` if
/// nothing is left.
#[must_use]
pub fn word(bytes: &[u8]) -> Option<String> {
    // A model is whatever the drive's firmware says: bytes that are not UTF-8 are replaced, controls dropped.
    let text: String = String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// `queue/zoned`.
#[must_use]
pub fn zoned(bytes: &[u8]) -> Option<Zoned> {
    match text(bytes)? {
        "none" => Some(Zoned::No),
        "host-aware" => Some(Zoned::HostAware),
        "host-managed" => Some(Zoned::HostManaged),
        _ => None,
    }
}

/// `inflight`: reads, then writes.
#[must_use]
pub fn in_flight(bytes: &[u8]) -> Option<InFlight> {
    let mut words = text(bytes)?.split_ascii_whitespace();
    let both =
        InFlight { reads: number(words.next()?.as_bytes())?, writes: number(words.next()?.as_bytes())? };
    words.next().is_none().then_some(both)
}

/// debugfs `hctx*/tags`: how many of the driver's tags are in use for requests (`depth` of `bitmap_tags`), which is
/// what writing nr_requests under `none` changes; `nr_tags` above it stays what the driver allocated.
#[must_use]
pub fn tag_depth(bytes: &[u8]) -> Option<u64> {
    let (_, bitmap) = text(bytes)?.split_once("bitmap_tags:")?;
    let depth = bitmap.lines().find_map(|line| line.trim().strip_prefix("depth="))?;
    number(depth.as_bytes())
}

/// A UUID such as `/proc/sys/kernel/random/boot_id`.
#[must_use]
pub fn uuid(bytes: &[u8]) -> Option<String> {
    let text = text(bytes)?;
    let shaped = text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    shaped.then(|| text.to_owned())
}
