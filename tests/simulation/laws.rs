//! The laws: what has to hold when everything has come to rest, judged from the elements' diaries, the durable store and
//! what people were told, never from what the daemon believes.

use crate::element::{By, Did, Entry};
use crate::play::Stage;
use crate::replay::{plan_for, replay, true_states};
use crate::story::{Call, Habit};
use crate::unclear::strays;
use andante::domain::{Class, Outcome, Phase, Turn};
use andante::plan::ElementPlan;
use andante::store::{Store, Table};
use andante::tree::{ConfigTree, Path, diff};

/// Whether the record has a place for what a cancel takes along of other people's work.
const TAKEN_ALONG_IS_TOLD: bool = true;

/// What a law says of a story.
pub type Verdict = Result<(), String>;

/// One law: its name, and how it is judged.
pub type Law = (&'static str, fn(&Stage) -> Verdict);

pub const LAWS: [Law; 17] = [
    ("every transaction ends", every_transaction_ends),
    ("elements stand as the outcome says", elements_stand_as_told),
    ("nothing outside the plan is changed", nothing_outside_the_plan),
    ("applied was verified before it was decided", applied_was_verified),
    ("no decision is lost", no_decision_is_lost),
    ("an end that was told is durable", what_was_told_is_durable),
    ("people's values are not taken away untold", peoples_values_stay),
    ("nothing of ours is left behind", nothing_left_behind),
    ("no secret leaves", no_secret_leaves),
    ("each element's state is true", states_are_true),
    ("unresolved has a reason", unresolved_has_a_reason),
    ("intents are written before the sends", intents_before_sends),
    ("edits only under the lock", edits_under_lock),
    ("nothing is sent twice blindly", nothing_twice_blindly),
    ("nothing is final before the decision", nothing_final_before_decision),
    ("a foreign candidate is left alone", foreign_candidate_stays),
    ("every write and every send has its points", all_has_points),
];

/// All laws. `Err` = those that are broken, with their names.
pub fn judge(stage: &Stage) -> Result<(), Vec<(&'static str, String)>> {
    let broken: Vec<_> = LAWS.iter().filter_map(|(name, law)| Some((*name, law(stage).err()?))).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

/// The kill matrix is whole only if nothing is written and nothing is sent outside of the points at which it kills.
fn all_has_points(stage: &Stage) -> Verdict {
    match stage.director.unguarded().first() {
        Some(first) => Err(first.clone()),
        None => Ok(()),
    }
}

fn every_transaction_ends(stage: &Stage) -> Verdict {
    for id in stage.transactions() {
        let told = stage.told.lock().unwrap().get(&id).map(|(_, record)| record.clone());
        match (stage.record(&id), told) {
            // Nothing of it was ever durable; then nothing was sent, which another law knows.
            (None, _) => {}
            (Some(record), _) if record.outcome.is_none() => {
                return Err(format!("{id} has no outcome: {record:?}"));
            }
            (Some(record), _) => {
                let open = matches!(record.outcome, Some(Outcome::Unresolved { .. }));
                if record.finished.is_some() == open {
                    return Err(format!("{id} is {:?}, finished {:?}", record.outcome, record.finished));
                }
            }
        }
    }
    Ok(())
}

fn elements_stand_as_told(stage: &Stage) -> Verdict {
    for element in &stage.elements {
        let (running, truths) = (element.running(), true_states(stage, element)?);
        let mut loose: Vec<ElementPlan> = Vec::new();
        for id in stage.transactions() {
            let Some(Outcome::Unresolved { elements, .. }) = stage.outcome(&id) else { continue };
            // What is unresolved elsewhere has let this one go: it is after or before like any other, which the replay
            // knows, and later transactions may work on the same paths.
            if !elements.contains(&element.name) {
                continue;
            }
            loose.extend(plan_for(stage, &id, &element.name));
        }
        // What is unresolved is loose: before, after or somebody else's. So is a line that got another number, and is named.
        let strays: Vec<Path> = strays(stage, element).into_iter().map(|(_, path)| path).collect();
        let cut = |tree: &ConfigTree| {
            let paths = loose.iter().flat_map(|of| of.touched()).chain(&strays);
            paths.fold(tree.clone(), |tree, path| tree.without(path))
        };
        let is = cut(&running);
        if !truths.iter().any(|truth| cut(truth) == is) {
            let should = cut(&truths[0]);
            let edits: Vec<String> = diff(&should, &is).edits.iter().map(|edit| format!("{edit:?}")).collect();
            return Err(format!("{} differs from what was told: {}", element.name, edits.join("; ")));
        }
    }
    Ok(())
}

fn nothing_outside_the_plan(stage: &Stage) -> Verdict {
    for element in &stage.elements {
        let strays = strays(stage, element);
        for Entry { seq, by, did } in element.diary() {
            let (By::Ours(owner), Did::Changed { before, after, .. }) = (by, did) else { continue };
            let plans: Vec<ElementPlan> = match owner.as_str() {
                "recovery" => stage.transactions().iter().filter_map(|id| plan_for(stage, id, &element.name)).collect(),
                id => plan_for(stage, id, &element.name).into_iter().collect(),
            };
            let ours = |path: &Path| plans.iter().any(|of| of.touched().any(|touched| path.starts_with(touched)));
            let may = |path: &Path| ours(path) || strays.contains(&(seq, path.clone()));
            if let Some(edit) = diff(&before, &after).edits.iter().find(|edit| !may(edit.path())) {
                return Err(format!("{owner} changed {} on {}", edit.path(), element.name));
            }
        }
    }
    Ok(())
}

/// The decision came after a reading that showed the new state, and that reading after the last change of ours.
fn applied_was_verified(stage: &Stage) -> Verdict {
    for id in stage.transactions() {
        let Some(decided) = stage.disk.intent(&id, Phase::Decided) else { continue };
        for of in stage.plan_of(&id).iter().flat_map(|plan| &plan.elements) {
            let Some(element) = stage.elements.iter().find(|element| element.name == of.element) else { continue };
            let diary = element.diary();
            let mut earlier =
                diary.iter().rev().filter(|entry| entry.seq < decided && entry.by == By::Ours(id.clone()));
            let last = earlier.find(|entry| matches!(entry.did, Did::Read { .. } | Did::Changed { .. }));
            let seen = matches!(last.map(|entry| &entry.did), Some(Did::Read { tree }) if of.is_after(tree));
            if !seen {
                return Err(format!("{id} was decided, but {} was not read as it should be", of.element));
            }
        }
    }
    Ok(())
}

fn no_decision_is_lost(stage: &Stage) -> Verdict {
    for id in stage.transactions() {
        let (decided, outcome) = (stage.disk.durable(&id, Phase::Decided), stage.outcome(&id));
        let document: Option<String> = stage
            .world
            .run(andante::store::get(&stage.disk.store, Table::Documents, &id))
            .ok()
            .and_then(Result::ok)
            .flatten();
        let lost = matches!(outcome, None | Some(Outcome::NotApplied { .. }));
        if decided.is_some() && (lost || document.is_none()) {
            return Err(format!("{id} was decided, and is {outcome:?}, document {document:?}"));
        }
        if decided.is_none() && document.is_some() {
            return Err(format!("{id} was never decided, but its document is stored"));
        }
    }
    Ok(())
}

fn what_was_told_is_durable(stage: &Stage) -> Verdict {
    for (id, (_, told)) in stage.told.lock().unwrap().iter() {
        let kept = stage.outcome(id);
        let same = match (&told.outcome, &kept) {
            (Some(Outcome::Applied), Some(Outcome::Applied)) => true,
            (Some(Outcome::NotApplied { .. }), Some(Outcome::NotApplied { .. })) => true,
            // Nothing was ever written of it, and nothing sent.
            (Some(Outcome::NotApplied { .. }), None) => !was_touched(stage, id),
            // It is worked on: it may end as either, and the record says so.
            (Some(Outcome::Unresolved { .. }), Some(_)) => true,
            _ => false,
        };
        if !same {
            return Err(format!("{id}: told {:?}, kept {kept:?}", told.outcome));
        }
    }
    Ok(())
}

/// Whether anything that can change something was sent for it.
fn was_touched(stage: &Stage, id: &str) -> bool {
    let ours = By::Ours(id.to_owned());
    let edits = |did: &Did| matches!(did, Did::Sent { call: Call::Prepare | Call::Apply, .. });
    stage.elements.iter().any(|element| element.diary().iter().any(|entry| entry.by == ours && edits(&entry.did)))
}

fn peoples_values_stay(stage: &Stage) -> Verdict {
    for element in &stage.elements {
        for (owner, path) in replay(stage, element).taken_along {
            let told = stage.transactions().iter().any(|id| {
                let record = stage.record(id);
                let progress = record.and_then(|record| record.elements.get(&element.name).cloned());
                let (path, foreign) = (path.to_string(), progress.map(|progress| progress.foreign).unwrap_or_default());
                // The place, one above it or one below: an entry may be named as a whole.
                foreign.iter().any(|known| path.starts_with(&known.path) || known.path.starts_with(&path))
            });
            if !told && TAKEN_ALONG_IS_TOLD {
                return Err(format!("{owner} took along what somebody put at {path} of {}", element.name));
            }
        }
    }
    Ok(())
}

fn nothing_left_behind(stage: &Stage) -> Verdict {
    for element in &stage.elements {
        let open = is_open(stage, &element.name);
        let excused = stage.transactions().iter().any(|id| {
            let detail = stage.record(id).and_then(|record| record.elements.get(&element.name)?.detail.clone());
            detail.is_some_and(|text| text.contains("candidate not emptied"))
        });
        let excused = |what: &&str| open || excused && *what == "an edit in the candidate";
        let left: Vec<_> = element.leftovers().into_iter().filter(|what| !excused(what)).collect();
        if !left.is_empty() {
            return Err(format!("{} keeps {left:?}", element.name));
        }
    }
    Ok(())
}

fn is_open(stage: &Stage, element: &str) -> bool {
    let open = |id: &String| matches!(stage.outcome(id), Some(Outcome::Unresolved { elements, .. }) if elements.iter().any(|e| e == element));
    stage.transactions().iter().any(open)
}

fn no_secret_leaves(stage: &Stage) -> Verdict {
    let mut said: Vec<(String, String)> = Vec::new();
    for (id, (_, record)) in stage.told.lock().unwrap().iter() {
        said.push((format!("what the caller of {id} was told"), format!("{record:?}")));
    }
    for record in stage.published.lock().unwrap().iter() {
        said.push((format!("a published state of {}", record.id), format!("{record:?}")));
    }
    for id in stage.transactions() {
        said.push((format!("the record of {id}"), format!("{:?}", stage.record(&id))));
    }
    let store = &stage.disk.store;
    if let Ok(Ok(events)) = stage.world.run(store.events_after(0, 1_000)) {
        said.push(("the outbox".into(), format!("{events:?}")));
    }
    if let Ok(Ok(audit)) = stage.world.run(store.audit(1_000)) {
        said.push(("the audit log".into(), format!("{audit:?}")));
    }
    said.push(("the log".into(), crate::logged::take()));
    for secret in stage.director.secrets() {
        let secret = format!("{secret:016x}");
        if let Some((place, _)) = said.iter().find(|(_, text)| text.contains(&secret)) {
            return Err(format!("a persist-id stands in {place}"));
        }
    }
    Ok(())
}

/// The outcome and the turns agree, and each turn was seen by reading.
fn states_are_true(stage: &Stage) -> Verdict {
    for id in stage.transactions() {
        let Some(record) = stage.record(&id) else { continue };
        let open = match &record.outcome {
            Some(Outcome::Unresolved { elements, .. }) => elements.clone(),
            _ => vec![],
        };
        let decided = stage.disk.durable(&id, Phase::Decided).is_some();
        for (name, progress) in &record.elements {
            let turn = progress.turn;
            let fits = match (&record.outcome, open.contains(name)) {
                (Some(Outcome::Applied), _) => turn == Turn::Confirmed,
                (Some(Outcome::NotApplied { .. }), _) => matches!(turn, Turn::Untouched | Turn::Restored),
                (_, true) => matches!(turn, Turn::Unknown | Turn::Conflict),
                (_, false) if decided => turn == Turn::Confirmed,
                (_, false) => matches!(turn, Turn::Untouched | Turn::Restored),
            };
            if !fits {
                return Err(format!("{id} is {:?}, but {name} is {turn:?}", record.outcome));
            }
            let Some(element) = stage.elements.iter().find(|element| &element.name == name) else { continue };
            let Some(of) = plan_for(stage, &id, name) else { continue };
            let diary = element.diary();
            let applied = |entry: &Entry| entry.by == By::Ours(id.clone()) && matches!(entry.did, Did::Changed { .. });
            let Some(first) = diary.iter().position(applied) else { continue };
            let read = |side: fn(&ElementPlan, &ConfigTree) -> bool| {
                let later = diary[first..].iter();
                later.clone().any(|entry| matches!(&entry.did, Did::Read { tree } if side(&of, tree)))
            };
            let seen = match turn {
                Turn::Restored => read(ElementPlan::is_before),
                Turn::Confirmed => read(ElementPlan::is_after),
                Turn::Untouched => false,
                _ => true,
            };
            if !seen {
                return Err(format!("{id}: {name} is said to be {turn:?}, but was never read so"));
            }
        }
    }
    Ok(())
}

fn unresolved_has_a_reason(stage: &Stage) -> Verdict {
    for id in stage.transactions() {
        let Some(Outcome::Unresolved { elements, cause }) = stage.outcome(&id) else { continue };
        for name in elements {
            let Some(element) = stage.elements.iter().find(|element| element.name == name) else { continue };
            let (Some(of), replayed) = (plan_for(stage, &id, &name), replay(stage, element)) else { continue };
            let meddled = replayed.foreign.iter().any(|(_, path)| of.touched().any(|touched| touched.touches(path)));
            if !meddled && !element.is_taken() {
                return Err(format!("{id}: {name} is unresolved for ever, although every fault passed: {cause}"));
            }
        }
    }
    Ok(())
}

fn intents_before_sends(stage: &Stage) -> Verdict {
    for element in &stage.elements {
        for Entry { seq, by, did } in element.diary() {
            let (By::Ours(owner), Did::Sent { call, .. }) = (by, did) else { continue };
            let phase = match call {
                Call::Lock => Phase::Locked,
                Call::Prepare => Phase::Prepared,
                Call::Apply => Phase::Applied,
                Call::Save => Phase::Decided,
                _ => continue,
            };
            if owner != "recovery" && stage.disk.durable(&owner, phase).is_none_or(|written| written > seq) {
                return Err(format!("{owner} sent {call:?} to {} before its intent was durable", element.name));
            }
        }
    }
    Ok(())
}

fn edits_under_lock(stage: &Stage) -> Verdict {
    for element in stage.elements.iter().filter(|element| element.class() != Class::D) {
        for Entry { by, did, .. } in element.diary() {
            if let (By::Ours(owner), Did::Sent { call: call @ (Call::Prepare | Call::Apply), locked: false, .. }) =
                (by, did)
            {
                return Err(format!("{owner} sent {call:?} to {} without its lock", element.name));
            }
        }
    }
    Ok(())
}

/// Between two times that the same bytes take effect the element was read.
fn nothing_twice_blindly(stage: &Stage) -> Verdict {
    for element in &stage.elements {
        let (mut sent, mut blind): (String, Option<(By, String)>) = (String::new(), None);
        for Entry { by, did, .. } in element.diary() {
            match did {
                Did::Sent { call: Call::Apply, bytes, .. } => sent = bytes,
                Did::Changed { .. } if matches!(by, By::Ours(_)) => {
                    let now = (by, sent.clone());
                    if blind.as_ref() == Some(&now) {
                        return Err(format!("{:?} did the same twice to {} without reading", now.0, element.name));
                    }
                    blind = Some(now);
                }
                Did::Read { .. } if matches!(by, By::Ours(_)) => blind = None,
                _ => {}
            }
        }
    }
    Ok(())
}

fn nothing_final_before_decision(stage: &Stage) -> Verdict {
    for element in &stage.elements {
        for Entry { seq, by, did } in element.diary() {
            let (By::Ours(owner), Did::Kept) = (by, did) else { continue };
            let decided = |id: &String| stage.disk.durable(id, Phase::Decided).is_some_and(|at| at < seq);
            let may = if owner == "recovery" { stage.transactions().iter().any(decided) } else { decided(&owner) };
            if !may {
                return Err(format!("{owner} confirmed on {} before it was decided", element.name));
            }
        }
    }
    Ok(())
}

fn foreign_candidate_stays(stage: &Stage) -> Verdict {
    for element in stage.elements.iter().filter(|element| !element.has(Habit::KeepsStaleCandidate)) {
        if element.diary().iter().any(|entry| matches!(entry.did, Did::DiscardedForeign)) {
            return Err(format!("somebody else's edit in the candidate of {} was thrown away", element.name));
        }
    }
    Ok(())
}
