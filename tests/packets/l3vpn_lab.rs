//! The customers of the IP VPN lab: their sites, their documents, their packets.
//!
//! red and blue use the same addresses at the same ports; the tag is all that tells them apart:
//! ```text
//!   red1   VLAN 100, 192.168.1.2/24   ─┐                          ┌─  192.168.2.2/24, VLAN 100   red2
//!          198.51.100.0/25             │                          │   198.51.100.128/25
//!                                      ├ eth1 [pe1] … [pe2] eth1 ─┼─  192.168.3.2/24, VLAN 300   red3
//!   blue1  VLAN 200, 192.168.1.2/24    │                          │   192.168.33.0/24
//!          198.51.100.0/25            ─┤                          └─  192.168.2.2/24, VLAN 200   blue2
//!   green1 VLAN 400, 192.168.1.2/24   ─┘                              198.51.100.128/25, 203.0.113.0/24
//! ```
use crate::support::UmlLab;
use crate::traffic::{Count, count};
use crate::vpn::Access;
use serde_json::{Value, json};
use std::time::Instant;

/// A customer's access, and the host behind it.
#[derive(Debug, Clone, Copy)]
pub struct Site {
    /// The node of the host, and the access's own name.
    pub host: &'static str,
    pe: usize,
    vlan: u16,
    /// The third number of the access's addresses.
    net: u8,
    /// Networks behind the host, with its own address in each.
    lans: &'static [(&'static str, &'static str)],
}

const FIRST: &[(&str, &str)] = &[("198.51.100.0/25", "198.51.100.1")];
const SECOND: &[(&str, &str)] = &[("198.51.100.128/25", THERE)];

/// The customer's own address at the second site, of red as of blue.
pub const THERE: &str = "198.51.100.129";
/// From one customer network to the other.
pub const CUSTOMERS: &str = "-I 198.51.100.1 198.51.100.129";
/// A network that blue alone has, and its host there.
pub const BLUE_ONLY: (&str, &str) = ("203.0.113.0/24", "203.0.113.1");
/// The host of the third site.
pub const THIRD: &str = "192.168.33.1";

pub const RED1: Site = Site { host: "red1", pe: 1, vlan: 100, net: 1, lans: FIRST };
pub const RED2: Site = Site { host: "red2", pe: 2, vlan: 100, net: 2, lans: SECOND };
pub const RED3: Site = Site { host: "red3", pe: 2, vlan: 300, net: 3, lans: &[("192.168.33.0/24", THIRD)] };
pub const BLUE1: Site = Site { host: "blue1", pe: 1, vlan: 200, net: 1, lans: FIRST };
pub const BLUE2: Site =
    Site { host: "blue2", pe: 2, vlan: 200, net: 2, lans: &[("198.51.100.128/25", THERE), BLUE_ONLY] };
pub const GREEN1: Site = Site { host: "green1", pe: 1, vlan: 400, net: 1, lans: FIRST };
pub const GREEN2: Site = Site { host: "green2", pe: 2, vlan: 400, net: 2, lans: SECOND };

/// The port that all customers of a PE share.
const PORT: &str = "eth1";

/// Both PEs as the daemon's inventory has them.
pub fn inventory(lab: &UmlLab) -> String {
    let ports = format!(
        "{{ name = \"{PORT}\" }}, {{ name = \"core\", role = \"core\" }}, {{ name = \"mgmt\", role = \"management\" }}"
    );
    let listed =
        |number: usize| lab.pe(number).listed(&format!("pe{number}"), "frr", &format!("10.255.0.{number}"), &ports);
    [1, 2].map(listed).concat()
}

/// The hosts get their tags, addresses and routes: all that is the customer's own.
pub fn furnish(lab: &mut UmlLab) {
    for site in [RED1, RED2, RED3, BLUE1, BLUE2, GREEN1] {
        lab.customer(site.host, site.vlan, &format!("192.168.{}.2/24", site.net), &format!("192.168.{}.1", site.net));
        let own: Vec<String> = site.lans.iter().map(|(_, own)| format!("ip addr add {own}/32 dev lo")).collect();
        assert_eq!(lab.exec(site.host, &own.join(" && ")).0, 0, "{site:?}");
    }
}

/// A customer's VPN as a document. `number` makes its route target.
pub fn vpn(customer: &str, number: u16, sites: &[Site]) -> Value {
    let access = |site: &Site| Access {
        pe: site.pe,
        id: site.host.into(),
        port: PORT,
        encapsulation: json!({"type": "ietf-vpn-common:dot1q", "dot1q": {"cvlan-id": site.vlan}}),
        net: site.net,
        lans: site.lans.iter().map(|(lan, _)| lan.to_string()).collect(),
    };
    let accesses: Vec<Access> = sites.iter().map(access).collect();
    crate::vpn::vpn(customer, number, |pe| format!("10.255.0.{pe}"), &accesses)
}

/// The service in its document.
pub fn body(document: &mut Value) -> &mut Value {
    &mut document["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0]
}

/// How many echo requests a host has received, whoever sent them.
pub fn requests(lab: &mut UmlLab, host: &str) -> u64 {
    let (_, said) = lab.exec(host, "grep ^Icmp: /proc/net/snmp");
    let mut lines = said.lines().map(|line| line.split_whitespace());
    let (Some(mut names), Some(mut values)) = (lines.next(), lines.next()) else { panic!("{host}: {said}") };
    let at = names.position(|name| name == "InEchos").unwrap_or_else(|| panic!("{host}: {said}"));
    values.nth(at).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{host}: {said}"))
}

/// A customer who sends 100 echo requests a second inside the network (`stream.py`) until [`Stream::stop`].
pub struct Stream {
    host: &'static str,
    process: String,
    began: Instant,
}

impl Stream {
    /// Begins to send; a request has been answered when this returns.
    pub fn start(lab: &mut UmlLab, from: Site, to: &str) -> Self {
        let host = from.host;
        let (_, process) = lab
            .exec(host, &format!("/usr/bin/python3 -I -S /run/lab/stream.py {to} >/run/{host}.stream 2>&1 & echo $!"));
        let (status, said) = lab.exec(host, &said_by(host, "answered"));
        assert_eq!(status, 0, "{host} gets no answer: {said}\n{}", lab.diagnosis());
        Self { host, process: process.trim().to_owned(), began: Instant::now() }
    }

    /// Ends it and counts.
    pub fn stop(self, lab: &mut UmlLab) -> Count {
        let (lasted, host) = (self.began.elapsed(), self.host);
        let (status, said) = lab.exec(host, &format!("kill -TERM {}; {}", self.process, said_by(host, "end")));
        assert_eq!(status, 0, "{host} does not count: {said}");
        count(&said, lasted)
    }
}

/// Waits for a line of the stream, then shows all of them.
fn said_by(host: &str, line: &str) -> String {
    let file = format!("/run/{host}.stream");
    format!("timeout 30 sh -c 'until grep -qx {line} {file}; do sleep 0.1; done'; status=$?; cat {file}; exit $status")
}
