//! Patterns for paths, in the style of an instance identifier.
//!
//! `/Cisco-IOS-XR-ifmgr-cfg:interface-configurations/interface-configuration[interface-name='*.*']/vrf`
//!
//! * A step is `module:name`; the module may be left out where it does not change. `*` is any name of any module.
//! * `**` is any number of steps, also none, and may stand anywhere.
//! * `[key='glob']` restricts a key, `[.='glob']` a leaf-list member; in a glob `*` is any text, `?` one character.
//!   A key that is not named may be anything. Keys compare by their canonical text.

use crate::tree::{Key, Path, Step};

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    AnySteps,
    Step { name: Option<(String, String)>, keys: Vec<(String, String)> },
}

/// Steps and predicates of one pattern.
const MAX_PARTS: usize = 64;

impl Pattern {
    /// Compiles `text`; the error says what is wrong, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let mut module: Option<String> = None;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            rest = rest.strip_prefix('/').ok_or("a step begins with /")?;
            let end = rest.find(['/', '[']).unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            rest = tail;
            let mut keys = Vec::new();
            while let Some(tail) = rest.strip_prefix('[') {
                let (key, tail) = tail.split_once('=').ok_or("a predicate is [key='glob']")?;
                let quote = tail.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or("a glob stands in quotes")?;
                let (glob, tail) = tail[1..].split_once(quote).ok_or("a glob without its closing quote")?;
                rest = tail.strip_prefix(']').ok_or("a predicate ends with ]")?;
                keys.push((key.trim().to_owned(), glob.to_owned()));
            }
            parts.push(match name {
                "" => return Err("a step without a name".into()),
                "**" if keys.is_empty() => Part::AnySteps,
                "**" => return Err("** takes no predicate".into()),
                "*" => Part::Step { name: None, keys },
                _ => {
                    let (own, name) = match name.split_once(':') {
                        Some((own, name)) => (Some(own.to_owned()), name),
                        None => (module.clone(), name),
                    };
                    let own = own.ok_or_else(|| format!("{name}: the first name needs its module"))?;
                    module = Some(own.clone());
                    Part::Step { name: Some((own, name.to_owned())), keys }
                }
            });
            if parts.len() > MAX_PARTS {
                return Err(format!("more than {MAX_PARTS} steps"));
            }
        }
        if parts.is_empty() {
            return Err("an empty pattern".into());
        }
        Ok(Self { parts })
    }

    /// Whether the path with these steps fits.
    pub fn fits(&self, path: &Path) -> bool {
        self.fits_steps(path.steps())
    }

    /// Whether a path with these steps fits.
    pub fn fits_steps(&self, steps: &[Step]) -> bool {
        fits(&self.parts, steps)
    }

    /// Whether some path below one with these steps could fit.
    pub fn leads_below(&self, steps: &[Step]) -> bool {
        leads(&self.parts, steps)
    }
}

fn leads(parts: &[Part], steps: &[Step]) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return false;
    };
    let Some((step, below)) = steps.split_first() else {
        return true;
    };
    match part {
        Part::AnySteps => true,
        Part::Step { .. } => part.takes(step) && leads(rest, below),
    }
}

fn fits(parts: &[Part], steps: &[Step]) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return steps.is_empty();
    };
    match part {
        Part::AnySteps => (0..=steps.len()).any(|skip| fits(rest, &steps[skip..])),
        Part::Step { .. } => {
            let Some((step, below)) = steps.split_first() else {
                return false;
            };
            part.takes(step) && fits(rest, below)
        }
    }
}

impl Part {
    /// Whether a single step fits.
    fn takes(&self, step: &Step) -> bool {
        let Part::Step { name, keys } = self else { return true };
        let named = name
            .as_ref()
            .is_none_or(|(module, name)| step.name.module.as_str() == module && step.name.name.as_str() == name);
        named && keys.iter().all(|(key, pattern)| key_fits(step, key, pattern))
    }
}

fn key_fits(step: &Step, key: &str, pattern: &str) -> bool {
    match &step.key {
        Key::Entry(keys) => {
            keys.iter().any(|(name, value)| name.as_str() == key && glob(pattern.as_bytes(), value.as_str().as_bytes()))
        }
        Key::Member(value) => key == "." && glob(pattern.as_bytes(), value.as_str().as_bytes()),
        Key::Single | Key::Opaque(..) => false,
    }
}

/// `*` any text, `?` one byte. Linear in practice: one place to come back to (the last `*`).
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    (p, t) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::QName;

    fn path(interface: &str, leaf: &str) -> Path {
        Path::root()
            .child(Step::single(QName::new("if", "interfaces")))
            .child(Step::entry(QName::new("if", "interface"), &[("active", "act"), ("name", interface)]))
            .child(Step::single(QName::new("ip", leaf)))
    }

    #[test]
    fn a_pattern_names_steps_and_restricts_keys() {
        let pattern = Pattern::parse("/if:interfaces/interface[name='*.*']/ip:mtu").unwrap();
        assert!(pattern.fits(&path("eth1.100", "mtu")));
        assert!(!pattern.fits(&path("eth1", "mtu")), "no sub-interface");
        assert!(!pattern.fits(&path("eth1.100", "vrf")), "another leaf");
        assert!(!pattern.fits(&path("eth1.100", "mtu").parent().unwrap()), "the entry itself");
    }

    #[test]
    fn two_stars_are_any_number_of_steps() {
        for (text, fit) in [
            ("/if:interfaces/**", true),
            ("/**/ip:mtu", true),
            ("/**/*", true),
            ("/if:interfaces/**/interface/*", true),
            ("/if:interfaces/**/interface", false),
            ("/*/*", false),
        ] {
            assert_eq!(Pattern::parse(text).unwrap().fits(&path("eth1", "mtu")), fit, "{text}");
        }
    }

    #[test]
    fn a_pattern_says_where_it_leads() {
        let at = path("eth1", "mtu");
        let entry = at.parent().unwrap();
        for (text, below_entry, below_leaf) in [
            ("/if:interfaces/interface/ip:mtu", true, false),
            ("/if:interfaces/interface[name='lo*']/ip:mtu", false, false),
            ("/if:other/**", false, false),
            ("/**/ip:mtu", true, true),
        ] {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.leads_below(entry.steps()), below_entry, "{text}");
            assert_eq!(pattern.leads_below(at.steps()), below_leaf, "{text}");
        }
    }

    #[test]
    fn globs_come_back_to_the_last_star() {
        for (pattern, text, fit) in [
            ("*.*", "a.b", true),
            ("*.*", "ab", false),
            ("Gi*/0/?", "GigabitEthernet0/0/0/1", true),
            ("*ab*ab", "xabyabab", true),
            ("", "", true),
            ("", "a", false),
            ("**", "", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        for text in ["", "if:a", "/a", "/if:a[b=c]", "/if:a[b='c", "/if:a[b='c'x", "//", "/**[a='b']"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
