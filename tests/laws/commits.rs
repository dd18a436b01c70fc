//! What a transaction writes follows what it changes: commits that wait for the disk, and bytes, are counted, nothing is
//! timed. The real controller and the real SQLite store over elements that live in this process.

use crate::fleet::{Count, End, Fleet, House, document, key, noc};
use crate::through::Through;
use andante::controller::{DocumentEdit, Failure, RequestName, Terms};
use andante::domain::Outcome;
use andante::plan::Allowed;
use andante::service::ledger::Take;
use andante::store::Table;
use andante::tree::ConfigTree;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What one change of one leaf writes beside so many elements and services.
async fn one_change(house: &House, platform: &str, elements: usize, services: usize) -> Count {
    let fleet = Fleet::of(house, elements, platform, &ConfigTree::default()).await;
    let ends = |service: usize, vlan: usize| {
        let element = |end: usize| (service * 2 + end) % elements;
        [0, 1].map(|end| End { element: element(end), port: 0, vlan: vlan + service })
    };
    let id = |service: usize| format!("s{service:04}");
    let all: Vec<_> =
        (0..services).map(|service| (id(service), document(&id(service), platform, &ends(service, 100)))).collect();
    fleet.put(house, &all).await;
    fleet.store.weigh();
    let before = fleet.store.count();
    fleet.put(house, &[(id(0), document(&id(0), platform, &ends(0, 3000)))]).await;
    fleet.store.count() - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_waits_for_the_disk_five_times_at_most_and_writes_what_it_changes() {
    let house = House::new().await;
    for platform in ["iosxr", "frr"] {
        let few = one_change(&house, platform, 2, 1).await;
        let many = one_change(&house, platform, 60, 90).await;
        println!("{platform}: beside 1 service on 2 elements {few:?}, beside 90 on 60 {many:?}");
        for count in [few, many] {
            assert!(count.now <= 5, "{platform}: {count:?}");
            assert!(count.lazy <= 5, "{platform}: {count:?}");
        }
        // Numbers have more digits, and times more or fewer.
        assert!(many.bytes <= few.bytes + few.bytes / 20, "{platform}: {many:?} beside {few:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_element_of_a_transaction_writes_the_same_however_many_there_are() {
    let house = House::new().await;
    let fleet = Fleet::of(&house, 64, "iosxr", &ConfigTree::default()).await;
    fleet.store.weigh();
    let mut written = Vec::new();
    for width in [8, 64] {
        let ends: Vec<End> = (0..width).map(|element| End { element, port: 1, vlan: 100 + width }).collect();
        let id = format!("wide{width}");
        let before = fleet.store.count();
        fleet.put(&house, &[(id.clone(), document(&id, "iosxr", &ends))]).await;
        let count = fleet.store.count() - before;
        println!("{width} elements: {count:?}, {} bytes each", count.bytes / width as u64);
        assert!(count.now <= 5, "{count:?}");
        written.push(count.bytes / width as u64);
    }
    assert!(written[1] <= written[0] + written[0] / 4, "{written:?}: more with each element that is there already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_a_slow_transaction_is_about_to_take_keeps_nobody_waiting() {
    let house = House::new().await;
    let fleet = Arc::new(Fleet::of(&house, 4, "iosxr", &ConfigTree::default()).await);
    let of = |id: &str, first: usize| {
        let ends = [first, first + 1].map(|element| End { element, port: 0, vlan: 100 });
        vec![DocumentEdit::Put { key: key(id), document: house.tree(&document(id, "iosxr", &ends)), expect: None }]
    };
    let slow = fleet.elements.values().next().unwrap().clone();
    let held = slow.busy.lock().await;
    let (waiting, edits) = (fleet.clone(), of("slow", 0));
    let waiting = tokio::spawn(async move { waiting.write(edits).await });
    let limit = Duration::from_secs(60);
    let begun = async {
        while fleet.controller.transactions_page(&noc(), None, usize::MAX).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(limit, begun).await.expect("the slow one begins");
    // Both draw the lowest free route target.
    let quick = tokio::time::timeout(limit, fleet.write(of("quick", 2))).await.expect("it waits for the slow one");
    assert!(!waiting.is_finished(), "{quick:?}");
    drop(held);
    waiting.await.unwrap();
    let takes = andante::store::list::<Take>(&Through(fleet.store.clone()), Table::Numbers, "rt@").await.unwrap();
    let numbers: BTreeSet<u64> = takes.iter().map(|(_, take)| take.number).collect();
    assert_eq!((takes.len(), numbers.len()), (2, 2), "{takes:?}");
}

/// A verb that is called again under the name of its request answers as the first did, also while that one runs and when it
/// has used up what it was about; the same name for something else is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_that_is_called_again_under_its_name_answers_as_before() {
    let house = House::new().await;
    let fleet = Arc::new(Fleet::of(&house, 2, "iosxr", &ConfigTree::default()).await);
    let edits = |vlan: usize| {
        let ends = [0, 1].map(|element| End { element, port: 0, vlan });
        let document = house.tree(&document("one", "iosxr", &ends));
        vec![DocumentEdit::Put { key: key("one"), document, expect: None }]
    };
    let named = |id: &str, digest: &str| {
        let request = RequestName { id: id.into(), digest: digest.into(), creates: None };
        Terms { request: Some(request), ..Terms::default() }
    };
    let limit = Duration::from_secs(60);
    // Both at the same time, on an element that keeps them waiting.
    let slow = fleet.elements.values().next().unwrap().clone();
    let held = slow.busy.lock().await;
    let kept = fleet.controller.keep(&noc(), edits(100), &Allowed::default(), None).await.unwrap();
    let commit = |terms: Terms| {
        let (controller, id) = (fleet.controller.clone(), kept.plan.id.clone());
        async move { controller.commit_kept(&noc(), &id, &terms).await }
    };
    let first = tokio::spawn(commit(named("order-1", "a")));
    let begun = async {
        while fleet.controller.transactions_page(&noc(), None, usize::MAX).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(limit, begun).await.expect("the first one begins");
    let second = tokio::spawn(commit(named("order-1", "a")));
    let other = commit(named("order-1", "b")).await.unwrap_err();
    assert!(matches!(&other, Failure::RequestReused { id, .. } if id == "order-1"), "{other:?}");
    // Whoever does not want to wait hears how far it is.
    let at_once = commit(Terms { at_once: true, ..named("order-1", "a") }).await.unwrap();
    assert_eq!(at_once.outcome, None, "{at_once:?}");
    drop(held);
    let first = tokio::time::timeout(limit, first).await.unwrap().unwrap().unwrap();
    let second = tokio::time::timeout(limit, second).await.unwrap().unwrap().unwrap();
    assert_eq!(first.outcome, Some(Outcome::Applied), "{first:?}");
    assert_eq!([&second.id, &at_once.id], [&first.id; 2]);
    // The plan is used up. Without the name, or under another one, that is said.
    assert_eq!(commit(named("order-1", "a")).await.unwrap().id, first.id);
    for terms in [Terms::default(), named("order-2", "a")] {
        let done = commit(terms).await.unwrap_err();
        assert!(matches!(&done, Failure::AlreadyApplied { transaction, .. } if *transaction == first.id), "{done:?}");
    }
    // A heal has nothing to heal the second time.
    slow.set(&ConfigTree::default());
    let pe = fleet.elements.keys().next().unwrap().clone();
    fleet.controller.check(&noc(), &pe).await.unwrap();
    let heal = |terms: Terms| {
        let (controller, pe) = (fleet.controller.clone(), pe.clone());
        async move { controller.heal(&noc(), &pe, &[], &terms).await }
    };
    let healed = heal(named("heal-1", "a")).await.unwrap();
    assert_eq!(healed.outcome, Some(Outcome::Applied), "{healed:?}");
    fleet.controller.check(&noc(), &pe).await.unwrap();
    assert_eq!(heal(named("heal-1", "a")).await.unwrap().id, healed.id);
    assert!(heal(Terms::default()).await.is_err());
    assert_eq!(fleet.controller.transactions_page(&noc(), None, usize::MAX).await.unwrap().len(), 2);
}
