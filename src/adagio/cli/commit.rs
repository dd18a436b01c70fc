//! The commit models of a command line, run as the verbs of the transaction.
//!
//! The adapter's `[commit]` ([`crate::adapter::commit`]) says where edits wait and gives the steps; this runs them.
//!
//! | verb      | `candidate`                       | `session`                      | `two-stage`        | `replace`                       |
//! |-----------|-----------------------------------|--------------------------------|--------------------|---------------------------------|
//! | `lock`    | pending? others? enter, lock, dirty? | ours that were left are aborted; pending? others? | pending? others? enter, lock | pending? others? |
//! | `prepare` | lines, check                      | enter `{name}`, lines, check   | lines, check       | lines are looked at, not typed  |
//! | `apply`   | timed commit (A) or commit (B)    | same                           | same               | enter with the timer, lines     |
//! | `extend`  | the adapter's step; without one, honest about the time that is left | | |                                 |
//! | `confirm` | is it pending, and ours? the candidate clean? then confirm | same | same | same                             |
//! | `cancel`  | is it pending, and ours? then cancel | same                        | same               | same                            |
//! | `discard` | discard                           | discard, or abort by name      | discard            | nothing                         |
//! | `unlock`  | unlock, leave                     | leave                          | unlock, leave      | leave                           |
//!
//! ```text
//!            enter               timed commit               confirm
//!  login mode ────▶ configuration ───────────▶ pending ────────────▶ kept
//!      ▲               │ discard                 │ cancel, or its own timer
//!      └──── leave ◀───┴─────────────────────────┘
//! ```
//!
//! Guarantees
//! * A step is done when the declared proof is there. An answer that is neither proof nor refusal is *unknown*, never
//!   success: the session is dropped and reading decides (IOS-XR says "Failed to commit … pseudo-atomic" and goes on).
//! * A candidate with somebody's edits in it is neither committed nor emptied: it is an error that shows them. That holds
//!   for a confirm by plain `commit` too, which would take them along.
//! * A confirm or cancel is only sent while a timed commit of this transaction is pending, as far as the adapter can tell
//!   it (`{name}` in `pending`); where it is not, the error says so and reading decides. Any other failure of the two is
//!   unknown, so that nobody takes a confirm that was never made for one that had been made before.
//! * Every verb works from a new session: what has to be known is in the persist-id, from which the label is made.
//!
//! Who is in the way is said in the words that a NETCONF server has for it: `lock-denied` (somebody configures), `in-use`
//! (a timed commit waits), `resource-denied` (the candidate is dirty); the first two pass.
//!
//! It does not: decide anything by reading (the transaction does), know a platform, retry.

use super::driver::Session;
use super::session::CliError;
use super::verdict::Verdict;
use crate::adagio::driver::{Confirm, DriverError, Effect, Residue};
use crate::adapter::CliLine;
use crate::adapter::commit::{Arguments, Commit, Judgement, LABEL, Model, Place, Show, Step, label};
use crate::domain::ErrorClass;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a session knows of its commit.
pub(super) struct Committing {
    pub model: Arc<Commit>,
    /// The mode after login; every other one is configuration.
    home: String,
    /// Name of our candidate, label of our commit.
    name: String,
    /// When our timed commit goes back by itself, and how long it was given.
    until: Option<(Instant, Duration)>,
}

impl Committing {
    pub fn new(model: Commit, home: &str) -> Self {
        Self { model: Arc::new(model), home: home.into(), name: any_label(), until: None }
    }

    pub fn announce(&mut self, persist: &str) {
        self.name = label(persist);
    }
}

type Done<T> = Result<T, DriverError>;

impl Session {
    fn committing(&self) -> Done<&Committing> {
        self.committing
            .as_ref()
            .ok_or_else(|| self.wrong("commit", ErrorClass::Bug, None, "the adapter has no [commit]"))
    }

    fn model(&self) -> Done<Arc<Commit>> {
        Ok(self.committing()?.model.clone())
    }

    fn arguments(&self) -> Arguments {
        let name = self.committing.as_ref().map(|known| known.name.clone()).unwrap_or_default();
        Arguments { name, window: Duration::ZERO }
    }

    /// Whether the session stands in configuration mode.
    pub(super) fn configures(&self) -> bool {
        self.committing.as_ref().is_some_and(|known| self.cli.mode() != known.home)
    }

