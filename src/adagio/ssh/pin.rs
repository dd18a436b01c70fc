//! Host keys and pins: what an element showed, and what was approved at onboarding.

use russh::keys::ssh_key::Fingerprint;
use russh::keys::{HashAlg, PublicKey};
use std::fmt;
use std::str::FromStr;

/// A host key as an element showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// `algorithm base64`, without a comment.
    pub openssh: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

impl HostKey {
    pub(super) fn of(key: &PublicKey) -> Self {
        HostKey { openssh: openssh(key), fingerprint: key.fingerprint(HashAlg::Sha256).to_string() }
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.openssh, self.fingerprint)
    }
}

/// The approved host key of an element: the whole key, or its SHA-256 fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeyPin {
    /// The whole public key.
    Key(PublicKey),
    /// Its fingerprint.
    Fingerprint(Fingerprint),
}

impl HostKeyPin {
    /// Whether `key` is the approved one. Comments do not count.
    pub fn matches(&self, key: &PublicKey) -> bool {
        match self {
            HostKeyPin::Key(pinned) => pinned.key_data() == key.key_data(),
            HostKeyPin::Fingerprint(pinned) => *pinned == key.fingerprint(pinned.algorithm()),
        }
    }
}

/// Why a text is no pin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Neither form.
    #[error("host key {0:?} is neither \"SHA256:…\" nor \"ssh-ed25519 AAAA…\"")]
    Shape(String),
    /// The fingerprint does not decode.
    #[error("host key fingerprint {0:?} is not 43 characters of base64 after \"SHA256:\"")]
    Fingerprint(String),
    /// An MD5 or other fingerprint.
    #[error("host key fingerprint {0:?}: only SHA256 fingerprints are accepted")]
    Hash(String),
    /// The public key does not decode.
    #[error("host key of type {0} does not decode")]
    Key(String),
    /// A certificate.
    #[error("host certificates ({0}) are not accepted; pin the plain host key")]
    Certificate(String),
}

impl FromStr for HostKeyPin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let text = text.trim();
        let shape = || PinError::Shape(clip(text));
        if let Some((kind, rest)) = text.split_once(char::is_whitespace) {
            if kind.contains("-cert-v") {
                return Err(PinError::Certificate(kind.into()));
            }
            let base64 = rest.split_whitespace().next().ok_or_else(shape)?;
            if !(kind.starts_with("ssh-") || kind.starts_with("ecdsa-")) {
                return Err(shape());
            }
            let key = PublicKey::from_openssh(&format!("{kind} {base64}")).map_err(|_| PinError::Key(clip(kind)))?;
            return Ok(HostKeyPin::Key(key));
        }
        match text.split_once(':') {
            Some(("SHA256", rest)) => format!("SHA256:{}", rest.trim_end_matches('='))
                .parse()
                .map(HostKeyPin::Fingerprint)
                .map_err(|_| PinError::Fingerprint(clip(text))),
            Some((hash, _)) if hash.starts_with("SHA") || hash == "MD5" => Err(PinError::Hash(clip(text))),
            _ => Err(shape()),
        }
    }
}

impl fmt::Display for HostKeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostKeyPin::Key(key) => f.write_str(&openssh(key)),
            HostKeyPin::Fingerprint(fingerprint) => fingerprint.fmt(f),
        }
    }
}

fn openssh(key: &PublicKey) -> String {
    let mut plain = key.clone();
    plain.set_comment("");
    // A key that was decoded encodes again; the fingerprint stands in if the library should ever disagree.
    plain.to_openssh().map_or_else(|_| key.fingerprint(HashAlg::Sha256).to_string(), |k| k.trim_end().to_owned())
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn both_forms_match_the_same_key() {
        let key = PublicKey::from_openssh(KEY).unwrap();
        let by_key: HostKeyPin = format!("{KEY} root@pe1").parse().unwrap();
        let seen = HostKey::of(&key);
        let by_print: HostKeyPin = seen.fingerprint.parse().unwrap();
        assert!(by_key.matches(&key) && by_print.matches(&key));
        assert_eq!(by_key.to_string(), KEY);
        assert_eq!(seen.openssh, KEY);
        assert_eq!(by_print.to_string(), seen.fingerprint);
        let padded: HostKeyPin = format!("{}=", seen.fingerprint).parse().unwrap();
        assert_eq!(padded, by_print);
        let other: HostKeyPin = format!("SHA256:{}", "A".repeat(43)).parse().unwrap();
        assert!(!other.matches(&key));
        assert_ne!(seen.fingerprint, format!("SHA256:{}", "A".repeat(43)));
    }

    #[test]
    fn each_wrong_text_says_what_is_wrong() {
        let parse = |t: &str| t.parse::<HostKeyPin>().unwrap_err();
        assert!(matches!(parse(""), PinError::Shape(_)));
        assert!(matches!(parse("pe1.example.net AAAA"), PinError::Shape(_)));
        assert!(matches!(parse("SHA256:short"), PinError::Fingerprint(_)));
        assert!(matches!(parse("MD5:16:27:ac"), PinError::Hash(_)));
        assert!(matches!(parse("SHA1:abc"), PinError::Hash(_)));
        assert!(matches!(parse("ssh-ed25519 !!!"), PinError::Key(_)));
        assert!(matches!(parse("ssh-ed25519-cert-v01@openssh.com AAAA"), PinError::Certificate(_)));
        let text = parse(&"x".repeat(10_000)).to_string();
        assert!(text.len() < 200, "errors stay short: {}", text.len());
    }
}
