//! From `grammar.toml` to rules. What makes no sense is refused with the line of the file, the rule, the key and why.

use super::super::GrammarError;
use super::super::lex::Quoting;
use super::super::nodepath::NodePath;
use super::super::pattern::Pattern;
use super::super::source::{
    ContextSource, CurlySource, Family, GeneralSource, GrammarSource, ImpactSource, OwnerSource, QuoteSource,
    RefuseSource, RemoveSource,
};
use super::super::types::Types;
use super::line::{Line, Manner, Wrong, cascades, known_args, questions, references};
use super::{Action, Condition, Context, ContextId, Implied, LineId, ROOT, Rules, Shape, Verb, Verbs};
use crate::tree::QName;
use regex::Regex;
use std::collections::{HashMap, HashSet};
use toml::Spanned;

/// Names of the nodes that mark what is deactivated.
pub(super) const INACTIVE: (&str, &str) = ("inactive", "inactive-line");

impl Rules {
    /// Compiles a grammar file; `text` is the file as it stands, to name lines of it.
    pub(in super::super) fn compile(module: &str, text: &str, mut source: GrammarSource) -> Result<Self, GrammarError> {
        let site = |what: &Spanned<String>, (key, why): Wrong| GrammarError::Rule {
            what: format!("line {}, `{}`, key `{key}`", line_of(text, what), what.as_ref()),
            why,
        };
        let general_fault = |(key, why): Wrong| GrammarError::Rule { what: format!("[grammar], key `{key}`"), why };
        check_family(&mut source.grammar).map_err(general_fault)?;
        let general = source.grammar;
        let quoting = match (general.quote, general.quotes) {
            (None, _) => Quoting::Never,
            (Some(mark @ ('"' | '\'')), QuoteSource::Needed) => Quoting::Needed(mark),
            (Some(mark @ ('"' | '\'')), QuoteSource::Values) => Quoting::Values(mark),
            (Some(_), _) => return Err(general_fault(("quote", "a quote is \" or '".to_owned()))),
        };
        let types = Types::compile(&source.types, quoting)
            .map_err(|why| GrammarError::Rule { what: "[types]".to_owned(), why })?;
        let manner = Manner {
            no: &general.no,
            deletes_paths: !general.delete.is_empty(),
            blocks: general.family == Family::Indent,
            module,
            types: &types,
        };
        let mut building = Building { contexts: vec![Context::root()], lines: Vec::new(), ids: HashMap::new() };
        building.ids.insert("root".to_owned(), ROOT);
        for (at, context) in source.context.iter().enumerate() {
            let known = building.ids.insert(context.name.as_ref().clone(), ContextId(at + 1));
            if known.is_some() {
                return Err(site(&context.name, ("name", "there are two contexts of this name".to_owned())));
            }
            let compiled = Context::compile(context, &general, &manner).map_err(|wrong| site(&context.name, wrong))?;
            building.contexts.push(compiled);
        }
        for (at, context) in source.context.iter().enumerate() {
            building.place(ContextId(at + 1), context, &types).map_err(|wrong| site(&context.name, wrong))?;
        }
        if let Some(at) = building.circle() {
            let context = &source.context[at];
            return Err(site(&context.name, ("in", "the contexts stand in one another in a circle".to_owned())));
        }
        for line in &source.line {
            let compiled = Line::compile(line, &manner).map_err(|wrong| site(&line.line, wrong))?;
            building.line(compiled, line.line.as_ref(), &line.contexts).map_err(|wrong| site(&line.line, wrong))?;
        }
        for refuse in &source.refuse {
            building.refuse(refuse, module, &types).map_err(|wrong| site(&refuse.line, wrong))?;
        }
        for action in &source.action {
            let pattern = Pattern::compile(action.line.as_ref(), &types);
            let pattern = pattern.map_err(|why| site(&action.line, ("line", why)))?;
            for context in building.find(&action.contexts).map_err(|wrong| site(&action.line, wrong))? {
                building.contexts[context.0].table.push((pattern.clone(), Action::Operate));
            }
        }
        if !general.deactivate.is_empty() {
            building.marks(module, &types).map_err(general_fault)?;
        }
        building.finish();
        let protected = source.protected.iter().map(|p| {
            Regex::new(&format!("^(?:{})$", p.key)).map(|key| (QName::new(module, &p.node), key)).map_err(|e| {
                GrammarError::Rule { what: format!("[[protected]] `{}`, key `key`", p.node), why: e.to_string() }
            })
        });
        let protected = protected.collect::<Result<_, _>>()?;
        let derived = general
            .derived
            .iter()
            .map(|text| Pattern::compile(text, &types).map_err(|e| general_fault(("derived", e))));
        let derived = derived.collect::<Result<_, _>>()?;
        let Building { contexts, lines, .. } = building;
        let has_refs = lines.iter().any(|line| !line.refs.is_empty()) || contexts.iter().any(|c| !c.refs.is_empty());
        let has_lasting = lines.iter().any(|line| line.never_delete || line.protected)
            || contexts.iter().any(|context| context.never_delete || context.protected);
        let has_sequences = lines.iter().any(|line| line.sequence.is_some());
        Ok(Self {
            module: module.to_owned(),
            verbs: Verbs::new(&general),
            general,
            quoting,
            contexts,
            lines,
            protected,
            derived,
            has_refs,
            has_lasting,
            has_sequences,
        })
    }
}

