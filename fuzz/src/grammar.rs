//! The text of a command line: two running configurations, and the lines that lead from the one to the other.

use andante::adapter::grammar::Grammar;
use andante::tree::diff;
use std::sync::LazyLock;

/// A grammar of the indent family.
pub fn indent(data: &[u8]) {
    static FRR: LazyLock<Grammar> =
        LazyLock::new(|| Grammar::compile("frr", include_str!("../../adapters/frr/grammar.toml")).unwrap());
    both(&FRR, data);
}

/// The two texts stand on both sides of the first byte 0xFF, which no text holds.
fn both(grammar: &Grammar, data: &[u8]) {
    let mut texts = data.splitn(2, |byte| *byte == 0xFF).map(std::str::from_utf8);
    let (Some(Ok(before)), Some(Ok(after))) = (texts.next(), texts.next().or(Some(Ok("")))) else { return };
    let (Ok(before), Ok(after)) = (grammar.parse(before), grammar.parse(after)) else { return };
    for parsed in [&before, &after] {
        let text = grammar.text(&parsed.tree);
        let back = grammar.parse(&text).expect("our own text");
        assert_eq!(back.tree, parsed.tree, "{text}");
    }
    let change = diff(&before.tree, &after.tree);
    if let Ok(lines) = grammar.render(&change, &before.tree, &after.tree) {
        let typed: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let reached = grammar.execute(&before.tree, &typed);
        assert_eq!(reached.map(|tree| grammar.normalise(&tree)).ok(), Some(after.tree.clone()), "{typed:#?}");
    }
}
