//! From a piece of work to a transaction that ran: planned, held at the gate, planned again where what it rests on has moved.
//!
//! Guarantees: what runs was planned on what the gate holds; a plan that is pinned runs as it was looked at, or not at all.

use super::strong_enough;
use crate::controller::gate::Pass;
use crate::controller::kept::same_bytes;
use crate::controller::propose::Proposal;
use crate::controller::queue::{Leave, Queueing};
use crate::controller::underway::Errand;
use crate::controller::{Controller, DocumentEdit, Failure, Terms};
use crate::domain::outcome::CauseKind;
use crate::domain::{Outcome, Phase, QueuedChange, TransactionRecord};
use crate::plan::{Allowed, Plan, Refused, ServiceChange};
use crate::transaction::Opened;
use crate::tree::Path;
use futures::poll;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::Poll;

/// How often a write is planned again because what it read moved.
const ATTEMPTS: u32 = 3;

/// How often it stands in line again because, when its turn came, others had made it touch more than it stood in line for.
/// In each of these rounds one of them was decided; still nobody is passed over for ever without being told. Two rounds
/// were the most that 150 writers needed who asked for the same two elements at once.
const ROUNDS: u32 = 64;

/// What a write is made of.
pub(in crate::controller) enum Work {
    Edits { edits: Vec<DocumentEdit>, allowed: Allowed, purpose: Option<String> },
    Heal { element: String, paths: Vec<Path> },
    Queued { change: QueuedChange },
}

impl Work {
    /// What is sure to be held by it, and this element.
    fn names(&self, element: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::from([format!("element {element}")]);
        match self {
            Work::Edits { edits, .. } => names.extend(edits.iter().map(|edit| format!("service {}", edit.key()))),
            Work::Queued { change } => drop(names.insert(format!("service {}", change.key))),
            Work::Heal { .. } => {}
        }
        names
    }

    fn allowed(&self) -> &Allowed {
        static NOTHING: LazyLock<Allowed> = LazyLock::new(Allowed::default);
        match self {
            Work::Edits { allowed, .. } => allowed,
            Work::Heal { .. } | Work::Queued { .. } => &NOTHING,
        }
    }
}

