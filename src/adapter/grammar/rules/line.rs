//! A compiled line and what is attached to it.

use super::super::nodepath::{NodePath, NodeStep};
use super::super::pattern::{Bindings, Pattern};
use super::super::source::{AskedSource, BlockSource, DialogueSource, ImpactSource, LineSource, OwnerSource};
use super::super::types::Types;
use super::Verb;
use crate::adapter::Answer;
use crate::tree::secret::token;
use crate::tree::{Key, Path, Step};
use regex::Regex;

/// How the nodes of a line look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Shape {
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
pub(in super::super) enum Cascade {
    Node(NodePath),
    /// Opaque lines beginning with this text, at this place.
    Text(Option<NodePath>, String),
}

/// The numbers that the element gives the members of a list.
#[derive(Clone, Debug)]
pub(in super::super) struct Sequence {
    pub(in super::super) argument: String,
    pub(in super::super) start: u64,
    pub(in super::super) step: u64,
    /// The value of a member without its number.
    pub(in super::super) bare: Pattern,
}

/// A value of several lines.
#[derive(Clone, Debug)]
pub(in super::super) struct Block {
    pub(in super::super) argument: String,
    /// The line without the block.
    pub(in super::super) head: Pattern,
    pub(in super::super) until: Option<String>,
    pub(in super::super) trim: bool,
}

/// What comes with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Implied {
    /// An entry.
    Node,
    /// A container whose existence means something.
    Presence,
    /// A line without a value.
    Flag,
}

/// An object that a line refers to.
#[derive(Clone, Debug)]
pub(in super::super) struct Reference {
    absolute: bool,
    path: NodePath,
}

/// A question of the element and when it comes.
#[derive(Clone, Debug)]
pub(in super::super) struct Question {
    on: AskedSource,
    answer: Answer,
}

/// A compiled line.
#[derive(Debug)]
pub(in super::super) struct Line {
    pub(in super::super) pattern: Pattern,
    pub(in super::super) nodes: Vec<NodePath>,
    pub(in super::super) shape: Shape,
    /// The part of the pattern that makes the value.
    pub(in super::super) value: Pattern,
    /// What is done to its path when it is typed.
    pub(in super::super) verb: Verb,
    pub(in super::super) alias: bool,
    pub(in super::super) print: bool,
    pub(in super::super) negates: Vec<Pattern>,
    pub(in super::super) replace: bool,
    pub(in super::super) default: Option<String>,
    pub(in super::super) hidden: Option<String>,
    pub(in super::super) ordered: bool,
    pub(in super::super) sequence: Option<Sequence>,
    pub(in super::super) bracket: bool,
    pub(in super::super) block: Option<Block>,
    pub(in super::super) never_delete: bool,
    pub(in super::super) protected: bool,
    pub(in super::super) refs: Vec<Reference>,
    pub(in super::super) dialogue: Vec<Question>,
    pub(in super::super) cascade: Vec<Cascade>,
    pub(in super::super) implies: Vec<(NodePath, Implied)>,
    pub(in super::super) before_context: bool,
    pub(in super::super) order: i32,
    /// Order of the block that it is printed in: lines below one list entry stand together.
    pub(in super::super) block_order: i32,
    pub(in super::super) remove_order: i32,
    pub(in super::super) ownership: OwnerSource,
    pub(in super::super) secret: bool,
    pub(in super::super) opaque: bool,
    pub(in super::super) impact: ImpactSource,
}

/// What is wrong with a rule: the key and why.
pub(super) type Wrong = (&'static str, String);

/// What the family says about all lines.
pub(super) struct Manner<'a> {
    pub(super) no: &'a str,
    /// A path behind a word deletes.
    pub(super) deletes_paths: bool,
    pub(super) blocks: bool,
    pub(super) module: &'a str,
    pub(super) types: &'a Types,
}

