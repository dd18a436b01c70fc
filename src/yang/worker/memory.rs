//! The worker's own memory limit (`RLIMIT_DATA` and `RLIMIT_AS`), set once at the start.
//!
//! With it hostile modules or documents end the worker, or get the answer that memory ran out, before the machine suffers.
//! Two limits, because not every kernel counts anonymous mappings into the first; the second one also counts the
//! executable, so what is mapped at the start is added to it.
#![allow(unsafe_code)]

use std::io;

/// Sets the limit that is among the arguments, if there is one.
pub(super) fn limit(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let Some(argument) = arguments.next() else { return Ok(()) };
    let bytes = argument.strip_prefix(ARGUMENT).and_then(|bytes| bytes.parse::<u64>().ok());
    let bytes = bytes.ok_or_else(|| format!("'{argument}' is not {ARGUMENT}BYTES"))?;
    for (resource, bytes) in [(libc::RLIMIT_DATA, bytes), (libc::RLIMIT_AS, bytes.saturating_add(mapped()))] {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: the structure lives during the call, which only reads it.
        if unsafe { libc::setrlimit(resource, &limit) } != 0 {
            return Err(format!("cannot limit its memory to {bytes} bytes: {}", io::Error::last_os_error()));
        }
    }
    Ok(())
}

/// How the limit is given; the client writes it.
pub(in super::super) const ARGUMENT: &str = "--memory-limit=";

/// Address space that is taken now: the executable and its libraries.
fn mapped() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm");
    let pages = pages.ok().and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    // SAFETY: it only asks.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.map_or(MARGIN, |pages| pages.saturating_mul(page.try_into().unwrap_or(4096)))
}

/// Where it cannot be told.
const MARGIN: u64 = 256 << 20;