impl Controller {
    pub(super) async fn attempted(
        &self,
        errand: &Arc<Errand>,
        work: &Work,
        pinned: Option<Plan>,
        terms: &Terms,
        opened: &mut Opened,
    ) -> Result<TransactionRecord, Failure> {
        let (mut attempt, mut rounds) = (0, 0);
        let leave = &match (work, terms.queue) {
            (Work::Queued { change }, _) => Leave::AllBut(change.element.clone()),
            (Work::Edits { .. }, Some(_)) => Leave::Away,
            (Work::Edits { .. } | Work::Heal { .. }, _) => Leave::Nothing,
        };
        loop {
            let still = |failure| if pinned.is_some() { moved(failure) } else { failure };
            let (mut proposal, pass) = match errand.unless_cancelled(self.planned(work, None, leave, opened)).await? {
                Ok(proposal) => {
                    let proposal = self.drawn(proposal, work.allowed(), leave)?;
                    strong_enough(&proposal.plan, terms.require_class)?;
                    let nothing = changes_nothing(&proposal.plan) && proposal.put_off.is_empty();
                    let asked = matches!(work, Work::Edits { .. }) && pinned.as_ref().is_none_or(changes_nothing);
                    // Whoever was told of a transaction gets one; and an attempt of which the store knows is not the last word.
                    let told = errand.stage.lock().await.promised || errand.previous().is_some();
                    if nothing && asked && !told {
                        return Ok(self.no_change(errand, &proposal.plan));
                    }
                    errand.understood.cancel();
                    let pass = errand.unless_cancelled(self.entered(proposal.names(), opened)).await?;
                    (proposal, pass)
                }
                // The element is in the hands of another transaction: what was read there may be half of it. What it is
                // when that one has ended counts.
                Err(failure) => match self.busy_in(&failure) {
                    None => return Err(still(failure)),
                    Some(element) => {
                        errand.understood.cancel();
                        let pass = errand.unless_cancelled(self.entered(work.names(&element), opened)).await?;
                        let again = errand.unless_cancelled(self.planned(work, Some(&pass), leave, opened)).await?;
                        (again.map_err(still)?, pass)
                    }
                },
            };
            // Somebody else may have been decided while we waited.
            if self.model().generation != proposal.generation {
                proposal = match self.proposed_again(&mut proposal, work.allowed(), Some(&pass), leave) {
                    Some(again) => again.map_err(still)?,
                    None => {
                        let again = errand.unless_cancelled(self.planned(work, Some(&pass), leave, opened)).await?;
                        again.map_err(still)?
                    }
                };
            }
            if !proposal.relied.is_empty() && pass.lacks(&proposal.names()).is_none() {
                let again = errand.unless_cancelled(self.read_as_ours(work, &pass, leave, opened)).await?;
                proposal = again.map_err(still)?;
            }
            if let Some(name) = pass.lacks(&proposal.names()) {
                // The pass is given back; the next round stands in line for all that is needed by now.
                rounds += 1;
                if rounds == ROUNDS {
                    return Err(Failure::Stale { element: None, path: name });
                }
                continue;
            }
            let queueing = Queueing {
                policy: terms.queue,
                put_off: std::mem::take(&mut proposal.put_off),
                run: match work {
                    Work::Queued { change } => Some(change.clone()),
                    Work::Edits { .. } | Work::Heal { .. } => None,
                },
            };
            let plan = match &pinned {
                Some(pinned) => {
                    same_bytes(pinned, &proposal.plan)?;
                    // The one that was looked at, under its own id.
                    pinned.clone()
                }
                None => proposal.plan,
            };
            strong_enough(&plan, terms.require_class)?;
            // What was in the hands of others when it was planned may be held by now.
            self.unheld(&plan).await?;
            self.seal_now(&plan).await?;
            let summary = self.summary(work, &plan);
            attempt += 1;
            let record = self.run(errand, plan, summary, queueing, std::mem::take(opened)).await?;
            // An element that went away since it was read can be left for later, where that is allowed.
            let again = match not_applied_for(&record) {
                Some(CauseKind::Stale) => true,
                Some(CauseKind::Unreachable) => *leave == Leave::Away,
                _ => false,
            };
            if again && pinned.is_none() && attempt < ATTEMPTS && !errand.stop.is_cancelled() {
                tracing::info!(transaction = record.id, "what was read has moved; planning again");
                // The journal of this one is closed. Under its id recovery would not see what another attempt sends.
                errand.stage.lock().await.begun = false;
                self.underway.again(errand, self.parts.ambient.transaction_id());
                continue;
            }
            return Ok(record);
        }
    }

    /// The plan made again with readings taken while its elements are ours. Where nothing is to be sent nobody looks again: a
    /// first reading may have shown an element half way through a transaction that turned back since. What an unresolved
    /// transaction has left there is nothing to rely on either.
    async fn read_as_ours(
        &self,
        work: &Work,
        pass: &Pass<'_>,
        leave: &Leave,
        opened: &mut Opened,
    ) -> Result<Proposal, Failure> {
        // Before the reading: what is let go while we read may have been read before.
        let held = self.runner.queues().held();
        let proposal = self.planned(work, Some(pass), leave, opened).await?;
        let mut refused: BTreeMap<String, Vec<Refused>> = BTreeMap::new();
        for (element, paths) in &proposal.relied {
            let mut holders = held.iter().filter(|(_, of, _)| of == element);
            let Some((transaction, _, path)) = holders.find(|(.., at)| paths.iter().any(|path| path.touches(at)))
            else {
                continue;
            };
            refused.insert(element.clone(), vec![self.held_at(path, transaction).await]);
        }
        if refused.is_empty() { Ok(proposal) } else { Err(Failure::of_elements(refused)) }
    }

