"""Ends the processes of one lab element when the test lets go of it, however the test ends.

Standard input carries one order a line, each answered with "ok":
    watch PID     end this process, and everything below it, at the end
    end PID       end it and everything below it now
    forget PID    the test has ended and reaped it itself
End of input is the end of the test: dropped, panicked or killed. Then the watched processes and all their descendants
are killed (stopped first, so that none can fork while the tree is read), and the folder given as argument is removed.
A process is held by a pidfd from the moment it is watched: a reused number can never be hit.
"""
import os
import select
import shutil
import signal
import sys


def children_of_all():
    """pid -> list of the pids of its children, from /proc."""
    below = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        below.setdefault(int(fields[1]), []).append(int(entry))
    return below


def tell(pidfd, sig):
    try:
        signal.pidfd_send_signal(pidfd, sig)
        return True
    except ProcessLookupError:
        return False


def end(roots):
    held = {}
    level = {pid: fd for pid, fd in roots.items() if tell(fd, signal.SIGSTOP)}
    while level:
        held.update(level)
        below = children_of_all()
        level = {}
        for parent in list(held):
            for child in below.get(parent, []):
                if child in held or child in level:
                    continue
                try:
                    pidfd = os.pidfd_open(child)
                except ProcessLookupError:
                    continue
                if tell(pidfd, signal.SIGSTOP):
                    level[child] = pidfd
    for pidfd in held.values():
        tell(pidfd, signal.SIGKILL)
    for pidfd in held.values():
        select.select([pidfd], [], [], 5)  # readable when the process has ended


def main():
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, signal.SIG_IGN)
    watched = {}
    for line in sys.stdin:
        order, _, pid = line.strip().partition(" ")
        if order == "watch":
            watched[int(pid)] = os.pidfd_open(int(pid))
        elif order == "end" and int(pid) in watched:
            end({int(pid): watched.pop(int(pid))})
        elif order == "forget" and int(pid) in watched:
            os.close(watched.pop(int(pid)))
        print("ok", flush=True)
    end(watched)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


main()
