//! E-Lines between CLI elements: EVPN and VXLAN by FRR on the machine's own kernel, judged by the customers' packets.
//!
//! ```text
//!   acme-1 ──── eth1 [pe1] core ════ core [pe2] eth1 ──── acme-2      EVPN (BGP) between the PEs is there before us
//!   globex-1 ── eth2 [pe1]                [pe2] eth2 ── globex-2
//! ```
//! The machine's kernel has no 802.1Q, so a customer has a port of its own. `evpn_agent.py` is the element's.
use crate::customers::Customers;
use crate::daemon::Daemon;
use crate::support::processes::{cable, python};
use crate::support::{Cut, FrrElement, FrrOptions, Unavailable, or_skip, program, wait_until};
use crate::wire::body;
use crate::{Story, alone};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// From the daemon's answer to the first packet: the agent looks twice a second, BGP tells the other end.
const PASSES: Duration = Duration::from_secs(30);
const CUSTOMERS: [(&str, &str); 2] = [("acme", "eth1"), ("globex", "eth2")];

#[test]
fn a_vxlan_wire_carries_packets_from_document_to_deletion() {
    let _alone = alone();
    let story = Story::begin("packets, T2 (E-Line, EVPN and VXLAN on FRR)");
    let Some(mut lab) = or_skip("EVPN lab", Lab::start()) else { return };
    story.tell("two FRR elements, EVPN between them");
    let daemon = Daemon::start(&lab.inventory());
    daemon.in_sync(PASSES * 2);
    story.tell("andanted has both elements in sync");
    for (customer, _) in CUSTOMERS {
        assert_eq!(lab.customers.through(customer), 0, "{customer} has no service yet");
    }

    lab.apply(&daemon, "globex", &wire("globex", "eth2"));
    lab.passing(&story, "globex");
    assert_eq!(lab.customers.through("acme"), 0, "acme is another customer");
    let stream = lab.customers.stream("globex");

    let document = wire("acme", "eth1");
    lab.apply(&daemon, "acme", &document);
    lab.passing(&story, "acme");
    daemon.ask(&["element", "check"]).with(0);

    let mut shut = document.clone();
    body(&mut shut)["status"]["admin-status"]["status"] = "ietf-vpn-common:admin-down".into();
    lab.apply(&daemon, "acme", &shut);
    lab.settled("a wire that is shut carries nothing", |lab| lab.customers.through("acme") == 0);
    assert!(lab.pes[0].running_config().contains(" shutdown"), "{}", lab.pes[0].running_config());
    lab.apply(&daemon, "acme", &document);
    lab.passing(&story, "acme, shut and opened");

    // Width and rate of a wire are nothing that FRR can say: refused before anything is sent.
    let before = lab.configurations();
    let mut narrow = document.clone();
    body(&mut narrow)["global-parameters-profiles"]["global-parameters-profile"][0]["svc-mtu"] = 1518.into();
    let mut rated = document.clone();
    let access = &mut body(&mut rated)["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"][0];
    access["service"] = json!({"svc-ce-to-pe-bandwidth": {"ce-to-pe-bandwidth": [
        {"bw-type": "ietf-vpn-common:bw-per-port", "cir": "10000000", "cbs": "50000"}
    ]}});
    for (word, document) in [("mtu", narrow), ("bandwidth", rated)] {
        let said = daemon.ask(&["service", "apply", &daemon.document(word, &document)]);
        assert!(said.code != Some(0) && said.err.contains(word), "{said:?}");
    }
    assert_eq!(lab.configurations(), before);
    assert_eq!(lab.customers.through("acme"), 3);

    lab.delete(&daemon, "acme");
    lab.settled("nothing passes after the deletion", |lab| lab.customers.through("acme") == 0);
    story.tell("acme deleted: 0 of 3");

    // One end says no: the other end's lines are taken back.
    let before = lab.configurations();
    lab.pes[1].cut(Cut::Refusal, "exit-vni");
    let said = daemon.ask(&["service", "apply", &daemon.document("acme", &document)]);
    assert!(!lab.pes[1].cut_is_pending(), "pe2 was never asked: {said:?}");
    assert_eq!(daemon.newest()["outcome"], "not-applied", "{said:?}");
    assert_eq!(lab.configurations(), before);
    assert_eq!(lab.customers.through("acme"), 0);
    story.tell("refused by pe2: nothing stands on pe1, 0 of 3");

    let count = lab.customers.count(stream);
    story.tell(&count.told("globex"));
    assert_eq!(count.lost, [0; 0], "the other customer lost packets: {}\n{}", count.gaps(), lab.diagnosis());
    lab.delete(&daemon, "globex");
    lab.settled("nothing passes after the deletion", |lab| lab.customers.through("globex") == 0);
    println!("andanted:\n{}\n{}", daemon.stop(), lab.diagnosis());
}

