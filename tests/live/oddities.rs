//! What FRR 8.4 does that nobody would guess, and the lines that get around it. Each was found by a broken case of the other
//! tests here; README.md of the adapter tells them. An FRR that has become better shows here first.
use super::alone;
use super::support::{CliSession, FrrElement, FrrOptions, or_skip};
use andante::adapter::grammar::Grammar;
use andante::tree::diff;

/// Types lines and says what the element prints afterwards, cut to the lines with this word.
struct Bench {
    element: FrrElement,
    operator: CliSession,
    grammar: Grammar,
}

impl Bench {
    fn start() -> Option<Self> {
        let daemons = vec![("bgpd".to_owned(), String::new())];
        let element = or_skip("frr", FrrElement::start(FrrOptions { hostname: "r1".into(), daemons }))?;
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/adapters/frr/grammar.toml");
        let grammar = Grammar::compile("frr", &std::fs::read_to_string(file).unwrap()).unwrap();
        Some(Self { operator: element.operator(), element, grammar })
    }

    fn types(&mut self, lines: &[&str]) -> String {
        self.operator.line("configure terminal");
        let said: Vec<String> = lines.iter().map(|line| self.operator.line(line)).collect();
        self.operator.line("end");
        said.iter().filter_map(|said| Some(said.split_once('\n')?.1)).collect::<Vec<_>>().join("\n")
    }

    fn prints(&self, word: &str) -> Vec<String> {
        let text = self.element.running_config();
        text.lines().filter(|line| line.contains(word)).map(|line| line.trim().to_owned()).collect()
    }

    /// The lines that the grammar gives for a change.
    fn lines(&self, before: &str, after: &str) -> Vec<String> {
        let (a, b) = (self.grammar.parse(before).unwrap().tree, self.grammar.parse(after).unwrap().tree);
        let payload = self.grammar.render(&diff(&a, &b), &a, &b).unwrap();
        payload.into_iter().map(|line| line.text).collect()
    }
}

#[test]
fn frr_is_as_odd_as_the_adapter_says_and_its_lines_get_around_it() {
    let _alone = alone();
    let Some(mut bench) = Bench::start() else { return };

    // A rule that stands under another number is not taken, without a word.
    let said = bench.types(&["ip prefix-list P seq 5 permit 10.0.0.0/8", "ip prefix-list P seq 10 deny 10.0.0.0/16"]);
    assert_eq!(said, "");
    assert_eq!(bench.types(&["ip prefix-list P seq 10 permit 10.0.0.0/8"]), "");
    assert_eq!(bench.prints("seq 10"), ["ip prefix-list P seq 10 deny 10.0.0.0/16"]);
    // So two entries change places by going first.
    let list = |five: &str, ten: &str| format!("ip prefix-list P seq 5 {five}\nip prefix-list P seq 10 {ten}\n");
    let (one, two) = ("permit 10.0.0.0/8", "deny 10.0.0.0/16");
    let lines = bench.lines(&list(one, two), &list(two, one));
    bench.types(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bench.prints("prefix-list").join("\n") + "\n", list(two, one), "{lines:#?}");

    // A new line adds its options to those of the one before.
    let unicast = ["router bgp 65000", "address-family ipv4 unicast"];
    bench.types(&[&unicast[..], &["redistribute static metric 5"]].concat());
    bench.types(&[&unicast[..], &["redistribute static"]].concat());
    assert_eq!(bench.prints("redistribute"), ["redistribute static metric 5"]);
    let with = |option: &str| {
        format!(
            "router bgp 65000\n address-family ipv4 unicast\n  redistribute static{option}\n exit-address-family\nexit\n"
        )
    };
    let lines = bench.lines(&with(" metric 5"), &with(""));
    bench.types(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bench.prints("redistribute"), ["redistribute static"], "{lines:#?}");

    // Two settings of one name.
    let peer = ["router bgp 65000", "neighbor 10.9.9.9 remote-as 65009", "address-family ipv4 unicast"];
    bench.types(&[&peer[..], &["neighbor 10.9.9.9 next-hop-self force", "neighbor 10.9.9.9 next-hop-self"]].concat());
    assert_eq!(bench.prints("next-hop-self").len(), 2);

    // The negation of the one leaves the other.
    bench.types(&["route-map R permit 10", "set ip next-hop unchanged", "no set ip next-hop"]);
    assert_eq!(bench.prints("set ip next-hop"), ["set ip next-hop unchanged"]);

    // Once taken back, the same RD is not taken again, without a word; another one is.
    let evpn = ["router bgp 65000 vrf acme", "address-family l2vpn evpn"];
    let said = bench.types(&[&evpn[..], &["rd 65000:77", "no rd 65000:77", "rd 65000:77"]].concat());
    assert_eq!((said.as_str(), bench.prints("rd ")), ("", vec![]));
    bench.types(&[&evpn[..], &["rd 65000:78"]].concat());
    assert_eq!(bench.prints("rd "), ["rd 65000:78"]);

    // One target for both directions is freed twice when the instance goes; it is never written so.
    let both = "router bgp 65000 vrf acme\n address-family l2vpn evpn\n  route-target both 65000:7\n exit-address-family\nexit\n";
    let lines = bench.lines("router bgp 65000 vrf acme\nexit\n", both);
    let targets: Vec<&String> = lines.iter().filter(|line| line.starts_with("route-target")).collect();
    assert_eq!(targets, ["route-target import 65000:7", "route-target export 65000:7"]);
    bench.types(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    bench.types(&["no router bgp 65000 vrf acme", "no router bgp 65000"]);
    assert!(bench.element.crashed().is_empty() && bench.prints("router bgp").is_empty());
}
