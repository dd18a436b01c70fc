//! Curly text, flattened: every statement of a block is a statement with the block's words before it.
//!
//! Comments are left out. `inactive:` before a statement is the statement and its deactivation. A brace that closes nothing
//! is kept as a foreign line; what is not closed makes the reading incomplete.

use super::super::GrammarError;
use super::super::lex::{Quoting, Token, opens_list, word};
use super::super::resolve::spread;
use super::super::rules::Verb;
use super::super::source::CurlySource;
use super::{FOREIGN, Reading};
use crate::tree::Path;
use std::borrow::Cow;

/// A block that has been entered.
struct Block<'a> {
    words: Vec<Token<'a>>,
    inactive: bool,
    /// Something stands in it, or it is something itself.
    told: bool,
}

pub(super) fn read(reading: &mut Reading<'_>, text: &str, ends: CurlySource) -> Result<(), GrammarError> {
    let limit = reading.rules.general.max_depth;
    let mut pieces = Pieces { rest: text, mark: mark(reading.rules.quoting), ends, bracketed: false };
    let comment = reading.rules.general.comment.clone();
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut statement: Vec<Token<'_>> = Vec::new();
    let mut closed = true;
    while let Some(piece) = pieces.next(&comment) {
        match piece {
            Piece::Word(token) => statement.push(token),
            Piece::Open => {
                if blocks.len() >= limit {
                    return Err(GrammarError::Limit { what: "nested contexts", limit });
                }
                let (inactive, words) = reading.plain(std::mem::take(&mut statement));
                blocks.push(Block { words, inactive, told: false });
                let words = around(&blocks);
                let context = !words.is_empty() && reading.rules.resolve(Verb::Put, &words).is_ok_and(|f| f.left == 0);
                if context {
                    reading.statement(Verb::Put, &words);
                    told(&mut blocks);
                }
            }
            Piece::Close => {
                closed &= statement.is_empty() || ends == CurlySource::Line;
                reading.take(&mut blocks, std::mem::take(&mut statement));
                let words = around(&blocks);
                match blocks.pop() {
                    None => {
                        reading.opaque(&Path::root(), FOREIGN, "}");
                    }
                    Some(block) if words.is_empty() => drop(block),
                    Some(block) => {
                        if !block.told {
                            reading.statement(Verb::Put, &words);
                            told(&mut blocks);
                        }
                        if block.inactive {
                            reading.statement(Verb::Deactivate, &words);
                        }
                    }
                }
            }
            Piece::End => reading.take(&mut blocks, std::mem::take(&mut statement)),
        }
    }
    closed &= statement.is_empty() && blocks.is_empty();
    reading.take(&mut blocks, statement);
    while !blocks.is_empty() {
        let words = around(&blocks);
        if blocks.pop().is_some_and(|block| !block.told) && !words.is_empty() {
            reading.statement(Verb::Put, &words);
            told(&mut blocks);
        }
    }
    reading.counts.complete = closed;
    Ok(())
}

fn told(blocks: &mut [Block<'_>]) {
    blocks.iter_mut().for_each(|block| block.told = true);
}

fn around<'a>(blocks: &[Block<'a>]) -> Vec<Token<'a>> {
    blocks.iter().flat_map(|block| block.words.iter().cloned()).collect()
}

impl Reading<'_> {
    /// Whether a statement is deactivated, and its words.
    fn plain<'a>(&self, mut words: Vec<Token<'a>>) -> (bool, Vec<Token<'a>>) {
        let marked = words.first().is_some_and(|word| !word.quoted && word.text == "inactive:");
        let inactive = marked && words.len() > 1 && self.rules.deactivates();
        if inactive {
            words.remove(0);
        }
        (inactive, words)
    }

    /// Takes a statement in its blocks.
    fn take(&mut self, blocks: &mut [Block<'_>], words: Vec<Token<'_>>) {
        let (inactive, words) = self.plain(words);
        if words.is_empty() {
            return;
        }
        told(blocks);
        let before: Vec<Token<'_>> = around(blocks);
        for words in spread(&words) {
            let whole = [&before[..], &words].concat();
            match self.rules.is_derived(&whole) {
                true => self.counts.derived += 1,
                false => self.statement(Verb::Put, &whole),
            }
        }
        if inactive {
            // A list is deactivated as a whole.
            let open = words.iter().position(|word| !word.quoted && word.text == "[").unwrap_or(words.len());
            self.statement(Verb::Deactivate, &[&before[..], &words[..open]].concat());
        }
    }
}

fn mark(quoting: Quoting) -> char {
    match quoting {
        Quoting::Never => '"',
        Quoting::Needed(mark) | Quoting::Values(mark) => mark,
    }
}

/// A piece of curly text.
enum Piece<'a> {
    Word(Token<'a>),
    Open,
    Close,
    End,
}

/// Curly text in pieces.
struct Pieces<'a> {
    rest: &'a str,
    mark: char,
    ends: CurlySource,
    /// Between `[` and `]`; a list may go on over several lines.
    bracketed: bool,
}

impl<'a> Pieces<'a> {
    fn next(&mut self, comment: &str) -> Option<Piece<'a>> {
        loop {
            let c = self.rest.chars().next()?;
            let lines = self.ends == CurlySource::Line;
            match c {
                '\n' if lines && !self.bracketed => return self.step(1, Piece::End),
                c if c.is_whitespace() => self.rest = &self.rest[c.len_utf8()..],
                _ if self.rest.starts_with("/*") => {
                    let end = self.rest.find("*/").map_or(self.rest.len(), |at| at + 2);
                    self.rest = &self.rest[end..];
                }
                _ if self.rest.starts_with(comment) => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                '{' => return self.step(1, Piece::Open),
                '}' => return self.step(1, Piece::Close),
                ';' if !lines => return self.step(1, Piece::End),
                '[' if !self.bracketed && opens_list(self.rest) => {
                    self.rest = &self.rest[1..];
                    self.bracketed = true;
                    return Some(Piece::Word(bare("[")));
                }
                ']' if self.bracketed => {
                    self.rest = &self.rest[1..];
                    self.bracketed = false;
                    return Some(Piece::Word(bare("]")));
                }
                _ => {
                    let ends = match (lines, self.bracketed) {
                        (true, true) => "{}]",
                        (true, false) => "{}",
                        (false, true) => "{};]",
                        (false, false) => "{};",
                    };
                    let (text, quoted) = word(&mut self.rest, self.mark, ends);
                    return Some(Piece::Word(Token { text, tail: "", quoted }));
                }
            }
        }
    }

    fn step(&mut self, bytes: usize, piece: Piece<'a>) -> Option<Piece<'a>> {
        self.rest = &self.rest[bytes..];
        self.bracketed = false;
        Some(piece)
    }
}

fn bare(text: &'static str) -> Token<'static> {
    Token { text: Cow::Borrowed(text), tail: "", quoted: false }
}
