//! The laws of the design for the command line, over random grammars, configurations and changes, with the model of the
//! element as the oracle.

use crate::draw::{
    Dice, Drawn, KINDS, Kind, Shape, Statement, changed, configuration, curled, grammar, printed, typed,
};
use andante::adapter::grammar::{Grammar, GrammarError};
use andante::tree::{ConfigTree, Key, apply, diff, inverse};
use std::collections::BTreeSet;

/// What came of the cases of a run.
#[derive(Debug, Default)]
struct Tally {
    cases: u64,
    rendered: u64,
    lines: u64,
    secret: u64,
    protected: u64,
    lasting: u64,
    undone: u64,
}

fn seeds(count: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match number("ANDANTE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..count * number("ANDANTE_CASES").unwrap_or(1),
    }
}

struct Case {
    seed: u64,
    drawn: Drawn,
    grammar: Grammar,
}

impl Case {
    fn new(seed: u64, kind: Kind, dice: &mut Dice) -> Self {
        let drawn = grammar(dice, kind);
        let grammar = Grammar::compile("random", &drawn.toml)
            .unwrap_or_else(|error| panic!("{kind:?} ANDANTE_SEED={seed}: {error} {error:?}\n{}", drawn.toml));
        Self { seed, drawn, grammar }
    }

    fn fail(&self, what: &str, texts: &[&str]) -> ! {
        panic!(
            "{:?} ANDANTE_SEED={}: {what}\n---- grammar\n{}\n---- {}",
            self.drawn.kind,
            self.seed,
            self.drawn.toml,
            texts.join("\n----\n")
        )
    }

    fn same(&self, what: &str, a: &ConfigTree, b: &ConfigTree, texts: &[&str]) {
        if a != b {
            let left: Vec<String> = diff(a, b).edits.iter().map(|edit| format!("{edit:?}")).collect();
            let (a, b) = (self.grammar.text(a), self.grammar.text(b));
            self.fail(&format!("{what}: {left:#?}\n{a}\n<>\n{b}"), texts);
        }
    }

    /// A text is read as a whole, and what is printed of it reads the same.
    fn read(&self, all: &[Statement]) -> ConfigTree {
        let text = printed(&self.drawn, all);
        let parsed = self.grammar.parse(&text).unwrap_or_else(|error| self.fail(&error.to_string(), &[&text]));
        if parsed.opaque > 0 || !parsed.complete {
            self.fail(&format!("{} opaque, complete {}", parsed.opaque, parsed.complete), &[&text]);
        }
        let again = self.grammar.text(&parsed.tree);
        let back = self.grammar.parse(&again).unwrap_or_else(|error| self.fail(&error.to_string(), &[&text, &again]));
        self.same("parse(text(t)) == t", &back.tree, &parsed.tree, &[&text, &again]);
        if self.grammar.text(&back.tree) != again {
            self.fail("the text of a tree is one text", &[&text, &again]);
        }
        self.same("normalise(t) == t", &self.grammar.normalise(&parsed.tree), &parsed.tree, &[&text]);
        if again.contains("s3cr3t") || format!("{:?}", parsed.tree).contains("s3cr3t") {
            self.fail("a secret is shown", &[&text, &again]);
        }
        if matches!(self.drawn.kind, Kind::Brace | Kind::Flat) {
            let curled = curled(&self.drawn, all);
            let flat = typed(&self.drawn, all);
            // Without a block it does not show that a text is curly.
            let shows = self.drawn.kind == Kind::Brace || curled.contains('{');
            for other in [&curled, &flat].into_iter().skip(usize::from(!shows)) {
                let parsed_other = self.grammar.parse(other).unwrap_or_else(|e| self.fail(&e.to_string(), &[other]));
                self.same("curly and flat text are one tree", &parsed_other.tree, &parsed.tree, &[&text, other]);
            }
        }
        parsed.tree
    }

