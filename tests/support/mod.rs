//! The lab: real network elements for the tests, from Debian packages, started and ended by the test itself.
//!
//! ```text
//!   test ── ssh, 127.0.0.1:free port ──> sshd ── record.py ── netconf-subsystem ── netconfd        NetconfElement
//!   test ── ssh, 127.0.0.1:free port ──> sshd ── record.py ── vtysh ── zebra bgpd staticd (netns)  FrrElement
//! ```
//!
//! *Guarantees*: every element lives in a temporary folder of its own; nothing listens outside 127.0.0.1; every
//! process is ended by its pid when the element is dropped, and also when the test process dies in any other way
//! (`lab/warden.py`); every wait asks for a real condition and has an end; `wire()` gives the exact bytes which the
//! client sent, session by session, written down before the element could act on them.
//!
//! *Assumptions*: Debian 12 with the packages of `make setup-test`; FRR needs root. A tier that cannot start here is
//! skipped with a printed reason and counted: see [`or_skip`].
//!
//! *Not here*: simulated elements (`adagio/sim`) and anything of the daemon.
#![allow(dead_code, unused_imports, missing_docs)] // each test binary uses its own part of the lab
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a lab that fails is a failed test

pub mod access;
pub mod adapters;
pub mod frr_element;
pub mod netconf_element;
pub mod processes;
pub mod session;
pub mod sshd;
pub mod uml;
pub mod witness;

pub use access::Access;
pub use adapters::changed_adapters;
pub use frr_element::{FrrElement, FrrOptions};
pub use netconf_element::{NetconfElement, NetconfOptions, Target};
pub use session::{CliSession, NetconfSession};
pub use sshd::{Cut, WireSession};
pub use uml::UmlLab;
pub use witness::{ncclient_get_config, ncclient_hello, ncclient_rpcs};

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why a tier of the lab cannot exist on this machine (a missing program, no root), as opposed to a lab that broke.
#[derive(Debug)]
pub struct Unavailable(pub String);

/// The element, or a printed and counted skip.
///
/// ```ignore
/// let Some(pe1) = or_skip("netconf", NetconfElement::start(NetconfOptions::iosxr())) else { return };
/// ```
/// The line `SKIPPED: …` goes past the capture of the test runner and into `target/tmp/skipped`, which `make test`
/// counts. With `ANDANTE_LAB=required` in the environment a skip is a failure.
pub fn or_skip<T>(tier: &str, started: Result<T, Unavailable>) -> Option<T> {
    match started {
        Ok(element) => Some(element),
        Err(Unavailable(reason)) => {
            assert!(
                std::env::var("ANDANTE_LAB").as_deref() != Ok("required"),
                "{tier} is required (ANDANTE_LAB) but cannot start: {reason}"
            );
            skipped(tier, &reason);
            None
        }
    }
}

/// Prints and counts one skip, with its reason.
pub fn skipped(tier: &str, reason: &str) {
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    let line = format!("SKIPPED: {test}: {tier}: {reason}\n");
    // Not eprintln!: the test runner swallows what passing tests print.
    let _ = std::io::stderr().write_all(line.as_bytes());
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    if let Ok(mut list) = std::fs::OpenOptions::new().create(true).append(true).open(list) {
        let _ = list.write_all(line.as_bytes());
    }
}

/// Polls until the condition holds.
///
/// # Errors
/// The condition did not come true within `limit`; the text names it.
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > limit {
            return Err(format!("{what}: not within {limit:?}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The folder where `make setup-test` leaves what it fetched: the build's target folder.
pub fn target_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp has a parent").to_owned()
}

/// The genuine IOS-XR modules (PyPI `ydk-models-cisco-ios-xr` 6.6.3), fetched by `make setup-test`.
///
/// # Errors
/// They have not been fetched.
pub fn iosxr_models() -> Result<PathBuf, Unavailable> {
    let folder = target_folder().join("models/iosxr");
    if folder.join("Cisco-IOS-XR-ifmgr-cfg.yang").is_file() {
        return Ok(folder);
    }
    Err(Unavailable(format!("no IOS-XR modules in {}: run `make setup-test`", folder.display())))
}

/// A program by its usual places (`/usr/sbin` is not in everybody's PATH).
///
/// # Errors
/// It is not installed.
pub fn program(name: &str) -> Result<PathBuf, Unavailable> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/frr"].map(PathBuf::from);
    usual
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Unavailable(format!("{name} is not installed: run `make setup-test`")))
}

/// # Errors
/// The tests do not run as root.
pub fn require_root() -> Result<(), Unavailable> {
    match access::user().as_str() {
        "root" => Ok(()),
        other => Err(Unavailable(format!("needs root (network namespaces, FRR), runs as {other}"))),
    }
}
