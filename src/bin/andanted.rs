//! The daemon: `andanted --config FILE`. It also is the libyang worker: `andanted yang-worker`.

use andante::config::Settings;
use andante::daemon::{Invocation, log, run};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs one network domain: Presto (RESTCONF) north, Adagio (NETCONF, CLI) south.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Settings file.
    #[arg(long, default_value = "/etc/andante/andante.toml")]
    config: PathBuf,
    /// Die at this point of a transaction (for tests of recovery).
    #[arg(long, hide = true)]
    crash_at: Option<String>,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("yang-worker") {
        return andante::yang::worker::run(std::env::args().skip(2));
    }
    match start(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("andanted: {}", andante::domain::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::read(&arguments.config)?;
    log(&settings.log)?;
    let program = std::env::current_exe()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(Invocation { settings, program, crash_at: arguments.crash_at }))?;
    Ok(())
}
