//! One simulated element of a platform, and the daemon's transaction machine in front of it.

use crate::ride::{Rider, South, Watch, plan};
use andante::adagio::Payload;
use andante::adagio::cli::driver::dialect_of;
use andante::adagio::cli::{CliLimits, CliSession};
use andante::adagio::connect::Connector;
use andante::adagio::netconf::NetconfLimits;
use andante::adagio::secret::NoSecrets;
use andante::adagio::sim::{Login, SimElement, SimHandle, SimOptions, serve};
use andante::adagio::ssh::SshLimits;
use andante::adagio::tap::Tap;
use andante::adapter::Adapter;
use andante::domain::{Class, Element, TransactionRecord};
use andante::transaction::{Recovery, TransactionLimits};
use andante::tree::{ConfigTree, diff};
use russh::keys::{Algorithm, PrivateKey};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a platform is known by.
pub struct Platform {
    pub name: &'static str,
    pub class: Class,
    /// What the commit of a transaction begins with.
    pub commit: &'static str,
    /// What is typed to confirm.
    pub confirm: &'static str,
    /// What leads to where that is typed.
    pub enter: &'static [&'static str],
    /// What is surely typed when all goes well.
    pub typed: &'static [&'static str],
    /// Lines and the words with which they are refused.
    pub refusals: &'static [(&'static str, &'static str)],
    /// Whether success is said in words, and not seen elsewhere.
    pub proof_in_words: bool,
}

pub const PLATFORMS: &[Platform] = &[
    Platform {
        name: "junos-like",
        class: Class::A,
        commit: "commit confirmed",
        confirm: "commit",
        enter: &["configure exclusive"],
        typed: &["configure exclusive", "commit check", "commit confirmed 5 comment andante-", "\ncommit\n"],
        refusals: &[
            ("description new", "% Invalid input"),
            ("commit check", "error: configuration check-out failed"),
            ("commit confirmed", "error: commit failed"),
        ],
        proof_in_words: true,
    },
    Platform {
        name: "xr-like",
        class: Class::A,
        commit: "commit confirmed",
        confirm: "commit",
        enter: &["configure exclusive"],
        typed: &["configure exclusive", "validate config", "commit confirmed 300 label andante-", "\ncommit\n"],
        refusals: &[
            ("description new", "% Invalid input"),
            ("validate config", "% Validation failed"),
            (
                "commit confirmed",
                "% Failed to commit one or more configuration items during a pseudo-atomic operation.",
            ),
        ],
        proof_in_words: false,
    },
    Platform {
        name: "eos-like",
        class: Class::A,
        commit: "commit timer",
        confirm: "configure session NAME commit",
        enter: &[],
        typed: &["configure session andante-", "commit timer 00:05:00", " commit\n"],
        refusals: &[("description new", "% Invalid input"), ("commit timer", "% Commit failed")],
        proof_in_words: false,
    },
    Platform {
        name: "ios-like",
        class: Class::A,
        commit: "configure terminal revert timer 5",
        confirm: "configure confirm",
        enter: &[],
        typed: &["configure terminal revert timer 5", "configure confirm"],
        refusals: &[
            ("description new", "% Invalid input"),
            ("configure terminal revert timer 5", "% The archive is not configured"),
        ],
        proof_in_words: true,
    },
    Platform {
        name: "vyos-like",
        class: Class::B,
        commit: "commit",
        confirm: "",
        enter: &[],
        typed: &["configure", "\ncommit\n"],
        refusals: &[("description new", "% Invalid input"), ("commit", "Commit failed")],
        proof_in_words: false,
    },
];

const BEFORE: &str =
    "interface eth1\n description old\n mtu 9000\nexit\n!\ninterface eth2\n description core\nexit\n!\nend\n";
const AFTER: &str = "interface eth1\n description new\n mtu 9000\nexit\n!\ninterface eth1.100\n description acme\n \
                     mtu 1500\nexit\n!\ninterface eth2\n description core\nexit\n!\nend\n";

pub struct Lab {
    pub sim: SimHandle,
    pub rider: Rider,
    adapter: Arc<Adapter>,
    connector: Connector,
    before: ConfigTree,
    after: ConfigTree,
    folder: tempfile::TempDir,
}

impl Lab {
    pub async fn start(platform: &str) -> Self {
        Self::start_with(platform, |manifest| manifest).await
    }

