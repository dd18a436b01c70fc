//! What elements have before any service: a core, and things of others, a VRF with its BGP among them.

/// What a router of FRR runs.
pub const FRR: &str = "\
hostname pe
vrf cust
 ip route 10.99.0.0/16 10.98.0.2
exit-vrf
interface eth1
 description to the building
exit
interface eth4
 description spare
exit
interface eth9
 description core
 ip address 10.200.0.1/31
exit
interface lo
 ip address 10.0.0.1/32
exit
router bgp 65000
 bgp router-id 10.0.0.1
 neighbor 10.0.0.9 remote-as 65000
 neighbor 10.0.0.9 update-source lo
 address-family ipv4 vpn
  neighbor 10.0.0.9 activate
 exit-address-family
exit
router bgp 65000 vrf cust
 bgp router-id 10.0.0.1
 neighbor 10.98.0.2 remote-as 65001
 address-family ipv4 unicast
  redistribute static
  label vpn export auto
  rd vpn export 65000:9
  rt vpn both 65000:9
  export vpn
  import vpn
 exit-address-family
exit
";

/// What a router of IOS-XR runs.
pub const XR: &str = r#"<interface-configurations xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-ifmgr-cfg">
  <interface-configuration>
    <active>act</active>
    <interface-name>GigabitEthernet0/0/0/1</interface-name>
    <description>to the building</description>
  </interface-configuration>
  <interface-configuration>
    <active>act</active>
    <interface-name>GigabitEthernet0/0/0/4</interface-name>
    <description>spare</description>
  </interface-configuration>
</interface-configurations>"#;
