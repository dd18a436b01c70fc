//! Secrets at the last moment: a payload holds tokens, and what is sent holds the clear text.
//!
//! Flow: plan, journal, logs and errors know a payload with tokens (`tree::secret`); a driver opens them line by line, or
//! message by message, right before the bytes go into the session.
//!
//! Guarantees: the clear text lives in buffers that are wiped when they are dropped; what an element answers to it is said on
//! without it ([`Clear::without`]). Caveat: the buffers of the SSH library are its own and are not wiped.

use crate::tree::secret::tokens;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// Who knows the clear text of tokens.
pub trait Secrets: Send + Sync {
    /// The clear text; `Err` says why there is none.
    fn open(&self, token: &str) -> Result<Zeroizing<String>, String>;
}

/// Knows none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn open(&self, token: &str) -> Result<Zeroizing<String>, String> {
        Err(format!("{token} is not known here"))
    }
}

/// A text as it is sent.
pub struct Clear<'a> {
    text: Cow<'a, str>,
    /// The clear texts in it, with their tokens.
    opened: Vec<(Zeroizing<String>, String)>,
}

impl<'a> Clear<'a> {
    /// Opens the tokens of `text`; `written` puts a clear text into its syntax.
    pub fn of(text: &'a str, secrets: &dyn Secrets, written: fn(&str) -> Zeroizing<String>) -> Result<Self, String> {
        let found: Vec<(usize, &str)> = tokens(text).collect();
        if found.is_empty() {
            return Ok(Self { text: Cow::Borrowed(text), opened: Vec::new() });
        }
        let mut opened = Vec::with_capacity(found.len());
        let mut pieces = Vec::with_capacity(found.len());
        for (_, token) in &found {
            let clear = secrets.open(token)?;
            pieces.push(written(&clear));
            opened.push((clear, (*token).to_owned()));
        }
        // Room for all of it: a buffer that grows leaves copies behind.
        let mut out = String::with_capacity(text.len() + pieces.iter().map(|piece| piece.len()).sum::<usize>());
        let mut from = 0;
        for ((at, token), piece) in found.iter().zip(&pieces) {
            out.push_str(&text[from..*at]);
            out.push_str(piece);
            from = at + token.len();
        }
        out.push_str(&text[from..]);
        Ok(Self { text: Cow::Owned(out), opened })
    }

    /// The text to be sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Words about it, without the secrets.
    pub fn without(&self, words: &str) -> String {
        self.opened.iter().fold(words.to_owned(), |words, (clear, token)| words.replace(clear.as_str(), token))
    }
}

impl Drop for Clear<'_> {
    fn drop(&mut self) {
        if let (Cow::Owned(text), false) = (&mut self.text, self.opened.is_empty()) {
            zeroize::Zeroize::zeroize(text);
        }
    }
}

/// As it is.
pub(super) fn plain(clear: &str) -> Zeroizing<String> {
    Zeroizing::new(clear.to_owned())
}

/// As the text of an XML element.
pub(super) fn in_xml(clear: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(clear.len() * 6));
    for c in clear.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::secret::token;

    struct Two;

    impl Secrets for Two {
        fn open(&self, asked: &str) -> Result<Zeroizing<String>, String> {
            let known = ["hunter2", "a<b&c"].into_iter().find(|clear| token(clear) == asked);
            known.map(|clear| Zeroizing::new(clear.to_owned())).ok_or_else(|| format!("{asked} is not known here"))
        }
    }

    #[test]
    fn tokens_become_clear_text_and_words_about_it_do_not_say_it() {
        let line = format!("neighbor 192.0.2.1 password {}", token("hunter2"));
        let clear = Clear::of(&line, &Two, plain).unwrap();
        assert_eq!(clear.as_str(), "neighbor 192.0.2.1 password hunter2");
        let words = clear.without("% Unknown command: neighbor 192.0.2.1 password hunter2");
        assert_eq!(words, format!("% Unknown command: {line}"));
        let xml = format!("<a>{}</a><b>{}</b>", token("a<b&c"), token("hunter2"));
        assert_eq!(Clear::of(&xml, &Two, in_xml).unwrap().as_str(), "<a>a&lt;b&amp;c</a><b>hunter2</b>");
        assert!(Clear::of(&token("other"), &Two, plain).is_err());
        assert!(matches!(Clear::of("no secret:", &NoSecrets, plain).map(|clear| clear.as_str().len()), Ok(10)));
    }
}
