//! Sessions of a second person: plain OpenSSH clients, driven line by line. None of the daemon's code is in them.
use super::Access;
use super::processes::PATIENCE;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// One `ssh` process and what it has said.
struct Ssh {
    client: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    said: Vec<u8>,
}

impl Ssh {
    fn open(access: &Access, options: &[&str], after: &[&str]) -> Self {
        let addr = access.addr();
        let mut client = Command::new("ssh")
            .args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"])
            .args(["-o", "StrictHostKeyChecking=yes", "-o"])
            .arg(format!("UserKnownHostsFile={}", access.known_hosts().display()))
            .arg("-i")
            .arg(access.private_key())
            .args(["-p", &addr.port().to_string(), "-l", &access.username()])
            .args(options)
            .arg(addr.ip().to_string())
            .args(after)
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ssh starts");
        let (sender, output) = channel();
        let mut stdout = client.stdout.take().expect("piped");
        std::thread::spawn(move || {
            let mut block = [0; 65536];
            while let Ok(read @ 1..) = stdout.read(&mut block) {
                if sender.send(block[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let input = client.stdin.take();
        Self { client, input, output, said: Vec::new() }
    }

    fn send(&mut self, text: &str) {
        let input = self.input.as_mut().expect("open");
        input.write_all(text.as_bytes()).and_then(|()| input.flush()).expect("the session takes input");
    }

    /// Everything up to the point which the function finds (an offset into what was said so far).
    fn read_until(&mut self, what: &str, end: impl Fn(&[u8]) -> Option<usize>) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = end(&self.said) {
                let rest = self.said.split_off(at);
                return Ok(std::mem::replace(&mut self.said, rest));
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(block) => self.said.extend(block),
                Err(error) => {
                    let said = String::from_utf8_lossy(&self.said);
                    return Err(format!("waiting for {what}: {error}; so far: {said}"));
                }
            }
        }
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// A NETCONF session in chunked framing (base:1.1). Dropping it cuts the connection; its locks go with it.
pub struct NetconfSession {
    ssh: Ssh,
    hello: String,
    messages: u32,
}

impl NetconfSession {
    /// Exchanges the hellos.
    pub fn open(access: &Access) -> Self {
        let mut ssh = Ssh::open(access, &["-s"], &["netconf"]);
        ssh.send(&format!("{HELLO}{EOM}"));
        Self::greeted(ssh, 0)
    }

    /// Sends the hello and the first operation in one piece, without having seen the server's hello; returns the reply.
    pub fn ask_in_haste(access: &Access, operation: &str) -> Result<String, String> {
        let mut ssh = Ssh::open(access, &["-s"], &["netconf"]);
        ssh.send(&format!("{HELLO}{EOM}{}", chunked(1, operation)));
        Self::greeted(ssh, 1).reply()
    }

    fn greeted(ssh: Ssh, messages: u32) -> Self {
        let mut session = Self { ssh, hello: String::new(), messages };
        let hello = session
            .ssh
            .read_until("a hello", |said| find(said, EOM.as_bytes()).map(|at| at + EOM.len()))
            .unwrap_or_else(|error| panic!("{error}"));
        session.hello = String::from_utf8_lossy(&hello).trim_end_matches(EOM).to_owned();
        session
    }

    /// The server's hello.
    pub fn hello(&self) -> &str {
        &self.hello
    }

    /// The client process.
    pub fn client_pid(&self) -> u32 {
        self.ssh.client.id()
    }

    /// Sends one operation (the content of `<rpc>`) and returns the whole reply.
    pub fn rpc(&mut self, operation: &str) -> String {
        self.try_rpc(operation).unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// The same where the session may be cut.
    ///
    /// # Errors
    /// The session ended, or there was no reply in time.
    pub fn try_rpc(&mut self, operation: &str) -> Result<String, String> {
        self.messages += 1;
        self.ssh.send(&chunked(self.messages, operation));
        self.reply()
    }

    fn reply(&mut self) -> Result<String, String> {
        let mut reply = Vec::new();
        loop {
            // RFC 6242 §4.2: LF # size LF bytes, and LF # # LF at the end of the message.
            let header = self
                .ssh
                .read_until("a chunk", |said| said.iter().skip(2).position(|byte| *byte == b'\n').map(|at| at + 3))?;
            let header = String::from_utf8_lossy(&header).into_owned();
            let size = header.strip_prefix("\n#").unwrap_or_else(|| panic!("no chunk: {header:?}")).trim_end();
            if size == "#" {
                return Ok(String::from_utf8(reply).expect("a reply in UTF-8"));
            }
            let size: usize = size.parse().unwrap_or_else(|_| panic!("no chunk: {header:?}"));
            reply.extend(self.ssh.read_until("a whole chunk", |said| (said.len() >= size).then_some(size))?);
        }
    }

    /// # Panics
    /// The reply is not `<ok/>`.
    pub fn expect_ok(&mut self, operation: &str) {
        let reply = self.rpc(operation);
        assert!(reply.contains("<ok/>"), "{operation}\nwas answered {reply}");
    }
}

/// A person at the prompt of a CLI, on a terminal.
pub struct CliSession {
    ssh: Ssh,
    prompt: String,
}

impl CliSession {
    /// Waits for the first prompt.
    pub fn open(access: &Access) -> Self {
        let mut session = Self { ssh: Ssh::open(access, &["-tt"], &[]), prompt: String::new() };
        session.answer().unwrap_or_else(|error| panic!("{error}"));
        session
    }

    /// The prompt as it stands now, `pe2(config)# `.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Types a line and returns what comes back before the next prompt, the echo included, line ends as `\n`.
    pub fn line(&mut self, line: &str) -> String {
        self.try_line(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// The same where the session may be cut.
    ///
    /// # Errors
    /// The session ended, or there was no prompt in time.
    pub fn try_line(&mut self, line: &str) -> Result<String, String> {
        self.ssh.send(&format!("{line}\n"));
        self.answer()
    }

    fn answer(&mut self) -> Result<String, String> {
        let text = self.ssh.read_until("a prompt", |said| {
            let last = said.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            (last.ends_with(b"# ") && !last.trim_ascii_end().contains(&b' ')).then_some(said.len())
        })?;
        let text = String::from_utf8_lossy(&text).replace('\r', "");
        let (answer, prompt) = text.rsplit_once('\n').unwrap_or(("", &text));
        self.prompt = prompt.to_owned();
        Ok(answer.to_owned())
    }
}

fn chunked(id: u32, operation: &str) -> String {
    let rpc = format!("<rpc xmlns=\"{BASE}\" message-id=\"{id}\">{operation}</rpc>");
    format!("\n#{}\n{rpc}\n##\n", rpc.len())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

const EOM: &str = "]]>]]>";
const BASE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";

/// What a [`NetconfSession`] sends first. `operation="remove"` exists in base:1.1 only.
pub const HELLO: &str = "<hello xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><capabilities>\
    <capability>urn:ietf:params:netconf:base:1.0</capability>\
    <capability>urn:ietf:params:netconf:base:1.1</capability></capabilities></hello>";
