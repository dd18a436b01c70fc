//! The past of services: revisions, the way back to one of them, and the undo of a transaction.
//!
//! Flow: a decision puts the document that it replaces into the history, in its own batch ([`Model::next_revision`],
//! [`Model::deleted`]); [`Controller::history`] shows it; [`Controller::rollback`] and [`Controller::undo`] make documents
//! of the past into an ordinary plan that is kept, looked at and committed like any other.
//!
//! Guarantees: revisions count on over a deletion; the history is bounded per service and in the number of deleted
//! services; what stands in the way of a way back is refused by the planner, with owner and path, as for any document.
//! A commit writes what it replaces, nothing that grows with the length of the history.

use super::model::{Model, gone_key, revision_key, revisions_key};
use super::{Controller, DocumentEdit, Failure, KeptPlan, parsed, read};
use crate::domain::{Effect, Fault, FaultTag, Gone, Outcome, Principal, Revision, ServiceKey, Stamp, Verb, authorize};
use crate::face;
use crate::plan::{Allowed, unified};
use crate::store::{self, Batch, StoreError, Table};
use crate::tree::{CodecErrorKind, json};

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Revisions of one service, the present one included; at least 1.
    pub revisions: u64,
    /// Deleted services.
    pub deleted: usize,
}

impl Model {
    /// The number of the next revision of a service, and the oldest one that is kept then. What it replaces goes into the
    /// history, and what is too old goes.
    pub(super) fn next_revision(
        &self,
        key: &ServiceKey,
        keep: HistoryLimits,
        batch: &mut Batch,
    ) -> Result<(u64, u64), StoreError> {
        let (last, kept) = match (self.documents.get(key), self.gone.get(key)) {
            (Some(old), _) => (old.revision, if old.oldest == 0 { old.revision } else { old.oldest }),
            (None, Some(gone)) => {
                batch.delete(Table::History, &gone_key(key));
                (gone.last, gone.oldest)
            }
            (None, None) => return Ok((1, 1)),
        };
        let revision = last + 1;
        let oldest = kept.max((revision + 1).saturating_sub(keep.revisions.max(1)));
        if let Some(old) = self.documents.get(key).filter(|old| old.revision >= oldest) {
            batch.put(Table::History, &revision_key(key, old.revision), &old.to_revision())?;
        }
        (kept..oldest).for_each(|old| batch.delete(Table::History, &revision_key(key, old)));
        Ok((revision, oldest))
    }

    /// A service goes: its deletion is a revision, and it is remembered as long as there is room.
    pub(super) fn deleted(
        &self,
        key: &ServiceKey,
        stamp: &Stamp<'_>,
        keep: HistoryLimits,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let (last, oldest) = self.next_revision(key, keep, batch)?;
        let deletion = Revision {
            key: key.clone(),
            revision: last,
            effect: Effect::Delete,
            at: stamp.at,
            author: stamp.principal.user.clone(),
            ticket: stamp.principal.ticket.clone(),
            transaction: Some(stamp.transaction.into()),
            body: None,
        };
        batch.put(Table::History, &revision_key(key, last), &deletion)?;
        batch.put(Table::History, &gone_key(key), &Gone { key: key.clone(), oldest, last, at: stamp.at })?;
        let many = (self.gone.len() + 1).saturating_sub(keep.deleted).min(FORGOTTEN_AT_ONCE);
        for (_, forgotten) in self.gone_since.keys().take(many) {
            let Some(gone) = self.gone.get(forgotten) else { continue };
            (gone.oldest..=gone.last).for_each(|old| batch.delete(Table::History, &revision_key(forgotten, old)));
            batch.delete(Table::History, &gone_key(forgotten));
        }
        Ok(())
    }
}

impl Controller {
    /// The service of this id, present or deleted; `face` where two faces have it.
    pub fn service_named(&self, face: Option<&str>, id: &str) -> Result<ServiceKey, Failure> {
        let model = self.model();
        let known = |key: &ServiceKey| model.documents.contains_key(key) || model.gone.contains_key(key);
        let faces = face::FACES.iter().map(|face| face.module).filter(|module| face.is_none_or(|face| face == *module));
        let keys = faces.map(|module| ServiceKey { face: module.into(), id: id.into() });
        let mut found: Vec<ServiceKey> = keys.filter(known).collect();
        match (found.pop(), found.is_empty()) {
            (Some(key), true) => Ok(key),
            (Some(_), false) => Err(Failure::NotFound { what: format!("a single service {id} (name its face)") }),
            (None, _) => Err(Failure::NotFound { what: format!("service {id}, present or past,") }),
        }
    }

