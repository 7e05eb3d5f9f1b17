# SPDX-License-Identifier: MIT
"""A broker one of whose system calls fails (tests/tools/inject.c): which, of which process, and how.

It must never leave a process, nor depend on what other brokers on this machine do.
"""
import contextlib
import ctypes
import dataclasses
import mmap
import os
import signal

import bpf_objects
from broker import Broker, Process
from seccomp import name_of, number_of
from waiting import wait_for

FRONT, LOADER, CLOSER, HAND = range(4)  # a hand is a child of the closer's
TRIAL = HAND  # at start: those of the objects, one after the other
KILL = 0  # in the place of an error

DEADLINE_S = 60  # for what takes a second, or ten of CPU time, on a machine with much else to do
PROCESSES_MAX = 8


class Control(ctypes.Structure):
    """struct control of tests/tools/inject.c"""

    _fields_ = [(name, ctypes.c_uint32) for name in
                ("countdown", "process", "only", "error", "signal", "hit", "counting")] + [
        ("n_calls", ctypes.c_uint32 * PROCESSES_MAX), ("pids", ctypes.c_uint32 * PROCESSES_MAX)]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Fault:
    """The n-th call of a process (of those named `only`) fails; KILL: it dies in front of it."""

    process: int
    error: int
    n: int
    only: str = ""


class Injected(Broker):
    """Its uid is its own, so that its programs can be told from other brokers'."""

    _uids = iter(range(2_000_000 + os.getpid() * 1000, 2**31))

    def __init__(self, build, *args, fault=None, prefix=(), **keywords):
        self.uid = next(self._uids)
        super().__init__(build, *args, user=self.uid, **keywords)
        (self.dir / "control").write_bytes(bytes(mmap.PAGESIZE))
        with open(self.dir / "control", "r+b") as file:
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.control = Control.from_buffer(self.page)
        inject = build / "tests" / "tools" / "inject"
        self.command = [*prefix, str(inject), str(self.dir / "control"), *self.command]
        self.log_start = 0
        if fault:
            self.arm(fault)

    def arm(self, fault):
        """The count begins now, and never before the program's own first call."""
        c = self.control
        self.log_start = len(self.log()) if self.log_path.exists() else 0
        c.countdown = c.hit = 0
        c.process, c.error, c.signal = fault.process, fault.error, signal.SIGKILL
        c.only = number_of(fault.only) if fault.only else 0
        c.countdown = fault.n

    def disarm(self):
        self.control.countdown = 0

    @property
    def hit(self):
        """The name of the call that failed, or ""."""
        return name_of(self.control.hit - 1) if self.control.hit else ""

    def calls(self, process):
        """How many a process has made."""
        return self.control.n_calls[process]

    def pids(self):
        return [pid for pid in self.control.pids if pid]

    @property
    def front(self):
        return Process(self.control.pids[FRONT])

    @property
    def loader(self):
        return Process(self.control.pids[LOADER])

    def stop(self):
        with contextlib.suppress(ProcessLookupError):  # the fault was its end
            os.kill(self.front.pid, signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def outcome(self):
        """"up", or the exit status.  What the log says may be what failed."""
        wait_for(lambda: self.process.poll() is not None or self.is_up(),
                 "neither up nor ended", DEADLINE_S)  # fmt: skip
        return "up" if self.process.poll() is None else self.process.returncode

    def errors(self):
        """The error lines of the log since it was armed."""
        lines = self.log()[self.log_start :].splitlines()
        return [line for line in lines if line.startswith("<3>")]

    def n_programs(self):
        """How many of its programs there are in the kernel, whoever holds them."""
        return bpf_objects.count(self.uid)[0]
