//! `[commit]` of an `adapter.toml`: how a command line makes a change true, where it does more than take lines one by one.
//!
//! Platforms differ in where edits wait, in how a commit is tried, timed, confirmed and taken back, and in what they say
//! to it. The adapter declares that as *steps*: the lines to type, the proof that they were obeyed, the words of a
//! refusal. The driver ([`crate::adagio::cli`]) runs the steps as the verbs of the transaction; nothing here knows a
//! platform.
//!
//! | `model`     | where edits wait                                           | examples |
//! |-------------|------------------------------------------------------------|----------|
//! | `candidate` | in one store of the element, seen by every session         | Junos, VyOS, SR OS, FRR mgmtd |
//! | `session`   | in a store with a name, which survives the terminal        | EOS `configure session` |
//! | `two-stage` | in a store of the terminal, which dies with it             | IOS-XR, VRP 8 |
//! | `replace`   | nowhere: a line acts at once, and the element keeps a point to which it goes back by itself | IOS `configure terminal revert timer` |
//!
//! Without `[commit]` a line acts at once and nothing goes back by itself (class D). With `timed` the class is A, without
//! it B; `replace` needs `timed`.
//!
//! Arguments of lines, typed: `{name}` (the transaction's label, `andante-` and 16 hexadecimal digits: name of a session,
//! label or comment of a commit), and in `timed` and `extend` one of `{seconds}`, `{minutes}` (rounded up) or `{time}`
//! (`hh:mm:ss`), which is how the unit of the timer is declared.
//!
//! Guarantees: a commit, a timed commit, a confirm and a cancel cannot be declared without a positive proof (`success`,
//! or `prove`, for platforms that answer a good commit with silence); every pattern compiles; every `says` fits its
//! `success` and no `failure`, every `refuses` fits a `failure`: what a platform was heard to say is held against what the
//! adapter expects. PURE.

use super::payload::Answer;
use regex::Regex;
use serde::Deserialize;
use std::time::Duration;

/// The section as written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommitOptions {
    /// Where edits wait.
    pub model: Model,
    /// How a command is typed in configuration mode: `run {command}`, `do {command}`. As it is when absent.
    pub exec: Option<String>,
    /// What leads into configuration mode for a change, in place of `cli.enter_config`. `refuses`: somebody else holds it.
    pub enter: Option<Step>,
    /// Takes a lock of its own, behind `enter`.
    pub lock: Option<Step>,
    /// Gives it back, before `leave`.
    pub unlock: Option<Step>,
    /// What leads out again, in place of `cli.leave_config`.
    pub leave: Option<Step>,
    /// Who else is in configuration mode: every line that fits `match` is somebody.
    pub others: Option<Show>,
    /// What waits in the candidate before we touch it: every line that does not fit `match` is somebody's edit.
    pub dirty: Option<Show>,
    /// Whether a timed commit waits for its confirmation: a line that fits `match`. With `{name}` in `match` ours is told
    /// from somebody else's.
    pub pending: Option<Show>,
    /// Tries the candidate.
    pub check: Option<Step>,
    /// Makes it the running configuration, for good.
    pub commit: Option<Step>,
    /// Makes it the running configuration until a timer runs out (`replace`: enters configuration mode so).
    pub timed: Option<Timed>,
    /// Starts that timer anew.
    pub extend: Option<Step>,
    /// Keeps it for good.
    pub confirm: Option<Step>,
    /// Takes it back now.
    pub cancel: Option<Step>,
    /// Throws the candidate away.
    pub discard: Option<Step>,
    /// Sessions by name that are still there (`session`).
    pub abandoned: Option<Abandoned>,
}

/// Where edits wait; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// In one store of the element.
    Candidate,
    /// In a store with a name.
    Session,
    /// In a store of the terminal.
    TwoStage,
    /// Nowhere; the element goes back to a point by itself.
    Replace,
}

