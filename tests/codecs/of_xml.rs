//! XML: bad input, and the many ways to write one document.

use super::{L, sample};
use andante::tree::node::Body;
use andante::tree::{CodecError, CodecErrorKind as Kind, ConfigTree, Limits, Policy, json, xml};

pub(super) fn from_xml(text: &str, policy: Policy) -> Result<ConfigTree, CodecError> {
    xml::parse(text.as_bytes(), &sample(), None, policy, L)
}

#[test]
fn bad_xml_is_an_error_with_kind_and_path() {
    let deep = format!("<c xmlns='urn:m'>{}", "<z>".repeat(1000));
    for (text, kind, path) in [
        ("<c xmlns='urn:m'>", Kind::Malformed, "/m:c"),
        ("<c xmlns='urn:m'></d>", Kind::Malformed, "/m:c"),
        ("</c>", Kind::Malformed, "/"),
        ("<!DOCTYPE c [<!ENTITY a 'b'>]><c xmlns='urn:m'/>", Kind::Malformed, "/"),
        ("<c xmlns='urn:m'><t>&a;</t></c>", Kind::Malformed, "/m:c/t"),
        ("<c xmlns='urn:m'><t>&#0;</t></c>", Kind::Malformed, "/m:c/t"),
        ("<c xmlns='urn:m'><t>&#1;</t></c>", Kind::Malformed, "/m:c/t"),
        ("<c xmlns='urn:m'>text</c>", Kind::Malformed, "/m:c"),
        ("<c xmlns='urn:m'><t><t/></t></c>", Kind::Malformed, "/m:c/t"),
        ("<c/>", Kind::UnknownNamespace, "/:c"),
        ("<p:c/>", Kind::UnknownNamespace, "/p:c"),
        ("<c xmlns='urn:z'/>", Kind::UnknownNamespace, "/urn:z:c"),
        ("<c xmlns='urn:m'><z/></c>", Kind::UnknownElement, "/m:c/z"),
        ("<c xmlns='urn:m'><n>256</n></c>", Kind::InvalidValue, "/m:c/n"),
        ("<c xmlns='urn:m'><i>q:b</i></c>", Kind::InvalidValue, "/m:c/i"),
        ("<c xmlns='urn:m'><n>1</n><n>1</n></c>", Kind::DuplicateEntry, "/m:c/n"),
        ("<c xmlns='urn:m'><l><k>a</k></l><l><v>1</v></l></c>", Kind::MissingKey, "/m:c/l[2]"),
        ("<c xmlns='urn:m'><l><k>a</k></l><l><k>a</k></l></c>", Kind::DuplicateEntry, "/m:c/l[k='a']"),
        ("<c xmlns='urn:m' a='1'/>", Kind::BadAttribute, "/m:c"),
        ("<config><data><c xmlns='urn:m'/></data></config>", Kind::Malformed, "/"),
        ("<c xmlns='urn:m' a='1' a='2'/>", Kind::Malformed, "/"),
        (&format!("<c xmlns='urn:m' xmlns:nc='{}' nc:operation='remove'/>", xml::NETCONF), Kind::BadAttribute, "/m:c"),
        (&deep, Kind::UnknownElement, "/m:c/z"),
    ] {
        let error = from_xml(text, Policy::STRICT).expect_err(text);
        assert_eq!((error.kind, error.path.as_str()), (kind, path), "{error}: {text:.80}");
    }
    assert_eq!(from_xml(&deep, Policy::ELEMENT).unwrap_err().kind, Kind::TooDeep);
    let many: String = (0..100).map(|n| format!(" a{n}='x'")).collect();
    let error = from_xml(&format!("<c xmlns='urn:m'{many}/>"), Policy::ELEMENT).unwrap_err();
    assert_eq!(error.message, "an element has more than 64 attributes");
}

#[test]
fn prefixes_indentation_comments_and_the_place_of_keys_do_not_matter() {
    let plain = "<c xmlns=\"urn:m\"><i xmlns:q=\"urn:x\">q:b</i><l><k>a</k><v>1</v></l></c>";
    let other = "<?xml version='1.0'?>\n<nc:data xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0'>\n <!-- c -->\
        <y:c xmlns:y='urn:m' xmlns:b='urn:x'>\r\n\t<y:l><y:v>\n 1 </y:v>\n<y:k><![CDATA[a]]></y:k></y:l><y:i> b:b\n</y:i>\
        </y:c></nc:data>\n";
    let (a, b) = (from_xml(plain, Policy::STRICT).unwrap(), from_xml(other, Policy::STRICT).unwrap());
    assert_eq!(a, b);
    for envelope in ["data", "nc:data", "config"] {
        let cut = format!("\n<{envelope}>{plain}</{envelope}>");
        assert_eq!(from_xml(&cut, Policy::STRICT).unwrap(), a);
    }
    let printed = "<c xmlns=\"urn:m\"><i xmlns:px=\"urn:x\">px:b</i><l><k>a</k><v>1</v></l></c>";
    assert_eq!(xml::print(&a, &sample(), false), printed);
}

