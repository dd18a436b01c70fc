//! The command `andante` for NOC staff. See `andante --help`.

use andante::config::Settings;
use andante::daemon::read_elements;
use andante::noc::{Tools, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Simulated elements are no client of a daemon: they are a network of their own.
    if std::env::args().nth(1).as_deref() == Some("sim") {
        return andante::daemon::simulate::main();
    }
    run(&Tools {
        check_settings: |file| Settings::read(file).map(|_| ()).map_err(|error| error.to_string()),
        read_elements: |file| read_elements(file),
        url: std::env::var("ANDANTE_URL").ok().filter(|url| !url.is_empty()),
        no_color: std::env::var_os("NO_COLOR").is_some(),
    })
}
