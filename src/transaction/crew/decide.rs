//! Deciding by reading: bringing an element to one of the two sides of its plan, from wherever it stands.
//!
//! Everything here may be repeated; somebody else's values are left alone, and an undo never stops half way.

use super::order::{Failed, Order, is_lost};
use super::{Crew, ROUNDS, Tools};
use crate::adagio::Payload;
use crate::domain::Class;
use crate::domain::outcome::{Cause, CauseKind};
use crate::plan::ElementPlan;
use crate::transaction::cause;
use crate::transaction::machine::Answer;
use crate::transaction::side::{self, Side};
use crate::tree::{ConfigTree, Path};

impl Crew {
    pub(super) async fn restore(&mut self, tools: &Tools) -> Result<Answer, Failed> {
        self.open(tools).await?;
        let mut cancelled = false;
        if let Some(confirm) = self.confirm.clone() {
            match self.order(tools, Order::Cancel(&confirm.persist)).await {
                Ok(_) => cancelled = true,
                // "Not active" and its like: it went back, it never came, or somebody confirmed it. Reading tells (F4).
                Err(error) if !is_lost(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.edited {
            self.clear_candidate(tools).await?;
        }
        let actual = self.read_quiet(tools).await?;
        match side::side(&self.plan, &self.forgiving(&actual, &self.plan.before)) {
            Side::Before => Ok(Answer::done()),
            Side::After if cancelled => Err(Failed::Other(cause(
                CauseKind::Unreachable,
                Some(&self.name),
                "the element accepted the cancel but still shows the new state; its own timer will take it back",
            ))),
            Side::Foreign(paths) if self.force.is_none() => self.move_to(tools, Way::Back, actual, &paths).await,
            Side::Foreign(_) | Side::After | Side::OnTheWay => self.move_to(tools, Way::Back, actual, &[]).await,
        }
    }

    pub(super) async fn advance(&mut self, tools: &Tools) -> Result<Answer, Failed> {
        let fresh = self.writer.is_none();
        self.open(tools).await?;
        if fresh && self.edited {
            // F3: what somebody put into the candidate meanwhile must not be confirmed with ours.
            self.clear_candidate(tools).await?;
        }
        let mut actual = self.read_quiet(tools).await?;
        if let (Side::After, Some(confirm)) = (side::side(&self.plan, &actual), self.confirm.clone()) {
            match self.order(tools, Order::Confirm(&confirm.persist)).await {
                Err(error) if is_lost(&error) => return Err(error.into()),
                // Confirmed now, confirmed before, or gone back a moment ago: reading tells.
                Ok(_) | Err(_) => actual = self.read_quiet(tools).await?,
            }
        }
        let answer = match side::side(&self.plan, &self.forgiving(&actual, &self.plan.after)) {
            Side::After => Answer::done(),
            Side::Foreign(paths) if self.force.is_none() => return Ok(Answer::Conflict(self.foreign(&paths))),
            Side::Before | Side::OnTheWay | Side::Foreign(_) => {
                self.move_to(tools, Way::Forward, actual, &[]).await?
            }
        };
        match answer {
            Answer::Done { detail, residue } => {
                let detail = self.save(tools).await?.or(detail);
                Ok(Answer::Done { detail, residue })
            }
            other => Ok(other),
        }
    }

    /// Sends what leads from `actual` to the wanted side, leaving `foreign` paths alone. A refusal does not stop it: then
    /// each edit is sent alone, the last one first, as long as something moves.
    pub(super) async fn move_to(
        &mut self,
        tools: &Tools,
        way: Way,
        actual: ConfigTree,
        foreign: &[Path],
    ) -> Result<Answer, Failed> {
        let scope = side::cut(&self.plan, |path| !foreign.contains(path));
        let mut actual = actual;
        let mut refused: Vec<String> = Vec::new();
        for _ in 0..ROUNDS {
            let Some(payload) = self.way_to(tools, way, &scope, &actual)? else { break };
            // A force is for once, and for what was shown.
            if self.force.take().is_some_and(|shown| shown != payload) {
                let message = "what would be sent is no longer what was shown; nothing was sent, look again";
                return Ok(Answer::Conflict(cause(CauseKind::Stale, Some(&self.name), message)));
            }
            refused.clear();
            if let Some(error) = self.send(tools, &payload).await? {
                refused.push(error);
                let mut paths: Vec<Path> = scope.touched().cloned().collect();
                if way == Way::Back {
                    paths.reverse();
                }
                for path in &paths {
                    let one = side::cut(&scope, |of| of == path);
                    let Some(payload) = self.way_to(tools, way, &one, &actual)? else { continue };
                    if let Some(error) = self.send(tools, &payload).await?
                        && !refused.contains(&error)
                    {
                        refused.push(error);
                    }
                }
            }
            let now = self.read(tools).await?;
            let stuck = now == actual;
            actual = now;
            if stuck || self.arrived(way, &scope, &actual) {
                break;
            }
        }
        if !self.arrived(way, &scope, &actual) {
            let (path, found) = self.first_astray(way, &scope, &actual);
            let message = format!("could not be brought {}: {path} reads {found}; {}", way.word(), refused.join("; "));
            let path = Some(path);
            return Ok(Answer::Conflict(Cause { path, ..cause(CauseKind::Refused, Some(&self.name), message) }));
        }
        if !foreign.is_empty() {
            return Ok(Answer::Conflict(self.foreign(foreign)));
        }
        Ok(Answer::Done { detail: Some(format!("brought {} by reading", way.word())), residue: self.residue.clone() })
    }

    pub(super) fn arrived(&self, way: Way, scope: &ElementPlan, actual: &ConfigTree) -> bool {
        match way {
            Way::Back => scope.is_before(&self.forgiving(actual, &scope.before)),
            Way::Forward => scope.is_after(&self.forgiving(actual, &scope.after)),
        }
    }

    pub(super) fn first_astray(&self, way: Way, scope: &ElementPlan, actual: &ConfigTree) -> (String, String) {
        let wanted = match way {
            Way::Back => &scope.before,
            Way::Forward => &scope.after,
        };
        let turned = ElementPlan { after: wanted.clone(), ..scope.clone() };
        side::first_wrong(&turned, actual)
            .map_or_else(|| ("/".into(), "something else".into()), |wrong| (wrong.path.to_string(), wrong.found))
    }

    pub(super) fn way_to(
        &self,
        tools: &Tools,
        way: Way,
        scope: &ElementPlan,
        actual: &ConfigTree,
    ) -> Result<Option<Payload>, Failed> {
        let payload = match way {
            Way::Back => tools.undo.toward_before(&self.name, scope, actual),
            Way::Forward => tools.undo.toward_after(&self.name, scope, actual),
        };
        match payload {
            Ok(payload) => Ok(payload.filter(|payload| !payload.is_empty())),
            Err(message) => Err(Failed::Other(cause(CauseKind::Internal, Some(&self.name), message))),
        }
    }

    /// Sends a payload for good. `Some` = refused, in the element's words.
    pub(super) async fn send(&mut self, tools: &Tools, payload: &Payload) -> Result<Option<String>, Failed> {
        if self.plan.class != Class::D && !self.locked {
            self.drop_session();
            self.open_and_lock(tools, false).await?;
        }
        if matches!(self.plan.class, Class::A | Class::B) {
            self.edited = true;
            match self.order(tools, Order::Prepare(payload)).await {
                Ok(_) => {}
                Err(error) if is_lost(&error) => return Err(error.into()),
                Err(error) => {
                    self.clear_candidate(tools).await?;
                    return Ok(Some(error.to_string()));
                }
            }
        }
        match self.order(tools, Order::Apply(payload, None)).await {
            Ok(residue) => {
                self.edited = false;
                for line in residue {
                    if !self.residue.contains(&line) {
                        self.residue.push(line);
                    }
                }
                Ok(None)
            }
            Err(error) if is_lost(&error) => {
                self.unsure = true;
                Err(error.into())
            }
            Err(error) => {
                if self.edited {
                    self.clear_candidate(tools).await?;
                }
                Ok(Some(error.to_string()))
            }
        }
    }
}

/// Which side an element is brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Back,
    Forward,
}

impl Way {
    pub(super) fn word(self) -> &'static str {
        match self {
            Way::Back => "back",
            Way::Forward => "forward",
        }
    }
}
