//! The datastores of a simulated element: running, candidate, locks and a confirmed commit. Pure; time comes from outside
//! as [`Datastores::expired`].
//!
//! ```text
//!             edit                commit                     confirm
//!  candidate ──────▶ candidate* ──────────▶ running
//!             ◀───── discard      commit confirmed ──▶ pending ─────▶ running
//!                                 running ◀── cancel, timer, end of a session without persist
//! ```
//!
//! The rules are those of RFC 6241 §7.5, §8.3, §8.4 and what was measured of servers: a dirty candidate cannot be locked;
//! the end of the session that holds its lock empties it; without a lock edits of a dead session stay; a second confirm
//! and a late cancel are the same error; a cancel by whoever knows the persist-id is obeyed in spite of locks.

use super::refusal::Refusal;
use super::rpc::Commit;
use crate::adagio::netconf::operation::Datastore;
use crate::tree::ConfigTree;
use std::time::Duration;

/// The datastores of one element.
#[derive(Debug, Default)]
pub(in crate::adagio::sim) struct Datastores {
    running: ConfigTree,
    /// `None` = as running.
    candidate: Option<ConfigTree>,
    /// What it would start with.
    startup: Option<ConfigTree>,
    running_lock: Option<u32>,
    candidate_lock: Option<u32>,
    pending: Option<Pending>,
    tickets: u64,
    /// Whether an explicit validate has spoilt the next commit (a fault that a real server has).
    pub(super) spoilt: bool,
}

/// A confirmed commit that waits.
#[derive(Debug)]
struct Pending {
    before: ConfigTree,
    persist: Option<String>,
    session: u32,
    ticket: u64,
}

/// The timer of a confirmed commit; when it has run out, [`Datastores::expired`] is called with its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timer {
    pub ticket: u64,
    pub after: Duration,
}

impl Datastores {
    pub fn new(running: ConfigTree) -> Self {
        Self { running, ..Self::default() }
    }

    /// What it would start with, once it was saved.
    pub fn startup(&self) -> Option<&ConfigTree> {
        self.startup.as_ref()
    }

    pub(super) fn save(&mut self) {
        self.startup = Some(self.running.clone());
    }

    pub fn running(&self) -> &ConfigTree {
        &self.running
    }

    /// Changes running beside all sessions, as someone at the console does. A clean candidate follows.
    pub fn set_running(&mut self, running: ConfigTree) {
        self.running = running;
    }

