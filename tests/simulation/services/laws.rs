//! What has to hold for services when everything has come to rest. Judged from the elements and their diaries, from the
//! durable store, and from what callers were told; what the daemon believes is itself on trial.

mod verbs;

use super::house::house;
use super::play::{Heard, Stage, Told, request};
use super::tale::{Ask, Want, key};
use crate::element::{By, Did, Element, Entry};
use crate::story::Call;
use andante::controller::meaning;
use andante::domain::{DeviationKind, Inventory, Offer, Outcome, QueueState, ServiceKey, StoredDocument, SyncState};
use andante::plan::Plan;
use andante::service::decompose;
use andante::service::ledger::{Draft, Exclusions, Ledger, Take};
use andante::store::{self, Table};
use andante::tree::{Body, ConfigTree, Path};
use std::collections::{BTreeMap, BTreeSet};

pub type Verdict = Result<(), String>;
pub type Law = (&'static str, fn(&Judged<'_>) -> Verdict);

pub const LAWS: [Law; 13] = [
    ("every request ends", every_request_ends),
    ("elements carry the services that are there, and nothing else changed", elements_carry_the_services),
    ("a request is carried out once", once),
    ("what callers were told is stored", told_is_stored),
    ("deviations are true", deviations_are_true),
    ("every deviation has its services", deviations_have_their_services),
    ("what is told of services and elements is true", told_is_true),
    ("what people changed is not overwritten knowingly", not_overwritten_knowingly),
    ("a pinned plan is sent as it was looked at", pinned_as_looked_at),
    ("the history of a service is true", verbs::histories_are_true),
    ("a way back leads where it was asked to", verbs::ways_back_lead_there),
    ("what was called off is not carried out", verbs::called_off_is_not_carried_out),
    ("an operator's word holds", verbs::words_hold),
];

/// What stands in the store of a service says what it asks for.
pub const JUDGED: &str = "stored services can be worked out again";

/// What a configuration says, place by place: leafs, members, entries, containers whose presence means something.
pub type Said = BTreeMap<Path, String>;

/// A tale with what the judge has worked out for himself.
pub struct Judged<'a> {
    pub stage: &'a Stage,
    pub told: &'a Told,
    /// By element, by service: what the stored documents ask of it.
    claims: BTreeMap<String, BTreeMap<ServiceKey, Said>>,
    /// By element: places at which people (or the element by itself) put something, and what; `None` = it was taken away.
    people: BTreeMap<String, BTreeMap<Path, BTreeSet<Option<String>>>>,
    /// By element: what is unresolved there may be before, after or somebody else's.
    loose: BTreeMap<String, Vec<Path>>,
    /// By element: places that it lost at a restart because it had refused to save them, as a record says, and what stands
    /// there since.
    unsaved: BTreeMap<String, BTreeSet<(Path, Option<String>)>>,
}

