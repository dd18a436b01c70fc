//! The NETCONF driver: what the transaction asks for, in RFC 6241 operations.
//!
//! The class is probed from the hello: candidate and confirmed-commit:1.1 is A, candidate alone B, writable-running C.
//! Validation is what the adapter says: `test-option=test-then-set` by default, because there are servers on which an
//! explicit `<validate>` loses the edit with three `<ok/>`s.

use super::capabilities::Capabilities;
use super::error::NetconfError;
use super::operation::{ConfirmedCommit, Datastore, DefaultOperation, EditConfig, ErrorOption, Filter, TestOption};
use super::readings::{Made, Readings};
use super::session::{NetconfLimits, NetconfSession};
use super::xml::Fragment;
use super::{schemas, sessions};
use crate::adagio::driver::{
    Confirm, DriverError, Effect, Holder, Reader, Reading, Residue, Southbound, StateValue, Writer,
};
use crate::adagio::secret::{Clear, Secrets, in_xml};
use crate::adagio::ssh::{SshLimits, SshTarget};
use crate::adagio::tap::Tap;
use crate::adapter::manifest::{ElementLimits, Validation};
use crate::adapter::{Adapter, Payload};
use crate::domain::{Class, ErrorClass, chain};
use crate::tree::ConfigTree;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// An element that speaks NETCONF.
pub struct NetconfElement {
    /// Name in the inventory.
    pub element: String,
    /// How to reach it.
    pub target: SshTarget,
    /// Its adapter, with a schema.
    pub adapter: Arc<Adapter>,
    /// Limits of connections.
    pub ssh: SshLimits,
    /// Limits of sessions.
    pub limits: NetconfLimits,
    /// Shows the bytes that leave.
    pub tap: Tap,
    /// What opens the secrets of a payload.
    pub secrets: Arc<dyn Secrets>,
    /// What elements said last.
    pub readings: Arc<Readings>,
}

#[async_trait]
impl Southbound for NetconfElement {
    fn element(&self) -> &str {
        &self.element
    }

    async fn open_reader(&self) -> Result<Box<dyn Reader>, DriverError> {
        Ok(Box::new(self.open().await?))
    }

    async fn open_writer(&self) -> Result<Box<dyn Writer>, DriverError> {
        Ok(Box::new(self.open().await?))
    }

    fn limits(&self) -> ElementLimits {
        self.adapter.manifest().limits
    }
}

impl NetconfElement {
    async fn open(&self) -> Result<Session, DriverError> {
        let opened = NetconfSession::connect(&self.target, &self.ssh, self.limits, self.tap.clone()).await;
        let netconf = opened.map_err(|error| failed(&self.element, "connect", Effect::None, &error))?;
        let class = class_of(netconf.capabilities()).ok_or_else(|| {
            DriverError::unsent(
                &self.element,
                "connect",
                ErrorClass::Rejected,
                "it offers neither :candidate nor :writable-running; nothing can be configured",
            )
        })?;
        Ok(Session {
            element: self.element.clone(),
            adapter: self.adapter.clone(),
            netconf,
            class,
            locked: Vec::new(),
            without_lock: Vec::new(),
            denied_by: None,
            secrets: self.secrets.clone(),
            readings: self.readings.clone(),
        })
    }
}

/// What an element can take back, by its capabilities.
pub fn class_of(capabilities: &Capabilities) -> Option<Class> {
    // F5: without base:1.1 there is no persist, and a commit without it does not outlive its session.
    let confirmed = capabilities.confirmed_commit_11 && capabilities.base11;
    match (capabilities.candidate, confirmed, capabilities.writable_running) {
        (true, true, _) => Some(Class::A),
        (true, false, _) => Some(Class::B),
        // RFC 6241 §7.2: without rollback-on-error an edit stops at its first error, and what came before it stands.
        (false, _, true) if capabilities.rollback_on_error => Some(Class::C),
        (false, _, true) => Some(Class::D),
        (false, _, false) => None,
    }
}

struct Session {
    element: String,
    adapter: Arc<Adapter>,
    netconf: NetconfSession,
    class: Class,
    locked: Vec<Datastore>,
    /// Datastores that the element cannot lock.
    without_lock: Vec<Datastore>,
    /// The session that held what the last lock was refused.
    denied_by: Option<u32>,
    secrets: Arc<dyn Secrets>,
    readings: Arc<Readings>,
}

impl Session {
    /// Reads a datastore as far as the adapter looks at it.
    async fn read(&self, source: Datastore) -> Result<Reading, DriverError> {
        let doing = format!("read {}", source.as_str());
        let filter = self.adapter.read_filter();
        let read = self.netconf.get_config(source, Some(Filter::Subtree(filter)), None).await;
        let data = read.map_err(|error| self.failed(&doing, Effect::None, &error))?;
        let tree = self.tree_of(&data).map_err(|message| self.unreadable(&doing, message))?;
        let defaults =
            self.netconf.capabilities().with_defaults.as_ref().map(|with| with.basic.mode()).unwrap_or_default();
        Ok(Reading { tree, partial: None, bytes: data.inner.len(), defaults })
    }