    /// The revisions of a service that are kept, newest first.
    pub async fn history(&self, principal: &Principal, key: &ServiceKey) -> Result<Vec<Revision>, Failure> {
        authorize(principal, Verb::Read, &key.to_string())?;
        let present = self.model().documents.get(key).map(|document| document.to_revision());
        let rows = store::list(self.parts.store.as_ref(), Table::History, &revisions_key(key)).await?;
        let mut revisions: Vec<Revision> = rows.into_iter().map(|(_, revision)| revision).collect();
        if let Some(present) = present {
            revisions.retain(|old| old.revision < present.revision);
            revisions.push(present);
        }
        revisions.reverse();
        Ok(revisions)
    }

    /// The document of a revision as people read it; nothing for a deletion.
    pub fn document_text(&self, revision: &Revision) -> Result<String, Failure> {
        let Some(body) = &revision.body else { return Ok(String::new()) };
        let tree = parsed(self.schema(), body).map_err(Failure::Internal)?;
        Ok(json::print(&tree, self.schema(), true))
    }

    /// What differs between the documents of two revisions, as a unified diff.
    pub fn revisions_differ(&self, from: &Revision, to: &Revision) -> Result<String, Failure> {
        let name = format!("{} {} -> {}", to.key, from.revision, to.revision);
        Ok(unified(&name, &self.document_text(from)?, &self.document_text(to)?)
            .replacen("(running)", &format!("(revision {})", from.revision), 1)
            .replacen("(planned)", &format!("(revision {})", to.revision), 1))
    }

