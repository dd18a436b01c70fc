//! What a document or a comment points at is there: files, tests by name, other documents and their headings, targets of
//! `make`, test binaries. A move that forgets a signpost fails here, with file and line.
//!
//! It reads the documents as text: what a path is, is told by its first folder. A pattern (`adapters/*/yang/`) counts as the
//! folder before it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders of the project: a word that begins with one of them is a path.
const FOLDERS: [&str; 10] =
    ["src", "tests", "docs", "scripts", "benches", "config", "yang", "adapters", "systemd", "fuzz"];
/// Paths that are only told about, with the reason.
const TOLD: [&str; 2] = [
    // What a reader of docs/adapters.md is about to make.
    "adapters/acme/adapter.toml",
    // What a fuzzer makes when it has found something.
    "fuzz/artifacts",
];

#[test]
fn every_path_that_is_named_is_there() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (place, line) in lines() {
        let document = place.0.extension().is_some_and(|ending| ending == "md");
        for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || "_./@*<>{}-:".contains(c))) {
            let (path, test) = word.split_once("::").unwrap_or((word, ""));
            let path = path.trim_end_matches(['.', ':', '/']);
            let rooted = path.split_once('/').is_some_and(|(first, _)| FOLDERS.contains(&first));
            // In a document a path may begin inside of `src` or `tests`.
            let short = document && path.contains('/') && path.ends_with(".rs");
            if !(rooted || short) || TOLD.contains(&path) {
                continue;
            }
            seen += 1;
            let known = path.split(['*', '<', '{']).next().unwrap();
            let known = if known == path { path } else { known.rsplit_once('/').map_or("", |(folder, _)| folder) };
            let found = ["", "src", "tests"].map(|above| root().join(above).join(known));
            match found.iter().find(|path| path.exists()) {
                None => wrong.push(format!("{}: there is no {path}", shown(&place))),
                Some(file) if document && file.is_file() && !test.is_empty() => {
                    let name = test.rsplit("::").next().unwrap();
                    if !std::fs::read_to_string(file).unwrap().contains(name) {
                        wrong.push(format!("{}: {path} has no {name}", shown(&place)));
                    }
                }
                Some(_) => {}
            }
        }
    }
    assert!(seen > 300, "only {seen} paths were found; the reader of this test is broken");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_link_leads_to_a_document_and_its_heading() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (place, line) in lines().into_iter().filter(|((file, _), _)| file.extension().is_some_and(|of| of == "md")) {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            if link.starts_with("https://") {
                continue;
            }
            seen += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { place.0.clone() } else { place.0.with_file_name(file) };
            match std::fs::read_to_string(&file) {
                Ok(text) if heading.is_empty() || anchors(&text).contains(heading) => {}
                Ok(_) => wrong.push(format!("{}: no heading makes #{heading}", shown(&place))),
                Err(_) if file.is_dir() => {}
                Err(error) => wrong.push(format!("{}: {link}: {error}", shown(&place))),
            }
        }
    }
    assert!(seen > 20, "only {seen} links were found; the reader of this test is broken");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_command_that_is_named_is_there() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.strip_prefix(".PHONY: ")).flat_map(str::split_whitespace).collect();
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (place, line) in lines() {
        let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || "`()|,;".contains(c)).collect();
        for pair in words.windows(2) {
            let is_there = match pair[0] {
                // In prose "make" is a verb: a target stands in backticks, or begins a line of a block.
                "make" if line.contains(&format!("`make {}", pair[1])) => targets.contains(pair[1]),
                "--test" => {
                    let tests = root().join("tests");
                    let named = format!("name = \"{}\"", pair[1]);
                    tests.join(pair[1]).join("main.rs").exists()
                        || tests.join(format!("{}.rs", pair[1])).exists()
                        || manifest.contains(&named)
                }
                "--bench" => root().join("benches").join(format!("{}.rs", pair[1])).exists(),
                _ => continue,
            };
            seen += 1;
            if !is_there {
                wrong.push(format!("{}: there is no {} {}", shown(&place), pair[0], pair[1]));
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were found; the reader of this test is broken");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What headings are called in links: small letters, digits and dashes.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    headings.map(anchor).collect()
}

type Place = (PathBuf, usize);

fn shown((file, line): &Place) -> String {
    format!("{}:{line}", file.strip_prefix(root()).unwrap_or(file).display())
}

/// All lines of documents, scripts and the Makefile, and the comments of the code.
fn lines() -> Vec<(Place, String)> {
    let mut files: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "Makefile"].map(|name| root().join(name)).into();
    for folder in FOLDERS {
        below(&root().join(folder), &mut files);
    }
    let mut lines = Vec::new();
    for file in files {
        let code = file.extension().is_some_and(|ending| ending == "rs");
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            if !code || line.trim_start().starts_with("//") {
                lines.push(((file.clone(), number + 1), line.to_owned()));
            }
        }
    }
    lines
}

/// Files in which people read about other files.
fn below(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | "corpus" | "artifacts" | "coverage") {
            below(&path, out);
        } else if [".md", ".rs", ".sh", ".py"].iter().any(|ending| name.ends_with(ending)) {
            out.push(path);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
