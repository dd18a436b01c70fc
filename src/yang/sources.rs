//! A module set: which modules are wanted, where their texts are, and the content id that names the result.
//!
//! Directories are searched in order and the first one that has a module wins, so that an operator can put the RFC's own
//! file before ours. The texts of imported and included modules are found by reading the beginning of each module.

use super::protocol::Named;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// The text of a module or submodule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Module name.
    pub name: String,
    /// Revision, if it says one.
    pub revision: Option<String>,
    /// YANG text.
    pub text: Arc<str>,
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
    /// The texts are too much together.
    #[error("the texts of a module set are more than {MAX_SOURCES} or together larger than {MAX_BYTES} bytes")]
    TooMuch,
    /// A text does not begin like a module.
    #[error("a text is no YANG module: it begins with '{beginning}'")]
    NoModule {
        /// The first characters.
        beginning: String,
    },
}

/// Largest module text in bytes.
const MAX_SOURCE: u64 = 16 << 20;
/// Most texts of a set, and most bytes of all of them. The genuine modules of a large router are 900 with 12 MB.
const MAX_SOURCES: usize = 5000;
const MAX_BYTES: usize = 128 << 20;

impl ModuleSet {
    /// These modules with all features, from these directories.
    pub fn named(names: &[&str], dirs: &[&Path]) -> Self {
        Self {
            modules: names.iter().map(|name| Wanted::all_features(name)).collect(),
            dirs: dirs.iter().map(|dir| dir.to_path_buf()).collect(),
            texts: Vec::new(),
        }
    }

    /// The same set with these modules from a folder of interface profiles, as far as it has them; `None` where it has none.
    pub fn instead(&self, names: &BTreeSet<String>, profiles: &Path) -> Result<Option<Self>, SourceError> {
        let mut set = self.clone();
        let mut found = BTreeSet::new();
        for ((name, _), file) in list(profiles)?.into_iter().filter(|((name, _), _)| names.contains(name)) {
            set.texts.retain(|text| Head::of(text).is_none_or(|head| head.name != name));
            set.texts.push(read(&file)?);
            found.insert(name);
        }
        // A profile may be of another revision; its served nodes are the same.
        set.modules.iter_mut().filter(|module| found.contains(&module.name)).for_each(|module| module.revision = None);
        Ok((!found.is_empty()).then_some(set))
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
            library.texts.insert(key, Arc::new(Module { text: text.as_str().into(), head: Some(head) }));
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
        let found = library.closure(&modules)?;
        let modules = imported_first(modules, &found);
        let sources: Vec<Source> = found
            .into_iter()
            .map(|((name, revision), module)| Source { name, revision, text: module.text.clone() })
            .collect();
        let content_id = content_id(&modules, &sources);
        Ok(Resolved { content_id, modules, sources })
    }
}

/// Puts modules that others import before these: a module that is first met as an import is compiled without its
/// features, and what depends on them is missing in all that was compiled with it.
fn imported_first(modules: Vec<Named>, found: &Found) -> Vec<Named> {
    let needs: BTreeMap<&str, Vec<&str>> = found
        .iter()
        .filter_map(|((name, _), module)| Some((name.as_str(), module.head.as_ref()?)))
        .map(|(name, head)| (name, head.needs.iter().map(|(name, _)| name.as_str()).collect()))
        .collect();
    let mut order: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for module in &modules {
        // Depth first without recursion: a name is taken up again once all that it needs is in the order.
        let mut waiting = vec![(module.name.as_str(), false)];
        while let Some((name, done)) = waiting.pop() {
            if done {
                let place = order.len();
                order.insert(name.to_owned(), place);
            } else if seen.insert(name) {
                waiting.push((name, true));
                waiting.extend(needs.get(name).into_iter().flatten().rev().map(|name| (*name, false)));
            }
        }
    }
    let mut modules = modules;
    modules.sort_by_key(|module| order.get(&module.name).copied());
    modules
}

/// A text and what it says about itself.
struct Module {
    text: Arc<str>,
    head: Option<Head>,
}

/// Texts by name and the revision that they say.
type Found = BTreeMap<(String, Option<String>), Arc<Module>>;

/// All texts that can be had. Each file is read once.
#[derive(Default)]
struct Library {
    texts: BTreeMap<(String, String), Arc<Module>>,
    /// Per directory: name and revision (empty: none in the file name) to file.
    files: Vec<BTreeMap<(String, String), PathBuf>>,
    read: BTreeMap<PathBuf, Arc<Module>>,
    bytes: usize,
}

