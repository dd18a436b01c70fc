//! What we predict of an edit is what netconfd then says.
//!
//! *Flow* of one edit: the tree that the server has, changed at random until libyang takes it; the difference of the two,
//! as a plan sends it; our own driver's session: lock, edit, commit, unlock; what another session reads is the tree that
//! we predicted. Every edit begins where the one before ended.
//!
//! Two servers: the genuine IOS-XR modules that the adapter `iosxr` writes, and a module of our own (`lab.yang`) with what
//! those have little of: choices with cases of several nodes, presence, keys of several leafs, many types.
//!
//! *Not here*: the user's order. netconfd 2.13 puts every new node last whatever `insert` says, refuses the predicates of
//! `key`, and calls a value that is moved a duplicate. Moves are held against libyang elsewhere.
//!
//! What the server refuses is counted by its reason; a server that dies is started again and counted.
use super::arbitrary::Dice;
use super::instances::{Instances, Shape, Sketch};
use super::support::{NetconfElement, NetconfOptions, or_skip};
use super::{alone, seeds};
use andante::adagio::driver::Southbound;
use andante::adagio::netconf::{self, Datastore, NetconfLimits, NetconfSession};
use andante::adagio::ssh::SshLimits;
use andante::adagio::tap::Tap;
use andante::adapter::Adapter;
use andante::plan::as_sent;
use andante::tree::{ConfigTree, Diff, Edit, Limits, Policy, SchemaIndex, apply, diff, xml};
use andante::yang::{DocumentKind, Encoding, Loaded, ModuleSet, YangWorker};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn netconfd_says_what_was_predicted_of_an_edit_of_choices_and_presence() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live");
    let options = NetconfOptions {
        modules: vec!["lab".into()],
        model_folders: vec![folder.into()],
        ..NetconfOptions::ietf_interfaces()
    };
    let set = ModuleSet::named(&["lab"], &[Path::new(folder)]);
    run("lab", options, &set, Shape { nodes: 50, depth: 6, width: 8, odd: 5 });
}

#[test]
fn netconfd_says_what_was_predicted_of_an_edit_of_genuine_iosxr_modules() {
    let Some(options) = or_skip("netconf", NetconfOptions::iosxr()) else { return };
    // libyang refuses this one: nothing of it can be drawn.
    let names = options.modules.iter().map(String::as_str).filter(|name| *name != "Cisco-IOS-XR-infra-policymgr-cfg");
    let names: Vec<&str> = names.collect();
    assert!(names.len() < options.modules.len());
    let set = ModuleSet::named(&names, &[&options.model_folders[0]]);
    run("iosxr", options.clone(), &set, Shape { nodes: 40, depth: 9, width: 4, odd: 5 });
}

/// What came of the edits on one server.
#[derive(Default, Debug)]
struct Tally {
    edits: usize,
    created: usize,
    removed: usize,
    changed: usize,
    moved: usize,
    replaced: usize,
    nodes: u32,
    /// No change could be made that libyang takes.
    undrawn: usize,
    refused: BTreeMap<String, usize>,
    died: Vec<u64>,
    /// The server changed what nobody asked it to.
    theirs: Vec<u64>,
}

