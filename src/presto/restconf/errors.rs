//! What went wrong, as `ietf-restconf:errors` (RFC 8040 §7.1). Pure.
//!
//! Every refusal says what, where (`error-path`), why (`error-message`), and in `error-info` (grouping `error-info` of module `andante`)
//! which elements it is about, the transaction if there was one, and what to do now.
//!
//! | Status | What happened |
//! |---|---|
//! | 400 | the request or the document is wrong |
//! | 403 / 404 / 405 / 406 / 413 / 415 | not allowed / no such resource / not offered here / media types / too big |
//! | 409 | claim conflict, hand-made change in the way, number taken, exists; or refused by an element and all restored |
//! | 422 | a request's name (`Idempotency-Key`) stands for another request |
//! | 412 | `If-Match`, or a pinned plan, is stale |
//! | 503 | an element is unreachable, locked by others or was read incompletely, before anything was sent, or the daemon is stopping (502 in the `nso-compatible` profile) |
//! | 500 | a fault of the daemon or of its store |
//!
//! An unresolved transaction is no error: it is answered with 202.

mod print;

use super::edit::{EditError, EditErrorKind};
use super::target::TargetError;
use crate::controller::Failure;
use crate::domain::outcome::CauseKind;
use crate::domain::{Cause, Class, FaultTag, Outcome, TransactionRecord, Turn, chain};
use crate::plan::Refused;
use crate::tree::{CodecError, CodecErrorKind};
use http::StatusCode;

/// A refused request.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Status of the answer.
    pub status: StatusCode,
    /// At least one.
    pub errors: Vec<Entry>,
    /// The transaction that ended so.
    pub transaction: Option<String>,
}

/// One `error`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `error-type`: `transport`, `rpc`, `protocol`, `application`.
    pub layer: &'static str,
    /// `error-tag`.
    pub tag: &'static str,
    /// `error-app-tag`.
    pub app_tag: Option<String>,
    /// `error-path`.
    pub path: Option<String>,
    /// `error-message`.
    pub message: String,
    /// `cause` of `error-info`; only words of its enumeration.
    pub cause: Option<&'static str>,
    /// The elements it is about.
    pub elements: Vec<About>,
    /// What to do now.
    pub remedy: Option<String>,
    /// The name that the request gave the document it is about.
    pub document: Option<String>,
}

/// One element that an error is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The element.
    pub name: String,
    /// Where on it.
    pub path: Option<String>,
    /// What the last verified transaction left there.
    pub recorded: Option<String>,
    /// What is wanted.
    pub wanted: Option<String>,
    /// What was read.
    pub actual: Option<String>,
    /// In words.
    pub detail: Option<String>,
}

impl Problem {
    /// A problem of one error.
    pub fn new(status: StatusCode, tag: &'static str, message: impl Into<String>) -> Self {
        let entry = Entry { layer: "protocol", tag, message: message.into(), ..Entry::default() };
        Self { status, errors: vec![entry], transaction: None }
    }

    /// The same with an `error-path`.
    pub fn at(mut self, path: impl ToString) -> Self {
        if let Some(entry) = self.errors.first_mut() {
            entry.path = Some(path.to_string());
        }
        self
    }

    /// The same with something to do.
    pub fn remedy(mut self, remedy: &str) -> Self {
        if let Some(entry) = self.errors.first_mut() {
            entry.remedy = Some(remedy.into());
        }
        self
    }

    fn application(status: StatusCode, entry: Entry) -> Self {
        Self { status, errors: vec![Entry { layer: "application", ..entry }], transaction: None }
    }