impl Library {
    /// All modules (not submodules), each name once.
    fn all(&mut self) -> Result<Vec<String>, SourceError> {
        let mut names: BTreeSet<String> = self.texts.keys().map(|(name, _)| name.clone()).collect();
        names.extend(self.files.iter().flat_map(|dir| dir.keys()).map(|(name, _)| name.clone()));
        let mut modules = Vec::new();
        for name in names {
            if let Some(module) = self.module(&name, None)?
                && module.head.as_ref().is_some_and(|head| !head.submodule)
            {
                modules.push(name);
            }
        }
        Ok(modules)
    }

    /// A module: texts first, then the directories in order; the newest revision when none is asked for.
    fn module(&mut self, name: &str, revision: Option<&str>) -> Result<Option<Arc<Module>>, SourceError> {
        let (from, to) = ((name.to_owned(), String::new()), (name.to_owned(), LAST.to_owned()));
        let newest = |keys: &BTreeMap<(String, String), PathBuf>| {
            let mut range = keys.range(from.clone()..=to.clone());
            range.rfind(|(key, _)| revision.is_none_or(|revision| key.1 == revision)).map(|(_, file)| file.clone())
        };
        let mut texts = self.texts.range(from.clone()..=to.clone());
        if let Some((_, module)) = texts.rfind(|(key, _)| revision.is_none_or(|revision| key.1 == revision)) {
            return Ok(Some(module.clone()));
        }
        for place in 0..self.files.len() {
            if let Some(file) = newest(&self.files[place]) {
                return self.file(file).map(Some);
            }
            // A file without revision in its name may be the one.
            if let Some(file) = self.files[place].get(&from).cloned() {
                let module = self.file(file)?;
                let says = module.head.as_ref().and_then(|head| head.revision.as_deref());
                if revision.is_none() || says == revision {
                    return Ok(Some(module));
                }
            }
        }
        Ok(None)
    }

    fn file(&mut self, file: PathBuf) -> Result<Arc<Module>, SourceError> {
        if let Some(known) = self.read.get(&file) {
            return Ok(known.clone());
        }
        let text = read(&file)?;
        self.bytes += text.len();
        if self.bytes > MAX_BYTES || self.read.len() >= MAX_SOURCES {
            return Err(SourceError::TooMuch);
        }
        let module = Arc::new(Module { head: Head::of(&text), text: text.into() });
        self.read.insert(file, module.clone());
        Ok(module)
    }

    fn closure(&mut self, modules: &[Named]) -> Result<Found, SourceError> {
        let mut waiting: Vec<(String, Option<String>)> =
            modules.iter().map(|module| (module.name.clone(), module.revision.clone())).collect();
        let mut seen: BTreeSet<(String, Option<String>)> = waiting.iter().cloned().collect();
        let mut found = Found::new();
        while let Some((name, revision)) = waiting.pop() {
            let Some(module) = self.module(&name, revision.as_deref())? else { continue };
            let Some(head) = &module.head else { continue };
            for need in &head.needs {
                if seen.insert(need.clone()) {
                    waiting.push(need.clone());
                }
            }
            found.insert((name, head.revision.clone()), module);
        }
        Ok(found)
    }
}

/// Behind every revision.
const LAST: &str = "\u{10ffff}";

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Module name.
    pub name: String,
    /// It is a submodule.
    pub submodule: bool,
    /// The first `revision` statement, which is the newest by rule (RFC 7950 §7.1.9).
    pub revision: Option<String>,
    /// What it imports and includes, with the revision where it asks for one.
    pub needs: Vec<(String, Option<String>)>,
}

