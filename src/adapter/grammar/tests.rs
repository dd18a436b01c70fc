//! The laws of the grammar on the real grammar of an adapter, over random trees, and the cases that were seen on a real
//! element.

use super::*;
use crate::tree::{apply, diff, inverse};

mod random;

use random::{Dice, config};

fn frr() -> Grammar {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/adapters/frr/grammar.toml");
    Grammar::compile("frr", &std::fs::read_to_string(file).unwrap()).unwrap_or_else(|e| panic!("{e} {e:?}"))
}

fn lines(lines: &[CliLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

fn rendered(grammar: &Grammar, before: &str, after: &str) -> Vec<String> {
    let (a, b) = (grammar.parse(before).unwrap().tree, grammar.parse(after).unwrap().tree);
    let d = diff(&a, &b);
    let payload = grammar.render(&d, &a, &b).unwrap_or_else(|e| panic!("{e}\n{before}\n->\n{after}"));
    payload.into_iter().map(|line| line.text).collect()
}

/// `ANDANTE_SEED` repeats one case.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("ANDANTE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..count).collect(),
    }
}

#[test]
fn the_text_of_a_tree_parses_to_the_tree() {
    let grammar = frr();
    for seed in seeds(600) {
        let text = config(&mut Dice::new(seed)).text();
        let parsed = grammar.parse(&text).unwrap();
        assert_eq!(parsed.opaque, 0, "seed {seed}\n{text}");
        let again = grammar.text(&parsed.tree);
        let back = grammar.parse(&again).unwrap();
        assert_eq!(back.tree, parsed.tree, "seed {seed}\n{text}\n->\n{again}");
        assert_eq!(grammar.text(&back.tree), again, "seed {seed}");
    }
}

#[test]
fn a_payload_makes_after_out_of_before_and_its_inverse_goes_back() {
    let grammar = frr();
    for seed in seeds(800) {
        let dice = &mut Dice::new(seed);
        let first = config(dice);
        let second = if dice.chance(2) { config(dice) } else { first.changed(dice) };
        let a = grammar.parse(&first.text()).unwrap().tree;
        let b = grammar.parse(&second.text()).unwrap().tree;
        let d = diff(&a, &b);
        let fail =
            |e: &dyn std::fmt::Display| -> ! { panic!("seed {seed}: {e}\n{}\n->\n{}", first.text(), second.text()) };
        let there = grammar.render(&d, &a, &b).unwrap_or_else(|e| fail(&e));
        let done = grammar.execute(&a, &lines(&there)).unwrap_or_else(|e| fail(&e));
        assert_eq!(done, b, "seed {seed}\n{there:#?}");
        let d = inverse(&d);
        assert_eq!(apply(&d, &b).unwrap(), a);
        let back = grammar.render(&d, &b, &a).unwrap_or_else(|e| fail(&e));
        assert_eq!(grammar.execute(&b, &lines(&back)).unwrap_or_else(|e| fail(&e)), a, "seed {seed}\n{back:#?}");
        assert!(grammar.render(&diff(&a, &a), &a, &a).unwrap().is_empty());
    }
}

#[test]
fn a_whole_service_typed_line_by_line_is_what_its_text_says() {
    let grammar = frr();
    for seed in seeds(300) {
        let text = config(&mut Dice::new(seed)).text();
        let typed: Vec<&str> = text.lines().collect();
        let done =
            grammar.execute(&ConfigTree::default(), &typed).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
        assert_eq!(done, grammar.parse(&text).unwrap().tree, "seed {seed}\n{text}");
    }
}

const ACME: &str = "\
vrf acme
 ip route 172.16.1.0/24 192.168.1.2
exit-vrf
!
interface eth1.100
 description vrf=acme svc=1
 ip address 192.168.1.1/30
exit
!
router bgp 65000
 bgp router-id 10.255.0.1
exit
!
router bgp 65000 vrf acme
 bgp router-id 10.255.0.1
 neighbor 192.168.1.2 remote-as 65101
 neighbor 192.168.1.2 description CE
 neighbor 192.168.1.2 timers 10 30
 !
 address-family ipv4 unicast
  redistribute connected
  neighbor 192.168.1.2 as-override
  label vpn export auto
  rd vpn export 65000:101
  rt vpn both 65000:100
  export vpn
  import vpn
 exit-address-family
exit
!
";

