//! What an adapter says of a command line: the `[cli]` table of its `adapter.toml`, and its compiled form.
//!
//! Plain data; unknown keys are refused. [`CliDialect::compile`] checks every pattern once, so that a session never
//! meets a bad one.

use regex::Regex;
use serde::{Deserialize, Serialize};

/// The dialect as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliDialect {
    /// The first prompt, a regular expression over the whole last line with a group `host`.
    pub login_prompt: String,
    /// Every prompt that can follow; the first that fits gives the mode.
    pub modes: Vec<CliMode>,
    /// Lines sent after login so that output is never paged. Their answers do not matter.
    #[serde(default)]
    pub pager_off: Vec<String>,
    /// A pager's own prompt, in case it appears all the same: it is answered with `pager_answer` and cut out.
    #[serde(default)]
    pub pager: Option<String>,
    /// What brings the next page.
    #[serde(default = "blank")]
    pub pager_answer: String,
    /// Lines that lead from the login mode into configuration.
    #[serde(default)]
    pub enter_config: Vec<String>,
    /// Lines that lead back, from any depth.
    #[serde(default)]
    pub leave_config: Vec<String>,
    /// Lines that make the configuration survive a restart.
    #[serde(default)]
    pub save: Vec<String>,
    /// Answers of `save` that are no errors, beside `notices`.
    #[serde(default)]
    pub save_notices: Vec<String>,
    /// Answers that are errors for certain, also where a notice would fit. (Any other answer to a configuration line is
    /// an error as well.)
    #[serde(default)]
    pub errors: Vec<String>,
    /// Answers to a configuration line that are no errors.
    #[serde(default)]
    pub notices: Vec<String>,
    /// Answers that mean "not now": the same line may succeed later.
    #[serde(default)]
    pub busy: Vec<String>,
    /// Lines of a log that the element prints into the terminal; they belong to no answer.
    #[serde(default)]
    pub log_lines: Vec<String>,
    /// Characters that are refused in every line, beside control characters.
    #[serde(default)]
    pub forbidden: String,
    /// Whether lines must be printable ASCII.
    #[serde(default = "yes")]
    pub ascii_only: bool,
    /// Whether the element echoes what is typed.
    #[serde(default = "yes")]
    pub echo: bool,
    /// What ends a line that we send.
    #[serde(default = "newline")]
    pub line_terminator: String,
    /// How the running configuration is read.
    #[serde(default)]
    pub read: CliRead,
    /// The last line of a complete `show running-config`, for instance `^end$`.
    #[serde(default)]
    pub end_marker: Option<String>,
    /// Bytes that one answer may have.
    #[serde(default = "max_output")]
    pub max_output: usize,
    /// `TERM` of the terminal.
    #[serde(default = "dumb")]
    pub terminal: String,
    /// Its columns. A line that does not fit behind the prompt is refused: its echo would be broken.
    #[serde(default = "columns")]
    pub columns: u32,
    /// Its rows; large, so that nothing pages.
    #[serde(default = "rows")]
    pub rows: u32,
}

/// How the running configuration is read, and what proves that it is complete beside the end marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliRead {
    /// The command, `show running-config` by default.
    #[serde(default = "show_running")]
    pub command: String,
    /// Processes that must be alive: one that died takes its part of the configuration out of the text.
    #[serde(default)]
    pub alive: Option<CliAlive>,
}

impl Default for CliRead {
    fn default() -> Self {
        Self { command: show_running(), alive: None }
    }
}

/// A command whose answer names the living processes, and those that must be among its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliAlive {
    /// The command.
    pub command: String,
    /// Words of its answer.
    pub must_contain: Vec<String>,
}

/// A mode of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliMode {
    /// Its name in the grammar, for instance `config-if`.
    pub name: String,
    /// Its prompt, a regular expression over the whole last line; `{host}` stands for the learnt host name.
    pub prompt: String,
}

