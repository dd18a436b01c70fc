//! The daemon: reads settings, wires the house, runs until it is told to stop.
//!
//! It stands beside `bin` in the import table: it may use everything and nothing may use it. The order is the one of
//! safety: the lease before anything is written, recovery before anything new is sent, readiness when the north answers.

pub mod simulate;

use crate::adagio::connect::Connector;
use crate::adagio::netconf::{framing::FrameLimits, session::NetconfLimits};
use crate::adagio::{cli::session::CliLimits, ssh::SshLimits};
use crate::adapter::Adapter;
use crate::config::{LogFormat, Settings, seconds};
use crate::controller::{Absent, Controller, Failure, HistoryLimits, Parts, RequestLimits, SchemaSettings, Vault};
use crate::domain::{Element, Principal};
use crate::reconcile::{self, Loop, queue::Rhythm};
use crate::store::{self, Batch, Durability, Store, Table, sqlite::SqliteStore};
use crate::transaction::{NoProbe, Probe, StopSignal, SystemAmbient, TransactionLimits};
use crate::yang::client::{Loaded, YangWorker};
use crate::yang::protocol::LeftOut;
use crate::yang::sources::ModuleSet;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// What cannot be settled by the settings file.
pub struct Invocation {
    /// The settings.
    pub settings: Settings,
    /// This executable, for the libyang worker.
    pub program: PathBuf,
    /// Name of a point of a transaction at which the process dies, for tests of recovery.
    pub crash_at: Option<String>,
}

/// A daemon that could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct DaemonError {
    /// What was being done, naming the object.
    doing: String,
    /// Why.
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn failed(doing: impl Into<String>) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> DaemonError {
    let doing = doing.into();
    move |source| DaemonError { doing, source }
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(invocation: Invocation) -> Result<(), DaemonError> {
    let settings = invocation.settings.clone();
    let stop = CancellationToken::new();
    // Before the lease: a second daemon with the same settings must not fence the first one.
    let listeners = crate::presto::listen(presto_settings(&settings))
        .await
        .map_err(|error| failed("presto: cannot listen")(error.into()))?;
    let (controller, transactions) = start(invocation).await?;

    let server = crate::presto::serve(controller.clone(), listeners, stop.clone())
        .map_err(|error| failed("presto: cannot listen")(error.into()))?;
    let looks = Loop {
        rhythm: Rhythm { period: seconds(settings.reconcile.period), jitter: settings.reconcile.jitter },
        parallel: settings.reconcile.parallel,
    };
    let looking = tokio::spawn(reconcile::run(controller.clone(), looks, stop.clone()));
    let healing = tokio::spawn(recover_forever(controller.clone(), stop.clone()));
    let queues = tokio::spawn(queues_forever(controller.clone(), stop.clone()));
    notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(domain = settings.daemon.domain, listen = %server.address(), "ready");

    watch(&controller, &settings, &stop).await;
    notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping: running transactions end at a safe phase");
    transactions.stop();
    stop.cancel();
    server.finished().await;
    controller.quiet().await;
    let _ = tokio::join!(looking, healing, queues);
    tracing::info!("stopped");
    Ok(())
}

/// Signals and the watchdog, until the daemon is to end.
async fn watch(controller: &Arc<Controller>, settings: &Settings, stop: &CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        tracing::error!("no signal handlers; the daemon ends");
        return;
    };
    let mut watchdog_usec = 0;
    let watchdog = sd_notify::watchdog_enabled(false, &mut watchdog_usec);
    let beat = if watchdog { Duration::from_micros(watchdog_usec) / 3 } else { Duration::from_secs(3600) };
    let mut beats = tokio::time::interval(beat.max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            () = stop.cancelled() => return,
            _ = beats.tick() => if watchdog { notify(&[sd_notify::NotifyState::Watchdog]) },
            _ = hangup.recv() => {
                tracing::info!("SIGHUP: the inventory is read again");
                if let Err(error) = inventory(controller, &settings.paths.elements).await {
                    tracing::error!(error = crate::adagio::driver::chain(&error), "the inventory stays as it was");
                }
            }
        }
    }
}

