//! The grammar of the frr adapter against a real FRR: what was typed is what is read, a rendered difference leads to its
//! target, and the removal of everything leaves the element as it was, byte for byte.
//!
//! The cases are random but fixed: seed `n` is always the same configuration. `ANDANTE_SEED=n` runs one of them,
//! `ANDANTE_CASES=n` more of them. The law `parse(read) == tree` is where a misunderstanding of FRR shows.

#[path = "../src/adapter/grammar/tests/random.rs"]
mod random;
mod support;

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
        None => (0..number("ANDANTE_CASES").unwrap_or(25)).collect(),
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
