//! The worker process: reads requests from standard input, owns the libyang contexts, answers on standard output.
//!
//! Single-threaded, no file, no network, no settings but its own memory limit, which it sets before it reads anything. It
//! ends when its standard input is closed, and after it has said that memory ran out: what libyang left half done is not
//! used again. A crash of libyang ends the process and nothing else. The only modules of the house with `unsafe` are below
//! this one: libyang's safe binding has no access to union members, enumeration names, identities, array lengths and the
//! list of all errors.

mod export;
mod memory;
mod modules;
mod set;
mod types;

pub(super) use memory::ARGUMENT as MEMORY_LIMIT;

use super::protocol::{Request, Response, read_frame, write_frame};
use set::{Failed, Set};
use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter};
use std::process::ExitCode;

/// Changes whenever the same modules give other tables: a cached index of another number is not used.
pub const EXPORT: u32 = 4;

/// The crate that bundles the libyang that compiles; a test compares it with the lock file.
pub const LIBYANG: &str = "libyang5-sys 0.2.0";

/// Runs the worker until its standard input ends. Called by `andanted yang-worker [--memory-limit=BYTES]`.
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    if let Err(error) = memory::limit(arguments) {
        eprintln!("yang worker: {error}");
        return ExitCode::FAILURE;
    }
    let mut from = BufReader::new(io::stdin().lock());
    let mut to = BufWriter::new(io::stdout().lock());
    let mut answer = answering();
    loop {
        let answered = match read_frame(&mut from) {
            Ok(None) => return ExitCode::SUCCESS,
            Ok(Some((head, body))) => {
                let (response, body) = answer(&head, body);
                let written = write_frame(&mut to, &response, &body);
                if matches!(response, Response::OutOfMemory) {
                    return ExitCode::FAILURE;
                }
                written
            }
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            // Standard error goes to the daemon's log.
            eprintln!("yang worker: the connection to the daemon is broken: {error}");
            return ExitCode::FAILURE;
        }
    }
}

/// The worker without its streams: answers the head and the body of one frame after the other.
pub fn answering() -> impl FnMut(&[u8], Vec<u8>) -> (Response, Vec<u8>) {
    let mut sets = HashMap::new();
    move |head, body| answer(&mut sets, head, body)
}

/// The head and the body of the answer.
fn answer(sets: &mut HashMap<String, Set>, head: &[u8], body: Vec<u8>) -> (Response, Vec<u8>) {
    let request = match serde_json::from_slice(head) {
        Ok(request) => request,
        Err(error) => {
            return (Response::Failed { message: format!("the request is not understood: {error}") }, Vec::new());
        }
    };
    let done = match request {
        Request::Load { set, modules, texts, tables } => loaded(sets, set, &modules, &texts, &body, tables),
        Request::Validate { set, kind, encoding } => match sets.get(&set) {
            Some(set) => set.validate(kind, encoding, body).map(|faults| (Response::Validated { faults }, Vec::new())),
            None => Ok((Response::UnknownSet, Vec::new())),
        },
        Request::Fill { set, encoding } => match sets.get(&set) {
            Some(set) => set.fill(encoding, body).map(|filled| match filled {
                Ok(document) => (Response::Filled, document),
                Err(faults) => (Response::Validated { faults }, Vec::new()),
            }),
            None => Ok((Response::UnknownSet, Vec::new())),
        },
        Request::Drop { set } => {
            sets.remove(&set);
            Ok((Response::Dropped, Vec::new()))
        }
    };
    done.unwrap_or_else(|failed| match failed {
        Failed::Memory => (Response::OutOfMemory, Vec::new()),
        Failed::Because(message) => (Response::Failed { message }, Vec::new()),
    })
}

fn loaded(
    sets: &mut HashMap<String, Set>,
    id: String,
    modules: &[super::protocol::Named],
    texts: &[super::protocol::TextOf],
    body: &[u8],
    tables: bool,
) -> Result<(Response, Vec<u8>), Failed> {
    if !sets.contains_key(&id) {
        let compiled = Set::compile(&id, modules, texts, body)?;
        sets.insert(id.clone(), compiled);
    }
    let Some(set) = sets.get(&id) else { return Ok((Response::UnknownSet, Vec::new())) };
    let tables = if tables { set.tables()?.encode() } else { Vec::new() };
    Ok((Response::Loaded { left_out: set.left_out().to_vec() }, tables))
}
