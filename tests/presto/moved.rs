//! What a plan was made from moves between its last look and the lock: planned again and applied, or refused with the path
//! where the plan was pinned.

use crate::daemon::Answer;
use crate::orchestrator::{PUT, Simulated};
use serde_json::{Value, json};

const ALL: &[&str] = &["pe1", "pe2", "pe3"];

impl Simulated {
    /// Asks, and while its transaction stands before the lock of `pe2`, somebody makes this there by hand.
    async fn moved_under(&self, by_hand: &str, ask: impl Future<Output = Answer>) -> Answer {
        let hold = self.daemon.holds.at("before-lock:pe2");
        let meanwhile = async {
            hold.reached().await;
            self.sim.hand_edit("pe2", by_hand).unwrap();
            hold.go_on();
        };
        tokio::join!(ask, meanwhile).0
    }
}

/// Somebody writes what the plan would have written: nothing of it is lost, nobody is asked, and both attempts are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_ground_moves_is_planned_again_and_applied() {
    let domain = Simulated::start().await;
    domain.put(&[], &Simulated::service("one", ALL)).await.is(201);
    let one = domain.sim.text("pe2").unwrap();
    let line = one.lines().find(|line| line.contains("description") && line.contains("one")).unwrap().to_owned();
    let interface = one[..one.find(&line).unwrap()].lines().rev().find(|line| !line.starts_with(' ')).unwrap();
    let by_hand = format!("{interface}\n{}\n", line.replace("one", "two"));
    let two = Simulated::service("two", ALL);
    let key = [("idempotency-key", "\"order-1\""), ("andante-ticket", "CHG-1")];
    let done = domain.moved_under(&by_hand, domain.put(&key, &two)).await.is(204);

    let all = domain.transactions().await;
    let linked: Vec<&Value> = all.iter().filter(|one| one["request-id"] == "order-1").collect();
    assert_eq!(all.len(), 3, "{all:#?}");
    let (last, first) = (&all[0], &all[1]);
    assert_eq!(done.header("andante-transaction"), last["id"].as_str());
    assert_eq!((&last["outcome"], &first["outcome"]), (&json!("applied"), &json!("not-applied")), "{all:#?}");
    assert_eq!((&first["continued-by"], &first["cause"]["kind"]), (&last["id"], &json!("stale")), "{first:#}");
    assert_eq!((&first["cause"]["element"], &first["ticket"]), (&json!("pe2"), &json!("CHG-1")), "{first:#}");
    assert!(!linked.is_empty(), "{all:#?}");
    // Under its name it is answered with the attempt that counts.
    let again = domain.put(&key, &two).await.is(204);
    assert_eq!(again.header("andante-transaction"), last["id"].as_str());
    let asked = domain.transaction(first["id"].as_str().unwrap()).await;
    assert_eq!(asked["outcome"], "not-applied", "{asked:#}");
    for text in domain.texts() {
        assert!(text.contains("two") && !text.contains("(one)"), "{text}");
    }
    assert_eq!(domain.transactions().await.len(), 3);
    domain.daemon.controller.check(&crate::daemon::noc(), "pe2").await.unwrap();
    assert_eq!(domain.services().await, ["acme"]);
    domain.end().await;
}

/// A kept plan is sent as it was looked at, or not at all: 412 with the path, nothing sent to the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_plan_whose_ground_moves_after_the_last_look_is_refused_with_the_path() {
    let domain = Simulated::start().await;
    domain.put(&[], &Simulated::service("one", ALL)).await.is(201);
    let document = json!([{ "operation": "delete", "target": PUT.trim_start_matches("/restconf/data") }]);
    let plan = domain.call("plan", json!({ "document": document })).await.is(200).json();
    let id = plan["andante:output"]["plan"]["id"].clone();
    let before = domain.texts();
    let by_hand = "vrf acme\nip route 203.0.113.0/24 192.0.2.6\n";
    let stale = domain.moved_under(by_hand, domain.call("commit-plan", json!({ "plan-id": id }))).await.is(412);
    let error = stale.error();
    assert_eq!(error["error-app-tag"], "stale", "{error:#}");
    assert!(error["error-path"].as_str().unwrap().contains("vrf[name='acme']"), "{error:#}");
    let told = error["error-info"]["andante:element"].as_array().unwrap().clone();
    let at = |one: &Value| (one["name"].clone(), one["path"].clone());
    assert_eq!(told.iter().map(at).collect::<Vec<_>>()[1], (json!("pe2"), error["error-path"].clone()), "{error:#}");
    assert!(told.iter().all(|one| one["detail"].as_str().unwrap().starts_with("restored")), "{error:#}");
    let all = domain.transactions().await;
    assert_eq!((all.len(), &all[0]["outcome"]), (2, &json!("not-applied")), "it was tried once: {all:#?}");
    assert_eq!((&all[0]["continued-by"], &all[0]["cause"]["kind"]), (&Value::Null, &json!("stale")), "{all:#?}");
    assert_eq!(stale.header("andante-transaction"), all[0]["id"].as_str());
    let after = domain.texts();
    assert!(after[0] == before[0] && after[2] == before[2] && after[1].contains("203.0.113.0/24"), "{}", after[1]);
    assert_eq!(domain.services().await, ["acme"]);
    domain.end().await;
}
