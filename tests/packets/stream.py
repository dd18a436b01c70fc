"""A customer who sends an echo request every 10 ms, and counts.

    stream.py ADDRESS

Requests go out by the clock: what a busy machine delayed is sent at once. SIGTERM ends the sending; a second later, when
nothing can be on its way any more, the count is printed: `sent N` and one line `lost NUMBER SECONDS` for each request
that was never answered.
"""
import os
import select
import signal
import socket
import struct
import sys
import time

PERIOD = 0.01
# As many answers as a count must have to say anything; `many` is printed with the last of them.
MANY = 100
# After a pause of three seconds hundreds of answers arrive at once: they must find room, or the counter itself loses them.
ROOM = 8 << 20
SO_RCVBUFFORCE = 33


def request(number):
    head = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, number & 0xFFFF)
    body = struct.pack("!Q", number) + bytes(48)
    words = struct.unpack(f"!{(len(head) + len(body)) // 2}H", head + body)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:] + body


def main():
    link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
    link.setblocking(False)
    link.connect((sys.argv[1], 0))
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(time.monotonic()))
    began = time.monotonic()
    sent, answered = 0, set()
    while not ended or time.monotonic() < ended[0] + 1:
        while not ended and began + sent * PERIOD <= time.monotonic():
            try:
                link.send(request(sent))
            except OSError as error:  # not sent is lost as well
                print(f"request {sent}: {error}", flush=True)
            sent += 1
        left = began + sent * PERIOD - time.monotonic()
        if not select.select([link], [], [], 0.05 if ended else max(left, 0))[0]:
            continue
        try:
            packet = link.recv(65536)
        except OSError:
            continue
        message = packet[(packet[0] & 15) * 4:]
        kind, _, _, identity = struct.unpack("!BBHH", message[:6])
        if kind == 0 and identity == os.getpid() & 0xFFFF and len(message) >= 16:
            if not answered:
                print("answered", flush=True)
            answered.add(struct.unpack("!Q", message[8:16])[0])
            if len(answered) == MANY:
                print("many", flush=True)
    print(f"sent {sent}")
    for number in sorted(set(range(sent)) - answered):
        print(f"lost {number} {number * PERIOD:.2f}")
    print("end")


main()
