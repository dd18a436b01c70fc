//! Two NETCONF provider edges with a data plane: what they commit moves frames.
//!
//! ```text
//!   acme-1 ──┐ VLAN 100                                                       ┌── acme-2
//!            site ══ GigabitEthernet0/0/0/1 [pe1] ══ core, S-tags ══ [pe2] ══ site
//!   globex-1 ┘ VLAN 200                                                       └── globex-2
//!
//!   test ── ssh, 127.0.0.1:free port ──> netconfd with the genuine IOS-XR modules (NetconfElement)
//!                                         └─ xr_agent.py ── Open vSwitch, userspace datapath, in the PE's namespace
//! ```
//! The bridge `router` is the element's; the bridge `site` beside it is the customers' switch, which tags their frames
//! for the one port they share (the machine's kernel has no 802.1Q). Both customers use the same addresses.
//! Everything stands in nameless network namespaces and in the lab's folder: the machine gets no interface, no running
//! Open vSwitch of its own and no file elsewhere, and nothing is left when the lab is dropped.
use crate::customers::Customers;
use crate::support::processes::{Processes, cable, python, run};
use crate::support::{NetconfElement, NetconfOptions, Unavailable, program, require_root};
use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Customers of the lab, with the VLAN of each at both sites.
pub const CUSTOMERS: [(&str, u16); 2] = [("acme", 100), ("globex", 200)];
/// The port that both customers share, at both PEs.
pub const PORT: &str = "GigabitEthernet0/0/0/1";

/// The running network. Dropping it ends it.
pub struct ElineLab {
    /// `pe1`, `pe2`.
    pub pes: [NetconfElement; 2],
    /// The customers at both sites.
    pub customers: Customers,
    processes: Processes,
}

impl ElineLab {
    /// Starts the elements with empty configurations, their agents and the customers.
    ///
    /// # Errors
    /// This machine cannot have it.
    pub fn start(options: NetconfOptions) -> Result<Self, Unavailable> {
        require_root()?;
        for needed in
            ["ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-ofctl", "ping", "ethtool", "iperf3"]
        {
            program(needed).map_err(|_| Unavailable(format!("{needed} is not installed: run `make setup-packets`")))?;
        }
        let other = options.clone();
        let second = std::thread::spawn(|| NetconfElement::start(other));
        let first = NetconfElement::start(options)?;
        let second = second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let names = CUSTOMERS.map(|(customer, _)| customer);
        let customers = Customers::start(&names)?;
        let mut lab = Self { pes: [first, second], customers, processes: Processes::new()? };
        for number in [1, 2] {
            lab.processes.spawn_node(&format!("pe{number}"));
        }
        cable((lab.processes.pid("pe1"), "core"), (lab.processes.pid("pe2"), "core"));
        for number in [1, 2] {
            lab.site(number);
            lab.agent(number)?;
        }
        Ok(lab)
    }

    /// The two elements as the daemon's inventory has them.
    pub fn inventory(&self) -> String {
        let listed = |(number, pe): (usize, &NetconfElement)| {
            pe.listed(
                &format!("pe{number}"),
                "iosxr",
                &format!("10.255.0.{number}"),
                &format!("{{ name = \"{PORT}\" }}"),
            )
        };
        (1..).zip(&self.pes).map(listed).collect()
    }

    /// What the agent of a PE has done.
    pub fn agent_log(&self, number: usize) -> String {
        self.processes.log(&format!("agent{number}"))
    }

    /// What helps when packets do not pass: the agents, and the flows with their counters.
    pub fn diagnosis(&self) -> String {
        let mut text = String::new();
        for number in [1, 2] {
            let mut show = Command::new("ovs-ofctl");
            show.env("OVS_RUNDIR", self.rundir(number)).args(["-O", "OpenFlow13", "dump-flows", "router"]);
            let said = show.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            let _ = write!(
                text,
                "--- flows of pe{number}\n{}--- agent of pe{number}\n{}",
                said.unwrap_or_default(),
                self.agent_log(number)
            );
        }
        text
    }

