# SPDX-License-Identifier: MIT
"""Fault 64 under larger limits: nobody gets the broker killed for its memory, nobody goes unserved.

At 24 MiB all of the memory is filled with sets: test_accounts.py.  Here a few hundred sets and,
for the rest, copies of an object, which are no BPF programs: Linux 6.18 was seen to deadlock when
2,800 programs were freed at once.  For the same reason the sets are given back in steps.
"""
import ctypes
import mmap
import os
import re
import resource

import bpf_objects
import pytest
import vectors
import wire
from broker import CLIENT, Broker, in_cgroup, with_cpus
from sweep import WHOLE
from waiting import wait_for

UID = 61237  # of the broker: in no other test
OTHER, THIRD = 65533, 61001
ACQUIRE = wire.acquire(flags=wire.NO_CONFIG)
COUNTING = wire.acquire(flags=wire.NO_CONFIG | wire.STATS)
EXPORT = vectors.read("request-export-abi")
SETS_MAX = 300  # of one account
COPIES_MAX = 60000  # a process has at most 65,530 mappings
LIBC = ctypes.CDLL(None)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
STEP = 50  # sets that are given back at once

# MiB of the limit: --share, with which an account holds 16 MiB, or a sixteenth of all grants.
LIMITS = {64: 3, 256: 12, 1024: 16} if WHOLE else {64: 3}


def oom_kills(group):
    text = "".join((group / name).read_text() for name in ("memory.oom_control", "memory.events")
                   if (group / name).exists())
    return int(re.search(r"^oom_kill (\d+)", text, re.M)[1])


def map_copies(reply):
    """Keeps a copy without an fd of it, of which a process has fewer than there are copies."""
    for fd in reply.fds.values():
        size = os.fstat(fd).st_size
        address = LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_PRIVATE, fd, 0)
        assert address not in (None, ctypes.c_void_p(-1).value)
        yield address, size
    reply.close()


def keep_until_refused(broker, message, uid, kept, keep=lambda reply: [reply]):
    """Adds to kept what the account is given, at full speed; returns why it got no more, or "enough"."""
    with broker.connect(uid) as connection:
        for _ in range(COPIES_MAX if message == EXPORT else SETS_MAX):
            reply = connection.ask(message)
            while reply.status == wire.BUSY:
                reply = connection.ask(message)
            if reply.status == wire.LIMIT:
                return reply.reason
            assert reply.status == wire.OK, reply.reason
            kept += keep(reply)
    return "enough"


def give_back(sets):
    """A few at a time: the next when the kernel has freed those."""
    while sets:
        before = bpf_objects.count(UID)[0]
        step = [sets.pop() for _ in range(min(STEP, len(sets)))]
        for reply in step:
            reply.close()
        wait_for(lambda: bpf_objects.count(UID)[0] <= before - len(step) // 2, "sets freed")


def answer(broker, uid):
    with broker.ask(ACQUIRE, uid) as reply:
        return reply.status


def must_be_served(broker, uid):
    """It is served, once the loader has made a set."""
    while (status := answer(broker, uid)) == wire.BUSY:
        pass
    assert status == wire.OK


@pytest.fixture
def many_fds():
    """In this process; the broker inherits it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16384, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("cpus", [None, "0-511"], ids=["here", "512 CPUs"])
@pytest.mark.parametrize("mib", LIMITS)
def test_fault_64_what_is_held_fills_a_larger_memory(build, memory_cgroup, many_fds, tmp_path, mib, cpus):
    limit = next(memory_cgroup.glob("memory.max"), memory_cgroup / "memory.limit_in_bytes")
    limit.write_text(str(mib << 20))
    options = ["--tokens=100000000", f"--share={LIMITS[mib]}", f"--allow-user={OTHER}",
               f"--allow-user={THIRD}"]  # fmt: skip
    sets, copies = [], []
    prefix = [*in_cgroup(memory_cgroup), *(with_cpus(cpus, tmp_path) if cpus else [])]
    with Broker(build, *options, user=UID, prefix=prefix) as broker:
        try:
            for uid in (CLIENT, OTHER):
                why = keep_until_refused(broker, COUNTING if cpus else ACQUIRE, uid, sets)
                assert why == "enough" or " of your account: " in why
                must_be_served(broker, THIRD)
            why = keep_until_refused(broker, EXPORT, 0, copies, map_copies)
            assert "the broker's memory is over 75 % of its limit" in why
            assert oom_kills(memory_cgroup) == 0 and broker.process.poll() is None
            print(f"{mib} MiB, CPUs {cpus or 'here'}: {len(sets)} sets and {len(copies)} copies held, no OOM kill")
        finally:
            for address, size in copies:
                LIBC.munmap(address, size)
            give_back(sets)
        wait_for(lambda: answer(broker, THIRD) == wire.OK, "memory again")
        assert oom_kills(memory_cgroup) == 0
