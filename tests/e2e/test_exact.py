# SPDX-License-Identifier: MIT
"""--exact: the object of the very QEMU, which an administrator has given to the broker."""
import os
import shutil
from pathlib import Path

import pytest

import bpf_stats
import flows
import guest as guests
import steered
from world import Broker

IFACE = "eth0"
QEMU_TAG = "ae8610823f8ad8fa"  # of the program of QEMU 10.0


@pytest.fixture(scope="module")
def broker(world, build):
    objects = world.directory("objects", owner=0)
    shutil.copy(Path(os.environ["RSSB_QEMU_OBJECT"]), objects / "qemu-10.0.bpf.o")
    return Broker(world, build, "--objects", objects)


def start(world, broker, build, qemu, name, *options):
    run = broker.rssb("run", *options, "--")
    return guests.Guest(world, qemu, guests.net_arguments(world.tap(f"tap-{name}")), prefix=run,
                        name=name)  # fmt: skip


def test_qemus_own_object_steers(world, broker, build, qemu, rng):
    guest = start(world, broker, build, qemu, "exact", "--exact")
    program = bpf_stats.program(guest.pid, guest.handed_over_program())
    assert program["prog_tag"] == QEMU_TAG
    guest.bring_up()
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(IFACE, steering)
    steered.check(guest, world, "tap-exact", build, rng, steering)

    hotplug = ["hotplug", "--qmp", guest.dir / "qmp", "--netdev", "n1", "--tap",
               world.tap("tap-more"), "--queues", 2]  # fmt: skip
    for options, own in (["--exact", "--id", "a"], True), (["--id", "b", "--netdev", "n2"], False):
        before = set(bpf_stats.programs(guest.pid))
        world.run(broker.rssb(*hotplug, *options), unprivileged=True)
        (new,) = set(bpf_stats.programs(guest.pid)) - before
        assert (bpf_stats.program(guest.pid, new)["prog_tag"] == QEMU_TAG) == own
