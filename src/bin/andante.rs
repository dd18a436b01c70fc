//! The command `andante` for NOC staff. See `andante --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("sim") {
        return andante::daemon::simulate::main();
    }
    ExitCode::from(64)
}
