//! The schema of the database file and the steps that lead to it.
//!
//! A step is never changed once it was released: a new version appends one. Steps run in one transaction each, so a
//! crash between two of them leaves a file that the next start carries on with.

use super::explain;
use crate::store::StoreError;
use rusqlite::{Connection, TransactionBehavior, params};

/// Step n leads to version n + 1.
const STEPS: [&str; 1] = ["
    CREATE TABLE record (
        kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID;
    CREATE TABLE journal_head (
        first INTEGER PRIMARY KEY AUTOINCREMENT,
        transaction_id TEXT NOT NULL UNIQUE,
        closed INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX journal_open ON journal_head (first) WHERE closed = 0;
    CREATE TABLE journal (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        transaction_id TEXT NOT NULL REFERENCES journal_head (transaction_id),
        value BLOB NOT NULL
    );
    CREATE INDEX journal_of ON journal (transaction_id, sequence);
    CREATE TABLE audit (sequence INTEGER PRIMARY KEY AUTOINCREMENT, value BLOB NOT NULL);
    CREATE TABLE outbox (sequence INTEGER PRIMARY KEY AUTOINCREMENT, value BLOB NOT NULL);
    CREATE TABLE lease (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch INTEGER NOT NULL, holder TEXT NOT NULL, taken TEXT NOT NULL, synced INTEGER NOT NULL DEFAULT 0
    );
    INSERT INTO lease (id, epoch, holder, taken) VALUES (1, 0, '', '');
"];

/// Brings the file to the newest version.
pub(super) fn migrate(connection: &mut Connection, path: &str) -> Result<(), StoreError> {
    let failed = |source| explain("bring the schema up to date", path, source);
    connection
        .execute_batch("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)")
        .map_err(failed)?;
    let known = STEPS.len() as i64;
    for (step, version) in STEPS.iter().zip(1i64..) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let found: i64 = transaction
            .query_row("SELECT coalesce(max(version), 0) FROM migrations", [], |row| row.get(0))
            .map_err(failed)?;
        if found > known {
            return Err(StoreError::NewerSchema { path: path.into(), found, known });
        }
        if found >= version {
            continue;
        }
        transaction.execute_batch(step).map_err(failed)?;
        let sql = "INSERT INTO migrations (version, applied) VALUES (?1, strftime('%Y-%m-%dT%H:%M:%fZ'))";
        transaction.execute(sql, params![version]).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
