//! What a NETCONF adapter says about paths: its `[[paths]]`, compiled. Later rules win.

use super::judgement::{Impact, Ownership};
use super::manifest::{EditKind, ImpactKind, NameTable, PathKind, PathRule};
use super::pattern::Pattern;
use super::spelling::{Spelling, Spellings};
use crate::tree::{Body, ConfigTree, Edit, Key, Node, Path, QName, Step, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The compiled `[[paths]]` of an adapter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<(Pattern, PathRule)>,
    /// The rules that say what a text is, or that a node is derived, in their order: all that normalising asks.
    normal: Vec<(Pattern, Normal)>,
}

/// What normalising does with a node.
#[derive(Clone, Debug)]
enum Normal {
    /// Depends on state: left out.
    Drop,
    /// Its text is read so.
    Read(Spelling),
}

impl Rules {
    /// Compiles; the error names the pattern.
    pub(crate) fn compile(rules: &[PathRule], names: &BTreeMap<String, NameTable>) -> Result<Self, String> {
        let spellings = Spellings::compile(names)?;
        let (mut compiled, mut normal) = (Vec::new(), Vec::new());
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
            if rule.is == Some(PathKind::Derived) {
                normal.push((pattern.clone(), Normal::Drop));
            }
            if let Some(text) = &rule.text {
                let spelling = spellings.find(text).map_err(|what| wrong(&what))?;
                normal.push((pattern.clone(), Normal::Read(spelling)));
            }
            compiled.push((pattern, rule.clone()));
        }
        Ok(Self { rules: compiled, normal })
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

    /// The tree without what depends on state, and with each text in the form in which it is compared: of leafs, of members
    /// and of the keys of list entries (a rule for a key names it as if it were a child of its entry). Idempotent. The cost
    /// follows what rules can speak about, not the tree.
    pub(crate) fn normalise(&self, tree: &ConfigTree) -> ConfigTree {
        if self.normal.is_empty() {
            return tree.clone();
        }
        match self.below(&mut Vec::new(), tree.root()) {
            Some(top) => ConfigTree::new(top),
            None => tree.clone(),
        }
    }

    /// The children in their normal form; `None` when all stay as they are. `at` holds the steps to `node`.
    fn below(&self, at: &mut Vec<Step>, node: &Node) -> Option<Vec<Node>> {
        let (mut changed, mut renamed) = (false, BTreeSet::new());
        let mut children: Vec<Node> = Vec::with_capacity(node.children().len());
        for child in node.children() {
            at.push(child.step());
            match self.one(at, child) {
                Some(Some(new)) => {
                    changed = true;
                    // Two spellings of one name, both there: one keeps its own, so that it is seen.
                    let step = new.step();
                    let taken = !new.is_beside(child) && (node.child(&step).is_some() || !renamed.insert(step));
                    children.push(if taken { child.clone() } else { new });
                }
                Some(None) => changed = true,
                None => children.push(child.clone()),
            }
            at.pop();
        }
        changed.then_some(children)
    }

    /// The node at `at` in its normal form: `None` as it is, `Some(None)` not at all.
    fn one(&self, at: &mut Vec<Step>, node: &Node) -> Option<Option<Node>> {
        if self.normal.iter().any(|(pattern, what)| matches!(what, Normal::Drop) && pattern.fits_steps(at)) {
            return Some(None);
        }
        match node.body() {
            Body::Leaf(value) => {
                let text = self.read(at, value.as_str())?;
                let leaf = if node.is_default() { Node::default_leaf } else { Node::leaf };
                Some(Some(leaf(node.name().clone(), Value::new(value.kind(), &text))))
            }
            Body::Member { user_ordered } => {
                let value = node.value()?;
                // A member's own step carries its value; the rule speaks of the leaf-list.
                let text = self.read(at, value.as_str())?;
                Some(Some(Node::member(node.name().clone(), Value::new(value.kind(), &text), user_ordered)))
            }
            _ if !self.normal.iter().any(|(pattern, _)| pattern.leads_below(at)) => None,
            Body::Entry { user_ordered } => {
                let keys = self.keys(at, node);
                let below = self.below(at, node);
                if keys.is_none() && below.is_none() {
                    return None;
                }
                let children = below.unwrap_or_else(|| node.children().to_vec());
                let Some(keys) = keys else { return Some(Some(node.with_children(children))) };
                Some(Some(Node::entry(node.name().clone(), keys, user_ordered, children)))
            }
            _ => self.below(at, node).map(|children| Some(node.with_children(children))),
        }
    }

