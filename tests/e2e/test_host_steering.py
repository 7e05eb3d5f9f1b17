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
import steered
from paths import ROOT
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


def reset(guest):
    guests.qmp(guest, {"execute": "system_reset"})
    guest.wait_ready()


@pytest.mark.parametrize(
    "version, rss, restart", [("10.0", True, reset), ("sid", False, guests.Guest.reboot)],
    ids=["10.0, rss=on, reset", "11.1, rss not said, rebooted"])  # fmt: skip
def test_four_queues(world, broker, uid, rng, version, rss, restart):
    steering = flows.Steering.random(rng, guests.QUEUES)
    tap = world.tap()
    prefix = broker.rssb("run", "--host-steering", steering.words(), "--")
    qemu = ROOT / "build/qemu" / version / "qemu-system-x86_64"
    guest = guests.Guest(world, qemu, guests.net_arguments(tap, rss=rss), prefix=prefix)
    assert not any("ebpf-rss-fds" in word for word in guest.command_line())
    programs = set()
    for boot in range(2):
        if boot:
            restart(guest)
        guest.bring_up()
        assert "Operation not supported" in guest.run(f"ethtool -x {IFACE}")  # no RSS there
        programs.add(check_steering(guest, world, tap, rng, steering, uid))
    assert len(programs) == 1


def test_beside_a_device_with_fds(world, broker, build, rng):
    """The host steers one NIC, and the guest, with the program of its own fds, the other."""
    mine = flows.Steering.random(rng, guests.QUEUES)
    taps, macs = [world.tap("tap0"), world.tap("tap1")], ["52:54:00:00:00:01", "52:54:00:00:00:02"]
    arguments = []
    for number, (tap, mac) in enumerate(zip(taps, macs)):
        netdev = f"tap,id=n{number},ifname={tap},script=no,downscript=no,queues={guests.QUEUES},vhost=off"
        device = {"driver": "virtio-net-pci", "id": f"net{number}", "netdev": f"n{number}", "mac": mac,
                  "mq": True, "vectors": 2 * guests.QUEUES + 2, "rss": number == 1}  # fmt: skip
        arguments += ["-netdev", netdev, "-device", json.dumps(device)]
    prefix = [*broker.rssb("run", "--"), *broker.rssb("run", "--host-steering", mine.words(), "--")]
    guest = guests.Guest(world, ROOT / "build/qemu/sid/qemu-system-x86_64", arguments, prefix=prefix)
    theirs = flows.Steering.random(rng, guests.QUEUES)
    for iface in ("eth0", "eth1"):
        guest.bring_up(iface)
    guest.set_rss("eth1", theirs)
    steered.check(guest, world, taps[1], build, rng, theirs, "eth1", mac=macs[1], n=FLOWS,
                  program=guest.handed_over_program("net1"))  # fmt: skip
    sent = flows.random_flows(rng, FLOWS)
    guest.watch("eth0")
    with world.packet_socket(taps[0]) as sock:
        assert guests.send(guest, sock, sent, macs[0]) == [mine.queue(flow) for flow in sent]
