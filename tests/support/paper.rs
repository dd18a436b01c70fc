//! An element on paper: its configuration, the claims on it and what was recorded, as trees in memory.
//!
//! Plans are made by the real planner and followed by what a transaction would do, without any I/O: laws and scenarios
//! stand on it. The payload is interpreted by the grammar (CLI) or by the operations of the edit-config (NETCONF), not
//! taken from the plan's own difference.
// A part of a test: not every test uses all of it, and a panic is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use andante::adapter::{Adapter, Grammar, Payload};
use andante::domain::Class;
use andante::plan::{Allowed, ElementInput, ElementPlan, Refused, adopted_owner, plan_element};
use andante::tree::xml::{self, Insert, Operation};
use andante::tree::{After, Claims, ConfigTree, DefaultsMode, Intended, Layer, Limits, Owner, SchemaIndex};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One element.
#[derive(Clone)]
pub struct Element {
    pub name: String,
    pub adapter: Adapter,
    pub class: Class,
    /// What it says.
    pub actual: ConfigTree,
    /// Who wants what, by owner; the adopted claims among them.
    pub claims: BTreeMap<String, Claims>,
    /// What the last transaction left.
    pub recorded: ConfigTree,
}

/// What one service wants here from now on; `None`: it leaves.
pub type Wish<'a> = (&'a str, Option<&'a ConfigTree>);

impl Element {
    pub fn new(name: &str, adapter: &Adapter, actual: ConfigTree) -> Self {
        let class = if adapter.name() == "frr" { Class::D } else { Class::A };
        let (claims, recorded) = (BTreeMap::new(), ConfigTree::default());
        Self { name: name.into(), adapter: adapter.clone(), class, actual, claims, recorded }
    }

