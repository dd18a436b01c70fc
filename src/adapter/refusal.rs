//! What a platform cannot express is refused with the path of the document that asked for it, never dropped; what it
//! expresses otherwise than it was asked for (rounding) is noted.

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

/// What a platform makes of an attribute otherwise than it was asked for, for people: every plan shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Path in the service document; empty when the attribute does not come from one place of it.
    pub path: String,
    /// `cir 5000001 bit/s from the customer is sent as 5000 kbit/s`.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, " ({})", self.path) }
    }
}
