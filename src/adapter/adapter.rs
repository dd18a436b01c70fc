//! A loaded adapter: what the rest of the house asks of a platform.
//!
//! ```text
//!  ElementService ─ check ─▶ refusals            running configuration ─ parse ─▶ Reading ─ normalise ─▶ ConfigTree
//!        └──────── map ────▶ ConfigTree          Diff ─ render ─▶ Payload        ConfigTree ─ text ─▶ for people
//! ```
//!
//! Guarantees: `map` creates only and is a pure function of its argument and the package; what it returns was parsed by the
//! schema or grammar, so a typo of a template never reaches an element; `normalise` is idempotent. Immutable and cheap to
//! clone.

use super::commit::Commit;
use super::error::AdapterError;
use super::grammar::Grammar;
use super::judgement::{Impact, Ownership};
use super::manifest::{Function, Manifest, SchemaSource, Transport};
use super::package::Package;
use super::payload::Payload;
use super::refusal::{Note, Refusal};
use super::rules::Rules;
use super::state::StateReader;
use super::template::{self, Escaping, Printed, Templates};
use crate::domain::chain;
use crate::service::ElementService;
use crate::tree::secret::disarmed;
use crate::tree::xml::{self, Entries};
use crate::tree::{
    ConfigTree, Defaults, DefaultsMode, Diff, Edit, Key, Limits, Path, Policy, QName, SchemaIndex, Step,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What Andante knows of one platform.
#[derive(Clone, Debug)]
pub struct Adapter {
    parts: Arc<Parts>,
    language: Language,
}

#[derive(Debug)]
struct Parts {
    package: Package,
    manifest: Manifest,
    commit: Option<Commit>,
    templates: Templates,
    readers: BTreeMap<String, StateReader>,
}

#[derive(Clone, Debug)]
enum Language {
    /// The element's own YANG modules; the schema comes with the element (or from the profiles in `yang/`).
    Netconf { schema: Option<Arc<SchemaIndex>>, rules: Arc<Rules>, filter: Arc<str> },
    /// Lines; the grammar is the schema and judges paths.
    Cli { grammar: Grammar, schema: Arc<SchemaIndex> },
}

/// What a service is on an element.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    /// Its configuration there.
    pub tree: ConfigTree,
    /// Where it is not quite what was asked for, sorted.
    pub notes: Vec<Note>,
}

/// What an element said.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its configuration.
    pub tree: ConfigTree,
    /// Whether all of it was seen; what is not complete may create no deviation.
    pub complete: bool,
    /// How many nodes or lines neither schema nor grammar knows.
    pub opaque: u32,
    /// How many nodes or lines it has, those included.
    pub lines: u32,
}

impl Adapter {
    /// Reads and checks the adapter in `folder`; everything after this is pure. A NETCONF adapter has no schema yet.
    pub fn load(folder: &std::path::Path) -> Result<Self, AdapterError> {
        Self::build(Package::read(folder)?)
    }

    /// The same adapter for an element with this module set. A CLI adapter stays as it is: its grammar is its schema.
    pub fn with_schema(&self, schema: Arc<SchemaIndex>) -> Self {
        let language = match &self.language {
            Language::Netconf { rules, .. } => {
                let filter = self.read_by(&schema).into();
                Language::Netconf { schema: Some(schema), rules: rules.clone(), filter }
            }
            Language::Cli { .. } => self.language.clone(),
        };
        Self { parts: self.parts.clone(), language }
    }

    /// Name of the platform.
    pub fn name(&self) -> &str {
        &self.parts.manifest.name
    }

    /// Version of the adapter.
    pub fn version(&self) -> &str {
        &self.parts.manifest.version
    }

    /// BLAKE3 in hex over all files that decide what the adapter does.
    pub fn digest(&self) -> &str {
        &self.parts.package.digest
    }

    /// No live server and no recorded transcript has seen the adapter at work; every plan says so.
    pub fn simulated_only(&self) -> bool {
        self.parts.manifest.simulated_only
    }

    /// How the element is spoken to.
    pub fn transport(&self) -> Transport {
        self.parts.manifest.transport
    }

    /// The whole of `adapter.toml`.
    pub fn manifest(&self) -> &Manifest {
        &self.parts.manifest
    }

    /// The commit model of a command line that has one.
    pub fn commit(&self) -> Option<&Commit> {
        self.parts.commit.as_ref()
    }

