//! Patterns of CLI lines: words, typed arguments, optional groups.
//!
//! `neighbor {peer:ip} remote-as {as:1-4294967295}` matches a line into bindings, and bindings build the line again in
//! its canonical form. An argument may repeat (`{rt:rt...}`); `[…]` is optional. `{text:rest}` takes the rest of a line,
//! `{text:text}` takes it with its blanks. Otherwise matching knows words only: blanks and indentation carry no meaning.

use super::lex::{Quoting, Token, lex};
use super::types::{ArgType, Types};
use std::collections::BTreeMap;

/// What the arguments of a matched line were, canonical. A repeated argument has several values.
pub(super) type Bindings = BTreeMap<String, Vec<String>>;

/// A compiled pattern.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern {
    parts: Vec<Part>,
    quoting: Quoting,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    Word(String),
    Arg {
        name: String,
        ty: ArgType,
        many: bool,
        /// Written in quotes whether it needs them or not.
        quoted: bool,
    },
    Optional(Vec<Part>),
}

impl Pattern {
    /// Reads a pattern. `types` are the named types of the grammar.
    pub(super) fn compile(text: &str, types: &Types) -> Result<Self, String> {
        let spaced = text.replace('[', " [ ").replace(']', " ] ");
        let mut words = spaced.split_whitespace();
        let parts = parts(&mut words, types, false)?;
        if parts.is_empty() {
            Err("the pattern is empty".to_owned())
        } else {
            Ok(Self { parts, quoting: types.quoting })
        }
    }

