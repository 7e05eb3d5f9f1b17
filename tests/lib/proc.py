# SPDX-License-Identifier: MIT
"""What /proc tells of a process.  It must never change one."""
import contextlib
import os


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
