//! A compiled grammar: contexts and lines, found by the words of a line or by a place in the tree.
//!
//! The order of a context's patterns is fixed by their weight, so a special line is tried before a general one.

use super::GrammarError;
use super::effect::SECRET;
use super::nodepath::NodePath;
use super::pattern::{Bindings, Pattern};
use super::source::{ContextSource, GrammarSource, ImpactSource, LineSource, OwnerSource, RemoveSource};
use super::types::Types;
use crate::tree::{Body, Node, Path, QName, Step};
use regex::Regex;
use std::collections::{BTreeMap, HashMap};

/// Number of a context. Zero is the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ContextId(pub(super) usize);

/// Number of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LineId(pub(super) usize);

/// The root context.
pub(super) const ROOT: ContextId = ContextId(0);

/// All rules of a grammar.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) module: String,
    pub(super) general: super::source::GeneralSource,
    pub(super) contexts: Vec<Context>,
    pub(super) lines: Vec<Line>,
    pub(super) protected: Vec<(QName, Regex)>,
    derived: Vec<Pattern>,
}

/// A compiled context.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) name: String,
    pub(super) enter: Pattern,
    pub(super) exit: String,
    pub(super) node: NodePath,
    pub(super) presence: bool,
    pub(super) remove: RemoveSource,
    pub(super) negate: Option<Pattern>,
    pub(super) busy: bool,
    pub(super) order: i32,
    pub(super) remove_order: i32,
    pub(super) ownership: OwnerSource,
    pub(super) own_when: Vec<(String, Regex)>,
    pub(super) cascade: Vec<Cascade>,
    pub(super) separated: bool,
    pub(super) impact: ImpactSource,
    /// Contexts below it, in order of creation.
    pub(super) children: Vec<ContextId>,
    /// Lines of it, in order of creation.
    pub(super) lines: Vec<LineId>,
    table: Vec<(Pattern, Action)>,
    by_word: HashMap<String, Vec<usize>>,
    without_word: Vec<usize>,
}

/// What a line of a context does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Enter(ContextId),
    Put(LineId),
    Negate(LineId),
    NegateContext(ContextId),
    /// What the element answers, if the condition holds.
    Refuse(Condition, String),
}

/// When a refusal holds.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Always,
    Exists { absolute: bool, path: NodePath },
    Missing { absolute: bool, path: NodePath },
    Other { path: NodePath },
}

/// How the nodes of a line look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A leaf with all that is not a key.
    Leaf,
    /// One member of a leaf-list.
    Member,
    /// All members of a leaf-list.
    Members,
    /// A list entry; optional arguments are its leafs.
    Entry,
}

/// Nodes that vanish with another.
#[derive(Clone, Debug)]
pub(super) enum Cascade {
    Node(NodePath),
    /// Opaque lines beginning with this text, at this place.
    Text(Option<NodePath>, String),
}

/// A compiled line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) pattern: Pattern,
    pub(super) nodes: Vec<NodePath>,
    pub(super) shape: Shape,
    /// The part of the pattern that makes the value.
    pub(super) value: Pattern,
    pub(super) alias: bool,
    pub(super) print: bool,
    pub(super) negates: Vec<Pattern>,
    pub(super) replace: bool,
    pub(super) default: Option<String>,
    pub(super) cascade: Vec<Cascade>,
    pub(super) implies: Vec<NodePath>,
    pub(super) before_context: bool,
    pub(super) order: i32,
    /// Order of the block that it is printed in: lines below one list entry stand together.
    pub(super) block_order: i32,
    pub(super) remove_order: i32,
    pub(super) ownership: OwnerSource,
    pub(super) secret: bool,
    pub(super) opaque: bool,
    pub(super) impact: ImpactSource,
}

