//! What becomes of an unresolved transaction, by an operator's word: try again, accept what the element has, or force our
//! intent.
//!
//! Flow: [`Controller::standing`] reads the elements that are astray and shows, path by path, before, after and actual, and
//! what would be sent. [`Controller::resolve`] takes the word; recovery works on the transaction at once.
//!
//! | Offer | Before the decision | After the decision |
//! |---|---|---|
//! | retry | recovery tries again now | likewise |
//! | accept actual | nothing is sent; the transaction closes as not applied, what differs from *before* is a deviation | nothing is sent; applied, what differs from *after* is a deviation |
//! | force intent | *before* is sent on the touched paths, over foreign values too | *after* is sent |
//!
//! Guarantees: a force sends exactly the bytes of a look, named by its digest, or nothing. What is accepted where nobody
//! claims anything is kept as a deviation until it is gone, healed or claimed. Every word is audited before it acts.
//!
//! It does not decide: the side of a transaction stands in its journal.

use super::execute::{as_stored, ended};
use super::left::{left, noted, places};
use super::undo::AdapterUndo;
use super::{Controller, Failure};
use crate::adapter::Payload;
use crate::domain::{
    AuditRecord, ElementProgress, Event, Offer, Outcome, Principal, Resolution, TransactionRecord, Turn, Verb,
    authorize,
};
use crate::plan::{ElementPlan, Plan, Refused, content_digest, touched_state, toward, unified, words};
use crate::store::{Batch, Table};
use crate::transaction::{Open, Settled, Undo, Word, foreign};
use crate::tree::{ConfigTree, Path};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is asked about an unresolved transaction.
#[derive(Clone, Debug, Default)]
pub struct ResolveAsked {
    /// Its id, or a beginning of at least 8 characters that no other has.
    pub transaction: String,
    /// The elements meant; empty = all that are astray.
    pub elements: Vec<String>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Of the look whose bytes are to be sent; needed by [`Offer::ForceIntent`].
    pub digest: Option<String>,
}

/// How an unresolved transaction stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its record.
    pub record: TransactionRecord,
    /// Whether it goes forward.
    pub decided: bool,
    /// The elements that are astray, as far as they were asked for.
    pub elements: Vec<ElementStanding>,
    /// Names the bytes that a force would send.
    pub digest: String,
}

/// How one element stands.
#[derive(Clone, Debug)]
pub struct ElementStanding {
    /// Which.
    pub element: String,
    /// Where it stands in the transaction.
    pub progress: ElementProgress,
    /// Why it could not be read now; then nothing below is known, and `paths` are all that the plan touches.
    pub unread: Option<String>,
    /// The paths that are not as its side wants them.
    pub paths: Vec<AstrayPath>,
    /// What a force would send; `None` = nothing, it is as its side wants it.
    pub payload: Option<Payload>,
    /// The same as a unified diff in the element's own syntax.
    pub text: String,
}

/// One path that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AstrayPath {
    /// Where.
    pub path: Path,
    /// What the plan found there.
    pub before: Option<String>,
    /// What the plan wanted there.
    pub after: Option<String>,
    /// What stands there now.
    pub actual: Option<String>,
    /// Neither side of the plan explains what stands there.
    pub foreign: bool,
}

impl Controller {
    /// Reads the elements of an unresolved transaction that are astray, and shows how they stand. Sends nothing.
    pub async fn standing(&self, principal: &Principal, asked: &ResolveAsked) -> Result<Standing, Failure> {
        authorize(principal, Verb::Plan, "transactions")?;
        let open = self.unresolved(principal, &asked.transaction).await?;
        self.looked_at(&open, &chosen(&open, &asked.elements)?).await
    }

    /// Takes an operator's word on an unresolved transaction, and works on it at once. Answers the record as it stands then.
    pub async fn resolve(
        self: &Arc<Self>,
        principal: &Principal,
        asked: ResolveAsked,
        offer: Offer,
    ) -> Result<TransactionRecord, Failure> {
        authorize(principal, Verb::Resolve, "transactions")?;
        // In a task of its own: a caller who goes away must not end it half way.
        let (this, who) = (self.clone(), principal.clone());
        ended(self.apart(async move { this.resolved(&who, &asked, offer).await }).await)
    }

