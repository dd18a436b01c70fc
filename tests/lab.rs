//! The lab itself: the real elements start, answer independent clients, record what is sent, and end without a trace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that panics has failed, as it should
mod support;

use std::path::Path;
use support::{
    Cut, FrrElement, FrrOptions, NetconfElement, NetconfOptions, ncclient_get_config, ncclient_hello, ncclient_rpcs,
    or_skip,
};

const BASE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";

/// A VRF with a route target and a tagged sub-interface in it, in the genuine native models.
const IOSXR_ACCESS: &str = r#"<vrfs xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg"><vrf>
<vrf-name>lab</vrf-name><create/><afs><af><af-name>ipv4</af-name><saf-name>unicast</saf-name>
<topology-name>default</topology-name><create/>
<bgp xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-ipv4-bgp-cfg"><export-route-targets><route-targets><route-target>
<type>as</type><as-or-four-byte-as><as-xx>0</as-xx><as>65000</as><as-index>7</as-index>
<stitching-rt>0</stitching-rt></as-or-four-byte-as></route-target></route-targets></export-route-targets></bgp>
</af></afs></vrf></vrfs>
<interface-configurations xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg"><interface-configuration>
<active>act</active><interface-name>GigabitEthernet0/0/0/3.70</interface-name>
<interface-mode-non-physical>default</interface-mode-non-physical><description>lab</description>
<vrf xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg">lab</vrf>
<ipv4-network xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-ipv4-io-cfg"><addresses><primary>
<address>198.51.100.1</address><netmask>255.255.255.252</netmask></primary></addresses></ipv4-network>
<vlan-sub-configuration xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-l2-eth-infra-cfg"><vlan-identifier>
<vlan-type>vlan-type-dot1q</vlan-type><first-tag>VLAN</first-tag></vlan-identifier></vlan-sub-configuration>
</interface-configuration></interface-configurations>"#;

#[test]
fn netconf_element_takes_native_models_and_forgets_them_again() {
    let Some(mut element) = or_skip("netconf element", NetconfElement::start_iosxr()) else { return };
    let Some(capabilities) = or_skip("ncclient", ncclient_hello(&element)) else { return };
    for wanted in [":candidate:1.0", ":confirmed-commit:1.1", "module=Cisco-IOS-XR-l2vpn-cfg"] {
        assert!(capabilities.iter().any(|capability| capability.contains(wanted)), "{wanted} in {capabilities:?}");
    }
    let before = element.running();

    // An independent client writes it and reads it.
    let edit = |vlan: &str| {
        format!(
            "<edit-config xmlns=\"{BASE}\"><target><candidate/></target><test-option>test-then-set</test-option>\
             <config>{}</config></edit-config>",
            IOSXR_ACCESS.replace("VLAN", vlan)
        )
    };
    let commit = format!("<commit xmlns=\"{BASE}\"/>");
    let replies = ncclient_rpcs(&element, &[&edit("99999"), &edit("70"), &commit]).unwrap_or_else(|e| panic!("{e:?}"));
    assert!(replies[0].contains("<rpc-error>"), "VLAN 99999 is refused: {}", replies[0]);
    assert!(replies[1].contains("<ok/>") && replies[2].contains("<ok/>"), "{replies:?}");
    let filter = "<vrfs xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg\"/>";
    let seen = ncclient_get_config(&element, filter).unwrap_or_else(|e| panic!("{e:?}"));
    assert!(seen.contains("<as-index>7</as-index>") && !seen.contains("first-tag"), "{seen}");

    // What is committed survives the death of the server.
    let with_access = element.running();
    assert!(with_access.contains("<first-tag>70</first-tag>"), "{with_access}");
    element.kill9_netconfd();
    assert!(!element.is_alive());
    element.restart();
    assert_eq!(element.running(), with_access);

    // A hand removes it, and nothing is left.
    element.edit_by_hand(&format!(
        "<vrfs xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg\" xmlns:nc=\"{BASE}\" \
         nc:operation=\"remove\"/><interface-configurations xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg\" \
         xmlns:nc=\"{BASE}\" nc:operation=\"remove\"/>"
    ));
    assert_eq!(element.running(), before);
}