/// Lines, and what proves that they were obeyed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    /// What is typed, in this order; it stops at the first refusal.
    pub lines: Vec<String>,
    /// Where.
    #[serde(default, rename = "in")]
    pub place: Place,
    /// One of them must fit a line of the answer.
    #[serde(default)]
    pub success: Vec<String>,
    /// One that fits a line of the answer means that it was refused, whatever else was said.
    #[serde(default)]
    pub failure: Vec<String>,
    /// What proves it where the element answers with silence.
    pub prove: Option<Show>,
    /// A command (of configuration mode) that says why, after a refusal.
    pub explain: Option<String>,
    /// What the element asks meanwhile, and what is answered.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// What a platform was heard to say when it obeyed. The simulator says so.
    #[serde(default)]
    pub says: Vec<String>,
    /// What it was heard to say when it refused.
    #[serde(default)]
    pub refuses: Vec<String>,
}

/// A timed commit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// What is typed.
    #[serde(flatten)]
    pub step: Step,
    /// The shortest time that the platform takes, in seconds.
    #[serde(default = "one")]
    pub min: u64,
    /// The longest.
    pub max: u64,
}

/// A command and what its answer means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Show {
    /// The command.
    pub show: String,
    /// Where it is typed, a command of the login mode unless said otherwise.
    #[serde(default = "exec", rename = "in")]
    pub place: Place,
    /// Patterns over one line.
    #[serde(default, rename = "match")]
    pub patterns: Vec<String>,
    /// In place of patterns (`dirty`): the candidate is clean when this command says the same.
    pub same_as: Option<String>,
    /// In place of patterns (`prove`): the step was obeyed when the answer is another one than before it.
    #[serde(default)]
    pub changed: bool,
    /// A line that a platform was heard to say and that fits.
    #[serde(default)]
    pub says: Vec<String>,
}

/// Named sessions that are still there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abandoned {
    /// What lists them; `match` has a group `name`.
    pub list: Show,
    /// Throws `{name}` away.
    pub abort: Step,
}

/// Where a line is typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In configuration mode, which is entered for it where needed.
    #[default]
    Config,
    /// In the mode of the login; in configuration mode by way of `exec`.
    Exec,
}

fn exec() -> Place {
    Place::Exec
}

fn one() -> u64 {
    1
}

/// The section, ready for use.
#[derive(Clone, Debug)]
pub struct Commit {
    source: CommitOptions,
}

/// What stands for the arguments of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `{name}`.
    pub name: String,
    /// `{seconds}`, `{minutes}`, `{time}`.
    pub window: Duration,
}

impl Arguments {
    /// The line with its arguments.
    pub fn fill(&self, line: &str) -> String {
        let seconds = self.window.as_secs() + u64::from(self.window.subsec_nanos() > 0);
        let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        line.replace("{name}", &self.name)
            .replace("{seconds}", &seconds.to_string())
            .replace("{minutes}", &seconds.div_ceil(60).to_string())
            .replace("{time}", &time)
    }

    /// A pattern with its arguments, which are no patterns themselves. Without a name `{name}` is any word.
    pub fn pattern(&self, pattern: &str) -> String {
        match self.name.is_empty() {
            true => pattern.replace("{name}", r"\S+"),
            false => pattern.replace("{name}", &regex::escape(&self.name)),
        }
    }
}

/// The label of a transaction, from the secret of its confirmed commit: who sees the label cannot tell the secret.
pub fn label(persist: &str) -> String {
    let hash = blake3::hash(persist.as_bytes()).to_hex();
    format!("{LABEL}{}", hash.get(..16).unwrap_or_default())
}

/// What every label begins with.
pub const LABEL: &str = "andante-";

