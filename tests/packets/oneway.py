"""A customer who sends a datagram every 10 ms, and the other site, which answers nothing and counts.

    oneway.py send ADDRESS
    oneway.py count

Datagrams go out by the clock: what a busy machine delayed is sent at once. SIGTERM ends the sending; half a second later,
when nothing can be on its way any more, the sender says how many they were. Then the counter prints what `stream.py`
prints: `answered` with the first one that arrives, `many` with the hundredth, at the end `sent N`, one line
`lost NUMBER SECONDS` for each that never did, and `end`.
"""
import signal
import socket
import struct
import sys
import time

PERIOD, PORT, SIZE = 0.01, 7009, 64
NEXT, TOTAL = 0, 1
MANY = 100


def send(address):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    began, sent = time.monotonic(), 0

    def say(kind, number):
        try:
            link.sendto(struct.pack("!BQ", kind, number).ljust(SIZE, b"\0"), (address, PORT))
        except OSError as error:  # nobody listens yet, or no way: lost as well
            print(f"datagram {number}: {error}", flush=True)

    while not ended:
        while began + sent * PERIOD <= time.monotonic() and not ended:
            say(NEXT, sent)
            sent += 1
        time.sleep(max(began + sent * PERIOD - time.monotonic(), 0))
    time.sleep(0.5)
    for _ in range(5):
        say(TOTAL, sent)
        time.sleep(PERIOD)
    signal.pause()  # until it is killed


def count():
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)  # SO_RCVBUFFORCE: room for what a busy machine lets wait
    link.bind(("", PORT))
    print("listens", flush=True)
    arrived = set()
    while True:
        kind, number = struct.unpack("!BQ", link.recv(2048)[:9])
        if kind == TOTAL:
            break
        if not arrived:
            print("answered", flush=True)
        arrived.add(number)
        if len(arrived) == MANY:
            print("many", flush=True)
    print(f"sent {number}")
    for lost in sorted(set(range(number)) - arrived):
        print(f"lost {lost} {lost * PERIOD:.2f}")
    print("end", flush=True)
    signal.pause()


send(sys.argv[2]) if sys.argv[1] == "send" else count()