/// What a family needs and what it cannot have.
fn check_family(general: &mut GeneralSource) -> Result<(), Wrong> {
    let missing = |key, what: &str| Err((key, format!("a grammar of this family needs {what}")));
    let unused = |key| Err((key, "a grammar of this family has no such key".to_owned()));
    if general.comment.is_empty() {
        return missing("comment", "the beginning of a comment line");
    }
    if general.family == Family::Indent {
        if general.no.is_empty() {
            return missing("no", "the word that takes a line back");
        }
        if general.leave.is_empty() {
            return missing("leave", "the word that leaves a context");
        }
        let given = [("put", &general.put), ("delete", &general.delete), ("deactivate", &general.deactivate)];
        if let Some((key, _)) = given.into_iter().find(|(_, text)| !text.is_empty()) {
            return unused(key);
        }
        return if general.curly.is_some() { unused("curly") } else { Ok(()) };
    }
    if general.put.is_empty() {
        return missing("put", "the word before the path of a line");
    }
    if general.delete.is_empty() == general.no.is_empty() {
        return missing("delete", "either `delete`, the word before a path, or `no`, the word before a line");
    }
    if general.deactivate.is_empty() != general.activate.is_empty() {
        return missing("activate", "`deactivate` and `activate`, or neither");
    }
    if general.by_indent {
        return unused("by_indent");
    }
    if general.family == Family::Brace && general.curly.is_none() {
        general.curly = Some(CurlySource::Semicolon);
    }
    if general.curly.is_some() && !general.comment.starts_with('#') {
        return Err(("comment", "a comment of curly text begins with #".to_owned()));
    }
    if general.curly.is_some() && general.quote.is_none() {
        return missing("quote", "a mark of quoted words, for words with a brace in them");
    }
    Ok(())
}

/// The line of the file in which something stands.
fn line_of(text: &str, what: &Spanned<String>) -> usize {
    text.get(..what.span().start).map_or(0, |before| before.matches('\n').count() + 1)
}

struct Building {
    contexts: Vec<Context>,
    lines: Vec<Line>,
    ids: HashMap<String, ContextId>,
}

impl Building {
    fn find(&self, names: &[String]) -> Result<Vec<ContextId>, Wrong> {
        let find = |name: &String| self.ids.get(name).copied().ok_or(("in", format!("there is no context `{name}`")));
        names.iter().map(find).collect()
    }

    /// Puts a context into those around it.
    fn place(&mut self, id: ContextId, source: &ContextSource, types: &Types) -> Result<(), Wrong> {
        let enters = std::iter::once(("enter", &source.enter)).chain(source.alias.iter().map(|text| ("alias", text)));
        let negates = source.negate.iter().map(|text| ("negate", text));
        let negates = negates.chain(source.also_negate.iter().map(|text| ("also_negate", text)));
        let mut table = Vec::new();
        for (key, text) in enters {
            table.push((Pattern::compile(text, types).map_err(|why| (key, why))?, Action::Enter(id)));
        }
        for (key, text) in negates {
            table.push((Pattern::compile(text, types).map_err(|why| (key, why))?, Action::NegateContext(id)));
        }
        for parent in self.find(&source.parents)? {
            self.contexts[parent.0].table.extend(table.iter().cloned());
            self.contexts[parent.0].children.push(id);
        }
        Ok(())
    }

    /// A context that stands in itself, by its place in the file.
    fn circle(&self) -> Option<usize> {
        // A context is free when all those around it are.
        let mut around: Vec<usize> = vec![0; self.contexts.len()];
        self.contexts.iter().flat_map(|context| &context.children).for_each(|child| around[child.0] += 1);
        let mut free: Vec<usize> = (0..around.len()).filter(|at| around[*at] == 0).collect();
        while let Some(at) = free.pop() {
            for child in &self.contexts[at].children {
                around[child.0] -= 1;
                if around[child.0] == 0 {
                    free.push(child.0);
                }
            }
        }
        around.iter().position(|left| *left > 0).map(|at| at.saturating_sub(1))
    }