struct Lab {
    pes: [FrrElement; 2],
    customers: Customers,
}

impl Lab {
    fn start() -> Result<Self, Unavailable> {
        for needed in ["ping", "ethtool", "bridge"] {
            program(needed)?;
        }
        let python = python()?.display().to_string();
        let element = |number: usize| -> Result<FrrElement, Unavailable> {
            let bgp = format!(
                "router bgp 65000\n bgp router-id 192.0.2.{number}\n no bgp default ipv4-unicast\n \
                 neighbor 192.0.2.{0} remote-as 65000\n neighbor 192.0.2.{0} timers connect 1\n !\n \
                 address-family l2vpn evpn\n  neighbor 192.0.2.{0} activate\n exit-address-family\nexit\n",
                3 - number
            );
            let daemons = vec![("bgpd".into(), bgp), ("staticd".into(), String::new())];
            FrrElement::start(FrrOptions { hostname: format!("pe{number}"), daemons })
        };
        let customers = Customers::start(&CUSTOMERS.map(|(customer, _)| customer))?;
        let mut lab = Self { pes: [element(1)?, element(2)?], customers };
        cable((lab.pes[0].node(), "core"), (lab.pes[1].node(), "core"));
        for (number, pe) in (1..).zip(&mut lab.pes) {
            let vtep = format!("192.0.2.{number}");
            pe.in_namespace(&["ip", "addr", "add", &format!("{vtep}/24"), "dev", "core"]);
            for (customer, port) in CUSTOMERS {
                lab.customers.attach(customer, number, (pe.node(), port));
            }
            let agent = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packets/evpn_agent.py");
            pe.spawn_agent("agent", &python, &["-I", "-S", agent, &vtep]);
        }
        let up = |pe: &FrrElement| pe.vtysh(&["show bgp l2vpn evpn summary"]).is_ok_and(|said| said.contains(" 00:"));
        wait_until("EVPN between the PEs", PASSES, || lab.pes.iter().all(up))
            .unwrap_or_else(|error| panic!("{error}\n{}", lab.diagnosis()));
        Ok(lab)
    }

    /// The two elements as the daemon's inventory has them.
    fn inventory(&self) -> String {
        let ports = "{ name = \"eth1\" }, { name = \"eth2\" }, { name = \"core\", role = \"core\" }";
        let listed = |(number, pe): (usize, &FrrElement)| {
            pe.listed(&format!("pe{number}"), "frr", &format!("192.0.2.{number}"), ports)
        };
        (1..).zip(&self.pes).map(listed).collect()
    }

    #[track_caller]
    fn apply(&self, daemon: &Daemon, name: &str, document: &Value) {
        let residue = daemon.applied(&["service", "apply", &daemon.document(name, document)], 2);
        assert_eq!(residue, [""; 0], "{}", self.diagnosis());
    }

    #[track_caller]
    fn delete(&self, daemon: &Daemon, name: &str) {
        assert_eq!(daemon.applied(&["service", "delete", name], 2), [""; 0], "{}", self.diagnosis());
    }

    #[track_caller]
    fn passing(&self, story: &Story, what: &str) {
        let customer = what.split(',').next().unwrap_or(what);
        let took = self.customers.passes(customer, PASSES);
        let took = took.unwrap_or_else(|error| panic!("{error}\n{}", self.diagnosis()));
        story.tell(&format!("{what}: packets pass, {:.1} s after the answer", took.as_secs_f32()));
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
            let shown = pe.vtysh(&["show running-config", "show evpn vni", "show bgp l2vpn evpn"]);
            let links = pe.in_namespace(&["ip", "-br", "link"]);
            let _ = write!(text, "--- pe{number}\n{}\n{links}{}", shown.unwrap_or_else(|said| said), pe.log("agent"));
        }
        text
    }
}

/// A customer's wire: a whole port at both ends.
fn wire(customer: &str, port: &str) -> Value {
    let access = |_| {
        json!({
            "interface-id": port,
            "connection": {"encapsulation": {"encap-type": "ietf-vpn-common:ethernet-type"}},
        })
    };
    crate::wire::wire(customer, "ietf-vpn-common:vxlan-evpn", |number| format!("192.0.2.{number}"), access)
}
