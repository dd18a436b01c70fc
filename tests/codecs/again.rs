//! A document that is much like the one before it.

use super::{L, sample};
use crate::arbitrary;
use andante::tree::schema::{SchemaIndex, SchemaNode};
use andante::tree::{CodecError, CodecErrorKind as Kind, ConfigTree, Limits, Policy, SchemaId, xml};

/// [`sample`] with an identity in its list.
fn with_identity_in_list() -> SchemaIndex {
    let mut tables = sample().tables().clone();
    let identity = tables.nodes[4].clone();
    let id = SchemaId(tables.nodes.len() as u32);
    tables.nodes.push(SchemaNode { parent: Some(SchemaId(5)), ..identity });
    let list = &mut tables.nodes[5];
    list.children = list.children.iter().copied().chain([id]).collect();
    SchemaIndex::from(tables)
}

#[test]
fn an_entry_with_the_same_bytes_is_read_once_and_in_other_surroundings_again() {
    let index = with_identity_in_list();
    let entry = |key: &str, rest: &str| format!("<l><k>{key}{}</k>{rest}</l>", "x".repeat(100));
    let document = |around: &str, entries: &[String]| format!("<c xmlns='urn:m' {around}>{}</c>", entries.join("\n "));
    let read = |text: &str, last: &xml::Entries| {
        let (tree, now) = xml::parse_after(text.as_bytes(), &index, Policy::ELEMENT, L, last).unwrap();
        assert_eq!(Ok(&tree), xml::parse(text.as_bytes(), &index, None, Policy::ELEMENT, L).as_ref(), "{text}");
        (tree, now)
    };
    let all: Vec<String> = (0..20).map(|n| entry(&n.to_string(), "<v>1</v><i>q:b</i>")).collect();
    let around = "xmlns:q='urn:x'";
    let (tree, first) = read(&document(around, &all), &xml::Entries::default());
    assert_eq!((first.len(), first.again()), (20, 0));
    // One is another, one is gone, one is new, and they stand in another order.
    let mut now = all.clone();
    now[7] = entry("7", "<v>2</v><i>q:b</i>");
    now.remove(3);
    now.push(entry("new", ""));
    now.reverse();
    let (_, second) = read(&document(around, &now), &first);
    assert_eq!((second.len(), second.again()), (20, 18));
    // The same bytes, and another module behind the prefix; then none.
    let (other, third) = read(&document("xmlns:q='urn:m'", &all), &first);
    assert_ne!(other, tree);
    assert_eq!(third.again(), 0);
    read(&document("", &all), &first);
    // What was known keeps its place in the count of what is given twice.
    let twice = document(around, &[all.clone(), vec![all[4].clone()]].concat());
    let error = |result: Result<ConfigTree, CodecError>| result.map_err(|error| error.to_string()).unwrap_err();
    let again = xml::parse_after(twice.as_bytes(), &index, Policy::ELEMENT, L, &first).map(|(tree, _)| tree);
    assert_eq!(error(again), error(xml::parse(twice.as_bytes(), &index, None, Policy::ELEMENT, L)));
    // An element of the same name inside of it: up to its end tag it would be half an entry.
    let nested = |word: &str| entry("nested", &format!("<z><l>{word}</l></z><v>3</v>"));
    let (_, last) = read(&document(around, &[nested("a"), all[0].clone()]), &first);
    assert_eq!((last.len(), last.again()), (1, 1));
    read(&document(around, &[nested("b"), all[0].clone()]), &last);
    // A large one is not kept as one.
    let (_, last) = read(&document(around, &[entry("large", &format!("<z>{}</z>", "y".repeat(20_000)))]), &first);
    assert!(last.is_empty());
    // Small ones are read.
    let (_, last) = read(&document(around, &["<l><k>a</k></l>".into()]), &first);
    assert!(last.is_empty());
    // A limit that is reached with what is known is a limit.
    let few = Limits { nodes: 30, ..*L };
    let known = xml::parse_after(document(around, &all).as_bytes(), &index, Policy::ELEMENT, &few, &first);
    assert_eq!(known.map(|_| ()).unwrap_err().kind, Kind::TooBig);
}

#[test]
fn the_documents_that_are_drawn_have_entries_that_are_found_again() {
    let (mut kept, mut again) = (0, 0);
    for seed in 0..300 {
        let index = arbitrary::schema(seed);
        let text = xml::print(&arbitrary::tree(&index, seed), &index, true);
        let mut last = xml::Entries::default();
        for _ in 0..2 {
            last = xml::parse_after(text.as_bytes(), &index, Policy::ELEMENT, L, &last).unwrap().1;
        }
        (kept, again) = (kept + last.len(), again + last.again());
    }
    assert!(again > 100 && 2 * again > kept, "a poor draw: {again} of {kept}");
}
