//! The project's adapters with other words in one of them.

use std::path::{Path, PathBuf};

/// A copy of all adapters below this folder; in the `adapter.toml` of `platform` the second of each pair of texts stands in
/// place of the first, which has to be there.
pub fn changed_adapters(folder: &Path, platform: &str, says: &[(&str, &str)]) -> PathBuf {
    let adapters = folder.join("adapters");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters"), &adapters);
    let manifest = adapters.join(platform).join("adapter.toml");
    let mut text = std::fs::read_to_string(&manifest).unwrap();
    for (old, new) in says {
        assert!(text.contains(old), "{platform} does not say {old}");
        text = text.replacen(old, new, 1);
    }
    std::fs::write(manifest, text).unwrap();
    adapters
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