    /// What the reply says, normalised; what the last reply said in the same bytes is not read once more. It is all that
    /// the element said: a reply that was cut short is not well-formed, and was refused before it came here.
    fn tree_of(&self, data: &Fragment) -> Result<ConfigTree, String> {
        let made = Made::of(data, &self.adapter);
        if let Some(known) = made.as_ref().and_then(|made| self.readings.known(&self.element, made)) {
            return Ok(known);
        }
        let last = made.as_ref().map(|made| self.readings.entries(&self.element, made)).unwrap_or_default();
        let read = self.adapter.parse_after(&data.to_document("data"), &last);
        let (tree, entries) = read.map_err(|error| chain(&error))?;
        let tree = self.adapter.normalise(&tree);
        if let Some(made) = made {
            self.readings.keep(&self.element, made, &tree, entries);
        }
        Ok(tree)
    }

    fn unreadable(&self, doing: &str, message: String) -> DriverError {
        DriverError {
            element: self.element.clone(),
            doing: doing.into(),
            message,
            class: ErrorClass::Rejected,
            effect: Effect::None,
            tag: None,
            path: None,
        }
    }

    fn failed(&self, doing: &str, effect: Effect, error: &NetconfError) -> DriverError {
        failed(&self.element, doing, effect, error)
    }

