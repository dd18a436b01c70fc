//! A daemon dies while it carries out a request that has a name; the orchestrator, which got no answer, sends it again to
//! the next daemon. It is never carried out a second time: what became of the first is answered.

use crate::daemon::{ACME, Answer, Daemon};
use crate::domain::{Domain, document};
use serde_json::json;

/// After the decision the next daemon rolls it forward, before it everything goes back; in both cases the same request is
/// answered with the transaction that it began.
#[test]
fn a_request_sent_again_to_the_next_daemon_is_not_carried_out_again() {
    let Some(domain) = Domain::start() else { return };
    let before = domain.running();
    let document = document();
    for (number, point, outcome, status) in
        [(1, "after-apply:pe1", "not-applied", 503), (2, "after-intent-decided", "applied", 201)]
    {
        let name = format!("idempotency-key: \"order-{number}\"\r\n");
        let put = |daemon: &Daemon| daemon.try_ask_with("PUT", ACME, &name, &document);
        let daemon = domain.doomed(point);
        assert!(put(&daemon).is_err(), "{point}: a dead daemon answered");
        daemon.dies_at(point);
        let daemon = domain.daemon();
        let all = daemon.transactions();
        assert_eq!(all.len(), number, "{point}");
        let id = all[0]["id"].as_str().unwrap().to_owned();
        assert_eq!((&all[0]["outcome"], &all[0]["request-id"]), (&json!(outcome), &json!(format!("order-{number}"))));
        let now = domain.running();
        assert_eq!(now == before, outcome == "not-applied", "{point}");

        let again = put(&daemon).unwrap().is(status);
        assert_eq!(again.header("andante-transaction").as_deref(), Some(id.as_str()), "{point}: {again:?}");
        // And to a third one, which was never told anything.
        daemon.stop();
        let daemon = domain.daemon();
        let once_more = put(&daemon).unwrap().is(status);
        assert_eq!(once_more.header("andante-transaction").as_deref(), Some(id.as_str()), "{point}: {once_more:?}");
        reused(&daemon, &name, &document);
        assert_eq!(daemon.transactions().len(), number, "{point}: it was carried out again");
        assert!(domain.running() == now, "{point}: something was sent");
        daemon.stop();
    }
    let daemon = domain.daemon();
    assert_eq!(daemon.services(), ["acme-l3"]);
    daemon.delete().is(204);
    domain.comes_to("after the removal", &before);
    domain.nothing_is_locked();
    daemon.stop();
}

/// Something else under the name is refused with the transaction that has it.
fn reused(daemon: &Daemon, name: &str, document: &str) {
    let other = document.replace("\"cvlan-id\":100", "\"cvlan-id\":200");
    let refused: Answer = daemon.try_ask_with("PUT", ACME, name, &other).unwrap().is(422);
    assert!(refused.body.contains("request-id-reused"), "{refused:?}");
}
