//! JSON: bad input, numbers and identities.

use super::{L, sample};
use andante::tree::codec::{State, Unknown};
use andante::tree::{CodecError, CodecErrorKind as Kind, ConfigTree, Policy, json};

pub(super) fn from_json(text: &str) -> Result<ConfigTree, CodecError> {
    json::parse(text.as_bytes(), &sample(), None, Policy::STRICT, L)
}

#[test]
fn bad_json_is_an_error_with_kind_and_path() {
    let nested = format!("{{\"m:c\":{}1{}}}", "{\"t\":".repeat(1000), "}".repeat(1000));
    let arrays = format!("{{\"m:c\":{}", "[".repeat(100_000));
    for (text, kind, path) in [
        ("", Kind::Malformed, "/"),
        ("[]", Kind::Malformed, "/"),
        ("{\"m:c\":{\"n\":1,}}", Kind::Malformed, "/m:c"),
        ("{\"m:c\":{}} x", Kind::Malformed, "/"),
        ("{\"m:c\":{},\"m:c\":{}}", Kind::Malformed, "/"),
        ("{\"m:c\":{\"n\":1,\"m:n\":1}}", Kind::Malformed, "/m:c"),
        ("{\"m:c\":{\"n\":01}}", Kind::Malformed, "/m:c/n"),
        ("{\"m:c\":{\"t\":\"\\ud800\"}}", Kind::Malformed, "/m:c/t"),
        ("{\"m:c\":{\"t\":\"\\u0000\"}}", Kind::Malformed, "/m:c/t"),
        ("{\"c\":{}}", Kind::UnknownElement, "/"),
        ("{\"z:c\":{}}", Kind::UnknownNamespace, "/"),
        ("{\"m:c\":{\"z\":1}}", Kind::UnknownElement, "/m:c"),
        ("{\"m:c\":{\"n\":256}}", Kind::InvalidValue, "/m:c/n"),
        ("{\"m:c\":{\"n\":1.0}}", Kind::InvalidValue, "/m:c/n"),
        ("{\"m:c\":{\"n\":\"1\"}}", Kind::InvalidValue, "/m:c/n"),
        ("{\"m:c\":{\"n\":null}}", Kind::InvalidValue, "/m:c/n"),
        ("{\"m:c\":{\"i\":\"b\"}}", Kind::InvalidValue, "/m:c/i"),
        ("{\"m:c\":{\"l\":[{\"v\":1}]}}", Kind::MissingKey, "/m:c/l[1]"),
        ("{\"m:c\":{\"l\":{\"k\":\"a\"}}}", Kind::Malformed, "/m:c/l"),
        ("{\"m:c\":{\"l\":[{\"k\":\"a\"},{\"k\":\"a\"}]}}", Kind::DuplicateEntry, "/m:c/l[k='a']"),
        ("{\"m:c\":{\"l\":[{\"k\":\"a\",\"v\":300}]}}", Kind::InvalidValue, "/m:c/l[k='a']/v"),
        ("{\"m:c\":{\"l\":[{\"k\":\"a\",\"s\":\"x\"}]}}", Kind::NotConfiguration, "/m:c/l[k='a']/s"),
        ("{\"m:c\":{\"@n\":{\"x:y\":1}}}", Kind::BadAttribute, "/m:c"),
        (&nested, Kind::Malformed, "/m:c/t"),
        (&arrays, Kind::Malformed, "/m:c"),
    ] {
        let error = from_json(text).expect_err(text);
        assert_eq!((error.kind, error.path.as_str()), (kind, path), "{error}: {}", &text[..text.len().min(80)]);
    }
    let error = from_json("{\"m:c\":{\n  \"n\": 300}}").unwrap_err();
    assert_eq!((error.line, error.column), (2, 8), "{error}");
    let deep = Policy { unknown: Unknown::Opaque, state: State::Keep };
    for text in [nested, arrays] {
        let error = json::parse(text.as_bytes(), &sample(), None, deep, L).unwrap_err();
        assert_eq!(error.kind, Kind::TooDeep, "{error}");
    }
    let large = format!("{{\"m:c\":{{\"t\":\"{}\"}}}}", "x".repeat(10 << 20));
    assert_eq!(from_json(&large).unwrap_err().error_tag(), "too-big");
}

#[test]
fn json_numbers_keep_all_digits_and_identities_take_their_module() {
    let tree = from_json("{\"m:c\":{\"w\":18446744073709551615,\"i\":\"a\",\"x:w\":\"other\"}}").unwrap();
    let text = json::print(&tree, &sample(), false);
    assert_eq!(text, "{\"m:c\":{\"w\":\"18446744073709551615\",\"i\":\"m:a\",\"x:w\":\"other\"}}");
}

/// Found by fuzzing: `null` for a list was printed as `[null]`.
#[test]
fn what_stands_where_a_list_should_is_printed_as_it_was() {
    let index = sample();
    for value in ["null", "[null]", "5", "\"x\"", "{}", "[5,{}]"] {
        let text = format!(r#"{{"m:c":{{"l":{value}}}}}"#);
        let tree = json::parse(text.as_bytes(), &index, None, Policy::ELEMENT, L).unwrap();
        let printed = json::print(&tree, &index, false);
        assert_eq!(json::parse(printed.as_bytes(), &index, None, Policy::ELEMENT, L), Ok(tree), "{text} {printed}");
        assert_eq!(printed, text);
    }
}
