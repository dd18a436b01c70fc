//! The iosxr adapter against the genuine modules of the release and against a real NETCONF server.
//!
//! Three proofs, each stronger and slower than the one before: libyang accepts what hundreds of drawn services map to, as
//! netconfd does with the golden cases, and what netconfd then prints reads back as the same tree. The first two need the
//! genuine modules (`make setup-test`) and are skipped with a printed reason without them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

mod drawn;

#[path = "../support/mod.rs"]
mod support;

use andante::adapter::{Adapter, AdapterError, Impact, Ownership};
use andante::service::ElementService;
use andante::service::element_service::*;
use andante::tree::{ConfigTree, Edit, Path as TreePath, diff};
use andante::yang::{DocumentKind, Encoding, ModuleSet, YangWorker};
use drawn::service;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/iosxr")
}

fn worker() -> YangWorker {
    YangWorker::spawn(Path::new(env!("CARGO_BIN_EXE_andanted")), &["yang-worker"], Duration::from_secs(60))
}

/// The adapter with the schema from this folder of modules, and the set.
async fn adapter(worker: &YangWorker, models: &Path) -> (Adapter, String) {
    let adapter = Adapter::load(&folder()).unwrap_or_else(|error| panic!("{error}"));
    let modules = adapter.manifest().netconf.as_ref().unwrap().modules.clone();
    let names: Vec<&str> = modules.iter().map(String::as_str).collect();
    let (set, profiles) = (ModuleSet::named(&names, &[models]), folder().join("yang"));
    let (loaded, stood_in) = worker.load_or_profiles(&set, Some(&profiles)).await.unwrap();
    assert!(loaded.left_out.is_empty(), "{:?}", loaded.left_out);
    // libyang takes two conditions of this one for a circle; netconfd does not.
    assert!(stood_in.iter().all(|out| out.module == "Cisco-IOS-XR-infra-policymgr-cfg"), "{stood_in:?}");
    (adapter.with_schema(loaded.index.clone()), loaded.id.clone())
}

/// The golden cases that are accepted, with their names.
fn cases() -> Vec<(String, ElementService)> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder().join("tests")).unwrap() {
        let case = entry.unwrap().path();
        if case.join("expected.xml").exists() {
            let text = fs::read_to_string(case.join("element-service.json")).unwrap();
            cases
                .push((case.file_name().unwrap().to_string_lossy().into_owned(), serde_json::from_str(&text).unwrap()));
        }
    }
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(cases.len() >= 10, "only {} golden cases were found", cases.len());
    cases
}

fn case(name: &str) -> ElementService {
    cases().into_iter().find(|case| case.0 == name).unwrap_or_else(|| panic!("no case {name}")).1
}

#[tokio::test]
async fn the_genuine_modules_accept_what_drawn_services_map_to() {
    let Some(models) = support::or_skip("iosxr modules", support::iosxr_models()) else { return };
    let worker = worker();
    let (genuine, set) = adapter(&worker, &models).await;
    let (profiles, _) = adapter(&worker, &folder().join("yang")).await;
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let mut seen = BTreeMap::<String, usize>::new();
    for _ in 0..runner.config().cases {
        let wanted = service().new_tree(&mut runner).unwrap().current();
        genuine.check(&wanted).unwrap_or_else(|refusals| panic!("{refusals:?}\n{wanted:#?}"));
        let tree = genuine.map(&wanted).unwrap_or_else(|error| panic!("{error}\n{wanted:#?}"));
        let text = genuine.text(&tree);
        let faults = worker.validate(&set, DocumentKind::Config, Encoding::Xml, &text).await.unwrap();
        assert!(faults.is_empty(), "{faults:#?}\n{text}");
        assert_eq!(genuine.parse(&text).unwrap().tree, tree, "{text}");
        // The profiles are what the simulator and `adapter check` have: the tree must be the same one.
        assert_eq!(profiles.map(&wanted).unwrap(), tree, "{wanted:#?}");
        *seen.entry(wanted.function).or_default() += 1;
    }
    assert!(seen.len() == 3 && seen.values().all(|count| *count > 20), "a poor draw: {seen:?}");
}

