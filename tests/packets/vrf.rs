//! IP VPNs between CLI elements without MPLS and VRF devices in the kernel: `zebra -n` takes network namespaces for VRFs,
//! and the element's own forwarding software (`vrf_agent.py`) carries what BGP VPNv4 has imported as MPLS in UDP.
//!
//! ```text
//!   acme-1 ──── eth1 [pe1] core ═══ VPNv4, labels in UDP ═══ core [pe2] eth1 ──── acme-2
//!   globex-1 ── eth2 [pe1]                                        [pe2] eth2 ── globex-2
//!   acme-3 ──── eth3 [pe1]
//! ```
//! A site is a router 192.168.N.2 with the address 198.51.100.N behind it, of all customers the same.
use crate::customers::{ADDRESSES, Customers};
use crate::daemon::Daemon;
use crate::support::processes::{cable, python, run};
use crate::support::{FrrElement, FrrOptions, Unavailable, or_skip, program, wait_until};
use crate::vpn::Access;
use crate::{Story, alone};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// From the daemon's answer to the first packet: the agents look twice a second, BGP tells the other end.
const PASSES: Duration = Duration::from_secs(40);
/// Where the sites of each customer stand: `(site, PE, port)`.
const SITES: [(&str, u16, &[(usize, usize, &str)]); 2] = [
    ("acme", 100, &[(1, 1, "eth1"), (2, 2, "eth1"), (3, 1, "eth3")]),
    ("globex", 200, &[(1, 1, "eth2"), (2, 2, "eth2")]),
];