#[test]
fn the_text_looks_as_the_element_prints_it() {
    let grammar = frr();
    assert_eq!(grammar.text(&grammar.parse(ACME).unwrap().tree), ACME);
}

#[test]
fn changing_one_value_is_one_line_in_its_context() {
    let grammar = frr();
    assert_eq!(
        rendered(&grammar, ACME, &ACME.replace("description CE", "description CE 2")),
        ["router bgp 65000 vrf acme", "neighbor 192.168.1.2 description CE 2", "exit"]
    );
    assert_eq!(
        rendered(
            &grammar,
            ACME,
            &ACME.replace("rt vpn both 65000:100", "rt vpn import 65000:100 65000:200\nrt vpn export 65000:100")
        ),
        [
            "router bgp 65000 vrf acme",
            "address-family ipv4 unicast",
            "rt vpn import 65000:100 65000:200",
            "exit-address-family",
            "exit"
        ]
    );
    assert_eq!(
        rendered(&grammar, ACME, &ACME.replace("  export vpn\n", "")),
        ["router bgp 65000 vrf acme", "address-family ipv4 unicast", "no export vpn", "exit-address-family", "exit"]
    );
}

#[test]
fn a_neighbour_goes_with_all_its_lines() {
    let grammar = frr();
    let without: String = ACME.lines().filter(|l| !l.contains("neighbor")).map(|l| format!("{l}\n")).collect();
    assert_eq!(rendered(&grammar, ACME, &without), ["router bgp 65000 vrf acme", "no neighbor 192.168.1.2", "exit"]);
}

#[test]
fn a_service_is_removed_content_first_where_the_element_holds_the_object() {
    let grammar = frr();
    let (a, b) = (grammar.parse(ACME).unwrap().tree, ConfigTree::default());
    let lines = grammar.render(&diff(&a, &b), &a, &b).unwrap();
    let shown: Vec<String> =
        lines.iter().map(|l| format!("{}{}", l.text, if l.busy { " (busy)" } else { "" })).collect();
    assert_eq!(
        shown,
        [
            "router bgp 65000 vrf acme",
            "address-family ipv4 unicast",
            "no label vpn export",
            "exit-address-family",
            "exit",
            "no router bgp 65000 vrf acme",
            "no router bgp 65000",
            "interface eth1.100",
            "no ip address 192.168.1.1/30",
            "no description",
            "exit",
            "no interface eth1.100 (busy)",
            "vrf acme",
            "no ip route 172.16.1.0/24 192.168.1.2",
            "exit-vrf",
            "no vrf acme (busy)",
        ]
    );
}

#[test]
fn change_vlan_id() {
    let grammar = frr();
    assert_eq!(
        rendered(&grammar, ACME, &ACME.replace("eth1.100", "eth1.200")),
        [
            "interface eth1.100",
            "no ip address 192.168.1.1/30",
            "no description",
            "exit",
            "no interface eth1.100",
            "interface eth1.200",
            "description vrf=acme svc=1",
            "ip address 192.168.1.1/30",
            "exit",
        ]
    );
}

#[test]
fn what_the_element_echoes_differently_is_the_same_tree() {
    let grammar = frr();
    for (typed, echoed) in [
        ("ip route 10.8.0.5/16 192.168.1.2 vrf acme", "vrf acme\n ip route 10.8.0.0/16 192.168.1.2\nexit-vrf"),
        ("interface uni.10 vrf acme\ndescription a  b", "interface uni.10\n description a b\n mpls enable\nexit"),
        ("vrf acme\nexit-vrf", "vrf acme\nexit-vrf\n!\n"),
        (
            "vrf acme\nip route 10.8.0.0/16 Null0",
            "vrf acme\n netns /run/netns/acme\n ip route 10.8.0.0/16 Null0\nexit-vrf",
        ),
        (
            "router bgp 1\naddress-family ipv4\nrt vpn import 1:2 1:1\nrt vpn export 1:1 1:2\nneighbor 10.0.0.1 activate",
            "router bgp 1\n !\n address-family ipv4 unicast\n  rt vpn both 1:1 1:2\n exit-address-family\nexit",
        ),
        (
            "router bgp 1\nneighbor 10.0.0.1 remote-as 2\nneighbor 10.0.0.1 ebgp-multihop 255\naddress-family ipv6\nneighbor 10.0.0.1 allowas-in 3",
            "router bgp 1\n neighbor 10.0.0.1 remote-as 2\n neighbor 10.0.0.1 ebgp-multihop\n address-family ipv6 unicast\n  neighbor 10.0.0.1 allowas-in\n",
        ),
    ] {
        let (a, b) = (grammar.parse(typed).unwrap(), grammar.parse(echoed).unwrap());
        assert_eq!((a.opaque, b.opaque), (0, 0), "{typed}");
        assert_eq!(a.tree, b.tree, "{typed}\n{}\n{}", grammar.text(&a.tree), grammar.text(&b.tree));
    }
    assert!(grammar.parse("vrf acme\nexit-vrf\nhostname a\nhostname b\nfrr version 8.4.4").unwrap().tree.is_empty());
}

