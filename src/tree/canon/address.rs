//! Addresses, prefixes and MAC addresses.
//!
//! IPv4 octets with leading zeros are refused: one reader takes `010` for 8, another for 10 (RFC 6943 §3.1.1).

use super::{CanonError, kept, not};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) fn ip(text: &str) -> Result<Cow<'_, str>, CanonError> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(kept(text, address.to_string())),
        Err(_) => not(text, "an IP address"),
    }
}

pub(super) fn ip4(text: &str) -> Result<Cow<'_, str>, CanonError> {
    match text.parse::<Ipv4Addr>() {
        Ok(address) => Ok(kept(text, address.to_string())),
        Err(_) => not(text, "an IPv4 address"),
    }
}

pub(super) fn ip6(text: &str) -> Result<Cow<'_, str>, CanonError> {
    match text.parse::<Ipv6Addr>() {
        Ok(address) => Ok(kept(text, address.to_string())),
        Err(_) => not(text, "an IPv6 address"),
    }
}

/// `fe80::1%eth0`: names of zones are the element's own (RFC 4007 §11), so they are kept as they are.
pub(in crate::tree) fn zoned(text: &str) -> Result<Cow<'_, str>, CanonError> {
    let Some((address, zone)) = text.split_once('%') else { return ip(text) };
    match address.parse::<IpAddr>() {
        Ok(address) if !zone.is_empty() => Ok(kept(text, format!("{address}%{zone}"))),
        _ => not(text, "an IP address"),
    }
}

pub(in crate::tree) fn prefix(text: &str) -> Result<Cow<'_, str>, CanonError> {
    cleared(text, "an IP prefix", |_| true)
}

pub(super) fn prefix4(text: &str) -> Result<Cow<'_, str>, CanonError> {
    cleared(text, "an IPv4 prefix", |address| address.is_ipv4())
}

pub(super) fn prefix6(text: &str) -> Result<Cow<'_, str>, CanonError> {
    cleared(text, "an IPv6 prefix", |address| address.is_ipv6())
}

pub(super) fn interface(text: &str) -> Result<Cow<'_, str>, CanonError> {
    with_length(text, "an IP address with its prefix length", |_| true)
}

pub(super) fn interface4(text: &str) -> Result<Cow<'_, str>, CanonError> {
    with_length(text, "an IPv4 address with its prefix length", |address| address.is_ipv4())
}

pub(super) fn interface6(text: &str) -> Result<Cow<'_, str>, CanonError> {
    with_length(text, "an IPv6 address with its prefix length", |address| address.is_ipv6())
}

fn cleared<'a>(text: &'a str, expected: &'static str, fits: fn(&IpAddr) -> bool) -> Result<Cow<'a, str>, CanonError> {
    match split(text) {
        Some((address, length)) if fits(&address) => {
            let network = match address {
                IpAddr::V4(v4) => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                    IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
                }
                IpAddr::V6(v6) => {
                    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                    IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
                }
            };
            Ok(kept(text, format!("{network}/{length}")))
        }
        _ => not(text, expected),
    }
}

fn with_length<'a>(
    text: &'a str,
    expected: &'static str,
    fits: fn(&IpAddr) -> bool,
) -> Result<Cow<'a, str>, CanonError> {
    match split(text) {
        Some((address, length)) if fits(&address) => Ok(kept(text, format!("{address}/{length}"))),
        _ => not(text, expected),
    }
}

/// `address/length`, or for IPv4 `address/netmask`.
fn split(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    if (1..=3).contains(&length.len()) && length.bytes().all(|b| b.is_ascii_digit()) {
        return length.parse().ok().filter(|length| *length <= most).map(|length| (address, length));
    }
    let mask = length.parse::<Ipv4Addr>().ok().filter(|_| address.is_ipv4()).map(u32::from)?;
    (mask.leading_ones() + mask.trailing_zeros() == 32 || mask == 0).then(|| (address, mask.leading_ones() as u8))
}

/// `00:1b:2c:3d:4e:5f`, `0:1b:2c:3d:4e:5f`, `00-1B-…`, `001b.2c3d.4e5f`, `001b2c3d4e5f`.
pub(super) fn mac(text: &str) -> Result<Cow<'_, str>, CanonError> {
    match octets(text) {
        Some([a, b, c, d, e, f]) => Ok(kept(text, format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))),
        None => not(text, "a MAC address"),
    }
}

fn octets(text: &str) -> Option<[u8; 6]> {
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    for separator in [':', '-'] {
        if text.contains(separator) {
            let mut octets = [0; 6];
            let mut parts = text.split(separator);
            for octet in &mut octets {
                let part = parts.next().filter(|part| (1..=2).contains(&part.len()) && hex(part))?;
                *octet = u8::from_str_radix(part, 16).ok()?;
            }
            return parts.next().is_none().then_some(octets);
        }
    }
    let digits: String = if text.contains('.') {
        let groups: Vec<&str> = text.split('.').collect();
        (groups.len() == 3 && groups.iter().all(|group| group.len() == 4)).then(|| groups.concat())?
    } else {
        text.to_owned()
    };
    if digits.len() != 12 || !hex(&digits) {
        return None;
    }
    let number = u64::from_str_radix(&digits, 16).ok()?.to_be_bytes();
    Some([number[2], number[3], number[4], number[5], number[6], number[7]])
}
