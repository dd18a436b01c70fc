//! BGP of a provider edge: its own instance and those of the VRFs.

use super::{LIVE, Source, TARGETS, push};

impl Source {
    pub(super) fn bgp(&self, out: &mut String) {
        let mut lines = vec!["router bgp 65000".to_owned()];
        let id = if self.has("bgp another router-id", 5) { "10.255.0.9" } else { "10.255.0.1" };
        lines.push(format!("bgp router-id {id}"));
        self.line(&mut lines, 80, "no bgp ebgp-requires-policy", &[]);
        self.line(&mut lines, 30, "bgp log-neighbor-changes", &[]);
        self.line(&mut lines, 10, "bgp always-compare-med", &[]);
        self.line(&mut lines, 10, "bgp deterministic-med", &[]);
        self.line(&mut lines, 20, "bgp bestpath as-path multipath-relax", &[]);
        self.line(&mut lines, 8, "bgp cluster-id @", &["1.1.1.1", "2.2.2.2"]);
        self.line(&mut lines, 10, "timers bgp @", &["10 30", "20 60"]);
        let group = self.has("group", 45);
        let members: Vec<&str> =
            ["10.255.0.21", "10.255.0.22"].into_iter().filter(|m| group && self.has(m, 60)).collect();
        if group {
            lines.push("neighbor CORE peer-group".to_owned());
            lines.push(format!("neighbor CORE remote-as {}", self.one("group as", &["internal", "65000"])));
            self.line(&mut lines, 40, "neighbor CORE description @", &["core", "core routers"]);
            self.line(&mut lines, 40, "neighbor CORE update-source @", &["lo", "10.255.0.1"]);
            self.line(&mut lines, 40, "neighbor CORE timers @", &["5 15", "10 30"]);
            lines.extend(members.iter().map(|member| format!("neighbor {member} peer-group CORE")));
            for member in &members {
                self.line(&mut lines, 30, &format!("neighbor {member} description @"), &["p1", "p2"]);
            }
        }
        let mut peers = Vec::new();
        for (peer, asn, local, link) in LIVE {
            if self.has(&format!("live {peer}"), 85) {
                self.neighbor(&mut lines, peer, asn, Some((local, link)));
                peers.push((peer, asn));
            }
        }
        for (peer, asn) in [("10.255.0.7", 65000), ("10.255.0.8", 65108), ("2001:db8:ff::7", 65107)] {
            if self.has(&format!("dead {peer}"), 35) {
                self.neighbor(&mut lines, peer, asn, None);
                peers.push((peer, asn));
            }
        }
        push(out, &lines[0], &lines[1..]);
        for family in ["ipv4 unicast", "ipv4 vpn", "ipv6 unicast", "ipv6 vpn", "l2vpn evpn"] {
            let mut lines = vec![format!("address-family {family}")];
            if family.ends_with("unicast") {
                self.routes(&mut lines, family);
            }
            if group {
                if family != "ipv4 unicast" {
                    self.line(&mut lines, 60, "neighbor CORE activate", &[]);
                }
                self.line(&mut lines, 30, "neighbor CORE route-reflector-client", &[]);
                if family != "l2vpn evpn" {
                    self.line(&mut lines, 30, "neighbor CORE next-hop-self", &[]);
                }
            }
            for (peer, asn) in &peers {
                self.family(&mut lines, family, peer, *asn);
            }
            if family == "l2vpn evpn" {
                if self.has("evpn", 50) {
                    lines.push("advertise-all-vni".to_owned());
                    for vni in ["100", "200"] {
                        if self.has(&format!("vni {vni}"), 50) {
                            self.vni(&mut lines, vni);
                        }
                    }
                    self.line(&mut lines, 15, "advertise-default-gw", &[]);
                    self.line(&mut lines, 15, "advertise-svi-ip", &[]);
                    self.line(&mut lines, 10, "dup-addr-detection max-moves 10 time @", &["200", "300"]);
                }
                self.line(&mut lines, 15, "flooding disable", &[]);
                self.line(&mut lines, 15, "advertise ipv4 unicast@", &["", " route-map RM-OUT"]);
                self.line(&mut lines, 10, "default-originate ipv4", &[]);
            }
            if lines.len() > 1 {
                push(out, &format!(" {}", lines[0]), &lines[1..].iter().map(|l| format!(" {l}")).collect::<Vec<_>>());
                out.push_str(" exit-address-family\n");
            }
        }
        out.push_str("exit\n");
    }

