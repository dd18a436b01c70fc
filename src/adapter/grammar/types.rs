//! Types of arguments: what a word must look like, and its canonical form.
//!
//! Built in: `word`, `string` (always printed in quotes), `rest`, `text` (the rest with its blanks), `block` (what a block
//! of lines holds), `ip4`, `ip6`, `ip`, `ip4-prefix`, `ip6-prefix` (host bits cleared), `ip4-interface`, `ip6-interface`
//! (host bits kept), `rd`, `rt`, `number`, a range `1-255`, choices `in|out`, and every form of [`canon`] by its name (`mac`,
//! `port`, `ip-protocol`, `range-set`, …). A grammar adds types of its own: a regular expression without some words, or any
//! of other types, with tables of spellings that are one.

use super::lex::{Quoting, Token};
use crate::tree::canon::{self, Form, Prefixes, Words};
use crate::tree::schema::Canonical;
use crate::tree::{TypeSpec, ValueKind};
use regex::Regex;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The named types of a grammar.
#[derive(Clone, Debug, Default)]
pub(super) struct Types {
    named: BTreeMap<String, ArgType>,
    /// How the family quotes words.
    pub(super) quoting: Quoting,
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
    /// Always printed in quotes.
    #[serde(default)]
    quoted: bool,
    /// A form of `tree::canon` by its name.
    #[serde(default)]
    form: Option<String>,
    /// Canonical words and their other spellings.
    #[serde(default)]
    words: BTreeMap<String, Vec<String>>,
    /// What names begin with and its short forms: `GigabitEthernet = ["Gi"]`.
    #[serde(default)]
    names: BTreeMap<String, Vec<String>>,
    /// Any beginning of such a word that fits it alone means it.
    #[serde(default)]
    abbreviate: bool,
}

/// The type of one argument.
#[derive(Clone, Debug)]
pub(super) enum ArgType {
    Word,
    Rest,
    /// The rest of a line, or of a block, as it was written.
    Text {
        block: bool,
    },
    Ip4,
    Ip6,
    Ip4Prefix,
    Ip6Prefix,
    Ip4Interface,
    Ip6Interface,
    Target,
    Number {
        min: u64,
        max: u64,
    },
    Choice(Vec<String>),
    Matching {
        pattern: Regex,
        not: Vec<String>,
    },
    Any(Vec<ArgType>),
    /// Always printed in quotes.
    Quoted(Box<ArgType>),
    /// A form that values of many platforms share.
    Form(&'static Form),
    /// Spelt in one way first, then looked at as another type.
    Spelt(Spelling, Box<ArgType>),
}

/// Tables of spellings.
#[derive(Clone, Debug)]
pub(super) enum Spelling {
    Form(&'static Form),
    Words(Words),
    Names(Prefixes),
}

impl Spelling {
    fn of<'a>(&self, word: &'a str) -> Option<Cow<'a, str>> {
        match self {
            Spelling::Form(form) => form.of(word).ok(),
            Spelling::Words(words) => Some(words.of(word)),
            Spelling::Names(names) => Some(names.of(word)),
        }
    }
}

