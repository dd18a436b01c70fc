//! What Andante knows of a platform: a folder of pure data.
//!
//! An adapter maps an [`crate::service::ElementService`] to native configuration (create only), parses and normalises
//! what an element says, renders a difference as the exact bytes to send, and judges paths: own or shared, derived,
//! protected. It opens no socket, reads no clock, knows no credential, never retries and never orders elements.

pub mod grammar;
pub mod payload;

pub use payload::{CliLine, Payload};

pub mod judgement;

pub use judgement::{Impact, Ownership};
