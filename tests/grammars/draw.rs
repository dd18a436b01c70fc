//! Random grammars, and random configurations of them. A line's first word is its own, so that every drawn grammar is
//! unambiguous; everything else is left to chance.

use crate::splitmix::splitmix;
use std::fmt::Write;

/// A small generator: equal seeds, equal cases.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(7))
    }

    pub fn below(&mut self, n: usize) -> usize {
        (splitmix(&mut self.0) % n as u64) as usize
    }

    /// True once in `n` times.
    pub fn once(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Indentation and words that leave.
    Words,
    /// Indentation alone.
    Indent,
    Set,
    Brace,
    /// A word before the path, `no` before the line.
    Inline,
    /// A word before the path, another one to delete.
    Flat,
}

pub const KINDS: [Kind; 6] = [Kind::Words, Kind::Indent, Kind::Set, Kind::Brace, Kind::Inline, Kind::Flat];

impl Kind {
    pub fn is_absolute(self) -> bool {
        !matches!(self, Kind::Words | Kind::Indent)
    }

    fn has_no(self) -> bool {
        !matches!(self, Kind::Set | Kind::Brace | Kind::Flat)
    }

    pub fn put(self) -> &'static str {
        match self {
            Kind::Inline | Kind::Flat => "/configure",
            _ => "set",
        }
    }
}

/// What the value of a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Flag,
    Value,
    Secret,
    Keyed,
    Member,
    Members,
    Entry,
    Numbered,
    Block,
    Reference,
    Alias,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub word: String,
    pub shape: Shape,
    pub protected: bool,
    pub lasting: bool,
    pub ordered: bool,
    /// Another name of the line with this word.
    pub of: Option<String>,
    /// The context that the value names.
    pub refers: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Context {
    pub word: String,
    pub keyed: bool,
    pub parent: Option<usize>,
    pub exit: Option<String>,
    pub protected: bool,
    pub lasting: bool,
    pub presence: bool,
    pub lines: Vec<usize>,
}

/// A drawn grammar: its file, and what was drawn.
pub struct Drawn {
    pub kind: Kind,
    pub toml: String,
    pub contexts: Vec<Context>,
    pub lines: Vec<Line>,
    /// Lines of the root.
    pub top: Vec<usize>,
    pub number_step: usize,
    pub block_until: bool,
    /// Lists with an order, or lines that stay for ever or must not be touched: an order cannot be made around those.
    pub has_order: bool,
}

pub fn grammar(dice: &mut Dice, kind: Kind) -> Drawn {
    let mut drawn = Drawn {
        kind,
        toml: String::new(),
        contexts: Vec::new(),
        lines: Vec::new(),
        top: Vec::new(),
        number_step: *dice.one(&[1, 5, 10]),
        block_until: dice.once(2),
        has_order: dice.once(2),
    };
    drawn.head(dice);
    for at in 0..1 + dice.below(5) {
        drawn.context(dice, at);
    }
    for place in 0..=drawn.contexts.len() {
        for _ in 0..1 + dice.below(5) {
            drawn.line(dice, place.checked_sub(1));
        }
    }
    drawn
}

