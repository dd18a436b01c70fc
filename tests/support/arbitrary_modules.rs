//! Random YANG modules as text, from a seed: what a schema index cannot say stands in them too (ranges, patterns, `must`,
//! `when`, `unique`, leafrefs, groupings, augments). Equal seeds give equal texts.
//!
//! Three modules: `beta` with identities, typedefs and a grouping; `alpha` with the tree; `gamma` with identities of its
//! own, and augments of `alpha` whose nodes may bear the name of a sibling. Prefixes of different modules may be equal.
//! Every text is meant to be a valid module; that it is, libyang says.
// A part of a test: not every test uses all of it, and a panic is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::arbitrary::Dice;
use std::fmt::Write;

/// The names of the modules, what is imported first.
pub const NAMES: [&str; 3] = ["beta", "alpha", "gamma"];

/// The texts of the three modules.
pub fn modules(seed: u64) -> Vec<String> {
    let mut maker = Maker { dice: Dice(seed ^ 0x00C0_FFEE), out: String::new(), ..Maker::default() };
    // The own prefix of gamma may be that of another module: prefixes are local.
    let own = ["g", "b", "a"][maker.dice.below(3)];
    vec![beta(), maker.alpha(), maker.gamma(own)]
}

pub fn beta() -> String {
    r#"module beta {
  yang-version 1.1; namespace "urn:example:beta"; prefix b; revision 2024-01-01;
  feature on;
  identity root; identity other;
  identity one { base root; } identity two { base one; } identity both { base root; base other; }
  identity featured { if-feature on; base root; }
  typedef percent { type uint8 { range "0..100"; } default 7; }
  typedef word { type string { length "1..8"; pattern "[a-z]+"; } }
  typedef state { type enumeration { enum up { value 7; } enum down; enum "half way"; } }
  typedef any-of { type union { type percent; type state; type identityref { base root; } } }
  typedef id { type identityref { base root; } }
  grouping common { leaf note { type string; } leaf kind { type identityref { base root; } }
    container more { leaf ratio { type decimal64 { fraction-digits 4; } } leaf-list tag { type word; } } }
}"#
    .to_owned()
}

#[derive(Default)]
struct Maker {
    dice: Dice,
    out: String,
    /// Schema paths of containers and lists of alpha, with its prefix: where gamma augments.
    places: Vec<String>,
    /// Absolute data paths of leafs of alpha that a leafref may mean.
    targets: Vec<String>,
}

/// What is being written into.
struct Place {
    /// Path of schema nodes.
    schema: String,
    /// Path of data nodes.
    data: String,
    depth: usize,
    /// `mandatory` and `min-elements` are allowed: something above decides whether the node is there at all.
    strict: bool,
    /// Inside a case.
    chosen: bool,
}

/// Counts the names of one data parent, its choices and cases included.
#[derive(Default)]
struct Names {
    data: usize,
    choices: usize,
    /// The grouping is used here.
    grouped: bool,
    /// Leafs of type boolean written so far, at the top of the parent: a `when` may ask for them.
    flags: Vec<String>,
    /// Plain leafs: a `unique` may name them.
    leafs: Vec<String>,
}

impl Names {
    /// The next name. It does not sort in the order of the schema.
    fn next(&mut self) -> String {
        self.data += 1;
        let n = (self.data * 7) % 97;
        match n % 4 {
            0 => format!("n{n}"),
            1 => format!("N-{n}.x"),
            2 => format!("_n{n}"),
            _ => format!("n_{n}"),
        }
    }
}

impl Maker {
    fn alpha(&mut self) -> String {
        self.out = String::from(
            "module alpha {\n  yang-version 1.1; namespace \"urn:example:alpha?a=b\"; prefix a;\n  \
             import beta { prefix b; } import ietf-inet-types { prefix inet; } import ietf-yang-types { prefix yang; }\n  \
             revision 2024-02-02;\n  identity own { base b:one; }\n",
        );
        let place = Place { schema: String::new(), data: String::new(), depth: 0, strict: false, chosen: false };
        let mut names = Names::default();
        for _ in 0..2 + self.dice.below(3) {
            self.node(&place, &mut names, 5);
        }
        self.out.push_str("}\n");
        std::mem::take(&mut self.out)
    }

