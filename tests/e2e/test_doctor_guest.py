# SPDX-License-Identifier: MIT
"""rssb doctor asks a QEMU in which a guest runs, and leaves it as it was."""
import json
import os
from pathlib import Path

import pytest

import guest as guests
import qmp_state
from world import Broker, World

QEMUS = Path(os.environ["RSSB_QEMU"]).parent.parent


@pytest.fixture
def world():
    with World() as world:
        yield world


@pytest.mark.parametrize("version", ["7.2", "10.0", "sid"])
def test_a_guest_goes_on(world, build, version):
    """Each QEMU of the test set, with a booted guest that answers before and afterwards."""
    broker, tap = Broker(world, build), world.tap()
    rssb = broker.rssb()
    prefix = [] if version == "7.2" else [*rssb, "run", "--"]
    guest = guests.Guest(world, QEMUS / version / "qemu-system-x86_64",
                         guests.net_arguments(tap), prefix=prefix)  # fmt: skip
    guest.run("ip link set eth0 up")
    before = qmp_state.of(guest.dir / "qmp")
    command = [*rssb, "doctor", "--json", "--qmp", guest.dir / "qmp", "--ifname", tap]
    done = world.run(command, unprivileged=True, check=False)
    found = {row["check"]: row for row in json.loads(done.stdout)}

    assert qmp_state.of(guest.dir / "qmp") == before
    assert before["status"]["status"] == "running"
    assert "LOWER_UP" in guest.run("ip link show eth0")
    assert "4 queues attached" in found["tap-queues"]["text"]
    assert found["vm-guest"]["verdict"] == "not knowable here"
    problems = {name for name, row in found.items() if row["verdict"] == "problem"}
    old = {"vm", "vm-object", "vm-fds"} if version == "7.2" else set()
    assert {name for name in problems if name.startswith("vm-") or name == "vm"} == old