/// A controller with everything below it. The second value stops its transactions.
pub async fn start(invocation: Invocation) -> Result<(Arc<Controller>, StopSignal), DaemonError> {
    let probe: Arc<dyn Probe> = match invocation.crash_at.clone() {
        Some(point) => Arc::new(CrashAt { point }),
        None => Arc::new(NoProbe),
    };
    start_with(invocation, probe).await
}

/// The same with a probe of the caller's own instead of [`Invocation::crash_at`]: whoever runs the house in process can
/// stop a transaction at a named point and do something to an element there.
pub async fn start_with(
    invocation: Invocation,
    probe: Arc<dyn Probe>,
) -> Result<(Arc<Controller>, StopSignal), DaemonError> {
    let Invocation { settings, program, .. } = invocation;
    std::fs::create_dir_all(&settings.paths.state)
        .map_err(|error| failed(format!("cannot make {}", settings.paths.state.display()))(error.into()))?;
    let file = settings.paths.state.join("andante.db");
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&file).map_err(|error| failed(format!("{}", file.display()))(error.into()))?);
    let holder = format!("andanted {}", std::process::id());
    let epoch = store.take_lease(&holder).await.map_err(|error| failed("cannot take the lease")(error.into()))?;
    hash_key(store.as_ref(), epoch).await.map_err(|error| failed("cannot read the installation")(error.into()))?;

    let vault = Arc::new(vault(&settings)?);
    let yang = Arc::new(worker(&program, &settings));
    // Modules of elements have a worker of their own: what they do to it must not hold up a document.
    let south = Arc::new(worker(&program, &settings));
    let north = north(&yang, &settings).await?;
    let adapters = adapters(&south, &settings).await?;
    let ambient = Arc::new(SystemAmbient::new());
    let stop = StopSignal::new();
    let parts = Parts {
        store,
        epoch,
        yang,
        north,
        adapters,
        schemas: SchemaSettings {
            yang: south,
            folder: schema_folder(&settings),
            dirs: existing(&settings.paths.yang),
            timeout: seconds(settings.yang.fetch_timeout),
            bytes: settings.yang.fetch_bytes,
        },
        connector: connector(&settings, vault.clone()),
        vault,
        ambient,
        probe,
        limits: limits(&settings),
        stop: stop.clone(),
        keep: Duration::from_secs(settings.plan.keep_hours * 3600),
        keep_max: settings.plan.keep_max,
        keep_bytes: settings.plan.keep_bytes,
        ranges: ranges(&settings.ledger),
        quarantine: seconds(settings.ledger.quarantine),
        requests: RequestLimits {
            keep: seconds(settings.transaction.request_keep),
            max: settings.transaction.request_max,
        },
        history: HistoryLimits { revisions: settings.history.revisions, deleted: settings.history.deleted },
    };
    let controller = Controller::start(parts).await.map_err(|error| failed("cannot load the store")(error.into()))?;
    inventory(&controller, &settings.paths.elements).await?;
    let open = controller.recover().await.map_err(|error| failed("cannot recover")(error.into()))?;
    for record in open {
        let outcome = record.outcome.as_ref().map_or_else(|| "still open".into(), ToString::to_string);
        tracing::warn!(transaction = record.id, outcome, "was open at start");
    }
    Ok((controller, stop))
}

/// A libyang worker with its limits, and with the schemas that are kept on disk.
fn worker(program: &Path, settings: &Settings) -> YangWorker {
    YangWorker::spawn(program, &["yang-worker"], seconds(settings.yang.time_limit))
        .with_memory_limit(settings.yang.memory_limit)
        .with_cache(&schema_folder(settings))
}

fn schema_folder(settings: &Settings) -> PathBuf {
    settings.paths.state.join("schemas")
}

