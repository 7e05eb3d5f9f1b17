# SPDX-License-Identifier: MIT
"""Where the broker finds the limit of its memory: in its cgroup, or in one above it.

That it refuses in time: test_accounts.py.
"""
import re

import pytest
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
