//! The filters, tests and functions that templates have beside minijinja's own.
//!
//! All are pure. They exist because the same fact has a different shape on every platform: an AS number in two halves, a
//! route distinguisher by its type, a netmask. What a template cannot express it refuses with `refuse`.

use crate::service::attributes;
use crate::tree::{Path, QName, Step};
use minijinja::value::{Kwargs, Object, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, context};
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// Adds all of them and takes away what would switch off the escaping.
pub(super) fn install(env: &mut Environment<'static>) {
    for switch in ["safe", "escape", "e"] {
        env.remove_filter(switch);
    }
    env.add_filter("asn", asn);
    env.add_filter("rd", extended);
    env.add_filter("rt", extended);
    env.add_filter("netmask", netmask);
    env.add_filter("network", network);
    env.add_filter("prefix_length", prefix_length);
    env.add_filter("family", family);
    env.add_filter("routing", routing);
    env.add_filter("owner", owner);
    env.add_filter("text", text);
    env.add_filter("name", name);
    env.add_filter("letters", letters);
    env.add_test("ipv4", |value: &Value| address_of(value).is_some_and(|ip| ip.is_ipv4()));
    env.add_test("ipv6", |value: &Value| address_of(value).is_some_and(|ip| ip.is_ipv6()));
    env.add_function("refuse", refuse);
    env.add_function("note", note);
}

/// An AS number as `{kind: "as" | "four-byte-as", high, low, plain}`; `high` and `low` are its 16-bit halves.
fn asn(number: u32) -> Value {
    let kind = if number > u32::from(u16::MAX) { "four-byte-as" } else { "as" };
    context! { kind, high => number >> 16, low => number & 0xFFFF, plain => number }
}

/// A route distinguisher or route target as text, `65000:1` or `192.0.2.1:1`, by its type (RFC 4364 §4.2, RFC 4360,
/// RFC 5668): `{kind: "as" | "four-byte-as" | "ipv4-address", as, high, low, address, index}`; what the type has not is
/// `none`.
fn extended(value: &str) -> Result<Value, Error> {
    let wrong = |what: &str| Error::new(ErrorKind::InvalidOperation, format!("'{value}': {what}"));
    let (administrator, index) = value.rsplit_once(':').ok_or_else(|| wrong("is not administrator:number"))?;
    let index = u32::from_str(index).map_err(|_| wrong("the assigned number is no 32-bit number"))?;
    let short = |index: u32| {
        u16::try_from(index)
            .map_err(|_| wrong("beside an address or a four-byte AS the assigned number is at most 65535"))
    };
    if let Ok(address) = Ipv4Addr::from_str(administrator) {
        short(index)?;
        return Ok(
            context! { kind => "ipv4-address", address => address.to_string(), index, as => (), high => (), low => () },
        );
    }
    let number =
        u32::from_str(administrator).map_err(|_| wrong("the administrator is neither an AS number nor an address"))?;
    if number > u32::from(u16::MAX) {
        short(index)?;
    }
    let kind = if number > u32::from(u16::MAX) { "four-byte-as" } else { "as" };
    Ok(context! { kind, as => number, high => number >> 16, low => number & 0xFFFF, index, address => () })
}

/// The IPv4 netmask of a prefix length.
fn netmask(length: u32) -> Result<String, Error> {
    match length {
        0 => Ok(Ipv4Addr::UNSPECIFIED.to_string()),
        1..=32 => Ok(Ipv4Addr::from(u32::MAX << (32 - length)).to_string()),
        _ => Err(Error::new(ErrorKind::InvalidOperation, format!("{length} is no IPv4 prefix length"))),
    }
}

/// The address of a prefix `192.0.2.0/24`.
fn network(prefix: &str) -> Result<String, Error> {
    Ok(prefix_of(prefix)?.addr().to_string())
}

/// The length of a prefix.
fn prefix_length(prefix: &str) -> Result<u8, Error> {
    Ok(prefix_of(prefix)?.prefix_len())
}

fn prefix_of(prefix: &str) -> Result<ipnet::IpNet, Error> {
    prefix.parse().map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("'{prefix}' is no IP prefix")))
}

/// The elements of a list whose `family` is this one.
fn family(list: &Value, name: &str) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for item in list.try_iter()? {
        if item.get_attr("family")?.as_str() == Some(name) {
            out.push(item);
        }
    }
    Ok(out)
}

