//! The laboratory of the FRR tests: one element under test with sessions to two real BGP speakers.
//!
//! ```text
//!   core (AS 65000) ══ link1, link2 ══ r1 (AS 65000, under test) ══ link3, link4 ══ ce (AS 65101)
//! ```
//!
//! The addresses of the links are the kernel's, so no configuration under test can take them away. What a change did to
//! sessions is counted where it is felt: the neighbours say how often they lost one.
use super::configuration::LIVE;
use super::support::{CliSession, FrrElement, FrrOptions, or_skip, program};
use andante::adapter::Adapter;
use andante::adapter::grammar::Grammar;
use andante::tree::{ConfigTree, diff};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The element under test, its neighbours, and an operator at its prompt.
pub struct Network {
    pub element: FrrElement,
    neighbours: Vec<FrrElement>,
    operator: CliSession,
    pub grammar: Grammar,
    notices: Vec<Regex>,
    /// What the element says when nothing is configured.
    pub nothing: (ConfigTree, String),
    /// How often the element had to be started again, and why.
    pub crashes: Vec<String>,
}

impl Network {
    pub fn start() -> Option<Self> {
        let daemons = ["bgpd", "staticd", "ospfd", "ldpd"].map(|name| (name.to_owned(), String::new())).to_vec();
        let element = or_skip("frr", FrrElement::start(FrrOptions { hostname: "r1".into(), daemons }))?;
        let mut neighbours = Vec::new();
        for (name, asn) in [("core", 65000), ("ce", 65101)] {
            let daemons = vec![("bgpd".to_owned(), speaker(asn))];
            let neighbour = or_skip("frr", FrrElement::start(FrrOptions { hostname: name.into(), daemons }))?;
            for (theirs, _, ours, link) in LIVE.iter().filter(|live| live.1 == asn) {
                element.link(link, &neighbour, link);
                element.in_namespace(&["ip", "addr", "add", &format!("{ours}/30"), "dev", link]);
                neighbour.in_namespace(&["ip", "addr", "add", &format!("{theirs}/30"), "dev", link]);
            }
            neighbours.push(neighbour);
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/adapters/frr");
        let adapter = Adapter::load(std::path::Path::new(folder)).unwrap();
        let notices = adapter.manifest().cli.as_ref().unwrap()["notices"].as_array().unwrap().iter();
        let notices = notices.map(|notice| Regex::new(notice.as_str().unwrap()).unwrap()).collect();
        let grammar =
            Grammar::compile("frr", &std::fs::read_to_string(format!("{folder}/grammar.toml")).unwrap()).unwrap();
        let operator = element.operator();
        let text = element.running_config();
        let nothing = (grammar.parse(&text).unwrap().tree, text);
        Some(Self { element, neighbours, operator, grammar, notices, nothing, crashes: Vec::new() })
    }

    /// `show running-config` of a whole element. A daemon that has died is an error: its lines would be missing.
    pub fn running(&mut self) -> Result<String, String> {
        let text = self.element.vtysh(&["show running-config"]);
        match self.element.crashed() {
            dead if dead.is_empty() => text,
            dead => Err(format!("{} crashed", dead.join(", "))),
        }
    }

    pub fn parse(&self, text: &str) -> ConfigTree {
        let parsed = self.grammar.parse(text).unwrap();
        assert!(parsed.complete, "{text}");
        parsed.tree
    }

    /// Loads a text as FRR loads its own files. What is answered and is no notice is an error.
    pub fn load(&mut self, text: &str) -> Result<(), String> {
        let file = self.element.socket_folder().join("load.conf");
        std::fs::write(&file, text).unwrap();
        let mut vtysh = Command::new(program("vtysh").unwrap());
        vtysh.arg("--vty_socket").arg(self.element.socket_folder());
        vtysh.arg("--config_dir").arg(self.element.socket_folder()).arg("-f").arg(&file);
        let output = vtysh.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        self.judge(&String::from_utf8_lossy(&said)).map_err(|said| format!("load: {said}"))
    }

    /// Types lines in configuration mode, to the first that is refused.
    pub fn type_lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
        self.operator.try_line("configure terminal")?;
        let mut result = Ok(());
        for line in lines {
            let said = self.operator.try_line(line)?;
            let said = said.split_once('\n').map_or("", |(_, said)| said);
            if let Err(said) = self.judge(said) {
                result = Err(format!("`{line}`: {said}"));
                break;
            }
        }
        self.operator.try_line("end")?;
        result
    }

