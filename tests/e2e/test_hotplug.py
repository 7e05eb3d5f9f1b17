# SPDX-License-Identifier: MIT
"""rssb hotplug into a VM whose QEMU is no longer the installed one.

The guest boots from a copy of one QEMU; the copy is replaced by another version,
as a package upgrade does it, and then deleted.  What steers afterwards is what
the QEMU that runs asked for.
"""
import os
import shutil

import pytest

import bpf_stats
import flows
import guest as guests
import machine
from paths import ROOT
import proc
import steered
from waiting import wait_for

PLUGS = 100
IFACE = "eth0"


@pytest.fixture(scope="module")
def rssb(world, broker, build):
    """Runs rssb as nobody, without a capability."""

    def run(*args, **kwargs):
        command = broker.rssb(*args)
        return world.run(command, unprivileged=True, **kwargs)

    return run


class Copy:
    """A QEMU of its own, in place of an installed one."""

    def __init__(self, world, version):
        self.root = world.directory("copy", owner=0)
        self.program = self.root / "usr/bin/qemu-system-x86_64"
        installed = ROOT / "build/qemu" / version
        self.program.parent.mkdir(parents=True)
        for part in ("usr/share", "usr/lib", "lib"):
            (self.root / part).symlink_to(world.inside(installed / part))
        self.start = self.root / "qemu-system-x86_64"
        shutil.copy2(installed / "qemu-system-x86_64", self.start)
        self.install(version)

    def install(self, version):
        """As dpkg does: the new file takes the old one's name."""
        new = self.program.with_suffix(".dpkg-new")
        shutil.copy2(ROOT / "build/qemu" / version / "usr/bin/qemu-system-x86_64", new)
        new.rename(self.program)


@pytest.fixture(scope="module")
def guest(world, qemu):
    copy = Copy(world, qemu.parent.name)
    guest = guests.Guest(world, copy.start, [])
    started = os.readlink(f"/proc/{guest.pid}/exe")
    copy.install("sid")
    copy.program.unlink()
    assert os.readlink(f"/proc/{guest.pid}/exe") == f"{started} (deleted)"
    return guest


@pytest.fixture
def qmp(guest):
    """The monitor, between two hotplugs: it serves one client at a time."""

    def run(command, **arguments):
        with machine.Qmp(guest.dir / "qmp") as monitor:
            return monitor.execute(command, **arguments)

    return run


def open_fds(guest):
    """What QEMU has open besides connections to its monitor, whose end it may notice late."""
    return len([link for link in proc.links(guest.pid) if "socket:" not in link])


def plug(rssb, guest, tap, *args):
    rssb("hotplug", "--qmp", guest.dir / "qmp", "--netdev", "n1", "--tap", tap, "--queues",
         guests.QUEUES, "--id", "net1", "--prop", f"mac={guests.MAC}", *args)  # fmt: skip


def unplug(qmp, guest, device="net1", netdev="n1"):
    """The guest has to let go of it."""

    def devices():
        return [item["name"] for item in qmp("qom-list", path="/machine/peripheral")]

    qmp("device_del", id=device)
    wait_for(lambda: device not in devices(), f"{device} to go")
    qmp("netdev_del", id=netdev)


def wait_for_nic(guest):
    wait_for(lambda: guest.request(f"exec test -e /sys/class/net/{IFACE}")[0] == 0, IFACE)


def program_of(guest):
    (program,) = bpf_stats.programs(guest.pid)
    return program


def test_steering_of_a_plugged_nic(guest, world, tap, broker, build, rssb, qmp, rng):
    """The guest's driver comes up, and its RSS command takes effect in the program."""
    live, fds = broker.grants(), open_fds(guest)
    plug(rssb, guest, tap)
    assert broker.grants() == live + 1
    wait_for_nic(guest)
    guest.bring_up()
    guest.run(f"ethtool -X {IFACE} hkey {rng.randbytes(40).hex(':')} equal {guests.QUEUES}")
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(IFACE, steering)
    steered.check(guest, world, tap, build, rng, steering, program=program_of(guest))
    assert rssb("unplug", "--qmp", guest.dir / "qmp", "--id", "net1").stderr == ""
    wait_for(lambda: broker.grants() == live, "the grant to end")
    assert open_fds(guest) == fds and bpf_stats.programs(guest.pid) == []
    assert "n1" not in qmp("human-monitor-command", **{"command-line": "info network"})


def test_unplug_waits_for_the_guest(guest, tap, broker, rssb, qmp):
    """Nothing is taken from a device that it holds; the second call goes on waiting."""
    live = broker.grants()
    plug(rssb, guest, tap)
    wait_for_nic(guest)
    qmp("stop")
    done = rssb("unplug", "--qmp", guest.dir / "qmp", "--id", "net1", "--wait", "0.5", check=False)
    assert done.returncode == 1 and "has not let go of it within 0.5 s" in done.stderr
    assert broker.grants() == live + 1 and len(bpf_stats.programs(guest.pid)) == 1
    qmp("cont")
    rssb("unplug", "--qmp", guest.dir / "qmp", "--id", "net1")
    wait_for(lambda: broker.grants() == live, "the grant to end")
    done = rssb("unplug", "--qmp", guest.dir / "qmp", "--id", "net1", check=False)
    assert done.stderr == "rssb: unplug: net1: there is no device of that id\n"


@pytest.mark.limit(900)
def test_a_hundred_plugs(guest, tap, broker, rssb, qmp):
    """Each with a grant of its own, which ends with the next."""
    live, fds = broker.grants(), open_fds(guest)
    programs = set()
    for _ in range(PLUGS):
        with guest.outlives():
            plug(rssb, guest, tap)
            wait_for(lambda: broker.grants() == live + 1, "the last plug's grant to end")
            programs.add(bpf_stats.program(guest.pid, program_of(guest))["prog_id"])
            wait_for_nic(guest)
            unplug(qmp, guest)
    assert len(programs) == PLUGS
    qmp("closefd", fdname="rssb-lease-net1")
    wait_for(lambda: broker.grants() == live, "the last grant to end")
    assert open_fds(guest) == fds
    assert bpf_stats.programs(guest.pid) == []