/// Why a dialect cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialectError {
    /// A pattern that does not compile.
    #[error("cli.{key}: {pattern:?} is no regular expression: {text}")]
    Pattern {
        /// the key in `[cli]`
        key: String,
        /// as written
        pattern: String,
        /// what is wrong
        text: String,
    },
    /// The login prompt has no `host` group.
    #[error("cli.login_prompt: needs a group named host: (?P<host>…)")]
    NoHost,
    /// No mode at all.
    #[error("cli.modes: at least one mode is needed")]
    NoModes,
    /// Two modes of one name.
    #[error("cli.modes: {0} is there twice")]
    TwiceMode(String),
    /// A line of the dialect itself that could not be sent.
    #[error("cli.{key}: {line:?} cannot be sent: {refusal}")]
    Line {
        /// the key in `[cli]`
        key: &'static str,
        /// as written
        line: String,
        /// why
        refusal: LineRefusal,
    },
    /// A number or terminator that makes no sense.
    #[error("cli.{0}: out of range")]
    Range(&'static str),
}

/// Why a line is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineRefusal {
    /// A control character, a line end among them: it would do something else than stand in the line.
    #[error("control character {0:?}")]
    Control(char),
    /// A character that this command line eats or acts upon.
    #[error("character {0:?} is not allowed on this platform")]
    Forbidden(char),
    /// Not printable ASCII.
    #[error("character {0:?} is not ascii")]
    NotAscii(char),
    /// Longer than the terminal.
    #[error("{length} characters, the terminal holds {limit}")]
    TooLong {
        /// characters of the line
        length: usize,
        /// allowed
        limit: usize,
    },
}

/// A dialect that is ready for use.
#[derive(Clone, Debug)]
pub struct Dialect {
    pub(super) source: CliDialect,
    pub(super) login_prompt: Regex,
    pub(super) pager: Option<Regex>,
    pub(super) errors: Vec<Regex>,
    pub(super) notices: Vec<Regex>,
    pub(super) save_notices: Vec<Regex>,
    pub(super) busy: Vec<Regex>,
    pub(super) log_lines: Vec<Regex>,
    pub(super) end_marker: Option<Regex>,
}

impl CliDialect {
    /// Checks and compiles.
    pub fn compile(&self) -> Result<Dialect, DialectError> {
        let login_prompt = whole("login_prompt", &self.login_prompt)?;
        if !login_prompt.capture_names().flatten().any(|n| n == "host") {
            return Err(DialectError::NoHost);
        }
        if self.modes.is_empty() {
            return Err(DialectError::NoModes);
        }
        for (i, mode) in self.modes.iter().enumerate() {
            mode.compile("host")?;
            if self.modes[..i].iter().any(|m| m.name == mode.name) {
                return Err(DialectError::TwiceMode(mode.name.clone()));
            }
        }
        let terminator = matches!(self.line_terminator.as_str(), "\n" | "\r" | "\r\n");
        for (key, sane) in [
            ("line_terminator", terminator),
            ("max_output", self.max_output > 0),
            ("columns", self.columns > PROMPT_ROOM as u32),
            ("rows", self.rows > 0),
        ] {
            if !sane {
                return Err(DialectError::Range(key));
            }
        }
        let dialect = Dialect {
            login_prompt,
            pager: self.pager.as_deref().map(|p| pattern("pager", p)).transpose()?,
            errors: patterns("errors", &self.errors)?,
            notices: patterns("notices", &self.notices)?,
            save_notices: patterns("save_notices", &self.save_notices)?,
            busy: patterns("busy", &self.busy)?,
            log_lines: patterns("log_lines", &self.log_lines)?,
            end_marker: self.end_marker.as_deref().map(|p| pattern("end_marker", p)).transpose()?,
            source: self.clone(),
        };
        for (key, lines) in [
            ("pager_off", &self.pager_off),
            ("enter_config", &self.enter_config),
            ("leave_config", &self.leave_config),
            ("save", &self.save),
        ] {
            for line in lines {
                dialect.check_line(line).map_err(|refusal| DialectError::Line { key, line: line.clone(), refusal })?;
            }
        }
        Ok(dialect)
    }
}

impl Dialect {
    /// The dialect as written.
    pub fn source(&self) -> &CliDialect {
        &self.source
    }

    /// Whether a line may be sent. The planner asks this too, so that a bad argument is refused before the plan.
    pub fn check_line(&self, line: &str) -> Result<(), LineRefusal> {
        let refusal = |c: char| {
            if c.is_control() {
                Some(LineRefusal::Control(c))
            } else if self.source.forbidden.contains(c) {
                Some(LineRefusal::Forbidden(c))
            } else if self.source.ascii_only && !c.is_ascii() {
                Some(LineRefusal::NotAscii(c))
            } else {
                None
            }
        };
        if let Some(refusal) = line.chars().find_map(refusal) {
            return Err(refusal);
        }
        let (length, limit) = (line.chars().count(), self.source.columns as usize - PROMPT_ROOM);
        if length > limit {
            return Err(LineRefusal::TooLong { length, limit });
        }
        Ok(())
    }
}

