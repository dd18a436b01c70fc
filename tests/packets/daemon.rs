//! The daemon and the command as an operator has them: the two programs, a settings file, an inventory, a local socket.
//!
//! Nothing here is inside the test's process: `andanted` runs from its files in a folder of its own, `andante` asks it.
//! The time limits are the ones of a slow network: in User-Mode Linux a login takes seconds and a line milliseconds.
use crate::support::processes::{Processes, run};
use crate::support::wait_until;
use serde_json::Value;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running daemon. Dropping it kills it and removes its folder.
pub struct Daemon {
    processes: Processes,
    elements: usize,
    asked: std::cell::Cell<u32>,
}

/// How the command ended and what it said.
#[derive(Debug)]
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
    /// Starts `andanted` with these elements and waits until it answers.
    pub fn start(inventory: &str) -> Self {
        let processes = Processes::new().unwrap_or_else(|missing| panic!("{missing:?}"));
        let folder = processes.folder().to_owned();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let settings = SETTINGS
            .replace("ADAPTERS", &root.join("adapters").display().to_string())
            .replace("PROFILES", &root.join("yang").display().to_string());
        std::fs::write(folder.join("andante.toml"), settings).expect("settings");
        std::fs::write(folder.join("elements.toml"), inventory).expect("inventory");
        let elements = inventory.matches("[[element]]").count();
        let mut daemon = Self { processes, elements, asked: Default::default() };
        daemon.start_again();
        daemon
    }

    /// Starts it where it was killed, with the same files, and waits until it answers.
    pub fn start_again(&mut self) {
        let program = env!("CARGO_BIN_EXE_andanted");
        let settings = self.processes.folder().join("andante.toml");
        self.processes.spawn(DAEMON, Command::new(program).arg("--config").arg(settings));
        let socket = self.socket();
        let ready = self.processes.wait_within(ANSWER, DAEMON, "its socket", || UnixStream::connect(&socket).is_ok());
        ready.unwrap_or_else(|error| panic!("{error}"));
    }

    /// SIGKILL.
    pub fn kill9(&mut self) {
        self.processes.kill(DAEMON);
    }

    /// Where the local socket is, for `andante --socket`.
    pub fn socket(&self) -> PathBuf {
        self.processes.folder().join("andante.sock")
    }

    /// Runs `andante` to its end.
    pub fn ask(&self, arguments: &[&str]) -> Ended {
        self.asked.set(self.asked.get() + 1);
        let file = |kind: &str| self.processes.folder().join(format!("asked.{}.{kind}", self.asked.get()));
        let mut child = self.spawn(arguments, &file("out"), &file("err"));
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

    /// Runs `andante` and does not wait for its end. Nobody is told what it says.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        self.spawn(arguments, Path::new("/dev/null"), Path::new("/dev/null"))
    }

    fn spawn(&self, arguments: &[&str], out: &Path, err: &Path) -> Child {
        Command::new(env!("CARGO_BIN_EXE_andante"))
            .arg("--socket")
            .arg(self.socket())
            .args(arguments)
            .env_remove("ANDANTE_URL")
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(out).expect("file"))
            .stderr(std::fs::File::create(err).expect("file"))
            .spawn()
            .expect("andante starts")
    }

    /// Runs a verb that writes; its transaction must be `applied` on so many elements. Gives the residue of all elements.
    #[track_caller]
    pub fn applied(&self, arguments: &[&str], elements: usize) -> Vec<String> {
        let said = self.ask(arguments).with(0);
        println!("andante {}\n{}", arguments.join(" "), said.out);
        let newest = self.newest();
        assert!(said.out.contains(newest["id"].as_str().unwrap_or("no id")), "{newest:#}");
        assert_eq!(newest["outcome"], "applied", "{newest:#}");
        let touched = newest["element"].as_array().cloned().unwrap_or_default();
        assert_eq!(touched.len(), elements, "{newest:#}");
        let named = |element: &Value| {
            let lines = element["residue"].as_array().cloned().unwrap_or_default();
            lines.into_iter().map(|line| format!("{} {line}", element["name"])).collect::<Vec<_>>()
        };
        touched.iter().flat_map(named).collect()
    }

    /// The newest transaction, as `transaction list` has it.
    pub fn newest(&self) -> Value {
        self.ask(&["transaction", "list", "--json"]).with(0).json()["andante:transactions"]["transaction"][0].clone()
    }

    /// All elements are in sync in the daemon's eyes, at the latest when its loop has looked at them.
    pub fn in_sync(&self, limit: Duration) {
        let mut shown = String::new();
        let waited = wait_until("all elements are in sync", limit, || {
            let list = self.ask(&["element", "list", "--json"]).with(0);
            shown = list.out.clone();
            let list = list.json();
            let elements = list["andante:elements"]["element"].as_array().cloned().unwrap_or_default();
            let so =
                elements.len() == self.elements && elements.iter().all(|element| element["sync-state"] == "in-sync");
            if !so {
                std::thread::sleep(Duration::from_millis(200)); // the network needs the processor more than this question
            }
            so
        });
        waited.unwrap_or_else(|error| panic!("{error}: {shown}\n{}", self.log()));
        println!("{}", self.ask(&["element", "list"]).with(0).out);
        assert_eq!(self.ask(&["deviation", "list"]).with(0).out, "no deviations\n");
    }

    /// A file of its folder with this document.
    pub fn document(&self, name: &str, document: &Value) -> String {
        let path = self.processes.folder().join(format!("{name}.json"));
        std::fs::write(&path, document.to_string()).expect("document");
        path.display().to_string()
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

[ledger]
# The S-tags of the lab's E-Lines are made of the EVI.
evi = [1, 500]
"#;
