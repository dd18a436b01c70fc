//! The grammar of a command line: text to tree and back, from data.
//!
//! `grammar.toml` of an adapter says which lines there are, where they stand in the tree, how they are taken back, what
//! goes or comes with them and in which order. From that one file come the parser of running configurations and of
//! template output, the schema index, the text for people, the exact lines of a payload, and a model of the element on
//! which every payload is tried before it is sent.
//!
//! ```text
//! text --read--> ConfigTree --units--> lines --write--> payload --model--> ConfigTree
//! ```
//!
//! *Guarantees* (property tests in `tests.rs`): `parse(text(t)) == t`; `execute(a, render(a, b)) == b`; nothing that was
//! parsed is lost, unknown lines are opaque nodes. *It does not* talk to anything, know a platform, or decide what may
//! be touched: a removal with unclaimed content below is the planner's business.

mod block;
mod draft;
mod effect;
mod judge;
mod lex;
mod model;
mod nodepath;
mod pattern;
mod read;
mod resolve;
mod rules;
mod schema;
mod sequence;
mod source;
mod text;
mod types;
mod units;
mod write;

#[cfg(test)]
mod tests;

pub use model::{ExecuteError, Session};
pub use read::Parsed;

use super::{CliLine, Impact, Ownership};
use crate::tree::{ConfigTree, Diff, Edit, Path, SchemaIndex};
use rules::Rules;
use std::sync::Arc;
use write::Protection;

