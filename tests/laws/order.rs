//! Plans over lists that the user orders: what services wish is done with the least disturbance, verified, healed and
//! taken back; what nobody claims keeps its place. And over nodes that must not be there, and over choices.

use crate::arbitrary::Dice;
use crate::law;
use crate::paper::{executed, root};
use andante::adapter::Adapter;
use andante::domain::{Class, DeviationKind};
use andante::plan::{
    Allowed, Difference, ElementInput, ElementPlan, Permit, Refused, differences, plan_element, plan_heal, toward,
};
use andante::tree::schema::{SchemaIndex, SchemaKind, SchemaModule, SchemaNode, Tables, TypeSpec};
use andante::tree::{
    Claims, ConfigTree, Defaults, DefaultsMode, Edit, Intended, Layer, Name, Node, Order, Owner, Path, QName, SchemaId,
    Step, Value, apply, schema::Canonical,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

pub fn q(name: &str) -> QName {
    QName::new("lab", name)
}

/// A small schema: `top` with a user-ordered list `rule`, a user-ordered leaf-list `server`, a list `port`, and a choice.
pub fn adapter() -> Adapter {
    static KNOWN: OnceLock<Adapter> = OnceLock::new();
    KNOWN.get_or_init(|| Adapter::load(&root("adapters/iosxr")).unwrap().with_schema(Arc::new(small_schema()))).clone()
}

fn small_schema() -> SchemaIndex {
    let mut tables = Tables { content_id: "lab".into(), ..Tables::default() };
    let module = SchemaModule {
        name: Name::new("lab"),
        namespace: "urn:example:lab".into(),
        prefix: "l".into(),
        revision: None,
    };
    tables.modules.push(module);
    let text = || Some(Arc::new(TypeSpec::Text(Canonical::Exact)));
    let mut push = |name: &str, parent: Option<SchemaId>, kind: SchemaKind, change: &dyn Fn(&mut SchemaNode)| {
        let mut node = SchemaNode::new(q(name), kind);
        node.parent = parent;
        if matches!(kind, SchemaKind::Leaf | SchemaKind::LeafList { .. }) {
            node.ty = text();
        }
        change(&mut node);
        let id = SchemaId(tables.nodes.len() as u32);
        tables.nodes.push(node);
        match parent {
            Some(parent) => tables.nodes[parent.0 as usize].children.push(id),
            None => tables.top.push(id),
        }
        id
    };
    let none = |_: &mut SchemaNode| {};
    let keyed = |node: &mut SchemaNode| node.keys = vec![Name::new("name")];
    let top = push("top", None, SchemaKind::Container { presence: false }, &none);
    let rule = push("rule", Some(top), SchemaKind::List { user_ordered: true }, &keyed);
    push("name", Some(rule), SchemaKind::Leaf, &none);
    push("action", Some(rule), SchemaKind::Leaf, &none);
    push("server", Some(top), SchemaKind::LeafList { user_ordered: true }, &none);
    let port = push("port", Some(top), SchemaKind::List { user_ordered: false }, &keyed);
    push("name", Some(port), SchemaKind::Leaf, &none);
    push("mtu", Some(port), SchemaKind::Leaf, &|node| node.default = Some("1500".into()));
    push("mode", Some(port), SchemaKind::Leaf, &|node| node.default = Some("auto".into()));
    let speed = push("speed", Some(port), SchemaKind::Container { presence: false }, &none);
    push("limit", Some(speed), SchemaKind::Leaf, &|node| node.default = Some("none".into()));
    let case = |choice: &str, case: &str| vec![(Name::new(choice), Name::new(case))];
    push("dhcp", Some(port), SchemaKind::Leaf, &|node| node.cases = case("source", "dynamic"));
    let fixed = push("fixed", Some(port), SchemaKind::Container { presence: false }, &|node| {
        node.cases = case("source", "fixed");
    });
    push("address", Some(fixed), SchemaKind::Leaf, &none);
    push("mask", Some(fixed), SchemaKind::Leaf, &none);
    SchemaIndex::from(tables)
}

pub fn leaf(name: &str, value: &str) -> Node {
    Node::leaf(q(name), Value::text(value))
}

fn rule(key: &str, action: &str) -> Node {
    Node::entry(q("rule"), [(Name::new("name"), Value::text(key))], true, [leaf("action", action)])
}

fn server(key: &str) -> Node {
    Node::member(q("server"), Value::text(key), true)
}

pub fn port(key: &str, children: Vec<Node>) -> Node {
    Node::entry(q("port"), [(Name::new("name"), Value::text(key))], false, children)
}

pub fn top(children: Vec<Node>) -> ConfigTree {
    ConfigTree::new([Node::container(q("top"), false, children)])
}

pub fn path(steps: &[Step]) -> Path {
    Path::new([Step::single(q("top"))].into_iter().chain(steps.iter().cloned()).collect())
}

/// An element as it stands before a plan.
pub struct State<'a> {
    pub before: &'a Intended,
    pub recorded: &'a ConfigTree,
    pub actual: &'a ConfigTree,
    pub mode: DefaultsMode,
}

