"""An independent NETCONF client (ncclient) that says what it sees: no code of ours is in its path.

    witness.py HOST PORT USER KEY HOSTKEY_BASE64 hello
    witness.py HOST PORT USER KEY HOSTKEY_BASE64 rpc          RPC bodies on standard input, separated by a NUL byte

Prints the server's capabilities, one a line, or the whole replies, separated by a NUL byte.
"""
import sys

from lxml import etree
from ncclient import manager
from ncclient.operations import RaiseMode


def main():
    host, port, user, key, hostkey, verb = sys.argv[1:7]
    with manager.connect(host=host, port=int(port), username=user, key_filename=key, hostkey_b64=hostkey,
                         allow_agent=False, look_for_keys=False, timeout=20) as session:
        if verb == "hello":
            print("\n".join(session.server_capabilities))
            return
        session.raise_mode = RaiseMode.NONE
        replies = []
        for body in sys.stdin.buffer.read().split(b"\0"):
            replies.append(session.dispatch(etree.fromstring(body)).xml)
        sys.stdout.write("\0".join(replies))


main()