impl Line {
    pub(super) fn compile(source: &LineSource, manner: &Manner<'_>) -> Result<Self, Wrong> {
        let Manner { module, types, .. } = *manner;
        let text = source.line.as_ref().as_str();
        let mut pattern = Pattern::compile(text, types).map_err(|why| ("line", why))?;
        let nodes: Vec<NodePath> = source
            .node
            .iter()
            .map(|text| NodePath::compile(text, module))
            .collect::<Result<_, _>>()
            .map_err(|why| ("node", why))?;
        if nodes.is_empty() || (nodes.len() > 1 && !source.alias) {
            return Err(("node", "a line has one node; only an alias may have several".to_owned()));
        }
        for node in &nodes {
            known_args(&pattern, node).map_err(|why| ("node", why))?;
        }
        let keys: Vec<String> = nodes[0].key_args().into_iter().map(str::to_owned).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        pattern.mark_values(&keys);
        let value = pattern.value(&keys);
        let many = value.args().iter().any(|(_, _, many)| *many);
        let shape = match &nodes[0] {
            node if node.member && many => Shape::Members,
            node if node.member => Shape::Member,
            node if node.last().is_some_and(|step| !step.keys.is_empty()) => Shape::Entry,
            _ => Shape::Leaf,
        };
        let line = Self {
            negates: negates(source, manner, &pattern, shape, &keys)?,
            sequence: sequence(source, &value, shape)?,
            block: block(source, manner, &pattern, shape)?,
            refs: references(&source.refs, module, &pattern).map_err(|why| ("refs", why))?,
            dialogue: questions(&source.dialogue).map_err(|why| ("dialogue", why))?,
            cascade: cascades(&source.cascade, module).map_err(|why| ("cascade", why))?,
            implies: source
                .implies
                .iter()
                .map(|text| NodePath::compile(text, module).map(|node| (node, Implied::Node)))
                .collect::<Result<_, _>>()
                .map_err(|why| ("implies", why))?,
            pattern,
            shape,
            value,
            nodes,
            verb: Verb::Put,
            alias: source.alias,
            print: source.print,
            replace: source.replace,
            default: source.default.clone(),
            hidden: source.hidden.clone(),
            ordered: source.ordered || source.auto_seq.is_some(),
            bracket: source.bracket,
            never_delete: source.never_delete,
            protected: source.protected,
            before_context: source.before_context,
            order: source.order,
            block_order: source.order,
            remove_order: source.remove_order.unwrap_or(source.order.saturating_neg()),
            ownership: source.ownership.unwrap_or(OwnerSource::Own),
            secret: source.secret,
            opaque: source.opaque,
            impact: source.impact.clone(),
        };
        line.check().map(|()| line)
    }

    /// What does not go together.
    fn check(&self) -> Result<(), Wrong> {
        let listed = matches!(self.shape, Shape::Member | Shape::Entry);
        let wrong = |key, why: &str| Err((key, why.to_owned()));
        if self.secret && self.shape != Shape::Leaf {
            return wrong("secret", "only the value of a leaf can be secret");
        }
        if self.hidden.is_some() && (self.shape != Shape::Leaf || self.value.is_empty()) {
            return wrong("hidden", "only the value of a leaf can be hidden");
        }
        if self.ordered && !listed {
            return wrong("ordered", "only members one by one and entries have an order");
        }
        if self.bracket && self.shape != Shape::Member {
            return wrong("bracket", "only members one by one stand in brackets");
        }
        if self.never_delete && (self.shape == Shape::Members || !self.replace) {
            return wrong("never_delete", "what is never deleted is typed over, one value at a time");
        }
        let masked = |ty: &super::super::types::ArgType| ty.is_rest() || ty.canonical(&token("")).is_some();
        if self.secret && !self.value.args().last().is_some_and(|(_, ty, _)| masked(ty)) {
            return wrong("secret", "the last argument of the value is masked, so it must take any word");
        }
        if let Some(hidden) = &self.hidden
            && self.value.bind_text(hidden).is_none()
        {
            return wrong("hidden", "it is no value of the line");
        }
        Ok(())
    }

