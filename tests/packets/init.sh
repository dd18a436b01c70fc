#!/bin/bash
# The first process inside User-Mode Linux: a small MPLS network, every node a network namespace of this one kernel.
#
#   red1 --+                                              +-- red2, red3
#          +--eth1-- pe1 --core-- p --core-- pe2 --eth1--+              mgmt of pe1, pe2: 192.0.2.11, .12 on the tap
#   blue1 -+                                              +-- blue2
#   green1 +
#
# All customers of a PE share its port eth1, by tags: a bridge is the switch between (it looks at no tag).
# The root file system is the machine's own, read-only (hostfs); $LAB, the folder of the test, is mounted writable at
# /run/lab. OSPF, LDP and the VPNv4 session between the PEs are base configuration; a service is typed over SSH, and the
# kernel objects it names are made by agent.py, the element's own.
# Orders come as lines "NUMBER NODE COMMAND" on the console; the answer is the file /run/lab/answer.NUMBER, exit status
# first.
# Programs are slow to start here: a new process costs a tenth of a second. That is why nsenter stands where `ip netns exec`
# would (no mounts), and why a login gets sh.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /run/lab /run/sshd /run/netns /run/frr /run/root/lib/modules
mount -t hostfs -o "$LAB" none /run/lab
for place in /tmp /var/tmp /var/log /etc/frr; do mount -t tmpfs tmpfs $place; done
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
ln -sfn /proc/self/fd /dev/fd
hostname uml
# sshd runs vtysh by the user's shell, and bash reads ~/.bashrc first: whatever the machine's root has there costs seconds of
# every login.
sed '/^root:/s#[^:]*$#/bin/sh#' /etc/passwd >/run/passwd
mount --bind /run/passwd /etc/passwd

log() { echo "[$(cut -d' ' -f1 /proc/uptime)] $*" >>/run/lab/uml-steps.log; }

ln -sfn "/usr/lib/uml/modules/$(uname -r)" "/run/root/lib/modules/$(uname -r)"
modprobe -d /run/root -a 8021q vrf mpls_router mpls_iptunnel bridge veth || log "modprobe failed"
log modules

within() {
    local node=$1
    shift
    nsenter --net=/run/netns/$node "$@"
}

for node in pe1 p pe2 red1 red2 red3 blue1 blue2 green1; do
    ip netns add $node
    ip -n $node link set lo up
done
ip link add name mgmt type bridge
ip link set vec0 master mgmt up
ip link set mgmt up
for i in 1 2; do
    ip link add core netns pe$i type veth peer name core$i netns p
    ip link add name site$i up type bridge
    ip link add eth1 netns pe$i type veth peer name port$i
    ip link set port$i master site$i up
    ip link add m$i type veth peer name mgmt netns pe$i
    ip link set m$i master mgmt up
    ip -n pe$i addr add 192.0.2.1$i/24 dev mgmt
    ip -n pe$i addr add 10.255.0.$i/32 dev lo
    ip -n pe$i addr add 10.0.$i.1/30 dev core
    ip -n p addr add 10.0.$i.2/30 dev core$i
    for port in mgmt core eth1; do ip -n pe$i link set $port up; done
    ip -n p link set core$i up
done
attach() {
    ip link add eth1 netns $2 type veth peer name $2
    ip link set $2 master $1 up
    ip -n $2 link set eth1 up
}
for host in red1 blue1 green1; do attach site1 $host; done
for host in red2 red3 blue2; do attach site2 $host; done
ip -n p addr add 10.255.0.9/32 dev lo

