//! Create, modify, delete: each a transaction over real elements, and nothing is left behind.

use crate::domain::{Domain, Wishes, access, applied};
use crate::support::ncclient_get_config;
use andante::adapter::Payload;
use andante::controller::DocumentEdit;
use andante::plan::Plan;
use serde_json::{Value, json};

/// What was planned is what was sent: the whole edit-config content, and the lines as one block in their order.
#[track_caller]
fn on_the_wire(domain: &Domain, plan: &Plan) {
    for element in &plan.elements {
        let sessions: Vec<String> = match element.element.as_str() {
            "pe1" => domain.pe1.wire(),
            "pe2" => domain.pe2.wire(),
            "pe3" => domain.pe3.as_ref().unwrap().wire(),
            _ => domain.pe4.as_ref().unwrap().wire(),
        }
        .iter()
        .map(|session| session.text())
        .collect();
        match &element.payload {
            Payload::Netconf { config } => {
                assert!(sessions.iter().any(|session| session.contains(config.as_str())), "{config}\n{sessions:#?}");
            }
            Payload::Cli { lines } => {
                let planned: Vec<&str> = lines.iter().map(|line| line.text.trim_end()).collect();
                let typed = |session: &String| {
                    let typed: Vec<&str> = session.split(['\r', '\n']).map(str::trim_end).collect();
                    typed.windows(planned.len()).any(|window| window == planned)
                };
                assert!(sessions.iter().any(typed), "{planned:#?}\n{sessions:#?}");
            }
        }
    }
}

#[track_caller]
fn names(plan: &Plan) -> Vec<&str> {
    plan.elements.iter().map(|element| element.element.as_str()).collect()
}

/// Writes what a dry-run of the same edit shows, and answers that dry-run.
async fn planned_and_written(domain: &Domain, edit: DocumentEdit) -> Plan {
    let plan = domain.plan(vec![edit.clone()]).await.unwrap();
    for element in &plan.elements {
        println!("{} {}\n{}\n{}", element.element, element.class, element.payload.native(), element.text);
    }
    applied(&domain.write(vec![edit]).await.unwrap());
    on_the_wire(domain, &plan);
    for element in plan.elements.iter().map(|element| element.element.as_str()) {
        let report = domain.check(element).await;
        assert!(report.deviations.is_empty(), "{element}: {:#?}", report.deviations);
    }
    plan
}

/// Writes versions of one service, one after the other, then removes it: everything is byte for byte as before.
pub async fn lives_and_leaves(domain: &Domain, versions: Vec<DocumentEdit>) -> Vec<Plan> {
    let before = domain.all_running();
    let key = versions[0].key().clone();
    let mut plans = Vec::new();
    for version in versions {
        plans.push(planned_and_written(domain, version).await);
        assert_ne!(domain.all_running(), before);
    }
    plans.push(planned_and_written(domain, domain.delete(&key)).await);
    for (element, after) in domain.all_running() {
        assert_eq!(after, before[element], "{element}");
    }
    plans
}

/// A service document becomes configuration of both elements; deleting it leaves both byte for byte as before; the bytes
/// of the dry-run are the bytes on the wire; an independent client sees the service.
#[tokio::test(flavor = "multi_thread")]
async fn an_l3vpn_lives_and_leaves_no_trace() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    let key = put.key().clone();
    let plan = domain.plan(vec![put.clone()]).await.unwrap();
    assert_eq!(names(&plan), ["pe1", "pe2"]);
    planned_and_written(&domain, put).await;
    let with_service = domain.running();
    assert!(with_service.0.contains("GigabitEthernet0/0/0/1.100"), "{}", with_service.0);
    assert!(with_service.1.contains("interface eth1.100"), "{}", with_service.1);

    let filter = "<interface-configurations xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg\"/>";
    match ncclient_get_config(&domain.pe1, filter) {
        Ok(seen) => assert!(seen.contains("<first-tag>100</first-tag>") && seen.contains("192.0.2.1"), "{seen}"),
        Err(missing) => crate::support::skipped("ncclient", &missing.0),
    }

    applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    let after = domain.running();
    assert_eq!(after.0, before.0, "pe1");
    assert_eq!(after.1, before.1, "pe2");
}

