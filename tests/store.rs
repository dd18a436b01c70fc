//! One suite for all engines of the store, and what is special about the one on disk.

// A failure of the stage is a failure of the test; clippy sees tests only in `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use andante::domain::outcome::{Cause, CauseKind};
use andante::domain::{AuditRecord, ErrorClass, Event, JournalRecord, Outcome, Phase, Principal};
use andante::store::memory::Fault;
use andante::store::{Batch, Durability, MemoryStore, SqliteStore, Store, StoreError, Table, get, list};
use jiff::Timestamp;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn event(n: usize) -> Event {
    Event { at: Timestamp::UNIX_EPOCH, kind: format!("event-{n}"), content: serde_json::json!({ "n": n }) }
}

fn audit(n: usize) -> AuditRecord {
    AuditRecord {
        at: Timestamp::UNIX_EPOCH,
        principal: Principal::daemon(),
        action: format!("action-{n}"),
        target: "t".into(),
        plan: None,
        transaction: None,
        result: "done".into(),
    }
}

fn intent(phase: Phase) -> JournalRecord {
    JournalRecord::intent(phase, None)
}

fn closed() -> JournalRecord {
    let cause =
        Cause { kind: CauseKind::Cancelled, element: None, path: None, sent: None, says: None, message: "x".into() };
    JournalRecord::Closed { outcome: Outcome::NotApplied { cause } }
}

/// What every engine has to do, whatever it is made of.
async fn suite(store: Arc<dyn Store>) {
    let epoch = store.take_lease("first").await.unwrap();

    // Records: put, replace, delete; listing by prefix in key order, tables apart.
    let mut batch = Batch::default();
    for key in ["pe2/b", "pe1/b", "pe1/a", "pe10/a"] {
        batch.put(Table::Claims, key, &format!("value of {key}")).unwrap();
    }
    batch.put(Table::Elements, "pe1/a", &"of another table").unwrap();
    store.commit(epoch, batch, Durability::Now).await.unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Claims, "pe1/b", &"new").unwrap();
    batch.delete(Table::Claims, "pe2/b");
    batch.delete(Table::Claims, "never there");
    store.commit(epoch, batch, Durability::Lazy).await.unwrap();
    assert_eq!(get::<String>(&*store, Table::Claims, "pe1/b").await.unwrap().as_deref(), Some("new"));
    assert_eq!(get::<String>(&*store, Table::Claims, "pe2/b").await.unwrap(), None);
    let keys = |rows: Vec<(String, String)>| rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys(list(&*store, Table::Claims, "pe1/").await.unwrap()), ["pe1/a", "pe1/b"]);
    assert_eq!(keys(list(&*store, Table::Claims, "").await.unwrap()), ["pe1/a", "pe1/b", "pe10/a"]);
    let page = async |after: &str, limit: usize| -> Vec<String> {
        let rows = store.page_bytes(Table::Claims, after, limit).await.unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(page("", 2).await, ["pe1/a", "pe1/b"]);
    assert_eq!(page("pe1/b", 2).await, ["pe10/a"]);
    assert_eq!(page("pe10/a", 2).await, [""; 0]);
    let back = async |before: Option<&str>, limit: usize| -> Vec<String> {
        let rows = store.page_back_bytes(Table::Claims, before, limit).await.unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(back(None, 2).await, ["pe10/a", "pe1/b"]);
    assert_eq!(back(Some("pe1/b"), 2).await, ["pe1/a"]);
    assert_eq!(back(Some("pe1/b~"), 1).await, ["pe1/b"]);
    assert!(matches!(
        get::<u64>(&*store, Table::Claims, "pe1/b").await,
        Err(StoreError::Decode { table: Table::Claims, .. })
    ));

    // Journals: in order, several at once; open until closed, oldest first.
    for (transaction, record) in [
        ("t-z", intent(Phase::Planned)),
        ("t-a", intent(Phase::Planned)),
        ("t-z", intent(Phase::Locked)),
        ("t-m", intent(Phase::Planned)),
    ] {
        let mut batch = Batch::default();
        batch.append(transaction, record);
        store.commit(epoch, batch, Durability::Now).await.unwrap();
    }
    assert_eq!(store.journal("t-z").await.unwrap(), [intent(Phase::Planned), intent(Phase::Locked)]);
    assert!(store.journal("unknown").await.unwrap().is_empty());
    assert_eq!(store.open_transactions().await.unwrap(), ["t-z", "t-a", "t-m"]);
    let mut batch = Batch::default();
    batch.append("t-a", closed());
    store.commit(epoch, batch, Durability::Lazy).await.unwrap();
    assert_eq!(store.open_transactions().await.unwrap(), ["t-z", "t-m"]);
    assert_eq!(store.journal("t-a").await.unwrap().len(), 2);

    // Outbox: numbers without holes, in the order of commit, the same for ever.
    for n in 0..5 {
        let batch = Batch { events: vec![event(2 * n), event(2 * n + 1)], ..Batch::default() };
        store.commit(epoch, batch, Durability::Now).await.unwrap();
    }
    let all = store.events_after(0, 100).await.unwrap();
    assert_eq!(all.iter().map(|(at, _)| *at).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(all[7].1, event(7));
    let some = store.events_after(8, 1).await.unwrap();
    assert_eq!(some, [(9, event(8))]);

    // Audit: newest first.
    let batch = Batch { audit: (0..4).map(audit).collect(), ..Batch::default() };
    store.commit(epoch, batch, Durability::Now).await.unwrap();
    let last: Vec<_> = store.audit(2).await.unwrap().into_iter().map(|record| record.action).collect();
    assert_eq!(last, ["action-3", "action-2"]);

    // Many at once: all or nothing each, all there, events numbered once.
    let jobs = (0..64).map(|n: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut batch = Batch { events: vec![event(100 + n)], ..Batch::default() };
            batch.put(Table::Numbers, &format!("vlan/{n:02}"), &n).unwrap();
            store.commit(epoch, batch, Durability::Now).await
        })
    });
    for job in jobs.collect::<Vec<_>>() {
        job.await.unwrap().unwrap();
    }
    assert_eq!(list::<usize>(&*store, Table::Numbers, "vlan/").await.unwrap().len(), 64);
    let numbers: Vec<u64> = store.events_after(10, 100).await.unwrap().into_iter().map(|(at, _)| at).collect();
    assert_eq!(numbers, (11..=74).collect::<Vec<_>>());

    // The lease: monotone; the older holder is refused, whole batch, and told who is newer.
    let newer = store.take_lease("second").await.unwrap();
    assert!(newer > epoch);
    let mut batch = Batch { events: vec![event(999)], audit: vec![audit(9)], ..Batch::default() };
    batch.put(Table::Claims, "fenced", &1).unwrap();
    batch.append("t-fenced", intent(Phase::Planned));
    for durability in [Durability::Now, Durability::Lazy] {
        let error = store.commit(epoch, batch.clone(), durability).await.unwrap_err();
        assert!(
            matches!(error, StoreError::LeaseLost { ours, newer: seen } if ours == epoch && seen == newer),
            "{error}"
        );
        assert_eq!(error.class(), ErrorClass::Conflict);
    }
    assert_eq!(get::<u64>(&*store, Table::Claims, "fenced").await.unwrap(), None);
    assert!(store.journal("t-fenced").await.unwrap().is_empty());
    assert_eq!(store.events_after(74, 10).await.unwrap(), []);
    store.commit(newer, batch, Durability::Now).await.unwrap();
    assert_eq!(store.events_after(74, 10).await.unwrap(), [(75, event(999))]);
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    suite(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    suite(Arc::new(SqliteStore::open(&folder.path().join("andante.db")).unwrap())).await;
}

