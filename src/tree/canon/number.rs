//! Numbers and sets of numbers.

use super::{CanonError, kept, not};
use std::borrow::Cow;

/// `007`, `+7`, `0x7` as `7`; `-0` as `0`. At most 128 bits.
pub(super) fn number(text: &str) -> Result<Cow<'_, str>, CanonError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => magnitude(hex, 16),
        None => magnitude(digits, 10),
    };
    match value {
        Some(0) => Ok(kept(text, "0".into())),
        Some(value) if negative => Ok(kept(text, format!("-{value}"))),
        Some(value) => Ok(kept(text, value.to_string())),
        None => not(text, "a number"),
    }
}

/// `1F`, `0x001f` as `0x1f`. At most 128 bits.
pub(super) fn hex(text: &str) -> Result<Cow<'_, str>, CanonError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    match magnitude(digits, 16) {
        Some(value) => Ok(kept(text, format!("{value:#x}"))),
        None => not(text, "a hexadecimal number"),
    }
}

/// RFC 7950 §9.3.2: no leading zeros, one digit at least on both sides of the point, no trailing zeros.
pub(in crate::tree) fn decimal(text: &str) -> Result<Cow<'_, str>, CanonError> {
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let good = |part: &str| !part.is_empty() && part.len() <= 19 && part.bytes().all(|b| b.is_ascii_digit());
    if !good(whole) || !good(fraction) {
        return not(text, "a decimal number");
    }
    let whole = Some(whole.trim_start_matches('0')).filter(|whole| !whole.is_empty()).unwrap_or("0");
    let fraction = Some(fraction.trim_end_matches('0')).filter(|fraction| !fraction.is_empty()).unwrap_or("0");
    let sign = if negative && (whole != "0" || fraction != "0") { "-" } else { "" };
    Ok(kept(text, format!("{sign}{whole}.{fraction}")))
}

/// A set of numbers: single ones and ranges, parted by commas, blanks or both. Merged, ascending, `1-3,5`.
pub(super) fn range_set(text: &str) -> Result<Cow<'_, str>, CanonError> {
    match ranges(text) {
        Some(ranges) => {
            let print = |(low, high): &(u64, u64)| if low == high { low.to_string() } else { format!("{low}-{high}") };
            Ok(kept(text, ranges.iter().map(print).collect::<Vec<_>>().join(",")))
        }
        None => not(text, "a set of numbers like 1-3,5"),
    }
}

fn ranges(text: &str) -> Option<Vec<(u64, u64)>> {
    let blank = |c: char| c == ' ' || c == '\t';
    let mut found = Vec::new();
    for item in text.split(',') {
        let words: Vec<&str> = item.split(blank).filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return None;
        }
        for word in words {
            let one = |text: &str| magnitude(text, 10).and_then(|value| u64::try_from(value).ok());
            let (low, high) = match word.split_once('-') {
                Some((low, high)) => (one(low)?, one(high)?),
                None => (one(word)?, one(word)?),
            };
            if low > high {
                return None;
            }
            found.push((low, high));
        }
    }
    found.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(found.len());
    for (low, high) in found {
        match merged.last_mut() {
            Some((_, end)) if low <= end.saturating_add(1) => *end = high.max(*end),
            _ => merged.push((low, high)),
        }
    }
    Some(merged)
}

/// Digits only: the parsers of the standard library also take a sign.
pub(super) fn magnitude(digits: &str, radix: u32) -> Option<u128> {
    let good = !digits.is_empty() && digits.len() <= 64 && digits.chars().all(|c| c.is_digit(radix));
    if good { u128::from_str_radix(digits, radix).ok() } else { None }
}
