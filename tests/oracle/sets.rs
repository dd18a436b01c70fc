//! Genuine module sets: loaded as an element's would be, filled with instances made from their schemas, and held against
//! libyang like the drawn ones.
//!
//! Which modules are left out, and why, is printed; so is what no instance could be made for. The table at the end counts
//! it all. A set that is not on this machine is skipped with the reason.

use crate::arbitrary::Dice;
use crate::drawn::accepted;
use crate::instances::{Instances, Shape, Sketch};
use crate::laws::{difference, round_trips};
use crate::libyang::{Libyang, Take};
use crate::support::{Unavailable, or_skip, target_folder};
use crate::{Said, Worker, only, times};
use andante::tree::SchemaId;
use andante::yang::{LeftOut, ModuleSet};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const SHAPE: Shape = Shape { nodes: 40, depth: 12, width: 4, odd: 10 };

/// A set of modules as somebody publishes it.
struct Genuine {
    name: &'static str,
    /// Directories below a root; all modules in them are loaded.
    dirs: Vec<PathBuf>,
    /// The file that tells that the set is here, in the first directory.
    mark: &'static str,
    /// Where it comes from, for who has not got it.
    source: &'static str,
    /// YANG files in the directories; the revisions of a module and its submodules are files of their own.
    files: usize,
    /// Instances of a usual run.
    instances: u64,
    /// Modules that libyang cannot compile, at most; more is a fault of ours.
    left_out: usize,
    /// Schema nodes, at least.
    nodes: usize,
    /// Schema nodes that stand in an instance of a usual run, at least.
    seen: usize,
}

/// The sets, the ones that take longest first.
fn genuine() -> Vec<Genuine> {
    let fetched = |names: &[&str]| names.iter().map(|name| target_folder().join("models").join(name)).collect();
    let yuma = |names: &[&str]| names.iter().map(|name| Path::new("/usr/share/yuma").join(name)).collect();
    vec![
        Genuine {
            name: "iosxe",
            dirs: fetched(&["iosxe"]),
            mark: "Cisco-IOS-XE-native.yang",
            source: "PyPI ydk-models-cisco-ios-xe, fetched by `make setup-test`",
            files: 421,
            instances: 120,
            left_out: 30,
            nodes: 100_000,
            seen: 600,
        },
        Genuine {
            name: "iosxr",
            dirs: fetched(&["iosxr", "iosxr-rest"]),
            mark: "Cisco-IOS-XR-ifmgr-cfg.yang",
            source: "PyPI ydk-models-cisco-ios-xr, fetched by `make setup-test`",
            files: 912,
            instances: 160,
            left_out: 2,
            nodes: 350_000,
            seen: 1000,
        },
        Genuine {
            name: "openconfig",
            dirs: fetched(&["openconfig"]),
            mark: "openconfig-interfaces.yang",
            source: "PyPI ydk-models-openconfig, fetched by `make setup-test`",
            files: 120,
            instances: 120,
            left_out: 1,
            nodes: 8_000,
            seen: 360,
        },
        Genuine {
            name: "yuma",
            // The newest revision of a module is in the first directory that has it.
            dirs: yuma(&[
                "nmda-modules/ietf",
                "modules/ietf",
                "modules/ietf-derived",
                "modules/ietf-draft",
                "modules/netconfcentral",
                "modules/yuma123",
                "modules/examples",
            ]),
            mark: "ietf-interfaces@2018-02-20.yang",
            source: "Debian package libyuma-base",
            files: 84,
            instances: 120,
            left_out: 0,
            nodes: 2_500,
            seen: 190,
        },
        Genuine {
            name: "frr",
            dirs: vec!["/usr/share/yang".into(), "/usr/share/yang/modules/libyang".into()],
            mark: "frr-interface.yang",
            source: "Debian package frr",
            files: 48,
            instances: 120,
            left_out: 0,
            nodes: 3_500,
            seen: 320,
        },
    ]
}

