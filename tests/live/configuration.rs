//! Random configurations of an FRR provider edge: what the adapter writes and what else stands on such a router.
//!
//! Every feature draws from a generator of its own, made of the seed and the feature's name. So a configuration can be
//! changed in a few places: the features that change draw from another seed, all others stay as they were.

mod bgp;

use crate::arbitrary::splitmix;

/// Where the features of a configuration come from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    seed: u64,
    /// Another seed, and how many of hundred features come from it.
    change: Option<(u64, u64)>,
}

/// The sessions that come up in the laboratory: neighbour, its AS, our address, our interface.
pub const LIVE: [(&str, u32, &str, &str); 4] = [
    ("10.0.1.2", 65000, "10.0.1.1", "link1"),
    ("10.0.2.2", 65000, "10.0.2.1", "link2"),
    ("10.0.3.2", 65101, "10.0.3.1", "link3"),
    ("10.0.4.2", 65101, "10.0.4.1", "link4"),
];

impl Source {
    pub fn new(seed: u64) -> Self {
        Self { seed, change: None }
    }

    /// The same with some features drawn anew.
    pub fn changed(self, seed: u64, percent: u64) -> Self {
        Self { change: Some((seed, percent)), ..self }
    }

    fn draw(&self, feature: &str) -> Draw {
        let own = |seed: u64| Draw::new(seed ^ fnv(feature));
        match self.change {
            Some((seed, percent)) if own(seed).percent(percent) => own(seed.wrapping_add(0x5eed)),
            _ => own(self.seed),
        }
    }

    fn has(&self, feature: &str, percent: u64) -> bool {
        self.draw(feature).percent(percent)
    }

