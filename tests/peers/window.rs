//! The confirm window of a class A element, with somebody else inside it: who ends our session, confirms our commit, adds
//! an edit of his own to it, or merely tries to. Real netconfd; the persist-id is read from the wire, as a spy would.
//!
//! While our session holds both locks all of this is refused (F2). So each story begins with the end of our session; from
//! then on nobody can lock, and everybody who knows the id can confirm (F3).

use crate::domain::{Domain, Wishes, noc};
use crate::support::NetconfSession;
use crate::unknown::{in_the_background, truthful};
use andante::domain::{Outcome, TransactionRecord};
use std::path::Path;

const FILE: &str = "l3vpn-any-to-any.json";
const IFMGR: &str = "http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg";
const THEIRS: &str = "GigabitEthernet0/0/0/2.9";

fn edit(interface: &str) -> String {
    format!(
        "<edit-config><target><candidate/></target><config><interface-configurations xmlns=\"{IFMGR}\">\
         <interface-configuration><active>act</active><interface-name>{interface}</interface-name>\
         <description>theirs</description></interface-configuration></interface-configurations></config></edit-config>"
    )
}

/// The persist-id of the confirmed commit that is waiting.
fn persist(domain: &Domain) -> String {
    let sent: String = domain.pe1.wire().iter().map(|session| session.text()).collect();
    let at = sent.rfind("<persist>").unwrap() + "<persist>".len();
    sent[at..].split('<').next().unwrap().to_owned()
}

/// Ends the session that holds the candidate's lock, as any administrator can.
async fn kill_ours(operator: &mut NetconfSession) {
    let denied = operator.rpc("<lock><target><candidate/></target></lock>");
    let id = denied.split("session-id>").nth(1).unwrap_or_else(|| panic!("{denied}"));
    let id = id.split('<').next().unwrap();
    operator.expect_ok(&format!("<kill-session><session-id>{id}</session-id></kill-session>"));
}

/// A transaction that stands before its read-backs: everything is applied, nothing is confirmed.
async fn inside_the_window<T>(
    domain: &mut Domain,
    story: impl AsyncFnOnce(&mut Domain, &mut NetconfSession) -> T,
) -> (TransactionRecord, T) {
    let holds = ["before-verify:pe1", "before-verify:pe2"].map(|point| domain.holds.at(point));
    let put = domain.put(FILE, |text| text);
    let writing = in_the_background(domain, put);
    for hold in &holds {
        hold.reached().await;
    }
    let mut operator = domain.pe1.operator();
    let told = story(domain, &mut operator).await;
    drop(operator);
    drop(holds);
    (writing.await.unwrap(), told)
}

/// What confirms our commit.
fn confirm(domain: &Domain) -> String {
    format!("<commit><persist-id>{}</persist-id></commit>", persist(domain))
}

async fn quick() -> Option<Domain> {
    let settings = |settings: &mut andante::config::Settings, _: &Path| {
        settings.adagio.connect_timeout = 5;
        settings.adagio.answer_timeout = 10;
    };
    Domain::with(Wishes { settings, ..Wishes::default() }).await
}

/// Ours is confirmed by somebody else, and nothing is wrong otherwise: it is applied, and said so.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_confirms_our_commit_and_it_is_applied() {
    let Some(mut domain) = quick().await else { return };
    let before = domain.running();
    let (record, ()) = inside_the_window(&mut domain, async |domain: &mut Domain, operator: &mut NetconfSession| {
        kill_ours(operator).await;
        operator.expect_ok("<discard-changes/>");
        operator.expect_ok(&confirm(domain));
    })
    .await;
    assert_eq!(truthful(&domain, record, &before).await, Outcome::Applied);
}

/// Ours is confirmed by somebody else, and the other element is lost: what can no longer be cancelled is undone.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_confirms_our_commit_and_it_is_undone() {
    let Some(mut domain) = quick().await else { return };
    let before = domain.running();
    let (record, ()) = inside_the_window(&mut domain, async |domain: &mut Domain, operator: &mut NetconfSession| {
        kill_ours(operator).await;
        operator.expect_ok("<discard-changes/>");
        operator.expect_ok(&confirm(domain));
        domain.pe2.disconnect();
    })
    .await;
    // `pe1` is not said to have gone back by itself: it was brought back, at once.
    assert!(!matches!(record.outcome, Some(Outcome::Applied)), "{record:#?}");
    let detail = record.elements["pe1"].detail.clone().unwrap_or_default();
    assert!(detail.contains("brought back") || detail.contains("taken back"), "{record:#?}");
    assert_eq!(domain.pe1.running(), before.0);
    domain.pe2.reconnect();
    assert!(matches!(truthful(&domain, record, &before).await, Outcome::NotApplied { .. }));
}

