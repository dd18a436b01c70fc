//! E-Lines and E-LANs between CLI elements: EVPN and VXLAN by FRR on the machine's own kernel, judged by the customers'
//! packets.
use crate::daemon::Daemon;
use crate::evpn_lab::{CUSTOMERS, EvpnLab, PASSES, service};
use crate::support::{Cut, or_skip};
use crate::wire::body;
use crate::{Story, alone};
use serde_json::{Value, json};

#[test]
fn a_vxlan_wire_carries_packets_from_document_to_deletion() {
    let _alone = alone();
    let story = Story::begin("packets, T2 (E-Line, EVPN and VXLAN on FRR)");
    let Some(mut lab) = or_skip("EVPN lab", EvpnLab::start(2)) else { return };
    story.tell("two FRR elements, EVPN between them");
    let mut daemon = Daemon::start(&lab.inventory());
    daemon.in_sync(PASSES * 2);
    story.tell("andanted has both elements in sync");
    for (customer, _) in CUSTOMERS {
        assert_eq!(lab.customers.through(customer), 0, "{customer} has no service yet");
    }

    lab.apply_on(&daemon, "globex", &service("globex", "eth2", &[1, 2]), 2);
    lab.passing(&story, "globex");
    assert_eq!(lab.customers.through("acme"), 0, "acme is another customer");
    let stream = lab.customers.stream("globex");

    let document = service("acme", "eth1", &[1, 2]);
    lab.apply_on(&daemon, "acme", &document, 2);
    lab.passing(&story, "acme");
    daemon.ask(&["element", "check"]).with(0);

    let modified = modified(&mut lab, &daemon, &story, &document);

    let mut shut = modified.clone();
    body(&mut shut)["status"]["admin-status"]["status"] = "ietf-vpn-common:admin-down".into();
    lab.apply_on(&daemon, "acme", &shut, 2);
    lab.settled("a wire that is shut carries nothing", |lab| lab.customers.through("acme") == 0);
    for pe in &lab.pes {
        let running = pe.running_config();
        assert!(running.contains(" shutdown") && running.contains("svc=acme"), "kept: {running}");
    }
    lab.apply_on(&daemon, "acme", &modified, 2);
    lab.passing(&story, "acme, shut and opened");

    unspeakable(&lab, &daemon, &document);
    story.tell("width and rate: refused before anything was sent, packets pass");

    lab.delete_on(&daemon, "acme", 2);
    lab.settled("nothing passes after the deletion", |lab| lab.customers.through("acme") == 0);
    story.tell("acme deleted: 0 of 3");

    // One end says no: the other end's lines are taken back.
    let before = lab.configurations();
    lab.pes[1].cut(Cut::Refusal, "exit-vni");
    let said = daemon.ask(&["service", "apply", &daemon.document("acme", &document)]);
    assert!(!lab.pes[1].cut_is_pending(), "pe2 was never asked: {said:?}");
    assert_eq!(daemon.newest()["outcome"], "not-applied", "{said:?}");
    assert_eq!(lab.configurations(), before);
    assert_eq!(lab.customers.through("acme"), 0);
    story.tell("refused by pe2: nothing stands on pe1, 0 of 3");

    killed_in_the_middle(&mut lab, &mut daemon, &story, &document);

    let count = lab.customers.count(stream);
    story.tell(&count.told("globex"));
    assert_eq!(count.lost, [0; 0], "the other customer lost packets: {}\n{}", count.gaps(), lab.diagnosis());
    lab.delete_on(&daemon, "globex", 2);
    lab.settled("nothing passes after the deletion", |lab| lab.customers.through("globex") == 0);
    println!("andanted:\n{}\n{}", daemon.stop(), lab.diagnosis());
}

