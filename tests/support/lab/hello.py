"""Lets an element offer less than it can: takes capabilities out of a NETCONF server's hello.

    hello.py WORD[,WORD...] PROGRAM [ARGUMENT...]

Becomes the program, whose output goes through a process of its own: a capability whose URI contains one of the words is
left out of the first message; everything after it passes unchanged. What the client sends is not touched.
"""
import os
import re
import sys

END_OF_MESSAGE = b"]]>]]>"


def write_all(fd, block):
    while block:
        block = block[os.write(fd, block):]


def pass_on(source, words):
    head = b""
    while END_OF_MESSAGE not in head:
        block = os.read(source, 65536)
        if not block:
            break
        head += block
    for word in words:
        head = re.sub(rb"<capability>[^<]*" + re.escape(word.encode()) + rb"[^<]*</capability>\s*", b"", head)
    while head:
        write_all(1, head)
        head = os.read(source, 65536)


def main():
    words, argv = sys.argv[1].split(","), sys.argv[2:]
    source, sink = os.pipe()
    if os.fork() == 0:
        os.close(sink)
        os.close(0)
        try:
            pass_on(source, words)
        except OSError:
            pass  # the client is gone
        os._exit(0)
    os.close(source)
    os.dup2(sink, 1)
    os.close(sink)
    os.execvp(argv[0], argv)


main()
