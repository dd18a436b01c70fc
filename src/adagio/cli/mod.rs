//! The CLI client: one line in flight on a terminal, and a verdict for each line.
//!
//! ```text
//! bytes of a terminal -> terminal (escapes off) -> prompt (host, mode) -> session (verdict) -> the driver above
//! ```
//!
//! * [`dialect`] is what an adapter says of a CLI: prompts, modes, tables of texts. Data only.
//! * [`terminal`] turns terminal bytes into plain lines; pure.
//! * [`prompt`] learns the host name and tells the mode; pure.
//! * [`verdict`] says what an answer means; pure.
//! * [`session`] owns one terminal.
//! * [`driver`] is what the transaction drives; `commit` runs the commit model that the adapter declares.

mod commit;
pub mod dialect;
pub mod driver;
pub mod prompt;
pub mod session;
pub mod terminal;
pub mod verdict;

pub use dialect::{CliDialect, CliMode, Dialect, DialectError};
pub use session::{CliError, CliLimits, CliSession, LineReply};
pub use verdict::Verdict;
