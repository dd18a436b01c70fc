//! Stories of services: what orchestrators ask for goes through the whole controller (documents, admission, numbers,
//! claims, plan, gate, queue, transaction, mirror) onto elements that speak as their platforms do, under the same virtual
//! time, network, disk and faults as the stories of transactions.
//!
//! ```text
//!  seed ─ dice ─► tale ─ play ─► orchestrators ─► daemons (Controller) ◄─ director (what happens when)
//!                                                   │ sessions   │ disk
//!                                                   ▼            ▼
//!                                  elements (XR edit-config, FRR lines)  store     afterwards: laws
//! ```

pub mod house;
mod laws;
mod play;
mod stories;
mod tale;

use crate::Broken;
use play::{Planted, Stage, play};
use std::sync::Arc;
use tale::Tale;

/// Plays a tale and judges it.
pub fn simulate(tale: &Tale, planted: Planted) -> Result<Arc<Stage>, Broken> {
    crate::logged::listen();
    let stage = play(tale, planted).map_err(|what| Broken { laws: vec![("it comes to an end", what)] })?;
    laws::judge(&stage).map_err(|laws| Broken { laws })?;
    Ok(stage)
}
