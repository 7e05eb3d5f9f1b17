# SPDX-License-Identifier: MIT
"""Where the broker finds the limit of its memory: in its cgroup, or in one above it.

That it refuses in time: test_accounts.py.
"""
import re
from pathlib import Path

import pytest
import wire
from broker import Broker, in_cgroup
from waiting import wait_for

LIMIT = 24 << 20  # of memory_cgroup

# What a container has: a cgroup namespace, and that cgroup for a root.
CONTAINER = """
set -e
umount -l "$1"
mount -t "$2" -o "$3" none "$1"
shift 3
exec "$@"
"""


def as_container(group):
    if (group / "memory.max").exists():
        return ["sh", "-c", CONTAINER, "sh", "/sys/fs/cgroup", "cgroup2", "rw"]
    return ["sh", "-c", CONTAINER, "sh", "/sys/fs/cgroup/memory", "cgroup", "memory"]


def limit_of(broker):
    found = re.search(r"memory: new grants are refused above 75 % of (\d+) bytes", broker.log())
    return found and int(found[1])


@pytest.mark.parametrize("inside", [False, True], ids=["here", "in a container"])
def test_the_limit_is_found(build, memory_cgroup, inside):
    prefix = in_cgroup(memory_cgroup)
    if inside:
        prefix += ["unshare", "--mount", "--cgroup", *as_container(memory_cgroup)]
    with Broker(build, prefix=prefix) as broker:
        assert limit_of(broker) == LIMIT


def test_a_limit_above_is_found(build, memory_cgroup):
    below = memory_cgroup / "below"
    below.mkdir()
    try:
        with Broker(build, prefix=in_cgroup(below)) as broker:
            assert limit_of(broker) == LIMIT
    finally:
        wait_for(lambda: not (below / "cgroup.procs").read_text(), "the processes' end")
        below.rmdir()


IS_V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
MAX, USED = ("memory.max", "memory.current") if IS_V2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
CHANGED = {"its own": f"below/{MAX}", "one above": MAX, **({"of reclaim": "below/memory.high"} if IS_V2 else {})}


def answer(broker):
    with wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG)) as reply:
        return reply.status


@pytest.mark.parametrize("which", CHANGED.values(), ids=CHANGED)
def test_fault_72_a_limit_that_changes(build, memory_cgroup, which):
    """Made tighter than what is in use allows, and wide again, while the broker runs."""
    below = memory_cgroup / "below"
    below.mkdir()
    try:
        if IS_V2:
            (memory_cgroup / "cgroup.subtree_control").write_text("+memory")
        limit = memory_cgroup / which

        def tighten():
            """To a fifth more than what is in use, of which 75 % may be."""
            limit.write_text(str(int((memory_cgroup / USED).read_text()) * 6 // 5))
            return True

        with Broker(build, prefix=in_cgroup(below)) as broker:
            wait_for(broker.is_at_rest, "a full pool")
            assert answer(broker) == wire.OK
            wait_for(lambda: tighten() and answer(broker) == wire.LIMIT, "a refusal")
            assert broker.process.poll() is None
            limit.write_text(str(LIMIT))
            wait_for(lambda: answer(broker) == wire.OK, "sets again")
    finally:
        wait_for(lambda: not (below / "cgroup.procs").read_text(), "the processes' end")
        below.rmdir()
