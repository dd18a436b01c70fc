//! From the text of a value to its canonical form, by type.
//!
//! Three spellings meet here: XML (identities by namespace prefix), JSON (RFC 7951: identities by module, a token per
//! type) and plain text as in a URI, a CLI line or a default. All end in one canonical [`Value`], so that values compare
//! by text. Ranges, patterns and lengths are not checked here; that is the work of the `yang` worker.

use super::canon;
use super::schema::{Canonical, TypeSpec};
use super::value::{Value, ValueKind};
use std::borrow::Cow;

/// What a prefix in a value means: the module name, or `None` when it is not known. Called with `None` for a name
/// without prefix.
pub type Resolve<'a> = &'a dyn Fn(Option<&str>) -> Option<String>;

impl TypeSpec {
    /// Reads plain text as in a URI, a default or a CLI argument: prefixes are module names, an identity without prefix
    /// belongs to `module`, the module of the leaf. The error says what was expected, without path.
    pub fn value(&self, module: &str, text: &str) -> Result<Value, String> {
        self.lexical(text, &|prefix| Some(prefix.unwrap_or(module).to_owned()))
    }

    /// Reads text whose prefixes `resolve` knows.
    pub fn lexical(&self, text: &str, resolve: Resolve<'_>) -> Result<Value, String> {
        self.canonical(text, resolve).map(|(kind, text)| Value::new(kind, &text))
    }

