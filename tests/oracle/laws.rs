//! What must hold for every tree, and for every pair of trees, of any module set: we and libyang say the same.

use crate::edit_config;
use crate::libyang::{self, Effects, Libyang, Take};
use andante::tree::{ConfigTree, Diff, Edit, Limits, Policy, SchemaIndex, apply, diff, inverse, json, xml};
use std::collections::BTreeSet;
use yang5::data::{DataFormat, DataTree};

pub const LIMITS: &Limits = &Limits::SOUTH;

/// Our print, libyang's reading, libyang's print, our reading: the same tree, in both encodings and across them; and every
/// value has the canonical text that libyang gives it.
pub fn round_trips(libyang: &Libyang, index: &SchemaIndex, tree: &ConfigTree, take: Take) {
    for (format, text) in
        [(DataFormat::XML, xml::print(tree, index, false)), (DataFormat::JSON, json::print(tree, index, false))]
    {
        let theirs = libyang.read(&text, format, take).unwrap_or_else(|refusal| panic!("{refusal:?}: {text}"));
        for (back, printed) in [
            (DataFormat::XML, libyang::print(&theirs, DataFormat::XML)),
            (DataFormat::JSON, libyang::print(&theirs, DataFormat::JSON)),
        ] {
            let ours = parse(&printed, back, index);
            if ours.hash() != tree.hash() && loses(libyang, &theirs, &printed, back, take) {
                continue;
            }
            let differs = || format!("{:#?}", diff(tree, &ours));
            assert_eq!(ours.hash(), tree.hash(), "\nours:   {text}\ntheirs: {printed}\ndiffer in {}", differs());
        }
        // Pretty printing is for people: it says the same.
        let pretty = match format {
            DataFormat::XML => xml::print(tree, index, true),
            _ => json::print(tree, index, true),
        };
        assert_eq!(parse(&pretty, format, index), *tree, "{pretty}");
    }
    let parsed = libyang.of(tree, index, Take::Parsed).unwrap();
    let (theirs, ours) = (libyang::values(&parsed), libyang::own_values(tree));
    assert_eq!(theirs, ours);
}

/// Whether libyang itself reads something else from its own print: an identity in a union, written with its module's own
/// prefix, may be the text of a string member before it.
fn loses(libyang: &Libyang, tree: &DataTree<'_>, printed: &str, format: DataFormat, take: Take) -> bool {
    let again = libyang.read(printed, format, take);
    again.is_ok_and(|again| libyang::print(&again, DataFormat::JSON) != libyang::print(tree, DataFormat::JSON))
}

fn parse(text: &str, format: DataFormat, index: &SchemaIndex) -> ConfigTree {
    let read = match format {
        DataFormat::XML => xml::parse(text.as_bytes(), index, None, Policy::STRICT, LIMITS),
        _ => json::parse(text.as_bytes(), index, None, Policy::STRICT, LIMITS),
    };
    read.unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a pair said, for the count at the end of a test.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    pub effects: usize,
    pub moves: usize,
    /// Moves that libyang needs.
    pub their_moves: usize,
    /// `lyd_diff_apply` of libyang's own difference does not give the second tree.
    pub they_lose: bool,
}

