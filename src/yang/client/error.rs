//! Why the worker gave no answer.

use crate::yang::protocol::Fault;
use crate::yang::sources::SourceError;
use std::path::PathBuf;
use std::time::Duration;

/// Why the worker gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum YangError {
    /// The worker could not be started.
    #[error("cannot start the yang worker {}", program.display())]
    Start {
        /// The executable.
        program: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The module texts could not be collected.
    #[error("cannot collect the modules of a set")]
    Sources(#[from] SourceError),
    /// Workers died on the same input.
    #[error("the yang worker died {times} times on {input}: {how}")]
    Died {
        /// What it was given.
        input: String,
        /// How often.
        times: u32,
        /// How it ended the last time, with its last words.
        how: String,
    },
    /// Two workers died on the same input some time ago; it was not sent again.
    #[error("the yang worker died of {input} before; it is not tried again")]
    Poison {
        /// What it is.
        input: String,
    },
    /// The input needs more memory than the worker may have.
    #[error("the yang worker needs more memory than yang.memory_limit ({limit} bytes) for {input}")]
    Memory {
        /// What it was given.
        input: String,
        /// The limit in bytes, 0 when there is none.
        limit: u64,
    },
    /// The worker did not answer in time and was ended.
    #[error("the yang worker did not answer within {} s on {input}", limit.as_secs_f32())]
    Timeout {
        /// What it was given.
        input: String,
        /// The time limit.
        limit: Duration,
    },
    /// The worker says that it cannot.
    #[error("the yang worker refused {input}: {message}")]
    Refused {
        /// What it was given.
        input: String,
        /// What it says.
        message: String,
    },
    /// The document cannot be read.
    #[error("{input} has {} faults, the first at {}: {}", faults.len(), faults[0].path, faults[0].message)]
    Faulty {
        /// What it was given.
        input: String,
        /// All faults, at least one.
        faults: Vec<Fault>,
    },
    /// A set is not loaded, or was the least recently used one of too many.
    #[error("module set {id} is not loaded")]
    UnknownSet {
        /// Its content id.
        id: String,
    },
    /// The worker answered something else than was asked.
    #[error("the yang worker gave an answer that does not fit {input}")]
    Confused {
        /// What it was given.
        input: String,
    },
}
