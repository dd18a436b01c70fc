//! Numbers that have names: facts of the IANA registries and of the RFCs named at each table, with the names that command
//! lines of routers use beside them. The canonical form is the number, for a number always has one and a name need not.

use super::number::magnitude;
use super::{CanonError, kept, not};
use std::borrow::Cow;

pub(super) fn port(text: &str) -> Result<Cow<'_, str>, CanonError> {
    named(text, PORTS, 0xFFFF, "a TCP or UDP port")
}

pub(super) fn protocol(text: &str) -> Result<Cow<'_, str>, CanonError> {
    named(text, PROTOCOLS, 0xFF, "an IP protocol")
}

pub(super) fn dscp(text: &str) -> Result<Cow<'_, str>, CanonError> {
    named(text, CODE_POINTS, 63, "a DSCP")
}

pub(super) fn precedence(text: &str) -> Result<Cow<'_, str>, CanonError> {
    named(text, PRECEDENCES, 7, "an IP precedence")
}

/// Names, `0x0800`, or four digits as command lines write them: `0800` is hexadecimal.
pub(super) fn ethertype(text: &str) -> Result<Cow<'_, str>, CanonError> {
    let small = text.to_ascii_lowercase();
    let by_name = ETHERTYPES.iter().find(|(name, _)| *name == small).map(|(_, number)| u128::from(*number));
    let digits = small.strip_prefix("0x").unwrap_or(&small);
    match by_name.or_else(|| magnitude(digits, 16)).filter(|number| *number <= 0xFFFF) {
        Some(number) => Ok(kept(text, format!("{number:#x}"))),
        None => not(text, "an Ethernet type"),
    }
}

fn named<'a>(
    text: &'a str,
    names: &[(&str, u16)],
    most: u128,
    expected: &'static str,
) -> Result<Cow<'a, str>, CanonError> {
    let by_name = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| u128::from(*number));
    match by_name.or_else(|| magnitude(text, 10)).filter(|number| *number <= most) {
        Some(number) => Ok(kept(text, number.to_string())),
        None => not(text, expected),
    }
}

/// Service names and ports (RFC 6335 registry); where a name of a command line differs it stands beside the registered one.
pub(super) static PORTS: &[(&str, u16)] = &[
    ("tcpmux", 1),
    ("echo", 7),
    ("discard", 9),
    ("daytime", 13),
    ("chargen", 19),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("nameserver", 42),
    ("whois", 43),
    ("nicname", 43),
    ("tacacs", 49),
    ("domain", 53),
    ("dns", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("www", 80),
    ("http", 80),
    ("kerberos", 88),
    ("hostname", 101),
    ("hostnames", 101),
    ("pop2", 109),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ident", 113),
    ("auth", 113),
    ("nntp", 119),
    ("ntp", 123),
    ("msrpc", 135),
    ("epmap", 135),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ss", 139),
    ("netbios-ssn", 139),
    ("imap", 143),
    ("imap2", 143),
    ("snmp", 161),
    ("snmptrap", 162),
    ("xdmcp", 177),
    ("bgp", 179),
    ("irc", 194),
    ("dnsix", 195),
    ("ldap", 389),
    ("mobile-ip", 434),
    ("mobileip-agent", 434),
    ("https", 443),
    ("isakmp", 500),
    ("ike", 500),
    ("exec", 512),
    ("biff", 512),
    ("login", 513),
    ("who", 513),
    ("cmd", 514),
    ("shell", 514),
    ("syslog", 514),
    ("lpd", 515),
    ("printer", 515),
    ("talk", 517),
    ("rip", 520),
    ("router", 520),
    ("ripng", 521),
    ("uucp", 540),
    ("klogin", 543),
    ("kshell", 544),
    ("netconf-ssh", 830),
    ("ldaps", 636),
    ("ldp", 646),
    ("rsync", 873),
    ("imaps", 993),
    ("pop3s", 995),
    ("socks", 1080),
    ("pptp", 1723),
    ("radius", 1812),
    ("radius-acct", 1813),
    ("nfs", 2049),
    ("bfd-control", 3784),
    ("bfd-echo", 3785),
    ("drip", 3949),
    ("non500-isakmp", 4500),
    ("ipsec-nat-t", 4500),
    ("vxlan", 4789),
    ("bfd-multi-ctl", 4784),
    ("sip", 5060),
    ("sips", 5061),
    ("pim-auto-rp", 496),
];

/// Assigned Internet protocol numbers.
pub(super) static PROTOCOLS: &[(&str, u16)] = &[
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("ipinip", 4),
    ("ipv4", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("udp", 17),
    ("rdp", 27),
    ("dccp", 33),
    ("ipv6", 41),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ahp", 51),
    ("icmp6", 58),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("eigrp", 88),
    ("ospf", 89),
    ("ospfigp", 89),
    ("nos", 94),
    ("etherip", 97),
    ("pim", 103),
    ("pcp", 108),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("udplite", 136),
    ("mpls-in-ip", 137),
];

/// Code points by name (RFC 2474, 2597, 3246, 5865, 8622).
pub(super) static CODE_POINTS: &[(&str, u16)] = &[
    ("default", 0),
    ("be", 0),
    ("df", 0),
    ("cs0", 0),
    ("le", 1),
    ("cs1", 8),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("va", 44),
    ("voice-admit", 44),
    ("ef", 46),
    ("cs6", 48),
    ("cs7", 56),
];

/// Precedence by name (RFC 791 §3.1).
pub(super) static PRECEDENCES: &[(&str, u16)] = &[
    ("routine", 0),
    ("priority", 1),
    ("immediate", 2),
    ("flash", 3),
    ("flash-override", 4),
    ("critical", 5),
    ("internet", 6),
    ("network", 7),
];

/// Ethernet types (IEEE registration authority).
pub(super) static ETHERTYPES: &[(&str, u16)] = &[
    ("ip", 0x0800),
    ("ipv4", 0x0800),
    ("arp", 0x0806),
    ("rarp", 0x8035),
    ("dot1q", 0x8100),
    ("ipv6", 0x86DD),
    ("mpls", 0x8847),
    ("mpls-unicast", 0x8847),
    ("mpls-multicast", 0x8848),
    ("pppoe-discovery", 0x8863),
    ("pppoe-session", 0x8864),
    ("dot1x", 0x888E),
    ("dot1ad", 0x88A8),
    ("lldp", 0x88CC),
    ("ptp", 0x88F7),
    ("cfm", 0x8902),
    ("qinq", 0x9100),
];
