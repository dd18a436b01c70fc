//! The command line of a simulated element: a shell on a terminal that echoes.
//!
//! Exec mode knows what the adapter's `[cli]` table names: pager off, configure, the running configuration, the living
//! processes, save, and leaving. In configuration mode every line goes to the grammar's model of the element, so it
//! refuses what the element refuses and with the element's words; a refused line changes nothing, the lines before it
//! stay. Sessions see each other's changes at once. With a `[commit]` in the adapter the lines go to a candidate, and the
//! lines of its steps do what they do there (`commit.rs`).

use super::commit::{Desk, Meant, Progress, Script, Verb};
use super::machine::{CommandLine, Language, Machine, State, lock};
use crate::adagio::cli::prompt::Prompts;
use crate::adapter::Grammar;
use crate::adapter::commit::{Arguments, Model};
use crate::adapter::grammar::Session;
use crate::tree::ConfigTree;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// Serves one terminal until the client leaves.
pub(super) async fn serve(
    machine: Arc<Machine>,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    hangup: CancellationToken,
) {
    let id = machine.open_session(&hangup, "");
    tokio::select! {
        () = hangup.cancelled() => {}
        ended = talk(&machine, &mut stream, id) => {
            if let Err(error) = ended {
                tracing::debug!(element = machine.name, session = id, %error, "simulated terminal ended");
            }
        }
    }
    machine.close_session(id);
    let _ = stream.shutdown().await; // the client may be gone already
}

/// Answers one command of exec mode without a terminal, as `ssh HOST COMMAND` does.
pub(super) fn once(machine: &Arc<Machine>, command: &str) -> String {
    let Some(mut shell) = Shell::new(machine, 0) else { return String::new() };
    shell.exec(command).0.concat()
}

async fn talk(
    machine: &Arc<Machine>,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    id: u32,
) -> std::io::Result<()> {
    let Some(mut shell) = Shell::new(machine, id) else { return Ok(()) };
    let record = machine.record();
    let mut line = Vec::new();
    let mut block = [0; 4096];
    let mut after_return = false;
    let greeting = format!("\r\nHello, this is {}, a simulated element.\r\n\r\n{}", machine.name, shell.prompt());
    stream.write_all(greeting.as_bytes()).await?;
    loop {
        let n = stream.read(&mut block).await?;
        if n == 0 {
            return Ok(());
        }
        lock(&record).extend_from_slice(&block[..n]);
        let mut out = Vec::new();
        for byte in &block[..n] {
            let newline = *byte == b'\n' && after_return;
            after_return = *byte == b'\r';
            match byte {
                _ if newline => {} // the second half of a line end
                b'\r' | b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    let typed = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
                    stream.write_all(&std::mem::take(&mut out)).await?;
                    match shell.line(&typed).await {
                        Step::Answer(text) => {
                            out.extend_from_slice(text.replace('\n', "\r\n").as_bytes());
                            out.extend_from_slice(shell.prompt().as_bytes());
                        }
                        Step::Silence => {}
                        Step::Leave => return Ok(()),
                    }
                }
                3 => {
                    line.clear();
                    out.extend_from_slice(format!("^C\r\n{}", shell.prompt()).as_bytes());
                }
                4 if line.is_empty() => return Ok(()),
                8 | 127 if line.pop().is_some() => out.extend_from_slice(b"\x08 \x08"),
                byte if *byte >= b' ' && *byte != 127 && line.len() < MAX_LINE => {
                    line.push(*byte);
                    out.push(*byte);
                }
                _ => {}
            }
        }
        stream.write_all(&out).await?;
        stream.flush().await?;
    }
}

/// What one line leads to.
enum Step {
    Answer(String),
    /// Never an answer again, not even a prompt.
    Silence,
    Leave,
}

struct Shell<'a> {
    machine: &'a Arc<Machine>,
    cli: &'a CommandLine,
    /// Number of the session.
    id: u32,
    /// In configuration mode.
    config: Option<Place>,
    /// What of a commit is this session's own.
    desk: Desk,
    progress: Progress,
}

/// Where a session stands in configuration mode.
struct Place {
    session: Session,
    /// The lines that lead from the top to where it stands.
    way: Vec<String>,
}

impl<'a> Shell<'a> {
    fn new(machine: &'a Arc<Machine>, id: u32) -> Option<Self> {
        match &machine.language {
            Language::Cli(cli) => {
                Some(Self { machine, cli, id, config: None, desk: Desk::default(), progress: Progress::default() })
            }
            Language::Netconf { .. } => None,
        }
    }

    fn prompt(&self) -> String {
        let mode = self.config.as_ref().map(|place| self.cli.grammar.mode(&place.session));
        prompt(&self.machine.name, mode, &self.cli.prompts)
    }

