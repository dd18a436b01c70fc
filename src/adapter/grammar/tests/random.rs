//! Random configurations of the features that the FRR adapter uses, from a seed. Shared by the tests of the grammar and
//! the test on a real element, so it uses the standard library only.

/// A small generator (SplitMix64): equal seeds, equal configurations.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// True once in `n` times.
    pub fn chance(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn one<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }

    fn some<'a>(&mut self, words: &[&'a str]) -> Vec<&'a str> {
        words.iter().filter(|_| self.chance(2)).copied().collect()
    }
}

/// A configuration: blocks with a header, lines and blocks below.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    enter: String,
    exit: &'static str,
    lines: Vec<String>,
    blocks: Vec<Block>,
}

impl Block {
    fn new(enter: String, exit: &'static str) -> Self {
        Self { enter, exit, lines: Vec::new(), blocks: Vec::new() }
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        self.print(0, &mut out);
        out
    }

    fn print(&self, depth: usize, out: &mut String) {
        let below = if self.enter.is_empty() { depth } else { depth + 1 };
        if !self.enter.is_empty() {
            out.push_str(&format!("{}{}\n", " ".repeat(depth), self.enter));
        }
        for line in &self.lines {
            out.push_str(&format!("{}{line}\n", " ".repeat(below)));
        }
        for block in &self.blocks {
            block.print(below, out);
        }
        if !self.enter.is_empty() {
            out.push_str(&format!("{}{}\n", " ".repeat(depth), self.exit));
        }
    }

    /// The same with one top-level block made anew, dropped or doubled up by another.
    pub fn changed(&self, dice: &mut Dice) -> Self {
        let mut new = self.clone();
        let other = config(dice);
        for block in &mut new.blocks {
            if let Some(same) = other.blocks.iter().find(|b| b.enter == block.enter)
                && dice.chance(2)
            {
                *block = same.clone();
            }
        }
        repair(&mut new);
        new
    }
}

/// Every VRF instance of BGP needs the default instance.
fn repair(config: &mut Block) {
    let wants = config.blocks.iter().any(|b| b.enter.starts_with("router bgp 65000 vrf"));
    if wants && !config.blocks.iter().any(|b| b.enter == "router bgp 65000") {
        config.blocks.push(Block::new("router bgp 65000".to_owned(), "exit"));
    }
    // The element wants the default instance first.
    config.blocks.sort_by_key(|b| b.enter.contains("router bgp 65000 vrf"));
}

const VRFS: [&str; 3] = ["acme", "blue", "c-3"];
const TARGETS: [&str; 4] = ["65000:100", "65000:200", "65001:7", "192.0.2.1:9"];

/// A random configuration.
pub fn config(dice: &mut Dice) -> Block {
    let mut all = Block::new(String::new(), "");
    for vrf in dice.some(&VRFS) {
        all.blocks.push(statics(dice, vrf));
    }
    for port in dice.some(&["eth1.100", "eth1.200", "eth2.10.20", "eth3"]) {
        all.blocks.push(interface(dice, port));
    }
    if dice.chance(2) {
        all.blocks.push(global(dice));
    }
    for vrf in dice.some(&VRFS) {
        all.blocks.push(instance(dice, vrf));
    }
    repair(&mut all);
    all
}

fn statics(dice: &mut Dice, vrf: &str) -> Block {
    let mut block = Block::new(format!("vrf {vrf}"), "exit-vrf");
    for prefix in dice.some(&["172.16.1.0/24", "10.0.0.0/8", "192.0.2.7/32"]) {
        let options = options(dice);
        let via = dice.one(&["192.168.1.2", "192.168.1.6", "eth1.100", "blackhole"]);
        block.lines.push(format!("ip route {prefix} {via}{options}"));
        // A second next hop of the same distance shares the tag on the element.
        if dice.chance(3) && via.starts_with("192") {
            block.lines.push(format!("ip route {prefix} 192.168.9.9{options}"));
        }
    }
    for prefix in dice.some(&["2001:db8:1::/48", "::/0"]) {
        let options = options(dice);
        let via = dice.one(&["2001:db8::2", "eth1.100"]);
        block.lines.push(format!("ipv6 route {prefix} {via}{options}"));
    }
    block
}

fn options(dice: &mut Dice) -> String {
    let tag = if dice.chance(3) { format!(" tag {}", dice.below(3) + 1) } else { String::new() };
    let distance = if dice.chance(3) { format!(" {}", dice.below(200) + 2) } else { String::new() };
    tag + &distance
}

fn interface(dice: &mut Dice, port: &str) -> Block {
    let mut block = Block::new(format!("interface {port}"), "exit");
    if dice.chance(2) {
        block.lines.push(format!("description vrf={} svc={} \"x\" ! y", dice.one(&VRFS), dice.below(9)));
    }
    for address in dice.some(&["192.168.1.1/30", "192.168.1.5/30", "10.1.1.1/24"]) {
        block.lines.push(format!("ip address {address}"));
    }
    for address in dice.some(&["2001:db8::1/64", "2001:db8:1::1/127"]) {
        block.lines.push(format!("ipv6 address {address}"));
    }
    if dice.chance(3) {
        block.lines.push("shutdown".to_owned());
    }
    block
}

