//! Grammars that make no sense are refused with the line of the file, the rule, the key and why; texts beyond the limits
//! are refused as well.

use andante::adapter::grammar::{Grammar, GrammarError};

const HEAD: &str = "\
[grammar]
comment = \"!\"
leave = \"exit\"
no = \"no\"
unknown = \"?\"
max_bytes = 1000
max_lines = 20
max_line = 100
max_depth = 4

[[context]]
name = \"c\"
in = [\"root\"]
enter = \"c {k:word}\"
node = \"c[k]\"
remove = \"whole\"
negate = \"no c {k}\"

[[line]]
in = [\"c\"]
line = \"w {v:1-9}\"
node = [\"w\"]
";

#[test]
fn a_fault_names_line_rule_key_and_reason() {
    assert!(Grammar::compile("g", HEAD).is_ok());
    for (from, to, said) in [
        ("in = [\"c\"]", "in = [\"d\"]", &["line 21", "`w {v:1-9}`", "key `in`", "no context `d`"][..]),
        ("node = [\"w\"]", "node = [\"w[x]\"]", &["line 21", "key `node`", "`x`"]),
        ("w {v:1-9}", "w {v:nmuber}", &["line 21", "key `line`", "no type `nmuber`"]),
        ("w {v:1-9}", "w [{v:1-9}", &["key `line`", "without its"]),
        ("node = [\"w\"]", "node = [\"w\"]\nhidden = \"77\"", &["key `hidden`", "no value"]),
        ("node = [\"w\"]", "node = [\"w\"]\nordered = true", &["key `ordered`"]),
        ("node = [\"w\"]", "node = [\"w\"]\nnever_delete = true\nreplace = false", &["key `never_delete`"]),
        ("node = [\"w\"]", "node = [\"w\"]\nblock = { until = \"q\" }", &["key `block`"]),
        ("node = [\"w\"]", "node = [\"w\"]\nnegate_words = 1\npermanent = true", &["key `negate_words`"]),
        (
            "node = [\"w\"]",
            "node = [\"w\"]\nauto_seq = { argument = \"v\", start = 5, step = 5 }",
            &["key `auto_seq`", "leaf-list"],
        ),
        ("node = [\"w\"]", "node = [\"w\"]\nrefs = [\"/c[k=x]\"]", &["key `refs`", "`x`"]),
        ("node = [\"w\"]", "node = [\"w\"]\ndialogue = [{ on = \"remove\", expect = \"(\" }]", &["key `dialogue`"]),
        ("remove = \"whole\"\n", "", &["line 12", "`c`", "key `remove`"]),
        ("negate = \"no c {k}\"\n", "", &["line 12", "key `negate`"]),
        ("in = [\"root\"]", "in = [\"root\", \"c\"]", &["line 12", "key `in`", "circle"]),
        ("leave = \"exit\"\n", "", &["[grammar]", "key `leave`"]),
        ("no = \"no\"\n", "no = \"no\"\nput = \"set\"\n", &["[grammar]", "key `put`"]),
        ("[grammar]\n", "[grammar]\nfamily = \"set\"\n", &["[grammar]", "key `put`"]),
        ("max_depth = 4\n", "max_depth = 4\nfamily = \"tree\"\n", &["unknown variant"]),
        ("max_depth = 4\n", "max_depth = 4\nsurprise = 4\n", &["unknown field"]),
    ] {
        assert!(HEAD.contains(from), "{from}");
        let error = Grammar::compile("g", &HEAD.replacen(from, to, 1)).unwrap_err();
        let mut text = error.to_string();
        if let GrammarError::Source(inner) = &error {
            text.push_str(&inner.to_string());
        }
        for said in said {
            assert!(text.contains(said), "{said} in: {text}\n({to})");
        }
    }
}

#[test]
fn texts_beyond_the_limits_are_refused() {
    let small = Grammar::compile("g", HEAD).unwrap();
    let limit = |text: &str| match small.parse(text) {
        Err(GrammarError::Limit { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(limit(&"x\n".repeat(21)), "lines");
    assert_eq!(limit(&"x".repeat(1001)), "bytes");
    assert_eq!(limit(&"x".repeat(101)), "bytes in a line");
    assert_eq!(limit("a\n b\n  c\n   d\n    e\n"), "nested contexts");
    let braces = include_str!("junos.toml").replace("max_depth = 16", "max_depth = 3");
    let braces = Grammar::compile("junos", &braces).unwrap();
    assert!(matches!(braces.parse("a { b { c { d { e; } } } }"), Err(GrammarError::Limit { .. })));
}