impl Rules {
    /// Compiles a grammar file.
    pub(super) fn compile(module: &str, source: GrammarSource) -> Result<Self, GrammarError> {
        let fault = |what: &str, why: String| GrammarError::Rule { what: what.to_owned(), why };
        let types = Types::compile(&source.types).map_err(|why| fault("types", why))?;
        let mut ids: BTreeMap<&str, ContextId> = BTreeMap::from([("root", ROOT)]);
        for (at, context) in source.context.iter().enumerate() {
            if ids.insert(&context.name, ContextId(at + 1)).is_some() {
                return Err(fault(&context.name, "there are two contexts of this name".to_owned()));
            }
        }
        let find = |what: &str, name: &str| {
            ids.get(name).copied().ok_or_else(|| fault(what, format!("there is no context `{name}`")))
        };
        let mut contexts = vec![Context::root()];
        for context in &source.context {
            let leave = &source.general_leave();
            contexts.push(Context::compile(context, leave, module, &types).map_err(|why| fault(&context.name, why))?);
        }
        for (at, context) in source.context.iter().enumerate() {
            let id = ContextId(at + 1);
            for parent in &context.parents {
                let parent = find(&context.name, parent)?;
                let mut add = |text: &str, action: Action| -> Result<(), GrammarError> {
                    let pattern = Pattern::compile(text, &types).map_err(|why| fault(text, why))?;
                    contexts[parent.0].table.push((pattern, action));
                    Ok(())
                };
                for text in std::iter::once(&context.enter).chain(&context.alias) {
                    add(text, Action::Enter(id))?;
                }
                for text in context.negate.iter().chain(&context.also_negate) {
                    add(text, Action::NegateContext(id))?;
                }
                contexts[parent.0].children.push(id);
            }
        }
        let mut lines = Vec::new();
        for line in &source.line {
            let id = LineId(lines.len());
            let compiled =
                Line::compile(line, &source.grammar.no, module, &types).map_err(|why| fault(&line.line, why))?;
            for context in &line.contexts {
                let context = &mut contexts[find(&line.line, context)?.0];
                context.table.push((compiled.pattern.clone(), Action::Put(id)));
                context.table.extend(compiled.negates.iter().map(|n| (n.clone(), Action::Negate(id))));
                context.lines.push(id);
            }
            lines.push(compiled);
        }
        let blocks: Vec<i32> = lines.iter().map(|line| block_order(line, &lines)).collect();
        for (line, block) in lines.iter_mut().zip(blocks) {
            line.block_order = block;
        }
        for refuse in &source.refuse {
            let pattern = Pattern::compile(&refuse.line, &types).map_err(|why| fault(&refuse.line, why))?;
            let place = |text: &str| -> Result<(bool, NodePath), GrammarError> {
                let path = NodePath::compile(text.trim_start_matches('/'), module).map_err(|why| fault(text, why))?;
                Ok((text.starts_with('/'), path))
            };
            let condition = match (&refuse.exists, &refuse.missing, &refuse.other) {
                (None, None, None) => Condition::Always,
                (Some(text), None, None) => place(text).map(|(absolute, path)| Condition::Exists { absolute, path })?,
                (None, Some(text), None) => {
                    place(text).map(|(absolute, path)| Condition::Missing { absolute, path })?
                }
                (None, None, Some(text)) => Condition::Other { path: place(text)?.1 },
                _ => return Err(fault(&refuse.line, "a refusal has one condition at most".to_owned())),
            };
            for context in &refuse.contexts {
                let context = &mut contexts[find(&refuse.line, context)?.0];
                context.table.push((pattern.clone(), Action::Refuse(condition.clone(), refuse.text.clone())));
            }
        }
        let protected = source.protected.iter().map(|p| {
            Regex::new(&format!("^(?:{})$", p.key))
                .map(|key| (QName::new(module, &p.node), key))
                .map_err(|e| fault(&p.node, e.to_string()))
        });
        let protected = protected.collect::<Result<_, _>>()?;
        let derived =
            source.grammar.derived.iter().map(|text| Pattern::compile(text, &types).map_err(|e| fault(text, e)));
        let derived = derived.collect::<Result<_, _>>()?;
        for at in 0..contexts.len() {
            let mut children = std::mem::take(&mut contexts[at].children);
            children.sort_by_key(|id| contexts[id.0].order);
            contexts[at].children = children;
            contexts[at].lines.sort_by_key(|id| lines[id.0].order);
            contexts[at].index();
        }
        Ok(Self { module: module.to_owned(), general: source.grammar, contexts, lines, protected, derived })
    }

    /// The context with this number.
    pub(super) fn context(&self, id: ContextId) -> &Context {
        &self.contexts[id.0]
    }

    /// The line with this number.
    pub(super) fn line(&self, id: LineId) -> &Line {
        &self.lines[id.0]
    }

