//! Colours, tables, times.

use super::arguments::Color;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use std::io::IsTerminal;

/// Colours on or off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

impl Paint {
    /// As asked; by itself on a terminal only.
    pub fn new(color: Color, no_color: bool) -> Self {
        Self(match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !no_color && std::io::stdout().is_terminal(),
        })
    }

    pub fn strong(self, text: &str) -> String {
        self.dye("1", text)
    }

    pub fn good(self, text: &str) -> String {
        self.dye("32", text)
    }

    pub fn care(self, text: &str) -> String {
        self.dye("33", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.dye("31;1", text)
    }

    pub fn faint(self, text: &str) -> String {
        self.dye("2", text)
    }

    /// A unified diff, line by line.
    pub fn diff(self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            let line = clean(line);
            let painted = if line.starts_with("+++") || line.starts_with("---") {
                self.strong(&line)
            } else if line.starts_with('+') {
                self.good(&line)
            } else if line.starts_with('-') {
                self.dye("31", &line)
            } else if line.starts_with("@@") {
                self.dye("36", &line)
            } else {
                line
            };
            out.push_str(&painted);
            out.push('\n');
        }
        out
    }

    /// A state by its usual colour.
    pub fn state(self, state: &str) -> String {
        match state {
            "in-sync" | "reachable" | "applied" | "deployed" | "confirmed" | "A" => self.good(state),
            "out-of-sync" | "partial" | "deviating" | "changing" | "restored" | "C" | "unknown" => self.care(state),
            "unreachable" | "unresolved" | "not-applied" | "conflict" | "D" => self.bad(state),
            other => clean(other),
        }
    }

    fn dye(self, code: &str, text: &str) -> String {
        let text = clean(text);
        if self.0 && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text }
    }
}

/// A table without borders, as wide as it needs; columns in which nothing stands are left out.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let shown: Vec<bool> =
        (0..header.len()).map(|at| rows.iter().any(|row| row.get(at).is_some_and(|cell| !cell.is_empty()))).collect();
    let kept = |at: &usize| shown.get(*at).copied().unwrap_or(false);
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let names = header.iter().enumerate().filter(|(at, _)| kept(at));
    table.set_header(names.map(|(_, name)| name.to_uppercase()));
    for row in rows {
        table.add_row(row.into_iter().enumerate().filter(|(at, _)| kept(at)).map(|(_, cell)| cell));
    }
    let text = table.to_string();
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// `3 min ago (2026-11-23 03:10:02Z)`.
pub(super) fn when(text: Option<&str>, now: Timestamp) -> String {
    let Some(at) = text.and_then(|text| text.parse::<Timestamp>().ok()) else { return String::new() };
    let absolute = at.strftime("%Y-%m-%d %H:%M:%SZ");
    let seconds = now.as_second() - at.as_second();
    let (word, seconds) = if seconds < 0 { ("in ", -seconds) } else { ("", seconds) };
    let amount = match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    };
    let ago = if word.is_empty() { " ago" } else { "" };
    format!("{word}{amount}{ago} ({absolute})")
}

/// Without control characters: what elements say must not steer a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_and_absolute() {
        let now: Timestamp = "2026-11-23T03:10:00Z".parse().unwrap();
        assert_eq!(when(Some("2026-11-23T03:06:58Z"), now), "3 min ago (2026-11-23 03:06:58Z)");
        assert_eq!(when(Some("2026-11-24T03:10:00Z"), now), "in 1 d (2026-11-24 03:10:00Z)");
        assert_eq!(when(Some("soon"), now), "");
    }

    #[test]
    fn a_diff_is_coloured_by_line_and_carries_no_escapes_of_others() {
        let text = Paint::new(Color::Always, false).diff("--- a\n+x\u{1b}[2J\n y\n");
        assert_eq!(text, "\u{1b}[1m--- a\u{1b}[0m\n\u{1b}[32m+x\u{fffd}[2J\u{1b}[0m\n y\n");
        assert_eq!(Paint::new(Color::Never, false).diff("+x"), "+x\n");
    }
}
