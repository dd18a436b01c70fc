//! `docs/faults.md` says for each known fault which test shows what happens, `docs/recovery.md` for each phase of a
//! transaction. Here: that the tests are there. And that whoever is refused finds the cause in both guides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

use std::path::Path;

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of all tables of a document, as cells, with their line numbers.
fn rows(document: &str) -> Vec<(usize, Vec<String>)> {
    let text = read(document);
    let lines = text.lines().enumerate().filter(|(_, line)| line.starts_with("| "));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = lines.map(|(number, line)| (number + 1, cells(line)));
    rows.filter(|(_, cells)| !matches!(cells[0].as_str(), "Fault" | "Fact" | "Last durable phase" | "What")).collect()
}

/// The names in backticks that look like `file::test`.
fn named(cell: &str) -> Vec<(String, String)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    let pairs = quoted.filter_map(|name| name.split_once(".rs::"));
    pairs.map(|(file, test)| (format!("{file}.rs"), test.to_owned())).collect()
}

#[test]
fn every_fault_has_its_test_or_the_reason_why_not() {
    let rows = rows("docs/faults.md");
    assert!(rows.len() > 80, "only {} rows were found; the reader of this test is broken", rows.len());
    let reasons = shown("docs/faults.md", &rows, 3);
    assert!(reasons < 8, "{reasons} faults have only a reason");
}

/// Every phase of the machine has its rows, and every row its tests.
#[test]
fn every_phase_has_its_rows_and_every_row_its_test() {
    let rows = rows("docs/recovery.md");
    assert!(rows.len() > 15, "only {} rows were found; the reader of this test is broken", rows.len());
    assert_eq!(shown("docs/recovery.md", &rows, 4), 0, "a phase without a test");
    let text = read("src/domain/transaction.rs");
    let phases = text.split("pub enum Phase {").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    let phases = phases.lines().filter_map(|line| line.trim().strip_suffix(','));
    let phases: Vec<String> = phases.filter(|line| !line.starts_with("//")).map(str::to_lowercase).collect();
    assert!(phases.contains(&"decided".to_owned()), "the reader of this test is broken: {phases:?}");
    // Nothing is ever durable in it: the document says so.
    for phase in phases.iter().filter(|phase| *phase != "confirmed") {
        let of = rows.iter().filter(|(_, cells)| {
            let named = cells[0].split(':').next().unwrap();
            named.split(", ").any(|word| word == phase)
        });
        // The daemon dies, and an element does.
        assert!(of.count() >= 2, "docs/recovery.md: {phase} has not both of its rows");
    }
}

/// Demands of every row that no cell is empty and that its last one names tests that are there, or the reason why there is
/// none. Answers how many have a reason only.
fn shown(document: &str, rows: &[(usize, Vec<String>)], columns: usize) -> usize {
    let mut wrong = Vec::new();
    let mut reasons = 0;
    for (line, cells) in rows {
        let Some((shown, said)) = cells.split_last().filter(|_| cells.len() == columns) else {
            wrong.push(format!("{document}:{line}: {} cells", cells.len()));
            continue;
        };
        if said.iter().any(String::is_empty) {
            wrong.push(format!("{document}:{line}: an empty cell"));
        }
        let reason = shown.strip_prefix("no test: ").is_some_and(|reason| reason.len() > 20);
        reasons += usize::from(reason);
        let tests = named(shown);
        if tests.is_empty() && !reason {
            wrong.push(format!("{document}:{line}: neither a test nor a reason"));
        }
        for (file, test) in tests {
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).unwrap_or_default();
            // The attribute stands in the line before, or above others of its kind.
            let at = text.find(&format!("fn {test}("));
            let is_test = at.is_some_and(|at| {
                let head = text[..at].trim_end_matches("async ").trim_end();
                let above = head.lines().rev().take_while(|line| line.trim_start().starts_with("#["));
                above.into_iter().any(|line| line.contains("test"))
            });
            if !is_test {
                wrong.push(format!("{document}:{line}: there is no test {file}::{test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    reasons
}

/// Each of the numbered facts has its row.
#[test]
fn no_fact_is_forgotten() {
    let rows = rows("docs/faults.md");
    for number in (1..=10).chain(20..=25) {
        let fact = format!("F{number} ");
        assert_eq!(rows.iter().filter(|(_, cells)| cells[0].starts_with(&fact)).count(), 1, "{fact}");
    }
}

/// Every cause that the daemon can name stands in the guide for orchestrators and in the table for the NOC.
#[test]
fn every_cause_is_in_both_guides() {
    let module = read("yang/andante.yang");
    let causes = module.split("leaf cause {").find(|part| part.contains("enum claim-conflict")).unwrap();
    let causes = causes.split("\n      }\n").next().unwrap();
    let causes: Vec<&str> =
        causes.lines().filter_map(|line| line.trim().strip_prefix("enum ")?.strip_suffix(" {")).collect();
    assert!(causes.len() > 12 && causes.contains(&"incomplete"), "the reader of this test is broken: {causes:?}");
    let (guide, noc) = (read("docs/orchestrator.md"), rows("docs/noc.md"));
    let listed = guide.split("Causes: ").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    for cause in causes {
        let quoted = format!("`{cause}`");
        assert!(listed.contains(&quoted), "docs/orchestrator.md does not list {quoted}");
        assert!(
            noc.iter().any(|(_, cells)| cells[0].contains(&quoted)),
            "docs/noc.md does not say what {quoted} means"
        );
    }
}

/// The time of day may jump. Whatever waits asks tokio's clock or the transaction's own, which do not.
#[test]
fn limits_are_not_counted_by_the_time_of_day() {
    let mut wrong = Vec::new();
    let mut asked = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let line = line.trim_start();
                if !line.starts_with("//") && (line.contains("SystemTime::now") || line.contains("Timestamp::now")) {
                    let place = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
                    asked += 1;
                    if !TIME_OF_DAY.contains(&place.as_str()) {
                        wrong.push(format!("{place}:{}: {line}", number + 1));
                    }
                }
            }
        }
    }
    assert!(asked > 0, "the reader of this test is broken");
    assert!(wrong.is_empty(), "the time of day is asked for by\n{}", wrong.join("\n"));
}

/// Who may ask for the time of day: the clock of the records (`SystemAmbient::now`), and the command, for people.
const TIME_OF_DAY: [&str; 3] = ["src/transaction/mod.rs", "src/noc/verbs.rs", "src/noc/watch.rs"];
