//! What Andante knows of a platform: a folder of pure data.
//!
//! An adapter maps an [`crate::service::ElementService`] to native configuration (create only), parses and normalises
//! what an element says, renders a difference as the exact bytes to send, and judges paths: own or shared, derived,
//! protected. It opens no socket, reads no clock, knows no credential, never retries and never orders elements.
//!
//! Flow: `package` reads the folder, `manifest`, `template`, `rules` (NETCONF) and `grammar` (CLI) check and compile it,
//! [`Adapter`] answers questions. `docs/adapters.md` is the guide for writing one.

#[allow(clippy::module_inception)]
mod adapter;
pub mod commit;
mod error;
mod filters;
pub mod grammar;
pub mod judgement;
pub mod manifest;
mod package;
pub mod pattern;
pub mod payload;
mod refusal;
mod rules;
mod spelling;
pub mod state;
mod template;

pub use adapter::{Adapter, Mapped, Reading};
pub use commit::Commit;
pub use error::AdapterError;
pub use grammar::{Grammar, GrammarError};
pub use judgement::{Impact, Ownership};
pub use manifest::{Manifest, Transport, Validation};
pub use payload::{Answer, CliLine, Payload};
pub use refusal::{Note, Refusal};
pub use state::{Demand, StateReader};
