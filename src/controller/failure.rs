//! Why a verb of the controller did not do what was asked. Presto and the command turn these into answers.

use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{Class, Denied, Fault, ServiceKey};
use crate::plan::Refused;
use crate::store::StoreError;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A request that was not carried out. Unless it says otherwise, nothing was sent and nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Not allowed.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The document is wrong, or asks for what is not offered.
    #[error("the document is refused: {}", lines(.0))]
    Document(Vec<Fault>),
    /// There is no such thing.
    #[error("{what} does not exist")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("{key}: {message}")]
    Precondition {
        /// Which service.
        key: ServiceKey,
        /// What is the case instead.
        message: String,
    },
    /// The planner refuses: claims conflict, hand-made changes in the way, unowned nodes, collateral.
    #[error("{element}: {}", lines(reasons))]
    Refused {
        /// On which element.
        element: String,
        /// All reasons.
        reasons: Vec<Refused>,
    },
    /// The same on several elements.
    #[error("{}", by_element(.0))]
    RefusedBy(BTreeMap<String, Vec<Refused>>),
    /// An element does not answer; nothing was sent.
    #[error("{element} cannot be read: {message}")]
    Unreachable {
        /// Which.
        element: String,
        /// Why.
        message: String,
    },
    /// What was read does not prove that it is complete; nothing was sent.
    #[error("{element} was read incompletely: {message}")]
    Incomplete {
        /// Which.
        element: String,
        /// Why.
        message: String,
    },
    /// What a pinned plan was made from has moved.
    #[error("the plan is stale: {path} has changed since it was made; make a new plan")]
    Stale {
        /// On which element; `None` = in the store.
        element: Option<String>,
        /// The path, the service or the number that moved.
        path: String,
    },
    /// The plan was applied already; nothing was sent again.
    #[error("plan {plan} was applied already, by transaction {transaction}{}", at.map(|at| format!(" at {at:.0}")).unwrap_or_default())]
    AlreadyApplied {
        /// Which plan.
        plan: String,
        /// By which transaction.
        transaction: String,
        /// When that ended.
        at: Option<Timestamp>,
    },
    /// The caller demands more than an element can take back.
    #[error("{element} has class {have}, the request demands {want}")]
    ClassTooWeak {
        /// Which.
        element: String,
        /// What it has.
        have: Class,
        /// What is demanded.
        want: Class,
    },
    /// It was called off before anything was sent.
    #[error("{0}")]
    Cancelled(String),
    /// A transaction that cannot be called off any more.
    #[error("transaction {transaction}: {message}")]
    TooLate {
        /// Which.
        transaction: String,
        /// Why.
        message: String,
        /// What to do instead.
        remedy: String,
    },
    /// The name of a request stands for another request already.
    #[error("request {id}: this name was given to a request with other content; its transaction is {transaction}")]
    RequestReused {
        /// The name.
        id: String,
        /// What the first request of this name became.
        transaction: String,
    },
    /// It cannot be done as things stand, and that is nobody's fault.
    #[error("{message}")]
    Declined {
        /// For programs.
        tag: &'static str,
        /// What stands in the way.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A fault of this program.
    #[error("internal: {0}")]
    Internal(String),
}

impl Failure {
    /// What elements have against it, if that is why.
    pub(super) fn of_elements(mut refused: BTreeMap<String, Vec<Refused>>) -> Self {
        match (refused.pop_first(), refused.is_empty()) {
            (Some((element, reasons)), true) => Failure::Refused { element, reasons },
            (first, _) => {
                refused.extend(first);
                Failure::RefusedBy(refused)
            }
        }
    }

    /// The planner's reasons, by element; empty if it is refused otherwise.
    pub fn reasons(&self) -> Vec<(&str, &[Refused])> {
        match self {
            Failure::Refused { element, reasons } => vec![(element, reasons)],
            Failure::RefusedBy(all) => all.iter().map(|(element, reasons)| (&**element, &**reasons)).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether an unresolved transaction is in the way: then it may go when that is resolved.
    pub(super) fn is_held(&self) -> bool {
        self.reasons().iter().any(|(_, all)| all.iter().any(|one| matches!(one, Refused::Held { .. })))
    }

    /// The same as the cause of a transaction that never began.
    pub(super) fn cause(&self) -> Cause {
        let (kind, element, path) = match self {
            Failure::Unreachable { element, .. } | Failure::Incomplete { element, .. } => {
                (CauseKind::Unreachable, Some(element), None)
            }
            Failure::Stale { element, path } => (CauseKind::Stale, element.as_ref(), Some(path.clone())),
            Failure::Refused { element, reasons } => {
                let path = reasons.iter().find_map(Refused::path).map(ToString::to_string);
                (if self.is_held() { CauseKind::Held } else { CauseKind::Refused }, Some(element), path)
            }
            Failure::RefusedBy(_) if self.is_held() => (CauseKind::Held, None, None),
            Failure::RefusedBy(all) => (CauseKind::Refused, all.keys().next(), None),
            Failure::ClassTooWeak { element, .. } => (CauseKind::Refused, Some(element), None),
            Failure::Document(faults) => (CauseKind::Refused, None, faults.first().map(|fault| fault.path.clone())),
            Failure::Denied(_)
            | Failure::NotFound { .. }
            | Failure::Precondition { .. }
            | Failure::TooLate { .. }
            | Failure::Declined { .. }
            | Failure::AlreadyApplied { .. }
            | Failure::RequestReused { .. } => (CauseKind::Refused, None, None),
            Failure::Cancelled(_) => (CauseKind::Cancelled, None, None),
            Failure::Store(_) | Failure::Internal(_) => (CauseKind::Internal, None, None),
        };
        Cause { element: element.cloned(), path, message: self.to_string(), ..Cause::of(kind) }
    }
}

fn by_element(all: &BTreeMap<String, Vec<Refused>>) -> String {
    all.iter().map(|(element, reasons)| format!("{element}: {}", lines(reasons))).collect::<Vec<_>>().join("; ")
}

fn lines<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