#[test]
fn unknown_lines_are_kept_where_they_stand_and_a_change_beside_them_leaves_them() {
    let grammar = frr();
    let text = "\
router isis core
 is-type level-2-only
 redistribute ipv4 bgp level-2
exit
!
router eigrp 1
 router-id 10.255.0.1
 !
 address-family ipv4
  discovery transport-address 10.255.0.1
  !
  interface p
  exit
  !
 exit-address-family
 !
exit
!
interface eth1
 ip rip split-horizon
exit
!
router bgp 65000
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 graceful-restart-helper
exit
!
ip multicast-routing
end
";
    let parsed = grammar.parse(text).unwrap();
    assert!(parsed.complete);
    assert_eq!(parsed.opaque, 11, "{}", grammar.text(&parsed.tree));
    let again = grammar.parse(&grammar.text(&parsed.tree)).unwrap();
    assert_eq!(again.tree, parsed.tree, "{}", grammar.text(&parsed.tree));
    let more = text.replace("neighbor 10.0.0.1 remote-as 65001", "neighbor 10.0.0.1 remote-as 65002");
    assert_eq!(rendered(&grammar, text, &more), ["router bgp 65000", "neighbor 10.0.0.1 remote-as 65002", "exit"]);
}

#[test]
fn the_model_refuses_what_the_element_refuses() {
    let grammar = frr();
    let tree = grammar.parse(ACME).unwrap().tree;
    for (typed, answer) in [
        (&["bogus"][..], "% Unknown command: bogus"),
        (&["interface eth1.100", " mtu 1400"], "% Unknown command:  mtu 1400"),
        (&["interface eth1.100", "no description one"], "% Unknown command: no description one"),
        (&["no router bgp 65000"], "% Cannot delete default BGP instance. Dependent VRF instances exist"),
        (&["router bgp 65001"], "BGP is already running; AS is 65000"),
        (&["router bgp 65001 vrf acme"], "BGP is already running; AS is 65000"),
        (
            &["router bgp 65000 vrf acme", "address-family ipv4 unicast", "no rt vpn both"],
            "Internal CLI error [rtlist]",
        ),
        (
            &["router bgp 65000 vrf acme", "no address-family ipv6 unicast"],
            "% Unknown command: no address-family ipv6 unicast",
        ),
        (
            &["router bgp 65000 vrf acme", "neighbor 1.1.1.1 timers 10 30"],
            "% Specify remote-as or peer-group commands first",
        ),
        (
            &["router bgp 65000", "neighbor 10.0.0.1 remote-as 1", "neighbor 10.0.0.1 nonsense"],
            "% Unknown command: neighbor 10.0.0.1 nonsense",
        ),
        (
            &["router bgp 65000", "address-family l2vpn evpn", "vni 300", "route-target import 65000:300"],
            "This command is only supported under EVPN VRF",
        ),
        (&["vrf acme", "no ip route 10.9.0.0/16 192.0.2.1"], "% Refusing to remove a non-existent route"),
    ] {
        let error = grammar.execute(&tree, typed).unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (typed.len(), answer));
    }
}

#[test]
fn what_comes_before_a_refusal_stays() {
    let grammar = frr();
    let error = grammar
        .execute(&ConfigTree::default(), &["interface eth1.1", "description x", "bogus", "shutdown"])
        .unwrap_err();
    assert_eq!(grammar.text(&error.tree), "interface eth1.1\n description x\nexit\n!\n");
}

