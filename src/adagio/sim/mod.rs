//! Simulated elements: NETCONF and CLI servers on loopback, over real SSH, from the adapters' own schemas and grammars.
//!
//! ```text
//!  serve ──▶ per element: listener task ──▶ connection ──▶ session task ──▶ Machine (state behind one mutex)
//!                                                        └▶ timer task of a confirmed or timed commit
//! ```
//!
//! For the demo, for trying the daemon without a router, and for fast tests with faults that no real element shows on
//! request. *Guarantees*: it listens on 127.0.0.1 or wherever its address says, and ends with its [`SimHandle`]; a CLI
//! element takes and refuses exactly what the grammar's model does; a NETCONF element keeps the rules of RFC 6241 on
//! locks, candidate and confirmed commit. *It is not* a proof: an adapter that only a simulator has seen is marked so, and
//! what a YANG library alone can check (`must`, `when`, mandatory nodes) is not checked here.

mod cli;
mod commit;
pub mod control;
mod fault;
mod files;
mod machine;
mod netconf;
mod ssh;

pub use fault::Fault;
pub use files::{SimFiles, run_from_files};

use crate::adagio::cli::driver::dialect_of;
use crate::adagio::cli::prompt::Prompts;
use crate::adapter::{Adapter, Grammar, Transport};
use crate::domain::Class;
use crate::tree::{ConfigTree, SchemaIndex};
use machine::{CommandLine, Language, Machine};
use russh::keys::{HashAlg, PublicKey};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What to simulate.
pub struct SimOptions {
    /// The elements.
    pub elements: Vec<SimElement>,
    /// The folder of adapter folders.
    pub adapters: PathBuf,
    /// The schema of each NETCONF adapter, by its name.
    pub schemas: BTreeMap<String, Arc<SchemaIndex>>,
    /// Where host keys are kept as `NAME.host_key`; `None` = new ones each time.
    pub state: Option<PathBuf>,
}

/// One element to simulate.
#[derive(Clone)]
pub struct SimElement {
    /// Its name; the CLI's host name too.
    pub name: String,
    /// Name of the adapter folder.
    pub adapter: String,
    /// Where it listens; port 0 = a free one.
    pub address: SocketAddr,
    /// Who may log in, under any user name.
    pub login: Login,
    /// What a NETCONF element can take back: A, B or C. Of a CLI its adapter says it.
    pub class: Class,
    /// Whether a NETCONF element speaks base:1.1 (chunked framing) beside 1.0.
    pub base11: bool,
    /// What else a NETCONF element can do.
    pub abilities: Abilities,
    /// Its running configuration at the start: text of its CLI, or XML.
    pub running: String,
}

/// What a NETCONF element can do beside its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// `:startup`: a datastore of its own, and `copy-config` to it.
    pub startup: bool,
    /// `lock` and `unlock`.
    pub lock: bool,
    /// `:validate:1.1`.
    pub validate: bool,
    /// `:rollback-on-error`. Without it an edit of running that is refused leaves its first part behind.
    pub rollback_on_error: bool,
    /// `:writable-running` beside a candidate.
    pub writable_running: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self { startup: false, lock: true, validate: true, rollback_on_error: true, writable_running: false }
    }
}

impl SimElement {
    /// An element on a free port of 127.0.0.1, of the strongest class, empty, that lets nobody in.
    pub fn new(name: &str, adapter: &str) -> Self {
        Self {
            name: name.to_owned(),
            adapter: adapter.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            login: Login::default(),
            class: Class::A,
            base11: true,
            abilities: Abilities::default(),
            running: String::new(),
        }
    }
}

/// Who may log in.
#[derive(Clone, Default)]
pub struct Login {
    /// Public keys.
    pub keys: Vec<PublicKey>,
    /// The password, by method password or keyboard-interactive.
    pub password: Option<SecretString>,
}

