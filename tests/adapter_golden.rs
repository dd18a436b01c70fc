//! The golden cases of every adapter: `adapters/<name>/tests/<case>/`.
//!
//! * `element-service.json`: what the service asks. It must be accepted by `check`.
//! * `expected.xml` or `expected.cli`: the native configuration, as people see it.
//! * `before.json` with `payload.xml` or `payload.cli` (optional): what is sent when the service was `before.json` until now.
//! * `refused.txt` in place of `expected.*`: what `check` answers, a line per refusal.
//!
//! `UPDATE_GOLDEN=1` rewrites what is expected; the difference is reviewed like code. Every case also holds the laws: the
//! tree survives its own text, normalising is idempotent, the payload brings the simulated truth from before to after, and
//! libyang finds what a NETCONF adapter prints valid against the profiles in `yang/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

use andante::adapter::{Adapter, Payload, Transport};
use andante::service::ElementService;
use andante::tree::{ConfigTree, SchemaIndex, apply, diff, inverse};
use andante::yang::{DocumentKind, Encoding, ModuleSet, YangWorker};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[tokio::test]
async fn every_adapter_keeps_its_golden_cases() {
    let worker = YangWorker::spawn(Path::new(env!("CARGO_BIN_EXE_andanted")), &["yang-worker"], LIMIT);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for folder in folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters")) {
        let (adapter, set) = load(&folder, &worker).await;
        let cases = folders(&folder.join("tests"));
        assert!(cases.iter().any(|case| case.ends_with("change_vlan_id")), "{}: the first case", folder.display());
        for case in cases {
            seen += 1;
            let faults = run(&case, &adapter, set.as_deref(), &worker).await;
            wrong.extend(faults.into_iter().map(|fault| format!("{}: {fault}", case.display())));
        }
    }
    assert!(seen >= 20, "only {seen} golden cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_of_the_contract_is_one() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/element-service.md")).unwrap();
    let (_, rest) = guide.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let wanted: ElementService = serde_json::from_str(example).unwrap();
    let given: serde_json::Value = serde_json::from_str(example).unwrap();
    assert_eq!(serde_json::to_value(&wanted).unwrap(), given, "the example must show every field, and no other");
}

/// The adapter with the schema of its profiles, and the set to validate against.
async fn load(folder: &Path, worker: &YangWorker) -> (Adapter, Option<String>) {
    let adapter = Adapter::load(folder).unwrap_or_else(|error| panic!("{error}"));
    if adapter.transport() == Transport::Cli {
        return (adapter, None);
    }
    let (dir, _) = adapter.profiles().expect("a NETCONF adapter has profiles in yang/");
    let modules = &adapter.manifest().netconf.as_ref().expect("checked by load").modules;
    let names: Vec<&str> = modules.iter().map(String::as_str).collect();
    let loaded = worker.load(&ModuleSet::named(&names, &[dir])).await.unwrap();
    assert!(loaded.left_out.is_empty(), "{:?}", loaded.left_out);
    (adapter.with_schema(loaded.index.clone()), Some(loaded.id.clone()))
}

async fn run(case: &Path, adapter: &Adapter, set: Option<&str>, worker: &YangWorker) -> Vec<String> {
    let ending = if adapter.transport() == Transport::Cli { "cli" } else { "xml" };
    let wanted = service(&case.join("element-service.json"));
    let mut faults = Vec::new();
    if let Err(refusals) = adapter.check(&wanted) {
        let text: String = refusals.iter().map(|refusal| format!("{refusal}\n")).collect();
        faults.extend(expect(&case.join("refused.txt"), &text));
        return faults;
    }
    let after = match adapter.map(&wanted) {
        Ok(tree) => tree,
        Err(error) => return vec![error.to_string()],
    };
    let text = adapter.text(&after);
    faults.extend(expect(&case.join(format!("expected.{ending}")), &text));
    if adapter.map(&wanted).unwrap() != after {
        faults.push("map is not a function of its argument".into());
    }
    match adapter.parse(&text) {
        Ok(reading) if reading.tree != after || reading.opaque > 0 => {
            faults.push(format!("its own text reads differently: {:?}", diff(&after, &reading.tree)));
        }
        Ok(_) => {}
        Err(error) => faults.push(error.to_string()),
    }
    let normal = adapter.normalise(&after);
    if normal != after || adapter.normalise(&normal) != normal {
        faults.push("what a template prints must be normal, and normalising idempotent".into());
    }
    if let Some(set) = set {
        let found = worker.validate(set, DocumentKind::Config, Encoding::Xml, &text).await.unwrap();
        faults.extend(found.into_iter().map(|fault| format!("{}: {}", fault.path, fault.message)));
    }
    if case.join("before.json").exists() {
        let before = adapter.map(&service(&case.join("before.json"))).unwrap();
        let payload = payload(adapter, &before, &after);
        faults.extend(expect(&case.join(format!("payload.{ending}")), &payload));
    }
    faults
}

fn payload(adapter: &Adapter, before: &ConfigTree, after: &ConfigTree) -> String {
    let change = diff(before, after);
    assert_eq!(apply(&change, before).unwrap(), *after);
    assert_eq!(apply(&inverse(&change), after).unwrap(), *before);
    let payload = adapter.render(&change, before, after).unwrap();
    assert_eq!(payload, adapter.render(&change, before, after).unwrap(), "the same bytes each time");
    match payload {
        Payload::Netconf { config } => {
            let schema: &SchemaIndex = adapter.schema().unwrap();
            assert!(!schema.is_empty());
            // One element a line, for reviewers; the bytes that are sent have no line breaks.
            config.replace("><", ">\n<") + "\n"
        }
        payload => payload.native(),
    }
}

fn expect(file: &Path, found: &str) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file, found).unwrap();
        return None;
    }
    let expected = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return Some(format!("{}: {error} (UPDATE_GOLDEN=1 writes it)", file.display())),
    };
    (expected != found).then(|| {
        let lines = similar::TextDiff::from_lines(expected.as_str(), found);
        format!("{}\n{}", file.display(), lines.unified_diff().context_radius(2))
    })
}

fn service(file: &Path) -> ElementService {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

const LIMIT: Duration = Duration::from_secs(60);
