//! What client and worker say to each other: frames of a head and a body. A frame is the length of its head and of its
//! body (4 bytes each, big endian), the head (one JSON object), and the body (bytes as they are: YANG texts, a document, the
//! stored form of tables).
//!
//! One request is answered by one response, in order. The protocol has no version: both ends are the same executable. Both
//! lengths are bounded, and memory is taken as bytes arrive, not as they are announced.

use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Largest head in bytes; a larger length means that the two ends do not understand each other.
pub const MAX_HEAD: usize = 16 << 20;
/// Largest body in bytes.
pub const MAX_BODY: usize = 256 << 20;
/// Most faults of one document that are told; more are counted.
pub const MAX_FAULTS: usize = 1000;
/// Longest text of libyang that is passed on, bytes.
pub const MAX_TEXT: usize = 4096;

/// A question to the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Compile a module set and keep it under `set`. The body holds the texts, one after the other.
    Load {
        /// Content id of the set.
        set: String,
        /// The modules to implement, in this order.
        modules: Vec<Named>,
        /// The texts of these modules, of what they import and include.
        texts: Vec<TextOf>,
        /// Whether the tables are asked for. They are not when the client has them.
        tables: bool,
    },
    /// Validate an instance document, which is the body, printed by our own codec.
    Validate {
        /// Content id of a loaded set.
        set: String,
        /// What the document is.
        kind: DocumentKind,
        /// How it is written.
        encoding: Encoding,
    },
    /// Add all defaults to a configuration document, which is the body, printed by our own codec. It is not validated.
    Fill {
        /// Content id of a loaded set.
        set: String,
        /// How it is written.
        encoding: Encoding,
    },
    /// Forget a set.
    Drop {
        /// Content id.
        set: String,
    },
}

/// A module to be implemented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Module name.
    pub name: String,
    /// Revision, if one is asked for.
    pub revision: Option<String>,
    /// Features to enable; `*` alone enables all.
    pub features: Vec<String>,
}

/// A text of the body: of which module or submodule, and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextOf {
    /// Module name.
    pub name: String,
    /// Revision, if known.
    pub revision: Option<String>,
    /// Bytes of YANG text.
    pub bytes: usize,
}

/// What an instance document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// Configuration only; state nodes are errors. Every module that has a node in it is validated whole.
    Config,
    /// Configuration and state.
    Data,
    /// The input of an operation: one top-level element, the operation, with the input below.
    Input,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// RFC 7951.
    Json,
    /// RFC 7950 XML; several top-level elements are allowed.
    Xml,
}

/// An answer of the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// The set is loaded. The body is the stored form of its tables, if they were asked for.
    Loaded {
        /// Modules that were asked for and could not be compiled.
        left_out: Vec<LeftOut>,
    },
    /// It could not be done at all.
    Failed {
        /// Why.
        message: String,
    },
    /// There is not enough memory for it. The worker ends after this answer.
    OutOfMemory,
    /// The set is not loaded (a worker that was started again has none).
    UnknownSet,
    /// The document was validated; without faults it is valid.
    Validated {
        /// All faults that were found.
        faults: Vec<Fault>,
    },
    /// The body is the document with all its defaults, in the encoding of the request.
    Filled,
    /// The set is gone.
    Dropped,
}

/// A module that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Module name.
    pub module: String,
    /// What libyang says.
    pub reason: String,
}

/// One fault of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Instance identifier of the node; empty when it has no place.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// error-app-tag of the module, or of RFC 7950 §15.
    pub app_tag: Option<String>,
    /// error-tag of RFC 6241.
    pub tag: String,
}

/// Writes one frame.
pub fn write_frame(to: &mut impl Write, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    to.write_all(&frame_lengths(head.len(), body.len())?)?;
    to.write_all(&head)?;
    to.write_all(body)?;
    to.flush()
}

/// Reads the head and the body of one frame; `None` when the other end has closed the stream before it.
pub fn read_frame(from: &mut impl Read) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut lengths = [0; 8];
    match from.read(&mut lengths)? {
        0 => return Ok(None),
        read => from.read_exact(&mut lengths[read..])?,
    }
    let (head, body) = checked_lengths(lengths)?;
    let mut take = |length: usize| {
        let mut bytes = Vec::new();
        from.by_ref().take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() == length { Ok(bytes) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
    };
    Ok(Some((take(head)?, take(body)?)))
}

/// The lengths of a frame as they are sent.
pub(super) fn frame_lengths(head: usize, body: usize) -> io::Result<[u8; 8]> {
    if head > MAX_HEAD || body > MAX_BODY {
        let what = format!("a frame of {head} and {body} bytes is too large");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut lengths = [0; 8];
    lengths[..4].copy_from_slice(&(head as u32).to_be_bytes());
    lengths[4..].copy_from_slice(&(body as u32).to_be_bytes());
    Ok(lengths)
}

/// The lengths of a frame, head and body, as they were received.
pub(super) fn checked_lengths(lengths: [u8; 8]) -> io::Result<(usize, usize)> {
    let [a, b, c, d, e, f, g, h] = lengths;
    let (head, body) = (u32::from_be_bytes([a, b, c, d]) as usize, u32::from_be_bytes([e, f, g, h]) as usize);
    if head > MAX_HEAD || body > MAX_BODY {
        let what = format!("a frame of {head} and {body} bytes is too large");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok((head, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_and_a_false_length_takes_no_memory() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &Response::Filled, b"body").unwrap();
        let mut from = &bytes[..];
        let (head, body) = read_frame(&mut from).unwrap().unwrap();
        assert!(matches!(serde_json::from_slice(&head).unwrap(), Response::Filled));
        assert_eq!(body, b"body");
        assert!(read_frame(&mut from).unwrap().is_none(), "closed between two frames");
        for end in 1..bytes.len() {
            assert!(read_frame(&mut &bytes[..end]).is_err(), "cut at {end}");
        }
        let promise = frame_lengths(2, MAX_BODY).unwrap();
        assert!(read_frame(&mut &promise[..]).is_err());
        assert!(read_frame(&mut &[0xff; 8][..]).unwrap_err().to_string().contains("too large"));
        assert!(frame_lengths(MAX_HEAD + 1, 0).is_err() && frame_lengths(0, MAX_BODY + 1).is_err());
    }
}
