//! One order at a time: what is said to a session that writes, how long its answer may take, and what a missing answer
//! means.
//!
//! Guarantee: every wait here has an end; no answer in time means "unknown", never "failed".

use super::Tools;
use crate::adagio::{Confirm, DriverError, Effect, Payload};
use crate::domain::ErrorClass;
use crate::domain::outcome::{Cause, CauseKind};
use crate::transaction::TransactionLimits;
use futures::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// What is said to a session that writes.
#[derive(Clone, Copy)]
pub(super) enum Order<'a> {
    Lock,
    Prepare(&'a Payload),
    Apply(&'a Payload, Option<&'a Confirm>),
    Extend(&'a Confirm),
    Confirm(&'a str),
    Cancel(&'a str),
    Discard,
    Save,
    Unlock,
}

impl Order<'_> {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Order::Lock => "lock",
            Order::Prepare(_) => "prepare",
            Order::Apply(..) => "apply",
            Order::Extend(_) => "extend the confirmed commit",
            Order::Confirm(_) => "confirm",
            Order::Cancel(_) => "cancel the confirmed commit",
            Order::Discard => "discard-changes",
            Order::Save => "save",
            Order::Unlock => "unlock",
        }
    }

    /// Its name in the points of a transaction.
    pub(super) fn point(&self) -> &'static str {
        match self {
            Order::Extend(_) => "extend",
            Order::Cancel(_) => "cancel",
            Order::Discard => "discard",
            other => other.word(),
        }
    }

    pub(super) fn limit(&self, limits: &TransactionLimits) -> Duration {
        match self {
            Order::Lock => limits.lock,
            Order::Prepare(_) => limits.prepare,
            Order::Apply(..) => limits.apply,
            _ => limits.confirm,
        }
    }
}

/// Why a verb that decides by reading has to be tried again, or later.
pub(super) enum Failed {
    Driver(Box<DriverError>, CauseKind),
    Other(Cause),
}

impl From<DriverError> for Failed {
    fn from(error: DriverError) -> Self {
        Failed::Driver(Box::new(error), CauseKind::Unreachable)
    }
}

/// Waits with a limit; no answer in time means that nobody knows.
pub(super) async fn within<T>(
    tools: &Tools,
    element: &str,
    doing: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, DriverError>>,
) -> Result<T, DriverError> {
    let timer = tools.ambient.sleep(limit);
    match select(pin!(work), timer).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(unknown(element, doing, format!("no answer within {} s", limit.as_secs_f32()))),
    }
}

/// Whether no answer came: then the session is of no use any more. An `rpc-error` is an answer, even where the driver
/// cannot say what it means for the configuration.
pub(super) fn is_lost(error: &DriverError) -> bool {
    error.effect == Effect::Unknown && error.tag.is_none()
}

pub(super) fn unknown(element: &str, doing: &str, message: String) -> DriverError {
    DriverError {
        element: element.into(),
        doing: doing.into(),
        message,
        class: ErrorClass::Transient,
        effect: Effect::Unknown,
        tag: None,
        path: None,
    }
}

/// Waits; false when the transaction has turned back meanwhile and nobody needs to wait.
pub(super) async fn pause(tools: &Tools, time: Duration, may_give_up: bool) -> bool {
    if !may_give_up {
        tools.ambient.sleep(time).await;
        return true;
    }
    let turned_back = tools.turned_back.clone();
    match select(pin!(turned_back.cancelled()), tools.ambient.sleep(time)).await {
        Either::Left(_) => false,
        Either::Right(_) => true,
    }
}
