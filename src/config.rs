//! The daemon's own settings: one TOML file, read once by `bin`; nothing else reads settings or the environment.
//!
//! Every key, its default and its meaning stand in `config/andante.toml`, which a test holds against the defaults below.
//! Unknown keys are refused; a broken file is an error and never means defaults. Relative paths are relative to the file.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub struct Settings {
    /// The daemon itself.
    pub daemon: Daemon,
    /// Folders and files.
    pub paths: Paths,
    /// North.
    pub presto: Presto,
    /// South.
    pub adagio: Adagio,
    /// Transactions.
    pub transaction: Transaction,
    /// The loop.
    pub reconcile: Reconcile,
    /// Schemas.
    pub yang: Yang,
    /// Kept plans.
    pub plan: Plan,
    /// The past of services.
    pub history: History,
    /// Secrets.
    pub secrets: Secrets,
    /// Automatic numbers.
    pub ledger: Ledger,
    /// Logs.
    pub log: Log,
}

/// `[secrets]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// File of the key; empty = `secret.key` in the folder of the store.
    pub key_file: PathBuf,
}

/// `[daemon]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Daemon {
    /// Name of the network domain.
    pub domain: String,
}

/// `[paths]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paths {
    /// Folder of the store.
    pub state: PathBuf,
    /// Folder that holds a folder per adapter.
    pub adapters: PathBuf,
    /// Folder of our modules and interface profiles.
    pub profiles: PathBuf,
    /// Folders of YANG files that win over the profiles.
    pub yang: Vec<PathBuf>,
    /// Inventory, applied at start and on SIGHUP; empty = none.
    pub elements: PathBuf,
}

/// `[presto]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Presto {
    /// Address of the RESTCONF server; plain HTTP is allowed on loopback only.
    pub listen: SocketAddr,
    /// Local socket for `andante`; empty = none.
    pub socket: PathBuf,
    /// Seconds that a write waits for its transaction.
    pub sync_timeout: u64,
    /// Largest request body, bytes.
    pub body_limit: usize,
    /// `strict` or `nso-compatible`.
    pub profile: Profile,
}

/// How status codes are chosen where peers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// As documented.
    Strict,
    /// 502 where an element is unreachable or out of sync.
    NsoCompatible,
}

/// `[adagio]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adagio {
    /// Seconds to connect and log in.
    pub connect_timeout: u64,
    /// Seconds for one answer.
    pub answer_timeout: u64,
    /// Seconds for which busy lines are retried.
    pub busy_timeout: u64,
    /// Largest reply, bytes.
    pub reply_limit: usize,
}

/// `[transaction]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transaction {
    /// Seconds to get all locks.
    pub lock_timeout: u64,
    /// Seconds for one edit and its check.
    pub prepare_timeout: u64,
    /// Seconds for one commit.
    pub commit_timeout: u64,
    /// Seconds for one read-back.
    pub verify_timeout: u64,
    /// Seconds for one confirm, cancel or save.
    pub confirm_timeout: u64,
    /// Seconds that the state of the elements may take to be as good as before.
    pub check_timeout: u64,
    /// Seconds after which a confirmed commit reverts by itself, at most.
    pub confirm_window: u64,
    /// The same, at least.
    pub confirm_window_min: u64,
    /// Seconds for which the name of a request is remembered.
    pub request_keep: u64,
    /// How many names are remembered.
    pub request_max: usize,
}

/// `[reconcile]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reconcile {
    /// Seconds between two looks at one element; 0 = only on request.
    pub period: u64,
    /// Share of the period by which it is moved at random, 0 to 0.5.
    pub jitter: f64,
    /// How many elements are read at once.
    pub parallel: usize,
}

/// `[plan]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Hours that a kept plan lives.
    pub keep_hours: u64,
    /// How many are kept.
    pub keep_max: usize,
    /// Total size of kept plans, bytes.
    pub keep_bytes: usize,
}

/// `[history]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// How many revisions of a service are kept, the present one included.
    pub revisions: u64,
    /// How many deleted services are remembered.
    pub deleted: usize,
}

/// `[yang]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Yang {
    /// Bytes of memory that a libyang worker may have; 0 is no limit.
    pub memory_limit: u64,
    /// Seconds for one request to it.
    pub time_limit: u64,
    /// Seconds to fetch all modules of one element.
    pub fetch_timeout: u64,
    /// Most bytes of the modules of one element.
    pub fetch_bytes: usize,
}

