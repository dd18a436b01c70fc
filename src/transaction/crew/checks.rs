//! The state of an element before and after a change: sessions up, interfaces up, routes there.
//!
//! Flow: before PREPARED the plan's checks are read; after the read-back they are read again until nothing is worse than
//! before in two readings in a row, or the limit is over. Guarantees: what was not good before is not asked for; what the
//! change took away counts as gone, not as failed, as long as something is left or nothing was to be put there; before and after stand in the record. A state that cannot be read
//! afterwards is a failure: no one knows what became of it.

use super::order::{pause, within};
use super::{Crew, Tools};
use crate::adagio::DriverError;
use crate::adagio::driver::StateValue;
use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{CheckValue, CheckVerdict};
use crate::transaction::cause;
use crate::transaction::machine::Answer;
use crate::tree::Edit;
use std::collections::{BTreeMap, BTreeSet};

impl Crew {
    /// Reads the state before the change, on the session that will write.
    pub(super) async fn state_before(&mut self, tools: &Tools) -> Result<(), Cause> {
        if self.plan.checks.is_empty() {
            return Ok(());
        }
        let Some(writer) = self.writer.as_mut() else { return Ok(()) };
        writer.patience(tools.limits.verify);
        let reading = writer.read_state(&self.plan.checks);
        let read = within(tools, &self.name, "read the state", tools.limits.verify, reading).await;
        self.drop_if_lost(&read);
        self.state = read.map_err(|error| self.because_of(CauseKind::Unreachable, &error))?;
        let open = self.state.iter().map(|found| CheckValue {
            check: found.check.clone(),
            subject: found.subject.clone(),
            before: Some(found.value.clone()),
            after: None,
            verdict: CheckVerdict::Open,
        });
        self.report.checks = open.take(MAX_KEPT).collect();
        Ok(())
    }

    /// Compares the state with what it was, until it is as good or the time is over.
    pub(super) async fn check(&mut self, tools: &Tools) -> Answer {
        if self.state.is_empty() {
            return Answer::Done { detail: Some("there was no state to compare".into()), residue: Vec::new() };
        }
        let since = tools.ambient.elapsed();
        let mut good = 0;
        loop {
            let read = self.state_now(tools).await;
            let failed = match read {
                Ok(after) => {
                    let values = judged(&self.state, &after, self.only_removes());
                    let failed = self.worst(&values);
                    self.report.checks = kept(values);
                    failed
                }
                Err(error) => {
                    let message = format!("the state cannot be read any more: {}: {}", error.doing, error.message);
                    Some(cause(CauseKind::Check, Some(&self.name), message))
                }
            };
            good = if failed.is_none() { good + 1 } else { 0 };
            if good >= READINGS {
                let detail = format!("{} values of its state are no worse than before", self.state.len());
                return Answer::Done { detail: Some(detail), residue: Vec::new() };
            }
            let waited = tools.ambient.elapsed().saturating_sub(since);
            if let Some(cause) = failed
                && (waited >= tools.limits.check || !pause(tools, tools.limits.margin, true).await)
            {
                let message = format!("{}, after {} s", cause.message, waited.as_secs());
                return Answer::Refused(Cause { message, ..cause });
            } else if good > 0 {
                pause(tools, tools.limits.margin, true).await;
            }
        }
    }

    /// Reads the state from a fresh session, or on the writer's where the element gives one only.
    async fn state_now(&mut self, tools: &Tools) -> Result<Vec<StateValue>, DriverError> {
        let limits = &tools.limits;
        if self.plan.one_session
            && let Some(writer) = self.writer.as_mut()
        {
            writer.patience(limits.verify);
            let reading = writer.read_state(&self.plan.checks);
            return within(tools, &self.name, "read the state", limits.verify, reading).await;
        }
        let (south, name, own, checks) =
            (self.south.clone(), self.name.clone(), tools.clone(), self.plan.checks.clone());
        let work = async move {
            let (limits, opening) = (&own.limits, south.open_reader());
            let mut reader = within(&own, &name, "open a session", limits.connect, opening).await?;
            reader.patience(limits.verify);
            let read = within(&own, &name, "read the state", limits.verify, reader.read_state(&checks)).await?;
            let closing = async {
                reader.close().await;
                Ok(())
            };
            let _ = within(&own, &name, "close", limits.confirm, closing).await;
            Ok(read)
        };
        self.keeping(tools, work).await
    }

