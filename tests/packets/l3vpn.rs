//! IP VPNs through an MPLS core, judged by packets: documents go in by the command, and what the customers' hosts receive
//! must be what the daemon says, through creation, change, refusal, crash, drift and deletion. One network for all of it.
use crate::daemon::Daemon;
use crate::l3vpn_lab::{
    BLUE_ONLY, BLUE1, BLUE2, CUSTOMERS, GREEN1, GREEN2, RED1, RED2, RED3, Stream, THERE, THIRD, body, furnish,
    inventory, requests, vpn,
};
use crate::support::uml::NODES;
use crate::support::{Cut, UmlLab, wait_until};
use crate::{PASSES, Story};
use serde_json::{Value, json};
use std::time::Instant;

#[test]
fn vpns_carry_the_packets_of_their_own_customers_from_document_to_deletion() {
    let _alone = crate::alone();
    let story = Story::begin("packets, T3 (IP VPN, MPLS in User-Mode Linux)");
    let Some(mut lab) = crate::lab() else { return };
    story.tell("the network has booted");
    furnish(&mut lab);
    let before = [1, 2].map(|number| lab.running_config(number));
    let mut daemon = Daemon::start(&inventory(&lab));
    daemon.in_sync(PASSES * 2);
    story.tell("andanted has both elements in sync");
    for host in ["red1", "blue1"] {
        assert_eq!(lab.pings(host, CUSTOMERS), 0, "{host} has no service yet");
    }

    let blue = daemon.document("blue", &vpn("blue", 200, &[BLUE1, BLUE2]));
    applied(&lab, &daemon, &story, "blue created", &["service", "apply", &blue], 2);
    passing(&mut lab, &daemon, &story, "blue");
    assert_eq!(lab.pings("red1", CUSTOMERS), 0, "red is another customer");
    let stream = Stream::start(&mut lab, BLUE1, THERE);

    let document = vpn("red", 100, &[RED1, RED2]);
    let red = daemon.document("red", &document);
    applied(&lab, &daemon, &story, "red created", &["service", "apply", &red], 2);
    passing(&mut lab, &daemon, &story, "red");
    assert_eq!(lab.pings("red1", CUSTOMERS), 3);
    lost_nothing(&mut lab, &story, stream, "blue, while red is created");
    separate(&mut lab, &story);

    // The agent has made its objects, FRR has echoed all it wants to: still nothing differs.
    daemon.ask(&["element", "check"]).with(0);
    let again = daemon.ask(&["plan", &red, "--json"]).with(0).json();
    assert_eq!(again["andante:output"]["plan"]["element"].as_array().map_or(0, Vec::len), 0, "{again:#}");
    let log = daemon.log();
    let found: Vec<&str> = log.lines().filter(|line| line.contains(" ERROR ") || line.contains("deviat")).collect();
    assert_eq!(found, [""; 0], "the loop met the agent at work and found nothing to report");
    story.tell("in sync, and the document again would change no element");

    let blues = Stream::start(&mut lab, BLUE1, THERE);
    let three = modified(&mut lab, &daemon, &story, &document);
    shut_and_opened(&mut lab, &daemon, &story, &three);
    refused_by_the_other_end(&mut lab, &daemon, &story);
    drifted_and_healed(&mut lab, &daemon, &story);
    deleted(&mut lab, &daemon, &story, "red");
    killed_in_the_middle(&mut lab, &mut daemon, &story, &red);
    deleted(&mut lab, &daemon, &story, "red");
    lost_nothing(&mut lab, &story, blues, "blue, while red is modified, refused, killed, healed, deleted");

    deleted(&mut lab, &daemon, &story, "blue");
    for (number, before) in [1, 2].into_iter().zip(&before) {
        is_as_before(&mut lab, number, before);
        let (_, objects) = lab.exec(&format!("pe{number}"), "ip -br link show type vlan; ip -br link show type vrf");
        assert_eq!(objects.trim(), "", "pe{number} has no kernel object of a service");
    }
    story.tell("both PEs print what they printed before");
    daemon.ask(&["element", "check"]).with(0);
    assert_eq!(daemon.ask(&["service", "list"]).with(0).out, "no services\n");
    println!("{}", daemon.ask(&["transaction", "list"]).with(0).out);
    println!("andanted:\n{}agent of pe1:\n{}agent of pe2:\n{}", daemon.stop(), lab.agent_log(1), lab.agent_log(2));
}

