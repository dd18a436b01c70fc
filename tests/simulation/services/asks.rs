//! Orchestrators and operators: each request of a tale is asked when its time comes, of whoever can be asked then, and
//! again under the same name when nobody answers. Beside services they ask for a way back (to an older revision, or the undo
//! of a request), call a request off, and say what becomes of an unresolved transaction.

use super::house::house;
use super::play::{Heard, Stage, noc, request};
use super::tale::{Ask, LENGTH, Spec, Want, key};
use crate::director::START;
use andante::controller::{Controller, DocumentEdit, Failure, KeptPlan, RequestName, ResolveAsked, Terms};
use andante::domain::{Offer, Outcome, TransactionRecord};
use andante::plan::{Allowed, Permit};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often a request is sent again when nobody answers.
const PATIENCE: usize = 40;
/// How long somebody watches for an unresolved transaction after people have asked for the last time.
const VIGIL: Duration = Duration::from_secs(20);
/// How long somebody waits for a request to run that he wants to call off, in steps of [`GLANCE`].
const GLANCES: usize = 500;
const GLANCE: Duration = Duration::from_millis(20);

/// Where a way back was to lead, as the one who asked for it knew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aim {
    /// To this revision of the service.
    Revision(u64),
    /// To before this transaction.
    Before(String),
}

fn name(at: usize, ask: &Ask) -> RequestName {
    RequestName { id: request(at), digest: format!("{ask:?}"), creates: None }
}

fn nothing(what: &str) -> Failure {
    Failure::NotFound { what: what.into() }
}

impl Stage {
    pub(super) async fn asks(self: Arc<Self>, at: usize) {
        let ask = self.tale.asks[at].clone();
        let due = START + Duration::from_millis(ask.at);
        self.world.wait(due.saturating_sub(self.world.now())).await;
        self.until_answered(at, &ask).await;
        if let Some(later) = ask.again.filter(|_| ask.named) {
            self.world.wait(Duration::from_millis(later)).await;
            self.until_answered(at, &ask).await;
        }
        *self.done.lock().unwrap() += 1;
    }

    async fn until_answered(self: &Arc<Self>, at: usize, ask: &Ask) {
        for _ in 0..PATIENCE {
            let open = self.open.lock().unwrap().clone().filter(|(process, _)| !process.is_dead());
            let Some((process, controller)) = open else {
                self.world.wait(Duration::from_secs(2)).await;
                continue;
            };
            let since = self.world.tick();
            let (tell, told) = oneshot::channel();
            let (this, mine) = (self.clone(), ask.clone());
            let work = async move { drop(tell.send(this.sent(at, &mine, &controller).await)) };
            andante::transaction::Ambient::spawn(process.as_ref(), Box::pin(work));
            // The loop looks for new tasks when it is woken.
            self.world.wait(Duration::ZERO).await;
            let heard = match told.await {
                Err(_) => Heard::Nothing,
                Ok(Ok(record)) => Heard::Record(Box::new(record)),
                Ok(Err(failure)) => Heard::Refused(failure.to_string()),
            };
            // Who watches goes on with the next daemon.
            let watches = matches!(ask.want, Want::Resolve(_) | Want::Cancel(_));
            let again = (ask.named || watches) && matches!(heard, Heard::Nothing);
            self.heard.lock().unwrap().entry(at).or_default().push((since, self.world.tick(), heard));
            if !again {
                return;
            }
            self.world.wait(Duration::from_secs(2)).await;
        }
    }

    async fn sent(
        self: &Arc<Self>,
        at: usize,
        ask: &Ask,
        controller: &Arc<Controller>,
    ) -> Result<TransactionRecord, Failure> {
        let who = noc(at);
        let request = ask.named.then(|| name(at, ask));
        let terms = Terms { queue: ask.queue, request, ..Terms::default() };
        match &ask.want {
            Want::Heal(element) => controller.heal(&who, &self.elements[*element].name, &[], &terms).await,
            Want::Cancel(other) => {
                let later = Duration::from_millis(ask.pinned.unwrap_or_default());
                self.called_off(at, *other, later, controller).await
            }
            Want::Resolve(offer) => self.settled(at, *offer, controller).await,
            Want::Put(_) | Want::Delete(_) if ask.pinned.is_none() => {
                controller.write(&who, self.edits(&ask.want), &allowed(ask), &terms).await
            }
            Want::Put(_) | Want::Delete(_) | Want::Rollback(..) | Want::Undo(_) => {
                let known = self.kept.lock().unwrap().get(&at).map(|kept| kept.plan.id.clone());
                let id = match known {
                    Some(id) => id,
                    None => {
                        let (kept, aim) = self.looked_at(at, ask, controller).await?;
                        let id = kept.plan.id.clone();
                        self.kept.lock().unwrap().insert(at, kept);
                        self.aims.lock().unwrap().extend(aim.map(|aim| (at, aim)));
                        self.world.wait(Duration::from_millis(ask.pinned.unwrap_or_default())).await;
                        id
                    }
                };
                controller.commit_kept(&who, &id, &terms).await
            }
        }
    }

