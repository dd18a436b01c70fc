//! A module set: which modules are wanted, where their texts are, and the content id that names the result.
//!
//! Directories are searched in order and the first one that has a module wins, so that an operator can put the RFC's own
//! file before ours. The texts of imported and included modules are found by a scan for `import` and `include` statements;
//! a false hit (such a line inside a description) costs a text that nobody uses, never a wrong one.

use super::protocol::{Named, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Module name.
    pub name: String,
    /// Revision date; `None` takes the newest of the first directory that has the module.
    pub revision: Option<String>,
    /// Features to enable; `*` alone enables all.
    pub features: Vec<String>,
}

impl Wanted {
    /// The module with all its features.
    pub fn all_features(name: &str) -> Self {
        Self { name: name.into(), revision: None, features: vec!["*".into()] }
    }
}

/// A module set to be compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleSet {
    /// The modules to implement. Empty means: every module of the directories and texts.
    pub modules: Vec<Wanted>,
    /// Directories with `name.yang` or `name@revision.yang`, the first one wins.
    pub dirs: Vec<PathBuf>,
    /// Module texts that come from elsewhere (`get-schema`); they win over the directories.
    pub texts: Vec<String>,
}

/// A module set with its texts.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// BLAKE3 over names, revisions, features and texts.
    pub content_id: String,
    /// The modules to implement.
    pub modules: Vec<Named>,
    /// All texts.
    pub sources: Vec<Source>,
}

/// Why the texts of a module set could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A directory cannot be listed.
    #[error("{}: cannot list the directory of YANG modules", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A file cannot be read.
    #[error("{}: cannot read the YANG module", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A file is too large to be a module.
    #[error("{}: larger than {MAX_SOURCE} bytes", file.display())]
    TooLarge {
        /// Which.
        file: PathBuf,
    },
    /// A text does not begin like a module.
    #[error("a text is no YANG module: it begins with '{beginning}'")]
    NoModule {
        /// The first characters.
        beginning: String,
    },
}

/// Largest module text in bytes.
const MAX_SOURCE: u64 = 16 << 20;

impl ModuleSet {
    /// These modules with all features, from these directories.
    pub fn named(names: &[&str], dirs: &[&Path]) -> Self {
        Self {
            modules: names.iter().map(|name| Wanted::all_features(name)).collect(),
            dirs: dirs.iter().map(|dir| dir.to_path_buf()).collect(),
            texts: Vec::new(),
        }
    }

    /// Reads the texts that the set needs. A module that is nowhere is not an error here: it may be one of libyang's own, and
    /// otherwise the worker leaves it out by name.
    pub fn resolve(&self) -> Result<Resolved, SourceError> {
        let mut library = Library::default();
        for text in &self.texts {
            let Some(head) = Head::of(text) else {
                return Err(SourceError::NoModule { beginning: text.chars().take(40).collect() });
            };
            let key = (head.name.clone(), head.revision.clone().unwrap_or_default());
            library.texts.insert(key, text.clone());
        }
        for dir in &self.dirs {
            library.files.push(list(dir)?);
        }
        let modules: Vec<Named> = if self.modules.is_empty() {
            library.all()?.into_iter().map(|name| Named { name, revision: None, features: vec!["*".into()] }).collect()
        } else {
            let named =
                |m: &Wanted| Named { name: m.name.clone(), revision: m.revision.clone(), features: m.features.clone() };
            self.modules.iter().map(named).collect()
        };
        let sources = library.closure(&modules)?;
        let modules = imported_first(modules, &sources);
        let content_id = content_id(&modules, &sources);
        Ok(Resolved { content_id, modules, sources })
    }
}

/// Puts modules that others import before these: a module that is first met as an import is compiled without its
/// features, and what depends on them is missing in all that was compiled with it.
fn imported_first(modules: Vec<Named>, sources: &[Source]) -> Vec<Named> {
    let needs: BTreeMap<&str, Vec<String>> = sources
        .iter()
        .filter_map(|source| Some((source.name.as_str(), Head::of(&source.text)?.needs)))
        .map(|(name, needs)| (name, needs.into_iter().map(|(name, _)| name).collect()))
        .collect();
    let (mut seen, mut order): (BTreeSet<String>, Vec<String>) = Default::default();
    for module in &modules {
        // Depth first without recursion: a name is taken up again once all that it needs is in the order.
        let mut waiting = vec![(module.name.clone(), false)];
        while let Some((name, done)) = waiting.pop() {
            if done {
                order.push(name);
            } else if seen.insert(name.clone()) {
                let needed = needs.get(name.as_str()).into_iter().flatten().rev();
                let needed: Vec<_> = needed.map(|name| (name.clone(), false)).collect();
                waiting.push((name, true));
                waiting.extend(needed);
            }
        }
    }
    let mut modules = modules;
    modules.sort_by_key(|module| order.iter().position(|name| *name == module.name));
    modules
}

