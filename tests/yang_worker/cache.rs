//! Schema indexes on disk.

use super::{BROKEN, LIMIT, TYPES, set};
use andante::yang::{DocumentKind, Encoding, YangWorker};
use std::path::Path as File;
use std::sync::Arc;

fn cached(folder: &File) -> YangWorker {
    YangWorker::spawn(File::new(env!("CARGO_BIN_EXE_andanted")), &["yang-worker"], LIMIT).with_cache(folder)
}

fn only_file(folder: &File) -> std::path::PathBuf {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[tokio::test]
async fn a_set_is_compiled_once_and_then_read_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(&["t-types", "t-broken"], &[TYPES, BROKEN]);
    let first = cached(folder.path());
    let cold = first.load(&set).await.unwrap();
    assert!(!cold.cached && first.starts() == 1);
    assert!(Arc::ptr_eq(&cold, &first.load(&set).await.unwrap()), "one per module set");

    let second = cached(folder.path());
    let warm = second.load(&set).await.unwrap();
    assert!(warm.cached && second.starts() == 0, "nothing was started");
    assert_eq!((warm.index.tables(), &warm.left_out), (cold.index.tables(), &cold.left_out));
    // What is not on the disk, the compiled modules themselves, is made when it is needed.
    let faults = second.validate(&warm.id, DocumentKind::Config, Encoding::Json, "{}").await.unwrap();
    assert!(faults.is_empty() && second.starts() == 1);

    // Broken, and of another version: not used, written anew.
    let file = only_file(folder.path());
    let whole = std::fs::read(&file).unwrap();
    let title = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let mut other_version = whole.clone();
    other_version[title - 20] ^= 1;
    for bad in [whole[..whole.len() / 2].to_vec(), other_version, Vec::new(), b"no index at all".to_vec()] {
        std::fs::write(&file, bad).unwrap();
        let again = cached(folder.path()).load(&set).await.unwrap();
        assert!(!again.cached && again.index.tables() == cold.index.tables());
        assert_eq!(std::fs::read(&file).unwrap(), whole);
    }
    // Another set is another file.
    cached(folder.path()).load(&super::set(&["t-types"], &[TYPES])).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
