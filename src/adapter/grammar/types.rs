//! Types of arguments: what a word must look like, and its canonical form.
//!
//! Built in: `word`, `rest`, `ip4`, `ip6`, `ip`, `ip4-prefix`, `ip6-prefix` (host bits cleared), `ip4-interface`,
//! `ip6-interface` (host bits kept), `mac`, `rd`, `rt`, `number`, a range `1-255`, and choices `in|out`. A grammar adds
//! types of its own: a regular expression without some words, or any of other types.

use crate::tree::schema::Canonical;
use crate::tree::{TypeSpec, ValueKind};
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The named types of a grammar.
#[derive(Clone, Debug, Default)]
pub(super) struct Types {
    named: BTreeMap<String, ArgType>,
}

/// A type of the grammar file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypeSource {
    /// Regular expression for the whole word.
    #[serde(default)]
    pattern: Option<String>,
    /// Words that it is not.
    #[serde(default)]
    not: Vec<String>,
    /// One of these types, tried in this order.
    #[serde(default)]
    any: Vec<String>,
}

/// The type of one argument.
#[derive(Clone, Debug)]
pub(super) enum ArgType {
    Word,
    Rest,
    Ip4,
    Ip6,
    Ip4Prefix,
    Ip6Prefix,
    Ip4Interface,
    Ip6Interface,
    Mac,
    Target,
    Number { min: u64, max: u64 },
    Choice(Vec<String>),
    Matching { pattern: Regex, not: Vec<String> },
    Any(Vec<ArgType>),
}

impl Types {
    /// Compiles the types of a grammar file; a type may use those that stand before it in the alphabet or are built in.
    pub(super) fn compile(source: &BTreeMap<String, TypeSource>) -> Result<Self, String> {
        let mut types = Self::default();
        let mut later: Vec<(&String, &TypeSource)> = Vec::new();
        for (name, ty) in source {
            match &ty.pattern {
                Some(pattern) => {
                    let pattern = Regex::new(&format!("^(?:{pattern})$")).map_err(|e| format!("type {name}: {e}"))?;
                    types.named.insert(name.clone(), ArgType::Matching { pattern, not: ty.not.clone() });
                }
                None => later.push((name, ty)),
            }
        }
        for (name, ty) in later {
            let any = ty.any.iter().map(|member| types.find(member)).collect::<Result<_, _>>()?;
            types.named.insert(name.clone(), ArgType::Any(any));
        }
        Ok(types)
    }

    /// The type of this name.
    pub(super) fn find(&self, name: &str) -> Result<ArgType, String> {
        if let Some(ty) = self.named.get(name) {
            return Ok(ty.clone());
        }
        Ok(match name {
            "word" => ArgType::Word,
            "rest" => ArgType::Rest,
            "ip4" => ArgType::Ip4,
            "ip6" => ArgType::Ip6,
            "ip" => ArgType::Any(vec![ArgType::Ip4, ArgType::Ip6]),
            "ip4-prefix" => ArgType::Ip4Prefix,
            "ip6-prefix" => ArgType::Ip6Prefix,
            "ip4-interface" => ArgType::Ip4Interface,
            "ip6-interface" => ArgType::Ip6Interface,
            "mac" => ArgType::Mac,
            "rd" | "rt" => ArgType::Target,
            "number" => ArgType::Number { min: 0, max: u64::from(u32::MAX) },
            "" => return Err("an argument without a type".to_owned()),
            other => {
                let (ranges, words): (Vec<&str>, Vec<&str>) = other.split('|').partition(|part| range(part).is_some());
                let mut any: Vec<ArgType> = ranges.into_iter().filter_map(range).collect();
                // A single word is a choice of one, which makes an optional word an argument.
                if !words.is_empty() {
                    any.push(ArgType::Choice(words.into_iter().map(str::to_owned).collect()));
                }
                if any.len() == 1 { any.remove(0) } else { ArgType::Any(any) }
            }
        })
    }
}

impl ArgType {
    /// Whether it takes the rest of the line.
    pub(super) fn is_rest(&self) -> bool {
        matches!(self, ArgType::Rest)
    }

