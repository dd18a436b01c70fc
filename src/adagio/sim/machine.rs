//! The inside of one simulated element: what its sessions share.
//!
//! All state stands behind one mutex that is never held across an await; whoever holds it does pure work only.

use super::commit::{Commits, Script};
use super::fault::{Fault, Faults, Reaction};
use super::netconf::{Datastores, apply_by_hand};
use super::{Abilities, SimError};
use crate::adagio::cli::Dialect;
use crate::adagio::cli::prompt::Prompts;
use crate::adapter::{Adapter, Grammar};
use crate::domain::Class;
use crate::tree::{Body, ConfigTree, Node, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// One simulated element.
pub(super) struct Machine {
    pub name: String,
    pub adapter: Adapter,
    pub language: Language,
    /// Ends everything.
    pub stop: CancellationToken,
    state: Mutex<State>,
    sessions: Mutex<HashMap<u32, (CancellationToken, String)>>,
    next_session: AtomicU32,
    wire: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
}

/// How it is spoken to.
pub(super) enum Language {
    Netconf { class: Class, base11: bool, abilities: Abilities },
    Cli(Box<CommandLine>),
}

/// A command line.
pub(super) struct CommandLine {
    pub grammar: Grammar,
    pub dialect: Dialect,
    pub prompts: Prompts,
    /// The lines of the adapter's `[commit]`.
    pub commit: Option<Script>,
}

/// What changes.
#[derive(Default)]
pub(super) struct State {
    pub stores: Datastores,
    /// Of a command line with a `[commit]`.
    pub commits: Commits,
    pub faults: Faults,
    pub shown: Vec<Shown>,
}

/// A piece of state that it shows.
pub(super) struct Shown {
    /// The command, empty for NETCONF.
    pub what: String,
    /// Only while the text of the running configuration contains this.
    pub when: String,
    pub text: String,
}

impl Machine {
    pub fn new(name: &str, adapter: Adapter, language: Language, running: ConfigTree, stop: CancellationToken) -> Self {
        let state = State { stores: Datastores::new(running), ..State::default() };
        Self {
            name: name.to_owned(),
            adapter,
            language,
            stop,
            state: Mutex::new(state),
            sessions: Mutex::default(),
            next_session: AtomicU32::new(1),
            wire: Mutex::default(),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn react(&self, what: &str, line: bool) -> Reaction {
        self.state().faults.react(what, line)
    }

    /// The running configuration as its parts see it, hidden or not.
    pub fn running(&self) -> ConfigTree {
        let tree = self.state().stores.running().clone();
        self.adapter.normalise(&tree)
    }

    /// The text of the running configuration as the element prints it: XML, or what its CLI shows.
    pub fn text(&self) -> String {
        match &self.language {
            Language::Netconf { .. } => self.adapter.text(&self.running()),
            Language::Cli(_) => self.shown_running(),
        }
    }

    /// What the command for the running configuration prints (CLI).
    pub fn shown_running(&self) -> String {
        let running = self.state().stores.running().clone();
        self.shown(&running)
    }

    /// A configuration as the element prints it (CLI).
    pub fn shown(&self, tree: &ConfigTree) -> String {
        let (tree, hidden) = {
            let state = self.state();
            let hidden: Vec<String> = state.faults.dead().flat_map(|(_, nodes)| nodes.to_vec()).collect();
            (printed(tree, &state.faults), hidden)
        };
        let tree = self.adapter.normalise(&without(&tree, &hidden));
        let text = self.adapter.text(&tree);
        let head = HEAD.replace("{name}", &self.name);
        let rule = if text.is_empty() || text.starts_with('!') { "" } else { "!\n" };
        let close = if text.is_empty() || text.trim_end().ends_with('!') { "" } else { "!\n" };
        format!("{head}{rule}{text}{close}end\n")
    }

    /// Processes that are not alive.
    pub fn dead(&self) -> Vec<String> {
        self.state().faults.dead().map(|(daemon, _)| daemon.to_owned()).collect()
    }

    /// Changes the element beside all sessions: lines of its CLI in configuration mode, or the content of an
    /// `edit-config` that is merged into running. Locks do not hold back whoever stands at the console.
    pub fn edit_by_hand(&self, what: &str) -> Result<(), SimError> {
        let refused = |text: String| SimError::HandEdit { element: self.name.clone(), text };
        let mut state = self.state();
        let running = state.stores.running().clone();
        let after = match &self.language {
            Language::Cli(cli) => {
                let lines: Vec<&str> = what.lines().collect();
                cli.grammar.execute(&running, &lines).map_err(|error| refused(error.to_string()))?
            }
            Language::Netconf { .. } => {
                let schema = self.adapter.schema().ok_or_else(|| refused("it has no schema".into()))?;
                apply_by_hand(&running, what, schema).map_err(refused)?
            }
        };
        state.stores.set_running(after);
        Ok(())
    }

    pub fn set_running(&self, tree: ConfigTree) {
        self.state().stores.set_running(tree);
    }

    pub fn fault(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// A number for a new session, and what ends it from outside.
    pub fn open_session(&self, hangup: &CancellationToken, user: &str) -> u32 {
        let id = self.next_session.fetch_add(1, Ordering::Relaxed);
        lock(&self.sessions).insert(id, (hangup.clone(), user.to_owned()));
        id
    }

    /// The sessions with their users, sorted.
    pub fn sessions(&self) -> Vec<(u32, String)> {
        let mut all: Vec<(u32, String)> =
            lock(&self.sessions).iter().map(|(id, (_, user))| (*id, user.clone())).collect();
        all.sort();
        all
    }

    /// The state that it shows for a command, or for `get` (empty).
    pub fn state_shown(&self, what: &str) -> Option<String> {
        let texts: Vec<(String, String)> = {
            let state = self.state();
            let shown = state.shown.iter().filter(|shown| shown.what == what);
            shown.map(|shown| (shown.when.clone(), shown.text.clone())).collect()
        };
        if texts.is_empty() {
            return None;
        }
        let running = self.text();
        texts.into_iter().rev().find(|(when, _)| running.contains(when.as_str())).map(|(_, text)| text)
    }

    /// Ends another session; false if there is none.
    pub fn kill_session(&self, id: u32) -> bool {
        match lock(&self.sessions).remove(&id) {
            Some((hangup, _)) => {
                hangup.cancel();
                true
            }
            None => false,
        }
    }

    pub fn close_session(&self, id: u32) {
        lock(&self.sessions).remove(&id);
        let mut state = self.state();
        state.stores.session_ended(id);
        state.commits.session_ended(id);
    }

    /// The timer of a commit has run out.
    pub fn expired(&self, ticket: u64) {
        let mut state = self.state();
        if let Some(before) = state.commits.expired(ticket) {
            state.stores.set_running(before);
        }
    }

    /// The timer of a commit runs out now; false where none is pending.
    pub fn run_out(&self) -> bool {
        let mut state = self.state();
        let before = state.commits.run_out();
        let waited = before.is_some();
        before.into_iter().for_each(|before| state.stores.set_running(before));
        waited
    }

    /// A new record of what one client sends.
    pub fn record(&self) -> Arc<Mutex<Vec<u8>>> {
        let record = Arc::new(Mutex::new(Vec::new()));
        lock(&self.wire).push(record.clone());
        record
    }

    /// What the clients have sent, session by session.
    pub fn wire(&self) -> Vec<Vec<u8>> {
        lock(&self.wire).iter().map(|record| lock(record).clone()).collect()
    }
}

/// The mutex, also when a task that held it has panicked: its content is replaced as a whole, never half.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tree as the element prints it: some write values in their own way.
pub(super) fn printed(tree: &ConfigTree, faults: &Faults) -> ConfigTree {
    fn below(node: &Node, faults: &Faults) -> Vec<Node> {
        let shown = node.children().iter().map(|child| match child.body() {
            Body::Leaf(value) => match faults.shown(child.name().name.as_str(), value.as_str()) {
                Some(says) => Node::leaf(child.name().clone(), Value::new(value.kind(), &says)),
                None => child.clone(),
            },
            Body::Member { .. } => child.clone(),
            _ => child.with_children(below(child, faults)),
        });
        shown.collect()
    }
    if faults.writes() { ConfigTree::new(below(tree.root(), faults)) } else { tree.clone() }
}

/// The tree without nodes of these local names.
fn without(tree: &ConfigTree, names: &[String]) -> ConfigTree {
    fn kept(node: &Node, names: &[String]) -> Vec<Node> {
        let shown = node.children().iter().filter(|child| !names.iter().any(|name| child.name().name.as_str() == name));
        shown
            .map(|child| match child.body() {
                Body::Leaf(_) | Body::Member { .. } => child.clone(),
                _ => child.with_children(kept(child, names)),
            })
            .collect()
    }
    if names.is_empty() { tree.clone() } else { ConfigTree::new(kept(tree.root(), names)) }
}

/// What stands above the configuration, as FRR prints it.
const HEAD: &str = "Building configuration...\n\nCurrent configuration:\n!\nfrr version 8.4.4\nfrr defaults traditional\n\
                    hostname {name}\nno ip forwarding\nno ipv6 forwarding\n";
