//! One element inside the machine, and what an answer makes of it.

use super::Machine;
use super::alphabet::{Answer, Verb};
use crate::domain::{Class, ElementProgress, Turn};
use std::time::Duration;

/// One element inside the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) progress: ElementProgress,
    pub(super) busy: Option<Verb>,
    pub(super) extend_at: Option<Duration>,
    // When the verb in flight was sent.
    pub(super) asked: Duration,
    // Its state is still to be compared.
    pub(super) to_check: bool,
    // What was last asked of it on the way back or forward is answered.
    pub(super) settled: bool,
}

impl Member {
    /// One of which nothing was asked yet.
    pub(super) fn at(progress: ElementProgress) -> Self {
        Self { progress, busy: None, extend_at: None, asked: Duration::ZERO, to_check: false, settled: false }
    }
}

impl Machine {
    /// Takes an answer into the element's progress. `None` when that verb was not in flight.
    pub(super) fn take(&mut self, element: &str, verb: Verb, answer: &Answer) -> Option<()> {
        let window = self.window;
        let member = self.members.get_mut(element)?;
        if member.busy != Some(verb) {
            return None;
        }
        member.busy = None;
        let was = member.progress.turn;
        member.progress.turn = match (verb, answer) {
            (Verb::Lock, Answer::Done { .. }) => Turn::Locked,
            (Verb::Lock, _) => Turn::Untouched,
            // A refused edit may have left a part in the candidate, a lost one all of it.
            (Verb::Prepare, _) => Turn::Prepared,
            (Verb::Apply, Answer::Done { .. }) => Turn::Applied,
            (Verb::Apply, _) => Turn::Unknown,
            (Verb::Verify, Answer::Done { .. }) => Turn::Verified,
            (Verb::Verify | Verb::Check, _) => was,
            (Verb::Extend, Answer::Done { .. }) => was,
            (Verb::Extend, _) => Turn::Unknown,
            (Verb::Confirm | Verb::Advance, Answer::Done { .. }) => Turn::Confirmed,
            (Verb::Withdraw | Verb::Restore, Answer::Done { .. }) => Turn::Restored,
            (Verb::Confirm | Verb::Advance | Verb::Withdraw | Verb::Restore, Answer::Conflict(_)) => Turn::Conflict,
            (Verb::Confirm | Verb::Advance | Verb::Withdraw | Verb::Restore, _) => Turn::Unknown,
            (Verb::Release, _) if was == Turn::Locked => Turn::Untouched,
            (Verb::Release, _) => was,
        };
        member.extend_at = match (verb, answer, member.progress.class) {
            // Its timer runs since the element heard of it, which may be long before its answer came.
            (Verb::Apply | Verb::Extend, Answer::Done { .. }, Class::A) => Some(member.asked + window / 2),
            (Verb::Verify | Verb::Check, _, _) => member.extend_at,
            _ => None,
        };
        // After a confirm that failed the element is read and brought forward; everything else is done with its answer.
        member.settled = match verb {
            Verb::Confirm => member.progress.turn == Turn::Confirmed,
            Verb::Advance | Verb::Withdraw | Verb::Restore | Verb::Release => true,
            Verb::Lock | Verb::Prepare | Verb::Apply | Verb::Verify | Verb::Check | Verb::Extend => false,
        };
        member.to_check &= verb != Verb::Check;
        match answer {
            Answer::Done { detail, residue } => {
                if detail.is_some() || matches!(verb, Verb::Restore | Verb::Advance) {
                    member.progress.detail.clone_from(detail);
                }
                for line in residue {
                    if !member.progress.residue.contains(line) {
                        member.progress.residue.push(line.clone());
                    }
                }
            }
            Answer::Refused(cause) | Answer::Lost(cause) | Answer::Conflict(cause) => {
                member.progress.detail = Some(cause.message.clone());
                // On the way back the first cause stays; after the decision this is what keeps it from ending.
                if self.decided && !matches!(verb, Verb::Confirm | Verb::Release) {
                    self.cause.get_or_insert(cause.clone());
                }
            }
        }
        Some(())
    }
}
