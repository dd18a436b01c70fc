//! A CLI session: one terminal, one line in flight.
//!
//! Flow: open a terminal, learn the prompt, switch the pager off; then each line is checked, sent, and read up to the
//! next prompt; the answer gets a [`Verdict`].
//!
//! Guarantees
//! * A line that could do something else than stand in the line is refused before anything is sent.
//! * A line without a prompt in time is unknown, never failed, and the session is gone; so it is when the caller drops
//!   the call half way. A call on a session that is gone sends nothing.
//! * The first prompt and the end of every `show` are proved by a second prompt: an empty line is sent and the element
//!   must answer with the same prompt and nothing else. A banner or an output that looks like a prompt is no end.
//! * Errors carry no line and no output but the element's own words: the caller knows the line and which part of it
//!   is secret.
//!
//! It does not: stop at the first error, know modes by meaning, retry, log what is sent.

use super::dialect::{Dialect, DialectError, LineRefusal};
use super::prompt::Prompts;
use super::terminal::TextTerminal;
use super::verdict::{Verdict, before_echo, judge, split_echo};
use crate::adagio::ssh::{SshConnection, SshError, SshLimits, SshTarget, Terminal};
use crate::adagio::tap::Tap;
use crate::adapter::Answer;
use crate::domain::ErrorClass;
use regex::Regex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Time limits of a session.
#[derive(Clone, Copy, Debug)]
pub struct CliLimits {
    /// From the open terminal to a proved prompt, pager off.
    pub login_timeout: Duration,
    /// One configuration line.
    pub line_timeout: Duration,
    /// One `show`, and saving.
    pub show_timeout: Duration,
}

impl Default for CliLimits {
    fn default() -> Self {
        CliLimits {
            login_timeout: Duration::from_secs(30),
            line_timeout: Duration::from_secs(30),
            show_timeout: Duration::from_secs(120),
        }
    }
}

