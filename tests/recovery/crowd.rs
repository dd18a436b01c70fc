//! A domain of as many real elements as wanted, each of the class that is wanted, and the files of a daemon for it.
//!
//! | class | what it is |
//! |---|---|
//! | A | netconfd with candidate and confirmed commit |
//! | B | netconfd whose hello keeps `:confirmed-commit` to itself, with `:startup` |
//! | C | netconfd with `:writable-running` and no candidate |
//! | D | FRR's vtysh |
//!
//! Each stands behind a line of its own. What they say is asked by sessions of the test's own, never of the daemon.

use crate::daemon::Daemon;
use crate::domain::{document, entry};
use crate::line::Line;
use crate::support::{
    Access, Cut, FrrElement, FrrOptions, NetconfElement, NetconfOptions, Target, WireSession, changed_adapters,
    iosxr_models, or_skip,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What an element can take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    A,
    B,
    C,
    D,
}

/// One element and the line to it.
pub struct Member {
    pub name: String,
    pub kind: Kind,
    pub server: Server,
    pub line: Line,
}

pub enum Server {
    Netconf(NetconfElement),
    Frr(FrrElement),
}

/// The domain. The elements are called `pe1`, `pe2`, … in their order.
pub struct Crowd {
    pub members: Vec<Member>,
    folder: tempfile::TempDir,
}

impl Crowd {
    /// Starts the elements and writes the files. `spoilt`: the daemon's adapter for NETCONF orders an explicit
    /// `<validate>`, after which this server's commits change nothing (F20). `None`: skipped, and counted.
    pub fn start(kinds: &[Kind], spoilt: bool) -> Option<Self> {
        let models = or_skip("IOS-XR modules", iosxr_models())?;
        let starting: Vec<_> = kinds.iter().enumerate().map(|(n, kind)| start(n, *kind)).collect();
        let mut members = Vec::new();
        for (n, (kind, starting)) in kinds.iter().zip(starting).enumerate() {
            let server = or_skip("element", starting.join().unwrap())?;
            let line = Line::to(server.access().addr());
            members.push(Member { name: format!("pe{}", n + 1), kind: *kind, server, line });
        }
        let crowd = Self { members, folder: tempfile::tempdir().unwrap() };
        crowd.write_files(&models, spoilt);
        Some(crowd)
    }