impl Types {
    /// Compiles the types of a grammar file; a type may use those that stand before it in the alphabet or are built in.
    pub(super) fn compile(source: &BTreeMap<String, TypeSource>, quoting: Quoting) -> Result<Self, String> {
        let mut types = Self { quoting, ..Self::default() };
        let mut later: Vec<(&String, &TypeSource)> = Vec::new();
        let named = |name: &str, why: String| format!("type {name}: {why}");
        for (name, ty) in source {
            match &ty.pattern {
                Some(pattern) => {
                    let pattern = Regex::new(&format!("^(?:{pattern})$")).map_err(|e| named(name, e.to_string()))?;
                    let matching = ArgType::Matching { pattern, not: ty.not.clone() };
                    types.named.insert(name.clone(), ty.finish(matching).map_err(|why| named(name, why))?);
                }
                None => later.push((name, ty)),
            }
        }
        for (name, ty) in later {
            let any: Vec<ArgType> =
                ty.any.iter().map(|member| types.find(member)).collect::<Result<_, _>>().map_err(|e| named(name, e))?;
            let any = match &any[..] {
                [] if ty.form.is_none() && ty.words.is_empty() && ty.names.is_empty() => {
                    return Err(named(name, "it says nothing".to_owned()));
                }
                [] => ArgType::Word,
                _ => ArgType::Any(any),
            };
            types.named.insert(name.clone(), ty.finish(any).map_err(|why| named(name, why))?);
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
            "string" => ArgType::Quoted(Box::new(ArgType::Word)),
            "rest" => ArgType::Rest,
            "text" => ArgType::Text { block: false },
            "block" => ArgType::Text { block: true },
            "ip4" => ArgType::Ip4,
            "ip6" => ArgType::Ip6,
            "ip" => ArgType::Any(vec![ArgType::Ip4, ArgType::Ip6]),
            "ip4-prefix" => ArgType::Ip4Prefix,
            "ip6-prefix" => ArgType::Ip6Prefix,
            "ip4-interface" => ArgType::Ip4Interface,
            "ip6-interface" => ArgType::Ip6Interface,
            "rd" | "rt" => ArgType::Target,
            "number" => ArgType::Number { min: 0, max: u64::from(u32::MAX) },
            "" => return Err("an argument without a type".to_owned()),
            other if canon::form(other).is_some() => canon::form(other).map_or(ArgType::Word, ArgType::Form),
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

impl TypeSource {
    /// The type with the spellings that it takes as one.
    fn finish(&self, mut ty: ArgType) -> Result<ArgType, String> {
        if !self.words.is_empty() {
            ty = ArgType::Spelt(Spelling::Words(Words::new(&self.words)?), Box::new(ty));
        }
        if !self.names.is_empty() {
            ty = ArgType::Spelt(Spelling::Names(Prefixes::new(&self.names, self.abbreviate)?), Box::new(ty));
        }
        if let Some(name) = &self.form {
            let form = canon::form(name).ok_or_else(|| format!("there is no form `{name}`"))?;
            ty = ArgType::Spelt(Spelling::Form(form), Box::new(ty));
        }
        Ok(if self.quoted { ArgType::Quoted(Box::new(ty)) } else { ty })
    }
}

impl ArgType {
    /// Whether it takes the rest of the line.
    pub(super) fn is_rest(&self) -> bool {
        matches!(self, ArgType::Rest | ArgType::Text { .. })
    }

    /// Whether it is what a block of lines holds.
    pub(super) fn is_block(&self) -> bool {
        matches!(self, ArgType::Text { block: true })
    }

    /// Whether it is always printed in quotes.
    pub(super) fn is_quoted(&self) -> bool {
        matches!(self, ArgType::Quoted(_))
    }

    /// Whether it is the choice of this one word.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self, ArgType::Choice(words) if words.len() == 1 && words[0] == word)
    }

    /// What it makes of all that is left of a line.
    pub(super) fn rest_of(&self, words: &[Token<'_>]) -> Option<String> {
        match (self, words.first()) {
            (ArgType::Text { .. }, Some(first)) if !first.tail.is_empty() => Some(first.tail.trim_end().to_owned()),
            (ArgType::Text { block: true }, None) => Some(String::new()),
            (_, None) => None,
            (_, Some(_)) => Some(words.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" ")),
        }
    }

    /// The canonical form of a word of this type; `None` if it is not of this type.
    pub(super) fn canonical(&self, word: &str) -> Option<String> {
        match self {
            ArgType::Word | ArgType::Rest | ArgType::Text { .. } => Some(word.to_owned()),
            ArgType::Quoted(ty) => ty.canonical(word),
            ArgType::Ip4 => Some(word.parse::<Ipv4Addr>().ok()?.to_string()),
            ArgType::Ip6 => Some(word.parse::<Ipv6Addr>().ok()?.to_string()),
            ArgType::Ip4Prefix => Some(word.parse::<ipnet::Ipv4Net>().ok()?.trunc().to_string()),
            ArgType::Ip6Prefix => Some(word.parse::<ipnet::Ipv6Net>().ok()?.trunc().to_string()),
            ArgType::Ip4Interface => Some(word.parse::<ipnet::Ipv4Net>().ok()?.to_string()),
            ArgType::Ip6Interface => Some(word.parse::<ipnet::Ipv6Net>().ok()?.to_string()),
            ArgType::Form(form) => Some(form.of(word).ok()?.into_owned()),
            ArgType::Spelt(spelling, ty) => ty.canonical(&spelling.of(word)?),
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
            ArgType::Spelt(_, ty) => ty.spec(),
            ArgType::Number { max, .. } => {
                TypeSpec::Integer { bits: if *max > u64::from(u32::MAX) { 64 } else { 32 }, signed: false }
            }
            ArgType::Choice(words) => TypeSpec::Enumeration(words.clone()),
            ArgType::Any(types) => TypeSpec::Union(types.iter().map(ArgType::spec).collect()),
            ArgType::Quoted(ty) => ty.spec(),
            ArgType::Word
            | ArgType::Rest
            | ArgType::Text { .. }
            | ArgType::Form(_)
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
            ("mac", "aabb.0c00.0001", Some("aa:bb:0c:00:00:01")),
            ("port", "bgp", Some("179")),
            ("in|out", "in", Some("in")),
            ("in|out", "up", None),
        ] {
            assert_eq!(types.find(ty).unwrap().canonical(word).as_deref(), canonical, "{ty} {word}");
        }
    }
}
