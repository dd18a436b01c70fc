//! What client and worker say to each other: one JSON object per frame, a frame being its length (4 bytes, big endian)
//! and its bytes.
//!
//! One request is answered by one response, in order. The protocol has no version: both ends are the same executable.

use crate::tree::schema::Tables;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Largest frame in bytes; a larger length means that the two ends do not understand each other.
pub const MAX_FRAME: usize = 256 << 20;

/// A question to the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Compile a module set and keep it under `set`. Loading a set that is there already answers its tables again.
    Load {
        /// Content id of the set.
        set: String,
        /// The modules to implement, in this order.
        modules: Vec<Named>,
        /// The texts of these modules, of what they import and include.
        sources: Vec<Source>,
    },
    /// Validate an instance document.
    Validate {
        /// Content id of a loaded set.
        set: String,
        /// What the document is.
        kind: DocumentKind,
        /// How it is written.
        encoding: Encoding,
        /// The document, printed by our own codec.
        document: String,
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

/// The text of a module or submodule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Module name.
    pub name: String,
    /// Revision, if known.
    pub revision: Option<String>,
    /// YANG text.
    pub text: String,
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
    /// The set is loaded.
    Loaded {
        /// The schema index in its stored form.
        tables: Tables,
        /// Modules that were asked for and could not be compiled.
        left_out: Vec<LeftOut>,
    },
    /// The set could not be made at all.
    Failed {
        /// Why.
        message: String,
    },
    /// The set is not loaded (a worker that was started again has none).
    UnknownSet,
    /// The document was validated; without faults it is valid.
    Validated {
        /// All faults that were found.
        faults: Vec<Fault>,
    },
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
pub fn write_frame(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    to.write_all(&frame_length(bytes.len())?)?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one frame; `None` when the other end has closed the stream before it.
pub fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut bytes = vec![0; checked_length(length)?];
    from.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// The length of a frame as it is sent.
pub(super) fn frame_length(length: usize) -> io::Result<[u8; 4]> {
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a frame of {length} bytes is too large")));
    }
    Ok((length as u32).to_be_bytes())
}

/// The length of a frame as it was received.
pub(super) fn checked_length(length: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes is too large")));
    }
    Ok(length)
}