impl Drawn {
    fn head(&mut self, dice: &mut Dice) {
        let out = &mut self.toml;
        out.push_str("[grammar]\nunknown = \"% {line}\"\nmax_bytes = 100000\nmax_lines = 5000\nmax_depth = 12\n");
        out.push_str("derived = [\"derived {x:rest}\"]\nsecret_words = [\"password\"]\n");
        out.push_str(match self.kind {
            Kind::Words => "comment = \"!\"\nend = \"end\"\nleave = \"exit\"\nno = \"no\"\n",
            Kind::Indent => "comment = \"!\"\nend = \"end\"\nleave = \"exit\"\nno = \"no\"\nby_indent = true\ntop = \"root\"\n",
            Kind::Set => "family = \"set\"\ncomment = \"#\"\nput = \"set\"\ndelete = \"delete\"\nquote = \"'\"\n",
            Kind::Brace => {
                "family = \"brace\"\ncomment = \"##\"\nput = \"set\"\ndelete = \"delete\"\nquote = '\"'\n\
                 deactivate = \"deactivate\"\nactivate = \"activate\"\n"
            }
            Kind::Inline => "family = \"flat\"\ncomment = \"#\"\nput = \"/configure\"\nno = \"no\"\nquote = '\"'\n",
            Kind::Flat => {
                "family = \"flat\"\ncomment = \"#\"\nput = \"/configure\"\ndelete = \"/configure delete\"\nquote = '\"'\n\
                 curly = \"line\"\n"
            }
        });
        if self.kind == Kind::Set && dice.once(2) {
            out.push_str("quotes = \"values\"\n");
        }
        out.push_str("\n[types.name]\npattern = '[a-z][a-z0-9]{0,3}'\nnot = [\"attr\", \"opt\", \"flag\", \"no\"]\n");
    }

    fn context(&mut self, dice: &mut Dice, at: usize) {
        let parent = if at == 0 || dice.once(2) { None } else { Some(dice.below(at)) };
        let keyed = dice.below(3) > 0;
        let word = format!("c{at}");
        let exit = (self.kind == Kind::Words && dice.once(2)).then(|| format!("exit-{word}"));
        let (enter, node) =
            if keyed { (format!("{word} {{k:name}}"), format!("{word}[k]")) } else { (word.clone(), word.clone()) };
        let remove = *dice.one(&["whole", "content", "content-then-whole"]);
        let presence = remove != "content" && dice.once(2);
        let ordered = self.has_order && keyed && dice.once(3);
        // Without presence an entry is there as long as something stands in it: it can neither keep its place while all of
        // that is replaced, nor stay when all of it is gone.
        let ordered = ordered && presence;
        let (protected, lasting) = (!self.has_order && dice.once(20), !self.has_order && dice.once(12) && presence);
        let above = parent.map_or("root".to_owned(), |at| self.contexts[at].word.clone());
        let order = dice.below(5);
        let out = &mut self.toml;
        write!(out, "\n[[context]]\nname = \"{word}\"\nin = [\"{above}\"]\nenter = \"{enter}\"\nnode = \"{node}\"\n")
            .unwrap();
        writeln!(out, "order = {order}\npresence = {presence}").unwrap();
        if self.kind.has_no() || dice.once(2) {
            writeln!(out, "remove = \"{remove}\"").unwrap();
        }
        if self.kind.has_no() {
            writeln!(out, "negate = \"no {enter}\"").unwrap();
        }
        if let Some(exit) = &exit {
            writeln!(out, "exit = \"{exit}\"").unwrap();
        }
        for (key, given) in [("ordered", ordered), ("protected", protected), ("never_delete", lasting)] {
            if given {
                writeln!(out, "{key} = true").unwrap();
            }
        }
        if dice.once(6) {
            out.push_str("dialogue = [{ on = \"remove\", expect = \"sure\", answer = \"y\" }]\n");
        }
        self.contexts.push(Context { word, keyed, parent, exit, protected, lasting, presence, lines: vec![] });
    }

