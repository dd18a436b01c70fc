//! AS numbers, route distinguishers and route targets.
//!
//! A distinguisher is a type and six octets (RFC 4364 §4.2, RFC 4360, RFC 5668). Without a type its spelling says which:
//! an address is type 1, an AS number of more than 16 bits type 2, another one type 0. The type is written only where the
//! spelling alone would say another one (`2:65000:1`, a small AS number in the four-octet form).

use super::number::magnitude;
use super::{CanonError, kept, not};
use std::borrow::Cow;
use std::net::Ipv4Addr;

/// `65541`, `1.5` (asdot), `0.65000` (asdot+).
pub(super) fn asn(text: &str) -> Result<Cow<'_, str>, CanonError> {
    match number(text) {
        Some(number) => Ok(kept(text, number.to_string())),
        None => not(text, "an AS number"),
    }
}

/// `65000:1`, `0:65000:1`, `192.0.2.1:1`, `1:192.0.2.1:1`, `65541:1`, `2:65541:1`, `1.5:1`, `65000L:1` (type 2),
/// `target:65000:1`.
pub(super) fn target(text: &str) -> Result<Cow<'_, str>, CanonError> {
    match extended(text) {
        Some(canonical) => Ok(kept(text, canonical)),
        None => not(text, "a route distinguisher or route target"),
    }
}

fn extended(text: &str) -> Option<String> {
    let bare = text.strip_prefix("target:").unwrap_or(text);
    let parts: Vec<&str> = bare.split(':').collect();
    let (said, administrator, assigned) = match parts[..] {
        [administrator, assigned] => (None, administrator, assigned),
        [kind, administrator, assigned] => (Some(kind), administrator, assigned),
        _ => return None,
    };
    let said = match said {
        None => None,
        Some("0") => Some(0),
        Some("1") => Some(1),
        Some("2") => Some(2),
        Some(_) => return None,
    };
    let assigned = magnitude(assigned, 10)?;
    let fits = |most: u128| assigned <= most;
    if let Ok(address) = administrator.parse::<Ipv4Addr>() {
        return (said.is_none_or(|said| said == 1) && fits(0xFFFF)).then(|| format!("{address}:{assigned}"));
    }
    let (administrator, four_octets) = match administrator.strip_suffix('L') {
        Some(administrator) => (administrator, true),
        None => (administrator, false),
    };
    let number = number(administrator)?;
    let spelled = if number > 0xFFFF { 2 } else { 0 };
    let kind = match said {
        Some(said) if four_octets && said != 2 => return None,
        Some(said) => said,
        None if four_octets => 2,
        None => spelled,
    };
    match kind {
        0 if number <= 0xFFFF && fits(0xFFFF_FFFF) => Some(format!("{number}:{assigned}")),
        2 if fits(0xFFFF) && spelled == 2 => Some(format!("{number}:{assigned}")),
        2 if fits(0xFFFF) => Some(format!("2:{number}:{assigned}")),
        _ => None,
    }
}

fn number(text: &str) -> Option<u32> {
    let part = |text: &str, most: u128| magnitude(text, 10).filter(|value| *value <= most);
    let value = match text.split_once('.') {
        Some((high, low)) => (part(high, 0xFFFF)? << 16) | part(low, 0xFFFF)?,
        None => part(text, 0xFFFF_FFFF)?,
    };
    u32::try_from(value).ok()
}
