//! The daemon as a process of its own: a service comes, changes and goes on the real candidate, and the process dies at
//! every named point.

use crate::daemon::{ACME, Daemon};
use crate::element::Frr10;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One element, and the files of a daemon for it.
struct Domain {
    pe1: Frr10,
    folder: tempfile::TempDir,
}

impl Domain {
    fn start() -> Option<Self> {
        let domain = Self { pe1: crate::element()?, folder: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).display().to_string();
        let settings = format!(
            "[paths]\nstate = \"state\"\nadapters = \"{root}/tests/extra/adapters\"\nprofiles = \"{root}/yang\"\n\
             elements = \"elements.toml\"\n[presto]\nlisten = \"127.0.0.1:0\"\nsocket = \"andante.sock\"\n\
             sync_timeout = 60\n[adagio]\nconnect_timeout = 20\nanswer_timeout = 40\nbusy_timeout = 1\n\
             [transaction]\nlock_timeout = 20\n[reconcile]\nperiod = 0\n"
        );
        std::fs::write(domain.config(), settings).unwrap();
        let access = domain.pe1.access();
        let inventory = format!(
            "[[element]]\nname = \"pe1\"\nadapter = \"frr10\"\naddress = \"{}\"\nusername = \"{}\"\n\
             private_key = \"{}\"\nhost_key = \"{}\"\nrouter_id = \"10.0.0.1\"\nasn = 65000\n\
             ports = [{{ name = \"eth1\" }}]\n",
            access.addr(),
            access.username(),
            access.private_key().display(),
            access.host_key_fingerprint(),
        );
        std::fs::write(domain.folder.path().join("elements.toml"), inventory).unwrap();
        Some(domain)
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("andante.toml")
    }

    fn daemon(&self, arguments: &[&str]) -> Daemon {
        Daemon::start(&self.config(), &self.folder.path().join("andante.sock"), arguments)
    }
}

/// The service on one element.
fn document(vlan: u16) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/l3vpn-any-to-any.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut service = all["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0].clone();
    service["vpn-nodes"]["vpn-node"].as_array_mut().unwrap().truncate(1);
    let text = json!({ "ietf-l3vpn-ntw:vpn-service": [service] }).to_string();
    text.replace("GigabitEthernet0/0/0/1", "eth1").replace("\"cvlan-id\":100", &format!("\"cvlan-id\":{vlan}"))
}

#[test]
fn a_service_comes_changes_and_goes() {
    let Some(domain) = Domain::start() else { return };
    let before = domain.pe1.running();
    let daemon = domain.daemon(&[]);
    let planned = daemon.ask("PUT", &format!("{ACME}?dry-run=native"), &document(100));
    assert!(planned.status == 201 && planned.body.contains("interface eth1.100"), "{planned:?}");
    assert_eq!(domain.pe1.running(), before, "a dry-run changed something");
    daemon.ask("PUT", ACME, &document(100)).is(201);
    let with = domain.pe1.running();
    assert!(with.contains("interface eth1.100") && with.contains(" ip route 198.51.100.0/25 192.0.2.2"), "{with}");
    daemon.ask("PUT", ACME, &document(200)).is(204);
    let changed = domain.pe1.running();
    assert!(changed.contains("interface eth1.200") && !changed.contains("eth1.100"), "{changed}");
    assert_eq!(daemon.transactions()[0]["element"][0]["class"], "B", "{:#?}", daemon.transactions()[0]);
    daemon.ask("DELETE", ACME, "").is(204);
    assert_eq!(domain.pe1.running(), before);
    domain.pe1.nothing_is_left("after the service");
    let typed: String = domain.pe1.wire().iter().map(|session| session.text()).collect();
    for line in ["configure terminal file-lock", "mgmt commit check", "mgmt commit apply"] {
        assert_eq!(typed.matches(&format!("{line}\n")).count(), 3, "{line}: {typed}");
    }
    daemon.stop();
}

#[test]
fn a_daemon_that_dies_leaves_all_or_nothing() {
    let Some(domain) = Domain::start() else { return };
    let before = domain.pe1.running();
    let (mut carries, mut transactions) = (false, 0);
    let with = {
        let daemon = domain.daemon(&[]);
        daemon.ask("PUT", ACME, &document(100)).is(201);
        let with = domain.pe1.running();
        daemon.ask("DELETE", ACME, "").is(204);
        transactions += 2;
        daemon.stop();
        with
    };
    println!("{:<28} {:<8} {:<12} {:<10}", "died at", "work", "outcome", "element");
    for point in POINTS {
        let doomed = domain.daemon(&["--crash-at", point]);
        let (method, body) = if carries { ("DELETE", String::new()) } else { ("PUT", document(100)) };
        let answer = doomed.try_ask(method, ACME, &body);
        assert!(answer.is_err() || point == "after-end", "did not die at {point}: {answer:?}");
        doomed.dies_at(point);
        transactions += 1;
        let decided = POINTS.iter().position(|at| *at == "after-intent-decided").unwrap();
        let applied = POINTS.iter().position(|at| *at == point).unwrap() >= decided;
        let was = carries;
        carries = if applied { !carries } else { carries };
        let daemon = domain.daemon(&[]);
        let now = domain.pe1.running();
        let wanted = if carries { &with } else { &before };
        assert!(now == *wanted, "died at {point}: {now}\nwanted {wanted}");
        domain.pe1.nothing_is_left(point);
        let all = daemon.transactions();
        assert_eq!(all.len(), transactions, "died at {point}: {all:#?}");
        let outcome = all[0]["outcome"].as_str().unwrap().to_owned();
        assert_eq!(outcome, if applied { "applied" } else { "not-applied" }, "died at {point}: {:#?}", all[0]);
        assert_eq!(daemon.services().is_empty(), !carries, "died at {point}");
        let state = if applied { "all after" } else { "all before" };
        println!("{point:<28} {:<8} {outcome:<12} {state:<10}", if was { "delete" } else { "create" });
        daemon.stop();
    }
}

/// SIGKILL from outside, at whatever moment it falls into the middle of a transaction.
#[test]
fn a_daemon_that_is_killed_leaves_all_or_nothing() {
    let Some(domain) = Domain::start() else { return };
    let before = domain.pe1.running();
    for after in [0, 150, 300, 450, 600, 900] {
        let daemon = domain.daemon(&[]);
        let asked = daemon.ask_aside("PUT", ACME, &document(100));
        std::thread::sleep(Duration::from_millis(after)); // the moment is the input here, nothing is waited for
        daemon.kill();
        let _ = asked.join().unwrap();
        let daemon = domain.daemon(&[]);
        let now = domain.pe1.running();
        let has = !daemon.services().is_empty();
        assert!(if has { now.contains("eth1.100") } else { now == before }, "killed after {after} ms: {now}");
        domain.pe1.nothing_is_left("killed");
        if has {
            daemon.ask("DELETE", ACME, "").is(204);
        }
        assert_eq!(domain.pe1.running(), before);
        daemon.stop();
    }
}

/// In their order.
const POINTS: [&str; 19] = [
    "before-intent-locked",
    "after-intent-locked",
    "before-lock:pe1",
    "after-lock:pe1",
    "before-intent-prepared",
    "after-intent-prepared",
    "before-prepare:pe1",
    "after-prepare:pe1",
    "before-intent-applied",
    "after-intent-applied",
    "before-apply:pe1",
    "after-apply:pe1",
    "before-verify:pe1",
    "after-verify:pe1",
    "before-intent-decided",
    "after-intent-decided",
    "before-confirm:pe1",
    "after-confirm:pe1",
    "after-end",
];
