//! One `andanted` process, and a RESTCONF client for its local socket.

use crate::support::wait_until;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running daemon. Dropping it kills it.
pub struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
    // Where this process's part of the log begins.
    since: usize,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Daemon {
    /// Starts the daemon on this settings file and waits until it answers. `arguments` as `["--crash-at", "…"]`.
    pub fn start(config: &Path, socket: &Path, arguments: &[&str]) -> Self {
        let mut daemon = Self::launch(config, socket, arguments, &[]);
        daemon.ready();
        daemon
    }

    /// Starts it without waiting.
    pub fn launch(config: &Path, socket: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = config.with_extension("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let since = usize::try_from(file.metadata().unwrap().len()).unwrap();
        // As systemd starts it: the process knows its own id from the environment. A limit on the size of files is an
        // error of the write, as a full disk is, not the end.
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; export WATCHDOG_PID=$$; exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_andanted"))
            .arg("--config")
            .arg(config)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, socket: socket.to_owned(), log, since }
    }

    /// Waits until RESTCONF answers: recovery is over then.
    pub fn ready(&mut self) {
        let mut ended = None;
        let waited = wait_until("the daemon answers", START, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some() || self.try_ask("GET", "/restconf", "").is_ok_and(|answer| answer.status == 200)
        });
        assert!(waited.is_ok() && ended.is_none(), "{waited:?} {ended:?}\n{}", self.log());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        crate::support::processes::run(Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()));
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) {
        self.signal("KILL");
        let status = self.wait(Duration::from_secs(5));
        assert_eq!(status.signal(), Some(9), "{status}");
    }

    /// SIGTERM; it must end well.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait(Duration::from_secs(30));
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Waits for the end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        let ended = wait_until("the daemon ends", limit, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        ended.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        status.unwrap()
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has died at this point, and nowhere else.
    pub fn dies_at(mut self, point: &str) {
        let status = self.wait(Duration::from_secs(30));
        let log = self.log();
        let here = format!("point=\"{point}\"");
        assert!(status.signal() == Some(6) && log.contains(&here), "died elsewhere ({status}), not at {point}:\n{log}");
    }

    /// What this process has logged.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[self.since.min(bytes.len())..]).into_owned()
    }

    /// One request; panics when there is no answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.try_ask(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// One request on a connection of its own. An error: the daemon is not there, or died before it answered.
    pub fn try_ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
        exchange(&self.socket, method, path, "", body)
    }

    /// The same with further header lines, each with its line end.
    pub fn try_ask_with(&self, method: &str, path: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
        exchange(&self.socket, method, path, headers, body)
    }

    /// A request from another thread, which may stay without an answer.
    pub fn ask_aside(&self, method: &str, path: &str, body: &str) -> std::thread::JoinHandle<std::io::Result<Answer>> {
        let (socket, method) = (self.socket.clone(), method.to_owned());
        let (path, body) = (path.to_owned(), body.to_owned());
        std::thread::spawn(move || exchange(&socket, &method, &path, "", &body))
    }

    /// The ids of the stored services of the face L3NM.
    pub fn services(&self) -> Vec<String> {
        let answer = self.ask("GET", SERVICES, "");
        if answer.status == 404 {
            return Vec::new();
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let all = answer.json();
        let list = all["ietf-l3vpn-ntw:vpn-services"]["vpn-service"].as_array().cloned().unwrap_or_default();
        list.iter().map(|service| service["vpn-id"].as_str().unwrap().to_owned()).collect()
    }

    /// All transactions, newest first.
    pub fn transactions(&self) -> Vec<Value> {
        let answer = self.ask("GET", "/restconf/data/andante:transactions", "");
        if answer.status == 404 {
            return Vec::new();
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["andante:transactions"]["transaction"].as_array().cloned().unwrap_or_default()
    }

    /// The elements by name.
    pub fn element(&self, name: &str) -> Option<Value> {
        let answer = self.ask("GET", "/restconf/data/andante:elements", "");
        let all = answer.json();
        let list = all["andante:elements"]["element"].as_array().cloned().unwrap_or_default();
        list.into_iter().find(|element| element["name"] == name)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(40);
            eprintln!("--- end of the daemon's log\n{}", log.lines().skip(from).collect::<Vec<_>>().join("\n"));
        }
    }
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

fn exchange(socket: &Path, method: &str, path: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(100)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: {JSON}\r\n\
         content-type: {JSON}\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let broken = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, format!("no whole answer: {text}"));
    let (headers, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    Ok(Answer { status, headers: headers.to_owned(), body: body.to_owned() })
}

pub const SERVICES: &str = "/restconf/data/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services";
pub const ACME: &str = "/restconf/data/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service=acme-l3";
const JSON: &str = "application/yang-data+json";
/// Recovery included: what the operator was promised.
const START: Duration = Duration::from_secs(30);