/// Why elements cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A file cannot be read or does not say what it should.
    #[error("{file}: {what}")]
    File {
        /// which
        file: String,
        /// what is wrong
        what: String,
    },
    /// The adapter cannot be used.
    #[error("{element}: adapter {adapter}: {what}")]
    Adapter {
        /// for which element
        element: String,
        /// its name
        adapter: String,
        /// what is wrong
        what: String,
    },
    /// The configuration to start with.
    #[error("{element}: the running configuration to start with: {what}")]
    Running {
        /// of which element
        element: String,
        /// what is wrong
        what: String,
    },
    /// The address cannot be listened on.
    #[error("{element}: cannot listen on {address}")]
    Listen {
        /// which element
        element: String,
        /// where
        address: String,
        /// why
        #[source]
        source: std::io::Error,
    },
    /// No host key.
    #[error("{element}: host key: {what}")]
    HostKey {
        /// of which element
        element: String,
        /// what is wrong
        what: String,
    },
    /// The element refuses what someone types at its console.
    #[error("{element}: refuses the change by hand: {text}")]
    HandEdit {
        /// which element
        element: String,
        /// its words
        text: String,
    },
    /// There is no such element here.
    #[error("no simulated element is called {0}")]
    Unknown(String),
    /// A running simulator refuses what came through its control socket.
    #[error("{0}")]
    Refused(String),
    /// The control socket.
    #[error("control socket {path}")]
    Control {
        /// where
        path: String,
        /// why
        #[source]
        source: std::io::Error,
    },
}

/// Starts all elements; they live as long as the handle.
pub async fn serve(options: SimOptions) -> Result<SimHandle, SimError> {
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    let mut elements = BTreeMap::new();
    for element in options.elements {
        let started = start(element, &options.adapters, &options.schemas, options.state.as_deref(), &stop).await?;
        elements.insert(started.machine.name.clone(), started);
    }
    Ok(SimHandle { elements, stop, _guard: guard })
}

/// Running simulated elements. Dropping it ends them.
pub struct SimHandle {
    elements: BTreeMap<String, Started>,
    stop: CancellationToken,
    _guard: DropGuard,
}

struct Started {
    machine: Arc<Machine>,
    address: SocketAddr,
    host_key: PublicKey,
}

impl SimHandle {
    /// The names, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.elements.keys().map(String::as_str).collect()
    }

    /// `host:port` of an element.
    pub fn address(&self, element: &str) -> Result<String, SimError> {
        Ok(self.find(element)?.address.to_string())
    }

    /// Its host key as an OpenSSH line (`ssh-ed25519 AAAA…`).
    pub fn host_key(&self, element: &str) -> Result<String, SimError> {
        let key = self.find(element)?.host_key.to_openssh();
        key.map_err(|error| SimError::HostKey { element: element.to_owned(), what: error.to_string() })
    }

    /// Its host key as `SHA256:…`.
    pub fn fingerprint(&self, element: &str) -> Result<String, SimError> {
        Ok(self.find(element)?.host_key.fingerprint(HashAlg::Sha256).to_string())
    }

    /// Name of its adapter.
    pub fn adapter(&self, element: &str) -> Result<&str, SimError> {
        Ok(self.find(element)?.machine.adapter.name())
    }

    /// Its running configuration.
    pub fn running(&self, element: &str) -> Result<ConfigTree, SimError> {
        Ok(self.find(element)?.machine.running())
    }

    /// Its running configuration as it prints it.
    pub fn text(&self, element: &str) -> Result<String, SimError> {
        Ok(self.find(element)?.machine.text())
    }

    /// Replaces its running configuration.
    pub fn set_running(&self, element: &str, tree: ConfigTree) -> Result<(), SimError> {
        self.find(element)?.machine.set_running(tree);
        Ok(())
    }

    /// Changes it behind everybody's back: lines typed in configuration mode, or XML merged into running (elements may
    /// carry `nc:operation`). On a CLI the lines before a refused one are undone here, unlike on the element.
    pub fn hand_edit(&self, element: &str, what: &str) -> Result<(), SimError> {
        self.find(element)?.machine.edit_by_hand(what)
    }

    /// What it starts with after a restart, where it has a datastore for that.
    pub fn startup(&self, element: &str) -> Result<Option<ConfigTree>, SimError> {
        Ok(self.find(element)?.machine.state().stores.startup().cloned())
    }

    /// Lets it show this state: what a command prints (CLI), or what stands in the reply to a `get` (NETCONF, `what` is
    /// then empty). `when` = only while its running configuration, as text, contains this; the last one that fits counts.
    pub fn show(&self, element: &str, what: &str, when: &str, text: &str) -> Result<(), SimError> {
        let shown = machine::Shown { what: what.to_owned(), when: when.to_owned(), text: text.to_owned() };
        self.find(element)?.machine.state().shown.push(shown);
        Ok(())
    }

    /// Sets a fault.
    pub fn fault(&self, element: &str, fault: Fault) -> Result<(), SimError> {
        self.find(element)?.machine.fault(fault);
        Ok(())
    }

    /// Ends all faults of an element.
    pub fn mend(&self, element: &str) -> Result<(), SimError> {
        self.find(element)?.machine.state().faults.clear();
        Ok(())
    }

    /// The timer of the commit that waits for its confirmation runs out now (CLI); false where none waits.
    pub fn run_out(&self, element: &str) -> Result<bool, SimError> {
        Ok(self.find(element)?.machine.run_out())
    }

    /// What commits have left on a CLI element: named sessions, a pending commit, edits in the candidate, sessions in
    /// configuration mode. Empty when all is in order.
    pub fn left_over(&self, element: &str) -> Result<Vec<String>, SimError> {
        Ok(self.find(element)?.machine.state().commits.left_over())
    }

    /// Every byte that clients have sent inside SSH, session by session in the order of their beginning.
    pub fn wire(&self, element: &str) -> Result<Vec<Vec<u8>>, SimError> {
        Ok(self.find(element)?.machine.wire())
    }

    /// Ends all elements now.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    fn find(&self, element: &str) -> Result<&Started, SimError> {
        self.elements.get(element).ok_or_else(|| SimError::Unknown(element.to_owned()))
    }
}