    fn vni(&self, lines: &mut Vec<String>, vni: &str) {
        let mut below = vec![format!("vni {vni}")];
        self.line(&mut below, 50, "rd @", &TARGETS);
        for target in ["65000:7", "65000:8"] {
            self.line(&mut below, 40, &format!("route-target @ {target}"), &["import", "export", "both"]);
        }
        self.line(&mut below, 15, "advertise-svi-ip", &[]);
        lines.push(below[0].clone());
        lines.extend(below[1..].iter().map(|line| format!(" {line}")));
        lines.push("exit-vni".to_owned());
    }

    fn neighbor(&self, lines: &mut Vec<String>, peer: &str, asn: u32, live: Option<(&str, &str)>) {
        let external = asn != 65000;
        let wrong = self.has(&format!("{peer} wrong as"), 6);
        lines.push(format!("neighbor {peer} remote-as {}", if wrong { 65999 } else { asn }));
        let n = |line: &str| format!("neighbor {peer} {line}");
        let dead = live.is_none();
        if external || wrong {
            self.line(
                lines,
                if dead { 20 } else { 5 },
                &n("local-as @"),
                &["64999", "64998", "64999 no-prepend", "64999 no-prepend replace-as"],
            );
        }
        self.line(lines, 40, &n("description @"), &["one", "two words", "x \"y\" ! z"]);
        self.line(lines, if dead { 20 } else { 7 }, &n("shutdown"), &[]);
        if dead {
            self.line(lines, 10, &n("shutdown message @"), &["gone", "gone fishing"]);
            self.line(lines, 15, &n("bfd"), &[]);
            self.line(lines, 10, &n("port @"), &["1179", "2179"]);
            self.line(lines, 10, &n("dont-capability-negotiate"), &[]);
            self.line(lines, 10, &n("passive"), &[]);
        }
        self.line(lines, 5, &n("solo"), &[]);
        if external && !wrong {
            match self.draw(&format!("{peer} hops")).below(4) {
                0 => self.line(lines, 100, &n("ebgp-multihop @"), &["2", "5", "255"]),
                1 if dead => self.line(lines, 100, &n("ttl-security hops @"), &["1", "2"]),
                2 => self.line(lines, 100, &n("disable-connected-check"), &[]),
                _ => {}
            }
            self.line(lines, 15, &n("enforce-first-as"), &[]);
        }
        self.line(lines, 15, &n("advertisement-interval @"), &["3", "4"]);
        self.line(lines, 30, &n("timers @"), &["10 30", "60 180", "20 60"]);
        match live {
            // Sessions that were reset come up again within a second.
            Some(_) => lines.push(n("timers connect 1")),
            None => self.line(lines, 20, &n("timers connect @"), &["5", "7"]),
        }
        match live {
            Some((local, link)) => self.line(lines, 20, &n("update-source @"), &[local, link]),
            None if peer.contains(':') => {}
            None => self.line(lines, 30, &n("update-source @"), &["lo", "10.255.0.1"]),
        }
        self.line(lines, 10, &n("capability extended-nexthop"), &[]);
        self.line(lines, 5, &n("capability dynamic"), &[]);
    }

