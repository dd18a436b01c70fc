//! The kill -9 matrix: every named point of a transaction × the classes of real elements × the ways a transaction goes.
//!
//! The daemon dies at the point (without a word, as by SIGKILL), the next one starts over the same store; then every
//! element is asked by a session of the test's own: all as before, or all as after, and the operator's view says the same.
//! In some rows an element is out of reach when the next daemon starts: then the view has to say `unresolved` with its
//! name, never `applied`, until the element is back, and within 30 s of that all must be well.
//!
//! `make test` takes each point once, rotated over the classes; `ANDANTE_MATRIX=all` takes everything (the table in
//! `docs/crash-matrix.md`), `ANDANTE_MATRIX=A+D` all that is done with these elements. The two classes A and D in one transaction, at every point, are in `phases.rs`.

use crate::crowd::{Crowd, Kind};
use crate::daemon::{ACME, Daemon};
use crate::support::{Cut, wait_until};
use serde_json::Value;
use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

/// The way a transaction goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To its end.
    Forward,
    /// The second element refuses the edit: everybody withdraws.
    RefusedEdit,
    /// The last element refuses a line in the middle of its payload: everybody goes back.
    RefusedLine,
    /// The last element refuses to commit.
    RefusedCommit,
    /// The first element says yes and changes nothing (F20): reading back tells, everybody goes back.
    FailedVerify,
}

/// What the domain carries: nothing, the service, the service with another VLAN.
type Carries = Option<u16>;

/// One death.
#[derive(Clone, Debug)]
struct Step {
    point: String,
    /// The element that is out of reach when the next daemon starts.
    lost: Option<String>,
}

/// One death and what came of it.
struct Row {
    classes: String,
    way: Way,
    work: &'static str,
    step: Step,
    between: String,
    outcome: String,
    elements: &'static str,
    took: Duration,
}

/// One set of elements on which daemons die one after the other.
struct Lane {
    crowd: Crowd,
    way: Way,
    before: Vec<String>,
    carries: Carries,
    seen: Vec<(u16, Vec<String>)>,
    daemon: Option<Daemon>,
    // Where the running daemon is going to die.
    doomed: Option<String>,
    transactions: usize,
    rows: Vec<Row>,
}

use Kind::{A, B, C, D};

/// The sets of elements, and how many parts of the points each takes in a short run.
const FORWARD: [&[Kind]; 5] = [&[A], &[B], &[C], &[D], &[A, B, C, D]];
const BACKWARD: [(Way, &[Kind]); 6] = [
    (Way::RefusedLine, &[A, B, D]),
    (Way::RefusedEdit, &[A, B]),
    (Way::RefusedCommit, &[A, A, A]),
    (Way::RefusedCommit, &[A, A, B]),
    (Way::FailedVerify, &[A, D]),
    (Way::FailedVerify, &[A, C]),
];

#[test]
fn a_daemon_that_dies_leaves_all_or_nothing_on_every_class() {
    let asked = std::env::var("ANDANTE_MATRIX").unwrap_or_default();
    let whole = !asked.is_empty();
    let mut lanes: Vec<(Way, &[Kind], Vec<Step>)> = Vec::new();
    for (n, kinds) in FORWARD.into_iter().enumerate() {
        let steps = forward(kinds);
        let mut steps = if whole { steps } else { share(steps, n, if kinds.len() > 1 { 8 } else { 4 }) };
        // Decided, and out of reach before it was told: the word must not be `applied` yet.
        let last = format!("pe{}", kinds.len());
        steps.insert(0, Step { point: format!("before-confirm:{last}"), lost: Some(last) });
        lanes.push((Way::Forward, kinds, steps));
    }
    for (n, (way, kinds)) in BACKWARD.into_iter().enumerate() {
        let steps = backward(way, kinds);
        let steps = if whole { steps } else { share(steps, n, 4) };
        lanes.push((way, kinds, steps));
    }
    lanes.retain(|(_, kinds, _)| !whole || asked == "all" || asked == classes(kinds));
    assert!(!lanes.is_empty(), "ANDANTE_MATRIX={asked}: no such elements");
    // Two at a time: every lane has elements of its own, and the machine has few cores.
    let queue = std::sync::Mutex::new(lanes.into_iter().enumerate().rev().collect::<Vec<_>>());
    let done = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((n, (way, kinds, steps))) = queue.lock().unwrap().pop() else { return };
                    let rows = ride(way, kinds, &steps);
                    done.lock().unwrap().push((n, rows));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(n, _)| *n);
    println!("| classes | way | work | died at | out of reach then | in between | outcome | elements | s |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in done.iter().flat_map(|(_, rows)| rows) {
        println!("{row}");
    }
}

