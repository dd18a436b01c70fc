//! adagio: the south. The only input and output to the elements.
//!
//! * [`ssh`] opens pinned, authenticated connections; [`netconf`] and [`cli`] are the two languages spoken over them.
//! * [`tap`] shows the bytes that leave, so that a test can compare them with the bytes of a plan.
//! * [`error`] is the class of an error, the only thing that a retry may look at.

pub mod cli;
pub mod error;
pub mod netconf;
pub mod ssh;
pub mod tap;
