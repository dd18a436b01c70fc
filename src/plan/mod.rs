//! From intent to the exact bytes: the plan.
//!
//! A plan is immutable, complete and printable; whoever executes it has no choices left. It is a function of its inputs:
//! same inputs, other process, same id, same bytes. No type that can write to an element is in scope here.

mod compare;
mod planner;
mod record;
mod refused;
mod scope;

pub use compare::{Difference, differences, words};
pub use planner::{ElementInput, adopted_owner, as_sent, plan_element, plan_heal, relied_on, unified};

pub use record::{
    ElementPlan, HandMade, Plan, ReadEntry, ServiceChange, ServiceEffect, content_digest, digest_at, matches_at,
    touched_state, toward,
};
pub use refused::Refused;
pub use scope::{Allowed, Permit};