    /// All claims after these wishes, adopted ones as they are now.
    pub fn candidate(&self, wishes: &[Wish<'_>]) -> BTreeMap<String, Claims> {
        let mut claims = self.claims.clone();
        for (service, tree) in wishes {
            match tree {
                Some(tree) => {
                    let owner = Owner(format!("service {service}"));
                    claims.insert(service.to_string(), Claims::new(owner, Layer::Service, (*tree).clone()));
                }
                None => {
                    claims.remove(*service);
                }
            }
        }
        claims
    }

    pub fn plan(&self, wishes: &[Wish<'_>], allowed: &Allowed) -> Result<Option<ElementPlan>, Vec<Refused>> {
        let list = |claims: &BTreeMap<String, Claims>| claims.values().cloned().collect::<Vec<_>>();
        self.plan_from(&list(&self.claims), &list(&self.candidate(wishes)), allowed)
    }

    /// The same with the claims in the given order.
    pub fn plan_from(
        &self,
        current: &[Claims],
        candidate: &[Claims],
        allowed: &Allowed,
    ) -> Result<Option<ElementPlan>, Vec<Refused>> {
        let merged = |claims: &[Claims]| {
            Intended::merge(claims).map_err(|found| found.into_iter().map(Refused::Conflict).collect::<Vec<_>>())
        };
        plan_element(&ElementInput {
            element: &self.name,
            adapter: &self.adapter,
            class: self.class,
            before: &merged(current)?,
            after: &merged(candidate)?,
            recorded: &self.recorded,
            actual: &self.actual,
            defaults: DefaultsMode::Explicit,
            allowed,
            inventory: None,
        })
    }

    /// Does what a transaction does: sends the payload, and keeps claims and record.
    pub fn commit(&mut self, wishes: &[Wish<'_>], plan: Option<&ElementPlan>) {
        let mut claims = self.candidate(wishes);
        if let Some(plan) = plan {
            self.actual = executed(&self.adapter, &self.actual, &plan.payload);
            if let Some(found) = &plan.adopted {
                let tree = match claims.get(ADOPTED) {
                    Some(old) => found.tree.overlay(&old.tree),
                    None => found.tree.clone(),
                };
                claims.insert(ADOPTED.into(), Claims::new(adopted_owner(&self.name), Layer::Adopted, tree));
            }
        }
        // An adopted value is kept as long as somebody claims the node.
        if let Some(adopted) = claims.remove(ADOPTED) {
            let others = claims.values().fold(ConfigTree::default(), |tree, claims| tree.overlay(&claims.tree));
            let tree = adopted.tree.masked(&others);
            if !tree.is_empty() {
                claims.insert(ADOPTED.into(), Claims { tree, ..adopted });
            }
        }
        self.recorded = Intended::merge(claims.values()).unwrap().tree;
        self.claims = claims;
    }

    /// All claims merged.
    pub fn intended(&self) -> Intended {
        Intended::merge(self.claims.values()).unwrap()
    }
}

/// What an element makes of a payload.
pub fn executed(adapter: &Adapter, actual: &ConfigTree, payload: &Payload) -> ConfigTree {
    match payload {
        Payload::Cli { lines } => {
            let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
            let done = grammar(adapter.name()).execute(actual, &lines);
            done.unwrap_or_else(|error| panic!("{error}\n{}", lines.join("\n")))
        }
        Payload::Netconf { config } => edited(actual, config, adapter.schema().unwrap()),
    }
}

/// RFC 6241 §7.2 with `default-operation=none`, for the operations that a plan may use.
fn edited(actual: &ConfigTree, config: &str, schema: &SchemaIndex) -> ConfigTree {
    let edit = xml::parse_edit(config.as_bytes(), schema, &Limits::SOUTH).unwrap();
    // A node without an operation above or at it must be there already.
    edit.tree.walk(&mut |path, node| {
        let covered = edit.marks.iter().any(|mark| mark.operation.is_some() && path.starts_with(&mark.path));
        assert!(covered || node.value().is_none(), "{path}: a value without an operation\n{config}");
        true
    });
    let mut tree = actual.clone();
    for mark in &edit.marks {
        let parent = mark.path.parent().unwrap();
        let place = match &mark.insert {
            Some(Insert::First) => After::First,
            Some(Insert::After(step)) => After::Sibling(step),
            Some(other) => panic!("{}: {other:?} is not used", mark.path),
            None => After::Keep,
        };
        match mark.operation {
            Some(Operation::Remove) => tree = tree.without(&mark.path),
            Some(Operation::Replace) => tree = tree.with(&parent, edit.tree.at(&mark.path).unwrap().clone(), place),
            Some(Operation::Merge) => {
                tree = without_other_cases(tree, &mark.path, schema);
                let new = edit.tree.at(&mark.path).unwrap();
                let alone = ConfigTree::default().with(&parent, new.clone(), After::Keep);
                tree = tree.overlay(&alone);
                if place != After::Keep {
                    let merged = tree.at(&mark.path).unwrap().clone();
                    tree = tree.with(&parent, merged, place);
                }
            }
            Some(other) => panic!("{}: {other:?} is no operation of a plan", mark.path),
            // Inside of a merge, only its place.
            None => tree = tree.with(&parent, tree.at(&mark.path).unwrap().clone(), place),
        }
    }
    tree
}

/// The creation of a node from one case deletes all nodes from all the other cases (RFC 7950 §7.9).
fn without_other_cases(tree: ConfigTree, path: &andante::tree::Path, schema: &SchemaIndex) -> ConfigTree {
    let mut at = andante::tree::Path::root();
    let defaults = andante::tree::Defaults::new(Some(schema), DefaultsMode::Explicit);
    path.steps().iter().fold(tree, |tree, step| {
        let parent = std::mem::take(&mut at);
        at = parent.child(step.clone());
        let rivals: Vec<_> = defaults.rivals(&at, tree.at(&parent)).into_iter().map(|rival| rival.step()).collect();
        rivals.into_iter().fold(tree, |tree, rival| tree.without(&parent.child(rival)))
    })
}

/// The grammar of a CLI adapter.
pub fn grammar(name: &str) -> Grammar {
    thread_local!(static KNOWN: std::cell::RefCell<BTreeMap<String, Grammar>> = const { std::cell::RefCell::new(BTreeMap::new()) });
    KNOWN.with_borrow_mut(|known| {
        let load = || {
            let file = root("adapters").join(name).join("grammar.toml");
            Grammar::compile(name, &std::fs::read_to_string(file).unwrap()).unwrap()
        };
        known.entry(name.to_string()).or_insert_with(load).clone()
    })
}

/// A path below the root of the project.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Key of the adopted claims.
pub const ADOPTED: &str = " adopted";