    fn judge(&self, said: &str) -> Result<(), String> {
        let wrong = |line: &&str| !line.trim().is_empty() && !self.notices.iter().any(|n| n.is_match(line.trim_end()));
        let wrong: Vec<&str> = said.lines().filter(wrong).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// The lines of our difference.
    pub fn lines(&self, before: &ConfigTree, after: &ConfigTree) -> Result<Vec<String>, String> {
        let payload = self.grammar.render(&diff(before, after), before, after).map_err(|error| error.to_string())?;
        Ok(payload.into_iter().map(|line| line.text).collect())
    }

    /// By our difference from one tree to the other; what the element says then.
    pub fn go(&mut self, before: &ConfigTree, after: &ConfigTree) -> Result<String, String> {
        let lines = self.lines(before, after)?;
        self.type_lines(lines.iter().map(String::as_str)).map_err(|said| format!("{said}\nof {lines:#?}"))?;
        self.running()
    }

    /// The same by a file, as FRR loads its own: quicker than typing, where the way is not in question.
    pub fn go_by_file(&mut self, after: &ConfigTree) -> Result<String, String> {
        let now = self.running()?;
        let now = self.parse(&now);
        let lines = self.lines(&now, after)?;
        self.load(&(lines.join("\n") + "\n"))?;
        self.running()
    }

    /// The same, typed line by line: what a file says is taken in one piece, in which bgpd loses rules that come back.
    pub fn go_from_here(&mut self, after: &ConfigTree) -> Result<String, String> {
        let now = self.running()?;
        let now = self.parse(&now);
        self.go(&now, after)
    }

    /// Whatever stands there goes: by our difference, and by a restart where that does not do.
    pub fn clean(&mut self) -> Result<(), String> {
        let nothing = self.nothing.clone();
        let gone = self.go_by_file(&nothing.0);
        match gone {
            Ok(text) if text == nothing.1 => Ok(()),
            Ok(text) => {
                self.restart();
                Err(format!("left behind:\n{}", changes(&nothing.1, &text)))
            }
            Err(error) => {
                self.restart();
                Err(error)
            }
        }
    }

    /// All daemons anew, without any configuration.
    pub fn restart(&mut self) {
        for daemon in self.element.crashed() {
            // Where it died, as it says itself: the frames of its own code.
            let log = self.element.log(&daemon);
            let last = log.lines().rev().find(|line| line.contains("eceived signal") || line.contains("()"));
            self.crashes.push(format!("{daemon}: {}", last.unwrap_or("without a word")));
        }
        self.element.restart();
        self.operator = self.element.operator();
        assert_eq!(self.element.running_config(), self.nothing.1, "a restarted element is empty");
    }

    /// How often each neighbour has lost its session with us, by its own count.
    pub fn dropped(&self) -> BTreeMap<String, u64> {
        self.seen(|session| session["connectionsDropped"].as_u64().unwrap_or(0))
    }

    fn seen<T>(&self, what: impl Fn(&serde_json::Value) -> T) -> BTreeMap<String, T> {
        let mut seen = BTreeMap::new();
        for neighbour in &self.neighbours {
            let text = neighbour.vtysh(&["show bgp neighbors json"]).unwrap();
            let all: serde_json::Value = serde_json::from_str(&text).unwrap();
            for (theirs, _, ours, _) in LIVE {
                if let Some(session) = all.get(ours) {
                    seen.insert(theirs.to_owned(), what(session));
                }
            }
        }
        seen
    }

    /// Waits until exactly these sessions stand, as both ends see it.
    pub fn settle(&mut self, wanted: &BTreeSet<String>) -> Result<(), String> {
        let start = Instant::now();
        let mut called = 0;
        loop {
            let state = self.seen(|session| session["bgpState"] == "Established");
            let now: BTreeSet<String> = state.into_iter().filter(|(_, up)| *up).map(|(peer, _)| peer).collect();
            if now == *wanted && (wanted.is_empty() || self.ours() == *wanted) {
                return Ok(());
            }
            // A speaker that was called with a wrong AS waits longer and longer before it listens again.
            if start.elapsed().as_secs() / 5 > called {
                called += 1;
                for (theirs, asn, ours, _) in
                    LIVE.iter().filter(|live| wanted.contains(live.0) && !now.contains(live.0))
                {
                    let neighbour = &self.neighbours[usize::from(*asn != 65000)];
                    let _ = neighbour.vtysh(&[&format!("clear bgp {ours}")]);
                    let _ = self.element.vtysh(&[&format!("clear bgp {theirs}")]);
                }
            }
            if start.elapsed() > Duration::from_secs(60) {
                let (ours, dead) = (self.ours(), self.element.crashed());
                return Err(format!(
                    "sessions: wanted {wanted:?}, the neighbours see {now:?}, we {ours:?}, dead {dead:?}"
                ));
            }
            // Each look starts three programs.
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn ours(&self) -> BTreeSet<String> {
        let text = self.element.vtysh(&["show bgp neighbors json"]).unwrap_or_default();
        let all: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let up = |peer: &str| all.get(peer).is_some_and(|session| session["bgpState"] == "Established");
        LIVE.iter().map(|live| live.0).filter(|peer| up(peer)).map(str::to_owned).collect()
    }

    /// A folder for files of other programs.
    pub fn folder(&self) -> PathBuf {
        self.element.socket_folder()
    }
}

/// The sessions that a configuration brings up in this laboratory.
pub fn expected(text: &str) -> BTreeSet<String> {
    let mut at = "";
    let mut family = "";
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        if !line.starts_with(' ') {
            (at, family) = (line, "");
        } else if let Some(name) = line.trim().strip_prefix("address-family ") {
            family = name;
        } else if line.trim() == "exit-address-family" {
            family = "";
        }
        if at == "router bgp 65000" {
            lines.push((family, line.trim()));
        }
    }
    let has = |family: &str, line: &str| lines.contains(&(family, line));
    let up = |(peer, asn, _, _): &(&str, u32, &str, &str)| {
        let remote = has("", &format!("neighbor {peer} remote-as {asn}"));
        let own = lines.iter().any(|(_, line)| line.starts_with(&format!("neighbor {peer} local-as")));
        let shut = has("", &format!("neighbor {peer} shutdown"));
        let plain = !has("ipv4 unicast", &format!("no neighbor {peer} activate"));
        let other = lines.iter().any(|(_, line)| *line == format!("neighbor {peer} activate"));
        remote && !own && !shut && (plain || other)
    };
    LIVE.iter().filter(|live| up(live)).map(|live| live.0.to_owned()).collect()
}

/// The text with its blocks in one order. FRR prints VRFs and instances in the order in which it got to know them, and
/// the kernel of what follows is the same.
pub fn ordered(text: &str) -> String {
    let mut blocks: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines().filter(|line| line.trim() != "!") {
        let below = line.starts_with(' ') || line.starts_with("exit");
        match blocks.last_mut().filter(|_| below && open) {
            Some(block) => block.push_str(&format!("\n{line}")),
            None => blocks.push(line.to_owned()),
        }
        open = !line.starts_with("exit");
    }
    blocks.sort();
    blocks.join("\n")
}

/// What differs between two texts, for people.
pub fn changes(old: &str, new: &str) -> String {
    similar::TextDiff::from_lines(old, new).unified_diff().context_radius(3).to_string()
}

/// A speaker that waits to be called: were both to call, one session in some would be lost to the other's.
fn speaker(asn: u32) -> String {
    let mut text = format!(
        "router bgp {asn}\n bgp router-id {}\n no bgp ebgp-requires-policy\n",
        LIVE.iter().find(|l| l.1 == asn).unwrap().0
    );
    let ours: Vec<&str> = LIVE.iter().filter(|live| live.1 == asn).map(|live| live.2).collect();
    for peer in &ours {
        text.push_str(&format!(
            " neighbor {peer} remote-as 65000\n neighbor {peer} passive\n neighbor {peer} disable-connected-check\n"
        ));
    }
    for family in ["ipv4 unicast", "ipv6 unicast", "ipv4 vpn", "ipv6 vpn", "l2vpn evpn"] {
        text.push_str(&format!(" address-family {family}\n"));
        for peer in &ours {
            text.push_str(&format!("  neighbor {peer} activate\n"));
        }
        text.push_str(" exit-address-family\n");
    }
    text + "exit\n"
}