    /// A line that the engine adds for the mark of a statement that is deactivated.
    pub(super) fn mark(pattern: Pattern, node: NodePath) -> Self {
        let shape = if node.member { Shape::Member } else { Shape::Leaf };
        Self {
            value: pattern.clone(),
            negates: vec![pattern.clone()],
            pattern,
            shape,
            nodes: vec![node],
            verb: Verb::Deactivate,
            alias: false,
            print: false,
            replace: true,
            default: None,
            hidden: None,
            ordered: false,
            sequence: None,
            bracket: false,
            block: None,
            never_delete: false,
            protected: false,
            refs: Vec::new(),
            dialogue: Vec::new(),
            cascade: Vec::new(),
            implies: Vec::new(),
            before_context: false,
            order: i32::MAX,
            block_order: i32::MAX,
            // Behind the statement itself, for the mark goes with it.
            remove_order: i32::MAX,
            ownership: OwnerSource::Own,
            secret: false,
            opaque: false,
            impact: ImpactSource::default(),
        }
    }
}

/// The lines that take it back, the one that is typed first.
fn negates(
    source: &LineSource,
    manner: &Manner<'_>,
    pattern: &Pattern,
    shape: Shape,
    keys: &[&str],
) -> Result<Vec<Pattern>, Wrong> {
    let compile = |text: &str| Pattern::compile(text, manner.types).map_err(|why| ("negate", why));
    let text = source.line.as_ref().as_str();
    let whole = || match text.strip_prefix(manner.no) {
        Some(positive) if positive.starts_with(' ') => compile(positive),
        _ => compile(&format!("{} {text}", manner.no)),
    };
    // A block is taken back by the words around it.
    let whole = || match pattern.args().into_iter().find(|(_, ty, _)| ty.is_block()) {
        Some((block, ..)) => whole().map(|negate| negate.without(block)),
        None => whole(),
    };
    match (&source.negate[..], source.negate_words) {
        (given, None) if !given.is_empty() => given.iter().map(|text| compile(text)).collect(),
        (_, Some(_)) if !source.negate.is_empty() || source.permanent => {
            Err(("negate_words", "a line is taken back in one way".to_owned()))
        }
        _ if source.permanent => Ok(Vec::new()),
        (_, Some(count)) if manner.deletes_paths => Ok(vec![pattern.first_parts(count), pattern.clone()]),
        (_, Some(count)) => Ok(vec![whole()?.first_parts(count + 1), whole()?]),
        (_, None) if manner.deletes_paths => Ok(match shape {
            Shape::Member => vec![pattern.clone(), pattern.without_value(keys)],
            _ => vec![pattern.without_value(keys), pattern.clone()],
        }),
        (_, None) => Ok(vec![whole()?]),
    }
}

fn sequence(source: &LineSource, value: &Pattern, shape: Shape) -> Result<Option<Sequence>, Wrong> {
    let Some(given) = &source.auto_seq else { return Ok(None) };
    let wrong = |why: &str| Err(("auto_seq", why.to_owned()));
    if shape != Shape::Member {
        return wrong("only the members of a leaf-list are numbered");
    }
    let bare = value.without(&given.argument);
    let optional =
        bare.arg(&given.argument).is_none() && value.value(&[&given.argument]).arg(&given.argument).is_some();
    if !optional || value.arg(&given.argument).is_none_or(|ty| ty.canonical(&given.start.to_string()).is_none()) {
        return wrong("the number is an optional argument of the line");
    }
    if given.step == 0 || given.start == 0 {
        return wrong("start and step are at least 1");
    }
    Ok(Some(Sequence { argument: given.argument.clone(), start: given.start, step: given.step, bare }))
}

fn block(source: &LineSource, manner: &Manner<'_>, pattern: &Pattern, shape: Shape) -> Result<Option<Block>, Wrong> {
    let argument = pattern.args().into_iter().find(|(_, ty, _)| ty.is_block()).map(|(name, ..)| name.to_owned());
    match (&source.block, argument) {
        (None, None) => Ok(None),
        (Some(BlockSource { until, trim }), Some(argument)) if shape == Shape::Leaf && manner.blocks => {
            let head = pattern.without(&argument);
            Ok(Some(Block { argument, head, until: until.clone(), trim: *trim }))
        }
        (Some(_), Some(_)) => {
            Err(("block", "a block is the value of a leaf, in a family of indented lines".to_owned()))
        }
        _ => Err(("block", "a block line has one argument of type `block`, and only a block line has".to_owned())),
    }
}

