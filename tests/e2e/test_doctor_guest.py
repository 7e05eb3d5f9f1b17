# SPDX-License-Identifier: MIT
"""rssb doctor asks a QEMU with a booted guest what that guest's driver took."""
import json

import pytest

import guest as guests
from world import Broker, World


@pytest.fixture
def world():
    with World() as world:
        yield world


@pytest.fixture
def doctor(world, build):
    """Boots a guest with these properties at its device; returns what doctor says of it."""
    broker, tap = Broker(world, build), world.tap()
    rssb = [world.inside(build) / "rssb", "--socket", broker.socket]

    def run(qemu, properties=""):
        arguments = guests.net_arguments(tap)
        arguments[-1] += properties
        guest = guests.Guest(world, qemu, arguments, prefix=[*rssb, "run", "--"])
        guest.run("ip link set eth0 up")
        command = [*rssb, "doctor", "--json", "--qmp", guest.dir / "qmp", "--ifname", tap]
        done = world.run(command, unprivileged=True, check=False)
        return {row["check"]: row for row in json.loads(done.stdout)}

    return run


def test_a_guest_with_rss(doctor, qemu):
    found = doctor(qemu)
    assert [name for name, row in found.items() if row["verdict"] == "problem"] == []
    for name in ("vm", "vm-object", "vm-rss", "vm-fds", "vm-vhost", "vm-guest"):
        assert found[name]["verdict"] == "ok", found[name]
    assert "4 queues attached" in found["tap-queues"]["text"]
    assert "took RSS at 1 device" in found["vm-guest"]["text"]


def test_a_guest_that_takes_no_rss(doctor, qemu):
    """Virtio before 1.0 has no bit for it: the driver runs, and has not negotiated RSS."""
    found = doctor(qemu, ",disable-legacy=off,disable-modern=on")
    assert [name for name, row in found.items() if row["verdict"] == "problem"] == ["vm-guest"]
    assert found["vm-guest"]["text"].endswith(": the guest's driver did not take RSS")
    assert "--host-steering" in found["vm-guest"]["fix"]