    /// Whether the plan takes things away and puts nothing there.
    fn only_removes(&self) -> bool {
        self.plan.diff.edits.iter().all(|edit| matches!(edit, Edit::Remove { .. }))
    }

    fn worst(&self, values: &[CheckValue]) -> Option<Cause> {
        let mut failed = values.iter().filter(|value| value.verdict == CheckVerdict::Failed);
        let first = failed.next()?;
        let more = failed.count();
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let message = format!(
            "check {}: {} was {}, is {}{more}",
            first.check,
            first.subject,
            said(&first.before),
            said(&first.after)
        );
        Some(Cause { sent: None, says: first.after.clone(), ..cause(CauseKind::Check, Some(&self.name), message) })
    }
}

/// Every value of both readings with what is made of it. A check of which no value is left at all has failed where one was
/// good, unless the change only takes away: an element that lost the thing whole (a process that began anew) says `{}` as
/// well. PURE.
fn judged(before: &[StateValue], after: &[StateValue], only_removes: bool) -> Vec<CheckValue> {
    let left: BTreeSet<&str> = after.iter().map(|found| found.check.as_str()).collect();
    let lost = |before: &StateValue| {
        !only_removes && !left.contains(before.check.as_str()) && !before.demand.holds(&before.value, "")
    };
    let mut rows: BTreeMap<(&str, &str), (Option<&StateValue>, Option<&StateValue>)> = BTreeMap::new();
    for found in before {
        rows.entry((&found.check, &found.subject)).or_default().0 = Some(found);
    }
    for found in after {
        rows.entry((&found.check, &found.subject)).or_default().1 = Some(found);
    }
    let values = rows.into_iter().map(|((check, subject), (before, after))| CheckValue {
        check: check.to_owned(),
        subject: subject.to_owned(),
        before: before.map(|found| found.value.clone()),
        after: after.map(|found| found.value.clone()),
        verdict: match (before, after) {
            (Some(before), Some(after)) if !before.demand.holds(&before.value, &after.value) => CheckVerdict::Failed,
            (Some(before), None) if lost(before) => CheckVerdict::Failed,
            (Some(_), None) => CheckVerdict::Gone,
            _ => CheckVerdict::Good,
        },
    });
    values.collect()
}

/// What is kept in the record: what failed first, then what changed, then the rest, bounded.
fn kept(mut values: Vec<CheckValue>) -> Vec<CheckValue> {
    values.sort_by_key(|value| match value.verdict {
        CheckVerdict::Failed => 0,
        CheckVerdict::Gone => 1,
        CheckVerdict::Good | CheckVerdict::Open if value.before != value.after => 2,
        CheckVerdict::Good | CheckVerdict::Open => 3,
    });
    values.truncate(MAX_KEPT);
    values
}

/// Good readings in a row that are believed.
const READINGS: u32 = 2;
/// Values kept per element.
const MAX_KEPT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Demand;

    fn value(subject: &str, value: &str) -> StateValue {
        let demand = Demand::Good { good: vec!["up".into()], by_config: vec![] };
        StateValue { check: "link".into(), subject: subject.into(), value: value.into(), demand }
    }

    #[test]
    fn worse_is_failed_gone_is_gone_and_new_asks_for_nothing() {
        let before = [value("a", "up"), value("b", "up"), value("c", "down"), value("d", "up")];
        let after = [value("a", "up"), value("b", "down"), value("c", "down"), value("e", "down")];
        let verdicts: Vec<(String, CheckVerdict)> =
            judged(&before, &after, false).into_iter().map(|found| (found.subject, found.verdict)).collect();
        let of = |subject: &str, verdict| (subject.to_owned(), verdict);
        use CheckVerdict::{Failed, Gone, Good};
        assert_eq!(verdicts, [of("a", Good), of("b", Failed), of("c", Good), of("d", Gone), of("e", Good)]);
        assert_eq!(kept(judged(&before, &after, false))[0].subject, "b");
    }

    #[test]
    fn a_check_of_which_nothing_is_left_has_failed_unless_the_change_only_takes_away() {
        let before = [value("a", "up"), value("b", "down")];
        let verdicts = |only_removes| -> Vec<CheckVerdict> {
            judged(&before, &[], only_removes).into_iter().map(|found| found.verdict).collect()
        };
        use CheckVerdict::{Failed, Gone};
        assert_eq!((verdicts(false), verdicts(true)), (vec![Failed, Gone], vec![Gone, Gone]));
    }
}
