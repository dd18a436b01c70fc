//! What can be read without a service, and the operations that need no element.

use crate::daemon::{Daemon, JSON, SERVICES, XML, document};
use http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_its_way() {
    let daemon = Daemon::unreachable().await;
    let meta = daemon.get("/.well-known/host-meta").await.is(200);
    assert!(meta.text.contains("rel=\"restconf\" href=\"/restconf\""), "{}", meta.text);
    assert_eq!(daemon.get("/restconf").await.is(200).json()["ietf-restconf:restconf"]["data"], json!({}));
    daemon.get("/restconf/").await.is(200);
    let version = daemon.get("/restconf/yang-library-version").await.is(200).json();
    assert_eq!(version["ietf-restconf:yang-library-version"], "2019-01-04");
    let operations = daemon.get("/restconf/operations").await.is(200).json();
    assert_eq!(operations["ietf-restconf:operations"]["andante:commit-plan"], json!([null]));

    let options = daemon.ask(Method::OPTIONS, SERVICES, &[], "").await.is(200);
    assert!(options.header("allow").unwrap().contains("PATCH"));
    assert!(options.header("accept-patch").unwrap().contains(JSON));
    let options = daemon.ask(Method::OPTIONS, "/restconf/data/andante:elements", &[], "").await.is(200);
    assert_eq!(options.header("allow"), Some("GET, HEAD, OPTIONS"));

    let head = daemon.ask(Method::HEAD, SERVICES, &[], "").await.is(200);
    assert_eq!(head.text, "");
    assert!(head.header("etag").is_some());
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_served_by_the_module_with_depth_fields_and_content() {
    let daemon = Daemon::unreachable().await;
    let all = daemon.get("/restconf/data/andante:elements").await.is(200).json();
    let elements = all["andante:elements"]["element"].as_array().unwrap();
    assert_eq!(elements.len(), 2);
    assert_eq!(elements[0]["name"], "pe1");
    assert_eq!(elements[0]["asn"], 65000);
    assert_eq!(elements[0]["port"][0], json!({"name": "GigabitEthernet0/0/0/1", "role": "uni", "exclude": false}));
    assert!(elements[0]["sync-state"].is_string());

    let one = daemon.get("/restconf/data/andante:elements/element=pe2?fields=adapter;port/name").await.is(200).json();
    assert_eq!(one, json!({"andante:element": [{"name": "pe2", "adapter": "frr", "port": [{"name": "eth1"}]}]}));
    let leaf = daemon.get("/restconf/data/andante:elements/element=pe2/adapter").await.is(200).json();
    assert_eq!(leaf, json!({"andante:adapter": "frr"}));
    let key = daemon.get("/restconf/data/andante:elements/element=pe2/name").await.is(200).json();
    assert_eq!(key, json!({"andante:name": "pe2"}));
    let shallow = daemon.get("/restconf/data/andante:elements/element=pe2?depth=1").await.is(200).json();
    assert_eq!(shallow, json!({"andante:element": [{"name": "pe2"}]}));
    let config = daemon.get("/restconf/data/andante:elements?content=config").await.is(200).json();
    assert_eq!(config, json!({"andante:elements": {}}));
    let xml =
        daemon.ask(Method::GET, "/restconf/data/andante:elements/element=pe2/adapter", &[("accept", XML)], "").await;
    assert_eq!(xml.is(200).text.trim(), "<adapter xmlns=\"urn:andante:yang:andante\">frr</adapter>");

    daemon.get("/restconf/data/andante:elements/element=pe9").await.refused(404, "invalid-value");
    for name in ["adapters", "services", "plans", "transactions", "deviations"] {
        let body = daemon.get(&format!("/restconf/data/andante:{name}")).await.is(200).json();
        assert!(body[format!("andante:{name}")].is_object(), "{body}");
    }
    let whole = daemon.get("/restconf/data").await.is(200).json();
    assert!(whole["ietf-restconf:data"]["andante:elements"].is_object(), "{whole}");
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn onboarding_is_for_administrators_and_keeps_what_it_was_told() {
    let daemon = Daemon::unreachable().await;
    let path = "/restconf/operations/andante:apply-elements";
    let input = json!({"andante:input": {"partial": true, "element": [{
        "name": "pe3", "adapter": "frr", "address": "127.0.0.1:1", "username": "andante",
        "password-file": "/nonexistent", "router-id": "10.0.0.3", "asn": 65000, "port": [{"name": "eth1"}]
    }]}})
    .to_string();
    // Over TCP nobody is an administrator.
    daemon.post(path, input.clone()).await.refused(403, "access-denied");
    let headers = [("content-type", JSON)];
    let output = daemon.ask_locally(Method::POST, path, &headers, input).await.is(200).json();
    assert_eq!(output, json!({"andante:output": {"created": ["pe3"]}}));
    let pe3 = daemon.get("/restconf/data/andante:elements/element=pe3").await.is(200).json();
    assert_eq!(pe3["andante:element"][0]["router-id"], "10.0.0.3");

    let missing = json!({"andante:input": {"element": [{"name": "pe4"}]}}).to_string();
    daemon.ask_locally(Method::POST, path, &headers, missing).await.refused(400, "missing-element");
    let check = daemon.post("/restconf/operations/andante:check-sync", "").await.is(200).json();
    let found = check["andante:output"]["element"].as_array().unwrap();
    assert_eq!(found.len(), 3, "{check}");
    assert!(found.iter().all(|one| one["sync-state"] == "unreachable"), "{check}");
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_refuse_what_they_do_not_understand() {
    let daemon = Daemon::unreachable().await;
    let operation = |name: &str| format!("/restconf/operations/andante:{name}");
    daemon.get(&operation("plan")).await.refused(405, "operation-not-supported");
    daemon.post(&operation("nothing"), "{}").await.refused(404, "invalid-value");
    daemon.post(&format!("{}?dry-run=native", operation("heal")), "{}").await.refused(400, "invalid-value");
    daemon.post(&operation("plan"), "").await.refused(400, "missing-element");
    let unknown = json!({"andante:input": {"documents": []}}).to_string();
    daemon.post(&operation("plan"), unknown).await.refused(400, "unknown-element");
    let id = json!({"andante:input": {"plan-id": "0123456789"}}).to_string();
    daemon.post(&operation("commit-plan"), id).await.refused(404, "invalid-value");

    let plan = |content: &str| json!({"andante:input": {"document": [{"content": content}]}}).to_string();
    let error = daemon.post(&operation("plan"), plan("{\"ietf-l3vpn-ntw:vpn-service\": [{}]}")).await;
    assert!(error.refused(400, "missing-element")["error-message"].as_str().unwrap().contains("document 1"));
    daemon.post(&operation("plan"), plan("hello")).await.refused(400, "malformed-message");
    let all = document("l3vpn-any-to-any.json").to_string();
    let twice = json!({"andante:input": {"document": [{"content": all}, {"content": all}]}}).to_string();
    daemon.post(&operation("plan"), twice).await.refused(400, "invalid-value");
    // Well formed: now an element is asked, and does not answer.
    daemon.post(&operation("plan"), plan(&all)).await.refused(503, "operation-failed");
    let heal = json!({"andante:input": {"deviation": ["none"]}}).to_string();
    daemon.post(&operation("heal"), heal).await.refused(404, "invalid-value");
    daemon.untouched().await;
    daemon.end().await;
}
