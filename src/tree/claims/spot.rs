//! The merge itself: who says what at every node that several speak of, and how one owner's change runs through it.
//!
//! What only one owner speaks of is one [`Spot::Alone`] that shares his tree, however large it is; a [`Mix`] stands only
//! where the trees of several meet or where a mark (absent, whole, order) is set. An [`Editor`] replaces what one owner
//! says: it walks where his old and his new tree differ, keeps the claimants, and changes the merged tree beside them.
//!
//! A container that says nothing by itself (RFC 7950 §7.5.1) has no claimants of its own: it is there for what it holds.

use super::order::{self, Before};
use super::shelf::Shelf;
use super::{ClaimConflict, Layer, Owner};
use crate::tree::pairs::{count, differing};
use crate::tree::{Body, Key, Node, Path, QName, Step};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// An owner in his layer; the strongest layer sorts first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who(Arc<(Reverse<Layer>, Owner)>);

impl Who {
    pub fn new(layer: Layer, owner: &Owner) -> Self {
        Self(Arc::new((Reverse(layer), owner.clone())))
    }

    pub fn layer(&self) -> Layer {
        self.0.0.0
    }

    pub fn owner(&self) -> &Owner {
        &self.0.1
    }

    pub fn pair(&self) -> (Layer, Owner) {
        (self.layer(), self.owner().clone())
    }
}

/// What is said at and below one place.
#[derive(Clone, Debug)]
pub(super) enum Spot {
    /// One owner alone speaks of it, with this subtree.
    Alone(Who, Node),
    /// Several do, or somebody set a mark.
    Mixed(Arc<Mix>),
}

impl Spot {
    fn marks(&self) -> u32 {
        match self {
            Spot::Alone(..) => 0,
            Spot::Mixed(mix) => mix.marks,
        }
    }

    /// What of it stands when an absence of layer `cut` was wished above.
    pub fn merged(&self, cut: Option<Layer>) -> Option<Node> {
        count(1);
        match self {
            Spot::Alone(who, node) => passes(who, cut).then(|| node.clone()),
            Spot::Mixed(mix) => mix.merged(cut),
        }
    }

    /// Somebody of this layer who wants something at or below.
    fn anyone(&self, layer: Layer) -> Option<&Who> {
        count(1);
        match self {
            Spot::Alone(who, _) => (who.layer() == layer).then_some(who),
            Spot::Mixed(mix) => {
                let own = mix.own_of(layer).map(|(who, _)| who).next();
                own.or_else(|| mix.below.iter().find_map(|(_, spot)| spot.anyone(layer)))
            }
        }
    }

    /// All who want something at or below.
    pub fn everyone(&self, all: &mut std::collections::BTreeSet<Who>) {
        match self {
            Spot::Alone(who, _) => {
                all.insert(who.clone());
            }
            Spot::Mixed(mix) => {
                all.extend(mix.own.iter().map(|(who, _)| who.clone()));
                mix.below.iter().for_each(|(_, spot)| spot.everyone(all));
            }
        }
    }
}

/// Several wishes at one place.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    pub step: Step,
    /// Who claims the node itself, with the node as he has it. Empty for a container that says nothing.
    pub own: Shelf<Who, Node>,
    pub below: Shelf<Step, Spot>,
    pub absent: Shelf<Who, ()>,
    pub whole: Shelf<Who, ()>,
    /// Who has a say in the order of the children.
    pub voices: Shelf<Who, Voice>,
    /// How many wishes for absence or wholeness stand at and below.
    pub marks: u32,
}

/// What one owner wants of the order of children.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    /// His node, when it has children in an order of his.
    pub node: Option<Node>,
    /// First and then.
    pub pairs: Arc<[(Step, Step)]>,
}

impl Mix {
    pub fn empty(step: Step) -> Self {
        let (own, below, absent) = (Shelf::default(), Shelf::default(), Shelf::default());
        Self { step, own, below, absent, whole: Shelf::default(), voices: Shelf::default(), marks: 0 }
    }

    /// What one owner alone said, child by child.
    fn split(who: &Who, node: &Node) -> Self {
        let mut mix = Self::empty(node.step());
        count(node.children().len());
        if speaks(node) {
            mix.own.put(who.clone(), node.clone());
        }
        if node.keeps_order() {
            mix.voices.put(who.clone(), Voice { node: Some(node.clone()), pairs: Arc::from([]) });
        }
        for child in node.children() {
            mix.below.put(child.step(), Spot::Alone(who.clone(), child.clone()));
        }
        mix
    }