    /// From what the controller refuses. `nso`: answer 502 where an element is out of reach.
    pub fn from_failure(failure: &Failure, nso: bool) -> Self {
        let message = failure.to_string();
        match failure {
            Failure::Denied(denied) => Self::application(
                StatusCode::FORBIDDEN,
                Entry {
                    tag: "access-denied",
                    path: denied.path.starts_with('/').then(|| denied.path.clone()),
                    message: format!("{message}; nothing was done"),
                    ..Entry::default()
                },
            ),
            Failure::Document(faults) => {
                let taken = |tag: FaultTag| matches!(tag, FaultTag::InUse | FaultTag::DataExists);
                let conflict = !faults.is_empty() && faults.iter().all(|fault| taken(fault.tag));
                let status = if conflict { StatusCode::CONFLICT } else { StatusCode::BAD_REQUEST };
                let errors = faults.iter().map(|fault| Entry {
                    layer: "application",
                    tag: fault.tag.as_str(),
                    app_tag: fault.app_tag.clone(),
                    path: fault.path.starts_with('/').then(|| fault.path.clone()),
                    message: format!("{}; nothing was stored, nothing was sent", fault.message.trim_end_matches('.')),
                    cause: document_cause(fault.tag, fault.app_tag.as_deref()),
                    ..Entry::default()
                });
                Self { status, errors: errors.collect(), transaction: None }
            }
            Failure::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "invalid-value", message),
            Failure::Precondition { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "operation-failed", message)
                .caused("stale")
                .remedy("read the resource again and repeat the change on what it is now"),
            Failure::Refused { .. } | Failure::RefusedBy(_) => {
                let all = failure.reasons();
                let each = all.iter().flat_map(|(element, reasons)| reasons.iter().map(|one| refused(element, one)));
                let transaction = all.iter().flat_map(|(_, reasons)| *reasons).find_map(|reason| match reason {
                    Refused::Held { transaction, .. } => Some(transaction.clone()),
                    _ => None,
                });
                Self { status: StatusCode::CONFLICT, errors: each.collect(), transaction }
            }
            Failure::AlreadyApplied { transaction, .. } => Self::application(
                StatusCode::PRECONDITION_FAILED,
                Entry {
                    tag: "operation-failed",
                    message: format!("{message}; nothing was sent again"),
                    ..Entry::default()
                },
            )
            .caused("already-applied")
            .remedy("nothing; for another change make a new plan")
            .about(transaction),
            Failure::Unreachable { element, message: why } => {
                Self::out_of_reach(element, why, &message, "comm-loss", nso)
            }
            Failure::Incomplete { element, message: why } => {
                Self::out_of_reach(element, why, &message, "incomplete", nso)
            }
            Failure::Stale { element, path } => Self::application(
                StatusCode::PRECONDITION_FAILED,
                Entry {
                    tag: "operation-failed",
                    app_tag: Some("stale".into()),
                    path: path.starts_with('/').then(|| path.clone()),
                    message: format!("{message}; nothing was sent"),
                    cause: Some("stale"),
                    elements: element
                        .iter()
                        .map(|name| About { name: name.clone(), path: Some(path.clone()), ..About::default() })
                        .collect(),
                    remedy: Some("make a new plan and look at it".into()),
                    ..Entry::default()
                },
            ),
            Failure::ClassTooWeak { element, .. } => Self::application(
                StatusCode::CONFLICT,
                Entry {
                    tag: "operation-failed",
                    app_tag: Some("class-too-weak".into()),
                    message: format!("{message}; nothing was sent"),
                    cause: Some("class-too-weak"),
                    elements: vec![About { name: element.clone(), ..About::default() }],
                    remedy: Some("demand less, or take the element out of the service".into()),
                    ..Entry::default()
                },
            ),
            Failure::Cancelled(_) => Self::new(StatusCode::CONFLICT, "operation-failed", message).caused("not-applied"),
            Failure::TooLate { transaction, remedy, .. } => {
                Self::application(StatusCode::CONFLICT, Entry { tag: "operation-failed", message, ..Entry::default() })
                    .caused("too-late")
                    .remedy(remedy)
                    .about(transaction)
            }
            Failure::RequestReused { transaction, .. } => Self::application(
                StatusCode::UNPROCESSABLE_ENTITY,
                Entry { tag: "invalid-value", message: format!("{message}; nothing was done"), ..Entry::default() },
            )
            .caused("request-id-reused")
            .remedy("give each request a name of its own; repeat a request as it was")
            .about(transaction),
            Failure::Declined { tag, remedy, .. } => Self::application(
                StatusCode::CONFLICT,
                Entry {
                    tag: "operation-failed",
                    app_tag: Some((*tag).into()),
                    message: format!("{message}; nothing was done"),
                    remedy: Some(remedy.clone()),
                    ..Entry::default()
                },
            ),
            Failure::Store(_) | Failure::Internal(_) => Self::application(
                StatusCode::INTERNAL_SERVER_ERROR,
                Entry {
                    tag: "operation-failed",
                    message: chain(failure),
                    remedy: Some("see the log of the daemon".into()),
                    ..Entry::default()
                },
            ),
        }
    }

    /// From a transaction that was not applied; `None` when it was applied, still runs or is unresolved.
    pub fn from_record(record: &TransactionRecord, nso: bool) -> Option<Self> {
        let Some(Outcome::NotApplied { cause }) = &record.outcome else { return None };
        let (status, app_tag) = status_of(cause, nso);
        let mut elements: Vec<About> = record
            .elements
            .iter()
            .map(|(name, progress)| About {
                name: name.clone(),
                path: cause.path.clone().filter(|_| cause.element.as_ref() == Some(name)),
                detail: Some(match &progress.detail {
                    Some(detail) => format!("{}: {detail}", turn(progress.turn)),
                    None => turn(progress.turn).into(),
                }),
                ..About::default()
            })
            .collect();
        if let Some(name) = cause.element.as_ref().filter(|name| !record.elements.contains_key(*name)) {
            elements.push(About { name: name.clone(), path: cause.path.clone(), ..About::default() });
        }
        let entry = Entry {
            layer: "application",
            tag: "operation-failed",
            app_tag: Some(app_tag.into()),
            path: cause.path.clone().filter(|path| path.starts_with('/')),
            message: format!("{cause}; the network is as before, the document is not stored"),
            cause: Some(app_tag),
            elements,
            remedy: Some(remedy_of(cause).into()),
            ..Entry::default()
        };
        Some(Self { status, errors: vec![entry], transaction: Some(record.id.clone()) })
    }

    /// From a body that cannot be read.
    pub fn from_codec(error: &CodecError) -> Self {
        let status = match error.kind {
            CodecErrorKind::TooBig => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        let place = match error.line {
            0 => String::new(),
            line => format!(" (line {line}, column {})", error.column),
        };
        let problem = Self::new(status, error.error_tag(), format!("{}{place}; nothing was stored", error.message));
        if error.path == "/" { problem } else { problem.at(&error.path) }
    }

    /// From a request path.
    pub fn from_target(error: &TargetError) -> Self {
        let status = if error.unknown { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        let problem = Self::new(status, "invalid-value", error.message.clone());
        if error.path.steps().is_empty() { problem } else { problem.at(&error.path) }
    }

    /// From an edit that is impossible.
    pub fn from_edit(error: &EditError) -> Self {
        let (status, tag) = match error.kind {
            EditErrorKind::NotFound => (StatusCode::NOT_FOUND, "invalid-value"),
            EditErrorKind::Exists => (StatusCode::CONFLICT, "data-exists"),
            EditErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid-value"),
            EditErrorKind::Malformed => (StatusCode::BAD_REQUEST, "malformed-message"),
            EditErrorKind::NotSupported => (StatusCode::METHOD_NOT_ALLOWED, "operation-not-supported"),
        };
        Self::new(status, tag, format!("{}; nothing was done", error.message)).at(&error.path)
    }

    /// The same, each error with the name of the document that it is about: the one of the service at or below which its
    /// path is.
    pub fn in_documents(mut self, names: &[(String, String)]) -> Self {
        for entry in &mut self.errors {
            let Some(path) = entry.path.as_deref() else { continue };
            let of = |(service, _): &&(String, String)| {
                path.strip_prefix(service.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            entry.document = entry.document.take().or_else(|| Some(names.iter().find(of)?.1.clone()));
        }
        self
    }

    fn out_of_reach(element: &str, why: &str, message: &str, cause: &'static str, nso: bool) -> Self {
        let status = if nso { StatusCode::BAD_GATEWAY } else { StatusCode::SERVICE_UNAVAILABLE };
        Self::application(
            status,
            Entry {
                tag: "operation-failed",
                app_tag: Some(cause.into()),
                message: format!("{message}; nothing was sent, the network is as before"),
                cause: Some(cause),
                elements: vec![About { name: element.into(), detail: Some(why.into()), ..About::default() }],
                remedy: Some(format!("look at it with 'andante element probe {element}', then ask again")),
                ..Entry::default()
            },
        )
    }

    fn about(self, transaction: &str) -> Self {
        Self { transaction: Some(transaction.into()), ..self }
    }

    fn caused(mut self, cause: &'static str) -> Self {
        for entry in &mut self.errors {
            entry.app_tag = Some(cause.into());
            entry.cause = Some(cause);
        }
        self
    }
}

fn status_of(cause: &Cause, nso: bool) -> (StatusCode, &'static str) {
    let away = if nso { StatusCode::BAD_GATEWAY } else { StatusCode::SERVICE_UNAVAILABLE };
    match cause.kind {
        CauseKind::Unreachable => (away, "comm-loss"),
        // The daemon is going: whoever asks again soon finds the next one.
        CauseKind::Locked | CauseKind::Dirty | CauseKind::Interrupted => (away, "not-applied"),
        CauseKind::Stale => (StatusCode::PRECONDITION_FAILED, "stale"),
        CauseKind::Held => (StatusCode::CONFLICT, "unresolved-transaction"),
        CauseKind::Refused | CauseKind::Verify | CauseKind::Check | CauseKind::Cancelled => {
            (StatusCode::CONFLICT, "not-applied")
        }
        CauseKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "not-applied"),
    }
}

fn remedy_of(cause: &Cause) -> &'static str {
    match cause.kind {
        CauseKind::Unreachable => "bring the element back, then ask again",
        CauseKind::Locked => "wait until the other session releases its lock, then ask again",
        CauseKind::Held => {
            "say what becomes of the transaction that the message names: andante transaction resolve; then ask again"
        }
        CauseKind::Dirty => {
            "look at the element's candidate: whoever left it there commits or discards it; then ask again"
        }
        CauseKind::Stale => "make a new plan and look at it",
        CauseKind::Refused => "read what the element said and change the document, or the element",
        CauseKind::Verify => "compare what was sent with what the element says; the adapter may be wrong about it",
        CauseKind::Check => "look at what the change did to the element's state, in the transaction",
        CauseKind::Interrupted | CauseKind::Cancelled => "ask again, under another name if the request had one",
        CauseKind::Internal => "see the log of the daemon",
    }
}

fn refused(element: &str, reason: &Refused) -> Entry {
    let tag = match reason {
        Refused::Conflict(_) => "in-use",
        Refused::ExistsUnowned { .. } => "data-exists",
        Refused::Protected { .. } => "resource-denied",
        Refused::Held { .. } => "in-use",
        Refused::HandMade(_) | Refused::Collateral { .. } | Refused::Render(_) => "operation-failed",
    };
    let mut about = About { name: element.into(), path: reason.path().map(ToString::to_string), ..About::default() };
    let held;
    let remedy = match reason {
        Refused::Conflict(_) => "change one of the two services",
        Refused::HandMade(found) => {
            about.recorded.clone_from(&found.recorded);
            about.wanted.clone_from(&found.wanted);
            about.actual.clone_from(&found.actual);
            "look at the element; then plan with overwrite, or heal the deviation first"
        }
        Refused::ExistsUnowned { actual, .. } => {
            about.actual.clone_from(actual);
            "remove it from the element, or choose another name"
        }
        Refused::Collateral { actual, .. } => {
            about.actual.clone_from(actual);
            "plan with allow-collateral if it may go"
        }
        Refused::Protected { class: Class::A, .. } => "plan with allow-protected if it must be",
        Refused::Protected { .. } => "no service may change it on an element that cannot revert by itself",
        Refused::Held { transaction, .. } => {
            held = format!(
                "look: andante transaction show {transaction}; then say what becomes of {element}: andante transaction \
                 resolve {transaction} {element} --retry, --accept-actual or --force-intent"
            );
            &held
        }
        Refused::Render(_) => "this is a fault of the adapter",
    };
    let cause = match reason.app_tag() {
        "cannot-render" => "not-expressible",
        other => other,
    };
    Entry {
        layer: "application",
        tag,
        app_tag: Some(reason.app_tag().into()),
        path: about.path.clone(),
        message: format!("{element}: {reason}; nothing was sent, the network is as before"),
        cause: Some(cause),
        elements: vec![about],
        remedy: Some(remedy.into()),
        document: None,
    }
}

fn document_cause(tag: FaultTag, app_tag: Option<&str>) -> Option<&'static str> {
    match (tag, app_tag) {
        (FaultTag::InUse, _) => Some("number-taken"),
        (_, Some("not-expressible")) => Some("not-expressible"),
        _ => None,
    }
}

/// Where an element stands, as the module `andante` writes it.
pub fn turn(turn: Turn) -> &'static str {
    match turn {
        Turn::Untouched => "untouched",
        Turn::Locked => "locked",
        Turn::Prepared => "prepared",
        Turn::Unknown => "unknown",
        Turn::Applied => "applied",
        Turn::Verified => "verified",
        Turn::Confirmed => "confirmed",
        Turn::Restored => "restored",
        Turn::Conflict => "conflict",
        Turn::Accepted => "accepted",
    }
}
