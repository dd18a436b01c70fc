//! The daemon dies with a transaction under way, and before the next one starts a human writes his own value on its path,
//! on FRR, which nothing locks. Recovery leaves the value alone; an operator says what becomes of it.

use crate::daemon::Daemon;
use crate::domain::{Domain, document};
use serde_json::{Value, json};

/// Before the decision: the hand is accepted, the transaction closes as not applied, and what stands is a deviation.
#[test]
fn a_hand_is_accepted_before_the_decision() {
    let Some(domain) = Domain::start() else { return };
    let before = domain.running();
    let daemon = domain.doomed("after-apply:pe2");
    let _ = daemon.try_ask("PUT", crate::daemon::ACME, &document());
    daemon.dies_at("after-apply:pe2");
    by_hand(&domain);
    let daemon = domain.daemon();
    let id = unresolved(&daemon);
    assert!(domain.running().pe1 == before.pe1, "pe1 is as before");
    let look = resolve(&daemon, json!({"transaction": id}), 200);
    assert_eq!(look["goes-to"], "before", "{look:#}");
    let astray = look["standing"][0]["path"].as_array().unwrap();
    assert!(
        astray.iter().any(|path| path["foreign"] == true && path["actual"].to_string().contains("by hand")),
        "{look:#}"
    );
    let with_hand = domain.pe2.running_config();
    let word = json!({"transaction": id, "element": ["pe2"], "offer": "accept-actual", "ticket": "CHG-1"});
    let done = resolve(&daemon, word, 200);
    assert_eq!((&done["outcome"], &done["phase"]), (&json!("not-applied"), &json!("closed")), "{done:#}");
    assert!(domain.pe2.running_config() == with_hand, "nothing is sent");
    assert!(daemon.services().is_empty());
    domain.nothing_is_locked();
    // The next daemon knows it still.
    daemon.stop();
    let daemon = domain.daemon();
    operation(&daemon, "check-sync", json!({"element": ["pe2"]}), 200);
    let left = deviations(&daemon);
    assert!(!left.is_empty() && left.iter().all(|one| one["left-by"] == id.as_str()), "{left:#?}");
    operation(&daemon, "heal", json!({"element": ["pe2"], "ticket": "CHG-2"}), 200);
    assert!(deviations(&daemon).is_empty());
    domain.comes_to("after the heal", &before);
    daemon.put(&document()).is(201);
    daemon.delete().is(204);
    domain.comes_to("after the removal", &before);
    daemon.stop();
}

/// After the decision: our intent is forced over the hand, exactly as it was shown, and the transaction is applied.
#[test]
fn intent_is_forced_after_the_decision() {
    let Some(domain) = Domain::start() else { return };
    let reference = domain.reference();
    let daemon = domain.doomed("after-intent-decided");
    let _ = daemon.try_ask("PUT", crate::daemon::ACME, &document());
    daemon.dies_at("after-intent-decided");
    by_hand(&domain);
    let daemon = domain.daemon();
    let id = unresolved(&daemon);
    assert_eq!(daemon.services(), ["acme-l3"], "it is decided");
    let look = json!({"transaction": id, "all": true, "offer": "force-intent", "dry-run": true});
    let look = resolve(&daemon, look, 200);
    assert_eq!(look["goes-to"], "after", "{look:#}");
    let native = look["standing"][0]["native"].as_str().unwrap();
    assert!(native.contains("interface eth1.100") && native.contains("description"), "{native}");
    assert!(domain.pe2.running_config().contains("by hand"));
    let word = json!({
        "transaction": id, "all": true, "offer": "force-intent", "digest": look["digest"],
        "ticket": "CHG-3", "reason": "the night shift was wrong"
    });
    let done = resolve(&daemon, word, 200);
    assert_eq!((&done["outcome"], &done["phase"]), (&json!("applied"), &json!("closed")), "{done:#}");
    domain.comes_to("forced", &reference.after);
    domain.nothing_is_locked();
    let record = daemon.transactions().into_iter().find(|record| record["id"] == id.as_str()).unwrap();
    let said = &record["resolution"][0];
    assert_eq!((&said["offer"], &said["ticket"]), (&json!("force-intent"), &json!("CHG-3")), "{record:#}");
    daemon.delete().is(204);
    domain.comes_to("after the removal", &reference.before);
    daemon.stop();
}

/// The night shift writes its own description on our subinterface.
fn by_hand(domain: &Domain) {
    domain.pe2.vtysh(&["configure terminal", "interface eth1.100", "description by hand"]).unwrap();
}

/// The id of the one unresolved transaction, in which the hand on pe2 was left alone.
fn unresolved(daemon: &Daemon) -> String {
    let newest = daemon.transactions()[0].clone();
    assert_eq!(newest["outcome"], "unresolved", "{newest:#}");
    let elements = newest["element"].as_array().unwrap();
    let pe2 = elements.iter().find(|one| one["name"] == "pe2").unwrap();
    assert_eq!(pe2["state"], "conflict", "{newest:#}");
    newest["id"].as_str().unwrap().to_owned()
}

fn resolve(daemon: &Daemon, input: Value, status: u16) -> Value {
    operation(daemon, "resolve", input, status)["andante:output"].clone()
}

fn operation(daemon: &Daemon, name: &str, input: Value, status: u16) -> Value {
    let body = json!({ "andante:input": input }).to_string();
    daemon.ask("POST", &format!("/restconf/operations/andante:{name}"), &body).is(status).json()
}

fn deviations(daemon: &Daemon) -> Vec<Value> {
    let all = daemon.ask("GET", "/restconf/data/andante:deviations", "").is(200).json();
    all["andante:deviations"]["deviation"].as_array().cloned().unwrap_or_default()
}