#[test]
fn secrets_never_reach_the_tree_and_are_typed_as_tokens() {
    let grammar = frr();
    let with = ACME.replace("timers 10 30", "password s3cret");
    let a = grammar.parse(&with).unwrap().tree;
    assert!(!serde_json::to_string(&a).unwrap().contains("s3cret"));
    let b = grammar.parse(ACME).unwrap().tree;
    assert!(lines(&grammar.render(&diff(&a, &b), &a, &b).unwrap()).contains(&"no neighbor 192.168.1.2 password"));
    // The driver puts the secret in the place of its token, if it knows it.
    let token = crate::tree::secret::token("s3cret");
    let typed = grammar.render(&diff(&b, &a), &b, &a).unwrap();
    assert!(lines(&typed).contains(&format!("neighbor 192.168.1.2 password {token}").as_str()), "{typed:?}");
    // The token of a template, the secret in clear: the same node; another secret another one.
    assert_eq!(grammar.parse(&with.replace("s3cret", &token)).unwrap().tree, a);
    assert_ne!(grammar.parse(&with.replace("s3cret", "s3cre7")).unwrap().tree, a);
    let clear = Grammar::compile_in_clear("frr", include_str!("../../../adapters/frr/grammar.toml")).unwrap();
    assert!(clear.text(&clear.parse(&with).unwrap().tree).contains("password s3cret"));
}

#[test]
fn secrets_in_unknown_lines_are_masked_as_well() {
    let grammar = frr();
    let text = "router ospf\n area 0 x\n message-digest-key 1 md5 s3cret\nexit\nrouter bgp 1\n neighbor PG password s3cret\n neighbor 1.1.1.1 local password s3cret\n";
    let a = grammar.parse(text).unwrap().tree;
    assert!(!grammar.text(&a).contains("s3cret"), "{}", grammar.text(&a));
    let b = grammar.parse("router bgp 1").unwrap().tree;
    assert!(matches!(grammar.render(&diff(&b, &a), &b, &a), Err(GrammarError::Secret { .. })));
}

#[test]
fn any_text_is_read_and_its_text_reads_the_same() {
    let grammar = frr();
    let words = [
        "router",
        "bgp",
        "65000",
        "vrf",
        "acme",
        "exit",
        "no",
        "neighbor",
        "1.1.1.1",
        "end",
        "!",
        "address-family",
        "ipv4",
        "unicast",
        "vni",
        "7",
        "interface",
        "eth1.1",
        "rt",
        "vpn",
        "both",
        "1:1",
        "exit-vrf",
        "description",
        "?",
        "\u{e9}",
    ];
    for seed in seeds(300) {
        let dice = &mut Dice::new(seed);
        let mut text = String::new();
        for line in config(dice).text().lines() {
            if dice.chance(6) {
                let count = dice.below(5) + 1;
                let line: Vec<&str> = (0..count).map(|_| words[dice.below(words.len() as u64) as usize]).collect();
                text.push_str(&format!("{}{}\n", " ".repeat(dice.below(4) as usize), line.join(" ")));
            }
            if !dice.chance(12) {
                text.push_str(&format!("{line}\n"));
            }
        }
        let tree = grammar.parse(&text).unwrap().tree;
        let printed = grammar.text(&tree);
        let again = grammar.parse(&printed).unwrap().tree;
        let left = diff(&tree, &again);
        assert!(left.is_empty(), "seed {seed}: {:#?}\n{text}\n->\n{printed}", left.edits);
        let _ = grammar.execute(&tree, &text.lines().collect::<Vec<_>>());
    }
}

#[test]
fn the_cost_of_a_payload_follows_the_difference() {
    let grammar = frr();
    let text: String = (0..4000)
        .map(|n| format!("interface eth1.{n}\n description d{n}\n ip address 10.{}.{}.1/24\nexit\n", n / 250, n % 250))
        .collect();
    let started = std::time::Instant::now();
    let a = grammar.parse(&text).unwrap().tree;
    let read = started.elapsed();
    let b = grammar.parse(&text.replace("description d77\n", "description other\n")).unwrap().tree;
    let d = diff(&a, &b);
    let started = std::time::Instant::now();
    let lines = grammar.render(&d, &a, &b).unwrap();
    println!("4000 interfaces: read {read:?}, one line rendered {:?}", started.elapsed());
    assert_eq!(lines.len(), 3);
    // Unoptimised; reading is linear in the tree, and rendering one line of it has to be cheaper even on a busy machine.
    let rendered = started.elapsed();
    assert!(rendered < read, "{rendered:?} against {read:?}");
}

