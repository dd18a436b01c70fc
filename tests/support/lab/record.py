"""Stands between sshd and an element's front program and writes down, unchanged, every byte the client sends.

    record.py FOLDER PROGRAM [ARGUMENT...]

One file per session, FOLDER/<start time in ns>-<pid>.in. The bytes are in the file before the program gets them, so
whoever sees an effect finds its cause in the file. The program keeps its own standard output when there is no
terminal; with a terminal it gets one of its own with the same size and modes, and the outer one is made raw: what the
client sees is what the program prints.
A file FOLDER.cut (its first line `before` or `after`, then a pattern) cuts the connection once: the next message that
contains the pattern is held back until it is complete, the session's sshd is killed, and the program gets the message
(after: only the reply is lost) or does not (before). Two more first lines cut nothing: `garble` gives the program the
message with another word in the pattern's place, which it can only refuse; `die` gives it the message and kills the
server behind it at once; `stall` stops the session's sshd and gives it the message: the connection stays open on both
sides, and nothing comes through any more. The file is gone when that has happened.
A file FOLDER.server (the process id of the server behind the program) asks for patience after the client's hello:
netconfd 2.13 takes the first RPC for more of the old framing, and never answers it, when one read brings it together
with the hello. What follows the hello is held back until the program and the server are asleep again.
Ends with the program, whose exit status it passes on; when the client goes away, the program gets end of input (or a
hang-up, on a terminal).
"""
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time
import tty

BLOCK = 65536
END_OF_MESSAGE = (b"]]>]]>", b"\n##\n")
END_OF_LINE = (b"\n", b"\r")


def become(argv):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and that would be inherited
    os.execvp(argv[0], argv)


def spawn_on_pipe(argv):
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(read_end, 0)
        os.close(read_end)
        os.close(write_end)
        become(argv)
    os.close(read_end)
    return pid, write_end


def spawn_on_terminal(argv):
    modes = termios.tcgetattr(0)
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    master, slave = os.openpty()
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for standard in (0, 1, 2):
            os.dup2(slave, standard)
        os.close(slave)
        os.close(master)
        become(argv)
    os.close(slave)
    tty.setraw(0)
    return pid, master


def read(fd):
    """Bytes, or nothing at the end (a terminal whose other side is gone says EIO)."""
    try:
        return os.read(fd, BLOCK)
    except OSError:
        return b""


def write_all(fd, block):
    while block:
        block = block[os.write(fd, block):]


def asleep(pid):
    """Whether every thread of the process waits for something to happen."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] != "S":
                    return False
    except OSError:
        pass  # it is gone: nothing to wait for
    return True


def settle(folder, pid, program):
    """Waits until the server has taken what was sent. A write wakes its reader before it returns: when the pipe is
    empty and the program sleeps again, the server is awake until it has dealt with it."""
    try:
        with open(folder + ".server") as server:
            server = int(server.read())
    except OSError:
        return
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = struct.unpack("i", fcntl.ioctl(program, termios.FIONREAD, b"\0" * 4))[0]
        if left == 0 and asleep(pid) and asleep(server):
            return
        time.sleep(0.001)


class Cut:
    """Looks at each message of the client for the pattern of FOLDER.cut."""

    def __init__(self, folder, ends):
        self.order = folder + ".cut"
        self.ends = ends
        self.message = b""  # since the last end of a message
        self.held = b""
        self.pattern = b""

    def pass_on(self, block):
        """What the program gets now, and `before`, `after`, `die` or `stall` when that is to happen."""
        self.message += block
        complete = self.message.endswith(self.ends)
        block, self.held = self.held + block, b""
        when = self.wanted()
        if when and not complete:
            self.held = block
            return b"", None
        if complete:
            self.message = b""
        if when:
            try:
                os.rename(self.order, f"{self.order}.{os.getpid()}")
            except OSError:
                return block, None  # another session was faster
        if when == "garble":
            return block.replace(self.pattern, self.pattern[:-1] + b"Z"), None  # the chunk keeps its size
        return block, when

    def wanted(self):
        try:
            with open(self.order, "rb") as order:
                when, _, pattern = order.read().partition(b"\n")
        except OSError:
            return None
        self.pattern = pattern.strip()
        return when.decode() if self.pattern in self.message else None


def cut(when, block, pid, program, on_terminal):
    """Kills the session's sshd; then lets the program finish the message, if it is to have it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.kill(os.getppid(), signal.SIGKILL)
    if when == "before":
        os.kill(pid, signal.SIGKILL)
        return
    os.set_blocking(program, True)
    write_all(program, block)
    if on_terminal:
        said = b""
        while not said.endswith(b"# ") and select.select([program], [], [], 5)[0]:
            answer = read(program)
            said += answer
            if not answer:
                return
    else:
        select.select([os.pidfd_open(pid)], [], [], 5)  # it ends when it cannot write its reply
        os.close(program)


def kill_server(folder, block, program):
    """The server gets the message and no time for it."""
    with open(folder + ".server") as server:
        server = int(server.read())
    os.set_blocking(program, True)
    write_all(program, block)
    os.kill(server, signal.SIGKILL)
    os.set_blocking(program, False)


def flow(folder, log, pid, program, on_terminal, fault):
    """Client -> log -> program, and program -> client on a terminal, until the program ends."""
    alive = os.pidfd_open(pid)
    os.set_blocking(program, False)
    waiting, client_open = b"", True
    hello, rest = not on_terminal, b""  # rest: what came with the hello and has to wait
    while True:
        sources = [alive]
        if client_open and not waiting:
            sources.append(0)
        if on_terminal:
            sources.append(program)
        ready, writable, _ = select.select(sources, [program] if waiting else [], [])
        if writable:
            try:
                waiting = waiting[os.write(program, waiting):]
            except BlockingIOError:
                pass
            except OSError:
                waiting, rest, client_open = b"", b"", False
            if not waiting and hello == "sent":
                settle(folder, pid, program)
                waiting, rest, hello = rest, b"", False
        if on_terminal and program in ready:
            answer = read(program)
            if not answer:
                return
            write_all(1, answer)
        elif alive in ready:
            return
        if 0 in ready:
            block = read(0)
            if block:
                os.write(log, block)
                waiting, when = fault.pass_on(block)
                head, end, tail = waiting.partition(END_OF_MESSAGE[0])
                if hello and end:
                    waiting, rest, hello = head + end, tail, "sent"
                if when == "stall":
                    os.kill(os.getppid(), signal.SIGSTOP)
                elif when == "die":
                    kill_server(folder, waiting, program)
                    waiting = b""
                elif when:
                    cut(when, waiting, pid, program, on_terminal)
                    return
            else:
                client_open = False
                if on_terminal:
                    return
                os.close(program)


def main():
    folder, argv = sys.argv[1], sys.argv[2:]
    name = os.path.join(folder, f"{time.time_ns():020d}-{os.getpid()}.in")
    log = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    on_terminal = os.isatty(0)
    pid, program = (spawn_on_terminal if on_terminal else spawn_on_pipe)(argv)
    try:
        flow(folder, log, pid, program, on_terminal, Cut(folder, END_OF_LINE if on_terminal else END_OF_MESSAGE))
    except OSError:
        pass  # the client is gone
    if on_terminal:
        os.close(program)  # hang-up for a program that still runs
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


main()
