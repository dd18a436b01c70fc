//! Answers that never come: a lost commit, a lost reply, a dead server, a dead line. What is said at the end is true.

use crate::domain::{Domain, applied, noc};
use crate::support::Cut;
use andante::domain::{Outcome, TransactionRecord};
use std::time::{Duration, Instant};

const FILE: &str = "l3vpn-any-to-any.json";

/// How a transaction ended, after recovery has done what it can, and whether the elements say the same.
pub async fn truthful(domain: &Domain, record: TransactionRecord, before: &(String, String)) -> Outcome {
    let mut record = record;
    let start = Instant::now();
    while matches!(record.outcome, Some(Outcome::Unresolved { .. }) | None) {
        assert!(start.elapsed() < Duration::from_secs(30), "not resolved: {record:#?}");
        let pause = domain.controller.recover_again().await.unwrap();
        record = domain.controller.transaction(&noc(), &record.id).await.unwrap().unwrap();
        // What comes next is due only then.
        if let (Some(pause), Some(Outcome::Unresolved { .. })) = (pause, &record.outcome) {
            tokio::time::sleep(pause.min(Duration::from_secs(2))).await;
        }
    }
    let now = domain.running();
    match &record.outcome {
        Some(Outcome::Applied) => {
            assert!(now.0.contains("GigabitEthernet0/0/0/1.100") && now.1.contains("interface eth1.100"), "{now:?}");
        }
        _ => {
            assert_eq!(now.0, before.0, "{record:#?}");
            assert_eq!(now.1, before.1, "{record:#?}");
        }
    }
    for element in ["pe1", "pe2"] {
        let report = domain.check(element).await;
        assert!(report.deviations.is_empty(), "{element}: {:#?}\n{record:#?}", report.deviations);
    }
    record.outcome.unwrap()
}

/// Cuts a session of an element in the middle of the creation of a service, then of its removal.
async fn cut_on_the_way(cut: impl Fn(&Domain), pending: impl Fn(&Domain) -> bool) -> Option<[Outcome; 2]> {
    let domain = Domain::start().await?;
    let before = domain.running();
    let put = domain.put(FILE, |text| text);
    let key = put.key().clone();
    cut(&domain);
    let record = domain.write(vec![put.clone()]).await.unwrap();
    assert!(!pending(&domain), "the cut did not happen");
    let created = truthful(&domain, record, &before).await;
    if created != Outcome::Applied {
        // What was not applied can be asked for again.
        applied(&domain.write(vec![put]).await.unwrap());
    }
    let settled = domain.running();
    cut(&domain);
    let record = domain.write(vec![domain.delete(&key)]).await.unwrap();
    assert!(!pending(&domain), "the cut did not happen");
    let removed = removal(&domain, record, &before, &settled).await;
    if removed != Outcome::Applied {
        applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    }
    assert_eq!(domain.running(), before);
    Some([created, removed])
}

async fn removal(
    domain: &Domain,
    record: TransactionRecord,
    before: &(String, String),
    settled: &(String, String),
) -> Outcome {
    match record.outcome {
        Some(Outcome::Applied) => {
            assert_eq!(&domain.running(), before);
            Outcome::Applied
        }
        _ => truthful(domain, record, settled).await,
    }
}

/// Before the decision there is one end: not applied, twice.
#[track_caller]
fn never_applied(ends: Option<[Outcome; 2]>) {
    for end in ends.into_iter().flatten() {
        assert!(matches!(end, Outcome::NotApplied { .. }), "{end:?}");
    }
}

/// The reply to the confirmed commit is lost: the element has it, and is made to take it back.
#[tokio::test(flavor = "multi_thread")]
async fn the_reply_to_a_commit_is_lost() {
    let cut = |domain: &Domain| domain.pe1.cut(Cut::AfterDelivery, "<commit");
    never_applied(cut_on_the_way(cut, |domain| domain.pe1.cut_is_pending()).await);
}

/// The confirmed commit itself is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_lost() {
    let cut = |domain: &Domain| domain.pe1.cut(Cut::BeforeDelivery, "<commit");
    never_applied(cut_on_the_way(cut, |domain| domain.pe1.cut_is_pending()).await);
}

