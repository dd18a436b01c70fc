//! E-Lines between NETCONF elements, judged by the customers' frames: the daemon gets documents, frames pass; they stop
//! when the service is shut or deleted, and those of the other customer notice nothing of it.
use crate::customers::THERE;
use crate::daemon::Daemon;
use crate::eline_lab::{CUSTOMERS, ElineLab, PORT};
use crate::support::{Cut, NetconfOptions, or_skip, wait_until};
use crate::wire::body;
use crate::{Story, alone};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// From the daemon's answer to the first packet: the agents look four times a second.
const PASSES: Duration = Duration::from_secs(20);

#[test]
fn a_wire_carries_frames_from_document_to_deletion() {
    let _alone = alone();
    let story = Story::begin("packets, T2 (E-Line, NETCONF elements)");
    let Some((mut lab, mut daemon)) = start(&story) else { return };
    for (customer, _) in CUSTOMERS {
        assert_eq!(lab.customers.through(customer), 0, "{customer} has no service yet");
    }

    // The other customer, whose frames are counted through all that follows.
    let globex = daemon.document("globex", &wire("globex", 200));
    applied(&lab, &daemon, &["service", "apply", &globex]);
    passing(&lab, &daemon, &story, "globex");
    assert_eq!(lab.customers.through("acme"), 0, "acme is another customer");
    let stream = lab.customers.stream("globex");

    // Created.
    let document = wire("acme", 100);
    let acme = daemon.document("acme", &document);
    applied(&lab, &daemon, &["service", "apply", &acme]);
    passing(&lab, &daemon, &story, "acme");
    assert_eq!(lab.customers.through("acme"), 3);
    daemon.ask(&["element", "check"]).with(0);

    // Modified: the width of the wire.
    assert_eq!(lab.customers.through_with("acme", 4000), 3, "nobody said how wide it is");
    let mut narrow = document.clone();
    node_profile(&mut narrow)["svc-mtu"] = 1518.into();
    applied(&lab, &daemon, &["service", "apply", &daemon.document("narrow", &narrow)]);
    settled(&lab, "frames that are too long stop", || lab.customers.through_with("acme", 1473) == 0);
    assert_eq!(lab.customers.through_with("acme", 1472), 3, "1518 bytes with the tag");
    story.tell("modified: frames of 1518 bytes pass, of 1519 do not");

    let rated = limited(&mut lab, &daemon, &story, &narrow);

    // Shut, and opened again.
    let mut shut = rated.clone();
    body(&mut shut)["status"]["admin-status"]["status"] = "ietf-vpn-common:admin-down".into();
    applied(&lab, &daemon, &["service", "apply", &daemon.document("shut", &shut)]);
    settled(&lab, "a wire that is shut carries nothing", || lab.customers.through("acme") == 0);
    for pe in &lab.pes {
        let running = pe.running();
        assert!(running.contains("<name>acme</name>") && running.contains("<shutdown/>"), "kept: {running}");
    }
    applied(&lab, &daemon, &["service", "apply", &daemon.document("open", &rated)]);
    let took = lab.customers.passes("acme", PASSES).unwrap_or_else(|error| panic!("{error}"));
    story.tell(&format!("shut: 0 of 3, configuration kept; opened: packets after {:.1} s", took.as_secs_f32()));

    // Deleted.
    applied(&lab, &daemon, &["service", "delete", "acme"]);
    settled(&lab, "nothing passes after the deletion", || lab.customers.through("acme") == 0);
    story.tell("deleted: 0 of 3");

    refused_by_the_other_end(&lab, &daemon, &story, &acme);
    killed_in_the_middle(&mut lab, &mut daemon, &story, &acme);

    let count = lab.customers.count(stream);
    story.tell(&count.told("globex"));
    assert!(f64::from(count.sent) > 95.0 * count.lasted.as_secs_f64(), "100 a second: {count:?}");
    assert_eq!(count.lost, [0; 0], "the other customer lost packets: {}\n{}", count.gaps(), lab.diagnosis());

    applied(&lab, &daemon, &["service", "delete", "globex"]);
    settled(&lab, "nothing passes after the deletion", || lab.customers.through("globex") == 0);
    for pe in &lab.pes {
        let running = pe.running();
        assert!(!running.contains("globex") && !running.contains("acme"), "nothing stays: {running}");
    }
    daemon.in_sync(PASSES * 2);
    let log = daemon.stop();
    println!("andanted:\n{log}\nagent of pe1:\n{}agent of pe2:\n{}", lab.agent_log(1), lab.agent_log(2));
}