#[test]
fn paths_and_edits_are_judged() {
    let grammar = frr();
    let tree = grammar
        .parse(&format!("{ACME}interface lo\n ip address 10.0.0.1/32\nexit\ninterface eth7\n description x\nexit\n"))
        .unwrap()
        .tree;
    let mut seen = Vec::new();
    tree.walk(&mut |path, _| {
        seen.push((path.to_string(), grammar.ownership(path), grammar.is_protected(path)));
        true
    });
    let at = |text: &str| seen.iter().find(|(path, ..)| path == text).unwrap_or_else(|| panic!("{text} {seen:#?}"));
    assert_eq!(at("/frr:vrf[name='acme']").1, Ownership::Own);
    assert_eq!(at("/frr:interface[name='eth1.100']").1, Ownership::Own);
    assert_eq!(at("/frr:interface[name='eth7']").1, Ownership::Shared);
    assert_eq!(at("/frr:bgp[as='65000']").1, Ownership::Shared);
    assert_eq!(at("/frr:bgp-vrf[as='65000'][vrf='acme']/neighbor[peer='192.168.1.2']").1, Ownership::Own);
    assert!(at("/frr:interface[name='lo']").2 && !at("/frr:interface[name='eth7']").2);

    let judged = |before: &str, after: &str| {
        let (a, b) = (grammar.parse(before).unwrap().tree, grammar.parse(after).unwrap().tree);
        diff(&a, &b).edits.iter().map(|edit| grammar.impact(edit)).max().unwrap()
    };
    assert_eq!(judged(ACME, &ACME.replace("description CE", "description X")), Impact::Hitless);
    assert_eq!(judged("", ACME), Impact::Hitless.max(judged("", "router bgp 1\nneighbor 1.1.1.1 remote-as 2")));
    assert_eq!(
        judged(ACME, &ACME.replace("remote-as 65101", "remote-as 65102")),
        Impact::ResetsSession("BGP session 192.168.1.2".to_owned())
    );
    assert_eq!(judged(ACME, ""), Impact::DropsTraffic);
    let evpn = "router bgp 1\naddress-family l2vpn evpn\nadvertise-all-vni\nvni 5\n";
    let target = format!("{evpn}route-target import 1:7\nroute-target export 1:7");
    assert_eq!(judged(evpn, &target), Impact::DropsTraffic, "it takes the place of the automatic one");
    assert_eq!(judged(&target, &target.replace("export 1:7", "export 1:8")), Impact::DropsTraffic);
    assert_eq!(judged(evpn, &format!("{evpn}rd 1:1")), Impact::DropsTraffic);
    assert_eq!(judged("router bgp 1", &target), Impact::Hitless, "a new VNI had nothing to lose");
}

#[test]
fn the_schema_resolves_every_path_that_is_not_opaque() {
    let grammar = frr();
    let schema = grammar.schema();
    for seed in seeds(50) {
        let tree = grammar.parse(&config(&mut Dice::new(seed)).text()).unwrap().tree;
        tree.walk(&mut |path, _| {
            assert!(schema.resolve(path).is_some(), "{path}");
            true
        });
    }
}

#[test]
fn arguments_that_the_shell_would_eat_are_refused() {
    let grammar = frr();
    for bad in ["who?", "a\u{7}b", "a  b", " a", "a ", "a\nb"] {
        assert!(grammar.check_argument(bad).is_err(), "{bad:?}");
    }
    assert!(grammar.check_argument("a \"b\" ! c").is_ok());
}

#[test]
fn texts_beyond_the_limits_are_refused() {
    let grammar = frr();
    let deep: String = (0..40).map(|depth| format!("{}x\n", " ".repeat(depth))).collect();
    assert!(matches!(grammar.parse(&deep), Err(GrammarError::Limit { .. })));
}

#[test]
fn a_grammar_that_makes_no_sense_is_refused_with_the_rule() {
    let good = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/adapters/frr/grammar.toml")).unwrap();
    for (from, to, said) in [
        ("node = \"vrf[name]\"", "node = \"vrf[nam]\"", "nam"),
        ("in = [\"interface\"]\nline = \"shutdown\"", "in = [\"interfaces\"]\nline = \"shutdown\"", "interfaces"),
        ("[{distance:1-255}]\"\nnode", "[{distance:1-255}\"\nnode", "without its"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = Grammar::compile("frr", &good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(matches!(Grammar::compile("frr", &format!("{good}\nsurprise = 1")), Err(GrammarError::Source(_))));
}