/// A dry-run opens no session that writes, locks nothing, takes no number, and says the same again.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_leaves_nothing_anywhere() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let writers = domain.writers();
    // Without a route distinguisher of its own, so that the ledger is asked for one.
    let put = domain.put("l3vpn-any-to-any.json", |text| text.replace("\"rd\": \"0:65000:100\",", ""));
    let first = domain.plan(vec![put.clone()]).await.unwrap();
    assert!(!first.numbers.is_empty(), "no number was asked for");
    let second = domain.plan(vec![put.clone()]).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(domain.writers(), writers);
    assert_eq!(domain.running(), before);
    // The tentative numbers are the ones of the commit.
    applied(&domain.write(vec![put]).await.unwrap());
    on_the_wire(&domain, &first);
}

/// A kept plan is committed with exactly its bytes, and not at all when the element has moved meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_plan_is_committed_as_it_is_or_not_at_all() {
    let Some(domain) = Domain::start().await else { return };
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    let keep = |edit: DocumentEdit| {
        let controller = domain.controller.clone();
        async move { controller.keep(&crate::domain::noc(), vec![edit], &Default::default(), None).await.unwrap().plan }
    };
    let commit = |plan: Plan| {
        let controller = domain.controller.clone();
        async move { controller.commit_kept(&crate::domain::noc(), &plan.id[..12], &Default::default()).await }
    };
    let plan = keep(put.clone()).await;
    domain.pe2.vtysh(&["configure terminal", "interface eth1.100", "description by hand"]).unwrap();
    let before = domain.running();
    let refused = commit(plan).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(domain.running(), before);
    domain.pe2.vtysh(&["configure terminal", "no interface eth1.100"]).unwrap();
    let plan = keep(put).await;
    applied(&commit(plan.clone()).await.unwrap());
    on_the_wire(&domain, &plan);
}

/// VLAN 100 becomes 200 at one end: the other element hears nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_vlan_changes_at_one_end_and_the_other_gets_no_write() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    applied(&domain.write(vec![put.clone()]).await.unwrap());
    let vlan = |node: usize| {
        domain.put_changed("l3vpn-any-to-any.json", |service| {
            access(service, node, 0)["connection"]["encapsulation"]["dot1q"]["cvlan-id"] = json!(200);
        })
    };

    let (settled, writers) = (domain.running(), domain.writers());
    let plan = planned_and_written(&domain, vlan(0)).await;
    assert_eq!(names(&plan), ["pe1"]);
    assert_eq!(domain.writers().1, writers.1, "pe2 was written to");
    let now = domain.running();
    assert_eq!(now.1, settled.1);
    assert!(now.0.contains("GigabitEthernet0/0/0/1.200") && !now.0.contains("GigabitEthernet0/0/0/1.100"), "{}", now.0);

    // Back at pe1 and forward at pe2 in one transaction; then pe2 alone is what differs from the first document.
    assert_eq!(names(&planned_and_written(&domain, vlan(1)).await), ["pe1", "pe2"]);
    let now = domain.running();
    assert_eq!(now.0, settled.0);
    assert!(now.1.contains("interface eth1.200") && !now.1.contains("interface eth1.100"), "{}", now.1);
    let writers = domain.writers();
    assert_eq!(names(&planned_and_written(&domain, put.clone()).await), ["pe2"]);
    assert_eq!(domain.writers().0, writers.0, "pe1 was written to");
    assert_eq!(domain.running(), settled);

    // The same document once more changes nothing anywhere.
    let writers = domain.writers();
    assert!(planned_and_written(&domain, put.clone()).await.elements.is_empty());
    assert_eq!(domain.writers(), writers);
    applied(&domain.write(vec![domain.delete(put.key())]).await.unwrap());
    assert_eq!(domain.running(), before);
}

/// A second access on each element, with its own route, comes and goes with the service.
#[tokio::test(flavor = "multi_thread")]
async fn accesses_are_added_and_taken_away() {
    let Some(domain) = Domain::start().await else { return };
    let whole = || domain.put("l3vpn-any-to-any.json", |text| text);
    let more = |nodes: &[usize]| {
        domain.put_changed("l3vpn-any-to-any.json", |service| {
            for node in nodes {
                let text = access(service, *node, 0).to_string();
                let text = text.replace("192.0.2.", "203.0.113.").replace("\"cvlan-id\":100", "\"cvlan-id\":101");
                let text =
                    text.replace("\"id\":\"acme-pe", "\"id\":\"acme-more-pe").replace("198.51.100.", "198.18.0.");
                let accesses = &mut service["vpn-nodes"]["vpn-node"][*node]["vpn-network-accesses"];
                accesses["vpn-network-access"].as_array_mut().unwrap().push(serde_json::from_str(&text).unwrap());
            }
        })
    };
    let plans = lives_and_leaves(&domain, vec![whole(), more(&[1]), more(&[0, 1]), more(&[0]), whole()]).await;
    let touched: Vec<Vec<&str>> = plans.iter().map(names).collect();
    let both = vec!["pe1", "pe2"];
    assert_eq!(touched, [both.clone(), vec!["pe2"], vec!["pe1"], vec!["pe2"], vec!["pe1"], both]);
}

