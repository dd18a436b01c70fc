//! One thing that is wrong with a document: what, where, why.

use serde::{Deserialize, Serialize};

/// `error-tag` of RFC 8040 §7 (RFC 6241 appendix A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultTag {
    /// The text is not JSON or XML, or breaks its structure.
    MalformedMessage,
    /// A node that the schema does not know.
    UnknownElement,
    /// A value outside its type.
    InvalidValue,
    /// Something obligatory is missing.
    DataMissing,
    /// It is there already.
    DataExists,
    /// Understood, but not offered here.
    OperationNotSupported,
    /// Number or port taken by somebody else.
    InUse,
    /// Larger or deeper than allowed.
    TooBig,
}

impl FaultTag {
    /// The tag as it stands in an error body.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultTag::MalformedMessage => "malformed-message",
            FaultTag::UnknownElement => "unknown-element",
            FaultTag::InvalidValue => "invalid-value",
            FaultTag::DataMissing => "missing-element",
            FaultTag::DataExists => "data-exists",
            FaultTag::OperationNotSupported => "operation-not-supported",
            FaultTag::InUse => "in-use",
            FaultTag::TooBig => "too-big",
        }
    }
}

/// One fault of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Fault {
    /// Instance identifier in the document.
    pub path: String,
    /// What kind it is.
    pub tag: FaultTag,
    /// Finer name of the rule.
    pub app_tag: Option<String>,
    /// In words, with what to do.
    pub message: String,
}
