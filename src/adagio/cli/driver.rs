//! The CLI driver: lines in configuration mode, one at a time, stop at the first error; with the adapter's commit model
//! around them where the platform has one (`commit.rs`).
//!
//! Without a `[commit]` it is class D: nothing can be locked or tried beforehand. A refused line after accepted ones is a
//! partial effect; the transaction reads the element and undoes. Lines of class *busy* are retried for a bounded time and then named as
//! residue, for an object outside the configuration still lives (see [`crate::adapter::CliLine::busy`]).

use super::commit::Committing;
use super::dialect::{CliDialect, Dialect};
use super::session::{CliError, CliLimits, CliSession};
use super::verdict::Verdict;
use crate::adagio::driver::{Confirm, DriverError, Effect, Reader, Reading, Residue, Southbound, StateValue, Writer};
use crate::adagio::secret::{Clear, Secrets, plain};
use crate::adagio::ssh::{SshLimits, SshTarget};
use crate::adagio::tap::Tap;
use crate::adapter::manifest::ElementLimits;
use crate::adapter::{Adapter, Answer, CliLine, Payload};
use crate::domain::{Class, ErrorClass, chain};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// An element that speaks a command line.
pub struct CliElement {
    /// Name in the inventory.
    pub element: String,
    /// How to reach it.
    pub target: SshTarget,
    /// Its adapter.
    pub adapter: Arc<Adapter>,
    /// The adapter's `[cli]` table, compiled.
    pub dialect: Arc<Dialect>,
    /// Limits of connections.
    pub ssh: SshLimits,
    /// Limits of sessions.
    pub limits: CliLimits,
    /// How long busy lines are retried.
    pub busy: Duration,
    /// Shows the bytes that leave.
    pub tap: Tap,
    /// What opens the secrets of a payload.
    pub secrets: Arc<dyn Secrets>,
}

/// Compiles the `[cli]` table of an adapter.
pub fn dialect_of(adapter: &Adapter) -> Result<Dialect, String> {
    dialect_within(adapter, usize::MAX)
}

/// The same, with a bound on the output of one command, in bytes, that the adapter can lower and not raise.
pub(in crate::adagio) fn dialect_within(adapter: &Adapter, output: usize) -> Result<Dialect, String> {
    let table = adapter.manifest().cli.clone().ok_or("the adapter has no [cli] table")?;
    let mut dialect: CliDialect =
        toml::Value::Table(table).try_into().map_err(|error: toml::de::Error| error.to_string())?;
    dialect.max_output = dialect.max_output.min(output);
    dialect.compile().map_err(|error| error.to_string())
}

#[async_trait]
impl Southbound for CliElement {
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

impl CliElement {
    async fn open(&self) -> Result<Session, DriverError> {
        let dialect = self.dialect.clone();
        let opened = CliSession::connect(&self.target, &self.ssh, dialect, self.limits, self.tap.clone()).await;
        let cli = opened.map_err(|error| failed(&self.element, "connect", Effect::None, None, &error))?;
        let committing = self.adapter.commit().map(|model| Committing::new(model.clone(), cli.mode()));
        Ok(Session {
            element: self.element.clone(),
            adapter: self.adapter.clone(),
            dialect: self.dialect.clone(),
            cli,
            committing,
            busy: self.busy,
            secrets: self.secrets.clone(),
        })
    }
}

pub(super) struct Session {
    pub(super) element: String,
    adapter: Arc<Adapter>,
    dialect: Arc<Dialect>,
    pub(super) cli: CliSession,
    /// The commit model, where the platform has one.
    pub(super) committing: Option<Committing>,
    busy: Duration,
    secrets: Arc<dyn Secrets>,
}

impl Session {
    pub(super) fn failed(&self, doing: &str, effect: Effect, line: Option<&str>, error: &CliError) -> DriverError {
        failed(&self.element, doing, effect, line, error)
    }

    pub(super) fn refused(&self, doing: &str, effect: Effect, line: &str, words: &str) -> DriverError {
        DriverError {
            element: self.element.clone(),
            doing: doing.into(),
            message: format!("`{}`: {words}", line.trim()),
            class: ErrorClass::Rejected,
            effect,
            tag: None,
            path: Some(line.trim().into()),
        }
    }

    /// Which processes are dead, of those that must be alive: a dead sub-daemon takes its part of the configuration out of
    /// the text.
    async fn not_alive(&mut self, doing: &str) -> Result<Option<String>, DriverError> {
        let Some(alive) = self.dialect.source().read.alive.clone() else { return Ok(None) };
        let shown = self.cli.run_show(&self.as_typed(&alive.command)).await;
        let shown = shown.map_err(|error| self.failed(doing, Effect::None, None, &error))?;
        let words: Vec<&str> = shown.split_whitespace().collect();
        let dead: Vec<&str> =
            alive.must_contain.iter().map(String::as_str).filter(|name| !words.contains(name)).collect();
        Ok((!dead.is_empty()).then(|| format!("not running: {}", dead.join(", "))))
    }

