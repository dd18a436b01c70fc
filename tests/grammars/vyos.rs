//! A grammar in the manner of VyOS: lines with their whole path, values in single quotes.

use crate::{grammar, lines, read};
use andante::adapter::grammar::GrammarError;
use andante::tree::{ConfigTree, diff};

const BASE: &str = "\
set interfaces ethernet eth0 hw-id '52:54:00:00:00:01'
set interfaces ethernet eth1 address '192.0.2.1/30'
set interfaces ethernet eth1 address '2001:db8::1/64'
set interfaces ethernet eth1 description 'to ce one'
set interfaces ethernet eth1 vif 100 description 'it is x'
set policy prefix-list IN rule 10 action 'permit'
set policy prefix-list IN rule 10 prefix '10.0.0.0/8'
set protocols bgp neighbor 192.0.2.2 address-family ipv4-unicast prefix-list import 'IN'
set protocols bgp neighbor 192.0.2.2 remote-as '65101'
set protocols bgp system-as '65000'
set service ssh port '22'
";

#[test]
fn lines_are_read_quoted_or_not_and_printed_as_the_element_does() {
    let vyos = grammar("vyos");
    let parsed = read(&vyos, BASE);
    assert_eq!((parsed.opaque, parsed.lines), (1, 11));
    assert_eq!(
        read(&vyos, &BASE.replace("'192.0.2.1/30'", "192.0.2.1/30").replace("'65000'", "\"0.65000\"")).tree,
        parsed.tree
    );
    let text = vyos.text(&parsed.tree);
    for line in BASE.lines().filter(|line| !line.contains("ssh")) {
        assert!(text.contains(line), "{line}\nin\n{text}");
    }
    // What `show configuration` prints.
    let curly = "\
interfaces {
    ethernet eth0 {
        hw-id 52:54:00:00:00:01
    }
    ethernet eth1 {
        address 192.0.2.1/30
        address 2001:db8::1/64
        description \"to ce one\"
        vif 100 {
            description \"it is x\"
        }
    }
}
policy {
    prefix-list IN {
        rule 10 {
            action permit
            prefix 10.0.0.0/8
        }
    }
}
protocols {
    bgp {
        neighbor 192.0.2.2 {
            address-family {
                ipv4-unicast {
                    prefix-list {
                        import IN
                    }
                }
            }
            remote-as 65101
        }
        system-as 65000
    }
}
service {
    ssh {
        port 22
    }
}
";
    assert_eq!(read(&vyos, curly).tree, parsed.tree, "{}", vyos.text(&read(&vyos, curly).tree));
}

#[test]
fn differences_carry_their_whole_path() {
    let vyos = grammar("vyos");
    let changed = |from: &str, to: &str| {
        assert!(BASE.contains(from), "{from}");
        lines(&vyos, BASE, &BASE.replacen(from, to, 1))
    };
    assert_eq!(changed("'to ce one'", "'to \"ce\" two'"), ["set interfaces ethernet eth1 description 'to \"ce\" two'"]);
    assert_eq!(
        changed("set interfaces ethernet eth1 description 'to ce one'\n", "set interfaces ethernet eth1 mtu 1500\n"),
        ["delete interfaces ethernet eth1 description"]
    );
    assert_eq!(
        changed("192.0.2.1/30", "192.0.2.5/30"),
        [
            "delete interfaces ethernet eth1 address '192.0.2.1/30'",
            "set interfaces ethernet eth1 address '192.0.2.5/30'"
        ]
    );
    assert_eq!(
        changed("set interfaces ethernet eth1 vif 100 description 'it is x'\n", ""),
        ["delete interfaces ethernet eth1 vif 100"]
    );
    assert_eq!(
        changed(
            "set interfaces ethernet eth1 vif 100 description 'it is x'\n",
            "set interfaces ethernet eth1 vif 200\n"
        ),
        ["delete interfaces ethernet eth1 vif 100", "set interfaces ethernet eth1 vif 200"]
    );
    // An unknown line goes and comes as it was read.
    let (a, b) = (read(&vyos, BASE).tree, read(&vyos, &BASE.replace("ssh port '22'", "ssh port '2222'")).tree);
    let payload = vyos.render(&diff(&a, &b), &a, &b).unwrap();
    let typed: Vec<&str> = payload.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(typed, ["delete service ssh port 22", "set service ssh port 2222"]);
}

#[test]
fn references_protection_and_secrets_hold_here_too() {
    let vyos = grammar("vyos");
    let renamed = BASE.replace("'IN'", "'NEW'").replace("prefix-list IN", "prefix-list NEW");
    assert_eq!(
        lines(&vyos, BASE, &renamed),
        [
            "set policy prefix-list NEW rule 10 action 'permit'",
            "set policy prefix-list NEW rule 10 prefix '10.0.0.0/8'",
            "set protocols bgp neighbor 192.0.2.2 address-family ipv4-unicast prefix-list import 'NEW'",
            "delete policy prefix-list IN"
        ]
    );
    let (a, b) = (read(&vyos, BASE).tree, read(&vyos, &BASE.replace(":01'", ":02'")).tree);
    assert!(matches!(vyos.render(&diff(&a, &b), &a, &b), Err(GrammarError::Protected { .. })));
    // Where a plan was allowed to, it is typed, and back.
    let typed = |from: &ConfigTree, to: &ConfigTree| -> Vec<String> {
        vyos.render_allowed(&diff(from, to), from, to).unwrap().into_iter().map(|line| line.text).collect()
    };
    assert!(typed(&a, &b).iter().any(|line| line.starts_with("set ") && line.contains(":02")), "{:?}", typed(&a, &b));
    assert!(typed(&b, &a).iter().any(|line| line.starts_with("set ") && line.contains(":01")), "{:?}", typed(&b, &a));
    let secret = read(&vyos, "set protocols bgp neighbor 192.0.2.2 password 'hush hush'\nset vpn psk key 'sh'\n").tree;
    let text = vyos.text(&secret);
    assert!(!text.contains("hush") && !text.contains("'sh'"), "{text}");
}