    fn is_empty(&self) -> bool {
        self.own.is_empty()
            && self.below.is_empty()
            && self.absent.is_empty()
            && self.whole.is_empty()
            && self.voices.is_empty()
    }

    fn kept(self) -> Option<Spot> {
        (!self.is_empty()).then(|| Spot::Mixed(Arc::new(self)))
    }

    fn set(&mut self, step: Step, spot: Option<Spot>) {
        let before = self.below.get(&step).map_or(0, Spot::marks);
        self.marks = self.marks + spot.as_ref().map_or(0, Spot::marks) - before;
        match spot {
            Some(spot) => self.below.put(step, spot),
            None => {
                self.below.take(&step);
            }
        }
    }

    /// The strongest layer that wishes the absence of this node.
    fn cut(&self) -> Option<Layer> {
        self.absent.iter().next().map(|(who, ())| who.layer())
    }

    pub fn cut_below(&self, above: Option<Layer>) -> Option<Layer> {
        above.max(self.cut())
    }

    fn own_of(&self, layer: Layer) -> impl Iterator<Item = (&Who, &Node)> {
        self.own.iter_from(move |who| who.layer() > layer).take_while(move |(who, _)| who.layer() == layer)
    }

    /// The node of the strongest claimant that no absence takes away.
    fn shell(&self, cut: Option<Layer>) -> Option<&Node> {
        self.own.iter().next().filter(|(who, _)| passes(who, cut)).map(|(_, node)| node)
    }

    /// What stands here, found anew from all below.
    fn merged(&self, above: Option<Layer>) -> Option<Node> {
        let cut = self.cut_below(above);
        let shell = match self.shell(cut) {
            Some(node) if is_plain(node) => return Some(node.clone()),
            Some(node) => node.with_children([]),
            None if self.step.key == Key::Single => Node::from_step(self.step.clone()),
            None => return None,
        };
        let children: Vec<Node> = self.below.iter().filter_map(|(_, spot)| spot.merged(cut)).collect();
        let node = self.arranged(shell.with_children(children), cut);
        (!node.is_void()).then_some(node)
    }

    /// The node with its user-ordered children in the order that is wished.
    fn arranged(&self, node: Node, cut: Option<Layer>) -> Node {
        if !node.keeps_order() {
            return node;
        }
        let mut children: Vec<Node> = Vec::with_capacity(node.children().len());
        let all = node.children().to_vec();
        for run in all.chunk_by(|a, b| a.name() == b.name()) {
            if run.len() < 2 || !run.iter().any(Node::is_user_ordered) {
                children.extend_from_slice(run);
                continue;
            }
            let mut run = run.to_vec();
            run.sort_by(Node::cmp_place);
            count(run.len());
            let index = run.iter().enumerate().map(|(at, node)| (node.step(), at)).collect();
            let wishes = self.wishes(run[0].name(), &index, cut);
            let layers: Vec<Vec<Before>> = wishes.into_iter().map(|layer| layer.wishes).collect();
            children.extend(order::arrange(run.len(), &layers).into_iter().map(|at| run[at].clone()));
        }
        node.with_children(children)
    }

    /// The wishes for the order of the children of this name, strongest layer first.
    pub fn wishes(&self, name: &QName, index: &HashMap<Step, usize>, cut: Option<Layer>) -> Vec<LayerWishes<'_>> {
        let mut layers: Vec<LayerWishes<'_>> = Vec::new();
        for (who, voice) in self.voices.iter().filter(|(who, _)| passes(who, cut)) {
            if layers.last().is_none_or(|layer| layer.layer != who.layer()) {
                layers.push(LayerWishes { layer: who.layer(), wishes: Vec::new(), owners: Vec::new() });
            }
            let Some(layer) = layers.last_mut() else { continue };
            layer.wishes.extend(voice.wishes(name, index));
            layer.owners.resize(layer.wishes.len(), who);
        }
        layers
    }
}

/// The wishes of one layer for an order, and whose each is.
pub(super) struct LayerWishes<'a> {
    pub layer: Layer,
    pub wishes: Vec<Before>,
    pub owners: Vec<&'a Who>,
}

