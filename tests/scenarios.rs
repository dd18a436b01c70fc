//! Golden scenarios: a request against a network on paper, and everything that the plan would say and send.
//!
//! `tests/scenarios/<case>/`
//! * `service.json`: what is put; or `before.json` (there already) and `after.json` (put; without it the service is deleted).
//!   `standing.json`: other services that are there already. Each file holds an RFC 7951 document, or
//!   `{"from": "NAME", "set": {POINTER: VALUE}}`: the document of `tests/documents` with some values changed.
//! * `elements/<name>/running.*`: what the element says before any service; without it `scenarios/elements/<name>/`.
//!   `elements/<name>/by-hand.*`: lines or an edit-config that somebody sends before the request.
//! * `allow.json` (optional): what the caller allows.
//! * `plan.txt`: the plan as people read it, or why it is refused. `elements/<name>/payload.*`: the exact bytes.
//!
//! `UPDATE_GOLDEN=1` rewrites what is expected; the difference is reviewed like code. Each case also holds the laws: the
//! payload does what the plan says, the undo goes back, and afterwards there is nothing left to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "scenarios/network.rs"]
mod network;
#[path = "support/paper.rs"]
mod paper;
#[path = "scenarios/words.rs"]
mod words;

use andante::adapter::Payload;
use network::{Network, Request};
use paper::{executed, root};
use std::fs;
use std::path::{Path, PathBuf};

#[tokio::test]
async fn every_scenario_says_and_sends_what_its_golden_says() {
    let blank = Network::load(&root("tests/scenarios/elements")).await;
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for case in folders(&root("tests/scenarios")) {
        if case.join("plan.txt").exists() || json(&case, "service").is_some() || json(&case, "before").is_some() {
            seen += 1;
            run(&case, blank.clone(), &mut wrong).await;
        }
    }
    assert!(seen >= 15, "only {seen} scenarios");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn run(case: &Path, mut network: Network, wrong: &mut Vec<String>) {
    network.furnish(case);
    for name in ["standing", "before"] {
        if let Some(document) = json(case, name) {
            let document = network.read(&document).await;
            let request = Request { put: document, delete: Vec::new() };
            let plan = network.plan(&request, &Default::default());
            let plan = plan.unwrap_or_else(|refused| panic!("{}: {name}: {refused:#?}", case.display()));
            network.commit(&plan);
        }
    }
    network.meddle(case);
    let put = match json(case, "service").or_else(|| json(case, "after")) {
        Some(document) => network.read(&document).await,
        None => Vec::new(),
    };
    let delete = match (put.is_empty(), json(case, "before")) {
        (true, Some(document)) => network.read(&document).await.into_iter().map(|(key, _)| key).collect(),
        _ => Vec::new(),
    };
    let request = Request { put, delete };
    let allowed = fs::read_to_string(case.join("allow.json"));
    let allowed = allowed.map_or_else(|_| Default::default(), |text| serde_json::from_str(&text).unwrap());
    let planned = network.plan(&request, &allowed);
    expect(&case.join("plan.txt"), &words::said(&planned), wrong);
    let Ok(plan) = planned else { return };
    assert_eq!(network.plan(&request, &allowed).unwrap().id, plan.id, "{}: twice the same plan", case.display());
    for element in &plan.elements {
        let folder = case.join("elements").join(&element.element);
        match &element.payload {
            // One element a line, for reviewers; the bytes that are sent have no line breaks.
            Payload::Netconf { config } => {
                expect(&folder.join("payload.xml"), &(config.replace("><", ">\n<") + "\n"), wrong);
            }
            payload @ Payload::Cli { .. } => expect(&folder.join("payload.cli"), &payload.native(), wrong),
        }
        let paper = &network.elements[&element.element];
        let after = executed(&paper.adapter, &paper.actual, &element.payload);
        assert!(element.is_before(&paper.actual) && element.is_after(&after), "{}", case.display());
        assert_eq!(executed(&paper.adapter, &after, &element.undo), paper.actual, "{}: undo", case.display());
    }
    for folder in folders(&case.join("elements")) {
        let named = plan.elements.iter().any(|element| folder.ends_with(&element.element));
        let golden = fs::read_dir(&folder)
            .unwrap()
            .any(|file| file.unwrap().file_name().to_string_lossy().starts_with("payload"));
        assert!(named || !golden, "{}: a payload without a plan", folder.display());
    }
    network.commit(&plan);
    let again = network.plan(&request, &allowed);
    assert!(
        request.put.is_empty() || again.unwrap().elements.is_empty(),
        "{}: something is left to do",
        case.display()
    );
}

/// The document of a case: as it stands there, or made from one of `tests/documents`.
fn json(case: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(case.join(name).with_extension("json")).ok()?;
    let value: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    let Some(from) = value.get("from") else { return Some(text) };
    let file = root("tests/documents").join(format!("{}.json", from.as_str().unwrap()));
    let mut document: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let services = document.as_object_mut().unwrap().values_mut().next().unwrap();
    let service = services.pointer_mut("/vpn-services/vpn-service/0").unwrap();
    for (pointer, new) in value.get("set").and_then(|set| set.as_object()).into_iter().flatten() {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let parent = service.pointer_mut(parent).unwrap_or_else(|| panic!("{}: {pointer}", case.display()));
        match parent {
            serde_json::Value::Array(items) => match items.get_mut(member.parse::<usize>().unwrap()) {
                Some(item) => *item = new.clone(),
                None => items.push(new.clone()),
            },
            object => object[member] = new.clone(),
        }
    }
    Some(document.to_string())
}

fn expect(file: &PathBuf, found: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected != found {
        let lines = similar::TextDiff::from_lines(expected.as_str(), found);
        wrong.push(format!("{}\n{}", file.display(), lines.unified_diff().context_radius(3)));
    }
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}
