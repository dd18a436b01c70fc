//! Packets through what the daemon configured: only they find what a configuration hides.
//!
//! Every test says: none before, some after, none after removal. They need root, and run one at a time, each in a network
//! of its own.
//!
//! - [`eline`]: E-Lines between NETCONF elements whose agent moves frames (T2, always)
//! - [`evpn`]: E-Lines and E-LANs by EVPN and VXLAN between FRR elements (T2, always)
//! - [`vrf`]: IP VPNs between FRR elements whose VRFs are network namespaces (T2, always)
//! - [`l3vpn`]: IP VPNs through an MPLS core in User-Mode Linux, from documents to packets and back (T3, once)
//! - here: the same network with a service that is typed by hand proves the network and its agents. It takes another
//!   minute: with `ANDANTE_PACKETS=1` (`make test-packets`); else it is skipped and says so
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // packets that do not pass are a failed test
mod customers;
mod daemon;
mod eline;
mod eline_lab;
mod evpn;
mod evpn_lab;
mod l3vpn;
mod l3vpn_lab;
#[path = "../support/mod.rs"]
mod support;
mod traffic;
mod vpn;
mod vrf;
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::{UmlLab, or_skip};

const PASSES: Duration = Duration::from_secs(60);

/// The lab proves itself with a service that is typed by hand over SSH: no code of the daemon takes part.
#[test]
fn a_typed_l3vpn_carries_packets_until_it_is_removed() {
    if std::env::var("ANDANTE_PACKETS").as_deref() != Ok("1") {
        return support::skipped("packets", "one more minute: run `make test-packets` (ANDANTE_PACKETS=1)");
    }
    let _alone = alone();
    let _story = Story::begin("packets, T3 (MPLS L3VPN in User-Mode Linux, typed by hand)");
    let Some(mut lab) = lab() else { return };
    lab.customer("red1", 100, "192.168.1.2/24", "192.168.1.1");
    lab.customer("red2", 200, "192.168.2.2/24", "192.168.2.1");
    let before = [lab.running_config(1), lab.running_config(2)];
    assert_eq!(lab.pings("red1", "192.168.2.2"), 0, "no service yet");

    for (number, vlan) in [(1, 100), (2, 200)] {
        // The router-id is pinned: when bgpd 8.4 finds one for the VRF by itself (the interface gets its address), it
        // replaces the configured RD and export route target by automatic ones, and nothing is imported any more.
        let service = format!(
            "configure terminal\ninterface eth1.{vlan}\ndescription vrf=acme svc=vpn-1\n\
             ip address 192.168.{number}.1/24\nexit\nvrf acme\nexit-vrf\n\
             router bgp 65000 vrf acme\nbgp router-id 10.255.0.{number}\naddress-family ipv4 unicast\n\
             redistribute connected\nlabel vpn export auto\nrd vpn export 65000:{number}\nrt vpn both 65000:100\n\
             export vpn\nimport vpn\nend"
        );
        type_in(&lab, number, &service);
    }
    let typed = Instant::now();
    lab.wait_for_ping("red1", "192.168.2.2", PASSES).unwrap_or_else(|error| panic!("{error}"));
    println!("packets pass {:.1} s after the last line", typed.elapsed().as_secs_f32());
    assert_eq!(lab.pings("red1", "192.168.2.2"), 3);
    let (_, route) = lab.exec("pe1", "ip route show vrf acme 192.168.2.0/24");
    assert!(route.contains("encap mpls"), "through labels: {route}");

    two_tags_are_an_access_too(&mut lab);
    a_label_that_the_kernel_lost_comes_back(&mut lab);

    type_in(&lab, 1, "configure terminal\ninterface eth1.300.30\nno description\nno ip address 192.168.3.1/24\nend");
    for (number, vlan) in [(1, 100), (2, 200)] {
        let removal = format!(
            "configure terminal\nno router bgp 65000 vrf acme\ninterface eth1.{vlan}\nno description\n\
             no ip address 192.168.{number}.1/24\nend"
        );
        type_in(&lab, number, &removal);
    }
    for (number, before) in [1, 2].into_iter().zip(&before) {
        support::wait_until(&format!("pe{number} is as before"), PASSES, || lab.running_config(number) == *before)
            .unwrap_or_else(|error| {
                panic!("{error}\n{}\nagent:\n{}", lab.running_config(number), lab.agent_log(number))
            });
        let node = format!("pe{number}");
        support::wait_until(&format!("{node} has no kernel object of the service"), PASSES, || {
            lab.exec(&node, "ip -br link show type vlan; ip -br link show type vrf").1.trim().is_empty()
        })
        .unwrap_or_else(|error| panic!("{error}\nagent:\n{}", lab.agent_log(number)));
        assert_eq!(lab.running_config(number), *before, "{node} stays as before");
    }
    assert_eq!(lab.pings("red1", "192.168.2.2"), 0, "the service is gone");
    println!("{}agent of pe1:\n{}agent of pe2:\n{}", lab.steps(), lab.agent_log(1), lab.agent_log(2));
}

