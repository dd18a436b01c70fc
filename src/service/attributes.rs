//! The vocabulary of attribute tokens: what a service can ask of an element, one dotted word each.
//!
//! Decomposition fills [`super::ElementService::attributes`] with a token and the path of the document that asked for it;
//! an adapter lists per function the tokens that its platform can express (`adapter.toml`, `[functions.<name>]`). What is
//! used and not listed is refused with the document's path, never dropped. So a token must be emitted exactly when the
//! document asks for something: an MTU that nobody gave emits nothing.
//!
//! A new attribute is a new line here; adapters that do not list it refuse it without any change of theirs.

/// Every token with what it stands for, sorted by token.
pub const TOKENS: &[(&str, &str)] = &[
    ("access.admin-down", "the access is configured and shut"),
    ("access.bandwidth.excess", "an excess rate (EIR, PIR) in a bandwidth profile"),
    ("access.bandwidth.from-customer", "a bandwidth profile for what comes from the customer"),
    ("access.bandwidth.to-customer", "a bandwidth profile for what goes to the customer"),
    ("access.bgp", "a BGP session with the customer"),
    ("access.bgp.admin-down", "the session is configured and shut"),
    ("access.bgp.allow-own-as", "our AS may stand in received paths a number of times"),
    ("access.bgp.as-override", "the customer's AS is replaced by ours in what is sent"),
    ("access.bgp.description", "free text at the neighbour"),
    ("access.bgp.ipv4", "IPv4 unicast routes are exchanged"),
    ("access.bgp.ipv6", "IPv6 unicast routes are exchanged"),
    ("access.bgp.local-as", "another AS of ours towards this customer"),
    ("access.bgp.max-prefix", "a limit on received prefixes"),
    ("access.bgp.max-prefix.warning-only", "beyond the limit the element only warns"),
    ("access.bgp.multihop", "the neighbour is not on the link; a TTL"),
    ("access.bgp.password", "a secret signs the session's segments (TCP MD5)"),
    ("access.bgp.redistribute-connected", "connected routes go into BGP because the document says so"),
    ("access.bgp.timers", "keepalive or hold time"),
    ("access.description", "free text of the access"),
    ("access.ipv4", "an IPv4 address"),
    ("access.ipv6", "an IPv6 address"),
    ("access.match.dot1q", "one 802.1Q tag"),
    ("access.match.port", "all frames of the port"),
    ("access.match.qinq", "an outer and an inner tag"),
    ("access.match.untagged", "frames without a tag"),
    ("access.mtu-ip", "the MTU of IP packets"),
    ("access.mtu-l2", "the MTU of frames, of one access"),
    ("access.role.nni", "the access is an ENNI"),
    ("access.static.ipv4", "an IPv4 static route"),
    ("access.static.ipv6", "an IPv6 static route"),
    ("access.static.metric", "the metric of a static route"),
    ("access.static.preference", "the administrative distance of a static route"),
    ("access.static.tag", "the tag of a static route"),
    ("evpn.rt", "explicit route targets of an EVPN instance"),
    ("evpn.vpws", "signalling by EVPN-VPWS (RFC 8214)"),
    ("evpn.vxlan", "EVPN over VXLAN (RFC 8365)"),
    ("instance.ipv4", "the VPN instance carries IPv4"),
    ("instance.ipv6", "the VPN instance carries IPv6"),
    ("instance.rd", "a route distinguisher"),
    ("pw.ldp", "a pseudowire signalled by targeted LDP (RFC 8077)"),
    ("service.mtu-l2", "the MTU of frames, of the whole service"),
    ("service.multipoint", "frames between more than two ends, bridged by their addresses (E-LAN)"),
];

/// Whether `token` belongs to the vocabulary.
pub fn is_known(token: &str) -> bool {
    TOKENS.binary_search_by(|(known, _)| known.cmp(&token)).is_ok()
}

/// What `token` stands for, in words for people.
pub fn meaning(token: &str) -> Option<&'static str> {
    let at = TOKENS.binary_search_by(|(known, _)| known.cmp(&token)).ok()?;
    TOKENS.get(at).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_without_repetition_so_that_it_can_be_searched() {
        assert!(TOKENS.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order");
        assert!(TOKENS.iter().all(|(token, _)| is_known(token)));
        assert!(!is_known("access.mtu"));
        assert_eq!(meaning("pw.ldp"), Some("a pseudowire signalled by targeted LDP (RFC 8077)"));
    }
}
