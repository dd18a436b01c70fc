//! All claims on one element, merged, and what can be asked of them.

use super::order::{self, Before};
use super::shelf::Shelf;
use super::spot::{Editor, Mark, Mix, Spot, Who, in_order, passes, step_words};
use super::{ClaimConflict, Claims, Kind, Layer, Owner};
use crate::tree::{Body, ConfigTree, Node, Path, QName, Step};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// What an element should say, as far as anyone cares, and who cares. Immutable and cheap to clone: the state before a
/// change and the one after it share what is equal.
#[derive(Clone)]
pub struct Intended {
    /// What the element should say.
    pub tree: ConfigTree,
    root: Arc<Mix>,
    claims: Shelf<Who, Arc<Claims>>,
}

impl Default for Intended {
    fn default() -> Self {
        let root = Mix::empty(Step::single(QName::new("", "")));
        Self { tree: ConfigTree::default(), root: Arc::new(root), claims: Shelf::default() }
    }
}

impl fmt::Debug for Intended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intended").field("tree", &self.tree).field("claims", &self.claims.len()).finish_non_exhaustive()
    }
}

/// Equal when they want the same of the element for the same owners. For tests: it looks at everything.
impl PartialEq for Intended {
    fn eq(&self, other: &Self) -> bool {
        self.tree == other.tree && self.listing() == other.listing()
    }
}

impl Eq for Intended {}

/// One claim on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claimant {
    /// In which layer.
    pub layer: Layer,
    /// Whose.
    pub owner: Owner,
    /// What kind of claim.
    pub kind: Kind,
    /// The value of a leaf; before or behind which sibling.
    pub wants: Option<String>,
    /// Whether it is as this claim wants it; else a stronger one stands.
    pub stands: bool,
}

/// Why a node is as it is intended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// All claims on it, the strongest first.
    pub claimants: Vec<Claimant>,
    /// What stands there when the claims of the strongest layer go: a value, or `present`; `None` = nothing.
    pub comes_back: Option<String>,
}

