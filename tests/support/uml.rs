//! An MPLS network in User-Mode Linux: two PEs and a P with FRR, reached over SSH like any element, and customers' hosts.
//!
//! ```text
//!   test ── 127.0.0.1:free port ── forward.py ── tap, 192.0.2.11 / .12 ──> sshd ── vtysh ── FRR of pe1 / pe2
//!   red1 ──┬── eth1 pe1 ══ p ══ pe2 eth1 ──┬── red2, red3      OSPF, LDP and VPNv4 of the core: there from the start
//!   blue1 ─┤                               └── blue2
//!   green1 ┘
//! ```
//! `packets/init.sh` builds it inside, `packets/agent.py` is the PEs' own agent for kernel objects. Everything runs in
//! a nameless network namespace; the machine gets no interface, no route and no file outside the lab's folder.
use super::processes::{Processes, lab_file, python, run};
use super::sshd::{self, Cut};
use super::{Access, CliSession, Unavailable, program, require_root, wait_until};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::Duration;

/// What [`UmlLab::exec`] knows.
pub const NODES: [&str; 9] = ["pe1", "p", "pe2", "red1", "red2", "red3", "blue1", "blue2", "green1"];
/// How long the network may take to boot: about half a minute where nothing else runs.
const BOOT: Duration = Duration::from_secs(240);

/// The running network. Dropping it ends it.
pub struct UmlLab {
    pes: Vec<Access>,
    console: ChildStdin,
    orders: u32,
    processes: Processes,
}

impl UmlLab {
    /// Boots the network and waits until its core is labelled and its BGP session stands.
    ///
    /// # Errors
    /// This machine cannot have one.
    pub fn start() -> Result<Self, Unavailable> {
        require_root()?;
        let linux = program("linux.uml")?;
        program("modprobe")?;
        program("vtysh")?;
        if !Path::new("/dev/net/tun").exists() {
            return Err(Unavailable("no /dev/net/tun".into()));
        }
        let mut processes = Processes::new()?;
        let folder = processes.folder().to_owned();
        let mut pes = Vec::new();
        for name in ["pe1", "pe2"] {
            std::fs::create_dir(folder.join(name)).expect("folder");
            pes.push(Access::make(&folder.join(name))?);
        }
        let scripts = ["init.sh", "agent.py", "stream.py"].map(packets_file);
        for script in scripts.into_iter().chain([lab_file("record.py")]) {
            let name = script.file_name().expect("a file");
            std::fs::copy(&script, folder.join(name)).expect("script of the lab");
        }
        processes.spawn_namespace();
        let inside = |program: &str| processes.command_in_namespace(program);
        run(inside("ip").args(["tuntap", "add", "mode", "tap", "name", "ut0"]));
        run(inside("ip").args(["addr", "add", "192.0.2.1/24", "dev", "ut0"]));
        run(inside("ip").args(["link", "set", "ut0", "up"]));
        let mut kernel = inside(&linux.display().to_string());
        kernel
            .args(["mem=512M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet"])
            .args(["con=null", "con0=fd:0,fd:1", "vec0:transport=tap,ifname=ut0,depth=128,gro=1", "umid=uml"])
            .arg(format!("uml_dir={}/", folder.display()))
            .arg(format!("LAB={}", folder.display()))
            .arg(format!("init={}", folder.join("init.sh").display()));
        let console = processes.spawn_with_input(KERNEL, &mut kernel);
        let mut lab = Self { pes, console, orders: 0, processes };
        lab.forward();
        let ready = folder.join("ready");
        if let Err(error) = lab.processes.wait_within(BOOT, KERNEL, "a network that is ready", || ready.exists()) {
            panic!("{error}\nsteps:\n{}", lab.steps());
        }
        Ok(lab)
    }

    /// The way into a PE, 1 or 2: its SSH server gives vtysh.
    pub fn pe(&self, number: usize) -> &Access {
        &self.pes[number - 1]
    }

    /// Somebody at the prompt of a PE.
    pub fn operator(&self, number: usize) -> CliSession {
        CliSession::open(self.pe(number))
    }

    /// The folder that both sides see; inside it is `/run/lab`.
    pub fn folder(&self) -> &Path {
        self.processes.folder()
    }

    /// Orders a fault of the next session at a PE that sends this pattern; the session must begin after this.
    pub fn cut(&self, number: usize, when: Cut, pattern: &str) {
        sshd::cut(&self.processes.folder().join(format!("pe{number}")), when, pattern);
    }

    /// Whether the ordered fault is still to come.
    pub fn cut_is_pending(&self, number: usize) -> bool {
        sshd::cut_is_pending(&self.processes.folder().join(format!("pe{number}")))
    }

