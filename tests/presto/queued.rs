//! Changes for elements that are away: put off, carried out in order when they are back, and what happens when they fail.

use crate::daemon::noc;
use crate::orchestrator::{PUT, Simulated};
use crate::simulated::document;
use andante::adagio::sim::Fault;
use andante::domain::QueueState;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ALL: &[&str] = &["pe1", "pe2", "pe3"];

impl Simulated {
    async fn service_state(&self, id: &str) -> Value {
        let all = self.daemon.get("/restconf/data/andante:services").await.is(200).json();
        let list = all["andante:services"]["service"].as_array().cloned().unwrap_or_default();
        list.into_iter().find(|one| one["id"] == id).map_or(Value::Null, |one| one["state"].clone())
    }

    async fn queue(&self) -> Vec<Value> {
        let all = self.daemon.get("/restconf/data/andante:queue").await.is(200).json();
        all["andante:queue"]["change"].as_array().cloned().unwrap_or_default()
    }

    async fn put_queued(&self, policy: &str, body: &str) -> crate::daemon::Answer {
        let headers = [("content-type", crate::daemon::JSON)];
        self.daemon.ask(Method::PUT, &format!("{PUT}?queue-unreachable={policy}"), &headers, body.to_owned()).await
    }

    async fn apply_queued(&self, id: &str, vlan: u16, policy: &str) -> crate::daemon::Answer {
        let content = document(id, vlan).to_string();
        self.call("apply", json!({ "document": [{ "content": content }], "queue-unreachable": policy })).await
    }

    fn away(&self, element: &str) {
        self.sim.fault(element, Fault::Unreachable).unwrap();
    }

