//! The processes and the temporary folder of one element, and their end.
//!
//! *Guarantee*: when [`Processes`] is dropped, or the test process dies without dropping anything, every process
//! started here and every process below it is killed and the folder is gone (`lab/warden.py` does both).
use super::{Unavailable, program, wait_until};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// How long a process of the lab may take to do what it was started for, on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The processes of one element, each under a name of its own.
pub struct Processes {
    folder: PathBuf,
    children: BTreeMap<String, Child>,
    /// Nodes with a `/run` of their own.
    apart: BTreeSet<String>,
    warden: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Processes {
    /// Makes the folder (`/tmp/andante-lab-…`: short, because a unix socket's path may have 107 bytes only) and starts
    /// the warden.
    ///
    /// # Errors
    /// There is no Python 3.
    pub fn new() -> Result<Self, Unavailable> {
        let python = python()?;
        let folder = tempfile::Builder::new().prefix("andante-lab-").tempdir().expect("temporary folder").keep();
        let mut warden = Command::new(python)
            .args(["-I", "-S"])
            .arg(lab_file("warden.py"))
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0) // Ctrl-C is for the test; the warden then sees its end of input
            .spawn()
            .expect("warden starts");
        let orders = warden.stdin.take();
        let answers = BufReader::new(warden.stdout.take().expect("piped"));
        Ok(Self { folder, children: BTreeMap::new(), apart: BTreeSet::new(), warden, orders, answers })
    }

    /// The element's folder; it is removed at the end.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a process that stays in the foreground; its output goes to `<name>.log` in the folder.
    pub fn spawn(&mut self, name: &str, command: &mut Command) {
        self.start(name, command.stdin(Stdio::null()));
    }

    /// The same for a process that takes orders: its standard input.
    pub fn spawn_with_input(&mut self, name: &str, command: &mut Command) -> ChildStdin {
        self.start(name, command.stdin(Stdio::piped()));
        self.children.get_mut(name).and_then(|child| child.stdin.take()).expect("piped")
    }