#[tokio::test]
async fn everything_is_there_after_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("andante.db");
    let epoch = {
        let store = SqliteStore::open(&path).unwrap();
        let epoch = store.take_lease("a").await.unwrap();
        let mut batch = Batch { events: vec![event(1)], ..Batch::default() };
        batch.put(Table::Documents, "d", &"body").unwrap();
        batch.append("t", intent(Phase::Decided));
        store.commit(epoch, batch, Durability::Lazy).await.unwrap();
        epoch
    };
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(get::<String>(&store, Table::Documents, "d").await.unwrap().as_deref(), Some("body"));
    assert_eq!(store.open_transactions().await.unwrap(), ["t"]);
    assert_eq!(store.events_after(0, 9).await.unwrap().len(), 1);
    assert!(store.take_lease("b").await.unwrap() > epoch);
}

#[tokio::test]
async fn two_daemons_on_one_file_the_second_fences_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("andante.db");
    let (one, two) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
    let first = one.take_lease("one").await.unwrap();
    one.commit(first, Batch { events: vec![event(1)], ..Batch::default() }, Durability::Now).await.unwrap();
    let second = two.take_lease("two").await.unwrap();
    let late = Batch { events: vec![event(2)], ..Batch::default() };
    assert!(matches!(one.commit(first, late.clone(), Durability::Now).await, Err(StoreError::LeaseLost { .. })));
    two.commit(second, late, Durability::Now).await.unwrap();
    assert_eq!(one.events_after(0, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("andante.db");
    let store = SqliteStore::open(&path).unwrap();
    store.take_lease("a").await.unwrap();
    let mut seen = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        seen.push(file.file_name().to_string_lossy().into_owned());
    }
    seen.sort();
    assert_eq!(seen, ["andante.db", "andante.db-shm", "andante.db-wal"]);
}

