//! `andante sim`: simulated elements for an inventory file, and the way to their consoles.
//!
//! Wiring only: the elements are [`crate::adagio::sim`]. This module gives them their schemas, prints one line per element
//! when all of them listen, serves the control socket and ends with SIGTERM or SIGINT.

use crate::adagio::driver::chain;
use crate::adagio::sim::{SimFiles, SimHandle, control, run_from_files};
use crate::adapter::{Adapter, Transport};
use crate::config::Settings;
use crate::tree::SchemaIndex;
use crate::yang::client::YangWorker;
use clap::{Args, Parser, Subcommand};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Serve simulated elements on loopback, over real SSH, for an inventory file.
///
/// When all elements listen, one line per element goes to standard output: name, adapter, address, host key. They end
/// with this command. A simulated element proves nothing about a real one.
#[derive(Debug, Parser)]
#[command(name = "andante sim", bin_name = "andante sim", version, args_conflicts_with_subcommands = true)]
pub struct SimArguments {
    #[command(subcommand)]
    console: Option<Console>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Args, Debug)]
struct Serve {
    /// Inventory (TOML), the same that the daemon reads; port 0 in an address means a free one
    #[arg(long, value_name = "FILE", required = true)]
    elements: Option<PathBuf>,
    /// Folder of adapter folders
    #[arg(long, value_name = "DIR", default_value = "adapters")]
    adapters: PathBuf,
    /// Folder of YANG files that are searched before the adapters' own profiles; may be given several times
    #[arg(long, value_name = "DIR")]
    yang: Vec<PathBuf>,
    /// Folder with NAME.running, the configuration with which an element starts
    #[arg(long, value_name = "DIR")]
    running: Option<PathBuf>,
    /// Folder, which must exist, in which host keys are kept between runs
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Socket through which `andante sim show` and `andante sim edit` reach the elements
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Console {
    /// The elements of a running simulator
    List(Socket),
    /// The running configuration of a simulated element, as it prints it
    Show {
        #[command(flatten)]
        socket: Socket,
        /// The element
        element: String,
    },
    /// Change a simulated element by hand, behind the daemon's back
    Edit {
        #[command(flatten)]
        socket: Socket,
        /// The element
        element: String,
        /// Lines of its CLI, or XML that is merged into its running configuration; - is standard input
        text: String,
    },
}

#[derive(Args, Debug)]
struct Socket {
    /// The simulator's control socket
    #[arg(long, value_name = "PATH")]
    control: PathBuf,
}

/// Runs the command line of this process, whose first argument is `sim`.
pub fn main() -> ExitCode {
    let arguments = match SimArguments::try_parse_from(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(perform(arguments)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("andante sim: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

type Error = Box<dyn std::error::Error>;

async fn perform(arguments: SimArguments) -> Result<(), Error> {
    let (socket, command, body) = match arguments.console {
        None => return simulate(arguments.serve).await,
        Some(Console::List(Socket { control })) => (control, "list".to_owned(), String::new()),
        Some(Console::Show { socket, element }) => (socket.control, format!("show {element}"), String::new()),
        Some(Console::Edit { socket, element, text }) => {
            let mut body = text;
            if body == "-" {
                body.clear();
                std::io::stdin().read_to_string(&mut body)?;
            }
            (socket.control, format!("edit {element}"), body)
        }
    };
    print!("{}", control::request(&socket, &command, &body).await?);
    Ok(())
}

async fn simulate(serve: Serve) -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let files = SimFiles {
        elements: serve.elements.unwrap_or_default(), // clap demands it
        adapters: serve.adapters,
        running: serve.running,
        state: serve.state,
    };
    let sim = run_from_files(&files, schemas(&files, serve.yang).await?).await?;
    announce(&sim)?;
    let console = async {
        match &serve.control {
            Some(path) => control::serve(&sim, path).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = console => served?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The schema of every NETCONF adapter that the elements use, compiled as the daemon does it.
async fn schemas(files: &SimFiles, yang: Vec<PathBuf>) -> Result<BTreeMap<String, Arc<SchemaIndex>>, Error> {
    let mut settings = Settings::default();
    settings.paths.yang = yang;
    let worker = std::env::current_exe()?.with_file_name("andanted");
    let worker = YangWorker::spawn(&worker, &["yang-worker"], super::seconds(settings.yang.time_limit));
    let mut schemas = BTreeMap::new();
    for name in files.adapters_in_use()? {
        let folder = files.adapters.join(&name);
        if !speaks_netconf(&folder)? {
            continue;
        }
        // A simulated element has the modules of the profiles, also where a real one brings its own.
        let adapter = super::with_directories(&worker, &settings, Adapter::load(&folder)?).await?;
        if let Some(schema) = adapter.schema() {
            schemas.insert(name, schema.clone());
        }
    }
    Ok(schemas)
}

fn speaks_netconf(folder: &Path) -> Result<bool, Error> {
    Ok(Adapter::load(folder)?.transport() == Transport::Netconf)
}

fn announce(sim: &SimHandle) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    for name in sim.names() {
        out.write_all(control::described(sim, name)?.as_bytes())?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        SimArguments::command().debug_assert();
        let read = |line: &str| SimArguments::try_parse_from(line.split(' '));
        assert!(read("sim --elements a.toml --adapters b --control c").is_ok());
        assert!(read("sim edit --control c pe2 text").is_ok());
        assert!(read("sim show --control c pe2").is_ok());
        assert!(read("sim").is_err());
        assert!(read("sim edit pe2 text").is_err());
    }
}
