//! A grammar in the manner of Junos: curly text and `set` lines are one tree, `deactivate` is part of it.

use crate::{grammar, lines, read};
use andante::tree::diff;

const CURLY: &str = r#"## Last commit: 2026-11-20 10:00:00 UTC by ops
version 21.4R3;
system {
    host-name pe3;
    root-authentication {
        encrypted-password "$6$abc/def"; ## SECRET-DATA
    }
    services {
        ssh {
            root-login deny;
        }
        inactive: ftp;
    }
}
/* the ports
   of this box */
interfaces {
    ge-0/0/0 {
        description "to ce1; \"north\"";
        vlan-tagging;
        unit 100 {
            vlan-id 100;
            family inet {
                address 192.0.2.1/30;
            }
        }
        inactive: unit 200 {
            vlan-id 200;
        }
    }
    lo0 {
        unit 0 {
            family inet;
        }
    }
}
policy-options {
    policy-statement ALL {
        term ours {
            from {
                protocol [ direct static ];
            }
            then accept;
        }
        term rest {
            then {
                reject;
            }
        }
    }
    policy-statement NONE {
        then reject;
    }
}
protocols {
    bgp {
        group ce {
            type external;
            export [ NONE ALL ];
            neighbor 192.0.2.2 {
                inactive: peer-as 65101;
            }
        }
    }
}
"#;

const SET: &str = r#"set version 21.4R3
set system host-name pe3
set system root-authentication encrypted-password "$6$abc/def"
set system services ssh root-login deny
set system services ftp
deactivate system services ftp
set interfaces ge-0/0/0 description "to ce1; \"north\""
set interfaces ge-0/0/0 vlan-tagging
set interfaces ge-0/0/0 unit 100 vlan-id 100
set interfaces ge-0/0/0 unit 100 family inet address 192.0.2.1/30
deactivate interfaces ge-0/0/0 unit 200
set interfaces ge-0/0/0 unit 200 vlan-id 200
deactivate interfaces ge-0/0/0 unit 200
set interfaces lo0 unit 0 family inet
set policy-options policy-statement ALL term ours from protocol direct
set policy-options policy-statement ALL term ours from protocol static
set policy-options policy-statement ALL term ours then accept
set policy-options policy-statement ALL term rest then reject
set policy-options policy-statement NONE then reject
set protocols bgp group ce type external
set protocols bgp group ce export [ NONE ALL ]
set protocols bgp group ce neighbor 192.0.2.2 peer-as 65101
deactivate protocols bgp group ce neighbor 192.0.2.2 peer-as
"#;

#[test]
fn curly_text_and_set_lines_are_one_tree() {
    let junos = grammar("junos");
    let (curly, set) = (read(&junos, CURLY), read(&junos, &SET.replace("set version 21.4R3\n", "")));
    let left: Vec<String> = diff(&curly.tree, &set.tree).edits.iter().map(|edit| format!("{edit:?}")).collect();
    assert!(left.is_empty(), "{left:#?}\n{}", junos.text(&curly.tree));
    assert!(curly.complete && curly.opaque == 2 && curly.derived == 1, "{curly:?}");
    assert!(!junos.parse(&CURLY[..CURLY.len() - 3]).unwrap().complete, "a brace is open");
    let text = junos.text(&curly.tree);
    assert!(!text.contains("$6$abc"), "{text}");
    for line in [
        "    ge-0/0/0 {\n        description \"to ce1; \\\"north\\\"\";\n        vlan-tagging;\n",
        "        inactive: unit 200 {\n            vlan-id 200;\n        }\n",
        "            family inet;\n",
        "                protocol [ direct static ];\n",
        "            export [ NONE ALL ];\n            neighbor 192.0.2.2 {\n                inactive: peer-as 65101;\n",
        "    inactive: services ftp;\n",
    ] {
        assert!(text.contains(line), "{line}\nin\n{text}");
    }
}

#[test]
fn differences_are_set_and_delete_lines() {
    let junos = grammar("junos");
    let changed = |from: &str, to: &str| {
        assert!(CURLY.contains(from), "{from}");
        lines(&junos, CURLY, &CURLY.replacen(from, to, 1))
    };
    assert_eq!(changed("vlan-id 100;", "vlan-id 101;"), ["set interfaces ge-0/0/0 unit 100 vlan-id 101"]);
    assert_eq!(
        changed("address 192.0.2.1/30;", "address 192.0.2.5/30;"),
        [
            "delete interfaces ge-0/0/0 unit 100 family inet address 192.0.2.1/30",
            "set interfaces ge-0/0/0 unit 100 family inet address 192.0.2.5/30"
        ]
    );
    assert_eq!(changed("        vlan-tagging;\n", ""), ["delete interfaces ge-0/0/0 vlan-tagging"]);
    assert_eq!(
        changed("        description \"to ce1; \\\"north\\\"\";\n", ""),
        ["delete interfaces ge-0/0/0 description"]
    );
    // A unit goes with all that is in it.
    let unit = "        unit 100 {\n            vlan-id 100;\n            family inet {\n                address 192.0.2.1/30;\n            }\n        }\n";
    assert_eq!(changed(unit, ""), ["delete interfaces ge-0/0/0 unit 100"]);
    assert_eq!(
        changed("unit 0 {\n            family inet;\n        }", "unit 0;"),
        ["delete interfaces lo0 unit 0 family inet"]
    );
}

#[test]
fn deactivation_is_typed_for_itself() {
    let junos = grammar("junos");
    assert_eq!(
        lines(
            &junos,
            CURLY,
            &CURLY.replace("inactive: unit 200", "unit 200").replace("unit 100", "inactive: unit 100")
        ),
        ["activate interfaces ge-0/0/0 unit 200", "deactivate interfaces ge-0/0/0 unit 100"]
    );
    assert_eq!(
        lines(&junos, CURLY, &CURLY.replace("inactive: peer-as 65101", "peer-as 65101")),
        ["activate protocols bgp group ce neighbor 192.0.2.2 peer-as"]
    );
    assert_eq!(
        lines(&junos, CURLY, &CURLY.replace("                inactive: peer-as 65101;\n", "")),
        ["delete protocols bgp group ce neighbor 192.0.2.2 peer-as"]
    );
}

#[test]
fn the_order_of_policies_and_terms_is_made_by_typing_what_follows_again() {
    let junos = grammar("junos");
    assert_eq!(
        lines(&junos, CURLY, &CURLY.replace("[ NONE ALL ]", "[ ALL NONE ]")),
        ["delete protocols bgp group ce export NONE", "set protocols bgp group ce export NONE"]
    );
    assert_eq!(
        lines(
            &junos,
            CURLY,
            &CURLY.replace(
                "        term rest {",
                "        term first {\n            then accept;\n        }\n        term rest {"
            )
        ),
        [
            "delete policy-options policy-statement ALL term rest",
            "set policy-options policy-statement ALL term first then accept",
            "set policy-options policy-statement ALL term rest then reject"
        ]
    );
}

#[test]
fn policies_come_before_what_asks_them_and_go_after_it() {
    let junos = grammar("junos");
    let with = |policy: &str| {
        format!(
            "protocols {{ bgp {{ group ce {{ export {policy}; }} }} }}\npolicy-options {{ policy-statement {policy} {{ then accept; }} }}"
        )
    };
    assert_eq!(
        lines(&junos, &with("A"), &with("B")),
        [
            "delete protocols bgp group ce export A",
            "delete policy-options policy-statement A",
            "set policy-options policy-statement B then accept",
            "set protocols bgp group ce export B"
        ]
    );
}
