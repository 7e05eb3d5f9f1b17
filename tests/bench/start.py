# SPDX-License-Identifier: MIT
"""From exec until the broker says READY=1, with the objects of its own and with ten more."""
import shutil
import socket
import subprocess
import time

from series import Row, Series, rounds

ROUNDS = 15
SECONDS_MAX = 30
OBJECTS = 10
READY_S = 60
UID = 61234


class Starts:
    def __init__(self, world, build):
        self._world, self._program = world, world.inside(build) / "rss-broker"
        self._objects = world.directory("objects", owner=0)
        elf = (build / "bpf/rss.bpf.o").read_bytes()
        for number in range(OBJECTS):  # each has an id of its own
            (self._objects / f"object-{number}.bpf.o").write_bytes(elf + bytes(number + 1))

    def nothing(self):
        """What it takes to start any program here; ms."""
        began = time.monotonic_ns()
        self._world.run(["/bin/true"])
        return (time.monotonic_ns() - began) / 1e6

    def broker(self, *more):
        directory = self._world.dir / "start"
        directory.mkdir(mode=0o755)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(directory / "notify"))
            (directory / "notify").chmod(0o666)
            manager.settimeout(READY_S)
            command = ["env", f"NOTIFY_SOCKET={directory / 'notify'}", self._program, "--socket",
                       directory / "sock", "--user", UID, *more]  # fmt: skip
            began = time.monotonic_ns()
            process = self._world.start(command, stderr=subprocess.DEVNULL)
            while b"READY=1" not in manager.recv(4096):
                pass
            took = (time.monotonic_ns() - began) / 1e6
            process.terminate()
            process.wait()
        shutil.rmtree(directory)
        return took

    def with_objects(self):
        return self.broker("--objects", self._objects)


def section(report, world, build):
    starts = Starts(world, build)
    things = {
        "any program": starts.nothing,
        "broker, 4 objects of its own": starts.broker,
        "broker, 10 of an administrator's more": starts.with_objects,
    }
    found = rounds(ROUNDS, things, report.progress, SECONDS_MAX)
    nothing = Series("any program", "ms", found["any program"])
    limits = {"broker, 4 objects of its own": 15, "broker, 10 of an administrator's more": 30}
    report.section(
        "start",
        "The broker's start: from exec to READY",
        [Row(nothing)]
        + [Row(Series(name, "ms", found[name]), at_most=most) for name, most in limits.items()],
    )
