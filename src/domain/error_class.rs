//! What an error means for the one who might try again. Retry looks at the class only.

use serde::{Deserialize, Serialize};

/// The class of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// May pass by itself: unreachable, locked by another, busy, timed out.
    Transient,
    /// The request or the configuration was refused; the same will be refused again.
    Rejected,
    /// Somebody else changed what the request was made for.
    Conflict,
    /// A fault of this program; never retried.
    Bug,
}
