//! What can go wrong with an adapter: every text names the adapter and, where there is one, the file and the line.

use super::refusal::Refusal;
use std::path::PathBuf;

/// Why an adapter could not be loaded or could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// The folder or a file of it cannot be read.
    #[error("adapter folder {}: cannot be read", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file of the adapter is wrong.
    #[error("adapter {adapter}: {file}{}: {what}", line_of(*.line))]
    File {
        /// Name of the adapter (of its folder, while its manifest is not read yet).
        adapter: String,
        /// Path inside the folder.
        file: String,
        /// Line, from 1; `None` when the fault is not at one place.
        line: Option<usize>,
        /// What is wrong.
        what: String,
    },
    /// A function that the adapter does not offer.
    #[error("platform {adapter} has no function {function}; it offers {}", .offered.join(", "))]
    NoFunction {
        /// Name of the adapter.
        adapter: String,
        /// What was asked for.
        function: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// The platform cannot express what is asked for.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
    /// A NETCONF adapter was used before it was given the schema of its element.
    #[error("adapter {adapter}: the schema of the element is not known yet")]
    NoSchema {
        /// Name of the adapter.
        adapter: String,
    },
    /// What a template printed is not configuration of this platform.
    #[error("adapter {adapter}: what {file} prints{}: {what}", place_of(*.line, .text))]
    Printed {
        /// Name of the adapter.
        adapter: String,
        /// The template.
        file: String,
        /// Line of the printed text, from 1; `None` when the fault is not at one place.
        line: Option<usize>,
        /// That line, cut to 120 characters.
        text: String,
        /// What is wrong with it.
        what: String,
    },
    /// What the element sent cannot be read.
    #[error("adapter {adapter}: what the element sent cannot be read: {what}")]
    Unreadable {
        /// Name of the adapter.
        adapter: String,
        /// Why, with the place.
        what: String,
    },
    /// A difference cannot be written in the element's language.
    #[error("adapter {adapter}: the difference cannot be expressed: {what}")]
    Unprintable {
        /// Name of the adapter.
        adapter: String,
        /// Why, with the path.
        what: String,
    },
}

fn line_of(line: Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

fn place_of(line: Option<usize>, text: &str) -> String {
    line.map(|line| format!(" in line {line}, `{text}`")).unwrap_or_default()
}
