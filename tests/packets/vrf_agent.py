"""The forwarding software of a CLI test PE whose VRFs are network namespaces (`zebra -n`).

    vrf_agent.py CORE VTYSH ARGUMENT...        CORE: the PE's own address in the core

It belongs to the element, as a router's line cards do; the daemon knows nothing of it. The machine's kernel has neither
VRFs nor MPLS. FRR takes a network namespace for a VRF; bgpd exchanges VPNv4 routes with labels, imports by route target,
and finds no label switched path to use them. The agent is what is missing. Twice a second it reads
  - the running configuration: it makes the namespace of each VRF that is named, and puts a port into the VRF of the word
    `vrf=` at the beginning of its description, with the addresses of the port (FRR's own lines are about the port outside).
    It removes a namespace when neither BGP nor a port nor a static route names the VRF any more;
  - what bgpd exports (VRF -> own label) and what it has imported into each VRF (prefix -> next hop and its label).
Between the PEs it carries packets as MPLS in UDP (RFC 7510): one label, the one that the other end has allocated. A label
that nobody has, and a prefix that was not imported, leads nowhere. Static and connected routes inside a VRF are zebra's.
What cannot be read changes nothing.
"""
import fcntl
import ipaddress
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time

PERIOD = 0.5
PORT = 6635
NAMESPACES = "/run/netns"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
METRIC = "100"  # behind what zebra installs


