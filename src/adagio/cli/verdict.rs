//! What the answer to a line means. Pure.
//!
//! The rule that held for every probe of FRR: any line that answers a configuration line and is not on the notice
//! list is an error, whether or not it begins with `%`.

use super::dialect::Dialect;
use regex::Regex;

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken without a word.
    Ok,
    /// Taken, with lines of the notice list.
    Notice,
    /// Refused, in the element's own words.
    Error {
        /// every line of the answer that is no notice
        text: String,
    },
    /// Refused for now; the same line may succeed later.
    Busy {
        /// every line of the answer that is no notice
        text: String,
    },
    /// The element did not take the line as it was typed: what it did is unknown and has to be read.
    EchoDiffers,
}

/// Splits an answer into echo and output and judges it. `lines` are the finished lines between sending and prompt,
/// `prompt` the one that was there before, `more` further patterns of notices.
pub(super) fn judge(
    dialect: &Dialect,
    prompt: &str,
    sent: &str,
    lines: Vec<String>,
    more: &[Regex],
) -> (bool, Vec<String>, Verdict) {
    let (echo_ok, output) = split_echo(dialect, prompt, sent, lines);
    let verdict = if echo_ok { words(dialect, &output, more) } else { Verdict::EchoDiffers };
    (echo_ok, output, verdict)
}

/// Whether the echo has not come yet: what is there came before our line was read.
pub(super) fn before_echo(dialect: &Dialect, lines: &[String]) -> bool {
    dialect.source().echo && lines.iter().all(|l| l.trim().is_empty() || is_log(dialect, l))
}

/// The echo, and what stands behind it without the lines of a log.
pub(super) fn split_echo(dialect: &Dialect, prompt: &str, sent: &str, lines: Vec<String>) -> (bool, Vec<String>) {
    let count = lines.len();
    let mut lines: Vec<String> = lines.into_iter().filter(|l| !is_log(dialect, l)).collect();
    if !dialect.source().echo {
        return (true, lines);
    }
    if lines.len() < count {
        // A log line broke the prompt's line: blanks before the echo are its line ends.
        let blanks = lines.iter().take_while(|l| l.trim().is_empty()).count();
        lines.drain(..blanks);
    }
    if lines.is_empty() {
        return (false, lines);
    }
    let echo = lines.remove(0);
    // An element that prints its prompt again after a log line echoes behind it.
    let echo = echo.strip_prefix(prompt).filter(|_| !prompt.is_empty()).unwrap_or(&echo);
    (echo.trim_end() == sent.trim_end(), lines)
}

fn is_log(dialect: &Dialect, line: &str) -> bool {
    dialect.log_lines.iter().any(|p| p.is_match(line))
}

fn words(dialect: &Dialect, output: &[String], more: &[Regex]) -> Verdict {
    let fits = |table: &[Regex], line: &str| table.iter().any(|p| p.is_match(line));
    let said: Vec<&str> = output.iter().map(|l| l.trim_end()).filter(|l| !l.is_empty()).collect();
    let notice = |l: &str| !fits(&dialect.errors, l) && (fits(&dialect.notices, l) || fits(more, l));
    let rest: Vec<&str> = said.iter().copied().filter(|l| !notice(l)).collect();
    if rest.is_empty() {
        return if said.is_empty() { Verdict::Ok } else { Verdict::Notice };
    }
    let text = rest.join("\n");
    if rest.iter().any(|l| fits(&dialect.busy, l)) { Verdict::Busy { text } } else { Verdict::Error { text } }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::tests::frr;
    use super::*;

    fn judged(sent: &str, lines: &[&str]) -> (bool, Vec<String>, Verdict) {
        let mut d = frr();
        d.log_lines = vec![r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ".into()];
        judge(&d.compile().unwrap(), "pe1# ", sent, lines.iter().map(|l| (*l).into()).collect(), &[])
    }

    fn error(text: &str) -> Verdict {
        Verdict::Error { text: text.into() }
    }

    #[test]
    fn the_answers_of_frr() {
        let of = |line: &str| judged("x", &["x", line]).2;
        assert_eq!(judged("x", &["x"]).2, Verdict::Ok);
        assert_eq!(of(""), Verdict::Ok);
        for text in [
            "% Unknown command: x",
            "BGP is already running; AS is 65000",
            "Internal CLI error [rtlist]",
            "This command is only supported under EVPN VRF",
        ] {
            assert_eq!(of(text), error(text));
        }
        let notice = "Static Route to 10.9.0.0/16 not installed currently because dependent config not fully available";
        assert_eq!(of(notice), Verdict::Notice);
        assert_eq!(judged("x", &["x", notice, "% no"]).2, error("% no"));
        assert_eq!(
            of("% Only inactive VRFs can be deleted"),
            Verdict::Busy { text: "% Only inactive VRFs can be deleted".into() }
        );
        let lines = [
            "x",
            "% Configuration failed.",
            "",
            "Error type: validation",
            "Error description: only inactive interfaces can be deleted",
        ];
        assert!(matches!(judged("x", &lines).2, Verdict::Busy { text } if text.lines().count() == 3));
    }

    #[test]
    fn a_denied_command_is_an_error_whatever_its_words_are() {
        for text in ["% Authorization failed.", "Command authorization failed", "Permission denied for this role"] {
            assert_eq!(judged("x", &["x", text]).2, error(text));
        }
    }

    #[test]
    fn an_echo_that_is_off_is_no_success() {
        // Neither silence nor an answer without the line in front of it proves that the line arrived.
        assert_eq!(judged(" description a", &[""]).2, Verdict::EchoDiffers);
        assert!(!judged("x", &["% no"]).0);
    }

    #[test]
    fn an_echo_that_differs_is_no_success() {
        assert_eq!(judged("no vrf a", &["no vrf b"]).2, Verdict::EchoDiffers);
        assert_eq!(judged("no vrf a", &[]).2, Verdict::EchoDiffers);
        assert_eq!(judged(" description a", &[" description a "]).2, Verdict::Ok, "a trailing blank does not count");
        assert_eq!(judged(" description a", &["description a"]).2, Verdict::EchoDiffers);
    }

    #[test]
    fn log_lines_belong_to_no_answer() {
        let log = "2026/11/23 02:00:00 BGP: [X] neighbor down";
        assert_eq!(judged("x", &[log, "x", log]), (true, vec![], Verdict::Ok));
        assert_eq!(judged("x", &["x", log, "% no"]).2, error("% no"));
        assert_eq!(judged("x", &["", log, "pe1# x", "% no"]).2, error("% no"));
        assert_eq!(judged("x", &["", "x"]).2, Verdict::EchoDiffers);
    }
}