    /// The folder of single-module profiles, and the modules in it: for the demo, the simulator and `adapter check`.
    pub fn profiles(&self) -> Option<(&std::path::Path, &[String])> {
        let package = &self.parts.package;
        package.yang.as_deref().map(|folder| (folder, package.yang_modules.as_slice()))
    }

    /// Whether every element brings its own schema: the manifest says so, or the package has no profiles that could stand
    /// for it.
    pub fn from_element(&self) -> bool {
        let options = self.parts.manifest.netconf.as_ref();
        options.is_some_and(|options| options.schema == SchemaSource::FromElement || self.profiles().is_none())
    }

    /// The schema: of the grammar, or what was given by [`Adapter::with_schema`].
    pub fn schema(&self) -> Option<&Arc<SchemaIndex>> {
        match &self.language {
            Language::Netconf { schema, .. } => schema.as_ref(),
            Language::Cli { schema, .. } => Some(schema),
        }
    }

    /// The subtree filter (RFC 6241 §6) of the top-level nodes that are read from an element: at least all that the templates
    /// can touch. Empty for a command line, and as long as there is no schema.
    pub fn read_filter(&self) -> &str {
        match &self.language {
            Language::Netconf { filter, .. } => filter,
            Language::Cli { .. } => "",
        }
    }

    fn read_by(&self, schema: &SchemaIndex) -> String {
        let Some(options) = &self.manifest().netconf else { return String::new() };
        let top = options.read.iter().filter_map(|node| {
            let (module, name) = node.trim_start_matches('/').split_once(':')?;
            schema.module(module).map(|_| Path::new(vec![Step::single(QName::new(module, name))]))
        });
        xml::subtree_filter(&top.collect::<Vec<Path>>(), schema)
    }

