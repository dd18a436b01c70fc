//! Random configurations of a drawn grammar, and changed ones.

use super::{Dice, Drawn, Shape};

/// A statement of a configuration: a line, or a context with what stands in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    Line { line: usize, text: String, value: String },
    Context { context: usize, key: String, inside: Vec<Statement> },
}

const NAMES: [&str; 4] = ["a", "b", "k1", "zz"];

/// A random configuration without duplicates of what can stand once only.
pub fn configuration(dice: &mut Dice, drawn: &Drawn) -> Vec<Statement> {
    let mut all = inside(dice, drawn, None);
    let keys = targets(&all);
    prune(drawn, &mut all, &keys);
    all
}

fn inside(dice: &mut Dice, drawn: &Drawn, place: Option<usize>) -> Vec<Statement> {
    let mut out = Vec::new();
    let lines = place.map_or(&drawn.top, |at| &drawn.contexts[at].lines);
    for line in lines {
        if dice.below(3) > 0 {
            statements(dice, drawn, *line, &mut out);
        }
    }
    for (at, context) in drawn.contexts.iter().enumerate().filter(|(_, context)| context.parent == place) {
        let keys: Vec<&str> = if context.keyed { shuffled(dice, &NAMES) } else { vec![""] };
        for key in keys.into_iter().take(dice.below(4)) {
            let inside = inside(dice, drawn, Some(at));
            if !inside.is_empty() || context.presence {
                out.push(Statement::Context { context: at, key: key.to_owned(), inside });
            }
        }
    }
    out
}

fn shuffled<'a>(dice: &mut Dice, of: &[&'a str]) -> Vec<&'a str> {
    let mut out = of.to_vec();
    for at in (1..out.len()).rev() {
        out.swap(at, dice.below(at + 1));
    }
    out
}

fn statements(dice: &mut Dice, drawn: &Drawn, at: usize, out: &mut Vec<Statement>) {
    let line = &drawn.lines[at];
    let word = &line.word;
    let mut put = |text: String, value: String| out.push(Statement::Line { line: at, text, value });
    let number = |dice: &mut Dice| (1 + dice.below(20)).to_string();
    match line.shape {
        Shape::Flag | Shape::Alias => put(word.clone(), String::new()),
        // 7 is what some lines hide.
        Shape::Value => {
            let value = if dice.once(3) { "7".to_owned() } else { number(dice) };
            put(format!("{word} {value}"), value);
        }
        Shape::Secret => {
            let value = format!("s3cr3t{}", dice.below(3));
            put(format!("{word} {value}"), value);
        }
        Shape::Reference => {
            let value = (*dice.one(&NAMES)).to_owned();
            put(format!("{word} {value}"), value);
        }
        Shape::Keyed | Shape::Entry => {
            let count = 1 + dice.below(3);
            for key in shuffled(dice, &NAMES).into_iter().take(count) {
                let mut text = format!("{word} {key}");
                match line.shape {
                    Shape::Keyed => text.push_str(&format!(" attr {}", number(dice))),
                    _ => {
                        if dice.once(2) {
                            text.push_str(&format!(" opt {}", number(dice)));
                        }
                        if dice.once(3) {
                            text.push_str(" flag");
                        }
                    }
                }
                put(text, key.to_owned());
            }
        }
        Shape::Member => {
            let values = shuffled(dice, &["1", "2", "3", "13", "20"]);
            for value in values.into_iter().take(1 + dice.below(4)) {
                put(format!("{word} {value}"), value.to_owned());
            }
        }
        Shape::Members => {
            let values = shuffled(dice, &["1", "2", "3", "13", "20"]);
            let values = values[..1 + dice.below(4)].join(" ");
            put(format!("{word} {values}"), values);
        }
        Shape::Numbered => {
            let list = *dice.one(&NAMES);
            let numbered = dice.below(3);
            let mut number = 0;
            for value in shuffled(dice, &["1", "2", "3", "13", "20"]).into_iter().take(1 + dice.below(4)) {
                let what = format!("{} {value}", dice.one(&["permit", "deny"]));
                number += match numbered {
                    // As the element would number them, with gaps, or anyhow.
                    1 => drawn.number_step * (1 + dice.below(3)),
                    _ => 1 + dice.below(9),
                };
                match numbered {
                    0 => put(format!("{word} {list} {what}"), what),
                    _ => put(format!("{word} {list} seq {number} {what}"), what),
                }
            }
        }
        Shape::Block => {
            let text = *dice.one(&["one", "one\n two  three\n!\nexit", "x \"y\" {z}\n\nno such"]);
            match drawn.block_until {
                true => put(format!("{word}\n{text}\nquit"), text.to_owned()),
                false => put(format!("{word} ^C\n{text}\n^C"), text.to_owned()),
            }
        }
    }
}

