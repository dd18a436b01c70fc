//! The kill matrix: a daemon killed before and after each journal write and each send, on every class, with and without a
//! startup configuration, on the way forward, on the way back and in recovery; another one starts a second later. And the
//! host that loses power at each write.
//!
//! Demanded: all-before or all-after within 30 s of virtual time, and an operator's view that says the truth all the while.
//! The table is kept in `docs/crash-matrix.md`; `UPDATE_MATRIX=1` writes it anew.

use crate::play::{Planted, Sight};
use crate::simulate;
use crate::story::{Call, Fault, Story, What, When};
use andante::domain::{Class, Outcome, Phase, Turn};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const HEADING: &str = "## Simulated elements";

/// How the transaction goes until the daemon dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Forward,
    /// The last element refuses its commit.
    Back,
    /// The daemon died before, with everything read back and nothing decided; this is the recovery that brings it back.
    RecoveryBack,
    /// The daemon died before, right after the decision; this is the recovery that brings it forward.
    RecoveryForward,
    /// The same, and meanwhile the elements have restarted from what was saved: the change is made again.
    RecoveryAgain,
    /// The host loses power at each write: what nobody waited for is lost, sessions stay open on the elements.
    Power,
}

impl Course {
    const ALL: [(Course, &'static str); 6] = [
        (Course::Forward, "On the way forward"),
        (Course::Back, "On the way back (the last element refuses its commit)"),
        (Course::RecoveryBack, "While recovery brings back (the daemon died before it decided)"),
        (Course::RecoveryForward, "While recovery brings forward (the daemon died when it had decided)"),
        (Course::RecoveryAgain, "While recovery makes the change again (decided, then all elements restarted)"),
        (Course::Power, "Power lost at a write, on the way forward"),
    ];

    /// The columns: elements by class, and whether running has to be saved.
    fn columns(self) -> Vec<(String, Vec<(Class, bool)>)> {
        let classes = [Class::A, Class::B, Class::C, Class::D];
        let wide = matches!(self, Course::Forward | Course::Back);
        let mut columns = Vec::new();
        for class in classes {
            for startup in [false, true].into_iter().filter(|startup| wide || *startup) {
                let name = if startup { format!("{class} :startup") } else { class.to_string() };
                columns.push((name, vec![(class, startup); 2]));
            }
        }
        columns.push(("A+B+C+D".into(), classes.into_iter().map(|class| (class, true)).collect()));
        columns
    }

    /// What happens before the kill that counts.
    fn story(self, natures: &[(Class, bool)]) -> Story {
        let classes: Vec<Class> = natures.iter().map(|(class, _)| *class).collect();
        let mut story = Story::of(1, &classes);
        for (nature, (_, startup)) in story.elements.iter_mut().zip(natures) {
            nature.startup = *startup;
        }
        let Some(first) = self.first() else {
            // The last one refuses when the others have committed.
            let last = natures.len() - 1;
            return if self == Course::Back { story.at_call(last, Call::Apply, 0, Fault::Refuse) } else { story };
        };
        let died = || When::Point(first.into(), 0);
        if self == Course::RecoveryAgain {
            let restarts = (0..natures.len()).map(|element| What::Reboot(element, 1));
            story = restarts.fold(story, |story, restart| story.with(died(), restart));
        }
        story.with(died(), What::Kill(2_000))
    }

    /// Where the daemon died before.
    fn first(self) -> Option<&'static str> {
        match self {
            Course::Forward | Course::Back | Course::Power => None,
            Course::RecoveryBack => Some("before-intent-decided"),
            Course::RecoveryForward | Course::RecoveryAgain => Some("after-intent-decided"),
        }
    }

    /// What happens at a point, if anything.
    fn what(self, point: &str) -> Option<What> {
        let writes = point.contains("-intent-") || point.ends_with("-note") || point.ends_with("-end");
        match self {
            Course::Power if writes => Some(What::PowerLoss(0, 1_000)),
            Course::Power => None,
            _ => Some(What::Kill(1_000)),
        }
    }
}

