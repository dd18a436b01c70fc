//! What a NETCONF adapter says about paths: its `[[paths]]`, compiled. Later rules win.

use super::judgement::{Impact, Ownership};
use super::manifest::{EditKind, ImpactKind, PathKind, PathRule, TextKind};
use super::pattern::Pattern;
use crate::tree::{Body, ConfigTree, Edit, Key, Node, Path, Step, Value};

/// The compiled `[[paths]]` of an adapter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<(Pattern, PathRule)>,
}

impl Rules {
    /// Compiles; the error names the pattern.
    pub(crate) fn compile(rules: &[PathRule]) -> Result<Self, String> {
        let mut compiled = Vec::new();
        for rule in rules {
            let wrong = |what: &str| format!("[[paths]] match = \"{}\": {what}", rule.pattern);
            let pattern = Pattern::parse(&rule.pattern).map_err(|what| wrong(&what))?;
            if rule.is.is_none() && rule.impact.is_none() && rule.text.is_none() {
                return Err(wrong("says none of `is`, `impact` and `text`"));
            }
            if rule.impact.is_none() && !rule.on.is_empty() {
                return Err(wrong("`on` without `impact`"));
            }
            if (rule.impact == Some(ImpactKind::ResetsSession)) != rule.session.is_some() {
                return Err(wrong("`session` belongs to impact = \"resets-session\", and only there"));
            }
            compiled.push((pattern, rule.clone()));
        }
        Ok(Self { rules: compiled })
    }

    /// Going from the node to the root, the first place that a rule speaks about decides. Where no rule does, a list
    /// entry is own; what stands below no entry is shared.
    pub(crate) fn ownership(&self, path: &Path) -> Ownership {
        let steps = path.steps();
        for end in (1..=steps.len()).rev() {
            let at = &steps[..end];
            let said = self.last(at, |rule| rule.is.and_then(PathKind::ownership));
            if let Some(ownership) = said {
                return ownership;
            }
            if matches!(at[end - 1].key, Key::Entry(_)) {
                return Ownership::Own;
            }
        }
        Ownership::Shared
    }

    /// Whether the node, or something that it stands in, depends on state.
    pub(crate) fn is_derived(&self, path: &Path) -> bool {
        self.is_within(path, PathKind::Derived)
    }

    /// Whether the node, or something that it stands in, is never to be touched.
    pub(crate) fn is_protected(&self, path: &Path) -> bool {
        self.is_within(path, PathKind::Protected)
    }

    /// The tree without what depends on state, and with each text in the form in which it is compared. Idempotent.
    pub(crate) fn normalise(&self, tree: &ConfigTree) -> ConfigTree {
        let says = |rule: &PathRule| rule.is == Some(PathKind::Derived) || rule.text.is_some();
        if !self.rules.iter().any(|(_, rule)| says(rule)) {
            return tree.clone();
        }
        ConfigTree::new(self.normal(&Path::root(), tree.root()))
    }

    fn normal(&self, path: &Path, node: &Node) -> Vec<Node> {
        let children = node.children().iter().filter_map(|child| {
            let path = path.child(child.step());
            let said = self.last(path.steps(), |rule| rule.is.filter(|kind| *kind == PathKind::Derived));
            if said.is_some() {
                return None;
            }
            if let Body::Leaf(value) = child.body() {
                let Some(TextKind::Lines) = self.last(path.steps(), |rule| rule.text) else {
                    return Some(child.clone());
                };
                let value = Value::new(value.kind(), &lines(value.as_str()));
                return Some(Node::leaf(child.name().clone(), value));
            }
            let below = self.normal(&path, child);
            let same = below.len() == child.children().len()
                && below.iter().zip(child.children()).all(|(a, b)| Node::same(a, b));
            Some(if same { child.clone() } else { child.with_children(below) })
        });
        children.collect()
    }

    /// What an edit does. Without a rule, what is created disturbs nothing and everything else is the worst.
    pub(crate) fn impact(&self, edit: &Edit) -> Impact {
        let kind = match edit {
            Edit::Create { .. } => EditKind::Create,
            Edit::Remove { .. } => EditKind::Remove,
            Edit::Set { .. } | Edit::Move { .. } | Edit::Replace { .. } => EditKind::Change,
        };
        let steps = edit.path().steps();
        let said = self.last(steps, |rule| {
            let applies = rule.on.is_empty() || rule.on.contains(&kind);
            rule.impact.filter(|_| applies).map(|impact| (impact, rule.session.clone()))
        });
        match said {
            Some((ImpactKind::Hitless, _)) => Impact::Hitless,
            Some((ImpactKind::ResetsSession, session)) => {
                Impact::ResetsSession(filled(&session.unwrap_or_default(), steps))
            }
            None if kind == EditKind::Create => Impact::Hitless,
            Some((ImpactKind::DropsTraffic, _)) | None => Impact::DropsTraffic,
        }
    }

