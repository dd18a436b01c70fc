//! Locks, and what stands in their way: others' sessions, our own dead ones, a candidate that somebody edited.
//!
//! Guarantees: a lock that others hold is waited for up to its limit and then reported with its holder; a session that was
//! ours (its id is in the journal or was opened by this process, and the element says that it is of our user) is ended; a
//! candidate with somebody else's edits is never emptied, it is reported with its difference from running. Whose edits
//! stand in a candidate is told by reading it, where the driver can.

use super::order::{Failed, Order, is_lost, pause, within};
use super::{Crew, FIRST_PAUSE, LONGEST_PAUSE, Tools};
use crate::adagio::{DriverError, Holder};
use crate::domain::ErrorClass;
use crate::domain::outcome::{Cause, CauseKind};
use crate::plan::ElementPlan;
use crate::transaction::cause;
use crate::transaction::side::{self, Side};
use crate::tree::secret::is_token;
use crate::tree::{ConfigTree, Edit, Node, Path, diff};

/// What stands in a candidate.
enum Candidate {
    /// The same as in running, or the driver cannot read it.
    Unread,
    Clean,
    /// Nothing but edits of ours.
    Ours,
    /// Edits of others too: the difference from running, for people, and whether edits of ours are among them.
    Foreign(String, bool),
}

impl Crew {
    /// A session with locks; what could not be locked is said. Waits while somebody else holds them; every try is a new
    /// session, so that half a lock is never kept while waiting.
    pub(super) async fn open_and_lock(&mut self, tools: &Tools, may_give_up: bool) -> Result<Option<String>, Failed> {
        let mut since = tools.ambient.elapsed();
        let mut rest = FIRST_PAUSE;
        let mut cleared = 0;
        loop {
            self.open(tools).await?;
            let error = match self.order(tools, Order::Lock).await {
                Ok(_) => return self.locked(tools).await,
                Err(error) => error,
            };
            // The word of the transport, not of the element.
            if error.tag.is_none() && error.class == ErrorClass::Transient && self.died_unchecked(tools).await {
                // The element was not asked yet.
                since = tools.ambient.elapsed();
                continue;
            }
            if is_lost(&error) {
                return Err(Failed::Driver(Box::new(error), CauseKind::Unreachable));
            }
            let dirty = is_dirty(&error);
            let (gone, error) = if dirty {
                (self.own_candidate_emptied(tools, &error).await?, error)
            } else {
                self.own_session_ended(tools, error).await
            };
            self.release(tools).await;
            if gone && cleared < MAX_CLEARED {
                cleared += 1;
                continue;
            }
            let waited = tools.ambient.elapsed().saturating_sub(since);
            // A dirty candidate (F6) does not pass; whoever left it has to be asked.
            let passes = error.class == ErrorClass::Transient && !dirty;
            let again = passes && waited + rest <= tools.limits.lock;
            if !again || !pause(tools, rest, may_give_up).await {
                let kind = if dirty { CauseKind::Dirty } else { CauseKind::Locked };
                return Err(Failed::Driver(Box::new(error), kind));
            }
            rest = (rest * 2).min(LONGEST_PAUSE);
        }
    }

    /// The element said yes. Where it has no locks, a candidate that is not clean is seen only by reading it.
    async fn locked(&mut self, tools: &Tools) -> Result<Option<String>, Failed> {
        self.locked = true;
        let Some(note) = self.writer.as_ref().and_then(|writer| writer.unlocked()) else {
            self.emptied();
            return Ok(None);
        };
        match self.candidate(tools).await? {
            Candidate::Foreign(difference, _) => {
                self.release(tools).await;
                return Err(Failed::Other(self.dirty(&difference)));
            }
            Candidate::Ours => {
                self.order(tools, Order::Discard).await?;
                self.emptied();
            }
            Candidate::Clean => self.emptied(),
            Candidate::Unread => {}
        }
        Ok(Some(note))
    }

    /// A candidate was edited before we could lock it. True: the edits were ours, and are gone.
    async fn own_candidate_emptied(&mut self, tools: &Tools, error: &DriverError) -> Result<bool, Failed> {
        match self.candidate(tools).await? {
            Candidate::Ours => {
                tracing::warn!(element = %self.name, "the candidate holds an edit of ours that was left behind; emptied");
                self.order(tools, Order::Discard).await?;
                self.emptied();
                Ok(true)
            }
            Candidate::Foreign(difference, _) => {
                self.release(tools).await;
                let cause = self.dirty(&difference);
                let message = format!("{} ({})", cause.message, error.message);
                Err(Failed::Other(Cause { message, ..cause }))
            }
            // It became clean meanwhile, or nobody can tell.
            Candidate::Clean => Ok(true),
            Candidate::Unread => Ok(false),
        }
    }