    fn line(&mut self, dice: &mut Dice, place: Option<usize>) {
        let at = self.lines.len();
        let word = format!("w{at}");
        let around = place.map_or("root".to_owned(), |at| self.contexts[at].word.clone());
        let siblings = place.map_or(self.top.clone(), |at| self.contexts[at].lines.clone());
        let targets: Vec<usize> = (0..self.contexts.len())
            .filter(|at| self.contexts[*at].keyed && self.contexts[*at].parent.is_none())
            .collect();
        let mut shape = *dice.one(&[
            Shape::Flag,
            Shape::Value,
            Shape::Value,
            Shape::Secret,
            Shape::Keyed,
            Shape::Member,
            Shape::Members,
            Shape::Entry,
            Shape::Numbered,
            Shape::Block,
            Shape::Reference,
            Shape::Alias,
        ]);
        let plain = |at: &usize| self.lines[*at].shape == Shape::Flag && !self.lines[*at].protected;
        let flag = siblings.iter().copied().find(plain).map(|at| self.lines[at].word.clone());
        let absolute = self.kind.is_absolute();
        shape = match shape {
            Shape::Block if absolute => Shape::Flag,
            Shape::Members if absolute => Shape::Member,
            Shape::Reference if targets.is_empty() => Shape::Value,
            Shape::Alias if flag.is_none() => Shape::Keyed,
            shape => shape,
        };
        let mut line = Line {
            word: word.clone(),
            shape,
            protected: false,
            lasting: false,
            ordered: false,
            of: None,
            refers: None,
        };
        let mut rule = String::new();
        let (pattern, node) = match shape {
            Shape::Flag => (word.clone(), word.clone()),
            Shape::Value => match dice.below(4) {
                0 => {
                    rule.push_str("default = \"7\"\n");
                    (format!("{word} [{{v:1-20}}]"), word.clone())
                }
                1 => {
                    rule.push_str("hidden = \"7\"\n");
                    (format!("{word} {{v:1-20}}"), word.clone())
                }
                2 if self.kind.has_no() => {
                    rule.push_str("negate_words = 1\n");
                    (format!("{word} {{v:1-20}} [{{flag:flag}}]"), word.clone())
                }
                _ => {
                    if dice.once(3) {
                        rule.push_str("replace = false\n");
                    }
                    (format!("{word} {{v:1-20}}"), word.clone())
                }
            },
            Shape::Secret => {
                rule.push_str("secret = true\n");
                (format!("{word} {{v:word}}"), word.clone())
            }
            Shape::Keyed => (format!("{word} {{k:name}} attr {{v:1-20}}"), format!("{word}[k]/attr")),
            Shape::Member => {
                line.ordered = self.has_order && dice.once(2);
                if self.kind == Kind::Brace && dice.once(2) {
                    rule.push_str("bracket = true\n");
                }
                (format!("{word} {{v:1-20}}"), format!("{word}[.]"))
            }
            Shape::Members => (format!("{word} {{v:1-20...}}"), format!("{word}[.]")),
            Shape::Entry => {
                line.ordered = self.has_order && dice.once(2);
                (format!("{word} {{k:name}} [opt {{o:1-20}}] [{{flag:flag}}]"), format!("{word}[k]"))
            }
            Shape::Numbered => {
                let step = self.number_step;
                writeln!(rule, "auto_seq = {{ argument = \"seq\", start = {step}, step = {step} }}").unwrap();
                (
                    format!("{word} {{list:name}} [seq {{seq:1-1000}}] {{act:permit|deny}} {{v:1-20}}"),
                    format!("{word}[list]/entry[.]"),
                )
            }
            Shape::Block => {
                rule.push_str(if self.block_until {
                    "block = { until = \"quit\" }\n"
                } else {
                    "block = { trim = true }\n"
                });
                (format!("{word} {{v:block}}"), word.clone())
            }
            Shape::Reference => {
                let target = *dice.one(&targets);
                line.refers = Some(target);
                writeln!(rule, "refs = [\"/{}[k=v]\"]", self.contexts[target].word).unwrap();
                (format!("{word} {{v:name}}"), word.clone())
            }
            Shape::Alias => {
                line.of = flag.clone();
                rule.push_str("alias = true\n");
                (word.clone(), flag.clone().unwrap())
            }
        };
        if line.ordered {
            rule.push_str("ordered = true\n");
        }
        if shape != Shape::Alias && !self.has_order {
            line.protected = dice.once(20);
            line.lasting =
                !matches!(shape, Shape::Members | Shape::Numbered) && !rule.contains("replace") && dice.once(12);
        }
        for (key, given) in [("protected", line.protected), ("never_delete", line.lasting)] {
            if given {
                writeln!(rule, "{key} = true").unwrap();
            }
        }
        if matches!(shape, Shape::Flag | Shape::Value)
            && !line.lasting
            && let Some(flag) = &flag
            && dice.once(4)
        {
            let key = if dice.once(2) { "implies" } else { "cascade" };
            writeln!(rule, "{key} = [\"{flag}\"]").unwrap();
        }
        if matches!(shape, Shape::Value | Shape::Keyed) && dice.once(6) {
            rule.push_str("dialogue = [{ on = \"create\", expect = \"ok\", answer = \"\" }]\n");
        }
        let (order, remove_order) = (dice.below(9), dice.below(9));
        write!(
            self.toml,
            "\n[[line]]\nin = [\"{around}\"]\nline = \"{pattern}\"\nnode = [\"{node}\"]\norder = {order}\n\
             remove_order = {remove_order}\n{rule}"
        )
        .unwrap();
        self.lines.push(line);
        match place {
            Some(place) => self.contexts[place].lines.push(at),
            None => self.top.push(at),
        }
    }
}

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