/// Free text that no element stumbles over: printable ASCII without `?`, `"`, `\` and `!`, single blanks, at most
/// `limit` characters (default 80). Other characters become `_`.
fn text(value: &str, options: Kwargs) -> Result<String, Error> {
    let limit = options.get::<Option<usize>>("limit")?.unwrap_or(80);
    options.assert_all_used()?;
    let plain = |c: char| match c {
        _ if c.is_whitespace() => ' ',
        '?' | '"' | '\\' | '!' => '_',
        _ if c.is_ascii_graphic() => c,
        _ => '_',
    };
    let mut out = String::new();
    for word in value.chars().map(plain).collect::<String>().split(' ').filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out.truncate(limit); // ASCII by now, so every byte is a boundary
    Ok(out.trim_end().to_owned())
}

/// The routing entries of all accesses that use this protocol, in their order.
fn routing(accesses: &Value, protocol: &str) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for access in accesses.try_iter()? {
        for entry in access.get_attr("routing")?.try_iter()? {
            if entry.get_attr("protocol")?.as_str() == Some(protocol) {
                out.push(entry);
            }
        }
    }
    Ok(out)
}

/// Who owns a piece of configuration, for descriptions: `svc=<id> customer=<name>`, without a customer `svc=<id>`.
fn owner(service: &Value) -> Result<String, Error> {
    let id = service.get_attr("id")?;
    let customer = service.get_attr("customer")?;
    Ok(if customer.is_true() { format!("svc={id} customer={customer}") } else { format!("svc={id}") })
}

/// An identifier for a platform that takes letters, digits, `.`, `_` and `-` only, at most `limit` (default 32)
/// characters. What does not fit is replaced or cut, and then a mark made of the whole text keeps it unique.
fn name(value: &str, options: Kwargs) -> Result<String, Error> {
    let limit = options.get::<Option<usize>>("limit")?.unwrap_or(32);
    options.assert_all_used()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !value.is_empty() && value.len() <= limit && value.chars().all(fits) {
        return Ok(value.to_owned());
    }
    let mark = blake3::hash(value.as_bytes()).to_hex();
    let kept: String =
        value.chars().map(|c| if fits(c) { c } else { '-' }).take(limit.saturating_sub(MARK + 1)).collect();
    Ok(format!("{kept}-{}", &mark[..MARK]))
}

/// Characters of the mark that `name` appends.
const MARK: usize = 8;

/// What a name begins with, up to its first digit: `TenGigE0/0/0/1` gives `TenGigE`.
fn letters(value: &str) -> String {
    value.chars().take_while(|c| !c.is_ascii_digit()).collect()
}

fn address_of(value: &Value) -> Option<IpAddr> {
    let text = value.as_str()?;
    text.split('/').next()?.parse().ok()
}

/// `refuse("access.static.metric", "why")`: the template gives up; the platform cannot express this attribute. With
/// `access.id` as third argument the path is the one of that access.
fn refuse(state: &State, attribute: &str, why: &str, access: Option<&str>) -> Result<Value, Error> {
    let said = Said::new(attribute, why, access)?;
    Err(Error::new(ErrorKind::InvalidOperation, format!("refused by {}", state.name())).with_source(said))
}

/// `note("access.bandwidth.to-customer", "what", access.id)`: what is sent is not quite what was asked for, and a person
/// should know. It prints nothing; the plan shows it.
fn note(state: &State, attribute: &str, what: &str, access: Option<&str>) -> Result<Value, Error> {
    let said = Said::new(attribute, what, access)?;
    let mut notes: Vec<Value> =
        state.get_temp(NOTES).into_iter().flat_map(|notes| notes.try_iter()).flatten().collect();
    if notes.len() >= MAX_NOTES {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("more than {MAX_NOTES} notes")));
    }
    notes.push(Value::from_object(said));
    state.set_temp(NOTES, Value::from(notes));
    Ok(Value::from_safe_string(String::new()))
}

/// What `note` has gathered in this rendering, sorted, each once.
pub(super) fn noted(state: &State) -> Vec<Said> {
    let notes = state.get_temp(NOTES).into_iter().flat_map(|notes| notes.try_iter()).flatten();
    let mut notes: Vec<Said> = notes.filter_map(|note| note.downcast_object_ref::<Said>().cloned()).collect();
    notes.sort();
    notes.dedup();
    notes
}

/// Where the notes of a rendering are gathered.
const NOTES: &str = "andante.notes";
/// Notes of one rendering: some for each access, of which a service has hundreds at most.
const MAX_NOTES: usize = 2000;

/// What a template says of an attribute, by `refuse` (the cause of the engine's error) or by `note`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{attribute}: {text}")]
pub(super) struct Said {
    /// Token.
    pub attribute: String,
    /// What it says.
    pub text: String,
    /// Identifier of the access that it is about, if it says one.
    pub access: Option<String>,
}

