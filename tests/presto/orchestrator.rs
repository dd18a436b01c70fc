//! An orchestrator in front of a simulated domain: it writes services, watches transactions, calls operations.

use crate::daemon::{Answer, JSON};
use crate::simulated::Domain;
use http::Method;
use serde_json::{Value, json};
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

pub struct Simulated {
    domain: Domain,
}

pub const PUT: &str = "/restconf/data/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service=acme";

impl Deref for Simulated {
    type Target = Domain;

    fn deref(&self) -> &Domain {
        &self.domain
    }
}

impl Simulated {
    pub async fn start() -> Self {
        Self { domain: Domain::start().await }
    }

    /// The daemon ends, and another begins over its store.
    pub async fn restart(&mut self) {
        self.domain.daemon.restart().await;
    }

    /// Ends the daemon.
    pub async fn end(self) {
        self.domain.daemon.end().await;
    }

    /// The service of the demo on these of its elements, for this customer.
    pub fn service(customer: &str, elements: &[&str]) -> String {
        let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/l3vpn.json")).unwrap();
        let all: Value = serde_json::from_slice(&text).unwrap();
        let mut service = all["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"][0].clone();
        assert_eq!(service["vpn-id"], "acme", "{all}");
        // It goes into the descriptions on the elements.
        service["customer-name"] = customer.into();
        let nodes = service["vpn-nodes"]["vpn-node"].as_array().unwrap();
        let of = |node: &&Value| elements.contains(&node["ne-id"].as_str().or(node["vpn-node-id"].as_str()).unwrap());
        let nodes: Vec<Value> = nodes.iter().filter(of).cloned().collect();
        service["vpn-nodes"]["vpn-node"] = nodes.into();
        json!({ "ietf-l3vpn-ntw:vpn-service": [service] }).to_string()
    }

    pub async fn put(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", JSON)];
        all.extend(headers);
        self.daemon.ask(Method::PUT, PUT, &all, body.to_owned()).await
    }

    pub async fn transaction(&self, id: &str) -> Value {
        let path = format!("/restconf/data/andante:transactions/transaction={id}");
        self.daemon.get(&path).await.is(200).json()["andante:transaction"][0].clone()
    }

    /// Watches a transaction until this holds.
    pub async fn until(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        let mut after = "0".to_owned();
        loop {
            let input = json!({ "transaction": id, "after": after, "wait": 5 });
            let seen = self.call("watch-transaction", input).await.is(200).json()["andante:output"].clone();
            if holds(&seen) {
                return seen;
            }
            assert!(Instant::now() < end, "never: {what}: {seen:#}");
            after = seen["change"].as_str().unwrap().to_owned();
        }
    }

    pub async fn ended(&self, id: &str) -> Value {
        self.until(id, "an end", |seen| seen["outcome"].is_string()).await
    }
}
