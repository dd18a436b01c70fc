//! Terminal bytes to plain lines: escape sequences off, overwriting done, every size limited. Pure.
//!
//! Guarantees: any split of the input gives the same lines; what comes out holds no control character but a tab; the
//! unfinished last line is there at any moment, because a prompt has no line end.

/// A terminal that knows text only.
#[derive(Debug, Default)]
pub struct TextTerminal {
    lines: Vec<String>,
    /// The unfinished line.
    current: Vec<u8>,
    /// Where the next character goes in it.
    column: usize,
    state: State,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// Behind ESC and intermediates such as `(`.
    Designate,
    /// Inside `ESC [ … `.
    Control,
    /// Inside `ESC ] …` and other strings that end with BEL or ESC \.
    Message,
    /// Behind an ESC inside such a string.
    MessageEscape,
}

impl TextTerminal {
    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        for &byte in bytes {
            self.take(byte);
        }
    }

    /// Bytes taken since the last [`clear`](Self::clear).
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The finished lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The unfinished line.
    pub fn current(&self) -> String {
        String::from_utf8_lossy(&self.current).into_owned()
    }

    /// Gives out the finished lines and the unfinished one, and begins anew.
    pub fn clear(&mut self) -> (Vec<String>, String) {
        let current = self.current();
        self.erase_current();
        self.bytes = 0;
        (std::mem::take(&mut self.lines), current)
    }

    /// Throws the unfinished line away and all but the first finished ones (a question).
    pub fn keep(&mut self, lines: usize) {
        self.lines.truncate(lines);
        self.erase_current();
    }

    /// Throws the unfinished line away (a pager's prompt).
    pub fn erase_current(&mut self) {
        self.current.clear();
        self.column = 0;
    }

    fn take(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Text, ESC) => State::Escape,
            (State::Text, _) => {
                self.text(byte);
                State::Text
            }
            (State::Escape, b'[') => State::Control,
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::Message,
            (State::Escape, 0x20..=0x2f) => State::Designate,
            (State::Escape, ESC) => State::Escape,
            (State::Escape, _) => State::Text,
            (State::Designate, 0x20..=0x2f) => State::Designate,
            (State::Designate, _) => State::Text,
            // A line end inside a sequence is a broken sequence: the line counts.
            (State::Control, b'\n') => {
                self.text(byte);
                State::Text
            }
            (State::Control, ESC) => State::Escape,
            (State::Control, 0x40..=0x7e) => {
                if byte == b'K' {
                    self.current.truncate(self.column);
                }
                State::Text
            }
            (State::Control, _) => State::Control,
            (State::Message, BEL) => State::Text,
            (State::Message, ESC) => State::MessageEscape,
            (State::Message, _) => State::Message,
            (State::MessageEscape, b'\\') => State::Text,
            (State::MessageEscape, _) => State::Message,
        };
    }

    fn text(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                self.lines.push(self.current());
                self.erase_current();
            }
            b'\r' => self.column = 0,
            0x08 => self.column = self.column.saturating_sub(1),
            b'\t' | 0x20..=0x7e | 0x80..=0xff => {
                match self.current.get_mut(self.column) {
                    Some(place) => *place = byte,
                    None => self.current.push(byte),
                }
                self.column += 1;
            }
            _ => {}
        }
    }
}

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(bytes: &[u8]) -> (Vec<String>, String) {
        let mut t = TextTerminal::default();
        t.push(bytes);
        t.clear()
    }

    #[test]
    fn lines_and_the_unfinished_one() {
        assert_eq!(shown(b"a\r\nb\n\r\npe1# "), (vec!["a".into(), "b".into(), String::new()], "pe1# ".into()));
        assert_eq!(shown(b"\x00a\x07\r\r\n"), (vec!["a".into()], String::new()));
    }

    #[test]
    fn sequences_are_taken_off() {
        assert_eq!(shown(b"\x1b[1;32mok\x1b[0m\x1b]0;title\x07!\x1b(B\x1b=\n").0, ["ok!"]);
        assert_eq!(shown(b"\x1b[?2004lpe1# ").1, "pe1# ");
        assert_eq!(shown(b"\x1bP+q544e\x1b\\x\n").0, ["x"]);
        assert_eq!(shown(b"a\x1b[12\nb\n").0, ["a", "b"], "a broken sequence eats no line");
    }

    #[test]
    fn overwriting_is_done() {
        assert_eq!(shown(b"ab\x08c\n").0, ["ac"]);
        assert_eq!(shown(b" --More-- \r          \rnext\n").0, ["next      "]);
        assert_eq!(shown(b" --More-- \r\x1b[Knext\n").0, ["next"]);
        assert_eq!(shown(b"\x08\x08x\n").0, ["x"]);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines_without_control_characters(
            bytes in prop::collection::vec(prop_oneof![
                Just(0x1b), Just(b'['), Just(b']'), Just(b'\n'), Just(b'\r'), Just(8), Just(7), Just(b'K'), any::<u8>()
            ], 0..200),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = shown(&bytes);
            let at = cut.index(bytes.len() + 1);
            let mut t = TextTerminal::default();
            t.push(&bytes[..at]);
            t.push(&bytes[at..]);
            prop_assert_eq!(t.clear(), whole.clone());
            for line in whole.0.iter().chain([&whole.1]) {
                prop_assert!(line.chars().all(|c| c == '\t' || !c.is_ascii_control()), "{:?}", line);
            }
        }
    }
}
