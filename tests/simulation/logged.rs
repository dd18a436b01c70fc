//! What the daemon logs, at every level, kept per thread for the law about secrets.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use tracing_subscriber::fmt::MakeWriter;

thread_local! {
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

static BEGIN: Once = Once::new();

struct Here;

impl Write for Here {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with(|log| log.borrow_mut().extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Make;

impl<'a> MakeWriter<'a> for Make {
    type Writer = Here;

    fn make_writer(&'a self) -> Here {
        Here
    }
}

/// Begins to listen, and forgets what was said before on this thread.
pub fn listen() {
    BEGIN.call_once(|| {
        let log = tracing_subscriber::fmt().with_writer(Make).with_ansi(false).without_time();
        let _ = log.with_max_level(tracing::Level::TRACE).try_init();
    });
    LOG.with(|log| log.borrow_mut().clear());
}

/// What was logged on this thread since [`listen`].
pub fn take() -> String {
    LOG.with(|log| String::from_utf8_lossy(&log.borrow()).into_owned())
}