    /// One of these revisions.
    pub fn revision_in<'a>(&self, history: &'a [Revision], number: u64) -> Result<&'a Revision, Failure> {
        history.iter().find(|one| one.revision == number).ok_or_else(|| {
            let kept = match (history.last(), history.first()) {
                (Some(old), Some(new)) => format!(" (kept: {} to {})", old.revision, new.revision),
                _ => String::new(),
            };
            Failure::NotFound { what: format!("revision {number}{kept}") }
        })
    }

    /// Plans the way back to the document of a revision, and keeps the plan. Its warnings name the later revisions, whose
    /// changes go with it.
    pub async fn rollback(
        &self,
        principal: &Principal,
        key: &ServiceKey,
        number: u64,
        allowed: &Allowed,
    ) -> Result<KeptPlan, Failure> {
        authorize(principal, Verb::Plan, &key.to_string())?;
        let history = self.history(principal, key).await?;
        let wanted = self.revision_in(&history, number)?;
        let Some(edit) = self.back_to(key, Some(wanted), wanted.body.as_deref())? else {
            return Err(Failure::Declined {
                tag: "no-change",
                message: format!("{key} is as in revision {number} already"),
                remedy: format!("see its revisions: andante service history {}", key.id),
            });
        };
        let purpose = format!("rollback {key} to revision {number}");
        let later = history.iter().filter(|one| one.revision > number).map(goes_too).collect();
        self.keep_way_back(principal, vec![edit], allowed, purpose, later).await
    }

    /// Plans the inverse of an applied transaction, and keeps the plan. `over_later`: also where a service was changed since.
    pub async fn undo(
        &self,
        principal: &Principal,
        id: &str,
        over_later: bool,
        allowed: &Allowed,
    ) -> Result<KeptPlan, Failure> {
        authorize(principal, Verb::Plan, "transactions")?;
        let record = self.transaction(principal, id).await?;
        let record = record.ok_or_else(|| Failure::NotFound { what: format!("a single transaction {id}") })?;
        let id = record.id.as_str();
        let declined = |tag: &'static str, message: String, remedy: &str| {
            Err(Failure::Declined { tag, message: format!("transaction {id} {message}"), remedy: remedy.into() })
        };
        match &record.outcome {
            Some(Outcome::Applied) => {}
            Some(Outcome::NotApplied { .. }) => {
                return declined("not-applied", "was not applied: there is nothing to undo".into(), "nothing");
            }
            Some(Outcome::Unresolved { .. }) => {
                return declined(
                    "not-resolved",
                    "is unresolved".into(),
                    "say what becomes of it first: andante transaction resolve, with its id",
                );
            }
            None => return declined("still-running", "still runs".into(), "wait for its end"),
        }
        if record.services.is_empty() {
            let what = "changed no document: a heal brings elements to what the documents say, and its inverse would \
                        bring the deviation back";
            return declined("heal", what.into(), "change the document, or the element");
        }
        let (mut edits, mut later) = (Vec::new(), Vec::new());
        let mut lost = None;
        for touched in &record.services {
            let history = self.history(principal, &touched.key).await?;
            let Some(own) = history.iter().position(|one| one.transaction.as_deref() == Some(id)) else {
                // The same words again make no revision; what is too old is not kept.
                let oldest = history.last().map_or(0, |oldest| oldest.revision);
                if oldest != 1 {
                    lost = Some(touched.key.clone());
                }
                continue;
            };
            later.extend(history[..own].iter().rev().cloned());
            let older = history.get(own + 1);
            let base = match (older, history[own].effect) {
                (Some(base), _) => base.body.as_deref(),
                (None, Effect::Create) => None,
                (None, _) => {
                    lost = Some(touched.key.clone());
                    continue;
                }
            };
            edits.extend(self.back_to(&touched.key, older, base)?);
        }
        if let Some(key) = lost {
            let message = format!("cannot be undone: the history of {key} no longer holds what was before it");
            return declined("history-gone", message, "plan the documents that you want");
        }
        if !later.is_empty() && !over_later {
            let later: Vec<String> = later.iter().map(named).collect();
            let message = format!("was followed by others on the same services: {}", later.join("; "));
            return declined("later-revisions", message, "undo those first, or say --over-later: their changes go too");
        }
        if edits.is_empty() {
            return declined("no-change", "is undone already: its services are as before it".into(), "nothing");
        }
        let later = later.iter().map(goes_too).collect();
        self.keep_way_back(principal, edits, allowed, format!("undo of transaction {id}"), later).await
    }

    /// What makes the document of a service be this one again; `None` when it is.
    fn back_to(
        &self,
        key: &ServiceKey,
        revision: Option<&Revision>,
        body: Option<&str>,
    ) -> Result<Option<DocumentEdit>, Failure> {
        let model = self.model();
        let present = model.documents.get(key).map(|document| document.body.as_str());
        if present == body {
            return Ok(None);
        }
        Ok(Some(match body {
            None => DocumentEdit::Delete { key: key.clone(), expect: None },
            Some(body) => {
                let document = read(self.schema(), body).map_err(|error| {
                    let number = revision.map(|one| format!("revision {} of ", one.revision)).unwrap_or_default();
                    Failure::Document(vec![Fault {
                        path: error.path,
                        tag: match error.kind {
                            CodecErrorKind::UnknownElement | CodecErrorKind::UnknownNamespace => {
                                FaultTag::UnknownElement
                            }
                            CodecErrorKind::MissingKey => FaultTag::DataMissing,
                            _ => FaultTag::InvalidValue,
                        },
                        app_tag: None,
                        message: format!(
                            "{number}{key} does not fit the models that are served now: {}",
                            error.message
                        ),
                    }])
                })?;
                DocumentEdit::Put { key: key.clone(), document, expect: None }
            }
        }))
    }
}

/// A revision in one line.
fn named(one: &Revision) -> String {
    let by = one.transaction.as_deref().unwrap_or("an older version");
    let ticket = one.ticket.as_ref().map(|ticket| format!(", {ticket}")).unwrap_or_default();
    format!(
        "{} revision {} ({} by {}{ticket}, transaction {by})",
        one.key,
        one.revision,
        one.effect.as_str(),
        one.author
    )
}

/// What a way back over a later revision says about it.
fn goes_too(one: &Revision) -> String {
    format!("goes back over {}: what it changed goes too", named(one))
}

/// How many deleted services one deletion forgets at most, when fewer are kept than before.
const FORGOTTEN_AT_ONCE: usize = 8;
