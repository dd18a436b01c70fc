//! What is wrong with a document, with the path of the node that says it.

use crate::domain::ErrorClass;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One fault of a document. Faults are collected: a document is answered with all that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ServiceError {
    /// Instance identifier of the node in the document, from its top.
    pub path: String,
    /// Which RFC 8040 error tag answers it.
    pub tag: ErrorTag,
    /// What is wrong and what to do.
    pub message: String,
}

impl ServiceError {
    /// A fault at this path.
    pub fn new(path: impl Into<String>, tag: ErrorTag, message: impl Into<String>) -> Self {
        Self { path: path.into(), tag, message: message.into() }
    }

    /// Whether trying again may help.
    pub fn class(&self) -> ErrorClass {
        match self.tag {
            ErrorTag::InUse | ErrorTag::ResourceDenied => ErrorClass::Conflict,
            ErrorTag::InvalidValue | ErrorTag::MissingElement | ErrorTag::OperationNotSupported => ErrorClass::Rejected,
        }
    }
}

/// Error tags of RFC 8040 §7 that a service can earn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorTag {
    /// The value makes no sense, or names something that does not exist.
    InvalidValue,
    /// Something that this kind of service needs is not there.
    MissingElement,
    /// Valid by the standard, outside what this domain serves.
    OperationNotSupported,
    /// Another service has it: a VLAN, a port.
    InUse,
    /// A pool of numbers is empty.
    ResourceDenied,
}

impl fmt::Display for ErrorTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorTag::InvalidValue => "invalid-value",
            ErrorTag::MissingElement => "missing-element",
            ErrorTag::OperationNotSupported => "operation-not-supported",
            ErrorTag::InUse => "in-use",
            ErrorTag::ResourceDenied => "resource-denied",
        })
    }
}