fn run(name: &str, options: NetconfOptions, set: &ModuleSet, shape: Shape) {
    let _alone = alone();
    let Some(mut element) = or_skip("netconf", NetconfElement::start(options)) else { return };
    let seeds = seeds("EDIT", "EDITS", 80);
    let asked = seeds.len();
    println!("{name}: seeds {}..={}", seeds[0], seeds[asked - 1]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_andanted"));
    let oracle = YangWorker::spawn(program, &["yang-worker"], Duration::from_secs(120));
    let loaded = runtime.block_on(oracle.load(set)).unwrap();
    assert!(loaded.left_out.is_empty(), "{:?}", loaded.left_out);
    let adapter = Adapter::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/adapters/iosxr"))).unwrap();
    let adapter = adapter.with_schema(loaded.index.clone());
    let mut instances = Instances::new(loaded.index.clone());
    let mut tally = Tally::default();
    let (mut sketches, mut now): (Vec<Sketch>, ConfigTree) = (Vec::new(), ConfigTree::default());
    let start = Instant::now();
    for seed in seeds {
        let dice = &mut Dice(seed);
        // Now and then something else altogether, or nothing: whole subtrees come and go.
        let wanted = match seed % 16 {
            15 => Vec::new(),
            0 | 8 => instances.whole(dice, shape),
            _ => instances.changed(dice, shape, &sketches),
        };
        let draw = accepted(&runtime, &oracle, &loaded, &mut instances, dice, shape, wanted);
        let Some((drawn, wanted)) = draw.filter(|(_, tree)| *tree != now && !on_edge(tree)) else {
            tally.undrawn += 1;
            continue;
        };
        let difference = diff(&now, &wanted);
        let predicted = apply(&difference, &now).unwrap();
        let sent = as_sent(&adapter, &difference, &now, &wanted);
        let payload = adapter.render(&sent, &now, &wanted).unwrap();
        let done = runtime.block_on(send(&element, &adapter, &payload));
        if !element.is_alive() {
            tally.died.push(seed);
            element.restart();
        }
        let read = runtime.block_on(read(&element, &loaded));
        let case = || {
            let print = |tree: &ConfigTree| xml::print(tree, &loaded.index, true);
            format!(
                "EDIT={seed} on {name}\nbefore:\n{}\nsent: {payload:?}\npredicted:\n{}\nread:\n{}\ndiffers: {:#?}\n{}",
                print(&now),
                print(&predicted),
                print(&read),
                diff(&predicted, &read),
                element.log().lines().rev().take(5).collect::<Vec<_>>().join("\n")
            )
        };
        match done {
            Ok(()) if read == predicted => {
                tally.count(&difference);
                (sketches, now) = (drawn, predicted);
            }
            Ok(()) => {
                let theirs = diff(&predicted, &read);
                assert!(is_theirs(&theirs, &loaded.index), "it says something else: {}", case());
                tally.theirs.push(seed);
                (sketches, now) = (drawn, read);
            }
            Err(error) => {
                // Nothing was changed, or all of it was: a dead server may have done either.
                assert!(read == now || read == predicted, "neither before nor after: {error}\n{}", case());
                *tally.refused.entry(error).or_default() += 1;
                if read == predicted && read != now {
                    (sketches, now) = (drawn, predicted);
                }
            }
        }
    }
    let took = start.elapsed();
    println!(
        "{name}: {} edits as predicted in {took:.1?}: {} nodes in {} creations, {} removals, {} values, {} moves, {} replacements",
        tally.edits, tally.nodes, tally.created, tally.removed, tally.changed, tally.moved, tally.replaced
    );
    println!("{name}: not drawn {}, refused {:#?}, the server died at {:?}", tally.undrawn, tally.refused, tally.died);
    println!("{name}: the server changed more than it was asked to at {:?}", tally.theirs);
    let refused = tally.refused.values().sum::<usize>() + tally.theirs.len();
    assert!(refused * 10 <= tally.edits + refused, "too many refusals");
    // One seed alone is for looking at it.
    assert!(asked == 1 || tally.edits * 2 > asked, "too few edits could be drawn: {} of {asked}", tally.edits);
    assert!(tally.died.len() * 20 <= asked, "the server died too often");
}

/// What netconfd 2.13 does by itself: now and then an edit, of whatever, puts a leaf back to its default, or leaves out a leaf
/// that was asked for with its default.
fn is_theirs(theirs: &Diff, index: &SchemaIndex) -> bool {
    let back = |edit: &Edit| {
        let (path, value) = match edit {
            Edit::Set { path, new, .. } => (path, Some(new)),
            Edit::Remove { path, node, .. } | Edit::Create { path, node, .. } => (path, node.value()),
            Edit::Move { .. } | Edit::Replace { .. } => return false,
        };
        let default = index.resolve(path).and_then(|id| index.node(id).default.as_deref());
        default.is_some() && default == value.map(|value| value.as_str())
    };
    theirs.edits.iter().all(back)
}

/// netconfd strips blanks from both ends of a text: such a text is not asked of it.
fn on_edge(tree: &ConfigTree) -> bool {
    let mut found = false;
    let blank = |text: &str| text.trim() != text;
    tree.walk(&mut |_, node| {
        found |= node.value().is_some_and(|value| blank(value.as_str()));
        found |= node.keys().is_some_and(|keys| keys.iter().any(|(_, value)| blank(value.as_str())));
        true
    });
    found
}

impl Tally {
    fn count(&mut self, difference: &Diff) {
        self.edits += 1;
        self.nodes += difference.size();
        for edit in &difference.edits {
            *match edit {
                Edit::Create { .. } => &mut self.created,
                Edit::Remove { .. } => &mut self.removed,
                Edit::Set { .. } => &mut self.changed,
                Edit::Move { .. } => &mut self.moved,
                Edit::Replace { .. } => &mut self.replaced,
            } += 1;
        }
    }
}

/// An instance that libyang takes, made of this one by mending it where libyang finds a fault.
fn accepted(
    runtime: &tokio::runtime::Runtime,
    oracle: &YangWorker,
    loaded: &Loaded,
    instances: &mut Instances,
    dice: &mut Dice,
    shape: Shape,
    mut sketches: Vec<Sketch>,
) -> Option<(Vec<Sketch>, ConfigTree)> {
    for _ in 0..60 {
        let tree = instances.tree(&sketches);
        let text = xml::print(&tree, &loaded.index, false);
        let said = runtime.block_on(oracle.validate(&loaded.id, DocumentKind::Config, Encoding::Xml, &text));
        let faults = match said {
            Ok(faults) => faults,
            Err(error) => {
                // libyang itself has died of a document: the worker's client says so, and goes on.
                println!("not drawn: {}\n{text}", andante::domain::chain(&error));
                return None;
            }
        };
        let Some(fault) = faults.first() else {
            instances.passed(&sketches);
            return Some((sketches, tree));
        };
        if !instances.mend(dice, shape, &mut sketches, &fault.path, &fault.message) {
            return None;
        }
    }
    None
}

/// Lock, edit, commit, unlock, by the session of our own driver.
async fn send(element: &NetconfElement, adapter: &Adapter, payload: &andante::adapter::Payload) -> Result<(), String> {
    let driver = netconf::driver::NetconfElement {
        element: "lab".into(),
        target: element.target(),
        adapter: Arc::new(adapter.clone()),
        ssh: SshLimits::default(),
        limits: limits(),
        tap: Tap::default(),
        secrets: Arc::new(andante::adagio::secret::NoSecrets),
        readings: Arc::default(),
    };
    let mut writer = driver.open_writer().await.map_err(|error| error.to_string())?;
    writer.lock().await.map_err(|error| error.to_string())?;
    let mut done = writer.prepare(payload).await;
    if done.is_ok() {
        done = writer.apply(payload, None).await.map(|_| ());
    }
    if let Err(error) = done {
        let _ = writer.discard().await;
        let _ = writer.unlock().await;
        writer.close().await;
        // Without the place: the reasons are counted.
        return Err(format!("{}: {} {}", error.doing, error.tag.unwrap_or_default(), reason(&error.message)));
    }
    writer.unlock().await.map_err(|error| error.to_string())?;
    writer.close().await;
    Ok(())
}

fn reason(message: &str) -> String {
    message.split(['\'', '"']).next().unwrap_or(message).chars().take(80).collect()
}

/// What another session reads.
async fn read(element: &NetconfElement, loaded: &Loaded) -> ConfigTree {
    let session =
        NetconfSession::connect(&element.target(), &SshLimits::default(), limits(), Tap::default()).await.unwrap();
    let data = session.get_config(Datastore::Running, None, None).await.unwrap();
    let _ = session.close().await;
    let text = data.to_document("data");
    let tree = xml::parse(text.as_bytes(), &loaded.index, None, Policy::ELEMENT, &Limits::SOUTH).unwrap();
    // The server's own modules are not part of the question.
    let ours = |node: &andante::tree::Node| loaded.index.child(None, node.name()).is_some();
    ConfigTree::new(tree.top().iter().filter(|node| ours(node)).cloned())
}

fn limits() -> NetconfLimits {
    NetconfLimits { rpc_timeout: Duration::from_secs(20), ..NetconfLimits::default() }
}
