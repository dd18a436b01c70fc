//! Against real servers: netconfd for holders and drafts, a pair of FRR for a BGP session that our change takes down.

use crate::by_adapter::ByAdapter;
use crate::plans::element_plan;
use crate::stage::limits;
use crate::support::{Access, FrrElement, FrrOptions, NetconfElement, or_skip, wait_until};
use andante::adagio::connect::Connector;
use andante::adagio::secret::NoSecrets;
use andante::adapter::Adapter;
use andante::domain::outcome::CauseKind;
use andante::domain::{CheckVerdict, Class, Element, Outcome, Principal, TransactionRecord};
use andante::plan::{ElementPlan, Plan};
use andante::store::{Batch, MemoryStore, Store};
use andante::transaction::{NoProbe, Opened, Runner, StopSignal, SystemAmbient, TransactionLimits, TransactionRequest};
use andante::tree::ConfigTree;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn connector() -> Connector {
    Connector {
        ssh: Default::default(),
        netconf: Default::default(),
        cli: Default::default(),
        busy: Duration::from_secs(1),
        secrets: Arc::new(NoSecrets),
        inside: None,
        readings: Arc::default(),
    }
}

fn element(name: &str, adapter: &str, access: &Access) -> Element {
    let text = format!(
        "name='{name}'\nadapter='{adapter}'\naddress='{}'\nusername='{}'\nhost_key='{}'\nprivate_key='{}'",
        access.addr(),
        access.username(),
        access.host_key_fingerprint(),
        access.private_key().display(),
    );
    toml::from_str(&text).unwrap()
}

async fn run(adapter: &Arc<Adapter>, element: &Element, of: ElementPlan, id: &str) -> TransactionRecord {
    let store = Arc::new(MemoryStore::new());
    let epoch = store.take_lease("live").await.unwrap();
    let limits = TransactionLimits { check: Duration::from_secs(5), margin: Duration::from_millis(500), ..limits() };
    let undo = Arc::new(ByAdapter(BTreeMap::from([(element.name.clone(), adapter.clone())])));
    let runner = Runner::new(store, epoch, Arc::new(SystemAmbient::new()), undo, Arc::new(NoProbe), limits);
    let south = BTreeMap::from([(element.name.clone(), connector().southbound(element, adapter).unwrap())]);
    let plan = Plan { id: String::new(), services: vec![], elements: vec![of], numbers: vec![], warnings: vec![] };
    let request = TransactionRequest {
        id: id.into(),
        plan: plan.sealed(),
        principal: Principal::daemon(),
        summary: "live".into(),
        closing: Arc::new(Batch::default()),
        progress: None,
        opened: Opened::default(),
    };
    runner.run(request, &south, StopSignal::new()).await
}

