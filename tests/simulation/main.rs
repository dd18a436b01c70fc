//! Deterministic simulation of transactions: seeded faults, virtual time, elements that judge for themselves.
//!
//! ```text
//!  seed ─ dice ─► story ─ play ─► daemons (runner, recovery) ◄─ director (what happens when)
//!                                    │ sessions    │ disk
//!                                    ▼             ▼
//!                                 elements       store        afterwards: laws ◄─ diaries, store, what was told
//! ```
//!
//! A story is plain words: it can be printed, written into `stories/` and told again when the dice have changed.

// A failure of the stage is a failure of the test; clippy sees tests only in `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The size of a driver error is of no matter here.
#![allow(clippy::result_large_err)]

mod bugs;
mod dice;
mod director;
mod disk;
mod element;
mod laws;
mod logged;
mod matrix;
mod native;
mod partial;
mod plans;
mod plants;
mod play;
mod regressions;
mod replay;
mod scale;
mod seeds;
mod services;
mod session;
mod steps;
mod story;
mod unclear;
mod windows;
mod world;

#[path = "../support/bare_plan.rs"]
mod bare_plan;
#[path = "../support/inhabited.rs"]
mod inhabited;
#[path = "../support/paper.rs"]
mod paper;
#[path = "../support/splitmix.rs"]
mod splitmix;
#[path = "../support/through.rs"]
mod through;

use andante::domain::Outcome;
use element::Did;
use play::{Planted, Stage, play};
use std::sync::Arc;
use story::Story;

/// What is said of a story that breaks laws.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    pub laws: Vec<(&'static str, String)>,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.laws.iter().try_for_each(|(law, what)| writeln!(f, "  broken: {law}: {what}"))
    }
}

/// Plays a story and judges it.
pub fn simulate(story: &Story, planted: Planted) -> Result<Arc<Stage>, Broken> {
    logged::listen();
    let stage = play(story, planted).map_err(|what| Broken { laws: vec![("it comes to an end", what)] })?;
    laws::judge(&stage).map_err(|laws| Broken { laws })?;
    Ok(stage)
}

/// What happened, line by line, for whoever has to understand it.
pub fn chronicle(story: &Story, planted: Planted) -> String {
    let Ok(stage) = play(story, planted) else { return "it does not end".into() };
    let mut lines = stage.director.passed();
    for element in &stage.elements {
        for element::Entry { seq, by, did } in element.diary() {
            let did = match did {
                Did::Changed { before, after, .. } => {
                    let edits = andante::tree::diff(&before, &after).edits;
                    let paths: Vec<String> = edits.iter().map(|edit| edit.path().to_string()).collect();
                    format!("running changes: {}", paths.join(", "))
                }
                Did::Read { .. } => "is read".to_owned(),
                Did::Sent { call, locked, .. } => format!("hears {call:?}, locked {locked}"),
                Did::Reverted { back_to, .. } => format!("running goes back to {back_to}"),
                other => format!("{other:?}"),
            };
            lines.push((seq, format!("    {} {by:?}: {did}", element.name)));
        }
    }
    for (id, (seq, record)) in stage.told.lock().unwrap().iter() {
        lines.push((*seq, format!("TOLD {id}: {:?}", record.outcome)));
    }
    lines.sort();
    let mut text: Vec<String> = lines.into_iter().map(|(seq, line)| format!("  {seq:5} {line}")).collect();
    for id in stage.transactions() {
        text.push(format!("  RECORD {:?}", stage.record(&id)));
    }
    text.join("\n")
}

/// How a transaction ended, in a word.
pub fn word(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        None => "nothing durable",
        Some(Outcome::Applied) => "applied",
        Some(Outcome::NotApplied { .. }) => "not applied",
        Some(Outcome::Unresolved { .. }) => "unresolved",
    }
}

/// The same story with everything left out that is not needed to break the same law.
pub fn shrunk(story: &Story, planted: &Planted) -> Story {
    let law = |story: &Story| simulate(story, planted.clone()).err().map(|broken| broken.laws[0].0);
    smallest(story, law, |best| {
        let mut smaller: Vec<Story> = Vec::new();
        for at in 0..best.twists.len() {
            let mut one = best.clone();
            one.twists.remove(at);
            smaller.push(one);
        }
        for at in 0..best.orders.len() {
            let mut one = best.clone();
            one.orders.remove(at);
            smaller.push(one);
            for (want, (_, wishes)) in best.orders[at].wants.iter().enumerate() {
                let mut one = best.clone();
                one.orders[at].wants.remove(want);
                smaller.push(one);
                for wish in 0..wishes.len() {
                    let mut one = best.clone();
                    one.orders[at].wants[want].1.remove(wish);
                    smaller.push(one);
                }
            }
            let mut one = best.clone();
            one.orders[at].stop = None;
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

/// From `all` step by step to one that still breaks the same law, and of which no smaller one does.
pub fn smallest<S: Clone + PartialEq>(
    all: &S,
    law: impl Fn(&S) -> Option<&'static str>,
    smaller: impl Fn(&S) -> Vec<S>,
) -> S {
    let mut best = all.clone();
    let Some(first) = law(all) else { return best };
    while let Some(one) = smaller(&best).into_iter().find(|one| *one != best && law(one) == Some(first)) {
        best = one;
    }
    best
}
