//! Two of three elements commit, the third refuses to, or dies in the middle of it: the first two are back to before, and
//! the report names the state of each. On real servers: three netconfd, and netconfd of two classes with FRR.

use crate::crowd::{Crowd, Kind, Server};
use crate::daemon::Answer;
use crate::support::{Cut, wait_until};
use serde_json::Value;
use std::time::Duration;

use Kind::{A, B, D};

/// Each element's state, as the transaction says it.
fn states(record: &Value) -> Vec<(String, String)> {
    let all = record["element"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.iter().map(|of| (text(&of["name"]), text(&of["state"]))).collect()
}

fn all(states: [&str; 3]) -> Vec<(String, String)> {
    states.iter().enumerate().map(|(n, state)| (format!("pe{}", n + 1), (*state).to_owned())).collect()
}

/// The answer to the caller names the transaction and every element with its state too.
fn names_all(answer: &Answer, states: &[(String, String)]) {
    for (name, state) in states {
        assert!(answer.body.contains(name) && answer.body.contains(state), "{name} {state}: {answer:?}");
    }
}

#[test]
fn the_third_refuses_to_commit_and_the_others_are_back() {
    for (kinds, pattern) in [([A, A, A], "commit"), ([A, A, B], "commit"), ([A, B, D], "")] {
        let Some(crowd) = Crowd::start(&kinds, false) else { return };
        let before = crowd.running();
        let daemon = crowd.daemon();
        let document = if pattern.is_empty() { crowd.refused_document() } else { crowd.document(100) };
        if !pattern.is_empty() {
            crowd.members[2].server.cut(Cut::Refusal, pattern);
        }
        let answer = daemon.put(&document).is(409);
        assert!(!crowd.members[2].server.cut_is_pending(), "{kinds:?}: the refusal did not happen");
        // The two others had it: their configuration was read back, or at least sent.
        for member in &crowd.members[..2] {
            let Server::Netconf(element) = &member.server else { panic!() };
            assert!(element.wire().iter().any(|session| session.text().contains("<commit")), "{}", member.name);
        }
        assert!(crowd.running() == before, "{kinds:?}: not all as before");
        let record = daemon.transactions()[0].clone();
        assert_eq!(record["outcome"], "not-applied", "{record:#}");
        assert_eq!(record["cause"]["element"], "pe3", "{record:#}");
        assert_eq!(states(&record), all(["restored"; 3]), "{record:#}");
        names_all(&answer, &all(["restored"; 3]));
        assert!(daemon.services().is_empty());
        crowd.nothing_is_locked();
        // And nothing is in the way of the next one.
        daemon.put(&crowd.document(100)).is(201);
        daemon.delete().is(204);
        assert!(crowd.running() == before, "{kinds:?}");
        daemon.stop();
    }
}

#[test]
fn the_third_dies_in_its_commit_and_the_others_are_back() {
    for (kinds, pattern) in [([A, A, A], "<commit>"), ([A, A, D], "router bgp 65000 vrf")] {
        let Some(mut crowd) = Crowd::start(&kinds, false) else { return };
        let before = crowd.running();
        let daemon = crowd.daemon();
        crowd.members[2].server.cut(Cut::Death, pattern);
        let answer = daemon.put(&crowd.document(100));
        assert!(!crowd.members[2].server.cut_is_pending(), "{kinds:?}: it did not die");
        // Nobody knows what the dead one has: it is said so, while the others are back already.
        let answer = answer.is(202);
        let record = daemon.transactions()[0].clone();
        let id = record["id"].as_str().unwrap().to_owned();
        assert_eq!(record["outcome"], "unresolved", "{record:#}");
        assert_eq!(states(&record), all(["restored", "restored", "unknown"]), "{record:#}");
        names_all(&answer, &all(["restored", "restored", "unknown"]));
        for member in &crowd.members[..2] {
            let at = crowd.members.iter().position(|of| of.name == member.name).unwrap();
            assert!(member.server.running() == before[at], "{}", member.name);
        }
        match &mut crowd.members[2].server {
            Server::Netconf(element) => element.restart(),
            Server::Frr(element) => {
                element.kill_daemon("bgpd");
                element.start_daemon("bgpd");
                element.has_booted();
            }
        }
        let of = || daemon.transactions().into_iter().find(|record| record["id"] == *id).unwrap();
        wait_until("resolved", Duration::from_secs(30), || of()["finished"].is_string())
            .unwrap_or_else(|error| panic!("{kinds:?}: {error}: {:#}\n{}", of(), daemon.log()));
        assert_eq!(of()["outcome"], "not-applied", "{:#}", of());
        assert_eq!(states(&of()), all(["restored"; 3]), "{:#}", of());
        assert!(crowd.running() == before, "{kinds:?}: not all as before");
        crowd.nothing_is_locked();
        daemon.put(&crowd.document(100)).is(201);
        daemon.delete().is(204);
        assert!(crowd.running() == before, "{kinds:?}");
        daemon.stop();
    }
}