    /// A plan that somebody looks at, and for a way back what he means by it.
    async fn looked_at(
        &self,
        at: usize,
        ask: &Ask,
        controller: &Arc<Controller>,
    ) -> Result<(KeptPlan, Option<Aim>), Failure> {
        let (who, allowed) = (noc(at), allowed(ask));
        match &ask.want {
            Want::Rollback(service, back) => {
                let history = controller.history(&who, &key(*service)).await?;
                let aim = history.get(usize::from(*back)).ok_or_else(|| nothing("so old a revision"))?.revision;
                let kept = controller.rollback(&who, &key(*service), aim, &allowed).await?;
                Ok((kept, Some(Aim::Revision(aim))))
            }
            Want::Undo(other) => {
                let ended = self.answers().remove(other);
                let Some((.., Heard::Record(record))) = ended else { return Err(nothing("what is to be undone")) };
                let kept = controller.undo(&who, &record.id, ask.anyway, &allowed).await?;
                Ok((kept, Some(Aim::Before(record.id.clone()))))
            }
            want => Ok((controller.keep(&who, self.edits(want), &allowed, None).await?, None)),
        }
    }

    fn edits(&self, want: &Want) -> Vec<DocumentEdit> {
        let put = |(service, spec): &(u8, Spec)| DocumentEdit::Put {
            key: key(*service),
            document: house().tree(&spec.document(*service, &self.tale.elements)),
            expect: None,
        };
        match want {
            Want::Put(all) => all.iter().map(put).collect(),
            Want::Delete(service) => vec![DocumentEdit::Delete { key: key(*service), expect: None }],
            _ => vec![],
        }
    }

    /// Calls a request off, so much later than it is seen to run.
    async fn called_off(
        &self,
        at: usize,
        other: usize,
        later: Duration,
        controller: &Arc<Controller>,
    ) -> Result<TransactionRecord, Failure> {
        let (who, ticket) = (noc(at), noc(other).ticket);
        for _ in 0..GLANCES {
            let all = controller.transactions_page(&who, None, 100).await?;
            let runs = |record: &&TransactionRecord| record.principal.ticket == ticket && record.outcome.is_none();
            if let Some(record) = all.iter().find(runs) {
                self.world.wait(later).await;
                return controller.cancel(&who, &record.id, Duration::from_secs(60)).await;
            }
            self.world.wait(GLANCE).await;
        }
        Err(nothing("a transaction of that request that runs"))
    }

    /// Watches for an unresolved transaction, and says what becomes of it.
    async fn settled(
        &self,
        at: usize,
        offer: Offer,
        controller: &Arc<Controller>,
    ) -> Result<TransactionRecord, Failure> {
        let who = noc(at);
        let found = loop {
            let all = controller.transactions_page(&who, None, 100).await?;
            let open = |record: &&TransactionRecord| matches!(record.outcome, Some(Outcome::Unresolved { .. }));
            match all.iter().find(open) {
                Some(record) => break record.id.clone(),
                None if self.world.now() > START + Duration::from_millis(LENGTH) + VIGIL => {
                    return Err(nothing("an unresolved transaction"));
                }
                None => self.world.wait(Duration::from_secs(3)).await,
            }
        };
        let mut asked = ResolveAsked { transaction: found, ..ResolveAsked::default() };
        loop {
            if offer == Offer::ForceIntent {
                // Somebody looks at what would be sent, and then says so.
                asked.digest = Some(controller.standing(&who, &asked).await?.digest);
                self.world.wait(Duration::from_secs(1)).await;
            }
            match controller.resolve(&who, asked.clone(), offer).await {
                Err(Failure::Declined { tag: "stale" | "in-use", .. }) => self.world.wait(Duration::from_secs(1)).await,
                done => return done,
            }
        }
    }
}

fn allowed(ask: &Ask) -> Allowed {
    let permit = if ask.anyway { Permit::All } else { Permit::Nothing };
    Allowed { overwrite: permit.clone(), collateral: permit, ..Allowed::default() }
}
