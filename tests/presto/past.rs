//! What has been and what did not end, through RESTCONF and the command, on simulated elements: history, the way back, the
//! undo, a folder as one transaction, and the word of an operator on an unresolved transaction.

use crate::simulated::{Domain, document};
use andante::adagio::sim::Fault;
use serde_json::{Value, json};

const CHANGED_BY_HAND: &str = "interface eth1.100\n description by hand\n";

/// Create, modify, delete: each is a revision with its ticket, and a deleted service comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_has_a_history_and_comes_back_from_it() {
    let domain = Domain::start().await;
    let before = domain.texts();
    let first = domain.apply("acme", 100, "CHG-1").await;
    let with_100 = domain.texts();
    let second = domain.apply("acme", 200, "CHG-2").await;
    let list = domain.json(&["service", "history", "acme"], 0).await;
    let list = list["andante:output"]["revision"].as_array().unwrap().clone();
    let facts = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        (text("revision"), text("effect"), text("ticket"), text("transaction"))
    };
    let fact = |revision: &str, effect: &str, ticket: &str, transaction: &str| {
        (revision.to_owned(), effect.to_owned(), ticket.to_owned(), transaction.to_owned())
    };
    assert_eq!(
        list.iter().map(facts).collect::<Vec<_>>(),
        [fact("2", "modify", "CHG-2", &second), fact("1", "create", "CHG-1", &first)]
    );
    assert_eq!((&list[0]["present"], &list[1]["present"]), (&json!(true), &json!(false)));
    let shown = domain.run(&["service", "history", "acme", "--show", "1"]).await.with(0).out;
    assert!(shown.contains("\"cvlan-id\": 100") && !shown.contains("200"), "{shown}");
    let diff = domain.run(&["service", "history", "acme", "--diff", "1"]).await.with(0).out;
    assert!(diff.contains("-") && diff.contains("\"cvlan-id\": 200") && diff.contains("(revision 1)"), "{diff}");
    domain.run(&["service", "history", "acme", "--show", "9"]).await.with(3);
    domain.run(&["service", "history", "nobody"]).await.with(3);

    // The way back is a plan: shown first, sent when asked.
    let shown = domain.run(&["service", "rollback", "acme", "1"]).await.with(2).out;
    assert!(shown.contains("modify   ietf-l3vpn-ntw/acme") && shown.contains("andante commit "), "{shown}");
    assert_ne!(domain.texts(), with_100, "a plan sends nothing");
    let later = format!("goes back over ietf-l3vpn-ntw/acme revision 2 (modify by root, CHG-2, transaction {second})");
    assert!(shown.contains(&later), "{shown}");
    let plan = shown.split("andante commit ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    domain.run(&["commit", &plan, "--ticket", "CHG-3"]).await.with(0);
    assert_eq!(domain.texts(), with_100);
    let newest = domain.transactions().await[0].clone();
    assert!(newest["summary"].as_str().unwrap().contains("rollback ietf-l3vpn-ntw/acme to revision 1"), "{newest}");
    assert_eq!((&newest["ticket"], &newest["service"][0]["effect"]), (&json!("CHG-3"), &json!("modify")));
    let same = domain.run(&["service", "rollback", "acme", "1"]).await.with(3);
    assert!(same.err.contains("no-change:"), "{}", same.err);

    // Another service takes the place that revision 2 had: the way back is refused with both names.
    domain.apply("bravo", 200, "CHG-4").await;
    let refused = domain.run(&["service", "rollback", "acme", "2"]).await.with(3);
    assert!(refused.err.contains("in-use") && refused.err.contains("bravo"), "{}", refused.err);
    domain.run(&["service", "delete", "bravo"]).await.with(0);

    // Deleted, and back again from its history.
    domain.run(&["service", "delete", "acme", "--ticket", "CHG-5"]).await.with(0);
    assert_eq!(domain.texts(), before);
    let list = domain.run(&["service", "history", "acme"]).await.with(0).out;
    assert!(list.contains("delete") && list.contains("CHG-5") && !list.contains("present"), "{list}");
    let plan = domain.call("rollback", json!({ "id": "acme", "revision": "1" })).await.is(200).json();
    let warnings = plan["andante:output"]["plan"]["warning"].as_array().unwrap().clone();
    let over: Vec<_> = warnings.iter().filter_map(|text| text.as_str()?.strip_prefix("goes back over ")).collect();
    let named = [
        "revision 4 (delete by root, CHG-5,",
        "revision 3 (modify by root, CHG-3,",
        "revision 2 (modify by root, CHG-2,",
    ];
    assert_eq!(over.len(), 3, "{warnings:#?}");
    assert!(over.iter().zip(named).all(|(text, part)| text.contains(part)), "{warnings:#?}");
    domain.run(&["service", "rollback", "acme", "3", "--commit", "--ticket", "CHG-6"]).await.with(0);
    assert_eq!(domain.texts(), with_100);
    let list = domain.json(&["service", "history", "ietf-l3vpn-ntw/acme"], 0).await;
    assert_eq!(facts(&list["andante:output"]["revision"][0]).0, "5", "revisions count on: {list}");
    let state = domain.daemon.get("/restconf/data/andante:services").await.is(200).json();
    assert_eq!(state["andante:services"]["service"][0]["ticket"], "CHG-6", "{state}");
    // And back to its deletion.
    domain.run(&["service", "rollback", "acme", "4", "--commit"]).await.with(0);
    assert_eq!(domain.texts(), before);
    domain.daemon.end().await;
}