#[test]
fn netconf_sessions_are_recorded_byte_for_byte() {
    let Some(mut element) = or_skip("netconf element", NetconfElement::start(NetconfOptions::ietf_interfaces())) else {
        return;
    };
    let mut first = element.operator();
    let mut second = element.operator();
    assert!(first.hello().contains("ietf-interfaces"));
    first.expect_ok("<lock><target><candidate/></target></lock>");
    assert!(second.rpc("<lock><target><candidate/></target></lock>").contains("lock-denied"));
    let wire = element.wire();
    assert_eq!(wire.len(), 2);
    let lock = format!("<rpc xmlns=\"{BASE}\" message-id=\"1\"><lock><target><candidate/></target></lock></rpc>");
    let sent = format!("{}]]>]]>\n#{}\n{lock}\n##\n", support::session::HELLO, lock.len());
    assert_eq!(wire[0].text(), sent);
    // The lock dies with its session; a megabyte passes the recorder in both directions.
    drop(first);
    let comment = "x".repeat(1 << 20);
    let large = format!("<get-config><source><running/></source><!--{comment}--></get-config>");
    assert!(second.rpc(&large).contains("<data"));
    assert!(element.wire()[1].bytes.len() > 1 << 20);
    support::wait_until("the lock is free", support::processes::PATIENCE, || {
        second.rpc("<lock><target><candidate/></target></lock>").contains("<ok/>")
    })
    .unwrap_or_else(|error| panic!("{error}"));
    element.disconnect();
    assert!(std::net::TcpStream::connect(element.addr()).is_err());
    element.reconnect();
    assert!(element.operator().rpc("<get-config><source><running/></source></get-config>").contains("<data"));
}

#[test]
fn frr_element_types_echoes_and_forgets() {
    let options = FrrOptions::pe("pe2", "10.255.0.2", "10.255.0.1");
    let Some(mut element) = or_skip("frr element", FrrElement::start(options)) else { return };
    let before = element.running_config();
    assert_eq!(before.matches("hostname ").count(), 1, "{before}");

    let mut operator = element.operator();
    assert_eq!(operator.prompt(), "pe2# ");
    let typed = [
        "configure terminal",
        "interface eth1.70",
        "description vrf=lab svc=lab-1",
        "ip address 198.51.100.5/30",
        "exit",
        "vrf lab",
        "ip route 203.0.113.0/24 198.51.100.6",
        "exit-vrf",
        "router bgp 65000 vrf lab",
        "address-family ipv4 unicast",
        "rd vpn export 65000:7",
        "rt vpn both 65000:7",
        "end",
    ];
    for line in typed {
        let answer = operator.line(line);
        assert_eq!(answer.lines().next(), Some(line), "the echo of {line}");
        assert!(!answer.contains('%'), "{line}: {answer}");
    }
    assert_eq!(operator.prompt(), "pe2# ");
    assert!(operator.line("bogus").contains("% Unknown command"));
    assert_eq!(element.wire()[0].text(), format!("{}\nbogus\n", typed.join("\n")));
    let after = element.running_config();
    assert!(after.contains("  rd vpn export 65000:7\n") && after.contains(" ip route 203.0.113.0/24 198.51.100.6\n"));

    // A dead daemon takes its lines with it; nothing else moves.
    element.kill_daemon("staticd");
    assert!(!element.running_config().contains("ip route"));
    element.start_daemon("staticd");
    assert!(element.vtysh(&["configure terminal", "vrf lab", "ip route 203.0.113.0/24 198.51.100.6"]).is_ok());

    let removal = [
        "configure terminal",
        "no router bgp 65000 vrf lab",
        "vrf lab",
        "no ip route 203.0.113.0/24 198.51.100.6",
        "exit-vrf",
        "no vrf lab",
        "no interface eth1.70",
    ];
    element.vtysh(&removal).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(element.running_config(), before);
    assert!(element.vtysh(&["configure terminal", "no vrf"]).is_err());

    // A reboot comes back with what was saved.
    element.vtysh(&["write memory"]).unwrap_or_else(|error| panic!("{error}"));
    element.vtysh(&["configure terminal", "no router bgp 65000"]).unwrap_or_else(|error| panic!("{error}"));
    element.restart();
    assert_eq!(element.running_config(), before);
}