/// Why a grammar, a text or a difference is refused.
#[derive(Debug, thiserror::Error)]
pub enum GrammarError {
    /// The file is not TOML of the right form.
    #[error("the grammar cannot be read")]
    Source(#[source] Box<toml::de::Error>),
    /// A rule makes no sense.
    #[error("the grammar is wrong at {what}: {why}")]
    Rule {
        /// Line of the file, rule and key.
        what: String,
        /// Why.
        why: String,
    },
    /// A text beyond a limit of the grammar.
    #[error("the text has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A node of the tree for which the grammar has no line.
    #[error("{path}: there is no line for this")]
    NotALine {
        /// Where.
        path: Path,
    },
    /// A line that cannot be taken back.
    #[error("{path}: the line cannot be taken back")]
    Permanent {
        /// Where.
        path: Path,
    },
    /// Something that no plan may touch.
    #[error("{path}: this is protected")]
    Protected {
        /// Where.
        path: Path,
    },
    /// A secret that was masked when it was read would have to be typed.
    #[error("{path}: the secret is not known, it cannot be typed again")]
    Secret {
        /// Where.
        path: Path,
    },
    /// The model of the element refuses a line.
    #[error("the element would refuse `{line}`: {answer}")]
    Refused {
        /// The line.
        line: String,
        /// What it would answer.
        answer: String,
    },
    /// No lines lead to the wanted tree.
    #[error("{path}: no lines lead to the wanted state")]
    Unreachable {
        /// The first difference that would remain.
        path: Path,
    },
    /// A character that the element's shell would eat.
    #[error("`{text}`: {why}")]
    Argument {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A compiled grammar: immutable, cheap to clone.
#[derive(Clone, Debug)]
pub struct Grammar {
    rules: Arc<Rules>,
    schema: Arc<SchemaIndex>,
}

impl Grammar {
    /// Compiles `grammar.toml`; `name` becomes the module of all names.
    pub fn compile(name: &str, toml: &str) -> Result<Grammar, GrammarError> {
        Self::with(name, toml, true)
    }

    /// The same for whoever is the element: secrets stay in clear.
    pub fn compile_in_clear(name: &str, toml: &str) -> Result<Grammar, GrammarError> {
        Self::with(name, toml, false)
    }

    fn with(name: &str, toml: &str, masks: bool) -> Result<Grammar, GrammarError> {
        let source = toml::from_str(toml).map_err(|e| GrammarError::Source(Box::new(e)))?;
        let mut rules = Rules::compile(name, toml, source)?;
        rules.lines.iter_mut().for_each(|line| line.secret &= masks);
        let content = blake3::hash([name, "\n", toml].concat().as_bytes()).to_hex();
        let schema = Arc::new(rules.schema(&content));
        Ok(Self { rules: Arc::new(rules), schema })
    }

    /// The schema of the text.
    pub fn schema(&self) -> Arc<SchemaIndex> {
        self.schema.clone()
    }

    /// A running configuration or the output of a template as a normalised tree, derived lines left out, secrets masked.
    pub fn parse(&self, text: &str) -> Result<Parsed, GrammarError> {
        self.rules.parse(text)
    }

    /// Exactly the lines to type in configuration mode, contexts entered and left, so that `before` becomes `after`.
    /// Both are whole trees of the element. `diff` is what turns the one into the other; an empty one has no lines.
    pub fn render(&self, diff: &Diff, before: &ConfigTree, after: &ConfigTree) -> Result<Vec<CliLine>, GrammarError> {
        self.rules.render(diff, before, after, Protection::Held)
    }

    /// The same also where it types what is protected: for a plan whose protected paths were looked at and allowed.
    pub fn render_allowed(
        &self,
        diff: &Diff,
        before: &ConfigTree,
        after: &ConfigTree,
    ) -> Result<Vec<CliLine>, GrammarError> {
        self.rules.render(diff, before, after, Protection::Lifted)
    }

    /// `after` with what the element keeps of `before` whatever is typed: lines and contexts that are never deleted. What is
    /// rendered leads there.
    pub fn lasting(&self, difference: &Diff, after: &ConfigTree) -> ConfigTree {
        self.rules.lasting(difference, after)
    }

    /// The text of a tree as the element would print it, without its header and end marker.
    pub fn text(&self, tree: &ConfigTree) -> String {
        self.rules.text(tree)
    }

    /// The same tree without entries that the element does not print.
    pub fn normalise(&self, tree: &ConfigTree) -> ConfigTree {
        self.rules.normalise(tree)
    }

    /// What typed lines make of a tree. Stops at the first line that is refused.
    pub fn execute(&self, tree: &ConfigTree, lines: &[&str]) -> Result<ConfigTree, ExecuteError> {
        self.rules.execute(tree, lines)
    }

    /// A session in configuration mode, for a simulated element.
    pub fn session(&self, tree: ConfigTree) -> Session {
        Session::new(tree)
    }

    /// Types one line into a session. An error is what the element answers; tree and mode stay as they were.
    pub fn type_line(&self, session: &mut Session, line: &str) -> Result<(), String> {
        self.rules.type_line(session, line)
    }

    /// Name of the context that a session is in, `root` at the top.
    pub fn mode(&self, session: &Session) -> &str {
        session.stack.last().map_or("root", |(id, _)| &self.rules.context(*id).name)
    }

    /// Whether a node belongs to the service that creates it. List entries, leafs and members are own, containers
    /// shared, unless the grammar says otherwise.
    pub fn ownership(&self, path: &Path) -> Ownership {
        self.rules.ownership(path)
    }

    /// Whether a node only mirrors the state of the element. The parser leaves such lines out.
    pub fn is_derived(&self, path: &Path) -> bool {
        self.rules.is_derived_path(path)
    }

    /// Whether no plan may touch a node.
    pub fn is_protected(&self, path: &Path) -> bool {
        self.rules.is_protected(path)
    }

    /// What an edit does to traffic.
    pub fn impact(&self, edit: &Edit) -> Impact {
        self.rules.impact(edit)
    }

    /// Refuses what the element's shell would not take as it is: control characters, forbidden characters, leading,
    /// trailing and double blanks.
    pub fn check_argument(&self, text: &str) -> Result<(), GrammarError> {
        let forbidden = &self.rules.general.forbidden;
        let why = if let Some(bad) = text.chars().find(|c| c.is_control() || forbidden.contains(*c)) {
            format!("the character {bad:?} is not possible on this platform")
        } else if text.trim() != text || text.contains("  ") {
            "leading, trailing and double blanks are not possible on this platform".to_owned()
        } else {
            return Ok(());
        };
        Err(GrammarError::Argument { text: text.to_owned(), why })
    }
}