/// red and blue have the same addresses: each packet arrives at its own customer's host, and no VRF has the other's route.
fn separate(lab: &mut UmlLab, story: &Story) {
    for (from, own, other) in [("red1", "red2", "blue2"), ("blue1", "blue2", "red2")] {
        let (own_before, other_before) = (requests(lab, own), requests(lab, other));
        assert_eq!(lab.pings(from, THERE), 3, "{from}");
        let (at_own, at_other) = (requests(lab, own) - own_before, requests(lab, other) - other_before);
        assert_eq!((at_own, at_other), (3, 0), "{from} to {THERE}: received by {own} and by {other}");
        story.tell(&format!("{from} to {THERE}: {at_own} of 3 received by {own}, {at_other} by {other}"));
    }
    let (network, host) = BLUE_ONLY;
    let before = requests(lab, "blue2");
    assert_eq!((lab.pings("blue1", host), lab.pings("red1", host)), (3, 0), "{host} is blue's");
    assert_eq!(requests(lab, "blue2") - before, 3, "those of blue1 alone");
    for pe in ["pe1", "pe2"] {
        let mut route = |vrf: &str| lab.exec(pe, &format!("ip route show vrf {vrf} {network}")).1;
        assert_eq!(route("red").trim(), "", "{pe}: {network} is blue's");
        let blue = route("blue");
        assert!(if pe == "pe1" { blue.contains("encap mpls") } else { blue.contains("192.168.2.2") }, "{pe}: {blue}");
    }
    story.tell(&format!(
        "{network} stands in the VRF blue of both PEs, in red of none: red1 reaches {host} with 0 of 3"
    ));
}

