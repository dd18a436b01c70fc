//! Deciding by reading: bringing an element to one of the two sides of its plan, from wherever it stands.
//!
//! Everything here may be repeated; somebody else's values are left alone, and an undo never stops half way.

use super::locks::is_dirty;
use super::order::{Failed, Order, is_lost};
use super::{Crew, FIRST_PAUSE, ROUNDS, Tools};
use crate::adagio::{DriverError, Payload};
use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{Class, ErrorClass};
use crate::plan::ElementPlan;
use crate::transaction::cause;
use crate::transaction::machine::Answer;
use crate::transaction::side::{self, Side};
use crate::tree::{ConfigTree, Path};
use std::collections::BTreeSet;
use std::time::Duration;

impl Crew {
    pub(super) async fn restore(&mut self, tools: &Tools) -> Result<Answer, Failed> {
        // Whatever stands there, it is not of us.
        if self.refrained {
            return Ok(Answer::done());
        }
        self.open(tools).await?;
        let mut cancelled = false;
        let mut not_pending = false;
        if let Some(confirm) = self.confirm.clone() {
            // What others committed inside our window goes with the cancel: it can only be named if it was seen before.
            self.glimpse(tools).await;
            self.open(tools).await?;
            match self.order(tools, Order::Cancel(&confirm.persist)).await {
                Ok(_) => {
                    cancelled = true;
                    self.cancelled = true;
                }
                // "Not active" and its like: it went back, it never came, or somebody confirmed it. Reading tells (F4).
                Err(error) if !is_lost(&error) => not_pending = true,
                Err(error) => {
                    self.cancel_lost = true;
                    return Err(error.into());
                }
            }
        }
        if self.edited {
            self.clear_candidate(tools).await?;
        }
        let actual = self.read_quiet(tools).await?;
        self.strayed(&actual);
        match side::side(&self.plan, &self.forgiving(&actual, &self.plan.before)) {
            Side::Before => Ok(self.gone_back(&actual)),
            // There are servers that answer ok to a cancel by the holder of the locks, forget the pending commit, and
            // leave it standing: nothing will take it back but we.
            Side::After if cancelled => match self.move_to(tools, Way::Back, actual).await? {
                Answer::Conflict(why) => {
                    let message = format!(
                        "the element accepted the cancel, still shows the new state, and refuses to be brought back; its \
                         own timer may do it: {}",
                        why.message
                    );
                    Err(Failed::Other(cause(CauseKind::Unreachable, Some(&self.name), message)))
                }
                done => Ok(done),
            },
            Side::Foreign(_) if self.force.is_none() => self.move_to(tools, Way::Back, actual).await,
            Side::Foreign(_) | Side::After | Side::OnTheWay => {
                let answer = self.move_to(tools, Way::Back, actual).await?;
                // Nobody of us confirms before the decision. A cancel of ours that was answered ok, and then was none, is
                // another matter. Neither is a revert.
                Ok(match answer {
                    // The element's own words may repeat the persist-id, which is a secret.
                    Answer::Done { residue, .. } if not_pending && !self.cancelled => {
                        let why = match self.took {
                            Some(_) => "somebody else had confirmed our commit",
                            None => {
                                "our commit stood and did not wait to be confirmed (somebody else may have done it)"
                            }
                        };
                        let detail = Some(format!("{why}; it was taken back by a commit of its own"));
                        Answer::Done { detail, residue }
                    }
                    answer => answer,
                })
            }
        }
    }

    /// Reads once before a cancel. An element that cannot be read now is cancelled all the same: its timer runs.
    async fn glimpse(&mut self, tools: &Tools) {
        let mut tools = tools.clone();
        tools.limits.verify = tools.limits.verify.min(GLIMPSE);
        if let Ok(reading) = self.read_here(&tools, "read before the cancel").await
            && reading.partial.is_none()
        {
            if !self.plan.is_before(&reading.tree) {
                self.noticed(&reading.tree);
            }
            self.seen_inside(reading.tree);
        }
    }

    /// Keeps a whole reading while our commit is not confirmed. One that shows the state before may be of a commit that has
    /// gone back already and then tells nothing of the window; or of one that waits and shows nothing, which a cancel takes
    /// back all the same, with what others did meanwhile. So it never replaces one that shows more.
    pub(super) fn seen_inside(&mut self, tree: ConfigTree) {
        let shows_more = |tree: &ConfigTree| !self.plan.is_before(tree);
        let gone = self.has_cancelled();
        if shows_more(&tree) || !gone && !self.inside.as_ref().is_some_and(shows_more) {
            self.inside = Some(tree);
        }
    }