/// All texts that can be had.
#[derive(Default)]
struct Library {
    texts: BTreeMap<(String, String), String>,
    /// Per directory: name and revision (empty: none in the file name) to file.
    files: Vec<BTreeMap<(String, String), PathBuf>>,
}

impl Library {
    /// All modules (not submodules), each name once.
    fn all(&self) -> Result<Vec<String>, SourceError> {
        let mut names: BTreeSet<&str> = self.texts.keys().map(|(name, _)| name.as_str()).collect();
        names.extend(self.files.iter().flat_map(|dir| dir.keys()).map(|(name, _)| name.as_str()));
        let mut modules = Vec::new();
        for name in names {
            if let Some(text) = self.text(name, None)?
                && Head::of(&text).is_some_and(|head| !head.submodule)
            {
                modules.push(name.to_owned());
            }
        }
        Ok(modules)
    }

    /// The text of a module: texts first, then the directories in order; the newest revision when none is asked for.
    fn text(&self, name: &str, revision: Option<&str>) -> Result<Option<String>, SourceError> {
        let fits = |key: &&(String, String)| key.0 == name && revision.is_none_or(|revision| key.1 == revision);
        let newest = self.texts.keys().rfind(fits);
        if let Some(text) = newest.and_then(|key| self.texts.get(key)) {
            return Ok(Some(text.clone()));
        }
        for dir in &self.files {
            if let Some(file) = dir.keys().rfind(fits).and_then(|key| dir.get(key)) {
                return read(file).map(Some);
            }
            // A file without revision in its name may be the one.
            if let Some(file) = dir.get(&(name.to_owned(), String::new())) {
                let text = read(file)?;
                let has = Head::of(&text).and_then(|head| head.revision);
                if revision.is_none() || has.as_deref() == revision {
                    return Ok(Some(text));
                }
            }
        }
        Ok(None)
    }

    fn closure(&self, modules: &[Named]) -> Result<Vec<Source>, SourceError> {
        let mut waiting: Vec<(String, Option<String>)> =
            modules.iter().map(|module| (module.name.clone(), module.revision.clone())).collect();
        let mut seen: BTreeSet<(String, Option<String>)> = waiting.iter().cloned().collect();
        let mut sources: BTreeMap<(String, Option<String>), Source> = BTreeMap::new();
        while let Some((name, revision)) = waiting.pop() {
            let Some(text) = self.text(&name, revision.as_deref())? else { continue };
            let Some(head) = Head::of(&text) else { continue };
            for need in head.needs {
                if seen.insert(need.clone()) {
                    waiting.push(need);
                }
            }
            sources.insert((name.clone(), head.revision.clone()), Source { name, revision: head.revision, text });
        }
        Ok(sources.into_values().collect())
    }
}

fn list(dir: &Path) -> Result<BTreeMap<(String, String), PathBuf>, SourceError> {
    let fault = |cause| SourceError::Directory { dir: dir.to_path_buf(), cause };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(fault)? {
        let file = entry.map_err(fault)?.path();
        let Some(stem) = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".yang"))
        else {
            continue;
        };
        let (name, revision) = stem.split_once('@').unwrap_or((stem, ""));
        files.insert((name.to_owned(), revision.to_owned()), file);
    }
    Ok(files)
}

