//! SIGKILL and SIGTERM from outside, while the daemon waits for a slow element.

use crate::daemon::{ACME, Answer, Daemon};
use crate::domain::{Domain, document};
use crate::support::wait_until;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

/// Asks for the service (or its removal) and stops `pe2`'s line when this was typed; then the transaction is in `phase`.
fn held_at(
    domain: &Domain,
    daemon: &Daemon,
    (method, body): (&str, &str),
    typed: &str,
    phase: &str,
) -> JoinHandle<io::Result<Answer>> {
    let sessions = domain.pe2.wire().len();
    domain.line.slow(Duration::from_millis(60));
    let answer = daemon.ask_aside(method, ACME, body);
    wait_until(typed, Duration::from_secs(30), || {
        domain.pe2.wire().iter().skip(sessions).any(|session| session.text().contains(typed))
    })
    .unwrap();
    domain.line.stand_still();
    wait_until(phase, Duration::from_secs(5), || daemon.transactions()[0]["phase"] == phase)
        .unwrap_or_else(|error| panic!("{error}: {:#}", daemon.transactions()[0]));
    answer
}

fn let_go(domain: &Domain) {
    domain.line.slow(Duration::ZERO);
    domain.line.go_on();
}

/// kill -9 while lines are being typed, with the NETCONF element waiting for its confirmation: both go back. While the
/// configuration is being saved, after the decision: both go forward.
#[test]
fn kill_9_while_an_element_is_slow() {
    let Some(domain) = Domain::start() else { return };
    let reference = domain.reference();
    let document = document();
    for (request, typed, phase, outcome, before, after) in [
        (("PUT", &*document), TYPING, "applied", "not-applied", &reference.before, &reference.before),
        (("PUT", &*document), "write memory", "decided", "applied", &reference.before, &reference.after),
        (("DELETE", ""), TYPING, "applied", "not-applied", &reference.after, &reference.after),
        (("DELETE", ""), "write memory", "decided", "applied", &reference.after, &reference.before),
    ] {
        domain.comes_to("before", before);
        let daemon = domain.daemon();
        let answer = held_at(&domain, &daemon, request, typed, phase);
        daemon.kill();
        assert!(answer.join().unwrap().is_err(), "a dead daemon answered");
        let_go(&domain);
        let daemon = domain.daemon();
        let what = format!("{} killed in {phase}", request.0);
        domain.comes_to(&what, after);
        let newest = &daemon.transactions()[0];
        assert_eq!(newest["outcome"], outcome, "{what}: {newest:#}");
        assert_eq!(daemon.services().is_empty(), after == &reference.before, "{what}");
        domain.nothing_is_locked();
        daemon.stop();
    }
}

/// SIGTERM after APPLIED: the transaction is finished, its caller gets the answer, the process ends well.
#[test]
fn sigterm_waits_for_a_transaction_that_has_sent() {
    let Some(domain) = Domain::start() else { return };
    let reference = domain.reference();
    let document = document();
    let mut daemon = domain.daemon();
    let answer = held_at(&domain, &daemon, ("PUT", &document), TYPING, "applied");
    daemon.signal("TERM");
    wait_until("the stop begins", Duration::from_secs(5), || daemon.log().contains("stopping")).unwrap();
    assert!(daemon.is_alive());
    let_go(&domain);
    answer.join().unwrap().unwrap().is(201);
    assert!(daemon.wait(Duration::from_secs(30)).success());
    assert!(!domain.socket("andante").exists(), "the socket file stays");
    assert!(domain.running() == reference.after, "the transaction was not finished");
    let daemon = domain.daemon();
    assert_eq!(daemon.transactions()[0]["outcome"], "applied");
    assert_eq!(daemon.services(), ["acme-l3"]);
    daemon.stop();
}

/// SIGTERM while a lock is waited for: nothing was sent, so the transaction turns back at once.
#[test]
fn sigterm_ends_a_transaction_that_has_sent_nothing() {
    let Some(domain) = Domain::start() else { return };
    let before = domain.running();
    let mut operator = domain.pe1.operator();
    operator.expect_ok("<lock><target><candidate/></target></lock>");
    let mut daemon = domain.daemon();
    let answer = daemon.ask_aside("PUT", ACME, &document());
    wait_until("locking", Duration::from_secs(20), || {
        daemon.transactions().first().is_some_and(|newest| newest["phase"] == "locked")
    })
    .unwrap();
    daemon.signal("TERM");
    let answer = answer.join().unwrap().unwrap();
    assert!(answer.status == 503 && answer.body.contains("\"not-applied\""), "{answer:?}");
    assert!(daemon.wait(Duration::from_secs(15)).success());
    operator.expect_ok("<unlock><target><candidate/></target></unlock>");
    assert!(domain.running() == before);
    let daemon = domain.daemon();
    assert_eq!(daemon.transactions()[0]["outcome"], "not-applied");
    assert!(daemon.services().is_empty());
    domain.nothing_is_locked();
    daemon.stop();
}

/// A line in the middle of what `pe2` is told, at creation and at removal.
const TYPING: &str = "router bgp 65000 vrf";
