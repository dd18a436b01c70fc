//! An element of the inventory and what is known of its state.

use crate::tree::DefaultsMode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// One managed device, as the inventory names it (`elements.toml`, `andante:elements`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Element {
    /// Unique name in the domain.
    pub name: String,
    /// Another name by which documents call it (`ne-id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ne_id: Option<String>,
    /// Name of the adapter folder.
    pub adapter: String,
    /// `host:port`.
    pub address: String,
    /// User name at the element.
    pub username: String,
    /// Private key file for log-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<PathBuf>,
    /// File that holds the password; it also answers keyboard-interactive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Pinned host key: `ssh-ed25519 AAAA…` or `SHA256:…`. Without it there is no traffic to the element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// Router id, usually the loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_id: Option<Ipv4Addr>,
    /// Autonomous system number of the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The ports that services may use. A port that is not listed is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Free facts for templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Nodes that no service may change, in the printed form of a path, beside those that the adapter protects: the
    /// management interface, the daemon's own user, the SSH service. With what stands below; a list without keys is all its
    /// entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
    /// It gives one session only, so it is read back on the session that wrote.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_session: bool,
    /// False = kept, but no longer driven (its entry left the inventory file).
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub managed: bool,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_yes(value: &bool) -> bool {
    *value
}

impl Element {
    /// Whether a document that says `ne-id` means this element.
    pub fn answers_to(&self, ne_id: &str) -> bool {
        self.name == ne_id || self.ne_id.as_deref() == Some(ne_id)
    }

    /// The port of this name.
    pub fn port(&self, name: &str) -> Option<&Port> {
        self.ports.iter().find(|port| port.name == name)
    }
}

/// A port of an element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Port {
    /// The element's own name for it.
    pub name: String,
    /// `uni` (default), `nni`, `core`, `management`.
    #[serde(default = "uni")]
    pub role: String,
    /// No service may use it.
    #[serde(default)]
    pub exclude: bool,
}

fn uni() -> String {
    "uni".into()
}

/// How far an element can take back what it was told (weakest last, so the class of a plan is the maximum).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Revertible: candidate with confirmed commit that survives its session.
    A,
    /// Candidate without confirmed commit.
    B,
    /// One shot: writable running with rollback on error.
    C,
    /// Line by line.
    D,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Whether the element answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reachability {
    /// Never tried.
    #[default]
    Unknown,
    /// Answered last time.
    Reachable,
    /// Did not answer last time.
    Unreachable,
}

/// How actual compares with recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncState {
    /// Never verified.
    #[default]
    Unknown,
    /// Everything claimed is as recorded.
    InSync,
    /// At least one deviation.
    OutOfSync,
    /// The last read was incomplete; it proves nothing.
    Partial,
    /// A transaction on it is unresolved.
    Unresolved,
}

/// What the last contact told of an element.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ElementState {
    /// Whether it answers.
    pub reachability: Reachability,
    /// How it compares.
    pub sync: SyncState,
    /// Probed class; `None` until it was reached once.
    pub class: Option<Class>,
    /// When it was last read completely.
    pub last_read: Option<Timestamp>,
    /// Why it is not reachable, or not complete, in words.
    pub detail: Option<String>,
    /// What it makes of leafs that equal their default, as its last greeting said.
    #[serde(default)]
    pub defaults: DefaultsMode,
    /// How many nodes its configuration had when it was last read completely.
    #[serde(default)]
    pub nodes: u32,
    /// How many of them neither schema nor grammar knows: their share tells how well the adapter fits.
    #[serde(default)]
    pub unknown: u32,
    /// Modules of its own that were left out of its schema or that the adapter's profile stands in for, with the reason.
    #[serde(default)]
    pub left_out: Vec<String>,
}
