//! An element that is out of reach exactly when it has to be brought back: `unresolved`, then resolved in the background.

use crate::daemon::{ACME, Daemon};
use crate::domain::{Domain, Running, document};
use crate::support::{Cut, wait_until};
use serde_json::Value;
use std::time::Duration;

/// The line to `pe2` dies for good while it is being configured, and so does every new one.
#[test]
fn an_element_that_cannot_be_undone_is_undone_when_it_is_back() {
    let Some(domain) = Domain::start() else { return };
    let reference = domain.reference();
    let daemon = domain.daemon();
    let sessions = domain.pe2.wire().len();
    domain.pe2.cut(Cut::AfterDelivery, "router bgp 65000 vrf");
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("typing", Duration::from_secs(30), || {
                let wire = domain.pe2.wire();
                wire.iter().skip(sessions).any(|session| session.text().contains("configure terminal"))
            })
            .unwrap();
            domain.line.no_new_connections();
        });
        daemon.put(&document())
    });
    assert!(!domain.pe2.cut_is_pending(), "the cut did not happen");
    let answer = answer.is(202);
    let newest = daemon.transactions()[0].clone();
    let id = newest["id"].as_str().unwrap();
    let location = answer.header("location").unwrap_or_default();
    assert!(location.ends_with(&format!("andante:transactions/transaction={id}")), "{location}");
    assert!(answer.body.contains(id) && answer.body.contains("pe2"), "{answer:?}");
    assert_eq!(newest["outcome"], "unresolved", "{newest:#}");
    assert_eq!(turn(&newest, "pe1"), "restored", "{newest:#}");
    assert!(daemon.services().is_empty());
    assert!(domain.running().pe1 == reference.before.pe1);
    assert!(domain.pe2.running_config() != reference.before.pe2, "nothing was left half way");
    // What is half way is not touched by anybody else meanwhile, and a try says why.
    let refused = daemon.put(&document());
    assert!(matches!(refused.status, 409 | 503), "{refused:?}");

    comes_back(&domain, daemon, id, &reference.before);
}

/// The same over a death: the daemon dies, `pe2` is gone, the next daemon starts, serves, and waits for it.
#[test]
fn a_dead_daemon_and_a_lost_element() {
    let Some(domain) = Domain::start() else { return };
    let reference = domain.reference();
    let daemon = domain.doomed("after-apply:pe2");
    let _ = daemon.try_ask("PUT", ACME, &document());
    daemon.dies_at("after-apply:pe2");
    domain.line.cut();
    let daemon = domain.daemon();
    let newest = daemon.transactions()[0].clone();
    let id = newest["id"].as_str().unwrap();
    assert_eq!(newest["outcome"], "unresolved", "{newest:#}");
    assert!(daemon.services().is_empty());
    assert!(domain.running().pe1 == reference.before.pe1);
    assert!(domain.pe2.running_config() == reference.after.pe2);
    comes_back(&domain, daemon, id, &reference.before);
}

/// `pe2` is back: within the pause of the retries everything is as before, and the transaction says so.
fn comes_back(domain: &Domain, daemon: Daemon, id: &str, before: &Running) {
    domain.line.repair();
    let of = |daemon: &Daemon| daemon.transactions().into_iter().find(|record| record["id"] == id).unwrap();
    wait_until("resolved", Duration::from_secs(30), || of(&daemon)["outcome"] != "unresolved")
        .unwrap_or_else(|error| panic!("{error}: {:#}\n{}", of(&daemon), daemon.log()));
    let record = of(&daemon);
    assert!(record["outcome"] == "not-applied" && record["phase"] == "closed", "{record:#}");
    assert!(record["finished"].is_string(), "{record:#}");
    assert!(domain.running() == *before, "{record:#}");
    assert!(daemon.services().is_empty());
    domain.nothing_is_locked();
    // And the paths are free again.
    daemon.put(&document()).is(201);
    daemon.delete().is(204);
    assert!(domain.running() == *before);
    daemon.stop();
}

fn turn(record: &Value, element: &str) -> String {
    let all = record["element"].as_array().unwrap();
    let of = all.iter().find(|of| of["name"] == element).unwrap();
    of["state"].as_str().unwrap().to_owned()
}
