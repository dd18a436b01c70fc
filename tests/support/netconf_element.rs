//! A NETCONF element: yuma123 `netconfd` as a pure datastore of the vendor's models, behind a sshd of its own.
//!
//! What it is like (measured, 2.13): candidate, confirmed commit 1.1, validate 1.1, no `:startup` unless asked; it
//! checks at edit-config; a commit writes `startup-cfg.xml`, so a restart keeps what was committed; an explicit
//! `<validate>` makes the next commit change nothing; killed inside a confirm window it comes back with the old one.
//! A first RPC that it reads together with the client's hello is never answered: the recorder in front keeps the two
//! apart, or every test would fail now and then.
use super::processes::{Processes, lab_file, python};
use super::session::NetconfSession;
use super::sshd::{self, Cut, Front, WireSession};
use super::{Access, Unavailable, iosxr_models, program};
use std::ops::Deref;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

/// The datastore that clients may edit (`--target`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `:candidate`, `:confirmed-commit`.
    Candidate,
    /// `:writable-running`.
    Running,
}

/// What the element is to be.
#[derive(Debug, Clone)]
pub struct NetconfOptions {
    /// Names of YANG modules, dependencies first.
    pub modules: Vec<String>,
    /// Folders searched before the server's own.
    pub model_folders: Vec<PathBuf>,
    pub target: Target,
    /// Advertise `:startup` (commits are then lost on restart until copied).
    pub with_startup: bool,
    /// More arguments of `netconfd`.
    pub extra_arguments: Vec<String>,
    /// Capabilities that its hello keeps to itself, each by a part of its URI: `confirmed-commit` makes an element of
    /// class B.
    pub hides: Vec<String>,
    /// The configuration it boots with: a `<config>` document, or nothing at all.
    pub startup: Option<String>,
}

impl NetconfOptions {
    /// A router with the eleven genuine IOS-XR modules that the adapter `iosxr` writes.
    ///
    /// # Errors
    /// The modules have not been fetched.
    pub fn iosxr() -> Result<Self, Unavailable> {
        let modules = IOSXR_MODULES.map(|name| format!("Cisco-IOS-XR-{name}")).to_vec();
        Ok(Self { modules, model_folders: vec![iosxr_models()?], ..Self::ietf_interfaces() })
    }

    /// A small element with `ietf-interfaces` and `ietf-ip` only.
    pub fn ietf_interfaces() -> Self {
        Self {
            modules: ["iana-if-type", "ietf-interfaces", "ietf-ip"].map(str::to_owned).to_vec(),
            model_folders: Vec::new(),
            target: Target::Candidate,
            with_startup: false,
            extra_arguments: Vec::new(),
            hides: Vec::new(),
            startup: None,
        }
    }
}

/// A running NETCONF element. Dropping it ends it.
pub struct NetconfElement {
    access: Access,
    options: NetconfOptions,
    processes: Processes,
}

impl NetconfElement {
    /// Starts the element and waits until it accepts sessions.
    ///
    /// # Errors
    /// This machine cannot have one.
    pub fn start(options: NetconfOptions) -> Result<Self, Unavailable> {
        program("netconfd")?;
        let subsystem = program("netconf-subsystem")?;
        let mut processes = Processes::new()?;
        let socket = processes.folder().join(SOCKET);
        let mut front = format!("'{}' '--ncxserver-sockname={{port}}@{}'", subsystem.display(), socket.display());
        if !options.hides.is_empty() {
            let (python, hello) = (python()?.display(), lab_file("hello.py"));
            front = format!("'{python}' -I -S '{}' '{}' {front}", hello.display(), options.hides.join(","));
        }
        let access = sshd::start(&mut processes, Front::NetconfSubsystem, &front)?;
        let empty = "<config xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"/>";
        let startup = options.startup.as_deref().unwrap_or(empty);
        std::fs::write(processes.folder().join(STARTUP), startup).expect("startup");
        let mut element = Self { access, options, processes };
        element.start_netconfd();
        Ok(element)
    }

    /// The start of [`NetconfElement::start`] with [`NetconfOptions::iosxr`].
    ///
    /// # Errors
    /// This machine cannot have one.
    pub fn start_iosxr() -> Result<Self, Unavailable> {
        Self::start(NetconfOptions::iosxr()?)
    }

    /// What sshd starts for a session, without the recorder: for programs that are part of the element.
    pub fn subsystem(&self) -> String {
        let program = program("netconf-subsystem").unwrap_or_else(|missing| panic!("{missing:?}"));
        let socket = self.processes.folder().join(SOCKET);
        format!("{} --ncxserver-sockname={}@{}", program.display(), self.access.addr().port(), socket.display())
    }

    /// What each session sent, oldest first, framing included.
    pub fn wire(&self) -> Vec<WireSession> {
        sshd::wire(self.processes.folder())
    }

