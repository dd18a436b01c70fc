//! The story of `make demo`, inside one process: the daemon's controller over a simulated domain from `config/demo`.

use super::{adapter_folder, adapters};
use andante::adagio::sim::{Fault, SimFiles, SimHandle, run_from_files};
use andante::config::Settings;
use andante::controller::{Absent, Controller, DocumentEdit, Terms};
use andante::daemon::{Invocation, read_elements, start};
use andante::domain::{Outcome, Principal, Role, TransactionRecord};
use andante::plan::Allowed;
use andante::tree::{Limits, Policy, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Domain {
    sim: SimHandle,
    controller: Arc<Controller>,
    _folder: tempfile::TempDir,
}

impl Domain {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo");
        std::fs::copy(demo.join("elements.toml"), at("elements.toml")).unwrap();
        std::fs::write(at("password"), "s3cret\n").unwrap();
        let (_, schemas) = adapters().await;
        let files =
            SimFiles { elements: at("elements.toml"), adapters: adapter_folder(), running: Some(demo), state: None };
        let sim = run_from_files(&files, schemas).await.unwrap();

        let mut settings = Settings::default();
        settings.paths.state = at("state");
        settings.paths.adapters = adapter_folder();
        settings.paths.profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("yang");
        settings.paths.yang = Vec::new();
        settings.paths.elements = PathBuf::new();
        settings.adagio.busy_timeout = 1;
        let program = PathBuf::from(env!("CARGO_BIN_EXE_andanted"));
        let (controller, _) = start(Invocation { settings, program, crash_at: None }).await.unwrap();
        let mut elements = read_elements(&at("elements.toml")).unwrap();
        for element in &mut elements {
            element.address = sim.address(&element.name).unwrap();
        }
        controller.apply_elements(&noc(), elements, Absent::Keep).await.unwrap();
        for name in sim.names() {
            let probe = controller.probe(&noc(), name, true).await.unwrap();
            assert!(probe.pinned && probe.fingerprint == sim.fingerprint(name).unwrap(), "{probe:?}");
        }
        Self { sim, controller, _folder: folder }
    }

    fn texts(&self) -> Vec<String> {
        self.sim.names().into_iter().map(|name| self.sim.text(name).unwrap()).collect()
    }

    fn put(&self) -> DocumentEdit {
        let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/l3vpn.json")).unwrap();
        let tree = json::parse(&text, self.controller.schema(), None, Policy::STRICT, &Limits::NORTH).unwrap();
        let (key, document) = self.controller.split(&tree).unwrap().remove(0);
        DocumentEdit::Put { key, document, expect: None }
    }

    async fn write(&self, edit: DocumentEdit) -> TransactionRecord {
        let (allowed, terms) = (Allowed::default(), Terms::default());
        self.controller.write(&noc(), vec![edit], &allowed, &terms).await.unwrap()
    }
}

fn noc() -> Principal {
    Principal { user: "noc".into(), role: Role::Administrator, tenant: None, ticket: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_lives_is_disturbed_by_hand_healed_and_leaves_no_trace() {
    let domain = Domain::start().await;
    let (sim, controller) = (&domain.sim, &domain.controller);
    let before = domain.texts();
    let put = domain.put();
    let plan = controller.propose(&noc(), vec![put.clone()], &Allowed::default()).await.unwrap();
    assert_eq!(plan.elements.len(), 3);
    assert_eq!(domain.texts(), before, "a dry-run sends nothing");
    let record = domain.write(put.clone()).await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    let deployed = domain.texts();
    assert!(deployed.iter().zip(&before).all(|(now, then)| now != then));

    // By hand, behind the daemon's back, on a CLI and on a NETCONF element.
    sim.hand_edit("pe2", "vrf acme\nno ip route 198.51.100.128/25 192.0.2.6\n").unwrap();
    sim.hand_edit(
        "pe1",
        "<interface-configurations xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg\"><interface-configuration>\
         <active>act</active><interface-name>GigabitEthernet0/0/0/1.100</interface-name><shutdown/>\
         <description>touched</description></interface-configuration></interface-configurations>",
    )
    .unwrap();
    for (name, place) in [("pe1", "description"), ("pe2", "vrf[name='acme']")] {
        let report = controller.check(&noc(), name).await.unwrap();
        assert!(report.deviations.iter().any(|deviation| deviation.path.contains(place)), "{report:#?}");
        let healed = controller.heal(&noc(), name, &[], &Terms::default()).await.unwrap();
        assert_eq!(healed.outcome, Some(Outcome::Applied), "{healed:#?}");
        assert_eq!(controller.check(&noc(), name).await.unwrap().deviations, []);
    }
    // What nobody claims stays: the shutdown that the hand added.
    let touched = sim.text("pe1").unwrap();
    assert!(touched.contains("<shutdown/>") && !touched.contains("touched"), "{touched}");
    sim.hand_edit(
        "pe1",
        "<interface-configurations xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg\"><interface-configuration>\
         <active>act</active><interface-name>GigabitEthernet0/0/0/1.100</interface-name>\
         <shutdown nc:operation=\"remove\"/></interface-configuration></interface-configurations>",
    )
    .unwrap();
    assert_eq!(domain.texts(), deployed);

    let record = domain.write(DocumentEdit::Delete { key: put.key().clone(), expect: None }).await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    assert_eq!(domain.texts(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_element_that_refuses_leaves_all_as_they_were() {
    let domain = Domain::start().await;
    let before = domain.texts();
    for (element, fault) in [
        ("pe2", Fault::RefuseLine { number: 7, answer: "% Configuration failed.".into() }),
        ("pe3", Fault::Refuse { on: "edit-config".into(), answer: "operation-failed".into(), times: 1 }),
    ] {
        domain.sim.fault(element, fault).unwrap();
        let record = domain.write(domain.put()).await;
        assert!(matches!(record.outcome, Some(Outcome::NotApplied { .. })), "{element}: {record:#?}");
        assert_eq!(domain.texts(), before, "{element}");
    }
    let record = domain.write(domain.put()).await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
}