/// Why a session is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndCause {
    /// The element closed the terminal.
    #[error("the element closed the session")]
    Closed,
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Stream(String),
    /// No prompt in time.
    #[error("no prompt within {0:?}")]
    TimedOut(Duration),
    /// More output than the dialect allows.
    #[error("more than {0} bytes of output")]
    TooMuch(usize),
    /// The caller gave a call up half way.
    #[error("a call was given up half way")]
    Abandoned,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// No SSH connection.
    #[error("cannot open a cli session")]
    Ssh(#[from] SshError),
    /// The dialect does not fit the learnt host.
    #[error("the dialect cannot be used")]
    Dialect(#[from] DialectError),
    /// No prompt after login; nothing but empty lines was sent.
    #[error("no prompt after login, the last line is {last:?}")]
    Login {
        /// the unfinished last line, at most 80 characters
        last: String,
        /// why
        #[source]
        cause: EndCause,
    },
    /// An adapter's expression for a question is none.
    #[error("`{0}` is no expression for a question")]
    Question(String),
    /// The line was not sent.
    #[error("the line cannot be sent")]
    Refused(#[from] LineRefusal),
    /// The session was gone before; nothing was sent.
    #[error("not sent, the session is gone")]
    Closed(#[source] EndCause),
    /// Sent, and no answer: the outcome is unknown and has to be read.
    #[error("outcome unknown")]
    Unknown(#[source] EndCause),
    /// A `show` was refused, in the element's own words.
    #[error("the element refuses: {0}")]
    Rejected(String),
    /// The element echoed something else than what was typed.
    #[error("the element echoed another line than the one sent")]
    EchoDiffers,
    /// The output does not end as a complete one does.
    #[error("the output is incomplete: its last line is {last:?}")]
    Incomplete {
        /// the last line, at most 80 characters
        last: String,
    },
}

impl CliError {
    /// What a retry may do with this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            CliError::Ssh(e) => e.class(),
            CliError::Dialect(_) | CliError::Question(_) => ErrorClass::Bug,
            CliError::Refused(_) | CliError::Rejected(_) => ErrorClass::Rejected,
            CliError::Login { .. } | CliError::Closed(_) | CliError::Incomplete { .. } => ErrorClass::Transient,
            CliError::Unknown(EndCause::TooMuch(_)) => ErrorClass::Rejected,
            CliError::Unknown(_) | CliError::EchoDiffers => ErrorClass::Transient,
        }
    }

    /// Whether the element may have carried out the line although this is an error.
    pub fn is_unknown(&self) -> bool {
        matches!(self, CliError::Unknown(_) | CliError::EchoDiffers)
    }
}

/// The answer to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineReply {
    /// Whether the element echoed the line as it was sent.
    pub echo_ok: bool,
    /// What came between echo and prompt.
    pub output: Vec<String>,
    /// The prompt behind it.
    pub prompt: String,
    /// The mode of that prompt: after an error the element may be somewhere else than thought.
    pub mode: String,
    /// What it means.
    pub verdict: Verdict,
}

impl LineReply {
    /// Whether the line was taken.
    pub fn accepted(&self) -> bool {
        matches!(self.verdict, Verdict::Ok | Verdict::Notice)
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A live session. Dropping it closes the terminal.
pub struct CliSession {
    /// Gone while a call is in flight; a call that fails or is dropped does not put it back.
    stream: Option<Box<dyn Stream>>,
    ended: EndCause,
    dialect: Arc<Dialect>,
    prompts: Prompts,
    terminal: TextTerminal,
    prompt: String,
    mode: String,
    limits: CliLimits,
    tap: Tap,
}

impl CliSession {
    /// Opens a connection of its own and a terminal on it.
    pub async fn connect(
        target: &SshTarget,
        ssh: &SshLimits,
        dialect: Arc<Dialect>,
        limits: CliLimits,
        tap: Tap,
    ) -> Result<Self, CliError> {
        let connection = SshConnection::connect(target, ssh).await?;
        Self::open(&connection, dialect, limits, tap).await
    }

    /// Opens a terminal on a connection that is already there.
    pub async fn open(
        connection: &SshConnection,
        dialect: Arc<Dialect>,
        limits: CliLimits,
        tap: Tap,
    ) -> Result<Self, CliError> {
        let d = dialect.source();
        let terminal = Terminal { name: d.terminal.clone(), columns: d.columns, rows: d.rows };
        let stream = connection.shell(&terminal).await?;
        Self::over(stream, dialect, limits, tap).await
    }

    /// Takes any byte stream for the terminal.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        dialect: Arc<Dialect>,
        limits: CliLimits,
        tap: Tap,
    ) -> Result<Self, CliError> {
        let mut stream: Box<dyn Stream> = Box::new(stream);
        let mut terminal = TextTerminal::default();
        let is_login = |line: &str| Prompts::host_in(&dialect, line).is_some();
        let (asked, told) = (Vec::new(), Vec::new());
        let mut exchange =
            Exchange { stream: &mut stream, terminal: &mut terminal, dialect: &dialect, tap: &tap, asked, told };
        let login = async {
            if dialect.source().echo {
                return exchange.proved_prompt(&is_login, &|_| true).await;
            }
            exchange.next_prompt(&is_login, &|_| true).await?;
            Ok(exchange.terminal.clear())
        };
        let learnt = within(limits.login_timeout, login).await;
        let (_, prompt) = match learnt {
            Ok(found) => found,
            Err(cause) => return Err(CliError::Login { last: clip(&terminal.current()), cause }),
        };
        let host = Prompts::host_in(&dialect, &prompt).unwrap_or_default();
        let prompts = Prompts::of(&dialect, &host)?;
        let Some(mode) = prompts.mode(&prompt).map(str::to_owned) else {
            return Err(CliError::Login { last: clip(&prompt), cause: EndCause::Abandoned });
        };
        tracing::debug!(host, mode, "cli session open");
        let ended = EndCause::Abandoned;
        let mut session =
            CliSession { stream: Some(stream), ended, dialect, prompts, terminal, prompt, mode, limits, tap };
        for line in session.dialect.source().pager_off.clone() {
            // A CLI that does not know the command says so; that is no reason not to work with it.
            session.exchange(&line, Talk::default(), limits.login_timeout, false).await?;
        }
        Ok(session)
    }

    /// The name that the element gives itself.
    pub fn host(&self) -> &str {
        self.prompts.host()
    }

    /// How long the answers to what follows may take, one by one; login is over by now.
    pub fn set_timeout(&mut self, limit: Duration) {
        (self.limits.line_timeout, self.limits.show_timeout) = (limit, limit);
    }

    /// The mode of the last prompt.
    pub fn mode(&self) -> &str {
        &self.mode
    }

    /// The last prompt.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Why the session is gone, if it is.
    pub fn ended(&self) -> Option<&EndCause> {
        self.stream.is_none().then_some(&self.ended)
    }

    /// Sends one line and judges the answer by the rule for configuration: any word that is no notice is an error.
    /// Whether to go on after an error is the caller's decision.
    pub async fn send_line(&mut self, line: &str) -> Result<LineReply, CliError> {
        self.send_lines(&[line], &[]).await
    }

    /// Sends lines that are one to the element (a banner), so that no prompt comes in between, and answers what it asks.
    /// A question may come or not; each is answered once, in this order. What was asked is no part of the output.
    pub async fn send_lines(&mut self, lines: &[&str], answers: &[Answer]) -> Result<LineReply, CliError> {
        self.say(lines, answers, self.limits.line_timeout).await
    }

    /// Sends a line that takes its time (a commit), and answers what it asks. The answer is judged as one to a
    /// configuration line; what it means the caller knows better.
    pub async fn run_step(&mut self, line: &str, answers: &[Answer]) -> Result<LineReply, CliError> {
        self.say(&[line], answers, self.limits.show_timeout).await
    }

    async fn say(&mut self, lines: &[&str], answers: &[Answer], limit: Duration) -> Result<LineReply, CliError> {
        let Some((first, more)) = lines.split_first() else { return self.lines(Vec::new(), Duration::ZERO, &[]).await };
        let mut questions = Vec::new();
        for answer in answers {
            self.dialect.check_line(&answer.answer)?;
            let expect = Regex::new(&answer.expect).map_err(|_| CliError::Question(answer.expect.clone()))?;
            questions.push((expect, answer.answer.clone()));
        }
        let talk = Talk { more, questions };
        let before = self.prompt.clone();
        let said = self.exchange(first, talk, limit, false).await?;
        let (echo_ok, output, verdict) = judge(&self.dialect, &before, first, said, &[]);
        Ok(LineReply { echo_ok, output, prompt: self.prompt.clone(), mode: self.mode.clone(), verdict })
    }

    /// Runs a `show` and returns its output, complete up to a proved prompt.
    pub async fn run_show(&mut self, command: &str) -> Result<String, CliError> {
        self.show(command, None).await
    }

    /// The same for an output that must also end with the dialect's end marker, as a running configuration does. A
    /// dialect without a marker asks for nothing more.
    pub async fn run_show_to_end(&mut self, command: &str) -> Result<String, CliError> {
        let marker = self.dialect.end_marker.clone();
        self.show(command, marker).await
    }

    /// Sends the lines that lead into configuration; the reply to the last one sent. It stops at a refusal.
    pub async fn enter_config(&mut self) -> Result<LineReply, CliError> {
        self.lines(self.dialect.source().enter_config.clone(), self.limits.line_timeout, &[]).await
    }

    /// Sends the lines that lead out of configuration; the reply to the last one sent. It stops at a refusal.
    pub async fn leave_config(&mut self) -> Result<LineReply, CliError> {
        self.lines(self.dialect.source().leave_config.clone(), self.limits.line_timeout, &[]).await
    }

    /// Sends the lines that save; the reply to the last one sent. It stops at a refusal.
    pub async fn save(&mut self) -> Result<LineReply, CliError> {
        let dialect = self.dialect.clone();
        self.lines(dialect.source().save.clone(), self.limits.show_timeout, &dialect.save_notices).await
    }

    /// Ends the session.
    pub async fn close(mut self) {
        if let Some(mut stream) = self.stream.take() {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, stream.shutdown()).await;
        }
    }

    async fn lines(&mut self, lines: Vec<String>, limit: Duration, notices: &[Regex]) -> Result<LineReply, CliError> {
        let mut last = LineReply {
            echo_ok: true,
            output: Vec::new(),
            prompt: self.prompt.clone(),
            mode: self.mode.clone(),
            verdict: Verdict::Ok,
        };
        for line in lines {
            last = self.judged(&line, limit, notices).await?;
            if !last.accepted() {
                break;
            }
        }
        Ok(last)
    }

    async fn judged(&mut self, line: &str, limit: Duration, notices: &[Regex]) -> Result<LineReply, CliError> {
        let before = self.prompt.clone();
        let lines = self.exchange(line, Talk::default(), limit, false).await?;
        let (echo_ok, output, verdict) = judge(&self.dialect, &before, line, lines, notices);
        Ok(LineReply { echo_ok, output, prompt: self.prompt.clone(), mode: self.mode.clone(), verdict })
    }

    async fn show(&mut self, command: &str, marker: Option<Regex>) -> Result<String, CliError> {
        let before = self.prompt.clone();
        let lines = self.exchange(command, Talk::default(), self.limits.show_timeout, true).await?;
        let (echo_ok, output) = split_echo(&self.dialect, &before, command, lines);
        if !echo_ok {
            return Err(CliError::EchoDiffers);
        }
        let mut words = output.iter().map(|l| l.trim_end()).filter(|l| !l.is_empty());
        let first = words.next();
        if let Some(refused) = first.filter(|l| self.dialect.errors.iter().any(|p| p.is_match(l))) {
            return Err(CliError::Rejected(clip(refused)));
        }
        if let Some(marker) = marker {
            let last = words.next_back().or(first).unwrap_or_default();
            if !marker.is_match(last) {
                return Err(CliError::Incomplete { last: clip(last) });
            }
        }
        let mut text = output.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        Ok(text)
    }

    /// Sends a line and reads up to the prompt, the echo included. The stream comes back only when all went well.
    async fn exchange(
        &mut self,
        line: &str,
        talk: Talk<'_>,
        limit: Duration,
        proved: bool,
    ) -> Result<Vec<String>, CliError> {
        self.dialect.check_line(line)?;
        for line in talk.more {
            self.dialect.check_line(line)?;
        }
        let Some(mut stream) = self.stream.take() else { return Err(CliError::Closed(self.ended.clone())) };
        self.ended = EndCause::Abandoned;
        let CliSession { terminal, dialect, prompts, tap, .. } = self;
        let is_prompt = |text: &str| prompts.mode(text).is_some();
        // What came before our line was read is no answer, be it a prompt or not.
        let answered = |lines: &[String]| match line.is_empty() {
            true => !lines.is_empty(),
            false => !before_echo(dialect, lines),
        };
        let (more, echoes) = (talk.more, dialect.source().echo);
        let mut exchange =
            Exchange { stream: &mut stream, terminal, dialect, tap, asked: talk.questions, told: Vec::new() };
        let work = async {
            exchange.type_line(line).await?;
            for line in more {
                exchange.type_line(line).await?;
            }
            if proved && dialect.source().echo {
                exchange.proved_prompt(&is_prompt, &answered).await
            } else {
                exchange.next_prompt(&is_prompt, &answered).await?;
                let (mut lines, prompt) = exchange.terminal.clear();
                let typed = more.iter().copied().chain(exchange.told.iter().map(String::as_str));
                without_echoes(&mut lines, typed, echoes);
                Ok((lines, prompt))
            }
        };
        match within(limit, work).await {
            Ok((lines, prompt)) => {
                self.mode = self.prompts.mode(&prompt).unwrap_or_default().to_owned();
                self.prompt = prompt;
                self.stream = Some(stream);
                Ok(lines)
            }
            Err(cause) => {
                tracing::debug!(host = self.prompts.host(), %cause, "cli session gone");
                self.ended = cause.clone();
                Err(CliError::Unknown(cause))
            }
        }
    }
}

impl fmt::Debug for CliSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CliSession")
            .field("host", &self.prompts.host())
            .field("mode", &self.mode)
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}