impl Intended {
    /// Merges claims. All conflicts are reported at once. Claims of one owner in one layer may come in parts.
    pub fn merge<'a>(claims: impl IntoIterator<Item = &'a Claims>) -> Result<Self, Vec<ClaimConflict>> {
        let mut by_owner: BTreeMap<Who, Vec<&Claims>> = BTreeMap::new();
        for claims in claims {
            let parts = by_owner.entry(Who::new(claims.layer, &claims.owner)).or_default();
            if !parts.contains(&claims) {
                parts.push(claims);
            }
        }
        let mut merged = Self::default();
        let mut conflicts = Vec::new();
        for (who, parts) in by_owner {
            let whole = match parts.as_slice() {
                [one] => (*one).clone(),
                several => united(several, &mut conflicts),
            };
            merged.put(&who, Some(Arc::new(whole)), &mut conflicts);
        }
        if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
    }

    /// The merge after one owner's claims have changed: `old` leaves, `new` comes. What it costs follows what differs
    /// between the two. Equal to the merge from scratch.
    pub fn replace(&self, old: Option<&Claims>, new: Option<&Claims>) -> Result<Self, Vec<ClaimConflict>> {
        let mut changed = self.clone();
        let mut conflicts = Vec::new();
        let who = |claims: &Claims| Who::new(claims.layer, &claims.owner);
        if let Some(old) = old
            && new.is_none_or(|new| who(new) != who(old))
        {
            changed.put(&who(old), None, &mut conflicts);
        }
        if let Some(new) = new {
            changed.put(&who(new), Some(Arc::new(new.clone())), &mut conflicts);
        }
        if conflicts.is_empty() { Ok(changed) } else { Err(conflicts) }
    }

    /// The claims of all owners, the strongest layer first.
    pub fn claims(&self) -> impl Iterator<Item = &Arc<Claims>> {
        self.claims.iter().map(|(_, claims)| claims)
    }

    /// The claims of one owner in one layer.
    pub fn claims_of(&self, layer: Layer, owner: &Owner) -> Option<&Arc<Claims>> {
        self.claims.get(&Who::new(layer, owner))
    }

    /// The owners whose claims are others in `new`: what they had and what they have.
    pub fn changed<'a>(&'a self, new: &'a Self) -> Vec<(Option<&'a Claims>, Option<&'a Claims>)> {
        let mut found: Vec<(Option<&Claims>, Option<&Claims>)> = Vec::new();
        let same = |a: &Arc<Claims>, b: &Arc<Claims>| Arc::ptr_eq(a, b) || a == b;
        self.claims.differing(&new.claims, same, &mut |_, old, new| {
            found.push((old.map(|old| &**old), new.map(|new| &**new)));
        });
        crate::tree::count(found.len());
        found
    }

    /// The place of the root, to walk beside a tree.
    pub fn place(&self) -> Place<'_> {
        Place { at: At::Mixed(&self.root), cut: None }
    }

    /// The place at a path.
    pub fn place_at(&self, path: &Path) -> Place<'_> {
        path.steps().iter().fold(self.place(), |place, step| place.below(step))
    }

    /// The owners of the node at `path`, the strongest layer first; empty when nobody claims it.
    pub fn owners_of(&self, path: &Path) -> Vec<(Layer, Owner)> {
        self.place_at(path).whos().iter().map(Who::pair).collect()
    }

    /// Whether the subtree at `path` is owned whole.
    pub fn is_whole(&self, path: &Path) -> bool {
        self.place_at(path).is_whole()
    }

    /// The paths at which nothing must stand, with those who want it so. A stronger wish for a node lifts a weaker one for
    /// its absence.
    pub fn absent(&self) -> Vec<(Path, Vec<(Layer, Owner)>)> {
        let mut found = Vec::new();
        self.place().each_mark(&mut Vec::new(), Some(self.tree.root()), &mut |path, place, node| {
            if let (At::Mixed(mix), None) = (&place.at, node)
                && !mix.absent.is_empty()
            {
                found.push((path, mix.absent.iter().map(|(who, ())| who.pair()).collect()));
            }
        });
        found
    }

    /// The subtrees that are owned whole.
    pub fn whole(&self) -> Vec<Path> {
        let mut found = Vec::new();
        self.place().each_mark(&mut Vec::new(), None, &mut |path, place, _| {
            if place.is_whole() {
                found.push(path);
            }
        });
        found
    }

    /// All claims on the node at `path`, and what is left without the strongest of them.
    pub fn why(&self, path: &Path) -> Why {
        let (place, stands) = (self.place_at(path), self.tree.at(path));
        let mut why = Why::default();
        let mut claimed = |who: &Who, kind: Kind, wants: Option<String>, stands: bool| {
            let (layer, owner) = who.pair();
            why.claimants.push(Claimant { layer, owner, kind, wants, stands });
        };
        let said = |node: &Node| node.value().filter(|_| matches!(node.body(), Body::Leaf(_))).map(ToString::to_string);
        let kind = |node: &Node| match node.body() {
            Body::Leaf(_) => Kind::Value,
            Body::Member { .. } | Body::Opaque { .. } => Kind::Member,
            Body::Container { .. } | Body::Entry { .. } => Kind::Exists,
        };
        let fits = |node: &Node| stands.is_some_and(|stands| stands.value() == node.value());
        match &place.at {
            At::Nothing => {}
            At::Alone(who, node) => claimed(who, kind(node), said(node), fits(node)),
            At::Mixed(mix) => {
                for (who, node) in mix.own.iter() {
                    claimed(who, kind(node), said(node), fits(node) && passes(who, place.cut));
                }
                if mix.own.is_empty() {
                    place.whos_below().iter().for_each(|who| claimed(who, Kind::Exists, None, stands.is_some()));
                }
                mix.whole.iter().for_each(|(who, ())| claimed(who, Kind::Whole, None, true));
                mix.absent.iter().for_each(|(who, ())| claimed(who, Kind::Absent, None, stands.is_none()));
            }
        }
        if let (Some(parent), Some(step)) = (path.parent(), path.last()) {
            self.order_of(&parent, step, &mut claimed);
        }
        why.claimants.sort_by(|a, b| (b.layer, &a.owner, a.kind, &a.wants).cmp(&(a.layer, &b.owner, b.kind, &b.wants)));
        if let At::Mixed(mix) = &place.at {
            let strongest = mix.own.iter().next().map(|(who, _)| who.layer());
            let next = mix.own.iter().find(|(who, _)| Some(who.layer()) < strongest && passes(who, place.cut));
            why.comes_back = next.map(|(_, node)| said(node).unwrap_or_else(|| "present".into()));
        }
        why
    }

    /// The explicit wishes for the place of one sibling.
    fn order_of(&self, parent: &Path, step: &Step, claimed: &mut dyn FnMut(&Who, Kind, Option<String>, bool)) {
        let At::Mixed(mix) = self.place_at(parent).at else { return };
        let siblings = self.tree.at(parent).map(|node| node.children().to_vec()).unwrap_or_default();
        let place = |step: &Step| siblings.iter().position(|node| node.is_at(step));
        for (who, voice) in mix.voices.iter() {
            for (first, then) in voice.pairs.iter().filter(|(first, then)| first == step || then == step) {
                let wants = match first == step {
                    true => format!("before {}", step_words(then)),
                    false => format!("behind {}", step_words(first)),
                };
                let stands = matches!((place(first), place(then)), (Some(first), Some(then)) if first < then);
                claimed(who, Kind::Order, Some(wants), stands);
            }
        }
    }

    /// Calls `visit` for every path that somebody claims, parents first, until it returns false.
    pub fn walk(&self, visit: &mut dyn FnMut(&Path) -> bool) {
        let mut go = true;
        self.tree.walk(&mut |path, _| {
            go = go && visit(path);
            go
        });
        for (path, _) in self.absent() {
            go = go && visit(&path);
        }
    }

    /// Puts the claims of one owner in the place of those that he had.
    fn put(&mut self, who: &Who, new: Option<Arc<Claims>>, conflicts: &mut Vec<ClaimConflict>) {
        let old = self.claims.get(who).cloned();
        if old == new {
            return;
        }
        let mut editor = Editor::new(who.clone());
        let (before, after) = (old.as_deref(), new.as_deref());
        let empty = BTreeSet::new();
        for (of, mark) in MARKS {
            let (before, after) = (before.map_or(&empty, of), after.map_or(&empty, of));
            before.difference(after).for_each(|path| self.mark(&mut editor, path, &mark, false));
        }
        // What is wished no more goes first: half of the old wishes and half of the new ones may contradict each other.
        let (wishes, wished) = (orders(before), orders(after));
        for (parent, _) in wishes.iter().filter(|(parent, pairs)| wished.get(*parent) != Some(*pairs)) {
            self.mark(&mut editor, parent, &Mark::Order(Arc::from([])), false);
        }
        self.tree_of(&mut editor, before, after);
        for (of, mark) in MARKS {
            let (before, after) = (before.map_or(&empty, of), after.map_or(&empty, of));
            after.difference(before).for_each(|path| self.mark(&mut editor, path, &mark, true));
        }
        for (parent, pairs) in wished.iter().filter(|(parent, pairs)| wishes.get(*parent) != Some(*pairs)) {
            self.mark(&mut editor, parent, &Mark::Order(pairs.clone().into()), true);
        }
        match new {
            Some(new) => self.claims.put(who.clone(), new),
            None => {
                self.claims.take(who);
            }
        }
        conflicts.append(&mut editor.conflicts);
    }

    fn tree_of(&mut self, editor: &mut Editor, old: Option<&Claims>, new: Option<&Claims>) {
        let root = |claims: Option<&Claims>| claims.map(|claims| claims.tree.root().clone());
        let (old, new) = (root(old), root(new));
        if old.as_ref().map(Node::hash) == new.as_ref().map(Node::hash) {
            return;
        }
        let changed = editor.edit(Some(&self.spot()), Some(self.tree.root()), old.as_ref(), new.as_ref(), None);
        self.become_(changed);
    }

    fn mark(&mut self, editor: &mut Editor, path: &Path, mark: &Mark, on: bool) {
        let changed = editor.mark(Some(&self.spot()), Some(self.tree.root()), path.steps(), mark, on, None);
        self.become_(changed);
    }

    fn spot(&self) -> Spot {
        Spot::Mixed(self.root.clone())
    }

    fn become_(&mut self, (spot, node): (Option<Spot>, Option<Node>)) {
        self.root = match spot {
            Some(Spot::Mixed(mix)) => mix,
            _ => Self::default().root,
        };
        self.tree = node.map(ConfigTree::from_root).unwrap_or_default();
    }

    /// Everything that is said of every path.
    fn listing(&self) -> BTreeMap<Path, (Vec<(Layer, Owner)>, Why, bool)> {
        let mut all = BTreeMap::new();
        let mut put = |path: &Path| {
            let why = self.why(path);
            all.insert(path.clone(), (self.owners_of(path), why, self.is_whole(path)));
            true
        };
        self.walk(&mut put);
        self.whole().iter().for_each(|path| {
            put(path);
        });
        all
    }
}

