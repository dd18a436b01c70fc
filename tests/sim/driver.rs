//! NETCONF by the daemon's own driver.

use super::{Lab, confirm, tag, until};
use andante::adagio::netconf::{ConfirmedCommit, Datastore, NetconfError};
use andante::adagio::sim::Fault;
use andante::adagio::{Effect, Payload};
use andante::domain::Class;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_class_a_there_and_back_leaves_the_element_byte_for_byte() {
    let lab = Lab::start().await;
    let service = lab.service("pe1");
    let text = lab.sim.text("pe1").unwrap();
    assert!(!service.there.is_empty());
    let mut writer = lab.south("pe1").open_writer().await.unwrap();
    assert_eq!(writer.class(), Class::A);
    for payload in [&service.payload, &service.back] {
        writer.lock().await.unwrap();
        writer.prepare(payload).await.unwrap();
        let before = lab.sim.running("pe1").unwrap();
        let wanted = if before == service.before { &service.after } else { &service.before };
        writer.apply(payload, Some(&confirm(60))).await.unwrap();
        assert_eq!(&lab.read("pe1").await, wanted, "read from a session of its own");
        writer.extend(&confirm(60)).await.unwrap();
        writer.confirm(&confirm(60).persist).await.unwrap();
        writer.save().await.unwrap();
        writer.unlock().await.unwrap();
        assert_eq!(&lab.sim.running("pe1").unwrap(), wanted);
    }
    assert_eq!(lab.sim.text("pe1").unwrap(), text);
    // The bytes of the payload are on the wire as they are.
    let Payload::Netconf { config } = &service.payload else { panic!() };
    assert!(lab.typed("pe1").contains(config.as_str()));
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_or_not_confirmed_in_time_is_taken_back() {
    let lab = Lab::start().await;
    let service = lab.service("pe1");
    let mut writer = lab.south("pe1").open_writer().await.unwrap();
    let persist = confirm(1).persist;
    writer.lock().await.unwrap();
    writer.prepare(&service.payload).await.unwrap();
    writer.apply(&service.payload, Some(&confirm(60))).await.unwrap();
    assert_eq!(lab.sim.running("pe1").unwrap(), service.after);
    writer.cancel(&persist).await.unwrap();
    assert_eq!(lab.sim.running("pe1").unwrap(), service.before);
    // F4: a late cancel does not tell whether it was cancelled or confirmed.
    let late = writer.cancel(&persist).await.unwrap_err();
    assert_eq!((tag(&late), late.effect), ("operation-failed", Effect::Unknown));

    writer.prepare(&service.payload).await.unwrap();
    writer.apply(&service.payload, Some(&confirm(1))).await.unwrap();
    assert_eq!(lab.sim.running("pe1").unwrap(), service.after);
    until("the timer reverts", || lab.sim.running("pe1").unwrap() == service.before).await;
    assert_eq!(tag(&writer.confirm(&persist).await.unwrap_err()), "operation-failed", "F4");
    writer.unlock().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_before_the_commit_changes_nothing_and_a_lost_reply_is_unknown() {
    let lab = Lab::start().await;
    let service = lab.service("pe1");
    lab.sim.fault("pe1", Fault::Refuse { on: "edit-config".into(), answer: "too-big".into(), times: 1 }).unwrap();
    let mut writer = lab.south("pe1").open_writer().await.unwrap();
    writer.lock().await.unwrap();
    let refused = writer.prepare(&service.payload).await.unwrap_err();
    assert_eq!((tag(&refused), refused.effect), ("too-big", Effect::None));
    writer.prepare(&service.payload).await.unwrap();
    lab.sim.fault("pe1", Fault::LoseReply { on: "commit".into() }).unwrap();
    let lost = writer.apply(&service.payload, Some(&confirm(60))).await.unwrap_err();
    assert_eq!(lost.effect, Effect::Unknown);
    assert_eq!(lab.read("pe1").await, service.after, "only reading tells that it was done");
    drop(writer);

    // The holder of the lock is gone: whoever knows the persist-id takes it back.
    let other = lab.netconf("pe1").await;
    other.cancel_commit(Some(&confirm(60).persist)).await.unwrap();
    assert_eq!(lab.sim.running("pe1").unwrap(), service.before);

    // The connection ends instead of an answer, before anything was done: the candidate goes with its lock.
    let mut writer = lab.south("pe1").open_writer().await.unwrap();
    writer.lock().await.unwrap();
    writer.prepare(&service.payload).await.unwrap();
    lab.sim.fault("pe1", Fault::Close { on: "commit".into(), done: false }).unwrap();
    let cut = writer.apply(&service.payload, None).await.unwrap_err();
    assert_eq!(cut.effect, Effect::Unknown);
    assert_eq!(lab.sim.running("pe1").unwrap(), service.before);
    other.lock(Datastore::Candidate).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn classes_b_and_c_work_without_what_they_lack() {
    for class in [Class::B, Class::C] {
        let lab = Lab::with(|element| {
            element.class = class;
            element.base11 = false; // and the old framing at the same time
        })
        .await;
        let service = lab.service("pe1");
        let mut writer = lab.south("pe1").open_writer().await.unwrap();
        assert_eq!(writer.class(), class);
        writer.lock().await.unwrap();
        writer.prepare(&service.payload).await.unwrap();
        assert_eq!(lab.sim.running("pe1").unwrap(), service.before);
        writer.apply(&service.payload, None).await.unwrap();
        writer.unlock().await.unwrap();
        assert_eq!(lab.read("pe1").await, service.after);
        let session = lab.netconf("pe1").await;
        let confirmed = ConfirmedCommit::default();
        let refused = session.commit_confirmed(confirmed).await.unwrap_err();
        assert!(
            matches!(refused, NetconfError::NotSupported { capability: ":confirmed-commit", .. }),
            "{class}: {refused}"
        );
    }
}