    /// The same with some statements deactivated.
    fn marked(&self, dice: &mut Dice, all: &[Statement]) -> ConfigTree {
        let mut text = typed(&self.drawn, all);
        let statements: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in statements {
            // No platform of this family numbers its lists, or deactivates a line by another name of it; the mark of a
            // protected line is not protected.
            let odd =
                |line: &&crate::draw::Line| matches!(line.shape, Shape::Numbered | Shape::Alias) || line.protected;
            let odd = self.drawn.lines.iter().filter(odd).map(|line| &line.word);
            let odd = odd.chain(self.drawn.contexts.iter().filter(|c| c.protected).map(|c| &c.word));
            let odd = odd.into_iter().any(|word| line.split(' ').any(|have| have == word));
            if dice.once(5) && !odd {
                text.push_str(&line.replacen("set", "deactivate", 1));
                text.push('\n');
            }
        }
        let parsed = self.grammar.parse(&text).unwrap_or_else(|error| self.fail(&error.to_string(), &[&text]));
        let again = self.grammar.text(&parsed.tree);
        let back = self.grammar.parse(&again).unwrap_or_else(|error| self.fail(&error.to_string(), &[&text, &again]));
        self.same("parse(text(t)) == t", &back.tree, &parsed.tree, &[&text, &again]);
        let lines: Vec<&str> = text.lines().collect();
        let done = self.grammar.execute(&ConfigTree::default(), &lines);
        let done = done.unwrap_or_else(|error| self.fail(&error.to_string(), &[&text]));
        self.same("typed == parsed", &done, &parsed.tree, &[&text]);
        parsed.tree
    }

    /// What is typed line by line is what the text says.
    fn typed(&self, all: &[Statement], tree: &ConfigTree) {
        let text = typed(&self.drawn, all);
        let lines: Vec<&str> = text.lines().collect();
        let done = self.grammar.execute(&ConfigTree::default(), &lines);
        let done = done.unwrap_or_else(|error| self.fail(&error.to_string(), &[&text]));
        self.same("typed == parsed", &done, tree, &[&text]);
    }

    /// From one tree to another; `None` where that cannot be said.
    fn go(&self, a: &ConfigTree, b: &ConfigTree, tally: &mut Tally) -> Option<ConfigTree> {
        let difference = diff(a, b);
        let (before, after) = (self.grammar.text(a), self.grammar.text(b));
        let texts = [before.as_str(), after.as_str()];
        let payload = match self.grammar.render(&difference, a, b) {
            Ok(payload) => payload,
            Err(GrammarError::Secret { .. }) if after.contains("<secret>") => {
                tally.secret += 1;
                return None;
            }
            Err(GrammarError::Protected { .. }) if self.drawn.toml.contains("protected = true") => {
                tally.protected += 1;
                return None;
            }
            Err(error) => self.fail(&error.to_string(), &texts),
        };
        tally.rendered += 1;
        tally.lines += payload.len() as u64;
        let lines: Vec<&str> = payload.iter().map(|line| line.text.as_str()).collect();
        let shown = lines.join("\n");
        let texts = [before.as_str(), after.as_str(), shown.as_str()];
        self.check_payload(&lines, &texts);
        let wanted = self.grammar.lasting(&difference, b);
        let done = self.grammar.execute(a, &lines).unwrap_or_else(|error| self.fail(&error.to_string(), &texts));
        self.same("read(execute(render(diff(a, b))), a) == b", &done, &self.grammar.normalise(&wanted), &texts);
        self.check_refs(a, &done, &lines, &texts);
        if wanted != *b {
            tally.lasting += 1;
            return None;
        }
        Some(done)
    }

