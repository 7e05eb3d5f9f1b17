# SPDX-License-Identifier: MIT
"""What rssb hotplug advises when a machine has no room, or a netdev nothing to steer."""
import pytest

from command import refused
from qmp_state import Monitor
from waiting import wait_for


@pytest.fixture(scope="module")
def vm(world, qemu):
    """A pc, whose one bus is no PCI Express: its monitor's socket."""
    directory, tap = world.directory("pc"), world.tap("hint0")
    with open(directory / "stderr", "w") as stderr:
        process = world.start(
            [world.inside(qemu), "-machine", "pc", "-nodefaults", "-display", "none", "-S",
             "-qmp", f"unix:{directory}/qmp,server=on,wait=off", "-netdev", "user,id=user0",
             "-netdev", f"tap,id=tap0,ifname={tap},script=no,downscript=no,queues=4,vhost=off"],
            unprivileged=True, stderr=stderr,
        )  # fmt: skip

    def monitor():
        assert process.poll() is None, (directory / "stderr").read_text()
        try:
            return Monitor(directory / "qmp")
        except OSError:
            return None

    wait_for(monitor, "QEMU's monitor").close()
    return directory / "qmp"


def test_a_netdev_that_is_no_tap(rssb, vm):
    """Said before anything is plugged: such a device would work, and nothing would steer."""
    done = rssb("hotplug", "--qmp", vm, "--netdev", "user0")
    refused(done, "hotplug: netdev user0 is of type user, and only a tap can be steered", 1)


def test_a_slot_that_is_taken(rssb, vm):
    done = rssb("hotplug", "--qmp", vm, "--netdev", "tap0", "--prop", "addr=1")
    refused(done, "leave out --prop addr=..., or give a slot that no device is in", 1)


def test_a_bus_that_is_full(rssb, vm):
    monitor = Monitor(vm)
    with pytest.raises(RuntimeError, match="no slot/function available"):
        for number in range(40):
            monitor.execute("device_add", driver="edu", id=f"edu{number}")
    monitor.close()
    done = rssb("hotplug", "--qmp", vm, "--netdev", "tap0")
    refused(done, "unplug a device of this bus, or give --prop bus=ID of a pci-bridge", 1)