fn existing(dirs: &[PathBuf]) -> Vec<PathBuf> {
    dirs.iter().filter(|dir| dir.is_dir()).cloned().collect()
}

/// The modules of the north, compiled; a module that is left out is fatal, for its face would lie.
async fn north(yang: &YangWorker, settings: &Settings) -> Result<Arc<Loaded>, DaemonError> {
    let mut dirs: Vec<&Path> = settings.paths.yang.iter().map(PathBuf::as_path).filter(|dir| dir.is_dir()).collect();
    dirs.push(&settings.paths.profiles);
    let set = ModuleSet::named(NORTH, &dirs);
    let loaded =
        yang.load(&set).await.map_err(|error| failed("cannot compile the modules of the north")(error.into()))?;
    match loaded.left_out.first() {
        None => Ok(loaded),
        Some(left) => {
            let why = format!("{}: {}", left.module, left.reason);
            Err(failed("a module of the north does not compile")(why.into()))
        }
    }
}

/// Every adapter folder. One that cannot be loaded is left out and named: the other elements still work.
async fn adapters(yang: &YangWorker, settings: &Settings) -> Result<BTreeMap<String, Arc<Adapter>>, DaemonError> {
    let folder = &settings.paths.adapters;
    let listing = std::fs::read_dir(folder);
    let listing =
        listing.map_err(|error| failed(format!("cannot list adapters in {}", folder.display()))(error.into()))?;
    let mut adapters = BTreeMap::new();
    for entry in listing.flatten() {
        if !entry.path().join("adapter.toml").is_file() {
            continue;
        }
        match adapter(yang, settings, &entry.path()).await {
            Ok(adapter) => {
                adapters.insert(adapter.name().to_string(), Arc::new(adapter));
            }
            Err(error) => tracing::error!(adapter = %entry.path().display(), error, "left out"),
        }
    }
    Ok(adapters)
}

/// One adapter; a NETCONF adapter with its schema, from the operator's directories first, then from its own profiles, unless
/// its elements bring theirs. For a module that does not compile the adapter's profile of it stands in; where there is none it
/// is left out and named: the elements work with the rest.
pub async fn adapter(yang: &YangWorker, settings: &Settings, folder: &Path) -> Result<Adapter, String> {
    let adapter = Adapter::load(folder).map_err(|error| crate::adagio::driver::chain(&error))?;
    if adapter.from_element() {
        return Ok(adapter);
    }
    with_directories(yang, settings, adapter).await
}

/// The adapter with the schema of the operator's directories and of its own profiles.
async fn with_directories(yang: &YangWorker, settings: &Settings, adapter: Adapter) -> Result<Adapter, String> {
    let Some(options) = &adapter.manifest().netconf else {
        return Ok(adapter);
    };
    let modules: Vec<&str> = options.modules.iter().map(String::as_str).collect();
    let mut dirs: Vec<&Path> = settings.paths.yang.iter().map(PathBuf::as_path).filter(|dir| dir.is_dir()).collect();
    let profiles = adapter.profiles().map(|(folder, _)| folder);
    dirs.extend(profiles);
    let set = ModuleSet::named(&modules, &dirs);
    let loaded = yang.load_or_profiles(&set, profiles).await;
    let (loaded, stood_in) = loaded.map_err(|error| crate::adagio::driver::chain(&error))?;
    for LeftOut { module, reason } in &stood_in {
        tracing::warn!(
            adapter = adapter.name(),
            module,
            reason,
            "it does not compile; the adapter's profile stands in"
        );
    }
    for left in &loaded.left_out {
        if loaded.left_out.len() >= modules.len() {
            return Err(format!("no module compiles; {}: {}", left.module, left.reason));
        }
        let (module, reason) = (&left.module, &left.reason);
        tracing::error!(adapter = adapter.name(), module, reason, "a module is left out; what needs it is refused");
    }
    Ok(adapter.with_schema(loaded.index.clone()))
}