    async fn resolved(
        &self,
        principal: &Principal,
        asked: &ResolveAsked,
        offer: Offer,
    ) -> Result<TransactionRecord, Failure> {
        let open = self.unresolved(principal, &asked.transaction).await?;
        let id = open.record.id.clone();
        let names = open.plan.elements.iter().map(|of| format!("element {}", of.element)).collect();
        let pass = self.gate.enter(names).await;
        // Recovery may have brought it further while we waited.
        let open = self.unresolved(principal, &id).await?;
        let elements = chosen(&open, &asked.elements)?;
        let mut word = Word { resolutions: self.said(principal, asked, offer, &elements), ..Word::default() };
        let mut detail = String::new();
        match offer {
            Offer::Retry => {}
            Offer::AcceptActual => {
                let standing = self.looked_at(&open, &elements).await?;
                detail = standing.elements.iter().map(in_words).collect::<Vec<_>>().join("; ");
                for found in &standing.elements {
                    self.note_left(&open, found, &mut word.batch)?;
                }
            }
            Offer::ForceIntent => {
                let standing = self.looked_at(&open, &elements).await?;
                if let Some(away) = standing.elements.iter().find(|found| found.unread.is_some()) {
                    let message = away.unread.clone().unwrap_or_default();
                    return Err(Failure::Unreachable { element: away.element.clone(), message });
                }
                if asked.digest.as_deref() != Some(standing.digest.as_str()) {
                    return Err(Failure::Declined {
                        tag: "stale",
                        message: match asked.digest {
                            None => "what would be sent has to be looked at first".into(),
                            Some(_) => "what would be sent is no longer what was shown".into(),
                        },
                        remedy: format!(
                            "look: andante transaction resolve {id} ELEMENT|--all --force-intent; then repeat with its digest"
                        ),
                    });
                }
                detail = standing.elements.iter().map(in_words).collect::<Vec<_>>().join("; ");
                let payload = |found: ElementStanding| Some((found.element, found.payload?));
                word.forced = standing.elements.into_iter().filter_map(payload).collect();
            }
        }
        self.note_word(principal, &open, asked, offer, &elements, &detail, &mut word.batch);
        let batch = word.batch.clone();
        let settled = self.recovery.resolve(&id, word, &self.reachable()).await;
        match &settled {
            Ok(Settled::Tried(_)) => self.mirror(&batch)?,
            Ok(Settled::Busy | Settled::Closed) => {}
            // An error does not say that nothing was written.
            Err(_) => {
                if let Ok(stored) = as_stored(self.parts.store.as_ref(), &batch).await {
                    self.mirror(&stored)?;
                }
            }
        }
        drop(pass);
        match settled? {
            Settled::Tried(record) => {
                for element in &elements {
                    // What was accepted becomes a deviation, what was forced is none any more: seen at once.
                    if let Err(failure) = self.check(&Principal::daemon(), element).await {
                        tracing::info!(element, %failure, "resolved, but it cannot be looked at");
                    }
                }
                Ok(*record)
            }
            Settled::Busy => Err(Failure::Declined {
                tag: "in-use",
                message: format!("recovery works on transaction {id} now, and has not come to an end"),
                remedy: "ask again in a moment".into(),
            }),
            Settled::Closed => Err(self.not_open(principal, &id).await),
        }
    }

    /// The unresolved transaction whose id begins so.
    async fn unresolved(&self, principal: &Principal, id: &str) -> Result<Open, Failure> {
        if id.len() < ID_MIN {
            return Err(Failure::NotFound { what: format!("a transaction {id} (give at least {ID_MIN} characters)") });
        }
        let record = self.transaction(principal, id).await?;
        let record = record.ok_or_else(|| Failure::NotFound { what: format!("a single transaction {id}") })?;
        let open = match &record.outcome {
            Some(Outcome::Unresolved { .. }) => self.recovery.open(&record.id).await?,
            _ => None,
        };
        match open {
            Some(open) => Ok(open),
            None => Err(self.not_open(principal, &record.id).await),
        }
    }