    /// A command of the login mode as it is typed where the session stands.
    pub(super) fn as_typed(&self, command: &str) -> String {
        let exec = self.committing.as_ref().and_then(|known| known.model.source().exec.as_ref());
        match exec.filter(|_| self.configures()) {
            Some(exec) => exec.replace("{command}", command),
            None => command.into(),
        }
    }

    fn wrong(&self, doing: &str, class: ErrorClass, tag: Option<&str>, message: &str) -> DriverError {
        DriverError {
            element: self.element.clone(),
            doing: doing.into(),
            message: message.into(),
            class,
            effect: Effect::None,
            tag: tag.map(str::to_owned),
            path: None,
        }
    }

    // ── the verbs ────────────────────────────────────────────────────────────────────────────────────────────────────

    pub(super) async fn lock_commit(&mut self) -> Done<()> {
        let model = self.model()?;
        let source = model.source();
        self.abort_abandoned().await?;
        if let Some(pending) = &source.pending {
            let lines = self.shown("look for a pending commit", pending).await?;
            let any = Arguments::default();
            // Ours, somebody else's, of whatever name: nobody else may commit until it is decided.
            let waits = lines.iter().find(|line| pending.found(&any, line).is_some());
            if let Some(line) = waits {
                let message = format!("a timed commit waits for its confirmation: {}", line.trim());
                return Err(self.wrong("lock", ErrorClass::Transient, Some("in-use"), &message));
            }
        }
        if let Some(others) = &source.others {
            let lines = self.shown("look who configures", others).await?;
            let arguments = self.arguments();
            let there: Vec<&str> =
                lines.iter().filter(|line| others.fits(&arguments, line)).map(|line| line.trim()).collect();
            if !there.is_empty() {
                let message = format!("somebody else is in configuration mode: {}", there.join("; "));
                return Err(self.wrong("lock", ErrorClass::Transient, Some("lock-denied"), &message));
            }
        }
        match source.model {
            Model::Candidate | Model::TwoStage => self.enter("lock", true).await,
            Model::Session | Model::Replace => Ok(()),
        }
    }

    pub(super) async fn prepare_commit(&mut self, lines: &[CliLine]) -> Done<()> {
        let model = self.model()?;
        if model.source().model == Model::Replace {
            return Ok(());
        }
        if !self.configures() {
            self.enter("prepare", true).await?;
        }
        // Nothing of it is the running configuration, so a refusal has changed nothing.
        let typed = self.type_lines(lines).await;
        let residue = typed.map_err(|error| match error.effect {
            Effect::Unknown => error,
            Effect::None | Effect::Partial => DriverError { effect: Effect::None, ..error },
        })?;
        if let Some(line) = residue.first() {
            return Err(self.wrong("prepare", ErrorClass::Rejected, None, line));
        }
        match &model.source().check {
            Some(check) => self.step("check", check, &self.arguments(), Effect::None).await,
            None => Ok(()),
        }
    }

    pub(super) async fn apply_commit(&mut self, lines: &[CliLine], confirm: Option<&Confirm>) -> Done<Residue> {
        let model = self.model()?;
        let source = model.source();
        let replace = source.model == Model::Replace;
        let Some((confirm, timed)) = confirm.zip(source.timed.as_ref()) else {
            if replace {
                return self.type_in_configuration(lines).await;
            }
            let step = source.commit.as_ref().ok_or_else(|| self.no_step("commit"))?;
            self.step("commit", step, &self.arguments(), Effect::Partial).await?;
            return Ok(Residue::new());
        };
        self.announce_name(&confirm.persist);
        let arguments = self.window(confirm, timed.min, timed.max)?;
        let effect = if replace { Effect::None } else { Effect::Partial };
        // From before the send: the element's timer cannot have begun earlier.
        let since = Instant::now();
        self.step("commit confirmed", &timed.step, &arguments, effect).await?;
        self.started(since, arguments.window);
        if !replace {
            return Ok(Residue::new());
        }
        if !self.configures() {
            return Err(self.unproved("commit confirmed", "the element did not enter configuration mode"));
        }
        let typed = self.type_lines(lines).await;
        self.leave_quietly().await;
        typed
    }

    /// Lines that act at once, in a configuration mode without a timer.
    async fn type_in_configuration(&mut self, lines: &[CliLine]) -> Done<Residue> {
        if !self.configures() {
            self.enter("configure", false).await?;
        }
        let typed = self.type_lines(lines).await;
        self.leave_quietly().await;
        typed
    }

