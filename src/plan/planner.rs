//! The planner: claims before and after, recorded and actual, to the plan of one element.
//!
//! Pure and deterministic. It holds no type that can write to an element.

use crate::adapter::manifest::{SecretEcho, Transport};
use crate::adapter::{Adapter, Impact};
use crate::domain::{Class, DeviationKind, Element};
use crate::plan::compare::{Difference, differences, words};
use crate::plan::record::{
    EXISTS, ElementPlan, HandMade, ReadEntry, digest_at, put_at, side_state, touched_state, toward,
};
use crate::plan::refused::Refused;
use crate::plan::scope::{Allowed, Scope, Views, in_order, scope};
use crate::tree::secret::is_token;
use crate::tree::{
    After, Body, Claims, ConfigTree, Defaults, DefaultsMode, Diff, Edit, Intended, Key, Layer, Node, Owner, Path,
    Value, diff, inverse,
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that the plan of one element is a function of.
pub struct ElementInput<'a> {
    /// Name in the inventory.
    pub element: &'a str,
    /// Its adapter, with the element's schema.
    pub adapter: &'a Adapter,
    /// What it can take back, as probed.
    pub class: Class,
    /// All claims on it now, merged.
    pub before: &'a Intended,
    /// All claims on it after the request, adopted ones included, merged.
    pub after: &'a Intended,
    /// What the last verified transaction left.
    pub recorded: &'a ConfigTree,
    /// What it says now, completely read and normalised.
    pub actual: &'a ConfigTree,
    /// What the element makes of leafs that equal their default.
    pub defaults: DefaultsMode,
    /// What the caller allows.
    pub allowed: &'a Allowed,
    /// What the inventory says of it.
    pub inventory: Option<&'a Element>,
}

impl<'a> ElementInput<'a> {
    fn defaults(&self) -> Defaults<'a> {
        self.adapter.defaults(self.defaults)
    }
}

/// The owner of adopted claims.
pub fn adopted_owner(element: &str) -> Owner {
    Owner(format!("found on {element}"))
}

/// Plans one element. `None`: nothing to do there. All refusals are reported at once.
pub fn plan_element(input: &ElementInput<'_>) -> Result<Option<ElementPlan>, Vec<Refused>> {
    let (old, new) = (input.before, input.after);
    let (recorded, actual) = (input.recorded, input.actual);
    let views = Views { old, new, recorded, actual, defaults: input.defaults() };
    let ownership = |path: &Path| input.adapter.ownership(path);
    let found = scope(&views, &ownership, input.allowed);
    finish(input, old, found)
}

/// What a request takes for granted on an element: nodes that need no edit because they are, or are not, there already. Where
/// nothing is sent at all, no read-set says it.
pub fn relied_on(input: &ElementInput<'_>) -> Vec<Path> {
    let (old, new) = (input.before, input.after);
    let views = Views { old, new, recorded: input.recorded, actual: input.actual, defaults: input.defaults() };
    let found = scope(&views, &|path| input.adapter.ownership(path), input.allowed);
    found.relied.into_iter().chain(found.stood).collect()
}

/// Plans the healing of deviations at and below the given paths: back to what is intended, or, for what an unresolved
/// transaction left where nobody claims anything (`left`), back to its side.
pub fn plan_heal(
    input: &ElementInput<'_>,
    paths: &[Path],
    left: &[(Path, ConfigTree)],
) -> Result<Option<ElementPlan>, Vec<Refused>> {
    let intended = input.before;
    let mut found = Scope { target: input.actual.clone(), ..Scope::default() };
    let mut lists = BTreeSet::new();
    for difference in differences(intended, input.recorded, input.actual, &input.defaults()) {
        let path = &difference.found.path;
        if !paths.iter().any(|wanted| path.starts_with(wanted)) {
            continue;
        }
        let Some(parent) = path.parent() else { continue };
        let wanted = intended.tree.at(path);
        let misplaced = wanted.is_some_and(Node::is_user_ordered);
        if misplaced {
            lists.insert(parent.clone());
        }
        found.target = match wanted {
            // It is there, at another place.
            Some(_) if misplaced && difference.kind == DeviationKind::Changed => found.target,
            Some(node) => found.target.with(&parent, node.clone(), After::Keep),
            None => found.target.without(path),
        };
        found.overwritten.push(difference.found);
    }
    for (path, side) in left.iter().filter(|(path, _)| paths.contains(path)) {
        let target = toward(&found.target, side, std::iter::once(path));
        found.overwritten.push(HandMade {
            path: path.clone(),
            recorded: None,
            actual: words(input.actual.at(path)),
            wanted: words(side.at(path)),
        });
        found.target = target;
    }
    for parent in lists {
        let (Some(want), Some(target)) = (intended.tree.at(&parent), found.target.at(&parent)) else { continue };
        let actual = input.actual.at(&parent);
        if let Some(node) = in_order(want, target, actual, intended.place_at(&parent), &mut |_, _| true) {
            found.target = put_at(&found.target, &parent, node);
        }
    }
    finish(input, intended, found)
}