/// The parts of a session that one call works with.
struct Exchange<'a> {
    stream: &'a mut Box<dyn Stream>,
    terminal: &'a mut TextTerminal,
    dialect: &'a Dialect,
    tap: &'a Tap,
    /// Questions that may still come, with what is answered.
    asked: Vec<(Regex, String)>,
    /// What has been answered.
    told: Vec<String>,
}

/// What is said beside a line: the lines that belong to it, and the answers to questions.
#[derive(Default)]
struct Talk<'a> {
    more: &'a [&'a str],
    questions: Vec<(Regex, String)>,
}

/// Takes the echoes of what was typed behind the first line out of an answer.
fn without_echoes<'a>(lines: &mut Vec<String>, typed: impl Iterator<Item = &'a str>, echoes: bool) {
    let mut at = usize::from(echoes);
    for typed in typed {
        if let Some(found) = lines.iter().skip(at).position(|line| line.trim() == typed.trim()) {
            lines.remove(at + found);
            at += found;
        }
    }
}

impl Exchange<'_> {
    async fn type_line(&mut self, line: &str) -> Result<(), EndCause> {
        self.send(format!("{line}{}", self.dialect.source().line_terminator).as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), EndCause> {
        self.tap.sent(bytes);
        let failed = |e: std::io::Error| EndCause::Stream(e.to_string());
        self.stream.write_all(bytes).await.map_err(failed)?;
        self.stream.flush().await.map_err(failed)
    }

    /// Reads until the unfinished line is a prompt.
    async fn next_prompt(
        &mut self,
        is_prompt: &(dyn Fn(&str) -> bool + Sync),
        answered: &(dyn Fn(&[String]) -> bool + Sync),
    ) -> Result<(), EndCause> {
        let limit = self.dialect.source().max_output;
        let mut block = vec![0; READ_SIZE];
        loop {
            let current = self.terminal.current();
            if is_prompt(&current) && answered(self.terminal.lines()) {
                return Ok(());
            }
            if self.dialect.pager.as_ref().is_some_and(|p| p.is_match(&current)) {
                self.terminal.erase_current();
                self.send(self.dialect.source().pager_answer.as_bytes()).await?;
            }
            let asks = |(expect, _): &(Regex, String)| expect.is_match(&current);
            if let Some(at) = self.asked.iter().position(asks) {
                // The question is answered once. It, and what it was introduced by, is no answer to our line.
                let (_, answer) = self.asked.swap_remove(at);
                let echo = self
                    .terminal
                    .lines()
                    .iter()
                    .position(|line| !before_echo(self.dialect, std::slice::from_ref(line)));
                let echo = if self.dialect.source().echo { echo.map_or(0, |at| at + 1) } else { 0 };
                self.terminal.keep(echo);
                self.type_line(&answer).await?;
                self.told.push(answer);
            }
            match self.stream.read(&mut block).await {
                Ok(0) => return Err(EndCause::Closed),
                Ok(n) => self.terminal.push(&block[..n]),
                Err(e) => return Err(EndCause::Stream(e.to_string())),
            }
            if self.terminal.bytes() > limit {
                return Err(EndCause::TooMuch(limit));
            }
        }
    }

    /// Reads until a prompt that an empty line repeats; the lines before it, and the prompt.
    ///
    /// One empty line is sent. When more output comes instead of the repeated prompt, the prompt seen first was part
    /// of the output; the next one is tried with the same empty line, which is still unanswered.
    async fn proved_prompt(
        &mut self,
        is_prompt: &(dyn Fn(&str) -> bool + Sync),
        answered: &(dyn Fn(&[String]) -> bool + Sync),
    ) -> Result<(Vec<String>, String), EndCause> {
        self.next_prompt(is_prompt, answered).await?;
        let mut at = self.terminal.lines().len();
        self.type_line("").await?;
        loop {
            let next = |lines: &[String]| lines.len() > at;
            self.next_prompt(is_prompt, &next).await?;
            let last = self.terminal.lines().len() - 1; // more than `at`, so there is one
            if self.terminal.lines()[last] == self.terminal.current() {
                let (mut lines, prompt) = self.terminal.clear();
                lines.truncate(last);
                return Ok((lines, prompt));
            }
            at = last + 1;
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, EndCause>>) -> Result<T, EndCause> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(EndCause::TimedOut(limit)))
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Bytes asked from the stream at once.
const READ_SIZE: usize = 16 * 1024;
/// How long a polite end may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
