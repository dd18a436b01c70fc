//! The canonical meaning of a service document, and what it asks of each element.
//!
//! Faces make a service out of a document; decomposition makes an [`ElementService`] per element out of it. Pure: no
//! clock, no I/O, no randomness; numbers come from the ledger's state, which is an argument.

pub mod attributes;
pub mod element_service;

pub use element_service::ElementService;
