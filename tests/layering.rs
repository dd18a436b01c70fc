//! Who may import whom. Reads the `crate::` paths of every source file and fails with file and line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should

use std::path::{Path, PathBuf};

/// A module and what it may use. `domain` types and `tree` are spelled out, so that the table is the whole truth.
const MAY_USE: &[(&str, &[&str])] = &[
    ("tree", &[]),
    ("domain", &["tree"]),
    ("service", &["tree", "domain"]),
    ("face", &["tree", "domain", "service"]),
    ("adapter", &["tree", "domain", "service"]),
    ("plan", &["tree", "domain", "service", "adapter"]),
    ("yang", &["tree"]),
    ("store", &["domain"]),
    ("adagio", &["tree", "domain", "adapter"]),
    ("transaction", &["plan", "adagio", "store", "domain", "tree", "adapter"]),
    ("controller", &["tree", "domain", "service", "face", "adapter", "plan", "yang", "store", "adagio", "transaction"]),
    ("reconcile", &["controller", "domain", "service", "plan", "tree"]),
    ("presto", &["controller", "domain", "service", "plan", "tree"]),
    ("noc", &["controller", "domain", "service", "plan", "tree"]),
    ("config", &[]),
];

/// Modules in which input, output, clocks and randomness have no place, with the words that would betray them.
const PURE: &[&str] = &["tree", "domain", "service", "face", "plan"];
const IMPURE_WORDS: &[&str] = &[
    "async fn",
    "tokio::",
    "std::fs",
    "std::net::Tcp",
    "std::process",
    "Timestamp::now",
    "SystemTime::now",
    "Instant::now",
    "getrandom",
    "std::env",
    "std::thread",
];

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in sources() {
        let Some(module) = module_of(&file) else { continue };
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            panic!("{}: module `{module}` is not in the table of tests/layering.rs", file.display());
        };
        for (number, line) in code(&file) {
            for used in crate_paths(&line) {
                seen += 1;
                if used != module && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}:{number}: `{module}` must not use `{used}`", file.display()));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} imports were found; the reader of this test is broken");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn pure_modules_do_no_input_or_output() {
    let mut wrong = Vec::new();
    for file in sources() {
        if !module_of(&file).is_some_and(|module| PURE.contains(&module.as_str())) {
            continue;
        }
        for (number, line) in code(&file) {
            for word in IMPURE_WORDS {
                if line.contains(word) {
                    wrong.push(format!("{}:{number}: `{word}` in a pure module", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn sql_stays_in_the_store_and_libyang_in_its_worker() {
    let mut wrong = Vec::new();
    for file in sources() {
        let text = file.display().to_string();
        for (number, line) in code(&file) {
            if line.contains("rusqlite") && !text.contains("/store/") {
                wrong.push(format!("{text}:{number}: SQL outside store/"));
            }
            if line.contains("yang5") && !text.contains("/yang/worker") {
                wrong.push(format!("{text}:{number}: libyang outside yang/worker"));
            }
            if line.contains("unsafe ") && !text.contains("/yang/worker") {
                wrong.push(format!("{text}:{number}: unsafe outside yang/worker"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn sources() -> Vec<PathBuf> {
    fn down(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                down(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    down(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    files.sort();
    files
}

/// The top-level module of a source file; `None` for `lib.rs`, `daemon.rs` and the binaries: they wire
/// the house and may use everything.
fn module_of(file: &Path) -> Option<String> {
    let relative = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    match first.strip_suffix(".rs").unwrap_or(first) {
        "lib" | "bin" | "daemon" => None,
        module => Some(module.into()),
    }
}

/// Lines of code with their numbers: comments are left out, and everything from the first `#[cfg(test)]` on.
fn code(file: &Path) -> Vec<(usize, String)> {
    let in_tests = file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
    if in_tests {
        return Vec::new();
    }
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.contains("#[cfg(test)]"))
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default().to_string()))
        .collect()
}

/// The modules that follow `crate::` in a line.
fn crate_paths(line: &str) -> Vec<String> {
    line.match_indices("crate::")
        .filter_map(|(at, _)| {
            let rest = &line[at + "crate::".len()..];
            let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            (!name.is_empty()).then_some(name)
        })
        .collect()
}
