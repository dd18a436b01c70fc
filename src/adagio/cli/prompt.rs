//! The prompt: it gives the host name once, and the mode each time. Pure.
//!
//! The name is learnt at login and never configured: elements print the name they like. A prompt is the *unfinished*
//! last line, matched as a whole; so neither a banner with `#` nor a line of output that looks like a prompt is one.
//! A change of the host name through the session makes its prompt unknown: the line ends as unknown and the next
//! session learns the new name.

use super::dialect::{Dialect, DialectError};
use regex::Regex;

/// The prompts of one host.
#[derive(Debug)]
pub struct Prompts {
    host: String,
    modes: Vec<(String, Regex)>,
}

impl Prompts {
    /// The host name in a first prompt, if the line is one.
    pub fn host_in(dialect: &Dialect, line: &str) -> Option<String> {
        let found = dialect.login_prompt.captures(line)?;
        let host = found.name("host")?.as_str();
        (!host.is_empty()).then(|| host.to_owned())
    }

    /// The prompts of this host.
    pub fn of(dialect: &Dialect, host: &str) -> Result<Self, DialectError> {
        let compile = |m: &super::CliMode| Ok((m.name.clone(), m.compile(host)?));
        let modes = dialect.source().modes.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Prompts { host: host.to_owned(), modes })
    }

    /// The learnt name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The mode, if the unfinished line is a prompt.
    pub fn mode(&self, unfinished: &str) -> Option<&str> {
        self.modes.iter().find(|(_, prompt)| prompt.is_match(unfinished)).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::tests::frr;
    use super::*;

    #[test]
    fn the_name_is_learnt_and_the_mode_told() {
        let d = frr().compile().unwrap();
        assert_eq!(Prompts::host_in(&d, "pe1# ").as_deref(), Some("pe1"));
        let p = Prompts::of(&d, "pe1").unwrap();
        assert_eq!(p.mode("pe1# "), Some("exec"));
        assert_eq!(p.mode("pe1(config)# "), Some("config"));
        assert_eq!(p.mode("pe1(config-router-af)# "), Some("config-router-af"));
        assert_eq!(p.mode("pe1(config-ldp-af-if)# "), Some("config-other"));
        for no in ["pe1#", "pe1# x", " pe1# ", "pe11# ", "pe2# ", "pe1(config)", "pe1(bogus)# ", ""] {
            assert_eq!(p.mode(no), None, "{no:?}");
        }
    }

    #[test]
    fn parentheses_are_part_of_a_name() {
        let d = frr().compile().unwrap();
        assert_eq!(Prompts::host_in(&d, "(none)# ").as_deref(), Some("(none)"));
        let p = Prompts::of(&d, "(none)").unwrap();
        assert_eq!(p.mode("(none)# "), Some("exec"));
        assert_eq!(p.mode("(none)(config-if)# "), Some("config-if"));
        assert_eq!(p.mode("none# "), None);
    }

    #[test]
    fn banners_are_no_prompts() {
        let d = frr().compile().unwrap();
        for line in ["#### ", "# Hello # ", "welcome to pe1# ", "pe1> ", "Password: "] {
            assert_eq!(Prompts::host_in(&d, line), None, "{line:?}");
        }
    }
}
