//! RESTCONF (RFC 8040) over HTTP/1.1, on a loopback address and on a local socket.
//!
//! ```text
//! request ─▶ target ─▶ media ─▶ conditions ─▶ edit ─▶ documents ─▶ controller ─▶ answer
//!            (path)    (body)   (If-Match)    (whole document)                   (status, body, headers)
//! ```
//!
//! Guarantees: a request is answered or refused with an `ietf-restconf:errors` body, never dropped; nothing is stored or sent
//! for a request that is refused; a transaction that exists is named in the answer. Everything but `server`, `data`,
//! `load` and the operations (`operations` with their `input`, `elements`, `modes`, `past`) is pure. What is not offered: YANG
//! Patch, `insert`, `point`, `filter`, `with-defaults`, streams, NMDA datastores.

mod answer;
pub mod conditions;
mod data;
pub mod documents;
pub mod dry_run;
pub mod edit;
mod elements;
pub mod errors;
mod input;
mod load;
pub mod media;
mod modes;
mod operations;
mod past;
pub mod query;
pub mod select;
mod server;
pub mod target;

pub use server::{Options, Restconf};
