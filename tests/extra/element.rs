//! FRR 10.3 in the folder of `make test-extra`: mgmtd, zebra and staticd in a network namespace, vtysh behind sshd.
//!
//! Measured (10.3-3+deb13u1): in `configure terminal file-lock` the lines of what mgmtd configures go to the candidate;
//! `mgmt commit check|apply` answer a good commit with silence and a bad one with `% Configuration failed.` and the
//! backend's words; a refused commit leaves the candidate as it is; the candidate goes with the session that holds the
//! lock; while it is held every other session is refused, line by line. And its faults: the end of *any* session empties the
//! candidate of whoever holds the lock; `mgmt rollback` that is refused for the lock takes its entry out of the history all
//! the same; a check that two backends refuse can end mgmtd; `write memory` without mgmtd saves a file without its part.

use crate::support::processes::{Processes, run};
use crate::support::sshd::{self, Cut, Front, WireSession};
use crate::support::{Access, CliSession, Unavailable, require_root, target_folder, wait_until};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A running element. Dropping it ends it.
pub struct Frr10 {
    access: Access,
    processes: Processes,
    root: PathBuf,
    name: String,
}

impl Frr10 {
    /// Starts it, with a port `eth1` and a route that nobody claims.
    ///
    /// # Errors
    /// It is not installed, or this machine cannot have one.
    pub fn start() -> Result<Self, Unavailable> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        require_root()?;
        let root = target_folder().join("frr10");
        if !root.join("usr/lib/frr/mgmtd").is_file() {
            return Err(Unavailable(format!("no FRR 10.3 in {}: run `make test-extra`", root.display())));
        }
        let mut processes = Processes::new()?;
        // A name of its own in the folders that all share.
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        for folder in ["run/frr", "etc/frr", "var/lib/frr", "var/tmp/frr"] {
            std::fs::create_dir_all(root.join(folder).join(&name)).unwrap();
        }
        std::fs::write(root.join("etc/frr").join(&name).join("vtysh.conf"), "service integrated-vtysh-config\n")
            .unwrap();
        std::fs::write(root.join("etc/frr").join(&name).join("frr.conf"), BEFORE).unwrap();
        let owned = ["/run/frr", "/etc/frr", "/var/lib/frr", "/var/tmp/frr"].map(|folder| format!("{folder}/{name}"));
        run(Command::new("chroot").arg(&root).args(["chown", "-R", "frr:frr", "/run/frr"]).args(owned));
        let front = format!("chroot {} vtysh -N {name}", root.display());
        let access = sshd::start(&mut processes, Front::ForcedProgram, &front)?;
        processes.spawn_namespace();
        let mut element = Self { access, processes, root, name };
        let namespace = element.processes.command_in_namespace("ip");
        run({ namespace }.args(["link", "add", "eth1", "type", "veth", "peer", "name", "there"]));
        element.start_daemons();
        Ok(element)
    }

    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What each session typed, oldest first.
    pub fn wire(&self) -> Vec<WireSession> {
        sshd::wire(self.processes.folder())
    }

    /// `show running-config`, complete to its `end`.
    pub fn running(&self) -> String {
        let text = self.vtysh(&["show running-config"]).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.trim_end().ends_with("\nend"), "an incomplete running configuration: {text}");
        text
    }

    /// What it boots with.
    pub fn saved(&self) -> String {
        std::fs::read_to_string(self.root.join("etc/frr").join(&self.name).join("frr.conf")).unwrap()
    }

    /// Commands by a local vtysh, behind everybody's back.
    ///
    /// # Errors
    /// One of them was refused; the text is what vtysh said.
    pub fn vtysh(&self, commands: &[&str]) -> Result<String, String> {
        vtysh(&self.root, &self.name, commands)
    }

    /// The same for someone who does not borrow the element.
    pub fn console(&self) -> impl Fn(&[&str]) -> Result<String, String> + Send + 'static {
        let (root, name) = (self.root.clone(), self.name.clone());
        move |commands| vtysh(&root, &name, commands)
    }

    /// The process id of a daemon.
    pub fn pid(&self, daemon: &str) -> u32 {
        self.processes.pid(daemon)
    }

    /// Whether a daemon runs.
    pub fn is_alive(&mut self, daemon: &str) -> bool {
        self.processes.is_alive(daemon)
    }

    /// A session at the prompt.
    pub fn operator(&self) -> CliSession {
        CliSession::open(&self.access)
    }

    /// Cuts the connection of the next session that sends this pattern.
    pub fn cut(&self, when: Cut, pattern: &str) {
        sshd::cut(self.processes.folder(), when, pattern);
    }

    pub fn cut_is_pending(&self) -> bool {
        sshd::cut_is_pending(self.processes.folder())
    }

    /// All daemons end and boot from what was saved.
    pub fn restart(&mut self) {
        for daemon in DAEMONS {
            self.processes.kill(daemon);
        }
        self.start_daemons();
    }

    /// Nobody holds the candidate, and it is as running.
    #[track_caller]
    pub fn nothing_is_left(&self, what: &str) {
        let free = wait_until("the candidate is free", Duration::from_secs(10), || {
            self.vtysh(&["configure terminal file-lock", "end"]).is_ok_and(|said| !said.contains("locked"))
        });
        assert!(free.is_ok(), "{what}: {free:?}");
        let show = |store| self.vtysh(&[&format!("show mgmt datastore-contents {store} json")]).unwrap();
        assert_eq!(show("candidate"), show("running"), "{what}: the candidate is dirty");
    }

    fn start_daemons(&mut self) {
        for daemon in DAEMONS {
            let root = self.root.display().to_string();
            let mut command = self.processes.command_in_namespace("chroot");
            command.arg(root).arg(format!("/usr/lib/frr/{daemon}")).args(["-N", &self.name]);
            command.args(["-A", "127.0.0.1", "-P", "0", "--log", "stdout", "--log-level", "warnings"]);
            self.processes.spawn(daemon, &mut command);
            let (root, name) = (self.root.clone(), self.name.clone());
            self.processes
                .wait_for(daemon, "its vty", || {
                    vtysh(&root, &name, &["show daemons"]).is_ok_and(|said| said.contains(daemon))
                })
                .unwrap_or_else(|error| panic!("{error}"));
        }
        // The integrated configuration is read by vtysh, as at a boot; the backends take a moment to know mgmtd.
        let saved = self.saved();
        let wanted: Vec<&str> = saved.lines().filter(|line| line.contains("route ")).map(str::trim).collect();
        wait_until("the saved configuration is running", Duration::from_secs(30), || {
            let booted =
                Command::new("chroot").arg(&self.root).args(["vtysh", "-N", &self.name, "-b"]).output().unwrap();
            booted.status.success()
                && self.vtysh(&["show running-config"]).is_ok_and(|text| wanted.iter().all(|line| text.contains(line)))
        })
        .unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for Frr10 {
    fn drop(&mut self) {
        for daemon in DAEMONS {
            if std::thread::panicking() {
                eprintln!("--- {daemon} alive: {}\n{}", self.processes.is_alive(daemon), self.processes.log(daemon));
            }
            self.processes.kill(daemon);
        }
        for folder in ["run/frr", "etc/frr", "var/lib/frr", "var/tmp/frr"] {
            let _ = std::fs::remove_dir_all(self.root.join(folder).join(&self.name));
        }
    }
}

fn vtysh(root: &std::path::Path, name: &str, commands: &[&str]) -> Result<String, String> {
    let mut vtysh = Command::new("chroot");
    vtysh.arg(root).args(["vtysh", "-N", name]);
    for command in commands {
        vtysh.args(["-c", command]);
    }
    let output = vtysh.output().expect("chroot runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

const DAEMONS: [&str; 3] = ["mgmtd", "zebra", "staticd"];
const BEFORE: &str = "frr defaults traditional\n!\nip route 10.10.0.0/16 192.0.2.9\n!\ninterface eth1\n description core\n\
                      exit\n!\nend\n";