/// Somebody confirms our commit together with an edit of his own: ours is undone, his stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_was_confirmed_with_ours_stays_when_ours_is_undone() {
    let Some(mut domain) = quick().await else { return };
    let (record, ()) = inside_the_window(&mut domain, async |domain: &mut Domain, operator: &mut NetconfSession| {
        kill_ours(operator).await;
        operator.expect_ok(&edit(THEIRS));
        operator.expect_ok(&confirm(domain));
        domain.pe2.disconnect();
    })
    .await;
    assert!(!matches!(record.outcome, Some(Outcome::Applied)), "{record:#?}");
    let now = domain.pe1.running();
    assert!(now.contains(THEIRS) && !now.contains("GigabitEthernet0/0/0/1.100"), "{now}");
    domain.pe2.reconnect();
    ends_not_applied(&domain, record).await;
}

/// A foreign commit inside our window, which our cancel takes along: the report says which paths went with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_our_cancel_takes_along_is_named() {
    let Some(mut domain) = quick().await else { return };
    let before = domain.running();
    let (record, ()) = inside_the_window(&mut domain, async |domain: &mut Domain, operator: &mut NetconfSession| {
        kill_ours(operator).await;
        operator.expect_ok(&edit(THEIRS));
        let id = persist(domain);
        operator.expect_ok(&format!(
            "<commit><confirmed/><confirm-timeout>120</confirm-timeout><persist>{id}</persist>\
             <persist-id>{id}</persist-id></commit>"
        ));
        assert!(domain.pe1.running().contains(THEIRS));
        domain.pe2.disconnect();
    })
    .await;
    assert!(!matches!(record.outcome, Some(Outcome::Applied)), "{record:#?}");
    assert_eq!(domain.pe1.running(), before.0);
    let told = format!("{:?}", record.elements["pe1"]);
    assert!(told.contains(THEIRS), "{record:#?}");
    domain.pe2.reconnect();
    assert!(matches!(truthful(&domain, record, &before).await, Outcome::NotApplied { .. }));
}

/// A plain commit by a session that does not know the id, and a confirmation with a wrong one: the server refuses both,
/// and our transaction does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_persist_id_confirms_nothing() {
    let Some(mut domain) = quick().await else { return };
    let before = domain.running();
    let (record, answers) = inside_the_window(&mut domain, async |_: &mut Domain, operator: &mut NetconfSession| {
        [
            operator.rpc("<commit/>"),
            operator.rpc("<commit><persist-id>andante.guessed</persist-id></commit>"),
            operator.rpc("<cancel-commit><persist-id>andante.guessed</persist-id></cancel-commit>"),
            operator.rpc(&edit(THEIRS)),
        ]
    })
    .await;
    for answer in answers {
        assert!(answer.contains("rpc-error"), "{answer}");
    }
    assert_eq!(truthful(&domain, record, &before).await, Outcome::Applied);
    assert!(!domain.pe1.running().contains(THEIRS));
}

/// An administrator ends our session: inside the prepared phase nothing was applied, inside the window it is confirmed
/// from another session.
#[tokio::test(flavor = "multi_thread")]
async fn our_session_is_killed_by_somebody_else() {
    for (point, applied) in [("after-prepare:pe1", false), ("before-verify:pe1", true), ("before-confirm:pe1", true)] {
        let Some(domain) = quick().await else { return };
        let before = domain.running();
        let hold = domain.holds.at(point);
        let put = domain.put(FILE, |text| text);
        let writing = in_the_background(&domain, put);
        hold.reached().await;
        kill_ours(&mut domain.pe1.operator()).await;
        hold.go_on();
        let end = truthful(&domain, writing.await.unwrap(), &before).await;
        assert_eq!(end == Outcome::Applied, applied, "{point}: {end:?}");
    }
}

async fn ends_not_applied(domain: &Domain, record: TransactionRecord) {
    let mut record = record;
    for _ in 0..10 {
        if matches!(record.outcome, Some(Outcome::NotApplied { .. })) {
            break;
        }
        let pause = domain.controller.recover_again().await.unwrap().unwrap_or_default();
        tokio::time::sleep(pause.min(std::time::Duration::from_secs(2))).await;
        record = domain.controller.transaction(&noc(), &record.id).await.unwrap().unwrap();
    }
    assert!(matches!(record.outcome, Some(Outcome::NotApplied { .. })), "{record:#?}");
}
