# SPDX-License-Identifier: MIT
"""The host steers a guest that asks for no RSS: rssb run --host-steering.

The guest has four queues and is told nothing.  Flows are sent into the tap; the
guest says on which queue each came in, and the kernel how often the program ran.
"""
import collections
import json
import random

import pytest

import bpf_stats
import flows
import guest as guests
from world import Broker, World

FLOWS = 1000
IFACE = "eth0"


@pytest.fixture
def world():
    with World() as world, bpf_stats.enabled():
        yield world


@pytest.fixture
def uid():
    """Nobody else's on this machine, by which programs are known that others load meanwhile."""
    return random.SystemRandom().randrange(1 << 20, 1 << 30)


@pytest.fixture
def broker(world, build, uid):
    return Broker(world, build, "--user", uid)


def run_counts(uid):
    """How often each steering program that this user loaded ran, by its id."""
    programs = json.loads(guests.output_of(["bpftool", "-j", "prog", "show"]))
    return collections.Counter({p["id"]: p.get("run_cnt", 0) for p in programs if p["uid"] == uid})


def check_steering(guest, world, tap, rng, steering, uid):
    """Every flow comes in where the host said; returns the program that took every decision."""
    sent = flows.random_flows(rng, FLOWS)
    guest.watch(IFACE)
    before = run_counts(uid)
    with world.packet_socket(tap) as sock:
        seen = guests.send(guest, sock, sent)
    assert seen == [steering.queue(flow) for flow in sent]
    ((program, runs),) = (run_counts(uid) - before).items()
    assert runs == FLOWS
    return program


@pytest.mark.parametrize(
    "rss, boots", [(True, 2), (False, 1)], ids=["rss=on, and a reboot", "rss not said"]
)
def test_four_queues(world, broker, uid, build, qemu, rng, rss, boots):
    steering = flows.Steering.random(rng, guests.QUEUES)
    tap = world.tap()
    prefix = broker.rssb("run", "--host-steering", steering.words(), "--")
    guest = guests.Guest(world, qemu, guests.net_arguments(tap, rss=rss), prefix=prefix)
    try:
        assert not any("ebpf-rss-fds" in word for word in guest.command_line())
        programs = set()
        for boot in range(boots):
            if boot:
                guests.qmp(guest, {"execute": "system_reset"})
                guest.wait_ready()
            guest.bring_up()
            assert "Operation not supported" in guest.run(f"ethtool -x {IFACE}")  # no RSS there
            programs.add(check_steering(guest, world, tap, rng, steering, uid))
        assert len(programs) == 1
    finally:
        guest.process.kill()
        guest.process.wait()
