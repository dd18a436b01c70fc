//! The JSON and XML codecs: round trips over random schemas and trees, and bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod again;
mod edit;
mod of_json;
mod of_xml;
mod spelled;

#[path = "../support/arbitrary.rs"]
mod arbitrary;

use andante::tree::schema::{SchemaIndex, SchemaKind, SchemaModule, SchemaNode, Tables, TypeSpec};
use andante::tree::{
    CodecErrorKind as Kind, ConfigTree, Limits, Name, Path, Policy, QName, SchemaId, Step, diff, json, xml,
};
use edit::execute;
use of_json::from_json;
use of_xml::from_xml;
use proptest::prelude::*;
use std::sync::Arc;

const L: &Limits = &Limits::NORTH;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_back(schema: u64, seed: u64) {
        let index = arbitrary::schema(schema);
        let tree = arbitrary::tree(&index, seed);
        for pretty in [false, true] {
            let text = json::print(&tree, &index, pretty);
            let back = json::parse(text.as_bytes(), &index, None, Policy::STRICT, L);
            prop_assert_eq!(back.as_ref(), Ok(&tree), "{}", text);
            prop_assert_eq!(json::print(&back.unwrap(), &index, pretty), text);
            let text = xml::print(&tree, &index, pretty);
            let back = xml::parse(text.as_bytes(), &index, None, Policy::STRICT, L);
            prop_assert_eq!(back.as_ref(), Ok(&tree), "{}", text);
            prop_assert_eq!(xml::print(&back.unwrap(), &index, pretty), text);
        }
    }

    #[test]
    fn an_edit_makes_one_tree_of_the_other(schema: u64, seed: u64, change: u64) {
        let index = arbitrary::schema(schema);
        let a = arbitrary::tree(&index, seed);
        let b = arbitrary::changed(&index, &a, change);
        for (from, to) in [(&a, &b), (&b, &a)] {
            let difference = diff(from, to);
            let text = xml::edit_config(&difference, &index);
            prop_assert_eq!(text.is_empty(), difference.is_empty());
            prop_assert!(!text.contains("\"create\"") && !text.contains("\"delete\""));
            let after = execute(&text, from, &index);
            prop_assert_eq!(&after, to, "{}\n{:#?}", text, difference);
            // Sending it again does no harm, user order included.
            prop_assert_eq!(&execute(&text, &after, &index), to, "again: {}", text);
        }
    }

    #[test]
    fn a_document_means_the_same_whatever_is_known_of_the_one_before(
        schema: u64, seed: u64, change: u64, cut: prop::sample::Index, bytes: Vec<u8>,
    ) {
        let index = arbitrary::schema(schema);
        let a = arbitrary::tree(&index, seed);
        let b = arbitrary::changed(&index, &a, change);
        let (one, other) = (xml::print(&a, &index, true), xml::print(&b, &index, true));
        let mut broken = one.clone().into_bytes();
        let at = cut.index(broken.len() + 1);
        broken.splice(at..at, bytes);
        let twice = [one.as_bytes(), one.as_bytes()].concat();
        for policy in [Policy::STRICT, Policy::ELEMENT] {
            let mut last = xml::Entries::default();
            for text in [one.as_bytes(), one.as_bytes(), other.as_bytes(), &broken, &twice, one.as_bytes()] {
                let read = xml::parse_after(text, &index, policy, L, &last);
                let afresh = xml::parse(text, &index, None, policy, L);
                prop_assert_eq!(read.as_ref().map(|(tree, _)| tree), afresh.as_ref(), "{}", String::from_utf8_lossy(text));
                if let Ok((_, now)) = read {
                    last = now;
                }
            }
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(schema: u64, seed: u64, cut: prop::sample::Index, bytes: Vec<u8>) {
        let index = arbitrary::schema(schema);
        let tree = arbitrary::tree(&index, seed);
        for text in [json::print(&tree, &index, false), xml::print(&tree, &index, false)] {
            let mut broken = text.into_bytes();
            let at = cut.index(broken.len() + 1);
            broken.splice(at..at, bytes.iter().copied());
            for policy in [Policy::STRICT, Policy::ELEMENT] {
                let _ = json::parse(&broken, &index, None, policy, L);
                let _ = xml::parse(&broken, &index, None, policy, L);
                let _ = json::parse(&broken[..at], &index, None, policy, L);
                let _ = xml::parse(&broken[..at], &index, None, policy, L);
            }
        }
    }
}

/// `m:c { leaf n (uint8); leaf w (uint64); leaf t (string); leaf i (identityref); leaf u (string of 4 letters | identityref); list l { key k; leaf v; leaf s (state); } anydata any; anydata s (state); }`
/// and `x:w` augmented into `m:c`.
fn sample() -> SchemaIndex {
    use andante::tree::schema::Canonical;
    let module = |name: &str| SchemaModule {
        name: Name::new(name),
        namespace: format!("urn:{name}"),
        prefix: format!("p{name}"),
        revision: None,
    };
    let node =
        |module: &str, name: &str, parent: Option<u32>, kind, ty: Option<TypeSpec>, children: &[u32]| SchemaNode {
            parent: parent.map(SchemaId),
            config: name != "s",
            keys: if name == "l" { vec![Name::new("k")] } else { Vec::new() },
            ty: ty.map(Arc::new),
            children: children.iter().copied().map(SchemaId).collect(),
            ..SchemaNode::new(QName::new(module, name), kind)
        };
    let text = || Some(TypeSpec::Text(Canonical::Exact));
    let int = |bits| Some(TypeSpec::Integer { bits, signed: false });
    let identity = || TypeSpec::Identity { identities: vec!["m:a".into(), "x:b".into()] };
    let four_letters = TypeSpec::Restricted { of: Box::new(TypeSpec::Text(Canonical::Exact)), within: vec![(4, 4)] };
    let (leaf, list) = (SchemaKind::Leaf, SchemaKind::List { user_ordered: false });
    let container = SchemaKind::Container { presence: false };
    SchemaIndex::from(Tables {
        content_id: "sample".into(),
        modules: vec![module("m"), module("x")],
        top: vec![SchemaId(0)],
        nodes: vec![
            node("m", "c", None, container, None, &[1, 2, 3, 4, 5, 9, 10, 11, 12]),
            node("m", "n", Some(0), leaf, int(8), &[]),
            node("m", "w", Some(0), leaf, int(64), &[]),
            node("m", "t", Some(0), leaf, text(), &[]),
            node("m", "i", Some(0), leaf, Some(identity()), &[]),
            node("m", "l", Some(0), list, None, &[6, 7, 8]),
            node("m", "k", Some(5), leaf, text(), &[]),
            node("m", "v", Some(5), leaf, int(8), &[]),
            node("m", "s", Some(5), leaf, text(), &[]),
            node("x", "w", Some(0), leaf, text(), &[]),
            node("m", "u", Some(0), leaf, Some(TypeSpec::Union(vec![four_letters, identity()])), &[]),
            node("m", "any", Some(0), SchemaKind::Any, None, &[]),
            node("m", "s", Some(0), SchemaKind::Any, None, &[]),
        ],
        choices: Vec::new(),
    })
}

/// Found by the oracle (seed 74): with its module's own prefix the identity was the text of the string member before it.
#[test]
fn an_identity_in_a_union_is_printed_so_that_no_earlier_member_takes_it() {
    let tree = from_json("{\"m:c\":{\"u\":\"m:a\"}}").unwrap();
    let text = xml::print(&tree, &sample(), false);
    assert_eq!(text, "<c xmlns=\"urn:m\"><u xmlns:m=\"urn:m\">m:a</u></c>");
    assert_eq!(from_xml(&text, Policy::STRICT).unwrap(), tree);
    // The four letters themselves are a string, whatever prefixes are declared.
    let string = from_xml("<c xmlns='urn:m'><u xmlns:pm='urn:m'>pm:a</u></c>", Policy::STRICT).unwrap();
    assert_ne!(string, tree);
    assert_eq!(json::print(&string, &sample(), false), "{\"m:c\":{\"u\":\"pm:a\"}}");
}

#[test]
fn a_document_below_a_list_entry_starts_at_the_root() {
    let index = sample();
    let entry = Path::new(vec![Step::single(QName::new("m", "c")), Step::entry(QName::new("m", "l"), &[("k", "a")])]);
    let json_tree = json::parse(b"{\"m:v\":7}", &index, Some(&entry), Policy::STRICT, L).unwrap();
    let xml_tree = xml::parse(b"<v xmlns='urn:m'>7</v>", &index, Some(&entry), Policy::STRICT, L).unwrap();
    assert_eq!(json_tree, xml_tree);
    assert_eq!(json::print(&json_tree, &index, false), "{\"m:c\":{\"l\":[{\"k\":\"a\",\"v\":7}]}}");
    let list = entry.parent().unwrap();
    let node = json_tree.at(&entry).unwrap().clone();
    assert_eq!(
        json::print_nodes(std::slice::from_ref(&node), &list, &index, false),
        "{\"m:l\":[{\"k\":\"a\",\"v\":7}]}"
    );
    assert_eq!(xml::print_nodes(&[node], &list, &index, false), "<l xmlns=\"urn:m\"><k>a</k><v>7</v></l>");
    let error = json::parse(b"{\"m:v\":700}", &index, Some(&entry), Policy::STRICT, L).unwrap_err();
    assert_eq!(error.path, "/m:c/l[k='a']/v");
}

#[test]
fn a_path_that_is_printed_is_located_again() {
    for seed in 0..200 {
        let index = arbitrary::schema(seed);
        arbitrary::tree(&index, seed).walk(&mut |path, _| {
            let text = path.to_string();
            // An instance identifier cannot hold a value with both kinds of quotes (RFC 7950 §9.13).
            let last = path.last().map(|step| format!("{:?}", step.key)).unwrap_or_default();
            if last.contains('\'') && last.contains("\\\"") {
                return false;
            }
            assert_eq!(index.locate(&text).as_ref(), Ok(path), "{text}");
            true
        });
    }
    let index = sample();
    let path = index.locate("/m:c/l[m:k=\"it's\"]/m:v").unwrap();
    assert_eq!(path.to_string(), "/m:c/l[k=\"it's\"]/v");
    for bad in ["c", "/c", "/m:c/l", "/m:c/l[v='1']", "/m:c/z", "/m:c[k='1']", "/m:c/l[k='a'", "/m:c/l[k='a']x"] {
        assert!(index.locate(bad).is_err(), "{bad}");
    }
}

/// RFC 7950 §7.10.3: anydata is changed as a whole, one element says so, whichever content sorts first.
#[test]
fn anydata_is_kept_as_it_stands_and_changed_as_a_whole() {
    let index = sample();
    let tree = |inner: &str| from_xml(&format!("<c xmlns='urn:m'><t>x</t>{inner}</c>"), Policy::STRICT).unwrap();
    let [none, a, b] = [tree(""), tree("<any><a xmlns='urn:q' k='1'>1</a></any>"), tree("<any><b><c/></b></any>")];
    for (from, to) in [(&a, &b), (&b, &a), (&none, &a), (&a, &none)] {
        let printed = xml::print(to, &index, false);
        assert_eq!(from_xml(&printed, Policy::STRICT).unwrap(), *to, "{printed}");
        let text = xml::edit_config(&diff(from, to), &index);
        assert_eq!(text.matches("<any").count(), 1, "{text}");
        assert_eq!(execute(&text, from, &index), *to, "{text}");
        assert_eq!(execute(&xml::edit_config(&diff(to, from), &index), to, &index), *from);
    }
    for (inner, kind) in [
        ("<any/><any>1</any>", Kind::DuplicateEntry),
        ("<s>1</s>", Kind::NotConfiguration),
        ("<any odd='1'/>", Kind::BadAttribute),
    ] {
        let error = from_xml(&format!("<c xmlns='urn:m'>{inner}</c>"), Policy::STRICT).expect_err(inner);
        assert_eq!(error.kind, kind, "{error}");
    }
    assert_eq!(from_xml("<c xmlns='urn:m'><t>x</t><s><up/></s></c>", Policy::ELEMENT).unwrap(), none, "state");
}

/// That a leaf was reported as being at its default (RFC 6243, RFC 8040 §4.8.9) survives both codecs and is no difference.
#[test]
fn a_leaf_reported_as_default_is_told_apart_and_equal_all_the_same() {
    let index = sample();
    let text = format!(
        "<c xmlns='urn:m' xmlns:d='{}'><n d:default='true'>1</n><t>x</t><l><k>a</k><v d:default='true'>7</v></l></c>",
        xml::DEFAULTS
    );
    let tree = from_xml(&text, Policy::ELEMENT).unwrap();
    let plain = from_xml("<c xmlns='urn:m'><n>1</n><t>x</t><l><k>a</k><v>7</v></l></c>", Policy::ELEMENT).unwrap();
    let marked = |tree: &ConfigTree| {
        let mut found = Vec::new();
        tree.walk(&mut |path, node| {
            found.extend(node.is_default().then(|| path.to_string()));
            true
        });
        found
    };
    let wanted = ["/m:c/l[k='a']/v", "/m:c/n"];
    assert_eq!((marked(&tree), marked(&plain)), (wanted.map(String::from).to_vec(), Vec::new()));
    assert_eq!(tree, plain);
    assert!(diff(&tree, &plain).is_empty());
    assert_eq!(json::print(&tree, &index, false), json::print(&plain, &index, false));
    let as_json = json::print_tagged(&tree, &index, false);
    assert!(as_json.contains("\"n\":1,\"@n\":{\"ietf-netconf-with-defaults:default\":true}"), "{as_json}");
    for policy in [Policy::STRICT, Policy::ELEMENT] {
        let back = json::parse(as_json.as_bytes(), &index, None, policy, L).unwrap();
        assert_eq!(marked(&back), wanted, "{as_json}");
        let as_xml = xml::print_tagged(&tree, &index, false);
        assert_eq!(marked(&xml::parse(as_xml.as_bytes(), &index, None, policy, L).unwrap()), wanted, "{as_xml}");
    }
    let stored: ConfigTree = serde_json::from_str(&serde_json::to_string(&tree).unwrap()).unwrap();
    assert_eq!(marked(&stored), wanted);
    let alone = "{\"m:c\":{\"@n\":{\"ietf-netconf-with-defaults:default\":true}}}";
    assert_eq!(from_json(alone).unwrap_err().kind, Kind::BadAttribute);
}

/// RFC 7951 §6.10: in a union of a number and a string, 10 and "10" are two values.
#[test]
fn a_string_and_a_number_of_one_union_are_two_values() {
    use andante::tree::schema::Canonical;
    let ty = TypeSpec::Union(vec![TypeSpec::Integer { bits: 8, signed: false }, TypeSpec::Text(Canonical::Exact)]);
    let mut tables = Tables::from(sample());
    tables.nodes[3].ty = Some(std::sync::Arc::new(ty));
    let index = SchemaIndex::from(tables);
    let read = |text: &str| json::parse(text.as_bytes(), &index, None, Policy::STRICT, L).unwrap();
    let (number, string) = (read("{\"m:c\":{\"t\":10}}"), read("{\"m:c\":{\"t\":\"10\"}}"));
    assert_ne!(number, string);
    assert_eq!(diff(&number, &string).edits.len(), 1);
    for tree in [&number, &string] {
        assert_eq!(&read(&json::print(tree, &index, false)), tree);
    }
    let from_xml = xml::parse(b"<c xmlns='urn:m'><t>10</t></c>", &index, None, Policy::STRICT, L).unwrap();
    assert_eq!(from_xml, number, "the first member that fits the text (RFC 7950 \u{a7}9.12)");
}

/// Found by fuzzing: what cannot be printed as a name is not read as one.
#[test]
fn a_name_that_is_none_is_refused() {
    for text in [
        "<c xmlns='urn:m'><\n/></c>",
        "<\n/>",
        "<c xmlns='urn:m'><1a/></c>",
        "<c xmlns='urn:m'><a:b:c xmlns:a='urn:a'/></c>",
    ] {
        assert!(from_xml(text, Policy::ELEMENT).is_err(), "{text}");
    }
    for text in ["{\":n:22\":1}", "{\"a:\":1}", "{\"a:b:c\":1}", "{\"\":1}"] {
        assert!(json::parse(text.as_bytes(), &sample(), None, Policy::ELEMENT, L).is_err(), "{text}");
    }
}