/// Our difference is libyang's, node for node; applied by us, by libyang and as an edit-config by the interpreter it makes
/// `b` of `a`; its inverse goes back.
pub fn difference(libyang: &Libyang, index: &SchemaIndex, a: &ConfigTree, b: &ConfigTree, take: Take) -> Said {
    let (first, second) = (libyang.of(a, index, take).unwrap(), libyang.of(b, index, take).unwrap());
    let ours = diff(a, b);
    let context =
        || format!("\na: {}\nb: {}\nours: {ours:#?}", xml::print(a, index, false), xml::print(b, index, false));
    let done = apply(&ours, a).unwrap();
    assert_eq!(done, *b, "applied{}", context());
    assert_eq!(apply(&inverse(&ours), &done).unwrap(), *a, "undone{}", context());

    // libyang 5.4.9 forgets a change or a node beside user-ordered ones now and then: what its own difference does not make
    // equal is counted, and says nothing about ours. Of trees without defaults, which are in its way when it applies.
    let bare = (libyang.of(a, index, Take::Parsed).unwrap(), libyang.of(b, index, Take::Parsed).unwrap());
    let they_lose = parse(&libyang::print(&applied(&bare.0, &bare.1), DataFormat::XML), DataFormat::XML, index) != *b;
    let (effects, mut theirs) = (own_effects(&ours), libyang::effects(&first, &second));
    if take == Take::Valid {
        // A subtree comes with the defaults in it; elsewhere libyang leaves defaults out.
        let (in_a, in_b) = (libyang::spots_of(&bare.0), libyang::spots_of(&bare.1));
        theirs.created.retain(|spot| in_b.contains(spot));
        theirs.removed.retain(|spot| in_a.contains(spot));
    }
    if !they_lose {
        let said = || format!("{}{}", libyang::print_difference(&first, &second), context());
        assert_eq!(effects.created, theirs.created, "created {}", said());
        assert_eq!(effects.removed, theirs.removed, "removed {}", said());
        assert_eq!(effects.changed, theirs.changed, "changed {}", said());
        assert_eq!(effects.moved.is_empty(), theirs.moved.is_empty(), "moved {}", said());
        assert!(effects.moved.len() <= theirs.moved.len(), "moved {:?} {:?} {}", effects.moved, theirs.moved, said());
        assert_eq!(ours.is_empty(), theirs.is_empty());
        let applied = libyang.of(&done, index, take).unwrap();
        assert!(libyang::effects(&applied, &second).is_empty(), "libyang reads what we applied {}", said());
    }

    let edit = xml::edit_config(&ours, index);
    assert_eq!(edit.is_empty(), ours.is_empty());
    let mut now = xml::print(a, index, false);
    // The second time: what was answered with a timeout is sent again, and does no harm.
    for round in ["once", "again"] {
        now = edit_config::execute(&now, &edit, index).unwrap_or_else(|fault| panic!("{fault}: {edit}{}", context()));
        assert_eq!(parse(&now, DataFormat::XML, index), *b, "{round}: {edit}{}", context());
        libyang.read(&now, DataFormat::XML, take).unwrap_or_else(|refusal| panic!("{refusal:?}: {now}"));
    }
    Said {
        effects: effects.created.len() + effects.removed.len() + effects.changed.len() + effects.moved.len(),
        moves: effects.moved.len(),
        their_moves: theirs.moved.len(),
        they_lose,
    }
}

fn applied<'a>(first: &DataTree<'a>, second: &DataTree<'a>) -> DataTree<'a> {
    let difference = first.diff(second, yang5::data::DataDiffFlags::empty()).unwrap();
    let mut copy = first.duplicate().unwrap();
    copy.diff_apply(&difference).unwrap();
    copy
}

/// What our difference does, node by node.
pub fn own_effects(difference: &Diff) -> Effects {
    let mut effects = Effects::default();
    for edit in &difference.edits {
        let steps = edit.path().steps();
        let above = &steps[..steps.len() - 1];
        match edit {
            Edit::Create { node, .. } => libyang::spots(above, node, &mut effects.created),
            Edit::Remove { node, .. } => libyang::spots(above, node, &mut effects.removed),
            Edit::Set { old, new, .. } => {
                effects.changed.insert(libyang::changed(&libyang::spot(steps), old.as_str(), new.as_str()));
            }
            Edit::Move { .. } => {
                effects.moved.insert(libyang::spot(steps));
            }
            Edit::Replace { old, new, .. } => {
                libyang::spots(above, old, &mut effects.removed);
                libyang::spots(above, new, &mut effects.created);
            }
        }
    }
    let both: BTreeSet<_> = effects.created.intersection(&effects.removed).collect();
    assert!(both.is_empty(), "created and removed: {both:?}");
    effects
}
