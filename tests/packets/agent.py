"""The device agent of a test PE: makes the kernel objects which the accepted FRR configuration names.

It belongs to the element, as a router's own forwarding software does; the daemon knows nothing of it. vtysh creates no
VLAN interface and no VRF and cannot bind one to the other, so the agent reads the running configuration every three
seconds (faster costs too much here) and
  - makes VLAN interfaces: `interface <port>.<vid>`, or `<port>.<svid>.<cvid>` (outer tag 802.1ad), if the block has
    content (a description or an address);
  - makes VRFs, and puts interfaces into them by a convention of its own: the word `vrf=NAME` in the description;
  - removes what has lost its content: FRR refuses `no interface` and `no vrf` while the kernel has them;
  - cures a race of FRR 8.4: a VPN label accepted before the VRF existed is listed by zebra and missing in the kernel.
    The label is exported once more. Only packets show it.
An incomplete read changes nothing.
"""
import re
import subprocess
import sys
import time

PERIOD = 3
PATIENCE = 2  # passes in which a label may be missing before it is exported again
CONTENT = ("description ", "ip address ", "ipv6 address ")


def log(text):
    with open("/proc/uptime") as uptime:
        print(f"[{uptime.read().split()[0]}] {text}", flush=True)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        log(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


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
        self.missing = {}  # VRF -> passes without its label in the kernel

    def vtysh(self, *commands):
        return run("vtysh", "-N", self.node, *(part for command in commands for part in ("-c", command)))

    def look(self):
        text = self.vtysh("show running-config")
        if not text.rstrip().endswith("\nend"):
            return
        vrfs, interfaces, labels = wanted(blocks_of(text))
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
        self.cure({vrf: label for vrf, label in labels.items() if vrf in devices})

    def cure(self, labels):
        if not labels:
            self.missing.clear()
            return
        in_kernel = set(re.findall(r" dev (\S+)", run("ip", "-f", "mpls", "route", "show")))
        self.missing = {vrf: self.missing.get(vrf, 0) + 1 for vrf in labels if vrf not in in_kernel}
        for vrf in [vrf for vrf, passes in self.missing.items() if passes > PATIENCE]:
            number, line = labels[vrf]
            self.vtysh("configure terminal", f"router bgp {number} vrf {vrf}", "address-family ipv4 unicast",
                       "no label vpn export", line)
            log(f"exported the label of {vrf} again")
            del self.missing[vrf]


def main():
    agent = Agent(sys.argv[1])
    while True:
        agent.look()
        time.sleep(PERIOD)


main()