type Numbers = HashMap<Step, usize>;

fn placed(standing: &[Step], coming: &[Step], wishes: &dyn Fn(&Numbers) -> Vec<Vec<Before>>) -> Vec<Step> {
    let all: Vec<Step> = standing.iter().chain(coming).cloned().collect();
    crate::tree::count(all.len());
    let index: Numbers = all.iter().enumerate().map(|(at, step)| (step.clone(), at)).collect();
    let layers = wishes(&index);
    // Where each stands for want of a wish: what comes is put beside what it should follow or precede.
    let mut line: Vec<usize> = (0..standing.len()).collect();
    for new in standing.len()..all.len() {
        let place = |number: usize| line.iter().position(|at| *at == number);
        let edges = || layers.iter().flatten();
        let behind = edges().filter(|(_, then)| *then == new).filter_map(|(first, _)| place(*first)).max();
        let before = edges().filter(|(first, _)| *first == new).filter_map(|(_, then)| place(*then)).min();
        let at = behind.map(|at| at + 1).or(before).unwrap_or(line.len());
        line.insert(at, new);
    }
    let mut number = vec![0; all.len()];
    line.iter().enumerate().for_each(|(at, old)| number[*old] = at);
    let layers: Vec<Vec<Before>> =
        layers.iter().map(|layer| layer.iter().map(|(a, b)| (number[*a], number[*b])).collect()).collect();
    order::arrange(line.len(), &layers).into_iter().map(|at| all[line[at]].clone()).collect()
}

