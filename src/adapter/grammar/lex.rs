//! Words of a line, with the quotes of families that have them, and words written back with quotes where they need them.
//!
//! Reading never fails: a quote that is not closed takes the rest of the line. What is written reads back as the same
//! words.

use std::borrow::Cow;
use winnow::Parser;
use winnow::combinator::{alt, delimited, opt, repeat};
use winnow::error::ContextError;
use winnow::token::{any, none_of, take_while};

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The word without its quotes.
    pub(super) text: Cow<'a, str>,
    /// The line from the start of this word on, as it was written.
    pub(super) tail: &'a str,
    /// It stood in quotes, so it is no bracket and no brace.
    pub(super) quoted: bool,
}

/// How a family quotes words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Quoting {
    /// Not at all: words are what stands between blanks.
    #[default]
    Never,
    /// With this mark where a word needs it.
    Needed(char),
    /// Values with this mark always, other words where they need it.
    Values(char),
}

impl Quoting {
    /// A word as it is written. `always`: whether it is a value or a text that the element prints in quotes.
    pub(super) fn written(self, word: &str, always: bool) -> Cow<'_, str> {
        let mark = match self {
            Quoting::Never => return Cow::Borrowed(word),
            Quoting::Needed(mark) | Quoting::Values(mark) => mark,
        };
        if !always && !needs_quotes(word) {
            return Cow::Borrowed(word);
        }
        // A single quote cannot be escaped; the double one is read as well.
        let mark = if mark == '\'' && word.contains('\'') { '"' } else { mark };
        let mut out = String::with_capacity(word.len() + 2);
        out.push(mark);
        for c in word.chars() {
            match c {
                '\n' if mark == '"' => out.push_str("\\n"),
                '"' | '\\' if mark == '"' => out.extend(['\\', c]),
                c => out.push(c),
            }
        }
        out.push(mark);
        Cow::Owned(out)
    }

    /// Whether values are always quoted.
    pub(super) fn quotes_values(self) -> bool {
        matches!(self, Quoting::Values(_))
    }

    /// Words in their canonical spelling, one blank between them.
    pub(super) fn joined(self, tokens: &[Token<'_>]) -> String {
        let words: Vec<Cow<'_, str>> = tokens
            .iter()
            .map(|token| {
                let bracket = !token.quoted && matches!(&*token.text, "[" | "]");
                if bracket { Cow::Borrowed(&*token.text) } else { self.written(&token.text, false) }
            })
            .collect();
        words.join(" ")
    }
}

fn needs_quotes(word: &str) -> bool {
    word.is_empty()
        // What would be read as something else in curly text.
        || word == "inactive:"
        || word.contains("/*")
        || word.chars().any(|c| {
            c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\' | '{' | '}' | ';' | '[' | ']' | '#')
        })
}

/// The words of a line.
pub(super) fn lex(line: &str, quoting: Quoting) -> Vec<Token<'_>> {
    let mut rest = line.trim_end();
    let mut out = Vec::new();
    let mut bracketed = false;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return out;
        }
        let tail = rest;
        let (text, quoted) = match quoting {
            Quoting::Never => (Cow::Borrowed(plain(&mut rest)), false),
            _ if !bracketed && rest.starts_with('[') && opens_list(rest) || bracketed && rest.starts_with(']') => {
                bracketed = !bracketed;
                let (bracket, more) = rest.split_at(1);
                rest = more;
                (Cow::Borrowed(bracket), false)
            }
            Quoting::Needed(mark) | Quoting::Values(mark) => word(&mut rest, mark, if bracketed { "]" } else { "" }),
        };
        out.push(Token { text, tail, quoted });
    }
}

/// Whether a `[` begins a list: its `]` is the end of a word, and the list holds something.
pub(super) fn opens_list(text: &str) -> bool {
    let Some(end) = text.find(']') else { return false };
    let inside = text.get(1..end).is_some_and(|inside| !inside.trim().is_empty());
    inside && text[end + 1..].chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, ';' | '{' | '}'))
}