/// Every key of a node must be an argument of its line.
pub(super) fn known_args(pattern: &Pattern, node: &NodePath) -> Result<(), String> {
    match node.key_args().into_iter().find(|key| pattern.arg(key).is_none()) {
        Some(key) => Err(format!("the key `{key}` is no argument of the line")),
        None => Ok(()),
    }
}

pub(super) fn cascades(texts: &[String], module: &str) -> Result<Vec<Cascade>, String> {
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

pub(super) fn references(texts: &[String], module: &str, pattern: &Pattern) -> Result<Vec<Reference>, String> {
    texts
        .iter()
        .map(|text| {
            let path = NodePath::compile(text.trim_start_matches('/'), module)?;
            known_args(pattern, &path)?;
            Ok(Reference { absolute: text.starts_with('/'), path })
        })
        .collect()
}

pub(super) fn questions(sources: &[DialogueSource]) -> Result<Vec<Question>, String> {
    sources
        .iter()
        .map(|source| {
            Regex::new(&source.expect).map_err(|error| error.to_string())?;
            let answer = Answer { expect: source.expect.clone(), answer: source.answer.clone() };
            Ok(Question { on: source.on, answer })
        })
        .collect()
}

/// The answers to what the element asks on an occasion.
pub(in super::super) fn answers(questions: &[Question], on: AskedSource) -> Vec<Answer> {
    questions.iter().filter(|question| question.on == on).map(|question| question.answer.clone()).collect()
}

impl Reference {
    /// The places that it names: one per value of its argument. A place may leave keys of an entry open.
    pub(in super::super) fn targets(&self, base: &Path, bindings: &Bindings) -> Vec<Target> {
        let mut targets = vec![Vec::new()];
        for step in &self.path.steps {
            let mut longer = Vec::new();
            for target in &targets {
                for keys in choices(step, bindings) {
                    let mut target = target.clone();
                    target.push((step.name.clone(), keys));
                    longer.push(target);
                }
            }
            targets = longer;
        }
        let base = if self.absolute { Path::root() } else { base.clone() };
        targets.into_iter().map(|steps| Target { base: base.clone(), steps }).collect()
    }
}

type Keys = Vec<(String, String)>;

/// The keys of a step: all combinations of the values of its arguments.
fn choices(step: &NodeStep, bindings: &Bindings) -> Vec<Keys> {
    let mut all: Vec<Keys> = vec![Vec::new()];
    for (key, arg) in &step.keys {
        let values = bindings.get(arg).map_or(&[][..], Vec::as_slice);
        let longer = all.iter().flat_map(|keys| {
            values.iter().map(|value| {
                let mut keys = keys.clone();
                keys.push((key.clone(), value.clone()));
                keys
            })
        });
        all = longer.collect();
    }
    all
}

/// A place that a line refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Target {
    base: Path,
    steps: Vec<(crate::tree::QName, Keys)>,
}

impl Target {
    /// Whether a path stands there or below.
    pub(in super::super) fn covers(&self, path: &Path) -> bool {
        let Some(rest) = path.starts_with(&self.base).then(|| &path.steps()[self.base.steps().len()..]) else {
            return false;
        };
        rest.len() >= self.steps.len()
            && self.steps.iter().zip(rest).all(|((name, keys), step)| {
                step.name == *name && keys.iter().all(|(key, value)| holds(step, key, value))
            })
    }

    /// What its last step must be called.
    pub(in super::super) fn name(&self) -> Option<&crate::tree::QName> {
        self.steps.last().map(|(name, _)| name)
    }

    /// How many steps lead to it.
    pub(in super::super) fn depth(&self) -> usize {
        self.base.steps().len() + self.steps.len()
    }
}

fn holds(step: &Step, key: &str, value: &str) -> bool {
    match &step.key {
        Key::Entry(keys) => keys.iter().any(|(name, have)| name.as_str() == key && have.as_str() == value),
        _ => false,
    }
}
