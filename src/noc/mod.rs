//! The command `andante`: what NOC staff type and see.
//!
//! Flow: arguments -> one or two requests to the daemon (local socket, or a URL) -> the answer, an RFC 7951 document of module `andante`
//! or an `ietf-restconf:errors` body -> tables and diffs for people, or with `--json` the document itself, unchanged.
//!
//! Guarantees: it decides nothing and keeps nothing; what it shows is what the daemon said, without terminal escapes. Exit codes:
//! 0 done or nothing differs, 1 the tool itself failed, 2 differences found, 3 refused or not applied (the network is as before),
//! 4 unresolved or still running, 64 wrong usage. It does not need the daemon's files and may run on another machine.

mod arguments;
mod client;
mod documents;
mod element;
mod failure;
mod paint;
mod past;
mod plan;
mod reports;
mod verbs;
mod watch;

use crate::domain::Element;
use arguments::Arguments;
use clap::Parser;
use failure::Exit;
use std::path::Path;
use std::process::ExitCode;

/// What the command takes from the rest of the house; `bin` brings it.
pub struct Tools {
    /// Checks a settings file; the error names the key.
    pub check_settings: fn(&Path) -> Result<(), String>,
    /// Reads an inventory file.
    pub read_elements: fn(&Path) -> Result<Vec<Element>, String>,
    /// `ANDANTE_URL`.
    pub url: Option<String>,
    /// `NO_COLOR` is set.
    pub no_color: bool,
}

/// Runs the command line of this process.
pub fn run(tools: &Tools) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // Help and version are no mistakes.
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("andante: cannot start: {error}");
            return Exit::Tool.into();
        }
    };
    let paint = paint::Paint::new(arguments.color, tools.no_color);
    match runtime.block_on(verbs::perform(&arguments, tools, paint)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let exit = failure.exit();
            failure.print(&arguments, paint);
            exit.into()
        }
    }
}