    /// The refusal with the unresolved transaction by name where that holds the path: what stands there may be its own work,
    /// and nobody's hand.
    pub(super) async fn held_by_name(&self, mut failure: Failure) -> Failure {
        let named = |element: &str, reason: &mut Refused, standings: &BTreeMap<String, String>| {
            let in_the_way =
                matches!(reason, Refused::HandMade(_) | Refused::ExistsUnowned { .. } | Refused::Collateral { .. });
            let Some(path) = reason.path().filter(|_| in_the_way).cloned() else { return };
            let Some(transaction) = self.runner.queues().holder_of(element, &path) else { return };
            let standing = standings.get(&transaction).cloned().unwrap_or_else(|| "unresolved".into());
            *reason = Refused::Held { path, transaction, standing };
        };
        let held = failure.reasons().into_iter().flat_map(|(element, reasons)| {
            let paths = reasons.iter().filter_map(Refused::path);
            paths.filter_map(|path| self.runner.queues().holder_of(element, path)).collect::<Vec<_>>()
        });
        let mut standings = BTreeMap::new();
        for transaction in held.collect::<BTreeSet<_>>() {
            let standing = self.standing_of(&transaction).await;
            standings.insert(transaction, standing);
        }
        match &mut failure {
            Failure::Refused { element, reasons } => {
                reasons.iter_mut().for_each(|reason| named(element, reason, &standings));
            }
            Failure::RefusedBy(all) => {
                for (element, reasons) in all {
                    reasons.iter_mut().for_each(|reason| named(element, reason, &standings));
                }
            }
            _ => {}
        }
        failure
    }

    /// The refusal of what rests on a path that an unresolved transaction holds.
    pub(super) async fn held_at(&self, path: &Path, transaction: &str) -> Refused {
        let standing = self.standing_of(transaction).await;
        Refused::Held { path: path.clone(), transaction: transaction.to_owned(), standing }
    }

    /// Refuses, by its name, what an unresolved transaction is in the way of, and will be as long as nobody settles it.
    pub(super) async fn unheld(&self, plan: &Plan) -> Result<(), Failure> {
        let Some((transaction, element, path)) = self.runner.queues().holder_at_rest(plan) else { return Ok(()) };
        Err(Failure::Refused { element, reasons: vec![self.held_at(&path, &transaction).await] })
    }

    async fn standing_of(&self, transaction: &str) -> String {
        match self.transaction(&Principal::daemon(), transaction).await {
            Ok(Some(record)) => side_of(&record),
            _ => "unresolved".into(),
        }
    }

    async fn not_open(&self, principal: &Principal, id: &str) -> Failure {
        let record = self.transaction(principal, id).await.ok().flatten();
        let ended = record.as_ref().is_some_and(|record| record.finished.is_some());
        let state = match record.and_then(|record| record.outcome) {
            None => "still runs",
            Some(Outcome::Applied) => "is applied",
            Some(Outcome::NotApplied { .. }) => "is not applied: all is as before",
            // Without its plan there is nothing that could be tried, accepted or forced.
            Some(Outcome::Unresolved { .. }) if ended => {
                "has lost its plan: compare its elements, and heal what differs"
            }
            Some(Outcome::Unresolved { .. }) => "is being worked on",
        };
        Failure::Declined {
            tag: "not-unresolved",
            message: format!("transaction {id} {state}; there is nothing to resolve"),
            remedy: format!("look at it with 'andante transaction show {id}'"),
        }
    }

    async fn looked_at(&self, open: &Open, elements: &BTreeSet<String>) -> Result<Standing, Failure> {
        let astray: Vec<&ElementPlan> = open.astray().filter(|of| elements.contains(&of.element)).collect();
        let looks = astray.into_iter().map(|of| self.element_standing(open, of));
        let mut elements = Vec::new();
        for look in futures::future::join_all(looks).await {
            elements.push(look?);
        }
        let sent: Vec<_> = elements.iter().map(|found| (&found.element, &found.payload)).collect();
        let digest = content_digest(&(&open.record.id, open.decided, sent));
        Ok(Standing { record: open.record.clone(), decided: open.decided, elements, digest })
    }