/// What was seen of one kill.
#[derive(Default)]
struct Cell {
    ends: BTreeSet<&'static str>,
    slowest: Duration,
    kills: usize,
}

/// Whether what the operator sees is so.
fn truthful(sight: &Sight) -> Result<(), String> {
    let Some(record) = &sight.record else {
        let before = sight.sides.values().all(|(before, _)| *before);
        return if before { Ok(()) } else { Err("no record, but something is changed".into()) };
    };
    let all =
        |after: bool| sight.sides.values().all(|(is_before, is_after)| if after { *is_after } else { *is_before });
    let fits = match &record.outcome {
        Some(Outcome::Applied) => all(true),
        Some(Outcome::NotApplied { .. }) => all(false),
        Some(Outcome::Unresolved { .. }) => true,
        None if record.phase <= Phase::Prepared => all(false),
        None => true,
    };
    if !fits {
        return Err(format!(
            "the record says {:?} in {:?}, the elements {:?}",
            record.outcome, record.phase, sight.sides
        ));
    }
    for (name, (before, after)) in &sight.sides {
        let Some(progress) = record.elements.get(name) else { continue };
        let so = match progress.turn {
            Turn::Untouched if record.phase <= Phase::Prepared => *before,
            Turn::Restored => *before,
            Turn::Confirmed => *after,
            _ => true,
        };
        if !so {
            return Err(format!("{name} is said to be {:?}, and is not", progress.turn));
        }
    }
    Ok(())
}

/// Kills at every point of a story; the cells by the name of the point.
fn kills(course: Course, natures: &[(Class, bool)]) -> Vec<(String, Cell)> {
    let story = course.story(natures);
    let planted = Planted { observe: Some(Duration::from_millis(100)), ..Planted::default() };
    let undisturbed = simulate(&story, planted.clone()).unwrap_or_else(|broken| panic!("{broken}"));
    let points = undisturbed.director.all_points();
    let begin = course.first().map_or(0, |first| 1 + points.iter().position(|point| point == first).unwrap());
    let mut cells: Vec<(String, Cell)> = Vec::new();
    for (at, point) in points.iter().enumerate().skip(begin) {
        let Some(what) = course.what(point) else { continue };
        let nth = points[..at].iter().filter(|earlier| *earlier == point).count();
        let story = story.clone().with(When::Point(point.clone(), nth), what);
        let place = || format!("{course:?}: killed at {point} for the {nth}th time ({natures:?})");
        let stage = simulate(&story, planted.clone()).unwrap_or_else(|broken| panic!("{}:\n{broken}", place()));
        let sights = stage.sights.lock().unwrap();
        for sight in sights.iter() {
            truthful(sight).unwrap_or_else(|lie| panic!("{}: at {:?}: {lie}", place(), sight.at));
        }
        let died = stage.director.died().unwrap_or_default() + Duration::from_secs(1);
        let rest = sights
            .iter()
            .find(|sight| sight.at >= died && sight.record.as_ref().is_none_or(|record| record.finished.is_some()));
        let took = rest.map(|sight| sight.at.saturating_sub(died)).unwrap_or(Duration::MAX);
        assert!(took <= LIMIT, "{}: still open after {took:?}", place());
        let end = match stage.outcome("t1") {
            Some(Outcome::Applied) => "after",
            Some(Outcome::NotApplied { .. }) | None => "before",
            other => panic!("{}: {other:?}", place()),
        };
        let decided = points[..=at].iter().any(|point| point == "after-intent-decided");
        let told_before = stage.disk.durable("t1", Phase::Decided).is_none();
        assert_eq!(end == "before", told_before, "{}", place());
        assert!(!decided || end == "after", "{}", place());
        // One row for all elements: their order is not what this is about.
        let mut row = point.split(':').next().unwrap_or(point).to_owned();
        if decided && row.ends_with("-note") {
            row += ", decided";
        }
        let at = cells.iter().position(|(name, _)| *name == row).unwrap_or_else(|| {
            cells.push((row, Cell::default()));
            cells.len() - 1
        });
        let cell = &mut cells[at].1;
        cell.ends.insert(end);
        cell.slowest = cell.slowest.max(took);
        cell.kills += 1;
    }
    cells
}