/// The text as the element prints it. Written apart from the code that it tests.
pub fn printed(drawn: &Drawn, all: &[Statement]) -> String {
    let mut out = String::new();
    match drawn.kind {
        Kind::Words | Kind::Indent => {
            indented(drawn, all, 0, drawn.kind == Kind::Words, &mut out);
            out.push_str("end\n");
        }
        Kind::Brace => curly(drawn, all, 0, ";", &mut out),
        _ => flat(drawn, all, "", &mut out),
    }
    out
}

/// The lines as they are typed.
pub fn typed(drawn: &Drawn, all: &[Statement]) -> String {
    let mut out = String::new();
    match drawn.kind.is_absolute() {
        false => indented(drawn, all, 0, true, &mut out),
        true => flat(drawn, all, "", &mut out),
    }
    out
}

/// The same in curly text.
pub fn curled(drawn: &Drawn, all: &[Statement]) -> String {
    let mut out = String::new();
    curly(drawn, all, 0, if drawn.kind == Kind::Brace { ";" } else { "" }, &mut out);
    out
}

fn enters(drawn: &Drawn, context: usize, key: &str) -> String {
    let word = &drawn.contexts[context].word;
    if key.is_empty() { word.clone() } else { format!("{word} {key}") }
}

fn indented(drawn: &Drawn, all: &[Statement], depth: usize, leave: bool, out: &mut String) {
    let indent = " ".repeat(depth);
    for statement in all {
        match statement {
            Statement::Line { text, .. } => writeln!(out, "{indent}{text}").unwrap(),
            Statement::Context { context, key, inside } => {
                writeln!(out, "{indent}{}", enters(drawn, *context, key)).unwrap();
                indented(drawn, inside, depth + 1, leave, out);
                if leave {
                    let exit = drawn.contexts[*context].exit.as_deref().unwrap_or("exit");
                    writeln!(out, "{indent}{exit}").unwrap();
                }
                writeln!(out, "{indent}!").unwrap();
            }
        }
    }
}

fn flat(drawn: &Drawn, all: &[Statement], prefix: &str, out: &mut String) {
    let put = drawn.kind.put();
    for statement in all {
        match statement {
            Statement::Line { text, .. } => writeln!(out, "{put} {prefix}{text}").unwrap(),
            Statement::Context { context, key, inside } => {
                let prefix = format!("{prefix}{}", enters(drawn, *context, key));
                if inside.is_empty() {
                    writeln!(out, "{put} {prefix}").unwrap();
                }
                flat(drawn, inside, &format!("{prefix} "), out);
            }
        }
    }
}

fn curly(drawn: &Drawn, all: &[Statement], depth: usize, end: &str, out: &mut String) {
    let indent = "  ".repeat(depth);
    for statement in all {
        match statement {
            Statement::Line { text, .. } => writeln!(out, "{indent}{text}{end}").unwrap(),
            Statement::Context { context, key, inside } => {
                writeln!(out, "{indent}{} {{", enters(drawn, *context, key)).unwrap();
                curly(drawn, inside, depth + 1, end, out);
                writeln!(out, "{indent}}}").unwrap();
            }
        }
    }
}