    /// The refusing element that a transaction holds, or waits for.
    fn busy_in(&self, failure: &Failure) -> Option<String> {
        let held = |element: &str| !self.gate.held_of(&BTreeSet::from([format!("element {element}")])).is_empty();
        let refusing = failure.reasons().into_iter().map(|(element, _)| element);
        refusing.into_iter().find(|element| held(element)).map(str::to_owned)
    }

    /// Behind the gate. No session is kept from others while it is waited for.
    async fn entered(&self, names: BTreeSet<String>, opened: &mut Opened) -> Pass<'_> {
        let mut entering = pin!(self.gate.enter(names));
        if let Poll::Ready(pass) = poll!(entering.as_mut()) {
            return pass;
        }
        opened.end().await;
        entering.await
    }

    async fn planned(
        &self,
        work: &Work,
        pass: Option<&Pass<'_>>,
        leave: &Leave,
        opened: &mut Opened,
    ) -> Result<Proposal, Failure> {
        let planned = match work {
            Work::Edits { edits, allowed, .. } => self.proposal(edits, allowed, pass, leave, Some(opened)).await,
            Work::Queued { change } => {
                let edits = [self.queued_edit(change)?];
                self.proposal(&edits, work.allowed(), pass, leave, Some(opened)).await
            }
            Work::Heal { element, paths } => self.healing(element, paths).await,
        };
        match planned {
            Err(failure) => Err(self.held_by_name(failure).await),
            Ok(proposal) => self.unheld(&proposal.plan).await.map(|()| proposal),
        }
    }

    /// The end of a request that asks for what is so already: no transaction, and so no id.
    fn no_change(&self, errand: &Errand, plan: &Plan) -> TransactionRecord {
        let now = self.parts.ambient.now();
        let started = errand.record().map_or(now, |record| record.started);
        TransactionRecord {
            plan: plan.id.clone(),
            phase: Phase::Closed,
            outcome: Some(Outcome::Applied),
            finished: Some(now),
            summary: "no change".into(),
            ..TransactionRecord::new("", errand.principal.clone(), started)
        }
    }

    fn summary(&self, work: &Work, plan: &Plan) -> String {
        match work {
            Work::Heal { element, paths } => format!("heal {element} ({} deviation(s))", paths.len()),
            Work::Queued { change } => format!("queued for {}: {}", change.element, change.key),
            Work::Edits { purpose, .. } => {
                let verb = |change: &ServiceChange| format!("{:?} {}", change.effect, change.key).to_lowercase();
                let services = plan.services.iter().map(verb).collect::<Vec<_>>().join(", ");
                match purpose {
                    Some(purpose) => format!("{purpose} ({services})"),
                    None => services,
                }
            }
        }
    }
}

/// What cannot be planned any more could be when the pinned plan was made: something has moved since.
fn moved(failure: Failure) -> Failure {
    match failure {
        // That is told as it is: a new plan would meet it as well.
        Failure::Refused { .. } | Failure::RefusedBy(_) if failure.is_held() => failure,
        Failure::Refused { .. } | Failure::RefusedBy(_) => {
            let reasons = failure.reasons();
            let path = reasons.iter().find_map(|(_, all)| all.iter().find_map(Refused::path));
            let path = path.map_or_else(|| "/".into(), ToString::to_string);
            Failure::Stale { element: reasons.first().map(|(element, _)| (*element).to_owned()), path }
        }
        Failure::Document(faults) => {
            let path = faults.into_iter().next().map_or_else(|| "/".into(), |fault| fault.path);
            Failure::Stale { element: None, path }
        }
        other => other,
    }
}

fn changes_nothing(plan: &Plan) -> bool {
    plan.services.is_empty() && plan.elements.is_empty() && plan.numbers.is_empty()
}

/// Why it was not applied.
fn not_applied_for(record: &TransactionRecord) -> Option<CauseKind> {
    match &record.outcome {
        Some(Outcome::NotApplied { cause }) => Some(cause.kind),
        _ => None,
    }
}