/// A bandwidth profile at the first site: what the customer sends there is policed, and nothing else; its change loses
/// nothing that is within it, and nothing at all of the other direction. The last one has an excess rate: what is beyond
/// the committed one passes while there is room, up to the sum of both. Gives the document with the last profile.
fn limited(lab: &mut ElineLab, daemon: &Daemon, story: &Story, document: &Value) -> Value {
    const OFFERED: u64 = 40_000_000;
    // 20 ms at the highest rate. More of it at once would not fit into the little room behind a port of the core.
    const BURST: &str = "50000";
    let mut rated = document.clone();
    let unlimited = measured(lab, 1, OFFERED, OFFERED);
    story.tell(&format!("no profile: {:.2} of {} Mbit/s arrive", unlimited / 1e6, OFFERED / 1_000_000));
    for (cir, eir) in [(10_000_000_u64, 0), (20_000_000, 0), (8_000_000, 7_000_000)] {
        let mut profile = json!({
            "bw-type": "ietf-vpn-common:bw-per-port",
            "cir": cir.to_string(),
            "cbs": BURST,
        });
        if eir > 0 {
            profile["eir"] = eir.to_string().into();
            profile["ebs"] = BURST.into();
        }
        let access = &mut body(&mut rated)["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"][0];
        access["service"] = json!({"svc-ce-to-pe-bandwidth": {"ce-to-pe-bandwidth": [profile]}});
        let (both, back) = (lab.customers.stream("acme"), lab.customers.one_way("acme", 2));
        daemon.applied(&["service", "apply", &daemon.document("rated", &rated)], 1); // pe2 has no part in it
        let taken = format!("({}, ", (cir + eir) / 1000);
        settled(lab, "the meter of pe1", || lab.agent_log(1).contains(&taken));
        let (back, both) = (lab.customers.count_one_way(back), lab.customers.count(both));
        assert_eq!(both.lost, [0; 0], "the change lost packets: {}", both.gaps());
        assert_eq!(back.lost, [0; 0], "the change lost packets of the other direction: {}", back.gaps());
        let arrives = measured(lab, 1, OFFERED, cir + eir);
        story.tell(&format!(
            "CIR {}, EIR {} Mbit/s: {:.2} of {} Mbit/s arrive; during the change {} packets sent both ways, {} lost, {} the \
             other way alone, {} lost",
            cir / 1_000_000,
            eir / 1_000_000,
            arrives / 1e6,
            OFFERED / 1_000_000,
            both.sent,
            both.lost.len(),
            back.sent,
            back.lost.len()
        ));
    }
    let back = measured(lab, 2, OFFERED, OFFERED);
    story.tell(&format!("the other way {:.2} Mbit/s arrive", back / 1e6));
    rated
}

/// What arrives of `offered` bit/s that acme sends from this site: `rate`, within ten in a hundred. A machine with other
/// work may bring less, and after a pause what it had kept waiting comes on top, so it may try three times.
fn measured(lab: &ElineLab, from: usize, offered: u64, rate: u64) -> f64 {
    let rate = rate as f64;
    let mut arrived = 0.0;
    for _ in 0..3 {
        arrived = lab.customers.arrives("acme", from, offered);
        if (0.9 * rate..1.1 * rate).contains(&arrived) {
            return arrived;
        }
    }
    panic!("{arrived} of {rate}, the third time too\n{}", lab.diagnosis());
}

/// `pe2` says no to the edit: the new wire stands nowhere, and does not pass.
fn refused_by_the_other_end(lab: &ElineLab, daemon: &Daemon, story: &Story, acme: &str) {
    let before = lab.pes.each_ref().map(crate::support::NetconfElement::running);
    lab.pes[1].cut(Cut::Refusal, "match-dot1q");
    let said = daemon.ask(&["service", "apply", acme]);
    assert!(!lab.pes[1].cut_is_pending(), "pe2 was never asked");
    assert_ne!(said.code, Some(0), "{}", said.out);
    assert_eq!(daemon.newest()["outcome"], "not-applied", "{}", said.err);
    assert_eq!(lab.pes.each_ref().map(crate::support::NetconfElement::running), before, "as before");
    assert_eq!(lab.customers.through("acme"), 0, "a wire with one end does not pass");
    story.tell("refused by pe2: nothing stands on pe1, 0 of 3");
}

