//! Drawn services: everything that the manifest says can be expressed.

use andante::service::ElementService;
use andante::service::element_service::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) fn service() -> impl Strategy<Value = ElementService> {
    prop_oneof![3 => l3vpn().boxed(), 1 => vpws().boxed(), 1 => evpn_vpws().boxed()]
}

fn l3vpn() -> impl Strategy<Value = ElementService> {
    let instance = (prop::option::of(rd()), prop::collection::btree_set(target(), 0..6), 1..4u8);
    (instance, asn(), prop::collection::vec(ip_access(), 0..4), id()).prop_map(
        |((rd, rt, families), asn, accesses, id)| {
            let families = [(1, Family::Ipv4), (2, Family::Ipv6)].into_iter().filter(|(bit, _)| families & bit > 0);
            let instance = InstanceFacts {
                name: "acme".into(),
                rd,
                rt: rt.into_iter().collect(),
                families: families.map(|(_, family)| family).collect(),
            };
            let accesses = accesses.into_iter().enumerate().map(|(at, access)| at_port(access, at)).collect();
            wanted("l3vpn", id, asn, Some(instance), accesses, 0, Numbers::default())
        },
    )
}

fn vpws() -> impl Strategy<Value = ElementService> {
    (prop::collection::vec(frame_access(), 1..3), 1..=u32::MAX, id()).prop_map(|(accesses, vc_id, id)| {
        let accesses: Vec<_> = accesses.into_iter().enumerate().map(|(at, access)| at_port(access, at)).collect();
        let peers = 2 - accesses.len();
        wanted("vpws", id, 65000, None, accesses, peers, Numbers { vc_id: Some(vc_id), ..Numbers::default() })
    })
}

fn evpn_vpws() -> impl Strategy<Value = ElementService> {
    let instance = prop::option::of((prop::option::of(rd()), prop::collection::btree_set(target(), 0..4)));
    (frame_access(), instance, 1..65535u32, 1..16777216u32, 1..16777216u32, id()).prop_map(
        |(access, instance, evi, local, remote, id)| {
            let instance = instance.map(|(rd, rt)| InstanceFacts {
                name: "acme".into(),
                rd,
                rt: rt.into_iter().collect(),
                families: Vec::new(),
            });
            let numbers =
                Numbers { evi: Some(evi), local_ac: Some(local), remote_ac: Some(remote), ..Numbers::default() };
            wanted("evpn-vpws", id, 65000, instance, vec![access], 1, numbers)
        },
    )
}

fn wanted(
    function: &str,
    id: String,
    asn: u32,
    instance: Option<InstanceFacts>,
    accesses: Vec<AccessFacts>,
    peers: usize,
    numbers: Numbers,
) -> ElementService {
    let router_id = Some(Ipv4Addr::new(192, 0, 2, 1));
    let peer = |at: usize| PeerFacts { element: format!("pe{}", at + 2), loopback: Some(Ipv4Addr::new(192, 0, 2, 2)) };
    ElementService {
        element: ElementFacts { name: "pe1".into(), router_id, asn: Some(asn), facts: BTreeMap::new() },
        service: ServiceFacts { id, kind: "ip-vpn".into(), customer: "A & B <\"GmbH\">".into() },
        function: function.into(),
        instance,
        accesses,
        peers: (0..peers).map(peer).collect(),
        numbers,
        attributes: Vec::new(),
    }
}

fn id() -> impl Strategy<Value = String> {
    "[ -~]{1,60}"
}

fn asn() -> impl Strategy<Value = u32> {
    prop_oneof![1..65536u32, 65536..=u32::MAX]
}

fn administrator() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..65536u32).prop_map(|asn| asn.to_string()),
        any::<u32>().prop_map(|ip| Ipv4Addr::from(ip).to_string())
    ]
}

fn rd() -> impl Strategy<Value = String> {
    (administrator(), any::<u16>()).prop_map(|(administrator, index)| format!("{administrator}:{index}"))
}

fn target() -> impl Strategy<Value = RouteTarget> {
    let value = prop_oneof![rd(), (65536..=u32::MAX, any::<u16>()).prop_map(|(asn, index)| format!("{asn}:{index}"))];
    (value, any::<bool>(), 1..4u8).prop_map(|(value, six, way)| RouteTarget {
        family: if six { Family::Ipv6 } else { Family::Ipv4 },
        value,
        import: way & 1 > 0,
        export: way & 2 > 0,
    })
}

fn frames() -> impl Strategy<Value = Match> {
    prop_oneof![
        Just(Match::Port),
        Just(Match::Untagged),
        (1..4095u16).prop_map(|vid| Match::Dot1q { vid }),
        (1..4095u16, 1..4095u16).prop_map(|(svid, cvid)| Match::Qinq { svid, cvid }),
    ]
}

