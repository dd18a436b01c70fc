//! The text of a command line, by family: two running configurations, and the lines that lead from the one to the other.

use andante::adapter::grammar::Grammar;
use andante::tree::{Key, Node, diff};
use std::sync::LazyLock;

/// Indented blocks: FRR, and the manner of IOS and EOS.
pub fn indent(data: &[u8]) {
    static ALL: LazyLock<[Grammar; 3]> = LazyLock::new(|| {
        [
            compiled("frr", include_str!("../../adapters/frr/grammar.toml")),
            compiled("ios", include_str!("../../tests/grammars/ios.toml")),
            compiled("eos", include_str!("../../tests/grammars/eos.toml")),
        ]
    });
    one_of(&*ALL, data);
}

/// Lines that set.
pub fn set(data: &[u8]) {
    static ALL: LazyLock<[Grammar; 1]> =
        LazyLock::new(|| [compiled("vyos", include_str!("../../tests/grammars/vyos.toml"))]);
    one_of(&*ALL, data);
}

/// Text in braces.
pub fn brace(data: &[u8]) {
    static ALL: LazyLock<[Grammar; 1]> =
        LazyLock::new(|| [compiled("junos", include_str!("../../tests/grammars/junos.toml"))]);
    one_of(&*ALL, data);
}

/// Lines with their whole path.
pub fn flat(data: &[u8]) {
    static ALL: LazyLock<[Grammar; 1]> =
        LazyLock::new(|| [compiled("sros", include_str!("../../tests/grammars/sros.toml"))]);
    one_of(&*ALL, data);
}

fn compiled(name: &str, toml: &str) -> Grammar {
    Grammar::compile(name, toml).expect("a grammar of ours")
}

/// The first byte chooses the grammar.
fn one_of(grammars: &[Grammar], data: &[u8]) {
    let Some((which, texts)) = data.split_first() else { return };
    both(&grammars[*which as usize % grammars.len()], texts);
}

/// The two texts stand on both sides of the first byte 0xFF, which no text holds.
fn both(grammar: &Grammar, data: &[u8]) {
    let mut texts = data.splitn(2, |byte| *byte == 0xFF).map(std::str::from_utf8);
    let (Some(Ok(before)), Some(Ok(after))) = (texts.next(), texts.next().or(Some(Ok("")))) else { return };
    let (Ok(before), Ok(after)) = (grammar.parse(before), grammar.parse(after)) else { return };
    for parsed in [&before, &after] {
        let text = grammar.text(&parsed.tree);
        let back = grammar.parse(&text).expect("our own text");
        // What no grammar knows is kept line by line; printed alone it may be known, and be something else.
        if parsed.opaque == 0 {
            assert_eq!(back.tree, parsed.tree, "{text}");
        }
    }
    let change = diff(&before.tree, &after.tree);
    if knows_all(before.tree.root())
        && knows_all(after.tree.root())
        && let Ok(lines) = grammar.render(&change, &before.tree, &after.tree)
    {
        let typed: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let reached = grammar.execute(&before.tree, &typed).expect("lines that were tried");
        let lasting = grammar.lasting(&change, &after.tree);
        assert_eq!(grammar.normalise(&reached), grammar.normalise(&lasting), "{typed:#?}");
    }
}

/// Whether no line of it is unknown.
fn knows_all(node: &Node) -> bool {
    node.children().iter().all(|child| !matches!(child.key(), Key::Opaque(..)) && knows_all(child))
}
