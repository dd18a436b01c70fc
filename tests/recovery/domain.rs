//! A domain of two real elements, and the files of a daemon for it.

use crate::daemon::{ACME, Answer, Daemon};
use crate::line::Line;
use crate::support::{Access, FrrElement, FrrOptions, NetconfElement, iosxr_models, or_skip};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `pe1` is a NETCONF element (class A), `pe2` is FRR behind a line that can be slow, still or dead (class D).
pub struct Domain {
    pub pe1: NetconfElement,
    pub pe2: FrrElement,
    /// Between the daemon and `pe2`.
    pub line: Line,
    folder: tempfile::TempDir,
}

/// What both elements say, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Running {
    pub pe1: String,
    pub pe2: String,
}

impl Domain {
    /// Starts the elements and writes the files. `None`: skipped, and counted.
    pub fn start() -> Option<Self> {
        let starting = std::thread::spawn(NetconfElement::start_iosxr);
        let pe2 = or_skip("FRR", FrrElement::start(FrrOptions::pe("pe2", "10.0.0.2", "10.0.0.1")));
        let pe1 = or_skip("netconfd", starting.join().unwrap());
        let models = or_skip("IOS-XR modules", iosxr_models())?;
        let (pe1, pe2) = (pe1?, pe2?);
        let line = Line::to(pe2.addr());
        let domain = Self { pe1, pe2, line, folder: tempfile::tempdir().unwrap() };
        domain.configure("andante", &models);
        domain.inventory(&["pe1", "pe2"]);
        Some(domain)
    }

    /// Settings of one daemon. Daemons of different names share the store.
    fn configure(&self, name: &str, models: &Path) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = format!(
            "[paths]\nstate = \"state\"\nadapters = \"{root}/adapters\"\nprofiles = \"{root}/yang\"\n\
             yang = [\"{models}\"]\nelements = \"elements.toml\"\n\
             [presto]\nlisten = \"127.0.0.1:0\"\nsocket = \"{name}.sock\"\nsync_timeout = 60\n\
             [adagio]\nconnect_timeout = 20\nanswer_timeout = 40\nbusy_timeout = 1\n\
             [transaction]\nlock_timeout = 20\n[reconcile]\nperiod = 0\n",
            root = root.display(),
            models = models.display(),
        );
        std::fs::write(self.config(name), text).unwrap();
    }

    /// A second settings file for the same store.
    pub fn configure_second(&self) {
        self.configure("second", &iosxr_models().unwrap());
    }

    /// Writes `elements.toml` with these of the two elements.
    pub fn inventory(&self, names: &[&str]) {
        let mut text = String::new();
        if names.contains(&"pe1") {
            text += &entry("pe1", "iosxr", self.pe1.addr(), "10.0.0.1", &self.pe1, "GigabitEthernet0/0/0/1");
        }
        if names.contains(&"pe2") {
            text += &entry("pe2", "frr", self.line.addr(), "10.0.0.2", &self.pe2, "eth1");
        }
        std::fs::write(self.folder().join("elements.toml"), text).unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.toml"))
    }

    pub fn socket(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.sock"))
    }

    /// The daemon, ready.
    pub fn daemon(&self) -> Daemon {
        Daemon::start(&self.config("andante"), &self.socket("andante"), &[])
    }

    /// The daemon that will die at this point, ready.
    pub fn doomed(&self, point: &str) -> Daemon {
        Daemon::start(&self.config("andante"), &self.socket("andante"), &["--crash-at", point])
    }

    /// The same, not awaited: it may die before it is ready.
    pub fn doomed_at_start(&self, point: &str) -> Daemon {
        Daemon::launch(&self.config("andante"), &self.socket("andante"), &["--crash-at", point], &[])
    }

    /// What the elements say.
    pub fn running(&self) -> Running {
        Running { pe1: self.pe1.running(), pe2: self.pe2.running_config() }
    }

    /// Waits until both elements say this.
    #[track_caller]
    pub fn comes_to(&self, what: &str, wanted: &Running) {
        let mut now = self.running();
        let _ = crate::support::wait_until(what, Duration::from_secs(20), || {
            now = self.running();
            now == *wanted
        });
        assert!(now.pe1 == wanted.pe1, "{what}: pe1 is\n{}\nwanted\n{}", now.pe1, wanted.pe1);
        assert!(now.pe2 == wanted.pe2, "{what}: pe2 is\n{}\nwanted\n{}", now.pe2, wanted.pe2);
    }

    /// Nobody holds a lock on `pe1`, its candidate is clean, and no confirmed commit is waiting.
    #[track_caller]
    pub fn nothing_is_locked(&self) {
        let mut operator = self.pe1.operator();
        for store in ["running", "candidate"] {
            let reply = operator.rpc(&format!("<lock><target><{store}/></target></lock>"));
            assert!(reply.contains("<ok"), "{store} cannot be locked: {reply}");
        }
        for store in ["candidate", "running"] {
            let reply = operator.rpc(&format!("<unlock><target><{store}/></target></unlock>"));
            assert!(reply.contains("<ok"), "{store} cannot be unlocked: {reply}");
        }
    }

    /// The configurations before and after the service, from a run without trouble, which also shows that they can be
    /// reached; everything is as before at the end.
    pub fn reference(&self) -> Reference {
        let before = self.running();
        let daemon = self.daemon();
        daemon.put(&document()).is(201);
        let after = self.running();
        assert!(after.pe1 != before.pe1 && after.pe2 != before.pe2);
        daemon.put(&changed()).is(204);
        let other = self.running();
        assert!(other.pe1 != after.pe1 && other.pe2 != after.pe2);
        daemon.delete().is(204);
        self.comes_to("after the removal", &before);
        daemon.stop();
        Reference { before, after, other }
    }
}

/// What the elements say without the service, with it, and with its changed version.
pub struct Reference {
    pub before: Running,
    pub after: Running,
    pub other: Running,
}

impl Daemon {
    /// PUT of the service.
    pub fn put(&self, document: &str) -> Answer {
        self.ask("PUT", ACME, document)
    }

    pub fn delete(&self) -> Answer {
        self.ask("DELETE", ACME, "")
    }
}

/// The service, as the body of its resource.
pub fn document() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/l3vpn-any-to-any.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let service = &all["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"];
    serde_json::json!({ "ietf-l3vpn-ntw:vpn-service": service }).to_string()
}

/// The same with another VLAN on both elements.
pub fn changed() -> String {
    let text = document();
    let other = text.replace("\"cvlan-id\":100", "\"cvlan-id\":200");
    assert_ne!(text, other);
    other
}

pub fn entry(name: &str, adapter: &str, address: SocketAddr, router_id: &str, access: &Access, port: &str) -> String {
    format!(
        "[[element]]\nname = \"{name}\"\nadapter = \"{adapter}\"\naddress = \"{address}\"\nusername = \"{}\"\n\
         private_key = \"{}\"\nhost_key = \"{}\"\nrouter_id = \"{router_id}\"\nasn = 65000\n\
         ports = [{{ name = \"{port}\" }}]\n\n",
        access.username(),
        access.private_key().display(),
        access.host_key_fingerprint(),
    )
}
