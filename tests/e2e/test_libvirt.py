# SPDX-License-Identifier: MIT
"""libvirt as it is, an ordinary user's, with the installed emulator of rss-broker.

The same domain with the plain QEMU says that it cannot load its eBPF program:
that is what the emulator is for.
"""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import bpf_stats
import flows
import guest as guests
import libvirt as virt
from paths import ROOT
import steered
from waiting import wait_for
from world import NOBODY, Broker, World

WARNING = "Unable to load eBPF program"
MACS = [guests.MAC, "52:54:00:12:34:57", "52:54:00:12:34:58"]


@pytest.fixture(scope="module")
def world():
    with World() as world, bpf_stats.enabled():
        world.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
        yield world


@pytest.fixture(scope="module")
def broker(world, build):
    return Broker(world, build).at_default_path(world)


def install(world, build, name, qemus):
    """Installs rss-broker for QEMUs that are not the host's; returns the prefix."""
    prefix = world.directory(name, owner=0)
    san = ["SAN=1"] if build.name == "san" else []
    subprocess.run(["make", "-s", "install", *san, f"PREFIX={prefix}", f"QEMU_BINDIR={qemus}"],
                   check=True)  # fmt: skip
    return prefix


@pytest.fixture(scope="module")
def prefix(world, build, qemu):
    return install(world, build, "prefix", world.inside(qemu).parent)


@pytest.fixture(scope="module")
def emulator(prefix):
    return prefix / "libexec/rss-broker/qemu-system-x86_64"


@pytest.fixture(scope="module")
def libvirt(world, broker):
    with virt.Libvirt(world) as libvirt:
        yield libvirt


@pytest.fixture(scope="module")
def taps(world):
    return [world.tap(f"tap{number}") for number in range(3)]


@pytest.fixture(scope="module")
def guest(libvirt, emulator, taps):
    """Two NICs of its own; the third tap is for a hotplug."""
    devices = "".join(virt.interface(tap, mac) for tap, mac in zip(taps[:2], MACS))
    guest = virt.Guest(libvirt, "two-nics", emulator, devices)
    for iface in ("eth0", "eth1"):
        guest.bring_up(iface)
    return guest


def capabilities(libvirt, emulator):
    """What libvirt found out about an emulator by asking it."""
    shown = libvirt.run("domcapabilities", "--virttype", "qemu", "--emulatorbin", emulator).stdout
    return shown.replace(str(emulator), "EMULATOR")


def test_it_is_probed_like_qemu_itself(libvirt, emulator, world, qemu):
    through = capabilities(libvirt, emulator)
    assert "<path>EMULATOR</path>" in through
    assert through == capabilities(libvirt, world.inside(qemu))


def test_an_upgrade_of_qemu_needs_a_touch(libvirt, world, build):
    """libvirt looks at the emulator's ctime, which an upgrade of QEMU leaves as it is.

    In whole seconds: a touch in the second of the installation is none.
    """
    qemus = world.dir / "qemus"
    installed = install(world, build, "upgraded", qemus) / "libexec/rss-broker/qemu-system-x86_64"

    def machine():
        return re.search(r"<machine>pc-i440fx-(.*)</machine>", capabilities(libvirt, installed))[1]

    qemus.symlink_to(world.inside(ROOT / "build/qemu/10.0"))
    old = machine()
    qemus.unlink()
    qemus.symlink_to(world.inside(ROOT / "build/qemu/sid"))
    assert machine() == old
    second = int(installed.stat().st_ctime)
    wait_for(lambda: installed.touch() or int(installed.stat().st_ctime) > second, "the next second")
    assert machine() != old


def test_plain_qemu_cannot_load_its_program(libvirt, world, qemu, taps):
    plain = virt.Guest(libvirt, "plain", world.inside(qemu), virt.interface(taps[0]), boot=False)
    try:
        wait_for(lambda: WARNING in plain.stderr(), "QEMU's warning")
    finally:
        plain.destroy()


