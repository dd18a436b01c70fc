//! The ticket of every write stands in the audit, whatever the write is and however it ends.

use crate::simulated::Domain;
use andante::adagio::sim::Fault;
use http::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// What only looks, or keeps a plan: the ticket of a kept plan goes with its commit.
const LOOKS: [&str; 8] =
    ["plan", "watch-transaction", "check-sync", "service-history", "why", "element-config", "rollback", "undo"];

/// Which operation each of the writes below calls.
const WRITES: [&str; 8] =
    ["apply-elements", "probe", "apply", "commit-plan", "heal", "rewrite", "queued-change", "cancel-transaction"];

/// Who writes, with a ticket of its own for each write.
struct Clerk<'a> {
    domain: &'a Domain,
    tickets: usize,
}

impl Clerk<'_> {
    fn next(&mut self) -> String {
        self.tickets += 1;
        format!("CHG-{}", self.tickets)
    }

    /// Runs the command with a ticket; it must end so, and the audit must have it under this action. Answers what it printed.
    async fn writes(&mut self, words: &[&str], code: i32, action: &str) -> String {
        let ticket = self.next();
        let words: Vec<&str> = words.iter().copied().chain(["--ticket", &ticket]).collect();
        let ended = self.domain.run(&words).await.with(code);
        self.audited(&ticket, action, &words.join(" ")).await;
        ended.out
    }

    /// The audit has exactly one record of this action with this ticket.
    async fn audited(&self, ticket: &str, action: &str, what: &str) {
        let audited = self.domain.audit().await;
        let with: Vec<_> = audited.iter().filter(|one| one.principal.ticket.as_deref() == Some(ticket)).collect();
        assert_eq!(with.iter().filter(|one| one.action == action).count(), 1, "{what}: {with:#?}");
        assert!(with.iter().all(|one| !one.principal.user.is_empty() && !one.target.is_empty()), "{what}: {with:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ticket_of_every_write_stands_in_the_audit() {
    let domain = Domain::start().await;
    let listed = domain.daemon.get("/restconf/operations").await.is(200).json();
    let listed: BTreeSet<&str> =
        listed["ietf-restconf:operations"].as_object().unwrap().keys().map(String::as_str).collect();
    let known: BTreeSet<String> =
        LOOKS.iter().chain(&WRITES).chain(&["resolve"]).map(|name| format!("andante:{name}")).collect();
    assert_eq!(listed, known.iter().map(String::as_str).collect(), "an operation that this test does not know");

    let mut clerk = Clerk { domain: &domain, tickets: 0 };
    // The inventory, and a host key.
    let inventory = domain.folder.path().join("one.toml");
    let stranger = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let entry = format!(
        "[[element]]\nname = \"pe3\"\nadapter = \"iosxr\"\naddress = \"{}\"\nusername = \"andante\"\n\
         password_file = \"{}\"\nhost_key = \"{stranger}\"\nrouter_id = \"10.255.0.3\"\nasn = 65000\n\
         ports = [{{ name = \"GigabitEthernet0/0/0/2\" }}]\n",
        domain.sim.address("pe3").unwrap(),
        domain.folder.path().join("password").display(),
    );
    std::fs::write(&inventory, entry).unwrap();
    clerk.writes(&["element", "apply", inventory.to_str().unwrap(), "--partial"], 0, "apply-elements").await;
    clerk.writes(&["element", "probe", "pe3", "--trust"], 0, "trust-host-key").await;

    // Services: at once, by a plan, back and forth; and by a plain PUT and DELETE.
    let file = domain.file("acme.json", "acme", 100);
    let file = file.to_str().unwrap();
    clerk.writes(&["service", "apply", file], 0, "transaction").await;
    domain.file("acme.json", "acme", 200);
    let shown = domain.run(&["plan", file]).await.with(2).out;
    let plan = shown.split("andante commit ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    clerk.writes(&["commit", &plan], 0, "transaction").await;
    clerk.writes(&["service", "rollback", "acme", "1", "--commit"], 0, "transaction").await;
    let newest = domain.transactions().await[0]["id"].as_str().unwrap().to_owned();
    clerk.writes(&["transaction", "undo", &newest, "--commit"], 0, "transaction").await;
    let ticket = clerk.next();
    let path = "/restconf/data/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service=bravo";
    let all = crate::simulated::document("bravo", 300);
    let service = &all["ietf-l3vpn-ntw:l3vpn-ntw"]["vpn-services"]["vpn-service"];
    let body = serde_json::json!({ "ietf-l3vpn-ntw:vpn-service": service }).to_string();
    let headers = [("content-type", crate::daemon::JSON), ("andante-ticket", ticket.as_str())];
    domain.daemon.ask(Method::PUT, path, &headers, body).await.is(201);
    clerk.audited(&ticket, "transaction", "PUT").await;
    let ticket = clerk.next();
    domain.daemon.ask(Method::DELETE, path, &[("andante-ticket", ticket.as_str())], "").await.is(204);
    clerk.audited(&ticket, "transaction", "DELETE").await;

    // A deviation: taken for a spelling, not taken for one any more, healed.
    let port =
        domain.sim.text("pe2").unwrap().lines().find(|line| line.starts_with("interface eth1.")).unwrap().to_owned();
    domain.sim.hand_edit("pe2", &format!("{port}\n description by hand\n")).unwrap();
    domain.run(&["element", "check", "pe2"]).await.with(2);
    let found = domain.json(&["deviation", "list"], 2).await["andante:deviations"]["deviation"][0].clone();
    let at = found["path"].as_str().unwrap();
    clerk.writes(&["element", "rewrite", "confirm", "pe2", at], 0, "confirm-rewrite").await;
    clerk.writes(&["element", "rewrite", "forget", "pe2", at], 0, "forget-rewrite").await;
    clerk.writes(&["deviation", "heal", "--element", "pe2"], 0, "transaction").await;

    // What is queued.
    domain.sim.fault("pe2", Fault::Unreachable).unwrap();
    domain.file("acme.json", "acme", 400);
    clerk.writes(&["service", "apply", file, "--queue", "block"], 0, "transaction").await;
    clerk.writes(&["queue", "retry", "pe2", "acme"], 0, "retry-queued-change").await;
    clerk.writes(&["queue", "drop", "pe2", "acme"], 0, "drop-queued-change").await;
    domain.sim.mend("pe2").unwrap();
    domain.file("acme.json", "acme", 500);
    clerk.writes(&["service", "apply", file], 0, "transaction").await;

    // Called off.
    let hold = domain.daemon.holds.at("before-apply:pe1");
    domain.file("acme.json", "acme", 600);
    let accepted = domain.run(&["service", "apply", file, "--async"]).await.with(0).out;
    let id = accepted.lines().rev().nth(1).unwrap().to_owned();
    hold.reached().await;
    let asked = async {
        while !domain.audit().await.iter().any(|one| one.action == "cancel-transaction") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        hold.go_on();
    };
    let asked = tokio::time::timeout(Duration::from_secs(60), asked);
    let cancel = ["transaction", "cancel", &id];
    let (_, asked) = tokio::join!(clerk.writes(&cancel, 0, "cancel-transaction"), asked);
    asked.expect("the cancel arrives");

    // Not applied, and a word on what is unresolved.
    domain.sim.fault("pe2", Fault::Refuse { on: "description".into(), answer: "% no".into(), times: 1 }).unwrap();
    clerk.writes(&["service", "apply", file], 3, "transaction").await;
    clerk.writes(&["service", "delete", "acme"], 0, "transaction").await;
    let stuck = |on: &str| Fault::Refuse { on: on.into(), answer: "% stuck".into(), times: 1000 };
    domain.sim.fault("pe2", stuck("router bgp")).unwrap();
    domain.sim.fault("pe2", stuck("no ")).unwrap();
    clerk.writes(&["service", "apply", file], 4, "transaction").await;
    let newest = domain.transactions().await[0].clone();
    assert_eq!(newest["outcome"], "unresolved", "{newest:#}");
    let id = newest["id"].as_str().unwrap();
    domain.sim.mend("pe2").unwrap();
    clerk.writes(&["transaction", "resolve", id, "--all", "--retry"], 0, "resolve").await;
    assert_eq!(domain.services().await, [] as [Value; 0]);
    assert_eq!(domain.texts(), domain.empty);
    domain.daemon.end().await;
}
