//! Stories of services: what orchestrators ask for goes through the whole controller (documents, admission, numbers,
//! claims, plan, gate, queue, transaction, mirror) onto elements that speak as their platforms do, under the same virtual
//! time, network, disk and faults as the stories of transactions.
//!
//! ```text
//!  seed ─ dice ─► tale ─ play ─► orchestrators ─► daemons (Controller) ◄─ director (what happens when)
//!                                                   │ sessions   │ disk
//!                                                   ▼            ▼
//!                                  elements (XR edit-config, FRR lines)  store     afterwards: laws
//! ```

mod asks;
mod bugs;
mod dice;
pub mod house;
mod laws;
mod play;
mod seeds;
mod stories;
mod tale;

use crate::element::{Did, Entry};
use crate::{Broken, smallest};
use andante::tree::ConfigTree;
use play::{Planted, Stage, play};
use std::sync::Arc;
use tale::Tale;

/// Plays a tale and judges it.
pub fn simulate(tale: &Tale, planted: Planted) -> Result<Arc<Stage>, Broken> {
    crate::logged::listen();
    let stage = play(tale, planted).map_err(|what| Broken { laws: vec![("it comes to an end", what)] })?;
    laws::judge(&stage).map_err(|laws| Broken { laws })?;
    Ok(stage)
}

/// The same tale with everything left out that is not needed to break the same law.
pub fn shrunk(tale: &Tale, planted: &Planted) -> Tale {
    let law = |tale: &Tale| simulate(tale, planted.clone()).err().map(|broken| broken.laws[0].0);
    smallest(tale, law, |best| {
        let mut smaller: Vec<Tale> = Vec::new();
        for at in 0..best.asks.len() {
            smaller.push(best.without(at));
            let mut one = best.clone();
            let ask = &mut one.asks[at];
            (ask.named, ask.again, ask.pinned, ask.queue, ask.anyway) = (false, None, None, None, false);
            smaller.push(one);
        }
        for at in 0..best.twists.len() {
            let mut one = best.clone();
            one.twists.remove(at);
            smaller.push(one);
        }
        for at in 0..best.elements.len() {
            for habit in 0..best.elements[at].habits.len() {
                let mut one = best.clone();
                one.elements[at].habits.remove(habit);
                smaller.push(one);
            }
        }
        smaller
    })
}

/// What happened, line by line, for whoever has to understand it.
pub fn chronicle(tale: &Tale, planted: Planted) -> String {
    let Ok(stage) = play(tale, planted) else { return "it does not end".into() };
    let mut lines = stage.director.passed();
    for element in &stage.elements {
        for Entry { seq, by, did } in element.diary() {
            let edits = |before: &ConfigTree, after: &ConfigTree| {
                let (before, after) = (laws::said(&element.shown(before)), laws::said(&element.shown(after)));
                laws::changed(&before, &after)
                    .iter()
                    .map(|(path, is)| format!("{path} = {is:?}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let did = match did {
                Did::Changed { before, after, .. } => format!("running changes: {}", edits(&before, &after)),
                Did::Read { .. } => continue,
                Did::Sent { call, locked, .. } => format!("hears {call:?}, locked {locked}"),
                Did::Reverted { back_to, .. } => format!("running goes back to {back_to}"),
                other => format!("{other:?}"),
            };
            lines.push((seq, format!("    {} {by:?}: {did}", element.name)));
        }
    }
    for (at, all) in stage.heard.lock().unwrap().iter() {
        for (since, until, heard) in all {
            lines.push((*since, format!("ASKS {at}: {:?}", tale.asks[*at])));
            let heard = match heard {
                play::Heard::Record(record) => format!("{} {:?}", record.id, record.outcome),
                other => format!("{other:?}"),
            };
            lines.push((*until, format!("TOLD {at}: {heard}")));
        }
    }
    lines.sort();
    let mut text: Vec<String> = lines.into_iter().map(|(seq, line)| format!("  {seq:5} {line}")).collect();
    if let Some(told) = stage.told.lock().unwrap().as_ref() {
        text.push(format!("  DEVIATIONS {:?}", told.deviations));
        text.push(format!("  QUEUE {:?}", told.queued));
        for record in &told.transactions {
            text.push(format!("  RECORD {record:?}"));
        }
    }
    text.join("\n")
}