#[tokio::test]
async fn netconfd_takes_the_golden_cases_and_says_them_back() {
    let Some(models) = support::or_skip("iosxr modules", support::iosxr_models()) else { return };
    let Some(element) = support::or_skip("netconfd", support::NetconfElement::start_iosxr()) else { return };
    let (adapter, _) = adapter(&worker(), &models).await;
    let read = || {
        let data = element.running();
        let inner = data.trim_start_matches("<data>").trim_end_matches("</data>");
        let reading = adapter.parse(inner).unwrap_or_else(|error| panic!("{error}\n{data}"));
        (adapter.normalise(&reading.tree), reading.opaque)
    };
    let (empty, own) = read(); // the server has modules of its own
    for (name, wanted) in cases() {
        let tree = adapter.map(&wanted).unwrap();
        edit(&element, &adapter, &empty, &empty.overlay(&tree));
        let (found, opaque) = read();
        assert_eq!(opaque, own, "{name}: the server says something that no module knows");
        let missing = diff(&tree, &found.masked(&tree));
        let missing: Vec<_> = missing.edits.iter().map(Edit::path).collect();
        assert!(missing.is_empty(), "{name}: {missing:#?}");
        edit(&element, &adapter, &found, &empty);
        assert_eq!(read().0, empty, "{name}: everything must be gone again");
    }
}

/// Sends the difference as the daemon would.
fn edit(element: &support::NetconfElement, adapter: &Adapter, before: &ConfigTree, after: &ConfigTree) {
    let change = diff(before, after);
    if !change.is_empty() {
        element.edit_by_hand(&adapter.render(&change, before, after).unwrap().native());
    }
}

#[tokio::test]
async fn what_cannot_be_expressed_is_refused_with_its_path() {
    let (adapter, _) = adapter(&worker(), &folder().join("yang")).await;
    let mut wanted = case("change_vlan_id");
    wanted.attributes.push(("access.role.nni".into(), "/l3vpn/access/interface-id".into()));
    wanted.attributes.push(("access.static.metric".into(), "/l3vpn/access/static/metric".into()));
    let refusals = adapter.check(&wanted).unwrap_err();
    assert_eq!(refusals.len(), 2);
    assert_eq!(refusals[0].path, "/l3vpn/access/interface-id");
    assert_eq!(refusals[0].message, "platform iosxr cannot express access.role.nni (the access is an ENNI)");
    assert!(matches!(adapter.map(&wanted), Err(AdapterError::Refused(_))), "map must refuse what check refuses");

    // By value: only the template knows.
    let mut wanted = case("change_vlan_id");
    wanted.instance.as_mut().unwrap().rd = Some("4200000000:1".into());
    wanted.attributes.push(("instance.rd".into(), "/l3vpn/rd".into()));
    let refusals = adapter.check(&wanted).unwrap_err();
    assert_eq!((refusals[0].path.as_str(), refusals[0].attribute.as_str()), ("/l3vpn/rd", "instance.rd"));

    let mut wanted = case("vpws_dot1q");
    wanted.peers[0].loopback = None;
    assert!(adapter.check(&wanted).unwrap_err()[0].message.contains("no router id for pe2"));

    wanted.function = "evpn-vxlan".into();
    let error = adapter.map(&wanted).unwrap_err().to_string();
    assert!(error.contains("has no function evpn-vxlan; it offers evpn-vpws, l3vpn, vpws"), "{error}");
}