    fn line(&mut self, line: Line, text: &str, contexts: &[String]) -> Result<(), Wrong> {
        let id = LineId(self.lines.len());
        for context in self.find(contexts)? {
            let context = &mut self.contexts[context.0];
            let twice = |have: &LineId| self.lines[have.0].pattern.text() == line.pattern.text();
            if context.lines.iter().any(twice) {
                return Err(("line", format!("the context `{}` has `{text}` twice", context.name)));
            }
            context.table.push((line.pattern.clone(), Action::Put(id)));
            context.table.extend(line.negates.iter().map(|n| (n.clone(), Action::Negate(id))));
            context.lines.push(id);
        }
        self.lines.push(line);
        Ok(())
    }

    fn refuse(&mut self, refuse: &RefuseSource, module: &str, types: &Types) -> Result<(), Wrong> {
        let pattern = Pattern::compile(refuse.line.as_ref(), types).map_err(|why| ("line", why))?;
        let place = |key, text: &str| -> Result<(bool, NodePath), Wrong> {
            let path = NodePath::compile(text.trim_start_matches('/'), module).map_err(|why| (key, why))?;
            Ok((text.starts_with('/'), path))
        };
        let condition = match (&refuse.exists, &refuse.missing, &refuse.other) {
            (None, None, None) => Condition::Always,
            (Some(text), None, None) => {
                place("exists", text).map(|(absolute, path)| Condition::Exists { absolute, path })?
            }
            (None, Some(text), None) => {
                place("missing", text).map(|(absolute, path)| Condition::Missing { absolute, path })?
            }
            (None, None, Some(text)) => Condition::Other { path: place("other", text)?.1 },
            _ => return Err(("exists", "a refusal has one condition at most".to_owned())),
        };
        for context in self.find(&refuse.contexts)? {
            let refusal = Action::Refuse(condition.clone(), refuse.text.clone());
            self.contexts[context.0].table.push((pattern.clone(), refusal));
        }
        Ok(())
    }

    /// The marks of what is deactivated: one of a context as a whole, one per statement of it.
    fn marks(&mut self, module: &str, types: &Types) -> Result<(), Wrong> {
        let wrong = |why| ("deactivate", why);
        let whole = NodePath::compile(INACTIVE.0, module).map_err(wrong)?;
        let statement = NodePath::compile(&format!("{}[.]", INACTIVE.1), module).map_err(wrong)?;
        let text = Pattern::compile("{statement:rest}", types).map_err(wrong)?;
        let whole_id = LineId(self.lines.len());
        self.lines.push(Line::mark(Pattern::default(), whole));
        self.lines.push(Line::mark(text, statement));
        for (at, context) in self.contexts.iter_mut().enumerate() {
            if at > 0 {
                context.lines.push(whole_id);
            }
            context.lines.push(LineId(whole_id.0 + 1));
        }
        Ok(())
    }

    fn finish(&mut self) {
        let blocks: Vec<i32> = self.lines.iter().map(|line| block_order(line, &self.lines)).collect();
        for (line, block) in self.lines.iter_mut().zip(blocks) {
            line.block_order = block;
        }
        let flags: Vec<NodePath> = self
            .lines
            .iter()
            .filter(|line| line.shape == Shape::Leaf && line.value.is_empty())
            .filter_map(|line| line.nodes.first().cloned())
            .collect();
        let presences: Vec<NodePath> = self
            .contexts
            .iter()
            .filter(|context| context.presence && context.node.steps.iter().all(|step| step.keys.is_empty()))
            .map(|context| context.node.clone())
            .collect();
        for (node, what) in self.lines.iter_mut().flat_map(|line| &mut line.implies) {
            if flags.contains(node) {
                *what = Implied::Flag;
            } else if presences.contains(node) {
                *what = Implied::Presence;
            }
        }
        for at in 0..self.contexts.len() {
            let mut children = std::mem::take(&mut self.contexts[at].children);
            children.sort_by_key(|id| self.contexts[id.0].order);
            let mut by_node: HashMap<QName, Vec<ContextId>> = HashMap::new();
            for id in &children {
                let step = &self.contexts[id.0].node.steps[0];
                by_node.entry(step.name.clone()).or_default().push(*id);
            }
            let context = &mut self.contexts[at];
            context.children = children;
            context.children_by_node = by_node;
            context.lines.sort_by_key(|id| self.lines[id.0].order);
            for id in context.lines.clone() {
                let names: HashSet<&QName> = self.lines[id.0]
                    .nodes
                    .iter()
                    .filter_map(|node| node.steps.first())
                    .map(|step| &step.name)
                    .collect();
                for name in names {
                    context.lines_by_node.entry(name.clone()).or_default().push(id);
                }
            }
            context.index();
        }
    }
}

