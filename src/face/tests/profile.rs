//! Every leaf that the YANG profiles have, put into a document: it changes the service, is refused, or is one of the few
//! that mean something to people only. So a leaf that is added to a profile and forgotten in a face fails here.

#[cfg(test)]
use super::*;
use std::collections::BTreeMap;

/// A YANG statement.
#[derive(Clone, Debug)]
struct Statement {
    keyword: String,
    argument: String,
    below: Vec<Statement>,
}

fn module(file: &str) -> Statement {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("yang").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let mut tokens = tokens(&text).into_iter().peekable();
    statement(&mut tokens)
}

/// Words, and quoted texts joined over `+`; comments are left out.
fn tokens(text: &str) -> Vec<String> {
    let (mut out, mut chars): (Vec<String>, _) = (Vec::new(), text.chars().peekable());
    let mut join = false;
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => while chars.next().is_some_and(|c| c != '\n') {},
            '{' | '}' | ';' => out.push(c.to_string()),
            '+' => join = true,
            '"' | '\'' => {
                let quoted: String = chars.by_ref().take_while(|other| *other != c).collect();
                match (join, out.last_mut()) {
                    (true, Some(last)) => last.push_str(&quoted),
                    _ => out.push(quoted),
                }
                join = false;
            }
            c if c.is_whitespace() => {}
            c => {
                let mut word = c.to_string();
                while let Some(next) = chars.next_if(|c| !c.is_whitespace() && !"{};".contains(*c)) {
                    word.push(next);
                }
                out.push(word);
            }
        }
    }
    out
}

fn statement(tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>) -> Statement {
    let keyword = tokens.next().unwrap();
    let mut argument = String::new();
    if ![";", "{"].contains(&tokens.peek().unwrap().as_str()) {
        argument = tokens.next().unwrap();
    }
    let mut below = Vec::new();
    if tokens.next().unwrap() == "{" {
        while tokens.peek().unwrap() != "}" {
            below.push(statement(tokens));
        }
        tokens.next();
    }
    Statement { keyword, argument, below }
}

impl Statement {
    fn says(&self, keyword: &str) -> Option<&str> {
        self.below.iter().find(|s| s.keyword == keyword).map(|s| s.argument.as_str())
    }
}

/// The leafs and leaf-lists below `at`, each with its way from there; groupings, choices and cases are resolved.
fn leafs(at: &Statement, groupings: &BTreeMap<String, Statement>, way: &[Statement], out: &mut Vec<Vec<Statement>>) {
    for child in &at.below {
        match child.keyword.as_str() {
            "uses" => {
                let name = child.argument.rsplit(':').next().unwrap();
                leafs(&groupings[name], groupings, way, out);
            }
            "choice" | "case" => leafs(child, groupings, way, out),
            "container" | "list" | "leaf" | "leaf-list" if child.says("config") != Some("false") => {
                let way: Vec<Statement> = way.iter().chain([child]).cloned().collect();
                if child.keyword.starts_with("leaf") {
                    out.push(way);
                } else {
                    leafs(child, groupings, &way, out);
                }
            }
            _ => {}
        }
    }
}

/// Where the first instance of this way is, or would be, in the document; a missing entry gets the keys `1`.
fn place(face: &Face, document: &ConfigTree, way: &[Statement]) -> Path {
    way.iter().fold(Path::root(), |path, statement| {
        let name = face.name(&statement.argument);
        if statement.keyword != "list" {
            return path.child(Step::single(name));
        }
        let there = document.at(&path).and_then(|node| node.children().iter().find(|child| *child.name() == name));
        let keys: Vec<&str> = statement.says("key").unwrap().split_whitespace().collect();
        let missing = || Step::entry(name.clone(), &keys.iter().map(|key| (*key, "1")).collect::<Vec<_>>());
        path.child(there.map_or_else(missing, |node| node.step()))
    })
}

#[test]
fn no_leaf_of_a_profile_is_dropped_in_silence() {
    let shared = module("ietf-vpn-common@2022-02-11.yang");
    let silent = [
        // For people: it changes no element.
        "vpn-description",
        "parent-service-id",
        "description",
        "last-change",
        // Must agree with the rest of the document; saying it adds nothing.
        "vpn-instance-profile",
        "active-vpn-node-profile",
        // In the one document where every node says over its profile's route distinguisher.
        "auto",
    ];
    let (mut seen, mut dropped) = (0, std::collections::BTreeSet::new());
    for name in DOCUMENTS {
        let (key, whole) = document(&json(name));
        let face = face(&key.face).unwrap();
        let own = module(&format!("{}@{}.yang", face.module, face.revision));
        let groupings: BTreeMap<String, Statement> = [&shared, &own]
            .iter()
            .flat_map(|module| &module.below)
            .filter(|statement| statement.keyword == "grouping")
            .map(|grouping| (grouping.argument.clone(), grouping.clone()))
            .collect();
        let mut ways = Vec::new();
        leafs(&own, &groupings, &[], &mut ways);
        assert!(ways.len() > 50, "{}", ways.len());
        let service = service_of(&whole, &key).unwrap();
        for way in ways {
            let (leaf, above) = way.split_last().unwrap();
            let is_key = above.last().is_some_and(|list| {
                list.says("key").is_some_and(|keys| keys.split_whitespace().any(|key| key == leaf.argument))
            });
            if is_key {
                continue;
            }
            let parent = place(face, &whole, above);
            let name = face.name(&leaf.argument);
            // Two values, neither of them the module's default: one of them differs from what the document says.
            let values: &[&str] =
                if leaf.says("type") == Some("boolean") { &["true"] } else { &["7", "ietf-vpn-common:other"] };
            for value in values {
                let node = match leaf.keyword.as_str() {
                    "leaf" => Node::leaf(name.clone(), Value::text(value)),
                    _ => Node::member(name.clone(), Value::text(value), false),
                };
                let changed = whole.with(&parent, node, crate::tree::After::Keep);
                seen += 1;
                if changed != whole
                    && let Ok(other) = service_of(&changed, &key)
                    && other == service
                    && !silent.contains(&leaf.argument.as_str())
                {
                    dropped.insert(format!("{parent}/{}: '{value}' is dropped", leaf.argument));
                }
            }
        }
    }
    assert!(dropped.is_empty(), "{dropped:#?}");
    assert!(seen > 700, "{seen}");
}