# One file for each daemon: ldpd gives up on a file with lines that are not its own.
configure() {
    local node=$1 router_id=$2 cores=$3 folder=/etc/frr/$1 port
    mkdir -p /run/frr/$node $folder
    printf 'hostname %s\nno service integrated-vtysh-config\n' $node >$folder/vtysh.conf
    for daemon in zebra ospfd ldpd bgpd staticd; do printf 'hostname %s\n!\n' $node >$folder/$daemon.conf; done
    for port in $cores; do
        printf 'interface %s\n ip ospf area 0\n ip ospf network point-to-point\n ip ospf hello-interval 1\n' $port
        printf ' ip ospf dead-interval 4\nexit\n!\n'
    done >>$folder/ospfd.conf
    printf 'interface lo\n ip ospf area 0\nexit\n!\nrouter ospf\n ospf router-id %s\nexit\n' $router_id >>$folder/ospfd.conf
    {
        printf 'mpls ldp\n router-id %s\n !\n address-family ipv4\n' $router_id
        printf '  discovery transport-address %s\n' $router_id
        for port in $cores; do
            printf '  !\n  interface %s\n   discovery hello holdtime 5\n   discovery hello interval 1\n  exit\n' $port
        done
        printf '  !\n exit-address-family\n !\nexit\n'
    } >>$folder/ldpd.conf
}
configure p 10.255.0.9 "core1 core2"
for i in 1 2; do
    configure pe$i 10.255.0.$i core
    peer=10.255.0.$((3 - i))
    cat >>/etc/frr/pe$i/bgpd.conf <<C
router bgp 65000
 bgp router-id 10.255.0.$i
 neighbor $peer remote-as 65000
 neighbor $peer update-source 10.255.0.$i
 neighbor $peer timers connect 2
 !
 address-family ipv4 vpn
  neighbor $peer activate
 exit-address-family
exit
C
done
chown -R frr:frr /run/frr /etc/frr

start_sshd() {
    local node=$1
    install -m 600 /run/lab/$node/host_key /run/$node.host_key
    install -m 600 /run/lab/$node/client_key.pub /run/$node.authorized
    cat >/run/$node.sshd <<C
Port 22
HostKey /run/$node.host_key
PidFile none
AuthorizedKeysFile /run/$node.authorized
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication no
ForceCommand exec /run/$node.front
C
    # Where a fault is ordered, the recorder stands in between. It costs half a second: not of every login.
    mkdir -p /run/lab/$node/wire
    cat >/run/$node.front <<C
#!/bin/sh
[ -e /run/lab/$node/wire.cut ] || exec /usr/bin/vtysh -N $node
exec /usr/bin/python3 -I -S /run/lab/record.py /run/lab/$node/wire /usr/bin/vtysh -N $node
C
    chmod 755 /run/$node.front
    within $node /usr/sbin/sshd -f /run/$node.sshd
}

for node in pe1 p pe2; do
    within $node sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.mpls.platform_labels=10000 \
        net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
    # Labelled packets arrive on core links only; FRR prints this kernel state as "mpls enable".
    for port in core core1 core2; do
        within $node sh -c "[ ! -e /proc/sys/net/mpls/conf/$port ] || echo 1 >/proc/sys/net/mpls/conf/$port/input"
    done
    daemons="zebra ospfd ldpd bgpd staticd"
    [ $node = p ] && daemons="zebra ospfd ldpd"
    for daemon in $daemons; do
        within $node /usr/lib/frr/$daemon -d -N $node -f /etc/frr/$node/$daemon.conf -A 127.0.0.1 -P 0 \
            >>/run/lab/uml-frr.log 2>&1 || log "$daemon of $node failed"
    done
    [ $node = p ] || start_sshd $node
done
log "FRR and sshd started"

until within pe1 ping -qc1 -W1 -I 10.255.0.1 10.255.0.2 >/dev/null 2>&1; do sleep 1; done
log "core routed"
for i in 1 2; do
    until ip -n pe$i route show 10.255.0.$((3 - i)) | grep -q 'encap mpls'; do sleep 1; done
done
log "core labelled"
for i in 1 2; do
    until vtysh -N pe$i -c 'show bgp ipv4 vpn summary json' | grep -q '"state":"Established"'; do sleep 1; done
done
log "BGP established"
for i in 1 2; do
    within pe$i /usr/bin/python3 -I -S /run/lab/agent.py pe$i >>/run/lab/agent-pe$i.log 2>&1 &
done
stty -echo </dev/console 2>/dev/null
touch /run/lab/ready
log ready

while read -r number node command; do
    {
        said=$(within "$node" bash -c "$command" 2>&1 </dev/null)
        printf '%s\n%s\n' $? "$said" >/run/lab/answer.$number.part
        mv /run/lab/answer.$number.part /run/lab/answer.$number
    } &
done
log "end of orders"
halt -f -p
