//! Faults of a simulated element, for tests: what real elements do at the worst moment. Pure.

use std::time::Duration;

/// Something that goes wrong. `on` is the name of a NETCONF operation (`edit-config`), or a part of a CLI line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused this many times: a CLI answers these words, a NETCONF element an `rpc-error` with this tag, or several
    /// in one reply with `|` between their tags.
    Refuse {
        /// What is refused.
        on: String,
        /// Words or tag.
        answer: String,
        /// How often.
        times: u32,
    },
    /// The configuration line of this number is refused, counted from 1 and from now; CLI only.
    RefuseLine {
        /// Its number.
        number: u32,
        /// The answer.
        answer: String,
    },
    /// It is carried out, but the answer never comes; the session stays open. Once.
    LoseReply {
        /// Of what.
        on: String,
    },
    /// It is carried out, and answered with these words instead of its own. Once; CLI only.
    Say {
        /// What.
        on: String,
        /// The words.
        answer: String,
    },
    /// The connection ends instead of an answer. Once.
    Close {
        /// At what.
        on: String,
        /// Whether it was carried out before.
        done: bool,
    },
    /// The answer takes this long. Once.
    Delay {
        /// Of what.
        on: String,
        /// How long.
        time: Duration,
    },
    /// A process is dead: it is not named as alive, and the nodes that it owns (local names) are not printed. Only
    /// [`super::SimHandle::mend`] ends it. CLI only.
    DeadDaemon {
        /// Its name.
        daemon: String,
        /// Local names of the nodes that nobody prints now.
        nodes: Vec<String>,
    },
    /// An explicit `<validate>` of the candidate makes the following commit answer ok and change nothing (seen on
    /// netconfd 2.13). NETCONF only, until mended.
    ValidateSpoilsCommit,
    /// A leaf of this local name that holds `sent` is shown as `says`, until mended: the element writes values its own way.
    Writes {
        /// Local name of the leaf.
        leaf: String,
        /// What it was given.
        sent: String,
        /// What it shows.
        says: String,
    },
    /// Leafs of this local name are shown encrypted, until mended.
    Encrypts {
        /// Local name of the leaf.
        leaf: String,
    },
    /// New connections are closed at once, until mended.
    Unreachable,
}

/// What to do with one operation or line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reaction {
    pub refuse: Option<String>,
    pub lose: bool,
    /// Other words than its own.
    pub says: Option<String>,
    /// `Some(true)`: after it was carried out.
    pub close: Option<bool>,
    pub delay: Option<Duration>,
}

/// The faults that are set.
#[derive(Debug, Default)]
pub(super) struct Faults {
    set: Vec<Fault>,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.set.push(fault);
    }

    pub fn clear(&mut self) {
        self.set.clear();
    }

    pub fn has(&self, fault: &Fault) -> bool {
        self.set.contains(fault)
    }

    /// The dead processes, each with what it hides.
    pub fn dead(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.set.iter().filter_map(|fault| match fault {
            Fault::DeadDaemon { daemon, nodes } => Some((daemon.as_str(), nodes.as_slice())),
            _ => None,
        })
    }

    /// What a leaf of this local name is shown as, if not as it is.
    pub fn shown(&self, leaf: &str, value: &str) -> Option<String> {
        self.set.iter().find_map(|fault| match fault {
            Fault::Writes { leaf: of, sent, says } if of == leaf && sent == value => Some(says.clone()),
            Fault::Encrypts { leaf: of } if of == leaf => {
                Some(format!("7{}", blake3::hash(value.as_bytes()).to_hex().get(..16).unwrap_or_default()))
            }
            _ => None,
        })
    }

    /// Whether some leafs are shown otherwise than they are.
    pub fn writes(&self) -> bool {
        self.set.iter().any(|fault| matches!(fault, Fault::Writes { .. } | Fault::Encrypts { .. }))
    }

    /// What happens to this operation or line; what happens once is used up. `line`: it is a configuration line.
    pub fn react(&mut self, what: &str, line: bool) -> Reaction {
        let mut reaction = Reaction::default();
        let meant = |on: &str| if line { what.contains(on) } else { what == on };
        self.set.retain_mut(|fault| match fault {
            Fault::Refuse { on, answer, times } if meant(on) && reaction.refuse.is_none() => {
                *times = times.saturating_sub(1);
                reaction.refuse = Some(answer.clone());
                *times > 0
            }
            Fault::RefuseLine { number, answer } if line => {
                *number = number.saturating_sub(1);
                if *number > 0 {
                    return true;
                }
                reaction.refuse = Some(answer.clone());
                false
            }
            Fault::LoseReply { on } if meant(on) => {
                reaction.lose = true;
                false
            }
            Fault::Say { on, answer } if meant(on) => {
                reaction.says = Some(answer.clone());
                false
            }
            Fault::Close { on, done } if meant(on) => {
                reaction.close = Some(*done);
                false
            }
            Fault::Delay { on, time } if meant(on) => {
                reaction.delay = Some(*time);
                false
            }
            _ => true,
        });
        reaction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_used_up_one_by_one() {
        let mut faults = Faults::default();
        faults.add(Fault::Refuse { on: "vrf".into(), answer: "no".into(), times: 2 });
        faults.add(Fault::RefuseLine { number: 2, answer: "second".into() });
        assert_eq!(faults.react("ip route", true), Reaction::default());
        assert_eq!(faults.react("interface x", true).refuse.as_deref(), Some("second"));
        assert_eq!(faults.react("no vrf a", true).refuse.as_deref(), Some("no"));
        assert_eq!(faults.react("vrf", false).refuse.as_deref(), Some("no"));
        assert_eq!(faults.react("no vrf a", true), Reaction::default());
        faults.add(Fault::LoseReply { on: "commit".into() });
        assert_eq!(
            faults.react("cancel-commit", false),
            Reaction::default(),
            "an operation is meant by its whole name"
        );
        assert!(faults.react("commit", false).lose);
        assert!(!faults.react("commit", false).lose);
    }
}