    // An error is rare and carries the element's words.
    #[allow(clippy::result_large_err)]
    fn reading(&self, doing: &str, text: &str, mut partial: Option<String>) -> Result<Reading, DriverError> {
        let parsed = self
            .adapter
            .parse(text)
            .map_err(|error| DriverError::unsent(&self.element, doing, ErrorClass::Rejected, chain(&error)))?;
        let (element, opaque, lines) = (&self.element, parsed.opaque, parsed.lines);
        tracing::debug!(element, opaque, lines, "lines that the grammar does not know");
        if !parsed.complete {
            partial.get_or_insert_with(|| "the text has no end marker".into());
        }
        Ok(Reading {
            tree: self.adapter.normalise(&parsed.tree),
            partial,
            bytes: text.len(),
            defaults: Default::default(),
        })
    }

    // An error is rare and carries the element's words.
    #[allow(clippy::result_large_err)]
    fn lines<'a>(&self, doing: &str, payload: &'a Payload) -> Result<&'a [CliLine], DriverError> {
        match payload {
            Payload::Cli { lines } => Ok(lines),
            Payload::Netconf { .. } => Err(DriverError::unsent(
                &self.element,
                doing,
                ErrorClass::Bug,
                "an edit-config payload came to a CLI element",
            )),
        }
    }

    /// Types the lines; on a refusal the rest is not typed.
    pub(super) async fn type_lines(&mut self, lines: &[CliLine]) -> Result<Residue, DriverError> {
        let mut residue = Residue::new();
        let deadline = Instant::now() + self.busy;
        let mut changed = false;
        let mut rest = lines;
        while let Some(line) = rest.first() {
            // Lines that are one to the element are sent as one.
            let count = rest.iter().position(|line| !line.more).map_or(rest.len(), |at| at + 1);
            let (together, further) = rest.split_at(count);
            rest = further;
            let answers: Vec<Answer> = together.iter().flat_map(|line| line.answers.iter().cloned()).collect();
            let effect = if changed { Effect::Partial } else { Effect::None };
            let secrets = self.secrets.clone();
            let clear: Result<Vec<Clear<'_>>, _> = together
                .iter()
                .map(|line| Clear::of(&line.text, &*secrets, plain).map_err(|why| (line.text.clone(), why)))
                .collect();
            let clear = clear.map_err(|(line, why)| self.refused("configure", effect, &line, &why))?;
            let texts: Vec<&str> = clear.iter().map(Clear::as_str).collect();
            let masked = |words: &str| clear.iter().fold(words.to_owned(), |words, clear| clear.without(&words));
            loop {
                let sent = self.cli.send_lines(&texts, &answers).await;
                let reply = sent.map_err(|error| {
                    let error = self.failed("configure", effect, Some(&line.text), &error);
                    DriverError { message: masked(&error.message), ..error }
                })?;
                match &reply.verdict {
                    Verdict::Ok | Verdict::Notice => break,
                    Verdict::Busy { text } if line.busy => {
                        if Instant::now() >= deadline {
                            residue.push(format!("{}: {}", line.text.trim(), masked(text)));
                            break;
                        }
                        tokio::time::sleep(BUSY_PAUSE).await;
                    }
                    Verdict::Busy { text } | Verdict::Error { text } => {
                        return Err(self.refused("configure", effect, &line.text, &masked(text)));
                    }
                    Verdict::EchoDiffers => {
                        let words = "the element echoed another line; whether it took it is unknown";
                        return Err(self.refused("configure", Effect::Unknown, &line.text, words));
                    }
                }
            }
            changed = true;
        }
        Ok(residue)
    }
}

#[async_trait]
impl Reader for Session {
    fn class(&self) -> Class {
        match &self.committing {
            None => Class::D,
            Some(known) if known.model.is_timed() => Class::A,
            Some(_) => Class::B,
        }
    }

    fn patience(&mut self, limit: Duration) {
        self.cli.set_timeout(limit);
    }

    async fn read_running(&mut self) -> Result<Reading, DriverError> {
        let read = self.dialect.source().read.clone();
        let partial = self.not_alive("read running").await?;
        let text = match self.cli.run_show_to_end(&self.as_typed(&read.command)).await {
            Ok(text) => text,
            Err(error) => return Err(self.failed("read running", Effect::None, None, &error)),
        };
        self.reading("read running", &text, partial)
    }

    async fn read_state(&mut self, checks: &[String]) -> Result<Vec<StateValue>, DriverError> {
        let adapter = self.adapter.clone();
        let mut found = Vec::new();
        for name in checks {
            let doing = format!("read the state for check {name}");
            let wrong = |element: &str, message: String| DriverError {
                element: element.into(),
                doing: doing.clone(),
                message,
                class: ErrorClass::Rejected,
                effect: Effect::None,
                tag: None,
                path: None,
            };
            let reader = adapter.state_readers().get(name);
            let Some((reader, command)) = reader.and_then(|reader| Some((reader, reader.command.as_deref()?))) else {
                return Err(wrong(&self.element, "the adapter has no such check".into()));
            };
            let shown = self.cli.run_show(&self.as_typed(command)).await;
            let shown = shown.map_err(|error| self.failed(&doing, Effect::None, Some(command), &error))?;
            let rows = reader.rows_of_json(&shown).map_err(|what| wrong(&self.element, what))?;
            let value = |(subject, value)| StateValue { check: name.clone(), subject, value, demand: reader.demand() };
            found.extend(rows.into_iter().map(value));
        }
        Ok(found)
    }

