//! A grammar in the manner of IOS: numbered lists, blocks, short names, questions, references.

use crate::{grammar, lines, read};
use andante::adapter::grammar::GrammarError;
use andante::tree::{ConfigTree, diff};

const BASE: &str = "\
Building configuration...

Current configuration : 1234 bytes
!
version 15.2
!
hostname pe9
!
vrf definition red
!
interface Loopback0
 ip address 10.0.0.9 255.255.255.255
!
interface GigabitEthernet0/1
 description to ce1,  two  blanks
 vrf forwarding red
 ip address 192.0.2.1 255.255.255.252
 ip access-group EDGE in
!
ip access-list extended EDGE
 10 permit tcp any any established
 20 permit icmp any any
 30 deny ip any any
!
no ip http server
ip prefix-list P seq 5 permit 10.0.0.0/8 le 24
ip prefix-list P seq 10 deny 0.0.0.0/0 le 32
!
banner motd ^C
Keep out.
  interface GigabitEthernet0/9
^C
!
end
";

#[test]
fn a_configuration_is_known_as_a_whole() {
    let ios = grammar("ios");
    let parsed = read(&ios, BASE);
    assert_eq!((parsed.opaque, parsed.complete, parsed.derived), (0, true, 3));
    let text = ios.text(&parsed.tree);
    // The blanks of a description are its own; the text of a banner is no configuration.
    assert!(text.contains("to ce1,  two  blanks") && text.contains("no ip http server"), "{text}");
    assert!(!text.contains("\ninterface GigabitEthernet0/9"), "{text}");
    assert!(!ios.parse(BASE.trim_end().strip_suffix("end").unwrap()).unwrap().complete);
}

#[test]
fn short_names_spellings_and_defaults_are_the_same_tree() {
    let ios = grammar("ios");
    for (a, b) in [
        ("interface Gi0/1\n shutdown\n", "interface gigabitethernet0/1\n shutdown\n"),
        ("interface Te1/0/1.100\n mtu 9000\n", "interface TenGigabitEthernet1/0/1.100\n mtu 09000\n"),
        ("interface Gi0/1\n mtu 1500\n shutdown\n", "interface Gi0/1\n shutdown\n"),
        ("ip prefix-list P permit 10.1.2.3/8\n", "ip prefix-list P seq 5 permit 10.0.0.0/8\n"),
        ("banner motd #Keep out.#\n", "banner motd ^C\nKeep out.   \n\n^C\n"),
    ] {
        assert_eq!(read(&ios, a).tree, read(&ios, b).tree, "{a}{b}");
    }
    // A word that may be two interfaces is none; the line stays as it is.
    assert_eq!(ios.parse("interface T1\n").unwrap().opaque, 0);
    assert_ne!(read(&ios, "interface L0\n shutdown\n").tree, read(&ios, "interface Lo0\n shutdown\n").tree);
}

#[test]
fn numbers_that_the_element_deals_are_no_difference() {
    let ios = grammar("ios");
    let list = |lines: &[&str]| format!("ip access-list extended A\n {}\n!\n", lines.join("\n "));
    let plain = list(&["permit tcp any any", "permit icmp any any", "deny ip any any"]);
    for same in [
        list(&["10 permit tcp any any", "20 permit icmp any any", "30 deny ip any any"]),
        // As it is after members have gone and come.
        list(&["10 permit tcp any any", "40 permit icmp any any", "50 deny ip any any"]),
        list(&["permit tcp any any", "permit icmp any any", "deny ip any any", "permit icmp any any"]),
    ] {
        assert_eq!(read(&ios, &plain).tree, read(&ios, &same).tree, "{same}");
    }
    // The order counts, and a number that someone chose.
    for other in [
        list(&["10 permit icmp any any", "20 permit tcp any any", "30 deny ip any any"]),
        list(&["10 permit tcp any any", "15 permit icmp any any", "30 deny ip any any"]),
    ] {
        assert_ne!(read(&ios, &plain).tree, read(&ios, &other).tree, "{other}");
    }
}

