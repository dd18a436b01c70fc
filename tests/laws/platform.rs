//! Elements on paper and services to put on them, for each adapter of the house.

use crate::arbitrary::Dice;
use crate::inhabited::{FRR, XR};
use crate::paper::{Element, root};
use andante::adapter::Adapter;
use andante::service::ElementService;
use andante::service::element_service::*;
use andante::tree::ConfigTree;
use andante::yang::{ModuleSet, YangWorker};
use std::sync::OnceLock;
use std::time::Duration;

/// An adapter, what an element says before we come, and services with several versions each.
pub struct Platform {
    pub adapter: Adapter,
    pub base: ConfigTree,
    pub services: Vec<(String, Vec<ConfigTree>)>,
}

impl Platform {
    pub fn element(&self) -> Element {
        Element::new("pe", &self.adapter, self.base.clone())
    }
}

/// FRR (lines) and IOS-XR (YANG).
pub fn platforms() -> &'static [Platform] {
    static KNOWN: OnceLock<Vec<Platform>> = OnceLock::new();
    KNOWN.get_or_init(|| vec![frr(), iosxr()])
}

fn frr() -> Platform {
    let adapter = Adapter::load(&root("adapters/frr")).unwrap();
    let base = adapter.normalise(&adapter.parse(FRR).unwrap().tree);
    assert!(base.count() > 20);
    let services = services(&adapter, |n, dice| match n {
        0..4 => l3vpn("frr", "eth1", n, dice),
        _ => line("frr", "evpn_vxlan_eline", "eth2", n, dice),
    });
    Platform { adapter, base, services }
}