def test_a_domain_starts(guest, libvirt):
    """libvirt starts its QEMU stopped, goes on by its monitor, and passes both by fd."""
    assert libvirt.run("domstate", guest.name).stdout.strip() == "running"
    command_line = guest.command_line()
    assert "-S" in command_line
    assert re.search(r"id=charmonitor,fd=\d+", " ".join(command_line))
    netdevs = [json.loads(word) for word in command_line if '"hostnet' in word and "fds" in word]
    assert [len(netdev["fds"].split(":")) for netdev in netdevs if "type" in netdev] == [4, 4]
    assert WARNING not in guest.stderr() and "rssb" not in guest.stderr().split("msg timestamp")[1]
    status = Path(f"/proc/{guest.pid}/status").read_text()
    assert re.search(rf"^Uid:\s+{NOBODY}\s", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)


@pytest.mark.parametrize("number", [0, 1])
def test_each_nic_is_steered(guest, world, taps, build, rng, number):
    iface, device = f"eth{number}", f"net{number}"
    assert guest.run(f"cat /sys/class/net/{iface}/address").strip() == MACS[number]
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(iface, steering)
    steered.check(guest, world, taps[number], build, rng, steering, iface, mac=MACS[number],
                  program=guest.handed_over_program(device))  # fmt: skip


def rssb(libvirt, prefix, *args, **kwargs):
    return libvirt.execute([prefix / "bin/rssb", *args], **kwargs)


def hotplug(libvirt, prefix, domain, *args, **kwargs):
    return rssb(libvirt, prefix, "hotplug", "--libvirt", domain, *args, **kwargs)


def open_fds(guest):
    return len(os.listdir(f"/proc/{guest.pid}/fd"))


def test_hotplug(guest, libvirt, world, prefix, taps, build, rng):
    """What attach-interface cannot do: it does not pass through the emulator."""
    fds, programs = open_fds(guest), set(bpf_stats.programs(guest.pid))
    hotplug(libvirt, prefix, guest.name, "--netdev", "plugged", "--tap", taps[2],
            "--queues", guests.QUEUES, "--prop", f"mac={MACS[2]}")  # fmt: skip
    (program,) = set(bpf_stats.programs(guest.pid)) - programs
    wait_for(lambda: guest.request("exec test -e /sys/class/net/eth2")[0] == 0, "eth2")
    guest.bring_up("eth2")
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss("eth2", steering)
    steered.check(guest, world, taps[2], build, rng, steering, "eth2", mac=MACS[2], program=program)

    rssb(libvirt, prefix, "unplug", "--libvirt", guest.name, "--id", "rss-plugged")
    assert guest.request("exec test -e /sys/class/net/eth2")[0] != 0
    assert set(bpf_stats.programs(guest.pid)) == programs
    assert open_fds(guest) == fds


def test_a_failed_hotplug_leaves_nothing(guest, libvirt, prefix, taps):
    fds = open_fds(guest)
    done = hotplug(libvirt, prefix, guest.name, "--netdev", "plugged", "--tap", taps[2],
                   "--queues", guests.QUEUES, "--prop", "bus=nope", check=False)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "rssb: hotplug: device_add: QEMU says \"Bus 'nope' not found\"\n"
    assert open_fds(guest) == fds


def test_hotplug_into_no_domain(libvirt, prefix):
    done = hotplug(libvirt, prefix, "nope", "--netdev", "n1", check=False)
    assert done.returncode == 1
    assert done.stderr == "rssb: hotplug: virsh: failed to get domain 'nope'\n"


def test_a_broker_that_is_down(broker, libvirt, emulator, taps, guest):
    """The last test: the VM starts without, and its log says why, once."""
    guest.destroy()
    broker.stop()
    alone = virt.Guest(libvirt, "alone", emulator, virt.interface(taps[0]), boot=False)
    assert libvirt.run("domstate", alone.name).stdout.strip() == "running"
    said = [line for line in alone.stderr().splitlines() if line.startswith("rssb: ")]
    assert len(said) == 1, said
    assert "warning: " in said[0] and "rss-broker.sock" in said[0]
    alone.destroy()
