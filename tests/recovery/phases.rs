//! The daemon dies at every named point of a transaction; the next one brings both elements to the same side.

use crate::daemon::{ACME, Daemon};
use crate::domain::{Domain, Reference, Running, changed, document};
use std::fmt;
use std::time::{Duration, Instant};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Create,
    Change,
    Delete,
}

impl Work {
    fn starts_from(self) -> Carries {
        match self {
            Work::Create => Carries::Nothing,
            Work::Change | Work::Delete => Carries::Service,
        }
    }

    fn leads_to(self) -> Carries {
        match self {
            Work::Create => Carries::Service,
            Work::Change => Carries::Changed,
            Work::Delete => Carries::Nothing,
        }
    }
}

/// What the domain carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    Nothing,
    Service,
    Changed,
}

/// One death and what came of it.
struct Row {
    work: Work,
    point: String,
    outcome: String,
    elements: &'static str,
    took: Duration,
}

/// One pair of elements on which daemons die one after the other.
struct Lane {
    domain: Domain,
    reference: Reference,
    carries: Carries,
    daemon: Option<Daemon>,
    // Where the running daemon is going to die.
    doomed: Option<String>,
    transactions: usize,
    rows: Vec<Row>,
}

#[test]
fn a_daemon_that_dies_leaves_all_or_nothing() {
    let create: Vec<_> = undecided().into_iter().map(|point| (Work::Create, point)).collect();
    let (early, late) = create.split_at(create.len() * 7 / 10);
    // After the decision the service changes sides each time.
    let decided = decided().into_iter().enumerate();
    let after: Vec<_> = decided.map(|(n, at)| ([Work::Create, Work::Delete][n % 2], at)).collect();
    let delete = SOME_UNDECIDED.map(|point| (Work::Delete, point.to_owned()));
    let change = SOME_UNDECIDED.into_iter().chain(["after-confirm:pe1"]).map(|at| (Work::Change, at.to_owned()));
    let lanes = [early.to_vec(), [late.to_vec(), after].concat(), delete.into_iter().chain(change).collect()];
    let rows: Vec<Row> = std::thread::scope(|scope| {
        let running: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(move || ride(&lane))).collect();
        running.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    println!("{:<8} {:<26} {:<12} {:<10} {:>6}", "work", "died at", "outcome", "elements", "s");
    for row in &rows {
        println!("{row}");
    }
}

/// The deaths of one lane. Empty: skipped.
fn ride(steps: &[(Work, String)]) -> Vec<Row> {
    let Some(domain) = Domain::start() else { return Vec::new() };
    let reference = domain.reference();
    let carries = Carries::Nothing;
    let mut lane = Lane { domain, reference, carries, daemon: None, doomed: None, transactions: 3, rows: vec![] };
    for (n, (work, point)) in steps.iter().enumerate() {
        if lane.carries != work.starts_from() {
            lane.bring(work.starts_from());
        }
        lane.die(*work, point, steps.get(n + 1));
    }
    // Whatever happened, the service can be made and removed.
    lane.bring(Carries::Service);
    lane.bring(Carries::Nothing);
    lane.daemon.take().unwrap().stop();
    lane.rows
}

impl Lane {
    /// Without trouble.
    fn bring(&mut self, wanted: Carries) {
        if self.doomed.take().is_some() {
            self.daemon = None;
        }
        let daemon = self.daemon.get_or_insert_with(|| self.domain.daemon());
        let answer = match wanted {
            Carries::Nothing => daemon.delete(),
            Carries::Service => daemon.put(&document()),
            Carries::Changed => daemon.put(&changed()),
        };
        assert!(matches!(answer.status, 201 | 204), "{answer:?}");
        self.transactions += 1;
        self.carries = wanted;
        self.domain.comes_to("without trouble", self.state(wanted));
    }

    /// One death, one recovery, and everything that must be true then. The daemon that recovers is, where that can be,
    /// the one that will die next.
    fn die(&mut self, work: Work, point: &str, next: Option<&(Work, String)>) {
        let running = self.daemon.take().filter(|_| self.doomed.as_deref() == Some(point));
        let daemon = running.unwrap_or_else(|| self.domain.doomed(point));
        let path = ACME;
        let answer = match work {
            Work::Create => daemon.try_ask("PUT", path, &document()),
            Work::Change => daemon.try_ask("PUT", path, &changed()),
            Work::Delete => daemon.try_ask("DELETE", path, ""),
        };
        // Only the very last point comes after the answer may have been given.
        assert!(answer.is_err() || point == "after-end", "{work:?} did not die at {point}: {answer:?}");
        daemon.dies_at(point);
        self.transactions += 1;
        let start = Instant::now();
        let applied = decided().iter().any(|decided| decided == point);
        if applied {
            self.carries = work.leads_to();
        }
        let next = next.filter(|(work, at)| work.starts_from() == self.carries && !met_by_recovery(at));
        let next = next.map(|(_, at)| at.clone());
        let daemon = next.as_deref().map_or_else(|| self.domain.daemon(), |at| self.domain.doomed(at));
        self.doomed = next;
        let expected = self.state(self.carries);
        let now = self.domain.running();
        let took = start.elapsed();
        let what = format!("{work:?}, died at {point}");
        assert!(now.pe1 == expected.pe1, "{what}: pe1 is\n{}\nwanted\n{}", now.pe1, expected.pe1);
        assert!(now.pe2 == expected.pe2, "{what}: pe2 is\n{}\nwanted\n{}", now.pe2, expected.pe2);
        self.served(&daemon, &what);
        let outcome = self.told(&daemon, applied, &what);
        self.domain.nothing_is_locked();
        let elements = if applied { "all after" } else { "all before" };
        self.rows.push(Row { work, point: point.to_owned(), outcome, elements, took });
        self.daemon = Some(daemon);
    }

    fn state(&self, carries: Carries) -> &Running {
        match carries {
            Carries::Nothing => &self.reference.before,
            Carries::Service => &self.reference.after,
            Carries::Changed => &self.reference.other,
        }
    }

    /// The documents say what the elements say.
    fn served(&self, daemon: &Daemon, what: &str) {
        let vlan = match self.carries {
            Carries::Nothing => {
                assert!(daemon.services().is_empty(), "{what}: {:?}", daemon.services());
                daemon.ask("GET", ACME, "").is(404);
                return;
            }
            Carries::Service => "100",
            Carries::Changed => "200",
        };
        assert_eq!(daemon.services(), ["acme-l3"], "{what}");
        let served: String = daemon.ask("GET", ACME, "").is(200).body.split_whitespace().collect();
        assert!(served.contains(&format!("\"cvlan-id\":{vlan}")), "{what}: {served}");
    }

    /// The transaction is closed and says what happened.
    fn told(&self, daemon: &Daemon, applied: bool, what: &str) -> String {
        let all = daemon.transactions();
        assert_eq!(all.len(), self.transactions, "{what}: {all:#?}");
        let newest = &all[0];
        let outcome = newest["outcome"].as_str().unwrap_or("none").to_owned();
        assert_eq!(outcome, if applied { "applied" } else { "not-applied" }, "{what}: {newest:#}");
        assert!(newest["phase"] == "closed" && newest["finished"].is_string(), "{what}: {newest:#}");
        let open = all.iter().find(|record| record["outcome"] == "unresolved" || record["finished"].is_null());
        assert!(open.is_none(), "{what}: {open:#?}");
        outcome
    }
}

/// A recovery that dies is recovered.
#[test]
fn a_recovery_that_dies_is_done_again() {
    let Some(domain) = Domain::start() else { return };
    let reference = domain.reference();
    for (point, again, applied) in [
        ("after-apply:pe2", &["after-restore:pe1", "before-restore:pe2"][..], false),
        // Inside the restoring of each: what pe2 needs takes longer, so pe1's sends come first.
        ("after-apply:pe2", &["before-restore.cancel:pe1", "after-restore.cancel:pe1"], false),
        ("after-apply:pe2", &["before-restore.apply:pe2", "after-restore.apply:pe2"], false),
        ("after-intent-decided", &["after-advance:pe1", "before-end"], true),
        ("after-intent-decided", &["before-advance.confirm:pe1", "after-advance.confirm:pe1"], true),
        ("after-intent-decided", &["before-advance.save:pe2", "before-note"], true),
    ] {
        let daemon = domain.doomed(point);
        let _ = daemon.try_ask("PUT", ACME, &document());
        daemon.dies_at(point);
        for point in again {
            domain.doomed_at_start(point).dies_at(point);
        }
        let daemon = domain.daemon();
        domain.comes_to(point, if applied { &reference.after } else { &reference.before });
        assert_eq!(daemon.services().is_empty(), !applied);
        assert_eq!(daemon.transactions()[0]["outcome"], if applied { "applied" } else { "not-applied" });
        domain.nothing_is_locked();
        if applied {
            daemon.delete().is(204);
            domain.comes_to(point, &reference.before);
        }
        daemon.stop();
    }
}

/// Whether a recovery may pass this point too.
fn met_by_recovery(point: &str) -> bool {
    point.contains("release") || point.ends_with("-end")
}

/// The points before the decision is durable, in their order.
fn undecided() -> Vec<String> {
    let mut points = Vec::new();
    for (phase, verb) in [("locked", "lock"), ("prepared", "prepare"), ("applied", "apply"), ("verified", "verify")] {
        points.extend([format!("before-intent-{phase}"), format!("after-intent-{phase}")]);
        points.extend(of_elements(verb));
    }
    points.push("before-intent-decided".into());
    points
}

/// The points after it.
fn decided() -> Vec<String> {
    let mut points = vec!["after-intent-decided".into()];
    points.extend(of_elements("confirm"));
    points.extend(of_elements("release"));
    points.extend(["before-end".into(), "after-end".into()]);
    points
}

fn of_elements(verb: &str) -> Vec<String> {
    let of = |element: &str| [format!("before-{verb}:{element}"), format!("after-{verb}:{element}")];
    ["pe1", "pe2"].into_iter().flat_map(of).collect()
}

/// Where a removal and a change die too: nothing sent, one element done, half of both, all read back, and decided.
const SOME_UNDECIDED: [&str; 6] = [
    "after-prepare:pe1",
    "after-apply:pe1",
    "before-apply:pe2",
    "after-apply:pe2",
    "before-intent-decided",
    "after-intent-decided",
];

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = format!("{:?}", self.work).to_lowercase();
        let took = self.took.as_secs_f32();
        write!(f, "{work:<8} {:<26} {:<12} {:<10} {took:>6.1}", self.point, self.outcome, self.elements)
    }
}
