# SPDX-License-Identifier: MIT
"""A world for a bench: nothing of it outlives the bench, however that ends.

SIGTERM and SIGINT end it well.  SIGKILL cannot be caught: then the kernel kills what was
started, but for a broker, which changed its user; the next bench does, and removes the
directory.
"""
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from world import UNPRIVILEGED, World

PREFIX = "rssb-bench."  # then a bench's pid
DIES_TOO = ["--pdeathsig", "KILL", "--"]


def on_signal(number, _frame):
    sys.exit(128 + number)  # by way of every __exit__


def end_well():
    """From now on, and for the bench's whole process."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    remove_forsaken()


def processes_of(directory):
    """Whose command lines name it."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            if f"{directory}/".encode() in path.read_bytes():
                yield int(path.parent.name)


def remove_forsaken():
    """What benches left behind that were killed: their pid is nobody's any more."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if Path("/proc", path.name.split(".")[1]).exists():
            continue
        for pid in processes_of(path):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(path, ignore_errors=True)


class BenchWorld(World):
    def __init__(self):
        super().__init__(f"{PREFIX}{os.getpid()}.")

    def command(self, args, unprivileged=False):
        # A change of user forgets the signal, so that comes first.
        setpriv = [*UNPRIVILEGED[:-1], *DIES_TOO] if unprivileged else ["setpriv", *DIES_TOO]
        return [*super().command([]), *setpriv, *map(str, args)]