    /// The same with another manifest.
    pub async fn start_with(platform: &str, change: impl Fn(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("adapters").join(platform);
        std::fs::create_dir_all(&own).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
        let read = |file: &str| std::fs::read_to_string(here.join(file)).unwrap();
        let manifest = format!(
            "name = \"{platform}\"\n{}{}{}",
            read("head.toml"),
            read(&format!("{platform}.toml")),
            read("modes.toml")
        );
        std::fs::write(own.join("adapter.toml"), change(manifest)).unwrap();
        std::fs::write(own.join("grammar.toml"), read("grammar.toml")).unwrap();
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        key.write_openssh_file(folder.path().join("key"), Default::default()).unwrap();
        let mut element = SimElement::new("pe1", platform);
        element.login = Login { keys: vec![key.public_key().clone()], password: None };
        element.running = BEFORE.into();
        let adapters = folder.path().join("adapters");
        let options = SimOptions { elements: vec![element], adapters, schemas: BTreeMap::new(), state: None };
        let sim = serve(options).await.unwrap_or_else(|error| panic!("{platform}: {error}"));
        let adapter = Arc::new(Adapter::load(&own).unwrap());
        let connector = Connector {
            ssh: SshLimits::default(),
            netconf: NetconfLimits::default(),
            cli: CliLimits {
                line_timeout: Duration::from_secs(5),
                show_timeout: Duration::from_secs(5),
                ..CliLimits::default()
            },
            busy: Duration::from_millis(100),
            secrets: Arc::new(NoSecrets),
            inside: None,
            readings: Arc::default(),
        };
        let tree = |text: &str| adapter.normalise(&adapter.parse(text).unwrap().tree);
        let (before, after) = (tree(BEFORE), tree(AFTER));
        let limits = TransactionLimits {
            lock: Duration::from_secs(5),
            settle: Duration::from_millis(100),
            margin: Duration::from_millis(100),
            confirm_window: Duration::from_secs(300),
            ..TransactionLimits::default()
        };
        let rider = Rider::new(adapter.clone(), limits);
        Self { sim, rider, adapter, connector, before, after, folder }
    }

    pub fn south(&self) -> South {
        let south = self.connector.southbound(&self.element(), &self.adapter).unwrap();
        BTreeMap::from([("pe1".to_owned(), south)])
    }

    pub async fn class(&self) -> Class {
        let reader = self.south()["pe1"].open_reader().await.unwrap();
        let class = reader.class();
        reader.close().await;
        class
    }

    /// Somebody at the prompt.
    pub async fn operator(&self) -> CliSession {
        let dialect = Arc::new(dialect_of(&self.adapter).unwrap());
        let target = self.connector.target(&self.element()).unwrap();
        CliSession::connect(&target, &self.connector.ssh, dialect, self.connector.cli, Tap::default()).await.unwrap()
    }

    /// The change, by the transaction machine.
    pub async fn run(&self) -> TransactionRecord {
        self.carry_out(&self.before, &self.after, Arc::default()).await.expect("nobody dies here")
    }

    pub async fn run_back(&self) -> TransactionRecord {
        self.carry_out(&self.after, &self.before, Arc::default()).await.expect("nobody dies here")
    }

    /// The same in a daemon that dies at this point.
    pub async fn die_at(&self, point: &str) {
        let ended = self.carry_out(&self.before, &self.after, Arc::new(Watch::dies_at(point))).await;
        assert!(ended.is_none(), "it did not die at {point}: {ended:#?}");
        // The sessions of the dead go with it.
        self.until("its sessions have ended", |left| !left.iter().any(|what| what.ends_with("configures"))).await;
    }

    /// The points at which a transaction can die.
    pub async fn points(&self) -> Vec<String> {
        let probe = Arc::new(Watch::default());
        self.carry_out(&self.before, &self.after, probe.clone()).await;
        probe.passed()
    }

    /// A daemon starts after the one that died.
    pub async fn recovery(&self) -> Recovery {
        self.rider.recovery().await
    }

    pub async fn recover(&self, recovery: &Recovery) -> TransactionRecord {
        let records = recovery.retry(&self.south()).await.unwrap();
        records.into_iter().next().expect("an open transaction")
    }

    /// The bytes of the change.
    pub fn payload(&self) -> Payload {
        self.adapter.render(&diff(&self.before, &self.after), &self.before, &self.after).unwrap()
    }

    #[track_caller]
    pub fn is_before(&self, what: &str) {
        self.before_is_running(what);
        self.nothing_is_left(what);
    }

    #[track_caller]
    pub fn before_is_running(&self, what: &str) {
        assert!(self.sim.running("pe1").unwrap() == self.before, "{what}: {}", self.sim.text("pe1").unwrap());
    }

    #[track_caller]
    pub fn is_after(&self, what: &str) {
        assert!(self.sim.running("pe1").unwrap() == self.after, "{what}: {}", self.sim.text("pe1").unwrap());
        self.nothing_is_left(what);
    }

    #[track_caller]
    pub fn nothing_is_left(&self, what: &str) {
        let mut left = self.sim.left_over("pe1").unwrap();
        for _ in 0..500 {
            // A session that was closed ends a moment later.
            if !left.iter().any(|what| what.ends_with("configures")) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            left = self.sim.left_over("pe1").unwrap();
        }
        assert!(left.is_empty(), "{what}: {left:?}");
    }

    /// Waits until what commits have left is so.
    pub async fn until(&self, what: &str, holds: impl Fn(&[String]) -> bool) {
        for _ in 0..1_000 {
            if holds(&self.sim.left_over("pe1").unwrap()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: never; left are {:?}", self.sim.left_over("pe1").unwrap());
    }

    /// The label of the commit that waits.
    pub fn pending_name(&self) -> String {
        let left = self.sim.left_over("pe1").unwrap();
        left.iter().find_map(|what| what.strip_prefix("pending ")).expect("a pending commit").to_owned()
    }

    pub fn sessions(&self) -> Vec<String> {
        self.sim.wire("pe1").unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    pub fn typed(&self) -> String {
        self.sessions().concat()
    }

    fn element(&self) -> Element {
        let text = format!(
            "name='pe1'\nadapter='{}'\naddress='{}'\nusername='andante'\nhost_key='{}'\nprivate_key='{}'",
            self.adapter.name(),
            self.sim.address("pe1").unwrap(),
            self.sim.host_key("pe1").unwrap(),
            self.folder.path().join("key").display(),
        );
        toml::from_str(&text).unwrap()
    }

    /// `None`: it died.
    async fn carry_out(&self, from: &ConfigTree, to: &ConfigTree, probe: Arc<Watch>) -> Option<TransactionRecord> {
        let class = PLATFORMS.iter().find(|known| known.name == self.adapter.name()).unwrap().class;
        let plan = plan(&self.adapter, class, from, to);
        self.rider.ride(plan, &self.south(), probe).await
    }
}
