//! The story of `make demo`, inside one process: the daemon's controller over a simulated domain from `config/demo`.

use super::demo::{Demo, noc};
use super::platforms::platforms;
use andante::adagio::sim::Fault;
use andante::controller::{DocumentEdit, Terms};
use andante::domain::{Outcome, TransactionRecord};
use andante::plan::Allowed;

struct Domain(Demo);

impl Domain {
    async fn start() -> Self {
        let (_, schemas) = platforms().await;
        Self(Demo::start(schemas, |settings| settings.adagio.busy_timeout = 1).await)
    }

    fn texts(&self) -> Vec<String> {
        self.0.sim.names().into_iter().map(|name| self.0.sim.text(name).unwrap()).collect()
    }

    fn put(&self) -> DocumentEdit {
        self.0.edit(|text| text)
    }

    async fn write(&self, edit: DocumentEdit) -> TransactionRecord {
        let (allowed, terms) = (Allowed::default(), Terms::default());
        self.0.controller.write(&noc(), vec![edit], &allowed, &terms).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_lives_is_disturbed_by_hand_healed_and_leaves_no_trace() {
    let domain = Domain::start().await;
    let (sim, controller) = (&domain.0.sim, &domain.0.controller);
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
        domain.0.sim.fault(element, fault).unwrap();
        let record = domain.write(domain.put()).await;
        assert!(matches!(record.outcome, Some(Outcome::NotApplied { .. })), "{element}: {record:#?}");
        assert_eq!(domain.texts(), before, "{element}");
    }
    let record = domain.write(domain.put()).await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
}
