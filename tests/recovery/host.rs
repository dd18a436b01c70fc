//! What the daemon's own machine does to it in the middle of a transaction: no free descriptor, no room on the disk (for
//! the store and for the log at once). Real elements; the daemon is a process of its own, limited by `prlimit`.

use crate::crowd::{Crowd, Kind};
use crate::daemon::{ACME, Daemon};
use crate::support::{processes::run, wait_until};
use std::process::Command;
use std::time::Duration;

use Kind::{A, D};

fn limit(daemon: &Daemon, what: &str, value: &str) {
    run(Command::new("prlimit").args(["--pid", &daemon.pid().to_string()]).arg(format!("--{what}={value}")));
}

/// Every descriptor is taken: no session can be opened. The caller is told, the network is as before, the daemon lives,
/// and when there is room again all goes on.
#[test]
fn without_a_free_descriptor_nothing_is_half_done() {
    let Some(crowd) = Crowd::start(&[A, D], false) else { return };
    let before = crowd.running();
    let mut daemon = crowd.daemon();
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    let mut told = 0;
    // One more for the request itself, then one more for the first session, and so on: wherever it runs out.
    for spare in 0..6 {
        limit(&daemon, "nofile", &format!("{}:", open + spare));
        let answer = daemon.try_ask("PUT", ACME, &crowd.document(100));
        limit(&daemon, "nofile", "1024:");
        assert!(daemon.is_alive(), "{spare} spare descriptors: the daemon is dead");
        if let Ok(answer) = answer {
            if answer.status == 201 {
                // Enough of them: the rest of the story is told by others.
                daemon.delete().is(204);
                assert!(spare > 1, "{spare} spare descriptors were enough?");
                break;
            }
            assert!((400..600).contains(&answer.status) || answer.status == 202, "{spare}: {answer:?}");
            told += 1;
        }
        wait_until("all is over", Duration::from_secs(30), || {
            daemon.transactions().iter().all(|record| record["finished"].is_string())
        })
        .unwrap_or_else(|error| panic!("{spare}: {error}: {:#}", daemon.transactions()[0]));
        assert!(crowd.running() == before, "{spare} spare descriptors: not as before");
        assert!(daemon.services().is_empty());
    }
    assert!(told > 0, "no request came as far as an element");
    crowd.nothing_is_locked();
    daemon.put(&crowd.document(100)).is(201);
    daemon.delete().is(204);
    assert!(crowd.running() == before);
    daemon.stop();
}

/// The disk is full from the moment in which both elements have it: the decision cannot be written, so both go back; not
/// a line can be logged either. With room again the end is written, and the service can be made.
#[test]
fn a_disk_that_is_full_in_the_middle_turns_the_transaction_back() {
    let Some(crowd) = Crowd::start(&[A, D], false) else { return };
    let before = crowd.running();
    let mut daemon = crowd.daemon();
    let frr = crowd.member("pe2");
    let typed = |sessions: usize, word: &str| {
        frr.server.wire().iter().skip(sessions).any(|session| session.text().contains(word))
    };
    let sessions = frr.server.wire().len();
    frr.line.slow(Duration::from_millis(60));
    let answer = daemon.ask_aside("PUT", ACME, &crowd.document(100));
    wait_until("typing", Duration::from_secs(30), || typed(sessions, "router bgp 65000 vrf")).unwrap();
    frr.line.stand_still();
    limit(&daemon, "fsize", "0:unlimited");
    frr.line.slow(Duration::ZERO);
    frr.line.go_on();
    let answer = answer.join().unwrap().unwrap();
    assert!(daemon.is_alive(), "the daemon is dead");
    assert!(answer.status != 201 && answer.status != 204, "{answer:?}");
    assert!(crowd.running() == before, "{answer:?}");
    assert!(daemon.services().is_empty());
    // It says so as long as it lasts, and sends nothing.
    let sessions = frr.server.wire().len();
    let refused = daemon.put(&crowd.document(100));
    assert!(refused.status >= 400, "{refused:?}");
    assert!(!typed(sessions, "configure terminal"), "{refused:?}");
    limit(&daemon, "fsize", "unlimited:unlimited");
    wait_until("the end is written", Duration::from_secs(30), || {
        daemon.transactions().iter().all(|record| record["finished"].is_string() && record["outcome"] == "not-applied")
    })
    .unwrap_or_else(|error| panic!("{error}: {:#?}\n{}", daemon.transactions(), daemon.log()));
    crowd.nothing_is_locked();
    daemon.put(&crowd.document(100)).is(201);
    daemon.delete().is(204);
    assert!(crowd.running() == before);
    daemon.stop();
}
