//! Reading an adapter's folder: the only place where an adapter touches the file system.
//!
//! A package is hostile until it is checked (design: trust boundaries), so it has limits for the number and the size of
//! its files, follows no symbolic link, and refuses a file that it does not know by name: a typo in `servces/` must not
//! silently leave a function out. After this everything is pure.

use super::error::AdapterError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files of an adapter, read once.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Name of the folder.
    pub name: String,
    /// Texts by their path inside the folder, `/` between the parts: the manifest, the grammar, templates, state readers.
    pub files: BTreeMap<String, String>,
    /// The folder of single-module YANG profiles, if there is one.
    pub yang: Option<PathBuf>,
    /// Names of the modules in it, sorted.
    pub yang_modules: Vec<String>,
    /// BLAKE3 of all files that decide what the adapter does, in hex. README and test cases do not count.
    pub digest: String,
}

/// Files in one adapter.
const MAX_FILES: usize = 256;
/// Bytes of one file.
const MAX_FILE: u64 = 1 << 20;
/// Bytes of all files.
const MAX_TOTAL: u64 = 8 << 20;

/// Folders that are read, with the only ending that they may hold.
const FOLDERS: [(&str, &str); 3] = [("services", ".j2"), ("state", ".toml"), ("yang", ".yang")];
/// Files that are read.
const FILES: [&str; 2] = ["adapter.toml", "grammar.toml"];
/// What may stand in the folder without being read.
const PASSED_OVER: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE", "tests"];

impl Package {
    /// Reads `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, AdapterError> {
        let name = folder
            .canonicalize()
            .map_err(|source| AdapterError::Read { path: folder.to_owned(), source })?
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut reader = Reader { adapter: name.clone(), files: BTreeMap::new(), bytes: 0 };
        let mut yang = None;
        for (entry, path, kind) in list(folder)? {
            let known = FOLDERS.iter().find(|(name, _)| *name == entry);
            if kind.is_file() && FILES.contains(&entry.as_str()) {
                reader.read(&path, entry)?;
            } else if let (true, Some((_, ending))) = (kind.is_dir(), known) {
                reader.read_all(&path, &entry, ending)?;
                if entry == "yang" {
                    yang = Some(path);
                }
            } else if !PASSED_OVER.contains(&entry.as_str()) && !entry.starts_with('.') {
                let what = format!(
                    "is not a part of an adapter; known are {}, {}, {}",
                    FILES.join(", "),
                    FOLDERS.map(|(name, ending)| format!("{name}/*{ending}")).join(", "),
                    PASSED_OVER.join(", ")
                );
                return Err(AdapterError::File { adapter: name, file: entry, line: None, what });
            }
        }
        let digest = digest(&reader.files);
        let (yang_files, files): (BTreeMap<_, _>, BTreeMap<_, _>) =
            reader.files.into_iter().partition(|(path, _)| path.starts_with("yang/"));
        let yang_modules = yang_files
            .keys()
            .filter_map(|path| path.strip_prefix("yang/")?.strip_suffix(".yang"))
            .map(|module| module.split('@').next().unwrap_or(module).to_owned())
            .collect();
        Ok(Self { name, files, yang, yang_modules, digest })
    }
}

struct Reader {
    adapter: String,
    files: BTreeMap<String, String>,
    bytes: u64,
}

impl Reader {
    fn read_all(&mut self, folder: &Path, prefix: &str, ending: &str) -> Result<(), AdapterError> {
        for (entry, path, kind) in list(folder)? {
            if entry.starts_with('.') {
                continue;
            }
            let file = format!("{prefix}/{entry}");
            if !kind.is_file() || !entry.ends_with(ending) {
                return Err(self.wrong(file, format!("only files named *{ending} may stand here")));
            }
            self.read(&path, file)?;
        }
        Ok(())
    }

    fn read(&mut self, path: &Path, file: String) -> Result<(), AdapterError> {
        let io = |source| AdapterError::Read { path: path.to_owned(), source };
        let size = std::fs::symlink_metadata(path).map_err(io)?.len();
        self.bytes += size;
        if size > MAX_FILE || self.bytes > MAX_TOTAL || self.files.len() >= MAX_FILES {
            let what =
                format!("too much: an adapter has at most {MAX_FILES} files of {MAX_FILE} bytes, {MAX_TOTAL} in all");
            return Err(self.wrong(file, what));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        let text = String::from_utf8(bytes).map_err(|_| self.wrong(file.clone(), "is not UTF-8 text".into()))?;
        self.files.insert(file, text);
        Ok(())
    }

    fn wrong(&self, file: String, what: String) -> AdapterError {
        AdapterError::File { adapter: self.adapter.clone(), file, line: None, what }
    }
}

/// The entries of a folder, sorted by name, symbolic links not followed.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf, std::fs::FileType)>, AdapterError> {
    let io = |source| AdapterError::Read { path: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path(), entry.file_type().map_err(io)?));
        if entries.len() > MAX_FILES {
            break; // refused by the count of files, or by name
        }
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

fn digest(files: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, text) in files {
        for part in [path, text] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}