#[test]
fn members_of_a_numbered_list_come_and_go_one_by_one() {
    let ios = grammar("ios");
    let list = |lines: &[&str]| format!("ip access-list extended A\n {}\n!\n", lines.join("\n "));
    let plain = list(&["permit tcp any any", "permit icmp any any", "deny ip any any"]);
    let enter = "ip access-list extended A";
    assert_eq!(
        lines(&ios, &plain, &list(&["permit tcp any any", "deny ip any any"])),
        [enter, "no permit icmp any any", "exit"]
    );
    assert_eq!(
        lines(
            &ios,
            &plain,
            &list(&["permit tcp any any", "permit icmp any any", "deny ip any any", "permit 99 any any"])
        ),
        [enter, "permit 99 any any", "exit"]
    );
    // In the middle: what follows is typed again behind it.
    assert_eq!(
        lines(
            &ios,
            &plain,
            &list(&["permit tcp any any", "permit udp any any", "permit icmp any any", "deny ip any any"])
        ),
        [
            enter,
            "no permit icmp any any",
            "no deny ip any any",
            "permit udp any any",
            "permit icmp any any",
            "deny ip any any",
            "exit"
        ]
    );
    // What a hand has put between two members goes alone.
    let by_hand =
        list(&["10 permit tcp any any", "15 permit udp any any", "20 permit icmp any any", "30 deny ip any any"]);
    assert_eq!(lines(&ios, &by_hand, &plain), [enter, "no 15 permit udp any any", "exit"]);
    // Chosen numbers are typed.
    assert_eq!(
        lines(&ios, &by_hand, &by_hand.replace("20 permit icmp any any", "17 permit icmp any any")),
        [enter, "no 20 permit icmp any any", "17 permit icmp any any", "exit"]
    );
    assert_eq!(
        lines(&ios, "ip prefix-list P seq 5 permit 10.0.0.0/8\n", "ip prefix-list P permit 11.0.0.0/8\n"),
        ["no ip prefix-list P permit 10.0.0.0/8", "ip prefix-list P permit 11.0.0.0/8"]
    );
}

#[test]
fn what_refers_is_typed_behind_its_object_and_goes_before_it() {
    let ios = grammar("ios");
    let with = |list: &str| {
        format!(
            "interface Gi0/1\n ip access-group {list} in\n!\nip access-list extended {list}\n permit ip any any\n!\n"
        )
    };
    // By the numbers of the grammar interfaces come first.
    assert_eq!(
        lines(&ios, "", &with("OLD")),
        [
            "ip access-list extended OLD",
            "permit ip any any",
            "exit",
            "interface GigabitEthernet0/1",
            "ip access-group OLD in",
            "exit"
        ]
    );
    // The new list, the reference, and only then the old list.
    assert_eq!(
        lines(&ios, &with("OLD"), &with("NEW")),
        [
            "ip access-list extended NEW",
            "permit ip any any",
            "exit",
            "interface GigabitEthernet0/1",
            "ip access-group NEW in",
            "exit",
            "no ip access-list extended OLD"
        ]
    );
    assert_eq!(
        lines(&ios, &with("OLD"), ""),
        ["interface GigabitEthernet0/1", "no ip access-group OLD in", "exit", "no ip access-list extended OLD"]
    );
}

#[test]
fn what_the_element_forgets_is_typed_again() {
    let ios = grammar("ios");
    let with = |vrf: &str| {
        format!(
            "vrf definition {vrf}\n!\ninterface Gi0/1\n vrf forwarding {vrf}\n ip address 192.0.2.1 255.255.255.252\n!\n"
        )
    };
    assert_eq!(
        lines(&ios, &with("red"), &with("blue")),
        [
            "interface GigabitEthernet0/1",
            "no vrf forwarding red",
            "exit",
            "no vrf definition red",
            "vrf definition blue",
            "exit",
            "interface GigabitEthernet0/1",
            "vrf forwarding blue",
            "ip address 192.0.2.1 255.255.255.252",
            "exit"
        ]
    );
}

#[test]
fn negations_take_the_words_that_the_element_wants() {
    let ios = grammar("ios");
    let bare = "interface GigabitEthernet0/1\n shutdown\n";
    let full = "interface GigabitEthernet0/1\n description a  b\n mtu 9000\n shutdown\n";
    assert_eq!(lines(&ios, full, bare), ["interface GigabitEthernet0/1", "no mtu", "no description", "exit"]);
    assert_eq!(lines(&ios, "no ip http server\n", ""), ["ip http server"]);
    // A port stays, a sub-interface goes.
    assert_eq!(lines(&ios, bare, ""), ["interface GigabitEthernet0/1", "no shutdown", "exit"]);
    assert_eq!(
        lines(&ios, "interface Gi0/1.5\n encapsulation dot1Q 5\n", ""),
        ["interface GigabitEthernet0/1.5", "no encapsulation dot1Q 5", "exit", "no interface GigabitEthernet0/1.5"]
    );
}

