//! Grammars of all families: random ones under the laws of the design, and small ones that look like real platforms.
//!
//! The laws hold for every grammar that compiles, so grammars, configurations and changes are drawn at random; equal seeds,
//! equal cases. `ANDANTE_SEED=n` repeats one case, `ANDANTE_CASES=n` draws n times as many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

mod cost;
mod draw;
mod eos;
mod faults;
mod ios;
mod junos;
mod laws;
mod sros;
mod vyos;

#[path = "../support/splitmix.rs"]
mod splitmix;

use andante::adapter::grammar::{Grammar, Parsed};
use andante::tree::diff;

/// A grammar that stands beside the tests.
fn grammar(name: &str) -> Grammar {
    let file = format!("{}/tests/grammars/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    Grammar::compile(name, &text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A text that the grammar knows as a whole, and whose own text reads the same.
fn read(grammar: &Grammar, text: &str) -> Parsed {
    let parsed = grammar.parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let printed = grammar.text(&parsed.tree);
    let again = grammar.parse(&printed).unwrap().tree;
    let left: Vec<String> = diff(&parsed.tree, &again).edits.iter().map(|edit| edit.path().to_string()).collect();
    assert!(left.is_empty(), "{left:#?}\n{text}\n->\n{printed}");
    parsed
}

/// The lines from one text to another; the model of the element takes them and says the other.
fn lines(grammar: &Grammar, before: &str, after: &str) -> Vec<String> {
    let (a, b) = (read(grammar, before).tree, read(grammar, after).tree);
    let difference = diff(&a, &b);
    let payload = grammar.render(&difference, &a, &b).unwrap_or_else(|error| panic!("{error}\n{before}\n->\n{after}"));
    let typed: Vec<String> = payload.into_iter().map(|line| line.text).collect();
    let refs: Vec<&str> = typed.iter().map(String::as_str).collect();
    let done = grammar.execute(&a, &refs).unwrap_or_else(|error| panic!("{error}\n{typed:#?}"));
    assert_eq!(grammar.text(&done), grammar.text(&b), "{typed:#?}");
    typed
}