    fn one<'a>(&self, feature: &str, words: &[&'a str]) -> &'a str {
        words[self.draw(feature).below(words.len() as u64) as usize]
    }

    /// The line with one of the words for `@`, so many times in a hundred.
    fn line(&self, out: &mut Vec<String>, percent: u64, line: &str, words: &[&str]) {
        // The name of the feature is the line itself with what stands around it: unique where it is used.
        let feature = format!("{}/{line}", out.first().map_or("", String::as_str));
        let mut draw = self.draw(&feature);
        if draw.percent(percent) {
            let word = if words.is_empty() { "" } else { words[draw.below(words.len() as u64) as usize] };
            let line = line.replace('@', word);
            out.push(line.trim_end().to_owned());
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.policy(&mut out);
        self.statics(&mut out);
        self.interfaces(&mut out);
        self.bgp(&mut out);
        for vrf in VRFS {
            self.instance(vrf, &mut out);
        }
        self.igp(&mut out);
        self.labels(&mut out);
        out
    }

    fn policy(&self, out: &mut String) {
        for list in ["PL-IN", "PL-OUT"] {
            let mut lines = vec![list.to_owned()];
            self.line(
                &mut lines,
                25,
                &format!("ip prefix-list {list} description @"),
                &["what they send", "x \"y\" ! z"],
            );
            for seq in [5, 10, 15] {
                let rules = [
                    "permit 10.0.0.0/8 le 24",
                    "permit 10.0.0.0/8",
                    "deny 172.16.0.0/12 ge 16 le 30",
                    "permit any",
                    "deny 0.0.0.0/0",
                ];
                self.line(&mut lines, 60, &format!("ip prefix-list {list} seq {seq} @"), &rules);
            }
            push(out, "", &lines[1..]);
        }
        let mut lines = vec![String::new()];
        for seq in [5, 10] {
            let rules =
                ["permit 2001:db8::/32 ge 48 le 64", "permit any", "deny 2001:db8:1::/48", "permit 2001:db8::/32"];
            self.line(&mut lines, 40, &format!("ipv6 prefix-list P6 seq {seq} @"), &rules);
            let rules = ["permit 10.0.0.0/8", "deny any", "permit 192.0.2.0/24 exact-match"];
            self.line(&mut lines, 40, &format!("access-list A1 seq {seq} @"), &rules);
            let rules = ["permit 2001:db8::/32", "deny any"];
            self.line(&mut lines, 20, &format!("ipv6 access-list A6 seq {seq} @"), &rules);
            let rules = ["permit ^65101_", "deny .*", "permit _65102$"];
            self.line(&mut lines, 40, &format!("bgp as-path access-list AP seq {seq} @"), &rules);
            let rules = ["permit 65000:1 65000:2", "deny 65000:9", "permit no-export"];
            self.line(&mut lines, 40, &format!("bgp community-list standard CL seq {seq} @"), &rules);
            let rules = ["permit 65000:.*", "deny ^65001"];
            self.line(&mut lines, 20, &format!("bgp community-list expanded CE seq {seq} @"), &rules);
            self.line(
                &mut lines,
                20,
                &format!("bgp community-list 7 seq {seq} @"),
                &["permit 65000:7", "deny 65000:8"],
            );
            let rules = ["permit 65000:1:2", "deny 65000:1:3"];
            self.line(&mut lines, 20, &format!("bgp large-community-list standard LC seq {seq} @"), &rules);
            let rules = ["permit rt 65000:100", "deny soo 65000:9"];
            self.line(&mut lines, 20, &format!("bgp extcommunity-list standard EC seq {seq} @"), &rules);
        }
        push(out, "", &lines[1..]);
        for (map, seq) in [("RM-IN", 10), ("RM-IN", 20), ("RM-OUT", 10), ("RM-VPN", 10)] {
            if !self.has(&format!("route-map {map} {seq}"), 75) {
                continue;
            }
            let action = self.one(&format!("route-map {map} {seq} action"), &["permit", "permit", "deny"]);
            let mut lines = vec![format!("route-map {map} {action} {seq}")];
            self.line(&mut lines, 20, "description @", &["customers", "two words"]);
            self.line(&mut lines, 30, "match ip address prefix-list @", &["PL-IN", "PL-OUT"]);
            self.line(&mut lines, 15, "match ipv6 address prefix-list P6", &[]);
            self.line(&mut lines, 15, "match as-path AP", &[]);
            self.line(&mut lines, 15, "match community @", &["CL", "CE", "7"]);
            self.line(&mut lines, 10, "match large-community LC", &[]);
            self.line(&mut lines, 10, "match extcommunity EC", &[]);
            self.line(&mut lines, 10, "match metric @", &["5", "50"]);
            self.line(&mut lines, 10, "match tag @", &["7", "8"]);
            self.line(&mut lines, 10, "match interface @", &["eth1.100", "eth3"]);
            self.line(&mut lines, 5, "match evpn vni @", &["100", "200"]);
            self.line(&mut lines, 30, "set local-preference @", &["50", "200"]);
            self.line(&mut lines, 20, "set metric @", &["10", "+5"]);
            self.line(&mut lines, 20, "set community @", &["65000:10 additive", "65000:11 65000:12", "none"]);
            self.line(&mut lines, 10, "set large-community @", &["65000:1:1", "65000:1:2 additive"]);
            self.line(&mut lines, 15, "set extcommunity rt @", &["65000:100", "65000:100 65000:200"]);
            self.line(&mut lines, 10, "set extcommunity soo @", &["65000:9"]);
            self.line(&mut lines, 15, "set as-path prepend @", &["65000 65000", "65000"]);
            self.line(&mut lines, 10, "set weight @", &["5", "6"]);
            self.line(&mut lines, 10, "set origin @", &["igp", "incomplete"]);
            self.line(&mut lines, 10, "set tag @", &["9", "10"]);
            self.line(&mut lines, 10, "set ip next-hop @", &["192.0.2.1", "unchanged", "peer-address"]);
            if action == "permit" {
                self.line(&mut lines, 10, "on-match @", &["next", "goto 40"]);
            }
            push(out, &lines[0], &lines[1..]);
            out.push_str("exit\n");
        }
    }

    fn statics(&self, out: &mut String) {
        let mut lines = vec![String::new()];
        self.line(&mut lines, 30, "ip router-id 10.255.0.1", &[]);
        self.line(&mut lines, 20, "ip nht resolve-via-default", &[]);
        self.line(&mut lines, 10, "ip protocol ospf route-map @", &["RM-OUT", "RM-IN"]);
        self.line(
            &mut lines,
            30,
            "ip route 10.98.0.0/16 @",
            &["192.0.2.9", "192.0.2.9 tag 4", "Null0", "blackhole 200"],
        );
        self.line(&mut lines, 20, "ipv6 route 2001:db8:98::/48 @", &["2001:db8::9", "Null0"]);
        push(out, "", &lines[1..]);
        for (at, vrf) in VRFS.iter().enumerate() {
            let mut lines = vec![format!("vrf {vrf}")];
            let hops = [
                "192.168.1.2",
                "192.168.1.2 tag 7",
                "192.168.1.6 20",
                "eth1.100",
                "blackhole",
                "192.168.1.2 tag 3 150",
            ];
            for prefix in ["172.16.1.0/24", "10.0.0.0/8", "192.0.2.7/32"] {
                self.line(&mut lines, 35, &format!("ip route {prefix} @"), &hops);
            }
            self.line(
                &mut lines,
                30,
                "ip route 172.16.9.0/24 192.168.1.2 @",
                &["eth1.100", "eth1.100 9", "nexthop-vrf blue"],
            );
            for prefix in ["2001:db8:1::/48", "::/0"] {
                self.line(
                    &mut lines,
                    30,
                    &format!("ipv6 route {prefix} @"),
                    &["2001:db8::2", "eth1.100", "2001:db8::2 tag 5"],
                );
            }
            self.line(&mut lines, 15, &format!("vni @{at}"), &["400", "410"]);
            self.line(&mut lines, 10, "ip protocol @ route-map RM-OUT", &["bgp", "static"]);
            self.line(&mut lines, 10, "ip router-id @", &["10.9.9.9", "10.9.9.8"]);
            if lines.len() > 1 {
                push(out, &lines[0], &lines[1..]);
                out.push_str("exit-vrf\n");
            }
        }
    }

    /// OSPF runs by the areas of interfaces or by `network`: FRR refuses the mixture.
    fn by_network(&self) -> bool {
        self.has("ospf by network", 35)
    }

    fn interfaces(&self, out: &mut String) {
        for port in ["eth1.100", "eth1.200", "eth2.10.20", "eth3"] {
            if !self.has(&format!("interface {port}"), 55) {
                continue;
            }
            let mut lines = vec![format!("interface {port}")];
            self.line(&mut lines, 60, "description vrf=@ svc=7 \"x\" ! y", &VRFS);
            for address in ["192.168.1.1/30", "192.168.1.5/30", "10.1.1.1/24"] {
                self.line(&mut lines, 40, &format!("ip address {address}"), &[]);
            }
            for address in ["2001:db8::1/64", "2001:db8:1::1/127"] {
                self.line(&mut lines, 30, &format!("ipv6 address {address}"), &[]);
            }
            self.line(&mut lines, 15, "bandwidth @", &["1000", "10000"]);
            self.line(&mut lines, 20, "shutdown", &[]);
            self.block(out, &lines);
        }
        for (_, _, _, port) in LIVE {
            let mut lines = vec![format!("interface {port}")];
            self.line(&mut lines, 40, "description core @", &["link", "link to p1"]);
            if !self.by_network() {
                self.line(&mut lines, 40, "ip ospf area @", &["0", "0.0.0.0", "1"]);
            }
            self.line(&mut lines, 30, "ip ospf network @", &["point-to-point", "non-broadcast"]);
            self.line(&mut lines, 30, "ip ospf cost @", &["10", "15"]);
            self.line(&mut lines, 20, "ip ospf hello-interval @", &["1", "5"]);
            self.line(&mut lines, 20, "ip ospf dead-interval @", &["4", "20"]);
            self.line(&mut lines, 15, "ip ospf priority @", &["0", "7"]);
            self.line(&mut lines, 15, "ip ospf mtu-ignore", &[]);
            self.line(&mut lines, 15, "ip ospf authentication @", &["message-digest", "null", ""]);
            self.line(&mut lines, 15, "ip ospf retransmit-interval @", &["6", "7"]);
            self.block(out, &lines);
        }
    }

    fn block(&self, out: &mut String, lines: &[String]) {
        if lines.len() > 1 {
            push(out, &lines[0], &lines[1..]);
            out.push_str("exit\n");
        }
    }

    fn igp(&self, out: &mut String) {
        for (name, percent) in [("router ospf", 60), ("router ospf vrf acme", 25)] {
            if !self.has(name, percent) {
                continue;
            }
            let mut lines = vec![name.to_owned()];
            self.line(&mut lines, 80, "ospf router-id @", &["10.255.0.1", "10.255.0.1", "10.255.0.2"]);
            self.line(&mut lines, 30, "log-adjacency-changes@", &["", " detail"]);
            self.line(&mut lines, 20, "auto-cost reference-bandwidth @", &["1000", "10000"]);
            self.line(&mut lines, 15, "timers throttle spf @", &["50 100 5000", "0 50 500"]);
            self.line(&mut lines, 15, "max-metric router-lsa administrative", &[]);
            for protocol in ["connected", "static", "bgp"] {
                self.line(
                    &mut lines,
                    20,
                    &format!("redistribute {protocol}@"),
                    &["", " metric 10", " metric 10 metric-type 1", " route-map RM-OUT"],
                );
            }
            self.line(&mut lines, 15, "passive-interface default", &[]);
            if self.by_network() || name.contains("vrf") {
                self.line(&mut lines, 40, "network 10.0.0.0/24 area @", &["0", "1", "0.0.0.0"]);
                self.line(&mut lines, 40, "network 192.168.1.0/30 area @", &["0", "1"]);
            }
            self.line(&mut lines, 15, "area 5 @", &["stub", "stub no-summary", "nssa"]);
            self.line(&mut lines, 15, "area 6 range 10.6.0.0/16@", &["", " not-advertise"]);
            self.line(&mut lines, 15, "area 6 authentication@", &["", " message-digest"]);
            self.line(
                &mut lines,
                20,
                "default-information originate@",
                &["", " always", " always metric 5", " metric-type 1"],
            );
            self.line(&mut lines, 15, "distance @", &["115", "116"]);
            self.block_always(out, &lines);
        }
    }

    fn labels(&self, out: &mut String) {
        if self.has("ldp", 45) {
            let mut lines = vec!["mpls ldp".to_owned(), "router-id 10.255.0.1".to_owned()];
            self.line(&mut lines, 25, "discovery hello holdtime @", &["30", "45"]);
            self.line(&mut lines, 25, "discovery hello interval @", &["10", "9"]);
            self.line(&mut lines, 20, "ordered-control", &[]);
            self.line(&mut lines, 15, "dual-stack transport-connection prefer ipv4", &[]);
            self.line(&mut lines, 15, "neighbor 10.255.0.3 session holdtime @", &["60", "90"]);
            push(out, &lines[0], &lines[1..]);
            if self.has("ldp ipv4", 80) {
                let mut lines = vec!["address-family ipv4".to_owned()];
                let address = self.one("ldp address", &["10.255.0.1", "10.255.0.1", "10.255.0.2"]);
                lines.push(format!("discovery transport-address {address}"));
                self.line(&mut lines, 20, "label local allocate host-routes", &[]);
                self.line(&mut lines, 20, "label local advertise explicit-null", &[]);
                self.line(&mut lines, 20, "session holdtime @", &["100", "120"]);
                self.line(&mut lines, 20, "ttl-security disable", &[]);
                for port in ["link1", "link2", "eth9"] {
                    if self.has(&format!("ldp {port}"), 50) {
                        lines.push(format!("interface {port}"));
                        lines.push("exit".to_owned());
                    }
                }
                self.line(&mut lines, 20, "neighbor 10.255.0.9 targeted", &[]);
                push(out, &format!(" {}", lines[0]), &lines[1..].iter().map(|l| format!(" {l}")).collect::<Vec<_>>());
                out.push_str(" exit-address-family\n");
            }
            out.push_str("exit\n");
        }
        if self.has("l2vpn", 30) {
            let mut lines = vec!["l2vpn PW1 type vpls".to_owned()];
            self.line(&mut lines, 60, "bridge @", &["br0", "br1"]);
            self.line(&mut lines, 30, "mtu @", &["1600", "9000"]);
            self.line(&mut lines, 40, "member interface @", &["eth5", "eth6"]);
            if self.has("pseudowire", 60) {
                lines.push("member pseudowire mpw0".to_owned());
                lines.push(format!(" neighbor lsr-id {}", self.one("pseudowire lsr", &["10.255.0.2", "10.255.0.3"])));
                lines.push(format!(" pw-id {}", self.one("pseudowire id", &["100", "101"])));
                lines.extend(self.has("pseudowire control", 30).then(|| " control-word exclude".to_owned()));
                lines.push("exit".to_owned());
            }
            self.block_always(out, &lines);
        }
    }

    fn block_always(&self, out: &mut String, lines: &[String]) {
        push(out, &lines[0], &lines[1..]);
        out.push_str("exit\n");
    }
}

fn push(out: &mut String, header: &str, lines: &[String]) {
    let indent = if header.is_empty() { "" } else { " " };
    if !header.is_empty() {
        out.push_str(&format!("{header}\n"));
    }
    for line in lines {
        out.push_str(&format!("{indent}{line}\n"));
    }
}

/// A small generator.
struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    fn below(&mut self, n: u64) -> u64 {
        splitmix(&mut self.0) % n
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

const VRFS: [&str; 3] = ["acme", "blue", "c-3"];
const TARGETS: [&str; 4] = ["65000:100", "65000:200", "65001:7", "192.0.2.1:9"];
