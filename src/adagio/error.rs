//! The class of an error towards an element.
//!
//! Every error of `adagio` answers `class()`. A retry looks at the class and at nothing else.

use std::fmt;

/// What kind of failure this is, as far as a retry is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The element could not be reached or did not answer in time: the same call may succeed later. Where something
    /// had been sent the outcome is unknown and has to be read.
    Transient,
    /// The element (or a rule of ours about it) says no: the same call will fail again.
    Rejected,
    /// Somebody else is in the way (a lock, a session limit, another user's change): wait, or ask a human.
    Conflict,
    /// We or the element broke the protocol. Never retried.
    Bug,
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorClass::Transient => "transient",
            ErrorClass::Rejected => "rejected",
            ErrorClass::Conflict => "conflict",
            ErrorClass::Bug => "bug",
        })
    }
}