async fn start(
    element: SimElement,
    adapters: &std::path::Path,
    schemas: &BTreeMap<String, Arc<SchemaIndex>>,
    state: Option<&std::path::Path>,
    stop: &CancellationToken,
) -> Result<Started, SimError> {
    let wrong =
        |what: String| SimError::Adapter { element: element.name.clone(), adapter: element.adapter.clone(), what };
    let folder = adapters.join(&element.adapter);
    let mut adapter = Adapter::load(&folder).map_err(|error| wrong(error.to_string()))?;
    let language = match adapter.transport() {
        Transport::Netconf => {
            let schema = schemas.get(&element.adapter).ok_or_else(|| wrong("no schema was given for it".into()))?;
            adapter = adapter.with_schema(schema.clone());
            Language::Netconf { class: element.class, base11: element.base11, abilities: element.abilities }
        }
        Transport::Cli => {
            let file = folder.join("grammar.toml");
            let text = std::fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
            let grammar = Grammar::compile_in_clear(adapter.name(), &text).map_err(|error| wrong(error.to_string()))?;
            let dialect = dialect_of(&adapter).map_err(&wrong)?;
            let prompts = Prompts::of(&dialect, &element.name).map_err(|error| wrong(error.to_string()))?;
            for mode in [None, Some("root")] {
                let prompt = cli::prompt(&element.name, mode, &prompts);
                if prompts.mode(&prompt).is_none() {
                    return Err(wrong(format!("the simulator's prompt {prompt:?} is none of its modes")));
                }
            }
            let commit = adapter.commit().map(commit::Script::new);
            Language::Cli(Box::new(CommandLine { grammar, dialect, prompts, commit }))
        }
    };
    let read = adapter.parse(&element.running);
    let bad = |what: String| SimError::Running { element: element.name.clone(), what };
    let running = read.map_err(|error| bad(error.to_string()))?;
    if running.opaque > 0 {
        return Err(bad(format!("{} lines or nodes are not known to the adapter", running.opaque)));
    }
    let key = ssh::host_key(&element.name, state)?;
    let failed =
        |source| SimError::Listen { element: element.name.clone(), address: element.address.to_string(), source };
    let listener = TcpListener::bind(element.address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let host_key = key.public_key().clone();
    let machine = Arc::new(Machine::new(&element.name, adapter, language, running.tree, stop.child_token()));
    tokio::spawn(ssh::listen(machine.clone(), listener, key, Arc::new(element.login)));
    Ok(Started { machine, address, host_key })
}
