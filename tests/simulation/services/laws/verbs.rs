//! What ways back, calling off and an operator's word mean when everything has come to rest.

use super::super::asks::Aim;
use super::super::house::house;
use super::super::play::{Heard, noc};
use super::super::tale::{Tale, Want, key};
use super::{Judged, Verdict};
use andante::domain::{Effect, Offer, Outcome, QueuePolicy, Revision, ServiceKey, TransactionRecord, Turn};

/// What a document of this service says, as stored.
pub fn body(tale: &Tale, want: &Want, service: &ServiceKey) -> Option<String> {
    let Want::Put(all) = want else { return None };
    let (number, spec) = all.iter().find(|(number, _)| key(*number) == *service)?;
    let tree = house().tree(&spec.document(*number, &tale.elements));
    Some(andante::tree::json::print(&tree, &house().north.index, false))
}

fn asked_by(tale: &Tale, ticket: Option<&String>) -> Option<usize> {
    let known = |at: &usize| noc(*at).ticket.as_ref() == ticket;
    (0..tale.asks.len()).find(known)
}

/// Revisions count on without a gap, the last one is what is stored, and each is what the request that made it asked for.
pub fn histories_are_true(judged: &Judged<'_>) -> Verdict {
    let tale = &judged.stage.tale;
    for (service, history) in &judged.told.histories {
        let stored = judged.told.documents.iter().find(|document| document.key == *service);
        let last = history.first();
        if stored.map(|document| Some(&document.body)) != last.and_then(|last| last.body.as_ref()).map(Some) {
            return Err(format!("{service} is {stored:?}, and its last revision {last:?}"));
        }
        for (nth, revision) in history.iter().rev().enumerate() {
            if revision.revision != nth as u64 + 1 || revision.body.is_none() != (revision.effect == Effect::Delete) {
                return Err(format!("{service}: its revision {} is {revision:?}", nth + 1));
            }
            let Some(at) = asked_by(tale, revision.ticket.as_ref()) else {
                return Err(format!("{service}: nobody asked for {revision:?}"));
            };
            let ask = &tale.asks[at];
            let earlier = || history.iter().filter(|other| other.revision < revision.revision);
            let right = match &ask.want {
                Want::Put(_) | Want::Delete(_) => revision.body == body(tale, &ask.want, service),
                // Where it leads is a law of its own.
                Want::Rollback(..) | Want::Undo(_) => tale.services(&ask.want).iter().any(|one| key(*one) == *service),
                Want::Heal(_) | Want::Cancel(_) | Want::Resolve(_) => false,
            };
            // What could not be sent later took its service back.
            let went_back = ask.queue == Some(QueuePolicy::RevertService)
                && (revision.body.is_none() || earlier().any(|other| other.body == revision.body));
            if !right && !went_back {
                return Err(format!("{service}: {ask:?} is said to have made {revision:?}"));
            }
        }
    }
    Ok(())
}

/// An applied rollback made the document of the revision that was named; an applied undo that of before the transaction.
pub fn ways_back_lead_there(judged: &Judged<'_>) -> Verdict {
    let (tale, aims) = (&judged.stage.tale, judged.stage.aims.lock().unwrap());
    for (at, (.., heard)) in judged.stage.answers() {
        let (Some(aim), Heard::Record(record)) = (aims.get(&at), heard) else { continue };
        if record.decided.is_none() {
            continue;
        }
        let mut made = 0;
        for service in tale.services(&tale.asks[at].want) {
            let history = judged.told.histories.get(&key(service)).map(Vec::as_slice).unwrap_or_default();
            let of = |id: &str| history.iter().find(|one| one.transaction.as_deref() == Some(id));
            let numbered = |number: u64| history.iter().find(|one| one.revision == number);
            let meant: Option<&Revision> = match aim {
                Aim::Revision(number) => match numbered(*number) {
                    None => return Err(format!("request {at} went back to revision {number}, of which nobody knows")),
                    known => known,
                },
                Aim::Before(transaction) => match of(transaction) {
                    // It asked for what was so already.
                    None => continue,
                    Some(own) => numbered(own.revision - 1),
                },
            };
            let meant = meant.and_then(|meant| meant.body.as_ref());
            let Some(own) = of(&record.id) else { continue };
            made += 1;
            if own.body.as_ref() != meant {
                return Err(format!("request {at} was to lead {aim:?}, which is {meant:?}, and led to {own:?}"));
            }
        }
        if made == 0 {
            return Err(format!("request {at} is {:?} and made no revision", record.outcome));
        }
    }
    Ok(())
}

/// Who heard that a request is called off finds that it was never decided; who heard that it is too late, that it was.
pub fn called_off_is_not_carried_out(judged: &Judged<'_>) -> Verdict {
    let final_of = |id: &str| judged.told.transactions.iter().find(|record| record.id == id);
    let all = judged.stage.heard.lock().unwrap();
    let heard_by = |at: usize| all.get(&at).into_iter().flatten().map(|(.., heard)| heard);
    for (at, ask) in judged.asks() {
        let Want::Cancel(other) = ask.want else { continue };
        for heard in heard_by(at) {
            match heard {
                Heard::Record(record) => {
                    let ended = final_of(&record.id);
                    if let Some(ended) = ended.filter(|ended| ended.decided.is_some()) {
                        return Err(format!("request {other} was called off, and decided: {ended:?}"));
                    }
                    let applied = |heard: &Heard| matches!(heard, Heard::Record(one) if one.id == record.id && one.outcome == Some(Outcome::Applied));
                    if heard_by(other).any(applied) {
                        return Err(format!("request {other} was called off, and told as applied"));
                    }
                }
                Heard::Refused(why) if why.contains("too late: decided") => {
                    let of = |record: &&TransactionRecord| record.principal.ticket == noc(other).ticket;
                    if !judged.told.transactions.iter().filter(of).any(|record| record.decided.is_some()) {
                        return Err(format!("request {other} was not decided; who called it off was told '{why}'"));
                    }
                }
                Heard::Refused(_) | Heard::Nothing => {}
            }
        }
    }
    Ok(())
}

/// An operator's word is kept with the transaction, and what he let stand is never worked on again.
pub fn words_hold(judged: &Judged<'_>) -> Verdict {
    for (at, ask) in judged.asks() {
        let Want::Resolve(offer) = ask.want else { continue };
        for (.., heard) in judged.stage.heard.lock().unwrap().get(&at).into_iter().flatten() {
            let Heard::Record(record) = heard else { continue };
            let ended = judged.told.transactions.iter().find(|one| one.id == record.id);
            let said = ended.into_iter().flat_map(|ended| &ended.resolutions);
            if !said.into_iter().any(|said| said.principal.ticket == noc(at).ticket && said.offer == offer) {
                return Err(format!("request {at} said {offer:?} on {}, and nobody knows of it", record.id));
            }
        }
    }
    for record in &judged.told.transactions {
        for said in record.resolutions.iter().filter(|said| said.offer == Offer::AcceptActual) {
            let turn = record.elements.get(&said.element).map(|progress| progress.turn);
            if turn != Some(Turn::Accepted) {
                return Err(format!("{} was left as it is by {:?}, and is {turn:?} now", said.element, said.principal));
            }
        }
    }
    Ok(())
}
