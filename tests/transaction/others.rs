//! Others inside our confirm window: their commit goes with our revert and is named; their confirmation of ours is no
//! revert.

use crate::stage::{Stage, not_applied};
use andante::adagio::sim::Fault;
use andante::domain::{Class, Outcome, Turn};

const FOREIGN: &str = "<vrfs xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg\"><vrf><vrf-name>foreign</vrf-name><create/></vrf></vrfs>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_revert_takes_along_is_named() {
    let stage = Stage::of(&[Class::A, Class::D]).await;
    let sim = stage.sim.clone();
    // After our commit, at the console, which no lock holds back.
    stage.at.the("after-apply:pe1", move || async move { sim.hand_edit("pe1", FOREIGN).unwrap() });
    stage.fault("pe2", Fault::RefuseLine { number: 3, answer: "% no".into() });
    let record = stage.run().await;
    not_applied(&record);
    stage.all_before();
    let pe1 = &record.elements["pe1"];
    assert_eq!(pe1.turn, Turn::Restored);
    assert!(pe1.foreign.iter().any(|found| found.reverted && found.path.contains("vrf-name='foreign'")), "{pe1:#?}");
    assert!(pe1.detail.as_ref().unwrap().contains("foreign"), "{pe1:#?}");
    assert!(record.elements["pe2"].foreign.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_somebody_else_confirmed_is_compensated_and_not_called_reverted() {
    let stage = Stage::of(&[Class::A, Class::D]).await;
    let other = stage.session("pe1", "noc").await;
    let sim = stage.sim.clone();
    stage.at.the("after-apply:pe1", move || async move {
        // Our session is ended, and whoever has seen the persist-id confirms.
        let typed: String = sim.wire("pe1").unwrap().iter().map(|b| String::from_utf8_lossy(b).into_owned()).collect();
        let (_, rest) = typed.rsplit_once("<persist>").unwrap();
        let (persist, _) = rest.split_once("</persist>").unwrap();
        let denied = other.lock(andante::adagio::netconf::Datastore::Candidate).await.unwrap_err();
        let info = denied.rpc_errors()[0].info.clone().unwrap().inner;
        let holder: u32 = info.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
        other.kill_session(holder).await.unwrap();
        other.confirm(Some(persist)).await.unwrap();
        other.close().await.unwrap();
    });
    stage.fault("pe2", Fault::RefuseLine { number: 3, answer: "% no".into() });
    let record = stage.run().await;
    not_applied(&record);
    stage.all_before();
    let detail = record.elements["pe1"].detail.clone().unwrap();
    assert!(detail.contains("somebody else had confirmed"), "{detail}");
    assert!(!detail.contains("revert"), "{detail}");
}

/// An element that does not let us confirm has not said that there is nothing to confirm: its timer runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirm_that_is_not_allowed_is_not_taken_for_done() {
    let stage = Stage::of(&[Class::A]).await;
    let sim = stage.sim.clone();
    stage.at.the("before-confirm:pe1", move || async move {
        sim.fault("pe1", Fault::Refuse { on: "commit".into(), answer: "access-denied".into(), times: 100 }).unwrap();
    });
    let record = stage.run().await;
    assert!(matches!(record.outcome, Some(Outcome::Unresolved { .. })), "{record:#?}");
    stage.sim.mend("pe1").unwrap();
    let recovery = stage.recovery();
    let tried = recovery.retry(&stage.south).await.unwrap();
    assert_eq!(tried[0].outcome, Some(Outcome::Applied), "{tried:#?}");
    stage.all_after();
}
