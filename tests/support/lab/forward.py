"""Forwards TCP ports of 127.0.0.1 into a network namespace.

    forward.py listen FILE NAMESPACE TARGET...      TARGET is ADDRESS:PORT inside the namespace

The listeners are made where the test lives, then the program becomes itself again inside the namespace: a socket stays
in the namespace it was made in, and the connections made later belong to the other one. The ports are written to FILE,
one a line, in the order of the targets.
"""
import os
import socket
import sys
import threading


def listen(file, namespace, targets):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in targets]
    with open(file + ".part", "w") as ports:
        ports.writelines(f"{listener.getsockname()[1]}\n" for listener in listeners)
    os.rename(file + ".part", file)
    pairs = []
    for listener, target in zip(listeners, targets):
        os.set_inheritable(listener.fileno(), True)
        pairs += [str(listener.fileno()), target]
    os.execvp("nsenter", ["nsenter", f"--net={namespace}", "--", sys.executable, "-I", "-S", __file__, "serve", *pairs])


def copy(source, sink):
    try:
        while block := source.recv(65536):
            sink.sendall(block)
    except OSError:
        pass
    for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        try:
            end.shutdown(how)
        except OSError:
            pass


def carry(client, target):
    address, _, port = target.rpartition(":")
    with client:
        try:
            server = socket.create_connection((address, int(port)), timeout=10)
        except OSError:
            return
        server.settimeout(None)
        with server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=copy, args=(server, client), daemon=True)
            back.start()
            copy(client, server)
            back.join()


def serve(fd, target):
    listener = socket.socket(fileno=fd)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=carry, args=(client, target), daemon=True).start()


def main():
    verb, *arguments = sys.argv[1:]
    if verb == "listen":
        listen(arguments[0], arguments[1], arguments[2:])
    threads = [threading.Thread(target=serve, args=(int(fd), target))
               for fd, target in zip(arguments[::2], arguments[1::2])]
    for thread in threads:
        thread.start()


main()