    pub(super) async fn extend_commit(&mut self, confirm: &Confirm) -> Done<()> {
        let model = self.model()?;
        let source = model.source();
        if let Some((extend, timed)) = source.extend.as_ref().zip(source.timed.as_ref()) {
            self.announce_name(&confirm.persist);
            let arguments = self.window(confirm, timed.min, timed.max)?;
            let since = Instant::now();
            self.step("extend the timed commit", extend, &arguments, Effect::Unknown).await?;
            self.started(since, arguments.window);
            return Ok(());
        }
        // The timer cannot be started anew. While there is time nothing is wrong; then the transaction has to turn back
        // before the element does.
        let left =
            self.committing()?.until.map(|(until, given)| (until.saturating_duration_since(Instant::now()), given));
        match left {
            Some((left, given)) if left > given / 4 => Ok(()),
            _ => {
                let message = "its timer cannot be started anew and has nearly run out";
                Err(DriverError {
                    effect: Effect::Partial,
                    ..self.wrong("extend the timed commit", ErrorClass::Transient, None, message)
                })
            }
        }
    }

    pub(super) async fn confirm_commit(&mut self, persist: &str) -> Done<()> {
        self.announce_name(persist);
        let model = self.model()?;
        let Some(confirm) = &model.source().confirm else { return Ok(()) };
        self.is_pending("confirm").await?;
        self.resolve("confirm", confirm).await
    }

    pub(super) async fn cancel_commit(&mut self, persist: &str) -> Done<()> {
        self.announce_name(persist);
        let model = self.model()?;
        let Some(cancel) = &model.source().cancel else { return Ok(()) };
        self.is_pending("cancel").await?;
        self.resolve("cancel", cancel).await
    }

    /// Confirms or cancels. Whatever goes wrong here leaves a timed commit pending, perhaps: unknown.
    async fn resolve(&mut self, doing: &str, step: &Step) -> Done<()> {
        let entered = step.place == Place::Config && !self.configures();
        let done = async {
            if entered {
                self.enter(doing, true).await?;
            }
            self.step(doing, step, &self.arguments(), Effect::Unknown).await
        };
        let done = done.await.map_err(|error| DriverError { effect: Effect::Unknown, tag: None, ..error });
        if entered && done.is_ok() {
            self.leave_quietly().await;
        }
        if done.is_ok()
            && let Some(known) = &mut self.committing
        {
            known.until = None;
        }
        done
    }

    /// An error, with a tag, when no timed commit of ours is pending: it was confirmed, cancelled, or it went back.
    async fn is_pending(&mut self, doing: &str) -> Done<()> {
        let model = self.model()?;
        let Some(pending) = &model.source().pending else { return Ok(()) };
        let lines = self.shown(doing, pending).await?;
        let arguments = self.arguments();
        if lines.iter().any(|line| pending.fits(&arguments, line)) {
            return Ok(());
        }
        let message = "no timed commit of this transaction is pending";
        Err(self.wrong(doing, ErrorClass::Rejected, Some("operation-failed"), message))
    }

    pub(super) async fn discard_commit(&mut self) -> Done<()> {
        let model = self.model()?;
        let source = model.source();
        let Some(discard) = &source.discard else { return Ok(()) };
        match source.model {
            Model::Replace => Ok(()),
            // It went with its terminal.
            Model::TwoStage if !self.configures() => Ok(()),
            Model::Session if !self.configures() => self.abort_abandoned().await,
            Model::Candidate if !self.configures() => {
                // Refused as dirty under our own lock: it is ours.
                self.enter("discard", false).await?;
                let discarded = self.step("discard", discard, &self.arguments(), Effect::None).await;
                self.leave_quietly().await;
                discarded
            }
            Model::Candidate | Model::Session | Model::TwoStage => {
                self.step("discard", discard, &self.arguments(), Effect::None).await
            }
        }
    }

    pub(super) async fn unlock_commit(&mut self) -> Done<()> {
        if !self.configures() {
            return Ok(());
        }
        let model = self.model()?;
        if let Some(unlock) = &model.source().unlock {
            self.step("unlock", unlock, &self.arguments(), Effect::None).await?;
        }
        self.leave().await
    }

    // ── configuration mode ───────────────────────────────────────────────────────────────────────────────────────────

