//! The JSON text itself (RFC 8259): a cursor that knows nothing of schemas.
//!
//! It borrows strings without escapes from the input, never recurses without a bound given by its caller, and refuses what
//! RFC 8259 refuses (control characters in strings, lone surrogates, leading zeros, trailing commas).

use crate::tree::lexical::{Token, yang_char};
use std::borrow::Cow;
use std::collections::HashSet;

/// A fault: what is wrong; the cursor stands where. `too_big` marks an exceeded limit, `too_deep` the nesting limit.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: Cow<'static, str>,
    pub(super) too_big: bool,
    pub(super) too_deep: bool,
}

impl Fault {
    fn new(message: &'static str) -> Self {
        Self { message: Cow::Borrowed(message), too_big: false, too_deep: false }
    }
}

/// The cursor.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) value_bytes: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is no white space, not consumed.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Consumes `byte` if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    /// Consumes `byte` or fails with `message`.
    pub(super) fn expect(&mut self, byte: u8, message: &'static str) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { Err(Fault::new(message)) }
    }

    /// The end of the document must be here.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if self.peek().is_none() { Ok(()) } else { Err(Fault::new("more text stands behind the end of the document")) }
    }

    /// A string.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.expect(b'"', "a string is expected")?;
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut copied = start;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    let tail = &self.text[copied..self.at];
                    if !tail.is_ascii() && !tail.chars().all(yang_char) {
                        return Err(Fault::new("a character that YANG does not allow"));
                    }
                    if tail.len() + owned.as_ref().map_or(0, String::len) > self.value_bytes {
                        return Err(self.too_long());
                    }
                    self.at += 1;
                    return Ok(match owned {
                        Some(mut text) => {
                            text.push_str(tail);
                            Cow::Owned(text)
                        }
                        None => Cow::Borrowed(tail),
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.text[copied..self.at]);
                    self.at += 1;
                    let c = escape(bytes, &mut self.at)?;
                    text.push(c);
                    copied = self.at;
                    if text.len() > self.value_bytes {
                        return Err(self.too_long());
                    }
                }
                Some(0..=0x1F) => return Err(Fault::new("a control character in a string must be escaped")),
                Some(_) => self.at += 1,
                None => return Err(Fault::new("the document ends inside a string")),
            }
        }
    }

    /// A scalar or `[null]`.
    pub(super) fn scalar(&mut self) -> Result<Token<'a>, Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(Token::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            Some(b't') => self.word("true", Token::Bool(true)),
            Some(b'f') => self.word("false", Token::Bool(false)),
            Some(b'n') => self.word("null", Token::Null),
            Some(b'[') => {
                self.at += 1;
                if self.peek() == Some(b'n') {
                    self.word("null", Token::Null)?;
                    if self.take(b']') {
                        return Ok(Token::Empty);
                    }
                }
                Err(Fault::new("a single value is expected, not an array"))
            }
            Some(b'{') => Err(Fault::new("a single value is expected, not an object")),
            Some(_) => Err(Fault::new("a value is expected")),
            None => Err(Fault::new("the document ends where a value is expected")),
        }
    }

    /// Any value, appended to `out` without white space; member names are checked for doubles.
    pub(super) fn any(&mut self, depth: usize, out: &mut String) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{' | b'[') if depth == 0 => {
                Err(Fault { message: "the document is nested too deep".into(), too_big: false, too_deep: true })
            }
            Some(b'{') => {
                self.at += 1;
                out.push('{');
                let mut seen = HashSet::new();
                if !self.take(b'}') {
                    loop {
                        let name = self.string()?;
                        quote(&name, out);
                        if !seen.insert(name) {
                            return Err(Fault::new("a member name is given twice"));
                        }
                        self.expect(b':', "':' is expected behind a member name")?;
                        out.push(':');
                        self.any(depth - 1, out)?;
                        if self.take(b'}') {
                            break;
                        }
                        self.expect(b',', "',' or '}' is expected")?;
                        out.push(',');
                    }
                }
                out.push('}');
                Ok(())
            }
            Some(b'[') => {
                self.at += 1;
                out.push('[');
                if !self.take(b']') {
                    loop {
                        self.any(depth - 1, out)?;
                        if self.take(b']') {
                            break;
                        }
                        self.expect(b',', "',' or ']' is expected")?;
                        out.push(',');
                    }
                }
                out.push(']');
                Ok(())
            }
            _ => {
                match self.scalar()? {
                    Token::Text(text) => quote(&text, out),
                    Token::Number(text) => out.push_str(text),
                    Token::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
                    Token::Null | Token::Empty => out.push_str("null"),
                }
                Ok(())
            }
        }
    }

    fn number(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let digits = |at: &mut usize| {
            let from = *at;
            while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            *at - from
        };
        if bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let leading_zero = bytes.get(self.at) == Some(&b'0');
        let whole = digits(&mut self.at);
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(Fault::new("not a number"));
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if digits(&mut self.at) == 0 {
                return Err(Fault::new("not a number"));
            }
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if digits(&mut self.at) == 0 {
                return Err(Fault::new("not a number"));
            }
        }
        if self.at - start > 128 {
            return Err(self.too_long());
        }
        Ok(&self.text[start..self.at])
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, Fault> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Fault::new("a value is expected"));
        }
        self.at += word.len();
        Ok(token)
    }

    fn too_long(&self) -> Fault {
        let message = format!("a value is longer than {} bytes", self.value_bytes);
        Fault { message: message.into(), too_big: true, too_deep: false }
    }
}

fn escape(bytes: &[u8], at: &mut usize) -> Result<char, Fault> {
    let bad = || Fault::new("not an escape of a JSON string");
    let letter = bytes.get(*at).copied().ok_or_else(bad)?;
    *at += 1;
    Ok(match letter {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' | b'f' => return Err(Fault::new("a character that YANG does not allow")),
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let high = hex4(bytes, at).ok_or_else(bad)?;
            let code = if (0xD800..0xDC00).contains(&high) {
                let low = bytes[*at..].starts_with(b"\\u").then(|| {
                    *at += 2;
                    hex4(bytes, at)
                });
                match low.flatten() {
                    Some(low @ 0xDC00..0xE000) => 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00),
                    _ => return Err(Fault::new("half of a surrogate pair in a string")),
                }
            } else {
                high
            };
            char::from_u32(code).filter(|c| yang_char(*c)).ok_or(Fault::new("a character that YANG does not allow"))?
        }
        _ => return Err(bad()),
    })
}

fn hex4(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let digits = bytes.get(*at..*at + 4)?;
    let mut code = 0;
    for digit in digits {
        code = code * 16 + (*digit as char).to_digit(16)?;
    }
    *at += 4;
    Some(code)
}

/// Appends `text` as a JSON string.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}
