//! The grammar of the frr adapter against a real FRR: what was typed is what is read, a rendered difference leads to its
//! target, and the removal of everything leaves the element as it was, byte for byte.
//!
//! The cases are random but fixed: seed `n` is always the same configuration. `ANDANTE_SEED=n` runs one of them,
//! `ANDANTE_CASES=n` more of them. The law `parse(read) == tree` is where a misunderstanding of FRR shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

#[path = "../src/adapter/grammar/tests/random.rs"]
mod random;
mod support;

use andante::adapter::Adapter;
use andante::adapter::grammar::Grammar;
use andante::tree::{ConfigTree, diff, inverse};
use random::{Dice, config};
use support::{CliSession, FrrElement, FrrOptions, or_skip};

const NOTICE: &str = "not installed currently because dependent config not fully available";

fn grammar() -> Grammar {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/adapters/frr/grammar.toml");
    Grammar::compile("frr", &std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The element and an operator at its prompt. (`vtysh -c` will not do: it says that `no ip address` on an interface
/// without a kernel object failed, without a word, and stops, although the line is done.)
struct Lab {
    element: FrrElement,
    operator: CliSession,
    grammar: Grammar,
}

impl Lab {
    fn start() -> Option<Self> {
        let daemons = vec![("bgpd".to_owned(), String::new()), ("staticd".to_owned(), String::new())];
        let options = FrrOptions { hostname: "pe1".to_owned(), daemons };
        let element = or_skip("frr grammar", FrrElement::start(options))?;
        let operator = element.operator();
        Some(Self { element, operator, grammar: grammar() })
    }

    /// Types lines in configuration mode. Everything that the element answers is an error, but for the notice.
    fn type_lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
        self.operator.line("configure terminal");
        let mut result = Ok(());
        for line in lines {
            let said = self.operator.line(line);
            let wrong: Vec<&str> =
                said.lines().skip(1).filter(|l| !l.trim().is_empty() && !l.contains(NOTICE)).collect();
            if !wrong.is_empty() {
                result = Err(format!("{line}: {}", wrong.join("\n")));
                break;
            }
        }
        self.operator.line("end");
        result
    }

    fn read(&self) -> (ConfigTree, String) {
        let text = self.element.running_config();
        let parsed = self.grammar.parse(&text).unwrap();
        assert!(parsed.complete, "{text}");
        let mut unknown = Vec::new();
        parsed.tree.walk(&mut |path, node| {
            if matches!(node.key(), andante::tree::Key::Opaque(..)) || path.to_string().contains("/other[") {
                unknown.push(path.to_string());
            }
            true
        });
        // A line of vtysh itself, from the element's start.
        unknown.retain(|path| !path.contains("service integrated-vtysh-config"));
        assert!(unknown.is_empty(), "lines that the grammar does not know: {unknown:#?}\n{text}");
        (parsed.tree, text)
    }

    /// From `before` to `after` by the rendered lines; the element then says `after`.
    fn go(&mut self, before: &ConfigTree, after: &ConfigTree, case: &str) {
        let difference = diff(before, after);
        let payload = self.grammar.render(&difference, before, after).unwrap_or_else(|e| panic!("{case}: {e}"));
        let lines: Vec<&str> = payload.iter().map(|line| line.text.as_str()).collect();
        let typed = self.type_lines(lines.iter().copied());
        let (tree, text) = self.read();
        if typed.is_err() || &tree != after {
            let left: Vec<String> = diff(&tree, after).edits.iter().map(|e| e.path().to_string()).collect();
            let before = self.grammar.text(before);
            panic!("{case}: {typed:?}; left over: {left:#?}\nbefore:\n{before}\nlines: {lines:#?}\nread:\n{text}");
        }
    }
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match number("ANDANTE_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("ANDANTE_CASES").unwrap_or(15)).collect(),
    }
}

#[test]
fn what_is_typed_is_read_and_every_difference_leads_to_its_target_and_back_to_nothing() {
    let Some(mut lab) = Lab::start() else { return };
    let seeds = seeds();
    println!("seeds {:?}", seeds);
    let (nothing, at_start) = lab.read();
    let grammar = grammar();
    let with = |text: &str| nothing.overlay(&grammar.parse(text).unwrap().tree);
    let mut now = nothing.clone();
    for seed in seeds {
        let dice = &mut Dice::new(seed);
        let first = config(dice);
        let wanted = with(&first.text());
        // From whatever the seed before left, by the lines of the difference.
        lab.go(&now, &wanted, &format!("seed {seed}, to the first"));
        let second = if dice.chance(2) { config(dice) } else { first.changed(dice) };
        let changed = with(&second.text());
        lab.go(&wanted, &changed, &format!("seed {seed}, to the second"));
        // The undo of a transaction.
        let undone = andante::tree::apply(&inverse(&diff(&wanted, &changed)), &changed).unwrap();
        lab.go(&changed, &undone, &format!("seed {seed}, undo"));
        lab.go(&undone, &nothing, &format!("seed {seed}, removal"));
        assert_eq!(lab.element.running_config(), at_start, "seed {seed}");
        // What stands in the text is what the element makes of it when it is typed as it is.
        lab.type_lines(second.text().lines()).unwrap_or_else(|said| panic!("seed {seed}: {said}\n{}", second.text()));
        let (tree, text) = lab.read();
        assert_eq!(tree, changed, "seed {seed}\n{}\n{text}", second.text());
        now = changed;
    }
    lab.go(&now, &nothing, "the end");
    assert_eq!(lab.element.running_config(), at_start);
}

#[test]
fn what_the_templates_write_is_what_the_element_keeps() {
    let Some(mut lab) = Lab::start() else { return };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/frr");
    let adapter = Adapter::load(&folder).unwrap();
    let (nothing, at_start) = lab.read();
    let mut seen = 0;
    for case in std::fs::read_dir(folder.join("tests")).unwrap() {
        let case = case.unwrap().path();
        if case.join("refused.txt").exists() {
            continue;
        }
        let mut now = nothing.clone();
        for step in ["before.json", "element-service.json"].map(|file| case.join(file)) {
            let Ok(text) = std::fs::read_to_string(&step) else { continue };
            let wanted = nothing.overlay(&adapter.map(&serde_json::from_str(&text).unwrap()).unwrap());
            lab.go(&now, &wanted, &step.display().to_string());
            now = wanted;
            seen += 1;
        }
        lab.go(&now, &nothing, &format!("{}, removal", case.display()));
        assert_eq!(lab.element.running_config(), at_start, "{}", case.display());
    }
    assert!(seen > 3, "the golden cases were not found");
}

#[test]
fn the_model_answers_as_the_element_does() {
    let Some(mut lab) = Lab::start() else { return };
    let setup = [
        "vrf acme",
        "ip route 10.0.0.0/8 192.0.2.1",
        "exit-vrf",
        "interface eth1.100",
        "description x",
        "exit",
        "router bgp 65000",
        "exit",
        "router bgp 65000 vrf acme",
        "bgp router-id 10.255.0.1",
        "neighbor 192.168.1.2 remote-as 65101",
        "address-family ipv4 unicast",
        "rd vpn export 65000:1",
        "rt vpn both 65000:1",
    ];
    lab.type_lines(setup).unwrap();
    let (mut tree, _) = lab.read();
    let unicast = ["router bgp 65000 vrf acme", "address-family ipv4 unicast"];
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec![], "bogus"),
        (vec!["interface eth1.100"], "mtu 1400"),
        (vec!["interface eth1.100"], "no description one"),
        (vec!["interface eth1.100"], "no description"),
        (vec![], "router bgp 65001"),
        (vec![], "router bgp 65001 vrf acme"),
        (unicast.to_vec(), "no rt vpn both"),
        (unicast.to_vec(), "no rd vpn export"),
        (unicast.to_vec(), "neighbor 192.168.1.2 bogus"),
        (vec!["router bgp 65000 vrf acme"], "no address-family ipv6 unicast"),
        (vec!["router bgp 65000 vrf acme"], "neighbor 1.1.1.1 timers 10 30"),
        (vec!["router bgp 65000 vrf acme"], "neighbor 1.1.1.1 description x"),
        (vec!["router bgp 65000", "address-family l2vpn evpn", "vni 300"], "route-target import 65000:300"),
        (vec!["vrf acme"], "no ip route 10.9.0.0/16 192.0.2.1"),
        (vec!["vrf acme"], "no ip route 10.0.0.0/8 192.0.2.1"),
        ([&unicast[..], &["export vpn"]].concat(), "import vpn"),
        (vec![], "no router bgp 65000"),
        ([&unicast[..], &["no export vpn"]].concat(), "no import vpn"),
        (vec![], "no router bgp 65000"),
    ];
    for (way, line) in cases {
        lab.operator.line("configure terminal");
        for step in &way {
            lab.operator.line(step);
        }
        let said = lab.operator.line(line);
        lab.operator.line("end");
        let said: Vec<&str> = said.lines().skip(1).filter(|l| !l.trim().is_empty()).collect();
        let typed: Vec<&str> = way.iter().copied().chain([line]).collect();
        let (next, model) = match lab.grammar.execute(&tree, &typed) {
            Ok(next) => (next, String::new()),
            Err(refused) => (refused.tree, refused.text),
        };
        assert_eq!(said.join("\n"), model, "{way:?} {line}");
        let (read, text) = lab.read();
        assert_eq!(read, next, "{way:?} {line}\n{text}");
        tree = next;
    }
}

#[test]
fn a_dead_daemon_is_missing_where_the_adapter_looks_for_it() {
    let Some(mut lab) = Lab::start() else { return };
    lab.type_lines(["vrf acme", "ip route 10.0.0.0/8 192.0.2.1", "exit-vrf"]).unwrap();
    let alive = lab.element.vtysh(&["show daemons"]).unwrap();
    assert!(["zebra", "bgpd", "staticd"].iter().all(|d| alive.contains(d)), "{alive}");
    lab.element.kill_daemon("staticd");
    let alive = lab.element.vtysh(&["show daemons"]).unwrap();
    assert!(!alive.contains("staticd") && alive.contains("zebra"), "{alive}");
    let text = lab.element.running_config();
    assert!(lab.grammar.parse(&text).unwrap().complete && !text.contains("ip route"), "it looks complete: {text}");
}
