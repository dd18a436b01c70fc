//! The south (MEF Adagio, ICM:ECM): the only input and output to elements.
//!
//! [`driver`] says what a driver can do; the transaction and the reconcile loop know nothing else of an element.

pub mod driver;

pub use driver::{Confirm, DriverError, Effect, Reader, Reading, Southbound, Writer};

// What is sent is made by the adapter and carried by the driver; the transaction knows it from here.
pub use crate::adapter::Payload;
