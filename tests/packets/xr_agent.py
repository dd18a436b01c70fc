"""The forwarding software of a NETCONF test PE: turns its committed configuration into flows of Open vSwitch.

    xr_agent.py --subsystem 'PROGRAM ARGUMENT...' --ssh-port PORT --switch RUNDIR --bridge NAME --core PORT \\
                IOSXR-PORT=OVS-PORT ...

It belongs to the element, as a router's line cards do; the daemon knows nothing of it. It has a NETCONF session of its
own with the element's server and reads the running configuration four times a second: what is committed under a
confirm timer forwards already, and stops when the timer takes it back.

A cross-connect (l2vpn, p2p-xconnect) with one attachment circuit and one EVPN pseudowire becomes, when both are enabled
and neither the sub-interface nor its port is shut:
  customer -> core   match of the sub-interface's encapsulation, its MTU, the meter of its input policy, S-tag pushed
  core -> customer   S-tag popped, the encapsulation again (frames of another VLAN do not leave), output policy, port
The S-tag is EVI * 8 + attachment circuit id: the wire passes only if what one end calls remote is what the other calls
its own. The customer's tag is carried as it is (no `rewrite ingress tag pop` in the configuration).
A police rate drops what is over the peak rate, or over the rate where there is no peak.

Flows are replaced as one bundle, and only those that differ: the frames of other services notice nothing. When the
configuration cannot be read, forwarding goes on as it is.
"""
import argparse
import os
import select
import subprocess
import time
import xml.etree.ElementTree as ElementTree

PERIOD = 0.25
PATIENCE = 3  # for one answer; netconfd never answers a first request that it reads together with the hello
END = b"]]>]]>"
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
CISCO = "http://cisco.com/ns/yang/Cisco-IOS-XR-"
IFMGR, L2VPN, L2ETH = CISCO + "ifmgr-cfg", CISCO + "l2vpn-cfg", CISCO + "l2-eth-infra-cfg"
QOS, POLICY = CISCO + "qos-ma-cfg", CISCO + "infra-policymgr-cfg"
HELLO = (f'<hello xmlns="{BASE}"><capabilities><capability>{BASE.replace("xml:ns:netconf:base", "netconf:base")}'
         "</capability></capabilities></hello>").encode()
READ = (f'<rpc xmlns="{BASE}" message-id="1"><get-config><source><running/></source><filter type="subtree">'
        f'<interface-configurations xmlns="{IFMGR}"/><l2vpn xmlns="{L2VPN}"/><policy-manager xmlns="{POLICY}"/>'
        "</filter></get-config></rpc>").encode()
# Units of the models, to bits per second and to bits.
RATES = {"bps": 1, "kbps": 1000, "mbps": 10**6, "gbps": 10**9}
BURSTS = {"bytes": 8, "kbytes": 8 * 1000, "mbytes": 8 * 10**6, "gbytes": 8 * 10**9}


def log(text):
    print(f"[{time.strftime('%H:%M:%S')}.{time.time_ns() // 10**6 % 1000:03}] {text}", flush=True)


class Session:
    """The element's own NETCONF session with its server: the subsystem that sshd would start, without the SSH."""

    def __init__(self, command, port):
        environment = dict(os.environ, USER="root", SSH_CONNECTION=f"127.0.0.1 1 127.0.0.1 {port}")  # as sshd does
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        try:
            self.said = b""
            self.message()
            self.send(HELLO)
            time.sleep(0.1)  # for the server to read it alone; where that was not enough there is PATIENCE
        except BaseException:
            self.close()
            raise

    def send(self, message):
        self.server.stdin.write(message + END)
        self.server.stdin.flush()

    def message(self):
        deadline = time.monotonic() + PATIENCE
        while END not in self.said:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.server.stdout], [], [], left)[0]:
                raise TimeoutError("no answer")
            block = os.read(self.server.stdout.fileno(), 65536)
            if not block:
                raise EOFError("the server has closed the session")
            self.said += block
        message, _, self.said = self.said.partition(END)
        return message

    def running(self):
        self.send(READ)
        reply = ElementTree.fromstring(self.message())
        data = reply.find(f"{{{BASE}}}data")
        if data is None:
            raise ValueError("no data in the answer")
        return data

    def close(self):
        self.server.kill()
        self.server.wait()
        self.server.stdin.close()
        self.server.stdout.close()


def text(node, path, spaces):
    found = node.find(path, spaces)
    return found.text.strip() if found is not None and found.text else None


SPACES = {"i": IFMGR, "l": L2VPN, "e": L2ETH, "q": QOS, "p": POLICY}


class Interface:
    def __init__(self, node):
        self.name = text(node, "i:interface-name", SPACES)
        self.shut = node.find("i:shutdown", SPACES) is not None
        self.mtu = text(node, "i:mtus/i:mtu/i:mtu", SPACES)
        self.frames = self.match(node)
        self.policies = {
            direction: text(node, f".//q:qos/q:{direction}//q:service-policy-name", SPACES)
            for direction in ("input", "output")
        }

    @staticmethod
    def match(node):
        """The encapsulation as a match of Open vSwitch; None: nothing of it is forwarded."""
        if node.find("l:l2-transport/l:enabled", SPACES) is not None:
            return ""
        encapsulation = node.find("e:ethernet-service/e:encapsulation", SPACES)
        if encapsulation is None:
            return None
        kind = text(encapsulation, "e:outer-tag-type", SPACES)
        if kind == "match-dot1q" and encapsulation.find("e:inner-tag-type", SPACES) is None:
            return f",dl_vlan={int(text(encapsulation, 'e:outer-range1-low', SPACES))}"
        return ",vlan_tci=0" if kind == "match-untagged" else None