    /// Kind and canonical text of the value that [`TypeSpec::lexical`] makes; what is canonical already is lent back.
    pub(super) fn canonical<'t>(
        &self,
        text: &'t str,
        resolve: Resolve<'_>,
    ) -> Result<(ValueKind, Cow<'t, str>), String> {
        let plain = |text: Cow<'t, str>| (ValueKind::Text, text);
        match self {
            Self::Text(form) => canonical_text(*form, text).map(plain),
            Self::Integer { bits, signed } => {
                let text = integer(text.trim_matches(is_space), *bits, *signed)?;
                Ok((if *bits > 32 { ValueKind::Number64 } else { ValueKind::Number }, text))
            }
            Self::Decimal64 { digits } => {
                let canonical = canon::decimal(text.trim_matches(is_space)).map_err(|error| error.to_string())?;
                fits_decimal64(&canonical, *digits)?;
                Ok((ValueKind::Number64, canonical))
            }
            Self::Bool => match text.trim_matches(is_space) {
                flag @ ("true" | "false") => Ok((ValueKind::Bool, Cow::Borrowed(flag))),
                _ => Err(format!("{} is not 'true' or 'false'", shown(text))),
            },
            Self::Empty => {
                if text.trim_matches(is_space).is_empty() {
                    Ok((ValueKind::Empty, Cow::Borrowed("")))
                } else {
                    Err("a leaf of type empty has no value".into())
                }
            }
            Self::Enumeration(names) => {
                let text = text.trim_matches(is_space);
                if names.iter().any(|name| name == text) {
                    Ok(plain(Cow::Borrowed(text)))
                } else {
                    Err(format!("{} is not one of {}", shown(text), listed(names)))
                }
            }
            Self::Bits(names) => bits(text, names).map(|text| plain(Cow::Owned(text))),
            Self::Binary => binary(text).map(|text| plain(Cow::Owned(text))),
            Self::Identity { identities } => {
                let text = text.trim_matches(is_space);
                let (prefix, name) = match text.split_once(':') {
                    Some((prefix, name)) => (Some(prefix), name),
                    None => (None, text),
                };
                let module =
                    resolve(prefix).ok_or_else(|| format!("the prefix of identity {} is not known", shown(text)))?;
                let full = format!("{module}:{name}");
                if identities.contains(&full) {
                    return Ok((ValueKind::Identity, Cow::Owned(full)));
                }
                Err(format!("{} is not one of the identities {}", shown(&full), listed(identities)))
            }
            Self::InstanceIdentifier => {
                instance_identifier(text.trim_matches(is_space), resolve).map(|text| plain(Cow::Owned(text)))
            }
            // First as the type writes it, then with what is let pass elsewhere: blanks around a value must not take it away
            // from a string member.
            Self::Union(members) => members
                .iter()
                .filter(|member| member.writes(text))
                .chain(members)
                .find_map(|member| member.canonical(text, resolve).ok())
                .ok_or_else(|| format!("{} fits none of the {} types of the union", shown(text), members.len())),
            Self::Restricted { of, within } => {
                let (kind, text) = of.canonical(text, resolve)?;
                of.within(within, &text).map(|()| (kind, text))
            }
        }
    }

    /// The member of a union to which a text belongs.
    pub(super) fn member(&self, text: &str, resolve: Resolve<'_>) -> Option<&Self> {
        let Self::Union(members) = self else { return None };
        let mut tried = members.iter().filter(|member| member.writes(text)).chain(members);
        tried.find(|member| member.lexical(text, resolve).is_ok())
    }

    /// Whether a text, if it is a value of the type at all, is one without leniency: no blanks around it where the type has
    /// none, and the letters of a hex string. Numbers and bits may have blanks.
    fn writes(&self, text: &str) -> bool {
        match self {
            Self::Text(Canonical::Exact) | Self::Integer { .. } | Self::Decimal64 { .. } | Self::Bits(_) => true,
            Self::Text(Canonical::Lower) => is_hex_string(text),
            Self::Restricted { of, .. } if **of == Self::Text(Canonical::Lower) => is_hex_string(text) || is_uuid(text),
            Self::Restricted { of, .. } => of.writes(text),
            Self::Union(members) => members.iter().any(|member| member.writes(text)),
            _ => text.trim_matches(is_space).len() == text.len(),
        }
    }

    /// The same of a JSON token: a number is an integer of at most 32 bits (RFC 7951 §6.1).
    fn writes_token(&self, token: &Token<'_>) -> bool {
        match (self, token) {
            (Self::Restricted { of, .. }, _) => of.writes_token(token),
            (Self::Integer { bits, .. }, Token::Number(_)) => *bits <= 32,
            (Self::Decimal64 { .. }, Token::Number(_)) => false,
            (_, Token::Text(text)) => self.writes(text),
            _ => true,
        }
    }

    /// Whether the size of a canonical text is within one of the ranges.
    fn within(&self, ranges: &[(i128, i128)], text: &str) -> Result<(), String> {
        let size = match self {
            Self::Integer { .. } => text.parse().ok(),
            Self::Decimal64 { digits } => without_point(text, *digits).parse().ok(),
            Self::Text(_) => i128::try_from(text.chars().count()).ok(),
            // Base64: four characters for three bytes, those at the end that say nothing taken off.
            Self::Binary => {
                let padding = text.len() - text.trim_end_matches('=').len();
                i128::try_from((text.len() / 4 * 3).saturating_sub(padding)).ok()
            }
            _ => None,
        };
        match size {
            Some(size) if !ranges.iter().any(|(from, to)| (*from..=*to).contains(&size)) => {
                Err(format!("{} is out of its range", shown(text)))
            }
            _ => Ok(()),
        }
    }

    /// Whether white space at the ends of the text belongs to the value.
    pub fn keeps_space(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Union(members) => members.iter().any(Self::keeps_space),
            Self::Restricted { of, .. } => of.keeps_space(),
            _ => false,
        }
    }

    /// Reads a JSON token (RFC 7951 §6). Numbers of 64 bits are accepted as JSON numbers too: many clients send them so.
    pub(super) fn json(&self, token: &Token<'_>, module: &str) -> Result<Value, String> {
        match (self, token) {
            (Self::Union(members), _) => {
                let mut tried = members.iter().filter(|member| member.writes_token(token)).chain(members);
                let found = tried.find_map(|member| member.json(token, module).ok());
                let value =
                    found.ok_or_else(|| format!("{token} fits none of the {} types of the union", members.len()))?;
                // The token says more than the text: "10" is not 10 (RFC 7951 §6.10).
                match self.value(module, value.as_str()) {
                    Ok(plain) if token_of(plain.kind()) == token_of(value.kind()) => Ok(plain),
                    _ => Ok(Value::apart(value.kind(), value.as_str())),
                }
            }
            (Self::Restricted { of, within }, _) => {
                let value = of.json(token, module)?;
                of.within(within, value.as_str()).map(|()| value)
            }
            (Self::Integer { bits, .. }, Token::Text(text)) if *bits > 32 => self.value(module, text),
            (Self::Integer { bits, .. }, Token::Text(_)) => {
                Err(format!("{token}: an integer of {bits} bits is a JSON number, not a string"))
            }
            (Self::Integer { .. } | Self::Decimal64 { .. }, Token::Number(text)) => self.value(module, text),
            (Self::Bool, Token::Bool(true)) => Ok(Value::new(ValueKind::Bool, "true")),
            (Self::Bool, Token::Bool(false)) => Ok(Value::new(ValueKind::Bool, "false")),
            (Self::Bool, _) => Err(format!("{token} is not true or false")),
            (Self::Empty, Token::Empty) => Ok(Value::new(ValueKind::Empty, "")),
            (Self::Empty, _) => Err(format!("{token} is not [null], the value of type empty")),
            (_, Token::Text(text)) => self.value(module, text),
            (_, _) => Err(format!("{token} is not {}", self.expected())),
        }
    }

    fn expected(&self) -> &'static str {
        match self {
            Self::Integer { .. } => "an integer",
            Self::Decimal64 { .. } => "a decimal number in a string",
            Self::Bool => "true or false",
            Self::Empty => "[null]",
            Self::Identity { .. } => "the name of an identity in a string",
            Self::Restricted { of, .. } => of.expected(),
            _ => "a string",
        }
    }
}