    /// Sessions that [`Cut::Stall`] stopped go on: those whose client is gone end.
    pub fn resume(&mut self) {
        assert_eq!(self.exec("p", "pkill -CONT sshd").0, 0, "no sshd");
    }

    /// Runs a shell command in a node ([`NODES`]): its exit status and what it said.
    pub fn exec(&mut self, node: &str, command: &str) -> (i32, String) {
        self.orders += 1;
        let number = self.orders;
        writeln!(self.console, "{number} {node} {command}").and_then(|()| self.console.flush()).expect("the console");
        let answer = self.processes.folder().join(format!("answer.{number}"));
        self.processes
            .wait_within(Duration::from_secs(60), KERNEL, command, || answer.exists())
            .unwrap_or_else(|error| panic!("{error}\n{}", self.steps()));
        let text = std::fs::read_to_string(answer).expect("an answer");
        let (status, said) = text.split_once('\n').expect("a status line");
        (status.parse().expect("a status"), said.to_owned())
    }

    /// Puts an access into a customer's router: VLAN interface, address, default route.
    pub fn customer(&mut self, node: &str, vlan: u16, address: &str, gateway: &str) {
        let command = format!(
            "ip link add link eth1 name eth1.{vlan} up type vlan id {vlan} && ip addr add {address} dev eth1.{vlan} \
             && ip route replace default via {gateway}"
        );
        let (status, said) = self.exec(node, &command);
        assert_eq!(status, 0, "{node}: {said}");
    }

    /// How many of three echo requests were answered.
    pub fn pings(&mut self, node: &str, to: &str) -> usize {
        let (_, said) = self.exec(node, &format!("ping -n -c3 -i0.2 -W1 {to}"));
        said.matches("bytes from").count()
    }

    /// Waits until echo requests are answered.
    ///
    /// # Errors
    /// None was within the limit; the text says what the PEs know.
    pub fn wait_for_ping(&mut self, node: &str, to: &str, limit: Duration) -> Result<(), String> {
        let once = format!("ping -n -c1 -W0.5 {to}");
        let waited = wait_until(&format!("{node} reaches {to}"), limit, || self.exec(node, &once).0 == 0);
        waited.map_err(|error| format!("{error}\n{}", self.diagnosis()))
    }

    /// `show running-config` of a PE, complete to its `end`.
    pub fn running_config(&mut self, number: usize) -> String {
        let (status, text) =
            self.exec(&format!("pe{number}"), &format!("vtysh -N pe{number} -c 'show running-config'"));
        assert!(status == 0 && text.trim_end().ends_with("\nend"), "pe{number}: {text}");
        text
    }

    /// What the agent of a PE has done.
    pub fn agent_log(&self, number: usize) -> String {
        std::fs::read_to_string(self.processes.folder().join(format!("agent-pe{number}.log"))).unwrap_or_default()
    }

    /// The steps of the boot, with the uptime in seconds.
    pub fn steps(&self) -> String {
        std::fs::read_to_string(self.processes.folder().join("uml-steps.log")).unwrap_or_default()
    }

    /// What helps when packets do not pass: routes, labels and agents of both PEs.
    pub fn diagnosis(&mut self) -> String {
        let mut text = String::new();
        for number in [1, 2] {
            let pe = format!("pe{number}");
            let (_, said) = self.exec(
                &pe,
                &format!(
                    "ip -br link; ip -f mpls route; ip route show table all type unicast | head -40; \
                     vtysh -N {pe} -c 'show running-config' -c 'show bgp ipv4 vpn' -c 'show mpls table'"
                ),
            );
            text.push_str(&format!("--- {pe}\n{said}\n--- agent of {pe}\n{}\n", self.agent_log(number)));
        }
        text
    }

    fn forward(&mut self) {
        let folder = self.processes.folder().to_owned();
        let file = folder.join("ports");
        let mut forward = Command::new(python().unwrap_or_else(|missing| panic!("{missing:?}")));
        forward
            .args(["-I", "-S"])
            .arg(lab_file("forward.py"))
            .arg("listen")
            .arg(&file)
            .arg(self.processes.namespace_path())
            .args(["192.0.2.11:22", "192.0.2.12:22"]);
        self.processes.spawn("forward", &mut forward);
        self.processes.wait_for("forward", "its ports", || file.exists()).unwrap_or_else(|error| panic!("{error}"));
        let ports = std::fs::read_to_string(file).expect("ports");
        for (access, port) in self.pes.iter_mut().zip(ports.lines()) {
            access.on_port(port.parse().expect("a port"));
        }
    }
}

fn packets_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packets").join(name)
}

const KERNEL: &str = "linux.uml";
