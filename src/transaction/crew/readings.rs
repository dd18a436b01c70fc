//! What an element says, and what it means for the plan: read-set, read-back, coming to rest.
//!
//! Guarantee: an incomplete reading proves nothing.

use super::order::{Failed, within};
use super::{Crew, ROUNDS, Tools};
use crate::adagio::{DriverError, Reading};
use crate::domain::Class;
use crate::domain::outcome::{Cause, CauseKind};
use crate::transaction::cause;
use crate::transaction::side::{self, Side};
use crate::tree::{ConfigTree, Path};

impl Crew {
    /// Reads on the writer's session and checks the read-set.
    pub(super) async fn unmoved(&mut self, tools: &Tools) -> Result<ConfigTree, Cause> {
        let reading = self.read_here(tools, "read").await;
        let reading = reading.map_err(|error| self.because_of(CauseKind::Unreachable, &error))?;
        if let Some(why) = reading.partial {
            let message = format!("what was read is not complete: {why}");
            return Err(cause(CauseKind::Unreachable, Some(&self.name), message));
        }
        if let Some(path) = self.plan.moved(&reading.tree) {
            let path = path.to_string();
            let message = format!("{path} changed since the plan was made; plan again");
            return Err(Cause { path: Some(path), ..cause(CauseKind::Stale, Some(&self.name), message) });
        }
        Ok(reading.tree)
    }

    /// Reads from a fresh session, as the element says it; where the element does not give a second one, on the writer's, saying so.
    pub(super) async fn read_fresh(&mut self, tools: &Tools) -> Result<(Reading, Option<String>), DriverError> {
        if self.plan.one_session && self.writer.is_some() {
            let reading = self.read_raw(tools, "read back").await?;
            return Ok((reading, Some("read back on the same session: the element gives one only".into())));
        }
        let (south, name, own) = (self.south.clone(), self.name.clone(), tools.clone());
        let work = async move {
            let (limits, opening) = (&own.limits, south.open_reader());
            let mut reader = match within(&own, &name, "open a session", limits.connect, opening).await {
                Ok(reader) => reader,
                Err(error) => return Ok(Err(error)),
            };
            reader.patience(limits.verify);
            let reading = within(&own, &name, "read back", limits.verify, reader.read_running()).await?;
            let closing = async {
                reader.close().await;
                Ok(())
            };
            let _ = within(&own, &name, "close", limits.confirm, closing).await;
            Ok(Ok(reading))
        };
        let refused = match self.keeping(tools, work).await? {
            Ok(reading) => return Ok((reading, None)),
            Err(error) => error,
        };
        // An element that reverts by itself and gives no new session may be cut off by our own change: it has to go back,
        // unless it says that it is only out of sessions.
        if self.plan.class == Class::A && refused.tag.as_deref() != Some("resource-denied") {
            return Err(refused);
        }
        let reading = self.read_raw(tools, "read back").await?;
        Ok((reading, Some(format!("read back on the same session: {refused}"))))
    }

    pub(super) async fn read(&mut self, tools: &Tools) -> Result<ConfigTree, Failed> {
        let reading = self.read_here(tools, "read").await?;
        match reading.partial {
            None => Ok(reading.tree),
            Some(why) => {
                let message = format!("what was read is not complete: {why}");
                Err(Failed::Other(cause(CauseKind::Unreachable, Some(&self.name), message)))
            }
        }
    }

    /// Reads; when an answer was lost and the class does not undo by itself, until two readings agree.
    pub(super) async fn read_quiet(&mut self, tools: &Tools) -> Result<ConfigTree, Failed> {
        let mut tree = self.read(tools).await?;
        if !self.unsure || self.plan.class == Class::A {
            return Ok(tree);
        }
        for _ in 0..ROUNDS {
            tools.ambient.sleep(tools.limits.margin).await;
            let again = self.read(tools).await?;
            if again == tree {
                return Ok(tree);
            }
            // What an edit of ours that came late put itself over cannot be brought back; but it is told.
            let gone: Vec<Path> = side::unexplained(&self.plan, &tree)
                .filter(|path| self.plan.matches(&again, &self.plan.after, path))
                .cloned()
                .collect();
            gone.iter().for_each(|path| self.report.note(path, true));
            tree = again;
        }
        Err(Failed::Other(cause(CauseKind::Unreachable, Some(&self.name), "the element does not come to rest")))
    }

    /// What was read, without the bare nodes that busy lines left where the wanted side has nothing.
    pub(super) fn forgiving(&self, actual: &ConfigTree, wanted: &ConfigTree) -> ConfigTree {
        if self.residue.is_empty() {
            return actual.clone();
        }
        self.plan.touched().fold(actual.clone(), |tree, path| match tree.at(path) {
            Some(node) if node.count() == 1 && node.value().is_none() && wanted.at(path).is_none() => {
                tree.without(path)
            }
            _ => tree,
        })
    }

    /// Why a read-back is not what the plan says; `None` when it is.
    pub(super) fn wrong(&self, reading: &Reading, tools: &Tools) -> Option<Cause> {
        let verify = |path: Option<&Path>, message: String| Cause {
            kind: CauseKind::Verify,
            element: Some(self.name.clone()),
            path: path.map(ToString::to_string),
            sent: None,
            says: None,
            message,
        };
        if let Some(why) = &reading.partial {
            return Some(verify(None, format!("what was read back is not complete: {why}")));
        }
        let tree = self.forgiving(&reading.tree, &self.plan.after);
        match side::side(&self.plan, &tree) {
            Side::After => {}
            Side::Before => {
                let cause = verify(None, "the element said yes, but nothing changed".into());
                return Some(match side::first_wrong(&self.plan, &tree) {
                    Some(wrong) if wrong.sent.is_some() && wrong.says.is_some() => {
                        Cause { path: Some(wrong.path.to_string()), sent: wrong.sent, says: wrong.says, ..cause }
                    }
                    _ => cause,
                });
            }
            Side::OnTheWay | Side::Foreign(_) => {
                let wrong = side::first_wrong(&self.plan, &tree)?;
                let cause = verify(Some(&wrong.path), String::new());
                return Some(Cause { message: self.rewritten(&wrong), sent: wrong.sent, says: wrong.says, ..cause });
            }
        }
        let earlier = self.earlier.as_ref().filter(|_| tools.limits.check_outside)?;
        let path = side::outside(&self.plan, earlier, &tree)?;
        Some(verify(Some(&path), format!("{path} is not part of the plan, and changed meanwhile")))
    }

    /// What was sent and what the element says, and what to do if both mean the same.
    pub(super) fn rewritten(&self, wrong: &side::Wrong) -> String {
        let side::Wrong { path, sent, says, found } = wrong;
        match (sent, says) {
            (Some(sent), Some(_)) => format!(
                "{path} reads {found} where '{sent}' was sent; if the element only writes it so: \
                 andante element rewrite confirm {} \"{path}\"",
                self.name
            ),
            _ => format!("{path} reads {found}"),
        }
    }
}
