//! The south (MEF Adagio, ICM:ECM): the only input and output to elements.
//!
//! [`driver`] says what a driver can do; the transaction and the reconcile loop know nothing else of an element.
//! Below it is the wire level, which knows strings and bytes only:
//!
//! * [`ssh`] opens pinned, authenticated connections; [`netconf`] and [`cli`] are the two languages spoken over them.
//! * [`tap`] shows the bytes that leave, so that a test can compare them with the bytes of a plan.

pub mod cli;
pub mod connect;
pub mod driver;
pub mod netconf;
pub mod secret;
pub mod sim;
pub mod ssh;
pub mod tap;

pub use driver::{Confirm, DriverError, Effect, Holder, Reader, Reading, Southbound, StateValue, Writer};

// What is sent is made by the adapter and carried by the driver; the transaction knows it from here.
pub use crate::adapter::Payload;
pub use crate::adapter::manifest::ElementLimits;
