"""The device agent of a test PE: makes the kernel objects which the accepted FRR configuration names.

It belongs to the element, as a router's own forwarding software does; the daemon knows nothing of it. vtysh creates no
VLAN interface and no VRF and cannot bind one to the other, so the agent reads the running configuration every second,
from the daemons' own sockets as vtysh does (vtysh itself takes half a second to start here, a reading ten milliseconds), and
  - makes VLAN interfaces: `interface <port>.<vid>`, or `<port>.<svid>.<cvid>` (outer tag 802.1ad), if the block has
    content (a description or an address);
  - makes VRFs, and puts interfaces into them by a convention of its own: the word `vrf=NAME` in the description;
  - removes what has lost its content: FRR refuses `no interface` and `no vrf` while the kernel has them;
  - cures a race of FRR 8.4: a VPN label accepted before the VRF existed is listed by zebra and missing in the kernel.
    The label is exported once more. Only packets show it.
An incomplete read changes nothing, and where nothing has changed nothing is run.
"""
import re
import socket
import subprocess
import sys
import time

PERIOD = 1
LABELS = 3  # passes from one look at the kernel's labels to the next
PATIENCE = 2  # looks in which a label may be missing before it is exported again
FAILED = []  # commands of this pass
DAEMONS = ("zebra", "bgpd", "staticd")  # whose lines name kernel objects
CONTENT = ("description ", "ip address ", "ipv6 address ")


def log(text):
    with open("/proc/uptime") as uptime:
        print(f"[{uptime.read().split()[0]}] {text}", flush=True)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        FAILED.append(command)
        log(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


def running_config(node):
    """What the daemons say one after the other; nothing when one of them does not say all of it."""
    return "\n".join(texts) if all(texts := [shown(node, daemon) for daemon in DAEMONS]) else None


def shown(node, daemon):
    """The part of one daemon. A command ends with a zero byte, an answer with three and the status."""
    try:
        with socket.socket(socket.AF_UNIX) as vty:
            vty.settimeout(20)
            vty.connect(f"/run/frr/{node}/{daemon}.vty")
            for command in (b"enable\0", b"show running-config\0"):
                vty.sendall(command)
                answer = b""
                while answer[-4:-1] != b"\0\0\0":
                    block = vty.recv(65536)
                    if not block:
                        return None
                    answer += block
            return answer[:-4].decode() if answer[-1] == 0 else None
    except OSError as error:
        log(f"{daemon}: {error}")
        return None


def blocks_of(text):
    """Header line -> lines of the block, of the whole running configuration."""
    blocks, current = {}, None
    for line in text.splitlines():
        if line and not line.startswith((" ", "!")):
            current = blocks.setdefault(line, [])
        elif current is not None and line.startswith(" "):
            current.append(line.strip())
    return blocks


def wanted(blocks):
    """(VRFs, interface -> VRF or None, VRF -> (AS, label line) of exported labels)"""
    vrfs, interfaces, labels = set(), {}, {}
    for header, lines in blocks.items():
        word = header.split()
        if word[0] == "vrf" and lines:
            vrfs.add(word[1])
        elif word[:2] == ["router", "bgp"] and word[3:4] == ["vrf"]:
            vrfs.add(word[4])
            for line in lines:
                if line.startswith("label vpn export"):
                    labels[word[4]] = (word[2], line)
        elif word[0] == "interface" and "." in word[1] and any(line.startswith(CONTENT) for line in lines):
            named = re.search(r"^description .*?\bvrf=(\S+)", "\n".join(lines), re.MULTILINE)
            interfaces[word[1]] = named and named[1]
            if named:
                vrfs.add(named[1])
    return vrfs, interfaces, labels


def existing(kind):
    """Name -> the VRF it is in (or None), of the kernel's links of one kind."""
    links = {}
    for line in run("ip", "-o", "link", "show", "type", kind).splitlines():
        name = line.split(": ")[1].split("@")[0]
        master = re.search(r" master (\S+)", line)
        links[name] = master and master[1]
    return links


def make_vrf(name):
    used = {int(n) for n in re.findall(r"table (\d+)", run("ip", "-d", "link", "show", "type", "vrf"))}
    table = next(n for n in range(1001, 2000) if n not in used)
    # Up in the same command: the shorter the VRF is half made, the rarer the race of the label.
    run("ip", "link", "add", "name", name, "up", "type", "vrf", "table", str(table))
    log(f"vrf {name}")


def make_interface(name, vrf):
    port, *tags = name.split(".")
    if len(tags) == 2:
        outer = f"{port}-s{tags[0]}"
        if outer not in existing("vlan"):
            run("ip", "link", "add", "link", port, "name", outer, "up", "type", "vlan",
                "protocol", "802.1ad", "id", tags[0])
        port = outer
    master = ["master", vrf] if vrf else []
    run("ip", "link", "add", "link", port, "name", name, *master, "up", "type", "vlan", "id", tags[-1])
    log(f"interface {name} in {vrf}")


def remove(name):
    run("ip", "link", "del", name)
    log(f"removed {name}")


class Agent:
    def __init__(self, node):
        self.node = node
        self.seen = None  # the configuration that the kernel has
        self.passes = 0
        self.labels = {}  # VRF -> (AS, label line)
        self.missing = {}  # VRF -> looks without its label in the kernel

    def look(self):
        self.passes += 1
        text = running_config(self.node)
        if text is None:
            return
        if text != self.seen:
            vrfs, interfaces, self.labels = wanted(blocks_of(text))
            FAILED.clear()
            self.follow(vrfs, interfaces)
            self.seen = None if FAILED else text
        if self.passes % LABELS == 0:
            self.cure()

    def follow(self, vrfs, interfaces):
        """Makes the kernel have these."""
        vlans, devices = existing("vlan"), existing("vrf")
        for name in vrfs - set(devices):
            make_vrf(name)
        for name, vrf in interfaces.items():
            if name not in vlans:
                make_interface(name, vrf)
            elif vlans[name] != vrf:
                run("ip", "link", "set", name, *(["master", vrf] if vrf else ["nomaster"]))
                log(f"interface {name} moved to {vrf}")
        outer = {f"{port}-s{tags[0]}" for port, *tags in (name.split(".") for name in interfaces) if len(tags) == 2}
        gone = set(vlans) - set(interfaces) - outer
        for name in sorted(gone, key=lambda name: "." not in name):  # an outer tag after what is on it
            remove(name)
        for name in set(devices) - vrfs:
            remove(name)

    def cure(self):
        if not self.labels:
            self.missing.clear()
            return
        in_kernel = set(re.findall(r" dev (\S+)", run("ip", "-f", "mpls", "route", "show")))
        self.missing = {vrf: self.missing.get(vrf, 0) + 1 for vrf in self.labels if vrf not in in_kernel}
        for vrf in [vrf for vrf, looks in self.missing.items() if looks > PATIENCE]:
            number, line = self.labels[vrf]
            run("vtysh", "-N", self.node, "-c", "configure terminal", "-c", f"router bgp {number} vrf {vrf}",
                "-c", "address-family ipv4 unicast", "-c", "no label vpn export", "-c", line)
            log(f"exported the label of {vrf} again")
            del self.missing[vrf]


def main():
    agent = Agent(sys.argv[1])
    while True:
        agent.look()
        time.sleep(PERIOD)


main()
