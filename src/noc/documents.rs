//! Service documents from files, folders and standard input.

use super::failure::Failure;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The `document` entries of a plan, in the order of the files.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<Value>, Failure> {
    let mut documents = Vec::new();
    for file in files {
        if file.as_os_str() == "-" {
            let mut text = String::new();
            let read = std::io::stdin().take(LARGEST).read_to_string(&mut text);
            read.map_err(|error| Failure::Usage(format!("standard input cannot be read: {error}")))?;
            documents.push(entry("standard input", &text));
        } else if file.is_dir() {
            let inside = folder(file)?;
            if inside.is_empty() {
                return Err(Failure::Usage(format!("{} holds no .json or .xml file", file.display())));
            }
            for file in inside {
                documents.push(entry(&file.display().to_string(), &text(&file)?));
            }
        } else {
            documents.push(entry(&file.display().to_string(), &text(file)?));
        }
    }
    Ok(documents)
}

/// XML begins with '<', JSON never does. The name is what a refusal calls it.
fn entry(name: &str, text: &str) -> Value {
    let text = text.trim_start_matches('\u{feff}');
    let xml = text.trim_start().starts_with('<');
    let media = if xml { "application/yang-data+xml" } else { "application/yang-data+json" };
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    json!({ "name": name, "media-type": media, "content": text })
}

fn folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| Failure::Usage(format!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for found in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = found.map_err(unreadable)?.path();
        let known = path.extension().is_some_and(|extension| extension == "json" || extension == "xml");
        if known && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

/// More than the daemon takes.
const LARGEST: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_request_in_the_order_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.xml"), "\u{feff} <vpn-service/>").unwrap();
        std::fs::write(folder.path().join("a.json"), "{}").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no").unwrap();
        let documents = read(&[folder.path().into()]).unwrap();
        let media: Vec<_> = documents.iter().map(|one| one["media-type"].as_str().unwrap()).collect();
        assert_eq!(media, ["application/yang-data+json", "application/yang-data+xml"]);
        assert!(documents[1]["name"].as_str().unwrap().ends_with("b.xml"));
        assert!(matches!(read(&["/nonexistent".into()]), Err(Failure::Usage(_))));
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(read(&[empty.path().into()]), Err(Failure::Usage(_))));
    }
}