fn global(dice: &mut Dice) -> Block {
    let mut block = Block::new("router bgp 65000".to_owned(), "exit");
    let neighbors = dice.some(&["10.255.0.2", "10.255.0.3"]);
    if dice.chance(2) {
        block.lines.push("bgp router-id 10.255.0.1".to_owned());
    }
    for peer in &neighbors {
        block.lines.push(format!("neighbor {peer} remote-as {}", dice.one(&["65000", "65009", "internal"])));
        if dice.chance(2) {
            block.lines.push(format!("neighbor {peer} update-source {}", dice.one(&["lo", "10.255.0.1"])));
        }
    }
    for family in ["ipv4 vpn", "ipv6 vpn"] {
        let mut below = Block::new(format!("address-family {family}"), "exit-address-family");
        for peer in &neighbors {
            if dice.chance(2) {
                below.lines.push(format!("neighbor {peer} activate"));
            }
        }
        if !below.lines.is_empty() {
            block.blocks.push(below);
        }
    }
    if dice.chance(2) {
        block.blocks.push(evpn(dice, &neighbors));
    }
    block
}

fn evpn(dice: &mut Dice, neighbors: &[&str]) -> Block {
    let mut block = Block::new("address-family l2vpn evpn".to_owned(), "exit-address-family");
    for peer in neighbors {
        if dice.chance(2) {
            block.lines.push(format!("neighbor {peer} activate"));
        }
    }
    block.lines.push("advertise-all-vni".to_owned());
    for vni in dice.some(&["100", "200"]) {
        let mut below = Block::new(format!("vni {vni}"), "exit-vni");
        if dice.chance(2) {
            below.lines.push(format!("rd {}", dice.one(&TARGETS)));
        }
        for target in dice.some(&["65000:7", "65000:8"]) {
            let direction = dice.one(&["import", "export", "both"]);
            below.lines.push(format!("route-target {direction} {target}"));
        }
        block.blocks.push(below);
    }
    block
}

fn instance(dice: &mut Dice, vrf: &str) -> Block {
    let mut block = Block::new(format!("router bgp 65000 vrf {vrf}"), "exit");
    block.lines.push(format!("bgp router-id 10.255.0.{}", dice.below(2) + 1));
    if dice.chance(2) {
        block.lines.push("no bgp ebgp-requires-policy".to_owned());
    }
    let neighbors = dice.some(&["192.168.1.2", "192.168.1.6", "2001:db8::2"]);
    for peer in &neighbors {
        neighbor(dice, peer, &mut block.lines);
    }
    for family in ["ipv4", "ipv6"] {
        if dice.chance(3) {
            continue;
        }
        let mut below = Block::new(format!("address-family {family} unicast"), "exit-address-family");
        unicast(dice, family, &neighbors, &mut below.lines);
        if !below.lines.is_empty() {
            block.blocks.push(below);
        }
    }
    block
}

fn neighbor(dice: &mut Dice, peer: &str, lines: &mut Vec<String>) {
    lines.push(format!("neighbor {peer} remote-as {}", 65101 + dice.below(3)));
    if dice.chance(3) {
        lines.push(format!("neighbor {peer} local-as {}", 64999 - dice.below(2)));
    }
    if dice.chance(2) {
        lines.push(format!("neighbor {peer} description {}", dice.one(&["CE", "CE two words", "x \"y\" ! z"])));
    }
    if dice.chance(3) {
        lines.push(format!("neighbor {peer} shutdown"));
    }
    if dice.chance(2) {
        lines.push(format!("neighbor {peer} ebgp-multihop {}", dice.one(&["2", "5", "255"])));
    }
    if dice.chance(2) {
        lines.push(format!("neighbor {peer} timers {}", dice.one(&["10 30", "60 180", "3 9"])));
    }
}

fn unicast(dice: &mut Dice, family: &str, neighbors: &[&str], lines: &mut Vec<String>) {
    for protocol in dice.some(&["connected", "static"]) {
        lines.push(format!("redistribute {protocol}"));
    }
    for peer in neighbors {
        match family {
            "ipv4" if dice.chance(3) => lines.push(format!("no neighbor {peer} activate")),
            "ipv6" if dice.chance(2) => lines.push(format!("neighbor {peer} activate")),
            _ => {}
        }
        if dice.chance(3) {
            lines.push(format!("neighbor {peer} as-override"));
        }
        if dice.chance(3) {
            lines.push(format!("neighbor {peer} maximum-prefix {}", 100 * (dice.below(2) + 1)));
        }
        if dice.chance(3) {
            lines.push(format!("neighbor {peer} allowas-in {}", dice.below(4) + 1));
        }
    }
    if dice.chance(2) {
        lines.push("label vpn export auto".to_owned());
    }
    if dice.chance(2) {
        lines.push(format!("rd vpn export {}", dice.one(&TARGETS)));
    }
    if dice.chance(3) {
        lines.push(format!("rt vpn both {}", dice.one(&TARGETS)));
    } else {
        for direction in ["import", "export"] {
            let targets = dice.some(&TARGETS);
            if !targets.is_empty() {
                lines.push(format!("rt vpn {direction} {}", targets.join(" ")));
            }
        }
    }
    // Leaking needs what it exports: RD, label and targets.
    let direction =
        |d: &str| lines.iter().any(|l| l.starts_with(&format!("rt vpn {d}")) || l.starts_with("rt vpn both"));
    let complete = lines.iter().any(|l| l.starts_with("rd")) && lines.iter().any(|l| l.starts_with("label"));
    let (export, import) = (complete && direction("export"), complete && direction("import"));
    if export && dice.chance(2) {
        lines.push("export vpn".to_owned());
    }
    if import && dice.chance(2) {
        lines.push("import vpn".to_owned());
    }
}