    fn rundir(&self, number: usize) -> PathBuf {
        self.processes.folder().join(format!("switch{number}"))
    }

    /// Open vSwitch of one PE, its site and the customers there.
    fn site(&mut self, number: usize) {
        let pe = format!("pe{number}");
        let rundir = self.rundir(number);
        std::fs::create_dir(&rundir).expect("folder");
        for (customer, _) in CUSTOMERS {
            self.customers.attach(customer, number, (self.processes.pid(&pe), customer));
        }
        let (database, socket) = (rundir.join("conf.db"), rundir.join("db.sock"));
        run(Command::new("ovsdb-tool").arg("create").arg(&database).arg("/usr/share/openvswitch/vswitch.ovsschema"));
        let name = format!("ovsdb{number}");
        let mut server = self.process(number, "ovsdb-server");
        server.arg(&database).arg(format!("--remote=punix:{}", socket.display()));
        server.arg(format!("--unixctl={}", rundir.join("db.ctl").display()));
        self.processes.spawn(&name, &mut server);
        self.processes
            .wait_for(&name, "its socket", || UnixStream::connect(&socket).is_ok())
            .unwrap_or_else(|error| panic!("{error}"));
        let ask = |words: &str| {
            let mut vsctl = Command::new("ovs-vsctl");
            vsctl.arg(format!("--db=unix:{}", socket.display())).args(["-t", "20"]);
            run(vsctl.args(words.split_whitespace()))
        };
        ask("--no-wait init");
        ask("--no-wait set Open_vSwitch . other_config:vlan-limit=2");
        let mut switch = self.process(number, "ovs-vswitchd");
        switch.arg(format!("unix:{}", socket.display())).arg("--disable-system");
        switch.arg(format!("--unixctl={}", rundir.join("switch.ctl").display()));
        self.processes.spawn(&format!("switch{number}"), &mut switch);
        ask("add-br router -- set bridge router datapath_type=netdev fail_mode=secure protocols=OpenFlow13 \
             -- add-port router core -- add-port router uni -- set int uni type=patch options:peer=trunk \
             -- add-br site -- set bridge site datapath_type=netdev \
             -- add-port site trunk -- set int trunk type=patch options:peer=uni");
        for (customer, vlan) in CUSTOMERS {
            ask(&format!("add-port site {customer} tag={vlan}"));
        }
    }

    /// A program of Open vSwitch. Where that is allowed it goes before other work of the machine, as a router's line card
    /// shares no processor: what a busy machine keeps waiting overflows the little room behind a port.
    fn process(&self, number: usize, program: &str) -> Command {
        let node = format!("pe{number}");
        let first = Command::new("chrt").args(["--rr", "1", "true"]).output().is_ok_and(|tried| tried.status.success());
        let mut command = if first {
            let mut command = self.processes.command_in_node(&node, "chrt");
            command.args(["--rr", "1", program]);
            command
        } else {
            self.processes.command_in_node(&node, program)
        };
        command.env("OVS_RUNDIR", self.rundir(number)).env("OVS_LOGDIR", self.rundir(number));
        command
    }

    /// The element's forwarding software; it has read the empty configuration when this returns.
    fn agent(&mut self, number: usize) -> Result<(), Unavailable> {
        let pe = &self.pes[number - 1];
        let mut agent = self.processes.command_in_node(&format!("pe{number}"), &python()?.display().to_string());
        agent
            .args(["-I", "-S"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packets/xr_agent.py"))
            .args(["--subsystem", &pe.subsystem(), "--ssh-port", &pe.addr().port().to_string()])
            .arg("--switch")
            .arg(self.rundir(number))
            .args(["--bridge", "router", "--core", "core", &format!("{PORT}=uni")]);
        let name = format!("agent{number}");
        self.processes.spawn(&name, &mut agent);
        let log = self.processes.folder().join(format!("{name}.log"));
        self.processes
            .wait_for(&name, "a first look", || {
                std::fs::read_to_string(&log).is_ok_and(|said| said.contains(" flows "))
            })
            .unwrap_or_else(|error| panic!("{error}"));
        Ok(())
    }
}