fn plain<'a>(input: &mut &'a str) -> &'a str {
    let word: Result<&'a str, ContextError> = take_while(1.., |c: char| !c.is_whitespace()).parse_next(input);
    word.unwrap_or_else(|_| std::mem::take(input))
}

/// One word that may hold quoted parts; it also ends before each of `ends`.
pub(super) fn word<'a>(input: &mut &'a str, mark: char, ends: &'static str) -> (Cow<'a, str>, bool) {
    let single = mark == '\'';
    let is_quote = move |c: char| c == '"' || single && c == '\'';
    let bare = move |c: char| !c.is_whitespace() && !is_quote(c) && !ends.contains(c);
    let whole: Result<&'a str, ContextError> = take_while(1.., bare).parse_next(input);
    let head = whole.unwrap_or_default();
    if !input.starts_with(is_quote) {
        // Nothing but an end that the caller should have taken: one character goes, so that reading goes on.
        return match head {
            "" => {
                let one: Result<char, ContextError> = any.parse_next(input);
                (Cow::Owned(one.map(String::from).unwrap_or_default()), false)
            }
            head => (Cow::Borrowed(head), false),
        };
    }
    let part = alt((
        |input: &mut &'a str| double(input),
        |input: &mut &'a str| if single { apostrophes(input) } else { Err(ContextError::new()) },
        take_while(1.., bare).map(str::to_owned),
    ));
    let parts: Result<Vec<String>, ContextError> = repeat(0.., part).parse_next(input);
    (Cow::Owned(head.to_owned() + &parts.unwrap_or_default().concat()), true)
}

/// `"…"` with `\"`, `\\` and `\n`; an open one takes all that is left.
fn double(input: &mut &str) -> Result<String, ContextError> {
    let escaped = ('\\', any).map(|(_, c): (char, char)| if c == 'n' { '\n' } else { c });
    let inside = repeat(0.., alt((escaped, none_of('"'))));
    delimited('"', inside, opt('"')).parse_next(input)
}

/// `'…'` without escapes.
fn apostrophes(input: &mut &str) -> Result<String, ContextError> {
    delimited('\'', repeat(0.., none_of('\'')), opt('\'')).parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str, quoting: Quoting) -> Vec<String> {
        lex(line, quoting).into_iter().map(|token| token.text.into_owned()).collect()
    }

    #[test]
    fn words_stand_between_blanks_and_quotes_hold_them_together() {
        assert_eq!(words("  a \"b c\"\td ", Quoting::Never), ["a", "\"b", "c\"", "d"]);
        assert_eq!(words("set x \"b c\" d", Quoting::Needed('"')), ["set", "x", "b c", "d"]);
        assert_eq!(
            words("set x 'b c' 'it''s' it's", Quoting::Needed('"')),
            ["set", "x", "'b", "c'", "'it''s'", "it's"]
        );
        assert_eq!(words("set x 'b c' \"d'e\" ''", Quoting::Values('\'')), ["set", "x", "b c", "d'e", ""]);
        assert_eq!(words(r#"a "b \"c\" \\ d" e"f"g"#, Quoting::Needed('"')), ["a", r#"b "c" \ d"#, "efg"]);
        assert_eq!(words("a \"open b", Quoting::Needed('"')), ["a", "open b"]);
    }

    #[test]
    fn what_is_written_reads_back() {
        for quoting in [Quoting::Needed('"'), Quoting::Values('\'')] {
            for word in ["a", "", "a b", "a\"b", "a'b", "\\", "a;b", "[", "\u{e9}\u{301} x", "\"", "''\"\"\\n"] {
                for always in [false, true] {
                    let line = format!("x {} y", quoting.written(word, always));
                    assert_eq!(words(&line, quoting), ["x", word, "y"], "{line}");
                }
            }
        }
    }

    #[test]
    fn the_tail_is_the_line_as_it_was_written() {
        let tokens = lex("description  a   b ", Quoting::Never);
        assert_eq!(tokens[1].tail, "a   b");
    }
}