impl CommitOptions {
    /// Checks the section and makes it ready.
    pub(crate) fn compile(&self) -> Result<Commit, String> {
        let needs = |what: &str, there: bool| match there {
            true => Ok(()),
            false => Err(format!("commit.{what}: is needed for this model")),
        };
        match self.model {
            Model::Replace => {
                needs("timed", self.timed.is_some())?;
                if let Some(what) = [("commit", &self.commit), ("check", &self.check), ("discard", &self.discard)]
                    .iter()
                    .find_map(|(name, step)| step.is_some().then_some(*name))
                {
                    return Err(format!("commit.{what}: model = \"replace\" has no candidate"));
                }
            }
            Model::Candidate | Model::Session | Model::TwoStage => {
                needs("commit", self.commit.is_some())?;
                needs("discard", self.discard.is_some())?;
            }
        }
        match self.model {
            // A store that everybody writes to is never ours before we looked.
            Model::Candidate => needs("dirty", self.dirty.is_some())?,
            Model::Session => {
                needs("enter", self.enter.is_some())?;
                needs("abandoned", self.abandoned.is_some())?;
                let named = self.enter.iter().flat_map(|step| &step.lines).any(|line| line.contains("{name}"));
                needs("enter with {name}", named)?;
            }
            Model::TwoStage | Model::Replace => {}
        }
        if self.timed.is_some() {
            needs("confirm", self.confirm.is_some())?;
            needs("cancel", self.cancel.is_some())?;
            needs("pending", self.pending.is_some())?;
        } else if self.confirm.is_some() || self.cancel.is_some() || self.extend.is_some() {
            return Err("commit: confirm, cancel and extend need commit.timed".into());
        }
        if let Some(timed) = &self.timed
            && (timed.min > timed.max || timed.max == 0)
        {
            return Err("commit.timed: min and max are seconds, min ≤ max".into());
        }
        if self.exec.as_ref().is_some_and(|exec| !exec.contains("{command}")) {
            return Err("commit.exec: has no {command}".into());
        }
        for (name, step, need) in self.steps() {
            step.check(&format!("commit.{name}"), need)?;
        }
        let shows = [("others", &self.others), ("dirty", &self.dirty), ("pending", &self.pending)];
        for (name, show) in shows {
            if let Some(show) = show {
                show.check(&format!("commit.{name}"), false, name == "dirty")?;
            }
        }
        if let Some(abandoned) = &self.abandoned {
            abandoned.list.check("commit.abandoned.list", false, false)?;
            if !abandoned.list.patterns.iter().all(|pattern| pattern.contains("(?P<name>")) {
                return Err("commit.abandoned.list: match needs a group named name: (?P<name>…)".into());
            }
        }
        Ok(Commit { source: self.clone() })
    }

    /// Every step, and what it must have.
    fn steps(&self) -> Vec<(&'static str, &Step, Need)> {
        let timer = Need { proof: true, timer: true };
        let proof = Need { proof: true, timer: false };
        let plain = Need { proof: false, timer: false };
        let all = [
            ("enter", self.enter.as_ref(), plain),
            ("lock", self.lock.as_ref(), plain),
            ("unlock", self.unlock.as_ref(), plain),
            ("leave", self.leave.as_ref(), plain),
            ("check", self.check.as_ref(), plain),
            ("commit", self.commit.as_ref(), proof),
            ("timed", self.timed.as_ref().map(|timed| &timed.step), timer),
            ("extend", self.extend.as_ref(), timer),
            ("confirm", self.confirm.as_ref(), proof),
            ("cancel", self.cancel.as_ref(), proof),
            ("discard", self.discard.as_ref(), plain),
            ("abandoned.abort", self.abandoned.as_ref().map(|known| &known.abort), plain),
        ];
        all.into_iter().filter_map(|(name, step, need)| step.map(|step| (name, step, need))).collect()
    }
}

impl Commit {
    /// The section as written.
    pub fn source(&self) -> &CommitOptions {
        &self.source
    }

    /// Whether the element goes back by itself.
    pub fn is_timed(&self) -> bool {
        self.source.timed.is_some()
    }

    /// Every line that may be typed, with its step: a dialect checks them.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.source
            .steps()
            .into_iter()
            .flat_map(|(name, step, _)| step.lines.iter().map(move |line| (name, line.as_str())))
    }
}

/// What a step must have.
#[derive(Clone, Copy)]
struct Need {
    proof: bool,
    timer: bool,
}

