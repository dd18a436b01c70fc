//! The demo's domain, asked for plans.

use crate::demo::{Demo, noc};
use crate::platforms::platforms;
use andante::controller::DocumentEdit;
use andante::plan::Allowed;

/// The domain, its IOS-XR elements by the schema that a worker compiles.
pub async fn domain() -> Demo {
    let (_, schemas) = platforms().await;
    Demo::start(schemas, |_| ()).await
}

/// The id of the plan, which says all of it, or why there is none.
pub async fn plan(demo: &Demo, edit: DocumentEdit) -> Result<String, String> {
    let planned = demo.controller.propose(&noc(), vec![edit], &Allowed::default()).await;
    planned.map(|plan| plan.id).map_err(|failure| format!("{failure:?}"))
}

/// A worker of this test's own process: whichever is there, the controller has two.
pub fn worker_of_this_process() -> Option<u32> {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let alive = fields.next()? != "Z";
        let ours = fields.next()? == own;
        let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        (alive && ours && command.contains("yang-worker")).then_some(pid)
    });
    pids.next()
}
