//! Why a plan is refused. Each names the path and what can be done.

use crate::domain::Class;
use crate::plan::HandMade;
use crate::tree::{ClaimConflict, Path};

/// One reason; a refused request carries all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Two owners want different things.
    #[error("{0}; change one of the two services")]
    Conflict(ClaimConflict),
    /// Somebody changed what this request is to change.
    #[error(
        "{path}: changed by hand: recorded {recorded}, actual {actual}, wanted {wanted}; look at it, then use --overwrite",
        path = .0.path,
        recorded = or_nothing(.0.recorded.as_ref()),
        actual = or_nothing(.0.actual.as_ref()),
        wanted = or_nothing(.0.wanted.as_ref())
    )]
    HandMade(HandMade),
    /// The service would own what already stands there without an owner.
    #[error("{path}: exists-unowned: the element already has it ({}) and nobody owns it; adopt it or remove it", or_nothing(actual.as_ref()))]
    ExistsUnowned {
        /// Where.
        path: Path,
        /// What stands there.
        actual: Option<String>,
    },
    /// A removal would take along what nobody claims.
    #[error("{path}: would be removed along with its parent though nobody claims it ({}); use --allow-collateral", or_nothing(actual.as_ref()))]
    Collateral {
        /// Where.
        path: Path,
        /// What stands there.
        actual: Option<String>,
    },
    /// The adapter or the inventory marks the path as protected (management access, own user, SSH service).
    #[error("{path}: protected (management access); {}", protected_words(*class))]
    Protected {
        /// Where.
        path: Path,
        /// Of the element: only an element that reverts by itself may be changed there.
        class: Class,
    },
    /// An unresolved transaction holds the path: what stands there may be its own work, half done.
    #[error("{path}: held by the unresolved transaction {transaction} ({standing}); that has to be settled first")]
    Held {
        /// Where.
        path: Path,
        /// Whose.
        transaction: String,
        /// To which side it goes.
        standing: String,
    },
    /// The adapter could not render the difference.
    #[error("the difference cannot be rendered: {0}")]
    Render(String),
}

impl Refused {
    /// The configuration path, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Refused::Conflict(conflict) => Some(&conflict.path),
            Refused::HandMade(found) => Some(&found.path),
            Refused::ExistsUnowned { path, .. }
            | Refused::Collateral { path, .. }
            | Refused::Protected { path, .. }
            | Refused::Held { path, .. } => Some(path),
            Refused::Render(_) => None,
        }
    }

    /// Short name, as `error-app-tag` says it.
    pub fn app_tag(&self) -> &'static str {
        match self {
            Refused::Conflict(_) => "claim-conflict",
            Refused::HandMade(_) => "hand-made-change",
            Refused::ExistsUnowned { .. } => "exists-unowned",
            Refused::Collateral { .. } => "collateral",
            Refused::Protected { .. } => "protected",
            Refused::Held { .. } => "unresolved-transaction",
            Refused::Render(_) => "cannot-render",
        }
    }
}

fn or_nothing(text: Option<&String>) -> String {
    text.map_or_else(|| "nothing".into(), |text| format!("'{text}'"))
}

fn protected_words(class: Class) -> &'static str {
    match class {
        Class::A => "if it must be, use --allow-protected: the element reverts by itself if it is cut off",
        Class::B | Class::C | Class::D => "no service may change it: the element could not revert by itself",
    }
}
