//! Random grammars, and random configurations of them. A line's first word is its own, so that every drawn grammar is
//! unambiguous; everything else is left to chance.

mod statement;
mod text;

pub use statement::{Statement, changed, configuration};
pub use text::{curled, printed, typed};

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