/// `[ledger]`: first and last number of each space, both handed out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ledger {
    /// Seconds that a released number rests after no element carries it any more.
    pub quarantine: u64,
    /// Pseudowire ids.
    pub vc_id: [u64; 2],
    /// VXLAN network identifiers.
    pub vni: [u64; 2],
    /// EVPN instances.
    pub evi: [u64; 2],
    /// The number behind the router id of a route distinguisher.
    pub route_distinguisher: [u64; 2],
    /// The number behind the autonomous system of a route target.
    pub route_target: [u64; 2],
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Filter in the syntax of `tracing`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people and journald.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Daemon {
    fn default() -> Self {
        Self { domain: "default".into() }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            state: "/var/lib/andante".into(),
            adapters: "/usr/share/andante/adapters".into(),
            profiles: "/usr/share/andante/yang".into(),
            yang: vec!["/etc/andante/yang".into()],
            elements: "/etc/andante/elements.toml".into(),
        }
    }
}

impl Default for Presto {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            socket: "/run/andante/andante.sock".into(),
            sync_timeout: 120,
            body_limit: 4 << 20,
            profile: Profile::Strict,
        }
    }
}

impl Default for Adagio {
    fn default() -> Self {
        Self { connect_timeout: 15, answer_timeout: 60, busy_timeout: 15, reply_limit: 64 << 20 }
    }
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            lock_timeout: 30,
            prepare_timeout: 60,
            commit_timeout: 60,
            verify_timeout: 60,
            confirm_timeout: 60,
            check_timeout: 30,
            confirm_window: 300,
            confirm_window_min: 60,
            request_keep: 86_400,
            request_max: 100_000,
        }
    }
}

impl Default for Reconcile {
    fn default() -> Self {
        Self { period: 300, jitter: 0.1, parallel: 8 }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self { keep_hours: 24, keep_max: 1000, keep_bytes: 256 << 20 }
    }
}

impl Default for History {
    fn default() -> Self {
        Self { revisions: 50, deleted: 1000 }
    }
}

impl Default for Yang {
    fn default() -> Self {
        Self { memory_limit: 2 << 30, time_limit: 60, fetch_timeout: 300, fetch_bytes: 64 << 20 }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            quarantine: 86_400,
            vc_id: [1, LEDGER_MAX.vc_id],
            vni: [1, LEDGER_MAX.vni],
            evi: [1, LEDGER_MAX.evi],
            route_distinguisher: [1, LEDGER_MAX.route_distinguisher],
            route_target: [1, LEDGER_MAX.route_target],
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

impl Settings {
    /// Reads and checks a file.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let broken = |reason: String| ConfigError { file: file.into(), reason };
        if !file.is_file() {
            return Err(broken("no such file".into()));
        }
        let source = config::File::from(file).format(config::FileFormat::Toml);
        let settings: Settings = config::Config::builder()
            .add_source(source)
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| broken(error.to_string()))?;
        let base = file.parent().unwrap_or(Path::new("."));
        settings.relative_to(base).checked().map_err(broken)
    }

    fn relative_to(mut self, base: &Path) -> Self {
        let paths = [
            &mut self.paths.state,
            &mut self.paths.adapters,
            &mut self.paths.profiles,
            &mut self.paths.elements,
            &mut self.presto.socket,
            &mut self.secrets.key_file,
        ];
        for path in paths.into_iter().chain(self.paths.yang.iter_mut()) {
            if !path.as_os_str().is_empty() && path.is_relative() {
                *path = base.join(&path);
            }
        }
        self
    }