impl Step {
    fn check(&self, at: &str, need: Need) -> Result<(), String> {
        if self.lines.is_empty() {
            return Err(format!("{at}.lines: what is typed?"));
        }
        if need.proof && self.success.is_empty() && self.prove.is_none() {
            return Err(format!("{at}: needs success or prove; silence proves nothing"));
        }
        let mut timers = 0;
        for line in &self.lines {
            for argument in arguments(line) {
                match argument {
                    "name" => {}
                    "seconds" | "minutes" | "time" if need.timer => timers += 1,
                    other => return Err(format!("{at}.lines: {{{other}}} is no argument here")),
                }
            }
        }
        if need.timer && timers != 1 {
            return Err(format!("{at}.lines: one of {{seconds}}, {{minutes}}, {{time}} says how long"));
        }
        for pattern in self.success.iter().chain(&self.failure) {
            compiled(at, pattern)?;
        }
        for answer in &self.answers {
            compiled(&format!("{at}.answers"), &answer.expect)?;
        }
        if let Some(show) = &self.prove {
            show.check(&format!("{at}.prove"), true, false)?;
        }
        let sample = Arguments { name: format!("{LABEL}0123456789abcdef"), window: Duration::from_secs(60) };
        let heard = |lines: &[String]| lines.iter().map(|line| sample.fill(line)).collect::<Vec<_>>();
        match self.judge(&sample, &heard(&self.says)) {
            Judgement::Refused => return Err(format!("{at}.says: fits failure")),
            Judgement::Unproved if !self.says.is_empty() => return Err(format!("{at}.says: fits no success")),
            Judgement::Unproved | Judgement::Obeyed | Judgement::Silent => {}
        }
        if !self.refuses.is_empty() && self.judge(&sample, &heard(&self.refuses)) != Judgement::Refused {
            return Err(format!("{at}.refuses: fits no failure"));
        }
        Ok(())
    }

    /// What an answer to this step means. With `prove` it is asked for besides.
    pub fn judge(&self, arguments: &Arguments, answer: &[String]) -> Judgement {
        let fits = |patterns: &[String]| {
            patterns
                .iter()
                .filter_map(|pattern| Regex::new(&arguments.pattern(pattern)).ok())
                .any(|pattern| answer.iter().any(|line| pattern.is_match(line.trim_end())))
        };
        if fits(&self.failure) {
            return Judgement::Refused;
        }
        match self.success.is_empty() {
            true => Judgement::Silent,
            false if fits(&self.success) => Judgement::Obeyed,
            false => Judgement::Unproved,
        }
    }
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The declared proof is there.
    Obeyed,
    /// No proof is declared, and no refusal was said.
    Silent,
    /// The declared words of a refusal are there.
    Refused,
    /// Neither: nobody knows.
    Unproved,
}

impl Show {
    fn check(&self, at: &str, may_change: bool, may_compare: bool) -> Result<(), String> {
        if let Some(argument) = arguments(&self.show).into_iter().find(|argument| *argument != "name") {
            return Err(format!("{at}.show: {{{argument}}} is no argument here"));
        }
        match (self.patterns.is_empty(), self.changed, self.same_as.is_some()) {
            (false, false, false) => {}
            (true, true, false) if may_change => {}
            (true, false, true) if may_compare => {}
            _ => return Err(format!("{at}: what does the answer mean? match, or same-as (dirty), or changed (prove)")),
        }
        let sample = Arguments { name: format!("{LABEL}0123456789abcdef"), ..Arguments::default() };
        for pattern in &self.patterns {
            compiled(at, &sample.pattern(pattern))?;
        }
        let says: Vec<String> = self.says.iter().map(|line| sample.fill(line)).collect();
        match says.iter().find(|line| !self.fits(&sample, line)) {
            Some(line) => Err(format!("{at}.says: {line:?} fits no match")),
            None => Ok(()),
        }
    }

    /// Whether a line fits.
    pub fn fits(&self, arguments: &Arguments, line: &str) -> bool {
        self.found(arguments, line).is_some()
    }

    /// The group `name` of a line that fits; empty where the pattern has none.
    pub fn found(&self, arguments: &Arguments, line: &str) -> Option<String> {
        let line = line.trim_end();
        self.patterns.iter().find_map(|pattern| {
            let found = Regex::new(&arguments.pattern(pattern)).ok()?.captures(line)?;
            Some(found.name("name").map(|name| name.as_str().to_owned()).unwrap_or_default())
        })
    }
}

/// The arguments of a line.
fn arguments(line: &str) -> Vec<&str> {
    let inner = |part: &'_ str| -> Option<usize> { part.find('}') };
    line.split('{').skip(1).filter_map(|part| inner(part).map(|end| &part[..end])).collect()
}

