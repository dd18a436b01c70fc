//! Why there is no connection to an element, or why it ended.

use crate::domain::ErrorClass;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no connection, or why it ended.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// TCP or the key exchange failed.
    #[error("{address}: cannot connect")]
    Connect {
        /// `host:port`
        address: String,
        /// what the network or the library said
        #[source]
        source: Box<russh::Error>,
    },
    /// A step did not end in time.
    #[error("{address}: {step} took longer than {limit:?}")]
    TimedOut {
        /// `host:port`
        address: String,
        /// what was being done
        step: &'static str,
        /// the limit that passed
        limit: Duration,
    },
    /// No host key is pinned for this element.
    #[error("{address}: host key {fingerprint} is not pinned; check it and pin it (element probe --trust)")]
    HostKeyUnknown {
        /// `host:port`
        address: String,
        /// `SHA256:…` of the key the element showed
        fingerprint: String,
        /// the same key as `algorithm base64`
        openssh: String,
    },
    /// The element shows another key than the pinned one.
    #[error("{address}: host key is {got}, pinned is {expected}; nothing was sent")]
    HostKeyChanged {
        /// `host:port`
        address: String,
        /// the pin
        expected: String,
        /// `SHA256:…` of the key the element showed
        got: String,
    },
    /// The element shows a host certificate.
    #[error("{address}: host certificates are not accepted; pin the plain host key")]
    HostCertificate {
        /// `host:port`
        address: String,
    },
    /// The private key file is unusable.
    #[error("private key {path}: cannot be used")]
    PrivateKey {
        /// the file
        path: PathBuf,
        /// why
        #[source]
        source: Box<russh::keys::Error>,
    },
    /// The element refused every way that was offered.
    #[error("{address}: authentication of {username} refused (tried {tried}; the element offers {offered})")]
    AuthRefused {
        /// `host:port`
        address: String,
        /// the account
        username: String,
        /// methods tried, comma separated
        tried: String,
        /// methods the element would take
        offered: String,
    },
    /// The connection broke during authentication.
    #[error("{address}: connection lost during authentication")]
    AuthBroken {
        /// `host:port`
        address: String,
        /// why
        #[source]
        source: Box<russh::Error>,
    },
    /// The element would not open a channel.
    #[error("{address}: cannot open {what}")]
    Channel {
        /// `host:port`
        address: String,
        /// shell or subsystem
        what: String,
        /// why
        #[source]
        source: Box<russh::Error>,
    },
    /// The element refused the terminal, shell or subsystem on an open channel.
    #[error("{address}: the element refuses {what}")]
    ChannelRefused {
        /// `host:port`
        address: String,
        /// shell or subsystem
        what: String,
    },
}

impl SshError {
    /// What a retry may do with this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            SshError::Connect { source, .. } if matches!(**source, russh::Error::NoCommonAlgo { .. }) => {
                ErrorClass::Rejected
            }
            SshError::Connect { .. } | SshError::TimedOut { .. } | SshError::AuthBroken { .. } => ErrorClass::Transient,
            // A session limit looks like this on every server: worth another try later.
            SshError::Channel { .. } | SshError::ChannelRefused { .. } => ErrorClass::Transient,
            SshError::HostKeyUnknown { .. }
            | SshError::HostKeyChanged { .. }
            | SshError::HostCertificate { .. }
            | SshError::PrivateKey { .. }
            | SshError::AuthRefused { .. } => ErrorClass::Rejected,
        }
    }
}
