//! The happy path of the product, judged by packets: a document goes in by the command, pings pass; it is deleted, they
//! stop, and both elements print the very bytes they printed before.
use crate::daemon::Daemon;
use crate::support::{UmlLab, wait_until};
use crate::{PASSES, Story};
use std::time::Instant;

/// From one customer network to the other: through the static routes and the label switched core.
const CUSTOMERS: &str = "-I 198.51.100.1 198.51.100.129";
const GATEWAYS: &str = "192.168.2.2";

#[test]
fn an_applied_document_carries_packets_until_it_is_deleted() {
    let _alone = crate::alone();
    let story = Story::begin("packets, T3 (IP VPN, MPLS in User-Mode Linux)");
    let Some(mut lab) = crate::lab() else { return };
    sites(&mut lab);
    let before = [lab.running_config(1), lab.running_config(2)];

    let daemon = Daemon::start(&inventory(&lab));
    story.tell("andanted answers");
    daemon.in_sync(PASSES * 2);
    story.tell("the loop has found both elements in sync");
    silent(&mut lab);

    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packets/l3vpn.json");
    let residue = daemon.applied(&["service", "apply", document], 2);
    assert_eq!(residue, [""; 0], "nothing is in the way of new configuration");
    story.tell("andante service apply: applied");
    let applied_at = Instant::now();
    for to in [GATEWAYS, CUSTOMERS] {
        lab.wait_for_ping("ce1", to, PASSES).unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
        assert_eq!(lab.pings("ce1", to), 3, "{to}");
        lab.wait_for_ping("ce2", "198.51.100.1", PASSES).unwrap_or_else(|error| panic!("{error}"));
    }
    story.tell(&format!("packets pass, {:.1} s after the answer", applied_at.elapsed().as_secs_f32()));
    let (_, route) = lab.exec("pe1", "ip route show vrf acme-packets 198.51.100.128/25");
    assert!(route.contains("encap mpls"), "through labels: {route}");

    // The agent has made its objects, FRR has echoed all it wants to: still nothing differs.
    daemon.ask(&["element", "check"]).with(0);
    daemon.in_sync(PASSES * 2);
    let again = daemon.ask(&["plan", document, "--json"]).with(0).json();
    assert_eq!(again["andante:output"]["plan"]["element"].as_array().map_or(0, Vec::len), 0, "{again:#}");
    story.tell("in sync, and the document again would change no element");

    let residue = daemon.applied(&["service", "delete", "acme-packets"], 2);
    story.tell(&format!("andante service delete: applied, residue {residue:?}"));
    silent(&mut lab);
    let deleted = Instant::now();
    for (number, before) in [1, 2].into_iter().zip(&before) {
        let same = wait_until("the bytes of before", PASSES, || lab.running_config(number) == *before);
        same.unwrap_or_else(|error| {
            let now = lab.running_config(number);
            panic!("pe{number}: {error}\nbefore:\n{before}\nnow:\n{now}\nagent:\n{}", lab.agent_log(number))
        });
        let node = format!("pe{number}");
        let (_, objects) = lab.exec(&node, "ip -br link show type vlan; ip -br link show type vrf");
        assert_eq!(objects.trim(), "", "{node} has no kernel object of the service");
    }
    story.tell(&format!("both PEs print what they printed before ({:.1} s)", deleted.elapsed().as_secs_f32()));
    daemon.in_sync(PASSES * 2);
    assert_eq!(daemon.ask(&["service", "list"]).with(0).out, "no services\n");
    for line in daemon.ask(&["transaction", "list"]).with(0).out.lines() {
        println!("{line}");
    }
    let log = daemon.stop();
    story.tell("andanted has ended");
    println!("andanted:\n{log}\nagent of pe1:\n{}agent of pe2:\n{}", lab.agent_log(1), lab.agent_log(2));
    let found: Vec<&str> = log.lines().filter(|line| line.contains(" ERROR ") || line.contains("deviat")).collect();
    assert_eq!(found, [""; 0], "the loop met the agent at work and found nothing to report");
}

fn silent(lab: &mut UmlLab) {
    for (node, to) in [("ce1", GATEWAYS), ("ce1", CUSTOMERS), ("ce2", "192.168.1.2"), ("ce2", "198.51.100.1")] {
        assert_eq!(lab.pings(node, to), 0, "{node} must not reach {to}");
    }
}

/// A router and a network of the customer at each site.
fn sites(lab: &mut UmlLab) {
    lab.customer("ce1", 100, "192.168.1.2/24", "192.168.1.1");
    lab.customer("ce2", 200, "192.168.2.2/24", "192.168.2.1");
    for (node, address) in [("ce1", "198.51.100.1/25"), ("ce2", "198.51.100.129/25")] {
        assert_eq!(lab.exec(node, &format!("ip addr add {address} dev lo")).0, 0);
    }
}

/// `make lab-l3vpn`: the network for a person, until Ctrl-C. Lines that are typed run in its nodes.
#[test]
#[ignore = "runs until it is interrupted: make lab-l3vpn"]
fn lab_for_a_person() {
    let story = Story::begin("lab");
    let Some(mut lab) = crate::lab() else { return };
    sites(&mut lab);
    let daemon = Daemon::start(&inventory(&lab));
    daemon.in_sync(PASSES * 2);
    story.tell("andanted has both elements in sync");
    println!("\n{}", include_str!("l3vpn.txt"));
    for number in [1, 2] {
        println!("pe{number}: {}", lab.pe(number).ssh());
    }
    println!("service: {}/tests/packets/l3vpn.json", env!("CARGO_MANIFEST_DIR"));
    println!("\nandante --socket {} …   (for instance: service apply, service list, plan)", daemon.socket().display());
    println!("NODE COMMAND here runs in a node (pe1 p pe2 ce1 ce2), for instance: ce1 ping -c3 {GATEWAYS}");
    println!("Ctrl-C, or the end of input, ends everything that runs here, and removes it.");
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        match line.trim().split_once(' ') {
            Some((node, command)) if ["pe1", "p", "pe2", "ce1", "ce2"].contains(&node) => {
                let (status, said) = lab.exec(node, command);
                println!("{}\n[{status}]", said.trim_end());
            }
            _ => println!("NODE COMMAND, where NODE is one of: pe1 p pe2 ce1 ce2"),
        }
    }
}

/// Both PEs as the daemon's inventory has them.
fn inventory(lab: &UmlLab) -> String {
    let ports = "{ name = \"eth1\" }, { name = \"core\", role = \"core\" }, { name = \"mgmt\", role = \"management\" }";
    let listed =
        |number: usize| lab.pe(number).listed(&format!("pe{number}"), "frr", &format!("10.255.0.{number}"), ports);
    [1, 2].map(listed).concat()
}