#[test]
fn blocks_are_one_value_and_are_typed_line_by_line() {
    let ios = grammar("ios");
    assert_eq!(
        lines(&ios, "banner motd #old#\n", "banner motd $\nnew # line\n  no shutdown\n$\n"),
        ["banner motd ~", "new # line", "  no shutdown", "~"]
    );
    assert_eq!(lines(&ios, "banner motd #old#\n", ""), ["no banner motd"]);
    let chain = "crypto pki certificate chain T\n certificate ca 01\n  3082 0203\n  AABB\n  \tquit\n!\n";
    let tree = read(&ios, chain).tree;
    assert!(ios.text(&tree).contains("certificate ca 01\n  3082 0203\n  AABB\nquit"), "{}", ios.text(&tree));
    assert_eq!(
        lines(&ios, "", chain),
        ["crypto pki certificate chain T", "certificate ca 01", "  3082 0203", "  AABB", "quit", "exit"]
    );
    // What is not closed is kept and said to be incomplete.
    let open = ios.parse("banner motd ^C\nhalf\nend\n").unwrap();
    assert!(!open.complete && ios.text(&open.tree).contains("half"));
}

#[test]
fn questions_go_into_the_payload_with_their_answers() {
    let ios = grammar("ios");
    let before = read(&ios, "username ops privilege 15 secret 9 $9$abc\nvrf definition red\n!\n").tree;
    assert!(!ios.text(&before).contains("$9$abc"));
    let nothing = ConfigTree::default();
    let payload = ios.render(&diff(&before, &nothing), &before, &nothing).unwrap();
    let shown: Vec<(&str, Vec<(&str, &str)>)> = payload
        .iter()
        .map(|line| {
            let answers = line.answers.iter().map(|answer| (answer.expect.as_str(), answer.answer.as_str()));
            (line.text.as_str(), answers.collect())
        })
        .collect();
    assert_eq!(
        shown,
        [("no vrf definition red", vec![(r"\(yes/no\)", "yes")]), ("no username ops", vec![(r"\[confirm\]", "")]),]
    );
    // What was read is typed back by the token that stands for the secret.
    let back = ios.render(&diff(&nothing, &before), &nothing, &before).unwrap();
    let line = back.iter().find(|line| line.text.starts_with("username ops privilege 15 secret 9 ")).unwrap();
    assert_eq!(andante::tree::secret::tokens(&line.text).count(), 1, "{}", line.text);
}

#[test]
fn what_is_never_deleted_stays_and_what_is_protected_is_refused() {
    let ios = grammar("ios");
    let before = read(&ios, "hostname pe9\nip route 10.0.0.0 255.0.0.0 192.0.2.2\n").tree;
    let after = read(&ios, "").tree;
    let difference = diff(&before, &after);
    let payload = ios.render(&difference, &before, &after).unwrap();
    assert_eq!(
        payload.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(),
        ["no ip route 10.0.0.0 255.0.0.0 192.0.2.2"]
    );
    assert_eq!(ios.text(&ios.lasting(&difference, &after)), "hostname pe9\n");
    assert_eq!(lines(&ios, "hostname a\n", "hostname b\n"), ["hostname b"]);
    let loopback = read(&ios, "interface Lo0\n ip address 10.0.0.9 255.255.255.255\n").tree;
    let refused = ios.render(&diff(&loopback, &after), &loopback, &after);
    assert!(matches!(refused, Err(GrammarError::Protected { .. })), "{refused:?}");
}

#[test]
fn actions_are_no_configuration_and_unknown_lines_keep_place_and_order() {
    let ios = grammar("ios");
    let parsed = ios.parse("clear counters Gi0/1\ninterface Gi0/1\n shutdown\n").unwrap();
    assert_eq!((parsed.actions, parsed.opaque, parsed.lines), (1, 0, 2));
    assert!(ios.execute(&parsed.tree, &["clear counters"]).is_ok());
    let text = "interface Gi0/1\n shutdown\n ip nat inside\nsnmp-server community public RO\nline vty 0 4\n transport input ssh\n";
    let parsed = read(&ios, text);
    assert_eq!((parsed.opaque, parsed.lines), (4, 6));
    let shown = ios.text(&parsed.tree);
    // By indentation the second one stands in the interface and the third one does not.
    assert!(shown.contains(" ip nat inside\n") && shown.starts_with("snmp-server community <secret>\n"), "{shown}");
    assert!(shown.contains("line vty 0 4\n transport input ssh\n"), "{shown}");
    let a = read(&ios, "aaa one\naaa two\n").tree;
    let b = read(&ios, "aaa two\naaa one\n").tree;
    assert_ne!(a, b);
    assert_eq!(diff(&a, &b).edits.len(), 1);
    // The one that moved is typed again.
    let typed = ios.render(&diff(&a, &b), &a, &b).unwrap();
    assert_eq!(typed.len(), 2, "{typed:?}");
}