/// BGP with the customer over IPv4 and IPv6: the neighbour's description and AS change, sessions come and go.
#[tokio::test(flavor = "multi_thread")]
async fn a_bgp_neighbour_changes() {
    let Some(domain) = Domain::start().await else { return };
    const FILE: &str = "l3vpn-bgp-dual-stack.json";
    let bgp = |service: &mut Value, node: usize, change: &dyn Fn(&mut Value)| {
        change(&mut access(service, node, 0)["routing-protocols"]["routing-protocol"][0]["bgp"]);
    };
    let versions = vec![
        domain.put(FILE, |text| text),
        domain.put_changed(FILE, |service| {
            bgp(service, 0, &|bgp| bgp["description"] = json!("said anew"));
        }),
        domain.put_changed(FILE, |service| {
            for node in [0, 1] {
                bgp(service, node, &|bgp| bgp["peer-as"] = json!(65111));
            }
        }),
        domain.put_changed(FILE, |service| {
            bgp(service, 1, &|bgp| bgp["bgp-timers"] = json!({ "keepalive": 3, "hold-time": 9 }));
            bgp(service, 1, &|bgp| bgp["as-override"] = json!(false));
        }),
        // One session less at each end.
        domain.put_changed(FILE, |service| {
            for node in [0, 1] {
                bgp(service, node, &|bgp| bgp["neighbor"].as_array_mut().unwrap().truncate(1));
                bgp(service, node, &|bgp| bgp["address-family"] = json!("ietf-vpn-common:ipv4"));
                bgp(service, node, &|bgp| bgp["redistribute-connected"] = json!([]));
            }
        }),
    ];
    let plans = lives_and_leaves(&domain, versions).await;
    assert_eq!(names(&plans[1]), ["pe1"]);
    assert_eq!(names(&plans[2]), ["pe1", "pe2"]);
    let lines = plans[2].elements[1].payload.native();
    assert!(lines.contains("remote-as 65111"), "{lines}");
}

/// Static routes to a second service beside the first: the shared parts stay until the last one goes, in any order.
#[tokio::test(flavor = "multi_thread")]
async fn two_services_share_what_is_shared() {
    let Some(domain) = Domain::start().await else { return };
    let before = domain.running();
    let first = domain.put("l3vpn-bgp-dual-stack.json", |text| text);
    let second = domain.put("l3vpn-bgp-dual-stack.json", |text| {
        let text =
            text.replace("globex", "hooli").replace("0:65000:110", "0:65000:130").replace("65000:1101", "65000:1301");
        let text = text.replace("65000:1102", "65000:1302").replace("\"cvlan-id\": 110", "\"cvlan-id\": 130");
        text.replace("192.0.2.", "198.18.0.").replace("2001:db8:110", "2001:db8:130")
    });
    let (one, two) = (first.key().clone(), second.key().clone());
    applied(&domain.write(vec![first]).await.unwrap());
    let with_first = domain.running();
    planned_and_written(&domain, second.clone()).await;
    let with_both = domain.running();
    planned_and_written(&domain, domain.delete(&two)).await;
    assert_eq!(domain.running(), with_first);
    planned_and_written(&domain, second).await;
    assert_eq!(domain.running(), with_both);
    planned_and_written(&domain, domain.delete(&one)).await;
    planned_and_written(&domain, domain.delete(&two)).await;
    assert_eq!(domain.running(), before);
}

/// Hub and spokes, one with two tags, over three elements.
#[tokio::test(flavor = "multi_thread")]
async fn hub_and_spokes() {
    let Some(domain) = Domain::with(Wishes { pe3: true, ..Wishes::default() }).await else { return };
    let plans = lives_and_leaves(&domain, vec![domain.put("l3vpn-hub-spoke.json", |text| text)]).await;
    assert_eq!(names(&plans[0]), ["pe1", "pe2", "pe3"]);
    let payload = |at: usize| plans[0].elements[at].payload.native();
    // The hub exports 120 and imports 121, the spokes the other way round.
    assert!(payload(1).contains("rt vpn export 65000:121") && payload(1).contains("rt vpn import 65000:120"));
    assert!(payload(2).contains("<second-tag>20</second-tag>"), "{}", payload(2));
}