/// A JSON scalar.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Text(Cow<'a, str>),
    /// The text of a number as it was written.
    Number(&'a str),
    Bool(bool),
    Null,
    /// `[null]`.
    Empty,
}

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "string {}", shown(text)),
            Self::Number(text) => write!(f, "number {}", shown(text)),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Null => f.write_str("null"),
            Self::Empty => f.write_str("[null]"),
        }
    }
}

/// Which JSON token a value of this kind is.
fn token_of(kind: ValueKind) -> u8 {
    match kind {
        ValueKind::Text | ValueKind::Number64 | ValueKind::Identity => 0,
        ValueKind::Number => 1,
        ValueKind::Bool => 2,
        ValueKind::Empty => 3,
    }
}

/// A value for an error text: quoted, control characters escaped, cut.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::from("'");
    for (n, c) in text.chars().enumerate() {
        if n == 60 {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.push('\'');
    out
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 8 {
        text.push_str(&format!(", … ({} in all)", names.len()));
    }
    text
}

/// Whether a text can be the name of an element and of a YANG node (NCName; RFC 7951 §4 has no others).
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}'))
}

/// White space of XML and JSON.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Whether a YANG string may hold the character (RFC 7950 §14, `yang-char`).
pub(super) fn yang_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}')
        || (c as u32 >= 0x10000 && c as u32 & 0xFFFE != 0xFFFE)
}

fn canonical_text(form: Canonical, text: &str) -> Result<Cow<'_, str>, String> {
    match form {
        Canonical::Exact => Ok(Cow::Borrowed(text)),
        Canonical::Lower => Ok(Cow::Owned(text.trim_matches(is_space).to_ascii_lowercase())),
        Canonical::IpAddress => canon::zoned(text.trim_matches(is_space)).map_err(|error| error.to_string()),
        Canonical::IpPrefix => {
            let trimmed = text.trim_matches(is_space);
            // A netmask in place of the length is a spelling of command lines, none of RFC 6991.
            match trimmed.split_once('/') {
                Some((_, length)) if length.contains('.') => Err(format!("{} is not an IP prefix", shown(trimmed))),
                _ => canon::prefix(trimmed).map_err(|error| error.to_string()),
            }
        }
    }
}

fn integer(text: &str, bits: u8, signed: bool) -> Result<Cow<'_, str>, String> {
    // Most are short and canonical.
    if let [b'1'..=b'9', rest @ ..] = text.as_bytes()
        && rest.len() < if bits > 16 { 9 } else { usize::from(bits / 4).min(4) }
        && rest.iter().all(u8::is_ascii_digit)
        && text.parse::<u64>().is_ok_and(|value| value <= (u64::MAX >> (64 - bits.clamp(1, 64))) >> u8::from(signed))
    {
        return Ok(Cow::Borrowed(text));
    }
    let name = || format!("{}int{bits}", if signed { "" } else { "u" });
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 64 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("{} is not an integer of type {}", shown(text), name()));
    }
    let value: i128 = text.parse().map_err(|_| format!("{} is out of the range of {}", shown(text), name()))?;
    let (low, high) = match (bits.clamp(1, 64), signed) {
        (bits, true) => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        (bits, false) => (0, (1i128 << bits) - 1),
    };
    if value < low || value > high {
        return Err(format!("{} is out of the range of {}", shown(text), name()));
    }
    Ok(Cow::Owned(value.to_string()))
}

/// The shape of `hex-string`, `phys-address` and `mac-address` (RFC 6991): pairs of digits with colons between them.
fn is_hex_string(text: &str) -> bool {
    let pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    text.is_empty() || text.split(':').all(pair)
}

/// The shape of `uuid` (RFC 6991).
fn is_uuid(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(digits)
}

