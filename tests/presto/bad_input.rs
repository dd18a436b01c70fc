//! Bad input: a clear error each time, nothing stored, nothing sent.

use crate::daemon::{ACME, Daemon, JSON, SERVICES, XML, document, service, text};
use http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_document_is_refused_with_its_place() {
    let daemon = Daemon::unreachable().await;

    let error = daemon.put(ACME, "{\"ietf-l3vpn-ntw:vpn-service\": [\n{]}").await.refused(400, "malformed-message");
    assert!(error["error-message"].as_str().unwrap().contains("line 2"), "{error}");

    let broken = "<vpn-service xmlns=\"urn:ietf:params:xml:ns:yang:ietf-l3vpn-ntw\"><vpn-id>x</vpn-service>";
    let headers = [("content-type", XML), ("accept", JSON)];
    daemon.ask(Method::PUT, ACME, &headers, broken).await.refused(400, "malformed-message");

    // DTD and entities are not for us.
    let entity = "<!DOCTYPE a [<!ENTITY b \"c\">]><vpn-service xmlns=\"urn:ietf:params:xml:ns:yang:ietf-l3vpn-ntw\"/>";
    daemon.ask(Method::PUT, ACME, &headers, entity).await.refused(400, "malformed-message");

    for deep in [
        format!("{{\"ietf-l3vpn-ntw:vpn-service\":{}", "[{\"vpn-nodes\":".repeat(1000)),
        format!("{}{}", "[".repeat(1000), "]".repeat(1000)),
    ] {
        daemon.put(ACME, deep).await.is(400).error();
    }
    let deep = format!("<vpn-service xmlns=\"urn:ietf:params:xml:ns:yang:ietf-l3vpn-ntw\">{}", "<a>".repeat(1000));
    daemon.ask(Method::PUT, ACME, &headers, deep).await.is(400).error();

    let mut twice = service("l3vpn-any-to-any.json");
    let nodes = twice["ietf-l3vpn-ntw:vpn-service"][0]["vpn-nodes"]["vpn-node"].as_array_mut().unwrap();
    let copy = nodes[0].clone();
    nodes.push(copy);
    let error = daemon.put(ACME, twice.to_string()).await.refused(400, "invalid-value");
    assert!(error["error-path"].as_str().unwrap().contains("vpn-node[vpn-node-id='pe1']"), "{error}");

    daemon.put(ACME, "").await.is(400).error();
    daemon.put(ACME, vec![0xff, 0xfe]).await.refused(400, "malformed-message");
    daemon.untouched().await;
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_are_too_big_whether_announced_or_not() {
    let daemon = Daemon::unreachable().await;
    let body = vec![b' '; 10 << 20];
    let error = daemon.put(ACME, body.clone()).await.refused(413, "too-big");
    assert!(error["error-message"].as_str().unwrap().contains("4194304"), "{error}");
    let headers = [("content-type", JSON), ("transfer-encoding", "chunked")];
    daemon.ask(Method::PUT, ACME, &headers, body).await.refused(413, "too-big");
    daemon.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_model_does_not_know_or_allow_is_named_with_its_path() {
    let daemon = Daemon::unreachable().await;
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut body = service("l3vpn-any-to-any.json");
        change(&mut body["ietf-l3vpn-ntw:vpn-service"][0]);
        body.to_string()
    };

    let body = changed(&|service| service["vpn-colour"] = json!("blue"));
    let error = daemon.put(ACME, body).await.refused(400, "unknown-element");
    assert!(error["error-message"].as_str().unwrap().contains("vpn-colour"), "{error}");
    assert!(error["error-path"].as_str().unwrap().contains("vpn-service[vpn-id='acme-l3']"), "{error}");

    let access = |service: &mut serde_json::Value| {
        service["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"][0].take()
    };
    let vlan = |value: serde_json::Value| {
        changed(&|service| {
            let mut one = access(service);
            one["connection"]["encapsulation"]["dot1q"]["cvlan-id"] = value.clone();
            service["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"][0] = one;
        })
    };
    // Wrong JSON type, outside the type, outside the range (which only libyang knows).
    daemon.put(ACME, vlan(json!("100"))).await.refused(400, "invalid-value");
    daemon.put(ACME, vlan(json!(70000))).await.refused(400, "invalid-value");
    let error = daemon.put(ACME, vlan(json!(4095))).await.refused(400, "invalid-value");
    assert!(error["error-path"].as_str().unwrap().contains("cvlan-id"), "{error}");

    let body = changed(&|service| service["vpn-type"] = json!("ietf-vpn-common:no-such"));
    daemon.put(ACME, body).await.refused(400, "invalid-value");
    let body = changed(&|service| service["status"]["oper-status"] = json!({"status": "ietf-vpn-common:op-up"}));
    daemon.put(ACME, body).await.refused(400, "invalid-value");

    let body = changed(&|service| service["vpn-nodes"]["vpn-node"][0]["ne-id"] = json!("pe9"));
    let error = daemon.put(ACME, body).await.is(400).error();
    let text = error.to_string();
    assert!(text.contains("pe9") && text.contains("ne-id"), "{error}");

    // The key in the body is not the key in the URI.
    let other = format!("{SERVICES}/vpn-service=other");
    let error = daemon.put(&other, service("l3vpn-any-to-any.json").to_string()).await.refused(400, "invalid-value");
    assert!(error["error-message"].as_str().unwrap().contains("acme-l3"), "{error}");

    daemon.untouched().await;
    daemon.end().await;
}

/// The first service is only planned for (pre-deployment), so nothing has to answer for it to be stored; its VLAN is
/// taken all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_vlan_that_another_service_has_is_refused_naming_it() {
    let daemon = Daemon::unreachable().await;
    let mut first = service("l3vpn-any-to-any.json");
    first["ietf-l3vpn-ntw:vpn-service"][0]["status"] =
        json!({"admin-status": {"status": "ietf-vpn-common:admin-pre-deployment"}});
    daemon.put(ACME, first.to_string()).await.is(201);

    let mut second = service("l3vpn-any-to-any.json");
    second["ietf-l3vpn-ntw:vpn-service"][0]["vpn-id"] = json!("other");
    let other = format!("{SERVICES}/vpn-service=other");
    let error = daemon.put(&other, second.to_string()).await.refused(409, "in-use");
    assert!(error["error-message"].as_str().unwrap().contains("acme-l3"), "{error}");
    assert!(error["error-path"].as_str().unwrap().contains("vpn-network-access"), "{error}");
    daemon.get(&other).await.is(404);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_itself_can_be_wrong() {
    let daemon = Daemon::unreachable().await;
    let body = service("l3vpn-any-to-any.json").to_string();

    let plain = [("content-type", "application/json")];
    daemon.ask(Method::PUT, ACME, &plain, body.clone()).await.refused(415, "malformed-message");
    daemon.ask(Method::PUT, ACME, &[], body.clone()).await.refused(415, "malformed-message");
    daemon.ask(Method::GET, SERVICES, &[("accept", "text/html")], "").await.refused(406, "invalid-value");

    // A parameter that is not understood never becomes a commit.
    for query in ["?dryrun=native", "?dry-run=yes", "?dry-run", "?commit=false", "?content=config"] {
        daemon.put(&format!("{ACME}{query}"), body.clone()).await.refused(400, "invalid-value");
    }
    let origin = [("content-type", JSON), ("origin", "http://example.org")];
    daemon.ask(Method::PUT, ACME, &origin, body.clone()).await.refused(403, "access-denied");

    daemon.put("/restconf/data/andante:elements", "{}").await.refused(405, "operation-not-supported");
    daemon.put("/restconf/data", "{}").await.refused(405, "operation-not-supported");
    daemon
        .ask(Method::DELETE, "/restconf/data/andante:transactions", &[], "")
        .await
        .refused(405, "operation-not-supported");
    daemon.get("/restconf/data/ietf-l3vpn-ntw:l3vpn-ntw/nothing").await.refused(404, "invalid-value");
    daemon.get("/restconf/data/nothing").await.refused(400, "invalid-value");
    daemon.get(&format!("{SERVICES}/vpn-service")).await.refused(400, "invalid-value");
    daemon.get("/restconf/nothing").await.refused(404, "invalid-value");
    daemon.get("/restconf/dataset").await.refused(404, "invalid-value");

    // PATCH and DELETE of what is not there, POST into what is not there.
    let patch = [("content-type", JSON)];
    daemon.ask(Method::PATCH, ACME, &patch, body.clone()).await.refused(404, "invalid-value");
    daemon.ask(Method::DELETE, ACME, &[], "").await.refused(404, "invalid-value");
    let node = json!({"ietf-l3vpn-ntw:vpn-node": [{"vpn-node-id": "pe1"}]}).to_string();
    daemon.post(&format!("{ACME}/vpn-nodes"), node).await.refused(404, "invalid-value");
    // One level too deep, and two children at once.
    daemon.post(SERVICES, document("l3vpn-any-to-any.json").to_string()).await.is(400).error();
    let stale = [("content-type", JSON), ("if-match", "\"abc\"")];
    daemon.ask(Method::PUT, ACME, &stale, body).await.refused(412, "operation-failed");
    daemon.untouched().await;
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_does_not_answer_is_named_and_nothing_is_stored() {
    let daemon = Daemon::unreachable().await;
    let body = service("l3vpn-any-to-any.json").to_string();
    let error = daemon.put(ACME, body.clone()).await.refused(503, "operation-failed");
    assert_eq!(error["error-app-tag"], "comm-loss", "{error}");
    let name = error["error-info"]["andante:element"][0]["name"].as_str().unwrap();
    assert!(["pe1", "pe2"].contains(&name), "{error}");
    assert!(error["error-info"]["andante:remedy"].is_string(), "{error}");
    daemon.put(&format!("{ACME}?dry-run=native"), body.clone()).await.refused(503, "operation-failed");

    // The same as XML.
    let headers = [("content-type", XML), ("accept", XML)];
    let xml = text("l3vpn-any-to-any.xml");
    let start = xml.find("<vpn-service>").or_else(|| xml.find("<vpn-service ")).unwrap();
    let end = xml.find("</vpn-service>").unwrap() + "</vpn-service>".len();
    let entry = xml[start..end].replacen(
        "<vpn-service",
        "<vpn-service xmlns=\"urn:ietf:params:xml:ns:yang:ietf-l3vpn-ntw\" \
         xmlns:vpn-common=\"urn:ietf:params:xml:ns:yang:ietf-vpn-common\"",
        1,
    );
    let answer = daemon.ask(Method::PUT, ACME, &headers, entry).await.is(503);
    assert_eq!(answer.header("content-type"), Some(XML));
    assert!(answer.text.contains("<error-app-tag>comm-loss</error-app-tag>"), "{}", answer.text);
    daemon.untouched().await;

    let compatible = Daemon::with(
        vec![
            crate::daemon::element("pe1", "iosxr", &["GigabitEthernet0/0/0/1"]),
            crate::daemon::element("pe2", "frr", &["eth1"]),
        ],
        true,
    )
    .await;
    compatible.put(ACME, body).await.refused(502, "operation-failed");
}