    /// Works the queues off until this many changes are left that are in line.
    async fn work_off(&self, left: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            self.daemon.controller.run_queues().await;
            let waiting = self.daemon.controller.queued(&noc()).await.unwrap();
            if waiting.iter().filter(|change| change.state != QueueState::Skipped).count() == left {
                return;
            }
            assert!(Instant::now() < end, "still queued: {waiting:#?}");
            // A look tells that an element is back.
            for change in waiting {
                let _ = self.daemon.controller.check(&noc(), &change.element).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_away_is_done_when_it_is_back_and_nothing_is_a_deviation_meanwhile() {
    let domain = Simulated::start().await;
    let before = domain.texts();
    domain.away("pe2");
    domain.put(&[], &Simulated::service("one", ALL)).await.refused(503, "operation-failed");
    let created = domain.put_queued("block", &Simulated::service("one", ALL)).await.is(201);
    let id = created.header("andante-transaction").unwrap().to_owned();
    let seen = domain.transaction(&id).await;
    assert_eq!((&seen["outcome"], &seen["queued"]), (&json!("applied"), &json!(["pe2"])), "{seen:#}");
    assert_eq!(domain.service_state("acme").await, "queued");
    let queue = domain.queue().await;
    assert_eq!(
        (queue.len(), &queue[0]["element"], &queue[0]["revision"]),
        (1, &json!("pe2"), &json!("1")),
        "{queue:#?}"
    );
    let now = domain.texts();
    assert!(now[0] != before[0] && now[1] == before[1] && now[2] != before[2]);

    // It stays away: the change waits and says why. It comes back: what it carries is no deviation.
    domain.daemon.controller.run_queues().await;
    assert!(domain.queue().await[0]["reason"].as_str().unwrap().contains("pe2 cannot be read"));
    domain.sim.mend("pe2").unwrap();
    let report = domain.daemon.controller.check(&noc(), "pe2").await.unwrap();
    assert_eq!(report.deviations, []);
    let etag = domain.daemon.get(PUT).await.is(200).header("etag").map(str::to_owned);
    domain.work_off(0).await;
    assert_eq!(domain.service_state("acme").await, "deployed");
    assert_ne!(domain.texts()[1], before[1]);
    let read = domain.daemon.get(PUT).await.is(200);
    assert_eq!(read.header("etag").map(str::to_owned), etag, "the document is the same, its revision too");
    for element in ALL {
        let report = domain.daemon.controller.check(&noc(), element).await.unwrap();
        assert_eq!(report.deviations, [], "{element}");
    }
    let events = domain.daemon.controller.events_after(0, 1000).await.unwrap();
    let kinds: Vec<_> =
        events.iter().map(|(_, event)| event.kind.as_str()).filter(|kind| kind.contains("queue")).collect();
    assert_eq!(kinds, ["change-queued", "queued-change-done"]);

    // The same again with a removal: the service is gone, and its rest goes when the element is back.
    domain.away("pe3");
    let path = format!("{PUT}?queue-unreachable=block");
    domain.daemon.ask(Method::DELETE, &path, &[], "").await.is(204);
    domain.daemon.get(PUT).await.is(404);
    assert_eq!(domain.queue().await[0]["revision"], Value::Null);
    domain.sim.mend("pe3").unwrap();
    domain.work_off(0).await;
    assert_eq!(domain.texts(), before);
    domain.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_an_element_run_in_order_and_a_newer_one_takes_the_place_of_the_older() {
    let mut domain = Simulated::start().await;
    domain.away("pe2");
    for (id, vlan) in [("acme", 100), ("beta", 200)] {
        domain.apply_queued(id, vlan, "block").await.is(200);
    }
    // Another document of the first: it keeps its place. And back again, also while pe2 answers: behind what waits.
    domain.apply_queued("acme", 300, "block").await.is(200);
    domain.sim.mend("pe2").unwrap();
    domain.apply_queued("gamma", 400, "block").await.is(200);
    let line: Vec<_> = domain.queue().await.iter().map(|one| (one["id"].clone(), one["revision"].clone())).collect();
    assert_eq!(line, [("acme", "2"), ("beta", "1"), ("gamma", "1")].map(|(id, rev)| (json!(id), json!(rev))));
    // The next daemon has the same line, in the same order, and goes on with it.
    domain.sim.fault("pe2", Fault::Unreachable).unwrap();
    let waiting = domain.queue().await;
    domain.restart().await;
    assert_eq!(domain.queue().await, waiting);
    assert_eq!(domain.service_state("beta").await, "queued");
    domain.sim.mend("pe2").unwrap();
    let report = domain.daemon.controller.check(&noc(), "pe2").await.unwrap();
    assert_eq!(report.deviations, [], "what waits is no deviation after a restart either");
    domain.work_off(0).await;
    let queued: Vec<_> = domain.daemon.controller.transactions_page(&noc(), None, usize::MAX).await.unwrap();
    let mut order: Vec<_> = queued.iter().filter(|one| one.summary.starts_with("queued for pe2")).collect();
    order.sort_by(|a, b| a.id.cmp(&b.id));
    let order: Vec<_> = order.iter().map(|one| one.summary.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(order, ["acme", "beta", "gamma"]);
    assert!(domain.sim.text("pe2").unwrap().contains("vrf acme"));
    for id in ["acme", "beta", "gamma"] {
        assert_eq!(domain.service_state(id).await, "deployed");
    }
    domain.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_change_that_fails_blocks_is_skipped_or_takes_its_service_back() {
    let domain = Simulated::start().await;
    let refuse = || Fault::Refuse { on: "vrf".into(), answer: "% Configuration failed.".into(), times: 1 };
    domain.away("pe2");
    domain.apply_queued("acme", 100, "block").await.is(200);
    domain.apply_queued("beta", 200, "skip").await.is(200);
    domain.sim.mend("pe2").unwrap();
    domain.sim.fault("pe2", refuse()).unwrap();
    domain.work_off(2).await;
    let until_blocked = domain.queue().await;
    assert_eq!(until_blocked[0]["state"], "blocked", "{until_blocked:#?}");
    assert_eq!(until_blocked[1]["state"], "waiting", "the next one waits");
    assert!(until_blocked[0]["attempt"].is_string() && until_blocked[0]["reason"].is_string());
    assert_eq!(domain.service_state("acme").await, "partially-applied");
    assert!(!domain.sim.text("pe2").unwrap().contains("beta"));
    let list = domain.run(&["queue", "list"]).await.with(2);
    assert!(list.out.contains("blocked") && list.out.contains("waiting"), "{}", list.out);

    // Given up: the next one goes on, fails as well, and is skipped.
    domain.sim.fault("pe2", refuse()).unwrap();
    domain.run(&["queue", "drop", "pe2", "acme"]).await.with(0);
    domain.work_off(0).await;
    let queue = domain.queue().await;
    assert_eq!(queue.iter().map(|one| &one["state"]).collect::<Vec<_>>(), ["skipped", "skipped"], "{queue:#?}");
    assert_eq!(domain.service_state("beta").await, "partially-applied");
    // Tried again it works; another write of the service settles it as well.
    domain.run(&["queue", "retry", "pe2", "beta"]).await.with(0);
    domain.work_off(0).await;
    let file = domain.file("acme.json", "acme", 101);
    domain.run(&["service", "apply", file.to_str().unwrap()]).await.with(0);
    assert_eq!(domain.queue().await, [] as [Value; 0]);
    let deployed = domain.texts();
    assert_eq!(domain.service_state("acme").await, "deployed");

    // A whole service goes back.
    domain.away("pe2");
    domain.apply_queued("acme", 102, "revert-service").await.is(200);
    assert_ne!(domain.texts(), deployed);
    domain.sim.mend("pe2").unwrap();
    domain.sim.fault("pe2", Fault::RefuseLine { number: 1, answer: "% Configuration failed.".into() }).unwrap();
    domain.work_off(0).await;
    assert_eq!(domain.queue().await, [] as [Value; 0]);
    assert_eq!(domain.texts(), deployed);
    assert_eq!(domain.service_state("acme").await, "deployed");
    let events = domain.daemon.controller.events_after(0, 10_000).await.unwrap();
    assert!(events.iter().any(|(_, event)| event.kind == "service-reverted"));
    domain.end().await;
}