#[test]
fn an_ip_vpn_in_namespaces_carries_packets_from_document_to_deletion() {
    let _alone = alone();
    let story = Story::begin("packets, T2 (IP VPN, FRR with namespaces as VRFs)");
    let Some(mut lab) = or_skip("IP VPN lab", Lab::start()) else { return };
    story.tell("two FRR elements, VPNv4 between them");
    let daemon = Daemon::start(&lab.inventory());
    daemon.in_sync(PASSES * 2);
    story.tell("andanted has both elements in sync");
    let nothing = lab.configurations();
    for (customer, ..) in SITES {
        assert_eq!(lab.customers.through(customer), 0, "{customer} has no service yet");
    }

    lab.apply(&daemon, "globex", &vpn("globex", 2), 2);
    lab.passing(&story, "globex", (1, 2), "created");
    assert_eq!(lab.customers.through("acme"), 0, "acme is another customer");
    let stream = lab.customers.stream("globex");

    let document = vpn("acme", 2);
    lab.apply(&daemon, "acme", &document, 2);
    lab.passing(&story, "acme", (1, 2), "created");
    daemon.ask(&["element", "check"]).with(0);
    assert_eq!(lab.customers.between("acme", 1, 3), 0, "no third site yet");

    // A third site on pe1: the first two lose nothing.
    let own = lab.customers.stream("acme");
    lab.apply(&daemon, "acme", &vpn("acme", 3), 1);
    lab.passing(&story, "acme", (1, 3), "a third site, reached on the same PE");
    lab.passing(&story, "acme", (2, 3), "the third site, reached from the other PE");
    let count = lab.customers.count(own);
    story.tell(&format!("the first two meanwhile: {} packets sent, {} lost", count.sent, count.lost.len()));
    assert_eq!(count.lost, [0; 0], "a third site lost packets of the first two: {}\n{}", count.gaps(), lab.diagnosis());

    // Shut: nothing passes, although globex has the same addresses and passes.
    let mut shut = vpn("acme", 3);
    shut["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0]["status"]["admin-status"]["status"] =
        "ietf-vpn-common:admin-down".into();
    lab.apply(&daemon, "acme", &shut, 2);
    lab.settled("a VPN that is shut carries nothing", |lab| lab.customers.through("acme") == 0);
    lab.apply(&daemon, "acme", &vpn("acme", 3), 2);
    lab.passing(&story, "acme", (1, 2), "shut and opened");

    drifted_and_healed(&lab, &daemon, &story);

    lab.delete(&daemon, "acme");
    lab.settled("nothing passes after the deletion", |lab| lab.customers.through("acme") == 0);
    assert_eq!(lab.customers.between("acme", 1, 3), 0);
    story.tell("acme deleted: 0 of 3");

    let count = lab.customers.count(stream);
    story.tell(&count.told("globex"));
    assert_eq!(count.lost, [0; 0], "the other customer lost packets: {}\n{}", count.gaps(), lab.diagnosis());
    lab.delete(&daemon, "globex");
    lab.settled("nothing passes after the deletion", |lab| lab.customers.through("globex") == 0);
    lab.settled("both print what they printed before", |lab| lab.configurations() == nothing);
    story.tell("globex deleted: both elements print what they printed before");
    for pe in &lab.pes {
        assert_eq!(pe.in_namespace(&["ip", "netns", "list"]), "", "no namespace of a VRF is left");
    }
    println!("andanted:\n{}\n{}", daemon.stop(), lab.diagnosis());
}

/// Somebody removes what pe1 exports and imports of the VPN.
fn drifted_and_healed(lab: &Lab, daemon: &Daemon, story: &Story) {
    let removed = lab.pes[0].vtysh(&["configure terminal", "no router bgp 65000 vrf acme"]);
    removed.unwrap_or_else(|error| panic!("{error}"));
    lab.settled("a VPN without its BGP leads nowhere", |lab| lab.customers.through("acme") == 0);
    assert_eq!(lab.customers.between("acme", 1, 3), 3, "inside pe1 nothing was removed");
    daemon.ask(&["element", "check", "pe1"]).with(2);
    let list = daemon.ask(&["deviation", "list", "--json"]).with(2).json();
    let found = list["andante:deviations"]["deviation"].as_array().cloned().unwrap_or_default();
    assert!(!found.is_empty(), "{list:#}");
    for deviation in &found {
        assert_eq!(deviation["element"], "pe1", "{deviation:#}");
        assert_eq!(deviation["service"][0]["id"], "acme", "{deviation:#}");
    }
    story.tell(&format!("BGP of acme removed by hand at pe1: 0 of 3; {} deviations name acme", found.len()));
    daemon.ask(&["deviation", "heal", "--element", "pe1"]).with(0);
    lab.passing(story, "acme", (1, 2), "healed");
    daemon.ask(&["element", "check"]).with(0);
}

struct Lab {
    pes: [FrrElement; 2],
    customers: Customers,
}

impl Lab {
    fn start() -> Result<Self, Unavailable> {
        for needed in ["ping", "ethtool", "nsenter", "unshare"] {
            program(needed)?;
        }
        if let Err(error) = std::fs::File::open("/dev/net/tun") {
            return Err(Unavailable(format!("/dev/net/tun: {error}")));
        }
        let element = |number: usize| -> Result<FrrElement, Unavailable> {
            let bgp = format!(
                "router bgp 65000\n bgp router-id 192.0.2.{number}\n neighbor 192.0.2.{0} remote-as 65000\n \
                 neighbor 192.0.2.{0} timers connect 1\n !\n address-family ipv4 vpn\n  \
                 neighbor 192.0.2.{0} activate\n exit-address-family\nexit\n",
                3 - number
            );
            let daemons = vec![("bgpd".into(), bgp), ("staticd".into(), String::new())];
            FrrElement::start_with_namespaces(FrrOptions { hostname: format!("pe{number}"), daemons })
        };
        let customers = Customers::with_sites(&SITES.map(|(customer, ..)| customer), 3)?;
        let mut lab = Self { pes: [element(1)?, element(2)?], customers };
        cable((lab.pes[0].node(), "core"), (lab.pes[1].node(), "core"));
        for (customer, _, sites) in SITES {
            for &(site, pe, port) in sites {
                lab.customers.attach(customer, site, (lab.pes[pe - 1].node(), port));
                lab.router(customer, site);
            }
        }
        for (number, pe) in (1..).zip(&mut lab.pes) {
            let core = format!("192.0.2.{number}");
            pe.in_namespace(&["ip", "addr", "add", &format!("{core}/24"), "dev", "core"]);
            let agent = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packets/vrf_agent.py");
            pe.spawn_agent("agent", &python()?.display().to_string(), &["-I", "-S", agent, &core]);
        }
        let up = |pe: &FrrElement| pe.vtysh(&["show bgp ipv4 vpn summary"]).is_ok_and(|said| said.contains(" 00:"));
        wait_until("VPNv4 between the PEs", PASSES, || lab.pes.iter().all(up))
            .unwrap_or_else(|error| panic!("{error}\n{}", lab.diagnosis()));
        Ok(lab)
    }

    /// The customer's host becomes a router: its address is behind it, and the link has addresses of its own.
    fn router(&self, customer: &str, site: usize) {
        let own = ADDRESSES[site - 1];
        let (link, gateway) = (format!("192.168.{site}.2/24"), format!("192.168.{site}.1"));
        for words in [
            vec!["addr", "flush", "dev", "eth0"],
            vec!["addr", "add", own, "dev", "lo"],
            vec!["addr", "add", &link, "dev", "eth0"],
            vec!["link", "set", "dev", "eth0", "mtu", "1500"],
            vec!["route", "add", "default", "via", &gateway, "src", own],
        ] {
            run(self.customers.at(customer, site, "ip").args(words));
        }
    }

    fn inventory(&self) -> String {
        let ports =
            "{ name = \"eth1\" }, { name = \"eth2\" }, { name = \"eth3\" }, { name = \"core\", role = \"core\" }";
        let listed = |(number, pe): (usize, &FrrElement)| {
            pe.listed(&format!("pe{number}"), "frr", &format!("192.0.2.{number}"), ports)
        };
        (1..).zip(&self.pes).map(listed).collect()
    }

    #[track_caller]
    fn apply(&self, daemon: &Daemon, name: &str, document: &Value, elements: usize) {
        let residue = daemon.applied(&["service", "apply", &daemon.document(name, document)], elements);
        assert_eq!(residue, [""; 0], "{}", self.diagnosis());
    }

    #[track_caller]
    fn delete(&self, daemon: &Daemon, name: &str) {
        assert_eq!(daemon.applied(&["service", "delete", name], 2), [""; 0], "{}", self.diagnosis());
    }

    #[track_caller]
    fn passing(&self, story: &Story, customer: &str, (from, to): (usize, usize), what: &str) {
        let took = self.customers.passes_between(customer, from, to, PASSES);
        let took = took.unwrap_or_else(|error| panic!("{what}: {error}\n{}", self.diagnosis()));
        assert_eq!(self.customers.between(customer, from, to), 3, "{}", self.diagnosis());
        story.tell(&format!("{customer}, {what}: packets pass, {:.1} s after the answer", took.as_secs_f32()));
    }

    #[track_caller]
    fn settled(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        wait_until(what, PASSES, || holds(self)).unwrap_or_else(|error| panic!("{error}\n{}", self.diagnosis()));
    }

    fn configurations(&self) -> [String; 2] {
        self.pes.each_ref().map(FrrElement::running_config)
    }

    fn diagnosis(&self) -> String {
        let mut text = String::new();
        for (number, pe) in (1..).zip(&self.pes) {
            let shown = pe.vtysh(&["show running-config", "show vrf", "show bgp ipv4 vpn", "show ip route vrf all"]);
            let _ = write!(text, "--- pe{number}\n{}\n{}", shown.unwrap_or_else(|said| said), pe.log("agent"));
        }
        text
    }
}

/// The customer's IP VPN over its first `sites` sites, each with a port of its own.
fn vpn(customer: &str, sites: usize) -> Value {
    let (_, number, places) = SITES.into_iter().find(|(name, ..)| *name == customer).expect("a customer");
    let access = |&(site, pe, port): &(usize, usize, &'static str)| Access {
        pe,
        id: format!("{customer}-{site}"),
        port,
        encapsulation: json!({"type": "ietf-vpn-common:ethernet-type"}),
        net: site as u8,
        lans: vec![format!("{}/32", ADDRESSES[site - 1])],
    };
    let accesses: Vec<Access> = places[..sites].iter().map(access).collect();
    crate::vpn::vpn(customer, number, |pe| format!("192.0.2.{pe}"), &accesses)
}