    fn routes(&self, lines: &mut Vec<String>, family: &str) {
        let (network, aggregate) = match family {
            "ipv4 unicast" => ("10.1.0.0/16", "10.64.0.0/10"),
            _ => ("2001:db8:77::/48", "2001:db8::/32"),
        };
        self.line(lines, 25, &format!("network {network}@"), &["", " route-map RM-OUT"]);
        self.line(lines, 15, &format!("aggregate-address {aggregate}@"), &["", " summary-only", " as-set"]);
        for protocol in ["connected", "static"] {
            self.line(
                lines,
                35,
                &format!("redistribute {protocol}@"),
                &["", " metric 5", " route-map RM-OUT", " metric 6 route-map RM-IN"],
            );
        }
        self.line(lines, 15, "maximum-paths @", &["4", "8"]);
        self.line(lines, 10, "maximum-paths ibgp @", &["4", "8"]);
        self.line(lines, 10, "table-map RM-OUT", &[]);
    }

    fn family(&self, lines: &mut Vec<String>, family: &str, peer: &str, asn: u32) {
        let external = asn != 65000;
        let n = |line: &str| format!("neighbor {peer} {line}");
        let unicast = family.ends_with("unicast");
        if family == "ipv4 unicast" {
            let inactive = self.has(&format!("{peer} inactive"), 12);
            lines.extend(inactive.then(|| format!("no neighbor {peer} activate")));
        } else {
            let percent = if family.ends_with("vpn") && external { 10 } else { 40 };
            if !self.has(&format!("{family} {peer} activate"), percent) {
                return;
            }
            lines.push(n("activate"));
        }
        if external {
            if unicast {
                self.line(lines, 12, &n("as-override"), &[]);
                self.line(lines, 10, &n("remove-private-AS@"), &["", " all", " replace-AS", " all replace-AS"]);
            }
            self.line(lines, 12, &n("allowas-in@"), &["", " 1", " 2", " origin"]);
        } else {
            let internal = !self.has(&format!("{peer} wrong as"), 6);
            self.line(lines, if internal { 15 } else { 0 }, &n("route-reflector-client"), &[]);
        }
        if family != "l2vpn evpn" {
            self.line(lines, 15, &n("next-hop-self"), &[]);
        }
        self.line(lines, 15, &n("route-map @ in"), &["RM-IN", "RM-VPN"]);
        self.line(lines, 15, &n("route-map @ out"), &["RM-OUT", "RM-VPN"]);
        if unicast {
            self.line(lines, 15, &n("soft-reconfiguration inbound"), &[]);
            self.line(
                lines,
                15,
                &n("maximum-prefix @"),
                &["100", "200", "100 80", "100 80 warning-only", "100 warning-only", "100 restart 5"],
            );
            self.line(lines, 8, &n("maximum-prefix-out @"), &["50", "60"]);
            self.line(lines, 8, &n("default-originate@"), &["", " route-map RM-OUT"]);
            self.line(lines, 8, &n("weight @"), &["10", "20"]);
            self.line(lines, 8, &n("soo @"), &["65000:5", "65000:6"]);
            let list = if family == "ipv4 unicast" { ["PL-IN", "PL-OUT"] } else { ["P6", "P6B"] };
            for direction in ["in", "out"] {
                self.line(lines, 12, &n(&format!("prefix-list @ {direction}")), &list);
                self.line(lines, 8, &n(&format!("filter-list AP {direction}")), &[]);
            }
            self.line(lines, 5, &n("addpath-tx-all-paths"), &[]);
            self.line(lines, 5, &n("unsuppress-map RM-OUT"), &[]);
        }
        if unicast {
            let no = |kind: &str| format!("no neighbor {peer} send-community{kind}");
            let kind = self
                .one(&format!("{family} {peer} communities"), &["-", "-", "-", "-", "-", "", " extended", " large"]);
            lines.extend((kind != "-").then(|| no(kind)));
        }
    }

