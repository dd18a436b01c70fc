//! Canonical forms: the many spellings of one meaning become one text, so that values compare by text.
//!
//! Codecs use them for types whose canonical form a standard fixes, grammars for the types of arguments, adapters for the
//! paths at which their platform spells a value otherwise than it was told (`adapter.toml`, `text = "<name>"`).
//!
//! Guarantees, for every form `f`: it is pure and total (it answers or says what was expected, it never panics);
//! `f(f(x)) == f(x)`; texts of one meaning get one text; texts of different meanings get different ones. What is already
//! canonical is lent back, not copied. It does not check ranges beyond those of the type itself, and it knows no platform:
//! names of interfaces and other words of a platform come from the adapter as a [`Words`] or [`Prefixes`] table.

mod address;
mod extended;
mod names;
mod number;
mod tables;
mod text;

pub(super) use address::{prefix, zoned};
pub use names::{Prefixes, Words};
pub(super) use number::decimal;

use std::borrow::Cow;

/// A function from a spelling to its canonical form. It looks at the text as it is; blanks around it are a matter of the
/// caller.
pub type Canonise = for<'a> fn(&'a str) -> Result<Cow<'a, str>, CanonError>;

/// A text is not of the type that a form is for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not {expected}", super::lexical::shown(.text))]
pub struct CanonError {
    /// The text, whole.
    pub text: String,
    /// What was expected, with its article: `an IP prefix`.
    pub expected: &'static str,
}

/// A form with the name by which grammars and adapters choose it.
#[derive(Clone, Copy)]
pub struct Form {
    /// Name, `a-z`, digits and `-`.
    pub name: &'static str,
    /// The function.
    pub canonise: Canonise,
    /// What it does, in a line, for people.
    pub about: &'static str,
}

impl Form {
    /// The canonical form of `text`.
    ///
    /// # Errors
    /// The text is not of this type.
    pub fn of<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, CanonError> {
        (self.canonise)(text)
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Form {}

/// The form of this name.
pub fn form(name: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.name == name)
}

/// All forms.
pub static FORMS: &[Form] = &[
    Form { name: "exact", canonise: text::exact, about: "as it is" },
    Form { name: "lower", canonise: text::lower, about: "letters A-Z as a-z" },
    Form { name: "blanks", canonise: text::blanks, about: "runs of white space as one blank, none at the ends" },
    Form {
        name: "lines",
        canonise: text::lines,
        about: "line ends as LF, no blanks at line ends, no blank lines at both ends (banners, policies)",
    },
    Form { name: "bool", canonise: text::boolean, about: "on/off, yes/no, enable/disable, 1/0 as true/false" },
    Form { name: "number", canonise: number::number, about: "a decimal or 0x number without leading zeros or +" },
    Form { name: "hex", canonise: number::hex, about: "a hexadecimal number, with or without 0x, as 0x1f" },
    Form { name: "decimal", canonise: number::decimal, about: "a decimal fraction as RFC 7950 §9.3.2 writes it" },
    Form { name: "range-set", canonise: number::range_set, about: "1,2,3,5 or 1-2,3,5 as 1-3,5" },
    Form { name: "asn", canonise: extended::asn, about: "an AS number; asdot (RFC 5396) as asplain" },
    Form { name: "rd", canonise: extended::target, about: "a route distinguisher; the type is kept only where needed" },
    Form { name: "rt", canonise: extended::target, about: "a route target, also as `target:65000:1`" },
    Form { name: "ip", canonise: address::ip, about: "an IP address, IPv6 as RFC 5952 writes it" },
    Form { name: "ip4", canonise: address::ip4, about: "an IPv4 address" },
    Form { name: "ip6", canonise: address::ip6, about: "an IPv6 address as RFC 5952 writes it" },
    Form { name: "ip-zone", canonise: address::zoned, about: "an IP address; a zone after % is kept" },
    Form { name: "ip-prefix", canonise: address::prefix, about: "an IP prefix, host bits zero; /24 or /255.255.255.0" },
    Form { name: "ip4-prefix", canonise: address::prefix4, about: "an IPv4 prefix, host bits zero" },
    Form { name: "ip6-prefix", canonise: address::prefix6, about: "an IPv6 prefix, host bits zero" },
    Form { name: "ip-interface", canonise: address::interface, about: "an IP address with its length, host bits kept" },
    Form { name: "ip4-interface", canonise: address::interface4, about: "an IPv4 address with its length" },
    Form { name: "ip6-interface", canonise: address::interface6, about: "an IPv6 address with its length" },
    Form { name: "mac", canonise: address::mac, about: "a MAC address in any notation as 00:1b:2c:3d:4e:5f" },
    Form { name: "port", canonise: tables::port, about: "a TCP or UDP port; `www` as 80, `bgp` as 179" },
    Form { name: "ip-protocol", canonise: tables::protocol, about: "an IP protocol; `tcp` as 6, `gre` as 47" },
    Form { name: "dscp", canonise: tables::dscp, about: "a DSCP; `ef` as 46, `af11` as 10, `cs6` as 48" },
    Form { name: "precedence", canonise: tables::precedence, about: "an IP precedence; `critical` as 5" },
    Form { name: "ethertype", canonise: tables::ethertype, about: "an Ethernet type; `ipv4` as 0x800" },
];

/// Lends `text` back where `made` is the same.
fn kept<'a>(text: &'a str, made: String) -> Cow<'a, str> {
    if made == text { Cow::Borrowed(text) } else { Cow::Owned(made) }
}

fn not<'a>(text: &str, expected: &'static str) -> Result<Cow<'a, str>, CanonError> {
    Err(CanonError { text: text.to_owned(), expected })
}
