# SPDX-License-Identifier: MIT
"""What /proc tells of a process.  It must never change one."""
import contextlib
import os
from pathlib import Path

SO_ACCEPTCON = 1 << 16  # among the flags of /proc/net/unix


def fds(pid):
    """{fd: what it is, as the kernel names it}; the process may close one while this looks."""
    found = {}
    for entry in list(os.scandir(f"/proc/{pid}/fd")):
        with contextlib.suppress(FileNotFoundError):
            found[int(entry.name)] = os.readlink(entry)
    return found


def links(pid):
    return fds(pid).values()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def last_descendant(pid):
    """The one at the end of a chain of only children."""
    while those := children(pid):
        (pid,) = those
    return pid


def sleeps(pid):
    """Whether it lets time pass, in nanosleep()."""
    return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()


def listens(pid, path):
    """Whether a socket at this path, in the network namespace of a process, takes connections.

    A path is there a moment before: between bind() and listen().
    """
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[-1] == str(path) and int(fields[3], 16) & SO_ACCEPTCON:
            return True
    return False