    /// The keys of the entry at `at`, if one of them is spelled otherwise.
    fn keys(&self, at: &mut Vec<Step>, node: &Node) -> Option<Vec<(crate::tree::Name, Value)>> {
        let keys = node.keys()?;
        let mut changed = false;
        let mut read = Vec::with_capacity(keys.len());
        for (name, value) in keys.iter() {
            at.push(Step::single(QName { module: node.name().module.clone(), name: name.clone() }));
            let text = self.read(at, value.as_str()).map(Cow::into_owned);
            at.pop();
            changed |= text.is_some();
            let value = text.map_or_else(|| value.clone(), |text| Value::new(value.kind(), &text));
            read.push((name.clone(), value));
        }
        changed.then_some(read)
    }

    /// The text in its normal form, if that is another one.
    fn read<'a>(&self, at: &[Step], text: &'a str) -> Option<Cow<'a, str>> {
        let spelling = self.normal.iter().rev().find_map(|(pattern, what)| match what {
            Normal::Read(spelling) if pattern.fits_steps(at) => Some(spelling),
            _ => None,
        })?;
        Some(spelling.of(text)).filter(|read| read != text)
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

    fn compiled(text: &str) -> Result<Rules, String> {
        #[derive(serde::Deserialize)]
        struct Adapter {
            paths: Vec<PathRule>,
            #[serde(default)]
            names: BTreeMap<String, NameTable>,
        }
        let adapter: Adapter = toml::from_str(text).unwrap();
        Rules::compile(&adapter.paths, &adapter.names)
    }

    fn rules(text: &str) -> Rules {
        compiled(text).unwrap()
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

    #[test]
    fn keys_members_and_leafs_are_read_by_their_type_and_by_the_tables_of_the_platform() {
        let rules = rules(
            r#"
            paths = [
                { match = "/if:interfaces/interface/name", text = "names.interface" },
                { match = "/if:interfaces/interface/if:vlans", text = "range-set" },
                { match = "/if:interfaces/interface/if:dns", text = "ip" },
            ]
            [names.interface]
            place = true
            words = { GigabitEthernet = ["Gi"] }
            "#,
        );
        let leaf = |name: &str, value: &str| Node::leaf(QName::new("if", name), Value::text(value));
        let member = |value: &str| Node::member(QName::new("if", "dns"), Value::text(value), false);
        let tree = |name: &str, nodes: Vec<Node>| {
            let at = interface(name);
            nodes.into_iter().fold(ConfigTree::default(), |tree, node| tree.with(&at, node, crate::tree::After::Keep))
        };
        let read = tree("gi0/0/0/1", vec![leaf("vlans", "1,2,3,5"), member("2001:DB8::1"), leaf("note", "1,2")]);
        let normal =
            tree("GigabitEthernet0/0/0/1", vec![leaf("vlans", "1-3,5"), member("2001:db8::1"), leaf("note", "1,2")]);
        assert_eq!(rules.normalise(&read), normal);
        assert_eq!(rules.normalise(&normal), normal);
        let marked = Node::default_leaf(QName::new("if", "vlans"), Value::text("1,2,3,5"));
        let marked = rules.normalise(&tree("eth0", vec![marked]));
        let vlans = marked.at(&interface("eth0").child(Step::single(QName::new("if", "vlans")))).unwrap();
        assert!(vlans.is_default() && vlans.value().unwrap().as_str() == "1-3,5", "a default stays marked as one");
        let same = rules.normalise(&normal);
        assert!(Node::same(same.root(), normal.root()), "what is normal is shared");
        // What is not of the type is compared as it is.
        let odd = tree("eth0", vec![leaf("vlans", "all")]);
        assert_eq!(rules.normalise(&odd), odd);
        // Both spellings of one name: neither may hide the other.
        let both = read.overlay(&normal);
        assert_eq!(both.count(), read.count() + normal.count() - 1);
        assert_eq!(rules.normalise(&both).root().children().first().map(|top| top.children().len()), Some(2));
    }

    #[test]
    fn a_spelling_that_does_not_exist_is_refused_by_name() {
        let Err(error) = compiled(r#"paths = [ { match = "/a:b", text = "romanic" } ]"#) else { panic!("taken") };
        assert!(error.contains("/a:b") && error.contains("romanic") && error.contains("range-set"), "{error}");
        let twice = r#"
            paths = []
            [names.x]
            words = { a = ["c"], b = ["C"] }"#;
        assert!(compiled(twice).is_err_and(|error| error.contains("names.x")));
    }
}
