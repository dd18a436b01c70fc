//! A CLI element: FRR's daemons in a network namespace of their own, `vtysh` behind sshd.
//!
//! What it is like (measured, 8.4.4): no transaction, each line acts at once; errors are text; a stopped daemon's
//! lines vanish from the running configuration; an empty `vrf X` and the `vrf` of an interface are not printed.
//! The daemons run in a nameless namespace (bgpd wants port 179, and zebra must not touch the machine's routes); sshd
//! and vtysh run outside: they meet at the daemons' unix sockets in the element's folder.
use super::processes::{Processes, run};
use super::sshd::{self, Cut, Front, WireSession};
use super::{Access, CliSession, Unavailable, program, require_root, wait_until};
use std::ops::Deref;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What the element is to be.
#[derive(Debug, Clone)]
pub struct FrrOptions {
    /// Its name at the prompt.
    pub hostname: String,
    /// FRR daemons beside zebra, each with the configuration it boots with.
    pub daemons: Vec<(String, String)>,
}

impl FrrOptions {
    /// A PE as it stands before any service: `router bgp 65000` with one core neighbour for VPNv4, no interface.
    pub fn pe(hostname: &str, router_id: &str, core_neighbor: &str) -> Self {
        let bgp = format!(
            "router bgp 65000\n bgp router-id {router_id}\n neighbor {core_neighbor} remote-as 65000\n \
             neighbor {core_neighbor} update-source {router_id}\n !\n address-family ipv4 vpn\n  \
             neighbor {core_neighbor} activate\n exit-address-family\nexit\n"
        );
        let daemons = vec![("bgpd".into(), bgp), ("staticd".into(), String::new())];
        Self { hostname: hostname.into(), daemons }
    }
}

/// A running FRR element. Dropping it ends it.
pub struct FrrElement {
    access: Access,
    daemons: Vec<String>,
    processes: Processes,
    front: Vec<String>,
    /// A VRF is a network namespace (`zebra -n`), not a device of the kernel's.
    vrfs_are_namespaces: bool,
}

impl FrrElement {
    /// Starts the element and waits until its whole configuration is readable.
    ///
    /// # Errors
    /// This machine cannot have one.
    pub fn start(options: FrrOptions) -> Result<Self, Unavailable> {
        Self::start_as(options, false)
    }

    /// The same on a kernel without VRFs: each of them is a network namespace below the element's own `/run/netns`.
    ///
    /// # Errors
    /// This machine cannot have one.
    pub fn start_with_namespaces(options: FrrOptions) -> Result<Self, Unavailable> {
        Self::start_as(options, true)
    }

    fn start_as(options: FrrOptions, vrfs_are_namespaces: bool) -> Result<Self, Unavailable> {
        require_root()?;
        let vtysh = program("vtysh")?;
        program("zebra")?;
        namespaces_work(vrfs_are_namespaces)?;
        let mut processes = Processes::new()?;
        let folder = processes.folder().to_owned();
        let own = folder.join("frr");
        std::fs::create_dir(&own).expect("folder");
        // The daemons become the user `frr`, and their folder must be reachable for them.
        run(Command::new("chmod").arg("0711").arg(&folder));
        let hostname = &options.hostname;
        std::fs::write(own.join("vtysh.conf"), format!("hostname {hostname}\nno service integrated-vtysh-config\n"))
            .expect("vtysh.conf");
        let mut daemons = vec!["zebra".to_owned()];
        std::fs::write(own.join("zebra.conf"), format!("hostname {hostname}\n")).expect("zebra.conf");
        for (daemon, configuration) in &options.daemons {
            // A daemon without a name of its own reports the machine's: two `hostname` lines.
            std::fs::write(own.join(format!("{daemon}.conf")), format!("hostname {hostname}\n!\n{configuration}"))
                .expect("configuration");
            daemons.push(daemon.clone());
        }
        run(Command::new("chown").args(["-R", "frr:frr"]).arg(&own));
        let front: Vec<String> = [&vtysh.display().to_string(), "--vty_socket", &own.display().to_string()]
            .into_iter()
            .chain(["--config_dir", &own.display().to_string()])
            .map(str::to_owned)
            .collect();
        let access = sshd::start(&mut processes, Front::ForcedProgram, &front.join(" "))?;
        if vrfs_are_namespaces {
            processes.spawn_namespace_of_namespaces();
        } else {
            processes.spawn_namespace();
        }
        let mut element = Self { access, daemons, processes, front, vrfs_are_namespaces };
        element.start_daemons();
        Ok(element)
    }