fn finish(input: &ElementInput<'_>, old: &Intended, mut found: Scope) -> Result<Option<ElementPlan>, Vec<Refused>> {
    let adapter = input.adapter;
    let change = diff(input.actual, &found.target);
    let protected = protected_in(input, &change);
    for path in &protected {
        // Only who reverts by himself may be cut off from us.
        if input.class != Class::A || !input.allowed.protected.covers(path) {
            found.refused.push(Refused::Protected { path: path.clone(), class: input.class });
        }
    }
    if !found.refused.is_empty() {
        return Err(found.refused);
    }
    if change.is_empty() && found.adopted.is_empty() {
        return Ok(None);
    }
    let back = inverse(&change);
    let sent = as_sent(adapter, &change, input.actual, &found.target);
    let render = |diff: &Diff, from: &ConfigTree, to: &ConfigTree| {
        let payload = match protected.is_empty() {
            true => adapter.render(diff, from, to),
            false => adapter.render_allowed(diff, from, to),
        };
        payload.map_err(|error| vec![Refused::Render(error.to_string())])
    };
    let payload = render(&sent, input.actual, &found.target)?;
    let undo = render(&as_sent(adapter, &back, &found.target, input.actual), &found.target, input.actual)?;
    let touched: Vec<&Path> = change.edits.iter().map(Edit::path).collect();
    let deviations = differences(old, input.recorded, input.actual, &input.defaults())
        .into_iter()
        .map(|Difference { found, .. }| found)
        .filter(|deviation| !touched.iter().any(|path| path.touches(&deviation.path)))
        .collect::<Vec<HandMade>>();
    let adopted = (!found.adopted.is_empty())
        .then(|| Claims::new(adopted_owner(input.element), Layer::Adopted, found.adopted.clone()));
    Ok(Some(ElementPlan {
        element: input.element.into(),
        adapter: format!("{} {} {}", adapter.name(), adapter.version(), adapter.digest()),
        class: input.class,
        read_set: read_set(input.actual, &change, &sent, &found),
        before: side_state(input.actual, touched.iter().copied()),
        after: side_state(&found.target, touched.iter().copied()),
        defaults: defaults_in(&input.defaults(), &change),
        warnings: found.warnings.iter().map(|warning| format!("{}: {warning}", input.element)).collect(),
        adopted,
        text: text_diff(input, &found.target, &touched),
        impact: impact(adapter, &change),
        collateral: found.collateral,
        overwritten: found.overwritten,
        deviations,
        echoes: Vec::new(),
        encrypted: encrypted(adapter, &change),
        simulated_only: adapter.simulated_only(),
        protected,
        checks: checks(input),
        one_session: adapter.manifest().one_session || input.inventory.is_some_and(|element| element.one_session),
        diff: change,
        inverse: back,
        payload,
        undo,
    }))
}

/// The difference as it is sent. A NETCONF element keeps a non-presence container whose last child was removed; so that
/// nothing of us stays, the removal is said of the highest container that holds nothing else. The container is then part
/// of the read-set with all it holds, and running is locked: what somebody adds to it meanwhile makes the plan stale.
pub fn as_sent(adapter: &Adapter, change: &Diff, from: &ConfigTree, to: &ConfigTree) -> Diff {
    if adapter.transport() != Transport::Netconf {
        return change.clone();
    }
    let mut hollow: BTreeSet<Path> = BTreeSet::new();
    let mut edits = Vec::with_capacity(change.edits.len());
    for edit in &change.edits {
        let Edit::Remove { path, .. } = edit else {
            edits.push(edit.clone());
            continue;
        };
        let mut top = path.clone();
        while let Some(parent) = top.parent()
            && let Some(node) = from.at(&parent)
            && !parent.steps().is_empty()
            && matches!(node.body(), Body::Container { presence: false })
            && to.at(&parent).is_none()
        {
            top = parent;
        }
        match from.at(&top) {
            Some(node) if &top != path => {
                if hollow.insert(top.clone()) {
                    edits.push(Edit::Remove { path: top.clone(), node: node.clone(), after: None });
                }
            }
            _ => edits.push(edit.clone()),
        }
    }
    Diff { edits }
}

