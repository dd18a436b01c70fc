//! The canonical meaning of a service document, and what it asks of each element.
//!
//! Second station of the flow: a face makes a [`Service`] out of a document; [`admission`] asks whether elements, ports
//! and VLANs are there and free; [`decompose()`] makes an [`ElementService`] per element out of it, with numbers from the
//! [`ledger`]. Pure: no clock, no I/O, no randomness; the ledger's state and the time are arguments.
//!
//! Guarantees: the same service, inventory and ledger give the same element services, byte for byte, in whatever order
//! they are listed. Whatever a part cannot be made into is an error with the document's path.
//! It does not know platforms (that is the adapters' work) and looks at no element.

pub mod admission;
pub mod attributes;
pub mod canonical;
pub mod decompose;
pub mod element_service;
pub mod error;
pub mod ledger;
pub mod number;
pub mod sharing;

pub use admission::{PortUse, admit};
pub use canonical::{Said, Service};
pub use decompose::{Decomposition, decompose, explicit_numbers, instance_name};
pub use element_service::ElementService;
pub use error::{ErrorTag, ServiceError};
pub use ledger::{Draft, Exclusions, Ledger, Ranges};
pub use sharing::NumberUse;