    /// What these words mean in a context, refusals left out.
    pub(super) fn lookup<'a>(&'a self, context: ContextId, words: &'a [&'a str]) -> Option<(&'a Action, Bindings)> {
        self.candidates(context, words).find(|(action, _)| !matches!(action, Action::Refuse(..)))
    }

    /// The refusals of a context for these words.
    pub(super) fn refusals<'a>(
        &'a self,
        context: ContextId,
        words: &'a [&'a str],
    ) -> Vec<(&'a Condition, &'a str, Bindings)> {
        self.candidates(context, words)
            .filter_map(|(action, bindings)| match action {
                Action::Refuse(condition, text) => Some((condition, text.as_str(), bindings)),
                _ => None,
            })
            .collect()
    }

    /// What the words may mean in a context, the most special meaning first.
    fn candidates<'a>(
        &'a self,
        context: ContextId,
        words: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a Action, Bindings)> + 'a {
        let context = self.context(context);
        let listed = words.first().and_then(|word| context.by_word.get(*word));
        listed
            .into_iter()
            .flatten()
            .chain(&context.without_word)
            .filter_map(move |at| context.table[*at].0.matches(words).map(|b| (&context.table[*at].1, b)))
    }

    /// The text of a line that the grammar does not know, without what may be a secret.
    pub(super) fn masked(&self, words: &[&str]) -> String {
        let secret = |word: &&str| self.general.secret_words.iter().any(|secret| secret == word);
        match words.iter().position(secret) {
            Some(at) if at + 1 < words.len() => format!("{} {SECRET}", words[..=at].join(" ")),
            _ => words.join(" "),
        }
    }

    /// Whether a line says nothing that anyone configured.
    pub(super) fn is_derived(&self, words: &[&str]) -> bool {
        self.derived.iter().any(|pattern| pattern.matches(words).is_some())
    }

    /// The child context that stands at this step of the tree.
    pub(super) fn child_at(&self, context: ContextId, step: &Step) -> Option<(ContextId, Bindings)> {
        self.context(context).children.iter().find_map(|id| {
            let mut bindings = Bindings::new();
            let own = self.context(*id).node.steps.first()?.bind(step, &mut bindings);
            own.then_some((*id, bindings))
        })
    }

    /// The deepest context on the way of a path, how many steps lead to it, and the bindings of its last step.
    pub(super) fn context_of(&self, path: &Path) -> (ContextId, usize, Bindings) {
        let mut at = (ROOT, 0, Bindings::new());
        for (depth, step) in path.steps().iter().enumerate() {
            match self.child_at(at.0, step) {
                Some((id, bindings)) => at = (id, depth + 1, bindings),
                None => break,
            }
        }
        at
    }

    /// Whether an entry without content is not worth keeping: a context that is not echoed when it is empty, or the
    /// common step of several lines.
    pub(super) fn is_hollow(&self, path: &Path, node: &Node) -> bool {
        if !node.children().is_empty() || !matches!(node.body(), Body::Entry { .. }) {
            return false;
        }
        let (context, depth, _) = self.context_of(path);
        let rest = &path.steps()[depth..];
        if rest.is_empty() {
            return context != ROOT && !self.context(context).presence;
        }
        !self
            .context(context)
            .lines
            .iter()
            .map(|id| self.line(*id))
            .any(|line| line.shape == Shape::Entry && line.nodes.iter().any(|node| node.covers(rest)))
    }

    /// Whether a context may be negated: it is own.
    pub(super) fn owns_context(&self, id: ContextId, bindings: &Bindings) -> bool {
        let context = self.context(id);
        context.own_when.iter().all(|(arg, pattern)| {
            bindings.get(arg).and_then(|values| values.first()).is_some_and(|value| pattern.is_match(value))
        })
    }
}

impl NodePath {
    /// Whether these steps are a place of this path.
    pub(super) fn covers(&self, steps: &[Step]) -> bool {
        let mut ignored = Bindings::new();
        self.steps.len() == steps.len()
            && self.steps.iter().zip(steps).all(|(want, have)| want.bind(have, &mut ignored))
    }

    /// Whether these steps are a place of this path, or above or below one.
    pub(super) fn touches(&self, steps: &[Step]) -> bool {
        let mut ignored = Bindings::new();
        self.steps.iter().zip(steps).all(|(want, have)| want.bind(have, &mut ignored))
    }
}

impl GrammarSource {
    fn general_leave(&self) -> String {
        self.grammar.leave.clone()
    }
}

impl Context {
    fn root() -> Self {
        Self {
            name: "root".to_owned(),
            enter: Pattern::default(),
            exit: String::new(),
            node: NodePath { steps: Vec::new(), member: false },
            presence: true,
            remove: RemoveSource::Content,
            negate: None,
            busy: false,
            order: 0,
            remove_order: 0,
            ownership: OwnerSource::Shared,
            own_when: Vec::new(),
            cascade: Vec::new(),
            separated: false,
            impact: ImpactSource::default(),
            children: Vec::new(),
            lines: Vec::new(),
            table: Vec::new(),
            by_word: HashMap::new(),
            without_word: Vec::new(),
        }
    }

