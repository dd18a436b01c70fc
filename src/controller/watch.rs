//! What is seen of transactions while they run, and how one is called off.
//!
//! The store knows every transaction that has begun; those under way are shown as they stand this moment.

use super::resolve::ID_MIN;
use super::{Controller, Failure};
use crate::domain::{Outcome, Phase, Principal, TransactionRecord, Verb, authorize};
use crate::store::{self, Batch, StoreError, Table};
use crate::transaction::{Progress, Timing, in_time};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the store is asked about a transaction that nobody here runs.
const ASK: Duration = Duration::from_millis(500);

impl Controller {
    /// The newest transactions, at most `limit`; with `after` those that are older than this id, which need not exist.
    pub async fn transactions_page(
        &self,
        principal: &Principal,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<TransactionRecord>, Failure> {
        authorize(principal, Verb::Read, "transactions")?;
        let running = self.records_underway();
        let rows = store::page_back(self.parts.store.as_ref(), Table::Transactions, after, limit).await?;
        let records = as_they_stand(rows, running, |id| after.is_none_or(|after| id < after));
        // Ids are made of the time (RFC 9562 §5.7): the newest is the last.
        Ok(records.into_values().rev().take(limit).collect())
    }

    /// The transaction that applied this plan, if one did since `since`.
    pub(super) async fn applied_plan(
        &self,
        plan: &str,
        since: Timestamp,
    ) -> Result<Option<TransactionRecord>, StoreError> {
        let mut after = first_id_of(since);
        loop {
            let rows = self.parts.store.page_bytes(Table::Transactions, &after, PAGE).await?;
            let Some((last, _)) = rows.last() else { return Ok(None) };
            after.clone_from(last);
            for (_, bytes) in &rows {
                // What cannot be read here is told to whoever asks for it.
                let Ok(record) = serde_json::from_slice::<TransactionRecord>(bytes) else { continue };
                if record.plan == plan && record.outcome == Some(Outcome::Applied) {
                    return Ok(Some(record));
                }
            }
        }
    }

    /// The transaction of this id, or the only one whose id begins with these at least 8 characters.
    pub async fn transaction(&self, principal: &Principal, id: &str) -> Result<Option<TransactionRecord>, Failure> {
        authorize(principal, Verb::Read, "transactions")?;
        let running = self.records_underway();
        let rows = store::list(self.parts.store.as_ref(), Table::Transactions, id).await?;
        let mut found = as_they_stand(rows, running, |running| running.starts_with(id));
        // Too short a beginning is nobody's, least of all the only one's: whoever undoes it would undo what he did not mean.
        found.retain(|known, _| id.len() >= ID_MIN || known == id);
        Ok(if found.len() == 1 { found.pop_first().map(|(_, record)| record) } else { None })
    }

    /// Until when what is awaited in a transaction that runs.
    pub fn timing(&self, id: &str) -> Timing {
        let Some(errand) = self.underway.of(id) else { return Timing::default() };
        let progress = errand.progress.borrow();
        let same = progress.record.as_ref().is_some_and(|record| record.id == id);
        if same { progress.timing.clone() } else { Timing::default() }
    }

    /// The next news of a transaction, `after` those that the caller has seen (0 = none): at once if there are some, else
    /// when they come, or when the time is over as it stands then. Of an attempt that was made anew, the new one.
    pub async fn watch(
        &self,
        principal: &Principal,
        id: &str,
        after: u64,
        wait: Duration,
    ) -> Result<Progress, Failure> {
        authorize(principal, Verb::Read, "transactions")?;
        if let Some(errand) = self.underway.of(id) {
            let mut progress = errand.progress.subscribe();
            let news = |progress: &Progress| progress.change > after || after > progress.change;
            tokio::select! {
                biased;
                _ = progress.wait_for(news) => {}
                () = errand.ended.cancelled() => {}
                () = self.parts.ambient.sleep(wait) => {}
            }
            let shown = errand.progress.borrow().clone();
            if !errand.ended.is_cancelled() || shown.record.as_ref().is_some_and(|record| record.finished.is_some()) {
                return Ok(shown);
            }
        }
        // It has ended, or recovery has it in its hands.
        let gone = || Failure::NotFound { what: format!("a single transaction that begins with {id}") };
        let seen = self.transaction(principal, id).await?.ok_or_else(gone)?;
        let ambient = self.parts.ambient.as_ref();
        let since = ambient.elapsed();
        let mut now = seen.clone();
        while now.finished.is_none() && after > 0 && now == seen && ambient.elapsed().saturating_sub(since) < wait {
            ambient.sleep(ASK.min(wait)).await;
            now = self.transaction(principal, id).await?.ok_or_else(gone)?;
        }
        Ok(Progress { change: after + 1, record: Some(now), timing: Timing::default() })
    }

    /// Calls a transaction off: before the decision it turns back, also while it waits. Answers it as it stands when it has
    /// ended, or when the time is over.
    ///
    /// # Errors
    /// [`Failure::TooLate`]: it is decided, or has ended.
    pub async fn cancel(&self, principal: &Principal, id: &str, wait: Duration) -> Result<TransactionRecord, Failure> {
        authorize(principal, Verb::Cancel, id)?;
        let gone = || Failure::NotFound { what: format!("a single transaction that begins with {id}") };
        let Some(errand) = self.underway.of(id) else {
            return Err(too_late(&self.transaction(principal, id).await?.ok_or_else(gone)?));
        };
        let record = errand.record().ok_or_else(gone)?;
        if record.phase >= Phase::Decided || record.outcome.is_some() {
            return Err(too_late(&record));
        }
        let mut batch = Batch::default();
        self.audited(&mut batch, principal, "cancel-transaction", &record.id, "asked for");
        self.commit_batch(batch).await?;
        tracing::info!(transaction = record.id, user = principal.user, "is called off");
        errand.stop.cancel();
        // The end that everybody sees, and then its trace in memory.
        let ended = in_time(self.parts.ambient.as_ref(), wait, errand.ended.cancelled()).await.is_some();
        let record = errand.record().ok_or_else(gone)?;
        match &record.outcome {
            Some(Outcome::Applied) => Err(too_late(&record)),
            _ if record.phase == Phase::Decided || record.phase == Phase::Confirmed => Err(too_late(&record)),
            Some(_) => Ok(record),
            None => {
                tracing::debug!(transaction = record.id, ended, "still turns back");
                Ok(record)
            }
        }
    }

    /// The records of all that is under way. Taken before the store is read: what ends meanwhile is there by then.
    fn records_underway(&self) -> Vec<TransactionRecord> {
        self.underway.all().iter().filter_map(|errand| errand.record()).collect()
    }
}

/// Stored records, with those that run, as far as they are asked for, as they stand this moment.
fn as_they_stand(
    stored: Vec<(String, TransactionRecord)>,
    running: Vec<TransactionRecord>,
    asked: impl Fn(&str) -> bool,
) -> BTreeMap<String, TransactionRecord> {
    let mut records: BTreeMap<String, TransactionRecord> = stored.into_iter().collect();
    for record in running.into_iter().filter(|record| asked(&record.id)) {
        if records.get(&record.id).is_none_or(|stored| stored.finished.is_none()) {
            records.insert(record.id.clone(), record);
        }
    }
    records
}

/// What sorts before all ids that are made at this moment or later: a UUID version 7 begins with milliseconds.
fn first_id_of(at: Timestamp) -> String {
    let milliseconds = at.as_millisecond().max(0);
    format!("{:08x}-{:04x}", milliseconds >> 16, milliseconds & 0xffff)
}

/// How many records are read at a time.
const PAGE: usize = 256;

/// Why it cannot be called off any more.
fn too_late(record: &TransactionRecord) -> Failure {
    let id = record.id.clone();
    let (message, remedy) = match (&record.outcome, record.decided) {
        (Some(Outcome::NotApplied { cause }), _) => {
            (format!("it has ended already, not applied: {cause}"), "there is nothing to cancel".to_owned())
        }
        (Some(Outcome::Unresolved { elements, .. }), None) => (
            format!("it is unresolved already; {} cannot be reached or is not as it should be", elements.join(", ")),
            format!("look at it with 'andante transaction show {id}'"),
        ),
        // Its daemon died, or lost the lease.
        (None, None) if record.phase < Phase::Decided => (
            "it was left in the middle; recovery reads its elements and finishes it".to_owned(),
            format!("look at it with 'andante transaction show {id}'"),
        ),
        (_, decided) => {
            let at =
                decided.or(record.finished).map(|at| format!("decided at {at:.0}")).unwrap_or_else(|| "decided".into());
            (format!("too late: {at}"), format!("roll back instead: andante transaction undo {id}"))
        }
    };
    Failure::TooLate { transaction: id, message, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_later_transactions_sort_behind_a_moment() {
        let before = uuid::Uuid::now_v7().to_string();
        let now = Timestamp::now().saturating_add(jiff::SignedDuration::from_millis(1)).unwrap();
        assert!(before < first_id_of(now));
        let at: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        let id = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, at.as_second() as u64, 0)).to_string();
        assert!(first_id_of(at) < id && id.starts_with(&first_id_of(at)), "{id}");
    }
}
