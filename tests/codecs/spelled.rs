//! One tree, written as no printer of ours would write it: prefixes declared anywhere and declared again for something
//! else, references, CDATA, comments and processing instructions inside of values, keys behind their siblings, attributes
//! with `>`, the wrapper of NETCONF with a prefix of its own. Cut out of a reply it is read as the same tree.

use crate::arbitrary::{self, Dice};
use andante::adagio::netconf::ReplyBody;
use andante::adagio::netconf::message::{Incoming, parse};
use andante::tree::schema::{SchemaIndex, TypeSpec};
use andante::tree::{Body, ConfigTree, Key, Limits, Name, Node, Path, Policy, QName, SchemaId, Value, ValueKind, xml};

#[test]
fn however_an_element_spells_its_reply_the_tree_is_the_same() {
    let cases = std::env::var("ANDANTE_CASES").map_or(400, |cases| cases.parse().unwrap());
    for seed in 0..cases {
        let index = arbitrary::schema(seed);
        let tree = arbitrary::tree(&index, seed ^ 0x5EED);
        let reply = Speller::new(seed, &index).reply(&tree);
        let data = match parse(reply.as_bytes()).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{reply}")) {
            Incoming::Reply(reply) => reply.body,
            other => panic!("seed {seed}: {other:?}"),
        };
        // A reply without anything inside may be taken for one that says nothing.
        let ReplyBody::Data(data) = data else { panic!("seed {seed}: {data:?}\n{reply}") };
        let read = xml::parse(data.to_document("data").as_bytes(), &index, None, Policy::ELEMENT, &Limits::SOUTH);
        assert_eq!(read.as_ref(), Ok(&tree), "seed {seed}\n{reply}\n{}", data.to_document("data"));
    }
}

struct Speller<'a> {
    dice: Dice,
    index: &'a SchemaIndex,
    /// Prefixes in scope, innermost last.
    scope: Vec<(String, String)>,
    out: String,
}

impl<'a> Speller<'a> {
    fn new(seed: u64, index: &'a SchemaIndex) -> Self {
        Self { dice: Dice(seed.wrapping_mul(77)), index, scope: Vec::new(), out: String::new() }
    }

    fn reply(mut self, tree: &ConfigTree) -> String {
        if self.dice.chance(50) {
            self.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        }
        for name in ["rpc-reply", "data"] {
            let attributes = if name == "data" { "" } else { " message-id=\"7\"" };
            self.start(xml::NETCONF, name, attributes);
        }
        self.children(tree.root(), None, &[]);
        self.end();
        self.end();
        self.out
    }

    fn meaning(&self, prefix: &str) -> Option<&str> {
        self.scope.iter().rev().find(|(known, _)| known == prefix).map(|(_, namespace)| namespace.as_str())
    }

