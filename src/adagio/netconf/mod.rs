//! The NETCONF client (RFC 6241, RFC 6242): strings and bytes, no trees and no services.
//!
//! ```text
//! bytes of a stream -> framing -> message -> session -> typed calls (operation) -> the driver above
//! ```
//!
//! * [`framing`] cuts the byte stream into messages; pure.
//! * [`message`] reads hellos, replies and notifications; pure. [`xml`] is the guarded walk under it,
//!   `plain` its short way over what needs no walk.
//! * [`operation`] prints the operations; [`capabilities`] reads what an element can do.
//! * [`readings`] knows a reply that says what the last one said.
//! * [`schemas`] reads the element's own YANG modules.
//! * [`session`] owns one stream in one task and offers the typed calls; [`error`] is why they fail.

pub mod capabilities;
pub mod driver;
pub mod error;
pub mod framing;
pub mod message;
pub mod operation;
mod plain;
pub mod readings;
pub mod schemas;
pub mod session;
mod sessions;
mod task;
pub mod xml;

pub use capabilities::{Capabilities, Module, WithDefaults};
pub use error::{EndCause, NetconfError};
pub use message::{Notification, ReplyBody, RpcError, RpcReply};
pub use operation::{ConfirmedCommit, Datastore, DefaultOperation, EditConfig, ErrorOption, Filter, TestOption};
pub use readings::{ReadingCount, Readings};
pub use session::{Done, NetconfLimits, NetconfSession};
pub use xml::Fragment;
