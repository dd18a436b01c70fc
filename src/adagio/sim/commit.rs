//! What a simulated command line keeps for commits, from the `[commit]` of its adapter. Pure; timers come from outside.
//!
//! ```text
//!  typed line ──▶ Script (which step, which arguments) ──▶ Commits (candidates, names, pending, history) ──▶ words
//! ```
//!
//! The words are those that the adapter's file says a platform was heard to say (`says`, `refuses`). *Guarantees*: a
//! candidate that nobody holds is seen and committed by everyone (F1, F2); with `refuses` declared for `enter` one session
//! at a time configures, and its edits go with it; named sessions stay when their terminal goes and count against a
//! limit; a timed commit that nobody confirms takes everything back that came since, other people's changes too; a second
//! timed commit, a late confirm and a late cancel are refused.

use crate::adapter::commit::{Arguments, Commit, Model, Place, Show, Step};
use crate::tree::{ConfigTree, apply, diff};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A step of the adapter's `[commit]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Enter,
    Lock,
    Unlock,
    Leave,
    Check,
    Commit,
    Timed,
    Extend,
    Confirm,
    Cancel,
    Discard,
    Abort,
}

/// What a line asks to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Others,
    Candidate,
    Running,
    Pending,
    Named,
    History,
    Why,
}

/// A typed line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// The last line of these steps, with what stood for its arguments; more than one where lines are the same.
    Steps(Vec<Verb>, Arguments),
    /// A line of a step, not its last.
    Part,
    /// A command that shows something.
    Looks(Vec<Look>),
}

/// The lines of the adapter's steps.
pub(super) struct Script {
    pub commit: Commit,
    lines: Vec<Line>,
    looks: Vec<(Look, bool, Regex)>,
    exec: Option<Regex>,
}

struct Line {
    verb: Verb,
    at: usize,
    of: usize,
    exec: bool,
    pattern: Regex,
}

/// How far a session has come in steps of several lines.
#[derive(Debug, Default)]
pub(super) struct Progress(Vec<(Verb, usize)>);

impl Script {
    pub fn new(commit: &Commit) -> Self {
        let source = commit.source().clone();
        let mut script = Self { commit: commit.clone(), lines: Vec::new(), looks: Vec::new(), exec: None };
        script.exec = source.exec.as_ref().and_then(|exec| template(exec));
        let timed = source.timed.as_ref().map(|timed| &timed.step);
        let steps = [
            (Verb::Enter, source.enter.as_ref()),
            (Verb::Lock, source.lock.as_ref()),
            (Verb::Unlock, source.unlock.as_ref()),
            (Verb::Leave, source.leave.as_ref()),
            (Verb::Check, source.check.as_ref()),
            (Verb::Commit, source.commit.as_ref()),
            (Verb::Timed, timed),
            (Verb::Extend, source.extend.as_ref()),
            (Verb::Confirm, source.confirm.as_ref()),
            (Verb::Cancel, source.cancel.as_ref()),
            (Verb::Discard, source.discard.as_ref()),
            (Verb::Abort, source.abandoned.as_ref().map(|known| &known.abort)),
        ];
        for (verb, step) in steps {
            let Some(step) = step else { continue };
            // What enters configuration mode is typed outside of it.
            let outside = verb == Verb::Enter || (verb == Verb::Timed && source.model == Model::Replace);
            let exec = outside || step.place == Place::Exec;
            for (at, line) in step.lines.iter().enumerate() {
                if let Some(pattern) = template(line) {
                    script.lines.push(Line { verb, at, of: step.lines.len(), exec, pattern });
                }
            }
            if let Some(prove) = &step.prove {
                script.look(Look::History, prove);
            }
            if let Some(why) = &step.explain {
                script.looks.extend(template(why).map(|pattern| (Look::Why, false, pattern)));
            }
        }
        for (look, show) in
            [(Look::Others, &source.others), (Look::Candidate, &source.dirty), (Look::Pending, &source.pending)]
        {
            if let Some(show) = show {
                script.look(look, show);
            }
        }
        if let Some((dirty, other)) = source.dirty.as_ref().and_then(|dirty| Some((dirty, dirty.same_as.as_ref()?))) {
            script.look(Look::Running, &Show { show: other.clone(), ..dirty.clone() });
        }
        if let Some(known) = &source.abandoned {
            script.look(Look::Named, &known.list);
        }
        script
    }

