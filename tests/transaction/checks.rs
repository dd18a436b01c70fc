//! The state of elements between VERIFIED and DECIDED, on simulated elements.

use crate::stage::{Stage, not_applied};
use andante::domain::outcome::CauseKind;
use andante::domain::{CheckVerdict, Class, Outcome, Turn};

const BGP: &str = "show bgp vrf all summary json";
const MARK: &str = "vrf ";

fn peers(state: &str) -> String {
    format!("{{\"default\":{{\"ipv4Unicast\":{{\"peers\":{{\"10.0.0.9\":{{\"state\":\"{state}\"}}}}}}}}}}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_goes_down_by_the_change_brings_all_elements_back() {
    let mut stage = Stage::of(&[Class::A, Class::D]).await;
    stage.check("pe2", &["bgp-session"]);
    stage.sim.show("pe2", BGP, "", &peers("Established")).unwrap();
    stage.sim.show("pe2", BGP, MARK, &peers("Active")).unwrap();
    let record = stage.run().await;
    let cause = not_applied(&record);
    assert_eq!((cause.kind, cause.element.as_deref()), (CauseKind::Check, Some("pe2")), "{cause}");
    assert!(cause.message.contains("10.0.0.9 was Established, is Active"), "{cause}");
    stage.all_before();
    let checks = &record.elements["pe2"].checks;
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(checks.len(), 1);
    assert_eq!((checks[0].before.clone(), checks[0].after.clone()), (said("Established"), said("Active")));
    assert_eq!(checks[0].verdict, CheckVerdict::Failed);
    assert!(record.elements.values().all(|progress| progress.turn == Turn::Restored), "{record:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_no_worse_than_before_is_kept_in_the_record() {
    let mut stage = Stage::of(&[Class::A, Class::D]).await;
    stage.check("pe1", &["interface"]);
    stage.check("pe2", &["bgp-session"]);
    let brief = |name: &str, state: &str| {
        format!(
            "<interface-brief><interface-name>{name}</interface-name><actual-state>{state}</actual-state></interface-brief>"
        )
    };
    let xml = |second: &str| {
        format!(
            "<interfaces xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-pfi-im-cmd-oper\"><interface-briefs>{}{}\
             </interface-briefs></interfaces>",
            brief("GigabitEthernet0/0/0/1", "im-state-up"),
            brief("GigabitEthernet0/0/0/2", second)
        )
    };
    stage.sim.show("pe1", "", "", &xml("im-state-down")).unwrap();
    stage.sim.show("pe2", BGP, "", &peers("Active")).unwrap();
    stage.sim.show("pe2", BGP, MARK, &peers("Established")).unwrap();
    let record = stage.run().await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    let checks = &record.elements["pe1"].checks;
    assert!(checks.len() == 2 && checks.iter().all(|check| check.verdict == CheckVerdict::Good), "{checks:#?}");
    assert_eq!(record.elements["pe2"].checks[0].after.as_deref(), Some("Established"));
    stage.all_after();
}

/// It comes up within the limit: the check waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_comes_up_again_in_time_is_waited_for() {
    let mut stage = Stage::of(&[Class::D]).await;
    stage.check("pe1", &["bgp-session"]);
    stage.sim.show("pe1", BGP, "", &peers("Established")).unwrap();
    stage.sim.show("pe1", BGP, MARK, &peers("Connect")).unwrap();
    let sim = stage.sim.clone();
    stage.at.the("before-check:pe1", move || async move {
        tokio::spawn(async move {
            // In the middle of the limit of two seconds: a condition in time is what is asked here.
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            sim.show("pe1", BGP, MARK, &peers("Established")).unwrap();
        });
    });
    assert_eq!(stage.run().await.outcome, Some(Outcome::Applied));
}

/// A process that died by the change tells nothing: that is a failure, not silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_cannot_be_read_afterwards_is_a_failure() {
    let mut stage = Stage::of(&[Class::D]).await;
    stage.check("pe1", &["bgp-session"]);
    stage.sim.show("pe1", BGP, "", &peers("Established")).unwrap();
    stage.sim.show("pe1", BGP, MARK, "bgpd is not running\n").unwrap();
    let cause = not_applied(&stage.run().await);
    assert!(cause.kind == CauseKind::Check && cause.message.contains("bgpd is not running"), "{cause}");
    stage.all_before();
}

/// An element that lost the thing whole says `{}`, as one says of which the change took the last session away: that passes
/// only where the change does nothing but take away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_which_nothing_is_left_is_a_failure() {
    let mut stage = Stage::of(&[Class::D]).await;
    stage.check("pe1", &["bgp-session"]);
    stage.sim.show("pe1", BGP, "", &peers("Established")).unwrap();
    stage.sim.show("pe1", BGP, MARK, "{}\n").unwrap();
    let record = stage.run().await;
    let cause = not_applied(&record);
    assert!(cause.kind == CauseKind::Check && cause.message.contains("10.0.0.9 was Established"), "{cause}");
    assert!(cause.message.contains("is nothing"), "{cause}");
    assert_eq!(record.elements["pe1"].checks[0].verdict, CheckVerdict::Failed);
    stage.all_before();
}