    /// The defaults of the schema, as an element with this basic mode handles them.
    pub fn defaults(&self, mode: DefaultsMode) -> Defaults<'_> {
        Defaults::new(self.schema().map(Arc::as_ref), mode)
    }

    /// Names of the functions, sorted.
    pub fn functions(&self) -> Vec<&str> {
        self.parts.manifest.functions.keys().map(String::as_str).collect()
    }

    /// Whether the platform can express all of `wanted`; else everything that it cannot, each with its path.
    pub fn check(&self, wanted: &ElementService) -> Result<(), Vec<Refusal>> {
        let function = self.expressible(wanted)?;
        match self.parts.templates.render(&function.template, wanted) {
            // Only the template knows what depends on values.
            Err(AdapterError::Refused(refusals)) => Err(refusals),
            _ => Ok(()),
        }
    }

    /// The function that realises `wanted`, if it knows all attributes that are asked for.
    fn expressible(&self, wanted: &ElementService) -> Result<&Function, Vec<Refusal>> {
        let function = self.function(wanted).map_err(|error| {
            let attribute = wanted.function.clone();
            vec![Refusal { path: String::new(), attribute, message: error.to_string() }]
        })?;
        let refusals: BTreeSet<Refusal> = wanted
            .attributes
            .iter()
            .filter(|(token, _)| !function.attributes.contains(token))
            .map(|(token, path)| template::refusal(self.name(), token, path))
            .collect();
        if refusals.is_empty() { Ok(function) } else { Err(refusals.into_iter().collect()) }
    }

    /// The native configuration that `wanted` needs, as a normal tree. It creates only: what goes is found by comparing claims.
    pub fn map(&self, wanted: &ElementService) -> Result<ConfigTree, AdapterError> {
        self.mapped(wanted).map(|mapped| mapped.tree)
    }

    /// What [`Adapter::map`] answers, with what people should know of it.
    pub fn mapped(&self, wanted: &ElementService) -> Result<Mapped, AdapterError> {
        let function = self.expressible(wanted).map_err(AdapterError::Refused)?;
        let Printed { text: printed, notes } = self.parts.templates.render(&function.template, wanted)?;
        let misprint = |line, what| self.misprint(&function.template, &printed, line, what);
        let tree = match &self.language {
            Language::Netconf { .. } => {
                xml::parse(printed.as_bytes(), self.known_schema()?, None, Policy::STRICT, &Limits::NORTH)
                    .map_err(|error| misprint((error.line > 0).then_some(error.line as usize), error.to_string()))?
            }
            Language::Cli { grammar, .. } => {
                let tree = grammar.parse(&printed).map_err(|error| misprint(None, chain(&error)))?.tree;
                if let Some((path, text)) = first_opaque(&tree) {
                    let line = printed.lines().position(|line| line.trim() == text.trim()).map(|at| at + 1);
                    return Err(misprint(line, format!("{path}: the grammar does not know this line")));
                }
                tree
            }
        };
        Ok(Mapped { tree: self.normalise(&tree), notes })
    }

    /// What the template prints for `wanted`, before it is read. For whoever writes one.
    pub fn printed(&self, wanted: &ElementService) -> Result<String, AdapterError> {
        let printed = self.parts.templates.render(&self.function(wanted)?.template, wanted)?;
        Ok(printed.text)
    }

    /// Reads a running configuration: its text, or the XML inside of `<data>`.
    pub fn parse(&self, text: &str) -> Result<Reading, AdapterError> {
        match &self.language {
            Language::Netconf { .. } => {
                let read = xml::parse(text.as_bytes(), self.known_schema()?, None, Policy::ELEMENT, &Limits::SOUTH);
                let tree = read.map_err(|error| self.unreadable(error.to_string()))?;
                let opaque = tree.unknown();
                // An XML document has an end: cut short it is not well-formed and was refused above.
                let lines = tree.count();
                Ok(Reading { tree, complete: true, opaque, lines })
            }
            Language::Cli { grammar, .. } => {
                let parsed = grammar.parse(&disarmed(text)).map_err(|error| self.unreadable(chain(&error)))?;
                Ok(Reading { tree: parsed.tree, complete: parsed.complete, opaque: parsed.opaque, lines: parsed.lines })
            }
        }
    }

    /// The same for a reply of a NETCONF element that is much like an earlier one, which was read with the same schema: what
    /// `last` knows is not read again. Answers what the next reply may be read with.
    pub fn parse_after(&self, text: &str, last: &Entries) -> Result<(ConfigTree, Entries), AdapterError> {
        let read = xml::parse_after(text.as_bytes(), self.known_schema()?, Policy::ELEMENT, &Limits::SOUTH, last);
        read.map_err(|error| self.unreadable(error.to_string()))
    }

    /// The exact bytes that turn `before` into `after`, which differ by `diff`.
    pub fn render(&self, diff: &Diff, before: &ConfigTree, after: &ConfigTree) -> Result<Payload, AdapterError> {
        self.rendered(diff, before, after, false)
    }

    /// The same also where that touches what is protected: for a plan whose protected paths were looked at and allowed.
    pub fn render_allowed(
        &self,
        diff: &Diff,
        before: &ConfigTree,
        after: &ConfigTree,
    ) -> Result<Payload, AdapterError> {
        self.rendered(diff, before, after, true)
    }

    fn rendered(
        &self,
        diff: &Diff,
        before: &ConfigTree,
        after: &ConfigTree,
        allowed: bool,
    ) -> Result<Payload, AdapterError> {
        match &self.language {
            Language::Netconf { .. } => Ok(Payload::Netconf { config: xml::edit_config(diff, self.known_schema()?) }),
            Language::Cli { grammar, .. } => {
                let lines = match allowed {
                    true => grammar.render_allowed(diff, before, after),
                    false => grammar.render(diff, before, after),
                };
                let refused = |error| AdapterError::Unprintable { adapter: self.name().into(), what: chain(&error) };
                Ok(Payload::Cli { lines: lines.map_err(refused)? })
            }
        }
    }

    /// A tree in the element's own syntax, for people: stable, one statement a line.
    pub fn text(&self, tree: &ConfigTree) -> String {
        match &self.language {
            Language::Netconf { schema, .. } => match schema {
                Some(schema) => xml::print(tree, schema, true),
                None => String::new(),
            },
            Language::Cli { grammar, .. } => grammar.text(tree),
        }
    }

    /// Whether the node belongs to its first claimant or to the element.
    pub fn ownership(&self, path: &Path) -> Ownership {
        match &self.language {
            Language::Netconf { rules, .. } => rules.ownership(path),
            Language::Cli { grammar, .. } => grammar.ownership(path),
        }
    }

    /// Whether the node depends on state: never compared, never claimed.
    pub fn is_derived(&self, path: &Path) -> bool {
        match &self.language {
            Language::Netconf { rules, .. } => rules.is_derived(path),
            Language::Cli { grammar, .. } => grammar.is_derived(path),
        }
    }

    /// Whether no plan may touch the node.
    pub fn is_protected(&self, path: &Path) -> bool {
        match &self.language {
            Language::Netconf { rules, .. } => rules.is_protected(path),
            Language::Cli { grammar, .. } => grammar.is_protected(path),
        }
    }

    /// The readers of the element's state, by name.
    pub fn state_readers(&self) -> &BTreeMap<String, StateReader> {
        &self.parts.readers
    }

    /// What an edit does to traffic.
    pub fn impact(&self, edit: &Edit) -> Impact {
        match &self.language {
            Language::Netconf { rules, .. } => rules.impact(edit),
            Language::Cli { grammar, .. } => grammar.impact(edit),
        }
    }

    /// The tree in the form in which trees are compared: without what depends on state, texts in their normal form.
    pub fn normalise(&self, tree: &ConfigTree) -> ConfigTree {
        match &self.language {
            Language::Netconf { rules, .. } => rules.normalise(tree),
            Language::Cli { grammar, .. } => grammar.normalise(tree),
        }
    }

    fn build(package: Package) -> Result<Self, AdapterError> {
        let file = |file: &str, what: String| AdapterError::File {
            adapter: package.name.clone(),
            file: file.to_owned(),
            line: None,
            what,
        };
        let text = package.files.get("adapter.toml").ok_or_else(|| file("adapter.toml", "is missing".into()))?;
        let manifest = Manifest::parse(&package.name, text)?;
        for (name, function) in &manifest.functions {
            if !function.template.starts_with("services/") || !package.files.contains_key(&function.template) {
                return Err(file("adapter.toml", format!("functions.{name}: there is no {}", function.template)));
            }
        }
        let language = match manifest.transport {
            Transport::Netconf if package.files.contains_key("grammar.toml") => {
                return Err(file("grammar.toml", "a NETCONF adapter has no grammar".into()));
            }
            Transport::Netconf => {
                let rules =
                    Rules::compile(&manifest.paths, &manifest.names).map_err(|what| file("adapter.toml", what))?;
                Language::Netconf { schema: None, rules: Arc::new(rules), filter: "".into() }
            }
            Transport::Cli => {
                let text =
                    package.files.get("grammar.toml").ok_or_else(|| file("grammar.toml", "is missing".into()))?;
                let grammar = Grammar::compile(&manifest.name, text).map_err(|e| file("grammar.toml", chain(&e)))?;
                Language::Cli { schema: grammar.schema(), grammar }
            }
        };
        let escaping = match &language {
            Language::Netconf { .. } => Escaping::Xml,
            Language::Cli { grammar, .. } => Escaping::Lines(grammar.clone()),
        };
        let templates = Templates::compile(&manifest.name, escaping, &package.files)?;
        let netconf = manifest.transport == Transport::Netconf;
        let mut readers = BTreeMap::new();
        for (path, text) in &package.files {
            let Some(name) = path.strip_prefix("state/").and_then(|name| name.strip_suffix(".toml")) else { continue };
            readers.insert(name.to_owned(), StateReader::parse(text, netconf).map_err(|what| file(path, what))?);
        }
        let commit = manifest.commit.as_ref().map(|options| options.compile()).transpose();
        let commit = commit.map_err(|what| file("adapter.toml", what))?;
        Ok(Self { parts: Arc::new(Parts { package, manifest, commit, templates, readers }), language })
    }

    fn function(&self, wanted: &ElementService) -> Result<&Function, AdapterError> {
        self.parts.manifest.functions.get(&wanted.function).ok_or_else(|| AdapterError::NoFunction {
            adapter: self.name().into(),
            function: wanted.function.clone(),
            offered: self.functions().into_iter().map(str::to_owned).collect(),
        })
    }

    fn known_schema(&self) -> Result<&SchemaIndex, AdapterError> {
        self.schema().map(Arc::as_ref).ok_or_else(|| AdapterError::NoSchema { adapter: self.name().into() })
    }

    fn misprint(&self, template: &str, printed: &str, line: Option<usize>, what: String) -> AdapterError {
        let text = line.and_then(|line| printed.lines().nth(line.checked_sub(1)?)).unwrap_or_default();
        let text = text.trim().chars().take(120).collect();
        AdapterError::Printed { adapter: self.name().into(), file: template.to_owned(), line, text, what }
    }

    fn unreadable(&self, what: String) -> AdapterError {
        AdapterError::Unreadable { adapter: self.name().into(), what }
    }
}

fn first_opaque(tree: &ConfigTree) -> Option<(Path, String)> {
    let mut found = None;
    tree.walk(&mut |path, node| {
        if let (None, Key::Opaque(text, _)) = (&found, node.key()) {
            found = Some((path.clone(), text.to_string()));
        }
        found.is_none()
    });
    found
}