    /// No protected line is typed, no lasting one taken back, no secret shown.
    fn check_payload(&self, lines: &[&str], texts: &[&str]) {
        let protected = self.drawn.lines.iter().filter(|line| line.protected).map(|line| &line.word);
        let protected: BTreeSet<&String> =
            protected.chain(self.drawn.contexts.iter().filter(|c| c.protected).map(|c| &c.word)).collect();
        let lasting = self.drawn.lines.iter().filter(|line| line.lasting).map(|line| &line.word);
        let lasting: BTreeSet<&String> = lasting.collect();
        let kept: BTreeSet<&String> = self.drawn.contexts.iter().filter(|c| c.lasting).map(|c| &c.word).collect();
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.iter().any(|word| protected.contains(&(*word).to_owned())) || line.contains("s3cr3t") {
                self.fail(&format!("protected or secret: {line}"), texts);
            }
            let takes = words.iter().any(|word| matches!(*word, "no" | "delete"));
            if takes && words.iter().any(|word| lasting.contains(&(*word).to_owned())) {
                self.fail(&format!("never deleted: {line}"), texts);
            }
            // The context itself is the end of the line, or its key.
            let end: Vec<&&str> = words.iter().rev().take(2).collect();
            if takes
                && end.iter().any(|word| kept.contains(&(**word).to_owned()))
                && !words.iter().any(|w| w.starts_with('w'))
            {
                let context = self.drawn.contexts.iter().find(|c| c.lasting && words.contains(&c.word.as_str()));
                let last = words.iter().rposition(|word| word.starts_with('c') && word.len() == 2);
                if context.is_some_and(|c| last.is_some_and(|at| words[at] == c.word)) {
                    self.fail(&format!("never deleted: {line}"), texts);
                }
            }
        }
    }

    /// At no step a line refers to what is not there, where neither end does.
    fn check_refs(&self, a: &ConfigTree, b: &ConfigTree, lines: &[&str], texts: &[&str]) {
        let targets: BTreeSet<usize> = self.drawn.lines.iter().filter_map(|line| line.refers).collect();
        // What is ordered is typed again when its order changes; what refers to itself in a circle cannot be ordered.
        if targets.is_empty() || self.drawn.has_order || self.circle(a) || self.circle(b) {
            return;
        }
        if !self.dangling(a).is_empty() || !self.dangling(b).is_empty() {
            return;
        }
        let mut session = self.grammar.session(a.clone());
        for (at, line) in lines.iter().enumerate() {
            self.grammar.type_line(&mut session, line).unwrap();
            let open = self.dangling(session.tree());
            if !open.is_empty() {
                self.fail(&format!("after line {} `{line}`: {open:?} refer to nothing", at + 1), texts);
            }
        }
    }

    /// Lines that refer to what is not there, with the top-level entry that they stand in and the one that they name.
    fn references(&self, tree: &ConfigTree) -> Vec<(String, String, bool)> {
        let mut out = Vec::new();
        tree.walk(&mut |path, node| {
            let name = path.last().map(|step| step.name.name.as_str().to_owned()).unwrap_or_default();
            let line = self.drawn.lines.iter().find(|line| line.word == name && line.refers.is_some());
            if let (Some(line), Some(value)) = (line, node.value()) {
                let word = &self.drawn.contexts[line.refers.unwrap()].word;
                let there = tree.top().iter().any(|node| {
                    node.name().name.as_str() == word
                        && node.keys().is_some_and(|keys| keys.iter().any(|(_, key)| key.as_str() == value.as_str()))
                });
                let from = andante::tree::Path::new(path.steps()[..1].to_vec()).to_string();
                out.push((from, format!("/random:{word}[k='{}']", value.as_str()), there));
            }
            true
        });
        out
    }

    fn dangling(&self, tree: &ConfigTree) -> Vec<(String, String)> {
        self.references(tree).into_iter().filter(|(.., there)| !there).map(|(from, to, _)| (from, to)).collect()
    }

    fn circle(&self, tree: &ConfigTree) -> bool {
        let edges: Vec<(String, String)> = self.references(tree).into_iter().map(|(from, to, _)| (from, to)).collect();
        edges.iter().any(|(from, _)| {
            let mut seen = BTreeSet::from([from]);
            let mut open = vec![from];
            while let Some(at) = open.pop() {
                for (_, to) in edges.iter().filter(|(other, _)| other == at) {
                    if to == from {
                        return true;
                    }
                    if seen.insert(to) {
                        open.push(to);
                    }
                }
            }
            false
        })
    }
}

fn law(kind: Kind, tally: &mut Tally, seed: u64) {
    let dice = &mut Dice::new(seed.wrapping_mul(8).wrapping_add(kind as u64));
    let case = Case::new(seed, kind, dice);
    for _ in 0..2 {
        tally.cases += 1;
        let first = configuration(dice, &case.drawn);
        let second = if dice.once(3) { configuration(dice, &case.drawn) } else { changed(dice, &case.drawn, &first) };
        let (mut a, mut b) = (case.read(&first), case.read(&second));
        case.typed(&first, &a);
        if kind == Kind::Brace && dice.once(2) {
            (a, b) = (case.marked(dice, &first), case.marked(dice, &second));
        }
        assert!(case.grammar.render(&diff(&a, &a), &a, &a).unwrap().is_empty());
        let difference = diff(&a, &b);
        assert_eq!(apply(&inverse(&difference), &b).unwrap(), a);
        if let Some(there) = case.go(&a, &b, tally)
            && case.go(&there, &a, tally).is_some_and(|back| back == a)
        {
            tally.undone += 1;
        }
        case.go(&ConfigTree::default(), &b, tally);
        case.go(&b, &ConfigTree::default(), tally);
    }
}