    fn checked(self) -> Result<Self, String> {
        if !self.presto.listen.ip().is_loopback() {
            return Err(format!(
                "presto.listen: {} is not a loopback address; put a TLS proxy in front of a loopback address",
                self.presto.listen
            ));
        }
        if !(0.0..=0.5).contains(&self.reconcile.jitter) {
            return Err(format!("reconcile.jitter: {} is not between 0 and 0.5", self.reconcile.jitter));
        }
        if self.reconcile.parallel == 0 {
            return Err("reconcile.parallel: must be at least 1".into());
        }
        if self.history.revisions == 0 {
            return Err("history.revisions: must be at least 1, the present one".into());
        }
        if self.yang.memory_limit > 0 && self.yang.memory_limit < LEAST_MEMORY {
            return Err(format!(
                "yang.memory_limit: {} is less than {LEAST_MEMORY}, with which a worker cannot start; 0 is no limit",
                self.yang.memory_limit
            ));
        }
        let ledger = &self.ledger;
        for (key, [first, last], most) in [
            ("vc_id", ledger.vc_id, LEDGER_MAX.vc_id),
            ("vni", ledger.vni, LEDGER_MAX.vni),
            ("evi", ledger.evi, LEDGER_MAX.evi),
            ("route_distinguisher", ledger.route_distinguisher, LEDGER_MAX.route_distinguisher),
            ("route_target", ledger.route_target, LEDGER_MAX.route_target),
        ] {
            if first == 0 || first > last || last > most {
                return Err(format!("ledger.{key}: [{first}, {last}] is not within [1, {most}]"));
            }
        }
        let window = self.transaction.confirm_window;
        if window <= self.transaction.commit_timeout {
            return Err(format!(
                "transaction.confirm_window: {window} must be longer than transaction.commit_timeout ({})",
                self.transaction.commit_timeout
            ));
        }
        if self.transaction.confirm_window_min > window {
            return Err(format!(
                "transaction.confirm_window_min: {} must not be longer than transaction.confirm_window ({window})",
                self.transaction.confirm_window_min
            ));
        }
        Ok(self)
    }
}

/// A libyang worker with the modules of the north needs about 40 MB.
const LEAST_MEMORY: u64 = 64 << 20;

/// The last number that each space has.
const LEDGER_MAX: LedgerMax = LedgerMax {
    vc_id: 4_294_967_295,
    vni: 16_777_214,
    evi: 65_534,
    route_distinguisher: 65_535,
    route_target: 4_294_967_295,
};

struct LedgerMax {
    vc_id: u64,
    vni: u64,
    evi: u64,
    route_distinguisher: u64,
    route_target: u64,
}

/// Seconds of a setting as a duration.
pub fn seconds(value: u64) -> Duration {
    Duration::from_secs(value)
}

/// The file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct ConfigError {
    /// Which file.
    pub file: PathBuf,
    /// Why, naming the key.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("andante.toml");
        std::fs::write(&file, text).unwrap();
        Settings::read(&file)
    }

    #[test]
    fn the_shipped_file_is_complete_and_shows_the_true_defaults() {
        let text = include_str!("../config/andante.toml");
        let shipped: Settings = toml::from_str(text).unwrap();
        assert_eq!(shipped, Settings::default());
        // Complete: every key of the defaults stands in the text.
        let defaults = toml::Value::try_from(Settings::default()).unwrap();
        for (section, keys) in defaults.as_table().unwrap() {
            assert!(text.contains(&format!("[{section}]")), "[{section}] is missing");
            for key in keys.as_table().unwrap().keys() {
                assert!(text.contains(&format!("\n{key} = ")), "{section}.{key} is missing");
            }
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = read("[presto]\nlisten_on = \"127.0.0.1:1\"\n").unwrap_err();
        assert!(error.reason.contains("listen_on"), "{error}");
    }

    #[test]
    fn a_broken_file_never_means_defaults() {
        assert!(read("[presto\n").is_err());
        assert!(Settings::read(Path::new("/nonexistent/andante.toml")).is_err());
    }

    #[test]
    fn plain_http_beyond_loopback_is_refused() {
        let error = read("[presto]\nlisten = \"0.0.0.0:8080\"\n").unwrap_err();
        assert!(error.reason.contains("loopback"), "{error}");
    }

    #[test]
    fn numbers_that_do_not_exist_are_not_handed_out() {
        assert!(read("[ledger]\nvni = [10000, 19999]\n").is_ok());
        for bad in ["evi = [0, 10]", "evi = [1, 65535]", "vni = [20, 10]"] {
            let error = read(&format!("[ledger]\n{bad}\n")).unwrap_err();
            assert!(error.reason.contains("ledger."), "{error}");
        }
    }

    #[test]
    fn relative_paths_are_relative_to_the_file() {
        let settings = read("[paths]\nstate = \"state\"\n").unwrap();
        assert!(settings.paths.state.is_absolute() && settings.paths.state.ends_with("state"));
    }
}