/// The defaults of all leafs that a difference touches, where absence and presence may be the same.
fn defaults_in(defaults: &Defaults<'_>, change: &Diff) -> Vec<(Path, Value)> {
    fn below(defaults: &Defaults<'_>, path: &Path, node: &Node, found: &mut Vec<(Path, Value)>) {
        if defaults.is_default(path, node) {
            found.extend(node.value().map(|value| (path.clone(), value.clone())));
        }
        node.children().iter().for_each(|child| below(defaults, &path.child(child.step()), child, found));
    }
    let mut found = Vec::new();
    if defaults.schema().is_none() {
        return found;
    }
    for edit in &change.edits {
        let path = edit.path();
        match edit {
            Edit::Create { node, .. } | Edit::Remove { node, .. } if node.value().is_none() => {
                below(defaults, path, node, &mut found);
            }
            Edit::Replace { old, new, .. } => {
                below(defaults, path, old, &mut found);
                below(defaults, path, new, &mut found);
            }
            Edit::Move { .. } => {}
            _ => found.extend(defaults.at(path).map(|default| (path.clone(), default))),
        }
    }
    found.sort();
    found.dedup();
    found
}

fn impact(adapter: &Adapter, change: &Diff) -> Impact {
    change.edits.iter().map(|edit| adapter.impact(edit)).max().unwrap_or_default()
}

/// Secrets that are set on a platform that shows them in a form of its own.
fn encrypted(adapter: &Adapter, change: &Diff) -> Vec<Path> {
    fn below(path: &Path, node: &Node, found: &mut Vec<Path>) {
        if node.value().is_some_and(|value| is_token(value.as_str())) {
            found.push(path.clone());
        }
        node.children().iter().for_each(|child| below(&path.child(child.step()), child, found));
    }
    let mut found = Vec::new();
    if adapter.manifest().secret_echo == SecretEcho::Clear {
        return found;
    }
    for edit in &change.edits {
        match edit {
            Edit::Create { path, node, .. } | Edit::Replace { path, new: node, .. } => below(path, node, &mut found),
            Edit::Set { path, new, .. } if is_token(new.as_str()) => found.push(path.clone()),
            Edit::Set { .. } | Edit::Remove { .. } | Edit::Move { .. } => {}
        }
    }
    found
}

/// Whether a path of the inventory is this one or stands above it, both cut into steps. A list without keys, anywhere on the
/// way, means all its entries: who protects `/frr:vrf` and no entry by name has protected them all, not none.
fn protects(own: &[&str], steps: &[&str]) -> bool {
    let is = |own: &str, step: &str| own == step || step.split_once('[').is_some_and(|(bare, _)| bare == own);
    own.len() <= steps.len() && own.iter().zip(steps).all(|(own, step)| is(own, step))
}