/// RFC 7950 §9.3.4: at most `digits` digits behind the point, and without the point it is a number of 64 bits.
fn fits_decimal64(canonical: &str, digits: u8) -> Result<(), String> {
    let (_, fraction) = canonical.split_once('.').unwrap_or((canonical, "0"));
    if fraction != "0" && fraction.len() > usize::from(digits) {
        return Err(format!("{} has more than {digits} digits behind the point", shown(canonical)));
    }
    match without_point(canonical, digits).parse::<i64>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("{} is out of the range of decimal64 with {digits} digits", shown(canonical))),
    }
}

/// A canonical decimal number as the number of its smallest parts.
fn without_point(canonical: &str, digits: u8) -> String {
    let (whole, fraction) = canonical.split_once('.').unwrap_or((canonical, "0"));
    format!("{whole}{fraction:0<width$}", width = usize::from(digits.clamp(1, 18)))
}

fn bits(text: &str, names: &[String]) -> Result<String, String> {
    let mut places = Vec::new();
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        let place = names
            .iter()
            .position(|name| name == word)
            .ok_or_else(|| format!("{} is not one of the bits {}", shown(word), listed(names)))?;
        if places.contains(&place) {
            return Err(format!("the bit {} is given twice", shown(word)));
        }
        places.push(place);
    }
    places.sort_unstable();
    Ok(places.iter().map(|place| names[*place].as_str()).collect::<Vec<_>>().join(" "))
}

fn binary(text: &str) -> Result<String, String> {
    use base64::Engine;
    let packed: String = text.chars().filter(|c| !is_space(*c)).collect();
    match base64::engine::general_purpose::STANDARD.decode(&packed) {
        Ok(_) => Ok(packed),
        Err(_) => Err(format!("{} is not base64", shown(text))),
    }
}

