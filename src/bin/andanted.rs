//! The daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("yang-worker") {
        return andante::yang::worker::run();
    }
    ExitCode::SUCCESS
}