type OfPaths = fn(&Claims) -> &BTreeSet<Path>;

const MARKS: [(OfPaths, Mark); 2] = [(|claims| &claims.absent, Mark::Absent), (|claims| &claims.whole, Mark::Whole)];

/// The wishes for an order, by parent.
fn orders(claims: Option<&Claims>) -> BTreeMap<&Path, Vec<(Step, Step)>> {
    let mut all: BTreeMap<&Path, Vec<(Step, Step)>> = BTreeMap::new();
    for wish in claims.into_iter().flat_map(|claims| &claims.order) {
        all.entry(&wish.parent).or_default().push((wish.first.clone(), wish.then.clone()));
    }
    all
}

/// The parts of one owner's claims as one.
fn united(parts: &[&Claims], conflicts: &mut Vec<ClaimConflict>) -> Claims {
    let mut all = Intended::default();
    let mut whole = Claims::new(parts[0].owner.clone(), parts[0].layer, ConfigTree::default());
    let mut found = Vec::new();
    // In an order of their own, for the words of a conflict.
    let mut parts: Vec<&&Claims> = parts.iter().collect();
    parts.sort_by_key(|part| part.tree.hash());
    for (at, part) in parts.iter().enumerate() {
        let owner = Owner(format!("{at:09}"));
        let part = Claims { owner: owner.clone(), ..(**part).clone() };
        whole.whole.extend(part.whole.iter().cloned());
        whole.absent.extend(part.absent.iter().cloned());
        whole.order.extend(part.order.iter().cloned());
        all.put(&Who::new(part.layer, &owner), Some(Arc::new(part)), &mut found);
    }
    for mut conflict in found {
        (conflict.first, conflict.second) = (whole.owner.clone(), whole.owner.clone());
        conflicts.push(conflict);
    }
    whole.tree = all.tree;
    whole
}

/// A place among the claims, to walk beside a tree: what is wished at and below it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    at: At<'a>,
    /// The strongest layer that wishes the absence of this place or of one above.
    cut: Option<Layer>,
}

