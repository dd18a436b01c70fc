//! Free text and truth values.

use super::{CanonError, kept, not};
use std::borrow::Cow;

pub(super) fn exact(text: &str) -> Result<Cow<'_, str>, CanonError> {
    Ok(Cow::Borrowed(text))
}

pub(super) fn lower(text: &str) -> Result<Cow<'_, str>, CanonError> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Ok(Cow::Owned(text.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(text))
}

pub(super) fn blanks(text: &str) -> Result<Cow<'_, str>, CanonError> {
    Ok(kept(text, text.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// CR LF and a lone CR end a line as LF does; what stands at the ends of lines, and blank lines at both ends of the text,
/// do not count. White space before text does.
pub(super) fn lines(text: &str) -> Result<Cow<'_, str>, CanonError> {
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = unix.split('\n').map(str::trim_end).collect();
    let says = |line: &&str| !line.is_empty();
    let first = lines.iter().position(says).unwrap_or(lines.len());
    let last = lines.iter().rposition(says).map_or(first, |at| at + 1);
    Ok(kept(text, lines[first..last].join("\n")))
}

pub(super) fn boolean(text: &str) -> Result<Cow<'_, str>, CanonError> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["true", "on", "yes", "enable", "enabled", "1"]) {
        Ok(kept(text, "true".into()))
    } else if is(&["false", "off", "no", "disable", "disabled", "0"]) {
        Ok(kept(text, "false".into()))
    } else {
        not(text, "on or off")
    }
}