/// The inverse of a transaction over several services, as a plan; later changes stand in the way by name.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_undone_by_a_plan() {
    let domain = Domain::start().await;
    let before = domain.texts();
    domain.apply("acme", 100, "CHG-1").await;
    let with_acme = domain.texts();
    domain.file("both/a.json", "acme", 300);
    domain.file("both/b.json", "bravo", 200);
    let folder = domain.folder.path().join("both");
    let both = domain.json(&["service", "apply", folder.to_str().unwrap(), "--ticket", "CHG-2"], 0).await;
    let both = both["andante:output"]["transaction"].as_str().unwrap().to_owned();
    let shown = domain.run(&["transaction", "undo", &both]).await.with(2).out;
    assert!(
        shown.contains("modify   ietf-l3vpn-ntw/acme") && shown.contains("delete   ietf-l3vpn-ntw/bravo"),
        "{shown}"
    );
    assert_ne!(domain.texts(), with_acme);

    let later = domain.apply("acme", 400, "CHG-3").await;
    let refused = domain.run(&["transaction", "undo", &both, "--commit"]).await.with(3);
    for part in ["later-revisions:", "ietf-l3vpn-ntw/acme revision 3 (modify by", &later, "--over-later"] {
        assert!(refused.err.contains(part), "{part}\n{}", refused.err);
    }
    let shown = domain.run(&["transaction", "undo", &both, "--over-later"]).await.with(2).out;
    let over = "goes back over ietf-l3vpn-ntw/acme revision 3 (modify by";
    assert!(shown.contains(over) && shown.contains("CHG-3") && !shown.contains("revision 2"), "{shown}");
    domain.run(&["transaction", "undo", &both, "--over-later", "--commit", "--ticket", "CHG-4"]).await.with(0);
    assert_eq!(domain.texts(), with_acme);
    assert_eq!(domain.services().await, ["acme"]);
    let newest = domain.transactions().await[0].clone();
    assert!(newest["summary"].as_str().unwrap().starts_with(&format!("undo of transaction {both}")), "{newest}");
    // The undo of the undo, and of what was not applied, of a heal, of nothing.
    domain.run(&["transaction", "undo", newest["id"].as_str().unwrap(), "--commit"]).await.with(0);
    assert_eq!(domain.services().await, ["acme", "bravo"]);
    domain.run(&["service", "delete", "bravo"]).await.with(0);
    domain.run(&["service", "rollback", "acme", "1", "--commit"]).await.with(0);
    domain.sim.hand_edit("pe2", CHANGED_BY_HAND).unwrap();
    domain.run(&["element", "check", "pe2"]).await.with(2);
    domain.run(&["deviation", "heal", "--element", "pe2", "--ticket", "CHG-5"]).await.with(0);
    let heal = domain.transactions().await[0].clone();
    assert_eq!(heal["ticket"], "CHG-5");
    let refused = domain.run(&["transaction", "undo", heal["id"].as_str().unwrap()]).await.with(3);
    assert!(refused.err.contains("heal:") && refused.err.contains("to do"), "{}", refused.err);
    domain.sim.fault("pe2", Fault::RefuseLine { number: 3, answer: "% no".into() }).unwrap();
    domain.run(&["service", "delete", "acme"]).await.with(3);
    let failed = domain.transactions().await[0]["id"].as_str().unwrap().to_owned();
    let refused = domain.run(&["transaction", "undo", &failed]).await.with(3);
    assert!(refused.err.contains("not-applied:"), "{}", refused.err);
    domain.run(&["service", "delete", "acme"]).await.with(0);
    assert_eq!(domain.texts(), before);
    domain.daemon.end().await;
}