#[derive(Clone, Copy)]
enum At<'a> {
    Nothing,
    Alone(&'a Who, &'a Node),
    Mixed(&'a Mix),
}

impl<'a> Place<'a> {
    /// The place one step below.
    pub fn below(self, step: &Step) -> Self {
        let (at, cut) = match self.at {
            At::Nothing => (At::Nothing, self.cut),
            At::Alone(who, node) => (node.child(step).map_or(At::Nothing, |node| At::Alone(who, node)), self.cut),
            At::Mixed(mix) => {
                let cut = mix.cut_below(self.cut);
                let at = match mix.below.get(step) {
                    None => At::Nothing,
                    Some(Spot::Alone(who, node)) => At::Alone(who, node),
                    Some(Spot::Mixed(mix)) => At::Mixed(mix),
                };
                (at, cut)
            }
        };
        let cut = match at {
            At::Mixed(mix) => mix.cut_below(cut),
            _ => cut,
        };
        Self { at, cut }
    }

    /// Whether the subtree here is owned whole.
    pub fn is_whole(self) -> bool {
        matches!(self.at, At::Mixed(mix) if !mix.whole.is_empty())
    }

    /// Whether somebody wishes that nothing stands here.
    pub fn is_absent(self) -> bool {
        matches!(self.at, At::Mixed(mix) if !mix.absent.is_empty())
    }

    /// Whether something at or below is wished absent or owned whole.
    pub fn is_marked(self) -> bool {
        matches!(self.at, At::Mixed(mix) if mix.marks > 0)
    }

    /// The steps to the places below that are marked.
    pub fn marked_below(self) -> Vec<Step> {
        match self.at {
            At::Mixed(mix) if mix.marks > 0 => {
                crate::tree::count(mix.below.len());
                let marked = mix.below.iter().filter(|(_, spot)| matches!(spot, Spot::Mixed(mix) if mix.marks > 0));
                marked.map(|(step, _)| step.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Siblings of one name in the order in which they should stand: `standing` are there, in this order, `coming` are to
    /// come. What is wished by nobody stays where it stands; what comes stands behind the last that it should follow, else
    /// before the first that should follow it, else last.
    pub fn placed(self, standing: &[Step], coming: &[Step]) -> Vec<Step> {
        let Some(name) = standing.first().or(coming.first()).map(|step| step.name.clone()) else { return Vec::new() };
        placed(standing, coming, &|index| match self.at {
            At::Nothing => Vec::new(),
            At::Alone(_, node) => vec![in_order(node, &name, index)],
            At::Mixed(mix) => mix.wishes(&name, index, self.cut).into_iter().map(|layer| layer.wishes).collect(),
        })
    }

    /// The owners here, the strongest layer first.
    pub fn owners(self) -> Vec<(Layer, Owner)> {
        self.whos().iter().map(Who::pair).collect()
    }

    fn whos(self) -> BTreeSet<Who> {
        let mut all = BTreeSet::new();
        match self.at {
            At::Nothing => {}
            At::Alone(who, _) => {
                all.insert(who.clone());
            }
            At::Mixed(mix) => {
                all.extend(mix.own.iter().map(|(who, _)| who.clone()));
                all.extend(mix.absent.iter().map(|(who, ())| who.clone()));
                if mix.own.is_empty() {
                    all.extend(self.whos_below());
                }
            }
        }
        all
    }

    /// Those who want something below a container that says nothing by itself.
    fn whos_below(self) -> BTreeSet<Who> {
        let mut all = BTreeSet::new();
        if let At::Mixed(mix) = self.at {
            mix.below.iter().for_each(|(_, spot)| spot.everyone(&mut all));
        }
        all
    }

    fn each_mark(
        self,
        path: &mut Vec<Step>,
        node: Option<&Node>,
        visit: &mut dyn FnMut(Path, Place<'a>, Option<&Node>),
    ) {
        if !self.is_marked() {
            return;
        }
        visit(Path::new(path.clone()), self, node);
        for step in self.marked_below() {
            let below = node.and_then(|node| node.child(&step));
            path.push(step.clone());
            self.below(&step).each_mark(path, below, visit);
            path.pop();
        }
    }
}