/// Takes the inventory file, if one is set and there.
async fn inventory(controller: &Controller, file: &Path) -> Result<(), DaemonError> {
    if file.as_os_str().is_empty() || !file.exists() {
        return Ok(());
    }
    let elements = read_elements(file).map_err(|why| failed(format!("{}", file.display()))(why.into()))?;
    let applied = controller.apply_elements(&Principal::daemon(), elements, Absent::Unmanage).await;
    let changed = applied.map_err(|error: Failure| failed(format!("{}", file.display()))(error.into()))?;
    if !changed.is_empty() {
        tracing::info!(elements = changed.join(", "), "inventory applied");
    }
    Ok(())
}

/// Reads an inventory file. Relative paths in it are relative to it.
pub fn read_elements(file: &Path) -> Result<Vec<Element>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inventory {
        #[serde(default)]
        element: Vec<Element>,
    }
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let inventory: Inventory = toml::from_str(&text).map_err(|error| error.to_string())?;
    let base = file.parent().unwrap_or(Path::new("."));
    let mut elements = inventory.element;
    for element in &mut elements {
        for path in [&mut element.private_key, &mut element.password_file].into_iter().flatten() {
            if path.is_relative() {
                *path = base.join(&path);
            }
        }
    }
    Ok(elements)
}

/// The secrets: the key from its file, which is made at the first start.
fn vault(settings: &Settings) -> Result<Vault, DaemonError> {
    let file = match settings.secrets.key_file.as_os_str().is_empty() {
        true => settings.paths.state.join("secret.key"),
        false => settings.secrets.key_file.clone(),
    };
    let wrong = |why: String| failed(format!("secrets.key_file: {}", file.display()))(why.into());
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = made_key(&file).map_err(|error| wrong(error.to_string()))?;
            tracing::info!(file = %file.display(), "a key for the secrets is made; back it up, apart from the store");
            text
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    let mut master = Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(text.trim(), master.as_mut_slice())
        .map_err(|_| wrong("it does not hold 32 octets in hex".into()))?;
    // One key for the tokens, one for the seals: neither says anything of the other.
    let key = |purpose: &str| Zeroizing::new(blake3::derive_key(purpose, master.as_slice()));
    if !crate::tree::secret::set_secret_key(*key("andante 2026-11-23 tokens of secrets")) {
        tracing::debug!("the tokens of this process are those of another installation");
    }
    Vault::new(&key("andante 2026-11-23 seals of secrets")).map_err(|error| wrong(error.to_string()))
}