fn compiled(at: &str, pattern: &str) -> Result<(), String> {
    let sample = Arguments { name: LABEL.into(), ..Arguments::default() };
    match Regex::new(&sample.pattern(pattern)) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            Err(format!(
                "{at}: {pattern:?} is no regular expression: {}",
                text.lines().last().unwrap_or_default().trim()
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMED: &str = r#"
        model = "candidate"
        dirty = { show = "show | compare", in = "config", match = ['^$'] }
        pending = { show = "show system commit", match = ['{name}'], says = ["1 by andante {name}"] }
        commit = { lines = ["commit"], success = ['^commit complete$'], failure = ['^error:'], says = ["commit complete"], refuses = ["error: no"] }
        timed = { lines = ["commit confirmed {minutes} comment {name}"], success = ['^commit complete$'], min = 60, max = 3600 }
        confirm = { lines = ["commit"], success = ['^commit complete$'] }
        cancel = { lines = ["rollback 1", "commit"], success = ['^commit complete$'] }
        discard = { lines = ["rollback 0"], success = ['^load complete$'] }
    "#;

    fn written(text: &str) -> CommitOptions {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_whole_section_compiles() {
        let commit = written(TIMED).compile().unwrap();
        assert!(commit.is_timed());
        assert_eq!(commit.lines().filter(|(step, _)| *step == "cancel").count(), 2);
    }

    #[test]
    fn each_mistake_is_named() {
        for (from, to, says) in [
            ("success = ['^commit complete$'], failure", "failure", "commit.commit: needs success or prove"),
            ("{minutes}", "5", "commit.timed.lines: one of"),
            ("{minutes}", "{hours}", "{hours} is no argument"),
            ("\"rollback 0\"", "\"rollback {minutes}\"", "{minutes} is no argument here"),
            ("says = [\"commit complete\"]", "says = [\"done\"]", "commit.commit.says: fits no success"),
            ("says = [\"commit complete\"]", "says = [\"error: x\"]", "commit.commit.says: fits failure"),
            ("refuses = [\"error: no\"]", "refuses = [\"no\"]", "commit.commit.refuses: fits no failure"),
            ("['^error:']", "['(']", "no regular expression"),
            ("min = 60, max = 3600", "min = 60, max = 5", "min ≤ max"),
            ("dirty =", "others =", "commit.dirty: is needed"),
            ("confirm =", "check =", "commit.confirm: is needed"),
            ("\"candidate\"", "\"replace\"", "has no candidate"),
            ("\"candidate\"", "\"session\"", "commit.enter: is needed"),
        ] {
            assert!(TIMED.contains(from), "{from}");
            let error = written(&TIMED.replace(from, to)).compile().unwrap_err();
            assert!(error.contains(says), "{from} -> {to}: {error}");
        }
        assert!(toml::from_str::<CommitOptions>(&TIMED.replace("dirty", "dirt")).is_err());
    }

    #[test]
    fn arguments_are_typed() {
        let arguments = Arguments { name: "andante-1.x".into(), window: Duration::from_millis(61_500) };
        assert_eq!(arguments.fill("c {seconds} {minutes} {time} {name}"), "c 62 2 00:01:02 andante-1.x");
        assert_eq!(arguments.pattern("^{name}$"), r"^andante\-1\.x$");
        let label = label("andante.t.1.0123");
        assert!(label.starts_with(LABEL) && label.len() == 24 && !label.contains("0123"), "{label}");
    }

    #[test]
    fn silence_is_not_success() {
        let step = written(TIMED).commit.unwrap();
        let judged = |answer: &[&str]| {
            step.judge(&Arguments::default(), &answer.iter().map(|line| (*line).into()).collect::<Vec<_>>())
        };
        assert_eq!(judged(&[]), Judgement::Unproved);
        assert_eq!(judged(&["warning: x", "commit complete "]), Judgement::Obeyed);
        assert_eq!(judged(&["commit complete", "error: but"]), Judgement::Refused);
        assert_eq!(Step { success: vec![], ..step.clone() }.judge(&Arguments::default(), &[]), Judgement::Silent);
    }
}