/// RFC 7950 §6.2.
fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// An instance identifier with module names, written where the module changes (RFC 7951 §6.11).
fn instance_identifier(text: &str, resolve: Resolve<'_>) -> Result<String, String> {
    let bad = || format!("{} is not an instance identifier", shown(text));
    if !text.starts_with('/') {
        return Err(bad());
    }
    let mut out = String::with_capacity(text.len());
    let mut module: Option<String> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '/' | '[' => {
                out.push(c);
                rest = rest[1..].trim_start_matches(is_space);
                let end = rest.find(['/', '[', ']', '=', ' ']).unwrap_or(rest.len());
                let (word, tail) = rest.split_at(end);
                rest = tail;
                if c == '[' && (word == "." || !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())) {
                    out.push_str(word);
                    continue;
                }
                let (prefix, name) = match word.split_once(':') {
                    Some((prefix, name)) => (Some(prefix), name),
                    None => (None, word),
                };
                if !is_identifier(name) || (prefix.is_none() && module.is_none()) {
                    return Err(bad());
                }
                let found = match prefix {
                    Some(prefix) => Some(
                        resolve(Some(prefix)).ok_or_else(|| format!("the prefix {} is not known", shown(prefix)))?,
                    ),
                    None => None,
                };
                match found {
                    Some(found) if module.as_ref() != Some(&found) => {
                        out.push_str(&format!("{found}:{name}"));
                        if c == '/' {
                            module = Some(found);
                        }
                    }
                    _ => out.push_str(name),
                }
            }
            '\'' | '"' => {
                let end = rest[1..].find(c).ok_or_else(bad)? + 2;
                let inner = &rest[1..end - 1];
                let quote = if inner.contains('\'') { '"' } else { '\'' };
                out.push(quote);
                out.push_str(inner);
                out.push(quote);
                rest = &rest[end..];
            }
            '=' | ']' => {
                out.push(c);
                rest = &rest[1..];
            }
            c if is_space(c) => rest = &rest[1..],
            _ => return Err(bad()),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ty: &TypeSpec, text: &str) -> Result<String, String> {
        ty.value("m", text).map(|value| value.as_str().to_owned())
    }

    #[test]
    fn numbers_take_their_canonical_form_and_keep_all_digits() {
        let int = |bits, signed| TypeSpec::Integer { bits, signed };
        assert_eq!(read(&int(64, false), "18446744073709551615").unwrap(), "18446744073709551615");
        assert_eq!(read(&int(64, true), "-9223372036854775808").unwrap(), "-9223372036854775808");
        assert_eq!(read(&int(8, true), " +007 ").unwrap(), "7");
        assert!(read(&int(8, false), "256").is_err());
        assert!(read(&int(8, false), "-1").is_err());
        assert!(read(&int(16, false), "1e3").is_err());
        for (text, canonical) in [("1", "1.0"), ("-0.0", "0.0"), ("010.500", "10.5"), ("-0.25", "-0.25")] {
            assert_eq!(read(&TypeSpec::Decimal64 { digits: 2 }, text).unwrap(), canonical);
        }
        assert!(read(&TypeSpec::Decimal64 { digits: 2 }, "1.").is_err());
        assert!(read(&TypeSpec::Decimal64 { digits: 2 }, "1.234").unwrap_err().contains("more than 2 digits"));
        assert_eq!(read(&TypeSpec::Decimal64 { digits: 2 }, "1.23000").unwrap(), "1.23");
        let (least, most) = ("-9.223372036854775808", "9.223372036854775807");
        assert_eq!(read(&TypeSpec::Decimal64 { digits: 18 }, least).unwrap(), least);
        assert_eq!(read(&TypeSpec::Decimal64 { digits: 18 }, most).unwrap(), most);
        assert!(read(&TypeSpec::Decimal64 { digits: 18 }, "9.223372036854775808").is_err());
        assert!(read(&TypeSpec::Decimal64 { digits: 1 }, "922337203685477580.8").is_err());
    }

    #[test]
    fn addresses_and_prefixes_take_the_form_of_rfc_6991() {
        let address = TypeSpec::Text(Canonical::IpAddress);
        let prefix = TypeSpec::Text(Canonical::IpPrefix);
        assert_eq!(read(&address, "2001:DB8:0:0::1%eth0").unwrap(), "2001:db8::1%eth0");
        assert_eq!(read(&prefix, "10.1.2.3/8").unwrap(), "10.0.0.0/8");
        assert_eq!(read(&prefix, "0.0.0.0/0").unwrap(), "0.0.0.0/0");
        assert_eq!(read(&prefix, "2001:DB8::1/32").unwrap(), "2001:db8::/32");
        assert!(read(&prefix, "10.0.0.0/33").is_err());
        assert!(read(&prefix, "10.0.0.0/+8").is_err());
        assert!(read(&address, "10.0.0").is_err());
    }

    #[test]
    fn identities_bits_and_unions_are_resolved() {
        let identity = TypeSpec::Identity { identities: vec!["t:vpn".into(), "m:own".into()] };
        assert_eq!(read(&identity, "t:vpn").unwrap(), "t:vpn");
        assert_eq!(read(&identity, "own").unwrap(), "m:own");
        assert!(read(&identity, "vpn").is_err());
        let bits = TypeSpec::Bits(vec!["a".into(), "b".into(), "c".into()]);
        assert_eq!(read(&bits, "c  a").unwrap(), "a c");
        assert!(read(&bits, "a a").is_err());
        let union = TypeSpec::Union(vec![TypeSpec::Integer { bits: 8, signed: false }, identity]);
        assert_eq!(union.value("m", "9").unwrap().kind(), ValueKind::Number);
        assert_eq!(union.value("m", "t:vpn").unwrap().kind(), ValueKind::Identity);
        assert!(union.value("m", "999").is_err());
        // RFC 7950 §9.12: the first member that takes the value with all its restrictions.
        let ranged = |of, within| TypeSpec::Restricted { of: Box::new(of), within };
        let union = TypeSpec::Union(vec![
            ranged(TypeSpec::Integer { bits: 8, signed: false }, vec![(1, 10), (20, 30)]),
            ranged(TypeSpec::Decimal64 { digits: 1 }, vec![(-5, 995)]),
            ranged(TypeSpec::Text(Canonical::Exact), vec![(0, 3)]),
            ranged(TypeSpec::Binary, vec![(4, 4)]),
        ]);
        for (text, canonical) in [
            ("7", "7"),
            ("25", "25"),
            ("78", "78.0"),
            ("-0.5", "-0.5"),
            ("999", "999"),
            ("äöü", "äöü"),
            ("AAAAAA==", "AAAAAA=="),
        ] {
            assert_eq!(read(&union, text).unwrap(), canonical);
        }
        assert!(read(&union, "99.6").is_err() && read(&union, "AAAA").is_err());
    }

    #[test]
    fn an_instance_identifier_names_the_module_where_it_changes() {
        let resolve = |prefix: Option<&str>| prefix.map(|prefix| format!("mod-{prefix}"));
        let ty = TypeSpec::InstanceIdentifier;
        let read = |text: &str| ty.lexical(text, &resolve).map(|value| value.as_str().to_owned());
        assert_eq!(read("/a:x/a:y[a:k=\"it's\"]/b:z").unwrap(), "/mod-a:x/y[k=\"it's\"]/mod-b:z");
        assert_eq!(read("/a:l[.='v/w']").unwrap(), "/mod-a:l[.='v/w']");
        assert!(read("a:x").is_err());
        assert!(read("/a:x[k='open").is_err());
    }
}