    async fn element_standing(&self, open: &Open, of: &ElementPlan) -> Result<ElementStanding, Failure> {
        let (model, element) = (self.model(), of.element.as_str());
        let side = open.side(of);
        let progress = open.record.elements.get(element).cloned();
        let progress = progress.ok_or_else(|| Failure::Internal(format!("{element}: not part of its transaction")))?;
        let path = |path: &Path, actual: Option<&ConfigTree>, foreign: bool| AstrayPath {
            path: path.clone(),
            before: words(of.before.at(path)),
            after: words(of.after.at(path)),
            actual: actual.and_then(|actual| words(actual.at(path))),
            foreign,
        };
        let reading = match self.read(&model, element).await {
            Ok((reading, _)) => match reading.partial {
                None => Ok(reading.tree),
                Some(why) => Err(format!("it was read incompletely: {why}")),
            },
            Err(Failure::Unreachable { message, .. }) => Err(message),
            Err(Failure::NotFound { .. }) => Err("it is no longer in the inventory".into()),
            Err(other) => return Err(other),
        };
        let undo = AdapterUndo { model: self.model.clone(), schemas: self.schemas.clone() };
        let actual = match reading {
            Ok(tree) => undo.meant(element, of, tree),
            Err(why) => {
                let paths = of.touched().map(|at| path(at, None, false)).collect();
                let text = String::new();
                return Ok(ElementStanding {
                    element: element.into(),
                    progress,
                    unread: Some(why),
                    paths,
                    payload: None,
                    text,
                });
            }
        };
        let others = foreign(of, &actual);
        let mut paths = Vec::new();
        for at in of.touched().filter(|at| !of.matches(&actual, side, at)) {
            let theirs = others.contains(at);
            for low in lowest(of, &actual, side, at) {
                paths.push(path(&low, Some(&actual), theirs));
            }
        }
        let payload = match open.decided {
            true => undo.toward_after(element, of, &actual),
            false => undo.toward_before(element, of, &actual),
        };
        let payload = payload.map_err(Failure::Internal)?.filter(|payload| !payload.is_empty());
        let adapter = self.adapter_of(&model, element)?;
        let shown: Vec<Path> = of.touched().cloned().collect();
        let target = toward(&actual, side, of.touched());
        let text = |tree: &ConfigTree| adapter.text(&touched_state(tree, shown.iter()));
        let text = unified(element, &text(&actual), &text(&target));
        Ok(ElementStanding { element: element.into(), progress, unread: None, paths, payload, text })
    }

    fn said(
        &self,
        principal: &Principal,
        asked: &ResolveAsked,
        offer: Offer,
        elements: &BTreeSet<String>,
    ) -> Vec<Resolution> {
        let at = self.parts.ambient.now();
        let said = |element: &String| Resolution {
            element: element.clone(),
            offer,
            principal: principal.clone(),
            at,
            reason: asked.reason.clone(),
        };
        elements.iter().map(said).collect()
    }

    /// Audit and event of a word.
    #[expect(clippy::too_many_arguments, reason = "everything that an audit of it should say")]
    fn note_word(
        &self,
        principal: &Principal,
        open: &Open,
        asked: &ResolveAsked,
        offer: Offer,
        elements: &BTreeSet<String>,
        detail: &str,
        batch: &mut Batch,
    ) {
        let at = self.parts.ambient.now();
        let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
        let side = if open.decided { "after" } else { "before" };
        let mut result = format!("{} ({side})", offer.as_str());
        for more in [asked.reason.as_deref(), Some(detail)].into_iter().flatten().filter(|more| !more.is_empty()) {
            result.push_str(": ");
            result.push_str(more);
        }
        batch.audit.push(AuditRecord {
            at,
            principal: principal.clone(),
            action: "resolve".into(),
            target: elements.join(", "),
            plan: Some(open.record.plan.clone()),
            transaction: Some(open.record.id.clone()),
            result,
        });
        let content = serde_json::json!({
            "id": open.record.id, "offer": offer.as_str(), "element": elements,
            "principal": principal.user, "ticket": principal.ticket,
        });
        batch.events.push(Event { at, kind: "transaction-resolve".into(), content });
    }