    fn is_within(&self, path: &Path, kind: PathKind) -> bool {
        let steps = path.steps();
        (1..=steps.len()).any(|end| {
            self.rules.iter().any(|(pattern, rule)| rule.is == Some(kind) && pattern.fits_steps(&steps[..end]))
        })
    }

    fn last<T>(&self, steps: &[Step], says: impl Fn(&PathRule) -> Option<T>) -> Option<T> {
        self.rules.iter().rev().filter_map(|(pattern, rule)| says(rule).filter(|_| pattern.fits_steps(steps))).next()
    }
}

/// Lines without blanks at their ends, without blank lines at both ends.
fn lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let says = |line: &str| !line.is_empty();
    let first = lines.iter().position(|line| says(line)).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| says(line)).map_or(first, |at| at + 1);
    lines[first..last].join("\n")
}

/// `{key}` replaced by the value of the innermost key of that name on the path.
fn filled(text: &str, steps: &[Step]) -> String {
    let mut out = text.to_owned();
    for step in steps.iter().rev() {
        if let Key::Entry(keys) = &step.key {
            for (name, value) in keys.iter() {
                out = out.replace(&format!("{{{name}}}"), value.as_str());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::QName;

    fn rules(text: &str) -> Rules {
        #[derive(serde::Deserialize)]
        struct Paths {
            paths: Vec<PathRule>,
        }
        Rules::compile(&toml::from_str::<Paths>(text).unwrap().paths).unwrap()
    }

    fn interface(name: &str) -> Path {
        Path::root()
            .child(Step::single(QName::new("if", "interfaces")))
            .child(Step::entry(QName::new("if", "interface"), &[("name", name)]))
    }

    #[test]
    fn the_nearest_rule_decides_on_ownership_and_an_entry_is_own_without_one() {
        let rules = rules(
            r#"
            paths = [
                { match = "/if:interfaces/interface", is = "shared" },
                { match = "/if:interfaces/interface[name='*.*']", is = "own" },
            ]"#,
        );
        let leaf = Step::single(QName::new("if", "mtu"));
        let entry = Step::entry(QName::new("if", "address"), &[("ip", "192.0.2.1")]);
        assert_eq!(rules.ownership(&interface("eth1").child(leaf.clone())), Ownership::Shared);
        assert_eq!(rules.ownership(&interface("eth1.5").child(leaf)), Ownership::Own);
        assert_eq!(rules.ownership(&interface("eth1").child(entry)), Ownership::Own);
        assert_eq!(rules.ownership(&interface("eth1").parent().unwrap()), Ownership::Shared);
    }

    #[test]
    fn an_impact_depends_on_the_edit_and_names_the_session() {
        let rules = rules(
            r#"
            paths = [
                { match = "/**/description", impact = "hitless" },
                { match = "/if:interfaces/interface/**", impact = "resets-session", on = ["change", "remove"], session = "session of {name}" },
                { match = "/**/if:description", impact = "hitless" },
            ]"#
            .replace("/**/description\"", "/**/if:note\"")
            .as_str(),
        );
        let set = |leaf: &str| Edit::Set {
            path: interface("eth1").child(Step::single(QName::new("if", leaf))),
            old: Value::text("a"),
            new: Value::text("b"),
        };
        assert_eq!(rules.impact(&set("description")), Impact::Hitless);
        assert_eq!(rules.impact(&set("vrf")), Impact::ResetsSession("session of eth1".into()));
        let node = Node::leaf(QName::new("if", "vrf"), Value::text("a"));
        let path = interface("eth1").child(node.step());
        assert_eq!(rules.impact(&Edit::Create { path, node, after: None }), Impact::Hitless);
    }

    #[test]
    fn derived_and_protected_hold_for_all_that_stands_below() {
        let rules = rules(r#"paths = [ { match = "/if:interfaces/interface[name='Mgmt*']", is = "protected" } ]"#);
        assert!(rules.is_protected(&interface("MgmtEth0").child(Step::single(QName::new("if", "mtu")))));
        assert!(!rules.is_protected(&interface("eth1")));
        assert!(!rules.is_derived(&interface("MgmtEth0")));
    }

    #[test]
    fn normalising_drops_what_is_derived_and_compares_texts_line_by_line() {
        let rules = rules(
            r#"
            paths = [
                { match = "/if:interfaces/interface/if:counter", is = "derived" },
                { match = "/if:interfaces/interface/if:policy", text = "lines" },
            ]"#,
        );
        let leaf = |name: &str, value: &str| Node::leaf(QName::new("if", name), Value::text(value));
        let tree = |leafs: Vec<Node>| {
            let at = interface("eth1");
            leafs.into_iter().fold(ConfigTree::default(), |tree, leaf| tree.with(&at, leaf, crate::tree::After::Keep))
        };
        let read = tree(vec![leaf("counter", "1"), leaf("policy", "\n \na  \r\n  b\n\n"), leaf("note", " x ")]);
        let normal = tree(vec![leaf("policy", "a\n  b"), leaf("note", " x ")]);
        assert_eq!(rules.normalise(&read), normal);
        assert_eq!(rules.normalise(&normal), normal);
    }
}