/// The keyed contexts of the root that stand.
fn targets(all: &[Statement]) -> Vec<(usize, String)> {
    let target = |statement: &Statement| match statement {
        Statement::Context { context, key, .. } => Some((*context, key.clone())),
        Statement::Line { .. } => None,
    };
    all.iter().filter_map(target).collect()
}

/// Without lines that refer to what is not there, and without contexts that are empty then.
fn prune(drawn: &Drawn, all: &mut Vec<Statement>, keys: &[(usize, String)]) {
    loop {
        let count = size(all);
        cut(drawn, all, keys);
        let keys = targets(all);
        cut(drawn, all, &keys);
        if size(all) == count {
            return;
        }
    }
}

fn cut(drawn: &Drawn, all: &mut Vec<Statement>, keys: &[(usize, String)]) {
    all.retain_mut(|statement| match statement {
        Statement::Line { line, value, .. } => {
            drawn.lines[*line].refers.is_none_or(|target| keys.contains(&(target, value.clone())))
        }
        Statement::Context { context, inside, .. } => {
            cut(drawn, inside, keys);
            !inside.is_empty() || drawn.contexts[*context].presence
        }
    });
}

fn size(all: &[Statement]) -> usize {
    all.iter()
        .map(|statement| match statement {
            Statement::Line { .. } => 1,
            Statement::Context { inside, .. } => 1 + size(inside),
        })
        .sum()
}

/// The same with some statements dropped, drawn anew or put elsewhere.
pub fn changed(dice: &mut Dice, drawn: &Drawn, all: &[Statement]) -> Vec<Statement> {
    let other = configuration(dice, drawn);
    let mut out = mixed(dice, all, &other);
    if dice.once(3) && out.len() > 1 {
        let at = dice.below(out.len());
        let moved = out.remove(at);
        out.push(moved);
    }
    let keys = targets(&out);
    prune(drawn, &mut out, &keys);
    out
}

fn mixed(dice: &mut Dice, a: &[Statement], b: &[Statement]) -> Vec<Statement> {
    let mut out = Vec::new();
    for statement in a {
        if let Statement::Context { context, key, inside } = statement {
            let same = b.iter().find_map(|other| match other {
                Statement::Context { context: c, key: k, inside } if c == context && k == key => Some(inside),
                _ => None,
            });
            if let Some(other) = same.filter(|_| dice.once(2)) {
                let inside = mixed(dice, inside, other);
                out.push(Statement::Context { context: *context, key: key.clone(), inside });
                continue;
            }
        }
        if dice.below(5) > 0 {
            out.push(statement.clone());
        }
    }
    // What the other one says of a line is taken whole: two values of one line would not be a configuration.
    for statement in b {
        let taken = out.iter().any(|have| match (have, statement) {
            (Statement::Line { line: a, .. }, Statement::Line { line: b, .. }) => a == b,
            (Statement::Context { context: a, key: x, .. }, Statement::Context { context: b, key: y, .. }) => {
                a == b && x == y
            }
            _ => false,
        });
        if !taken && dice.once(3) {
            out.push(statement.clone());
        }
    }
    out
}