/// Two FRR with a cable and an iBGP session; the change gives the neighbour another AS number, which takes the session
/// down for good. The check sees it, and everything is as before, the session too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bgp_session_that_goes_down_by_our_change_aborts_the_transaction() {
    let options = |name: &str, own: &str, other: &str| {
        let bgp = format!(
            "router bgp 65000\n bgp router-id {own}\n neighbor {other} remote-as 65000\n \
             neighbor {other} timers connect 1\nexit\n"
        );
        FrrOptions { hostname: name.into(), daemons: vec![("bgpd".into(), bgp), ("staticd".into(), String::new())] }
    };
    let Some(pe1) = or_skip("FRR", FrrElement::start(options("pe1", "10.7.0.1", "10.7.0.2"))) else { return };
    let Some(pe2) = or_skip("FRR", FrrElement::start(options("pe2", "10.7.0.2", "10.7.0.1"))) else { return };
    pe1.link("core0", &pe2, "core0");
    pe1.in_namespace(&["ip", "addr", "add", "10.7.0.1/24", "dev", "core0"]);
    pe2.in_namespace(&["ip", "addr", "add", "10.7.0.2/24", "dev", "core0"]);
    let up = |pe: &FrrElement| {
        pe.vtysh(&["show bgp vrf all summary json"]).is_ok_and(|text| text.contains("\"state\":\"Established\""))
    };
    wait_until("the session", Duration::from_secs(60), || up(&pe1)).unwrap();

    let adapter = Arc::new(Adapter::load(&crate::platforms::adapter_folder().join("frr")).unwrap());
    let of_element = element("pe1", "frr", &pe1);
    let south = connector().southbound(&of_element, &adapter).unwrap();
    let before = {
        let mut reader = south.open_reader().await.unwrap();
        let reading = reader.read_running().await.unwrap();
        reader.close().await;
        reading.tree
    };
    let changed = |from: &str, to: &str| {
        let text = pe1.running_config();
        let other = text.replace(from, to);
        assert_ne!(text, other, "{text}");
        adapter.normalise(&adapter.parse(&other).unwrap().tree)
    };
    let bytes = pe1.running_config();
    let after = changed("neighbor 10.7.0.2 remote-as 65000", "neighbor 10.7.0.2 remote-as 65009");
    let mut plan = element_plan("pe1", &adapter, Class::D, &before, &after);
    plan.checks = vec!["bgp-session".into(), "interface".into(), "route-count".into()];
    let record = run(&adapter, &of_element, plan, "t1").await;
    let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{record:#?}") };
    assert!(cause.kind == CauseKind::Check && cause.message.contains("10.7.0.2 was Established"), "{cause}");
    let checks = &record.elements["pe1"].checks;
    assert!(checks[0].verdict == CheckVerdict::Failed && checks[0].check == "bgp-session", "{checks:#?}");
    assert!(checks.iter().any(|found| found.check == "interface" && found.subject == "core0"), "{checks:#?}");
    assert!(checks.iter().any(|found| found.check == "route-count"), "{checks:#?}");
    assert_eq!(pe1.running_config(), bytes);
    wait_until("the session again", Duration::from_secs(60), || up(&pe1)).unwrap();

    // A change that leaves it alone is applied with the same checks.
    let after = changed(
        "neighbor 10.7.0.2 remote-as 65000",
        "neighbor 10.7.0.2 remote-as 65000\n neighbor 10.7.0.2 description core",
    );
    let mut plan = element_plan("pe1", &adapter, Class::D, &before, &after);
    plan.checks = vec!["bgp-session".into(), "interface".into(), "route-count".into()];
    let record = run(&adapter, &of_element, plan, "t2").await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    let checks = &record.elements["pe1"].checks;
    assert!(checks.iter().all(|found| found.verdict == CheckVerdict::Good && found.before.is_some()), "{checks:#?}");
}

/// netconfd: a refused lock is told with its holder; a draft of somebody else is shown and stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_tells_who_holds_its_lock_and_keeps_a_draft() {
    let Some(pe1) = or_skip("netconfd", NetconfElement::start_iosxr()) else { return };
    let (adapters, _) = crate::platforms::platforms().await;
    let adapter = &adapters["iosxr"];
    let case = crate::platforms::adapter_folder().join("iosxr/tests/change_vlan_id/element-service.json");
    let wanted = serde_json::from_str(&std::fs::read_to_string(case).unwrap()).unwrap();
    let before = ConfigTree::default();
    let after = adapter.map(&wanted).unwrap();
    let plan = || element_plan("pe1", adapter, Class::A, &before, &after);
    let of_element = element("pe1", "iosxr", &pe1);

    let mut operator = pe1.operator();
    operator.expect_ok("<lock><target><candidate/></target></lock>");
    let record = run(adapter, &of_element, plan(), "t1").await;
    let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{record:#?}") };
    assert!(cause.kind == CauseKind::Locked && cause.message.contains("held by session "), "{cause}");
    println!("{cause}");
    operator.expect_ok("<unlock><target><candidate/></target></unlock>");

    let draft = "<vrfs xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg\"><vrf><vrf-name>draft</vrf-name>\
                 <create/></vrf></vrfs>";
    operator.expect_ok(&format!(
        "<edit-config><target><candidate/></target><default-operation>merge</default-operation><config>{draft}</config>\
         </edit-config>"
    ));
    let record = run(adapter, &of_element, plan(), "t2").await;
    let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{record:#?}") };
    assert!(cause.kind == CauseKind::Dirty && cause.message.contains("vrf-name='draft'"), "{cause}");
    println!("{cause}");
    let reply = operator.rpc("<get-config><source><candidate/></source></get-config>");
    assert!(reply.contains("draft"), "the draft is gone: {reply}");
    operator.expect_ok("<discard-changes/>");
    let record = run(adapter, &of_element, plan(), "t3").await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    assert!(record.elements["pe1"].session.is_some());
}