    async fn close(self: Box<Self>) {
        self.cli.close().await;
    }
}

#[async_trait]
impl Writer for Session {
    fn announce(&mut self, persist: &str) {
        if let Some(known) = &mut self.committing {
            known.announce(persist);
        }
    }

    async fn lock(&mut self) -> Result<(), DriverError> {
        match self.committing {
            Some(_) => self.lock_commit().await,
            None => Ok(()),
        }
    }

    async fn prepare(&mut self, payload: &Payload) -> Result<(), DriverError> {
        for line in self.lines("prepare", payload)? {
            let clear = Clear::of(&line.text, &*self.secrets, plain);
            let clear = clear.map_err(|why| self.refused("prepare", Effect::None, &line.text, &why))?;
            if let Err(refusal) = self.dialect.check_line(clear.as_str()) {
                let words = clear.without(&refusal.to_string());
                return Err(self.refused("prepare", Effect::None, &line.text, &words));
            }
        }
        match self.committing {
            Some(_) => self.prepare_commit(self.lines("prepare", payload)?).await,
            None => Ok(()),
        }
    }

    async fn apply(&mut self, payload: &Payload, confirm: Option<&Confirm>) -> Result<Residue, DriverError> {
        let lines = self.lines("configure", payload)?.to_vec();
        if self.committing.is_some() {
            return self.apply_commit(&lines, confirm).await;
        }
        let entered = self.cli.enter_config().await;
        let entered = entered.map_err(|error| self.failed("enter configuration mode", Effect::None, None, &error))?;
        if !entered.accepted() {
            let words = entered.output.join(" ");
            return Err(self.refused("enter configuration mode", Effect::None, "configure", &words));
        }
        let typed = self.type_lines(&lines).await;
        // The mode must be left whatever happened; a dead session has no mode.
        if self.cli.ended().is_none()
            && let Err(error) = self.cli.leave_config().await
        {
            tracing::debug!(element = self.element, %error, "configuration mode was not left in good order");
        }
        typed
    }

    async fn extend(&mut self, confirm: &Confirm) -> Result<(), DriverError> {
        match self.committing {
            Some(_) => self.extend_commit(confirm).await,
            None => Ok(()),
        }
    }

    fn guards_confirm(&self) -> bool {
        true
    }

    async fn confirm(&mut self, persist: &str) -> Result<(), DriverError> {
        match self.committing {
            Some(_) => self.confirm_commit(persist).await,
            None => Ok(()),
        }
    }

    async fn cancel(&mut self, persist: &str) -> Result<(), DriverError> {
        match self.committing {
            Some(_) => self.cancel_commit(persist).await,
            None => Ok(()),
        }
    }

    async fn discard(&mut self) -> Result<(), DriverError> {
        match self.committing {
            Some(_) => self.discard_commit().await,
            None => Ok(()),
        }
    }

    async fn save(&mut self) -> Result<(), DriverError> {
        if self.configures() && !self.dialect.source().save.is_empty() {
            // Saving is a command of the login mode, and everything is committed by now.
            self.unlock().await?;
        }
        if !self.dialect.source().save.is_empty()
            && let Some(dead) = self.not_alive("save").await?
        {
            // What would be saved lacks the part of the dead: the next restart would lose it for good.
            return Err(self.refused("save", Effect::None, "save", &format!("not saved while {dead}")));
        }
        let saved = self.cli.save().await;
        let saved = saved.map_err(|error| self.failed("save", Effect::None, None, &error))?;
        if saved.accepted() {
            return Ok(());
        }
        Err(self.refused("save", Effect::None, "save", &saved.output.join(" ")))
    }

    async fn read_candidate(&mut self) -> Result<Option<Reading>, DriverError> {
        match self.shown_candidate().await? {
            Some(text) => self.reading("read the candidate", &text, None).map(Some),
            None => Ok(None),
        }
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        match self.committing {
            Some(_) => self.unlock_commit().await,
            None => Ok(()),
        }
    }
}

fn failed(element: &str, doing: &str, effect: Effect, line: Option<&str>, error: &CliError) -> DriverError {
    DriverError {
        element: element.into(),
        doing: doing.into(),
        message: match line {
            Some(line) => format!("`{}`: {}", line.trim(), chain(error)),
            None => chain(error),
        },
        class: error.class(),
        effect: if error.is_unknown() { Effect::Unknown } else { effect },
        tag: None,
        path: line.map(|line| line.trim().into()),
    }
}

const BUSY_PAUSE: Duration = Duration::from_millis(500);
