//! Limits of memory, of what is held, and of how often a request is tried.

use super::{LIMIT, TYPES, limited, set};
use andante::yang::{DocumentKind, Encoding, YangError, YangWorker};
use std::os::unix::fs::PermissionsExt;
use std::path::Path as File;
use std::sync::Arc;

fn rows(count: usize) -> String {
    let rows: Vec<String> = (0..count).map(|n| format!("{{\"k\":\"key number {n}\",\"v\":\"value {n}\"}}")).collect();
    format!("{{\"t-rows:rows\":{{\"row\":[{}]}}}}", rows.join(","))
}

const ROWS: &str = "module t-rows { namespace r; prefix r; container rows { list row { key k; leaf k { type string; } leaf v { type string; } } } }";

#[tokio::test]
async fn a_worker_that_needs_too_much_memory_is_an_error_that_says_so_and_the_daemon_goes_on() {
    let worker = limited(32 << 20, LIMIT);
    let loaded = worker.load(&set(&["t-rows"], &[ROWS])).await.unwrap();
    let small = rows(100);
    let check = |document: &str| {
        let (worker, id, document) = (&worker, &loaded.id, document.to_owned());
        async move { worker.validate(id, DocumentKind::Config, Encoding::Json, &document).await }
    };
    assert_eq!(check(&small).await.unwrap(), []);
    let error = check(&rows(100_000)).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, YangError::Memory { limit, .. } if limit == 32 << 20), "{text}");
    assert!(text.contains("yang.memory_limit") && text.contains("Config document"), "{text}");
    assert_eq!(check(&small).await.unwrap(), [], "the next worker does");
    // Without a limit the same document is validated.
    let free = limited(0, LIMIT);
    let loaded = free.load(&set(&["t-rows"], &[ROWS])).await.unwrap();
    let faults = free.validate(&loaded.id, DocumentKind::Config, Encoding::Json, &rows(100_000)).await.unwrap();
    assert_eq!(faults, []);
}

/// A worker in front of the true one: it dies when a request has this word in it.
fn deadly(folder: &File, word: &str) -> YangWorker {
    let program = folder.join("worker");
    let text = format!(
        "#!/bin/sh\nexec python3 -c '\nimport subprocess, sys, os, threading\n\
         child = subprocess.Popen([\"{}\", \"yang-worker\"], stdin=subprocess.PIPE)\n\
         while True:\n  block = os.read(0, 65536)\n  if not block: break\n\
         \x20 if b\"{word}\" in block:\n    child.kill(); sys.stderr.write(\"assertion failed: {word}\\n\"); sys.stderr.flush(); os.abort()\n\
         \x20 child.stdin.write(block); child.stdin.flush()\nchild.kill()\n'\n",
        env!("CARGO_BIN_EXE_andanted")
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    YangWorker::spawn(&program, &[], LIMIT)
}

#[tokio::test]
async fn a_deadly_request_is_tried_twice_named_and_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let worker = deadly(folder.path(), "poison");
    let loaded = worker.load(&set(&["t-rows"], &[ROWS])).await.unwrap();
    let check = |document: &'static str| {
        let (worker, id) = (&worker, &loaded.id);
        async move { worker.validate(id, DocumentKind::Config, Encoding::Json, document).await }
    };
    let deadly = r#"{"t-rows:rows":{"row":[{"k":"poison"}]}}"#;
    let error = check(deadly).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, YangError::Died { times: 2, .. }), "{text}");
    assert!(text.contains("Config document") && text.contains("assertion failed: poison"), "{text}");
    assert_eq!(worker.starts(), 2);
    assert!(matches!(check(deadly).await, Err(YangError::Poison { .. })));
    assert_eq!(worker.starts(), 2, "no worker was spent on it");
    assert_eq!(check(r#"{"t-rows:rows":{"row":[{"k":"bread"}]}}"#).await.unwrap(), []);
}

#[tokio::test]
async fn the_least_recently_used_sets_are_let_go() {
    let worker = limited(0, LIMIT).holding(2);
    let text = |n: usize| format!("module m{n} {{ namespace m{n}; prefix m; leaf x {{ type string; }} }}");
    let mut loaded = Vec::new();
    for n in 0..3 {
        loaded.push(worker.load(&set(&[&format!("m{n}")], &[&text(n)])).await.unwrap());
        let first = worker.validate(&loaded[0].id, DocumentKind::Config, Encoding::Json, "{}").await;
        assert!(first.is_ok(), "used all the time: {first:?}");
    }
    assert_eq!(worker.held().await, 2);
    let gone = worker.validate(&loaded[1].id, DocumentKind::Config, Encoding::Json, "{}").await;
    assert!(matches!(gone, Err(YangError::UnknownSet { .. })), "{gone:?}");
    let again = worker.load(&set(&["m1"], &[&text(1)])).await.unwrap();
    assert!(!Arc::ptr_eq(&again, &loaded[1]) && again.id == loaded[1].id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_the_worker_in_good_order() {
    let worker = Arc::new(limited(0, LIMIT));
    let loaded = worker.load(&set(&["t-rows", "t-types"], &[ROWS, TYPES])).await.unwrap();
    let large = rows(20_000);
    for n in 0..10 {
        let (other, id, document) = (worker.clone(), loaded.id.clone(), large.clone());
        let asking =
            tokio::spawn(async move { other.validate(&id, DocumentKind::Config, Encoding::Json, &document).await });
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        asking.abort();
    }
    let broken = r#"{"t-rows:rows":{"row":[{"v":"no key"}]}}"#;
    let faults = worker.validate(&loaded.id, DocumentKind::Config, Encoding::Json, broken).await.unwrap();
    assert!(!faults.is_empty(), "the answer to this question, not to one before");
    assert_eq!(worker.starts(), 1);
}