    fn gamma(&mut self, own: &str) -> String {
        // Whatever its own prefix, the others get one that is free here.
        let (a, b) = match own {
            "a" => ("al", "b"),
            "b" => ("a", "be"),
            _ => ("a", "b"),
        };
        self.out = format!(
            "module gamma {{\n  yang-version 1.1; namespace \"urn:example:gamma\"; prefix {own};\n  \
             import alpha {{ prefix {a}; }} import beta {{ prefix {b}; }}\n  revision 2024-03-03;\n  \
             identity three {{ base {b}:root; }} identity one {{ base {b}:two; }}\n  \
             container extra {{ leaf id {{ type {b}:id; }} leaf which {{ type instance-identifier {{ require-instance false; }} }} }}\n",
        );
        for n in 0..self.dice.below(4) {
            if self.places.is_empty() {
                break;
            }
            let at = self.dice.below(self.places.len());
            let path = self.places.swap_remove(at).replace("/a:", &format!("/{a}:"));
            let _ = writeln!(self.out, "  augment \"{path}\" {{");
            // The names of alpha's own nodes begin in the same order: namesakes among siblings.
            let _ = writeln!(self.out, "    leaf {} {{ type uint16; }}", Names::default().next());
            let _ = writeln!(
                self.out,
                "    container g{n} {{ leaf-list id {{ type {b}:id; ordered-by user; }} leaf v {{ type {b}:any-of; }} }}"
            );
            let _ = writeln!(
                self.out,
                "    list gl{n} {{ key \"k\"; leaf k {{ type {b}:word; }} leaf e {{ type empty; }} }}\n  }}"
            );
        }
        self.out.push_str("}\n");
        std::mem::take(&mut self.out)
    }

    /// One data definition, at most `budget` levels deep.
    fn node(&mut self, place: &Place, names: &mut Names, budget: usize) {
        let indent = "  ".repeat(place.depth + 1);
        let pick = if budget == 0 { self.dice.below(5) } else { self.dice.below(11) };
        match pick {
            0..=3 => self.leaf(place, names, &indent),
            4 => self.leaf_list(place, names, &indent),
            5 | 6 => self.container(place, names, &indent, budget),
            7 | 8 => self.list(place, names, &indent, budget),
            9 => self.choice(place, names, &indent, budget),
            _ => {
                // Once a parent: its names are fixed.
                if !std::mem::replace(&mut names.grouped, true) {
                    let _ = writeln!(self.out, "{indent}uses b:common;");
                    names.leafs.push("note".into());
                } else {
                    self.leaf(place, names, &indent);
                }
            }
        }
    }

    fn leaf(&mut self, place: &Place, names: &mut Names, indent: &str) {
        let name = names.next();
        let (ty, default) = self.type_of(place, true);
        let _ = write!(self.out, "{indent}leaf {name} {{ type {ty}");
        if self.dice.chance(12)
            && let Some(flag) = names.flags.first()
        {
            let _ = write!(self.out, " when \"not(../{flag}) or ../{flag} = 'true'\";");
        } else if self.dice.chance(25)
            && let Some(default) = default
        {
            let _ = write!(self.out, " default \"{default}\";");
        } else if place.strict && self.dice.chance(8) {
            self.out.push_str(" mandatory true;");
        }
        if self.dice.chance(6) {
            self.out.push_str(" must \"count(../*) < 30\" { error-message \"too many\"; error-app-tag \"many\"; }");
        } else if self.dice.chance(4) {
            self.out.push_str(" must \". != '1'\";");
        }
        self.out.push_str(" }\n");
        if ty == "boolean;" {
            names.flags.push(name.clone());
        }
        let path = format!("{}/a:{name}", place.data);
        if place.depth > 0 && !ty.starts_with("empty") && !ty.starts_with("leafref") && !ty.starts_with("union") {
            self.targets.push(path);
        }
        if !place.chosen {
            names.leafs.push(name);
        }
    }

    fn leaf_list(&mut self, place: &Place, names: &mut Names, indent: &str) {
        let name = names.next();
        let (ty, default) = self.type_of(place, false);
        let _ = write!(self.out, "{indent}leaf-list {name} {{ type {ty}");
        if self.dice.chance(45) {
            self.out.push_str(" ordered-by user;");
        }
        if self.dice.chance(15) {
            self.out.push_str(" max-elements 4;");
        } else if place.strict && self.dice.chance(8) {
            self.out.push_str(" min-elements 1;");
        } else if self.dice.chance(10)
            && let Some(default) = default
        {
            let _ = write!(self.out, " default \"{default}\";");
        }
        self.out.push_str(" }\n");
    }