fn table(course: Course) -> (String, usize) {
    let columns = course.columns();
    let mut rows: Vec<String> = Vec::new();
    let mut cells: BTreeMap<(String, usize), Cell> = BTreeMap::new();
    let mut count = 0;
    for (at, (_, natures)) in columns.iter().enumerate() {
        let mut last = 0;
        for (row, cell) in kills(course, natures) {
            count += cell.kills;
            last = match rows.iter().position(|known| *known == row) {
                Some(place) => place + 1,
                None => {
                    rows.insert(last, row.clone());
                    last + 1
                }
            };
            cells.insert((row, at), cell);
        }
    }
    let mut text = String::new();
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let _ = writeln!(text, "| killed | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(names.len()));
    for row in rows {
        let shown = (0..names.len()).map(|at| match cells.get(&(row.clone(), at)) {
            None => "–".to_owned(),
            Some(cell) => {
                let ends: Vec<&str> = cell.ends.iter().copied().collect();
                // Coarse on purpose: a pause that changes by a little is no news.
                let within = [1, 2, 5, 10, 20, 30].into_iter().find(|s| cell.slowest <= Duration::from_secs(*s));
                format!("{} ≤ {} s", ends.join("/"), within.unwrap_or(u64::MAX))
            }
        });
        let _ = writeln!(text, "| {row} | {} |", shown.collect::<Vec<_>>().join(" | "));
    }
    (text, count)
}

#[test]
fn killed_at_any_point_it_ends_before_or_after_and_the_operator_sees_the_truth() {
    let tables: Vec<(&str, String, usize)> = std::thread::scope(|scope| {
        let made = Course::ALL.map(|(course, name)| (name, scope.spawn(move || table(course))));
        made.into_iter()
            .map(|(name, made)| {
                let (text, count) = made.join().unwrap();
                (name, text, count)
            })
            .collect()
    });
    let kills: usize = tables.iter().map(|(_, _, count)| count).sum();
    let mut text = format!(
        "{HEADING}\n\nMade by `UPDATE_MATRIX=1 cargo test --test simulation matrix`; the test compares. {kills} kills; two elements\n\
         of each class, and one of each in the last column. A row stands for all elements; `restore.cancel` is the send of a\n\
         cancel while an element is restored, `note` a write of what elements answered. The word says how the transaction\n\
         ended, the time is the longest from the next daemon's start to the end of the transaction. The operator's view was\n\
         read every 100 ms and had to be true. That no write and no send lies outside of these points is a law of the\n\
         simulation (*every write and every send has its points*); readings have none, a death there is the one before it.\n"
    );
    for (name, table, _) in &tables {
        let _ = write!(text, "\n### {name}\n\n{table}");
    }
    println!("{text}");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/crash-matrix.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let (before, section, behind) = cut(&kept);
    if std::env::var_os("UPDATE_MATRIX").is_some() {
        let gap = if behind.is_empty() { "" } else { "\n" };
        std::fs::write(&path, format!("{before}{text}{gap}{behind}")).unwrap();
        return;
    }
    assert_eq!(section.trim(), text.trim(), "docs/crash-matrix.md is out of date: UPDATE_MATRIX=1");
}

/// The document before our section, the section, and what comes behind it.
fn cut(kept: &str) -> (&str, &str, &str) {
    let Some(begin) = kept.find(HEADING) else { return (kept, "", "") };
    let after = begin + HEADING.len();
    let end = kept[after..].find("\n## ").map_or(kept.len(), |at| after + at + 1);
    (&kept[..begin], &kept[begin..end], &kept[end..])
}