/// An access with two tags on FRR, whose agent makes `eth1.<svid>.<cvid>` of it.
#[tokio::test(flavor = "multi_thread")]
async fn two_tags_on_both_elements() {
    let Some(domain) = Domain::start().await else { return };
    let qinq = |cvid: u32| {
        domain.put_changed("l3vpn-any-to-any.json", |service| {
            for node in [0, 1] {
                access(service, node, 0)["connection"]["encapsulation"] =
                    json!({ "type": "ietf-vpn-common:qinq", "qinq": { "svlan-id": 100, "cvlan-id": cvid } });
            }
        })
    };
    let plans = lives_and_leaves(&domain, vec![qinq(20), qinq(21)]).await;
    assert!(plans[0].elements[1].payload.native().contains("interface eth1.100.20"), "{:?}", plans[0].elements[1]);
}

/// Wires between two NETCONF elements, signalled by EVPN and by LDP, side by side.
#[tokio::test(flavor = "multi_thread")]
async fn wires_by_evpn_and_by_ldp() {
    let Some(domain) = Domain::with(Wishes { pe3: true, ..Wishes::default() }).await else { return };
    let before = domain.all_running();
    let evpn = |vlan: &str| {
        domain
            .put("l2vpn-vpws-evpn.json", |text| text.replacen("\"cvlan-id\": 200", &format!("\"cvlan-id\": {vlan}"), 1))
    };
    let ldp = domain.put("l2vpn-vpws-ldp.json", |text| text);
    let (first, second) = (evpn("200").key().clone(), ldp.key().clone());
    assert_eq!(names(&planned_and_written(&domain, evpn("200")).await), ["pe1", "pe3"]);
    let with_evpn = domain.all_running();
    // VLAN 200 becomes 201 at one end.
    assert_eq!(names(&planned_and_written(&domain, evpn("201")).await), ["pe1"]);
    assert_eq!(names(&planned_and_written(&domain, evpn("200")).await), ["pe1"]);
    assert_eq!(domain.all_running(), with_evpn);
    assert_eq!(names(&planned_and_written(&domain, ldp).await), ["pe1", "pe3"]);
    planned_and_written(&domain, domain.delete(&first)).await;
    planned_and_written(&domain, domain.delete(&second)).await;
    assert_eq!(domain.all_running(), before);
}

/// A wire over VXLAN between two FRR.
#[tokio::test(flavor = "multi_thread")]
async fn a_wire_over_vxlan() {
    let Some(domain) = Domain::with(Wishes { pe4: true, ..Wishes::default() }).await else { return };
    let version = |vlan: &str| {
        domain.put("l2vpn-vxlan-evpn.json", |text| {
            text.replacen("\"cvlan-id\": 220", &format!("\"cvlan-id\": {vlan}"), 1)
        })
    };
    let plans = lives_and_leaves(&domain, vec![version("220"), version("221")]).await;
    assert_eq!(names(&plans[0]), ["pe2", "pe4"]);
    assert_eq!(names(&plans[1]), ["pe2"]);
}

/// A new controller over the same store knows documents, claims and what was recorded.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_nothing() {
    let Some(mut domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = domain.put("l3vpn-any-to-any.json", |text| text);
    let key = put.key().clone();
    applied(&domain.write(vec![put.clone()]).await.unwrap());
    domain.pe2.vtysh(&["configure terminal", "interface eth1.100", "description vrf=acme by hand"]).unwrap();
    let raised = domain.check("pe2").await.deviations;
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let document = domain.controller.document(&crate::domain::noc(), &key).await.unwrap().unwrap();
    let why = domain.controller.why(&crate::domain::noc(), "pe1", "first-tag").await.unwrap();
    assert!(!why.is_empty());

    domain.restart().await;
    assert_eq!(domain.controller.document(&crate::domain::noc(), &key).await.unwrap().as_ref(), Some(&document));
    assert_eq!(domain.controller.why(&crate::domain::noc(), "pe1", "first-tag").await.unwrap(), why);
    let again = domain.check("pe2").await.deviations;
    assert_eq!((again.len(), &again[0].id, again[0].since), (1, &raised[0].id, raised[0].since));
    assert_eq!(again[0].recorded, raised[0].recorded);
    assert!(domain.check("pe1").await.deviations.is_empty());
    // The document is put once more: nothing to do, the change by hand is not in its way.
    let plan = domain.plan(vec![put]).await.unwrap();
    assert!(plan.elements.is_empty(), "{plan:#?}");
    applied(&domain.heal("pe2").await);
    applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    assert_eq!(domain.running(), before);
}