/// The daemon dies while `pe2` has not answered; started again, its word is what the packets say.
fn killed_in_the_middle(lab: &mut ElineLab, daemon: &mut Daemon, story: &Story, acme: &str) {
    for (point, pattern, expected) in [
        ("before the decision", "<commit><confirmed/>", "not-applied"),
        ("after the decision", "<commit><persist-id>", "applied"),
    ] {
        lab.pes[1].cut(Cut::Stall, pattern);
        let mut asked = daemon.begin(&["service", "apply", acme]);
        settled(lab, "the commit at pe2", || !lab.pes[1].cut_is_pending());
        daemon.kill9();
        let _ = asked.kill();
        let _ = asked.wait();
        // The session of the dead daemon ends as it would with its connection.
        lab.pes[1].disconnect();
        lab.pes[1].reconnect();
        daemon.start_again();
        let mut outcome = Value::Null;
        settled(lab, "the daemon knows how it ended", || {
            outcome = daemon.newest()["outcome"].clone();
            outcome == "applied" || outcome == "not-applied"
        });
        assert_eq!(outcome, expected, "{point}");
        let there = daemon.ask(&["service", "list"]).with(0).out.contains("acme");
        assert_eq!(there, outcome == "applied", "{point}: {outcome}");
        settled(lab, "packets say what the daemon says", || (lab.customers.through("acme") > 0) == there);
        daemon.ask(&["element", "check"]).with(0);
        story.tell(&format!("kill -9 {point}: the daemon says {outcome}, and so do the packets"));
    }
    applied(lab, daemon, &["service", "delete", "acme"]);
    settled(lab, "nothing passes after the deletion", || lab.customers.through("acme") == 0);
}

/// `make lab-eline`: the lab for a person, until Ctrl-C.
#[test]
#[ignore = "runs until it is interrupted: make lab-eline"]
fn lab_for_a_person() {
    let story = Story::begin("lab");
    let Some((lab, daemon)) = start(&story) else { return };
    println!("\n{}", include_str!("eline.txt"));
    for (customer, vlan) in CUSTOMERS {
        let document = daemon.document(customer, &wire(customer, vlan));
        println!("service of {customer}: {document}");
        for site in [1, 2] {
            println!("  shell at {customer}-{site}: nsenter --net -t {}", lab.customers.pid(customer, site));
        }
        println!("  ping:              nsenter --net -t {} ping {THERE}", lab.customers.pid(customer, 1));
    }
    for (number, pe) in (1..).zip(&lab.pes) {
        println!("pe{number}: {} -s netconf", pe.ssh());
    }
    println!("\nandante --socket {} …   (for instance: service apply, service list, plan)", daemon.socket().display());
    println!("Ctrl-C ends everything that runs here, and removes it.");
    loop {
        std::thread::park();
    }
}

fn start(story: &Story) -> Option<(ElineLab, Daemon)> {
    let options = or_skip("iosxr modules", NetconfOptions::iosxr())?;
    let lab = or_skip("E-Line lab", ElineLab::start(options))?;
    story.tell("two NETCONF elements with their data plane");
    let daemon = Daemon::start(&lab.inventory());
    daemon.in_sync(PASSES * 2);
    story.tell("andanted has both elements in sync");
    Some((lab, daemon))
}

/// A verb that is applied on both elements and leaves nothing behind.
#[track_caller]
fn applied(lab: &ElineLab, daemon: &Daemon, arguments: &[&str]) {
    assert_eq!(daemon.applied(arguments, 2), [""; 0], "{}", lab.diagnosis());
}

#[track_caller]
fn passing(lab: &ElineLab, daemon: &Daemon, story: &Story, customer: &str) {
    let answered = Instant::now();
    let waited = lab.customers.passes(customer, PASSES);
    waited.unwrap_or_else(|error| panic!("{error}\n{}\n{}", lab.diagnosis(), daemon.log()));
    story.tell(&format!("{customer}: packets pass, {:.1} s after the answer", answered.elapsed().as_secs_f32()));
}

#[track_caller]
fn settled(lab: &ElineLab, what: &str, holds: impl FnMut() -> bool) {
    wait_until(what, PASSES, holds).unwrap_or_else(|error| panic!("{error}\n{}", lab.diagnosis()));
}

/// A customer's wire: the same VLAN of the shared port at both ends.
fn wire(customer: &str, vlan: u16) -> Value {
    let access = |number: usize| {
        json!({
            "interface-id": PORT,
            "connection": {"encapsulation": {
                "encap-type": "ietf-vpn-common:dot1q",
                "dot1q": {"cvlan-id": vlan},
            }},
            "vpws-service-instance": {
                "local-vpws-service-instance": number,
                "remote-vpws-service-instance": 3 - number,
            },
        })
    };
    crate::wire::wire(customer, "ietf-vpn-common:vpws-evpn", |number| format!("10.255.0.{number}"), access)
}

fn node_profile(document: &mut Value) -> &mut Value {
    &mut body(document)["global-parameters-profiles"]["global-parameters-profile"][0]
}