impl CliMode {
    /// The prompt's pattern for a host.
    pub(super) fn compile(&self, host: &str) -> Result<Regex, DialectError> {
        whole(&format!("modes.{}", self.name), &self.prompt.replace("{host}", &regex::escape(host)))
    }
}

/// A pattern over a whole line, whether or not it was written with anchors.
fn whole(key: &str, written: &str) -> Result<Regex, DialectError> {
    pattern(key, &format!("^(?:{written})$"))
}

fn patterns(key: &str, written: &[String]) -> Result<Vec<Regex>, DialectError> {
    written.iter().map(|p| pattern(key, p)).collect()
}

fn pattern(key: &str, written: &str) -> Result<Regex, DialectError> {
    Regex::new(written).map_err(|e| DialectError::Pattern {
        key: key.into(),
        pattern: written.into(),
        text: e.to_string().lines().last().unwrap_or_default().trim().into(),
    })
}

fn show_running() -> String {
    "show running-config".into()
}

fn blank() -> String {
    " ".into()
}

fn newline() -> String {
    "\n".into()
}

fn dumb() -> String {
    "dumb".into()
}

fn yes() -> bool {
    true
}

fn columns() -> u32 {
    511
}

fn rows() -> u32 {
    1000
}

fn max_output() -> usize {
    64 << 20
}

/// Columns kept free for the prompt in front of a line.
const PROMPT_ROOM: usize = 80;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// FRR's vtysh, as its adapter says it.
    pub const FRR: &str = include_str!("tests/frr-dialect.toml");

    pub fn frr() -> CliDialect {
        toml::from_str(FRR).unwrap()
    }

    #[test]
    fn the_dialect_of_frr_compiles() {
        let written = frr();
        let dialect = written.compile().unwrap();
        assert_eq!(dialect.source(), &written);
        assert_eq!((written.columns, written.line_terminator.as_str(), written.echo), (511, "\n", true));
    }

    #[test]
    fn each_mistake_is_named() {
        let with = |change: fn(&mut CliDialect)| {
            let mut d = frr();
            change(&mut d);
            d.compile().unwrap_err()
        };
        assert_eq!(with(|d| d.login_prompt = "x".into()), DialectError::NoHost);
        assert_eq!(with(|d| d.modes.clear()), DialectError::NoModes);
        assert!(matches!(with(|d| d.modes.push(d.modes[0].clone())), DialectError::TwiceMode(_)));
        let bad = with(|d| d.notices.push("(".into()));
        assert!(matches!(&bad, DialectError::Pattern { key, .. } if key == "notices"), "{bad}");
        assert!(matches!(with(|d| d.save = vec!["a\nb".into()]), DialectError::Line { key: "save", .. }));
        assert_eq!(with(|d| d.line_terminator = "x".into()), DialectError::Range("line_terminator"));
        assert!(toml::from_str::<CliDialect>(&format!("colour = 1\n{FRR}")).is_err(), "unknown keys are refused");
    }

    #[test]
    fn lines_that_would_do_something_else_are_refused() {
        let d = frr().compile().unwrap();
        let refused = |line: &str| d.check_line(line).unwrap_err();
        assert_eq!(refused("description why?"), LineRefusal::Forbidden('?'));
        assert_eq!(refused("description a\nno router bgp"), LineRefusal::Control('\n'));
        assert_eq!(refused("description a\tb"), LineRefusal::Control('\t'));
        assert_eq!(refused("description \u{1b}[A"), LineRefusal::Control('\u{1b}'));
        assert_eq!(refused("description \u{7f}"), LineRefusal::Control('\u{7f}'));
        assert_eq!(refused("description caf\u{e9}"), LineRefusal::NotAscii('\u{e9}'));
        assert_eq!(refused(&"x".repeat(432)), LineRefusal::TooLong { length: 432, limit: 431 });
        d.check_line(" description \"a\" ! b").unwrap();
        d.check_line("").unwrap();
    }
}