    /// Who holds the lock goes into the error. True: it was a session of ours, and it is ended.
    async fn own_session_ended(&mut self, tools: &Tools, error: DriverError) -> (bool, DriverError) {
        let Some(writer) = self.writer.as_mut() else { return (false, error) };
        let asking = async { Ok(writer.holder().await) };
        let holder = within(tools, &self.name, "ask who holds the lock", tools.limits.confirm, asking).await;
        let Some(holder) = holder.ok().flatten() else { return (false, error) };
        if !self.is_ours(&holder) {
            let message = format!("{}; held by {holder}", error.message);
            return (false, DriverError { message, ..error });
        }
        let point = self.point("end-session");
        let Some(writer) = self.writer.as_mut() else { return (false, error) };
        tools.probe.at(&format!("before-{point}")).await;
        let ending = writer.end_session(holder.session);
        let ended = within(tools, &self.name, "end a session of ours", tools.limits.confirm, ending).await;
        tools.probe.at(&format!("after-{point}")).await;
        match ended {
            Ok(()) => {
                tracing::warn!(element = %self.name, %holder, "a session of ours still held the lock; it was ended");
                self.ours.remove(&holder.session);
                (true, error)
            }
            Err(refused) => {
                let message =
                    format!("{}; held by {holder}, a session of ours that cannot be ended: {refused}", error.message);
                (false, DriverError { message, ..error })
            }
        }
    }

    /// Ids begin anew when an element restarts, so the element has to say that the session is of our user.
    fn is_ours(&self, holder: &Holder) -> bool {
        self.ours.contains(&holder.session) && holder.same_user == Some(true)
    }

    /// Nothing of ours stands in the candidate.
    fn emptied(&mut self) {
        (self.edited, self.stale) = (false, None);
    }

    /// Empties the candidate of our own edits. Without our lock it is first locked; what a refused lock means, and what
    /// stands where nothing can be locked, is told by reading the candidate. A driver that cannot read it is believed: we
    /// held the lock when it was edited.
    pub(super) async fn clear_candidate(&mut self, tools: &Tools) -> Result<(), DriverError> {
        self.open(tools).await?;
        let mut ended = false;
        while !self.locked {
            match self.order(tools, Order::Lock).await {
                Ok(_) => self.locked = true,
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) if is_dirty(&error) => break,
                // Held by a dead session of ours, which goes; or by others, or a confirmed commit is pending: then the
                // candidate is not ours to empty.
                Err(error) => {
                    let (gone, _) = self.own_session_ended(tools, error).await;
                    if !gone || std::mem::replace(&mut ended, true) {
                        return Ok(());
                    }
                }
            }
        }
        let guarded = self.locked && self.writer.as_ref().is_some_and(|writer| writer.unlocked().is_none());
        if !guarded && let Candidate::Foreign(difference, with_ours) = self.candidate(tools).await? {
            tracing::warn!(element = %self.name, difference, "the candidate holds edits of others; left alone");
            // Whoever sends something next has to look again, and is refused.
            self.locked = false;
            if !with_ours {
                self.emptied();
            }
            return Ok(());
        }
        self.order(tools, Order::Discard).await?;
        self.emptied();
        Ok(())
    }

    /// Empties a candidate that an earlier transaction may have left full. True: nothing of ours is there any more.
    pub(in crate::transaction) async fn empty(&mut self, tools: &Tools) -> bool {
        let done = self.clear_candidate(tools).await;
        self.release(tools).await;
        done.is_ok() && self.stale.is_none()
    }

    /// Before a confirm. From a session that does not hold the candidate's lock it takes along what stands there (F2), and
    /// nobody can lock while the commit waits (F3): what somebody put there since our session was lost would become
    /// running with our word. Then nothing is confirmed; it goes on when the candidate is clean, or the element goes back.
    pub(super) async fn nothing_sneaks_in(&mut self, tools: &Tools) -> Result<(), Failed> {
        let Some(writer) = &self.writer else { return Ok(()) };
        if self.locked && writer.unlocked().is_none() || writer.guards_confirm() {
            return Ok(());
        }
        let difference = match self.candidate(tools).await? {
            Candidate::Clean | Candidate::Unread => return Ok(()),
            // Running is as we made it: whatever differs from it is not what is to be confirmed.
            Candidate::Ours => "values of the same places".into(),
            Candidate::Foreign(difference, _) => difference,
        };
        let cause = self.dirty(&difference);
        let message = format!("{}; a confirm would take them along, so it was not sent", cause.message);
        Err(Failed::Other(Cause { message, ..cause }))
    }

    /// Reads the candidate beside running, and judges whose edits stand in it.
    async fn candidate(&mut self, tools: &Tools) -> Result<Candidate, DriverError> {
        let Some(writer) = self.writer.as_mut() else { return Ok(Candidate::Unread) };
        writer.patience(tools.limits.verify);
        let reading = async {
            let candidate = writer.read_candidate().await?;
            let running = if candidate.is_some() { Some(writer.read_running().await?) } else { None };
            Ok(candidate.zip(running))
        };
        let read = within(tools, &self.name, "read the candidate", tools.limits.verify, reading).await;
        self.drop_if_lost(&read);
        let Some((candidate, running)) = read? else { return Ok(Candidate::Unread) };
        if candidate.tree == running.tree {
            return Ok(Candidate::Clean);
        }
        let left: Vec<&ElementPlan> =
            self.stale.iter().map(|stale| &stale.plan).chain(self.edited.then_some(&self.plan)).collect();
        if left.iter().any(|plan| is_of(plan, &candidate.tree, &running.tree)) {
            return Ok(Candidate::Ours);
        }
        let with_ours = left.iter().any(|plan| stands_in(plan, &candidate.tree, &running.tree));
        Ok(Candidate::Foreign(described(&running.tree, &candidate.tree), with_ours))
    }

    fn dirty(&self, difference: &str) -> Cause {
        let message = format!(
            "the candidate holds changes of somebody else, which were left there; against running: {difference}"
        );
        cause(CauseKind::Dirty, Some(&self.name), message)
    }
}