/// The steps of a printed path: what stands between slashes outside of quotes.
fn printed_steps(path: &str) -> Vec<&str> {
    let mut quote = None;
    let slash = |c: char| {
        match (quote, c) {
            (None, '/') => return true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        false
    };
    path.split(slash).filter(|step| !step.is_empty()).collect()
}

/// The protected nodes that a difference touches: of each edit its own, or the highest ones in the subtree that comes or
/// goes with it. The adapter protects nodes of its platform, the inventory those of one element.
fn protected_in(input: &ElementInput<'_>, change: &Diff) -> Vec<Path> {
    fn below(is: &dyn Fn(&Path) -> bool, path: Path, node: &Node, found: &mut Vec<Path>) {
        if is(&path) {
            found.push(path);
        } else {
            node.children().iter().for_each(|child| below(is, path.child(child.step()), child, found));
        }
    }
    let own: Vec<Vec<&str>> =
        input.inventory.iter().flat_map(|element| element.protected.iter().map(|path| printed_steps(path))).collect();
    let inventory = |path: &Path| {
        let path = path.to_string();
        let steps = printed_steps(&path);
        own.iter().any(|own| protects(own, &steps))
    };
    let is = |path: &Path| input.adapter.is_protected(path) || (!own.is_empty() && inventory(path));
    let mut found = Vec::new();
    for edit in &change.edits {
        let path = edit.path().clone();
        match edit {
            Edit::Create { node, .. } | Edit::Remove { node, .. } => below(&is, path, node, &mut found),
            Edit::Replace { old, new, .. } => {
                below(&is, path.clone(), old, &mut found);
                below(&is, path, new, &mut found);
            }
            Edit::Set { .. } | Edit::Move { .. } if is(&path) => found.push(path),
            Edit::Set { .. } | Edit::Move { .. } => {}
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The checks of the element's state: those that the adapter always makes, and those that were asked for.
fn checks(input: &ElementInput<'_>) -> Vec<String> {
    let asked = &input.allowed.checks;
    let readers = input.adapter.state_readers().iter();
    let made = readers.filter(|(name, reader)| reader.default || asked.contains("all") || asked.contains(*name));
    made.map(|(name, _)| name.clone()).collect()
}

/// Every touched node, every node that needed no edit because it is right already, and, by their existence alone, the
/// entries above them, the siblings behind which something is put, and what is adopted: a parent that vanished is noticed
/// before anything is sent.
fn read_set(actual: &ConfigTree, change: &Diff, sent: &Diff, found: &Scope) -> Vec<ReadEntry> {
    let mut entries: BTreeMap<Path, Option<String>> = BTreeMap::new();
    let mut exists = |path: &Path, node: &Node| {
        if !matches!(node.body(), Body::Container { presence: false }) {
            entries.insert(path.clone(), Some(EXISTS.into()));
        }
    };
    for edit in &change.edits {
        let (Edit::Create { path, after: Some(sibling), .. } | Edit::Move { path, to: Some(sibling), .. }) = edit
        else {
            continue;
        };
        let at = path.parent().map(|parent| parent.child(sibling.clone()));
        if let Some((at, node)) = at.and_then(|at| actual.at(&at).map(|node| (at.clone(), node))) {
            exists(&at, node);
        }
    }
    let touched = change.edits.iter().chain(&sent.edits).map(Edit::path);
    let whole: Vec<&Path> = touched.chain(&found.relied).collect();
    for path in &whole {
        let mut at = Path::root();
        for step in path.steps().split_last().map_or(&[][..], |(_, above)| above) {
            at = at.child(step.clone());
            if let Some(node) = actual.at(&at) {
                exists(&at, node);
            }
        }
    }
    found.adopted.walk(&mut |path, node| {
        exists(path, node);
        true
    });
    for path in &found.stood {
        if let Some(node) = actual.at(path) {
            exists(path, node);
        }
    }
    for path in whole {
        entries.insert(path.clone(), digest_at(actual, path));
    }
    entries.into_iter().map(|(path, digest)| ReadEntry { path, digest }).collect()
}

/// Unified diff in the element's own syntax, of the entries that contain a change.
fn text_diff(input: &ElementInput<'_>, target: &ConfigTree, touched: &[&Path]) -> String {
    let shown: BTreeSet<Path> = touched.iter().map(|path| shown_with(path, [input.actual, target])).collect();
    let before = input.adapter.text(&touched_state(input.actual, shown.iter()));
    let after = input.adapter.text(&touched_state(target, shown.iter()));
    unified(input.element, &before, &after)
}

/// The outermost list entry that a change stands in, or the change itself: enough for a person to see where it is. An
/// entry that holds half of the element (a routing process) says nothing; then it is one further in.
fn shown_with(path: &Path, trees: [&ConfigTree; 2]) -> Path {
    let mut at = Path::root();
    for step in path.steps() {
        at = at.child(step.clone());
        let size = trees.iter().filter_map(|tree| tree.at(&at)).map(|node| node.count()).max().unwrap_or(0);
        if matches!(step.key, Key::Entry(_)) && size <= SHOWN_MAX {
            return at;
        }
    }
    path.clone()
}

/// A unified diff with three lines of context; empty when the texts are equal.
pub fn unified(name: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    similar::TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(3)
        .header(&format!("{name} (running)"), &format!("{name} (planned)"))
        .to_string()
}

/// The largest entry that is shown around a change, in nodes.
const SHOWN_MAX: u32 = 500;