    // An error is rare and carries the element's words.
    #[allow(clippy::result_large_err)]
    fn config<'a>(&self, doing: &str, payload: &'a Payload) -> Result<&'a str, DriverError> {
        match payload {
            Payload::Netconf { config } => Ok(config),
            Payload::Cli { .. } => Err(DriverError::unsent(
                &self.element,
                doing,
                ErrorClass::Bug,
                "a payload of CLI lines came to a NETCONF element",
            )),
        }
    }

    async fn edit(&self, target: Datastore, doing: &str, payload: &Payload, effect: Effect) -> Result<(), DriverError> {
        let config = self.config(doing, payload)?;
        let clear = Clear::of(config, &*self.secrets, in_xml)
            .map_err(|message| DriverError::unsent(&self.element, doing, ErrorClass::Rejected, message))?;
        let said = |error: DriverError| DriverError { message: clear.without(&error.message), ..error };
        let capabilities = self.netconf.capabilities();
        let validation = self.adapter.manifest().netconf.as_ref().map(|options| options.validate).unwrap_or_default();
        let test = validation == Validation::TestThenSet && capabilities.validate();
        let edit = EditConfig {
            target,
            default_operation: Some(DefaultOperation::None),
            test_option: test.then_some(TestOption::TestThenSet),
            error_option: capabilities.rollback_on_error.then_some(ErrorOption::RollbackOnError),
            config: clear.as_str(),
        };
        self.netconf.edit_config(edit).await.map_err(|error| said(self.failed(doing, effect, &error)))?;
        if validation == Validation::Explicit && target == Datastore::Candidate && capabilities.validate() {
            let checked = self.netconf.validate(target).await;
            checked.map_err(|error| said(self.failed("validate candidate", effect, &error)))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Reader for Session {
    fn class(&self) -> Class {
        self.class
    }

    fn module_set(&self) -> Option<String> {
        Some(schemas::module_set(self.netconf.capabilities()))
    }

    fn session(&self) -> Option<u32> {
        Some(self.netconf.session_id())
    }

    fn patience(&mut self, limit: Duration) {
        self.netconf.set_timeout(limit);
    }

    async fn read_running(&mut self) -> Result<Reading, DriverError> {
        self.read(Datastore::Running).await
    }

    async fn read_state(&mut self, checks: &[String]) -> Result<Vec<StateValue>, DriverError> {
        let mut found = Vec::new();
        for name in checks {
            let doing = format!("read the state for check {name}");
            let Some(reader) = self.adapter.state_readers().get(name) else {
                return Err(self.unreadable(&doing, "the adapter has no such check".into()));
            };
            let filter = reader.filter.as_deref().unwrap_or_default();
            let data = self.netconf.get(Some(Filter::Subtree(filter))).await;
            let data = data.map_err(|error| self.failed(&doing, Effect::None, &error))?;
            let rows = reader.rows_of_xml(&data.to_document("data")).map_err(|what| self.unreadable(&doing, what))?;
            let value = |(subject, value)| StateValue { check: name.clone(), subject, value, demand: reader.demand() };
            found.extend(rows.into_iter().map(value));
        }
        Ok(found)
    }

    async fn close(self: Box<Self>) {
        if let Err(error) = self.netconf.close().await {
            tracing::debug!(element = self.element, %error, "session did not close in good order");
        }
    }
}

#[async_trait]
impl Writer for Session {
    async fn lock(&mut self) -> Result<(), DriverError> {
        let stores: &[Datastore] = match self.class {
            Class::A | Class::B => &[Datastore::Running, Datastore::Candidate],
            Class::C | Class::D => &[Datastore::Running],
        };
        self.denied_by = None;
        self.without_lock.clear();
        for store in stores {
            if let Err(error) = self.netconf.lock(*store).await {
                // Some servers have a candidate and no lock at all: the plan is made all the same, and says so.
                if error.rpc_errors().iter().any(|error| error.tag == "operation-not-supported") {
                    self.without_lock.push(*store);
                    continue;
                }
                self.denied_by = error.rpc_errors().iter().find_map(sessions::named);
                let error = self.failed(&format!("lock {}", store.as_str()), Effect::None, &error);
                self.unlock().await.ok();
                return Err(error);
            }
            self.locked.push(*store);
        }
        Ok(())
    }

    async fn prepare(&mut self, payload: &Payload) -> Result<(), DriverError> {
        match self.class {
            Class::A | Class::B => self.edit(Datastore::Candidate, "edit candidate", payload, Effect::None).await,
            Class::C | Class::D => self.config("prepare", payload).map(|_| ()),
        }
    }

    async fn apply(&mut self, payload: &Payload, confirm: Option<&Confirm>) -> Result<Residue, DriverError> {
        match (self.class, confirm) {
            (Class::A, Some(confirm)) => {
                let commit = ConfirmedCommit {
                    timeout: Some(confirm.timeout),
                    persist: Some(&confirm.persist),
                    persist_id: None,
                };
                let done = self.netconf.commit_confirmed(commit).await;
                done.map_err(|error| self.failed("commit confirmed", Effect::None, &error))?;
            }
            (Class::A | Class::B, _) => {
                let done = self.netconf.commit().await;
                done.map_err(|error| self.failed("commit", Effect::Partial, &error))?;
            }
            (Class::C | Class::D, _) => {
                self.edit(Datastore::Running, "edit running", payload, Effect::Partial).await?;
            }
        }
        Ok(Residue::new())
    }

    async fn extend(&mut self, confirm: &Confirm) -> Result<(), DriverError> {
        let commit = ConfirmedCommit {
            timeout: Some(confirm.timeout),
            persist: Some(&confirm.persist),
            persist_id: Some(&confirm.persist),
        };
        let done = self.netconf.commit_confirmed(commit).await;
        done.map(|_| ()).map_err(|error| self.failed("extend the confirmed commit", Effect::Unknown, &error))
    }

    async fn confirm(&mut self, persist: &str) -> Result<(), DriverError> {
        let done = self.netconf.confirm(Some(persist)).await;
        done.map(|_| ()).map_err(|error| self.failed("confirm", Effect::Unknown, &error))
    }

    async fn cancel(&mut self, persist: &str) -> Result<(), DriverError> {
        let done = self.netconf.cancel_commit(Some(persist)).await;
        done.map(|_| ()).map_err(|error| self.failed("cancel the confirmed commit", Effect::Unknown, &error))
    }

    async fn discard(&mut self) -> Result<(), DriverError> {
        if !self.netconf.capabilities().candidate {
            return Ok(());
        }
        let done = self.netconf.discard_changes().await;
        done.map(|_| ()).map_err(|error| self.failed("discard candidate", Effect::None, &error))
    }

    async fn save(&mut self) -> Result<(), DriverError> {
        if !self.netconf.capabilities().startup {
            return Ok(());
        }
        let done = self.netconf.copy_config(Datastore::Startup, Datastore::Running).await;
        done.map(|_| ()).map_err(|error| self.failed("save to startup", Effect::None, &error))
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        let mut first = None;
        while let Some(store) = self.locked.pop() {
            if let Err(error) = self.netconf.unlock(store).await {
                let error = self.failed(&format!("unlock {}", store.as_str()), Effect::None, &error);
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn unlocked(&self) -> Option<String> {
        let stores: Vec<&str> = self.without_lock.iter().map(|store| store.as_str()).collect();
        (!stores.is_empty())
            .then(|| format!("the element cannot lock {}: others may edit meanwhile", stores.join(" and ")))
    }

    async fn holder(&mut self) -> Option<Holder> {
        sessions::holder(&self.netconf, self.denied_by?).await
    }

    async fn end_session(&mut self, session: u32) -> Result<(), DriverError> {
        let done = self.netconf.kill_session(session).await;
        done.map(|_| ()).map_err(|error| self.failed("kill-session", Effect::None, &error))
    }

    async fn read_candidate(&mut self) -> Result<Option<Reading>, DriverError> {
        if !self.netconf.capabilities().candidate {
            return Ok(None);
        }
        self.read(Datastore::Candidate).await.map(Some)
    }
}

fn failed(element: &str, doing: &str, effect: Effect, error: &NetconfError) -> DriverError {
    let refused = error.rpc_errors().first();
    DriverError {
        element: element.into(),
        doing: doing.into(),
        message: chain(error),
        class: error.class(),
        effect: if error.is_unknown() { Effect::Unknown } else { effect },
        tag: refused.map(|error| error.tag.clone()),
        path: refused.and_then(|error| error.path.clone()),
    }
}
