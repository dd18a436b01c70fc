//! The worker's own memory limit (`RLIMIT_DATA` and `RLIMIT_AS`), set once at the start.
//!
//! With it hostile modules or documents end the worker, or get the answer that memory ran out, before the machine suffers.
//! Two limits, because not every kernel counts anonymous mappings into the first; the second one also counts the
//! executable, so it gets a margin.
#![allow(unsafe_code)]

use std::io;

/// Sets the limit that is among the arguments, if there is one.
pub(super) fn limit(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let Some(argument) = arguments.next() else { return Ok(()) };
    let bytes = argument.strip_prefix(ARGUMENT).and_then(|bytes| bytes.parse::<u64>().ok());
    let bytes = bytes.ok_or_else(|| format!("'{argument}' is not {ARGUMENT}BYTES"))?;
    for (resource, bytes) in [(libc::RLIMIT_DATA, bytes), (libc::RLIMIT_AS, bytes.saturating_add(MARGIN))] {
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

/// Address space of the executable and its libraries.
const MARGIN: u64 = 256 << 20;
