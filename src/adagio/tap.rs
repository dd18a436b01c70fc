//! A tap on a session: whoever opens the session may see each byte at the moment it is handed to the transport.
//!
//! This is how a test proves that the bytes on the wire are the bytes of the plan, and how a live session becomes a
//! transcript. A tap sits above SSH: it sees framing, never passwords or keys.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Observer = dyn Fn(&[u8]) + Send + Sync;

/// Sees the bytes that leave; the default sees nothing.
#[derive(Clone, Default)]
pub struct Tap(Option<Arc<Observer>>);

impl Tap {
    /// Calls `observer` with every piece that is sent, in order. It runs in the session's task and must not block.
    pub fn new(observer: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Tap(Some(Arc::new(observer)))
    }

    /// A tap that keeps everything, with the record to read it from.
    pub fn recording() -> (Self, Record) {
        let record = Record::default();
        let writer = record.clone();
        (Tap::new(move |bytes| writer.append(bytes)), record)
    }

    pub(super) fn sent(&self, bytes: &[u8]) {
        if let Some(observer) = &self.0 {
            observer(bytes);
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tap(on)" } else { "Tap(off)" })
    }
}

/// What a recording tap has seen so far.
#[derive(Clone, Default, Debug)]
pub struct Record(Arc<Mutex<Vec<u8>>>);

impl Record {
    /// All bytes sent so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether `needle` was sent in one piece.
    pub fn contains(&self, needle: &[u8]) -> bool {
        !needle.is_empty() && self.bytes().windows(needle.len()).any(|w| w == needle)
    }

    fn append(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
}