    fn compile(source: &ContextSource, leave: &str, module: &str, types: &Types) -> Result<Self, String> {
        let node = NodePath::compile(&source.node, module)?;
        if node.steps.len() != 1 || node.member {
            return Err("the node of a context is one step".to_owned());
        }
        let enter = Pattern::compile(&source.enter, types)?;
        known_args(&enter, &node)?;
        let negate = source.negate.as_deref().map(|text| Pattern::compile(text, types)).transpose()?;
        if negate.is_none() && source.remove != RemoveSource::Content {
            return Err("it has no `negate`".to_owned());
        }
        let own_when = source
            .own_when
            .iter()
            .map(|(key, pattern)| Regex::new(pattern).map(|pattern| (key.clone(), pattern)).map_err(|e| e.to_string()));
        Ok(Self {
            name: source.name.clone(),
            enter,
            exit: source.exit.clone().unwrap_or_else(|| leave.to_owned()),
            presence: source.presence,
            remove: source.remove,
            negate,
            busy: source.busy,
            order: source.order,
            remove_order: source.remove_order.unwrap_or(-source.order),
            ownership: source.ownership.unwrap_or(if node.steps[0].keys.is_empty() {
                OwnerSource::Shared
            } else {
                OwnerSource::Own
            }),
            own_when: own_when.collect::<Result<_, _>>()?,
            cascade: cascades(&source.cascade, module)?,
            separated: source.separated,
            impact: source.impact.clone(),
            node,
            ..Self::root()
        })
    }

    fn index(&mut self) {
        self.table.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.weight()));
        for (at, (pattern, _)) in self.table.iter().enumerate() {
            match pattern.first_word() {
                Some(word) => self.by_word.entry(word.to_owned()).or_default().push(at),
                None => self.without_word.push(at),
            }
        }
    }
}

impl Line {
    fn compile(source: &LineSource, no: &str, module: &str, types: &Types) -> Result<Self, String> {
        let pattern = Pattern::compile(&source.line, types)?;
        let nodes: Vec<NodePath> =
            source.node.iter().map(|text| NodePath::compile(text, module)).collect::<Result<_, _>>()?;
        if nodes.is_empty() || (nodes.len() > 1 && !source.alias) {
            return Err("a line has one node; only an alias may have several".to_owned());
        }
        for node in &nodes {
            known_args(&pattern, node)?;
        }
        let value = pattern.value(&nodes[0].key_args());
        let many = value.args().iter().any(|(_, _, many)| *many);
        let shape = match &nodes[0] {
            node if node.member && many => Shape::Members,
            node if node.member => Shape::Member,
            node if node.last().is_some_and(|step| !step.keys.is_empty()) => Shape::Entry,
            _ => Shape::Leaf,
        };
        if source.secret && shape != Shape::Leaf {
            return Err("only the value of a leaf can be secret".to_owned());
        }
        let negates = match (&source.negate[..], source.permanent, source.line.strip_prefix(no)) {
            ([], true, _) => Vec::new(),
            ([], false, Some(positive)) if positive.starts_with(' ') => vec![Pattern::compile(positive, types)?],
            ([], false, _) => vec![Pattern::compile(&format!("{no} {}", source.line), types)?],
            (given, _, _) => given.iter().map(|text| Pattern::compile(text, types)).collect::<Result<_, _>>()?,
        };
        let implies = source.implies.iter().map(|text| NodePath::compile(text, module)).collect::<Result<_, _>>()?;
        Ok(Self {
            pattern,
            shape,
            value,
            nodes,
            alias: source.alias,
            print: source.print,
            negates,
            replace: source.replace,
            default: source.default.clone(),
            cascade: cascades(&source.cascade, module)?,
            implies,
            before_context: source.before_context,
            order: source.order,
            block_order: source.order,
            remove_order: source.remove_order.unwrap_or(-source.order),
            ownership: source.ownership.unwrap_or(OwnerSource::Own),
            secret: source.secret,
            opaque: source.opaque,
            impact: source.impact.clone(),
        })
    }
}

fn block_order(line: &Line, all: &[Line]) -> i32 {
    let node = &line.nodes[0];
    let same = |other: &&Line| other.nodes[0].steps.len() > 1 && other.nodes[0].steps[0] == node.steps[0];
    let block = all.iter().filter(|other| !other.alias).filter(same).map(|other| other.order).min();
    if node.steps.len() < 2 { line.order } else { block.unwrap_or(line.order) }
}

/// Every key of a node must be an argument of its line.
fn known_args(pattern: &Pattern, node: &NodePath) -> Result<(), String> {
    match node.key_args().into_iter().find(|key| pattern.arg(key).is_none()) {
        Some(key) => Err(format!("the key `{key}` is no argument of the line")),
        None => Ok(()),
    }
}

fn cascades(texts: &[String], module: &str) -> Result<Vec<Cascade>, String> {
    texts
        .iter()
        .map(|text| match text.split_once('~') {
            None => NodePath::compile(text, module).map(Cascade::Node),
            Some(("", line)) => Ok(Cascade::Text(None, line.to_owned())),
            Some((place, line)) => {
                let place = NodePath::compile(place.trim_end_matches('/'), module)?;
                Ok(Cascade::Text(Some(place), line.to_owned()))
            }
        })
        .collect()
}
