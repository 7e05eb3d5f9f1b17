# SPDX-License-Identifier: MIT
"""What most tests of rssb stand on: a world with a broker, rssb as nobody, a tap of nobody's."""
import os
import re
import subprocess
from pathlib import Path

import pytest

from command import ok
from tap_reader import TapReader
from waiting import wait_for
from world import DAEMON, Broker, World


@pytest.fixture(scope="module")
def world():
    with World() as world:
        yield world


@pytest.fixture(scope="module")
def broker(world, build):
    return Broker(world, build, "--allow-user", DAEMON)


@pytest.fixture(scope="module")
def command(world, broker, build):
    """The words of an rssb command in this world."""
    return lambda *args: [world.inside(build) / "rssb", "--socket", broker.socket, *args]


@pytest.fixture(scope="module")
def rssb(world, command):
    """Runs rssb as nobody; returns the CompletedProcess."""

    def run(*args, **kwargs):
        return world.run(command(*args), **{"unprivileged": True, "check": False, **kwargs})

    return run


@pytest.fixture
def reader(world):
    """A tap of nobody's whose four queues are read."""
    world.tap("tap0")
    with TapReader(world, "tap0", 4) as reader:
        yield reader
    world.run(["ip", "link", "del", "tap0"])


@pytest.fixture
def attach(rssb):
    """Attaches to tap0 and releases in the end; returns the grant's id."""
    ids = []

    def run(*args):
        out = ok(rssb("attach", "tap0", *args))
        match = re.fullmatch(r"grant (\d+)( \S+)?\n", out)
        assert match, out
        ids.append(match[1])
        return match[1]

    yield run
    for grant in ids:
        rssb("release", grant)


@pytest.fixture
def interposed(tmp_path):
    """The environment of a process whose C library has these functions instead of its own."""

    def build_from(source):
        (tmp_path / "interpose.c").write_text(source)
        library = tmp_path / "interpose.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", library, tmp_path / "interpose.c"], check=True
        )
        # ASan minds another library before its own.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return {**os.environ, "LD_PRELOAD": str(library), "ASAN_OPTIONS": asan.lstrip(":")}

    return build_from


@pytest.fixture
def memory_cgroup():
    """A memory cgroup of 24 MiB, of whichever version this machine has."""
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    if (v1 / "memory.limit_in_bytes").exists():
        group, limit = v1 / f"rssb-test.{os.getpid()}", "memory.limit_in_bytes"
    elif "memory" in (v2 / "cgroup.controllers").read_text().split():
        group, limit = v2 / f"rssb-test.{os.getpid()}", "memory.max"
        (v2 / "cgroup.subtree_control").write_text("+memory")
    else:
        pytest.skip("this machine has no memory cgroup")
    group.mkdir()
    (group / limit).write_text(str(24 << 20))
    yield group
    wait_for(lambda: not (group / "cgroup.procs").read_text(), "the processes' end")
    group.rmdir()