    /// A start tag without its end, and what `end` needs to know.
    fn start(&mut self, namespace: &str, name: &str, attributes: &str) {
        self.scope.push((OPEN.into(), String::new()));
        let mark = self.scope.len();
        let mut declared: Vec<(String, String)> = Vec::new();
        // Declarations that this element may not even need.
        for _ in 0..self.dice.below(3) {
            let prefix = PREFIXES[self.dice.below(PREFIXES.len())].to_owned();
            let foreign = ["urn:example:alpha?a&b", "urn:example:beta?a&b", "urn:example:gamma?a&b", "urn:foreign"];
            if !declared.iter().any(|(known, _)| *known == prefix) {
                declared.push((prefix, foreign[self.dice.below(4)].to_owned()));
            }
        }
        self.scope.extend(declared.clone());
        let prefix = match PREFIXES.iter().find(|prefix| self.meaning(prefix) == Some(namespace)) {
            Some(prefix) if self.dice.chance(70) => (*prefix).to_owned(),
            _ => {
                let prefix = PREFIXES[self.dice.below(PREFIXES.len())].to_owned();
                declared.retain(|(known, _)| *known != prefix);
                declared.push((prefix.clone(), namespace.to_owned()));
                self.scope.truncate(mark);
                self.scope.extend(declared.clone());
                prefix
            }
        };
        let tag = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}:{name}") };
        self.out.push_str(&format!("<{tag}{attributes}"));
        for (prefix, namespace) in &declared {
            let namespace = namespace.replace('&', ["&amp;", "&#38;"][self.dice.below(2)]);
            let quote = ["\"", "'"][self.dice.below(2)];
            let gap = [" ", "\n  ", "\t"][self.dice.below(3)];
            let colon = if prefix.is_empty() { "" } else { ":" };
            self.out.push_str(&format!(
                "{gap}xmlns{colon}{prefix}{}={quote}{namespace}{quote}",
                ["", " "][self.dice.below(2)]
            ));
        }
        if self.dice.chance(15) {
            self.out.push_str([" odd=\"a>b/>\"", " xml:lang='en'", " odd='&lt;&#62;\"'"][self.dice.below(3)]);
        }
        self.out.push_str(["", "", " ", "\n"][self.dice.below(4)]);
        self.out.push('>');
        let open = self.scope.iter_mut().rev().find(|(known, _)| known == OPEN).unwrap();
        open.1 = tag;
    }

    fn end(&mut self) {
        let at = self.scope.iter().rposition(|(known, _)| known == OPEN).unwrap();
        let tag = self.scope[at].1.clone();
        self.scope.truncate(at);
        self.out.push_str(&format!("</{tag}{}>", ["", "", " ", "\n"][self.dice.below(4)]));
    }

    fn children(&mut self, node: &Node, id: Option<SchemaId>, keys: &[(Name, Value)]) {
        let module = &node.name().module;
        let keys: Vec<Node> = keys
            .iter()
            .map(|(name, value)| Node::leaf(QName { module: module.clone(), name: name.clone() }, value.clone()))
            .collect();
        let mut nodes = node.children().to_vec();
        for key in keys {
            let at = self.dice.below(nodes.len() + 1);
            nodes.insert(at, key);
        }
        self.gap();
        for node in &nodes {
            self.node(node, self.index.child(id, node.name()));
            self.gap();
        }
    }

    fn node(&mut self, node: &Node, id: Option<SchemaId>) {
        let (module, name) = (node.name().module.as_str(), node.name().name.as_str());
        let namespace = self.index.module(module).unwrap().namespace.clone();
        let Some(value) = node.value() else {
            self.start(&namespace, name, "");
            let keys: Vec<(Name, Value)> = match node.key() {
                Key::Entry(keys) => keys.to_vec(),
                _ => Vec::new(),
            };
            self.children(node, id, &keys);
            return self.end();
        };
        let ty = self.index.node(id.unwrap()).ty.clone().unwrap();
        if *ty == TypeSpec::InstanceIdentifier {
            // Our own printer brings the prefixes of its names along.
            let leaf = match node.body() {
                Body::Member { .. } => Node::member(node.name().clone(), value.clone(), false),
                _ => node.clone(),
            };
            let parent = self.index.node(id.unwrap()).parent.map_or_else(Path::root, |parent| self.path(parent));
            return self.out.push_str(&xml::print_nodes(&leaf, &parent, self.index, false));
        }
        self.start(&namespace, name, "");
        let text = match (value.kind(), value.as_str().split_once(':')) {
            (ValueKind::Identity, Some((module, identity))) => {
                let namespace = &self.index.module(module).unwrap().namespace;
                match PREFIXES.iter().find(|prefix| self.meaning(prefix) == Some(namespace)) {
                    Some(&"") => identity.to_owned(),
                    Some(prefix) => format!("{prefix}:{identity}"),
                    None => {
                        // The tag that was just begun declares it.
                        assert_eq!(self.out.pop(), Some('>'));
                        let tag = self.out[self.out.rfind("<").unwrap()..].to_owned();
                        let free = |prefix: &&&str| {
                            !tag.contains(&format!("xmlns:{prefix}")) && !tag.starts_with(&format!("<{prefix}:"))
                        };
                        let prefix = PREFIXES[1..].iter().find(free).unwrap();
                        self.out.push_str(&format!(" xmlns:{prefix}=\"{}\">", namespace.replace('&', "&amp;")));
                        format!("{prefix}:{identity}")
                    }
                }
            }
            _ => value.as_str().to_owned(),
        };
        let loose = !ty.keeps_space() && *ty != TypeSpec::Binary;
        if loose {
            self.out.push_str(["", "\n  ", " ", "<!-- </data> -->"][self.dice.below(4)]);
        }
        self.text(&text);
        if loose {
            self.out.push_str(["", "\n  ", " ", "<?odd </data>?>"][self.dice.below(4)]);
        }
        self.end();
    }

    /// The keyless path to a schema node: enough to print a leaf below it.
    fn path(&self, id: SchemaId) -> Path {
        let node = self.index.node(id);
        let above = node.parent.map_or_else(Path::root, |parent| self.path(parent));
        above.child(andante::tree::Step::single(node.name.clone()))
    }

    /// Space, comments and instructions between elements.
    fn gap(&mut self) {
        for _ in 0..self.dice.below(3) {
            let gaps = ["\n  ", " ", "\r\n", "<!-- <a> & ]]> -->", "<?odd <a> & ?>", "<![CDATA[ \n]]>", "&#32;", ""];
            self.out.push_str(gaps[self.dice.below(gaps.len())]);
        }
    }

    fn text(&mut self, text: &str) {
        let mut plain = self.dice.chance(40);
        for c in text.chars() {
            match self.dice.below(if plain { 1 } else { 8 }) {
                1 => self.out.push_str(&format!("&#{};", c as u32)),
                2 => self.out.push_str(&format!("&#x{:X};", c as u32)),
                3 if c != '\r' => self.out.push_str(&format!("<![CDATA[{c}]]>")),
                4 if c == '\n' => self.out.push_str(["\r\n", "\r"][self.dice.below(2)]),
                5 => {
                    self.out.push_str(["<!-- > -->", "<?odd > ?>", "<![CDATA[]]>"][self.dice.below(3)]);
                    self.plain(c);
                }
                _ => self.plain(c),
            }
            plain |= self.dice.chance(10);
        }
    }

    fn plain(&mut self, c: char) {
        match c {
            '<' => self.out.push_str("&lt;"),
            '&' => self.out.push_str("&amp;"),
            '>' => self.out.push_str("&gt;"),
            '\r' => self.out.push_str("&#13;"),
            c => self.out.push(c),
        }
    }
}

/// Marks in the scope where an element begins.
const OPEN: &str = "<";
const PREFIXES: [&str; 6] = ["", "nc", "a", "b", "p", "_x"];
