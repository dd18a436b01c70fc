//! The simulated elements, seen by the daemon's own drivers and by clients that break the rules.
//!
//! What is asked here of the simulator was measured on real servers first (netconfd, FRR); the facts are named where they
//! are asked. Loopback only; every wait asks for a condition and has an end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // an element that fails is a failed test

mod by_hand;
mod door;
mod driver;
mod lines;
mod readings;
mod story;

#[path = "../support/demo.rs"]
mod demo;
#[path = "../support/platforms.rs"]
mod platforms;
#[path = "../support/simulated.rs"]
mod simulated;

use andante::adagio::cli::driver::dialect_of;
use andante::adagio::cli::{CliLimits, CliSession};
use andante::adagio::connect::Connector;
use andante::adagio::netconf::{NetconfError, NetconfLimits, NetconfSession};
use andante::adagio::secret::NoSecrets;
use andante::adagio::sim::{Login, SimElement, SimHandle, SimOptions, serve};
use andante::adagio::ssh::{SshLimits, SshTarget};
use andante::adagio::tap::Tap;
use andante::adagio::{Confirm, DriverError, Payload, Southbound};
use andante::adapter::Adapter;
use andante::domain::Element;
use andante::tree::{ConfigTree, Diff, diff, inverse};
use platforms::{adapter_folder, platforms};
use simulated::{FRR_BEFORE, key_in, simulated};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A simulated domain: `pe1` and `pe3` (iosxr), `pe2` (frr), and what the daemon needs to drive it.
struct Lab {
    sim: SimHandle,
    adapters: BTreeMap<String, Arc<Adapter>>,
    connector: Connector,
    folder: tempfile::TempDir,
}

impl Lab {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl Fn(&mut SimElement)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = key_in(folder.path());
        let (adapters, schemas) = platforms().await;
        let elements = [("pe1", "iosxr"), ("pe2", "frr")].map(|(name, adapter)| {
            let mut element = SimElement::new(name, adapter);
            element.login = Login { keys: vec![key.public_key().clone()], password: Some("s3cret".to_owned().into()) };
            if adapter == "frr" {
                element.running = FRR_BEFORE.into();
            }
            change(&mut element);
            element
        });
        let options = SimOptions { elements: elements.into(), adapters: adapter_folder(), schemas, state: None };
        let connector = Connector {
            ssh: SshLimits::default(),
            netconf: NetconfLimits { rpc_timeout: Duration::from_secs(2), ..NetconfLimits::default() },
            cli: CliLimits { line_timeout: Duration::from_secs(2), ..CliLimits::default() },
            busy: Duration::from_millis(100),
            secrets: Arc::new(NoSecrets),
            inside: None,
            readings: Arc::default(),
        };
        Self { sim: serve(options).await.unwrap(), adapters, connector, folder }
    }

    fn element(&self, name: &str) -> Element {
        simulated(&self.sim, name, "andante", &self.folder.path().join("key"))
    }

    fn target(&self, name: &str) -> SshTarget {
        self.connector.target(&self.element(name)).unwrap()
    }

    fn south(&self, name: &str) -> Arc<dyn Southbound> {
        self.connector.southbound(&self.element(name), self.adapter(name)).unwrap()
    }

    fn adapter(&self, name: &str) -> &Arc<Adapter> {
        &self.adapters[self.sim.adapter(name).unwrap()]
    }

    async fn netconf(&self, name: &str) -> NetconfSession {
        let limits = self.connector.netconf;
        NetconfSession::connect(&self.target(name), &self.connector.ssh, limits, Tap::default()).await.unwrap()
    }

    async fn cli(&self, name: &str) -> CliSession {
        let dialect = Arc::new(dialect_of(self.adapter(name)).unwrap());
        let (ssh, limits) = (&self.connector.ssh, self.connector.cli);
        CliSession::connect(&self.target(name), ssh, dialect, limits, Tap::default()).await.unwrap()
    }

    /// The golden L3VPN of the adapter as a change of what runs now: before, after, the way there and back.
    fn service(&self, name: &str) -> Change {
        let adapter = self.adapter(name);
        let case = adapter_folder().join(adapter.name()).join("tests/change_vlan_id/element-service.json");
        let wanted = serde_json::from_str(&std::fs::read_to_string(case).unwrap()).unwrap();
        let before = self.sim.running(name).unwrap();
        let after = before.overlay(&adapter.map(&wanted).unwrap());
        let there = diff(&before, &after);
        let payload = adapter.render(&there, &before, &after).unwrap();
        let back = adapter.render(&inverse(&there), &after, &before).unwrap();
        Change { before, after, there, payload, back }
    }

    async fn read(&self, name: &str) -> ConfigTree {
        let mut reader = self.south(name).open_reader().await.unwrap();
        let reading = reader.read_running().await.unwrap();
        assert_eq!(reading.partial, None);
        reader.close().await;
        reading.tree
    }

    fn typed(&self, name: &str) -> String {
        self.sim.wire(name).unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

struct Change {
    before: ConfigTree,
    after: ConfigTree,
    there: Diff,
    payload: Payload,
    back: Payload,
}

/// Waits until the condition holds, at most five seconds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn confirm(seconds: u64) -> Confirm {
    Confirm { persist: "andante.t1.1.abc".into(), timeout: Duration::from_secs(seconds) }
}

fn tag(error: &DriverError) -> &str {
    error.tag.as_deref().unwrap_or("none")
}

fn rpc_tag<T: std::fmt::Debug>(result: Result<T, NetconfError>) -> String {
    result.unwrap_err().rpc_errors().first().map_or("none".to_owned(), |error| error.tag.clone())
}
