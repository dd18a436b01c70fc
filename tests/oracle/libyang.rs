//! libyang, called directly through the safe binding: the other opinion. It has the texts that the worker got, and nothing
//! else of ours.

use andante::tree::{ConfigTree, Key, Node, SchemaIndex, xml};
use andante::yang::{LeftOut, ModuleSet};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use yang5::context::{Context, ContextFlags};
use yang5::data::{
    Data, DataDiffFlags, DataFormat, DataNodeRef, DataParserFlags as Parse, DataPrinterFlags as Print, DataTree,
    DataValidationFlags as Check,
};
use yang5::schema::SchemaNodeKind as Kind;

/// A context with a module set.
pub struct Libyang {
    context: Context,
    _texts: tempfile::TempDir,
}

/// How a document is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Types are checked, nothing else.
    Parsed,
    /// Everything is checked; defaults are added.
    Valid,
}

/// What libyang says of a document that it refuses: the first fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    pub path: String,
    pub message: String,
    pub app_tag: Option<String>,
}

/// What a difference does, a set of nodes per kind; a node is named by its [`spot`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    pub created: BTreeSet<String>,
    pub removed: BTreeSet<String>,
    /// With old and new value.
    pub changed: BTreeSet<String>,
    pub moved: BTreeSet<String>,
}

impl Effects {
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

impl Libyang {
    /// The same modules as the worker's, without those that it left out.
    pub fn load(set: &ModuleSet, left_out: &[LeftOut]) -> Self {
        let resolved = set.resolve().unwrap();
        let texts = tempfile::tempdir().unwrap();
        for source in &resolved.sources {
            let file = match &source.revision {
                Some(revision) => format!("{}@{revision}.yang", source.name),
                None => format!("{}.yang", source.name),
            };
            std::fs::write(texts.path().join(file), source.text.as_bytes()).unwrap();
        }
        let mut context = Context::new(ContextFlags::NO_YANGLIBRARY | ContextFlags::DISABLE_SEARCHDIR_CWD).unwrap();
        context.set_log_level_error();
        context.set_searchdir(texts.path()).unwrap();
        let wanted = resolved.modules.iter().filter(|module| left_out.iter().all(|out| out.module != module.name));
        let features: Vec<(&str, Option<&str>, Vec<&str>)> = wanted
            .map(|module| {
                let features = module.features.iter().map(String::as_str).collect();
                (module.name.as_str(), module.revision.as_deref(), features)
            })
            .collect();
        let batch: Vec<(&str, Option<&str>, &[&str])> =
            features.iter().map(|(name, revision, features)| (*name, *revision, features.as_slice())).collect();
        context.load_modules(&batch).unwrap();
        Self { context, _texts: texts }
    }

    /// Reads a configuration document.
    pub fn read(&self, text: &str, format: DataFormat, take: Take) -> Result<DataTree<'_>, Refusal> {
        let mut parse = Parse::STRICT | Parse::NO_STATE;
        if take == Take::Parsed {
            parse |= Parse::NO_VALIDATION;
        }
        DataTree::parse_string(&self.context, text, format, parse, Check::PRESENT | Check::NO_STATE).map_err(|error| {
            Refusal {
                path: error.path.unwrap_or_default(),
                message: error.msg.unwrap_or_default(),
                app_tag: error.apptag,
            }
        })
    }

    /// A tree of ours, by way of our XML.
    pub fn of(&self, tree: &ConfigTree, index: &SchemaIndex, take: Take) -> Result<DataTree<'_>, Refusal> {
        self.read(&xml::print(tree, index, false), DataFormat::XML, take)
    }
}

/// What is explicit in the tree, as text.
pub fn print(tree: &DataTree<'_>, format: DataFormat) -> String {
    // libyang prints nothing for no tree; a document of JSON is an object.
    if tree.reference().is_none() {
        return if format == DataFormat::JSON { "{}".into() } else { String::new() };
    }
    tree.print_string(format, Print::WITH_SIBLINGS | Print::SHRINK | Print::WD_EXPLICIT).unwrap()
}

/// All leafs and members with their canonical values, by libyang. Of a tree that was only parsed: it has no defaults.
pub fn values(tree: &DataTree<'_>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for node in tree.traverse() {
        if let Some(value) = canonical(&node) {
            values.insert(spot_of(&node), value);
        }
    }
    values
}

/// All leafs and members with their canonical values, by us. Keys are leafs.
pub fn own_values(tree: &ConfigTree) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    tree.walk(&mut |path, node| {
        let at = spot(path.steps());
        if let Key::Entry(keys) = node.key() {
            let module = &node.name().module;
            values
                .extend(keys.iter().map(|(name, value)| (format!("{at}/{module}:{name}"), value.as_str().to_owned())));
        }
        if let Some(value) = node.value() {
            values.insert(at, value.as_str().to_owned());
        }
        true
    });
    values
}