    /// The bindings of a line, if it matches as a whole.
    pub(super) fn matches(&self, words: &[Token<'_>]) -> Option<Bindings> {
        let mut bindings = Bindings::new();
        let whole = step(&self.parts, words, &mut bindings, &mut |rest, _| rest.is_empty());
        whole.then_some(bindings)
    }

    /// Whether a line begins like this and `next` takes the rest of it; other ways to match are tried where it does not.
    pub(super) fn begins(&self, words: &[Token<'_>], next: Next<'_>) -> bool {
        step(&self.parts, words, &mut Bindings::new(), next)
    }

    /// The line of these bindings; `None` if an argument that is not optional is missing.
    pub(super) fn build(&self, bindings: &Bindings) -> Option<String> {
        let mut out = Vec::new();
        build(&self.parts, bindings, self.quoting, &mut out).then(|| out.join(" "))
    }

    /// The part of the pattern that is a value: optional groups, and arguments that are not among `keys`.
    pub(super) fn value(&self, keys: &[&str]) -> Pattern {
        let parts = self.parts.iter().filter(|part| match part {
            Part::Word(_) => false,
            Part::Arg { name, .. } => !keys.contains(&name.as_str()),
            Part::Optional(_) => true,
        });
        Pattern { parts: parts.cloned().collect(), quoting: self.quoting }
    }

    /// The first parts of it, or all.
    pub(super) fn first_parts(&self, count: usize) -> Pattern {
        Pattern { parts: self.parts.iter().take(count).cloned().collect(), quoting: self.quoting }
    }

    /// It without the arguments that are a value: what takes a leaf back where a path is enough.
    pub(super) fn without_value(&self, keys: &[&str]) -> Pattern {
        let parts = self.parts.iter().filter(|part| match part {
            Part::Word(_) => true,
            Part::Arg { name, .. } => keys.contains(&name.as_str()),
            Part::Optional(_) => false,
        });
        Pattern { parts: parts.cloned().collect(), quoting: self.quoting }
    }

    /// It without one argument, optional groups around it included.
    pub(super) fn without(&self, arg: &str) -> Pattern {
        let parts = self.parts.iter().filter(|part| match part {
            Part::Word(_) => true,
            Part::Arg { name, .. } => name != arg,
            Part::Optional(inner) => !inner.iter().any(|part| matches!(part, Part::Arg { name, .. } if name == arg)),
        });
        Pattern { parts: parts.cloned().collect(), quoting: self.quoting }
    }

    /// Marks the arguments that are no keys as values, which some elements always print in quotes.
    pub(super) fn mark_values(&mut self, keys: &[&str]) {
        fn mark(parts: &mut [Part], keys: &[&str]) {
            for part in parts {
                match part {
                    Part::Arg { name, quoted, .. } if !keys.contains(&name.as_str()) => *quoted = true,
                    Part::Optional(inner) => mark(inner, keys),
                    _ => {}
                }
            }
        }
        if self.quoting.quotes_values() {
            mark(&mut self.parts, keys);
        }
    }

    /// The text of a value: the word itself where the value is one argument, else the words as a line has them.
    pub(super) fn value_text(&self, bindings: &Bindings) -> Option<String> {
        match self.only_arg() {
            Some((name, optional)) => match bindings.get(name) {
                Some(values) => values.first().cloned(),
                None => optional.then(String::new),
            },
            None => self.build(bindings),
        }
    }

    /// The bindings of a value's text.
    pub(super) fn bind_text(&self, text: &str) -> Option<Bindings> {
        let Some((name, optional)) = self.only_arg() else { return self.matches(&lex(text, self.quoting)) };
        if text.is_empty() && optional {
            return Some(Bindings::new());
        }
        let value = match self.arg(name) {
            Some(ty) if !ty.is_rest() => ty.canonical(text)?,
            _ => text.to_owned(),
        };
        Some(Bindings::from([(name.to_owned(), vec![value])]))
    }

    /// The one argument that the pattern consists of, and whether it may be missing.
    fn only_arg(&self) -> Option<(&str, bool)> {
        let (part, optional) = match &self.parts[..] {
            [Part::Optional(inner)] if inner.len() == 1 => (&inner[0], true),
            [part] => (part, false),
            _ => return None,
        };
        match part {
            Part::Arg { name, many: false, .. } => Some((name, optional)),
            _ => None,
        }
    }

    /// What is written in a grammar file, more or less: equal texts, equal patterns.
    pub(super) fn text(&self) -> String {
        format!("{:?}", self.parts)
    }

    /// Whether it has no parts.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The first word, where it is fixed.
    pub(super) fn first_word(&self) -> Option<&str> {
        match self.parts.first() {
            Some(Part::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// How special it is: patterns with more fixed words are tried first.
    pub(super) fn weight(&self) -> usize {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Word(_) => 4,
                Part::Arg { ty, .. } if ty.is_rest() => 0,
                Part::Arg { .. } | Part::Optional(_) => 1,
            })
            .sum()
    }

    /// All arguments with their types, in order, those of optional groups included.
    pub(super) fn args(&self) -> Vec<(&str, &ArgType, bool)> {
        fn collect<'a>(parts: &'a [Part], out: &mut Vec<(&'a str, &'a ArgType, bool)>) {
            for part in parts {
                match part {
                    Part::Word(_) => {}
                    Part::Arg { name, ty, many, .. } => out.push((name, ty, *many)),
                    Part::Optional(inner) => collect(inner, out),
                }
            }
        }
        let mut out = Vec::new();
        collect(&self.parts, &mut out);
        out
    }

    /// The type of an argument.
    pub(super) fn arg(&self, name: &str) -> Option<&ArgType> {
        self.args().into_iter().find(|(have, _, _)| *have == name).map(|(_, ty, _)| ty)
    }
}

fn parts<'a>(words: &mut impl Iterator<Item = &'a str>, types: &Types, inside: bool) -> Result<Vec<Part>, String> {
    let mut out = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "[" => out.push(Part::Optional(parts(words, types, true)?)),
            "]" if inside => return Ok(out),
            "]" => return Err("a `]` without its `[`".to_owned()),
            word => match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
                None if word.contains(['{', '}']) => return Err(format!("`{word}` is neither a word nor an argument")),
                None => out.push(Part::Word(word.to_owned())),
                Some(arg) => {
                    let (name, ty) = arg.split_once(':').unwrap_or((arg, "word"));
                    let (spelled, many) = match ty.strip_suffix("...") {
                        Some(ty) => (ty, true),
                        None => (ty, false),
                    };
                    let ty = types.find(spelled)?;
                    // `[{only:prefix-routes-only}]` is an optional word. Outside of brackets one word would be no argument:
                    // it is a misspelt type.
                    if ty.is_word(spelled) && spelled != name && !inside {
                        return Err(format!("there is no type `{spelled}`"));
                    }
                    let quoted = ty.is_quoted();
                    out.push(Part::Arg { name: name.to_owned(), ty, many, quoted });
                }
            },
        }
    }
    if inside { Err("a `[` without its `]`".to_owned()) } else { Ok(out) }
}

