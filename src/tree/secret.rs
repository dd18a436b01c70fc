//! What stands in a tree in the place of a secret: a token, a keyed digest of the clear text.
//!
//! Flow: a secret of a document is cut out when the document comes in and its token goes on; a secret that an element shows
//! in clear is replaced by its token before it reaches a tree ([`masked`]). Equal secrets have equal tokens in one
//! installation, so trees compare as always, and no value is ever seen.
//!
//! Guarantees: a token cannot be turned back without the key and a guess; what an element says cannot pass for a token
//! ([`disarmed`]). Caveat: who sees two tokens sees whether the secrets are equal. Before [`set_secret_key`] (tests, tools) a
//! fixed key is used: tokens are then no protection.

use std::borrow::Cow;
use std::sync::OnceLock;

/// Sets the key of the tokens, derived from the installation's secret. Once per process; answers whether the tokens are
/// those of this key now.
pub fn set_secret_key(key: [u8; 32]) -> bool {
    *KEY.get_or_init(|| key) == key
}

/// The token of a secret.
pub fn token(clear: &str) -> String {
    let digest = blake3::keyed_hash(KEY.get().unwrap_or(&FIXED), clear.as_bytes()).to_hex();
    format!("{PREFIX}{}", &digest[..DIGITS])
}

/// Whether the text has the form of a token.
pub fn is_token(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == DIGITS && rest.bytes().all(is_digit))
}

/// The token of what may be a secret in clear; a token stays as it is.
pub fn masked(text: &str) -> Cow<'_, str> {
    if is_token(text) { Cow::Borrowed(text) } else { Cow::Owned(token(text)) }
}

/// A text from an element in which nothing has the form of a token: somebody may have typed one there, to pass for a
/// secret that he does not know.
pub fn disarmed(text: &str) -> Cow<'_, str> {
    if tokens(text).next().is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut from = 0;
    for (at, found) in tokens(text) {
        out.push_str(&text[from..at]);
        out.push_str("no-");
        // Two colons: no later pass finds a token in it.
        out.push_str(&found.replacen(':', "::", 1));
        from = at + found.len();
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// The tokens in a text, each with its place.
pub fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = PREFIX.len() + DIGITS;
    text.match_indices(PREFIX).filter_map(move |(at, _)| {
        let found = text.get(at..at + end)?;
        is_token(found).then_some((at, found))
    })
}

fn is_digit(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}

static KEY: OnceLock<[u8; 32]> = OnceLock::new();
const FIXED: [u8; 32] = *b"no installation, no protection..";
const PREFIX: &str = "secret:";
/// 128 bits in hex.
const DIGITS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_secrets_have_equal_tokens_and_tokens_stay() {
        let one = token("hunter2");
        assert!(is_token(&one) && one == token("hunter2") && one != token("hunter3"));
        assert_eq!(masked(&one), one);
        assert_eq!(masked("hunter2"), one);
        assert!(!one.contains("hunter2"));
        for text in ["secret:", "secret:0123", &one.to_uppercase(), &format!("{one}0"), &format!(" {one}")] {
            assert!(!is_token(text), "{text}");
        }
    }

    #[test]
    fn what_an_element_says_is_no_token() {
        let one = token("hunter2");
        let said = format!(" neighbor 192.0.2.1 password {one}\n{one}x secret:{one}\n");
        let harmless = disarmed(&said);
        assert_eq!(tokens(&harmless).count(), 0, "{harmless}");
        assert_eq!(disarmed(&harmless), harmless);
        assert!(matches!(disarmed("password secret:x"), Cow::Borrowed(_)));
        assert_ne!(masked(disarmed(&one).as_ref()), one);
    }
}
