//! `adapter.toml`: identity, functions with what they can express, and what the transport must know.
//!
//! The shape is documented for adapter writers in `docs/adapters.md`. Unknown keys are refused everywhere but in `[cli]`,
//! which is handed on as it is to the CLI driver, whose own reading refuses them.

use super::commit::CommitOptions;
use super::error::AdapterError;
use super::judgement::Ownership;
use crate::service::attributes;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How the element is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// NETCONF (RFC 6241) with the element's own YANG modules.
    Netconf,
    /// Lines in configuration mode; `grammar.toml` is the schema.
    Cli,
}

/// The whole of `adapter.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the platform; equals the name of the folder.
    pub name: String,
    /// Version of the adapter.
    pub version: String,
    /// How the element is spoken to.
    pub transport: Transport,
    /// One line for people.
    pub summary: String,
    /// No live server and no recorded transcript has seen it; every plan says so.
    #[serde(default)]
    pub simulated_only: bool,
    /// How the platform is recognised. All that are given must fit.
    #[serde(default, rename = "match")]
    pub recognise: Recognise,
    /// What it was tried on, at least one.
    pub tested_on: Vec<TestedOn>,
    /// What it offers, by function name.
    pub functions: BTreeMap<String, Function>,
    /// For `transport = "netconf"`.
    pub netconf: Option<NetconfOptions>,
    /// For `transport = "cli"`: read by the CLI driver.
    pub cli: Option<toml::Table>,
    /// For `transport = "cli"`: how a change is made true, where the platform does more than take lines one by one.
    pub commit: Option<CommitOptions>,
    /// Judgement on paths, NETCONF only (a CLI grammar says it itself). Later rules win.
    #[serde(default)]
    pub paths: Vec<PathRule>,
    /// How the platform shows secrets.
    #[serde(default)]
    pub secret_echo: SecretEcho,
    /// Time limits that differ from those of the daemon on this platform.
    #[serde(default)]
    pub limits: ElementLimits,
    /// It gives one session only, so it is read back on the session that wrote.
    #[serde(default)]
    pub one_session: bool,
    /// Tables of names for `text = "names.<table>"` of a path rule.
    #[serde(default)]
    pub names: BTreeMap<String, NameTable>,
}

/// Time limits of one platform, in seconds; what is not given is as the daemon's settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElementLimits {
    /// For one edit and its check.
    pub prepare: Option<u64>,
    /// For one commit, or all lines of a payload.
    pub commit: Option<u64>,
    /// For one read-back.
    pub verify: Option<u64>,
    /// For one confirm, cancel or save.
    pub confirm: Option<u64>,
}

/// How a platform shows a secret that it was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretEcho {
    /// As it is.
    #[default]
    Clear,
    /// In a form of its own, which is noted when the transaction that set it is verified, and compared from then on.
    Encrypted,
}

/// Words of the platform that mean one another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameTable {
    /// A place follows the word, as in `GigabitEthernet0/0/0/1`.
    #[serde(default)]
    pub place: bool,
    /// The beginning of a word means it, as far as it is no other's.
    #[serde(default)]
    pub abbreviate: bool,
    /// Canonical word -> its other spellings.
    pub words: BTreeMap<String, Vec<String>>,
}

/// How the platform is recognised.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognise {
    /// A text that some capability of the hello contains.
    pub capability: Option<String>,
    /// A regular expression for the answer to the CLI's version command.
    pub version: Option<String>,
}

/// One proof.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestedOn {
    /// Software and release.
    pub what: String,
    /// How it was seen.
    pub kind: Evidence,
}

/// How a platform was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// A running server.
    Live,
    /// A recording of one.
    Transcript,
    /// Only our own simulator.
    Simulated,
}

/// One function: a template and what it can express.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Path inside the folder, below `services/`.
    pub template: String,
    /// Tokens of [`attributes::TOKENS`]; what is used and not listed is refused.
    pub attributes: Vec<String>,
}

/// What the NETCONF driver and the planner must know.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetconfOptions {
    /// The module set that templates and reads need.
    pub modules: Vec<String>,
    /// Top-level nodes of the get-config filter, as `/module:name`.
    pub read: Vec<String>,
    /// Where the schema comes from.
    #[serde(default)]
    pub schema: SchemaSource,
    /// How a candidate is validated.
    #[serde(default)]
    pub validate: Validation,
    /// The atomicity class that is expected (`A`–`D`); the probe decides.
    pub class: Option<String>,
}

/// Where the schema of a NETCONF element comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SchemaSource {
    /// The directories of `paths.yang`, then the adapter's own profiles; one schema for all elements.
    #[default]
    Directories,
    /// Every element's own modules, by `get-schema` (RFC 6022) at the first contact and whenever they change.
    FromElement,
}

/// How a candidate is validated before the commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validation {
    /// `test-option=test-then-set` in the edit-config, where `:validate` is advertised.
    #[default]
    TestThenSet,
    /// An explicit `<validate>`: only where it is proved that the server keeps the edit.
    Explicit,
    /// Not at all before the commit.
    None,
}