    /// The canonical form of a word of this type; `None` if it is not of this type.
    pub(super) fn canonical(&self, word: &str) -> Option<String> {
        match self {
            ArgType::Word | ArgType::Rest => Some(word.to_owned()),
            ArgType::Ip4 => Some(word.parse::<Ipv4Addr>().ok()?.to_string()),
            ArgType::Ip6 => Some(word.parse::<Ipv6Addr>().ok()?.to_string()),
            ArgType::Ip4Prefix => Some(word.parse::<ipnet::Ipv4Net>().ok()?.trunc().to_string()),
            ArgType::Ip6Prefix => Some(word.parse::<ipnet::Ipv6Net>().ok()?.trunc().to_string()),
            ArgType::Ip4Interface => Some(word.parse::<ipnet::Ipv4Net>().ok()?.to_string()),
            ArgType::Ip6Interface => Some(word.parse::<ipnet::Ipv6Net>().ok()?.to_string()),
            ArgType::Mac => mac(word),
            ArgType::Target => target(word),
            ArgType::Number { min, max } => number(word, *min, *max),
            ArgType::Choice(words) => words.iter().find(|have| *have == word).cloned(),
            ArgType::Matching { pattern, not } => {
                (pattern.is_match(word) && !not.iter().any(|no| no == word)).then(|| word.to_owned())
            }
            ArgType::Any(types) => types.iter().find_map(|ty| ty.canonical(word)),
        }
    }

    /// The type in a schema index.
    pub(super) fn spec(&self) -> TypeSpec {
        match self {
            ArgType::Ip4 | ArgType::Ip6 => TypeSpec::Text(Canonical::IpAddress),
            ArgType::Ip4Prefix | ArgType::Ip6Prefix => TypeSpec::Text(Canonical::IpPrefix),
            ArgType::Mac => TypeSpec::Text(Canonical::Lower),
            ArgType::Number { max, .. } => {
                TypeSpec::Integer { bits: if *max > u64::from(u32::MAX) { 64 } else { 32 }, signed: false }
            }
            ArgType::Choice(words) => TypeSpec::Enumeration(words.clone()),
            ArgType::Any(types) => TypeSpec::Union(types.iter().map(ArgType::spec).collect()),
            ArgType::Word
            | ArgType::Rest
            | ArgType::Ip4Interface
            | ArgType::Ip6Interface
            | ArgType::Target
            | ArgType::Matching { .. } => TypeSpec::Text(Canonical::Exact),
        }
    }

    /// How a value of it is printed in JSON.
    pub(super) fn kind(&self) -> ValueKind {
        match self {
            ArgType::Number { max, .. } if *max > u64::from(u32::MAX) => ValueKind::Number64,
            ArgType::Number { .. } => ValueKind::Number,
            _ => ValueKind::Text,
        }
    }
}

/// `16-1048575`.
fn range(text: &str) -> Option<ArgType> {
    let (min, max) = text.split_once('-')?;
    Some(ArgType::Number { min: min.parse().ok()?, max: max.parse().ok()? })
}

fn number(word: &str, min: u64, max: u64) -> Option<String> {
    if !word.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = word.parse().ok()?;
    (min..=max).contains(&value).then(|| value.to_string())
}

/// A route distinguisher or target: `asn:n` or `address:n` (RFC 4364 §4.2).
fn target(word: &str) -> Option<String> {
    let (administrator, assigned) = word.split_once(':')?;
    if let Ok(address) = administrator.parse::<Ipv4Addr>() {
        return Some(format!("{address}:{}", number(assigned, 0, 65535)?));
    }
    let administrator = number(administrator, 0, u64::from(u32::MAX))?;
    let wide = administrator.parse::<u64>().ok()? > 65535;
    let assigned = number(assigned, 0, if wide { 65535 } else { u64::from(u32::MAX) })?;
    Some(format!("{administrator}:{assigned}"))
}

fn mac(word: &str) -> Option<String> {
    let octets: Vec<&str> = word.split(':').collect();
    let good = octets.len() == 6 && octets.iter().all(|o| o.len() == 2 && o.bytes().all(|b| b.is_ascii_hexdigit()));
    good.then(|| word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_canonical_or_are_not_of_the_type() {
        let types = Types::default();
        for (ty, word, canonical) in [
            ("ip4-prefix", "10.0.0.5/24", Some("10.0.0.0/24")),
            ("ip4-interface", "10.0.0.5/24", Some("10.0.0.5/24")),
            ("ip6", "2001:DB8:0:0::1", Some("2001:db8::1")),
            ("1-4094", "0100", Some("100")),
            ("1-4094", "4095", None),
            ("1-4094", "+5", None),
            ("rt", "065000:0100", Some("65000:100")),
            ("rt", "192.0.2.1:7", Some("192.0.2.1:7")),
            ("rt", "70000:70000", None),
            ("mac", "AA:bb:0C:00:00:01", Some("aa:bb:0c:00:00:01")),
            ("in|out", "in", Some("in")),
            ("in|out", "up", None),
        ] {
            assert_eq!(types.find(ty).unwrap().canonical(word).as_deref(), canonical, "{ty} {word}");
        }
    }
}
