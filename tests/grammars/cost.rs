//! What a payload costs: it follows the change, not the element.

use crate::grammar;
use andante::tree::{diff, visited};

/// Nodes that the walks look at for the payload of a change in a text of `count` interfaces.
fn nodes(name: &str, count: u32, before: &str, after: &str, text: impl Fn(u32) -> String) -> (u64, u32, usize) {
    let grammar = grammar(name);
    let text: String = (0..count).map(text).collect();
    let a = grammar.parse(&text).unwrap().tree;
    assert!(text.contains(before), "{before}");
    let b = grammar.parse(&text.replacen(before, after, 1)).unwrap().tree;
    let difference = diff(&a, &b);
    let started = (visited(), std::time::Instant::now());
    let payload = grammar.render(&difference, &a, &b).unwrap();
    let nodes = visited() - started.0;
    println!(
        "{name}, {count} interfaces: {nodes} nodes visited for {} edited, {:?}",
        difference.size(),
        started.1.elapsed()
    );
    (nodes, difference.size(), payload.len())
}

#[test]
fn the_nodes_visited_follow_the_change() {
    let ios = |n: u32| format!("interface GigabitEthernet1/{n}\n description d{n}\n mtu 9000\n!\n");
    let vyos = |n: u32| {
        format!("set interfaces ethernet eth{n} description 'd{n}'\nset interfaces ethernet eth{n} mtu 9000\n")
    };
    for (name, text, before, after) in [
        ("ios", &ios as &dyn Fn(u32) -> String, " description d77\n", " description other\n"),
        ("vyos", &vyos, "eth77 description 'd77'", "eth77 description 'other'"),
    ] {
        let (few, _, _) = nodes(name, 100, before, after, text);
        let (many, edited, lines) = nodes(name, 4000, before, after, text);
        assert_eq!((edited, lines), (1, if name == "ios" { 3 } else { 1 }));
        // Two readings share nothing: finding the one difference costs the chunks of a list, the payload itself nothing
        // that grows with the element.
        assert!(many <= 250 && many <= 5 * few, "{many} of 4000 against {few} of 100");
    }
}