impl Object for Said {}

impl Said {
    fn new(attribute: &str, text: &str, access: Option<&str>) -> Result<Self, Error> {
        if !attributes::is_known(attribute) {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("{attribute} is not an attribute token")));
        }
        Ok(Self { attribute: attribute.to_owned(), text: text.to_owned(), access: access.map(str::to_owned) })
    }

    /// The path of the document that asked for it: of this access where it is about one, else the first.
    pub(super) fn path(&self, asked: &[(String, String)]) -> String {
        let mut paths = asked.iter().filter(|(token, _)| *token == self.attribute).map(|(_, path)| path);
        // The key of the access as paths are printed: `[id='site1']`.
        let keyed = |id: &String| Path::new(vec![Step::entry(QName::new("x", "x"), &[("id", id)])]).to_string();
        let step = self.access.as_ref().map(keyed);
        let key = step.as_deref().and_then(|step| step.get(step.find('[')?..));
        let own = key.and_then(|key| paths.clone().find(|path| path.contains(key)));
        own.or_else(|| paths.next()).cloned().unwrap_or_default()
    }
}

/// How a value is printed, and whether it may be: numbers, booleans and text.
pub(super) fn printed(value: &Value) -> Result<String, Error> {
    let refused = |what: &str| Err(Error::new(ErrorKind::InvalidOperation, format!("{what} cannot be printed")));
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => refused("null"),
        // The engine itself would print them as Python does.
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::Number if value.is_integer() => Ok(value.to_string()),
        ValueKind::String => {
            let text = value.to_string();
            match text.chars().find(|c| c.is_control()) {
                Some(c) => refused(&format!("text with the control character U+{:04X}", c as u32)),
                None => Ok(text),
            }
        }
        kind => refused(&format!("a {kind}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> Result<String, Error> {
        let mut env = Environment::new();
        install(&mut env);
        env.render_str(template, ())
    }

    #[test]
    fn a_route_target_is_taken_apart_by_its_type() {
        for (value, want) in [
            ("65000:100", "as 65000 0 65000 100"),
            ("65536:7", "four-byte-as 65536 1 0 7"),
            ("65000:4294967295", "as 65000 0 65000 4294967295"),
        ] {
            let template = format!(
                "{{% set x = '{value}'|rt %}}{{{{ x.kind }}}} {{{{ x.as }}}} {{{{ x.high }}}} {{{{ x.low }}}} {{{{ x.index }}}}"
            );
            assert_eq!(render(&template).unwrap(), want);
        }
        assert_eq!(
            render("{% set x = '192.0.2.1:5'|rd %}{{ x.kind }} {{ x.address }} {{ x.index }}").unwrap(),
            "ipv4-address 192.0.2.1 5"
        );
        for bad in ["65000", "65536:65536", "192.0.2.1:65536", "x:1", "4294967296:1", "1:4294967296"] {
            assert!(render(&format!("{{{{ ('{bad}'|rd).kind }}}}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn free_text_becomes_harmless() {
        assert_eq!(render("{{ '  Käse?  &\n\"Söhne\" '|text }}").unwrap(), "K_se_ & _S_hne_");
        assert_eq!(render("{{ 'abcdef gh'|text(limit=7) }}").unwrap(), "abcdef");
    }

    #[test]
    fn a_name_stays_itself_where_it_fits_and_unique_where_it_does_not() {
        assert_eq!(render("{{ 'acme-1'|name }}").unwrap(), "acme-1");
        let (a, b) =
            (render("{{ 'acme 1'|name(limit=20) }}").unwrap(), render("{{ 'acme/1'|name(limit=20) }}").unwrap());
        assert!(a.starts_with("acme-1-") && b.starts_with("acme-1-") && a != b, "{a} {b}");
        assert!(render("{{ 'a-long-identifier-of-a-service'|name(limit=16) }}").unwrap().len() <= 16);
        assert_eq!(render("{{ 'TenGigE0/0/0/1'|letters }}").unwrap(), "TenGigE");
    }

    #[test]
    fn addresses_and_prefixes() {
        assert_eq!(
            render("{{ 30|netmask }} {{ 0|netmask }} {{ 32|netmask }}").unwrap(),
            "255.255.255.252 0.0.0.0 255.255.255.255"
        );
        assert_eq!(render("{{ '2001:db8::/32'|network }} {{ '10.0.0.0/8'|prefix_length }}").unwrap(), "2001:db8:: 8");
        assert_eq!(render("{{ '::1' is ipv6 }} {{ '::1' is ipv4 }} {{ 5 is ipv4 }}").unwrap(), "True False False");
    }
}