/// A folder of three documents is one transaction: all or none, whoever refuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_one_transaction() {
    let domain = Domain::start().await;
    let before = domain.texts();
    domain.file("three/a.json", "acme", 100);
    domain.file("three/b.json", "bravo", 200);
    domain.file("three/c.json", "charlie", 100);
    let folder = domain.folder.path().join("three").to_str().unwrap().to_owned();
    for words in [["plan", &folder], ["service", "apply"]] {
        let words: Vec<&str> = words.into_iter().chain((words[0] == "service").then_some(folder.as_str())).collect();
        let refused = domain.run(&words).await.with(3);
        assert!(refused.err.contains("in-use") && refused.err.contains("acme"), "{}", refused.err);
    }
    domain.daemon.untouched().await;
    assert_eq!(domain.texts(), before);

    domain.file("three/c.json", "charlie", 300);
    let shown = domain.run(&["plan", &folder]).await.with(2).out;
    for id in ["acme", "bravo", "charlie"] {
        assert!(shown.contains(&format!("create   ietf-l3vpn-ntw/{id}")), "{shown}");
    }
    // The one line of the third service that pe2 does not like.
    let fault = Fault::Refuse { on: "vrf charlie".into(), answer: "% Configuration failed.".into(), times: 1 };
    domain.sim.fault("pe2", fault).unwrap();
    let refused = domain.run(&["service", "apply", &folder, "--ticket", "CHG-7"]).await.with(3);
    assert!(refused.err.contains("pe2") && refused.err.contains("the network is as before"), "{}", refused.err);
    assert_eq!(domain.texts(), before);
    assert!(domain.services().await.is_empty());
    assert_eq!(domain.transactions().await[0]["ticket"], "CHG-7", "also of what was not applied");
    domain.sim.mend("pe2").unwrap();
    domain.run(&["service", "apply", &folder, "--ticket", "CHG-8"]).await.with(0);
    assert_eq!(domain.services().await, ["acme", "bravo", "charlie"]);
    let newest = domain.transactions().await[0].clone();
    assert_eq!(newest["service"].as_array().unwrap().len(), 3, "{newest}");
    let shown = domain.run(&["transaction", "show", newest["id"].as_str().unwrap()]).await.with(0).out;
    assert!(shown.contains("CHG-8") && shown.contains("create ietf-l3vpn-ntw/charlie"), "{shown}");
    let audited = domain.audit().await;
    let tickets: Vec<_> = audited.iter().filter_map(|record| record.principal.ticket.as_deref()).collect();
    assert_eq!(tickets, ["CHG-8", "CHG-7"], "{audited:#?}");
    let events = domain.daemon.controller.events_after(0, 100).await.unwrap();
    let of = |kind: &str| {
        events.iter().filter(|(_, event)| event.kind == kind && event.content["ticket"] == "CHG-8").count()
    };
    assert_eq!((of("service-change"), of("transaction-end")), (3, 1), "{events:#?}");
    domain.daemon.end().await;
}