/// What IOS-XR can police.
fn profile() -> impl Strategy<Value = BandwidthProfile> {
    let rates = prop_oneof![
        (1000..=4_294_967_295_999u64).prop_map(|cir| (cir, 0)),
        (1000..=4_294_967_295_999u64).prop_map(|eir| (0, eir)),
        (1000..=2_000_000_000_000u64, 1000..=2_000_000_000_000u64),
    ];
    let burst = || prop::option::of(1..=2_147_483_647u64);
    (rates, burst(), burst()).prop_map(|((cir, eir), cbs, ebs)| {
        let cbs = cbs.filter(|_| cir > 0);
        let ebs = ebs.filter(|_| eir > 0 && (cir == 0 || cbs.is_some()));
        BandwidthProfile { cir, eir, cbs, ebs, color_aware: false, coupling: false }
    })
}

fn bandwidth() -> impl Strategy<Value = Option<Bandwidth>> {
    let both = (prop::option::of(profile()), prop::option::of(profile()));
    both.prop_map(|(from_customer, to_customer)| {
        let any = from_customer.is_some() || to_customer.is_some();
        any.then_some(Bandwidth { from_customer, to_customer })
    })
}

fn frame_access() -> impl Strategy<Value = AccessFacts> {
    (frames(), prop::option::of(64..9217u32), any::<bool>(), "[ -~äß\n]{0,40}", bandwidth()).prop_map(
        |(frames, mtu_l2, admin, description, bandwidth)| AccessFacts {
            id: "site".into(),
            port: "GigabitEthernet0/0/0/0".into(),
            role: "uni".into(),
            frames,
            description,
            ip: Vec::new(),
            routing: Vec::new(),
            mtu_ip: None,
            mtu_l2,
            admin,
            bandwidth,
        },
    )
}

fn ip_access() -> impl Strategy<Value = AccessFacts> {
    let ip = prop::collection::btree_map(any::<u32>(), 0..33u8, 0..3);
    let ip6 = prop::collection::btree_map(any::<u128>(), 1..129u8, 0..3);
    let routing = (prop::collection::vec(route(), 0..3), prop::collection::vec(session(), 0..3));
    (frame_access(), ip, ip6, prop::option::of(1280..9000u32), routing).prop_map(
        |(mut access, ip, ip6, mtu, (statics, sessions))| {
            let four = ip.into_iter().map(|(ip, length)| {
                let mask = if length == 0 { 0 } else { u32::MAX << (32 - length) };
                facts(Ipv4Addr::from(ip).into(), length, Some(mask.into()))
            });
            let six = ip6.into_iter().map(|(ip, length)| facts(Ipv6Addr::from(ip).into(), length, None));
            access.ip = four.chain(six).collect();
            access.mtu_ip = mtu;
            access.mtu_l2 = None;
            if access.frames == Match::Untagged {
                (access.admin, access.description, access.bandwidth) = (true, String::new(), None);
            }
            access.routing = statics.into_iter().chain(sessions).collect();
            access
        },
    )
}

fn facts(address: IpAddr, prefix_length: u8, netmask: Option<Ipv4Addr>) -> IpFacts {
    IpFacts { family: family(address), address, prefix_length, netmask }
}

fn family(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|ip| Ipv4Addr::from(ip).into()),
        any::<u128>().prop_map(|ip| Ipv6Addr::from(ip).into())
    ]
}

fn route() -> impl Strategy<Value = Routing> {
    (address(), 0..33u8, prop::option::of(1..255u32), prop::option::of(1..=u32::MAX)).prop_map(
        |(hop, length, preference, tag)| Routing::Static {
            family: family(hop),
            prefix: ipnet::IpNet::new(hop, length).unwrap().trunc(),
            next_hop: hop,
            metric: None,
            preference,
            tag,
        },
    )
}

fn session() -> impl Strategy<Value = Routing> {
    let options = (prop::option::of(asn()), prop::option::of(1..255u8), any::<bool>(), prop::option::of(1..11u8));
    let timers =
        (prop::option::of(1..20000u16), prop::option::of(3..65535u16), prop::option::of(1..=u32::MAX), any::<bool>());
    (address(), asn(), options, timers, "[ -~]{0,90}").prop_map(
        |(
            neighbor,
            peer_as,
            (local_as, multihop, as_override, allow_own_as),
            (keepalive, hold_time, max_prefix, admin),
            description,
        )| {
            Routing::Bgp {
                neighbor,
                family: family(neighbor),
                families: vec![family(neighbor)],
                peer_as,
                local_as,
                description,
                multihop,
                as_override,
                allow_own_as,
                keepalive,
                hold_time,
                password: None,
                max_prefix,
                max_prefix_warning_only: as_override,
                redistribute_connected: Vec::new(),
                admin,
            }
        },
    )
}

/// Accesses of one service stand on ports of their own.
fn at_port(mut access: AccessFacts, at: usize) -> AccessFacts {
    access.port = format!("GigabitEthernet0/0/0/{at}");
    access.id = format!("site{at}");
    access
}