    /// What each session typed, oldest first.
    pub fn wire(&self) -> Vec<WireSession> {
        sshd::wire(self.processes.folder())
    }

    /// `show running-config`, as a local vtysh prints it, complete to its `end`.
    pub fn running_config(&self) -> String {
        let text = self.vtysh(&["show running-config"]).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.trim_end().ends_with("\nend"), "an incomplete running configuration: {text}");
        text
    }

    /// Commands by a local vtysh, behind everybody's back: `&["configure terminal", "vrf x", …]`.
    ///
    /// # Errors
    /// One of them was refused (those before it stay applied); the text is what vtysh said.
    pub fn vtysh(&self, commands: &[&str]) -> Result<String, String> {
        let mut vtysh = Command::new(&self.front[0]);
        vtysh.args(&self.front[1..]);
        for command in commands {
            vtysh.args(["-c", command]);
        }
        let output = vtysh.output().expect("vtysh runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// A session of an operator at the prompt, over SSH like the daemon's own. It is recorded as well.
    pub fn operator(&self) -> CliSession {
        CliSession::open(&self.access)
    }

    /// SIGKILL for one of the daemons: its lines vanish from the running configuration.
    pub fn kill_daemon(&mut self, daemon: &str) {
        assert!(self.daemons.iter().any(|known| known == daemon), "{daemon} is none of {:?}", self.daemons);
        self.processes.kill(daemon);
    }

    /// Starts a killed daemon again from its saved configuration.
    pub fn start_daemon(&mut self, daemon: &str) {
        let own = self.processes.folder().join("frr");
        let vty = own.join(format!("{daemon}.vty"));
        let _ = std::fs::remove_file(&vty);
        let binary = program(daemon).unwrap_or_else(|missing| panic!("{missing:?}"));
        let mut command = self.processes.command_in_namespace(&binary.display().to_string());
        command
            .arg("--vty_socket")
            .arg(&own)
            .arg("-z")
            .arg(own.join("zserv.api"))
            .arg("-i")
            .arg(own.join(format!("{daemon}.pid")))
            .arg("-f")
            .arg(own.join(format!("{daemon}.conf")))
            .args(["-A", "127.0.0.1", "-P", "0", "--log", "stdout", "--log-level", "warnings"]);
        if daemon == "zebra" && self.vrfs_are_namespaces {
            command.arg("-n");
        }
        if daemon == "ldpd" {
            // Its own control socket stands in one place for the whole machine otherwise.
            command.arg("--ctl_socket").arg(&own);
        }
        self.processes.spawn(daemon, &mut command);
        self.processes
            .wait_for(daemon, "its vty socket", || UnixStream::connect(&vty).is_ok())
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// A reboot: all daemons end and boot from what was saved (`write memory`); what was not is lost.
    pub fn restart(&mut self) {
        for daemon in self.daemons.clone() {
            self.processes.kill(&daemon);
        }
        self.start_daemons();
    }

    /// Cuts the connection of the next session that sends this pattern, before or after the element gets the message.
    /// [`Cut::Death`] is bgpd's.
    pub fn cut(&self, when: Cut, pattern: &str) {
        if when == Cut::Death {
            sshd::server_is(self.processes.folder(), self.processes.pid("bgpd"));
        }
        sshd::cut(self.processes.folder(), when, pattern);
    }

    /// Whether the ordered cut is still to come.
    pub fn cut_is_pending(&self) -> bool {
        sshd::cut_is_pending(self.processes.folder())
    }

    /// Takes SSH away (new connections are refused, open ones are cut) until [`FrrElement::reconnect`].
    pub fn disconnect(&mut self) {
        self.processes.kill_tree("sshd");
    }

    /// From now on SSH renegotiates its keys after so much traffic (`4K`). Open connections are cut.
    pub fn rekey_every(&mut self, amount: &str) {
        self.disconnect();
        sshd::configure(self.processes.folder(), &format!("RekeyLimit {amount}"));
        self.reconnect();
    }

    /// SSH again, at the same address with the same keys.
    pub fn reconnect(&mut self) {
        sshd::start_again(&mut self.processes, &self.access);
    }

    /// Runs a command in the element's network namespace, to look at or make kernel objects.
    pub fn in_namespace(&self, command: &[&str]) -> String {
        run(self.processes.command_in_namespace(command[0]).args(&command[1..]))
    }

    /// A process whose network namespace is the element's: the end of a cable.
    pub fn node(&self) -> u32 {
        self.processes.node()
    }

    /// A program of the element's own, in its namespace: it gets these arguments, then the command line of a local vtysh.
    pub fn spawn_agent(&mut self, name: &str, program: &str, arguments: &[&str]) {
        let mut agent = self.processes.command_in_namespace(program);
        agent.args(arguments).args(&self.front);
        self.processes.spawn(name, &mut agent);
    }

    /// A cable: an interface here and one in the other element, both up.
    pub fn link(&self, here: &str, other: &FrrElement, there: &str) {
        let theirs = other.processes.namespace_path();
        let theirs = theirs.to_str().and_then(|path| path.split('/').nth(2)).expect("/proc/PID/ns/net");
        self.in_namespace(&["ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", theirs]);
        self.in_namespace(&["ip", "link", "set", here, "up"]);
        other.in_namespace(&["ip", "link", "set", there, "up"]);
    }

    /// Where the daemons have their sockets and their configuration: what `vtysh --vty_socket` takes.
    pub fn socket_folder(&self) -> PathBuf {
        self.processes.folder().join("frr")
    }

    /// The daemons that have ended by themselves.
    pub fn crashed(&mut self) -> Vec<String> {
        let daemons = self.daemons.clone();
        daemons.into_iter().filter(|daemon| !self.processes.is_alive(daemon)).collect()
    }

    /// What a daemon has logged.
    pub fn log(&self, daemon: &str) -> String {
        self.processes.log(daemon)
    }

    fn start_daemons(&mut self) {
        for daemon in self.daemons.clone() {
            self.start_daemon(&daemon);
            if daemon == "zebra" {
                let zserv = self.processes.folder().join("frr/zserv.api");
                self.processes
                    .wait_for("zebra", "its client socket", || UnixStream::connect(&zserv).is_ok())
                    .unwrap_or_else(|error| panic!("{error}"));
            }
        }
        self.has_booted();
    }

    /// Waits until what was saved is running.
    pub fn has_booted(&self) {
        // A daemon reads its file after it has opened its socket.
        let expected: Vec<String> = self.daemons.iter().filter_map(|daemon| self.first_block_of(daemon)).collect();
        wait_until("the saved configuration is running", Duration::from_secs(20), || {
            self.vtysh(&["show running-config"]).is_ok_and(|text| {
                text.trim_end().ends_with("\nend") && expected.iter().all(|line| text.lines().any(|have| have == line))
            })
        })
        .unwrap_or_else(|error| panic!("{error}: wants {expected:?}"));
    }

    /// The first `router …` line of the daemon's saved configuration.
    fn first_block_of(&self, daemon: &str) -> Option<String> {
        let file = self.processes.folder().join("frr").join(format!("{daemon}.conf"));
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().find(|line| line.starts_with("router ")).map(str::to_owned)
    }
}

impl Deref for FrrElement {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

/// Whether there are network namespaces, and with `own_run` whether one of them may have a `/run` of its own.
fn namespaces_work(own_run: bool) -> Result<(), Unavailable> {
    let mut tried = Command::new("unshare");
    match own_run {
        false => tried.args(["--net", "--", "true"]),
        true => tried.args(["--net", "--mount", "--", "mount", "-t", "tmpfs", "tmpfs", "/run"]),
    };
    match tried.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Unavailable(format!("no network namespaces: {}", String::from_utf8_lossy(&output.stderr)))),
        Err(error) => Err(Unavailable(format!("unshare: {error}"))),
    }
}
