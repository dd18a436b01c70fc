//! What the oracle found, each as a test of its own, small enough to be read.

use crate::Worker;
use crate::laws::{LIMITS, difference, round_trips};
use crate::libyang::{Libyang, Take};
use andante::tree::{ConfigTree, Policy, SchemaIndex, json, xml};
use andante::yang::{ModuleSet, Wanted};
use std::sync::Arc;

/// `module m` with these statements, by the worker and by libyang.
struct Small {
    libyang: Libyang,
    index: Arc<SchemaIndex>,
}

impl Small {
    fn module(statements: &str) -> Self {
        let text = format!(
            "module m {{ yang-version 1.1; namespace \"urn:m\"; prefix m; import ietf-yang-types {{ prefix yang; }} \
             identity root; identity one {{ base root; }} {statements} }}"
        );
        let set = ModuleSet { modules: vec![Wanted::all_features("m")], dirs: Vec::new(), texts: vec![text] };
        let loaded = Worker::start().load(&set);
        assert!(loaded.left_out.is_empty(), "{:?}", loaded.left_out);
        Self { libyang: Libyang::load(&set, &[]), index: loaded.index.clone() }
    }

    fn xml(&self, text: &str) -> ConfigTree {
        xml::parse(text.as_bytes(), &self.index, None, Policy::STRICT, LIMITS).unwrap()
    }

    fn json(&self, text: &str) -> ConfigTree {
        json::parse(text.as_bytes(), &self.index, None, Policy::STRICT, LIMITS).unwrap()
    }

    /// The document says the same to libyang and to us, in both encodings.
    fn holds(&self, document: &str) -> String {
        let tree = self.xml(document);
        round_trips(&self.libyang, &self.index, &tree, Take::Valid);
        json::print(&tree, &self.index, false)
    }
}

/// OpenConfig's `community-member` is such a union: as a JSON number libyang refused what we had printed.
#[test]
fn a_value_belongs_to_the_union_member_whose_range_or_length_it_fits() {
    let small = Small::module(
        "leaf-list l { type union { type uint8 { range \"10..20\"; } type decimal64 { fraction-digits 1; } \
         type string { length 2; } type binary; } }",
    );
    assert_eq!(small.holds("<l xmlns=\"urn:m\">15</l><l xmlns=\"urn:m\">78</l>"), "{\"m:l\":[15,\"78.0\"]}");
    assert_eq!(small.holds("<l xmlns=\"urn:m\">ab</l><l xmlns=\"urn:m\">QQ==</l>"), "{\"m:l\":[\"QQ==\",\"ab\"]}");
}

/// A name was sent in lower case, for the first member would have taken it as a MAC address.
#[test]
fn a_text_that_is_no_mac_address_keeps_its_case_and_its_blanks_in_a_union() {
    let small = Small::module(
        "leaf l { type union { type yang:mac-address; type identityref { base root; } type boolean; type empty; \
         type binary; type enumeration { enum up; } type instance-identifier { require-instance false; } type string; } }",
    );
    for (text, canonical) in [
        ("GigabitEthernet0/0/0/0", "GigabitEthernet0/0/0/0"),
        ("00:1B:2C:3D:4E:5F", "00:1b:2c:3d:4e:5f"),
        ("00:1B", "00:1B"),
        (" ", " "),
        (" true", " true"),
        (" up", " up"),
        (" QQ==", " QQ=="),
        (" /m:l", " /m:l"),
    ] {
        let document = format!("<l xmlns=\"urn:m\">{text}</l>");
        assert_eq!(small.holds(&document), format!("{{\"m:l\":\"{canonical}\"}}"), "{text:?}");
    }
    assert_eq!(small.holds("<l xmlns=\"urn:m\" xmlns:m=\"urn:m\">m:one</l>"), "{\"m:l\":\"m:one\"}");
    let blank = small.holds("<l xmlns=\"urn:m\" xmlns:m=\"urn:m\"> m:one</l>");
    assert_eq!(blank, "{\"m:l\":\" m:one\"}");
}

/// A JSON number is an integer of at most 32 bits wherever a member of the union is one (RFC 7951 §6.1).
#[test]
fn a_json_number_in_a_union_is_no_decimal_where_an_integer_takes_it() {
    let small = Small::module("leaf l { type union { type decimal64 { fraction-digits 2; } type uint8; } }");
    let number = small.json("{\"m:l\":5}");
    assert_eq!(json::print(&number, &small.index, false), "{\"m:l\":5}");
    let text = small.json("{\"m:l\":\"5\"}");
    assert_eq!(json::print(&text, &small.index, false), "{\"m:l\":\"5.0\"}");
    round_trips(&small.libyang, &small.index, &text, Take::Valid);
    // What many clients send for a decimal is still one.
    let lenient = small.json("{\"m:l\":2.5}");
    assert_eq!(json::print(&lenient, &small.index, false), "{\"m:l\":\"2.5\"}");
}

/// In XML it was printed with module names for prefixes that nobody declares, which is some text and no path.
#[test]
fn an_instance_identifier_in_a_union_has_its_prefixes_in_xml() {
    let small = Small::module(
        "container c { leaf x { type string; } } leaf l { type union { type uint8; \
         type instance-identifier { require-instance false; } type string; } }",
    );
    let tree = small.json("{\"m:l\":\"/m:c/x\"}");
    let printed = xml::print(&tree, &small.index, false);
    assert_eq!(printed, "<l xmlns=\"urn:m\" xmlns:m=\"urn:m\">/m:c/m:x</l>");
    assert_eq!(small.holds(&printed), "{\"m:l\":\"/m:c/x\"}");
    // What names no module that is known is a text.
    let text = small.json("{\"m:l\":\"/nope:c\"}");
    assert_eq!(xml::print(&text, &small.index, false), "<l xmlns=\"urn:m\">/nope:c</l>");
}

/// Half of IOS-XE was left out: the names of some of its nodes are `import` and `include`.
#[test]
fn a_node_called_import_is_no_statement_that_imports() {
    let small = Small::module(
        "container import { description \"x\"; leaf include { type enumeration { enum import { value 1; } } } }",
    );
    let printed = small.holds("<import xmlns=\"urn:m\"><include>import</include></import>");
    assert_eq!(printed, "{\"m:import\":{\"include\":\"import\"}}");
}

/// The server drops the container of the old case when the new case comes; naming a leaf in it afterwards is data-missing.
#[test]
fn another_case_of_a_choice_is_sent_so_that_a_server_takes_it_twice() {
    let small = Small::module(
        "choice c { case a { leaf a { type string; } } case b { container b { leaf x { type string; } leaf y { type string; } } } \
         case d { list d { key k; ordered-by user; leaf k { type string; } } } }",
    );
    let a = small.xml("<a xmlns=\"urn:m\">1</a>");
    let b = small.xml("<b xmlns=\"urn:m\"><x>1</x><y>2</y></b>");
    let d = small.xml("<d xmlns=\"urn:m\"><k>2</k></d><d xmlns=\"urn:m\"><k>1</k></d>");
    for (from, to) in [(&a, &b), (&b, &a), (&b, &d), (&d, &a), (&a, &d), (&d, &b)] {
        let said = difference(&small.libyang, &small.index, from, to, Take::Valid);
        assert!(said.effects > 1 && !said.they_lose);
    }
}
