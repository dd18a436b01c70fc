//! The daemon and the command as an operator has them: the two programs, a settings file, an inventory, a local socket.
//!
//! Nothing here is inside the test's process: `andanted` runs from its files in a folder of its own, `andante` asks it.
//! The time limits are the ones of a slow network: in User-Mode Linux a login takes seconds and a line milliseconds.
use crate::support::processes::{Processes, run};
use crate::support::{UmlLab, wait_until};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A running daemon. Dropping it kills it and removes its folder.
pub struct Daemon {
    processes: Processes,
    asked: std::cell::Cell<u32>,
}

/// How the command ended and what it said.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// # Panics
    /// It ended otherwise.
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "out:\n{}\nerr:\n{}", self.out, self.err);
        self
    }

    /// What it printed with `--json`.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

impl Daemon {
    /// Starts `andanted` with both PEs in its inventory and waits until it answers.
    pub fn start(lab: &UmlLab) -> Self {
        let mut processes = Processes::new().unwrap_or_else(|missing| panic!("{missing:?}"));
        let folder = processes.folder().to_owned();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let settings = SETTINGS
            .replace("ADAPTERS", &root.join("adapters").display().to_string())
            .replace("PROFILES", &root.join("yang").display().to_string());
        std::fs::write(folder.join("andante.toml"), settings).expect("settings");
        std::fs::write(folder.join("elements.toml"), inventory(lab)).expect("inventory");
        let program = env!("CARGO_BIN_EXE_andanted");
        processes.spawn(DAEMON, Command::new(program).arg("--config").arg(folder.join("andante.toml")));
        let mut daemon = Self { processes, asked: Default::default() };
        let socket = daemon.socket();
        let ready = daemon.processes.wait_within(ANSWER, DAEMON, "its socket", || socket.exists());
        ready.unwrap_or_else(|error| panic!("{error}"));
        daemon
    }

    /// Runs `andante` to its end.
    pub fn ask(&self, arguments: &[&str]) -> Ended {
        self.asked.set(self.asked.get() + 1);
        let file = |kind: &str| self.processes.folder().join(format!("asked.{}.{kind}", self.asked.get()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_andante"))
            .arg("--socket")
            .arg(self.socket())
            .args(arguments)
            .env_remove("ANDANTE_URL")
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(file("out")).expect("file"))
            .stderr(std::fs::File::create(file("err")).expect("file"))
            .spawn()
            .expect("andante starts");
        let mut code = None;
        let ended = wait_until(&format!("andante {}", arguments.join(" ")), ANSWER, || match child.try_wait() {
            Ok(Some(status)) => {
                code = status.code();
                true
            }
            _ => false,
        });
        if let Err(error) = ended {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{error}\n{}", self.log());
        }
        let text = |kind| std::fs::read_to_string(file(kind)).expect("text");
        Ended { code, out: text("out"), err: text("err") }
    }

    /// Ends it as systemd does, and gives what it logged.
    pub fn stop(mut self) -> String {
        run(Command::new("kill").args(["-TERM", &self.processes.pid(DAEMON).to_string()]));
        wait_until("andanted ends", ANSWER, || !self.processes.is_alive(DAEMON))
            .unwrap_or_else(|error| panic!("{error}"));
        self.log()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.processes.log(DAEMON)
    }

    fn socket(&self) -> PathBuf {
        self.processes.folder().join("andante.sock")
    }
}

fn inventory(lab: &UmlLab) -> String {
    let mut text = String::new();
    for number in [1, 2] {
        let pe = lab.pe(number);
        let _ = write!(
            text,
            "[[element]]\nname = \"pe{number}\"\nadapter = \"frr\"\naddress = \"{}\"\nusername = \"{}\"\n\
             private_key = \"{}\"\nhost_key = \"{}\"\nrouter_id = \"10.255.0.{number}\"\nasn = 65000\n\
             ports = [{{ name = \"eth1\" }}, {{ name = \"core\", role = \"core\" }}, {{ name = \"mgmt\", role = \"management\" }}]\n\n",
            pe.addr(),
            pe.username(),
            pe.private_key().display(),
            pe.host_key_openssh(),
        );
    }
    text
}

/// How long the daemon or the command may take for anything.
const ANSWER: Duration = Duration::from_secs(400);
const DAEMON: &str = "andanted";
/// Paths are relative to the file. The loop looks often, to meet the element's agent at work.
const SETTINGS: &str = r#"
[paths]
state = "state"
adapters = "ADAPTERS"
profiles = "PROFILES"
yang = []
elements = "elements.toml"

[presto]
listen = "127.0.0.1:0"
socket = "andante.sock"
sync_timeout = 300

[adagio]
connect_timeout = 60
answer_timeout = 60
busy_timeout = 60

[transaction]
lock_timeout = 120
commit_timeout = 120

[reconcile]
period = 20
"#;