    fn start(&mut self, name: &str, command: &mut Command) {
        assert!(!self.children.contains_key(name), "{name} runs already");
        let log = File::options().create(true).append(true).open(self.log_path(name)).expect("log file");
        let child = command
            .current_dir(&self.folder)
            .stdout(log.try_clone().expect("log file"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot start: {error}"));
        self.order(&format!("watch {}", child.id()));
        self.children.insert(name.to_owned(), child);
    }

    /// # Panics
    /// No such process was started.
    pub fn pid(&self, name: &str) -> u32 {
        self.children[name].id()
    }

    /// Whether the process was started and has not ended.
    pub fn is_alive(&mut self, name: &str) -> bool {
        self.children.get_mut(name).is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// SIGKILL, and waits for the end. Nothing happens when it does not run.
    pub fn kill(&mut self, name: &str) {
        let Some(mut child) = self.children.remove(name) else { return };
        let _ = child.kill();
        self.order(&format!("forget {}", child.id()));
        let _ = child.wait();
    }

    /// The same for the process and everything below it.
    pub fn kill_tree(&mut self, name: &str) {
        let Some(mut child) = self.children.remove(name) else { return };
        self.order(&format!("end {}", child.id()));
        let _ = child.wait();
    }

    /// What the process has printed so far.
    pub fn log(&self, name: &str) -> String {
        let bytes = std::fs::read(self.log_path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for a condition of a process that must go on running meanwhile.
    ///
    /// # Errors
    /// It ended, or the condition did not come true: the text has the end of its log.
    pub fn wait_for(&mut self, name: &str, what: &str, holds: impl FnMut() -> bool) -> Result<(), String> {
        self.wait_within(PATIENCE, name, what, holds)
    }

    /// The same with a limit of its own.
    ///
    /// # Errors
    /// As [`Processes::wait_for`].
    pub fn wait_within(
        &mut self,
        limit: Duration,
        name: &str,
        what: &str,
        mut holds: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let mut ended = false;
        let waited = wait_until(&format!("{name}: {what}"), limit, || {
            ended = !self.is_alive(name);
            ended || holds()
        });
        let log = self.log(name);
        let tail = log.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
        match waited {
            Ok(()) if ended => Err(format!("{name} ended before: {what}\n{tail}")),
            Ok(()) => Ok(()),
            Err(error) => Err(format!("{error}\n{tail}")),
        }
    }

    /// A network namespace without a name: it lives as long as the element, whatever starts and ends inside.
    pub fn spawn_namespace(&mut self) {
        self.spawn_node(NAMESPACE);
    }

    /// What `nsenter --net=` takes.
    pub fn namespace_path(&self) -> PathBuf {
        self.node_path(NAMESPACE)
    }

    /// A command that will run in the namespace; the process it becomes is the program itself.
    pub fn command_in_namespace(&self, program: &str) -> Command {
        self.command_in_node(NAMESPACE, program)
    }

    /// A process in the namespace: the end of a cable.
    pub fn node(&self) -> u32 {
        self.pid(NAMESPACE)
    }

    /// One of several such namespaces: a node of a network, known to the lab alone by this name.
    pub fn spawn_node(&mut self, node: &str) {
        self.spawn_holder(node, Command::new("unshare").args(["--net", "--", "sleep", "infinity"]));
    }

    /// The same for an element that has namespaces inside: its `/run` is its own, so that the names it gives them
    /// (`/run/netns`) are seen by nobody else and go with it.
    pub fn spawn_namespace_of_namespaces(&mut self) {
        let own = "mount -t tmpfs tmpfs /run && mkdir /run/netns && exec sleep infinity";
        self.spawn_holder(NAMESPACE, Command::new("unshare").args(["--net", "--mount", "--", "sh", "-c", own]));
        self.apart.insert(NAMESPACE.into());
    }

    fn spawn_holder(&mut self, node: &str, holder: &mut Command) {
        self.spawn(node, holder);
        let theirs = self.node_path(node);
        let ours = std::fs::read_link("/proc/self/ns/net").expect("own namespace");
        self.wait_for(node, "a namespace of its own", || {
            std::fs::read_link(&theirs).is_ok_and(|namespace| namespace != ours)
        })
        .unwrap_or_else(|error| panic!("{error}"));
        run(self.command_in_node(node, "ip").args(["link", "set", "lo", "up"]));
    }

    /// What `nsenter --net=` takes.
    pub fn node_path(&self, node: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.pid(node)))
    }

    /// A command that will run in the node; the process it becomes is the program itself.
    pub fn command_in_node(&self, node: &str, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.node_path(node).display()));
        if self.apart.contains(node) {
            command.arg(format!("--mount=/proc/{}/ns/mnt", self.pid(node)));
        }
        command.arg("--").arg(program);
        command
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn order(&mut self, order: &str) {
        let mut answer = String::new();
        let orders = self.orders.as_mut().expect("open until drop");
        writeln!(orders, "{order}").and_then(|()| self.answers.read_line(&mut answer)).expect("the warden answers");
        assert_eq!(answer.trim(), "ok", "the warden refused: {order}");
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let names: Vec<&str> = self.children.keys().map(String::as_str).collect();
            for name in names {
                let log = self.log(name);
                let from = log.lines().count().saturating_sub(15);
                eprintln!("--- end of {name}.log\n{}", log.lines().skip(from).collect::<Vec<_>>().join("\n"));
            }
        }
        drop(self.orders.take());
        let _ = self.warden.wait();
        for child in self.children.values_mut() {
            let _ = child.wait();
        }
    }
}

/// The process that keeps a namespace alive.
const NAMESPACE: &str = "namespace";

/// A script of the lab.
pub fn lab_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/lab").join(name)
}

/// The interpreter itself: the `python3` of a version manager is a slow shell script in front of it.
///
/// # Errors
/// There is none.
pub fn python() -> Result<&'static Path, Unavailable> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = PYTHON.get_or_init(|| {
        let path = program("python3").ok()?;
        let said = Command::new(path).args(["-I", "-S", "-c", "import sys; print(sys.executable)"]).output().ok()?;
        said.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()))
    });
    found.as_deref().ok_or_else(|| Unavailable("no python3: run `make setup-test`".into()))
}

/// A cable between two network namespaces, each end `(a process in it, interface)`, both up, for frames of up to 9000 bytes.
pub fn cable(one: (u32, &str), other: (u32, &str)) {
    run(Command::new("ip")
        .args(["link", "add", "name", one.1, "mtu", "9000", "netns", &one.0.to_string(), "type", "veth"])
        .args(["peer", "name", other.1, "mtu", "9000", "netns", &other.0.to_string()]));
    for (pid, interface) in [one, other] {
        let inside = format!("--net=/proc/{pid}/ns/net");
        run(Command::new("nsenter").args([&inside, "--", "ip", "link", "set", "dev", interface, "up"]));
    }
}

/// Runs a short command to its end.
///
/// # Panics
/// It fails.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The interpreter that has `ncclient`: the one of `make setup-test`, else the machine's own.
///
/// # Errors
/// Neither has it.
pub fn program_of_witness() -> Result<&'static Path, Unavailable> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = PYTHON.get_or_init(|| {
        let own = super::target_folder().join("lab-python/bin/python3");
        [own, "python3".into(), "/usr/bin/python3".into()].into_iter().find(|candidate| {
            Command::new(candidate)
                .args(["-c", "import ncclient"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
    });
    found.as_deref().ok_or_else(|| Unavailable("no Python with ncclient: run `make setup-test`".into()))
}
