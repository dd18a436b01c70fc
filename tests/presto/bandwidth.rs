//! Bandwidth over HTTP: what was put is what is shown, exactly, and the plan says what becomes of it.

use crate::daemon::{JSON, service};
use crate::simulated::Domain;
use http::Method;
use serde_json::{Value, json};

const RATED: &str = "/restconf/data/ietf-l2vpn-ntw:l2vpn-ntw/vpn-services/vpn-service=globex-rated";
const LIST: &str = "svc-ce-to-pe-bandwidth/ce-to-pe-bandwidth=ietf-vpn-common%3Abw-per-port";

fn said(node: &Value) -> Vec<String> {
    node["warning"].as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_is_shown_and_what_is_sent_is_said() {
    let domain = Domain::start().await;
    let daemon = &domain.daemon;
    let body = body();

    // The rehearsal says both values and where they stand.
    let model = daemon.put(&format!("{RATED}?dry-run=model"), body.to_string()).await.is(201).json();
    let model = &model["dry-run-result"]["model"];
    let told = said(model);
    let rounded = "pe1: cir 5000001 bit/s from the customer is sent as 5000 kbit/s (/ietf-l2vpn-ntw:l2vpn-ntw/";
    assert!(told.iter().any(|text| text.starts_with(rounded) && text.contains("svc-ce-to-pe-bandwidth")), "{told:#?}");
    let asked = &model["element-service"][0]["content"]["accesses"][0]["bandwidth"];
    let exact = json!({"cir": 5_000_001, "eir": 10_000_000, "cbs": 125_000, "ebs": 250_000, "color_aware": false, "coupling": false});
    assert_eq!(asked["from_customer"], exact, "{model}");

    // Numbers of 64 bits are strings on the wire; a client that sends plain numbers is understood.
    let mut plain = body.clone();
    let rate = "/ietf-l2vpn-ntw:vpn-service/0/vpn-nodes/vpn-node/0/vpn-network-accesses/vpn-network-access/0/service\
                /svc-ce-to-pe-bandwidth/ce-to-pe-bandwidth/0/cir";
    *plain.pointer_mut(rate).unwrap() = json!(5_000_001);
    daemon.put(RATED, plain.to_string()).await.is(201);
    assert_eq!(daemon.get(&format!("{RATED}?content=config")).await.is(200).json(), canonical(body.clone()));
    daemon.put(RATED, body.to_string()).await.is(204);

    // One leaf: one element changes, only the policer, and hitless.
    let access = format!("{RATED}/vpn-nodes/vpn-node=pe1/vpn-network-accesses/vpn-network-access=globex-rated-pe1");
    let cir = format!("{access}/service/{LIST}/cir");
    let eight = json!({"ietf-l2vpn-ntw:cir": "8000000"}).to_string();
    let plan = daemon.put(&format!("{cir}?dry-run=model"), eight.clone()).await.is(200).json();
    let plan = &plan["dry-run-result"]["model"];
    let elements = plan["element"].as_array().unwrap();
    assert_eq!((elements.len(), &elements[0]["name"], &elements[0]["impact"]), (1, &json!("pe1"), &json!("hitless")));
    let paths = elements[0]["operation"].as_array().unwrap();
    assert!(paths.iter().all(|edit| edit["path"].as_str().unwrap().contains("/police/")), "{paths:#?}");
    assert!(!said(plan).iter().any(|text| text.contains(" is sent as ")), "8 Mbit/s needs no rounding");
    daemon.put(&cir, eight).await.is(204);
    assert_eq!(daemon.get(&cir).await.is(200).json(), json!({"ietf-l2vpn-ntw:cir": "8000000"}));

    // More than 64 bits, less than 1 kbit/s, and a class of service: refused, each with its place.
    let put = |value: &str| daemon.put(&cir, json!({ "ietf-l2vpn-ntw:cir": value }).to_string());
    put("18446744073709551616").await.refused(400, "invalid-value");
    let error = put("999").await.is(400).error();
    assert_eq!(error["error-tag"], "operation-not-supported", "{error}");
    assert!(error["error-message"].as_str().unwrap().contains("999 bit/s"), "{error}");
    assert!(error["error-path"].as_str().unwrap().contains("globex-rated-pe1"), "{error}");
    let mut classes = body.clone();
    *classes.pointer_mut(rate.trim_end_matches("/cir")).unwrap() =
        json!({"bw-type": "ietf-vpn-common:bw-per-port", "cos": [{"cos-id": 1, "cir": "1000"}]});
    let error = daemon.put(RATED, classes.to_string()).await.refused(400, "unknown-element");
    assert!(error["error-path"].as_str().unwrap().contains("ce-to-pe-bandwidth["), "{error}");

    daemon.ask(Method::DELETE, RATED, &[("accept", JSON)], "").await.is(204);
    assert_eq!(domain.texts(), domain.empty, "nothing stays behind");
}

/// The document for the elements of the demo.
fn body() -> Value {
    let text = service("l2vpn-vpws-bandwidth.json").to_string().replace("10.0.0.", "10.255.0.");
    let text = text.replacen("GigabitEthernet0/0/0/2", "GigabitEthernet0/0/0/1", 1);
    serde_json::from_str(&text).unwrap()
}

/// Identities of the document's own module with their module, as a GET prints them.
fn canonical(body: Value) -> Value {
    let text = body.to_string().replace("\"vpws-type\"", "\"ietf-l2vpn-ntw:vpws-type\"");
    serde_json::from_str(&text.replace("\"ethernet\"", "\"ietf-l2vpn-ntw:ethernet\"")).unwrap()
}
