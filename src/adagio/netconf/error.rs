//! Why a NETCONF session ended and why a call has no result.

use super::framing::FramingError;
use super::message::{MessageError, RpcError};
use crate::adagio::ssh::SshError;
use crate::domain::ErrorClass;
use std::time::Duration;

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndCause {
    /// The element closed the stream.
    #[error("the element closed the session")]
    Closed,
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Stream(String),
    /// Bytes that are no frame.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// A frame that is no message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A reply to a call that is not open.
    #[error("the element answered a call that is not open (message-id {0:?})")]
    Unasked(Option<String>),
    /// A call took too long.
    #[error("no reply within {0:?}")]
    TimedOut(Duration),
    /// We ended it.
    #[error("the session was ended by us")]
    Ours,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum NetconfError {
    /// No SSH connection.
    #[error("cannot open a netconf session")]
    Ssh(#[from] SshError),
    /// No usable hello; nothing but our hello was sent.
    #[error("no netconf hello")]
    Hello(#[source] EndCause),
    /// The element does not have what the call needs; nothing was sent.
    #[error("{operation}: the element does not announce {capability}")]
    NotSupported {
        /// the call
        operation: &'static str,
        /// what is missing
        capability: &'static str,
    },
    /// Our own message cannot be framed; nothing was sent.
    #[error("{operation}: the message cannot be sent")]
    Unsendable {
        /// the call
        operation: &'static str,
        /// why
        #[source]
        source: FramingError,
    },
    /// The element refused, in its own words.
    #[error("{operation}: {}", listed(.errors))]
    Rejected {
        /// the call
        operation: &'static str,
        /// every error of the reply
        errors: Vec<RpcError>,
    },
    /// The session had ended before; nothing was sent.
    #[error("{operation}: not sent, the session has ended")]
    Closed {
        /// the call
        operation: &'static str,
        /// why it ended
        #[source]
        cause: EndCause,
    },
    /// It was sent, or may have been, and there is no answer: the outcome is unknown and has to be read.
    #[error("{operation}: outcome unknown")]
    Unknown {
        /// the call
        operation: &'static str,
        /// why there is no answer
        #[source]
        cause: EndCause,
    },
    /// The reply is well-formed but not one to this call. The element did what it did: read.
    #[error("{operation}: the reply carries {found} instead of {expected}")]
    UnexpectedReply {
        /// the call
        operation: &'static str,
        /// what the call returns
        expected: &'static str,
        /// what came
        found: &'static str,
    },
}

impl NetconfError {
    /// What a retry may do with this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            NetconfError::Ssh(e) => e.class(),
            NetconfError::Hello(cause) => class_of(cause),
            NetconfError::NotSupported { .. } => ErrorClass::Rejected,
            NetconfError::Unsendable { .. } | NetconfError::UnexpectedReply { .. } => ErrorClass::Bug,
            NetconfError::Rejected { errors, .. } => {
                let any = |tags: &[&str]| errors.iter().any(|e| tags.contains(&e.tag.as_str()));
                // Somebody else holds it, or there is no room just now: it may pass.
                if any(&["in-use", "lock-denied", "resource-denied"]) {
                    ErrorClass::Transient
                } else if any(&["malformed-message"]) {
                    ErrorClass::Bug
                } else {
                    ErrorClass::Rejected
                }
            }
            NetconfError::Closed { .. } => ErrorClass::Transient,
            NetconfError::Unknown { cause, .. } => class_of(cause),
        }
    }

    /// Whether the element may have carried out the call although this is an error.
    pub fn is_unknown(&self) -> bool {
        matches!(self, NetconfError::Unknown { .. } | NetconfError::UnexpectedReply { .. })
    }

    /// The errors of the element, if it refused.
    pub fn rpc_errors(&self) -> &[RpcError] {
        match self {
            NetconfError::Rejected { errors, .. } => errors,
            _ => &[],
        }
    }
}

fn class_of(cause: &EndCause) -> ErrorClass {
    match cause {
        EndCause::Closed | EndCause::Stream(_) | EndCause::TimedOut(_) | EndCause::Ours => ErrorClass::Transient,
        EndCause::Framing(_) | EndCause::Message(_) | EndCause::Unasked(_) => ErrorClass::Bug,
    }
}

fn listed(errors: &[RpcError]) -> String {
    let mut all: Vec<String> = errors.iter().take(8).map(RpcError::to_string).collect();
    if errors.len() > 8 {
        all.push(format!("and {} more", errors.len() - 8));
    }
    all.join("; ")
}