fn classes(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| format!("{kind:?}")).collect::<Vec<_>>().join("+")
}

fn names(kinds: &[Kind]) -> Vec<String> {
    (1..=kinds.len()).map(|n| format!("pe{n}")).collect()
}

/// Every `parts`th step, another share for each `n`.
fn share(steps: Vec<Step>, n: usize, parts: usize) -> Vec<Step> {
    steps.into_iter().enumerate().filter(|(at, _)| at % parts == n % parts).map(|(_, step)| step).collect()
}

/// All points of the way forward, in an order in which creations, changes and removals alternate by themselves.
fn forward(kinds: &[Kind]) -> Vec<Step> {
    let elements = &names(kinds);
    let (undecided, decided) = (undecided(elements), decided(elements));
    let half = undecided.len() / 2;
    let [first, rest] = [&undecided[..half], &undecided[half..]];
    // Created by the first decided point, changed and removed in vain, removed by the second, and so on.
    let mut points = vec![decided[0].clone()];
    points.extend(first.iter().cloned());
    points.push(decided[1].clone());
    points.extend(rest.iter().cloned());
    points.extend(decided[2..].iter().cloned());
    let mut steps = with_losses(points, elements);
    // Round the first record, when it carries something: nothing was begun, or nothing was sent.
    let at_hand = |point: &str| Step { point: point.into(), lost: None };
    steps.splice(1..1, [at_hand(UNRECORDED), at_hand("after-intent-planned")]);
    if let [kind] = kinds {
        // Between the two sends of the last verb.
        let kept: &[&str] = match kind {
            A => &["after-confirm.confirm:pe1", "before-confirm.save:pe1"],
            B | C | D => &["before-confirm.save:pe1", "after-confirm.save:pe1"],
        };
        steps.extend(kept.iter().map(|point| at_hand(point)));
    }
    steps
}

/// Before its first record a transaction is not known to anybody afterwards.
const UNRECORDED: &str = "before-intent-planned";

/// What is sent to an element while it is restored, by the way and by whether it is the one that refused.
fn restoring(way: Way, kind: Kind, last: bool) -> &'static [&'static str] {
    match (way, kind, last) {
        // netconfd forgets the window at a cancel under our own locks, and keeps the change: it is undone by a commit.
        (Way::RefusedLine | Way::RefusedCommit, A, false) => &["cancel", "prepare", "apply", "unlock"],
        (Way::RefusedLine | Way::RefusedCommit, B, false) => &["prepare", "apply", "unlock"],
        (Way::RefusedCommit, A, true) => &["cancel", "discard", "unlock"],
        (Way::RefusedCommit, B, true) => &["discard", "unlock"],
        (Way::FailedVerify, A, _) => &["cancel", "unlock"],
        (Way::FailedVerify | Way::RefusedLine, C | D, _) => &["apply"],
        _ => &[],
    }
}

/// The points after which the way back differs from the way forward, and those of the way back itself.
fn backward(way: Way, kinds: &[Kind]) -> Vec<Step> {
    let elements = &names(kinds);
    let mut points = match way {
        Way::Forward => Vec::new(),
        Way::RefusedEdit => [vec![format!("after-prepare:{}", elements[1])], of(elements, "withdraw")].concat(),
        Way::RefusedLine | Way::RefusedCommit => {
            [vec![format!("after-apply:{}", elements[elements.len() - 1])], of(elements, "restore")].concat()
        }
        Way::FailedVerify => [of(elements, "verify"), of(elements, "restore")].concat(),
    };
    points.extend(["before-end".into(), "after-end".into()]);
    let mut steps = with_losses(points, elements);
    for (n, kind) in kinds.iter().enumerate() {
        // Of several alike one is enough.
        if n > 0 && n + 1 < kinds.len() && kinds[n - 1] == *kind {
            continue;
        }
        for send in restoring(way, *kind, n + 1 == kinds.len()) {
            let points = of(&elements[n..=n], &format!("restore.{send}"));
            steps.extend(points.into_iter().map(|point| Step { point, lost: None }));
        }
    }
    steps
}