fn read(file: &Path) -> Result<String, SourceError> {
    let fault = |cause| SourceError::File { file: file.to_path_buf(), cause };
    if fs::metadata(file).map_err(fault)?.len() > MAX_SOURCE {
        return Err(SourceError::TooLarge { file: file.to_path_buf() });
    }
    let bytes = fs::read(file).map_err(fault)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn content_id(modules: &[Named], sources: &[Source]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut field = |text: &str| {
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    };
    for module in modules {
        field("module");
        field(&module.name);
        field(module.revision.as_deref().unwrap_or_default());
        field(&module.features.join(" "));
    }
    for source in sources {
        field("source");
        field(&source.name);
        field(source.revision.as_deref().unwrap_or_default());
        field(&source.text);
    }
    hasher.finalize().to_hex().to_string()
}

/// What a module text says about itself.
struct Head {
    name: String,
    submodule: bool,
    /// The first `revision` statement, which is the newest by rule (RFC 7950 §7.1.9).
    revision: Option<String>,
    /// What it imports and includes.
    needs: Vec<(String, Option<String>)>,
}

impl Head {
    fn of(text: &str) -> Option<Self> {
        let mut words = Words(text);
        let submodule = match words.next()? {
            "module" => false,
            "submodule" => true,
            _ => return None,
        };
        let mut head = Self { name: words.next()?.to_owned(), submodule, revision: None, needs: Vec::new() };
        while let Some(word) = words.next() {
            match word {
                "revision" if head.revision.is_none() => {
                    head.revision = words.next().filter(|date| is_date(date)).map(str::to_owned);
                }
                "import" | "include" => {
                    let Some(name) = words.next() else { break };
                    head.needs.push((name.to_owned(), None));
                }
                "revision-date" => {
                    if let (Some(date), Some(last)) = (words.next().filter(|date| is_date(date)), head.needs.last_mut())
                        && last.1.is_none()
                    {
                        last.1 = Some(date.to_owned());
                    }
                }
                _ => {}
            }
        }
        Some(head)
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() })
}

/// The words of a YANG text, without comments; a quoted string is one word, braces and semicolons are none.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.0 = self.0.trim_start_matches(|c: char| c.is_whitespace() || "{};+\u{feff}".contains(c));
            if let Some(rest) = self.0.strip_prefix("//") {
                self.0 = rest.find('\n').map_or("", |at| &rest[at..]);
            } else if let Some(rest) = self.0.strip_prefix("/*") {
                self.0 = rest.find("*/").map_or("", |at| &rest[at + 2..]);
            } else {
                break;
            }
        }
        let first = self.0.chars().next()?;
        if first == '"' || first == '\'' {
            let body = &self.0[1..];
            let mut escaped = false;
            let end = body.char_indices().find(|(_, c)| {
                let ends = *c == first && !escaped;
                escaped = first == '"' && *c == '\\' && !escaped;
                ends
            });
            let end = end.map_or(body.len(), |(at, _)| at);
            self.0 = body.get(end + 1..).unwrap_or("");
            return Some(&body[..end]);
        }
        let end = self.0.find(|c: char| c.is_whitespace() || "{};".contains(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_names_revision_imports_and_includes_but_not_what_comments_say() {
        let head = Head::of(
            "// import no { }\n/* include no; */ module \"a\" { prefix a; import b { prefix b; revision-date 2020-01-01; }\n\
             include c; description \"quoted import d \\\" import e\"; revision '2024-02-03'; revision 2020-01-01; }",
        )
        .unwrap();
        assert_eq!((head.name.as_str(), head.submodule), ("a", false));
        assert_eq!(head.revision.as_deref(), Some("2024-02-03"));
        assert_eq!(head.needs, [("b".into(), Some("2020-01-01".into())), ("c".into(), None)]);
        assert!(Head::of("<module/>").is_none());
    }

    #[test]
    fn what_is_imported_comes_first() {
        let text = |name: &str, import: &str| format!("module {name} {{ {import} }}");
        let set = ModuleSet {
            texts: vec![text("a", "import c {}"), text("b", "import a {}"), text("c", "include x;")],
            ..ModuleSet::default()
        };
        let names: Vec<String> = set.resolve().unwrap().modules.into_iter().map(|module| module.name).collect();
        assert_eq!(names, ["c", "a", "b"]);
    }

    #[test]
    fn the_first_directory_wins_and_the_content_id_follows_the_texts() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let module = |note: &str| format!("module a {{ namespace a; prefix a; description '{note}'; }}");
        fs::write(second.path().join("a@2024-01-01.yang"), module("second")).unwrap();
        let set = ModuleSet::named(&["a"], &[first.path(), second.path()]);
        let before = set.resolve().unwrap();
        assert!(before.sources[0].text.contains("second"));
        fs::write(first.path().join("a.yang"), module("first")).unwrap();
        let after = set.resolve().unwrap();
        assert!(after.sources[0].text.contains("first"));
        assert_ne!(before.content_id, after.content_id);
        assert_eq!(after.content_id, set.resolve().unwrap().content_id);
    }
}