    fn write_files(&self, models: &Path, spoilt: bool) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut adapters = root.join("adapters");
        if spoilt {
            let says = [("validate = \"test-then-set\"", "validate = \"explicit\"")];
            adapters = changed_adapters(self.folder.path(), "iosxr", &says);
        }
        let text = format!(
            "[paths]\nstate = \"state\"\nadapters = \"{}\"\nprofiles = \"{}/yang\"\nyang = [\"{}\"]\n\
             elements = \"elements.toml\"\n[presto]\nlisten = \"127.0.0.1:0\"\nsocket = \"andante.sock\"\n\
             sync_timeout = 60\n[adagio]\nconnect_timeout = 20\nanswer_timeout = 20\nbusy_timeout = 1\n\
             [transaction]\nlock_timeout = 10\n[reconcile]\nperiod = 0\n",
            adapters.display(),
            root.display(),
            models.display(),
        );
        std::fs::write(self.folder.path().join("andante.toml"), text).unwrap();
        let entries = self.members.iter().enumerate().map(|(n, member)| {
            let (adapter, port) = if member.kind == Kind::D { ("frr", FRR_PORT) } else { ("iosxr", IOSXR_PORT) };
            let router_id = format!("10.0.0.{}", n + 1);
            entry(&member.name, adapter, member.line.addr(), &router_id, member.server.access(), port)
        });
        std::fs::write(self.folder.path().join("elements.toml"), entries.collect::<String>()).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("andante.toml")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("andante.sock")
    }

    /// The daemon, ready.
    pub fn daemon(&self) -> Daemon {
        Daemon::start(&self.config(), &self.socket(), &[])
    }

    /// The daemon that will die at this point, ready.
    pub fn doomed(&self, point: &str) -> Daemon {
        Daemon::start(&self.config(), &self.socket(), &["--crash-at", point])
    }

    pub fn names(&self) -> Vec<&str> {
        self.members.iter().map(|member| member.name.as_str()).collect()
    }

    pub fn member(&self, name: &str) -> &Member {
        self.members.iter().find(|member| member.name == name).unwrap()
    }

    /// What the elements say, byte for byte, in their order.
    pub fn running(&self) -> Vec<String> {
        self.members.iter().map(|member| member.server.running()).collect()
    }

    /// Waits until all elements say this.
    #[track_caller]
    pub fn comes_to(&self, what: &str, wanted: &[String]) {
        let mut now = self.running();
        let _ = crate::support::wait_until(what, Duration::from_secs(20), || {
            now = self.running();
            now == wanted
        });
        for (member, (now, wanted)) in self.members.iter().zip(now.iter().zip(wanted)) {
            assert!(now == wanted, "{what}: {} is\n{now}\nwanted\n{wanted}", member.name);
        }
    }

    /// Nobody holds a lock, candidates are clean, no confirmed commit is waiting.
    #[track_caller]
    pub fn nothing_is_locked(&self) {
        for member in &self.members {
            let Server::Netconf(element) = &member.server else { continue };
            let stores: &[&str] = if member.kind == Kind::C { &["running"] } else { &["running", "candidate"] };
            let mut operator = element.operator();
            for verb in ["lock", "unlock"] {
                for store in stores {
                    let reply = operator.rpc(&format!("<{verb}><target><{store}/></target></{verb}>"));
                    assert!(reply.contains("<ok"), "{}: {verb} {store}: {reply}", member.name);
                }
            }
        }
    }

    /// The service on all elements, as the body of its resource, with this VLAN.
    pub fn document(&self, vlan: u16) -> String {
        self.service(vlan, |_, _| ())
    }

    /// The same with a last word on each element's access.
    pub fn service(&self, vlan: u16, change: impl Fn(usize, &mut Value)) -> String {
        let mut all: Value = serde_json::from_str(&document()).unwrap();
        let service = &mut all["ietf-l3vpn-ntw:vpn-service"][0];
        let nodes = service["vpn-nodes"]["vpn-node"].take();
        let nodes = self.members.iter().enumerate().map(|(n, member)| {
            let mut node = nodes[usize::from(member.kind == Kind::D)].clone();
            let (us, them) = (format!("192.0.2.{}", 4 * n + 1), format!("192.0.2.{}", 4 * n + 2));
            node["vpn-node-id"] = json!(member.name);
            node["ne-id"] = json!(member.name);
            node["router-id"] = json!(format!("10.0.0.{}", n + 1));
            let access = &mut node["vpn-network-accesses"]["vpn-network-access"][0];
            access["id"] = json!(format!("acme-{}", member.name));
            access["connection"]["encapsulation"]["dot1q"]["cvlan-id"] = json!(vlan);
            let ip = &mut access["ip-connection"]["ipv4"];
            ip["local-address"] = json!(us);
            ip["address"][0]["customer-address"] = json!(them);
            let lans = &mut access["routing-protocols"]["routing-protocol"][0]["static"]["cascaded-lan-prefixes"];
            lans["ipv4-lan-prefixes"][0] = json!({ "lan": format!("198.51.100.{}/27", 32 * n), "next-hop": them });
            change(n, access);
            node
        });
        let nodes: Vec<Value> = nodes.collect();
        service["vpn-nodes"]["vpn-node"] = json!(nodes);
        all.to_string()
    }

    /// A service which the last element refuses in the middle of its lines: FRR takes no local AS that is the
    /// neighbour's own, and nothing that the adapter knows says so.
    pub fn refused_document(&self) -> String {
        let last = self.members.len() - 1;
        self.service(100, |n, access| {
            if n == last {
                let them = access["ip-connection"]["ipv4"]["address"][0]["customer-address"].clone();
                access["routing-protocols"]["routing-protocol"][0] = json!({
                    "id": "bgp", "type": "ietf-vpn-common:bgp-routing",
                    "bgp": { "peer-as": 65110, "local-as": 65110, "address-family": "ietf-vpn-common:ipv4",
                             "neighbor": [them] },
                });
            }
        })
    }
}

impl Server {
    pub fn access(&self) -> &Access {
        match self {
            Server::Netconf(element) => element,
            Server::Frr(element) => element,
        }
    }

    /// The running configuration, by a session of ours.
    pub fn running(&self) -> String {
        match self {
            Server::Netconf(element) => element.running(),
            Server::Frr(element) => element.running_config(),
        }
    }

    /// What each session sent, oldest first.
    pub fn wire(&self) -> Vec<WireSession> {
        match self {
            Server::Netconf(element) => element.wire(),
            Server::Frr(element) => element.wire(),
        }
    }

    pub fn cut(&self, when: Cut, pattern: &str) {
        match self {
            Server::Netconf(element) => element.cut(when, pattern),
            Server::Frr(element) => element.cut(when, pattern),
        }
    }

    pub fn cut_is_pending(&self) -> bool {
        match self {
            Server::Netconf(element) => element.cut_is_pending(),
            Server::Frr(element) => element.cut_is_pending(),
        }
    }
}

type Starting = std::thread::JoinHandle<Result<Server, crate::support::Unavailable>>;

fn start(n: usize, kind: Kind) -> Starting {
    std::thread::spawn(move || {
        if kind == Kind::D {
            let core = if n == 0 { "10.0.0.9" } else { "10.0.0.1" };
            let options = FrrOptions::pe(&format!("pe{}", n + 1), &format!("10.0.0.{}", n + 1), core);
            return Ok(Server::Frr(FrrElement::start(options)?));
        }
        let mut options = NetconfOptions::iosxr()?;
        match kind {
            Kind::B => {
                options.hides = vec!["confirmed-commit".into()];
                options.with_startup = true;
            }
            Kind::C => options.target = Target::Running,
            Kind::A | Kind::D => {}
        }
        Ok(Server::Netconf(NetconfElement::start(options)?))
    })
}

const IOSXR_PORT: &str = "GigabitEthernet0/0/0/1";
const FRR_PORT: &str = "eth1";