/// In every third row one of the elements, each in its turn, is out of reach.
fn with_losses(points: Vec<String>, elements: &[String]) -> Vec<Step> {
    let steps = points.into_iter().enumerate().map(|(n, point)| {
        let lost = (n % 3 == 2).then(|| elements[n / 3 % elements.len()].clone());
        Step { point, lost }
    });
    steps.collect()
}

fn of(elements: &[String], verb: &str) -> Vec<String> {
    elements.iter().flat_map(|name| [format!("before-{verb}:{name}"), format!("after-{verb}:{name}")]).collect()
}

/// The points before the decision is durable, in their order.
fn undecided(elements: &[String]) -> Vec<String> {
    let mut points = Vec::new();
    for (phase, verb) in [("locked", "lock"), ("prepared", "prepare"), ("applied", "apply"), ("verified", "verify")] {
        points.extend([format!("before-intent-{phase}"), format!("after-intent-{phase}")]);
        points.extend(of(elements, verb));
    }
    points.push("before-intent-decided".into());
    points
}

/// The points after it.
fn decided(elements: &[String]) -> Vec<String> {
    let mut points = vec!["after-intent-decided".into()];
    points.extend(of(elements, "confirm"));
    points.extend(of(elements, "release"));
    points.extend(["before-end".into(), "after-end".into()]);
    points
}

/// The deaths of one lane. Empty: skipped.
fn ride(way: Way, kinds: &[Kind], steps: &[Step]) -> Vec<Row> {
    let Some(crowd) = Crowd::start(kinds, way == Way::FailedVerify) else { return Vec::new() };
    let before = crowd.running();
    let mut lane = Lane {
        crowd,
        way,
        before,
        carries: None,
        seen: Vec::new(),
        daemon: None,
        doomed: None,
        transactions: 0,
        rows: Vec::new(),
    };
    if way == Way::Forward {
        for wanted in [Some(100), Some(200), None] {
            lane.bring(wanted);
        }
    }
    for (n, step) in steps.iter().enumerate() {
        lane.die(step, steps.get(n + 1));
    }
    if way == Way::Forward {
        // Whatever happened, the service can be made and removed.
        lane.bring(Some(100));
        lane.bring(None);
    }
    lane.daemon.take().unwrap().stop();
    lane.rows
}

impl Lane {
    /// Without trouble.
    fn bring(&mut self, wanted: Carries) {
        if self.carries == wanted {
            return;
        }
        if self.doomed.take().is_some() {
            self.daemon = None;
        }
        let daemon = self.daemon.get_or_insert_with(|| self.crowd.daemon());
        let answer = match wanted {
            None => daemon.delete(),
            Some(vlan) => daemon.put(&self.crowd.document(vlan)),
        };
        assert!(matches!(answer.status, 201 | 204), "{answer:?}");
        self.transactions += 1;
        self.carries = wanted;
        match (wanted, self.seen.iter().any(|(vlan, _)| Some(*vlan) == wanted)) {
            (Some(vlan), false) => {
                let now = self.crowd.running();
                assert!(now.iter().zip(&self.before).all(|(now, before)| now != before), "not configured");
                self.seen.push((vlan, now));
            }
            _ => self.crowd.comes_to("without trouble", self.state(wanted)),
        }
    }

    /// What the elements say when they carry this.
    fn state(&self, carries: Carries) -> &[String] {
        let seen = |vlan| self.seen.iter().find(|(of, _)| *of == vlan);
        carries.map_or(&self.before, |vlan| &seen(vlan).unwrap().1)
    }

    /// What is asked, and where it leads.
    fn work(&self) -> (&'static str, Carries) {
        match (self.carries, self.rows.len() % 2) {
            (None, _) => ("create", Some(100)),
            (Some(100), 0) => ("change", Some(200)),
            (Some(_), 0) => ("change", Some(100)),
            (Some(_), _) => ("delete", None),
        }
    }

