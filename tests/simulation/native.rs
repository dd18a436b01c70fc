//! What elements of real platforms are sent, and what people do to their configurations.

use crate::element::Element;
use crate::paper;
use crate::plans::{self, Operation};
use crate::services::house::house;
use crate::story::Meddling;
use andante::adapter::{CliLine, Payload};
use andante::tree::{Body, ConfigTree, Node, Path, QName, Step, Value};
use serde::{Deserialize, Serialize};

/// The bytes of one send, as its platform carries them out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Native {
    /// The content of an `edit-config` (adapter `iosxr`).
    Edit(String),
    /// Lines of a configuration session (adapter `frr`).
    Lines(Vec<String>),
}

impl Native {
    pub fn apply(&self, tree: &ConfigTree) -> ConfigTree {
        match self {
            Native::Edit(config) => {
                let payload = Payload::Netconf { config: config.clone() };
                paper::executed(&house().adapters["iosxr"], tree, &payload)
            }
            Native::Lines(lines) => execute(tree, lines).unwrap_or_else(|| tree.clone()),
        }
    }
}

fn execute(tree: &ConfigTree, lines: &[String]) -> Option<ConfigTree> {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    paper::grammar("frr").execute(tree, &lines).ok()
}

/// How many steps of its own an element makes of these.
pub fn size(wanted: &[Operation]) -> usize {
    let steps = |operation: &Operation| match operation {
        Operation::Native(Native::Lines(lines)) => lines.len(),
        _ => 1,
    };
    wanted.iter().map(steps).sum()
}

/// Only so many steps are carried out.
pub fn cut(wanted: &mut Vec<Operation>, steps: usize) {
    match wanted.first_mut() {
        Some(Operation::Native(Native::Lines(lines))) => lines.truncate(steps),
        _ => wanted.truncate(steps),
    }
}

/// Only the lines before one that this element would refuse.
pub fn able(wanted: &mut [Operation], running: &ConfigTree) {
    let Some(Operation::Native(Native::Lines(lines))) = wanted.first_mut() else { return };
    while !lines.is_empty() && execute(running, lines).is_none() {
        lines.pop();
    }
}

impl Element {
    /// What it makes of a payload.
    pub fn operations(&self, payload: &Payload) -> Vec<Operation> {
        if self.platform.is_none() {
            return plans::operations(payload);
        }
        let native = match payload {
            Payload::Cli { lines } => Native::Lines(lines.iter().map(|line: &CliLine| line.text.clone()).collect()),
            Payload::Netconf { config } => Native::Edit(config.clone()),
        };
        vec![Operation::Native(native)]
    }

    /// A configuration as a driver reads it.
    pub fn shown(&self, tree: &ConfigTree) -> ConfigTree {
        self.platform.as_ref().map_or_else(|| tree.clone(), |adapter| adapter.normalise(tree))
    }
}

/// What a person does to this configuration; nothing where there is no place for it.
pub fn meddle(what: Meddling, number: u16, tree: &ConfigTree) -> Option<Operation> {
    let pick = |fits: &dyn Fn(&Path, &Node) -> bool| {
        let mut found: Vec<(Path, Node)> = Vec::new();
        tree.walk(&mut |path, node| {
            if fits(path, node) {
                found.push((path.clone(), node.clone()));
            }
            true
        });
        let at = usize::from(number) % found.len().max(1);
        (!found.is_empty()).then(|| found.swap_remove(at))
    };
    let digits = |node: &Node| node.value().is_some_and(|value| value.as_str().parse::<u32>().is_ok());
    let leaf = |node: &Node| matches!(node.body(), Body::Leaf(_));
    let described = |node: &Node| leaf(node) && node.name().name.as_str() == "description";
    let set = |(path, node): (Path, Node), text: &str| {
        let value = Value::new(node.value()?.kind(), text);
        Some(Operation::Merge(path, Node::leaf(node.name().clone(), value)))
    };
    match what {
        Meddling::Retext => set(pick(&|_, node| described(node))?, &format!("by hand {number}")),
        Meddling::Renumber => {
            let found = pick(&|_, node| leaf(node) && digits(node))?;
            let now: u32 = found.1.value()?.as_str().parse().ok()?;
            set(found, &(now ^ (1 + u32::from(number % 3))).to_string())
        }
        Meddling::Unset => Some(Operation::Remove(pick(&|_, node| described(node) || leaf(node) && digits(node))?.0)),
        Meddling::Drop => {
            let found = pick(&|path, node| path.steps().len() > 1 && node.keys().is_some())?;
            Some(Operation::Remove(found.0))
        }
        Meddling::Label => {
            let label = pick(&|path, node| described(node) && path.to_string().contains("spare"))
                .map(|(path, node)| (path, node.name().clone()));
            let (path, name): (Path, QName) = label?;
            let _: &Step = path.last()?;
            Some(Operation::Merge(path, Node::leaf(name, Value::text(&format!("by hand {number}")))))
        }
    }
}