impl Context {
    fn root() -> Self {
        Self {
            name: "root".to_owned(),
            enter: Pattern::default(),
            exit: String::new(),
            prints_exit: false,
            node: NodePath { steps: Vec::new(), member: false },
            presence: true,
            remove: RemoveSource::Content,
            negate: None,
            busy: false,
            order: 0,
            remove_order: 0,
            ordered: false,
            never_delete: false,
            protected: false,
            refs: Vec::new(),
            dialogue: Vec::new(),
            ownership: OwnerSource::Shared,
            own_when: Vec::new(),
            cascade: Vec::new(),
            separated: false,
            impact: ImpactSource::default(),
            children: Vec::new(),
            lines: Vec::new(),
            children_by_node: HashMap::new(),
            lines_by_node: HashMap::new(),
            table: Vec::new(),
            by_word: HashMap::new(),
            without_word: Vec::new(),
        }
    }

    fn compile(source: &ContextSource, general: &GeneralSource, manner: &Manner<'_>) -> Result<Self, Wrong> {
        let node = NodePath::compile(&source.node, manner.module).map_err(|why| ("node", why))?;
        if node.steps.len() != 1 || node.member {
            return Err(("node", "the node of a context is one step".to_owned()));
        }
        let pattern = |key, text: &str| Pattern::compile(text, manner.types).map_err(|why| (key, why));
        let enter = pattern("enter", &source.enter)?;
        known_args(&enter, &node).map_err(|why| ("node", why))?;
        let negate = source.negate.as_deref().map(|text| pattern("negate", text)).transpose()?;
        let remove = match (source.remove, manner.deletes_paths) {
            (Some(remove), _) => remove,
            (None, true) => RemoveSource::Whole,
            (None, false) => return Err(("remove", "it does not say how it is removed".to_owned())),
        };
        if negate.is_none() && remove != RemoveSource::Content && !manner.deletes_paths {
            return Err(("negate", "it has no line that removes it".to_owned()));
        }
        if source.ordered && node.steps[0].keys.is_empty() {
            return Err(("ordered", "only list entries have an order".to_owned()));
        }
        let own_when = source.own_when.iter().map(|(key, pattern)| {
            Regex::new(pattern).map(|pattern| (key.clone(), pattern)).map_err(|e| ("own_when", e.to_string()))
        });
        Ok(Self {
            name: source.name.as_ref().clone(),
            exit: source.exit.clone().unwrap_or_else(|| general.leave.clone()),
            prints_exit: source.exit.is_some() || !general.by_indent,
            presence: source.presence,
            remove,
            negate,
            busy: source.busy,
            order: source.order,
            remove_order: source.remove_order.unwrap_or(source.order.saturating_neg()),
            ordered: source.ordered,
            never_delete: source.never_delete,
            protected: source.protected,
            refs: references(&source.refs, manner.module, &enter).map_err(|why| ("refs", why))?,
            dialogue: questions(&source.dialogue).map_err(|why| ("dialogue", why))?,
            ownership: source.ownership.unwrap_or(if node.steps[0].keys.is_empty() {
                OwnerSource::Shared
            } else {
                OwnerSource::Own
            }),
            own_when: own_when.collect::<Result<_, _>>()?,
            cascade: cascades(&source.cascade, manner.module).map_err(|why| ("cascade", why))?,
            separated: source.separated,
            impact: source.impact.clone(),
            enter,
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

fn block_order(line: &Line, all: &[Line]) -> i32 {
    let node = &line.nodes[0];
    let same = |other: &&Line| other.nodes[0].steps.len() > 1 && other.nodes[0].steps[0] == node.steps[0];
    let block = all.iter().filter(|other| !other.alias).filter(same).map(|other| other.order).min();
    if node.steps.len() < 2 { line.order } else { block.unwrap_or(line.order) }
}

impl Rules {
    /// The path step that marks a context as deactivated.
    pub(in super::super) fn inactive(&self) -> QName {
        QName::new(&self.module, INACTIVE.0)
    }

    /// The leaf-list of deactivated statements.
    pub(in super::super) fn inactive_lines(&self) -> QName {
        QName::new(&self.module, INACTIVE.1)
    }

    /// Whether statements can be deactivated.
    pub(in super::super) fn deactivates(&self) -> bool {
        self.verbs.has(Verb::Deactivate)
    }
}