impl State<'_> {
    fn input<'b>(&'b self, adapter: &'b Adapter, after: &'b Intended, allowed: &'b Allowed) -> ElementInput<'b> {
        ElementInput {
            element: "pe1",
            adapter,
            class: Class::A,
            before: self.before,
            after,
            recorded: self.recorded,
            actual: self.actual,
            defaults: self.mode,
            allowed,
            inventory: None,
        }
    }

    pub fn plan(&self, after: &Intended, allowed: &Allowed) -> Result<Option<ElementPlan>, Vec<Refused>> {
        plan_element(&self.input(&adapter(), after, allowed))
    }

    pub fn heal(&self, paths: &[Path]) -> Option<ElementPlan> {
        plan_heal(&self.input(&adapter(), self.before, &Allowed::default()), paths, &[]).unwrap()
    }

    pub fn differences(&self) -> Vec<Difference> {
        let adapter = adapter();
        let defaults = Defaults::new(adapter.schema().map(|schema| &**schema), self.mode);
        differences(self.before, self.recorded, self.actual, &defaults)
    }
}

pub fn claims(owner: &str, tree: ConfigTree) -> Claims {
    Claims::new(Owner(owner.into()), Layer::Service, tree)
}

const KEYS: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

fn shuffled(dice: &mut Dice, keys: &[&'static str]) -> Vec<&'static str> {
    let mut keys = keys.to_vec();
    for at in (1..keys.len()).rev() {
        keys.swap(at, dice.below(at + 1));
    }
    keys
}

/// One owner's wishes: some rules and servers in the order of `hidden`, and perhaps an order among those of others.
fn wish(dice: &mut Dice, owner: usize, hidden: &[&'static str]) -> Claims {
    let mut children = Vec::new();
    for key in hidden {
        // Each rule belongs to one owner, but for two that are shared.
        let at = KEYS.iter().position(|k| k == key).unwrap();
        if at < 6 && at % 3 != owner && at > 1 {
            continue;
        }
        if at < 6 && dice.below(3) > 0 {
            children.push(rule(key, "permit"));
        }
        if at < 6 && dice.below(3) > 0 {
            children.push(server(key));
        }
    }
    let mut claims = claims(&format!("owner {owner}"), top(children));
    for _ in 0..dice.below(3) {
        let (a, b) = (dice.below(hidden.len()), dice.below(hidden.len()));
        if a < b {
            let step = |key| rule(key, "").step();
            let parent = path(&[]);
            claims.order.insert(Order { parent, first: step(hidden[a]), then: step(hidden[b]) });
        }
    }
    claims
}

/// What nobody ever claims, in some order.
fn foreign(dice: &mut Dice) -> ConfigTree {
    let keys = shuffled(dice, &KEYS[6..]);
    top(keys.iter().map(|key| rule(key, "deny")).chain(keys.iter().map(|key| server(key))).collect())
}

fn keys_of(tree: &ConfigTree, name: &str) -> Vec<String> {
    let top = tree.top().first().map(|top| top.children().to_vec()).unwrap_or_default();
    let key = |node: &Node| node.keys().map_or_else(|| node.value().unwrap().to_string(), |keys| keys[0].1.to_string());
    top.iter().filter(|node| node.name() == &q(name)).map(key).collect()
}

fn foreign_order(tree: &ConfigTree) -> Vec<Vec<String>> {
    let of = |name| keys_of(tree, name).into_iter().filter(|key| KEYS[6..].contains(&key.as_str())).collect();
    vec![of("rule"), of("server")]
}

/// All wishes of all owners hold.
fn in_order(intended: &Intended, actual: &ConfigTree) {
    for claims in intended.claims() {
        for name in ["rule", "server"] {
            let (wanted, have) = (keys_of(&claims.tree, name), keys_of(actual, name));
            let standing: Vec<&String> = have.iter().filter(|key| wanted.contains(key)).collect();
            assert_eq!(standing, wanted.iter().collect::<Vec<_>>(), "{name} of {}", claims.owner);
        }
        let have = actual.at(&path(&[])).map(|top| top.children().to_vec()).unwrap_or_default();
        for wish in &claims.order {
            let place = |step: &Step| have.iter().position(|node| node.is_at(step));
            if let (Some(first), Some(then)) = (place(&wish.first), place(&wish.then)) {
                let ours = |step: &Step| intended.tree.at(&path(std::slice::from_ref(step))).is_some();
                assert!(first < then || !ours(&wish.first) || !ours(&wish.then), "{wish:?}");
            }
        }
    }
}

#[test]
fn the_order_that_services_wish_is_planned_sent_verified_and_taken_back() {
    let (mut plans, mut moves, mut refused) = (0, 0, 0);
    law(150, |seed| {
        let dice = &mut Dice(seed);
        let mut wishes: BTreeMap<usize, Claims> = BTreeMap::new();
        let (mut before, mut recorded) = (Intended::default(), ConfigTree::default());
        let mut actual = foreign(dice);
        let found = actual.clone();
        for round in 0..10 {
            let hidden = shuffled(dice, &KEYS);
            // All wish anew now and then; else one owner does, in the order that all had.
            let mut then = wishes.clone();
            let mut after = before.clone();
            let mut conflict = false;
            for owner in 0..3 {
                if round % 3 != 0 && owner != round % 2 {
                    continue;
                }
                let new = (round < 9).then(|| wish(dice, owner, &hidden));
                match after.replace(wishes.get(&owner), new.as_ref()) {
                    Ok(next) => after = next,
                    Err(conflicts) => {
                        conflict = true;
                        assert!(conflicts.iter().all(|c| c.first_wants.contains("before")), "{conflicts:?}");
                    }
                }
                match new {
                    Some(new) => then.insert(owner, new),
                    None => then.remove(&owner),
                };
            }
            if conflict {
                refused += 1;
                continue;
            }
            let state = State { before: &before, recorded: &recorded, actual: &actual, mode: DefaultsMode::Explicit };
            let plan = state.plan(&after, &Allowed::default()).unwrap();
            let target = match &plan {
                None => actual.clone(),
                Some(plan) => {
                    plans += 1;
                    moves += plan.diff.edits.iter().filter(|edit| matches!(edit, Edit::Move { .. })).count();
                    let target = apply(&plan.diff, &actual).unwrap();
                    assert_eq!(executed(&adapter(), &actual, &plan.payload), target, "{}", plan.payload.native());
                    assert_eq!(executed(&adapter(), &target, &plan.undo), actual, "{}", plan.undo.native());
                    assert!(plan.is_after(&target) && plan.is_before(&actual));
                    assert!(
                        plan.diff.is_empty() || !plan.is_after(&actual) && !plan.is_before(&target),
                        "{:#?}",
                        plan.diff
                    );
                    // From anywhere between the two sides there is a way to both.
                    assert_eq!(toward(&target, &plan.before, plan.touched()), actual);
                    assert!(plan.is_after(&toward(&actual, &plan.after, plan.touched())));
                    target
                }
            };
            in_order(&after, &target);
            assert_eq!(foreign_order(&target), foreign_order(&actual), "what nobody claims keeps its place");
            (before, recorded, actual, wishes) = (after.clone(), after.tree.clone(), target, then);
            let state = State { before: &before, recorded: &recorded, actual: &actual, mode: DefaultsMode::Explicit };
            assert_eq!(state.differences(), []);
            assert_eq!(state.plan(&after, &Allowed::default()).unwrap(), None);
        }
        let state = State { before: &before, recorded: &recorded, actual: &actual, mode: DefaultsMode::Explicit };
        let plan = state.plan(&Intended::default(), &Allowed::default()).unwrap();
        let left = plan.map_or(actual.clone(), |plan| executed(&adapter(), &actual, &plan.payload));
        assert_eq!(left, found, "released, everything is as it was found");
    });
    println!("{plans} plans, {moves} moves, {refused} circles refused");
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || plans > 500 && moves > 150 && refused > 8);
}

#[test]
fn what_somebody_put_elsewhere_is_a_deviation_in_the_way_of_a_new_order_and_is_healed() {
    let (mut seen, mut stopped) = (0, 0);
    law(250, |seed| {
        let dice = &mut Dice(seed);
        let hidden = shuffled(dice, &KEYS);
        let wished = wish(dice, 2, &hidden);
        let before = Intended::merge([&wished]).unwrap();
        let actual = before.tree.overlay(&foreign(dice));
        // By hand: all in another order.
        let top_node = actual.at(&path(&[])).unwrap();
        let mut children = top_node.children().to_vec();
        for at in (1..children.len()).rev() {
            children.swap(at, dice.below(at + 1));
        }
        let hand = top(children);
        let state = State { before: &before, recorded: &before.tree, actual: &hand, mode: DefaultsMode::Explicit };
        let found = state.differences();
        let wrong = ["rule", "server"].iter().any(|name| {
            let (wanted, have) = (keys_of(&wished.tree, name), keys_of(&hand, name));
            have.iter().filter(|key| wanted.contains(key)).ne(wanted.iter())
                || wished.order.iter().any(|wish| {
                    let place = |step: &Step| {
                        before.tree.at(&path(std::slice::from_ref(step))).and_then(|_| {
                            hand.at(&path(&[])).unwrap().children().iter().position(|node| node.is_at(step))
                        })
                    };
                    matches!((place(&wish.first), place(&wish.then)), (Some(a), Some(b)) if a > b)
                })
        });
        assert_eq!(!found.is_empty(), wrong, "{found:#?}");
        assert!(found.iter().all(|found| found.kind == DeviationKind::Changed));
        if found.is_empty() {
            return;
        }
        seen += 1;
        let paths: Vec<Path> = found.iter().map(|found| found.found.path.clone()).collect();
        let plan = state.heal(&paths).unwrap();
        assert!(plan.diff.edits.iter().all(|edit| matches!(edit, Edit::Move { .. })));
        assert_eq!(plan.diff.edits.len(), found.len(), "as few moves as deviations");
        let healed = executed(&adapter(), &hand, &plan.payload);
        assert_eq!(foreign_order(&healed), foreign_order(&hand));
        let after = State { actual: &healed, ..state };
        assert_eq!(after.differences(), []);
        // A request for another order finds the hand-made one in its way; one for something else does not.
        let mut turned = shuffled(dice, &KEYS);
        turned.reverse();
        let mut other = Dice(seed);
        let new = Intended::merge([&wish(&mut other, 2, &turned)]).unwrap();
        let state = State { before: &before, recorded: &before.tree, actual: &hand, mode: DefaultsMode::Explicit };
        if let Err(refused) = state.plan(&new, &Allowed::default()) {
            stopped += 1;
            assert!(refused.iter().all(|why| matches!(why, Refused::HandMade(_))), "{refused:?}");
            let all = Allowed { overwrite: Permit::All, collateral: Permit::Nothing, ..Allowed::default() };
            let plan = state.plan(&new, &all).unwrap().unwrap();
            in_order(&new, &executed(&adapter(), &hand, &plan.payload));
        }
    });
    println!("{seen} orders healed, {stopped} plans stopped");
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || seen > 80 && stopped > 20, "{seen} {stopped}");
}

#[test]
fn what_is_wished_absent_goes_when_the_caller_says_so_and_is_a_deviation_when_it_comes_back() {
    let there =
        top(vec![port("ge1", vec![leaf("mtu", "9000"), leaf("mode", "fixed")]), port("ge2", vec![leaf("mtu", "1")])]);
    let mut wishes = claims("policy", ConfigTree::default());
    let mtu = path(&[port("ge1", vec![]).step(), Step::single(q("mtu"))]);
    wishes.absent = BTreeSet::from([mtu.clone(), path(&[port("ge2", vec![]).step()])]);
    let after = Intended::merge([&wishes]).unwrap();
    let nothing = (Intended::default(), ConfigTree::default());
    let state = State { before: &nothing.0, recorded: &nothing.1, actual: &there, mode: DefaultsMode::Explicit };
    let refused = state.plan(&after, &Allowed::default()).unwrap_err();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|why| matches!(why, Refused::HandMade(_))), "{refused:?}");
    let allowed = Allowed {
        overwrite: Permit::Paths(refused.iter().map(|why| why.path().unwrap().to_string()).collect()),
        ..Allowed::default()
    };
    let plan = state.plan(&after, &allowed).unwrap().unwrap();
    let done = executed(&adapter(), &there, &plan.payload);
    assert_eq!(done, top(vec![port("ge1", vec![leaf("mode", "fixed")])]));
    assert_eq!(executed(&adapter(), &done, &plan.undo), there);
    // It comes back by hand.
    let state = State { before: &after, recorded: &nothing.1, actual: &there, mode: DefaultsMode::Explicit };
    let found = state.differences();
    let kinds: Vec<_> = found.iter().map(|found| (found.kind, found.found.path.to_string())).collect();
    assert_eq!(
        kinds,
        [
            (DeviationKind::Extra, mtu.to_string()),
            (DeviationKind::Extra, path(&[port("ge2", vec![]).step()]).to_string()),
        ]
    );
    let healed = state.heal(&found.iter().map(|found| found.found.path.clone()).collect::<Vec<_>>()).unwrap();
    assert_eq!(executed(&adapter(), &there, &healed.payload), done);
    // A service that wants one of them quarrels with the policy, by name.
    let service = claims("service red", top(vec![port("ge2", vec![])]));
    let conflicts = after.replace(None, Some(&service)).unwrap_err();
    let said = conflicts[0].to_string();
    assert!(
        said.contains("policy wants it to be absent") && said.contains("service red wants it to be there"),
        "{said}"
    );
}