    fn container(&mut self, place: &Place, names: &mut Names, indent: &str, budget: usize) {
        let name = names.next();
        let presence = self.dice.chance(40);
        let _ = writeln!(self.out, "{indent}container {name} {{");
        if presence {
            let _ = writeln!(self.out, "{indent}  presence \"it is there\";");
        }
        let inner = self.below(place, &name, presence || place.strict);
        self.places.push(inner.schema.clone());
        let mut names = Names::default();
        for _ in 0..self.dice.below(6) {
            self.node(&inner, &mut names, budget - 1);
        }
        let _ = writeln!(self.out, "{indent}}}");
    }

    fn list(&mut self, place: &Place, names: &mut Names, indent: &str, budget: usize) {
        let name = names.next();
        let _ = writeln!(self.out, "{indent}list {name} {{");
        let mut keys: Vec<String> = (0..1 + self.dice.below(3)).map(|key| format!("key{key}")).collect();
        let written = keys.clone();
        if self.dice.chance(50) {
            // The order of the key statement is not that of the leafs.
            keys.reverse();
        }
        let _ = writeln!(self.out, "{indent}  key \"{}\";", keys.join(" "));
        if self.dice.chance(40) {
            let _ = writeln!(self.out, "{indent}  ordered-by user;");
        }
        if self.dice.chance(12) {
            let _ = writeln!(self.out, "{indent}  max-elements 3;");
        } else if place.strict && self.dice.chance(8) {
            let _ = writeln!(self.out, "{indent}  min-elements 1;");
        }
        let inner = self.below(place, &name, true);
        self.places.push(inner.schema.clone());
        let mut below = Names::default();
        // Keys may stand behind other leafs.
        let early = self.dice.chance(70);
        for key in &written {
            if !early && self.dice.chance(50) {
                self.leaf(&inner, &mut below, &format!("{indent}  "));
            }
            let (ty, _) = self.type_of(&inner, false);
            let _ = writeln!(self.out, "{indent}  leaf {key} {{ type {ty} }}");
            if !ty.starts_with("leafref") && !ty.starts_with("union") {
                self.targets.push(format!("{}/a:{key}", inner.data));
            }
        }
        for _ in 0..self.dice.below(5) {
            self.node(&inner, &mut below, budget - 1);
        }
        if self.dice.chance(20)
            && let Some(leaf) = below.leafs.first()
        {
            let _ = writeln!(self.out, "{indent}  unique \"{leaf}\";");
        }
        let _ = writeln!(self.out, "{indent}}}");
    }

    fn choice(&mut self, place: &Place, names: &mut Names, indent: &str, budget: usize) {
        names.choices += 1;
        let choice = format!("ch{}", names.choices);
        let _ = writeln!(self.out, "{indent}choice {choice} {{");
        for n in 0..1 + self.dice.below(3) {
            if self.dice.chance(30) {
                // Short: the case has the name of the node.
                self.leaf(&self.aside(place), names, &format!("{indent}  "));
                continue;
            }
            let case = format!("ca{n}");
            let _ = writeln!(self.out, "{indent}  case {case} {{");
            let inner = Place {
                schema: format!("{}/a:{choice}/a:{case}", place.schema),
                data: place.data.clone(),
                depth: place.depth + 2,
                strict: false,
                chosen: true,
            };
            for _ in 0..1 + self.dice.below(2) {
                if budget > 1 && self.dice.chance(30) {
                    self.choice(&inner, names, &format!("{indent}    "), budget - 1);
                } else if budget > 1 && self.dice.chance(40) {
                    self.container(&inner, names, &format!("{indent}    "), budget - 1);
                } else if budget > 1 && self.dice.chance(25) {
                    self.list(&inner, names, &format!("{indent}    "), budget - 1);
                } else if self.dice.chance(30) {
                    self.leaf_list(&inner, names, &format!("{indent}    "));
                } else {
                    self.leaf(&inner, names, &format!("{indent}    "));
                }
            }
            let _ = writeln!(self.out, "{indent}  }}");
        }
        let _ = writeln!(self.out, "{indent}}}");
    }

    /// The same place, where nothing is mandatory.
    fn aside(&self, place: &Place) -> Place {
        Place {
            schema: place.schema.clone(),
            data: place.data.clone(),
            depth: place.depth,
            strict: false,
            chosen: true,
        }
    }

    fn below(&self, place: &Place, name: &str, strict: bool) -> Place {
        Place {
            schema: format!("{}/a:{name}", place.schema),
            data: format!("{}/a:{name}", place.data),
            depth: place.depth + 1,
            strict,
            chosen: false,
        }
    }