/// After the decision there is one way only: the lost confirmation is made good.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_confirmation_ends_applied() {
    let cut = |domain: &Domain| domain.pe1.cut(Cut::BeforeDelivery, "<persist-id>");
    let Some(ends) = cut_on_the_way(cut, |domain| domain.pe1.cut_is_pending()).await else { return };
    assert_eq!(ends, [Outcome::Applied, Outcome::Applied]);
}

/// So is a confirmation whose reply is lost: the second one is an error that tells nothing (F4), the reading does.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_a_confirmation_ends_applied() {
    let cut = |domain: &Domain| domain.pe1.cut(Cut::AfterDelivery, "<persist-id>");
    let Some(ends) = cut_on_the_way(cut, |domain| domain.pe1.cut_is_pending()).await else { return };
    assert_eq!(ends, [Outcome::Applied, Outcome::Applied]);
}

/// A typed line is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_typed_line_is_lost() {
    let cut = |domain: &Domain| domain.pe2.cut(Cut::BeforeDelivery, "router bgp 65000 vrf");
    never_applied(cut_on_the_way(cut, |domain| domain.pe2.cut_is_pending()).await);
}

/// The prompt after a typed line is lost: the element has taken it.
#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_after_a_line_is_lost() {
    let cut = |domain: &Domain| domain.pe2.cut(Cut::AfterDelivery, "router bgp 65000 vrf");
    never_applied(cut_on_the_way(cut, |domain| domain.pe2.cut_is_pending()).await);
}

/// SIGKILL for the NETCONF server inside the confirm window; it comes back with the old configuration (F5). Before the
/// decision everything goes back, after it the change is made again.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_dies_inside_the_window() {
    let Some(mut domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = domain.put(FILE, |text| text);
    let key = put.key().clone();
    for (point, decided) in [("before-verify:pe1", false), ("before-confirm:pe1", true)] {
        let hold = domain.holds.at(point);
        let writing = in_the_background(&domain, put.clone());
        hold.reached().await;
        assert!(domain.pe1.running().contains("GigabitEthernet0/0/0/1.100"), "{point}: it is not inside the window");
        domain.pe1.kill9_netconfd();
        domain.pe1.restart();
        assert!(!domain.pe1.running().contains("GigabitEthernet0/0/0/1.100"), "{point}: F5 does not hold");
        hold.go_on();
        let end = truthful(&domain, writing.await.unwrap(), &before).await;
        assert_eq!(end == Outcome::Applied, decided, "{point}: {end:?}");
        if !decided {
            applied(&domain.write(vec![put.clone()]).await.unwrap());
        }
        applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
        assert_eq!(domain.running(), before, "{point}");
    }
}

/// SSH of the CLI element goes away while lines are typed, and comes back only when the transaction has given up.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_an_element_is_lost_and_found() {
    let Some(mut domain) = Domain::start().await else { return };
    let before = domain.running();
    let put = domain.put(FILE, |text| text);
    let key = put.key().clone();
    let writing = in_the_background(&domain, put.clone());
    wait(|| domain.writers().1 > 0).await;
    domain.pe2.disconnect();
    let record = writing.await.unwrap();
    // The other element was brought back at once, or nothing is said to be over.
    match &record.outcome {
        Some(Outcome::Unresolved { elements, .. }) => {
            assert_eq!(elements, &["pe2"]);
            assert_eq!(domain.pe1.running(), before.0);
            // Its paths are held: another transaction there waits for the end of this one.
            domain.pe2.reconnect();
        }
        _ => domain.pe2.reconnect(),
    }
    let end = truthful(&domain, record, &before).await;
    if end != Outcome::Applied {
        applied(&domain.write(vec![put]).await.unwrap());
    }
    applied(&domain.write(vec![domain.delete(&key)]).await.unwrap());
    assert_eq!(domain.running(), before);
}

pub fn in_the_background(
    domain: &Domain,
    edit: andante::controller::DocumentEdit,
) -> tokio::task::JoinHandle<TransactionRecord> {
    let controller = domain.controller.clone();
    tokio::spawn(async move {
        controller.write(&noc(), vec![edit], &Default::default(), &Default::default()).await.unwrap()
    })
}

/// Until something is seen on the wire.
async fn wait(mut seen: impl FnMut() -> bool) {
    let start = Instant::now();
    while !seen() {
        assert!(start.elapsed() < Duration::from_secs(30), "never seen");
        tokio::task::yield_now().await;
    }
}
