//! Configurations as people write them, each for one role that such a router has. Sessions come up in some of them.

/// What the grammar does not know on purpose: nothing that the adapter writes or looks at.
pub const UNKNOWN: &[&str] = &[
    "ip forwarding",
    "log ",
    "banner ",
    "debug ",
    "segment-routing",
    "ipv6 nd ",
    "no ipv6 nd ",
    "neighbor link",
    "neighbor … ",
    "router ospf6",
    "ospf6 router-id",
    "ip multicast",
    "evpn mh ",
];

pub const ALL: &[(&str, &str)] = &[
    ("a provider edge with its core", CORE),
    ("hub and spoke", HUB),
    ("a route reflector", REFLECTOR),
    ("EVPN", EVPN),
    ("policy", POLICY),
    ("what nobody described", UNDESCRIBED),
];

const CORE: &str = "\
ip router-id 10.255.0.1
interface link1
 description to core 1
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
exit
interface link2
 description to core 2
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf cost 100
exit
interface eth3.100
 description vrf=acme svc=vpn-1 customer=Acme
 ip address 192.168.1.1/30
 ipv6 address 2001:db8:1::1/64
exit
vrf acme
 ip route 172.16.1.0/24 192.168.1.2
 ip route 172.16.2.0/24 192.168.1.2 tag 7 20
 ipv6 route 2001:db8:a::/48 2001:db8:1::2
exit-vrf
router bgp 65000
 bgp router-id 10.255.0.1
 bgp log-neighbor-changes
 neighbor 10.0.1.2 remote-as 65000
 neighbor 10.0.1.2 description core 1
 neighbor 10.0.1.2 timers connect 1
 neighbor 10.0.2.2 remote-as internal
 neighbor 10.0.2.2 update-source link2
 neighbor 10.0.2.2 timers connect 1
 !
 address-family ipv4 vpn
  neighbor 10.0.1.2 activate
  neighbor 10.0.2.2 activate
 exit-address-family
 !
 address-family ipv6 vpn
  neighbor 10.0.1.2 activate
 exit-address-family
exit
router bgp 65000 vrf acme
 bgp router-id 10.255.0.1
 no bgp ebgp-requires-policy
 neighbor 192.168.1.2 remote-as 65101
 neighbor 192.168.1.2 description svc=vpn-1
 !
 address-family ipv4 unicast
  redistribute connected
  redistribute static
  neighbor 192.168.1.2 as-override
  neighbor 192.168.1.2 maximum-prefix 100
  label vpn export auto
  rd vpn export 10.255.0.1:1
  rt vpn both 65000:100
  export vpn
  import vpn
 exit-address-family
 !
 address-family ipv6 unicast
  redistribute connected
  label vpn export auto
  rd vpn export 10.255.0.1:1
  rt vpn both 65000:100
  export vpn
  import vpn
 exit-address-family
exit
router ospf
 ospf router-id 10.255.0.1
 passive-interface default
exit
mpls ldp
 router-id 10.255.0.1
 !
 address-family ipv4
  discovery transport-address 10.255.0.1
  interface link1
  exit
  interface link2
  exit
 exit-address-family
exit
";

const HUB: &str = "\
router bgp 65000
 bgp router-id 10.255.0.1
exit
router bgp 65000 vrf hub
 bgp router-id 10.255.0.1
 no bgp ebgp-requires-policy
 neighbor 192.168.1.2 remote-as 65101
 neighbor 192.168.1.2 local-as 64999 no-prepend replace-as
 neighbor 192.168.1.2 ebgp-multihop 3
 neighbor 192.168.1.2 timers 10 30
 neighbor 2001:db8::2 remote-as external
 !
 address-family ipv4 unicast
  network 10.0.0.0/8
  neighbor 192.168.1.2 default-originate
  neighbor 192.168.1.2 allowas-in 2
  label vpn export auto
  rd vpn export 65000:1
  rt vpn import 65000:2
  rt vpn export 65000:1
  export vpn
  import vpn
 exit-address-family
 !
 address-family ipv6 unicast
  neighbor 2001:db8::2 activate
  neighbor 2001:db8::2 soft-reconfiguration inbound
 exit-address-family
exit
router bgp 65000 vrf spoke
 bgp router-id 10.255.0.1
 address-family ipv4 unicast
  redistribute connected
  label vpn export 5000
  rd vpn export 65000:3
  rt vpn import 65000:1
  rt vpn export 65000:2
  export vpn
  import vpn
 exit-address-family
exit
router ospf vrf spoke
 ospf router-id 10.9.9.9
 redistribute bgp metric 10
 network 192.168.7.0/30 area 0
exit
";

const REFLECTOR: &str = "\
router bgp 65000
 bgp router-id 10.255.0.1
 bgp cluster-id 10.255.0.1
 neighbor CLIENTS peer-group
 neighbor CLIENTS remote-as 65000
 neighbor CLIENTS update-source 10.255.0.1
 neighbor CLIENTS timers 5 15
 neighbor 10.255.0.11 peer-group CLIENTS
 neighbor 10.255.0.11 description pe11
 neighbor 10.255.0.12 peer-group CLIENTS
 neighbor 10.0.1.2 remote-as 65000
 neighbor 10.0.1.2 timers connect 1
 !
 address-family ipv4 unicast
  no neighbor CLIENTS activate
  no neighbor 10.0.1.2 activate
 exit-address-family
 !
 address-family ipv4 vpn
  neighbor CLIENTS activate
  neighbor CLIENTS route-reflector-client
  neighbor 10.0.1.2 activate
  neighbor 10.0.1.2 route-reflector-client
  neighbor 10.0.1.2 next-hop-self force
 exit-address-family
 !
 address-family l2vpn evpn
  neighbor CLIENTS activate
  neighbor CLIENTS route-reflector-client
 exit-address-family