/// Two configurations of each of so many grammars per family: there, back, from nothing and to nothing.
#[test]
fn a_payload_makes_after_out_of_before_in_every_family() {
    for kind in KINDS {
        let mut tally = Tally::default();
        let seeds = seeds(200);
        for seed in seeds.clone() {
            law(kind, &mut tally, seed);
        }
        println!("{kind:?}, seeds {seeds:?}: {tally:?}");
        let enough = tally.rendered * 2 > tally.cases && tally.undone * 4 > tally.cases;
        assert!(enough || seeds.end - seeds.start < 50, "too few cases say something: {tally:?}");
    }
}

/// Whatever is read, nothing is lost: each line is in the tree, or opaque, or derived, or a comment.
#[test]
fn any_text_is_read_and_none_of_its_lines_is_lost() {
    let mut count = 0;
    for kind in KINDS {
        for seed in seeds(300) {
            let dice = &mut Dice::new(seed.wrapping_mul(8).wrapping_add(kind as u64).wrapping_add(1 << 40));
            let case = Case::new(seed, kind, dice);
            let (text, strange) = strange(dice, &case.drawn);
            let parsed = case.grammar.parse(&text).unwrap_or_else(|error| case.fail(&error.to_string(), &[&text]));
            let again = case.grammar.text(&parsed.tree);
            for word in &strange {
                if !again.contains(word.as_str()) {
                    case.fail(&format!("{word} is lost"), &[&text, &again]);
                }
            }
            let back = case.grammar.parse(&again).unwrap_or_else(|error| case.fail(&error.to_string(), &[&again]));
            case.same("parse(text(t)) == t", &back.tree, &parsed.tree, &[&text, &again]);
            let opaque = opaque(&parsed.tree);
            assert!(parsed.opaque as usize >= strange.len() && opaque >= strange.len(), "{opaque} {strange:?}\n{text}");
            assert!(parsed.opaque <= parsed.lines);
            let _ = case.grammar.execute(&parsed.tree, &text.lines().collect::<Vec<_>>());
            count += strange.len();
        }
    }
    println!("{count} strange lines were found again");
    assert!(std::env::var_os("ANDANTE_SEED").is_some() || count > 1_000, "a poor draw: {count}");
}

fn opaque(tree: &ConfigTree) -> usize {
    let mut count = 0;
    tree.walk(&mut |_, node| {
        count += usize::from(matches!(node.key(), Key::Opaque(..)));
        true
    });
    count
}

/// A configuration with lines dropped, doubled and broken, and with lines that nobody knows; those, by a word of theirs.
fn strange(dice: &mut Dice, drawn: &Drawn) -> (String, Vec<String>) {
    let config = printed(drawn, &configuration(dice, drawn));
    let junk = [
        "w0",
        "c0",
        "a",
        "{",
        "}",
        ";",
        "[",
        "]",
        "\"",
        "'",
        "no",
        "exit",
        "end",
        "!",
        "#",
        "set",
        "delete",
        "attr",
        "\\",
        "/*",
        "*/",
        "inactive:",
        "deactivate",
        "permit",
        "7",
        "\u{e9}",
        "derived",
        "^C",
        "quit",
        "password",
    ];
    let mut out = String::new();
    let mut words = Vec::new();
    // In a block, or behind an open quote, brace or comment, a strange line belongs to that: half of the texts have none.
    let broken = dice.once(2);
    for line in config.lines() {
        if broken && dice.once(5) {
            let count = 1 + dice.below(4);
            let line: Vec<&str> = (0..count).map(|_| *dice.one(&junk)).collect();
            out.push_str(&format!("{}{}\n", " ".repeat(dice.below(4)), line.join(" ")));
        }
        if broken && dice.once(8) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    if !broken && !config.contains("quit") && !config.contains("^C") {
        let lines: Vec<&str> = config.lines().collect();
        out.clear();
        for (at, line) in lines.iter().enumerate() {
            out.push_str(line);
            out.push('\n');
            if dice.once(4) {
                let word = format!("strange{at}");
                let indent = " ".repeat(line.len() - line.trim_start().len());
                let put = if drawn.kind.is_absolute() && drawn.kind != Kind::Brace { drawn.kind.put() } else { "" };
                let end = if drawn.kind == Kind::Brace { ";" } else { "" };
                out.push_str(&format!("{indent}{put} {word} x \"y z\" 9{end}\n"));
                words.push(word);
            }
        }
    }
    (out, words)
}
