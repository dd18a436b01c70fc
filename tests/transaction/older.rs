//! An upgrade in the middle: the daemon of an older version died inside its confirm window, and left a journal in its own
//! words. This one reads it and brings the transaction to its end.

use crate::stage::{Stage, not_applied};
use andante::adagio::Payload;
use andante::adagio::netconf::{ConfirmedCommit, Datastore, DefaultOperation, EditConfig};
use andante::domain::{Class, JournalRecord, Outcome, Phase, Turn};
use andante::store::{Batch, Durability, Store, Table};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const PERSIST: &str = "andante.t1.1.0123456789abcdef";

/// What the older daemon had done on an element: a confirmed commit of the planned edit, on a session that died with it.
async fn committed(stage: &Stage, name: &str) {
    let plan = stage.plan.elements.iter().find(|of| of.element == name).unwrap();
    let Payload::Netconf { config } = &plan.payload else { panic!("{name} speaks NETCONF") };
    let session = stage.session(name, "andante").await;
    let edit = EditConfig {
        target: Datastore::Candidate,
        default_operation: Some(DefaultOperation::None),
        test_option: None,
        error_option: None,
        config,
    };
    session.edit_config(edit).await.unwrap();
    let timeout = Some(Duration::from_secs(120));
    session.commit_confirmed(ConfirmedCommit { timeout, persist: Some(PERSIST), persist_id: None }).await.unwrap();
    session.close().await.unwrap();
}

/// The records as the first version wrote them: no field that came later, and the persist-ids in `applied`.
async fn journal(stage: &Stage, decided: bool) {
    let element = json!({ "class": "A", "turn": "untouched" });
    let record = json!({
        "id": "t1", "plan": "", "phase": "applied", "outcome": null, "started": "1970-01-01T00:00:00Z", "finished": null,
        "principal": { "user": "andanted", "role": "administrator", "tenant": null, "ticket": null },
        "elements": { "pe1": element, "pe2": element }, "summary": "of an older version",
    });
    let mut plan = serde_json::to_value(stage.plan.clone().sealed()).unwrap();
    for of in plan["elements"].as_array_mut().unwrap() {
        let of = of.as_object_mut().unwrap();
        for later in ["echoes", "encrypted", "defaults", "warnings", "protected", "checks", "one-session"] {
            of.remove(later);
        }
    }
    let mut batch = Batch::default();
    batch.put(Table::Transactions, "t1", &record).unwrap();
    batch.put(Table::Plans, "transaction/t1", &plan).unwrap();
    let both: BTreeMap<String, String> = ["pe1", "pe2"].map(|name| (name.to_owned(), PERSIST.to_owned())).into();
    let mut phases = vec![Phase::Planned, Phase::Locked, Phase::Prepared, Phase::Applied];
    if decided {
        phases.extend([Phase::Verified, Phase::Decided]);
    }
    for phase in phases {
        let persist = if phase == Phase::Applied { both.clone() } else { BTreeMap::new() };
        let intent = JournalRecord::Intent { phase, persist, epoch: None, touched: BTreeMap::new() };
        let words: Value = serde_json::to_value(&intent).unwrap();
        assert_eq!(words.get("persist").is_some(), phase == Phase::Applied, "{words}");
        batch.append("t1", intent);
    }
    // Whoever holds the lease of the stage's runner.
    stage.store.commit(1, batch, Durability::Now).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_journal_of_an_older_version_is_brought_to_its_end() {
    for decided in [false, true] {
        let stage = Stage::of(&[Class::A, Class::A]).await;
        for name in ["pe1", "pe2"] {
            committed(&stage, name).await;
        }
        stage.all_after();
        journal(&stage, decided).await;
        let records = stage.recovery().run(&stage.south).await.unwrap();
        assert_eq!(records.len(), 1);
        if decided {
            assert_eq!(records[0].outcome, Some(Outcome::Applied), "{records:#?}");
            stage.all_after();
        } else {
            not_applied(&records[0]);
            assert!(records[0].elements.values().all(|of| of.turn == Turn::Restored), "{records:#?}");
            stage.all_before();
        }
        // No timer runs out later, and nothing is held: the next transaction goes through, and back by another.
        for name in ["pe1", "pe2"] {
            let typed = stage.sim.wire(name).unwrap();
            let typed: String = typed.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
            let word = if decided { "<commit><persist-id>" } else { "<cancel-commit><persist-id>" };
            assert!(typed.contains(word), "{name}: {typed}");
        }
        if !decided {
            assert_eq!(stage.run_as("t2").await.outcome, Some(Outcome::Applied));
            stage.all_after();
        }
    }
}