exit
";

const EVPN: &str = "\
vrf tenant
 vni 4000
exit-vrf
router bgp 65000
 bgp router-id 10.255.0.1
 neighbor 10.0.1.2 remote-as 65000
 neighbor 10.0.1.2 timers connect 1
 !
 address-family ipv4 unicast
  no neighbor 10.0.1.2 activate
 exit-address-family
 !
 address-family l2vpn evpn
  neighbor 10.0.1.2 activate
  neighbor 10.0.1.2 allowas-in 1
  advertise-all-vni
  vni 100
   rd 65000:100
   route-target import 65000:7
   route-target export 65000:7
   advertise-svi-ip
  exit-vni
  vni 200
  exit-vni
  advertise-default-gw
  dup-addr-detection max-moves 10 time 200
  advertise ipv4 unicast
 exit-address-family
exit
router bgp 65000 vrf tenant
 bgp router-id 10.255.0.1
 !
 address-family l2vpn evpn
  advertise ipv4 unicast
  advertise ipv6 unicast
  rd 65000:77
  route-target import 65000:78
  route-target export 65000:79
 exit-address-family
exit
l2vpn OFFICE type vpls
 bridge br0
 mtu 1600
 member interface eth5
 member pseudowire mpw0
  neighbor lsr-id 10.255.0.2
  pw-id 100
  control-word exclude
 exit
exit
";

const POLICY: &str = "\
ip prefix-list CUSTOMERS description all of them
ip prefix-list CUSTOMERS seq 5 permit 10.0.0.0/8 ge 9 le 24
ip prefix-list CUSTOMERS seq 10 deny any
ipv6 prefix-list CUSTOMERS6 seq 5 permit 2001:db8::/32 ge 48 le 64
access-list MGMT seq 5 permit 192.0.2.0/24
access-list MGMT seq 10 deny any
bgp as-path access-list OURS seq 5 permit ^$
bgp as-path access-list OURS seq 10 deny .*
bgp community-list standard BLACKHOLE seq 5 permit 65000:666
bgp community-list standard BLACKHOLE seq 10 permit blackhole
bgp community-list expanded REGIONS seq 5 permit 65000:1..
bgp large-community-list standard SITES seq 5 permit 65000:1:1
bgp extcommunity-list standard SOO seq 5 permit soo 65000:9
route-map FROM-CUSTOMER permit 10
 description what customers may say
 match ip address prefix-list CUSTOMERS
 match community BLACKHOLE
 on-match next
 set local-preference 200
 set community 65000:10 additive
exit
route-map FROM-CUSTOMER permit 20
 call TAGS
 match ipv6 address prefix-list CUSTOMERS6
 match as-path OURS
 match metric 5
 match extcommunity SOO
 match large-community SITES
 set as-path prepend 65000 65000
 set ip next-hop 192.0.2.1
 set origin igp
 set weight 5
 set large-community 65000:1:1 additive
 set extcommunity rt 65000:100 65000:200
exit
route-map FROM-CUSTOMER deny 65535
exit
route-map TAGS permit 10
 match tag 7
 set tag 8
 set metric +10
exit
ip protocol bgp route-map TAGS
router bgp 65000
 bgp router-id 10.255.0.1
 no bgp ebgp-requires-policy
 bgp bestpath as-path multipath-relax
 timers bgp 10 30
 neighbor 10.0.3.2 remote-as 65101
 neighbor 10.0.3.2 timers connect 1
 neighbor 10.0.3.2 enforce-first-as
 neighbor 10.0.3.2 advertisement-interval 3
 !
 address-family ipv4 unicast
  network 10.1.0.0/16 route-map TAGS
  aggregate-address 10.64.0.0/10 summary-only
  redistribute static metric 5 route-map TAGS
  neighbor 10.0.3.2 route-map FROM-CUSTOMER in
  neighbor 10.0.3.2 prefix-list CUSTOMERS out
  neighbor 10.0.3.2 filter-list OURS out
  neighbor 10.0.3.2 remove-private-AS all replace-AS
  neighbor 10.0.3.2 maximum-prefix 100 80 warning-only
  no neighbor 10.0.3.2 send-community extended
  maximum-paths 4
  maximum-paths ibgp 8
 exit-address-family
exit
";

const UNDESCRIBED: &str = "\
log syslog informational
interface link1
 ipv6 nd ra-interval 10
 no ipv6 nd suppress-ra
exit
router bgp 65000
 bgp router-id 10.255.0.1
 neighbor link2 interface remote-as external
 neighbor 10.255.0.7 remote-as 65007
 !
 address-family ipv4 unicast
  neighbor 10.255.0.7 capability orf prefix-list both
 exit-address-family
exit
";