def policers(data):
    """Policy name -> (kbit/s, burst in kbit)."""
    found = {}
    for policy in data.iterfind(".//p:policy-map", SPACES):
        police = policy.find(".//p:police", SPACES)
        if police is None:
            continue
        limit = "peak-" if police.find("p:peak-rate/p:value", SPACES) is not None else ""
        rate = int(text(police, f"p:{limit}rate/p:value", SPACES))
        rate *= RATES[text(police, f"p:{limit}rate/p:units", SPACES) or "bps"]
        burst = int(text(police, f"p:{limit}burst/p:value", SPACES) or 0)
        burst *= BURSTS[text(police, f"p:{limit}burst/p:units", SPACES) or "bytes"]
        found[text(policy, "p:name", SPACES)] = (max(rate // 1000, 1), max(burst // 1000, 1))
    return found


def circuit(evi, attachment):
    """The S-tag of one direction of one wire."""
    tag = evi * 8 + attachment % 8
    if not 0 < tag < 4095:
        raise ValueError(f"EVI {evi} is more than the S-tags of this element")
    return tag


def forwarding(data, ports, core):
    """(flows, meters) that the configuration asks for."""
    interfaces = {interface.name: interface for interface in map(Interface, data.iterfind(".//i:interface-configuration", SPACES))}
    rates = policers(data)
    flows, meters = set(), {}
    for wire in data.iterfind(".//l:p2p-xconnect", SPACES):
        accesses = wire.findall("l:attachment-circuits/l:attachment-circuit", SPACES)
        ends = wire.findall("l:pseudowire-evpns/l:pseudowire-evpn", SPACES)
        if len(accesses) != 1 or len(ends) != 1 or accesses[0].find("l:enable", SPACES) is None:
            continue
        name = text(accesses[0], "l:name", SPACES)
        access, port = interfaces.get(name), interfaces.get(name.split(".")[0])
        uni = ports.get(name.split(".")[0])
        if access is None or access.frames is None or uni is None or access.shut or (port is not None and port.shut):
            continue
        evi = int(text(ends[0], "l:eviid", SPACES))
        mine = circuit(evi, int(text(ends[0], "l:source-acid", SPACES)))
        theirs = circuit(evi, int(text(ends[0], "l:remote-acid", SPACES)))
        limited = {}
        for direction, meter in (("input", 2 * mine), ("output", 2 * mine + 1)):
            rate = rates.get(access.policies[direction])
            limited[direction] = f"meter:{meter}," if rate else ""
            if rate:
                meters[meter] = rate
        wide = f"check_pkt_larger({int(access.mtu)})->reg0[0]," if access.mtu else ""
        flows |= {
            f"table=0,priority=100,in_port={uni}{access.frames},actions=set_field:{mine}->reg1,{wide}resubmit(,1)",
            f"table=1,priority=100,reg1={mine},reg0=0,"
            f"actions={limited['input']}push_vlan:0x88a8,set_field:{4096 + theirs}->vlan_vid,output:{core}",
            f"table=0,priority=100,in_port={core},dl_vlan={mine},actions=pop_vlan,set_field:{mine}->reg1,resubmit(,2)",
            f"table=2,priority=100,reg1={mine}{access.frames},actions={limited['output']}output:{uni}",
        }
    return flows, meters


class Switch:
    def __init__(self, rundir, bridge):
        self.rundir, self.bridge = rundir, bridge
        self.flows, self.meters = None, {}

    def run(self, *arguments, **options):
        command = ["ovs-ofctl", "-O", "OpenFlow13", *arguments]
        environment = dict(os.environ, OVS_RUNDIR=self.rundir)
        done = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stdout.strip()}")

    def port(self, name):
        done = subprocess.run(["ovs-vsctl", f"--db=unix:{self.rundir}/db.sock", "get", "interface", name, "ofport"],
                              text=True, check=True, stdout=subprocess.PIPE)
        return int(done.stdout)

    def take(self, flows, meters):
        if (flows, meters) == (self.flows, self.meters):
            return
        for number, (rate, burst) in meters.items():
            if self.meters.get(number) != (rate, burst):
                verb = "mod-meter" if number in self.meters else "add-meter"
                self.run(verb, self.bridge, f"meter={number},kbps,burst,band=type=drop,rate={rate},burst_size={burst}")
        self.run("--bundle", "replace-flows", self.bridge, "-", input="\n".join(sorted(flows)) + "\n")
        for number in set(self.meters) - set(meters):
            self.run("del-meter", self.bridge, f"meter={number}")
        old = self.flows or set()
        self.flows, self.meters = flows, meters
        log(f"{len(flows)} flows (+{len(flows - old)} -{len(old - flows)}), meters {meters or 'none'}")


def main():
    parser = argparse.ArgumentParser()
    for option in ("subsystem", "ssh-port", "switch", "bridge", "core"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("ports", nargs="+")
    given = parser.parse_args()
    switch = Switch(given.switch, given.bridge)
    ports = {name: switch.port(uni) for name, uni in (pair.split("=") for pair in given.ports)}
    core = switch.port(given.core)
    session, said = None, None
    while True:
        try:
            session = session or Session(given.subsystem.split(), given.ssh_port)
            switch.take(*forwarding(session.running(), ports, core))
            said = None
        except (OSError, EOFError, ValueError, KeyError, RuntimeError, ElementTree.ParseError) as error:
            if str(error) != said:  # once
                said = str(error)
                log(f"{type(error).__name__}: {error}")
            if session and not isinstance(error, (RuntimeError, KeyError)):
                session.close()
                session = None
        time.sleep(PERIOD)


main()
