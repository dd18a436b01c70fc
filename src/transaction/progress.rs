//! How far a transaction is, for whoever watches it: its record as it stands, and until when what is awaited.
//!
//! It lives in memory while the transaction runs and says nothing that recovery needs.

use super::TransactionLimits;
use super::machine::{Answer, Verb};
use crate::domain::TransactionRecord;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// The latest state of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Counts the news, from 1; 0 = nothing was said yet.
    pub change: u64,
    /// The record; `None` before there is one.
    pub record: Option<TransactionRecord>,
    /// Until when what is awaited.
    pub timing: Timing,
}

/// Until when what is awaited, by element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Until then the element has to answer; then it counts as lost.
    pub deadlines: BTreeMap<String, Timestamp>,
    /// Then the element takes the change back by itself, unless it is told to keep it or to wait longer.
    pub reverts: BTreeMap<String, Timestamp>,
}

impl Progress {
    /// The news.
    pub fn follow(&mut self, record: &TransactionRecord, timing: &Timing) {
        self.change += 1;
        self.record = Some(record.clone());
        self.timing.clone_from(timing);
    }

    /// Something was sent: what is awaited now.
    pub fn awaits(&mut self, timing: &Timing) {
        self.change += 1;
        self.timing.clone_from(timing);
    }
}

impl Timing {
    /// The latest of all deadlines: until then something has happened.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.values().max().copied()
    }

    /// The earliest moment at which an element takes its change back by itself.
    pub fn window(&self) -> Option<Timestamp> {
        self.reverts.values().min().copied()
    }

    pub(super) fn asked(&mut self, element: &str, now: Timestamp, patience: Duration) {
        self.deadlines.insert(element.into(), later(now, patience));
    }

    pub(super) fn answered(
        &mut self,
        element: &str,
        verb: Verb,
        answer: &Answer,
        window: Option<Duration>,
        now: Timestamp,
    ) {
        self.deadlines.remove(element);
        match (verb, answer, window) {
            (Verb::Apply | Verb::Extend, Answer::Done { .. }, Some(window)) => {
                self.reverts.insert(element.into(), later(now, window));
            }
            (Verb::Confirm | Verb::Advance | Verb::Restore | Verb::Withdraw, Answer::Done { .. }, _) => {
                self.reverts.remove(element);
            }
            _ => {}
        }
    }
}

/// How long an element may take for a verb, its sessions included.
pub(super) fn patience(verb: Verb, limits: &TransactionLimits) -> Duration {
    match verb {
        Verb::Lock => limits.connect + limits.lock,
        Verb::Prepare => limits.prepare,
        Verb::Apply => limits.apply,
        Verb::Verify => limits.connect + limits.verify + limits.settle,
        Verb::Check => limits.connect + limits.check,
        Verb::Extend | Verb::Confirm | Verb::Withdraw | Verb::Release => limits.confirm,
        // They read first, and may have to open a session for it.
        Verb::Advance | Verb::Restore => limits.connect + limits.verify + limits.apply + limits.settle + limits.confirm,
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_the_commit_is_moved_by_an_extension_and_ends_with_the_confirm() {
        let (mut timing, now) = (Timing::default(), Timestamp::UNIX_EPOCH);
        let at = |seconds: u64| later(now, Duration::from_secs(seconds));
        timing.asked("pe1", now, Duration::from_secs(120));
        timing.asked("pe2", now, Duration::from_secs(60));
        assert_eq!((timing.deadline(), timing.window()), (Some(at(120)), None));
        timing.answered("pe1", Verb::Apply, &Answer::done(), Some(Duration::from_secs(300)), at(10));
        assert_eq!((timing.deadline(), timing.window()), (Some(at(60)), Some(at(310))));
        timing.answered("pe1", Verb::Extend, &Answer::done(), Some(Duration::from_secs(300)), at(150));
        assert_eq!(timing.window(), Some(at(450)));
        timing.answered("pe1", Verb::Confirm, &Answer::done(), Some(Duration::from_secs(300)), at(160));
        assert_eq!(timing.window(), None);
    }
}
