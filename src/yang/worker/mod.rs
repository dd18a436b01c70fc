//! The worker process: reads requests from standard input, owns the libyang contexts, answers on standard output.
//!
//! Single-threaded, no file, no network, no settings. It ends when its standard input is closed. A crash of libyang ends the
//! process and nothing else. The only modules of the house with `unsafe` are below this one: libyang's safe binding has no
//! access to union members, enumeration names, identities, array lengths and the list of all errors.

mod export;
mod set;
mod types;

use super::protocol::{Request, Response, read_frame, write_frame};
use set::Set;
use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter};
use std::process::ExitCode;

/// Runs the worker until its standard input ends. Called by `andanted yang-worker`.
pub fn run() -> ExitCode {
    let mut from = BufReader::new(io::stdin().lock());
    let mut to = BufWriter::new(io::stdout().lock());
    let mut sets = HashMap::new();
    loop {
        let answered = match read_frame(&mut from) {
            Ok(None) => return ExitCode::SUCCESS,
            Ok(Some(bytes)) => write_frame(&mut to, &answer(&mut sets, &bytes)),
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            // Standard error is the daemon's journal.
            eprintln!("yang worker: the connection to the daemon is broken: {error}");
            return ExitCode::FAILURE;
        }
    }
}

fn answer(sets: &mut HashMap<String, Set>, bytes: &[u8]) -> Response {
    let request = match serde_json::from_slice(bytes) {
        Ok(request) => request,
        Err(error) => return Response::Failed { message: format!("the request is not understood: {error}") },
    };
    match request {
        Request::Load { set, modules, sources } => {
            if let Some(known) = sets.get(&set) {
                return known.answer();
            }
            match Set::compile(&set, &modules, sources) {
                Ok(compiled) => {
                    let answer = compiled.answer();
                    sets.insert(set, compiled);
                    answer
                }
                Err(message) => Response::Failed { message },
            }
        }
        Request::Validate { set, kind, encoding, document } => match sets.get(&set) {
            Some(set) => match set.validate(kind, encoding, document) {
                Ok(faults) => Response::Validated { faults },
                Err(message) => Response::Failed { message },
            },
            None => Response::UnknownSet,
        },
        Request::Drop { set } => {
            sets.remove(&set);
            Response::Dropped
        }
    }
}