impl Voice {
    fn wishes(&self, name: &QName, index: &HashMap<Step, usize>) -> Vec<Before> {
        let mut wishes = self.node.as_ref().map_or_else(Vec::new, |node| in_order(node, name, index));
        let place = |step: &Step| index.get(step).copied();
        let pairs = self.pairs.iter().filter(|(first, _)| first.name == *name);
        wishes.extend(pairs.filter_map(|(first, then)| Some((place(first)?, place(then)?))));
        wishes
    }
}

/// The children of this name, each before the next one.
pub(super) fn in_order(node: &Node, name: &QName, index: &HashMap<Step, usize>) -> Vec<Before> {
    let children = node.children().iter().filter(|child| child.name() == name);
    let places: Vec<usize> = children.filter_map(|child| index.get(&child.step()).copied()).collect();
    count(places.len());
    places.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Whether a node says something by itself.
pub(super) fn speaks(node: &Node) -> bool {
    !matches!(node.body(), Body::Container { presence: false }) && !node.name().name.as_str().is_empty()
}

/// A leaf or a leaf-list member: nothing stands below it.
fn is_plain(node: &Node) -> bool {
    matches!(node.body(), Body::Leaf(_) | Body::Member { .. })
}

/// Whether what this owner wants stands, when an absence of layer `cut` is wished.
pub(super) fn passes(who: &Who, cut: Option<Layer>) -> bool {
    cut.is_none_or(|cut| who.layer() >= cut)
}

/// A wish that is no node of a tree.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    Absent,
    Whole,
    /// The order of children; empty = no wish.
    Order(Arc<[(Step, Step)]>),
}

/// Replaces what one owner says.
pub(super) struct Editor {
    who: Who,
    path: Vec<Step>,
    pub conflicts: Vec<ClaimConflict>,
}

/// A place after an edit, and what stands there merged.
type Changed = (Option<Spot>, Option<Node>);

impl Editor {
    pub fn new(who: Who) -> Self {
        Self { who, path: Vec::new(), conflicts: Vec::new() }
    }

    /// The owner's subtree at one place becomes `new`; it was `old`. `merged` stands there so far.
    pub fn edit(
        &mut self,
        spot: Option<&Spot>,
        merged: Option<&Node>,
        old: Option<&Node>,
        new: Option<&Node>,
        cut: Option<Layer>,
    ) -> Changed {
        count(1);
        match (spot, new) {
            (Some(Spot::Alone(who, _)), None) if *who != self.who => (spot.cloned(), merged.cloned()),
            (Some(Spot::Alone(who, node)), Some(_)) if *who != self.who => {
                self.mixed(Mix::split(who, node), merged, None, new, cut)
            }
            (Some(Spot::Mixed(mix)), _) => self.mixed((**mix).clone(), merged, old, new, cut),
            (_, new) => {
                let spot = new.map(|node| Spot::Alone(self.who.clone(), node.clone()));
                (spot, new.filter(|_| passes(&self.who, cut)).cloned())
            }
        }
    }

    fn mixed(
        &mut self,
        mut mix: Mix,
        merged: Option<&Node>,
        old: Option<&Node>,
        new: Option<&Node>,
        above: Option<Layer>,
    ) -> Changed {
        if let Some(node) = new {
            self.against_absence(&mix);
            self.against_values(&mix, node);
        }
        match new.filter(|node| speaks(node)) {
            Some(node) => mix.own.put(self.who.clone(), node.clone()),
            None => {
                mix.own.take(&self.who);
            }
        }
        let mut reorder = self.voice(&mut mix, new);
        let cut = mix.cut_below(above);
        let mut changes: Vec<(Step, Option<Node>)> = Vec::new();
        for (old, new) in differing(old, new) {
            let Some(step) = old.as_ref().or(new.as_ref()).map(Node::step) else { continue };
            let stood = merged.and_then(|merged| merged.child(&step));
            self.path.push(step.clone());
            let (spot, node) = self.edit(mix.below.get(&step), stood, old.as_ref(), new.as_ref(), cut);
            self.path.pop();
            mix.set(step.clone(), spot);
            if stood.map(Node::hash) != node.as_ref().map(Node::hash) {
                reorder |=
                    stood.is_none() != node.is_none() && stood.or(node.as_ref()).is_some_and(Node::is_user_ordered);
                changes.push((step, node));
            }
        }
        self.finished(mix, merged, changes, above, reorder)
    }