    /// A type with its closing mark, and a default that it allows.
    fn type_of(&mut self, place: &Place, leaf: bool) -> (String, Option<&'static str>) {
        match self.dice.below(40) {
            0 if leaf => ("empty;".into(), None),
            1 | 2 if place.depth > 0 && !self.targets.is_empty() => {
                let target = self.targets[self.dice.below(self.targets.len())].clone();
                let loose = if self.dice.chance(50) { " require-instance false;" } else { "" };
                (format!("leafref {{ path \"{target}\";{loose} }}"), None)
            }
            3..=5 => self.union(0),
            _ => self.plain(),
        }
    }

    fn union(&mut self, depth: usize) -> (String, Option<&'static str>) {
        let mut members = String::new();
        for _ in 0..2 + self.dice.below(3) {
            let (member, _) = match self.dice.below(20) {
                0 => ("empty;".into(), None),
                1..=3 if depth == 0 => self.union(1),
                _ => self.member(),
            };
            let _ = write!(members, " type {member}");
        }
        (format!("union {{{members} }}"), None)
    }

    /// A type of a union. Patterns are not in a schema index: a string whose pattern also takes the texts of numbers or the
    /// names of identities would stand before them for libyang, and behind them for us.
    fn member(&mut self) -> (String, Option<&'static str>) {
        let takes_more = ["inet:uri", "inet:host", "domain-name", "hex-string", "phys-address", "pattern"];
        loop {
            let (ty, default) = self.plain();
            if !takes_more.iter().any(|word| ty.contains(word)) {
                return (ty, default);
            }
        }
    }

    fn plain(&mut self) -> (String, Option<&'static str>) {
        let n = self.dice.below(PLAIN.len());
        let (ty, default) = PLAIN[n];
        (ty.into(), default)
    }
}

/// Types, and a default each in a spelling that may not be the canonical one.
pub const PLAIN: &[(&str, Option<&str>)] = &[
    ("int8;", Some("-7")),
    ("int16 { range \"-300..-10 | 0..max\"; }", Some("+12")),
    ("int32;", Some("0x10")),
    ("int64;", Some("-9223372036854775808")),
    ("uint8;", Some("5")),
    ("uint8 { range \"1..10\"; }", Some("10")),
    ("uint16;", Some("65535")),
    ("uint32;", Some("010")),
    ("uint64;", Some("18446744073709551615")),
    ("decimal64 { fraction-digits 1; }", Some("1.0")),
    ("decimal64 { fraction-digits 2; range \"-10..10\"; }", Some("-1.50")),
    ("decimal64 { fraction-digits 18; }", Some("9.2")),
    ("boolean;", Some("true")),
    ("boolean;", Some("false")),
    ("enumeration { enum up; enum down { value -3; } enum \"x y\"; enum \"1\"; enum true; }", Some("x y")),
    ("bits { bit c { position 9; } bit a; bit b { position 2; } }", Some("a b")),
    ("binary;", Some("AAECAw==")),
    ("binary { length \"0..4\"; }", None),
    ("identityref { base b:root; }", Some("b:two")),
    ("identityref { base b:root; base b:other; }", Some("b:both")),
    ("instance-identifier { require-instance false; }", None),
    ("string;", Some("a 'text'")),
    ("string { length \"0..6\"; }", None),
    ("string { pattern \"[a-z][a-z0-9]*\"; }", Some("ab1")),
    ("string { pattern \"[0-9]+\" { modifier invert-match; } }", None),
    ("b:percent;", None),
    ("b:word;", Some("word")),
    ("b:state;", Some("half way")),
    ("b:any-of;", Some("b:one")),
    ("b:id;", Some("b:one")),
    ("inet:ip-address;", Some("2001:DB8:0:0::1")),
    ("inet:ipv4-address;", Some("192.0.2.1")),
    ("inet:ipv6-address;", Some("::FFFF:192.0.2.1")),
    ("inet:ipv6-address-no-zone;", None),
    ("inet:ip-prefix;", Some("10.1.2.3/8")),
    ("inet:ipv4-prefix;", Some("10.0.0.0/8")),
    ("inet:ipv6-prefix;", Some("2001:DB8::1/32")),
    ("inet:host;", Some("www.example.com")),
    ("inet:domain-name;", None),
    ("inet:port-number;", Some("830")),
    ("inet:uri;", Some("http://example.com/a?b=c")),
    ("inet:as-number;", Some("65000")),
    ("yang:mac-address;", Some("00:1B:2c:3D:4e:5F")),
    ("yang:hex-string;", Some("AB:cd")),
    ("yang:phys-address;", None),
    ("yang:uuid;", Some("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6")),
    ("yang:date-and-time;", Some("2024-01-02T03:04:05Z")),
    ("yang:dotted-quad;", Some("1.2.3.4")),
    ("yang:counter64;", None),
];