/// All laws. `Err` = those that are broken, with their names.
pub fn judge(stage: &Stage) -> Result<(), Vec<(&'static str, String)>> {
    let told = stage.told.lock().unwrap().clone();
    let Some(told) = told else { return Err(vec![(LAWS[0].0, "the last daemon never came up".into())]) };
    let judged = Judged::new(stage, &told).map_err(|why| vec![(JUDGED, why)])?;
    let broken: Vec<_> = LAWS.iter().filter_map(|(name, law)| Some((*name, law(&judged).err()?))).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

fn covers(told: &str, path: &str) -> bool {
    path == told || path.starts_with(&format!("{told}/"))
}

pub fn said(tree: &ConfigTree) -> Said {
    let mut said = Said::new();
    tree.walk(&mut |path, node| {
        let word = match node.body() {
            Body::Leaf(value) => Some(value.as_str().to_owned()),
            Body::Container { presence } => presence.then(|| "is there".to_owned()),
            _ => Some("is there".to_owned()),
        };
        said.extend(word.map(|word| (path.clone(), word)));
        true
    });
    said
}

impl<'a> Judged<'a> {
    fn new(stage: &'a Stage, told: &'a Told) -> Result<Self, String> {
        let (mut people, mut loose, mut unsaved) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for element in &stage.elements {
            people.insert(element.name.clone(), by_people(element));
            unsaved.insert(element.name.clone(), by_restarts(element, told));
            loose.insert(element.name.clone(), Vec::new());
        }
        for record in &told.transactions {
            let Some(Outcome::Unresolved { elements, .. }) = &record.outcome else { continue };
            let key = format!("transaction/{}", record.id);
            let plan: Option<Plan> = stage
                .world
                .run(store::get(&stage.disk.store, Table::Plans, &key))?
                .map_err(|error| error.to_string())?;
            for of in plan.iter().flat_map(|plan| &plan.elements).filter(|of| elements.contains(&of.element)) {
                loose.entry(of.element.clone()).or_default().extend(of.touched().cloned());
            }
        }
        Ok(Self { stage, told, claims: claims(stage, told)?, people, loose, unsaved })
    }

    fn start(&self, element: &Element) -> Said {
        said(&element.start())
    }

    fn running(&self, element: &Element) -> Said {
        said(&element.shown(&element.running()))
    }

    /// What all stored documents together ask of an element.
    fn wanted(&self, element: &str) -> Said {
        self.claims.get(element).into_iter().flatten().flat_map(|(_, said)| said.clone()).collect()
    }

    fn is_loose(&self, element: &str, path: &Path) -> bool {
        self.loose[element].iter().any(|loose| path.starts_with(loose) || loose.starts_with(path))
    }

    /// Something of a service still waits for this element, or was given up there.
    fn waits(&self, element: &str) -> bool {
        self.told.queued.iter().any(|change| change.element == element)
    }

    /// An operator said so about this element.
    fn spoke(&self, element: &str, offer: Offer) -> bool {
        let mut all = self.told.transactions.iter().flat_map(|record| &record.resolutions);
        all.any(|said| said.element == element && said.offer == offer)
    }

    fn asks(&self) -> impl Iterator<Item = (usize, &Ask)> {
        self.stage.tale.asks.iter().enumerate()
    }
}

/// What the documents of the store ask for, by their meaning and the numbers in the ledger, through the adapters: without
/// a planner, without stored claims.
fn claims(stage: &Stage, told: &Told) -> Result<BTreeMap<String, BTreeMap<ServiceKey, Said>>, String> {
    let takes = store::list::<Take>(&stage.disk.store, Table::Numbers, "");
    let takes = stage.world.run(takes)?.map_err(|error| error.to_string())?;
    let ledger = Ledger::new(takes.into_iter().map(|(_, take)| take));
    let inventory: Inventory = told.elements.iter().map(|(element, _)| element.clone()).collect();
    let (excluded, meaning) = (Exclusions::default(), meaning(&house().north.index));
    let mut claims: BTreeMap<String, BTreeMap<ServiceKey, Said>> = BTreeMap::new();
    for document in &told.documents {
        let service = meaning(document)?;
        let mut draft = Draft::new(&ledger, &excluded);
        let split = decompose(&service, &inventory, &mut draft).map_err(|errors| format!("{errors:?}"))?;
        if !split.takes.is_empty() {
            return Err(format!("{} is stored without its numbers {:?}", document.key, split.takes));
        }
        for (element, wanted) in &split.elements {
            let adapter = &inventory.get(element).ok_or("no such element")?.adapter;
            let tree = house().adapters[adapter].map(wanted).map_err(|error| error.to_string())?;
            claims.entry(element.clone()).or_default().insert(document.key.clone(), said(&tree));
        }
    }
    Ok(claims)
}

/// The places that changed between two configurations, with what stands there afterwards.
pub fn changed(before: &Said, after: &Said) -> Vec<(Path, Option<String>)> {
    let all: BTreeSet<&Path> = before.keys().chain(after.keys()).collect();
    let other = all.into_iter().filter(|path| before.get(*path) != after.get(*path));
    other.map(|path| (path.clone(), after.get(path).cloned())).collect()
}

fn by_people(element: &Element) -> BTreeMap<Path, BTreeSet<Option<String>>> {
    let mut people: BTreeMap<Path, BTreeSet<Option<String>>> = BTreeMap::new();
    for Entry { by, did, .. } in element.diary() {
        if let (By::Human | By::Element, Did::Changed { before, after, .. }) = (by, did) {
            for (path, value) in changed(&said(&element.shown(&before)), &said(&element.shown(&after))) {
                people.entry(path).or_default().insert(value);
            }
        }
    }
    people
}

fn by_restarts(element: &Element, told: &Told) -> BTreeSet<(Path, Option<String>)> {
    let mut lost = BTreeSet::new();
    let progress = told.transactions.iter().filter_map(|record| record.elements.get(&element.name));
    if !progress.into_iter().any(|progress| progress.unsaved) {
        return lost;
    }
    let mut running = element.start();
    for Entry { did, .. } in element.diary() {
        running = match did {
            Did::Changed { after, .. } => after,
            Did::Reverted { tree, .. } => {
                lost.extend(changed(&said(&element.shown(&running)), &said(&element.shown(&tree))));
                tree
            }
            _ => continue,
        }
    }
    lost
}

fn every_request_ends(judged: &Judged<'_>) -> Verdict {
    let answers = judged.stage.answers();
    for (at, ask) in judged.asks() {
        match answers.get(&at) {
            None => return Err(format!("request {at} was never taken: {ask:?}")),
            Some((.., Heard::Nothing)) if ask.named => return Err(format!("request {at} was never answered")),
            Some(_) => {}
        }
    }
    for record in &judged.told.transactions {
        let open = matches!(record.outcome, Some(Outcome::Unresolved { .. }));
        if record.outcome.is_none() || record.finished.is_some() == open {
            return Err(format!("{} is {:?}, finished {:?}", record.id, record.outcome, record.finished));
        }
    }
    Ok(())
}

/// start + what people did + the merge of the claims of exactly the services that the store says are there.
fn elements_carry_the_services(judged: &Judged<'_>) -> Verdict {
    for element in &judged.stage.elements {
        if judged.waits(&element.name) {
            continue;
        }
        let (start, running) = (judged.start(element), judged.running(element));
        let wanted = judged.wanted(&element.name);
        let mut expected = start.clone();
        expected.extend(wanted.clone());
        let people = &judged.people[&element.name];
        for (path, is) in changed(&expected, &running) {
            if judged.is_loose(&element.name, &path) {
                continue;
            }
            // What an operator let stand, or a restart took because it was not saved, is told as long as it is there.
            let known = judged.spoke(&element.name, Offer::AcceptActual)
                || judged.unsaved[&element.name].contains(&(path.clone(), is.clone()));
            let text = path.to_string();
            let mut here = judged.told.deviations.iter().filter(|found| found.element == element.name);
            let accepted = known && here.any(|found| covers(&found.path, &text));
            // What has nothing below it any more is not shown by some elements.
            let emptied = is.is_none()
                && people.iter().any(|(at, values)| at != &path && at.starts_with(&path) && values.contains(&None));
            let theirs = accepted
                || emptied
                || people.get(&path).is_some_and(|values| values.contains(&is))
                || people.contains_key(&path) && (is == start.get(&path).cloned() || is == wanted.get(&path).cloned());
            if !theirs {
                let should = expected.get(&path);
                return Err(format!("{}: {path} is {is:?}, should be {should:?}", element.name));
            }
        }
    }
    Ok(())
}

/// However often it was sent: at most one transaction of a name was ever decided.
fn once(judged: &Judged<'_>) -> Verdict {
    for (at, ask) in judged.asks().filter(|(_, ask)| ask.named) {
        let name = Some(request(at));
        let ran = judged.told.transactions.iter().filter(|record| record.origin.request == name);
        let decided: Vec<&str> =
            ran.filter(|record| record.decided.is_some()).map(|record| record.id.as_str()).collect();
        if decided.len() > 1 {
            return Err(format!("{name:?} was carried out {} times: {decided:?}, {ask:?}", decided.len()));
        }
        // Whoever was told of a transaction is told of the same one for ever.
        let heard = judged.stage.heard.lock().unwrap();
        let mut first: Option<String> = None;
        for (.., heard) in heard.get(&at).into_iter().flatten() {
            let now = match heard {
                Heard::Record(record) => record.id.clone(),
                Heard::Refused(why) => why.clone(),
                Heard::Nothing => continue,
            };
            match &first {
                Some(first) if *first != now => {
                    return Err(format!("{name:?} was answered by {first} first, then by '{now}'"));
                }
                // A transaction of which the disk took nothing is none: nothing was sent, and the name is free.
                None if judged.told.transactions.iter().any(|record| record.id == now) => first = Some(now),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Who was the only one to ask something of a service, after everybody else had been answered, finds it as he was told.
fn told_is_stored(judged: &Judged<'_>) -> Verdict {
    let answers = judged.stage.answers();
    let stored: BTreeMap<&ServiceKey, &StoredDocument> =
        judged.told.documents.iter().map(|document| (&document.key, document)).collect();
    let tale = &judged.stage.tale;
    let services: BTreeSet<u8> = judged.asks().flat_map(|(_, ask)| tale.services(&ask.want)).collect();
    for service in services {
        let of: Vec<(usize, &Ask)> =
            judged.asks().filter(|(_, ask)| tale.services(&ask.want).contains(&service)).collect();
        let Some((at, ask, ended)) = of.iter().find_map(|(at, ask)| {
            let all = judged.stage.heard.lock().unwrap().get(at)?.clone();
            // The first time that it was sent, up to the last answer.
            let (first, last) = (all.first()?.0, all.last()?.clone());
            let alone = of
                .iter()
                .all(|(other, _)| other == at || answers.get(other).is_some_and(|(_, ended, _)| *ended < first));
            alone.then_some((*at, *ask, last))
        }) else {
            continue;
        };
        let Heard::Record(record) = ended.2 else { continue };
        let queue_went_back = ask.queue.is_some();
        let now = stored.get(&key(service));
        let right = match (&record.outcome, &ask.want) {
            (Some(Outcome::Applied), Want::Delete(_)) => now.is_none(),
            (Some(Outcome::Applied), Want::Put(_)) => {
                let body = verbs::body(tale, &ask.want, &key(service));
                now.is_some_and(|document| Some(&document.body) == body.as_ref())
            }
            _ => true,
        };
        if !right && !queue_went_back {
            return Err(format!("request {at} was told {:?}, but s{service} is {now:?}", record.outcome));
        }
    }
    Ok(())
}

/// Every deviation that is told is one: the element shows something else there than the services ask for.
fn deviations_are_true(judged: &Judged<'_>) -> Verdict {
    for found in judged.told.deviations.iter().filter(|found| found.left.is_none()) {
        let Some(element) = judged.stage.elements.iter().find(|element| element.name == found.element) else {
            return Err(format!("a deviation on {}, which is no element", found.element));
        };
        if judged.waits(&found.element) || found.kind == DeviationKind::Orphan {
            continue;
        }
        let at = |said: &Said| -> Said {
            let below = |path: &Path| covers(&found.path, &path.to_string());
            said.iter().filter(|(path, _)| below(path)).map(|(path, value)| (path.clone(), value.clone())).collect()
        };
        let (wanted, running) = (at(&judged.wanted(&found.element)), at(&judged.running(element)));
        let differs = wanted.iter().any(|(path, value)| running.get(path) != Some(value));
        if !differs && found.kind != DeviationKind::Extra {
            return Err(format!("{}: {} is said to deviate and does not: {found:?}", found.element, found.path));
        }
    }
    Ok(())
}

/// What an element shows otherwise than the services ask is told, with exactly the services that ask it.
fn deviations_have_their_services(judged: &Judged<'_>) -> Verdict {
    for element in &judged.stage.elements {
        if judged.waits(&element.name) {
            continue;
        }
        let running = judged.running(element);
        for (path, value) in judged.wanted(&element.name) {
            if running.get(&path) == Some(&value) {
                continue;
            }
            let text = path.to_string();
            let mut here = judged.told.deviations.iter().filter(|found| found.element == element.name);
            let Some(found) = here.find(|found| covers(&found.path, &text)) else {
                return Err(format!("{}: {path} is not as its services ask, and nobody is told", element.name));
            };
            let owns = |said: &Said| said.keys().any(|path| covers(&found.path, &path.to_string()));
            let all = judged.claims[&element.name].iter();
            let owners: BTreeSet<&ServiceKey> = all.filter(|(_, said)| owns(said)).map(|(key, _)| key).collect();
            let named: BTreeSet<&ServiceKey> = found.services.iter().collect();
            if owners != named {
                return Err(format!("{}: {} belongs to {owners:?}, told {named:?}", element.name, found.path));
            }
        }
    }
    Ok(())
}

fn told_is_true(judged: &Judged<'_>) -> Verdict {
    for (document, state) in judged.told.documents.iter().zip(&judged.told.states) {
        let mut differs = Vec::new();
        for element in &judged.stage.elements {
            let running = judged.running(element);
            let wanted = judged.claims.get(&element.name).and_then(|all| all.get(&document.key));
            let other = wanted.into_iter().flatten().filter(|(path, value)| running.get(*path) != Some(*value));
            differs.extend(other.map(|(path, _)| format!("{} {path}", element.name)));
        }
        let queued = judged.told.queued.iter().filter(|change| change.key == document.key);
        let states: Vec<QueueState> = queued.map(|change| change.state).collect();
        let fits = match state.as_str() {
            "deployed" => differs.is_empty() && states.is_empty(),
            "deviating" => !differs.is_empty(),
            "queued" => states.iter().all(|state| *state == QueueState::Waiting) && !states.is_empty(),
            "partially-applied" => states.iter().any(|state| *state != QueueState::Waiting),
            "unresolved" => judged.told.transactions.iter().any(|record| {
                let open = |elements: &Vec<String>| elements.iter().any(|name| document.elements.contains(name));
                matches!(&record.outcome, Some(Outcome::Unresolved { elements, .. }) if open(elements))
            }),
            _ => false,
        };
        if !fits {
            return Err(format!(
                "{} is said to be {state}; it differs at {differs:?}, queued {states:?}",
                document.key
            ));
        }
    }
    for (known, state) in &judged.told.elements {
        let Some(element) = judged.stage.elements.iter().find(|element| element.name == known.name) else {
            return Err(format!("{} is no element", known.name));
        };
        let running = judged.running(element);
        let wanted = judged.wanted(&known.name);
        let differs = wanted.iter().any(|(path, value)| running.get(path) != Some(value));
        let open = judged.told.transactions.iter().any(|record| {
            matches!(&record.outcome, Some(Outcome::Unresolved { elements, .. }) if elements.contains(&known.name))
        });
        let fits = match state.sync {
            _ if judged.waits(&known.name) => true,
            SyncState::InSync => !differs && !open,
            SyncState::OutOfSync => differs || judged.told.deviations.iter().any(|found| found.element == known.name),
            SyncState::Unresolved => open,
            SyncState::Unknown | SyncState::Partial => false,
        };
        if !fits {
            return Err(format!("{} is said to be {:?}; differs {differs}, open {open}", known.name, state.sync));
        }
    }
    Ok(())
}

/// A value of somebody that the daemon had read, and that no request allowed to overwrite.
fn not_overwritten_knowingly(judged: &Judged<'_>) -> Verdict {
    if judged.asks().any(|(_, ask)| ask.anyway || matches!(ask.want, Want::Heal(_))) {
        return Ok(());
    }
    let forced = |element: &&std::sync::Arc<Element>| judged.spoke(&element.name, Offer::ForceIntent);
    for element in judged.stage.elements.iter().filter(|element| !forced(element)) {
        // What stands there by somebody's hand; and whether we have seen it there.
        let mut theirs: BTreeMap<Path, (String, bool)> = BTreeMap::new();
        for Entry { by, did, .. } in element.diary() {
            match (by, did) {
                (By::Human, Did::Changed { before, after, .. }) => {
                    let (before, after) = (said(&element.shown(&before)), said(&element.shown(&after)));
                    for (path, value) in changed(&before, &after) {
                        match value.filter(|value| value.starts_with("by hand ")) {
                            Some(value) => drop(theirs.insert(path, (value, false))),
                            None => drop(theirs.remove(&path)),
                        }
                    }
                }
                (By::Ours(_), Did::Read { tree }) => {
                    for (path, (value, seen)) in &mut theirs {
                        let here = tree.at(path).and_then(|node| node.value().map(|value| value.as_str().to_owned()));
                        *seen |= here.as_ref() == Some(value);
                    }
                }
                (By::Ours(owner), Did::Changed { after, .. }) => {
                    let after = said(&element.shown(&after));
                    for (path, (value, seen)) in &theirs {
                        if *seen && after.get(path) != Some(value) && !judged.is_loose(&element.name, path) {
                            return Err(format!(
                                "{owner} read '{value}' at {path} of {} and overwrote it",
                                element.name
                            ));
                        }
                    }
                    theirs.retain(|path, (value, _)| after.get(path) == Some(value));
                }
                (_, Did::Changed { after, .. } | Did::Reverted { tree: after, .. }) => {
                    let after = said(&element.shown(&after));
                    theirs.retain(|path, (value, _)| after.get(path) == Some(value));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Exactly those bytes, or nothing.
fn pinned_as_looked_at(judged: &Judged<'_>) -> Verdict {
    let kept = judged.stage.kept.lock().unwrap();
    for (at, (.., heard)) in judged.stage.answers() {
        let (Some(kept), Heard::Record(record)) = (kept.get(&at), heard) else { continue };
        let (wanted, outcome) = (&kept.plan, &record.outcome);
        // Called off before it was taken up: of it nothing is known but its name.
        if record.plan.is_empty() && record.decided.is_none() {
            continue;
        }
        if record.plan != wanted.id {
            return Err(format!("request {at} looked at plan {}, and {} ran", wanted.id, record.plan));
        }
        for of in wanted.elements.iter().filter(|_| *outcome == Some(Outcome::Applied)) {
            let Some(element) = judged.stage.elements.iter().find(|element| element.name == of.element) else {
                continue;
            };
            let bytes = of.payload.native();
            let sent = element.diary().iter().any(|entry| {
                matches!(&entry.did, Did::Sent { call: Call::Prepare | Call::Apply, bytes: sent, .. } if *sent == bytes)
            });
            if !sent {
                return Err(format!("request {at}: {} was never sent what was looked at", of.element));
            }
        }
    }
    Ok(())
}