    /// SIGKILL for the server alone: its sessions end, SSH goes on and closes each new session at once.
    pub fn kill9_netconfd(&mut self) {
        self.processes.kill(NETCONFD);
    }

    /// Whether the server lives (it is known to crash on some edits).
    pub fn is_alive(&mut self) -> bool {
        self.processes.is_alive(NETCONFD)
    }

    /// Ends the server, if it lives, and boots it from what it has saved: same address, same keys.
    pub fn restart(&mut self) {
        self.processes.kill(NETCONFD);
        self.start_netconfd();
    }

    /// A restart with one more module.
    pub fn restart_with_module(&mut self, name: &str) {
        self.options.modules.push(name.to_owned());
        self.restart();
    }

    /// Cuts the connection of the next session that sends this pattern, before or after the element gets the message.
    pub fn cut(&self, when: Cut, pattern: &str) {
        sshd::cut(self.processes.folder(), when, pattern);
    }

    /// Whether the ordered cut is still to come.
    pub fn cut_is_pending(&self) -> bool {
        sshd::cut_is_pending(self.processes.folder())
    }

    /// Takes back a cut that has not happened.
    pub fn no_cut(&self) {
        sshd::no_cut(self.processes.folder());
    }

    /// Takes SSH away (new connections are refused, open ones are cut) until [`NetconfElement::reconnect`].
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

    /// A session of an operator who works beside the daemon: to edit by hand, to hold a lock. It is recorded as well.
    pub fn operator(&self) -> NetconfSession {
        NetconfSession::open(&self.access)
    }

    /// The running configuration: the whole reply of an unfiltered get-config, byte for byte comparable.
    pub fn running(&self) -> String {
        let reply = self.operator().rpc("<get-config><source><running/></source></get-config>");
        let from = reply.find("<data").unwrap_or_else(|| panic!("no data in {reply}"));
        let to = reply.rfind("</rpc-reply>").unwrap_or(reply.len());
        reply[from..to].trim_end().to_owned()
    }

    /// A change made by hand: merges (or what `nc:operation` says) this content of `<config>` and commits it.
    pub fn edit_by_hand(&self, content: &str) {
        let mut operator = self.operator();
        if self.options.target == Target::Running {
            operator.expect_ok(&format!(
                "<edit-config><target><running/></target><config>{content}</config></edit-config>"
            ));
            return;
        }
        operator.expect_ok("<lock><target><candidate/></target></lock>");
        operator
            .expect_ok(&format!("<edit-config><target><candidate/></target><config>{content}</config></edit-config>"));
        operator.expect_ok("<commit/>");
        operator.expect_ok("<unlock><target><candidate/></target></unlock>");
    }

    /// What `netconfd` has logged.
    pub fn log(&self) -> String {
        self.processes.log(NETCONFD)
    }

    fn start_netconfd(&mut self) {
        let folder = self.processes.folder().to_owned();
        let socket = folder.join(SOCKET);
        let _ = std::fs::remove_file(&socket); // a stale one keeps the server from starting
        let target = match self.options.target {
            Target::Candidate => "candidate",
            Target::Running => "running",
        };
        let mut model_path: Vec<String> = self.options.model_folders.iter().map(|f| f.display().to_string()).collect();
        model_path.push("/usr/share/yuma/modules".into());
        let netconfd = program(NETCONFD).unwrap_or_else(|missing| panic!("{missing:?}"));
        let mut command = Command::new(netconfd);
        command
            .env("HOME", &folder)
            .arg(format!("--ncxserver-sockname={}", socket.display()))
            .arg(format!("--port={}", self.access.addr().port()))
            .arg(format!("--superuser={}", self.access.username()))
            .arg("--access-control=off")
            .arg(format!("--startup={}", folder.join(STARTUP).display()))
            .arg("--log-level=warn")
            .arg(format!("--target={target}"))
            .arg(format!("--with-startup={}", self.options.with_startup))
            .arg(format!("--modpath={}", model_path.join(":")))
            .args(self.options.modules.iter().map(|module| format!("--module={module}")))
            .args(&self.options.extra_arguments);
        self.processes.spawn(NETCONFD, &mut command);
        sshd::server_is(&folder, self.processes.pid(NETCONFD));
        self.processes
            .wait_for(NETCONFD, "its socket", || UnixStream::connect(&socket).is_ok())
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Deref for NetconfElement {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

const NETCONFD: &str = "netconfd";
const SOCKET: &str = "ncx.sock";
const STARTUP: &str = "startup-cfg.xml";
const IOSXR_MODULES: [&str; 11] = [
    "infra-rsi-cfg",
    "ifmgr-cfg",
    "ipv4-io-cfg",
    "ipv6-ma-cfg",
    "l2-eth-infra-cfg",
    "ip-static-cfg",
    "ipv4-bgp-cfg",
    "l2vpn-cfg",
    "policy-repository-cfg",
    "infra-policymgr-cfg",
    "qos-ma-cfg",
];
