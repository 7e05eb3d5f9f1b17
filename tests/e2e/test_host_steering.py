# SPDX-License-Identifier: MIT
"""The host steers a guest that asks for no RSS: rssb run --host-steering.

The guest has four queues and is told nothing.  Flows are sent into the tap; the
guest says on which queue each came in, and the kernel how often the program ran.
"""
import collections
import json

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
def broker(world, build):
    return Broker(world, build)


def run_counts():
    """How often each steering program of this kernel ran, by its id."""
    programs = json.loads(guests.output_of(["bpftool", "-j", "prog", "show"]))
    ours = [p for p in programs if p.get("name", "").startswith("tun_rss_steerin")]
    return collections.Counter({p["id"]: p.get("run_cnt", 0) for p in ours})


def check_steering(guest, world, tap, rng, steering):
    """Every flow comes in where the host said, and one program took every decision.

    Returns the ids of those that may be it: others on this machine run as well.
    """
    sent = flows.random_flows(rng, FLOWS)
    guest.watch(IFACE)
    before = run_counts()
    with world.packet_socket(tap) as sock:
        seen = guests.send(guest, sock, sent)
    assert seen == [steering.queue(flow) for flow in sent]
    return {program for program, n in (run_counts() - before).items() if n == FLOWS}


def queues_up(guest):
    guest.run(f"ip link set {IFACE} up")
    guest.run(f"ethtool -L {IFACE} combined {guests.QUEUES}")


@pytest.mark.parametrize(
    "rss, boots", [(True, 2), (False, 1)], ids=["rss=on, and a reboot", "rss not said"]
)
def test_four_queues(world, broker, build, qemu, rng, rss, boots):
    steering = flows.Steering.random(rng, guests.QUEUES)
    tap = world.tap()
    prefix = [world.inside(build) / "rssb", "--socket", broker.socket, "run", "--host-steering",
              steering.words(), "--"]  # fmt: skip
    guest = guests.Guest(world, qemu, guests.net_arguments(tap, rss=rss), prefix=prefix)
    try:
        assert not any("ebpf-rss-fds" in word for word in guest.command_line())
        programs = []
        for boot in range(boots):
            if boot:
                guests.qmp(guest, {"execute": "system_reset"})
                guest.wait_ready()
            queues_up(guest)
            assert "Operation not supported" in guest.run(f"ethtool -x {IFACE}")  # no RSS there
            programs.append(check_steering(guest, world, tap, rng, steering))
        assert set.intersection(*programs)
    finally:
        guest.process.kill()
        guest.process.wait()
