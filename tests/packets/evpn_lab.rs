//! CLI provider edges with a data plane of VXLAN and bridges: FRR on the machine's own kernel.
//!
//! ```text
//!   acme-N ──── eth1 [peN] core ══ hub ══ core [other PEs]      EVPN (BGP, full mesh) is there before us
//!   globex-N ── eth2 [peN]
//! ```
//! The machine's kernel has no 802.1Q, so a customer has a port of its own. `evpn_agent.py` is the element's. All customers
//! use the same addresses. Everything stands in nameless network namespaces, and nothing is left when the lab is dropped.
use crate::Story;
use crate::customers::Customers;
use crate::daemon::Daemon;
use crate::support::processes::{Processes, cable, python, run};
use crate::support::{FrrElement, FrrOptions, Unavailable, program, wait_until};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// From the daemon's answer to the first packet: the agent looks twice a second, BGP tells the other ends.
pub const PASSES: Duration = Duration::from_secs(30);
/// The customers, with the port of each at every PE.
pub const CUSTOMERS: [(&str, &str); 2] = [("acme", "eth1"), ("globex", "eth2")];

/// The running network. Dropping it ends it.
pub struct EvpnLab {
    /// `pe1`, `pe2`, …
    pub pes: Vec<FrrElement>,
    /// Each customer has a site at each PE.
    pub customers: Customers,
    hub: Processes,
}

impl EvpnLab {
    /// Starts so many elements, their agents and the customers; EVPN is up between all of them when this returns.
    ///
    /// # Errors
    /// This machine cannot have it.
    pub fn start(elements: usize) -> Result<Self, Unavailable> {
        for needed in ["ping", "ethtool", "bridge"] {
            program(needed)?;
        }
        let numbers = 1..=elements;
        let element = |number: usize| -> Result<FrrElement, Unavailable> {
            let others = numbers.clone().filter(|other| *other != number);
            let (mut neighbours, mut active) = (String::new(), String::new());
            for other in others {
                let _ = writeln!(neighbours, " neighbor 192.0.2.{other} remote-as 65000");
                let _ = writeln!(neighbours, " neighbor 192.0.2.{other} timers connect 1");
                let _ = writeln!(active, "  neighbor 192.0.2.{other} activate");
            }
            let bgp = format!(
                "router bgp 65000\n bgp router-id 192.0.2.{number}\n no bgp default ipv4-unicast\n{neighbours} !\n \
                 address-family l2vpn evpn\n{active} exit-address-family\nexit\n"
            );
            let daemons = vec![("bgpd".into(), bgp), ("staticd".into(), String::new())];
            FrrElement::start(FrrOptions { hostname: format!("pe{number}"), daemons })
        };
        let pes = numbers.clone().map(element).collect::<Result<Vec<_>, _>>()?;
        let customers = Customers::with_sites(&CUSTOMERS.map(|(customer, _)| customer), elements)?;
        let mut lab = Self { pes, customers, hub: Processes::new()? };
        lab.hub.spawn_node("hub");
        run(lab.hub.command_in_node("hub", "ip").args(["link", "add", "name", "core", "up", "type", "bridge"]));
        for (number, pe) in (1..).zip(&mut lab.pes) {
            let (ours, vtep) = (format!("pe{number}"), format!("192.0.2.{number}"));
            cable((pe.node(), "core"), (lab.hub.pid("hub"), &ours));
            run(lab.hub.command_in_node("hub", "ip").args(["link", "set", "dev", &ours, "master", "core"]));
            pe.in_namespace(&["ip", "addr", "add", &format!("{vtep}/24"), "dev", "core"]);
            for (customer, port) in CUSTOMERS {
                lab.customers.attach(customer, number, (pe.node(), port));
            }
            let agent = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packets/evpn_agent.py");
            pe.spawn_agent("agent", &python()?.display().to_string(), &["-I", "-S", agent, &vtep]);
        }
        let up = |pe: &FrrElement| {
            let said = pe.vtysh(&["show bgp l2vpn evpn summary"]).unwrap_or_default();
            said.matches(" 00:").count() == elements - 1
        };
        wait_until("EVPN between the PEs", PASSES, || lab.pes.iter().all(up))
            .unwrap_or_else(|error| panic!("{error}\n{}", lab.diagnosis()));
        Ok(lab)
    }

    /// The elements as the daemon's inventory has them.
    pub fn inventory(&self) -> String {
        let ports = "{ name = \"eth1\" }, { name = \"eth2\" }, { name = \"core\", role = \"core\" }";
        let listed = |(number, pe): (usize, &FrrElement)| {
            pe.listed(&format!("pe{number}"), "frr", &format!("192.0.2.{number}"), ports)
        };
        (1..).zip(&self.pes).map(listed).collect()
    }

    /// The document is applied on so many elements and leaves nothing behind.
    #[track_caller]
    pub fn apply_on(&self, daemon: &Daemon, name: &str, document: &Value, elements: usize) {
        let residue = daemon.applied(&["service", "apply", &daemon.document(name, document)], elements);
        assert_eq!(residue, [""; 0], "{}", self.diagnosis());
    }

    /// Deleted on so many elements, without anything left.
    #[track_caller]
    pub fn delete_on(&self, daemon: &Daemon, name: &str, elements: usize) {
        assert_eq!(daemon.applied(&["service", "delete", name], elements), [""; 0], "{}", self.diagnosis());
    }

    /// Packets of a customer pass between the first two sites; `what` begins with its name.
    #[track_caller]
    pub fn passing(&self, story: &Story, what: &str) {
        let customer = what.split(',').next().unwrap_or(what);
        let took = self.customers.passes(customer, PASSES);
        let took = took.unwrap_or_else(|error| panic!("{error}\n{}", self.diagnosis()));
        story.tell(&format!("{what}: packets pass, {:.1} s after the answer", took.as_secs_f32()));
    }

    #[track_caller]
    pub fn settled(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        wait_until(what, PASSES, || holds(self)).unwrap_or_else(|error| panic!("{error}\n{}", self.diagnosis()));
    }

    pub fn configurations(&self) -> Vec<String> {
        self.pes.iter().map(FrrElement::running_config).collect()
    }

    /// What helps when packets do not pass.
    pub fn diagnosis(&self) -> String {
        let mut text = String::new();
        for (number, pe) in (1..).zip(&self.pes) {
            let shown = pe.vtysh(&["show running-config", "show evpn vni", "show bgp l2vpn evpn"]);
            let links = pe.in_namespace(&["ip", "-br", "link"]);
            let _ = write!(text, "--- pe{number}\n{}\n{links}{}", shown.unwrap_or_else(|said| said), pe.log("agent"));
        }
        text
    }
}

/// A customer's service over these PEs, a whole port at each: of two a wire, of three a LAN.
pub fn service(customer: &str, port: &str, pes: &[usize]) -> Value {
    let access = |_| {
        json!({
            "interface-id": port,
            "connection": {"encapsulation": {"encap-type": "ietf-vpn-common:ethernet-type"}},
        })
    };
    crate::wire::service(customer, "ietf-vpn-common:vxlan-evpn", pes, |number| format!("192.0.2.{number}"), access)
}