impl Head {
    /// Reads the beginning of a module or submodule; `None` when the text is neither. What stands behind the first
    /// statement of the body is not looked at: linkage and revisions come before it (RFC 7950 §14, `module-stmt`).
    pub fn of(text: &str) -> Option<Self> {
        let mut tokens = Tokens(text);
        let submodule = match tokens.word()? {
            "module" => false,
            "submodule" => true,
            _ => return None,
        };
        let mut head = Self { name: tokens.word()?.to_owned(), submodule, revision: None, needs: Vec::new() };
        let (mut depth, mut keyword, mut around) = (0_usize, None, "");
        for token in tokens {
            match (token, keyword) {
                (Token::Word(word), None) if depth == 1 && BODY.contains(&word) => break,
                (Token::Word(word), None) => keyword = Some(word),
                (Token::Word(name), Some("import" | "include")) if depth == 1 => {
                    head.needs.push((name.to_owned(), None));
                }
                (Token::Word(date), Some("revision")) if depth == 1 && head.revision.is_none() => {
                    head.revision = Some(date).filter(|date| is_date(date)).map(str::to_owned);
                }
                (Token::Word(date), Some("revision-date")) if depth == 2 && matches!(around, "import" | "include") => {
                    if let Some(last) = head.needs.last_mut() {
                        last.1 = Some(date).filter(|date| is_date(date)).map(str::to_owned);
                    }
                }
                (Token::Word(_), Some(_)) => {}
                (Token::Open, _) => {
                    if depth == 1 {
                        around = keyword.unwrap_or_default();
                    }
                    (depth, keyword) = (depth + 1, None);
                }
                (Token::Close, _) => {
                    (depth, keyword) = (depth.saturating_sub(1), None);
                    if depth == 0 {
                        break;
                    }
                }
                (Token::End, _) => keyword = None,
            }
        }
        Some(head)
    }
}

/// The statements of a module's body.
const BODY: [&str; 17] = [
    "extension",
    "feature",
    "identity",
    "typedef",
    "grouping",
    "container",
    "leaf",
    "leaf-list",
    "list",
    "choice",
    "anydata",
    "anyxml",
    "uses",
    "augment",
    "rpc",
    "notification",
    "deviation",
];

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() })
}

/// The tokens of a YANG text, without comments (RFC 7950 §6.1).
struct Tokens<'a>(&'a str);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    /// A keyword or an argument; of a quoted string what is inside the quotes, as it stands there.
    Word(&'a str),
    Open,
    Close,
    End,
}

impl<'a> Tokens<'a> {
    /// The next token, if it is a word.
    fn word(&mut self) -> Option<&'a str> {
        match self.next()? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            // A sign that joins two strings is as good as a blank here.
            self.0 = self.0.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n', '+']);
            if let Some(rest) = self.0.strip_prefix("//") {
                self.0 = rest.find('\n').map_or("", |at| &rest[at..]);
            } else if let Some(rest) = self.0.strip_prefix("/*") {
                self.0 = rest.find("*/").map_or("", |at| &rest[at + 2..]);
            } else {
                break;
            }
        }
        let bytes = self.0.as_bytes();
        let single = match bytes.first()? {
            b'{' => Some(Token::Open),
            b'}' => Some(Token::Close),
            b';' => Some(Token::End),
            _ => None,
        };
        if single.is_some() {
            self.0 = &self.0[1..];
            return single;
        }
        if let quote @ (b'"' | b'\'') = bytes[0] {
            let mut end = 1;
            while let Some(byte) = bytes.get(end).filter(|byte| **byte != quote) {
                end += if *byte == b'\\' && quote == b'"' { 2 } else { 1 };
            }
            let end = end.min(bytes.len());
            // Both ends are quotes or the end of the text: never inside of a character.
            let word = self.0.get(1..end).unwrap_or_default();
            self.0 = self.0.get(end + 1..).unwrap_or("");
            return Some(Token::Word(word));
        }
        let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'}' | b';');
        let end = bytes.iter().position(ends).unwrap_or(bytes.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(Token::Word(word))
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
    fn only_statements_of_the_module_itself_are_its_head() {
        let head = Head::of(
            "submodule s { belongs-to m { prefix import; } x:import no { import no; } import a { prefix \"container\"; \
             reference 'import no'; revision-date '2021-01-01'; } include b { revision-date 2021-02-02; } prefix list; \
             revision 2024-02-03 { reference revision-date; } typedef t { type enumeration { enum import { value 1; } } } \
             import late { prefix l; } }",
        )
        .unwrap();
        let date = |text: &str| Some(text.to_owned());
        assert_eq!(head.needs, [("a".into(), date("2021-01-01")), ("b".into(), date("2021-02-02"))]);
        assert_eq!((head.submodule, head.revision.as_deref()), (true, Some("2024-02-03")));
        for broken in
            ["module", "module \"a", "module a { import \"", "module ä { revision \"é", "module a { /*", "\"", "{"]
        {
            let _ = Head::of(broken);
        }
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