fn two_tags_are_an_access_too(lab: &mut UmlLab) {
    let (status, said) = lab.exec(
        "red1",
        "ip link add link eth1 name outer up type vlan protocol 802.1ad id 300 && ip link add link outer name inner up \
         type vlan id 30 && ip addr add 192.168.3.2/24 dev inner",
    );
    assert_eq!(status, 0, "{said}");
    assert_eq!(lab.pings("red1", "192.168.3.1"), 0, "no such access yet");
    let access = "configure terminal\ninterface eth1.300.30\ndescription vrf=acme svc=vpn-1\n\
                  ip address 192.168.3.1/24\nend";
    type_in(lab, 1, access);
    lab.wait_for_ping("red1", "192.168.3.1", PASSES).unwrap_or_else(|error| panic!("{error}"));
    lab.wait_for_ping("red2", "192.168.3.2", PASSES).unwrap_or_else(|error| panic!("{error}"));
}

/// The agent's cure for FRR's race, provoked: the label of the VRF vanishes from the kernel of pe1.
fn a_label_that_the_kernel_lost_comes_back(lab: &mut UmlLab) {
    let (status, said) =
        lab.exec("pe1", "ip -f mpls route del $(ip -f mpls route | grep -m1 'dev acme' | cut -d' ' -f1)");
    assert_eq!(status, 0, "{said}");
    assert_eq!(lab.pings("red2", "192.168.1.2"), 0, "nothing comes back without the label");
    lab.wait_for_ping("red2", "192.168.1.2", PASSES).unwrap_or_else(|error| panic!("{error}"));
    assert!(lab.agent_log(1).contains("exported the label of acme again"), "{}", lab.agent_log(1));
}

/// One network at a time: two of them would measure each other.
fn alone() -> MutexGuard<'static, ()> {
    static NETWORK: Mutex<()> = Mutex::new(());
    NETWORK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lab() -> Option<UmlLab> {
    or_skip("User-Mode Linux", UmlLab::start())
}

/// The timeline of one test, ended by its wall time.
struct Story {
    name: &'static str,
    began: Instant,
}

impl Story {
    fn begin(name: &'static str) -> Self {
        Self { name, began: Instant::now() }
    }

    fn tell(&self, what: &str) {
        println!("[{:5.1} s] {what}", self.began.elapsed().as_secs_f32());
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        // Past the capture of the test runner: the wall time of every tier is always seen.
        let line = format!("{}: {:.1} s\n", self.name, self.began.elapsed().as_secs_f32());
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }
}

/// Types lines at the prompt of a PE; any answer beside the echo is a failure.
fn type_in(lab: &UmlLab, number: usize, lines: &str) {
    let mut operator = lab.operator(number);
    for line in lines.lines() {
        let answer = operator.line(line);
        assert_eq!(answer.trim_end(), line, "pe{number} answered");
    }
}
