# SPDX-License-Identifier: MIT
"""What most tests of rssb stand on: a world with a broker, rssb as nobody, a tap of nobody's."""
import re

import pytest

from command import ok
from tap_reader import TapReader
from world import DAEMON, Broker, World


@pytest.fixture(scope="module")
def world():
    with World() as world:
        yield world


@pytest.fixture(scope="module")
def broker(world, build):
    return Broker(world, build, "--allow-user", DAEMON)


@pytest.fixture(scope="module")
def command(broker):
    """The words of an rssb command in this world."""
    return broker.rssb


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
