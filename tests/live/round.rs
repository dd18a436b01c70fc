//! What a live FRR prints is read, written, loaded into an empty FRR and printed again: the same bytes.
//!
//! Each configuration goes both ways in which text is written: the lines of the difference from nothing, typed at the
//! prompt, and the whole text, loaded as FRR loads its own files. Between the two it is removed line by line, and the
//! element is as it was.
use super::configuration::Source;
use super::network::{Network, changes};
use super::{alone, hand, seeds};
use andante::tree::{ConfigTree, Key};

#[test]
fn what_a_live_frr_prints_is_read_written_and_printed_again() {
    let _alone = alone();
    let Some(mut network) = Network::start() else { return };
    let seeds = seeds("CONFIGURATION", "CONFIGURATIONS", 10);
    println!("seeds {}..={}, and {} by hand", seeds[0], seeds[seeds.len() - 1], hand::ALL.len());
    let mut cases: Vec<(String, String)> = Vec::new();
    if std::env::var("CONFIGURATION").is_err() {
        cases.extend(hand::ALL.iter().map(|(name, text)| (format!("by hand: {name}"), (*text).to_owned())));
    }
    cases.extend(seeds.iter().map(|seed| (format!("CONFIGURATION={seed}"), Source::new(*seed).text())));
    let (mut lines, mut opaque) = (0, Vec::new());
    let mut failed = Vec::new();
    for (case, text) in &cases {
        match round(&mut network, text) {
            Ok((count, unknown)) => {
                lines += count;
                opaque.extend(unknown);
            }
            Err(error) => {
                println!("{case}: {error}");
                failed.push(case.clone());
                let _ = network.clean();
            }
        }
    }
    println!(
        "{} configurations, {lines} lines, {} opaque ({:.2} %); daemons that crashed: {:?}",
        cases.len(),
        opaque.len(),
        100.0 * opaque.len() as f64 / lines.max(1) as f64,
        network.crashes
    );
    opaque.sort();
    opaque.dedup();
    println!("opaque: {opaque:#?}");
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), cases.len());
    assert!(opaque.iter().all(|line| hand::UNKNOWN.iter().any(|known| line.starts_with(known))), "{opaque:#?}");
}

/// One configuration there and back: how many lines it has, and which of them the grammar does not know.
fn round(network: &mut Network, text: &str) -> Result<(usize, Vec<String>), String> {
    let nothing = network.nothing.clone();
    network.load(text).map_err(|said| format!("the element does not take the configuration: {said}\n{text}"))?;
    let printed = network.running()?;
    let tree = network.parse(&printed);
    let same = |what: &str, read: &str, want: &str| {
        if read == want { Ok(()) } else { Err(format!("{what}:\n{}", changes(want, read))) }
    };
    let gone = network.go(&tree, &nothing.0).map_err(|said| format!("removal: {said}"))?;
    same("after the removal", &gone, &nothing.1)?;
    let typed = network.go(&nothing.0, &tree).map_err(|said| format!("lines: {said}"))?;
    same("after the lines", &typed, &printed)?;
    let gone = network.go(&tree, &nothing.0).map_err(|said| format!("second removal: {said}"))?;
    same("after the second removal", &gone, &nothing.1)?;
    let whole = network.grammar.text(&tree);
    network.load(&whole).map_err(|said| format!("the text: {said}\n{whole}"))?;
    let loaded = network.running()?;
    same("after the text", &loaded, &printed)?;
    let gone = network.go(&tree, &nothing.0).map_err(|said| format!("third removal: {said}"))?;
    same("after the third removal", &gone, &nothing.1)?;
    let said = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('!');
    Ok((printed.lines().filter(said).count(), unknown(&tree)))
}

/// The lines of a tree that the grammar does not know.
pub fn unknown(tree: &ConfigTree) -> Vec<String> {
    let mut unknown = Vec::new();
    tree.walk(&mut |path, node| {
        if let Key::Opaque(text, _) = &path.last().unwrap().key {
            unknown.push(text.to_string());
        } else if path.to_string().contains("/other[") {
            unknown.push(node.value().map_or(path.to_string(), |value| format!("neighbor … {}", value.as_str())));
        }
        true
    });
    unknown.retain(|line| !line.contains("service integrated-vtysh-config"));
    unknown
}
