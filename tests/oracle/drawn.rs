//! The laws over random modules and random instances of them.

use crate::arbitrary::Dice;
use crate::arbitrary_modules::{NAMES, modules};
use crate::instances::{Instances, Shape, Sketch};
use crate::laws::{difference, round_trips};
use crate::libyang::{Libyang, Refusal, Take};
use crate::{Worker, law, times};
use andante::tree::{ConfigTree, json, xml};
use andante::yang::{Encoding, Fault, Loaded, ModuleSet, Wanted};
use std::collections::BTreeMap;
use std::sync::Arc;

const SHAPE: Shape = Shape { nodes: 60, depth: 9, width: 6, odd: 25 };
/// Instances of one set of modules; loading it twice costs as much as some twenty of them.
const TREES: u64 = 16;

/// The drawn modules of a seed, by the worker and by libyang itself.
pub struct Drawn {
    pub loaded: Arc<Loaded>,
    pub libyang: Libyang,
}

impl Drawn {
    pub fn load(worker: &Worker, seed: u64) -> Self {
        let set = ModuleSet {
            modules: NAMES.iter().map(|name| Wanted::all_features(name)).collect(),
            dirs: Vec::new(),
            texts: modules(seed),
        };
        let loaded = worker.load(&set);
        assert!(loaded.left_out.is_empty(), "{:?}\n{}", loaded.left_out, modules(seed)[1]);
        Self { libyang: Libyang::load(&set, &loaded.left_out), loaded }
    }
}

/// Mends an instance until the oracle takes it; `None` if it never does. Counts the refusals.
pub fn accepted(
    libyang: &Libyang,
    instances: &mut Instances,
    dice: &mut Dice,
    shape: Shape,
    sketches: &mut Vec<Sketch>,
    take: Take,
    refusals: &mut BTreeMap<&'static str, usize>,
) -> Option<ConfigTree> {
    for _ in 0..80 {
        let tree = instances.tree(sketches);
        let refusal: Refusal = match libyang.of(&tree, &instances.index, take) {
            Ok(_) => {
                instances.passed(sketches);
                return (!tree.is_empty()).then_some(tree);
            }
            Err(refusal) => refusal,
        };
        if std::env::var_os("ANDANTE_SAY").is_some() {
            eprintln!("refused: {refusal:?}");
        }
        *refusals.entry(crate::instances::reason_of(&refusal.message)).or_default() += 1;
        if !instances.mend(dice, shape, sketches, &refusal.path, &refusal.message) {
            return None;
        }
    }
    None
}

/// The faults of the worker for a document begin with the one that libyang names when it is asked directly.
pub fn same_faults(worker: &Worker, libyang: &Libyang, loaded: &Loaded, tree: &ConfigTree) -> Vec<Fault> {
    let text = xml::print(tree, &loaded.index, false);
    let faults = worker.validate(loaded, Encoding::Xml, &text);
    match libyang.read(&text, yang5::data::DataFormat::XML, Take::Valid) {
        Ok(_) => assert!(faults.is_empty(), "libyang says nothing, the worker {faults:?}: {text}"),
        Err(refusal) => {
            let first = faults.first().unwrap_or_else(|| panic!("{refusal:?}, the worker says nothing: {text}"));
            let theirs = (refusal.path.as_str(), refusal.message.as_str(), refusal.app_tag.as_deref());
            assert_eq!((first.path.as_str(), first.message.as_str(), first.app_tag.as_deref()), theirs, "{text}");
        }
    }
    // Both encodings cost a call each; every other instance is enough.
    if tree.hash().is_multiple_of(2) {
        return faults;
    }
    let in_json = worker.validate(loaded, Encoding::Json, &json::print(tree, &loaded.index, false));
    let places = |faults: &[Fault]| {
        let mut places: Vec<_> = faults.iter().map(|fault| (fault.path.clone(), fault.message.clone())).collect();
        places.sort();
        places
    };
    assert_eq!(places(&faults), places(&in_json), "{text}");
    faults
}

#[test]
fn drawn_instances_go_to_libyang_and_back_and_differ_as_it_says() {
    let worker = Worker::start();
    let (mut trees, mut valid, mut pairs, mut effects, mut moves, mut nodes) = (0, 0, 0, 0, [0, 0], 0);
    let (mut refusals, mut lost) = (BTreeMap::new(), 0);
    law(50, |seed| {
        let drawn = Drawn::load(&worker, seed);
        let (libyang, index) = (&drawn.libyang, &drawn.loaded.index);
        let mut instances = Instances::new(index.clone());
        for n in 0..TREES {
            let mut dice = Dice(seed * 1000 + n);
            let dice = &mut dice;
            let mut sketches = instances.whole(dice, SHAPE);
            let taken = accepted(libyang, &mut instances, dice, SHAPE, &mut sketches, Take::Parsed, &mut refusals);
            let Some(tree) = taken else { continue };
            trees += 1;
            nodes += tree.count();
            round_trips(libyang, index, &tree, Take::Parsed);
            let mut other = match n % 4 {
                0 => instances.whole(dice, SHAPE),
                _ => instances.changed(dice, SHAPE, &sketches),
            };
            let taken = accepted(libyang, &mut instances, dice, SHAPE, &mut other, Take::Parsed, &mut refusals);
            if let Some(other) = taken {
                pairs += 1;
                let said = difference(libyang, index, &tree, &other, Take::Parsed);
                effects += said.effects;
                moves[0] += said.moves;
                moves[1] += said.their_moves;
                lost += usize::from(said.they_lose);
            }
            let faults = same_faults(&worker, libyang, &drawn.loaded, &tree);
            valid += usize::from(faults.is_empty());
            // The same laws where everything is checked and defaults are there.
            let taken = accepted(libyang, &mut instances, dice, SHAPE, &mut sketches, Take::Valid, &mut refusals);
            let Some(tree) = taken else { continue };
            valid += 1;
            round_trips(libyang, index, &tree, Take::Valid);
            let mut other = instances.changed(dice, SHAPE, &sketches);
            let taken = accepted(libyang, &mut instances, dice, SHAPE, &mut other, Take::Valid, &mut refusals);
            if let Some(other) = taken {
                pairs += 1;
                difference(libyang, index, &tree, &other, Take::Valid);
            }
        }
        worker.forget(&drawn.loaded);
    });
    println!(
        "drawn: {trees} instances of {nodes} nodes, {valid} valid, {pairs} pairs with {effects} effects, moves {} of {} \
         that libyang needs ({lost} of its own it does not apply); refused and mended: {refusals:?}",
        moves[0], moves[1]
    );
    assert!(lost * 10 <= pairs, "too often libyang's own difference is called wrong");
    assert!(crate::only().is_some() || trees as u64 > 500 * times() && pairs as u64 > 500 * times(), "a poor draw");
}

/// Prints the modules of a seed: `ANDANTE_SEED=n cargo test --test oracle say_the_modules -- --ignored --nocapture`.
#[test]
#[ignore = "a help for looking at a seed"]
fn say_the_modules() {
    law(1, |seed| modules(seed).iter().for_each(|text| println!("{text}")));
}