    /// Keeps the owner's say in the order of the children; whether it is another one now.
    fn voice(&self, mix: &mut Mix, new: Option<&Node>) -> bool {
        let had = mix.voices.get(&self.who).cloned();
        let pairs = had.as_ref().map_or_else(|| Arc::from([]), |voice| voice.pairs.clone());
        let voice = Voice { node: new.filter(|node| node.keeps_order()).cloned(), pairs };
        let same = match (had.as_ref().and_then(|had| had.node.as_ref()), &voice.node) {
            (Some(a), Some(b)) => same_order(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if voice.node.is_none() && voice.pairs.is_empty() {
            mix.voices.take(&self.who);
        } else {
            mix.voices.put(self.who.clone(), voice);
        }
        !same
    }

    /// The merged node after changes below.
    fn finished(
        &mut self,
        mix: Mix,
        merged: Option<&Node>,
        changes: Vec<(Step, Option<Node>)>,
        above: Option<Layer>,
        reorder: bool,
    ) -> Changed {
        let cut = mix.cut_below(above);
        let shell = mix.shell(cut);
        let node = match (shell, merged) {
            (Some(node), _) if is_plain(node) => Some(node.clone()),
            (None, _) if mix.step.key != Key::Single => None,
            (None, Some(stood)) if speaks(stood) => None,
            (_, Some(stood)) if !is_plain(stood) => Some(stood.edited(changes)),
            // It was a leaf.
            (_, Some(_)) => return (mix.clone().kept(), mix.merged(above)),
            (shell, None) => {
                let bare = shell.map_or_else(|| Node::from_step(mix.step.clone()), |node| node.with_children([]));
                Some(bare.edited(changes))
            }
        };
        let node = match node {
            Some(node) if reorder && node.keeps_order() => {
                self.against_circles(&mix, &node, cut);
                Some(mix.arranged(node, cut))
            }
            node => node,
        };
        (mix.kept(), node.filter(|node| !node.is_void()))
    }

    /// Sets or takes away a mark at the end of `way`.
    pub fn mark(
        &mut self,
        spot: Option<&Spot>,
        merged: Option<&Node>,
        way: &[Step],
        mark: &Mark,
        on: bool,
        above: Option<Layer>,
    ) -> Changed {
        count(1);
        let mut mix = match spot {
            None if !on => return (None, merged.cloned()),
            None => Mix::empty(self.path.last().cloned().unwrap_or_else(|| Step::single(QName::new("", "")))),
            Some(Spot::Alone(who, node)) => Mix::split(who, node),
            Some(Spot::Mixed(mix)) => (**mix).clone(),
        };
        let Some((step, rest)) = way.split_first() else {
            return self.marked(mix, merged, mark, on, above);
        };
        let stood = merged.and_then(|merged| merged.child(step));
        self.path.push(step.clone());
        let (spot, node) = self.mark(mix.below.get(step), stood, rest, mark, on, mix.cut_below(above));
        self.path.pop();
        mix.set(step.clone(), spot);
        if stood.map(Node::hash) == node.as_ref().map(Node::hash) {
            return (mix.kept(), merged.cloned());
        }
        let came = stood.is_none() != node.is_none() && stood.or(node.as_ref()).is_some_and(Node::is_user_ordered);
        self.finished(mix, merged, vec![(step.clone(), node)], above, came)
    }

    fn marked(&mut self, mut mix: Mix, merged: Option<&Node>, mark: &Mark, on: bool, above: Option<Layer>) -> Changed {
        let flag = |shelf: &mut Shelf<Who, ()>, who: &Who| -> i64 {
            match on {
                true if shelf.get(who).is_none() => {
                    shelf.put(who.clone(), ());
                    1
                }
                false if shelf.take(who) => -1,
                _ => 0,
            }
        };
        match mark {
            Mark::Whole => {
                let more = flag(&mut mix.whole, &self.who);
                mix.marks = mix.marks.saturating_add_signed(more as i32);
                (mix.kept(), merged.cloned())
            }
            Mark::Absent => {
                if on {
                    let spot = Spot::Mixed(Arc::new(mix.clone()));
                    if let Some(other) = spot.anyone(self.who.layer()) {
                        self.conflict(other.owner().clone(), THERE.into(), GONE.into());
                    }
                }
                let more = flag(&mut mix.absent, &self.who);
                mix.marks = mix.marks.saturating_add_signed(more as i32);
                let node = mix.merged(above);
                (mix.kept(), node)
            }
            Mark::Order(pairs) => {
                let node = mix.voices.get(&self.who).and_then(|voice| voice.node.clone());
                let pairs: Arc<[(Step, Step)]> = if on { pairs.clone() } else { Arc::from([]) };
                if node.is_none() && pairs.is_empty() {
                    mix.voices.take(&self.who);
                } else {
                    mix.voices.put(self.who.clone(), Voice { node, pairs });
                }
                self.finished(mix, merged, Vec::new(), above, true)
            }
        }
    }

    fn against_absence(&mut self, mix: &Mix) {
        let layer = self.who.layer();
        let mut of_layer = mix.absent.iter_from(|who| who.layer() > layer).take_while(|(who, ())| who.layer() == layer);
        if let Some((other, ())) = of_layer.next() {
            self.conflict(other.owner().clone(), GONE.into(), THERE.into());
        }
    }

    /// Others of this layer with another value, or another kind of node.
    fn against_values(&mut self, mix: &Mix, node: &Node) {
        let other = mix.own_of(self.who.layer()).find(|(who, _)| **who != self.who);
        if let Some((who, theirs)) = other {
            if wish(theirs) != wish(node) {
                self.conflict(who.owner().clone(), wish(theirs), wish(node));
            }
        } else if is_plain(node) {
            let below = mix.below.iter().find_map(|(_, spot)| spot.anyone(self.who.layer()));
            if let Some(who) = below.filter(|who| **who != self.who) {
                self.conflict(who.owner().clone(), "a container".into(), wish(node));
            }
        }
    }

    /// Wishes of this layer for an order that chase each other.
    fn against_circles(&mut self, mix: &Mix, node: &Node, cut: Option<Layer>) {
        let children = node.children().to_vec();
        let runs = children.chunk_by(|a, b| a.name() == b.name()).filter(|run| run.iter().any(Node::is_user_ordered));
        for run in runs {
            let index: HashMap<Step, usize> = run.iter().enumerate().map(|(at, node)| (node.step(), at)).collect();
            let wishes = mix.wishes(run[0].name(), &index, cut);
            let Some(layer) = wishes.iter().find(|layer| layer.layer == self.who.layer()) else { continue };
            let Some(circle) = order::circle(run.len(), &layer.wishes) else { continue };
            let said = |wish: usize| {
                let (first, then) = layer.wishes[wish];
                format!("{} before {}", key_words(&run[first]), key_words(&run[then]))
            };
            let Some(first) = circle.first().copied() else { continue };
            let others = circle.iter().copied().find(|wish| layer.owners[*wish] != layer.owners[first]);
            let second = others.or(circle.get(1).copied()).unwrap_or(first);
            let mut path = self.path.clone();
            path.push(run[layer.wishes[first].0].step());
            let conflict = ClaimConflict {
                path: Path::new(path),
                first: layer.owners[first].owner().clone(),
                first_wants: said(first),
                second: layer.owners[second].owner().clone(),
                second_wants: said(second),
            };
            self.conflicts.push(conflict);
        }
    }

    fn conflict(&mut self, other: Owner, theirs: String, ours: String) {
        let (path, second) = (Path::new(self.path.clone()), self.who.owner().clone());
        self.conflicts.push(ClaimConflict { path, first: other, first_wants: theirs, second, second_wants: ours });
    }
}

/// Whether the user-ordered children of both stand in the same order.
fn same_order(a: &Node, b: &Node) -> bool {
    if a.hash() == b.hash() || Node::same(a, b) {
        return true;
    }
    let ordered = |node: &Node| node.children().to_vec().into_iter().filter(Node::is_user_ordered).collect::<Vec<_>>();
    let (a, b) = (ordered(a), ordered(b));
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.is_beside(b))
}

/// What a node asks for, in words.
fn wish(node: &Node) -> String {
    match node.body() {
        Body::Leaf(value) => format!("'{value}'"),
        Body::Container { .. } => "a container".into(),
        _ => THERE.into(),
    }
}

/// What tells a node from its siblings, in words.
pub(super) fn key_words(node: &Node) -> String {
    step_words(&node.step())
}

pub(super) fn step_words(step: &Step) -> String {
    match &step.key {
        Key::Single => format!("'{}'", step.name.name),
        Key::Entry(keys) => {
            let values: Vec<&str> = keys.iter().map(|(_, value)| value.as_str()).collect();
            format!("'{}'", values.join(" "))
        }
        Key::Member(value) => format!("'{value}'"),
        Key::Opaque(text, _) => format!("'{text}'"),
    }
}

pub(super) const THERE: &str = "it to be there";
pub(super) const GONE: &str = "it to be absent";