    /// Enters configuration mode; with `clean` it is an error to find somebody's edits there.
    async fn enter(&mut self, doing: &str, clean: bool) -> Done<()> {
        let model = self.model()?;
        let source = model.source();
        match &source.enter {
            Some(enter) => self.obey(doing, enter).await?,
            None => {
                let entered = self.cli.enter_config().await;
                let entered = entered.map_err(|error| self.failed(doing, Effect::None, None, &error))?;
                if !entered.accepted() {
                    return Err(self.refused(doing, Effect::None, "configure", &entered.output.join(" ")));
                }
            }
        }
        if !self.configures() {
            let message = "the element did not enter configuration mode";
            return Err(self.wrong(doing, ErrorClass::Rejected, None, message));
        }
        let taken = async {
            if let Some(lock) = &source.lock {
                self.obey(doing, lock).await?;
            }
            match &source.dirty {
                Some(dirty) if clean => self.is_clean(doing, dirty).await,
                _ => Ok(()),
            }
        };
        let taken = taken.await;
        if taken.is_err() {
            self.leave_quietly().await;
        }
        taken
    }

    /// A step that somebody else can be in the way of: its declared refusals pass.
    async fn obey(&mut self, doing: &str, step: &Step) -> Done<()> {
        self.step(doing, step, &self.arguments(), Effect::None).await.map_err(|error| match error.tag.as_deref() {
            Some(REFUSED) => DriverError { class: ErrorClass::Transient, tag: Some("lock-denied".into()), ..error },
            _ => error,
        })
    }

    async fn is_clean(&mut self, doing: &str, dirty: &Show) -> Done<()> {
        let lines = self.shown(doing, dirty).await?;
        let edits: Vec<String> = match &dirty.same_as {
            Some(other) => {
                let other = Show { show: other.clone(), ..dirty.clone() };
                let running = self.shown(doing, &other).await?;
                lines.into_iter().filter(|line| !running.contains(line)).collect()
            }
            None => {
                let arguments = self.arguments();
                lines.into_iter().filter(|line| !line.trim().is_empty() && !dirty.fits(&arguments, line)).collect()
            }
        };
        if edits.is_empty() {
            return Ok(());
        }
        let shown: Vec<&str> = edits.iter().map(|line| line.trim()).take(SHOWN).collect();
        let more = edits.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more lines") } else { String::new() };
        let message = format!("the candidate holds somebody's edits: {}{more}", shown.join(" | "));
        Err(self.wrong(doing, ErrorClass::Transient, Some("resource-denied"), &message))
    }

    async fn leave(&mut self) -> Done<()> {
        let model = self.model()?;
        if let Some(leave) = &model.source().leave {
            return self.step("leave configuration mode", leave, &self.arguments(), Effect::None).await;
        }
        let left = self.cli.leave_config().await;
        left.map(|_| ()).map_err(|error| self.failed("leave configuration mode", Effect::None, None, &error))
    }

    async fn leave_quietly(&mut self) {
        if self.cli.ended().is_none()
            && self.configures()
            && let Err(error) = self.leave().await
        {
            tracing::debug!(element = self.element, %error, "configuration mode was not left in good order");
        }
    }

    /// Named sessions of ours that nobody will come back for count against the element's limit.
    async fn abort_abandoned(&mut self) -> Done<()> {
        let model = self.model()?;
        let Some(abandoned) = &model.source().abandoned else { return Ok(()) };
        let lines = self.shown("look for abandoned sessions", &abandoned.list).await?;
        let any = Arguments::default();
        for line in &lines {
            let Some(name) = abandoned.list.found(&any, line).filter(|name| name.starts_with(LABEL)) else { continue };
            // One that is pending is decided by the transaction that it belongs to.
            if model.source().pending.as_ref().is_some_and(|pending| pending.fits(&any, line)) {
                continue;
            }
            tracing::info!(element = self.element, session = name, "an abandoned session of ours is aborted");
            let arguments = Arguments { name, ..Arguments::default() };
            self.step("abort an abandoned session", &abandoned.abort, &arguments, Effect::None).await?;
        }
        Ok(())
    }

    // ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    /// Types a step. `refusal`: what a refusal may have changed. A declared refusal carries the tag [`REFUSED`] for
    /// callers here when nothing was changed by it; an answer that proves nothing is unknown.
    async fn step(&mut self, doing: &str, step: &Step, arguments: &Arguments, refusal: Effect) -> Done<()> {
        let before = match step.prove.as_ref().filter(|prove| prove.changed) {
            Some(prove) => Some(self.shown(doing, prove).await?),
            None => None,
        };
        let (mut said, mut accepted) = (Vec::new(), true);
        for (at, line) in step.lines.iter().enumerate() {
            let line = arguments.fill(line);
            let typed = if step.place == Place::Exec { self.as_typed(&line) } else { line };
            let reply = self.cli.run_step(&typed, &step.answers).await;
            let reply = reply.map_err(|error| self.failed(doing, refusal, Some(&typed), &error))?;
            if reply.verdict == Verdict::EchoDiffers {
                return Err(self.failed(doing, refusal, Some(&typed), &CliError::EchoDiffers));
            }
            accepted = reply.accepted();
            let last = at + 1 == step.lines.len();
            let judgement = step.judge(arguments, &reply.output);
            let known = accepted || judgement == Judgement::Obeyed;
            if judgement == Judgement::Refused || (!last && !known) {
                return Err(self.turned_down(doing, step, &typed, &reply.output, refusal).await);
            }
            said = reply.output;
        }
        let words = said.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        match step.judge(arguments, &said) {
            Judgement::Obeyed => {}
            Judgement::Silent if accepted || step.prove.is_some() => {}
            Judgement::Silent | Judgement::Refused => {
                let line = step.lines.last().map(String::as_str).unwrap_or_default();
                return Err(self.turned_down(doing, step, line, &said, refusal).await);
            }
            Judgement::Unproved if words.is_empty() => {
                return Err(self.unproved(doing, "the element said nothing, which proves nothing"));
            }
            Judgement::Unproved => {
                return Err(self.unproved(doing, &format!("the element did not say that it was done, but: {words}")));
            }
        }
        let Some(prove) = &step.prove else { return Ok(()) };
        let shown = self.shown(doing, prove).await.map_err(|error| DriverError { effect: Effect::Unknown, ..error })?;
        let proved = match &before {
            Some(before) => *before != shown,
            None => shown.iter().any(|line| prove.fits(arguments, line)),
        };
        if proved {
            return Ok(());
        }
        let words = if words.is_empty() { "nothing".into() } else { words };
        Err(self.unproved(doing, &format!("`{}` does not show that it was done; the element said {words}", prove.show)))
    }

    fn unproved(&self, doing: &str, what: &str) -> DriverError {
        DriverError { effect: Effect::Unknown, ..self.wrong(doing, ErrorClass::Transient, None, what) }
    }

    /// A refusal in the element's words, with what it says to explain it.
    async fn turned_down(
        &mut self,
        doing: &str,
        step: &Step,
        line: &str,
        said: &[String],
        refusal: Effect,
    ) -> DriverError {
        let mut words: Vec<String> =
            said.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        if let Some(explain) = &step.explain {
            match self.cli.run_show(explain).await {
                Ok(text) => {
                    words.extend(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()));
                }
                // What explains an error looks like one.
                Err(CliError::Rejected(text)) => words.push(text),
                Err(error) => tracing::debug!(element = self.element, %error, "no explanation of a refusal"),
            }
        }
        words.truncate(SHOWN);
        let error = self.refused(doing, refusal, line, &words.join(" | "));
        let tag = (refusal == Effect::None).then(|| REFUSED.to_owned());
        DriverError { tag, ..error }
    }

    /// The lines that a command answers.
    async fn shown(&mut self, doing: &str, show: &Show) -> Done<Vec<String>> {
        let command = self.arguments().fill(&show.show);
        let command = if show.place == Place::Exec { self.as_typed(&command) } else { command };
        let text = self.cli.run_show(&command).await;
        let text = text.map_err(|error| self.failed(doing, Effect::None, Some(&command), &error))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn announce_name(&mut self, persist: &str) {
        if let Some(known) = &mut self.committing {
            known.announce(persist);
        }
    }

    fn started(&mut self, since: Instant, window: Duration) {
        if let Some(known) = &mut self.committing {
            known.until = Some((since + window, window));
        }
    }

    fn window(&self, confirm: &Confirm, min: u64, max: u64) -> Done<Arguments> {
        let seconds = confirm.timeout.as_secs().max(min);
        if seconds > max {
            let message = format!("a window of {seconds} s is asked for, the element's timer holds {max} s");
            return Err(self.wrong("commit confirmed", ErrorClass::Rejected, None, &message));
        }
        let window = confirm.timeout.max(Duration::from_secs(min));
        Ok(Arguments { window, ..self.arguments() })
    }

    fn no_step(&self, what: &str) -> DriverError {
        self.wrong(what, ErrorClass::Bug, None, "the adapter's [commit] has no such step")
    }
}

/// A label for a commit of which nothing has to be known later.
fn any_label() -> String {
    label(&uuid::Uuid::now_v7().to_string())
}

/// The tag of a refusal by which nothing was changed: it is an answer, so the session lives on.
const REFUSED: &str = "operation-failed";
/// Lines of the element that an error shows.
const SHOWN: usize = 12;
