//! Which algorithms are offered to an element.

use super::{HostKeyPin, SshLimits, SshTarget};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, client, compression, kex, mac};
use std::borrow::Cow;

pub(super) fn client_config(target: &SshTarget, limits: &SshLimits) -> client::Config {
    let mut key: Vec<Algorithm> = vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ];
    let mut preferred = Preferred {
        // The first one that both know. Processors have instructions for AES: beside it the other one costs several times as
        // much for each byte of a configuration.
        cipher: Cow::Borrowed(&[
            cipher::AES_256_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    };
    if limits.legacy_algorithms {
        key.push(Algorithm::Rsa { hash: None });
        preferred.kex.to_mut().extend([kex::DH_G14_SHA1, kex::DH_G1_SHA1]);
        preferred.mac.to_mut().push(mac::HMAC_SHA1);
        preferred.cipher.to_mut().extend([cipher::AES_256_CBC, cipher::AES_128_CBC]);
    }
    // A server with several host keys must be asked for the kind that is pinned. The other kinds stay in the list so
    // that a changed key is seen and reported as such.
    if let Some(HostKeyPin::Key(pinned)) = &target.host_key {
        let same = |a: &Algorithm| match (a, pinned.algorithm()) {
            (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
            (a, b) => *a == b,
        };
        key.sort_by_key(|a| !same(a));
    }
    preferred.key = Cow::Owned(key);
    client::Config {
        preferred,
        nodelay: true,
        keepalive_interval: Some(limits.keepalive_interval),
        keepalive_max: limits.keepalive_max,
        inactivity_timeout: None,
        ..client::Config::default()
    }
}
