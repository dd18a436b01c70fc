//! Values of several lines: banners between two equal characters, certificates up to a word.

use super::pattern::Bindings;
use super::rules::{Block, Line, LineId};
use crate::tree::Path;

/// A block whose end has not been read yet.
#[derive(Clone, Debug)]
pub(super) struct Open {
    line: LineId,
    base: Path,
    bindings: Bindings,
    argument: String,
    /// The mark, or the line, that ends it.
    end: End,
    trim: bool,
    text: String,
}

#[derive(Clone, Debug)]
enum End {
    Mark(String),
    Line(String),
}

/// A block that has been read: the line with its value among the bindings.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) line: LineId,
    pub(super) base: Path,
    pub(super) bindings: Bindings,
}

impl Open {
    /// Begins with the first line; a block may end on it.
    pub(super) fn begin(line: &Line, id: LineId, base: &Path, bindings: Bindings) -> Result<Self, Closed> {
        let Some(block) = &line.block else { return Err(Closed { line: id, base: base.clone(), bindings }) };
        let head = bindings.get(&block.argument).and_then(|values| values.first()).cloned().unwrap_or_default();
        let mut open = Self {
            line: id,
            base: base.clone(),
            bindings,
            argument: block.argument.clone(),
            end: End::Line(String::new()),
            trim: block.trim,
            text: String::new(),
        };
        match &block.until {
            Some(until) => {
                open.end = End::Line(until.clone());
                // What stands on the first line is the first line of the value.
                if !head.is_empty() {
                    open.text = head + "\n";
                }
                Ok(open)
            }
            None => {
                // IOS prints the character ETX, which it puts around a banner, as two.
                let length = if head.starts_with("^C") { 2 } else { head.chars().next().map_or(0, char::len_utf8) };
                let (mark, rest) = head.split_at(length);
                if mark.is_empty() {
                    return Err(open.close());
                }
                open.end = End::Mark(mark.to_owned());
                match rest.split_once(mark) {
                    Some((text, _)) => {
                        open.text = text.to_owned();
                        Err(open.close())
                    }
                    None => {
                        open.text = format!("{rest}\n");
                        Ok(open)
                    }
                }
            }
        }
    }

    /// Takes a line.
    pub(super) fn next(mut self, raw: &str) -> Result<Self, Closed> {
        match &self.end {
            End::Line(until) if raw.trim() == until => {
                self.text.pop();
                return Err(self.close());
            }
            End::Mark(mark) => {
                if let Some((text, _)) = raw.split_once(mark.as_str()) {
                    self.text.push_str(text);
                    return Err(self.close());
                }
            }
            End::Line(_) => {}
        }
        self.text.push_str(raw);
        self.text.push('\n');
        Ok(self)
    }

    /// Ends it where it is.
    pub(super) fn close(mut self) -> Closed {
        let text = match self.trim {
            true => trimmed(&self.text),
            false => self.text,
        };
        self.bindings.insert(self.argument, vec![text]);
        Closed { line: self.line, base: self.base, bindings: self.bindings }
    }
}

impl Block {
    /// The lines that make this value.
    pub(super) fn print(&self, bindings: &Bindings) -> Option<String> {
        let head = self.head.build(bindings)?;
        let text = bindings.get(&self.argument)?.first()?;
        match &self.until {
            Some(until) if text.is_empty() => Some(format!("{head}\n{until}")),
            Some(until) => Some(format!("{head}\n{text}\n{until}")),
            None => {
                let mark = MARKS.chars().find(|mark| !text.contains(*mark))?;
                let between = if self.trim { "\n" } else { "" };
                Some(format!("{head} {mark}{between}{text}{between}{mark}"))
            }
        }
    }
}

/// What may stand around a banner; a text that has them all cannot be typed.
const MARKS: &str = "#~%@|&*+=_$/";

/// A text without blanks at line ends and without empty lines at both ends.
fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| !line.is_empty()).map_or(first, |at| at + 1);
    lines[first..last].join("\n")
}
