//! How writes are carried out: once under one name, at once or bounded in time, called off, watched, pinned.

use crate::command::andante;
use crate::orchestrator::{PUT, Simulated};
use andante::adagio::sim::Fault;
use serde_json::json;
use std::time::Duration;

const ALL: &[&str] = &["pe1", "pe2", "pe3"];

fn slow(on: &str, seconds: u64) -> Fault {
    Fault::Delay { on: on.into(), time: Duration::from_secs(seconds) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_is_not_carried_out_again() {
    let domain = Simulated::start().await;
    let (key, body) = ([("idempotency-key", "\"order-1\"")], Simulated::service("one", ALL));
    let first = domain.put(&key, &body).await.is(201);
    let id = first.header("andante-transaction").unwrap().to_owned();
    let texts = domain.texts();
    let again = domain.put(&key, &body).await.is(201);
    assert_eq!(again.header("andante-transaction"), Some(id.as_str()));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(domain.transaction(&id).await["request-id"], "order-1");
    // The same without the name: nothing is to be done, and no transaction is spoken of.
    assert_eq!(domain.put(&[], &body).await.is(204).header("andante-transaction"), None);
    // Something else under the name.
    let other = Simulated::service("two", ALL);
    let error = domain.put(&key, &other).await.refused(422, "invalid-value");
    assert_eq!(error["error-app-tag"], "request-id-reused");
    assert_eq!(error["error-info"]["andante:transaction"], id.as_str());
    domain.put(&[("idempotency-key", "a b")], &other).await.refused(400, "invalid-value");
    assert_eq!((domain.transactions().await.len(), domain.texts()), (1, texts));

    // Four at the same time are one, also when the document has moved on by the time the last one is read.
    domain.sim.fault("pe1", slow("commit", 2)).unwrap();
    let (key, body) = ([("idempotency-key", "order-2")], Simulated::service("three", &["pe1", "pe2"]));
    let (a, b, c, d) = tokio::join!(
        domain.put(&key, &body),
        domain.put(&key, &body),
        domain.put(&key, &body),
        domain.put(&key, &body)
    );
    let ids: Vec<_> = [a, b, c, d].map(|one| one.is(204).header("andante-transaction").unwrap().to_owned()).into();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(domain.transactions().await.len(), 2);

    // What was refused before it began binds nothing: the same request may try again.
    let key = [("idempotency-key", "order-3")];
    domain.sim.fault("pe2", Fault::Unreachable).unwrap();
    let body = Simulated::service("four", ALL);
    domain.put(&key, &body).await.refused(503, "operation-failed");
    domain.sim.mend("pe2").unwrap();
    domain.put(&key, &body).await.is(204);
    // And what was tried and not applied is answered as it was.
    let key = [("idempotency-key", "order-4")];
    domain.sim.fault("pe3", Fault::Refuse { on: "edit-config".into(), answer: "too-big".into(), times: 1 }).unwrap();
    let body = Simulated::service("five", &["pe1", "pe2"]);
    let first = domain.put(&key, &body).await.is(409);
    let again = domain.put(&key, &body).await.is(409);
    assert_eq!(first.header("andante-transaction"), again.header("andante-transaction"));
    domain.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_have_names_too_and_a_plan_that_is_gone_does_not_matter() {
    let domain = Simulated::start().await;
    let document = json!([{ "content": Simulated::service("one", ALL) }]);
    let plan = domain.call("plan", json!({ "document": document })).await.is(200).json();
    let id = plan["andante:output"]["plan"]["id"].clone();
    let input = |name: &str| json!({ "plan-id": id, "request-id": name, "ticket": "CHG-1" });
    let first = domain.call("commit-plan", input("c-1")).await.is(200).json();
    let again = domain.call("commit-plan", input("c-1")).await.is(200).json();
    assert_eq!(first, again);
    // The plan is used up: under another name it is said by which transaction.
    let done = domain.call("commit-plan", input("c-2")).await.refused(412, "operation-failed");
    assert_eq!(done["error-app-tag"], "already-applied");
    assert_eq!(done["error-info"]["andante:transaction"], first["andante:output"]["transaction"], "{done:#}");
    assert!(done["error-message"].as_str().unwrap().contains(" at 20"), "{done:#}");
    let apply = |name: &str| json!({ "document": document, "request-id": name });
    domain.call("apply", apply("c-1")).await.refused(422, "invalid-value");
    domain.call("apply", json!({ "document": document, "request-id": "" })).await.is(400);
    assert_eq!(domain.transactions().await.len(), 1);
    domain.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn until_the_decision_a_transaction_can_be_called_off_and_not_after_it() {
    let domain = Simulated::start().await;
    let before = domain.texts();
    domain.sim.fault("pe1", slow("commit", 4)).unwrap();
    let at_once = [("prefer", "respond-async")];
    let accepted = domain.put(&at_once, &Simulated::service("one", ALL)).await.is(202);
    let first = accepted.header("andante-transaction").unwrap().to_owned();
    assert_eq!(
        accepted.header("location"),
        Some(format!("/restconf/data/andante:transactions/transaction={first}").as_str())
    );
    let commits = |seen: &serde_json::Value| seen["phase"] == "applied" && seen["deadline"].is_string();
    let seen = domain.until(&first, "applied", commits).await;
    assert!(seen["deadline"].is_string(), "{seen:#}");
    assert!(seen["element"].as_array().unwrap().iter().any(|one| one["deadline"].is_string()), "{seen:#}");

    // Another one waits for the same elements: it is shown, and called off without anything being sent.
    let document = json!([{ "content": Simulated::service("two", ALL) }]);
    let waits = domain.call("apply", json!({ "document": document, "async": true })).await.is(202);
    let second = waits.header("andante-transaction").unwrap().to_owned();
    let seen = domain.transaction(&second).await;
    assert_eq!((&seen["phase"], &seen["outcome"]), (&json!("planned"), &serde_json::Value::Null), "{seen:#}");
    let off = domain.call("cancel-transaction", json!({ "transaction": second })).await.is(200).json();
    assert_eq!(off["andante:output"]["outcome"], "not-applied", "{off:#}");
    assert_eq!(off["andante:output"]["cause"]["kind"], "cancelled");
    assert_eq!(domain.transaction(&second).await["outcome"], "not-applied");
    assert_eq!(domain.transaction(&first).await["outcome"], serde_json::Value::Null, "the first one goes on");

    let off = domain.call("cancel-transaction", json!({ "transaction": first[..13] })).await.is(200).json();
    assert_eq!(off["andante:output"]["cause"]["kind"], "cancelled", "{off:#}");
    assert_eq!(domain.texts(), before);
    let late = domain.call("cancel-transaction", json!({ "transaction": first })).await;
    let late = late.refused(409, "operation-failed");
    assert_eq!(late["error-app-tag"], "too-late");
    assert!(late["error-message"].as_str().unwrap().contains("ended already"), "{late:#}");

    let done = domain.put(&[], &Simulated::service("three", ALL)).await.is(201);
    let done = done.header("andante-transaction").unwrap().to_owned();
    let late = domain.call("cancel-transaction", json!({ "transaction": done })).await;
    let late = late.refused(409, "operation-failed");
    assert!(late["error-message"].as_str().unwrap().contains("too late: decided at 20"), "{late:#}");
    let remedy = late["error-info"]["andante:remedy"].as_str().unwrap();
    assert!(remedy.contains(&format!("andante transaction undo {done}")), "{late:#}");
    assert!(domain.transaction(&done).await["decided"].is_string());
    domain.call("cancel-transaction", json!({ "transaction": "00000000" })).await.refused(404, "invalid-value");
    domain.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_waits_no_longer_than_it_wants_and_the_rest_is_told_by_the_transaction() {
    let domain = Simulated::start().await;
    domain.sim.fault("pe3", slow("commit", 3)).unwrap();
    let body = Simulated::service("one", ALL);
    let running = domain.put(&[("prefer", "wait=1")], &body).await.is(202);
    let id = running.header("andante-transaction").unwrap().to_owned();
    let ended = domain.ended(&id).await;
    assert_eq!(ended["outcome"], "applied", "{ended:#}");
    assert_eq!(domain.transaction(&id).await["outcome"], "applied");

    // Promised, and then refused behind the gate: the transaction says why.
    domain.sim.fault("pe1", slow("commit", 3)).unwrap();
    let at_once = [("prefer", "respond-async")];
    let first = domain.put(&at_once, &Simulated::service("two", &["pe1", "pe2"])).await.is(202);
    let first = first.header("andante-transaction").unwrap().to_owned();
    domain.until(&first, "applied", |seen| seen["phase"] == "applied").await;
    let second = domain.put(&at_once, &Simulated::service("three", ALL)).await.is(202);
    let second = second.header("andante-transaction").unwrap().to_owned();
    // Behind the first, which is under way; what it saw in the end is the first one's work.
    assert_eq!(domain.transaction(&second).await["outcome"], serde_json::Value::Null, "it waits for its turn");
    assert_eq!(domain.ended(&first).await["outcome"], "applied");
    let ended = domain.ended(&second).await;
    assert_eq!(ended["outcome"], "not-applied", "{ended:#}");
    assert!(ended["cause"]["message"].as_str().unwrap().contains("it has changed"), "{ended:#}");
    // What can be refused by looking is refused at once.
    domain.sim.fault("pe2", Fault::Unreachable).unwrap();
    domain.put(&at_once, &Simulated::service("four", ALL)).await.refused(503, "operation-failed");
    domain.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_plan_is_refused_with_the_path_that_moved() {
    let domain = Simulated::start().await;
    domain.put(&[], &Simulated::service("one", ALL)).await.is(201);
    let document = json!([{ "operation": "delete", "target": PUT.trim_start_matches("/restconf/data") }]);
    let plan = domain.call("plan", json!({ "document": document })).await.is(200).json();
    let id = plan["andante:output"]["plan"]["id"].clone();
    domain.sim.hand_edit("pe2", "vrf acme\nip route 203.0.113.0/24 192.0.2.6\n").unwrap();
    let stale = domain.call("commit-plan", json!({ "plan-id": id })).await.is(412);
    let error = stale.error();
    assert_eq!(error["error-app-tag"], "stale", "{error:#}");
    assert!(error["error-path"].as_str().unwrap().contains("vrf[name='acme']"), "{error:#}");
    assert_eq!(error["error-info"]["andante:element"][0]["name"], "pe2", "{error:#}");
    domain.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_follows_cancels_and_repeats() {
    let domain = Simulated::start().await;
    let socket = domain.daemon.socket.clone();
    let run = |arguments: Vec<String>, input: String| {
        let socket = socket.clone();
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            andante(&socket, &arguments, &input).await
        }
    };
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let apply = run(words("service apply - --follow --color never"), Simulated::service("one", ALL)).await.with(0);
    for part in ["  decided", "pe2 confirmed", "applied  "] {
        assert!(apply.out.contains(part), "{part}\n{}", apply.out);
    }
    let json = run(words("service apply - --request-id r-1 --json"), Simulated::service("two", ALL)).await.with(0);
    let again = run(words("service apply - --request-id r-1 --json"), Simulated::service("two", ALL)).await.with(0);
    assert_eq!(json.out, again.out);
    let other = run(words("service apply - --request-id r-1"), Simulated::service("three", ALL)).await.with(3);
    assert!(other.err.contains("request-id-reused:") && other.err.contains("to do"), "{}", other.err);

    domain.sim.fault("pe1", slow("commit", 5)).unwrap();
    let accepted = run(words("service apply - --async"), Simulated::service("four", &["pe1", "pe2"])).await.with(0);
    let id = accepted.out.lines().rev().nth(1).unwrap().to_owned();
    assert!(accepted.out.contains(&format!("andante transaction watch {id}")), "{}", accepted.out);
    domain.until(&id, "applied", |seen| seen["phase"] == "applied").await;
    let off = run(words(&format!("transaction cancel {id} --ticket CHG-7")), String::new()).await.with(0);
    assert!(off.out.contains("not-applied") && off.out.contains("cancelled"), "{}", off.out);
    let audited = domain.audit().await;
    let asked = audited.iter().find(|record| record.action == "cancel-transaction").unwrap();
    assert_eq!((asked.principal.ticket.as_deref(), asked.target.as_str()), (Some("CHG-7"), id.as_str()));
    let watched = run(words(&format!("transaction watch {id} --json")), String::new()).await.with(3);
    let last: serde_json::Value = serde_json::from_str(watched.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["outcome"], "not-applied");
    run(words(&format!("transaction cancel {id}")), String::new()).await.with(3);
    run(words("transaction cancel 123"), String::new()).await.with(64);
    domain.end().await;
}