    fn look(&mut self, look: Look, show: &Show) {
        let known = |(have, _, pattern): &(Look, bool, Regex)| *have == look && pattern.is_match(&show.show);
        if !self.looks.iter().any(known) {
            self.looks.extend(template(&show.show).map(|pattern| (look, show.place == Place::Exec, pattern)));
        }
    }

    /// The command of the login mode in a line of configuration mode, if it is typed as one.
    pub fn exec_in<'l>(&self, line: &'l str) -> Option<&'l str> {
        let found = self.exec.as_ref()?.captures(line)?;
        found.name("command").map(|command| command.as_str().trim())
    }

    /// What a line means; `None`: no line of `[commit]`.
    pub fn meant(&self, typed: &str, configures: bool, progress: &mut Progress) -> Option<Meant> {
        let command = self.exec_in(typed).filter(|_| configures);
        let line = command.unwrap_or(typed);
        let exec = !configures || command.is_some();
        // Without a word for it a command of the login mode is typed as it is.
        let here = |needs: bool| needs == exec || (configures && self.exec.is_none());
        let (mut verbs, mut part, mut arguments) = (Vec::new(), false, Arguments::default());
        let mut next = Vec::new();
        for known in self.lines.iter().filter(|known| here(known.exec)) {
            let Some(found) = known.pattern.captures(line) else { continue };
            let follows = known.at > 0 && progress.0.contains(&(known.verb, known.at));
            if known.at > 0 && !follows {
                continue;
            }
            if known.at + 1 < known.of {
                part = true;
                next.push((known.verb, known.at + 1));
                continue;
            }
            arguments = read(&found);
            match follows {
                true => verbs = vec![known.verb], // the end of a longer step is no shorter one
                false if verbs.is_empty() || !progress.0.iter().any(|(verb, _)| verbs.contains(verb)) => {
                    verbs.push(known.verb);
                }
                false => {}
            }
        }
        progress.0 = next;
        if !verbs.is_empty() {
            return Some(Meant::Steps(verbs, arguments));
        }
        if part {
            return Some(Meant::Part);
        }
        let looks = self.looks.iter().filter(|(_, needs, pattern)| here(*needs) && pattern.is_match(line));
        let looks: Vec<Look> = looks.map(|(look, ..)| *look).collect();
        (!looks.is_empty()).then_some(Meant::Looks(looks))
    }

    pub fn step(&self, verb: Verb) -> Option<&Step> {
        let source = self.commit.source();
        match verb {
            Verb::Enter => source.enter.as_ref(),
            Verb::Lock => source.lock.as_ref(),
            Verb::Unlock => source.unlock.as_ref(),
            Verb::Leave => source.leave.as_ref(),
            Verb::Check => source.check.as_ref(),
            Verb::Commit => source.commit.as_ref(),
            Verb::Timed => source.timed.as_ref().map(|timed| &timed.step),
            Verb::Extend => source.extend.as_ref(),
            Verb::Confirm => source.confirm.as_ref(),
            Verb::Cancel => source.cancel.as_ref(),
            Verb::Discard => source.discard.as_ref(),
            Verb::Abort => source.abandoned.as_ref().map(|known| &known.abort),
        }
    }

    fn model(&self) -> Model {
        self.commit.source().model
    }

    /// Whether one session at a time configures.
    fn is_exclusive(&self) -> bool {
        let refuses = |verb| self.step(verb).is_some_and(|step: &Step| !step.refuses.is_empty());
        self.model() != Model::Session && (refuses(Verb::Enter) || refuses(Verb::Lock))
    }
}

/// Where one session stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk {
    /// The edits of this terminal alone (`two-stage`), and what they were made on.
    own: Option<(ConfigTree, ConfigTree)>,
    /// The named session that it has open.
    name: Option<String>,
}