    async fn line(&mut self, typed: &str) -> Step {
        let typed = typed.trim();
        if typed.is_empty() {
            return Step::Answer(String::new());
        }
        let is_config =
            self.config.is_some() && !self.cli.dialect.source().leave_config.iter().any(|line| line == typed);
        let reaction = self.machine.react(typed, is_config);
        if let Some(time) = reaction.delay {
            tokio::time::sleep(time).await;
        }
        if reaction.close == Some(false) {
            return Step::Leave;
        }
        let (text, leave) = match reaction.refuse {
            Some(answer) => (vec![format!("{answer}\n")], false),
            None => match self.committing(typed) {
                Some(said) => (vec![said], false),
                None if self.config.is_some() => self.configure(typed),
                None => self.exec(typed),
            },
        };
        let text = match reaction.says {
            Some(words) => vec![format!("{words}\n")],
            None => text,
        };
        match (leave || reaction.close == Some(true), reaction.lose) {
            (true, _) => Step::Leave,
            (false, true) => Step::Silence,
            (false, false) => Step::Answer(text.concat()),
        }
    }

    /// A line of exec mode; true when the session ends with it.
    fn exec(&mut self, line: &str) -> (Vec<String>, bool) {
        let source = self.cli.dialect.source();
        let one_of = |lines: &[String]| lines.iter().any(|known| known == line);
        let mut said = Vec::new();
        if one_of(&source.enter_config) {
            match &self.cli.commit {
                // Beside named sessions there is the mode in which a line acts at once.
                Some(script) if script.commit.source().model != Model::Session => {
                    said.push(self.act(script, &[Verb::Enter], &Arguments::default()));
                }
                _ => {
                    let tree = self.machine.state().stores.running().clone();
                    self.config = Some(Place { session: self.cli.grammar.session(tree), way: Vec::new() });
                }
            }
        } else if source.read.command == line {
            said.push(self.machine.shown_running());
        } else if let Some(alive) = source.read.alive.as_ref().filter(|alive| alive.command == line) {
            let dead = self.machine.dead();
            let living: Vec<&str> =
                alive.must_contain.iter().map(String::as_str).filter(|name| !dead.iter().any(|d| d == name)).collect();
            said.push(format!(" {}\n", living.join(" ")));
        } else if one_of(&source.save) {
            said.push(SAVED.to_owned());
        } else if matches!(line, "exit" | "quit" | "logout") {
            return (said, true);
        } else if let Some(text) = self.machine.state_shown(line) {
            said.push(text);
        } else if line != "end" && !one_of(&source.pager_off) && !line.starts_with("terminal length ") {
            said.push(format!("% Unknown command: {line}\n"));
        }
        (said, false)
    }

    /// A line of configuration mode.
    fn configure(&mut self, line: &str) -> (Vec<String>, bool) {
        let top = |place: &Place| self.cli.grammar.mode(&place.session) == ROOT;
        if self.cli.dialect.source().leave_config.iter().any(|known| known == line)
            || (matches!(line, "exit" | "quit") && self.config.as_ref().is_some_and(top))
        {
            self.config = None;
            self.machine.state().commits.leave(self.id, &mut self.desk);
            return (Vec::new(), false);
        }
        let inner = match &self.cli.commit {
            Some(script) => script.exec_in(line),
            None => line.strip_prefix("do "),
        };
        if let Some(command) = inner {
            let place = self.config.take();
            let (said, _) = self.exec(command.trim());
            self.config = place;
            return (said, false);
        }
        let Some(place) = &mut self.config else { return (Vec::new(), false) };
        let mut state = self.machine.state();
        let State { stores, commits, .. } = &mut *state;
        let edits = match &self.cli.commit {
            Some(script) => commits.edits(&self.desk, script, stores.running()),
            None => stores.running(),
        };
        if edits != place.session.tree() {
            // Somebody else changed the element meanwhile.
            place.session = walked(&self.cli.grammar, edits.clone(), &place.way);
        }
        let before = depth(&self.cli.grammar, &place.session);
        if let Err(answer) = self.cli.grammar.type_line(&mut place.session, line) {
            return (vec![format!("{}\n", answer.trim_end())], false);
        }
        place.remember(&self.cli.grammar, line, before);
        let tree = place.session.tree().clone();
        let script = self.cli.commit.as_ref();
        let waits = script.is_some_and(|script| commits.edit(&mut self.desk, script, tree.clone(), stores.running()));
        if !waits {
            stores.set_running(tree);
        }
        (Vec::new(), false)
    }

