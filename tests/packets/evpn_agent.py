"""The device agent of a CLI test PE without tags: makes the kernel objects which the accepted FRR configuration names.

    evpn_agent.py VTEP VTYSH ARGUMENT...        VTEP: the PE's own address in the core

It belongs to the element; the daemon knows nothing of it. vtysh makes no bridge and no VXLAN device. Twice a second the
agent reads the running configuration: an interface whose description begins with `vni=<number>` is put on a bridge
together with the VXLAN device of this number; FRR finds the device, and BGP says who else has it. What no description
names any more is removed. An incomplete read changes nothing.
"""
import re
import subprocess
import sys
import time

PERIOD = 0.5


def log(text):
    print(f"[{time.strftime('%H:%M:%S')}.{time.time_ns() // 10**6 % 1000:03}] {text}", flush=True)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        log(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


def wanted(text):
    """Interface -> VNI."""
    found, interface = {}, None
    for line in text.splitlines():
        if not line.startswith(" "):
            word = line.split()
            interface = word[1] if word[:1] == ["interface"] else None
        elif interface and (named := re.match(r" description vni=(\d+)\b", line)):
            found[interface] = int(named[1])
    return found


def bridged():
    """Interface -> bridge, of all that is on one."""
    links = re.findall(r"^\d+: ([^:@]+)[@:].* master (\S+)", run("ip", "-o", "link", "show"), re.MULTILINE)
    return {interface: bridge for interface, bridge in links if bridge.startswith("wire")}


def look(vtep, vtysh):
    text = run(*vtysh, "-c", "show running-config")
    if not text.rstrip().endswith("\nend"):
        return
    interfaces, present = wanted(text), bridged()
    numbers = set(interfaces.values())
    for interface, bridge in present.items():
        number = int(bridge[4:])
        if interface.startswith("vni"):
            if number not in numbers:
                run("ip", "link", "del", bridge)
                run("ip", "link", "del", interface)
                log(f"removed VNI {number}")
        elif interfaces.get(interface) != number:
            run("ip", "link", "set", "dev", interface, "nomaster")
            log(f"{interface} left VNI {number}")
    for number in numbers:
        if f"vni{number}" not in present:
            run("ip", "link", "add", f"wire{number}", "up", "type", "bridge")
            run("ip", "link", "add", f"vni{number}", "type", "vxlan", "id", str(number), "local", vtep, "dstport", "4789",
                "nolearning")
            run("ip", "link", "set", "dev", f"vni{number}", "master", f"wire{number}", "up")
            log(f"made VNI {number}")
    for interface, number in interfaces.items():
        if present.get(interface) != f"wire{number}":
            run("ip", "link", "set", "dev", interface, "master", f"wire{number}")
            log(f"{interface} joined VNI {number}")


def main():
    log("begins")
    while True:
        look(sys.argv[1], sys.argv[2:])
        time.sleep(PERIOD)


main()