/// A row of the table.
#[derive(Default)]
struct Row {
    files: usize,
    modules: usize,
    left_out: Vec<LeftOut>,
    nodes: usize,
    seconds: Duration,
    /// Time for the instances.
    drawing: Duration,
    tried: usize,
    /// Nothing was left of it: no value was known for any of its nodes.
    empty: usize,
    /// Schema nodes that stood in an instance.
    seen: HashSet<SchemaId>,
    refused: BTreeMap<String, usize>,
    round_trips: usize,
    pairs: usize,
    effects: usize,
    their_faults: usize,
    /// Schema nodes that no instance has, by reason.
    nodes_left_out: BTreeMap<&'static str, Vec<String>>,
}

impl Genuine {
    fn here(&self) -> Result<(), Unavailable> {
        match self.dirs.first().map(|dir| dir.join(self.mark)) {
            Some(mark) if mark.is_file() => Ok(()),
            _ => Err(Unavailable(format!("the {} modules are not here: {}", self.name, self.source))),
        }
    }

    fn run(&self) -> Row {
        let set = ModuleSet { modules: Vec::new(), dirs: self.dirs.clone(), texts: Vec::new() };
        let yang = |dir: &PathBuf| {
            let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            files.filter(|file| file.extension().is_some_and(|extension| extension == "yang")).count()
        };
        let files = self.dirs.iter().map(yang).sum();
        let mut row = Row { files, modules: set.resolve().unwrap().modules.len(), ..Row::default() };
        let worker = Worker::start();
        let start = Instant::now();
        let loaded = worker.load(&set);
        row.seconds = start.elapsed();
        row.nodes = loaded.index.len();
        row.left_out = loaded.left_out.clone();
        drop(worker);
        let libyang = Libyang::load(&set, &loaded.left_out);
        let mut instances = Instances::new(loaded.index.clone());
        // Two modules with one namespace are no YANG (RFC 7950 §7.1.3), but yuma has them; XML cannot tell them apart.
        let shared = |id: &SchemaId| {
            let module = loaded.index.module(loaded.index.node(*id).name.module.as_str());
            let namespace = module.map(|module| module.namespace.as_str()).unwrap_or_default();
            loaded.index.modules().iter().filter(|module| module.namespace == namespace).count() > 1
        };
        let (twins, tops): (Vec<SchemaId>, Vec<SchemaId>) = instances.tops().into_iter().partition(shared);
        for twin in twins {
            instances.left_out.insert(twin, "two modules have its namespace");
        }
        // What was learnt from the instances before decides, too: one case alone is the last of a row.
        let count = only().map_or(self.instances * times(), |seed| seed + 1);
        let start = Instant::now();
        for seed in 0..count {
            let _said = Said(seed);
            let mut dice = Dice(seed);
            self.instance(&mut dice, &libyang, &mut instances, &tops, &mut row);
        }
        row.drawing = start.elapsed();
        for (id, reason) in &instances.left_out {
            let name = loaded.index.node(*id).name.to_string();
            row.nodes_left_out.entry(*reason).or_default().push(name);
        }
        row
    }

    fn instance(
        &self,
        dice: &mut Dice,
        libyang: &Libyang,
        instances: &mut Instances,
        tops: &[SchemaId],
        row: &mut Row,
    ) {
        let index = instances.index.clone();
        // Half of them somewhere deep: most nodes of a large set are below few top-level ones.
        let top = tops[dice.below(tops.len())];
        let mut sketches = Vec::new();
        for _ in 0..4 {
            sketches = match instances.any_place(dice).filter(|_| dice.chance(50)) {
                Some(place) => instances.around(dice, SHAPE, place),
                None => instances.below(dice, SHAPE, top),
            };
            if !instances.tree(&sketches).is_empty() {
                break;
            }
        }
        row.tried += 1;
        let mut refusals = BTreeMap::new();
        let Some(tree) = accepted(libyang, instances, dice, SHAPE, &mut sketches, Take::Valid, &mut refusals) else {
            if instances.tree(&sketches).is_empty() {
                row.empty += 1;
            } else {
                let most = refusals.iter().max_by_key(|(_, count)| **count).map_or("", |(reason, _)| reason);
                let top = sketches.first().map_or(top, |sketch| sketch.id);
                *row.refused.entry(format!("{} ({most})", index.node(top).name)).or_default() += 1;
            }
            return;
        };
        round_trips(libyang, &index, &tree, Take::Valid);
        row.round_trips += 1;
        seen(&sketches, &mut row.seen);
        let mut other = instances.changed(dice, SHAPE, &sketches);
        if let Some(other) = accepted(libyang, instances, dice, SHAPE, &mut other, Take::Valid, &mut refusals) {
            let said = difference(libyang, &index, &tree, &other, Take::Valid);
            row.pairs += 1;
            row.effects += said.effects;
            row.their_faults += usize::from(said.they_lose);
        }
    }
}