    /// One death, one recovery, and everything that must be true then.
    fn die(&mut self, step: &Step, next: Option<&Step>) {
        let point = step.point.as_str();
        let (work, leads_to) = self.work();
        let what = format!("{:?} {:?}: {work}, died at {point}", self.kinds(), self.way);
        let running = self.daemon.take().filter(|_| self.doomed.as_deref() == Some(point));
        let daemon = running.unwrap_or_else(|| self.crowd.doomed(point));
        self.disturb();
        let answer = match (work, self.way) {
            ("delete", _) => daemon.try_ask("DELETE", ACME, ""),
            (_, Way::RefusedLine) => daemon.try_ask("PUT", ACME, &self.crowd.refused_document()),
            _ => daemon.try_ask("PUT", ACME, &self.crowd.document(leads_to.unwrap())),
        };
        // Only the very last point comes after the answer may have been given.
        assert!(answer.is_err() || point == "after-end", "{what}: {answer:?}");
        daemon.dies_at(point);
        let recorded = point != UNRECORDED;
        let pending = self.crowd.members.iter().find(|member| member.server.cut_is_pending());
        assert!(pending.is_none(), "{what}: the refusal did not happen");
        self.transactions += usize::from(recorded);
        let names: Vec<String> = self.crowd.names().into_iter().map(str::to_owned).collect();
        let kept = point.contains("-confirm.") || decided(&names).iter().any(|decided| decided == point);
        let applied = self.way == Way::Forward && kept;
        if applied {
            self.carries = leads_to;
        }
        let mut start = Instant::now();
        let mut between = String::new();
        let next = next.filter(|step| !met_by_recovery(&step.point)).map(|step| step.point.clone());
        let daemon = next
            .as_deref()
            .map_or_else(|| self.away(step, || self.crowd.daemon()), |at| self.away(step, || self.crowd.doomed(at)));
        self.doomed = next;
        if let Some(lost) = &step.lost {
            between = self.between(&daemon, lost, point, applied, &what);
            self.crowd.member(lost).line.repair();
            start = Instant::now();
        }
        // Recovery at start waits a few seconds for each element; on a busy machine one may take longer to greet.
        let ended = || daemon.transactions().first().is_none_or(|newest| newest["finished"].is_string());
        let settled = wait_until("the end", Duration::from_secs(30), ended);
        settled.unwrap_or_else(|error| panic!("{what}: {error}: {:#}", daemon.transactions()[0]));
        let now = self.crowd.running();
        let took = start.elapsed();
        for (member, (now, wanted)) in self.crowd.members.iter().zip(now.iter().zip(self.state(self.carries))) {
            assert!(now == wanted, "{what}: {} is\n{now}\nwanted\n{wanted}", member.name);
        }
        assert!(took < Duration::from_secs(30), "{what}: {took:?}");
        self.served(&daemon, &what);
        let outcome = match recorded {
            true => self.told(&daemon, applied, point, &what),
            false => {
                assert_eq!(daemon.transactions().len(), self.transactions, "{what}");
                "unknown to anybody".into()
            }
        };
        self.crowd.nothing_is_locked();
        let elements = if applied { "all after" } else { "all before" };
        let classes = self.kinds();
        let step = step.clone();
        self.rows.push(Row { classes, way: self.way, work, step, between, outcome, elements, took });
        self.daemon = Some(daemon);
    }

    /// Starts the next daemon while the lost element, if any, is out of reach.
    fn away(&self, step: &Step, start: impl FnOnce() -> Daemon) -> Daemon {
        if let Some(lost) = &step.lost {
            self.crowd.member(lost).line.cut();
        }
        start()
    }

    /// What the operator is told while an element is out of reach, by RESTCONF and by the command.
    fn between(&self, daemon: &Daemon, lost: &str, point: &str, applied: bool, what: &str) -> String {
        let newest = daemon.transactions()[0].clone();
        let outcome = newest["outcome"].as_str().unwrap_or("none").to_owned();
        let id = newest["id"].as_str().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_andante"))
            .arg("--socket")
            .arg(self.crowd.socket())
            .args(["transaction", "show", id])
            .env_remove("ANDANTE_URL")
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        // Nothing was applied yet, or all was over: the element that is away has nothing to add. On the way back and at
        // the end it may have been let go already, and then it may not be waited for either. The word is true, then:
        // the line is cut, but the element can be asked.
        let over = point == "after-end" || !self.has_sent(point);
        let may_be_over = ["release", "restore", "end"].iter().any(|word| point.contains(word));
        if over || (may_be_over && outcome != "unresolved") {
            let wanted = if applied { "applied" } else { "not-applied" };
            assert!(outcome == wanted && shown.contains(wanted), "{what}: {newest:#}\n{shown}");
            assert!(self.crowd.running() == self.state(self.carries), "{what}: it is not {outcome}");
            return outcome;
        }
        assert!(outcome == "unresolved" && newest["finished"].is_null(), "{what}: {newest:#}");
        assert!(shown.contains("unresolved") && shown.contains(lost), "{what}:\n{shown}");
        for (name, server) in self.crowd.members.iter().map(|member| (&member.name, &member.server)) {
            let turn = turn(&newest, name);
            if name == lost {
                assert_eq!(turn, "unknown", "{what}: {newest:#}");
                continue;
            }
            // The others are where the transaction goes, and the view says so.
            assert_eq!(turn, if applied { "confirmed" } else { "restored" }, "{what}: {name}: {newest:#}");
            let at = self.crowd.members.iter().position(|member| &member.name == name).unwrap();
            assert!(server.running() == self.state(self.carries)[at], "{what}: {name} is not where the view says");
        }
        // The documents follow the decision, not the elements.
        self.served(daemon, what);
        outcome
    }

