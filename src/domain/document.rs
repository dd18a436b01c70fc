//! A service document as the orchestrator put it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names one service: the face (the YANG module of its document) and its identifier there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceKey {
    /// `ietf-l3vpn-ntw`, `ietf-l2vpn-ntw`.
    pub face: String,
    /// `vpn-id`.
    pub id: String,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.face, self.id)
    }
}

/// What the orchestrator put, kept verbatim (as RFC 7951 JSON of the validated tree).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StoredDocument {
    /// Which service.
    pub key: ServiceKey,
    /// Counts from 1.
    pub revision: u64,
    /// Strong entity tag, without quotes.
    pub etag: String,
    /// Who wrote this revision.
    pub author: String,
    /// When it was decided.
    pub modified: Timestamp,
    /// The list entry `vpn-service` as RFC 7951 JSON, all its ancestors included.
    pub body: String,
    /// The elements that carry it.
    pub elements: Vec<String>,
}
