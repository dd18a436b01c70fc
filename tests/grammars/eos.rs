//! A grammar in the manner of EOS: canonical forms of arguments, contexts in contexts by indentation.

use crate::{grammar, lines, read};

const BASE: &str = "\
! Command: show running-config
!
vlan 10
   name ten
!
vrf instance RED
!
interface Ethernet1
   description to ce
   no switchport
   ip address 192.0.2.1/31
!
interface Ethernet2
   switchport trunk allowed vlan 10,20-22
   mac-address 00:1c:73:00:00:99
!
ip prefix-list P
   seq 10 permit 10.0.0.0/8 le 24
   seq 20 deny 0.0.0.0/0
!
router bgp 65000
   neighbor 10.0.0.2 remote-as 65001
   vrf RED
      neighbor 192.0.2.0 remote-as 65101
      neighbor 192.0.2.0 port 179
!
end
";

#[test]
fn blocks_are_left_by_indentation_alone() {
    let eos = grammar("eos");
    let parsed = read(&eos, BASE);
    assert_eq!((parsed.opaque, parsed.complete), (0, true));
    assert_eq!(parsed.lines, 18);
    // The same with one blank, and without the comments between the blocks.
    let tight: String = BASE.lines().filter(|l| *l != "!").map(|l| l.replace("   ", " ") + "\n").collect();
    assert_eq!(read(&eos, &tight).tree, parsed.tree);
    // A line behind a block belongs to what its indentation says, known or not.
    let unknown = eos.parse("router bgp 65000\n   vrf RED\n      strange a\n   strange b\nstrange c\n").unwrap();
    let text = eos.text(&unknown.tree);
    for line in ["\n  strange a\n", "\n strange b\n", "strange c\n"] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
}

#[test]
fn arguments_are_compared_in_their_canonical_form() {
    let eos = grammar("eos");
    for (a, b) in [
        (
            "interface Et2\n switchport trunk allowed vlan 10,20,21,22\n",
            "interface Ethernet2\n switchport trunk allowed vlan 10,20-22\n",
        ),
        ("interface Et2\n mac-address 001c.7300.0099\n", "interface Et2\n mac-address 00:1C:73:00:00:99\n"),
        ("router bgp 1\n neighbor 2001:DB8::0:1 remote-as 0.5\n", "router bgp 1\n neighbor 2001:db8::1 remote-as 5\n"),
        ("router bgp 1\n neighbor 10.0.0.1 port bgp\n", "router bgp 1\n neighbor 10.0.0.1 port 0179\n"),
        ("ip prefix-list P\n permit 10.9.0.0/8\n", "ip prefix-list P\n seq 10 permit 10.0.0.0/8\n"),
        ("vlan 0010\n", "vlan 10\n"),
    ] {
        let (a_tree, b_tree) = (read(&eos, a), read(&eos, b));
        assert_eq!((a_tree.opaque, b_tree.opaque), (0, 0), "{a}{b}");
        assert_eq!(a_tree.tree, b_tree.tree, "{a}{b}");
    }
}

#[test]
fn differences_are_typed_in_their_contexts() {
    let eos = grammar("eos");
    let body = BASE;
    assert_eq!(
        lines(&eos, body, &body.replace("10,20-22", "10,30")),
        ["interface Ethernet2", "switchport trunk allowed vlan 10,30", "exit"]
    );
    assert_eq!(
        lines(&eos, body, &body.replace("      neighbor 192.0.2.0 port 179\n", "")),
        ["router bgp 65000", "vrf RED", "no neighbor 192.0.2.0 port 179", "exit", "exit"]
    );
    // The instance goes before the VRF that it refers to, and comes behind it.
    let without: String =
        body.lines().filter(|l| !l.contains("RED") && !l.contains("192.0.2.0 ")).map(|l| format!("{l}\n")).collect();
    assert_eq!(lines(&eos, body, &without), ["router bgp 65000", "no vrf RED", "exit", "no vrf instance RED"]);
    assert_eq!(
        lines(&eos, &without, body),
        [
            "vrf instance RED",
            "exit",
            "router bgp 65000",
            "vrf RED",
            "neighbor 192.0.2.0 remote-as 65101",
            "neighbor 192.0.2.0 port 179",
            "exit",
            "exit"
        ]
    );
    assert_eq!(
        lines(&eos, body, &body.replace("   no switchport\n", "")),
        ["interface Ethernet1", "switchport", "exit"]
    );
    // A word leaves all contexts at once.
    let done =
        eos.execute(&read(&eos, body).tree, &["router bgp 65000", "vrf RED", "root", "vlan 11", "name x"]).unwrap();
    assert!(eos.text(&done).contains("vlan 11\n name x\n"));
}