    /// Whether an element may have been changed when the daemon died there.
    fn has_sent(&self, point: &str) -> bool {
        let early = ["lock", "prepare", "withdraw"].iter().any(|word| point.contains(word));
        let turned_back = self.way == Way::RefusedEdit;
        !(early || turned_back || point == "before-intent-applied")
    }

    /// What makes this transaction go its way.
    fn disturb(&self) {
        let last = self.crowd.members.last().unwrap();
        match self.way {
            Way::RefusedEdit => self.crowd.members[1].server.cut(Cut::Refusal, "edit-config"),
            Way::RefusedCommit => last.server.cut(Cut::Refusal, "commit"),
            Way::Forward | Way::RefusedLine | Way::FailedVerify => {}
        }
    }

    fn kinds(&self) -> String {
        classes(&self.crowd.members.iter().map(|member| member.kind).collect::<Vec<_>>())
    }

    /// The documents say what the elements say.
    fn served(&self, daemon: &Daemon, what: &str) {
        let Some(vlan) = self.carries else {
            assert!(daemon.services().is_empty(), "{what}: {:?}", daemon.services());
            return;
        };
        assert_eq!(daemon.services(), ["acme-l3"], "{what}");
        let served: String = daemon.ask("GET", ACME, "").is(200).body.split_whitespace().collect();
        assert!(served.contains(&format!("\"cvlan-id\":{vlan}")), "{what}: {served}");
    }

    /// The transaction is closed and says what happened, and why.
    fn told(&self, daemon: &Daemon, applied: bool, point: &str, what: &str) -> String {
        let all = daemon.transactions();
        assert_eq!(all.len(), self.transactions, "{what}: {all:#?}");
        let newest = &all[0];
        let outcome = newest["outcome"].as_str().unwrap_or("none").to_owned();
        assert_eq!(outcome, if applied { "applied" } else { "not-applied" }, "{what}: {newest:#}");
        assert!(newest["phase"] == "closed" && newest["finished"].is_string(), "{what}: {newest:#}");
        let open = all.iter().find(|record| record["outcome"] == "unresolved" || record["finished"].is_null());
        assert!(open.is_none(), "{what}: {open:#?}");
        // Whoever turned it back is named, though the daemon that heard it is dead.
        let heard = ["restore", "withdraw", "end"].iter().any(|word| point.contains(word));
        if self.way != Way::Forward && heard {
            let why = newest["cause"].to_string();
            let culprit = match self.way {
                Way::RefusedEdit => "pe2",
                Way::FailedVerify => "pe1",
                _ => self.crowd.members.last().unwrap().name.as_str(),
            };
            assert!(why.contains(culprit) && !why.contains("the daemon ended"), "{what}: {newest:#}");
        }
        outcome
    }
}

fn turn(record: &Value, element: &str) -> String {
    let all = record["element"].as_array().unwrap();
    let of = all.iter().find(|of| of["name"] == element).unwrap();
    of["state"].as_str().unwrap().to_owned()
}

/// Whether a recovery may pass this point too.
fn met_by_recovery(point: &str) -> bool {
    ["release", "restore", "withdraw", "-end", "."].iter().any(|word| point.contains(word))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Forward => "forward",
            Way::RefusedEdit => "edit refused",
            Way::RefusedLine => "line refused",
            Way::RefusedCommit => "commit refused",
            Way::FailedVerify => "verify failed",
        };
        let lost = self.step.lost.as_deref().unwrap_or("");
        let (classes, work, point) = (&self.classes, self.work, &self.step.point);
        let (between, outcome, elements) = (&self.between, &self.outcome, self.elements);
        let took = self.took.as_secs_f32();
        write!(f, "| {classes} | {way} | {work} | {point} | {lost} | {between} | {outcome} | {elements} | {took:.1} |")
    }
}
