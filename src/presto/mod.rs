//! North: what orchestrators and the `andante` command speak. Protocol only.
//!
//! Flow: bytes -> [`restconf`] -> a call of the `controller` -> [`view`] -> bytes. Nothing here decides what happens to the network;
//! every judgement is the controller's. All bytes that arrive are hostile: size, depth, time and count have limits, and
//! the answer to a bad request names what, where, why and what to do.

pub mod restconf;
mod server;
pub mod view;

pub use server::{Listeners, Server, ServerSettings, listen, serve};
