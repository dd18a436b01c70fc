//! The types of the house as nodes of module `andante`. Pure.
//!
//! Flow: controller's answer -> here -> a tree -> the JSON or XML codec. Every value passes the type that the module gives its
//! leaf, so that what is printed is what `yang/andante.yang` says; a value that does not fit is left out and logged, because a
//! report with a gap is better than none.

mod input;
mod past;
mod plan;
mod sheet;
mod state;

pub use input::{InputError, Reader, element_of};
pub use past::{revision, standing};
pub use plan::{plan_content, plans};
pub use sheet::Sheet;
pub use state::{
    ServiceFact, Timings, adapters, deviating, deviations, elements, queue, result, rewrite, rewrites, services,
    sync_state, transaction, transactions,
};