#[test]
fn what_an_element_says_and_no_schema_knows_is_kept_and_compared() {
    let one = "<c xmlns='urn:m'><z:u xmlns:z='urn:z'><z:a z:k='1' b='2'>i:x</z:a> <z:a/></z:u><l><v>1</v></l>\
        <t><odd/></t><n>many</n><same/><same/><l><k>a</k><s>up</s></l></c><top xmlns='urn:q'/>";
    let two = "<m:c xmlns:m='urn:m'>\n <u xmlns='urn:z' xmlns:z='urn:z'>\n  <a b='2' z:k='1'>i:x</a>\n  <a></a></u>\
        <m:l> <m:v>1</m:v> </m:l><m:t>\n<m:odd/></m:t><m:n> many </m:n><m:same/>\n<m:same/><m:l><m:k>a</m:k></m:l></m:c>\
        <y:top xmlns:y='urn:q'/>";
    let (a, b) = (from_xml(one, Policy::ELEMENT).unwrap(), from_xml(two, Policy::ELEMENT).unwrap());
    let mut opaque = 0;
    a.walk(&mut |_, node| {
        opaque += usize::from(matches!(node.body(), Body::Opaque { .. }));
        true
    });
    assert_eq!(opaque, 6);
    assert_eq!(xml::print(&a, &sample(), true), xml::print(&b, &sample(), true));
    assert_eq!(a, b);
    let printed = xml::print(&a, &sample(), false);
    assert_eq!(from_xml(&printed, Policy::ELEMENT).unwrap(), a, "{printed}");
    assert!(printed.contains("<u xmlns=\"urn:z\"><a b=\"2\" xmlns:z=\"urn:z\" z:k=\"1\">i:x</a><a/></u>"), "{printed}");
    // Found by fuzzing: each prefix is declared once, also where an attribute and the value have the same, or the value
    // begins with a colon.
    for odd in ["<u xmlns='urn:z' xmlns:z='urn:y' z:k='1'>z:x</u>", "<u xmlns='urn:z'>:x</u>"] {
        let tree = from_xml(odd, Policy::ELEMENT).unwrap();
        let printed = xml::print(&tree, &sample(), false);
        assert_eq!(from_xml(&printed, Policy::ELEMENT).as_ref(), Ok(&tree), "{printed}");
    }
    // An empty declaration of the default namespace is none.
    let [with, without] = [" xmlns=''", ""].map(|said| format!("<config{said}><c xmlns='urn:m'><t>a</t></c></config>"));
    assert_eq!(from_xml(&with, Policy::ELEMENT).unwrap(), from_xml(&without, Policy::ELEMENT).unwrap());
    // Kept as unknown, an envelope beside others would be printed before them and be read as theirs.
    for beside in ["<config><n xmlns='urn:q'/></config>", "<x:data xmlns:x='urn:ietf:params:xml:ns:netconf:base:1.0'/>"]
    {
        let error = from_xml(&format!("<mc/>{beside}"), Policy::ELEMENT).unwrap_err();
        assert_eq!(error.kind, Kind::Malformed, "{beside}: {error}");
    }
    assert!(from_xml("<mc/><config xmlns='urn:q'/>", Policy::ELEMENT).is_ok(), "a config of somebody's own");
    // JSON keeps what JSON brought.
    let text = "{\"m:c\":{\"z:u\":[1,{\"a\":null}],\"n\":[true],\"l\":[{\"v\":1}]},\"q\":\"x\"}";
    let tree = json::parse(text.as_bytes(), &sample(), None, Policy::ELEMENT, L).unwrap();
    let printed = json::print(&tree, &sample(), false);
    assert_eq!(json::parse(printed.as_bytes(), &sample(), None, Policy::ELEMENT, L).unwrap(), tree, "{printed}");
}

