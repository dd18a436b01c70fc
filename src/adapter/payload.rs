//! The exact bytes of a plan for one element.

use serde::{Deserialize, Serialize};

/// What is sent to one element, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "transport", rename_all = "kebab-case")]
pub enum Payload {
    /// The inner of the `<config>` element of one edit-config with `default-operation=none`.
    Netconf {
        /// XML.
        config: String,
    },
    /// Lines in configuration mode, contexts entered and left by lines of their own, stop at the first error.
    Cli {
        /// In the order in which they are sent.
        lines: Vec<CliLine>,
    },
}

impl Payload {
    /// Whether nothing would be sent.
    pub fn is_empty(&self) -> bool {
        match self {
            Payload::Netconf { config } => config.is_empty(),
            Payload::Cli { lines } => lines.is_empty(),
        }
    }

    /// The payload as text, as a dry-run shows it.
    pub fn native(&self) -> String {
        match self {
            Payload::Netconf { config } => config.clone(),
            Payload::Cli { lines } => lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect(),
        }
    }
}

/// One line of a CLI payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CliLine {
    /// The text without a line end.
    pub text: String,
    /// The element may refuse it for a while because an object outside its configuration still lives (FRR: `no vrf X`
    /// while the kernel has it). It is retried for a bounded time, then named as residue; it never fails a transaction.
    #[serde(default)]
    pub busy: bool,
    /// What the element asks before it takes the line, and what is answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    /// The next line belongs to it (a banner): the element shows no prompt in between.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

impl CliLine {
    /// A line without more.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), busy: false, answers: Vec::new(), more: false }
    }
}

/// A question of the element and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// A regular expression for the unfinished line that asks: `\[confirm\]`.
    pub expect: String,
    /// What is typed, without a line end.
    pub answer: String,
}