/// `pe2` refuses in the middle, and refuses the way back too.
async fn stuck() -> (Domain, String) {
    let domain = Domain::start().await;
    domain.sim.fault("pe2", Fault::Refuse { on: "router bgp".into(), answer: "% no".into(), times: 1000 }).unwrap();
    domain.sim.fault("pe2", Fault::Refuse { on: "no ".into(), answer: "% stuck".into(), times: 1000 }).unwrap();
    let file = domain.file("one.json", "acme", 100);
    domain.run(&["service", "apply", file.to_str().unwrap()]).await.with(4);
    let newest = domain.transactions().await[0].clone();
    assert_eq!((&newest["outcome"], state(&newest, "pe2")), (&json!("unresolved"), "conflict".into()), "{newest:#}");
    assert_eq!((state(&newest, "pe1"), state(&newest, "pe3")), ("restored".into(), "restored".into()), "{newest:#}");
    assert!(domain.services().await.is_empty());
    (domain, newest["id"].as_str().unwrap().to_owned())
}

fn state(transaction: &Value, element: &str) -> String {
    let all = transaction["element"].as_array().unwrap();
    all.iter().find(|of| of["name"] == element).unwrap()["state"].as_str().unwrap().to_owned()
}

/// What the next change touches is as it was recorded; it rests on what the unresolved transaction may still bring back or take.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_unresolved_transaction_holds_is_refused_by_its_name_where_nothing_else_is_wrong() {
    let domain = Domain::start().await;
    domain.apply("acme", 100, "CHG-1").await;
    // In the middle of the new access, which cannot be taken away again either; the one of before comes back.
    for (on, times) in [("65000:200", 1), ("no ip address 192.0.2.9/30", 1000)] {
        domain.sim.fault("pe2", Fault::Refuse { on: on.into(), answer: "% stuck".into(), times }).unwrap();
    }
    let file = domain.file("moved.json", "acme", 200);
    let moved = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, moved.replace("192.0.2.5", "192.0.2.9").replace("192.0.2.6", "192.0.2.10")).unwrap();
    domain.run(&["service", "apply", file.to_str().unwrap()]).await.with(4);
    let before = domain.transactions().await;
    let id = before[0]["id"].as_str().unwrap();
    assert_eq!((&before[0]["outcome"], state(&before[0], "pe2")), (&json!("unresolved"), "conflict".into()));
    let file = domain.file("moved.json", "acme", 300);
    let file = file.to_str().unwrap();
    for words in [vec!["plan", file], vec!["service", "apply", file], vec!["service", "delete", "acme"]] {
        let held = domain.run(&words).await.with(3);
        let see = format!("see        andante transaction show {id}");
        for part in ["unresolved-transaction:", "astray: pe2", "transaction resolve", &see] {
            assert!(held.err.contains(part), "{words:?}: {part}\n{}", held.err);
        }
    }
    assert_eq!(domain.transactions().await.len(), before.len(), "what is refused leaves no transaction behind");
    domain.sim.mend("pe2").unwrap();
    domain.json(&["transaction", "resolve", id, "--all", "--retry"], 0).await;
    domain.run(&["service", "apply", file]).await.with(0);
    domain.daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unresolved_transaction_is_retried_when_asked() {
    let (domain, id) = stuck().await;
    let shown = domain.run(&["transaction", "show", &id]).await.with(0).out;
    println!("{shown}");
    for part in
        ["unresolved", "it goes to before", "pe2  conflict", "before nothing", "--accept-actual", "--force-intent"]
    {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    // It is the only one; that is no reason to take anything for its id.
    for verb in [vec!["show"], vec!["undo"], vec!["resolve", "--all", "--retry"], vec!["cancel"], vec!["watch"]] {
        for short in ["", "0", &id[..7]] {
            let words = [&["transaction", verb[0], short], &verb[1..]].concat();
            let refused = domain.run(&words).await.with(64);
            assert!(refused.err.contains("at least 8 characters"), "{words:?} {}", refused.err);
        }
    }
    // Its paths are held, by name.
    let file = domain.file("one.json", "acme", 100);
    let held = domain.run(&["service", "apply", file.to_str().unwrap(), "--allow-collateral", "all"]).await.with(3);
    let see = format!("see        andante transaction show {id}");
    for part in ["unresolved-transaction:", "not decided, it goes back; astray: pe2", "transaction resolve", &see] {
        assert!(held.err.contains(part), "{part}\n{}", held.err);
    }
    assert!(!held.err.contains("by hand") && !held.err.contains("exists-unowned"), "{}", held.err);
    let dry = domain.run(&["plan", file.to_str().unwrap()]).await.with(3);
    assert!(dry.err.contains("unresolved-transaction:") && dry.err.contains(&id), "{}", dry.err);
    let still = domain.run(&["transaction", "resolve", &id, "pe2", "--retry", "--ticket", "CHG-1"]).await.with(4);
    assert!(still.out.contains("unresolved"), "{}", still.out);
    let wrong = domain.run(&["transaction", "resolve", &id, "pe1", "--retry"]).await.with(3);
    assert!(wrong.err.contains("pe1 is as before") && wrong.err.contains("astray: pe2"), "{}", wrong.err);
    domain.run(&["transaction", "resolve", &id, "pe9", "--retry"]).await.with(3);
    domain.sim.mend("pe2").unwrap();
    let done = domain.json(&["transaction", "resolve", &id, "--all", "--retry", "--ticket", "CHG-2"], 0).await;
    assert_eq!(done["andante:output"]["outcome"], "not-applied", "{done:#}");
    let record = domain.transactions().await.into_iter().find(|one| one["id"] == id.as_str()).unwrap();
    let words = record["resolution"].as_array().unwrap();
    assert_eq!(
        (words.len(), &words[1]["ticket"], &words[1]["offer"]),
        (2, &json!("CHG-2"), &json!("retry")),
        "{record:#}"
    );
    assert_eq!(state(&record, "pe2"), "restored");
    // Each word stands in the audit, also the one that did not help.
    let audited = domain.audit().await;
    let retries =
        audited.iter().filter(|one| one.action == "resolve" && one.transaction.as_deref() == Some(id.as_str()));
    let retries: Vec<_> = retries.map(|one| (one.principal.ticket.as_deref(), one.target.as_str())).collect();
    assert_eq!(retries, [(Some("CHG-2"), "pe2"), (Some("CHG-1"), "pe2")], "{audited:#?}");
    assert!(
        audited.iter().filter(|one| one.action == "resolve").all(|one| one.result.contains("retry")),
        "{audited:#?}"
    );
    let again = domain.run(&["transaction", "resolve", &id, "--all", "--retry"]).await.with(3);
    assert!(again.err.contains("not-unresolved:"), "{}", again.err);
    domain.apply("acme", 100, "CHG-3").await;
    domain.daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_element_has_is_accepted_and_judged_as_a_deviation() {
    let (domain, id) = stuck().await;
    let left = domain.sim.text("pe2").unwrap();
    let words =
        ["transaction", "resolve", &id, "pe2", "--accept-actual", "--ticket", "CHG-9", "--reason", "maintenance"];
    let done = domain.run(&words).await.with(0).out;
    println!("{done}");
    assert!(done.contains("not-applied") && done.contains("accepted") && done.contains("deviation list"), "{done}");
    assert_eq!(domain.sim.text("pe2").unwrap(), left, "nothing is sent");
    let record = domain.transactions().await[0].clone();
    assert_eq!((state(&record, "pe2"), &record["phase"]), ("accepted".into(), &json!("closed")), "{record:#}");
    assert_eq!(record["resolution"][0]["reason"], "maintenance");
    let audited = domain.audit().await;
    let word = audited.iter().find(|record| record.action == "resolve").unwrap();
    assert_eq!((word.principal.ticket.as_deref(), word.transaction.as_deref()), (Some("CHG-9"), Some(id.as_str())));
    assert!(
        word.result.contains("accept-actual") && word.result.contains("maintenance") && word.result.contains("actual")
    );
    // What was left is a deviation, by name of the transaction, look after look.
    domain.run(&["element", "check", "pe2"]).await.with(2);
    let found = domain.json(&["deviation", "list"], 2).await;
    let found = found["andante:deviations"]["deviation"].as_array().unwrap().clone();
    assert!(!found.is_empty() && found.iter().all(|one| one["left-by"] == id.as_str()), "{found:#?}");
    assert!(found.iter().all(|one| one["kind"] == "orphan" && one["actual"].is_string()), "{found:#?}");
    // It is judged: healed away here. Then the paths are free.
    domain.sim.mend("pe2").unwrap();
    domain.run(&["deviation", "heal", "--element", "pe2"]).await.with(0);
    domain.run(&["deviation", "list"]).await.with(0);
    domain.apply("acme", 100, "CHG-10").await;
    domain.run(&["service", "delete", "acme"]).await.with(0);
    domain.daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_is_forced_over_a_hand_as_it_was_shown() {
    let (domain, id) = stuck().await;
    let empty = domain.empty.clone();
    domain.sim.mend("pe2").unwrap();
    domain.sim.hand_edit("pe2", CHANGED_BY_HAND).unwrap();
    // Recovery leaves the hand alone.
    domain.run(&["transaction", "resolve", &id, "--all", "--retry"]).await.with(4);
    assert!(domain.sim.text("pe2").unwrap().contains("by hand"));
    let shown = domain.run(&["transaction", "resolve", &id, "pe2", "--force-intent"]).await.with(2).out;
    println!("{shown}");
    for part in ["(somebody else's)", "by hand", "would be sent:", "no interface eth1.100", "--force-intent --commit="]
    {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(domain.sim.text("pe2").unwrap().contains("by hand"), "a look sends nothing");
    let digest = shown.split("--commit=").nth(1).unwrap().trim().to_owned();
    let commit = format!("--commit={digest}");
    let input = json!({"andante:input": {"transaction": id, "element": ["pe2"], "offer": "force-intent"}}).to_string();
    let missing =
        domain.daemon.post("/restconf/operations/andante:resolve", input).await.refused(409, "operation-failed");
    assert_eq!(missing["error-app-tag"], "stale", "{missing}");
    let words = ["transaction", "resolve", &id, "pe2", "--force-intent", &format!("--commit={}", "0".repeat(64))];
    let stale = domain.run(&words).await.with(3);
    assert!(stale.err.contains("stale:"), "{}", stale.err);
    // The hand moves: what was shown is not what would be sent.
    domain.sim.hand_edit("pe2", "no interface eth1.100\n").unwrap();
    let words = ["transaction", "resolve", &id, "pe2", "--force-intent", &commit];
    let stale = domain.run(&words).await.with(3);
    assert!(stale.err.contains("stale:"), "{}", stale.err);
    domain.sim.hand_edit("pe2", &format!("{CHANGED_BY_HAND} ip address 192.0.2.5/30\n")).unwrap();
    let words = ["transaction", "resolve", &id, "pe2", "--force-intent", &commit, "--ticket", "CHG-2"];
    let done = domain.run(&words).await.with(0).out;
    assert!(done.contains("not-applied") && done.contains("restored"), "{done}");
    let shown = domain.run(&["transaction", "show", &id]).await.with(0).out;
    assert!(shown.contains("force-intent pe2 by root (CHG-2)"), "{shown}");
    assert_eq!(domain.texts(), empty);
    assert!(domain.audit().await.iter().any(|record| record.action == "resolve" && record.result.contains("by hand")));
    domain.run(&["deviation", "list"]).await.with(0);
    let put = document("acme", 100);
    domain.daemon.put("/restconf/data/ietf-l3vpn-ntw:l3vpn-ntw", put.to_string()).await.is(201);
    domain.daemon.end().await;
}
