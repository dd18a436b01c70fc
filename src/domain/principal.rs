//! Who asks, what for, and whether that is allowed: one decision for all front ends.

use serde::{Deserialize, Serialize};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Principal {
    /// User name; `root` or the peer's name on the local socket.
    pub user: String,
    /// What the user may do.
    pub role: Role,
    /// Tenant whose services are visible; `None` = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Change ticket: stands in the transaction, the audit, the events and the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

impl Principal {
    /// The daemon itself, for its own ticks and its recovery.
    pub fn daemon() -> Self {
        Self { user: "andanted".into(), role: Role::Administrator, tenant: None, ticket: None }
    }
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads and dry-runs.
    Observer,
    /// Writes services and heals.
    Operator,
    /// Everything.
    Administrator,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Read anything.
    Read,
    /// Compute a plan, keep it or not.
    Plan,
    /// Change services.
    Write,
    /// Heal a deviation.
    Heal,
    /// Call a transaction off.
    Cancel,
    /// Confirm how an element writes a value, or take that back.
    Confirm,
    /// Say what becomes of an element that recovery could not bring to its side.
    Resolve,
    /// Change the inventory.
    Onboard,
}

/// The request is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{user} ({}) may not {} {path}", word(role), word(verb))]
pub struct Denied {
    /// Who.
    pub user: String,
    /// With which role.
    pub role: Role,
    /// What.
    pub verb: Verb,
    /// Where.
    pub path: String,
}

fn word(name: &impl std::fmt::Debug) -> String {
    format!("{name:?}").to_lowercase()
}

/// The one decision on access. Until NACM arrives it looks at the role alone; the path is already asked for, so that no
/// caller has to change then.
pub fn authorize(principal: &Principal, verb: Verb, path: &str) -> Result<(), Denied> {
    let needed = match verb {
        Verb::Read | Verb::Plan => Role::Observer,
        Verb::Write | Verb::Heal | Verb::Cancel | Verb::Confirm | Verb::Resolve => Role::Operator,
        Verb::Onboard => Role::Administrator,
    };
    if principal.role >= needed {
        return Ok(());
    }
    Err(Denied { user: principal.user.clone(), role: principal.role, verb, path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observer_may_plan_but_not_write() {
        let observer = Principal { user: "noc".into(), role: Role::Observer, tenant: None, ticket: None };
        assert!(authorize(&observer, Verb::Plan, "/").is_ok());
        let denied = authorize(&observer, Verb::Write, "/x").unwrap_err();
        assert!(denied.to_string().contains("noc"));
    }
}