fn iosxr() -> Platform {
    let adapter = Adapter::load(&root("adapters/iosxr")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let loaded = runtime.block_on(async {
        let limit = Duration::from_secs(60);
        let worker = YangWorker::spawn(env!("CARGO_BIN_EXE_andanted").as_ref(), &["yang-worker"], limit);
        let (folder, _) = adapter.profiles().unwrap();
        let modules = &adapter.manifest().netconf.as_ref().unwrap().modules;
        let names: Vec<&str> = modules.iter().map(String::as_str).collect();
        worker.load(&ModuleSet::named(&names, &[folder])).await.unwrap()
    });
    let adapter = adapter.with_schema(loaded.index.clone());
    let services = services(&adapter, |n, dice| match n {
        0..4 => l3vpn("iosxr", "GigabitEthernet0/0/0/1", n, dice),
        4 => line("iosxr", "vpws_dot1q", "GigabitEthernet0/0/0/2", n, dice),
        _ => line("iosxr", "evpn_vpws_dot1q", "GigabitEthernet0/0/0/2", n, dice),
    });
    // Somebody else's VPN and pseudowire, and a port with a description.
    let foreign = [
        l3vpn("iosxr", "GigabitEthernet0/0/0/3", 9, &mut Dice(9)),
        line("iosxr", "vpws_dot1q", "Bundle-Ether7", 9, &mut Dice(9)),
    ];
    let base = foreign.iter().fold(ConfigTree::default(), |base, wanted| base.overlay(&adapter.map(wanted).unwrap()));
    let base = base.overlay(&adapter.normalise(&adapter.parse(XR).unwrap().tree));
    Platform { adapter, base, services }
}

fn services(adapter: &Adapter, draw: impl Fn(usize, &mut Dice) -> ElementService) -> Vec<(String, Vec<ConfigTree>)> {
    let version = |n: usize, v: usize| {
        let wanted = draw(n, &mut Dice((n * 100 + v) as u64));
        adapter.map(&wanted).unwrap_or_else(|error| panic!("{error}\n{wanted:#?}"))
    };
    (0..6).map(|n| (format!("s{n}"), (0..5).map(|v| version(n, v)).collect())).collect()
}

/// What a golden case of the adapter asks.
fn case(adapter: &str, name: &str) -> ElementService {
    let file = root("adapters").join(adapter).join("tests").join(name).join("element-service.json");
    let mut wanted: ElementService = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    wanted.attributes.clear();
    wanted
}

/// An IP VPN with one to three accesses and drawn routing.
fn l3vpn(adapter: &str, port: &str, n: usize, dice: &mut Dice) -> ElementService {
    let mut wanted = case(adapter, "change_vlan_id");
    let instance = wanted.instance.as_mut().unwrap();
    wanted.service.id = format!("s{n}");
    instance.name = format!("vrf{n}");
    instance.rd = Some(format!("10.0.0.1:{}", n + 1));
    for target in &mut instance.rt {
        target.value = format!("65000:{}", 100 * n + dice.below(2));
    }
    let access = wanted.accesses[0].clone();
    wanted.accesses.clear();
    for k in 0..1 + dice.below(3) {
        let mut access = AccessFacts { id: format!("a{k}"), port: port.into(), ..access.clone() };
        access.frames = match dice.below(4) {
            0 => Match::Qinq { svid: (1000 + n) as u16, cvid: (10 * k + dice.below(3) + 1) as u16 },
            _ => Match::Dot1q { vid: (100 * n + 10 * k + dice.below(3) + 1) as u16 },
        };
        access.admin = dice.below(5) > 0;
        access.ip[0].address = format!("10.{n}.{k}.{}", 1 + dice.below(2)).parse().unwrap();
        access.routing.clear();
        for hop in 0..dice.below(3) {
            access.routing.push(Routing::Static {
                family: Family::Ipv4,
                prefix: format!("172.{}.{hop}.0/24", 16 + k).parse().unwrap(),
                next_hop: format!("10.{n}.{k}.{}", 100 + dice.below(2)).parse().unwrap(),
                metric: None,
                preference: (dice.below(2) == 0).then(|| 100 + dice.below(3) as u32),
                tag: None,
            });
        }
        if dice.below(2) == 0 {
            access.routing.push(Routing::Bgp {
                neighbor: format!("10.{n}.{k}.100").parse().unwrap(),
                family: Family::Ipv4,
                families: vec![Family::Ipv4],
                peer_as: 64512 + dice.below(2) as u32,
                local_as: None,
                description: ["", "CE"][dice.below(2)].into(),
                multihop: None,
                as_override: dice.below(2) == 0,
                allow_own_as: None,
                keepalive: Some(10),
                hold_time: Some(30 + dice.below(2) as u16),
                password: None,
                max_prefix: (dice.below(2) == 0).then_some(500),
                max_prefix_warning_only: false,
                redistribute_connected: Vec::new(),
                admin: dice.below(4) > 0,
            });
        }
        wanted.accesses.push(access);
    }
    wanted
}

/// A point-to-point service. All of them share what the platform has once.
fn line(adapter: &str, name: &str, port: &str, n: usize, dice: &mut Dice) -> ElementService {
    let mut wanted = case(adapter, name);
    wanted.service.id = format!("s{n}");
    if let Some(instance) = &mut wanted.instance {
        instance.name = format!("line{n}");
    }
    let number = (1000 + 10 * n + dice.below(3)) as u32;
    let numbers = &mut wanted.numbers;
    for field in [&mut numbers.vc_id, &mut numbers.vni, &mut numbers.evi] {
        *field = field.map(|_| number);
    }
    for access in &mut wanted.accesses {
        access.port = port.into();
        access.frames = Match::Dot1q { vid: (100 * n + dice.below(2) + 1) as u16 };
        access.admin = dice.below(3) > 0;
        access.bandwidth = bandwidth(adapter, dice);
    }
    wanted
}

/// Two of three accesses are policed where the platform has policers, one way or both.
fn bandwidth(adapter: &str, dice: &mut Dice) -> Option<Bandwidth> {
    if adapter != "iosxr" {
        return None;
    }
    let mut profile = || {
        let (cir, eir) = (1_000_000 * (1 + dice.below(3) as u64), [0, 500_000][dice.below(2)]);
        let (cbs, ebs) = ((dice.below(2) == 0).then_some(64_000), None);
        BandwidthProfile { cir, eir, cbs, ebs, color_aware: false, coupling: false }
    };
    let (from_customer, to_customer) = (profile(), profile());
    match dice.below(3) {
        0 => None,
        1 => Some(Bandwidth { from_customer: Some(from_customer), to_customer: None }),
        _ => Some(Bandwidth { from_customer: Some(from_customer), to_customer: Some(to_customer) }),
    }
}