#[test]
fn a_file_of_a_newer_version_is_refused_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("andante.db");
    drop(SqliteStore::open(&path).unwrap());
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("INSERT INTO migrations (version, applied) VALUES (99, 'later')", []).unwrap();
    drop(file);
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 1, .. }), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("andante.db");
    let text = "this is a letter, not a database\n".repeat(50);
    std::fs::write(&path, &text).unwrap();
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Engine { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_full_disk_refuses_the_batch_and_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("andante.db");
    let store = SqliteStore::open(&path).unwrap();
    let epoch = store.take_lease("a").await.unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Documents, "small", &"kept").unwrap();
    store.commit(epoch, batch, Durability::Now).await.unwrap();
    drop(store);
    // SQLite's own limit behaves as a full disk does: SQLITE_FULL at the write.
    let store = SqliteStore::open_with_limit(&path, 40).unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Documents, "large", &"x".repeat(1_000_000)).unwrap();
    batch.delete(Table::Documents, "small");
    let error = store.commit(epoch, batch, Durability::Now).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert_eq!(get::<String>(&store, Table::Documents, "small").await.unwrap().as_deref(), Some("kept"));
    let mut batch = Batch::default();
    batch.put(Table::Documents, "again", &"room for this").unwrap();
    store.commit(epoch, batch, Durability::Now).await.unwrap();
}

#[tokio::test]
async fn commits_that_wait_together_share_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("andante.db")).unwrap());
    let epoch = store.take_lease("a").await.unwrap();
    let before = store.groups();
    let one = |n: usize| Batch { events: vec![event(n)], ..Batch::default() };
    let all = (0..200).map(|n| store.commit(epoch, one(n), Durability::Now));
    for result in futures::future::join_all(all).await {
        result.unwrap();
    }
    let groups = store.groups() - before;
    assert!(groups < 100, "200 commits took {groups} groups");
}

#[tokio::test]
async fn a_crash_of_memory_loses_what_was_lazy_and_nothing_else() {
    let store = MemoryStore::new();
    let epoch = store.take_lease("a").await.unwrap();
    let put = |key: &str| {
        let mut batch = Batch::default();
        batch.put(Table::Numbers, key, &1).unwrap();
        batch
    };
    store.commit(epoch, put("lazy, covered"), Durability::Lazy).await.unwrap();
    store.commit(epoch, put("now"), Durability::Now).await.unwrap();
    store.commit(epoch, put("lazy, lost"), Durability::Lazy).await.unwrap();
    assert_eq!(list::<u8>(&store, Table::Numbers, "").await.unwrap().len(), 3);
    store.crash();
    let left: Vec<_> = list::<u8>(&store, Table::Numbers, "").await.unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, ["lazy, covered", "now"]);

    store.fail_commit(1, Fault::Nothing);
    store.commit(epoch, put("a"), Durability::Now).await.unwrap();
    assert!(store.commit(epoch, put("b"), Durability::Now).await.is_err());
    store.fail_commit(0, Fault::WrittenAnyway);
    assert!(store.commit(epoch, put("c"), Durability::Now).await.is_err());
    assert_eq!(get::<u8>(&store, Table::Numbers, "b").await.unwrap(), None);
    assert_eq!(get::<u8>(&store, Table::Numbers, "c").await.unwrap(), Some(1));
}

#[tokio::test]
async fn what_waits_for_the_disk_still_does_when_a_commit_behind_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("andante.db")).unwrap();
    let epoch = store.take_lease("a").await.unwrap();
    let batch = || {
        let mut batch = Batch::default();
        batch.put(Table::Numbers, "n", &1).unwrap();
        batch
    };
    store.commit(epoch, batch(), Durability::Lazy).await.unwrap();
    let before = store.syncs();
    let refused = store.commit(epoch + 1, batch(), Durability::Now).await.unwrap_err();
    assert!(matches!(refused, StoreError::LeaseLost { .. }), "under a lease that nobody has: {refused}");
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let deadline = Instant::now() + Duration::from_secs(20);
    // One for the refused commit, which counts as one that waited, and one for the record, in whatever order.
    while store.syncs() < before + 2 {
        assert!(Instant::now() < deadline, "the lazy record is never synced");
        ticks.tick().await;
    }
}

/// A bounded wait for the background sync of lazy records is not needed by anyone: the process keeps them visible.
#[tokio::test]
async fn lazy_commits_do_not_wait_for_the_disk_and_are_visible_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("andante.db")).unwrap();
    let epoch = store.take_lease("a").await.unwrap();
    let begun = Instant::now();
    for n in 0..50u32 {
        let mut batch = Batch::default();
        batch.put(Table::Numbers, "n", &n).unwrap();
        store.commit(epoch, batch, Durability::Lazy).await.unwrap();
        assert_eq!(get::<u32>(&store, Table::Numbers, "n").await.unwrap(), Some(n));
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
}