pub(super) fn is_dirty(error: &DriverError) -> bool {
    error.tag.as_deref() == Some("resource-denied")
}

/// Whether a candidate differs from running by edits of this plan alone.
fn is_of(plan: &ElementPlan, candidate: &ConfigTree, running: &ConfigTree) -> bool {
    side::others(plan, running, candidate).is_empty()
        && !matches!(side::side(plan, candidate), Side::Foreign(_))
        // An edit of ours reaches a candidate whole: a place where it would change a value is never left empty by it.
        && side::emptied(plan, candidate).next().is_none()
}

/// Whether a candidate would change running at a place of this plan to what the plan wants there.
fn stands_in(plan: &ElementPlan, candidate: &ConfigTree, running: &ConfigTree) -> bool {
    plan.touched().any(|path| candidate.at(path) != running.at(path) && plan.matches(candidate, &plan.after, path))
}

/// A difference for people: one edit a line, bounded, secrets masked.
fn described(before: &ConfigTree, after: &ConfigTree) -> String {
    let edits = diff(before, after).edits;
    let shown = |path: &Path, node: &Node| match node.value() {
        Some(value) if is_token(value.as_str()) || is_secret(path) => format!("{path} (not shown)"),
        Some(value) => format!("{path} {}", value.as_str()),
        None => path.to_string(),
    };
    let mut lines: Vec<String> = Vec::new();
    for edit in edits.iter().take(MAX_EDITS) {
        let line = match edit {
            Edit::Create { path, node, .. } => format!("+ {}", shown(path, node)),
            Edit::Remove { path, .. } => format!("- {path}"),
            Edit::Set { path, new, .. } if is_token(new.as_str()) || is_secret(path) => format!("~ {path} (not shown)"),
            Edit::Set { path, old, new } => format!("~ {path} {} -> {}", old.as_str(), new.as_str()),
            Edit::Move { path, .. } | Edit::Replace { path, .. } => format!("~ {path}"),
        };
        lines.push(line.chars().take(MAX_LINE).collect());
    }
    if edits.len() > MAX_EDITS {
        lines.push(format!("and {} more", edits.len() - MAX_EDITS));
    }
    if lines.is_empty() {
        return "nothing that the adapter reads".into();
    }
    lines.join("; ")
}

/// Whether a leaf is called like a secret: what the adapter does not know is not masked by it.
fn is_secret(path: &Path) -> bool {
    let name = path.last().map(|step| step.name.name.as_str().to_ascii_lowercase()).unwrap_or_default();
    ["password", "secret", "key", "community", "encrypted"].iter().any(|word| name.contains(word))
}

/// Own obstacles removed for one lock.
const MAX_CLEARED: u32 = 4;
/// Edits of a foreign candidate that are shown.
const MAX_EDITS: usize = 12;
/// Characters of one of them.
const MAX_LINE: usize = 200;
