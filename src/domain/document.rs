//! A service document as the orchestrator put it.

use super::principal::Principal;
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
    /// What the transaction of this revision did to the service.
    #[serde(default)]
    pub effect: Effect,
    /// The ticket that was given with this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The transaction that decided it; `None` = by a version that did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// The oldest revision that the history still has; 0 = this one.
    #[serde(default)]
    pub oldest: u64,
}

impl StoredDocument {
    /// This revision as the history has it.
    pub fn to_revision(&self) -> Revision {
        Revision {
            key: self.key.clone(),
            revision: self.revision,
            effect: if self.revision == 1 { Effect::Create } else { self.effect },
            at: self.modified,
            author: self.author.clone(),
            ticket: self.ticket.clone(),
            transaction: self.transaction.clone(),
            body: Some(self.body.clone()),
        }
    }
}

/// What happened to a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// New in this domain, or back again.
    Create,
    /// Another document.
    #[default]
    Modify,
    /// Gone.
    Delete,
    /// The same document; elements were set right.
    Heal,
}

impl Effect {
    /// As module `andante` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Create => "create",
            Effect::Modify => "modify",
            Effect::Delete => "delete",
            Effect::Heal => "heal",
        }
    }
}

/// One revision of a service as the history has it. A deletion is a revision without document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Revision {
    /// Which service.
    pub key: ServiceKey,
    /// Counts from 1, over deletions too.
    pub revision: u64,
    /// What happened to the service.
    pub effect: Effect,
    /// When it was decided.
    pub at: Timestamp,
    /// Who.
    pub author: String,
    /// The ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// The document as RFC 7951 JSON, as in [`StoredDocument::body`]; `None` = deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// Who decides a revision, and when.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Who, with the ticket.
    pub principal: &'a Principal,
    /// In which transaction.
    pub transaction: &'a str,
    /// When.
    pub at: Timestamp,
}

/// The service is gone, its history is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gone {
    /// Which service.
    pub key: ServiceKey,
    /// The oldest revision that is kept.
    pub oldest: u64,
    /// The revision that is the deletion.
    pub last: u64,
    /// When.
    pub at: Timestamp,
}
