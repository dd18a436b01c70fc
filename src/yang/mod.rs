//! The libyang worker process and its client; nothing else touches libyang.
//!
//! YANG text and instance documents of elements are hostile input and libyang is C, so it runs in a process of its own:
//! `andanted yang-worker`. The worker needs no file, no network and no settings: it gets module texts over its standard
//! input and answers over its standard output. If it dies or hangs, the client starts another one and loads the module sets
//! again. It never sees a document that our own codecs have not read and printed again.
//!
//! * [`sources`] finds the texts of a module set in directories and gives the set its content id.
//! * [`protocol`] is what client and worker say to each other.
//! * [`worker`] is the process; the only place with `unsafe`. It has limits of time and memory.
//! * `process` is the worker as the client holds it.
//! * `cache` keeps schema indexes on disk by content id.
//! * [`client`] is what the rest of the house uses: [`YangWorker::load`], [`YangWorker::validate`], [`YangWorker::fill`].

mod cache;
pub mod client;
mod process;
pub mod protocol;
pub mod sources;
pub mod worker;

pub use client::{Loaded, Validator, YangError, YangWorker};
pub use protocol::{DocumentKind, Encoding, Fault, LeftOut};
pub use sources::{ModuleSet, SourceError, Wanted};
