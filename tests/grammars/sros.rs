//! A grammar in the manner of SR OS: flat lines, and the curly text of `info`.

use crate::{grammar, lines, read};
use andante::adapter::grammar::GrammarError;
use andante::tree::diff;

const FLAT: &str = r#"# TiMOS-C-22.10
/configure router "Base" interface "to-p1" port 1/1/c1/1
/configure router "Base" interface "to-p1" ipv4 primary address 10.1.0.1
/configure router "Base" interface "to-p1" ipv4 primary prefix-length 31
/configure service vprn "red one" admin-state enable
/configure service vprn "red one" service-id 100
/configure service vprn "red one" customer "1"
/configure service vprn "red one" vrf-target community "target:65000:100"
/configure service vprn "red one" interface "ce" description "to ce \"one\""
/configure log log-id "99" source main true
"#;

#[test]
fn flat_lines_and_curly_text_are_one_tree() {
    let sros = grammar("sros");
    let flat = read(&sros, FLAT);
    assert_eq!((flat.opaque, flat.lines, flat.complete), (1, 9, true), "{}", sros.text(&flat.tree));
    let curly = r#"
router "Base" {
    interface "to-p1" {
        port 1/1/c1/1
        ipv4 {
            primary {
                address 10.1.0.1
                prefix-length 31
            }
        }
    }
}
service {
    vprn "red one" {
        admin-state enable
        service-id 100
        customer "1"
        vrf-target {
            community "target:65000:100"
        }
        interface "ce" {
            description "to ce \"one\""
        }
    }
}
log {
    log-id "99" {
        source {
            main true
        }
    }
}
"#;
    assert_eq!(read(&sros, curly).tree, flat.tree, "{}", sros.text(&read(&sros, curly).tree));
    let text = sros.text(&flat.tree);
    assert!(
        text.contains("/configure service vprn \"red one\" interface \"ce\" description \"to ce \\\"one\\\"\"\n"),
        "{text}"
    );
    // Disabled is what the element does not print.
    let disabled = FLAT.replace("admin-state enable", "admin-state disable");
    let absent = FLAT.replace("/configure service vprn \"red one\" admin-state enable\n", "");
    assert_eq!(read(&sros, &disabled).tree, read(&sros, &absent).tree);
}

#[test]
fn differences_are_flat_lines() {
    let sros = grammar("sros");
    assert_eq!(
        lines(&sros, FLAT, &FLAT.replace("prefix-length 31", "prefix-length 30")),
        ["/configure router \"Base\" interface \"to-p1\" ipv4 primary prefix-length 30"]
    );
    assert_eq!(
        lines(&sros, FLAT, &FLAT.replace("/configure service vprn \"red one\" admin-state enable\n", "")),
        ["/configure delete service vprn \"red one\" admin-state"]
    );
    let without: String = FLAT.lines().filter(|line| !line.contains("vprn")).map(|line| format!("{line}\n")).collect();
    assert_eq!(lines(&sros, FLAT, &without), ["/configure delete service vprn \"red one\""]);
    assert_eq!(
        lines(&sros, &without, FLAT),
        [
            "/configure service vprn \"red one\" admin-state enable",
            "/configure service vprn \"red one\" service-id 100",
            "/configure service vprn \"red one\" customer \"1\"",
            "/configure service vprn \"red one\" vrf-target community \"target:65000:100\"",
            "/configure service vprn \"red one\" interface \"ce\" description \"to ce \\\"one\\\"\"",
        ]
    );
    // A number that is given once cannot be taken back alone.
    let (a, b) = (
        read(&sros, FLAT).tree,
        read(&sros, &FLAT.replace("/configure service vprn \"red one\" service-id 100\n", "")).tree,
    );
    assert!(matches!(sros.render(&diff(&a, &b), &a, &b), Err(GrammarError::Permanent { .. })));
}