    pub(super) fn read(&self, store: Datastore) -> &ConfigTree {
        match store {
            Datastore::Candidate => self.candidate.as_ref().unwrap_or(&self.running),
            Datastore::Running | Datastore::Startup => &self.running,
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.candidate.as_ref().is_some_and(|candidate| *candidate != self.running)
    }

    pub(super) fn lock(&mut self, session: u32, store: Datastore) -> Result<(), Refusal> {
        let dirty = self.is_dirty();
        let holder = if store == Datastore::Candidate { self.candidate_lock } else { self.running_lock };
        if let Some(holder) = holder {
            let text = format!("{} is locked by session {holder}", store.as_str());
            let refusal = Refusal { app_tag: Some("no-access"), ..Refusal::protocol("lock-denied", text) };
            return Err(refusal.held_by(holder));
        }
        if self.pending.as_ref().is_some_and(|pending| pending.session != session) {
            return Err(Refusal::protocol("in-use", "a confirmed-commit is pending"));
        }
        match store {
            Datastore::Candidate if dirty => {
                Err(Refusal::protocol("resource-denied", "the candidate was changed; discard-changes needed"))
            }
            Datastore::Candidate => {
                self.candidate_lock = Some(session);
                Ok(())
            }
            Datastore::Running | Datastore::Startup => {
                self.running_lock = Some(session);
                Ok(())
            }
        }
    }

    pub(super) fn unlock(&mut self, session: u32, store: Datastore) -> Result<(), Refusal> {
        let lock = if store == Datastore::Candidate { &mut self.candidate_lock } else { &mut self.running_lock };
        if *lock != Some(session) {
            return Err(Refusal::protocol(
                "operation-failed",
                format!("this session does not lock {}", store.as_str()),
            ));
        }
        *lock = None;
        if store == Datastore::Candidate {
            // RFC 6241 §8.3.5.2: the changes of the holder go with its lock.
            self.candidate = None;
        }
        Ok(())
    }

    /// Whether this session may write the datastore now.
    pub(super) fn writable(&self, session: u32, store: Datastore) -> Result<(), Refusal> {
        let lock = if store == Datastore::Candidate { self.candidate_lock } else { self.running_lock };
        match lock {
            Some(holder) if holder != session => {
                Err(Refusal::protocol("in-use", "the configuration is locked").held_by(holder))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write(&mut self, store: Datastore, tree: ConfigTree) {
        match store {
            Datastore::Candidate => self.candidate = Some(tree),
            Datastore::Running | Datastore::Startup => self.running = tree,
        }
    }

    pub(super) fn discard(&mut self, session: u32) -> Result<(), Refusal> {
        self.writable(session, Datastore::Candidate)?;
        self.candidate = None;
        self.spoilt = false;
        Ok(())
    }

    /// A commit of any kind. `base11`: the client's hello offered base:1.1, without which there is no persist.
    pub(super) fn commit(&mut self, session: u32, commit: &Commit, base11: bool) -> Result<Option<Timer>, Refusal> {
        if !base11 && (commit.persist.is_some() || commit.persist_id.is_some()) {
            return Err(Refusal::protocol("operation-not-supported", "base:1.1 protocol not enabled"));
        }
        self.writable(session, Datastore::Candidate)?;
        self.writable(session, Datastore::Running)?;
        self.may_end(session, commit.persist_id.as_deref())?;
        let before = self.running.clone();
        if let Some(candidate) = self.candidate.take()
            && !std::mem::take(&mut self.spoilt)
        {
            self.running = candidate;
        }
        let earlier = self.pending.take();
        if !commit.confirmed {
            return Ok(None);
        }
        self.tickets += 1;
        let (before, named) = match earlier {
            Some(pending) => (pending.before, pending.persist),
            None => (before, None),
        };
        let persist = commit.persist.clone().or(named.filter(|_| commit.persist_id.is_some()));
        self.pending = Some(Pending { before, persist, session, ticket: self.tickets });
        Ok(Some(Timer { ticket: self.tickets, after: commit.timeout.unwrap_or(CONFIRM_TIMEOUT) }))
    }

    pub(super) fn cancel(&mut self, session: u32, persist_id: Option<&str>) -> Result<(), Refusal> {
        if self.pending.is_none() {
            return Err(not_active());
        }
        self.may_end(session, persist_id)?;
        self.revert();
        Ok(())
    }

    /// The timer with this ticket has run out. Whether anything was reverted.
    pub(super) fn expired(&mut self, ticket: u64) -> bool {
        let due = self.pending.as_ref().is_some_and(|pending| pending.ticket == ticket);
        if due {
            self.revert();
        }
        due
    }

    /// The session is gone: its locks, what it left in a locked candidate, its confirmed commit without persist.
    pub(in crate::adagio::sim) fn session_ended(&mut self, session: u32) {
        if self.running_lock == Some(session) {
            self.running_lock = None;
        }
        if self.candidate_lock == Some(session) {
            self.candidate_lock = None;
            self.candidate = None;
        }
        if self.pending.as_ref().is_some_and(|pending| pending.persist.is_none() && pending.session == session) {
            self.revert();
        }
    }

    /// Whether this session may confirm, extend or cancel what is pending (or commit when nothing is).
    fn may_end(&self, session: u32, persist_id: Option<&str>) -> Result<(), Refusal> {
        match (&self.pending, persist_id) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(not_active()),
            (Some(Pending { persist: Some(name), .. }), Some(id)) if name == id => Ok(()),
            (Some(Pending { persist: Some(_), .. }), Some(_)) => {
                Err(Refusal::protocol("invalid-value", "the persist-id is not that of the pending commit"))
            }
            (Some(Pending { persist: Some(_), .. }), None) => {
                Err(Refusal::protocol("in-use", "a persistent confirmed-commit is pending"))
            }
            (Some(Pending { persist: None, .. }), Some(_)) => Err(not_active()),
            (Some(pending), None) if pending.session == session => Ok(()),
            (Some(pending), None) => {
                Err(Refusal::protocol("in-use", "a confirmed-commit is pending").held_by(pending.session))
            }
        }
    }

    fn revert(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.running = pending.before;
        }
    }
}

fn not_active() -> Refusal {
    Refusal::protocol("operation-failed", "persistent confirmed commit not active")
}

/// RFC 6241 §8.4.5.1.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Node, QName, Value};

    fn tree(value: &str) -> ConfigTree {
        ConfigTree::new(vec![Node::leaf(QName::new("m", "x"), Value::text(value))])
    }

    fn confirmed(persist: Option<&str>, persist_id: Option<&str>) -> Commit {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Commit { confirmed: true, timeout: None, persist: own(persist), persist_id: own(persist_id) }
    }

    fn tag(result: Result<impl std::fmt::Debug, Refusal>) -> String {
        result.unwrap_err().tag
    }

    #[test]
    fn a_dirty_candidate_cannot_be_locked_and_survives_a_session_without_lock() {
        let mut stores = Datastores::new(tree("a"));
        stores.write(Datastore::Candidate, tree("b"));
        stores.session_ended(1);
        assert_eq!(tag(stores.lock(2, Datastore::Candidate)), "resource-denied");
        // F1: whoever commits next commits it.
        stores.commit(2, &Commit::default(), true).unwrap();
        assert_eq!(stores.running(), &tree("b"));
        stores.lock(2, Datastore::Candidate).unwrap();
        stores.write(Datastore::Candidate, tree("c"));
        stores.session_ended(2);
        assert!(!stores.is_dirty());
        stores.lock(3, Datastore::Candidate).unwrap();
    }

    #[test]
    fn a_pending_commit_ends_by_confirm_cancel_or_timer_and_only_once() {
        let mut stores = Datastores::new(tree("a"));
        let apply = |stores: &mut Datastores| {
            stores.write(Datastore::Candidate, tree("b"));
            stores.commit(1, &confirmed(Some("p"), None), true).unwrap().unwrap()
        };
        let first = apply(&mut stores);
        stores.session_ended(1);
        assert_eq!(stores.running(), &tree("b"), "with persist it outlives its session");
        assert_eq!(tag(stores.lock(2, Datastore::Running)), "in-use", "F3");
        assert_eq!(tag(stores.cancel(2, Some("q"))), "invalid-value");
        let extended = stores.commit(2, &confirmed(None, Some("p")), true).unwrap().unwrap();
        assert!(!stores.expired(first.ticket), "the old timer means nothing any more");
        assert!(stores.expired(extended.ticket));
        assert_eq!(stores.running(), &tree("a"), "an extension keeps what was there before the first commit");
        let again = |stores: &mut Datastores| stores.cancel(2, Some("p"));
        assert_eq!(tag(again(&mut stores)), "operation-failed", "F4");
        apply(&mut stores);
        let confirm = Commit { persist_id: Some("p".into()), ..Commit::default() };
        stores.commit(2, &confirm, true).unwrap();
        assert_eq!(tag(stores.commit(2, &confirm, true)), "operation-failed", "F4");
        assert_eq!(stores.running(), &tree("b"));
    }

    #[test]
    fn without_persist_the_end_of_the_session_reverts() {
        let mut stores = Datastores::new(tree("a"));
        stores.write(Datastore::Candidate, tree("b"));
        assert_eq!(tag(stores.commit(1, &confirmed(Some("p"), None), false)), "operation-not-supported", "F5");
        stores.commit(1, &confirmed(None, None), false).unwrap();
        stores.session_ended(1);
        assert_eq!(stores.running(), &tree("a"));
    }

    #[test]
    fn what_another_session_edits_goes_with_our_confirm_unless_it_is_locked_out() {
        let mut stores = Datastores::new(tree("a"));
        stores.write(Datastore::Candidate, tree("b"));
        stores.commit(1, &confirmed(Some("p"), None), true).unwrap();
        // F2: sneak-in.
        stores.write(Datastore::Candidate, tree("sneaked in"));
        stores.commit(1, &Commit { persist_id: Some("p".into()), ..Commit::default() }, true).unwrap();
        assert_eq!(stores.running(), &tree("sneaked in"));
        stores.lock(1, Datastore::Candidate).unwrap();
        assert_eq!(tag(stores.writable(2, Datastore::Candidate)), "in-use");
        assert_eq!(tag(stores.commit(2, &Commit::default(), true)), "in-use");
    }
}