/// netconfd alone never answers here; the recorder lets it take the hello first.
#[test]
fn a_client_in_haste_is_answered() {
    let Some(element) = or_skip("netconf element", NetconfElement::start(NetconfOptions::ietf_interfaces())) else {
        return;
    };
    for _ in 0..3 {
        let reply =
            support::NetconfSession::ask_in_haste(&element, "<get-config><source><running/></source></get-config>");
        assert!(reply.as_ref().is_ok_and(|reply| reply.contains("<data")), "{reply:?}");
    }
}

#[test]
fn a_netconf_session_is_cut_before_or_after_the_element_obeys() {
    let Some(element) = or_skip("netconf element", NetconfElement::start(NetconfOptions::ietf_interfaces())) else {
        return;
    };
    let empty = element.running();
    for (when, obeyed) in [(Cut::BeforeDelivery, false), (Cut::AfterDelivery, true)] {
        let mut session = element.operator();
        session.expect_ok(
            "<edit-config><target><candidate/></target><config>\
             <interfaces xmlns=\"urn:ietf:params:xml:ns:yang:ietf-interfaces\"><interface><name>eth0</name>\
             <type xmlns:ianaift=\"urn:ietf:params:xml:ns:yang:iana-if-type\">ianaift:ethernetCsmacd</type>\
             </interface></interfaces></config></edit-config>",
        );
        element.cut(when, "<commit/>");
        assert!(session.try_rpc("<commit/>").is_err(), "{when:?}: no answer");
        assert!(!element.cut_is_pending());
        if obeyed {
            // The answer is lost at once, the element takes its time.
            support::wait_until("the edit is running", support::processes::PATIENCE, || element.running() != empty)
                .unwrap_or_else(|error| panic!("{error}"));
        } else {
            assert_eq!(element.running(), empty);
            element.operator().expect_ok("<discard-changes/>");
        }
    }
}

#[test]
fn a_typed_line_is_cut_before_or_after_the_element_obeys() {
    let options = FrrOptions::pe("pe2", "10.255.0.2", "10.255.0.1");
    let Some(element) = or_skip("frr element", FrrElement::start(options)) else { return };
    let before = element.running_config();
    for (when, obeyed) in [(Cut::BeforeDelivery, false), (Cut::AfterDelivery, true)] {
        let mut session = element.operator();
        session.line("configure terminal");
        element.cut(when, "ip route 203.0.113.0/24");
        assert!(session.try_line("ip route 203.0.113.0/24 blackhole").is_err(), "{when:?}: no answer");
        if obeyed {
            let line = "\nip route 203.0.113.0/24 blackhole\n";
            support::wait_until("the line is running", support::processes::PATIENCE, || {
                element.running_config().contains(line)
            })
            .unwrap_or_else(|error| panic!("{error}"));
        } else {
            assert_eq!(element.running_config(), before);
        }
    }
}

#[test]
fn nothing_is_left_behind() {
    let Some(element) = or_skip("netconf element", NetconfElement::start(NetconfOptions::ietf_interfaces())) else {
        return;
    };
    let session = element.operator();
    let key = element.private_key();
    let folder = key.parent().map(Path::to_owned).unwrap_or_default();
    assert!(folder.is_dir() && mentioned_by_a_process(&folder));
    drop(element);
    assert!(!folder.exists());
    assert!(!mentioned_by_a_process_but(&folder, session.client_pid()));
}

fn mentioned_by_a_process(folder: &Path) -> bool {
    mentioned_by_a_process_but(folder, 0)
}

/// Whether any process (but this one) has the folder in its command line.
fn mentioned_by_a_process_but(folder: &Path, ours: u32) -> bool {
    let needle = folder.to_string_lossy().into_owned();
    std::fs::read_dir("/proc").into_iter().flatten().flatten().any(|entry| {
        entry.file_name() != *ours.to_string()
            && std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&needle))
    })
}