/// What has to take the rest of a line.
pub(super) type Next<'n> = &'n mut dyn FnMut(&[Token<'_>], &mut Bindings) -> bool;

/// Matches `parts` at the start of `words`, then asks `next` about the rest; goes back where `next` says no.
fn step(parts: &[Part], words: &[Token<'_>], bindings: &mut Bindings, next: Next<'_>) -> bool {
    let Some((part, more)) = parts.split_first() else {
        return next(words, bindings);
    };
    match part {
        Part::Word(word) => {
            words.split_first().is_some_and(|(first, rest)| first.text == **word && step(more, rest, bindings, next))
        }
        Part::Optional(inner) => {
            let saved = bindings.clone();
            if step(inner, words, bindings, &mut |rest, bindings| step(more, rest, bindings, next)) {
                return true;
            }
            *bindings = saved;
            step(more, words, bindings, next)
        }
        Part::Arg { name, ty, .. } if ty.is_rest() => {
            let Some(value) = ty.rest_of(words) else { return false };
            bindings.insert(name.clone(), vec![value]);
            step(more, &[], bindings, next)
        }
        Part::Arg { name, ty, many, .. } => {
            let longest = if *many { words.len() } else { words.len().min(1) };
            let values: Vec<String> = words[..longest].iter().map_while(|word| ty.canonical(&word.text)).collect();
            for take in (1..=values.len()).rev() {
                let mut values = values[..take].to_vec();
                if *many {
                    values.sort();
                    values.dedup();
                }
                let saved = bindings.insert(name.clone(), values);
                if step(more, &words[take..], bindings, next) {
                    return true;
                }
                match saved {
                    Some(values) => bindings.insert(name.clone(), values),
                    None => bindings.remove(name),
                };
            }
            false
        }
    }
}

fn build(parts: &[Part], bindings: &Bindings, quoting: Quoting, out: &mut Vec<String>) -> bool {
    parts.iter().all(|part| match part {
        Part::Word(word) => {
            out.push(word.clone());
            true
        }
        Part::Arg { name, quoted, ty, .. } => match bindings.get(name) {
            Some(values) if ty.is_rest() => {
                out.extend(values.iter().filter(|value| !value.is_empty()).cloned());
                true
            }
            Some(values) => {
                out.extend(values.iter().map(|value| quoting.written(value, *quoted).into_owned()));
                true
            }
            None => false,
        },
        Part::Optional(inner) => {
            let mut words = Vec::new();
            if build(inner, bindings, quoting, &mut words) {
                out.append(&mut words);
            }
            true
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::compile(text, &Types::default()).unwrap()
    }

    fn words(line: &str) -> Vec<Token<'_>> {
        lex(line, Quoting::Never)
    }

    #[test]
    fn a_line_is_matched_into_canonical_bindings_and_built_again() {
        let p = pattern("ip route {prefix:ip4-prefix} {via:ip4} [tag {tag:1-4294967295}] [{distance:1-255}]");
        for (typed, canonical) in [
            ("ip route 10.8.0.5/16 192.168.1.2", "ip route 10.8.0.0/16 192.168.1.2"),
            ("ip  route 10.0.0.0/8 192.0.2.1 tag 007 150", "ip route 10.0.0.0/8 192.0.2.1 tag 7 150"),
            ("ip route 10.0.0.0/8 192.0.2.1 9", "ip route 10.0.0.0/8 192.0.2.1 9"),
        ] {
            let bindings = p.matches(&words(typed)).unwrap_or_else(|| panic!("{typed}"));
            assert_eq!(p.build(&bindings).unwrap(), canonical);
        }
        assert!(p.matches(&words("ip route 10.0.0.0/8 192.0.2.1 256")).is_none());
        assert!(p.matches(&words("ip route 10.0.0.0/8 192.0.2.1 tag")).is_none());
    }

    #[test]
    fn the_value_of_a_line_is_what_is_neither_word_nor_key() {
        let p = pattern("neighbor {peer:ip} maximum-prefix {max:1-9999} [{warn:warning-only}]");
        let bindings = p.matches(&words("neighbor 2001:DB8::0:1 maximum-prefix 100 warning-only")).unwrap();
        let value = p.value(&["peer"]);
        assert_eq!(value.build(&bindings).unwrap(), "100 warning-only");
        assert_eq!(value.bind_text("100 warning-only").unwrap()["max"], ["100"]);
        assert_eq!(bindings["peer"], ["2001:db8::1"]);
    }

    #[test]
    fn a_repeated_argument_takes_all_its_words_in_one_order() {
        let p = pattern("rt vpn import {rt:rt...}");
        let bindings = p.matches(&words("rt vpn import 65000:2 65000:1 65000:2")).unwrap();
        assert_eq!(p.build(&bindings).unwrap(), "rt vpn import 65000:1 65000:2");
        assert!(p.matches(&words("rt vpn import")).is_none());
    }
}
