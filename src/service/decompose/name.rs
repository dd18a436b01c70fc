//! Names of instances on elements: valid on every platform, and the same for ever.

use crate::domain::ServiceKey;

/// The name of a service's instance on all its elements.
///
/// The service's identifier itself where every platform can take it: 1 to 15 letters, digits, `-`, `_`, a letter first
/// (a VRF of FRR is a network device of Linux: 15 bytes), and no word that means something else to a router. Otherwise
/// eight characters of it, and six of a digest of the whole key. A function of the key alone, so neither other services
/// nor a new `vpn-name` can rename a VRF that carries traffic.
pub fn instance_name(key: &ServiceKey) -> String {
    let id = key.id.as_str();
    if id.len() <= LIMIT && id.starts_with(|c: char| c.is_ascii_alphabetic()) && id.chars().all(fits) && !reserved(id) {
        return id.into();
    }
    let mut stem: String = id.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    stem = stem.trim_matches('-').to_string();
    if !stem.starts_with(|c: char| c.is_ascii_alphabetic()) {
        stem.insert(0, 'v');
    }
    stem.truncate(LIMIT - 1 - DIGEST);
    let digest = blake3::hash(format!("{key}").as_bytes()).to_hex();
    format!("{}-{}", stem.trim_end_matches('-'), &digest[..DIGEST])
}

const LIMIT: usize = 15;
const DIGEST: usize = 6;

fn fits(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Words that routers understand as something else, and names of Linux network devices.
fn reserved(id: &str) -> bool {
    let lower = id.to_ascii_lowercase();
    let device = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    ["default", "global", "all", "none", "management", "mgmt", "lo"].contains(&lower.as_str())
        || (device.len() < lower.len()
            && ["eth", "ens", "enp", "eno", "swp", "lo", "br", "vxlan", "vni", "bond", "dummy", "veth", "vlan"]
                .contains(&device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: &str) -> String {
        instance_name(&ServiceKey { face: "ietf-l3vpn-ntw".into(), id: id.into() })
    }

    #[test]
    fn a_short_plain_identifier_is_the_name() {
        assert_eq!(name("acme-l3"), "acme-l3");
        assert_eq!(name("A23456789012345"), "A23456789012345");
    }

    #[test]
    fn everything_else_gets_a_stable_digest_and_stays_valid() {
        let ids = [
            "A234567890123456",
            "1234",
            "default",
            "Default",
            "eth0",
            "ü",
            "",
            "-",
            "a b",
            "a_b c",
            "-rf",
            "no shutdown; x",
        ];
        let mut seen = std::collections::BTreeSet::new();
        for id in ids {
            let made = name(id);
            assert!(
                made.len() <= 15 && made.chars().all(fits) && made.starts_with(|c: char| c.is_ascii_alphabetic()),
                "{id}: {made}"
            );
            assert_eq!(made, name(id));
            assert!(seen.insert(made), "{id}");
        }
        // Pinned: a change of this rule would rename VRFs that carry traffic.
        assert_eq!(name("no shutdown; x"), "no-shutd-32053f");
        assert_ne!(name("a b"), name("a-b"));
    }
}