/// A third site loses the first two nothing; a change that FRR cannot express is refused before anything is sent. Gives
/// the document with three sites.
fn modified(lab: &mut UmlLab, daemon: &Daemon, story: &Story, document: &Value) -> Value {
    let before = [1, 2].map(|number| lab.running_config(number));
    let mut narrow = document.clone();
    let access = &mut body(&mut narrow)["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"][0];
    access["service"] = json!({"mtu": 1400});
    let said = daemon.ask(&["service", "apply", &daemon.document("narrow", &narrow)]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let words = "platform frr cannot express access.mtu-ip (the MTU of IP packets)";
    assert!(said.err.contains(words), "{said:?}");
    assert_eq!([1, 2].map(|number| lab.running_config(number)), before, "nothing was sent");
    story.tell(&format!("MTU 1400: refused, {words}"));

    assert_eq!(lab.pings("red1", THIRD), 0, "no such site yet");
    let stream = Stream::start(lab, RED1, THERE);
    let three = vpn("red", 100, &[RED1, RED2, RED3]);
    let file = daemon.document("three", &three);
    applied(lab, daemon, story, "third site of red", &["service", "apply", &file], 1); // pe1 has no part in it
    lab.wait_for_ping("red1", THIRD, PASSES).unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    lab.wait_for_ping("red3", THERE, PASSES).unwrap_or_else(|error| panic!("{error}"));
    lost_nothing(lab, story, stream, "the first two sites of red, while the third is added");
    three
}

fn shut_and_opened(lab: &mut UmlLab, daemon: &Daemon, story: &Story, document: &Value) {
    let mut shut = document.clone();
    body(&mut shut)["status"]["admin-status"]["status"] = "ietf-vpn-common:admin-down".into();
    applied(lab, daemon, story, "red shut", &["service", "apply", &daemon.document("shut", &shut)], 2);
    stopped(lab, "a VPN that is shut", "red");
    for number in [1, 2] {
        let kept = lab.running_config(number);
        for line in [" shutdown", "router bgp 65000 vrf red", " ip route 198.51.100."] {
            assert!(kept.contains(line), "pe{number} keeps {line}: {kept}");
        }
    }
    applied(lab, daemon, story, "red opened", &["service", "apply", &daemon.document("open", document)], 2);
    passing(lab, daemon, story, "red");
    lab.wait_for_ping("red1", THIRD, PASSES).unwrap_or_else(|error| panic!("{error}"));
}

/// FRR at pe2 says no to a line, after pe1 has taken all of its own: nothing of the service stands anywhere.
fn refused_by_the_other_end(lab: &mut UmlLab, daemon: &Daemon, story: &Story) {
    let before = [1, 2].map(|number| lab.running_config(number));
    let mut green = vpn("green", 300, &[GREEN1, GREEN2]);
    let access = &mut body(&mut green)["vpn-nodes"]["vpn-node"][1]["vpn-network-accesses"]["vpn-network-access"][0];
    access["routing-protocols"]["routing-protocol"][0] = json!({
        "id": "bgp",
        "type": "ietf-vpn-common:bgp-routing",
        "bgp": {
            "peer-as": 65020,
            "local-as": 65020,
            "address-family": "ietf-vpn-common:ipv4",
            "neighbor": ["192.168.2.2"],
        },
    });
    let said = daemon.ask(&["service", "apply", &daemon.document("green", &green)]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let words = "AS specified for local as is the same as the remote as";
    assert!(said.err.contains(words) || said.out.contains(words), "FRR's own words: {said:?}");
    let newest = daemon.newest();
    assert_eq!(newest["outcome"], "not-applied", "{newest:#}");
    for (number, before) in [1, 2].into_iter().zip(&before) {
        is_as_before(lab, number, before);
    }
    // The agent looks too seldom to see what stood there for a moment; an element that was never written is `untouched`.
    let states = newest["element"].as_array().unwrap().iter().map(|element| &element["state"]);
    assert!(states.eq(["restored"; 2]), "both had lines of it before they were brought back: {newest:#}");
    assert_eq!(lab.pings("green1", "192.168.1.1"), 0, "not even its own gateway");
    for customer in ["red1", "blue1"] {
        assert_eq!(lab.pings(customer, CUSTOMERS), 3, "{customer} is untouched");
    }
    assert!(!daemon.ask(&["service", "list"]).with(0).out.contains("green"));
    story.tell(&format!("green refused by FRR of pe2 ({words} …): nothing stands on pe1, 0 of 3; red and blue 3 of 3"));
}

/// Somebody removes the VPN's BGP block at pe1.
fn drifted_and_healed(lab: &mut UmlLab, daemon: &Daemon, story: &Story) {
    let (status, said) = lab.exec("pe1", "vtysh -N pe1 -c 'configure terminal' -c 'no router bgp 65000 vrf red'");
    assert_eq!((status, said.trim()), (0, ""));
    stopped(lab, "a VPN without its BGP", "red");
    assert_eq!(lab.pings("blue1", CUSTOMERS), 3, "blue has its own");
    daemon.ask(&["element", "check", "pe1"]).with(2);
    let list = daemon.ask(&["deviation", "list", "--json"]).with(2).json();
    let found = list["andante:deviations"]["deviation"].as_array().cloned().unwrap_or_default();
    assert!(!found.is_empty(), "{list:#}");
    for deviation in &found {
        assert_eq!(deviation["element"], "pe1", "{deviation:#}");
        let services = deviation["service"].as_array().cloned().unwrap_or_default();
        let named: Vec<&str> = services.iter().filter_map(|service| service["id"].as_str()).collect();
        assert_eq!(named, ["red"], "{deviation:#}");
    }
    let path = found[0]["path"].as_str().unwrap_or_default().to_owned();
    story.tell(&format!("BGP of red removed by hand: 0 of 3; the deviation of {path} names red"));
    daemon.ask(&["deviation", "heal", "--element", "pe1"]).with(0);
    story.tell("andante deviation heal: done");
    passing(lab, daemon, story, "red");
    daemon.ask(&["element", "check", "pe1"]).with(0);
    assert_eq!(daemon.ask(&["deviation", "list"]).with(0).out, "no deviations\n");
}

/// The daemon dies while pe2 does not answer; started again, its word is what the packets say.
fn killed_in_the_middle(lab: &mut UmlLab, daemon: &mut Daemon, story: &Story, red: &str) {
    let before = [1, 2].map(|number| lab.running_config(number));
    for (point, line, expected) in
        [("before the decision", "import vpn", "not-applied"), ("after the decision", "write memory", "applied")]
    {
        lab.cut(2, Cut::Stall, line);
        let mut asked = daemon.begin(&["service", "apply", red]);
        settled(lab, daemon, line, |lab| !lab.cut_is_pending(2));
        daemon.kill9();
        let _ = asked.kill();
        let _ = asked.wait();
        lab.resume(); // its session ends as it would with its connection
        daemon.start_again();
        let mut outcome = Value::Null;
        settled(lab, daemon, "the daemon knows how it ended", |_| {
            outcome = daemon.newest()["outcome"].clone();
            outcome == "applied" || outcome == "not-applied"
        });
        assert_eq!(outcome, expected, "{point}\n{}", daemon.log());
        let there = daemon.ask(&["service", "list"]).with(0).out.contains("red");
        assert_eq!(there, outcome == "applied", "{point}: {outcome}");
        if there {
            passing(lab, daemon, story, "red");
        } else {
            for (number, before) in [1, 2].into_iter().zip(&before) {
                is_as_before(lab, number, before);
            }
            assert_eq!(lab.pings("red1", CUSTOMERS), 0, "{point}");
        }
        daemon.ask(&["element", "check"]).with(0);
        story.tell(&format!("kill -9 {point}: the daemon says {outcome}, and so do the packets"));
    }
}

/// A verb that is applied on so many elements and leaves nothing in the way.
#[track_caller]
fn applied(lab: &UmlLab, daemon: &Daemon, story: &Story, what: &str, arguments: &[&str], elements: usize) {
    let residue = daemon.applied(arguments, elements);
    assert_eq!(residue, [""; 0], "{what}\n{}\n{}", lab.agent_log(1), lab.agent_log(2));
    story.tell(&format!("{what}: applied"));
}

#[track_caller]
fn deleted(lab: &mut UmlLab, daemon: &Daemon, story: &Story, customer: &str) {
    // Interfaces and VRFs are named as residue where the agent has not removed them yet: that is the element's to do.
    let residue = daemon.applied(&["service", "delete", customer], 2);
    let host = format!("{customer}1");
    assert_eq!(lab.pings(&host, CUSTOMERS), 0, "{customer} is deleted");
    story.tell(&format!("{customer} deleted: 0 of 3, residue {residue:?}"));
}

/// Packets pass in both directions, through labels.
#[track_caller]
fn passing(lab: &mut UmlLab, daemon: &Daemon, story: &Story, customer: &str) {
    let answered = Instant::now();
    let (first, second) = (format!("{customer}1"), format!("{customer}2"));
    for (host, to) in [(&first, CUSTOMERS), (&second, "198.51.100.1")] {
        lab.wait_for_ping(host, to, PASSES).unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    }
    story.tell(&format!("{customer}: packets pass, {:.1} s after the answer", answered.elapsed().as_secs_f32()));
    let (_, route) = lab.exec("pe1", &format!("ip route show vrf {customer} 198.51.100.128/25"));
    assert!(route.contains("encap mpls"), "through labels: {route}");
}

#[track_caller]
fn stopped(lab: &mut UmlLab, what: &str, customer: &str) {
    let host = format!("{customer}1");
    wait_until(&format!("{what} carries nothing"), PASSES, || lab.pings(&host, CUSTOMERS) == 0)
        .unwrap_or_else(|error| panic!("{error}\n{}", lab.diagnosis()));
}

#[track_caller]
fn settled(lab: &mut UmlLab, daemon: &Daemon, what: &str, mut holds: impl FnMut(&mut UmlLab) -> bool) {
    wait_until(what, PASSES * 2, || holds(lab)).unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
}

/// A PE prints the bytes that it printed then, as soon as its agent has removed what has no content any more.
#[track_caller]
fn is_as_before(lab: &mut UmlLab, number: usize, before: &str) {
    wait_until(&format!("pe{number}: the bytes of before"), PASSES, || lab.running_config(number) == before)
        .unwrap_or_else(|error| {
            panic!(
                "{error}\nbefore:\n{before}\nnow:\n{}\nagent:\n{}",
                lab.running_config(number),
                lab.agent_log(number)
            )
        });
}

#[track_caller]
fn lost_nothing(lab: &mut UmlLab, story: &Story, stream: Stream, who: &str) {
    let count = stream.stop(lab);
    story.tell(&format!(
        "{who}: {} packets sent at 100 a second, {} lost {}",
        count.sent,
        count.lost.len(),
        count.gaps()
    ));
    assert!(f64::from(count.sent) > 95.0 * count.lasted.as_secs_f64(), "100 a second: {count:?}");
    assert_eq!(count.lost, [0; 0], "{who}: {}\n{}", count.gaps(), lab.diagnosis());
}

/// `make lab-l3vpn`: the network for a person, until Ctrl-C. Lines that are typed run in its nodes.
#[test]
#[ignore = "runs until it is interrupted: make lab-l3vpn"]
fn lab_for_a_person() {
    let story = Story::begin("lab");
    let Some(mut lab) = crate::lab() else { return };
    furnish(&mut lab);
    let daemon = Daemon::start(&inventory(&lab));
    daemon.in_sync(PASSES * 2);
    story.tell("andanted has both elements in sync");
    println!("\n{}", include_str!("l3vpn.txt"));
    for number in [1, 2] {
        println!("pe{number}: {}", lab.pe(number).ssh());
    }
    for (customer, number, sites) in [("red", 100, [RED1, RED2]), ("blue", 200, [BLUE1, BLUE2])] {
        println!("service of {customer}: {}", daemon.document(customer, &vpn(customer, number, &sites)));
    }
    println!("red with its third site: {}", daemon.document("three", &vpn("red", 100, &[RED1, RED2, RED3])));
    println!("\nandante --socket {} …   (for instance: service apply, service list, plan)", daemon.socket().display());
    println!("NODE COMMAND here runs in a node ({}), for instance: red1 ping -c3 {THERE}", NODES.join(" "));
    println!("Ctrl-C, or the end of input, ends everything that runs here, and removes it.");
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        match line.trim().split_once(' ') {
            Some((node, command)) if NODES.contains(&node) => {
                let (status, said) = lab.exec(node, command);
                println!("{}\n[{status}]", said.trim_end());
            }
            _ => println!("NODE COMMAND, where NODE is one of: {}", NODES.join(" ")),
        }
    }
}
