//! What is appended and never changed: audit records and outbox rows.

use super::principal::Principal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One write that somebody asked for, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub principal: Principal,
    /// What, for instance `commit-plan`.
    pub action: String,
    /// On what.
    pub target: String,
    /// The plan.
    pub plan: Option<String>,
    /// The transaction.
    pub transaction: Option<String>,
    /// What became of it, in words.
    pub result: String,
}

/// One event for Presto; sequence numbers are given by the store in the order of commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Notification name of module `andante`, for instance `service-change`.
    pub kind: String,
    /// RFC 7951 JSON of the notification's content.
    pub content: serde_json::Value,
}