fn seen(sketches: &[Sketch], into: &mut HashSet<SchemaId>) {
    for sketch in sketches {
        into.insert(sketch.id);
        seen(&sketch.children, into);
    }
}

#[test]
fn genuine_modules_load_and_their_instances_go_to_libyang_and_back() {
    let wanted = std::env::var("ANDANTE_SET").ok();
    let waiting: Vec<Genuine> = genuine()
        .into_iter()
        .filter(|set| wanted.as_deref().is_none_or(|wanted| wanted == set.name))
        .filter(|set| or_skip("modules", set.here()).is_some())
        .collect();
    let (waiting, rows) =
        (Mutex::new(waiting.into_iter().collect::<std::collections::VecDeque<_>>()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(set) = waiting.lock().unwrap().pop_front() else { return };
                    let row = set.run();
                    rows.lock().unwrap().push((set, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(set, _): &(Genuine, Row)| set.name);
    println!("{}", table(&rows));
    for (set, row) in &rows {
        assert_eq!(row.files, set.files, "{}: another set than the one that was looked at", set.name);
        assert!(row.left_out.len() <= set.left_out, "{}: {} modules were left out", set.name, row.left_out.len());
        assert!(row.nodes >= set.nodes, "{}: only {} schema nodes", set.name, row.nodes);
        let enough = only().is_some() || row.round_trips * 2 > row.tried;
        assert!(enough, "{}: a poor draw: {} of {}", set.name, row.round_trips, row.tried);
        let seen = row.seen.len();
        assert!(only().is_some() || seen >= set.seen, "{}: only {seen} schema nodes in instances", set.name);
        assert!(row.their_faults * 10 <= row.pairs, "{}: too often lyd_diff is called wrong", set.name);
    }
}

fn table(rows: &[(Genuine, Row)]) -> String {
    let mut text = String::new();
    for (set, row) in rows {
        for out in &row.left_out {
            let reason: String =
                out.reason.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect();
            let _ = writeln!(text, "{}: left out {}: {reason}", set.name, out.module);
        }
        for (what, count) in &row.refused {
            let _ = writeln!(text, "{}: no valid instance of {what}, {count} times", set.name);
        }
        for (reason, names) in &row.nodes_left_out {
            let shown: Vec<&str> = names.iter().take(6).map(String::as_str).collect();
            let more = if names.len() > 6 { ", …" } else { "" };
            let _ =
                writeln!(text, "{}: {} nodes left out, {reason}: {}{more}", set.name, names.len(), shown.join(", "));
        }
    }
    let heads = [
        "set",
        "files",
        "modules",
        "loaded",
        "left out",
        "schema nodes",
        "seconds",
        "instances tried",
        "empty",
        "refused by libyang",
        "round-trips",
        "nodes seen",
        "pairs",
        "effects",
        "lyd_diff wrong",
    ];
    let _ = writeln!(text, "{}", heads.join(" | "));
    for (set, row) in rows {
        let refused: usize = row.refused.values().sum();
        let loaded = row.modules - row.left_out.len();
        let _ = writeln!(
            text,
            "{} | {} | {} | {loaded} | {} | {} | {:.1} | {:.1} | {} | {} | {refused} | {} | {} | {} | {} | {}",
            set.name,
            row.files,
            row.modules,
            row.left_out.len(),
            row.nodes,
            row.seconds.as_secs_f32(),
            row.drawing.as_secs_f32(),
            row.tried,
            row.empty,
            row.round_trips,
            row.seen.len(),
            row.pairs,
            row.effects,
            row.their_faults
        );
    }
    text
}