/// A text at an access is changed while packets are counted, and none is lost. Then the route target of the wire: what both
/// ends import and export is another one; the plan says that this drops traffic, and packets pass again. Gives the last
/// document.
fn modified(lab: &mut EvpnLab, daemon: &Daemon, story: &Story, document: &Value) -> Value {
    let mut renamed = document.clone();
    let access = &mut body(&mut renamed)["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"][0];
    access["description"] = "second floor".into();
    assert!(impact(daemon, &renamed).contains("hitless"), "{}", impact(daemon, &renamed));
    let stream = lab.customers.stream("acme");
    lab.apply_on(daemon, "acme", &renamed, 1); // pe2 has no part in it
    lab.settled("the text stands on pe1", |lab| lab.pes[0].running_config().contains("second floor"));
    let count = lab.customers.count(stream);
    assert_eq!(count.lost, [0; 0], "a text lost packets: {}\n{}", count.gaps(), lab.diagnosis());
    story.tell(&format!("modified: a text at pe1, {} packets sent meanwhile, 0 lost", count.sent));

    let mut targets = renamed;
    body(&mut targets)["global-parameters-profiles"]["global-parameters-profile"][0]["vpn-target"] =
        json!([{"id": 1, "route-targets": [{"route-target": "0:65000:777"}], "route-target-type": "both"}]);
    assert!(impact(daemon, &targets).contains("drops-traffic"), "{}", impact(daemon, &targets));
    let stream = lab.customers.stream("acme");
    lab.apply_on(daemon, "acme", &targets, 2);
    for pe in &lab.pes {
        assert!(pe.running_config().contains("65000:777"), "{}", pe.running_config());
    }
    lab.passing(story, "acme, another route target");
    let count = lab.customers.count(stream);
    story.tell(&count.told("acme, its route target changed"));
    targets
}

/// What the plan of this document says that it does to traffic.
fn impact(daemon: &Daemon, document: &Value) -> String {
    let said = daemon.ask(&["plan", &daemon.document("planned", document)]).with(2).out;
    said.lines().find(|line| line.trim_start().starts_with("impact")).unwrap_or_default().to_owned()
}

/// Width and rate of a wire are nothing that FRR can say: refused before anything is sent.
fn unspeakable(lab: &EvpnLab, daemon: &Daemon, document: &Value) {
    let before = lab.configurations();
    let mut narrow = document.clone();
    body(&mut narrow)["global-parameters-profiles"]["global-parameters-profile"][0]["svc-mtu"] = 1518.into();
    let mut rated = document.clone();
    let access = &mut body(&mut rated)["vpn-nodes"]["vpn-node"][0]["vpn-network-accesses"]["vpn-network-access"][0];
    access["service"] = json!({"svc-ce-to-pe-bandwidth": {"ce-to-pe-bandwidth": [
        {"bw-type": "ietf-vpn-common:bw-per-port", "cir": "10000000", "cbs": "50000"}
    ]}});
    for (word, document) in [("mtu", narrow), ("bandwidth", rated)] {
        let said = daemon.ask(&["service", "apply", &daemon.document(word, &document)]);
        assert!(said.code != Some(0) && said.err.contains(word), "{said:?}");
    }
    assert_eq!(lab.configurations(), before);
    assert_eq!(lab.customers.through("acme"), 3);
}

/// The daemon dies while `pe2` has not answered a line; started again, its word is what the packets say. Without
/// transactions on the elements what stands is found by reading: before the decision it is taken back, after it nothing is.
fn killed_in_the_middle(lab: &mut EvpnLab, daemon: &mut Daemon, story: &Story, document: &Value) {
    let before = lab.configurations();
    let path = daemon.document("acme", document);
    for (point, line, expected) in
        [("before the decision", "exit-vni", "not-applied"), ("after the decision", "write memory", "applied")]
    {
        lab.pes[1].cut(Cut::Stall, line);
        let mut asked = daemon.begin(&["service", "apply", &path]);
        lab.settled(line, |lab| !lab.pes[1].cut_is_pending());
        daemon.kill9();
        let _ = asked.kill();
        let _ = asked.wait();
        // The session of the dead daemon ends as it would with its connection.
        lab.pes[1].disconnect();
        lab.pes[1].reconnect();
        daemon.start_again();
        let mut outcome = Value::Null;
        let known = crate::support::wait_until("the daemon knows how it ended", PASSES, || {
            outcome = daemon.newest()["outcome"].clone();
            outcome == "applied" || outcome == "not-applied"
        });
        known.unwrap_or_else(|error| panic!("{error}: {outcome}\n{}\n{}", daemon.log(), lab.diagnosis()));
        assert_eq!(outcome, expected, "{point}");
        let there = daemon.ask(&["service", "list"]).with(0).out.contains("acme");
        assert_eq!(there, outcome == "applied", "{point}: {outcome}");
        lab.settled("packets say what the daemon says", |lab| (lab.customers.through("acme") > 0) == there);
        daemon.ask(&["element", "check"]).with(0);
        if !there {
            assert_eq!(lab.configurations(), before, "{point}");
        }
        story.tell(&format!("kill -9 {point}: the daemon says {outcome}, and so do the packets"));
    }
    lab.delete_on(daemon, "acme", 2);
    lab.settled("nothing passes after the deletion", |lab| lab.customers.through("acme") == 0);
}