    /// A line of the adapter's `[commit]`; `None`: it is none.
    fn committing(&mut self, line: &str) -> Option<String> {
        let script = self.cli.commit.as_ref()?;
        match script.meant(line, self.config.is_some(), &mut self.progress)? {
            Meant::Part => Some(String::new()),
            Meant::Looks(looks) => {
                let running = self.machine.shown_running();
                let edits = {
                    let state = self.machine.state();
                    state.commits.edits(&self.desk, script, state.stores.running()).clone()
                };
                let edits = self.machine.shown(&edits);
                let state = self.machine.state();
                Some(state.commits.look(&looks, self.id, script, &self.desk, &running, &edits))
            }
            Meant::Steps(verbs, arguments) => Some(self.act(script, &verbs, &arguments)),
        }
    }

    fn act(&mut self, script: &Script, verbs: &[Verb], arguments: &Arguments) -> String {
        let mut state = self.machine.state();
        let State { stores, commits, .. } = &mut *state;
        let effect = commits.act(verbs, arguments, self.id, script, &mut self.desk, stores.running());
        if let Some(running) = effect.running {
            stores.set_running(running);
        }
        match effect.configures {
            Some(true) => {
                let edits = commits.edits(&self.desk, script, stores.running()).clone();
                self.config = Some(Place { session: self.cli.grammar.session(edits), way: Vec::new() });
            }
            Some(false) => {
                self.config = None;
                commits.leave(self.id, &mut self.desk);
            }
            None => {}
        }
        drop(state);
        if let Some((ticket, after)) = effect.timer {
            let machine = self.machine.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = machine.stop.cancelled() => {}
                    () = tokio::time::sleep(after) => machine.expired(ticket),
                }
            });
        }
        effect.says.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Place {
    /// Keeps the way up to date after a line was taken.
    fn remember(&mut self, grammar: &Grammar, line: &str, before: usize) {
        let now = depth(grammar, &self.session);
        // A line opened the context that we stand in if it does so from the context above.
        let above = now.checked_sub(1).map(|above| {
            let mut trial =
                walked(grammar, ConfigTree::default(), self.way.get(..above.min(before)).unwrap_or(&self.way));
            let taken = grammar.type_line(&mut trial, line).is_ok();
            taken && depth(grammar, &trial) == now
        });
        self.way.truncate(if above == Some(true) { now - 1 } else { now });
        if above == Some(true) {
            self.way.push(line.to_owned());
        }
    }
}

/// A session on this tree at the end of this way.
fn walked(grammar: &Grammar, tree: ConfigTree, way: &[String]) -> Session {
    let mut session = grammar.session(tree);
    for line in way {
        if grammar.type_line(&mut session, line).is_err() {
            break;
        }
    }
    session
}

/// How deep a session stands; 0 is the top of configuration mode.
fn depth(grammar: &Grammar, session: &Session) -> usize {
    let mut session = session.clone();
    let mut depth = 0;
    while grammar.mode(&session) != ROOT && depth < MAX_DEPTH {
        if grammar.type_line(&mut session, "exit").is_err() {
            break;
        }
        depth += 1;
    }
    depth
}

/// The prompt of a mode (a context of the grammar; `None` is exec): with the mode's name in the dialect where it has
/// one, else as `config-CONTEXT`, which is a prompt of any CLI of this family.
pub(super) fn prompt(host: &str, context: Option<&str>, prompts: &Prompts) -> String {
    let Some(context) = context else { return format!("{host}# ") };
    if context == ROOT {
        return format!("{host}(config)# ");
    }
    let word = FAMILY.iter().find(|(known, _)| *known == context).map_or(context, |(_, word)| word);
    let wanted = format!("{host}(config-{word})# ");
    if prompts.mode(&wanted).is_some() { wanted } else { format!("{host}(config-{context})# ") }
}

/// Contexts whose prompt has another word than their name, in CLIs of this family.
const FAMILY: &[(&str, &str)] = &[
    ("interface", "if"),
    ("bgp", "router"),
    ("bgp-vrf", "router"),
    ("ipv4-unicast", "router-af"),
    ("ipv6-unicast", "router-af"),
    ("ipv4-vpn", "router-af"),
    ("ipv6-vpn", "router-af"),
    ("l2vpn-evpn", "router-af"),
    ("vni", "router-af-vni"),
];

/// What saving answers, as vtysh says it.
const SAVED: &str = "Note: this version of vtysh never writes vtysh.conf\nBuilding Configuration...\n\
                     Configuration saved to /etc/frr/frr.conf\n[OK]\n";
/// The grammar's name for the top of configuration mode.
const ROOT: &str = "root";
const MAX_LINE: usize = 4096;
const MAX_DEPTH: usize = 64;
