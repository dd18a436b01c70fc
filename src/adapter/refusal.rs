//! What a platform cannot express: refused with the path of the document that asked for it, never dropped.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One attribute that the platform of one element cannot express.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refusal {
    /// Path in the service document; empty when the attribute does not come from one place of it.
    pub path: String,
    /// Token of [`crate::service::attributes::TOKENS`].
    pub attribute: String,
    /// What is wrong, for people: `platform frr cannot express access.mtu-ip (the MTU of IP packets)`.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}