#[tokio::test]
async fn policies_are_named_apart_and_a_rate_changes_nothing_else() {
    let (adapter, _) = adapter(&worker(), &folder().join("yang")).await;
    // Identifiers that say the same when they are written one behind the other, in every direction.
    let asked = |service: &str, access: &str| {
        let mut wanted = case("bandwidth_both_ways");
        (wanted.service.id, wanted.accesses[0].id) = (service.into(), access.into());
        wanted
    };
    let names = |wanted: &ElementService| -> Vec<String> {
        let text = adapter.text(&adapter.map(wanted).unwrap());
        let names = text.split("<service-policy-name>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
        let names: Vec<String> = names.collect();
        assert!(names.iter().all(|name| text.contains(&format!("<name>{name}</name>"))), "{text}");
        names
    };
    let mut seen = BTreeMap::new();
    let long = "x".repeat(100);
    for (service, access) in [
        ("a:b", "c"),
        ("a", "b:c"),
        ("a-b", "c"),
        ("a", "b-c"),
        ("a", "b"),
        (&long, "b"),
        (&long[1..], "b"),
        ("a", &long),
    ] {
        let found = names(&asked(service, access));
        assert_eq!(found.len(), 2, "one for each direction");
        for name in found {
            assert!(name.len() <= 63, "{name}");
            assert_eq!(seen.insert(name, (service.to_owned(), access.to_owned())), None);
        }
    }
    let mut other = asked("a", "b");
    other.service.kind = "ip-vpn".into();
    assert!(names(&other).iter().all(|name| !seen.contains_key(name)), "another face has services of the same name");

    let before = case("bandwidth_both_ways");
    let mut after = before.clone();
    after.accesses[0].bandwidth.as_mut().unwrap().from_customer.as_mut().unwrap().cir = 7_000_000;
    let change = diff(&adapter.map(&before).unwrap(), &adapter.map(&after).unwrap());
    assert_eq!(change.edits.len(), 2, "rate and peak: {change:?}");
    for edit in &change.edits {
        let path = edit.path().to_string();
        assert!(path.contains("/policy-map[") && path.contains(":in']") && path.contains("/police/"), "{path}");
        assert_eq!(adapter.impact(edit), Impact::Hitless);
    }
    // A policy that comes or goes leaves the interface as it is.
    let mut without = before.clone();
    without.accesses[0].bandwidth = None;
    for (from, to) in [(&before, &without), (&without, &before)] {
        for edit in diff(&adapter.map(from).unwrap(), &adapter.map(to).unwrap()).edits {
            assert_eq!(adapter.impact(&edit), Impact::Hitless, "{edit:?}");
        }
    }
}

#[tokio::test]
async fn what_is_rounded_is_noted_with_both_values_and_the_path_of_its_access() {
    let (adapter, _) = adapter(&worker(), &folder().join("yang")).await;
    let mut wanted = case("l3vpn_bandwidth");
    let profile = |cir| BandwidthProfile { cir, eir: 0, cbs: None, ebs: None, color_aware: false, coupling: false };
    for (access, cir) in wanted.accesses.iter_mut().zip([5_000_000, 5_000_999]) {
        access.bandwidth = Some(Bandwidth { from_customer: None, to_customer: Some(profile(cir)) });
        wanted.attributes.push(("access.bandwidth.to-customer".into(), format!("/vpn/access[id='{}']/bw", access.id)));
    }
    let id = wanted.accesses[1].id.clone();
    let mapped = adapter.mapped(&wanted).unwrap();
    let told: Vec<String> = mapped.notes.iter().map(ToString::to_string).collect();
    assert_eq!(told, [format!("cir 5000999 bit/s to the customer is sent as 5000 kbit/s (/vpn/access[id='{id}']/bw)")]);
    assert_eq!(adapter.map(&wanted).unwrap(), mapped.tree);
}

/// What is sent for a profile `(cir, eir, cbs, ebs)`: `rate peak-rate burst peak-burst`, with how many notes; or a part of
/// the refusal.
#[tokio::test]
async fn rates_and_bursts_are_sent_in_the_router_s_units_up_to_their_ends() {
    let (adapter, _) = adapter(&worker(), &folder().join("yang")).await;
    let (most, many) = (4_294_967_295, u64::MAX);
    let sent = |cir, eir, cbs, ebs| {
        let mut wanted = case("bandwidth_both_ways");
        let profile = BandwidthProfile { cir, eir, cbs, ebs, color_aware: false, coupling: false };
        wanted.accesses[0].bandwidth = Some(Bandwidth { from_customer: Some(profile), to_customer: None });
        match adapter.mapped(&wanted) {
            Ok(mapped) => {
                let text = adapter.text(&mapped.tree);
                assert!(
                    !text.contains("<units>bps") && text.matches("kbps").count() == text.matches("rate>").count() / 2
                );
                let value = |tag: &str| {
                    let at = text.split(&format!("<{tag}>")).nth(1)?.split("<value>").nth(1)?.split('<').next()?;
                    Some(format!("{at} "))
                };
                let values = ["rate", "peak-rate", "burst", "peak-burst"].map(|tag| value(tag).unwrap_or("- ".into()));
                Ok(format!("{}{}", values.concat(), mapped.notes.len()))
            }
            Err(AdapterError::Refused(refusals)) => Err(refusals[0].message.clone()),
            Err(other) => panic!("{other}"),
        }
    };
    for ((cir, eir, cbs, ebs), wanted) in [
        ((1_000, 0, None, None), "1 - - - 0"),
        ((1_999, 0, Some(1), None), "1 - 1 - 1"),
        ((most * 1000 + 999, 0, Some(most), None), "4294967295 - 4294967295 - 1"),
        // Nothing is committed, and one rate is enough to say it; the plan says that nothing marks these frames.
        ((0, 30_000, None, Some(12)), "30 - 12 - 1"),
        ((0, 30_001, None, None), "30 - - - 2"),
        // Excess goes on unmarked, which is told; each rounding is told, too.
        ((2_000, 1_000, Some(5), Some(7)), "2 3 5 12 1"),
        ((1_500, 600, Some(5), None), "1 2 5 - 3"),
        ((1_000, (most - 1) * 1000, None, None), "1 4294967295 - - 1"),
    ] {
        assert_eq!(sent(cir, eir, cbs, ebs).as_deref(), Ok(wanted), "{cir} {eir} {cbs:?} {ebs:?}");
    }
    for ((cir, eir, cbs, ebs), why) in [
        ((999, 0, None, None), "cir 999 bit/s"),
        ((0, 999, None, None), "eir 999 bit/s"),
        ((most * 1000 + 1000, 0, None, None), "4294967295 kbit/s or less"),
        ((many, 0, None, None), "cir 18446744073709551615 bit/s"),
        ((1_000, many - 1_000, None, None), "cir + eir 18446744073709551615 bit/s"),
        ((1_000, 999, None, None), "steps of 1 kbit/s"),
        ((1_000, 0, Some(most + 1), None), "cbs 4294967296 bytes"),
        ((1_000, 1_000, Some(most), Some(1)), "cbs + ebs 4294967296 bytes"),
        ((1_000, 1_000, Some(many), Some(many)), "cbs 18446744073709551615 bytes"),
        ((1_000, 1_000, None, Some(1)), "ebs without cbs"),
    ] {
        let refused = sent(cir, eir, cbs, ebs).unwrap_err();
        assert!(refused.contains(why), "{cir} {eir} {cbs:?} {ebs:?}: {refused}");
    }
}

#[tokio::test]
async fn what_a_customer_types_cannot_leave_its_place() {
    let (adapter, _) = adapter(&worker(), &folder().join("yang")).await;
    let plain = adapter.map(&case("change_vlan_id")).unwrap();
    let mut wanted = case("change_vlan_id");
    wanted.service.customer = "</description><shutdown/><description>\r\n\u{0}&amp;{{ element }}".into();
    let tree = adapter.map(&wanted).unwrap();
    for edit in diff(&plain, &tree).edits {
        assert!(matches!(edit, Edit::Set { .. }), "only descriptions may differ: {edit:?}");
        assert!(edit.path().to_string().ends_with("/description"), "{}", edit.path());
    }
    // Where no filter makes text harmless, it is an error.
    let mut wanted = case("change_vlan_id");
    wanted.accesses[0].port = "Gi0\n".into();
    let error = adapter.map(&wanted).unwrap_err().to_string();
    assert!(error.contains("services/names.j2:") && error.contains("U+000A"), "{error}");
}

#[tokio::test]
async fn paths_are_judged_as_the_router_sees_them() {
    let (adapter, _) = adapter(&worker(), &folder().join("yang")).await;
    let tree = adapter.map(&case("l3vpn_every_attribute")).unwrap();
    let mut paths = Vec::new();
    tree.walk(&mut |path, _| {
        paths.push(path.clone());
        true
    });
    let find = |end: &str| -> TreePath {
        let found = paths.iter().find(|path| path.to_string().ends_with(end));
        found.unwrap_or_else(|| panic!("no path ends with {end}")).clone()
    };
    for (end, ownership) in [
        ("vrfs/vrf[vrf-name='acme']", Ownership::Own),
        ("[interface-name='GigabitEthernet0/0/0/1.1000020']", Ownership::Own),
        ("[interface-name='GigabitEthernet0/0/0/1.1000020']/description", Ownership::Own),
        ("[interface-name='GigabitEthernet0/0/0/2']", Ownership::Shared),
        ("[interface-name='GigabitEthernet0/0/0/2']/Cisco-IOS-XR-infra-rsi-cfg:vrf", Ownership::Shared),
        ("/bgp-running", Ownership::Shared),
        ("/vrf-neighbor[neighbor-address='192.168.1.2']", Ownership::Own),
        ("[route-policy-name='andante-pass']", Ownership::Shared),
        ("/Cisco-IOS-XR-ifmgr-cfg:interface-configurations", Ownership::Shared),
    ] {
        assert_eq!(adapter.ownership(&find(end)), ownership, "{end}");
    }
    let set = |end: &str| {
        let path = find(end);
        let value = tree.at(&path).unwrap().value().unwrap().clone();
        adapter.impact(&Edit::Set { path, old: value.clone(), new: value })
    };
    assert_eq!(set("[interface-name='GigabitEthernet0/0/0/1.1000020']/description"), Impact::Hitless);
    assert_eq!(set("[interface-name='GigabitEthernet0/0/0/2']/Cisco-IOS-XR-infra-rsi-cfg:vrf"), Impact::DropsTraffic);
    assert_eq!(
        set("/vrf-neighbor[neighbor-address='192.168.1.2']/timers/hold-time"),
        Impact::ResetsSession("BGP acme 192.168.1.2".into())
    );
    assert!(paths.iter().all(|path| !adapter.is_protected(path) && !adapter.is_derived(path)));
}
