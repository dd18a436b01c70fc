//! `tests/scenarios/face/<document>/<element>.json`: what each document asks of each element. `UPDATE_GOLDEN=1` rewrites.

#[cfg(test)]
use super::*;

#[test]
fn each_document_asks_of_each_element_what_its_golden_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for name in DOCUMENTS {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/face").join(name);
        let service = understood(&json(name));
        admit(&service, &PortUse::default(), &known()).unwrap();
        let out = decomposed(&service, &inventory());
        for (element, built) in &out.elements {
            let text = serde_json::to_string_pretty(built).unwrap() + "\n";
            let file = folder.join(format!("{element}.json"));
            if update {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&file, text).unwrap();
                continue;
            }
            let wanted = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(
                wanted == text,
                "{}:\n{}",
                file.display(),
                similar::TextDiff::from_lines(&wanted, &text).unified_diff()
            );
            // What is stored is what was meant.
            assert_eq!(&serde_json::from_str::<ElementService>(&text).unwrap(), built);
        }
        let files = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(files, out.elements.len(), "{}: a golden without an element", folder.display());
    }
}