    /// What stands astray where nobody claims anything would be forgotten with the transaction: it is kept as a deviation.
    fn note_left(&self, open: &Open, found: &ElementStanding, batch: &mut Batch) -> Result<(), Failure> {
        let (model, element, now) = (self.model(), found.element.as_str(), self.parts.ambient.now());
        let Some(of) = open.plan.elements.iter().find(|of| of.element == element) else { return Ok(()) };
        let side = open.side(of);
        let claimed = model.claimed_on(element);
        // What is claimed there is compared by every look.
        let nobodys = |at: &Path| match claimed.intended() {
            Ok(intended) => places(at, intended, [&of.before, &of.after]),
            Err(_) => vec![at.clone()],
        };
        let other = if open.decided { &of.before } else { &of.after };
        let astray = |at: &Path| found.paths.iter().any(|path| path.path.starts_with(at) || at.starts_with(&path.path));
        for at in &of.touched().flat_map(nobodys).filter(astray).collect::<BTreeSet<Path>>() {
            let here = found.paths.iter().find(|path| &path.path == at).and_then(|path| path.actual.clone());
            let left = left(&open.record.id, at.clone(), side, other);
            let deviation = noted(element, left, here, u32::from(found.unread.is_none()), now);
            batch.put(Table::Deviations, &deviation.id, &deviation)?;
        }
        Ok(())
    }
}

/// The elements that are meant; each must be astray.
/// To which side an unresolved transaction goes, and what keeps it.
fn side_of(record: &TransactionRecord) -> String {
    let side = if record.decided.is_some() { "decided, it goes forward" } else { "not decided, it goes back" };
    match &record.outcome {
        Some(Outcome::Unresolved { elements, .. }) => format!("{side}; astray: {}", elements.join(", ")),
        _ => side.into(),
    }
}

fn chosen(open: &Open, asked: &[String]) -> Result<BTreeSet<String>, Failure> {
    let astray: BTreeSet<String> = open.astray().map(|of| of.element.clone()).collect();
    if asked.is_empty() {
        return Ok(astray);
    }
    for name in asked {
        if astray.contains(name) {
            continue;
        }
        let Some(progress) = open.record.elements.get(name) else {
            return Err(Failure::NotFound { what: format!("element {name} in transaction {}", open.record.id) });
        };
        let known = match progress.turn {
            Turn::Accepted => "was accepted as it is already",
            Turn::Restored | Turn::Untouched => "is as before",
            Turn::Confirmed => "is as the transaction wants it",
            _ => "is not astray",
        };
        let astray: Vec<&str> = astray.iter().map(String::as_str).collect();
        return Err(Failure::Declined {
            tag: "not-unresolved",
            message: format!("{name} {known}; there is nothing to resolve on it"),
            remedy: format!("astray: {}", astray.join(", ")),
        });
    }
    Ok(asked.iter().cloned().collect())
}

/// The lowest places at and below a touched path that are not as `side` wants them.
fn lowest(of: &ElementPlan, actual: &ConfigTree, side: &ConfigTree, path: &Path) -> Vec<Path> {
    let (mut open, mut found) = (vec![path.clone()], Vec::new());
    while let Some(at) = open.pop() {
        let below: Vec<Path> = match (side.at(&at), actual.at(&at)) {
            (Some(want), Some(have)) if want.value() == have.value() => {
                let places = want.children().iter().map(|child| at.child(child.step())).collect::<Vec<_>>();
                places.into_iter().filter(|place| !of.matches(actual, side, place)).collect()
            }
            _ => Vec::new(),
        };
        match below.is_empty() || found.len() + open.len() + below.len() > PATHS_MAX {
            true => found.push(at),
            false => open.extend(below),
        }
    }
    found.sort();
    found
}

/// What stands on an element, for the audit.
fn in_words(found: &ElementStanding) -> String {
    if let Some(why) = &found.unread {
        return format!("{}: not read ({why})", found.element);
    }
    let nothing =
        |value: &Option<String>| value.as_ref().map_or_else(|| "nothing".into(), |value| format!("'{value}'"));
    let paths: Vec<String> = found
        .paths
        .iter()
        .map(|path| {
            let (before, after, actual) = (nothing(&path.before), nothing(&path.after), nothing(&path.actual));
            format!("{} before {before}, after {after}, actual {actual}", path.path)
        })
        .collect();
    format!("{}: {}", found.element, if paths.is_empty() { "as it should be".into() } else { paths.join(", ") })
}

/// The shortest beginning of a transaction's id.
pub(super) const ID_MIN: usize = 8;
/// How many places of one touched path are shown one by one.
const PATHS_MAX: usize = 100;
