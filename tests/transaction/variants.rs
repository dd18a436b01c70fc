//! What NETCONF servers have and have not: each variant commits, and takes back.

use crate::stage::{Stage, not_applied};
use andante::adagio::sim::{Abilities, Fault, SimElement};
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, Outcome, Turn};
use std::sync::{Arc, Mutex};

type Variant = (&'static str, fn(&mut SimElement));

const VARIANTS: [Variant; 8] = [
    ("all that there is", |_| {}),
    (":startup", |element| element.abilities.startup = true),
    ("no :rollback-on-error", |element| element.abilities.rollback_on_error = false),
    ("no :validate", |element| element.abilities.validate = false),
    (":writable-running as well", |element| element.abilities.writable_running = true),
    ("no locks", |element| element.abilities.lock = false),
    ("1.0 only", |element| element.base11 = false),
    ("as little as possible", |element| {
        element.base11 = false;
        element.abilities = Abilities {
            startup: false,
            lock: false,
            validate: false,
            rollback_on_error: false,
            writable_running: false,
        };
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_variant_of_every_class_commits() {
    for class in [Class::A, Class::B, Class::C] {
        for (what, variant) in VARIANTS {
            let stage = Stage::with(&[class], variant).await;
            let record = stage.run().await;
            assert_eq!(record.outcome, Some(Outcome::Applied), "{class} {what}: {record:#?}");
            stage.all_after();
            let saved = stage.sim.startup("pe1").unwrap();
            assert_eq!(saved.is_some(), what == ":startup", "{class} {what}");
            assert!(saved.is_none_or(|saved| saved == stage.elements["pe1"].1), "{class} {what}");
            let detail = record.elements["pe1"].detail.clone().unwrap_or_default();
            let lockless = what == "no locks" || what == "as little as possible";
            assert_eq!(detail.contains("cannot lock"), lockless, "{class} {what}: {detail}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_variant_of_every_class_takes_back() {
    for class in [Class::A, Class::B, Class::C] {
        for (what, variant) in VARIANTS {
            // The second is of class D and refuses, when the first has committed.
            let stage = Stage::with(&[class, Class::D], variant).await;
            stage.fault("pe2", Fault::RefuseLine { number: 3, answer: "% no".into() });
            let record = stage.run().await;
            assert_eq!(not_applied(&record).kind, CauseKind::Refused, "{class} {what}");
            stage.all_before();
            assert!(stage.sim.startup("pe1").unwrap().is_none_or(|saved| saved == stage.elements["pe1"].0));
        }
    }
}

/// Without base:1.1 a confirmed commit cannot outlive its session (F5): such an element is of class B.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_element_that_speaks_only_the_old_framing_is_not_of_class_a() {
    let stage = Stage::with(&[Class::A], |element| element.base11 = false).await;
    assert_eq!(stage.plan.elements[0].class, Class::B);
    assert_eq!(stage.run().await.outcome, Some(Outcome::Applied));
    let typed: String =
        stage.sim.wire("pe1").unwrap().iter().map(|b| String::from_utf8_lossy(b).into_owned()).collect();
    assert!(typed.contains("<commit/>") && !typed.contains("<confirmed/>"), "{typed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_errors_of_one_reply_are_all_quoted() {
    for (class, on) in
        [(Class::A, "edit-config"), (Class::A, "commit"), (Class::B, "commit"), (Class::C, "edit-config")]
    {
        let stage = Stage::of(&[class]).await;
        stage.fault("pe1", Fault::Refuse { on: on.into(), answer: "data-exists|invalid-value".into(), times: 1 });
        let cause = not_applied(&stage.run().await);
        assert_eq!(cause.kind, CauseKind::Refused, "{class} {on}: {cause}");
        assert!(
            cause.message.contains("data-exists") && cause.message.contains("invalid-value"),
            "{class} {on}: {cause}"
        );
        stage.all_before();
        // Nothing is left behind: the same again goes well.
        assert_eq!(stage.run_as("t2").await.outcome, Some(Outcome::Applied), "{class} {on}");
    }
}

/// `:rollback-on-error` or not: an edit of running that is refused half way leaves nothing behind. Without it the element
/// keeps the first part; that is read, and taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_edit_of_running_is_taken_back() {
    for rollback in [true, false] {
        let stage = Stage::with(&[Class::C, Class::C], |element| element.abilities.rollback_on_error = rollback).await;
        stage.fault("pe2", Fault::Refuse { on: "edit-config".into(), answer: "operation-failed".into(), times: 1 });
        let (sim, seen) = (stage.sim.clone(), Arc::new(Mutex::new(None)));
        let kept = seen.clone();
        stage.at.the("after-apply:pe2", move || async move {
            *kept.lock().unwrap() = Some(sim.running("pe2").unwrap());
        });
        let record = stage.run().await;
        let cause = not_applied(&record);
        assert_eq!((cause.kind, cause.element.as_deref()), (CauseKind::Refused, Some("pe2")), "{cause}");
        let (before, after) = &stage.elements["pe2"];
        let seen = seen.lock().unwrap().take().unwrap();
        assert_ne!(&seen, after);
        assert_eq!(&seen == before, rollback, "the simulator left no half, so nothing is shown here");
        stage.all_before();
        assert!(record.elements.values().all(|of| of.turn == Turn::Restored), "{record:#?}");
        assert_eq!(stage.run_as("t2").await.outcome, Some(Outcome::Applied));
        stage.all_after();
    }
}

/// An adapter that orders an explicit `<validate>`: its refusal, and one of the commit behind it, leave nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explicit_validation_that_refuses_turns_all_back() {
    for (class, on) in [(Class::A, "validate"), (Class::B, "validate"), (Class::A, "commit")] {
        let says = [("validate = \"test-then-set\"", "validate = \"explicit\"")];
        let stage = Stage::where_adapters(&[Class::D, class], |_| {}, &says).await;
        stage.fault("pe2", Fault::Refuse { on: on.into(), answer: "data-missing|operation-failed".into(), times: 1 });
        let record = stage.run().await;
        let cause = not_applied(&record);
        assert_eq!((cause.kind, cause.element.as_deref()), (CauseKind::Refused, Some("pe2")), "{class} {on}: {cause}");
        assert!(cause.message.contains("data-missing") && cause.message.contains("operation-failed"), "{cause}");
        assert_eq!(cause.message.contains("validate candidate"), on == "validate", "{cause}");
        stage.all_before();
        let typed = |name: &str| -> String {
            stage.sim.wire(name).unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
        };
        assert!(typed("pe2").contains("<validate>") && !typed("pe2").contains("test-then-set"));
        // Whoever refuses while it validates, nothing was typed at the others.
        assert!(!typed("pe1").contains("configure terminal"), "{class} {on}");
        assert_eq!(stage.run_as("t2").await.outcome, Some(Outcome::Applied), "{class} {on}");
        stage.all_after();
    }
}

/// A transaction id is used once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_has_a_journal_is_refused() {
    let stage = Stage::of(&[Class::A]).await;
    assert_eq!(stage.run().await.outcome, Some(Outcome::Applied));
    let cause = not_applied(&stage.run().await);
    assert!(cause.kind == CauseKind::Internal && cause.message.contains("journal"), "{cause}");
    stage.all_after();
}

/// One edit that stops at its first error is no one shot (RFC 6241 §7.2): without `:rollback-on-error` an element without
/// a candidate takes back what it can line by line, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rollback_on_error_nothing_is_promised_at_once() {
    for (ability, class) in [(true, Class::C), (false, Class::D)] {
        let stage = Stage::with(&[Class::C], |element| element.abilities.rollback_on_error = ability).await;
        assert_eq!(stage.plan.elements[0].class, class);
    }
}
