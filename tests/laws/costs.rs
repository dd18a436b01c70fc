//! What a change costs follows the change: the nodes that are looked at are counted, nothing is timed. The size of an edit
//! is that of the nodes that it makes anew: the changed ones and those on the way to them.

use crate::order::{State, claims, leaf, path, port, q, top};
use andante::plan::{Allowed, Permit};
use andante::tree::{
    Claims, ConfigTree, DefaultsMode, Intended, Layer, Node, Owner, Step, apply, diff, inverse, runs_passed, visited,
};

/// How many services stand on the element; `ANDANTE_SERVICES=n` takes that number alone.
fn sizes() -> Vec<usize> {
    match std::env::var("ANDANTE_SERVICES") {
        Ok(one) => vec![one.parse().unwrap()],
        Err(_) => vec![1_000, 10_000],
    }
}

fn service(n: usize, address: &str) -> Claims {
    let fixed = Node::container(q("fixed"), false, [leaf("address", address), leaf("mask", "24")]);
    let children = vec![leaf("mtu", "9000"), leaf("mode", "fixed"), fixed];
    // Beside its own port each has a part in one that all share.
    let shared = port("uplink", vec![leaf("mtu", "9000")]);
    claims(&format!("service {n:06}"), top(vec![shared, port(&format!("p{n:06}"), children)]))
}

fn many(n: usize) -> (Vec<Claims>, Intended) {
    let all: Vec<Claims> = (0..n).map(|n| service(n, "192.0.2.1")).collect();
    let merged = Intended::merge(&all).unwrap();
    (all, merged)
}

/// What the work gives, and how many nodes it looked at. The runs that it passed by are few, whatever stands in the list.
fn cost<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (nodes, runs) = (visited(), runs_passed());
    let done = work();
    let passed = runs_passed() - runs;
    assert!(passed <= 3 * RUNS, "{passed} runs");
    (done, visited() - nodes)
}

/// The nodes on the way to an address: `top`, a port, `fixed`, `address`.
const WAY: u64 = 4;

/// A walk over a wide list also compares the hashes of the runs that it is cut into: at most this many, whatever stands in
/// the list (64 on top, and some ten more for each time the list is 32 times as long). Planning takes three such walks.
const RUNS: u64 = 300;

#[test]
fn merging_one_service_anew_costs_what_the_service_has() {
    for n in sizes() {
        let (all, merged) = many(n);
        let nodes = u64::from(all[0].tree.count());
        let other = service(n / 2, "198.51.100.1");
        let (added, add) = cost(|| merged.replace(None, Some(&service(n, "192.0.2.1"))).unwrap());
        let (changed, change) = cost(|| merged.replace(Some(&all[n / 2]), Some(&other)).unwrap());
        let (removed, remove) = cost(|| merged.replace(Some(&all[n / 3]), None).unwrap());
        println!(
            "{n} services, {} nodes: {add} visited to add {nodes}, {change} to change 1, {remove} to remove",
            merged.tree.count()
        );
        assert!(add <= 50 * nodes && remove <= 50 * nodes && change <= 50, "{add} {change} {remove}");
        assert_eq!(added.tree.count(), merged.tree.count() + all[0].tree.count() - 3);
        assert_eq!(removed.tree.count(), merged.tree.count() - (all[0].tree.count() - 3));
        let (d, compared) = cost(|| diff(&merged.tree, &changed.tree));
        assert!(d.edits.len() == 1 && compared <= 50 * WAY, "{compared}");
        assert_eq!(apply(&d, &merged.tree).unwrap(), changed.tree);
        assert_eq!(apply(&inverse(&d), &changed.tree).unwrap(), merged.tree);
        // A pin over it, and its release.
        let mut pin = Claims::new(Owner("noc".into()), Layer::Pin, top(vec![port("p000001", vec![leaf("mtu", "1")])]));
        pin.absent.insert(path(&[port("p000002", vec![]).step(), Step::single(q("mode"))]));
        let (pinned, put) = cost(|| merged.replace(None, Some(&pin)).unwrap());
        let (back, release) = cost(|| pinned.replace(Some(&pin), None).unwrap());
        assert!(put <= 50 * 4 && release <= 50 * 4, "{put} {release}");
        assert_eq!(back.tree, merged.tree);
        assert_eq!(
            pinned.why(&path(&[port("p000001", vec![]).step(), Step::single(q("mtu"))])).comes_back,
            Some("9000".into())
        );
    }
}

#[test]
fn planning_one_service_among_thousands_looks_at_that_one() {
    for n in sizes() {
        let (all, before) = many(n);
        // Beside ours stands what nobody claims, and two ports were changed by hand.
        let recorded = before.tree.clone();
        let foreign =
            Node::container(q("foreign"), false, (0..200).map(|n| port(&format!("f{n}"), vec![leaf("mtu", "1")])));
        let mut actual = recorded.overlay(&ConfigTree::new([foreign]));
        for port_name in ["p000003", "p000004"] {
            let at = path(&[port(port_name, vec![]).step()]);
            actual = actual.with(&at, leaf("mtu", "7"), andante::tree::After::Keep);
        }
        let other = service(n / 2, "198.51.100.1");
        let ways: [(&str, Intended, u64, usize); 3] = [
            ("changed", before.replace(Some(&all[n / 2]), Some(&other)).unwrap(), WAY, 1),
            ("added", before.replace(None, Some(&service(n, "192.0.2.1"))).unwrap(), 7, 1),
            ("removed", before.replace(Some(&all[n / 3]), None).unwrap(), 7, 1),
        ];
        for (word, after, nodes, edits) in ways {
            let state = State { before: &before, recorded: &recorded, actual: &actual, mode: DefaultsMode::Explicit };
            let allowed = Allowed { overwrite: Permit::Nothing, collateral: Permit::Nothing, ..Allowed::default() };
            let (plan, seen) = cost(|| state.plan(&after, &allowed).unwrap().unwrap());
            println!("{n} services, {} nodes on the element: {seen} visited to plan one {word}", actual.count());
            assert_eq!(plan.diff.edits.len(), edits);
            assert_eq!(plan.deviations.len(), 2, "found on the way");
            // The two deviations are found, too.
            assert!(seen <= 50 * (nodes + 2 * (WAY - 1)), "{word}: {seen} for {nodes}");
            let target = apply(&plan.diff, &actual).unwrap();
            let (_, verified) = cost(|| plan.is_after(&target) && plan.is_before(&actual));
            assert!(verified <= 50 * nodes);
        }
    }
}

#[test]
fn a_list_in_the_order_of_its_user_is_diffed_in_its_length() {
    for n in [1_000, 10_000] {
        let list = |keys: &mut dyn Iterator<Item = usize>| {
            let nodes = keys.map(|key| Node::member(q("server"), andante::tree::Value::text(&key.to_string()), true));
            ConfigTree::new([Node::container(q("top"), false, nodes.collect::<Vec<_>>())])
        };
        let (a, b) = (list(&mut (0..n)), list(&mut (1..n).chain(std::iter::once(0))));
        let (d, seen) = cost(|| diff(&a, &b));
        assert_eq!(d.edits.len(), 1, "the first went to the end: one move");
        assert!(seen <= 3 * n as u64, "{seen}");
    }
}
