//! Schemas: all genuine IOS-XR modules compiled, and the same index from the disk; a document validated; sizes.
//!
//! `cargo bench --bench yang` prints a table. The compiled set is what `make setup-test` fetched; without it the profiles of
//! the adapter are measured. Numbers are wall time of one run each, so read them as ratios.

use andante::tree::schema::Tables;
use andante::yang::{DocumentKind, Encoding, ModuleSet, YangWorker};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The test runner of cargo calls benches, too, with this argument; there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure())
}

async fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let genuine = target.join("models/iosxr");
    let dir = if genuine.is_dir() { genuine } else { root.join("adapters/iosxr/yang") };
    let folder = std::env::temp_dir().join(format!("andante-bench-yang-{}", std::process::id()));
    let worker = || {
        let program = Path::new(env!("CARGO_BIN_EXE_andanted"));
        YangWorker::spawn(program, &["yang-worker"], Duration::from_secs(600)).with_cache(&folder)
    };
    let set = ModuleSet { modules: Vec::new(), dirs: vec![dir.clone()], texts: Vec::new() };
    println!("modules of {}", dir.display());

    let started = Instant::now();
    let resolved = set.resolve()?;
    let reading = started.elapsed();
    row(
        "texts read, content id made",
        reading,
        &format!("{} modules, {} texts", resolved.modules.len(), resolved.sources.len()),
    );

    let cold = worker();
    let started = Instant::now();
    let loaded = cold.load(&set).await?;
    let compiled = started.elapsed();
    row(
        "load, cold (compiled)",
        compiled,
        &format!("{} nodes, {} modules left out", loaded.index.len(), loaded.left_out.len()),
    );

    let warm = worker();
    let started = Instant::now();
    let again = warm.load(&set).await?;
    let cached = started.elapsed();
    row(
        "load, from the disk cache",
        cached,
        &format!("{:.0} times faster", compiled.as_secs_f64() / cached.as_secs_f64()),
    );
    assert!(again.cached && again.index.len() == loaded.index.len());

    let started = Instant::now();
    let bytes = again.index.tables().encode();
    row(
        "stored form, written",
        started.elapsed(),
        &format!("{} bytes, {:.1} a node", bytes.len(), per(bytes.len(), &loaded)),
    );
    let started = Instant::now();
    let tables = Tables::decode(&bytes)?;
    row("stored form, read", started.elapsed(), &format!("{} nodes", tables.nodes.len()));

    let profiles = root.join("yang");
    let north = worker().load(&ModuleSet::named(&["ietf-vpn-common", "ietf-l3vpn-ntw"], &[&profiles])).await?;
    let document = std::fs::read_to_string(root.join("tests/documents/l3vpn-any-to-any.json"))?;
    let validating = worker();
    validating.load(&ModuleSet::named(&["ietf-vpn-common", "ietf-l3vpn-ntw"], &[&profiles])).await?;
    let check = || validating.validate(&north.id, DocumentKind::Config, Encoding::Json, &document);
    let started = Instant::now();
    assert!(check().await?.is_empty());
    row("validate, the first (worker started, set compiled)", started.elapsed(), "");
    let started = Instant::now();
    for _ in 0..100 {
        assert!(check().await?.is_empty());
    }
    row("validate, each of the next 100", started.elapsed() / 100, &format!("{} bytes", document.len()));
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn per(bytes: usize, loaded: &andante::yang::Loaded) -> f64 {
    bytes as f64 / loaded.index.len().max(1) as f64
}

fn row(what: &str, took: Duration, note: &str) {
    println!("{what:52} {:>12.3} ms   {note}", took.as_secs_f64() * 1000.0);
}