    /// An element that numbers its lines gave ours another number, because somebody took that number between our reading and
    /// our send. No reading tells which line it is: all that appeared beside the plan since then is named.
    pub(super) fn strayed(&mut self, now: &ConfigTree) {
        let Some(earlier) = self.earlier.as_ref().filter(|_| self.plan.class == Class::D) else { return };
        if matches!(side::side(&self.plan, now), Side::Foreign(_)) {
            for path in side::others(&self.plan, earlier, now) {
                self.report.note(&path, false);
            }
        }
    }

    /// Notes what others changed since our commit was read back.
    fn noticed(&mut self, now: &ConfigTree) {
        let Some(earlier) = &self.inside else { return };
        let ours = self.plan.touched().filter(|path| earlier.at(path) != now.at(path)).cloned();
        for path in side::others(&self.plan, earlier, now).into_iter().chain(ours) {
            self.report.note(&path, false);
        }
    }

    /// It is as before. What went with it, beside ours, is named.
    fn gone_back(&mut self, actual: &ConfigTree) -> Answer {
        let gone = self.has_cancelled();
        let tells = |inside: &ConfigTree| self.plan.class == Class::A && (gone || !self.plan.is_before(inside));
        let Some(inside) = self.inside.take().filter(tells) else { return Answer::done() };
        let mut gone = side::others(&self.plan, &inside, actual);
        // On our own paths as well: what somebody put over ours.
        let known = |path: &&Path| self.report.foreign.iter().any(|known| known.path == path.to_string());
        let over = side::unexplained(&self.plan, &inside).chain(side::emptied(&self.plan, &inside));
        let over: BTreeSet<&Path> = over.chain(self.plan.touched().filter(known)).collect();
        gone.extend(over.into_iter().filter(|path| inside.at(path) != actual.at(path)).cloned());
        for path in &gone {
            self.report.note(path, true);
        }
        let paths: Vec<String> = gone.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        let detail = (!paths.is_empty()).then(|| {
            let more = gone.len().saturating_sub(MAX_NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("the revert of our commit took along what is not of this plan: {}{more}", paths.join(", "))
        });
        Answer::Done { detail, residue: Vec::new() }
    }

    pub(super) async fn advance(&mut self, tools: &Tools) -> Result<Answer, Failed> {
        let fresh = self.writer.is_none();
        self.open(tools).await?;
        if fresh && self.edited {
            // F3: what somebody put into the candidate meanwhile must not be confirmed with ours.
            self.clear_candidate(tools).await?;
        }
        let mut actual = self.read_quiet(tools).await?;
        self.noticed(&actual);
        if let (Side::After, Some(confirm)) = (side::side(&self.plan, &actual), self.confirm.clone()) {
            self.nothing_sneaks_in(tools).await?;
            match self.order(tools, Order::Confirm(&confirm.persist)).await {
                // Held by others, a dead session of ours perhaps, or not allowed just now: its timer still runs, and a
                // reading does not show that.
                Err(error) if is_lost(&error) || error.class == ErrorClass::Transient || is_denied(&error) => {
                    return Err(error.into());
                }
                Ok(_) => actual = self.read_quiet(tools).await?,
                // Confirmed before, or gone back a moment ago: reading tells. Or refused for a reason of its own, and still
                // waiting: that no reading tells.
                Err(_) => {
                    self.waits_no_more(tools).await?;
                    actual = self.read_quiet(tools).await?;
                }
            }
        }
        let answer = match side::side(&self.plan, &self.forgiving(&actual, &self.plan.after)) {
            Side::After => Answer::done(),
            Side::Foreign(paths) if self.force.is_none() => return Ok(Answer::Conflict(self.foreign(&paths))),
            Side::Before | Side::OnTheWay | Side::Foreign(_) => self.move_to(tools, Way::Forward, actual).await?,
        };
        match answer {
            Answer::Done { detail, residue } => {
                let detail = self.save(tools).await?.or(detail);
                Ok(Answer::Done { detail, residue })
            }
            other => Ok(other),
        }
    }

    /// Nobody is given a lock while a confirmed commit waits (RFC 6241 §7.5, F3): a granted one tells that ours does not. A
    /// draft in the candidate is looked at behind the lock of running, so that refusal tells the same. Where nothing can be
    /// locked this says nothing.
    async fn waits_no_more(&mut self, tools: &Tools) -> Result<(), Failed> {
        self.release(tools).await;
        self.open(tools).await?;
        match self.order(tools, Order::Lock).await {
            Ok(_) => self.locked = true,
            Err(error) if is_dirty(&error) => {}
            Err(error) => return Err(Failed::Driver(Box::new(error), CauseKind::Locked)),
        }
        Ok(())
    }

    /// Sends what leads from `actual` to the wanted side, leaving somebody else's values alone. Nothing is sent that was
    /// worked out from a reading without the lock, where there is one, or from one before our last send. A refusal does not
    /// stop it: then each edit is sent alone, the last one first, as long as something moves.
    pub(super) async fn move_to(&mut self, tools: &Tools, way: Way, mut actual: ConfigTree) -> Result<Answer, Failed> {
        if self.hold(tools).await? {
            // The lock may have been waited for, and somebody may have put a value there meanwhile.
            let now = self.read(tools).await?;
            actual = if now == actual { now } else { self.read_quiet(tools).await? };
        }
        let mut scope = self.plan.clone();
        let mut foreign = Vec::new();
        // A force is for what an operator has seen, other people's values too.
        if self.force.is_none() {
            self.spare(way, &actual, &mut scope, &mut foreign);
            if way == Way::Forward && !foreign.is_empty() {
                return Ok(Answer::Conflict(self.foreign(&foreign)));
            }
        }
        let mut refused: Vec<String> = Vec::new();
        let mut patience = tools.limits.settle;
        for _ in 0..ROUNDS {
            let Some(payload) = self.way_to(tools, way, &scope, &actual)? else { break };
            // A force is for once, and for what was shown.
            let shown = self.force.take();
            if shown.as_ref().is_some_and(|shown| *shown != payload) {
                let message = "what would be sent is no longer what was shown; nothing was sent, look again";
                return Ok(Answer::Conflict(cause(CauseKind::Stale, Some(&self.name), message)));
            }
            refused.clear();
            let begun = actual;
            let error = self.send(tools, &payload).await?;
            actual = match error {
                // Lines before the one that was refused may be on their way as well.
                Some(_) if matches!(self.plan.class, Class::C | Class::D) => {
                    let mut once = tools.limits.settle;
                    self.read_sent(tools, (way, &scope), &mut once).await?
                }
                Some(_) => self.read(tools).await?,
                None => self.read_sent(tools, (way, &scope), &mut patience).await?,
            };
            // What somebody put there while we sent is his, as it would have been before.
            self.spare(way, &actual, &mut scope, &mut foreign);
            if let Some(error) = error {
                if shown.is_some() && !foreign.is_empty() {
                    let why = self.foreign(&foreign);
                    let message = format!("what was shown was sent and refused: {error}; {}", why.message);
                    return Ok(Answer::Conflict(Cause { message, ..why }));
                }
                refused.push(error);
                // A part of it may have taken effect; lines are not sent twice.
                let words = (&mut refused, &mut patience);
                actual = self.one_by_one(tools, way, actual, (&mut scope, &mut foreign), words).await?;
            }
            if actual == begun || self.arrived(way, &scope, &actual) {
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
            return Ok(Answer::Conflict(self.foreign(&foreign)));
        }
        Ok(Answer::Done { detail: Some(format!("brought {} by reading", way.word())), residue: self.residue.clone() })
    }

    /// Sends each edit alone, the last one first on the way back, and reads after each.
    async fn one_by_one(
        &mut self,
        tools: &Tools,
        way: Way,
        mut actual: ConfigTree,
        (scope, foreign): (&mut ElementPlan, &mut Vec<Path>),
        (refused, patience): (&mut Vec<String>, &mut Duration),
    ) -> Result<ConfigTree, Failed> {
        let mut paths: Vec<Path> = scope.touched().cloned().collect();
        if way == Way::Back {
            paths.reverse();
        }
        for path in &paths {
            // Empty when it is somebody else's by now.
            let one = side::cut(scope, |of| of == path);
            let Some(payload) = self.way_to(tools, way, &one, &actual)? else { continue };
            actual = match self.send(tools, &payload).await? {
                None => self.read_sent(tools, (way, &one), patience).await?,
                Some(error) => {
                    if !refused.contains(&error) {
                        refused.push(error);
                    }
                    self.read(tools).await?
                }
            };
            self.spare(way, &actual, scope, foreign);
        }
        Ok(actual)
    }

    /// Reads after a send that was accepted, in part at least. Some elements take a moment to do what they took: sent again
    /// meanwhile, it would come a second time later on, over whatever stands there by then. So nothing is sent while
    /// something of it does not show, as long as there is patience. When no reading comes, whoever reads next is as unsure.
    async fn read_sent(
        &mut self,
        tools: &Tools,
        (way, sent): (Way, &ElementPlan),
        patience: &mut Duration,
    ) -> Result<ConfigTree, Failed> {
        let wanted = way.wanted(sent);
        let was_unsure = std::mem::replace(&mut self.unsure, true);
        loop {
            let actual = self.read(tools).await?;
            let meant = self.forgiving(&actual, wanted);
            if patience.is_zero() || sent.touched().all(|path| sent.matches(&meant, wanted, path)) {
                self.unsure = was_unsure;
                return Ok(actual);
            }
            let pause = FIRST_PAUSE.min(*patience);
            tools.ambient.sleep(pause).await;
            *patience -= pause;
        }
    }

    /// Takes out of the scope what holds somebody else's value, and names what somebody took away: that is put back, as
    /// nobody can tell a removal from a loss.
    fn spare(&mut self, way: Way, actual: &ConfigTree, scope: &mut ElementPlan, foreign: &mut Vec<Path>) {
        if way == Way::Back {
            side::emptied(scope, actual).for_each(|path| self.report.note(path, true));
        }
        if let Side::Foreign(more) = side::side(scope, &self.forgiving(actual, way.wanted(scope))) {
            foreign.extend(more);
            *scope = side::cut(&self.plan, |path| !foreign.contains(path));
        }
    }

    /// Takes the lock, if there is one and we have not. True: it was taken only now.
    async fn hold(&mut self, tools: &Tools) -> Result<bool, Failed> {
        // Lines have no lock; an element that edits running, without taking back what it did of a refused edit, has one.
        let lines = self.plan.class == Class::D && self.writer.as_ref().is_none_or(|writer| writer.session().is_none());
        if lines || self.locked {
            return Ok(false);
        }
        self.drop_session();
        let _ = self.open_and_lock(tools, false).await?;
        Ok(true)
    }

    pub(super) fn arrived(&self, way: Way, scope: &ElementPlan, actual: &ConfigTree) -> bool {
        match way {
            Way::Back => scope.is_before(&self.forgiving(actual, &scope.before)),
            Way::Forward => scope.is_after(&self.forgiving(actual, &scope.after)),
        }
    }

    pub(super) fn first_astray(&self, way: Way, scope: &ElementPlan, actual: &ConfigTree) -> (String, String) {
        let turned = ElementPlan { after: way.wanted(scope).clone(), ..scope.clone() };
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

    /// Sends a payload for good, under the lock that is held. `Some` = refused, in the element's words.
    /// Not when the lease went while it was read: whoever has it may be reading, or sending, by now.
    pub(super) async fn send(&mut self, tools: &Tools, payload: &Payload) -> Result<Option<String>, Failed> {
        if tools.lease.is_lost().await {
            let message = "the lease is lost; whoever holds it reads the element and finishes";
            return Err(Failed::Other(cause(CauseKind::Interrupted, Some(&self.name), message)));
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

/// Whether the element did not even look at what was asked.
fn is_denied(error: &DriverError) -> bool {
    error.tag.as_deref() == Some("access-denied")
}

/// Longest reading before a cancel, which is more urgent.
const GLIMPSE: Duration = Duration::from_secs(10);
/// Paths that are named in words.
const MAX_NAMED: usize = 5;

/// Which side an element is brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Back,
    Forward,
}

impl Way {
    fn wanted(self, plan: &ElementPlan) -> &ConfigTree {
        match self {
            Way::Back => &plan.before,
            Way::Forward => &plan.after,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Way::Back => "back",
            Way::Forward => "forward",
        }
    }
}