/// Plain leafs are read without events: all that makes them not plain must come to the same.
#[test]
fn the_short_way_through_plain_leafs_says_what_the_long_way_says() {
    let long =
        |text: &str| text.replace("<n>", "<n >").replace("<v>", "<v >").replace("<t>", "<t >").replace("<k>", "<k >");
    for text in [
        "<c xmlns='urn:m'><n>1</n><t>x y</t><l><k>a</k><v>7</v></l><l><k>b</k></l></c>",
        "<c xmlns='urn:m'>\n <n>\n1 </n>\r\n <t> a &amp; b\r\n</t> </c>",
        "<c xmlns='urn:m'><t></t></c>",
        "<c xmlns='urn:m'><t>a<!-- c -->b</t></c>",
        "<c xmlns='urn:m'><t><![CDATA[a]]></t></c>",
        "<c xmlns='urn:m'><n>1</n><n>1</n></c>",
        "<c xmlns='urn:m'><n>256</n></c>",
        "<c xmlns='urn:m'><t>1</t2></c>",
        "<c xmlns='urn:m'><t>\u{1}</t></c>",
        "<c xmlns='urn:m'><l><k>b</k></l><l><k>a</k></l><l><k>b</k></l></c>",
        "<c xmlns='urn:m'><l><k>a</k><k>a</k></l></c>",
        "<c xmlns='urn:m'><l><v>1</v></l></c>",
        "<c xmlns='urn:m'><l><k>a</k><s>up</s></l></c>",
        "<c xmlns='urn:m'><w xmlns='urn:x'>a</w><n>1</n></c>",
        "<c xmlns='urn:m'><w>a</w></c>",
    ] {
        for policy in [Policy::STRICT, Policy::ELEMENT] {
            let (a, b) = (from_xml(text, policy), from_xml(&long(text), policy));
            let kind = |result: &Result<ConfigTree, CodecError>| {
                result.as_ref().map_err(|error| (error.kind, error.path.clone())).cloned()
            };
            assert_eq!(kind(&a), kind(&b), "{text}");
        }
    }
}

/// Found by fuzzing: kept as it was, such an element could not be read again.
#[test]
fn an_attribute_without_a_name_is_refused() {
    let index = sample();
    for text in [r#"<u :a="1"/>"#, r#"<u a:="1"/>"#, r#"<u xmlns:="urn:x"/>"#, r#"<u 1="1"/>"#] {
        let error = xml::parse(text.as_bytes(), &index, None, Policy::ELEMENT, L).unwrap_err();
        assert_eq!(error.kind, Kind::Malformed, "{text}: {error}");
    }
    assert!(xml::parse(br#"<u xmlns:p="urn:x" p:a="1" b="2"/>"#, &index, None, Policy::ELEMENT, L).is_ok());
}

#[test]
fn a_byte_order_mark_is_none_of_the_document_and_anywhere_else_it_is_text() {
    let plain = "<c xmlns='urn:m'><n>1</n><t>a</t></c>";
    assert_eq!(from_xml(&format!("\u{feff}{plain}"), Policy::STRICT), from_xml(plain, Policy::STRICT));
    let late = from_xml("\u{feff}<c xmlns='urn:m'>\n<no/></c>", Policy::STRICT).unwrap_err();
    assert_eq!((late.kind, late.line), (Kind::UnknownElement, 2), "{late}");
    for text in [
        format!("\u{feff}\u{feff}{plain}"),
        plain.replace("</n>", "</n>\u{feff}"),
        plain.replace("</n>", "</n> \u{feff}"),
    ] {
        let error = from_xml(&text, Policy::STRICT).unwrap_err();
        assert_eq!(error.kind, Kind::Malformed, "{error}");
    }
    let mark = from_xml("<c xmlns='urn:m'><n>1</n><t>\u{feff}a</t></c>", Policy::STRICT).unwrap();
    assert_eq!(
        mark.root().children()[0].children().iter().filter_map(|n| n.value()).next_back().unwrap().as_str(),
        "\u{feff}a"
    );
}

#[test]
fn an_element_may_declare_the_namespaces_of_all_its_modules_at_the_top() {
    let declared = |count: usize| (0..count).map(|n| format!(" xmlns:p{n}='urn:{n}'")).collect::<String>();
    let read = |count: usize, limits: &Limits| {
        let text = format!("<data{}><c xmlns='urn:m'><n>1</n></c></data>", declared(count));
        xml::parse(text.as_bytes(), &sample(), None, Policy::ELEMENT, limits)
    };
    assert_eq!(read(150, &Limits::SOUTH), from_xml("<c xmlns='urn:m'><n>1</n></c>", Policy::ELEMENT));
    for (count, limits) in [(193, &Limits::SOUTH), (65, L)] {
        let error = read(count, limits).unwrap_err();
        assert_eq!(error.message, format!("an element has more than {} attributes", count - 1));
    }
}

#[test]
fn a_character_that_xml_cannot_write_is_refused_in_attributes_too() {
    let index = sample();
    for text in [r#"<u a="&#1;"/>"#, "<u a='\u{7}'/>", r#"<u xmlns="urn:&#xFFFE;"/>"#] {
        let error = xml::parse(text.as_bytes(), &index, None, Policy::ELEMENT, L).unwrap_err();
        assert_eq!(error.kind, Kind::Malformed, "{text}: {error}");
    }
}