#[test]
fn a_vxlan_lan_carries_packets_between_all_its_sites_and_takes_another_one_in() {
    let _alone = alone();
    let story = Story::begin("packets, T2 (E-LAN, EVPN and VXLAN on FRR)");
    let Some(mut lab) = or_skip("EVPN lab", EvpnLab::start(3)) else { return };
    story.tell("three FRR elements, EVPN between them");
    let daemon = Daemon::start(&lab.inventory());
    daemon.in_sync(PASSES * 2);
    story.tell("andanted has all three in sync");
    let nothing = lab.configurations();
    for (customer, _) in CUSTOMERS {
        assert_eq!(reached(&lab, customer), [], "{customer} has no service yet");
    }

    lab.apply_on(&daemon, "globex", &service("globex", "eth2", &[1, 2, 3]), 3);
    everywhere(&lab, &story, "globex", "created with three sites");
    assert_eq!(reached(&lab, "acme"), [], "acme is another customer");
    let stream = lab.customers.stream("globex");

    // Two sites first, then a third one: pe1 and pe2 are not touched, and lose nothing.
    lab.apply_on(&daemon, "acme", &service("acme", "eth1", &[1, 2]), 2);
    lab.passing(&story, "acme, two sites");
    assert_eq!(reached(&lab, "acme"), [(1, 2), (2, 1)], "the third site of globex has acme's address");
    let own = lab.customers.stream("acme");
    lab.apply_on(&daemon, "acme", &service("acme", "eth1", &[1, 2, 3]), 1);
    everywhere(&lab, &story, "acme", "with a third site");
    let count = lab.customers.count(own);
    story.tell(&format!("the first two meanwhile: {} packets sent, {} lost", count.sent, count.lost.len()));
    assert_eq!(count.lost, [0; 0], "a third site lost packets of the first two: {}\n{}", count.gaps(), lab.diagnosis());
    daemon.ask(&["element", "check"]).with(0);

    // The second site leaves.
    lab.apply_on(&daemon, "acme", &service("acme", "eth1", &[1, 3]), 1);
    lab.settled("the second site is out", |lab| reached(lab, "acme") == [(1, 3), (3, 1)]);
    story.tell("acme, the second site taken out: packets between the first and the third only");

    lab.delete_on(&daemon, "acme", 2);
    lab.settled("nothing passes after the deletion", |lab| reached(lab, "acme").is_empty());
    story.tell("acme deleted: 0 of 3 between any two sites");

    let count = lab.customers.count(stream);
    story.tell(&count.told("globex"));
    assert_eq!(count.lost, [0; 0], "the other customer lost packets: {}\n{}", count.gaps(), lab.diagnosis());
    assert_eq!(reached(&lab, "globex").len(), 6);
    lab.delete_on(&daemon, "globex", 3);
    lab.settled("nothing passes after the deletion", |lab| reached(lab, "globex").is_empty());
    assert_eq!(lab.configurations(), nothing, "every element prints what it printed before");
    println!("andanted:\n{}\n{}", daemon.stop(), lab.diagnosis());
}

/// From which site to which packets of this customer pass. All are asked at once.
fn reached(lab: &EvpnLab, customer: &str) -> Vec<(usize, usize)> {
    let customers = &lab.customers;
    let pairs = (1..=3).flat_map(|from| (1..=3).filter(move |to| *to != from).map(move |to| (from, to)));
    std::thread::scope(|scope| {
        let asked: Vec<_> = pairs
            .map(|(from, to)| ((from, to), scope.spawn(move || customers.between(customer, from, to) > 0)))
            .collect();
        let answered = asked.into_iter().filter_map(|(pair, asked)| asked.join().expect("ping").then_some(pair));
        answered.collect()
    })
}

/// Packets pass between all pairs of sites.
#[track_caller]
fn everywhere(lab: &EvpnLab, story: &Story, customer: &str, what: &str) {
    let answered = std::time::Instant::now();
    for (from, to) in [(1, 2), (1, 3), (2, 3)] {
        let passes = lab.customers.passes_between(customer, from, to, PASSES);
        passes.unwrap_or_else(|error| panic!("{customer}, {from} to {to}: {error}\n{}", lab.diagnosis()));
    }
    let took = answered.elapsed().as_secs_f32();
    assert_eq!(reached(lab, customer).len(), 6, "{}", lab.diagnosis());
    story.tell(&format!("{customer}, {what}: packets between all pairs, {took:.1} s after the answer"));
}