#[test]
fn another_case_of_a_choice_takes_the_old_one_away_and_says_so() {
    let fixed =
        |address: &str| vec![Node::container(q("fixed"), false, [leaf("address", address), leaf("mask", "24")])];
    let one = Intended::merge([&claims("s", top(vec![port("ge1", fixed("192.0.2.1"))]))]).unwrap();
    let two = Intended::merge([&claims("s", top(vec![port("ge1", vec![leaf("dhcp", "on")])]))]).unwrap();
    for (before, after, word) in [(&one, &two, "fixed"), (&two, &one, "dhcp")] {
        let state = State { before, recorded: &before.tree, actual: &before.tree, mode: DefaultsMode::Explicit };
        let plan = state.plan(after, &Allowed::default()).unwrap().unwrap();
        let sent = plan.payload.native();
        assert!(!sent.contains("remove") && !sent.contains(word), "the old case goes by itself: {sent}");
        assert_eq!(executed(&adapter(), &before.tree, &plan.payload), after.tree);
        assert_eq!(executed(&adapter(), &after.tree, &plan.undo), before.tree);
        assert!(plan.is_after(&after.tree) && !plan.is_after(&before.tree));
    }
    // Somebody else's case stands there: it would go, so it is collateral.
    let base = Intended::merge([&claims("s", top(vec![port("ge1", vec![])]))]).unwrap();
    let there = top(vec![port("ge1", fixed("198.51.100.1"))]);
    let state = State { before: &base, recorded: &base.tree, actual: &there, mode: DefaultsMode::Explicit };
    let refused = state.plan(&two, &Allowed::default()).unwrap_err();
    assert!(
        matches!(&refused[..], [Refused::Collateral { path, .. }] if path.to_string().ends_with("/fixed")),
        "{refused:?}"
    );
    let allowed = Allowed { collateral: Permit::All, ..Allowed::default() };
    let plan = state.plan(&two, &allowed).unwrap().unwrap();
    assert_eq!(executed(&adapter(), &there, &plan.payload), two.tree);
    assert_eq!(executed(&adapter(), &two.tree, &plan.undo), there);
    // Two services that want different cases quarrel.
    let both = one.replace(None, Some(&claims("t", top(vec![port("ge1", vec![leaf("dhcp", "on")])])))).unwrap();
    let state = State { before: &one, recorded: &one.tree, actual: &one.tree, mode: DefaultsMode::Explicit };
    let refused = state.plan(&both, &Allowed::default()).unwrap_err();
    let said = refused[0].to_string();
    assert!(said.contains("s wants") && said.contains("t wants") && said.contains("another case"), "{said}");
}

#[test]
fn first_contact_with_another_value_of_a_shared_leaf_is_said_beforehand() {
    let there = ConfigTree::new([leaf_at_top("9000")]);
    let wanted = ConfigTree::new([leaf_at_top("1500")]);
    let after = Intended::merge([&claims("s", wanted)]).unwrap();
    let nothing = (Intended::default(), ConfigTree::default());
    let state = State { before: &nothing.0, recorded: &nothing.1, actual: &there, mode: DefaultsMode::Explicit };
    let plan = state.plan(&after, &Allowed::default()).unwrap().unwrap();
    assert_eq!(plan.warnings, ["pe1: /lab:top/server-mode: is '9000', becomes '1500'; comes back when released"]);
    assert_eq!(plan.adopted.unwrap().tree, there);
}

fn leaf_at_top(value: &str) -> Node {
    Node::container(q("top"), false, [leaf("server-mode", value)])
}