/// A judgement on the paths that fit a pattern.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// Pattern, see [`super::pattern::Pattern`].
    #[serde(rename = "match")]
    pub pattern: String,
    /// What the node is.
    pub is: Option<PathKind>,
    /// What an edit of the node does.
    pub impact: Option<ImpactKind>,
    /// For which edits `impact` holds; all when it is absent.
    #[serde(default)]
    pub on: Vec<EditKind>,
    /// How the text of the leaf, of the leaf-list's members or of the key is compared: a form of
    /// [`crate::tree::canon`] or `names.<table>`.
    pub text: Option<String>,
    /// The session that is reset, with `{key}` for key values of the path.
    pub session: Option<String>,
    /// For readers.
    pub why: Option<String>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathKind {
    /// [`Ownership::Own`].
    Own,
    /// [`Ownership::Shared`].
    Shared,
    /// Never touched by a plan.
    Protected,
    /// Depends on state: never compared, never claimed.
    Derived,
}

impl PathKind {
    /// The ownership, if this is about ownership.
    pub fn ownership(self) -> Option<Ownership> {
        match self {
            PathKind::Own => Some(Ownership::Own),
            PathKind::Shared => Some(Ownership::Shared),
            PathKind::Protected | PathKind::Derived => None,
        }
    }
}

/// What an edit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImpactKind {
    /// [`super::Impact::Hitless`].
    Hitless,
    /// [`super::Impact::ResetsSession`].
    ResetsSession,
    /// [`super::Impact::DropsTraffic`].
    DropsTraffic,
}

/// Which edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EditKind {
    /// The node was not there.
    Create,
    /// Another value, another place, another kind.
    Change,
    /// The node goes.
    Remove,
}

impl Manifest {
    /// Reads and checks the text of `adapter.toml`. `folder` is the name of the adapter's folder.
    pub(crate) fn parse(folder: &str, text: &str) -> Result<Self, AdapterError> {
        let wrong = |line, what| AdapterError::File { adapter: folder.into(), file: FILE.into(), line, what };
        let manifest: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            wrong(line, error.message().to_owned())
        })?;
        manifest.check(folder).map_err(|what| wrong(None, what))?;
        Ok(manifest)
    }

    fn check(&self, folder: &str) -> Result<(), String> {
        if self.name != folder {
            return Err(format!("name = \"{}\" does not equal the name of the folder, {folder}", self.name));
        }
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if self.name.is_empty() || !plain(&self.name) {
            return Err("name: only a-z, 0-9 and - are allowed".into());
        }
        if self.tested_on.is_empty() {
            return Err("tested_on: say at least one thing that the adapter was tried on".into());
        }
        let only_simulated = self.tested_on.iter().all(|proof| proof.kind == Evidence::Simulated);
        if only_simulated && !self.simulated_only {
            return Err("simulated_only must be true: tested_on names no live server and no transcript".into());
        }
        for (name, function) in &self.functions {
            if !plain(name) {
                return Err(format!("functions.{name}: only a-z, 0-9 and - are allowed"));
            }
            for attribute in &function.attributes {
                if !attributes::is_known(attribute) {
                    return Err(format!("functions.{name}.attributes: {attribute} is not an attribute token"));
                }
            }
        }
        match self.transport {
            Transport::Netconf if self.netconf.is_none() || self.cli.is_some() => {
                Err("transport = \"netconf\" needs [netconf] and has no [cli]".into())
            }
            Transport::Cli if self.cli.is_none() || self.netconf.is_some() => {
                Err("transport = \"cli\" needs [cli] and has no [netconf]".into())
            }
            Transport::Netconf if self.commit.is_some() => {
                Err("[commit] is for a command line; NETCONF says by its capabilities how it commits".into())
            }
            Transport::Cli if !self.paths.is_empty() => {
                Err("[[paths]] is for NETCONF; a CLI adapter says this in grammar.toml".into())
            }
            _ => {
                self.commit.as_ref().map_or(Ok(()), |commit| commit.compile().map(|_| ()))?;
                self.netconf.as_ref().map_or(Ok(()), NetconfOptions::check)
            }
        }
    }
}

impl NetconfOptions {
    fn check(&self) -> Result<(), String> {
        for read in &self.read {
            let name = read.strip_prefix('/').and_then(|rest| rest.split_once(':'));
            let Some((module, _)) = name.filter(|(_, name)| !name.is_empty() && !name.contains('/')) else {
                return Err(format!("netconf.read: {read} is not /module:name"));
            };
            if !self.modules.iter().any(|known| known == module) {
                return Err(format!("netconf.read: {module} is not among netconf.modules"));
            }
        }
        match self.class.as_deref() {
            None | Some("A" | "B" | "C" | "D") => Ok(()),
            Some(class) => Err(format!("netconf.class: {class} is not A, B, C or D")),
        }
    }
}

const FILE: &str = "adapter.toml";