/// What the sessions of one element share.
#[derive(Debug, Default)]
pub(in crate::adagio::sim) struct Commits {
    shared: Option<(ConfigTree, ConfigTree)>,
    holder: Option<u32>,
    configuring: BTreeSet<u32>,
    named: BTreeMap<String, (ConfigTree, ConfigTree)>,
    pending: Option<Pending>,
    history: Vec<String>,
    tickets: u64,
}

#[derive(Debug)]
struct Pending {
    name: String,
    before: ConfigTree,
    ticket: u64,
}

/// What came of a step.
pub(super) struct Effect {
    pub says: Vec<String>,
    /// The new running configuration.
    pub running: Option<ConfigTree>,
    /// The session enters (`Some(true)`) or leaves configuration mode.
    pub configures: Option<bool>,
    /// A timer begins: the ticket, and after which time.
    pub timer: Option<(u64, Duration)>,
}

impl Commits {
    /// What the session edits.
    pub fn edits<'a>(&'a self, desk: &'a Desk, script: &Script, running: &'a ConfigTree) -> &'a ConfigTree {
        let found = match script.model() {
            Model::Candidate => self.shared.as_ref(),
            Model::TwoStage => desk.own.as_ref(),
            Model::Session => desk.name.as_ref().and_then(|name| self.named.get(name)),
            Model::Replace => None,
        };
        found.map_or(running, |(edited, _)| edited)
    }

    /// Takes an edit; false when it goes to the running configuration.
    pub fn edit(&mut self, desk: &mut Desk, script: &Script, tree: ConfigTree, running: &ConfigTree) -> bool {
        let place = match script.model() {
            Model::Candidate => self.shared.get_or_insert_with(|| (running.clone(), running.clone())),
            Model::TwoStage => desk.own.get_or_insert_with(|| (running.clone(), running.clone())),
            Model::Session => match desk.name.as_ref().and_then(|name| self.named.get_mut(name)) {
                Some(place) => place,
                None => return false,
            },
            Model::Replace => return false,
        };
        place.0 = tree;
        true
    }

    pub fn session_ended(&mut self, session: u32) {
        self.configuring.remove(&session);
        if self.holder == Some(session) {
            (self.holder, self.shared) = (None, None);
        }
    }

    /// The timer of this ticket has run out; what runs then.
    pub fn expired(&mut self, ticket: u64) -> Option<ConfigTree> {
        self.pending.take_if(|pending| pending.ticket == ticket).map(|pending| pending.before)
    }

    /// The timer that runs, whatever its ticket.
    pub fn run_out(&mut self) -> Option<ConfigTree> {
        self.pending.take().map(|pending| pending.before)
    }

    /// Names of the sessions that are there, of a pending commit, and whether somebody's edits wait: for tests.
    pub fn left_over(&self) -> Vec<String> {
        let named = self.named.keys().cloned();
        let pending = self.pending.iter().map(|pending| format!("pending {}", pending.name));
        let shared = self.shared.iter().filter(|(edited, base)| edited != base).map(|_| "candidate".to_owned());
        let configuring = self.configuring.iter().map(|id| format!("session {id} configures"));
        named.chain(pending).chain(shared).chain(configuring).collect()
    }

    /// What a command shows.
    pub fn look(
        &self,
        looks: &[Look],
        session: u32,
        script: &Script,
        desk: &Desk,
        running: &str,
        edits: &str,
    ) -> String {
        let source = script.commit.source();
        let heard = |show: Option<&Show>, name: &str| {
            let arguments = Arguments { name: name.into(), ..Arguments::default() };
            let says = show.map(|show| show.says.as_slice()).unwrap_or_default();
            says.iter().map(|line| format!("{}\n", arguments.fill(line))).collect::<String>()
        };
        let mut text = String::new();
        for look in looks {
            match look {
                Look::Others => {
                    for other in self.configuring.iter().filter(|id| **id != session) {
                        text += &heard(source.others.as_ref(), &format!("session-{other}"));
                    }
                }
                Look::Running => text += running,
                Look::Candidate if source.dirty.as_ref().is_some_and(|dirty| dirty.same_as.is_some()) => text += edits,
                Look::Candidate => {
                    let dirty = match script.model() {
                        Model::TwoStage => desk.own.as_ref(),
                        _ => self.shared.as_ref(),
                    };
                    if dirty.is_some_and(|(edited, base)| edited != base) {
                        let lines = edits.lines().filter(|line| !running.lines().any(|have| have == *line));
                        text += &lines.map(|line| format!("+ {line}\n")).collect::<String>();
                    } else {
                        text += &heard(source.dirty.as_ref(), "");
                    }
                }
                Look::Pending => {
                    if let Some(pending) = &self.pending {
                        text += &heard(source.pending.as_ref(), &pending.name);
                    }
                }
                Look::Named => {
                    for name in self.named.keys() {
                        text += &heard(source.abandoned.as_ref().map(|known| &known.list), name);
                    }
                }
                Look::History => {
                    for (at, name) in self.history.iter().enumerate().rev() {
                        text += &format!("{at} {name}\n");
                    }
                }
                Look::Why => text += "% the configuration would not be consistent\n",
            }
        }
        text
    }

    /// Carries out the last line of a step.
    pub fn act(
        &mut self,
        verbs: &[Verb],
        arguments: &Arguments,
        session: u32,
        script: &Script,
        desk: &mut Desk,
        running: &ConfigTree,
    ) -> Effect {
        let waits = self.pending.is_some();
        let fresh = self.waiting_edits(script, desk);
        // Lines that mean several steps: which one depends on what is pending, as on the platforms.
        let has = |verb| verbs.contains(&verb);
        let verb = match verbs {
            [one] => *one,
            _ if has(Verb::Abort) && self.named.contains_key(&arguments.name) => Verb::Abort,
            _ if has(Verb::Extend) && waits => Verb::Extend,
            _ if has(Verb::Timed) => Verb::Timed,
            _ if has(Verb::Confirm) && waits && !fresh => Verb::Confirm,
            _ if has(Verb::Commit) => Verb::Commit,
            _ => verbs.first().copied().unwrap_or(Verb::Leave),
        };
        let mut effect = Effect { says: Vec::new(), running: None, configures: None, timer: None };
        let heard = |refused: bool| {
            let step = script.step(verb);
            let lines = step.map(|step| if refused { &step.refuses } else { &step.says });
            let words: Vec<String> = lines.into_iter().flatten().map(|line| arguments.fill(line)).collect();
            if refused && words.is_empty() { vec!["% refused".to_owned()] } else { words }
        };
        let done = match verb {
            Verb::Enter => self.enter(arguments, session, script, desk, running, &mut effect),
            Verb::Lock | Verb::Unlock | Verb::Check => true,
            Verb::Leave => {
                self.leave(session, desk);
                effect.configures = Some(false);
                true
            }
            // One more commit confirms what is pending, and takes along what others put there (F2).
            Verb::Commit => {
                self.commit(arguments, script, desk, running, &mut effect) && {
                    self.pending = None;
                    true
                }
            }
            Verb::Timed if waits => false,
            Verb::Timed => {
                let before = running.clone();
                let replace = script.model() == Model::Replace;
                let done = match replace {
                    true => self.enter(arguments, session, script, desk, running, &mut effect),
                    false => self.commit(arguments, script, desk, running, &mut effect),
                };
                if done {
                    self.tickets += 1;
                    let name = if arguments.name.is_empty() { self.name_of(desk) } else { arguments.name.clone() };
                    self.pending = Some(Pending { name, before, ticket: self.tickets });
                    effect.timer = Some((self.tickets, arguments.window));
                }
                done
            }
            Verb::Extend => match &mut self.pending {
                Some(pending) => {
                    self.tickets += 1;
                    pending.ticket = self.tickets;
                    effect.timer = Some((self.tickets, arguments.window));
                    true
                }
                None => false,
            },
            Verb::Confirm => self.pending.take().is_some(),
            Verb::Cancel => match self.pending.take() {
                Some(pending) => {
                    effect.running = Some(pending.before);
                    (self.shared, desk.own) = (None, None);
                    true
                }
                None => false,
            },
            Verb::Discard => {
                (self.shared, desk.own) = (None, None);
                if let Some(name) = desk.name.take() {
                    self.named.remove(&name);
                    self.configuring.remove(&session);
                    effect.configures = Some(false);
                }
                true
            }
            Verb::Abort => self.named.remove(&arguments.name).is_some(),
        };
        effect.says = heard(!done);
        effect
    }

    fn name_of(&self, desk: &Desk) -> String {
        desk.name.clone().or_else(|| self.history.last().cloned()).unwrap_or_else(|| "somebody".into())
    }

    fn waiting_edits(&self, script: &Script, desk: &Desk) -> bool {
        let place = match script.model() {
            Model::Candidate => self.shared.as_ref(),
            Model::TwoStage => desk.own.as_ref(),
            Model::Session => desk.name.as_ref().and_then(|name| self.named.get(name)),
            Model::Replace => None,
        };
        place.is_some_and(|(edited, base)| edited != base)
    }

    fn enter(
        &mut self,
        arguments: &Arguments,
        session: u32,
        script: &Script,
        desk: &mut Desk,
        running: &ConfigTree,
        effect: &mut Effect,
    ) -> bool {
        if script.is_exclusive() && self.holder.is_some_and(|holder| holder != session) {
            return false;
        }
        if script.model() == Model::Session {
            let name = arguments.name.clone();
            if !self.named.contains_key(&name) && self.named.len() >= MAX_NAMED {
                return false;
            }
            self.named.entry(name.clone()).or_insert_with(|| (running.clone(), running.clone()));
            desk.name = Some(name);
        }
        if script.is_exclusive() {
            self.holder = Some(session);
        }
        self.configuring.insert(session);
        effect.configures = Some(true);
        true
    }

    /// Leaving configuration mode, by whatever word.
    pub fn leave(&mut self, session: u32, desk: &mut Desk) {
        self.configuring.remove(&session);
        if self.holder == Some(session) {
            (self.holder, self.shared) = (None, None);
        }
        *desk = Desk::default();
    }

    fn commit(
        &mut self,
        arguments: &Arguments,
        script: &Script,
        desk: &mut Desk,
        running: &ConfigTree,
        effect: &mut Effect,
    ) -> bool {
        let edits = match script.model() {
            Model::Candidate => self.shared.take(),
            Model::TwoStage => desk.own.take(),
            Model::Session => desk.name.as_ref().and_then(|name| self.named.get(name).cloned()),
            Model::Replace => None,
        };
        if let Some((edited, base)) = edits {
            // What others changed meanwhile stays, unless both changed the same.
            let Ok(after) = apply(&diff(&base, &edited), running) else { return false };
            effect.running = Some(after);
        }
        self.history.push(match arguments.name.is_empty() {
            true => desk.name.clone().unwrap_or_else(|| format!("commit-{}", self.history.len())),
            false => arguments.name.clone(),
        });
        if let Some(name) = &desk.name {
            // A named session ends with its commit.
            self.named.remove(name);
            effect.configures = Some(false);
        }
        true
    }
}

/// A line with arguments as a pattern over a typed line.
fn template(line: &str) -> Option<Regex> {
    let mut pattern = regex::escape(line.trim());
    for (argument, fits) in [
        ("name", r"(?P<name>\S+)"),
        ("seconds", r"(?P<seconds>\d+)"),
        ("minutes", r"(?P<minutes>\d+)"),
        ("time", r"(?P<time>\d+:\d+:\d+)"),
        ("command", r"(?P<command>.+)"),
    ] {
        pattern = pattern.replace(&regex::escape(&format!("{{{argument}}}")), fits);
    }
    Regex::new(&format!("^{pattern}$")).ok()
}

fn read(found: &regex::Captures<'_>) -> Arguments {
    let word = |name: &str| found.name(name).map(|word| word.as_str().to_owned());
    let number = |name: &str| word(name).and_then(|word| word.parse::<u64>().ok());
    let time =
        word("time").map(|time| time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap_or(0)));
    let seconds = number("seconds").or_else(|| number("minutes").map(|minutes| minutes * 60)).or(time).unwrap_or(0);
    Arguments { name: word("name").unwrap_or_default(), window: Duration::from_secs(seconds) }
}

/// Named sessions that an element holds.
const MAX_NAMED: usize = 5;