def log(text):
    print(f"[{time.strftime('%H:%M:%S')}.{time.time_ns() // 10**6 % 1000:03}] {text}", flush=True)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        log(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


def wanted(text):
    """(VRFs, port -> (VRF, addresses, shut)) of the running configuration."""
    vrfs, ports, blocks = set(), {}, []
    for line in text.splitlines():
        if line.startswith(" ") and blocks:
            blocks[-1][1].append(line)
        elif line and not line.startswith("!"):
            blocks.append((line.split(), []))
    for header, lines in blocks:
        if header[:2] == ["router", "bgp"] and header[3:4] == ["vrf"]:
            vrfs.add(header[4])
        elif header[0] == "vrf" and any(not line.startswith(" netns ") for line in lines):
            vrfs.add(header[1])
        elif header[0] == "interface":
            text = "\n".join(lines)
            if named := re.search(r"^ description vrf=(\S+)", text, re.MULTILINE):
                vrfs.add(named[1])
                addresses = set(re.findall(r"^ ip address (\S+)", text, re.MULTILINE))
                ports[header[1]] = (named[1], addresses, " shutdown" in lines)
    return vrfs, ports


class Vrf:
    def __init__(self, name):
        self.name, self.routes, self.ports = name, {}, {}
        # Made here, moved there: the descriptor stays ours.
        self.tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        device = fcntl.ioctl(self.tunnel, TUNSETIFF, struct.pack("16sH22x", b"label%d", IFF_TUN | IFF_NO_PI))
        device = device[:16].rstrip(b"\0").decode()
        run("ip", "netns", "add", name)
        run("ip", "link", "set", "dev", device, "netns", name, "name", "core")
        self.ip("link", "set", "dev", "lo", "up")
        self.ip("link", "set", "dev", "core", "up", "mtu", "1500", "txqueuelen", "1000")
        self.inside("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter")
        log(f"vrf {name}")

    def inside(self, *command):
        return run("nsenter", f"--net={NAMESPACES}/{self.name}", "--", *command)

    def ip(self, *arguments):
        return run("ip", "-n", self.name, *arguments)

    def take(self, port, addresses, shut):
        if port not in self.ports:
            run("ip", "link", "set", "dev", port, "netns", self.name)
            self.ports[port] = (set(), True)
            log(f"{port} in vrf {self.name}")
        there, was_shut = self.ports[port]
        for address in there - addresses:
            self.ip("addr", "del", address, "dev", port)
        for address in addresses - there:
            self.ip("addr", "add", address, "dev", port)
        if shut != was_shut:
            self.ip("link", "set", "dev", port, "down" if shut else "up")
        self.ports[port] = (set(addresses), shut)

    def release(self, port):
        for address in self.ports.pop(port)[0]:
            self.ip("addr", "del", address, "dev", port)
        self.ip("link", "set", "dev", port, "netns", str(os.getpid()))
        run("ip", "link", "set", "dev", port, "up")
        log(f"{port} out of vrf {self.name}")

    def follow(self, routes):
        """prefix -> (next hop, label), of other PEs."""
        for prefix in set(self.routes) - set(routes):
            self.ip("route", "del", prefix, "dev", "core", "metric", METRIC)
        for prefix in set(routes) - set(self.routes):
            self.ip("route", "replace", prefix, "dev", "core", "metric", METRIC)
        if routes != self.routes:
            log(f"vrf {self.name}: {', '.join(f'{p} via {h} label {l}' for p, (h, l) in sorted(routes.items())) or 'no route'}")
        self.routes = routes

    def towards(self, destination):
        """The longest match of what was imported."""
        address, best = ipaddress.ip_address(destination), None
        for prefix, way in list(self.routes.items()):
            network = ipaddress.ip_network(prefix)
            if address in network and (best is None or network.prefixlen > best[0]):
                best = (network.prefixlen, way)
        return best and best[1]

    def remove(self):
        for port in list(self.ports):
            self.release(port)
        os.close(self.tunnel)
        run("ip", "netns", "del", self.name)
        log(f"removed vrf {self.name}")


class Agent:
    def __init__(self, core, vtysh):
        self.vtysh, self.vrfs, self.labels = vtysh, {}, {}
        self.link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.link.bind((core, PORT))
        self.link.setblocking(False)
        self.lock = threading.Lock()  # over `vrfs` and what they have open

    def ask(self, *commands):
        return run(*self.vtysh, *(part for command in commands for part in ("-c", command)))

    def look(self):
        text = self.ask("show running-config")
        if not text.rstrip().endswith("\nend"):
            return
        names, ports = wanted(text)
        with self.lock:
            for name in names - set(self.vrfs):
                self.vrfs[name] = Vrf(name)
            for vrf in self.vrfs.values():
                for port in [port for port in vrf.ports if ports.get(port, [None])[0] != vrf.name]:
                    vrf.release(port)
            for port, (name, addresses, shut) in ports.items():
                self.vrfs[name].take(port, addresses, shut)
            for name in set(self.vrfs) - names:
                self.vrfs.pop(name).remove()
        if self.vrfs:
            self.learn()

    def learn(self):
        labels, numbers = {}, dict(re.findall(r"^vrf (\S+) id (\d+)", self.ask("show vrf"), re.MULTILINE))
        numbers = {number: name for name, number in numbers.items()}
        own = None
        for line in self.ask("show bgp ipv4 vpn").splitlines():
            if " UN=" in line:
                label = re.search(r" label=(\d+)", line)
                if own and label:
                    labels[int(label[1])] = own
                continue
            if line.startswith("*"):
                own = None
            if leaked := re.search(r"@(\d+)<", line):  # on a line of its own behind a long prefix
                own = numbers.get(leaked[1])
        if labels != self.labels:
            log(f"own labels {labels}")
            self.labels = labels
        for vrf in list(self.vrfs.values()):
            said = self.ask(f"show bgp vrf {vrf.name} ipv4 unicast json detail")
            if not said.strip():
                continue
            imported = {}
            for prefix, paths in json.loads(said).get("routes", {}).items():
                for path in paths:
                    if path.get("remoteLabel") and path.get("nhVrfName") == "default":
                        imported[prefix] = (path["nexthops"][0]["ip"], path["remoteLabel"])
            vrf.follow(imported)

    def carry(self):
        """Packets, both ways, for ever; before other work of the machine where that is allowed."""
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        except OSError:
            pass
        while True:
            with self.lock:
                tunnels = {vrf.tunnel: vrf for vrf in self.vrfs.values()}
            try:
                ready = select.select([self.link, *tunnels], [], [], 0.05)[0]
            except OSError:  # a VRF has gone
                continue
            with self.lock:
                for end in ready:
                    try:
                        if end is self.link:
                            self.arrived(self.link.recv(65536))
                        elif tunnels[end] in self.vrfs.values():
                            self.leave(tunnels[end], os.read(end, 65536))
                    except OSError:
                        pass  # the other end or the VRF is just not there: a packet lost

    def leave(self, vrf, packet):
        if packet[0] >> 4 != 4:
            return
        way = vrf.towards(packet[16:20])
        if way:
            self.link.sendto(struct.pack("!I", way[1] << 12 | 1 << 8 | 64) + packet, (way[0], PORT))

    def arrived(self, datagram):
        label = struct.unpack("!I", datagram[:4])[0] >> 12
        vrf = self.vrfs.get(self.labels.get(label))
        if vrf:
            os.write(vrf.tunnel, datagram[4:])


def main():
    agent = Agent(sys.argv[1], sys.argv[2:])
    threading.Thread(target=agent.carry, daemon=True).start()
    log("begins")
    said = None
    while True:
        try:
            agent.look()
            said = None
        except (OSError, ValueError, KeyError) as error:
            if str(error) != said:  # once
                said = str(error)
                log(f"{type(error).__name__}: {error}")
        time.sleep(PERIOD)


main()
