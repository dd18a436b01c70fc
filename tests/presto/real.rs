//! Writes that are applied, on real elements: netconfd with the genuine IOS-XR modules, and FRR.
//!
//! The status codes of a controller that orchestrators know, entity tags, dry-runs, plans, hand-made changes.

use crate::command::andante;
use crate::daemon::{ACME, Answer, Daemon, JSON, SERVICES, XML, element, service};
use crate::support::{Access, FrrElement, FrrOptions, NetconfElement, or_skip};
use andante::domain::Element;
use http::Method;
use serde_json::json;

struct Lab {
    daemon: Daemon,
    pe1: NetconfElement,
    pe2: FrrElement,
}

async fn lab() -> Option<Lab> {
    let pe1 = or_skip("netconfd", NetconfElement::start_iosxr())?;
    let pe2 = or_skip("FRR", FrrElement::start(FrrOptions::pe("pe2", "10.0.0.2", "10.0.0.1")))?;
    let reach = |base: Element, address: String, access: &Access| Element {
        address,
        username: access.username(),
        private_key: Some(access.private_key()),
        host_key: Some(access.host_key_fingerprint().into()),
        ..base
    };
    let daemon = Daemon::with(
        vec![
            reach(element("pe1", "iosxr", &["GigabitEthernet0/0/0/1"]), pe1.addr().to_string(), &pe1),
            reach(element("pe2", "frr", &["eth1"]), pe2.addr().to_string(), &pe2),
        ],
        false,
    )
    .await;
    Some(Lab { daemon, pe1, pe2 })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_creates_changes_reads_and_deletes() {
    let Some(Lab { daemon, pe1, pe2 }) = lab().await else { return };
    let before = (pe1.running(), pe2.running_config());
    let body = service("l3vpn-any-to-any.json").to_string();
    let write = |method: Method, path: String, extra: Vec<(&'static str, String)>, body: String| {
        let daemon = &daemon;
        async move {
            let mut headers = vec![("content-type", JSON)];
            headers.extend(extra.iter().map(|(name, value)| (*name, value.as_str())));
            daemon.ask(method, &path, &headers, body).await
        }
    };

    // A dry-run says that it would be created, and leaves no trace.
    for kind in ["native", "diff", "patch"] {
        let rehearsal = daemon.put(&format!("{ACME}?dry-run={kind}"), body.clone()).await.is(201);
        assert!(rehearsal.header("location").is_none() && rehearsal.header("etag").is_none());
        let devices = rehearsal.json()["dry-run-result"][kind]["device"].clone();
        assert_eq!((devices[0]["name"].as_str(), devices[1]["name"].as_str()), (Some("pe1"), Some("pe2")), "{devices}");
        assert!(devices[1]["data"].as_str().unwrap().contains("eth1.100"), "{devices}");
    }
    let model = daemon.put(&format!("{ACME}?dry-run=model"), body.clone()).await.is(201).json();
    let model = &model["dry-run-result"]["model"];
    assert_eq!(model["class"], "D", "{model}");
    assert_eq!(model["service"][0]["effect"], "create", "{model}");
    assert_eq!(model["element-service"][0]["content"]["function"], "l3vpn", "{model}");
    daemon.untouched().await;
    assert_eq!((pe1.running(), pe2.running_config()), before);

    // Created.
    let created = write(Method::PUT, ACME.into(), vec![("andante-ticket", "CHG-1".into())], body.clone()).await.is(201);
    assert_eq!(created.header("location"), Some(ACME));
    let id = created.header("andante-transaction").unwrap().to_owned();
    let transaction = &created.json()["andante:transaction"][0];
    assert_eq!((&transaction["id"], &transaction["outcome"]), (&json!(id), &json!("applied")), "{transaction}");
    assert_eq!(transaction["element"][0]["state"], "confirmed", "{transaction}");
    assert_eq!(transaction["ticket"], "CHG-1");
    daemon.get(&format!("/restconf/data/andante:transactions/transaction={id}")).await.is(200);

    // Read, in both encodings, whole and in part.
    let got = daemon.get(ACME).await.is(200);
    let etag = got.header("etag").unwrap().to_owned();
    assert_eq!(created.header("etag"), Some(etag.as_str()));
    assert!(got.header("last-modified").is_some());
    let entry = &got.json()["ietf-l3vpn-ntw:vpn-service"][0];
    assert_eq!(entry["status"]["oper-status"]["status"], "ietf-vpn-common:op-unknown", "{entry}");
    let config = daemon.get(&format!("{ACME}?content=config")).await.is(200).json();
    // Kept as it was put, identities in canonical form.
    let put = body.replace("\"static-address\"", "\"ietf-l3vpn-ntw:static-address\"");
    let put: serde_json::Value = serde_json::from_str(&put).unwrap();
    assert_eq!(config, put);
    let access = format!("{ACME}/vpn-nodes/vpn-node=pe2/vpn-network-accesses/vpn-network-access=acme-pe2");
    let vlan = format!("{access}/connection/encapsulation/dot1q/cvlan-id");
    assert_eq!(daemon.get(&vlan).await.is(200).json(), json!({"ietf-l3vpn-ntw:cvlan-id": 100}));
    let xml = daemon.ask(Method::GET, &vlan, &[("accept", XML)], "").await.is(200);
    assert_eq!(xml.text.trim(), "<cvlan-id xmlns=\"urn:ietf:params:xml:ns:yang:ietf-l3vpn-ntw\">100</cvlan-id>");
    let unchanged = daemon.ask(Method::GET, ACME, &[("if-none-match", &etag)], "").await.is(304);
    assert_eq!(unchanged.text, "");
    assert_eq!(
        daemon.get(&format!("{SERVICES}?fields=vpn-service/vpn-name")).await.is(200).json(),
        json!({"ietf-l3vpn-ntw:vpn-services": {"vpn-service": [{"vpn-id": "acme-l3", "vpn-name": "acme"}]}})
    );

    // Existing: 204, 409, 412.
    write(Method::PUT, ACME.into(), vec![], body.clone()).await.is(204);
    let again = write(Method::POST, SERVICES.into(), vec![], body.clone()).await;
    again.refused(409, "data-exists");
    let vlan_200 = json!({"ietf-l3vpn-ntw:cvlan-id": 200}).to_string();
    write(Method::PUT, vlan.clone(), vec![("if-match", "\"old\"".into())], vlan_200.clone())
        .await
        .refused(412, "operation-failed");

    // One leaf changes one element; the entity tag of the service moves.
    let rehearsal = write(Method::PUT, format!("{vlan}?dry-run=native"), vec![], vlan_200.clone()).await.is(200).json();
    let devices = rehearsal["dry-run-result"]["native"]["device"].as_array().unwrap().clone();
    assert_eq!(devices.len(), 1, "{rehearsal}");
    let changed = write(Method::PUT, vlan.clone(), vec![("if-match", etag.clone())], vlan_200).await.is(204);
    assert!(changed.header("andante-transaction").is_some());
    assert_ne!(changed.header("etag"), Some(etag.as_str()));
    assert!(pe2.running_config().contains("interface eth1.200"));

    // A change by hand on the way of the next request.
    let patch =
        json!({"ietf-l3vpn-ntw:vpn-service": [{"vpn-id": "acme-l3", "vpn-description": "other words"}]}).to_string();
    write(Method::PATCH, ACME.into(), vec![], patch).await.is(204);

    // Gone, and no trace.
    let rehearsal = daemon.ask(Method::DELETE, &format!("{ACME}?dry-run=native"), &[], "").await.is(200).json();
    assert!(rehearsal.to_string().contains("no "), "{rehearsal}");
    daemon.ask(Method::DELETE, ACME, &[], "").await.is(204);
    daemon.get(ACME).await.refused(404, "invalid-value");
    daemon.ask(Method::DELETE, ACME, &[], "").await.refused(404, "invalid-value");
    assert_eq!((pe1.running(), pe2.running_config()), before);

    // Numbers of the ledger: held, given back, and free when each element that carried them was read without them and
    // the quarantine (none here) is over.
    let mut automatic = service("l3vpn-any-to-any.json");
    for profile in automatic["ietf-l3vpn-ntw:vpn-service"][0]["vpn-instance-profiles"]["vpn-instance-profile"]
        .as_array_mut()
        .unwrap()
    {
        profile.as_object_mut().unwrap().remove("rd");
        profile["address-family"][0].as_object_mut().unwrap().remove("vpn-targets");
    }
    daemon.put(ACME, automatic.to_string()).await.is(201);
    let held = daemon.numbers().await;
    assert_eq!(held.len(), 3, "a route target and two route distinguishers: {held:?}");
    assert!(held.iter().all(|take| take.released.is_none()), "{held:?}");
    assert!(pe2.running_config().contains("rd vpn export 10.0.0.2:1"));
    daemon.ask(Method::DELETE, ACME, &[], "").await.is(204);
    let given_back = daemon.numbers().await;
    assert!(given_back.iter().all(|take| take.absent.is_some() && take.remains.is_empty()), "{given_back:?}");
    daemon.controller.check(&crate::daemon::noc(), "pe2").await.unwrap();
    assert_eq!(daemon.numbers().await, []);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_kept_committed_once_and_refused_when_stale() {
    let Some(Lab { daemon, pe1, pe2 }) = lab().await else { return };
    let before = (pe1.running(), pe2.running_config());
    let operation = |name: &str, input: serde_json::Value| {
        let (daemon, path) = (&daemon, format!("/restconf/operations/andante:{name}"));
        async move { daemon.post(&path, json!({ "andante:input": input }).to_string()).await }
    };
    let content = service("l3vpn-any-to-any.json").to_string();
    let plan = |answer: Answer| answer.is(200).json()["andante:output"]["plan"].clone();

    let first = plan(operation("plan", json!({"document": [{"content": content}], "keep": false})).await);
    assert!(first.get("expires").is_none(), "{first}");
    let kept = plan(operation("plan", json!({"document": [{"content": content}]})).await);
    assert_eq!(first["id"], kept["id"], "the same request makes the same plan");
    assert_eq!(kept["element"].as_array().unwrap().len(), 2, "{kept}");
    let weak = operation("plan", json!({"document": [{"content": content}], "require-atomicity": "A"})).await;
    assert_eq!(weak.refused(409, "operation-failed")["error-app-tag"], "class-too-weak");
    let id = kept["id"].as_str().unwrap();
    assert_eq!(
        daemon.get(&format!("/restconf/data/andante:plans/plan={id}/class")).await.is(200).json(),
        json!({"andante:class": "D"})
    );

    let done = operation("commit-plan", json!({"plan-id": &id[..10], "ticket": "CHG-2"})).await.is(200);
    assert!(done.header("andante-transaction").is_some());
    assert_eq!(done.json()["andante:output"]["outcome"], "applied");
    operation("commit-plan", json!({"plan-id": id})).await.is(412).error();

    // By hand: seen by a look, explained, in the way, and healed on request.
    pe2.vtysh(&["configure terminal", "interface eth1.100", "description by hand"]).unwrap();
    let check = operation("check-sync", json!({"element": ["pe2"]})).await.is(200).json();
    assert_eq!(check["andante:output"]["element"][0]["sync-state"], "out-of-sync", "{check}");
    let found = daemon.get("/restconf/data/andante:deviations").await.is(200).json();
    let found = &found["andante:deviations"]["deviation"][0];
    assert_eq!((&found["element"], &found["service"][0]["id"]), (&json!("pe2"), &json!("acme-l3")), "{found}");
    let why = operation("why", json!({"element": "pe2", "path": found["path"]})).await.is(200).json();
    assert!(why.to_string().contains("acme-l3"), "{why}");
    let state = daemon.get("/restconf/data/andante:services").await.is(200).json();
    assert_eq!(state["andante:services"]["service"][0]["state"], "deviating", "{state}");
    let refused = daemon.ask(Method::DELETE, ACME, &[], "").await;
    println!("{}", refused.text);
    let error = refused.is(409).error();
    assert_eq!(error["error-app-tag"], "hand-made-change", "{error}");
    assert_eq!(error["error-info"]["andante:element"][0]["name"], "pe2", "{error}");
    let healed = operation("heal", json!({"element": ["pe2"]})).await.is(200).json();
    assert_eq!(healed["andante:output"]["outcome"], "applied", "{healed}");

    let target = ACME.to_string();
    let plan = plan(operation("plan", json!({"document": [{"operation": "delete", "target": target}]})).await);
    operation("commit-plan", json!({"plan-id": plan["id"]})).await.is(200);
    assert_eq!((pe1.running(), pe2.running_config()), before);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_noc_plans_commits_finds_heals_and_deletes() {
    let Some(Lab { daemon, pe1, pe2 }) = lab().await else { return };
    let before = (pe1.running(), pe2.running_config());
    let document = crate::daemon::text("l3vpn-any-to-any.json");
    let run = |line: String, input: &'static str| {
        let (socket, input) =
            (daemon.socket.clone(), if input == "document" { document.clone() } else { input.into() });
        async move { andante(&socket, &line.split(' ').collect::<Vec<_>>(), &input).await }
    };

    let shown = run("plan -".into(), "document").await.with(2);
    for part in
        ["create   ietf-l3vpn-ntw/acme-l3 of acme", "elements pe1, pe2", "class    D", "eth1.100", "andante commit "]
    {
        assert!(shown.out.contains(part), "{part}\n{}", shown.out);
    }
    println!("{}", shown.out);
    let native = run("plan - --native".into(), "document").await.with(2);
    assert!(native.out.contains("interface eth1.100"), "{}", native.out);
    let id = shown.out.split("andante commit ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let done = run(format!("commit {id} --ticket CHG-9"), "").await.with(0);
    assert!(done.out.starts_with("applied"), "{}", done.out);
    println!("{}", done.out);
    run(format!("commit {id}"), "").await.with(3);
    run("plan -".into(), "document").await.with(0);

    let list = run("service list".into(), "").await.with(0);
    assert!(list.out.contains("acme-l3") && list.out.contains("deployed"), "{}", list.out);
    run("service show acme-l3".into(), "").await.with(0);
    let transactions = run("transaction list".into(), "").await.with(0);
    assert!(transactions.out.contains("applied") && transactions.out.contains("CHG-9"), "{}", transactions.out);
    let config = run("element config pe2".into(), "").await.with(0);
    assert!(config.out.contains("interface eth1.100"), "{}", config.out);

    pe2.vtysh(&["configure terminal", "interface eth1.100", "description by hand"]).unwrap();
    run("element check pe2".into(), "").await.with(2);
    let found = run("deviation list".into(), "").await.with(2);
    assert!(found.out.contains("by hand") && found.out.contains("acme-l3"), "{}", found.out);
    println!("{}", found.out);
    let refused = run("service delete acme-l3".into(), "").await.with(3);
    assert!(refused.err.contains("hand-made-change:") && refused.err.contains("actual"), "{}", refused.err);
    println!("{}", refused.err);
    run("deviation heal --element pe2".into(), "").await.with(0);
    run("deviation list".into(), "").await.with(0);
    run("service delete acme-l3".into(), "").await.with(0);
    assert_eq!((pe1.running(), pe2.running_config()), before);
    daemon.end().await;
}