/// The spots of all nodes.
pub fn spots_of(tree: &DataTree<'_>) -> BTreeSet<String> {
    tree.traverse().map(|node| spot_of(&node)).collect()
}

/// What libyang says that makes `b` of `a`.
pub fn effects(a: &DataTree<'_>, b: &DataTree<'_>) -> Effects {
    let mut effects = Effects::default();
    let difference = a.diff(b, DataDiffFlags::empty()).unwrap();
    for node in difference.tree().traverse() {
        let schema = node.schema();
        // A key comes and goes with its entry, and a container without presence says nothing.
        if schema.is_list_key() || schema.is_np_container() {
            continue;
        }
        let own = meta(&node, "operation");
        let operation = node.inclusive_ancestors().find_map(|above| meta(&above, "operation")).unwrap_or_default();
        let at = spot_of(&node);
        match operation.as_str() {
            "create" => effects.created.insert(at),
            "delete" => effects.removed.insert(at),
            "replace" if own.is_some() && schema.is_user_ordered() => effects.moved.insert(at),
            "replace" if own.is_some() => {
                let (old, new) = (meta(&node, "orig-value").map(|old| mixed(&old)), canonical(&node));
                effects.changed.insert(changed(&at, &old.unwrap_or_default(), &new.unwrap_or_default()))
            }
            "none" | "replace" => continue,
            other => panic!("libyang says {other} of {at}"),
        };
    }
    effects
}

/// `lyd_diff` as libyang prints it.
pub fn print_difference(a: &DataTree<'_>, b: &DataTree<'_>) -> String {
    let difference = a.diff(b, DataDiffFlags::empty()).unwrap();
    difference.print_string(DataFormat::XML, Print::WITH_SIBLINGS).unwrap()
}

/// One changed leaf.
pub fn changed(at: &str, old: &str, new: &str) -> String {
    format!("{at}: {old:?} -> {new:?}")
}

/// The canonical value of a leaf or member.
fn canonical(node: &DataNodeRef<'_>) -> Option<String> {
    node.value_canonical().map(|text| mixed(&text))
}

/// libyang prints with `inet_ntop`, which writes the lowest addresses as `::192.0.2.1`; RFC 5952 §5 has that form for known
/// prefixes only, and so have we.
fn mixed(text: &str) -> String {
    let (address, rest) = text.split_at(text.find(['/', '%']).unwrap_or(text.len()));
    match (address.parse::<Ipv6Addr>(), address.strip_prefix("::").and_then(|low| low.parse::<Ipv4Addr>().ok())) {
        (Ok(parsed), Some(_)) => format!("{parsed}{rest}"),
        _ => text.to_owned(),
    }
}

fn meta(node: &DataNodeRef<'_>, name: &str) -> Option<String> {
    node.meta().find(|meta| meta.name() == name).map(|meta| meta.value().to_owned())
}

/// The place of a node of ours, in a form of its own that needs no quoting rules.
pub fn spot(steps: &[andante::tree::Step]) -> String {
    let mut text = String::new();
    for step in steps {
        text.push_str(&format!("/{}", step.name));
        match &step.key {
            Key::Entry(keys) => {
                keys.iter().for_each(|(key, value)| text.push_str(&key_text(key.as_str(), value.as_str())))
            }
            Key::Member(value) => text.push_str(&key_text(".", value.as_str())),
            _ => {}
        }
    }
    text
}

/// The same of a node of libyang.
pub fn spot_of(node: &DataNodeRef<'_>) -> String {
    let chain: Vec<DataNodeRef<'_>> = node.inclusive_ancestors().collect();
    let mut text = String::new();
    for node in chain.iter().rev() {
        let schema = node.schema();
        text.push_str(&format!("/{}:{}", schema.module().name(), schema.name()));
        match schema.kind() {
            Kind::List => {
                for key in schema.list_keys() {
                    let leaf = node.list_keys().find(|leaf| leaf.schema().name() == key.name());
                    let value = leaf.and_then(|leaf| canonical(&leaf)).unwrap_or_default();
                    text.push_str(&key_text(key.name(), &value));
                }
            }
            Kind::LeafList => text.push_str(&key_text(".", &canonical(node).unwrap_or_default())),
            _ => {}
        }
    }
    text
}

fn key_text(key: &str, value: &str) -> String {
    format!("[{key}={value:?}]")
}

/// The spots of a subtree of ours that libyang counts: not its keys, not containers without presence.
pub fn spots(above: &[andante::tree::Step], node: &Node, into: &mut BTreeSet<String>) {
    let mut steps = above.to_vec();
    steps.push(node.step());
    if !matches!(node.body(), andante::tree::Body::Container { presence: false }) {
        into.insert(spot(&steps));
    }
    for child in node.children() {
        spots(&steps, child, into);
    }
}