/// A new key file that only we can read.
fn made_key(file: &Path) -> std::io::Result<Zeroizing<String>> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut key = Zeroizing::new([0u8; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(|error| std::io::Error::other(error.to_string()))?;
    let text = Zeroizing::new(hex::encode(key.as_slice()));
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(out, "{}", text.as_str())?;
    out.sync_all()?;
    Ok(text)
}

/// The key of all tree hashes: made once per installation.
async fn hash_key(store: &dyn Store, epoch: u64) -> Result<(), store::StoreError> {
    const NAME: &str = "hash-key";
    let key: [u8; 16] = match store::get(store, Table::Installation, NAME).await? {
        Some(key) => key,
        None => {
            let key = (u128::from(getrandom::u64().unwrap_or_default()) << 64
                | u128::from(getrandom::u64().unwrap_or_default()))
            .to_le_bytes();
            let mut batch = Batch::default();
            batch.put(Table::Installation, NAME, &key)?;
            store.commit(epoch, batch, Durability::Now).await?;
            key
        }
    };
    crate::tree::set_hash_key(key);
    Ok(())
}

/// Changes for elements that were away are carried out when they are back.
async fn queues_forever(controller: Arc<Controller>, stop: CancellationToken) {
    loop {
        let pause = tokio::select! {
            () = stop.cancelled() => return,
            pause = controller.run_queues() => pause,
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Unresolved transactions are tried again, with growing pauses.
async fn recover_forever(controller: Arc<Controller>, stop: CancellationToken) {
    loop {
        let pause = match controller.recover_again().await {
            Ok(next) => next.unwrap_or(IDLE).clamp(BREATH, IDLE),
            Err(error) => {
                tracing::error!(%error, "open transactions cannot be looked at");
                IDLE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn connector(settings: &Settings, secrets: Arc<Vault>) -> Connector {
    let (connect, answer) = (seconds(settings.adagio.connect_timeout), seconds(settings.adagio.answer_timeout));
    let ssh = SshLimits { connect_timeout: connect, auth_timeout: connect, ..SshLimits::default() };
    let netconf = NetconfLimits {
        hello_timeout: connect,
        rpc_timeout: answer,
        frames: FrameLimits { max_message: settings.adagio.reply_limit, ..FrameLimits::default() },
        ..NetconfLimits::default()
    };
    let cli = CliLimits { login_timeout: connect, line_timeout: answer, show_timeout: answer };
    Connector {
        ssh,
        netconf,
        cli,
        busy: seconds(settings.adagio.busy_timeout),
        secrets,
        inside: None,
        readings: Arc::default(),
    }
}

fn limits(settings: &Settings) -> TransactionLimits {
    let given = &settings.transaction;
    TransactionLimits {
        connect: seconds(settings.adagio.connect_timeout) * 2,
        lock: seconds(given.lock_timeout),
        prepare: seconds(given.prepare_timeout),
        apply: seconds(given.commit_timeout) + seconds(settings.adagio.busy_timeout),
        verify: seconds(given.verify_timeout),
        confirm: seconds(given.confirm_timeout),
        confirm_window: seconds(given.confirm_window),
        confirm_window_min: seconds(given.confirm_window_min),
        check: seconds(given.check_timeout),
        ..TransactionLimits::default()
    }
}

fn ranges(settings: &crate::config::Ledger) -> crate::service::Ranges {
    let range = |[first, last]: [u64; 2]| first..=last;
    crate::service::Ranges {
        vc_id: range(settings.vc_id),
        vni: range(settings.vni),
        evi: range(settings.evi),
        rd: range(settings.route_distinguisher),
        rt: range(settings.route_target),
    }
}

fn presto_settings(settings: &Settings) -> crate::presto::ServerSettings {
    crate::presto::ServerSettings {
        listen: settings.presto.listen,
        socket: (!settings.presto.socket.as_os_str().is_empty()).then(|| settings.presto.socket.clone()),
        sync_timeout: seconds(settings.presto.sync_timeout),
        body_limit: settings.presto.body_limit,
        nso_compatible: settings.presto.profile == crate::config::Profile::NsoCompatible,
    }
}

/// Sets up logs: to standard error, where journald picks them up.
pub fn log(settings: &crate::config::Log) -> Result<(), DaemonError> {
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.level)
        .map_err(|error| failed(format!("log.level: {}", settings.level))(error.into()))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A log that cannot be written (a full disk) would be said on standard error, and a failed print panics.
    let builder = builder.log_internal_errors(false);
    let set = match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    set.map_err(failed("cannot set up logs"))
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::debug!(%error, "nobody to notify");
    }
}

/// Ends the process at a named point, as a power cut would.
struct CrashAt {
    point: String,
}

impl Probe for CrashAt {
    fn at(&self, point: &str) -> futures::future::BoxFuture<'static, ()> {
        if point == self.point {
            tracing::error!(point, "the process ends here, as asked");
            std::process::abort();
        }
        Box::pin(std::future::ready(()))
    }
}

/// The modules that are served.
const NORTH: &[&str] = &["ietf-vpn-common", "ietf-l3vpn-ntw", "ietf-l2vpn-ntw", "andante"];
const IDLE: Duration = Duration::from_secs(5);
const BREATH: Duration = Duration::from_millis(100);
