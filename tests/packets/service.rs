//! The happy path of the product, judged by packets: a document goes in by the command, pings pass; it is deleted, they
//! stop, and both elements print the very bytes they printed before.
use crate::PASSES;
use crate::daemon::Daemon;
use crate::support::{UmlLab, wait_until};
use serde_json::Value;
use std::time::{Duration, Instant};

/// From one customer network to the other: through the static routes and the label switched core.
const CUSTOMERS: &str = "-I 198.51.100.1 198.51.100.129";
const GATEWAYS: &str = "192.168.2.2";

#[test]
fn an_applied_document_carries_packets_until_it_is_deleted() {
    let Some(mut lab) = crate::lab() else { return };
    let mut story = Story(Instant::now());
    lab.customer("ce1", 100, "192.168.1.2/24", "192.168.1.1");
    lab.customer("ce2", 200, "192.168.2.2/24", "192.168.2.1");
    for (node, address) in [("ce1", "198.51.100.1/25"), ("ce2", "198.51.100.129/25")] {
        assert_eq!(lab.exec(node, &format!("ip addr add {address} dev lo")).0, 0);
    }
    let before = [lab.running_config(1), lab.running_config(2)];

    let daemon = Daemon::start(&lab);
    story.tell("andanted answers");
    in_sync(&daemon);
    story.tell("the loop has found both elements in sync");
    silent(&mut lab);

    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packets/service.json");
    let residue = applied(&daemon, &["service", "apply", document]);
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
    in_sync(&daemon);
    let again = daemon.ask(&["plan", document, "--json"]).with(0).json();
    assert_eq!(again["andante:output"]["plan"]["element"].as_array().map_or(0, Vec::len), 0, "{again:#}");
    story.tell("in sync, and the document again would change no element");

    let residue = applied(&daemon, &["service", "delete", "acme-packets"]);
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
    in_sync(&daemon);
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

/// Runs a verb that writes; its transaction must be `applied`. Gives the residue of all elements.
#[track_caller]
fn applied(daemon: &Daemon, arguments: &[&str]) -> Vec<String> {
    let said = daemon.ask(arguments).with(0);
    println!("{}", said.out);
    let list = daemon.ask(&["transaction", "list", "--json"]).with(0).json();
    let newest = &list["andante:transactions"]["transaction"][0];
    assert!(said.out.contains(newest["id"].as_str().unwrap_or("no id")), "{list:#}");
    assert_eq!(newest["outcome"], "applied", "{list:#}");
    let elements = newest["element"].as_array().cloned().unwrap_or_default();
    assert_eq!(elements.len(), 2, "{list:#}");
    let named = |element: &Value| {
        let lines = element["residue"].as_array().cloned().unwrap_or_default();
        lines.into_iter().map(|line| format!("{} {line}", element["name"])).collect::<Vec<_>>()
    };
    elements.iter().flat_map(named).collect()
}

/// Both elements are in sync in the daemon's eyes, at the latest when its loop has looked at them.
fn in_sync(daemon: &Daemon) {
    let mut shown = String::new();
    let waited = wait_until("both elements are in sync", PASSES * 2, || {
        let list = daemon.ask(&["element", "list", "--json"]).with(0);
        shown = list.out.clone();
        let list = list.json();
        let elements = list["andante:elements"]["element"].as_array().cloned().unwrap_or_default();
        let so = elements.len() == 2 && elements.iter().all(|element| element["sync-state"] == "in-sync");
        if !so {
            std::thread::sleep(Duration::from_millis(500)); // the network needs the processor more than this question
        }
        so
    });
    waited.unwrap_or_else(|error| panic!("{error}: {shown}\n{}", daemon.log()));
    println!("{}", daemon.ask(&["element", "list"]).with(0).out);
    assert_eq!(daemon.ask(&["deviation", "list"]).with(0).out, "no deviations\n");
}

fn silent(lab: &mut UmlLab) {
    for (node, to) in [("ce1", GATEWAYS), ("ce1", CUSTOMERS), ("ce2", "192.168.1.2"), ("ce2", "198.51.100.1")] {
        assert_eq!(lab.pings(node, to), 0, "{node} must not reach {to}");
    }
}

/// The timeline.
struct Story(Instant);

impl Story {
    fn tell(&mut self, what: &str) {
        println!("[{:5.1} s] {what}", self.0.elapsed().as_secs_f32());
    }
}
