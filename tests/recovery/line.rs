//! The line to an element: a TCP relay that can be slow, stand still, or be dead. It knows nothing of what it carries.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A line. Dropping it ends its connections.
pub struct Line {
    addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    // Milliseconds that each packet toward the element takes.
    delay: AtomicU64,
    still: Mutex<bool>,
    moves: Condvar,
    dead: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Line {
    /// A line to this address.
    pub fn to(element: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A dead line closes at once: the client sees the end of input instead of a greeting.
                if !shared.dead.load(Ordering::SeqCst) {
                    relay(stream, element, &shared);
                }
            }
        });
        Self { addr, state }
    }

    /// Where the daemon connects to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Each packet toward the element takes this long.
    pub fn slow(&self, delay: Duration) {
        self.state.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Nothing gets through in either direction until [`Line::go_on`]; connections stay open.
    pub fn stand_still(&self) {
        *self.state.still.lock().unwrap() = true;
    }

    pub fn go_on(&self) {
        *self.state.still.lock().unwrap() = false;
        self.state.moves.notify_all();
    }

    /// New connections end at once, until [`Line::repair`]; open ones live on.
    pub fn no_new_connections(&self) {
        self.state.dead.store(true, Ordering::SeqCst);
    }

    /// The same, and open ones are cut.
    pub fn cut(&self) {
        self.no_new_connections();
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.go_on();
    }

    pub fn repair(&self) {
        self.state.dead.store(false, Ordering::SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.cut();
    }
}

fn relay(client: TcpStream, element: SocketAddr, state: &Arc<State>) {
    let Ok(server) = TcpStream::connect(element) else { return };
    {
        let mut open = state.open.lock().unwrap();
        open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
    }
    for (mut from, mut to, down) in
        [(client.try_clone().unwrap(), server.try_clone().unwrap(), true), (server, client, false)]
    {
        let state = state.clone();
        std::thread::spawn(move || {
            let mut block = [0; 65536];
            loop {
                let read = match from.read(&mut block) {
                    Ok(0) => break,
                    Ok(read) => read,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(_) => break,
                };
                let delay = state.delay.load(Ordering::SeqCst);
                if down && delay > 0 {
                    std::thread::sleep(Duration::from_millis(delay));
                }
                let still = state.still.lock().unwrap();
                drop(state.moves.wait_while(still, |still| *still).unwrap());
                if to.write_all(&block[..read]).is_err() {
                    break;
                }
            }
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}
