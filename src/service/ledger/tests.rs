//! The life of numbers, and the pool against the obvious way.

use super::*;
use crate::service::error::ErrorTag;
use crate::tree::{ConfigTree, Node, QName, Value};

fn service(id: &str) -> ServiceKey {
    ServiceKey { face: "f".into(), id: id.into() }
}

fn number(draft: &mut Draft<'_>, id: &str) -> u64 {
    draft.allocate("vni", &service(id), "", 1..=5).unwrap().take.number
}

#[test]
fn an_owner_keeps_its_number_whatever_happens_around_it() {
    let excluded = Exclusions::from([("vni".to_string(), BTreeSet::from([1, 3]))]);
    let empty = Ledger::default();
    let mut draft = Draft::new(&empty, &excluded);
    assert_eq!([number(&mut draft, "a"), number(&mut draft, "b"), number(&mut draft, "a")], [2, 4, 2]);
    assert_eq!(draft.takes().count(), 2);
    let ledger = Ledger::new(draft.takes().cloned());
    // Nothing excluded any more, and still the same; the same without any new take.
    let none = Exclusions::new();
    let mut again = Draft::new(&ledger, &none);
    assert_eq!([number(&mut again, "b"), number(&mut again, "a")], [4, 2]);
    assert_eq!(again.takes().count(), 0);
    assert_eq!([number(&mut again, "c"), number(&mut again, "d"), number(&mut again, "e")], [1, 3, 5]);
    let error = again.allocate("vni", &service("f"), "", 1..=5).unwrap_err();
    assert_eq!((error.tag, error.to_string().contains("vni")), (ErrorTag::ResourceDenied, true));
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// What FRR would be told: `vni 1` in a VRF, and an interface of the same number.
fn carried(vni: &str) -> ConfigTree {
    let leaf = |name: &str, text: &str| Node::leaf(QName::new("frr", name), Value::text(text));
    let keys = |text: &str| [("name".into(), Value::text(text))];
    let vrf = Node::entry(QName::new("frr", "vrf"), keys("a"), false, [leaf("vni", vni)]);
    let port = Node::entry(QName::new("frr", "interface"), keys("eth1"), false, [leaf("mtu", "1500")]);
    ConfigTree::new([vrf, port])
}

#[test]
fn a_released_number_rests_after_every_element_was_read_without_it_and_its_owner_gets_it_back() {
    let none = Exclusions::new();
    let empty = Ledger::default();
    let mut draft = Draft::new(&empty, &none);
    assert_eq!(number(&mut draft, "a"), 1);
    let mut ledger = Ledger::new(draft.takes().cloned());
    let day = SignedDuration::from_hours(24);
    let key = "vni/f/a";
    let (there, gone) = (carried("1"), carried("7"));
    assert!(ledger.unasked(&service("a"), &BTreeSet::from([key.to_string()])).next().is_none());
    let held = ledger.unasked(&service("a"), &BTreeSet::new()).next().unwrap().clone();
    assert_eq!(held.read("pe1", &gone, at(0)), None, "held numbers do not rest");
    let released =
        held.released(at(0), [("pe1", &there, Some(&gone)), ("pe2", &there, None), ("pe3", &gone, None)], &|_, _| {
            false
        });
    let shared = held.released(at(0), [("pe1", &there, None), ("pe2", &there, None)], &|element, _| element == "pe1");
    assert_eq!(shared.remains.keys().collect::<Vec<_>>(), ["pe2"], "what stands there for others stays");
    assert_eq!(released.remains.keys().collect::<Vec<_>>(), ["pe1", "pe2"], "pe3 never had it");
    assert_eq!(released.remains["pe1"].iter().map(ToString::to_string).collect::<Vec<_>>(), ["/frr:vrf[name='a']/vni"]);
    ledger.record([released.clone()]);
    assert_eq!(ledger.rested(at(1_000_000), day).count(), 0, "elements may still carry it");
    assert_eq!(released.read("pe1", &there, at(5)), None);
    assert_eq!(released.read("pe9", &gone, at(5)), None);
    let first = released.read("pe1", &gone, at(5)).unwrap();
    assert_eq!((first.absent, first.remains.len()), (None, 1));
    ledger.record([first.clone()]);
    assert_eq!(ledger.remaining_on("pe1").count(), 0);
    assert_eq!(ledger.rested(at(1_000_000), day).count(), 0, "pe2 was not read");
    let absent = ledger.remaining_on("pe2").next().unwrap().read("pe2", &ConfigTree::default(), at(10)).unwrap();
    ledger.record([absent]);
    assert_eq!(ledger.remaining_on("pe2").count(), 0);
    assert_eq!(ledger.rested(at(86_409), day).count(), 0);
    // Somebody else does not get it, the old owner does, as a new take without marks.
    let mut draft = Draft::new(&ledger, &none);
    assert_eq!([number(&mut draft, "b"), number(&mut draft, "a")], [2, 1]);
    assert!(draft.takes().all(|take| take.released.is_none() && take.absent.is_none() && take.remains.is_empty()));
    let keys: Vec<String> = ledger.rested(at(86_410), day).map(Take::key).collect();
    assert_eq!(keys, [key]);
    assert!(ledger.remove(key).is_some());
    assert_eq!(ledger.rested(at(86_410), day).count(), 0);
    assert_eq!(number(&mut Draft::new(&ledger, &none), "b"), 1);
    assert_eq!(ledger.of_service(&service("a")).count(), 0);
}

#[test]
fn a_number_that_no_element_shows_rests_after_each_was_read_once() {
    let take = Take::held("ac@f/a", &service("a"), "", 77);
    let tree = carried("5");
    let released = take.released(at(0), [("pe1", &tree, None)], &|_, _| false);
    assert_eq!((released.absent, released.remains["pe1"].len()), (None, 0));
    assert_eq!(released.read("pe1", &tree, at(3)).unwrap().absent, Some(at(3)));
    assert_eq!(take.released(at(0), [], &|_, _| false).absent, Some(at(0)), "it was on no element");
    // An entry of a version that did not keep where it stood.
    let old: Take = serde_json::from_str(
        r#"{"pool":"vni","service":{"face":"f","id":"a"},"place":"","number":1,"released":"1970-01-01T00:00:00Z"}"#,
    )
    .unwrap();
    let ledger = Ledger::new([old]);
    assert_eq!(ledger.rested(at(3600), SignedDuration::from_hours(1)).count(), 1);
}

#[test]
fn a_number_counts_as_often_as_it_is_used_and_spans_grow_and_shrink() {
    let mut ledger = Ledger::default();
    let mut held = BTreeMap::new();
    // A fixed walk over a small pool, against the obvious way.
    let mut state = 7u64;
    for _ in 0..2_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (number, owner) = ((state >> 33) % 12 + 1, (state >> 40) % 5);
        let key = service(&format!("s{owner}-{number}"));
        let said = Exclusions::from([("vni".to_string(), BTreeSet::from([number]))]);
        if held.remove(&key).is_some() {
            ledger.explicit(&key, Exclusions::new());
        } else {
            held.insert(key.clone(), number);
            ledger.explicit(&key, said);
        }
        let lowest = (1..).find(|n| !held.values().any(|held| held == n)).unwrap();
        let none = Exclusions::new();
        let got = Draft::new(&ledger, &none).allocate("vni", &service("new"), "", 1..=99).unwrap().take.number;
        assert_eq!(got, lowest, "{held:?}");
    }
}