    pub(super) fn instance(&self, vrf: &str, out: &mut String) {
        if !self.has(&format!("bgp vrf {vrf}"), 55) {
            return;
        }
        let mut lines = vec![format!("router bgp 65000 vrf {vrf}")];
        lines.push(format!("bgp router-id 10.255.0.{}", self.one(&format!("{vrf} router-id"), &["1", "1", "2"])));
        self.line(&mut lines, 70, "no bgp ebgp-requires-policy", &[]);
        self.line(&mut lines, 15, "bgp bestpath as-path multipath-relax", &[]);
        let peers: Vec<&str> = ["192.168.1.2", "192.168.1.6", "2001:db8::2"]
            .into_iter()
            .filter(|peer| self.has(&format!("{vrf} {peer}"), 50))
            .collect();
        for peer in &peers {
            self.neighbor(&mut lines, peer, 65101, None);
        }
        push(out, &lines[0], &lines[1..]);
        for family in ["ipv4 unicast", "ipv6 unicast"] {
            if !self.has(&format!("{vrf} {family}"), 70) {
                continue;
            }
            let mut lines = vec![format!("router bgp 65000 vrf {vrf} address-family {family}")];
            self.routes(&mut lines, family);
            for peer in &peers {
                self.family(&mut lines, family, peer, 65101);
            }
            self.leaking(&mut lines);
            if lines.len() > 1 {
                let below: Vec<String> = lines[1..].iter().map(|line| format!(" {line}")).collect();
                push(out, &format!(" address-family {family}"), &below);
                out.push_str(" exit-address-family\n");
            }
        }
        let mut lines = vec![format!("router bgp 65000 vrf {vrf} address-family l2vpn evpn")];
        self.line(&mut lines, 10, "advertise ipv4 unicast@", &["", " route-map RM-OUT"]);
        self.line(&mut lines, 10, "advertise ipv6 unicast", &[]);
        // No `rd`: one that was taken back is not taken again, without a word.
        // Never `both`: bgpd 8.4 frees such a target twice when the instance goes, and dies of it.
        self.line(&mut lines, 10, "route-target import @", &["65000:78", "65000:79"]);
        self.line(&mut lines, 10, "route-target export @", &["65000:78", "65000:79"]);
        if lines.len() > 1 {
            let below: Vec<String> = lines[1..].iter().map(|line| format!(" {line}")).collect();
            push(out, " address-family l2vpn evpn", &below);
            out.push_str(" exit-address-family\n");
        }
        out.push_str("exit\n");
    }

    /// RD, label and targets of a VRF, and what they make possible.
    fn leaking(&self, lines: &mut Vec<String>) {
        let from = lines.len();
        self.line(lines, 60, "label vpn export @", &["auto", "auto", "auto", "5000"]);
        self.line(lines, 60, "rd vpn export @", &TARGETS);
        self.line(lines, 10, "nexthop vpn export @", &["10.255.0.1", "10.255.0.2"]);
        let lists = ["65000:100", "65000:100 65000:200", "65001:7", "192.0.2.1:9 65000:200"];
        let together = self.has(&format!("{} both", lines[0]), 30);
        if together {
            self.line(lines, 80, "rt vpn both @", &lists);
        } else {
            self.line(lines, 60, "rt vpn import @", &lists);
            self.line(lines, 60, "rt vpn export @", &lists);
        }
        self.line(lines, 10, "route-map vpn import @", &["RM-VPN", "RM-IN"]);
        self.line(lines, 10, "route-map vpn export @", &["RM-VPN", "RM-OUT"]);
        let said = |word: &str| lines[from..].iter().any(|line| line.starts_with(word));
        let complete = said("label") && said("rd ");
        let (export, import) =
            (said("rt vpn export") || said("rt vpn both"), said("rt vpn import") || said("rt vpn both"));
        if complete && export {
            self.line(lines, 60, "export vpn", &[]);
        }
        if complete && import {
            self.line(lines, 60, "import vpn", &[]);
        }
    }
}
